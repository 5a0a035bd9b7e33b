//! The index against the meaning: what a plan finds among terms is never less than what the criteria mean,
//! and where the plan says that it is exact, it is the same.
//!
//! The resources are samples of many makers; the criteria are made from what stands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use care_core::fhir::search::{
    Criterion, Handling, IndexValue, ParameterKind, Parameters, Query, Reach, SearchParameter,
    Wanted, arrived, every, extract, folded, item_term, names_list, plan, terms, words,
};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::SourceCode;
use jiff::Timestamp;

struct Held {
    json: Json,
    values: Vec<(u32, IndexValue)>,
    terms: BTreeSet<String>,
}

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

fn source() -> SourceCode {
    SourceCode::parse("RJ1").expect("a code")
}

impl Reach for &Held {
    fn target_meets(&self, _: &IndexValue, _: &[(ResourceType, Criterion)]) -> bool {
        true
    }
    fn source_meets(&self, _: ResourceType, _: &SearchParameter, _: &Criterion) -> bool {
        true
    }
    fn in_value_set(&self, _: &str, _: Option<&str>, _: &str) -> Option<bool> {
        Some(true)
    }
    fn in_list(&self, _: &str) -> bool {
        true
    }
    fn has_words(&self, narrative: bool, wanted: &[String]) -> bool {
        let held = words(&self.json, narrative);
        wanted.iter().all(|word| held.contains(word))
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

/// Resources by type, at most so many of each.
fn resources(most: usize) -> BTreeMap<String, (ResourceType, Vec<Held>)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let mut paths = Vec::new();
    for folder in ["synthea", "fhir-r4-examples", "ukcore"] {
        files(&data.join(folder), &mut paths);
    }
    let mut held: BTreeMap<String, (ResourceType, Vec<Held>)> = BTreeMap::new();
    for path in paths {
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        let Ok(json) = Json::parse(&bytes, Limits::default()) else {
            continue;
        };
        let in_bundle = json.elements("entry").iter();
        let mut all: Vec<Json> = in_bundle
            .filter_map(|entry| entry.get("resource").cloned())
            .collect();
        if all.is_empty() {
            all.push(json);
        }
        for json in all {
            let Some(of) = json
                .text_at(&["resourceType"])
                .and_then(ResourceType::from_name)
            else {
                continue;
            };
            let list = &mut held
                .entry(of.name().to_owned())
                .or_insert((of, Vec::new()))
                .1;
            if list.len() < most {
                list.push(keep(of, json));
            }
        }
    }
    held
}

fn keep(of: ResourceType, json: Json) -> Held {
    let mut values = extract(&json, Parameters::r4());
    values.push(arrived(now().as_microsecond()));
    let terms = terms(&source(), of, &values, &json).into_iter().collect();
    Held {
        json,
        values,
        terms,
    }
}

fn finds(wanted: &Wanted, of: ResourceType, terms: &BTreeSet<String>) -> bool {
    match wanted {
        Wanted::Term(term) => terms.contains(term),
        Wanted::Prefix(begin) => terms
            .range(begin.clone()..)
            .next()
            .is_some_and(|term| term.starts_with(begin)),
        Wanted::All(all) => all.iter().all(|one| finds(one, of, terms)),
        Wanted::Any(any) => any.iter().any(|one| finds(one, of, terms)),
        Wanted::Not(one) => !finds(one, of, terms),
        Wanted::Listed { list, wanted } => {
            let found = finds(wanted, of, terms);
            assert!(!found || terms.contains(list), "it stands on its list");
            assert!(names_list(list), "its name says that it is a list");
            found
        }
        Wanted::Everything => terms.contains(&every(&source(), of)),
    }
}

/// A small generator, so that a failure names its seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % sides.max(1)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            None
        } else {
            of.get(self.throw(of.len()))
        }
    }
}

/// `micros` as somebody would write it: a year, a month, a day or a moment.
fn written(micros: i64, precision: usize) -> Option<String> {
    let text = Timestamp::from_microsecond(micros).ok()?.to_string();
    Some(match precision {
        0 => text.get(..4)?.to_owned(),
        1 => text.get(..7)?.to_owned(),
        2 => text.get(..10)?.to_owned(),
        3 => format!("{}:00Z", text.get(..16)?),
        _ => format!("{}Z", text.get(..19)?),
    })
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(',', "\\,")
        .replace('$', "\\$")
}

