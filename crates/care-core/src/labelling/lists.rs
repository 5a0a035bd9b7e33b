//! The lists that decide labels: topics with codes and phrases, read from text files.
//!
//! A file is lines of `[topic id]` and `key = value`; `docs/labelling.md` shows the form. Lists
//! are added to one another; nothing a shipped list protects is taken away by another list.

use std::collections::HashMap;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::phrases::Phrases;
use crate::vocabulary::{Category, Sensitivity};

/// What being on a topic's list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Sensitivity(Sensitivity),
    Category(Category),
}

#[derive(Debug, Clone)]
struct Topic {
    id: String,
    mark: Mark,
    yields: bool,
    title: String,
    source: String,
    date: String,
    codes: Vec<(String, String)>,
    beginnings: Vec<(String, String)>,
    security: Vec<(String, String)>,
    phrases: Vec<String>,
}

/// Topics, in the order they are looked at, with fast ways to find them.
#[derive(Debug, Clone)]
pub struct CodeLists {
    topics: Vec<Topic>,
    codes: HashMap<String, Vec<(String, u16)>>,
    beginnings: HashMap<String, Vec<(String, u16)>>,
    security: HashMap<String, Vec<(String, u16)>>,
    phrases: Phrases,
}

/// Why a list file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("code list refused at line {line}: {why}; {mend}")]
pub struct CodeListError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

impl CodeLists {
    /// The lists in `data/labelling`.
    pub fn shipped() -> &'static Self {
        static SHIPPED: OnceLock<CodeLists> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            let texts = [
                include_str!("../../data/labelling/sensitivity.txt"),
                include_str!("../../data/labelling/categories.txt"),
            ];
            let topics = texts
                .iter()
                .filter_map(|text| read_topics(text).ok())
                .flatten()
                .collect();
            Self::index(topics)
        })
    }

    /// Reads a list file of a deployment.
    ///
    /// Errors: the first line that cannot be used, and how to mend it.
    pub fn parse(text: &str) -> Result<Self, CodeListError> {
        read_topics(text).map(Self::index)
    }

    /// These lists and others after them. A topic in both keeps its first meaning and gains codes.
    #[must_use]
    pub fn merged(&self, others: &CodeLists) -> Self {
        let mut topics = self.topics.clone();
        for other in &others.topics {
            match topics
                .iter_mut()
                .find(|topic| topic.id == other.id && topic.mark == other.mark)
            {
                Some(topic) => {
                    topic.codes.extend(other.codes.iter().cloned());
                    topic.beginnings.extend(other.beginnings.iter().cloned());
                    topic.security.extend(other.security.iter().cloned());
                    topic.phrases.extend(other.phrases.iter().cloned());
                }
                None => topics.push(other.clone()),
            }
        }
        Self::index(topics)
    }

    /// Sixteen characters that change whenever the lists change: when a held item's fingerprint is
    /// another one, it is labelled again.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for topic in &self.topics {
            digest.update(format!("{topic:?}\n").as_bytes());
        }
        let bytes = digest.finalize();
        bytes.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// Each topic's id, title, source and date: what a steward sees.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &str, &str, &str)> {
        self.topics.iter().map(|t| {
            (
                t.id.as_str(),
                t.title.as_str(),
                t.source.as_str(),
                t.date.as_str(),
            )
        })
    }

    pub(super) fn mark(&self, topic: u16) -> Option<Mark> {
        self.topics.get(usize::from(topic)).map(|topic| topic.mark)
    }

    /// Whether the kind of source decides before this topic does.
    pub(super) fn yields(&self, topic: u16) -> bool {
        self.topics
            .get(usize::from(topic))
            .is_some_and(|topic| topic.yields)
    }

    /// Calls `found` with each topic that lists this code.
    pub(super) fn find_code(&self, system: Option<&str>, code: &str, mut found: impl FnMut(u16)) {
        if let Some(listed) = self.codes.get(code) {
            for (listed_system, topic) in listed {
                if same_system(system, listed_system, code) {
                    found(*topic);
                }
            }
        }
        let system = canonical(system.unwrap_or_default());
        if let Some(beginnings) = self.beginnings.get(system) {
            let plain = code.replace('.', "");
            for (beginning, topic) in beginnings {
                if plain.starts_with(beginning) {
                    found(*topic);
                }
            }
        }
    }

    /// Calls `found` with each topic that lists this security label.
    pub(super) fn find_security(
        &self,
        system: Option<&str>,
        code: &str,
        mut found: impl FnMut(u16),
    ) {
        for (listed_system, topic) in self.security.get(code).into_iter().flatten() {
            if Some(listed_system.as_str()) == system {
                found(*topic);
            }
        }
    }

    /// Calls `found` with each topic a phrase of which stands in the text.
    pub(super) fn find_phrases(&self, text: &str, found: impl FnMut(u16)) {
        self.phrases.find(text, found);
    }

    fn index(topics: Vec<Topic>) -> Self {
        let numbered = || topics.iter().zip(0u16..);
        let by_code = |pick: fn(&Topic) -> &Vec<(String, String)>| {
            let mut map: HashMap<String, Vec<(String, u16)>> = HashMap::new();
            for (topic, number) in numbered() {
                for (system, code) in pick(topic) {
                    map.entry(code.clone())
                        .or_default()
                        .push((system.clone(), number));
                }
            }
            map
        };
        let codes = by_code(|topic| &topic.codes);
        let security = by_code(|topic| &topic.security);
        let mut beginnings: HashMap<String, Vec<(String, u16)>> = HashMap::new();
        for (topic, number) in numbered() {
            for (system, beginning) in &topic.beginnings {
                beginnings
                    .entry(system.clone())
                    .or_default()
                    .push((beginning.replace('.', ""), number));
            }
        }
        let phrases =
            Phrases::build(numbered().flat_map(|(topic, number)| {
                topic.phrases.iter().map(move |p| (p.as_str(), number))
            }));
        Self {
            codes,
            beginnings,
            security,
            phrases,
            topics,
        }
    }
}

