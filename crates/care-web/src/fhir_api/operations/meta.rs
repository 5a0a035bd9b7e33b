//! `$meta` of one thing: its profiles, labels and tags, without the rest of it.

use axum::extract::{Path, State};
use axum::response::Response;
use care_core::fhir::{Json, Limits};
use care_record::VersionAsk;

use super::super::answer;
use super::super::asker::Asker;
use super::compared::read;
use super::kind;
use crate::problem::{ApiProblem, Problem};
use crate::state::Shared;

/// `GET {type}/{id}/$meta`.
pub async fn of_instance(
    State(state): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let wanted = VersionAsk {
        kind: kind(&name)?,
        id,
        version: None,
    };
    let found = read(&state, &who, wanted).await?;
    let resource = Json::parse(&found.body, Limits::default()).map_err(Problem::unavailable)?;
    let meta = resource.get("meta").cloned().unwrap_or(Json::Null);
    let parameter = Json::object([("name", "return".into()), ("valueMeta", meta)]);
    let parameters = Json::object([
        ("resourceType", "Parameters".into()),
        ("parameter", Json::Array(vec![parameter])),
    ]);
    Ok(answer::fhir_json(parameters.to_string()))
}
