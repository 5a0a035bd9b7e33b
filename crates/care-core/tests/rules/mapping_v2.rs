//! HL7 v2 to drafts: a pair of files for each message type, every public sample, and what holds for
//! any bytes.
//!
//! To refresh the pairs: `mkdir -p target && touch target/refresh`, run the tests, remove the file,
//! read the diff.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use care_core::fhir::{ResourceType, validate_structure};
use care_core::hl7v2;
use care_core::mapping::{MapRefusal, Mapped, V2Context, map_v2};
use care_core::vocabulary::{NumberStatus, OdsCode, Organisation, OrganisationKind};
use proptest::prelude::*;

use crate::printed;
use crate::samples;

fn organisations() -> Vec<Organisation> {
    let one = |ods: &str, kind, name: &str| Organisation {
        ods: OdsCode::parse(ods).expect("a code"),
        kind,
        name: name.to_owned(),
        short_name: name.to_owned(),
        phone: "020 7946 0000".to_owned(),
    };
    vec![
        one("X9T01", OrganisationKind::Trust, "City Hospital"),
        one("X9P01", OrganisationKind::Practice, "Riverside Surgery"),
        one("X9C01", OrganisationKind::Community, "Community Care"),
    ]
}

fn map(bytes: &[u8]) -> Result<Mapped, MapRefusal> {
    let organisations = organisations();
    let (message, _) = hl7v2::parse(bytes).expect("a message");
    let context = V2Context {
        source: OdsCode::parse("X9T01").expect("a code"),
        received_at: "2026-11-02T12:00:00Z".parse().expect("a time"),
        numbers_are_traced: false,
        organisations: &organisations,
        facility_codes: &[],
    };
    map_v2(&message, &context)
}

/// Everything that was mapped, one thing a line, readable as a diff.
fn print(mapped: &Mapped) -> String {
    let mut out = String::new();
    for draft in &mapped.drafts {
        let gone = if draft.withdrawn { "  withdrawn" } else { "" };
        writeln!(
            out,
            "# {}/{}  at {}{gone}",
            draft.resource_type, draft.source_key, draft.event_at
        )
        .expect("a string");
        let value: serde_json::Value = serde_json::from_str(&draft.body.to_string()).expect("JSON");
        writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&value).expect("JSON")
        )
        .expect("a string");
    }
    for part in &mapped.involvements {
        let (from, to) = (
            part.starts.map(|t| t.to_string()),
            part.ends.map(|t| t.to_string()),
        );
        writeln!(
            out,
            "# involved: {} of {} key {} from {} to {} cancelled {}",
            part.kind.code(),
            part.organisation,
            part.source_key,
            from.unwrap_or_default(),
            to.unwrap_or_default(),
            part.cancelled
        )
        .expect("a string");
    }
    if let Some(prior) = &mapped.merge {
        writeln!(out, "# gives way: {}", prior.source_key).expect("a string");
    }
    for issue in &mapped.issues {
        writeln!(out, "# issue {}: {}", issue.place, issue.text).expect("a string");
    }
    out
}

#[test]
fn each_message_type_maps_as_its_pair_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/mapping");
    let mut pairs = 0;
    for path in samples::files(&folder) {
        if path.extension().is_none_or(|kind| kind != "hl7") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let mapped = map(&bytes).expect("mapped");
        for draft in &mapped.drafts {
            let issues = validate_structure(&draft.body);
            assert!(issues.is_empty(), "{}: {:?}", path.display(), issues);
        }
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name");
        printed::compare(&format!("mapping/{stem}.fhir.txt"), &print(&mapped));
        pairs += 1;
    }
    assert!(pairs >= 10, "{pairs} pairs");
}

