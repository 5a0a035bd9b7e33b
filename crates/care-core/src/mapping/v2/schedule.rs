//! SIU: appointments.

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::DateTime;
use crate::mapping::Mapped;
use crate::vocabulary::InvolvementKind;

use super::fields;
use super::patient;
use super::work::Work;
use super::{MapRefusal, unsupported_event};

/// Maps an SIU message: S12 booked, S13 moved, S14 changed, S15 cancelled, S17 deleted, S26 not
/// attended.
pub(super) fn map(mut work: Work<'_>) -> Result<Mapped, MapRefusal> {
    let message = work.message;
    let (status, withdrawn) = match message.trigger() {
        "S12" | "S13" | "S14" | "S16" | "S18" | "S19" | "S20" => ("booked", false),
        "S15" => ("cancelled", true),
        "S17" => ("entered-in-error", true),
        "S26" => ("noshow", false),
        _ => {
            return Err(unsupported_event(
                message,
                "; appointments are sent as S12 to S15, S17 and S26",
            ));
        }
    };
    let sch = message
        .segment("SCH")
        .ok_or(MapRefusal::MissingSegment { segment: "SCH" })?;
    let person = patient::read(&mut work, None)?;
    let key = sch
        .field(2)
        .value()
        .or_else(|| sch.field(1).value())
        .map(|key| key.into_owned());
    let key = key.ok_or(MapRefusal::MissingField {
        place: "SCH-2",
        why: "the appointment has no number, so it cannot be told from others; send SCH-1 or SCH-2",
    })?;
    let at = work.event_time(&[(message.field("MSH", 7), "MSH-7")]);
    let (starts, ends) = times(&mut work);
    if starts.is_none() && status == "booked" {
        work.issue(
            "SCH-11",
            "the appointment has no time; send it in SCH-11.4 or TQ1-7",
        );
    }
    let status = match sch
        .field(25)
        .value()
        .unwrap_or_default()
        .to_ascii_uppercase()
        .as_str()
    {
        "COMPLETE" | "COMPLETED" => "fulfilled",
        "NOSHOW" => "noshow",
        _ if starts.is_none() && status == "booked" => "proposed",
        _ => status,
    };
    let start = starts.and_then(DateTime::to_timestamp);
    let end = ends.and_then(DateTime::to_timestamp);
    let reason = fields::concept(sch.field(7));
    let kind = fields::concept(sch.field(8));
    let mut body = Json::object([
        ("resourceType", "Appointment".into()),
        ("identifier", identifier(&work, &key)),
        ("status", status.into()),
        ("serviceType", services(&work)),
        ("appointmentType", kind),
        (
            "reasonCode",
            if reason == Json::Null {
                Json::Null
            } else {
                Json::Array(vec![reason])
            },
        ),
        ("description", fields::words(sch.field(7)).into()),
        ("start", starts.and_then(DateTime::to_fhir_instant).into()),
        ("end", ends.and_then(DateTime::to_fhir_instant).into()),
    ]);
    // A start needs an end (app-2); an end that was not sent is the start and the duration, or absent.
    if start.is_none() || end.is_none() {
        let lone = body.get("start").cloned().unwrap_or_default();
        if body.get("end").is_none() {
            body.set("end", lone);
        }
    }
    body.set("participant", participants(&work, person.reference()));
    let cancelled = matches!(status, "cancelled" | "entered-in-error");
    let organisation = work.context.source.clone();
    work.involve(
        InvolvementKind::Appointment,
        organisation,
        &key,
        (start, end),
        cancelled,
    );
    work.draft_with(ResourceType::APPOINTMENT, key, body, at, withdrawn);
    Ok(work.finish(person, None))
}

fn identifier(work: &Work<'_>, key: &str) -> Json {
    let system = format!(
        "urn:connect-care:appointment-number:{}",
        work.context.source
    );
    Json::Array(vec![Json::object([
        ("system", system.into()),
        ("value", key.into()),
    ])])
}

/// TQ1-7 and TQ1-8, else SCH-11.4 and SCH-11.5, else AIS-4; with SCH-9 minutes where no end was sent.
fn times<'m>(work: &mut Work<'m>) -> (Option<DateTime<'m>>, Option<DateTime<'m>>) {
    let message = work.message;
    let timing = message.field("SCH", 11);
    let starts = work
        .time(message.field("TQ1", 7), "TQ1-7")
        .or_else(|| work.time(timing.component(4), "SCH-11.4"))
        .or_else(|| work.time(message.field("AIS", 4), "AIS-4"))
        .or_else(|| work.time(message.field("AIG", 8), "AIG-8"))
        .or_else(|| work.time(message.field("AIP", 6), "AIP-6"))
        .or_else(|| work.time(message.field("AIL", 6), "AIL-6"));
    let ends = work
        .time(message.field("TQ1", 8), "TQ1-8")
        .or_else(|| work.time(timing.component(5), "SCH-11.5"));
    (starts, ends)
}

fn services(work: &Work<'_>) -> Json {
    let made = work
        .message
        .segments()
        .filter(|segment| segment.name() == "AIS")
        .map(|ais| fields::concept(ais.field(3)))
        .filter(|concept| *concept != Json::Null)
        .collect();
    Json::list(made)
}

/// The person, who they see (AIP) and where (AIL).
fn participants(work: &Work<'_>, person: Json) -> Json {
    let one = |actor: Json| Json::object([("actor", actor), ("status", "accepted".into())]);
    let mut made = vec![one(person)];
    for segment in work.message.segments() {
        let actor = match segment.name() {
            "AIP" => fields::practitioner(segment.field(3)),
            "AIL" => {
                let parts: Vec<String> = segment
                    .field(3)
                    .components()
                    .filter_map(|part| part.value())
                    .map(|part| part.into_owned())
                    .take(4)
                    .collect();
                if parts.is_empty() {
                    Json::Null
                } else {
                    Json::object([
                        ("type", "Location".into()),
                        ("display", parts.join(", ").into()),
                    ])
                }
            }
            _ => Json::Null,
        };
        if actor != Json::Null {
            made.push(one(actor));
        }
    }
    made.push(one(work.source_organisation()));
    Json::Array(made)
}
