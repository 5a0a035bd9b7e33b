//! What a person decided about sharing, and since when. Records decisions and reads them back; what
//! a decision means for a view is for the access rules alone.
//!
//! Source: the access model, 8.1 (Choice); screens, section 10.

mod choice;
mod consent;
mod documents;
mod waiting;
mod words;

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

pub(crate) use choice::strictest;
pub use choice::{
    Choice, ChoiceStatus, ConnectCareChoice, NotUpheld, SaidBySource, SourceWord, UnreadableChoice,
};
pub(crate) use consent::{CHOICE_ITEM, consent};
pub use documents::{CaseDocument, DocumentKind, LARGEST_DOCUMENT_BYTES};
pub(crate) use waiting::{Arrival, arrivals};
pub use waiting::{Awaited, Waited};
pub use words::{Channel, SetBy};

use crate::caller::Caller;
use crate::casework::{self, CaseChange, NewCase};
use crate::clock::Clock;
use crate::identity;
use crate::store::{Change, Commit, Store, StoreError};

/// Of two who write a person's choice at once, one keeps this and the other looks again.
const NUMBERS: &str = "choice-number";
/// How often a writer looks again.
const ATTEMPTS: usize = 8;

/// Records and reads choices.
#[derive(Clone)]
pub struct Choices {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// Why a choice was not recorded or cannot be told. Holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum ChoicesError {
    /// No such person.
    #[error("there is nobody with this id; find the person again")]
    NobodyThere,
    /// A kept choice cannot be read: until it is mended, it counts as unknown and access is refused.
    #[error(transparent)]
    Unreadable(#[from] UnreadableChoice),
    /// An objection is only overruled by somebody who says why.
    #[error("an objection is not upheld only with the clinician's name and reason; write both")]
    NoReason,
    /// There is no objection to decide about.
    #[error("this person has no objection that waits for a decision; look at the choice again")]
    NothingToDecide,
    /// Too little is known to know the person by when they arrive.
    #[error("give the NHS number, or the full name, date of birth and postcode")]
    NotEnough,
    /// A paper that is too large.
    #[error("the paper is larger than 5 MB; scan it again in black and white, or in parts")]
    DocumentTooLarge,
    /// A paper of a kind we do not take.
    #[error("this is no PDF, JPEG or PNG file; scan the form again and save it as one of these")]
    DocumentUnknown,
    /// Somebody else changed the case since it was read; nothing was kept.
    #[error("somebody else changed this case meanwhile; open it again and look at what changed")]
    Stale,
    /// The store did not write or answer.
    #[error("the choice was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ChoicesError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::Stale => Self::Stale,
            other => Self::Store(Box::new(other)),
        }
    }
}

/// The changes that keep a choice; its number must be one more than the one held.
pub(crate) fn put(person: PersonId, choice: &Choice) -> [Change; 2] {
    [
        Change::Choice {
            person,
            choice: choice.to_bytes(),
        },
        Change::KeepOnce {
            space: NUMBERS,
            key: format!("{person}|{}", choice.number),
            value: Vec::new(),
            expires_ms: i64::MAX,
        },
    ]
}

/// A change of a case that is kept together with a choice.
#[derive(Debug, Clone)]
pub struct CaseStep {
    /// The case.
    pub number: u64,
    /// The version it was read as.
    pub expected_version: u32,
    /// What changes.
    pub change: CaseChange,
}

fn nothing() -> Result<Vec<Change>, ChoicesError> {
    Ok(Vec::new())
}

/// What a writer finds.
struct Held {
    person: PersonId,
    /// The choice that holds, as far as it can be read.
    choice: Choice,
    readable: bool,
}

impl Choices {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Records what the person decided; `by` is the user or client id of whoever wrote it down. What
    /// sources said for the person stays beside it. It holds from the moment this returns.
    pub fn record(&self, person: PersonId, choice: &Choice, by: &str) -> Result<(), ChoicesError> {
        let entry = |_: &Choice| Entry::new(self.clock.now(), Act::Choice, Outcome::Success, by);
        self.write(person, |_| Ok(choice.clone()), entry, nothing)?;
        Ok(())
    }

    /// Records what a signed-in person decided for themselves, or for the person they act for, with
    /// the case that gets them their confirmation. It holds from the moment this returns.
    pub fn record_online(
        &self,
        person: PersonId,
        choice: &Choice,
        caller: &Caller,
        case: &NewCase,
    ) -> Result<Choice, ChoicesError> {
        let now = self.clock.now();
        let opened = || {
            let (opened, _) = casework::opening(now, &caller.user.id, case.clone())
                .map_err(|cause| ChoicesError::Store(Box::new(cause)))?;
            Ok(vec![opened])
        };
        self.write(
            person,
            |_| Ok(choice.clone()),
            |_| told(now, caller),
            opened,
        )
    }

    /// Records what a caseworker took down: `to` makes the new choice of the one that holds, and its
    /// case changes in the same moment. It holds from the moment this returns.
    pub fn change(
        &self,
        person: PersonId,
        caller: &Caller,
        case: Option<&CaseStep>,
        to: impl Fn(Choice) -> Choice,
    ) -> Result<Choice, ChoicesError> {
        let now = self.clock.now();
        let beside = || {
            let step = |step: &CaseStep| {
                let at = (step.number, step.expected_version);
                casework::changing(now, &caller.user.id, at, step.change.clone())
            };
            Ok(case.map(step).into_iter().collect())
        };
        self.write(person, |held| Ok(to(held)), |_| told(now, caller), beside)
    }

