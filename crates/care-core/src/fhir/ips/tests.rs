//! A summary says what is there, and never more.

use super::*;
use crate::fhir::Limits;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
}

fn made(items: &[&str]) -> Json {
    let items: Vec<Recorded> = items
        .iter()
        .map(|text| Recorded {
            resource: json(text),
            source: "Riverside <GP>".to_owned(),
        })
        .collect();
    let patient = json(r#"{"resourceType":"Patient","id":"p"}"#);
    let input = SummaryInput {
        base: "https://care.example.org/fhir/R4",
        document: "00000000-0000-4000-8000-000000000001",
        author: "00000000-0000-4000-8000-000000000002",
        author_name: "Connect Care",
        patient: &patient,
        items: &items,
        now: "2026-11-23T10:00:00Z".parse().expect("a moment"),
    };
    patient_summary(&input, &mut |kind, id| {
        (id == "shared").then(|| json(&format!(r#"{{"resourceType":"{kind}","id":"{id}"}}"#)))
    })
}

/// Each section: its code, then the ends of its entries' addresses, or why it is empty.
fn told(summary: &Json) -> Vec<String> {
    let composition = summary.path(&["entry", "resource"]).expect("a composition");
    composition
        .elements("section")
        .iter()
        .map(|section| {
            let code = section
                .text_at(&["code", "coding", "code"])
                .unwrap_or_default();
            let empty = section.text_at(&["emptyReason", "coding", "code"]);
            let entries: Vec<&str> = section
                .elements("entry")
                .iter()
                .filter_map(|one| one.text_at(&["reference"])?.rsplit('/').next())
                .collect();
            format!("{code} {}{}", entries.join(","), empty.unwrap_or_default())
        })
        .collect()
}

#[test]
fn a_summary_of_nothing_has_the_three_sections_that_must_stand_and_says_not_available() {
    let summary = made(&[]);
    assert_eq!(
        told(&summary),
        [
            "11450-4 unavailable",
            "48765-2 unavailable",
            "10160-0 unavailable"
        ]
    );
    assert!(
        !summary.to_string().contains("nilknown"),
        "nobody stated so"
    );
    assert_eq!(summary.elements("entry").len(), 3);
}

#[test]
fn each_kind_of_entry_stands_in_its_section_and_what_is_over_or_wrong_does_not() {
    let summary = made(&[
        r#"{"resourceType":"Condition","id":"c1","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"text":"Asthma"}}"#,
        r#"{"resourceType":"Condition","id":"c2","clinicalStatus":{"coding":[{"code":"resolved"}]},"code":{"text":"Mumps"}}"#,
        r#"{"resourceType":"Condition","id":"c3","verificationStatus":{"coding":[{"code":"entered-in-error"}]}}"#,
        r#"{"resourceType":"AllergyIntolerance","id":"a1","code":{"text":"Penicillin"},"reaction":[{"manifestation":[{"text":"Rash"}]}]}"#,
        r#"{"resourceType":"AllergyIntolerance","id":"a2","verificationStatus":{"coding":[{"code":"refuted"}]}}"#,
        r#"{"resourceType":"MedicationRequest","id":"m1","status":"active","intent":"order","medicationReference":{"reference":"Medication/shared"}}"#,
        r#"{"resourceType":"MedicationRequest","id":"m2","status":"stopped","intent":"order"}"#,
        r#"{"resourceType":"Observation","id":"o1","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"l","code":"1"}]},"valueQuantity":{"value":5.10,"unit":"mmol/L"}}"#,
        r#"{"resourceType":"Observation","id":"o2","status":"final","category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"l","code":"1"}]},"valueQuantity":{"value":9}}"#,
        r#"{"resourceType":"Observation","id":"o3","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"82810-3"}]}}"#,
        r#"{"resourceType":"Consent","id":"k1","status":"active","scope":{"coding":[{"code":"patient-privacy"}]}}"#,
        r#"{"resourceType":"Consent","id":"k2","status":"active","scope":{"coding":[{"code":"adr"}]}}"#,
    ]);
    assert_eq!(
        told(&summary),
        [
            "11450-4 c1",
            "48765-2 a1",
            "10160-0 m1",
            "30954-2 o1",
            "11348-0 c2",
            "10162-6 o3",
            "42348-3 k2",
        ]
    );
    let text = summary.to_string();
    assert!(text.contains("5.10 mmol/L"), "the digits that were sent");
    assert!(text.contains("Riverside &lt;GP&gt;"), "escaped");
    assert!(
        text.contains("/Medication/shared\""),
        "what a medicine refers to comes along"
    );
    assert!(!text.contains("\"id\":\"o2\""), "only the newest of a test");
}

#[test]
fn references_that_go_round_end() {
    let summary = made(&[
        r#"{"resourceType":"Condition","id":"c1","recorder":{"reference":"Practitioner/d1"}}"#,
        r#"{"resourceType":"Practitioner","id":"d1","extension":[{"url":"u","valueReference":{"reference":"Organization/o1"}}]}"#,
        r#"{"resourceType":"Organization","id":"o1","partOf":{"reference":"Organization/o1"}}"#,
    ]);
    assert_eq!(summary.elements("entry").len(), 3 + 1 + 2);
}
