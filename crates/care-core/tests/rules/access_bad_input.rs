//! Bad input gets an answer or an error with its place, never a panic.

use care_core::{access, secondary_use};
use serde_json::{Value, json};

type Evaluate = fn(&str) -> Result<String, access::json::EvaluateError>;

/// Every pointer into a value, with the value itself left out.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, it)| (name.clone(), it))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, it)| (at.to_string(), it))
            .collect(),
        _ => Vec::new(),
    };
    for (name, it) in inner {
        let place = format!("{here}/{name}");
        places(it, &place, found);
        found.push(place);
    }
}

fn spoil_everywhere(facts: &Value, evaluate: Evaluate) {
    let mut found = Vec::new();
    places(facts, "", &mut found);
    let (mut answered, mut refused) = (0, 0);
    for place in found {
        for spoilt in [
            json!(null),
            json!(true),
            json!(-1),
            json!(1.5),
            json!(1e300),
            json!(u64::MAX),
            json!(""),
            json!("SECRET"),
            json!([]),
            json!([["SECRET"]]),
            json!({}),
        ] {
            let mut facts = facts.clone();
            *facts.pointer_mut(&place).expect("a place") = spoilt;
            match evaluate(&facts.to_string()) {
                Ok(_) => answered += 1,
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    let name = place.split('/').nth(1).expect("a member");
                    assert!(
                        text.contains(name) && !text.contains("SECRET"),
                        "{place}: {text}"
                    );
                }
            }
        }
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > 50 && refused > 50);
}

#[test]
fn spoilt_facts_of_access_are_answered_or_refused_by_place() {
    let facts = json!({
        "user": {"role": "gp", "org": "practice-ab1", "authenticated": true,
                 "org_participating": true, "is_the_patient": false, "can_break_seal": true,
                 "request_origin": "federated", "assertion_missing": ["purpose"]},
        "patient": {"age": 50, "deceased": true, "days_since_death": 3, "flags": ["x"],
                    "gillick_competent": false, "capacity": "has"},
        "relationship": {"type": "appointment", "verified": true, "days_from_now": 3},
        "purpose": "direct_care", "permission": "given", "emergency": false,
        "choice": {"connect_care": "none", "status": "decided", "blocked_orgs": ["a"],
                   "withheld_sources": ["b"], "gp_dissent": false},
        "sensitivity_present": ["sealed"],
        "break_glass": {"requested": true, "justification": "x", "reason": "y", "target": "seal"},
        "case_ref": "c", "legal_instrument": "l", "public_interest_test": "approved",
        "scope": ["legal"],
        "deployment_policy": {"permission": "ask", "appointment_days_past": 90,
                              "objection": {"pending_restricts": true, "emergency": "never"}}
    });
    spoil_everywhere(&facts, access::json::evaluate);
}

#[test]
fn spoilt_facts_of_secondary_use_are_answered_or_refused_by_place() {
    let disclosure = json!({
        "kind": "disclosure",
        "disclosure": {"purpose": "planning", "data_form": "aggregate", "legal_basis": "s251_reg5",
                       "cag_standard_condition": true, "evidence_held": true, "instrument": "i",
                       "public_interest_test": "absent", "origin": "wales", "sources": ["gp"]},
        "patients": [{"nhs_number": "9990000018", "national_data_opt_out": false,
                      "type1_opt_out": true, "consented": true}],
        "opt_out_check": {"method": "mesh", "result_age_days": 1, "status": "ok",
                          "sent": ["9990000018"], "returned": 1}
    });
    spoil_everywhere(&disclosure, secondary_use::json::evaluate);
}

#[test]
fn a_text_nested_without_end_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(access::json::evaluate(&deep).is_err());
    assert!(secondary_use::json::evaluate(&deep).is_err());
}
