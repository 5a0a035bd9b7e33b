//! What a person sees of the looks at their record: what is held back, what did not happen, what they
//! were told and asked.

use care_core::audit::{Act, Entry, Outcome};
use care_core::sections::SectionRequest;
use care_core::vocabulary::{Category, CategorySet, Role};
use jiff::ToSpan;

use super::looks::Given;
use super::tests::*;
use crate::store::Commit;
use crate::{
    Caller, DisclosureError, Look, LookKind, MessageState, OwnCase, OwnSettings, Refusal, Why,
};

fn looks(world: &World) -> Vec<Look> {
    world
        .door()
        .who_looked(&amara(), start())
        .expect("told")
        .into_inner()
        .into_iter()
        .filter(|look| !look.own)
        .collect()
}

fn officer() -> Caller {
    caller(Role::PrivacyOfficer, "X9T01", "session-ig")
}

fn opened(world: &World, caller: &Caller) -> String {
    let opened = open(world, caller, &Why::PermissionToday).expect("opened");
    world
        .door()
        .section(caller, &opened.visit, &SectionRequest::Allergies)
        .expect("a page");
    opened.visit
}

#[test]
fn a_look_that_is_held_back_leaves_no_line_no_count_and_no_number_until_its_time_ends() {
    let world = World::new();
    let before = looks(&world);
    opened(&world, &nurse());
    let entry = looks(&world)[0].entry;
    let door = world.door();
    let until = start() + 30.hours();
    for refused in [nurse(), amara(), caller(Role::SystemAdmin, "X9T01", "s")] {
        assert!(matches!(
            door.hold_look(&refused, entry, until, "harm"),
            Err(DisclosureError::Refused(Refusal::NotForYourRole))
        ));
    }
    for (until, reason) in [
        (start(), "harm"),
        (start() + (24 * 400).hours(), "harm"),
        (until, " "),
    ] {
        assert!(matches!(
            door.hold_look(&officer(), entry, until, reason),
            Err(DisclosureError::Unclear(_))
        ));
    }
    door.hold_look(&officer(), entry, until, "telling could put her at risk")
        .expect("held");
    assert_eq!(looks(&world), before, "nothing tells of it");
    // Nor can it be asked about by its number.
    let case = OwnCase::NotRecognised(entry);
    assert!(matches!(
        door.own_case(&amara(), case, ""),
        Err(DisclosureError::NotThere)
    ));
    let listed = door
        .held_looks(&officer(), world.last().person.expect("hers"))
        .expect("told");
    assert_eq!(listed[0].reason, "telling could put her at risk");
    world.clock.set(until);
    assert_eq!(looks(&world).len(), before.len() + 1, "its time has ended");
    world.clock.set(start());
    door.release_look(&officer(), entry).expect("told again");
    assert_eq!(looks(&world).len(), before.len() + 1);
    assert!(matches!(
        door.release_look(&officer(), entry),
        Err(DisclosureError::NotThere)
    ));
}

#[test]
fn an_officer_does_not_hold_back_a_look_of_their_own() {
    let world = World::new();
    let number = {
        let mut entry = Entry::new(start(), Act::View, Outcome::Success, officer().user.id);
        entry.person = world.last().person;
        let commit = Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        };
        let store = &world.record.inner().store;
        store.commit(commit).expect("kept").entry
    };
    let refused = world
        .door()
        .hold_look(&officer(), number, start() + 30.hours(), "harm");
    assert!(matches!(refused, Err(DisclosureError::Unclear(_))));
}

#[test]
fn an_attendance_at_which_nobody_looked_is_told_unless_somebody_did_or_it_was_held_back() {
    // The attendance is over at this hour; who looked during it, and what is told.
    for (name, look, hold, told) in [
        ("nobody looked", false, false, true),
        ("somebody looked", true, false, false),
        ("somebody looked, and it is held back", true, true, false),
    ] {
        let world = World::new();
        world.send_to("X9C01", "N1", "ADT^A28", &[AL1]);
        world.clock.set(start() + 1.hours());
        world.send(
            "E1",
            "ADT^A04",
            &["PV1|1|E|ED||||||||||||||||E900|||||||||||||||||||||||||20261123110000"],
        );
        if look {
            opened(&world, &nurse());
        }
        world.clock.set(start() + 4.hours());
        world.send(
            "E2",
            "ADT^A03",
            &["PV1|1|E|ED||||||||||||||||E900|||||||||||||||||||||||||20261123110000|20261123130000"],
        );
        if hold {
            let entry = looks(&world)[0].entry;
            world
                .door()
                .hold_look(&officer(), entry, start() + 90.hours(), "harm")
                .expect("held");
        }
        let all = looks(&world);
        let not_opened: Vec<&Look> = all
            .iter()
            .filter(|one| one.kind == LookKind::NotOpened)
            .collect();
        assert_eq!(not_opened.len(), usize::from(told), "{name}: {all:#?}");
        for one in not_opened {
            assert_eq!(one.team, "Emergency department");
            assert_eq!(one.place, "X9T01 full name");
        }
    }
}

