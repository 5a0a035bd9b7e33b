//! `Patient/{id}/$everything`: the person, then all their items, page by page. A page's token holds the
//! moment of the first page, so what comes or goes meanwhile changes no later page.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use care_record::{EverythingAsk, FhirResource, OperationPage};

use super::super::answer::{self, Mode, Prefer, Searchset};
use super::super::asker::Asker;
use super::super::page_token::{self, PageToken};
use super::super::read::{MOST_ITEMS, problem};
use super::given::Given;
use super::{kinds, picked, read_picked};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

const KNOWN: [&str; 6] = ["_since", "_type", "_count", "start", "end", PAGE];
/// The token of a page; sealed, so that it can be neither read nor changed.
const PAGE: &str = "_page";

/// `GET Patient/{id}/$everything`.
pub async fn by_get(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    give(state, id, given, prefer, who).await
}

/// `POST Patient/{id}/$everything`.
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
    give(state, id, given, prefer, who).await
}

/// `Patient/$everything`: of nobody in particular.
pub async fn of_nobody(who: Asker) -> Result<Response, ApiProblem> {
    let (title, text) = match who {
        Asker::Person { .. } => (
            "One person's record is read at a time",
            "Name the person: GET Patient/{id}/$everything. Their id is found with POST Patient/_search and an NHS number.",
        ),
        Asker::Source { .. } => (
            "Everything of everybody is an export",
            "Use GET Patient/$export, or name one person: GET Patient/{id}/$everything.",
        ),
    };
    Err(Problem::new(
        axum::http::StatusCode::BAD_REQUEST,
        "not-supported",
        title,
        text,
    )
    .into())
}

async fn give(
    state: Shared,
    id: String,
    given: Given,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    given.only(&KNOWN, prefer)?;
    let for_what = super::for_what(&who, &format!("Patient/{id}/$everything"));
    let kinds = kinds(&given.all("_type"))?;
    let base = state.fhir_base();
    let words = picked(&who, kinds.as_deref(), Interaction::Search)?;
    let wanted = EverythingAsk {
        picked: read_picked(&state, &words)?,
        since: given.time("_since")?.map(|(from, _)| from),
        start: given.time("start")?.map(|(from, _)| from),
        end: given.time("end")?.map(|(_, until)| until),
        count: given
            .number("_count")?
            .map_or(MOST_ITEMS, |count| count.clamp(1, MOST_ITEMS)),
        after: given
            .one(PAGE)
            .map(|text| opened(&state, text, &for_what))
            .transpose()?,
    };
    let person = id.clone();
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    let mut page = crate::blocking(move || match &who {
        Asker::Person { caller, ask, .. } => disclosure
            .fhir_everything(caller, ask, &person, &wanted)
            .map(care_record::Disclosed::into_inner),
        Asker::Source { caller, .. } => holdings.everything(caller, &person, &wanted),
    })
    .await?
    .map_err(problem)?;
    if let Some(next) = &mut page.next {
        *next = sealed(&state, next, &for_what)?;
    }
    let address = format!("{base}/Patient/{id}/$everything");
    Ok(searchset(&base, &address, &given, &page))
}

/// A page as a searchset, with links that ask the same again.
pub(super) fn searchset(
    base: &str,
    address: &str,
    given: &Given,
    page: &OperationPage,
) -> Response {
    let link = |token: Option<&str>| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let asked = given.pairs().iter().filter(|(name, _)| name != PAGE);
        pairs.extend_pairs(asked);
        if let Some(token) = token {
            pairs.append_pair(PAGE, token);
        }
        match pairs.finish() {
            none if none.is_empty() => address.to_owned(),
            asked => format!("{address}?{asked}"),
        }
    };
    let mut links = vec![("self", link(given.one(PAGE)))];
    if let Some(next) = &page.next {
        links.push(("next", link(Some(next))));
    }
    let set = Searchset {
        total: page.total.map(|total| total as u64),
        links,
        told: None,
    };
    let matches = page
        .resources
        .iter()
        .map(|one: &FhirResource| (Mode::Match, one));
    answer::fhir_json(set.write(base, matches))
}

fn sealed(state: &Shared, place: &str, for_what: &str) -> Result<String, ApiProblem> {
    let token = PageToken {
        hidden: vec![(PAGE.to_owned(), place.to_owned())],
        ..PageToken::default()
    };
    page_token::seal(state, &token, for_what)
}

fn opened(state: &Shared, text: &str, for_what: &str) -> Result<String, ApiProblem> {
    let token = page_token::open(state, text, for_what)?;
    let place = token.hidden.into_iter().find(|(name, _)| name == PAGE);
    Ok(place.map(|(_, place)| place).unwrap_or_default())
}
