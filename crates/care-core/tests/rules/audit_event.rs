//! Entries to AuditEvents: a pair of files for each kind of act, and R4's structure for all of them.
//!
//! To refresh the pairs: `mkdir -p target && touch target/refresh`, run the tests, remove the file,
//! read the diff.

use care_core::audit::{Act, Entry, Outcome};
use care_core::audit_event::{action, audit_event, code_of};
use care_core::fhir::validate_structure;
use care_core::vocabulary::PersonId;

use crate::printed;

const SERVER: &str = "https://care.example.org";

fn entry(act: Act, outcome: Outcome) -> Entry {
    let at = "2026-11-23T10:05:00.250Z".parse().expect("a time");
    let mut entry = Entry::new(at, act, outcome, "555044412105");
    entry.who_name = "Ade Bankole".into();
    entry.role = "hospital_nurse".into();
    entry.organisation = "X9T01".into();
    entry.person = Some(PersonId(7));
    entry.purpose = "direct_care".into();
    entry.reason = "ok".into();
    entry.categories = vec!["demographics".into(), "allergies".into()];
    entry
}

fn check(name: &str, entry: &Entry) {
    let event = audit_event(1042, entry, SERVER);
    let broken: Vec<String> = validate_structure(&event)
        .iter()
        .map(|issue| format!("{issue:?}"))
        .collect();
    assert_eq!(broken, Vec::<String>::new(), "{name}");
    let value: serde_json::Value = serde_json::from_str(&event.to_string()).expect("JSON");
    let text = format!("{value:#}\n");
    printed::compare(&format!("audit-event/{name}.json"), &text);
}

#[test]
fn each_kind_of_act_becomes_the_audit_event_beside_it() {
    let mut view = entry(Act::View, Outcome::Success);
    view.page = "allergies".into();
    view.visit = "5f1c".into();
    view.items = vec!["AllergyIntolerance/000000000000a/2".into()];
    view.flags = vec!["break-glass-emergency".into(), "review-required".into()];
    check("view-by-breaking-the-glass", &view);

    let mut read = entry(Act::ApiRead, Outcome::Success);
    read.page = "GET AllergyIntolerance".into();
    read.request = "7KQ2M9XA".into();
    read.items = vec!["AllergyIntolerance/000000000000a/2".into()];
    check("api-read", &read);

    let mut search = entry(Act::ApiRead, Outcome::Success);
    search.page = "GET Observation?patient".into();
    search.items = vec!["Observation/000000000000b/1".into()];
    check("api-search", &search);

    let mut denied = entry(Act::OpenVisit, Outcome::Denied);
    denied.reason = "patient-objected".into();
    denied.categories.clear();
    denied.trace = vec!["8 choice: objected: deny".into()];
    denied.detail = "Direct care without the person present".into();
    check("refused", &denied);

    let mut sign_in = entry(Act::SignIn, Outcome::Success);
    sign_in.person = None;
    (sign_in.purpose, sign_in.reason) = (String::new(), String::new());
    sign_in.categories.clear();
    check("sign-in", &sign_in);

    let mut delivery = entry(Act::Receive, Outcome::Success);
    (delivery.who, delivery.who_name, delivery.role) =
        ("feed-hospital".into(), String::new(), String::new());
    delivery.purpose = String::new();
    delivery.items = vec!["Observation/000000000000c/1".into()];
    delivery.detail = "ORU^R01 control id 42".into();
    check("delivery", &delivery);
}

#[test]
fn every_act_has_an_action_and_the_name_it_has_in_the_log() {
    use Act::*;
    for act in [
        SignIn, SignOut, Find, OpenVisit, CloseVisit, View, Search, Print, ApiRead, Receive,
        Refuse, Identity, Choice, Worklist, Admin,
    ] {
        let serialised = serde_json::to_value(act).expect("a code");
        assert_eq!(serialised.as_str(), Some(code_of(act)));
        for outcome in [Outcome::Success, Outcome::Denied, Outcome::Failure] {
            let entry = entry(act, outcome);
            assert!("CRUDE".contains(action(&entry)));
            assert_eq!(
                validate_structure(&audit_event(0, &entry, SERVER)),
                [],
                "{act:?}"
            );
        }
    }
}
