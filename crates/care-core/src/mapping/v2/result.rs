//! ORU^R01: a DiagnosticReport for each OBR, its Observations, its comments and its documents.

use jiff::Timestamp;

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::{DateTime, Segment};
use crate::mapping::Mapped;

use super::document;
use super::fields;
use super::observation::{self, Kind, Scope, Seen};
use super::patient::{self, Person};
use super::visit;
use super::work::{Work, place, reference};
use super::{MapRefusal, unsupported_event};

/// One OBR with what follows it.
struct Group<'m> {
    orc: Option<Segment<'m>>,
    obr: Segment<'m>,
    sequence: usize,
    notes: Vec<String>,
    observations: Vec<(usize, Segment<'m>, Vec<String>)>,
}

/// Maps an ORU message.
pub(super) fn map(mut work: Work<'_>) -> Result<Mapped, MapRefusal> {
    let message = work.message;
    if !matches!(message.trigger(), "R01" | "R03" | "W01" | "") {
        return Err(unsupported_event(message, "; results are sent as R01"));
    }
    let person = patient::read(&mut work, None)?;
    let groups = groups(&mut work);
    if groups.is_empty() {
        return Err(MapRefusal::MissingSegment { segment: "OBR" });
    }
    let encounter = visit::key(&work, &person)
        .map_or(Json::Null, |key| reference(ResourceType::ENCOUNTER, &key));
    let mut seen = Seen::new();
    for group in groups {
        report(&mut work, &person, &encounter, &group, &mut seen);
    }
    Ok(work.finish(person, None))
}

/// Sorts segments under their OBR. An OBX before any OBR is told and not kept.
fn groups<'m>(work: &mut Work<'m>) -> Vec<Group<'m>> {
    let message = work.message;
    let mut groups: Vec<Group<'m>> = Vec::new();
    let mut orc = None;
    let mut observations = 0;
    for segment in message.segments() {
        match segment.name() {
            "ORC" => orc = Some(segment),
            "OBR" => groups.push(Group {
                orc: orc.take(),
                obr: segment,
                sequence: groups.len() + 1,
                notes: Vec::new(),
                observations: Vec::new(),
            }),
            "OBX" => {
                observations += 1;
                match groups.last_mut() {
                    Some(group) => group.observations.push((observations, segment, Vec::new())),
                    None => work.issue(
                        place("OBX", observations, 1),
                        "an observation came before any OBR, so it was not kept; send OBR first",
                    ),
                }
            }
            "NTE" => {
                let text = fields::lines(segment.field(3));
                if let Some(group) = groups.last_mut() {
                    match group.observations.last_mut() {
                        Some((_, _, notes)) => notes.push(text),
                        None => group.notes.push(text),
                    }
                }
            }
            _ => {}
        }
    }
    groups
}

/// The order's key: OBR-3, else OBR-2, else ORC-3, ORC-2, else the message and the place.
fn order_key(work: &Work<'_>, group: &Group<'_>) -> String {
    let from_orc = |number: usize| group.orc.and_then(|orc| orc.field(number).value());
    let number = group
        .obr
        .field(3)
        .value()
        .or_else(|| group.obr.field(2).value())
        .or_else(|| from_orc(3))
        .or_else(|| from_orc(2))
        .map(|number| number.into_owned());
    let number = number.unwrap_or_else(|| {
        let control_id = work.message.field("MSH", 10).value().unwrap_or_default();
        format!("{control_id}#{}", group.sequence)
    });
    let test = group.obr.field(4);
    let test = test
        .value()
        .or_else(|| test.component(2).value())
        .unwrap_or_default();
    format!("{number}/{test}")
}

