//! The engine suite on PostgreSQL, and what only PostgreSQL can be asked.

use super::cluster::Cluster;
use super::*;
use crate::store::suite::{self, Engine, commit_of, everything, put};
use crate::store::{Change, Put, Upkeep};

impl Engine for PostgresStore {
    fn upkeep(&self) -> &dyn Upkeep {
        self
    }

    fn headers_by(&self, person: PersonId, filter: &Filter) -> Vec<Header> {
        let parts = self.parts(person);
        self.read(|link| read_items::headers(link, &parts, filter, false))
            .expect("read")
    }

    fn bodies_by(
        &self,
        person: PersonId,
        filter: &Filter,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        let parts = self.parts(person);
        self.read(|link| read_items::bodies(link, &self.codec, &parts, filter, wanted))
    }

    fn version_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Option<StoredBody> {
        let parts = self.parts(person);
        self.read(|link| read_items::version(link, &self.codec, &parts, filter, item, version))
            .expect("read")
    }

    fn history_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
    ) -> Vec<Header> {
        let parts = self.parts(person);
        self.read(|link| read_items::history(link, &parts, filter, item))
            .expect("read")
    }

    fn activity_by(&self, person: PersonId, filter: &Filter) -> Vec<SourceActivity> {
        let parts = self.parts(person);
        self.read(|link| read_items::source_activity(link, Some((&parts, filter))))
            .expect("read")
    }

    fn whole_by(&self, person: PersonId, filter: &Filter) -> Vec<StoredBody> {
        let parts = self.parts(person);
        self.read(|link| read_cohorts::whole(link, &self.codec, &parts, filter))
            .expect("read")
    }
}

fn open() -> Option<(Cluster, PostgresStore)> {
    let cluster = Cluster::start()?;
    let store = PostgresStore::open(&cluster.address(), None, 8).expect("opens");
    Some((cluster, store))
}

suite::engine_suite!(match open() {
    Some((cluster, store)) => (cluster, store),
    None => return,
});

#[test]
fn a_second_writer_a_foreign_and_a_newer_database_are_refused() {
    let Some((cluster, store)) = open() else {
        return;
    };
    let again = |address: &str| PostgresStore::open(address, None, 1).err();
    assert!(matches!(
        again(&cluster.address()),
        Some(ConnectError::InUse)
    ));
    store.close();
    assert!(matches!(
        store.commit(commit_of(Vec::new())),
        Err(StoreError::Closed)
    ));
    assert!(matches!(store.health(), Err(StoreError::Closed)));
    drop(store);
    cluster.run("UPDATE refinery_schema_history SET version = 9999 WHERE version = 1");
    let newer = again(&cluster.address());
    assert!(
        matches!(newer, Some(ConnectError::NewerSchema { found: 9999, .. })),
        "{newer:?}"
    );
    cluster.run("DROP TABLE refinery_schema_history");
    assert!(matches!(
        again(&cluster.address()),
        Some(ConnectError::Foreign)
    ));
    assert!(matches!(
        again("not an address"),
        Some(ConnectError::Address)
    ));
    let away = again("host=db.example.org user=care dbname=care");
    assert!(matches!(away, Some(ConnectError::Unprotected)));
    let nobody = again("host=/nowhere/at/all user=care dbname=postgres");
    assert!(matches!(nobody, Some(ConnectError::Unreachable(_))));
}

