//! What a delivery says about sharing becomes part of the person's choice: a Consent that is a choice
//! about Connect Care, a practice's dissent code, the answer at a contact with a council.

use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::{self, ChoiceStatement, Json, SourceStatement};
use care_core::mapping::Draft;
use care_core::vocabulary::{OdsCode, OrganisationKind, PersonId};
use jiff::Timestamp;

use crate::casework::{self, CaseFilter, NewCase};
use crate::choices::{
    self, Arrival, Choice, ChoiceStatus, ConnectCareChoice, SaidBySource, SetBy, SourceWord,
};
use crate::identity::{Sender, answering};
use crate::store::{Change, Store, StoreError};

/// A choice that is held and cannot be read keeps everybody out; what came meanwhile waits with it.
const UNREADABLE: &str = "unreadable";

/// What the delivery changes about the person's choice.
#[derive(Default)]
pub(super) struct Heard {
    pub changes: Vec<Change>,
    pub entries: Vec<Entry>,
}

/// Takes in what the drafts of one person say, in their order, as one new choice; on top of the choice
/// that waited for the person, where one did.
pub(super) fn hear(
    store: &dyn Store,
    person: PersonId,
    drafts: &[Draft],
    sender: Sender<'_>,
    received_at: Timestamp,
    waited: Option<Arrival>,
) -> Result<Heard, StoreError> {
    let said: Vec<(Said, Timestamp)> = drafts
        .iter()
        .filter_map(|draft| Some((said(&draft.body, sender.kind)?, draft.event_at)))
        .collect();
    let mut heard = Heard::default();
    let (person, mut choice) = match waited {
        Some(arrival) => {
            heard.changes.extend(arrival.changes);
            heard.entries.push(arrival.entry);
            if said.is_empty() {
                heard.put(arrival.person, &arrival.choice);
                return Ok(heard);
            }
            (arrival.person, arrival.choice)
        }
        None if said.is_empty() => return Ok(heard),
        None => {
            let known = answering(store, person)?;
            let person = known.as_ref().map_or(person, |known| known.person);
            let kept = known.and_then(|known| known.row.choice);
            match kept.as_deref().map(Choice::from_bytes).transpose() {
                Ok(held) => (person, next(held)),
                Err(_) => return unreadable(store, person, sender, received_at),
            }
        }
    };
    let mut changed = !heard.entries.is_empty();
    for (said, event_at) in said {
        changed |= match said {
            Said::Choice(statement) => decided(&mut choice, &statement, event_at, sender.feed),
            Said::Source(word, statement) => {
                choice.hear(by_source(word, &statement, event_at, sender.source))
            }
        };
    }
    if !changed {
        return Ok(heard);
    }
    let mut entry = Entry::new(received_at, Act::Choice, Outcome::Success, sender.feed);
    entry.person = Some(person);
    entry.organisation = sender.source.to_string();
    entry.detail = choice.summary();
    heard.put(person, &choice);
    heard.entries.push(entry);
    Ok(heard)
}

impl Heard {
    fn put(&mut self, person: PersonId, choice: &Choice) {
        self.changes.extend(choices::put(person, choice));
    }
}

fn next(held: Option<Choice>) -> Choice {
    let mut choice = held.unwrap_or_default();
    choice.number += 1;
    choice
}

/// Nothing is written over a choice that cannot be read: it may block organisations that this
/// delivery does not name. A caseworker looks; one case is enough.
fn unreadable(
    store: &dyn Store,
    person: PersonId,
    sender: Sender<'_>,
    received_at: Timestamp,
) -> Result<Heard, StoreError> {
    let mut entry = Entry::new(received_at, Act::Choice, Outcome::Failure, sender.feed);
    entry.person = Some(person);
    entry.detail = "not applied: the choice that is held cannot be read".to_owned();
    let mut heard = Heard {
        entries: vec![entry],
        ..Heard::default()
    };
    let filter = CaseFilter {
        about: Some(UNREADABLE.to_owned()),
        person: Some(person),
        ..CaseFilter::open_of(&["choice"], 1)
    };
    if store.cases(&filter.query())?.is_empty() {
        let new = NewCase {
            kind: "choice".to_owned(),
            person: Some(person),
            about: UNREADABLE.to_owned(),
            detail: serde_json::json!({ "person": person.to_string() }),
            note:
                "The choice that is held cannot be read, so nobody sees the record. Ask the person \
                   what they chose, and record it again."
                    .to_owned(),
            ..NewCase::default()
        };
        let (change, _) = casework::opening(received_at, "system", new)
            .map_err(|cause| StoreError::Engine(Box::new(cause)))?;
        heard.changes.push(change);
    }
    Ok(heard)
}

enum Said {
    Choice(ChoiceStatement),
    Source(SourceWord, SourceStatement),
}

/// What a resource says about sharing. A practice's code is about what GPs hold; the same code, or the
/// answer at a contact, from anybody else is about what that source holds.
fn said(resource: &Json, kind: OrganisationKind) -> Option<Said> {
    if let Some(statement) = fhir::choice_consent(resource) {
        return Some(Said::Choice(statement));
    }
    if let Some(statement) = fhir::sharing_code(resource) {
        let word = match kind {
            OrganisationKind::Practice => SourceWord::GpDissent,
            _ => SourceWord::Contact,
        };
        return Some(Said::Source(word, statement));
    }
    let council = kind == OrganisationKind::Council;
    let statement = council.then(|| fhir::contact_consent(resource)).flatten()?;
    Some(Said::Source(SourceWord::Contact, statement))
}

fn by_source(
    word: SourceWord,
    statement: &SourceStatement,
    event_at: Timestamp,
    source: &OdsCode,
) -> SaidBySource {
    let said_at = statement.date_time.as_ref().map(|time| time.earliest());
    SaidBySource {
        source: source.to_string(),
        word,
        refused: statement.refused,
        at: said_at.unwrap_or(event_at),
    }
}

/// Puts the statement in place of an older choice. What a Consent does not say (blocked
/// organisations, withheld sources) stays as it was.
fn decided(
    choice: &mut Choice,
    statement: &ChoiceStatement,
    event_at: Timestamp,
    feed: &str,
) -> bool {
    let said_at = statement.date_time.as_ref().map(|time| time.earliest());
    let decided_at = said_at.unwrap_or(event_at);
    if choice.decided_at > decided_at {
        return false;
    }
    choice.connect_care = match (
        statement.status,
        statement.objected,
        statement.except_emergency,
    ) {
        (fhir::ChoiceStatus::Void, _, _) | (_, false, _) => ConnectCareChoice::None,
        (_, true, true) => ConnectCareChoice::ObjectedExceptEmergency,
        (_, true, false) => ConnectCareChoice::Objected,
    };
    choice.status = match statement.status {
        fhir::ChoiceStatus::Pending => ChoiceStatus::Pending,
        fhir::ChoiceStatus::Decided | fhir::ChoiceStatus::Void => ChoiceStatus::Decided,
    };
    let holds = statement.status != fhir::ChoiceStatus::Void;
    for (codes, into) in [
        (&statement.blocked, &mut choice.blocked_organisations),
        (&statement.withheld, &mut choice.withheld_sources),
    ] {
        let codes = codes.iter().filter_map(|code| OdsCode::parse(code).ok());
        for code in codes.filter(|_| holds) {
            if !into.contains(&code) {
                into.push(code);
            }
        }
    }
    choice.set_by = SetBy::Oneself.code().to_owned();
    choice.channel = feed.to_owned();
    choice.reference = None;
    choice.evidence = String::new();
    choice.not_upheld = None;
    choice.decided_at = decided_at;
    true
}
