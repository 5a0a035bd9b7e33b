//! Walk 2: who finds, opens and reads whom, what is refused, and what stays behind.

use std::sync::Arc;

use crate::{
    Caller, Choice, ChoiceStatus, ConnectCareChoice, Directory, Disclosure, DisclosureError,
    FhirAsk, FixedClock, Ground, Opened, Options, Record, Refusal, Senders, Source, Stated, User,
    V2Delivery, Why,
};
use care_core::audit::{Act, Entry, Outcome};
use care_core::sections::SectionRequest;
use care_core::vocabulary::{OdsCode, Organisation, OrganisationKind, Role};
use jiff::{Timestamp, ToSpan};

mod log;

const AMARA: &str = "9990000018";

pub(super) struct World {
    pub(super) record: Record,
    pub(super) clock: Arc<FixedClock>,
    _directory: tempfile::TempDir,
}

fn ods(code: &str) -> OdsCode {
    OdsCode::parse(code).expect("a code")
}

pub(super) fn start() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("a time")
}

fn source(code: &str, kind: OrganisationKind, feed: &str) -> Source {
    Source {
        organisation: Organisation {
            ods: ods(code),
            kind,
            name: format!("{code} full name"),
            short_name: code.to_owned(),
            phone: "020 7946 0100".to_owned(),
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

impl World {
    /// Amara is registered with the practice, admitted to the trust, and has a blood count there.
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(FixedClock::at(start()));
        let sources = vec![
            source("X9P01", OrganisationKind::Practice, "feed-gp"),
            source("X9T01", OrganisationKind::Trust, "feed-hospital"),
            source("X9C01", OrganisationKind::Community, "feed-community"),
        ];
        let record = Record::open(Options {
            clock: clock.clone(),
            registry: Directory::new(Vec::new(), sources),
            reserve_bytes: 0,
            ..Options::new(directory.path())
        })
        .expect("the record opens");
        let world = Self {
            record,
            clock,
            _directory: directory,
        };
        world.send("A1", "ADT^A01", &[PD1, PV1, AL1]);
        world.send("O1", "ORU^R01", &[OBR, OBX]);
        world
    }

    pub(super) fn send(&self, control_id: &str, kind: &str, segments: &[&str]) {
        self.send_about(AMARA, "", control_id, kind, segments);
    }

    /// A message of another source about Amara.
    pub(super) fn send_to(&self, source: &str, id: &str, kind: &str, segments: &[&str]) {
        let mut text = format!(
            "MSH|^~\\&|PAS|{source}|CC|CC|20261123095900||{kind}|{id}|P|2.4\r\
             EVN||20261123095900\r\
             PID|1||{AMARA}^^^NHS^NH||OSEI^AMARA^^^MRS||19450714|F\r"
        );
        for segment in segments {
            text.push_str(segment);
            text.push('\r');
        }
        let answer = self.record.intake().receive_v2(&V2Delivery {
            feed: "feed-community",
            peer: None,
            bytes: text.as_bytes(),
            senders: &Senders::default(),
        });
        let ack = String::from_utf8_lossy(&answer.acknowledgement).into_owned();
        assert!(ack.contains("MSA|AA"), "{ack}");
    }

    pub(super) fn send_about(
        &self,
        number: &str,
        pd1: &str,
        id: &str,
        kind: &str,
        segments: &[&str],
    ) {
        let mut text = format!(
            "MSH|^~\\&|PAS|X9T01|CC|CC|20261123095900||{kind}|{id}|P|2.4\r\
             EVN||20261123095900\r\
             PID|1||{number}^^^NHS^NH~T{number}^^^X9T01^MR||OSEI^AMARA^^^MRS||19450714|F|||\
             12 EXAMPLE ROAD^^LONDON^^SE99 1AA||02079460001\r{pd1}"
        );
        for segment in segments {
            text.push_str(segment);
            text.push('\r');
        }
        let answer = self.record.intake().receive_v2(&V2Delivery {
            feed: "feed-hospital",
            peer: None,
            bytes: text.as_bytes(),
            senders: &Senders::default(),
        });
        let ack = String::from_utf8_lossy(&answer.acknowledgement).into_owned();
        assert!(ack.contains("MSA|AA"), "{ack}");
    }

    pub(super) fn door(&self) -> Disclosure {
        self.record.disclosure()
    }

    /// Every entry of the log, in order.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let store = &self.record.inner().store;
        let bytes = store.entries(0, 1_000).expect("the log");
        bytes
            .iter()
            .map(|(_, entry)| serde_json::from_slice(entry).expect("an entry"))
            .collect()
    }

    pub(super) fn last(&self) -> Entry {
        self.entries().pop().expect("an entry")
    }
}

const PD1: &str = "PD1|||RIVERSIDE^^X9P01";
pub(super) const PV1: &str =
    "PV1|1|I|WARD 5||||||||||||||||V100|||||||||||||||||||||||||20261122090000";
pub(super) const AL1: &str = "AL1|1|DA|91936005^Allergy to penicillin^SCT|SV|Rash";
const OBR: &str =
    "OBR|1||L1|FBC^Full blood count^LOCAL|||20261122100000|||||||||||||||20261122110000|||F";
const OBX: &str = "OBX|1|NM|HB^Haemoglobin^LOCAL||101|g/L|115-165|L|||F";

pub(super) fn caller(role: Role, organisation: &str, session: &str) -> Caller {
    Caller {
        user: User {
            id: format!("{}-at-{organisation}", role.code()),
            name: "Sam Example".to_owned(),
            role,
            organisation: ods(organisation),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: session.to_owned(),
        request: String::new(),
    }
}

pub(super) fn nurse() -> Caller {
    caller(Role::HospitalNurse, "X9T01", "session-1")
}

pub(super) fn choose(world: &World, caller: &Caller) -> String {
    let found = world
        .door()
        .find_by_number(caller, "999 000 0018")
        .expect("an answer");
    found.expect("a number").into_inner().expect("one person")
}

pub(super) fn open(world: &World, caller: &Caller, why: &Why) -> Result<Opened, Refusal> {
    let choice = choose(world, caller);
    match world.door().open(caller, &choice, why) {
        Ok(opened) => Ok(opened.into_inner()),
        Err(DisclosureError::Refused(refusal)) => Err(refusal),
        Err(other) => panic!("{other}"),
    }
}

fn object(world: &World, choice: ConnectCareChoice) {
    let kept = Choice {
        connect_care: choice,
        status: ChoiceStatus::Decided,
        set_by: "self".to_owned(),
        channel: "telephone".to_owned(),
        decided_at: start(),
        ..Choice::default()
    };
    let person = world
        .entries()
        .iter()
        .find_map(|entry| entry.person)
        .expect("a person");
    world
        .record
        .choices()
        .record(person, &kept, "privacy-officer")
        .expect("recorded");
}

#[test]
fn a_nurse_with_a_relationship_finds_confirms_opens_and_reads() {
    let world = World::new();
    let choice = choose(&world, &nurse());
    let confirm = world.door().confirm(&nurse(), &choice).expect("shown");
    assert_eq!(confirm.known.names[0].family, "OSEI");
    assert_eq!(confirm.practice.as_deref(), Some("X9P01 full name"));
    let opened = world
        .door()
        .open(&nurse(), &choice, &Why::PermissionToday)
        .expect("opened");
    let page = world
        .door()
        .section(&nurse(), &opened.visit, &SectionRequest::Allergies)
        .expect("the page");
    let shown = format!("{:?}", page.section);
    assert!(shown.contains("penicillin"), "{shown}");
    let entry = world.last();
    assert_eq!((entry.act, entry.outcome), (Act::View, Outcome::Success));
    assert_eq!(entry.page, "allergies");
    assert!(
        entry
            .items
            .iter()
            .any(|item| item.starts_with("AllergyIntolerance/")),
        "{entry:?}"
    );
    assert!(
        entry.trace.iter().any(|line| line.contains("inpatient")),
        "{:?}",
        entry.trace
    );
}

#[test]
fn a_visit_is_of_no_use_to_another_session_or_after_it_ended() {
    let world = World::new();
    let opened = open(&world, &nurse(), &Why::NotPresent).expect("opened");
    let read = |caller: &Caller| {
        world
            .door()
            .section(caller, &opened.visit, &SectionRequest::Summary)
            .map(|_| ())
    };
    assert!(read(&nurse()).is_ok());
    let other_session = caller(Role::HospitalNurse, "X9T01", "session-2");
    assert!(matches!(
        read(&other_session),
        Err(DisclosureError::VisitEnded)
    ));
    world.clock.set(start() + 5.hours());
    assert!(matches!(read(&nurse()), Err(DisclosureError::VisitEnded)));
    world.clock.set(start());
    world.door().close(&nurse(), &opened.visit).expect("closed");
    assert!(matches!(read(&nurse()), Err(DisclosureError::VisitEnded)));
}

#[test]
fn a_user_sees_their_own_visits_and_nobody_elses() {
    let world = World::new();
    let door = world.door();
    let ask = |limit| crate::MyAccessAsk {
        limit,
        ..crate::MyAccessAsk::default()
    };
    let first = open(&world, &nurse(), &Why::NotPresent).expect("opened");
    let read = |visit: &str, request| door.section(&nurse(), visit, &request).map(|_| ());
    read(&first.visit, SectionRequest::Allergies).expect("read");
    world.clock.set(start() + 1.hours());
    let second = open(&world, &nurse(), &Why::PermissionToday).expect("opened");
    door.print(&nurse(), &second.visit, &SectionRequest::Summary)
        .expect("printed");
    // Read in the older visit after the newer one was opened
    read(&first.visit, SectionRequest::Problems).expect("read");
    let mine = door.my_access(&nurse(), &ask(10)).expect("told");
    let told: Vec<_> = mine
        .visits
        .iter()
        .map(|one| one.sections.join(" "))
        .collect();
    assert_eq!(told, ["summary", "allergies problems"]);
    assert!(mine.visits[0].printed && !mine.visits[1].printed);
    assert_eq!(mine.visits[1].why, "Direct care without the person present");
    assert_eq!(
        mine.visits[1].known.as_ref().expect("a person").names[0].family,
        "OSEI"
    );
    let entry = world.last();
    assert_eq!((entry.act, entry.page.as_str()), (Act::Find, "my-access"));
    // The next page has the whole of the older visit
    let one = door.my_access(&nurse(), &ask(1)).expect("told");
    assert!(one.more);
    let next = crate::MyAccessAsk {
        before: Some(one.visits[0].entry),
        ..ask(1)
    };
    let next = door.my_access(&nurse(), &next).expect("told");
    assert_eq!(next.visits[0].sections, ["allergies", "problems"]);
    assert!(!next.more);
    // A mistake is reported once, by whoever made it, and ends the visit
    let number = next.visits[0].entry;
    let other = caller(Role::HospitalDoctor, "X9T01", "session-2");
    assert!(
        door.my_access(&other, &ask(10))
            .expect("told")
            .visits
            .is_empty()
    );
    assert!(matches!(
        door.report_mistake(&other, number),
        Err(DisclosureError::NotThere)
    ));
    door.report_mistake(&nurse(), number).expect("reported");
    assert!(world.last().flags.contains(&"self-reported".to_owned()));
    assert!(matches!(
        read(&first.visit, SectionRequest::Problems),
        Err(DisclosureError::VisitEnded)
    ));
    let after = door.my_access(&nurse(), &ask(10)).expect("told");
    assert!(after.visits[1].mistaken && !after.visits[0].mistaken);
}

#[test]
fn a_choice_closes_a_record_that_is_open() {
    let world = World::new();
    let opened = open(&world, &nurse(), &Why::NotPresent).expect("opened");
    object(&world, ConnectCareChoice::Objected);
    let after = world
        .door()
        .section(&nurse(), &opened.visit, &SectionRequest::Summary);
    assert!(matches!(after, Err(DisclosureError::VisitEnded)));
    let entry = world.last();
    assert_eq!(
        (entry.outcome, entry.reason.as_str()),
        (Outcome::Denied, "patient-objected")
    );
}

/// A name, the person's choice, who asks, why, and whether it opens (as an emergency or not).
type Asking = (
    &'static str,
    ConnectCareChoice,
    Caller,
    Why,
    Result<bool, Refusal>,
);

#[test]
fn each_asking_is_answered_as_the_rules_say() {
    let gp = || caller(Role::Gp, "X9P01", "g");
    let stranger = || caller(Role::DistrictNurse, "X9C01", "c");
    let emergency = || Why::Emergency {
        ground: Ground::RiskToLife,
        text: "Found collapsed at home".to_owned(),
        seal: false,
    };
    let claim = || Why::SomethingElse {
        text: "Asked to advise by the ward".to_owned(),
    };
    let none = ConnectCareChoice::None;
    let objected = ConnectCareChoice::Objected;
    let except = ConnectCareChoice::ObjectedExceptEmergency;
    let table: Vec<Asking> = vec![
        (
            "nurse, permission",
            none,
            nurse(),
            Why::PermissionToday,
            Ok(false),
        ),
        (
            "nurse, not present",
            none,
            nurse(),
            Why::NotPresent,
            Ok(false),
        ),
        ("gp, not present", none, gp(), Why::NotPresent, Ok(false)),
        (
            "stranger",
            none,
            stranger(),
            Why::NotPresent,
            Err(Refusal::NoRelationship),
        ),
        (
            "stranger, emergency",
            none,
            stranger(),
            emergency(),
            Ok(true),
        ),
        ("stranger, claim", none, stranger(), claim(), Ok(false)),
        (
            "objected, nurse",
            objected,
            nurse(),
            Why::NotPresent,
            Err(Refusal::NotAvailable),
        ),
        (
            "objected, gp",
            objected,
            gp(),
            Why::NotPresent,
            Err(Refusal::ChoseNotToShare),
        ),
        (
            "objected, emergency",
            objected,
            nurse(),
            emergency(),
            Err(Refusal::NotAvailable),
        ),
        (
            "except, nurse",
            except,
            nurse(),
            Why::NotPresent,
            Err(Refusal::NotAvailable),
        ),
        ("except, emergency", except, nurse(), emergency(), Ok(true)),
    ];
    for (name, choice, caller, why, expected) in table {
        let world = World::new();
        if choice != ConnectCareChoice::None {
            object(&world, choice);
        }
        let answer = open(&world, &caller, &why).map(|opened| opened.emergency_until.is_some());
        assert_eq!(answer, expected, "{name}");
        let entry = world.last();
        assert_eq!(entry.act, Act::OpenVisit, "{name}");
        assert_eq!(
            entry.outcome == Outcome::Success,
            expected.is_ok(),
            "{name}"
        );
        if expected.is_err() {
            assert!(
                entry.flags.iter().any(|flag| flag == "denied-attempt"),
                "{name}"
            );
        }
    }
}

#[test]
fn a_role_that_may_not_look_for_people_is_refused_and_written_down() {
    let world = World::new();
    let analyst = caller(Role::Analyst, "X9T01", "a");
    let answer = world.door().find_by_number(&analyst, AMARA);
    assert!(matches!(
        answer,
        Err(DisclosureError::Refused(Refusal::NotForYourRole))
    ));
    let entry = world.last();
    assert_eq!((entry.act, entry.outcome), (Act::Find, Outcome::Denied));
}

fn stated(permission: &str) -> FhirAsk {
    FhirAsk {
        stated: Stated {
            purpose: "direct_care".to_owned(),
            permission: Some(permission.to_owned()),
            break_glass: None,
            case: None,
        },
        only_person: None,
    }
}

#[test]
fn the_api_shows_what_the_pages_show_and_refuses_what_they_refuse() {
    let world = World::new();
    let number = care_core::vocabulary::NhsNumber::parse(AMARA).expect("a number");
    let ask = stated("given");
    let door = world.door();
    let patient = door.fhir_find(&nurse(), &ask, number).expect("an answer");
    let patient = patient.into_inner().expect("found");
    let all = door
        .fhir_search(&nurse(), &ask, &patient.id, &[], 100, None)
        .expect("everything");
    assert_eq!(all.total, all.resources.len());
    assert!(
        all.resources
            .iter()
            .any(|one| one.resource_type.name() == "Observation")
    );
    for resource in all.resources.iter().skip(1) {
        let read = door.fhir_read(&nurse(), &ask, resource.resource_type, &resource.id);
        assert_eq!(read.expect("read").body, resource.body);
    }
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = door
            .fhir_search(&nurse(), &ask, &patient.id, &[], 1, after.as_deref())
            .expect("a page")
            .into_inner();
        paged.extend(page.resources);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, all.resources, "pages together are the whole");
    let every = |count: usize, after: Option<String>| {
        let wanted = crate::EverythingAsk {
            count,
            after,
            ..crate::EverythingAsk::default()
        };
        let page = door.fhir_everything(&nurse(), &ask, &patient.id, &wanted);
        page.expect("everything").into_inner()
    };
    assert_eq!(
        every(100, None).resources,
        all.resources,
        "by one operation"
    );
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = every(2, after);
        paged.extend(page.resources);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, all.resources, "and page by page");

    let elsewhere = FhirAsk {
        only_person: care_core::vocabulary::NhsNumber::parse("9990000026").ok(),
        ..stated("given")
    };
    let answer = door.fhir_patient(&nurse(), &elsewhere, &patient.id);
    assert!(matches!(answer, Err(DisclosureError::NotThere)));
    let not_asked = door.fhir_patient(&nurse(), &stated("not_asked"), &patient.id);
    assert!(matches!(
        not_asked,
        Err(DisclosureError::Refused(Refusal::AskPermission))
    ));
    for id in ["../etc", "0000000000000", "0000000000000-0000000000000", ""] {
        let answer = door.fhir_read(&nurse(), &ask, patient.resource_type, id);
        let not_there = matches!(
            answer,
            Err(super::FhirError::Disclosure(DisclosureError::NotThere))
        );
        assert!(not_there, "{id}");
    }
}

