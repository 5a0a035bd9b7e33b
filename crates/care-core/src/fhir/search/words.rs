//! The words of a resource, for `_text` and `_content`.

use std::collections::BTreeSet;

use super::text::folded;
use crate::fhir::Json;

/// Members that say nothing in words: addresses, keys, data.
const NO_WORDS: [&str; 10] = [
    "resourceType",
    "id",
    "reference",
    "system",
    "url",
    "data",
    "code",
    "contentType",
    "hash",
    "language",
];
/// Texts longer than this are read up to here.
const LONGEST: usize = 200_000;

/// The folded words of the narrative alone, or of everything that is said in words: displays, texts,
/// names, notes, identifiers' values and the narrative. What is asked by `_text` and `_content` must
/// stand among them.
pub fn words(resource: &Json, narrative: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let told = resource
        .get("text")
        .and_then(|text| text.get("div"))
        .and_then(Json::as_text);
    if let Some(told) = told {
        split(&without_tags(told), &mut found);
    }
    if !narrative {
        gather(resource, &mut found);
    }
    found
}

fn gather(json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                let is_key = NO_WORDS.contains(&name.as_ref()) && value.as_text().is_some();
                if !is_key && name != "meta" && name != "div" {
                    gather(value, found);
                }
            }
        }
        Json::Array(elements) => elements.iter().for_each(|element| gather(element, found)),
        Json::Text(text) => split(text, found),
        _ => {}
    }
}

fn split(text: &str, found: &mut BTreeSet<String>) {
    let cut = text
        .char_indices()
        .take_while(|(at, _)| *at < LONGEST)
        .last()
        .map_or(0, |(at, letter)| at + letter.len_utf8());
    for word in folded(text.get(..cut).unwrap_or_default()).split(' ') {
        if !word.is_empty() {
            found.insert(word.to_owned());
        }
    }
}

/// What stands between the tags of XHTML.
fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut is_tag = false;
    for letter in html.chars() {
        match letter {
            '<' => {
                is_tag = true;
                out.push(' ');
            }
            '>' => is_tag = false,
            _ if !is_tag => out.push(letter),
            _ => {}
        }
    }
    for (entity, letter) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        if out.contains(entity) {
            out = out.replace(entity, letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_people_read() {
        let json = Json::parse(
            br#"{"resourceType":"Condition","id":"abc","text":{"div":"<div class=\"x\">Chest&amp;back <b>pain</b></div>"},
                "code":{"coding":[{"system":"http://snomed.info/sct","code":"29857009","display":"Chest pain"}],
                "text":"Sore N\u00fa\u00f1ez"}, "onsetString":"Tuesday"}"#,
            crate::fhir::Limits::default(),
        )
        .expect("JSON");
        let list = |narrative| {
            words(&json, narrative)
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(list(true), "back chest pain");
        assert_eq!(list(false), "back chest nunez pain sore tuesday");
    }
}
