//! `$meta`: profiles, labels and tags without the rest of a resource, of one thing, of a type, of everything
//! a source sent. `$meta-add` and `$meta-delete`: a source changes those of a thing it sent, as a new version.
//!
//! What the record itself labels (the category, the protection) it labels again at every write, so neither
//! operation takes it away. Source: FHIR R4, Resource-operation-meta, -meta-add, -meta-delete.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use care_core::fhir::{Json, Limits, ResourceType};
use care_record::{Picked, RestAnswer, RestMethod, RestWrite, SupplyCaller, VersionAsk};

use super::super::answer::{self, Prefer, set_version};
use super::super::asker::Asker;
use super::super::read::{check_id, problem};
use super::super::search::fhir_problem;
use super::super::write::{self, Performed, REQUEST_ID, may_write, perform, refused};
use super::compared::read;
use super::given::{Given, parsed};
use super::{kind, picked, read_picked};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

/// How often a change is tried again that others came before.
const ATTEMPTS: usize = 16;

/// `GET {type}/{id}/$meta`.
pub async fn of_instance(
    State(state): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    Given::of_query(query.as_deref()).only(&[], prefer)?;
    of_one(&state, &who, (&name, id), None).await
}

/// `GET {type}/{id}/_history/{version}/$meta`.
pub async fn of_version(
    State(state): State<Shared>,
    Path((name, id, version)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    Given::of_query(query.as_deref()).only(&[], prefer)?;
    let version = version.parse().map_err(|_| {
        Problem::invalid("This is no version", "Versions are whole numbers from 1.")
    })?;
    of_one(&state, &who, (&name, id), Some(version)).await
}

async fn of_one(
    state: &Shared,
    who: &Asker,
    (name, id): (&str, String),
    version: Option<u32>,
) -> Result<Response, ApiProblem> {
    let wanted = VersionAsk {
        kind: kind(name)?,
        id,
        version,
    };
    let found = read(state, who, wanted).await?;
    let resource = Json::parse(&found.body, Limits::default()).map_err(Problem::unavailable)?;
    Ok(given_back(resource.get("meta").cloned()))
}

/// `GET {type}/$meta`: of everything of a type the source sent.
pub async fn of_type(
    State(state): State<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    Given::of_query(query.as_deref()).only(&[], prefer)?;
    of_many(&state, &who, Some(kind(&name)?)).await
}

/// `GET $meta`: of everything the source sent.
pub async fn of_system(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    Given::of_query(query.as_deref()).only(&[], prefer)?;
    of_many(&state, &who, None).await
}

async fn of_many(
    state: &Shared,
    who: &Asker,
    kind: Option<ResourceType>,
) -> Result<Response, ApiProblem> {
    let Asker::Source { caller, .. } = who else {
        return Err(Problem::forbidden(
            "Only sources may ask for the labels of many things",
            "Connect Care shows people one person's record at a time. Ask for $meta of one resource.",
        )
        .into());
    };
    let only = kind.map(|kind| vec![kind]);
    let words = picked(who, only.as_deref(), Interaction::Read)?;
    let picked = read_picked(state, &words)?;
    let (holdings, caller) = (state.record.holdings(), caller.clone());
    let found = crate::blocking(move || holdings.labels(&caller, kind, &picked)).await?;
    let labels = found.map_err(problem)?.ok_or_else(|| {
        Problem::invalid(
            "There is too much to look through for one answer",
            "Ask for $meta of one type that holds less, or of one resource; or search by _tag, _profile and _security.",
        )
    })?;
    Ok(given_back(Some(labels.meta())))
}

fn given_back(meta: Option<Json>) -> Response {
    let meta = meta.unwrap_or_else(|| Json::Object(Vec::new()));
    let parameter = Json::object([("name", "return".into()), ("valueMeta", meta)]);
    let parameters = Json::object([
        ("resourceType", "Parameters".into()),
        ("parameter", Json::Array(vec![parameter])),
    ]);
    answer::fhir_json(parameters.to_string())
}

/// What becomes of what is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Delete,
}

