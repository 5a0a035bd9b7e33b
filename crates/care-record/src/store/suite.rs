//! What every engine must do, written against the trait. An engine calls [`engine_suite!`] with a way
//! to open itself.

use std::sync::Arc;

use care_core::access::{Supplier, supplier_view};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::search::{
    Criterion, Handling, IndexValue, Query, Reach, SearchParameter, Wanted, extract, plan, words,
};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::Header;
use care_core::vocabulary::{
    Category, Involvement, InvolvementKind, ItemId, PersonId, Sensitivity, SourceCode,
};
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};

use super::filter::Filter;
use super::*;

/// An engine under test: reads by a filter, because a `View` has no maker but the rules.
pub(super) trait Engine: Upkeep {
    fn upkeep(&self) -> &dyn Upkeep;
    fn headers_by(&self, person: PersonId, filter: &Filter) -> Vec<Header>;
    fn bodies_by(
        &self,
        person: PersonId,
        filter: &Filter,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError>;
    fn version_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Option<StoredBody>;
    fn history_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
    ) -> Vec<Header>;
    fn activity_by(&self, person: PersonId, filter: &Filter) -> Vec<SourceActivity>;
    fn whole_by(&self, person: PersonId, filter: &Filter) -> Vec<StoredBody>;
}

pub(super) const OBSERVATION: ResourceType = ResourceType::OBSERVATION;

pub(super) fn everything() -> Filter {
    Filter {
        categories: i64::from(u32::MAX),
        sensitivities: 0b1_1111,
        hide_gp_sourced: false,
        sources: String::new(),
    }
}

pub(super) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    start + minute.minutes()
}

pub(super) fn source(code: &str) -> SourceCode {
    SourceCode::parse(code).expect("a code")
}

pub(super) fn put(person: u64, item: u64, minute: i64, text: &str) -> PutItem {
    PutItem {
        person: Some(PersonId(person)),
        resource_type: OBSERVATION,
        item: ItemId(item),
        category: Category::Results,
        sensitivity: Sensitivity::Normal,
        source: source("RJ1"),
        gp_sourced: false,
        code_key: u64::MAX - item,
        current: true,
        withdrawn: false,
        deleted: false,
        order: Default::default(),
        expect: Default::default(),
        clinical_at: Some(at(minute)),
        event_at: at(minute),
        received_at: at(minute),
        body: format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{}\",\"valueString\":\"{text}\"}}",
            ItemId(item)
        )
        .into_bytes(),
    }
}

pub(super) fn commit_of(changes: Vec<Change>) -> Commit {
    let mut entry = Entry::new(at(0), Act::Receive, Outcome::Success, "feed-hospital");
    entry.person = changes.iter().find_map(|change| match change {
        Change::Item(put) => put.person,
        Change::NewPerson { person } => Some(*person),
        _ => None,
    });
    Commit {
        changes,
        entry,
        more_entries: Vec::new(),
    }
}

pub(super) fn delivery_of(control_id: &str, body: &[u8]) -> NewDelivery {
    NewDelivery {
        feed: "feed-hospital".into(),
        sender: "PAS|RJ1".into(),
        control_id: control_id.into(),
        digest: Sha256::digest(body).into(),
        received_at: at(0),
        kind: "ORU^R01".into(),
        status: "processed".into(),
        answer: b"AA".to_vec(),
        body: body.to_vec(),
        person: None,
        issues: "[]".into(),
    }
}

fn put_one(engine: &dyn Engine, item: PutItem) -> Put {
    let done = engine.commit(commit_of(vec![Change::Item(item)]));
    done.expect("committed").items[0]
}

fn text_of(body: &StoredBody) -> String {
    String::from_utf8_lossy(&body.body).into_owned()
}

pub(super) fn an_item_reads_back_with_its_version_spliced_in(engine: &dyn Engine) {
    assert_eq!(
        put_one(engine, put(7, 1, 0, "a")),
        Put::Created { version: 1 }
    );
    let found = engine
        .bodies_by(PersonId(7), &everything(), &[(OBSERVATION, ItemId(1))])
        .expect("read");
    assert_eq!(
        text_of(&found[0]),
        "{\"resourceType\":\"Observation\",\"id\":\"0000000000001\",\"meta\":{\"versionId\":\"1\",\
         \"lastUpdated\":\"2026-11-23T10:00:00.000Z\"},\"valueString\":\"a\"}"
    );
    assert_eq!(found[0].header.code_key, u64::MAX - 1);
    assert!(
        engine
            .holds(Some(PersonId(7)), (OBSERVATION, ItemId(1)))
            .expect("read")
    );
    assert!(
        !engine
            .holds(Some(PersonId(8)), (OBSERVATION, ItemId(1)))
            .expect("read")
    );
    assert!(!engine.holds(None, (OBSERVATION, ItemId(1))).expect("read"));
}

pub(super) fn versions_follow_the_event_and_not_the_arrival(engine: &dyn Engine) {
    let table = [
        (10, "b", Put::Created { version: 1 }),
        (10, "b", Put::Unchanged { version: 1 }),
        (20, "c", Put::Updated { version: 2 }),
        (5, "a", Put::KeptInHistory { version: 3 }),
        (5, "a", Put::Unchanged { version: 3 }),
        (40, "c", Put::Unchanged { version: 2 }),
        // The content was confirmed at 40, so what was said at 30 no longer counts.
        (30, "d", Put::KeptInHistory { version: 4 }),
        (50, "e", Put::Updated { version: 5 }),
    ];
    for (minute, text, expected) in table {
        let mut item = put(7, 1, minute, text);
        item.clinical_at = Some(at(0));
        assert_eq!(put_one(engine, item), expected, "{minute} {text}");
    }
    let item = (OBSERVATION, ItemId(1));
    let history = engine.history_by(PersonId(7), &everything(), item);
    let versions: Vec<_> = history.iter().map(|header| header.version).collect();
    assert_eq!(versions, [5, 4, 3, 2, 1]);
    for (version, text) in [(1, "b"), (2, "c"), (3, "a"), (4, "d"), (5, "e")] {
        let read = engine.version_by(PersonId(7), &everything(), item, Some(version));
        let read = read.expect("held");
        assert!(text_of(&read).contains(&format!("\"valueString\":\"{text}\"")));
        assert!(text_of(&read).contains(&format!("\"versionId\":\"{version}\"")));
    }
    let newest = engine.version_by(PersonId(7), &everything(), item, None);
    assert_eq!(newest.expect("held").header.version, 5);
    assert!(
        engine
            .version_by(PersonId(7), &everything(), item, Some(6))
            .is_none()
    );
}

pub(super) fn a_changed_label_is_a_new_version_and_covers_the_past(engine: &dyn Engine) {
    put_one(engine, put(7, 1, 0, "a"));
    let mut sealed = put(7, 1, 0, "a");
    sealed.sensitivity = Sensitivity::Sealed;
    assert_eq!(put_one(engine, sealed), Put::Updated { version: 2 });
    let item = (OBSERVATION, ItemId(1));
    let normal_only = Filter {
        sensitivities: 1,
        ..everything()
    };
    assert!(
        engine
            .history_by(PersonId(7), &normal_only, item)
            .is_empty()
    );
    for version in [None, Some(1), Some(2)] {
        let read = engine.version_by(PersonId(7), &normal_only, item, version);
        assert!(read.is_none(), "{version:?}");
    }
    assert_eq!(engine.history_by(PersonId(7), &everything(), item).len(), 2);
    let levels = engine.sensitivities(PersonId(7)).expect("read");
    assert!(levels.contains(Sensitivity::Sealed) && !levels.contains(Sensitivity::Normal));
}

