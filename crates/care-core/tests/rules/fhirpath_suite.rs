//! The official FHIRPath suite for R4, read from the shared data and run test by test.
//!
//! The figures in docs/standards.md are what this prints; a change of a figure is a change there.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use care_core::fhir::path::{Context, Path, Value};
use care_core::fhir::{Json, Limits, xml};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Tests this engine answers otherwise on purpose, or not yet, each with the reason.
const KNOWN_FAILURES: &[(&str, &str)] = &[];

#[derive(Default, Clone)]
struct Case {
    group: String,
    name: String,
    input: Option<String>,
    is_predicate: bool,
    is_strict: bool,
    invalid: Option<String>,
    expression: String,
    outputs: Vec<(Option<String>, String)>,
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.try_get_attribute(name).ok()??;
    Some(quick_xml::escape::unescape(&found.value).ok()?.into_owned())
}

fn cases(text: &str) -> Vec<Case> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut group, mut case, mut found) = (String::new(), Case::default(), Vec::new());
    let mut words = String::new();
    loop {
        match reader.read_event().expect("the suite is XML") {
            Event::Start(start) => {
                words.clear();
                match start.name().as_ref() {
                    "group" => group = attribute(&start, "name").unwrap_or_default(),
                    "test" => {
                        case = Case {
                            group: group.clone(),
                            name: attribute(&start, "name").unwrap_or_default(),
                            input: attribute(&start, "inputfile"),
                            is_predicate: attribute(&start, "predicate").as_deref() == Some("true"),
                            is_strict: attribute(&start, "mode").as_deref() == Some("strict"),
                            ..Case::default()
                        };
                    }
                    "expression" => case.invalid = attribute(&start, "invalid"),
                    "output" => case
                        .outputs
                        .push((attribute(&start, "type"), String::new())),
                    _ => {}
                }
            }
            Event::Text(text) => words.push_str(&text),
            Event::GeneralRef(name) => {
                let entity = format!("&{};", &*name);
                words.push_str(&quick_xml::escape::unescape(&entity).expect("an entity"));
            }
            Event::CData(text) => words.push_str(&text),
            Event::End(end) => match end.name().as_ref() {
                "expression" => case.expression = words.clone(),
                "output" => {
                    if let Some(output) = case.outputs.last_mut() {
                        output.1 = words.clone();
                    }
                }
                "test" => found.push(case.clone()),
                _ => {}
            },
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn read_input(folder: &FilePath, name: &str) -> Json {
    let bytes = std::fs::read(folder.join("input").join(name)).expect("an input file");
    if name.ends_with(".xml") {
        xml::parse(&bytes, Limits::default()).expect("FHIR XML")
    } else {
        Json::parse(&bytes, Limits::default()).expect("JSON")
    }
}

/// Why a case fails; none where it passes.
fn failure(case: &Case, input: &Json) -> Option<String> {
    let path = match Path::parse(&case.expression) {
        Ok(path) => path,
        Err(error) if case.invalid.is_none() => return Some(error.to_string()),
        Err(_) => return None,
    };
    let now = "2026-11-23T10:00:00.123Z".parse().expect("a timestamp");
    let context = Context::new(now);
    let context = if case.is_strict {
        context.strict()
    } else {
        context
    };
    let answer = match path.evaluate(input, &context) {
        Ok(answer) => answer,
        Err(error) if case.invalid.is_none() => return Some(error.to_string()),
        Err(_) => return None,
    };
    if let Some(kind) = &case.invalid {
        return Some(format!("no {kind} error, but {}", shown(&answer)));
    }
    let answer = if case.is_predicate {
        vec![Value::Boolean(!answer.is_empty())]
    } else {
        answer
    };
    let is_right = answer.len() == case.outputs.len()
        && answer
            .iter()
            .zip(&case.outputs)
            .all(|(value, (of_type, text))| is_output(value, of_type.as_deref(), text));
    (!is_right).then(|| format!("{}, expected {:?}", shown(&answer), case.outputs))
}

fn shown(answer: &[Value<'_>]) -> String {
    let each: Vec<String> = answer
        .iter()
        .map(|value| format!("{}:{value}", value.type_of().name()))
        .collect();
    format!("[{}]", each.join(", "))
}

fn is_output(value: &Value<'_>, of_type: Option<&str>, text: &str) -> bool {
    let text = text.strip_prefix('@').unwrap_or(text);
    let text = match of_type {
        None => text.strip_prefix('T').unwrap_or(text),
        Some(_) => text,
    };
    let got = value.to_string();
    // Zero has no sign that anybody means.
    let unsigned = |text: &str| match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        _ => text.to_owned(),
    };
    let kind = value.type_of().name();
    let is_kind = of_type.is_none_or(|wanted| kind.eq_ignore_ascii_case(wanted));
    is_kind && unsigned(&got) == unsigned(text)
}

#[test]
fn the_official_suite_passes_save_for_the_named_cases() {
    let Some(folder) = super::samples::folder().map(|folder| folder.join("fhirpath")) else {
        return;
    };
    let Ok(text) = std::fs::read_to_string(folder.join("tests-fhir-r4.xml")) else {
        println!("skipped: no FHIRPath suite in the shared sample data");
        return;
    };
    let cases = cases(&text);
    let mut inputs: BTreeMap<String, Json> = BTreeMap::new();
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in &cases {
        let name = case.input.as_deref().unwrap_or("patient-example.xml");
        let input = inputs
            .entry(name.to_owned())
            .or_insert_with(|| read_input(&folder, name));
        let failed = failure(case, input);
        let group = groups.entry(&case.group).or_default();
        group.0 += 1;
        group.1 += usize::from(failed.is_none());
        if let Some(why) = failed {
            failures.push((case.name.as_str(), why));
        }
    }
    for (group, (all, passed)) in &groups {
        println!("| {group} | {passed} of {all} |");
    }
    let passed = cases.len() - failures.len();
    println!("passed {passed} of {}", cases.len());
    for (name, why) in &failures {
        println!("{name}: {why}");
    }
    let page = include_str!("../../../../docs/standards.md");
    let figure = format!("{passed} of {}", cases.len());
    assert!(
        page.contains(&figure),
        "docs/standards.md says otherwise: {figure}"
    );
    let names: Vec<&str> = failures.iter().map(|(name, _)| *name).collect();
    let known: Vec<&str> = KNOWN_FAILURES.iter().map(|(name, _)| *name).collect();
    assert!(cases.len() > 500, "the suite was not read whole");
    let wronged = cases.iter().filter(|case| {
        let name = case.input.as_deref().unwrap_or("patient-example.xml");
        let mut wrong = (*case).clone();
        wrong.outputs.push((None, "one more".to_owned()));
        wrong.invalid = None;
        failure(&wrong, &inputs[name]).is_none()
    });
    assert_eq!(wronged.count(), 0, "the judge passes what it should fail");
    assert_eq!(names, known, "failures by name");
}
