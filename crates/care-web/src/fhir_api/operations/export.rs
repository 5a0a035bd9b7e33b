//! Bulk export: asked for with `$export`, watched and cancelled at `$export-status`, fetched from
//! `$export-file`. For sources only; each request is checked anew, so a client that was disabled or
//! whose scopes shrank gets no further byte. Source: HL7 Bulk Data Access 2.0.0.

use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_core::fhir::ResourceType;
use care_record::{
    Export, ExportAsk, ExportError, ExportFile, ExportManifest, ExportOf, ExportOutput,
    ExportState, PickedWords,
};
use serde_json::json;
use tokio::time::Duration;

use super::super::answer::Prefer;
use super::super::asker::Asker;
use super::super::read::problem;
use super::given::Given;
use super::{kinds, picked, unclear};
use crate::problem::{ApiProblem, Problem};
use crate::serve::Stop;
use crate::signin::scopes::Interaction;
use crate::state::Shared;

const KNOWN: [&str; 8] = [
    "_outputFormat",
    "_since",
    "_type",
    "_typeFilter",
    "_elements",
    "includeAssociatedData",
    "patient",
    "allowPartialManifests",
];
/// How often files of expired jobs are looked for.
const SWEEP: Duration = Duration::from_secs(600);
/// When to ask again, in seconds.
const RETRY_SECONDS: u32 = 2;

/// Takes up what ran when the record was closed, and takes expired files away until the stop.
pub async fn keep(state: Shared, mut stop: Stop) {
    let exports = state.record.exports();
    let resumed = tokio::task::spawn_blocking(move || exports.resume()).await;
    if let Ok(Err(error)) = resumed {
        tracing::warn!(%error, "exports were not taken up again; their clients may ask anew");
    }
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        let exports = state.record.exports();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || exports.sweep()).await {
            tracing::warn!(%error, "files of expired exports were not taken away; it is tried again");
        }
    }
}

/// `GET $export`.
pub async fn of_system(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    OriginalUri(address): OriginalUri,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    begin(
        state,
        ExportOf::System,
        given,
        address.to_string(),
        prefer,
        who,
    )
    .await
}

/// `POST $export`.
pub async fn of_system_by_post(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    OriginalUri(address): OriginalUri,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    begin(
        state,
        ExportOf::System,
        given,
        address.to_string(),
        prefer,
        who,
    )
    .await
}

/// `GET Patient/$export`.
pub async fn of_patients(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    OriginalUri(address): OriginalUri,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    let of = ExportOf::Patients(given.all("patient"));
    begin(state, of, given, address.to_string(), prefer, who).await
}

/// `POST Patient/$export`.
pub async fn of_patients_by_post(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    OriginalUri(address): OriginalUri,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    let of = ExportOf::Patients(given.all("patient"));
    begin(state, of, given, address.to_string(), prefer, who).await
}

/// `GET Group/{id}/$export`.
pub async fn of_group(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    OriginalUri(address): OriginalUri,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    let only = given.all("patient");
    begin(
        state,
        ExportOf::Group { id, only },
        given,
        address.to_string(),
        prefer,
        who,
    )
    .await
}

/// `POST Group/{id}/$export`.
#[allow(
    clippy::too_many_arguments,
    reason = "each is a part of the request that axum takes out"
)]
pub async fn of_group_by_post(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    OriginalUri(address): OriginalUri,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    let only = given.all("patient");
    begin(
        state,
        ExportOf::Group { id, only },
        given,
        address.to_string(),
        prefer,
        who,
    )
    .await
}

async fn begin(
    state: Shared,
    of: ExportOf,
    given: Given,
    address: String,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let caller = who.source()?.clone();
    if !prefer.asynchronously {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid",
            "An export is made in the background",
            "Send Prefer: respond-async; the answer says where to watch.",
        )
        .into());
    }
    let passed_over = given.only(&KNOWN, prefer)?;
    output_format(&given)?;
    if of == ExportOf::System && given.one("patient").is_some() {
        let problem = Problem::invalid(
            "The whole system is not of some patients",
            "Use Patient/$export with the parameter patient.",
        );
        return Err(ApiProblem(problem.at_parameter("patient")));
    }
    let base = state.fhir_base();
    let ask = ExportAsk {
        of,
        words: words(&who, &given)?,
        base: base.clone(),
        since: given.time("_since")?.map(|(from, _)| from),
        elements: elements(&given),
        request: format!("{}{address}", state.config.server.base_url),
        passed_over,
    };
    let exports = state.record.exports();
    let begun = crate::blocking(move || exports.begin(&caller, &ask)).await?;
    let job = begun.map_err(|error| match error {
        ExportError::Unclear(error) => unclear(error),
        other => refused(other).into(),
    })?;
    let place = format!("{base}/$export-status/{job}");
    let place = HeaderValue::from_str(&place).map_err(Problem::unavailable)?;
    Ok((StatusCode::ACCEPTED, [(header::CONTENT_LOCATION, place)]).into_response())
}

