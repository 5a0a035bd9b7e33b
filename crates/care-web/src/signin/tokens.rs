//! The bearer tokens of the API: who calls, on whose authority, for what.
//!
//! A token is a signed JWT (RFC 9068). A system's names the client; an app's names what somebody allowed
//! the app, which the record keeps; one of the demonstration's states a person. How tokens are given stands
//! in `apps`. Source: HL7 SMART App Launch 2.2; RFC 9068.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{NhsNumber, OdsCode, Role};
use care_record::{AppKept, Caller, User};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};

use super::apps::{self, Keys};
use super::keys::{KeyError, SigningKey};
use super::scopes::{Allowed, Context, Interaction, Scopes};
use super::session::digest_of;
use crate::config::Config;
use crate::problem::{ApiProblem, Problem};
use crate::state::{AppState, Shared};
use crate::telemetry::PageContext;

/// Systems that sign in with a key, and the tokens they get.
pub struct Tokens {
    key: Option<SigningKey>,
    clients: HashMap<String, KnownClient>,
    verified: Verified,
}

struct KnownClient {
    keys: Option<Keys>,
    scopes: Scopes,
    organisation: OdsCode,
    introspects: bool,
}

/// What a token that was verified says.
#[derive(Clone)]
struct Known {
    claims: Arc<AccessClaims>,
    scopes: Arc<Scopes>,
    /// Of an app's token: whom it acts for, and what it states.
    grant: Option<Arc<(User, PersonClaims)>>,
    /// When the record was last asked whether it was taken back.
    asked: Timestamp,
}

/// How long a token that was taken back by another process of this service may still be taken here.
/// Within this process it ends at once.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_secs(5);

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

    fn forget(&self, which: impl Fn(&AccessClaims) -> bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, known| !which(&known.claims));
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
    /// For an app: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// For an app: the key of what somebody allowed it. The token itself says nothing about a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
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
            let keys = Keys::open(client.keys_file.as_deref(), client.jwks_uri.as_deref())?;
            let known = KnownClient {
                keys,
                scopes: Scopes::read(&client.scopes.join(" ")),
                organisation,
                introspects: client.introspects,
            };
            clients.insert(client.id.clone(), known);
        }
        Ok(Self {
            key,
            clients,
            verified: Verified::default(),
        })
    }

    pub(super) fn client_keys(&self, client: &str) -> Option<&Keys> {
        self.clients.get(client)?.keys.as_ref()
    }

    /// The scopes registered for a system; none for one that is not registered.
    pub(crate) fn client_scopes(&self, client: &str) -> Scopes {
        let known = self.clients.get(client);
        known.map_or_else(Scopes::default, |known| known.scopes.clone())
    }

    /// Whether a system may ask about anybody's token.
    pub(super) fn introspects(&self, client: &str) -> bool {
        self.clients
            .get(client)
            .is_some_and(|known| known.introspects)
    }

    /// A signed access token.
    pub(super) fn sign(&self, claims: &AccessClaims) -> Result<String, Problem> {
        self.key()?
            .sign("at+jwt", claims)
            .map_err(Problem::unavailable)
    }

    /// A signed ID token.
    pub(super) fn sign_id(&self, claims: &serde_json::Value) -> Result<String, Problem> {
        self.key()?
            .sign("JWT", claims)
            .map_err(Problem::unavailable)
    }

    fn key(&self) -> Result<&SigningKey, Problem> {
        self.key.as_ref().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_IMPLEMENTED,
                "not-supported",
                "No tokens are given here",
                "Ask the operator to set tokens.signing_key_file.",
            )
        })
    }

    /// Takes no token of this grant for granted any more.
    pub(super) fn forget_grant(&self, key: &str) {
        self.verified
            .forget(|claims| claims.grant.as_deref() == Some(key));
    }

    /// Takes no token of this id for granted any more.
    pub(super) fn forget_token(&self, id: &str) {
        self.verified.forget(|claims| claims.jti == id);
    }
}

