//! What the FHIR API does: one row for each interaction. The CapabilityStatement and the OpenAPI description
//! are made of these rows, and the sweep (tests/journeys/sweep.rs) exercises each of them on every type.

use care_core::fhir::{Definitions, ResourceType};
use care_core::mapping::fhir::is_kept;

use super::operations::{self, Operation};

/// Where an interaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// At the base.
    System,
    /// At a type.
    Type,
    /// At one resource.
    Instance,
}

/// Who may ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A source, about what it sent itself.
    Source,
    /// A source; or a person, about one person at a time and as the rules let them.
    Both,
}

/// One interaction at one address.
#[derive(Debug, Clone, Copy)]
pub struct Interaction {
    /// FHIR's code.
    pub code: &'static str,
    /// Where it stands.
    pub level: Level,
    /// The method, in small letters.
    pub method: &'static str,
    /// The address below the base.
    pub path: &'static str,
    /// Who may ask.
    pub by: By,
    /// The letter of the scope it needs.
    pub letter: char,
    /// What it does.
    pub words: &'static str,
}

const fn row(
    code: &'static str,
    (level, by, letter): (Level, By, char),
    (method, path): (&'static str, &'static str),
    words: &'static str,
) -> Interaction {
    Interaction {
        code,
        level,
        method,
        path,
        by,
        letter,
        words,
    }
}

use By::{Both, Source};
use Level::{Instance, System, Type};

/// Every interaction.
pub const INTERACTIONS: &[Interaction] = &[
    row(
        "read",
        (Instance, Both, 'r'),
        ("get", "/{type}/{id}"),
        "One resource as it stands",
    ),
    row(
        "update",
        (Instance, Source, 'u'),
        ("put", "/{type}/{id}"),
        "A new version, or a new resource under this id; If-Match names the version expected",
    ),
    row(
        "vread",
        (Instance, Both, 'r'),
        ("get", "/{type}/{id}/_history/{version}"),
        "One version of a resource",
    ),
    row(
        "patch",
        (Instance, Source, 'u'),
        ("patch", "/{type}/{id}"),
        "A change of part of a resource, as JSON Patch or FHIRPath Patch",
    ),
    row(
        "delete",
        (Instance, Source, 'd'),
        ("delete", "/{type}/{id}"),
        "The end of a resource; its history stays",
    ),
    row(
        "history-instance",
        (Instance, Both, 'r'),
        ("get", "/{type}/{id}/_history"),
        "The versions of a resource, newest first",
    ),
    row(
        "history-type",
        (Type, Source, 'r'),
        ("get", "/{type}/_history"),
        "The versions of everything of a type, newest first",
    ),
    row(
        "create",
        (Type, Source, 'c'),
        ("post", "/{type}"),
        "A new resource; If-None-Exist makes it conditional",
    ),
    row(
        "search-type",
        (Type, Both, 's'),
        ("get", "/{type}"),
        "Search of a type; a person's token names one person by patient or subject",
    ),
    row(
        "transaction",
        (System, Source, 'c'),
        ("post", "/"),
        "A Bundle: a transaction (all or nothing) or a batch",
    ),
    row(
        "search-type",
        (Type, Both, 's'),
        ("post", "/{type}/_search"),
        "The same with the parameters in the body",
    ),
    row(
        "search-system",
        (System, Source, 's'),
        ("get", "/"),
        "Search of several types: name them by _type",
    ),
    row(
        "history-system",
        (System, Source, 'r'),
        ("get", "/_history"),
        "The versions of everything, newest first",
    ),
];

/// Types that are served in a way of their own, and the interactions they have.
const OWN_WAYS: &[(&str, &[&str])] = &[
    (super::audit::TYPE, &["read", "search-type"]),
    (
        super::subscriptions::TYPE,
        &["read", "update", "delete", "create", "search-type"],
    ),
];

/// The types that are served: those of R4 that can be kept, and those with ways of their own. One more is
/// known by number, because R4B has it.
pub fn kinds() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(|kind| {
        let has_own_way = OWN_WAYS.iter().any(|(own, _)| *own == kind.name());
        Definitions::r4().get(kind.name()).is_some() && (has_own_way || is_kept(*kind))
    })
}

/// The interactions of a type, each code once, in the table's order.
pub fn of_type(kind: ResourceType) -> Vec<&'static Interaction> {
    let only = OWN_WAYS.iter().find(|(own, _)| *own == kind.name());
    let mut found: Vec<&Interaction> = Vec::new();
    for one in INTERACTIONS.iter().filter(|one| one.level != System) {
        let is_there = only.is_none_or(|(_, codes)| codes.contains(&one.code));
        if is_there && !found.iter().any(|other| other.code == one.code) {
            found.push(one);
        }
    }
    found
}

/// Whether sources write resources of this type.
pub fn is_written(kind: ResourceType) -> bool {
    of_type(kind).iter().any(|one| one.code == "create")
}

/// Operations that stand beside those of `operations`.
const MORE: &[Operation] = &[
    Operation {
        name: "validate",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-validate",
        levels: &[
            operations::Level::System,
            operations::Level::Type,
            operations::Level::Instance,
        ],
        types: &[],
        sources_only: false,
    },
    Operation {
        name: "run",
        definition: "http://sql-on-fhir.org/OperationDefinition/$viewdefinition-run",
        levels: &[operations::Level::System],
        types: &[VIEWS],
        sources_only: false,
    },
];

/// R4 has no such type; the operation stands at its name all the same.
const VIEWS: &str = "ViewDefinition";

/// Every operation.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    operations::OPERATIONS.iter().chain(MORE)
}

/// The operations of a type, by name and definition; `None`: those of the whole system.
pub fn operations_of(kind: Option<ResourceType>) -> Vec<(&'static str, &'static str)> {
    let stands = |one: &&Operation| match kind {
        None => one.levels.contains(&operations::Level::System),
        Some(kind) => {
            // What is served in a way of its own has the operations that are named for it, and $validate.
            let has_own_way = OWN_WAYS.iter().any(|(own, _)| *own == kind.name());
            let is_its = match one.types {
                [] => !has_own_way || one.name == "validate",
                types => types.contains(&kind.name()),
            };
            is_its
                && one
                    .levels
                    .iter()
                    .any(|level| *level != operations::Level::System)
        }
    };
    let mut found: Vec<(&str, &str)> = Vec::new();
    for one in operations().filter(stands) {
        let named = (one.name, one.definition);
        // What stands at a type for sources and at a resource for everybody is listed once.
        if !found.contains(&named) {
            found.push(named);
        }
    }
    found
}

/// The addresses of an operation below the base, with the method each is asked with.
pub fn addresses(one: &Operation) -> Vec<(&'static str, String)> {
    let method = match one.name {
        "match" | "validate" | "run" | "meta-add" | "meta-delete" => "post",
        _ => "get",
    };
    let kinds: Vec<&str> = match one.types {
        [] => vec!["{type}"],
        some => some.to_vec(),
    };
    let mut all = Vec::new();
    for level in one.levels {
        let paths: Vec<String> = match level {
            operations::Level::System if one.types.contains(&VIEWS) => {
                vec![format!("/{VIEWS}/${}", one.name)]
            }
            operations::Level::System => vec![format!("/${}", one.name)],
            operations::Level::Type => kinds
                .iter()
                .map(|kind| format!("/{kind}/${}", one.name))
                .collect(),
            operations::Level::Instance => kinds
                .iter()
                .map(|kind| format!("/{kind}/{{id}}/${}", one.name))
                .collect(),
        };
        all.extend(paths.into_iter().map(|path| (method, path)));
    }
    all
}
