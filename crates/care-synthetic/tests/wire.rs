//! What every story keeps: its bytes repeat, its numbers were never issued, its messages are messages.

#![allow(
    clippy::expect_used,
    reason = "a test may stop at what should never happen"
)]

use std::collections::{HashMap, HashSet};

use care_synthetic::{
    Outgoing, Payload, Story, bulk_adt, bulk_oru, cast, is_invented, person_with_items,
};
use jiff::Timestamp;
use serde_json::Value;

fn now() -> Timestamp {
    "2026-11-23T11:00:00Z".parse().expect("a moment")
}

fn told(seed: u64, people: u32) -> Vec<Outgoing> {
    Story::new(seed, people, now()).messages().collect()
}

fn segments(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    text.split_terminator('\r')
        .map(|segment| segment.split('|').map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_same_seed_tells_the_same_bytes_and_another_does_not() {
    assert_eq!(told(7, 40), told(7, 40));
    assert_ne!(told(7, 40), told(8, 40));
}

#[test]
fn every_nhs_number_is_valid_and_was_never_issued() {
    let mut numbers = HashSet::new();
    for outgoing in told(3, 120) {
        match &outgoing.payload {
            Payload::V2(bytes) => {
                for segment in segments(bytes).iter().filter(|segment| segment[0] == "PID") {
                    let identifier = segment[3].split('~').next().unwrap_or_default();
                    numbers.insert(identifier.split('^').next().unwrap_or_default().to_owned());
                }
            }
            Payload::Fhir(bytes) => {
                let bundle: Value = serde_json::from_slice(bytes).expect("JSON");
                let number = bundle["entry"][0]["resource"]["identifier"][0]["value"]
                    .as_str()
                    .expect("a number")
                    .to_owned();
                numbers.insert(number);
            }
        }
    }
    assert!(numbers.len() >= 100);
    for number in &numbers {
        assert!(is_invented(number), "{number}");
    }
}

#[test]
fn every_v2_message_has_its_header_and_a_control_id_of_its_own() {
    let mut ids = HashSet::new();
    for outgoing in told(3, 120) {
        let Payload::V2(bytes) = &outgoing.payload else {
            continue;
        };
        let segments = segments(bytes);
        let header = &segments[0];
        assert_eq!(header[0], "MSH");
        assert_eq!(header[1], "^~\\&");
        assert_eq!(
            (
                header[10].as_str(),
                header[11].as_str(),
                header[16].as_str(),
                header[17].as_str()
            ),
            ("P", "2.4", "GBR", "UNICODE UTF-8"),
            "{header:?}"
        );
        assert!(
            ids.insert(header[9].clone()) && header[9].len() <= 20,
            "{}",
            header[9]
        );
        assert!(segments.iter().any(|segment| segment[0] == "PID"));
        assert!(
            segments
                .iter()
                .all(|segment| segment[0].len() == 3 && !segment[0].contains('\n'))
        );
        assert!(bytes.ends_with(b"\r"));
    }
}

#[test]
fn every_bundle_is_a_transaction_whose_references_are_answered() {
    for outgoing in told(3, 200) {
        let Payload::Fhir(bytes) = &outgoing.payload else {
            continue;
        };
        let bundle: Value = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(bundle["resourceType"], "Bundle");
        assert_eq!(bundle["type"], "transaction");
        let entries = bundle["entry"].as_array().expect("entries");
        let mut urls = HashSet::new();
        for entry in entries {
            let resource = &entry["resource"];
            let own = format!(
                "{}/{}",
                resource["resourceType"].as_str().expect("a type"),
                resource["id"].as_str().expect("an id")
            );
            assert_eq!(entry["request"]["method"], "PUT");
            assert_eq!(entry["request"]["url"], own.as_str());
            assert!(entry["fullUrl"].as_str().expect("a url").ends_with(&own));
            assert!(
                own.split('/').nth(1).is_some_and(|id| id.len() <= 64
                    && id
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')),
                "{own}"
            );
            assert!(urls.insert(own), "twice in one bundle");
        }
        assert!(is_whole(&bundle), "something empty in {bundle}");
        let mut references = Vec::new();
        gather_references(&bundle, &mut references);
        for reference in references {
            assert!(urls.contains(&reference), "{reference} points at nothing");
        }
    }
}

/// FHIR has no empty list, object or text and no null outside arrays of primitives.
fn is_whole(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(values) => !values.is_empty() && values.iter().all(is_whole),
        Value::Object(fields) => !fields.is_empty() && fields.values().all(is_whole),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn gather_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("reference").and_then(Value::as_str) {
                found.push(reference.to_owned());
            }
            fields
                .values()
                .for_each(|value| gather_references(value, found));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| gather_references(value, found)),
        _ => {}
    }
}

#[test]
fn everyone_of_the_cast_is_told_of() {
    let mut told_of: HashMap<String, HashSet<&'static str>> = HashMap::new();
    for outgoing in told(3, 14) {
        let text = String::from_utf8_lossy(outgoing.payload.bytes()).into_owned();
        for member in cast() {
            if text.contains(member.nhs_number) {
                told_of
                    .entry(member.nhs_number.to_owned())
                    .or_default()
                    .insert(outgoing.feed);
            }
        }
    }
    for member in cast() {
        let feeds = told_of.get(member.nhs_number).map_or(0, HashSet::len);
        assert!(feeds >= 2, "{} is known to {feeds} sources", member.given);
    }
    assert_eq!(told_of[care_synthetic::AMARA].len(), 5);
}

#[test]
fn nothing_is_sent_later_than_now_and_each_person_is_told_in_order() {
    let messages = told(3, 60);
    assert!(messages.iter().all(|outgoing| outgoing.at <= now()));
    let border = now().as_second() - 2 * 86_400;
    let recent: Vec<_> = messages
        .iter()
        .skip_while(|outgoing| outgoing.at.as_second() < border)
        .collect();
    assert!(!recent.is_empty());
    assert!(
        recent.windows(2).all(|pair| pair[0].at <= pair[1].at),
        "the last two days come last, in order"
    );
}

fn count_items(messages: &[Outgoing]) -> usize {
    messages
        .iter()
        .map(|outgoing| match &outgoing.payload {
            Payload::V2(bytes) => {
                let segments = segments(bytes);
                // The lines of a letter are one document.
                let names: &[&str] = if segments[0][8].starts_with("MDM") {
                    &["TXA"]
                } else {
                    &["OBX", "OBR", "SCH", "RF1"]
                };
                segments
                    .iter()
                    .filter(|segment| names.contains(&segment[0].as_str()))
                    .count()
            }
            Payload::Fhir(bytes) => {
                let bundle: Value = serde_json::from_slice(bytes).expect("JSON");
                bundle["entry"].as_array().map_or(0, Vec::len) - 1
            }
        })
        .sum()
}

#[test]
fn five_hundred_people_take_at_most_twelve_thousand_messages_and_have_a_believable_record() {
    let messages = told(1, 500);
    let cast_alone = told(1, 14);
    let amara: Vec<Outgoing> = cast_alone
        .iter()
        .filter(|outgoing| {
            String::from_utf8_lossy(outgoing.payload.bytes()).contains(care_synthetic::AMARA)
        })
        .cloned()
        .collect();
    let each = (count_items(&messages) - count_items(&cast_alone)) / 486;
    println!(
        "{} messages; {each} items for an ordinary person; {} for Amara",
        messages.len(),
        count_items(&amara)
    );
    assert!(messages.len() <= 12_000, "{}", messages.len());
    assert!(
        (50..=80).contains(&each),
        "{each} items for an ordinary person"
    );
    assert!(count_items(&amara) >= 600);
}

#[test]
fn every_kind_of_message_is_sent() {
    let mut kinds = HashSet::new();
    for outgoing in told(1, 500) {
        if let Payload::V2(bytes) = &outgoing.payload {
            kinds.insert(
                segments(bytes)[0][8]
                    .split('^')
                    .take(2)
                    .collect::<Vec<_>>()
                    .join("^"),
            );
        }
    }
    for kind in "A01 A02 A03 A04 A05 A08 A11 A13 A28 A31 A34 A40".split(' ') {
        assert!(kinds.contains(&format!("ADT^{kind}")), "ADT^{kind}");
    }
    for kind in [
        "ORU^R01", "MDM^T02", "SIU^S12", "SIU^S13", "SIU^S15", "REF^I12",
    ] {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[test]
fn a_clinician_finds_nobody_treated_after_death() {
    let died = "2026-11-13";
    for outgoing in told(3, 14) {
        let Payload::Fhir(bytes) = &outgoing.payload else {
            continue;
        };
        let bundle: Value = serde_json::from_slice(bytes).expect("JSON");
        if !bundle.to_string().contains(care_synthetic::INES) {
            continue;
        }
        for entry in bundle["entry"].as_array().expect("entries") {
            let resource = &entry["resource"];
            let starts = resource["period"]["start"].as_str().unwrap_or_default();
            let administrative = resource["type"][0]["text"] == "Administrative entry";
            assert!(
                resource["resourceType"] != "Encounter" || administrative || starts < died,
                "{resource}"
            );
        }
    }
}

#[test]
fn bulk_messages_are_as_many_as_asked_with_seven_or_eight_values() {
    let messages: Vec<_> = bulk_oru(600, 50, 9, now()).collect();
    assert_eq!(messages.len(), 600);
    let mut ids = HashSet::new();
    let mut people = HashSet::new();
    for outgoing in messages
        .iter()
        .chain(&bulk_adt(600, 50, 9, now()).collect::<Vec<_>>())
    {
        let segments = segments(outgoing.payload.bytes());
        assert!(ids.insert(segments[0][9].clone()), "{}", segments[0][9]);
        people.insert(
            segments
                .iter()
                .find(|segment| segment[0] == "PID")
                .expect("PID")[3]
                .clone(),
        );
        let values = segments
            .iter()
            .filter(|segment| segment[0] == "OBX")
            .count();
        assert!(
            segments[0][8].starts_with("ADT") || (7..=8).contains(&values),
            "{values} values"
        );
    }
    assert_eq!(people.len(), 100);
}

#[test]
fn a_full_record_has_about_as_many_items_as_asked() {
    for items in [200_u32, 2_000, 20_000] {
        let record = person_with_items(items, 0, 4, now());
        let counted = count_items(&record.messages) as f64;
        assert!(
            (0.85..=1.2).contains(&(counted / f64::from(items))),
            "{counted} of {items}"
        );
        assert!(is_invented(&record.nhs_number));
    }
}

#[test]
fn the_numbers_of_a_story_are_those_its_messages_carry() {
    let story = Story::new(3, 60, now());
    let text: String = story
        .messages()
        .map(|outgoing| String::from_utf8_lossy(outgoing.payload.bytes()).into_owned())
        .collect();
    let known = story
        .nhs_numbers()
        .filter(|number| text.contains(number.as_str()))
        .count();
    assert_eq!(story.nhs_numbers().count(), 60);
    assert!(known >= 50, "{known} of 60 are known to some source");
}
