//! How fast the engine is, by itself: `cargo test --release -p care-record measure -- --ignored --nocapture`.
//!
//! Prints figures; asserts nothing, because machines differ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::tests::open_in;
use super::*;
use crate::store::load::{message, stream};
use crate::store::suite::{Engine, OBSERVATION, commit_of, everything};

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

fn middle(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..101)
        .map(|_| {
            let start = now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[50]
}

#[test]
#[ignore = "a measurement, not a test"]
fn measure() {
    let root = std::env::temp_dir();
    let directory = TempDir::new_in(root).expect("a directory");
    let store = Arc::new(open_in(directory.path()));
    stream(&(store.clone() as Arc<dyn Store>), 0, 500, 4);
    let trained = crate::jobs::train(&*store, 1_000).expect("trains");
    println!("dictionaries trained: {trained}");
    for (threads, each) in [(1, 500), (8, 1_000), (64, 250)] {
        let count = threads * each;
        let took = stream(
            &(store.clone() as Arc<dyn Store>),
            100_000 * threads,
            each,
            threads,
        );
        println!(
            "{threads} threads: {count} messages of 10 items in {took:?}: {:.0}/s",
            count as f64 / took.as_secs_f64()
        );
    }
    // The writer's own work, without the callers' and without the disk.
    let prepared: Vec<_> = (0..2_000)
        .map(|number| {
            let commit = message(1 + number % 500, 90_000_000 + number);
            prepare::prepare(commit, &store.codec, &store.indexer).expect("prepares")
        })
        .collect();
    let took = store
        .on_writer(move |c| {
            c.execute_batch("BEGIN IMMEDIATE").expect("begins");
            let start = now();
            let mut progress = apply::Progress {
                next_entry: 1 << 40,
                ..Default::default()
            };
            for one in &prepared {
                c.execute_batch("SAVEPOINT one").expect("saves");
                assert!(apply::apply(c, one, &mut progress).is_ok());
                c.execute_batch("RELEASE one").expect("releases");
            }
            let took = start.elapsed();
            c.execute_batch("ROLLBACK").expect("rolls back");
            Ok(took)
        })
        .expect("measured");
    println!("writer: {:?} a message", took / 2_000);
    let preparing = middle(|| {
        drop(prepare::prepare(
            message(1, 1),
            &store.codec,
            &store.indexer,
        ))
    });
    println!("preparing on the caller's thread: {preparing:?} a message");

    let person = 1_000_000;
    for number in 0..200 {
        store
            .commit(message(person, 50_000_000 + number))
            .expect("kept");
    }
    let filter = everything();
    let headers = store.headers_by(PersonId(person), &filter);
    println!(
        "headers of {}: {:?}",
        headers.len(),
        middle(|| drop(store.headers_by(PersonId(person), &filter)))
    );
    let wanted: Vec<_> = headers
        .iter()
        .step_by(20)
        .map(|header| (OBSERVATION, header.item))
        .collect();
    println!(
        "bodies of {}: {:?}",
        wanted.len(),
        middle(|| drop(store.bodies_by(PersonId(person), &filter, &wanted)))
    );
    let entry = middle(|| drop(store.commit(commit_of(Vec::new()))));
    println!("a single entry, durable: {entry:?}");
    let health = store.health().expect("health");
    println!(
        "database {} MB for {} items: {} bytes an item with its share of deliveries and log",
        health.database_bytes >> 20,
        health.items,
        health.database_bytes / health.items
    );
}

/// Every resource of the samples' Bundles, with its type.
fn samples() -> Vec<(ResourceType, care_core::fhir::Json)> {
    use care_core::fhir::{Json, Limits};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/synthea");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else {
            continue;
        };
        let Ok(bundle) = Json::parse(&bytes, Limits::default()) else {
            continue;
        };
        for entry in bundle.elements("entry") {
            let resource = entry.get("resource").cloned().unwrap_or_default();
            let of = resource
                .text_at(&["resourceType"])
                .and_then(ResourceType::from_name);
            found.extend(of.map(|of| (of, resource)));
        }
    }
    found
}

/// `… measure_bytes -- --ignored --nocapture`; `COPIES` is how often the samples are taken, 8 if not said.
#[test]
#[ignore = "a measurement, not a test"]
#[allow(
    clippy::disallowed_methods,
    reason = "a measurement that is started with its settings"
)]
fn measure_bytes() {
    use crate::store::Change;
    use crate::store::suite::{at, delivery_of, put};
    let samples = samples();
    let copies = std::env::var("COPIES")
        .ok()
        .and_then(|text| text.parse().ok());
    let directory = TempDir::new().expect("a directory");
    let store = open_in(directory.path());
    let (mut resources, mut sent) = (0_u64, 0_u64);
    let (mut preparing, mut writing) = (Duration::ZERO, Duration::ZERO);
    for copy in 0..copies.unwrap_or(8_u64) {
        for (number, part) in samples.chunks(300).enumerate() {
            let person = 1 + copy * 1_000 + number as u64;
            let mut body = Vec::new();
            let mut changes = Vec::new();
            for (of, resource) in part {
                resources += 1;
                // Fresh ids, as a sender would make them.
                let text = resource.to_string().replace('-', &format!("{copy:x}"));
                body.extend_from_slice(text.as_bytes());
                let item = resources.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mut put = put(person, item, 0, "");
                put.resource_type = *of;
                put.clinical_at =
                    care_core::fhir::clinical_time(resource).map(|time| time.earliest());
                put.received_at = at(resources as i64 / 300);
                put.event_at = put.received_at;
                let id = format!("{}-{}", PersonId(person), ItemId(item));
                put.body = text
                    .replacen("\"id\":\"", &format!("\"id\":\"{id}"), 1)
                    .into_bytes();
                changes.push(Change::Item(put));
            }
            sent += body.len() as u64;
            let delivery = delivery_of(&format!("{copy}/{number}"), &body);
            changes.push(Change::Delivery(delivery));
            let mut commit = commit_of(changes);
            commit.entry.items = vec![format!("Bundle/{copy}/{number}")];
            let start = now();
            let prepared =
                prepare::prepare(commit, &store.codec, &store.indexer).expect("prepares");
            preparing += start.elapsed();
            let start = now();
            store.writer.submit(prepared).wait().expect("committed");
            writing += start.elapsed();
        }
        if copy == 0 {
            crate::jobs::train(&store, 300).expect("trains");
        }
    }
    println!(
        "{resources} resources of {} bytes each",
        sent / resources.max(1)
    );
    println!(
        "prepared in {:?} each, written in {:?} each",
        preparing / resources as u32,
        writing / resources as u32
    );
    store.close();
    let file = directory.path().join(FILE);
    let bytes = std::fs::metadata(&file).expect("a file").len();
    println!("{} bytes on disk each", bytes / resources.max(1));
    let connection = Connection::open(file).expect("opens");
    let mut statement = connection
        .prepare("SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 14")
        .expect("dbstat");
    let mut rows = statement.query([]).expect("rows");
    while let Ok(Some(row)) = rows.next() {
        let (name, size, unused): (String, i64, i64) = (
            row.get(0).expect("name"),
            row.get(1).expect("size"),
            row.get(2).expect("unused"),
        );
        println!(
            "{name:24} {:>6} each, {:>3} % unused",
            size / resources.max(1) as i64,
            100 * unused / size.max(1)
        );
    }
    let free: i64 = connection
        .query_row("PRAGMA freelist_count", [], |row| row.get(0))
        .expect("free");
    println!(
        "free pages: {} bytes each",
        8192 * free as u64 / resources.max(1)
    );
}
