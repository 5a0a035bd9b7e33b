//! The part of the configuration about whom sources' subscriptions may call.

use serde::{Deserialize, Serialize};

use super::{Config, Fault};

/// Whom subscriptions may call.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subscriptions {
    /// Hosts that a rest-hook may be sent to: `ehr.example.org`, or `ehr.example.org:8443` for one port.
    /// Empty: only websockets are served.
    pub hosts: Vec<String>,
}

impl Config {
    /// A hook on this machine is taken: the demonstration, or a configuration that is only being tried.
    pub(crate) fn hooks_at_home(&self) -> bool {
        self.demo || (self.server.trial && self.server.listen.ip().is_loopback())
    }

    /// What is wrong with the hosts of subscriptions.
    pub(super) fn subscription_faults(&self, faults: &mut Vec<Fault>) {
        for host in &self.subscriptions.hosts {
            let name = host
                .rsplit_once(':')
                .map_or(host.as_str(), |(name, _)| name);
            let is_name = !name.is_empty()
                && name.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
                });
            let is_address = name.parse::<std::net::IpAddr>().is_ok() && !self.hooks_at_home();
            if !is_name || is_address {
                faults.push(Fault {
                    key: "subscriptions.hosts".into(),
                    what: format!("{host} is no host name"),
                    why: "a notification could be sent to somebody else".into(),
                    mend: "give the name alone, in small letters, such as ehr.example.org".into(),
                });
            }
        }
    }
}
