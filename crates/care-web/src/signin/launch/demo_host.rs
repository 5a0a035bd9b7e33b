//! The demonstration's other system, under `/demo-host`: it opens Connect Care for its user and its
//! patient, by a posted launch token and by SMART App Launch. Never part of a production start.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::token::audience;
use crate::components::{Head, page, shown};
use crate::problem::Problem;
use crate::signin::keys::SigningKey;
use crate::signin::session::{digest_of, random_text};
use crate::state::{AppState, Shared};

/// The host's id, as the demonstration's configuration registers it.
pub const ID: &str = "demo-host";
/// The client id it knows us by.
pub const CLIENT: &str = "connect-care";
/// Its key, among the demonstration's.
pub const KEY_FILE: &str = "demo-host.pem";

/// Who can be launched: users of the trust's invented record system.
const USERS: [&str; 3] = ["hospital-doctor", "hospital-nurse", "ed-doctor"];

/// Where the host keeps what it was asked: launches and codes.
#[derive(Default)]
pub struct DemoHost {
    launches: Mutex<HashMap<String, (String, String)>>,
    codes: Mutex<HashMap<String, Code>>,
}

#[derive(Clone)]
struct Code {
    user: String,
    number: String,
    challenge: String,
    nonce: String,
}

/// The addresses of the demonstration's other system.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/demo-host", get(show))
        .route("/demo-host/open", post(open))
        .route("/demo-host/jwks", get(jwks))
        .route("/demo-host/authorize", get(authorize))
        .route("/demo-host/token", post(token))
        .route(
            "/demo-host/fhir/.well-known/smart-configuration",
            get(discovery),
        )
        .route("/demo-host/fhir/Patient/{id}", get(patient))
}

fn key(state: &AppState) -> Result<SigningKey, Problem> {
    let keys = state
        .config
        .tokens
        .signing_key_file
        .as_ref()
        .and_then(|path| path.parent());
    let path = keys.ok_or_else(Problem::not_found)?.join(KEY_FILE);
    SigningKey::read(&path, Algorithm::ES256).map_err(Problem::unavailable)
}

fn fhir(state: &AppState) -> String {
    format!("{}/demo-host/fhir", state.config.server.base_url)
}

#[derive(Serialize)]
struct Choice {
    id: &'static str,
    words: String,
}

/// `GET /demo-host`: the other system's page.
async fn show() -> Result<Response, Problem> {
    let users: Vec<Choice> = care_synthetic::users()
        .iter()
        .filter(|user| USERS.contains(&user.id))
        .map(|user| Choice {
            id: user.id,
            words: format!("{}, {}", user.name, user.job),
        })
        .collect();
    let people: Vec<Choice> = care_synthetic::cast()
        .iter()
        .map(|one| Choice {
            id: one.nhs_number,
            words: format!("{} {}", one.given, one.family),
        })
        .collect();
    page(
        "demo-host.html",
        &Head::new("Another system", "login"),
        None,
        shown! { users, people, ready => false, smart => "", launch_token => "" },
    )
}

/// Who looks at whom.
#[derive(Deserialize)]
struct Chosen {
    user: String,
    person: String,
}

/// `POST /demo-host/open`: both ways to open Connect Care from here.
async fn open(
    State(state): State<Shared>,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Problem> {
    let known = care_synthetic::users()
        .iter()
        .find(|user| user.id == chosen.user && USERS.contains(&user.id))
        .ok_or_else(Problem::not_found)?;
    let now = state.clock.now().as_second();
    let claims = json!({
        "iss": ID, "aud": audience(&state), "sub": known.id, "role": format!("{}@{}", known.role, known.organisation),
        "patient": chosen.person, "reason": "not-present", "jti": random_text()?, "iat": now, "exp": now + 60,
    });
    let launch_token = key(&state)?
        .sign("JWT", &claims)
        .map_err(Problem::unavailable)?;
    let launch = random_text()?;
    let held = (known.id.to_owned(), chosen.person);
    let host = &state.signin.demo_host;
    host.launches
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(launch.clone(), held);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("iss", fhir(&state)), ("launch", launch)])
        .finish();
    let none: Vec<Choice> = Vec::new();
    page(
        "demo-host.html",
        &Head::new("Another system", "login"),
        None,
        shown! { users => none, people => none, ready => true, smart => format!("/staff/launch?{query}"), launch_token },
    )
}

