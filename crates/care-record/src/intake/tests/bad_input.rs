//! The bad input of issue 2: what is answered, which worklist keeps it, and that the feed flows on.

use super::*;

#[test]
fn bad_messages_are_answered_kept_and_passed_over() {
    let world = World::new();
    let header = |facility: &str, id: &str, version: &str| {
        format!(
            "MSH|^~\\&|PAS|{facility}|CC|QKK|20261123100000||ADT^A01^ADT_A01|{id}|P|{version}\r"
        )
    };
    let unsupported = header("RJ1", "6", "2.4").replace("ADT^A01^ADT_A01", "ORM^O01");
    let table: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("empty", b"".to_vec(), "AR", "MSH"),
        ("blank", b" \r\n ".to_vec(), "AR", "MSH"),
        ("no header", b"PID|1||2\r".to_vec(), "AR", "MSH"),
        (
            "not HL7 at all",
            b"{\"resourceType\":\"Patient\"}".to_vec(),
            "AR",
            "MSH",
        ),
        ("binary", vec![0, 1, 2, 3, 0xff, 0xfe], "AR", "MSH"),
        (
            "wrong version",
            header("RJ1", "5", "9.9").into_bytes(),
            "AR",
            "MSH-12",
        ),
        (
            "unknown type",
            format!("{unsupported}PID|1||2\r").into_bytes(),
            "AR",
            "MSH-9",
        ),
        (
            "unknown sender",
            format!("{}PID|1||2\r", header("NOBODY", "7", "2.4")).into_bytes(),
            "AR",
            "MSH-4",
        ),
        (
            "a source of another feed",
            format!("{}PID|1||2\r", header("G85001", "8", "2.4")).into_bytes(),
            "AR",
            "MSH-4",
        ),
        (
            "several messages",
            format!("{0}PID|1\r{0}", header("RJ1", "9", "2.4")).into_bytes(),
            "AR",
            "MSH",
        ),
    ];
    for (row, (name, bytes, code, place)) in table.into_iter().enumerate() {
        let answer = world.v2(&bytes);
        let text = String::from_utf8_lossy(&answer.acknowledgement).into_owned();
        assert!(text.contains(&format!("\rMSA|{code}|")), "{name}: {text}");
        assert!(
            answer.reasons[0].starts_with(place),
            "{name}: {:?}",
            answer.reasons
        );
        assert!(
            matches!(
                answer.outcome,
                DeliveryOutcome::Refused | DeliveryOutcome::Parked
            ),
            "{name}"
        );
        let rows = world.rows("parked-delivery");
        assert_eq!(rows.len(), row + 1, "{name} is on the worklist");
        let kept = world
            .store()
            .delivery_body(rows[row].delivery.expect("a delivery"))
            .expect("read");
        assert_eq!(kept.expect("kept").1, bytes, "{name} is kept whole");
    }
    let next = world.post(
        "RJ1",
        &bundle(&[patient("1", AMARA, true, "Amara Osei", "1945-03-02")]),
    );
    assert!(next.outcome.is_stored(), "the feed flows on");
}

#[test]
fn bad_requests_are_answered_kept_and_passed_over() {
    let world = World::new();
    let deep = format!("{}1{}", "[".repeat(150), "]".repeat(150));
    let lonely = observation("o", "nobody", "1", at(-5));
    let no_rules = r#"{"resourceType":"Patient","id":"1","birthDate":"yesterday"}"#;
    let table: Vec<(&str, &str, &str, u16, DeliveryOutcome)> = vec![
        (
            "not JSON",
            "",
            "this is no JSON",
            400,
            DeliveryOutcome::Refused,
        ),
        (
            "truncated",
            "",
            r#"{"resourceType":"Bundle","#,
            400,
            DeliveryOutcome::Refused,
        ),
        ("empty", "", "", 400, DeliveryOutcome::Refused),
        (
            "not FHIR",
            "",
            r#"{"hello":"world"}"#,
            400,
            DeliveryOutcome::Refused,
        ),
        ("too deep", "", &deep, 400, DeliveryOutcome::Refused),
        (
            "an address that does not fit",
            "Observation",
            r#"{"resourceType":"Patient","id":"1"}"#,
            400,
            DeliveryOutcome::Refused,
        ),
        (
            "breaks R4's rules",
            "Patient",
            no_rules,
            422,
            DeliveryOutcome::Parked,
        ),
        (
            "about nobody known",
            "Observation",
            &lonely,
            422,
            DeliveryOutcome::Parked,
        ),
    ];
    for (row, (name, path, body, status, outcome)) in table.into_iter().enumerate() {
        let answer = world.send("RJ1", FhirMethod::Post, path, body, None);
        assert_eq!(
            (answer.status, answer.outcome),
            (status, outcome),
            "{name}: {:?}",
            answer.reasons
        );
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("OperationOutcome"), "{name}: {text}");
        assert_eq!(
            world.rows("parked-delivery").len(),
            row + 1,
            "{name} is on the worklist"
        );
    }
    let unknown = world.intake.receive_fhir(&FhirDelivery {
        client: "feed-gp",
        source: &ods("RJ1"),
        method: FhirMethod::Post,
        path: "Patient",
        body: b"{}",
        format: FhirFormat::Json,
        request_id: None,
    });
    assert_eq!(unknown.status, 403);
    let next = world.post(
        "RJ1",
        &bundle(&[patient("1", AMARA, true, "Amara Osei", "1945-03-02")]),
    );
    assert!(next.outcome.is_stored(), "the feed flows on");
    assert_eq!(
        world.store().health().expect("health").people,
        1,
        "nothing bad made a person"
    );
}

