//! Dates that cannot be: something that happened more than a day after it was received.

use care_core::fhir::ResourceType;
use jiff::{SignedDuration, Timestamp};

/// Clocks differ, and zones are forgotten; more than this is a fault. Source: issue 2, bad input.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// Whether a moment lies in the future as seen from the receipt.
pub(super) fn is_future(moment: Timestamp, received_at: Timestamp) -> bool {
    moment.duration_since(received_at) > TOLERANCE
}

/// Whether it tells of something that happened: an appointment, a plan or a planned visit may well lie
/// ahead, a visit that has begun may not.
pub(super) fn has_happened(resource_type: ResourceType, status: Option<&str>) -> bool {
    match resource_type.name() {
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
        | "Specimen" => true,
        "Encounter" => matches!(
            status,
            Some("arrived" | "triaged" | "in-progress" | "onleave" | "finished")
        ),
        _ => false,
    }
}