#[test]
fn nothing_is_shown_when_its_entry_cannot_be_written() {
    let world = World::new();
    let opened = open(&world, &nurse(), &Why::NotPresent).expect("opened");
    world.record.close();
    let answer = world
        .door()
        .section(&nurse(), &opened.visit, &SectionRequest::Summary);
    assert!(matches!(answer, Err(DisclosureError::Unavailable(_))));
}

pub(super) fn amara() -> Caller {
    let mut caller = caller(Role::Patient, "X9P01", "session-own");
    caller.user.own_number = care_core::vocabulary::NhsNumber::parse(AMARA).ok();
    caller
}

#[test]
fn the_person_sees_who_looked_at_what_and_why_at_once_and_nobody_else_sees_it() {
    let world = World::new();
    let door = world.door();
    let opened = open(&world, &nurse(), &Why::PermissionToday).expect("opened");
    door.section(&nurse(), &opened.visit, &SectionRequest::Allergies)
        .expect("a page");
    let looks = door.who_looked(&amara(), start()).expect("told");
    let look = &looks[0];
    assert_eq!(look.kind, crate::LookKind::Opened);
    assert_eq!(look.place, "X9T01 full name");
    assert_eq!(
        look.why,
        "You were staying in hospital there. You gave permission."
    );
    assert_eq!(look.seen, ["your name and birth date", "your allergies"]);
    // Finding her and opening her record is one look.
    assert_eq!(looks.len(), 1, "{looks:?}");
    assert!(!look.printed && !look.own);
    // The looking is an entry too, marked as the person's own.
    assert_eq!(world.last().page, "own who-looked");
    let again = door.who_looked(&amara(), start()).expect("told");
    assert!(again.iter().any(|look| look.own));
    // Who is not the person, or has no number, is told nothing.
    for other in [nurse(), caller(Role::Patient, "X9P01", "s")] {
        assert!(matches!(
            door.who_looked(&other, start()),
            Err(DisclosureError::NotThere)
        ));
    }
}

