//! Details in the form in which they are searched and compared. Never used for display: a name on a
//! screen is the name as it was sent (hazard H15).

use crate::vocabulary::{Demographics, Gender, PartialDate};

/// What is searched and compared, each part empty where it was not sent.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Details {
    /// Family name, folded.
    pub family: String,
    /// First given name, folded.
    pub given: String,
    /// Birth date as `YYYY-MM-DD`, or shorter where less is known.
    pub birth_date: String,
    /// `male`, `female`, `other`, `unknown`.
    pub gender: String,
    /// Postcode without its space, in capitals.
    pub postcode: String,
    /// How the family name sounds.
    pub phonetic_family: String,
}

impl std::fmt::Debug for Details {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Details(hidden)")
    }
}

/// The details of what one source sent: its current name, and the postcode of the usual address.
pub fn details(demographics: &Demographics) -> Details {
    let name = demographics.names.first();
    let family = name.map(|name| fold(&name.family)).unwrap_or_default();
    let usual = demographics
        .addresses
        .iter()
        .find(|address| !address.temporary);
    Details {
        given: name
            .and_then(|name| name.given.first())
            .map(|given| fold(given))
            .unwrap_or_default(),
        birth_date: demographics
            .birth_date
            .map(birth_date_text)
            .unwrap_or_default(),
        gender: demographics
            .gender
            .map(gender_code)
            .unwrap_or_default()
            .to_owned(),
        postcode: usual
            .and_then(|address| address.postcode.as_deref())
            .map(postcode)
            .unwrap_or_default(),
        phonetic_family: phonetic(&family),
        family,
    }
}

/// A birth date as it is compared.
pub fn birth_date_text(date: PartialDate) -> String {
    date.to_string()
}

fn gender_code(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "male",
        Gender::Female => "female",
        Gender::Other => "other",
        Gender::Unknown | Gender::NotSpecified => "unknown",
    }
}

/// Folds a name for comparing: small letters, no marks over letters, no spaces and no punctuation, so
/// that `O'Brien`, `O’Brien` and `o brien` are one. Letters of other scripts are kept as they are.
///
/// ```
/// use care_core::patient_index::fold;
/// assert_eq!(fold("Núñez-O’Brien"), "nunezobrien");
/// ```
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' | '0'..='9' => folded.push(character),
            _ => push_plain(character, &mut folded),
        }
    }
    folded
}

/// Latin letters with marks, by the plain letters people type for them. Facts of the Latin-1
/// Supplement and Latin Extended-A blocks of Unicode.
const PLAIN: &[(&str, &str)] = &[
    ("àáâãäåāăą", "a"),
    ("çćĉċč", "c"),
    ("ďđð", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ĥħ", "h"),
    ("ìíîïĩīĭįı", "i"),
    ("ĵ", "j"),
    ("ķĸ", "k"),
    ("ĺļľŀł", "l"),
    ("ñńņňŉŋ", "n"),
    ("òóôõöøōŏő", "o"),
    ("ŕŗř", "r"),
    ("śŝşšșſ", "s"),
    ("ţťŧț", "t"),
    ("ùúûüũūŭůűų", "u"),
    ("ŵẁẃẅ", "w"),
    ("ýÿŷỳ", "y"),
    ("źżž", "z"),
    ("æ", "ae"),
    ("œ", "oe"),
    ("ß", "ss"),
    ("þ", "th"),
];

fn push_plain(character: char, folded: &mut String) {
    let plain = PLAIN
        .iter()
        .find(|(marked, _)| marked.contains(character))
        .map(|(_, plain)| *plain);
    match plain {
        Some(plain) => folded.push_str(plain),
        // A mark of its own (a combining accent) and punctuation fall away; other letters stay.
        None if character.is_alphanumeric() => folded.push(character),
        None => {}
    }
}

/// A postcode without spaces, in capitals.
pub fn postcode(text: &str) -> String {
    text.chars()
        .filter(|character| character.is_ascii_alphanumeric())
        .map(|character| character.to_ascii_uppercase())
        .collect()
}

/// How a folded family name sounds: American Soundex, a letter and three digits; empty where there is
/// no Latin letter. Used to widen a search, never to link.
///
/// Source: National Archives (US), "The Soundex Indexing System".
///
/// ```
/// use care_core::patient_index::phonetic;
/// assert_eq!(phonetic("robert"), "r163");
/// assert_eq!(phonetic("tymczak"), "t522");
/// ```
pub fn phonetic(folded: &str) -> String {
    let mut letters = folded.bytes().filter(u8::is_ascii_lowercase);
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut code = String::from(char::from(first));
    let mut before = sound(first);
    for letter in letters {
        let this = sound(letter);
        match this {
            // h and w do not part two letters of one sound; vowels do.
            Sound::Silent => continue,
            Sound::Digit(digit) if this != before => code.push(digit),
            _ => {}
        }
        before = this;
        if code.len() == 4 {
            break;
        }
    }
    while code.len() < 4 {
        code.push('0');
    }
    code
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sound {
    Vowel,
    Silent,
    Digit(char),
}

fn sound(letter: u8) -> Sound {
    match letter {
        b'b' | b'f' | b'p' | b'v' => Sound::Digit('1'),
        b'c' | b'g' | b'j' | b'k' | b'q' | b's' | b'x' | b'z' => Sound::Digit('2'),
        b'd' | b't' => Sound::Digit('3'),
        b'l' => Sound::Digit('4'),
        b'm' | b'n' => Sound::Digit('5'),
        b'r' => Sound::Digit('6'),
        b'h' | b'w' => Sound::Silent,
        _ => Sound::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_written_differently_fold_to_one() {
        for (one, other) in [
            ("O'Brien", "O’BRIEN"),
            ("Núñez", "Nunez"),
            ("Smith-Jones", "smith jones"),
            ("Łukasz", "lukasz"),
            ("e\u{301}lise", "Élise"),
            ("Åström", "astrom"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
        assert_ne!(fold("Osei"), fold("Ossei"));
        assert_eq!(fold("王"), "王");
    }

    #[test]
    fn soundex_gives_the_published_examples() {
        for (name, code) in [
            ("robert", "r163"),
            ("rupert", "r163"),
            ("rubin", "r150"),
            ("ashcraft", "a261"),
            ("ashcroft", "a261"),
            ("tymczak", "t522"),
            ("pfister", "p236"),
            ("honeyman", "h555"),
            ("lee", "l000"),
            ("", ""),
        ] {
            assert_eq!(phonetic(name), code, "{name}");
        }
    }
}
