//! `POST /oauth/token`: codes and refresh tokens of apps, assertions of systems.
//!
//! A code is good for a minute and for one try. A refresh token is good once, and its answer holds the next
//! one; whichever comes a second time ends everything it led to (RFC 9700, 4.14.2).

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use care_record::{AppKeep, AppKept, AppStep, User};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Client, Fields, Refusal, client};
use super::{App, Grant, grant};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Scopes;
use crate::signin::throttle::Place;
use crate::signin::tokens::{AccessClaims, audience};
use crate::signin::{digest_of, guard, random_text};
use crate::state::{AppState, Shared};

/// How long a code is good, and how long it is remembered so that a second use is seen.
const CODE_GOOD: SignedDuration = SignedDuration::from_secs(60);
const CODE_KEPT: SignedDuration = SignedDuration::from_mins(10);

/// A code as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Code {
    pub app: String,
    pub grant: String,
    pub redirect_uri: String,
    pub challenge: String,
    pub nonce: String,
    pub good_until: Timestamp,
}

/// A refresh token as it is kept.
#[derive(Serialize, Deserialize)]
struct Refresh {
    app: String,
    grant: String,
}

/// When a code given now is no longer good, and no longer remembered.
pub(super) fn code_times(now: Timestamp) -> (Timestamp, Timestamp) {
    let after = |span| now.saturating_add(span).unwrap_or(now);
    (after(CODE_GOOD), after(CODE_KEPT))
}

/// `POST /oauth/token`.
pub async fn token(
    State(state): State<Shared>,
    Place(place): Place,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let now = state.clock.now();
    state.signin.throttle.check(&place, now)?;
    match answer(&state, &headers, &body).await? {
        Ok(body) => {
            let kept = [
                (header::CACHE_CONTROL, "no-store"),
                (header::PRAGMA, "no-cache"),
            ];
            Ok((StatusCode::OK, kept, Json(body)).into_response())
        }
        Err(refusal) => {
            // Secrets can be guessed; codes and refresh tokens are too long for that.
            if refusal.error == "invalid_client" && state.signin.throttle.failed(&place, now) {
                tracing::warn!(place, "clients failed to sign in again and again from here");
            }
            let (sessions, why) = (state.sessions.clone(), refusal.why);
            crate::blocking(move || sessions.refused("unknown", why))
                .await?
                .map_err(Problem::unavailable)?;
            Ok(refusal.answer())
        }
    }
}

