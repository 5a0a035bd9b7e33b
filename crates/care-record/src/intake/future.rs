//! Dates that cannot be: something that happened more than a day after it was received.

use care_core::fhir::ResourceType;
use jiff::{SignedDuration, Timestamp};

/// Clocks differ, and zones are forgotten; more than this is a fault. Source: issue 2, bad input.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// Whether a moment lies in the future as seen from the receipt.
pub(super) fn is_future(moment: Timestamp, received_at: Timestamp) -> bool {
    moment.duration_since(received_at) > TOLERANCE
}

/// Whether a thing of this type tells of something that happened: an appointment or a plan may well
/// lie ahead.
pub(super) fn has_happened(resource_type: ResourceType) -> bool {
    matches!(
        resource_type.name(),
        "AllergyIntolerance"
            | "Condition"
            | "DiagnosticReport"
            | "DocumentReference"
            | "Immunization"
            | "MedicationAdministration"
            | "MedicationDispense"
            | "Observation"
            | "Procedure"
            | "QuestionnaireResponse"
            | "Specimen"
    )
}
