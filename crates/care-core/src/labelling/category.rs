//! Which kind of information a resource is: first what its codes and title say, then its type,
//! then the kind of organisation it came from. Source: the access model, 8.2.

use super::lists::{CodeLists, Mark};
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::{Category, OrganisationKind};

/// The category of one resource.
pub(super) fn category_of(
    resource_type: ResourceType,
    body: &Json,
    source_kind: OrganisationKind,
    lists: &CodeLists,
) -> Category {
    let by_type = category_of_type(resource_type.name(), body);
    if keeps_its_category(by_type) {
        return by_type;
    }
    let by_source = category_by_source(resource_type.name(), by_type, source_kind);
    match listed_category(resource_type.name(), body, lists) {
        Some((_, true)) if by_source != by_type => by_source,
        Some((listed, _)) => listed,
        None => by_source,
    }
}

/// Who the person is, what they must not be given and what they were given are needed by every
/// role that may see them, whatever codes stand inside.
fn keeps_its_category(category: Category) -> bool {
    matches!(
        category,
        Category::Demographics
            | Category::Allergies
            | Category::Medications
            | Category::Vaccinations
            | Category::Contacts
            | Category::AccessLog
    )
}

fn category_of_type(resource_type: &str, body: &Json) -> Category {
    match resource_type {
        "Patient" | "Person" => Category::Demographics,
        "AllergyIntolerance" | "AdverseEvent" => Category::Allergies,
        "Medication"
        | "MedicationAdministration"
        | "MedicationDispense"
        | "MedicationKnowledge"
        | "MedicationRequest"
        | "MedicationStatement"
        | "Device"
        | "DeviceDefinition"
        | "DeviceMetric"
        | "DeviceRequest"
        | "DeviceUseStatement"
        | "Substance"
        | "SupplyDelivery"
        | "SupplyRequest"
        | "VisionPrescription" => Category::Medications,
        "Condition"
        | "Procedure"
        | "FamilyMemberHistory"
        | "ClinicalImpression"
        | "DetectedIssue"
        | "BodyStructure" => Category::Problems,
        "Immunization" | "ImmunizationEvaluation" | "ImmunizationRecommendation" => {
            Category::Vaccinations
        }
        "Observation" if is_social_history(body) => Category::Problems,
        "Observation"
        | "DiagnosticReport"
        | "Specimen"
        | "ImagingStudy"
        | "Media"
        | "MolecularSequence"
        | "BiologicallyDerivedProduct" => Category::Results,
        "Encounter"
        | "Appointment"
        | "AppointmentResponse"
        | "ServiceRequest"
        | "EpisodeOfCare"
        | "RequestGroup"
        | "Schedule"
        | "Slot"
        | "Task"
        | "ChargeItem"
        | "Account"
        | "Coverage" => Category::Encounters,
        "CarePlan" | "Goal" | "NutritionOrder" | "RiskAssessment" => Category::CarePlans,
        "Flag" => Category::Alerts,
        "Consent" | "Contract" => Category::Legal,
        "RelatedPerson"
        | "CareTeam"
        | "Practitioner"
        | "PractitionerRole"
        | "Organization"
        | "OrganizationAffiliation"
        | "HealthcareService"
        | "Location"
        | "Endpoint" => Category::Contacts,
        "AuditEvent" => Category::AccessLog,
        "List" => list_category(body),
        _ => Category::Documents,
    }
}

fn is_social_history(body: &Json) -> bool {
    body.elements("category")
        .iter()
        .flat_map(|concept| concept.elements("coding"))
        .any(|coding| coding.text_at(&["code"]) == Some("social-history"))
}

/// Source: the FHIR example value set of list purposes.
fn list_category(body: &Json) -> Category {
    let code = body
        .text_at(&["code", "coding", "code"])
        .unwrap_or_default();
    match code {
        "allergies" | "adverserxns" => Category::Allergies,
        "medications" => Category::Medications,
        "problems" => Category::Problems,
        "plans" => Category::CarePlans,
        _ => Category::Documents,
    }
}

/// The category of the first topic that fits, and whether it yields to the kind of source.
fn listed_category(
    resource_type: &str,
    body: &Json,
    lists: &CodeLists,
) -> Option<(Category, bool)> {
    let Json::Object(members) = body else {
        return None;
    };
    let mut first: Option<u16> = None;
    let mut found = |topic: u16| {
        if matches!(lists.mark(topic), Some(Mark::Category(_))) {
            first = Some(first.map_or(topic, |earlier| earlier.min(topic)));
        }
    };
    for (name, value) in members {
        if says_what_it_is(resource_type, name) {
            look(name, value, lists, &mut found);
        }
    }
    let first = first?;
    match lists.mark(first)? {
        Mark::Category(category) => Some((category, lists.yields(first))),
        Mark::Sensitivity(_) => None,
    }
}

/// The elements that say what a resource is, rather than what it tells.
fn says_what_it_is(resource_type: &str, name: &str) -> bool {
    matches!(
        name,
        "code"
            | "category"
            | "type"
            | "serviceType"
            | "specialty"
            | "title"
            | "description"
            | "scope"
            | "questionnaire"
            | "content"
            | "context"
    ) && !(resource_type == "Encounter" && name == "content")
}

fn look(name: &str, value: &Json, lists: &CodeLists, found: &mut impl FnMut(u16)) {
    match value {
        Json::Text(text) if matches!(name, "text" | "display" | "title" | "description") => {
            lists.find_phrases(text, found);
        }
        Json::Text(address) if name == "questionnaire" => {
            let words = address.rsplit('/').next().unwrap_or_default();
            lists.find_phrases(words, found);
        }
        Json::Array(values) => values
            .iter()
            .for_each(|value| look(name, value, lists, found)),
        Json::Object(members) => {
            if let Some(Json::Text(code)) = value.get("code") {
                let system = value.get("system").and_then(Json::as_text);
                lists.find_code(system, code, &mut *found);
            }
            for (name, value) in members {
                look(name, value, lists, found);
            }
        }
        _ => {}
    }
}

/// What the kind of source makes of a type's category.
fn category_by_source(resource_type: &str, by_type: Category, kind: OrganisationKind) -> Category {
    match (kind, resource_type) {
        (OrganisationKind::Practice, "Encounter" | "Composition" | "ClinicalImpression") => {
            Category::GpConsultations
        }
        (OrganisationKind::MentalHealth, _) if is_course_of_care(resource_type) => {
            Category::MentalHealth
        }
        (OrganisationKind::Council, "Flag" | "Consent") => by_type,
        (OrganisationKind::Council, _) => Category::SocialCare,
        _ => by_type,
    }
}

/// Types that tell how care went on, as opposed to facts every other carer needs.
fn is_course_of_care(resource_type: &str) -> bool {
    matches!(
        resource_type,
        "Encounter"
            | "Appointment"
            | "ServiceRequest"
            | "EpisodeOfCare"
            | "Task"
            | "Composition"
            | "ClinicalImpression"
            | "Communication"
            | "DocumentReference"
            | "QuestionnaireResponse"
            | "CarePlan"
            | "Goal"
            | "RiskAssessment"
            | "List"
    )
}
