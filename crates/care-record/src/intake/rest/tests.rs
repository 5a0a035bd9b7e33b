//! REST writes on both engines.

use std::path::Path;
use std::sync::Arc;

use care_core::access::{Supplier, supplier_view};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::{OdsCode, Organisation, OrganisationKind, SourceCode};
use jiff::{Timestamp, ToSpan as _};

use super::find::Finder;
use super::*;
use crate::store::postgres::cluster::Cluster;
use crate::{Directory, Engine, FeedValidation, FixedClock, Options, Record, Source};

const OBSERVATION: ResourceType = ResourceType::OBSERVATION;
const PATIENT: ResourceType = ResourceType::PATIENT;

pub(super) fn source_of(code: &str) -> SourceCode {
    OdsCode::parse(code).expect("a code")
}

fn source(code: &str, feed: &str) -> Source {
    let kind = OrganisationKind::Trust;
    Source {
        organisation: Organisation {
            ods: source_of(code),
            kind,
            name: code.to_owned(),
            short_name: code.to_owned(),
            phone: String::new(),
        },
        feeds: vec![feed.to_owned()],
        agreed_interval_minutes: 60,
        shares: Vec::new(),
        leaves_out: Vec::new(),
        supplies: Source::usually_supplies(kind),
        numbers_are_traced: true,
        connected: true,
    }
}

/// A record in which two sources take part.
pub(super) fn open(directory: &Path, engine: Engine) -> Record {
    Record::open(options(directory, engine)).expect("the record opens")
}

fn options(directory: &Path, engine: Engine) -> Options {
    let sources = vec![source("RJ1", "feed-hospital"), source("RV5", "feed-other")];
    Options {
        engine,
        registry: Directory::new(Vec::new(), sources),
        reserve_bytes: 0,
        watch: false,
        validation: FeedValidation::off(),
        ..Options::new(directory)
    }
}

static RJ1: std::sync::LazyLock<OdsCode> = std::sync::LazyLock::new(|| source_of("RJ1"));
static RV5: std::sync::LazyLock<OdsCode> = std::sync::LazyLock::new(|| source_of("RV5"));

pub(super) fn request(writes: Vec<RestWrite>) -> RestRequest<'static> {
    RestRequest {
        client: "feed-hospital",
        source: &RJ1,
        base: "https://care.example/fhir/R4",
        request_id: None,
        kind: "PUT Observation",
        asked: "",
        bytes: b"",
        writes,
    }
}

pub(super) fn update(
    kind: ResourceType,
    id: &str,
    body: Json,
    if_match: Option<String>,
) -> RestWrite {
    RestWrite {
        id: Some(id.to_owned()),
        if_match,
        body: Some(body),
        ..write(RestMethod::Update, kind)
    }
}

fn write(method: RestMethod, kind: ResourceType) -> RestWrite {
    RestWrite {
        method,
        resource_type: kind,
        id: None,
        criteria: None,
        if_match: None,
        if_none_match: None,
        if_none_exist: None,
        body: None,
        full_url: None,
        entry: None,
        within: None,
    }
}

fn create(kind: ResourceType, body: Json) -> RestWrite {
    RestWrite {
        body: Some(body),
        ..write(RestMethod::Create, kind)
    }
}

fn delete(kind: ResourceType, id: &str) -> RestWrite {
    RestWrite {
        id: Some(id.to_owned()),
        ..write(RestMethod::Delete, kind)
    }
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn ada(id: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Cole","given":["Ada"]}}],"birthDate":"1950-01-01","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}]}}"#
    ))
}

fn result(id: &str, patient: &str, value: &str) -> Json {
    json(&format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"Haemoglobin"}},"subject":{{"reference":"{patient}"}},"valueQuantity":{{"value":{value},"unit":"g/L"}}}}"#
    ))
}

struct World {
    record: Record,
    clock: Arc<FixedClock>,
    _directory: tempfile::TempDir,
    _cluster: Option<Cluster>,
}

