//! Releases on a real store, with the real opt-out check and invented mail.

mod promises;
mod speed;
mod steps;
mod timelines;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::ResourceType;
use care_core::release::{
    Cohort, Counted, DateRule, Exceptional, Form, Specification, TableWanted, Verifier, questions,
};
use care_core::secondary_use::check::{LineEnd, Numbers, write_list};
use care_core::vocabulary::{
    Category, Involvement, InvolvementKind, ItemId, NhsNumber, OdsCode, PersonId, Role,
    Sensitivity, SourceCode,
};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::choices::{Choice, ChoiceStatus, ConnectCareChoice};
use crate::identity::NHS_NUMBER;
use crate::opt_out_check::{ListToSend, Mail, MailKind, OptOutSettings, Received};
use crate::store::{Change, PutItem};
use crate::{Clock as _, FixedClock, Options, Record, User};

const SERVICE: &str = "X26OPT01";

/// A record of one data directory, with its clock.
pub(super) struct Rig {
    pub record: Record,
    pub releases: Releases,
    pub clock: Arc<FixedClock>,
    pub mails: u32,
    pub folder: tempfile::TempDir,
}

pub(super) fn start() -> Timestamp {
    "2026-11-03T09:00:00Z".parse().expect("a time")
}

/// The nth number of the never-issued range, with its check digit.
pub(super) fn number(nth: u64) -> NhsNumber {
    let mut nine = 999_100_000 + nth;
    loop {
        let digits: Vec<u64> = format!("{nine:09}")
            .bytes()
            .map(|it| u64::from(it - b'0'))
            .collect();
        let sum: u64 = digits
            .iter()
            .zip((2..=10).rev())
            .map(|(digit, weight)| digit * weight)
            .sum();
        match 11 - sum % 11 {
            10 => nine += 500_000,
            11 => return NhsNumber::parse(&format!("{nine:09}0")).expect("a number"),
            check => return NhsNumber::parse(&format!("{nine:09}{check}")).expect("a number"),
        }
    }
}

pub(super) fn person(nth: u64) -> PersonId {
    PersonId(1_000 + nth)
}

fn source(code: &str) -> SourceCode {
    SourceCode::parse(code).expect("a code")
}

