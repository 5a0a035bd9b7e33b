//! A choice of somebody whom no source has told us of yet. It is kept until they arrive, and applied
//! in the very transaction that makes them: nobody sees a record in between.
//!
//! It is applied in full where the NHS number and the birth date agree. Where only one of the two
//! agrees, or only name, birth date and postcode do, it holds as pending, which restricts, until a
//! caseworker has looked: a choice must not land on the wrong person unseen, nor be lost.

use care_core::audit::{Act, Entry, Outcome};
use care_core::patient_index::fold;
use care_core::vocabulary::{NhsNumber, PersonId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Choice, ChoiceStatus, Choices, ChoicesError, ConnectCareChoice, told};
use crate::caller::Caller;
use crate::casework::{self, CaseChange, NewCase};
use crate::identity::{NHS_NUMBER, answering};
use crate::store::{Change, Commit, Store, StoreError};

const SPACE: &str = "choice-waiting";

/// Whom a choice waits for, as they said it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// NHS number, where they know it.
    pub nhs_number: Option<String>,
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// Birth date, `YYYY-MM-DD`.
    pub birth_date: String,
    /// Postcode.
    pub postcode: String,
}

impl std::fmt::Debug for Awaited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Awaited(hidden)")
    }
}

/// What became of a choice that was to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// It waits.
    Kept,
    /// The person was there already: it holds.
    Applied(PersonId),
}

#[derive(Serialize, Deserialize)]
struct Waiting {
    /// The reference of the case it belongs to.
    case: String,
    by: String,
    birth_date: String,
    /// Every key it lies under.
    keys: Vec<String>,
    /// The choice in its kept form, as text.
    choice: String,
}

/// What an arriving person brings about.
pub(crate) struct Arrival {
    /// Who answers for them.
    pub person: PersonId,
    /// The choice that holds from now on: for [`put`], in the same commit.
    pub choice: Choice,
    /// What is written beside it.
    pub changes: Vec<Change>,
    /// The entry.
    pub entry: Entry,
}

impl Awaited {
    fn number(&self) -> Option<NhsNumber> {
        self.nhs_number
            .as_deref()
            .and_then(|text| NhsNumber::parse(text).ok())
    }

    /// The keys under which it is found when the person arrives.
    fn keys(&self) -> Vec<String> {
        let postcode: String = self
            .postcode
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .flat_map(char::to_uppercase)
            .collect();
        let details = [
            fold(&self.family),
            fold(&self.given),
            self.birth_date.clone(),
            postcode,
        ];
        let number = self.number().map(|number| by_number(&number.digits()));
        number.into_iter().chain(by_details(&details)).collect()
    }
}

fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn by_number(digits: &str) -> String {
    digest(&format!("number|{digits}"))
}

/// `None` where a part is missing: three of four fit too many people.
fn by_details(parts: &[String; 4]) -> Option<String> {
    let whole = parts.iter().all(|part| !part.is_empty());
    whole.then(|| digest(&format!("details|{}", parts.join("|"))))
}

impl Choices {
    /// Keeps a choice of somebody who is not known yet, under the reference of its case. A later one
    /// of the same person takes its place. Where the person is there by now, it holds at once.
    pub fn wait_for(
        &self,
        awaited: &Awaited,
        choice: &Choice,
        case: &str,
        caller: &Caller,
    ) -> Result<Waited, ChoicesError> {
        if let Some(person) = self.arrived(awaited)? {
            return self.apply(person, choice, caller);
        }
        let keys = awaited.keys();
        if keys.is_empty() {
            return Err(ChoicesError::NotEnough);
        }
        let waiting = Waiting {
            case: case.to_owned(),
            by: caller.user.id.clone(),
            birth_date: awaited.birth_date.clone(),
            keys: keys.clone(),
            choice: String::from_utf8_lossy(&choice.to_bytes()).into_owned(),
        };
        let value =
            serde_json::to_vec(&waiting).map_err(|cause| ChoicesError::Store(cause.into()))?;
        let keep = |key: String| Change::Keep {
            space: SPACE,
            key,
            value: Some(value.clone()),
            expires_ms: i64::MAX,
        };
        let mut entry = told(self.clock.now(), caller);
        entry.detail = format!(
            "kept until the person arrives; {}; case {case}",
            choice.summary()
        );
        self.store.commit(Commit {
            changes: keys.into_iter().map(keep).collect(),
            entry,
            more_entries: Vec::new(),
        })?;
        // They may have arrived while it was being kept.
        match self.arrived(awaited)? {
            Some(person) => self.apply(person, choice, caller),
            None => Ok(Waited::Kept),
        }
    }