/// `POST {type}/{id}/$meta-add`.
pub async fn add(
    State(state): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    change(&state, &who, (&name, id), (Change::Add, &headers, body)).await
}

/// `POST {type}/{id}/$meta-delete`.
pub async fn delete(
    State(state): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    who: Asker,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    change(&state, &who, (&name, id), (Change::Delete, &headers, body)).await
}

async fn change(
    state: &Shared,
    who: &Asker,
    (name, id): (&str, String),
    (change, headers, body): (Change, &HeaderMap, Bytes),
) -> Result<Response, ApiProblem> {
    let kind = kind(name)?;
    check_id(&id)?;
    let within = may_write(state, who, kind, RestMethod::Update)?;
    let caller = who.source()?.clone();
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let form = form.split(';').next().unwrap_or_default().trim();
    let named = named(&parsed(form, &body)?)?;
    let if_match = write::text(headers, &header::IF_MATCH);
    let request_id = write::text(headers, &REQUEST_ID);
    let asked = Asked {
        kind,
        id,
        change,
        named,
        if_match,
        request_id,
        body,
        within,
    };
    let shared = state.clone();
    let done = crate::blocking(move || asked.write(&shared, &caller)).await??;
    let Some(one) = done else {
        return Err(Problem::unavailable("others wrote meanwhile, again and again").into());
    };
    write::count(state, one.outcome);
    let written = match one.result {
        Ok(written) => written.into_iter().next(),
        Err(refusal) => return Ok(refused(refusal)),
    };
    let written = written.ok_or_else(|| Problem::unavailable("a write without an answer"))?;
    let body = written.body.unwrap_or_default();
    let resource = Json::parse(&body, Limits::default()).map_err(Problem::unavailable)?;
    let mut response = given_back(resource.get("meta").cloned());
    if let Some(version) = written.version {
        set_version(response.headers_mut(), version, written.updated_at);
    }
    Ok(response)
}

/// The Meta of a Parameters resource.
fn named(body: &Json) -> Result<Json, ApiProblem> {
    let wrong = |what: &str| {
        ApiProblem::from(
            Problem::invalid(
                what,
                "Send Parameters with one parameter meta, whose valueMeta has profile, security or tag.",
            )
            .at_parameter("meta"),
        )
    };
    if body.text_at(&["resourceType"]) != Some("Parameters") {
        return Err(wrong("The body is no Parameters resource"));
    }
    let all = body.elements("parameter");
    let [one] = all else {
        return Err(wrong("One parameter is needed, and no other"));
    };
    let meta = one
        .get("valueMeta")
        .filter(|_| one.text_at(&["name"]) == Some("meta"))
        .ok_or_else(|| wrong("There is no parameter meta with a valueMeta"))?;
    let is_text = |one: &Json| one.as_text().is_some_and(|text| !text.is_empty());
    let is_coding = |one: &Json| one.text_at(&["code"]).is_some_and(|code| !code.is_empty());
    let is_sound = meta.elements("profile").iter().all(is_text)
        && ["security", "tag"]
            .iter()
            .all(|name| meta.elements(name).iter().all(is_coding));
    let has_some = ["profile", "security", "tag"]
        .iter()
        .any(|name| !meta.elements(name).is_empty());
    if !is_sound || !has_some {
        return Err(wrong(
            "The Meta names nothing, or something without an address or code",
        ));
    }
    Ok(meta.clone())
}

/// A change of labels, read.
struct Asked {
    kind: ResourceType,
    id: String,
    change: Change,
    named: Json,
    if_match: Option<String>,
    request_id: Option<String>,
    body: Bytes,
    within: Option<Picked>,
}

