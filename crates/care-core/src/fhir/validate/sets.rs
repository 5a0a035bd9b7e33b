//! Value sets as lists of codes: those of R4 out of a table in the binary, others expanded from a
//! ValueSet and the CodeSystems at hand. A set that is no finite list we hold has no answer.
//!
//! Source: FHIR R4 section 4.9.5 (ValueSet.compose); the table is made by
//! `tools/definitions/validation.mjs`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::fhir::Json;

const TABLE: &str = include_str!("../../../data/definitions/r4-sets.txt");
/// How many sets may include one another.
const DEEPEST: usize = 12;
/// A set with more codes than this is not held.
const MOST_CODES: usize = 500_000;

type Codes = HashSet<Cow<'static, str>>;

/// The codes of a value set by system.
#[derive(Debug, Default, Clone)]
pub(super) struct CodeSet {
    systems: HashMap<Cow<'static, str>, Codes>,
}

impl CodeSet {
    /// Whether a code is in it; without a system, whether any of its systems has the code.
    pub(super) fn has(&self, system: Option<&str>, code: &str) -> bool {
        match system {
            Some(system) => self
                .systems
                .get(system)
                .is_some_and(|codes| codes.contains(code)),
            None => self.systems.values().any(|codes| codes.contains(code)),
        }
    }

    /// Whether it has codes of a system.
    pub(super) fn draws_on(&self, system: &str) -> bool {
        self.systems.contains_key(system)
    }

    /// Its codes, where they are few enough to help a reader.
    pub(super) fn words(&self) -> Option<String> {
        let count: usize = self.systems.values().map(HashSet::len).sum();
        if count > 20 {
            return None;
        }
        let mut codes: Vec<&str> = self.systems.values().flatten().map(AsRef::as_ref).collect();
        codes.sort_unstable();
        Some(codes.join(", "))
    }

    fn len(&self) -> usize {
        self.systems.values().map(HashSet::len).sum()
    }

    fn add(&mut self, other: CodeSet) {
        for (system, codes) in other.systems {
            self.systems.entry(system).or_default().extend(codes);
        }
    }

    fn keep(&mut self, other: &CodeSet) {
        self.systems.retain(|system, codes| {
            let Some(wanted) = other.systems.get(system) else {
                return false;
            };
            codes.retain(|code| wanted.contains(code));
            !codes.is_empty()
        });
    }

    fn take_away(&mut self, other: &CodeSet) {
        for (system, codes) in &other.systems {
            if let Some(own) = self.systems.get_mut(system) {
                own.retain(|code| !codes.contains(code));
            }
        }
    }
}

/// R4's own sets and code systems.
#[derive(Debug)]
struct R4Sets {
    sets: HashMap<&'static str, (&'static str, OnceLock<CodeSet>)>,
    systems: HashMap<&'static str, &'static str>,
}

fn r4() -> &'static R4Sets {
    static R4: OnceLock<R4Sets> = OnceLock::new();
    R4.get_or_init(|| {
        let mut found = R4Sets {
            sets: HashMap::new(),
            systems: HashMap::new(),
        };
        for line in TABLE.lines() {
            if let Some(rest) = line.strip_prefix("S ") {
                let (system, codes) = rest.split_once(' ').unwrap_or((rest, ""));
                found.systems.insert(system, codes);
            } else if let Some(rest) = line.strip_prefix("V\t") {
                let (url, parts) = rest.split_once('\t').unwrap_or((rest, ""));
                found.sets.insert(url, (parts, OnceLock::new()));
            }
        }
        found
    })
}

/// A value set of R4 by its address, without a version.
pub(super) fn r4_set(url: &str) -> Option<&'static CodeSet> {
    let (parts, set) = r4().sets.get(url)?;
    Some(set.get_or_init(|| {
        let mut found = CodeSet::default();
        for part in parts.split('\t') {
            let (system, codes) = part.split_once(' ').unwrap_or((part, ""));
            let codes = match codes {
                "*" => r4().systems.get(system).copied().unwrap_or_default(),
                codes => codes,
            };
            let codes = codes.split(' ').map(Cow::Borrowed);
            found
                .systems
                .entry(Cow::Borrowed(system))
                .or_default()
                .extend(codes);
        }
        found
    }))
}

