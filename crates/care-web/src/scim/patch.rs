//! SCIM PATCH (RFC 7644, 3.5.2) on the JSON of a resource. Pure: the result is read like a PUT.

use serde_json::{Map, Value};

use super::error::{Kind, ScimError};
use super::filter::{self, Comparison, Filter, Place};

/// Operations of one request at most.
const OPERATIONS: usize = 1_000;
/// What nobody but this server writes.
const READ_ONLY: [&str; 4] = ["id", "meta", "groups", "schemas"];

/// The resource after the operations of a PATCH body.
pub fn apply(mut resource: Value, body: &Value) -> Result<Value, ScimError> {
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let named = filter::member(body, "schemas").and_then(Value::as_array);
    if !named.is_some_and(|all| all.iter().any(|one| one == schema)) {
        return Err(ScimError::invalid(
            Kind::Syntax,
            format!("schemas must name {schema}"),
        ));
    }
    let operations = filter::member(body, "Operations")
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty() && all.len() <= OPERATIONS)
        .ok_or_else(|| {
            ScimError::invalid(
                Kind::Syntax,
                format!("Operations must be 1 to {OPERATIONS} operations"),
            )
        })?;
    for operation in operations {
        one(&mut resource, operation)?;
    }
    Ok(resource)
}

#[derive(Clone, Copy, PartialEq)]
enum Does {
    Add,
    Replace,
    Remove,
}

fn one(resource: &mut Value, operation: &Value) -> Result<(), ScimError> {
    let text = |name: &str| filter::member(operation, name).and_then(Value::as_str);
    let does = match text("op").unwrap_or_default().to_ascii_lowercase().as_str() {
        "add" => Does::Add,
        "replace" => Does::Replace,
        "remove" => Does::Remove,
        _ => {
            return Err(ScimError::invalid(
                Kind::Syntax,
                "op must be add, replace or remove",
            ));
        }
    };
    let value = filter::member(operation, "value").cloned();
    match (text("path"), does, value) {
        (None, Does::Remove, _) => Err(ScimError::invalid(Kind::NoTarget, "remove needs a path")),
        (None, _, Some(Value::Object(members))) => {
            members.into_iter().try_for_each(|(name, value)| {
                if name.eq_ignore_ascii_case("schemas") {
                    return Ok(());
                }
                // An extension's attributes come as an object under its schema's name: none is writable.
                if name.contains(':') && value.is_object() {
                    return Ok(());
                }
                put(resource, &place(&name)?, does, Some(value))
            })
        }
        (None, ..) => Err(ScimError::invalid(
            Kind::Value,
            "without a path, value must be an object",
        )),
        (Some(_), Does::Add | Does::Replace, None) => Err(ScimError::invalid(
            Kind::Value,
            "add and replace need a value",
        )),
        (Some(path), does, value) => put(resource, &place(path)?, does, value),
    }
}

fn place(text: &str) -> Result<Place, ScimError> {
    filter::place(text).map_err(|why| ScimError::invalid(Kind::Path, why))
}

fn put(
    resource: &mut Value,
    place: &Place,
    does: Does,
    value: Option<Value>,
) -> Result<(), ScimError> {
    if READ_ONLY
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&place.attribute))
    {
        return Err(ScimError::invalid(
            Kind::Mutability,
            format!("{} is written by this server alone", place.attribute),
        ));
    }
    let members = resource
        .as_object_mut()
        .ok_or_else(|| ScimError::invalid(Kind::Syntax, "the resource is no object"))?;
    let key = key_of(members, &place.attribute);
    match (&place.filter, &place.part) {
        (None, None) => whole(members, key, does, value),
        (None, Some(part)) => {
            part_of(members, &key, part, does, value);
            Ok(())
        }
        (Some(filter), part) => elements(members, &key, filter, part.as_deref(), does, value),
    }
}

/// The member's name as it stands there, in whatever case it was asked for.
fn key_of(members: &Map<String, Value>, name: &str) -> String {
    members
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned()
        .unwrap_or_else(|| name.to_owned())
}

fn whole(
    members: &mut Map<String, Value>,
    key: String,
    does: Does,
    value: Option<Value>,
) -> Result<(), ScimError> {
    match (does, value, members.get_mut(&key)) {
        (Does::Remove, None, _) => {
            members.remove(&key);
        }
        // Some systems name the elements to remove in the value.
        (Does::Remove, Some(which), Some(Value::Array(held))) => {
            let which = list(which);
            held.retain(|one| !which.iter().any(|gone| same_element(one, gone)));
        }
        (Does::Remove, Some(_), _) => {
            members.remove(&key);
        }
        (Does::Add, Some(value), Some(Value::Array(held))) => {
            for new in list(value) {
                if !held.iter().any(|one| same_element(one, &new)) {
                    held.push(new);
                }
            }
        }
        (Does::Add, Some(Value::Object(more)), Some(Value::Object(held))) => {
            for (name, value) in more {
                let name = key_of(held, &name);
                held.insert(name, value);
            }
        }
        (_, Some(value), _) => {
            members.insert(key, value);
        }
        (_, None, _) => {}
    }
    Ok(())
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(elements) => elements,
        one => vec![one],
    }
}