pub(super) fn no_read_gives_what_the_view_leaves_out(engine: &dyn Engine) {
    let mut other = put(7, 2, 0, "hidden");
    other.category = Category::MentalHealth;
    let mut sealed = put(7, 3, 0, "hidden");
    sealed.sensitivity = Sensitivity::Sealed;
    let mut practice = put(7, 4, 0, "hidden");
    practice.gp_sourced = true;
    let mut council = put(7, 5, 0, "hidden");
    council.source = source("E09");
    let items = [put(7, 1, 0, "shown"), other, sealed, practice, council];
    for item in items {
        let mut again = item_copy(&item);
        again.event_at = at(1);
        again.body = String::from_utf8_lossy(&again.body)
            .replace("hidden", "hidden too")
            .into_bytes();
        put_one(engine, item);
        put_one(engine, again);
    }
    let table = [
        (
            "category",
            2,
            Filter {
                categories: 1 << Category::Results as u8,
                ..everything()
            },
        ),
        (
            "sensitivity",
            3,
            Filter {
                sensitivities: 1,
                ..everything()
            },
        ),
        (
            "practice",
            4,
            Filter {
                hide_gp_sourced: true,
                ..everything()
            },
        ),
        (
            "source",
            5,
            Filter {
                sources: ",X26,E09,".into(),
                ..everything()
            },
        ),
    ];
    for (name, hidden, filter) in table {
        let person = PersonId(7);
        let shown = engine.headers_by(person, &filter);
        assert_eq!(shown.len(), 4, "{name}");
        assert!(
            shown.iter().all(|header| header.item != ItemId(hidden)),
            "{name}"
        );
        let item = (OBSERVATION, ItemId(hidden));
        assert!(
            engine
                .bodies_by(person, &filter, &[item])
                .expect("read")
                .is_empty(),
            "{name}"
        );
        assert!(
            engine.history_by(person, &filter, item).is_empty(),
            "{name}"
        );
        for version in [None, Some(1), Some(2)] {
            assert!(
                engine.version_by(person, &filter, item, version).is_none(),
                "{name}"
            );
        }
        let activity = engine.activity_by(person, &filter);
        assert_eq!(
            activity.iter().map(|source| source.items).sum::<u64>(),
            4,
            "{name}"
        );
        // The control: with everything permitted, each of these reads finds it.
        assert_eq!(
            engine
                .bodies_by(person, &everything(), &[item])
                .expect("read")
                .len(),
            1
        );
        assert_eq!(engine.history_by(person, &everything(), item).len(), 2);
    }
    let nothing = Filter {
        categories: 0,
        ..everything()
    };
    assert!(engine.headers_by(PersonId(7), &nothing).is_empty());
}

fn item_copy(item: &PutItem) -> PutItem {
    PutItem {
        source: item.source.clone(),
        body: item.body.clone(),
        ..*item
    }
}

pub(super) fn a_join_shows_both_parts_until_it_is_undone(engine: &dyn Engine) {
    let people = [7, 8, 9].map(|id| Change::NewPerson {
        person: PersonId(id),
    });
    engine.commit(commit_of(people.into())).expect("committed");
    put_one(engine, put(7, 1, 0, "a"));
    put_one(engine, put(8, 2, 0, "b"));
    let join = |from: u64, into: Option<u64>| {
        engine.commit(commit_of(vec![Change::Join {
            from: PersonId(from),
            into: into.map(PersonId),
        }]))
    };
    join(8, Some(7)).expect("joined");
    assert_eq!(engine.headers_by(PersonId(7), &everything()).len(), 2);
    assert!(matches!(join(7, Some(8)), Err(StoreError::JoinLoop)));
    assert!(matches!(join(7, Some(7)), Err(StoreError::JoinLoop)));
    assert!(matches!(join(99, Some(7)), Err(StoreError::NoSuchRow)));
    let survivor = engine.person(PersonId(7)).expect("read").expect("held");
    assert_eq!(survivor.joined, [PersonId(8)]);
    let joined = engine.person(PersonId(8)).expect("read").expect("held");
    assert_eq!(joined.joined_into, Some(PersonId(7)));
    join(8, None).expect("undone");
    assert_eq!(engine.headers_by(PersonId(7), &everything()).len(), 1);
    assert_eq!(engine.headers_by(PersonId(8), &everything()).len(), 1);
}

pub(super) fn things_about_nobody_are_in_no_persons_record(engine: &dyn Engine) {
    let mut shared = put(7, 1, 0, "an organisation");
    shared.person = None;
    put_one(engine, shared);
    let found = engine
        .shared_item((OBSERVATION, ItemId(1)))
        .expect("read")
        .expect("held");
    assert!(found.person.0 >> 63 == 1);
    assert!(engine.headers_by(found.person, &everything()).is_empty());
    let refused = engine.commit(commit_of(vec![Change::NewPerson {
        person: found.person,
    }]));
    assert!(matches!(refused, Err(StoreError::Engine(_))));
}

pub(super) fn a_failed_precondition_undoes_its_commit_and_leaves_no_gap(engine: &dyn Engine) {
    let first = || {
        vec![
            Change::Delivery(delivery_of("1", b"one")),
            Change::Item(put(7, 1, 0, "a")),
        ]
    };
    let done = engine.commit(commit_of(first())).expect("committed");
    assert_eq!(done.entry, 0);
    let delivery = done.delivery.expect("a number");
    let mut again = first();
    again.insert(0, Change::Item(put(7, 2, 0, "b")));
    let refused = engine.commit(commit_of(again));
    assert!(matches!(refused, Err(StoreError::DeliveryExists)));
    assert_eq!(engine.headers_by(PersonId(7), &everything()).len(), 1);
    let next = engine.commit(commit_of(Vec::new())).expect("committed");
    assert_eq!(next.entry, 1);
    assert_eq!(engine.health().expect("health").entries, 2);
    assert_eq!(engine.health().expect("health").items, 1);
    let kept = engine
        .delivery("PAS|RJ1", "1")
        .expect("read")
        .expect("held");
    assert_eq!(
        (kept.delivery, kept.answer.as_slice()),
        (delivery, b"AA".as_slice())
    );
    let (_, body) = engine.delivery_body(delivery).expect("read").expect("held");
    assert_eq!(body, b"one");
    assert_eq!(
        engine
            .deliveries(Some("feed-hospital"), None, 9)
            .expect("read")
            .len(),
        1
    );
    assert!(
        engine
            .deliveries(Some("another"), None, 9)
            .expect("read")
            .is_empty()
    );
    assert!(
        engine
            .deliveries(None, Some(delivery), 9)
            .expect("read")
            .is_empty()
    );
}

pub(super) fn a_unique_identifier_belongs_to_one_person_or_those_joined(engine: &dyn Engine) {
    let people = [7, 8].map(|id| Change::NewPerson {
        person: PersonId(id),
    });
    engine.commit(commit_of(people.into())).expect("committed");
    let give = |person: u64, unique: bool| {
        engine.commit(commit_of(vec![Change::Identifier {
            person: PersonId(person),
            system: "nhs".into(),
            value: "9990000018".into(),
            source: source("RJ1"),
            unique,
        }]))
    };
    give(7, true).expect("given");
    give(7, true).expect("given again");
    assert!(matches!(give(8, true), Err(StoreError::IdentifierTaken)));
    give(8, false).expect("unverified ones may be shared");
    let join = Change::Join {
        from: PersonId(7),
        into: Some(PersonId(8)),
    };
    engine.commit(commit_of(vec![join])).expect("joined");
    give(8, true).expect("the holder now answers as this person");
    let holders = engine
        .persons_by_identifier("nhs", "9990000018")
        .expect("read");
    assert_eq!(holders.len(), 2);
    let nobody = engine.commit(commit_of(vec![Change::PersonFlag {
        person: PersonId(99),
        flag: "watched".into(),
        value: Some("yes".into()),
    }]));
    assert!(
        matches!(nobody, Err(StoreError::Engine(_))),
        "no such person"
    );
}

