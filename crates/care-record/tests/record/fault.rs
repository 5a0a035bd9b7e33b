//! A disk that is full or sick: nothing is said to be kept that is not, reads go on, and work goes on
//! by itself when the disk is well.
//!
//! The disk is made ill by a small library that is loaded before the test's own process starts again
//! (see fault/disk.c), so the engine meets real errors of `write` and `fsync`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use care_record::{DeliveryOutcome, Options, Record, Senders, V2Delivery};
use tempfile::TempDir;

/// Set in the process that runs with the ill disk.
const INSIDE: &str = "CARE_FAULT_INSIDE";

fn shim(directory: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/record/fault/disk.c");
    let library = directory.join("disk.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status();
    built
        .is_ok_and(|status| status.success())
        .then_some(library)
}

/// Runs this test again in a process whose disk can be made ill; true inside that process.
#[allow(clippy::disallowed_methods)]
fn with_a_disk_that_can_fail(test: &str) -> bool {
    if std::env::var(INSIDE).is_ok() {
        return true;
    }
    let kept = TempDir::new().expect("a directory");
    let library = if cfg!(target_os = "linux") {
        shim(kept.path())
    } else {
        None
    };
    let Some(library) = library else {
        println!("SKIPPED: needs Linux and a C compiler");
        return false;
    };
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args([test, "--exact", "--nocapture"])
        .env("LD_PRELOAD", library)
        .env("DISK_FULL", kept.path().join("full"))
        .env("DISK_SICK", kept.path().join("sick"))
        .env("DISK_TIGHT", kept.path().join("tight"))
        .env("DISK_RESERVE", kept.path().join("data/reserve"))
        .env(INSIDE, kept.path())
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    false
}

#[allow(clippy::disallowed_methods)]
fn switch(variable: &str, on: bool) {
    let path = std::env::var(variable).expect("set by the test outside");
    if on {
        // The link is made without writing a byte, so it works on a disk that is full.
        std::fs::hard_link("/proc/self/exe", &path)
            .or_else(|_| std::fs::File::create(&path).map(drop))
            .expect("switched on");
    } else {
        std::fs::remove_file(path).expect("switched off");
    }
}

fn entries(record: &Record) -> u64 {
    record.ledger().status().expect("reads go on").entries
}

/// An act that only leaves an entry, as reading does.
fn look(record: &Record) -> bool {
    record.sessions().refused("nurse", "a test").is_ok()
}

fn soon(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..100 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within 10 seconds: {what}");
}

#[test]
fn on_a_full_disk_nothing_is_claimed_and_work_goes_on_by_itself() {
    if !with_a_disk_that_can_fail(
        "fault::on_a_full_disk_nothing_is_claimed_and_work_goes_on_by_itself",
    ) {
        return;
    }
    let data = TempDir::new().expect("a directory");
    let record = Record::open(Options::new(data.path())).expect("opens");
    for _ in 0..300 {
        assert!(look(&record));
    }
    let before = entries(&record);
    switch("DISK_FULL", true);
    // A dictionary that was not kept must not be used: what is packed with it could never be read.
    let trained = record.operations().train_dictionaries(1);
    assert!(!matches!(trained, Ok(made) if made > 0), "{trained:?}");
    assert!(
        !look(&record),
        "nothing can be written at all, so nothing may be shown"
    );
    let health = record.operations().health().expect("reads go on");
    assert!(health.disk_full && health.on_reserve && !health.writable);
    assert!(
        !data.path().join("reserve").exists(),
        "the reserve was set free"
    );
    assert_eq!(entries(&record), before);
    switch("DISK_FULL", false);
    assert!(look(&record), "entries of reads go on the reserve at once");
    soon("writing goes on", || {
        record
            .operations()
            .health()
            .is_ok_and(|health| health.writable && !health.on_reserve)
    });
    assert!(
        data.path().join("reserve").exists(),
        "the reserve is held again"
    );
    assert!(look(&record));
    assert_eq!(
        entries(&record),
        before + 2,
        "one entry for each success, none for a failure"
    );
    record.close();
    drop(record);
    let report = care_record::operations::check(data.path()).expect("checks");
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let report = care_record::ledger::verify(data.path(), None).expect("verifies");
    assert_eq!((report.entries, report.findings), (before + 2, Vec::new()));
}

#[test]
#[allow(clippy::disallowed_methods)]
fn on_the_reserve_entries_of_reads_are_written_and_deliveries_are_not() {
    if !with_a_disk_that_can_fail(
        "fault::on_the_reserve_entries_of_reads_are_written_and_deliveries_are_not",
    ) {
        return;
    }
    let data = Path::new(&std::env::var(INSIDE).expect("set outside")).join("data");
    let record = Record::open(Options::new(&data)).expect("opens");
    let senders = Senders::default();
    let message = |number: u32| {
        let bytes = format!(
            "MSH|^~\\&|PAS|RJ1|CARE|SEL|20261123100000||ADT^A31|{number}|P|2.4\rPID|1||X{number}\r"
        );
        let delivery = V2Delivery {
            feed: "feed-hospital",
            peer: None,
            bytes: bytes.as_bytes(),
            senders: &senders,
        };
        record.intake().receive_v2(&delivery).outcome
    };
    assert_ne!(message(1), DeliveryOutcome::Transient, "a verdict, kept");
    let kept = entries(&record);
    switch("DISK_TIGHT", true);
    assert_eq!(
        message(2),
        DeliveryOutcome::Transient,
        "no verdict: the sender tries again"
    );
    for number in 0..20 {
        assert!(look(&record), "an entry of a read on the reserve");
        assert_eq!(message(2), DeliveryOutcome::Transient, "{number}");
    }
    let health = record.operations().health().expect("reads go on");
    assert!(health.disk_full && health.on_reserve);
    assert_eq!(entries(&record), kept + 20);
    switch("DISK_TIGHT", false);
    soon("deliveries are kept again", || {
        message(2) != DeliveryOutcome::Transient
    });
    record.close();
    drop(record);
    let report = care_record::ledger::verify(&data, None).expect("verifies");
    assert_eq!(report.findings, Vec::new());
}

#[test]
fn a_failed_fsync_is_no_success_and_the_next_one_is() {
    if !with_a_disk_that_can_fail("fault::a_failed_fsync_is_no_success_and_the_next_one_is") {
        return;
    }
    let data = TempDir::new().expect("a directory");
    let record = Record::open(Options::new(data.path())).expect("opens");
    assert!(look(&record));
    let before = entries(&record);
    for _ in 0..3 {
        switch("DISK_SICK", true);
        assert!(!look(&record), "the disk did not confirm");
        assert_eq!(entries(&record), before, "and it is not read either");
        switch("DISK_SICK", false);
    }
    soon("writing goes on", || look(&record));
    let after = entries(&record);
    assert_eq!(after, before + 1, "numbers go on without a gap");
    record.close();
    drop(record);
    let report = care_record::ledger::verify(data.path(), None).expect("verifies");
    assert_eq!((report.entries, report.findings), (after, Vec::new()));
}