#[test]
fn a_refused_attempt_is_told_with_its_reason_and_one_who_objected_still_sees_the_list() {
    let world = World::new();
    object(&world, ConnectCareChoice::Objected);
    let refused = open(&world, &nurse(), &Why::PermissionToday);
    assert_eq!(refused, Err(Refusal::NotAvailable));
    let looks = world.door().who_looked(&amara(), start()).expect("told");
    let look = looks
        .iter()
        .find(|look| look.kind == crate::LookKind::Refused)
        .expect("the attempt");
    assert_eq!(
        look.why,
        "They could not open it. You chose not to share it."
    );
    let made = world.door().choices_made(&amara()).expect("told");
    assert_eq!(
        (made[0].said, made[0].channel.as_str()),
        ("not-shared", "telephone")
    );
}

#[test]
fn i_do_not_recognise_this_opens_a_case_only_about_an_entry_of_ones_own() {
    let world = World::new();
    open(&world, &nurse(), &Why::PermissionToday).expect("opened");
    let looks = world.door().who_looked(&amara(), start()).expect("told");
    let entry = looks[0].entry;
    let case = crate::OwnCase::NotRecognised(entry);
    let reference = world
        .door()
        .own_case(&amara(), case, "I was at home")
        .expect("opened");
    let cases = world
        .record
        .casework()
        .matching(&crate::CaseFilter::open_of(&["not-recognised"], 10))
        .expect("cases");
    assert_eq!(cases[0].reference, reference.as_str());
    assert_eq!(cases[0].about, nurse().user.id);
    assert_eq!(cases[0].text("said"), "I was at home");
    let other = crate::OwnCase::NotRecognised(9_999);
    assert!(world.door().own_case(&amara(), other, "").is_err());
}

