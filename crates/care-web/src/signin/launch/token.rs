//! The posted launch token: a JWT signed with the host's registered key, good for a minute and once.
//!
//! Claims: `iss` the host's id, `aud` our launch address, `sub` the user id, `role` (`role@ODS`),
//! `patient` the NHS number, `jti`, `iat`, `exp`, and perhaps `reason` (`not-present`).
//! Source: RFC 7519, RFC 8725.

use care_core::vocabulary::NhsNumber;
use care_record::StaffRole;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::{EXPIRED, Launch, NOT_A_USER, NOT_TRUSTED, Refused};
use crate::problem::Problem;
use crate::signin::session::digest_of;
use crate::state::Shared;

/// How long a launch token may live, in seconds, and how far its maker's clock may be from ours.
const SECONDS: i64 = 60;
const SKEW_SECONDS: i64 = 30;
/// The longest token, in bytes.
const BYTES: usize = 8 << 10;
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::PS256,
    Algorithm::PS384,
];

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    role: String,
    patient: String,
    jti: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    reason: Option<String>,
}

/// Where launch tokens are good.
pub(super) fn audience(state: &crate::state::AppState) -> String {
    format!("{}/staff/launch", state.config.server.base_url)
}

/// Checks a token and uses it up.
pub(super) async fn check(state: &Shared, token: &str) -> Result<Result<Launch, Refused>, Problem> {
    let refuse = |host: &str, why, words| {
        Ok(Err(Refused {
            host: host.to_owned(),
            why,
            words,
        }))
    };
    if token.is_empty() || token.len() > BYTES {
        return refuse("unknown", "no launch token", NOT_TRUSTED);
    }
    let Ok(head) = jsonwebtoken::decode_header(token) else {
        return refuse("unknown", "the token is no JWT", NOT_TRUSTED);
    };
    // Whose key to check with is read before it is believed; the signature decides.
    let Ok(claimed) = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token) else {
        return refuse("unknown", "a claim is missing", NOT_TRUSTED);
    };
    let Some(host) = state.signin.launches.host(&claimed.iss) else {
        return refuse("unknown", "the host is unknown", NOT_TRUSTED);
    };
    let id = host.entry.id.as_str();
    if !ALGORITHMS.contains(&head.alg) {
        return refuse(id, "the signature's kind is not accepted", NOT_TRUSTED);
    }
    let jwk = match head.kid.as_deref() {
        Some(kid) => host.keys.find(kid),
        None => host.keys.keys.first(),
    };
    let Some(key) = jwk.and_then(|jwk| DecodingKey::from_jwk(jwk).ok()) else {
        return refuse(id, "no registered key has this id", NOT_TRUSTED);
    };
    let mut validation = Validation::new(head.alg);
    validation.set_audience(&[audience(state)]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    // The times are checked below, by our own clock.
    validation.validate_exp = false;
    let claims = match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
        Ok(found) => found.claims,
        Err(cause) => {
            use jsonwebtoken::errors::ErrorKind;
            let why = match cause.kind() {
                ErrorKind::InvalidAudience => "the token is for another audience",
                _ => "the signature is not the host's",
            };
            return refuse(id, why, NOT_TRUSTED);
        }
    };
    let now = state.clock.now().as_second();
    if claims.exp + SKEW_SECONDS <= now {
        return refuse(id, "the token has expired", EXPIRED);
    }
    let young = claims.iat <= now + SKEW_SECONDS
        && claims.exp - claims.iat <= SECONDS
        && claims.exp > claims.iat;
    if !young {
        return refuse(
            id,
            "the token lives longer than a minute, or is not yet good",
            NOT_TRUSTED,
        );
    }
    if claims.jti.is_empty() || claims.jti.len() > 200 {
        return refuse(id, "the token has no id of its own", NOT_TRUSTED);
    }
    let until =
        jiff::Timestamp::from_second(claims.exp + SKEW_SECONDS + 60).unwrap_or(state.clock.now());
    let digest = digest_of(&format!("launch\n{}\n{}", claims.iss, claims.jti));
    let (sessions, who) = (state.sessions.clone(), id.to_owned());
    let first = crate::blocking(move || sessions.use_assertion(&who, &digest, until))
        .await?
        .map_err(Problem::unavailable)?;
    if !first {
        return refuse(id, "the token was used before", EXPIRED);
    }
    let role = StaffRole::parse(&claims.role).ok();
    let allowed = role.and_then(|role| {
        let own = role.organisation == host.organisation;
        state
            .launch_role(host, &claims.sub, Some(&role))
            .filter(|_| own)
    });
    let Some(role) = allowed else {
        return refuse(
            id,
            "the user or the role is not in the staff directory",
            NOT_A_USER,
        );
    };
    let Ok(number) = NhsNumber::parse(&claims.patient) else {
        return refuse(id, "the NHS number is none", NOT_TRUSTED);
    };
    let mut launch = state.launch(host, claims.sub, role, number.digits());
    launch.reason = claims
        .reason
        .filter(|code| code == "not-present" || code == "permission-earlier");
    Ok(Ok(launch))
}
