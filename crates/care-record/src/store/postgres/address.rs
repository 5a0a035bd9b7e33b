//! Where a database is and how it is spoken to: the address as libpq reads it, TLS included.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::ConnectError;

/// An address that was read.
#[derive(Clone)]
pub(super) struct Address {
    /// What the driver reads of it.
    pub config: Config,
    /// Set: only TLS is spoken, and the server must prove its name.
    pub tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Reads `host=… user=… dbname=…` or `postgresql://user@host/name`, with `sslmode` and `sslrootcert`.
    ///
    /// Errors: no address; a mode that would accept any certificate or go without one; certificates that
    /// cannot be read.
    pub fn read(text: &str) -> Result<Self, ConnectError> {
        let options = Options::of(text)?;
        let mut config: Config = options.rest.parse().map_err(|_| ConnectError::Address)?;
        let tls = match options.mode.as_deref() {
            None | Some("disable") => None,
            Some("require" | "verify-ca" | "verify-full") => {
                Some(connector(options.roots.as_deref().map(Path::new))?)
            }
            Some(_) => {
                return Err(ConnectError::Tls(
                    "sslmode must be disable, require, verify-ca or verify-full".to_owned(),
                ));
            }
        };
        config.ssl_mode(if tls.is_some() {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        Ok(Self { config, tls })
    }
}

/// The options that the driver does not read, and the rest.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    rest: String,
    mode: Option<String>,
    roots: Option<String>,
}

impl Options {
    fn of(text: &str) -> Result<Self, ConnectError> {
        let mut options = Self::default();
        if text.contains("://") {
            options.of_url(text);
            return Ok(options);
        }
        let mut left = text.trim();
        while !left.is_empty() {
            let (pair, rest) = left.split_at(pair_end(left).ok_or(ConnectError::Address)?);
            let (key, value) = pair.split_once('=').ok_or(ConnectError::Address)?;
            let value = value.trim();
            let plain = value
                .strip_prefix('\'')
                .and_then(|value| value.strip_suffix('\''))
                .map_or_else(|| value.to_owned(), |value| value.replace("\\'", "'"));
            if !options.take(key.trim(), plain) {
                options.rest.push_str(pair);
                options.rest.push(' ');
            }
            left = rest.trim_start();
        }
        Ok(options)
    }

    fn of_url(&mut self, text: &str) {
        let (head, query) = text.split_once('?').unwrap_or((text, ""));
        self.rest.push_str(head);
        let mut sign = '?';
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !self.take(key, decoded(value)) {
                self.rest.push(sign);
                self.rest.push_str(pair);
                sign = '&';
            }
        }
    }

    /// Whether the option is one of ours.
    fn take(&mut self, key: &str, value: String) -> bool {
        match key {
            "sslmode" => self.mode = Some(value),
            "sslrootcert" => self.roots = Some(value),
            _ => return false,
        }
        true
    }
}

/// Where the first `key=value` ends; the value may stand in quotes.
fn pair_end(text: &str) -> Option<usize> {
    let value = text.find('=')? + 1;
    let is_quoted = text.get(value..)?.starts_with('\'');
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().filter(|(at, _)| *at > value) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\'' if is_quoted => return Some(at + 1),
            letter if letter.is_whitespace() && !is_quoted => return Some(at),
            _ => {}
        }
    }
    (!is_quoted).then_some(text.len())
}

/// `%2F` as `/`; what is no such sign stays.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let sign = (*first == b'%')
            .then(|| rest.get(..2))
            .flatten()
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match sign {
            Some(byte) => {
                out.push(byte);
                bytes = rest.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// TLS that trusts the certificates of this file, or those of the machine.
fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, ConnectError> {
    let unusable = |what: &str| ConnectError::Tls(what.to_owned());
    let mut store = RootCertStore::empty();
    let certificates: Vec<CertificateDer<'static>> = match roots {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|_| unusable("sslrootcert names no file of certificates that can be read"))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (taken, _) = store.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err(unusable(
            "there is no certificate to trust; name a file of them in sslrootcert",
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("TLS could not be set up"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_options_are_taken_out_of_either_form_of_an_address() {
        let table = [
            (
                "host=db.example.org user=care sslmode=require dbname=care",
                "host=db.example.org user=care dbname=care ",
                Some("require"),
                None,
            ),
            (
                "host='db' sslrootcert='/etc/my ca.pem' password='a\\' b=c' sslmode=verify-full",
                "host='db' password='a\\' b=c' ",
                Some("verify-full"),
                Some("/etc/my ca.pem"),
            ),
            (
                "postgresql://care@db/care?connect_timeout=3&sslrootcert=%2Fetc%2Fca.pem&sslmode=verify-ca",
                "postgresql://care@db/care?connect_timeout=3",
                Some("verify-ca"),
                Some("/etc/ca.pem"),
            ),
            (
                "postgresql://care@localhost/care",
                "postgresql://care@localhost/care",
                None,
                None,
            ),
        ];
        for (text, rest, mode, roots) in table {
            let options = Options::of(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(options.rest, rest);
            assert_eq!(
                (options.mode.as_deref(), options.roots.as_deref()),
                (mode, roots),
                "{text}"
            );
        }
        for text in [
            "host",
            "host='open",
            "host=db sslmode=prefer",
            "host=db sslmode=require sslrootcert=/no/such",
        ] {
            assert!(Address::read(text).is_err(), "{text}");
        }
    }
}
