//! People: identifiers, joins, what is known of them, and cohorts.

use super::*;

pub(in crate::store) fn a_failed_precondition_undoes_its_commit_and_leaves_no_gap(
    engine: &dyn Engine,
) {
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

pub(in crate::store) fn a_unique_identifier_belongs_to_one_person_or_those_joined(
    engine: &dyn Engine,
) {
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

pub(in crate::store) fn what_is_known_of_a_person_reads_back_and_old_news_changes_nothing(
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

pub(in crate::store) fn a_release_finds_people_their_codes_and_their_items_whole(
    engine: &dyn Engine,
) {
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
