//! An older event never overwrites a newer one, whatever the order of arrival.

use super::*;

fn statements() -> Vec<(String, String)> {
    let patient = |minute: i64, family: &str| {
        let body = patient("1", AMARA, true, &format!("Amara {family}"), "1945-03-02");
        let dated = format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"1\",\"meta\":{{\"lastUpdated\":\"{}\"}},",
            at(minute)
        );
        (
            "Patient/1".to_owned(),
            body.replacen("{\"resourceType\":\"Patient\",\"id\":\"1\",", &dated, 1),
        )
    };
    let mut all = vec![
        patient(-90, "Osei"),
        patient(-60, "Mensah"),
        patient(-30, "Boateng"),
    ];
    for number in 0..3 {
        for (minute, value) in [(-80, "1.0"), (-50, "1.50"), (-20, "2.0")] {
            let id = format!("o{number}");
            let body = observation(&id, "1", value, at(minute));
            all.push((format!("Observation/{id}"), body));
        }
    }
    all
}

fn state_after(statements: &[(String, String)]) -> (Vec<String>, Vec<String>) {
    let world = World::new();
    for (minute, (path, body)) in statements.iter().enumerate() {
        world.clock.set(at(minute as i64));
        let answer = world.put("RJ1", path, body);
        assert!(answer.outcome.is_stored(), "{path}: {:?}", answer.reasons);
    }
    let person = world.by_number(AMARA).expect("known");
    let details = world.person(person).details;
    let plain = |body: String| {
        let mut body = body.replace(&person.to_string(), "person");
        for name in ["versionId", "lastUpdated"] {
            if let Some(start) = body.find(&format!("\"{name}\":\"")) {
                let end = body[start + name.len() + 4..].find('"').expect("an end");
                body.replace_range(start..start + name.len() + 5 + end, "");
            }
        }
        body
    };
    let mut read: Vec<String> = world.read(person).into_iter().map(plain).collect();
    read.sort();
    (read, details.into_iter().map(|row| row.family).collect())
}

#[test]
fn a_shuffled_replay_ends_as_the_ordered_one() {
    let all = statements();
    let ordered = state_after(&all);
    assert!(
        ordered.0.iter().any(|body| body.contains("Boateng")),
        "{:?}",
        ordered.0
    );
    assert!(
        ordered
            .0
            .iter()
            .filter(|body| body.contains("\"value\":2.0"))
            .count()
            == 3
    );
    assert_eq!(ordered.1, ["boateng"]);
    for seed in 0..6_u64 {
        // The first statement stays first: it says who the person is.
        let mut shuffled = all.clone();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for place in (2..shuffled.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            shuffled.swap(place, 1 + (state >> 33) as usize % place);
        }
        assert_eq!(ordered, state_after(&shuffled), "seed {seed}");
    }
}

#[test]
fn an_older_choice_never_overwrites_a_newer_one() {
    let consent = |when: &str, kind: &str| {
        format!(
            r#"{{"resourceType":"Consent","id":"c","meta":{{"lastUpdated":"{when}"}},"status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"category":[{{"coding":[{{"system":"https://connect-care.example/CodeSystem/consent","code":"connect-care-choice"}}]}}],"patient":{{"reference":"Patient/1"}},"dateTime":"{when}","policyRule":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}}]}},"provision":{{"type":"{kind}"}}}}"#
        )
    };
    let world = World::new();
    world.put(
        "G85001",
        "Patient/1",
        &patient("1", AMARA, true, "Amara Osei", "1945-03-02"),
    );
    let newer = world.put(
        "G85001",
        "Consent/c",
        &consent("2026-11-01T10:00:00Z", "deny"),
    );
    assert!(newer.outcome.is_stored(), "{:?}", newer.reasons);
    world.put(
        "G85001",
        "Consent/c",
        &consent("2026-10-01T10:00:00Z", "permit"),
    );
    let person = world.by_number(AMARA).expect("known");
    let held = world
        .record
        .choices()
        .current(person)
        .expect("read")
        .expect("a choice");
    assert_eq!(held.connect_care, crate::ConnectCareChoice::Objected);
}
