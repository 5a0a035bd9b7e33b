//! Extensions: those that are known keep to their definition and stand where it lets them.
//!
//! An extension nobody holds the definition of is allowed, as FHIR says; a word informs of it.
//! Source: FHIR R4 sections 2.4 and 5.4.

use super::place::Step;
use super::structure::{Check, Item, Over, Scope};
use crate::fhir::outcome::IssueSeverity;
use crate::fhir::path::Element;
use crate::fhir::{Json, TypeDefinition};

/// What an extension stands in.
struct Holder {
    /// The way from the resource, without numbers: `Patient.name.family`.
    path: String,
    /// The way from each type on the way: `HumanName.family`, and the type of the element itself.
    names: Vec<String>,
    /// Its type, where R4 knows it.
    definition: Option<&'static TypeDefinition>,
}

impl<'a> Check<'a> {
    pub(super) fn extension(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        all: &mut Vec<Over<'a>>,
    ) {
        let Some(url) = item.json.get("url").and_then(Json::as_text) else {
            return;
        };
        if url.contains('|') {
            return self.issue(
                "invalid",
                "the address of an extension has no version",
                "take the | and what follows it away",
            );
        }
        // Extensions of an extension have short names that only it knows.
        if !url.contains(':') {
            return;
        }
        let Some(profile) = self.profile(url) else {
            return self.unknown_extension(item);
        };
        if profile.type_name != "Extension" {
            return self.issue(
                "structure",
                "the address of the extension is that of another definition",
                "name an extension",
            );
        }
        let over = Over { profile, node: 0 };
        if !all.contains(&over) {
            all.push(over);
        }
        if profile.contexts.is_empty() {
            return;
        }
        let holder = self.holder(scope);
        let is_known = profile
            .contexts
            .iter()
            .any(|(kind, expression)| self.is_context(kind, expression, &holder));
        if !is_known {
            let allowed: Vec<&str> = profile
                .contexts
                .iter()
                .map(|(_, expression)| expression.as_str())
                .collect();
            return self.issue(
                "structure",
                format!(
                    "the extension {} does not belong to {}",
                    profile.url, holder.path
                ),
                format!("move it to {}", allowed.join(" or ")),
            );
        }
        self.context_rules(scope, profile);
    }

    fn unknown_extension(&mut self, item: &Item<'a>) {
        let is_modifier = item.element.name == "modifierExtension";
        self.note(
            if is_modifier {
                IssueSeverity::Warning
            } else {
                IssueSeverity::Information
            },
            "not-found",
            if is_modifier {
                "this modifier extension is not known, so what it changes is not known"
            } else {
                "this extension is not known, so only its form was looked at"
            },
            "give its definition to this server",
        );
    }

    /// The rules an extension asks of the element it stands in; only those of resources are asked.
    fn context_rules(&mut self, scope: &Scope<'_, 'a>, profile: &'a super::profile::Profile) {
        // At the resource itself: its steps, `extension` and a number.
        if profile.context_rules.is_empty() || self.place.steps.len() != scope.depth + 2 {
            return;
        }
        let owner = scope.owner;
        let element = Element::root(owner);
        for rule in &profile.context_rules {
            if self.holds(scope, rule, element) == Some(false) {
                self.issue(
                    "structure",
                    format!(
                        "the extension {} does not belong here by its own rule",
                        profile.url
                    ),
                    "leave it out where its rule does not hold",
                );
            }
        }
    }

    /// What the extension now looked at stands in.
    fn holder(&self, scope: &Scope<'_, 'a>) -> Holder {
        let resource = self.resource_here(scope);
        let mut definition = self.r4.get(resource);
        let mut path = resource.to_owned();
        let mut ways: Vec<String> = vec![path.clone()];
        for (place, step) in self.place.steps.iter().enumerate().skip(scope.depth) {
            let Step::Name(name) = step else {
                continue;
            };
            // The last name is that of the extension itself.
            let is_extension = self
                .place
                .steps
                .iter()
                .skip(place + 1)
                .all(|step| matches!(step, Step::Number(_)));
            if is_extension {
                break;
            }
            let member = definition.and_then(|found| found.member(name));
            let plain = member.map_or(*name, |(element, _)| element.name);
            let is_choice = member.is_some_and(|(element, _)| element.is_choice);
            let written = if is_choice {
                format!("{plain}[x]")
            } else {
                plain.to_owned()
            };
            path = format!("{path}.{written}");
            for way in &mut ways {
                way.push('.');
                way.push_str(&written);
            }
            definition = member.and_then(|(_, of_type)| self.r4.get(of_type.name));
            if let Some(found) = definition {
                ways.push(found.name.to_owned());
            }
        }
        Holder {
            path,
            names: ways,
            definition,
        }
    }

    /// The type of the resource an element is in.
    fn resource_here(&self, scope: &Scope<'_, 'a>) -> &'a str {
        self.full
            .as_ref()
            .and_then(|full| full.resource)
            .unwrap_or(scope.owner)
            .get("resourceType")
            .and_then(Json::as_text)
            .unwrap_or_default()
    }

    fn is_context(&self, kind: &str, expression: &str, holder: &Holder) -> bool {
        match kind {
            "element" => {
                let plain = |text: &str| text.replace("[x]", "");
                let wanted = plain(expression.split('#').next_back().unwrap_or(expression));
                let by_type = holder.definition.is_some_and(|found| {
                    !expression.contains('.')
                        && self.r4.get(expression).is_some()
                        && super::elements::is_kind(found, expression)
                });
                by_type
                    || wanted == "Element" && holder.definition.is_some()
                    || holder
                        .names
                        .iter()
                        .any(|name| self.is_way(&plain(name), &wanted))
            }
            // An extension within an extension: which one it stands in is not asked.
            "extension" => holder.path.ends_with("xtension"),
            _ => self.is_found_by(expression, holder),
        }
    }

    /// Whether a way such as `Patient.text` is one a context names, as itself or by a type the first
    /// is made from (`DomainResource.text`).
    fn is_way(&self, way: &str, wanted: &str) -> bool {
        if way == wanted {
            return true;
        }
        let (Some((first, rest)), Some((kind, end))) =
            (way.split_once('.'), wanted.split_once('.'))
        else {
            return false;
        };
        rest == end
            && self.r4.get(kind).is_some()
            && self
                .r4
                .get(first)
                .is_some_and(|found| super::elements::is_kind(found, kind))
    }

    /// A context that is a FHIRPath: one that cannot be read as a plain path lets everything pass.
    fn is_found_by(&self, expression: &str, holder: &Holder) -> bool {
        let is_plain = expression
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || sign == '.');
        !is_plain
            || holder
                .names
                .iter()
                .any(|name| name.replace("[x]", "") == expression)
            || holder.definition.is_some_and(|found| {
                super::elements::is_kind(found, expression) && self.r4.get(expression).is_some()
            })
    }
}
