//! Signing in people by OpenID Connect: authorisation code with PKCE (S256), state, nonce and issuer
//! check. The demonstration's provider and a national one are the same to this code.
//!
//! The token checks are those of the `openidconnect` crate; here they are put in order. Source:
//! OpenID Connect Core 3.1, RFC 9700, RFC 9207 (`iss` in the answer).

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::Identity;
use super::session::{cookie, digest_of, is_own_path, random_text};
use super::{choosing, guard};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

pub(super) const COOKIE: &str = "connect-care-signing-in";
const MINUTES: i64 = 10;
const AT_MOST: usize = 10_000;
const ANSWER_BYTES: usize = 1 << 20;

/// Claims by any name: which one says what is configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct AnyClaims(Map<String, Value>);
impl AdditionalClaims for AnyClaims {}

type Fields = IdTokenFields<
    AnyClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type TokenAnswer = StandardTokenResponse<Fields, CoreTokenType>;
type Client = openidconnect::Client<
    AnyClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenAnswer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Somebody on the way to the provider and back.
struct OnTheWay {
    browser: String,
    nonce: String,
    verifier: String,
    next: String,
    until: Timestamp,
}

/// The identity provider, and who is on the way to it.
pub struct Provider {
    http: Http,
    on_the_way: Mutex<HashMap<String, OnTheWay>>,
    /// What the provider says of itself, asked again when a check fails or after an hour.
    metadata: Mutex<Option<(Timestamp, CoreProviderMetadata)>>,
}

/// The provider did not answer as the standard says. Holds no claims.
#[derive(Debug, thiserror::Error)]
#[error("the identity provider: {0}")]
struct ProviderError(String);

/// Calls to the provider, in bounded time and size.
struct Http(reqwest::Client);

impl Http {
    async fn call_bounded(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let failed = |cause: reqwest::Error| ProviderError(cause.without_url().to_string());
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut answer = self.0.execute(request).await.map_err(failed)?;
        let mut built = axum::http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            built = built.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(ProviderError("its answer is too long".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        built
            .body(body)
            .map_err(|cause| ProviderError(cause.to_string()))
    }
}

impl<'c> openidconnect::AsyncHttpClient<'c> for Http {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.call_bounded(request))
    }
}

impl Provider {
    /// Knows nobody yet.
    pub fn new() -> Result<Self, reqwest::Error> {
        // A provider never redirects these calls; following one would let it send us elsewhere.
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            http: Http(http),
            on_the_way: Mutex::default(),
            metadata: Mutex::default(),
        })
    }

    async fn metadata(
        &self,
        issuer: &str,
        now: Timestamp,
    ) -> Result<CoreProviderMetadata, Problem> {
        let held = self
            .metadata
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let fresh_after = now
            .saturating_sub(SignedDuration::from_hours(1))
            .unwrap_or(now);
        if let Some((_, metadata)) = held.filter(|(asked, _)| *asked > fresh_after) {
            return Ok(metadata);
        }
        let issuer = IssuerUrl::new(issuer.to_owned()).map_err(provider_down)?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http)
            .await
            .map_err(provider_down)?;
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((now, metadata.clone()));
        Ok(metadata)
    }

    /// The next sign-in asks the provider again: its keys may have changed.
    fn forget_metadata(&self) {
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn remember(&self, state: String, one: OnTheWay, now: Timestamp) {
        let mut all = self
            .on_the_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| other.until > now);
        if all.len() < AT_MOST {
            all.insert(state, one);
        }
    }

    /// Each sign-in comes back once.
    fn take(&self, state: &str, now: Timestamp) -> Option<OnTheWay> {
        let mut all = self
            .on_the_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(state).filter(|one| one.until > now)
    }
}

/// Where a user wants to be afterwards.
#[derive(Deserialize)]
pub struct Start {
    next: Option<String>,
}

