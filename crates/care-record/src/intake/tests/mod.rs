//! Walk 1 on a real store with real messages and resources.

mod bad_input;
mod idempotency;
mod identity;
mod merge;
mod order;
mod property;
mod samples;
mod v2;
mod validation;

use std::sync::Arc;

use care_core::access::{
    Choice as ChoiceFacts, ChoiceState, ChoiceStatus as ChoiceStatusFacts, Facts, Life,
    OrganisationCode, Origin, Patient, Permission, Relationship, Settings, User, View, Warrant,
};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{
    OdsCode, Organisation, OrganisationKind, PersonId, Purpose, Role, SensitivitySet,
};
use jiff::{Timestamp, ToSpan as _};

use super::*;
use crate::store::{PersonRow, WorklistRow};
use crate::{Directory, FixedClock, Options, Record, Source};

pub(super) const AMARA: &str = "9990000018";
pub(super) const BERNARD: &str = "9990000026";
/// Ten digits whose check digit does not fit.
pub(super) const MISTYPED: &str = "9990000019";

/// A record with four sources on a temporary disk.
pub(super) struct World {
    pub record: Record,
    pub intake: Intake,
    pub clock: Arc<FixedClock>,
    _directory: tempfile::TempDir,
}

fn source(code: &str, kind: OrganisationKind, feed: &str, traced: bool) -> Source {
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
        numbers_are_traced: traced,
        connected: true,
    }
}

pub(super) fn ods(code: &str) -> OdsCode {
    OdsCode::parse(code).expect("a code")
}

pub(super) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    start + minute.minutes()
}

impl World {
    pub fn new() -> Self {
        Self::validated(FeedValidation::off())
    }

    pub fn validated(validation: FeedValidation) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Arc::new(FixedClock::at(at(0)));
        let sources = vec![
            source("RJ1", OrganisationKind::Trust, "feed-hospital", true),
            source("G85001", OrganisationKind::Practice, "feed-gp", true),
            source(
                "RV5",
                OrganisationKind::MentalHealth,
                "feed-mental-health",
                true,
            ),
            source("LBX", OrganisationKind::Council, "feed-council", false),
        ];
        let record = Record::open(Options {
            clock: clock.clone(),
            registry: Directory::new(Vec::new(), sources),
            validation,
            reserve_bytes: 0,
            ..Options::new(directory.path())
        })
        .expect("the record opens");
        Self {
            intake: record.intake(),
            record,
            clock,
            _directory: directory,
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.intake.parts.store
    }

    pub fn v2(&self, message: &[u8]) -> V2Answer {
        self.intake.receive_v2(&V2Delivery {
            feed: "feed-hospital",
            peer: None,
            bytes: message,
            senders: &Senders::default(),
        })
    }

    /// Posts a resource or Bundle by the feed of a source.
    pub fn post(&self, source: &str, body: &str) -> FhirAnswer {
        self.send(source, FhirMethod::Post, path_of(body), body, None)
    }

    pub fn put(&self, source: &str, path: &str, body: &str) -> FhirAnswer {
        self.send(source, FhirMethod::Put, path, body, None)
    }

    pub fn send(
        &self,
        source: &str,
        method: FhirMethod,
        path: &str,
        body: &str,
        request_id: Option<&str>,
    ) -> FhirAnswer {
        let client = match source {
            "RJ1" => "feed-hospital",
            "G85001" => "feed-gp",
            "RV5" => "feed-mental-health",
            _ => "feed-council",
        };
        self.intake.receive_fhir(&FhirDelivery {
            client,
            source: &ods(source),
            method,
            path,
            body: body.as_bytes(),
            format: FhirFormat::Json,
            request_id,
        })
    }

    pub fn rows(&self, kind: &str) -> Vec<WorklistRow> {
        self.store()
            .worklist(Some(kind), None, 1000)
            .expect("the worklist answers")
    }

    pub fn row_kinds(&self) -> Vec<String> {
        let rows = self
            .store()
            .worklist(None, None, 1000)
            .expect("the worklist answers");
        rows.into_iter().map(|row| row.kind).collect()
    }

    pub fn holder(&self, system: &str, value: &str) -> Option<PersonId> {
        let holders = self
            .store()
            .persons_by_identifier(system, value)
            .expect("the store answers");
        assert!(
            holders.windows(2).all(|two| two[0].person == two[1].person),
            "one holder"
        );
        holders.first().map(|holder| holder.person)
    }

    /// Who holds a verified NHS number.
    pub fn by_number(&self, number: &str) -> Option<PersonId> {
        self.holder(crate::identity::NHS_NUMBER, number)
    }