/// Whether R4's table has all codes of a code system.
pub(super) fn r4_system(url: &str) -> bool {
    r4().systems.contains_key(url)
}

/// A CodeSystem somebody gave us: each code with those above it.
#[derive(Debug)]
pub(super) struct CodeSystem {
    above: HashMap<String, Vec<String>>,
}

impl CodeSystem {
    /// Reads one; none where it does not hold all its codes.
    pub(super) fn read(json: &Json) -> Option<Self> {
        if json
            .text_at(&["content"])
            .is_some_and(|content| content != "complete")
        {
            return None;
        }
        let mut system = Self {
            above: HashMap::new(),
        };
        system.add(json, &[], 0);
        Some(system)
    }

    fn add(&mut self, json: &Json, above: &[String], depth: usize) {
        for concept in json.elements("concept") {
            let Some(code) = concept.get("code").and_then(Json::as_text) else {
                continue;
            };
            self.above.insert(code.to_owned(), above.to_vec());
            if depth < 30 {
                let mut deeper = above.to_vec();
                deeper.push(code.to_owned());
                self.add(concept, &deeper, depth + 1);
            }
        }
    }

    fn all(&self) -> Codes {
        self.above.keys().cloned().map(Cow::Owned).collect()
    }

    /// The codes that pass one filter; none where the filter is of a kind we do not know.
    fn filtered(&self, filter: &Json) -> Option<Codes> {
        let text = |name: &str| filter.get(name).and_then(Json::as_text);
        let (property, op, value) = (text("property")?, text("op")?, text("value")?);
        if property != "concept" {
            return None;
        }
        let passes = |code: &str, above: &[String]| -> Option<bool> {
            let is_below = above.iter().any(|one| one == value);
            Some(match op {
                "is-a" => code == value || is_below,
                "descendent-of" => is_below,
                "is-not-a" => code != value && !is_below,
                _ => return None,
            })
        };
        let mut found = Codes::new();
        for (code, above) in &self.above {
            if passes(code, above)? {
                found.insert(Cow::Owned(code.clone()));
            }
        }
        Some(found)
    }
}

/// Who holds the sets and systems a ValueSet is made of.
pub(super) trait Terms {
    /// A ValueSet by its address, as it was given.
    fn set_source(&self, url: &str) -> Option<&Json>;
    /// A CodeSystem by its address.
    fn system(&self, url: &str) -> Option<&CodeSystem>;
}

/// The codes of a ValueSet; none where it is no finite list of codes we hold.
pub(super) fn expand(set: &Json, terms: &dyn Terms) -> Option<CodeSet> {
    expand_within(set, terms, 0)
}

fn expand_within(set: &Json, terms: &dyn Terms, depth: usize) -> Option<CodeSet> {
    if depth > DEEPEST {
        return None;
    }
    let Some(compose) = set.get("compose") else {
        return expansion(set);
    };
    let mut found = CodeSet::default();
    for include in compose.elements("include") {
        found.add(part(include, terms, depth)?);
        if found.len() > MOST_CODES {
            return None;
        }
    }
    for exclude in compose.elements("exclude") {
        found.take_away(&part(exclude, terms, depth)?);
    }
    Some(found)
}

/// The codes of an expansion that was sent along.
fn expansion(set: &Json) -> Option<CodeSet> {
    let expansion = set.get("expansion")?;
    let mut found = CodeSet::default();
    for one in expansion.elements("contains") {
        let text = |name: &str| one.get(name).and_then(Json::as_text).map(str::to_owned);
        if !one.elements("contains").is_empty() {
            return None;
        }
        if let (Some(system), Some(code)) = (text("system"), text("code")) {
            let codes = found.systems.entry(Cow::Owned(system)).or_default();
            codes.insert(Cow::Owned(code));
        }
    }
    Some(found)
}

