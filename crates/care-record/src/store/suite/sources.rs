//! What a source reads back.

use super::*;

pub(in crate::store) fn a_source_reads_back_what_it_sent_and_nothing_else(engine: &dyn Engine) {
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

pub(in crate::store) fn what_came_reads_newest_first_by_its_moment(engine: &dyn Engine) {
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

pub(in crate::store) fn what_was_deleted_is_in_no_read_but_the_history_until_it_is_put_again(
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
