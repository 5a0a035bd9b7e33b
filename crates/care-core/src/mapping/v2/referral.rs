//! REF: a referral, and from then on a part in the person's care for who receives it.

use crate::fhir::{Json, ResourceType};
use crate::hl7v2::{DateTime, Segment};
use crate::mapping::Mapped;
use crate::vocabulary::{InvolvementKind, OdsCode};

use super::fields;
use super::patient;
use super::work::{Work, organisation_reference};
use super::{MapRefusal, clinical_segments, unsupported_event};

/// Maps a REF message: I12 sent, I13 changed, I14 cancelled, I15 status asked.
pub(super) fn map(mut work: Work<'_>) -> Result<Mapped, MapRefusal> {
    let message = work.message;
    let cancelled = match message.trigger() {
        "I12" | "I13" => false,
        "I14" => true,
        _ => {
            return Err(unsupported_event(
                message,
                "; referrals are sent as I12 to I14",
            ));
        }
    };
    let rf1 = message
        .segment("RF1")
        .ok_or(MapRefusal::MissingSegment { segment: "RF1" })?;
    let person = patient::read(&mut work, None)?;
    let key = rf1
        .field(6)
        .value()
        .or_else(|| rf1.field(11).value())
        .map(|key| key.into_owned());
    let key = key.ok_or(MapRefusal::MissingField {
        place: "RF1-6",
        why: "the referral has no number, so it cannot be told from others; send RF1-6",
    })?;
    let at = work.event_time(&[
        (message.field("EVN", 2), "EVN-2"),
        (message.field("MSH", 7), "MSH-7"),
    ]);
    let from = work.time(rf1.field(7), "RF1-7");
    let until = work.time(rf1.field(8), "RF1-8");
    let status = match (cancelled, rf1.field(1).value().unwrap_or_default().as_ref()) {
        (true, _) => "revoked",
        (_, "R") => "revoked",
        (_, "E") => "completed",
        _ => "active",
    };
    let receiver = receiver(&work);
    if receiver.is_none() {
        work.issue(
            "PRD-1",
            "no receiving organisation that takes part was named, so the referral gives nobody a \
             relationship; send a PRD of role RT with its ODS code, or MSH-6",
        );
    }
    let accepted = matches!(rf1.field(1).value().unwrap_or_default().as_ref(), "A");
    involve(
        &mut work,
        receiver.as_ref(),
        &key,
        (from, until),
        status,
        accepted,
    );
    clinical_segments::read(&mut work, &person, None, at);
    let reason = fields::concept(rf1.field(10));
    let system = format!("urn:connect-care:referral-number:{}", work.context.source);
    let identifier = Json::object([("system", system.into()), ("value", key.as_str().into())]);
    let category = fields::concept(rf1.field(5));
    let kind = fields::concept(rf1.field(3));
    let body = Json::object([
        ("resourceType", "ServiceRequest".into()),
        ("identifier", Json::Array(vec![identifier])),
        ("status", status.into()),
        ("intent", "order".into()),
        (
            "category",
            if category == Json::Null {
                Json::Null
            } else {
                Json::Array(vec![category])
            },
        ),
        ("priority", priority(rf1).into()),
        ("code", kind),
        ("subject", person.reference()),
        ("authoredOn", from.map(DateTime::to_fhir_datetime).into()),
        ("requester", requester(&work)),
        ("performer", performers(&work, receiver.as_ref())),
        (
            "reasonCode",
            if reason == Json::Null {
                Json::Null
            } else {
                Json::Array(vec![reason])
            },
        ),
        ("note", notes(&work)),
    ]);
    work.draft_with(
        ResourceType::SERVICE_REQUEST,
        key,
        body,
        at,
        status == "revoked",
    );
    Ok(work.finish(person, None))
}

/// HL7 table 0280.
fn priority(rf1: Segment<'_>) -> Option<&'static str> {
    match rf1.field(2).value()?.as_ref() {
        "S" => Some("stat"),
        "A" => Some("urgent"),
        "R" => Some("routine"),
        _ => None,
    }
}

fn providers<'m>(work: &Work<'m>, role: &'static str) -> impl Iterator<Item = Segment<'m>> {
    work.message.segments().filter(move |segment| {
        segment.name() == "PRD"
            && segment
                .field(1)
                .repetitions()
                .any(|one| one.value().as_deref() == Some(role))
    })
}

/// The organisation of a provider: PRD-7 (its number), PRD-4 (where it is), in that order.
fn organisation_of(work: &Work<'_>, prd: Segment<'_>) -> Option<OdsCode> {
    let numbers = prd.field(7).repetitions().filter_map(|one| one.value());
    let mut sent: Vec<String> = numbers.map(|value| value.into_owned()).collect();
    for field in [4, 3] {
        sent.extend(
            prd.field(field)
                .components()
                .filter_map(|part| part.value())
                .map(|v| v.into_owned()),
        );
    }
    sent.iter().find_map(|text| work.organisation_of(text))
}

/// Who receives: PRD of role RT, else the receiving facility, else the sender's own list.
fn receiver(work: &Work<'_>) -> Option<OdsCode> {
    providers(work, "RT")
        .find_map(|prd| organisation_of(work, prd))
        .or_else(|| {
            let facility = work.message.field("MSH", 6).value()?;
            work.organisation_of(&facility)
        })
}

fn involve(
    work: &mut Work<'_>,
    receiver: Option<&OdsCode>,
    key: &str,
    (from, until): (Option<DateTime<'_>>, Option<DateTime<'_>>),
    status: &str,
    accepted: bool,
) {
    let Some(receiver) = receiver else { return };
    let starts = from.and_then(DateTime::to_timestamp);
    let ends = until.and_then(DateTime::to_timestamp);
    let cancelled = status == "revoked";
    let closed = (status == "completed")
        .then(|| ends.unwrap_or(work.context.received_at))
        .or(ends);
    work.involve(
        InvolvementKind::OpenReferral,
        receiver.clone(),
        key,
        (starts, closed),
        cancelled,
    );
    if accepted && status == "active" {
        work.involve(
            InvolvementKind::Caseload,
            receiver.clone(),
            key,
            (starts, ends),
            false,
        );
    }
}

fn requester(work: &Work<'_>) -> Json {
    let Some(prd) = providers(work, "RP").next() else {
        return work.source_organisation();
    };
    match fields::display_name(prd.field(2), 1) {
        Some(name) => Json::object([("type", "Practitioner".into()), ("display", name.into())]),
        None => organisation_of(work, prd).map_or_else(
            || work.source_organisation(),
            |code| work.organisation(&code, None),
        ),
    }
}

fn performers(work: &Work<'_>, receiver: Option<&OdsCode>) -> Json {
    let mut made = Vec::new();
    if let Some(code) = receiver {
        made.push(organisation_reference(code, work.organisation_name(code)));
    } else if let Some(name) =
        providers(work, "RT").find_map(|prd| fields::display_name(prd.field(2), 1))
    {
        made.push(Json::object([("display", name.into())]));
    }
    Json::list(made)
}

fn notes(work: &Work<'_>) -> Json {
    let made = work
        .message
        .segments()
        .filter(|segment| segment.name() == "NTE")
        .map(|nte| fields::lines(nte.field(3)))
        .filter(|text| !text.trim().is_empty())
        .map(|text| Json::object([("text", text.into())]))
        .collect();
    Json::list(made)
}
