//! `POST ViewDefinition/$run`: a SQL on FHIR view, over what a source sent, over one person's record, or
//! over resources in the request. Source: SQL on FHIR v2.0.0, $run.

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_core::fhir::views::View;
use care_core::fhir::{Json, Limits};
use care_record::{
    EverythingAsk, ExportError, FhirResource, RowsAsk, RowsError, RowsFile, RowsForm, RowsOf,
};

use super::super::answer::Prefer;
use super::super::asker::Asker;
use super::super::read::problem;
use super::given::Given;
use super::{export, picked, read_picked};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

const KNOWN: [&str; 9] = [
    "viewResource",
    "viewReference",
    "resource",
    "patient",
    "group",
    "_since",
    "_limit",
    "_format",
    "header",
];
/// Rows one answer may have.
const MOST_ROWS: usize = 1_000_000;
/// One person's items of a type.
const MOST_OF_A_PERSON: usize = 100_000;

/// `POST ViewDefinition/$run`: a view in the request.
pub async fn of_type(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    run(state, None, given, prefer, who, headers).await
}

/// `POST ViewDefinition/{name}/$run`: one of the deployment's own.
pub async fn by_post(
    State(state): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    run(state, Some(name), given, prefer, who, headers).await
}

/// `GET ViewDefinition/{name}/$run`.
pub async fn by_get(
    State(state): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    run(state, Some(name), given, prefer, who, headers).await
}

async fn run(
    state: Shared,
    named: Option<String>,
    given: Given,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    given.only(&KNOWN, prefer)?;
    let definition = view_of(&state, named.as_deref(), &given).await?;
    let wanted = RowsAsk {
        form: form(&given, &headers)?,
        limit: Some(given.number("_limit")?.unwrap_or(MOST_ROWS).min(MOST_ROWS)),
    };
    let posted = given.resources("resource");
    if !posted.is_empty() {
        let resources = posted.into_iter().map(at_hand).collect::<Vec<_>>();
        let holdings = state.record.holdings();
        let made = crate::blocking(move || holdings.rows_at_hand(&definition, &resources, &wanted))
            .await?;
        return sent(made, wanted.form);
    }
    let kind = definition.resource_type();
    let words = picked(&who, Some(&[kind]), Interaction::Search)?;
    let picked = read_picked(&state, &words)?;
    let since = given.time("_since")?.map(|(from, _)| from);
    let mut people = given.all("patient");
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    match who {
        Asker::Person { caller, ask, .. } => {
            let [patient] = people.as_slice() else {
                return Err(needs_a_patient().into());
            };
            let person = patient
                .strip_prefix("Patient/")
                .unwrap_or(patient)
                .to_owned();
            let ask_for = EverythingAsk {
                picked,
                since,
                count: MOST_OF_A_PERSON,
                ..EverythingAsk::default()
            };
            let found = crate::blocking(move || {
                let page = disclosure.fhir_everything(&caller, &ask, &person, &ask_for)?;
                Ok(holdings.rows_at_hand(&definition, &page.into_inner().resources, &wanted))
            })
            .await?;
            sent(found.map_err(problem)?, wanted.form)
        }
        Asker::Source { caller, .. } => {
            let groups = given.all("group");
            let exports = state.record.exports();
            let made = crate::blocking(move || {
                for group in &groups {
                    let id = group.strip_prefix("Group/").unwrap_or(group);
                    let members = exports.group_members(&caller, id).map_err(Stop::Group)?;
                    people.extend(members);
                }
                let is_of_some = !people.is_empty() || !groups.is_empty();
                let of = RowsOf {
                    people: is_of_some.then_some(people),
                    since,
                    picked,
                };
                holdings
                    .rows(&caller, &definition, &of, &wanted)
                    .map_err(Stop::Rows)
            })
            .await?;
            match made {
                Ok(file) => sent(Ok(file), wanted.form),
                Err(Stop::Rows(error)) => sent(Err(error), wanted.form),
                Err(Stop::Group(error)) => Err(export::refused(error).into()),
            }
        }
    }
}

enum Stop {
    Group(ExportError),
    Rows(RowsError),
}

