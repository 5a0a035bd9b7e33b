//! Systems: SMART Backend Services sign-in (`private_key_jwt`), and the bearer tokens of the API.
//!
//! Source: HL7 SMART App Launch 2.2, Backend Services; RFC 7523; RFC 9068. An assertion is used once,
//! and each use is in the audit log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Form, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{NhsNumber, OdsCode, Role};
use care_record::{Caller, User};
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::keys::{self, KeyError, SigningKey};
use super::scopes::{Allowed, Context, Interaction, Scopes};
use super::session::{digest_of, random_text};
use super::throttle::Place;
use crate::config::Config;
use crate::problem::{ApiProblem, Problem};
use crate::state::{AppState, Shared};
use crate::telemetry::PageContext;

/// The longest life of an assertion, in seconds (SMART: five minutes).
const ASSERTION_SECONDS: i64 = 300;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Systems that sign in with a key, and the tokens they get.
pub struct Tokens {
    key: Option<SigningKey>,
    clients: HashMap<String, KnownClient>,
    verified: Verified,
}

struct KnownClient {
    keys: JwkSet,
    scopes: Scopes,
    organisation: OdsCode,
}

/// What a token that was verified says.
#[derive(Clone)]
struct Known {
    claims: Arc<AccessClaims>,
    scopes: Arc<Scopes>,
}

/// Tokens whose signature was checked a moment ago, by digest: the same token comes with each request.
/// Whether the caller is still known here is asked each time all the same.
#[derive(Default)]
struct Verified(Mutex<HashMap<String, Known>>);

/// Tokens remembered at most; then all are forgotten and checked again.
const MOST_VERIFIED: usize = 4096;

impl Verified {
    fn get(&self, digest: &str, now: Timestamp) -> Option<Known> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(digest).cloned();
        known.filter(|known| known.claims.exp > now.as_second())
    }

    fn put(&self, digest: String, known: Known) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_VERIFIED {
            all.clear();
        }
        all.insert(digest, known);
    }
}

/// What our access tokens say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who gave it: the base address.
    pub iss: String,
    /// Where it is good: the FHIR base.
    pub aud: String,
    /// The client's or the user's id.
    pub sub: String,
    /// What for, separated by spaces.
    pub scope: String,
    /// When given, seconds.
    pub iat: i64,
    /// Until when, seconds.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// For a person: who, and what they state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonClaims>,
}

/// Who a token of a person speaks for, and the facts they state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonClaims {
    /// Name.
    pub name: String,
    /// Role code.
    pub role: String,
    /// ODS code.
    pub organisation: String,
    /// May open sealed items on a recorded ground.
    pub can_break_seal: bool,
    /// Own NHS number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_number: Option<String>,
    /// Numbers of people they act for or declared as family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub family_numbers: Vec<String>,
    /// The one person the token is good for; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Purpose code.
    pub purpose: String,
    /// Permission code.
    pub permission: String,
    /// Justification and reason of break-glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<(String, String)>,
}

impl Tokens {
    /// Reads the keys the configuration names.
    pub fn open(config: &Config) -> Result<Self, KeyError> {
        let path = config.tokens.signing_key_file.as_ref();
        let key = path
            .map(|path| SigningKey::read(path, Algorithm::ES256))
            .transpose()?;
        let mut clients = HashMap::new();
        for client in &config.clients {
            let Ok(organisation) = OdsCode::parse(&client.organisation) else {
                continue;
            };
            let keys = keys::read_set(&client.keys_file)?;
            let known = KnownClient {
                keys,
                scopes: Scopes::read(&client.scopes.join(" ")),
                organisation,
            };
            clients.insert(client.id.clone(), known);
        }
        Ok(Self {
            key,
            clients,
            verified: Verified::default(),
        })
    }

    fn client_key(&self, client: &str, kid: Option<&str>) -> Option<DecodingKey> {
        let keys = &self.clients.get(client)?.keys;
        let jwk = match kid {
            Some(kid) => keys.find(kid)?,
            None => keys.keys.first()?,
        };
        DecodingKey::from_jwk(jwk).ok()
    }
}

/// Where tokens are good.
pub fn audience(config: &Config) -> String {
    format!("{}/fhir/R4", config.server.base_url)
}

/// A token request of a system.
#[derive(Deserialize)]
pub struct TokenRequest {
    grant_type: String,
    #[serde(default)]
    client_assertion_type: String,
    #[serde(default)]
    client_assertion: String,
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    exp: i64,
    jti: String,
}

/// Why a system was not let in, in the words of RFC 6749.
struct Refusal {
    error: &'static str,
    why: &'static str,
}

