//! Part of a resource: what `_summary` and `_elements` leave of it, marked as a part.
//!
//! Source: FHIR R4 sections 3.1.1.5.8 (`_summary`) and 3.1.1.5.9 (`_elements`); which elements belong
//! to a summary is the `isSummary` of the R4 StructureDefinitions, reduced by
//! `tools/definitions/build.mjs`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use super::definitions::{Definitions, TypeDefinition};
use super::{Json, resource_type};

const TABLE: &str = include_str!("../../data/definitions/r4-summary.txt");

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The elements that are marked for summaries.
    Summary,
    /// The narrative, id and meta, and what is mandatory.
    Text,
    /// All but the narrative.
    Data,
    /// These elements, and what is mandatory or changes the meaning of the rest.
    Elements(Vec<String>),
}

/// One element of a type or part.
struct Marked {
    name: &'static str,
    in_summary: bool,
    is_modifier: bool,
}

fn marks() -> &'static HashMap<&'static str, Vec<Marked>> {
    static MARKS: OnceLock<HashMap<&'static str, Vec<Marked>>> = OnceLock::new();
    MARKS.get_or_init(|| {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                let (path, names) = line.split_once(' ')?;
                let marked = names.split(' ').map(|name| Marked {
                    name: name.trim_end_matches(['!', '~']),
                    in_summary: !name.ends_with('~'),
                    is_modifier: name.ends_with(['!', '~']),
                });
                Some((path, marked.collect()))
            })
            .collect()
    })
}

/// Takes out of a resource what is not kept, and marks it as SUBSETTED. Does nothing to what is no
/// resource of R4.
pub fn keep_only(resource: &mut Json, kept: &Kept) {
    let Some(name) = resource_type(resource).map(|one| one.name()) else {
        return;
    };
    let Some(definition) = Definitions::r4().get(name) else {
        return;
    };
    match kept {
        Kept::Summary => in_summary(resource, name, definition),
        Kept::Data => resource.set("text", Json::Null),
        Kept::Text => retain(resource, definition, |element| {
            element == "text" || is_needed(name, definition, element)
        }),
        Kept::Elements(wanted) => retain(resource, definition, |element| {
            wanted.iter().any(|one| one == element) || is_needed(name, definition, element)
        }),
    }
    mark(resource);
}

/// The element a member belongs to: `valueQuantity` and `_valueQuantity` to `value`.
fn element_of<'m>(definition: &'static TypeDefinition, member: &'m str) -> Cow<'m, str> {
    let plain = member.strip_prefix('_').unwrap_or(member);
    match definition.member(plain) {
        Some((element, _)) => Cow::Borrowed(element.name),
        None => Cow::Borrowed(plain),
    }
}

fn retain(
    object: &mut Json,
    definition: &'static TypeDefinition,
    mut keep: impl FnMut(&str) -> bool,
) {
    if let Json::Object(members) = object {
        members.retain(|(name, _)| name == "resourceType" || keep(&element_of(definition, name)));
    }
}

/// Whether an element stays whatever was asked for.
fn is_needed(path: &str, definition: &TypeDefinition, element: &str) -> bool {
    let is_mandatory = definition
        .elements
        .iter()
        .any(|one| one.name == element && one.min > 0);
    let is_modifier = || {
        let marked = marks().get(path).map_or(&[][..], Vec::as_slice);
        marked
            .iter()
            .any(|one| one.name == element && one.is_modifier)
    };
    matches!(element, "id" | "meta") || is_mandatory || is_modifier()
}

fn in_summary(object: &mut Json, path: &str, definition: &'static TypeDefinition) {
    let Some(marked) = marks().get(path) else {
        return;
    };
    if !marked.iter().any(|one| one.in_summary && !one.is_modifier) {
        // The part belongs to the summary as a whole.
        return;
    }
    retain(object, definition, |element| {
        element == "id"
            || marked
                .iter()
                .any(|one| one.name == element && one.in_summary)
    });
    let Json::Object(members) = object else {
        return;
    };
    for (name, value) in members {
        let Some((_, of_type)) = definition.member(name) else {
            continue;
        };
        let Some(part) = Definitions::r4().get(of_type.name) else {
            continue;
        };
        if !of_type.name.contains('.') {
            continue;
        }
        match value {
            Json::Array(values) => {
                for one in values {
                    in_summary(one, of_type.name, part);
                }
            }
            one => in_summary(one, of_type.name, part),
        }
    }
}

/// The tag that says that this is not the whole. Source: HL7 v3 ObservationValue, SUBSETTED.
fn mark(resource: &mut Json) {
    let tag = Json::object([
        (
            "system",
            "http://terminology.hl7.org/CodeSystem/v3-ObservationValue".into(),
        ),
        ("code", "SUBSETTED".into()),
        ("display", "Resource encoded in summary mode".into()),
    ]);
    let Json::Object(members) = resource else {
        return;
    };
    if let Some((_, meta)) = members.iter_mut().find(|(name, _)| name == "meta") {
        let mut tags = match meta.get("tag") {
            Some(Json::Array(tags)) => tags.clone(),
            _ => Vec::new(),
        };
        tags.push(tag);
        return meta.set("tag", Json::Array(tags));
    }
    let after = members
        .iter()
        .take_while(|(name, _)| matches!(name.as_ref(), "resourceType" | "id"))
        .count();
    let meta = Json::object([("tag", Json::Array(vec![tag]))]);
    members.insert(after, (Cow::Borrowed("meta"), meta));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Limits;

    const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"a","meta":{"versionId":"2"},"text":{"status":"generated","div":"<div>x</div>"},"status":"final","_status":{"id":"s"},"code":{"text":"Blood pressure"},"valueQuantity":{"value":1.50},"note":[{"text":"n"}],"component":[{"id":"c","code":{"text":"k"},"valueString":"v","interpretation":[{"text":"high"}]}]}"#;

    fn kept(kept: &Kept) -> String {
        let mut json = Json::parse(OBSERVATION.as_bytes(), Limits::default()).expect("JSON");
        keep_only(&mut json, kept);
        json.to_string()
    }

    #[test]
    fn what_is_kept_is_what_was_asked_for_and_it_says_that_it_is_a_part() {
        let meta = r#""meta":{"versionId":"2","tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"Resource encoded in summary mode"}]}"#;
        let text = r#""text":{"status":"generated","div":"<div>x</div>"}"#;
        let must = r#""status":"final","_status":{"id":"s"},"code":{"text":"Blood pressure"}"#;
        let head = r#"{"resourceType":"Observation","id":"a","#;
        let table = [
            (
                Kept::Summary,
                format!(
                    r#"{head}{meta},{must},"valueQuantity":{{"value":1.50}},"component":[{{"id":"c","code":{{"text":"k"}},"valueString":"v"}}]}}"#
                ),
            ),
            (Kept::Text, format!("{head}{meta},{text},{must}}}")),
            (
                Kept::Elements(vec!["value".to_owned()]),
                format!(r#"{head}{meta},{must},"valueQuantity":{{"value":1.50}}}}"#),
            ),
        ];
        for (asked, expected) in table {
            assert_eq!(kept(&asked), expected, "{asked:?}");
        }
        let data = kept(&Kept::Data);
        assert!(!data.contains("div") && data.contains("note"), "{data}");
    }

    #[test]
    fn every_type_and_part_of_the_table_is_one_of_r4() {
        for (path, marked) in marks() {
            let definition = Definitions::r4().get(path).expect(path);
            for one in marked {
                let known = definition.elements.iter().any(|it| it.name == one.name);
                assert!(known, "{path}.{}", one.name);
            }
        }
    }
}
