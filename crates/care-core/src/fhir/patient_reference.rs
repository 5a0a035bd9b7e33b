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
        "CatalogEntry"
            | "Device"
            | "DeviceDefinition"
            | "DeviceMetric"
            | "Endpoint"
            | "Group"
            | "HealthcareService"
            | "InsurancePlan"
            | "Location"
            | "Medication"
            | "MedicationKnowledge"
            | "MedicinalProduct"
            | "MedicinalProductAuthorization"
            | "MedicinalProductContraindication"
            | "MedicinalProductIndication"
            | "MedicinalProductIngredient"
            | "MedicinalProductInteraction"
            | "MedicinalProductManufactured"
            | "MedicinalProductPackaged"
            | "MedicinalProductPharmaceutical"
            | "MedicinalProductUndesirableEffect"
            | "ObservationDefinition"
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
            | "SubstanceNucleicAcid"
            | "SubstancePolymer"
            | "SubstanceProtein"
            | "SubstanceReferenceInformation"
            | "SubstanceSourceMaterial"
            | "SubstanceSpecification"
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
        // Their subject is a product.
        name if name.starts_with("MedicinalProduct") => &[],
        _ => &["patient", "subject"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Definitions;

    /// Types of the compartment that we hold to be about nobody, or that have no one subject.
    const NO_SUBJECT: &[&str] = &[
        "AuditEvent",
        "Group",
        "MeasureReport",
        "Provenance",
        "Schedule",
        "Subscription",
    ];

    #[test]
    fn every_type_of_the_patient_compartment_has_a_subject_that_may_be_a_patient() {
        let r4 = Definitions::r4();
        for resource_type in ResourceType::all() {
            let name = resource_type.name();
            if r4.patient_compartment(name).is_empty()
                || NO_SUBJECT.contains(&name)
                || name == "Patient"
            {
                continue;
            }
            let definition = r4.get(name).expect(name);
            let found = subject_paths(name).iter().any(|path| {
                let mut of = definition;
                let mut steps = path.split('.').peekable();
                while let Some(step) = steps.next() {
                    let Some((_, of_type)) = of.member(step) else {
                        return false;
                    };
                    if steps.peek().is_none() {
                        return of_type.name == "Reference"
                            && (of_type.targets.is_empty()
                                || of_type.targets.contains(&"Patient"));
                    }
                    let Some(next) = r4.get(of_type.name) else {
                        return false;
                    };
                    of = next;
                }
                false
            });
            assert!(
                found,
                "{name} is in the compartment but has no subject here"
            );
        }
    }
}
