//! How a check is kept: what was asked and how far it got, without a number in it. The numbers
//! themselves lie apart and end sooner.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far one list of a check got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListState {
    /// Not sent yet.
    Waiting,
    /// Given out for sending; whether it was sent is not known. It is sent again under a new name.
    Sending,
    /// Sent, and not answered.
    Sent,
    /// The result is here.
    Answered,
    /// Came back refused for an invalid number.
    Rejected,
    /// Could not be delivered, or the job failed.
    Failed,
}

/// One list of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// Its name: local id, subject and file name; empty until it is given out for sending.
    pub name: String,
    /// How many numbers are in it.
    pub count: u64,
    /// How far it got.
    pub state: ListState,
    /// When it was last given out for sending. The age of the result counts from here.
    pub sent_at: Option<Timestamp>,
    /// The id the exchange gave the message.
    pub message: Option<String>,
    /// When the report came that the job was created.
    pub job_at: Option<Timestamp>,
    /// When the result was kept.
    pub answered_at: Option<Timestamp>,
    /// How many numbers came back.
    pub returned: Option<u64>,
    /// SHA-256 of the reply, so that the same again is known.
    pub digest: Option<String>,
    /// What went wrong last, without a number in it.
    pub trouble: Option<String>,
}

/// A check as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// By whom: a user's id or a job.
    pub asked_by: String,
    /// What for: a reference of the asker's, without personal data.
    pub reference: String,
    /// The lists.
    pub lists: Vec<ListRow>,
    /// Two results came for one list: nothing of this check may be relied on. The reason's code.
    pub spoiled: Option<String>,
}

impl CheckRow {
    /// How many numbers were asked about.
    pub fn sent(&self) -> u64 {
        self.lists.iter().map(|list| list.count).sum()
    }

    /// How many came back, once every list is answered.
    pub fn returned(&self) -> Option<u64> {
        self.lists.iter().map(|list| list.returned).sum()
    }

    /// When the oldest of its lists was sent: the age of the result counts from here.
    pub fn counted_from(&self) -> Option<Timestamp> {
        self.lists.iter().filter_map(|list| list.sent_at).min()
    }

    /// How far it got as a whole.
    pub fn state(&self) -> CheckState {
        let any = |state| self.lists.iter().any(|list| list.state == state);
        if self.spoiled.is_some() {
            CheckState::Spoiled
        } else if any(ListState::Rejected) {
            CheckState::Rejected
        } else if any(ListState::Failed) {
            CheckState::Failed
        } else if self
            .lists
            .iter()
            .all(|list| list.state == ListState::Answered)
        {
            CheckState::Complete
        } else if self.lists.iter().all(|list| list.sent_at.is_none()) {
            CheckState::Waiting
        } else {
            CheckState::UnderWay
        }
    }
}

/// How far a check got as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// Nothing was sent yet.
    Waiting,
    /// Sent, or partly, and not answered whole.
    UnderWay,
    /// Every list is answered and everything adds up.
    Complete,
    /// A list came back refused for an invalid number in it.
    Rejected,
    /// A list could not be delivered, or the job failed.
    Failed,
    /// Two different results came for one list.
    Spoiled,
}

impl CheckState {
    /// For pages and the command line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting to be sent",
            Self::UnderWay => "Waiting for an answer",
            Self::Complete => "Answered",
            Self::Rejected => "Refused for an invalid NHS number: ask again",
            Self::Failed => "Not delivered: ask again",
            Self::Spoiled => "Answered in two ways, not relied on: ask again",
        }
    }
}
