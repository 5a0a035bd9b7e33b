//! The check for national data opt-outs: asks about a cohort in lists, takes the replies in, and says
//! who may stay, for as long as the answer may be relied on.
//!
//! The result is a temporary cache with an age. It is never written into anybody's record, never shown,
//! and ends by itself: no key of it names a person, and no commit of this module changes one. Every
//! act has its audit entry, with counts and never a number.
//! Source: the access model 8.5; docs/how-to/national-data-opt-out.md.

mod receive;
mod row;
mod sending;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use care_core::audit::{Act, Entry, Outcome};
use care_core::secondary_use::check::{LineEnd, Numbers, read_list, write_list};
use care_core::secondary_use::{CheckStatus, OptOutCheck};
use care_core::vocabulary::NhsNumber;
use jiff::{SignedDuration, Timestamp};

pub use receive::{Mail, MailKind, Received};
pub use row::{CheckRow, CheckState, ListRow, ListState};
pub use sending::ListToSend;
pub use watch::{Alarm, AlarmKind, MeshHealth};

use crate::clock::Clock;
use crate::store::{Change, Commit, Store, StoreError};

/// Rows of checks: counts and times, no numbers.
const CHECKS: &str = "opt-out-check";
/// The numbers of each list that was asked about.
const SENT: &str = "opt-out-sent";
/// The numbers that came back.
const RETURNED: &str = "opt-out-back";
/// Which list a local id names.
const NAMES: &str = "opt-out-name";
/// Mail that was taken in, by its message id.
const MAIL: &str = "opt-out-mail";
/// Mail that was refused, whole.
const ASIDE: &str = "opt-out-aside";
/// What is known of the mailbox.
const WATCH: &str = "opt-out-mesh";

/// Numbers end this long after their list was sent, whatever happens. Policy: 21 days.
const NUMBERS_DAYS: i64 = 21;
/// Rows without numbers stay, so that a certificate can be traced to its check.
const ROW_DAYS: i64 = 800;
/// Refused mail stays to be looked at.
const ASIDE_DAYS: i64 = 21;
/// Names and ids of mail stay so long that nothing can be taken in twice: mail is deleted at 30 days.
const NAME_DAYS: i64 = 62;
/// The most checks looked at, newest first.
const MOST_CHECKS: u32 = 1000;

/// A list asked about by hand has at least this many people: the answer about a few would tell their
/// choice to whoever asked.
pub const FEWEST_ASKED_BY_HAND: usize = 10;

/// What a deployment decides about the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOutSettings {
    /// Our mailbox; empty where none is configured: then nothing can be asked.
    pub mailbox: String,
    /// The mailbox of the service that answers.
    pub service_mailbox: String,
    /// The workflow of questions and answers.
    pub workflow: String,
    /// The most numbers in one list.
    pub list_limit: usize,
    /// How lines end.
    pub line_end: LineEnd,
    /// The oldest result that may be used, in days: at most 21.
    pub max_age_days: u32,
}

impl Default for OptOutSettings {
    fn default() -> Self {
        Self {
            mailbox: String::new(),
            service_mailbox: String::new(),
            workflow: "SPINE_NTT_UPHOLDING".to_owned(),
            list_limit: 100_000,
            line_end: LineEnd::Lf,
            max_age_days: 7,
        }
    }
}

/// Why a check cannot be made or read. Holds no number.
#[derive(Debug, thiserror::Error)]
pub enum OptOutCheckError {
    /// There is no mailbox.
    #[error(
        "no check can be made: no MESH mailbox is configured; give [mesh] in the configuration"
    )]
    NotConfigured,
    /// Nobody to ask about.
    #[error(
        "there is no valid NHS number to ask about; mend the numbers, or leave these people out"
    )]
    NoNumbers,
    /// No such check.
    #[error("there is no opt-out check with this id; list them with `connect-care opt-out list`")]
    NoSuchCheck,
    /// Too many lists this month.
    #[error("this month's names of lists are used up; raise the limit of numbers in one list")]
    NamesUsedUp,
    /// What was kept cannot be read.
    #[error("a kept opt-out check cannot be read; ask again")]
    Unreadable,
    /// The store did not write or answer.
    #[error("the opt-out check was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for OptOutCheckError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

/// Where a result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckMethod {
    /// Asked for this cohort.
    Mesh,
    /// From an earlier check that asked about everybody in this cohort.
    Cache,
}

impl CheckMethod {
    /// The code of the access model, 8.9.
    pub fn code(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Cache => "cache",
        }
    }
}

/// A check that was answered whole. For a disclosure decision and for nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The check.
    pub id: String,
    /// Asked now, or kept from before.
    pub method: CheckMethod,
    /// When the oldest list was sent: the age counts from here.
    pub counted_from: Timestamp,
    /// When the last list was answered.
    pub answered_at: Timestamp,
    /// Who was asked about.
    pub sent: Numbers,
    /// Who came back: those without an opt-out.
    pub returned: Numbers,
}

