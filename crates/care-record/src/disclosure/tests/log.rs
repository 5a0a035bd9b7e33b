//! The log for its reviewers, and the proof for the person.

use care_core::audit::{LogVerifier, check_proof};
use serde_json::Value;

use super::*;
use crate::{LogAsk, OwnProof};

fn officer() -> Caller {
    caller(Role::PrivacyOfficer, "X9T01", "session-ig")
}

fn asking(purpose: &str) -> FhirAsk {
    FhirAsk {
        stated: Stated {
            purpose: purpose.to_owned(),
            permission: None,
            break_glass: None,
            case: None,
        },
        only_person: None,
    }
}

fn all() -> LogAsk {
    LogAsk {
        count: 100,
        ..LogAsk::default()
    }
}

/// A world in which the nurse opened Amara's record and read her allergies.
fn looked_at() -> World {
    let world = World::new();
    let opened = open(&world, &nurse(), &Why::PermissionToday).expect("opened");
    world
        .door()
        .section(&nurse(), &opened.visit, &SectionRequest::Allergies)
        .expect("read");
    world
}

#[test]
fn a_reviewer_searches_the_log_and_each_reading_is_an_entry() {
    let world = looked_at();
    let person = world.entries().iter().find_map(|entry| entry.person);
    let read = |wanted: &LogAsk| {
        let answer = world
            .door()
            .review_log(&officer(), &asking("audit_review"), wanted);
        answer.expect("read").into_inner()
    };
    let views = |wanted: &LogAsk| {
        let page = read(wanted);
        let acts = page.entries.iter().map(|(_, entry)| entry.act);
        acts.filter(|act| *act == Act::View).count()
    };
    assert_eq!(views(&all()), 1);
    assert_eq!(views(&LogAsk { person, ..all() }), 1);
    let who = Some("hospital_nurse-at-X9T01".to_owned());
    assert_eq!(
        views(&LogAsk {
            who: who.clone(),
            ..all()
        }),
        1
    );
    let nobody = LogAsk {
        who: Some("nobody".into()),
        ..all()
    };
    assert_eq!(read(&nobody).entries, []);
    assert_eq!(
        views(&LogAsk {
            action: Some("C".into()),
            ..all()
        }),
        0
    );
    assert_eq!(
        views(&LogAsk {
            outcome: Some("4".into()),
            ..all()
        }),
        0
    );
    assert_eq!(
        views(&LogAsk {
            from: Some(start() + 1.hours()),
            ..all()
        }),
        0
    );
    assert_eq!(
        views(&LogAsk {
            until: Some(start()),
            ..all()
        }),
        0
    );
    let last = world.last();
    assert_eq!((last.act, last.outcome), (Act::ApiRead, Outcome::Success));
    assert_eq!(last.purpose, "audit_review");

    // Pages of one give what one page of all gives, newest first and nothing twice.
    let ask = LogAsk { who, ..all() };
    let whole: Vec<u64> = read(&ask)
        .entries
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert!(whole.len() > 2 && whole.is_sorted_by(|a, b| a > b));
    let mut one_by_one = Vec::new();
    let mut next = LogAsk { count: 1, ..ask };
    loop {
        let page = read(&next);
        one_by_one.extend(page.entries.iter().map(|(number, _)| *number));
        match page.next {
            Some(before) => next.before = Some(before),
            None => break,
        }
    }
    assert_eq!(one_by_one, whole);
    let entry = world
        .door()
        .review_entry(&officer(), &asking("audit_review"), whole[0]);
    assert_eq!(entry.expect("read").0, whole[0]);
    let absent = world
        .door()
        .review_entry(&officer(), &asking("audit_review"), 1_000_000);
    assert!(matches!(absent, Err(DisclosureError::NotThere)));
}

#[test]
fn nobody_else_reads_the_log_and_the_attempt_is_written_down() {
    let world = looked_at();
    let person = world.entries().iter().find_map(|entry| entry.person);
    let mut herself = officer();
    herself.user.own_number = care_core::vocabulary::NhsNumber::parse(AMARA).ok();
    for (who, purpose, person) in [
        (nurse(), "audit_review", None),
        (nurse(), "audit_review", person),
        (officer(), "direct_care", None),
        (officer(), "direct_care", person),
        (
            caller(Role::SystemAdmin, "X9T01", "s"),
            "audit_review",
            None,
        ),
    ] {
        let wanted = LogAsk { person, ..all() };
        let answer = world.door().review_log(&who, &asking(purpose), &wanted);
        assert!(
            matches!(answer, Err(DisclosureError::Refused(_))),
            "{who:?} {purpose}"
        );
        assert_eq!(world.last().outcome, Outcome::Denied);
    }
}

