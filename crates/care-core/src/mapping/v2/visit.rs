//! PV1 and PV2: the UK Core Encounter, and the part the sender has in the person's care.

use jiff::Timestamp;

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::{DateTime, Segment};
use crate::vocabulary::InvolvementKind;

use super::codes::{
    ADMISSION_METHODS, ADMISSION_SOURCES, DISCHARGE_DESTINATIONS, DISCHARGE_METHODS, words,
};
use super::fields;
use super::patient::Person;
use super::work::{Work, reference};

const UKCORE: &str = "https://fhir.hl7.org.uk";

/// What an event makes of a visit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Expected.
    Planned,
    /// Under way.
    Open,
    /// Over.
    Finished,
    /// Taken back: it never was.
    Cancelled,
    /// As the dates in PV1 say.
    AsDated,
}

/// A visit that was drafted.
pub(super) struct Visit {
    /// The source's key of it.
    pub key: String,
}

impl Visit {
    /// A reference to its Encounter.
    pub fn reference(&self) -> Json {
        reference(ResourceType::ENCOUNTER, &self.key)
    }
}

/// The key of the visit a message names, where it names one.
pub(super) fn key(work: &Work<'_>, person: &Person) -> Option<String> {
    let pv1 = work.message.segment("PV1")?;
    let sent = [(19, "PV1"), (50, "PV1")]
        .into_iter()
        .find_map(|(field, _)| pv1.field(field).value())
        .or_else(|| work.message.field("PID", 18).value());
    match sent {
        Some(number) => Some(number.into_owned()),
        None => {
            let admitted = pv1.field(44).value()?;
            Some(format!("{}@{admitted}", person.key()))
        }
    }
}

/// Drafts the visit of a message, where it has one; PV1-2 `N` says that there is none.
pub(super) fn read(
    work: &mut Work<'_>,
    person: &Person,
    state: State,
    at: Timestamp,
) -> Option<Visit> {
    let pv1 = work.message.segment("PV1")?;
    let class = pv1
        .field(2)
        .value()
        .unwrap_or_default()
        .to_ascii_uppercase();
    if class == "N" {
        return None;
    }
    let Some(key) = key(work, person) else {
        if !class.is_empty() {
            work.issue(
                "PV1-19",
                "the visit has no number and no admission time, so it was not kept as a visit; \
                 send PV1-19",
            );
        }
        return None;
    };
    let starts = work.time(pv1.field(44), "PV1-44");
    let ends = work.time(pv1.field(45), "PV1-45");
    let expected = work.time(work.message.field("PV2", 8), "PV2-8");
    let state = match state {
        State::AsDated if class == "P" => State::Planned,
        State::AsDated if ends.is_some() => State::Finished,
        State::AsDated => State::Open,
        other => other,
    };
    let ends = if state == State::Open { None } else { ends };
    let mut encounter = Json::object([
        ("resourceType", "Encounter".into()),
        ("identifier", identifier(work, &key)),
        ("status", status(state).into()),
        ("class", class_coding(&class, state)),
        ("type", kinds(pv1)),
        ("serviceType", fields::concept(pv1.field(10))),
        ("subject", person.reference()),
        ("participant", participants(pv1)),
        ("period", period(starts.or(expected), ends)),
        ("reasonCode", Json::list(reason(work).into_iter().collect())),
        ("hospitalization", hospitalization(pv1)),
        ("location", locations(pv1)),
    ]);
    encounter.set("serviceProvider", work.source_organisation());
    let cancelled = state == State::Cancelled;
    involve(work, &class, &key, (starts.or(expected), ends), state, at);
    work.draft_with(
        ResourceType::ENCOUNTER,
        key.clone(),
        encounter,
        at,
        cancelled,
    );
    Some(Visit { key })
}

fn identifier(work: &Work<'_>, key: &str) -> Json {
    let system = format!("urn:connect-care:visit-number:{}", work.context.source);
    Json::Array(vec![Json::object([
        ("system", system.into()),
        ("value", key.into()),
    ])])
}

fn status(state: State) -> &'static str {
    match state {
        State::Planned => "planned",
        State::Open | State::AsDated => "in-progress",
        State::Finished => "finished",
        State::Cancelled => "cancelled",
    }
}

/// HL7 table 0004 to the FHIR ActCode the field maps it to.
fn class_coding(class: &str, state: State) -> Json {
    let (code, display) = match class {
        "I" | "B" if state == State::Planned => ("PRENC", "pre-admission"),
        "I" | "B" => ("IMP", "inpatient encounter"),
        "E" => ("EMER", "emergency"),
        "P" => ("PRENC", "pre-admission"),
        "D" => ("SS", "short stay"),
        "H" => ("HH", "home health"),
        _ => ("AMB", "ambulatory"),
    };
    fields::one_coding(
        "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        code,
        display,
    )
}

fn kinds(pv1: Segment<'_>) -> Json {
    let concept = fields::concept(pv1.field(4));
    if concept == Json::Null {
        Json::Null
    } else {
        Json::Array(vec![concept])
    }
}

