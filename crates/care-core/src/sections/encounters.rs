//! Appointments, admissions, visits and referrals of every kind of care in one list.
//!
//! Source: the screen design, C13. Coming up soonest first, past newest first; nothing judges a
//! missed appointment.

use serde::Serialize;

use super::input::{Input, Seen};
use super::item::Item;
use super::read;
use super::request::{Filter, Section};
use super::when::When;
use crate::fhir::{Json, ResourceType};

/// One visit, appointment or referral.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VisitRow {
    /// Where it came from.
    pub seen: Seen,
    /// When it begins, with the time where one was sent.
    pub starts: Option<When>,
    /// When it ends.
    pub ends: Option<When>,
    /// Inpatient, Outpatient, Emergency, Home visit, Appointment, Referral …
    pub kind: String,
    /// Service and place, as sent.
    pub place: Option<String>,
    /// With whom.
    pub with: Option<String>,
    /// Why, as sent.
    pub reason: Option<String>,
    /// Outcome or status: Finished, Did not attend, Cancelled, discharged to …
    pub outcome: Option<String>,
    #[serde(skip)]
    pub(super) starts_ms: i64,
    #[serde(skip)]
    pub(super) inpatient: bool,
}

/// The page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EncountersView {
    /// Soonest first.
    pub coming: Vec<VisitRow>,
    /// Newest first.
    pub past: Vec<VisitRow>,
    /// Open referrals, newest first.
    pub waiting: Vec<VisitRow>,
    /// Cancelled or withdrawn, newest first.
    pub cancelled: Vec<VisitRow>,
    /// How many there are in all.
    pub of: usize,
    /// How many are shown.
    pub shown: usize,
}

/// Arranges the visits that were loaded.
pub(super) fn arrange(input: &Input, filter: &Filter) -> EncountersView {
    let mut rows: Vec<(ResourceType, VisitRow)> = input
        .items_of(Section::Encounters)
        .filter(|item| {
            filter
                .source
                .as_ref()
                .is_none_or(|source| item.header.source == *source)
        })
        .filter(|item| !filter.new_only || input.is_new(&item.header))
        .map(|item| (item.header.resource_type, row(item, input)))
        .collect();
    rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.starts_ms));
    let now = input.now.as_millisecond();
    let mut view = EncountersView {
        coming: Vec::new(),
        past: Vec::new(),
        waiting: Vec::new(),
        cancelled: Vec::new(),
        of: input.headers_of(Section::Encounters).count(),
        shown: rows.len(),
    };
    for (resource_type, row) in rows {
        if row.seen.withdrawn {
            view.cancelled.push(row);
        } else if resource_type == ResourceType::SERVICE_REQUEST {
            view.waiting.push(row);
        } else if row.starts_ms > now {
            view.coming.push(row);
        } else {
            view.past.push(row);
        }
    }
    view.coming.reverse();
    view
}

fn row(item: &Item, input: &Input) -> VisitRow {
    let body = &item.body;
    let starts = read::when_at(
        body,
        &[
            "period",
            "start",
            "occurrenceDateTime",
            "authoredOn",
            "created",
        ],
    );
    VisitRow {
        starts_ms: starts.as_ref().map_or_else(
            || {
                item.header
                    .clinical_at
                    .unwrap_or(item.header.received_at)
                    .as_millisecond()
            },
            |when| when.sort_ms,
        ),
        seen: input.seen(&item.header),
        ends: read::end_at(body, "period").or_else(|| read::when_at(body, &["end"])),
        kind: kind(item),
        place: (!input.facts.location_removed)
            .then(|| place(body))
            .flatten(),
        with: with(body),
        reason: read::concept_at(body, "reasonCode")
            .or_else(|| body.text_at(&["description"]).map(str::to_owned))
            .or_else(|| read::concept_at(body, "code")),
        outcome: outcome(body),
        inpatient: class_code(body) == Some("IMP"),
        starts,
    }
}

fn class_code(body: &Json) -> Option<&str> {
    body.text_at(&["class", "code"])
}

fn kind(item: &Item) -> String {
    let body = &item.body;
    match (item.header.resource_type, class_code(body)) {
        (ResourceType::APPOINTMENT, _) => read::concept_at(body, "appointmentType").map_or_else(
            || "Appointment".to_owned(),
            |words| format!("Appointment, {}", words.to_lowercase()),
        ),
        (ResourceType::SERVICE_REQUEST, _) => "Referral".to_owned(),
        (_, Some("IMP" | "ACUTE" | "NONAC")) => "Admission".to_owned(),
        (_, Some("EMER")) => "Emergency department".to_owned(),
        (_, Some("AMB")) => {
            read::concept_at(body, "type").unwrap_or_else(|| "Outpatient visit".to_owned())
        }
        (_, Some("HH")) => "Home visit".to_owned(),
        (_, Some("VR")) => "Phone or video contact".to_owned(),
        (_, Some("SS")) => "Day case".to_owned(),
        (_, Some("PRENC")) => "Planned admission".to_owned(),
        _ => read::concept_at(body, "type")
            .or_else(|| body.text_at(&["class", "display"]).map(read::words_of_code))
            .unwrap_or_else(|| "Visit".to_owned()),
    }
}

fn place(body: &Json) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(read::concept_at(body, "serviceType"));
    parts.extend(read::concept_at(body, "specialty"));
    parts.extend(
        body.elements("location")
            .iter()
            .filter_map(|place| read::reference_words(place.get("location")?)),
    );
    parts.extend(
        body.elements("participant")
            .iter()
            .filter_map(|part| part.get("actor"))
            .filter(|actor| {
                actor.text_at(&["reference"]).is_some_and(|text| {
                    ["Location", "HealthcareService"]
                        .iter()
                        .any(|kind| text.contains(kind))
                })
            })
            .filter_map(read::reference_words),
    );
    parts.extend(body.get("serviceProvider").and_then(read::reference_words));
    parts.dedup();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn with(body: &Json) -> Option<String> {
    let names: Vec<String> = body
        .elements("participant")
        .iter()
        .filter_map(|part| part.get("individual").or_else(|| part.get("actor")))
        .filter(|person| {
            !person.text_at(&["reference"]).is_some_and(|text| {
                ["Patient", "Location", "HealthcareService"]
                    .iter()
                    .any(|kind| text.contains(kind))
            })
        })
        .filter_map(read::reference_words)
        .collect();
    if names.is_empty() {
        read::who(body, &["requester", "performer"])
    } else {
        Some(names.join(", "))
    }
}

fn outcome(body: &Json) -> Option<String> {
    let status = match body.text_at(&["status"])? {
        "noshow" => "Did not attend".to_owned(),
        "in-progress" => "In progress".to_owned(),
        "fulfilled" | "finished" => "Attended".to_owned(),
        "active" => "Open".to_owned(),
        other => read::words_of_code(other),
    };
    let discharge = body
        .path(&["hospitalization"])
        .and_then(|stay| read::concept_at(stay, "dischargeDisposition"))
        .map(|to| format!("Discharged to {to}"));
    Some(discharge.unwrap_or(status))
}
