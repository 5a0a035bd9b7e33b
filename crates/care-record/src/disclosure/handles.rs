//! Opaque handles: what stands in an address instead of a person.
//!
//! A handle is 128 random bits. The store keeps it under a digest, bound to the session that made
//! it, and forgets it when it expires; somebody else who has the address has nothing.

use care_core::vocabulary::base32_encode;
use sha2::{Digest, Sha256};

/// A fresh handle, 26 characters.
pub(super) fn fresh() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)?;
    let (high, low) = bytes.split_at(8);
    let number = |half: &[u8]| {
        half.iter()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    Ok(base32_encode(number(high)) + &base32_encode(number(low)))
}

/// The key a handle is kept under, and the name it has in the audit log.
pub(super) fn digest(handle: &str) -> String {
    Sha256::digest(handle.as_bytes())[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
