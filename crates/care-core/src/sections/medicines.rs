//! Medicines of every list side by side, each difference marked and none of them settled.
//!
//! Source: the screen design, C10; hazards H21 and H22. Connect Care does not decide which list is
//! right. "One list only" and "Stopped elsewhere" are never said while another source is late.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::input::{Input, Seen};
use super::item::Item;
use super::medicine_line::{Medicine, Part, is_listed, read_medicine};
use super::read;
use super::request::{Filter, MedicinesList, Section};
use super::source::Reliability;
use super::when::When;
use crate::vocabulary::SourceCode;

/// How the lists agree on one substance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Same substance, dose, form and frequency in every source that lists it.
    Agrees,
    /// Same substance, other dose or frequency.
    DoseDiffers,
    /// Same substance and daily dose, other form or strength.
    FormDiffers,
    /// Listed by one source while another that should list it does not.
    OneListOnly,
    /// Current in one, stopped later in another.
    StoppedElsewhere,
    /// Uncoded, or another source is late or not available.
    CannotCompare,
}

impl Mark {
    /// Every mark in the order of the bar.
    pub const ALL: [Self; 6] = [
        Self::Agrees,
        Self::DoseDiffers,
        Self::FormDiffers,
        Self::OneListOnly,
        Self::StoppedElsewhere,
        Self::CannotCompare,
    ];

    /// The word tag.
    pub fn words(self) -> &'static str {
        match self {
            Self::Agrees => "Agrees",
            Self::DoseDiffers => "Dose differs",
            Self::FormDiffers => "Form differs",
            Self::OneListOnly => "One list only",
            Self::StoppedElsewhere => "Stopped elsewhere",
            Self::CannotCompare => "Cannot compare",
        }
    }

    /// Its code in a filter.
    pub fn code(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::DoseDiffers => "dose-differs",
            Self::FormDiffers => "form-differs",
            Self::OneListOnly => "one-list-only",
            Self::StoppedElsewhere => "stopped-elsewhere",
            Self::CannotCompare => "cannot-compare",
        }
    }
}

/// What one source says, as sent: one line under "Details".
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Where it came from.
    pub seen: Seen,
    /// The medicine line.
    pub line: Vec<Part>,
    /// Dose instruction word for word, where it is only free text.
    pub free_text: Option<String>,
    /// Status in at most two words.
    pub status: String,
    /// Start.
    pub started: Option<When>,
    /// End.
    pub ended: Option<When>,
    /// Why it was stopped or given, as sent.
    pub reason: Option<String>,
    /// Who prescribed or recorded it.
    pub by: Option<String>,
}

/// One substance, with what each source says of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MedicineRow {
    /// The entry shown in the row: the most recent start.
    pub first: Entry,
    /// Every entry, the first included.
    pub entries: Vec<Entry>,
    /// The sources that list it, each once.
    pub sources: Vec<String>,
    /// The mark.
    pub mark: Mark,
    /// The mark's words.
    pub mark_words: &'static str,
    /// The sentence beside the mark.
    pub sentence: String,
    /// Anything in the row came after the reader last looked.
    pub new: bool,
}

/// A number of the bar, which filters the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarkCount {
    /// The code of the mark.
    pub code: &'static str,
    /// Its words.
    pub words: &'static str,
    /// How many rows have it.
    pub rows: usize,
}

/// The medicines page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MedicinesView {
    /// Which list is selected.
    pub list: MedicinesList,
    /// "12 current medicines."
    pub current: usize,
    /// One for each mark that occurs.
    pub counts: Vec<MarkCount>,
    /// "12 current medicines. 8 agree. …"
    pub bar: String,
    /// The rows of the selected list, after the filter.
    pub rows: Vec<MedicineRow>,
    /// How many rows there are without the filter.
    pub of: usize,
    /// The mark filtered on.
    pub filter: Option<String>,
    /// Stopped or completed in the last 90 days.
    pub stopped_lately: usize,
    /// Free-text or uncoded current entries, word for word.
    pub uncompared: Vec<Entry>,
    /// Given in hospital or clinic, or handed over.
    pub given: Vec<Entry>,
    /// Entered in error or withdrawn.
    pub in_error: Vec<Entry>,
    /// Items whose medicine could not be read (S8).
    pub unreadable: usize,
}

struct Read<'a> {
    item: &'a Item,
    medicine: Medicine,
}

