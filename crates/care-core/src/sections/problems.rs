//! Problems, procedures, family history and immunisations: one row a concept, every source marked.
//!
//! Source: the screen design, C9; hazard H24: family history is never shown as the person's own.

use std::collections::BTreeMap;

use serde::Serialize;

use super::input::{Input, Seen};
use super::item::Item;
use super::read;
use super::when::When;
use crate::fhir::ResourceType;

/// One concept, with what the sources say of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProblemRow {
    /// The words as sent.
    pub title: String,
    /// Status as sent.
    pub status: String,
    /// "Status differs: Riverside GP Active, City Hospital Resolved."
    pub differs: Option<String>,
    /// Onset, or first recorded.
    pub onset: Option<When>,
    /// Last updated.
    pub updated: Option<When>,
    /// Severity, body site, relation, batch: what else was sent, in words.
    pub more: Vec<String>,
    /// Where each entry came from.
    pub seen: Vec<Seen>,
    /// Sources, each once.
    pub sources: Vec<String>,
    /// Anything in the row came after the reader last looked.
    pub new: bool,
    #[serde(skip)]
    pub(super) active: bool,
}

/// One heading with its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProblemGroup {
    /// Its code: the anchor on the page.
    pub code: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// Its rows, newest first.
    pub rows: Vec<ProblemRow>,
}

/// The problems page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProblemsView {
    /// Active, newest first.
    pub active: Vec<ProblemRow>,
    /// Past and inactive, newest first.
    pub past: Vec<ProblemRow>,
    /// Procedures, family history, immunisations: those that are not empty.
    pub groups: Vec<ProblemGroup>,
    /// Refuted or entered in error.
    pub refuted: Vec<ProblemRow>,
    /// Items whose words could not be read (S8).
    pub unreadable: usize,
}

impl ProblemsView {
    pub(super) fn rows(&self) -> usize {
        self.active.len()
            + self.past.len()
            + self.groups.iter().map(|g| g.rows.len()).sum::<usize>()
    }
}

/// Arranges the problems that were loaded.
pub(super) fn arrange(input: &Input) -> ProblemsView {
    let of = |wanted: ResourceType| -> Vec<&Item> { input.of_type(wanted).collect() };
    let conditions = of(ResourceType::CONDITION);
    let groups = [
        ("procedures", "Procedures", of(ResourceType::PROCEDURE)),
        (
            "family-history",
            "Family history",
            of(ResourceType::FAMILY_MEMBER_HISTORY),
        ),
        (
            "immunisations",
            "Immunisations",
            of(ResourceType::IMMUNIZATION),
        ),
    ];
    let everything = conditions
        .iter()
        .chain(groups.iter().flat_map(|(_, _, items)| items));
    let unreadable = everything
        .clone()
        .filter(|item| title(item).is_none())
        .count();
    let refuted: Vec<&Item> = everything
        .filter(|item| is_refuted(item))
        .copied()
        .collect();
    let standing = |items: &[&'_ Item]| -> Vec<ProblemRow> {
        let kept: Vec<&Item> = items
            .iter()
            .filter(|item| !is_refuted(item))
            .copied()
            .collect();
        rows(&kept, input)
    };
    let (active, past) = standing(&conditions)
        .into_iter()
        .partition(|row| row.active);
    ProblemsView {
        active,
        past,
        groups: groups
            .iter()
            .map(|(code, title, items)| ProblemGroup {
                code,
                title,
                rows: standing(items),
            })
            .filter(|group| !group.rows.is_empty())
            .collect(),
        refuted: rows(&refuted, input),
        unreadable,
    }
}

fn title(item: &Item) -> Option<String> {
    match item.header.resource_type {
        ResourceType::FAMILY_MEMBER_HISTORY => {
            let relation = read::concept_at(&item.body, "relationship")
                .unwrap_or_else(|| "Relative".to_owned());
            let conditions: Vec<String> = item
                .body
                .elements("condition")
                .iter()
                .filter_map(|condition| read::concept_at(condition, "code"))
                .collect();
            Some(if conditions.is_empty() {
                relation
            } else {
                format!("{relation}: {}", conditions.join(", "))
            })
        }
        ResourceType::IMMUNIZATION => read::concept_at(&item.body, "vaccineCode"),
        _ => read::concept_at(&item.body, "code"),
    }
}

