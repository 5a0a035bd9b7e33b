//! `$diff`: what changed between two versions of a thing, or between two things of one type, as
//! FHIRPath Patch operations.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use care_core::fhir::compare::compare;
use care_core::fhir::{Json, Limits, ResourceType};
use care_record::{FhirResource, VersionAsk};

use super::super::answer::{self, Prefer};
use super::super::asker::Asker;
use super::super::read::{check_id, problem};
use super::super::search::fhir_problem;
use super::given::Given;
use super::{kind, picked, read_picked};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// `GET {type}/{id}/$diff`: from an earlier version, the one before unless `fromVersion` says another,
/// to the current one.
pub async fn of_instance(
    State(state): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    given.only(&["fromVersion", "includeMeta"], prefer)?;
    let named = |version| -> Result<VersionAsk, ApiProblem> {
        Ok(VersionAsk {
            kind: kind(&name)?,
            id: id.clone(),
            version,
        })
    };
    let to = read(&state, &who, named(None)?).await?;
    let from = match given.number("fromVersion")? {
        Some(version) => version_of(version)?,
        None => before(to.version)?,
    };
    let from = read(&state, &who, named(Some(from))?).await?;
    told(&from, &to, given.truth("includeMeta")?)
}

/// `GET {type}/{id}/_history/{version}/$diff`: what that version changed.
pub async fn of_version(
    State(state): State<Shared>,
    Path((name, id, version)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    given.only(&["includeMeta"], prefer)?;
    let version: u32 = version.parse().map_err(|_| not_a_version())?;
    let named = |version| -> Result<VersionAsk, ApiProblem> {
        Ok(VersionAsk {
            kind: kind(&name)?,
            id: id.clone(),
            version: Some(version),
        })
    };
    let to = read(&state, &who, named(version)?).await?;
    let from = read(&state, &who, named(before(version)?)?).await?;
    told(&from, &to, given.truth("includeMeta")?)
}

/// `GET $diff?from=&to=`: between two versions or two things of one type.
pub async fn of_two(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let given = Given::of_query(query.as_deref());
    given.only(&["from", "to", "includeMeta"], prefer)?;
    let from = read(&state, &who, named(&given, "from")?).await?;
    let to = read(&state, &who, named(&given, "to")?).await?;
    told(&from, &to, given.truth("includeMeta")?)
}

/// Reads one version, if the token may.
pub(in crate::fhir_api) async fn read(
    state: &Shared,
    who: &Asker,
    wanted: VersionAsk,
) -> Result<FhirResource, ApiProblem> {
    check_id(&wanted.id)?;
    let words = picked(who, Some(&[wanted.kind]), Interaction::Read)?;
    let picked = read_picked(state, &words)?;
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    let (who, kind) = (who.clone(), wanted.kind);
    let found = crate::blocking(move || match &who {
        Asker::Person { caller, ask, .. } => disclosure
            .fhir_version(caller, ask, &wanted)
            .map(care_record::Disclosed::into_inner),
        Asker::Source { caller, .. } => holdings.version(caller, &wanted),
    })
    .await?
    .map_err(fhir_problem)?;
    if !picked.fits(kind, &found.body, state.clock.now()) {
        return Err(problem(care_record::DisclosureError::NotThere).into());
    }
    Ok(found)
}

fn told(from: &FhirResource, to: &FhirResource, with_meta: bool) -> Result<Response, ApiProblem> {
    let parsed = |one: &FhirResource| {
        Json::parse(&one.body, Limits::default()).map_err(Problem::unavailable)
    };
    let difference = compare(&parsed(from)?, &parsed(to)?, with_meta).ok_or_else(|| {
        Problem::invalid(
            "Two types cannot be compared",
            "Name two versions of one thing, or two things of one type.",
        )
    })?;
    Ok(answer::fhir_json(difference.to_string()))
}

/// `Type/id` or `Type/id/_history/version`.
fn named(given: &Given, parameter: &str) -> Result<VersionAsk, ApiProblem> {
    let wrong = || {
        let problem = Problem::invalid(
            "This names no version",
            "Write Type/id or Type/id/_history/version, relative to this server.",
        );
        ApiProblem(problem.at_parameter(parameter))
    };
    let text = given.one(parameter).ok_or_else(wrong)?;
    let parts: Vec<&str> = text.split('/').collect();
    let (name, id, version) = match parts.as_slice() {
        [name, id] => (name, id, None),
        [name, id, "_history", version] => (name, id, Some(version.parse().map_err(|_| wrong())?)),
        _ => return Err(wrong()),
    };
    Ok(VersionAsk {
        kind: ResourceType::from_name(name).ok_or_else(wrong)?,
        id: (*id).to_owned(),
        version,
    })
}

fn version_of(number: usize) -> Result<u32, ApiProblem> {
    Ok(u32::try_from(number).map_err(|_| not_a_version())?)
}

fn before(version: u32) -> Result<u32, ApiProblem> {
    let before = version.checked_sub(1).filter(|before| *before > 0);
    Ok(before.ok_or_else(|| {
        Problem::invalid(
            "There is no version before this one",
            "Name another with fromVersion, or compare two things with $diff?from=&to=.",
        )
    })?)
}

fn not_a_version() -> Problem {
    Problem::invalid("This is no version", "Versions are whole numbers from 1.")
}
