//! Searching: by GET and POST, of a type, of the system, of a compartment. The parameters are read, the
//! record's engine searches, and the page leaves with its links.
//!
//! What may identify somebody never stands in an address of ours: those parameters travel in the page's
//! sealed token. Source: FHIR R4 sections 3.1.1 and 3.1.0.12.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use care_core::fhir::search::{
    COMPARTMENTS, Criterion, Modifier, ParameterKind, Parameters, Query, QueryError, Question,
    Summary, types_in_compartment,
};
use care_core::fhir::{IssueSeverity, OutcomeIssue, ResourceType, outcome};
use care_core::vocabulary::NhsNumber;
use care_record::{Caller, Cursor, FhirAsk, FhirError, Readable, SearchAsk, SearchPage};

use super::answer::{self, Asked, Mode, Prefer, Searchset};
use super::asker::{Asker, unread_scope};
use super::page_token::{self, MOST_BACK, PageToken};
use super::read::{MOST_ITEMS, problem, type_of};
use crate::problem::{ApiProblem, Problem};
use crate::signin::scopes::Interaction;
use crate::state::Shared;

type Pairs = Vec<(String, String)>;

/// A search as it came.
struct Request {
    /// One type; none: several.
    kind: Option<ResourceType>,
    compartment: Option<(ResourceType, String)>,
    /// The address below the base: `Observation`, `Patient/x/Observation`, or nothing.
    path: String,
    pairs: Pairs,
    is_posted: bool,
    prefer: Prefer,
}

/// `GET /fhir/R4/{type}`.
pub async fn of_type(
    State(state): State<Shared>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    let pairs = pairs(query.as_deref());
    let request = Request {
        kind: Some(kind),
        compartment: None,
        path: kind.to_string(),
        pairs,
        is_posted: false,
        prefer,
    };
    run(state, who, request).await
}

/// `POST /fhir/R4/{type}/_search`: the parameters of the form and of the address together.
pub async fn of_type_posted(
    State(state): State<Shared>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    who: Asker,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let kind = type_of(&kind)?;
    let request = Request {
        kind: Some(kind),
        compartment: None,
        path: kind.to_string(),
        pairs: with_form(query.as_deref(), &headers, &body)?,
        is_posted: true,
        prefer: Prefer::of(&headers),
    };
    run(state, who, request).await
}

/// `GET /fhir/R4?_type=…`.
pub async fn of_system(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let request = Request {
        kind: None,
        compartment: None,
        path: String::new(),
        pairs: pairs(query.as_deref()),
        is_posted: false,
        prefer,
    };
    run(state, who, request).await
}

/// `POST /fhir/R4/_search`.
pub async fn of_system_posted(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    who: Asker,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let request = Request {
        kind: None,
        compartment: None,
        path: String::new(),
        pairs: with_form(query.as_deref(), &headers, &body)?,
        is_posted: true,
        prefer: Prefer::of(&headers),
    };
    run(state, who, request).await
}

/// `GET /fhir/R4/{type}/{id}/{inner}`: one type of a compartment, or `*` for all of them.
pub async fn of_compartment(
    State(state): State<Shared>,
    Path((of, id, inner)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    prefer: Prefer,
    who: Asker,
) -> Result<Response, ApiProblem> {
    let request = in_compartment(&of, id, &inner, pairs(query.as_deref()), (false, prefer))?;
    run(state, who, request).await
}

/// `POST /fhir/R4/{type}/{id}/{inner}/_search`.
pub async fn of_compartment_posted(
    State(state): State<Shared>,
    Path((of, id, inner)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    who: Asker,
    body: Bytes,
) -> Result<Response, ApiProblem> {
    let pairs = with_form(query.as_deref(), &headers, &body)?;
    let request = in_compartment(&of, id, &inner, pairs, (true, Prefer::of(&headers)))?;
    run(state, who, request).await
}

fn in_compartment(
    of: &str,
    id: String,
    inner: &str,
    pairs: Pairs,
    (is_posted, prefer): (bool, Prefer),
) -> Result<Request, ApiProblem> {
    let of = type_of(of)?;
    if !COMPARTMENTS.contains(&of.name()) {
        return Err(Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            "not-supported",
            "There is no compartment of this type",
            "R4 has compartments of Patient, Encounter, Practitioner, RelatedPerson and Device.",
        )
        .into());
    }
    super::read::check_id(&id)?;
    let kind = if inner == "*" {
        None
    } else {
        Some(type_of(inner)?)
    };
    Ok(Request {
        kind,
        path: format!("{of}/{id}/{inner}"),
        compartment: Some((of, id)),
        pairs,
        is_posted,
        prefer,
    })
}

fn pairs(query: Option<&str>) -> Pairs {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

fn with_form(query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Pairs, ApiProblem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !body.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Problem::new(
            axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-supported",
            "This kind of body is not read",
            "Send the parameters of a search as application/x-www-form-urlencoded.",
        )
        .into());
    }
    let mut all = pairs(query);
    all.extend(form_urlencoded::parse(body).into_owned());
    Ok(all)
}

