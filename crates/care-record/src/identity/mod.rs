//! Whom a delivery is about, who answers for whom, and the joining of two records and its undoing.
//!
//! The rule itself is in `care_core::patient_index`; here candidates are fetched and the answer
//! becomes changes. A doubtful delivery goes to a person of its own, flagged [`PROVISIONAL`]: nothing
//! is lost, and nothing of it is found or shown until somebody has decided. Such a person holds no
//! NHS number and no searchable details, so that no search and no link can reach it by accident.

mod answering;
mod candidates;
mod identify;
mod merge;
mod standing;
mod steward;

pub(crate) use answering::{Answering, answering};
pub(crate) use identify::{Authority, Identified, Sender, identify};
pub(crate) use merge::merge;
pub use steward::{Identity, IdentityDecision, IdentityError};

use care_core::vocabulary::{PersonId, SourceCode};

/// The identifier system of verified NHS numbers. Source: FHIR UK Core, NHS number NamingSystem.
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// NHS numbers that the source did not verify: kept apart, so that nothing links on them.
pub(crate) const UNVERIFIED_NUMBER: &str = "urn:connect-care:unverified-nhs-number";
/// Numbers whose check digit is wrong, so that a steward is told once and not at every message.
pub(crate) const UNUSABLE_NUMBER: &str = "urn:connect-care:unusable-nhs-number";

/// The person is not linked: found by no search and shown to nobody until a steward decides.
pub(crate) const PROVISIONAL: &str = "provisional";
/// A delivery that may be about this person waits for a steward.
pub(crate) const IDENTITY_DOUBT: &str = "identity-doubt";
/// Address and phone are protected: some source says so.
pub(crate) const RESTRICTED: &str = "restricted";
/// The person died, by the two-source rule; the value is the date where known.
pub(crate) const DECEASED: &str = "deceased";

/// The system of a source's own key of a person.
pub(crate) fn key_system(source: &SourceCode) -> String {
    format!("urn:connect-care:key:{source}")
}

/// The system of a local number, which is known by who sent it and who assigned it.
pub(crate) fn local_system(source: &SourceCode, assigner: &str) -> String {
    format!("urn:connect-care:local:{source}:{assigner}")
}

/// The system under which a provisional person is found again by what was sent.
pub(crate) fn doubt_system(source: &SourceCode) -> String {
    format!("urn:connect-care:doubt:{source}")
}

/// A new opaque key: 63 random bits, because the engines keep keys as positive integers.
pub(crate) fn new_person_id() -> Result<PersonId, crate::store::StoreError> {
    let random =
        getrandom::u64().map_err(|cause| crate::store::StoreError::Engine(Box::new(cause)))?;
    Ok(PersonId(random >> 1))
}