#[test]
fn a_look_that_must_be_looked_at_again_opens_one_case_in_its_own_commit() {
    let world = World::new();
    let all = || {
        let filter = crate::CaseFilter {
            limit: 20,
            ..crate::CaseFilter::default()
        };
        world.record.casework().matching(&filter).expect("cases")
    };
    let stranger = caller(Role::DistrictNurse, "X9C01", "session-9");
    let why = Why::Emergency {
        ground: Ground::RiskToLife,
        text: "unconscious at the door".to_owned(),
        seal: false,
    };
    let before = world.entries().len();
    let opened = open(&world, &stranger, &why).expect("opened");
    let [case] = &all()[..] else {
        panic!("one case")
    };
    assert_eq!(case.kind, "emergency-access");
    assert_eq!(case.about, stranger.user.id);
    assert_eq!(case.person, world.last().person);
    assert!(
        case.text("reason given")
            .contains("unconscious at the door")
    );
    // Finding, and opening: the case came with the entry of the opening, not with one of its own.
    assert_eq!(world.entries().len(), before + 2);
    let door = world.door();
    for request in [SectionRequest::Allergies, SectionRequest::Summary] {
        door.section(&stranger, &opened.visit, &request)
            .expect("read");
    }
    assert_eq!(all().len(), 1, "the pages of a visit belong to its case");
    door.wrong_person(&stranger, &opened.visit).expect("ended");
    let kinds: Vec<String> = all().into_iter().map(|case| case.kind).collect();
    assert_eq!(kinds, ["emergency-access", "self-reported"]);
}

