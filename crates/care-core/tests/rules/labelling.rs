//! The printed matrix of labels: what each kind of thing from each kind of source is, and how it is
//! protected. A changed line is a changed protection: read it before you keep it.

use std::fmt::Write;

use care_core::fhir::{Json, Limits, ResourceType};
use care_core::labelling::{CodeLists, labels_of};
use care_core::vocabulary::{Category, OrganisationKind, Sensitivity};

use crate::printed;

const GOLDEN: &str = "labelling_matrix.txt";

fn body(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default()).expect(text)
}

fn resource_type(body: &Json) -> ResourceType {
    ResourceType::from_name(body.text_at(&["resourceType"]).unwrap()).unwrap()
}

fn labels(text: &str, kind: OrganisationKind) -> (Category, Sensitivity) {
    let body = body(text);
    let labels = labels_of(resource_type(&body), &body, kind, CodeLists::shipped());
    (labels.category, labels.sensitivity)
}

/// What the matrix shows beside plain types: a title, and members of the resource.
const CASES: &[(&str, &str)] = &[
    (
        "Observation: social history",
        r#""resourceType":"Observation","category":[{"coding":[{"code":"social-history"}]}]"#,
    ),
    (
        "Observation: HIV antibody text",
        r#""resourceType":"Observation","code":{"text":"HIV 1 antibody"}"#,
    ),
    (
        "Observation: HIVE is no HIV",
        r#""resourceType":"Observation","code":{"text":"Hives (urticaria)"}"#,
    ),
    (
        "Condition: chlamydia, SNOMED",
        r#""resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"240589008"}]}"#,
    ),
    (
        "Condition: chlamydia, SNOMED as OID",
        r#""resourceType":"Condition","code":{"coding":[{"system":"urn:oid:2.16.840.1.113883.6.96","code":"240589008"}]}"#,
    ),
    (
        "Condition: chlamydia, no system",
        r#""resourceType":"Condition","code":{"coding":[{"code":"240589008"}]}"#,
    ),
    (
        "Condition: ICD-10 A56.0",
        r#""resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"A56.0"}]}"#,
    ),
    (
        "Condition: ICD-10 F64.0",
        r#""resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F64.0"}]}"#,
    ),
    (
        "Condition: ICD-10 J45",
        r#""resourceType":"Condition","code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"J45"}]}"#,
    ),
    (
        "Procedure: IVF",
        r#""resourceType":"Procedure","code":{"coding":[{"system":"http://snomed.info/sct","code":"52637005"}]}"#,
    ),
    (
        "Procedure: termination of pregnancy",
        r#""resourceType":"Procedure","code":{"text":"Medical termination of pregnancy"}"#,
    ),
    (
        "Condition: miscarriage",
        r#""resourceType":"Condition","code":{"text":"Spontaneous abortion"}"#,
    ),
    (
        "MedicationRequest: note names IVF",
        r#""resourceType":"MedicationRequest","note":[{"text":"For IVF cycle two"}]"#,
    ),
    (
        "DiagnosticReport: contained result is syphilis",
        r#""resourceType":"DiagnosticReport","contained":[{"resourceType":"Observation","code":{"coding":[{"system":"http://snomed.info/sct","code":"76272004"}]}}]"#,
    ),
    (
        "DocumentReference: gender recognition",
        r#""resourceType":"DocumentReference","description":"Gender Recognition Certificate"#,
    ),
    (
        "DocumentReference: text letter names gonorrhoea",
        r#""resourceType":"DocumentReference","content":[{"attachment":{"contentType":"text/plain","data":"R29ub3JyaG9lYSB0cmVhdGVk"}}]"#,
    ),
    (
        "DocumentReference: letter",
        r#""resourceType":"DocumentReference","description":"Clinic letter""#,
    ),
    (
        "DocumentReference: care plan",
        r#""resourceType":"DocumentReference","type":{"coding":[{"system":"http://snomed.info/sct","code":"734163000"}]}"#,
    ),
    (
        "DocumentReference: mental health crisis plan",
        r#""resourceType":"DocumentReference","type":{"coding":[{"system":"http://snomed.info/sct","code":"736253002"}]}"#,
    ),
    (
        "DocumentReference: ReSPECT",
        r#""resourceType":"DocumentReference","type":{"coding":[{"system":"http://snomed.info/sct","code":"1382601000000107"}]}"#,
    ),
    (
        "DocumentReference: child protection",
        r#""resourceType":"DocumentReference","type":{"text":"Child protection plan"}"#,
    ),
    (
        "CarePlan",
        r#""resourceType":"CarePlan","title":"Wound care""#,
    ),
    (
        "CarePlan: care and support plan",
        r#""resourceType":"CarePlan","title":"Care and support plan""#,
    ),
    (
        "CarePlan: advance decision",
        r#""resourceType":"CarePlan","title":"Advance decision to refuse treatment""#,
    ),
    (
        "Flag: reasonable adjustment",
        r#""resourceType":"Flag","code":{"text":"Needs large print"}"#,
    ),
    (
        "Flag: safeguarding",
        r#""resourceType":"Flag","code":{"coding":[{"system":"http://snomed.info/sct","code":"766561000000109"}]}"#,
    ),
    (
        "Flag: CP-IS",
        r#""resourceType":"Flag","category":[{"coding":[{"system":"https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient","code":"child-protection-information-system-flag"}]}]"#,
    ),
    (
        "Encounter",
        r#""resourceType":"Encounter","class":{"code":"AMB"}"#,
    ),
    (
        "Encounter: genitourinary medicine",
        r#""resourceType":"Encounter","serviceType":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-PracticeSettingCode","code":"360"}]}"#,
    ),
    (
        "Encounter: provider named sexual health clinic",
        r#""resourceType":"Encounter","serviceProvider":{"display":"Camberwell Sexual Health Clinic"}"#,
    ),
    (
        "Encounter: adult mental illness",
        r#""resourceType":"Encounter","serviceType":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-PracticeSettingCode","code":"710"}]}"#,
    ),
    (
        "Composition",
        r#""resourceType":"Composition","title":"Consultation""#,
    ),
    (
        "QuestionnaireResponse: About Me",
        r#""resourceType":"QuestionnaireResponse","questionnaire":"https://fhir.nhs.uk/Questionnaire/PRSB-About-Me""#,
    ),
    (
        "QuestionnaireResponse: survey",
        r#""resourceType":"QuestionnaireResponse","questionnaire":"https://fhir.nhs.uk/Questionnaire/Survey""#,
    ),
    (
        "Consent",
        r#""resourceType":"Consent","scope":{"text":"Privacy"}"#,
    ),
    (
        "List: medications",
        r#""resourceType":"List","code":{"coding":[{"code":"medications"}]}"#,
    ),
    (
        "AllergyIntolerance: label V",
        r#""resourceType":"AllergyIntolerance","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"}]}"#,
    ),
    (
        "AllergyIntolerance: label N",
        r#""resourceType":"AllergyIntolerance","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}"#,
    ),
    (
        "Condition: ours, sealed-locked",
        r#""resourceType":"Condition","meta":{"security":[{"system":"https://connect-care.example/CodeSystem/sensitivity","code":"sealed-locked"}]}"#,
    ),
    (
        "Condition: ours, unknown level",
        r#""resourceType":"Condition","meta":{"security":[{"system":"https://connect-care.example/CodeSystem/sensitivity","code":"velvet"}]}"#,
    ),
    (
        "Patient: label R",
        r#""resourceType":"Patient","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}"#,
    ),
    (
        "Patient: lives in Chlamydia Road",
        r#""resourceType":"Patient","address":[{"text":"1 Chlamydia Road"}]"#,
    ),
    (
        "Immunization: sealed and HIV",
        r#""resourceType":"Immunization","note":[{"text":"HIV"}],"meta":{"security":[{"system":"https://connect-care.example/CodeSystem/sensitivity","code":"sealed"}]}"#,
    ),
];

