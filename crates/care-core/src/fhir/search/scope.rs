//! Short terms of an index: a hash of what stands for one value of one parameter of one source.
//!
//! A term is eleven small letters and digits (55 bits of a hash), so that any engine's words hold it and
//! nothing of a person can be read from it. Terms of texts are another kind: seven letters of scope, then
//! the beginning of the text itself, so that texts can be found by how they begin.

use crate::fhir::ResourceType;

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Letters of a hashed term.
const WHOLE: u32 = 11;
/// Letters of the scope of a text.
const HEAD: u32 = 7;
/// What the name of a list begins with: before all of [`LETTERS`] in order, so that lists come first.
const LIST: char = '0';
/// Letters of a text that its term keeps.
pub(super) const TEXT_LETTERS: usize = 24;

/// Whether a term names a list: see [`super::Wanted::Listed`].
pub fn names_list(term: &str) -> bool {
    term.starts_with(LIST)
}

/// FNV-1a of 64 bits.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn with(self, bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // A border, so that two parts are not the same as one of both.
        Self((hash ^ 0xff).wrapping_mul(0x0100_0000_01b3))
    }

    /// Every bit of the sum shows in every letter.
    fn letters(self, many: u32) -> String {
        let mut sum = self.0;
        sum = (sum ^ (sum >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        sum = (sum ^ (sum >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        sum ^= sum >> 33;
        (0..many)
            .map(|place| char::from(LETTERS[(sum >> (5 * place) & 31) as usize]))
            .collect()
    }
}

/// What terms are about: one parameter of one type of one source.
#[derive(Clone, Copy)]
pub(super) struct Scope(Hash);

/// The scope of what is no parameter's: that a resource is there, its words.
pub(super) const NO_PARAMETER: u32 = 0;

impl Scope {
    pub fn new(source: &str, resource_type: ResourceType, parameter: u32) -> Self {
        let hash = Hash(0xcbf2_9ce4_8422_2325)
            .with(source.as_bytes())
            .with(&resource_type.number().to_le_bytes());
        Self(hash.with(&parameter.to_le_bytes()))
    }

    /// The term of a value. `sort` says what kind of saying it is.
    pub fn term(self, sort: &str, parts: &[&str]) -> String {
        let mut hash = self.0.with(sort.as_bytes());
        for part in parts {
            hash = hash.with(part.as_bytes());
        }
        hash.letters(WHOLE)
    }

    /// The name of a list of all that have this code, whatever its system. No other term begins as it does.
    pub fn list(self, code: &str) -> String {
        format!("{LIST}{}", self.term("l", &[code]))
    }

    /// The term of a number in an order.
    pub fn bucket(self, sort: &str, units: &str, bucket: i64) -> String {
        let hash = self.0.with(sort.as_bytes()).with(units.as_bytes());
        hash.with(&bucket.to_le_bytes()).letters(WHOLE)
    }

    /// The term of a folded text, cut to [`TEXT_LETTERS`]; says whether it was cut.
    pub fn text(self, folded: &str) -> (String, bool) {
        let mut term = self.0.with(b"text").letters(HEAD);
        let most = term.len() + TEXT_LETTERS;
        for letter in folded.chars() {
            write_letter(letter, &mut term);
            if term.len() > most {
                term.truncate(most);
                return (term, true);
            }
        }
        (term, false)
    }
}

/// A letter as small letters and digits, so that one text begins another exactly where its term does:
/// `z` opens every letter that is not written as itself and says how long it is.
fn write_letter(letter: char, out: &mut String) {
    match letter {
        'a'..='y' | '0'..='9' => out.push(letter),
        ' ' => out.push_str("za"),
        'z' => out.push_str("zb"),
        _ => {
            let number = u32::from(letter);
            out.push_str("zc");
            for place in (0..5).rev() {
                out.push(char::from(LETTERS[(number >> (5 * place) & 31) as usize]));
            }
        }
    }
}