/// Arranges the medicines that were loaded.
pub(super) fn arrange(input: &Input, list: MedicinesList, filter: &Filter) -> MedicinesView {
    let (read, unreadable) = read_all(input);
    let (in_error, good): (Vec<_>, Vec<_>) = read
        .into_iter()
        .partition(|entry| entry.item.header.withdrawn);
    let (listed, given): (Vec<_>, Vec<_>) =
        good.into_iter().partition(|entry| is_listed(entry.item));
    let groups = group(&listed);
    let current: Vec<MedicineRow> = sorted_rows(
        groups
            .values()
            .filter(|group| group.iter().any(|entry| entry.item.header.current)),
        input,
    );
    let counts = counts(&current);
    let stopped_lately = stopped_lately(&groups, input);
    let uncompared = listed
        .iter()
        .filter(|entry| entry.item.header.current && !entry.medicine.coded)
        .map(|entry| entry_of(entry, input))
        .collect();
    let bar = bar(current.len(), &counts);
    let current_total = current.len();
    let rows = match list {
        MedicinesList::Current => current,
        MedicinesList::Past => past_rows(&groups, input),
    };
    let of = rows.len();
    let rows = rows
        .into_iter()
        .filter(|row| {
            filter
                .mark
                .as_deref()
                .is_none_or(|mark| row.mark.code() == mark)
        })
        .filter(|row| {
            filter.source.as_ref().is_none_or(|source| {
                let short = input.short_name(source);
                row.sources.contains(&short)
            })
        })
        .collect();
    MedicinesView {
        list,
        current: current_total,
        counts,
        bar,
        rows,
        of,
        filter: filter.mark.clone(),
        stopped_lately,
        uncompared,
        given: given.iter().map(|entry| entry_of(entry, input)).collect(),
        in_error: in_error
            .iter()
            .map(|entry| entry_of(entry, input))
            .collect(),
        unreadable,
    }
}

fn read_all<'a>(input: &Input<'a>) -> (Vec<Read<'a>>, usize) {
    let mut read = Vec::new();
    let mut unreadable = 0;
    for item in input.items_of(Section::Medicines) {
        let referred = item
            .body
            .get("medicationReference")
            .and_then(read::target)
            .and_then(|(resource_type, id)| input.item(resource_type, id))
            .map(|medication| &medication.body);
        match read_medicine(item, referred) {
            Some(medicine) => read.push(Read { item, medicine }),
            None => unreadable += 1,
        }
    }
    (read, unreadable)
}

/// Entries of one substance. Uncoded entries are grouped by their words too, but never compared.
fn group<'a, 'b>(listed: &'b [Read<'a>]) -> BTreeMap<&'b str, Vec<&'b Read<'a>>> {
    let mut groups: BTreeMap<&str, Vec<&Read>> = BTreeMap::new();
    for entry in listed {
        groups
            .entry(&entry.medicine.substance)
            .or_default()
            .push(entry);
    }
    groups
}

fn sorted_rows<'a, 'b: 'a>(
    groups: impl Iterator<Item = &'a Vec<&'a Read<'b>>>,
    input: &Input,
) -> Vec<MedicineRow> {
    let mut rows: Vec<MedicineRow> = groups.map(|group| current_row(group, input)).collect();
    rows.sort_by(|a, b| {
        let start = |row: &MedicineRow| row.first.started.as_ref().map(|w| w.sort_ms);
        start(b)
            .cmp(&start(a))
            .then_with(|| line_text(&a.first).cmp(&line_text(&b.first)))
    });
    rows
}

fn line_text(entry: &Entry) -> String {
    entry
        .line
        .first()
        .map(|part| part.text.clone())
        .unwrap_or_default()
}

fn current_row(group: &[&Read], input: &Input) -> MedicineRow {
    let current: Vec<&Read> = newest_of_each_source(group, true);
    let (mark, sentence) = compare(group, &current, input);
    row(&current, group, mark, sentence, input)
}

fn row(
    shown: &[&Read],
    group: &[&Read],
    mark: Mark,
    sentence: String,
    input: &Input,
) -> MedicineRow {
    let mut entries: Vec<Entry> = shown.iter().map(|entry| entry_of(entry, input)).collect();
    let shown_items: BTreeSet<_> = shown.iter().map(|entry| entry.item.header.item).collect();
    entries.extend(
        group
            .iter()
            .filter(|entry| !shown_items.contains(&entry.item.header.item))
            .map(|entry| entry_of(entry, input)),
    );
    let mut sources: Vec<String> = Vec::new();
    for entry in shown {
        let name = input.short_name(&entry.item.header.source);
        if !sources.contains(&name) {
            sources.push(name);
        }
    }
    let new = entries.iter().any(|entry| entry.seen.new);
    // A group has at least one entry, so the fallback is never used; it keeps the function total.
    let first = entries.first().cloned().unwrap_or_else(|| Entry {
        seen: input.seen(&group[0].item.header),
        line: Vec::new(),
        free_text: None,
        status: String::new(),
        started: None,
        ended: None,
        reason: None,
        by: None,
    });
    MedicineRow {
        first,
        entries,
        sources,
        mark,
        mark_words: mark.words(),
        sentence,
        new,
    }
}

