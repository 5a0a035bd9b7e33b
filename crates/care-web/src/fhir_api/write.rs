//! Sources write: create, update, patch and delete, plain and conditional. Persons never do.
//!
//! What is written and under which conditions is the intake's; here a request becomes a [`RestWrite`]
//! and what became of it an answer. Source: FHIR R4 section 3.1.0.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{patch, post, put};
use care_core::fhir::{Json, Limits, ResourceType, xml};
use care_record::{
    DeliveryOutcome, Picked, PickedWords, RestAnswer, RestMethod, RestRefusal, RestRequest,
    RestWrite, SupplyCaller, Written,
};

use super::answer::{Prefer, Returns, fhir_json, set_version};
use super::asker::{Asker, unread_scope};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// The longest single resource, in bytes. A Bundle may be as long as the server takes.
pub const LONGEST_RESOURCE_BYTES: usize = 16 << 20;

/// The addresses that are written to.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/fhir/R4", post(super::batch::base))
        .route("/fhir/R4/", post(super::batch::base))
        .route(
            "/fhir/R4/{type}",
            post(at_type).put(at_type).patch(at_type).delete(at_type),
        )
        .route(
            "/fhir/R4/{type}/{id}",
            put(at_id).merge(patch(at_id)).delete(at_id),
        )
}

/// One request, out of its address, headers and body.
pub(super) struct Asked<'a> {
    pub method: RestMethod,
    pub kind: ResourceType,
    pub id: Option<String>,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

#[allow(
    clippy::too_many_arguments,
    reason = "each is a part of the request that axum takes out"
)]
async fn at_type(
    State(state): State<Shared>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    asker: Asker,
    prefer: Prefer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let query = criteria(query.as_deref());
    let method = method_of(&method);
    if query.is_none() && method != RestMethod::Create {
        return Err(Problem::invalid(
            "The address names no resource",
            "Add the id to the address, or the criteria of a conditional write: PUT Patient?identifier=system|value.",
        )
        .into());
    }
    let asked = Asked {
        method,
        kind: type_of(&kind)?,
        id: None,
        query: query.as_deref(),
        headers: &headers,
    };
    one(&state, &asker, prefer, asked, body).await
}

async fn at_id(
    State(state): State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    method: Method,
    asker: Asker,
    prefer: Prefer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let is_id = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if !is_id {
        return Err(Problem::invalid(
            "This is no id as FHIR has them",
            "Ids are 1 to 64 letters, digits, dashes and dots.",
        )
        .into());
    }
    let asked = Asked {
        method: method_of(&method),
        kind: type_of(&kind)?,
        id: Some(id),
        query: None,
        headers: &headers,
    };
    one(&state, &asker, prefer, asked, body).await
}

fn method_of(method: &Method) -> RestMethod {
    match *method {
        Method::PUT => RestMethod::Update,
        Method::PATCH => RestMethod::Patch,
        Method::DELETE => RestMethod::Delete,
        _ => RestMethod::Create,
    }
}

pub(super) fn type_of(name: &str) -> Result<ResourceType, ApiProblem> {
    ResourceType::from_name(name).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-supported",
            "R4 has no resource of this type",
            "Check the spelling; types begin with a capital letter.",
        )
        .into()
    })
}

/// The criteria of a conditional write: the query without what is about the answer.
fn criteria(query: Option<&str>) -> Option<String> {
    let kept: Vec<&str> = query?
        .split('&')
        .filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !part.is_empty() && !matches!(name, "_format" | "_pretty" | "_summary" | "_elements")
        })
        .collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// Whether a token may write so, and what its scopes narrow the write to.
