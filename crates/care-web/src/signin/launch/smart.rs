//! SMART App Launch from a host's record system: its authorisation server says who the user is and whose
//! record is open. Source: HL7 SMART App Launch 2.2; RFC 7636 (PKCE), RFC 9207.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use care_core::vocabulary::NhsNumber;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{EXPIRED, Host, Launch, NOT_A_USER, NOT_TRUSTED, Refused};
use crate::problem::Problem;
use crate::signin::guard;
use crate::signin::session::{cookie, digest_of, random_text};
use crate::state::Shared;

const COOKIE: &str = "connect-care-launching";
const MINUTES: i64 = 5;
const AT_MOST: usize = 10_000;
const ANSWER_BYTES: usize = 1 << 20;
const SKEW_SECONDS: i64 = 60;
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// What a host says of itself.
#[derive(Clone, Deserialize)]
struct Discovery {
    issuer: Option<String>,
    jwks_uri: Option<String>,
    authorization_endpoint: String,
    token_endpoint: String,
}

struct One {
    host: String,
    fhir: String,
    discovery: Discovery,
    verifier: String,
    nonce: String,
    browser: String,
    until: Timestamp,
}

/// Who is on the way to a host and back.
#[derive(Default)]
pub struct OnTheWay(Mutex<HashMap<String, One>>);

impl OnTheWay {
    fn put(&self, state: String, one: One, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| other.until > now);
        if all.len() < AT_MOST {
            all.insert(state, one);
        }
    }

    fn take(&self, state: &str, now: Timestamp) -> Option<One> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(state).filter(|one| one.until > now)
    }
}

fn refused(host: &str, why: &'static str, words: &'static str) -> Refused {
    Refused {
        host: host.to_owned(),
        why,
        words,
    }
}

/// A JSON answer of another system, in bounded time and size.
pub(in crate::signin) async fn fetch<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Option<T> {
    let mut answer = request.send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}

/// Off to the host's authorisation server.
pub(super) async fn begin(
    state: &Shared,
    iss: &str,
    launch: &str,
) -> Result<Result<Response, Refused>, Problem> {
    let Some(host) = state.signin.launches.host_at(iss) else {
        return Ok(Err(refused("unknown", "the host is unknown", NOT_TRUSTED)));
    };
    let fhir = iss.trim_end_matches('/').to_owned();
    let http = state.signin.provider.client();
    let place = format!("{fhir}/.well-known/smart-configuration");
    let Some(discovery) = fetch::<Discovery>(http.get(place)).await else {
        let words = "Your system does not answer. Open Connect Care from the record again in a few minutes.";
        return Ok(Err(refused(
            &host.entry.id,
            "the host does not answer",
            words,
        )));
    };
    let (sign_in, verifier, nonce, browser) = (
        random_text()?,
        random_text()?,
        random_text()?,
        random_text()?,
    );
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            (
                "client_id",
                host.entry.client_id.as_deref().unwrap_or_default(),
            ),
            ("redirect_uri", &back(state)),
            ("scope", "launch openid fhirUser patient/Patient.r"),
            ("state", &sign_in),
            ("nonce", &nonce),
            ("aud", &fhir),
            ("launch", launch),
            (
                "code_challenge",
                &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())),
            ),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    let join = if discovery.authorization_endpoint.contains('?') {
        '&'
    } else {
        '?'
    };
    let to = format!("{}{join}{query}", discovery.authorization_endpoint);
    let now = state.clock.now();
    let one = One {
        host: host.entry.id.clone(),
        fhir,
        discovery,
        verifier,
        nonce,
        browser: digest_of(&browser),
        until: now
            .saturating_add(SignedDuration::from_mins(MINUTES))
            .unwrap_or(now),
    };
    state
        .signin
        .launches
        .smart
        .put(digest_of(&sign_in), one, now);
    let set = state.cookie(COOKIE, &browser, Some(MINUTES * 60));
    Ok(Ok(
        ([(header::SET_COOKIE, set)], Redirect::to(&to)).into_response()
    ))
}

fn back(state: &Shared) -> String {
    format!("{}/staff/launch/callback", state.config.server.base_url)
}

/// What the host sends a browser back with.
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

