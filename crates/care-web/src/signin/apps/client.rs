//! Which client calls: by a signed assertion (`private_key_jwt`), by its secret (`client_secret_basic`), or
//! as a public client by its id alone. One way at a time.
//!
//! Source: RFC 6749 2.3, RFC 7523, RFC 8725; SMART App Launch 2.2, "Client Authentication: Asymmetric".

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;

use super::{App, Proof};
use crate::problem::Problem;
use crate::signin::keys::{self, KeyError};
use crate::signin::launch::fetch;
use crate::signin::{digest_of, guard};
use crate::state::Shared;

/// The longest life of an assertion, in seconds (SMART: five minutes).
const ASSERTION_SECONDS: i64 = 300;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Signatures accepted on assertions.
pub(super) const ALGORITHMS: [(Algorithm, &str); 3] = [
    (Algorithm::ES384, "ES384"),
    (Algorithm::RS384, "RS384"),
    (Algorithm::ES256, "ES256"),
];
/// Keys that were fetched are asked for again after an hour; sooner where a key is not among them, but not
/// within a minute.
const KEYS_GOOD: SignedDuration = SignedDuration::from_hours(1);
const KEYS_LEAST: SignedDuration = SignedDuration::from_mins(1);

/// The public keys of a client.
pub(in crate::signin) enum Keys {
    File(JwkSet),
    Address {
        uri: String,
        held: Mutex<Option<(Timestamp, JwkSet)>>,
    },
}

impl Keys {
    /// Reads the file, or notes the address; none where neither is given.
    pub fn open(file: Option<&Path>, uri: Option<&str>) -> Result<Option<Self>, KeyError> {
        Ok(match (file, uri) {
            (Some(path), _) => Some(Self::File(keys::read_set(path)?)),
            (None, Some(uri)) => Some(Self::Address {
                uri: uri.to_owned(),
                held: Mutex::default(),
            }),
            (None, None) => None,
        })
    }

    async fn key(&self, state: &Shared, kid: Option<&str>) -> Option<DecodingKey> {
        let pick = |set: &JwkSet| {
            let jwk = match kid {
                Some(kid) => set.find(kid),
                None => set.keys.first(),
            };
            DecodingKey::from_jwk(jwk?).ok()
        };
        let (uri, held) = match self {
            Self::File(set) => return pick(set),
            Self::Address { uri, held } => (uri, held),
        };
        let now = state.clock.now();
        let known = held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((asked, set)) = &known {
            let age = now.duration_since(*asked);
            let key = pick(set);
            if age < KEYS_LEAST || (key.is_some() && age < KEYS_GOOD) {
                return key;
            }
        }
        let fresh = fetch::<JwkSet>(state.signin.provider.client().get(uri)).await?;
        let key = pick(&fresh);
        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, fresh));
        key
    }
}

/// The fields of a form, each at most once.
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if fields.len() > 40 || fields.contains_key(name.as_ref()) {
                return Err(Refusal::new("invalid_request", "send each parameter once"));
            }
            fields.insert(name.into_owned(), value.into_owned());
        }
        Ok(Self(fields))
    }

    /// A field; empty where it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Why a client was not served, in the words of RFC 6749.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub error: &'static str,
    pub why: &'static str,
}

impl Refusal {
    pub fn new(error: &'static str, why: &'static str) -> Self {
        Self { error, why }
    }

    pub fn answer(self) -> Response {
        let status = if self.error == "invalid_client" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        };
        let body = json!({ "error": self.error, "error_description": self.why });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-store"),
        );
        if status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Basic realm=\"Connect Care\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// A client that showed who it is, or a public one that said it.
pub(super) enum Client<'s> {
    /// A source, or another system of ours.
    System(String),
    /// A registered app.
    App(&'s App),
}

impl Client<'_> {
    pub fn id(&self) -> &str {
        match self {
            Self::System(id) => id,
            Self::App(app) => &app.entry.id,
        }
    }
}

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    exp: i64,
    jti: String,
}

fn no(why: &'static str) -> Refusal {
    Refusal::new("invalid_client", why)
}