    /// Whom a source means by its own key.
    pub fn by_key(&self, source: &str, key: &str) -> Option<PersonId> {
        self.holder(&crate::identity::key_system(&ods(source)), key)
    }

    pub fn person(&self, person: PersonId) -> PersonRow {
        self.store()
            .person(person)
            .expect("the store answers")
            .expect("a person")
    }

    pub fn has_flag(&self, person: PersonId, flag: &str) -> bool {
        self.person(person)
            .flags
            .iter()
            .any(|(name, _)| name == flag)
    }

    /// Everything a general practitioner reads of a person, as text: type, version, body.
    pub fn read(&self, person: PersonId) -> Vec<String> {
        let view = whole_view();
        let headers = self.store().headers(person, &view).expect("headers");
        let wanted: Vec<_> = headers
            .iter()
            .filter(|header| header.resource_type != ResourceType::PROVENANCE)
            .map(|header| (header.resource_type, header.item))
            .collect();
        let bodies = self.store().bodies(person, &view, &wanted).expect("bodies");
        bodies
            .iter()
            .map(|body| String::from_utf8_lossy(&body.body).into_owned())
            .collect()
    }

    pub fn deliveries(&self) -> Vec<(String, String)> {
        let rows = self
            .store()
            .deliveries(None, None, 10_000)
            .expect("deliveries");
        rows.into_iter()
            .map(|row| (row.control_id, row.status))
            .collect()
    }
}

fn path_of(body: &str) -> &str {
    for name in ["Patient", "Observation", "Consent", "Condition"] {
        if body.starts_with(&format!("{{\"resourceType\":\"{name}\"")) {
            return name;
        }
    }
    ""
}

/// What the rules let a registered practice see of somebody who agreed.
fn whole_view() -> View {
    let facts = Facts {
        user: User {
            role: Some(Role::Gp),
            organisation: OrganisationCode::new("practice-g85001"),
            authenticated: true,
            organisation_participating: true,
            is_the_patient: false,
            declared_family: false,
            can_break_seal: false,
            origin: Origin::Local,
        },
        patient: Patient {
            life: Life::Living,
            ..Patient::default()
        },
        relationship: Relationship::RegisteredGp,
        purpose: Some(Purpose::DirectCare),
        permission: Permission::Given,
        emergency: false,
        choice: ChoiceFacts {
            connect_care: ChoiceState::None,
            status: ChoiceStatusFacts::Decided,
            blocked_organisations: Vec::new(),
            withheld_sources: Vec::new(),
            gp_dissent: false,
        },
        sensitivity_present: SensitivitySet::EMPTY,
        break_glass: None,
        warrant: Warrant::default(),
    };
    let decision = care_core::access::decide(&facts, &Settings::default());
    decision
        .view()
        .expect("the rules let the test's reader in")
        .clone()
}

/// A Patient. An empty number is left out; `verified` states the number's status.
pub(super) fn patient(id: &str, number: &str, verified: bool, name: &str, born: &str) -> String {
    let status = if verified {
        "number-present-and-verified"
    } else {
        "number-present-but-not-traced"
    };
    let (given, family) = name.split_once(' ').unwrap_or(("", name));
    let identifier = if number.is_empty() {
        String::new()
    } else {
        format!(
            r#""identifier":[{{"extension":[{{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{{"coding":[{{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus","code":"{status}"}}]}}}}],"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{number}"}}],"#
        )
    };
    let born = if born.is_empty() {
        String::new()
    } else {
        format!(r#","birthDate":"{born}""#)
    };
    format!(
        r#"{{"resourceType":"Patient","id":"{id}",{identifier}"name":[{{"family":"{family}","given":["{given}"]}}]{born}}}"#
    )
}

/// An Observation about a Patient of the same source.
pub(super) fn observation(id: &str, patient: &str, value: &str, updated: Timestamp) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{"lastUpdated":"{updated}"}},"status":"final","code":{{"coding":[{{"system":"http://snomed.info/sct","code":"1022431000000105"}}],"text":"Haemoglobin"}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"2026-11-20T09:00:00Z","valueQuantity":{{"value":{value},"unit":"g/L"}}}}"#
    )
}

/// A transaction of resources.
pub(super) fn bundle(resources: &[String]) -> String {
    let entries: Vec<String> = resources
        .iter()
        .map(|resource| {
            format!(r#"{{"resource":{resource},"request":{{"method":"PUT","url":"x"}}}}"#)
        })
        .collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    )
}
