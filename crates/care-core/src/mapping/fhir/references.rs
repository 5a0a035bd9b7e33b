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
            _ => kept.push((
                name.clone(),
                walk.value(value, name, &format!("{}.{name}", entry.place)),
            )),
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

/// What stays of `meta`: the profiles and the security labels.
fn kept_meta(meta: &Json) -> Json {
    let kept = Json::object([
        ("profile", meta.get("profile").cloned().unwrap_or_default()),
        (
            "security",
            meta.get("security").cloned().unwrap_or_default(),
        ),
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
}

impl Walk<'_> {
    fn value(&mut self, value: &Json, name: &str, place: &str) -> Json {
        match value {
            Json::Array(values) => Json::Array(
                values
                    .iter()
                    .enumerate()
                    .map(|(number, value)| match value {
                        Json::Object(_) => self.value(value, name, &format!("{place}[{number}]")),
                        plain => plain.clone(),
                    })
                    .collect(),
            ),
            Json::Object(members) => Json::Object(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), self.member(name, value, place)))
                    .collect(),
            ),
            plain => plain.clone(),
        }
    }

    fn member(&mut self, name: &str, value: &Json, place: &str) -> Json {
        match (name, value) {
            ("reference", Json::Text(text)) => self.reference(text, place),
            // An attachment may stand in the same bundle as a Binary.
            ("url", Json::Text(text)) => match fhir::read_reference(text) {
                Some(target) => match self.delivery.find(&target) {
                    Some(found) => Json::Text(source_reference(found.resource_type, &found.key)),
                    None => value.clone(),
                },
                None => value.clone(),
            },
            (_, Json::Array(_) | Json::Object(_)) => {
                self.value(value, name, &format!("{place}.{name}"))
            }
            _ => value.clone(),
        }
    }

    fn reference(&mut self, text: &str, place: &str) -> Json {
        let Some(target) = fhir::read_reference(text) else {
            return self.nothing(place, text);
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
                    self.nothing(place, text)
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
            ReferenceTarget::Urn(_) => self.nothing(place, text),
            ReferenceTarget::Absolute(..) | ReferenceTarget::Logical(..) => Json::from(text),
        }
    }

    fn nothing(&mut self, place: &str, text: &str) -> Json {
        self.issues.push(MapIssue {
            place: format!("{place}.reference"),
            text: "this points at nothing in what was sent; send the resource it means, or correct the reference".to_owned(),
            fatal: false,
        });
        Json::from(text)
    }
}
