//! What follows where a source's FHIR breaks a rule beyond R4's structure.

use std::collections::HashMap;

use care_core::fhir::{Json, Limits, Rulebook};

use super::*;

/// A Patient whose contact has nobody in it (pat-1), and one that is sound.
fn patient(contact: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"p1","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number",
            "value":"{AMARA}"}}],"name":[{{"family":"Ade","given":["Amara"]}}],"birthDate":"1950-02-03",
            "contact":[{contact}]}}"#
    )
}

const BROKEN: &str = r#"{"gender":"female"}"#;
const SOUND: &str = r#"{"name":{"family":"Ade"}}"#;

fn world() -> World {
    let own = r#"{"resourceType":"StructureDefinition","url":"http://x/own","type":"Patient",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
        "differential":{"element":[{"id":"Patient.photo","path":"Patient.photo","min":1}]}}"#;
    let own = Json::parse(own.as_bytes(), Limits::default()).expect("JSON");
    World::validated(FeedValidation::new(
        Arc::new(Rulebook::with([own])),
        HashMap::from([(ods("RJ1"), Validate::Refuse), (ods("LBX"), Validate::Off)]),
    ))
}

#[test]
fn a_source_is_warned_refused_or_let_be_as_it_is_configured() {
    for (source, contact, status, outcome, told) in [
        (
            "G85001",
            BROKEN,
            201,
            DeliveryOutcome::ProcessedWithWarnings,
            true,
        ),
        ("G85001", SOUND, 201, DeliveryOutcome::Processed, false),
        ("RJ1", BROKEN, 422, DeliveryOutcome::Parked, true),
        ("RJ1", SOUND, 201, DeliveryOutcome::Processed, false),
        ("LBX", BROKEN, 201, DeliveryOutcome::Processed, false),
    ] {
        let world = world();
        let answer = world.post(source, &patient(contact));
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(
            (answer.status, answer.outcome),
            (status, outcome),
            "{source} {contact}: {body}"
        );
        assert_eq!(body.contains("pat-1"), told, "{source} {contact}: {body}");
        assert!(
            !body.contains("Amara"),
            "an issue repeats nothing that was sent"
        );
        let people = world.store().people_after(None, 10).expect("people");
        assert_eq!(
            people.is_empty(),
            status == 422,
            "nothing of a refused delivery is kept"
        );
    }
}

#[test]
fn a_refused_bundle_leaves_nothing_and_names_every_issue() {
    let world = world();
    let entry = |number: u32, contact: &str| {
        let patient = patient(contact).replace("\"p1\"", &format!("\"p{number}\""));
        format!(r#"{{"fullUrl":"https://x.example/Patient/p{number}","resource":{patient}}}"#)
    };
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{},{},{}]}}"#,
        entry(1, SOUND),
        entry(2, BROKEN),
        entry(3, BROKEN),
    );
    let answer = world.post("RJ1", &bundle);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 422, "{body}");
    assert!(
        body.contains("Bundle.entry[1].resource.contact[0]")
            && body.contains("Bundle.entry[2].resource.contact[0]"),
        "{body}"
    );
    assert!(
        world
            .store()
            .people_after(None, 10)
            .expect("people")
            .is_empty()
    );
}

#[test]
fn a_profile_of_the_deployment_counts_where_a_resource_names_it() {
    let world = world();
    let named = patient(SOUND).replacen(
        "\"id\":\"p1\"",
        "\"id\":\"p1\",\"meta\":{\"profile\":[\"http://x/own\"]}",
        1,
    );
    let answer = world.post("RJ1", &named);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        answer.status == 422 && body.contains("http://x/own"),
        "{body}"
    );
}
