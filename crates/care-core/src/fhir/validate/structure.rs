//! The walk over a resource: R4's structure, and at each element the rules that belong there.

use std::collections::HashMap;

use super::place::{Place, Step};
use super::profile::Profile;
use super::{MOST_ISSUES, Validation, ValidationIssue};
use crate::fhir::Json;
use crate::fhir::definitions::{
    Definitions, ElementDefinition, RequiredSet, TypeDefinition, TypeKind,
};
use crate::fhir::outcome::IssueSeverity;
use crate::fhir::path::Context;
use crate::fhir::primitive::primitive_fault;

use super::assign::Assigned;
use super::bundle::Links;

/// A node of a profile that an element must keep to.
#[derive(Clone, Copy)]
pub(super) struct Over<'a> {
    pub(super) profile: &'a Profile,
    pub(super) node: usize,
}

impl PartialEq for Over<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.profile, other.profile) && self.node == other.node
    }
}

/// The resource an element is in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'c, 'a> {
    /// What invariants know besides the element.
    pub(super) context: &'c Context<'c>,
    /// The resource, or for a contained one the resource that contains it.
    pub(super) owner: &'a Json,
    /// The full address of the Bundle entry it is in.
    pub(super) full_url: Option<&'a str>,
    /// How many steps lead to the resource.
    pub(super) depth: usize,
}

/// What the walk knows besides structure.
pub(super) struct Full<'a> {
    pub(super) validation: Validation<'a>,
    /// The Bundle the resources are in.
    pub(super) links: Option<Links<'a>>,
    /// Resource and profile being compared silently, to end circles.
    pub(super) comparing: Vec<(*const Json, *const Profile)>,
    /// The resource being looked at; a contained one itself.
    pub(super) resource: Option<&'a Json>,
    /// Resources contained in it or beside it, by id.
    pub(super) contained: HashMap<&'a str, &'a Json>,
    /// Ids of its elements.
    pub(super) ids: Vec<&'a str>,
    pub(super) elements_left: u64,
    pub(super) steps_left: u64,
}

/// One element: what was sent for it, and what R4 says of it.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) json: &'a Json,
    /// A primitive's id and extensions.
    pub(super) shadow: Option<&'a Json>,
    /// The type it stands in.
    pub(super) owner: &'static TypeDefinition,
    /// Which of its elements it is.
    pub(super) element: &'static ElementDefinition,
    /// The place of that among the type's elements.
    pub(super) place: usize,
    /// Its own type.
    pub(super) definition: &'static TypeDefinition,
}

/// One validation under way.
pub(super) struct Check<'a> {
    pub(super) r4: &'static Definitions,
    pub(super) place: Place<'a>,
    pub(super) issues: Vec<ValidationIssue>,
    pub(super) full: Option<Full<'a>>,
}

impl<'a> Check<'a> {
    pub(super) fn new(validation: Option<Validation<'a>>) -> Self {
        Self {
            r4: Definitions::r4(),
            place: Place::default(),
            issues: Vec::new(),
            full: validation.map(|validation| Full {
                validation,
                links: None,
                comparing: Vec::new(),
                resource: None,
                contained: HashMap::new(),
                ids: Vec::new(),
                elements_left: validation.limits.elements,
                steps_left: validation.limits.steps,
            }),
        }
    }

    /// The issues; one of them says so where the purse was empty before the end.
    pub(super) fn finish(mut self) -> Vec<ValidationIssue> {
        let is_cut = self
            .full
            .as_ref()
            .is_some_and(|full| full.elements_left == 0 || full.steps_left == 0);
        if is_cut {
            self.issues.insert(
                0,
                ValidationIssue {
                    severity: IssueSeverity::Error,
                    place: String::new(),
                    code: "too-costly",
                    what: "the resource is too large to be looked at to its end".to_owned(),
                    mend: "send its parts separately".to_owned(),
                },
            );
            self.issues.truncate(MOST_ISSUES);
        }
        self.issues
    }