pub(super) fn what_is_known_of_a_person_reads_back_and_old_news_changes_nothing(
    engine: &dyn Engine,
) {
    let person = PersonId(7);
    let involvement = |minute, cancelled| Change::Involvement {
        event_at: at(minute),
        person,
        source: source("RJ1"),
        involvement: Involvement {
            kind: InvolvementKind::Inpatient,
            organisation: source("RJ1"),
            source_key: "visit 1".into(),
            starts: Some(at(0)),
            ends: None,
            cancelled,
        },
    };
    let details = |minute, family: &str| Change::Details {
        event_at: at(minute),
        person,
        source: source("RJ1"),
        family: family.into(),
        given: "amara".into(),
        birth_date: "1945-04-07".into(),
        gender: "female".into(),
        postcode: "SE11AA".into(),
        phonetic_family: "AS".into(),
    };
    let flag = |value: Option<&str>| Change::PersonFlag {
        person,
        flag: "watched".into(),
        value: value.map(str::to_owned),
    };
    let changes = vec![
        Change::NewPerson { person },
        involvement(10, true),
        involvement(5, false),
        details(10, "osei"),
        details(5, "before"),
        flag(Some("yes")),
        Change::Choice {
            person,
            choice: b"{\"first\":1}".to_vec(),
        },
        Change::Choice {
            person,
            choice: b"{\"second\":2}".to_vec(),
        },
    ];
    engine.commit(commit_of(changes)).expect("committed");
    let row = engine.person(person).expect("read").expect("held");
    assert!(
        row.involvements[0].1.cancelled,
        "the older event changed nothing"
    );
    assert_eq!(row.details[0].family, "osei");
    let mark = super::choice_mark(b"{\"second\":2}");
    let expected = [
        (super::CHOICE_MADE.to_owned(), mark),
        ("watched".to_owned(), "yes".to_owned()),
    ];
    let mut flags = row.flags.clone();
    flags.sort();
    assert_eq!(flags, expected, "a choice leaves its mark");
    assert_eq!(row.choice.as_deref(), Some(b"{\"second\":2}".as_slice()));
    assert_eq!(
        engine.choices(person).expect("read"),
        [b"{\"second\":2}".to_vec(), b"{\"first\":1}".to_vec()]
    );
    assert!(engine.choices(PersonId(1)).expect("read").is_empty());
    engine.commit(commit_of(vec![flag(None)])).expect("cleared");
    assert!(
        engine
            .person(person)
            .expect("read")
            .expect("held")
            .flags
            .iter()
            .all(|(flag, _)| flag == super::CHOICE_MADE)
    );

    let query = |family: &str, birth_date: &str, similar| DetailsQuery {
        family: family.into(),
        phonetic_family: "AS".into(),
        birth_date: birth_date.into(),
        similar,
        ..DetailsQuery::default()
    };
    let table = [
        ("osei", "1945-04-07", false, 1),
        ("osay", "1945-04-07", false, 0),
        ("osay", "1945-04-07", true, 1),
        ("osei", "1945-07-04", false, 0),
        ("osei", "1945-07-04", true, 1),
        ("before", "1945-04-07", false, 0),
    ];
    for (family, birth_date, similar, expected) in table {
        let found = engine.persons_by_details(&query(family, birth_date, similar), 10);
        assert_eq!(
            found.expect("read").len(),
            expected,
            "{family} {birth_date} {similar}"
        );
    }
}

pub(super) fn the_log_keeps_exact_bytes_in_order_and_by_person_and_user(engine: &dyn Engine) {
    for number in 0..5_u64 {
        let mut commit = commit_of(Vec::new());
        commit.entry.person = (number % 2 == 0).then_some(PersonId(7));
        commit.entry.detail = format!("entry {number}");
        commit.entry.who = if number < 3 {
            "gp".into()
        } else {
            "nurse".into()
        };
        let mut second = commit.entry.clone();
        second.detail.push_str(" and one more");
        commit.more_entries.push(second);
        let expected = serde_json::to_vec(&commit.entry).expect("serialises");
        let done = engine.commit(commit).expect("committed");
        assert_eq!(done.entry, 2 * number);
        let read = engine.entries(done.entry, 1).expect("read");
        assert_eq!(read, [(done.entry, expected)]);
    }
    let numbers = |found: Vec<(u64, Vec<u8>)>| -> Vec<u64> {
        found.into_iter().map(|(number, _)| number).collect()
    };
    let about = |person: Option<u64>, who, before, limit| {
        numbers(
            engine
                .entries_about(person.map(PersonId), who, before, limit)
                .expect("read"),
        )
    };
    assert_eq!(
        numbers(engine.entries(0, 100).expect("read")),
        (0..10).collect::<Vec<_>>()
    );
    assert_eq!(about(Some(7), None, None, 4), [9, 8, 5, 4]);
    assert_eq!(about(Some(7), Some("gp"), None, 9), [5, 4, 1, 0]);
    assert_eq!(about(None, Some("nurse"), Some(8), 9), [7, 6]);
    assert_eq!(about(None, None, Some(2), 9), [1, 0]);
}

pub(super) fn kept_values_end_and_worklist_rows_close(engine: &dyn Engine) {
    let keep = |key: &str, value: Option<&[u8]>, expires_ms| Change::Keep {
        space: "session",
        key: key.into(),
        value: value.map(<[u8]>::to_vec),
        expires_ms,
    };
    for (key, value) in [("ab1", b"1"), ("ab2", b"2"), ("b", b"3")] {
        engine
            .commit(commit_of(vec![keep(key, Some(value), 100)]))
            .expect("kept");
    }
    assert_eq!(
        engine.keep_get("session", "ab1", 99).expect("read"),
        Some(b"1".to_vec())
    );
    assert_eq!(engine.keep_get("session", "ab1", 100).expect("read"), None);
    assert_eq!(engine.keep_get("visit", "ab1", 0).expect("read"), None);
    let listed = engine.keep_list("session", "ab", 0, 9).expect("read");
    assert_eq!(
        listed,
        [("ab2".into(), b"2".to_vec()), ("ab1".into(), b"1".to_vec())]
    );
    engine
        .commit(commit_of(vec![keep("ab1", None, 0)]))
        .expect("taken away");
    assert_eq!(engine.keep_get("session", "ab1", 0).expect("read"), None);

    let open = |kind: &str| {
        Change::Worklist(NewWorklist {
            kind: kind.into(),
            feed: "feed-hospital".into(),
            delivery: None,
            person: None,
            opened_at: at(0),
            detail: b"{}".to_vec(),
        })
    };
    let changes = vec![
        Change::Delivery(delivery_of("9", b"x")),
        open("match"),
        open("bad"),
    ];
    let done = engine.commit(commit_of(changes)).expect("opened");
    let rows = engine.worklist(None, None, 9).expect("read");
    assert_eq!(
        rows.iter().map(|row| row.row).collect::<Vec<_>>(),
        done.worklist
    );
    assert_eq!(
        rows[0].delivery, done.delivery,
        "the delivery of the same commit"
    );
    let state = |row: u64, state: &str| {
        engine.commit(commit_of(vec![Change::WorklistState {
            row,
            state: state.into(),
            note: "seen".into(),
        }]))
    };
    state(done.worklist[0], "taken").expect("changed");
    assert_eq!(
        engine.worklist(Some("match"), None, 9).expect("read")[0].state,
        "taken"
    );
    state(done.worklist[0], "closed-linked").expect("closed");
    assert!(
        engine
            .worklist(Some("match"), None, 9)
            .expect("read")
            .is_empty()
    );
    assert_eq!(
        engine
            .worklist(None, Some(done.worklist[0]), 9)
            .expect("read")
            .len(),
        1
    );
    assert!(matches!(state(999, "closed"), Err(StoreError::NoSuchRow)));
}