#[test]
fn a_server_that_dies_and_comes_back_loses_nothing_and_repeats_nothing() {
    let Some(mut cluster) = Cluster::start_with(&[]) else {
        return;
    };
    let store = Arc::new(PostgresStore::open(&cluster.address(), None, 4).expect("opens"));
    let threads: Vec<_> = (0..4_u64)
        .map(|thread| {
            let store = store.clone();
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                for round in 0..200_u64 {
                    let minute = i64::try_from(round).expect("small");
                    let text = format!("{thread}/{round}");
                    let item = put(1 + thread, round, minute, &text);
                    if let Ok(done) = store.commit(commit_of(vec![Change::Item(item)])) {
                        // A commit whose answer the dying server swallowed is tried again, and
                        // finds its own item: held once, under its one version.
                        let once = matches!(
                            done.items[..],
                            [Put::Created { version: 1 } | Put::Unchanged { version: 1 }]
                        );
                        assert!(once, "{text}: {:?}", done.items);
                        kept.push(round);
                    } else {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                }
                kept
            })
        })
        .collect();
    for _ in 0..2 {
        std::thread::sleep(std::time::Duration::from_millis(150));
        cluster.crash_and_restart();
    }
    let mut acknowledged = 0;
    for (thread, kept) in threads.into_iter().enumerate() {
        let kept = kept.join().expect("no panic");
        let person = PersonId(1 + thread as u64);
        let held = store.headers_by(person, &everything());
        let held: Vec<u64> = held.iter().map(|header| header.item.0).collect();
        assert!(kept.iter().all(|round| held.contains(round)), "{kept:?}");
        acknowledged += kept.len();
    }
    assert!(acknowledged > 0);
    let report = store.check().expect("checked");
    assert_eq!(report.damage, Vec::<String>::new());
    let entries = store.entries(0, 10_000).expect("read");
    assert!(
        entries
            .iter()
            .map(|(number, _)| *number)
            .eq(0..entries.len() as u64)
    );
    store.commit(commit_of(Vec::new())).expect("it goes on");
}

#[test]
fn a_value_that_the_server_refuses_is_refused_alone() {
    let Some((_cluster, store)) = open() else {
        return;
    };
    let store = Arc::new(store);
    let threads: Vec<_> = (0..8_u64)
        .map(|thread| {
            let store = store.clone();
            std::thread::spawn(move || {
                let mut results = Vec::new();
                for round in 0..10_u64 {
                    let person = PersonId(1 + thread * 100 + round);
                    // Longer than an index of PostgreSQL can hold, in letters that do not compress.
                    let mut state = 1_u64;
                    let long: String = (0..9_000)
                        .map(|_| {
                            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                            char::from(b'a' + (state >> 33) as u8 % 26)
                        })
                        .collect();
                    let flag = Change::PersonFlag {
                        person,
                        flag: if thread == 0 { long } else { "watched".into() },
                        value: Some("yes".into()),
                    };
                    let changes = vec![Change::NewPerson { person }, flag];
                    results.push(store.commit(commit_of(changes)).is_ok());
                }
                results
            })
        })
        .collect();
    for (thread, results) in threads.into_iter().enumerate() {
        let results = results.join().expect("no panic");
        assert!(results.iter().all(|ok| *ok == (thread != 0)), "{thread}");
    }
    assert_eq!(store.health().expect("health").people, 70);
}

#[test]
fn no_byte_that_was_changed_in_the_tables_is_ever_served() {
    let Some((cluster, store)) = open() else {
        return;
    };
    let item = put(7, 1, 0, "a value to be damaged");
    store
        .commit(commit_of(vec![Change::Item(item)]))
        .expect("committed");
    let columns = "category sensitivity flags code_key clinical_at event_at received_at version \
        form bytes";
    let mut damages: Vec<String> = columns
        .split_whitespace()
        .map(|column| format!("{column} = {column} + 1"))
        .collect();
    damages.extend(
        [
            "source = 'RJ2'",
            "digest = '\\x00'",
            "body = substr(body, 1, length(body) - 1) || '\\x00'",
            "person = 8",
            "item = 2",
        ]
        .map(str::to_owned),
    );
    cluster.run("CREATE TABLE was AS SELECT * FROM item");
    for damage in damages {
        cluster.run(&format!("UPDATE item SET {damage}"));
        for (person, item) in [(7, 1), (8, 1), (7, 2)] {
            let wanted = [(suite::OBSERVATION, ItemId(item))];
            match store.bodies_by(PersonId(person), &everything(), &wanted) {
                Err(StoreError::Corrupt) => {}
                Ok(found) => assert!(found.is_empty(), "{damage}"),
                Err(other) => panic!("{damage}: {other}"),
            }
        }
        assert_eq!(store.check().expect("checked").damage.len(), 1, "{damage}");
        cluster.run("DELETE FROM item");
        cluster.run("INSERT INTO item SELECT * FROM was");
    }
    let wanted = [(suite::OBSERVATION, ItemId(1))];
    let found = store.bodies_by(PersonId(7), &everything(), &wanted);
    assert_eq!(found.expect("the control reads again").len(), 1);
}

