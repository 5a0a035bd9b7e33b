//! Thin views: the few questions every room asks of any resource, answered in one place.
//!
//! Views read a [`Json`]; they copy nothing they do not have to and never fail: what is missing or
//! of another form is `None`.

use super::{FhirTime, Json, ResourceType};
use crate::vocabulary::PersonName;

/// The code system of NHS numbers.
pub const NHS_NUMBER_SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// The code system of ODS organisation codes.
pub const ODS_SYSTEM: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// The type a resource says it is.
pub fn resource_type(resource: &Json) -> Option<ResourceType> {
    ResourceType::from_name(resource.get("resourceType")?.as_text()?)
}

/// What people read for a CodeableConcept: its text, else the display of the coding a user
/// picked, else the first display, else the first code.
///
/// Source: the UK Core guidance on CodeableConcept; hazard log (what was typed comes first).
pub fn concept_text(concept: &Json) -> Option<&str> {
    let codings = concept.elements("coding");
    let picked = codings
        .iter()
        .filter(|coding| coding.get("userSelected").and_then(Json::as_bool) == Some(true));
    let said = |text: &&str| !text.trim().is_empty();
    concept
        .text_at(&["text"])
        .filter(said)
        .or_else(|| {
            picked
                .chain(codings)
                .find_map(|coding| coding.text_at(&["display"]).filter(said))
        })
        .or_else(|| {
            codings
                .iter()
                .find_map(|coding| coding.text_at(&["code"]).filter(said))
        })
}

/// `system|code` of the coding a user picked, else of the first; `|code` where no system was sent.
pub fn concept_key(concept: &Json) -> Option<String> {
    let codings = concept.elements("coding");
    let coding = codings
        .iter()
        .find(|coding| coding.get("userSelected").and_then(Json::as_bool) == Some(true))
        .or_else(|| codings.first())?;
    let code = coding.text_at(&["code"])?;
    let system = coding.text_at(&["system"]).unwrap_or_default();
    Some(format!("{system}|{code}"))
}

/// The concept that says what a resource is about: its code, vaccine, medicine, type or service.
pub fn primary_concept(resource: &Json) -> Option<&Json> {
    [
        "code",
        "vaccineCode",
        "medicationCodeableConcept",
        "serviceType",
        "type",
        "class",
        "category",
        "relationship",
        "description",
    ]
    .iter()
    .filter_map(|name| resource.get(name))
    .map(Json::first)
    .find(|value| matches!(value, Json::Object(_)))
}

/// `system|code` of what a resource is about.
pub fn primary_code(resource: &Json) -> Option<String> {
    let concept = primary_concept(resource)?;
    concept_key(concept).or_else(|| {
        // Encounter.class is a Coding, not a CodeableConcept.
        let code = concept.text_at(&["code"])?;
        let system = concept.text_at(&["system"]).unwrap_or_default();
        Some(format!("{system}|{code}"))
    })
}

/// The resource's status, where it has one; a condition's or allergy's clinical status.
pub fn status(resource: &Json) -> Option<&str> {
    resource
        .text_at(&["status"])
        .or_else(|| resource.text_at(&["clinicalStatus", "coding", "code"]))
}

/// Whether the source took it back: entered in error.
pub fn entered_in_error(resource: &Json) -> bool {
    resource.text_at(&["status"]) == Some("entered-in-error")
        || resource.text_at(&["verificationStatus", "coding", "code"]) == Some("entered-in-error")
}

/// When the thing happened to the person, as clinicians date it: onset, effective, performed,
/// start, and only then when it was written down.
pub fn clinical_time(resource: &Json) -> Option<FhirTime> {
    clinical_time_paths(resource.text_at(&["resourceType"]).unwrap_or_default())
        .iter()
        .find_map(|path| FhirTime::parse(resource.text_at(path)?))
}