fn is_refuted(item: &Item) -> bool {
    item.header.withdrawn
        || read::has_code_at(
            &item.body,
            "verificationStatus",
            &["refuted", "entered-in-error"],
        )
        || item.body.text_at(&["status"]) == Some("entered-in-error")
}

fn status(item: &Item) -> String {
    read::concept_at(&item.body, "clinicalStatus")
        .map(|words| read::words_of_code(&words))
        .or_else(|| read::status(&item.body))
        .unwrap_or_else(|| "Not stated".to_owned())
}

fn onset(item: &Item) -> Option<When> {
    read::when_at(
        &item.body,
        &[
            "onsetDateTime",
            "onsetPeriod",
            "performedDateTime",
            "performedPeriod",
            "occurrenceDateTime",
            "recordedDate",
            "date",
            "recorded",
        ],
    )
    .map(When::date_only)
    .or_else(|| item.header.clinical_at.map(When::day))
}

fn updated(item: &Item) -> Option<When> {
    read::when_at(
        &item.body,
        &["abatementDateTime", "recordedDate", "recorded", "date"],
    )
    .map(When::date_only)
    .or_else(|| item.header.clinical_at.map(When::day))
}

fn more(item: &Item) -> Vec<String> {
    let body = &item.body;
    let mut more: Vec<String> = Vec::new();
    more.extend(read::concept_at(body, "severity"));
    more.extend(read::concepts_at(body, "bodySite"));
    more.extend(
        read::concept_at(body, "verificationStatus")
            .filter(|words| !words.eq_ignore_ascii_case("confirmed"))
            .map(|words| read::words_of_code(&words)),
    );
    more.extend(
        body.text_at(&["lotNumber"])
            .map(|lot| format!("Batch {lot}")),
    );
    more.extend(body.text_at(&["onsetString"]).map(str::to_owned));
    more.extend(read::notes(body));
    more
}

fn rows(items: &[&Item], input: &Input) -> Vec<ProblemRow> {
    let mut groups: BTreeMap<(ResourceType, String), Vec<&Item>> = BTreeMap::new();
    for item in items {
        if let Some(title) = title(item) {
            let key = (item.header.resource_type, group_key(item, &title));
            groups.entry(key).or_default().push(item);
        }
    }
    let mut rows: Vec<ProblemRow> = groups
        .into_values()
        .map(|group| row(group, input))
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.onset.as_ref().map(|when| when.sort_ms)));
    rows
}

/// Conditions of one concept are one row; things that happen (a procedure, a vaccination) are each
/// their own row unless they happened on one day.
fn group_key(item: &Item, title: &str) -> String {
    let words = title.to_lowercase();
    match item.header.resource_type {
        ResourceType::CONDITION => words,
        _ => format!(
            "{words} {}",
            onset(item)
                .map(|when| when.date_only().short)
                .unwrap_or_default()
        ),
    }
}

fn row(mut group: Vec<&Item>, input: &Input) -> ProblemRow {
    group.sort_by_key(|item| std::cmp::Reverse((item.header.current, item.header.clinical_at)));
    let mut statuses: Vec<(String, String)> = Vec::new();
    let mut sources: Vec<String> = Vec::new();
    let mut all_more: Vec<String> = Vec::new();
    for item in &group {
        let source = input.short_name(&item.header.source);
        if !sources.contains(&source) {
            sources.push(source.clone());
        }
        statuses.push((source, status(item)));
        for words in more(item) {
            if !all_more.contains(&words) {
                all_more.push(words);
            }
        }
    }
    let differs = statuses
        .iter()
        .any(|(_, status)| *status != statuses[0].1)
        .then(|| {
            let each: Vec<String> = statuses
                .iter()
                .map(|(source, status)| format!("{source} {status}"))
                .collect();
            format!("Status differs: {}.", each.join(", "))
        });
    let seen: Vec<Seen> = group.iter().map(|item| input.seen(&item.header)).collect();
    ProblemRow {
        title: group
            .first()
            .and_then(|item| title(item))
            .unwrap_or_default(),
        status: statuses
            .first()
            .map(|(_, status)| status.clone())
            .unwrap_or_default(),
        differs,
        onset: group
            .iter()
            .filter_map(|item| onset(item))
            .min_by_key(|when| when.sort_ms),
        updated: group
            .iter()
            .filter_map(|item| updated(item))
            .max_by_key(|when| when.sort_ms),
        more: all_more,
        new: seen.iter().any(|seen| seen.new),
        seen,
        sources,
        active: group.iter().any(|item| item.header.current),
    }
}
