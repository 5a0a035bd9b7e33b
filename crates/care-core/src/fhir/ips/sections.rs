//! The sections of a summary: their codes, and which entries belong in each.
//!
//! Each is a flat rule on one resource. What was entered in error or refuted stands in none of them.
//!
//! Source: HL7 IPS 2.0.0, Composition-uv-ips (section codes and entry types); the states that count
//! are those of R4's own code systems.

use super::Recorded;
use crate::fhir::{Json, concept_key, entered_in_error};

/// One section.
#[derive(Debug)]
pub struct SummarySection {
    /// Its title.
    pub title: &'static str,
    /// Its LOINC code.
    pub code: &'static str,
    /// What LOINC calls the code.
    pub display: &'static str,
    /// It stands in every summary, if only to say that nothing is available.
    pub is_required: bool,
    /// Of many results of one test only the newest.
    newest_only: bool,
    /// Whether a resource belongs here.
    belongs: fn(&Json) -> bool,
}

impl SummarySection {
    /// The entries of the section, in the order they were handed over.
    pub(super) fn choose<'a>(&self, items: &'a [Recorded]) -> Vec<&'a Recorded> {
        let mut seen = Vec::new();
        items
            .iter()
            .filter(|one| !is_taken_back(&one.resource) && (self.belongs)(&one.resource))
            .filter(|one| {
                let key = self.newest_only.then(|| test_of(&one.resource)).flatten();
                let Some(key) = key else { return true };
                let is_new = !seen.contains(&key);
                seen.push(key);
                is_new
            })
            .collect()
    }
}

/// What a result is of; none where only words say so and there are none.
fn test_of(resource: &Json) -> Option<String> {
    let code = resource.get("code")?;
    let key = concept_key(code).or_else(|| code.text_at(&["text"]).map(str::to_owned))?;
    let kind = resource.text_at(&["resourceType"])?;
    Some(format!("{kind} {key}"))
}

macro_rules! section {
    ($title:literal, $code:literal, $display:literal, $required:literal, $newest:literal, $belongs:expr) => {
        SummarySection {
            title: $title,
            code: $code,
            display: $display,
            is_required: $required,
            newest_only: $newest,
            belongs: $belongs,
        }
    };
}

/// Every section, in the order a reader meets them.
pub const SECTIONS: &[SummarySection] = &[
    section!(
        "Problems",
        "11450-4",
        "Problem list - Reported",
        true,
        false,
        is_problem
    ),
    section!(
        "Allergies and intolerances",
        "48765-2",
        "Allergies and adverse reactions Document",
        true,
        false,
        is_allergy
    ),
    section!(
        "Medicines",
        "10160-0",
        "History of Medication use Narrative",
        true,
        false,
        is_medicine
    ),
    section!("Alerts", "104605-1", "Alert", false, false, is_alert),
    section!(
        "Immunisations",
        "11369-6",
        "History of Immunization Narrative",
        false,
        false,
        is_immunisation
    ),
    section!(
        "Procedures",
        "47519-4",
        "History of Procedures Document",
        false,
        false,
        is_procedure
    ),
    section!(
        "Medical devices",
        "46264-8",
        "History of medical device use",
        false,
        false,
        is_device
    ),
    section!(
        "Results",
        "30954-2",
        "Relevant diagnostic tests/laboratory data Narrative",
        false,
        true,
        is_result
    ),
    section!(
        "Vital signs",
        "8716-3",
        "Vital signs",
        false,
        true,
        is_vital_sign
    ),
    section!(
        "Past illnesses",
        "11348-0",
        "History of Past illness Narrative",
        false,
        false,
        is_past_problem
    ),
    section!(
        "Social history",
        "29762-2",
        "Social history Narrative",
        false,
        true,
        is_social
    ),
    section!(
        "Pregnancy",
        "10162-6",
        "History of pregnancies Narrative",
        false,
        true,
        is_pregnancy
    ),
    section!(
        "Functional status",
        "47420-5",
        "Functional status assessment note",
        false,
        true,
        is_functional
    ),
    section!(
        "Care plans",
        "18776-5",
        "Plan of care note",
        false,
        false,
        is_care_plan
    ),
    section!(
        "Advance directives",
        "42348-3",
        "Advance healthcare directives",
        false,
        false,
        is_directive
    ),
];

/// LOINC and SNOMED CT codes of whether, when and how often somebody is or was pregnant. Source: IPS
/// value sets pregnancy-status, pregnancies-summary and edd-method.
const PREGNANCY: [&str; 14] = [
    "82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2",
    "11640-0", "11612-9", "11613-7", "33065-4", "49051-6", "77386006",
];
/// LOINC and SNOMED CT codes of smoking, alcohol and occupation that sources send without a category.
/// Source: IPS profiles of social history.
const SOCIAL: [&str; 6] = [
    "72166-2",
    "74013-4",
    "11367-0",
    "365981007",
    "229819007",
    "160573003",
];

