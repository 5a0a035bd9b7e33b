//! Signing keys: read for production, made for the demonstration.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};
use base64::Engine;
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;

/// The directory of the demonstration's keys, within its data. A production start refuses any key
/// from a directory of this name.
pub const DEMO_DIRECTORY: &str = "demo-keys";

/// A key cannot be used. Never carries the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error(
        "the key file {0} cannot be used; check that it is there and this user may read and write it"
    )]
    File(PathBuf, #[source] std::io::Error),
    /// The file holds no key of ours.
    #[error(
        "the key file {0} holds no elliptic curve key in PKCS#8 PEM; make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
    )]
    NotAKey(PathBuf),
    /// The file holds no key set.
    #[error(
        "the key file {0} holds no JWK set; ask the client for its public keys as {{\"keys\":[…]}}"
    )]
    NotAKeySet(PathBuf),
    /// The machine gave no random numbers, or signing failed.
    #[error("no key could be made or used; try again")]
    Crypto,
}

/// A key that signs tokens.
pub struct SigningKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
    algorithm: Algorithm,
    jwk: Jwk,
    kid: String,
}

impl SigningKey {
    /// Reads a PKCS#8 PEM file; `algorithm` is ES256 or ES384 and must fit the curve.
    pub fn read(path: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        let pem = std::fs::read(path).map_err(|cause| KeyError::File(path.to_owned(), cause))?;
        let not_a_key = || KeyError::NotAKey(path.to_owned());
        let encoding = EncodingKey::from_ec_pem(&pem).map_err(|_| not_a_key())?;
        let mut jwk = Jwk::from_encoding_key(&encoding, algorithm).map_err(|_| not_a_key())?;
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| not_a_key())?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| not_a_key())?;
        Ok(Self {
            encoding,
            decoding,
            algorithm,
            jwk,
            kid,
        })
    }

    /// Reads the file, or makes it first when it is not there. For the demonstration.
    pub fn read_or_make(path: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        if !path.exists() {
            write_private(path, make_pem(algorithm)?.as_bytes())?;
        }
        Self::read(path, algorithm)
    }

    /// A signed token of this type with these claims.
    pub fn sign<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, KeyError> {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        header.typ = Some(typ.to_owned());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| KeyError::Crypto)
    }

    /// The half that verifies.
    pub fn verifier(&self) -> (&DecodingKey, Algorithm) {
        (&self.decoding, self.algorithm)
    }

    /// The public half as a JWK set.
    pub fn public_set(&self) -> JwkSet {
        JwkSet {
            keys: vec![self.jwk.clone()],
        }
    }
}

/// Reads public keys of a client.
pub fn read_set(path: &Path) -> Result<JwkSet, KeyError> {
    let text = std::fs::read(path).map_err(|cause| KeyError::File(path.to_owned(), cause))?;
    serde_json::from_slice(&text).map_err(|_| KeyError::NotAKeySet(path.to_owned()))
}

/// Writes a file only its owner may read.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |cause| KeyError::File(path.to_owned(), cause);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(failed)
}

fn make_pem(algorithm: Algorithm) -> Result<String, KeyError> {
    let curve: &EcdsaSigningAlgorithm = match algorithm {
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
    };
    let key =
        EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).map_err(|_| KeyError::Crypto)?;
    let text = base64::engine::general_purpose::STANDARD.encode(key.as_ref());
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    Ok(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_read_back_and_verifies_what_it_signed() {
        let place = tempfile::tempdir().expect("a directory");
        for algorithm in [Algorithm::ES256, Algorithm::ES384] {
            let path = place.path().join(format!("{algorithm:?}.pem"));
            let key = SigningKey::read_or_make(&path, algorithm).expect("made");
            let again = SigningKey::read_or_make(&path, algorithm).expect("read");
            assert_eq!(key.kid, again.kid);
            let token = key
                .sign("JWT", &serde_json::json!({"exp": 4_102_444_800_u64}))
                .expect("signed");
            let (decoding, algorithm) = again.verifier();
            let validation = jsonwebtoken::Validation::new(algorithm);
            assert!(
                jsonwebtoken::decode::<serde_json::Value>(&token, decoding, &validation).is_ok()
            );
        }
    }
}