pub(super) fn cases_open_change_by_version_and_keep_what_happened(engine: &dyn Engine) {
    let open = |kind: &str, minute: i64, person: Option<u64>| {
        Change::OpenCase(Box::new(OpenCase {
            kind: kind.into(),
            reference: format!("CC-{kind}-{minute}"),
            person: person.map(PersonId),
            about: "nurse-1".into(),
            opened_at: at(minute),
            due_at: (minute > 0).then(|| at(100 - minute)),
            owner: String::new(),
            who: "system".into(),
            note: "opened \0".into(),
            detail: b"{}".to_vec(),
        }))
    };
    let people = [7, 8].map(|id| Change::NewPerson {
        person: PersonId(id),
    });
    engine.commit(commit_of(people.into())).expect("committed");
    let done = engine
        .commit(commit_of(vec![
            open("a", 0, Some(7)),
            open("a", 1, Some(8)),
            open("b", 2, None),
        ]))
        .expect("opened");
    let [first, second, third] = done.cases[..] else {
        panic!("three cases")
    };
    let change = |number, expected_version, state: Option<&str>| {
        engine.commit(commit_of(vec![Change::ChangeCase(Box::new(ChangeCase {
            number,
            expected_version,
            at: at(50),
            who: "po".into(),
            state: state.map(str::to_owned),
            owner: Some("po".into()),
            due_at: Some(None),
            detail: state.map(|_| b"[1]".to_vec()),
            note: "seen".into(),
        }))]))
    };
    change(second, 1, None).expect("changed");
    assert!(matches!(change(second, 1, None), Err(StoreError::Stale)));
    assert!(matches!(change(999, 1, None), Err(StoreError::NoSuchRow)));
    change(third, 1, Some("closed-done")).expect("closed");
    let row = engine.case(third).expect("read").expect("held");
    assert_eq!((row.version, row.state.as_str()), (2, "closed-done"));
    assert_eq!(
        (row.detail.as_slice(), row.due_at),
        (b"[1]".as_slice(), None)
    );
    let found = engine.case_by_reference("CC-b-2").expect("read");
    assert_eq!(found, Some(row));
    assert_eq!(engine.case_by_reference("CC-b-9").expect("read"), None);
    let events = engine.case_events(second).expect("read");
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.version, event.who.as_str(), event.detail.is_some()))
        .collect();
    assert_eq!(told, [(1, "system", true), (2, "po", false)]);
    assert_eq!(events[1].due_at, None);

    let all = CaseQuery {
        limit: 9,
        ..CaseQuery::default()
    };
    let numbers = |query: CaseQuery| -> Vec<u64> {
        let rows = engine.cases(&query).expect("read");
        rows.iter().map(|row| row.number).collect()
    };
    let text = |text: &str| text.to_owned();
    #[rustfmt::skip]
    let table = [
        ("all", all.clone(), vec![first, second, third]),
        ("open", CaseQuery { open: Some(true), ..all.clone() }, vec![first, second]),
        ("closed", CaseQuery { open: Some(false), ..all.clone() }, vec![third]),
        ("kind", CaseQuery { kinds: vec![text("b"), text("c")], ..all.clone() }, vec![third]),
        ("state", CaseQuery { states: vec![text("open")], ..all.clone() }, vec![first, second]),
        ("owner", CaseQuery { owner: Some(text("po")), ..all.clone() }, vec![second, third]),
        ("nobody's", CaseQuery { owner: Some(text("")), ..all.clone() }, vec![first]),
        ("about", CaseQuery { about: Some(text("nurse-2")), ..all.clone() }, vec![]),
        ("person", CaseQuery { person: Some(PersonId(7)), ..all.clone() }, vec![first]),
        ("due", CaseQuery { due_before: Some(at(200)), ..all.clone() }, vec![]),
        ("from", CaseQuery { opened_from: Some(at(1)), opened_until: Some(at(2)), ..all.clone() }, vec![second]),
        ("newest", CaseQuery { order: CaseOrder::Newest, ..all.clone() }, vec![third, second, first]),
        ("by due", CaseQuery { order: CaseOrder::Due, ..all.clone() }, vec![first, second, third]),
        ("changed", CaseQuery { order: CaseOrder::Changed, limit: 2, ..all.clone() }, vec![second, third]),
        ("second page", CaseQuery { offset: 2, limit: 2, ..all.clone() }, vec![third]),
    ];
    for (name, query, expected) in table {
        assert_eq!(numbers(query), expected, "{name}");
    }
    let tally = engine.case_tally(&all).expect("read");
    let counted: Vec<_> = tally
        .iter()
        .map(|one| (one.kind.as_str(), one.state.as_str(), one.count, one.oldest))
        .collect();
    assert_eq!(
        counted,
        [("a", "open", 2, at(0)), ("b", "closed-done", 1, at(2))]
    );
    let join = Change::Join {
        from: PersonId(8),
        into: Some(PersonId(7)),
    };
    engine.commit(commit_of(vec![join])).expect("joined");
    let of_both = CaseQuery {
        person: Some(PersonId(7)),
        ..all
    };
    assert_eq!(numbers(of_both), [first, second], "joins are followed");
}

pub(super) fn any_text_is_found_again_and_harms_nobody_else(engine: &dyn Engine) {
    let person = PersonId(7);
    let mut delivery = delivery_of("a\0b", b"zero \0 bytes");
    delivery.sender = "'; DROP TABLE item; --".into();
    let changes = vec![
        Change::NewPerson { person },
        Change::Identifier {
            person,
            system: "local\0".into(),
            value: "\0".into(),
            source: source("RJ1"),
            unique: true,
        },
        Change::Delivery(delivery),
        Change::Item(put(7, 1, 0, "a\0b")),
    ];
    engine.commit(commit_of(changes)).expect("committed");
    let holders = engine.persons_by_identifier("local\0", "\0").expect("read");
    assert_eq!(holders.len(), 1);
    let kept = engine
        .delivery("'; DROP TABLE item; --", "a\0b")
        .expect("read")
        .expect("held");
    let body = engine.delivery_body(kept.delivery).expect("read");
    assert_eq!(body.expect("held").1, b"zero \0 bytes");
    let found = engine.bodies_by(person, &everything(), &[(OBSERVATION, ItemId(1))]);
    assert!(text_of(&found.expect("read")[0]).contains("a\0b"));
    let again = Change::Delivery(NewDelivery {
        sender: "'; DROP TABLE item; --".into(),
        ..delivery_of("a\0b", b"")
    });
    let again = engine.commit(commit_of(vec![again]));
    assert!(matches!(again, Err(StoreError::DeliveryExists)));
}

pub(super) fn what_ends_is_taken_away_and_signed_states_stay(engine: &dyn Engine) {
    let keep = |key: &str, expires_ms| Change::Keep {
        space: "session",
        key: key.into(),
        value: Some(b"1".to_vec()),
        expires_ms,
    };
    let once = || {
        engine.commit(commit_of(vec![Change::KeepOnce {
            space: "session",
            key: "a".into(),
            value: b"2".to_vec(),
            expires_ms: 100,
        }]))
    };
    let kept = vec![keep("a", 100), keep("b", 101)];
    engine.commit(commit_of(kept)).expect("kept");
    assert!(matches!(once(), Err(StoreError::AlreadyKept)));
    assert_eq!(engine.purge(100).expect("purged"), 1);
    assert_eq!(
        engine.keep_list("session", "", 0, 9).expect("read").len(),
        1
    );
    once().expect("the key is free again");
    assert!(engine.newest_checkpoint().expect("read").is_none());
    for size in [1, 2] {
        let checkpoint = KeptCheckpoint {
            size,
            note: format!("note {size}"),
            frontier: vec![size as u8],
        };
        engine.keep_checkpoint(checkpoint).expect("kept");
    }
    let newest = engine.newest_checkpoint().expect("read").expect("held");
    assert_eq!(
        (
            newest.size,
            newest.note.as_str(),
            newest.frontier.as_slice()
        ),
        (2, "note 2", [2].as_slice())
    );
    assert_eq!(
        engine.checkpoints_after(1).expect("read"),
        [(2, "note 2".to_owned())]
    );
    for (size, witness) in [(1, "w2"), (2, "w2"), (2, "w1"), (2, "w1")] {
        let line = format!("{witness} signed {size}");
        engine.keep_cosignature(size, witness, &line).expect("kept");
    }
    assert_eq!(
        engine.cosignatures(2).expect("read"),
        [
            ("w1".into(), "w1 signed 2".into()),
            ("w2".into(), "w2 signed 2".into())
        ]
    );
    assert_eq!(
        engine.cosigned_sizes().expect("read"),
        [("w1".into(), 2), ("w2".into(), 2)]
    );
    let leaves = engine.leaves(1, 10).expect("read");
    assert_eq!(leaves.len(), 1);
    let (number, entry) = engine.entries(1, 1).expect("read").remove(0);
    assert_eq!(leaves, [(number, care_core::audit::leaf_hash(&entry))]);
}

