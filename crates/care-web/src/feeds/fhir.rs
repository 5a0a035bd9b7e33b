//! FHIR from systems: `POST /fhir/R4` (transaction, batch), `POST` and `PUT` of a resource. Signed in
//! by SMART Backend Services; everything else is the intake's.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use care_record::{DeliveryOutcome as Outcome, FhirDelivery, FhirFormat, FhirMethod};

use crate::problem::{ApiProblem, Problem};
use crate::signin::Bearer;
use crate::signin::scopes::{Allowed, Interaction};
use crate::state::Shared;

/// `POST /fhir/R4`.
pub async fn base(
    state: State<Shared>,
    who: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    receive(state, who, headers, body, FhirMethod::Post, String::new()).await
}

/// `POST /fhir/R4/{type}`.
pub async fn create(
    state: State<Shared>,
    Path(kind): Path<String>,
    who: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    receive(state, who, headers, body, FhirMethod::Post, kind).await
}

/// `PUT /fhir/R4/{type}/{id}`.
pub async fn update(
    state: State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    who: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    receive(
        state,
        who,
        headers,
        body,
        FhirMethod::Put,
        format!("{kind}/{id}"),
    )
    .await
}

async fn receive(
    State(state): State<Shared>,
    who: Bearer,
    headers: HeaderMap,
    body: Bytes,
    method: FhirMethod,
    path: String,
) -> Result<Response, ApiProblem> {
    let may_send = may_send(&who, method, &path);
    let Bearer::System {
        client,
        organisation,
        ..
    } = who
    else {
        return Err(Problem::forbidden(
            "Only sources may send here",
            "Connect Care is read-only for people. Correct the entry in the system it came from.",
        )
        .into());
    };
    if !may_send {
        return Err(Problem::forbidden(
            "The token does not allow this",
            "Ask for the scope system/*.cu, or for one of the type that is sent.",
        )
        .into());
    }
    let format = format_of(&headers)?;
    let request_id = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let intake = state.record.intake();
    let answer = crate::blocking(move || {
        intake.receive_fhir(&FhirDelivery {
            client: &client,
            source: &organisation,
            method,
            path: &path,
            body: &body,
            format,
            request_id: request_id.as_deref(),
        })
    })
    .await?;
    state.metrics.count(
        "fhir_deliveries_total",
        format!("outcome=\"{}\"", answer.outcome.code()),
    );
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
    let mut response = (status, kind, answer.body).into_response();
    if let Some(location) = answer.location.and_then(|location| {
        HeaderValue::from_str(&format!(
            "{}/fhir/R4/{location}",
            state.config.server.base_url
        ))
        .ok()
    }) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if answer.outcome == Outcome::Transient {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    Ok(response)
}

/// What the scopes must hold: for a Bundle both ways of writing on every type, else the one on its type.
fn may_send(who: &Bearer, method: FhirMethod, path: &str) -> bool {
    let interaction = match method {
        FhirMethod::Post => Interaction::Create,
        FhirMethod::Put => Interaction::Update,
    };
    let kind = path.split('/').next().unwrap_or_default();
    match ResourceType::from_name(kind) {
        Some(kind) => who.allows(kind, interaction) == Allowed::Yes,
        None => [Interaction::Create, Interaction::Update]
            .iter()
            .all(|one| who.scopes().allow_every(who.context(), *one)),
    }
}

fn format_of(headers: &HeaderMap) -> Result<FhirFormat, ApiProblem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let plain = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match plain.as_str() {
        "application/fhir+json" | "application/json" => Ok(FhirFormat::Json),
        "application/fhir+xml" | "application/xml" | "text/xml" => Ok(FhirFormat::Xml),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-supported",
            "This kind of body is not read",
            "Send Content-Type application/fhir+json or application/fhir+xml.",
        )
        .into()),
    }
}
