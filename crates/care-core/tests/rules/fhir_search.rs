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

    fn in_value_set(&self, set: &str, _: Option<&str>, code: &str) -> Option<bool> {
        (set == "http://sets/vitals").then_some(matches!(code, "8867-4" | "8310-5"))
    }

    fn subsumes(&self, _: &str, above: &str, below: &str) -> bool {
        above == below || (above == "73211009" && below == "44054006")
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
    World::new(
        r#"
        {"resourceType":"Patient","id":"p1","active":true,"gender":"female","birthDate":"1944-03-02","name":[{"family":"Osei","given":["Amara","Núria"]}],"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018","type":{"coding":[{"system":"http://t","code":"NH"}]}}],"generalPractitioner":[{"reference":"Practitioner/d1"}],"managingOrganization":{"reference":"Organization/o1"},"text":{"status":"generated","div":"<div>Likes gardening</div>"}}
        {"resourceType":"Patient","id":"p2","active":false,"gender":"male","birthDate":"1959","deceasedDateTime":"2026-11-13","name":[{"family":"O'Brien","given":["Bernard"]}],"generalPractitioner":[{"identifier":{"system":"http://gmc","value":"77"}}]}
        {"resourceType":"Practitioner","id":"d1","name":[{"family":"Khan"}]}
        {"resourceType":"Organization","id":"o1","name":"Riverside Practice","partOf":{"reference":"Organization/o2"}}
        {"resourceType":"Organization","id":"o2","name":"Borough Trust"}
        {"resourceType":"Observation","id":"b1","status":"final","subject":{"reference":"Patient/p1"},"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},"effectiveDateTime":"2026-11-20T09:30:00Z","valueQuantity":{"value":72,"unit":"beats","system":"http://unitsofmeasure.org","code":"/min"},"encounter":{"reference":"Encounter/e1"}}
        {"resourceType":"Observation","id":"b2","status":"final","subject":{"reference":"Patient/p1"},"code":{"coding":[{"system":"http://loinc.org","code":"2345-7"}],"text":"Glucose"},"effectivePeriod":{"start":"2026-10-01","end":"2026-10-03"},"valueQuantity":{"value":5.4,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}
        {"resourceType":"Observation","id":"b3","status":"amended","subject":{"reference":"http://here/fhir/R4/Patient/p2"},"code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"effectiveDateTime":"2025","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":140,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":90,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}
        {"resourceType":"Encounter","id":"e1","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"},"serviceProvider":{"reference":"Organization/o1"}}
        {"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p2"},"code":{"coding":[{"system":"http://snomed.info/sct","code":"44054006"}]},"onsetAge":{"value":50,"system":"http://unitsofmeasure.org","code":"a"}}
        {"resourceType":"Location","id":"x1","position":{"latitude":51.5074,"longitude":-0.1278}}
        {"resourceType":"RiskAssessment","id":"r1","status":"final","subject":{"reference":"Patient/p1"},"prediction":[{"probabilityDecimal":0.25}]}
        {"resourceType":"ValueSet","id":"v1","status":"active","url":"http://sets/a/b"}
        "#,
    )
}