pub(super) fn caller(id: &str, role: Role) -> Caller {
    Caller {
        user: User {
            id: id.to_owned(),
            name: id.to_owned(),
            role,
            organisation: OdsCode::parse("PRG01").expect("a code"),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: id.to_owned(),
        request: String::new(),
    }
}

pub(super) fn analyst() -> Caller {
    caller("analyst", Role::Analyst)
}

pub(super) fn officer() -> Caller {
    caller("ig-officer", Role::PrivacyOfficer)
}

pub(super) fn guardian() -> Caller {
    caller("caldicott-guardian", Role::CaldicottGuardian)
}

/// One invented person of the record.
#[derive(Clone)]
pub(super) struct Somebody {
    pub nth: u64,
    pub numbered: bool,
    pub age: u32,
    pub woman: bool,
    pub postcode: &'static str,
    pub type_1: bool,
}

impl Somebody {
    pub fn of(nth: u64) -> Self {
        Self {
            nth,
            numbered: true,
            age: 40 + (nth % 3) as u32 * 10,
            woman: nth.is_multiple_of(2),
            postcode: "SE991QA",
            type_1: false,
        }
    }

    /// What must be in no release: everything that names this person.
    pub fn canaries(&self) -> Vec<String> {
        let nth = self.nth;
        vec![
            number(nth).digits(),
            format!("Zzfamily{nth}qx"),
            format!("Zzgiven{nth}qx"),
            format!("02079460{nth:03}"),
            format!("{nth} Zzstreet Walk"),
            format!("HOSP{nth:05}"),
            format!("zz{nth}@example.invalid"),
            "SE99 1QA".to_owned(),
            "SE991QA".to_owned(),
        ]
    }
}

impl Rig {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(start()));
        let record = Record::open(options(folder.path(), clock.clone())).expect("opens");
        Self {
            releases: record.releases(),
            record,
            clock,
            mails: 0,
            folder,
        }
    }

    /// Ends the process's hold on the record, as a kill would, and opens it again.
    pub fn reopen(&mut self) {
        self.record.close();
        let spare = tempfile::tempdir().expect("a folder");
        // The old handles are dropped before the directory is opened again.
        let other = Record::open(Options::new(spare.path())).expect("opens");
        self.releases = other.releases();
        self.record = other;
        let record = Record::open(options(self.folder.path(), self.clock.clone())).expect("opens");
        self.releases = record.releases();
        self.record = record;
    }

    pub fn later(&self, hours: i64) {
        self.clock
            .set(self.clock.now() + SignedDuration::from_hours(hours));
    }

    pub fn commit(&self, changes: Vec<Change>) {
        let entry = Entry::new(self.clock.now(), Act::Receive, Outcome::Success, "feed");
        let commit = Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        };
        self.record.inner().store.commit(commit).expect("kept");
    }

    /// Puts people into the record, with items that name them wherever a source might.
    pub fn people(&self, people: &[Somebody]) {
        for chunk in people.chunks(50) {
            self.commit(
                chunk
                    .iter()
                    .flat_map(|one| changes_of(one, self.clock.now()))
                    .collect(),
            );
        }
    }

    /// Joins one record into another.
    pub fn join(&self, from: u64, into: u64) {
        self.commit(vec![Change::Join {
            from: person(from),
            into: Some(person(into)),
        }]);
    }

    /// Records that a person objects to Connect Care.
    pub fn object(&self, nth: u64) {
        let choice = Choice {
            connect_care: ConnectCareChoice::Objected,
            status: ChoiceStatus::Decided,
            set_by: "self".to_owned(),
            channel: "online".to_owned(),
            decided_at: self.clock.now(),
            ..Choice::default()
        };
        self.commit(vec![Change::Choice {
            person: person(nth),
            choice: choice.to_bytes(),
        }]);
    }

    /// Lists that wait, sent.
    pub fn sent_lists(&self) -> Vec<ListToSend> {
        let checks = self.record.opt_out_check();
        let mut lists = Vec::new();
        while let Some(list) = checks.next_to_send().expect("a list") {
            checks
                .sent(&list, &format!("OUT{}", list.name))
                .expect("noted");
            lists.push(list);
        }
        lists
    }

    /// Mail from a mailbox.
    pub fn mail(&mut self, from: &str, local_id: &str, body: &[u8]) -> Option<Received> {
        self.mails += 1;
        let mail = Mail {
            message: format!("IN{}", self.mails),
            kind: MailKind::Data,
            from: from.to_owned(),
            workflow: "SPINE_NTT_UPHOLDING".to_owned(),
            local_id: local_id.to_owned(),
            body: body.to_vec(),
        };
        self.record.opt_out_check().receive(&mail).ok()
    }

    /// Answers every list that waits: those who opted out do not come back.
    pub fn answer(&mut self, opted_out: &BTreeSet<NhsNumber>) {
        for list in self.sent_lists() {
            let back = back_of(&list, opted_out);
            let body = write_list(back.as_slice(), LineEnd::Lf);
            let received = self.mail(SERVICE, &list.name, &body);
            assert!(
                matches!(received, Some(Received::Answered { .. })),
                "{received:?}"
            );
        }
    }

    /// Requested and checked, with the opt-out check answered.
    pub fn checked(
        &mut self,
        specification: Specification,
        opted_out: &BTreeSet<NhsNumber>,
    ) -> Extract {
        let asked = self
            .releases
            .request(&analyst(), specification)
            .expect("asked");
        let checking = self
            .releases
            .check(&analyst(), asked.number, asked.version)
            .expect("checked");
        if checking.step != Step::Checking {
            return checking;
        }
        self.answer(opted_out);
        self.releases
            .check(&analyst(), checking.number, checking.version)
            .expect("checked again")
    }

    /// Approved by both.
    pub fn approved(&self, extract: &Extract) -> Extract {
        let first = self
            .releases
            .approve(
                &officer(),
                extract.number,
                extract.version,
                &extract.digest,
                "",
            )
            .expect("first");
        self.releases
            .approve(&guardian(), first.number, first.version, &first.digest, "")
            .expect("second")
    }

    /// From the request to the sealed files.
    pub fn released(
        &mut self,
        specification: Specification,
        opted_out: &BTreeSet<NhsNumber>,
    ) -> Extract {
        let checked = self.checked(specification, opted_out);
        assert_eq!(
            checked.step,
            Step::AwaitingApproval,
            "{:?}",
            checked.findings
        );
        let approved = self.approved(&checked);
        self.releases
            .run(&officer(), approved.number, approved.version)
            .expect("ran")
    }

    pub fn directory(&self, extract: &Extract) -> std::path::PathBuf {
        self.releases
            .sealed_directory(&officer(), extract.number)
            .expect("sealed")
    }

    pub fn key(&self) -> Verifier {
        Verifier::parse(&self.releases.verifier_key()).expect("a key")
    }

    pub fn verify(&self, directory: &Path) -> Vec<VerifyFinding> {
        verify(directory, &self.key()).expect("verified").findings
    }
}