impl CheckResult {
    /// Whole days since it was asked, begun days counted.
    pub fn age_days(&self, now: Timestamp) -> u32 {
        let seconds = now.duration_since(self.counted_from).as_secs();
        let seconds = u64::try_from(seconds).unwrap_or(0);
        u32::try_from(seconds.div_ceil(24 * 3600)).unwrap_or(u32::MAX)
    }

    /// The facts of the disclosure rules (access model, 8.9).
    pub fn facts(&self, now: Timestamp) -> OptOutCheck {
        OptOutCheck {
            status: CheckStatus::Ok,
            age_days: Some(self.age_days(now)),
            sent_count: Some(self.sent.count() as u64),
            returned_count: Some(self.returned.count() as u64),
            sent: Some(self.sent.to_set()),
            returned: Some(self.returned.to_set()),
        }
    }

    /// What the check says of a number: `None` when it was not asked about.
    pub fn opted_out(&self, number: NhsNumber) -> Option<bool> {
        self.sent
            .contains(number)
            .then(|| !self.returned.contains(number))
    }
}

/// Makes checks and takes their replies in.
#[derive(Clone)]
pub struct OptOutChecks {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: Arc<OptOutSettings>,
    /// A row is read, changed and written by one at a time.
    writing: Arc<Mutex<()>>,
}

