//! `$validate`: whether a resource keeps to R4, to the profiles it names and to those that are asked
//! for. Nothing is kept and nobody's record is read; any valid token may ask.
//!
//! Source: FHIR R4, Resource-operation-validate.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use care_core::fhir::{
    IssueSeverity, Json, Limits, OutcomeIssue, ResourceType, Validation, outcome, recognise_stu3,
    xml,
};
use serde::Deserialize;

use super::answer::fhir_json;
use crate::cli::validate::looks_like_xml;
use crate::problem::{ApiProblem, Problem};
use crate::signin::Bearer;
use crate::state::Shared;

/// What may stand in the address.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    mode: Option<String>,
    profile: Option<String>,
}

/// What the validation is to be of.
#[derive(Debug, Default)]
struct Request {
    resource: Option<Json>,
    mode: Option<String>,
    profiles: Vec<String>,
}

/// `POST /fhir/R4/$validate`.
pub async fn of_any(
    state: State<Shared>,
    who: Bearer,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    answer(state, who, asked, &headers, body, None, None).await
}

/// `POST /fhir/R4/{type}/$validate`.
pub async fn of_type(
    state: State<Shared>,
    Path(kind): Path<String>,
    who: Bearer,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    answer(state, who, asked, &headers, body, Some(kind), None).await
}

/// `POST /fhir/R4/{type}/{id}/$validate`.
pub async fn of_instance(
    state: State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    who: Bearer,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    answer(state, who, asked, &headers, body, Some(kind), Some(id)).await
}

async fn answer(
    State(state): State<Shared>,
    _: Bearer,
    asked: Asked,
    headers: &HeaderMap,
    body: Bytes,
    kind: Option<String>,
    id: Option<String>,
) -> Result<Response, ApiProblem> {
    if let Some(kind) = &kind
        && ResourceType::from_name(kind).is_none()
    {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not-supported",
            "FHIR R4 has no such resource type",
            "Write a type of FHIR R4 before $validate; capital letters count.",
        )
        .into());
    }
    check_content_type(headers)?;
    let intake = state.record.intake();
    let now = state.clock.now();
    let issues = crate::blocking(move || {
        let parsed = match parse(&body) {
            Ok(parsed) => parsed,
            Err(words) => {
                return vec![issue(
                    "structure",
                    &words,
                    "Send a FHIR R4 resource, or Parameters with one, as JSON or XML.",
                )];
            }
        };
        let mut request = read_request(parsed, kind.as_deref());
        request.mode = request.mode.or(asked.mode);
        request.profiles.extend(asked.profile);
        look(
            intake.rulebook(),
            now,
            &request,
            kind.as_deref(),
            id.as_deref(),
        )
    })
    .await?;
    Ok(fhir_json(outcome(&issues).to_string()))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiProblem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let plain = kind.split(';').next().unwrap_or_default().trim();
    let known = [
        "application/fhir+json",
        "application/json",
        "application/fhir+xml",
        "application/xml",
        "text/xml",
    ];
    if known.iter().any(|known| plain.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-supported",
        "This kind of body is not read",
        "Send Content-Type application/fhir+json or application/fhir+xml.",
    )
    .into())
}

fn parse(body: &[u8]) -> Result<Json, String> {
    if looks_like_xml(body) {
        xml::parse(body, Limits::default()).map_err(|error| error.to_string())
    } else {
        Json::parse(body, Limits::default()).map_err(|error| error.to_string())
    }
}

/// The operation's Parameters, or the resource itself. Parameters sent to `Parameters/$validate`
/// without a part `resource` are what is to be looked at.
fn read_request(body: Json, kind: Option<&str>) -> Request {
    let parameters = body.elements("parameter");
    let named = |name: &str| {
        parameters
            .iter()
            .filter(move |one| one.get("name").and_then(Json::as_text) == Some(name))
            .collect::<Vec<_>>()
    };
    let is_parameters = body.get("resourceType").and_then(Json::as_text) == Some("Parameters");
    let has_resource = !named("resource").is_empty();
    let is_ours = |one: &Json| {
        let name = one.get("name").and_then(Json::as_text);
        matches!(name, Some("resource" | "mode" | "profile"))
    };
    let is_request = is_parameters
        && (has_resource || (kind != Some("Parameters") && parameters.iter().all(is_ours)));
    if !is_request {
        return Request {
            resource: Some(body),
            ..Request::default()
        };
    }
    let text = |one: &Json| {
        [
            "valueCode",
            "valueUri",
            "valueCanonical",
            "valueString",
            "valueUrl",
        ]
        .iter()
        .find_map(|name| one.get(name)?.as_text().map(str::to_owned))
    };
    Request {
        resource: named("resource")
            .first()
            .and_then(|one| one.get("resource"))
            .cloned(),
        mode: named("mode").first().and_then(|one| text(one)),
        profiles: named("profile")
            .iter()
            .filter_map(|one| text(one))
            .collect(),
    }
}

