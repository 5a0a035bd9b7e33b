//! Where an element that a path found stands in its resource, and changing the list or member there.
//!
//! A list of primitives may have a shadow list beside it (`_given` beside `given`) that must keep its
//! places; what is done to the one is done to the other.

use std::borrow::Cow;

use crate::fhir::Json;
use crate::fhir::path::Element;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Number(usize),
}

/// The way from the resource to an element: the object that has it, the member's name (without the
/// shadow's underscore), and its number where the member is a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub owner: Vec<Step>,
    pub member: String,
    pub number: Option<usize>,
}

/// Finds an element that was borrowed from this resource; none for the resource itself.
pub(super) fn place_of(resource: &Json, element: &Element<'_>) -> Option<Place> {
    let mut steps = Vec::new();
    let found = walk(resource, element.json(), &mut steps)
        || element
            .shadow()
            .is_some_and(|shadow| walk(resource, shadow, &mut steps));
    if !found {
        return None;
    }
    let number = match steps.last() {
        Some(Step::Number(number)) => {
            let number = *number;
            steps.pop();
            Some(number)
        }
        _ => None,
    };
    match steps.pop() {
        Some(Step::Member(name)) => Some(Place {
            owner: steps,
            member: name.strip_prefix('_').unwrap_or(&name).to_owned(),
            number,
        }),
        _ => None,
    }
}

/// By the address in memory: two equal values at two places stay two.
fn walk(at: &Json, wanted: &Json, steps: &mut Vec<Step>) -> bool {
    if std::ptr::eq(at, wanted) {
        return true;
    }
    match at {
        Json::Array(values) => values.iter().enumerate().any(|(number, value)| {
            steps.push(Step::Number(number));
            walk(value, wanted, steps) || {
                steps.pop();
                false
            }
        }),
        Json::Object(members) => members.iter().any(|(name, value)| {
            steps.push(Step::Member(name.as_ref().to_owned()));
            walk(value, wanted, steps) || {
                steps.pop();
                false
            }
        }),
        _ => false,
    }
}

/// The value at the end of a way.
pub(super) fn at_mut<'a>(whole: &'a mut Json, steps: &[Step]) -> Option<&'a mut Json> {
    let mut at = whole;
    for step in steps {
        at = match (at, step) {
            (Json::Object(members), Step::Member(wanted)) => members
                .iter_mut()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value)?,
            (Json::Array(values), Step::Number(number)) => values.get_mut(*number)?,
            _ => return None,
        };
    }
    Some(at)
}

/// A value with its shadow, where it is a primitive that has one.
pub(super) struct Both {
    pub value: Json,
    pub shadow: Json,
}

/// Puts a value into the list of a member at a place; makes the list where there is none.
pub(super) fn insert(owner: &mut Json, member: &str, place: usize, both: Both) {
    let length = length(owner, member);
    let shadow_name = format!("_{member}");
    if both.shadow != Json::Null || owner.get(&shadow_name).is_some() {
        with_list(owner, &shadow_name, |shadows| {
            shadows.resize(length.max(shadows.len()), Json::Null);
            shadows.insert(place.min(length), both.shadow);
        });
    }
    if both.value != Json::Null || owner.get(member).is_some() {
        with_list(owner, member, |values| {
            values.resize(length.max(values.len()), Json::Null);
            values.insert(place.min(length), both.value);
        });
    }
    tidy(owner, member);
}

/// Takes a value out, with its shadow. A list that becomes empty goes too.
pub(super) fn remove(owner: &mut Json, member: &str, number: Option<usize>) -> Both {
    let mut take = |name: &str| -> Json {
        let Json::Object(members) = owner else {
            return Json::Null;
        };
        let Some(at) = members.iter().position(|(held, _)| held == name) else {
            return Json::Null;
        };
        match (&mut members[at].1, number) {
            (Json::Array(values), Some(number)) if number < values.len() => values.remove(number),
            (Json::Array(_), Some(_)) => Json::Null,
            _ => members.remove(at).1,
        }
    };
    let both = Both {
        value: take(member),
        shadow: take(&format!("_{member}")),
    };
    tidy(owner, member);
    both
}

/// A value as it stands, with its shadow.
pub(super) fn copy(owner: &Json, member: &str, number: Option<usize>) -> Both {
    let held = |name: &str| match (owner.get(name), number) {
        (Some(Json::Array(values)), Some(number)) => values.get(number).cloned(),
        (value, _) => value.cloned(),
    };
    Both {
        value: held(member).unwrap_or_default(),
        shadow: held(&format!("_{member}")).unwrap_or_default(),
    }
}

/// Writes a value over another, under a name that may be new (`valueString` for `valueInteger`).
pub(super) fn replace(
    owner: &mut Json,
    member: &str,
    number: Option<usize>,
    new_name: &str,
    both: Both,
) {
    if let Some(number) = number {
        remove(owner, member, Some(number));
        insert(owner, member, number, both);
        return;
    }
    let shadow_name = format!("_{member}");
    let Json::Object(members) = owner else { return };
    let at = members
        .iter()
        .position(|(held, _)| held == member || *held == shadow_name)
        .unwrap_or(members.len());
    members.retain(|(held, _)| held != member && *held != shadow_name);
    let at = at.min(members.len());
    if both.shadow != Json::Null {
        members.insert(at, (Cow::Owned(format!("_{new_name}")), both.shadow));
    }
    if both.value != Json::Null {
        members.insert(at, (Cow::Owned(new_name.to_owned()), both.value));
    }
}

/// How many places a member's list has, values and shadows together.
pub(super) fn length(owner: &Json, member: &str) -> usize {
    let count = |name: &str| match owner.get(name) {
        None | Some(Json::Null) => 0,
        Some(Json::Array(values)) => values.len(),
        Some(_) => 1,
    };
    count(member).max(count(&format!("_{member}")))
}

/// Changes a member's list; makes the list where there is none.
fn with_list(owner: &mut Json, name: &str, change: impl FnOnce(&mut Vec<Json>)) {
    let Json::Object(members) = owner else { return };
    let at = members.iter().position(|(held, _)| held == name);
    let at = at.unwrap_or_else(|| {
        members.push((Cow::Owned(name.to_owned()), Json::Null));
        members.len() - 1
    });
    let mut values = match std::mem::take(&mut members[at].1) {
        Json::Null => Vec::new(),
        Json::Array(values) => values,
        one => vec![one],
    };
    change(&mut values);
    members[at].1 = Json::Array(values);
}

/// Lists that say nothing go; a shadow list of nulls alone says nothing.
fn tidy(owner: &mut Json, member: &str) {
    let Json::Object(members) = owner else { return };
    let shadow_name = format!("_{member}");
    members.retain(|(name, value)| {
        let is_ours = name == member || *name == shadow_name;
        let says_nothing = match value {
            Json::Array(values) => values.iter().all(|value| *value == Json::Null),
            _ => false,
        };
        !(is_ours && says_nothing)
    });
}