/// `GET /staff/login/start`: off to the identity provider.
pub async fn start(
    State(state): State<Shared>,
    headers: HeaderMap,
    Query(start): Query<Start>,
) -> Result<Response, Problem> {
    let next = start
        .next
        .filter(|path| is_own_path(path))
        .unwrap_or_else(|| "/".to_owned());
    if let Some(elsewhere) = to_our_host(&state, &headers, &next) {
        return Ok(elsewhere);
    }
    let client = client(&state).await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .set_pkce_challenge(challenge);
    for scope in &state.config.signin.scopes {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    let (address, sign_in, nonce) = request.url();
    let browser = random_text()?;
    let now = state.clock.now();
    let one = OnTheWay {
        browser: digest_of(&browser),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        next,
        until: now
            .saturating_add(SignedDuration::from_mins(MINUTES))
            .unwrap_or(now),
    };
    state
        .signin
        .provider
        .remember(digest_of(sign_in.secret()), one, now);
    let set = state.cookie(COOKIE, &browser, Some(MINUTES * 60));
    Ok(([(header::SET_COOKIE, set)], Redirect::to(address.as_str())).into_response())
}

/// The provider sends people back to the configured address, and cookies do not cross hosts: so
/// somebody who came by another name of this machine is sent to the configured one first.
fn to_our_host(state: &AppState, headers: &HeaderMap, next: &str) -> Option<Response> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let base = &state.config.server.base_url;
    let ours = base.split_once("://").map(|(_, host)| host)?;
    // Only the demonstration is reached by several names; behind a proxy the name may differ.
    (state.config.demo && host != ours)
        .then(|| Redirect::to(&format!("{base}/staff/login/start?next={next}")).into_response())
}