impl World {
    fn new(cluster: Option<Cluster>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let clock = Arc::new(FixedClock::at(start));
        let engine = cluster
            .as_ref()
            .map_or(Engine::Sqlite, |cluster| Engine::Postgres {
                address: cluster.address(),
                password: None,
            });
        let record = Record::open(Options {
            clock: clock.clone(),
            ..options(directory.path(), engine)
        })
        .expect("the record opens");
        Self {
            record,
            clock,
            _directory: directory,
            _cluster: cluster,
        }
    }

    fn ask(&self, request: &RestRequest<'_>) -> Result<Vec<Written>, RestRefusal> {
        self.clock.set(self.record_time() + 1.seconds());
        self.record.intake().receive_rest(request).result
    }

    fn record_time(&self) -> Timestamp {
        use crate::Clock as _;
        self.clock.now()
    }

    /// Asks one write: status, id and version, or status and the issue's code.
    fn one(&self, write: RestWrite) -> Told {
        told(self.ask(&request(vec![write])))
    }

    fn by_other(&self, write: RestWrite) -> Told {
        let request = RestRequest {
            client: "feed-other",
            source: &RV5,
            ..request(vec![write])
        };
        told(self.ask(&request))
    }

    fn versions(&self, kind: ResourceType, id: &str) -> Vec<(u32, bool)> {
        let intake = self.record.intake();
        let supplier = Supplier::configured("feed-hospital", &RJ1).expect("a supplier");
        let view = supplier_view(&supplier);
        let finder = Finder {
            store: &*intake.parts.store,
            view: &view,
            source: &RJ1,
            base: "",
        };
        let held = finder
            .at(kind, id)
            .expect("the store answers")
            .expect("held");
        let all = finder
            .store
            .versions(held.owner, &view, held.whole(), None, 100);
        all.expect("the store answers")
            .iter()
            .map(|stored| (stored.header.version, stored.header.deleted))
            .collect()
    }
}

type Told = (u16, String, u32);

fn told(result: Result<Vec<Written>, RestRefusal>) -> Told {
    match result {
        Ok(all) => {
            let one = &all[0];
            (
                one.status,
                one.id.clone().unwrap_or_default(),
                one.version.unwrap_or_default(),
            )
        }
        Err(refusal) => {
            let code = refusal.outcome.text_at(&["issue", "code"]);
            (refusal.status, code.unwrap_or_default().to_owned(), 0)
        }
    }
}

/// Runs a case on SQLite and, where there is one, on PostgreSQL.
fn on_both(case: impl Fn(&World)) {
    case(&World::new(None));
    if let Some(cluster) = Cluster::start() {
        case(&World::new(Some(cluster)));
    }
}

