//! Bundles that are posted to the base: the feeds' own, transactions and batches.
//!
//! A Bundle of plain resources from a source that may write anything goes the feeds' road whole. Of any
//! other, a transaction's writes go to the intake as one, and its reads come after; a batch's entries are
//! requests of their own, in FHIR's order. Reads go through the same addresses as if they had been asked
//! one by one, so they show what they would show then.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::{RequestExt, Router};
use care_core::fhir::{Json, Limits};
use care_record::{
    BaseAnswer, BundleEntry, BundleKind, EntryMethod, FhirDelivery, FhirFormat, FhirMethod,
    RestRefusal, RestWrite, Written, read_bundle,
};
use jiff::fmt::rfc2822;
use tower::ServiceExt;

use super::answer::{self, Prefer, Returns, fhir_json};
use super::asker::Asker;
use super::write::{
    Form, IF_NONE_EXIST, Performed, REQUEST_ID, count, form_of, location, may_write, perform, read,
    refused, text,
};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// `POST /fhir/R4`.
pub async fn base(
    State(state): State<Shared>,
    asker: Asker,
    prefer: Prefer,
    request: Request<Body>,
) -> Result<Response, ApiProblem> {
    let (parts, body) = request.with_limited_body().into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-long",
            "The body is too long",
            "Send several smaller Bundles.",
        )
    })?;
    let form = form_of(&parts.headers)?;
    let bundle = if may_send_anything(&asker) {
        match feed(&state, &asker, &parts, &bytes, form).await? {
            Ok(response) => return Ok(response),
            Err(bundle) => bundle,
        }
    } else {
        let bytes = bytes.clone();
        crate::blocking(move || read(&bytes, form)).await??
    };
    let api = state.fhir_base();
    let bundle = match read_bundle(bundle, &api) {
        Ok(bundle) => bundle,
        Err(refusal) => return Ok(refused(refusal)),
    };
    let asked = AskedBundle {
        state: &state,
        asker: &asker,
        prefer,
        headers: &parts.headers,
        extensions: &parts.extensions,
        bytes,
    };
    match bundle.kind {
        BundleKind::Transaction => asked.transaction(bundle.entries).await,
        BundleKind::Batch => asked.batch(bundle.entries).await,
    }
}

fn may_send_anything(asker: &Asker) -> bool {
    let context = asker.bearer().context();
    asker.source().is_ok()
        && [Interaction::Create, Interaction::Update]
            .iter()
            .all(|one| asker.scopes().allow_every(context, *one))
}

/// The feeds' road; the Bundle back where it holds more than plain resources.
async fn feed(
    state: &Shared,
    asker: &Asker,
    parts: &Parts,
    bytes: &Bytes,
    form: Form,
) -> Result<Result<Response, Json>, ApiProblem> {
    let caller = asker.source()?.clone();
    let request_id = text(&parts.headers, &REQUEST_ID);
    let (intake, bytes) = (state.record.intake(), bytes.clone());
    let answer = crate::blocking(move || {
        intake.receive_base(&FhirDelivery {
            client: &caller.client,
            source: &caller.source,
            method: FhirMethod::Post,
            path: "",
            body: &bytes,
            format: match form {
                Form::Json => FhirFormat::Json,
                Form::Xml => FhirFormat::Xml,
            },
            request_id: request_id.as_deref(),
        })
    })
    .await?;
    let answer = match answer {
        BaseAnswer::Requests(bundle) => return Ok(Err(bundle)),
        BaseAnswer::Answered(answer) => answer,
    };
    count(state, answer.outcome);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, fhir_json(answer.body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    Ok(Ok(response))
}

/// A Bundle of requests and who asked it.
struct AskedBundle<'a> {
    state: &'a Shared,
    asker: &'a Asker,
    prefer: Prefer,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    bytes: Bytes,
}

