//! Cases that people work on: reviews of access, reports, choices to process, disclosures, extracts.
//!
//! A case has a kind (a free code), a state, an owner, a due date, a version and a detail in JSON.
//! Opening, reading, listing and changing are acts: each writes an entry in the same commit. Nothing
//! is taken away: every change is an event that stays. What a kind means stands in the room that uses it.

mod reference;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;
use serde_json::Value;

pub(crate) use reference::reference;

use crate::caller::Caller;
use crate::clock::Clock;
use crate::store::{
    CaseEventRow, CaseOrder, CaseQuery, CaseRow, CaseTally, Change, ChangeCase, Commit, OpenCase,
    Store, StoreError, is_closed,
};

/// Opens, reads and changes cases. Cheap to clone.
#[derive(Clone)]
pub struct Casework {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// A case to open.
#[derive(Debug, Clone, Default)]
pub struct NewCase {
    /// The kind's code: `emergency-access`, `disclosure` …
    pub kind: String,
    /// A reference that was given out before; `None`: a fresh one.
    pub reference: Option<String>,
    /// Whom it is about.
    pub person: Option<PersonId>,
    /// What it is about besides the person: a user's id, or nothing. Cases can be found by it.
    pub about: String,
    /// When it must be done.
    pub due_at: Option<Timestamp>,
    /// The id of the user who has it in hand; empty: nobody yet.
    pub owner: String,
    /// What is known; shown to those who work on the case.
    pub detail: Value,
    /// What the first event says.
    pub note: String,
}

/// A case as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its number: may stand in addresses.
    pub number: u64,
    /// Its reference, to read out: `CC-7F3K-9Q2X`.
    pub reference: String,
    /// The kind's code.
    pub kind: String,
    /// Whom it is about.
    pub person: Option<PersonId>,
    /// What it is about besides.
    pub about: String,
    /// Since when.
    pub opened_at: Timestamp,
    /// When it must be done.
    pub due_at: Option<Timestamp>,
    /// The last change.
    pub changed_at: Timestamp,
    /// Who has it in hand; empty: nobody.
    pub owner: String,
    /// `open`, a state of its kind, `closed` or `closed-…`.
    pub state: String,
    /// Counts changes; a change names the version it was made from.
    pub version: u32,
    /// What is known.
    pub detail: Value,
}

impl Case {
    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        is_closed(&self.state)
    }

    /// A text of the detail; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.detail
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// One thing that happened to a case, with what held after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEvent {
    /// The version it made.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// The owner after it.
    pub owner: String,
    /// The state after it.
    pub state: String,
    /// The due date after it.
    pub due_at: Option<Timestamp>,
    /// What was said.
    pub note: String,
    /// The detail, where this event changed it.
    pub detail: Option<Value>,
}

/// What changes. Everything left out stays.
#[derive(Debug, Clone, Default)]
pub struct CaseChange {
    /// `closed` and states that begin with `closed-` end the case.
    pub state: Option<String>,
    /// Empty: nobody.
    pub owner: Option<String>,
    /// `Some(None)`: no due date any more.
    pub due_at: Option<Option<Timestamp>>,
    /// The whole new detail.
    pub detail: Option<Value>,
    /// Why, in words.
    pub note: String,
}

/// In which order a list is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Opened first, first.
    #[default]
    Oldest,
    /// Opened last, first.
    Newest,
    /// Due first, first.
    Due,
    /// Changed last, first.
    Changed,
}

impl Sort {
    /// Reads a code of a form; anything else is `Oldest`.
    pub fn from_code(code: &str) -> Self {
        match code {
            "newest" => Self::Newest,
            "due" => Self::Due,
            "changed" => Self::Changed,
            _ => Self::Oldest,
        }
    }

    /// The code of a form.
    pub fn code(self) -> &'static str {
        self.order().code()
    }

    fn order(self) -> CaseOrder {
        match self {
            Self::Oldest => CaseOrder::Oldest,
            Self::Newest => CaseOrder::Newest,
            Self::Due => CaseOrder::Due,
            Self::Changed => CaseOrder::Changed,
        }
    }
}

/// Which cases. Everything left out allows all.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// Of these kinds.
    pub kinds: Vec<String>,
    /// In these states.
    pub states: Vec<String>,
    /// `Some(true)`: open ones only; `Some(false)`: closed ones only.
    pub open: Option<bool>,
    /// This user's; `Some("")`: nobody's.
    pub owner: Option<String>,
    /// About this, besides the person.
    pub about: Option<String>,
    /// About this person.
    pub person: Option<PersonId>,
    /// Due before this moment.
    pub due_before: Option<Timestamp>,
    /// Opened at or after this moment.
    pub opened_from: Option<Timestamp>,
    /// Opened before this moment.
    pub opened_until: Option<Timestamp>,
    /// In this order.
    pub sort: Sort,
    /// So many are left out at the beginning.
    pub offset: u32,
    /// At most so many.
    pub limit: u32,
}

