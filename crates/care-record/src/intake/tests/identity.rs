//! Whose record it becomes: links, doubts, joins and their undoing.

use super::*;
use crate::identity::PROVISIONAL;
use crate::{Choice, ChoiceStatus, ConnectCareChoice, IdentityDecision};

fn amara(id: &str) -> String {
    patient(id, AMARA, true, "Amara Osei", "1945-03-02")
}

#[test]
fn two_sources_with_one_verified_number_and_birth_date_are_one_person() {
    let world = World::new();
    world.put("G85001", "Patient/g", &amara("g"));
    world.put("RJ1", "Patient/h", &amara("h"));
    assert_eq!(world.by_key("G85001", "g"), world.by_key("RJ1", "h"));
    assert_eq!(world.store().health().expect("health").people, 1);
    assert_eq!(
        world.read(world.by_number(AMARA).expect("known")).len(),
        2,
        "both sources' Patient"
    );
}

#[test]
fn what_is_doubtful_is_kept_apart_found_by_nobody_and_put_on_a_worklist() {
    let unverified = patient("x", AMARA, false, "Amara Osei", "1945-03-02");
    let other_birth_date = patient("x", AMARA, true, "Amara Osei", "1954-03-02");
    let no_birth_date = patient("x", AMARA, true, "Amara Osei", "");
    let only_details = patient("x", "", false, "Amara Osei", "1945-03-02");
    let mistyped = patient("x", MISTYPED, true, "Amara Osei", "1945-03-02");
    for (name, body) in [
        ("an unverified number", unverified),
        ("another birth date", other_birth_date),
        ("no birth date", no_birth_date),
        ("name and birth date alone", only_details),
        ("a mistyped number", mistyped),
    ] {
        let world = World::new();
        world.put("G85001", "Patient/g", &amara("g"));
        let answer = world.put("RJ1", "Patient/x", &body);
        assert!(answer.outcome.is_stored(), "{name}: {:?}", answer.reasons);
        let known = world.by_number(AMARA).expect("known");
        assert_eq!(world.read(known).len(), 1, "{name}: nothing of it is shown");
        let rows = world.rows("identity-doubt");
        assert_eq!(rows.len(), 1, "{name}");
        let provisional = rows[0].person.expect("a person");
        assert_ne!(provisional, known);
        assert!(world.has_flag(provisional, PROVISIONAL), "{name}");
        assert!(
            world.has_flag(known, "identity-doubt"),
            "{name}: those who see the record are told"
        );
        assert_eq!(world.read(provisional).len(), 1, "{name}: nothing is lost");
        world.clock.set(at(3));
        world.put("RJ1", "Patient/x", &body);
        assert_eq!(world.rows("identity-doubt").len(), 1, "{name}: asked once");
        assert_eq!(world.store().health().expect("health").people, 2, "{name}");
    }
}

#[test]
fn a_mistyped_number_makes_a_person_of_its_own_and_is_told_once() {
    let world = World::new();
    let body = patient("1", MISTYPED, true, "Amara Osei", "1945-03-02");
    for minute in 0..3 {
        world.clock.set(at(minute));
        assert!(world.put("LBX", "Patient/1", &body).outcome.is_stored());
    }
    assert_eq!(world.row_kinds(), ["unverified-number"]);
    assert_eq!(world.by_number(MISTYPED), None);
    world.put(
        "RJ1",
        "Patient/2",
        &patient("2", MISTYPED, true, "Bernard Whitlock", "1959-01-01"),
    );
    assert_ne!(
        world.by_key("LBX", "1"),
        world.by_key("RJ1", "2"),
        "never linked on"
    );
}

#[test]
fn a_decided_doubt_is_shown_and_never_asked_again() {
    let world = World::new();
    world.put("G85001", "Patient/g", &amara("g"));
    let doubtful = patient("x", AMARA, true, "Amara Osei", "1954-03-02");
    world.put("RJ1", "Patient/x", &doubtful);
    let row = world.rows("identity-doubt")[0].row;
    let known = world.by_number(AMARA).expect("known");
    world
        .record
        .identity()
        .decide(row, IdentityDecision::SamePerson(known), "steward")
        .expect("decided");
    assert_eq!(world.read(known).len(), 2, "shown with the person");
    assert!(!world.has_flag(known, "identity-doubt") && !world.has_flag(known, PROVISIONAL));
    world.clock.set(at(3));
    world.post(
        "RJ1",
        &bundle(&[doubtful, observation("o", "x", "131.0", at(2))]),
    );
    assert_eq!(world.read(known).len(), 3);
    assert!(world.row_kinds().is_empty(), "{:?}", world.row_kinds());
}