#[test]
fn emergency_access_ends_after_its_minutes_and_holds_for_one_person() {
    let world = World::new();
    let stranger = caller(Role::DistrictNurse, "X9C01", "session-9");
    let why = Why::Emergency {
        ground: Ground::RiskToLife,
        text: "found collapsed".to_owned(),
        seal: false,
    };
    let opened = open(&world, &stranger, &why).expect("opened");
    let until = opened.emergency_until.expect("an end");
    let door = world.door();
    let read = |visit: &str| {
        door.section(&stranger, visit, &SectionRequest::Allergies)
            .map(|_| ())
    };
    read(&opened.visit).expect("while it lasts");
    // For nobody else: without a reason of their own, the next person is closed.
    let again = open(&world, &stranger, &Why::NotPresent);
    assert_eq!(again, Err(Refusal::NoRelationship));
    world.clock.set(until);
    let ended = read(&opened.visit);
    assert!(matches!(ended, Err(DisclosureError::VisitEnded)));
}

#[test]
fn what_the_simulator_told_before_a_choice_is_what_happens_after_it() {
    let amara = {
        let mut amara = caller(Role::Patient, "X9P01", "session-9");
        amara.user.own_number = care_core::vocabulary::NhsNumber::parse(AMARA).ok();
        amara
    };
    let of = |connect_care| Choice {
        connect_care,
        set_by: "self".to_owned(),
        decided_at: start(),
        ..Choice::default()
    };
    let free = of(ConnectCareChoice::None);
    let choices = [
        of(ConnectCareChoice::Objected),
        of(ConnectCareChoice::ObjectedExceptEmergency),
        Choice {
            status: ChoiceStatus::Pending,
            ..of(ConnectCareChoice::Objected)
        },
        Choice {
            status: ChoiceStatus::NotUpheld,
            ..of(ConnectCareChoice::Objected)
        },
        Choice {
            blocked_organisations: vec![ods("X9T01")],
            ..free.clone()
        },
        Choice {
            withheld_sources: vec![ods("X9P01")],
            ..free.clone()
        },
        Choice {
            gp_dissent: true,
            ..free.clone()
        },
        free,
    ];
    let roles = [
        Role::HospitalDoctor,
        Role::HospitalNurse,
        Role::OccupationalTherapist,
        Role::HealthcareAssistant,
        Role::StudentClinician,
    ];
    for choice in choices {
        let world = World::new();
        let told = world.door().own_simulation(&amara, &choice);
        let told = told.expect("told").into_inner();
        let person = world.door().own(&amara, "home").expect("known").person;
        world
            .record
            .choices()
            .record(person, &choice, "privacy-officer")
            .expect("recorded");
        for role in roles {
            let line = told
                .lines
                .iter()
                .find(|line| {
                    let place = line.organisation.and_then(|at| told.organisations.get(at));
                    line.role == role && place.is_some_and(|one| one.0 == "X9T01 full name")
                })
                .expect("the line is there");
            let viewer = caller(role, "X9T01", "session-1");
            let opened = open(&world, &viewer, &Why::PermissionToday);
            let shown: Vec<String> = world.last().categories;
            let expected: Vec<&str> = line.then.categories.iter().map(|one| one.code()).collect();
            assert_eq!(shown, expected, "{role:?} {}", choice.summary());
            assert_eq!(
                opened.is_ok(),
                line.then.outcome != care_core::access::Outcome::Deny,
                "{role:?} {}",
                choice.summary()
            );
        }
    }
}

