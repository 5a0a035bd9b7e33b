//! `$validate`: whether a resource keeps to R4, to the profiles it names and to those that are asked
//! for. Nothing is kept. Of a resource that is sent any valid token may ask; without one, at a
//! resource's address, what is held is read as a read of it would be, and looked at.
//!
//! Source: FHIR R4, Resource-operation-validate.

use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use care_core::fhir::{
    IssueSeverity, Json, Limits, OutcomeIssue, ResourceType, Validation, outcome, recognise_stu3,
    xml,
};
use care_record::VersionAsk;

use super::answer::{Prefer, fhir_json};
use super::asker::Asker;
use super::operations::{Given, held_version};
use super::read::problem;
use crate::cli::validate::looks_like_xml;
use crate::problem::{ApiProblem, Problem};
use crate::state::Shared;

/// What the validation is to be of.
#[derive(Debug, Default)]
struct Wanted {
    resource: Option<Json>,
    /// It was not sent but read from the record.
    is_held: bool,
    mode: Option<String>,
    profiles: Vec<String>,
}

/// What came with the request: the query, how it prefers its answer, headers and body.
pub struct Came {
    query: Option<String>,
    prefer: Prefer,
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<Shared> for Came {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Response> {
        let headers = request.headers().clone();
        Ok(Self {
            query: request.uri().query().map(str::to_owned),
            prefer: Prefer::of(&headers),
            headers,
            body: Bytes::from_request(request, state)
                .await
                .map_err(IntoResponse::into_response)?,
        })
    }
}

/// `POST /fhir/R4/$validate`.
pub async fn of_any(
    State(state): State<Shared>,
    who: Asker,
    came: Came,
) -> Result<Response, ApiProblem> {
    answer(&state, &who, came, None, None).await
}

/// `POST /fhir/R4/{type}/$validate`.
pub async fn of_type(
    State(state): State<Shared>,
    Path(kind): Path<String>,
    who: Asker,
    came: Came,
) -> Result<Response, ApiProblem> {
    answer(&state, &who, came, Some(kind), None).await
}

/// `POST /fhir/R4/{type}/{id}/$validate`, and GET: of what is held.
pub async fn of_instance(
    State(state): State<Shared>,
    Path((kind, id)): Path<(String, String)>,
    who: Asker,
    came: Came,
) -> Result<Response, ApiProblem> {
    answer(&state, &who, came, Some(kind), Some(id)).await
}

async fn answer(
    state: &Shared,
    who: &Asker,
    came: Came,
    kind: Option<String>,
    id: Option<String>,
) -> Result<Response, ApiProblem> {
    let named = kind.as_deref().map(super::read::type_of).transpose()?;
    let given = Given::of_query(came.query.as_deref());
    given.only(&["mode", "profile"], came.prefer)?;
    let mut request = if came.body.is_empty() {
        Wanted::default()
    } else {
        check_content_type(&came.headers)?;
        let (body, name) = (came.body, kind.clone());
        let read = move || parse(&body).map(|parsed| read_request(parsed, name.as_deref()));
        match crate::blocking(read).await? {
            Ok(request) => request,
            Err(words) => {
                let mend = "Send a FHIR R4 resource, or Parameters with one, as JSON or XML.";
                let issues = [issue("structure", &words, mend)];
                return Ok(fhir_json(outcome(&issues).to_string()));
            }
        }
    };
    request.mode = request.mode.or(given.one("mode").map(str::to_owned));
    request.profiles.extend(given.all("profile"));
    let mut issues = Vec::new();
    if let (Some(named), Some(id), None) = (named, &id, &request.resource) {
        let wanted = VersionAsk {
            kind: named,
            id: id.clone(),
            version: None,
        };
        let held = held_version(state, who, wanted).await?;
        let resource = Json::parse(&held.body, Limits::default()).map_err(Problem::unavailable)?;
        issues.extend(about_writing(state, who, (named, &held.id), request.mode.as_deref()).await?);
        // Whether it may be deleted has nothing to do with how sound it is.
        request.resource = Some(resource).filter(|_| request.mode.as_deref() != Some("delete"));
        request.is_held = true;
    }
    let (intake, now) = (state.record.intake(), state.clock.now());
    let looked = crate::blocking(move || {
        let (kind, id) = (kind.as_deref(), id.as_deref());
        look(intake.rulebook(), now, &request, kind, id)
    });
    issues.extend(looked.await?);
    Ok(fhir_json(outcome(&issues).to_string()))
}

/// Whether the asker could do to what is held what the mode names.
async fn about_writing(
    state: &Shared,
    who: &Asker,
    (kind, id): (ResourceType, &str),
    mode: Option<&str>,
) -> Result<Option<OutcomeIssue>, ApiProblem> {
    if !matches!(mode, Some("create" | "update" | "delete")) {
        return Ok(None);
    }
    let Asker::Source { caller, .. } = who else {
        return Ok(Some(issue(
            "forbidden",
            "this token writes nothing: Connect Care is read-only for people",
            "Correct the entry in the system it came from.",
        )));
    };
    match mode {
        Some("create") => Ok(Some(issue(
            "duplicate",
            "it is there already, so it would not be created",
            "Update it, or send another resource to look at.",
        ))),
        Some("delete") if kind == ResourceType::PATIENT => {
            let (holdings, caller) = (state.record.holdings(), caller.clone());
            let id = id.to_owned();
            let left = crate::blocking(move || holdings.others_of(&caller, &id)).await?;
            let left = left.map_err(problem)?;
            Ok((left > 0).then(|| {
                issue(
                    "conflict",
                    &format!("you have sent {left} other resources about this person, so the Patient would not be deleted"),
                    "Delete those first, or all of them in one transaction.",
                )
            }))
        }
        _ => Ok(None),
    }
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
fn read_request(body: Json, kind: Option<&str>) -> Wanted {
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
        return Wanted {
            resource: Some(body),
            ..Wanted::default()
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
    Wanted {
        resource: named("resource")
            .first()
            .and_then(|one| one.get("resource"))
            .cloned(),
        mode: named("mode").first().and_then(|one| text(one)),
        profiles: named("profile")
            .iter()
            .filter_map(|one| text(one))
            .collect(),
        is_held: false,
    }
}

/// Every issue of a request.
fn look(
    book: &care_core::fhir::Rulebook,
    now: jiff::Timestamp,
    request: &Wanted,
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
fn asked_wrongly(request: &Wanted, kind: Option<&str>, id: Option<&str>) -> Vec<OutcomeIssue> {
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
    if request.is_held {
        return issues;
    }
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
