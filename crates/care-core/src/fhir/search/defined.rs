//! Where each search parameter is defined: its canonical address.
//!
//! Source: the official R4 SearchParameters; their ids are `Type-code`, but for those of the table.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::fhir::ResourceType;

const TABLE: &str = include_str!("../../../data/definitions/r4-search-ids.txt");
const BASE: &str = "http://hl7.org/fhir/SearchParameter/";

type Named = HashMap<(&'static str, &'static str), &'static str>;

fn named() -> &'static Named {
    static NAMED: OnceLock<Named> = OnceLock::new();
    NAMED.get_or_init(|| {
        let mut named = Named::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            if let (Some(id), Some(code)) = (words.next(), words.next()) {
                named.extend(words.map(|base| ((base, code), id)));
            }
        }
        named
    })
}

/// The canonical address of R4's parameter of this name for a type. Says nothing of whether there is one:
/// ask [`super::Parameters`] first.
pub fn definition(resource_type: ResourceType, code: &str) -> String {
    let find = |base| named().get(&(base, code));
    if let Some(id) = find(resource_type.name()) {
        return format!("{BASE}{id}");
    }
    match code {
        "_text" => format!("{BASE}DomainResource-text"),
        code if code.starts_with('_') => format!("{BASE}Resource-{}", &code[1..]),
        code => format!("{BASE}{resource_type}-{code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_named_by_its_own_id() {
        for (kind, code, id) in [
            ("Observation", "code", "clinical-code"),
            (
                "Observation",
                "value-quantity",
                "Observation-value-quantity",
            ),
            ("Patient", "birthdate", "individual-birthdate"),
            ("Patient", "_id", "Resource-id"),
            ("Patient", "_text", "DomainResource-text"),
            ("ValueSet", "url", "conformance-url"),
        ] {
            let kind = ResourceType::from_name(kind).expect("a type");
            assert_eq!(definition(kind, code), format!("{BASE}{id}"));
        }
    }
}