/// Whether a resource of this type may stand in a summary, as an entry or along with one.
pub fn may_stand_in(resource_type: &str) -> bool {
    const ENTRIES: [&str; 13] = [
        "Condition",
        "AllergyIntolerance",
        "MedicationStatement",
        "MedicationRequest",
        "Flag",
        "Immunization",
        "Procedure",
        "DeviceUseStatement",
        "Observation",
        "DiagnosticReport",
        "ClinicalImpression",
        "CarePlan",
        "Consent",
    ];
    ENTRIES.contains(&resource_type) || super::ALONG.contains(&resource_type)
}

fn is_taken_back(resource: &Json) -> bool {
    let verified = resource.text_at(&["verificationStatus", "coding", "code"]);
    entered_in_error(resource) || verified == Some("refuted")
}

fn is_a(resource: &Json, kind: &str) -> bool {
    resource.text_at(&["resourceType"]) == Some(kind)
}

/// Whether the status is one of these, or none was sent.
fn status_in(resource: &Json, states: &[&str]) -> bool {
    resource
        .text_at(&["status"])
        .is_none_or(|status| states.contains(&status))
}

fn clinical_status(resource: &Json) -> Option<&str> {
    resource.text_at(&["clinicalStatus", "coding", "code"])
}

fn has_code(resource: &Json, member: &str, codes: &[&str]) -> bool {
    resource
        .elements(member)
        .iter()
        .flat_map(|concept| concept.elements("coding"))
        .filter_map(|coding| coding.text_at(&["code"]))
        .any(|code| codes.contains(&code))
}

fn is_over(resource: &Json) -> bool {
    matches!(
        clinical_status(resource),
        Some("inactive" | "remission" | "resolved")
    ) || resource.get("abatementDateTime").is_some()
        || resource.get("abatementPeriod").is_some()
}

fn is_problem(resource: &Json) -> bool {
    is_a(resource, "Condition") && !is_over(resource)
}

fn is_past_problem(resource: &Json) -> bool {
    is_a(resource, "Condition") && is_over(resource)
}

fn is_allergy(resource: &Json) -> bool {
    is_a(resource, "AllergyIntolerance")
        && !matches!(clinical_status(resource), Some("inactive" | "resolved"))
}

fn is_medicine(resource: &Json) -> bool {
    let taken = ["active", "intended", "on-hold", "unknown"];
    let asked = ["active", "on-hold", "unknown"];
    let is_offer = matches!(
        resource.text_at(&["intent"]),
        Some("proposal" | "option" | "plan")
    );
    (is_a(resource, "MedicationStatement") && status_in(resource, &taken))
        || (is_a(resource, "MedicationRequest")
            && status_in(resource, &asked)
            && !is_offer
            && resource.get("doNotPerform").and_then(Json::as_bool) != Some(true))
}

fn is_alert(resource: &Json) -> bool {
    is_a(resource, "Flag") && status_in(resource, &["active"])
}

fn is_immunisation(resource: &Json) -> bool {
    is_a(resource, "Immunization") && status_in(resource, &["completed"])
}

fn is_procedure(resource: &Json) -> bool {
    is_a(resource, "Procedure")
        && status_in(
            resource,
            &["in-progress", "on-hold", "completed", "unknown"],
        )
}

fn is_device(resource: &Json) -> bool {
    is_a(resource, "DeviceUseStatement") && status_in(resource, &["active", "completed", "on-hold"])
}

fn is_finding(resource: &Json) -> bool {
    let told = ["final", "amended", "corrected", "preliminary", "registered"];
    is_a(resource, "Observation") && status_in(resource, &told)
}

fn is_result(resource: &Json) -> bool {
    let reported = [
        "final",
        "amended",
        "corrected",
        "appended",
        "partial",
        "preliminary",
    ];
    let kinds = ["laboratory", "imaging", "procedure", "exam", "LAB", "RAD"];
    (is_finding(resource) && has_code(resource, "category", &kinds))
        || (is_a(resource, "DiagnosticReport") && status_in(resource, &reported))
}

fn is_vital_sign(resource: &Json) -> bool {
    is_finding(resource) && has_code(resource, "category", &["vital-signs"])
}

fn is_social(resource: &Json) -> bool {
    is_finding(resource)
        && (has_code(resource, "category", &["social-history"])
            || has_code(resource, "code", &SOCIAL))
        && !is_pregnancy(resource)
}

fn is_pregnancy(resource: &Json) -> bool {
    is_finding(resource) && has_code(resource, "code", &PREGNANCY)
}

fn is_functional(resource: &Json) -> bool {
    (is_finding(resource) && has_code(resource, "category", &["functional-status", "activity"]))
        || (is_a(resource, "ClinicalImpression") && status_in(resource, &["completed"]))
}

fn is_care_plan(resource: &Json) -> bool {
    is_a(resource, "CarePlan") && status_in(resource, &["active", "on-hold", "unknown"])
}

/// A person's wish about their treatment: never their choice about who sees this record.
fn is_directive(resource: &Json) -> bool {
    is_a(resource, "Consent")
        && status_in(resource, &["active"])
        && (has_code(resource, "scope", &["adr"])
            || has_code(
                resource,
                "category",
                &["acd", "dnr", "emrgonly", "hcd", "polst", "59284-0"],
            ))
}
