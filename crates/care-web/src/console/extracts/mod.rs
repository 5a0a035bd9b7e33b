//! G6 Extracts: the request, the checks and the preview of counts, two approvals, the run, the sealed
//! files, the reminder to destroy them, and the register.
//!
//! What may leave is decided in the record's release room; these pages ask it. An analyst sees their own
//! requests, and counts as tables tell them; those who decide see exact counts.

mod form;
mod one;
mod planning;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use care_core::sections::When;
use care_core::vocabulary::Role;
use care_record::{CaseFilter, Extract, Record, ReleaseError, Sort, Step};
use jiff::civil::Date;
use serde::Serialize;

use super::{Asked, Cell, Column, FilterField, List, PAGE, age, allowed, draw, draw_form, guard};
use crate::components::{csv, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;
pub use form::planning_counts;
use form::{FieldError, Fields};

/// Who asks for extracts and approves them.
pub const ROLES: guard::Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian, Role::Analyst];

const ADDRESS: &str = "/ig/extracts";
/// Days before its destruction that an extract is reminded of.
const REMIND_DAYS: i32 = 30;

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new()
        .route(ADDRESS, get(list))
        .route("/ig/extracts/new", get(begin).post(request))
        .route("/ig/extracts/register", get(register))
        .route("/ig/extracts/register.csv", get(register_file))
        .route("/ig/extracts/{number}", get(one::page))
        .route("/ig/extracts/{number}/change", get(change).post(amend))
        .route("/ig/extracts/{number}/act", post(one::act))
        .route("/ig/extracts/{number}/files/{name}", get(one::file))
        .route("/planning", get(planning::page))
        .route("/planning/{table}", get(planning::file))
}

/// Runs a call of the release room on a blocking thread.
async fn ask<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(&Record) -> Result<T, ReleaseError> + Send + 'static,
) -> Result<Result<T, ReleaseError>, Problem> {
    let record = state.record.clone();
    crate::blocking(move || call(&record)).await
}

/// What an act that was not done looks like.
fn failed(why: ReleaseError) -> Problem {
    match why {
        ReleaseError::NotThere => Problem::not_found(),
        ReleaseError::NotForRole | ReleaseError::NotThisPerson(_) => {
            Problem::forbidden("This is for somebody else", why.to_string())
        }
        ReleaseError::Stale | ReleaseError::Changed | ReleaseError::OtherStep(_) => Problem::new(
            axum::http::StatusCode::CONFLICT,
            "conflict",
            "This extract has changed",
            format!("Nothing was done: {why}."),
        ),
        ReleaseError::Blocked(_) | ReleaseError::Unsound(_) => {
            Problem::invalid("Nothing was released", why.to_string())
        }
        ReleaseError::Files(_) | ReleaseError::Unavailable(_) => Problem::unavailable(why),
    }
}

fn today(state: &Shared) -> Date {
    care_core::sections::local(state.clock.now()).date()
}

/// A day, as staff pages write it.
#[derive(Serialize)]
struct Day {
    machine: String,
    short: String,
}

fn day(date: Date) -> Day {
    Day {
        machine: date.to_string(),
        short: date.strftime("%d-%b-%Y").to_string(),
    }
}

fn colour(step: Step) -> &'static str {
    match step {
        Step::AwaitingApproval | Step::AwaitingSecondApproval => "yellow",
        Step::Approved | Step::Running => "blue",
        Step::Sealed => "green",
        Step::Blocked => "orange",
        Step::Requested | Step::Checking | Step::Refused | Step::Withdrawn | Step::Destroyed => {
            "grey"
        }
    }
}

