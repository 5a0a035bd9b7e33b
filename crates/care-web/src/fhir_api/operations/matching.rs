//! `POST Patient/$match`: who somebody may be, each with a score and a grade.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use care_core::fhir::{Json, ResourceType};
use care_core::mapping::fhir::patient_demographics;
use care_record::{MatchAsk, Matched};

use super::super::answer::{self, Prefer};
use super::super::asker::Asker;
use super::super::read::problem;
use super::given::Given;
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// Source: FHIR R4, Patient $match.
const GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";
/// The most people given.
const MOST: usize = 50;
/// People given unless `count` says otherwise.
const USUAL: usize = 10;

/// `POST Patient/$match`.
pub async fn matching(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let given = Given::of_body(query.as_deref(), &headers, &body)?;
    given.only(&["resource", "onlyCertainMatches", "count"], prefer)?;
    let within = who.may(ResourceType::PATIENT, Interaction::Search)?;
    if !within.is_everything() {
        return Err(Problem::forbidden(
            "The token does not allow this",
            "Its scope for Patient holds a query; matching needs one without.",
        )
        .into());
    }
    let resources = given.resources("resource");
    let [patient] = resources.as_slice() else {
        return Err(needs_a_patient().into());
    };
    if patient.text_at(&["resourceType"]) != Some("Patient") {
        return Err(needs_a_patient().into());
    }
    let wanted = MatchAsk {
        known: patient_demographics(patient).0,
        only_certain: given.truth("onlyCertainMatches")?,
        count: given.number("count")?.unwrap_or(USUAL).clamp(1, MOST),
    };
    let (disclosure, holdings) = (state.record.disclosure(), state.record.holdings());
    let found = crate::blocking(move || match &who {
        Asker::Person { caller, ask, .. } => disclosure
            .fhir_match(caller, ask, &wanted)
            .map(care_record::Disclosed::into_inner),
        Asker::Source { caller, .. } => holdings.matching(caller, &wanted),
    })
    .await?
    .map_err(problem)?;
    Ok(answer::fhir_json(bundle(&state.fhir_base(), &found)))
}

fn needs_a_patient() -> Problem {
    Problem::invalid(
        "$match needs one Patient",
        "Send Parameters with a parameter resource that holds a Patient: an NHS number, or a family name with a whole birth date.",
    )
    .at_parameter("resource")
}

fn bundle(base: &str, found: &[Matched]) -> Vec<u8> {
    let head = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{}",
        found.len()
    );
    let mut out = head.into_bytes();
    for (place, one) in found.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b",\"entry\":[" } else { b"," });
        let begin = format!(
            "{{\"fullUrl\":\"{base}/Patient/{}\",\"resource\":",
            one.resource.id
        );
        out.extend_from_slice(begin.as_bytes());
        out.extend_from_slice(&one.resource.body);
        let search = Json::object([
            (
                "extension",
                Json::Array(vec![Json::object([
                    ("url", GRADE.into()),
                    ("valueCode", one.score.grade().code().into()),
                ])]),
            ),
            ("mode", "match".into()),
            ("score", score(one.score.probability())),
        ]);
        out.extend_from_slice(format!(",\"search\":{search}}}").as_bytes());
    }
    out.extend_from_slice(if found.is_empty() { b"}" } else { b"]}" });
    out
}

/// A probability with four digits: more would promise what nobody measured.
fn score(probability: f64) -> Json {
    Json::Number(format!("{probability:.4}").into())
}