#[test]
fn every_public_sample_is_mapped_or_refused_by_name() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    for path in samples::files(&folder.join("hl7v2")) {
        if path.extension().is_none_or(|kind| kind != "hl7") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        for piece in hl7v2::split_messages(&bytes) {
            let Ok((message, _)) = hl7v2::parse(piece) else {
                *outcomes.entry("not a message".to_owned()).or_default() += 1;
                continue;
            };
            let kind = format!("{}^{}", message.code(), message.trigger());
            let outcome = match map(piece) {
                Ok(mapped) => {
                    for draft in &mapped.drafts {
                        let issues = validate_structure(&draft.body);
                        assert!(issues.is_empty(), "{}: {issues:?}", path.display());
                    }
                    assert_nothing_lost(piece, &mapped);
                    "mapped"
                }
                Err(MapRefusal::UnsupportedType { .. } | MapRefusal::UnsupportedEvent { .. }) => {
                    "refused by name"
                }
                Err(_) => "refused for a missing field",
            };
            *outcomes.entry(format!("{kind} {outcome}")).or_default() += 1;
        }
    }
    for (outcome, count) in &outcomes {
        println!("{count:5} {outcome}");
    }
    assert!(outcomes.keys().any(|key| key == "ORU^R01 mapped"));
}

/// As many OBX came in as observations, documents or issues about one came out.
fn assert_nothing_lost(bytes: &[u8], mapped: &Mapped) {
    let (message, _) = hl7v2::parse(bytes).expect("a message");
    if message.code() != "ORU" {
        return;
    }
    let sent = message
        .segments()
        .filter(|segment| segment.name() == "OBX")
        .count();
    let made = mapped
        .drafts
        .iter()
        .filter(|draft| {
            matches!(
                draft.resource_type,
                ResourceType::OBSERVATION | ResourceType::DOCUMENT_REFERENCE
            )
        })
        .count();
    let told = mapped
        .issues
        .iter()
        .filter(|issue| issue.place.starts_with("OBX") && issue.text.contains("was not kept"))
        .count();
    assert_eq!(sent, made + told);
}

#[test]
fn the_same_message_gives_the_same_keys_and_no_key_twice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/mapping");
    for path in samples::files(&folder) {
        if path.extension().is_none_or(|kind| kind != "hl7") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let (first, second) = (map(&bytes).expect("mapped"), map(&bytes).expect("mapped"));
        assert_eq!(first, second);
        let mut keys: Vec<_> = first
            .drafts
            .iter()
            .map(|d| (d.resource_type, d.source_key.clone()))
            .collect();
        keys.sort();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count, "{}", path.display());
    }
}

const NUMBERS: &str = "\
MSH|^~\\&|LIMS|X9T01|CC|CC|20261101100000||ORU^R01|N1|P|2.4\r\
PID|1||9990000018^^^NHS^NH~T1^^^X9T01^MR||OSEI^AMARA||19450714|F\r\
OBR|1||L1|FBC^Full blood count^LOCAL|||20261101090000\r\
OBX|1|NM|A^A^LOCAL||{value}|mmol/L|3.5-5.3|N|||F\r";

#[test]
fn numbers_keep_their_text_and_comparator() {
    let table = [
        ("5.40", Some("5.40"), None),
        ("<0.5", Some("0.5"), Some("<")),
        (">= 90", Some("90"), Some(">=")),
        ("-1.0", Some("-1.0"), None),
        ("0", Some("0"), None),
        ("1234567890.1234567890", Some("1234567890.1234567890"), None),
        ("5,4", None, None),
        (".5", None, None),
        ("007", None, None),
        ("Haemolysed", None, None),
    ];
    for (sent, number, comparator) in table {
        let mapped = map(NUMBERS.replace("{value}", sent).as_bytes()).expect("mapped");
        let observation = mapped
            .drafts
            .iter()
            .find(|draft| draft.resource_type == ResourceType::OBSERVATION)
            .expect("an observation");
        let value = observation
            .body
            .path(&["valueQuantity", "value"])
            .and_then(|v| v.as_number());
        assert_eq!(value, number, "{sent}");
        assert_eq!(
            observation.body.text_at(&["valueQuantity", "comparator"]),
            comparator,
            "{sent}"
        );
        if number.is_none() {
            let text = observation
                .body
                .text_at(&["valueString"])
                .expect("kept as text");
            assert!(text.starts_with(sent), "{text}");
            assert!(
                mapped.issues.iter().any(|issue| issue.place == "OBX-5"),
                "{sent}"
            );
        } else {
            assert_eq!(
                observation.body.text_at(&["valueQuantity", "unit"]),
                Some("mmol/L")
            );
        }
    }
}