/// `GET /ig/extracts`: what waits and what was released.
async fn list(
    State(state): State<Shared>,
    session: Session,
    axum::extract::Query(asked): axum::extract::Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let (caller, now) = (session.caller(), state.clock.now());
    let own = session.user.role == Role::Analyst;
    let open = match asked.state.as_str() {
        "closed" => Some(false),
        "all" => None,
        _ => Some(true),
    };
    let filter = CaseFilter {
        kinds: vec![care_record::EXTRACT.to_owned()],
        open,
        about: own.then(|| session.user.id.clone()),
        sort: if asked.sort.is_empty() {
            Sort::Newest
        } else {
            Sort::from_code(&asked.sort)
        },
        offset: asked.offset(),
        limit: PAGE,
        ..CaseFilter::default()
    };
    let found = ask(&state, move |record| {
        let counts = record.casework().counts(&filter)?;
        let releases = record.releases();
        Ok((
            releases.list(&caller, filter)?,
            counts,
            releases.to_destroy(REMIND_DAYS)?,
        ))
    });
    let (extracts, counts, due) = found.await?.map_err(failed)?;
    let total = counts.iter().map(|one| one.count).sum();
    let oldest = counts.iter().map(|one| one.oldest).min();
    let columns = [
        "Extract",
        "Title",
        "State",
        "Asked for by",
        "Age",
        "Destroy by",
    ]
    .map(Column::text);
    let rows = extracts.iter().map(|one| row(one, now)).collect();
    let sort = if asked.sort.is_empty() {
        "newest"
    } else {
        &asked.sort
    };
    let list = List::new("Extracts", ADDRESS, &columns)
        .rows(rows, (total, oldest), asked.page(), now)
        .filters(vec![
            FilterField::open_or_closed(&asked.state),
            FilterField::sort(sort),
        ])
        .nothing("There is no such extract.");
    let due: Vec<_> = due
        .iter()
        .filter(|one| !own || one.requester == session.user.id)
        .map(|one| {
            let past = one.specification.destroy_by <= today(&state);
            (
                one.number,
                one.reference.clone(),
                one.specification.title.clone(),
                day(one.specification.destroy_by),
                past,
            )
        })
        .collect();
    draw(
        &session,
        "ig-extracts.html",
        "Extracts",
        "ig-extracts",
        shown! { list, due, own },
    )
}

fn row(one: &Extract, now: jiff::Timestamp) -> Vec<Cell> {
    vec![
        Cell::link(&one.reference, format!("{ADDRESS}/{}", one.number)),
        Cell::text(&one.specification.title),
        Cell::tag(one.step.title(), colour(one.step)),
        Cell::text(&one.requester_name),
        Cell::text(age(one.requested_at, now)),
        Cell::text(day(one.specification.destroy_by).short),
    ]
}

fn organisations(state: &Shared) -> Vec<(String, String)> {
    let sources = state.directory.sources().iter();
    sources
        .map(|it| {
            (
                it.organisation.ods.to_string(),
                it.organisation.name.clone(),
            )
        })
        .collect()
}

fn draw_request(
    state: &Shared,
    session: &Session,
    fields: &Fields,
    errors: &[FieldError],
    changing: Option<&Extract>,
) -> Result<Response, Problem> {
    let title = if changing.is_some() {
        "Change the request"
    } else {
        "Ask for an extract"
    };
    let form = form::shown(fields, &organisations(state));
    let (action, version, reference, approvals) = match changing {
        Some(it) => (
            format!("{ADDRESS}/{}/change", it.number),
            it.version,
            it.reference.clone(),
            it.approvals.len(),
        ),
        None => (format!("{ADDRESS}/new"), 0, String::new(), 0),
    };
    draw_form(
        session,
        "ig-extract-form.html",
        title,
        "ig-extracts",
        !errors.is_empty(),
        shown! { form, errors, title, action, version, reference, approvals },
    )
}

/// `GET /ig/extracts/new`: the form.
async fn begin(State(state): State<Shared>, session: Session) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    draw_request(&state, &session, &form::empty(today(&state)), &[], None)
}

/// What about a request cannot be, by field.
fn unsound(why: ReleaseError) -> Result<Vec<FieldError>, Problem> {
    match why {
        ReleaseError::Unsound(all) => Ok(all
            .into_iter()
            .map(|it| FieldError::new(it.field, it.why))
            .collect()),
        other => Err(failed(other)),
    }
}