/// `GET /staff/launch/callback`.
pub async fn callback(
    State(state): State<Shared>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, Problem> {
    match arrive(&state, &headers, answer).await? {
        Ok(launch) => state.launched(launch),
        Err(refused) => state.not_launched(refused).await,
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    id_token: String,
    #[serde(default)]
    patient: String,
}

async fn arrive(
    state: &Shared,
    headers: &HeaderMap,
    answer: Answer,
) -> Result<Result<Launch, Refused>, Problem> {
    let now = state.clock.now();
    let sent = answer.state.unwrap_or_default();
    let Some(one) = state.signin.launches.smart.take(&digest_of(&sent), now) else {
        return Ok(Err(refused(
            "unknown",
            "the state is unknown, was used, or is too old",
            EXPIRED,
        )));
    };
    let no = |why, words| Ok(Err(refused(&one.host, why, words)));
    let browser = cookie(headers, COOKIE).map(digest_of).unwrap_or_default();
    if !guard::same(browser.as_bytes(), one.browser.as_bytes()) {
        return no("another browser began this launch", NOT_TRUSTED);
    }
    let issuer = one
        .discovery
        .issuer
        .clone()
        .unwrap_or_else(|| one.fhir.clone());
    if answer.iss.is_some_and(|iss| iss != issuer) {
        return no("the answer comes from another issuer", NOT_TRUSTED);
    }
    let (Some(code), Some(host)) = (answer.code, state.signin.launches.host(&one.host)) else {
        return no("the host refused", NOT_TRUSTED);
    };
    let Some(tokens) = exchange(state, host, &one, &code).await else {
        return no("the code was refused", EXPIRED);
    };
    let Some(user) = user(state, host, &one, &issuer, &tokens.id_token).await else {
        return no("the ID token was refused", NOT_TRUSTED);
    };
    let Some(role) = state.launch_role(host, &user, None) else {
        return no(
            "the user or the role is not in the staff directory",
            NOT_A_USER,
        );
    };
    let Some(number) = number(state, &one, &tokens).await else {
        let words = "Your system did not say whose record is open, or the person has no verified NHS number there.";
        return no("no NHS number", words);
    };
    Ok(Ok(state.launch(host, user, role, number.digits())))
}

async fn exchange(state: &Shared, host: &Host, one: &One, code: &str) -> Option<TokenAnswer> {
    let id = host.entry.client_id.clone().unwrap_or_default();
    let redirect = back(state);
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect.as_str()),
        ("code_verifier", one.verifier.as_str()),
    ];
    let mut request = state
        .signin
        .provider
        .client()
        .post(&one.discovery.token_endpoint);
    let secret = host.entry.client_secret_file.as_ref();
    match secret.map(std::fs::read_to_string) {
        Some(Ok(secret)) => request = request.basic_auth(&id, Some(secret.trim())),
        Some(Err(_)) => return None,
        None => form.push(("client_id", id.as_str())),
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    fetch(
        request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body),
    )
    .await
}

/// The user of a checked ID token.
async fn user(state: &Shared, host: &Host, one: &One, issuer: &str, token: &str) -> Option<String> {
    let head = jsonwebtoken::decode_header(token).ok()?;
    let public = [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::PS256,
        Algorithm::PS384,
    ];
    if !public.contains(&head.alg) {
        return None;
    }
    let keys: JwkSet = fetch(
        state
            .signin
            .provider
            .client()
            .get(one.discovery.jwks_uri.as_ref()?),
    )
    .await?;
    let jwk = match head.kid.as_deref() {
        Some(kid) => keys.find(kid)?,
        None => keys.keys.first()?,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let mut validation = Validation::new(head.alg);
    validation.set_audience(&[host.entry.client_id.as_ref()?]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
        .ok()?
        .claims;
    let now = state.clock.now().as_second();
    let until = claims.get("exp")?.as_i64()?;
    let nonce = claims.get("nonce")?.as_str()?;
    let fits = until + SKEW_SECONDS > now && guard::same(nonce.as_bytes(), one.nonce.as_bytes());
    let id = claims.get(&host.entry.user_claim)?.as_str()?;
    fits.then(|| id.to_owned())
}

/// The NHS number of the record that is open there.
async fn number(state: &Shared, one: &One, tokens: &TokenAnswer) -> Option<NhsNumber> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if tokens.patient.is_empty() || tokens.patient.len() > 64 || !tokens.patient.bytes().all(plain)
    {
        return None;
    }
    let place = format!("{}/Patient/{}", one.fhir, tokens.patient);
    let request = state
        .signin
        .provider
        .client()
        .get(place)
        .bearer_auth(&tokens.access_token);
    let patient: Value = fetch(request).await?;
    let identifiers = patient.get("identifier")?.as_array()?;
    let value = identifiers.iter().find(|one| one["system"] == NHS_NUMBER)?["value"].as_str()?;
    NhsNumber::parse(value).ok()
}
