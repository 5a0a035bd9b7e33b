//! Whatever is received ends as exactly one of the outcomes, and what was received is kept.

use proptest::prelude::*;

use super::*;

const MESSAGE: &str = "MSH|^~\\&|PAS|RJ1|CC|QKK|20261123095500||ADT^A28^ADT_A05|1|P|2.4\r\
EVN|A28|20261123095500\r\
PID|1||555^^^RJ1^MR~9990000018^^^NHS^NH||Osei^Amara||19450302|F|||1 High St^^London^^SE1 1AA\r\
PV1|1|N\r";

fn damaged(source: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let length = source.len();
    let source = source.as_bytes().to_vec();
    let edits = prop::collection::vec((0..length, any::<u8>(), 0..4_u8), 0..6);
    edits.prop_map(move |edits| {
        let mut bytes = source.clone();
        for (place, byte, act) in edits {
            let place = place.min(bytes.len().saturating_sub(1));
            match act {
                0 => bytes.truncate(place),
                1 if !bytes.is_empty() => bytes[place] = byte,
                2 => bytes.insert(place, byte),
                _ if !bytes.is_empty() => drop(bytes.remove(place)),
                _ => {}
            }
        }
        bytes
    })
}

#[test]
fn every_delivery_ends_in_exactly_one_state_and_is_kept_whole() {
    let world = World::new();
    let resource = bundle(&[
        patient("1", AMARA, true, "Amara Osei", "1945-03-02"),
        observation("o", "1", "131.0", at(-5)),
    ]);
    let strategy = prop_oneof![
        (Just(true), damaged(MESSAGE)),
        (Just(false), damaged(&resource)),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(160));
    let known = std::cell::Cell::new(0_usize);
    let minute = std::cell::Cell::new(0_i64);
    runner
        .run(&strategy, |(is_v2, bytes)| {
            minute.set(minute.get() + 1);
            world.clock.set(at(minute.get()));
            let outcome = if is_v2 {
                world.v2(&bytes).outcome
            } else {
                let answer = world.intake.receive_fhir(&FhirDelivery {
                    client: "feed-hospital",
                    source: &ods("RJ1"),
                    method: FhirMethod::Post,
                    path: "",
                    body: &bytes,
                    format: FhirFormat::Json,
                    request_id: None,
                });
                answer.outcome
            };
            let held = world.deliveries();
            let added = held.len() - known.get();
            known.set(held.len());
            match outcome {
                DeliveryOutcome::Repeated => prop_assert_eq!(added, 0),
                DeliveryOutcome::Transient => prop_assert!(false, "the store works"),
                other => {
                    prop_assert_eq!(added, 1);
                    prop_assert_eq!(&held[0].1, other.code());
                    let newest = world.store().deliveries(None, None, 1).expect("read");
                    let (_, body) = world
                        .store()
                        .delivery_body(newest[0].delivery)
                        .expect("read")
                        .expect("kept");
                    prop_assert_eq!(body, bytes);
                }
            }
            Ok(())
        })
        .expect("every delivery ends in one state");
}
