//! The allow-list of elements, read once from `data/release/elements.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// How an element leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// A code of FHIR's own lists.
    Code,
    /// Codings of a CodeableConcept.
    Concept,
    /// One coding.
    Coding,
    /// Number, unit and code.
    Quantity,
    /// A number.
    Number,
    /// A truth value.
    Boolean,
    /// A date, by the rule of the release.
    Date,
    /// Two dates.
    Period,
    /// The person.
    Person,
    /// Another item of the person.
    Item,
    /// An organisation's code.
    Organisation,
}

/// What may leave of one level of a resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub members: Vec<(&'static str, Leaves)>,
}

/// How a member leaves.
#[derive(Debug, Clone)]
pub(super) enum Leaves {
    As(Allowed),
    Inside(Level),
}

impl Allowed {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "code" => Self::Code,
            "concept" => Self::Concept,
            "coding" => Self::Coding,
            "quantity" => Self::Quantity,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "period" => Self::Period,
            "person" => Self::Person,
            "item" => Self::Item,
            "organisation" => Self::Organisation,
            _ => return None,
        })
    }
}

const LIST: &str = include_str!("../../data/release/elements.txt");

static TYPES: LazyLock<HashMap<&'static str, Level>> = LazyLock::new(|| {
    let mut types: HashMap<&'static str, Level> = HashMap::new();
    let mut current = "";
    for line in LIST.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            current = name.trim_end_matches(']');
            continue;
        }
        // A line that cannot be read allows nothing; a test reads every line.
        let Some((path, allowed)) = read(line) else {
            continue;
        };
        add(types.entry(current).or_default(), &path, allowed);
    }
    types
});

fn read(line: &'static str) -> Option<(Vec<&'static str>, Allowed)> {
    let (path, word) = line.split_once(' ')?;
    if path.starts_with('#') {
        return None;
    }
    Some((path.split('.').collect(), Allowed::from_word(word.trim())?))
}

fn add(level: &mut Level, path: &[&'static str], allowed: Allowed) {
    match path {
        [] => {}
        [last] => level.members.push((last, Leaves::As(allowed))),
        [first, rest @ ..] => {
            let place = level.members.iter().position(|(name, _)| name == first);
            let place = place.unwrap_or_else(|| {
                level
                    .members
                    .push((first, Leaves::Inside(Level::default())));
                level.members.len() - 1
            });
            if let Some((_, Leaves::Inside(inner))) = level.members.get_mut(place) {
                add(inner, rest, allowed);
            }
        }
    }
}

/// What may leave of a resource of this type; `None`: nothing.
pub(super) fn level_of(resource_type: &str) -> Option<&'static Level> {
    TYPES.get(resource_type)
}

/// The types of which anything may leave, in alphabetical order; Patient is one.
pub fn may_leave() -> Vec<&'static str> {
    let mut names: Vec<_> = TYPES.keys().copied().chain(["Patient"]).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Definitions, ResourceType};

    #[test]
    fn every_line_of_the_list_is_read_and_names_a_type_and_nothing_that_holds_words() {
        let lines = LIST
            .lines()
            .map(str::trim)
            .filter(|line| !(line.is_empty() || line.starts_with('#') || line.starts_with('[')));
        for line in lines {
            assert!(read(line).is_some(), "{line}");
            for word in [
                "text",
                "note",
                "name",
                "identifier",
                "div",
                "display",
                "attachment",
                "data",
                "author",
                "extension",
                "contained",
                "comment",
                "patientInstruction",
                "conclusion ",
            ] {
                assert!(!line.split([' ', '.']).any(|part| part == word), "{line}");
            }
        }
        for name in may_leave() {
            assert!(ResourceType::from_name(name).is_some(), "{name}");
        }
        for never in [
            "DocumentReference",
            "Binary",
            "Communication",
            "RelatedPerson",
            "Provenance",
            "Consent",
            "QuestionnaireResponse",
            "Practitioner",
        ] {
            assert!(level_of(never).is_none(), "{never}");
        }
        for (name, level) in TYPES.iter() {
            let known = Definitions::r4().get(name).expect("a type of R4");
            for (member, _) in &level.members {
                assert!(known.member(member).is_some(), "{name}.{member}");
            }
        }
    }
}
