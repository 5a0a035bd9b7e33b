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
