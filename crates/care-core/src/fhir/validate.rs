//! Whether a resource keeps to R4's own structure: members, lists, required elements, the form of
//! values, required codes. Profiles and invariants are not looked at here.

use super::Json;
use super::definitions::{Definitions, ElementDefinition, TypeDefinition, TypeKind};
use super::outcome::{IssueSeverity, OutcomeIssue};
use super::parse::showable;
use super::primitive::primitive_fault;

/// One rule broken. Never carries the value that broke it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationIssue {
    /// Where, as a FHIRPath expression: `Patient.name[0].family`.
    pub place: String,
    /// FHIR's code of the kind: `structure`, `required`, `value`, `code-invalid`.
    pub code: &'static str,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl From<ValidationIssue> for OutcomeIssue {
    fn from(issue: ValidationIssue) -> Self {
        Self {
            severity: IssueSeverity::Error,
            code: issue.code,
            details: issue.what,
            diagnostics: issue.mend,
            expression: Some(issue.place),
        }
    }
}

/// After so many issues the rest would not help the sender.
const MOST_ISSUES: usize = 100;

/// Every rule of R4's structure this resource breaks, in document order; none where it keeps them.
pub fn validate_structure(resource: &Json) -> Vec<ValidationIssue> {
    let mut check = Check {
        r4: Definitions::r4(),
        place: Place::default(),
        issues: Vec::new(),
    };
    check.resource(resource);
    check.issues
}

/// The place now being looked at; written out only when something is wrong there.
#[derive(Default)]
struct Place<'a> {
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Name(&'a str),
    Number(usize),
}

impl Place<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            match step {
                Step::Number(number) => text.push_str(&format!("[{number}]")),
                Step::Name(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(showable(name));
                }
            }
        }
        text
    }
}

struct Check<'a> {
    r4: &'static Definitions,
    place: Place<'a>,
    issues: Vec<ValidationIssue>,
}

impl<'a> Check<'a> {
    fn issue(&mut self, code: &'static str, what: impl Into<String>, mend: impl Into<String>) {
        if self.issues.len() < MOST_ISSUES {
            self.issues.push(ValidationIssue {
                place: self.place.text(),
                code,
                what: what.into(),
                mend: mend.into(),
            });
        }
    }

    fn within(&mut self, step: Step<'a>, look: impl FnOnce(&mut Self)) {
        self.place.steps.push(step);
        look(self);
        self.place.steps.pop();
    }

    fn resource(&mut self, resource: &'a Json) {
        let Some(name) = resource.get("resourceType").and_then(Json::as_text) else {
            return self.issue(
                "structure",
                "this is no resource",
                "write an object with resourceType",
            );
        };
        match self.r4.get(name) {
            Some(definition) if definition.kind == TypeKind::Resource => {
                if self.place.steps.is_empty() {
                    self.within(Step::Name(definition.name), |check| {
                        check.object(resource, definition);
                    });
                } else {
                    self.object(resource, definition);
                }
            }
            _ => self.issue(
                "not-supported",
                "FHIR R4 has no such resource type",
                "check resourceType: capital letters count, and the release must be R4",
            ),
        }
    }

    fn object(&mut self, value: &'a Json, definition: &'static TypeDefinition) {
        let Json::Object(members) = value else {
            return self.issue("structure", "an object was expected", "write { … }");
        };
        if members.is_empty() {
            self.issue(
                "structure",
                "an empty object",
                "leave the element out where there is nothing to say",
            );
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
                    self.within(Step::Name(plain), |check| {
                        check.member(value, definition, plain, member, is_shadow);
                    });
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
        owner: &'a Json,
        definition: &'static TypeDefinition,
        name: &'a str,
        value: &'a Json,
        is_shadow: bool,
    ) {
        let Some((element, of_type)) = definition.member(name) else {
            return;
        };
        let Some(type_definition) = self.r4.get(of_type.name) else {
            return;
        };
        match (element.is_list, value) {
            (true, Json::Array(values)) if values.is_empty() => self.issue(
                "structure",
                "an empty list",
                "leave the element out where there is nothing to say",
            ),
            (true, Json::Array(values)) => {
                for (number, item) in values.iter().enumerate() {
                    self.within(Step::Number(number), |check| {
                        if *item == Json::Null {
                            check.gap(owner, name, number, is_shadow, type_definition);
                        } else {
                            check.item(element, type_definition, item, is_shadow);
                        }
                    });
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
            (false, item) => self.item(element, type_definition, item, is_shadow),
        }
    }

    /// `null` holds a place in a list of primitives whose other half has something there.
    fn gap(
        &mut self,
        owner: &Json,
        name: &str,
        number: usize,
        is_shadow: bool,
        type_definition: &TypeDefinition,
    ) {
        let other = if is_shadow {
            owner.get(name)
        } else {
            owner.get(&format!("_{name}"))
        };
        let held = match other {
            Some(Json::Array(values)) => values.get(number).is_some_and(|v| *v != Json::Null),
            _ => false,
        };
        if type_definition.kind != TypeKind::Primitive || !held {
            self.issue(
                "structure",
                "null in a list with nothing beside it",
                "take it out of the list",
            );
        }
    }

    fn item(
        &mut self,
        element: &'static ElementDefinition,
        type_definition: &'static TypeDefinition,
        item: &'a Json,
        is_shadow: bool,
    ) {
        if is_shadow {
            if let Some(shadow) = self.r4.get("Element") {
                self.object(item, shadow);
            }
            return;
        }
        match type_definition.kind {
            TypeKind::Primitive => {
                if let Some(form) = primitive_fault(type_definition.name, item) {
                    return self.issue(
                        "value",
                        format!("this is no {} of FHIR", type_definition.name),
                        format!("write {form}"),
                    );
                }
            }
            TypeKind::Resource => return self.resource(item),
            TypeKind::Data | TypeKind::Part => self.object(item, type_definition),
        }
        self.required_code(element, type_definition.name, item);
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

fn coding_fits(coding: &Json, set: &super::definitions::RequiredSet) -> bool {
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
fn allowed(set: &super::definitions::RequiredSet) -> String {
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
    use super::*;
    use crate::fhir::Limits;

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