fn report<'m>(
    work: &mut Work<'m>,
    person: &Person,
    encounter: &Json,
    group: &Group<'m>,
    seen: &mut Seen,
) {
    let obr = group.obr;
    let key = order_key(work, group);
    let taken = work.time(obr.field(7), &place("OBR", group.sequence, 7));
    let issued = work.time(obr.field(22), &place("OBR", group.sequence, 22));
    let at = event_time(work, issued);
    let (status, withdrawn) = report_status(obr.field(25).value().unwrap_or_default().as_ref());
    let scope = Scope {
        person,
        encounter: encounter.clone(),
        key: key.clone(),
        default_status: if withdrawn {
            "entered-in-error"
        } else {
            observation_status(status)
        },
        default_time: taken.and_then(DateTime::to_timestamp),
        issued: issued.and_then(DateTime::to_fhir_instant),
        kind: Kind::of_service(obr.field(24).value().unwrap_or_default().as_ref()),
    };
    let mut results = Vec::new();
    for (sequence, obx, notes) in &group.observations {
        if document::is_document(*obx) {
            let key = observation::key(&key, *obx, seen);
            document::from_observation(work, &scope, *obx, *sequence, key, obr, at);
            continue;
        }
        let read = observation::read(work, &scope, *obx, *sequence, notes, seen);
        if let Some((own_key, mut body)) = read {
            put_specimen_time(taken, &mut body);
            results.push(reference(ResourceType::OBSERVATION, &own_key));
            let (_, gone) =
                observation::status(obx.field(11).value().unwrap_or_default().as_ref(), "final");
            work.draft_with(
                ResourceType::OBSERVATION,
                own_key,
                body,
                at,
                gone || withdrawn,
            );
        }
    }
    let mut performers = vec![work.source_organisation()];
    performers.extend(Some(fields::practitioner(obr.field(32))).filter(|one| *one != Json::Null));
    let mut body = Json::object([
        ("resourceType", "DiagnosticReport".into()),
        ("identifier", identifiers(work, obr)),
        ("status", status.into()),
        ("category", category(obr)),
        ("code", report_code(obr)),
        ("subject", person.reference()),
        ("encounter", encounter.clone()),
        (
            "effectiveDateTime",
            taken.map(DateTime::to_fhir_datetime).into(),
        ),
        ("issued", issued.and_then(DateTime::to_fhir_instant).into()),
        ("performer", Json::Array(performers)),
        ("result", Json::list(results)),
    ]);
    let comments = group.notes.join("\n");
    body.set(
        "conclusion",
        Some(comments).filter(|text| !text.trim().is_empty()).into(),
    );
    work.draft_with(ResourceType::DIAGNOSTIC_REPORT, key, body, at, withdrawn);
}

/// An observation without a time of its own was made when the sample was taken: to the precision
/// OBR-7 has.
fn put_specimen_time(taken: Option<DateTime<'_>>, body: &mut Json) {
    if let Some(taken) = taken {
        let own = body
            .text_at(&["effectiveDateTime"])
            .unwrap_or_default()
            .to_owned();
        let default = taken
            .to_timestamp()
            .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default();
        if own.is_empty() || own == default {
            body.set("effectiveDateTime", taken.to_fhir_datetime().into());
        }
    }
}

fn event_time(work: &mut Work<'_>, issued: Option<DateTime<'_>>) -> Timestamp {
    let received = work.context.received_at;
    match issued.and_then(DateTime::to_timestamp) {
        Some(at) if at <= received => at,
        _ => work.message_time(),
    }
}

/// HL7 table 0123 to FHIR; whether the report was taken back.
fn report_status(code: &str) -> (&'static str, bool) {
    match code {
        "F" => ("final", false),
        "C" => ("corrected", false),
        "A" | "R" => ("partial", false),
        "P" => ("preliminary", false),
        "X" => ("cancelled", false),
        "D" | "W" => ("entered-in-error", true),
        "O" | "I" | "S" => ("registered", false),
        "" => ("final", false),
        _ => ("unknown", false),
    }
}

fn observation_status(report: &'static str) -> &'static str {
    match report {
        "partial" => "preliminary",
        other => other,
    }
}

fn identifiers(work: &Work<'_>, obr: Segment<'_>) -> Json {
    let one = |field: usize, code: &str, display: &str| {
        let value = obr.field(field).value()?.into_owned();
        let kind = fields::coded(
            "http://terminology.hl7.org/CodeSystem/v2-0203",
            code,
            display,
        );
        let system = format!("urn:connect-care:order-number:{}", work.context.source);
        Some(Json::object([
            ("type", kind),
            ("system", system.into()),
            ("value", value.into()),
        ]))
    };
    let filler = one(3, "FILL", "Filler Identifier");
    let placer = one(2, "PLAC", "Placer Identifier");
    Json::list([filler, placer].into_iter().flatten().collect())
}

/// OBR-24, the part of the laboratory (HL7 table 0074).
fn category(obr: Segment<'_>) -> Json {
    let Some(code) = obr.field(24).value() else {
        return Json::Null;
    };
    let display = match code.as_ref() {
        "HM" => "Hematology",
        "CH" => "Chemistry",
        "MB" => "Microbiology",
        "RAD" => "Radiology",
        "SP" => "Surgical Pathology",
        "CP" => "Cytopathology",
        "IMM" => "Immunology",
        "BLB" => "Blood Bank",
        "LAB" => "Laboratory",
        "CUS" => "Cardiac Ultrasound",
        "EC" => "Electrocardiac (e.g., EKG,  EEC, Holter)",
        "TX" => "Toxicology",
        "SR" => "Serology",
        "NRS" => "Nursing Service Measures",
        "PHY" => "Physician (Hx. Dx, admission note, etc.)",
        "VR" => "Virology",
        _ => return Json::Array(vec![fields::concept_text(Some(code.into_owned()))]),
    };
    let system = "http://terminology.hl7.org/CodeSystem/v2-0074";
    Json::Array(vec![fields::coded(system, &code, display)])
}

fn report_code(obr: Segment<'_>) -> Json {
    let code = fields::concept(obr.field(4));
    if code == Json::Null {
        fields::concept_text(Some("Report".to_owned()))
    } else {
        code
    }
}
