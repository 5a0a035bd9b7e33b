//! FHIRPath Patch: add, insert, delete, replace and move, written as a Parameters resource.
//!
//! Source: FHIR R4, http://hl7.org/fhir/R4/fhirpatch.html. A path finds elements with our own FHIRPath
//! engine; what is changed is the list or member they stand in.

use std::borrow::Cow;

use jiff::Timestamp;

use super::place::{Both, Place, Step, at_mut, copy, insert, length, place_of, remove, replace};
use super::{Budget, PatchError, check_count};
use crate::fhir::path::{Context, Element, Path, Value};
use crate::fhir::{Definitions, ElementDefinition, Json, TypeDefinition, TypeKind};

pub(super) fn apply(
    resource: &Json,
    parameters: &Json,
    now: Timestamp,
) -> Result<Json, PatchError> {
    let operations: Vec<&Json> = parameters
        .elements("parameter")
        .iter()
        .filter(|one| one.text_at(&["name"]) == Some("operation"))
        .collect();
    check_count(operations.len())?;
    let mut whole = resource.clone();
    let mut budget = Budget::new();
    for (number, operation) in operations.into_iter().enumerate() {
        let kind = text(operation, "type").unwrap_or_default();
        let path = text(operation, "path").unwrap_or_default();
        one(&mut whole, operation, (kind, path), &mut budget, now)
            .map_err(|error| error.at(number, known(kind), path))?;
    }
    Ok(whole)
}

fn known(kind: &str) -> &'static str {
    let names = ["add", "insert", "delete", "replace", "move"];
    names
        .into_iter()
        .find(|name| *name == kind)
        .unwrap_or("(unknown)")
}

fn one(
    whole: &mut Json,
    operation: &Json,
    (kind, path): (&str, &str),
    budget: &mut Budget,
    now: Timestamp,
) -> Result<(), PatchError> {
    if path.is_empty() {
        return Err(PatchError::malformed(
            "the operation has no path",
            "add a part named path with a valueString",
        ));
    }
    match kind {
        "add" => add(whole, operation, path, budget, now),
        "insert" => insert_into(whole, operation, path, budget, now),
        "delete" => delete(whole, path, now),
        "replace" => replace_one(whole, operation, path, budget, now),
        "move" => move_within(whole, operation, path, now),
        _ => Err(PatchError::malformed(
            "the operation's type is none that FHIRPath Patch knows",
            "write a part named type with the valueCode add, insert, delete, replace or move",
        )),
    }
}

// --- what an operation says

fn part<'a>(operation: &'a Json, name: &str) -> Option<&'a Json> {
    operation
        .elements("part")
        .iter()
        .find(|part| part.text_at(&["name"]) == Some(name))
}

/// The text of a part, whichever kind of text it was sent as.
fn text<'a>(operation: &'a Json, name: &str) -> Option<&'a str> {
    let Json::Object(members) = part(operation, name)? else {
        return None;
    };
    members
        .iter()
        .find(|(member, _)| member.starts_with("value"))
        .and_then(|(_, value)| value.as_text())
}

fn number(operation: &Json, name: &str) -> Result<usize, PatchError> {
    part(operation, name)
        .and_then(|part| part.get("valueInteger"))
        .and_then(Json::as_number)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            PatchError::malformed(
                format!("the operation has no {name}"),
                format!("add a part named {name} with a valueInteger of 0 or more"),
            )
        })
}

/// A value as it was sent, and the ending of its type: `String` of `valueString`.
struct Sent {
    both: Both,
    ending: Option<String>,
}

/// The part named `value`; `target` is the type it is to have, where that is known.
fn sent(operation: &Json, target: Option<&TypeDefinition>) -> Result<Sent, PatchError> {
    let value = part(operation, "value").ok_or_else(|| {
        PatchError::malformed(
            "the operation has no value",
            "add a part named value, with value[x] or, for a part of a resource, with parts of its own",
        )
    })?;
    read(value, target, 0)
}