/// The newest start of each source, newest first.
fn newest_of_each_source<'a, 'b>(group: &[&'a Read<'b>], current: bool) -> Vec<&'a Read<'b>> {
    let mut chosen: Vec<&Read> = group
        .iter()
        .filter(|entry| entry.item.header.current == current)
        .copied()
        .collect();
    chosen.sort_by_key(|entry| std::cmp::Reverse(start_ms(entry)));
    chosen
}

fn start_ms(entry: &Read) -> Option<i64> {
    entry.medicine.started.as_ref().map(|when| when.sort_ms)
}

fn sources_of<'a>(entries: &[&'a Read]) -> BTreeSet<&'a SourceCode> {
    entries
        .iter()
        .map(|entry| &entry.item.header.source)
        .collect()
}

fn compare(group: &[&Read], current: &[&Read], input: &Input) -> (Mark, String) {
    if let Some(uncoded) = current.iter().find(|entry| !entry.medicine.coded) {
        let source = input.short_name(&uncoded.item.header.source);
        return (
            Mark::CannotCompare,
            format!("{source} sent this without a code."),
        );
    }
    let sources = sources_of(current);
    if sources.len() > 1 {
        return compare_current(current, input);
    }
    match (late_other(&sources, input), stopped_later(group, current)) {
        (Some(late), _) => (
            Mark::CannotCompare,
            format!("{} is {}.", late.0, late.1.words().to_lowercase()),
        ),
        (None, Some(stopped)) => (
            Mark::StoppedElsewhere,
            format!(
                "{} stopped it on {}.",
                input.short_name(&stopped.item.header.source),
                stop_date(stopped)
                    .map_or_else(|| "a date not recorded".to_owned(), |when| when.short)
            ),
        ),
        (None, None) => (Mark::OneListOnly, one_list_sentence(&sources, input)),
    }
}

fn compare_current(current: &[&Read], input: &Input) -> (Mark, String) {
    let keys: BTreeSet<Option<String>> = current
        .iter()
        .map(|entry| entry.medicine.dose_key())
        .collect();
    let products: BTreeSet<&str> = current
        .iter()
        .map(|entry| entry.medicine.product.as_str())
        .collect();
    let each = || {
        current
            .iter()
            .map(|entry| {
                format!(
                    "{}: {}",
                    input.short_name(&entry.item.header.source),
                    dose_words(&entry.medicine)
                )
            })
            .collect::<Vec<_>>()
            .join(". ")
            + "."
    };
    if keys.contains(&None) && keys.len() > 1 {
        return (Mark::CannotCompare, "A source sent no dose.".to_owned());
    }
    let structured = current
        .iter()
        .filter(|entry| entry.medicine.dose.is_some())
        .count();
    match (keys.len(), products.len()) {
        (1, 1) => (
            Mark::Agrees,
            "Same in every source that lists it.".to_owned(),
        ),
        (1, _) => (Mark::FormDiffers, names(current, input)),
        _ if structured > 0 && structured < current.len() => (
            Mark::CannotCompare,
            format!("One dose is free text. {}", each()),
        ),
        _ if structured == 0 => (
            Mark::CannotCompare,
            format!("Doses are free text. {}", each()),
        ),
        _ if products.len() > 1 && same_daily(current) => {
            (Mark::FormDiffers, names(current, input))
        }
        _ => (Mark::DoseDiffers, each()),
    }
}

fn names(current: &[&Read], input: &Input) -> String {
    current
        .iter()
        .map(|entry| {
            format!(
                "{}: {}",
                input.short_name(&entry.item.header.source),
                entry.medicine.name
            )
        })
        .collect::<Vec<_>>()
        .join(". ")
        + "."
}

fn dose_words(medicine: &Medicine) -> String {
    match &medicine.dose {
        Some(dose) => [Some(dose.words()), medicine.frequency.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
        None => medicine
            .dose_text
            .clone()
            .unwrap_or_else(|| "no dose sent".to_owned()),
    }
}

fn same_daily(current: &[&Read]) -> bool {
    let daily: Vec<_> = current.iter().map(|entry| entry.medicine.daily()).collect();
    match daily.first() {
        Some(Some(first)) => daily.iter().all(|other| {
            other.is_some_and(|(amount, unit)| (amount - first.0).abs() < 1e-9 && unit == first.1)
        }),
        _ => false,
    }
}

/// A source other than these that should list medicines and cannot be relied on now.
fn late_other(listing: &BTreeSet<&SourceCode>, input: &Input) -> Option<(String, Reliability)> {
    expected(input)
        .into_iter()
        .filter(|source| !listing.contains(source))
        .find_map(|code| {
            let state = input.source(code)?;
            let reliability = state.reliability(input.now);
            matches!(
                reliability,
                Reliability::Late | Reliability::VeryLate | Reliability::NotAvailable
            )
            .then(|| (state.short_name.clone(), reliability))
        })
}

/// The sources that should list a current medicine: practices, and whoever lists any medicine of
/// this person.
fn expected<'a>(input: &Input<'a>) -> BTreeSet<&'a SourceCode> {
    let practices = input
        .sources
        .iter()
        .filter(|source| source.connected && source.should_list_medicines())
        .map(|source| &source.source);
    let listing = input
        .headers_of(Section::Medicines)
        .filter(|header| !header.withdrawn)
        .map(|header| &header.source);
    practices.chain(listing).collect()
}

