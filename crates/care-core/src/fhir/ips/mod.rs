//! The International Patient Summary: a document made of what a view permits of one person.
//!
//! Sees only what it is handed, so an absent entry and a hidden one read the same: a section without
//! entries says that the information is not available here, never that there is none. That there
//! is none is said only where a source recorded so, as an entry of its own.
//!
//! Source: HL7 IPS Implementation Guide 2.0.0 (Composition-uv-ips, Bundle-uv-ips and the section codes).

mod narrative;
mod sections;

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Json, ReferenceTarget, ResourceType, reference_target};

pub use sections::{SECTIONS, SummarySection, may_stand_in};

/// The profile of the Bundle.
const BUNDLE: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips";
/// The profile of the Composition.
const COMPOSITION: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips";
/// Types that are given along where an entry refers to them.
const ALONG: [&str; 10] = [
    "Medication",
    "Device",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Specimen",
    "Observation",
    "Substance",
    "RelatedPerson",
];
/// How far references are followed from an entry.
const FOLLOWED: usize = 3;

/// Something the view permits, and who recorded it, in words.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The resource, with its `id`.
    pub resource: Json,
    /// The organisation it came from, by name.
    pub source: String,
}

/// What a summary is made of.
pub struct SummaryInput<'a> {
    /// The FHIR base, without a slash at the end: every `fullUrl` begins with it.
    pub base: &'a str,
    /// A fresh UUID for the document.
    pub document: &'a str,
    /// A fresh UUID for its author's entry.
    pub author: &'a str,
    /// The name of the author: who runs the record.
    pub author_name: &'a str,
    /// The Patient, with `id`.
    pub patient: &'a Json,
    /// What the view permits, newest first.
    pub items: &'a [Recorded],
    /// When it is made.
    pub now: Timestamp,
}

/// Makes the document. `find` gives what an entry refers to and `items` do not hold: things about
/// nobody, such as organisations; nothing where it is not there for the reader.
pub fn patient_summary(
    input: &SummaryInput<'_>,
    find: &mut dyn FnMut(ResourceType, &str) -> Option<Json>,
) -> Json {
    let mut sections = Vec::new();
    let mut chosen: Vec<&Json> = Vec::new();
    for section in SECTIONS {
        let found = section.choose(input.items);
        if found.is_empty() && !section.is_required {
            continue;
        }
        sections.push(section_json(section, &found, input.base));
        for one in found {
            if !chosen.iter().any(|held| std::ptr::eq(*held, &one.resource)) {
                chosen.push(&one.resource);
            }
        }
    }
    let composition = composition(input, sections);
    let mut entries = vec![
        entry(urn(input.document), composition),
        entry(address(input.base, input.patient), input.patient.clone()),
        entry(urn(input.author), author(input)),
    ];
    for one in &chosen {
        entries.push(entry(address(input.base, one), (*one).clone()));
    }
    for one in along(input, &chosen, find) {
        entries.push(entry(address(input.base, &one), one));
    }
    Json::object([
        ("resourceType", "Bundle".into()),
        ("meta", profile(BUNDLE)),
        (
            "identifier",
            Json::object([
                ("system", "urn:ietf:rfc:3986".into()),
                ("value", urn(input.document).into()),
            ]),
        ),
        ("type", "document".into()),
        ("timestamp", moment(input.now).into()),
        ("entry", Json::Array(entries)),
    ])
}

