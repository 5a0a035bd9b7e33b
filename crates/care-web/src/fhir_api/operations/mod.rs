//! Operations: everything of a person, summary, newest results, match, versions compared, rows of a
//! view, bulk export. For persons under the decision's view, for sources over what they sent.

mod compared;
mod everything;
mod export;
mod given;
mod last;
mod matching;
mod meta;
mod run;
mod summary;

use axum::Router;
use axum::routing::{get, post};
use care_core::fhir::ResourceType;
use care_record::{Picked, PickedWords};

use super::asker::Asker;
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

pub(super) use compared::read as held_version;
pub use export::keep as keep_exports;
pub(super) use given::Given;

/// At which address an operation is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `[base]/$name`.
    System,
    /// `[base]/Type/$name`.
    Type,
    /// `[base]/Type/id/$name`.
    Instance,
}

/// An operation as the CapabilityStatement names it.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Its name, without `$`.
    pub name: &'static str,
    /// The canonical address of its OperationDefinition.
    pub definition: &'static str,
    /// Where it is called.
    pub levels: &'static [Level],
    /// Of which types; none: of every type, or of the whole system.
    pub types: &'static [&'static str],
    /// Whether only a source may call it.
    pub sources_only: bool,
}

/// Every operation of this room: what is listed here is answered.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "everything",
        definition: "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        levels: &[Level::Instance],
        types: &["Patient"],
        sources_only: false,
    },
    Operation {
        name: "summary",
        definition: "http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
        levels: &[Level::Instance, Level::Type],
        types: &["Patient"],
        sources_only: false,
    },
    Operation {
        name: "match",
        definition: "http://hl7.org/fhir/OperationDefinition/Patient-match",
        levels: &[Level::Type],
        types: &["Patient"],
        sources_only: false,
    },
    Operation {
        name: "lastn",
        definition: "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
        levels: &[Level::Type],
        types: &["Observation"],
        sources_only: false,
    },
    Operation {
        name: "meta",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta",
        levels: &[Level::Instance],
        types: &[],
        sources_only: false,
    },
    Operation {
        name: "meta",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta",
        levels: &[Level::Type, Level::System],
        types: &[],
        sources_only: true,
    },
    Operation {
        name: "meta-add",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta-add",
        levels: &[Level::Instance],
        types: &[],
        sources_only: true,
    },
    Operation {
        name: "meta-delete",
        definition: "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
        levels: &[Level::Instance],
        types: &[],
        sources_only: true,
    },
    Operation {
        name: "diff",
        definition: "http://hapifhir.io/fhir/OperationDefinition/diff",
        levels: &[Level::Instance, Level::System],
        types: &[],
        sources_only: false,
    },
    Operation {
        name: "export",
        definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
        levels: &[Level::System],
        types: &[],
        sources_only: true,
    },
    Operation {
        name: "export",
        definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export",
        levels: &[Level::Type],
        types: &["Patient"],
        sources_only: true,
    },
    Operation {
        name: "export",
        definition: "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export",
        levels: &[Level::Instance],
        types: &["Group"],
        sources_only: true,
    },
];

