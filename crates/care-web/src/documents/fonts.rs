//! The fonts of documents: Noto Sans for Latin letters, Arabic, Bengali, Tamil and Chinese, compiled in
//! from the front-end packages (SIL Open Font Licence 1.1). Fonts of the machine are never looked at.

use std::sync::LazyLock;

use serde_json::Value;
use typst::foundations::Bytes;
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;

struct Case {
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

static CASE: LazyLock<Case> = LazyLock::new(|| {
    let files = super::FONTS.iter();
    let fonts: Vec<Font> = files
        .filter_map(|file| Font::new(Bytes::new(*file), 0))
        .collect();
    Case {
        book: LazyHash::new(FontBook::from_fonts(&fonts)),
        fonts,
    }
});

/// What fonts there are.
pub(super) fn book() -> &'static LazyHash<FontBook> {
    &CASE.book
}

/// One of them.
pub(super) fn font(index: usize) -> Option<Font> {
    CASE.fonts.get(index).cloned()
}

/// Whether some font has this character.
pub(super) fn has(letter: char) -> bool {
    let at = u32::from(letter);
    CASE.fonts
        .iter()
        .any(|font| font.info().coverage.contains(at))
}

/// The same data, with the replacement character for every character that no font has. A letter
/// with a mark in it reaches the person; a letter that was refused does not.
pub(super) fn printable(data: &Value) -> Value {
    match data {
        Value::String(text) => Value::String(text.chars().map(printed).collect()),
        Value::Array(all) => Value::Array(all.iter().map(printable).collect()),
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), printable(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// Joiners and marks of direction are not drawn, and line ends are laid out: they stay.
fn printed(letter: char) -> char {
    let silent =
        matches!(letter, '\n' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2066}'..='\u{2069}');
    match letter {
        '\t' | '\r' => ' ',
        _ if silent || has(letter) => letter,
        _ => '\u{fffd}',
    }
}