fn options(folder: &Path, clock: Arc<FixedClock>) -> Options {
    Options {
        clock,
        opt_out: OptOutSettings {
            mailbox: "X26CARE1".to_owned(),
            service_mailbox: SERVICE.to_owned(),
            ..OptOutSettings::default()
        },
        reserve_bytes: 0,
        ..Options::new(folder)
    }
}

/// What comes back of a list.
pub(super) fn back_of(list: &ListToSend, opted_out: &BTreeSet<NhsNumber>) -> Numbers {
    let asked = care_core::secondary_use::check::read_list(&list.body).numbers;
    Numbers::new(
        asked
            .as_slice()
            .iter()
            .copied()
            .filter(|it| !opted_out.contains(it))
            .collect(),
    )
}

fn changes_of(one: &Somebody, now: Timestamp) -> Vec<Change> {
    let nth = one.nth;
    let born = format!("{}-03-04", 2026 - i64::from(one.age));
    let digits = number(nth).digits();
    let mut changes = vec![
        Change::NewPerson {
            person: person(nth),
        },
        Change::Details {
            event_at: now,
            person: person(nth),
            source: source("G85001"),
            family: format!("zzfamily{nth}qx"),
            given: format!("zzgiven{nth}qx"),
            birth_date: born.clone(),
            gender: if one.woman { "female" } else { "male" }.to_owned(),
            postcode: one.postcode.to_owned(),
            phonetic_family: String::new(),
        },
        Change::Involvement {
            event_at: now,
            person: person(nth),
            source: source("G85001"),
            involvement: Involvement {
                kind: InvolvementKind::RegisteredGp,
                organisation: OdsCode::parse("G85001").expect("a code"),
                source_key: "gp".to_owned(),
                starts: None,
                ends: None,
                cancelled: false,
            },
        },
        Change::Identifier {
            person: person(nth),
            system: "local|RJ1".to_owned(),
            value: format!("HOSP{nth:05}"),
            source: source("RJ1"),
            unique: false,
        },
    ];
    if one.numbered {
        changes.push(Change::Identifier {
            person: person(nth),
            system: NHS_NUMBER.to_owned(),
            value: digits.clone(),
            source: source("G85001"),
            unique: true,
        });
    }
    let patient = format!(
        r#"{{"resourceType":"Patient","id":"p{nth}","identifier":[{{"value":"{digits}"}}],"name":[{{"family":"Zzfamily{nth}qx","given":["Zzgiven{nth}qx"]}}],"telecom":[{{"value":"02079460{nth:03}"}},{{"value":"zz{nth}@example.invalid"}}],"address":[{{"line":["{nth} Zzstreet Walk"],"postalCode":"SE99 1QA"}}],"birthDate":"{born}"}}"#
    );
    let subject = format!(
        r#""subject":{{"reference":"Patient/p{nth}","display":"Zzgiven{nth}qx Zzfamily{nth}qx"}}"#
    );
    let condition = format!(
        r#"{{"resourceType":"Condition","id":"c{nth}-{digits}","text":{{"div":"Zzfamily{nth}qx"}},"identifier":[{{"value":"HOSP{nth:05}"}}],"clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}}]}},"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"44054006","display":"Diabetes of Zzgiven{nth}qx"}},{{"system":"urn:local","code":"HOSP{nth:05}"}}],"text":"Zzgiven{nth}qx has it"}},{subject},"onsetDateTime":"2020-01-02T09:10:00Z","note":[{{"text":"call 02079460{nth:03}"}}]}}"#
    );
    let observation = format!(
        r#"{{"resourceType":"Observation","id":"o{nth}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"718-7","display":"{digits}"}}]}},{subject},"effectiveDateTime":"2026-10-02T14:05:00+01:00","valueQuantity":{{"value":13.50,"unit":"g/dL"}},"component":[{{"code":{{"text":"{nth} Zzstreet Walk"}},"valueString":"zz{nth}@example.invalid"}},{{"code":{{"coding":[{{"system":"http://loinc.org","code":"4548-4"}}]}},"valueQuantity":{{"value":{digits},"unit":"Zzfamily{nth}qx"}}}}],"performer":[{{"display":"Dr Zzgiven{nth}qx"}}]}}"#
    );
    let letter = format!(
        r#"{{"resourceType":"DocumentReference","id":"d{nth}","description":"Zzgiven{nth}qx","content":[{{"attachment":{{"data":"WnpnaXZlbg=="}}}}]}}"#
    );
    changes.push(put(
        nth,
        1,
        ResourceType::PATIENT,
        Category::Demographics,
        ("G85001", true),
        "",
        patient,
    ));
    changes.push(put(
        nth,
        2,
        ResourceType::CONDITION,
        Category::Problems,
        ("G85001", true),
        "http://snomed.info/sct|44054006",
        condition,
    ));
    changes.push(put(
        nth,
        3,
        ResourceType::OBSERVATION,
        Category::Results,
        ("RJ1", false),
        "http://loinc.org|718-7",
        observation,
    ));
    changes.push(put(
        nth,
        4,
        ResourceType::DOCUMENT_REFERENCE,
        Category::Documents,
        ("RJ1", false),
        "",
        letter,
    ));
    let secret = format!(
        r#"{{"resourceType":"Condition","id":"s{nth}","code":{{"coding":[{{"system":"http://snomed.info/sct","code":"52448006"}}]}},{subject}}}"#
    );
    let mut sealed = put(
        nth,
        5,
        ResourceType::CONDITION,
        Category::Problems,
        ("RJ1", false),
        "http://snomed.info/sct|52448006",
        secret,
    );
    if let Change::Item(item) = &mut sealed {
        item.sensitivity = Sensitivity::Sealed;
    }
    changes.push(sealed);
    if one.type_1 {
        let dissent = format!(
            r#"{{"resourceType":"Observation","id":"t{nth}","status":"final","code":{{"coding":[{{"system":"http://snomed.info/sct","code":"827241000000103"}}]}},{subject}}}"#
        );
        changes.push(put(
            nth,
            6,
            ResourceType::OBSERVATION,
            Category::Results,
            ("G85001", true),
            "http://snomed.info/sct|827241000000103",
            dissent,
        ));
    }
    changes
}