#[test]
fn everything_is_there_after_closing_and_opening_again() {
    let Some((cluster, store)) = open() else {
        return;
    };
    let people = [7, 8].map(|id| Change::NewPerson {
        person: PersonId(id),
    });
    store.commit(commit_of(people.into())).expect("committed");
    let join = Change::Join {
        from: PersonId(8),
        into: Some(PersonId(7)),
    };
    let changes = vec![Change::Item(put(8, 1, 0, "a")), join];
    store.commit(commit_of(changes)).expect("committed");
    drop(store);
    let store = PostgresStore::open(&cluster.address(), None, 8).expect("opens");
    let found = store.headers_by(PersonId(7), &everything());
    assert_eq!(found.len(), 1, "the join is known again");
    let next = store.commit(commit_of(Vec::new())).expect("committed");
    assert_eq!(next.entry, 2);
}

#[test]
fn no_statement_does_what_a_database_spread_by_person_refuses() {
    let schema = concat!(
        include_str!("../../../migrations/postgres/V0001__record.sql"),
        include_str!("../../../migrations/postgres/V0005__index.sql"),
        include_str!("../../../migrations/postgres/V0006__order.sql"),
        include_str!("../../../migrations/postgres/V0007__lists.sql"),
    )
    .to_lowercase();
    for refused in [
        "trigger",
        "references",
        "serial",
        "identity",
        "default now",
        "unlogged",
    ] {
        let uses = schema
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .any(|line| line.contains(refused));
        assert!(!uses, "the schema uses {refused}");
    }
    for table in sql::PERSON_TABLES {
        let begins = format!("create table {table} (");
        let definition = schema.split(&begins).nth(1).expect("the table");
        let key = definition.split("primary key").nth(1).unwrap_or_default();
        let inline = definition
            .trim_start()
            .starts_with("person      bigint primary key");
        assert!(
            inline || key.trim_start().starts_with("(person"),
            "{table} does not begin its key with the person"
        );
    }
    for (name, text) in sql::ALL {
        let text = text.to_lowercase();
        let volatile = [
            "now()",
            "current_timestamp",
            "clock_timestamp",
            "random()",
            "nextval",
        ];
        for word in volatile {
            assert!(!text.contains(word), "{name} uses {word}");
        }
        assert!(!text.contains("recursive"), "{name} is recursive");
        assert!(!text.contains("for update"), "{name} locks rows");
        assert!(!text.contains("offset "), "{name} counts its way to a page");
        let person_tables = sql::PERSON_TABLES
            .iter()
            .filter(|table| names(&text, table))
            .count();
        if person_tables == 0 || sql::ACROSS_PEOPLE.contains(name) {
            continue;
        }
        assert!(by_person(&text), "{name} does not name the person: {text}");
        // Two tables about people are joined by the person, or not at all.
        if text.contains("exists") {
            assert!(text.contains("c.person = i.person"), "{name}");
        }
    }
    for name in sql::ACROSS_PEOPLE {
        assert!(sql::ALL.iter().any(|(other, _)| other == name), "{name}");
    }
}