    /// Takes back a choice that waits: its case was closed, or the person was found under another name.
    pub fn stop_waiting(&self, awaited: &Awaited, caller: &Caller) -> Result<(), ChoicesError> {
        let mut entry = told(self.clock.now(), caller);
        entry.detail = "a choice that was kept until its person arrives was taken back".to_owned();
        self.store.commit(Commit {
            changes: awaited.keys().into_iter().map(taken).collect(),
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    /// Whether a choice waits for this person.
    pub fn waits_for(&self, awaited: &Awaited) -> Result<bool, ChoicesError> {
        for key in awaited.keys() {
            let now_ms = self.clock.now().as_millisecond();
            if self.store.keep_get(SPACE, &key, now_ms)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn arrived(&self, awaited: &Awaited) -> Result<Option<PersonId>, ChoicesError> {
        let Some(number) = awaited.number() else {
            return Ok(None);
        };
        let holders = self
            .store
            .persons_by_identifier(NHS_NUMBER, &number.digits())?;
        Ok(holders.first().map(|one| one.person))
    }

    fn apply(
        &self,
        person: PersonId,
        choice: &Choice,
        caller: &Caller,
    ) -> Result<Waited, ChoicesError> {
        self.change(person, caller, None, |_| choice.clone())?;
        Ok(Waited::Applied(person))
    }
}

fn taken(key: String) -> Change {
    Change::Keep {
        space: SPACE,
        key,
        value: None,
        expires_ms: 0,
    }
}

/// Something that waits, and for whom.
struct Found {
    person: PersonId,
    key: String,
    by_number: bool,
    kept: Vec<u8>,
}

/// What follows for choices that wait when these changes give a person a number or details.
pub(crate) fn arrivals(
    store: &dyn Store,
    changes: &[Change],
    now: Timestamp,
) -> Result<Vec<Arrival>, StoreError> {
    let mut done: Vec<PersonId> = Vec::new();
    let mut all = Vec::new();
    for (person, key, by_number) in keys_of(changes) {
        if done.contains(&person) {
            continue;
        }
        let Some(kept) = store.keep_get(SPACE, &key, now.as_millisecond())? else {
            continue;
        };
        done.push(person);
        let found = Found {
            person,
            key,
            by_number,
            kept,
        };
        all.push(arrival(store, changes, found, now)?);
    }
    Ok(all)
}

/// The keys under which somebody may wait for a person these changes tell of; numbers first.
fn keys_of(changes: &[Change]) -> Vec<(PersonId, String, bool)> {
    let numbers = changes.iter().filter_map(|change| match change {
        Change::Identifier {
            person,
            system,
            value,
            ..
        } if system == NHS_NUMBER => Some((*person, by_number(value), true)),
        _ => None,
    });
    let details = changes.iter().filter_map(|change| match change {
        Change::Details {
            person,
            family,
            given,
            birth_date,
            postcode,
            ..
        } => {
            let parts = [family, given, birth_date, postcode].map(Clone::clone);
            Some((*person, by_details(&parts)?, false))
        }
        _ => None,
    });
    numbers.chain(details).collect()
}

/// Applies what waited. It waits no longer, sure or not: the case's event is what remains to
/// be done, and a later message must not undo what a caseworker decides.
fn arrival(
    store: &dyn Store,
    changes: &[Change],
    found: Found,
    now: Timestamp,
) -> Result<Arrival, StoreError> {
    let Found {
        person,
        key,
        by_number,
        kept,
    } = found;
    let known = answering(store, person)?;
    let root = known.as_ref().map_or(person, |known| known.person);
    let held = known
        .and_then(|known| known.row.choice)
        .and_then(|bytes| Choice::from_bytes(&bytes).ok())
        .unwrap_or_default();
    let waiting: Option<Waiting> = serde_json::from_slice(&kept).ok();
    let choice = waiting
        .as_ref()
        .and_then(|waiting| Choice::from_bytes(waiting.choice.as_bytes()).ok());
    let (case, by, birth_date, keys) = waiting.map_or_else(
        || (String::new(), "system".to_owned(), String::new(), vec![key]),
        |it| (it.case, it.by, it.birth_date, it.keys),
    );
    let sure = by_number && choice.is_some() && born_on(changes, person, &birth_date);
    // What waits and cannot be read counts as an objection.
    let mut choice = choice.unwrap_or(Choice {
        connect_care: ConnectCareChoice::Objected,
        ..Choice::default()
    });
    if !sure {
        choice.status = ChoiceStatus::Pending;
    }
    choice.said_by_sources = held.said_by_sources;
    choice.number = held.number + 1;
    let mut entry = Entry::new(now, Act::Choice, Outcome::Success, by);
    entry.person = Some(root);
    entry.detail = format!("{}; the person of case {case} arrived", choice.summary());
    let told = told_to_case(store, (&case, root, sure), now)?;
    Ok(Arrival {
        person: root,
        choice,
        changes: keys.into_iter().map(taken).chain([told]).collect(),
        entry,
    })
}

/// The change that tells the caseworker: an event of the case, or a new case where that one has ended.
fn told_to_case(
    store: &dyn Store,
    (reference, person, sure): (&str, PersonId, bool),
    now: Timestamp,
) -> Result<Change, StoreError> {
    let note = if sure {
        "The person is known now, and the choice holds."
    } else {
        "Somebody who may be this person is known now. The choice holds as pending: check that it is \
         theirs."
    };
    let held = store.case_by_reference(reference)?.map(casework::case);
    if let Some(case) = held.filter(|case| !case.is_closed()) {
        let mut detail = case.detail;
        detail["person"] = person.to_string().into();
        detail["arrived"] = if sure { "sure" } else { "to-check" }.into();
        let change = CaseChange {
            detail: Some(detail),
            note: note.to_owned(),
            ..CaseChange::default()
        };
        let at = (case.number, case.version);
        return Ok(casework::changing(now, "system", at, change));
    }
    let new = NewCase {
        kind: "choice".to_owned(),
        person: Some(person),
        detail: serde_json::json!({
            "person": person.to_string(), "earlier": reference,
            "arrived": if sure { "sure" } else { "to-check" },
        }),
        note: note.to_owned(),
        ..NewCase::default()
    };
    let (change, _) = casework::opening(now, "system", new)
        .map_err(|cause| StoreError::Engine(Box::new(cause)))?;
    Ok(change)
}

/// Whether these changes say that the person was born on that day.
fn born_on(changes: &[Change], person: PersonId, day: &str) -> bool {
    changes.iter().any(|change| match change {
        Change::Details {
            person: whose,
            birth_date,
            ..
        } => *whose == person && birth_date == day,
        _ => false,
    })
}
