//! How fast the engine is, by itself: `cargo test --release -p care-record measure -- --ignored --nocapture`.
//!
//! Prints figures; asserts nothing, because machines differ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::tests::open_in;
use super::*;
use crate::store::suite::{Engine, OBSERVATION, commit_of, delivery_of, everything, put};
use crate::store::{Change, PutItem};

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

/// A result as UK Core has it: about 900 bytes.
fn observation(person: u64, item: u64) -> PutItem {
    let mut put = put(person, item, (item % 5_000) as i64, "");
    put.body = format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"{}\",\"meta\":{{\"profile\":[\
         \"https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation\"]}},\"status\":\"final\",\
         \"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\
         \"code\":\"laboratory\",\"display\":\"Laboratory\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\
         \"http://snomed.info/sct\",\"code\":\"{}\",\"display\":\"Serum creatinine level\"}}],\"text\":\"Creatinine\"}},\
         \"subject\":{{\"reference\":\"Patient/{}\"}},\"effectiveDateTime\":\"2026-11-{:02}T08:{:02}:00+00:00\",\
         \"valueQuantity\":{{\"value\":{}.{},\"unit\":\"umol/L\",\"system\":\"http://unitsofmeasure.org\",\
         \"code\":\"umol/L\"}},\"referenceRange\":[{{\"low\":{{\"value\":45,\"unit\":\"umol/L\"}},\"high\":{{\"value\":84,\
         \"unit\":\"umol/L\"}}}}],\"interpretation\":[{{\"coding\":[{{\"code\":\"N\"}}]}}]}}",
        ItemId(item), 1_000_000 + item * 7919 % 900_000, PersonId(person), item % 28 + 1, item % 60,
        item % 300, item % 10
    )
    .into_bytes();
    put
}

fn message(person: u64, number: u64) -> Commit {
    let body = format!(
        "MSH|^~\\&|LAB|RJ1|CARE|SEL|20261123100000||ORU^R01|{number}|P|2.4\r{}",
        format!("OBX|1|NM|CRE^Creatinine^L||{number}|umol/L|45-84|N|||F|||20261123\r").repeat(9)
    );
    let mut changes = vec![Change::Delivery(delivery_of(
        &number.to_string(),
        body.as_bytes(),
    ))];
    changes.extend((0..10).map(|item| Change::Item(observation(person, number * 10 + item))));
    let mut commit = commit_of(changes);
    commit.entry.items = (0..10)
        .map(|item| format!("Observation/{}/1", ItemId(number * 10 + item)))
        .collect();
    commit
}

fn stream(store: &Arc<SqliteStore>, first: u64, each: u64, threads: u64) -> Duration {
    let start = now();
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let store = store.clone();
            std::thread::spawn(move || {
                for one in 0..each {
                    let number = first + thread * each + one;
                    store
                        .commit(message(1 + number % 500, number))
                        .expect("kept");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    start.elapsed()
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
    stream(&store, 0, 500, 4);
    let trained = crate::jobs::train(&store, 1_000).expect("trains");
    println!("dictionaries trained: {trained}");
    for (threads, each) in [(1, 500), (8, 1_000), (64, 250)] {
        let count = threads * each;
        let took = stream(&store, 100_000 * threads, each, threads);
        println!(
            "{threads} threads: {count} messages of 10 items in {took:?}: {:.0}/s",
            count as f64 / took.as_secs_f64()
        );
    }
    // The writer's own work, without the callers' and without the disk.
    let prepared: Vec<_> = (0..2_000)
        .map(|number| {
            let commit = message(1 + number % 500, 90_000_000 + number);
            prepare::prepare(commit, &store.codec).expect("prepares")
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
    let preparing = middle(|| drop(prepare::prepare(message(1, 1), &store.codec)));
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
