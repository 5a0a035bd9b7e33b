//! Messages like a laboratory's, and a stream of them, for measuring the engines alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use care_core::vocabulary::{ItemId, PersonId};

use super::suite::{commit_of, delivery_of, put};
use super::{Change, Commit, PutItem, Store};

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

/// A message of ten results, with its delivery and its entry.
pub(super) fn message(person: u64, number: u64) -> Commit {
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

/// Commits messages on several threads at once; gives how long it took.
pub(super) fn stream(store: &Arc<dyn Store>, first: u64, each: u64, threads: u64) -> Duration {
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
