//! The demonstration's identity provider, under `/demo-identity`: standard OpenID Connect, so that a
//! real provider takes its place by configuration alone. Never part of a production start.
//!
//! Anyone may sign in here as any invented user: there is no password. Everything after that is
//! real: one-time codes, PKCE, signed ID tokens. Claims have the shape of NHS CIS2.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::keys::SigningKey;
use super::session::{digest_of, random_text};
use super::{guard, pages};
use crate::config::Config;
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// A user of the demonstration, as the provider knows them.
#[derive(Debug, Clone)]
pub struct DemoUser {
    /// User id.
    pub id: String,
    /// Name.
    pub name: String,
    /// The job in words.
    pub job: String,
    /// National job role code.
    pub role_code: String,
    /// ODS code of the employer.
    pub organisation: String,
    /// Name of the employer.
    pub organisation_name: String,
    /// Activity codes.
    pub activities: Vec<String>,
    /// Own NHS number, for a patient.
    pub own_number: Option<String>,
    /// NHS numbers of people they act for.
    pub family_numbers: Vec<String>,
}

impl DemoUser {
    /// Works somewhere, and is no patient and nobody who acts for one.
    pub(super) fn is_staff(&self) -> bool {
        self.own_number.is_none() && self.family_numbers.is_empty()
    }
}

/// What was granted by choosing a user.
#[derive(Clone)]
struct Grant {
    user: String,
    asked: Asked,
    since: Timestamp,
    /// The digest of the access token, once the code was used.
    used: Option<String>,
}

/// The provider.
pub struct DemoIdentity {
    users: Vec<DemoUser>,
    key: SigningKey,
    codes: Mutex<HashMap<String, Grant>>,
    tokens: Mutex<HashMap<String, (String, Timestamp)>>,
}

/// What a client asks of `authorize`.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Asked {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: String,
    nonce: String,
    code_challenge: String,
    code_challenge_method: String,
}

impl Asked {
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("response_type", self.response_type.as_str()),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", &self.scope),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", &self.code_challenge_method),
        ]
        .into_iter()
    }

    /// Anything we would not answer is told here and never sent on: the address may not be ours.
    fn check(&self, config: &Config) -> Result<(), Problem> {
        let back = format!("{}/staff/login/callback", config.server.base_url);
        let wrong = |what: &str| {
            Err(Problem::invalid(
                "This sign-in request cannot be used",
                what,
            ))
        };
        if self.client_id != config.signin.client_id || self.redirect_uri != back {
            return wrong("The client or its return address is not registered.");
        }
        if self.response_type != "code" || !self.scope.split(' ').any(|scope| scope == "openid") {
            return wrong("Ask for response_type=code with the scope openid.");
        }
        if self.code_challenge_method != "S256" || self.code_challenge.len() != 43 {
            return wrong("Use PKCE with code_challenge_method=S256.");
        }
        Ok(())
    }
}

impl DemoIdentity {
    /// A provider of these users.
    pub fn new(users: Vec<DemoUser>, key: SigningKey) -> Self {
        Self {
            users,
            key,
            codes: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    /// The user of this id; `:P5` after it says that they have not proved who they are.
    fn user(&self, id: &str) -> Option<&DemoUser> {
        let id = id.strip_suffix(UNPROVED).unwrap_or(id);
        self.users.iter().find(|user| user.id == id)
    }
}

fn demo(state: &AppState) -> Result<&DemoIdentity, Problem> {
    state.signin.demo.as_ref().ok_or_else(Problem::not_found)
}

fn issuer(state: &AppState) -> String {
    format!("{}/demo-identity", state.config.server.base_url)
}

/// `GET /demo-identity/.well-known/openid-configuration`.
pub async fn discovery(State(state): State<Shared>) -> Result<Response, Problem> {
    demo(&state)?;
    let issuer = issuer(&state);
    let at = |path: &str| format!("{issuer}/{path}");
    Ok(Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at("jwks"),
        "end_session_endpoint": at("end-session"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "nationalrbacaccess"],
        "acr_values_supported": ["AAL3_ANY"],
        "vtr_supported": ["P9.Cp.Cd", "P5.Cp.Cd"],
        "claims_supported": ["sub", "name", "acr", "amr", "nhsid_useruid", "nhsid_nrbac_roles", "nhs_number", "vot", "identity_proofing_level", "family_name"],
        "authorization_response_iss_parameter_supported": true,
    }))
    .into_response())
}

/// `GET /demo-identity/jwks`.
pub async fn jwks(State(state): State<Shared>) -> Result<Response, Problem> {
    Ok(Json(demo(&state)?.key.public_set()).into_response())
}