#[test]
fn a_doubt_decided_as_a_new_person_is_a_person_like_any_other() {
    let world = World::new();
    world.put("G85001", "Patient/g", &amara("g"));
    world.put(
        "LBX",
        "Patient/x",
        &patient("x", "", false, "Amara Osei", "1945-03-02"),
    );
    let row = world.rows("identity-doubt")[0].clone();
    world
        .record
        .identity()
        .decide(row.row, IdentityDecision::NewPerson, "steward")
        .expect("decided");
    let person = row.person.expect("a person");
    assert!(!world.has_flag(person, PROVISIONAL));
    assert_eq!(
        world.by_key("LBX", "x"),
        Some(person),
        "linked by the source's own number from now on"
    );
    assert_eq!(world.person(person).details.len(), 1, "can be found");
}

#[test]
fn undoing_a_join_leaves_nothing_behind() {
    let world = World::new();
    world.put("G85001", "Patient/g", &amara("g"));
    let other = patient("h", BERNARD, true, "Bernard Whitlock", "1959-01-01");
    let restricted = other.replace("\"name\"", "\"meta\":{\"security\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-Confidentiality\",\"code\":\"R\"}]},\"name\"");
    world.put("RJ1", "Patient/h", &restricted);
    let (one, two) = (
        world.by_number(AMARA).expect("one"),
        world.by_number(BERNARD).expect("two"),
    );
    let picture = |world: &World| {
        [one, two].map(|person| {
            let row = world.person(person);
            (
                world.read(person),
                row.identifiers,
                row.flags,
                row.choice,
                row.details.len(),
                row.joined_into,
            )
        })
    };
    let before = picture(&world);
    let identity = world.record.identity();
    identity
        .join(two, one, "steward", "a test")
        .expect("joined");
    assert_eq!(world.read(one).len(), 2, "read as one");
    identity
        .undo_join(two, "steward", "a mistake")
        .expect("undone");
    assert_eq!(before, picture(&world));
    assert!(identity.undo_join(two, "steward", "again").is_err());
}

#[test]
fn of_two_choices_the_stricter_holds_while_joined_and_each_keeps_its_own() {
    let world = World::new();
    world.put("G85001", "Patient/g", &amara("g"));
    world.put(
        "RJ1",
        "Patient/h",
        &patient("h", BERNARD, true, "Bernard Whitlock", "1959-01-01"),
    );
    let (one, two) = (
        world.by_number(AMARA).expect("one"),
        world.by_number(BERNARD).expect("two"),
    );
    let choices = world.record.choices();
    let objected = Choice {
        connect_care: ConnectCareChoice::Objected,
        status: ChoiceStatus::Decided,
        set_by: "self".to_owned(),
        channel: "paper".to_owned(),
        decided_at: at(0),
        number: 1,
        ..Choice::default()
    };
    choices.record(two, &objected, "officer").expect("recorded");
    assert_eq!(choices.current(one).expect("read"), None);
    world
        .record
        .identity()
        .join(two, one, "steward", "a test")
        .expect("joined");
    assert_eq!(choices.current(one).expect("read"), Some(objected.clone()));
    world
        .record
        .identity()
        .undo_join(two, "steward", "a mistake")
        .expect("undone");
    assert_eq!(choices.current(one).expect("read"), None);
    assert_eq!(choices.current(two).expect("read"), Some(objected));
}

#[test]
fn sources_that_send_somebody_new_at_one_moment_make_one_person() {
    for round in 0..8 {
        let world = World::new();
        std::thread::scope(|scope| {
            for source in ["RJ1", "G85001", "RV5"] {
                let world = &world;
                scope.spawn(move || {
                    let answer = world.put(source, "Patient/1", &amara("1"));
                    assert!(answer.outcome.is_stored(), "{:?}", answer.reasons);
                });
            }
        });
        assert_eq!(
            world.store().health().expect("health").people,
            1,
            "round {round}"
        );
        assert_eq!(world.read(world.by_number(AMARA).expect("known")).len(), 3);
    }
}
