//! A source says that two records are one person (A34, A40), and that it was mistaken.

use care_core::audit::{Act, Entry, Outcome};
use care_core::mapping::{Mapped, Subject};
use care_core::vocabulary::{
    Demographics, NhsNumber, NumberStatus, OrganisationKind, PartialDate, PersonName,
};

use super::super::filing::Filing;
use super::*;
use crate::identity::Sender;
use crate::store::{Change, Commit};
use crate::{Choice, ChoiceStatus, ConnectCareChoice};

fn subject(key: &str, number: &str, born: &str) -> Subject {
    let number = NhsNumber::parse(number).ok();
    Subject {
        source_key: key.to_owned(),
        demographics: Demographics {
            nhs_number: number,
            number_status: number.map(|_| NumberStatus::Verified),
            local_ids: vec![(key.to_owned(), "RJ1".to_owned())],
            names: vec![PersonName {
                family: "Brennan".to_owned(),
                given: vec!["Niamh".to_owned()],
                ..PersonName::default()
            }],
            birth_date: PartialDate::parse_fhir(born),
            ..Demographics::default()
        },
    }
}

/// A merge message after mapping: the survivor, and the number that gives way.
fn says_one(world: &World, survivor: Subject, prior: &str) {
    let mapped = Mapped {
        subject: Some(survivor),
        drafts: Vec::new(),
        involvements: Vec::new(),
        merge: Some(Subject {
            source_key: prior.to_owned(),
            demographics: Demographics::default(),
        }),
        issues: Vec::new(),
    };
    let parts = &world.intake.parts;
    let source = ods("RJ1");
    let filing = Filing {
        store: &*parts.store,
        lists: &parts.lists,
        sender: Sender {
            source: &source,
            kind: OrganisationKind::Trust,
            feed: "feed-hospital",
        },
        received_at: at(10),
        patients_replace: false,
        book: &Default::default(),
    };
    let Ok(mut filed) = filing.file(vec![mapped]) else {
        panic!("filed");
    };
    filed
        .changes
        .extend(filed.worklist.into_iter().map(Change::Worklist));
    let entry = Entry::new(at(10), Act::Receive, Outcome::Success, "feed-hospital");
    let commit = Commit {
        changes: filed.changes,
        entry,
        more_entries: filed.entries,
    };
    parts.store.commit(commit).expect("committed");
}

fn registered(world: &World, key: &str, number: &str, born: &str) {
    let body = patient(key, number, true, "Niamh Brennan", born);
    let answer = world.put("RJ1", &format!("Patient/{key}"), &body);
    assert!(answer.outcome.is_stored(), "{:?}", answer.reasons);
}

const BORN: &str = "1971-05-06";
const NIAMH: &str = "9990000158";

#[test]
fn a_merge_joins_and_its_undoing_leaves_nothing_behind() {
    let world = World::new();
    registered(&world, "new", NIAMH, BORN);
    let body = patient("old", "", false, "Niamh Brennan-Daly", BORN);
    world.put("RJ1", "Patient/old", &body);
    let (new, old) = (
        world.by_key("RJ1", "new").expect("new"),
        world.by_key("RJ1", "old").expect("old"),
    );
    assert_ne!(new, old);
    let picture = |world: &World| {
        [new, old].map(|person| {
            let row = world.person(person);
            (
                world.read(person),
                row.identifiers,
                row.flags,
                row.involvements,
                row.joined_into,
            )
        })
    };
    says_one(&world, subject("new", NIAMH, BORN), "old");
    assert_eq!(world.person(old).joined_into, Some(new));
    assert_eq!(world.read(new).len(), 2, "read as one");
    // Said again, it is so already.
    says_one(&world, subject("new", NIAMH, BORN), "old");
    world
        .record
        .identity()
        .undo_join(old, "steward", "mistaken")
        .expect("undone");
    let after = picture(&world);
    assert_eq!((after[0].0.len(), after[1].0.len()), (1, 1));
    assert_eq!((after[0].4, after[1].4), (None, None));
    let foreign = after[0].1.iter().any(|(_, value, _)| value == "old");
    assert!(!foreign, "no number of the other stays");
}

#[test]
fn a_number_nobody_used_yet_gives_way_as_well() {
    let world = World::new();
    registered(&world, "new", NIAMH, BORN);
    says_one(&world, subject("new", NIAMH, BORN), "old");
    let (new, old) = (
        world.by_key("RJ1", "new").expect("new"),
        world.by_key("RJ1", "old").expect("old"),
    );
    assert_eq!(world.person(old).joined_into, Some(new));
    world.post(
        "RJ1",
        &bundle(&[
            patient("old", "", false, "Niamh Brennan", BORN),
            observation("o", "old", "1.0", at(1)),
        ]),
    );
    assert_eq!(
        world.read(new).len(),
        3,
        "a message still on its way finds the person"
    );
}

#[test]
fn a_merge_of_two_numbers_or_birth_dates_waits_for_a_person() {
    for (name, number, born) in [("numbers", AMARA, BORN), ("birth dates", "", "1917-06-05")] {
        let world = World::new();
        registered(&world, "new", NIAMH, BORN);
        registered(&world, "old", number, born);
        says_one(&world, subject("new", NIAMH, BORN), "old");
        let old = world.by_key("RJ1", "old").expect("old");
        assert_eq!(world.person(old).joined_into, None, "{name}");
        assert_eq!(world.rows("merge-review").len(), 1, "{name}");
    }
}

#[test]
fn differing_choices_do_not_migrate_and_are_reviewed() {
    let world = World::new();
    registered(&world, "new", NIAMH, BORN);
    world.put(
        "RJ1",
        "Patient/old",
        &patient("old", "", false, "Niamh Brennan-Daly", BORN),
    );
    let (new, old) = (
        world.by_key("RJ1", "new").expect("new"),
        world.by_key("RJ1", "old").expect("old"),
    );
    let objected = Choice {
        connect_care: ConnectCareChoice::ObjectedExceptEmergency,
        status: ChoiceStatus::Decided,
        set_by: "self".to_owned(),
        channel: "paper".to_owned(),
        decided_at: at(0),
        number: 1,
        ..Choice::default()
    };
    world
        .record
        .choices()
        .record(old, &objected, "officer")
        .expect("recorded");
    says_one(&world, subject("new", NIAMH, BORN), "old");
    assert_eq!(
        world.record.choices().current(new).expect("read"),
        Some(objected)
    );
    assert_eq!(
        world.person(new).choice,
        None,
        "it stays the other record's"
    );
    assert_eq!(world.rows("merge-review").len(), 1);
}