    pub(super) fn issue(
        &mut self,
        code: &'static str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.note(IssueSeverity::Error, code, what, mend);
    }

    pub(super) fn note(
        &mut self,
        severity: IssueSeverity,
        code: &'static str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let issue = || ValidationIssue {
            severity,
            place: self.place.text(),
            code,
            what: what.into(),
            mend: mend.into(),
        };
        if self.issues.len() < MOST_ISSUES {
            let issue = issue();
            self.issues.push(issue);
        } else if severity == IssueSeverity::Error {
            // Errors go before words that only inform.
            let lesser = |one: &ValidationIssue| one.severity < IssueSeverity::Error;
            if let Some(last) = self.issues.iter().rposition(lesser) {
                let issue = issue();
                self.issues.remove(last);
                self.issues.push(issue);
            }
        }
    }

    pub(super) fn within(&mut self, step: Step<'a>, look: impl FnOnce(&mut Self)) {
        self.place.steps.push(step);
        look(self);
        self.place.steps.pop();
    }

    /// Whether there is still something to pay for one more element.
    fn pays(&mut self) -> bool {
        let Some(full) = &mut self.full else {
            return true;
        };
        full.elements_left = full.elements_left.saturating_sub(1);
        full.elements_left > 0
    }

    /// The resource a validation begins with.
    pub(super) fn whole(&mut self, resource: &'a Json) {
        let Some(definition) = self.resource_type(resource) else {
            return;
        };
        self.within(Step::Name(definition.name), |check| {
            check.resource_of(resource, definition, None, None, &[]);
        });
    }

    /// The type a resource says it is, where that is one; an issue otherwise.
    fn resource_type(&mut self, resource: &Json) -> Option<&'static TypeDefinition> {
        let Some(name) = resource.get("resourceType").and_then(Json::as_text) else {
            self.issue(
                "structure",
                "this is no resource",
                "write an object with resourceType",
            );
            return None;
        };
        let found = self.r4.get(name);
        let known = found.filter(|found| found.kind == TypeKind::Resource && !found.is_abstract);
        if known.is_none() {
            self.issue(
                "not-supported",
                "FHIR R4 has no such resource type",
                "check resourceType: capital letters count, and the release must be R4",
            );
        }
        known
    }

    /// A resource inside another: contained, in a Bundle entry or a parameter.
    fn inner_resource(
        &mut self,
        scope: Option<&Scope<'_, 'a>>,
        item: &Item<'a>,
        overs: &[Over<'a>],
    ) {
        let Some(definition) = self.resource_type(item.json) else {
            return;
        };
        let is_contained = item.element.name == "contained";
        let owner = scope.filter(|_| is_contained).map(|scope| scope.owner);
        let full_url = match scope {
            Some(scope) if is_contained => scope.full_url,
            _ => self
                .full
                .as_ref()
                .and_then(|full| full.links.as_ref()?.full_url_of(item.json)),
        };
        self.resource_of(item.json, definition, owner, full_url, overs);
    }

    pub(super) fn resource_of(
        &mut self,
        resource: &'a Json,
        definition: &'static TypeDefinition,
        container: Option<&'a Json>,
        full_url: Option<&'a str>,
        overs: &[Over<'a>],
    ) {
        let Some(full) = &self.full else {
            self.object(None, resource, definition, &[]);
            return;
        };
        let owner = container.unwrap_or(resource);
        let links = full.links.clone();
        let near = links.as_ref().map(|links| links.from(full_url));
        let mut context = Context::new(full.validation.now)
            .resource(resource)
            .root_resource(owner)
            .terminology(full.validation.book);
        if let Some(near) = &near {
            context = context.resolver(near);
        }
        let scope = Scope {
            context: &context,
            owner,
            full_url,
            depth: self.place.steps.len(),
        };
        let mut all = overs.to_vec();
        self.named_profiles(resource, definition, &mut all);
        let outer = self.enter_resource(resource, definition, container.is_some());
        self.resource_rules(&scope, resource, definition, container.is_some());
        for over in &all {
            self.node_rules(&scope, *over, resource, None, definition);
        }
        self.object(Some(&scope), resource, definition, &all);
        self.leave_resource(outer);
    }

    pub(super) fn object(
        &mut self,
        scope: Option<&Scope<'_, 'a>>,
        value: &'a Json,
        definition: &'static TypeDefinition,
        overs: &[Over<'a>],
    ) {
        let Json::Object(members) = value else {
            return self.issue("structure", "an object was expected", "write { … }");
        };
        if !self.pays() {
            return;
        }
        if members.is_empty() {
            self.issue(
                "structure",
                "an empty object",
                "leave the element out where there is nothing to say",
            );
        }
        let assigned = match scope {
            Some(scope) => {
                self.type_rules(scope, value, definition);
                self.assign(scope, value, definition, overs)
            }
            None => Assigned::default(),
        };
        if let Some(full) = &mut self.full
            && definition.kind != TypeKind::Resource
            && let Some(id) = value.get("id").and_then(Json::as_text)
        {
            full.ids.push(id);
        }
        let mut seen: Vec<Option<&str>> = vec![None; definition.elements.len()];
        for (name, member) in members {
            if name == "resourceType" && definition.kind == TypeKind::Resource {
                continue;
            }
            let (plain, is_shadow) = match name.strip_prefix('_') {
                Some(plain) => (plain, true),
                None => (name.as_ref(), false),
            };
            match definition.place(plain) {
                Some(place) if !is_shadow || self.takes_shadow(definition, plain) => {
                    if let Some(slot) = seen.get_mut(place) {
                        let earlier = slot.replace(plain);
                        if earlier.is_some_and(|earlier| earlier != plain) {
                            self.second_choice(definition, place, name);
                        }
                    }
                    self.place.steps.push(Step::Name(plain));
                    let member = Member {
                        owner: value,
                        of: definition,
                        name: plain,
                        place,
                        value: member,
                        is_shadow,
                    };
                    self.member(scope, &member, &assigned);
                    self.place.steps.pop();
                }
                _ => self.within(Step::Name(name), |check| {
                    check.issue(
                        "structure",
                        format!("{} has no such element in R4", definition.name),
                        "check the spelling and the release, or put it into an extension",
                    );
                }),
            }
        }
        for (element, seen) in definition.elements.iter().zip(&seen) {
            if element.min > 0 && seen.is_none() {
                self.missing(definition, element);
            }
        }
    }

    fn missing(&mut self, definition: &TypeDefinition, element: &'static ElementDefinition) {
        let what = format!("{}.{} is required", definition.name, element.name);
        self.within(Step::Name(element.name), |check| {
            check.issue("required", what, "send it, or ask why the source has none");
        });
    }

    fn second_choice(&mut self, definition: &TypeDefinition, place: usize, name: &'a str) {
        let element = definition
            .elements
            .get(place)
            .map_or("", |element| element.name);
        self.within(Step::Name(name), |check| {
            check.issue(
                "structure",
                format!("{element}[x] stands twice with different types"),
                "keep the one that is meant",
            );
        });
    }

    fn takes_shadow(&self, definition: &TypeDefinition, name: &str) -> bool {
        definition.member(name).is_some_and(|(_, of_type)| {
            self.r4
                .get(of_type.name)
                .is_some_and(|of_type| of_type.kind == TypeKind::Primitive)
        })
    }

    fn member(
        &mut self,
        scope: Option<&Scope<'_, 'a>>,
        member: &Member<'a>,
        assigned: &Assigned<'a>,
    ) {
        let Some((element, of_type)) = member.of.member(member.name) else {
            return;
        };
        let Some(definition) = self.r4.get(of_type.name) else {
            return;
        };
        let item = |json: &'a Json| Item {
            json,
            shadow: None,
            owner: member.of,
            element,
            place: member.place,
            definition,
        };
        match (element.is_list, member.value) {
            (true, Json::Array(values)) if values.is_empty() => self.issue(
                "structure",
                "an empty list",
                "leave the element out where there is nothing to say",
            ),
            (true, Json::Array(values)) => {
                for (number, json) in values.iter().enumerate() {
                    self.place.steps.push(Step::Number(number));
                    if *json == Json::Null {
                        self.gap(member, number, definition);
                    } else {
                        let shadow = scope.and_then(|_| member.shadow(number));
                        let item = Item {
                            shadow,
                            ..item(json)
                        };
                        self.item(
                            scope,
                            &item,
                            member.is_shadow,
                            assigned.of(member.place, number),
                        );
                    }
                    self.place.steps.pop();
                }
            }
            (true, _) => self.issue(
                "structure",
                "this element may repeat, so JSON has a list here",
                "put the value into [ ]",
            ),
            (false, Json::Array(_)) => self.issue(
                "structure",
                "this element stands once, so JSON has no list here",
                "take the [ ] away and keep one value",
            ),
            (false, Json::Null) => self.issue(
                "structure",
                "null is no value in FHIR",
                "leave the element out where there is nothing to say",
            ),
            (false, json) => {
                let shadow = scope.and_then(|_| member.shadow(0));
                let item = Item {
                    shadow,
                    ..item(json)
                };
                self.item(scope, &item, member.is_shadow, assigned.of(member.place, 0));
            }
        }
    }

    /// `null` holds a place in a list of primitives whose other half has something there.
    fn gap(&mut self, member: &Member<'_>, number: usize, definition: &TypeDefinition) {
        let other = if member.is_shadow {
            member.owner.get(member.name)
        } else {
            member.owner.get(&format!("_{}", member.name))
        };
        let held = match other {
            Some(Json::Array(values)) => values.get(number).is_some_and(|v| *v != Json::Null),
            _ => false,
        };
        if definition.kind != TypeKind::Primitive || !held {
            self.issue(
                "structure",
                "null in a list with nothing beside it",
                "take it out of the list",
            );
        }
    }

    fn item(
        &mut self,
        scope: Option<&Scope<'_, 'a>>,
        item: &Item<'a>,
        is_shadow: bool,
        overs: &[Over<'a>],
    ) {
        if is_shadow {
            if let Some(shadow) = self.r4.get("Element") {
                self.object(scope, item.json, shadow, overs);
            }
            return;
        }
        if item.definition.kind == TypeKind::Primitive
            && let Some(form) = primitive_fault(item.definition.name, item.json)
        {
            return self.issue(
                "value",
                format!("this is no {} of FHIR", item.definition.name),
                format!("write {form}"),
            );
        }
        let Some(scope) = scope else {
            match item.definition.kind {
                TypeKind::Primitive => {}
                TypeKind::Resource => return self.inner_resource(None, item, &[]),
                TypeKind::Data | TypeKind::Part => {
                    self.object(None, item.json, item.definition, &[])
                }
            }
            return self.required_code(item.element, item.definition.name, item.json);
        };
        let overs = self.element_rules(scope, item, overs);
        match item.definition.kind {
            TypeKind::Primitive => {
                if item.shadow.is_none() {
                    self.no_shadow(scope, &overs);
                }
            }
            TypeKind::Resource => return self.inner_resource(Some(scope), item, &overs),
            TypeKind::Data | TypeKind::Part => {
                self.object(Some(scope), item.json, item.definition, &overs);
            }
        }
        self.required_code(item.element, item.definition.name, item.json);
    }

    fn required_code(&mut self, element: &ElementDefinition, type_name: &str, item: &Json) {
        let Some(set) = self.r4.required_set(element) else {
            return;
        };
        if !set.is_finite() {
            return;
        }
        let fits = match type_name {
            "code" => item.as_text().is_none_or(|code| set.has_code(code)),
            "Coding" => coding_fits(item, set),
            "CodeableConcept" => {
                let codings = item.elements("coding");
                codings.is_empty() || codings.iter().any(|coding| coding_fits(coding, set))
            }
            _ => true,
        };
        if !fits {
            self.issue(
                "code-invalid",
                format!("this code is not in the required value set {}", set.url),
                allowed(set),
            );
        }
    }
}

/// A member of an object, by its name without the underscore.
struct Member<'a> {
    owner: &'a Json,
    of: &'static TypeDefinition,
    name: &'a str,
    /// The place of its element among the type's.
    place: usize,
    value: &'a Json,
    is_shadow: bool,
}

impl<'a> Member<'a> {
    /// The id and extensions that stand beside one of its values.
    fn shadow(&self, number: usize) -> Option<&'a Json> {
        super::assign::shadow_of(self.owner, self.name, number)
    }
}

