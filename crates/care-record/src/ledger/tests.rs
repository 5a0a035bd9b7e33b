//! Tampering of every kind is found with the witness; without it, a rebuilt log passes.

use std::path::{Path, PathBuf};

use care_core::audit::{Act, Entry, Outcome, check_proof, leaf_hash};
use care_core::vocabulary::PersonId;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::*;
use crate::store::Commit;
use crate::store::sqlite::FILE;
use crate::{Options, Record};

const ENTRIES: u64 = 60;

/// A closed record of 60 entries with a checkpoint every ten, and its witness.
struct Scene {
    _kept: TempDir,
    data: PathBuf,
    witness: PathBuf,
}

fn entry(number: u64) -> Entry {
    let at = "2026-11-23T10:00:00Z".parse().expect("a time");
    let mut entry = Entry::new(
        at,
        Act::View,
        Outcome::Success,
        format!("user-{}", number % 3),
    );
    entry.person = Some(PersonId(7 + number % 2));
    entry.detail = format!("number {number}");
    if number.is_multiple_of(5) {
        entry.outcome = Outcome::Denied;
    }
    entry
}

fn write(record: &Record, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let commit = Commit {
            changes: Vec::new(),
            entry: entry(number),
            more_entries: Vec::new(),
        };
        record.inner().store.commit(commit).expect("committed");
        if number % 10 == 9 {
            record.ledger().checkpoint().expect("signed");
        }
    }
}

fn open(data: &Path, witness: &Path) -> Record {
    let mut options = Options::new(data);
    options.witness = Some(witness.to_owned());
    options.reserve_bytes = 0;
    Record::open(options).expect("opens")
}

fn scene() -> Scene {
    let kept = TempDir::new().expect("a directory");
    let (data, witness) = (kept.path().join("data"), kept.path().join("witness"));
    let record = open(&data, &witness);
    write(&record, 0..ENTRIES);
    record.close();
    Scene {
        _kept: kept,
        data,
        witness,
    }
}

/// A generator good enough to choose by; the seed is printed where a test fails.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

const RENUMBER: &str = "UPDATE entry SET number = -1 - number WHERE number > ?1;";

/// One act of tampering by somebody who knows the format and mends hashes and numbers, but has not
/// the key.
fn tamper(c: &Connection, dice: &mut Dice, how: u64) -> String {
    let number = dice.below(ENTRIES) as i64;
    let other = (number + 1 + dice.below(ENTRIES - 1) as i64) % ENTRIES as i64;
    let plain = |number: i64, bytes: &[u8]| {
        c.execute(
            "UPDATE entry SET form = 0, bytes = ?2, entry = ?3 WHERE number = ?1",
            params![number, bytes.len() as i64, bytes],
        )
        .expect("tampered");
    };
    let mend = |number: i64, bytes: &[u8]| {
        c.execute(
            "UPDATE entry SET leaf = ?2 WHERE number = ?1",
            params![number, leaf_hash(bytes)],
        )
        .expect("tampered");
    };
    let edited = |change: &dyn Fn(&mut Entry)| {
        let mut changed = entry(number as u64);
        change(&mut changed);
        serde_json::to_vec(&changed).expect("serialises")
    };
    let delete = |number: i64| {
        c.execute("DELETE FROM entry WHERE number = ?1", [number])
            .expect("tampered");
    };
    let shift = |after: i64, by: i64| {
        c.execute(&RENUMBER.replace(';', ""), [after])
            .expect("tampered");
        c.execute(
            "UPDATE entry SET number = -1 - number + ?1 WHERE number < 0",
            [by],
        )
        .expect("tampered");
    };
    match how {
        0 => {
            plain(number, &edited(&|entry| entry.detail.push('!')));
            format!("edit {number}")
        }
        1 => {
            let bytes = edited(&|entry| entry.who = "nobody".into());
            plain(number, &bytes);
            mend(number, &bytes);
            c.execute(
                "UPDATE entry SET who = 'nobody' WHERE number = ?1",
                [number],
            )
            .expect("tampered");
            format!("edit and mend {number}")
        }
        2 => {
            let bytes = edited(&|entry| entry.at = "2026-11-22T10:00:00Z".parse().expect("a time"));
            plain(number, &bytes);
            mend(number, &bytes);
            format!("another time for {number}")
        }
        3 => {
            delete(number);
            format!("delete {number}")
        }
        4 => {
            delete(number);
            shift(number, -1);
            format!("delete {number} and close the gap")
        }
        5 => {
            shift(number, 1);
            let bytes = edited(&|entry| entry.detail = "put in".into());
            c.execute(
                "INSERT INTO entry SELECT number + 1, at, person, who, leaf, form, bytes, entry \
                 FROM entry WHERE number = ?1",
                [number],
            )
            .expect("tampered");
            plain(number + 1, &bytes);
            mend(number + 1, &bytes);
            format!("insert after {number}")
        }
        6 => {
            for (from, to) in [(number, -1), (other, number), (-1, other)] {
                c.execute("UPDATE entry SET number = ?2 WHERE number = ?1", [from, to])
                    .expect("tampered");
            }
            format!("swap {number} and {other}")
        }
        7 => {
            c.execute("DELETE FROM entry WHERE number >= ?1", [number])
                .expect("tampered");
            format!("cut off from {number}")
        }
        8 => {
            c.execute("DELETE FROM entry WHERE number >= ?1", [number])
                .expect("tampered");
            c.execute("DELETE FROM checkpoint WHERE size > ?1", [number])
                .expect("tampered");
            format!("cut off from {number} with its checkpoints")
        }
        9 => {
            c.execute("UPDATE entry SET person = 99 WHERE number = ?1", [number])
                .expect("tampered");
            format!("hide {number} from its person")
        }
        _ => {
            c.execute(
                "UPDATE entry SET leaf = zeroblob(32) WHERE number = ?1",
                [number],
            )
            .expect("tampered");
            format!("another hash for {number}")
        }
    }
}

