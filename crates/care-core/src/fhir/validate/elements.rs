//! What is asked of one element: its value set, its type's profile, and what profiles fix, bind and
//! narrow.

use super::pattern::{has_pattern, is_beyond, is_same};
use super::profile::{NodeType, Profile, base_type};
use super::sets::CodeSet;
use super::structure::{Check, Item, Over, Scope};
use super::tables::rules_of;
use super::without_version;
use crate::fhir::outcome::IssueSeverity;
use crate::fhir::path::Element;
use crate::fhir::{Json, TypeDefinition, TypeKind};

/// How well a code fits a value set.
enum Fit {
    In,
    /// The set has codes of this system, but not this one.
    NotThere,
    /// The set has no codes of this system.
    Elsewhere,
}

impl<'a> Check<'a> {
    /// Looks at an element by R4's rules and by these nodes; gives the nodes its children must keep to.
    pub(super) fn element_rules(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        overs: &[Over<'a>],
    ) -> Vec<Over<'a>> {
        let mut all: Vec<Over<'a>> = overs.to_vec();
        self.r4_rules(scope, item, &mut all);
        match item.definition.name {
            "Extension" => self.extension(scope, item, &mut all),
            "Reference" => self.reference(scope, item),
            "xhtml" => self.narrative(item.json),
            _ => {}
        }
        for over in overs {
            self.node(scope, item, *over, &mut all);
        }
        for over in all.get(overs.len()..).unwrap_or_default().to_vec() {
            self.node_rules(scope, over, item.json, item.shadow, item.definition);
            self.node_value(item, over);
        }
        all
    }

    fn r4_rules(&mut self, scope: &Scope<'_, 'a>, item: &Item<'a>, all: &mut Vec<Over<'a>>) {
        let rules = rules_of(item.owner).and_then(|rules| rules.elements.get(item.place));
        let Some(rules) = rules else {
            return;
        };
        for rule in &rules.rules {
            let element =
                Element::found(item.json, item.shadow, Some(item.definition), scope.owner);
            self.ask(scope, rule, element, "FHIR R4");
        }
        if let Some(url) = rules.extensible {
            self.bound(item, without_version(url), false);
        }
        for (type_name, url) in &rules.profiles {
            if *type_name == item.definition.name {
                self.push_profile(without_version(url), all);
            }
        }
    }

    /// Adds the root of a profile, where it is held.
    pub(super) fn push_profile(&mut self, url: &str, all: &mut Vec<Over<'a>>) {
        if let Some(profile) = self.profile(url) {
            let over = Over { profile, node: 0 };
            if !all.contains(&over) {
                all.push(over);
            }
        }
    }

