//! The part of the configuration about systems that may open Connect Care for their user and patient.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Config, Fault};

/// A system that may open Connect Care (page C2).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    /// Its id: the `iss` of its launch tokens.
    pub id: String,
    /// The organisation whose users it launches.
    pub organisation: String,
    /// The file that holds the public keys of its launch tokens, as a JWK set; left out, it posts none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
    /// Its word is enough to sign the user in. Otherwise the identity provider asks.
    #[serde(default)]
    pub signs_in: bool,
    /// The address of its FHIR API, for SMART App Launch; left out, it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fhir: Option<String>,
    /// Our id at its authorisation server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The file that holds our secret there; left out, we are a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// The claim of its ID token that holds the user id.
    #[serde(default = "sub")]
    pub user_claim: String,
}

fn sub() -> String {
    "sub".to_owned()
}

impl Config {
    /// What is wrong with the hosts.
    pub(super) fn host_faults(&self, faults: &mut Vec<Fault>) {
        let directory = self.directory();
        for (place, host) in self.hosts.iter().enumerate() {
            let mut fault = |what: String, why: &str, mend: &str| {
                faults.push(Fault {
                    key: format!("hosts.{}", host.id),
                    what,
                    why: why.into(),
                    mend: mend.into(),
                });
            };
            if host.id.trim().is_empty() {
                fault(
                    "has no id".into(),
                    "any token without a maker would be its own",
                    "give the iss of its launch tokens",
                );
            }
            if self
                .hosts
                .iter()
                .take(place)
                .any(|other| other.id == host.id)
            {
                fault(
                    "is there twice".into(),
                    "which keys count would depend on the order of this file",
                    "keep one",
                );
            }
            let known = care_core::vocabulary::OdsCode::parse(&host.organisation)
                .is_ok_and(|ods| directory.organisation(&ods).is_some());
            if !known {
                fault(
                    format!("organisation {} is not listed", host.organisation),
                    "its users would be refused",
                    "add it under [[organisations]]",
                );
            }
            match &host.keys_file {
                Some(path)
                    if path
                        .components()
                        .any(|part| part.as_os_str() == crate::signin::keys::DEMO_DIRECTORY) =>
                {
                    fault(
                        "uses a key of the demonstration".into(),
                        "its secret half lies unprotected on every machine that ran the demonstration",
                        "ask the host for its own keys",
                    )
                }
                Some(path) if !path.exists() => fault(
                    format!("the key file {} is not there", path.display()),
                    "its users could not open Connect Care",
                    "create it, or leave the key out",
                ),
                None if host.fhir.is_none() => fault(
                    "has neither keys_file nor fhir".into(),
                    "there is no way in which it could open Connect Care",
                    "give one of them, or take the entry out",
                ),
                _ => {}
            }
            if let Some(fhir) = &host.fhir {
                if !fhir.starts_with("https://") && !self.is_trial_address(fhir) {
                    fault(
                        "fhir does not begin with https://".into(),
                        "a launch could be forged on the way",
                        "give its https address",
                    );
                }
                if host.client_id.is_none() {
                    fault(
                        "fhir without client_id".into(),
                        "its authorisation server would not know us",
                        "give client_id",
                    );
                }
            }
        }
    }
}
