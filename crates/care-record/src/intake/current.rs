//! Whether a resource's status says it holds now. Source: the status value sets of FHIR R4.

use care_core::fhir::{self, Json, ResourceType};

/// An active problem, a current medicine, an open visit, a coming appointment. A thing without a
/// status holds.
pub(super) fn holds_now(resource_type: ResourceType, resource: &Json) -> bool {
    let Some(status) = fhir::status(resource) else {
        return true;
    };
    let ended: &[&str] = match resource_type.name() {
        "Condition" | "AllergyIntolerance" => &["inactive", "remission", "resolved"],
        "Encounter" => &["planned", "finished", "cancelled"],
        "EpisodeOfCare" => &["planned", "finished", "cancelled"],
        "Appointment" => &["fulfilled", "cancelled", "noshow"],
        "Flag" | "CareTeam" | "Consent" => &["inactive", "rejected", "proposed", "draft"],
        "List" => &["retired"],
        "DocumentReference" | "Composition" => &["superseded"],
        "Procedure" => &["not-done", "stopped"],
        "Observation" | "DiagnosticReport" => &["cancelled", "registered"],
        "Immunization" => &["not-done"],
        _ => &[
            "completed",
            "stopped",
            "cancelled",
            "revoked",
            "inactive",
            "ended",
            "rejected",
            "abandoned",
            "not-taken",
            "declined",
        ],
    };
    !ended.contains(&status) && !matches!(status, "entered-in-error" | "unknown")
}
