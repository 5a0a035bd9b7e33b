//! Disclosures beyond care: the examples, the printed table, and what holds for every cohort.

use std::fmt::Write as _;

use care_core::secondary_use::json::evaluate;
use care_core::secondary_use::*;
use care_core::vocabulary::NhsNumber;
use serde_json::{Value, json};

use crate::printed;

fn answer(facts: &Value) -> Value {
    let text = evaluate(&facts.to_string()).expect("the facts can be read");
    serde_json::from_str(&text).expect("an answer is JSON")
}

/// A planning extract under section 251 of four: one stays, one opted out, one has a Type 1
/// opt-out, one has no number.
fn extract() -> Value {
    json!({
        "kind": "disclosure",
        "disclosure": {"purpose": "planning", "data_form": "confidential_patient_information",
            "legal_basis": "s251_reg5", "cag_standard_condition": true, "evidence_held": true,
            "origin": "england_publicly_funded_care", "sources": ["gp", "hospital"]},
        "patients": [
            {"nhs_number": "9990000018", "national_data_opt_out": false, "type1_opt_out": false, "deceased": false},
            {"nhs_number": "9990000107", "national_data_opt_out": true, "type1_opt_out": false, "deceased": false},
            {"nhs_number": "9990000026", "national_data_opt_out": false, "type1_opt_out": true, "deceased": false},
            {"nhs_number": null, "national_data_opt_out": null, "type1_opt_out": false, "deceased": false}],
        "opt_out_check": {"method": "cache", "result_age_days": 6, "status": "ok"}
    })
}

#[test]
fn a_planning_extract_leaves_without_those_who_opted_out_or_cannot_be_checked() {
    assert_eq!(
        answer(&extract()),
        json!({"release": "released", "opt_out_applies": true,
            "included": ["9990000018", "9990000026"], "excluded": ["9990000107", null],
            "reason": "s251-opt-out-applies",
            "obligations": ["record-decision", "release-manifest", "remove-gp-items",
                "report-unverifiable", "whole-record-removed"],
            "gp_items_removed_for": ["9990000026"]})
    );
}

#[test]
fn a_deputy_sets_the_choice_of_an_adult_without_capacity_on_paper() {
    let facts = json!({"id": 7, "kind": "set_choice", "setter": "court_deputy",
        "patient": {"age": 60, "has_nhs_number": true, "capacity": "lacks", "in_secure_setting": false},
        "channel": "paper", "choice": "opt_out"});
    assert_eq!(
        answer(&facts),
        json!({"id": 7, "accepted": true, "reason": "ok",
            "obligations": ["evidence-of-authority", "redirect-to-national-service"]})
    );
}

