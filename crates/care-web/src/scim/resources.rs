//! Users and groups of the staff directory as SCIM resources (RFC 7643), and back.

use std::collections::BTreeSet;

use care_core::vocabulary::OdsCode;
use care_record::{Directory, GroupDetails, Staff, StaffGroup, StaffRole, StaffUser, UserDetails};
use serde_json::{Value, json};

use super::error::{Kind, ScimError};
use super::filter::member;

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// What only we say of a user.
pub const STAFF: &str = "urn:connect-care:params:scim:schemas:extension:staff:1.0:User";
/// The entitlement to open sealed items on a recorded ground.
const BREAK_SEAL: &str = "break-seal";

/// A user.
pub fn user(base: &str, staff: &Staff, user: &StaffUser) -> Value {
    let details = &user.details;
    let roles: Vec<Value> = details
        .roles
        .iter()
        .map(|role| json!({ "value": role.to_string(), "display": role.role.title() }))
        .collect();
    let groups: Vec<Value> = staff
        .groups_of(&user.id)
        .iter()
        .map(|group| {
            json!({ "value": group.id, "display": group.name, "$ref": format!("{base}/Groups/{}", group.id) })
        })
        .collect();
    let mut body = json!({
        "schemas": [USER, STAFF],
        "id": user.id,
        "userName": details.user_name,
        "active": details.active,
        "roles": roles,
        "groups": groups,
        STAFF: {
            "suspended": user.suspended.is_some(),
            "effectiveRoles": staff.roles_of(user).iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "meta": meta(base, "User", "Users", &user.id, (user.created, user.modified), user.version),
    });
    for (name, text) in [
        ("externalId", &details.external_id),
        ("displayName", &details.name),
    ] {
        if !text.is_empty() {
            body[name] = text.as_str().into();
        }
    }
    let name: serde_json::Map<String, Value> = [
        ("formatted", &details.name),
        ("familyName", &details.family),
        ("givenName", &details.given),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(name, text)| (name.to_owned(), text.as_str().into()))
    .collect();
    if !name.is_empty() {
        body["name"] = name.into();
    }
    if !details.email.is_empty() {
        body["emails"] = json!([{ "value": details.email, "type": "work", "primary": true }]);
    }
    if details.break_seal {
        body["entitlements"] = json!([{ "value": BREAK_SEAL }]);
    }
    body
}

/// A group.
pub fn group(base: &str, staff: &Staff, group: &StaffGroup) -> Value {
    let members: Vec<Value> = group
        .members
        .iter()
        .map(|id| {
            let display = staff.user(id).map(|user| user.details.user_name.clone());
            json!({ "value": id, "display": display, "type": "User", "$ref": format!("{base}/Users/{id}") })
        })
        .collect();
    let mut body = json!({
        "schemas": [GROUP],
        "id": group.id,
        "displayName": group.name,
        "members": members,
        "meta": meta(base, "Group", "Groups", &group.id, (group.created, group.modified), group.version),
    });
    if !group.external_id.is_empty() {
        body["externalId"] = group.external_id.as_str().into();
    }
    body
}

fn meta(
    base: &str,
    kind: &str,
    place: &str,
    id: &str,
    (created, modified): (jiff::Timestamp, jiff::Timestamp),
    version: u64,
) -> Value {
    json!({
        "resourceType": kind, "created": created.to_string(), "lastModified": modified.to_string(),
        "location": format!("{base}/{place}/{id}"), "version": etag(version),
    })
}

/// A version as an entity tag.
pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// Reads what a client says of a user. What we do not keep (passwords, phone numbers) is left out.
pub fn user_details(body: &Value, directory: &Directory) -> Result<UserDetails, ScimError> {
    named(body, USER)?;
    let name = member(body, "name");
    let part = |part: &str| text(name.and_then(|name| member(name, part)), part);
    let formatted = part("formatted")?;
    let display = text(member(body, "displayName"), "displayName")?;
    let (family, given) = (part("familyName")?, part("givenName")?);
    let full = [
        display,
        formatted,
        format!("{given} {family}").trim().to_owned(),
    ];
    Ok(UserDetails {
        user_name: text(member(body, "userName"), "userName")?,
        external_id: text(member(body, "externalId"), "externalId")?,
        name: full
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        family,
        given,
        email: email(body)?,
        active: truth(member(body, "active"))?,
        roles: roles(body, directory)?,
        break_seal: elements(body, "entitlements")?
            .iter()
            .any(|one| value_of(one) == Some(BREAK_SEAL)),
    })
}

/// Reads what a client says of a group.
pub fn group_details(body: &Value) -> Result<GroupDetails, ScimError> {
    named(body, GROUP)?;
    let mut members = BTreeSet::new();
    for one in elements(body, "members")? {
        let id = value_of(one).ok_or_else(|| {
            ScimError::invalid(Kind::Value, "each of members needs value, the id of a user")
        })?;
        members.insert(id.to_owned());
    }
    Ok(GroupDetails {
        name: text(member(body, "displayName"), "displayName")?,
        external_id: text(member(body, "externalId"), "externalId")?,
        members,
    })
}

fn named(body: &Value, schema: &str) -> Result<(), ScimError> {
    let schemas = member(body, "schemas").and_then(Value::as_array);
    let fits = schemas.is_some_and(|all| {
        all.iter().any(|one| {
            one.as_str()
                .is_some_and(|text| text.eq_ignore_ascii_case(schema))
        })
    });
    if fits {
        Ok(())
    } else {
        Err(ScimError::invalid(
            Kind::Syntax,
            format!("schemas must name {schema}"),
        ))
    }
}

fn text(value: Option<&Value>, name: &str) -> Result<String, ScimError> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(_) => Err(ScimError::invalid(
            Kind::Value,
            format!("{name} must be a text"),
        )),
    }
}

