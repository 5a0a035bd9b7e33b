//! The identity provider as we talk to it: what it says of itself, in bounded time and size, and who
//! is on the way to it and back.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, HttpRequest, HttpResponse, IssuerUrl, ProviderMetadata,
};
use serde::{Deserialize, Serialize};

use super::oidc::StepUp;
use crate::problem::Problem;

const AT_MOST: usize = 10_000;
const ANSWER_BYTES: usize = 1 << 20;

/// What a provider says of itself beside OpenID Connect Discovery.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct More {
    /// Its answers name it (RFC 9207), so one that does not is not its own.
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub names_itself: bool,
}
impl AdditionalProviderMetadata for More {}

pub(super) type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Somebody on the way to the provider and back.
pub(super) struct OnTheWay {
    pub browser: String,
    pub nonce: String,
    pub verifier: String,
    pub next: String,
    pub asked_at: Timestamp,
    pub until: Timestamp,
    pub step_up: Option<StepUp>,
}

/// The identity provider, and who is on the way to it.
pub struct Provider {
    pub(super) http: Http,
    on_the_way: Mutex<HashMap<String, OnTheWay>>,
    /// What the provider says of itself, asked again when a check fails or after an hour.
    metadata: Mutex<Option<(Timestamp, Metadata)>>,
}

/// The provider did not answer as the standard says. Holds no claims.
#[derive(Debug, thiserror::Error)]
#[error("the identity provider: {0}")]
pub(super) struct ProviderError(pub String);

/// Calls to the provider, in bounded time and size.
pub(super) struct Http(reqwest::Client);

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

    /// The client for calls to other systems that sign people in: no redirects, ten seconds.
    pub(super) fn client(&self) -> &reqwest::Client {
        &self.http.0
    }

    pub(super) async fn metadata(&self, issuer: &str, now: Timestamp) -> Result<Metadata, Problem> {
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
        let metadata = Metadata::discover_async(issuer, &self.http)
            .await
            .map_err(provider_down)?;
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((now, metadata.clone()));
        Ok(metadata)
    }

    /// The next sign-in asks the provider again: its keys may have changed.
    pub(super) fn forget_metadata(&self) {
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn remember(&self, state: String, one: OnTheWay, now: Timestamp) {
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
    pub(super) fn take(&self, state: &str, now: Timestamp) -> Option<OnTheWay> {
        let mut all = self
            .on_the_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(state).filter(|one| one.until > now)
    }
}

pub(super) fn provider_down(cause: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::new(
        axum::http::StatusCode::BAD_GATEWAY,
        "transient",
        "The identity service is not answering",
        "Nobody can log in at the moment. Try again in a few minutes.",
    )
    .because(cause)
}
