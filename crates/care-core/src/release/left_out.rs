//! The people who were left out, in a form that lets anybody with the release see that none of them
//! is in it, and lets nobody find out who they are.
//!
//! Every person considered has a token of this one release (a keyed hash). Those released have theirs
//! beside their pseudonym in `people.csv`. Of those left out only a hash of the token is given, in
//! order, among some that are nobody's, so that their number is not told exactly. To try a person one
//! needs their token, and tokens need the key of the release. See docs/adr on the commitment.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::keys::TokenKey;

/// The hash that stands for a token in the list.
pub fn commitment(token: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"left out\n")
        .chain_update(token.as_bytes())
        .finalize();
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    hashes: BTreeSet<String>,
}

/// The list is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list of those left out is no hash in order; get the release again")]
pub struct LeftOutError {
    /// From 1.
    pub line: usize,
}

impl LeftOut {
    /// The list for these tokens, filled up to a multiple of 32 with at least 8 that are nobody's.
    pub fn of<'a>(tokens: impl IntoIterator<Item = &'a str>, key: &TokenKey) -> Self {
        let mut hashes: BTreeSet<String> = tokens.into_iter().map(commitment).collect();
        let wanted = (hashes.len() + 8).next_multiple_of(32);
        let mut nth = 0;
        while hashes.len() < wanted {
            hashes.insert(commitment(&key.nobody(nth)));
            nth += 1;
        }
        Self { hashes }
    }

    /// Whether the person of this token was left out.
    pub fn holds(&self, token: &str) -> bool {
        self.hashes.contains(&commitment(token))
    }

    /// One hash a line.
    pub fn to_text(&self) -> String {
        self.hashes.iter().map(|hash| format!("{hash}\n")).collect()
    }

    /// Reads it back.
    ///
    /// Errors: a line is no hash, or lines are out of order or double.
    pub fn parse(text: &str) -> Result<Self, LeftOutError> {
        let mut hashes = BTreeSet::new();
        for (at, line) in text.lines().enumerate() {
            let is_hash = line.len() == 32
                && line
                    .bytes()
                    .all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
            let in_order = hashes
                .last()
                .is_none_or(|last: &String| last.as_str() < line);
            if !is_hash || !in_order {
                return Err(LeftOutError { line: at + 1 });
            }
            hashes.insert(line.to_owned());
        }
        Ok(Self { hashes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{ReleaseSecret, Subject};
    use crate::vocabulary::PersonId;

    #[test]
    fn those_left_out_are_found_by_their_token_and_their_number_is_not_told() {
        let key = ReleaseSecret::new([7; 32]).tokens("R-1");
        let token = |nth| key.token(Subject::Person(PersonId(nth)));
        let out: Vec<String> = (0..3).map(token).collect();
        let list = LeftOut::of(out.iter().map(String::as_str), &key);
        let text = list.to_text();
        assert_eq!(text.lines().count(), 32);
        assert_eq!(LeftOut::of([], &key).to_text().lines().count(), 32);
        let read = LeftOut::parse(&text).expect("the list");
        assert!((0..3).all(|nth| read.holds(&token(nth))));
        assert!((3..100).all(|nth| !read.holds(&token(nth))));
        assert!(out.iter().all(|token| !text.contains(token.as_str())));
        let swapped: String = text.lines().rev().map(|line| format!("{line}\n")).collect();
        assert_eq!(LeftOut::parse(&swapped), Err(LeftOutError { line: 2 }));
        assert!(LeftOut::parse("not a hash\n").is_err());
    }
}
