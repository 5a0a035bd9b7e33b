//! The words of a resource, folded: those of its narrative, or all of its texts.

use std::collections::HashSet;

use care_core::fhir::Json;
use care_core::fhir::search::folded;

/// Whether all of these folded words stand in the narrative, or anywhere.
pub(super) fn has_words(resource: &Json, narrative: bool, words: &[String]) -> bool {
    let mut text = String::new();
    if narrative {
        text = plain(resource.text_at(&["text", "div"]).unwrap_or_default());
    } else {
        gather(resource, &mut text);
    }
    let text = folded(&text);
    let found: HashSet<&str> = text.split(' ').collect();
    words
        .iter()
        .filter(|word| !word.is_empty())
        .all(|word| found.contains(word.as_str()))
}

/// Every text of a resource, the narrative without its tags.
fn gather(value: &Json, out: &mut String) {
    match value {
        Json::Text(text) => {
            out.push_str(text);
            out.push(' ');
        }
        Json::Number(text) => {
            out.push_str(text);
            out.push(' ');
        }
        Json::Array(values) => values.iter().for_each(|one| gather(one, out)),
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::Text(text) if name == "div" => {
                        out.push_str(&plain(text));
                        out.push(' ');
                    }
                    other => gather(other, out),
                }
            }
        }
        Json::Null | Json::Bool(_) => {}
    }
}

/// A narrative without its tags.
fn plain(div: &str) -> String {
    let mut out = String::with_capacity(div.len());
    let mut in_tag = false;
    for letter in div.chars() {
        match letter {
            '<' => {
                in_tag = true;
                out.push(' ');
            }
            '>' if in_tag => in_tag = false,
            _ if in_tag => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use care_core::fhir::Limits;

    #[test]
    fn words_are_found_in_texts_and_never_in_tags_or_names() {
        let text = r#"{"resourceType":"Basic","text":{"div":"<div class=\"secret\">Likes <b>gardening</b></div>"},"code":{"text":"Núñez"}}"#;
        let json = Json::parse(text.as_bytes(), Limits::default()).expect("JSON");
        for (narrative, words, expected) in [
            (true, "gardening likes", true),
            (true, "nunez", false),
            (true, "secret", false),
            (true, "garden", false),
            (false, "nunez gardening", true),
            (false, "code", false),
        ] {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            assert_eq!(has_words(&json, narrative, &words), expected, "{words:?}");
        }
    }
}
