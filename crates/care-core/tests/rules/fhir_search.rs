//! Search, on a world small enough to see: which resources each query finds.
//!
//! The world answers chains and `_has` by looking at everything, so it is the plain meaning that a
//! store's queries can be compared with.

use std::fmt::Write;

use care_core::fhir::search::{
    Criterion, Handling, IndexValue, Parameters, Query, Reach, SearchParameter, extract, folded,
};
use care_core::fhir::{Json, Limits, ResourceType};
use jiff::Timestamp;

struct Held {
    resource_type: ResourceType,
    id: String,
    json: Json,
    values: Vec<(u32, IndexValue)>,
}

struct World(Vec<Held>);

/// One resource of the world, and the world.
struct At<'w>(&'w World, &'w Held);

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a timestamp")
}

impl World {
    fn new(lines: &str) -> Self {
        let held = lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| {
                let json = Json::parse(line.as_bytes(), Limits::default()).expect(line);
                let name = json.text_at(&["resourceType"]).expect("a type");
                Held {
                    resource_type: ResourceType::from_name(name).expect("a type of R4"),
                    id: json.text_at(&["id"]).expect("an id").to_owned(),
                    values: extract(&json, Parameters::r4()),
                    json,
                }
            });
        Self(held.collect())
    }

    fn find(&self, request: &str) -> Result<Vec<&str>, String> {
        let (name, rest) = request.split_once('?').expect("a query");
        let pairs: Vec<(&str, &str)> = rest
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let query = Query::read(
            ResourceType::from_name(name),
            pairs,
            Parameters::r4(),
            "http://here/fhir/R4",
            Handling::Strict,
        )
        .map_err(|error| error.to_string())?;
        let found = self.0.iter().filter(|held| {
            query.resource_type == Some(held.resource_type)
                && query.criteria.iter().all(|one| self.meets(held, one))
        });
        Ok(found.map(|held| held.id.as_str()).collect())
    }

    fn meets(&self, held: &Held, criterion: &Criterion) -> bool {
        criterion.matches(&held.values, &At(self, held), now())
    }
}

fn points_at(value: &IndexValue, held: &Held) -> bool {
    matches!(value, IndexValue::Reference { resource_type: Some(of), id: Some(id), .. }
        if **of == *held.resource_type.name() && **id == *held.id)
}

impl Reach for At<'_> {
    fn target_meets(&self, reference: &IndexValue, then: &[(ResourceType, Criterion)]) -> bool {
        self.0
            .0
            .iter()
            .filter(|held| points_at(reference, held))
            .any(|held| {
                then.iter().any(|(of, criterion)| {
                    *of == held.resource_type && self.0.meets(held, criterion)
                })
            })
    }

    fn source_meets(
        &self,
        of: ResourceType,
        parameter: &SearchParameter,
        then: &Criterion,
    ) -> bool {
        self.0
            .0
            .iter()
            .filter(|held| held.resource_type == of)
            .any(|held| {
                let mut references = held
                    .values
                    .iter()
                    .filter(|(key, _)| *key == parameter.key());
                references.any(|(_, value)| points_at(value, self.1)) && self.0.meets(held, then)
            })
    }

    fn in_list(&self, list: &str) -> bool {
        list == "l1" && self.1.id == "p1"
    }

    fn has_words(&self, narrative: bool, words: &[String]) -> bool {
        let text = match self.1.json.path(&["text", "div"]) {
            Some(div) if narrative => div.to_string(),
            None if narrative => String::new(),
            _ => self.1.json.to_string(),
        };
        let text = folded(&text);
        words
            .iter()
            .all(|word| text.split(' ').any(|found| found == word))
    }
}

fn world() -> World {
    World::new(include_str!("search-world.ndjson"))
}

/// Each request with what it finds; `!` a refusal that says this.
fn requests() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("search-requests.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
}

#[test]
fn each_request_finds_what_it_asks_for() {
    let world = world();
    let mut wrong = String::new();
    for (request, expected) in requests() {
        let found = world.find(request);
        let is_right = match (expected.strip_prefix('!'), &found) {
            (Some(words), Err(error)) => error.contains(words),
            (None, Ok(found)) => found.join(" ") == expected,
            _ => false,
        };
        if !is_right {
            writeln!(wrong, "{request}: {found:?}, not {expected:?}").expect("a line");
        }
    }
    println!("{} requests", requests().count());
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn an_error_names_the_parameter_and_never_its_value() {
    let world = world();
    for request in [
        "Patient?birthdate=Osei-1944",
        "Patient?general-practitioner=Osei/ 1/../2",
        "Observation?patient.birthdate=Osei",
    ] {
        let error = world.find(request).expect_err(request);
        assert!(!error.contains("Osei"), "{error}");
    }
}

#[test]
fn a_lenient_request_passes_over_what_is_unknown_and_says_so() {
    let pairs = [
        ("nonsense", "1"),
        ("family:nonsense", "x"),
        ("gender", "male"),
    ];
    let read = |handling| {
        Query::read(
            Some(ResourceType::PATIENT),
            pairs,
            Parameters::r4(),
            "http://here",
            handling,
        )
    };
    let query = read(Handling::Lenient).expect("a query");
    assert_eq!(query.ignored, ["nonsense", "family:nonsense"]);
    assert_eq!(query.criteria.len(), 1);
    assert!(read(Handling::Strict).is_err());
    let malformed = Query::read(
        Some(ResourceType::PATIENT),
        [("birthdate", "yesterday")],
        Parameters::r4(),
        "http://here",
        Handling::Lenient,
    );
    assert!(
        malformed.is_err(),
        "what is known and malformed is never passed over"
    );
}

#[test]
fn every_parameter_of_every_type_is_asked_of_every_sample_without_a_panic() {
    let mut asked = 0;
    for resource in crate::fhirpath_definitions::examples() {
        asked += extract(&resource, Parameters::r4()).len();
    }
    println!("{asked} values of the samples");
}
