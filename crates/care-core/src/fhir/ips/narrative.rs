//! What a person reads of a section: a table of what, when, details and who recorded it. Every word of
//! a source is escaped.

use super::{Recorded, SummarySection};
use crate::fhir::{Json, clinical_time, concept_text, primary_concept, status};

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// A narrative of one sentence.
pub(super) fn paragraph(words: &str) -> Json {
    narrative(&format!("<p>{}</p>", escaped(words)))
}

/// The entries of a section as a table; without any, the sentence that says so.
pub(super) fn table(section: &SummarySection, found: &[&Recorded]) -> Json {
    if found.is_empty() {
        let words = format!("{}: no information is available here.", section.title);
        return paragraph(&words);
    }
    let mut rows = String::from(
        "<table><thead><tr><th>What</th><th>When</th><th>Details</th><th>Recorded by</th></tr></thead><tbody>",
    );
    for one in found {
        let when = clinical_time(&one.resource);
        let cells = [
            what(&one.resource),
            when.map(|when| when.as_str().to_owned())
                .unwrap_or_default(),
            details(&one.resource),
            one.source.clone(),
        ];
        rows.push_str("<tr>");
        for cell in cells {
            rows.push_str(&format!("<td>{}</td>", escaped(&cell)));
        }
        rows.push_str("</tr>");
    }
    rows.push_str("</tbody></table>");
    narrative(&rows)
}

fn narrative(inner: &str) -> Json {
    Json::object([
        ("status", "generated".into()),
        (
            "div",
            format!("<div xmlns=\"{XHTML}\">{inner}</div>").into(),
        ),
    ])
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write these.
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// What an entry is about, in the words of its source.
fn what(resource: &Json) -> String {
    let medicine = resource.text_at(&["medicationReference", "display"]);
    let device = resource.text_at(&["device", "display"]);
    let said = medicine
        .or(device)
        .or_else(|| resource.text_at(&["title"]))
        .or_else(|| primary_concept(resource).and_then(concept_text));
    said.or_else(|| resource.text_at(&["resourceType"]))
        .unwrap_or_default()
        .to_owned()
}

/// Value, dose, reaction or outcome, and the status where one was sent.
fn details(resource: &Json) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(value(resource));
    for component in resource.elements("component") {
        let name = component.get("code").and_then(concept_text);
        if let Some(value) = value(component) {
            parts.push(format!("{} {value}", name.unwrap_or_default()));
        }
    }
    for member in ["dosage", "dosageInstruction"] {
        let doses = resource.elements(member).iter();
        parts.extend(doses.filter_map(|dose| dose.text_at(&["text"]).map(str::to_owned)));
    }
    for reaction in resource.elements("reaction") {
        let shown = reaction.elements("manifestation").iter();
        parts.extend(shown.filter_map(|one| concept_text(one).map(str::to_owned)));
    }
    for member in ["criticality", "conclusion"] {
        parts.extend(resource.text_at(&[member]).map(str::to_owned));
    }
    parts.extend(status(resource).map(str::to_owned));
    parts.join("; ")
}

fn value(resource: &Json) -> Option<String> {
    if let Some(quantity) = resource.get("valueQuantity") {
        let number = quantity.get("value").and_then(Json::as_number)?;
        let comparator = quantity.text_at(&["comparator"]).unwrap_or_default();
        let unit = quantity
            .text_at(&["unit"])
            .or_else(|| quantity.text_at(&["code"]));
        let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        return Some(format!("{comparator}{number}{unit}"));
    }
    if let Some(concept) = resource.get("valueCodeableConcept") {
        return concept_text(concept).map(str::to_owned);
    }
    let text = ["valueString", "valueDateTime", "valueTime"];
    if let Some(text) = text.iter().find_map(|name| resource.text_at(&[name])) {
        return Some(text.to_owned());
    }
    let number = resource.get("valueInteger").and_then(Json::as_number);
    let truth = resource.get("valueBoolean").and_then(Json::as_bool);
    number
        .map(str::to_owned)
        .or_else(|| truth.map(|yes| if yes { "yes" } else { "no" }.to_owned()))
}