impl CaseFilter {
    /// Open cases of these kinds, oldest first, at most `limit`.
    pub fn open_of(kinds: &[&str], limit: u32) -> Self {
        Self {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            open: Some(true),
            limit,
            ..Self::default()
        }
    }

    pub(crate) fn query(&self) -> CaseQuery {
        CaseQuery {
            kinds: self.kinds.clone(),
            states: self.states.clone(),
            open: self.open,
            owner: self.owner.clone(),
            about: self.about.clone(),
            person: self.person,
            due_before: self.due_before,
            opened_from: self.opened_from,
            opened_until: self.opened_until,
            order: self.sort.order(),
            offset: self.offset,
            limit: self.limit,
        }
    }
}

/// How many cases of one kind and state there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseCount {
    /// The kind's code.
    pub kind: String,
    /// The state.
    pub state: String,
    /// How many.
    pub count: u64,
    /// When the oldest of them was opened.
    pub oldest: Timestamp,
}

/// Why a case was not opened, read or changed. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub enum CaseworkError {
    /// There is no such case.
    #[error("there is no case with this number or reference; check it and try again")]
    NoCase,
    /// Somebody else changed it since it was read.
    #[error("somebody else changed this case meanwhile; open it again and look at what changed")]
    Stale,
    /// The store did not write or answer.
    #[error("the case was not kept or read; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for CaseworkError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::NoSuchRow => Self::NoCase,
            StoreError::Stale => Self::Stale,
            other => Self::Store(Box::new(other)),
        }
    }
}

impl From<getrandom::Error> for CaseworkError {
    fn from(cause: getrandom::Error) -> Self {
        Self::Store(Box::new(cause))
    }
}

type Answer<T> = Result<T, CaseworkError>;

impl Casework {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Opens a case.
    pub fn open(&self, caller: &Caller, new: NewCase) -> Answer<Case> {
        let now = self.clock.now();
        let (kind, person) = (new.kind.clone(), new.person);
        let (change, reference) = opening(now, &caller.user.id, new)?;
        let mut entry = case_entry(now, caller, person);
        entry.detail = format!("{kind} case {reference} opened");
        let done = self.store.commit(Commit {
            changes: vec![change],
            entry,
            more_entries: Vec::new(),
        })?;
        let number = done.cases.first().copied().ok_or(CaseworkError::NoCase)?;
        self.held(number)
    }

    /// One case with what happened to it, oldest first. The reading is written down first.
    pub fn get(&self, caller: &Caller, number: u64) -> Answer<(Case, Vec<CaseEvent>)> {
        let case = self.held(number)?;
        self.read(caller, &case)?;
        let events = self.store.case_events(number)?;
        Ok((case, events.into_iter().map(event).collect()))
    }

    /// The case with this reference; spaces and small letters do not matter.
    pub fn by_reference(&self, caller: &Caller, typed: &str) -> Answer<Case> {
        let found = self.store.case_by_reference(&reference::read(typed))?;
        let case = found.map(case).ok_or(CaseworkError::NoCase)?;
        self.read(caller, &case)?;
        Ok(case)
    }

    /// Cases, in the order asked for.
    pub fn list(&self, caller: &Caller, filter: &CaseFilter) -> Answer<Vec<Case>> {
        let mut entry = case_entry(self.clock.now(), caller, filter.person);
        entry.page = "cases".to_owned();
        entry.detail = format!("a list of cases: {}", filter.kinds.join(", "));
        self.commit(Vec::new(), entry)?;
        Ok(self.matching(filter)?)
    }

    /// How many cases there are by kind and state, and since when the oldest of them is open. Order,
    /// offset and limit do not count. Says nothing of anybody, so it leaves no entry.
    pub fn counts(&self, filter: &CaseFilter) -> Answer<Vec<CaseCount>> {
        let tallied = self.store.case_tally(&filter.query())?;
        Ok(tallied.into_iter().map(count).collect())
    }

    /// Changes a case that was read as `expected_version`.
    pub fn change(
        &self,
        caller: &Caller,
        number: u64,
        expected_version: u32,
        change: CaseChange,
    ) -> Answer<Case> {
        self.change_with(caller, number, expected_version, change, Vec::new())
    }

