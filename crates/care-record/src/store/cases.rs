//! Cases as the store holds them: rows, what opens and changes them, and what is asked of them.

use care_core::vocabulary::PersonId;
use jiff::Timestamp;

/// A case to open. It begins `open`, with version 1.
#[derive(Debug, Clone)]
pub(crate) struct OpenCase {
    pub kind: String,
    /// Short, readable and not to be guessed; no two cases share one.
    pub reference: String,
    pub person: Option<PersonId>,
    /// What it is about besides the person: a user's id, or nothing.
    pub about: String,
    pub opened_at: Timestamp,
    pub due_at: Option<Timestamp>,
    /// A user's id; empty: nobody yet.
    pub owner: String,
    /// Who opened it.
    pub who: String,
    pub note: String,
    /// JSON. May hold what only those who work on the case may read.
    pub detail: Vec<u8>,
}

/// One change of a case. Fails with `NoSuchRow` for a case that is not there and with `Stale` where
/// its version is no longer the expected one.
#[derive(Debug, Clone)]
pub(crate) struct ChangeCase {
    pub number: u64,
    pub expected_version: u32,
    pub at: Timestamp,
    pub who: String,
    /// `closed` and states that begin with `closed-` end it. `None`: as before.
    pub state: Option<String>,
    /// Empty: nobody. `None`: as before.
    pub owner: Option<String>,
    pub due_at: Option<Option<Timestamp>>,
    pub detail: Option<Vec<u8>>,
    pub note: String,
}

/// A case as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseRow {
    pub number: u64,
    pub reference: String,
    pub kind: String,
    pub person: Option<PersonId>,
    pub about: String,
    pub opened_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub changed_at: Timestamp,
    pub owner: String,
    pub state: String,
    pub version: u32,
    pub detail: Vec<u8>,
}

/// One thing that happened to a case, with what held after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseEventRow {
    pub version: u32,
    pub at: Timestamp,
    pub who: String,
    pub owner: String,
    pub state: String,
    pub due_at: Option<Timestamp>,
    pub note: String,
    /// The detail, where this event changed it.
    pub detail: Option<Vec<u8>>,
}

/// In which order cases are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CaseOrder {
    /// Opened first, first.
    #[default]
    Oldest,
    /// Opened last, first.
    Newest,
    /// Due first, first; without a due date last.
    Due,
    /// Changed last, first.
    Changed,
}

impl CaseOrder {
    pub fn code(self) -> &'static str {
        match self {
            Self::Oldest => "oldest",
            Self::Newest => "newest",
            Self::Due => "due",
            Self::Changed => "changed",
        }
    }
}

/// Which cases. Everything left out allows all.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaseQuery {
    pub kinds: Vec<String>,
    pub states: Vec<String>,
    /// `Some(true)`: open ones only; `Some(false)`: closed ones only.
    pub open: Option<bool>,
    /// `Some("")`: those without an owner.
    pub owner: Option<String>,
    pub about: Option<String>,
    pub person: Option<PersonId>,
    pub due_before: Option<Timestamp>,
    pub opened_from: Option<Timestamp>,
    pub opened_until: Option<Timestamp>,
    pub order: CaseOrder,
    pub offset: u32,
    pub limit: u32,
}

/// How many cases of one kind and state there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseTally {
    pub kind: String,
    pub state: String,
    pub count: u64,
    /// When the oldest of them was opened.
    pub oldest: Timestamp,
}

/// `closed` and every state that begins with `closed-` end a case or a row; every other leaves it open.
pub(crate) fn is_closed(state: &str) -> bool {
    state == "closed" || state.starts_with("closed-")
}
