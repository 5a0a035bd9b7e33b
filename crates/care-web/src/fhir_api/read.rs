//! Reading one item. What leaves is what `Disclosure` or `Supply` gave,
//! after its entry is durable.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use care_core::fhir::ResourceType;
use care_core::fhir::search::{Handling, Query};
use care_record::{DisclosureError, FhirError, Readable, Refusal, SearchAsk};

use super::answer;
use super::asker::Asker;
use super::search::{fhir_problem, narrowing, query_problem};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// The most items on one page, whatever `_count` asks.
pub(super) const MOST_ITEMS: usize = 1000;

/// `GET /fhir/R4/{type}/{id}`.
pub async fn read(
    State(state): State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    check_id(&id)?;
    let within = who.may(kind, Interaction::Read)?;
    if !within.is_everything() {
        return read_within(state, who, kind, id).await;
    }
    match who {
        Asker::Person { caller, ask, .. } => {
            if kind.name() == super::audit::TYPE {
                return super::audit::read(&state, *caller, *ask, &id).await;
            }
            let disclosure = state.record.disclosure();
            let found =
                crate::blocking(move || disclosure.fhir_read(&caller, &ask, kind, &id)).await?;
            Ok(answer::resource(found.map_err(fhir_problem)?.into_inner()))
        }
        Asker::Source { caller, .. } => {
            let supply = state.record.supply();
            let found = if supply.is_quick() {
                supply.read_soon(&caller, kind, &id).await
            } else {
                crate::blocking(move || supply.read(&caller, kind, &id)).await?
            };
            Ok(answer::resource(found.map_err(fhir_problem)?.into_inner()))
        }
    }
}

/// Reads one item with a token whose scopes narrow the type: what does not fit is not there.
async fn read_within(
    state: Shared,
    who: Asker,
    kind: ResourceType,
    id: String,
) -> Result<Response, ApiProblem> {
    let base = state.fhir_base();
    let parameters = state.record.search_parameters().all();
    let within = who.may(kind, Interaction::Read)?;
    let lists = within
        .queries()
        .iter()
        .map(|query| narrowing(kind, query, &base, &parameters));
    let mut readable = Readable::default();
    readable
        .types
        .insert(kind, lists.collect::<Result<_, _>>()?);
    let strict = Handling::Strict;
    let pairs = [("_id", id.as_str())];
    let query =
        Query::read(Some(kind), pairs, &parameters, &base, strict).map_err(query_problem)?;
    let ask = SearchAsk {
        query,
        types: vec![kind],
        compartment: None,
        readable,
        count: 1,
        cursor: None,
        page: format!("GET {kind}"),
    };
    let found = match who {
        Asker::Person {
            caller,
            ask: stated,
            ..
        } => {
            let disclosure = state.record.disclosure();
            crate::blocking(move || disclosure.fhir_query(&caller, &stated, &ask)).await?
        }
        Asker::Source { caller, .. } => {
            let supply = state.record.supply();
            crate::blocking(move || supply.search(&caller, &ask)).await?
        }
    };
    let found = match found {
        // An id that names no person is not there for a person's token.
        Err(FhirError::Cannot { .. }) => Err(FhirError::not_there()),
        other => other,
    };
    let found = found.map_err(fhir_problem)?.into_inner();
    match found.entries.into_iter().next() {
        Some(one) => Ok(answer::resource(one.resource)),
        None => Err(fhir_problem(FhirError::not_there()).into()),
    }
}

/// An id is letters, digits, dashes and dots, at most 64 of them.
pub(super) fn check_id(id: &str) -> Result<(), ApiProblem> {
    let is_sound = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if is_sound {
        return Ok(());
    }
    Err(Problem::invalid(
        "This is no id",
        "An id is at most 64 letters, digits, dashes and dots; take it from a resource as it stands.",
    )
    .at_parameter("id")
    .into())
}

pub(super) fn type_of(name: &str) -> Result<ResourceType, ApiProblem> {
    ResourceType::from_name(name).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-supported",
            "R4 has no resource of this type",
            "Check the spelling; types begin with a capital letter.",
        )
        .into()
    })
}

/// Hidden and absent read the same.
pub(super) fn problem(error: DisclosureError) -> Problem {
    match error {
        DisclosureError::Refused(refusal) => refused(&refusal),
        DisclosureError::NotThere | DisclosureError::VisitEnded => Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not available through Connect Care",
            "Nothing is there under this address for this token. Find the person again, and check what the token is for.",
        ),
        DisclosureError::TooManyTries { minutes } => Problem::too_many(
            "Many NHS numbers of nobody were asked for in the last hour. Ask only for people you know of.",
            minutes,
        ),
        DisclosureError::Unclear(what) => {
            Problem::invalid("The request cannot be understood", what)
        }
        DisclosureError::Unavailable(cause) => Problem::unavailable(cause),
    }
}

fn refused(_refusal: &Refusal) -> Problem {
    Problem::forbidden(
        "Not available through Connect Care",
        "The rules do not allow this view. Check purpose, permission and relationship; connect-care access explain shows the rules.",
    )
}