///
/// Errors: 403.
pub(super) fn may_write(
    state: &Shared,
    asker: &Asker,
    kind: ResourceType,
    method: RestMethod,
) -> Result<Option<Picked>, ApiProblem> {
    asker.source()?;
    if !super::table::is_written(kind) {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "not-supported",
            "This type is not written to",
            "It is made by the record itself and can only be read.",
        )
        .into());
    }
    let interaction = match method {
        RestMethod::Create => Interaction::Create,
        RestMethod::Update | RestMethod::Patch => Interaction::Update,
        RestMethod::Delete => Interaction::Delete,
    };
    let within = asker.may(kind, interaction)?;
    if within.is_everything() {
        return Ok(None);
    }
    let words = PickedWords {
        types: None,
        groups: vec![(kind.name().to_owned(), within.queries().to_vec())],
    };
    let base = state.fhir_base();
    let parameters = state.record.search_parameters().all();
    match Picked::read(&words, &base, &parameters) {
        Ok(picked) => Ok(Some(picked)),
        Err(_) => Err(unread_scope().into()),
    }
}

async fn one(
    state: &Shared,
    asker: &Asker,
    prefer: Prefer,
    asked: Asked<'_>,
    bytes: Bytes,
) -> Result<Response, ApiProblem> {
    let within = may_write(state, asker, asked.kind, asked.method)?;
    if bytes.len() > LONGEST_RESOURCE_BYTES {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-long",
            "The resource is too long",
            format!(
                "One resource may have {} MB. Send documents as Binary in parts, or by a link.",
                LONGEST_RESOURCE_BYTES >> 20
            ),
        )
        .into());
    }
    let form = match asked.method {
        RestMethod::Delete => None,
        RestMethod::Patch => Some(form_of_patch(asked.headers)?),
        RestMethod::Create | RestMethod::Update => Some(form_of(asked.headers)?),
    };
    let mut write = RestWrite {
        method: asked.method,
        resource_type: asked.kind,
        id: asked.id.clone(),
        criteria: asked.query.map(str::to_owned),
        if_match: text(asked.headers, &header::IF_MATCH),
        if_none_match: text(asked.headers, &header::IF_NONE_MATCH),
        if_none_exist: text(asked.headers, &IF_NONE_EXIST)
            .map(|text| text.trim_start_matches('?').to_owned()),
        body: None,
        full_url: None,
        entry: None,
        within,
    };
    let asked_for = format!(
        "{:?} {}/{} {:?} {:?} {:?} {:?}",
        write.method,
        write.resource_type,
        write.id.as_deref().unwrap_or_default(),
        write.criteria,
        write.if_match,
        write.if_none_match,
        write.if_none_exist
    );
    let request_id = text(asked.headers, &REQUEST_ID);
    let kind = format!("{} {}", verb(asked.method), asked.kind);
    let answer = {
        let (state, caller) = (state.clone(), asker.source()?.clone());
        crate::blocking(move || -> Result<RestAnswer, Problem> {
            if let Some(form) = form {
                write.body = Some(read(&bytes, form)?);
            }
            Ok(perform(
                &state,
                &caller,
                Performed {
                    writes: vec![write],
                    kind: &kind,
                    asked: &asked_for,
                    bytes: &bytes,
                    request_id: request_id.as_deref(),
                },
            ))
        })
        .await??
    };
    count(state, answer.outcome);
    Ok(match answer.result {
        Ok(written) => match written.into_iter().next() {
            Some(one) => done(state, prefer, asked.method, one),
            None => Problem::unavailable("a write without an answer").outcome(),
        },
        Err(refusal) => refused(refusal),
    })
}

pub(super) const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn verb(method: RestMethod) -> &'static str {
    match method {
        RestMethod::Create => "POST",
        RestMethod::Update => "PUT",
        RestMethod::Patch => "PATCH",
        RestMethod::Delete => "DELETE",
    }
}

/// The writes of one request, and what it came in.
pub(super) struct Performed<'a> {
    pub writes: Vec<RestWrite>,
    pub kind: &'a str,
    pub asked: &'a str,
    pub bytes: &'a [u8],
    pub request_id: Option<&'a str>,
}

