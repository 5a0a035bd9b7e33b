//! Calling a rest-hook, and nobody else: only hosts the configuration names, by https, without redirects, at
//! addresses of the public internet, in bounded time. What a name stands for is looked at in the moment of
//! the call, so that it cannot change between the check and the call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::http::{StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::sent::{Channel, Sent};
use crate::config::Config;
use crate::problem::Problem;

/// The clients that call.
pub struct Hooks {
    outside: reqwest::Client,
    /// For hooks on this machine, where a configuration is only being tried.
    home: Option<reqwest::Client>,
    hosts: Vec<String>,
}

/// Names stand for public addresses only.
struct OnlyPublic;

impl Resolve for OnlyPublic {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let all: Vec<SocketAddr> = found.collect();
            if all.is_empty() || !all.iter().all(|one| is_public(one.ip())) {
                return Err("the name stands for an address that is not public".into());
            }
            Ok(Box::new(all.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet. Source: the IANA special-purpose address registries.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(one) => is_public_v4(one),
        IpAddr::V6(one) => is_public_v6(one),
    }
}

fn is_public_v4(one: Ipv4Addr) -> bool {
    let [a, b, c, _] = one.octets();
    !(one.is_private()
        || one.is_loopback()
        || one.is_link_local()
        || one.is_multicast()
        || one.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(one: Ipv6Addr) -> bool {
    let parts = one.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    if one.to_ipv4_mapped().is_some() || parts[..6] == [0, 0, 0, 0, 0, 0] {
        return inner(parts[6], parts[7]);
    }
    match parts {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Only 2000::/3 is given out; of it, not Teredo, benchmarks, ORCHID and documentation.
        [0x2001, second, ..] if second < 0x0200 || second == 0x0db8 => false,
        [0x3fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

impl Hooks {
    /// Ready to call.
    pub fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let plain = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(5))
                .no_proxy()
        };
        let outside = plain()
            .https_only(true)
            .dns_resolver(std::sync::Arc::new(OnlyPublic))
            .build()?;
        let home = config
            .hooks_at_home()
            .then(|| plain().build())
            .transpose()?;
        Ok(Self {
            outside,
            home,
            hosts: config.subscriptions.hosts.clone(),
        })
    }

    /// Whether a subscription's channel may be called at all.
    pub fn may_call(&self, sent: &Sent) -> Result<(), Problem> {
        match &sent.channel {
            Channel::WebSocket => Ok(()),
            Channel::Hook(address, _) => self.client_for(address).map(drop),
        }
    }

    fn client_for(&self, address: &reqwest::Url) -> Result<&reqwest::Client, Problem> {
        let refused = |what: &'static str, mend: &'static str| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "business-rule",
                what,
                mend,
            )
        };
        let host = address.host_str().unwrap_or_default();
        let with_port = address
            .port_or_known_default()
            .map(|port| format!("{host}:{port}"));
        let is_listed = self
            .hosts
            .iter()
            .any(|one| one == host || Some(one) == with_port.as_ref());
        if !is_listed || !address.username().is_empty() || address.password().is_some() {
            return Err(refused(
                "Notifications are not sent to this host",
                "Ask the operator to add it to subscriptions.hosts, or use a websocket.",
            ));
        }
        let at_home = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
        match &self.home {
            Some(client) if at_home && matches!(address.scheme(), "http" | "https") => {
                return Ok(client);
            }
            _ => {}
        }
        let is_number = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if address.scheme() != "https" || at_home || is_number {
            return Err(refused(
                "Notifications are sent by https to a named host",
                "Give an address such as https://ehr.example.org/notifications.",
            ));
        }
        Ok(&self.outside)
    }

    /// Sends a notification. The error says what happened, for the subscription's status.
    pub async fn send(&self, sent: &Sent, body: String) -> Result<(), String> {
        let Channel::Hook(address, headers) = &sent.channel else {
            return Err("the channel is no rest-hook".to_owned());
        };
        let client = self
            .client_for(address)
            .map_err(|_| "this host is not among those that may be called".to_owned())?;
        let mut request = client
            .post(address.clone())
            .timeout(Duration::from_secs(u64::from(sent.timeout_seconds)))
            .header(header::CONTENT_TYPE, "application/fhir+json")
            .body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status().as_u16())),
            Err(cause) if cause.is_timeout() => Err("it did not answer in time".to_owned()),
            Err(cause) if cause.is_connect() => Err("it cannot be reached".to_owned()),
            Err(_) => Err("the call failed".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_stands_for_a_private_address_is_not_called() {
        let resolved = |name: &str| OnlyPublic.resolve(name.parse().expect("a name"));
        assert!(
            resolved("localhost").await.is_err(),
            "a name of this machine"
        );
        // Through the client that calls: the name is looked up when it calls, and refused.
        let client = reqwest::Client::builder()
            .https_only(true)
            .no_proxy()
            .dns_resolver(std::sync::Arc::new(OnlyPublic))
            .build()
            .expect("a client");
        let called = client.post("https://localhost:9/told").send().await;
        let why = format!("{:?}", called.expect_err("not called"));
        assert!(why.contains("not public"), "{why}");
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_called() {
        for (address, expected) in [
            ("93.184.215.14", true),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("172.16.3.4", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("198.18.0.1", false),
            ("192.0.2.1", false),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::127.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("64:ff9b::5db8:d822", true),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
            ("2001::1", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(is_public(address), expected, "{address}");
        }
    }
}
