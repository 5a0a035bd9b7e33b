//! Where the check for national data opt-outs comes from. The release room asks, waits and relies on
//! an answer; how it is asked is another room's affair.

use std::collections::BTreeSet;

use care_core::secondary_use::check::Numbers;
use care_core::secondary_use::{CheckStatus, OptOutCheck};
use care_core::vocabulary::NhsNumber;
use jiff::Timestamp;

use crate::opt_out_check::{CheckState, OptOutChecks};

/// A check that was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// `mesh`, or `cache`.
    pub method: String,
    /// When it was asked: its age counts from here.
    pub asked_at: Timestamp,
    /// Who was asked about.
    pub sent: BTreeSet<NhsNumber>,
    /// Who came back: those without an opt-out.
    pub returned: BTreeSet<NhsNumber>,
}

impl Checked {
    /// Whole days since it was asked, begun days counted; from the future: too old to rely on.
    pub fn age_days(&self, now: Timestamp) -> u32 {
        let seconds = now.duration_since(self.asked_at).as_secs();
        if seconds < -60 {
            return u32::MAX;
        }
        u32::try_from(seconds.max(0).unsigned_abs().div_ceil(86_400)).unwrap_or(u32::MAX)
    }

    /// The facts of the disclosure rules.
    pub(super) fn facts(&self, now: Timestamp) -> OptOutCheck {
        OptOutCheck {
            status: CheckStatus::Ok,
            age_days: Some(self.age_days(now)),
            sent_count: Some(self.sent.len() as u64),
            returned_count: Some(self.returned.len() as u64),
            sent: Some(self.sent.clone()),
            returned: Some(self.returned.clone()),
        }
    }

    /// What it says of a number; `None` when that was not asked about.
    pub(super) fn opted_out(&self, number: NhsNumber) -> Option<bool> {
        self.sent
            .contains(&number)
            .then(|| !self.returned.contains(&number))
    }
}

/// Asks for checks and gives their answers.
pub trait OptOutAnswers: Send + Sync {
    /// The newest answered check that asked about all of these numbers, cut to them, if there is any
    /// that can still be read. Its age is for the rules to judge.
    fn newest(&self, numbers: &BTreeSet<NhsNumber>) -> Option<Checked>;

    /// Asks for a new one; gives its id, or why it cannot be asked.
    fn ask(
        &self,
        numbers: &BTreeSet<NhsNumber>,
        reference: &str,
        by: &str,
    ) -> Result<String, String>;

    /// Whether the check of this id may still be answered.
    fn is_pending(&self, id: &str) -> bool;
}

impl OptOutAnswers for OptOutChecks {
    fn newest(&self, numbers: &BTreeSet<NhsNumber>) -> Option<Checked> {
        let wanted = Numbers::new(numbers.iter().copied().collect());
        match self.cached(&wanted) {
            Ok(found) => found.map(|it| Checked {
                id: it.id,
                method: it.method.code().to_owned(),
                asked_at: it.counted_from,
                sent: it.sent.to_set(),
                returned: it.returned.to_set(),
            }),
            Err(error) => {
                // Without an answer nothing leaves, so going on without one is safe.
                tracing::error!(%error, "no opt-out check can be read");
                None
            }
        }
    }

    fn ask(
        &self,
        numbers: &BTreeSet<NhsNumber>,
        reference: &str,
        by: &str,
    ) -> Result<String, String> {
        let wanted = Numbers::new(numbers.iter().copied().collect());
        self.request(&wanted, reference, by)
            .map_err(|error| error.to_string())
    }

    fn is_pending(&self, id: &str) -> bool {
        let state = self.check(id).map(|row| row.state());
        matches!(state, Ok(CheckState::Waiting | CheckState::UnderWay))
    }
}
