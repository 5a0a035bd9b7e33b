//! The staff directory for provisioning systems: SCIM 2.0 under `/scim/v2`. Source: RFC 7643, RFC 7644.
//!
//! A system shows the bearer token that its file holds. It writes users and groups; it never reads or
//! touches anything about patients, and cannot lift a suspension.

mod discovery;
mod error;
mod filter;
mod patch;
mod resources;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use care_record::{By, Staff};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::state::{AppState, Shared};
use error::{Kind, ScimError};

/// The largest body, in bytes.
const BODY_BYTES: usize = 4 << 20;

/// The addresses.
pub fn router() -> Router<Shared> {
    Router::new().route("/scim/v2/{*rest}", any(answer))
}

/// What a list is asked with.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    filter: Option<String>,
    #[serde(rename = "startIndex")]
    start: Option<i64>,
    count: Option<i64>,
    attributes: Option<String>,
    #[serde(rename = "excludedAttributes")]
    without: Option<String>,
}

/// One request, taken apart.
struct Call {
    method: Method,
    path: Vec<String>,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
    by: By,
}

async fn answer(State(state): State<Shared>, request: Request) -> Response {
    match take(&state, request).await {
        Ok(call) => {
            let inside = state.clone();
            match crate::blocking(move || serve(&inside, &call)).await {
                Ok(Ok(response)) => response,
                Ok(Err(refused)) => refused.into_response(),
                Err(problem) => problem.outcome(),
            }
        }
        Err(refused) => refused.into_response(),
    }
}

async fn take(state: &Shared, request: Request) -> Result<Call, ScimError> {
    let (parts, body) = request.into_parts();
    let Some(client) = client(state, &parts.headers) else {
        let sessions = state.sessions.clone();
        let told =
            crate::blocking(move || sessions.refused("unknown", "no provisioning token")).await;
        if !matches!(told, Ok(Ok(()))) {
            return Err(ScimError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "try again in a moment",
            ));
        }
        return Err(ScimError::new(
            StatusCode::UNAUTHORIZED,
            "send Authorization: Bearer with the token of a system that staff.provisioning names",
        ));
    };
    let asked = Query::<Asked>::try_from_uri(&parts.uri)
        .map_err(|_| ScimError::invalid(Kind::Value, "a parameter cannot be read"))?
        .0;
    let path = parts
        .uri
        .path()
        .trim_start_matches("/scim/v2/")
        .trim_end_matches('/');
    let path = path.split('/').map(str::to_owned).collect();
    let body = axum::body::to_bytes(body, BODY_BYTES).await.map_err(|_| {
        ScimError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 4 MB",
        )
    })?;
    Ok(Call {
        method: parts.method,
        path,
        asked,
        headers: parts.headers,
        body,
        by: By::system(format!("scim:{client}")),
    })
}

/// The provisioning system whose token this is. The file is read each time: a token that was taken out
/// of it is worth nothing from then on.
fn client(state: &AppState, headers: &HeaderMap) -> Option<String> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let shown = crate::signin::digest_of(token.trim());
    state
        .config
        .staff
        .provisioning
        .iter()
        .find(|client| {
            let held = std::fs::read_to_string(&client.token_file).unwrap_or_default();
            let held = held.trim();
            held.len() >= crate::config::TOKEN_CHARS
                && crate::signin::same(shown.as_bytes(), crate::signin::digest_of(held).as_bytes())
        })
        .map(|client| client.id.clone())
}

