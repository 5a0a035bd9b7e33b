//! The token of a page: where it begins, and the parameters that may not stand in an address. Sealed, so
//! that it can be neither read nor changed, and good only for the asker and the search it was given to.

use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use care_record::{After, Cursor};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::problem::{ApiProblem, Problem};
use crate::state::Shared;

const NONCE_BYTES: usize = 12;
/// How far back the links to previous pages reach.
pub(super) const MOST_BACK: usize = 20;

/// What a token holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct PageToken {
    /// Where the page begins; none: at the beginning, whenever that is.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Where the pages before it began, the first of them first.
    #[serde(rename = "b", default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<Option<After>>,
    /// Parameters that may not stand in an address.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<(String, String)>,
}

/// The key that tokens are sealed with. It follows from the key that access tokens are signed with, so
/// that links outlive a restart; where there is none, it lives as long as this process.
fn key(state: &Shared) -> Result<&'static LessSafeKey, ApiProblem> {
    static KEY: OnceLock<Option<LessSafeKey>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let path = state.config.tokens.signing_key_file.as_ref();
        let secret = path.and_then(|path| std::fs::read(path).ok());
        let bytes: [u8; 32] = match secret {
            Some(secret) => {
                let mut digest = Sha256::new();
                digest.update(b"connect-care page token\0");
                digest.update(&secret);
                digest.finalize().into()
            }
            None => {
                let mut bytes = [0; 32];
                getrandom::fill(&mut bytes).ok()?;
                bytes
            }
        };
        UnboundKey::new(&AES_256_GCM, &bytes)
            .ok()
            .map(LessSafeKey::new)
    });
    key.as_ref()
        .ok_or_else(|| Problem::unavailable("the machine gave no random numbers").into())
}

/// Seals a token for an asker and a search: `for_what` names both.
pub(super) fn seal(
    state: &Shared,
    token: &PageToken,
    for_what: &str,
) -> Result<String, ApiProblem> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(Problem::unavailable)?;
    let mut bytes = serde_json::to_vec(token).map_err(Problem::unavailable)?;
    key(state)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(for_what.as_bytes()),
            &mut bytes,
        )
        .map_err(|_| Problem::unavailable("a page token could not be sealed"))?;
    Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat()))
}

/// Opens a token.
///
/// Errors: it is none of ours, was changed, or was given to somebody else or for another search.
pub(super) fn open(state: &Shared, text: &str, for_what: &str) -> Result<PageToken, ApiProblem> {
    let wrong = || {
        ApiProblem::from(
            Problem::invalid(
                "This page link cannot be used",
                "It was given to somebody else or for another search, or was changed. Search again.",
            )
            .at_parameter("_page"),
        )
    };
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    if bytes.len() < NONCE_BYTES {
        return Err(wrong());
    }
    let mut sealed = bytes.split_off(NONCE_BYTES);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| wrong())?;
    let plain = key(state)?
        .open_in_place(nonce, Aad::from(for_what.as_bytes()), &mut sealed)
        .map_err(|_| wrong())?;
    serde_json::from_slice(plain).map_err(|_| wrong())
}