#[test]
fn a_thousand_tamperings_are_all_found() {
    let scene = scene();
    let clean = verify(&scene.data, Some(&scene.witness)).expect("verifies");
    assert_eq!(clean.findings, []);
    assert_eq!((clean.entries, clean.uncovered), (ENTRIES, 0));
    assert_eq!(clean.checkpoints_checked, 6);
    assert_eq!(clean.by_act.get("view"), Some(&ENTRIES));
    assert_eq!(clean.denials, 12);
    let path = scene.data.join(FILE);
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let c = Connection::open(&path).expect("opens");
    c.execute_batch(
        "CREATE TEMP TABLE entry_was AS SELECT * FROM entry;
         CREATE TEMP TABLE checkpoint_was AS SELECT * FROM checkpoint;
         PRAGMA synchronous = OFF;",
    )
    .expect("kept");
    for round in 0..1_000 {
        let done = tamper(&c, &mut dice, round % 11);
        let report = verify(&scene.data, Some(&scene.witness)).expect("verifies");
        assert!(
            !report.findings.is_empty(),
            "round {round}: {done} was not found"
        );
        if let Some(number) = done
            .strip_prefix("edit ")
            .and_then(|n| n.parse::<u64>().ok())
        {
            assert_eq!(report.findings[0].first_entry(), Some(number), "{done}");
        }
        c.execute_batch(
            "DELETE FROM entry; INSERT INTO entry SELECT * FROM entry_was;
             DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM checkpoint_was;",
        )
        .expect("restored");
    }
    assert_eq!(
        verify(&scene.data, Some(&scene.witness)).expect("verifies"),
        clean
    );
}

#[test]
fn a_log_cut_and_rebuilt_passes_without_the_witness_and_not_with_it() {
    let scene = scene();
    let path = scene.data.join(FILE);
    let c = Connection::open(&path).expect("opens");
    c.execute_batch(
        "DELETE FROM entry WHERE number >= 30; DELETE FROM checkpoint WHERE size > 30;",
    )
    .expect("cut");
    drop(c);
    let without = verify(&scene.data, None).expect("verifies");
    assert_eq!(
        without.findings,
        [],
        "the control: nothing shows from inside"
    );
    let with = verify(&scene.data, Some(&scene.witness)).expect("verifies");
    assert_eq!(
        with.findings,
        [care_core::audit::Finding::Shorter { held: 30, size: 60 }]
    );

    // Going on from there, with the key and all, does not help the one who cut.
    let record = open(&scene.data, &scene.witness);
    let status = record.ledger().status().expect("answers");
    assert!(
        status.witness_alarm.is_some(),
        "the record itself raises the alarm"
    );
    write(&record, 100..140);
    record.close();
    assert_eq!(verify(&scene.data, None).expect("verifies").findings, []);
    let with = verify(&scene.data, Some(&scene.witness)).expect("verifies");
    assert_eq!(with.findings[0].first_entry(), Some(30));
}

#[test]
fn an_older_copy_in_place_of_the_record_is_found() {
    let kept = TempDir::new().expect("a directory");
    let (data, witness) = (kept.path().join("data"), kept.path().join("witness"));
    let old = kept.path().join("old");
    let record = open(&data, &witness);
    write(&record, 0..20);
    let copied = record
        .operations()
        .backup(&old, "operator")
        .expect("copied");
    assert_eq!((copied.entries, copied.findings.len()), (21, 0));
    write(&record, 20..40);
    record.close();
    drop(record);
    assert_eq!(
        verify(&data, Some(&witness)).expect("verifies").findings,
        []
    );
    std::fs::copy(old.join(FILE), data.join(FILE)).expect("rolled back");
    let report = verify(&data, Some(&witness)).expect("verifies");
    assert_eq!(report.findings[0].first_entry(), Some(21));
}