fn clinical_time_paths(resource_type: &str) -> &'static [&'static [&'static str]] {
    match resource_type {
        "AllergyIntolerance" => &[
            &["onsetDateTime"],
            &["onsetPeriod", "start"],
            &["recordedDate"],
            &["lastOccurrence"],
        ],
        "Appointment" => &[&["start"], &["requestedPeriod", "start"], &["created"]],
        "CarePlan" => &[&["period", "start"], &["created"]],
        "CareTeam" => &[&["period", "start"]],
        "Communication" => &[&["sent"], &["received"]],
        "Composition" => &[&["date"], &["event", "period", "start"]],
        "Condition" => &[
            &["onsetDateTime"],
            &["onsetPeriod", "start"],
            &["recordedDate"],
        ],
        "Consent" => &[&["dateTime"], &["provision", "period", "start"]],
        "DeviceUseStatement" => &[
            &["timingDateTime"],
            &["timingPeriod", "start"],
            &["recordedOn"],
        ],
        "DiagnosticReport" => &[
            &["effectiveDateTime"],
            &["effectivePeriod", "start"],
            &["issued"],
        ],
        "DocumentReference" => &[
            &["context", "period", "start"],
            &["date"],
            &["content", "attachment", "creation"],
        ],
        "Encounter" | "EpisodeOfCare" => &[&["period", "start"]],
        "FamilyMemberHistory" => &[&["date"]],
        "Flag" => &[&["period", "start"]],
        "Goal" => &[&["startDate"], &["statusDate"]],
        "Immunization" => &[&["occurrenceDateTime"], &["recorded"]],
        "List" => &[&["date"]],
        "MedicationAdministration" => &[&["effectiveDateTime"], &["effectivePeriod", "start"]],
        "MedicationDispense" => &[&["whenHandedOver"], &["whenPrepared"]],
        "MedicationRequest" => &[&["authoredOn"]],
        "MedicationStatement" => &[
            &["effectiveDateTime"],
            &["effectivePeriod", "start"],
            &["dateAsserted"],
        ],
        "Observation" => &[
            &["effectiveDateTime"],
            &["effectiveInstant"],
            &["effectivePeriod", "start"],
            &["issued"],
        ],
        "Procedure" => &[&["performedDateTime"], &["performedPeriod", "start"]],
        "QuestionnaireResponse" => &[&["authored"]],
        "RiskAssessment" | "ServiceRequest" | "DeviceRequest" => &[
            &["occurrenceDateTime"],
            &["occurrencePeriod", "start"],
            &["authoredOn"],
        ],
        "Specimen" => &[
            &["collection", "collectedDateTime"],
            &["collection", "collectedPeriod", "start"],
            &["receivedTime"],
        ],
        "Task" => &[&["executionPeriod", "start"], &["authoredOn"]],
        "Provenance" => &[&["occurredDateTime"], &["recorded"]],
        _ => &[
            &["effectiveDateTime"],
            &["occurrenceDateTime"],
            &["period", "start"],
            &["date"],
            &["authoredOn"],
            &["created"],
            &["recorded"],
            &["issued"],
        ],
    }
}

/// Where a reference points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceTarget<'a> {
    /// `#id`: a resource inside this one.
    Contained(&'a str),
    /// `Type/id`, with or without a version.
    Relative(ResourceType, &'a str),
    /// `urn:uuid:…` or `urn:oid:…`: an entry of the same bundle.
    Urn(&'a str),
    /// An address on some server, with the type and id it ends in where it has that form.
    Absolute(&'a str, Option<(ResourceType, &'a str)>),
    /// `Type?identifier=system|value`: the one thing with this identifier.
    Conditional(ResourceType, &'a str),
    /// No address, but an identifier: system and value.
    Logical(&'a str, &'a str),
}

/// Reads a Reference element; `None` where it has neither a reference nor an identifier's value.
pub fn reference_target(reference: &Json) -> Option<ReferenceTarget<'_>> {
    if let Some(text) = reference.get("reference").and_then(Json::as_text) {
        return read_reference(text);
    }
    let value = reference.text_at(&["identifier", "value"])?;
    let system = reference
        .text_at(&["identifier", "system"])
        .unwrap_or_default();
    Some(ReferenceTarget::Logical(system, value))
}

/// Reads the text of a reference; `None` where it has no form FHIR knows.
pub fn read_reference(text: &str) -> Option<ReferenceTarget<'_>> {
    if let Some(id) = text.strip_prefix('#') {
        return Some(ReferenceTarget::Contained(id));
    }
    if text.starts_with("urn:") {
        return Some(ReferenceTarget::Urn(text));
    }
    if let Some((type_name, query)) = text.split_once('?')
        && let Some(resource_type) = ResourceType::from_name(type_name)
    {
        let key = query.strip_prefix("identifier=")?;
        return Some(ReferenceTarget::Conditional(resource_type, key));
    }
    if text.contains("://") {
        return Some(ReferenceTarget::Absolute(text, type_and_id(text)));
    }
    let (resource_type, id) = type_and_id(text)?;
    Some(ReferenceTarget::Relative(resource_type, id))
}

/// The type and id an address ends in, passing over `/_history/n`.
fn type_and_id(text: &str) -> Option<(ResourceType, &str)> {
    let text = text.split_once("/_history/").map_or(text, |(head, _)| head);
    let (head, id) = text.rsplit_once('/')?;
    let type_name = head.rsplit('/').next()?;
    (!id.is_empty()).then_some(())?;
    Some((ResourceType::from_name(type_name)?, id))
}

/// The value of the first identifier of this system.
pub fn identifier_value<'a>(resource: &'a Json, system: &str) -> Option<&'a str> {
    resource
        .elements("identifier")
        .iter()
        .find(|identifier| identifier.text_at(&["system"]) == Some(system))
        .and_then(|identifier| identifier.text_at(&["value"]))
}

/// A HumanName in our own noun. A name sent only as one text is kept whole as the family name.
pub fn person_name(name: &Json) -> PersonName {
    let texts = |member: &str| -> Vec<String> {
        name.elements(member)
            .iter()
            .filter_map(Json::as_text)
            .map(str::to_owned)
            .collect()
    };
    let family = name.text_at(&["family"]).unwrap_or_default().to_owned();
    let given = texts("given");
    let family = if family.is_empty() && given.is_empty() {
        name.text_at(&["text"]).unwrap_or_default().to_owned()
    } else {
        family
    };
    PersonName {
        family,
        given,
        prefix: texts("prefix"),
        preferred: None,
    }
}

/// The resource of this id inside another's `contained`.
pub fn contained<'a>(resource: &'a Json, id: &str) -> Option<&'a Json> {
    resource
        .elements("contained")
        .iter()
        .find(|inner| inner.text_at(&["id"]) == Some(id))
}