/// Every issue of a request.
fn look(
    book: &care_core::fhir::Rulebook,
    now: jiff::Timestamp,
    request: &Request,
    kind: Option<&str>,
    id: Option<&str>,
) -> Vec<OutcomeIssue> {
    let mut issues = asked_wrongly(request, kind, id);
    let unknown: Vec<&String> = request
        .profiles
        .iter()
        .filter(|url| !book.has_profile(url))
        .collect();
    if !unknown.is_empty() {
        issues.push(issue(
            "not-found",
            "a profile that is asked for is not held here, so it cannot be looked at",
            "Ask for a profile of R4 or UK Core, or give its definition to this server (fhir.definitions).",
        ));
    }
    let Some(resource) = &request.resource else {
        return issues;
    };
    if let Some(why) = recognise_stu3(resource) {
        issues.push(issue(
            "not-supported",
            &format!("this is FHIR STU3: {why}"),
            "Send R4.",
        ));
        return issues;
    }
    let validation = Validation::new(book, now).profiles(&request.profiles);
    issues.extend(
        validation
            .issues(resource)
            .into_iter()
            .map(OutcomeIssue::from),
    );
    issues
}

/// What of the request does not go together.
fn asked_wrongly(request: &Request, kind: Option<&str>, id: Option<&str>) -> Vec<OutcomeIssue> {
    let mut issues = Vec::new();
    let mode = request.mode.as_deref();
    if !matches!(
        mode,
        None | Some("create" | "update" | "delete" | "profile")
    ) {
        issues.push(issue(
            "code-invalid",
            "there is no such mode of validation",
            "Write create, update, delete or profile.",
        ));
    }
    let Some(resource) = &request.resource else {
        if mode == Some("delete") && id.is_some() {
            return issues;
        }
        issues.push(issue(
            "required",
            "there is no resource to look at",
            "Send the resource as the body, or as the part resource of Parameters.",
        ));
        return issues;
    };
    let said = resource.get("resourceType").and_then(Json::as_text);
    if let (Some(kind), Some(said)) = (kind, said)
        && kind != said
    {
        issues.push(issue(
            "invalid",
            "the resource is of another type than the address",
            "Send it to the $validate of its own type.",
        ));
    }
    let own = resource.get("id").and_then(Json::as_text);
    match (mode, id, own) {
        (Some("update"), Some(id), own) if own != Some(id) => issues.push(issue(
            "invalid",
            "an update has the id of its address in the resource",
            "Write the id of the address into the resource.",
        )),
        (Some("update"), None, None) => issues.push(issue(
            "required",
            "an update has an id",
            "Write the id into the resource.",
        )),
        (Some("create"), _, Some(_)) => issues.push(OutcomeIssue {
            severity: IssueSeverity::Information,
            ..issue(
                "informational",
                "the server gives a created resource an id of its own",
                "The id you send is kept as your key for it.",
            )
        }),
        _ => {}
    }
    issues
}

fn issue(code: &'static str, what: &str, how: &str) -> OutcomeIssue {
    OutcomeIssue {
        severity: IssueSeverity::Error,
        code,
        details: what.to_owned(),
        diagnostics: how.to_owned(),
        expression: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), Limits::default()).expect(text)
    }

    fn looked(body: &str, kind: Option<&str>, id: Option<&str>) -> Vec<(&'static str, String)> {
        let book = care_core::fhir::Rulebook::with([]);
        let request = read_request(json(body), kind);
        let now = jiff::Timestamp::UNIX_EPOCH;
        look(&book, now, &request, kind, id)
            .into_iter()
            .filter(|issue| issue.severity >= IssueSeverity::Error)
            .map(|issue| (issue.code, issue.expression.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn what_is_asked_is_looked_at_and_what_does_not_go_together_is_named() {
        let sound = r#"{"resourceType":"Patient","id":"a","name":[{"family":"b"}]}"#;
        let wrapped = |parts: &str| {
            format!(
                r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{sound}}}{parts}]}}"#
            )
        };
        let uk = r#",{"name":"profile","valueUri":"https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"}"#;
        let update = r#",{"name":"mode","valueCode":"update"}"#;
        let none: &[&str] = &[];
        for (body, kind, id, codes) in [
            (sound.to_owned(), Some("Patient"), None, none),
            (sound.to_owned(), Some("Observation"), None, &["invalid"]),
            (wrapped(uk), Some("Patient"), None, none),
            (wrapped(update), Some("Patient"), Some("a"), none),
            (wrapped(update), Some("Patient"), Some("b"), &["invalid"]),
            (
                wrapped(r#",{"name":"mode","valueCode":"guess"}"#),
                Some("Patient"),
                None,
                &["code-invalid"],
            ),
            (
                wrapped(r#",{"name":"profile","valueUri":"http://x/unknown"}"#),
                Some("Patient"),
                None,
                &["not-found"],
            ),
            (
                r#"{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"delete"}]}"#.to_owned(),
                Some("Patient"),
                Some("a"),
                none,
            ),
            (
                r#"{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"create"}]}"#.to_owned(),
                Some("Patient"),
                None,
                &["required"],
            ),
            (
                r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#.to_owned(),
                None,
                None,
                &["invariant"],
            ),
        ] {
            let found = looked(&body, kind, id);
            let found: Vec<&str> = found.iter().map(|(code, _)| *code).collect();
            assert_eq!(found, codes, "{body} {kind:?} {id:?}");
        }
    }
}
