//! From a source's FHIR to drafts: pairs of files, and the rules that no pair can show.

use std::fmt::Write;

use care_core::fhir::{Json, Limits};
use care_core::mapping::fhir::{FhirContext, Refusal, map_fhir};
use care_core::mapping::{Mapped, Subject};
use care_core::vocabulary::{InvolvementKind, OdsCode, OrganisationKind};

use proptest::prelude::*;

use crate::printed;

fn map_from(kind: OrganisationKind, text: &str) -> Result<Vec<Mapped>, Refusal> {
    let source = OdsCode::parse("RJ1").unwrap();
    let json = Json::parse(text.as_bytes(), Limits::default()).expect(text);
    map_fhir(
        &json,
        &FhirContext {
            source: &source,
            source_kind: kind,
            received_at: "2026-11-23T10:00:00Z".parse().unwrap(),
        },
    )
}

fn map(text: &str) -> Result<Vec<Mapped>, Refusal> {
    map_from(OrganisationKind::Trust, text)
}

fn subject_text(subject: &Subject) -> String {
    let who = &subject.demographics;
    let names: Vec<String> = who
        .names
        .iter()
        .map(|name| {
            format!(
                "{} {} {} ({})",
                name.prefix.join(" "),
                name.given.join(" "),
                name.family,
                name.preferred.as_deref().unwrap_or("-")
            )
        })
        .collect();
    let addresses: Vec<String> = who
        .addresses
        .iter()
        .map(|address| format!("{} {:?}", address.lines.join(", "), address.postcode))
        .collect();
    format!(
        "{}\n  number {:?} {:?} unusable {:?}\n  local {:?}\n  names {names:?}\n  born {:?} {:?}\n  addresses {addresses:?}\n  contacts {:?}\n  practice {:?} died {:?} restricted {}",
        subject.source_key,
        who.nhs_number.map(|number| number.digits()),
        who.number_status,
        who.unusable_number,
        who.local_ids,
        who.birth_date.map(|date| date.to_string()),
        who.gender,
        who.contacts
            .iter()
            .map(|contact| &contact.value)
            .collect::<Vec<_>>(),
        who.practice.as_ref().map(OdsCode::as_str),
        who.died,
        who.restricted,
    )
}

fn text_of(mapped: &[Mapped]) -> String {
    let mut out = String::new();
    for mapped in mapped {
        match &mapped.subject {
            Some(subject) => writeln!(out, "ABOUT {}", subject_text(subject)).unwrap(),
            None => writeln!(out, "ABOUT NOBODY").unwrap(),
        }
        for draft in &mapped.drafts {
            writeln!(
                out,
                "DRAFT {} {} at {}{}\n  {}",
                draft.resource_type,
                draft.source_key,
                draft.event_at,
                if draft.withdrawn { " withdrawn" } else { "" },
                draft.body
            )
            .unwrap();
        }
        for involved in &mapped.involvements {
            writeln!(
                out,
                "INVOLVED {} {} {:?} {:?} to {:?}{}",
                involved.kind.code(),
                involved.organisation,
                involved.source_key,
                involved.starts.map(|t| t.to_string()),
                involved.ends.map(|t| t.to_string()),
                if involved.cancelled { " cancelled" } else { "" }
            )
            .unwrap();
        }
        for issue in &mapped.issues {
            writeln!(out, "ISSUE {} {}: {}", issue.fatal, issue.place, issue.text).unwrap();
        }
    }
    out
}

fn transaction() -> String {
    text_of(&map(include_str!("fhir-mapping/hospital-transaction.json")).expect("kept"))
}

#[test]
fn a_hospital_transaction_maps_as_reviewed() {
    printed::compare("fhir-mapping/hospital-transaction.txt", &transaction());
}

#[test]
fn nothing_is_guessed_about_whose_record_an_item_belongs_to() {
    let two = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Patient","id":"a"}},
        {"resource":{"resourceType":"Patient","id":"b"}},
        {"resource":{"resourceType":"Flag","id":"1","status":"active","code":{"text":"x"},"subject":{"reference":"Patient/a"}}},
        {"resource":{"resourceType":"Flag","id":"2","status":"active","code":{"text":"x"},"subject":{"reference":"Patient/b"}}},
        {"resource":{"resourceType":"Observation","id":"3","status":"final","code":{"text":"x"}}},
        {"resource":{"resourceType":"Observation","id":"4","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}}},
        {"resource":{"resourceType":"Observation","id":"5","status":"final","code":{"text":"x"},"subject":{"reference":"Device/d"}}}
    ]}"#;
    let mapped = map(two).expect("kept");
    let keys = |mapped: &Mapped| -> Vec<String> {
        mapped
            .drafts
            .iter()
            .map(|draft| draft.source_key.clone())
            .collect()
    };
    assert_eq!(mapped.len(), 3);
    assert_eq!(keys(&mapped[0]), ["a", "1"]);
    assert_eq!(keys(&mapped[1]), ["b", "2"]);
    assert_eq!(keys(&mapped[2]), [] as [&str; 0]);
    let places: Vec<&str> = mapped[2]
        .issues
        .iter()
        .map(|issue| issue.place.as_str())
        .collect();
    assert_eq!(
        places,
        [
            "Bundle.entry[4].resource",
            "Bundle.entry[5].resource.subject",
            "Bundle.entry[6].resource.subject"
        ]
    );
    let as_transaction = two.replace("collection", "transaction");
    assert!(matches!(map(&as_transaction), Err(Refusal::Entries(issues)) if issues.len() == 3));
}

