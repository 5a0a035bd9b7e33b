//! What a validation knows: R4's own profiles and extensions, UK Core's, and what a deployment adds.
//!
//! Each is read from its text when it is first asked for and then shared; a book is never changed
//! after it is made, so that many threads use one.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::profile::{Profile, base_type};
use super::sets::{self, CodeSet, CodeSystem, Terms};
use super::without_version;
use crate::fhir::path::Terminology;
use crate::fhir::{Json, Limits};

const R4: &str = include_str!("../../../data/definitions/r4-profiles.txt");
const UK_CORE: &str = include_str!("../../../data/definitions/ukcore.txt");

/// The profiles, extensions, value sets and code systems a validation knows.
#[derive(Debug, Default)]
pub struct Rulebook {
    structures: HashMap<String, Structure>,
    sets: HashMap<String, Set>,
    systems: HashMap<String, System>,
    questionnaires: HashMap<String, Json>,
    /// What is looked at where this book has nothing.
    under: Option<&'static Rulebook>,
}

#[derive(Debug)]
struct Structure {
    source: Source,
    profile: OnceLock<Profile>,
}

#[derive(Debug)]
struct Set {
    source: Source,
    codes: OnceLock<Option<CodeSet>>,
}

#[derive(Debug)]
struct System {
    source: Source,
    read: OnceLock<Option<CodeSystem>>,
}

/// A definition as it was given: parsed, or the text of the table in the binary.
#[derive(Debug)]
struct Source {
    text: &'static str,
    json: OnceLock<Json>,
}

impl Source {
    fn json(&self) -> &Json {
        // The table is made by our own tool; a line that is no JSON would say nothing.
        let read = || Json::parse(self.text.as_bytes(), Limits::default()).unwrap_or_default();
        self.json.get_or_init(read)
    }
}

impl From<Json> for Source {
    fn from(json: Json) -> Self {
        Self {
            text: "",
            json: OnceLock::from(json),
        }
    }
}

impl From<&'static str> for Source {
    fn from(text: &'static str) -> Self {
        Self {
            text,
            json: OnceLock::new(),
        }
    }
}

impl Rulebook {
    /// R4 and UK Core.
    pub fn standard() -> &'static Self {
        static STANDARD: OnceLock<Rulebook> = OnceLock::new();
        STANDARD.get_or_init(|| {
            let mut book = Self::default();
            for line in R4.lines().chain(UK_CORE.lines()) {
                let mut cells = line.splitn(3, '\t');
                if let (Some(kind), Some(url), Some(text)) =
                    (cells.next(), cells.next(), cells.next())
                {
                    book.hold(kind, url, text.into());
                }
            }
            book
        })
    }

    /// R4, UK Core and these: StructureDefinitions, ValueSets, CodeSystems and Questionnaires, or
    /// Bundles of them. The later of two with one address counts; other resources are left aside.
    pub fn with(resources: impl IntoIterator<Item = Json>) -> Self {
        let mut book = Self {
            under: Some(Self::standard()),
            ..Self::default()
        };
        for resource in resources {
            book.add(resource);
        }
        book
    }

    fn add(&mut self, resource: Json) {
        let text = |name: &str| resource.text_at(&[name]).unwrap_or_default().to_owned();
        if text("resourceType") == "Bundle" {
            for entry in resource.elements("entry") {
                if let Some(inner) = entry.get("resource") {
                    self.add(inner.clone());
                }
            }
            return;
        }
        let (kind, url) = (text("resourceType"), text("url"));
        if url.is_empty() {
            return;
        }
        // A base type is R4's own; nobody can say it anew.
        if kind == "StructureDefinition" && base_type(&url).is_some() {
            return;
        }
        if kind == "Questionnaire" {
            self.questionnaires.insert(url, resource);
        } else {
            self.hold(&kind, &url, resource.into());
        }
    }

    fn hold(&mut self, kind: &str, url: &str, source: Source) {
        let url = without_version(url).to_owned();
        match kind {
            "StructureDefinition" => {
                let profile = OnceLock::new();
                self.structures.insert(url, Structure { source, profile });
            }
            "ValueSet" => {
                let codes = OnceLock::new();
                self.sets.insert(url, Set { source, codes });
            }
            "CodeSystem" => {
                let read = OnceLock::new();
                self.systems.insert(url, System { source, read });
            }
            _ => {}
        }
    }

    /// How many profiles and extensions, value sets and code systems this book adds to R4's own.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.structures.len(), self.sets.len(), self.systems.len())
    }

    /// What is wrong with the profiles of this book: address and words, in order of the address.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for url in self.structures.keys() {
            let Some(profile) = self.profile(url) else {
                continue;
            };
            found.extend(profile.lacks.iter().map(|base| {
                let words = format!("it stands on {base}, which is not held; give that too");
                (url.clone(), words)
            }));
            found.extend(profile.faults.iter().map(|path| {
                let words = format!("{} has no element {path}; mend the path", profile.type_name);
                (url.clone(), words)
            }));
        }
        found.sort();
        found
    }

    /// The addresses of the profiles of a type, in order.
    pub fn profiles_of(&self, type_name: &str) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .structures
            .iter()
            .filter(|(_, one)| one.source.json().text_at(&["type"]) == Some(type_name))
            .map(|(url, _)| url.as_str())
            .collect();
        found.extend(
            self.under
                .iter()
                .flat_map(|under| under.profiles_of(type_name)),
        );
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a profile is held, or is one of R4's own types.
    pub fn has_profile(&self, url: &str) -> bool {
        let url = without_version(url);
        base_type(url).is_some() || self.held(url).is_some()
    }

    fn held(&self, url: &str) -> Option<&Structure> {
        let own = self.structures.get(url);
        own.or_else(|| self.under?.structures.get(url))
    }

    /// A StructureDefinition as it was given.
    pub(super) fn structure(&self, url: &str) -> Option<&Json> {
        self.held(url).map(|held| held.source.json())
    }

    /// A profile made ready, by its address without a version.
    pub(super) fn profile(&self, url: &str) -> Option<&Profile> {
        let held = self.held(url)?;
        let read = || Profile::read(held.source.json(), self);
        Some(held.profile.get_or_init(read))
    }

    /// The codes of a value set; none where it is not held or no finite list.
    pub(super) fn codes(&self, url: &str) -> Option<&CodeSet> {
        let own = self.sets.get(url);
        match own.or_else(|| self.under?.sets.get(url)) {
            Some(set) => {
                let expand = || sets::expand(set.source.json(), self);
                set.codes.get_or_init(expand).as_ref()
            }
            None => sets::r4_set(url),
        }
    }

    /// A Questionnaire by its address without a version.
    pub(super) fn questionnaire(&self, url: &str) -> Option<&Json> {
        self.questionnaires.get(url)
    }
}

