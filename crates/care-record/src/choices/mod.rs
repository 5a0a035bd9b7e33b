//! What a person decided about sharing, and since when. Records decisions and reads them back; what
//! a decision means for a view is for the access rules alone.
//!
//! Source: the access model, 8.1 (Choice).

mod choice;

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;

pub(crate) use choice::strictest;
pub use choice::{Choice, ChoiceStatus, ConnectCareChoice, UnreadableChoice};

use crate::caller::Caller;
use crate::casework::{self, NewCase};
use crate::clock::Clock;
use crate::identity;
use crate::store::{Change, Commit, Store, StoreError};

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
    /// The store did not write or answer.
    #[error("the choice was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ChoicesError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl Choices {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Records what the person decided; `by` is the user or client id of whoever wrote it down. It
    /// holds from the moment this returns.
    pub fn record(&self, person: PersonId, choice: &Choice, by: &str) -> Result<(), ChoicesError> {
        let person = identity::answering(&*self.store, person)?.ok_or(ChoicesError::NobodyThere)?;
        let mut entry = Entry::new(self.clock.now(), Act::Choice, Outcome::Success, by);
        entry.person = Some(person.person);
        entry.detail = choice.summary();
        self.store.commit(Commit {
            changes: vec![Change::Choice {
                person: person.person,
                choice: choice.to_bytes(),
            }],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    /// Records what a signed-in person decided for themselves, or for the person they act for, with
    /// the reference they keep and the case that gets them their confirmation. It holds from the
    /// moment this returns.
    pub fn record_online(
        &self,
        person: PersonId,
        choice: &Choice,
        caller: &Caller,
        reference: &str,
        confirmation: &str,
    ) -> Result<(), ChoicesError> {
        let person = identity::answering(&*self.store, person)?.ok_or(ChoicesError::NobodyThere)?;
        let now = self.clock.now();
        let mut entry = Entry::new(now, Act::Choice, Outcome::Success, &caller.user.id);
        entry.who_name.clone_from(&caller.user.name);
        entry.role = caller.user.role.code().to_owned();
        entry.organisation = caller.user.organisation.as_str().to_owned();
        entry.person = Some(person.person);
        entry.detail = format!("{}; reference {reference}", choice.summary());
        let (confirmation, _) = casework::opening(
            now,
            &caller.user.id,
            NewCase {
                kind: "choice-confirmation".to_owned(),
                reference: Some(reference.to_owned()),
                person: Some(person.person),
                detail: serde_json::json!({ "reference": reference, "confirm by": confirmation }),
                ..NewCase::default()
            },
        )
        .map_err(|cause| ChoicesError::Store(Box::new(cause)))?;
        self.store.commit(Commit {
            changes: vec![
                Change::Choice {
                    person: person.person,
                    choice: choice.to_bytes(),
                },
                confirmation,
            ],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    /// The choice that holds; `None` where the person never made one. Where two records were joined,
    /// the stricter of their choices.
    pub fn current(&self, person: PersonId) -> Result<Option<Choice>, ChoicesError> {
        let whole = identity::answering(&*self.store, person)?.ok_or(ChoicesError::NobodyThere)?;
        let kept = whole.row.choice.as_deref();
        Ok(kept.map(Choice::from_bytes).transpose()?)
    }
}
