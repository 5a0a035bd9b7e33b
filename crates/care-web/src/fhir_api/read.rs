//! Reading: one item, the items of a person by type, everything of a person. What leaves is what
//! `Disclosure` gave, after its entry is durable.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use care_core::fhir::ResourceType;
use care_core::vocabulary::NhsNumber;
use care_record::{Caller, DisclosureError, FhirAsk, FhirPage, FhirResource, Refusal};

use super::answer::{self, Mode, Searchset};
use super::asker::Asker;
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
    who.may(kind, Interaction::Read)?;
    let (caller, ask) = person(who)?;
    if kind.name() == super::audit::TYPE {
        return super::audit::read(&state, caller, ask, &id).await;
    }
    let disclosure = state.record.disclosure();
    let found = crate::blocking(move || disclosure.fhir_read(&caller, &ask, kind, &id)).await?;
    Ok(answer::resource(found.map_err(problem)?.into_inner()))
}

/// `GET /fhir/R4/{type}`.
pub async fn search(
    State(state): State<Shared>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    who.may(kind, Interaction::Search)?;
    let (caller, ask) = person(who)?;
    if kind.name() == super::audit::TYPE {
        return super::audit::search(&state, caller, ask, query.as_deref().unwrap_or_default())
            .await;
    }
    let query = Query::read(query.as_deref().unwrap_or_default(), &state)?;
    let Some(patient) = query.patient.clone() else {
        return Err(Problem::invalid(
            "A search needs the parameter patient",
            "Items are read for one person at a time: add patient=Patient/{id}. A Patient is found by NHS number with POST Patient/_search and identifier.",
        )
        .into());
    };
    page(&state, caller, ask, patient, vec![kind], query, kind.name()).await
}

/// `GET /fhir/R4/Patient/{id}/$everything`.
pub async fn everything(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    who: Asker,
) -> Result<Response, ApiProblem> {
    who.may_somewhere(Interaction::Search)?;
    let (caller, ask) = person(who)?;
    let query = Query::read(query.as_deref().unwrap_or_default(), &state)?;
    let address = format!("Patient/{id}/$everything");
    page(&state, caller, ask, id, Vec::new(), query, &address).await
}

/// `POST /fhir/R4/Patient/_search`: by NHS number, in the body, so that no number stands in an address.
pub async fn find(
    State(state): State<Shared>,
    who: Asker,
    body: String,
) -> Result<Response, ApiProblem> {
    who.may(ResourceType::PATIENT, Interaction::Search)?;
    let (caller, ask) = person(who)?;
    let identifier = form_urlencoded::parse(body.as_bytes())
        .find(|(name, _)| name == "identifier")
        .map(|(_, value)| value.into_owned());
    let number = identifier
        .as_deref()
        .map(|text| text.rsplit('|').next().unwrap_or_default())
        .and_then(|text| NhsNumber::parse(text).ok())
        .ok_or_else(|| {
            Problem::invalid(
                "A Patient is found by NHS number",
                "Send identifier with the ten digits of a valid NHS number in the form body.",
            )
        })?;
    let disclosure = state.record.disclosure();
    let found = crate::blocking(move || disclosure.fhir_find(&caller, &ask, number)).await?;
    let resources: Vec<FhirResource> = found.map_err(problem)?.into_inner().into_iter().collect();
    let base = format!("{}/fhir/R4", state.config.server.base_url);
    let set = Searchset {
        total: Some(resources.len() as u64),
        links: vec![("self", format!("{base}/Patient/_search"))],
        told: None,
    };
    Ok(searchset(&base, &set, &resources))
}

/// Parameters of a search.
#[derive(Debug, Clone, Default)]
struct Query {
    patient: Option<String>,
    count: usize,
    after: Option<String>,
}

impl Query {
    fn read(text: &str, state: &Shared) -> Result<Self, ApiProblem> {
        let mut query = Self {
            count: state.config.fhir.page_items,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "patient" | "subject" => {
                    query.patient =
                        Some(value.strip_prefix("Patient/").unwrap_or(&value).to_owned());
                }
                "_count" => {
                    let count: usize = value.parse().map_err(|_| {
                        Problem::invalid(
                            "_count is a whole number",
                            "Leave it out to get the usual page.",
                        )
                    })?;
                    query.count = count.clamp(1, MOST_ITEMS);
                }
                "page" => query.after = Some(value.into_owned()),
                "_format" | "_pretty" | "_summary" | "_elements" => {}
                _ => {
                    return Err(Problem::new(
                        StatusCode::BAD_REQUEST,
                        "not-supported",
                        "This search parameter is not supported",
                        "Supported are patient and _count; /fhir/R4/metadata lists them. A parameter that were passed over would give more than was asked.",
                    )
                    .into());
                }
            }
        }
        Ok(query)
    }
}

async fn page(
    state: &Shared,
    caller: Caller,
    ask: FhirAsk,
    patient: String,
    types: Vec<ResourceType>,
    query: Query,
    address: &str,
) -> Result<Response, ApiProblem> {
    let disclosure = state.record.disclosure();
    let (count, after, person) = (query.count, query.after.clone(), patient.clone());
    let found = crate::blocking(move || {
        disclosure.fhir_search(&caller, &ask, &person, &types, count, after.as_deref())
    })
    .await?;
    let found: FhirPage = found.map_err(problem)?.into_inner();
    let base = format!("{}/fhir/R4", state.config.server.base_url);
    // Our person key is opaque, so it may stand in an address (screens, R3).
    let link = |after: Option<&str>| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        if !address.contains('$') {
            pairs.append_pair("patient", &patient);
        }
        pairs.append_pair("_count", &count.to_string());
        if let Some(after) = after {
            pairs.append_pair("page", after);
        }
        format!("{base}/{address}?{}", pairs.finish())
    };
    let mut links = vec![("self", link(query.after.as_deref()))];
    if let Some(next) = &found.next {
        links.push(("next", link(Some(next))));
    }
    let set = Searchset {
        total: Some(found.total as u64),
        links,
        told: None,
    };
    Ok(searchset(&base, &set, &found.resources))
}

fn searchset(base: &str, set: &Searchset, resources: &[FhirResource]) -> Response {
    let matches = resources.iter().map(|one| (Mode::Match, one));
    answer::fhir_json(set.write(base, matches))
}

fn type_of(name: &str) -> Result<ResourceType, ApiProblem> {
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

/// The person a token speaks for, and what it asks with.
fn person(who: Asker) -> Result<(Caller, FhirAsk), ApiProblem> {
    match who {
        Asker::Person { caller, ask, .. } => Ok((*caller, *ask)),
        Asker::Source { .. } => Err(Problem::forbidden(
            "Sources send and do not read",
            "Reading needs the token of a person.",
        )
        .into()),
    }
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