fn read(part: &Json, target: Option<&TypeDefinition>, depth: usize) -> Result<Sent, PatchError> {
    if depth > super::DEPTH {
        return Err(PatchError::malformed(
            "the value is nested too deeply",
            "send less deep a value",
        ));
    }
    let plain = |value: Json| Sent {
        both: Both {
            value,
            shadow: Json::Null,
        },
        ending: None,
    };
    if let Some(resource) = part.get("resource") {
        return Ok(plain(resource.clone()));
    }
    if !part.elements("part").is_empty() {
        return from_parts(part, target, depth).map(plain);
    }
    let Json::Object(members) = part else {
        return Err(no_value());
    };
    let mut sent = plain(Json::Null);
    for (name, value) in members {
        if let Some(ending) = name.strip_prefix("value") {
            sent.both.value = value.clone();
            sent.ending = Some(ending.to_owned());
        } else if let Some(ending) = name.strip_prefix("_value") {
            sent.both.shadow = value.clone();
            sent.ending = Some(ending.to_owned());
        }
    }
    match sent.ending {
        Some(_) => Ok(sent),
        None => Err(no_value()),
    }
}

fn no_value() -> PatchError {
    PatchError::malformed(
        "a value says nothing",
        "write value[x], such as valueString, or parts with names and values",
    )
}

/// An object out of named parts: what a part of a resource has no value[x] for.
fn from_parts(
    part: &Json,
    target: Option<&TypeDefinition>,
    depth: usize,
) -> Result<Json, PatchError> {
    let mut made = Json::Object(Vec::new());
    for inner in part.elements("part") {
        let name = inner.text_at(&["name"]).unwrap_or_default();
        let element = target.map(|target| element(target, name)).transpose()?;
        let of = element.and_then(|element| type_of(element, None));
        let sent = read(inner, of, depth + 1)?;
        put_new(&mut made, name, element, sent)?;
    }
    Ok(made)
}

// --- what R4 says of names

/// The element a name stands for, without or with its type spelled out.
fn element<'a>(of: &'a TypeDefinition, name: &str) -> Result<&'a ElementDefinition, PatchError> {
    of.elements
        .iter()
        .find(|element| element.name == name)
        .or_else(|| of.member(name).map(|(element, _)| element))
        .ok_or_else(|| {
            PatchError::does_not_apply(
                format!("{} has no such element", of.name),
                "check the name; capital letters count",
            )
        })
}

fn type_of(element: &ElementDefinition, ending: Option<&str>) -> Option<&'static TypeDefinition> {
    let types = &element.types;
    let wanted = match ending {
        Some(ending) => types
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(ending))?,
        None if types.len() == 1 => types.first()?,
        None => return None,
    };
    Definitions::r4().get(wanted.name)
}

/// The member's name in JSON: a choice spells its type.
fn member_name(name: &str, element: Option<&ElementDefinition>, ending: Option<&str>) -> String {
    match (element, ending) {
        (Some(element), Some(ending)) if element.is_choice && element.name == name => {
            format!("{name}{ending}")
        }
        _ => name.to_owned(),
    }
}

/// Whether any spelling of a choice stands already.
fn stands(owner: &Json, name: &str, element: Option<&ElementDefinition>) -> bool {
    let Json::Object(members) = owner else {
        return false;
    };
    let is_choice = element.is_some_and(|element| element.is_choice);
    members.iter().any(|(held, _)| {
        let held = held.strip_prefix('_').unwrap_or(held);
        held == name
            || (is_choice
                && held.strip_prefix(name).is_some_and(|ending| {
                    element.is_some_and(|element| {
                        element
                            .types
                            .iter()
                            .any(|of| of.name.eq_ignore_ascii_case(ending))
                    })
                }))
    })
}