pub(super) fn bodies_written_with_a_dictionary_read_back_and_the_scrub_agrees(engine: &dyn Engine) {
    for number in 0..300 {
        let text = format!("a long enough text to be worth compressing, number {number}");
        put_one(engine, put(7, number, 0, &text));
    }
    put_one(engine, put(7, 1, 5, "changed"));
    let delivery = Change::Delivery(delivery_of("1", b"body"));
    engine.commit(commit_of(vec![delivery])).expect("kept");
    let before = engine.check().expect("checked");
    assert!(crate::jobs::train(engine.upkeep(), 100).expect("trained") > 0);
    put_one(
        engine,
        put(
            8,
            1,
            0,
            "a long enough text to be worth compressing, packed",
        ),
    );
    let read = engine.bodies_by(PersonId(8), &everything(), &[(OBSERVATION, ItemId(1))]);
    assert!(text_of(&read.expect("read")[0]).contains("packed"));
    let after = engine.check().expect("checked");
    assert_eq!(after.damage, Vec::<String>::new());
    assert_eq!((before.items, after.items), (300, 301));
    assert_eq!((after.past_versions, after.deliveries), (1, 1));
    engine.compact().expect("compacted");
    assert!(engine.empty_percent().expect("read") <= 100);
}

pub(super) fn eight_threads_on_one_person_lose_nothing(engine: Arc<dyn Engine>) {
    let one = PersonId(7);
    let threads: Vec<_> = (0..8_u64)
        .map(|thread| {
            let engine = engine.clone();
            std::thread::spawn(move || {
                let mut won = [0_u64; 3];
                for round in 0..40_u64 {
                    let person = PersonId(100 + round);
                    let made = engine.commit(commit_of(vec![Change::NewPerson { person }]));
                    won[0] += u64::from(made.is_ok());
                    let identifier = Change::Identifier {
                        person: PersonId(1000 * (thread + 1) + round),
                        system: "nhs".into(),
                        value: round.to_string(),
                        source: source("RJ1"),
                        unique: true,
                    };
                    let own = Change::NewPerson {
                        person: PersonId(1000 * (thread + 1) + round),
                    };
                    won[1] += u64::from(engine.commit(commit_of(vec![own, identifier])).is_ok());
                    let text = format!("{thread}/{round}");
                    let minute = (round * 8 + thread) as i64;
                    let done = engine.commit(commit_of(vec![
                        Change::Delivery(delivery_of(&round.to_string(), text.as_bytes())),
                        Change::Item(put(7, 1, minute, &text)),
                    ]));
                    won[2] += u64::from(done.is_ok());
                    let own = put(7, 100 + thread, minute, &text);
                    engine
                        .commit(commit_of(vec![Change::Item(own)]))
                        .expect("own items always");
                }
                won
            })
        })
        .collect();
    let mut won = [0; 3];
    for thread in threads {
        for (sum, one) in won.iter_mut().zip(thread.join().expect("no panic")) {
            *sum += one;
        }
    }
    assert_eq!(
        won,
        [40, 40, 40],
        "people, identifiers, deliveries: one winner a round"
    );
    let item = (OBSERVATION, ItemId(1));
    let history = engine.history_by(one, &everything(), item);
    let mut versions: Vec<_> = history.iter().map(|header| header.version).collect();
    versions.reverse();
    assert_eq!(
        versions,
        (1..=40).collect::<Vec<_>>(),
        "each accepted one is a version"
    );
    let newest = history.iter().filter_map(|header| header.clinical_at).max();
    let current = engine
        .version_by(one, &everything(), item, None)
        .expect("held");
    assert_eq!(
        current.header.clinical_at, newest,
        "the newest event is current"
    );
    let entries = engine.entries(0, 10_000).expect("read");
    assert_eq!(entries.len() as u64, 40 * 3 + 8 * 40);
    let numbers = entries.iter().map(|(number, _)| *number);
    assert!(numbers.eq(0..entries.len() as u64), "no gaps");
    assert_eq!(engine.health().expect("health").items, 9);
}

pub(super) fn a_release_finds_people_their_codes_and_their_items_whole(engine: &dyn Engine) {
    let changes = [3, 1, 2].map(|person| Change::NewPerson {
        person: PersonId(person),
    });
    engine.commit(commit_of(changes.into())).expect("kept");
    let mut sealed = put(1, 12, 2, "sealed");
    sealed.sensitivity = Sensitivity::Sealed;
    let mut withdrawn = put(1, 13, 3, "withdrawn");
    withdrawn.withdrawn = true;
    for item in [put(1, 11, 1, "a"), sealed, withdrawn, put(2, 21, 9, "b")] {
        put_one(engine, item);
    }
    let key = |item: u64| u64::MAX - item;
    let asked: Vec<u64> = [11, 12, 13, 21].map(key).into();
    let held = |person| engine.codes_held(PersonId(person), &asked).expect("read");
    assert_eq!(
        held(1),
        [(key(11), Some(at(1)))],
        "neither sealed nor withdrawn"
    );
    assert_eq!(
        engine.people_after(None, 2).expect("read"),
        [1, 2].map(PersonId)
    );
    assert_eq!(
        engine.people_after(Some(PersonId(2)), 9).expect("read"),
        [PersonId(3)]
    );
    let join = Change::Join {
        from: PersonId(2),
        into: Some(PersonId(1)),
    };
    engine.commit(commit_of(vec![join])).expect("kept");
    assert_eq!(
        engine.people_after(None, 9).expect("read"),
        [1, 3].map(PersonId)
    );
    assert_eq!(held(1).len(), 2, "a join brings its codes");
    let mut filter = everything();
    filter.sensitivities = 1;
    let whole = engine.whole_by(PersonId(1), &filter);
    let items: Vec<u64> = whole.iter().map(|body| body.header.item.0).collect();
    assert_eq!(items.len(), 3, "{items:?}");
    assert!(!items.contains(&12) && items.contains(&21));
    let sealed = engine.sealed(9).expect("read");
    let found: Vec<_> = sealed
        .iter()
        .map(|one| (one.person, one.header.item.0))
        .collect();
    assert_eq!(found, [(PersonId(1), 12)]);
    assert_eq!(engine.sealed(0).expect("read").len(), 0);
    assert_eq!(engine.sealed_tally().expect("read").0, 1);
}

/// The view of a source.
pub(super) fn supplier(code: &str) -> View {
    let supplier = Supplier::configured("client", &source(code)).expect("a client");
    supplier_view(&supplier)
}

pub(super) fn a_source_reads_back_what_it_sent_and_nothing_else(engine: &dyn Engine) {
    let mut other = put(7, 2, 0, "another's");
    other.source = source("E09");
    let mut sealed = put(7, 3, 1, "its own, sealed");
    sealed.sensitivity = Sensitivity::SealedLocked;
    let mut shared = put(7, 4, 2, "about nobody");
    shared.person = None;
    for item in [
        put(7, 1, 0, "its own"),
        other,
        sealed,
        shared,
        put(8, 5, 3, "of another person"),
    ] {
        put_one(engine, item);
    }
    let view = supplier("RJ1");
    let mine = |person| {
        let headers = engine.headers(PersonId(person), &view).expect("read");
        headers
            .into_iter()
            .map(|header| header.item.0)
            .collect::<Vec<_>>()
    };
    assert_eq!((mine(7), mine(8)), (vec![1, 3], vec![5]));
    let asked = [
        (Some(PersonId(8)), OBSERVATION, ItemId(5)),
        (Some(PersonId(7)), OBSERVATION, ItemId(2)),
        (None, OBSERVATION, ItemId(4)),
        (Some(PersonId(7)), OBSERVATION, ItemId(3)),
        (Some(PersonId(7)), OBSERVATION, ItemId(99)),
    ];
    let found = engine.bodies_of(&view, &asked).expect("read");
    let found: Vec<_> = found
        .iter()
        .map(|body| (body.owner(), body.header.item.0))
        .collect();
    assert_eq!(
        found,
        [(Some(PersonId(8)), 5), (None, 4), (Some(PersonId(7)), 3)]
    );
    let other = (OBSERVATION, ItemId(2));
    assert!(
        engine
            .version(PersonId(7), &view, other, None)
            .expect("read")
            .is_none()
    );
    assert!(
        engine
            .history(PersonId(7), &view, other)
            .expect("read")
            .is_empty()
    );
    // The control: its own source reads it.
    let its_own = engine.version(PersonId(7), &supplier("E09"), other, None);
    assert!(its_own.expect("read").is_some());
}