/// `GET /demo-identity/authorize`: who are you today?
pub async fn authorize(
    State(state): State<Shared>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let demo = demo(&state)?;
    let Query(asked) = asked.map_err(|_| {
        Problem::invalid(
            "This sign-in request cannot be used",
            "Begin at the log-in page of Connect Care.",
        )
    })?;
    asked.check(&state.config)?;
    pages::demo_users(&demo.users, &asked)
}

/// The list's answer.
#[derive(Deserialize)]
pub struct Chosen {
    user: String,
    #[serde(flatten)]
    asked: Asked,
}

/// `POST /demo-identity/authorize`: back to the client with a code.
pub async fn chosen(
    State(state): State<Shared>,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Problem> {
    let demo = demo(&state)?;
    chosen.asked.check(&state.config)?;
    let user = demo.user(&chosen.user).ok_or_else(|| {
        Problem::invalid(
            "Nobody has this user id",
            "Go back and choose one of the people listed.",
        )
    })?;
    let code = random_text()?;
    let now = state.clock.now();
    let unproved = !user.is_staff() && chosen.user.ends_with(UNPROVED);
    let grant = Grant {
        user: format!("{}{}", user.id, if unproved { UNPROVED } else { "" }),
        asked: chosen.asked.clone(),
        since: now,
        used: None,
    };
    let mut codes = demo.codes.lock().unwrap_or_else(PoisonError::into_inner);
    let minute = now
        .saturating_sub(SignedDuration::from_mins(1))
        .unwrap_or(now);
    codes.retain(|_, one| one.since > minute);
    codes.insert(digest_of(&code), grant);
    drop(codes);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", &chosen.asked.state)
        .append_pair("iss", &issuer(&state))
        .finish();
    Ok(Redirect::to(&format!("{}?{query}", chosen.asked.redirect_uri)).into_response())
}

/// A token request.
#[derive(Deserialize)]
pub struct TokenRequest {
    grant_type: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code_verifier: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
}

/// `POST /demo-identity/token`.
pub async fn token(
    State(state): State<Shared>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Result<Response, Problem> {
    let demo = demo(&state)?;
    if !client_known(&state.config, &headers, &request) {
        return Ok(refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "the client id and secret do not fit",
        ));
    }
    if request.grant_type != "authorization_code" {
        return Ok(refuse(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "use authorization_code",
        ));
    }
    let now = state.clock.now();
    let access = random_text()?;
    match redeem(demo, &request, &access, now) {
        Ok(grant) => {
            let id_token = id_token(&state, demo, &grant, &access, now)?;
            Ok(Json(json!({
                "access_token": access, "token_type": "Bearer", "expires_in": 3600,
                "scope": grant.asked.scope, "id_token": id_token,
            }))
            .into_response())
        }
        Err(why) => Ok(refuse(StatusCode::BAD_REQUEST, "invalid_grant", why)),
    }
}

/// Uses a code once. A code that comes again takes back what it gave the first time (RFC 6749, 4.1.2).
fn redeem(
    demo: &DemoIdentity,
    request: &TokenRequest,
    access: &str,
    now: Timestamp,
) -> Result<Grant, &'static str> {
    let mut codes = demo.codes.lock().unwrap_or_else(PoisonError::into_inner);
    let grant = codes
        .get_mut(&digest_of(&request.code))
        .ok_or("the code is unknown or too old")?;
    let mut tokens = demo.tokens.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(given) = grant.used.take() {
        tokens.remove(&given);
        codes.remove(&digest_of(&request.code));
        return Err("the code was used before");
    }
    let end = grant
        .since
        .saturating_add(SignedDuration::from_mins(1))
        .unwrap_or(now);
    if now > end {
        return Err("the code is unknown or too old");
    }
    if request.redirect_uri != grant.asked.redirect_uri {
        return Err("redirect_uri is not the one the code was asked for with");
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(request.code_verifier.as_bytes()));
    if !guard::same(challenge.as_bytes(), grant.asked.code_challenge.as_bytes()) {
        return Err("code_verifier does not fit the challenge");
    }
    grant.used = Some(digest_of(access));
    let until = now
        .saturating_add(SignedDuration::from_hours(1))
        .unwrap_or(now);
    tokens.retain(|_, (_, until)| *until > now);
    tokens.insert(digest_of(access), (grant.user.clone(), until));
    Ok(grant.clone())
}

