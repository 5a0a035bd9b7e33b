//! The service's own keys and cookies: a random cookie kept by its digest, one-time codes kept by their
//! seal, operators' passphrases kept by a slow digest.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context;
use aws_lc_rs::{constant_time, hmac, pbkdf2};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

const ROUNDS: u32 = 600_000;

/// The service's secret: made on the first start, of no use elsewhere.
pub struct Keys(hmac::Key);

impl Keys {
    /// Reads the secret, making it where there is none.
    pub fn read_or_make(file: &Path) -> anyhow::Result<Self> {
        if !file.exists() {
            let mut fresh = [0_u8; 32];
            getrandom::fill(&mut fresh)
                .map_err(|_| anyhow::anyhow!("the machine gave no random numbers"))?;
            let mut out = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)?;
            out.write_all(&fresh)?;
            out.sync_all()?;
        }
        let mut bytes = Vec::new();
        std::fs::File::open(file)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .with_context(|| format!("{} cannot be read", file.display()))?;
        anyhow::ensure!(
            bytes.len() == 32,
            "{} is no key of this service",
            file.display()
        );
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A seal over a text, for one use: `csrf`, `code`.
    pub fn seal(&self, what: &str, text: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{what}\n{text}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref())
    }

    /// Whether this is the seal over the text.
    pub fn is_seal(&self, what: &str, text: &str, given: &str) -> bool {
        let right = self.seal(what, text);
        constant_time::verify_slices_are_equal(right.as_bytes(), given.as_bytes()).is_ok()
    }
}

/// A random text of 128 bits.
pub fn random_text() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// A reference to read out: letters and digits that are not mistaken for one another.
pub fn reference(kind: &str) -> Option<String> {
    const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).ok()?;
    let letters = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte & 31)]));
    Some(format!("{kind}-{}", letters.collect::<String>()))
}

/// A code of six digits.
pub fn code() -> Option<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:06}", u64::from_le_bytes(bytes) % 1_000_000))
}

/// What a cookie is kept by.
pub fn digest(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            pair.trim()
                .strip_prefix(name)?
                .strip_prefix('=')
                .map(str::to_owned)
        })
}

/// Sets a cookie that ends with the browser, or takes it away.
pub fn set_cookie(name: &str, value: Option<&str>, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text = match value {
        Some(value) => format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"),
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}"),
    };
    HeaderValue::from_str(&text).ok()
}

/// What the configuration keeps of a passphrase.
pub fn passphrase_kept(passphrase: &str) -> Option<String> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).ok()?;
    let mut out = [0_u8; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        NonZeroU32::new(ROUNDS)?,
        &salt,
        passphrase.as_bytes(),
        &mut out,
    );
    Some(format!(
        "pbkdf2-sha256${ROUNDS}${}${}",
        URL_SAFE_NO_PAD.encode(salt),
        URL_SAFE_NO_PAD.encode(out)
    ))
}

/// Whether this is the passphrase that was kept.
pub fn is_passphrase(kept: &str, given: &str) -> bool {
    let mut fields = kept.split('$');
    let (Some("pbkdf2-sha256"), Some(rounds), Some(salt), Some(right), None) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) else {
        return false;
    };
    let rounds = rounds.parse().ok().and_then(NonZeroU32::new);
    let (Some(rounds), Ok(salt), Ok(right)) = (
        rounds,
        URL_SAFE_NO_PAD.decode(salt),
        URL_SAFE_NO_PAD.decode(right),
    ) else {
        return false;
    };
    pbkdf2::verify(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &salt,
        given.as_bytes(),
        &right,
    )
    .is_ok()
}
