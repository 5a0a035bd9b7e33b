//! By what a holder of a grant is known, and the codes with which one is taken up.

use std::fmt;

use care_core::vocabulary::{NhsNumber, base32_encode};
use sha2::{Digest, Sha256};

use crate::caller::User;

/// Who holds a grant: a digest of the user id, or of the holder's own NHS number where the user id
/// is not known yet. Never the number itself, because keys stand in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Holder {
    /// The user of this id.
    pub fn user(id: &str) -> Self {
        Self(format!("user-{}", digest(id)))
    }

    /// Whoever signs in with this NHS number, proved.
    pub fn number(number: NhsNumber) -> Self {
        Self(format!("number-{}", digest(&number.digits())))
    }

    /// Everything a user is known by.
    pub(super) fn of(user: &User) -> Vec<Self> {
        let number = user.own_number.map(Self::number);
        std::iter::once(Self::user(&user.id))
            .chain(number)
            .collect()
    }
}

/// What a secret or a name is kept under.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(format!("connect-care proxy\n{text}").as_bytes())[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A code of 64 random bits, in groups of four to read out.
pub(super) fn code() -> Result<String, getrandom::Error> {
    let text = base32_encode(getrandom::u64()?).to_uppercase();
    let letters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|four| four.iter().collect())
        .collect();
    Ok(groups.join("-"))
}

/// A code as it was made, however it was typed.
pub(super) fn plain(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}