/// Each request with what it finds; `!` a refusal that says this.
const REQUESTS: &[(&str, &str)] = &[
    // Strings.
    ("Patient?family=os", "p1"),
    ("Patient?family=OSEI", "p1"),
    ("Patient?given=nuria", "p1"),
    ("Patient?family=obr", "p2"),
    ("Patient?family=sei", ""),
    ("Patient?family:contains=sei", "p1"),
    ("Patient?family:exact=osei", ""),
    ("Patient?family:exact=Osei", "p1"),
    ("Patient?name=bern,amara", "p1 p2"),
    ("Patient?name=amara&name=osei", "p1"),
    ("Patient?name=amara&name=bernard", ""),
    ("Patient?family:missing=true", ""),
    ("Patient?family:missing=false", "p1 p2"),
    ("Patient?family:nonsense=a", "!no such modifier"),
    // Tokens.
    ("Patient?gender=female", "p1"),
    ("Patient?gender:not=female", "p2"),
    (
        "Patient?gender=http://hl7.org/fhir/administrative-gender|male",
        "p2",
    ),
    ("Patient?active=true", "p1"),
    ("Patient?identifier=9990000018", "p1"),
    (
        "Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018",
        "p1",
    ),
    (
        "Patient?identifier=https://fhir.nhs.uk/Id/nhs-number|",
        "p1",
    ),
    ("Patient?identifier=|9990000018", ""),
    ("Patient?identifier:of-type=http://t|NH|9990000018", "p1"),
    ("Patient?identifier:of-type=http://t|XX|9990000018", ""),
    ("Patient?_id=p1,p2", "p1 p2"),
    ("Patient?deceased=true", "p2"),
    ("Observation?code=8867-4", "b1"),
    (
        "Observation?code=http://loinc.org|8867-4,http://loinc.org|2345-7",
        "b1 b2",
    ),
    ("Observation?code=http://snomed.info/sct|8867-4", ""),
    ("Observation?code:text=gluc", "b2"),
    ("Observation?code:text=heart", "b1"),
    ("Observation?code:in=http://sets/vitals", "b1"),
    ("Observation?code:not-in=http://sets/vitals", "b2 b3"),
    ("Condition?code:below=http://snomed.info/sct|73211009", "c1"),
    ("Condition?code=http://snomed.info/sct|73211009", ""),
    // Dates.
    ("Patient?birthdate=1944-03-02", "p1"),
    ("Patient?birthdate=1944", "p1"),
    ("Patient?birthdate=1944-03-03", ""),
    ("Patient?birthdate=ge1944-03-02", "p1 p2"),
    ("Patient?birthdate=gt1944-03-02", "p2"),
    ("Patient?birthdate=lt1950", "p1"),
    ("Patient?birthdate=ne1959", "p1"),
    ("Patient?birthdate=1959-06", ""),
    ("Patient?death-date=ap2026-11-12", "p2"),
    ("Patient?birthdate=yesterday", "!write a date"),
    ("Observation?date=2026-11-20", "b1"),
    ("Observation?date=2026-11-20T09:30", "b1"),
    ("Observation?date=2026-11-20T09:31", ""),
    ("Observation?date=2026-10", "b2"),
    ("Observation?date=2026-10-02", ""),
    ("Observation?date=ge2026-10-02", "b1 b2"),
    ("Observation?date=sa2026-10-02", "b1"),
    ("Observation?date=eb2026-10", "b3"),
    ("Observation?date=gt2025-06&date=lt2026-11", "b2 b3"),
    // Quantities and numbers.
    ("Observation?value-quantity=5.4", "b2"),
    ("Observation?value-quantity=5", "b2"),
    ("Observation?value-quantity=6", ""),
    (
        "Observation?value-quantity=5.4|http://unitsofmeasure.org|mmol/L",
        "b2",
    ),
    (
        "Observation?value-quantity=0.0054|http://unitsofmeasure.org|mol/L",
        "b2",
    ),
    (
        "Observation?value-quantity=5.4|http://unitsofmeasure.org|mg/L",
        "",
    ),
    (
        "Observation?value-quantity=gt5|http://unitsofmeasure.org|mmol/L",
        "b2",
    ),
    ("Observation?value-quantity=5.4||mmol/L", "b2"),
    ("Observation?value-quantity=lt100", "b1 b2"),
    ("Observation?value-quantity=ge72", "b1"),
    ("Observation?value-quantity=ap70", "b1"),
    ("Condition?onset-age=50|http://unitsofmeasure.org|a", "c1"),
    ("RiskAssessment?probability=gt0.2", "r1"),
    ("RiskAssessment?probability=0.3", "r1"),
    ("RiskAssessment?probability=0.4", ""),
    ("RiskAssessment?probability=0.25", "r1"),
    ("Observation?value-quantity=much", "!write a number"),
    // Composites: the parts belong together.
    (
        "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt130",
        "b3",
    ),
    (
        "Observation?component-code-value-quantity=http://loinc.org|8462-4$gt130",
        "",
    ),
    ("Observation?code-value-quantity=8867-4$72", "b1"),
    ("Observation?code-value-quantity=8867-4", "!all its parts"),
    // References.
    ("Observation?subject=Patient/p1", "b1 b2"),
    ("Observation?patient=p1", "b1 b2"),
    ("Observation?subject:Patient=p1", "b1 b2"),
    ("Observation?subject:Group=p1", ""),
    (
        "Observation?subject=http://here/fhir/R4/Patient/p1",
        "b1 b2",
    ),
    (
        "Patient?general-practitioner:identifier=http://gmc|77",
        "p2",
    ),
    ("Patient?general-practitioner:missing=false", "p1 p2"),
    (
        "Patient?general-practitioner=Practitioner/d1,Practitioner/d2",
        "p1",
    ),
    ("Observation?subject=Patient/../x", "!write an id"),
    // Chains and _has.
    ("Observation?subject:Patient.family=osei", "b1 b2"),
    ("Observation?patient.gender=male", ""),
    ("Observation?subject.name=osei", "b1 b2"),
    (
        "Observation?patient.general-practitioner:Practitioner.family=khan",
        "b1 b2",
    ),
    (
        "Observation?encounter.service-provider.name=riverside",
        "b1",
    ),
    (
        "Observation?encounter.service-provider.partof.name=borough",
        "b1",
    ),
    (
        "Observation?encounter.service-provider.partof.partof.name=x",
        "!too long",
    ),
    ("Observation?code.name=x", "!it is no reference"),
    (
        "Observation?patient.nonsense=x",
        "!no such search parameter",
    ),
    ("Observation?patient:Group.name=x", "!never points"),
    ("Patient?_has:Observation:patient:code=8867-4", "p1"),
    ("Patient?_has:Observation:patient:code=85354-9", ""),
    (
        "Patient?_has:Observation:patient:_has:Encounter:patient:status=finished",
        "!never points",
    ),
    (
        "Practitioner?_has:Patient:general-practitioner:family=osei",
        "d1",
    ),
    (
        "Organization?_has:Encounter:service-provider:patient.family=osei",
        "o1",
    ),
    ("Patient?_has:Observation:performer:code=8867-4", ""),
    ("Patient?_has:Observation=x", "!write _has"),
    // Addresses, places, words, lists.
    ("ValueSet?url=http://sets/a/b", "v1"),
    ("ValueSet?url:below=http://sets/a", "v1"),
    ("ValueSet?url:below=http://sets/a/", "v1"),
    ("ValueSet?url:below=http://sets/ab", ""),
    ("ValueSet?url:above=http://sets/a/b/c", "v1"),
    ("Location?near=51.5|-0.12|2|km", "x1"),
    ("Location?near=51.5|-0.12|500|m", ""),
    ("Location?near=91|0", "!latitude"),
    ("Patient?_text=gardening", "p1"),
    ("Patient?_text=osei", ""),
    ("Patient?_content=Osei Amara", "p1"),
    ("Patient?_list=l1", "p1"),
    // Parameters of the answer.
    ("Patient?_count=-1", "!whole number"),
    ("Patient?_count=0", "p1 p2"),
    ("Patient?_total=many", "!accurate"),
    ("Patient?_sort=family,-birthdate", "p1 p2"),
    ("Patient?_sort=nonsense", "!no parameter of this type"),
    ("Patient?_include=Patient:organization", "p1 p2"),
    ("Patient?_include=Patient:family", "!no such reference"),
    ("Patient?_include=Nonsense:x", "!no R4 resource type"),
    ("Patient?nonsense=x", "!no such search parameter"),
    ("Patient?family=", "p1 p2"),
];

#[test]
fn each_request_finds_what_it_asks_for() {
    let world = world();
    let mut wrong = String::new();
    for (request, expected) in REQUESTS {
        let found = world.find(request);
        let is_right = match (expected.strip_prefix('!'), &found) {
            (Some(words), Err(error)) => error.contains(words),
            (None, Ok(found)) => found.join(" ") == *expected,
            _ => false,
        };
        if !is_right {
            writeln!(wrong, "{request}: {found:?}, not {expected:?}").expect("a line");
        }
    }
    println!("{} requests", REQUESTS.len());
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