fn serve(state: &AppState, call: &Call) -> Result<Response, ScimError> {
    let base = format!("{}/scim/v2", state.config.server.base_url);
    let staff = state.record.staff();
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let read = call.method == Method::GET || call.method == Method::HEAD;
    match path.as_slice() {
        ["ServiceProviderConfig"] if read => {
            Ok(json_of(StatusCode::OK, &discovery::service(&base)))
        }
        ["ResourceTypes", one @ ..] if read => listed(discovery::resource_types(&base), one, call),
        ["Schemas", one @ ..] if read => listed(discovery::schemas(&base), one, call),
        ["Organizations", one @ ..] if read => {
            listed(discovery::organisations(&base, &state.directory), one, call)
        }
        ["Users"] if read => {
            let all = staff.users();
            let all = all.iter().filter(|user| user.provisioned);
            list(all.map(|user| resources::user(&base, &staff, user)), call)
        }
        ["Groups"] if read => {
            let all = staff.groups();
            list(
                all.iter()
                    .map(|group| resources::group(&base, &staff, group)),
                call,
            )
        }
        ["Users"] if call.method == Method::POST => {
            let details = resources::user_details(&body(call)?, &state.directory)?;
            let user = staff.create_user(details, &call.by)?;
            Ok(one(
                StatusCode::CREATED,
                &resources::user(&base, &staff, &user),
                call,
            ))
        }
        ["Groups"] if call.method == Method::POST => {
            let group = staff.create_group(resources::group_details(&body(call)?)?, &call.by)?;
            Ok(one(
                StatusCode::CREATED,
                &resources::group(&base, &staff, &group),
                call,
            ))
        }
        ["Users", id] => user(state, &staff, &base, id, call),
        ["Groups", id] => group(&staff, &base, id, call),
        [
            "ServiceProviderConfig"
            | "ResourceTypes"
            | "Schemas"
            | "Organizations"
            | "Users"
            | "Groups",
            ..,
        ] => Err(ScimError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this cannot be done at this address",
        )),
        _ => Err(ScimError::new(
            StatusCode::NOT_FOUND,
            "nothing is at this address; GET ResourceTypes lists what there is",
        )),
    }
}

fn not_there() -> ScimError {
    care_record::StaffError::NotThere.into()
}

fn user(
    state: &AppState,
    staff: &Staff,
    base: &str,
    id: &str,
    call: &Call,
) -> Result<Response, ScimError> {
    let held = staff
        .user(id)
        .filter(|user| user.provisioned)
        .ok_or_else(not_there)?;
    let now = resources::user(base, staff, &held);
    let changed = match call.method {
        Method::GET | Method::HEAD => return Ok(read_one(&now, held.version, call)),
        Method::DELETE => {
            staff.delete_user(id, expected(call)?, &call.by)?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Method::PUT => body(call)?,
        Method::PATCH => patch::apply(now, &body(call)?)?,
        _ => {
            return Err(ScimError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "use GET, PUT, PATCH or DELETE",
            ));
        }
    };
    let details = resources::user_details(&changed, &state.directory)?;
    // Without If-Match a PATCH still builds on what was read a moment ago, and on nothing else.
    let expected = expected(call)?.or((call.method == Method::PATCH).then_some(held.version));
    let user = staff.replace_user(id, details, expected, &call.by)?;
    Ok(one(
        StatusCode::OK,
        &resources::user(base, staff, &user),
        call,
    ))
}

fn group(staff: &Staff, base: &str, id: &str, call: &Call) -> Result<Response, ScimError> {
    let held = staff.group(id).ok_or_else(not_there)?;
    let now = resources::group(base, staff, &held);
    let changed = match call.method {
        Method::GET | Method::HEAD => return Ok(read_one(&now, held.version, call)),
        Method::DELETE => {
            staff.delete_group(id, expected(call)?, &call.by)?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Method::PUT => body(call)?,
        Method::PATCH => patch::apply(now, &body(call)?)?,
        _ => {
            return Err(ScimError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "use GET, PUT, PATCH or DELETE",
            ));
        }
    };
    let expected = expected(call)?.or((call.method == Method::PATCH).then_some(held.version));
    let group = staff.replace_group(id, resources::group_details(&changed)?, expected, &call.by)?;
    Ok(one(
        StatusCode::OK,
        &resources::group(base, staff, &group),
        call,
    ))
}