/// Elements are the same when their `value` is.
fn same_element(one: &Value, other: &Value) -> bool {
    match (filter::member(one, "value"), filter::member(other, "value")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn part_of(
    members: &mut Map<String, Value>,
    key: &str,
    part: &str,
    does: Does,
    value: Option<Value>,
) {
    let held = members
        .entry(key.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    let targets: Vec<&mut Value> = match held {
        Value::Array(elements) => elements.iter_mut().collect(),
        one => vec![one],
    };
    for target in targets {
        set_part(target, part, does, value.as_ref());
    }
}

fn set_part(target: &mut Value, part: &str, does: Does, value: Option<&Value>) {
    let Some(held) = target.as_object_mut() else {
        return;
    };
    let key = key_of(held, part);
    match (does, value) {
        (Does::Remove, _) | (_, None) => {
            held.remove(&key);
        }
        (_, Some(value)) => {
            held.insert(key, value.clone());
        }
    }
}

fn elements(
    members: &mut Map<String, Value>,
    key: &str,
    filter: &Filter,
    part: Option<&str>,
    does: Does,
    value: Option<Value>,
) -> Result<(), ScimError> {
    let held = members
        .entry(key.to_owned())
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(all) = held else {
        return Err(ScimError::invalid(Kind::Path, format!("{key} is no list")));
    };
    let fits = |one: &Value| {
        if one.is_object() {
            filter.fits(one)
        } else {
            filter.fits(&serde_json::json!({ "value": one }))
        }
    };
    if !all.iter().any(fits) {
        return match (does, filter) {
            (Does::Remove, _) => Ok(()),
            (Does::Add, Filter::Compare(path, Comparison::Equal, wanted)) if path.len() == 1 => {
                let mut new = Value::Object(Map::from_iter([(path[0].clone(), wanted.clone())]));
                match (part, value) {
                    (Some(part), value) => set_part(&mut new, part, does, value.as_ref()),
                    (None, Some(Value::Object(more))) => {
                        more.into_iter().for_each(|(name, value)| {
                            set_part(&mut new, &name, does, Some(&value))
                        });
                    }
                    (None, _) => {}
                }
                all.push(new);
                Ok(())
            }
            _ => Err(ScimError::invalid(
                Kind::NoTarget,
                format!("no element of {key} fits the filter"),
            )),
        };
    }
    match (does, part) {
        (Does::Remove, None) => all.retain(|one| !fits(one)),
        (_, Some(part)) => all
            .iter_mut()
            .filter(|one| fits(one))
            .for_each(|one| set_part(one, part, does, value.as_ref())),
        (_, None) => {
            for one in all.iter_mut().filter(|one| fits(one)) {
                *one = value.clone().unwrap_or(Value::Null);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(resource: Value, operations: Value) -> Result<Value, ScimError> {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        apply(resource, &body)
    }

    #[test]
    fn operations_do_what_the_standard_says() {
        let start = json!({ "userName": "a", "active": true, "name": { "givenName": "A" }, "roles": [{ "value": "gp@X1A" }] });
        let table = [
            (
                json!([{"op": "Replace", "path": "active", "value": false}]),
                "/active",
                json!(false),
            ),
            (
                json!([{"op": "replace", "value": {"active": "False", "displayName": "B"}}]),
                "/displayName",
                json!("B"),
            ),
            (
                json!([{"op": "add", "path": "name.familyName", "value": "F"}]),
                "/name",
                json!({"givenName": "A", "familyName": "F"}),
            ),
            (
                json!([{"op": "replace", "value": {"name.givenName": "Z"}}]),
                "/name/givenName",
                json!("Z"),
            ),
            (
                json!([{"op": "add", "path": "roles", "value": [{"value": "gp@X1A"}, {"value": "pharmacist@X2B"}]}]),
                "/roles",
                json!([{"value": "gp@X1A"}, {"value": "pharmacist@X2B"}]),
            ),
            (
                json!([{"op": "remove", "path": "roles[value eq \"gp@X1A\"]"}]),
                "/roles",
                json!([]),
            ),
            (
                json!([{"op": "remove", "path": "roles", "value": [{"value": "gp@X1A"}]}]),
                "/roles",
                json!([]),
            ),
            (
                json!([{"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@x.example"}]),
                "/emails",
                json!([{"type": "work", "value": "a@x.example"}]),
            ),
            (
                json!([{"op": "add", "path": "USERNAME", "value": "b"}]),
                "/userName",
                json!("b"),
            ),
        ];
        for (operations, place, expected) in table {
            let done = after(start.clone(), operations.clone())
                .unwrap_or_else(|why| panic!("{operations}: {why:?}"));
            assert_eq!(done.pointer(place), Some(&expected), "{operations}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let start = json!({ "userName": "a", "roles": [] });
        for (operations, kind) in [
            (
                json!([{"op": "replace", "path": "id", "value": "x"}]),
                Kind::Mutability,
            ),
            (
                json!([{"op": "add", "path": "groups", "value": []}]),
                Kind::Mutability,
            ),
            (json!([{"op": "move", "path": "a"}]), Kind::Syntax),
            (json!([{"op": "remove"}]), Kind::NoTarget),
            (
                json!([{"op": "replace", "path": "roles[value eq \"x\"]", "value": {}}]),
                Kind::NoTarget,
            ),
            (
                json!([{"op": "replace", "path": "roles[", "value": 1}]),
                Kind::Path,
            ),
            (json!([{"op": "add", "path": "active"}]), Kind::Value),
            (json!([]), Kind::Syntax),
        ] {
            let refused = after(start.clone(), operations.clone()).expect_err("refused");
            assert_eq!(refused.kind, Some(kind), "{operations}");
        }
        assert!(
            apply(
                start,
                &json!({ "Operations": [{"op": "remove", "path": "a"}] })
            )
            .is_err()
        );
    }
}