impl AskedBundle<'_> {
    /// All writes or none, then the reads.
    async fn transaction(&self, entries: Vec<BundleEntry>) -> Result<Response, ApiProblem> {
        let mut responses: Vec<Option<Json>> = entries.iter().map(|_| None).collect();
        let (reads, writes): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.method.reads());
        let writes: Result<Vec<RestWrite>, RestRefusal> =
            writes.into_iter().map(BundleEntry::write).collect();
        let mut writes = match writes {
            Ok(writes) => writes,
            Err(refusal) => return Ok(refused(refusal)),
        };
        if !writes.is_empty() {
            for write in &mut writes {
                write.within =
                    may_write(self.state, self.asker, write.resource_type, write.method)?;
            }
            let places: Vec<usize> = writes.iter().filter_map(|write| write.entry).collect();
            let written = match self.all(writes).await? {
                Ok(written) => written,
                Err(refusal) => return Ok(refused(refusal)),
            };
            for (place, one) in places.into_iter().zip(written) {
                if let Some(response) = responses.get_mut(place) {
                    *response = Some(self.told(one));
                }
            }
        }
        let router = self.router();
        for entry in reads {
            let place = entry.number;
            let response = self.one(&router, entry).await;
            if let Some(held) = responses.get_mut(place) {
                *held = Some(response);
            }
        }
        Ok(bundle("transaction-response", responses))
    }

    async fn all(
        &self,
        writes: Vec<RestWrite>,
    ) -> Result<Result<Vec<Written>, RestRefusal>, ApiProblem> {
        let (state, caller) = (self.state.clone(), self.asker.source()?.clone());
        let (bytes, request_id) = (self.bytes.clone(), text(self.headers, &REQUEST_ID));
        let answer = crate::blocking(move || {
            perform(
                &state,
                &caller,
                Performed {
                    writes,
                    kind: "POST Bundle",
                    asked: "POST",
                    bytes: &bytes,
                    request_id: request_id.as_deref(),
                },
            )
        })
        .await?;
        count(self.state, answer.outcome);
        Ok(answer.result)
    }

    /// Each entry for itself, in FHIR's order; the answers in the order they were asked.
    async fn batch(&self, mut entries: Vec<BundleEntry>) -> Result<Response, ApiProblem> {
        let mut responses: Vec<Option<Json>> = entries.iter().map(|_| None).collect();
        entries.sort_by_key(|entry| entry.method.min(EntryMethod::Get));
        let router = self.router();
        for entry in entries {
            let place = entry.number;
            let is_operation = entry.url.contains('$') || entry.url.contains("_search");
            let response = if entry.method.reads() || is_operation {
                self.one(&router, entry).await
            } else {
                self.write(entry).await
            };
            if let Some(held) = responses.get_mut(place) {
                *held = Some(response);
            }
        }
        Ok(bundle("batch-response", responses))
    }

    async fn write(&self, entry: BundleEntry) -> Json {
        let number = entry.number;
        let mut write = match entry.write() {
            Ok(write) => write,
            Err(refusal) => return told_refusal(&refusal),
        };
        match may_write(self.state, self.asker, write.resource_type, write.method) {
            Ok(within) => write.within = within,
            Err(problem) => return read_response(problem.into_response(), false).await,
        }
        let bytes = write
            .body
            .as_ref()
            .map(|body| body.to_string().into_bytes());
        let request_id = text(self.headers, &REQUEST_ID).map(|id| format!("{id}#{number}"));
        let asked = format!(
            "{:?} {}/{:?} {:?} {:?} {:?} {:?}",
            write.method,
            write.resource_type,
            write.id,
            write.criteria,
            write.if_match,
            write.if_none_match,
            write.if_none_exist
        );
        let caller = match self.asker.source() {
            Ok(caller) => caller.clone(),
            Err(problem) => return read_response(problem.into_response(), false).await,
        };
        let state = self.state.clone();
        let answer = crate::blocking(move || {
            perform(
                &state,
                &caller,
                Performed {
                    kind: &format!("POST Bundle of {}", write.resource_type),
                    writes: vec![write],
                    asked: &asked,
                    bytes: bytes.as_deref().unwrap_or_default(),
                    request_id: request_id.as_deref(),
                },
            )
        })
        .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(problem) => return read_response(problem.outcome(), false).await,
        };
        count(self.state, answer.outcome);
        match answer.result {
            Ok(written) => written
                .into_iter()
                .next()
                .map_or(Json::Null, |one| self.told(one)),
            Err(refusal) => told_refusal(&refusal),
        }
    }

    /// An entry's response to a write.
    fn told(&self, one: Written) -> Json {
        let status = StatusCode::from_u16(one.status).unwrap_or(StatusCode::OK);
        let has_more = one
            .outcome
            .elements("issue")
            .iter()
            .any(|issue| issue.text_at(&["severity"]) != Some("information"));
        let wants_outcome = self.prefer.returns == Some(Returns::OperationOutcome);
        let response = Json::object([
            ("status", Json::text(status_line(status))),
            ("location", location(&one).into()),
            (
                "etag",
                one.version.map(|version| format!("W/\"{version}\"")).into(),
            ),
            (
                "lastModified",
                one.updated_at.map(|at| format!("{at:.3}")).into(),
            ),
            (
                "outcome",
                if has_more || wants_outcome {
                    one.outcome
                } else {
                    Json::Null
                },
            ),
        ]);
        let resource = one
            .body
            .filter(|_| self.prefer.returns == Some(Returns::Representation))
            .and_then(|body| Json::parse(&body, Limits::default()).ok());
        Json::object([
            ("resource", resource.unwrap_or_default()),
            ("response", response),
        ])
    }

    /// The API's own addresses, for the entries of this Bundle.
    fn router(&self) -> Router {
        super::router()
            .layer(middleware::from_fn(answer::shaped))
            .with_state(self.state.clone())
    }

    /// An entry as a request of its own.
    async fn one(&self, router: &Router, entry: BundleEntry) -> Json {
        let is_head = entry.method == EntryMethod::Head;
        let Some(request) = self.request(entry) else {
            let problem = Problem::invalid(
                "request.url cannot be read",
                "Write it as an address: letters that have another meaning there as %20.",
            );
            return read_response(problem.outcome(), false).await;
        };
        match router.clone().oneshot(request).await {
            Ok(response) => read_response(response, is_head).await,
            Err(never) => match never {},
        }
    }

    fn request(&self, entry: BundleEntry) -> Option<Request<Body>> {
        let method = Method::from_bytes(entry.method.name().as_bytes()).ok()?;
        let url = entry.url.replace(' ', "%20");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/fhir/R4/{url}"))
            .header(header::ACCEPT, "application/fhir+json");
        if let Some(token) = self.headers.get(header::AUTHORIZATION) {
            request = request.header(header::AUTHORIZATION, token);
        }
        for (name, value) in [
            (header::IF_MATCH, entry.if_match),
            (header::IF_NONE_MATCH, entry.if_none_match),
            (header::IF_MODIFIED_SINCE, entry.if_modified_since),
            (IF_NONE_EXIST, entry.if_none_exist),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let body = match entry.resource {
            None => Body::empty(),
            Some(resource) => {
                request = request.header(header::CONTENT_TYPE, "application/fhir+json");
                Body::from(resource.to_string())
            }
        };
        let mut request = request.body(body).ok()?;
        *request.extensions_mut() = self.extensions.clone();
        Some(request)
    }
}

