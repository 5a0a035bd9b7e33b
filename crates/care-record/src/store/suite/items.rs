//! Items: versions, labels, joins, and what a view leaves out.

use super::*;

pub(in crate::store) fn an_item_reads_back_with_its_version_spliced_in(engine: &dyn Engine) {
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

pub(in crate::store) fn versions_follow_the_event_and_not_the_arrival(engine: &dyn Engine) {
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

pub(in crate::store) fn a_changed_label_is_a_new_version_and_covers_the_past(engine: &dyn Engine) {
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

pub(in crate::store) fn no_read_gives_what_the_view_leaves_out(engine: &dyn Engine) {
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

pub(in crate::store) fn a_join_shows_both_parts_until_it_is_undone(engine: &dyn Engine) {
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

pub(in crate::store) fn things_about_nobody_are_in_no_persons_record(engine: &dyn Engine) {
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

pub(in crate::store) fn any_text_is_found_again_and_harms_nobody_else(engine: &dyn Engine) {
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

pub(in crate::store) fn bodies_written_with_a_dictionary_read_back_and_the_scrub_agrees(
    engine: &dyn Engine,
) {
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

pub(in crate::store) fn eight_threads_on_one_person_lose_nothing(engine: Arc<dyn Engine>) {
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

pub(in crate::store) fn a_put_that_expects_another_version_is_refused_alone(engine: &dyn Engine) {
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
