//! `Patient/{id}/$summary`: the International Patient Summary of what the reader may see.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use care_core::fhir::ResourceType;
use care_core::vocabulary::NhsNumber;
use care_record::SummaryAsk;

use super::super::answer::{self, Prefer};
use super::super::asker::Asker;
use super::super::read::problem;
use super::given::Given;
use super::{picked, read_picked};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// Who the summary says made it.
const AUTHOR: &str = "Connect Care";
const KNOWN: [&str; 3] = ["identifier", "profile", "graph"];

/// `GET Patient/{id}/$summary`.
pub async fn by_get(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    only_ips(&given, prefer)?;
    give(state, id, who).await
}

/// `POST Patient/{id}/$summary`.
pub async fn by_post(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    only_ips(&given, prefer)?;
    give(state, id, who).await
}

/// `GET Patient/$summary`: an identifier does not stand in an address.
pub async fn in_an_address(_who: Asker) -> Result<Response, ApiProblem> {
    Err(needs_an_identifier().into())
}

/// `POST Patient/$summary`: by NHS number, in the body.
pub async fn by_identifier(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    if query.is_some_and(|query| query.contains("identifier")) {
        return Err(needs_an_identifier().into());
    }
    let given = Given::of_body(None, &headers, &body)?;
    only_ips(&given, prefer)?;
    who.may(ResourceType::PATIENT, Interaction::Read)?;
    let number = given
        .one("identifier")
        .and_then(|text| NhsNumber::parse(text.rsplit('|').next().unwrap_or_default()).ok())
        .ok_or_else(needs_an_identifier)?;
    let asker = who.clone();
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    let id = crate::blocking(move || match &asker {
        Asker::Person { caller, ask, .. } => disclosure
            .fhir_find(caller, ask, number)
            .map(|found| found.into_inner().map(|one| one.id)),
        Asker::Source { caller, .. } => holdings.holder(caller, number),
    })
    .await?
    .map_err(problem)?;
    let id = id.ok_or_else(|| problem(care_record::DisclosureError::NotThere))?;
    give(state, id, who).await
}

fn only_ips(given: &Given, prefer: Prefer) -> Result<(), ApiProblem> {
    given.only(&KNOWN, prefer)?;
    let is_other = |url: &str| !url.contains("/uv/ips/");
    if given.one("profile").is_some_and(is_other) || given.one("graph").is_some() {
        return Err(Problem::new(
            axum::http::StatusCode::BAD_REQUEST,
            "not-supported",
            "Only the International Patient Summary is made here",
            "Leave profile and graph out.",
        )
        .into());
    }
    Ok(())
}

fn needs_an_identifier() -> Problem {
    Problem::invalid(
        "$summary needs to know whose",
        "Call Patient/{id}/$summary, or POST Patient/$summary with identifier (a valid NHS number) in the body, never in the address.",
    )
    .at_parameter("identifier")
}

async fn give(state: Shared, id: String, who: Asker) -> Result<Response, ApiProblem> {
    who.may(ResourceType::PATIENT, Interaction::Read)?;
    let base = state.fhir_base();
    let words = picked(&who, None, Interaction::Read)?;
    let wanted = SummaryAsk {
        picked: read_picked(&state, &words)?,
        base,
        author: AUTHOR.to_owned(),
    };
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    let found = crate::blocking(move || match &who {
        Asker::Person { caller, ask, .. } => disclosure
            .fhir_summary(caller, ask, &id, &wanted)
            .map(care_record::Disclosed::into_inner),
        Asker::Source { caller, .. } => holdings.summary(caller, &id, &wanted),
    })
    .await?
    .map_err(problem)?;
    Ok(answer::fhir_json(found.body))
}
