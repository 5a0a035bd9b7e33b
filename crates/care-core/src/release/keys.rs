//! Keyed pseudonyms. One secret outside the database; from it a key for each project, so that one
//! person has one pseudonym within a project and unlike ones in any two.
//!
//! HMAC-SHA-256 (RFC 2104) throughout; each use has its own words in front, so that no output of one
//! use is an output of another. No key is ever written or printed.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::vocabulary::{NhsNumber, PersonId};

/// 32 secret bytes of this deployment, from its configuration or a key file.
#[derive(Clone)]
pub struct ReleaseSecret([u8; 32]);

/// Makes the pseudonyms of one project.
#[derive(Clone)]
pub struct ProjectKey([u8; 32]);

/// Makes the check tokens of one release. Whoever does not hold it cannot make the token of anybody,
/// so nobody can try people against the list of those left out.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

/// What a pseudonym stands for. The NHS number where there is one, so that a join of two records of
/// one person changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A person with an NHS number.
    Number(NhsNumber),
    /// A person without one, by our own key.
    Person(PersonId),
}

impl ReleaseSecret {
    /// A secret from outside.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key of a project.
    pub fn project(&self, project: &str) -> ProjectKey {
        ProjectKey(mac(&self.0, &["project", project]))
    }

    /// The key of the check tokens of one release.
    pub fn tokens(&self, release: &str) -> TokenKey {
        TokenKey(mac(&self.0, &["tokens", release]))
    }

    /// The seed of the key that signs certificates.
    pub fn signing_seed(&self) -> [u8; 32] {
        mac(&self.0, &["certificate signing"])
    }

    /// Names a person in what is kept about earlier releases, for comparing queries. Says nothing to
    /// anybody without the secret.
    pub fn membership(&self, person: PersonId) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = mac(&self.0, &["membership", &person.to_string()]);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl ProjectKey {
    /// The pseudonym of a person: `person-` and 26 letters and digits (128 bits).
    pub fn pseudonym(&self, subject: Subject) -> String {
        format!(
            "{PREFIX}{}",
            letters(&mac(&self.0, &["person", &told(subject)]))
        )
    }

    /// The id an item goes by: like the pseudonym, of the project alone.
    pub fn item(&self, resource_type: &str, id: &str) -> String {
        let whole = letters(&mac(&self.0, &["item", resource_type, id]));
        format!("item-{whole}")
    }

    /// By how many days the dates of a person move: from 182 back to 182 on, never 0; the same for
    /// all of a person's dates, so that what lies between two of them stays.
    pub fn shift_days(&self, subject: Subject) -> i32 {
        let [a, b, ..] = mac(&self.0, &["dates", &told(subject)]);
        let place = i32::from(u16::from_be_bytes([a, b]) % 364);
        if place < 182 {
            place - 182
        } else {
            place - 181
        }
    }
}

impl TokenKey {
    /// The token of a person in this release.
    pub fn token(&self, subject: Subject) -> String {
        letters(&mac(&self.0, &["token", &told(subject)]))
    }

    /// Something that looks like a token and is nobody's.
    pub fn nobody(&self, nth: usize) -> String {
        letters(&mac(&self.0, &["nobody", &nth.to_string()]))
    }
}

const PREFIX: &str = "person-";
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// Whether a text is a pseudonym, by its form.
pub fn is_pseudonym(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == LENGTH && rest.bytes().all(|it| LETTERS.contains(&it)))
}

/// Every pseudonym in a text, by its form.
pub fn pseudonyms_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PREFIX).filter_map(move |(at, _)| {
        text.get(at..at + PREFIX.len() + LENGTH)
            .filter(|found| is_pseudonym(found))
    })
}

fn told(subject: Subject) -> String {
    match subject {
        Subject::Number(number) => format!("nhs {}", number.digits()),
        Subject::Person(person) => format!("key {person}"),
    }
}

/// Each part is preceded by its length, so that no two lists of parts read alike.
fn mac(key: &[u8; 32], parts: &[&str]) -> [u8; 32] {
    // A key of any length is taken, so there is no error to pass on; an empty answer would be one
    // that fits nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// 130 bits' worth of letters for the first 128 bits.
fn letters(bytes: &[u8; 32]) -> String {
    let mut whole = [0; 16];
    whole.copy_from_slice(&bytes[..16]);
    let value = u128::from_be_bytes(whole);
    (0..LENGTH)
        .rev()
        .map(|place| char::from(LETTERS[(value >> (5 * place)) as usize & 31]))
        .collect()
}

macro_rules! hidden {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        })+
    };
}
hidden!(ReleaseSecret, ProjectKey, TokenKey);

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Subject {
        Subject::Number(NhsNumber::parse(text).expect("a number"))
    }

    #[test]
    fn a_person_has_one_pseudonym_in_a_project_and_another_in_every_other() {
        let secret = ReleaseSecret::new([7; 32]);
        let first = secret.project("frailty").pseudonym(number("9990000107"));
        assert_eq!(
            first,
            secret.project("frailty").pseudonym(number("999 000 0107"))
        );
        assert_ne!(
            first,
            secret.project("stroke").pseudonym(number("9990000107"))
        );
        assert_ne!(
            first,
            secret.project("frailty").pseudonym(number("9990000018"))
        );
        let other = ReleaseSecret::new([8; 32]);
        assert_ne!(
            first,
            other.project("frailty").pseudonym(number("9990000107"))
        );
        assert!(is_pseudonym(&first), "{first}");
        let line = format!("{{\"reference\":\"Patient/{first}\"}}, person-short");
        assert_eq!(pseudonyms_in(&line).collect::<Vec<_>>(), [first]);
    }

    #[test]
    fn a_key_shows_nothing_of_itself_and_shifts_are_steady_and_never_none() {
        let secret = ReleaseSecret::new([7; 32]);
        let shown = format!(
            "{secret:?} {:?} {:?}",
            secret.project("a"),
            secret.tokens("b")
        );
        assert_eq!(
            shown,
            "ReleaseSecret(hidden) ProjectKey(hidden) TokenKey(hidden)"
        );
        let key = secret.project("frailty");
        let shifts: Vec<i32> = (0..2000)
            .map(|nth| key.shift_days(Subject::Person(PersonId(nth))))
            .collect();
        assert!(shifts.iter().all(|days| (1..=182).contains(&days.abs())));
        assert!(shifts.iter().any(|days| *days < -100) && shifts.iter().any(|days| *days > 100));
    }
}