impl OptOutChecks {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: OptOutSettings,
    ) -> Self {
        Self {
            store,
            clock,
            settings: Arc::new(settings),
            writing: Arc::default(),
        }
    }

    /// What the deployment decided.
    pub fn settings(&self) -> &OptOutSettings {
        &self.settings
    }

    /// Asks for a check of these numbers; gives its id. The lists are sent by the next round of the
    /// MESH job. `reference` says what for and `by` who asks, both without personal data.
    pub fn request(
        &self,
        numbers: &Numbers,
        reference: &str,
        by: &str,
    ) -> Result<String, OptOutCheckError> {
        if self.settings.mailbox.is_empty() || self.settings.service_mailbox.is_empty() {
            return Err(OptOutCheckError::NotConfigured);
        }
        if numbers.is_empty() {
            return Err(OptOutCheckError::NoNumbers);
        }
        let (id, now) = (fresh_id()?, self.clock.now());
        let lists: Vec<&[NhsNumber]> = numbers.lists(self.settings.list_limit).collect();
        let row = CheckRow {
            asked_at: now,
            asked_by: by.to_owned(),
            reference: reference.to_owned(),
            lists: lists.iter().map(|list| waiting(list.len())).collect(),
            spoiled: None,
        };
        let mut changes = vec![self.row_change(&id, &row)?];
        for (place, list) in lists.iter().enumerate() {
            let body = write_list(list, LineEnd::Lf);
            changes.push(keep(SENT, key(&id, place), body, now, NUMBERS_DAYS));
        }
        let mut entry = Entry::new(now, Act::Admin, Outcome::Success, by);
        entry.detail = format!(
            "opt-out check {id} asked for, about {} people in {} lists, for {reference}",
            numbers.count(),
            row.lists.len()
        );
        self.commit(changes, entry)?;
        Ok(id)
    }

    /// How far a check got: counts and times, no numbers.
    pub fn check(&self, id: &str) -> Result<CheckRow, OptOutCheckError> {
        let bytes = self.store.keep_get(CHECKS, id, millis(self.clock.now()))?;
        let bytes = bytes.ok_or(OptOutCheckError::NoSuchCheck)?;
        serde_json::from_slice(&bytes).map_err(|_| OptOutCheckError::Unreadable)
    }

    /// Every check, newest first, with its id: counts and times, no numbers.
    pub fn rows(&self) -> Result<Vec<(String, CheckRow)>, OptOutCheckError> {
        let now = millis(self.clock.now());
        let read = |(id, bytes): (String, Vec<u8>)| {
            let row = serde_json::from_slice(&bytes).map_err(|_| OptOutCheckError::Unreadable)?;
            Ok((id, row))
        };
        self.store
            .keep_list(CHECKS, "", now, MOST_CHECKS)?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The result of a check, for a disclosure decision: `None` until every list is answered, when a
    /// list was refused, and once the numbers have ended.
    pub fn result(&self, id: &str) -> Result<Option<CheckResult>, OptOutCheckError> {
        let row = self.check(id)?;
        self.result_of(id, &row, CheckMethod::Mesh)
    }

    /// An earlier check that asked about everybody here and is young enough to be used, cut to them.
    pub fn cached(&self, numbers: &Numbers) -> Result<Option<CheckResult>, OptOutCheckError> {
        let now = self.clock.now();
        let max_age = self.settings.max_age_days.min(NUMBERS_DAYS as u32);
        for (id, row) in self.rows()? {
            if row.state() != CheckState::Complete || row.sent() < numbers.count() as u64 {
                continue;
            }
            let Some(mut result) = self.result_of(&id, &row, CheckMethod::Cache)? else {
                continue;
            };
            if result.age_days(now) <= max_age && numbers.is_within(&result.sent) {
                let opted_out = numbers.without(&result.returned);
                result.returned = numbers.without(&opted_out);
                result.sent = numbers.clone();
                return Ok(Some(result));
            }
        }
        Ok(None)
    }

    /// What a disclosure decision is told of a check that is not answered whole, or of one that is.
    pub fn facts(&self, id: &str) -> Result<OptOutCheck, OptOutCheckError> {
        let row = self.check(id)?;
        if let Some(result) = self.result_of(id, &row, CheckMethod::Mesh)? {
            return Ok(result.facts(self.clock.now()));
        }
        let rejected = row.state() == CheckState::Rejected;
        Ok(OptOutCheck {
            status: if rejected {
                CheckStatus::RejectedInvalidNumbers
            } else {
                CheckStatus::NoResponse
            },
            age_days: None,
            sent_count: Some(row.sent()),
            returned_count: None,
            sent: None,
            returned: None,
        })
    }

    fn result_of(
        &self,
        id: &str,
        row: &CheckRow,
        method: CheckMethod,
    ) -> Result<Option<CheckResult>, OptOutCheckError> {
        let answered = row
            .lists
            .iter()
            .map(|list| list.answered_at)
            .max()
            .flatten();
        let (Some(counted_from), Some(answered_at)) = (row.counted_from(), answered) else {
            return Ok(None);
        };
        if row.state() != CheckState::Complete {
            return Ok(None);
        }
        let (mut sent, mut returned) = (Vec::new(), Vec::new());
        for (place, list) in row.lists.iter().enumerate() {
            let asked = self.numbers(SENT, id, place)?;
            let back = self.numbers(RETURNED, id, place)?;
            let (Some(asked), Some(back)) = (asked, back) else {
                return Ok(None);
            };
            if asked.count() as u64 != list.count || Some(back.count() as u64) != list.returned {
                return Err(OptOutCheckError::Unreadable);
            }
            sent.extend_from_slice(asked.as_slice());
            returned.extend_from_slice(back.as_slice());
        }
        Ok(Some(CheckResult {
            id: id.to_owned(),
            method,
            counted_from,
            answered_at,
            sent: Numbers::new(sent),
            returned: Numbers::new(returned),
        }))
    }

    /// Takes the numbers of a check away now, before they end by themselves.
    pub fn forget(&self, id: &str, by: &str) -> Result<(), OptOutCheckError> {
        let row = self.check(id)?;
        let ended = |space| {
            move |place| Change::Keep {
                space,
                key: key(id, place),
                value: None,
                expires_ms: 0,
            }
        };
        let places = 0..row.lists.len();
        let changes = places
            .clone()
            .map(ended(SENT))
            .chain(places.map(ended(RETURNED)));
        let mut entry = Entry::new(self.clock.now(), Act::Admin, Outcome::Success, by);
        entry.detail = format!("opt-out check {id}: numbers taken away");
        self.commit(changes.collect(), entry)
    }

    fn numbers(
        &self,
        space: &'static str,
        id: &str,
        place: usize,
    ) -> Result<Option<Numbers>, OptOutCheckError> {
        let now = millis(self.clock.now());
        let kept = self.store.keep_get(space, &key(id, place), now)?;
        Ok(kept.map(|bytes| read_list(&bytes).numbers))
    }

    fn row_change(&self, id: &str, row: &CheckRow) -> Result<Change, OptOutCheckError> {
        let value = serde_json::to_vec(row).map_err(|_| OptOutCheckError::Unreadable)?;
        Ok(keep(CHECKS, id.to_owned(), value, row.asked_at, ROW_DAYS))
    }

    fn entry(&self, now: Timestamp) -> Entry {
        Entry::new(now, Act::Admin, Outcome::Success, "mesh")
    }

    fn commit(&self, changes: Vec<Change>, entry: Entry) -> Result<(), OptOutCheckError> {
        self.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(count: usize) -> ListRow {
    ListRow {
        name: String::new(),
        count: count as u64,
        state: ListState::Waiting,
        sent_at: None,
        message: None,
        job_at: None,
        answered_at: None,
        returned: None,
        digest: None,
        trouble: None,
    }
}

/// An id that says nothing.
fn fresh_id() -> Result<String, OptOutCheckError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes)
        .map_err(|_| OptOutCheckError::Store("the machine gave no random numbers".into()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn key(id: &str, place: usize) -> String {
    format!("{id}/{place:05}")
}

/// What a name stands for: the check, which of its lists, and when it was given out under this name.
fn named(value: &str) -> Option<(&str, usize, Timestamp)> {
    let (key, at) = value.split_once('@')?;
    let (id, place) = key.split_once('/')?;
    Some((id, place.parse().ok()?, at.parse().ok()?))
}

fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn days_on(now: Timestamp, days: i64) -> i64 {
    millis(now) + SignedDuration::from_hours(24 * days).as_millis() as i64
}

fn keep(space: &'static str, key: String, value: Vec<u8>, now: Timestamp, days: i64) -> Change {
    Change::Keep {
        space,
        key,
        value: Some(value),
        expires_ms: days_on(now, days),
    }
}

fn is_taken(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause
        .downcast_ref::<StoreError>()
        .is_some_and(|error| matches!(error, StoreError::AlreadyKept))
}
