//! Compartments: what belongs to a person, encounter, practitioner, related person or device.
//!
//! Source: the R4 (4.0.1) CompartmentDefinitions. The Patient one is in the definitions' own table; the
//! others are here, and a test compares each with the search parameters.

use crate::fhir::{Definitions, ResourceType};

/// The resource types that have a compartment.
pub const COMPARTMENTS: [&str; 5] = [
    "Patient",
    "Encounter",
    "Practitioner",
    "RelatedPerson",
    "Device",
];

/// The search parameters that put a resource into a compartment; one of them is enough. Empty where
/// resources of this type never are in it. The resource that a compartment is named by is in it besides.
pub fn compartment(of: &str, resource_type: &str) -> &'static [&'static str] {
    let table = match of {
        "Patient" => return Definitions::r4().patient_compartment(resource_type),
        "Encounter" => ENCOUNTER,
        "Practitioner" => PRACTITIONER,
        "RelatedPerson" => RELATED_PERSON,
        "Device" => DEVICE,
        _ => return &[],
    };
    table
        .iter()
        .find(|(name, _)| *name == resource_type)
        .map_or(&[], |(_, parameters)| parameters)
}

/// The types that may be in a compartment, its own among them.
pub fn types_in_compartment(of: &str) -> Vec<ResourceType> {
    ResourceType::all()
        .filter(|one| one.name() == of || !compartment(of, one.name()).is_empty())
        .collect()
}

type Table = &'static [(&'static str, &'static [&'static str])];

const ENCOUNTER: Table = &[
    ("CarePlan", &["encounter"]),
    ("CareTeam", &["encounter"]),
    ("ChargeItem", &["context"]),
    ("Claim", &["encounter"]),
    ("ClinicalImpression", &["encounter"]),
    ("Communication", &["encounter"]),
    ("CommunicationRequest", &["encounter"]),
    ("Composition", &["encounter"]),
    ("Condition", &["encounter"]),
    ("DeviceRequest", &["encounter"]),
    ("DiagnosticReport", &["encounter"]),
    ("DocumentManifest", &["related-ref"]),
    ("DocumentReference", &["encounter"]),
    ("ExplanationOfBenefit", &["encounter"]),
    ("Media", &["encounter"]),
    ("MedicationAdministration", &["context"]),
    ("MedicationRequest", &["encounter"]),
    ("NutritionOrder", &["encounter"]),
    ("Observation", &["encounter"]),
    ("Procedure", &["encounter"]),
    ("QuestionnaireResponse", &["encounter"]),
    ("RequestGroup", &["encounter"]),
    ("ServiceRequest", &["encounter"]),
    ("VisionPrescription", &["encounter"]),
];

const PRACTITIONER: Table = &[
    ("Account", &["subject"]),
    ("AdverseEvent", &["recorder"]),
    ("AllergyIntolerance", &["recorder", "asserter"]),
    ("Appointment", &["actor"]),
    ("AppointmentResponse", &["actor"]),
    ("AuditEvent", &["agent"]),
    ("Basic", &["author"]),
    ("CarePlan", &["performer"]),
    ("CareTeam", &["participant"]),
    ("ChargeItem", &["enterer", "performer-actor"]),
    ("Claim", &["enterer", "provider", "payee", "care-team"]),
    ("ClaimResponse", &["requestor"]),
    ("ClinicalImpression", &["assessor"]),
    ("Communication", &["sender", "recipient"]),
    (
        "CommunicationRequest",
        &["sender", "recipient", "requester"],
    ),
    ("Composition", &["subject", "author", "attester"]),
    ("Condition", &["asserter"]),
    ("CoverageEligibilityRequest", &["enterer", "provider"]),
    ("CoverageEligibilityResponse", &["requestor"]),
    ("DetectedIssue", &["author"]),
    ("DeviceRequest", &["requester", "performer"]),
    ("DiagnosticReport", &["performer"]),
    ("DocumentManifest", &["subject", "author", "recipient"]),
    ("DocumentReference", &["subject", "author", "authenticator"]),
    ("Encounter", &["practitioner", "participant"]),
    ("EpisodeOfCare", &["care-manager"]),
    (
        "ExplanationOfBenefit",
        &["enterer", "provider", "payee", "care-team"],
    ),
    ("Flag", &["author"]),
    ("Group", &["member"]),
    ("Immunization", &["performer"]),
    ("Invoice", &["participant"]),
    ("Linkage", &["author"]),
    ("List", &["source"]),
    ("Media", &["subject", "operator"]),
    ("MedicationAdministration", &["performer"]),
    ("MedicationDispense", &["performer", "receiver"]),
    ("MedicationRequest", &["requester"]),
    ("MedicationStatement", &["source"]),
    (
        "MessageHeader",
        &["receiver", "author", "responsible", "enterer"],
    ),
    ("NutritionOrder", &["provider"]),
    ("Observation", &["performer"]),
    ("Patient", &["general-practitioner"]),
    ("PaymentNotice", &["provider"]),
    ("PaymentReconciliation", &["requestor"]),
    ("Person", &["practitioner"]),
    ("PractitionerRole", &["practitioner"]),
    ("Procedure", &["performer"]),
    ("Provenance", &["agent"]),
    ("QuestionnaireResponse", &["author", "source"]),
    ("RequestGroup", &["participant", "author"]),
    ("ResearchStudy", &["principalinvestigator"]),
    ("RiskAssessment", &["performer"]),
    ("Schedule", &["actor"]),
    ("ServiceRequest", &["performer", "requester"]),
    ("Specimen", &["collector"]),
    ("SupplyDelivery", &["supplier", "receiver"]),
    ("SupplyRequest", &["requester"]),
    ("VisionPrescription", &["prescriber"]),
];