#[test]
fn a_person_keeps_the_proof_of_a_look_at_their_record_and_of_no_other_entry() {
    let world = looked_at();
    let door = world.door();
    let look = door.who_looked(&amara(), start()).expect("told")[0].entry;
    let asked = |number, names| {
        door.own_proof(&amara(), number, names)
            .map(|p| p.into_inner())
    };
    assert_eq!(asked(look, true).expect("answered"), OwnProof::NotYet);
    world.record.ledger().checkpoint().expect("signed");
    let Ok(OwnProof::File(text)) = asked(look, true) else {
        panic!("no proof")
    };
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let part = |name: &str| file[name].as_str().expect("a text").to_owned();
    let key = LogVerifier::parse(&part("log_key")).expect("a key");
    let checked = check_proof(&part("proof"), part("entry").as_bytes(), &key);
    assert_eq!(checked, Ok(look));
    // Where names of staff are not shown, the entry itself is not handed out.
    let Ok(OwnProof::File(nameless)) = asked(look, false) else {
        panic!("no proof")
    };
    assert!(!nameless.contains("Sam Example") && nameless.contains("entry_hash"));
    // Entries that are not in the person's list have no proof: a delivery, and what is not there.
    for number in [0, 1, 1_000_000] {
        assert!(
            matches!(asked(number, true), Err(DisclosureError::NotThere)),
            "{number}"
        );
    }
    let other = door.own_proof(&nurse(), look, true);
    assert!(matches!(other, Err(DisclosureError::NotThere)));
}

/// Everything a page draws, as bytes.
fn drawn(page: &crate::Page) -> Vec<u8> {
    serde_json::to_vec(&(&page.banner, &page.alerts, &page.menu, &page.section))
        .expect("serialises")
}

#[test]
fn a_past_page_is_shown_again_byte_for_byte_after_the_record_went_on() {
    let world = World::new();
    let door = world.door();
    let doctor = caller(Role::HospitalDoctor, "X9T01", "session-3");
    let pages = [
        SectionRequest::Summary,
        SectionRequest::Allergies,
        SectionRequest::Problems,
        SectionRequest::Sources,
        SectionRequest::Team,
        SectionRequest::Results {
            view: care_core::sections::ResultsView::ByDate,
            filter: care_core::sections::Filter {
                page: 1,
                ..Default::default()
            },
        },
        SectionRequest::Timeline {
            filter: care_core::sections::Filter {
                page: 1,
                ..Default::default()
            },
        },
    ];
    let mut seen = Vec::new();
    for who in [nurse(), doctor] {
        let opened = open(&world, &who, &Why::PermissionToday).expect("opened");
        for request in &pages {
            world
                .clock
                .set(world.record.inner().clock.now() + 1.minutes());
            let page = door.section(&who, &opened.visit, request).expect("read");
            seen.push((page.entry(), drawn(&page), request.clone()));
        }
        // Between the two, and after: a result is corrected, an allergy is added, details change.
        world
            .clock
            .set(world.record.inner().clock.now() + 1.minutes());
        let id = format!("U{}", seen.len());
        world.send(
            &id,
            "ORU^R01",
            &[OBR, "OBX|1|NM|HB^Haemoglobin^LOCAL||99|g/L|115-165|L|||C"],
        );
        world.send(
            &format!("{id}A"),
            "ADT^A08",
            &[PD1, PV1, AL1, "AL1|2|DA|^Latex|MO|Wheeze"],
        );
    }
    let after = open(&world, &nurse(), &Why::PermissionToday).expect("opened");
    let now = door
        .section(&nurse(), &after.visit, &SectionRequest::Allergies)
        .expect("read");
    assert_ne!(drawn(&now), seen[1].1, "the record went on");
    for (number, drawn_then, request) in &seen {
        let again = door.replay(&officer(), true, *number, "complaint 12 of the person");
        let again = again.expect("shown again");
        assert_eq!(&again.request, request);
        assert!(again.exact, "entry {number}: {request:?}");
        assert_eq!(
            &drawn(&again.page),
            drawn_then,
            "entry {number}: {request:?}"
        );
        let left = world.last();
        assert_eq!(
            (left.page.as_str(), left.outcome),
            ("replay", Outcome::Success)
        );
        assert!(left.detail.contains("complaint 12"));
    }
    // The person sees that somebody looked again.
    let looks = door.who_looked(&amara(), start()).expect("told");
    assert!(
        looks
            .iter()
            .any(|look| look.job == Role::PrivacyOfficer.title()),
        "{looks:?}"
    );
}

#[test]
fn a_past_page_is_shown_to_a_reviewer_with_the_right_and_a_reason_only() {
    let world = looked_at();
    let number = world.record.ledger().status().expect("answers").entries - 1;
    let ask = |who: &Caller, right, because: &str| {
        world.door().replay(who, right, number, because).map(|_| ())
    };
    let because = "complaint 12 of the person";
    assert!(matches!(
        ask(&officer(), true, "why not"),
        Err(DisclosureError::Unclear(_))
    ));
    for (who, right) in [
        (officer(), false),
        (nurse(), true),
        (caller(Role::HospitalDoctor, "X9T01", "s"), true),
    ] {
        assert!(matches!(
            ask(&who, right, because),
            Err(DisclosureError::Refused(_))
        ));
        assert_eq!(
            (world.last().page.as_str(), world.last().outcome),
            ("replay", Outcome::Denied)
        );
    }
    assert!(ask(&officer(), true, because).is_ok());
    // An entry of another act is no page.
    let other = world.door().replay(&officer(), true, 0, because);
    assert!(matches!(other, Err(DisclosureError::Unclear(_))));
}
