//! The configuration of the opt-out service: a TOML file of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Fault, secret};
use crate::mesh::MailboxSettings;

/// Everything a deployment of the service decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Address and port of HTTP: a TLS proxy stands in front.
    pub listen: SocketAddr,
    /// The address people use.
    pub base_url: String,
    /// The directory of its store and keys.
    pub data: PathBuf,
    /// The service's name.
    #[serde(default = "name")]
    pub name: String,
    /// The phone number people call.
    pub phone: String,
    /// When somebody answers.
    pub hours: String,
    /// Its postal address, a part a line.
    pub address: Vec<String>,
    /// The header in which the TLS proxy says who asks, such as `x-real-ip`; left out, tries are not counted
    /// by address, because every request then seems to come from the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_header: Option<String>,
    /// Where Connect Care tells about both choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The mailbox it answers from; left out, it answers nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<MailboxSettings>,
    /// The workflow of questions and answers.
    #[serde(default = "workflow")]
    pub workflow: String,
    /// The mailboxes that may ask.
    #[serde(default)]
    pub askers: Vec<String>,
    /// An exchange of its own beside it, where there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeConfig>,
    /// Who answers the phone and opens the post.
    #[serde(default)]
    pub operators: Vec<Operator>,
    /// Set by `connect-care demo` alone: operators need no passphrase, and messages can be looked at.
    #[serde(skip)]
    pub demo: bool,
}

/// Somebody who answers the phone and opens the post.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// What `connect-care opt-out-service passphrase` prints.
    #[serde(default)]
    pub passphrase: String,
}

/// The exchange beside the service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeConfig {
    /// Mailboxes, each with the file that holds its password.
    pub mailboxes: BTreeMap<String, PathBuf>,
    /// The file that holds the key all mailboxes share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_key_file: Option<PathBuf>,
    /// The environment variable that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_key_variable: Option<String>,
}

impl ExchangeConfig {
    /// Mailboxes with their passwords.
    pub fn mailboxes(&self) -> Result<BTreeMap<String, String>, ConfigError> {
        let read = |(id, file): (&String, &PathBuf)| {
            Ok((id.to_ascii_uppercase(), secret(Some(file), None)?))
        };
        self.mailboxes.iter().map(read).collect()
    }

    /// The key all mailboxes share.
    pub fn shared_key(&self) -> Result<String, ConfigError> {
        secret(
            self.shared_key_file.as_deref(),
            self.shared_key_variable.as_deref(),
        )
    }
}

fn name() -> String {
    "National data opt-out".to_owned()
}
fn workflow() -> String {
    "SPINE_NTT_UPHOLDING".to_owned()
}

impl ServiceConfig {
    /// Reads a file for production: any fault refuses it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
        let config: Self = toml::from_str(&text).with_context(|| {
            format!("the configuration {} is not understood; docs/how-to/national-data-opt-out.md shows one that is", path.display())
        })?;
        let faults = config.faults();
        if faults.is_empty() {
            return Ok(config);
        }
        let told: String = faults.iter().map(|fault| format!("  {fault}\n")).collect();
        anyhow::bail!("the configuration cannot be used:\n{told}")
    }

    /// Every reason not to run with it.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, what: &str, why: &str, mend: &str| {
            faults.push(Fault {
                key: key.into(),
                what: what.into(),
                why: why.into(),
                mend: mend.into(),
            });
        };
        if !self.base_url.starts_with("https://") {
            fault(
                "base_url",
                "does not begin with https://",
                "names, numbers and codes would cross the network unprotected",
                "put a TLS proxy in front and give its https address",
            );
        }
        if !self.listen.ip().is_loopback() {
            fault(
                "listen",
                "listens beyond this machine",
                "this process speaks plain HTTP; only the TLS proxy beside it may reach it",
                "listen on 127.0.0.1 or ::1",
            );
        }
        for operator in &self.operators {
            if !operator.passphrase.starts_with("pbkdf2-sha256$") {
                fault(
                    "operators.passphrase",
                    &format!("{} has none", operator.id),
                    "anybody could set anybody's choice",
                    "make one with `connect-care opt-out-service passphrase`",
                );
            }
        }
        if self.mesh.is_some() && self.askers.is_empty() {
            fault(
                "askers",
                "is empty",
                "nobody could ask",
                "name the mailboxes that may",
            );
        }
        if let Some(mesh) = &self.mesh {
            faults.extend(mesh.faults("mesh"));
        }
        faults
    }
}
