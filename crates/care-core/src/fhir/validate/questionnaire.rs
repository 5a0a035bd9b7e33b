//! Answers beside their Questionnaire, and StructureDefinitions beside their type: what one resource
//! says of another that is at hand.

use super::place::Step;
use super::profile::{Profile, base_type};
use super::structure::{Check, Scope};
use super::without_version;
use crate::fhir::{Definitions, Json};

impl<'a> Check<'a> {
    /// Each answer is to a question of the Questionnaire, where that is contained or held.
    pub(super) fn answers(&mut self, scope: &Scope<'_, 'a>, response: &'a Json) {
        let Some(name) = response.get("questionnaire").and_then(Json::as_text) else {
            return;
        };
        let questionnaire = if name.starts_with('#') {
            self.resolved(scope, name)
        } else {
            let full = self.full.as_ref();
            full.and_then(|full| full.validation.book.questionnaire(without_version(name)))
        };
        let Some(questionnaire) = questionnaire else {
            return;
        };
        let mut known = Vec::new();
        link_ids(questionnaire, &mut known, 0);
        known.sort_unstable();
        self.answered(response, &known, 0);
    }

    fn answered(&mut self, within: &'a Json, known: &[&str], depth: usize) {
        for (number, item) in within.elements("item").iter().enumerate() {
            self.place
                .steps
                .extend([Step::Name("item"), Step::Number(number)]);
            let id = item.get("linkId").and_then(Json::as_text);
            if id.is_some_and(|id| known.binary_search(&id).is_err()) {
                self.issue(
                    "not-found",
                    "the Questionnaire has no question of this linkId",
                    "take the linkId of a question",
                );
            }
            if depth < 30 {
                self.answered(item, known, depth + 1);
                for answer in item.elements("answer") {
                    self.answered(answer, known, depth + 1);
                }
            }
            self.place
                .steps
                .truncate(self.place.steps.len().saturating_sub(2));
        }
    }

    /// A profile speaks of elements its type has, and slices no root.
    pub(super) fn definition(&mut self, definition: &'a Json) {
        if definition.text_at(&["derivation"]) != Some("constraint") {
            return;
        }
        let Some(full) = &self.full else {
            return;
        };
        let profile = Profile::read(definition, full.validation.book);
        for path in &profile.faults {
            let is_path = path
                .chars()
                .all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '[' | ']' | ':'));
            let shown = if is_path && path.len() < 200 {
                path
            } else {
                "that is named"
            };
            self.issue(
                "invalid",
                format!("the type has no element {shown}"),
                "name the elements by their paths in the type",
            );
        }
        let elements = definition
            .get("differential")
            .map(|part| part.elements("element"))
            .unwrap_or_default();
        if elements.first().is_some_and(|root| {
            root.get("slicing").is_some() && !root.text_at(&["path"]).unwrap_or(".").contains('.')
        }) {
            self.issue(
                "invalid",
                "a profile does not slice its root",
                "slice an element below it",
            );
        }
        for element in elements {
            self.types_of_definition(element);
        }
    }

    /// A type's profile is one of that type.
    fn types_of_definition(&mut self, element: &'a Json) {
        for one in element.elements("type") {
            let Some(code) = one.get("code").and_then(Json::as_text) else {
                continue;
            };
            let Some(definition) = Definitions::r4().get(code) else {
                continue;
            };
            for url in one.elements("profile").iter().filter_map(Json::as_text) {
                let url = without_version(url);
                let of = match base_type(url) {
                    Some(base) => Some(base.name),
                    None => self.profile(url).map(|profile| profile.type_name.as_str()),
                };
                let fits = of.is_none_or(|of| {
                    Definitions::r4()
                        .get(of)
                        .is_none_or(|found| super::elements::is_kind(found, definition.name))
                        && !(of != code && base_type(url).is_some())
                });
                if !fits {
                    self.issue(
                        "invalid",
                        format!("a profile named for the type {code} is for another type"),
                        "name a profile of that type",
                    );
                }
            }
        }
    }
}

fn link_ids<'v>(within: &'v Json, found: &mut Vec<&'v str>, depth: usize) {
    for item in within.elements("item") {
        found.extend(item.get("linkId").and_then(Json::as_text));
        if depth < 30 {
            link_ids(item, found, depth + 1);
        }
    }
}