#[test]
fn the_api_gives_the_choice_as_a_consent_whole_to_the_person_and_in_part_to_staff() {
    let world = World::new();
    let mut amara = caller(Role::Patient, "X9P01", "session-9");
    amara.user.own_number = care_core::vocabulary::NhsNumber::parse(AMARA).ok();
    let person = world.door().own(&amara, "home").expect("known").person;
    let choice = Choice {
        blocked_organisations: vec![ods("X9C01")],
        withheld_sources: vec![ods("X9P01")],
        reference: Some("CC-7F3K-11QZ".to_owned()),
        set_by: "self".to_owned(),
        channel: "telephone".to_owned(),
        decided_at: start(),
        ..Choice::default()
    };
    world
        .record
        .choices()
        .record(person, &choice, "privacy-officer")
        .expect("recorded");
    let ask = |purpose: &str, permission: &str| FhirAsk {
        stated: Stated {
            purpose: purpose.to_owned(),
            permission: Some(permission.to_owned()),
            break_glass: None,
            case: None,
        },
        only_person: None,
    };
    let read = |caller: &Caller, ask: &FhirAsk| {
        let types = [care_core::fhir::ResourceType::CONSENT];
        let id = person.to_string();
        let page = world
            .door()
            .fhir_search(caller, ask, &id, &types, 10, None)
            .expect("a page");
        assert_eq!(page.resources.len(), 1);
        let one = &page.resources[0];
        let alone = world
            .door()
            .fhir_read(caller, ask, one.resource_type, &one.id)
            .expect("the resource");
        assert_eq!(alone.body, one.body);
        String::from_utf8(one.body.clone()).expect("text")
    };
    let own = read(&amara, &ask("self_view", "not_applicable"));
    for part in [
        "X9C01",
        "X9P01",
        "CC-7F3K-11QZ",
        "connect-care-choice",
        "\"permit\"",
    ] {
        assert!(own.contains(part), "{part}: {own}");
    }
    let staff = read(&nurse(), &ask("direct_care", "given"));
    assert!(staff.contains("X9P01") && !staff.contains("X9C01") && !staff.contains("7F3K"));
    // Who may not see legal information does not see it either.
    let types = [care_core::fhir::ResourceType::CONSENT];
    let assistant = caller(Role::HealthcareAssistant, "X9T01", "session-1");
    let page = world.door().fhir_search(
        &assistant,
        &ask("direct_care", "given"),
        &person.to_string(),
        &types,
        10,
        None,
    );
    assert!(page.expect("a page").resources.is_empty());
}

