//! What of SMART and OpenID Connect runs here. Says nothing that does not.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::client::ALGORITHMS;
use crate::config::UsedBy;
use crate::problem::Problem;
use crate::signin::scopes::NAMED;
use crate::state::{AppState, Shared};

/// What of SMART App Launch this server can do, in the words of its conformance page.
fn capabilities(state: &AppState) -> Vec<&'static str> {
    let apps = &state.config.apps;
    let mut all = vec![
        "client-confidential-asymmetric",
        "permission-v1",
        "permission-v2",
    ];
    if apps.is_empty() {
        return all;
    }
    all.extend([
        "launch-standalone",
        "authorize-post",
        "client-public",
        "client-confidential-symmetric",
        "sso-openid-connect",
        "context-standalone-patient",
        "context-banner",
        "permission-online",
        "permission-patient",
        "permission-user",
    ]);
    if apps.iter().any(|app| app.launch_uri.is_some()) {
        all.extend(["launch-ehr", "context-ehr-patient"]);
    }
    if apps.iter().any(|app| app.used_by == UsedBy::Patients) {
        all.push("permission-offline");
    }
    all
}

/// Members that both documents share.
fn shared(state: &AppState) -> Value {
    let base = &state.config.server.base_url;
    let algorithms: Vec<&str> = ALGORITHMS.iter().map(|(_, name)| *name).collect();
    let mut all = json!({
        "token_endpoint": format!("{base}/oauth/token"),
        "introspection_endpoint": format!("{base}/oauth/introspect"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "grant_types_supported": ["client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
        "scopes_supported": ["system/*.cruds"],
    });
    if let (false, Some(members)) = (state.config.apps.is_empty(), all.as_object_mut()) {
        let apps = &state.config.apps;
        // Named only where some app could be given it.
        let is_given = |name: &&str| match *name {
            "launch" => apps.iter().any(|app| app.launch_uri.is_some()),
            "offline_access" => apps.iter().any(|app| app.used_by == UsedBy::Patients),
            _ => true,
        };
        let scopes: Vec<&str> = NAMED
            .iter()
            .copied()
            .filter(is_given)
            .chain(["patient/*.rs", "user/*.rs", "system/*.cruds"])
            .collect();
        let more = [
            // Who signs ID tokens: without apps there are none.
            ("issuer", json!(base)),
            ("jwks_uri", json!(format!("{base}/oauth/jwks"))),
            ("response_types_supported", json!(["code"])),
            (
                "authorization_endpoint",
                json!(format!("{base}/oauth/authorize")),
            ),
            ("management_endpoint", json!(format!("{base}/apps"))),
            (
                "grant_types_supported",
                json!(["authorization_code", "refresh_token", "client_credentials"]),
            ),
            (
                "token_endpoint_auth_methods_supported",
                json!(["private_key_jwt", "client_secret_basic", "none"]),
            ),
            (
                "introspection_endpoint_auth_methods_supported",
                json!(["private_key_jwt", "client_secret_basic"]),
            ),
            (
                "revocation_endpoint_auth_methods_supported",
                json!(["private_key_jwt", "client_secret_basic", "none"]),
            ),
            ("scopes_supported", json!(scopes)),
            (
                "authorization_response_iss_parameter_supported",
                json!(true),
            ),
        ];
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    all
}

/// `GET /.well-known/smart-configuration`, also under the FHIR base.
pub async fn smart_configuration(State(state): State<Shared>) -> Response {
    let mut all = shared(&state);
    if let Some(members) = all.as_object_mut() {
        members.insert("capabilities".to_owned(), json!(capabilities(&state)));
    }
    Json(all).into_response()
}

/// `GET /.well-known/openid-configuration`: for those who check our ID tokens. Without apps there are none.
pub async fn openid_configuration(State(state): State<Shared>) -> Response {
    if state.config.apps.is_empty() {
        return Problem::not_found().into_response();
    }
    let mut all = shared(&state);
    if let Some(members) = all.as_object_mut() {
        members.insert("subject_types_supported".to_owned(), json!(["public"]));
        let algorithms = json!(["ES256"]);
        members.insert(
            "id_token_signing_alg_values_supported".to_owned(),
            algorithms,
        );
        let claims = json!([
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "fhirUser",
            "name",
            "profile"
        ]);
        members.insert("claims_supported".to_owned(), claims);
    }
    Json(all).into_response()
}