async fn answer(
    state: &Shared,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Result<Value, Refusal>, Problem> {
    let fields = match Fields::read(body) {
        Ok(fields) => fields,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let kind = fields.get("grant_type");
    if !["client_credentials", "authorization_code", "refresh_token"].contains(&kind) {
        return Ok(Err(Refusal::new(
            "unsupported_grant_type",
            "use client_credentials, authorization_code or refresh_token",
        )));
    }
    let client = match client(state, headers, &fields).await? {
        Ok(client) => client,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match (kind, client) {
        ("client_credentials", Client::System(id)) => system(state, &id, fields.get("scope")),
        ("authorization_code", Client::App(app)) => redeem(state, app, &fields).await,
        ("refresh_token", Client::App(app)) => refresh(state, app, &fields).await,
        ("client_credentials", Client::App(_)) => Ok(Err(Refusal::new(
            "unauthorized_client",
            "an app acts for somebody: use authorization_code",
        ))),
        _ => Ok(Err(Refusal::new(
            "unauthorized_client",
            "a system speaks for itself: use client_credentials",
        ))),
    }
}

fn system(state: &AppState, client: &str, asked: &str) -> Result<Result<Value, Refusal>, Problem> {
    let held = state.signin.tokens.client_scopes(client);
    let granted = if asked.trim().is_empty() {
        held
    } else {
        held.grant(&Scopes::read(asked))
    };
    if granted.is_empty() {
        return Ok(Err(Refusal::new(
            "invalid_scope",
            "none of these scopes is registered for this client",
        )));
    }
    let (seconds, scope) = (state.config.tokens.lifetime_seconds, granted.to_string());
    let claims = claims(state, client, &scope, seconds)?;
    let token = state.signin.tokens.sign(&claims)?;
    Ok(Ok(json!({
        "access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": scope,
    })))
}

fn claims(
    state: &AppState,
    subject: &str,
    scope: &str,
    seconds: i64,
) -> Result<AccessClaims, Problem> {
    let now = state.clock.now().as_second();
    Ok(AccessClaims {
        iss: state.config.server.base_url.clone(),
        aud: audience(&state.config),
        sub: subject.to_owned(),
        scope: scope.to_owned(),
        iat: now,
        exp: now + seconds,
        jti: random_text()?,
        person: None,
        client_id: None,
        grant: None,
    })
}

/// What a try with a code or a refresh token is about.
struct Try<'a> {
    app: &'a App,
    grant: String,
    digest: String,
    /// What is wrong with it, where something is.
    wrong: Option<Refusal>,
    /// The scopes asked for; empty: all that were allowed.
    scope: &'a str,
    nonce: String,
}

async fn redeem(
    state: &Shared,
    app: &App,
    fields: &Fields,
) -> Result<Result<Value, Refusal>, Problem> {
    let bad = |why| Refusal::new("invalid_grant", why);
    let digest = digest_of(fields.get("code"));
    let Some(code) = kept::<Code>(state, AppKept::Code, &digest).await? else {
        return Ok(Err(bad("the code is unknown or too old")));
    };
    let verifier = fields.get("code_verifier");
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let wrong = if code.app != app.entry.id {
        Some(bad("the code was given to another client"))
    } else if code.good_until <= state.clock.now() {
        Some(bad("the code is unknown or too old"))
    } else if fields.get("redirect_uri") != code.redirect_uri {
        Some(bad(
            "redirect_uri is not the one the code was asked for with",
        ))
    } else if !(43..=128).contains(&verifier.len())
        || !guard::same(challenge.as_bytes(), code.challenge.as_bytes())
    {
        Some(bad("code_verifier does not fit the challenge"))
    } else {
        None
    };
    let tried = Try {
        app,
        grant: code.grant,
        digest,
        wrong,
        scope: "",
        nonce: code.nonce,
    };
    give(state, tried).await
}

async fn refresh(
    state: &Shared,
    app: &App,
    fields: &Fields,
) -> Result<Result<Value, Refusal>, Problem> {
    let bad = |why| Refusal::new("invalid_grant", why);
    let digest = digest_of(fields.get("refresh_token"));
    let Some(found) = kept::<Refresh>(state, AppKept::Refresh, &digest).await? else {
        return Ok(Err(bad(
            "the refresh token is unknown, has ended or was taken back",
        )));
    };
    // Another client's try uses nothing up: the token may only have been sent to the wrong place.
    if found.app != app.entry.id {
        return Ok(Err(bad("the refresh token was given to another client")));
    }
    let Some(held) = grant(state, &found.grant).await? else {
        return Ok(Err(bad(
            "the refresh token is unknown, has ended or was taken back",
        )));
    };
    let scope = fields.get("scope");
    if !scope.trim().is_empty() && !is_within(&held.scope, scope) {
        return Ok(Err(Refusal::new(
            "invalid_scope",
            "more was asked than was allowed; send the person to authorize again",
        )));
    }
    let tried = Try {
        app,
        grant: found.grant,
        digest,
        wrong: None,
        scope,
        nonce: String::new(),
    };
    give(state, tried).await
}

/// Whether nothing is asked that was not allowed.
fn is_within(allowed: &str, asked: &str) -> bool {
    let asked = Scopes::read(asked);
    !asked.is_empty() && Scopes::read(allowed).cover(&asked)
}

async fn kept<T: serde::de::DeserializeOwned>(
    state: &Shared,
    what: AppKept,
    digest: &str,
) -> Result<Option<T>, Problem> {
    let (sessions, digest) = (state.sessions.clone(), digest.to_owned());
    let bytes = crate::blocking(move || sessions.app_kept(what, &digest))
        .await?
        .map_err(Problem::unavailable)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Uses the secret up, whether it is good or not, and gives tokens where it is.
async fn give(state: &Shared, tried: Try<'_>) -> Result<Result<Value, Refusal>, Problem> {
    let gone = Refusal::new(
        "invalid_grant",
        "what the person allowed has ended or was taken back",
    );
    let held = grant(state, &tried.grant).await?;
    let user = held
        .as_ref()
        .and_then(Grant::user)
        .and_then(|user| state.still(user).ok());
    let now = state.clock.now();
    let app = &tried.app.entry.id;
    let who = held.as_ref().map_or("unknown", |held| &held.identity.id);
    let who = who.to_owned();
    let (Some(held), Some(user), None) = (held, user, tried.wrong) else {
        let detail = format!("app {app}: a code was used up by a try that failed");
        let until = now.saturating_add(CODE_KEPT).unwrap_or(now);
        if tried.wrong.is_some() && !use_up(state, &tried, until, Vec::new(), &who, &detail).await?
        {
            end_grant(
                state,
                &tried.grant,
                &who,
                &format!("app {app}: a code came again"),
            )
            .await?;
        }
        return Ok(Err(tried.wrong.unwrap_or(gone)));
    };
    let allowed = Scopes::read(&held.scope);
    let scopes = match tried.scope.trim() {
        "" => allowed.clone(),
        asked => allowed.grant(&Scopes::read(asked)),
    };
    let goes_on = allowed.has("offline_access") || allowed.has("online_access");
    let (mut keeps, mut next) = (Vec::new(), None);
    if goes_on {
        let text = random_text()?;
        let value = Refresh {
            app: app.clone(),
            grant: tried.grant.clone(),
        };
        keeps.push(AppKeep {
            what: AppKept::Refresh,
            key: digest_of(&text),
            value: Some(serde_json::to_vec(&value).map_err(Problem::unavailable)?),
            until: held.until,
        });
        next = Some(text);
    }
    let detail = format!("app {app}: tokens given, scope {scopes}");
    if !use_up(state, &tried, held.until, keeps, &who, &detail).await? {
        let detail = format!("app {app}: a code or refresh token came again; access ended");
        end_grant(state, &tried.grant, &who, &detail).await?;
        return Ok(Err(Refusal::new(
            "invalid_grant",
            "this was used before; everything it gave was taken back, send the person to authorize again",
        )));
    }
    tokens(state, &tried, &held, &user, &scopes, next).map(Ok)
}

async fn use_up(
    state: &Shared,
    tried: &Try<'_>,
    until: Timestamp,
    keeps: Vec<AppKeep>,
    who: &str,
    detail: &str,
) -> Result<bool, Problem> {
    let (sessions, digest) = (state.sessions.clone(), tried.digest.clone());
    let (who, detail) = (who.to_owned(), detail.to_owned());
    crate::blocking(move || {
        let step = AppStep {
            who: &who,
            detail: &detail,
            ends: false,
        };
        sessions.use_app_secret(&digest, until, keeps, step)
    })
    .await?
    .map_err(Problem::unavailable)
}

/// Ends what was allowed: every token of it is worth nothing from the next request on.
pub(super) async fn end_grant(
    state: &Shared,
    key: &str,
    who: &str,
    detail: &str,
) -> Result<(), Problem> {
    let (sessions, now) = (state.sessions.clone(), state.clock.now());
    let (key, who, detail) = (key.to_owned(), who.to_owned(), detail.to_owned());
    state.signin.tokens.forget_grant(&key);
    crate::blocking(move || {
        let keep = AppKeep {
            what: AppKept::Grant,
            key,
            value: None,
            until: now,
        };
        let step = AppStep {
            who: &who,
            detail: &detail,
            ends: true,
        };
        sessions.keep_app(vec![keep], step)
    })
    .await?
    .map_err(Problem::unavailable)
}

fn tokens(
    state: &AppState,
    tried: &Try<'_>,
    held: &Grant,
    user: &User,
    scopes: &Scopes,
    refresh: Option<String>,
) -> Result<Value, Problem> {
    let now = state.clock.now().as_second();
    let left = held.until.as_second() - now;
    let seconds = state.config.tokens.lifetime_seconds.min(left);
    let access = AccessClaims {
        client_id: Some(tried.app.entry.id.clone()),
        grant: Some(tried.grant.clone()),
        ..claims(state, &user.id, &scopes.to_string(), seconds)?
    };
    let mut body = json!({
        "access_token": state.signin.tokens.sign(&access)?, "token_type": "bearer",
        "expires_in": seconds, "scope": scopes.to_string(),
    });
    let mut set = |name: &str, value: Value| {
        if let Some(members) = body.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some((_, id)) = &held.patient {
        set("patient", id.as_str().into());
        set("need_patient_banner", true.into());
    }
    if let Some(text) = refresh {
        set("refresh_token", text.into());
    }
    if scopes.has("openid") {
        let base = &state.config.server.base_url;
        let fhir_user = held.fhir_user(base, user);
        let mut id = json!({
            "iss": base, "sub": user.id, "aud": tried.app.entry.id, "iat": now, "exp": now + seconds,
            "auth_time": held.authenticated.as_second(),
        });
        if let Some(members) = id.as_object_mut() {
            if !tried.nonce.is_empty() {
                members.insert("nonce".to_owned(), tried.nonce.as_str().into());
            }
            if scopes.has("fhirUser") {
                members.insert("fhirUser".to_owned(), fhir_user.clone().into());
            }
            if scopes.has("profile") {
                members.insert("name".to_owned(), user.name.as_str().into());
                members.insert("profile".to_owned(), fhir_user.into());
            }
        }
        set("id_token", state.signin.tokens.sign_id(&id)?.into());
    }
    Ok(body)
}