/// Writes an element that may repeat at the end of its list, any other where it is not yet.
fn put_new(
    owner: &mut Json,
    name: &str,
    element: Option<&ElementDefinition>,
    sent: Sent,
) -> Result<(), PatchError> {
    let member = member_name(name, element, sent.ending.as_deref());
    if element.is_some_and(|element| element.is_list) {
        let end = length(owner, &member);
        insert(owner, &member, end, sent.both);
        return Ok(());
    }
    if stands(owner, name, element) {
        return Err(PatchError::does_not_apply(
            "the element is there already and may stand once only",
            "use replace",
        ));
    }
    replace(owner, &member, None, &member, sent.both);
    Ok(())
}

// --- finding

/// What a path found, as places that outlive the borrow of the resource.
struct Found {
    place: Option<Place>,
    of: Option<&'static TypeDefinition>,
    is_primitive: bool,
}

fn found(value: &Value<'_>, whole: &Json) -> Result<Found, PatchError> {
    let element: &Element<'_> = value.as_element().ok_or_else(|| {
        PatchError::does_not_apply(
            "the path finds a value that was worked out, not an element of the resource",
            "write a path to an element",
        )
    })?;
    let of = element.definition();
    Ok(Found {
        place: place_of(whole, element),
        of,
        is_primitive: of.is_some_and(|of| of.kind == TypeKind::Primitive)
            || !matches!(element.json(), Json::Object(_)),
    })
}

fn find(whole: &Json, path: &str, now: Timestamp) -> Result<Vec<Found>, PatchError> {
    let parsed = Path::parse(path).map_err(|error| {
        PatchError::malformed(
            format!("the path is no FHIRPath: {}", error.what),
            error.mend,
        )
    })?;
    let context = Context::new(now);
    let values = parsed.evaluate(whole, &context).map_err(|error| {
        PatchError::does_not_apply(
            format!("the path has no answer: {}", error.what),
            error.mend,
        )
    })?;
    values.iter().map(|value| found(value, whole)).collect()
}

fn only(mut all: Vec<Found>) -> Result<Found, PatchError> {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(PatchError::does_not_apply(
            "the path finds several elements",
            "narrow it to one, for instance with a number in brackets or where(…)",
        )),
        (None, _) => Err(PatchError::does_not_apply(
            "the path finds nothing",
            "read the resource again; add what is not there yet",
        )),
    }
}

fn lost() -> PatchError {
    PatchError::does_not_apply(
        "the path does not lead to a place that can be changed",
        "write a path to an element of the resource",
    )
}

/// The way to what a place names.
fn way_to(place: &Place) -> Vec<Step> {
    let mut steps = place.owner.clone();
    steps.push(Step::Member(place.member.clone()));
    steps.extend(place.number.map(Step::Number));
    steps
}

// --- the operations

fn add(
    whole: &mut Json,
    operation: &Json,
    path: &str,
    budget: &mut Budget,
    now: Timestamp,
) -> Result<(), PatchError> {
    let name = text(operation, "name").ok_or_else(|| {
        PatchError::malformed(
            "the operation has no name",
            "add a part named name with the element's name as valueString",
        )
    })?;
    let owner = only(find(whole, path, now)?)?;
    if owner.is_primitive {
        return add_to_primitive(whole, operation, &owner, name, budget);
    }
    let element = owner.of.map(|of| element(of, name)).transpose()?;
    let sent = sent(
        operation,
        element.and_then(|element| type_of(element, None)),
    )?;
    let way = owner.place.as_ref().map(way_to).unwrap_or_default();
    budget.take(&sent.both.value, way.len() + 1)?;
    budget.take(&sent.both.shadow, way.len() + 1)?;
    let owner = at_mut(whole, &way).ok_or_else(lost)?;
    put_new(owner, name, element, sent)
}