/// Where tokens are good: the address of the FHIR API.
pub fn audience(config: &Config) -> String {
    format!("{}/fhir/R4", config.server.base_url)
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
        let known = known(state, token, &digest).await?.ok_or_else(|| {
            Problem::login(
                "The token is not accepted",
                "It was not given by this server for this address, was changed, has expired or was taken back. Get a new one.",
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

/// What a good token says; `None` for every other. The signature is checked once, and every few seconds
/// the record is asked whether the token was taken back.
async fn known(state: &Shared, token: &str, digest: &str) -> Result<Option<Known>, Problem> {
    let tokens = &state.signin.tokens;
    let now = state.clock.now();
    let held = tokens.verified.get(digest, now);
    let again = |known: &Known| now.duration_since(known.asked) >= ASKED_AGAIN;
    if let Some(known) = held.as_ref().filter(|known| !again(known)) {
        return Ok(Some(known.clone()));
    }
    let Some(claims) = held
        .map(|known| known.claims)
        .or_else(|| verify(state, token).map(Arc::new))
    else {
        return Ok(None);
    };
    let (sessions, id) = (state.sessions.clone(), claims.jti.clone());
    let back = crate::blocking(move || sessions.app_kept(AppKept::TakenBack, &id))
        .await?
        .map_err(Problem::unavailable)?;
    let grant = match (&claims.grant, back) {
        (_, Some(_)) => return Ok(None),
        (None, None) => None,
        (Some(key), None) => {
            let held = apps::grant(state, key).await?;
            let user = held.as_ref().and_then(apps::Grant::user);
            let (Some(held), Some(user)) = (held, user) else {
                tokens.forget_grant(key);
                return Ok(None);
            };
            let person = held.person(&user);
            Some(Arc::new((user, person)))
        }
    };
    let known = Known {
        scopes: Arc::new(Scopes::read(&claims.scope)),
        claims,
        grant,
        asked: now,
    };
    tokens.verified.put(digest.to_owned(), known.clone());
    Ok(Some(known))
}

fn verify(state: &AppState, token: &str) -> Option<AccessClaims> {
    let (key, algorithm) = state.signin.tokens.key.as_ref()?.verifier();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience(&state.config)]);
    validation.set_issuer(&[&state.config.server.base_url]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.leeway = 0;
    let decoded = jsonwebtoken::decode::<AccessClaims>(token, key, &validation).ok()?;
    // Our ID tokens are signed with the same key and are no access tokens (RFC 9068, 4).
    (decoded.header.typ.as_deref() == Some("at+jwt")).then_some(decoded.claims)
}

impl AppState {
    /// What a token that is good now says.
    pub(super) async fn good_token(
        self: &Arc<Self>,
        token: &str,
    ) -> Result<Option<AccessClaims>, Problem> {
        let digest = digest_of(token);
        let found = known(self, token, &digest).await?;
        Ok(found
            .filter(|known| bearer(self, known, digest).is_some())
            .map(|known| AccessClaims::clone(&known.claims)))
    }
}

fn bearer(state: &AppState, known: &Known, digest: String) -> Option<Bearer> {
    let Known {
        claims,
        scopes,
        grant,
        ..
    } = known;
    let scopes = scopes.clone();
    if let Some(grant) = grant {
        let (user, person) = &**grant;
        let user = state.still(user.clone()).ok()?;
        state.directory.organisation(&user.organisation)?;
        let request = PageContext::current().request_id;
        return Some(Bearer::Person {
            caller: Caller {
                user,
                session: digest,
                request,
            },
            stated: Box::new(person.clone()),
            scopes,
        });
    }
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

/// `GET /oauth/jwks`: the key our tokens are signed with.
pub async fn jwks(State(state): State<Shared>) -> Response {
    let set = state.signin.tokens.key.as_ref().map(SigningKey::public_set);
    Json(set.unwrap_or(JwkSet { keys: Vec::new() })).into_response()
}
