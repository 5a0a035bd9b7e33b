//! One item whole: every element that was sent, its versions, its times, its links.
//!
//! Source: the screen design, C20. Nothing is left out; element names are turned into words.

use serde::Serialize;

use super::input::{Input, Seen};
use super::listed::{kind_words, title};
use super::read;
use super::when::When;
use crate::fhir::Json;
use crate::vocabulary::ItemId;

/// One element, at its depth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Element {
    /// The element's name in words.
    pub name: String,
    /// Its value; empty for a heading of nested elements.
    pub value: String,
    /// How deep it stands, from 0.
    pub depth: usize,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// From 1.
    pub version: u32,
    /// When it was received.
    pub received: When,
    /// It was taken away in this version.
    pub withdrawn: bool,
}

/// The page of one item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemPage {
    /// "Medicine", "Result" …
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Where it came from.
    pub seen: Seen,
    /// The full name of the source and whom to call.
    pub source_name: String,
    /// The source's phone.
    pub source_phone: String,
    /// Status as sent.
    pub status: Option<String>,
    /// Who recorded it.
    pub by: Option<String>,
    /// When the source recorded it.
    pub recorded: Option<When>,
    /// The source's own ids.
    pub own_ids: Vec<String>,
    /// Every element.
    pub elements: Vec<Element>,
    /// The narrative the source sent, line by line.
    pub narrative: Vec<String>,
    /// Versions, newest first.
    pub versions: Vec<Version>,
    /// It changed after the reader last looked (S23).
    pub changed: bool,
    /// The code of the section it belongs to.
    pub section: Option<&'static str>,
}

/// One item; `None` when it was not loaded.
pub(super) fn page(input: &Input, id: ItemId) -> Option<ItemPage> {
    let item = input.items.iter().find(|item| item.header.item == id)?;
    let body = &item.body;
    let kind = kind_words(item.header.resource_type, item.header.category);
    let source = input.source(&item.header.source);
    let mut elements = Vec::new();
    flatten(body, 0, &mut elements);
    Some(ItemPage {
        kind: kind.to_owned(),
        title: title(item, input).unwrap_or_else(|| format!("{kind} without a title")),
        seen: input.seen(&item.header),
        source_name: source.map_or_else(|| item.header.source.to_string(), |s| s.name.clone()),
        source_phone: source
            .map(|s| super::words::phone(&s.phone))
            .unwrap_or_default(),
        status: read::status(body).or_else(|| read::concept_at(body, "clinicalStatus")),
        by: read::who(
            body,
            &[
                "recorder",
                "asserter",
                "requester",
                "performer",
                "author",
                "informationSource",
            ],
        ),
        recorded: read::when_at(
            body,
            &[
                "recordedDate",
                "authoredOn",
                "issued",
                "dateAsserted",
                "date",
                "created",
                "recorded",
            ],
        ),
        own_ids: body
            .elements("identifier")
            .iter()
            .filter_map(|id| id.text_at(&["value"]))
            .map(str::to_owned)
            .collect(),
        narrative: body
            .text_at(&["text", "div"])
            .map(read::plain_text)
            .unwrap_or_default(),
        versions: input
            .history
            .iter()
            .filter(|header| header.resource_type == item.header.resource_type && header.item == id)
            .map(|header| Version {
                version: header.version,
                received: When::moment(header.received_at),
                withdrawn: header.withdrawn,
            })
            .collect(),
        changed: item.header.version > 1 && input.is_new(&item.header),
        section: super::Section::ALL[2..11]
            .iter()
            .find(|section| section.shows(item.header.resource_type, item.header.category))
            .map(|section| section.code()),
        elements,
    })
}

const LEFT_OUT: [&str; 6] = ["resourceType", "id", "meta", "text", "subject", "patient"];

fn flatten(value: &Json, depth: usize, out: &mut Vec<Element>) {
    let Json::Object(members) = value else { return };
    for (name, member) in members {
        if depth == 0 && LEFT_OUT.contains(&name.as_ref()) {
            continue;
        }
        let each = match member {
            Json::Array(values) => values.as_slice(),
            other => std::slice::from_ref(other),
        };
        for value in each {
            push(name, value, depth, out);
        }
    }
}

fn push(name: &str, value: &Json, depth: usize, out: &mut Vec<Element>) {
    let words = element_words(name);
    if let Some(text) = simple(name, value) {
        out.push(Element {
            name: words,
            value: text,
            depth,
        });
        return;
    }
    out.push(Element {
        name: words,
        value: String::new(),
        depth,
    });
    flatten(value, depth + 1, out);
}

/// The words of a value that needs no nested rows.
fn simple(name: &str, value: &Json) -> Option<String> {
    match value {
        Json::Null => Some("Not given".to_owned()),
        Json::Bool(yes) => Some(if *yes { "Yes" } else { "No" }.to_owned()),
        Json::Number(number) => Some(super::words::number(number)),
        Json::Text(_) if name == "data" => {
            Some("A file; open it on the document's page".to_owned())
        }
        Json::Text(text) => Some(When::fhir(text).map_or_else(|| text.clone(), |when| when.short)),
        Json::Object(members) => {
            let has = |wanted: &str| members.iter().any(|(member, _)| member == wanted);
            if has("coding") {
                concept_with_codes(value)
            } else if has("value") && has("unit") {
                read::Quantity::read(value).map(|quantity| quantity.words())
            } else if has("reference") && has("display") {
                read::reference_words(value)
            } else {
                None
            }
        }
        Json::Array(_) => None,
    }
}

/// The source's words, then what the code means and the code itself (hazard H23).
fn concept_with_codes(concept: &Json) -> Option<String> {
    let words = read::concept(concept)?;
    let codes: Vec<String> = concept
        .elements("coding")
        .iter()
        .filter_map(|coding| {
            let code = coding.text_at(&["code"])?;
            Some(
                match coding
                    .text_at(&["display"])
                    .filter(|display| *display != words)
                {
                    Some(display) => format!("{display}, {code}"),
                    None => code.to_owned(),
                },
            )
        })
        .collect();
    Some(if codes.is_empty() {
        words
    } else {
        format!("{words} (code {})", codes.join("; "))
    })
}

/// `dosageInstruction` is `Dosage instruction`.
fn element_words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    super::words::sentence(&words)
}