/// A primitive's id and extensions stand in its shadow.
fn add_to_primitive(
    whole: &mut Json,
    operation: &Json,
    owner: &Found,
    name: &str,
    budget: &mut Budget,
) -> Result<(), PatchError> {
    let place = owner.place.as_ref().ok_or_else(lost)?;
    if !matches!(name, "extension" | "id") {
        return Err(PatchError::does_not_apply(
            "a single value has no such element",
            "only extension and id can be added to it",
        ));
    }
    let sent = sent(operation, Definitions::r4().get("Extension"))?;
    budget.take(&sent.both.value, place.owner.len() + 3)?;
    let holder = at_mut(whole, &place.owner).ok_or_else(lost)?;
    let mut both = copy(holder, &place.member, place.number);
    if both.shadow == Json::Null {
        both.shadow = Json::Object(Vec::new());
    }
    if name == "extension" {
        let end = length(&both.shadow, name);
        insert(&mut both.shadow, name, end, sent.both);
    } else if let Json::Object(members) = &mut both.shadow {
        members.retain(|(held, _)| held != name);
        members.push((Cow::Borrowed("id"), sent.both.value));
    }
    replace(holder, &place.member, place.number, &place.member, both);
    Ok(())
}

fn insert_into(
    whole: &mut Json,
    operation: &Json,
    path: &str,
    budget: &mut Budget,
    now: Timestamp,
) -> Result<(), PatchError> {
    let index = number(operation, "index")?;
    let list = list_at(whole, path, now)?;
    let target = list.element.and_then(|element| type_of(element, None));
    let sent = sent(operation, target)?;
    if !list.element.is_none_or(|element| element.is_list) {
        return Err(PatchError::does_not_apply(
            "the element may stand once only",
            "use add or replace",
        ));
    }
    if index > list.length {
        return Err(beyond("index", list.length));
    }
    budget.take(&sent.both.value, list.owner.len() + 2)?;
    let owner = at_mut(whole, &list.owner).ok_or_else(lost)?;
    insert(owner, &list.member, index, sent.both);
    Ok(())
}

fn beyond(name: &str, length: usize) -> PatchError {
    PatchError::does_not_apply(
        format!("{name} is beyond the list, which has {length}"),
        "count from 0; to append, give the number of elements",
    )
}

fn delete(whole: &mut Json, path: &str, now: Timestamp) -> Result<(), PatchError> {
    let all = find(whole, path, now)?;
    if all.is_empty() {
        // R4: deleting what is not there is no fault.
        return Ok(());
    }
    let place = only(all)?.place.ok_or_else(|| {
        PatchError::does_not_apply(
            "the whole resource cannot be deleted by a patch",
            "DELETE it",
        )
    })?;
    let owner = at_mut(whole, &place.owner).ok_or_else(lost)?;
    remove(owner, &place.member, place.number);
    prune(whole, &place.owner);
    Ok(())
}

/// An element that says nothing any more is none: it goes with what was deleted.
fn prune(whole: &mut Json, way: &[Step]) {
    let mut way = way.to_vec();
    while at_mut(whole, &way).is_some_and(|value| *value == Json::Object(Vec::new())) {
        let number = match way.pop() {
            Some(Step::Number(number)) => Some(number),
            Some(other) => {
                way.push(other);
                None
            }
            None => return,
        };
        let Some(Step::Member(member)) = way.pop() else {
            return;
        };
        let Some(owner) = at_mut(whole, &way) else {
            return;
        };
        remove(owner, &member, number);
    }
}

fn replace_one(
    whole: &mut Json,
    operation: &Json,
    path: &str,
    budget: &mut Budget,
    now: Timestamp,
) -> Result<(), PatchError> {
    let target = only(find(whole, path, now)?)?;
    let place = target.place.ok_or_else(|| {
        PatchError::does_not_apply("the whole resource cannot be replaced by a patch", "PUT it")
    })?;
    let sent = sent(operation, target.of)?;
    budget.take(&sent.both.value, place.owner.len() + 2)?;
    budget.take(&sent.both.shadow, place.owner.len() + 2)?;
    let of = type_at(whole, &place.owner);
    let spelled = of.and_then(|of| of.member(&place.member));
    let new_name = match (spelled, &sent.ending) {
        (Some((element, _)), Some(ending)) if element.is_choice => {
            format!("{}{ending}", element.name)
        }
        _ => place.member.clone(),
    };
    let owner = at_mut(whole, &place.owner).ok_or_else(lost)?;
    replace(owner, &place.member, place.number, &new_name, sent.both);
    Ok(())
}