pub(super) fn what_came_reads_newest_first_by_its_moment(engine: &dyn Engine) {
    let mut other = put(7, 9, 0, "another's");
    other.source = source("E09");
    let commits = [
        vec![put(7, 1, 0, "a"), put(8, 2, 0, "b")],
        vec![other],
        vec![put(7, 1, 5, "c")],
        // An older event: history at once, and still the newest to come.
        vec![put(7, 1, 3, "d")],
    ];
    for items in commits {
        let changes = items.into_iter().map(Change::Item).collect();
        engine.commit(commit_of(changes)).expect("committed");
    }
    let view = supplier("RJ1");
    let mut asked = ChangesAsked {
        limit: 2,
        ..ChangesAsked::default()
    };
    let mut told = Vec::new();
    loop {
        let page = engine.changes(&view, &asked).expect("read");
        let Some(last) = page.last() else { break };
        asked.before = Some(last.place());
        told.extend(
            page.iter()
                .map(|body| (body.header.moment, body.header.item.0, body.header.version)),
        );
    }
    assert_eq!(told, [(3, 1, 3), (2, 1, 2), (0, 2, 1), (0, 1, 1)]);
    let ask = |asked: ChangesAsked| {
        let found = engine.changes(&view, &ChangesAsked { limit: 9, ..asked });
        found
            .expect("read")
            .iter()
            .map(|body| body.header.moment)
            .collect::<Vec<_>>()
    };
    let none = ChangesAsked::default;
    assert_eq!(
        ask(ChangesAsked {
            person: Some(PersonId(8)),
            ..none()
        }),
        [0]
    );
    assert_eq!(
        ask(ChangesAsked {
            since: Some(at(4)),
            ..none()
        }),
        [2]
    );
    assert_eq!(
        ask(ChangesAsked {
            after: Some(1),
            ..none()
        }),
        [3, 2]
    );
    assert_eq!(
        ask(ChangesAsked {
            person: Some(PersonId(7)),
            after: Some(2),
            ..none()
        }),
        [3]
    );
    assert_eq!(
        ask(ChangesAsked {
            kind: Some(ResourceType::PATIENT),
            ..none()
        }),
        [0_u64; 0]
    );
    assert_eq!(
        ask(ChangesAsked {
            before: Some(ChangePlace::from(1)),
            ..none()
        }),
        [0, 0]
    );
    let person = Some(PersonId(7));
    let item = (OBSERVATION, ItemId(1));
    for (moment, version) in [(0, 1), (1, 1), (2, 2), (9, 2)] {
        let held = engine
            .version_at(person, &view, item, moment)
            .expect("read")
            .expect("held");
        assert_eq!(held.header.version, version, "at {moment}");
    }
    let versions = |before, limit| {
        let found = engine
            .versions(person, &view, item, before, limit)
            .expect("read");
        found
            .iter()
            .map(|body| body.header.version)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (versions(None, 9), versions(Some(3), 1)),
        (vec![3, 2, 1], vec![2])
    );
}

pub(super) fn what_was_deleted_is_in_no_read_but_the_history_until_it_is_put_again(
    engine: &dyn Engine,
) {
    let person = PersonId(7);
    let item = (OBSERVATION, ItemId(1));
    let mut shared = put(7, 2, 0, "about nobody");
    shared.person = None;
    let gone = |mut of: PutItem| {
        of.deleted = true;
        of.body = b"{}".to_vec();
        of.event_at = at(1);
        of
    };
    for one in [
        put(7, 1, 0, "a"),
        item_copy(&shared),
        gone(put(7, 1, 0, "")),
        gone(shared),
    ] {
        put_one(engine, one);
    }
    let all = everything();
    assert!(engine.headers_by(person, &all).is_empty() && engine.whole_by(person, &all).is_empty());
    assert!(
        engine
            .bodies_by(person, &all, &[item])
            .expect("read")
            .is_empty()
    );
    assert!(!engine.holds(Some(person), item).expect("read"));
    assert!(
        engine
            .shared_item((OBSERVATION, ItemId(2)))
            .expect("read")
            .is_none()
    );
    assert!(
        engine
            .codes_held(person, &[u64::MAX - 1])
            .expect("read")
            .is_empty()
    );
    assert_eq!(
        engine.sensitivities(person).expect("read"),
        SensitivitySet::EMPTY
    );
    assert!(
        engine
            .activity_by(person, &all)
            .iter()
            .all(|source| source.items == 0)
    );
    let view = supplier("RJ1");
    let wanted = [
        (Some(person), OBSERVATION, ItemId(1)),
        (None, OBSERVATION, ItemId(2)),
    ];
    assert!(engine.bodies_of(&view, &wanted).expect("read").is_empty());
    let deleted: Vec<_> = engine
        .history_by(person, &all, item)
        .iter()
        .map(|header| header.deleted)
        .collect();
    assert_eq!(deleted, [true, false]);
    assert!(
        engine
            .version_by(person, &all, item, None)
            .expect("a tombstone")
            .header
            .deleted
    );
    assert!(
        !engine
            .version_by(person, &all, item, Some(1))
            .expect("held")
            .header
            .deleted
    );
    let ever = engine.headers_ever(person, &view).expect("read");
    assert_eq!((ever.len(), ever[0].deleted), (1, true));
    let changes = ChangesAsked {
        limit: 9,
        ..ChangesAsked::default()
    };
    let told: Vec<_> = engine
        .changes(&view, &changes)
        .expect("read")
        .iter()
        .map(|body| body.header.deleted)
        .collect();
    assert_eq!(told, [true, true, false, false]);
    assert_eq!(
        put_one(engine, put(7, 1, 2, "b")),
        Put::Updated { version: 3 }
    );
    assert_eq!(engine.headers_by(person, &all).len(), 1);
}

pub(super) fn a_put_that_expects_another_version_is_refused_alone(engine: &dyn Engine) {
    let put_as = |expect, minute, text: &str| {
        let mut item = put(7, 1, minute, text);
        item.expect = expect;
        item.order = PutOrder::ByArrival;
        let done = engine.commit(commit_of(vec![
            Change::Item(item),
            Change::Item(put(7, 50 + minute as u64, 0, text)),
        ]));
        match done {
            Ok(done) => Some(done.items[0]),
            Err(StoreError::VersionConflict) => None,
            Err(other) => panic!("{other}"),
        }
    };
    let table = [
        (Expect::Version(1), 1, "a", None),
        (Expect::Absent, 2, "a", Some(Put::Created { version: 1 })),
        (Expect::Absent, 3, "b", None),
        (Expect::Version(2), 4, "b", None),
        (
            Expect::Version(1),
            5,
            "b",
            Some(Put::Updated { version: 2 }),
        ),
        (Expect::Version(1), 6, "c", None),
        (Expect::Any, 7, "b2", Some(Put::Updated { version: 3 })),
    ];
    for (expect, minute, text, expected) in table {
        assert_eq!(put_as(expect, minute, text), expected, "{expect:?} {text}");
    }
    assert_eq!(
        engine.headers_by(PersonId(7), &everything()).len(),
        4,
        "with those that went along"
    );
    // By arrival the newest holds, whatever its event says; and what a feed said before it came is older.
    let mut late = put(7, 1, 30, "by arrival");
    late.order = PutOrder::ByArrival;
    late.event_at = at(0);
    assert_eq!(put_one(engine, late), Put::Updated { version: 4 });
    assert_eq!(
        put_one(engine, put(7, 1, 29, "fed")),
        Put::KeptInHistory { version: 5 }
    );
    let mut again = put(7, 1, 30, "by arrival");
    again.order = PutOrder::ByArrival;
    again.received_at = at(40);
    assert_eq!(put_one(engine, again), Put::Unchanged { version: 4 });
    assert_eq!(
        put_one(engine, put(7, 1, 35, "fed")),
        Put::KeptInHistory { version: 6 }
    );
}