/// Hands writes to the intake. Blocks.
pub(super) fn perform(
    state: &Shared,
    caller: &SupplyCaller,
    performed: Performed<'_>,
) -> RestAnswer {
    let base = state.fhir_base();
    state.record.intake().receive_rest(&RestRequest {
        client: &caller.client,
        source: &caller.source,
        base: &base,
        request_id: performed.request_id,
        kind: performed.kind,
        asked: performed.asked,
        bytes: performed.bytes,
        writes: performed.writes,
    })
}

pub(super) fn count(state: &Shared, outcome: DeliveryOutcome) {
    state.metrics.count(
        "fhir_deliveries_total",
        format!("outcome=\"{}\"", outcome.code()),
    );
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml,
}

fn media_type(headers: &HeaderMap) -> String {
    let kind = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let plain = kind.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

pub(super) fn form_of(headers: &HeaderMap) -> Result<Form, Problem> {
    match media_type(headers).as_str() {
        "application/fhir+json" | "application/json" => Ok(Form::Json),
        "application/fhir+xml" | "application/xml" | "text/xml" => Ok(Form::Xml),
        _ => Err(not_read(
            "Send Content-Type application/fhir+json or application/fhir+xml.",
        )),
    }
}

fn form_of_patch(headers: &HeaderMap) -> Result<Form, Problem> {
    match media_type(headers).as_str() {
        "application/json-patch+json" | "application/fhir+json" | "application/json" => {
            Ok(Form::Json)
        }
        "application/fhir+xml" | "application/xml" => Ok(Form::Xml),
        _ => Err(not_read(
            "Send a JSON Patch as application/json-patch+json, or a Parameters resource with FHIRPath \
             Patch as application/fhir+json or application/fhir+xml.",
        )),
    }
}

fn not_read(how: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-supported",
        "This kind of body is not read",
        how,
    )
}

pub(super) fn read(bytes: &[u8], form: Form) -> Result<Json, Problem> {
    let broken = |error: String| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "structure",
            error,
            "Nothing was written.",
        )
    };
    match form {
        Form::Json => {
            Json::parse(bytes, Limits::default()).map_err(|error| broken(error.to_string()))
        }
        Form::Xml => {
            xml::parse(bytes, Limits::default()).map_err(|error| broken(error.to_string()))
        }
    }
}

fn done(state: &Shared, prefer: Prefer, method: RestMethod, one: Written) -> Response {
    let status = StatusCode::from_u16(one.status).unwrap_or(StatusCode::OK);
    let mut response = match (prefer.returns, method) {
        (Some(Returns::OperationOutcome), RestMethod::Delete) => {
            (StatusCode::OK, fhir_json(one.outcome.to_string())).into_response()
        }
        (_, RestMethod::Delete) => StatusCode::NO_CONTENT.into_response(),
        (Some(Returns::Minimal), _) => status.into_response(),
        (Some(Returns::OperationOutcome), _) => {
            (status, fhir_json(one.outcome.to_string())).into_response()
        }
        (Some(Returns::Representation) | None, _) => {
            (status, fhir_json(one.body.clone().unwrap_or_default())).into_response()
        }
    };
    let headers = response.headers_mut();
    if let Some(version) = one.version {
        set_version(headers, version, one.updated_at);
    }
    if let Some(location) = location(&one) {
        let base = &state.config.server.base_url;
        if let Ok(value) = HeaderValue::from_str(&format!("{base}/fhir/R4/{location}"))
            && method != RestMethod::Delete
        {
            headers.insert(header::LOCATION, value);
        }
    }
    response
}

/// Where a version is read, relative to the base.
pub(super) fn location(one: &Written) -> Option<String> {
    let id = one.id.as_ref()?;
    Some(match one.version {
        Some(version) => format!("{}/{id}/_history/{version}", one.resource_type),
        None => format!("{}/{id}", one.resource_type),
    })
}

pub(super) fn refused(refusal: RestRefusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, fhir_json(refusal.outcome.to_string())).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