#[test]
fn an_unknown_kind_and_a_wrong_type_are_errors_that_name_the_place() {
    let missing = evaluate(r#"[{"kind": "gift"}]"#)
        .expect_err("no such kind")
        .to_string();
    assert!(missing.contains("[0].kind"), "{missing}");
    let mut facts = extract();
    facts["patients"][1]["nhs_number"] = json!(9990000107u64);
    let wrong = evaluate(&facts.to_string())
        .expect_err("a number is no text")
        .to_string();
    assert!(
        wrong.contains("patients[1].nhs_number must be a text"),
        "{wrong}"
    );
}

type Change = fn(&mut Value);

const SITUATIONS: &[(&str, Change)] = &[
    ("a planning extract, section 251, check of 6 days", |_| {}),
    ("check of 7 days", |f| {
        f["opt_out_check"]["result_age_days"] = json!(7)
    }),
    ("check of 8 days", |f| {
        f["opt_out_check"]["result_age_days"] = json!(8)
    }),
    ("check without an age", |f| {
        f["opt_out_check"]["result_age_days"] = json!(null)
    }),
    ("no check", |f| f["opt_out_check"] = json!(null)),
    ("check not answered", |f| {
        f["opt_out_check"]["status"] = json!("no_response")
    }),
    ("check refused for invalid numbers", |f| {
        f["opt_out_check"]["status"] = json!("rejected_invalid_numbers")
    }),
    ("3 sent, 2 came back", |f| {
        f["opt_out_check"]["sent"] = json!(3);
        f["opt_out_check"]["returned"] = json!(2);
    }),
    ("3 sent, 3 came back though one opted out", |f| {
        f["opt_out_check"]["sent"] = json!(3);
        f["opt_out_check"]["returned"] = json!(3);
    }),
    ("3 sent, 4 came back", |f| {
        f["opt_out_check"]["sent"] = json!(3);
        f["opt_out_check"]["returned"] = json!(4);
    }),
    ("2 of 3 sent", |f| {
        f["opt_out_check"]["sent"] = json!(2);
        f["opt_out_check"]["returned"] = json!(2);
    }),
    (
        "by lists: the numbers that came back stay, the others opted out",
        |f| {
            f["opt_out_check"]["sent"] = json!(["9990000018", "9990000107", "9990000026"]);
            f["opt_out_check"]["returned"] = json!(["9990000018"]);
        },
    ),
    ("by lists: a number came back that was not sent", |f| {
        f["opt_out_check"]["sent"] = json!(["9990000018", "9990000107", "9990000026"]);
        f["opt_out_check"]["returned"] = json!(["9990000018", "9990000034"]);
    }),
    (
        "nobody has a usable number",
        |f| f["patients"] = json!([{"nhs_number": null}, {"nhs_number": "9990000019"}]),
    ),
    ("the check says nothing of the first", |f| {
        f["patients"][0]["national_data_opt_out"] = json!(null)
    }),
    ("the person who opted out has died", |f| {
        f["patients"][1]["deceased"] = json!(true)
    }),
    (
        "the person who opted out consented to something else",
        |f| f["patients"][1]["consented"] = json!(true),
    ),
    ("no GP source", |f| {
        f["disclosure"]["sources"] = json!(["hospital"])
    }),
    ("standard condition lifted, letter held", |f| {
        f["disclosure"]["cag_standard_condition"] = json!(false)
    }),
    ("standard condition lifted, letter not held", |f| {
        f["disclosure"]["cag_standard_condition"] = json!(false);
        f["disclosure"]["evidence_held"] = json!(false);
    }),
    ("private care in an independent setting", |f| {
        f["disclosure"]["origin"] = json!("private_care_independent_setting")
    }),
    ("private care in an NHS setting", |f| {
        f["disclosure"]["origin"] = json!("private_care_nhs_setting")
    }),
    ("care in Wales", |f| {
        f["disclosure"]["origin"] = json!("wales")
    }),
    ("individual care", |f| {
        f["disclosure"]["purpose"] = json!("individual_care")
    }),
    ("anonymised", |f| {
        f["disclosure"]["data_form"] = json!("anonymised_ico")
    }),
    ("suppressed counts", |f| {
        f["disclosure"]["data_form"] = json!("aggregate_suppressed")
    }),
    ("pseudonymised", |f| {
        f["disclosure"]["data_form"] = json!("pseudonymised_reidentifiable")
    }),
    ("invoices without a contract, no basis", |f| {
        f["disclosure"]["purpose"] = json!("invoice_validation_noncontracted");
        f["disclosure"]["legal_basis"] = json!("none");
    }),
    ("prescription charges", |f| {
        f["disclosure"]["purpose"] = json!("nhsbsa_reg18a")
    }),
    ("explicit consent of the first", |f| {
        f["disclosure"]["legal_basis"] = json!("explicit_consent");
        f["patients"][0]["consented"] = json!(true);
    }),
    ("regulation 3", |f| {
        f["disclosure"]["legal_basis"] = json!("reg3_copi")
    }),
    ("public interest, positive test recorded", |f| {
        f["disclosure"]["legal_basis"] = json!("overriding_public_interest");
        f["disclosure"]["public_interest_test"] = json!("positive_recorded");
    }),
    ("public interest, no test", |f| {
        f["disclosure"]["legal_basis"] = json!("overriding_public_interest");
        f["disclosure"]["public_interest_test"] = json!("absent");
        f["disclosure"]["evidence_held"] = json!(false);
    }),
    ("court order named and held", |f| {
        f["disclosure"]["legal_basis"] = json!("court_order");
        f["disclosure"]["instrument"] = json!("order 1");
    }),
    ("court order neither named nor held", |f| {
        f["disclosure"]["legal_basis"] = json!("court_order");
        f["disclosure"]["evidence_held"] = json!(false);
    }),
    ("required by law, named, not held", |f| {
        f["disclosure"]["legal_basis"] = json!("required_by_law");
        f["disclosure"]["instrument"] = json!("an Act");
        f["disclosure"]["evidence_held"] = json!(false);
    }),
    ("implied consent", |f| {
        f["disclosure"]["legal_basis"] = json!("implied_consent")
    }),
    ("marketing without a basis", |f| {
        f["disclosure"]["purpose"] = json!("marketing");
        f["disclosure"]["legal_basis"] = json!("none");
    }),
    ("a national clinical audit, section 251", |f| {
        f["disclosure"]["purpose"] = json!("national_clinical_audit")
    }),
    ("to show the opt-out in the record", |f| {
        f["kind"] = json!("status_use");
        f["disclosure"]["purpose"] = json!("display_opt_out_status");
    }),
    ("to share the opt-out", |f| {
        f["kind"] = json!("status_use");
        f["disclosure"]["purpose"] = json!("share_opt_out_status");
    }),
];

#[test]
fn the_printed_table_of_disclosures_is_what_the_rules_say() {
    let mut text = String::from(OPENING);
    for (title, change) in SITUATIONS {
        let mut facts = extract();
        change(&mut facts);
        let answer = answer(&facts);
        let places = |name: &str| {
            let listed = answer[name].as_array().cloned().unwrap_or_default();
            let people = facts["patients"].as_array().cloned().unwrap_or_default();
            let place = |number: &Value| {
                people
                    .iter()
                    .position(|person| person["nhs_number"] == *number)
                    .map(|at| at + 1)
            };
            let found: Vec<_> = listed
                .iter()
                .filter_map(place)
                .map(|place| place.to_string())
                .collect();
            if found.is_empty() {
                "-".to_owned()
            } else {
                found.join(" ")
            }
        };
        let obligations: Vec<_> = answer["obligations"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let _ = writeln!(
            text,
            "{title}\n    {} ({}); in: {}; out: {}\n    {}\n",
            answer["release"].as_str().unwrap_or_default(),
            answer["reason"].as_str().unwrap_or_default(),
            places("included"),
            places("excluded"),
            obligations.join(" "),
        );
    }
    choices(&mut text);
    printed::compare("secondary-use-table.txt", &text);
}

const OPENING: &str = "\
DISCLOSURES BEYOND CARE

Printed from the rules; read it beside docs/secondary-use.md. Each line changes the first one:
identifiable data for planning under section 251, of four people. 1 stays, 2 opted out (national
data opt-out), 3 has a Type 1 opt-out, 4 has no NHS number.

";

/// Who may set the national choice: every setter, age band, capacity and channel.
fn choices(text: &mut String) {
    text.push_str("\nWHO MAY SET THE NATIONAL CHOICE\n\n");
    for setter in Setter::ALL {
        for (age, lacks_capacity) in [
            (12, false),
            (13, false),
            (40, false),
            (15, true),
            (40, true),
        ] {
            let said: Vec<_> = Channel::ALL
                .iter()
                .map(|channel| {
                    let answer = accept_choice(&ChoiceRequest {
                        setter: Some(*setter),
                        age_years: Some(age),
                        has_nhs_number: true,
                        lacks_capacity,
                        in_secure_setting: false,
                        channel: Some(*channel),
                    });
                    format!("{} {}", channel.code(), answer.reason.code())
                })
                .collect();
            let capacity = if lacks_capacity {
                "lacks capacity"
            } else {
                "has capacity"
            };
            let label = format!("{}, aged {age}, {capacity}", setter.code());
            let _ = writeln!(text, "{label:52}{}", said.join("; "));
        }
    }
}

/// A small generator (xorshift64*).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.throw(of.len())]
    }
}