/// An observation or a patient, with something for every kind of search parameter.
fn searched(number: u64, kind: ResourceType) -> PutItem {
    let person = 1 + number % 9;
    let mut item = put(person, 1000 + number, 0, "");
    let code = 1 + number * 7 % 5;
    let day = 1 + number % 28;
    let family = ["Osei", "O'Brien", "Núñez", "Smith-Jones", "Zhou"][(number % 5) as usize];
    item.resource_type = kind;
    item.received_at = at(number as i64);
    item.event_at = item.received_at;
    item.clinical_at = (!number.is_multiple_of(6))
        .then(|| {
            format!(
                "20{:02}-{:02}-{day:02}T00:00:00Z",
                10 + number % 15,
                1 + number % 12
            )
        })
        .map(|text| text.parse().expect("a time"));
    let id = format!("{}-{}", PersonId(person), item.item);
    item.body = if kind == ResourceType::PATIENT {
        format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"active\":{},\"gender\":\"{}\",\
             \"birthDate\":\"19{:02}-05-{day:02}\",\"name\":[{{\"family\":\"{family}\",\"given\":[\"Amara\"]}}],\
             \"identifier\":[{{\"system\":\"https://fhir.nhs.uk/Id/nhs-number\",\"value\":\"999{number:07}\"}}]}}",
            number.is_multiple_of(2), ["male", "female"][(number % 2) as usize], 40 + number % 50
        )
    } else {
        format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"status\":\"{}\",\"code\":{{\"coding\":\
             [{{\"system\":\"http://snomed.info/sct\",\"code\":\"{code}\",\"display\":\"Serum value {code}\"}}]}},\
             \"subject\":{{\"reference\":\"Patient/{}\"}},\"effectiveDateTime\":\"20{:02}-{:02}-{day:02}\",\
             \"valueQuantity\":{{\"value\":{}.{},\"unit\":\"mmol/L\",\"system\":\"http://unitsofmeasure.org\",\
             \"code\":\"mmol/L\"}}{}}}",
            ["final", "amended"][(number % 2) as usize],
            PersonId(person),
            10 + number % 15,
            1 + number % 12,
            number % 40,
            number % 10,
            if number.is_multiple_of(3) { ",\"note\":[{\"text\":\"taken at home\"}]" } else { "" }
        )
    }
    .into_bytes();
    item
}

/// What a criterion asks beyond the resource at hand: nothing here but its words.
struct Alone(Json);

impl Reach for Alone {
    fn target_meets(&self, _: &IndexValue, _: &[(ResourceType, Criterion)]) -> bool {
        false
    }
    fn source_meets(&self, _: ResourceType, _: &SearchParameter, _: &Criterion) -> bool {
        false
    }
    fn in_value_set(&self, _: &str, _: Option<&str>, _: &str) -> Option<bool> {
        None
    }
    fn in_list(&self, _: &str) -> bool {
        false
    }
    fn has_words(&self, narrative: bool, wanted: &[String]) -> bool {
        let held = words(&self.0, narrative);
        wanted.iter().all(|word| held.contains(word))
    }
}

/// The queries of the test below: every kind of parameter with many values, alone and in pairs.
fn queries() -> Vec<(ResourceType, String)> {
    let mut observations: Vec<String> = Vec::new();
    let mut patients: Vec<String> = Vec::new();
    for number in 0..4 {
        observations.push(format!("code={number}"));
        observations.push(format!("code=http://snomed.info/sct|{number}"));
        observations.push(format!("code:not={number},1"));
        observations.push(format!("subject=Patient/{}", PersonId(number)));
        observations.push(format!("patient={}", PersonId(number)));
        observations.push(format!("code-value-quantity={number}$gt10"));
        let signs = [
            ["", "ge", "lt"],
            ["gt", "sa", ""],
            ["le", "eb", "ne"],
            ["ap", "", "ge"],
        ];
        for sign in signs[number as usize] {
            observations.push(format!("date={sign}201{number}-0{}", 1 + number));
            observations.push(format!("value-quantity={sign}{number}.{number}"));
            patients.push(format!("birthdate={sign}195{number}"));
        }
        patients.push(format!(
            "identifier=https://fhir.nhs.uk/Id/nhs-number|999000000{number}"
        ));
        patients.push(format!("identifier=999000001{number}"));
        patients.push(format!("_id={}", ItemId(1000 + number)));
    }
    for plain in [
        "status=final",
        "status:not=final",
        "_content=home",
        "_content=serum,nothing",
        "note:missing=true",
        "_lastUpdated=ge2026-11-23",
        "_lastUpdated=lt2026-11-23",
        "value-quantity=5||mmol/L",
        "code:text=serum",
        "code:missing=false",
        "subject:missing=true",
    ] {
        observations.push(plain.to_owned());
    }
    for plain in [
        "name=os",
        "family=o",
        "name:exact=Osei",
        "family:contains=ne",
        "given=AMARA",
        "active=true",
        "gender=female",
        "name=smith-jones",
        "family=zhou",
        "death-date:missing=true",
    ] {
        patients.push(plain.to_owned());
    }
    let pairs = |list: &[String]| -> Vec<String> {
        let next = list.iter().cycle().skip(7);
        list.iter()
            .zip(next)
            .map(|(one, other)| format!("{one}&{other}"))
            .collect()
    };
    let (more, many) = (pairs(&observations), pairs(&patients));
    let of = |kind, list: Vec<String>| {
        list.into_iter()
            .map(move |one| (kind, one))
            .collect::<Vec<_>>()
    };
    let mut all = of(OBSERVATION, observations);
    all.extend(of(OBSERVATION, more));
    all.extend(of(ResourceType::PATIENT, patients));
    all.extend(of(ResourceType::PATIENT, many));
    all
}