#[test]
fn a_witness_file_that_was_changed_is_named() {
    let scene = scene();
    let file = witness::files(&scene.witness).expect("listed").remove(2);
    let note = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, note.replacen("\n30\n", "\n31\n", 1)).expect("changed");
    let report = verify(&scene.data, Some(&scene.witness)).expect("verifies");
    assert!(matches!(
        report.findings[0],
        care_core::audit::Finding::BadCheckpoint { .. }
    ));
}

#[test]
fn every_entry_is_proven_and_the_proof_holds_for_it_alone() {
    let scene = scene();
    let mut before = Vec::new();
    for number in [0, 1, 31, 59] {
        let proof = prove(&scene.data, number).expect("proven");
        let key = care_core::audit::LogVerifier::parse(&proof.verifier_key).expect("a key");
        assert_eq!(check_proof(&proof.text, &proof.entry, &key), Ok(number));
        assert!(check_proof(&proof.text, &before, &key).is_err());
        before = proof.entry;
    }
    assert!(matches!(
        prove(&scene.data, 60),
        Err(LedgerError::NotSigned(60))
    ));
}

#[test]
fn a_key_is_made_once_and_only_its_owner_may_read_it() {
    let scene = scene();
    let key = std::fs::read_to_string(scene.data.join(key::FILE)).expect("read");
    open(&scene.data, &scene.witness).close();
    assert_eq!(
        std::fs::read_to_string(scene.data.join(key::FILE)).expect("read"),
        key
    );
    #[cfg(unix)]
    {
        let held = std::fs::metadata(scene.data.join(key::FILE)).expect("there");
        let mode = std::os::unix::fs::PermissionsExt::mode(&held.permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let another = TempDir::new().expect("a directory");
    let record = open(another.path(), &scene.witness);
    assert!(
        record
            .ledger()
            .status()
            .expect("answers")
            .witness_alarm
            .is_some(),
        "another log's"
    );
}

/// The files of a directory with their bytes, by path.
fn files_under(directory: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        for file in std::fs::read_dir(folder).expect("listed") {
            let path = file.expect("listed").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("under it");
                let bytes = std::fs::read(&path).expect("read");
                found.insert(name.to_string_lossy().into_owned(), bytes);
            }
        }
    }
    found
}

fn write_many(record: &Record, numbers: std::ops::Range<u64>) {
    for number in numbers.clone().step_by(50) {
        let mut entries = (number..numbers.end.min(number + 50)).map(entry);
        let commit = Commit {
            changes: Vec::new(),
            entry: entries.next().expect("one"),
            more_entries: entries.collect(),
        };
        record.inner().store.commit(commit).expect("committed");
    }
    record.ledger().checkpoint().expect("signed");
}

#[test]
fn tiles_grow_over_restarts_into_those_of_one_writing_and_of_the_export() {
    let kept = TempDir::new().expect("a directory");
    let (data, witness) = (kept.path().join("data"), kept.path().join("witness"));
    let whole = kept.path().join("whole");
    let mut options = Options::new(&data);
    options.witness = Some(witness.clone());
    options.publication.whole = Some(whole.clone());
    options.reserve_bytes = 0;
    let mut written = 0;
    for until in [100, 256, 300, 812, 900] {
        let record = Record::open(options.clone()).expect("opens");
        write_many(&record, written..until);
        assert_eq!(record.ledger().status().expect("answers").tiles_alarm, None);
        record.close();
        written = until;
    }
    let out = kept.path().join("out");
    let exported = export(&data, &out).expect("written out");
    assert_eq!((exported.entries, exported.unreadable), (900, 0));
    let (ours, theirs) = (files_under(&whole), files_under(&out));
    for (name, bytes) in &theirs {
        if name != "verifier-key" {
            assert_eq!(ours.get(name), Some(bytes), "{name}");
        }
    }
    let at_witness = files_under(&witness);
    assert!(!at_witness.keys().any(|name| name.contains("entries")));
    for (name, bytes) in theirs.iter().filter(|(name, _)| !name.contains("entries")) {
        assert_eq!(at_witness.get(name), Some(bytes), "{name}");
    }
    assert!(!ours.contains_key("tile/0/000.p/100"), "full now");
    assert!(ours.contains_key("tile/0/003.p/44"), "812 was signed");

    // Proofs come from the tiles, and from the leaves where the tiles are damaged.
    let record = Record::open(options).expect("opens");
    let key = record.ledger().verifier_key();
    let key = care_core::audit::LogVerifier::parse(&key).expect("a key");
    let prove = |number| record.ledger().prove(number).expect("proven");
    let good = prove(301);
    assert_eq!(check_proof(&good.text, &good.entry, &key), Ok(301));
    std::fs::write(data.join(TILES).join("tile/0/001"), [7; 8192]).expect("damaged");
    assert_eq!(prove(301), good);
    assert!(matches!(
        record.ledger().prove(900),
        Err(LedgerError::NotSigned(900))
    ));
}

