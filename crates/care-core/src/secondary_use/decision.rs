//! The answer of the disclosure rules. Its makers are private to `secondary_use`, so no cohort
//! leaves unchecked.

use std::collections::BTreeSet;

use crate::codes::coded;

/// Whether the data may leave, and without whom. People are named by their place in the cohort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub(super) released: bool,
    pub(super) opt_out_applies: bool,
    pub(super) reason: Reason,
    pub(super) included: Vec<usize>,
    pub(super) excluded: Vec<usize>,
    pub(super) gp_items_removed_for: Vec<usize>,
    pub(super) obligations: BTreeSet<Obligation>,
}

impl Decision {
    /// Whether the data may leave.
    pub fn is_released(&self) -> bool {
        self.released
    }

    /// Whether the national data opt-out applies. Of a blocked disclosure it is said to.
    pub fn opt_out_applies(&self) -> bool {
        self.opt_out_applies
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The people whose data may leave, by their place in the cohort.
    pub fn included(&self) -> &[usize] {
        &self.included
    }

    /// The people whose whole record stays, by their place in the cohort.
    pub fn excluded(&self) -> &[usize] {
        &self.excluded
    }

    /// The included people whose GP-sourced items stay (Type 1 opt-out).
    pub fn gp_items_removed_for(&self) -> &[usize] {
        &self.gp_items_removed_for
    }

    /// What must be done, in alphabetical order.
    pub fn obligations(&self) -> impl Iterator<Item = Obligation> {
        self.obligations.iter().copied()
    }

    /// The cohort that may leave; `None` when nothing may.
    pub fn cohort(&self) -> Option<CheckedCohort> {
        let member = |place: &usize| CohortMember {
            place: *place,
            without_gp_items: self.gp_items_removed_for.binary_search(place).is_ok(),
            reason: self.reason,
        };
        self.released.then(|| CheckedCohort {
            members: self.included.iter().map(member).collect(),
            reason: self.reason,
        })
    }
}

/// A cohort that the rules let leave. There is no other way to one than a released [`Decision`].
///
/// ```compile_fail
/// use care_core::secondary_use::{CheckedCohort, Reason};
///
/// let mine = CheckedCohort { members: Vec::new(), reason: Reason::Anonymised };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCohort {
    members: Vec<CohortMember>,
    reason: Reason,
}

impl CheckedCohort {
    /// Who is in it.
    pub fn members(&self) -> &[CohortMember] {
        &self.members
    }

    /// Why it may leave.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

/// One person of a cohort that may leave. Comes out of a [`CheckedCohort`] alone, and is what a
/// [`release_view`](crate::access::release_view) is made from.
///
/// ```compile_fail
/// use care_core::secondary_use::{CohortMember, Reason};
///
/// let mine = CohortMember { place: 0, without_gp_items: false, reason: Reason::Anonymised };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CohortMember {
    place: usize,
    without_gp_items: bool,
    reason: Reason,
}

impl CohortMember {
    /// The place in the cohort that was asked about.
    pub fn place(&self) -> usize {
        self.place
    }

    /// Items that came from a GP practice stay.
    pub fn without_gp_items(&self) -> bool {
        self.without_gp_items
    }

    /// Why the person's data may leave.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

coded! {
    /// Why data may leave or not.
    Reason {
        IndividualCare "individual-care" "It is care.",
        Anonymised "anonymised" "Nobody can be told from it.",
        PaymentExemption "payment-exemption" "A payment that the policy exempts.",
        ExplicitConsent "explicit-consent" "Those who consented, and nobody else.",
        CommunicableDisease "communicable-disease" "Regulation 3.",
        OverridingPublicInterest "overriding-public-interest" "A positive test is recorded.",
        RequiredByLaw "required-by-law" "The instrument is held.",
        OutOfScopeOrigin "out-of-scope-origin" "The opt-out does not reach this care.",
        CagExemption "cag-exemption" "The standard condition was lifted, and the letter is held.",
        OptOutApplies "s251-opt-out-applies" "All but those who opted out.",
        NoValidBasis "no-valid-basis" "Blocked: nothing allows it.",
        NoNhsNumber "no-nhs-number" "Blocked: nobody in the cohort can be checked.",
        CheckMissing "opt-out-check-missing" "Blocked: the check was not answered.",
        CheckStale "opt-out-check-stale" "Blocked: the check is too old.",
        CheckInconsistent "opt-out-check-inconsistent" "Blocked: the answer does not fit what was sent.",
        StatusUseNotPermitted "status-use-not-permitted" "Blocked: the status is not for showing or sharing.",
    }
}

coded! {
    /// What must be done. In alphabetical order of the code.
    Obligation {
        FixInvalidNhsNumbers "fix-invalid-nhs-numbers" "Mend or leave out the numbers for which the check was refused.",
        RecheckRequired "recheck-required" "Check again.",
        RecordDecision "record-decision" "Keep the decision.",
        ReleaseManifest "release-manifest" "Write who was left out and why, as counts.",
        RemoveGpItems "remove-gp-items" "Leave out the GP-sourced items of those with a Type 1 opt-out.",
        ReportUnverifiable "report-unverifiable" "Report those who could not be checked.",
        RequestEvidence "request-evidence" "Ask for the document that was claimed.",
        WholeRecordRemoved "whole-record-removed" "Leave out the whole record, not only what names the person.",
    }
}
