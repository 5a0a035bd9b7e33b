//! The command line keeps its word: what it prints where, and how it ends.

use crate::rig::{Demo, run};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn wrong_use_ends_with_2_and_says_what_was_meant() {
    for (arguments, said) in [
        (vec!["servve"], "serve"),
        (vec!["config", "chek"], "check"),
        (vec!["token", "--as", "nobody"], "district-nurse"),
        (
            vec!["token", "--as", "gp", "--person", "9990000019"],
            "modulus 11",
        ),
        (
            vec!["token", "--as", "gp", "--permission", "perhaps"],
            "not_present",
        ),
        (
            vec!["token", "--as", "gp", "--break-glass", "best_interest"],
            "--because",
        ),
    ] {
        let out = run(&arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(
            out.stdout.is_empty() && text(&out.stderr).contains(said),
            "{arguments:?}: {}",
            text(&out.stderr)
        );
    }
}

#[test]
fn help_leads_with_examples() {
    for arguments in [
        vec!["--help"],
        vec!["demo", "--help"],
        vec!["access", "evaluate", "--help"],
    ] {
        let out = run(&arguments);
        assert_eq!(out.status.code(), Some(0));
        assert!(
            text(&out.stdout).starts_with("Examples:\n  connect-care"),
            "{}",
            text(&out.stdout)
        );
    }
}

#[test]
fn a_configuration_is_checked_and_an_unsafe_one_does_not_start() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("care.toml");
    let path = file.to_str().expect("a path");
    let example = run(&["config", "example"]);
    assert_eq!(example.status.code(), Some(0));
    let unsafe_text = text(&example.stdout).replace(
        "https://identity.example.org",
        "http://localhost:8080/demo-identity",
    );
    std::fs::write(&file, unsafe_text).expect("written");
    let checked = run(&["config", "check", "--config", path, "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let faults: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert!(
        faults["faults"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["key"] == "signin.issuer")),
        "{faults}"
    );
    let served = run(&["serve", "--config", path]);
    assert_eq!(served.status.code(), Some(1));
    let said = text(&served.stderr);
    assert!(
        said.contains("demonstration's identity provider") && said.contains("mend:"),
        "{said}"
    );
    std::fs::write(&file, "[server]\nlisten = \"nowhere\"").expect("written");
    assert_eq!(
        run(&["config", "check", "--config", path]).status.code(),
        Some(1)
    );
}

#[test]
fn facts_in_a_file_are_decided() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("facts.json");
    let facts = r#"{"id":"a","user":{"role":"pharmacist","org":"pharmacy-q","authenticated":true,"org_participating":true,
        "is_the_patient":false,"declared_family_of_patient":false,"can_break_seal":false,"request_origin":"local"},
        "patient":{"age":70,"deceased":false,"flags":[]},"relationship":{"type":"open_referral","verified":true},
        "purpose":"direct_care","permission":"standing","emergency":false,
        "choice":{"connect_care":"none","status":"decided","blocked_orgs":[],"withheld_sources":[],"gp_dissent":true},
        "sensitivity_present":["rcgp_sensitive"],"break_glass":{"requested":false}}"#;
    std::fs::write(&file, facts).expect("written");
    let out = run(&["access", "evaluate", file.to_str().expect("a path")]);
    let answer: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(
        (
            out.status.code(),
            answer["decision"].as_str(),
            answer["id"].as_str()
        ),
        (Some(0), Some("allow"), Some("a")),
        "{answer}"
    );
    std::fs::write(&file, "{").expect("written");
    let broken = run(&["access", "evaluate", file.to_str().expect("a path")]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(broken.stdout.is_empty() && !broken.stderr.is_empty());
}

#[tokio::test]
async fn a_demonstration_stops_cleanly_and_starts_again_with_what_it_had() {
    let demo = Demo::start().await;
    let second = demo.command(&["demo", "--people", "0", "--port", "1", "--mllp-port", "1"]);
    assert_eq!(second.status.code(), Some(1), "one process at a time");
    assert!(
        text(&second.stderr).contains("in use by another"),
        "{}",
        text(&second.stderr)
    );
    assert_eq!(demo.stop().await, Some(0));
}