#[test]
fn an_item_that_names_nobody_is_theirs_only_in_a_message_or_document_about_one_person() {
    for (kind, drafts) in [
        ("collection", 1),
        ("searchset", 1),
        ("message", 2),
        ("document", 2),
    ] {
        let text = format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[
            {{"resource":{{"resourceType":"Patient","id":"a"}}}},
            {{"resource":{{"resourceType":"Observation","id":"3","status":"final","code":{{"text":"x"}}}}}}]}}"#
        );
        let mapped = map(&text).expect(kind);
        assert_eq!(mapped[0].drafts.len(), drafts, "{kind}");
    }
}

#[test]
fn a_resource_alone_names_its_person_in_any_of_the_forms_sources_use() {
    let number = "https://fhir.nhs.uk/Id/nhs-number|9990000018";
    for (subject, key, has_number) in [
        (r#"{"reference":"Patient/p7"}"#, "p7", false),
        (r#"{"reference":"Patient/p7/_history/3"}"#, "p7", false),
        (
            r#"{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}"#,
            number,
            true,
        ),
        (
            r#"{"reference":"https://int.api.service.nhs.uk/personal-demographics/FHIR/R4/Patient/9990000018"}"#,
            number,
            true,
        ),
        (
            r#"{"reference":"Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018"}"#,
            number,
            true,
        ),
    ] {
        let text = format!(
            r#"{{"resourceType":"Flag","id":"f","status":"active","code":{{"text":"x"}},"subject":{subject}}}"#
        );
        let mapped = map(&text).expect(subject);
        let about = mapped[0].subject.as_ref().expect(subject);
        assert_eq!(about.source_key, key, "{subject}");
        let reference = mapped[0].drafts[0]
            .body
            .text_at(&["subject", "reference"])
            .unwrap();
        assert_eq!(reference, format!("urn:connect-care:source:Patient/{key}"));
        assert_eq!(
            about.demographics.nhs_number.is_some(),
            has_number,
            "{subject}"
        );
    }
    let inside = r##"{"resourceType":"Flag","id":"f","status":"active","code":{"text":"x"},"subject":{"reference":"#p"},
        "contained":[{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"birthDate":"1945"}]}"##;
    let about = map(inside)
        .expect("kept")
        .remove(0)
        .subject
        .expect("a person");
    assert_eq!(about.source_key, number);
    assert!(about.demographics.birth_date.is_some());
}

#[test]
fn a_file_belongs_to_whom_its_document_is_about_and_own_addresses_are_followed() {
    let text = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"https://trust.example/fhir/Binary/b","resource":{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"aGk="}},
        {"fullUrl":"https://trust.example/fhir/DocumentReference/d","resource":{"resourceType":"DocumentReference","id":"d","status":"current",
          "subject":{"reference":"https://trust.example/fhir/Patient/p"},"content":[{"attachment":{"url":"Binary/b"}}]}},
        {"resource":{"resourceType":"Binary","id":"stray","contentType":"text/plain","data":"aGk="}}]}"#;
    let mapped = map(text).expect("kept");
    assert_eq!(mapped[0].subject.as_ref().unwrap().source_key, "p");
    let types: Vec<&str> = mapped[0]
        .drafts
        .iter()
        .map(|draft| draft.resource_type.name())
        .collect();
    assert_eq!(types, ["Binary", "DocumentReference"]);
    assert_eq!(
        mapped[0].drafts[1]
            .body
            .text_at(&["content", "attachment", "url"]),
        Some("urn:connect-care:source:Binary/b")
    );
    assert_eq!(mapped[1].issues[0].place, "Bundle.entry[2].resource");
}

#[test]
fn a_number_that_fails_modulus_11_is_kept_as_unusable() {
    let text = r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000019"}]}"#;
    let mapped = map(text).expect("kept");
    let who = &mapped[0].subject.as_ref().expect("a person").demographics;
    assert_eq!(
        (who.nhs_number, who.unusable_number.is_some()),
        (None, true)
    );
    let issue = &mapped[0].issues[0];
    assert_eq!(
        (issue.place.as_str(), issue.fatal),
        ("Patient.identifier[0].value", false)
    );
    assert!(!issue.text.contains("9990000019"));
}