fn random_disclosure(dice: &mut Dice) -> Disclosure {
    Disclosure {
        purpose: Some(dice.pick(&Purpose::ALL[..4])),
        data_form: dice.pick(&DataForm::ALL[..2]),
        legal_basis: dice.pick(LegalBasis::ALL),
        exemption_claimed: dice.throw(4) == 0,
        evidence_held: dice.throw(2) == 0,
        instrument_named: dice.throw(2) == 0,
        public_interest_test_positive: dice.throw(2) == 0,
        origin: dice.pick(Origin::ALL),
        holds_gp_items: dice.throw(2) == 0,
    }
}

fn random_cohort(dice: &mut Dice) -> Vec<Person> {
    let numbers = [
        "9990000018",
        "9990000026",
        "9990000034",
        "9990000042",
        "9990000050",
    ];
    numbers
        .iter()
        .map(|number| Person {
            number: match dice.throw(6) {
                0 => PersonNumber::Missing,
                1 => PersonNumber::Invalid,
                _ => PersonNumber::Usable(NhsNumber::parse(number).expect("a number")),
            },
            national_opt_out: dice.pick(&[None, Some(true), Some(false)]),
            type_1_opt_out: dice.throw(3) == 0,
            consented: dice.throw(2) == 0,
        })
        .collect()
}