async fn run(state: Shared, who: Asker, mut request: Request) -> Result<Response, ApiProblem> {
    if request
        .kind
        .is_some_and(|kind| kind.name() == super::audit::TYPE)
    {
        return of_log(&state, who, &request).await;
    }
    let base = state.fhir_base();
    let page = opened(&state, &who, &mut request)?;
    if let (Asker::Person { caller, ask, .. }, Some(ResourceType::PATIENT)) = (&who, request.kind)
        && request.pairs.iter().any(|(name, _)| name == "identifier")
    {
        who.may(ResourceType::PATIENT, Interaction::Search)?;
        return by_number(&state, (caller, ask), &request, &base).await;
    }
    let parameters = state.record.search_parameters().all();
    let query = read_query(&request, &parameters, &base)?;
    let ask = ask_of(&state, &who, &request, query, &page, &base)?;
    let told: Vec<OutcomeIssue> = ask.query.ignored.iter().map(|name| ignored(name)).collect();
    let (wanted, by) = (ask.clone(), who.clone());
    let found = match &by {
        Asker::Person { caller, ask, .. } => {
            let (disclosure, caller, ask) =
                (state.record.disclosure(), caller.clone(), ask.clone());
            crate::blocking(move || disclosure.fhir_query(&caller, &ask, &wanted)).await?
        }
        Asker::Source { caller, .. } => {
            let (supply, caller) = (state.record.supply(), caller.clone());
            match crate::blocking(move || supply.search_soon(&caller, &wanted)).await? {
                Ok(written) => written.await,
                Err(refused) => Err(refused),
            }
        }
    };
    let mut found = found.map_err(fhir_problem)?.into_inner();
    found.told.extend(told);
    let links = links(&state, &who, &request, (&ask, &page), &found, &base)?;
    let set = Searchset {
        total: found.total,
        links,
        told: (!found.told.is_empty()).then(|| outcome(&found.told)),
    };
    let entries = found.entries.iter().map(|one| {
        let mode = if one.included {
            Mode::Include
        } else {
            Mode::Match
        };
        (mode, &one.resource)
    });
    Ok(in_shape(
        &request,
        answer::fhir_json(set.write(&base, entries)),
    ))
}

/// What a form says of the answer's format counts as what an address says.
fn in_shape(request: &Request, mut response: Response) -> Response {
    if request.is_posted {
        response
            .extensions_mut()
            .insert(Asked(request.pairs.clone()));
    }
    response
}

/// The log is searched by its own rules: its entries are not items.
async fn of_log(state: &Shared, who: Asker, request: &Request) -> Result<Response, ApiProblem> {
    who.may(ResourceType::AUDIT_EVENT, Interaction::Search)?;
    let Asker::Person { caller, ask, .. } = who else {
        return Err(Problem::forbidden(
            "The log is read by its reviewers",
            "A source reads back what it sent, and it sends no AuditEvent.",
        )
        .into());
    };
    let text = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&request.pairs)
        .finish();
    super::audit::search(state, *caller, *ask, &text).await
}