fn move_within(
    whole: &mut Json,
    operation: &Json,
    path: &str,
    now: Timestamp,
) -> Result<(), PatchError> {
    let (from, to) = (
        number(operation, "source")?,
        number(operation, "destination")?,
    );
    let list = list_at(whole, path, now)?;
    for (name, index) in [("source", from), ("destination", to)] {
        if index >= list.length {
            return Err(beyond(name, list.length));
        }
    }
    let owner = at_mut(whole, &list.owner).ok_or_else(lost)?;
    let both = remove(owner, &list.member, Some(from));
    insert(owner, &list.member, to, both);
    Ok(())
}

/// A list: whose member it is, and how long.
struct List {
    owner: Vec<Step>,
    member: String,
    length: usize,
    element: Option<&'static ElementDefinition>,
}

/// The list a path names. It must find all of it; where there is nothing yet, the path but its last
/// name must find what is to have the list.
fn list_at(whole: &Json, path: &str, now: Timestamp) -> Result<List, PatchError> {
    let all = find(whole, path, now)?;
    let (owner, member) = match all.first() {
        Some(first) => {
            let first = first.place.as_ref().ok_or_else(lost)?;
            (first.owner.clone(), first.member.clone())
        }
        None => empty_list(whole, path, now)?,
    };
    let is_whole = all.iter().enumerate().all(|(number, one)| {
        one.place.as_ref().is_some_and(|place| {
            place.owner == owner
                && place.member == member
                && place.number.is_none_or(|at| at == number)
        })
    });
    let of = type_at(whole, &owner);
    let element = of
        .and_then(|of| of.member(&member))
        .map(|(element, _)| element);
    let length = value_at(whole, &owner).map_or(0, |owner| length(owner, &member));
    if is_whole && length == all.len() {
        return Ok(List {
            owner,
            member,
            length,
            element,
        });
    }
    Err(PatchError::does_not_apply(
        "the path does not name one whole list",
        "end it with the list's name, without a filter or number behind it",
    ))
}

fn empty_list(whole: &Json, path: &str, now: Timestamp) -> Result<(Vec<Step>, String), PatchError> {
    let (head, name) = path.rsplit_once('.').ok_or_else(lost)?;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(lost());
    }
    let owner = only(find(whole, head, now)?)?;
    if let Some(of) = owner.of {
        element(of, name)?;
    }
    let way = owner.place.as_ref().map(way_to).unwrap_or_default();
    Ok((way, name.to_owned()))
}

fn value_at<'a>(whole: &'a Json, steps: &[Step]) -> Option<&'a Json> {
    steps.iter().try_fold(whole, |at, step| match (at, step) {
        (at, Step::Member(name)) => at.get(name),
        (Json::Array(values), Step::Number(number)) => values.get(*number),
        _ => None,
    })
}

/// The type of what stands at the end of a way.
fn type_at(whole: &Json, steps: &[Step]) -> Option<&'static TypeDefinition> {
    let resource = |value: &Json| {
        let name = value.get("resourceType")?.as_text()?;
        Definitions::r4().get(name)
    };
    let mut at = whole;
    let mut of = resource(whole);
    for step in steps {
        at = match (at, step) {
            (_, Step::Member(name)) => {
                of = of
                    .and_then(|of| of.member(name))
                    .and_then(|(_, of_type)| Definitions::r4().get(of_type.name));
                at.get(name)?
            }
            (Json::Array(values), Step::Number(number)) => values.get(*number)?,
            _ => return None,
        };
        of = resource(at).or(of);
    }
    of
}
