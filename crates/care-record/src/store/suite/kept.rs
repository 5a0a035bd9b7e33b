//! The log, kept values, worklists and cases.

use super::*;

pub(in crate::store) fn the_log_keeps_exact_bytes_in_order_and_by_person_and_user(
    engine: &dyn Engine,
) {
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
    // Those passed over are still counted.
    for (passed_over, whole) in [
        (&[][..], 5),
        (&["gp".to_owned()][..], 2),
        (&["gp".to_owned(), "nurse".to_owned()][..], 0),
    ] {
        let found = engine.entries_but(3, 5, passed_over).expect("read");
        let at: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(at, (3..8).collect::<Vec<_>>());
        let read: Vec<(u64, Vec<u8>)> = found
            .into_iter()
            .filter_map(|(number, bytes)| Some((number, bytes?)))
            .collect();
        assert_eq!(read.len(), whole, "{passed_over:?}");
        let all = engine.entries(3, 5).expect("read");
        assert!(read.iter().all(|one| all.contains(one)));
    }
    assert_eq!(about(Some(7), None, None, 4), [9, 8, 5, 4]);
    assert_eq!(about(Some(7), Some("gp"), None, 9), [5, 4, 1, 0]);
    assert_eq!(about(None, Some("nurse"), Some(8), 9), [7, 6]);
    assert_eq!(about(None, None, Some(2), 9), [1, 0]);
}

pub(in crate::store) fn kept_values_end_and_worklist_rows_close(engine: &dyn Engine) {
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

pub(in crate::store) fn cases_open_change_by_version_and_keep_what_happened(engine: &dyn Engine) {
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

pub(in crate::store) fn what_ends_is_taken_away_and_signed_states_stay(engine: &dyn Engine) {
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
