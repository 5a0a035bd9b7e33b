//! A sentence with its values put in: `Phone: {phone} ({hours})`.
//!
//! Values stay apart from the words around them, so that a page can keep a phone number on one line
//! and from left to right, and can make an address of the site a link.

use std::collections::HashMap;

use anyhow::bail;
use serde::Serialize;

/// A stretch of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `text`; `label`, the words before a colon; `number`, kept whole and from left to right; `latin`,
    /// from left to right; `link`, the same and a link.
    pub kind: &'static str,
    /// What it says.
    pub text: String,
    /// Where a link leads: a path of the site, or an address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
}

impl Part {
    fn of(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            to: String::new(),
        }
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of("text", text)
    }

    /// A phone number, an email address.
    pub fn number(text: impl Into<String>) -> Self {
        Self::of("number", text)
    }

    /// A postal address.
    pub fn latin(text: impl Into<String>) -> Self {
        Self::of("latin", text)
    }

    fn link(text: &str, to: String) -> Self {
        Self {
            to,
            ..Self::of("link", text)
        }
    }
}

/// Puts the values in. `labelled`: what stands before the first colon is a label.
pub fn fill(
    sentence: &str,
    values: &HashMap<&str, String>,
    labelled: bool,
) -> anyhow::Result<Vec<Part>> {
    let (mut parts, mut rest) = (Vec::new(), sentence);
    if labelled && let Some(end) = rest.find([':', '：']) {
        let end = end + rest[end..].chars().next().map_or(1, char::len_utf8);
        parts.push(Part::of("label", &rest[..end]));
        rest = &rest[end..];
    }
    while let Some(start) = rest.find('{') {
        if start > 0 {
            parts.push(Part::text(&rest[..start]));
        }
        let Some(end) = rest[start..].find('}').map(|end| start + end) else {
            bail!("a brace is opened and not closed");
        };
        let name = &rest[start + 1..end];
        let Some(value) = values.get(name) else {
            let mut known: Vec<&str> = values.keys().copied().collect();
            known.sort_unstable();
            bail!(
                "{{{name}}} is no value of the content file; there are: {}",
                known.join(", ")
            );
        };
        rest = &rest[end + 1..];
        parts.push(put(name, value, &mut rest));
    }
    if !rest.is_empty() {
        parts.push(Part::text(rest));
    }
    Ok(parts)
}

/// One value; an address of the site takes the path that follows with it.
fn put(name: &str, value: &str, rest: &mut &str) -> Part {
    match name {
        "site" => {
            let end = path_of(rest);
            let to = rest[..end].to_owned();
            *rest = &rest[end..];
            let shown = format!("{}{to}", without_scheme(value));
            Part::link(&shown, format!("{value}{to}"))
        }
        "national-online" => Part::link(without_scheme(value), value.to_owned()),
        "phone" | "national-phone" | "relay" | "email" | "started" => Part::number(value),
        "address" | "national-address" => Part::latin(value),
        _ => Part::text(value),
    }
}

/// How far the path reaches: lower case letters, slashes, and dashes between letters.
fn path_of(rest: &str) -> usize {
    let path = |letter: char| matches!(letter, '/' | '-') || letter.is_ascii_lowercase();
    let end = rest.find(|letter| !path(letter)).unwrap_or(rest.len());
    rest[..end].trim_end_matches('-').len()
}

fn without_scheme(address: &str) -> &str {
    let bare = address.split_once("://").map_or(address, |(_, bare)| bare);
    bare.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(sentence: &str) -> Vec<(&'static str, String)> {
        let values = HashMap::from([
            ("phone", "020 7946 0180".to_owned()),
            ("site", "https://care.example.org".to_owned()),
        ]);
        let parts = fill(sentence, &values, sentence.starts_with("Post")).expect("it fills");
        parts
            .into_iter()
            .map(|part| (part.kind, part.text))
            .collect()
    }

    #[test]
    fn values_stay_apart_from_words() {
        assert_eq!(
            filled("Call {phone}, now."),
            [
                ("text", "Call ".to_owned()),
                ("number", "020 7946 0180".to_owned()),
                ("text", ", now.".to_owned())
            ]
        );
    }

    #[test]
    fn an_address_of_the_site_takes_its_path_along_and_no_full_stop() {
        assert_eq!(
            filled("Post: {site}/choices/form."),
            [
                ("label", "Post:".to_owned()),
                ("text", " ".to_owned()),
                ("link", "care.example.org/choices/form".to_owned()),
                ("text", ".".to_owned())
            ]
        );
    }

    #[test]
    fn a_dash_belongs_to_the_path_only_between_letters() {
        assert_eq!(path_of("/choices/exceptional-circumstances."), 34);
        assert_eq!(path_of("/me-তে"), 3);
    }

    #[test]
    fn a_value_nobody_knows_is_refused_with_those_that_are_known() {
        let why = fill("{fax}", &HashMap::from([("phone", String::new())]), false);
        let why = why.expect_err("unknown").to_string();
        assert!(why.contains("fax") && why.contains("phone"), "{why}");
    }
}