/// A Patient by NHS number: for a person's token by POST alone, so that no number stands in an address.
async fn by_number(
    state: &Shared,
    (caller, ask): (&Caller, &FhirAsk),
    request: &Request,
    base: &str,
) -> Result<Response, ApiProblem> {
    if !request.is_posted {
        return Err(Problem::invalid(
            "No number may stand in an address",
            "Send identifier in the form body of POST Patient/_search.",
        )
        .at_parameter("identifier")
        .into());
    }
    let is_other = |name: &str| {
        !matches!(
            name,
            "identifier" | "_format" | "_pretty" | "_summary" | "_elements" | "_count" | "_total"
        )
    };
    if let Some((name, _)) = request.pairs.iter().find(|(name, _)| is_other(name)) {
        return Err(Problem::invalid(
            "A Patient is found by NHS number alone",
            "Send identifier without other criteria; then search with patient=Patient/{id}.",
        )
        .at_parameter(name)
        .into());
    }
    let mut numbers = request
        .pairs
        .iter()
        .filter(|(name, _)| name == "identifier");
    let number = numbers
        .next()
        .filter(|_| numbers.next().is_none())
        .and_then(|(_, text)| NhsNumber::parse(text.rsplit('|').next().unwrap_or_default()).ok())
        .ok_or_else(|| {
            Problem::invalid(
                "A Patient is found by NHS number",
                "Send identifier once, with the ten digits of a valid NHS number, in the form body.",
            )
            .at_parameter("identifier")
        })?;
    let (disclosure, caller, ask) = (state.record.disclosure(), caller.clone(), ask.clone());
    let found = crate::blocking(move || disclosure.fhir_find(&caller, &ask, number)).await?;
    let found = found.map_err(problem)?.into_inner();
    let set = Searchset {
        total: Some(u64::from(found.is_some())),
        links: vec![("self", format!("{base}/Patient/_search"))],
        told: None,
    };
    let entries = found.iter().map(|one| (Mode::Match, one));
    Ok(in_shape(
        request,
        answer::fhir_json(set.write(base, entries)),
    ))
}

/// Takes the page's token out of the parameters and puts what it hid among them.
fn opened(state: &Shared, who: &Asker, request: &mut Request) -> Result<PageToken, ApiProblem> {
    let Some(at) = request.pairs.iter().position(|(name, _)| name == "_page") else {
        return Ok(PageToken::default());
    };
    let (_, text) = request.pairs.remove(at);
    let token = page_token::open(state, &text, &for_what(who, request, &request.pairs))?;
    request.pairs.extend(token.hidden.iter().cloned());
    Ok(token)
}

/// Whom and what a page's token is for: the asker, the address and the parameters that stand in it.
fn for_what(who: &Asker, request: &Request, shown: &[(String, String)]) -> String {
    let who = match who {
        Asker::Person { caller, .. } => format!("{}\n{}", caller.user.id, caller.session),
        Asker::Source { caller, .. } => format!("{}\n{}", caller.client, caller.source),
    };
    let shown = shown
        .iter()
        // How the answer is written says nothing of what it is.
        .filter(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
    let parameters = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(shown)
        .finish();
    format!("{who}\n{}\n{parameters}", request.path)
}

fn read_query(request: &Request, parameters: &Parameters, base: &str) -> Result<Query, ApiProblem> {
    let pairs = request
        .pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let handling = request.prefer.handling;
    let query =
        Query::read(request.kind, pairs, parameters, base, handling).map_err(query_problem)?;
    if query.summary == Some(Summary::Text) && !query.includes.is_empty() {
        return Err(Problem::invalid(
            "_summary=text and includes do not go together",
            "Leave one of them out.",
        )
        .at_parameter("_summary")
        .into());
    }
    Ok(query)
}

pub(super) fn query_problem(error: QueryError) -> Problem {
    let first = error.what.chars().next().into_iter();
    let what: String = first
        .flat_map(char::to_uppercase)
        .chain(error.what.chars().skip(1))
        .collect();
    Problem::new(
        axum::http::StatusCode::BAD_REQUEST,
        error.code,
        format!("{}: {}", error.parameter, error.what),
        format!("{what}. To mend it: {}.", error.mend),
    )
    .at_parameter(&error.parameter)
}

/// A client is asked to wait so long for the index: a minute makes some hundred thousand items.
const INDEX_SECONDS: u32 = 60;

/// Why a read or search gave nothing.
pub(super) fn fhir_problem(error: FhirError) -> Problem {
    match error {
        FhirError::Disclosure(error) => problem(error),
        FhirError::Gone => Problem::new(
            axum::http::StatusCode::GONE,
            "deleted",
            "This was deleted",
            "Whoever sent it took it away. Its history says when.",
        ),
        FhirError::Indexing => Problem::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "transient",
            "The search index is being made",
            "Nothing was lost, and reading by our ids works. Try again in a minute; /metrics tells the operator how far it is.",
        )
        .again_in(INDEX_SECONDS),
        FhirError::Cannot {
            parameter,
            what,
            mend,
        } => query_problem(QueryError {
            parameter,
            what,
            mend: mend.to_owned(),
            code: "invalid",
        }),
    }
}