/// `POST /oauth/token`.
pub async fn token(
    State(state): State<Shared>,
    Place(place): Place,
    Form(request): Form<TokenRequest>,
) -> Result<Response, ApiProblem> {
    let now = state.clock.now();
    state.signin.throttle.check(&place, now)?;
    let checked = check(&state, &request, now);
    let (assertion, scope) = match checked {
        Ok(found) => found,
        Err(refusal) => {
            if state.signin.throttle.failed(&place, now) {
                tracing::warn!(place, "systems failed to sign in again and again from here");
            }
            let (sessions, why) = (state.sessions.clone(), refusal.why);
            crate::blocking(move || sessions.refused("unknown", why))
                .await?
                .map_err(Problem::unavailable)?;
            return Ok(refusal.answer());
        }
    };
    let until = Timestamp::from_second(assertion.exp + 60).unwrap_or(now);
    let (sessions, client) = (state.sessions.clone(), assertion.sub.clone());
    let digest = digest_of(&format!("{}\n{}", assertion.iss, assertion.jti));
    let first = crate::blocking(move || sessions.use_assertion(&client, &digest, until))
        .await?
        .map_err(Problem::unavailable)?;
    if !first {
        let why = "this assertion was used before; make a new one with a new jti for each request";
        return Ok(Refusal {
            error: "invalid_client",
            why,
        }
        .answer());
    }
    let seconds = state.config.tokens.lifetime_seconds;
    let token = issue(&state, &assertion.sub, &scope, seconds, now)?;
    Ok(Json(json!({
        "access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": scope,
    }))
    .into_response())
}

impl Refusal {
    fn answer(self) -> Response {
        let status = if self.error == "invalid_client" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        };
        (
            status,
            Json(json!({ "error": self.error, "error_description": self.why })),
        )
            .into_response()
    }
}

fn check(
    state: &AppState,
    request: &TokenRequest,
    now: Timestamp,
) -> Result<(Assertion, String), Refusal> {
    let refuse = |error, why| Refusal { error, why };
    if request.grant_type != "client_credentials" {
        return Err(refuse("unsupported_grant_type", "use client_credentials"));
    }
    if request.client_assertion_type != ASSERTION_TYPE {
        return Err(refuse(
            "invalid_client",
            "send client_assertion_type urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ));
    }
    let unreadable = || refuse("invalid_client", "the assertion is no signed JWT");
    let head = jsonwebtoken::decode_header(&request.client_assertion).map_err(|_| unreadable())?;
    if ![Algorithm::ES384, Algorithm::RS384].contains(&head.alg) {
        return Err(refuse(
            "invalid_client",
            "sign the assertion with ES384 or RS384",
        ));
    }
    // Which key to use is read from the claims before they are believed; the signature decides.
    let claimed: Assertion = jsonwebtoken::dangerous::insecure_decode_claims(
        &request.client_assertion,
    )
    .map_err(|_| {
        refuse(
            "invalid_client",
            "the assertion needs iss, sub, aud, exp and jti",
        )
    })?;
    let wrong = || {
        refuse(
            "invalid_client",
            "the client is unknown, or the assertion is not signed with its registered key",
        )
    };
    let key = state
        .signin
        .tokens
        .client_key(&claimed.sub, head.kid.as_deref())
        .ok_or_else(wrong)?;
    let mut validation = Validation::new(head.alg);
    validation.set_audience(&[format!("{}/oauth/token", state.config.server.base_url)]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.leeway = 30;
    let assertion = jsonwebtoken::decode::<Assertion>(&request.client_assertion, &key, &validation)
        .map_err(|cause| match cause.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => refuse(
                "invalid_client",
                "the assertion has expired; check the clock",
            ),
            jsonwebtoken::errors::ErrorKind::InvalidAudience => refuse(
                "invalid_client",
                "aud must be the address of this token endpoint",
            ),
            _ => wrong(),
        })?
        .claims;
    if assertion.iss != assertion.sub {
        return Err(refuse(
            "invalid_client",
            "iss and sub must both be the client's id",
        ));
    }
    if assertion.exp > now.as_second() + ASSERTION_SECONDS + 30 {
        return Err(refuse(
            "invalid_client",
            "exp must lie at most five minutes ahead",
        ));
    }
    if assertion.jti.is_empty() || assertion.jti.len() > 200 {
        return Err(refuse(
            "invalid_client",
            "jti must be 1 to 200 characters, new for each request",
        ));
    }
    let scope = granted(state, &assertion.sub, &request.scope)?;
    Ok((assertion, scope))
}

fn granted(state: &AppState, client: &str, asked: &str) -> Result<String, Refusal> {
    let none = Scopes::default();
    let held = state.signin.tokens.clients.get(client);
    let held = held.map_or(&none, |known| &known.scopes);
    if asked.trim().is_empty() {
        return Ok(held.to_string());
    }
    let granted = held.grant(&Scopes::read(asked));
    if granted.is_empty() {
        return Err(Refusal {
            error: "invalid_scope",
            why: "none of these scopes is registered for this client",
        });
    }
    Ok(granted.to_string())
}

fn issue(
    state: &AppState,
    client: &str,
    scope: &str,
    seconds: i64,
    now: Timestamp,
) -> Result<String, Problem> {
    let claims = AccessClaims {
        iss: state.config.server.base_url.clone(),
        aud: audience(&state.config),
        sub: client.to_owned(),
        scope: scope.to_owned(),
        iat: now.as_second(),
        exp: now.as_second() + seconds,
        jti: random_text()?,
        person: None,
    };
    let key = state.signin.tokens.key.as_ref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "not-supported",
            "No tokens are given here",
            "Ask the operator to set tokens.signing_key_file.",
        )
    })?;
    key.sign("at+jwt", &claims).map_err(Problem::unavailable)
}

