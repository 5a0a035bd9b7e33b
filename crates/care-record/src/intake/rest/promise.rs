//! Promise R24: updates that name a version are linearisable. Writers read, count one up and write with
//! `If-Match`, many at once, in a process of its own that is killed again and again; then the history of
//! every resource is walked: nothing lost, nothing doubled, no gap.
//!
//! `R24_UPDATES`, `R24_KILLS`, `R24_ENGINE=postgres`; `R24_NEGATIVE_CONTROL=1` looks at the version
//! before the transaction and not inside it, and must end red. bench/promises/R24.sh runs both.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use care_core::access::{Supplier, supplier_view};
use care_core::fhir::{Json, Limits, ResourceType};

use super::find::Finder;
use super::tests::{open, request, source_of, update};
use crate::store::postgres::cluster::Cluster;
use crate::{Engine, Record};

const THINGS: u64 = 40;
const WRITERS: u64 = 16;

/// Whether this run looks at versions outside the transaction.
pub(super) fn looks_outside() -> bool {
    setting("R24_NEGATIVE_CONTROL").is_some()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test that a script starts with its settings"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str, otherwise: u64) -> u64 {
    setting(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn engine(address: Option<&str>) -> Engine {
    match address {
        None => Engine::Sqlite,
        Some(address) => Engine::Postgres {
            address: address.to_owned(),
            password: None,
        },
    }
}

fn observation(thing: u64, value: u64, token: &str) -> Json {
    let text = format!(
        r#"{{"resourceType":"Observation","id":"thing-{thing}","status":"final","code":{{"text":"count"}},"subject":{{"reference":"Patient/ada"}},"valueInteger":{value},"note":[{{"text":"{token}"}}]}}"#
    );
    Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
}

#[test]
#[ignore = "minutes; bench/promises/R24.sh runs it"]
fn promise_r24_no_update_is_lost() {
    let (updates, kills) = (number("R24_UPDATES", 50_000), number("R24_KILLS", 30));
    let cluster = match setting("R24_ENGINE").as_deref() {
        Some("postgres") => match Cluster::start() {
            Some(cluster) => Some(cluster),
            None => return,
        },
        _ => None,
    };
    let address = cluster.as_ref().map(Cluster::address);
    let directory = tempfile::tempdir().expect("a directory");
    let record = open(directory.path(), engine(address.as_deref()));
    prepare(&record);
    record.close();
    drop(record);
    let ledger = directory.path().join("ledger");
    let mut killed = 0;
    let mut random = number("R24_SEED", 24).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    loop {
        let done = lines(&ledger).len() as u64;
        if done >= updates {
            break;
        }
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "intake::rest::promise::r24_writer",
                "--ignored",
                "--nocapture",
            ])
            .env("R24_DIRECTORY", directory.path())
            .env("R24_ADDRESS", address.as_deref().unwrap_or_default())
            .env("R24_LEFT", (updates - done).to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("a writer");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // So that the kills fall within the work: each after its share, at a random moment of it.
        let share = (updates - done) / (kills - killed.min(kills - 1)).max(1);
        let wanted = done + share / 2 + random % share.max(1);
        loop {
            std::thread::sleep(Duration::from_millis(2));
            if child.try_wait().expect("its state").is_some() {
                break;
            }
            if killed < kills && lines_at_least(&ledger, wanted) {
                child.kill().expect("killed");
                child.wait().expect("gone");
                killed += 1;
                break;
            }
        }
    }
    let record = open(directory.path(), engine(address.as_deref()));
    let problems = compare(&record, &lines(&ledger), killed);
    record.close();
    assert_eq!(problems, 0, "the promise is broken");
}

fn prepare(record: &Record) {
    let ada = r#"{"resourceType":"Patient","id":"ada","name":[{"family":"Cole","given":["Ada"]}],"birthDate":"1950-01-01"}"#;
    let ada = Json::parse(ada.as_bytes(), Limits::default()).expect("JSON");
    let answer = record.intake().receive_rest(&request(vec![update(
        ResourceType::PATIENT,
        "ada",
        ada,
        None,
    )]));
    assert!(answer.result.is_ok(), "{answer:?}");
    for thing in 0..THINGS {
        let first = observation(thing, 1, "first");
        let write = update(
            ResourceType::OBSERVATION,
            &format!("thing-{thing}"),
            first,
            None,
        );
        let answer = record.intake().receive_rest(&request(vec![write]));
        assert!(answer.result.is_ok(), "{answer:?}");
    }
}

fn lines(ledger: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Cheaper than reading it: a line has at least 16 bytes.
fn lines_at_least(ledger: &Path, wanted: u64) -> bool {
    let bytes = std::fs::metadata(ledger).map_or(0, |found| found.len());
    bytes >= wanted * 16 && lines(ledger).len() as u64 >= wanted
}

/// The process that is killed: not a test of its own.
#[test]
#[ignore = "started by promise_r24_no_update_is_lost"]
fn r24_writer() {
    let Some(directory) = setting("R24_DIRECTORY") else {
        return;
    };
    let record = open(
        Path::new(&directory),
        engine(setting("R24_ADDRESS").as_deref()),
    );
    let ledger = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(&directory).join("ledger"))
        .expect("the ledger");
    let ledger = Arc::new(ledger);
    let left = AtomicU64::new(number("R24_LEFT", 0));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (record, left, ledger) = (&record, &left, ledger.clone());
            scope.spawn(move || write_on(record, writer, left, &ledger));
        }
    });
    record.close();
}

