//! Small readings of a FHIR body that several sections share. Text is taken as sent; nothing is
//! translated, completed or corrected.

use super::when::When;
use super::words::number;
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::ItemId;

/// The words of a CodeableConcept: its text, else the first display, else the first code.
pub(super) fn concept(value: &Json) -> Option<String> {
    let value = value.first();
    let text = |json: &Json| {
        json.as_text()
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    value
        .get("text")
        .and_then(text)
        .or_else(|| coding_part(value, "display"))
        .or_else(|| coding_part(value, "code"))
}

fn coding_part(concept: &Json, part: &str) -> Option<String> {
    concept
        .elements("coding")
        .iter()
        .find_map(|coding| {
            coding
                .text_at(&[part])
                .filter(|text| !text.trim().is_empty())
        })
        .map(str::to_owned)
}

/// The words of the concept under a member.
pub(super) fn concept_at(body: &Json, name: &str) -> Option<String> {
    concept(body.get(name)?)
}

/// The words of every concept under a member.
pub(super) fn concepts_at(body: &Json, name: &str) -> Vec<String> {
    body.elements(name).iter().filter_map(concept).collect()
}

/// Whether any coding of the concept has one of these codes.
pub(super) fn has_code(concept: &Json, codes: &[&str]) -> bool {
    concept.elements("coding").iter().any(|coding| {
        coding
            .text_at(&["code"])
            .is_some_and(|code| codes.contains(&code))
    })
}

/// Whether any concept under a member has one of these codes.
pub(super) fn has_code_at(body: &Json, name: &str, codes: &[&str]) -> bool {
    body.elements(name)
        .iter()
        .any(|concept| has_code(concept, codes))
}

/// Whether a concept carries a code of a shared code system at all.
pub(super) fn is_coded(concept: &Json) -> bool {
    concept
        .elements("coding")
        .iter()
        .any(|coding| coding.text_at(&["system"]).is_some() && coding.text_at(&["code"]).is_some())
}

/// The status of a resource, as words: `entered-in-error` is `Entered in error`.
pub(super) fn status(body: &Json) -> Option<String> {
    body.text_at(&["status"]).map(words_of_code)
}

/// A code as words: dashes become spaces, the first letter is raised.
pub(super) fn words_of_code(code: &str) -> String {
    super::words::sentence(&code.replace(['-', '_'], " "))
}

/// The date or moment under the first of these members that has one.
pub(super) fn when_at(body: &Json, names: &[&str]) -> Option<When> {
    names.iter().find_map(|name| {
        let value = body.get(name)?;
        value
            .as_text()
            .and_then(When::fhir)
            .or_else(|| value.text_at(&["start"]).and_then(When::fhir))
    })
}

/// The end of the period under a member.
pub(super) fn end_at(body: &Json, name: &str) -> Option<When> {
    body.text_at(&[name, "end"]).and_then(When::fhir)
}

/// The display of a reference, or of its identifier.
pub(super) fn reference_words(value: &Json) -> Option<String> {
    let value = value.first();
    value
        .text_at(&["display"])
        .or_else(|| value.text_at(&["identifier", "value"]))
        .map(str::to_owned)
}

/// The item of the same person that a reference points to.
pub(super) fn target(value: &Json) -> Option<(ResourceType, ItemId)> {
    let text = value.first().text_at(&["reference"])?;
    let mut parts = text.rsplit('/');
    let id = ItemId::parse(parts.next()?).ok()?;
    Some((ResourceType::from_name(parts.next()?)?, id))
}

/// A contained resource that a reference of the same body points to.
pub(super) fn contained<'a>(body: &'a Json, reference: &Json) -> Option<&'a Json> {
    let id = reference
        .first()
        .text_at(&["reference"])?
        .strip_prefix('#')?;
    body.elements("contained")
        .iter()
        .find(|inner| inner.text_at(&["id"]) == Some(id))
}

/// A quantity as sent: comparator, number, unit. The number's digits are those that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quantity {
    pub comparator: String,
    /// The number's own text.
    pub value: String,
    pub unit: String,
}

impl Quantity {
    pub(super) fn read(json: &Json) -> Option<Self> {
        let value = json.get("value")?;
        let value = value.as_number().or_else(|| value.as_text())?.to_owned();
        let unit = json
            .text_at(&["unit"])
            .or_else(|| json.text_at(&["code"]))
            .unwrap_or_default();
        Some(Self {
            comparator: json.text_at(&["comparator"]).unwrap_or_default().to_owned(),
            value,
            unit: unit.to_owned(),
        })
    }

    /// The comparator and the number, without the unit. Words stand for the comparator on paper and
    /// for screen readers alike, because `<` is misread.
    pub(super) fn amount(&self) -> String {
        let words = match self.comparator.as_str() {
            "<" => "less than ",
            "<=" => "at most ",
            ">" => "more than ",
            ">=" => "at least ",
            _ => "",
        };
        format!("{words}{}", number(&self.value))
    }

    /// Number and unit with a space between.
    pub(super) fn words(&self) -> String {
        if self.unit.is_empty() {
            self.amount()
        } else {
            format!("{} {}", self.amount(), self.unit)
        }
    }

    /// For a chart only: never shown.
    pub(super) fn place(&self) -> Option<f64> {
        self.value
            .parse::<f64>()
            .ok()
            .filter(|place| place.is_finite())
    }
}

/// Notes and comments, each as sent.
pub(super) fn notes(body: &Json) -> Vec<String> {
    body.elements("note")
        .iter()
        .filter_map(|note| note.text_at(&["text"]))
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// Who recorded it: the first of these members with words.
pub(super) fn who(body: &Json, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let value = body.get(name)?;
        reference_words(value)
            .or_else(|| value.first().get("actor").and_then(reference_words))
            .or_else(|| contained(body, value).and_then(person_words))
    })
}

fn person_words(person: &Json) -> Option<String> {
    let name = person.path(&["name"])?;
    if let Some(text) = name.as_text().or_else(|| name.text_at(&["text"])) {
        return Some(text.to_owned());
    }
    let given = name.text_at(&["given"]).unwrap_or_default();
    let family = name.text_at(&["family"]).unwrap_or_default();
    let prefix = name.text_at(&["prefix"]).unwrap_or_default();
    let words = [prefix, given, family]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A human name in reading order, for contacts.
pub(super) fn human_name(resource: &Json) -> Option<String> {
    person_words(resource)
}

/// The text of an XHTML narrative without its marks, line by line.
pub(super) fn plain_text(markup: &str) -> Vec<String> {
    let mut text = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('>') else {
            rest = &rest[start..];
            break;
        };
        let tag = rest[start + 1..start + end]
            .trim_start_matches('/')
            .to_ascii_lowercase();
        let name = tag
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        match name {
            "p" | "br" | "div" | "tr" | "li" | "table" | "ul" | "ol" | "h1" | "h2" | "h3"
            | "h4" | "h5" | "h6" | "title" => text.push('\n'),
            "td" | "th" => text.push(' '),
            _ => {}
        }
        rest = &rest[start + end + 1..];
    }
    text.push_str(rest);
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&#160;", " ")
        .replace("&amp;", "&");
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}
