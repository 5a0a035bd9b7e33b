//! Texts as search compares them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A text without the difference between large and small letters, without marks over letters, and
/// with punctuation and runs of spaces as one space.
pub fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)) {
        if letter.is_alphanumeric() {
            out.extend(letter.to_lowercase());
        } else if matches!(letter, '\'' | '\u{2019}') {
            // O'Brien is found as obrien and as o'brien.
        } else if !out.ends_with(' ') && !out.is_empty() {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn texts_fold_case_marks_and_punctuation() {
        for (text, expected) in [
            ("Núñez", "nunez"),
            ("O'Brien", "obrien"),
            ("O\u{2019}Brien", "obrien"),
            ("  Smith-Jones ", "smith jones"),
            ("ﬁne", "fine"),
            ("ÅNGSTRÖM", "angstrom"),
            ("東京", "東京"),
        ] {
            assert_eq!(folded(text), expected);
        }
    }
}