#[test]
fn finders_who_did_not_open_systems_and_disclosures_are_looks_of_their_own() {
    let world = World::new();
    choose(&world, &nurse());
    let found = looks(&world);
    assert_eq!(found[0].kind, LookKind::Found);
    assert_eq!(
        found[0].why,
        "They saw your name. They did not open your record."
    );
    opened(&world, &nurse());
    let all = looks(&world);
    assert_eq!(all.len(), 1, "the find led to the opening: {all:#?}");
    // What was given to somebody outside her care names them, and why.
    let given = Given {
        to: "Example County Court".to_owned(),
        reference: "CC-1111-2222".to_owned(),
        why: "A court asked for it.".to_owned(),
    };
    let entry = Entry::new(start(), Act::Disclose, Outcome::Success, "caldicott");
    let person = world.last().person.expect("hers");
    let results = CategorySet::EMPTY.with(Category::Results);
    let commit = Commit {
        changes: Vec::new(),
        entry: given.entry(entry, "disclosure", person, results),
        more_entries: Vec::new(),
    };
    world.record.inner().store.commit(commit).expect("kept");
    let all = looks(&world);
    let told = all
        .iter()
        .find(|one| one.kind == LookKind::Given)
        .expect("told");
    assert_eq!(
        (
            told.place.as_str(),
            told.why.as_str(),
            told.reference.as_str()
        ),
        (
            "Example County Court",
            "A court asked for it.",
            "CC-1111-2222"
        )
    );
    assert_eq!(told.seen, ["your test results"]);
}

#[test]
fn a_disclosure_can_be_held_back_in_the_commit_that_makes_it() {
    let world = World::new();
    let before = looks(&world);
    let person = world.last().person.expect("hers");
    let mut entry = Entry::new(start(), Act::Disclose, Outcome::Success, "caldicott");
    entry.visit = "disclosure-CC-1111-2222".to_owned();
    let held = world
        .door()
        .hold_change(
            person,
            &entry.visit,
            (start() + 90.hours(), "caldicott", "a police inquiry"),
        )
        .expect("a change");
    entry.person = Some(person);
    let commit = Commit {
        changes: vec![held],
        entry,
        more_entries: Vec::new(),
    };
    world.record.inner().store.commit(commit).expect("kept");
    assert_eq!(looks(&world), before);
    world.clock.set(start() + 90.hours());
    assert_eq!(looks(&world).len(), before.len() + 1);
}

#[test]
fn emergency_access_makes_a_message_that_is_sent_once_where_the_person_asked() {
    let world = World::new();
    let (door, queue) = (world.door(), world.record.messages());
    let emergency = Why::Emergency {
        ground: crate::Ground::RiskToLife,
        text: "unconscious".to_owned(),
        seal: false,
    };
    let doctor = caller(Role::HospitalDoctor, "X9C01", "session-ed");
    open(&world, &doctor, &emergency).expect("opened");
    let letters = door.own_letters(&amara()).expect("told");
    assert_eq!(letters.messages.len(), 1);
    assert_eq!(letters.messages[0].state, MessageState::Shown);
    assert!(queue.due(10).expect("due").is_empty(), "she asked for none");
    let settings = OwnSettings {
        contact: "email".to_owned(),
        address: "amara@example.org".to_owned(),
        emergency_notices: true,
        ..OwnSettings::default()
    };
    door.set_own_settings(&amara(), &settings).expect("kept");
    world.clock.set(start() + 1.hours());
    open(&world, &doctor, &emergency).expect("opened");
    let due = queue.due(10).expect("due");
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].to, "amara@example.org");
    assert!(!due[0].text.contains("Amara") && !due[0].text.contains("999"));
    // A try that fails is tried again later; one that works ends it.
    queue.failed(&due[0].key).expect("noted");
    assert!(queue.due(10).expect("due").is_empty());
    world.clock.set(start() + 1.hours() + 2.minutes());
    let again = queue.due(10).expect("due");
    queue.sent(&again[0].key).expect("noted");
    assert!(queue.due(10).expect("due").is_empty());
    assert!(queue.sent(&again[0].key).is_err(), "once");
    // One that is held back is neither shown nor sent.
    world.clock.set(start() + 3.hours());
    open(&world, &doctor, &emergency).expect("opened");
    let entry = looks(&world)[0].entry;
    door.hold_look(&officer(), entry, start() + 90.hours(), "harm")
        .expect("held");
    assert!(queue.due(10).expect("due").is_empty());
    assert_eq!(door.own_letters(&amara()).expect("told").messages.len(), 2);
}

#[test]
fn a_request_is_told_with_its_reference_and_state() {
    let world = World::new();
    opened(&world, &nurse());
    let door = world.door();
    let entry = looks(&world)[0].entry;
    let case = OwnCase::NotRecognised(entry);
    let reference = door
        .own_case(&amara(), case, "not me")
        .expect("opened")
        .into_inner();
    let letters = door.own_letters(&amara()).expect("told");
    let request = &letters.requests[0];
    assert_eq!(request.reference, reference);
    assert_eq!(request.entry, Some(entry));
    assert!(request.due_at.is_some() && request.closed_at.is_none());
}

#[test]
fn looks_at_a_record_that_was_joined_stay_and_can_be_held_back_after_the_join() {
    let world = World::new();
    let door = world.door();
    world.send_about("9990000026", "", "B1", "ADT^A01", &[PV1]);
    let other = world.last().person.expect("the other record");
    let choice = door
        .find_by_number(&nurse(), "9990000026")
        .expect("an answer")
        .expect("a number")
        .into_inner()
        .expect("one person");
    door.open(&nurse(), &choice, &Why::PermissionToday)
        .expect("opened");
    assert!(looks(&world).is_empty(), "it is somebody else's record yet");
    let amara_key = {
        door.who_looked(&amara(), start()).expect("told");
        world.last().person.expect("hers")
    };
    world
        .record
        .identity()
        .join(other, amara_key, "steward", "one person")
        .expect("joined");
    let joined = looks(&world);
    assert_eq!(joined.len(), 1, "{joined:#?}");
    let entry = joined[0].entry;
    door.hold_look(&officer(), entry, start() + 90.hours(), "harm")
        .expect("held");
    assert!(looks(&world).is_empty());
}