/// What could be asked of a value, with a modifier.
fn question(value: &IndexValue, dice: &mut Dice) -> Option<(String, &'static str)> {
    let prefixes = ["", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap"];
    let prefix = prefixes[dice.throw(prefixes.len())];
    let cut = |text: &str, dice: &mut Dice| -> String {
        let letters: Vec<char> = text.chars().collect();
        letters[..1 + dice.throw(letters.len())].iter().collect()
    };
    Some(match value {
        IndexValue::Number(span) => (format!("{prefix}{}", span.low), ""),
        IndexValue::Date(span) => {
            let near = [
                0,
                0,
                86_400,
                -86_400,
                40 * 86_400,
                -400 * 86_400,
                4_000 * 86_400,
            ];
            let moved = near[dice.throw(near.len())] * 1_000_000;
            let at = if dice.throw(2) == 0 {
                span.low
            } else {
                span.high
            };
            let at = at.saturating_add(moved);
            (format!("{prefix}{}", written(at, dice.throw(5))?), "")
        }
        IndexValue::Text(text) => match dice.throw(4) {
            0 => (escaped(text), ":exact"),
            1 => (escaped(&cut(&folded(text), dice)), ":contains"),
            _ => (escaped(&cut(text, dice)), ""),
        },
        IndexValue::Token {
            system,
            code,
            text,
            of_type,
        } => {
            let code = code.as_deref();
            match (dice.throw(8), code, of_type, text) {
                (0, Some(_), _, _) => (format!("{}|", escaped(&system.to_string())), ""),
                (1, Some(code), _, _) => (format!("|{}", escaped(code)), ""),
                (2, Some(code), _, _) => (escaped(code), ":not"),
                (3, Some(code), Some((of, kind)), _) => (
                    format!("{}|{}|{}", escaped(of), escaped(kind), escaped(code)),
                    ":of-type",
                ),
                (4, _, _, Some(text)) => (escaped(&cut(&folded(text), dice)), ":text"),
                (5, Some(code), _, _) => (escaped(code), ""),
                (6, Some(_), _, _) => ("true".into(), ":missing"),
                (_, Some(code), _, _) => (
                    format!("{}|{}", escaped(&system.to_string()), escaped(code)),
                    "",
                ),
                (_, None, _, _) => ("false".into(), ":missing"),
            }
        }
        IndexValue::Reference {
            resource_type,
            id,
            url,
            identifier,
            ..
        } => match (dice.throw(3), resource_type, id, url, identifier) {
            (0, _, _, _, Some((system, value))) => (
                format!("{}|{}", escaped(system), escaped(value)),
                ":identifier",
            ),
            (1, _, Some(id), _, _) => (id.to_string(), ""),
            (_, Some(of), Some(id), _, _) => (format!("{of}/{id}"), ""),
            (_, _, _, Some(url), _) => (escaped(url), ""),
            _ => return None,
        },
        IndexValue::Quantity {
            value,
            system,
            code,
            unit,
            ..
        } => {
            let number = if value.low.is_finite() {
                value.low
            } else {
                value.high
            };
            let number = match dice.throw(3) {
                0 => number * 1.07,
                _ => number,
            };
            let unit = match (dice.throw(3), system, code, unit) {
                (0, Some(system), Some(code), _) => format!("|{system}|{}", escaped(code)),
                (1, _, _, Some(unit)) => format!("||{}", escaped(unit)),
                _ => String::new(),
            };
            (format!("{prefix}{number}{unit}"), "")
        }
        IndexValue::Uri(uri) => (escaped(uri), ["", ":below", ":above"][dice.throw(3)]),
        IndexValue::Composite(parts) => {
            let parts: Option<Vec<String>> = parts
                .iter()
                .map(|part| {
                    let value = dice.one(part)?;
                    match value {
                        IndexValue::Token {
                            code: Some(code), ..
                        } => Some(escaped(code)),
                        _ => question(value, dice).map(|(text, _)| text),
                    }
                })
                .collect();
            (parts?.join("$"), "")
        }
        IndexValue::Position { .. } => return None,
    })
}

#[test]
fn a_plan_finds_all_that_is_meant_and_an_exact_one_nothing_else() {
    let held = resources(60);
    if held.is_empty() {
        println!("skipped: the sample data is not there");
        return;
    }
    let parameters = Parameters::r4();
    let mut dice = Dice(20_261_123);
    let (mut asked, mut exact, mut found, mut kinds) = (0_u32, 0_u32, 0_u32, BTreeMap::new());
    for (name, (of, list)) in &held {
        let own: Vec<_> = parameters.of(*of).collect();
        for _ in 0..250 {
            let Some(one) = dice.one(list) else { continue };
            let Some((key, value)) = dice.one(&one.values) else {
                continue;
            };
            let Some(parameter) = own.iter().find(|parameter| parameter.key() == *key) else {
                continue;
            };
            let Some((text, modifier)) = question(value, &mut dice) else {
                continue;
            };
            let mut pairs = vec![(format!("{}{modifier}", parameter.code), text)];
            if dice.throw(6) == 0 {
                let all = words(&one.json, dice.throw(2) == 0)
                    .into_iter()
                    .collect::<Vec<_>>();
                let narrative = if dice.throw(2) == 0 {
                    "_text"
                } else {
                    "_content"
                };
                pairs.extend(
                    dice.one(&all)
                        .map(|word| (narrative.to_owned(), word.clone())),
                );
            }
            let asking = pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            let Ok(query) = Query::read(
                Some(*of),
                asking,
                parameters,
                "http://here/fhir/R4",
                Handling::Strict,
            ) else {
                continue;
            };
            let made = plan(&source(), *of, &query.criteria);
            asked += 1;
            exact += u32::from(made.exact);
            *kinds.entry(parameter.kind).or_insert(0_u32) += 1;
            for other in list {
                let meant = query
                    .criteria
                    .iter()
                    .all(|one| one.matches(&other.values, &other, now()));
                let is_found = finds(&made.wanted, *of, &other.terms);
                found += u32::from(meant);
                assert!(
                    is_found || !meant,
                    "{name}?{pairs:?} is not found by {:?}",
                    made.wanted
                );
                assert!(
                    !made.exact || is_found == meant,
                    "{name}?{pairs:?} is found by {:?}",
                    made.wanted
                );
            }
        }
    }
    println!(
        "{asked} criteria over {} types, {exact} exact, {found} matches, {kinds:?}",
        held.len()
    );
    assert!(
        asked > 3_000 && exact * 3 > asked && found > asked,
        "{asked} {exact} {found}"
    );
    assert!(
        kinds.len() > 7 && kinds.contains_key(&ParameterKind::Composite),
        "{kinds:?}"
    );
}

#[test]
fn terms_are_short_of_their_source_and_say_nothing_in_clear() {
    let json = Json::parse(
        br#"{"resourceType":"Patient","id":"0000000000abc-0000000000def","birthDate":"1944-03-02",
            "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}"#,
        Limits::default(),
    )
    .expect("JSON");
    let values = extract(&json, Parameters::r4());
    let of = |code: &str| {
        let source = SourceCode::parse(code).expect("a code");
        terms(&source, ResourceType::PATIENT, &values, &json)
    };
    let (mine, others) = (of("RJ1"), of("E09"));
    assert!(
        mine.iter().all(|term| !others.contains(term)),
        "a term is of one source"
    );
    for term in &mine {
        let is_plain = term
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(
            is_plain && term.len() <= 31 && !term.contains("9990000018"),
            "{term}"
        );
    }
    for part in ["0000000000abc", "0000000000def"] {
        assert!(
            mine.contains(&item_term(&source(), ResourceType::PATIENT, part)),
            "{part}"
        );
    }
}

#[test]
fn terms_of_samples_are_few() {
    let held = resources(200);
    let (mut count, mut all) = (0, 0);
    let mut distinct = BTreeSet::new();
    for (_, list) in held.values() {
        for one in list {
            count += 1;
            all += one.terms.len();
            distinct.extend(one.terms.iter().cloned());
        }
    }
    if let Some(each) = all.checked_div(count) {
        println!(
            "{each} terms a resource, {} of {all} distinct",
            distinct.len()
        );
        assert!(each < 120, "{each}");
    }
}
