//! How fast the engine is, by itself, on a cluster that keeps what it confirms:
//! `cargo test --release -p care-record postgres::measure -- --ignored --nocapture`.
//!
//! Prints figures; asserts nothing, because machines differ.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::*;
use crate::store::Store;
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
    let Some(cluster) = Cluster::start_with(&["-c", "fsync=on", "-c", "max_wal_size=4GB"]) else {
        return;
    };
    let store = Arc::new(PostgresStore::open(&cluster.address(), None, 8).expect("opens"));
    let shared: Arc<dyn Store> = store.clone();
    stream(&shared, 0, 500, 4);
    let trained = crate::jobs::train(&*store, 1_000).expect("trains");
    println!("dictionaries trained: {trained}");
    for (threads, each) in [(1, 500), (8, 1_000), (64, 250)] {
        let count = threads * each;
        let took = stream(&shared, 100_000 * threads, each, threads);
        println!(
            "{threads} threads: {count} messages of 10 items in {took:?}: {:.0}/s",
            count as f64 / took.as_secs_f64()
        );
    }
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
