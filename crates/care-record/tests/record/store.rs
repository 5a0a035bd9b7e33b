//! Opening, closing, copying and checking a record, from outside.

use std::fs;
use std::path::Path;

use care_record::{OpenError, Options, Record, operations};
use rusqlite::Connection;
use tempfile::TempDir;

fn open(directory: &Path) -> Result<Record, OpenError> {
    let mut options = Options::new(directory);
    options.reserve_bytes = 0;
    Record::open(options)
}

fn a_closed_record() -> TempDir {
    let kept = TempDir::new().expect("a directory");
    let record = open(kept.path()).expect("opens");
    for number in 0..20 {
        record
            .sessions()
            .refused("somebody", &format!("try {number}"))
            .expect("recorded");
    }
    record.close();
    kept
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("record.sqlite")).expect("opens")
}

#[test]
fn a_second_process_cannot_open_the_same_record() {
    let kept = TempDir::new().expect("a directory");
    let first = open(kept.path()).expect("opens");
    assert!(matches!(open(kept.path()), Err(OpenError::InUse(_))));
    first.close();
    drop(first);
    open(kept.path())
        .expect("opens once the first is gone")
        .close();
}

#[test]
fn an_older_program_refuses_a_newer_schema_and_changes_nothing() {
    let kept = a_closed_record();
    database(kept.path())
        .execute_batch("PRAGMA user_version = 999")
        .expect("stamped");
    let before = fs::read(kept.path().join("record.sqlite")).expect("read");
    let refused = open(kept.path());
    assert!(matches!(
        refused,
        Err(OpenError::NewerSchema { found: 999, .. })
    ));
    assert_eq!(
        fs::read(kept.path().join("record.sqlite")).expect("read"),
        before
    );
}

#[test]
fn another_programs_database_is_left_alone() {
    let kept = TempDir::new().expect("a directory");
    database(kept.path())
        .execute_batch("CREATE TABLE theirs (a)")
        .expect("made");
    assert!(matches!(open(kept.path()), Err(OpenError::Foreign(_))));
}

#[test]
fn a_backup_restores_to_the_same_log_and_never_over_a_record() {
    let kept = a_closed_record();
    let (copy, restored) = (kept.path().join("copy"), kept.path().join("restored"));
    let record = open(kept.path()).expect("opens");
    let saved = record
        .operations()
        .backup(&copy, "operator")
        .expect("copied");
    assert_eq!((saved.entries, saved.uncovered), (21, 0));
    assert!(
        record.operations().backup(&copy, "operator").is_err(),
        "never over a backup"
    );
    record
        .sessions()
        .refused("somebody", "after the backup")
        .expect("recorded");
    record.close();
    drop(record);
    assert_eq!(
        operations::restore(&copy, &restored)
            .expect("restored")
            .entries,
        21
    );
    assert!(
        operations::restore(&copy, &restored).is_err(),
        "never over a record"
    );
    let record = open(&restored).expect("opens");
    record
        .sessions()
        .refused("somebody", "and on")
        .expect("goes on");
    record.close();
    let report = care_record::ledger::verify(&restored, None).expect("verifies");
    assert_eq!((report.entries, report.findings.len()), (22, 0));
}

#[test]
fn a_scrub_names_what_is_damaged_and_a_damaged_backup_is_not_restored() {
    let kept = a_closed_record();
    let clean = operations::check(kept.path()).expect("checks");
    assert_eq!((clean.entries, clean.damage.len()), (20, 0));
    database(kept.path())
        .execute_batch("UPDATE entry SET leaf = zeroblob(32) WHERE number = 7")
        .expect("damaged");
    let report = operations::check(kept.path()).expect("checks");
    assert_eq!(report.damage, ["entry 7"]);
    let restored = kept.path().join("restored");
    assert!(operations::restore(kept.path(), &restored).is_err());
    assert!(!restored.exists());
}

#[test]
fn a_migrated_record_needs_no_more_migration() {
    let kept = TempDir::new().expect("a directory");
    assert!(operations::migrate(kept.path()).expect("migrates") >= 1);
    assert_eq!(operations::migrate(kept.path()).expect("migrates"), 0);
}

#[test]
fn of_many_uses_of_one_assertion_at_once_one_is_let_in() {
    let kept = TempDir::new().expect("a directory");
    let record = open(kept.path()).expect("opens");
    let until = "2100-01-01T00:00:00Z".parse().expect("a time");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let sessions = record.sessions();
            std::thread::spawn(move || sessions.use_assertion("feed-gp", "digest", until))
        })
        .collect();
    let let_in = threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic").expect("answered"))
        .filter(|let_in| *let_in)
        .count();
    assert_eq!(let_in, 1);
    assert_eq!(
        record.ledger().status().expect("answers").entries,
        8,
        "each try is recorded"
    );
}