fn needs_a_patient() -> Problem {
    Problem::invalid(
        "A view needs to know whose record",
        "Add one parameter patient with Patient/{id}, or send the resources in parameters of the name resource.",
    )
    .at_parameter("patient")
}

/// A resource of the request, as one that was read.
fn at_hand(resource: &Json) -> FhirResource {
    FhirResource {
        resource_type: care_core::fhir::resource_type(resource)
            .unwrap_or(care_core::fhir::ResourceType::PATIENT),
        id: resource.text_at(&["id"]).unwrap_or_default().to_owned(),
        version: 1,
        updated_at: None,
        body: resource.to_string().into_bytes(),
    }
}

/// The definition: in the request, or one of the deployment's own by its name.
async fn view_of(state: &Shared, named: Option<&str>, given: &Given) -> Result<View, ApiProblem> {
    let wrong = |error: care_core::fhir::views::ViewError| {
        let problem = Problem::invalid("The view cannot be used", format!("{error}."));
        ApiProblem(problem.at_parameter("viewResource"))
    };
    let reference = given.one("viewReference");
    let own = reference.map(|text| text.strip_prefix("ViewDefinition/").unwrap_or(text));
    if let Some(name) = named.or(own) {
        let text = own_view(state, name).await.ok_or_else(no_such_view)?;
        let definition = Json::parse(&text, Limits::default()).map_err(Problem::unavailable)?;
        return View::read(&definition).map_err(wrong);
    }
    if let [definition] = given.resources("viewResource").as_slice() {
        return View::read(definition).map_err(wrong);
    }
    let problem = Problem::invalid(
        "$run needs one view",
        "Send the ViewDefinition in viewResource, or name one of the deployment's in viewReference.",
    );
    Err(ApiProblem(problem.at_parameter("viewResource")))
}

fn no_such_view() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "There is no view of this name",
        "The operator keeps views in the directory fhir.views names; or send the view itself in viewResource.",
    )
    .at_parameter("viewReference")
}

/// The file of a view the deployment holds. A name is letters, digits, dashes and underscores.
async fn own_view(state: &Shared, name: &str) -> Option<Vec<u8>> {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_sound) {
        return None;
    }
    let directory = state.config.fhir.views.as_ref()?;
    tokio::fs::read(directory.join(format!("{name}.json")))
        .await
        .ok()
}

/// How rows are wanted: by `_format`, else by Accept, else as NDJSON.
fn form(given: &Given, headers: &HeaderMap) -> Result<RowsForm, ApiProblem> {
    let names = given.one("header") != Some("false");
    let of = |text: &str| {
        let kind = text
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .replace(' ', "+");
        Some(match kind.as_str() {
            "ndjson"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/fhir+ndjson" => RowsForm::Ndjson,
            "json" | "application/json" => RowsForm::Json,
            "csv" | "text/csv" => RowsForm::Csv { names },
            "parquet" | "application/vnd.apache.parquet" | "application/parquet" => {
                RowsForm::Parquet
            }
            _ => return None,
        })
    };
    if let Some(asked) = given.one("_format") {
        return of(asked).ok_or_else(|| {
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "not-supported",
                "Rows are not written in this format",
                "Ask for ndjson, json, csv or parquet.",
            );
            ApiProblem(problem.at_parameter("_format"))
        });
    }
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let accepted = accepted.unwrap_or_default().split(',').find_map(of);
    Ok(accepted.unwrap_or(RowsForm::Ndjson))
}

fn sent(made: Result<RowsFile, RowsError>, form: RowsForm) -> Result<Response, ApiProblem> {
    let made = made.map_err(|error| match error {
        RowsError::View(error) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "processing",
            "The view does not fit one of the resources",
            format!("{error}."),
        ),
        RowsError::Record(error) => problem(error),
        RowsError::Disk(cause) => Problem::unavailable(cause),
    })?;
    let kind = match form {
        RowsForm::Ndjson => "application/x-ndjson",
        RowsForm::Json => "application/json",
        RowsForm::Csv { .. } => "text/csv; charset=utf-8",
        RowsForm::Parquet => "application/vnd.apache.parquet",
    };
    let file = tokio::fs::File::from_std(made.file);
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(file));
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    Ok((headers, body).into_response())
}