#[test]
fn a_reference_to_nothing_is_kept_by_its_identifier_and_told() {
    let world = World::new();
    let body = observation("o", "1", "131.0", at(-5)).replace(
        "\"effectiveDateTime\"",
        "\"encounter\":{\"reference\":\"Encounter/77\"},\"effectiveDateTime\"",
    );
    let answer = world.post(
        "RJ1",
        &bundle(&[patient("1", AMARA, true, "Amara Osei", "1945-03-02"), body]),
    );
    assert_eq!(answer.outcome, DeliveryOutcome::ProcessedWithWarnings);
    assert!(
        answer
            .reasons
            .iter()
            .any(|reason| reason.contains("Encounter")),
        "{:?}",
        answer.reasons
    );
    let person = world.by_number(AMARA).expect("known");
    let read = world.read(person).join("\n");
    assert!(
        read.contains(r#""value":"77""#) && !read.contains("Encounter/77"),
        "{read}"
    );
    assert!(
        read.contains(&format!("\"subject\":{{\"reference\":\"Patient/{person}\"")),
        "{read}"
    );
}

#[test]
fn a_date_in_the_future_is_kept_told_and_put_on_a_worklist() {
    let world = World::new();
    let body = observation("o", "1", "131.0", at(-5)).replace("2026-11-20", "2027-02-01");
    let answer = world.post(
        "RJ1",
        &bundle(&[patient("1", AMARA, true, "Amara Osei", "1945-03-02"), body]),
    );
    assert_eq!(answer.outcome, DeliveryOutcome::ProcessedWithWarnings);
    assert!(
        answer
            .reasons
            .iter()
            .any(|reason| reason.contains("24 hours")),
        "{:?}",
        answer.reasons
    );
    assert_eq!(world.row_kinds(), ["data-quality"]);
}

#[test]
fn a_parked_delivery_is_replayed_once_its_fault_is_mended() {
    let world = World::new();
    let lonely = observation("o", "1", "131.0", at(-5));
    assert_eq!(world.post("RJ1", &lonely).outcome, DeliveryOutcome::Parked);
    let row = world.rows("parked-delivery")[0].row;
    let senders = Senders::default();
    let too_early = world.intake.replay(row, &senders, "engineer");
    assert!(
        matches!(too_early, Err(ReplayError::StillRefused(_))),
        "{too_early:?}"
    );
    world.put(
        "RJ1",
        "Patient/1",
        &patient("1", AMARA, true, "Amara Osei", "1945-03-02"),
    );
    let outcome = world
        .intake
        .replay(row, &senders, "engineer")
        .expect("used now");
    assert_eq!(outcome, DeliveryOutcome::Processed);
    assert!(
        world.rows("parked-delivery").is_empty(),
        "the row is closed"
    );
    assert_eq!(world.read(world.by_number(AMARA).expect("known")).len(), 2);
    let again = world.post("RJ1", &lonely);
    assert_eq!(
        (again.status, again.outcome),
        (201, DeliveryOutcome::Repeated),
        "answered as replayed"
    );
    assert!(matches!(
        world.intake.replay(row, &senders, "engineer"),
        Err(ReplayError::NothingToReplay)
    ));
}

#[test]
fn a_closed_store_never_answers_as_accepted() {
    let world = World::new();
    world.record.close();
    let body = bundle(&[patient("1", AMARA, true, "Amara Osei", "1945-03-02")]);
    let answer = world.post("RJ1", &body);
    assert_eq!(
        (answer.status, answer.outcome),
        (503, DeliveryOutcome::Transient)
    );
    let message = b"MSH|^~\\&|PAS|RJ1|CC|QKK|20261123100000||ADT^A01|77|P|2.4\rPID|1||1^^^RJ1^MR\r";
    let answer = world.v2(message);
    assert_eq!(answer.outcome, DeliveryOutcome::Transient);
    assert!(String::from_utf8_lossy(&answer.acknowledgement).contains("MSA|AR|77"));
}
