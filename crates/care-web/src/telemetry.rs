//! What is written while running: log lines and figures. Never an address with an identifier in
//! it, never a name, an NHS number or a body: routes are named by their pattern.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

tokio::task_local! {
    static CURRENT: PageContext;
}

/// What every page and every problem may need to know of its request.
#[derive(Debug, Clone, Default)]
pub struct PageContext {
    /// Names the request in the log and on a problem page.
    pub request_id: String,
    /// The nonce of the content security policy.
    pub nonce: String,
}

impl PageContext {
    /// The context of the request that is being answered.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs a request within its context.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl<S: Sync> FromRequestParts<S> for PageContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::current())
    }
}

/// The reference a reader may quote; the same stands in the log.
pub fn reference() -> String {
    let id = PageContext::current().request_id;
    if id.is_empty() { "none".to_owned() } else { id }
}
