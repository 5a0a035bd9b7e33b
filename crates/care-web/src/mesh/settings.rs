//! Where a mailbox is and how we prove that it is ours. Part of the configuration of whoever has one.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Fault, secret};

/// A mailbox at an exchange.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSettings {
    /// The exchange: `https://msg.intspineservices.nhs.uk` …, without a path.
    pub endpoint: String,
    /// Our mailbox.
    pub mailbox: String,
    /// The file that holds its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_variable: Option<String>,
    /// The file that holds the key all mailboxes of this environment share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_key_file: Option<PathBuf>,
    /// The environment variable that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_key_variable: Option<String>,
    /// Our certificate and its key in one PEM file, for mutual TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_file: Option<PathBuf>,
    /// The authority that signed the exchange's certificate, as PEM; left out, the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_file: Option<PathBuf>,
    /// Seconds between looks into the inbox: not under 300 at the national exchange.
    #[serde(default = "five_minutes")]
    pub poll_seconds: u64,
    /// Bytes of one chunk before compression: 20 MB at most on the internet, 100 MB on HSCN.
    #[serde(default = "chunk")]
    pub chunk_bytes: usize,
    /// The largest message taken, in bytes after decompression.
    #[serde(default = "largest")]
    pub max_message_bytes: usize,
}

fn five_minutes() -> u64 {
    300
}
fn chunk() -> usize {
    15 << 20
}
fn largest() -> usize {
    512 << 20
}

impl MailboxSettings {
    /// The mailbox's password.
    pub fn password(&self) -> Result<String, ConfigError> {
        secret(
            self.password_file.as_deref(),
            self.password_variable.as_deref(),
        )
    }

    /// The key of the environment.
    pub fn shared_key(&self) -> Result<String, ConfigError> {
        secret(
            self.shared_key_file.as_deref(),
            self.shared_key_variable.as_deref(),
        )
    }

    /// The exchange is on this machine: a sandbox, or the demonstration's own.
    pub fn is_local(&self) -> bool {
        ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"]
            .iter()
            .any(|start| self.endpoint.starts_with(start))
    }

    /// Every reason not to use these settings; `at` is their key in the file.
    pub fn faults(&self, at: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, what: &str, why: &str, mend: &str| {
            faults.push(Fault {
                key: format!("{at}.{key}"),
                what: what.into(),
                why: why.into(),
                mend: mend.into(),
            });
        };
        if !self.endpoint.starts_with("https://") && !self.is_local() {
            fault(
                "endpoint",
                "does not begin with https://",
                "NHS numbers would cross the network unprotected",
                "give the exchange's https address; plain http is for an exchange on this machine",
            );
        }
        if self.endpoint.matches('/').count() > 2 {
            fault(
                "endpoint",
                "has a path",
                "paths are added to it",
                "give scheme and host only",
            );
        }
        let plain = self
            .mailbox
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric());
        if self.mailbox.is_empty() || !plain {
            fault(
                "mailbox",
                "is no mailbox id",
                "names of lists are made from it, and one with a colon gets no reply",
                "give the id of your mailbox, letters and digits, such as X26HC001",
            );
        }
        if self.endpoint.starts_with("https://") && self.client_certificate_file.is_none() {
            fault(
                "client_certificate_file",
                "is not set",
                "the exchange lets nobody in without a certificate",
                "name a PEM file with your certificate and its key",
            );
        }
        for file in self
            .client_certificate_file
            .iter()
            .chain(&self.authority_file)
        {
            if !file.exists() {
                fault(
                    "client_certificate_file, authority_file",
                    &format!("the file {} is not there", file.display()),
                    "the exchange could not be reached",
                    "create it",
                );
            }
        }
        for (key, found) in [
            ("password", self.password()),
            ("shared_key", self.shared_key()),
        ] {
            if found.is_err() {
                fault(
                    key,
                    "the secret is not where this says",
                    "the exchange would not know us",
                    "name its file or its environment variable, and put the secret there",
                );
            }
        }
        if self.poll_seconds == 0 || self.chunk_bytes == 0 || self.chunk_bytes > 100 << 20 {
            fault(
                "poll_seconds, chunk_bytes",
                "is 0, or a chunk is larger than 100 MB",
                "nothing could be sent or received",
                "leave the key out to get its default",
            );
        }
        faults
    }
}
