//! The engine on real stores: what each request finds is what the rules say it finds, on both engines;
//! pages stay as they were while things come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use care_core::fhir::search::{Handling, Parameters, Query};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::{OdsCode, Organisation, OrganisationKind, PersonId};

use super::*;
use crate::store::postgres::cluster::Cluster;
use crate::{
    Directory, Engine, FhirDelivery, FhirFormat, FhirMethod, FixedClock, Options, Record, Source,
    SupplyCaller,
};

const WORLD: &str = include_str!("../../../care-core/tests/rules/search-world.ndjson");
const REQUESTS: &str = include_str!("../../../care-core/tests/rules/search-requests.txt");
const BASE: &str = "http://here/fhir/R4";

/// A record with one hospital and another, on one engine.
struct Stand {
    record: Record,
    clock: Arc<FixedClock>,
    _directory: tempfile::TempDir,
    _cluster: Option<Cluster>,
}

fn source(code: &str) -> Source {
    let kind = OrganisationKind::Trust;
    Source {
        organisation: Organisation {
            ods: OdsCode::parse(code).expect("a code"),
            kind,
            name: code.to_owned(),
            short_name: code.to_owned(),
            phone: String::new(),
        },
        feeds: vec![format!("feed-{code}")],
        agreed_interval_minutes: 60,
        shares: Vec::new(),
        leaves_out: Vec::new(),
        supplies: Source::usually_supplies(kind),
        numbers_are_traced: true,
        connected: true,
    }
}

impl Stand {
    fn open(engine: Engine, cluster: Option<Cluster>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let now = "2026-11-23T10:00:00Z".parse().expect("a time");
        let clock = Arc::new(FixedClock::at(now));
        let record = Record::open(Options {
            engine,
            clock: clock.clone(),
            registry: Directory::new(Vec::new(), vec![source("RJ1"), source("RV5")]),
            reserve_bytes: 0,
            ..Options::new(directory.path())
        })
        .expect("the record opens");
        Self {
            record,
            clock,
            _directory: directory,
            _cluster: cluster,
        }
    }

    /// One on each engine that this machine has.
    fn each() -> Vec<Self> {
        let mut all = vec![Self::open(Engine::Sqlite, None)];
        if let Some(cluster) = Cluster::start() {
            let engine = Engine::Postgres {
                address: cluster.address(),
                password: None,
            };
            all.push(Self::open(engine, Some(cluster)));
        }
        all
    }

    fn send(&self, code: &str, lines: &[String]) {
        let entries: Vec<String> = lines
            .iter()
            .map(|line| {
                let json = Json::parse(line.as_bytes(), Limits::default()).expect(line);
                let kind = json.text_at(&["resourceType"]).expect("a type");
                let id = json.text_at(&["id"]).expect("an id");
                format!(
                    r#"{{"fullUrl":"{BASE}/{kind}/{id}","resource":{line},"request":{{"method":"PUT","url":"{kind}/{id}"}}}}"#
                )
            })
            .collect();
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
            entries.join(",")
        );
        let answer = self.record.intake().receive_fhir(&FhirDelivery {
            client: &format!("feed-{code}"),
            source: &OdsCode::parse(code).expect("a code"),
            method: FhirMethod::Post,
            path: "",
            body: bundle.as_bytes(),
            format: FhirFormat::Json,
            request_id: None,
        });
        let said = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{said}");
    }

    fn ask(&self, request: &str, count: usize) -> Result<SearchAsk, String> {
        let (name, rest) = request.split_once('?').expect("a query");
        let pairs = rest
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let kind = ResourceType::from_name(name).expect("a type");
        let query = Query::read(Some(kind), pairs, Parameters::r4(), BASE, Handling::Strict)
            .map_err(|error| error.to_string())?;
        Ok(SearchAsk {
            query,
            types: vec![kind],
            compartment: None,
            readable: Readable::everything(),
            count,
            cursor: None,
            page: format!("GET {kind}"),
        })
    }

    fn caller(&self, code: &str) -> SupplyCaller {
        SupplyCaller {
            client: format!("feed-{code}"),
            source: OdsCode::parse(code).expect("a code"),
            request: String::new(),
        }
    }

    fn page(&self, code: &str, ask: &SearchAsk) -> Result<SearchPage, String> {
        let found = self.record.supply().search(&self.caller(code), ask);
        found
            .map(crate::Disclosed::into_inner)
            .map_err(|error| error.to_string())
    }

    /// The ids of what a request finds, in order.
    fn found(&self, code: &str, request: &str) -> Result<Vec<String>, String> {
        let page = self.page(code, &self.ask(request, 1_000)?)?;
        let total = page
            .total
            .map_or(page.entries.len(), |total| total as usize);
        let matches = page.entries.iter().filter(|one| !one.included).count();
        assert_eq!(total, matches, "{request}");
        Ok(page
            .entries
            .into_iter()
            .filter(|one| !one.included)
            .map(|one| one.resource.id)
            .collect())
    }

    /// Our id of each thing of the world, by the source's key.
    fn ids(&self) -> BTreeMap<String, String> {
        let code = OdsCode::parse("RJ1").expect("a code");
        let mut ids = BTreeMap::new();
        for line in WORLD.lines() {
            let json = Json::parse(line.as_bytes(), Limits::default()).expect(line);
            let kind = json.text_at(&["resourceType"]).expect("a type");
            let key = json.text_at(&["id"]).expect("an id");
            let kind = ResourceType::from_name(kind).expect("a type of R4");
            let found = self.record.supply().read(&self.caller("RJ1"), kind, key);
            if let Ok(found) = found {
                let item = crate::intake::item_id(&code, kind, key).to_string();
                assert!(
                    kind == ResourceType::PATIENT || found.id.ends_with(&item),
                    "{key}: {}",
                    found.id
                );
                ids.insert(key.to_owned(), found.id.clone());
            }
        }
        ids
    }
}