/// What the provider sends a browser back with.
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// `GET /staff/login/callback`: back from the identity provider.
pub async fn callback(
    State(state): State<Shared>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, Problem> {
    let result = arrive(&state, &headers, answer).await;
    if let Err(Refused(why)) = &result {
        let (sessions, why) = (state.sessions.clone(), why.clone());
        crate::blocking(move || sessions.refused("unknown", &why))
            .await?
            .map_err(Problem::unavailable)?;
    }
    let (identity, how, next) = result.map_err(|Refused(why)| {
        Problem::new(
            axum::http::StatusCode::BAD_REQUEST,
            "login",
            "You were not logged in",
            "The answer of the identity service could not be used. Start again from the log-in page.",
        )
        .because(ProviderError(why))
    })?;
    choosing::arrive(&state, identity, how, next).await
}

/// Why a sign-in was refused: for the audit log and ours, without personal data.
struct Refused(String);

async fn arrive(
    state: &Shared,
    headers: &HeaderMap,
    answer: Answer,
) -> Result<(Identity, String, String), Refused> {
    let refuse = |why: &str| Refused(why.to_owned());
    let settings = &state.config.signin;
    let now = state.clock.now();
    let sent = answer.state.ok_or_else(|| refuse("no state"))?;
    let one = state
        .signin
        .provider
        .take(&digest_of(&sent), now)
        .ok_or_else(|| refuse("the state is unknown, was used, or is too old"))?;
    let browser = cookie(headers, COOKIE).map(digest_of).unwrap_or_default();
    if !guard::same(browser.as_bytes(), one.browser.as_bytes()) {
        return Err(refuse("another browser began this sign-in"));
    }
    if answer.iss.is_some_and(|issuer| issuer != settings.issuer) {
        return Err(refuse("the answer comes from another issuer"));
    }
    if answer.error.is_some() {
        return Err(refuse("the provider refused"));
    }
    let code = answer.code.ok_or_else(|| refuse("no code"))?;
    let claims = exchange(state, code, &one)
        .await
        .inspect_err(|_| state.signin.provider.forget_metadata())?;
    let acr = claims
        .get("acr")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !settings.accepted_acr.contains(&acr) {
        return Err(refuse("the strength of authentication is not accepted"));
    }
    let identity = Identity::from_claims(&claims, settings, &state.directory)
        .ok_or_else(|| refuse("the claims name no user"))?;
    Ok((identity, format!("{} acr {acr}", settings.issuer), one.next))
}

/// Swaps the code for claims: ID token checked (signature, issuer, audience, expiry, nonce,
/// at_hash), then what the user information address adds, for the same subject.
async fn exchange(
    state: &Shared,
    code: String,
    one: &OnTheWay,
) -> Result<Map<String, Value>, Refused> {
    fn refuse(what: &'static str) -> impl Fn(&dyn std::error::Error) -> Refused {
        move |cause| Refused(format!("{what}: {cause}"))
    }
    let client = client(state)
        .await
        .map_err(|_| Refused("it does not answer".to_owned()))?;
    let http = &state.signin.provider.http;
    let tokens: TokenAnswer = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|cause| refuse("no token address")(&cause))?
        .set_pkce_verifier(PkceCodeVerifier::new(one.verifier.clone()))
        .request_async(http)
        .await
        .map_err(|cause| refuse("the code was refused")(&cause))?;
    let id_token = tokens
        .id_token()
        .ok_or_else(|| Refused("no ID token".to_owned()))?;
    let verifier = client.id_token_verifier();
    let claims = id_token
        .claims(&verifier, &Nonce::new(one.nonce.clone()))
        .map_err(|cause| refuse("the ID token was refused")(&cause))?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = id_token
            .signing_alg()
            .map_err(|cause| refuse("signature")(&cause))?;
        let key = id_token
            .signing_key(&verifier)
            .map_err(|cause| refuse("signature")(&cause))?;
        let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)
            .map_err(|cause| refuse("at_hash")(&cause))?;
        if actual != *expected {
            return Err(Refused(
                "the access token is not the ID token's (at_hash)".to_owned(),
            ));
        }
    }
    let mut all = object(claims);
    if let Ok(request) = client.user_info(
        tokens.access_token().clone(),
        Some(claims.subject().clone()),
    ) {
        let more: UserInfoClaims<AnyClaims, CoreGenderClaim> = request
            .request_async(http)
            .await
            .map_err(|cause| refuse("user information")(&cause))?;
        for (name, value) in object(&more) {
            all.entry(name).or_insert(value);
        }
    }
    Ok(all)
}

fn object(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

async fn client(state: &Shared) -> Result<Client, Problem> {
    let settings = &state.config.signin;
    let metadata = state
        .signin
        .provider
        .metadata(&settings.issuer, state.clock.now())
        .await?;
    let secret = state.config.client_secret().map_err(Problem::unavailable)?;
    let back = RedirectUrl::new(format!(
        "{}/staff/login/callback",
        state.config.server.base_url
    ))
    .map_err(Problem::unavailable)?;
    let client: Client = Client::from_provider_metadata(
        metadata,
        ClientId::new(settings.client_id.clone()),
        Some(ClientSecret::new(secret)),
    );
    Ok(client.set_redirect_uri(back))
}

fn provider_down(cause: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::new(
        axum::http::StatusCode::BAD_GATEWAY,
        "transient",
        "The identity service is not answering",
        "Nobody can log in at the moment. Try again in a few minutes.",
    )
    .because(cause)
}

/// `POST /staff/logout`: ends the session here and at the provider.
pub async fn log_out(State(state): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(session) = state.session(&headers).await? {
        state
            .end_session(&session.digest, &session.user, "log out")
            .await?;
    }
    let gone = state.cookie(state.session_cookie(), "", Some(0));
    let clear = [
        (header::SET_COOKIE, gone),
        (
            header::HeaderName::from_static("clear-site-data"),
            "\"cache\"".to_owned(),
        ),
    ];
    Ok((clear, Redirect::to("/staff/login?out=1")).into_response())
}
