//! What is held of codes: which code of a system is below which, and which codes are in a value set.
//!
//! Source: the CodeSystems and ValueSets of FHIR R4 (`r4-hierarchies.txt` and `r4-sets.txt`, made by
//! `tools/definitions/validation.mjs`). ICD-10 and OPCS-4 say in the form of a code what it is below:
//! E11.9 and E119 are below E11 (WHO, ICD-10 volume 2, section 2.3; NHS, OPCS-4, rules and conventions).

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::fhir::Definitions;
use crate::fhir::validate::{holds_code_system, value_set_has};

const TABLE: &str = include_str!("../../../data/definitions/r4-hierarchies.txt");

/// Code systems whose codes begin with the code they are below.
const BY_FORM: [&str; 4] = [
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-uk",
    "https://fhir.hl7.org.uk/CodeSystem/OPCS-4",
    "https://fhir.hl7.org.uk/Id/opcs-4",
];
/// Letters of the shortest code that has others below it by its form: a category such as E11.
const CATEGORY: usize = 3;

type Codes = HashMap<&'static str, Vec<&'static str>>;

/// One code system: each code with those right above it, and right below it.
#[derive(Default)]
struct Hierarchy {
    above: Codes,
    below: Codes,
}

fn hierarchies() -> &'static HashMap<&'static str, Hierarchy> {
    static HELD: OnceLock<HashMap<&'static str, Hierarchy>> = OnceLock::new();
    HELD.get_or_init(|| {
        let mut held = HashMap::new();
        for line in TABLE.lines() {
            let mut parts = line.split('\t');
            let (Some("H"), Some(system)) = (parts.next(), parts.next()) else {
                continue;
            };
            let one: &mut Hierarchy = held.entry(system).or_default();
            for (code, parent) in parts.filter_map(|pair| pair.split_once(' ')) {
                one.above.entry(code).or_default().push(parent);
                one.below.entry(parent).or_default().push(code);
            }
        }
        held
    })
}

/// Which way to go from a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Above,
    Below,
}

/// Whether the form of a system's codes says what they are below.
pub(super) fn is_by_form(system: &str) -> bool {
    BY_FORM.contains(&system)
}

/// The code and those above or below it; `None` where the system's hierarchy is not held. A system of
/// which all codes are held and none is below another is a hierarchy of one level.
pub(super) fn along(system: &str, code: &str, way: Way) -> Option<Vec<String>> {
    let Some(hierarchy) = hierarchies().get(system) else {
        return holds_code_system(system).then(|| vec![code.to_owned()]);
    };
    let next = match way {
        Way::Above => &hierarchy.above,
        Way::Below => &hierarchy.below,
    };
    let mut found = vec![code.to_owned()];
    let mut met: HashSet<&str> = HashSet::from([code]);
    let mut left: Vec<&str> = vec![code];
    while let Some(one) = left.pop() {
        for further in next.get(one).into_iter().flatten().copied() {
            if met.insert(further) {
                found.push(further.to_owned());
                left.push(further);
            }
        }
    }
    Some(found)
}

/// The code systems with a hierarchy that have this code: what a code without a system may mean.
pub(super) fn systems_with(code: &str) -> Vec<&'static str> {
    let has = |one: &Hierarchy| one.above.contains_key(code) || one.below.contains_key(code);
    let mut found: Vec<_> = hierarchies()
        .iter()
        .filter(|(_, one)| has(one))
        .map(|(system, _)| *system)
        .collect();
    found.sort_unstable();
    found
}

/// Whether the first code of a system is the second, or above it.
pub(super) fn subsumes(system: &str, above: &str, below: &str) -> bool {
    if above == below {
        return true;
    }
    if is_by_form(system) {
        let plain = |code: &str| code.replace('.', "").to_ascii_uppercase();
        let (above, below) = (plain(above), plain(below));
        return above.len() >= CATEGORY && below.starts_with(&above);
    }
    along(system, below, Way::Above).is_some_and(|all| all.iter().any(|one| one == above))
}

/// Whether a code is in a value set of R4; `None` where that is no finite list that is held. Without a
/// system, whether some system's code is.
pub(super) fn is_in(set: &str, system: Option<&str>, code: &str) -> Option<bool> {
    let required = Definitions::r4().set(set).filter(|set| set.is_finite());
    match required {
        Some(set) => Some(match system {
            Some(system) => set
                .codes_of(system)
                .is_some_and(|codes| codes.contains(&code)),
            None => set.has_code(code),
        }),
        None => value_set_has(set, system, code),
    }
}

/// Whether a value set is held.
pub(super) fn holds_set(set: &str) -> bool {
    is_in(set, None, "").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_above_what_its_system_puts_below_it() {
        const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
        const ICD: &str = "http://hl7.org/fhir/sid/icd-10";
        for (system, above, below, expected) in [
            (CLINICAL, "active", "relapse", true),
            (CLINICAL, "active", "active", true),
            (CLINICAL, "relapse", "active", false),
            (CLINICAL, "active", "resolved", false),
            // Two steps
            (
                "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
                "FAMMEMB",
                "NMTH",
                true,
            ),
            (ICD, "E11", "E11.9", true),
            (ICD, "E11", "E119", true),
            (ICD, "E11.9", "E11", false),
            (ICD, "E1", "E11", false),
            ("http://snomed.info/sct", "73211009", "44054006", false),
        ] {
            assert_eq!(
                subsumes(system, above, below),
                expected,
                "{above} {below} of {system}"
            );
        }
        assert_eq!(
            along("http://snomed.info/sct", "73211009", Way::Below),
            None
        );
        let mut below = along(CLINICAL, "active", Way::Below).expect("held");
        below.sort_unstable();
        assert_eq!(below, ["active", "recurrence", "relapse"]);
        assert!(holds_set("http://hl7.org/fhir/ValueSet/observation-status"));
        assert!(!holds_set("http://example.org/none"));
    }
}