/// A value with the source's keys written as our ids.
fn ours(text: &str, ids: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        out.push_str(ids.get(&word).unwrap_or(&word));
        word.clear();
        if letter != '\n' {
            out.push(letter);
        }
    }
    out
}

/// What is found besides: the intake makes a reference to this server's own address a local one, which the
/// plain world has not.
fn found_besides(request: &str) -> &'static str {
    match request {
        "Observation?patient.gender=male" => "b3",
        "Patient?_has:Observation:patient:code=85354-9" => "p2",
        _ => "",
    }
}

/// What the plain world answers from what no store holds: value sets, hierarchies and lists of its own, and a
/// type that no source may send.
fn is_of_the_plain_world(request: &str) -> bool {
    request.starts_with("ValueSet")
        || request.contains("http://sets/")
        || request.contains(":below=http://snomed")
        || request.contains("_list=")
}

#[test]
fn each_request_finds_in_the_store_what_the_rules_say_it_finds() {
    for stand in Stand::each() {
        let lines: Vec<String> = WORLD
            .lines()
            .filter(|line| !line.contains("\"ValueSet\""))
            .map(str::to_owned)
            .collect();
        stand.send("RJ1", &lines);
        let ids = stand.ids();
        assert_eq!(ids.len(), lines.len(), "{ids:?}");
        let mut wrong = String::new();
        let mut count = 0;
        let table = REQUESTS.lines().filter(|line| !line.starts_with('#'));
        for (request, expected) in table.filter_map(|line| line.split_once('\t')) {
            if is_of_the_plain_world(request) {
                continue;
            }
            count += 1;
            let (head, rest) = request.split_once('?').expect("a query");
            let values = rest.split('&').map(|pair| match pair.split_once('=') {
                Some((name, value)) => format!("{name}={}", ours(value, &ids)),
                None => pair.to_owned(),
            });
            let asked = format!("{head}?{}", values.collect::<Vec<_>>().join("&"));
            let found = stand.found("RJ1", &asked);
            let is_right = match (expected.strip_prefix('!'), &found) {
                (Some(words), Err(error)) => error.contains(words),
                (None, Ok(found)) => {
                    let mut found = found.clone();
                    let mut wanted: Vec<String> = expected
                        .split_whitespace()
                        .chain(found_besides(request).split_whitespace())
                        .map(|key| ids[key].clone())
                        .collect();
                    found.sort();
                    wanted.sort();
                    found == wanted
                }
                _ => false,
            };
            if !is_right {
                wrong.push_str(&format!(
                    "{request} ({asked}): {found:?}, not {expected:?}\n"
                ));
            }
            // Another source finds nothing at all by the same words.
            if let Ok(found) = stand.found("RV5", &asked) {
                assert!(found.is_empty(), "{asked}: {found:?}");
            }
        }
        println!("{count} requests");
        assert!(wrong.is_empty(), "\n{wrong}");
    }
}

fn observation(number: usize, day: usize, code: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"o{number}","status":"final","subject":{{"reference":"Patient/q1"}},"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"effectiveDateTime":"2026-10-{day:02}T09:00:00Z","valueQuantity":{{"value":{number}}}}}"#
    )
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"q1","name":[{"family":"Osei"}],"birthDate":"1944-03-02","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}"#;