/// PV1-7 attending, 8 referring, 9 consulting, 17 admitting, with the codes FHIR gives them.
fn participants(pv1: Segment<'_>) -> Json {
    let roles = [
        (7, "ATND", "attender"),
        (8, "REF", "referrer"),
        (9, "CON", "consultant"),
        (17, "ADM", "admitter"),
    ];
    let mut made: Vec<Json> = Vec::new();
    for (field, code, display) in roles {
        for sent in pv1.field(field).repetitions() {
            let individual = fields::practitioner(sent);
            if individual == Json::Null {
                continue;
            }
            let kind = fields::coded(
                "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                code,
                display,
            );
            made.push(Json::object([
                ("type", Json::Array(vec![kind])),
                ("individual", individual),
            ]));
        }
    }
    Json::list(made)
}

pub(super) fn period(starts: Option<DateTime<'_>>, ends: Option<DateTime<'_>>) -> Json {
    if starts.is_none() && ends.is_none() {
        return Json::Null;
    }
    Json::object([
        ("start", starts.map(DateTime::to_fhir_datetime).into()),
        ("end", ends.map(DateTime::to_fhir_datetime).into()),
    ])
}

/// PV2-3, why the person came; else the words of DG1 are drafted as conditions.
fn reason(work: &Work<'_>) -> Option<Json> {
    let concept = fields::concept(work.message.field("PV2", 3));
    if concept != Json::Null {
        return Some(concept);
    }
    let ambulatory = work.message.field("PV1", 18).value()?;
    (ambulatory.len() > 2).then(|| fields::concept_text(Some(ambulatory.into_owned())))
}

fn hospitalization(pv1: Segment<'_>) -> Json {
    let from_table = |field: usize, table: &[(&str, &'static str)], system: &str| {
        let Some(code) = pv1.field(field).value() else {
            return Json::Null;
        };
        match words(table, &code) {
            Some(display) => {
                fields::coded(&format!("{UKCORE}/CodeSystem/{system}"), &code, display)
            }
            None => fields::concept(pv1.field(field)),
        }
    };
    let extension = |url: &str, value: Json| {
        (value != Json::Null).then(|| {
            Json::object([
                ("url", format!("{UKCORE}/StructureDefinition/{url}").into()),
                ("valueCodeableConcept", value),
            ])
        })
    };
    let admitted = from_table(4, ADMISSION_METHODS, "UKCore-AdmissionMethodEngland");
    let discharged = from_table(36, DISCHARGE_METHODS, "UKCore-DischargeMethodEngland");
    let extensions: Vec<Json> = [
        extension("Extension-UKCore-AdmissionMethod", admitted),
        extension("Extension-UKCore-DischargeMethod", discharged),
    ]
    .into_iter()
    .flatten()
    .collect();
    let source = from_table(14, ADMISSION_SOURCES, "UKCore-SourceOfAdmissionEngland");
    let to = from_table(
        37,
        DISCHARGE_DESTINATIONS,
        "UKCore-DischargeDestinationEngland",
    );
    if extensions.is_empty() && source == Json::Null && to == Json::Null {
        return Json::Null;
    }
    Json::object([
        ("extension", Json::list(extensions)),
        ("admitSource", source),
        ("dischargeDisposition", to),
    ])
}

/// PV1-3 now, PV1-6 before: place in words, as sent.
fn locations(pv1: Segment<'_>) -> Json {
    let place = |field: usize, status: &'static str| {
        let parts: Vec<String> = [1, 2, 3]
            .into_iter()
            .filter_map(|part| pv1.field(field).component(part).value())
            .map(|part| part.into_owned())
            .collect();
        (!parts.is_empty()).then(|| {
            let location = Json::object([
                ("type", "Location".into()),
                ("display", parts.join(", ").into()),
            ]);
            Json::object([("location", location), ("status", status.into())])
        })
    };
    Json::list(
        [place(3, "active"), place(6, "completed")]
            .into_iter()
            .flatten()
            .collect(),
    )
}

/// PV1-2 to the part the sender has: I and B inpatient, E emergency, R (recurring) on a caseload,
/// the others an appointment at its time.
fn involve(
    work: &mut Work<'_>,
    class: &str,
    key: &str,
    (starts, ends): (Option<DateTime<'_>>, Option<DateTime<'_>>),
    state: State,
    at: Timestamp,
) {
    let kind = match (class, state) {
        ("I" | "B" | "D", State::Planned) | ("P", _) => InvolvementKind::Appointment,
        ("I" | "B" | "D", _) => InvolvementKind::Inpatient,
        ("E", _) => InvolvementKind::EdAttendance,
        ("R", _) => InvolvementKind::Caseload,
        _ => InvolvementKind::Appointment,
    };
    let begins = starts.and_then(DateTime::to_timestamp).or(Some(at));
    let over = ends.and_then(DateTime::to_timestamp);
    let over = if state == State::Finished {
        over.or(Some(at))
    } else {
        over
    };
    let organisation = work.context.source.clone();
    work.involve(
        kind,
        organisation,
        key,
        (begins, over),
        state == State::Cancelled,
    );
}