const RELATED_PERSON: Table = &[
    ("AdverseEvent", &["recorder"]),
    ("AllergyIntolerance", &["asserter"]),
    ("Appointment", &["actor"]),
    ("AppointmentResponse", &["actor"]),
    ("Basic", &["author"]),
    ("CarePlan", &["performer"]),
    ("CareTeam", &["participant"]),
    ("ChargeItem", &["enterer", "performer-actor"]),
    ("Claim", &["payee"]),
    ("Communication", &["sender", "recipient"]),
    (
        "CommunicationRequest",
        &["sender", "recipient", "requester"],
    ),
    ("Composition", &["author"]),
    ("Condition", &["asserter"]),
    ("Coverage", &["policy-holder", "subscriber", "payor"]),
    ("DocumentManifest", &["author", "recipient"]),
    ("DocumentReference", &["author"]),
    ("Encounter", &["participant"]),
    ("ExplanationOfBenefit", &["payee"]),
    ("Invoice", &["recipient"]),
    ("MedicationAdministration", &["performer"]),
    ("MedicationStatement", &["source"]),
    ("Observation", &["performer"]),
    ("Patient", &["link"]),
    ("Person", &["link"]),
    ("Procedure", &["performer"]),
    ("Provenance", &["agent"]),
    ("QuestionnaireResponse", &["author", "source"]),
    ("RequestGroup", &["participant"]),
    ("Schedule", &["actor"]),
    ("ServiceRequest", &["performer"]),
    ("SupplyRequest", &["requester"]),
];

const UDI: &[&str] = &["procedure-udi", "item-udi", "detail-udi", "subdetail-udi"];

const DEVICE: Table = &[
    ("Account", &["subject"]),
    ("Appointment", &["actor"]),
    ("AppointmentResponse", &["actor"]),
    ("AuditEvent", &["agent"]),
    ("ChargeItem", &["enterer", "performer-actor"]),
    ("Claim", UDI),
    ("Communication", &["sender", "recipient"]),
    ("CommunicationRequest", &["sender", "recipient"]),
    ("Composition", &["author"]),
    ("DetectedIssue", &["author"]),
    (
        "DeviceRequest",
        &["device", "subject", "requester", "performer"],
    ),
    ("DeviceUseStatement", &["device"]),
    ("DiagnosticReport", &["subject"]),
    ("DocumentManifest", &["subject", "author"]),
    ("DocumentReference", &["subject", "author"]),
    ("ExplanationOfBenefit", UDI),
    ("Flag", &["author"]),
    ("Group", &["member"]),
    ("Invoice", &["participant"]),
    ("List", &["subject", "source"]),
    ("Media", &["subject"]),
    ("MedicationAdministration", &["device"]),
    ("MessageHeader", &["target"]),
    ("Observation", &["subject", "device"]),
    ("Provenance", &["agent"]),
    ("QuestionnaireResponse", &["author"]),
    ("RequestGroup", &["author"]),
    ("RiskAssessment", &["performer"]),
    ("Schedule", &["actor"]),
    ("ServiceRequest", &["performer", "requester"]),
    ("Specimen", &["subject"]),
    ("SupplyRequest", &["requester"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search::{ParameterKind, Parameters};

    #[test]
    fn every_parameter_of_a_compartment_is_a_reference_that_may_point_at_it() {
        let r4 = Parameters::r4();
        for of in COMPARTMENTS {
            for resource_type in types_in_compartment(of) {
                for code in compartment(of, resource_type.name()) {
                    let found = r4.find(Some(resource_type), code);
                    let is_sound = found.is_some_and(|one| {
                        one.kind == ParameterKind::Reference
                            && (one.targets.is_empty() || one.targets.iter().any(|it| **it == *of))
                    });
                    assert!(is_sound, "{of}: {resource_type}.{code}");
                }
            }
        }
    }
}
