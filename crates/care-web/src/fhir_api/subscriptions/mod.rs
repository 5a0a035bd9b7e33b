//! Subscriptions of sources to their own items, as the R5 backport for R4 has them: set, read, asked for
//! their status and events; told by rest-hook or websocket (`engine`).
//!
//! A person's token gets none: whether a person may see a change would have to be asked at each
//! notification, for a purpose that only somebody present can state.
//! Source: HL7 Subscriptions R5 Backport 1.1 for R4.

mod engine;
mod hook;
mod notice;
mod sent;
mod socket;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use care_core::fhir::{Json, ResourceType};
use care_core::vocabulary::SourceCode;
use care_record::{
    NewSubscription, Subscription, SubscriptionError, SubscriptionStatus, Subscriptions,
};
use serde::Deserialize;

use self::notice::Kind;
use self::sent::Sent;
use crate::config::Config;
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::{Allowed, Interaction};
use crate::signin::{Bearer, digest_of, random_text};
use crate::state::{AppState, Shared};

pub use engine::run;

/// The type's name.
pub const TYPE: &str = "Subscription";
/// The one topic: a resource of the source was created, changed or deleted.
pub const TOPIC: &str = "/fhir/R4/SubscriptionTopic/changed";
/// Parameters of a search for subscriptions.
pub const PARAMETERS: [(&str, &str); 4] = [
    ("_id", "token"),
    ("status", "token"),
    ("criteria", "string"),
    ("type", "token"),
];
/// The most events one answer holds.
const MOST_EVENTS: u64 = 100;

/// What of subscriptions runs in this process.
pub struct Channels {
    /// What is kept of them.
    pub(super) kept: Subscriptions,
    hooks: hook::Hooks,
    sockets: socket::Sockets,
    under_way: engine::UnderWay,
}

impl Channels {
    /// Nothing under way yet.
    pub fn new(kept: Subscriptions, config: &Config) -> Result<Self, reqwest::Error> {
        Ok(Self {
            kept,
            hooks: hook::Hooks::new(config)?,
            sockets: socket::Sockets::default(),
            under_way: engine::UnderWay::default(),
        })
    }
}

/// The addresses.
pub fn router() -> Router<Shared> {
    const ONE: &str = "/fhir/R4/Subscription/{id}";
    Router::new()
        .route("/fhir/R4/Subscription", get(search).post(create))
        .route("/fhir/R4/Subscription/_search", post(search_form))
        .route(ONE, get(read).put(update).delete(delete))
        .route(&format!("{ONE}/$status"), get(status).post(status))
        .route(&format!("{ONE}/$events"), get(events).post(events))
        .route(
            &format!("{ONE}/$get-ws-binding-token"),
            get(socket::binding).post(socket::binding),
        )
        .route("/fhir/R4/$websocket", get(socket::open))
}

/// The source that asks, where its scopes allow it.
struct Source {
    client: String,
    source: SourceCode,
}

fn source(who: &Bearer, interaction: Interaction) -> Result<Source, ApiProblem> {
    let Bearer::System {
        client,
        organisation,
        ..
    } = who
    else {
        return Err(Problem::forbidden(
            "Subscriptions are for sources",
            "What a person may see is decided for a purpose, while they are there. Search again instead.",
        )
        .into());
    };
    let kind = ResourceType::from_name(TYPE);
    if kind.is_none_or(|kind| who.allows(kind, interaction) != Allowed::Yes) {
        return Err(Problem::forbidden(
            "The token does not allow this",
            "Ask for a scope on Subscription, such as system/Subscription.cruds.",
        )
        .into());
    }
    Ok(Source {
        client: client.clone(),
        source: organisation.clone(),
    })
}

fn problem(error: SubscriptionError) -> Problem {
    match error {
        SubscriptionError::NotThere => Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such subscription",
            "It is not there, or another client made it. Search Subscription for your own.",
        ),
        SubscriptionError::TooMany => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-costly",
            "There are too many subscriptions",
            "Delete one that is no longer needed, or use one for several codes.",
        ),
        SubscriptionError::Store(cause) => Problem::unavailable(cause),
    }
}

impl AppState {
    fn topic(&self) -> String {
        format!("{}{TOPIC}", self.config.server.base_url)
    }
}

