//! How a denial is told at the screen. The trace keeps the truth; this tells the lawful next step
//! and nothing that gives away a hidden fact.

use care_core::access::{DenialWording, Reason, Settings};

/// What the user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// "Not available through Connect Care": a choice, or something that must read the same.
    NotAvailable,
    /// The person has chosen not to share; told to the registered practice, or where the setting
    /// says so.
    ChoseNotToShare,
    /// Ask the person first.
    AskPermission,
    /// The person said no when asked.
    PermissionRefused,
    /// No part in this person's care is known; a ground is needed (page C6).
    NoRelationship,
    /// The appointment is too long past or too far ahead.
    RelationshipExpired,
    /// The record is protected; a ground is needed (page C6).
    GroundNeeded,
    /// The role may not do this.
    NotForYourRole,
    /// Nobody opens their own record through the staff pages.
    OwnRecord,
    /// A relative's record needs somebody else to open it.
    Family,
    /// The person has died, and the time for care has passed.
    Deceased,
    /// A case reference, an instrument or an approval is missing.
    EvidenceMissing,
    /// The purpose is not a permitted one.
    PurposeNotPermitted,
    /// The organisation does not take part, or the user is not signed in well enough.
    NotSignedIn,
    /// A person acting for another is not authorised to look.
    ProxyNotAuthorised,
}

impl Refusal {
    /// The telling of a reason code. A code this does not know is told in the neutral way.
    pub(super) fn of(reason: Reason, settings: &Settings, registered_practice: bool) -> Self {
        let fuller = registered_practice || settings.denial_wording == DenialWording::Full;
        match reason.code() {
            "patient-objected" | "objection-pending" | "org-blocked-by-patient" if fuller => {
                Self::ChoseNotToShare
            }
            "ask-permission" => Self::AskPermission,
            "permission-refused" => Self::PermissionRefused,
            "no-legitimate-relationship" => Self::NoRelationship,
            "relationship-expired" => Self::RelationshipExpired,
            "break-glass-required" => Self::GroundNeeded,
            "role-not-permitted-for-purpose" => Self::NotForYourRole,
            "own-record" => Self::OwnRecord,
            "family-self-claim" => Self::Family,
            "deceased-no-basis" => Self::Deceased,
            "case-reference-required" | "legal-instrument-required" | "approval-required" => {
                Self::EvidenceMissing
            }
            "purpose-not-permitted" => Self::PurposeNotPermitted,
            "not-authenticated" | "org-not-participating" | "incomplete-assertion" => {
                Self::NotSignedIn
            }
            "proxy-not-authorised" => Self::ProxyNotAuthorised,
            _ => Self::NotAvailable,
        }
    }
}