fn write_on(record: &Record, writer: u64, left: &AtomicU64, mut ledger: &std::fs::File) {
    let mut state = u64::from(std::process::id()) * 31 + writer + 1;
    let mut count = 0;
    while left.load(Ordering::Relaxed) > 0 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let thing = (state >> 33) % THINGS;
        let (version, value, _) = newest(record, thing);
        count += 1;
        let token = format!("{:08}-{writer}-{count:06}", std::process::id());
        let write = update(
            ResourceType::OBSERVATION,
            &format!("thing-{thing}"),
            observation(thing, value + 1, &token),
            Some(format!("W/\"{version}\"")),
        );
        let answer = record.intake().receive_rest(&request(vec![write]));
        match answer.result {
            Ok(written) => {
                let version = written[0].version.expect("a version");
                let line = format!("{thing} {version} {token}\n");
                // One write, so that lines of several writers do not mix.
                ledger.write_all(line.as_bytes()).expect("written");
                let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    Some(left.saturating_sub(1))
                });
            }
            Err(refusal) => assert_eq!(refusal.status, 412, "{refusal:?}"),
        }
    }
}

/// Version, counter and token of every version, newest first.
fn versions(record: &Record, thing: u64, limit: u32) -> Vec<(u32, u64, String)> {
    let intake = record.intake();
    let source = source_of("RJ1");
    let view = supplier_view(&Supplier::configured("feed-hospital", &source).expect("a supplier"));
    let finder = Finder {
        store: &*intake.parts.store,
        view: &view,
        source: &source,
        base: "",
    };
    let held = finder
        .by_key(ResourceType::OBSERVATION, &format!("thing-{thing}"))
        .expect("the store answers")
        .expect("held");
    let all = finder
        .store
        .versions(held.owner, &view, held.whole(), None, limit)
        .expect("the store answers");
    all.iter()
        .map(|stored| {
            let body = Json::parse(&stored.body, Limits::default()).expect("JSON");
            let value = body.get("valueInteger").and_then(Json::as_number);
            let value = value.and_then(|text| text.parse().ok()).expect("a number");
            let token = body.text_at(&["note", "text"]).expect("a token").to_owned();
            (stored.header.version, value, token)
        })
        .collect()
}

fn newest(record: &Record, thing: u64) -> (u32, u64, String) {
    versions(record, thing, 1).pop().expect("a version")
}

/// Walks every history; prints what it found and gives the number of faults.
fn compare(record: &Record, ledger: &[String], killed: u64) -> usize {
    let mut found: HashMap<(u64, u32), (u64, String)> = HashMap::new();
    let (mut gaps, mut miscounts) = (0, 0);
    for thing in 0..THINGS {
        let mut all = versions(record, thing, u32::MAX);
        all.reverse();
        for (place, (version, value, _)) in all.iter().enumerate() {
            gaps += usize::from(*version != place as u32 + 1);
            let before = place.checked_sub(1).and_then(|at| all.get(at));
            miscounts += usize::from(*value != before.map_or(0, |(_, value, _)| *value) + 1);
        }
        found.extend(
            all.into_iter()
                .map(|(version, value, token)| ((thing, version), (value, token))),
        );
    }
    let lost = ledger
        .iter()
        .filter(|line| {
            let mut parts = line.split(' ');
            let mut number = || parts.next().and_then(|text| text.parse::<u64>().ok());
            let key = (
                number().expect("a thing"),
                number().expect("a version") as u32,
            );
            let token = parts.next().unwrap_or_default();
            found.get(&key).is_none_or(|(_, held)| held != token)
        })
        .count();
    println!(
        "acknowledged {}  kills {killed}  versions held {}  acknowledged and lost {lost}  gaps {gaps}  updates overwritten unseen {miscounts}",
        ledger.len(),
        found.len()
    );
    lost + gaps + miscounts
}
