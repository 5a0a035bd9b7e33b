//! ADT: who a person is, where they are admitted, and which records are one person.

use crate::fhir::{Json, ResourceType};
use crate::mapping::Mapped;

use super::visit::{self, State};
use super::work::Work;
use super::{MapRefusal, clinical_segments, observation, patient, unsupported_event};

/// What an event says.
enum Event {
    /// About the person and the visit.
    Visit(State),
    /// About the person only.
    Person,
    /// Two records are one person.
    Merge,
}

fn event(trigger: &str) -> Option<Event> {
    Some(match trigger {
        "A01" | "A02" | "A04" | "A06" | "A07" | "A09" | "A10" | "A12" | "A13" => {
            Event::Visit(State::Open)
        }
        "A03" => Event::Visit(State::Finished),
        "A05" | "A14" => Event::Visit(State::Planned),
        "A08" => Event::Visit(State::AsDated),
        "A11" | "A27" | "A38" => Event::Visit(State::Cancelled),
        "A28" | "A31" => Event::Person,
        "A34" | "A40" => Event::Merge,
        _ => return None,
    })
}

const MERGE_HINT: &str = "; records of one person are joined by A40";

/// Maps an ADT message.
pub(super) fn map(mut work: Work<'_>) -> Result<Mapped, MapRefusal> {
    let message = work.message;
    let hint = if matches!(
        message.trigger(),
        "A18" | "A30" | "A35" | "A36" | "A39" | "A41" | "A47"
    ) {
        MERGE_HINT
    } else {
        ""
    };
    let event = event(message.trigger()).ok_or_else(|| unsupported_event(message, hint))?;
    let at = work.message_time();
    let person = patient::read(&mut work, Some(at))?;
    if matches!(event, Event::Merge) {
        let mrg = message
            .segment("MRG")
            .ok_or(MapRefusal::MissingSegment { segment: "MRG" })?;
        let prior = patient::merged(&work, mrg).ok_or(MapRefusal::MissingField {
            place: "MRG-1",
            why: "it must hold the identifiers that give way, with their assigner",
        })?;
        return Ok(work.finish(person, Some(prior)));
    }
    let visit = match event {
        Event::Visit(state) => visit::read(&mut work, &person, state, at),
        _ => None,
    };
    clinical_segments::read(&mut work, &person, visit.as_ref(), at);
    let scope = observation::Scope {
        person: &person,
        encounter: visit.as_ref().map_or(Json::Null, visit::Visit::reference),
        key: visit
            .as_ref()
            .map_or_else(|| person.key().to_owned(), |visit| visit.key.clone()),
        default_status: "final",
        default_time: Some(at),
        issued: None,
        kind: observation::Kind::Exam,
    };
    let mut seen = observation::Seen::default();
    for (sequence, obx) in super::work::numbered(message, "OBX") {
        if let Some((key, body)) =
            observation::read(&mut work, &scope, obx, sequence, &[], &mut seen)
        {
            work.draft(ResourceType::OBSERVATION, key, body, at);
        }
    }
    Ok(work.finish(person, None))
}
