//! Refuses a form that another site sent, before any handler sees it.
//!
//! Two checks, either of which would do: what the browser says of where the request began
//! (`Sec-Fetch-Site`, `Origin`), and the session's own secret in the form's field `csrf`.
//! Addresses of systems (`/fhir`, `/oauth`) take no cookie, so they need neither.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use care_record::LARGEST_DOCUMENT_BYTES;

use super::choosing;
use crate::problem::Problem;
use crate::state::Shared;

/// The middleware.
pub async fn guard(State(state): State<Shared>, request: Request, next: Next) -> Response {
    // Another system sends a launch token from its own pages, and it takes none of our cookies.
    let launch = request.uri().path() == "/staff/launch";
    let safe = launch || [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if safe || is_for_systems(request.uri().path()) {
        return next.run(request).await;
    }
    match check(&state, request).await {
        Ok(request) => next.run(request).await,
        Err(response) => response,
    }
}

fn is_for_systems(path: &str) -> bool {
    [
        "/fhir/",
        "/oauth/",
        "/scim/",
        "/demo-host/token",
        "/demo-identity/token",
        "/demo-identity/userinfo",
    ]
    .iter()
    .any(|begin| path.starts_with(begin))
}

async fn check(state: &Shared, request: Request) -> Result<Request, Response> {
    if !began_here(request.headers(), &state.config.server.base_url) {
        return Err(foreign().page());
    }
    // The demonstration's provider knows no sessions: its form carries the sign-in it belongs to. Whoever
    // orders a leaflet uses no right of theirs.
    let path = request.uri().path();
    if path.starts_with("/demo-identity/")
        || path.starts_with("/demo-host/")
        || path.starts_with("/leaflet/order/")
    {
        return Ok(request);
    }
    let session = state
        .session(request.headers())
        .await
        .map_err(Problem::page)?;
    let locked = match &session {
        Some(_) => None,
        None => state
            .locked(request.headers())
            .await
            .map_err(Problem::page)?,
    };
    let secret = match (&session, &locked) {
        (Some(session), _) => session.csrf.clone(),
        (None, Some(locked)) => locked.csrf.clone(),
        (None, None) => choosing::secret(state, request.headers())
            .ok_or_else(|| Redirect::to("/staff/login").into_response())?,
    };
    let (parts, body) = request.into_parts();
    let with_file = brings_a_file(&parts);
    let most = if with_file {
        LARGEST_DOCUMENT_BYTES + BESIDE_A_FILE_BYTES
    } else {
        state.config.server.max_form_bytes
    };
    let body = axum::body::to_bytes(body, most)
        .await
        .map_err(|_| too_long().page())?;
    let sent = if with_file {
        part_of_form(&body, "csrf")
    } else {
        form_urlencoded::parse(&body)
            .find(|(name, _)| name == "csrf")
            .map(|(_, value)| value.into_owned())
    };
    if !sent.is_some_and(|value| same(value.as_bytes(), secret.as_bytes())) {
        return Err(foreign().page());
    }
    let path = parts.uri.path();
    if let Some(locked) = locked {
        let id = state
            .keep_form(&locked.user.id, path, &body)
            .map_err(Problem::page)?;
        let back = format!("/staff/login?next=/staff/kept/{id}");
        return Err(crate::components::see_other(&back));
    }
    let unconfirmed = |session: &super::Session| {
        state.must_confirm(session, path) && !state.was_confirmed(session, path, &body)
    };
    if let Some(session) = session.filter(unconfirmed) {
        let id = state
            .keep_form(&session.user.id, path, &body)
            .map_err(Problem::page)?;
        return Err(crate::components::see_other(&format!(
            "/staff/step-up/{id}"
        )));
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// Room for the other fields of a form that brings a file.
const BESIDE_A_FILE_BYTES: usize = 16 * 1024;

/// Whether the request brings a file: only where a page takes one.
fn brings_a_file(parts: &axum::http::request::Parts) -> bool {
    let path = parts.uri.path();
    let takes_one = path.starts_with("/ig/choices/") && path.ends_with("/paper");
    let kind = parts.headers.get(axum::http::header::CONTENT_TYPE);
    takes_one
        && kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// The value of a field that stands before the file in a form with a file.
fn part_of_form(body: &[u8], name: &str) -> Option<String> {
    let head = body.get(..body.len().min(BESIDE_A_FILE_BYTES))?;
    let text = String::from_utf8_lossy(head);
    let (_, rest) = text.split_once(&format!("name=\"{name}\"\r\n\r\n"))?;
    let (value, _) = rest.split_once("\r\n")?;
    Some(value.to_owned())
}

/// Whether the browser says the request began on our own pages. A client that says nothing is left
/// to the second check.
fn began_here(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    text("origin").is_none_or(|origin| origin == base_url)
}

/// Equal, in a time that does not tell how much of it is equal.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |sum, (one, other)| sum | (one ^ other))
            == 0
}

fn foreign() -> Problem {
    Problem::forbidden(
        "This form could not be accepted",
        "It was not sent from a page of your present session. Go back, load the page again, and send the form from there.",
    )
}

fn too_long() -> Problem {
    Problem::new(
        axum::http::StatusCode::PAYLOAD_TOO_LARGE,
        "too-long",
        "This form is too long",
        "Shorten what you wrote and send it again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_secret_of_a_form_with_a_file_stands_before_the_file() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nsecret\r\n--x\r\n\
            Content-Disposition: form-data; name=\"paper\"; filename=\"f\"\r\n\r\n%PDF-\r\n--x--\r\n";
        assert_eq!(part_of_form(body, "csrf").as_deref(), Some("secret"));
        assert_eq!(part_of_form(body, "other"), None);
        assert_eq!(part_of_form(b"", "csrf"), None);
    }

    #[test]
    fn a_form_that_began_on_another_site_is_refused() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| {
                    (
                        axum::http::HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect();
            began_here(&headers, "https://care.example.org")
        };
        assert!(check(&[]));
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(check(&[("origin", "https://care.example.org")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(!check(&[("origin", "https://evil.example.org")]));
        assert!(!check(&[("origin", "null")]));
        assert!(!check(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://care.example.org")
        ]));
    }
}
