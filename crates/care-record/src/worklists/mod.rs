//! What a person must look at: opening, listing and closing rows, each an audited act.
//!
//! Rows are opened by intake and identity in the commit that made them necessary. A row's detail may
//! hold identifiers, so reading it is an act of its own ([`Worklists::open`]); a list shows none.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::store::{Change, Commit, Store, StoreError, WorklistRow};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorklistKind {
    /// A delivery that could not be used: kept whole, replayed after the fault is mended.
    ParkedDelivery,
    /// A number whose check digit is wrong, or that the source did not verify.
    UnverifiedNumber,
    /// Whom a delivery is about is doubtful; what it says is not shown.
    IdentityDoubt,
    /// Two records that a source calls one, or a new record that may be somebody known.
    MergeReview,
    /// A different body under a control id that was used before.
    DuplicateControlId,
    /// Understood and shown, but something in it is odd: a date in the future, a reference to nothing.
    DataQuality,
    /// A reply of the opt-out check that was refused, or a list that was not answered.
    OptOutReply,
    /// A subscription's channel does not take what it is told.
    SubscriptionFailed,
}

impl WorklistKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::ParkedDelivery,
        Self::UnverifiedNumber,
        Self::IdentityDoubt,
        Self::MergeReview,
        Self::DuplicateControlId,
        Self::DataQuality,
        Self::OptOutReply,
        Self::SubscriptionFailed,
    ];

    /// The code in the store and in addresses.
    pub fn code(self) -> &'static str {
        match self {
            Self::ParkedDelivery => "parked-delivery",
            Self::UnverifiedNumber => "unverified-number",
            Self::IdentityDoubt => "identity-doubt",
            Self::MergeReview => "merge-review",
            Self::DuplicateControlId => "duplicate-control-id",
            Self::DataQuality => "data-quality",
            Self::OptOutReply => "opt-out-reply",
            Self::SubscriptionFailed => "subscription-failed",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// What the kind is called on a page.
    pub fn title(self) -> &'static str {
        match self {
            Self::ParkedDelivery => "Messages we could not use",
            Self::UnverifiedNumber => "NHS numbers to check",
            Self::IdentityDoubt => "Whose record is this?",
            Self::MergeReview => "Possibly one person",
            Self::DuplicateControlId => "Message ids used twice",
            Self::DataQuality => "Data to check with the source",
            Self::OptOutReply => "Opt-out replies to look at",
            Self::SubscriptionFailed => "Subscriptions that cannot be told",
        }
    }
}

/// One row of a list; no identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The row's number.
    pub row: u64,
    /// What it is about; `None` for a kind that another part of the record opens.
    pub kind: Option<WorklistKind>,
    /// The kind's code.
    pub kind_code: String,
    /// The feed it came by.
    pub feed: String,
    /// The delivery.
    pub delivery: Option<u64>,
    /// The person, by our opaque key.
    pub person: Option<PersonId>,
    /// Since when.
    pub opened_at: Timestamp,
    /// `open` or how it was closed.
    pub state: String,
    /// What was noted.
    pub note: String,
}

/// A row with its detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRow {
    /// The row.
    pub waiting: Waiting,
    /// JSON for the one who decides; may hold identifiers.
    pub detail: String,
}

/// How a feed does: what stands on an integration page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedSummary {
    /// The feed.
    pub feed: String,
    /// When it last sent anything that is among the newest deliveries looked at.
    pub last_received: Option<Timestamp>,
    /// Of the newest deliveries: how many ended in each status, in the order of the alphabet.
    pub by_status: Vec<(String, usize)>,
    /// Open worklist rows of each kind.
    pub waiting: Vec<(WorklistKind, usize)>,
}

impl FeedSummary {
    /// The status in words.
    pub fn status_text(&self) -> String {
        let parked = self
            .waiting
            .iter()
            .find(|(kind, _)| *kind == WorklistKind::ParkedDelivery)
            .map_or(0, |(_, count)| *count);
        match (self.last_received, parked) {
            (None, _) => "Nothing received yet".to_owned(),
            (Some(_), 0) => "Receiving; nothing is parked".to_owned(),
            (Some(_), 1) => "Receiving; 1 message is parked".to_owned(),
            (Some(_), many) => format!("Receiving; {many} messages are parked"),
        }
    }
}