async fn discovery(State(state): State<Shared>) -> Json<Value> {
    let base = format!("{}/demo-host", state.config.server.base_url);
    Json(json!({
        "issuer": fhir(&state), "jwks_uri": format!("{base}/jwks"),
        "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
        "grant_types_supported": ["authorization_code"], "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["launch", "openid", "fhirUser", "patient/Patient.r"],
        "capabilities": ["launch-ehr", "client-public", "context-ehr-patient", "sso-openid-connect", "authorize-post"],
    }))
}

async fn jwks(State(state): State<Shared>) -> Result<Response, Problem> {
    Ok(Json(key(&state)?.public_set()).into_response())
}

/// What a client asks.
#[derive(Deserialize)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    state: String,
    nonce: String,
    launch: String,
    aud: String,
    code_challenge: String,
}

async fn authorize(
    State(state): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let back = format!("{}/staff/launch/callback", state.config.server.base_url);
    let host = &state.signin.demo_host;
    let known = host
        .launches
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&asked.launch);
    let (Some((user, number)), true) = (
        known,
        asked.client_id == CLIENT && asked.redirect_uri == back && asked.aud == fhir(&state),
    ) else {
        return Err(Problem::invalid(
            "This launch cannot be used",
            "Begin at the page of the other system again.",
        ));
    };
    let code = random_text()?;
    let held = Code {
        user,
        number,
        challenge: asked.code_challenge,
        nonce: asked.nonce,
    };
    host.codes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(digest_of(&code), held);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("code", code),
            ("state", asked.state),
            ("iss", fhir(&state)),
        ])
        .finish();
    Ok(Redirect::to(&format!("{back}?{query}")).into_response())
}

#[derive(Deserialize)]
struct TokenRequest {
    code: String,
    code_verifier: String,
    client_id: String,
}

async fn token(
    State(state): State<Shared>,
    Form(request): Form<TokenRequest>,
) -> Result<Response, Problem> {
    let host = &state.signin.demo_host;
    let held = host
        .codes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&digest_of(&request.code));
    let fits = |code: &Code| {
        request.client_id == CLIENT
            && URL_SAFE_NO_PAD.encode(Sha256::digest(request.code_verifier.as_bytes()))
                == code.challenge
    };
    let Some(code) = held.filter(fits) else {
        return Ok((
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        )
            .into_response());
    };
    let now = state.clock.now().as_second();
    let claims = json!({
        "iss": fhir(&state), "aud": CLIENT, "sub": code.user, "nonce": code.nonce, "iat": now, "exp": now + 300,
        "fhirUser": format!("{}/Practitioner/{}", fhir(&state), code.user),
    });
    let id_token = key(&state)?
        .sign("JWT", &claims)
        .map_err(Problem::unavailable)?;
    // The patient's id there is opaque, and the token is good for this one patient.
    let (patient, access) = (random_id()?, random_text()?);
    let held = Code {
        user: access.clone(),
        ..code
    };
    host.codes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(patient.clone(), held);
    Ok(Json(json!({
        "access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": id_token,
        "patient": patient, "scope": "launch openid fhirUser patient/Patient.r", "need_patient_banner": false,
    })).into_response())
}

fn random_id() -> Result<String, Problem> {
    Ok(digest_of(&random_text()?).chars().take(32).collect())
}

async fn patient(
    State(state): State<Shared>,
    headers: axum::http::HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let shown = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let host = &state.signin.demo_host;
    let held = host
        .codes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&id)
        .cloned();
    let Some(code) = held.filter(|code| shown.strip_prefix("Bearer ") == Some(code.user.as_str()))
    else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    Ok(Json(json!({
        "resourceType": "Patient", "id": id,
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": code.number }],
    }))
    .into_response())
}