fn coding_fits(coding: &Json, set: &RequiredSet) -> bool {
    let Some(code) = coding.text_at(&["code"]) else {
        return true;
    };
    match coding.text_at(&["system"]) {
        Some(system) => set
            .codes_of(system)
            .is_some_and(|codes| codes.contains(&code)),
        None => set.has_code(code),
    }
}

/// The codes there are, where they are few enough to help.
fn allowed(set: &RequiredSet) -> String {
    let codes: Vec<&str> = set
        .systems
        .iter()
        .flat_map(|(_, codes)| codes.iter().copied())
        .collect();
    if codes.len() <= 20 {
        format!("use one of {}", codes.join(", "))
    } else {
        "use a code of that value set".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::fhir::{Json, Limits, validate_structure};

    fn issues(text: &str) -> Vec<(String, &'static str)> {
        let json = Json::parse(text.as_bytes(), Limits::default()).expect(text);
        validate_structure(&json)
            .into_iter()
            .map(|issue| (issue.place, issue.code))
            .collect()
    }

    #[test]
    fn each_broken_rule_is_named_with_its_place() {
        for (text, place, code) in [
            (
                r#"{"resourceType":"Patient","colour":"red"}"#,
                "Patient.colour",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","name":{"family":"A"}}"#,
                "Patient.name",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","gender":["male"]}"#,
                "Patient.gender",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","gender":"man"}"#,
                "Patient.gender",
                "code-invalid",
            ),
            (
                r#"{"resourceType":"Patient","birthDate":"1950-02-30"}"#,
                "Patient.birthDate",
                "value",
            ),
            (
                r#"{"resourceType":"Patient","name":[{"given":["A",null]}]}"#,
                "Patient.name[0].given[1]",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","name":[]}"#,
                "Patient.name",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","name":[{}]}"#,
                "Patient.name[0]",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2026"}"#,
                "Patient.deceasedDateTime",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","link":[{"type":"seealso"}]}"#,
                "Patient.link[0].other",
                "required",
            ),
            (
                r#"{"resourceType":"Patient","_name":[{"id":"a"}]}"#,
                "Patient.?",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","active":null}"#,
                "Patient.active",
                "structure",
            ),
            (
                r#"{"resourceType":"Patient","contained":[{"resourceType":"Nothing"}]}"#,
                "Patient.contained[0]",
                "not-supported",
            ),
            (
                r#"{"resourceType":"Observation","status":"final"}"#,
                "Observation.code",
                "required",
            ),
            (
                r#"{"resourceType":"Flag","status":"active","code":{"text":"x"},"subject":{"reference":5}}"#,
                "Flag.subject.reference",
                "value",
            ),
            (r#"{"id":"x"}"#, "", "structure"),
            (r#"[]"#, "", "structure"),
        ] {
            let found = issues(text);
            let expected = (place.replace('?', "_name"), code);
            assert_eq!(found, [expected], "{text}");
        }
    }

    #[test]
    fn a_shadow_member_may_carry_extensions_of_a_primitive() {
        let text = r#"{"resourceType":"Patient","birthDate":"1950-02-03",
            "_birthDate":{"extension":[{"url":"http://x","valueDateTime":"1950-02-03T10:00:00Z"}]},
            "name":[{"given":["A",null],"_given":[null,{"id":"b"}]}]}"#;
        assert_eq!(issues(text), []);
    }
}