fn random_check(dice: &mut Dice) -> Option<OptOutCheck> {
    (dice.throw(8) > 0).then(|| OptOutCheck {
        status: if dice.throw(5) > 0 {
            CheckStatus::Ok
        } else {
            dice.pick(CheckStatus::ALL)
        },
        age_days: dice.pick(&[Some(0), Some(7), Some(8), None]),
        sent_count: None,
        returned_count: None,
        sent: None,
        returned: None,
    })
}

#[test]
fn nobody_who_opted_out_or_cannot_be_checked_is_ever_in_a_release_that_the_opt_out_reaches() {
    let seed = 0x5eed_0005;
    let mut dice = Dice(seed);
    let (mut released, mut blocked) = (0, 0);
    for _ in 0..100_000 {
        let (disclosure, cohort) = (random_disclosure(&mut dice), random_cohort(&mut dice));
        let check = random_check(&mut dice);
        let decision = decide(&disclosure, &cohort, check.as_ref(), Settings::default());
        let told = format!("seed {seed:#x} {disclosure:?} {cohort:?} {check:?} {decision:?}");
        let mut places = [decision.included(), decision.excluded()].concat();
        places.sort_unstable();
        assert!(
            places.iter().copied().eq(0..cohort.len()),
            "everybody once: {told}"
        );
        let must = |obligation| decision.obligations().any(|it| it == obligation);
        assert!(must(Obligation::RecordDecision), "{told}");
        assert_eq!(
            must(Obligation::ReleaseManifest),
            must(Obligation::WholeRecordRemoved),
            "{told}"
        );
        assert_eq!(
            decision.cohort().is_some(),
            decision.is_released(),
            "{told}"
        );
        if !decision.is_released() {
            blocked += 1;
            assert!(
                decision.included().is_empty() && decision.opt_out_applies(),
                "{told}"
            );
            continue;
        }
        if !decision.opt_out_applies() {
            continue;
        }
        released += 1;
        assert!(must(Obligation::ReleaseManifest), "{told}");
        let check = check.as_ref().expect("a check");
        assert!(
            check.status == CheckStatus::Ok && check.age_days <= Some(7),
            "{told}"
        );
        for place in decision.included() {
            let person = &cohort[*place];
            assert_eq!(person.national_opt_out, Some(false), "{told}");
            assert!(matches!(person.number, PersonNumber::Usable(_)), "{told}");
            let kept = person.type_1_opt_out && disclosure.holds_gp_items;
            assert_eq!(
                kept,
                decision.gp_items_removed_for().contains(place),
                "{told}"
            );
        }
    }
    println!("seed {seed:#x}: {released} releases the opt-out reaches, {blocked} blocked");
    assert!(released > 1_000 && blocked > 1_000);
}

#[test]
fn a_check_is_never_relied_on_for_more_than_21_days() {
    assert_eq!(
        Settings {
            check_max_age_days: 21
        }
        .check(),
        Ok(())
    );
    let why = Settings {
        check_max_age_days: 22,
    }
    .check()
    .expect_err("too long")
    .to_string();
    assert!(why.contains("21 days or fewer"), "{why}");
}

