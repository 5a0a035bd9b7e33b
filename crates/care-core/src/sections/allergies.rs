//! Allergies and reactions: what each source says, side by side, and the one label of the banner.
//!
//! Source: the screen design, C11 and the patient banner; ISB 1505, 0064 to 0072; hazards H06, H07.

use std::collections::BTreeMap;

use serde::Serialize;

use super::input::{Input, Seen};
use super::item::Item;
use super::nothing::Held;
use super::read;
use super::request::Section;
use super::when::When;
use super::words::sentence;
use crate::fhir::{Json, ResourceType};

/// Codes by which a source states that the person has no known allergies.
///
/// Source: SNOMED CT UK Edition, descendants of 716186003 | No known allergy |, and the older
/// situation codes the GP systems send.
pub const NO_KNOWN_ALLERGY_CODES: [&str; 7] = [
    "716186003", // No known allergy
    "409137002", // No known drug allergy
    "428607008", // No known environmental allergy
    "429625007", // No known food allergy
    "428197003", // No known insect allergy
    "716184000", // No known latex allergy
    "160244002", // No known allergies (inactive, still sent)
];

/// The label of the fifth part of the banner: exactly one of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllergyLabel {
    /// At least one is recorded: the only one that is emphasised.
    Known,
    /// A source stated that there are none, and no source recorded one.
    NoKnown,
    /// Every source answered and none recorded any.
    NotRecorded,
    /// A source could not be reached or is late, and the others recorded none.
    Unavailable,
}

impl AllergyLabel {
    /// The exact words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Known => "Known allergies",
            Self::NoKnown => "No known allergies",
            Self::NotRecorded => "Allergies not recorded",
            Self::Unavailable => "Allergies unavailable",
        }
    }
}

/// One substance, with what the sources say of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AllergyRow {
    /// The substance as sent.
    pub substance: String,
    /// Reactions, each once.
    pub reactions: Vec<String>,
    /// The worst severity any source gave, with that source where there are several.
    pub severity: Option<String>,
    /// Severe, or high criticality: comes first, and into the alert strip.
    pub severe: bool,
    /// Allergy, Intolerance, Side effect or Not stated.
    pub kind: String,
    /// Confirmed, Unconfirmed, Refuted, or Not stated.
    pub certainty: String,
    /// First noted.
    pub noted: Option<When>,
    /// Last updated.
    pub updated: Option<When>,
    /// Where each entry came from.
    pub seen: Vec<Seen>,
    /// Sources, each once.
    pub sources: Vec<String>,
}

/// The allergies page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AllergiesView {
    /// The label, for the look.
    pub label: AllergyLabel,
    /// Its words.
    pub label_words: &'static str,
    /// "Sources differ. …", where one source stated none and another recorded some.
    pub conflict: Option<String>,
    /// Rows: severe first, then most recently updated.
    pub rows: Vec<AllergyRow>,
    /// Refuted or entered in error.
    pub refuted: Vec<AllergyRow>,
    /// Items that could not be read (S8).
    pub unreadable: usize,
    /// What sources stated in code.
    #[serde(skip)]
    pub(super) stated_none: Vec<String>,
}

struct Entry<'a> {
    item: &'a Item,
    substance: String,
}

/// Arranges the allergies that were loaded.
pub(super) fn arrange(input: &Input) -> AllergiesView {
    let mut none: Vec<&Item> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut unreadable = input.broken_of(ResourceType::ALLERGY_INTOLERANCE);
    for item in input.of_type(ResourceType::ALLERGY_INTOLERANCE) {
        match substance(&item.body) {
            _ if states_none(&item.body) => none.push(item),
            Some(substance) => entries.push(Entry { item, substance }),
            None => unreadable += 1,
        }
    }
    let (refuted, held): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| is_refuted(entry.item));
    let rows = rows(&held, input);
    let none: Vec<&Item> = none.into_iter().filter(|item| !is_refuted(item)).collect();
    let stated_none: Vec<String> = none.iter().map(|item| stated(item, input)).collect();
    let label = label(&rows, &stated_none, unreadable, input);
    AllergiesView {
        label,
        label_words: label.words(),
        conflict: conflict(&none, &rows, input),
        refuted: self::rows(&refuted, input),
        rows,
        unreadable,
        stated_none,
    }
}

impl AllergiesView {
    /// What the section says of its emptiness.
    pub(super) fn held(&self) -> Held {
        Held {
            items: self.rows.len() + self.unreadable,
            stated_none: self.stated_none.clone(),
            ..Held::default()
        }
    }
}

fn label(rows: &[AllergyRow], stated: &[String], unreadable: usize, input: &Input) -> AllergyLabel {
    if !rows.is_empty() || unreadable > 0 {
        return AllergyLabel::Known;
    }
    let complete =
        input.for_role(Section::Allergies) && input.freshness(Section::Allergies).complete();
    match (complete, stated.is_empty()) {
        (false, _) => AllergyLabel::Unavailable,
        (true, false) => AllergyLabel::NoKnown,
        (true, true) => AllergyLabel::NotRecorded,
    }
}

fn states_none(body: &Json) -> bool {
    read::has_code_at(body, "code", &NO_KNOWN_ALLERGY_CODES)
}

fn substance(body: &Json) -> Option<String> {
    read::concept_at(body, "code").or_else(|| {
        body.path(&["reaction"])
            .and_then(|reaction| read::concept_at(reaction, "substance"))
    })
}

