//! JSON Patch: add, remove, replace, move, copy and test, by JSON Pointer.
//!
//! Source: RFC 6902 (operations), RFC 6901 (pointers).

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::{Budget, PatchError, PatchFault, check_count};
use crate::fhir::Json;

pub(super) fn apply(resource: &Json, operations: &[Json]) -> Result<Json, PatchError> {
    check_count(operations.len())?;
    let mut whole = resource.clone();
    let mut budget = Budget::new();
    for (number, operation) in operations.iter().enumerate() {
        let kind = operation
            .get("op")
            .and_then(Json::as_text)
            .unwrap_or_default();
        let path = operation
            .get("path")
            .and_then(Json::as_text)
            .unwrap_or_default();
        one(&mut whole, operation, kind, &mut budget)
            .map_err(|error| error.at(number, known(kind), path))?;
    }
    Ok(whole)
}

fn known(kind: &str) -> &'static str {
    let names = ["add", "remove", "replace", "move", "copy", "test"];
    names
        .into_iter()
        .find(|name| *name == kind)
        .unwrap_or("(unknown)")
}

fn one(
    whole: &mut Json,
    operation: &Json,
    kind: &str,
    budget: &mut Budget,
) -> Result<(), PatchError> {
    let path = pointer(operation, "path")?;
    match kind {
        "add" => {
            let value = value(operation)?.clone();
            add(whole, &path, value, budget)
        }
        "remove" => remove(whole, &path).map(drop),
        "replace" => {
            let value = value(operation)?.clone();
            budget.take(&value, path.len())?;
            *find_mut(whole, &path)? = value;
            Ok(())
        }
        "move" => {
            let from = pointer(operation, "from")?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(PatchError::malformed(
                    "a value cannot be moved into itself",
                    "move it elsewhere, or copy it",
                ));
            }
            let value = remove(whole, &from)?;
            add(whole, &path, value, budget)
        }
        "copy" => {
            let from = pointer(operation, "from")?;
            let value = find(whole, &from)?;
            budget.take(value, path.len())?;
            let value = value.clone();
            add(whole, &path, value, budget)
        }
        "test" => {
            if same(find(whole, &path)?, value(operation)?) {
                return Ok(());
            }
            Err(PatchError::new(
                PatchFault::TestFailed,
                "the value there is another",
                "read the resource again and make the patch anew",
            ))
        }
        _ => Err(PatchError::malformed(
            "op is none that JSON Patch knows",
            "write add, remove, replace, move, copy or test",
        )),
    }
}

fn value(operation: &Json) -> Result<&Json, PatchError> {
    operation.get("value").ok_or_else(|| {
        PatchError::malformed("the operation has no value", "write the member value")
    })
}

/// The tokens of a pointer, unescaped; none for the whole document.
fn pointer(operation: &Json, member: &str) -> Result<Vec<String>, PatchError> {
    let Some(text) = operation.get(member).and_then(Json::as_text) else {
        return Err(PatchError::malformed(
            format!("the operation has no {member}"),
            format!("write {member} as a JSON Pointer, such as /name/0/family"),
        ));
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err(PatchError::malformed(
            format!("{member} is no JSON Pointer"),
            "begin it with a slash, such as /name/0/family",
        ));
    };
    rest.split('/').map(unescaped).collect()
}

fn unescaped(token: &str) -> Result<String, PatchError> {
    let mut out = String::with_capacity(token.len());
    let mut letters = token.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '~') {
            (_, false) => out.push(letter),
            (_, true) => match letters.next() {
                Some('0') => out.push('~'),
                Some('1') => out.push('/'),
                _ => {
                    return Err(PatchError::malformed(
                        "a ~ in the pointer stands alone",
                        "write ~0 for ~ and ~1 for /",
                    ));
                }
            },
        }
    }
    Ok(out)
}

/// A place in a list: digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with('0');
    let is_number = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    (is_plain && is_number).then(|| token.parse().ok())?
}

fn nothing() -> PatchError {
    PatchError::does_not_apply(
        "there is nothing at this path",
        "read the resource again and correct the path",
    )
}

fn no_number() -> PatchError {
    PatchError::does_not_apply(
        "the path goes through a list without a number that is in it",
        "write the place in the list, counted from 0; only add may name the end, as -",
    )
}

fn find<'a>(whole: &'a Json, path: &[String]) -> Result<&'a Json, PatchError> {
    path.iter().try_fold(whole, |at, token| match at {
        Json::Object(_) => at.get(token).ok_or_else(nothing),
        Json::Array(values) => index(token)
            .and_then(|place| values.get(place))
            .ok_or_else(no_number),
        _ => Err(nothing()),
    })
}

fn find_mut<'a>(whole: &'a mut Json, path: &[String]) -> Result<&'a mut Json, PatchError> {
    let mut at = whole;
    for token in path {
        at = match at {
            Json::Object(members) => members
                .iter_mut()
                .find(|(name, _)| name == token)
                .map(|(_, value)| value)
                .ok_or_else(nothing)?,
            Json::Array(values) => index(token)
                .and_then(|place| values.get_mut(place))
                .ok_or_else(no_number)?,
            _ => return Err(nothing()),
        };
    }
    Ok(at)
}

fn add(
    whole: &mut Json,
    path: &[String],
    value: Json,
    budget: &mut Budget,
) -> Result<(), PatchError> {
    budget.take(&value, path.len())?;
    let Some((last, way)) = path.split_last() else {
        *whole = value;
        return Ok(());
    };
    match find_mut(whole, way)? {
        Json::Object(members) => match members.iter_mut().find(|(name, _)| name == last) {
            Some((_, held)) => *held = value,
            None => members.push((Cow::Owned(last.clone()), value)),
        },
        Json::Array(values) => {
            let place = if last == "-" {
                values.len()
            } else {
                index(last)
                    .filter(|place| *place <= values.len())
                    .ok_or_else(no_number)?
            };
            values.insert(place, value);
        }
        _ => return Err(nothing()),
    }
    Ok(())
}

fn remove(whole: &mut Json, path: &[String]) -> Result<Json, PatchError> {
    let Some((last, way)) = path.split_last() else {
        return Err(PatchError::does_not_apply(
            "the whole resource cannot be taken out",
            "DELETE it instead",
        ));
    };
    match find_mut(whole, way)? {
        Json::Object(members) => {
            let place = members.iter().position(|(name, _)| name == last);
            Ok(members.remove(place.ok_or_else(nothing)?).1)
        }
        Json::Array(values) => {
            let place = index(last).filter(|place| *place < values.len());
            Ok(values.remove(place.ok_or_else(no_number)?))
        }
        _ => Err(nothing()),
    }
}

/// Equal as RFC 6902 says: numbers by value, objects whatever the order of their members.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left == right
                || matches!((decimal(left), decimal(right)), (Some(left), Some(right)) if left == right)
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Json::Object(members), Json::Object(others)) => {
            members.len() == others.len()
                && members
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    text.parse()
        .ok()
        .or_else(|| Decimal::from_scientific(text).ok())
}