#[test]
fn a_claimed_relationship_holds_until_it_lapses_and_takes_its_visits_with_it() {
    let world = World::new();
    let stranger = caller(Role::DistrictNurse, "X9C01", "session-9");
    let refused = open(&world, &stranger, &Why::PermissionToday);
    assert_eq!(refused.err(), Some(Refusal::NoRelationship));
    let claim = Why::SomethingElse {
        text: "asked by the ward to take her on".to_owned(),
    };
    open(&world, &stranger, &claim).expect("a claim opens, and is reviewed");
    assert!(
        world
            .last()
            .flags
            .contains(&"self-claimed-relationship".to_owned())
    );
    // For 24 hours it need not be said again, and each use is reviewed
    world.clock.set(start() + 22.hours());
    let visit = open(&world, &stranger, &Why::PermissionToday).expect("it rests on the claim");
    assert!(
        world
            .last()
            .flags
            .contains(&"self-claimed-relationship".to_owned())
    );
    let choice = choose(&world, &stranger);
    let confirm = world.door().confirm(&stranger, &choice).expect("shown");
    assert_eq!(confirm.claimed_until, Some(start() + 24.hours()));
    let read = || {
        let request = SectionRequest::Summary;
        world
            .door()
            .section(&stranger, &visit.visit, &request)
            .map(|_| ())
    };
    assert!(read().is_ok());
    // Then it lapses, and the visit with it, though a visit lasts four hours
    world.clock.set(start() + 24.hours());
    assert!(matches!(read(), Err(DisclosureError::VisitEnded)));
    let refused = open(&world, &stranger, &Why::PermissionToday);
    assert_eq!(refused.err(), Some(Refusal::NoRelationship));
    // Somebody else's claim is no use, and a claim does not reach another person's record
    let colleague = caller(Role::OccupationalTherapist, "X9C01", "session-8");
    world.clock.set(start());
    let refused = open(&world, &colleague, &Why::NotPresent);
    assert_eq!(refused.err(), Some(Refusal::NoRelationship));
}