#[test]
fn the_witness_tiles_name_the_first_entry_that_was_changed_though_its_hash_was_mended() {
    let scene = scene();
    let path = scene.data.join(FILE);
    let c = Connection::open(&path).expect("opens");
    let mut changed = entry(37);
    changed.detail = "nothing happened".into();
    let bytes = serde_json::to_vec(&changed).expect("serialises");
    c.execute(
        "UPDATE entry SET form = 0, bytes = ?1, entry = ?2, leaf = ?3 WHERE number = 37",
        params![bytes.len() as i64, bytes, leaf_hash(&bytes)],
    )
    .expect("tampered");
    drop(c);
    let report = verify(&scene.data, Some(&scene.witness)).expect("verifies");
    assert!(
        report
            .findings
            .contains(&care_core::audit::Finding::NotAsWitnessed { number: 37 })
    );
    // A record that goes on after that does not replace what stands at the witness.
    let before = files_under(&scene.witness);
    let record = open(&scene.data, &scene.witness);
    write(&record, 60..61);
    record.close();
    let after = files_under(&scene.witness);
    for (name, bytes) in before.iter().filter(|(name, _)| *name != "checkpoint") {
        assert_eq!(after.get(name), Some(bytes), "{name}");
    }
}

#[test]
fn a_witness_elsewhere_signs_growth_and_its_signature_stands_in_proofs() {
    use care_core::audit::{Cosigner, WitnessRefusal, consider};
    let kept = TempDir::new().expect("a directory");
    let cosigner = Cosigner::new("witness.example/w1", &[3; 32]);
    let witness = cosigner.verifier();
    let mut options = Options::new(kept.path().join("data"));
    options.publication.witnesses = vec![witness.clone()];
    options.reserve_bytes = 0;
    let record = Record::open(options).expect("opens");
    let ledger = record.ledger();
    assert_eq!(
        ledger.submission(&witness, None).expect("asked"),
        None,
        "nothing yet"
    );
    let log = care_core::audit::LogVerifier::parse(&ledger.verifier_key()).expect("a key");
    let mut latest = None;
    for until in [3, 300, 301] {
        write_many(
            &record,
            latest
                .as_ref()
                .map_or(0, |c: &care_core::audit::Checkpoint| c.size)..until,
        );
        let status = ledger.status().expect("answers");
        assert!(status.witnesses[0].behind_since.is_some());
        let submission = ledger
            .submission(&witness, None)
            .expect("asked")
            .expect("new");
        let accepted = consider(&submission, Some(&log), latest.as_ref()).expect("grew");
        assert!(matches!(
            ledger.cosigned(&witness, &submission, "— witness.example/w1 AAAA\n"),
            Err(LedgerError::NotCosigned)
        ));
        let line = cosigner
            .cosign(&submission.note, 1_790_000_000)
            .expect("signs");
        ledger.cosigned(&witness, &submission, &line).expect("kept");
        assert_eq!(
            ledger.status().expect("answers").witnesses[0].cosigned,
            until
        );
        assert_eq!(
            ledger.status().expect("answers").witnesses[0].behind_since,
            None
        );
        latest = Some(accepted);
    }
    assert_eq!(
        ledger.submission(&witness, None).expect("asked"),
        None,
        "all signed"
    );
    // A witness that was told otherwise says where it stands, and is met there.
    let from = ledger
        .submission(&witness, Some(3))
        .expect("asked")
        .expect("from there");
    assert_eq!(
        consider(&from, Some(&log), latest.as_ref()),
        Err(WitnessRefusal::Stale { size: 301 })
    );
    assert!(matches!(
        ledger.submission(&witness, Some(400)),
        Err(LedgerError::WitnessKnowsMore {
            seen: 400,
            signed: 301
        })
    ));
    let proof = ledger.prove(7).expect("proven");
    assert_eq!(proof.witness_keys, [witness.to_string()]);
    assert!(
        witness
            .find(
                proof.text.split_once("\n\n").expect("a note").1,
                &proof.text
            )
            .is_some()
    );
}