const SNOMED: &str = "http://snomed.info/sct";

/// One spelling for systems that are sent in several.
fn canonical(system: &str) -> &str {
    match system {
        "urn:oid:2.16.840.1.113883.6.96"
        | "http://snomed.info/id"
        | "SCT"
        | "SNM"
        | "SNOMED"
        | "SNOMED-CT"
        | "SNOMED CT" => SNOMED,
        "urn:oid:2.16.840.1.113883.6.3"
        | "urn:oid:2.16.840.1.113883.6.3.2"
        | "I10"
        | "ICD10"
        | "ICD-10" => "http://hl7.org/fhir/sid/icd-10",
        other => other,
    }
}

/// In doubt a match: a long number without a system is most likely a SNOMED CT code.
fn same_system(sent: Option<&str>, listed: &str, code: &str) -> bool {
    match sent {
        Some(sent) => canonical(sent) == listed,
        None => listed == SNOMED && code.len() >= 6,
    }
}

fn read_topics(text: &str) -> Result<Vec<Topic>, CodeListError> {
    let mut topics: Vec<(usize, Topic, bool)> = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line_number = place + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |why, mend| CodeListError {
            line: line_number,
            why,
            mend,
        };
        if let Some(id) = line
            .strip_prefix("[topic ")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            topics.push((line_number, new_topic(id.trim()), false));
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(refused(
                "neither a topic nor a setting",
                "write [topic name], key = value, or # before a remark",
            ));
        };
        let Some((_, topic, marked)) = topics.last_mut() else {
            return Err(refused(
                "a setting before the first topic",
                "begin with a line [topic name]",
            ));
        };
        let value = value.trim();
        match key.trim() {
            "marks" => {
                topic.mark = read_mark(value).ok_or(refused(
                    "no such mark",
                    "write statutory_excluded, rcgp_sensitive, sealed, sealed_locked, or category and its name",
                ))?;
                *marked = true;
            }
            "yields" => topic.yields = value == "to source",
            "title" => topic.title = value.to_owned(),
            "source" => topic.source = value.to_owned(),
            "date" => topic.date = value.to_owned(),
            "phrase" => match value.trim_end_matches('*').trim().len() {
                0..=2 => {
                    return Err(refused(
                        "a phrase of fewer than three letters would match almost everything",
                        "write a longer phrase",
                    ));
                }
                _ => topic.phrases.push(value.to_owned()),
            },
            "code" | "codes-beginning" | "security" => {
                let (system, code) = value.split_once('|').ok_or(refused(
                    "a code without its system",
                    "write system|code and, if you like, a space and its name",
                ))?;
                let code = code.split_whitespace().next().unwrap_or_default();
                let pair = (canonical(system.trim()).to_owned(), code.to_owned());
                match key.trim() {
                    "code" => topic.codes.push(pair),
                    "security" => topic.security.push(pair),
                    _ => topic.beginnings.push(pair),
                }
            }
            _ => {
                return Err(refused(
                    "an unknown key",
                    "use marks, yields, title, source, date, code, codes-beginning, security or phrase",
                ));
            }
        }
    }
    if let Some((line, ..)) = topics.iter().find(|(_, topic, marked)| {
        !marked || topic.source.is_empty() || topic.date.is_empty() || topic.id.is_empty()
    }) {
        return Err(CodeListError {
            line: *line,
            why: "a topic without name, marks, source or date",
            mend: "say what the topic marks, who says so, and since when",
        });
    }
    Ok(topics.into_iter().map(|(_, topic, _)| topic).collect())
}