fn moment(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn urn(uuid: &str) -> String {
    format!("urn:uuid:{uuid}")
}

fn profile(url: &'static str) -> Json {
    Json::object([("profile", Json::Array(vec![url.into()]))])
}

/// `base/Type/id`.
fn address(base: &str, resource: &Json) -> String {
    let text = |name| resource.text_at(&[name]).unwrap_or_default();
    format!("{base}/{}/{}", text("resourceType"), text("id"))
}

fn entry(full_url: String, resource: Json) -> Json {
    Json::object([("fullUrl", full_url.into()), ("resource", resource)])
}

fn reference(target: String) -> Json {
    Json::object([("reference", target.into())])
}

pub(super) fn concept(system: &'static str, code: &'static str, display: &'static str) -> Json {
    let coding = Json::object([
        ("system", system.into()),
        ("code", code.into()),
        ("display", display.into()),
    ]);
    Json::object([("coding", Json::Array(vec![coding]))])
}

fn composition(input: &SummaryInput<'_>, sections: Vec<Json>) -> Json {
    let words =
        "A summary of what this record holds and the reader may see, at the moment it was made.";
    Json::object([
        ("resourceType", "Composition".into()),
        ("id", input.document.into()),
        ("meta", profile(COMPOSITION)),
        ("text", narrative::paragraph(words)),
        ("status", "final".into()),
        (
            "type",
            concept("http://loinc.org", "60591-5", "Patient summary Document"),
        ),
        ("subject", reference(address(input.base, input.patient))),
        ("date", moment(input.now).into()),
        ("author", Json::Array(vec![reference(urn(input.author))])),
        ("title", "Patient summary".into()),
        ("confidentiality", "N".into()),
        ("custodian", reference(urn(input.author))),
        ("section", Json::Array(sections)),
    ])
}

fn author(input: &SummaryInput<'_>) -> Json {
    Json::object([
        ("resourceType", "Organization".into()),
        ("id", input.author.into()),
        ("name", input.author_name.into()),
    ])
}

fn section_json(section: &SummarySection, found: &[&Recorded], base: &str) -> Json {
    let entries = found
        .iter()
        .map(|one| reference(address(base, &one.resource)))
        .collect();
    let empty = found.is_empty().then(|| {
        concept(
            "http://terminology.hl7.org/CodeSystem/list-empty-reason",
            "unavailable",
            "Unavailable",
        )
    });
    Json::object([
        ("title", section.title.into()),
        (
            "code",
            concept("http://loinc.org", section.code, section.display),
        ),
        ("text", narrative::table(section, found)),
        ("entry", Json::list(entries)),
        ("emptyReason", empty.into()),
    ])
}

/// What the entries refer to, and what that refers to, each once.
fn along(
    input: &SummaryInput<'_>,
    chosen: &[&Json],
    find: &mut dyn FnMut(ResourceType, &str) -> Option<Json>,
) -> Vec<Json> {
    let key = |resource: &Json| {
        let kind = super::resource_type(resource)?;
        Some((kind, resource.text_at(&["id"])?.to_owned()))
    };
    let mut held: HashSet<_> = chosen.iter().filter_map(|one| key(one)).collect();
    held.extend(key(input.patient));
    let mut found = Vec::new();
    let mut wave: Vec<(ResourceType, String)> = Vec::new();
    chosen.iter().for_each(|one| referred(one, &mut wave));
    for _ in 0..FOLLOWED {
        let mut next = Vec::new();
        for (kind, id) in wave {
            if !ALONG.contains(&kind.name()) || !held.insert((kind, id.clone())) {
                continue;
            }
            let is_it = |one: &&Recorded| key(&one.resource) == Some((kind, id.clone()));
            let one = match input.items.iter().find(is_it) {
                Some(recorded) => Some(recorded.resource.clone()),
                None => find(kind, &id),
            };
            if let Some(one) = one {
                referred(&one, &mut next);
                found.push(one);
            }
        }
        wave = next;
    }
    found
}

/// Every relative reference in a value.
fn referred(value: &Json, out: &mut Vec<(ResourceType, String)>) {
    match value {
        Json::Array(values) => values.iter().for_each(|one| referred(one, out)),
        Json::Object(members) => {
            if let Some(ReferenceTarget::Relative(kind, id)) = reference_target(value) {
                out.push((kind, id.to_owned()));
            }
            members.iter().for_each(|(_, one)| referred(one, out));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
