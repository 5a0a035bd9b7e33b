//! FHIR's own functions: extensions, references, profiles, value sets.
//!
//! A reference is looked for in the resource (contained), then in the Bundle the evaluation began
//! with, then with the caller's resolver. Source: FHIR R4 sections 2.9 and 2.36.4 (Bundle links).

use std::collections::HashMap;

use super::ast::{Call, Kind};
use super::element::{Element, Member, resource_definition};
use super::error::{PathError, PathFault};
use super::evaluate::{Answer, Evaluator, Items, boolean, single};
use super::function::Function as F;
use super::texts::one_text;
use super::types::{TypeOf, is_a};
use super::value::Value;
use crate::fhir::{Definitions, Json, TypeKind};

/// Where each resource of a Bundle is, by full address and by `Type/id`.
#[derive(Default)]
pub(super) struct BundleIndex<'a> {
    by_address: HashMap<String, &'a Json>,
}

impl<'a> BundleIndex<'a> {
    /// The index of the first of these that is a Bundle; empty where none is.
    fn of(candidates: [Option<&'a Json>; 3]) -> Self {
        let mut index = Self::default();
        let is_bundle = |json: &&Json| json.text_at(&["resourceType"]) == Some("Bundle");
        let Some(bundle) = candidates.into_iter().flatten().find(is_bundle) else {
            return index;
        };
        for entry in bundle.elements("entry") {
            let Some(resource) = entry.get("resource") else {
                continue;
            };
            if let Some(url) = entry.get("fullUrl").and_then(Json::as_text) {
                index.by_address.entry(url.to_owned()).or_insert(resource);
            }
            let text = |name: &str| resource.get(name).and_then(Json::as_text);
            if let (Some(of_type), Some(id)) = (text("resourceType"), text("id")) {
                let address = format!("{of_type}/{id}");
                index.by_address.entry(address).or_insert(resource);
            }
        }
        index
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn fhir(
        &mut self,
        call: &'a Call,
        input: &[Value<'a>],
        arguments: &[Items<'a>],
        at: usize,
    ) -> Answer<'a> {
        let first = arguments.first().map_or(&[][..], Vec::as_slice);
        match call.function {
            F::Extension => match one_text(first, F::Extension, at)? {
                Some(url) => self.extensions(input, &url, at),
                None => Ok(Vec::new()),
            },
            F::HasValue => {
                let has = matches!(input, [one] if is_primitive(one));
                Ok(boolean(Some(has)))
            }
            F::GetValue => Ok(match input {
                [one] if is_primitive(one) => one.plain().into_iter().collect(),
                _ => Vec::new(),
            }),
            F::Resolve => self.resolve_all(input, at),
            F::ConformsTo => match one_text(first, F::ConformsTo, at)? {
                Some(profile) => conforms_to(input, &profile, at),
                None => Ok(Vec::new()),
            },
            F::MemberOf => match one_text(first, F::MemberOf, at)? {
                Some(set) => self.in_value_set(input, &set, at),
                None => Ok(Vec::new()),
            },
            F::HtmlChecks => Ok(boolean(single(input, at)?.map(is_safe_narrative))),
            F::ResourceKey => Ok(single(input, at)?
                .and_then(Value::as_element)
                .and_then(|element| element.json().get("id")?.as_text())
                .map(Value::text)
                .into_iter()
                .collect()),
            _ => reference_keys(input, call, at),
        }
    }

    fn extensions(&mut self, input: &[Value<'a>], url: &str, at: usize) -> Answer<'a> {
        let mut found = Vec::new();
        for item in input {
            if let Value::Element(element) = item
                && let Member::Spelled(..) = element.member("extension", &mut found)
            {
                continue;
            }
        }
        self.charge(found.len(), at)?;
        found.retain(|item| {
            let element = item.as_element();
            element.and_then(|one| one.json().get("url")?.as_text()) == Some(url)
        });
        Ok(found)
    }

    fn resolve_all(&mut self, input: &[Value<'a>], at: usize) -> Answer<'a> {
        let mut found = Vec::new();
        for item in input {
            self.charge(1, at)?;
            if let Some((json, owner)) = self.resolved(item) {
                found.push(Value::Element(Element::within(json, owner)));
            }
        }
        Ok(found)
    }

    /// The resource a Reference or address points at, and the resource it is in.
    fn resolved(&mut self, item: &Value<'a>) -> Option<(&'a Json, &'a Json)> {
        let text = reference_text(item)?;
        let owner = item.as_element().and_then(Element::owner);
        if let Some(id) = text.strip_prefix('#') {
            let owner = owner?;
            if id.is_empty() {
                return Some((owner, owner));
            }
            let contained = owner.elements("contained").iter();
            let mut with_id =
                contained.filter(|one| one.get("id").and_then(Json::as_text) == Some(id));
            return with_id.next().map(|found| (found, owner));
        }
        let input = self.input.as_element().and_then(Element::owner);
        let candidates = [self.context.root_resource, self.context.resource, input];
        let index = self
            .bundle
            .get_or_insert_with(|| BundleIndex::of(candidates));
        let unversioned = text.split("/_history/").next().unwrap_or(text);
        let known = index.by_address.get(unversioned).copied();
        known
            .or_else(|| self.context.resolver?.resolve(text))
            .map(|found| (found, found))
    }

    /// The type a reference points at, by what it says or else by what it is resolved to.
    pub(super) fn type_of_target(
        &mut self,
        item: &Value<'a>,
        at: usize,
    ) -> Result<Option<TypeOf>, PathError> {
        self.charge(1, at)?;
        if let Some((json, _)) = self.resolved(item) {
            return Ok(resource_definition(json).map(TypeOf::Fhir));
        }
        let said = item
            .as_element()
            .and_then(|element| element.json().get("type")?.as_text());
        let named = reference_text(item).and_then(type_in_address).or(said);
        Ok(named
            .and_then(|name| Definitions::r4().get(name))
            .filter(|found| found.kind == TypeKind::Resource)
            .map(TypeOf::Fhir))
    }

    fn in_value_set(&mut self, input: &[Value<'a>], set: &str, at: usize) -> Answer<'a> {
        let Some(item) = single(input, at)? else {
            return Ok(Vec::new());
        };
        let Some(terminology) = self.context.terminology else {
            return Err(PathError::new(
                PathFault::Unsupported,
                at,
                "memberOf() is asked where no value sets are at hand",
                "give the evaluation a terminology",
            ));
        };
        let coded = codes(item);
        let answers: Vec<Option<bool>> = coded
            .iter()
            .map(|(system, code)| terminology.has_code(set, *system, code))
            .collect();
        if answers.contains(&Some(true)) {
            return Ok(boolean(Some(true)));
        }
        let is_known = !answers.is_empty() && !answers.contains(&None);
        Ok(boolean(is_known.then_some(false)))
    }
}

/// The codes of a code, Coding or CodeableConcept, with their systems.
fn codes<'v>(item: &'v Value<'_>) -> Vec<(Option<&'v str>, &'v str)> {
    let json = match item {
        Value::Text(text) => return vec![(None, text)],
        Value::Element(element) => element.json(),
        _ => return Vec::new(),
    };
    if let Some(code) = json.as_text() {
        return vec![(None, code)];
    }
    let codings = match json.get("coding") {
        Some(_) => json.elements("coding"),
        None => std::slice::from_ref(json),
    };
    codings
        .iter()
        .filter_map(|coding| {
            let system = coding.get("system").and_then(Json::as_text);
            Some((system, coding.get("code")?.as_text()?))
        })
        .collect()
}

fn is_primitive(item: &Value<'_>) -> bool {
    match item {
        Value::Element(element) => !matches!(element.json(), Json::Object(_) | Json::Null),
        Value::Type(_) => false,
        _ => true,
    }
}

fn reference_text<'v>(item: &'v Value<'_>) -> Option<&'v str> {
    match item {
        Value::Element(element) => match element.json() {
            Json::Text(text) => Some(text),
            json => json.get("reference")?.as_text(),
        },
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// `Patient` of `https://server/fhir/Patient/1/_history/2` or `Patient/1`.
fn type_in_address(address: &str) -> Option<&str> {
    let address = address.split("/_history/").next()?;
    let mut parts = address.rsplit('/');
    parts.next()?;
    parts.next()
}

fn reference_keys<'a>(input: &[Value<'a>], call: &'a Call, at: usize) -> Answer<'a> {
    let wanted = match call.arguments.first().map(|argument| &argument.kind) {
        None => None,
        Some(Kind::Name(name)) => Some(name.as_str()),
        Some(_) => {
            return Err(PathError::operand(
                at,
                "getReferenceKey() is given something that is no type",
                "write getReferenceKey(Patient)",
            ));
        }
    };
    let key = |item: &Value<'a>| -> Option<Value<'a>> {
        let text = reference_text(item)?;
        let of_type = type_in_address(text)?;
        let address = text.split("/_history/").next()?;
        let id = address.rsplit('/').next()?;
        let is_wanted = wanted.is_none_or(|wanted| wanted == of_type);
        is_wanted.then(|| Value::text(id.to_owned()))
    };
    Ok(input.iter().filter_map(key).collect())
}

/// R4's own types are answered; other profiles are the validator's work.
fn conforms_to<'a>(input: &[Value<'a>], profile: &str, at: usize) -> Answer<'a> {
    let Some(item) = single(input, at)? else {
        return Ok(Vec::new());
    };
    let wanted = profile
        .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
        .and_then(|name| Definitions::r4().get(name));
    let Some(wanted) = wanted else {
        return Err(PathError::new(
            PathFault::Unsupported,
            at,
            "conformsTo() is asked of a profile that is no type of R4",
            "validate against the profile instead",
        ));
    };
    let conforms = item
        .as_element()
        .and_then(Element::definition)
        .is_some_and(|found| is_a(found, wanted));
    Ok(boolean(Some(conforms)))
}

/// Whether a narrative's `div` is there, says something, and holds nothing active.
///
/// Source: FHIR R4 section 2.4.0 (Narrative) and its invariants txt-1 and txt-2.
fn is_safe_narrative(item: &Value<'_>) -> bool {
    const ACTIVE: [&str; 12] = [
        "<script",
        "<form",
        "<iframe",
        "<object",
        "<embed",
        "<base",
        "<link",
        "<frame",
        "<head",
        "<body",
        "javascript:",
        "<style",
    ];
    let Some(Value::Text(text)) = item.plain() else {
        return false;
    };
    let text = text.to_ascii_lowercase();
    let has_handler = text
        .split('<')
        .filter_map(|piece| piece.split('>').next())
        .any(|tag| {
            tag.split_ascii_whitespace()
                .skip(1)
                .any(|word| word.starts_with("on"))
        });
    let is_div = text.trim_start().starts_with("<div");
    let says = text.contains("<img") || {
        let outside = text.split('<').filter_map(|piece| piece.split_once('>'));
        outside
            .into_iter()
            .any(|(_, words)| !words.trim().is_empty())
    };
    is_div && says && !has_handler && !ACTIVE.iter().any(|active| text.contains(active))
}