#[test]
fn a_thing_is_created_updated_and_deleted_under_both_its_addresses() {
    on_both(|world| {
        let (status, person, version) = world.one(update(PATIENT, "ada", ada("ada"), None));
        assert_eq!((status, version), (201, 1), "{person}");
        let same = world.one(update(PATIENT, "ada", ada("ada"), None));
        assert_eq!(
            same,
            (200, person.clone(), 1),
            "identical content keeps the version"
        );
        let by_ours = world.one(update(PATIENT, &person, ada(&person), None));
        assert_eq!(by_ours, (200, person.clone(), 1));

        let subject = format!("Patient/{person}");
        let (status, id, _) = world.one(create(OBSERVATION, result("ignored", &subject, "120")));
        assert_eq!(status, 201);
        assert!(id.starts_with(&person), "{id}");
        let (status, other, _) = world.one(create(OBSERVATION, result("ignored", &subject, "120")));
        assert_eq!(status, 201);
        assert_ne!(id, other, "each create makes a new one");
        let changed = world.one(update(OBSERVATION, &id, result(&id, &subject, "121"), None));
        assert_eq!(changed, (200, id.clone(), 2));
        let wrong = world.one(update(
            OBSERVATION,
            &id,
            result("else", &subject, "121"),
            None,
        ));
        assert_eq!((wrong.0, wrong.1.as_str()), (400, "invalid"));

        let kept = world.one(delete(PATIENT, &person));
        assert_eq!((kept.0, kept.1.as_str()), (409, "conflict"), "it has items");
        assert_eq!(world.one(delete(OBSERVATION, &id)), (204, id.clone(), 3));
        assert_eq!(world.one(delete(OBSERVATION, &id)).0, 204, "idempotent");
        assert_eq!(
            world.versions(OBSERVATION, &id),
            [(3, true), (2, false), (1, false)]
        );
        let back = world.one(update(OBSERVATION, &id, result(&id, &subject, "122"), None));
        assert_eq!(back, (201, id.clone(), 4), "a put brings it back");
        assert_eq!(world.one(delete(OBSERVATION, "never-sent")).0, 204);

        let all: Vec<RestWrite> = [
            (OBSERVATION, &id),
            (OBSERVATION, &other),
            (PATIENT, &person),
        ]
        .map(|(kind, id)| delete(kind, id))
        .to_vec();
        let all = world.ask(&request(all)).expect("deleted together");
        assert!(all.iter().all(|one| one.status == 204), "{all:?}");
        let (status, again, version) = world.one(create(PATIENT, ada("x")));
        assert_eq!(
            (status, again, version),
            (201, person.clone(), 3),
            "the same person comes back"
        );
        let twice = world.one(create(PATIENT, ada("x")));
        assert_eq!((twice.0, twice.1.as_str()), (409, "duplicate"));
    });
}