/// The newest of a code are read off its list, whatever the planner thinks of how many there are.
#[test]
fn the_newest_of_a_code_are_read_along_its_list() {
    let Some((cluster, _store)) = open() else {
        return;
    };
    cluster.run(
        "INSERT INTO item_term (person, item, spot, kind, words) \
         SELECT g % 700, g, g, 95, array_to_tsvector(ARRAY['a' || g % 40, 'b']) FROM generate_series(1, 40000) AS g; \
         INSERT INTO item_list (person, item, spot, kind, list) \
         SELECT g % 700, g, g, 95, '0a' || g % 40 FROM generate_series(1, 40000) AS g; \
         ANALYZE item_term; ANALYZE item_list;",
    );
    let settings = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
         SET plan_cache_mode = force_generic_plan;";
    let (backward, forward) = (
        "Index Scan Backward using item_list_walk",
        "Index Scan using item_list_walk",
    );
    for (statement, scan) in [
        (sql::FIND_LISTED_NEWEST, backward),
        (sql::FIND_LISTED_OLDEST, forward),
        (sql::FIND_AMONG_NEWEST, backward),
        (sql::FIND_AMONG_OLDEST, forward),
        (sql::FIND_NEWEST, "Index Scan Backward using item_term_walk"),
    ] {
        let (types, more) = match statement.contains("$10") {
            true => (", text", ", '0a1'"),
            false => ("", ""),
        };
        let plan = cluster.run(&format!(
            "{settings} PREPARE asked (bigint[], bigint, bigint, boolean, text, text, bigint, integer, bigint{types}) \
             AS {statement}; EXPLAIN (COSTS OFF) EXECUTE asked (NULL, 1, 1, false, '', 'a1', 0, 95, 51{more});"
        ));
        let above = plan.split(scan).next().unwrap_or_default();
        assert_ne!(above, plan, "another way: {plan}");
        let mut above = above.lines().rev().map(str::trim).skip(1);
        assert!(
            above.any(|line| line.ends_with("Limit")),
            "the walk ends with the page: {plan}"
        );
    }
}

/// Whether a statement says whose rows it is about.
fn by_person(text: &str) -> bool {
    text.contains("person = any($1::bigint[])")
        || text.contains("person = $1::bigint")
        || text.contains("person = k.person")
        || text.starts_with("insert into")
}

#[test]
fn what_a_page_and_a_write_ask_is_one_persons_and_so_one_machines() {
    let Some((_cluster, store)) = open() else {
        return;
    };
    let person = PersonId(7);
    let source = suite::source("RJ1");
    let supplier = care_core::access::Supplier::configured("feed", &source).expect("a supplier");
    let view = care_core::access::supplier_view(&supplier);
    for round in 0..2 {
        let item = put(7, 1, i64::from(round), &format!("value {round}"));
        store
            .commit(commit_of(vec![Change::Item(item)]))
            .expect("committed");
    }
    let item = (suite::OBSERVATION, ItemId(1));
    let owned = [(Some(person), item.0, item.1)];
    assert_eq!(store.headers(person, &view).expect("read").len(), 1);
    assert_eq!(
        store.headers_of(person, &view, item.0).expect("read").len(),
        1
    );
    assert!(
        store
            .bodies_in(person, &view, item.0, 9)
            .expect("read")
            .is_some()
    );
    assert_eq!(store.bodies(person, &view, &[item]).expect("read").len(), 1);
    assert_eq!(store.bodies_of(&view, &owned).expect("read").len(), 1);
    assert_eq!(store.whole(person, &view).expect("read").len(), 1);
    assert_eq!(store.history(person, &view, item).expect("read").len(), 2);
    let versions = store.versions(Some(person), &view, item, None, 9);
    assert_eq!(versions.expect("read").len(), 2);
    assert!(
        store
            .version(person, &view, item, Some(1))
            .expect("read")
            .is_some()
    );
    assert!(store.holds(Some(person), item).expect("read"));
    store.person(person).expect("read");
    store.choices(person).expect("read");
    store.sensitivities(person).expect("read");
    store.codes_held(person, &[1]).expect("read");
    let asked = ChangesAsked {
        person: Some(person),
        limit: 9,
        ..ChangesAsked::default()
    };
    assert_eq!(store.changes(&view, &asked).expect("read").len(), 2);

    let mut hot = store.readers.prepared();
    hot.extend(store.writer.run(|link| Ok(link.prepared())).expect("told"));
    // What opening asks once, of everybody.
    let (mut about_people, at_opening) = (0, ["JOINS"]);
    for text in hot {
        let known = sql::ALL.iter().find(|(_, other)| *other == text);
        let Some((name, _)) = known.filter(|(name, _)| !at_opening.contains(name)) else {
            continue;
        };
        let text = text.to_lowercase();
        if sql::PERSON_TABLES.iter().any(|table| names(&text, table)) {
            about_people += 1;
            assert!(
                !sql::ACROSS_PEOPLE.contains(name),
                "{name} asks every machine"
            );
            assert!(by_person(&text), "{name} does not name the person: {text}");
        }
    }
    assert!(
        about_people > 15,
        "only {about_people} statements were seen"
    );
    for (whole, spread) in [
        (sql::LOAD_ITEMS, sql::LOAD_ITEMS_SPREAD),
        (sql::LOAD_PAST, sql::LOAD_PAST_SPREAD),
        (sql::BODIES_OF, sql::BODIES_OF_SPREAD),
    ] {
        assert!(!whole.contains("= ANY($1::bigint[])"));
        assert!(spread.contains("person = ANY($1::bigint[])"), "{spread}");
    }
}