/// The resource as it now is: as it was sent, with its id, version and status.
fn resource(one: &Subscription) -> String {
    let body = Json::parse(one.body.as_bytes(), care_core::fhir::Limits::default());
    let mut body = body.unwrap_or_default();
    let meta = Json::object([
        ("versionId", Json::text(one.version.to_string())),
        ("lastUpdated", Json::text(one.changed_at.to_string())),
    ]);
    body.set("id", Json::text(&one.id));
    body.set("meta", meta);
    body.set("status", Json::text(one.status.code()));
    if !one.error.is_empty() {
        body.set("error", Json::text(&one.error));
    }
    body.to_string()
}

fn answer(state: &AppState, status: StatusCode, one: &Subscription) -> Response {
    let place = format!("{}/Subscription/{}", state.fhir_base(), one.id);
    let mut headers = vec![
        (header::CONTENT_TYPE, "application/fhir+json".to_owned()),
        (header::ETAG, format!("W/\"{}\"", one.version)),
    ];
    if status == StatusCode::CREATED {
        headers.push((
            header::LOCATION,
            format!("{place}/_history/{}", one.version),
        ));
    }
    let headers: HeaderMap = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    (status, headers, resource(one)).into_response()
}

async fn create(
    State(state): State<Shared>,
    who: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Create)?;
    let id = digest_of(&random_text()?);
    let id = id.get(..32).unwrap_or(&id).to_owned();
    let kept = keep(&state, source, id, &headers, &body, None).await?;
    Ok(answer(&state, StatusCode::CREATED, &kept))
}

async fn update(
    State(state): State<Shared>,
    Path(id): Path<String>,
    who: Bearer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Update)?;
    let held = held(&state, &source.client, &id).await?;
    let kept = keep(&state, source, id, &headers, &body, Some(held.version)).await?;
    Ok(answer(&state, StatusCode::OK, &kept))
}

async fn held(state: &Shared, client: &str, id: &str) -> Result<Subscription, ApiProblem> {
    let (kept, client, id) = (
        state.channels.kept.clone(),
        client.to_owned(),
        id.to_owned(),
    );
    let found = crate::blocking(move || kept.get(&client, &id)).await?;
    Ok(found.map_err(problem)?)
}

async fn keep(
    state: &Shared,
    source: Source,
    id: String,
    headers: &HeaderMap,
    body: &[u8],
    version: Option<u32>,
) -> Result<Subscription, ApiProblem> {
    let expected = headers
        .get(header::IF_MATCH)
        .and_then(|value| value.to_str().ok());
    let expected = expected.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
    if let (Some(expected), Some(version)) = (expected, version)
        && expected != version.to_string()
    {
        return Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "conflict",
            "The subscription has another version",
            "Read it again, and send If-Match with its version.",
        )
        .into());
    }
    let sent = sent_of(state, body)?;
    state.channels.hooks.may_call(&sent)?;
    let (kept, off) = (state.channels.kept.clone(), sent.off);
    let (criteria, body) = (sent.filter.clone(), sent.body.clone());
    let made = crate::blocking(move || {
        kept.put(&NewSubscription {
            client: &source.client,
            source: &source.source,
            id: &id,
            body,
            criteria,
            off,
        })
    })
    .await?;
    Ok(made.map_err(problem)?)
}

async fn read(
    State(state): State<Shared>,
    Path(id): Path<String>,
    who: Bearer,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Read)?;
    let one = held(&state, &source.client, &id).await?;
    Ok(answer(&state, StatusCode::OK, &one))
}

async fn delete(
    State(state): State<Shared>,
    Path(id): Path<String>,
    who: Bearer,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Delete)?;
    let kept = state.channels.kept.clone();
    let gone = crate::blocking(move || kept.delete(&source.client, &id)).await?;
    gone.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn search_form(
    state: State<Shared>,
    who: Bearer,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let text = String::from_utf8_lossy(&body).into_owned();
    find(state, who, &text).await
}

async fn search(
    state: State<Shared>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
    who: Bearer,
) -> Result<Response, ApiProblem> {
    find(state, who, query.as_deref().unwrap_or_default()).await
}