fn told_refusal(refusal: &RestRefusal) -> Json {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Json::object([(
        "response",
        Json::object([
            ("status", Json::text(status_line(status))),
            ("outcome", refusal.outcome.clone()),
        ]),
    )])
}

fn status_line(status: StatusCode) -> String {
    format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    )
    .trim()
    .to_owned()
}

/// An answer as an entry's response.
async fn read_response(response: Response, is_head: bool) -> Json {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let resource = (!is_head && !bytes.is_empty())
        .then(|| Json::parse(&bytes, Limits::default()).ok())
        .flatten();
    let (resource, outcome) = match resource {
        Some(found) if !parts.status.is_success() => (Json::Null, found),
        other => (other.unwrap_or_default(), Json::Null),
    };
    let value = |name: header::HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let modified = value(header::LAST_MODIFIED)
        .and_then(|text| rfc2822::parse(&text).ok())
        .map(|zoned| format!("{:.3}", zoned.timestamp()));
    Json::object([
        ("resource", resource),
        (
            "response",
            Json::object([
                ("status", Json::text(status_line(parts.status))),
                ("location", value(header::LOCATION).into()),
                ("etag", value(header::ETAG).into()),
                ("lastModified", modified.into()),
                ("outcome", outcome),
            ]),
        ),
    ])
}

fn bundle(kind: &'static str, responses: Vec<Option<Json>>) -> Response {
    let entries = responses.into_iter().flatten().collect();
    let body = Json::object([
        ("resourceType", Json::from("Bundle")),
        ("type", Json::from(kind)),
        ("entry", Json::list(entries)),
    ]);
    fhir_json(body.to_string())
}