/// Whether a statement reads or writes this table.
fn names(text: &str, table: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect::<Vec<_>>()
        .windows(2)
        .any(|pair| ["from", "join", "into", "update"].contains(&pair[0]) && pair[1] == table)
}

/// A certificate for `localhost`, made by the machine's own program.
fn certificate(directory: &std::path::Path) -> bool {
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "server.key",
            "-out",
            "server.crt",
        ])
        .current_dir(directory)
        .output();
    made.is_ok_and(|made| made.status.success())
}

#[test]
fn tls_is_spoken_to_a_server_that_proves_its_name_and_to_no_other() {
    let kept = tempfile::TempDir::new().expect("a directory");
    if !certificate(kept.path()) {
        println!("skipped: no openssl here to make a certificate");
        return;
    }
    let Some(cluster) = Cluster::start_with_certificate(kept.path()) else {
        return;
    };
    let roots = kept.path().join("server.crt");
    let address = |host: &str, roots: &std::path::Path| {
        format!(
            "host={host} port={} user=care dbname=postgres sslmode=verify-full sslrootcert={}",
            cluster.port(),
            roots.display()
        )
    };
    let store = PostgresStore::open(&address("localhost", &roots), None, 2).expect("opens");
    let item = put(7, 1, 0, "over TLS");
    store
        .commit(commit_of(vec![Change::Item(item)]))
        .expect("committed");
    assert_eq!(store.headers_by(PersonId(7), &everything()).len(), 1);
    store.close();
    drop(store);
    let other = PostgresStore::open(&address("127.0.0.1", &roots), None, 2).err();
    assert!(
        matches!(other, Some(ConnectError::Unreachable(_))),
        "another name: {other:?}"
    );
    let elsewhere = tempfile::TempDir::new().expect("a directory");
    assert!(certificate(elsewhere.path()));
    let unknown = address("localhost", &elsewhere.path().join("server.crt"));
    let unknown = PostgresStore::open(&unknown, None, 2).err();
    assert!(
        matches!(unknown, Some(ConnectError::Unreachable(_))),
        "not trusted: {unknown:?}"
    );
}

#[test]
fn without_citus_nothing_is_distributed_and_the_error_says_so() {
    let Some((cluster, store)) = open() else {
        return;
    };
    store.close();
    drop(store);
    let refused = distribute::distribute(&cluster.address(), None).err();
    assert!(
        matches!(refused, Some(ConnectError::NoCitus)),
        "{refused:?}"
    );
}