    pub(super) fn profile(&self, url: &str) -> Option<&'a Profile> {
        let full = self.full.as_ref()?;
        full.validation.book.profile(url)
    }

    /// Looks at an element by one node of a profile.
    fn node(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        over: Over<'a>,
        all: &mut Vec<Over<'a>>,
    ) {
        self.node_rules(scope, over, item.json, item.shadow, item.definition);
        self.node_value(item, over);
        let Some(node) = over.profile.nodes.get(over.node) else {
            return;
        };
        if !node.types.is_empty() {
            self.node_types(scope, item, over, &node.types, all);
        }
    }

    fn node_value(&mut self, item: &Item<'a>, over: Over<'a>) {
        let Some(node) = over.profile.nodes.get(over.node) else {
            return;
        };
        let by = &over.profile.url;
        if node
            .fixed
            .as_ref()
            .is_some_and(|fixed| !is_same(item.json, fixed))
        {
            self.issue(
                "value",
                format!("the profile {by} fixes this value, and another stands here"),
                "send exactly the value the profile names",
            );
        }
        if node
            .pattern
            .as_ref()
            .is_some_and(|pattern| !has_pattern(item.json, pattern))
        {
            self.issue(
                "value",
                format!("the profile {by} asks for a pattern that this value does not have"),
                "send at least what the pattern names",
            );
        }
        let is_outside = node
            .least
            .as_ref()
            .is_some_and(|bound| is_beyond(item.json, bound, true))
            || node
                .most
                .as_ref()
                .is_some_and(|bound| is_beyond(item.json, bound, false));
        if is_outside {
            self.issue(
                "value",
                format!("the value is outside the bounds of the profile {by}"),
                "send a value within them",
            );
        }
        let length = item.json.as_text().map(|text| text.chars().count());
        if let (Some(most), Some(length)) = (node.max_length, length)
            && length > most
        {
            self.issue(
                "too-long",
                format!("the profile {by} allows {most} letters, and {length} stand here"),
                "shorten the text",
            );
        }
        if let Some(binding) = &node.binding {
            self.bound(item, &binding.set.url, binding.is_required);
        }
    }

    /// Looks at a coded element by a value set; a set we do not hold says nothing.
    fn bound(&mut self, item: &Item<'a>, url: &str, is_required: bool) {
        let Some(full) = &self.full else {
            return;
        };
        let Some(set) = full.validation.book.codes(url) else {
            return;
        };
        let Some(fit) = fit(item, set) else {
            return;
        };
        let mend = match set.words() {
            Some(codes) => format!("use one of {codes}"),
            None => "use a code of that value set".to_owned(),
        };
        match fit {
            Fit::In => {}
            _ if is_required => self.issue(
                "code-invalid",
                format!("this code is not in the required value set {url}"),
                mend,
            ),
            Fit::NotThere => self.note(
                IssueSeverity::Warning,
                "code-invalid",
                format!("this code is not in the extensible value set {url}, though its system is"),
                mend,
            ),
            Fit::Elsewhere => self.note(
                IssueSeverity::Information,
                "code-invalid",
                format!("this code is from outside the extensible value set {url}"),
                "that is right where none of the set's codes fits",
            ),
        }
    }

    /// Looks at the type of an element, and finds the profile its type must keep to.
    fn node_types(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        over: Over<'a>,
        types: &'a [NodeType],
        all: &mut Vec<Over<'a>>,
    ) {
        let definition = match item.definition.kind {
            TypeKind::Resource => {
                let name = item.json.get("resourceType").and_then(Json::as_text);
                name.and_then(|name| self.r4.get(name))
                    .unwrap_or(item.definition)
            }
            _ => item.definition,
        };
        let fitting: Vec<&'a NodeType> = types
            .iter()
            .filter(|one| is_kind(definition, &one.code))
            .collect();
        if fitting.is_empty() {
            let names: Vec<&str> = types.iter().map(|one| one.code.as_str()).collect();
            return self.issue(
                "structure",
                format!(
                    "the profile {} does not allow {} here",
                    over.profile.url, definition.name
                ),
                format!("send {}", names.join(" or ")),
            );
        }
        if definition.name == "Reference" {
            self.profiled_reference(scope, item, over, &fitting);
            return;
        }
        let profiles: Vec<&'a str> = fitting
            .iter()
            .flat_map(|one| one.profiles.iter().map(|profile| profile.url.as_str()))
            .filter(|url| base_type(url).is_none())
            .collect();
        let any_free = fitting.iter().any(|one| one.profiles.is_empty());
        let known: Vec<&'a Profile> = profiles
            .iter()
            .filter_map(|url| self.profile(url))
            .collect();
        if any_free || known.len() < profiles.len() || profiles.is_empty() {
            if let ([url], false) = (profiles.as_slice(), any_free) {
                self.unknown_profile(url);
            }
            return;
        }
        if let [only] = known.as_slice() {
            let wanted = Over {
                profile: only,
                node: 0,
            };
            if item.definition.name != "Extension" || extension_is(item.json, &only.url) {
                if !all.contains(&wanted) {
                    all.push(wanted);
                }
            } else if over
                .profile
                .nodes
                .get(over.node)
                .is_some_and(|node| node.slice.is_none())
            {
                self.issue(
                    "structure",
                    format!(
                        "the profile {} asks for the extension {} here",
                        over.profile.url, only.url
                    ),
                    "send that extension",
                );
            }
            return;
        }
        let fits = known
            .iter()
            .any(|profile| self.conforms(scope, item, profile));
        if !fits {
            self.issue(
                "structure",
                format!(
                    "this keeps to none of the profiles {} allows here",
                    over.profile.url
                ),
                format!("make it keep to one of {}", profiles.join(", ")),
            );
        }
    }

    pub(super) fn unknown_profile(&mut self, url: &str) {
        self.note(
            IssueSeverity::Information,
            "not-found",
            format!(
                "the profile {} is not held, so it was not looked at",
                shown(url)
            ),
            "give its definition to this server, or leave it out",
        );
    }

    /// Whether an element keeps to a profile; nothing is said of why not.
    pub(super) fn conforms(
        &mut self,
        scope: &Scope<'_, 'a>,
        item: &Item<'a>,
        profile: &'a Profile,
    ) -> bool {
        let overs = [Over { profile, node: 0 }];
        let key = (std::ptr::from_ref(item.json), std::ptr::from_ref(profile));
        let Some(full) = &mut self.full else {
            return true;
        };
        if full.comparing.contains(&key) || full.comparing.len() > 6 || self.place.steps.len() > 120
        {
            return true;
        }
        full.comparing.push(key);
        let kept = std::mem::take(&mut self.issues);
        if item.definition.kind == TypeKind::Resource {
            self.resource_again(item.json, &overs);
        } else {
            let all = self.element_rules(scope, item, &overs);
            if item.definition.kind != TypeKind::Primitive {
                self.object(Some(scope), item.json, item.definition, &all);
            }
        }
        let found = std::mem::replace(&mut self.issues, kept);
        if let Some(full) = &mut self.full {
            full.comparing.pop();
        }
        !found
            .iter()
            .any(|issue| issue.severity >= IssueSeverity::Error)
    }

    /// Looks at a resource from its own place, by these nodes.
    pub(super) fn resource_again(&mut self, resource: &'a Json, overs: &[Over<'a>]) {
        let name = resource.get("resourceType").and_then(Json::as_text);
        let Some(definition) = name.and_then(|name| self.r4.get(name)) else {
            return;
        };
        let full_url = self
            .full
            .as_ref()
            .and_then(|full| full.links.as_ref()?.full_url_of(resource));
        self.resource_of(resource, definition, None, full_url, overs);
    }

    /// The profiles a resource names itself, and those asked for by the caller.
    pub(super) fn named_profiles(
        &mut self,
        resource: &'a Json,
        definition: &'static TypeDefinition,
        all: &mut Vec<Over<'a>>,
    ) {
        let Some(full) = &self.full else {
            return;
        };
        let is_first = self.place.steps.len() == 1 && full.comparing.is_empty();
        let asked = if is_first {
            full.validation.profiles
        } else {
            &[]
        };
        let said = resource
            .get("meta")
            .map(|meta| meta.elements("profile"))
            .unwrap_or_default();
        let said = said.iter().filter_map(Json::as_text);
        let urls: Vec<&'a str> = asked.iter().map(String::as_str).chain(said).collect();
        for url in urls {
            let url = without_version(url);
            if base_type(url).is_some_and(|base| is_kind(definition, base.name)) {
                continue;
            }
            match self.profile(url) {
                None => self.unknown_profile(url),
                Some(profile) if !is_kind(definition, &profile.type_name) => self.issue(
                    "structure",
                    format!("the profile {url} is for {}", profile.type_name),
                    "name a profile of this type",
                ),
                Some(profile) => {
                    let over = Over { profile, node: 0 };
                    if !all.contains(&over) {
                        all.push(over);
                    }
                }
            }
        }
    }
}