fn ignored(name: &str) -> OutcomeIssue {
    OutcomeIssue {
        severity: IssueSeverity::Warning,
        code: "not-supported",
        details: format!("The parameter {name} was passed over"),
        diagnostics: "It is unknown here, so more may be found than was asked for.".to_owned(),
        expression: None,
    }
}

fn ask_of(
    state: &Shared,
    who: &Asker,
    request: &Request,
    query: Query,
    page: &PageToken,
    base: &str,
) -> Result<SearchAsk, ApiProblem> {
    let types = types(who, request, &query)?;
    let count = match query.summary {
        Some(Summary::Count) => 0,
        _ => query
            .count
            .unwrap_or(state.config.fhir.page_items)
            .min(MOST_ITEMS),
    };
    let parameters = state.record.search_parameters().all();
    let readable = readable(who, &types, !query.includes.is_empty(), (base, &parameters))?;
    Ok(SearchAsk {
        page: page_name(request),
        types,
        compartment: request.compartment.clone(),
        readable,
        count,
        cursor: page.cursor.clone(),
        query,
    })
}

/// The types to search: the one of the address, those of `_type`, or those of the compartment.
fn types(who: &Asker, request: &Request, query: &Query) -> Result<Vec<ResourceType>, ApiProblem> {
    if let Some(kind) = request.kind {
        who.may(kind, Interaction::Search)?;
        return Ok(vec![kind]);
    }
    who.may_somewhere(Interaction::Search)?;
    let mut types = match (&query.types[..], &request.compartment) {
        ([], Some((of, _))) => types_in_compartment(of.name()),
        ([], None) => {
            return Err(Problem::invalid(
                "A search of the whole system names its types",
                "Add _type, such as _type=Observation,Condition.",
            )
            .at_parameter("_type")
            .into());
        }
        (named, _) => named.to_vec(),
    };
    types.sort_unstable();
    types.dedup();
    types.retain(|kind| {
        *kind != ResourceType::AUDIT_EVENT && who.may(*kind, Interaction::Search).is_ok()
    });
    if types.is_empty() {
        return Err(Problem::forbidden(
            "The token does not allow this",
            "Its scopes hold s for none of these types.",
        )
        .into());
    }
    Ok(types)
}

/// What the token's scopes leave: of the types that are searched, and of those that may go along.
pub(super) fn readable(
    who: &Asker,
    types: &[ResourceType],
    with_all: bool,
    (base, parameters): (&str, &Parameters),
) -> Result<Readable, ApiProblem> {
    let context = who.bearer().context();
    if who.scopes().allow_every(context, Interaction::Search)
        && who.scopes().allow_every(context, Interaction::Read)
    {
        return Ok(Readable::everything());
    }
    let mut readable = Readable::default();
    let all = ResourceType::all().filter(|_| with_all);
    for kind in types.iter().copied().chain(all) {
        // What goes along is read; what is searched was asked about before.
        let interaction = if types.contains(&kind) {
            Interaction::Search
        } else {
            Interaction::Read
        };
        let Ok(within) = who.may(kind, interaction) else {
            continue;
        };
        let lists = within
            .queries()
            .iter()
            .map(|query| narrowing(kind, query, base, parameters));
        readable
            .types
            .insert(kind, lists.collect::<Result<_, _>>()?);
    }
    Ok(readable)
}

/// The criteria of a granular scope.
pub(super) fn narrowing(
    kind: ResourceType,
    query: &str,
    base: &str,
    parameters: &Parameters,
) -> Result<Vec<Criterion>, ApiProblem> {
    let pairs = pairs(Some(query));
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let strict = care_core::fhir::search::Handling::Strict;
    let read = Query::read(Some(kind), pairs, parameters, base, strict);
    match read {
        Ok(query) if !query.criteria.is_empty() => Ok(query.criteria),
        _ => Err(unread_scope().into()),
    }
}