/// Left out means true (RFC 7643, 4.1.1 leaves it to us); some systems send the words.
fn truth(value: Option<&Value>) -> Result<bool, ScimError> {
    match value {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(ScimError::invalid(
            Kind::Value,
            "active must be true or false",
        )),
    }
}

fn elements<'b>(body: &'b Value, name: &str) -> Result<&'b [Value], ScimError> {
    match member(body, name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(all)) => Ok(all),
        Some(_) => Err(ScimError::invalid(
            Kind::Value,
            format!("{name} must be a list"),
        )),
    }
}

fn value_of(element: &Value) -> Option<&str> {
    element
        .as_str()
        .or_else(|| member(element, "value").and_then(Value::as_str))
}

fn email(body: &Value) -> Result<String, ScimError> {
    let all = elements(body, "emails")?;
    let is = |one: &&Value, name: &str, wanted: &Value| member(one, name) == Some(wanted);
    let best = all
        .iter()
        .find(|one| is(one, "primary", &Value::Bool(true)))
        .or_else(|| all.iter().find(|one| is(one, "type", &"work".into())))
        .or_else(|| all.first());
    Ok(best
        .and_then(value_of)
        .unwrap_or_default()
        .trim()
        .to_owned())
}

fn roles(body: &Value, directory: &Directory) -> Result<Vec<StaffRole>, ScimError> {
    let mut roles = Vec::new();
    for one in elements(body, "roles")? {
        let text = value_of(one)
            .ok_or_else(|| ScimError::invalid(Kind::Value, "each of roles needs value"))?;
        let role = StaffRole::parse(text)
            .map_err(|why| ScimError::invalid(Kind::Value, format!("roles: {why}")))?;
        takes_part(directory, &role.organisation)?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

fn takes_part(directory: &Directory, organisation: &OdsCode) -> Result<(), ScimError> {
    match directory.organisation(organisation) {
        Some(_) => Ok(()),
        None => Err(ScimError::invalid(
            Kind::Value,
            format!(
                "roles: {organisation} does not take part; GET Organizations lists those that do"
            ),
        )),
    }
}
