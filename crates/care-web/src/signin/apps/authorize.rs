//! `/oauth/authorize`: an app asks to read for somebody. What can be refused at once is refused here; the
//! rest waits ten minutes, under an address of its own, for the person's answer.
//!
//! A client or a return address that is not registered is told on our page and never sent on to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::App;
use super::client::Fields;
use crate::components::see_other;
use crate::config::UsedBy;
use crate::problem::Problem;
use crate::signin::scopes::Scopes;
use crate::signin::tokens::audience;
use crate::signin::{digest_of, random_text};
use crate::state::{AppState, Shared};

const MINUTES: i64 = 10;
const AT_MOST: usize = 10_000;

/// What an app asks, checked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub app: String,
    pub redirect_uri: String,
    pub scopes: Scopes,
    pub state: String,
    pub nonce: String,
    pub challenge: String,
    /// The user who opened the app from here.
    pub opened_by: Option<String>,
    until: Timestamp,
}

/// Requests that wait for an answer, by a digest of their address.
#[derive(Default)]
pub(super) struct Asks(Mutex<HashMap<String, Ask>>);

impl Asks {
    fn put(&self, key: String, ask: Ask, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, one| one.until > now);
        if all.len() < AT_MOST {
            all.insert(key, ask);
        }
    }

    pub fn get(&self, id: &str, now: Timestamp) -> Option<Ask> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(&digest_of(id)).cloned();
        found.filter(|one| one.until > now)
    }

    /// Each is answered once.
    pub fn take(&self, id: &str, now: Timestamp) -> Option<Ask> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&digest_of(id)).filter(|one| one.until > now)
    }
}

/// `GET /oauth/authorize`.
pub async fn get(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    begin(&state, query.unwrap_or_default().as_bytes())
}

/// `POST /oauth/authorize`: the same in a form.
pub async fn post(State(state): State<Shared>, body: Bytes) -> Result<Response, Problem> {
    begin(&state, &body)
}

fn begin(state: &Shared, query: &[u8]) -> Result<Response, Problem> {
    let unusable = |why: &str| Problem::invalid("This app cannot be connected", why);
    let fields = Fields::read(query)
        .map_err(|_| unusable("Its request has a part twice. Tell the people who run the app."))?;
    let app = state
        .signin
        .apps
        .get(fields.get("client_id"))
        .ok_or_else(|| {
            unusable("Connect Care does not know it. Tell the people who run the app.")
        })?;
    let redirect = fields.get("redirect_uri");
    if !app.entry.redirect_uris.iter().any(|one| one == redirect) {
        return Err(unusable(
            "It asks to send you to an address that is not registered for it. Tell the people who run the app.",
        ));
    }
    match check(state, app, &fields) {
        Ok(ask) => {
            let id = random_text()?;
            state
                .signin
                .apps
                .asks
                .put(digest_of(&id), ask, state.clock.now());
            Ok(see_other(&format!("/apps/allow/{id}")))
        }
        Err((error, why)) => Ok(back(
            state,
            redirect,
            fields.get("state"),
            &[("error", error), ("error_description", why)],
        )),
    }
}

/// Sends a browser back to the app. The issuer is named, so that no other can answer in our place
/// (RFC 9207).
pub(super) fn back(
    state: &AppState,
    redirect: &str,
    app_state: &str,
    answer: &[(&str, &str)],
) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer);
    if !app_state.is_empty() {
        query.append_pair("state", app_state);
    }
    query.append_pair("iss", &state.config.server.base_url);
    let join = if redirect.contains('?') { '&' } else { '?' };
    see_other(&format!("{redirect}{join}{}", query.finish()))
}

fn check(
    state: &AppState,
    app: &App,
    fields: &Fields,
) -> Result<Ask, (&'static str, &'static str)> {
    let invalid = |why| ("invalid_request", why);
    if fields.get("response_type") != "code" {
        return Err(("unsupported_response_type", "use response_type=code"));
    }
    let challenge = fields.get("code_challenge");
    let is_challenge = challenge.len() == 43
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fields.get("code_challenge_method") != "S256" || !is_challenge {
        return Err(invalid(
            "send code_challenge with code_challenge_method=S256 (PKCE)",
        ));
    }
    let app_state = fields.get("state");
    if app_state.is_empty() || app_state.len() > 2000 {
        return Err(invalid("send a state of your own, new for each request"));
    }
    if fields.get("nonce").len() > 500 {
        return Err(invalid("the nonce is too long"));
    }
    let fhir = audience(&state.config);
    if fields.get("aud").trim_end_matches('/') != fhir {
        return Err(invalid("aud must be the address of this FHIR API"));
    }
    if !["", "login", "consent"].contains(&fields.get("prompt")) {
        return Err(("login_required", "somebody must answer; leave prompt out"));
    }
    let mut scopes = app.scopes.grant(&Scopes::read(fields.get("scope")));
    if app.entry.used_by == UsedBy::Staff {
        scopes = scopes.without("offline_access");
    }
    if scopes.spoken().next().is_none() {
        return Err((
            "invalid_scope",
            "none of these scopes lets the app read, or none is registered for it",
        ));
    }
    let launch = fields.get("launch");
    let about_one = scopes.is_about_one_patient()
        || scopes.has("launch/patient")
        || !launch.is_empty() && scopes.has("launch");
    if app.entry.used_by == UsedBy::Staff && !about_one {
        return Err((
            "invalid_scope",
            "staff allow an app to read about one person at a time: ask for launch/patient",
        ));
    }
    let opened_by = match launch {
        "" => None,
        launch => Some(opened(state, app, launch).ok_or_else(|| {
            invalid("this launch is unknown, was used, or is too old; open the app again")
        })?),
    };
    let now = state.clock.now();
    Ok(Ask {
        app: app.entry.id.clone(),
        redirect_uri: fields.get("redirect_uri").to_owned(),
        scopes,
        state: app_state.to_owned(),
        nonce: fields.get("nonce").to_owned(),
        challenge: challenge.to_owned(),
        opened_by,
        until: now
            .saturating_add(SignedDuration::from_mins(MINUTES))
            .unwrap_or(now),
    })
}

/// The user who opened this app from our page a moment ago. A launch is used once.
fn opened(state: &AppState, app: &App, launch: &str) -> Option<String> {
    let mut all = state
        .signin
        .apps
        .launches
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let now = state.clock.now();
    let (held, until) = all.remove(&digest_of(launch))?;
    let (id, user) = held.split_once('\n')?;
    (until > now && id == app.entry.id).then(|| user.to_owned())
}

impl AppState {
    /// The address at which an app begins, opened from here by this user.
    pub(super) fn open_app(&self, app: &App, user: &str) -> Result<Option<String>, Problem> {
        let Some(address) = &app.entry.launch_uri else {
            return Ok(None);
        };
        let (launch, now) = (random_text()?, self.clock.now());
        let until = now
            .saturating_add(SignedDuration::from_mins(MINUTES))
            .unwrap_or(now);
        let mut all = self
            .signin
            .apps
            .launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, until)| *until > now);
        if all.len() < AT_MOST {
            let held = format!("{}\n{user}", app.entry.id);
            all.insert(digest_of(&launch), (held, until));
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("iss", audience(&self.config)), ("launch", launch)])
            .finish();
        let join = if address.contains('?') { '&' } else { '?' };
        Ok(Some(format!("{address}{join}{query}")))
    }
}
