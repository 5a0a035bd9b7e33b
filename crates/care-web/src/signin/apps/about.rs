//! What a token is worth now (RFC 7662), and taking it back (RFC 7009).

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_record::{AppKeep, AppKept, AppStep};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::{Client, Fields, Refusal, client};
use super::exchange::end_grant;
use super::{Grant, grant};
use crate::problem::{ApiProblem, Problem};
use crate::signin::digest_of;
use crate::signin::throttle::Place;
use crate::signin::tokens::AccessClaims;
use crate::state::Shared;

async fn asking<'s>(
    state: &'s Shared,
    place: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Result<(Client<'s>, Fields), Response>, ApiProblem> {
    let now = state.clock.now();
    state.signin.throttle.check(place, now)?;
    let fields = match Fields::read(body) {
        Ok(fields) => fields,
        Err(refusal) => return Ok(Err(refusal.answer())),
    };
    if fields.get("token").is_empty() {
        let refusal = Refusal::new("invalid_request", "send the token in the form field token");
        return Ok(Err(refusal.answer()));
    }
    match client(state, headers, &fields).await? {
        Ok(client) => Ok(Ok((client, fields))),
        Err(refusal) => {
            state.signin.throttle.failed(place, now);
            Ok(Err(refusal.answer()))
        }
    }
}

/// `POST /oauth/introspect`. A client learns about its own tokens; one that the configuration lets, about
/// every token. Whatever it may not know reads as inactive.
pub async fn introspect(
    State(state): State<Shared>,
    Place(place): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let (client, fields) = match asking(&state, &place, &headers, &body).await? {
        Ok(found) => found,
        Err(refusal) => return Ok(refusal),
    };
    if let Client::App(app) = &client
        && matches!(app.proof, super::Proof::Public)
    {
        let why = "a client without a secret or a key cannot ask about tokens";
        return Ok(Refusal::new("invalid_client", why).answer());
    }
    let answer = described(&state, &client, fields.get("token")).await?;
    let kept = [(header::CACHE_CONTROL, "no-store")];
    let body = answer.unwrap_or_else(|| json!({ "active": false }));
    Ok((StatusCode::OK, kept, Json(body)).into_response())
}

async fn described(
    state: &Shared,
    client: &Client<'_>,
    token: &str,
) -> Result<Option<Value>, Problem> {
    let Some(claims) = state.good_token(token).await? else {
        return Ok(None);
    };
    let holder = claims.client_id.as_deref().unwrap_or(&claims.sub);
    let may = holder == client.id()
        || matches!(client, Client::System(id) if state.signin.tokens.introspects(id));
    if !may {
        return Ok(None);
    }
    let held: Option<Grant> = match &claims.grant {
        Some(key) => grant(state, key).await?,
        None => None,
    };
    let mut answer = json!({
        "active": true, "scope": claims.scope, "client_id": holder, "token_type": "bearer",
        "exp": claims.exp, "iat": claims.iat, "sub": claims.sub, "aud": claims.aud, "iss": claims.iss,
        "jti": claims.jti,
    });
    if let (Some(held), Some(members)) = (held, answer.as_object_mut()) {
        if let Some(user) = held.user() {
            let base = &state.config.server.base_url;
            members.insert("fhirUser".to_owned(), held.fhir_user(base, &user).into());
        }
        if let Some((_, id)) = &held.patient {
            members.insert("patient".to_owned(), id.as_str().into());
        }
    }
    Ok(Some(answer))
}

/// `POST /oauth/revoke`. A refresh token takes everything with it that was allowed; an access token only
/// itself. What is unknown, or somebody else's, is answered the same and changes nothing.
pub async fn revoke(
    State(state): State<Shared>,
    Place(place): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let (client, fields) = match asking(&state, &place, &headers, &body).await? {
        Ok(found) => found,
        Err(refusal) => return Ok(refusal),
    };
    let token = fields.get("token");
    let (sessions, digest) = (state.sessions.clone(), digest_of(token));
    let refresh = crate::blocking(move || sessions.app_kept(AppKept::Refresh, &digest))
        .await?
        .map_err(Problem::unavailable)?;
    let refresh: Option<Value> = refresh.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(refresh) = refresh {
        if let (Some(app), Some(key)) = (refresh["app"].as_str(), refresh["grant"].as_str())
            && app == client.id()
        {
            let detail = format!("app {app}: it took back what it was allowed");
            end_grant(&state, key, app, &detail).await?;
        }
    } else if let Some(claims) = state.good_token(token).await?
        && claims.client_id.as_deref().unwrap_or(&claims.sub) == client.id()
    {
        take_back(&state, &claims).await?;
    }
    Ok(StatusCode::OK.into_response())
}

async fn take_back(state: &Shared, claims: &AccessClaims) -> Result<(), Problem> {
    state.signin.tokens.forget_token(&claims.jti);
    let (sessions, claims) = (state.sessions.clone(), claims.clone());
    crate::blocking(move || {
        let keep = AppKeep {
            what: AppKept::TakenBack,
            key: claims.jti,
            value: Some(Vec::new()),
            until: Timestamp::from_second(claims.exp + 60).unwrap_or(Timestamp::MAX),
        };
        let step = AppStep {
            who: &claims.sub,
            detail: "an access token was taken back by its client",
            ends: true,
        };
        sessions.keep_app(vec![keep], step)
    })
    .await?
    .map_err(Problem::unavailable)
}
