//! Which reference of a resource says whom it is about.
//!
//! Source: the R4 Patient compartment; of its paths, those that mean the subject of care rather
//! than somebody who took part. A test compares this table with the definition.

use super::{Json, ResourceType, resource_type};

/// The references that say whom a resource is about, with their paths, likeliest first.
pub fn references_to_patient(resource: &Json) -> Vec<(String, &Json)> {
    let Some(resource_type) = resource_type(resource) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in subject_paths(resource_type.name()) {
        match path.split_once('.') {
            None => found.extend(
                resource
                    .elements(path)
                    .iter()
                    .map(|reference| ((*path).to_owned(), reference)),
            ),
            Some((list, member)) => {
                for (number, element) in resource.elements(list).iter().enumerate() {
                    found.extend(
                        element
                            .elements(member)
                            .iter()
                            .map(|reference| (format!("{list}[{number}].{member}"), reference)),
                    );
                }
            }
        }
    }
    found
}

/// The first of them.
pub fn reference_to_patient(resource: &Json) -> Option<&Json> {
    references_to_patient(resource)
        .into_iter()
        .next()
        .map(|(_, reference)| reference)
}

/// Whether a resource of this type may stand for itself, about no person: organisations, people who
/// care, places, medicines, devices and the like.
pub fn may_be_about_nobody(resource_type: ResourceType) -> bool {
    matches!(
        resource_type.name(),
        "Device"
            | "DeviceDefinition"
            | "DeviceMetric"
            | "Endpoint"
            | "Group"
            | "HealthcareService"
            | "InsurancePlan"
            | "Location"
            | "Medication"
            | "MedicationKnowledge"
            | "Organization"
            | "OrganizationAffiliation"
            | "Practitioner"
            | "PractitionerRole"
            | "Provenance"
            | "ResearchStudy"
            | "Schedule"
            | "Slot"
            | "SpecimenDefinition"
            | "Substance"
    )
}

fn subject_paths(resource_type: &str) -> &'static [&'static str] {
    match resource_type {
        "Appointment" => &["participant.actor"],
        "AppointmentResponse" => &["actor"],
        "Binary" => &["securityContext"],
        "Coverage" => &["beneficiary"],
        "Person" => &["link.target"],
        "ResearchSubject" => &["individual"],
        "Task" => &["for"],
        "Basic" => &["subject"],
        "EnrollmentRequest" => &["candidate"],
        "DeviceUseStatement" | "Media" => &["subject"],
        "SupplyRequest" => &["deliverTo"],
        _ => &["patient", "subject"],
    }
}