fn put(
    nth: u64,
    item: u64,
    resource_type: ResourceType,
    category: Category,
    (from, gp_sourced): (&str, bool),
    code: &str,
    body: String,
) -> Change {
    Change::Item(PutItem {
        person: Some(person(nth)),
        resource_type,
        item: ItemId(nth * 100 + item),
        category,
        sensitivity: Sensitivity::Normal,
        source: source(from),
        gp_sourced,
        code_key: if code.is_empty() {
            0
        } else {
            cohort::code_key(code)
        },
        current: true,
        withdrawn: false,
        deleted: false,
        order: Default::default(),
        expect: Default::default(),
        clinical_at: Some(start()),
        event_at: start(),
        received_at: start(),
        body: body.into_bytes(),
    })
}

pub(super) const CONDITIONS: &str = r#"{"resourceType":"ViewDefinition","name":"conditions","status":"active","resource":"Condition",
  "select":[{"column":[{"name":"id","path":"id"},{"name":"person","path":"subject.reference"},
    {"name":"onset","path":"onset.ofType(dateTime)","type":"dateTime"}]},
   {"forEach":"code.coding","column":[{"name":"code","path":"code"},{"name":"system","path":"system"}]}]}"#;
pub(super) const PATIENTS: &str = r#"{"resourceType":"ViewDefinition","name":"patients","status":"active","resource":"Patient",
  "select":[{"column":[{"name":"person","path":"id"},{"name":"gender","path":"gender"},
    {"name":"age_band","path":"extension.where(url='urn:connect-care:age-band').value.ofType(string)"},
    {"name":"area","path":"address.district.first()"}]}]}"#;