fn new_topic(id: &str) -> Topic {
    Topic {
        id: id.to_owned(),
        mark: Mark::Sensitivity(Sensitivity::StatutoryExcluded),
        yields: false,
        title: id.to_owned(),
        source: String::new(),
        date: String::new(),
        codes: Vec::new(),
        beginnings: Vec::new(),
        security: Vec::new(),
        phrases: Vec::new(),
    }
}

fn read_mark(value: &str) -> Option<Mark> {
    match value.strip_prefix("category ") {
        Some(category) => Category::from_code(category.trim()).map(Mark::Category),
        None => Sensitivity::from_code(value)
            .filter(|level| *level != Sensitivity::Normal)
            .map(Mark::Sensitivity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_lists_are_read_whole() {
        let whole: usize = [
            include_str!("../../data/labelling/sensitivity.txt"),
            include_str!("../../data/labelling/categories.txt"),
        ]
        .iter()
        .map(|text| read_topics(text).expect("a shipped list").len())
        .sum();
        assert_eq!(CodeLists::shipped().topics.len(), whole);
        assert!(whole >= 15);
    }

    #[test]
    fn a_broken_list_is_refused_with_its_line() {
        for (text, line) in [
            ("code = a|b", 1),
            ("[topic x]\nmarks = secret", 2),
            ("[topic x]\nmarks = normal", 2),
            ("# ok\n[topic x]\nmarks = sealed\nsource = us\n", 2),
            ("[topic x]\ncolour = red", 2),
            ("[topic x]\ncode = 12345", 2),
            ("[topic x]\nphrase = a*", 2),
            ("[topic x]\nnonsense", 2),
        ] {
            assert_eq!(CodeLists::parse(text).expect_err(text).line, line, "{text}");
        }
    }

    #[test]
    fn merging_adds_codes_and_changes_the_fingerprint() {
        let local = CodeLists::parse(
            "[topic local]\nmarks = rcgp_sensitive\nsource = us\ndate = 2026-11-23\ncode = local|X1 A thing\n",
        )
        .expect("a list");
        let merged = CodeLists::shipped().merged(&local);
        let mut found = Vec::new();
        merged.find_code(Some("local"), "X1", |topic| found.push(merged.mark(topic)));
        merged.find_code(
            Some("urn:oid:2.16.840.1.113883.6.96"),
            "86406008",
            |topic| {
                found.push(merged.mark(topic));
            },
        );
        merged.find_code(Some("ICD-10"), "A56.0", |topic| {
            found.push(merged.mark(topic))
        });
        let sensitive = Some(Mark::Sensitivity(Sensitivity::RcgpSensitive));
        assert_eq!(found, vec![sensitive; 3]);
        assert_ne!(merged.fingerprint(), CodeLists::shipped().fingerprint());
    }
}
