//! One extract as a case holds it: what was asked for, who approved what, what the checks found, and
//! what was sealed. Kind of case: `extract`.

use care_core::release::Specification;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::casework::Case;

use super::error::{Answer, ReleaseError};

/// The kind of case.
pub const EXTRACT: &str = "extract";

/// How far an extract has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Asked for; nothing checked yet.
    Requested,
    /// The opt-out check was asked for and is not answered.
    Checking,
    /// The rules say no; it can be changed.
    Blocked,
    /// Checked; nobody approved yet.
    AwaitingApproval,
    /// One person approved.
    AwaitingSecondApproval,
    /// Two approved; it can run.
    Approved,
    /// It runs, or was interrupted.
    Running,
    /// The files are sealed and can be fetched.
    Sealed,
    /// Not approved.
    Refused,
    /// Taken back by whoever asked.
    Withdrawn,
    /// The files are destroyed.
    Destroyed,
}

impl Step {
    /// Every step, in order.
    pub const ALL: &'static [Self] = &[
        Self::Requested,
        Self::Checking,
        Self::Blocked,
        Self::AwaitingApproval,
        Self::AwaitingSecondApproval,
        Self::Approved,
        Self::Running,
        Self::Sealed,
        Self::Refused,
        Self::Withdrawn,
        Self::Destroyed,
    ];

    /// The state of the case.
    pub fn code(self) -> &'static str {
        match self {
            Self::Requested => "open",
            Self::Checking => "checking",
            Self::Blocked => "blocked",
            Self::AwaitingApproval => "awaiting-approval",
            Self::AwaitingSecondApproval => "awaiting-second-approval",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Sealed => "sealed",
            Self::Refused => "closed-refused",
            Self::Withdrawn => "closed-withdrawn",
            Self::Destroyed => "closed-destroyed",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Requested => "Requested",
            Self::Checking => "Waiting for the opt-out check",
            Self::Blocked => "Stopped by the checks",
            Self::AwaitingApproval => "Waiting for two approvals",
            Self::AwaitingSecondApproval => "Waiting for the second approval",
            Self::Approved => "Approved, not yet run",
            Self::Running => "Running",
            Self::Sealed => "Released",
            Self::Refused => "Refused",
            Self::Withdrawn => "Withdrawn",
            Self::Destroyed => "Destroyed",
        }
    }

    /// Reads a state.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| step.code() == code)
    }

    /// Whether the request can still be changed.
    pub fn can_be_changed(self) -> bool {
        matches!(
            self,
            Self::Requested
                | Self::Checking
                | Self::Blocked
                | Self::AwaitingApproval
                | Self::AwaitingSecondApproval
                | Self::Approved
        )
    }
}

/// Somebody's yes to exactly one specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// User id.
    pub by: String,
    /// Name as at the time.
    pub name: String,
    /// Role code.
    pub role: String,
    /// When.
    pub at: Timestamp,
    /// Of the specification.
    pub digest: String,
    /// What they wrote.
    #[serde(default)]
    pub note: String,
}

/// People by what becomes of them. Exact: for those who decide; outside, small numbers are not told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// People the cohort asks for.
    pub asked_for: u64,
    /// Who may leave.
    pub released: u64,
    /// Left out: national data opt-out.
    pub opted_out: u64,
    /// Left out: no NHS number that could be checked.
    pub not_checkable: u64,
    /// Left out: objected to Connect Care.
    pub objected: u64,
    /// Left out: did not consent, where consent is the basis.
    pub not_consenting: u64,
    /// Left out: fewer than the smallest group are told like them.
    pub too_few_alike: u64,
    /// Left out: changed while the release was made.
    pub changed: u64,
    /// Leave without what their practice holds.
    pub without_gp_items: u64,
    /// Rows that stayed because too few people share what they say.
    pub rows_kept_back: u64,
    /// Values that stayed because they named a person.
    pub values_removed: u64,
}

/// What the automatic checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// When.
    pub at: Timestamp,
    /// Of this specification.
    pub digest: String,
    /// The reason code of the secondary-use rules.
    pub reason: String,
    /// The rules let it leave.
    pub released: bool,
    /// The opt-out was applied.
    pub opt_out_applied: bool,
    /// What must be done: codes.
    pub obligations: Vec<String>,
    /// The opt-out check: its id.
    #[serde(default)]
    pub check: String,
    /// How it was made.
    #[serde(default)]
    pub check_method: String,
    /// When it was asked.
    #[serde(default)]
    pub checked_at: Option<Timestamp>,
    /// People by what becomes of them.
    pub counts: Counts,
    /// Why it was stopped, in words; empty: it was not.
    #[serde(default)]
    pub stopped: Vec<String>,
}

/// A file of the sealed result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Rows.
    pub rows: u64,
}

/// The sealed result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the certificate: names the one directory that counts.
    pub certificate: String,
    /// The files, the certificate last.
    pub files: Vec<SealedFile>,
    /// People by what became of them.
    pub counts: Counts,
}

/// What the case keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detail {
    pub requester: String,
    pub requester_name: String,
    pub specification: Specification,
    #[serde(default)]
    pub approvals: Vec<Approval>,
    #[serde(default)]
    pub findings: Option<Findings>,
    #[serde(default)]
    pub sealed: Option<Sealed>,
    /// When the files were destroyed.
    #[serde(default)]
    pub destroyed_at: Option<Timestamp>,
}

/// One extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extract {
    /// The case's number: may stand in addresses.
    pub number: u64,
    /// Its reference.
    pub reference: String,
    /// How far it has come.
    pub step: Step,
    /// Counts changes.
    pub version: u32,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// The last change.
    pub changed_at: Timestamp,
    /// Who asked: user id.
    pub requester: String,
    /// Their name.
    pub requester_name: String,
    /// What was asked for.
    pub specification: Specification,
    /// Its digest.
    pub digest: String,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// What the checks found.
    pub findings: Option<Findings>,
    /// The result.
    pub sealed: Option<Sealed>,
    /// When its files were destroyed.
    pub destroyed_at: Option<Timestamp>,
}

impl Extract {
    pub(super) fn of(case: Case) -> Answer<Self> {
        let step = Step::from_code(&case.state).ok_or(ReleaseError::NotThere)?;
        if case.kind != EXTRACT {
            return Err(ReleaseError::NotThere);
        }
        let detail: Detail = serde_json::from_value(case.detail)?;
        Ok(Self {
            number: case.number,
            reference: case.reference,
            step,
            version: case.version,
            requested_at: case.opened_at,
            changed_at: case.changed_at,
            requester: detail.requester,
            requester_name: detail.requester_name,
            digest: detail.specification.digest(),
            specification: detail.specification,
            approvals: detail.approvals,
            findings: detail.findings,
            sealed: detail.sealed,
            destroyed_at: detail.destroyed_at,
        })
    }

    pub(super) fn detail(&self) -> Detail {
        Detail {
            requester: self.requester.clone(),
            requester_name: self.requester_name.clone(),
            specification: self.specification.clone(),
            approvals: self.approvals.clone(),
            findings: self.findings.clone(),
            sealed: self.sealed.clone(),
            destroyed_at: self.destroyed_at,
        }
    }

    /// The approvals that hold: given to this very specification.
    pub fn standing_approvals(&self) -> impl Iterator<Item = &Approval> {
        self.approvals
            .iter()
            .filter(|one| one.digest == self.digest)
    }
}