#[test]
fn pages_stay_as_they_were_while_things_come_change_and_go() {
    for stand in Stand::each() {
        let mut lines = vec![PATIENT.to_owned()];
        // Several happened in one second, so that a page ends within it.
        lines.extend((0..20).map(|number| observation(number, 1 + number / 4, "8867-4")));
        stand.send("RJ1", &lines);
        let person = stand
            .found("RJ1", "Patient?family=osei")
            .expect("found")
            .remove(0);
        for request in [
            "Observation?code=http://loinc.org|8867-4",
            "Observation?code=8867-4&_sort=date",
            "Observation?code=8867-4&_sort=-value-quantity",
            "Observation?subject:Patient.family=osei&code=8867-4&_sort=_lastUpdated,-date",
            "Observation?patient=PERSON&code=8867-4&_sort=-value-quantity",
            "Observation?patient=PERSON&code=8867-4",
            "Observation?patient=PERSON&code:not=0-0&status:not=x&value-quantity=ge0",
            "Observation?patient=PERSON",
        ] {
            let request = &request.replace("PERSON", &person);
            let mut ask = stand.ask(request, 1_000).expect(request);
            let whole = stand.page("RJ1", &ask).expect(request).entries;
            assert!(whole.len() >= 20, "{request}");
            ask.count = 7;
            let mut paged = Vec::new();
            let mut turn = 0;
            loop {
                let page = stand.page("RJ1", &ask).expect(request);
                paged.extend(page.entries);
                // Meanwhile one comes, and one changes what it is found by and when it happened.
                turn += 1;
                stand.clock.set(stand.clock_now(turn));
                let new = observation(100 + turn, 2, "8867-4");
                let changed = observation(19 - turn, 28, "1234-5");
                stand.send("RJ1", &[new, changed]);
                match page.next {
                    Some(next) => ask.cursor = Some(next),
                    None => break,
                }
            }
            // What happened in one second may stand in any order.
            let bodies = |entries: &[SearchEntry]| {
                let all = entries.iter().map(|one| one.resource.clone());
                all.map(|one| {
                    (
                        one.id,
                        one.version,
                        String::from_utf8(one.body).expect("text"),
                    )
                })
                .collect::<Vec<_>>()
            };
            let (mut shown, mut held) = (bodies(&paged), bodies(&whole));
            shown.sort();
            held.sort();
            assert_eq!(shown.len(), held.len(), "{request}");
            assert!(shown == held, "{request}");
            // Everything is put back for the next order.
            turn += 1;
            stand.clock.set(stand.clock_now(turn));
            let back: Vec<String> = (0..20)
                .map(|number| observation(number, 1 + number / 4, "8867-4"))
                .chain((101..=100 + turn).map(|number| observation(number, 2, "0-0")))
                .collect();
            stand.send("RJ1", &back);
            let rest = stand
                .found("RJ1", "Observation?code=8867-4")
                .expect("found");
            assert_eq!(rest.len(), 20);
        }
    }
}

impl Stand {
    /// A moment after all that were before.
    fn clock_now(&self, turn: usize) -> jiff::Timestamp {
        use crate::Clock;
        let seconds = i64::try_from(turn).expect("few");
        self.clock.now() + jiff::SignedDuration::from_secs(60 + seconds)
    }
}

#[test]
fn one_entry_stands_in_the_log_for_each_person_on_a_page() {
    for stand in Stand::each() {
        let other = PATIENT
            .replace("q1", "q2")
            .replace("9990000018", "9990000026")
            .replace("Osei", "Brown");
        let organisation = r#"{"resourceType":"Organization","id":"w1","name":"Ward"}"#;
        let visit = |key: &str, of: &str| {
            format!(
                r#"{{"resourceType":"Encounter","id":"{key}","status":"finished","class":{{"code":"AMB"}},"subject":{{"reference":"Patient/{of}"}},"serviceProvider":{{"reference":"Organization/w1"}}}}"#
            )
        };
        stand.send(
            "RJ1",
            &[
                PATIENT.to_owned(),
                other,
                organisation.to_owned(),
                visit("v1", "q1"),
                visit("v2", "q2"),
            ],
        );
        let request = "Encounter?status=finished&_include=Encounter:service-provider&_include=Encounter:subject";
        let page = stand
            .page("RJ1", &stand.ask(request, 10).expect("a query"))
            .expect("a page");
        let kinds: Vec<&str> = page
            .entries
            .iter()
            .map(|one| one.resource.resource_type.name())
            .collect();
        assert_eq!(kinds.len(), 5, "{kinds:?}");
        let people: Vec<PersonId> = page
            .entries
            .iter()
            .filter(|one| one.resource.resource_type == ResourceType::PATIENT)
            .map(|one| PersonId::parse(&one.resource.id).expect("a person's id"))
            .collect();
        assert_eq!(people.len(), 2);
        let store = stand.record.inner().store.clone();
        for person in people {
            let entries = store
                .entries_about(Some(person), None, None, 1)
                .expect("entries");
            let text = String::from_utf8(entries[0].1.clone()).expect("text");
            for part in [
                "api-read",
                "GET Encounter",
                "Encounter/",
                "Patient/",
                "supply",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("Organization/"), "{text}");
        }
    }
}

#[test]
fn what_leads_to_too_much_or_nowhere_is_said() {
    let stand = Stand::open(Engine::Sqlite, None);
    stand.send("RJ1", &[PATIENT.to_owned(), observation(1, 1, "8867-4")]);
    for (request, words) in [
        ("Observation?code:in=http://sets/unknown", "not held here"),
        (
            "Observation?patient.code:in=http://x",
            "no such search parameter",
        ),
    ] {
        let found = stand.found("RJ1", request);
        assert!(
            found.as_ref().is_err_and(|error| error.contains(words)),
            "{request}: {found:?}"
        );
    }
    assert_eq!(
        stand.found("RJ1", "Observation?_include:iterate=Observation:has-member&_revinclude:iterate=Observation:has-member").map(|found| found.len()),
        Ok(1),
        "circular includes end"
    );
}
