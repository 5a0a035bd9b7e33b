//! Who is calling, and on whose authority. OpenID Connect for people, signed assertions for systems.
//!
//! Never decides what somebody may see: that is `access`, behind `Disclosure`.

pub mod apps;
mod choosing;
pub mod claims;
pub mod demo_identity;
mod guard;
mod kept_forms;
pub mod keys;
mod launch;
mod oidc;
mod pages;
pub mod people;
mod provider;
pub mod scopes;
mod session;
mod standing;
mod step_up;
mod throttle;
pub mod tokens;

use axum::Router;
use axum::routing::{get, post};

use crate::state::Shared;

pub use guard::guard;
pub(crate) use guard::same;
pub use launch::{Launches, demo_host};
pub use session::{Session, SignIn};
pub(crate) use session::{digest_of, is_own_path, random_text};
pub use tokens::Bearer;

/// The addresses of signing in and out. Those of the demonstration's provider are there only in the
/// demonstration.
pub fn router(demo: bool) -> Router<Shared> {
    let people = Router::new()
        .route("/staff/login", get(pages::login))
        .route("/staff/login/start", get(oidc::start))
        .route("/staff/login/callback", get(oidc::callback))
        .route("/staff/role", get(choosing::show).post(choosing::choose))
        .route("/staff/kept/{id}", get(kept_forms::show))
        .route("/staff/step-up/{id}", get(step_up::show))
        .route("/staff/step-up/{id}/start", get(step_up::start))
        .route("/staff/launch", get(launch::smart).post(launch::posted))
        .route("/staff/launch/open", get(launch::open))
        .route("/staff/launch/callback", get(launch::callback))
        .route("/staff/logout", post(oidc::log_out))
        .route("/apps", get(apps::consent::list))
        .route("/apps/stop", post(apps::consent::stop))
        .route("/apps/open", post(apps::consent::open))
        .route(
            "/apps/allow/{id}",
            get(apps::consent::show).post(apps::consent::answer),
        )
        .route(
            "/oauth/authorize",
            get(apps::authorize::get).post(apps::authorize::post),
        )
        .route("/oauth/token", post(apps::exchange::token))
        .route("/oauth/introspect", post(apps::about::introspect))
        .route("/oauth/revoke", post(apps::about::revoke))
        .route("/oauth/jwks", get(tokens::jwks))
        .route(
            "/.well-known/openid-configuration",
            get(apps::discovery::openid_configuration),
        )
        .route(
            "/.well-known/smart-configuration",
            get(apps::discovery::smart_configuration),
        )
        .route(
            "/fhir/R4/.well-known/smart-configuration",
            get(apps::discovery::smart_configuration),
        );
    if demo {
        people.merge(demo_router())
    } else {
        people
    }
}

fn demo_router() -> Router<Shared> {
    demo_host::router()
        .route(
            "/demo-identity/.well-known/openid-configuration",
            get(demo_identity::discovery),
        )
        .route("/demo-identity/jwks", get(demo_identity::jwks))
        .route(
            "/demo-identity/authorize",
            get(demo_identity::authorize).post(demo_identity::chosen),
        )
        .route("/demo-identity/token", post(demo_identity::token))
        .route(
            "/demo-identity/userinfo",
            get(demo_identity::userinfo).post(demo_identity::userinfo),
        )
        .route(
            "/demo-identity/end-session",
            get(demo_identity::end_session),
        )
}