fn body(call: &Call) -> Result<Value, ScimError> {
    let value: Value = serde_json::from_slice(&call.body)
        .map_err(|_| ScimError::invalid(Kind::Syntax, "the body is no JSON"))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(ScimError::invalid(
            Kind::Syntax,
            "the body must be a JSON object",
        ))
    }
}

/// The version that `If-Match` asks for; `*` asks for any.
fn expected(call: &Call) -> Result<Option<u64>, ScimError> {
    let Some(asked) = call.headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = asked.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let inner = text.trim_start_matches("W/").trim_matches('"');
    inner.parse().map(Some).map_err(|_| {
        ScimError::new(
            StatusCode::PRECONDITION_FAILED,
            "If-Match is none of our versions; read it again",
        )
    })
}

fn read_one(resource: &Value, version: u64, call: &Call) -> Response {
    let known = call
        .headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| {
        known
            .split(',')
            .any(|one| one.trim() == resources::etag(version))
    }) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    one(StatusCode::OK, resource, call)
}

fn one(status: StatusCode, resource: &Value, call: &Call) -> Response {
    let mut response = json_of(status, &chosen(resource, &call.asked));
    let meta = |name: &str| {
        resource
            .pointer(&format!("/meta/{name}"))
            .and_then(Value::as_str)
    };
    for (name, value) in [
        (header::ETAG, meta("version")),
        (header::LOCATION, meta("location")),
    ] {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn json_of(status: StatusCode, value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/scim+json")];
    (status, kind, value.to_string()).into_response()
}

/// One of a short list by id, or all of it.
fn listed(all: Vec<Value>, which: &[&str], call: &Call) -> Result<Response, ScimError> {
    match which {
        [] => list(all.into_iter(), call),
        [id] => {
            let found = all
                .iter()
                .find(|one| one["id"] == *id)
                .ok_or_else(not_there)?;
            Ok(json_of(StatusCode::OK, found))
        }
        _ => Err(not_there()),
    }
}

fn list(all: impl Iterator<Item = Value>, call: &Call) -> Result<Response, ScimError> {
    let filter = call.asked.filter.as_deref().map(filter::parse).transpose();
    let filter = filter.map_err(|why| ScimError::invalid(Kind::Filter, why))?;
    let found: Vec<Value> = all
        .filter(|one| filter.as_ref().is_none_or(|filter| filter.fits(one)))
        .collect();
    let start = usize::try_from(call.asked.start.unwrap_or(1).max(1)).unwrap_or(1);
    let count = usize::try_from(call.asked.count.unwrap_or(100).max(0)).unwrap_or(0);
    let total = found.len();
    let page: Vec<Value> = found
        .iter()
        .skip(start - 1)
        .take(count.min(discovery::MOST))
        .map(|one| chosen(one, &call.asked))
        .collect();
    Ok(json_of(
        StatusCode::OK,
        &json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total, "startIndex": start, "itemsPerPage": page.len(), "Resources": page,
        }),
    ))
}

/// The resource with the attributes that were asked for (RFC 7644, 3.9).
fn chosen(resource: &Value, asked: &Asked) -> Value {
    let names = |text: &Option<String>| -> Option<Vec<String>> {
        let all = text.as_ref()?.split(',');
        Some(
            all.map(|one| {
                one.trim()
                    .split('.')
                    .next()
                    .unwrap_or_default()
                    .to_lowercase()
            })
            .collect(),
        )
    };
    let (only, without) = (names(&asked.attributes), names(&asked.without));
    let Some(members) = resource.as_object() else {
        return resource.clone();
    };
    let keep = |name: &str| {
        let name = name.to_lowercase();
        ["id", "schemas", "meta"].contains(&name.as_str())
            || (only.as_ref().is_none_or(|only| only.contains(&name))
                && !without
                    .as_ref()
                    .is_some_and(|without| without.contains(&name)))
    };
    members
        .iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