/// What a query finds, page by page; and what the plan says.
fn pages(
    engine: &dyn Engine,
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    order: SpotOrder,
) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    loop {
        let after = all.last().map(|found| found.spot);
        let page = engine
            .find(view, kind, wanted, order, after, 25)
            .expect("found");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

pub(super) fn the_index_finds_what_the_criteria_mean(engine: &dyn Engine) {
    let mut changes = Vec::new();
    for number in 0..90 {
        for kind in [OBSERVATION, ResourceType::PATIENT] {
            let mut item = searched(number, kind);
            if number % 5 == 4 {
                item.source = source("E09");
            }
            if number % 11 == 0 {
                item.person = None;
            }
            if number % 13 == 0 {
                item.sensitivity = Sensitivity::SealedLocked;
            }
            changes.push(Change::Item(item));
        }
        if changes.len() > 30 {
            engine
                .commit(commit_of(std::mem::take(&mut changes)))
                .expect("committed");
        }
    }
    engine.commit(commit_of(changes)).expect("committed");
    // Some are changed and some deleted: neither what they were nor that they were may be found.
    for number in [1_u64, 2, 3, 23, 26] {
        let mut item = searched(number, OBSERVATION);
        item.event_at = at(500);
        item.deleted = number % 2 == 0;
        if !item.deleted {
            let other = searched(number + 31, OBSERVATION);
            let id = |of: &PutItem| format!("{}-{}", of.person.expect("whose"), of.item);
            let body = String::from_utf8_lossy(&other.body);
            item.body = body.replace(&id(&other), &id(&item)).into_bytes();
            item.clinical_at = other.clinical_at;
        }
        put_one(engine, item);
    }
    let parameters = engine.parameters();
    let now = at(1000);
    let (mut asked, mut exact, mut matched) = (0, 0, 0);
    for code in ["RJ1", "E09"] {
        let view = supplier(code);
        type Held = (Found, Json, Vec<(u32, IndexValue)>);
        let all = |kind| -> Vec<Held> {
            let found = pages(
                engine,
                &view,
                kind,
                &Wanted::Everything,
                SpotOrder::NewestFirst,
            );
            let keys: Vec<_> = found
                .iter()
                .map(|one| (one.person, kind, one.item))
                .collect();
            let bodies = engine.bodies_of(&view, &keys).expect("read");
            assert_eq!(bodies.len(), found.len(), "what is found can be read");
            let read = |(found, body): (Found, StoredBody)| {
                assert_eq!(body.header.source.as_str(), code, "of its own source alone");
                assert_eq!(body.header.moment, found.moment);
                let json = Json::parse(&body.body, Limits::default()).expect("JSON");
                let values = extract(&json, &parameters);
                (found, json, values)
            };
            found.into_iter().zip(bodies).map(read).collect()
        };
        let held = [
            (OBSERVATION, all(OBSERVATION)),
            (ResourceType::PATIENT, all(ResourceType::PATIENT)),
        ];
        assert_eq!(
            held[0].1.len() + held[1].1.len(),
            if code == "RJ1" { 72 * 2 - 2 } else { 18 * 2 }
        );
        for (kind, text) in queries() {
            let pairs = text
                .split('&')
                .map(|pair| pair.split_once('=').expect("a pair"));
            let Ok(query) = Query::read(
                Some(kind),
                pairs,
                &parameters,
                "http://here/fhir/R4",
                Handling::Strict,
            ) else {
                continue;
            };
            let planned = plan(&source(code), kind, &query.criteria);
            let of_kind = &held.iter().find(|(of, _)| *of == kind).expect("a type").1;
            let meant: Vec<Found> = of_kind
                .iter()
                .filter(|(_, json, values)| {
                    let alone = Alone(json.clone());
                    query
                        .criteria
                        .iter()
                        .all(|one| one.matches(values, &alone, now))
                })
                .map(|(found, ..)| *found)
                .collect();
            let found = pages(engine, &view, kind, &planned.wanted, SpotOrder::NewestFirst);
            let mut turned = pages(engine, &view, kind, &planned.wanted, SpotOrder::OldestFirst);
            turned.reverse();
            assert_eq!(found, turned, "{text}: both ways");
            assert!(
                found.is_sorted_by(|one, next| one.spot > next.spot),
                "{text}: in order"
            );
            assert!(
                meant.iter().all(|one| found.contains(one)),
                "{text}: all that is meant"
            );
            assert!(!planned.exact || found == meant, "{text}: nothing else");
            let tally = engine
                .tally(&view, kind, &planned.wanted, 1_000)
                .expect("counted");
            assert_eq!(tally as usize, found.len(), "{text}: counted");
            let some = engine
                .tally(&view, kind, &planned.wanted, 3)
                .expect("counted");
            assert_eq!(some as usize, found.len().min(3), "{text}: counted up to");
            asked += 1;
            exact += usize::from(planned.exact);
            matched += meant.len();
        }
    }
    assert!(
        asked > 200 && exact > 80 && matched > 1_000,
        "{asked} {exact} {matched}"
    );
    let view = supplier("RJ1");
    let owner = |number: u64, kind| {
        engine
            .owner_of(&view, (kind, ItemId(1000 + number)))
            .expect("read")
    };
    assert_eq!(owner(1, OBSERVATION), Some(Some(PersonId(2))));
    assert_eq!(owner(11, OBSERVATION), Some(None), "about nobody");
    assert_eq!(owner(2, OBSERVATION), None, "deleted");
    assert_eq!(owner(4, OBSERVATION), None, "another's");
    let nobody = everything_of_nobody();
    assert!(
        pages(
            engine,
            &nobody,
            OBSERVATION,
            &Wanted::Everything,
            SpotOrder::NewestFirst
        )
        .is_empty()
    );
}

/// A view that is not of one source: the index is not for it.
fn everything_of_nobody() -> View {
    care_core::access::naming()
}

pub(super) fn the_index_is_made_anew_and_takes_own_parameters(engine: &dyn Engine) {
    for number in 0..25 {
        put_one(engine, searched(number, OBSERVATION));
        put_one(engine, searched(number, ResourceType::PATIENT));
    }
    put_one(engine, {
        let mut gone = searched(3, OBSERVATION);
        gone.deleted = true;
        gone.event_at = at(900);
        gone
    });
    let view = supplier("RJ1");
    let all = |wanted: &Wanted| pages(engine, &view, OBSERVATION, wanted, SpotOrder::NewestFirst);
    let items = |found: Vec<Found>| {
        found
            .into_iter()
            .map(|one| one.item.0)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = items(all(&Wanted::Everything));
    assert_eq!(before.len(), 24);
    engine.index_again().expect("cleared");
    let early = engine.find(
        &view,
        OBSERVATION,
        &Wanted::Everything,
        SpotOrder::NewestFirst,
        None,
        9,
    );
    assert!(matches!(
        early,
        Err(StoreError::Indexing { done: 0, total: 50 })
    ));
    // What is put meanwhile is in it too, once.
    put_one(engine, searched(40, OBSERVATION));
    let finish = || {
        let mut batches = 0;
        while let Some(work) = engine.index_work().expect("read").first() {
            engine.work_on_index(work, 4).expect("worked");
            batches += 1;
            assert!(batches < 99, "it ends");
        }
        batches
    };
    assert!(finish() > 5);
    let mut after = before.clone();
    after.insert(1040);
    assert_eq!(items(all(&Wanted::Everything)), after);
    assert_eq!(
        engine.check().expect("checked").damage,
        Vec::<String>::new()
    );

    let own = br#"{"resourceType":"SearchParameter","url":"http://example.org/note","code":"note-text","type":"string",
        "base":["Observation"],"expression":"Observation.note.text"}"#;
    engine
        .add_parameter("http://example.org/note", own, &[OBSERVATION.number()])
        .expect("added");
    assert!(
        engine
            .parameters()
            .find(Some(OBSERVATION), "note-text")
            .is_none(),
        "not before it is worked in"
    );
    assert!(!engine.own_parameters().expect("read")[0].ready);
    assert_eq!(
        all(&Wanted::Everything).len(),
        25,
        "others are found meanwhile"
    );
    finish();
    assert!(engine.own_parameters().expect("read")[0].ready);
    let parameters = engine.parameters();
    let query = Query::read(
        Some(OBSERVATION),
        [("note-text", "taken at")],
        &parameters,
        "http://here",
        Handling::Strict,
    );
    let wanted = plan(
        &source("RJ1"),
        OBSERVATION,
        &query.expect("it may be asked for").criteria,
    );
    let expected = after
        .iter()
        .filter(|item| (**item - 1000) % 3 == 0)
        .copied()
        .collect();
    assert!(wanted.exact);
    assert_eq!(items(all(&wanted.wanted)), expected);
    assert!(
        engine
            .remove_parameter("http://example.org/note")
            .expect("removed")
    );
    assert!(
        engine
            .parameters()
            .find(Some(OBSERVATION), "note-text")
            .is_none()
    );
}

/// Makes a test of each rule above for one engine.
macro_rules! engine_suite {
    ($open:expr) => {
        $crate::store::suite::engine_suite!($open;
            an_item_reads_back_with_its_version_spliced_in
            versions_follow_the_event_and_not_the_arrival
            a_changed_label_is_a_new_version_and_covers_the_past
            no_read_gives_what_the_view_leaves_out
            a_join_shows_both_parts_until_it_is_undone
            things_about_nobody_are_in_no_persons_record
            a_failed_precondition_undoes_its_commit_and_leaves_no_gap
            a_unique_identifier_belongs_to_one_person_or_those_joined
            what_is_known_of_a_person_reads_back_and_old_news_changes_nothing
            the_log_keeps_exact_bytes_in_order_and_by_person_and_user
            kept_values_end_and_worklist_rows_close
            cases_open_change_by_version_and_keep_what_happened
            any_text_is_found_again_and_harms_nobody_else
            what_ends_is_taken_away_and_signed_states_stay
            bodies_written_with_a_dictionary_read_back_and_the_scrub_agrees
            a_release_finds_people_their_codes_and_their_items_whole
            a_source_reads_back_what_it_sent_and_nothing_else
            what_came_reads_newest_first_by_its_moment
            what_was_deleted_is_in_no_read_but_the_history_until_it_is_put_again
            a_put_that_expects_another_version_is_refused_alone
            the_index_finds_what_the_criteria_mean
            the_index_is_made_anew_and_takes_own_parameters
        );
        #[test]
        fn eight_threads_on_one_person_lose_nothing() {
            let (_kept, engine) = $open;
            $crate::store::suite::eight_threads_on_one_person_lose_nothing(std::sync::Arc::new(engine));
        }
    };
    ($open:expr; $($name:ident)+) => {
        $(#[test]
        fn $name() {
            let (_kept, engine) = $open;
            $crate::store::suite::$name(&engine);
        })+
    };
}
pub(super) use engine_suite;