fn output_format(given: &Given) -> Result<(), ApiProblem> {
    let asked = given
        .one("_outputFormat")
        .map(|text| text.replace(' ', "+"));
    match asked.as_deref() {
        None | Some("application/fhir+ndjson" | "application/ndjson" | "ndjson") => Ok(()),
        Some(_) => {
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "not-supported",
                "Exports are written as NDJSON only",
                "Leave _outputFormat out, or ask for application/fhir+ndjson.",
            );
            Err(ApiProblem(problem.at_parameter("_outputFormat")))
        }
    }
}

/// `_type`, `_typeFilter`, `includeAssociatedData` and the scopes, together.
fn words(who: &Asker, given: &Given) -> Result<PickedWords, ApiProblem> {
    let mut kinds = kinds(&given.all("_type"))?;
    for one in given
        .all("includeAssociatedData")
        .iter()
        .flat_map(|one| one.split(','))
    {
        match one {
            "LatestProvenanceResources" | "RelevantProvenanceResources" => {
                if let Some(kinds) = &mut kinds
                    && !kinds.contains(&ResourceType::PROVENANCE)
                {
                    kinds.push(ResourceType::PROVENANCE);
                }
            }
            _ => {
                let problem = Problem::new(
                    StatusCode::BAD_REQUEST,
                    "not-supported",
                    "This associated data is not known",
                    "Supported are LatestProvenanceResources and RelevantProvenanceResources.",
                );
                return Err(ApiProblem(problem.at_parameter("includeAssociatedData")));
            }
        }
    }
    let mut words = picked(who, kinds.as_deref(), Interaction::Search)?;
    let mut filters: Vec<(String, Vec<String>)> = Vec::new();
    for filter in given
        .all("_typeFilter")
        .iter()
        .flat_map(|one| split_filters(one))
    {
        let (name, query) = filter.split_once('?').ok_or_else(|| {
            let problem = Problem::invalid(
                "A filter names a type and a query",
                "Write _typeFilter=Observation%3Fcode%3D1234; commas stand between several.",
            );
            ApiProblem(problem.at_parameter("_typeFilter"))
        })?;
        match filters.iter_mut().find(|(held, _)| held == name) {
            Some((_, queries)) => queries.push(query.to_owned()),
            None => filters.push((name.to_owned(), vec![query.to_owned()])),
        }
    }
    words.groups.extend(filters);
    Ok(words)
}

/// Several filters stand in one parameter with commas between them; a comma inside a query is kept.
fn split_filters(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split(',') {
        let begins = part
            .split_once('?')
            .is_some_and(|(name, _)| ResourceType::from_name(name).is_some());
        match found.last_mut() {
            Some(last) if !begins => {
                last.push(',');
                last.push_str(part);
            }
            _ => found.push(part.to_owned()),
        }
    }
    found
}

fn elements(given: &Given) -> Vec<String> {
    let all = given.all("_elements");
    let names = all.iter().flat_map(|one| one.split(','));
    names
        .map(|one| one.rsplit('.').next().unwrap_or(one).trim().to_owned())
        .filter(|one| !one.is_empty())
        .collect()
}

/// `GET $export-status/{job}`.
pub async fn status(
    State(state): State<Shared>,
    Path(job): Path<String>,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let found = state_of(&state, &who, &job).await?;
    match found.state {
        ExportState::Running { resources } => {
            let progress = HeaderValue::from_str(&format!("{resources} resources written"))
                .map_err(Problem::unavailable)?;
            let headers = [
                (HeaderName::from_static("x-progress"), progress),
                (header::RETRY_AFTER, HeaderValue::from(RETRY_SECONDS)),
            ];
            Ok((StatusCode::ACCEPTED, headers).into_response())
        }
        ExportState::Complete(manifest) => Ok(complete(&state, &job, &manifest)),
        ExportState::Failed { why } => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "exception",
            "The export could not be made",
            format!("{why}."),
        )
        .into()),
    }
}

fn complete(state: &Shared, job: &str, manifest: &ExportManifest) -> Response {
    let base = state.fhir_base();
    let list = |outputs: &[ExportOutput]| -> Vec<serde_json::Value> {
        outputs
            .iter()
            .map(|one| {
                json!({
                    "type": one.kind,
                    "url": format!("{base}/$export-file/{job}/{}", one.name),
                    "count": one.count,
                })
            })
            .collect()
    };
    let body = json!({
        "transactionTime": format!("{:.3}", manifest.transaction_time),
        "request": manifest.request,
        "requiresAccessToken": true,
        "output": list(&manifest.output),
        "deleted": list(&manifest.deleted),
        "error": list(&manifest.error),
    });
    let mut response = axum::Json(body).into_response();
    let expires = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&manifest.expires_at);
    if let Some(value) = expires
        .ok()
        .and_then(|text| HeaderValue::from_str(&text).ok())
    {
        response.headers_mut().insert(header::EXPIRES, value);
    }
    response
}

