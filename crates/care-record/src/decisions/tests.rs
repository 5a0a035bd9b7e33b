//! A backup, then decisions, then the loss of everything, then the restore: on both engines, what was decided
//! holds before anybody gets an answer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::sections::SectionRequest;
use care_core::vocabulary::{OdsCode, Organisation, OrganisationKind, PersonId, Role};
use jiff::Timestamp;

use super::*;
use crate::store::Commit;
use crate::store::postgres::cluster::Cluster;
use crate::{
    Caller, Choice, ChoiceStatus, ConnectCareChoice, Directory, DisclosureError, Engine,
    FhirDelivery, FhirFormat, FhirMethod, FixedClock, OpenError, Options, Record, Senders, Source,
    User, V2Delivery, Why, operations,
};

const AMARA: &str = "9990000018";
const BERNARD: &str = "9990000026";
const CHLOE: &str = "9990000034";
const WORD: &str = "Chilblains";

fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

fn ods(code: &str) -> OdsCode {
    OdsCode::parse(code).expect("a code")
}

fn nurse() -> Caller {
    Caller {
        user: User {
            id: "nurse".to_owned(),
            name: "Sam Example".to_owned(),
            role: Role::HospitalNurse,
            organisation: ods("X9T01"),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: "session-1".to_owned(),
        request: String::new(),
    }
}

/// A place for a record, its journal and its backup.
struct Place {
    directory: tempfile::TempDir,
    cluster: Option<Cluster>,
}

impl Place {
    /// One for each engine of this machine.
    fn each() -> Vec<Self> {
        let of = |cluster| Self {
            directory: tempfile::tempdir().expect("a directory"),
            cluster,
        };
        let mut all = vec![of(None)];
        if let Some(cluster) = Cluster::start() {
            cluster.run("CREATE DATABASE again");
            all.push(of(Some(cluster)));
        }
        all
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn address(&self, again: bool) -> Option<String> {
        let address = self.cluster.as_ref()?.address();
        Some(if again {
            address.replace("dbname=postgres", "dbname=again")
        } else {
            address
        })
    }

    fn open(&self, again: bool, later: LaterDecisions) -> Result<Record, OpenError> {
        let organisation = Organisation {
            ods: ods("X9T01"),
            kind: OrganisationKind::Trust,
            name: "The hospital".to_owned(),
            short_name: "Hospital".to_owned(),
            phone: String::new(),
        };
        let hospital = Source {
            organisation,
            feeds: vec!["feed-hospital".to_owned()],
            agreed_interval_minutes: 60,
            shares: Vec::new(),
            leaves_out: Vec::new(),
            supplies: Source::usually_supplies(OrganisationKind::Trust),
            numbers_are_traced: true,
            connected: true,
        };
        let engine = self.address(again).map_or(Engine::Sqlite, |address| {
            let password = None;
            Engine::Postgres { address, password }
        });
        Record::open(Options {
            engine,
            clock: Arc::new(FixedClock::at(start())),
            registry: Directory::new(Vec::new(), vec![hospital]),
            reserve_bytes: 0,
            decisions: Some(self.at("journal")),
            later_decisions: later,
            ..Options::new(self.at(if again { "again" } else { "record" }))
        })
    }

    fn back_up(&self, record: &Record) {
        let copy = self.at("copy");
        match self.address(false) {
            None => drop(
                record
                    .operations()
                    .backup(&copy, "operator")
                    .expect("copied"),
            ),
            Some(address) => operations::dump(&address, None, &self.at("record"), &copy)
                .expect("copied by the server's own program"),
        }
    }

    /// Puts the backup where nothing is left of the record.
    fn restore(&self) {
        let (copy, again) = (self.at("copy"), self.at("again"));
        match self.cluster {
            None => fs::remove_dir_all(self.at("record")).expect("destroyed"),
            // The database is lost, and the directory with the keys is not.
            Some(_) => fs::rename(self.at("record"), &again).expect("moved"),
        }
        match self.address(true) {
            None => drop(operations::restore(&copy, &again).expect("restored")),
            Some(address) => {
                operations::restore_dump(&copy, &address, None, &again).expect("restored");
            }
        }
    }
}

fn admit(record: &Record, number: &str, id: &str) {
    let text = format!(
        "MSH|^~\\&|PAS|X9T01|CC|CC|20261123095900||ADT^A01|{id}|P|2.4\r\
         EVN||20261123095900\r\
         PID|1||{number}^^^NHS^NH~T{number}^^^X9T01^MR||NAME{number}^AMARA^^^MRS||19450714|F\r\
         PV1|1|I|WARD 5||||||||||||||||V{number}|||||||||||||||||||||||||20261122090000\r"
    );
    let answer = record.intake().receive_v2(&V2Delivery {
        feed: "feed-hospital",
        peer: None,
        bytes: text.as_bytes(),
        senders: &Senders::default(),
    });
    let ack = String::from_utf8_lossy(&answer.acknowledgement).into_owned();
    assert!(ack.contains("MSA|AA"), "{ack}");
}

/// Bernard's condition, with a label or without.
fn condition(record: &Record, meta: &str) {
    let verified = r#"[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus","code":"01"}]}}]"#;
    let patient = format!(
        r#"{{"resourceType":"Patient","id":"b","identifier":[{{"extension":{verified},"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{BERNARD}"}}],"name":[{{"family":"NAME{BERNARD}","given":["Amara"]}}],"birthDate":"1945-07-14","gender":"female"}}"#
    );
    let condition = format!(
        r#"{{"resourceType":"Condition","id":"c",{meta}"clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}}]}},"code":{{"text":"{WORD}"}},"subject":{{"reference":"Patient/b"}}}}"#
    );
    let entry = |kind: &str, id: &str, body: &str| {
        format!(
            r#"{{"fullUrl":"http://here/fhir/R4/{kind}/{id}","resource":{body},"request":{{"method":"PUT","url":"{kind}/{id}"}}}}"#
        )
    };
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}}"#,
        entry("Patient", "b", &patient),
        entry("Condition", "c", &condition)
    );
    let answer = record.intake().receive_fhir(&FhirDelivery {
        client: "feed-hospital",
        source: &ods("X9T01"),
        method: FhirMethod::Post,
        path: "",
        body: bundle.as_bytes(),
        format: FhirFormat::Json,
        request_id: None,
    });
    let said = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{said}");
}