/// The addresses of the operations.
pub fn router() -> Router<Shared> {
    let r4 = |path: &str| format!("/fhir/R4/{path}");
    Router::new()
        .route(
            &r4("Patient/{id}/$everything"),
            get(everything::by_get).post(everything::by_post),
        )
        .route(
            &r4("Patient/$everything"),
            get(everything::of_nobody).post(everything::of_nobody),
        )
        .route(
            &r4("Patient/{id}/$summary"),
            get(summary::by_get).post(summary::by_post),
        )
        .route(
            &r4("Patient/$summary"),
            get(summary::in_an_address).post(summary::by_identifier),
        )
        .route(&r4("Patient/$match"), post(matching::matching))
        .route(
            &r4("Observation/$lastn"),
            get(last::by_get).post(last::by_post),
        )
        .route(
            &r4("{type}/{id}/$meta"),
            get(meta::of_instance).post(meta::of_instance),
        )
        .route(
            &r4("{type}/{id}/_history/{version}/$meta"),
            get(meta::of_version).post(meta::of_version),
        )
        .route(&r4("{type}/$meta"), get(meta::of_type).post(meta::of_type))
        .route(&r4("$meta"), get(meta::of_system).post(meta::of_system))
        .route(&r4("{type}/{id}/$meta-add"), post(meta::add))
        .route(&r4("{type}/{id}/$meta-delete"), post(meta::delete))
        .route(&r4("{type}/{id}/$diff"), get(compared::of_instance))
        .route(
            &r4("{type}/{id}/_history/{version}/$diff"),
            get(compared::of_version),
        )
        .route(&r4("$diff"), get(compared::of_two))
        .route(&r4("ViewDefinition/$run"), post(run::of_type))
        .route(
            &r4("ViewDefinition/{name}/$run"),
            get(run::by_get).post(run::by_post),
        )
        .route(
            &r4("$export"),
            get(export::of_system).post(export::of_system_by_post),
        )
        .route(
            &r4("Patient/$export"),
            get(export::of_patients).post(export::of_patients_by_post),
        )
        .route(
            &r4("Group/{id}/$export"),
            get(export::of_group).post(export::of_group_by_post),
        )
        .route(
            &r4("$export-status/{job}"),
            get(export::status).delete(export::cancel),
        )
        .route(&r4("$export-file/{job}/{name}"), get(export::file))
}

/// Whom and what the token of a page is for.
fn for_what(who: &Asker, address: &str) -> String {
    match who {
        Asker::Person { caller, .. } => {
            format!("{}\n{}\n{address}", caller.user.id, caller.session)
        }
        Asker::Source { caller, .. } => {
            format!("{}\n{}\n{address}", caller.client, caller.source)
        }
    }
}

/// A type by its name.
fn kind(name: &str) -> Result<ResourceType, ApiProblem> {
    ResourceType::from_name(name).ok_or_else(|| {
        Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            "not-supported",
            "R4 has no resource of this type",
            "Check the spelling; types begin with a capital letter.",
        )
        .into()
    })
}

/// Names of types in a list of parameters, each separated by commas.
fn kinds(values: &[String]) -> Result<Option<Vec<ResourceType>>, ApiProblem> {
    let names = values.iter().flat_map(|value| value.split(','));
    let names: Vec<&str> = names
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let read = names.into_iter().map(|name| {
        ResourceType::from_name(name).ok_or_else(|| {
            let problem = Problem::invalid(
                "_type names a type R4 has not",
                "Check the spelling; types begin with a capital letter, and commas stand between them.",
            );
            ApiProblem(problem.at_parameter("_type"))
        })
    });
    read.collect::<Result<_, _>>().map(Some)
}

/// What may leave: what the token's scopes allow of the types asked for.
///
/// Errors: 403 where a type that is asked for by name is not allowed, or nothing is.
fn picked(
    who: &Asker,
    asked: Option<&[ResourceType]>,
    interaction: Interaction,
) -> Result<PickedWords, ApiProblem> {
    let mut types = Vec::new();
    let mut groups = Vec::new();
    let mut is_everything = asked.is_none();
    let mut add = |kind: ResourceType, within: &super::asker::Within| {
        types.push(kind.name().to_owned());
        if !within.is_everything() {
            groups.push((kind.name().to_owned(), within.queries().to_vec()));
        }
    };
    match asked {
        Some(kinds) => {
            for kind in kinds {
                add(*kind, &who.may(*kind, interaction)?);
            }
        }
        None => {
            who.may_somewhere(interaction)?;
            for kind in ResourceType::all() {
                match who.may(kind, interaction) {
                    Ok(within) => add(kind, &within),
                    Err(_) => is_everything = false,
                }
            }
        }
    }
    Ok(PickedWords {
        types: (!is_everything).then_some(types),
        groups,
    })
}

/// The words read, with the deployment's own search parameters.
fn read_picked(state: &Shared, words: &PickedWords) -> Result<Picked, ApiProblem> {
    let parameters = state.record.search_parameters().all();
    Picked::read(words, &state.fhir_base(), &parameters).map_err(unclear)
}

/// What cannot be read of what was picked.
fn unclear(error: care_record::PickedError) -> ApiProblem {
    let title = format!("A query cannot be read: {}", error.what);
    let problem = Problem::invalid(title, format!("{}.", error.mend));
    ApiProblem(problem.at_parameter(&error.parameter))
}