/// Why a worklist could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum WorklistError {
    /// No open row of this number.
    #[error(
        "there is no open row with this number; somebody may have closed it; open the list again"
    )]
    NotOpen,
    /// The store did not write or answer.
    #[error("the worklist did not answer; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for WorklistError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

/// Reads and closes worklists.
#[derive(Clone)]
pub struct Worklists {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// How many of a feed's newest deliveries a summary looks at.
const NEWEST: u32 = 200;
/// How many open rows a summary counts.
const COUNTED: u32 = 10_000;

impl Worklists {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Open rows, oldest first, without their detail; `after` is the last row of the page before.
    pub fn list(
        &self,
        kind: Option<WorklistKind>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Waiting>, WorklistError> {
        let rows = self
            .store
            .worklist(kind.map(WorklistKind::code), after, limit)?;
        Ok(rows.into_iter().map(waiting).collect())
    }

    /// Opens one row with its detail; `by` is the user's id. The reading is audited first.
    pub fn open(&self, row: u64, by: &str) -> Result<OpenRow, WorklistError> {
        let found = find(&*self.store, row)?;
        self.commit(Vec::new(), &found, by, "opened")?;
        Ok(OpenRow {
            detail: String::from_utf8_lossy(&found.detail).into_owned(),
            waiting: waiting(found),
        })
    }

    /// Closes a row: `how` is `done`, `sent-back`, `not-needed` …, kept as `closed-done` and so on;
    /// `note` is why, without patient data.
    pub fn close(&self, row: u64, how: &str, note: &str, by: &str) -> Result<(), WorklistError> {
        let found = find(&*self.store, row)?;
        let change = Change::WorklistState {
            row,
            state: format!("closed-{how}"),
            note: note.to_owned(),
        };
        self.commit(vec![change], &found, by, &format!("closed as {how}"))
    }

    /// How each of these feeds does.
    pub fn feeds(&self, feeds: &[String]) -> Result<Vec<FeedSummary>, WorklistError> {
        let rows = self.store.worklist(None, None, COUNTED)?;
        feeds
            .iter()
            .map(|feed| {
                let deliveries = self.store.deliveries(Some(feed), None, NEWEST)?;
                let mut by_status = std::collections::BTreeMap::new();
                for delivery in &deliveries {
                    *by_status.entry(delivery.status.clone()).or_insert(0) += 1;
                }
                let count = |kind: WorklistKind| {
                    let of_kind = |row: &&WorklistRow| row.feed == *feed && row.kind == kind.code();
                    rows.iter().filter(of_kind).count()
                };
                Ok(FeedSummary {
                    feed: feed.clone(),
                    last_received: deliveries.first().map(|newest| newest.received_at),
                    by_status: by_status.into_iter().collect(),
                    waiting: WorklistKind::ALL
                        .iter()
                        .map(|kind| (*kind, count(*kind)))
                        .filter(|(_, count)| *count > 0)
                        .collect(),
                })
            })
            .collect()
    }

    fn commit(
        &self,
        changes: Vec<Change>,
        row: &WorklistRow,
        by: &str,
        what: &str,
    ) -> Result<(), WorklistError> {
        let mut entry = Entry::new(self.clock.now(), Act::Worklist, Outcome::Success, by);
        entry.person = row.person;
        entry.detail = format!("worklist row {} ({}) {what}", row.row, row.kind);
        self.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

/// The open row of this number.
pub(crate) fn find(store: &dyn Store, row: u64) -> Result<WorklistRow, WorklistError> {
    let found = store.worklist(None, row.checked_sub(1), 1)?;
    found
        .into_iter()
        .find(|one| one.row == row)
        .ok_or(WorklistError::NotOpen)
}

fn waiting(row: WorklistRow) -> Waiting {
    Waiting {
        row: row.row,
        kind: WorklistKind::from_code(&row.kind),
        kind_code: row.kind,
        feed: row.feed,
        delivery: row.delivery,
        person: row.person,
        opened_at: row.opened_at,
        state: row.state,
        note: row.note,
    }
}