/// `POST /ig/extracts/new`: keeps the request and makes the automatic checks at once.
async fn request(
    State(state): State<Shared>,
    session: Session,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let (specification, mut errors) = form::read(&fields, today(&state));
    let caller = session.caller();
    if errors.is_empty() {
        let done = ask(&state, move |record| {
            let releases = record.releases();
            let asked = releases.request(&caller, specification)?;
            releases.check(&caller, asked.number, asked.version)
        });
        match done.await? {
            Ok(extract) => return Ok(see_other(&format!("{ADDRESS}/{}", extract.number))),
            Err(why) => errors = unsound(why)?,
        }
    } else {
        let more = state.record.releases().unsound(&specification);
        errors.extend(more.into_iter().map(|it| FieldError::new(it.field, it.why)));
    }
    draw_request(&state, &session, &fields, &errors, None)
}

/// `GET /ig/extracts/{number}/change`: the form with what was asked for.
async fn change(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let caller = session.caller();
    let found = ask(&state, move |record| record.releases().get(&caller, number)).await?;
    let (extract, _) = found.map_err(failed)?;
    draw_request(
        &state,
        &session,
        &form::fields_of(&extract.specification),
        &[],
        Some(&extract),
    )
}

/// `POST /ig/extracts/{number}/change`: approvals end, and the checks are made again.
async fn amend(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<u64>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let (specification, mut errors) = form::read(&fields, today(&state));
    let version = fields
        .iter()
        .find(|(name, _)| name == "version")
        .and_then(|(_, value)| value.parse().ok());
    let version: u32 = version.ok_or_else(Problem::not_found)?;
    let caller = session.caller();
    if errors.is_empty() {
        let asking = caller.clone();
        let done = ask(&state, move |record| {
            let releases = record.releases();
            let amended = releases.amend(&asking, number, version, specification)?;
            releases.check(&asking, amended.number, amended.version)
        });
        match done.await? {
            Ok(_) => return Ok(see_other(&format!("{ADDRESS}/{number}"))),
            Err(why) => errors = unsound(why)?,
        }
    }
    let found = ask(&state, move |record| record.releases().get(&caller, number)).await?;
    let (extract, _) = found.map_err(failed)?;
    draw_request(&state, &session, &fields, &errors, Some(&extract))
}

const REGISTER: [&str; 11] = [
    "Extract",
    "Title",
    "For",
    "Purpose",
    "Legal basis",
    "Form",
    "Given to",
    "Released on",
    "People",
    "Opt-outs applied",
    "Destroy by",
];

fn register_row(one: &Extract) -> Option<Vec<String>> {
    let sealed = one.sealed.as_ref()?;
    let it = &one.specification;
    let applied = one.findings.as_ref().is_some_and(|it| it.opt_out_applied);
    let people = care_core::release::SmallSafe::of(sealed.counts.released);
    let destroyed = one
        .destroyed_at
        .map(|at| format!("Destroyed {}", When::day(at).short));
    Some(vec![
        one.reference.clone(),
        it.title.clone(),
        it.purpose_words.clone(),
        it.purpose().map_or("", form::purpose_title).to_owned(),
        form::basis_title(it.legal_basis()).to_owned(),
        form::form_title(it.data_form()).to_owned(),
        it.destination.clone(),
        When::day(sealed.at).short,
        people.text().to_owned(),
        if applied { "Yes" } else { "No" }.to_owned(),
        destroyed.unwrap_or_else(|| day(it.destroy_by).short),
    ])
}

async fn register_rows(state: &Shared) -> Result<Vec<(u64, Vec<String>)>, Problem> {
    let released = ask(state, |record| record.releases().register())
        .await?
        .map_err(failed)?;
    Ok(released
        .iter()
        .filter_map(|one| Some((one.number, register_row(one)?)))
        .collect())
}

/// `GET /ig/extracts/register`: everything that was ever released.
async fn register(State(state): State<Shared>, session: Session) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let rows = register_rows(&state).await?;
    draw(
        &session,
        "ig-extract-register.html",
        "Register of extracts",
        "ig-extracts",
        shown! { rows, columns => REGISTER },
    )
}

/// The register as a file, for publication. It names no member of staff and no person.
async fn register_file(State(state): State<Shared>, session: Session) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let rows = register_rows(&state).await?;
    Ok(csv(
        "register-of-extracts.csv",
        &REGISTER,
        rows.into_iter().map(|(_, row)| row),
    )
    .into_response())
}