/// An address, where it is one; nothing of what was sent otherwise.
fn shown(url: &str) -> &str {
    let is_address = url.len() < 200
        && (url.starts_with("http") || url.starts_with("urn:"))
        && !url.contains(char::is_whitespace)
        && !url.contains('?');
    if is_address { url } else { "named here" }
}

pub(super) fn extension_is(extension: &Json, url: &str) -> bool {
    extension
        .get("url")
        .and_then(Json::as_text)
        .map(without_version)
        == Some(url)
}

/// Whether a type is one of a name or is made from it.
pub(super) fn is_kind(definition: &'static TypeDefinition, name: &str) -> bool {
    definition.name == name
        || (definition.kind == TypeKind::Part && matches!(name, "BackboneElement" | "Element"))
        || match crate::fhir::Definitions::r4().get(name) {
            Some(wanted) => crate::fhir::path::is_a(definition, wanted),
            // A type of FHIRPath's own, or one R4 does not have: nothing is known of it.
            None => true,
        }
}

/// How a coded element fits a set; none where it has no code.
fn fit(item: &Item<'_>, set: &CodeSet) -> Option<Fit> {
    match item.definition.name {
        "code" | "string" | "uri" | "url" | "canonical" => {
            let code = item.json.as_text()?;
            Some(if set.has(None, code) {
                Fit::In
            } else {
                Fit::NotThere
            })
        }
        "Coding" | "Quantity" | "Age" | "Duration" | "Count" | "Distance" => coding(item.json, set),
        "CodeableConcept" => {
            let fits: Vec<Fit> = item
                .json
                .elements("coding")
                .iter()
                .filter_map(|one| coding(one, set))
                .collect();
            if fits.is_empty() {
                None
            } else if fits.iter().any(|fit| matches!(fit, Fit::In)) {
                Some(Fit::In)
            } else if fits.iter().all(|fit| matches!(fit, Fit::NotThere)) {
                Some(Fit::NotThere)
            } else {
                Some(Fit::Elsewhere)
            }
        }
        _ => None,
    }
}

fn coding(coding: &Json, set: &CodeSet) -> Option<Fit> {
    let code = coding.get("code").and_then(Json::as_text)?;
    let system = coding.get("system").and_then(Json::as_text);
    Some(match system {
        _ if set.has(system, code) => Fit::In,
        Some(system) if !set.draws_on(system) => Fit::Elsewhere,
        _ => Fit::NotThere,
    })
}