#[test]
fn preconditions_hold_and_another_sources_things_are_not_there() {
    on_both(|world| {
        let (_, person, _) = world.one(update(PATIENT, "ada", ada("ada"), None));
        let subject = format!("Patient/{person}");
        let (_, id, _) = world.one(update(
            OBSERVATION,
            "o1",
            result("o1", "Patient/ada", "1"),
            None,
        ));
        let put = |value: &str, tags: &str| {
            let body = result(&id, &subject, value);
            update(OBSERVATION, &id, body, Some(tags.to_owned()))
        };
        for (tags, expected) in [
            ("W/\"2\"", 412),
            ("W/\"1\"", 200),
            ("W/\"1\"", 412),
            ("\"2\"", 200),
            ("*", 200),
            ("W/\"9\", W/\"4\"", 200),
            ("nonsense", 412),
        ] {
            let value = format!("{}", world.versions(OBSERVATION, &id).len() + 1);
            assert_eq!(world.one(put(&value, tags)).0, expected, "{tags}");
        }
        let absent = update(
            OBSERVATION,
            "o9",
            result("o9", &subject, "1"),
            Some("*".to_owned()),
        );
        assert_eq!(world.one(absent).0, 412, "If-Match of nothing");
        let only_new = |id: &str| RestWrite {
            if_none_match: Some("*".to_owned()),
            ..update(OBSERVATION, id, result(id, &subject, "7"), None)
        };
        assert_eq!(world.one(only_new("o1")).0, 412);
        assert_eq!(world.one(only_new("o2")).0, 201);

        let theirs = world.by_other(delete(OBSERVATION, &id));
        assert_eq!(theirs, (204, String::new(), 0), "as if it were not there");
        let patch = json(r#"[{"op":"replace","path":"/status","value":"amended"}]"#);
        let patch = |id: &str| RestWrite {
            id: Some(id.to_owned()),
            body: Some(patch.clone()),
            ..write(RestMethod::Patch, OBSERVATION)
        };
        assert_eq!(world.by_other(patch(&id)).0, 404);
        let before = world.versions(OBSERVATION, &id).len();
        let patched = world.one(patch(&id));
        assert_eq!((patched.0, patched.2 as usize), (200, before + 1));
        assert_eq!(
            world.one(patch("o1")),
            (200, id.clone(), patched.2),
            "by its own key, unchanged"
        );
        assert_eq!(world.one(patch("o7")).0, 404);
        world.one(delete(OBSERVATION, &id));
        assert_eq!(world.one(patch(&id)).0, 410);
    });
}

#[test]
fn a_transaction_holds_together_and_its_references_are_resolved() {
    on_both(|world| {
        let entry = |number: usize, url: &str, write: RestWrite| RestWrite {
            full_url: Some(url.to_owned()),
            entry: Some(number),
            ..write
        };
        let mut first = result("x", "urn:uuid:p", "5");
        first.set("hasMember", json(r#"[{"reference":"urn:uuid:o2"},{"reference":"https://care.example/fhir/R4/Observation/o3"}]"#));
        let mut second = result("y", "urn:uuid:p", "6");
        second.set("hasMember", json(r#"[{"reference":"urn:uuid:o1"}]"#));
        let writes = || {
            vec![
                entry(0, "urn:uuid:o1", create(OBSERVATION, first.clone())),
                entry(1, "urn:uuid:p", create(PATIENT, ada("p"))),
                entry(2, "urn:uuid:o2", create(OBSERVATION, second.clone())),
                entry(
                    3,
                    "https://care.example/fhir/R4/Observation/o3",
                    update(OBSERVATION, "o3", result("o3", "urn:uuid:p", "7"), None),
                ),
            ]
        };
        let mut broken = writes();
        broken[2].body = Some(json(r#"{"resourceType":"Observation","status":"odd"}"#));
        let refusal = world.ask(&request(broken)).expect_err("refused whole");
        assert_eq!(refusal.status, 422);
        let place = refusal
            .outcome
            .text_at(&["issue", "expression"])
            .unwrap_or_default()
            .to_owned();
        assert!(place.starts_with("Bundle.entry[2].resource"), "{place}");
        assert_eq!(
            world.one(delete(OBSERVATION, "o3")),
            (204, String::new(), 0),
            "nothing half written"
        );

        let named = RestRequest {
            request_id: Some("r-1"),
            asked: "a",
            ..request(writes())
        };
        let done = world.ask(&named).expect("written");
        assert_eq!(
            done.iter().map(|one| one.status).collect::<Vec<_>>(),
            [201, 201, 201, 201]
        );
        let ids: Vec<&str> = done.iter().filter_map(|one| one.id.as_deref()).collect();
        let body = |one: &Written| {
            String::from_utf8_lossy(one.body.as_deref().unwrap_or_default()).into_owned()
        };
        let text = body(&done[0]);
        for target in [
            format!("Patient/{}", ids[1]),
            format!("Observation/{}", ids[2]),
            format!("Observation/{}", ids[3]),
        ] {
            assert!(
                text.contains(&format!("\"reference\":\"{target}\"")),
                "{target}\n{text}"
            );
        }
        assert!(
            body(&done[2]).contains(&format!("Observation/{}", ids[0])),
            "a circle"
        );
        let again = world.ask(&named).expect("the stored answer");
        assert_eq!(again, done);
        let other = RestRequest {
            request_id: Some("r-1"),
            asked: "b",
            ..request(writes())
        };
        assert_eq!(told(world.ask(&other)).0, 409);

        let twice = vec![
            entry(
                0,
                "urn:uuid:a",
                update(OBSERVATION, "o3", result("o3", "urn:uuid:p", "8"), None),
            ),
            entry(1, "urn:uuid:b", delete(OBSERVATION, ids[3])),
        ];
        let refusal = world.ask(&request(twice)).expect_err("one thing twice");
        assert_eq!(refusal.status, 400);
    });
}

#[test]
fn a_result_filed_under_the_wrong_person_moves_only_by_its_own_key() {
    on_both(|world| {
        let (_, ada_id, _) = world.one(update(PATIENT, "ada", ada("ada"), None));
        let ben = json(
            r#"{"resourceType":"Patient","id":"ben","name":[{"family":"Day","given":["Ben"]}],"birthDate":"1971-05-05"}"#,
        );
        let (_, ben_id, _) = world.one(update(PATIENT, "ben", ben, None));
        let (_, id, _) = world.one(update(
            OBSERVATION,
            "o1",
            result("o1", "Patient/ada", "1"),
            None,
        ));
        let subject = format!("Patient/{ben_id}");
        let refused = world.one(update(OBSERVATION, &id, result(&id, &subject, "1"), None));
        assert_eq!((refused.0, refused.1.as_str()), (422, "business-rule"));
        let (status, moved, version) = world.one(update(
            OBSERVATION,
            "o1",
            result("o1", "Patient/ben", "1"),
            None,
        ));
        assert_eq!((status, version), (201, 1));
        assert!(moved.starts_with(&ben_id) && id.starts_with(&ada_id));
        assert_eq!(world.versions(OBSERVATION, &id), [(2, true), (1, false)]);
        assert_eq!(
            world.one(delete(OBSERVATION, "o1")),
            (204, moved, 2),
            "the key leads to where it is now"
        );
    });
}

#[test]
fn conditional_writes_act_on_the_one_match_and_on_no_other_number() {
    on_both(|world| {
        let by_number = "identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018";
        let new = |criteria: &str| RestWrite {
            if_none_exist: Some(criteria.to_owned()),
            ..create(PATIENT, ada("x"))
        };
        let (status, person, _) = world.one(new(by_number));
        assert_eq!(status, 201);
        assert_eq!(
            world.one(new(by_number)),
            (200, person.clone(), 1),
            "found, not made"
        );

        let subject = format!("Patient/{person}");
        let named = |id: Option<&str>, number: &str, value: &str| {
            let mut body = result(id.unwrap_or("x"), &subject, value);
            if id.is_none() {
                body.set("id", Json::Null);
            }
            body.set(
                "identifier",
                json(&format!(r#"[{{"system":"urn:lab","value":"{number}"}}]"#)),
            );
            body
        };
        let put = |criteria: &str, body: Json| RestWrite {
            criteria: Some(criteria.to_owned()),
            body: Some(body),
            ..write(RestMethod::Update, OBSERVATION)
        };
        let by = |method: RestMethod, criteria: &str| RestWrite {
            criteria: Some(criteria.to_owned()),
            body: Some(json(
                r#"[{"op":"replace","path":"/status","value":"amended"}]"#,
            )),
            ..write(method, OBSERVATION)
        };
        let (status, first, _) = world.one(put("identifier=urn:lab|1", named(None, "1", "5")));
        assert_eq!(status, 201);
        assert_eq!(
            world.one(put("identifier=urn:lab|1", named(None, "1", "6"))),
            (200, first.clone(), 2)
        );
        assert_eq!(
            world
                .one(put("identifier=urn:lab|1", named(Some(&first), "1", "7")))
                .2,
            3
        );
        assert_eq!(
            world
                .one(put("identifier=urn:lab|1", named(Some("other"), "1", "7")))
                .0,
            400
        );
        assert_eq!(
            world
                .one(put("identifier=urn:lab|9", named(Some(&first), "9", "7")))
                .0,
            409
        );
        let (status, second, _) = world.one(put(
            "identifier=urn:lab|2",
            named(Some("own-key"), "2", "8"),
        ));
        assert_eq!(status, 201);
        assert_eq!(world.one(put("status=final", named(None, "3", "8"))).0, 412);
        assert_eq!(world.one(put("odd=1", named(None, "3", "8"))).0, 400);
        assert_eq!(world.one(by(RestMethod::Patch, "status=final")).0, 412);
        assert_eq!(
            world.one(by(RestMethod::Patch, "identifier=urn:lab|3")).0,
            404
        );
        assert_eq!(
            world.one(by(RestMethod::Patch, "identifier=urn:lab|2")),
            (200, second.clone(), 2)
        );
        assert_eq!(
            world.one(by(RestMethod::Delete, "status=final,amended")).0,
            412
        );
        assert_eq!(
            world.one(by(RestMethod::Delete, "identifier=urn:lab|3")).0,
            204
        );
        assert_eq!(
            world
                .one(by(RestMethod::Delete, "status=final,amended&_count=2"))
                .0,
            204
        );
        assert_eq!(
            world.one(delete(OBSERVATION, "own-key")).1,
            "",
            "it was deleted with the other"
        );

        let entry = |number: usize, write: RestWrite| RestWrite {
            entry: Some(number),
            ..write
        };
        let mut member = named(None, "4", "1");
        member.set(
            "subject",
            json(&format!(r#"{{"reference":"Patient?{by_number}"}}"#)),
        );
        member.set(
            "hasMember",
            json(r#"[{"reference":"Observation?identifier=urn:lab|5"}]"#),
        );
        let all = vec![
            entry(0, create(OBSERVATION, member.clone())),
            entry(1, create(OBSERVATION, named(None, "5", "1"))),
        ];
        let done = world.ask(&request(all)).expect("written");
        let text =
            String::from_utf8_lossy(done[0].body.as_deref().unwrap_or_default()).into_owned();
        for target in [
            &subject,
            &format!("Observation/{}", done[1].id.as_deref().unwrap_or_default()),
        ] {
            assert!(
                text.contains(&format!("\"reference\":\"{target}\"")),
                "{target} {text}"
            );
        }
        member.set(
            "hasMember",
            json(r#"[{"reference":"Observation?identifier=urn:lab|77"}]"#),
        );
        let refusal = world
            .ask(&request(vec![entry(0, create(OBSERVATION, member))]))
            .expect_err("matches nothing");
        assert_eq!(refusal.status, 412);
    });
}

#[test]
fn a_correction_that_may_be_of_somebody_else_waits_for_a_person_and_then_goes_through() {
    use crate::{IdentityDecision, WorklistKind};

    on_both(|world| {
        let corrected = |id: &str| {
            let mut patient = ada(id);
            patient.set("birthDate", Json::text("1905-10-10"));
            patient
        };
        let (_, person, _) = world.one(update(PATIENT, "ada", ada("ada"), None));
        let rows = || {
            let list = world
                .record
                .worklists()
                .list(Some(WorklistKind::IdentityDoubt), None, 100);
            list.expect("the list")
        };
        // However often and by whichever address it is sent, one row is opened and nothing is written
        for id in ["ada", "ada", person.as_str()] {
            let refused = world.ask(&request(vec![update(PATIENT, id, corrected(id), None)]));
            let refused = refused.expect_err("it waits");
            assert_eq!(refused.status, 409, "{}", refused.outcome);
            assert!(refused.outcome.to_string().contains("data quality officer"));
        }
        assert_eq!(rows().len(), 1);
        assert_eq!(world.versions(PATIENT, "ada"), [(1, false)]);
        assert_eq!(world.versions(PATIENT, &person), [(1, false)]);
        // What is as it was can still be sent
        let as_it_was = world.one(update(PATIENT, "ada", ada("ada"), None));
        assert_eq!(as_it_was, (200, person.clone(), 1));
        // The officer decides that it is one person: it goes through, and stays at its address
        let answering = care_core::vocabulary::PersonId::parse(&person).expect("a person");
        let row = rows()[0].row;
        let decision = IdentityDecision::SamePerson(answering);
        world
            .record
            .identity()
            .decide(row, decision, "officer")
            .expect("decided");
        let through = world.one(update(PATIENT, "ada", corrected("ada"), None));
        assert_eq!(through, (200, person.clone(), 2));
        let again = world.one(update(PATIENT, &person, corrected(&person), None));
        assert_eq!(again, (200, person, 2));
        assert_eq!(rows().len(), 0);
    });
}