fn stop_date(entry: &Read) -> Option<When> {
    entry
        .medicine
        .ended
        .clone()
        .or_else(|| entry.item.header.clinical_at.map(When::day))
}

fn stopped_later<'a, 'b>(group: &[&'a Read<'b>], current: &[&Read]) -> Option<&'a Read<'b>> {
    let listing = sources_of(current);
    let started = current.iter().filter_map(|entry| start_ms(entry)).max();
    group
        .iter()
        .filter(|entry| !entry.item.header.current && !listing.contains(&entry.item.header.source))
        .filter(|entry| stop_date(entry).map(|when| when.sort_ms) > started)
        .max_by_key(|entry| stop_date(entry).map(|when| when.sort_ms))
        .copied()
}

fn one_list_sentence(listing: &BTreeSet<&SourceCode>, input: &Input) -> String {
    let others: Vec<String> = expected(input)
        .into_iter()
        .filter(|source| !listing.contains(source))
        .map(|source| input.short_name(source))
        .collect();
    match others.as_slice() {
        [] => "No other source lists medicines for this person.".to_owned(),
        [one] => format!("{one} does not list it."),
        many => format!("{} do not list it.", many.join(", ")),
    }
}

fn past_rows(groups: &BTreeMap<&str, Vec<&Read>>, input: &Input) -> Vec<MedicineRow> {
    let mut past: Vec<&Read> = groups
        .values()
        .flatten()
        .filter(|entry| !entry.item.header.current)
        .copied()
        .collect();
    past.sort_by_key(|entry| std::cmp::Reverse(stop_date(entry).map(|when| when.sort_ms)));
    past.iter()
        .map(|entry| {
            row(
                &[entry],
                &[entry],
                Mark::CannotCompare,
                String::new(),
                input,
            )
        })
        .collect()
}

fn stopped_lately(groups: &BTreeMap<&str, Vec<&Read>>, input: &Input) -> usize {
    let from = input.now.as_millisecond() - 90 * 24 * 60 * 60 * 1000;
    groups
        .values()
        .flatten()
        .filter(|entry| !entry.item.header.current)
        .filter(|entry| {
            stop_date(entry)
                .is_some_and(|when| (from..=input.now.as_millisecond()).contains(&when.sort_ms))
        })
        .count()
}

fn entry_of(entry: &Read, input: &Input) -> Entry {
    let medicine = &entry.medicine;
    Entry {
        seen: input.seen(&entry.item.header),
        line: medicine.line(),
        free_text: medicine.free_text(),
        status: medicine.status.clone(),
        started: medicine.started.clone(),
        ended: medicine.ended.clone(),
        reason: medicine.reason.clone(),
        by: read::who(
            &entry.item.body,
            &["requester", "informationSource", "recorder", "performer"],
        ),
    }
}

fn counts(rows: &[MedicineRow]) -> Vec<MarkCount> {
    Mark::ALL
        .into_iter()
        .map(|mark| MarkCount {
            code: mark.code(),
            words: mark.words(),
            rows: rows.iter().filter(|row| row.mark == mark).count(),
        })
        .filter(|count| count.rows > 0)
        .collect()
}

/// "12 current medicines. 8 agree. 2 differ between sources. 2 are on one list only."
fn bar(current: usize, counts: &[MarkCount]) -> String {
    let rows = |codes: &[&str]| -> usize {
        counts
            .iter()
            .filter(|count| codes.contains(&count.code))
            .map(|count| count.rows)
            .sum()
    };
    let mut sentences = vec![format!(
        "{}.",
        super::words::count(current, "current medicine", "current medicines")
    )];
    let mut add = |codes: &[&str], one: &str, many: &str| match rows(codes) {
        0 => {}
        1 => sentences.push(format!("1 {one}.")),
        number => sentences.push(format!("{number} {many}.")),
    };
    add(&["agrees"], "agrees", "agree");
    add(
        &["dose-differs", "form-differs"],
        "differs between sources",
        "differ between sources",
    );
    add(
        &["one-list-only"],
        "is on one list only",
        "are on one list only",
    );
    add(
        &["stopped-elsewhere"],
        "is stopped elsewhere",
        "are stopped elsewhere",
    );
    add(
        &["cannot-compare"],
        "cannot be compared",
        "cannot be compared",
    );
    sentences.join(" ")
}