/// The lists of the access model, 8.9, as they stand there.
const LISTS: &[(&str, &str)] = &[
    (
        "purpose",
        "research|planning|national_clinical_audit|public_health|individual_care|invoice_validation_noncontracted|nhsbsa_reg18a|fraud_investigation|regulation|inquest|litigation|national_collection|public_interest|marketing|display_opt_out_status|share_opt_out_status",
    ),
    (
        "data_form",
        "confidential_patient_information|pseudonymised_reidentifiable|anonymised_ico|aggregate_suppressed",
    ),
    (
        "legal_basis",
        "s251_reg2|s251_reg5|reg3_copi|explicit_consent|implied_consent|required_by_law|court_order|overriding_public_interest|none",
    ),
    (
        "origin",
        "england_publicly_funded_care|england_adult_social_care|private_care_nhs_setting|private_care_independent_setting|wales",
    ),
    ("status", "ok|no_response|rejected_invalid_numbers"),
    (
        "reason",
        "individual-care|anonymised|payment-exemption|explicit-consent|communicable-disease|overriding-public-interest|required-by-law|out-of-scope-origin|cag-exemption|s251-opt-out-applies|no-valid-basis|no-nhs-number|opt-out-check-missing|opt-out-check-stale|opt-out-check-inconsistent|status-use-not-permitted",
    ),
    (
        "obligations",
        "fix-invalid-nhs-numbers|recheck-required|record-decision|release-manifest|remove-gp-items|report-unverifiable|request-evidence|whole-record-removed",
    ),
    (
        "setter",
        "self|parental_responsibility|lpa_property_finance|lpa_health_welfare|court_deputy|informal_carer",
    ),
    ("channel", "online|telephone|paper|gp_practice"),
    (
        "choice reason",
        "ok|under-13-needs-proxy|person-sets-own-choice|no-formal-authority|no-nhs-number|not-a-channel",
    ),
    (
        "choice obligations",
        "evidence-of-authority|redirect-to-national-service",
    ),
];

#[test]
fn the_codes_are_those_of_the_access_model_and_no_others() {
    let codes = |name: &str| -> Vec<&'static str> {
        match name {
            "purpose" => Purpose::ALL.iter().map(|it| it.code()).collect(),
            "data_form" => DataForm::ALL.iter().map(|it| it.code()).collect(),
            "legal_basis" => LegalBasis::ALL.iter().map(|it| it.code()).collect(),
            "origin" => Origin::ALL.iter().map(|it| it.code()).collect(),
            "status" => CheckStatus::ALL.iter().map(|it| it.code()).collect(),
            "reason" => Reason::ALL.iter().map(|it| it.code()).collect(),
            "obligations" => Obligation::ALL.iter().map(|it| it.code()).collect(),
            "setter" => Setter::ALL.iter().map(|it| it.code()).collect(),
            "channel" => Channel::ALL.iter().map(|it| it.code()).collect(),
            "choice reason" => ChoiceReason::ALL.iter().map(|it| it.code()).collect(),
            _ => ChoiceObligation::ALL.iter().map(|it| it.code()).collect(),
        }
    };
    for (name, list) in LISTS {
        assert_eq!(codes(name), list.split('|').collect::<Vec<_>>(), "{name}");
    }
}

/// Every purpose on every basis in every form gets an answer whose words are on the lists.
#[test]
fn every_purpose_basis_form_and_origin_gets_an_answer_in_the_words_of_the_model() {
    let list = |wanted: &str| -> Vec<&str> {
        let (_, list) = LISTS.iter().find(|(name, _)| *name == wanted).unwrap();
        list.split('|').collect()
    };
    let mut asked = 0;
    for purpose in list("purpose") {
        for basis in list("legal_basis") {
            for form in list("data_form") {
                for origin in list("origin") {
                    let mut facts = extract();
                    facts["disclosure"]["purpose"] = json!(purpose);
                    facts["disclosure"]["legal_basis"] = json!(basis);
                    facts["disclosure"]["data_form"] = json!(form);
                    facts["disclosure"]["origin"] = json!(origin);
                    let told = answer(&facts);
                    let reason = told["reason"].as_str().unwrap();
                    assert!(list("reason").contains(&reason), "{told}");
                    let released = told["release"] == "released";
                    assert!(released || told["release"] == "blocked", "{told}");
                    let obligations = told["obligations"].as_array().unwrap();
                    assert!(obligations.contains(&json!("record-decision")), "{told}");
                    assert!(
                        released
                            || told["included"] == json!([])
                                && told["opt_out_applies"] == json!(true),
                        "{told}"
                    );
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, 16 * 9 * 4 * 5);
}
