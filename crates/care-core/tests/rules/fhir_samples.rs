//! Reads every FHIR file of the shared sample data: each is kept, or refused with a reason; what
//! is STU3 is recognised; nothing panics. The golden file lists every file refused for its
//! structure, so that a false alarm shows as a changed line.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use care_core::fhir::{Json, Limits, xml};
use care_core::mapping::fhir::{FhirContext, Refusal, map_fhir};
use care_core::vocabulary::{OdsCode, OrganisationKind};

use crate::{printed, samples};

const GOLDEN: &str = "fhir_samples.txt";

/// The resource in a file; `None` where the file holds something else.
fn read(path: &Path) -> Option<Result<Json, String>> {
    let bytes = std::fs::read(path).ok()?;
    let parsed = match path.extension()?.to_str()? {
        "json" => Json::parse(&bytes, Limits::default()).map_err(|error| error.to_string()),
        "xml" => xml::parse(&bytes, Limits::default()).map_err(|error| error.to_string()),
        _ => return None,
    };
    match parsed {
        Ok(json) if json.get("resourceType").is_none() => None,
        other => Some(other),
    }
}

/// One word for what became of a file, and the place where something was wrong.
fn fate(parsed: Result<Json, String>, context: &FhirContext<'_>) -> (&'static str, String) {
    let json = match parsed {
        Ok(json) => json,
        Err(error) => return ("not-readable", error),
    };
    match map_fhir(&json, context) {
        Ok(_) => ("kept", String::new()),
        Err(Refusal::Structure(issues)) => ("structure", issues[0].place.clone()),
        Err(Refusal::Entries(issues)) => ("entries", issues[0].place.clone()),
        Err(Refusal::Stu3 { because }) => ("stu3", because),
        Err(Refusal::NotARecord { .. }) => ("not-a-record", String::new()),
        Err(Refusal::Nothing) => ("nothing-in-it", String::new()),
        Err(Refusal::UnknownType) => ("unknown-type", String::new()),
        Err(Refusal::NotFhir) => ("not-fhir", String::new()),
    }
}

fn report(folder: &Path) -> String {
    let source = OdsCode::parse("RJ1").unwrap();
    let context = FhirContext {
        source: &source,
        source_kind: OrganisationKind::Trust,
        received_at: "2026-11-23T10:00:00Z".parse().unwrap(),
    };
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut lines = String::new();
    for path in samples::files(folder) {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        let Some(parsed) = read(&path) else { continue };
        let (word, place) = fate(parsed, &context);
        let top = name.split('/').next().unwrap_or_default().to_owned();
        *counts.entry((top, word)).or_default() += 1;
        if matches!(word, "structure" | "not-readable" | "entries") {
            writeln!(lines, "{word}: {name}: {place}").unwrap();
        }
    }
    let mut report = String::from("What becomes of each FHIR file of the shared sample data.\n\n");
    for ((top, word), count) in counts {
        writeln!(report, "{top}: {count} {word}").unwrap();
    }
    format!("{report}\n{lines}")
}

#[test]
fn every_sample_is_kept_or_refused_with_a_reason() {
    if let Some(folder) = samples::folder() {
        printed::compare(GOLDEN, &report(&folder));
    }
}

#[test]
fn no_prefix_of_a_sample_panics_a_parser() {
    let Some(folder) = samples::folder() else {
        return;
    };
    for name in [
        "ukcore/examples/UKCore-Patient-BabyPatient-Example.xml",
        "fhir-r4-examples/patient-example.json",
    ] {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            println!("skipped: {name} is not there");
            continue;
        };
        for end in 0..bytes.len() {
            let _ = Json::parse(&bytes[..end], Limits::default());
            let _ = xml::parse(&bytes[..end], Limits::default());
        }
    }
}

#[test]
fn a_decimal_keeps_its_digits_from_xml_and_from_json() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let path = folder.join("fhir-r4-examples/observation-decimal.xml");
    let Some(Ok(json)) = read(&path) else {
        println!("skipped: no decimal example");
        return;
    };
    let text = json.to_string();
    let again = Json::parse(text.as_bytes(), Limits::default()).expect("our own text");
    assert_eq!(json, again);
    let xml = std::fs::read_to_string(&path).unwrap();
    let mut compared = 0;
    for piece in xml.split("<value value=\"").skip(1) {
        let sent = piece.split('"').next().unwrap();
        assert!(text.contains(&format!(":{sent}")), "{sent} was changed");
        compared += 1;
    }
    assert!(compared > 5, "the example has many decimals");
}

/// The same JSON with members in the order of their names, so that order does not count.
fn sorted(json: &Json) -> Json {
    match json {
        Json::Array(values) => Json::Array(values.iter().map(sorted).collect()),
        Json::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Json::Object(members)
        }
        other => other.clone(),
    }
}

#[test]
fn every_sample_written_as_xml_reads_back_as_it_was() {
    let mut count = 0;
    for resource in crate::fhirpath_definitions::examples() {
        let written = xml::write(&resource, count % 2 == 0);
        let again = xml::parse(written.as_bytes(), Limits::default());
        let name = resource.text_at(&["resourceType"]).unwrap_or_default();
        let again = again.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(sorted(&again).to_string(), sorted(&resource).to_string());
        count += 1;
    }
    println!("{count} samples");
}
