//! Cases through their one door: acts, versions and what stays.

use care_core::vocabulary::{OdsCode, Role};
use serde_json::json;

use super::*;
use crate::{Options, Record, User};

fn caller(id: &str) -> Caller {
    Caller {
        user: User {
            id: id.to_owned(),
            name: "Priya Officer".to_owned(),
            role: Role::PrivacyOfficer,
            organisation: OdsCode::parse("RJ1").expect("a code"),
            can_break_seal: false,
            own_number: None,
            family_numbers: Vec::new(),
        },
        session: "s".to_owned(),
        request: String::new(),
    }
}

fn opened(record: &Record) -> Case {
    let new = NewCase {
        kind: "self-reported".to_owned(),
        about: "nurse-1".to_owned(),
        detail: json!({"said": "the wrong person"}),
        ..NewCase::default()
    };
    record.casework().open(&caller("po"), new).expect("opened")
}

#[test]
fn every_act_on_a_case_is_an_entry_and_every_change_an_event() {
    let directory = tempfile::tempdir().expect("a directory");
    let record = Record::open(Options::new(directory.path())).expect("opens");
    let cases = record.casework();
    let case = opened(&record);
    assert_eq!((case.version, case.state.as_str()), (1, "open"));
    let change = CaseChange {
        state: Some("closed-expected".to_owned()),
        owner: Some("po".to_owned()),
        note: "as expected".to_owned(),
        ..CaseChange::default()
    };
    let closed = cases
        .change(&caller("po"), case.number, case.version, change)
        .expect("changed");
    assert!(closed.is_closed() && closed.owner == "po" && closed.version == 2);
    let (read, events) = cases.get(&caller("po"), case.number).expect("read");
    assert_eq!(read, closed);
    let notes: Vec<_> = events.iter().map(|event| event.note.as_str()).collect();
    assert_eq!(notes, ["", "as expected"]);
    let found = cases
        .by_reference(&caller("po"), &case.reference.to_lowercase())
        .expect("found");
    assert_eq!(found.number, case.number);
    let entries = record.inner().store.entries(0, 100).expect("read");
    let told: Vec<String> = entries
        .iter()
        .map(|(_, bytes)| serde_json::from_slice::<Entry>(bytes).expect("an entry"))
        .filter(|entry| entry.act == Act::Worklist)
        .map(|entry| entry.detail.replace(&case.reference, "R"))
        .collect();
    assert_eq!(
        told,
        [
            "self-reported case R opened",
            "self-reported case R is now closed-expected, goes to po",
            "self-reported case R read",
            "self-reported case R read",
        ]
    );
}

#[test]
fn a_change_from_an_old_version_is_refused_and_names_the_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let record = Record::open(Options::new(directory.path())).expect("opens");
    let case = opened(&record);
    let change = || CaseChange {
        note: "seen".to_owned(),
        ..CaseChange::default()
    };
    let cases = record.casework();
    cases
        .change(&caller("po"), case.number, 1, change())
        .expect("the first");
    let second = cases.change(&caller("other"), case.number, 1, change());
    assert!(matches!(second, Err(CaseworkError::Stale)));
    let nothing = cases.change(&caller("po"), 999, 1, change());
    assert!(matches!(nothing, Err(CaseworkError::NoCase)));
}