async fn state_of(state: &Shared, who: &Asker, job: &str) -> Result<Export, ApiProblem> {
    let caller = who.source()?.clone();
    who.may_somewhere(Interaction::Search)?;
    let (exports, job) = (state.record.exports(), job.to_owned());
    let found = crate::blocking(move || exports.state(&caller, &job)).await?;
    Ok(found.map_err(refused)?)
}

/// `DELETE $export-status/{job}`.
pub async fn cancel(
    State(state): State<Shared>,
    Path(job): Path<String>,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let caller = who.source()?.clone();
    let exports = state.record.exports();
    let done = crate::blocking(move || exports.cancel(&caller, &job)).await?;
    done.map_err(refused)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// `GET $export-file/{job}/{name}`.
pub async fn file(
    State(state): State<Shared>,
    Path((job, name)): Path<(String, String)>,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let caller = who.source()?.clone();
    let found = state_of(&state, &who, &job).await?;
    let ExportState::Complete(manifest) = &found.state else {
        return Err(refused(ExportError::NotThere).into());
    };
    let mut outputs = manifest
        .output
        .iter()
        .chain(&manifest.deleted)
        .chain(&manifest.error);
    let output = outputs.find(|one| one.name == name);
    let output = output.ok_or_else(|| refused(ExportError::NotThere))?;
    still_allowed(&who, output, &found.words)?;
    let exports = state.record.exports();
    let opened = crate::blocking(move || exports.file(&caller, &job, &name)).await?;
    let (_, file) = opened.map_err(refused)?;
    let kind = HeaderValue::from_static("application/fhir+ndjson");
    Ok(([(header::CONTENT_TYPE, kind)], body(file)).into_response())
}

/// A file holds what the token may read now: its type is in scope, and within queries the export was
/// made with.
fn still_allowed(
    who: &Asker,
    output: &ExportOutput,
    words: &PickedWords,
) -> Result<(), ApiProblem> {
    let Some(kind) = ResourceType::from_name(&output.kind) else {
        return Ok(());
    };
    if matches!(output.kind.as_str(), "Bundle" | "OperationOutcome") {
        return who.may_somewhere(Interaction::Search);
    }
    let within = who.may(kind, Interaction::Search)?;
    let made_with = |queries: &[String]| {
        let mut groups = words.groups.iter();
        groups.any(|(name, held)| *name == output.kind && held == queries)
    };
    if within.is_everything() || made_with(within.queries()) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "The token does not allow this",
        "The export was made with wider scopes than the token has now; ask for it again.",
    )
    .into())
}

/// A file piece by piece: nothing is held whole in memory.
fn body(file: ExportFile) -> Body {
    let pieces = futures_util::stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || (file.next_piece(), file)).await;
        match read {
            Ok((Ok(Some(piece)), file)) => Some((Ok(Bytes::from(piece)), Some(file))),
            Ok((Ok(None), _)) => None,
            Ok((Err(cause), _)) => Some((Err(cause), None)),
            Err(cause) => Some((Err(std::io::Error::other(cause)), None)),
        }
    });
    Body::from_stream(pieces)
}

/// Why there is no export.
pub(super) fn refused(error: ExportError) -> Problem {
    match error {
        ExportError::NotThere => problem(care_record::DisclosureError::NotThere),
        ExportError::AlreadyRunning => Problem::too_many(
            "An export of this client is being made. Wait until it is complete, or cancel it with DELETE.",
            1,
        ),
        ExportError::Unclear(error) => unclear(error).0,
        ExportError::TooManyPeople => Problem::new(
            StatusCode::BAD_REQUEST,
            "too-costly",
            "Too many people are named",
            "Export all of them with Patient/$export and choose on your side.",
        ),
        ExportError::NoRoom => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-store",
            "There is no room for another export now",
            "Cancel an old one with DELETE, or wait until it expires.",
        )
        .again_in(600),
        ExportError::Unavailable(cause) => Problem::unavailable(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_told_apart_by_the_types_they_begin_with() {
        let table: [(&str, &[&str]); 3] = [
            ("Observation?code=1", &["Observation?code=1"]),
            (
                "Observation?code=1,2,Condition?code=3",
                &["Observation?code=1,2", "Condition?code=3"],
            ),
            ("nonsense", &["nonsense"]),
        ];
        for (text, expected) in table {
            assert_eq!(split_filters(text), expected, "{text}");
        }
    }
}