const KINDS: &[OrganisationKind] = OrganisationKind::ALL;

/// One line: the label from each kind of source, those alike together.
fn line(out: &mut String, title: &str, text: &str) {
    let mut groups: Vec<((Category, Sensitivity), Vec<&str>)> = Vec::new();
    for kind in KINDS {
        let found = labels(text, *kind);
        match groups.iter_mut().find(|(known, _)| *known == found) {
            Some((_, kinds)) => kinds.push(kind.prefix()),
            None => groups.push((found, vec![kind.prefix()])),
        }
    }
    groups.sort_by_key(|(_, kinds)| std::cmp::Reverse(kinds.len()));
    let cells: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(place, ((category, sensitivity), kinds))| {
            let kinds = if place == 0 {
                "others".to_owned()
            } else {
                kinds.join(" ")
            };
            format!("{kinds}: {category} {}", sensitivity.code())
        })
        .collect();
    let cells: Vec<String> = cells.into_iter().rev().collect();
    writeln!(out, "{title} | {}", cells.join(" | ")).unwrap();
}

fn matrix() -> String {
    let mut out = String::from("Labels by type, content and kind of source.\n\n");
    for resource_type in ResourceType::all() {
        let text = format!("{{\"resourceType\":\"{resource_type}\"}}");
        line(&mut out, resource_type.name(), &text);
    }
    out.push('\n');
    for (title, members) in CASES {
        let quote = if members.matches('"').count() % 2 == 1 {
            "\""
        } else {
            ""
        };
        line(&mut out, title, &format!("{{{members}{quote}}}"));
    }
    out
}

#[test]
fn the_labelling_matrix_is_the_one_that_was_reviewed() {
    printed::compare(GOLDEN, &matrix());
}

#[test]
fn a_list_of_the_deployment_raises_and_never_lowers_protection() {
    let local = CodeLists::parse(
        "[topic local]\nmarks = rcgp_sensitive\nsource = local policy\ndate = 2026-11-23\n\
         code = http://snomed.info/sct|195967001 Asthma\nphrase = rare thing\n",
    )
    .unwrap();
    let merged = CodeLists::shipped().merged(&local);
    for (_, members) in CASES {
        let quote = if members.matches('"').count() % 2 == 1 {
            "\""
        } else {
            ""
        };
        let body = body(&format!("{{{members}{quote}}}"));
        for kind in KINDS {
            let before = labels_of(resource_type(&body), &body, *kind, CodeLists::shipped());
            let after = labels_of(resource_type(&body), &body, *kind, &merged);
            assert!(after.sensitivity >= before.sensitivity);
            assert_eq!(after.category, before.category);
        }
    }
    let asthma = body(
        r#"{"resourceType":"Condition","code":{"coding":[{"system":"http://snomed.info/sct","code":"195967001"}]}}"#,
    );
    let labels = labels_of(
        ResourceType::CONDITION,
        &asthma,
        OrganisationKind::Practice,
        &merged,
    );
    assert_eq!(labels.sensitivity, Sensitivity::RcgpSensitive);
}