fn person(record: &Record, number: &str) -> PersonId {
    let store = record.inner().store.clone();
    let found = store.persons_by_identifier(crate::identity::NHS_NUMBER, number);
    found.expect("read").first().expect("a person").person
}

fn object(record: &Record, number: &str) {
    let choice = Choice {
        connect_care: ConnectCareChoice::Objected,
        status: ChoiceStatus::Decided,
        set_by: "self".to_owned(),
        channel: "telephone".to_owned(),
        decided_at: start(),
        ..Choice::default()
    };
    let choices = record.choices();
    let kept = choices.record(person(record, number), &choice, "privacy-officer");
    kept.expect("recorded");
}

/// Whether the nurse may open a record.
fn opens(record: &Record, number: &str) -> bool {
    visit(record, number).is_some()
}

fn visit(record: &Record, number: &str) -> Option<String> {
    let door = record.disclosure();
    let found = door.find_by_number(&nurse(), number).expect("an answer");
    let choice = found.expect("a number").into_inner().expect("one person");
    match door.open(&nurse(), &choice, &Why::PermissionToday) {
        Ok(opened) => Some(opened.into_inner().visit),
        Err(DisclosureError::Refused(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Whether Bernard's problems show the word.
fn shows(record: &Record) -> bool {
    let visit = visit(record, BERNARD).expect("Bernard did not object");
    let door = record.disclosure();
    let page = door.section(&nurse(), &visit, &SectionRequest::Problems);
    format!("{:?}", page.expect("the page").section).contains(WORD)
}

const SEALED: &str = r#""meta":{"security":[{"system":"https://connect-care.example/CodeSystem/sensitivity","code":"sealed"}]},"#;

/// A backup; then Amara objects, Bernard's condition is sealed, and Chloe comes and objects.
fn lived(place: &Place) {
    let record = place.open(false, LaterDecisions::Refuse).expect("opens");
    admit(&record, AMARA, "1");
    admit(&record, BERNARD, "2");
    condition(&record, "");
    assert!(opens(&record, AMARA) && shows(&record));
    place.back_up(&record);
    object(&record, AMARA);
    condition(&record, SEALED);
    admit(&record, CHLOE, "3");
    object(&record, CHLOE);
    assert!(!opens(&record, AMARA) && !shows(&record) && !opens(&record, CHLOE));
    record.close();
}

#[test]
fn an_objection_and_a_label_from_after_the_backup_hold_before_the_first_answer() {
    for place in Place::each() {
        lived(&place);
        place.restore();
        let refused = place.open(true, LaterDecisions::Refuse).map(drop);
        let refused = refused.expect_err("a record that forgot does not open");
        assert!(
            matches!(refused, OpenError::LaterDecisions { count: 3.., .. }),
            "{refused}"
        );
        let record = place.open(true, LaterDecisions::Replay).expect("opens");
        assert!(!opens(&record, AMARA), "the objection holds");
        assert!(!shows(&record), "the label holds");
        // Chloe is not in the backup. She comes again, and is the one who objected.
        admit(&record, CHLOE, "3");
        assert!(!opens(&record, CHLOE), "the objection found its person");
        let kept = record.operations().replayed();
        assert!(kept.kept >= 3 && kept.left_out == 0, "{kept:?}");
        // The source sends the condition again, without its label: what it says now holds.
        condition(&record, "");
        assert!(shows(&record));
        record.close();
        drop(record);
        // From here on it opens as any other.
        let record = place.open(true, LaterDecisions::Refuse).expect("opens");
        assert!(!opens(&record, AMARA));
        assert_eq!(record.operations().replayed(), KeptAgain::default());
        record.close();
    }
}

#[test]
fn without_the_replay_both_would_be_shown_again_and_the_log_says_who_left_them_out() {
    for place in Place::each() {
        lived(&place);
        place.restore();
        let record = place.open(true, LaterDecisions::LeaveOut).expect("opens");
        // What the replay is there for.
        assert!(opens(&record, AMARA) && shows(&record));
        let store = record.inner().store.clone();
        let entries = store.entries(0, 1_000).expect("the log");
        let said = entries
            .iter()
            .any(|(_, entry)| String::from_utf8_lossy(entry).contains("were left out on purpose"));
        assert!(said);
        record.close();
        drop((record, store));
        place
            .open(true, LaterDecisions::Refuse)
            .expect("opens")
            .close();
    }
}

#[test]
fn a_record_whose_journal_is_gone_or_anothers_does_not_open() {
    for place in Place::each() {
        lived(&place);
        let journal = place.at("journal");
        fs::rename(&journal, place.at("aside")).expect("moved");
        let refused = place.open(false, LaterDecisions::Refuse).map(drop);
        assert!(matches!(refused, Err(OpenError::NoDecisions(_))));
        let refused = place.open(false, LaterDecisions::Replay).map(drop);
        assert!(matches!(refused, Err(OpenError::NoDecisions(_))));
        // Somebody says that it is lost: a new one begins.
        place
            .open(false, LaterDecisions::LeaveOut)
            .expect("opens")
            .close();
        place
            .open(false, LaterDecisions::Refuse)
            .expect("opens")
            .close();
        // The old one comes back in its place, and is not this record's any more.
        fs::remove_dir_all(&journal).expect("taken away");
        fs::rename(place.at("aside"), &journal).expect("moved");
        let refused = place.open(false, LaterDecisions::Replay).map(drop);
        assert!(matches!(refused, Err(OpenError::OtherDecisions(_))));
    }
}

#[test]
fn what_a_crash_left_open_is_settled_by_the_log_and_a_damaged_line_is_told() {
    let place = &Place::each()[0];
    lived(place);
    let file = place.at("journal").join("decisions.journal");
    let whole = fs::read_to_string(&file).expect("read");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    // The last word, that the record holds what was decided, did not reach the disk; half a line did.
    let cut = lines[..lines.len() - 1].concat() + "0123456789abcdef {\"dec";
    fs::write(&file, cut).expect("written");
    let record = place.open(false, LaterDecisions::Refuse).expect("opens");
    assert!(!opens(&record, CHLOE));
    record.close();
    drop(record);
    assert_eq!(fs::read_to_string(&file).expect("read"), whole);
    let damaged = whole.replacen("identifier", "indentifier", 1);
    assert_ne!(damaged, whole);
    fs::write(&file, damaged).expect("written");
    let refused = place.open(false, LaterDecisions::Refuse).map(drop);
    assert!(matches!(refused, Err(OpenError::Decisions(_))));
}

#[test]
fn a_decision_that_cannot_be_journalled_is_not_taken() {
    for place in Place::each() {
        let record = place.open(false, LaterDecisions::Refuse).expect("opens");
        // A file stands where the journal's directory is to be.
        fs::write(place.at("journal"), "in the way").expect("written");
        let store = record.inner().store.clone();
        let commit = |changes| Commit {
            changes,
            entry: Entry::new(start(), Act::Admin, Outcome::Success, "a test"),
            more_entries: Vec::new(),
        };
        let person = PersonId(7);
        let refused = store.commit(commit(vec![Change::NewPerson { person }]));
        assert!(refused.is_err());
        assert!(store.person(person).expect("read").is_none());
        // What decides nothing goes on.
        store.commit(commit(Vec::new())).expect("kept");
        fs::remove_file(place.at("journal")).expect("cleared");
        let made = store.commit(commit(vec![Change::NewPerson { person }]));
        made.expect("taken once the journal can be written");
        record.close();
    }
}
