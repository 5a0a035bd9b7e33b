//! The same again changes nothing and gets the same answer; another body under a used id is kept aside.

use super::*;

#[test]
fn the_same_request_gets_its_stored_answer_and_changes_nothing() {
    let world = World::new();
    let body = bundle(&[
        patient("1", AMARA, true, "Amara Osei", "1945-03-02"),
        observation("o", "1", "131.0", at(-5)),
    ]);
    let first = world.send("RJ1", FhirMethod::Post, "", &body, Some("r1"));
    assert_eq!(
        (first.status, first.outcome),
        (200, DeliveryOutcome::Processed),
        "{:?}",
        first.reasons
    );
    let before = (
        world.deliveries(),
        world.store().health().expect("health").items,
    );
    world.clock.set(at(30));
    let again = world.send("RJ1", FhirMethod::Post, "", &body, Some("r1"));
    assert_eq!(again.outcome, DeliveryOutcome::Repeated);
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(
        before,
        (
            world.deliveries(),
            world.store().health().expect("health").items
        )
    );
}

#[test]
fn another_body_under_a_used_id_is_refused_and_kept_aside() {
    let world = World::new();
    let one = patient("1", AMARA, true, "Amara Osei", "1945-03-02");
    let other = patient("1", AMARA, true, "Amara Mensah", "1945-03-02");
    world.send("RJ1", FhirMethod::Put, "Patient/1", &one, Some("r1"));
    let refused = world.send("RJ1", FhirMethod::Put, "Patient/1", &other, Some("r1"));
    assert_eq!(
        (refused.status, refused.outcome),
        (409, DeliveryOutcome::Refused)
    );
    assert_eq!(world.row_kinds(), ["duplicate-control-id"]);
    let again = world.send("RJ1", FhirMethod::Put, "Patient/1", &other, Some("r1"));
    assert_eq!(
        (again.status, again.outcome),
        (409, DeliveryOutcome::Repeated)
    );
    assert_eq!(world.row_kinds().len(), 1, "told once");
    assert_eq!(world.deliveries().len(), 2, "both bodies are kept");
}

#[test]
fn a_return_to_an_earlier_undated_state_is_a_new_statement() {
    let world = World::new();
    let one = patient("1", AMARA, true, "Amara Osei", "1945-03-02");
    let other = patient("1", AMARA, true, "Amara Mensah", "1945-03-02");
    for (minute, body, expected) in [(0, &one, "Osei"), (1, &other, "Mensah"), (2, &one, "Osei")] {
        world.clock.set(at(minute));
        let answer = world.put("RJ1", "Patient/1", body);
        assert!(answer.outcome.is_stored());
        let person = world.by_number(AMARA).expect("known");
        let read = world.read(person);
        assert!(read[0].contains(expected), "minute {minute}: {}", read[0]);
    }
}

#[test]
fn a_refused_message_gets_its_stored_answer_too() {
    let world = World::new();
    let message =
        b"MSH|^~\\&|PAS|NOBODY|CC|QKK|20261123100000||ADT^A01|77|P|2.4\rPID|1||1^^^RJ1^MR\r";
    let first = world.v2(message);
    world.clock.set(at(5));
    let again = world.v2(message);
    assert_eq!(first.outcome, DeliveryOutcome::Refused);
    assert_eq!(again.outcome, DeliveryOutcome::Repeated);
    assert_eq!(first.acknowledgement, again.acknowledgement);
    let mut other = message.to_vec();
    other.extend_from_slice(b"ZZZ|1\r");
    let used_twice = world.v2(&other);
    let text = String::from_utf8_lossy(&used_twice.acknowledgement).into_owned();
    assert!(text.contains("MSA|AE|77") && text.contains("205"), "{text}");
    assert_eq!(
        world.row_kinds(),
        ["parked-delivery", "duplicate-control-id"]
    );
}

#[test]
fn two_connections_with_the_same_delivery_have_one_effect() {
    let world = World::new();
    let body = bundle(&[
        patient("1", AMARA, true, "Amara Osei", "1945-03-02"),
        observation("o", "1", "131.0", at(-5)),
    ]);
    let answers: Vec<FhirAnswer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| world.send("RJ1", FhirMethod::Post, "", &body, Some("r1"))))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("answered"))
            .collect()
    });
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    let stored = answers
        .iter()
        .filter(|answer| answer.outcome == DeliveryOutcome::Processed);
    assert_eq!(stored.count(), 1);
    assert_eq!(world.store().health().expect("health").people, 1);
}