#[test]
fn involvements_follow_the_class_the_status_and_the_kind_of_source() {
    use InvolvementKind::*;
    use OrganisationKind::{Ambulance, CareHome, Community, Trust};
    let encounter = |class: &str, status: &str, period: &str| {
        format!(
            r#"{{"resourceType":"Encounter","id":"e","status":"{status}","class":{{"code":"{class}"}},"subject":{{"reference":"Patient/p"}}{period}}}"#
        )
    };
    let period = r#","period":{"start":"2026-11-01T09:00:00Z"}"#;
    let episode = |status: &str| {
        format!(
            r#"{{"resourceType":"EpisodeOfCare","id":"e","status":"{status}","patient":{{"reference":"Patient/p"}},"period":{{"start":"2026-11-01"}}}}"#
        )
    };
    for (kind, text, expected) in [
        (
            Trust,
            encounter("IMP", "in-progress", period),
            Some((Inpatient, true, false)),
        ),
        (
            Trust,
            encounter("IMP", "finished", period),
            Some((Inpatient, false, false)),
        ),
        (
            Trust,
            encounter("IMP", "cancelled", period),
            Some((Inpatient, true, true)),
        ),
        (Trust, encounter("IMP", "planned", ""), None),
        (
            Trust,
            encounter("EMER", "arrived", period),
            Some((EdAttendance, true, false)),
        ),
        (
            Trust,
            encounter("AMB", "planned", period),
            Some((Appointment, false, false)),
        ),
        (Trust, encounter("AMB", "planned", ""), None),
        (
            Ambulance,
            encounter("FLD", "in-progress", period),
            Some((AmbulanceIncident, true, false)),
        ),
        (
            CareHome,
            encounter("IMP", "in-progress", period),
            Some((CareHomeResident, true, false)),
        ),
        (Community, episode("active"), Some((Caseload, true, false))),
        (
            Community,
            episode("finished"),
            Some((Caseload, false, false)),
        ),
        (
            Community,
            episode("waitlist"),
            Some((OpenReferral, true, false)),
        ),
        (
            CareHome,
            episode("active"),
            Some((CareHomeResident, true, false)),
        ),
    ] {
        let mapped = map_from(kind, &text).expect(&text);
        let found = mapped[0]
            .involvements
            .first()
            .map(|found| (found.kind, found.ends.is_none(), found.cancelled));
        assert_eq!(found, expected, "{kind:?} {text}");
    }
}

#[test]
fn what_is_no_care_record_is_refused_by_name_with_a_way_to_mend_it() {
    for (text, word) in [
        (r#"[]"#, "no FHIR resource"),
        (
            r#"{"resourceType":"Nonsense"}"#,
            "no resource type of this name",
        ),
        (
            r#"{"resourceType":"MedicationStatement","taken":"y","status":"active"}"#,
            "STU3",
        ),
        (
            r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ReferralRequest"}}]}"#,
            "STU3",
        ),
        (
            r#"{"resourceType":"Patient","meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-GPC-Patient-1"]}}"#,
            "STU3",
        ),
        (
            r#"{"resourceType":"ValueSet","status":"active"}"#,
            "defines how records are written",
        ),
        (
            r#"{"resourceType":"Patient","name":{"family":"x"}}"#,
            "named with its place",
        ),
        (
            r#"{"resourceType":"Bundle","type":"collection"}"#,
            "nothing to keep",
        ),
    ] {
        let refusal = map(text).expect_err(text);
        assert!(refusal.to_string().contains(word), "{text}: {refusal}");
        let outcome = refusal.outcome();
        assert_eq!(outcome.text_at(&["resourceType"]), Some("OperationOutcome"));
        assert_eq!(care_core::fhir::validate_structure(&outcome), []);
    }
}

proptest! {
    /// One member taken away, or one value changed for another kind, anywhere in a good delivery.
    #[test]
    fn no_damage_to_a_delivery_panics_and_every_answer_is_valid(
        place in 0usize..400,
        damage in 0usize..6,
    ) {
        let mut json = Json::parse(
            include_bytes!("fhir-mapping/hospital-transaction.json"),
            Limits::default(),
        )
        .unwrap();
        let mut left = place;
        damage_at(&mut json, &mut left, damage);
        match map(&json.to_string()) {
            Ok(mapped) => {
                for draft in mapped.iter().flat_map(|mapped| &mapped.drafts) {
                    prop_assert!(draft.body.get("resourceType").is_some());
                    prop_assert!(draft.body.get("id").is_none());
                }
            }
            Err(refusal) => {
                let issues = care_core::fhir::validate_structure(&refusal.outcome());
                prop_assert_eq!(issues, []);
            }
        }
    }
}

/// Counts values in document order and damages the one where `left` runs out.
fn damage_at(value: &mut Json, left: &mut usize, damage: usize) {
    if *left == 0 {
        *value = match damage {
            0 => Json::Null,
            1 => Json::Bool(true),
            2 => Json::Number("1e400".into()),
            3 => Json::from("#urn:uuid:?|é"),
            4 => Json::Array(vec![]),
            _ => Json::Object(vec![]),
        };
        *left = usize::MAX;
        return;
    }
    *left -= 1;
    match value {
        Json::Array(values) => {
            for value in values {
                if *left == usize::MAX {
                    return;
                }
                damage_at(value, left, damage);
            }
        }
        Json::Object(members) => {
            for (_, value) in members {
                if *left == usize::MAX {
                    return;
                }
                damage_at(value, left, damage);
            }
        }
        _ => {}
    }
}