fn client_known(config: &Config, headers: &HeaderMap, request: &TokenRequest) -> bool {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = |text: &str| {
        form_urlencoded::parse(format!("x={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (id, secret) = match basic.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((id, secret)) => (decoded(id), decoded(secret)),
        None => (request.client_id.clone(), request.client_secret.clone()),
    };
    let expected = config.client_secret().unwrap_or_default();
    !expected.is_empty()
        && id == config.signin.client_id
        && guard::same(secret.as_bytes(), expected.as_bytes())
}

fn refuse(status: StatusCode, error: &str, why: &str) -> Response {
    (
        status,
        Json(json!({ "error": error, "error_description": why })),
    )
        .into_response()
}

fn id_token(
    state: &AppState,
    demo: &DemoIdentity,
    grant: &Grant,
    access: &str,
    now: Timestamp,
) -> Result<String, Problem> {
    let user = demo.user(&grant.user).ok_or_else(Problem::not_found)?;
    let half = Sha256::digest(access.as_bytes());
    let at_hash = URL_SAFE_NO_PAD.encode(&half[..16]);
    let mut claims = person_claims(user);
    let strength = if user.is_staff() {
        json!({ "acr": "AAL3_ANY", "amr": ["N3_SMARTCARD"] })
    } else {
        json!({ "vot": format!("{}.Cp.Cd", proof(&grant.user)) })
    };
    merge(&mut claims, strength);
    let more = json!({
        "iss": issuer(state), "aud": state.config.signin.client_id,
        "iat": now.as_second(), "exp": now.as_second() + 300, "auth_time": now.as_second(),
        "nonce": grant.asked.nonce, "at_hash": at_hash,
    });
    merge(&mut claims, more);
    demo.key.sign("JWT", &claims).map_err(Problem::unavailable)
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(all), Value::Object(more)) = (into, more) {
        all.extend(more);
    }
}

fn person_claims(user: &DemoUser) -> Value {
    json!({ "sub": user.id, "nhsid_useruid": user.id, "name": user.name })
}

/// `GET /demo-identity/userinfo`.
pub async fn userinfo(
    State(state): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let demo = demo(&state)?;
    let now = state.clock.now();
    let user = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|token| {
            let tokens = demo.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens
                .get(&digest_of(token))
                .filter(|(_, until)| *until > now)
                .map(|(user, _)| user.clone())
        })
        .and_then(|id| Some((demo.user(&id).cloned()?, proof(&id))));
    let Some((user, proof)) = user else {
        return Ok(refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "the token is unknown or has expired",
        ));
    };
    let mut claims = person_claims(&user);
    let more = if user.is_staff() {
        role_claims(&user)
    } else {
        own_claims(&user, proof)
    };
    merge(&mut claims, more);
    Ok(Json(claims).into_response())
}

fn role_claims(user: &DemoUser) -> Value {
    let profile = format!("{}-1", user.id);
    let mut claims = json!({
        "selected_roleid": profile,
        "nhsid_nrbac_roles": [{
            "person_orgid": format!("{}-org", user.id),
            "person_roleid": profile,
            "org_code": user.organisation,
            "org_name": user.organisation_name,
            "role_code": format!("S8000:G8000:{}", user.role_code),
            "role_name": user.job,
            "activity_codes": user.activities,
        }],
    });
    if let Some(number) = &user.own_number {
        merge(&mut claims, json!({ "nhs_number": number }));
    }
    claims
}

/// Claims of somebody who is not staff, shaped by NHS login.
fn own_claims(user: &DemoUser, proof: &str) -> Value {
    let (given, family) = user.name.split_once(' ').unwrap_or(("", &user.name));
    let mut claims = json!({
        "identity_proofing_level": proof, "given_name": given, "family_name": family,
        "email_verified": true, "phone_number_verified": true,
    });
    if let Some(number) = &user.own_number {
        merge(&mut claims, json!({ "nhs_number": number }));
    }
    if !user.family_numbers.is_empty() {
        merge(
            &mut claims,
            json!({ "family_nhs_numbers": user.family_numbers }),
        );
    }
    claims
}

/// What stands after the id of somebody who has not proved who they are.
pub(super) const UNPROVED: &str = ":P5";

fn proof(user: &str) -> &'static str {
    if user.ends_with(UNPROVED) { "P5" } else { "P9" }
}

/// `GET /demo-identity/end-session`: this provider keeps no session of its own.
pub async fn end_session(State(state): State<Shared>) -> Result<Response, Problem> {
    demo(&state)?;
    Ok(Redirect::to(&format!(
        "{}/staff/login?out=1",
        state.config.server.base_url
    ))
    .into_response())
}
