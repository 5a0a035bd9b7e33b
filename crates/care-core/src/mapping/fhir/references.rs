//! A draft's body: the resource without the source's id and version, its references written as
//! [`source_reference`]s.

use std::borrow::Cow;

use super::bundle::{Delivery, Entry};
use crate::fhir::{self, Json, ReferenceTarget, ResourceType};
use crate::mapping::{MapIssue, source_reference};

/// The body of an entry. References to nothing in the bundle are taken out and named.
pub(super) fn body(entry: &Entry<'_>, delivery: &Delivery<'_>, issues: &mut Vec<MapIssue>) -> Json {
    let Json::Object(members) = entry.resource else {
        return Json::Null;
    };
    let mut walk = Walk {
        delivery,
        issues,
        resource: entry.resource,
        place: &entry.place,
        steps: Vec::new(),
    };
    let mut kept = Vec::with_capacity(members.len());
    kept.push((
        Cow::Borrowed("resourceType"),
        Json::from(entry.resource_type.name()),
    ));
    for (name, value) in members {
        match name.as_ref() {
            "resourceType" | "id" => {}
            "meta" => {
                let meta = kept_meta(value);
                if meta != Json::Null {
                    kept.push((name.clone(), meta));
                }
            }
            _ => kept.push((name.clone(), walk.member(name, value))),
        }
    }
    Json::Object(kept)
}

/// Writes the reference at a path (`subject`, `participant[2].actor`) so that it names the person by
/// the source's key, however it was sent: by address, by NHS number or inside.
pub(super) fn name_person(body: &mut Json, path: &str, person_key: &str) {
    let mut at = body;
    for step in path.split('.') {
        let (name, number) = match step.trim_end_matches(']').split_once('[') {
            Some((name, number)) => (name, number.parse::<usize>().ok()),
            None => (step, None),
        };
        let Some(next) = at.get_mut(name) else { return };
        at = match (next, number) {
            (Json::Array(values), number) => match values.get_mut(number.unwrap_or(0)) {
                Some(value) => value,
                None => return,
            },
            (other, _) => other,
        };
    }
    at.set(
        "reference",
        Json::Text(source_reference(ResourceType::PATIENT, person_key)),
    );
}

/// What stays of `meta`: the profiles, the security labels and the tags.
fn kept_meta(meta: &Json) -> Json {
    let kept = Json::object([
        ("profile", meta.get("profile").cloned().unwrap_or_default()),
        (
            "security",
            meta.get("security").cloned().unwrap_or_default(),
        ),
        ("tag", meta.get("tag").cloned().unwrap_or_default()),
    ]);
    match &kept {
        Json::Object(members) if members.is_empty() => Json::Null,
        _ => kept,
    }
}

struct Walk<'a> {
    delivery: &'a Delivery<'a>,
    issues: &'a mut Vec<MapIssue>,
    resource: &'a Json,
    /// Where the resource stands, and the way from there to here.
    place: &'a str,
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Name(&'a str),
    Number(usize),
}

impl<'a> Walk<'a> {
    fn value(&mut self, value: &'a Json) -> Json {
        match value {
            Json::Array(values) => Json::Array(
                values
                    .iter()
                    .enumerate()
                    .map(|(number, value)| match value {
                        Json::Object(_) => self.within(Step::Number(number), value),
                        plain => plain.clone(),
                    })
                    .collect(),
            ),
            Json::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), self.member(name, value)))
                    .collect(),
            ),
            plain => plain.clone(),
        }
    }

    fn within(&mut self, step: Step<'a>, value: &'a Json) -> Json {
        self.steps.push(step);
        let made = self.value(value);
        self.steps.pop();
        made
    }

    fn member(&mut self, name: &'a str, value: &'a Json) -> Json {
        match (name, value) {
            ("reference", Json::Text(text)) => self.reference(text),
            // An attachment may stand in the same bundle as a Binary.
            ("url", Json::Text(text)) => fhir::read_reference(text)
                .and_then(|target| self.delivery.find(&target))
                .map_or_else(
                    || value.clone(),
                    |found| Json::Text(source_reference(found.resource_type, &found.key)),
                ),
            (_, Json::Array(_) | Json::Object(_)) => self.within(Step::Name(name), value),
            _ => value.clone(),
        }
    }

    fn reference(&mut self, text: &str) -> Json {
        let Some(target) = fhir::read_reference(text) else {
            return self.nothing(text);
        };
        if let Some(found) = self.delivery.find(&target) {
            return Json::Text(source_reference(found.resource_type, &found.key));
        }
        match target {
            ReferenceTarget::Contained(id) => {
                // Within a contained resource `#` alone means the one it stands in.
                if id.is_empty() || fhir::contained(self.resource, id).is_some() {
                    Json::from(text)
                } else {
                    self.nothing(text)
                }
            }
            ReferenceTarget::Relative(resource_type, id) => {
                Json::Text(source_reference(resource_type, id))
            }
            ReferenceTarget::Conditional(resource_type, key) => {
                Json::Text(source_reference(resource_type, key))
            }
            ReferenceTarget::Absolute(url, Some((resource_type, id)))
                if self.delivery.is_own_address(url, resource_type) =>
            {
                Json::Text(source_reference(resource_type, id))
            }
            ReferenceTarget::Urn(_) => self.nothing(text),
            ReferenceTarget::Absolute(..) | ReferenceTarget::Logical(..) => Json::from(text),
        }
    }

    fn nothing(&mut self, text: &str) -> Json {
        let mut place = self.place.to_owned();
        for step in &self.steps {
            match step {
                Step::Name(name) => place.push_str(&format!(".{name}")),
                Step::Number(number) => place.push_str(&format!("[{number}]")),
            }
        }
        self.issues.push(MapIssue {
            place: format!("{place}.reference"),
            text: "this points at nothing in what was sent; send the resource it means, or correct the reference".to_owned(),
            fatal: false,
        });
        Json::from(text)
    }
}