/// Who calls the API, by bearer token.
#[derive(Debug, Clone)]
pub enum Bearer {
    /// A system that sends.
    System {
        /// Client id: the feed's.
        client: String,
        /// The organisation whose data it sends.
        organisation: OdsCode,
        /// What it may do.
        scopes: Arc<Scopes>,
    },
    /// A person, with the facts they state.
    Person {
        /// Who.
        caller: Caller,
        /// What they state.
        stated: Box<PersonClaims>,
        /// What the token is good for, within what the rules let through.
        scopes: Arc<Scopes>,
    },
}

impl Bearer {
    /// Whose authority the token carries.
    pub fn context(&self) -> Context {
        match self {
            Self::System { .. } => Context::System,
            Self::Person { stated, .. } if stated.patient.is_some() => Context::Patient,
            Self::Person { .. } => Context::User,
        }
    }

    /// What the token may do.
    pub fn scopes(&self) -> &Scopes {
        match self {
            Self::System { scopes, .. } | Self::Person { scopes, .. } => scopes,
        }
    }

    /// What the token's scopes say to an interaction on a type. The rules are asked besides.
    pub fn allows(&self, kind: ResourceType, interaction: Interaction) -> Allowed {
        self.scopes().allows(self.context(), kind, interaction)
    }
}

impl FromRequestParts<Shared> for Bearer {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiProblem> {
        let no_token = || {
            Problem::login(
                "This needs a bearer token",
                "Send Authorization: Bearer with a token of this server; /.well-known/smart-configuration says how to get one.",
            )
        };
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(no_token)?;
        let digest = digest_of(token);
        let known = verify(state, token, &digest).ok_or_else(|| {
            Problem::login(
                "The token is not accepted",
                "It was not given by this server for this address, was changed, or has expired. Get a new one.",
            )
        })?;
        let unknown = || {
            Problem::login(
                "The token is not accepted",
                "Whoever it was given to is not known here any more. Get a new one.",
            )
        };
        Ok(bearer(state, &known, digest).ok_or_else(unknown)?)
    }
}

fn verify(state: &AppState, token: &str, digest: &str) -> Option<Known> {
    let tokens = &state.signin.tokens;
    if let Some(known) = tokens.verified.get(digest, state.clock.now()) {
        return Some(known);
    }
    let (key, algorithm) = tokens.key.as_ref()?.verifier();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience(&state.config)]);
    validation.set_issuer(&[&state.config.server.base_url]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.leeway = 0;
    let claims = jsonwebtoken::decode::<AccessClaims>(token, key, &validation)
        .ok()?
        .claims;
    let known = Known {
        scopes: Arc::new(Scopes::read(&claims.scope)),
        claims: Arc::new(claims),
    };
    tokens.verified.put(digest.to_owned(), known.clone());
    Some(known)
}

fn bearer(state: &AppState, known: &Known, digest: String) -> Option<Bearer> {
    let Known { claims, scopes } = known;
    let scopes = scopes.clone();
    let Some(person) = &claims.person else {
        let client = state.signin.tokens.clients.get(&claims.sub)?;
        if state.record.staff().standing(&claims.sub) == care_record::Standing::Suspended {
            return None;
        }
        return Some(Bearer::System {
            client: claims.sub.clone(),
            organisation: client.organisation.clone(),
            scopes,
        });
    };
    let number = |text: &String| NhsNumber::parse(text).ok();
    let user = User {
        id: claims.sub.clone(),
        name: person.name.clone(),
        role: Role::from_code(&person.role)?,
        organisation: OdsCode::parse(&person.organisation).ok()?,
        can_break_seal: person.can_break_seal,
        own_number: person.own_number.as_ref().and_then(number),
        family_numbers: person.family_numbers.iter().filter_map(number).collect(),
    };
    state.directory.organisation(&user.organisation)?;
    let user = state.still(user).ok()?;
    let caller = Caller {
        user,
        session: digest,
        request: PageContext::current().request_id,
    };
    Some(Bearer::Person {
        caller,
        stated: Box::new(person.clone()),
        scopes,
    })
}

/// `GET /.well-known/smart-configuration`, also under the FHIR base.
pub async fn smart_configuration(State(state): State<Shared>) -> Response {
    let base = &state.config.server.base_url;
    Json(json!({
        "issuer": base,
        "token_endpoint": format!("{base}/oauth/token"),
        "jwks_uri": format!("{base}/oauth/jwks"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "scopes_supported": ["system/*.cruds"],
        "capabilities": ["client-confidential-asymmetric"],
    }))
    .into_response()
}

/// `GET /oauth/jwks`: the key our tokens are signed with.
pub async fn jwks(State(state): State<Shared>) -> Response {
    let set = state.signin.tokens.key.as_ref().map(SigningKey::public_set);
    Json(set.unwrap_or(JwkSet { keys: Vec::new() })).into_response()
}