/// A pseudonymous planning extract under section 251, in every form.
pub(super) fn planning() -> Specification {
    let table = |name: &str, view: &str, declared: &[&str]| {
        Form::Table(TableWanted {
            name: name.to_owned(),
            view: view.to_owned(),
            declared: declared.iter().map(|it| (*it).to_owned()).collect(),
            parquet: true,
            csv: true,
        })
    };
    Specification {
        title: "Diabetes in South East London".to_owned(),
        purpose_words: "To plan clinics where people live.".to_owned(),
        purpose: "planning".to_owned(),
        legal_basis: "s251_reg5".to_owned(),
        data_form: "pseudonymised_reidentifiable".to_owned(),
        origin: "england_publicly_funded_care".to_owned(),
        evidence: "CAG letter 26/CAG/0001, in the register of the programme".to_owned(),
        evidence_held: true,
        exemption_claimed: false,
        project: "diabetes-2026".to_owned(),
        destination: "South East London planning team".to_owned(),
        destroy_by: "2027-11-03".parse().expect("a day"),
        cohort: Cohort::default(),
        categories: vec![
            "problems".to_owned(),
            "results".to_owned(),
            "demographics".to_owned(),
        ],
        forms: vec![
            Form::Ndjson,
            table("patients", PATIENTS, &["gender", "age_band", "area"]),
            table("conditions", CONDITIONS, &["code"]),
            Form::Counts {
                name: "by_age".to_owned(),
                by: vec![Counted::AgeBand, Counted::Gender],
            },
        ],
        dates: DateRule::Shifted,
        smallest_group: 5,
        words: false,
        exceptional: Exceptional::default(),
        for_planning: false,
    }
}

/// An identifiable disclosure that a law requires.
pub(super) fn by_law() -> Specification {
    let kind = care_core::release::ExceptionalKind::LegalRequirement;
    let answers = questions(kind)
        .iter()
        .map(|it| (it.name.to_owned(), "answered in full here".to_owned()));
    Specification {
        title: "Fraud investigation".to_owned(),
        purpose: "fraud_investigation".to_owned(),
        legal_basis: "required_by_law".to_owned(),
        data_form: "confidential_patient_information".to_owned(),
        project: "fraud-7".to_owned(),
        categories: vec!["problems".to_owned(), "demographics".to_owned()],
        forms: vec![Form::Ndjson],
        dates: DateRule::Exact,
        exceptional: Exceptional {
            answers: answers.collect(),
        },
        ..planning()
    }
}

pub(super) fn texts(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(directory).expect("listed").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        found.push((name, std::fs::read(file.path()).expect("read")));
    }
    found.sort();
    found
}