fn is_refuted(item: &Item) -> bool {
    item.header.withdrawn
        || read::has_code_at(
            &item.body,
            "verificationStatus",
            &["refuted", "entered-in-error"],
        )
}

fn updated(item: &Item) -> Option<When> {
    read::when_at(&item.body, &["recordedDate", "lastOccurrence"])
        .map(When::date_only)
        .or_else(|| item.header.clinical_at.map(When::day))
}

fn stated(item: &Item, input: &Input) -> String {
    let what =
        read::concept_at(&item.body, "code").unwrap_or_else(|| "No known allergies".to_owned());
    let plural = if what.to_lowercase().starts_with("no known allerg") {
        "No known allergies".to_owned()
    } else {
        sentence(&what)
    };
    format!(
        "{plural}. Recorded by {}, {}.",
        input.short_name(&item.header.source),
        updated_words(item)
    )
}

fn updated_words(item: &Item) -> String {
    updated(item).map_or_else(|| "date not recorded".to_owned(), |when| when.short)
}

fn conflict(none: &[&Item], rows: &[AllergyRow], input: &Input) -> Option<String> {
    let row = rows.first()?;
    let item = none.first()?;
    let on = row.updated.as_ref().map_or_else(
        || "a date not recorded".to_owned(),
        |when| when.short.clone(),
    );
    Some(format!(
        "Sources differ. {} recorded '{}' on {}. {} recorded {} on {on}.",
        input.short_name(&item.header.source),
        read::concept_at(&item.body, "code")
            .filter(|words| !words.to_lowercase().starts_with("no known allerg"))
            .unwrap_or_else(|| "No known allergies".to_owned()),
        updated_words(item),
        row.sources.join(" and "),
        lower_first(&row.substance),
    ))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

fn rows(entries: &[Entry], input: &Input) -> Vec<AllergyRow> {
    let mut groups: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        groups
            .entry(entry.substance.to_lowercase())
            .or_default()
            .push(entry);
    }
    let mut rows: Vec<AllergyRow> = groups.values().map(|group| row(group, input)).collect();
    rows.sort_by(|a, b| {
        let updated = |row: &AllergyRow| row.updated.as_ref().map(|when| when.sort_ms);
        b.severe
            .cmp(&a.severe)
            .then_with(|| updated(b).cmp(&updated(a)))
            .then_with(|| a.substance.cmp(&b.substance))
    });
    rows
}

fn severity_rank(item: &Item) -> (u8, Option<&'static str>) {
    let worst = item
        .body
        .elements("reaction")
        .iter()
        .filter_map(|reaction| reaction.text_at(&["severity"]))
        .map(|severity| match severity {
            "severe" => (3, Some("Severe")),
            "moderate" => (2, Some("Moderate")),
            _ => (1, Some("Mild")),
        })
        .max_by_key(|(rank, _)| *rank)
        .unwrap_or((0, None));
    match (worst.0, item.body.text_at(&["criticality"])) {
        (0, Some("high")) => (3, Some("High criticality")),
        (0, Some("low")) => (1, Some("Low criticality")),
        _ => worst,
    }
}

fn row(group: &[&Entry], input: &Input) -> AllergyRow {
    let mut reactions: Vec<String> = Vec::new();
    let mut sources: Vec<String> = Vec::new();
    for entry in group {
        for reaction in entry.item.body.elements("reaction") {
            let words = match read::concepts_at(reaction, "manifestation") {
                none if none.is_empty() => reaction
                    .text_at(&["description"])
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                some => some,
            };
            for word in words {
                if !reactions.contains(&word) {
                    reactions.push(word);
                }
            }
        }
        let source = input.short_name(&entry.item.header.source);
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    let worst = group.iter().max_by_key(|entry| severity_rank(entry.item).0);
    let severity = worst.and_then(|entry| {
        let words = severity_rank(entry.item).1?;
        Some(if sources.len() > 1 {
            format!("{words} ({})", input.short_name(&entry.item.header.source))
        } else {
            words.to_owned()
        })
    });
    let mut seen: Vec<Seen> = group
        .iter()
        .map(|entry| input.seen(&entry.item.header))
        .collect();
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.sort_ms));
    let body = |entry: &&Entry| -> Json { entry.item.body.clone() };
    let first = group.first().map(body).unwrap_or_default();
    AllergyRow {
        substance: group
            .first()
            .map(|entry| entry.substance.clone())
            .unwrap_or_default(),
        reactions,
        severe: worst.is_some_and(|entry| severity_rank(entry.item).0 == 3 || high(entry.item)),
        severity,
        kind: kind(&first),
        certainty: read::concept_at(&first, "verificationStatus").map_or_else(
            || "Not stated".to_owned(),
            |words| read::words_of_code(&words),
        ),
        noted: group
            .iter()
            .filter_map(|entry| {
                read::when_at(
                    &entry.item.body,
                    &["onsetDateTime", "onsetPeriod", "recordedDate"],
                )
            })
            .map(When::date_only)
            .min_by_key(|when| when.sort_ms),
        updated: group
            .iter()
            .filter_map(|entry| updated(entry.item))
            .max_by_key(|when| when.sort_ms),
        seen,
        sources,
    }
}

fn high(item: &Item) -> bool {
    item.body.text_at(&["criticality"]) == Some("high")
}

fn kind(body: &Json) -> String {
    match body.text_at(&["type"]) {
        Some("allergy") => "Allergy".to_owned(),
        Some("intolerance") => "Intolerance".to_owned(),
        Some(other) => sentence(other),
        None => "Not stated".to_owned(),
    }
}