/// The page's name in the log: the address without ids, and the names of the parameters.
fn page_name(request: &Request) -> String {
    let path = match (&request.compartment, request.kind) {
        (Some((of, _)), Some(kind)) => format!("{of}/{kind}"),
        (Some((of, _)), None) => format!("{of}/*"),
        (None, Some(kind)) => kind.to_string(),
        (None, None) => "_type".to_owned(),
    };
    let mut names: Vec<&str> = request
        .pairs
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !matches!(*name, "_format" | "_pretty" | "_count" | "_elements"))
        // Whatever was invented here may hold anything, so it is not written down.
        .filter(|name| name.len() <= 80 && name.chars().all(is_of_a_name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(12);
    if names.is_empty() {
        format!("GET {path}")
    } else {
        format!("GET {path}?{}", names.join("&"))
    }
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | ':' | '.')
}

/// Whether a parameter may stand in an address: it can identify nobody.
fn may_be_shown(name: &str, query: &Query) -> bool {
    if name.starts_with('_') && !name.starts_with("_has") {
        return !matches!(name, "_text" | "_content" | "_filter");
    }
    let about = query.criteria.iter().filter(|one| one.name == name);
    let is_safe = |criterion: &Criterion| match &criterion.question {
        Question::Parameter {
            parameter,
            modifier,
            ..
        } => match parameter.kind {
            ParameterKind::Reference => *modifier != Modifier::Identifier,
            ParameterKind::Token => {
                let code = &*parameter.code;
                let is_of_a_person = matches!(code, "identifier" | "telecom" | "phone" | "email")
                    || code.ends_with("identifier");
                !is_of_a_person && !matches!(modifier, Modifier::OfType | Modifier::Text)
            }
            ParameterKind::Date => !matches!(&*parameter.code, "birthdate" | "death-date"),
            ParameterKind::Number | ParameterKind::Quantity | ParameterKind::Uri => true,
            _ => false,
        },
        _ => false,
    };
    let mut all = about.peekable();
    all.peek().is_some() && all.all(is_safe)
}

/// The links of a page: itself, the first, the one before and the one after.
fn links(
    state: &Shared,
    who: &Asker,
    request: &Request,
    (ask, page): (&SearchAsk, &PageToken),
    found: &SearchPage,
    base: &str,
) -> Result<Vec<(&'static str, String)>, ApiProblem> {
    // A source that put a parameter into an address itself gets it back in one.
    let hides = request.is_posted || matches!(who, Asker::Person { .. }) || !page.hidden.is_empty();
    let understood = request
        .pairs
        .iter()
        .filter(|(name, value)| !value.is_empty() && !ask.query.ignored.contains(name));
    let (shown, hidden): (Pairs, Pairs) = understood
        .cloned()
        .partition(|(name, _)| !hides || may_be_shown(name, &ask.query));
    let address = |cursor: Option<Cursor>, back: Vec<Option<care_record::After>>| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(&shown);
        if cursor.is_some() || !hidden.is_empty() {
            let token = PageToken {
                cursor,
                back,
                hidden: hidden.clone(),
            };
            let token = page_token::seal(state, &token, &for_what(who, request, &shown))?;
            pairs.append_pair("_page", &token);
        }
        let query = pairs.finish();
        let mut address = base.to_owned();
        if !request.path.is_empty() {
            address.push('/');
            address.push_str(&request.path);
        }
        if !query.is_empty() {
            address.push('?');
            address.push_str(&query);
        }
        Ok::<_, ApiProblem>(address)
    };
    let mut links = vec![("self", address(page.cursor.clone(), page.back.clone())?)];
    let here = match (&found.here, &found.next) {
        (Some(here), Some(_)) => here,
        (Some(here), None) if page.cursor.is_some() => here,
        _ => return Ok(links),
    };
    let begin = Cursor {
        after: None,
        ..here.clone()
    };
    if here.after.is_some() {
        links.push(("first", address(Some(begin), Vec::new())?));
        let mut back = page.back.clone();
        if let Some(before) = back.pop() {
            let before = Cursor {
                after: before,
                ..here.clone()
            };
            links.push(("previous", address(Some(before), back)?));
        }
    }
    if let Some(next) = &found.next {
        let mut back = page.back.clone();
        back.push(here.after.clone());
        if back.len() > MOST_BACK {
            back.remove(0);
        }
        links.push(("next", address(Some(next.clone()), back)?));
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use axum::http::{StatusCode, header};

    use super::*;

    #[test]
    fn who_searches_while_the_index_is_made_is_told_so_and_when_to_come_again() {
        let response = fhir_problem(FhirError::Indexing).outcome();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "60");
    }
}
