//! Recognises FHIR STU3 (3.0), so that it can be refused by name rather than by a hundred faults.
//!
//! Source: the R4 change notes of each resource (elements that STU3 had and R4 has not); the
//! profile addresses of Care Connect and GP Connect.

use super::Json;

/// What gives a resource away as STU3; `None` where nothing does. Looks into Bundles.
pub fn recognise_stu3(resource: &Json) -> Option<String> {
    let name = resource.get("resourceType")?.as_text()?;
    if STU3_ONLY.contains(&name) {
        return Some(format!("R4 has no resource type {name}"));
    }
    if resource
        .text_at(&["fhirVersion"])
        .is_some_and(|version| version.starts_with("3."))
    {
        return Some("its fhirVersion is 3".to_owned());
    }
    if addresses(resource).any(is_stu3_address) {
        return Some("its profile is one of STU3".to_owned());
    }
    if let Some((_, element)) = OLD_ELEMENTS
        .iter()
        .find(|(of_type, element)| *of_type == name && resource.get(element).is_some())
    {
        return Some(format!("R4's {name} has no element {element}"));
    }
    if let Some((_, element)) = OLD_CODES.iter().find(|(of_type, element)| {
        *of_type == name && resource.get(element).is_some_and(|v| v.as_text().is_some())
    }) {
        return Some(format!("{name}.{element} is a plain code"));
    }
    match name {
        "Bundle" => resource
            .elements("entry")
            .iter()
            .filter_map(|entry| entry.get("resource"))
            .find_map(recognise_stu3),
        "Parameters" => resource
            .elements("parameter")
            .iter()
            .filter_map(|parameter| parameter.get("resource"))
            .find_map(recognise_stu3),
        _ => None,
    }
}

/// The addresses of a resource's profiles and of its own extensions.
fn addresses(resource: &Json) -> impl Iterator<Item = &str> {
    let profiles = resource
        .get("meta")
        .map_or(&[][..], |meta| meta.elements("profile"))
        .iter()
        .filter_map(Json::as_text);
    let extensions = resource
        .elements("extension")
        .iter()
        .filter_map(|extension| extension.text_at(&["url"]));
    profiles.chain(extensions)
}

fn is_stu3_address(address: &str) -> bool {
    address.contains("/STU3/")
        || address.contains("/CareConnect-")
        || address.contains("/Extension-CareConnect-")
        || address.contains("/CareConnect-GPC-")
}

const STU3_ONLY: &[&str] = &[
    "BodySite",
    "DataElement",
    "DeviceComponent",
    "EligibilityRequest",
    "EligibilityResponse",
    "ExpansionProfile",
    "ImagingManifest",
    "ProcedureRequest",
    "ProcessRequest",
    "ProcessResponse",
    "ReferralRequest",
    "Sequence",
    "ServiceDefinition",
];

const OLD_ELEMENTS: &[(&str, &str)] = &[
    ("AllergyIntolerance", "assertedDate"),
    ("Appointment", "incomingReferral"),
    ("Appointment", "indication"),
    ("CarePlan", "context"),
    ("CarePlan", "definition"),
    ("CareTeam", "context"),
    ("ClinicalImpression", "context"),
    ("Communication", "context"),
    ("Communication", "notDone"),
    ("Composition", "class"),
    ("Condition", "assertedDate"),
    ("Condition", "context"),
    ("Consent", "consentingParty"),
    ("DeviceRequest", "context"),
    ("DiagnosticReport", "codedDiagnosis"),
    ("DiagnosticReport", "context"),
    ("DocumentReference", "class"),
    ("DocumentReference", "created"),
    ("DocumentReference", "indexed"),
    ("Encounter", "incomingReferral"),
    ("Encounter", "reason"),
    ("FamilyMemberHistory", "notDone"),
    ("Immunization", "date"),
    ("Immunization", "notGiven"),
    ("Immunization", "vaccinationProtocol"),
    ("Location", "qualification"),
    ("MedicationAdministration", "notGiven"),
    ("MedicationAdministration", "prescription"),
    ("MedicationDispense", "notDone"),
    ("MedicationRequest", "context"),
    ("MedicationRequest", "definition"),
    ("MedicationStatement", "reasonNotTaken"),
    ("MedicationStatement", "taken"),
    ("Observation", "comment"),
    ("Observation", "context"),
    ("Observation", "related"),
    ("Patient", "animal"),
    ("Procedure", "context"),
    ("Procedure", "notDone"),
    ("QuestionnaireResponse", "context"),
    ("QuestionnaireResponse", "parent"),
    ("RiskAssessment", "context"),
    ("Task", "definitionReference"),
];

/// Codes of STU3 that R4 made CodeableConcepts.
const OLD_CODES: &[(&str, &str)] = &[
    ("AllergyIntolerance", "clinicalStatus"),
    ("AllergyIntolerance", "verificationStatus"),
    ("Condition", "clinicalStatus"),
    ("Condition", "verificationStatus"),
];
