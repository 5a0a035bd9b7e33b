//! Walk 2: facts are gathered, the rules decide, the store reads what the view permits, the entry
//! is made durable, and only then does anything leave.
//!
//! The only maker of [`Disclosed`]. Every refusal is written down as every view is. Source: the
//! access model 8.3 and 8.4; IHE PCF calls this the policy enforcement point.

mod account;
mod asking;
mod choosing;
mod disclosed;
pub(crate) mod exceptional;
mod explain;
mod fhir;
mod fhir_search;
mod find;
pub(crate) mod gather;
mod handles;
mod holds;
mod log_review;
pub(crate) mod looks;
mod marks;
mod not_opened;
mod own;
mod own_letters;
#[cfg(test)]
mod own_tests;
mod patient;
mod proof;
mod read;
pub(crate) mod redact;
mod refusal;
mod replay;
pub(crate) mod review;
mod sealed;
#[cfg(test)]
mod tests;
pub(crate) mod tries;
mod versions;
mod visits;
mod who_looked;

use std::sync::Arc;

use care_core::access::Settings;
use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

pub use account::{MyAccess, MyAccessAsk, MyVisit};
pub use asking::{Ground, Stated, Stopped, Why};
pub use choosing::{CasePerson, Simulation};
pub use disclosed::Disclosed;
pub use explain::Explained;
pub use fhir::matching::{MatchAsk, Matched};
pub use fhir::operations::{LastAsk, OperationPage, SummaryAsk, VersionAsk};
pub use fhir::{FhirAsk, FhirPage, FhirResource};
pub(crate) use fhir::{item_name, matching, operations};
pub use fhir_search::FhirError;
pub(crate) use fhir_search::page as searched_page;
pub use find::{Details, Found, FoundPerson, NumberProblem};
pub(crate) use holds::HELD_LOOKS;
pub use holds::HeldLook;
pub use log_review::{LogAsk, LogPage, RecordedEntry};
#[allow(
    unused_imports,
    reason = "the rooms of disclosures and extracts write it"
)]
pub(crate) use looks::Given;
pub use own::{OwnCase, OwnPerson, OwnRecord, OwnSource, ProxyStop};
pub use own_letters::{OwnLetters, OwnRequest};
pub use proof::OwnProof;
pub use read::{Page, VisitFacts};
pub use refusal::Refusal;
pub use replay::Replayed;
pub use sealed::SealedItem;
pub use versions::{HistoryAsk, HistoryEntry, HistoryPage, HistoryPlace};
pub use visits::{Confirm, ConfirmState, Opened, RecentPerson};
pub(crate) use who_looked::choice_told;
pub use who_looked::{ChoiceTold, Look, LookKind};

use crate::caller::Caller;
use crate::record::Inner;
use crate::store::{Change, Commit, StoreError};
use gather::Gathered;

/// The door to what is held. Cheap to clone; every call blocks until its entry is durable.
#[derive(Clone)]
pub struct Disclosure {
    inner: Arc<Inner>,
}

/// Why a call gave nothing. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub enum DisclosureError {
    /// The rules said no; the refusal is in the log.
    #[error("refused; the log says why")]
    Refused(Refusal),
    /// The handle, visit, person or item is not there for this caller: unknown, expired, or
    /// somebody else's. These read the same.
    #[error("nothing is there under this address for this user; find the person again")]
    NotThere,
    /// The visit ended, or the rules no longer allow it.
    #[error("the time in this record has ended; open it again if it is still needed")]
    VisitEnded,
    /// The user tried too many NHS numbers; nothing is looked for until then.
    #[error("too many NHS numbers were tried; wait {minutes} minutes")]
    TooManyTries {
        /// Minutes to wait.
        minutes: u32,
    },
    /// What was asked cannot be meant.
    #[error("{0}")]
    Unclear(&'static str),
    /// The record cannot answer now; nothing was shown.
    #[error("the record cannot answer now; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for DisclosureError {
    fn from(cause: StoreError) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

impl From<serde_json::Error> for DisclosureError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

impl From<getrandom::Error> for DisclosureError {
    fn from(cause: getrandom::Error) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

type Answer<T> = Result<T, DisclosureError>;

impl Disclosure {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Writes what was decided, with what is kept beside it, and hands the value out.
    fn disclose<T>(
        &self,
        mut changes: Vec<Change>,
        entry: Entry,
        value: T,
    ) -> Answer<Disclosed<T>> {
        changes.extend(self.review(&entry)?);
        let begun = crate::timings::stopwatch();
        let committed = self.inner.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        self.inner.timings.entry.add(begun.elapsed());
        Ok(Disclosed::after(committed.entry, value))
    }

    /// Writes a refusal down, then gives it.
    fn refuse(&self, gathered: &Gathered, entry: Entry) -> DisclosureError {
        let practice = gathered.facts.viewer_is_registered_practice();
        let told = Refusal::of(gathered.decision.reason(), self.settings(), practice);
        match self.disclose(Vec::new(), entry, ()) {
            Ok(_) => DisclosureError::Refused(told),
            Err(unwritten) => unwritten,
        }
    }
}

/// An entry with what is known of the caller.
fn entry(at: Timestamp, act: Act, outcome: Outcome, caller: &Caller) -> Entry {
    let mut entry = Entry::new(at, act, outcome, caller.user.id.clone());
    entry.who_name.clone_from(&caller.user.name);
    entry.role = caller.user.role.code().to_owned();
    entry.organisation = caller.user.organisation.as_str().to_owned();
    entry.request.clone_from(&caller.request);
    entry
}

/// An entry about a person, with the decision's reason, flags and trace.
fn decided_entry(at: Timestamp, act: Act, caller: &Caller, gathered: &Gathered) -> Entry {
    let allowed = gathered.decision.view().is_some();
    let outcome = if allowed {
        Outcome::Success
    } else {
        Outcome::Denied
    };
    let mut entry = entry(at, act, outcome, caller);
    entry.person = Some(gathered.person);
    entry.purpose = gathered
        .facts
        .purpose
        .map_or("not-permitted", |p| p.code())
        .to_owned();
    entry.reason = gathered.decision.reason().code().to_owned();
    entry.flags = gathered
        .decision
        .audit_flags()
        .map(|flag| flag.code().to_owned())
        .collect();
    entry.trace = gathered.decision.trace().lines();
    if let Some(part) = &gathered.evidence {
        entry.trace.push(format!(
            "relationship shown by {} of {}",
            part.kind.code(),
            part.organisation
        ));
    }
    let categories = gathered.decision.visible_categories();
    entry.categories = categories.iter().map(|one| one.code().to_owned()).collect();
    entry
}

fn person_key(caller: &Caller, person: PersonId) -> String {
    format!("{}|{person}", caller.user.id)
}