impl Asked {
    /// Reads the thing, changes its labels and writes it over the version that was read; again where
    /// somebody came between, unless the asker named the version.
    fn write(
        &self,
        state: &Shared,
        caller: &SupplyCaller,
    ) -> Result<Option<RestAnswer>, ApiProblem> {
        let holdings = state.record.holdings();
        let wanted = VersionAsk {
            kind: self.kind,
            id: self.id.clone(),
            version: None,
        };
        let verb = match self.change {
            Change::Add => "$meta-add",
            Change::Delete => "$meta-delete",
        };
        for _ in 0..ATTEMPTS {
            let found = holdings.version(caller, &wanted).map_err(fhir_problem)?;
            let mut resource =
                Json::parse(&found.body, Limits::default()).map_err(Problem::unavailable)?;
            let meta = changed(resource.get("meta"), &self.named, self.change);
            resource.set("meta", meta);
            let over = format!("W/\"{}\"", found.version);
            let one = RestWrite {
                method: RestMethod::Update,
                resource_type: self.kind,
                id: Some(found.id),
                criteria: None,
                if_match: Some(self.if_match.clone().unwrap_or(over)),
                if_none_match: None,
                if_none_exist: None,
                body: Some(resource),
                full_url: None,
                entry: None,
                within: self.within.clone(),
            };
            let answer = perform(
                state,
                caller,
                Performed {
                    writes: vec![one],
                    kind: &format!("POST {}/{verb}", self.kind),
                    asked: &format!("{verb} {}/{} {:?}", self.kind, self.id, self.if_match),
                    bytes: &self.body,
                    request_id: self.request_id.as_deref(),
                },
            );
            let came_between = self.if_match.is_none()
                && answer.result.as_ref().is_err_and(|one| one.status == 412);
            if !came_between {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}

/// A Meta with the named profiles, labels and tags, or without them. Codings are the same where system
/// and code are.
fn changed(held: Option<&Json>, named: &Json, change: Change) -> Json {
    let mut meta = held.cloned().unwrap_or_else(|| Json::Object(Vec::new()));
    let same = |left: &Json, right: &Json| match (left.as_text(), right.as_text()) {
        (Some(left), Some(right)) => left == right,
        (None, None) => ["system", "code"]
            .iter()
            .all(|name| left.text_at(&[name]) == right.text_at(&[name])),
        _ => false,
    };
    for name in ["profile", "security", "tag"] {
        let mut all = meta.elements(name).to_vec();
        for one in named.elements(name) {
            match change {
                Change::Add if all.iter().any(|held| same(held, one)) => {}
                Change::Add => all.push(one.clone()),
                Change::Delete => all.retain(|held| !same(held, one)),
            }
        }
        meta.set(name, Json::list(all));
    }
    meta
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_added_once_and_taken_away_by_system_and_code() {
        let json = |text: &str| Json::parse(text.as_bytes(), Limits::default()).expect(text);
        let held = json(r#"{"versionId":"1","tag":[{"system":"s","code":"a","display":"A"}]}"#);
        for (change, named, expected) in [
            (
                Change::Add,
                r#"{"tag":[{"system":"s","code":"a"}]}"#,
                r#"{"versionId":"1","tag":[{"system":"s","code":"a","display":"A"}]}"#,
            ),
            (
                Change::Add,
                r#"{"profile":["http://p"],"tag":[{"code":"a"}]}"#,
                r#"{"versionId":"1","tag":[{"system":"s","code":"a","display":"A"},{"code":"a"}],"profile":["http://p"]}"#,
            ),
            (
                Change::Delete,
                r#"{"tag":[{"system":"s","code":"a"}],"profile":["http://none"]}"#,
                r#"{"versionId":"1"}"#,
            ),
            (
                Change::Delete,
                r#"{"tag":[{"system":"t","code":"a"}]}"#,
                r#"{"versionId":"1","tag":[{"system":"s","code":"a","display":"A"}]}"#,
            ),
        ] {
            let found = changed(Some(&held), &json(named), change);
            assert_eq!(found.to_string(), expected, "{change:?} {named}");
        }
    }
}
