//! Choices on a real store: several writers, sources' words, people who arrive later, joins.

use std::sync::Arc;

use care_core::vocabulary::{OdsCode, Organisation, OrganisationKind, Role};

use super::*;
use crate::{
    Directory, FhirAnswer, FhirDelivery, FhirFormat, FhirMethod, FixedClock, Options, Record,
    Source, User,
};

const NUMBER: &str = "9990000026";

struct World {
    record: Record,
    _directory: tempfile::TempDir,
}

fn ods(code: &str) -> OdsCode {
    OdsCode::parse(code).expect("a code")
}

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    start + jiff::SignedDuration::from_mins(minute)
}

fn source(code: &str, kind: OrganisationKind, feed: &str) -> Source {
    Source {
        organisation: Organisation {
            ods: ods(code),
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

fn officer() -> Caller {
    Caller {
        user: User {
            id: "ig-officer".to_owned(),
            name: "Sunil Ramdin".to_owned(),
            role: Role::PrivacyOfficer,
            organisation: ods("X9R01"),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: "session-1".to_owned(),
        request: String::new(),
    }
}

fn objected() -> Choice {
    Choice {
        connect_care: ConnectCareChoice::Objected,
        set_by: SetBy::Oneself.code().to_owned(),
        channel: Channel::Telephone.code().to_owned(),
        decided_at: at(0),
        ..Choice::default()
    }
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let sources = vec![
            source("G85001", OrganisationKind::Practice, "feed-gp"),
            source("LBX", OrganisationKind::Council, "feed-council"),
        ];
        let record = Record::open(Options {
            clock: Arc::new(FixedClock::at(at(0))),
            registry: Directory::new(Vec::new(), sources),
            reserve_bytes: 0,
            ..Options::new(directory.path())
        })
        .expect("the record opens");
        Self {
            record,
            _directory: directory,
        }
    }

    fn put(&self, source: &str, path: &str, body: &str) -> FhirAnswer {
        let client = match source {
            "LBX" => "feed-council",
            _ => "feed-gp",
        };
        let answer = self.record.intake().receive_fhir(&FhirDelivery {
            client,
            source: &ods(source),
            method: FhirMethod::Put,
            path,
            body: body.as_bytes(),
            format: FhirFormat::Json,
            request_id: None,
        });
        assert!(answer.outcome.is_stored(), "{:?}", answer.reasons);
        answer
    }

    fn patient(&self, source: &str, born: &str) {
        let status = r#"[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus","code":"01"}]}}]"#;
        let body = format!(
            r#"{{"resourceType":"Patient","id":"b","identifier":[{{"extension":{status},"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{NUMBER}"}}],"name":[{{"family":"Whitlock","given":["Bernard"]}}],"birthDate":"{born}","gender":"male","address":[{{"use":"home","postalCode":"SE99 1AA"}}]}}"#
        );
        self.put(source, "Patient/b", &body);
    }

    fn person(&self) -> Option<PersonId> {
        let found = self
            .record
            .inner()
            .store
            .persons_by_identifier(crate::identity::NHS_NUMBER, NUMBER)
            .expect("read");
        found.first().map(|one| one.person)
    }

    fn current(&self) -> Choice {
        let person = self.person().expect("a person");
        let current = self.record.choices().current(person).expect("readable");
        current.unwrap_or_default()
    }

    fn open_cases(&self) -> usize {
        let filter = crate::CaseFilter::open_of(&["choice"], 9);
        let cases = self.record.casework().list(&officer(), &filter);
        cases.expect("read").len()
    }

    fn keep_raw(&self, bytes: &[u8]) {
        let person = self.person().expect("a person");
        let commit = Commit {
            changes: vec![Change::Choice {
                person,
                choice: bytes.to_vec(),
            }],
            entry: Entry::new(at(0), Act::Choice, Outcome::Success, "a test"),
            more_entries: Vec::new(),
        };
        self.record.inner().store.commit(commit).expect("kept");
    }
}

fn bernard(born: &str) -> Awaited {
    Awaited {
        nhs_number: Some("999 000 0026".to_owned()),
        family: "Whitlock".to_owned(),
        given: "Bernard".to_owned(),
        birth_date: born.to_owned(),
        postcode: "se99 1aa".to_owned(),
    }
}

#[test]
fn a_choice_waits_for_its_person_and_holds_from_the_moment_they_arrive() {
    let table = [
        // What the caseworker wrote, and how it holds once somebody of this number arrives.
        (bernard("1959-05-04"), ChoiceStatus::Decided, "sure"),
        (bernard("1959-04-05"), ChoiceStatus::Pending, "to-check"),
        (
            Awaited {
                nhs_number: None,
                ..bernard("1959-05-04")
            },
            ChoiceStatus::Pending,
            "to-check",
        ),
    ];
    for (awaited, status, told) in table {
        let world = World::new();
        let choices = world.record.choices();
        let new = crate::NewCase {
            kind: "choice".to_owned(),
            ..crate::NewCase::default()
        };
        let case = world.record.casework().open(&officer(), new).expect("open");
        let kept = choices.wait_for(&awaited, &objected(), &case.reference, &officer());
        assert_eq!(kept.expect("kept"), Waited::Kept);
        assert!(choices.waits_for(&awaited).expect("read"));
        world.patient("G85001", "1959-05-04");
        let current = world.current();
        assert_eq!(current.connect_care, ConnectCareChoice::Objected);
        assert_eq!(current.status, status);
        let (case, _) = world
            .record
            .casework()
            .get(&officer(), case.number)
            .expect("read");
        assert_eq!(case.text("arrived"), told);
        assert_eq!(
            case.text("person"),
            world.person().expect("one").to_string()
        );
        assert!(!choices.waits_for(&awaited).expect("read"));
        // A later message of the same person undoes nothing that a caseworker decides.
        let person = world.person().expect("a person");
        let back = |held: Choice| Choice {
            connect_care: ConnectCareChoice::None,
            status: ChoiceStatus::Decided,
            ..held
        };
        choices
            .change(person, &officer(), None, back)
            .expect("changed");
        world.patient("LBX", "1959-05-04");
        world.patient("G85001", "1959-05-04");
        assert_eq!(world.current().connect_care, ConnectCareChoice::None);
    }
}

#[test]
fn a_choice_lands_on_nobody_else_and_is_not_lost_when_its_person_came_first() {
    let world = World::new();
    let choices = world.record.choices();
    let other = Awaited {
        nhs_number: Some("9990000018".to_owned()),
        ..Awaited::default()
    };
    choices
        .wait_for(&other, &objected(), "1111-1111", &officer())
        .expect("kept");
    world.patient("G85001", "1959-05-04");
    assert!(!world.current().restricts());
    assert!(choices.waits_for(&other).expect("read"));
    let person = world.person().expect("a person");
    let there = choices.wait_for(&bernard("1959-05-04"), &objected(), "2222-2222", &officer());
    assert_eq!(there.expect("applied"), Waited::Applied(person));
    assert!(world.current().restricts());
    choices.stop_waiting(&other, &officer()).expect("stopped");
    assert!(!choices.waits_for(&other).expect("read"));
    let nobody = Awaited {
        family: "Whitlock".to_owned(),
        ..Awaited::default()
    };
    assert!(matches!(
        choices.wait_for(&nobody, &objected(), "3333-3333", &officer()),
        Err(ChoicesError::NotEnough)
    ));
}

#[test]
fn a_practices_dissent_code_and_a_councils_answer_count_and_can_be_taken_back() {
    let world = World::new();
    world.patient("G85001", "1959-05-04");
    world.patient("LBX", "1959-05-04");
    let observation = |code: &str, day: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"dissent-{code}","status":"final","code":{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}"}}]}},"subject":{{"reference":"Patient/b"}},"effectiveDateTime":"2026-03-{day}"}}"#
        )
    };
    let contact = |id: &str, kind: &str, day: &str| {
        format!(
            r#"{{"resourceType":"Consent","id":"{id}","status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0"}}]}}],"patient":{{"reference":"Patient/b"}},"dateTime":"2026-03-{day}","provision":{{"type":"{kind}"}}}}"#
        )
    };
    let send = |source: &str, body: &str| {
        let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let path = format!(
            "{}/{}",
            json["resourceType"].as_str().expect("a type"),
            json["id"].as_str().expect("an id")
        );
        world.put(source, &path, body);
        let now = world.current();
        (now.dissents(), now.withheld().len())
    };
    let steps = [
        ("G85001", observation("416409005", "01"), (true, 0)),
        ("LBX", contact("c1", "deny", "02"), (true, 1)),
        ("LBX", contact("c0", "permit", "01"), (true, 1)),
        ("LBX", contact("c2", "permit", "03"), (true, 0)),
        ("G85001", observation("417528008", "04"), (false, 0)),
        ("G85001", observation("93C1", "05"), (true, 0)),
    ];
    for (source, body, expected) in steps {
        assert_eq!(send(source, &body), expected, "{body}");
    }
    // The person's own choice does not take away what the practice said.
    let person = world.person().expect("a person");
    world
        .record
        .choices()
        .record(person, &objected(), "ig-officer")
        .expect("recorded");
    assert!(world.current().dissents());
    let (history, unreadable) = world.record.choices().history(person).expect("read");
    assert_eq!((history.len(), unreadable), (6, 0));
    assert_eq!(history[0].connect_care, ConnectCareChoice::Objected);
}

#[test]
fn of_many_writers_at_once_none_is_lost() {
    let world = World::new();
    world.patient("G85001", "1959-05-04");
    let person = world.person().expect("a person");
    let choices = world.record.choices();
    std::thread::scope(|scope| {
        for place in 0..4 {
            let choices = &choices;
            scope.spawn(move || {
                let block = |held: Choice| {
                    let mut blocked = held.blocked_organisations.clone();
                    blocked.push(ods(&format!("RJ{place}")));
                    Choice {
                        blocked_organisations: blocked,
                        ..held
                    }
                };
                choices
                    .change(person, &officer(), None, block)
                    .expect("changed");
            });
        }
    });
    let current = world.current();
    assert_eq!(current.blocked_organisations.len(), 4);
    assert_eq!(current.number, 4);
}

#[test]
fn a_choice_that_cannot_be_read_is_left_alone_by_feeds_and_mended_by_a_person() {
    let world = World::new();
    world.patient("G85001", "1959-05-04");
    let person = world.person().expect("a person");
    world.keep_raw(b"{\"version\":9}");
    let dissent = r#"{"resourceType":"Observation","id":"d","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"416409005"}]},"subject":{"reference":"Patient/b"},"effectiveDateTime":"2026-03-01"}"#;
    world.put("G85001", "Observation/d", dissent);
    assert!(matches!(
        world.record.choices().current(person),
        Err(ChoicesError::Unreadable(_))
    ));
    world.put(
        "G85001",
        "Observation/d",
        &dissent.replace("03-01", "03-02"),
    );
    assert_eq!(world.open_cases(), 1, "one case, however often they send");
    world
        .record
        .choices()
        .record(person, &objected(), "ig-officer")
        .expect("mended");
    assert!(world.current().restricts());
}

#[test]
fn an_objection_is_not_upheld_only_with_a_reason_and_can_be_made_again() {
    let world = World::new();
    world.patient("G85001", "1959-05-04");
    let person = world.person().expect("a person");
    let choices = world.record.choices();
    assert!(matches!(
        choices.decide(person, &officer(), Some("needed")),
        Err(ChoicesError::NothingToDecide)
    ));
    let pending = Choice {
        status: ChoiceStatus::Pending,
        ..objected()
    };
    choices
        .record(person, &pending, "ig-officer")
        .expect("kept");
    assert!(matches!(
        choices.decide(person, &officer(), Some("  ")),
        Err(ChoicesError::NoReason)
    ));
    let decided = choices
        .decide(person, &officer(), Some("a child would be at risk"))
        .expect("decided");
    assert_eq!(decided.status, ChoiceStatus::NotUpheld);
    let why = decided.not_upheld.expect("a reason");
    assert!(why.by.contains("Sunil Ramdin") && why.reason.contains("at risk"));
    let upheld = choices.decide(person, &officer(), None).expect("decided");
    assert_eq!(
        (upheld.status, upheld.not_upheld),
        (ChoiceStatus::Decided, None)
    );
}