async fn find(
    State(state): State<Shared>,
    who: Bearer,
    query: &str,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Search)?;
    let kept = state.channels.kept.clone();
    let all = crate::blocking(move || kept.of(&source.client)).await?;
    let mut all = all.map_err(problem)?;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let code = value.rsplit('|').next().unwrap_or_default().to_owned();
        match name.as_ref() {
            "_id" => all.retain(|one| one.id == code),
            "status" => all.retain(|one| one.status.code() == code),
            "criteria" => all.retain(|one| one.criteria.starts_with(value.as_ref())),
            "type" => {
                let websocket = code == "websocket";
                all.retain(|one| one.body.contains("\"websocket\"") == websocket);
            }
            "_format" | "_pretty" | "_count" | "_summary" | "_elements" | "_total" => {}
            _ => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "not-supported",
                    "Subscriptions are not searched by this",
                    "Use _id, status, criteria or type.",
                )
                .into());
            }
        }
    }
    let base = state.fhir_base();
    let entries: Vec<String> = all
        .iter()
        .map(|one| {
            format!(
                "{{\"fullUrl\":\"{base}/Subscription/{}\",\"resource\":{},\"search\":{{\"mode\":\"match\"}}}}",
                one.id,
                resource(one)
            )
        })
        .collect();
    let link = serde_json::json!([{ "relation": "self", "url": format!("{base}/Subscription") }]);
    let entries = match entries.as_slice() {
        [] => String::new(),
        some => format!(",\"entry\":[{}]", some.join(",")),
    };
    let total = all.len();
    Ok(fhir_json(format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{total},\"link\":{link}{entries}}}"
    )))
}

fn fhir_json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/fhir+json")], body).into_response()
}

/// `$status`: how it does.
async fn status(
    State(state): State<Shared>,
    Path(id): Path<String>,
    who: Bearer,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Read)?;
    let one = held(&state, &source.client, &id).await?;
    let status = notice::status(
        &state.fhir_base(),
        &state.topic(),
        &one,
        Kind::QueryStatus,
        &[],
    );
    let base = state.fhir_base();
    Ok(fhir_json(format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":1,\"link\":[{{\"relation\":\"self\",\"url\":\"{base}/Subscription/{}/$status\"}}],\"entry\":[{{\"resource\":{status},\"search\":{{\"mode\":\"match\"}}}}]}}",
        one.id
    )))
}

/// What `$events` asks.
#[derive(Deserialize)]
struct EventsAsked {
    #[serde(rename = "eventsSinceNumber")]
    since: Option<String>,
    #[serde(rename = "eventsUntilNumber")]
    until: Option<String>,
    content: Option<String>,
}

/// `$events`: what was found, once more.
async fn events(
    State(state): State<Shared>,
    Path(id): Path<String>,
    Query(asked): Query<EventsAsked>,
    who: Bearer,
) -> Result<Response, ApiProblem> {
    let source = source(&who, Interaction::Read)?;
    let one = held(&state, &source.client, &id).await?;
    let number = |text: &Option<String>, otherwise: u64| match text.as_deref() {
        None | Some("") => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| {
            Problem::invalid(
                "eventsSinceNumber and eventsUntilNumber are whole numbers",
                "Leave them out to get the first events that are kept.",
            )
        }),
    };
    let first = number(&asked.since, 1)?.max(1);
    let last = number(&asked.until, one.queued)?.min(first.saturating_add(MOST_EVENTS - 1));
    let sent = sent_of(&state, one.body.as_bytes())?;
    let content = match asked.content.as_deref() {
        None => sent.content,
        Some(code) => sent::Content::from_code(code).ok_or_else(|| {
            Problem::invalid(
                "This content is none of $events",
                "content is empty, id-only or full-resource.",
            )
        })?,
    };
    let found = engine::readable(&state, &one, (first, last), content).await?;
    Ok(fhir_json(notice::bundle(
        &state.fhir_base(),
        &state.topic(),
        &one,
        Kind::QueryEvent,
        &found,
        content,
    )))
}

/// What was sent, read.
fn sent_of(state: &Shared, bytes: &[u8]) -> Result<Sent, Problem> {
    let parameters = state.record.search_parameters().all();
    Sent::read(bytes, &state.topic(), &state.fhir_base(), &parameters)
}

/// Whether anything is told at all.
fn is_on(one: &Subscription) -> bool {
    one.status != SubscriptionStatus::Off
}
