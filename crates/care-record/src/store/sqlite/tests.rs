//! The engine suite on SQLite, and what only SQLite can be asked.

use tempfile::TempDir;

use super::*;
use crate::store::suite::{self, Engine, commit_of, everything, put};
use crate::store::{Change, Put, Upkeep};

impl Engine for SqliteStore {
    fn upkeep(&self) -> &dyn Upkeep {
        self
    }

    fn headers_by(&self, person: PersonId, filter: &Filter) -> Vec<Header> {
        self.on_reader(|c| read_items::headers(c, person, filter, false))
            .expect("read")
    }

    fn bodies_by(
        &self,
        person: PersonId,
        filter: &Filter,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        self.on_reader(|c| read_items::bodies(c, &self.codec, person, filter, wanted))
    }

    fn version_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Option<StoredBody> {
        self.on_reader(|c| {
            read_items::version_of(c, &self.codec, Some(person), filter, item, version)
        })
        .expect("read")
    }

    fn history_by(
        &self,
        person: PersonId,
        filter: &Filter,
        item: (ResourceType, ItemId),
    ) -> Vec<Header> {
        self.on_reader(|c| read_items::history(c, person, filter, item))
            .expect("read")
    }

    fn activity_by(&self, person: PersonId, filter: &Filter) -> Vec<SourceActivity> {
        self.on_reader(|c| read_items::source_activity(c, Some((person, filter))))
            .expect("read")
    }

    fn whole_by(&self, person: PersonId, filter: &Filter) -> Vec<StoredBody> {
        self.on_reader(|c| read_cohorts::whole(c, &self.codec, person, filter))
            .expect("read")
    }
}

pub(super) fn open_in(directory: &Path) -> SqliteStore {
    let mut connection = connection::writing(&directory.join(FILE)).expect("opens");
    connection::migrate(&mut connection).expect("migrates");
    let tuning = Tuning {
        reserve_bytes: 1 << 16,
        ..Tuning::default()
    };
    SqliteStore::open(directory, connection, &tuning).expect("opens")
}

fn open() -> (TempDir, SqliteStore) {
    let directory = TempDir::new().expect("a directory");
    let store = open_in(directory.path());
    (directory, store)
}

suite::engine_suite!(open());

#[test]
fn everything_is_there_after_closing_and_opening_again() {
    let (directory, store) = open();
    store
        .commit(commit_of(vec![Change::Item(put(7, 1, 0, "a"))]))
        .expect("committed");
    store.close();
    let closed = store.commit(commit_of(Vec::new()));
    assert!(matches!(closed, Err(StoreError::Closed)));
    assert!(matches!(store.health(), Err(StoreError::Closed)));
    drop(store);
    let log = directory.path().join("record.sqlite-wal");
    assert!(std::fs::metadata(log).map_or(0, |file| file.len()) == 0);
    let store = open_in(directory.path());
    assert_eq!(store.headers_by(PersonId(7), &everything()).len(), 1);
    let next = store.commit(commit_of(Vec::new())).expect("committed");
    assert_eq!(next.entry, 1);
}

#[test]
fn a_failed_fsync_is_answered_as_not_durable_and_the_next_commit_goes_on() {
    let (_directory, store) = open();
    let commit = || commit_of(vec![Change::Item(put(7, 1, 0, "a"))]);
    store
        .writer
        .signals
        .fail_next_sync
        .store(true, Ordering::SeqCst);
    assert!(matches!(
        store.commit(commit()),
        Err(StoreError::NotDurable(_))
    ));
    assert!(store.headers_by(PersonId(7), &everything()).is_empty());
    let done = store.commit(commit()).expect("committed");
    assert_eq!(
        (done.entry, done.items[0]),
        (0, Put::Created { version: 1 })
    );
}

#[test]
fn no_byte_that_was_changed_on_the_disk_is_ever_served() {
    let (_directory, store) = open();
    let wanted = [(suite::OBSERVATION, ItemId(1))];
    store
        .commit(commit_of(vec![Change::Item(put(
            7,
            1,
            0,
            "a value to be damaged",
        ))]))
        .expect("committed");
    let columns = [
        "category",
        "sensitivity",
        "flags",
        "code_key",
        "clinical_at",
        "event_at",
        "received_at",
        "version",
        "form",
        "bytes",
    ];
    let mut damages: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = {column} + 1"))
        .collect();
    damages.push("source = 'RJ2'".into());
    damages.push("digest = zeroblob(16)".into());
    damages.push("body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB)".into());
    damages.push("person = 8".into());
    damages.push("item = 2".into());
    for damage in damages {
        let sql = format!("BEGIN; UPDATE item SET {damage}; COMMIT");
        store
            .on_writer(move |c| {
                c.execute_batch("CREATE TEMP TABLE was AS SELECT * FROM item")
                    .and_then(|()| c.execute_batch(&sql))
                    .map_err(reading)
            })
            .expect("damaged");
        for (person, item) in [(7, 1), (8, 1), (7, 2)] {
            let wanted = [(suite::OBSERVATION, ItemId(item))];
            match store.bodies_by(PersonId(person), &everything(), &wanted) {
                Err(StoreError::Corrupt) => {}
                Ok(found) => assert!(found.is_empty(), "{damage}"),
                Err(other) => panic!("{damage}: {other}"),
            }
        }
        store
            .on_writer(|c| {
                c.execute_batch(
                    "DELETE FROM item; INSERT INTO item SELECT * FROM was; DROP TABLE was",
                )
                .map_err(reading)
            })
            .expect("restored");
    }
    let found = store.bodies_by(PersonId(7), &everything(), &wanted);
    assert_eq!(found.expect("the control reads again").len(), 1);
}
