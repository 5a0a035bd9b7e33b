//! The examples that the access model itself gives.

use care_core::access::json::evaluate;
use serde_json::{Value, json};

fn answer(facts: Value) -> Value {
    let text = evaluate(&facts.to_string()).expect("the facts can be read");
    serde_json::from_str(&text).expect("an answer is JSON")
}

/// Compares the members that are expected; the trace is looked at elsewhere.
fn check(facts: Value, expected: Value) {
    let mut answer = answer(facts);
    let trace = answer
        .as_object_mut()
        .and_then(|members| members.remove("trace"));
    assert!(trace.is_some_and(|lines| lines.as_array().is_some_and(|lines| !lines.is_empty())));
    assert_eq!(answer, expected);
}

fn nurse() -> Value {
    json!({
        "user": {"role": "hospital_nurse", "org": "trust-a", "authenticated": true,
                 "org_participating": true, "is_the_patient": false,
                 "declared_family_of_patient": false, "can_break_seal": false,
                 "request_origin": "local"},
        "patient": {"age": 50, "deceased": false, "flags": ["pds_restricted"]},
        "relationship": {"type": "inpatient", "verified": true},
        "purpose": "direct_care", "permission": "not_asked", "emergency": false,
        "choice": {"connect_care": "none", "status": "decided", "blocked_orgs": [],
                   "withheld_sources": [], "gp_dissent": false},
        "sensitivity_present": [],
        "break_glass": {"requested": true, "justification": "restricted_record",
                        "reason": "drug round"},
        "deployment_policy": {"permission": "implied"}
    })
}

#[test]
fn the_worked_example_of_the_json_form_is_answered_exactly() {
    check(
        json!({"user":{"role":"pharmacist","org":"pharmacy-q","authenticated":true,"org_participating":true,"is_the_patient":false,
         "declared_family_of_patient":false,"can_break_seal":false,"request_origin":"local"},
         "patient":{"age":70,"deceased":false,"flags":[]}, "relationship":{"type":"open_referral","verified":true},
         "purpose":"direct_care","permission":"standing","emergency":false,
         "choice":{"connect_care":"none","status":"decided","blocked_orgs":[],"withheld_sources":[],"gp_dissent":true},
         "sensitivity_present":["rcgp_sensitive"], "break_glass":{"requested":false}}),
        json!({"decision":"allow","reason":"ok","visible_categories":["demographics","location","alerts","allergies","medications","problems","vaccinations","results","encounters","documents"],"hidden_sources":["gp"],"withheld_notice":true,"audit_flags":[]}),
    );
}

#[test]
fn a_nurse_with_a_reason_sees_all_but_the_location_of_a_restricted_inpatient() {
    check(
        nurse(),
        json!({"decision": "allow-with-break-glass", "reason": "ok",
               "visible_categories": ["demographics", "about_me", "alerts", "allergies",
                 "medications", "problems", "vaccinations", "results", "encounters", "documents",
                 "gp_consultations", "mental_health", "social_care", "care_plans", "safeguarding",
                 "legal", "contacts"],
               "hidden_sources": [], "withheld_notice": false,
               "audit_flags": ["restricted-demographics", "review-required"]}),
    );
}

#[test]
fn a_therapist_with_a_referral_and_standing_permission_gets_the_role_matrix_and_no_flags() {
    let mut facts = nurse();
    facts["user"]["role"] = json!("occupational_therapist");
    facts["patient"]["flags"] = json!([]);
    facts["relationship"]["type"] = json!("open_referral");
    facts["permission"] = json!("standing");
    facts["break_glass"] = json!({"requested": false});
    let answer = answer(facts);
    assert_eq!(answer["decision"], "allow");
    assert_eq!(answer["audit_flags"], json!([]));
    let seen = answer["visible_categories"]
        .as_array()
        .expect("a list")
        .len();
    assert_eq!(seen, 17, "all but GP consultations");
}

#[test]
fn a_list_is_answered_in_order_and_ids_are_copied() {
    let mut second = nurse();
    second["id"] = json!({"case": 2});
    second["purpose"] = json!("research");
    let mut first = nurse();
    first["id"] = json!("one");
    let answers = answer(json!([first, second]));
    assert_eq!(answers[0]["id"], "one");
    assert_eq!(answers[1]["id"], json!({"case": 2}));
    assert_eq!(answers[1]["reason"], "purpose-not-permitted");
    assert_eq!(answers[1]["audit_flags"], json!(["denied-attempt"]));
}

#[test]
fn a_wrong_type_is_an_error_that_names_its_place_and_not_its_value() {
    let mut facts = nurse();
    facts["patient"]["age"] = json!("Jane Doe");
    let error = evaluate(&json!([nurse(), facts]).to_string()).expect_err("a text is no age");
    let text = error.to_string();
    assert!(
        text.contains("[1].patient.age must be a whole number"),
        "{text}"
    );
    assert!(!text.contains("Jane"), "{text}");
    for broken in ["", "{", "[1]", "7", "\"x\"", "[[]]"] {
        assert!(evaluate(broken).is_err(), "{broken}");
    }
}

#[test]
fn facts_that_say_nothing_are_denied() {
    let answer = answer(json!({}));
    assert_eq!(answer["decision"], "deny");
    assert_eq!(answer["reason"], "not-authenticated");
}

#[test]
fn unsafe_settings_are_refused_with_their_reason() {
    let mut facts = nurse();
    facts["deployment_policy"]["objection"] = json!({"pending_restricts": false});
    let error = evaluate(&facts.to_string()).expect_err("unsafe");
    assert!(
        error
            .to_string()
            .contains("pending objections do not restrict"),
        "{error}"
    );
}
