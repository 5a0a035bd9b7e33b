//! A second reading of the access model, written from its text and not from our rules, and
//! compared with them on random facts through the JSON form (promise S3).
//!
//! The seed is printed; the same seed gives the same facts.

mod evaluator;
mod random;

use care_core::access::json::evaluate;
use serde_json::Value;
use std::collections::BTreeMap;

const FACTS: usize = 50_000;
const BATCH: usize = 500;

#[test]
fn random_facts_get_the_same_answer_from_both_readings_first_quarter() {
    check(0x5eed_0001);
}

#[test]
fn random_facts_get_the_same_answer_from_both_readings_second_quarter() {
    check(0x5eed_0002);
}

#[test]
fn random_facts_get_the_same_answer_from_both_readings_third_quarter() {
    check(0x5eed_0003);
}

#[test]
fn random_facts_get_the_same_answer_from_both_readings_fourth_quarter() {
    check(0x5eed_0004);
}

fn check(seed: u64) {
    println!("seed {seed:#x}, {FACTS} facts");
    let mut dice = random::Dice::new(seed);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..FACTS / BATCH {
        let facts: Vec<Value> = (0..BATCH).map(|_| random::facts(&mut dice)).collect();
        let text = Value::Array(facts.clone()).to_string();
        let answers: Vec<Value> =
            serde_json::from_str(&evaluate(&text).expect("facts are read")).expect("JSON");
        assert_eq!(answers.len(), facts.len());
        for (facts, mut answer) in facts.iter().zip(answers) {
            let trace = answer
                .as_object_mut()
                .and_then(|members| members.remove("trace"));
            assert!(trace.is_some_and(|lines| lines.as_array().is_some_and(|it| !it.is_empty())));
            let expected = evaluator::evaluate(facts);
            assert_eq!(answer, expected, "seed {seed:#x}, facts {facts}");
            let key = format!("{} {}", answer["decision"], answer["reason"]);
            *reasons.entry(key).or_default() += 1;
        }
    }
    println!("{reasons:#?}");
    assert_eq!(
        reasons.len(),
        23,
        "every outcome and reason was met: {reasons:#?}"
    );
}