#[test]
fn nhs_numbers_are_read_in_every_spelling_and_never_linked_when_wrong() {
    let table = [
        ("PID|1||9990000018^^^NHS||OSEI^A", Some("9990000018"), false),
        (
            "PID|1||9990000018^^^NHS^NH~633^^^R0A^MR||OSEI^A",
            Some("9990000018"),
            false,
        ),
        (
            "PID|1||9990000018^^^NHSNBR^NHSNMBR||OSEI^A",
            Some("9990000018"),
            false,
        ),
        ("PID|1|999 000 0018|||OSEI^A", Some("9990000018"), false),
        (
            "PID|1||T1^^^X9T01^MR||OSEI^A||||||||||||||999 000 0018",
            Some("9990000018"),
            false,
        ),
        (
            "PID|1||9990000019^^^NHS^NH~T1^^^X9T01^MR||OSEI^A",
            None,
            true,
        ),
        ("PID|1||T1^^^X9T01^MR||OSEI^A", None, false),
    ];
    for (pid, number, unusable) in table {
        let text = format!("MSH|^~\\&|PAS|X9T01|CC|CC|20261101100000||ADT^A31|N1|P|2.4\r{pid}\r");
        let subject = map(text.as_bytes())
            .expect("mapped")
            .subject
            .expect("a subject");
        let found = subject
            .demographics
            .nhs_number
            .map(|number| number.digits());
        assert_eq!(found.as_deref(), number, "{pid}");
        assert_eq!(
            subject.demographics.unusable_number.is_some(),
            unusable,
            "{pid}"
        );
    }
}

#[test]
fn an_nhs_number_in_doubt_is_never_verified() {
    let table = [
        (
            "9990000018^^^NHS^NH~T1^^^X9T01^MR",
            "",
            "01",
            Some(NumberStatus::Verified),
        ),
        (
            "9990000018^^^NHS^NH~T1^^^X9T01^MR",
            "",
            "",
            Some(NumberStatus::Verified),
        ),
        (
            "9990000018^^^NHS^NH~T1^^^X9T01^MR",
            "",
            "02",
            Some(NumberStatus::Unverified),
        ),
        // A status that is none.
        (
            "9990000018^^^NHS^NH~T1^^^X9T01^MR",
            "",
            "ED",
            Some(NumberStatus::Unverified),
        ),
        // Two numbers, or a good and a broken one.
        (
            "9990000018^^^NHS^NH~9990000026^^^NHS^NH",
            "",
            "01",
            Some(NumberStatus::Unverified),
        ),
        (
            "9990000018^^^NHS^NH~9990000019^^^NHS^NH",
            "",
            "01",
            Some(NumberStatus::Unverified),
        ),
        // Ten digits that fit by chance are a local number.
        ("T1^^^X9T01^MR", "9990000018", "", None),
        ("9990000018", "", "", None),
    ];
    let organisations = organisations();
    for (list, external, status, expected) in table {
        let text = format!(
            "MSH|^~\\&|PAS|X9T01|CC|CC|20261101100000||ADT^A31|N1|P|2.4\r\
             PID|1|{external}|{list}||OSEI^A|||F{}{status}\r",
            "|".repeat(24)
        );
        let (message, _) = hl7v2::parse(text.as_bytes()).expect("a message");
        let context = V2Context {
            source: OdsCode::parse("X9T01").expect("a code"),
            received_at: "2026-11-02T12:00:00Z".parse().expect("a time"),
            numbers_are_traced: true,
            organisations: &organisations,
            facility_codes: &[],
        };
        let mapped = map_v2(&message, &context).expect("mapped");
        let demographics = mapped.subject.expect("a subject").demographics;
        assert_eq!(
            demographics.number_status, expected,
            "{list} {external} {status}"
        );
        if expected.is_none() {
            assert!(!demographics.local_ids.is_empty(), "{list}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_message_never_panics(
        place in 0usize..2_000,
        byte in any::<u8>(),
        cut in 0usize..2_000,
        which in 0usize..50,
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/mapping");
        let files: Vec<_> = samples::files(&folder)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|kind| kind == "hl7"))
            .collect();
        let mut bytes = std::fs::read(&files[which % files.len()]).expect("a file");
        let end = bytes.len();
        bytes[place % end] = byte;
        bytes.truncate(end - cut % end);
        if hl7v2::parse(&bytes).is_ok() {
            let _ = map(&bytes);
        }
    }
}