impl Terms for Rulebook {
    fn set_source(&self, url: &str) -> Option<&Json> {
        let own = self.sets.get(url);
        let found = own.or_else(|| self.under?.sets.get(url))?;
        Some(found.source.json())
    }

    fn system(&self, url: &str) -> Option<&CodeSystem> {
        let own = self.systems.get(url);
        let found = own.or_else(|| self.under?.systems.get(url))?;
        let read = || CodeSystem::read(found.source.json());
        found.read.get_or_init(read).as_ref()
    }
}

impl Terminology for Rulebook {
    fn has_code(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        let set = self.codes(without_version(value_set))?;
        Some(set.has(system, code))
    }
}

/// One line of the table of definitions: a StructureDefinition, ValueSet or CodeSystem reduced to
/// what validation reads; none where there is nothing for it in the resource.
///
/// Sets and systems of SNOMED CT are left out: its codes are licensed, and each place that has a
/// licence may give the full files to its server.
pub fn pack(resource: &Json) -> Option<String> {
    let text = |name: &str| resource.get(name).and_then(Json::as_text);
    let (kind, url) = (text("resourceType")?, text("url")?);
    let kept: &[&str] = match kind {
        "StructureDefinition" if text("derivation") == Some("constraint") => STRUCTURE,
        "ValueSet" => &[
            "resourceType",
            "url",
            "compose",
            "include",
            "exclude",
            "system",
            "concept",
            "code",
            "valueSet",
            "filter",
            "property",
            "op",
            "value",
        ],
        "CodeSystem" => &["resourceType", "url", "content", "concept", "code"],
        _ => return None,
    };
    let mut reduced = reduced(resource, kept);
    if let Some(Json::Array(elements)) = reduced
        .get_mut("differential")
        .and_then(|part| part.get_mut("element"))
    {
        elements.retain(says_something);
    }
    let line = reduced.to_string();
    let is_licensed = kind != "StructureDefinition" && line.contains("http://snomed.info/sct");
    (!is_licensed).then(|| format!("{kind}\t{url}\t{line}"))
}

#[rustfmt::skip]
const STRUCTURE: &[&str] = &[
    "resourceType", "url", "type", "baseDefinition", "context", "expression", "contextInvariant",
    "differential", "element", "id", "path", "sliceName", "slicing", "discriminator", "rules",
    "ordered", "min", "max", "code", "profile", "targetProfile", "aggregation", "binding",
    "strength", "valueSet", "constraint", "key", "severity", "human", "maxLength",
];

fn reduced(json: &Json, kept: &[&str]) -> Json {
    match json {
        Json::Array(values) => Json::Array(values.iter().map(|one| reduced(one, kept)).collect()),
        Json::Object(members) => {
            let members = members.iter().filter_map(|(name, value)| {
                let is_whole = ["fixed", "pattern", "minValue", "maxValue"]
                    .iter()
                    .any(|start| {
                        name.strip_prefix(start).is_some_and(|rest| {
                            rest.starts_with(|letter: char| letter.is_ascii_uppercase())
                        })
                    });
                if is_whole {
                    return Some((name.clone(), value.clone()));
                }
                kept.contains(&name.as_ref())
                    .then(|| (name.clone(), reduced(value, kept)))
            });
            Json::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// Whether an element of a differential says more than where it is.
fn says_something(element: &Json) -> bool {
    match element {
        Json::Object(members) => members
            .iter()
            .any(|(name, _)| !matches!(name.as_ref(), "id" | "path")),
        _ => false,
    }
}
