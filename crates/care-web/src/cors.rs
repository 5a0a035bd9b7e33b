//! CORS: pages of registered apps may call the FHIR API and the token address from their own origins, with a
//! bearer token and never with cookies. What says how to get a token may be read from any origin, as SMART
//! asks; nothing else. Without apps there is no CORS.
//!
//! Source: Fetch standard, section 3.2; SMART App Launch 2.2, "Considerations for Cross-Origin Resource Sharing".

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::state::Shared;

const METHODS: &str = "GET, HEAD, POST";
const ASKED_HEADERS: &str =
    "authorization, content-type, accept, prefer, if-none-match, if-modified-since, x-request-id";
/// What a page may read of an answer beside its body.
const SHOWN_HEADERS: &str =
    "ETag, Location, Content-Location, Last-Modified, X-Progress, X-Request-Id, Retry-After";
/// Seconds for which a browser need not ask again.
const REMEMBERED: &str = "600";

/// Addresses that pages of apps may call.
fn is_open(path: &str) -> bool {
    path == "/fhir/R4"
        || path.starts_with("/fhir/R4/")
        || [
            "/oauth/token",
            "/oauth/revoke",
            "/oauth/introspect",
            "/oauth/jwks",
            "/.well-known/smart-configuration",
            "/.well-known/openid-configuration",
        ]
        .contains(&path)
}

/// Addresses that are open to anybody, and to the pages of anybody.
fn is_public(path: &str) -> bool {
    [
        "/fhir/R4/metadata",
        "/fhir/R4/.well-known/smart-configuration",
        "/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/oauth/jwks",
    ]
    .contains(&path)
}

/// The middleware.
pub async fn cors(State(state): State<Shared>, request: Request, next: Next) -> Response {
    if !is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let origin = registered(&state, request.headers()).or_else(|| {
        let may = is_public(request.uri().path())
            && !state.config.apps.is_empty()
            && request.headers().contains_key(header::ORIGIN);
        may.then(|| HeaderValue::from_static("*"))
    });
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, asks) {
        (Some(_), true) => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if !state.config.apps.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = origin else {
        return response;
    };
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    if asks {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, ASKED_HEADERS);
        set(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    } else {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN_HEADERS);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response
}

/// The origin of the request, where an app has registered it.
fn registered(state: &Shared, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    state
        .is_app_origin(origin.to_str().ok()?)
        .then(|| origin.clone())
}
