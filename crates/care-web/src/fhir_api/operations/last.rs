//! `Observation/$lastn`: the newest results of each test of one person.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use care_core::fhir::ResourceType;
use care_record::LastAsk;

use super::super::answer::Prefer;
use super::super::asker::Asker;
use super::super::read::{MOST_ITEMS, problem};
use super::everything::searchset;
use super::given::Given;
use super::{picked, read_picked};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

const KNOWN: [&str; 10] = [
    "patient",
    "subject",
    "max",
    "category",
    "code",
    "status",
    "date",
    "combo-code",
    "component-code",
    "_count",
];
/// Parameters that are not criteria.
const OURS: [&str; 4] = ["patient", "subject", "max", "_count"];

/// `GET Observation/$lastn`.
pub async fn by_get(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    give(state, Given::of_query(query.as_deref()), prefer, who).await
}

/// `POST Observation/$lastn`.
pub async fn by_post(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    give(state, given, prefer, who).await
}

async fn give(
    state: Shared,
    given: Given,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    given.only(&KNOWN, prefer)?;
    let patient = given
        .one("patient")
        .or(given.one("subject"))
        .ok_or_else(|| {
            Problem::invalid(
                "$lastn needs the parameter patient",
                "Newest results are of one person: add patient=Patient/{id}.",
            )
            .at_parameter("patient")
        })?;
    let person = patient
        .strip_prefix("Patient/")
        .unwrap_or(patient)
        .to_owned();
    let base = state.fhir_base();
    let kind = ResourceType::OBSERVATION;
    let mut words = picked(&who, Some(&[kind]), Interaction::Search)?;
    let criteria = criteria(&given);
    if !criteria.is_empty() {
        words.groups.push((kind.name().to_owned(), vec![criteria]));
    }
    let wanted = LastAsk {
        picked: read_picked(&state, &words)?,
        max: given.number("max")?.unwrap_or(1).clamp(1, MOST_ITEMS),
        most: given
            .number("_count")?
            .map_or(MOST_ITEMS, |count| count.clamp(1, MOST_ITEMS)),
    };
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    let page = crate::blocking(move || match &who {
        Asker::Person { caller, ask, .. } => disclosure
            .fhir_last(caller, ask, &person, &wanted)
            .map(care_record::Disclosed::into_inner),
        Asker::Source { caller, .. } => holdings.last(caller, &person, &wanted),
    })
    .await?
    .map_err(problem)?;
    let address = format!("{base}/Observation/$lastn");
    Ok(searchset(&base, &address, &given, &page))
}

/// What narrows the results, as a query.
fn criteria(given: &Given) -> String {
    let asked = given
        .pairs()
        .iter()
        .filter(|(name, _)| KNOWN.contains(&name.as_str()) && !OURS.contains(&name.as_str()));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(asked)
        .finish()
}