    /// The same, in one commit with other changes.
    pub(crate) fn change_with(
        &self,
        caller: &Caller,
        number: u64,
        expected_version: u32,
        change: CaseChange,
        mut more: Vec<Change>,
    ) -> Answer<Case> {
        let held = self.held(number)?;
        let now = self.clock.now();
        let mut entry = case_entry(now, caller, held.person);
        entry.detail = format!("{} case {} {}", held.kind, held.reference, said(&change));
        more.push(changing(
            now,
            &caller.user.id,
            (number, expected_version),
            change,
        ));
        self.commit(more, entry)?;
        self.held(number)
    }

    /// One case, without an entry: for the record's own work.
    pub(crate) fn held(&self, number: u64) -> Answer<Case> {
        self.store
            .case(number)?
            .map(case)
            .ok_or(CaseworkError::NoCase)
    }

    /// Cases, without an entry: for the record's own work.
    pub(crate) fn matching(&self, filter: &CaseFilter) -> Result<Vec<Case>, StoreError> {
        let rows = self.store.cases(&filter.query())?;
        Ok(rows.into_iter().map(case).collect())
    }

    fn read(&self, caller: &Caller, case: &Case) -> Answer<()> {
        let mut entry = case_entry(self.clock.now(), caller, case.person);
        entry.page = "case".to_owned();
        entry.detail = format!("{} case {} read", case.kind, case.reference);
        self.commit(Vec::new(), entry)
    }

    fn commit(&self, changes: Vec<Change>, entry: Entry) -> Answer<()> {
        self.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

/// The change that opens a case, for a commit with other changes; and the case's reference.
pub(crate) fn opening(
    now: Timestamp,
    who: &str,
    new: NewCase,
) -> Result<(Change, String), getrandom::Error> {
    let reference = match new.reference {
        Some(given) => given,
        None => reference()?,
    };
    let change = Change::OpenCase(Box::new(OpenCase {
        kind: new.kind,
        reference: reference.clone(),
        person: new.person,
        about: new.about,
        opened_at: now,
        due_at: new.due_at,
        owner: new.owner,
        who: who.to_owned(),
        note: new.note,
        detail: new.detail.to_string().into_bytes(),
    }));
    Ok((change, reference))
}

/// The change of a case, for a commit with other changes.
pub(crate) fn changing(
    now: Timestamp,
    who: &str,
    (number, expected_version): (u64, u32),
    change: CaseChange,
) -> Change {
    Change::ChangeCase(Box::new(ChangeCase {
        number,
        expected_version,
        at: now,
        who: who.to_owned(),
        state: change.state,
        owner: change.owner,
        due_at: change.due_at,
        detail: change.detail.map(|detail| detail.to_string().into_bytes()),
        note: change.note,
    }))
}

/// An entry about work on a case.
fn case_entry(now: Timestamp, caller: &Caller, person: Option<PersonId>) -> Entry {
    let mut entry = Entry::new(now, Act::Worklist, Outcome::Success, &caller.user.id);
    entry.who_name.clone_from(&caller.user.name);
    entry.role = caller.user.role.code().to_owned();
    entry.organisation = caller.user.organisation.as_str().to_owned();
    entry.person = person;
    entry
}

/// What a change does, for the log: codes, not the words that were written.
fn said(change: &CaseChange) -> String {
    let mut parts = Vec::new();
    if let Some(state) = &change.state {
        parts.push(format!("is now {state}"));
    }
    match change.owner.as_deref() {
        Some("") => parts.push("has no owner".to_owned()),
        Some(owner) => parts.push(format!("goes to {owner}")),
        None => {}
    }
    if change.due_at.is_some() {
        parts.push("has another due date".to_owned());
    }
    if change.detail.is_some() {
        parts.push("was written to".to_owned());
    }
    if parts.is_empty() {
        parts.push("has a note".to_owned());
    }
    parts.join(", ")
}

pub(crate) fn case(row: CaseRow) -> Case {
    Case {
        number: row.number,
        reference: row.reference,
        kind: row.kind,
        person: row.person,
        about: row.about,
        opened_at: row.opened_at,
        due_at: row.due_at,
        changed_at: row.changed_at,
        owner: row.owner,
        state: row.state,
        version: row.version,
        // Only this module writes details; one that cannot be read shows as nothing.
        detail: serde_json::from_slice(&row.detail).unwrap_or_default(),
    }
}

fn event(row: CaseEventRow) -> CaseEvent {
    CaseEvent {
        version: row.version,
        at: row.at,
        who: row.who,
        owner: row.owner,
        state: row.state,
        due_at: row.due_at,
        note: row.note,
        detail: row
            .detail
            .and_then(|detail| serde_json::from_slice(&detail).ok()),
    }
}

fn count(row: CaseTally) -> CaseCount {
    CaseCount {
        kind: row.kind,
        state: row.state,
        count: row.count,
        oldest: row.oldest,
    }
}
