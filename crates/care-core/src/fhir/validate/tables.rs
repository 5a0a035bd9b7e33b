//! What R4 asks of its types beyond their structure: invariants, extensible value sets, profiles of
//! data types. Read once from a table in the binary; an expression is parsed when it is first asked.
//!
//! Source: the official R4 definitions, reduced by `tools/definitions/validation.mjs`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use crate::fhir::path::Path;
use crate::fhir::{Definitions, TypeDefinition, TypeKind};

const TABLE: &str = include_str!("../../../data/definitions/r4-rules.txt");

/// Invariants that are not asked by their expression, with the reason.
pub(super) const NOT_ASKED: &[(&str, &str)] = &[
    ("ele-1", "asked in plain code of every object"),
    ("ext-1", "asked in plain code of every extension"),
    ("dom-2", "asked in plain code of every contained resource"),
    (
        "dom-3",
        "asked in plain code; the expression walks the whole resource for each contained one",
    ),
    ("dom-4", "asked in plain code of every contained resource"),
    ("dom-5", "asked in plain code of every contained resource"),
    (
        "dom-6",
        "good practice, not a rule: records between systems seldom carry narrative",
    ),
    ("ref-1", "asked in plain code of every reference"),
    ("txt-1", "asked in plain code of every narrative"),
    ("txt-2", "asked in plain code of every narrative"),
    ("dom-r4b", "belongs to R4B, not to R4"),
];

/// An invariant.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) key: Cow<'static, str>,
    pub(super) is_error: bool,
    /// What it asks, in its author's words.
    pub(super) words: Cow<'static, str>,
    expression: Cow<'static, str>,
    path: OnceLock<Option<Path>>,
}

impl Rule {
    pub(super) fn new(
        key: impl Into<Cow<'static, str>>,
        is_error: bool,
        words: impl Into<Cow<'static, str>>,
        expression: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            key: key.into(),
            is_error,
            words: words.into(),
            expression: expression.into(),
            path: OnceLock::new(),
        }
    }

    /// The question; none where its expression is no FHIRPath we know.
    pub(super) fn question(&self) -> Option<&Path> {
        let parsed = || Path::parse(&self.expression).ok();
        self.path.get_or_init(parsed).as_ref()
    }
}

/// What is asked of a type and of each of its elements.
#[derive(Debug, Default)]
pub(super) struct TypeRules {
    /// Asked of the type itself.
    pub(super) own: Vec<Rule>,
    /// Asked of its elements, in the order of `TypeDefinition::elements`.
    pub(super) elements: Vec<ElementRules>,
}

/// What is asked of one element beyond what its type asks.
#[derive(Debug, Default)]
pub(super) struct ElementRules {
    pub(super) rules: Vec<Rule>,
    /// Its extensible value set.
    pub(super) extensible: Option<&'static str>,
    /// The profile it keeps to where it is of the type.
    pub(super) profiles: Vec<(&'static str, &'static str)>,
}

/// What R4 asks of a type; none where nothing.
pub(super) fn rules_of(definition: &TypeDefinition) -> Option<&'static TypeRules> {
    static RULES: OnceLock<HashMap<&'static str, TypeRules>> = OnceLock::new();
    RULES.get_or_init(|| read(TABLE)).get(definition.name)
}

fn read(table: &'static str) -> HashMap<&'static str, TypeRules> {
    let mut found = HashMap::new();
    for line in table.lines() {
        let mut cells = line.split('\t');
        match (cells.next(), cells.next()) {
            (Some("I"), Some(path)) => read_invariant(&mut found, path, cells),
            (Some("B"), Some(path)) => {
                if let Some(element) = element_at(&mut found, path) {
                    element.extensible = cells.next();
                }
            }
            (Some("P"), Some(path)) => {
                if let (Some(element), Some(name), Some(url)) =
                    (element_at(&mut found, path), cells.next(), cells.next())
                {
                    element.profiles.push((name, url));
                }
            }
            _ => {}
        }
    }
    found
}

fn read_invariant(
    found: &mut HashMap<&'static str, TypeRules>,
    path: &'static str,
    mut cells: std::str::Split<'static, char>,
) {
    let (Some(key), Some(level), Some(expression)) = (cells.next(), cells.next(), cells.next())
    else {
        return;
    };
    if NOT_ASKED.iter().any(|(known, _)| *known == key) {
        return;
    }
    let rule = Rule::new(
        key,
        level == "E",
        cells.next().unwrap_or_default(),
        expression,
    );
    let is_type = Definitions::r4()
        .get(path)
        .is_some_and(|found| found.kind == TypeKind::Part || !path.contains('.'));
    if is_type {
        found.entry(path).or_default().own.push(rule);
    } else if let Some(element) = element_at(found, path) {
        element.rules.push(rule);
    }
}

/// The rules of the element at a path such as `Patient.contact.relationship`.
fn element_at<'m>(
    found: &'m mut HashMap<&'static str, TypeRules>,
    path: &'static str,
) -> Option<&'m mut ElementRules> {
    let (owner, name) = path.rsplit_once('.')?;
    let name = name.trim_end_matches("[x]");
    let definition = Definitions::r4().get(owner)?;
    let place = definition
        .elements
        .iter()
        .position(|one| one.name == name)?;
    let rules = found.entry(definition.name).or_default();
    if rules.elements.is_empty() {
        rules
            .elements
            .resize_with(definition.elements.len(), ElementRules::default);
    }
    rules.elements.get_mut(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_is_read_and_parsed() {
        let found = read(TABLE);
        let mut count = 0;
        for (name, rules) in &found {
            let of_elements = rules.elements.iter().flat_map(|element| &element.rules);
            for rule in rules.own.iter().chain(of_elements) {
                assert!(rule.question().is_some(), "{name} {}", rule.key);
                count += 1;
            }
        }
        let left_out = TABLE.lines().filter(|line| line.starts_with("I\t")).count() - count;
        println!("{count} invariants are asked, {left_out} are asked in plain code or left out");
        assert!(count > 220 && left_out <= NOT_ASKED.len());
    }
}