/// The client of a request.
pub(super) async fn client<'s>(
    state: &'s Shared,
    headers: &HeaderMap,
    fields: &Fields,
) -> Result<Result<Client<'s>, Refusal>, Problem> {
    let basic = basic(headers);
    let asserts = !fields.get("client_assertion").is_empty()
        || !fields.get("client_assertion_type").is_empty();
    if basic.is_some() && asserts {
        return Ok(Err(Refusal::new(
            "invalid_request",
            "use one way to show which client you are",
        )));
    }
    if !fields.get("client_secret").is_empty() {
        return Ok(Err(no(
            "send the secret in the Authorization header (client_secret_basic), never in the body",
        )));
    }
    if asserts {
        return asserted(state, fields).await;
    }
    let said = fields.get("client_id");
    if let Some(pair) = basic {
        let found = pair.and_then(|(id, secret)| {
            let app = state.signin.apps.get(&id)?;
            let Proof::Secret(expected) = &app.proof else {
                return None;
            };
            guard::same(
                digest_of(&secret).as_bytes(),
                digest_of(expected).as_bytes(),
            )
            .then_some(app)
        });
        let found = found.filter(|app| said.is_empty() || said == app.entry.id);
        return Ok(found
            .map(Client::App)
            .ok_or(no("the client id and secret do not fit")));
    }
    let app = state.signin.apps.get(said);
    Ok(match app.map(|app| (&app.proof, app)) {
        Some((Proof::Public, app)) => Ok(Client::App(app)),
        Some((Proof::Secret(_), _)) => Err(no("this client signs in with client_secret_basic")),
        _ => Err(no("send client_assertion and client_assertion_type \
             urn:ietf:params:oauth:client-assertion-type:jwt-bearer")),
    })
}

/// The pair of the Authorization header; `Some(None)` where it cannot be read.
fn basic(headers: &HeaderMap) -> Option<Option<(String, String)>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = |text: &str| {
        let pair = format!("x={text}");
        let value = form_urlencoded::parse(pair.as_bytes()).next();
        value
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let text = STANDARD.decode(rest.trim()).ok();
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    Some(text.and_then(|text| {
        let (id, secret) = text.split_once(':')?;
        Some((decoded(id), decoded(secret)))
    }))
}

async fn asserted<'s>(
    state: &'s Shared,
    fields: &Fields,
) -> Result<Result<Client<'s>, Refusal>, Problem> {
    let assertion = match check(state, fields).await {
        Ok(assertion) => assertion,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let now = state.clock.now();
    let until = Timestamp::from_second(assertion.exp + 60).unwrap_or(now);
    let (sessions, client) = (state.sessions.clone(), assertion.sub.clone());
    let digest = digest_of(&format!("{}\n{}", assertion.iss, assertion.jti));
    let first = crate::blocking(move || sessions.use_assertion(&client, &digest, until))
        .await?
        .map_err(Problem::unavailable)?;
    if !first {
        return Ok(Err(no(
            "this assertion was used before; make a new one with a new jti for each request",
        )));
    }
    Ok(Ok(match state.signin.apps.get(&assertion.sub) {
        Some(app) => Client::App(app),
        None => Client::System(assertion.sub),
    }))
}

async fn check(state: &Shared, fields: &Fields) -> Result<Assertion, Refusal> {
    if fields.get("client_assertion_type") != ASSERTION_TYPE {
        return Err(no(
            "send client_assertion_type urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ));
    }
    let text = fields.get("client_assertion");
    let head =
        jsonwebtoken::decode_header(text).map_err(|_| no("the assertion is no signed JWT"))?;
    if !ALGORITHMS.iter().any(|(one, _)| *one == head.alg) {
        return Err(no("sign the assertion with ES384, RS384 or ES256"));
    }
    // Which key to use is read from the claims before they are believed; the signature decides.
    let claimed: Assertion = jsonwebtoken::dangerous::insecure_decode_claims(text)
        .map_err(|_| no("the assertion needs iss, sub, aud, exp and jti"))?;
    let wrong = no("the client is unknown, or the assertion is not signed with its registered key");
    let said = fields.get("client_id");
    if !said.is_empty() && said != claimed.sub {
        return Err(wrong);
    }
    let app = state.signin.apps.get(&claimed.sub);
    let keys = match app.map(|app| &app.proof) {
        Some(Proof::Keys(keys)) => Some(keys),
        Some(_) => None,
        None => state.signin.tokens.client_keys(&claimed.sub),
    };
    let key = match keys {
        Some(keys) => keys.key(state, head.kid.as_deref()).await,
        None => None,
    };
    let key = key.ok_or(wrong)?;
    let mut validation = Validation::new(head.alg);
    let base = &state.config.server.base_url;
    validation.set_audience(&[format!("{base}/oauth/token")]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.leeway = 30;
    let assertion = jsonwebtoken::decode::<Assertion>(text, &key, &validation)
        .map_err(|cause| match cause.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                no("the assertion has expired; check the clock")
            }
            jsonwebtoken::errors::ErrorKind::InvalidAudience => {
                no("aud must be the address of this token endpoint")
            }
            _ => wrong,
        })?
        .claims;
    if assertion.iss != assertion.sub {
        return Err(no("iss and sub must both be the client's id"));
    }
    if assertion.exp > state.clock.now().as_second() + ASSERTION_SECONDS + 30 {
        return Err(no("exp must lie at most five minutes ahead"));
    }
    if assertion.jti.is_empty() || assertion.jti.len() > 200 {
        return Err(no("jti must be 1 to 200 characters, new for each request"));
    }
    Ok(assertion)
}
