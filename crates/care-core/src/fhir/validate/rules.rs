//! Invariants: those R4 asks of a type or element, those of profiles, and the few that are asked in
//! plain code because they are asked everywhere.

use std::collections::HashSet;

use super::structure::{Check, Over, Scope};
use super::tables::{Rule, rules_of};
use crate::fhir::outcome::IssueSeverity;
use crate::fhir::path::{Element, Value};
use crate::fhir::{Json, TypeDefinition, TypeKind};

impl<'a> Check<'a> {
    /// What R4 asks of a type as a whole.
    pub(super) fn type_rules(
        &mut self,
        scope: &Scope<'_, 'a>,
        value: &'a Json,
        definition: &'static TypeDefinition,
    ) {
        self.everywhere(value, definition);
        let Some(rules) = rules_of(definition) else {
            return;
        };
        let element = Element::found(value, None, Some(definition), scope.owner);
        for rule in &rules.own {
            self.ask(scope, rule, element, "FHIR R4");
        }
    }

    /// ele-1 and ext-1.
    fn everywhere(&mut self, value: &Json, definition: &TypeDefinition) {
        let Json::Object(members) = value else {
            return;
        };
        let only_id = members.len() == 1 && members.iter().all(|(name, _)| name == "id");
        if only_id && definition.kind != TypeKind::Resource {
            self.issue(
                "invariant",
                "ele-1: an element has a value or children besides its id",
                "fill the element or leave it out",
            );
        }
        if definition.name == "Extension" {
            let has = |start: &str| members.iter().any(|(name, _)| name.starts_with(start));
            let has_value = has("value") || has("_value");
            if has("extension") == has_value && !members.is_empty() {
                self.issue(
                    "invariant",
                    "ext-1: an extension has either a value or extensions of its own",
                    "keep one of the two",
                );
            }
        }
    }

    /// Asks an invariant of an element; what it is asked by is said where it does not hold.
    pub(super) fn ask(
        &mut self,
        scope: &Scope<'_, 'a>,
        rule: &'a Rule,
        element: Element<'a>,
        by: &str,
    ) {
        if self.holds(scope, rule, element) != Some(false) {
            return;
        }
        let severity = if rule.is_error {
            IssueSeverity::Error
        } else {
            IssueSeverity::Warning
        };
        self.note(
            severity,
            "invariant",
            format!("{}: {}", rule.key, rule.words),
            format!("change it so that this holds; {by} asks for it"),
        );
    }

    /// Whether an invariant holds; none where it cannot be asked.
    pub(super) fn holds(
        &mut self,
        scope: &Scope<'_, 'a>,
        rule: &'a Rule,
        element: Element<'a>,
    ) -> Option<bool> {
        let full = self.full.as_mut().filter(|full| full.steps_left > 0)?;
        let question = rule.question()?;
        let (answer, steps) = question.evaluate_paid(Value::Element(element), scope.context);
        full.steps_left = full.steps_left.saturating_sub(steps);
        match answer.ok()?.as_slice() {
            // As the reference validator has it: what has no answer does not hold.
            [] => Some(false),
            [one] => Some(one.as_bool().unwrap_or(true)),
            _ => None,
        }
    }

    /// The invariants of a profile's node.
    pub(super) fn node_rules(
        &mut self,
        scope: &Scope<'_, 'a>,
        over: Over<'a>,
        value: &'a Json,
        shadow: Option<&'a Json>,
        definition: &'static TypeDefinition,
    ) {
        let Some(node) = over.profile.nodes.get(over.node) else {
            return;
        };
        if node.rules.is_empty() {
            return;
        }
        let element = Element::found(value, shadow, Some(definition), scope.owner);
        for rule in &node.rules {
            self.ask(scope, rule, element, &over.profile.url);
        }
    }

    /// What R4 asks of resources in one another: dom-2 to dom-5.
    pub(super) fn contained_rules(&mut self, resource: &'a Json) {
        let contained = resource.elements("contained");
        if contained.is_empty() {
            return;
        }
        let mut pointed = Vec::new();
        local_references(resource, &mut pointed);
        let pointed: HashSet<&str> = pointed.into_iter().collect();
        for (number, one) in contained.iter().enumerate() {
            let mut broken = Vec::new();
            if one.get("contained").is_some() {
                broken.push("dom-2: a contained resource contains no other");
            }
            if one.path(&["meta", "versionId"]).is_some()
                || one.path(&["meta", "lastUpdated"]).is_some()
            {
                broken.push("dom-4: a contained resource has no version and no lastUpdated");
            }
            if one.path(&["meta", "security"]).is_some() {
                broken.push("dom-5: a contained resource has no security label");
            }
            let id = one.get("id").and_then(Json::as_text).unwrap_or_default();
            let is_named = !id.is_empty() && pointed.contains(format!("#{id}").as_str());
            let mut back = Vec::new();
            local_references(one, &mut back);
            if !is_named && !back.contains(&"#") {
                broken
                    .push("dom-3: a contained resource is referred to, or refers to its container");
            }
            for what in broken {
                use super::place::Step::{Name, Number};
                self.place.steps.extend([Name("contained"), Number(number)]);
                self.issue(
                    "invariant",
                    what,
                    "mend it, or send the resource on its own",
                );
                self.place
                    .steps
                    .truncate(self.place.steps.len().saturating_sub(2));
            }
        }
    }
}

/// Every text beginning with `#` in a value.
fn local_references<'v>(value: &'v Json, found: &mut Vec<&'v str>) {
    match value {
        Json::Text(text) if text.starts_with('#') => found.push(text),
        Json::Array(values) => values.iter().for_each(|one| local_references(one, found)),
        Json::Object(members) => members
            .iter()
            .for_each(|(_, one)| local_references(one, found)),
        _ => {}
    }
}
