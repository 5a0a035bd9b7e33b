//! The part of the configuration about apps that people and staff may let read for them (SMART App Launch).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Config, Fault};
use crate::signin::scopes::Scopes;

/// A registered app.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppEntry {
    /// Its `client_id`.
    pub id: String,
    /// Its name, as people know it.
    pub name: String,
    /// Who runs it, as people know them.
    pub run_by: String,
    /// Who may use it.
    pub used_by: UsedBy,
    /// Where people are sent back to: whole addresses, compared letter by letter.
    pub redirect_uris: Vec<String>,
    /// The origins from which its pages call us, for CORS; none: it runs on a server.
    #[serde(default)]
    pub origins: Vec<String>,
    /// The most it may be allowed.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
    /// The file that holds its secret (`client_secret_basic`). With none of the three it is a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The file that holds its public keys as a JWK set (`private_key_jwt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
    /// The address of its public keys (`private_key_jwt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Where it begins, for opening it from here; left out, it is opened elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_uri: Option<String>,
    /// Days for which somebody who is not staff may let it go on reading (`offline_access`).
    #[serde(default = "ninety")]
    pub offline_days: u16,
}

/// Who may use an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsedBy {
    /// People, about their own record.
    Patients,
    /// Staff, about one person at a time.
    Staff,
}

fn ninety() -> u16 {
    90
}

fn usual_scopes() -> Vec<String> {
    [
        "openid",
        "fhirUser",
        "launch",
        "launch/patient",
        "online_access",
        "patient/*.rs",
    ]
    .map(String::from)
    .to_vec()
}

/// `https://host` or, for trying, `http://localhost:port`; without a path.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
            })
    })
}

/// An address on the person's own machine (RFC 8252, 7.3) or of a scheme of its own (7.1).
fn is_native(address: &str) -> bool {
    let local = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
    let scheme = address.split(':').next().unwrap_or_default();
    local.iter().any(|begin| {
        address
            .strip_prefix(begin)
            .is_some_and(|rest| rest.starts_with([':', '/']))
    }) || scheme.contains('.') && !scheme.contains('/')
}

impl Config {
    /// What is wrong with the apps.
    pub(super) fn app_faults(&self, faults: &mut Vec<Fault>) {
        for (place, app) in self.apps.iter().enumerate() {
            let mut fault = |what: String, why: &str, mend: &str| {
                faults.push(Fault {
                    key: format!("apps.{}", app.id),
                    what,
                    why: why.into(),
                    mend: mend.into(),
                });
            };
            let twice = self.apps.iter().take(place).any(|other| other.id == app.id)
                || self.clients.iter().any(|client| client.id == app.id);
            if app.id.trim().is_empty() || twice {
                fault(
                    "has no id of its own".into(),
                    "one client could pass for another",
                    "give it a client_id that nothing else has",
                );
            }
            if app.redirect_uris.is_empty() {
                fault(
                    "has no redirect_uris".into(),
                    "nobody could be sent back to it",
                    "list the whole address it is called back at",
                );
            }
            for address in &app.redirect_uris {
                let safe = address.starts_with("https://")
                    || self.is_trial_address(address)
                    || is_native(address);
                if !safe || address.contains(['#', '*', ' ', '\\']) {
                    fault(
                        format!("the redirect address {address} is not safe"),
                        "what people allow could end up with somebody else",
                        "give a whole https address, without # and *",
                    );
                }
            }
            for origin in &app.origins {
                let safe = origin.starts_with("https://") || self.is_trial_address(origin);
                if !safe || !is_origin(origin) {
                    fault(
                        format!("{origin} is no origin"),
                        "a browser would not let it in, or would let in somebody else",
                        "give scheme and host only, such as https://app.example.org",
                    );
                }
            }
            let ways = [
                app.secret_file.is_some(),
                app.keys_file.is_some(),
                app.jwks_uri.is_some(),
            ];
            if ways.iter().filter(|one| **one).count() > 1 {
                fault(
                    "has more than one of secret_file, keys_file and jwks_uri".into(),
                    "the weakest of them would count",
                    "keep one",
                );
            }
            for path in app.secret_file.iter().chain(&app.keys_file) {
                let demo = |part: std::path::Component<'_>| {
                    part.as_os_str() == crate::signin::keys::DEMO_DIRECTORY
                };
                if path.components().any(demo) || !path.exists() {
                    fault(
                        format!(
                            "the file {} is not there or of the demonstration",
                            path.display()
                        ),
                        "the app could not sign in, or anybody could in its place",
                        "ask its makers for their own and create the file",
                    );
                }
            }
            for address in app.jwks_uri.iter().chain(&app.launch_uri) {
                if !address.starts_with("https://") && !self.is_trial_address(address) {
                    fault(
                        format!("{address} does not begin with https://"),
                        "it could be forged on the way",
                        "give its https address",
                    );
                }
            }
            let scopes = Scopes::read(&app.scopes.join(" "));
            if scopes.spoken().any(|(_, _, writes, _)| writes)
                || app.scopes.iter().any(|scope| scope.starts_with("system/"))
            {
                fault(
                    "has a scope that writes or speaks for a system".into(),
                    "people and staff read here; only sources write, about their own",
                    "use patient/*.rs or narrower, and [[clients]] for a source",
                );
            }
            if self.tokens.signing_key_file.is_none() {
                fault(
                    "tokens.signing_key_file is not set".into(),
                    "apps could not be given tokens",
                    "make a P-256 key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
                );
            }
        }
    }
}
