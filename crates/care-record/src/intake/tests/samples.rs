//! Every shared sample ends as stored, or refused with a reason, and none twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn every_shared_sample_is_stored_or_refused_with_a_reason_and_loading_again_changes_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let mut found = Vec::new();
    for part in [
        "hl7v2",
        "fhir-r4-examples",
        "nhsengland",
        "pds",
        "nrl",
        "gpconnect-stu3",
    ] {
        files(&folder.join(part), &mut found);
    }
    let wanted = |path: &PathBuf| {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        ["json", "xml", "hl7", "txt", "ndjson"].contains(&ending)
    };
    found.retain(wanted);
    if found.is_empty() {
        println!("skipped: the shared samples are not here");
        return;
    }
    let world = World::new();
    let load = |world: &World| {
        let mut tally: BTreeMap<DeliveryOutcome, usize> = BTreeMap::new();
        for path in &found {
            let bytes = std::fs::read(path).expect("a readable file");
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("?");
            let results = world.intake.receive_file(&FileDelivery {
                feed: "load",
                source: &ods("RJ1"),
                name,
                bytes: &bytes,
                senders: &Senders::default(),
            });
            for result in results {
                *tally.entry(result.outcome).or_default() += 1;
                let refused = matches!(
                    result.outcome,
                    DeliveryOutcome::Parked | DeliveryOutcome::Refused
                );
                assert!(!refused || !result.reasons.is_empty(), "{}", result.place);
                assert_ne!(
                    result.outcome,
                    DeliveryOutcome::Transient,
                    "{}",
                    result.place
                );
            }
        }
        tally
    };
    let first = load(&world);
    println!("{first:?}");
    let items = world.store().health().expect("health").items;
    world.clock.set(at(60));
    let again = load(&world);
    println!("{again:?}");
    let refused = |tally: &BTreeMap<DeliveryOutcome, usize>| {
        tally.get(&DeliveryOutcome::Refused).copied().unwrap_or(0)
    };
    assert_eq!(refused(&again), 0, "what was refused is answered as before");
    assert_eq!(
        again.get(&DeliveryOutcome::Parked),
        None,
        "nothing waits twice"
    );
    let after = world.store().health().expect("health").items;
    assert_eq!(items, after, "nothing is held twice");
}