/// The codes of one include or exclude.
fn part(include: &Json, terms: &dyn Terms, depth: usize) -> Option<CodeSet> {
    let mut found: Option<CodeSet> = None;
    if let Some(system) = include.get("system").and_then(Json::as_text) {
        let codes = codes_of(include, system, terms)?;
        let systems = HashMap::from([(Cow::Owned(system.to_owned()), codes)]);
        found = Some(CodeSet { systems });
    }
    for url in include.elements("valueSet") {
        let url = super::without_version(url.as_text()?);
        let inner = match terms.set_source(url) {
            Some(source) => expand_within(source, terms, depth + 1)?,
            None => r4_set(url)?.clone(),
        };
        match &mut found {
            Some(found) => found.keep(&inner),
            None => found = Some(inner),
        }
    }
    found
}

fn codes_of(include: &Json, system: &str, terms: &dyn Terms) -> Option<Codes> {
    let listed = include.elements("concept");
    if !listed.is_empty() {
        let codes = listed.iter().filter_map(|one| one.get("code")?.as_text());
        return Some(codes.map(|code| Cow::Owned(code.to_owned())).collect());
    }
    let filters = include.elements("filter");
    if let Some(known) = terms.system(system) {
        let mut codes = known.all();
        for filter in filters {
            let passing = known.filtered(filter)?;
            codes.retain(|code| passing.contains(code));
        }
        return Some(codes);
    }
    // Tables of the binary hold no ranks, so nothing can be filtered by them.
    let codes = r4().systems.get(system).filter(|_| filters.is_empty())?;
    Some(codes.split(' ').map(Cow::Borrowed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Limits;

    struct Given(HashMap<&'static str, CodeSystem>);

    impl Terms for Given {
        fn set_source(&self, _: &str) -> Option<&Json> {
            None
        }
        fn system(&self, url: &str) -> Option<&CodeSystem> {
            self.0.get(url)
        }
    }

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), Limits::default()).expect(text)
    }

    #[test]
    fn a_set_is_made_of_lists_filters_other_sets_and_what_is_taken_away() {
        let colours = json(
            r#"{"content":"complete","concept":[{"code":"red","concept":[{"code":"pink"}]},{"code":"blue"}]}"#,
        );
        let given = Given(HashMap::from([(
            "http://colours",
            CodeSystem::read(&colours).expect("a system"),
        )]));
        for (compose, has, has_not) in [
            (
                r#"{"include":[{"system":"http://colours"}]}"#,
                "blue",
                "green",
            ),
            (
                r#"{"include":[{"system":"http://colours","filter":[{"property":"concept","op":"is-a","value":"red"}]}]}"#,
                "pink",
                "blue",
            ),
            (
                r#"{"include":[{"system":"http://colours"}],"exclude":[{"system":"http://colours","concept":[{"code":"red"}]}]}"#,
                "pink",
                "red",
            ),
            (
                r#"{"include":[{"valueSet":["http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1"]}]}"#,
                "female",
                "red",
            ),
        ] {
            let set = json(&format!(r#"{{"compose":{compose}}}"#));
            let set = expand(&set, &given).expect(compose);
            assert!(set.has(None, has) && !set.has(None, has_not), "{compose}");
        }
        for unknown in [
            r#"{"include":[{"system":"http://snomed.info/sct"}]}"#,
            r#"{"include":[{"system":"http://colours","filter":[{"property":"hue","op":"=","value":"1"}]}]}"#,
        ] {
            let set = json(&format!(r#"{{"compose":{unknown}}}"#));
            assert!(expand(&set, &given).is_none(), "{unknown}");
        }
    }

    #[test]
    fn r4_sets_are_held() {
        for (url, code, is_in) in [
            ("http://hl7.org/fhir/ValueSet/age-units", "a", true),
            ("http://hl7.org/fhir/ValueSet/age-units", "m", false),
            (
                "http://hl7.org/fhir/ValueSet/observation-category",
                "vital-signs",
                true,
            ),
            (
                "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
                "AMB",
                true,
            ),
        ] {
            let set = r4_set(url).expect(url);
            assert_eq!(set.has(None, code), is_in, "{url} {code}");
        }
        assert!(r4_set("http://hl7.org/fhir/ValueSet/observation-codes").is_none());
    }
}
