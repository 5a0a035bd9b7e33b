//! The examples of docs/access.md and docs/secondary-use.md, run.
//!
//! Each example is two JSON blocks, one after the other: the facts and the answer. An answer that
//! is written without its trace is compared without it.

use std::fs;
use std::path::Path;

use care_core::{access, secondary_use};
use serde_json::Value;

type Evaluate = fn(&str) -> Result<String, access::json::EvaluateError>;

/// The JSON blocks of a page, in pairs.
fn examples(page: &str) -> Vec<(String, String)> {
    let blocks: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(
        blocks.len().is_multiple_of(2),
        "every example has facts and an answer"
    );
    blocks
        .chunks(2)
        .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
        .collect()
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn check(page: &str, evaluate: Evaluate) -> usize {
    let examples = examples(page);
    for (facts, expected) in &examples {
        let expected: Value = serde_json::from_str(expected).expect("the answer is JSON");
        let text = evaluate(facts).unwrap_or_else(|error| panic!("{facts}{error}"));
        let mut answer: Value = serde_json::from_str(&text).expect("JSON");
        if expected.get("trace").is_none() {
            answer
                .as_object_mut()
                .map(|members| members.remove("trace"));
        }
        assert_eq!(answer, expected, "for the facts\n{facts}");
    }
    examples.len()
}

#[test]
fn every_rule_of_the_access_page_has_an_example_and_each_is_answered_as_it_says() {
    let page = page("access.md");
    for rule in 1..=12 {
        let heading = format!("\n## Rule {rule}:");
        let (_, section) = page.split_once(&heading).expect("a section for the rule");
        let section = section.split("\n## ").next().unwrap_or_default();
        assert_eq!(examples(section).len(), 1, "rule {rule} has one example");
    }
    assert_eq!(check(&page, access::json::evaluate), 13);
}

#[test]
fn each_example_of_the_page_on_uses_beyond_care_is_answered_as_it_says() {
    assert_eq!(
        check(&page("secondary-use.md"), secondary_use::json::evaluate),
        4
    );
}
