//! Signing in people by OpenID Connect: authorisation code with PKCE (S256), state, nonce and issuer
//! check. The demonstration's provider and a national one are the same to this code.
//!
//! The signature and audience checks are those of the `openidconnect` crate; times, assurance and
//! who-for are checked here, by our own clock. Source: OpenID Connect Core 3.1, RFC 9700, RFC 9207
//! (`iss` in the answer), RFC 8725.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthenticationContextClass, AuthorizationCode, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::claims::{self, Identity};
use super::provider::{OnTheWay, ProviderError, provider_down};
use super::session::{cookie, digest_of, is_own_path, random_text};
use super::throttle::Place;
use super::{choosing, guard, people};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

pub(super) const COOKIE: &str = "connect-care-signing-in";
const MINUTES: i64 = 10;
/// How far the provider's clock may be from ours, in seconds.
const SKEW_SECONDS: i64 = 60;
/// How old an ID token may be when it comes, in seconds: it is asked for at once.
const TOKEN_SECONDS: i64 = 600;

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

/// Somebody signed in who confirms who they are.
#[derive(Debug, Clone)]
pub(super) struct StepUp {
    /// What their session is kept under.
    pub key: String,
    /// Who must come back.
    pub user: String,
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
    begin(&state, next, None).await
}

/// Sends a browser to the provider; with `step_up`, to be asked again whoever is signed in there.
pub(super) async fn begin(
    state: &Shared,
    next: String,
    step_up: Option<StepUp>,
) -> Result<Response, Problem> {
    let (client, _) = client(state).await?;
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
    if step_up.is_some() {
        request = request
            .add_prompt(CoreAuthPrompt::Login)
            .set_max_age(std::time::Duration::ZERO);
        for acr in &state.config.signin.step_up.accepted_acr {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
    }
    let (address, sign_in, nonce) = request.url();
    let browser = random_text()?;
    let now = state.clock.now();
    let one = OnTheWay {
        browser: digest_of(&browser),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        next,
        asked_at: now,
        until: now
            .saturating_add(SignedDuration::from_mins(MINUTES))
            .unwrap_or(now),
        step_up,
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

/// Somebody who came back, and is who the provider says.
struct Arrived {
    identity: Identity,
    how: String,
    next: String,
    step_up: Option<StepUp>,
}

/// `GET /staff/login/callback`: back from the identity provider.
pub async fn callback(
    State(state): State<Shared>,
    Place(place): Place,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    state.signin.throttle.check(&place, now)?;
    let result = arrive(&state, &headers, answer).await;
    if result.is_ok() {
        state.signin.throttle.worked(&place);
    }
    if let Err(Refused(why)) = &result {
        if state.signin.throttle.failed(&place, now) {
            tracing::warn!(
                place,
                "sign-ins failed again and again: this place must wait"
            );
        }
        let (sessions, why) = (state.sessions.clone(), why.clone());
        crate::blocking(move || sessions.refused("unknown", &why))
            .await?
            .map_err(Problem::unavailable)?;
    }
    let arrived = result.map_err(|Refused(why)| {
        Problem::new(
            axum::http::StatusCode::BAD_REQUEST,
            "login",
            "You were not logged in",
            "The answer of the identity service could not be used. Start again from the log-in page.",
        )
        .because(ProviderError(why))
    })?;
    match arrived.step_up {
        Some(step_up) => {
            let set = state
                .confirm_session(&headers, &step_up, arrived.how)
                .await?;
            let to = Redirect::to(&arrived.next);
            Ok(([(header::SET_COOKIE, set)], to).into_response())
        }
        None => {
            choosing::arrive(
                &state,
                &headers,
                arrived.identity,
                arrived.how,
                arrived.next,
            )
            .await
        }
    }
}

/// Why a sign-in was refused: for the audit log and ours, without personal data.
struct Refused(String);

fn refuse(why: &str) -> Refused {
    Refused(why.to_owned())
}

async fn arrive(state: &Shared, headers: &HeaderMap, answer: Answer) -> Result<Arrived, Refused> {
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
    let (client, names_itself) = client(state)
        .await
        .map_err(|_| refuse("it does not answer"))?;
    match &answer.iss {
        Some(issuer) if *issuer != settings.issuer => {
            return Err(refuse("the answer comes from another issuer"));
        }
        None if names_itself => return Err(refuse("the answer does not name its issuer")),
        _ => {}
    }
    if answer.error.is_some() {
        return Err(refuse("the provider refused"));
    }
    let code = answer.code.ok_or_else(|| refuse("no code"))?;
    let (token, all) = exchange(state, client, code, &one)
        .await
        .inspect_err(|_| state.signin.provider.forget_metadata())?;
    times(&token, now)?;
    let acr = assurance(&token, &all, settings, one.step_up.is_some())?;
    let identity = Identity::from_claims(&all, settings, &state.directory)
        .ok_or_else(|| refuse("the claims name no user"))?;
    if let Some(step_up) = &one.step_up {
        let unproved = identity
            .proof
            .as_deref()
            .is_some_and(|it| it != people::PROVED);
        if identity.id != step_up.user || unproved {
            return Err(refuse("somebody else confirmed"));
        }
        // Whoever asks for a fresh sign-in is told when it was (Core 3.1.2.1).
        let then = whole(&token, "auth_time").ok_or_else(|| refuse("no time of authentication"))?;
        if then < one.asked_at.as_second() - SKEW_SECONDS {
            return Err(refuse("the authentication is not a fresh one"));
        }
    }
    Ok(Arrived {
        identity,
        how: format!("{} acr {acr}", settings.issuer),
        next: one.next,
        step_up: one.step_up,
    })
}

fn whole(token: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = token.get(name)?;
    value.as_i64().or_else(|| Some(value.as_f64()? as i64))
}

/// When the token was made, from when it is good, until when, and for whom, by our own clock.
fn times(token: &Map<String, Value>, now: Timestamp) -> Result<(), Refused> {
    let now = now.as_second();
    let until = whole(token, "exp").ok_or_else(|| refuse("no time of expiry"))?;
    if until + SKEW_SECONDS <= now {
        return Err(refuse("the ID token has expired"));
    }
    let made = whole(token, "iat").ok_or_else(|| refuse("no time of issue"))?;
    if made > now + SKEW_SECONDS || made < now - TOKEN_SECONDS - SKEW_SECONDS {
        return Err(refuse("the ID token was not made just now"));
    }
    let not_before = match token.get("nbf") {
        None => None,
        Some(_) => Some(whole(token, "nbf").ok_or_else(|| refuse("nbf is no time"))?),
    };
    if not_before.is_some_and(|from| from > now + SKEW_SECONDS) {
        return Err(refuse("the ID token is not good yet"));
    }
    let authenticated = whole(token, "auth_time");
    if authenticated.is_some_and(|then| then > now + SKEW_SECONDS) {
        return Err(refuse("the authentication lies in the future"));
    }
    Ok(())
}

/// The strength of authentication. Only the signed token can say it: what the user information address
/// adds cannot make a sign-in stronger.
fn assurance(
    token: &Map<String, Value>,
    all: &Map<String, Value>,
    settings: &crate::config::Signin,
    step_up: bool,
) -> Result<String, Refused> {
    if people::are(token) {
        return people::assurance(token, all, settings).map_err(refuse);
    }
    let acr = token.get("acr").and_then(Value::as_str).unwrap_or_default();
    let accepted = match settings.step_up.accepted_acr.as_slice() {
        [] => &settings.accepted_acr,
        _ if step_up => &settings.step_up.accepted_acr,
        _ => &settings.accepted_acr,
    };
    if !accepted.iter().any(|one| one == acr) {
        return Err(refuse("the strength of authentication is not accepted"));
    }
    let least = u64::from(settings.minimum_authentication_level);
    let level = claims::level(token, &settings.claims.authentication_level);
    if least > 0 && level.is_none_or(|level| level < least) {
        return Err(refuse("the assurance of authentication is too low"));
    }
    let least = u64::from(settings.minimum_identity_level);
    let level = claims::level(all, &settings.claims.identity_level);
    if least > 0 && level.is_none_or(|level| level < least) {
        return Err(refuse("the assurance of identity is too low"));
    }
    Ok(acr.to_owned())
}

/// Swaps the code for claims: the ID token's, checked (signature, issuer, audience, nonce, at_hash), and
/// the same with what the user information address adds for the same subject.
async fn exchange(
    state: &Shared,
    client: Client,
    code: String,
    one: &OnTheWay,
) -> Result<(Map<String, Value>, Map<String, Value>), Refused> {
    fn refuse(what: &'static str) -> impl Fn(&dyn std::error::Error) -> Refused {
        move |cause| Refused(format!("{what}: {cause}"))
    }
    let settings = &state.config.signin;
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
    // Our own clock checks the times, in `times`; here the crate is shown a moment at which nothing
    // has expired.
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(algorithms(&settings.signing_algorithms))
        .set_time_fn(Default::default);
    #[cfg(feature = "negative-control")]
    let verifier = verifier.insecure_disable_signature_check();
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
    let token = object(claims);
    let client_id = Value::from(settings.client_id.as_str());
    if token.get("azp").is_some_and(|party| *party != client_id) {
        return Err(Refused(
            "the ID token was made for another client (azp)".to_owned(),
        ));
    }
    let mut all = token.clone();
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
    Ok((token, all))
}

/// Signatures by public keys, by name; anything else is left out.
fn algorithms(names: &[String]) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as By;
    let known = |name: &String| match name.as_str() {
        "RS256" => Some(By::RsaSsaPkcs1V15Sha256),
        "RS384" => Some(By::RsaSsaPkcs1V15Sha384),
        "RS512" => Some(By::RsaSsaPkcs1V15Sha512),
        "PS256" => Some(By::RsaSsaPssSha256),
        "PS384" => Some(By::RsaSsaPssSha384),
        "PS512" => Some(By::RsaSsaPssSha512),
        "ES256" => Some(By::EcdsaP256Sha256),
        "ES384" => Some(By::EcdsaP384Sha384),
        _ => None,
    };
    names.iter().filter_map(known).collect()
}

fn object(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The client at the provider, and whether the provider names itself in its answers.
async fn client(state: &Shared) -> Result<(Client, bool), Problem> {
    let settings = &state.config.signin;
    let metadata = state
        .signin
        .provider
        .metadata(&settings.issuer, state.clock.now())
        .await?;
    let names_itself = metadata.additional_metadata().names_itself;
    let secret = state.config.client_secret().map_err(Problem::unavailable)?;
    let back = RedirectUrl::new(format!(
        "{}/staff/login/callback",
        state.config.server.base_url
    ))
    .map_err(provider_down)?;
    let client: Client = Client::from_provider_metadata(
        metadata,
        ClientId::new(settings.client_id.clone()),
        Some(ClientSecret::new(secret)),
    );
    Ok((client.set_redirect_uri(back), names_itself))
}

/// `POST /staff/logout`: ends the session here and at the provider.
pub async fn log_out(State(state): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(session) = state.session(&headers).await? {
        state
            .end_session(&session.key, &session.user, "log out")
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