    /// Decides an objection that was pending, or one that holds. Not upheld needs the clinician's own
    /// reason; it is kept, told to the person, and stands in the Consent.
    pub fn decide(
        &self,
        person: PersonId,
        caller: &Caller,
        not_upheld: Option<&str>,
    ) -> Result<Choice, ChoicesError> {
        let now = self.clock.now();
        let overruled = match not_upheld.map(str::trim) {
            Some("") => return Err(ChoicesError::NoReason),
            Some(reason) => Some(NotUpheld {
                by: format!("{}, {}", caller.user.name, caller.user.role.title()),
                reason: reason.to_owned(),
                at: now,
            }),
            None => None,
        };
        let decided = |held: Choice| {
            if held.connect_care == ConnectCareChoice::None {
                return Err(ChoicesError::NothingToDecide);
            }
            Ok(Choice {
                status: match overruled {
                    Some(_) => ChoiceStatus::NotUpheld,
                    None => ChoiceStatus::Decided,
                },
                not_upheld: overruled.clone(),
                decided_at: now,
                ..held
            })
        };
        self.write(person, decided, |_| told(now, caller), nothing)
    }

    /// The choice that holds; `None` where the person never made one. Where two records were joined,
    /// the stricter of their choices.
    pub fn current(&self, person: PersonId) -> Result<Option<Choice>, ChoicesError> {
        let whole = identity::answering(&*self.store, person)?.ok_or(ChoicesError::NobodyThere)?;
        let kept = whole.row.choice.as_deref();
        Ok(kept.map(Choice::from_bytes).transpose()?)
    }

    /// Every choice that was kept for the person, newest first; those that cannot be read are left
    /// out, and how many they are is said.
    pub fn history(&self, person: PersonId) -> Result<(Vec<Choice>, usize), ChoicesError> {
        let whole = identity::answering(&*self.store, person)?.ok_or(ChoicesError::NobodyThere)?;
        let kept = self.store.choices(whole.person)?;
        let all = kept.len();
        let mut read: Vec<Choice> = kept
            .iter()
            .filter_map(|bytes| Choice::from_bytes(bytes).ok())
            .collect();
        read.sort_by_key(|choice| std::cmp::Reverse((choice.decided_at, choice.number)));
        let unreadable = all - read.len();
        Ok((read, unreadable))
    }

    /// What is held, with the words of sources and the number saved even where the choice itself
    /// cannot be read.
    fn held(&self, person: PersonId) -> Result<Held, ChoicesError> {
        let whole = identity::answering(&*self.store, person)?.ok_or(ChoicesError::NobodyThere)?;
        let Some(kept) = whole.row.choice else {
            return Ok(Held {
                person: whole.person,
                choice: Choice::default(),
                readable: true,
            });
        };
        if let Ok(choice) = Choice::from_bytes(&kept) {
            return Ok(Held {
                person: whole.person,
                choice,
                readable: true,
            });
        }
        let all = self.store.choices(whole.person)?;
        let read = all.iter().filter_map(|kept| Choice::from_bytes(kept).ok());
        let mut choice = read.reduce(Choice::stricter).unwrap_or_default();
        choice.number = choice.number.max(u32::try_from(all.len()).unwrap_or(0));
        Ok(Held {
            person: whole.person,
            choice,
            readable: false,
        })
    }

    /// Writes the choice that `to` makes of the one that holds. Of several writers at once, each sees
    /// what the one before wrote.
    fn write(
        &self,
        person: PersonId,
        to: impl Fn(Choice) -> Result<Choice, ChoicesError>,
        entry: impl Fn(&Choice) -> Entry,
        beside: impl Fn() -> Result<Vec<Change>, ChoicesError>,
    ) -> Result<Choice, ChoicesError> {
        for _ in 0..ATTEMPTS {
            let held = self.held(person)?;
            let choice = Choice {
                said_by_sources: held.choice.said_by_sources.clone(),
                number: held.choice.number + 1,
                ..to(held.choice)?
            };
            let mut entry = entry(&choice);
            entry.person = Some(held.person);
            entry.detail = choice.summary();
            if !held.readable {
                entry.detail.push_str("; the one before could not be read");
            }
            let mut changes = Vec::from(put(held.person, &choice));
            changes.extend(beside()?);
            let commit = Commit {
                changes,
                entry,
                more_entries: Vec::new(),
            };
            match self.store.commit(commit) {
                Ok(_) => return Ok(choice),
                Err(StoreError::AlreadyKept) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        Err(StoreError::AlreadyKept.into())
    }
}

/// An entry of somebody who is signed in.
fn told(now: Timestamp, caller: &Caller) -> Entry {
    let mut entry = Entry::new(now, Act::Choice, Outcome::Success, &caller.user.id);
    entry.who_name.clone_from(&caller.user.name);
    entry.role = caller.user.role.code().to_owned();
    entry.organisation = caller.user.organisation.as_str().to_owned();
    entry
}

#[cfg(test)]
mod tests;
