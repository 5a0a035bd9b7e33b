//! M3 who has looked, and "I do not recognise this".

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_core::sections::When;
use care_record::{Look, LookKind, OwnCase};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::{Oneself, ask, day, draw, moment, own_record};
use crate::components::{Head, shown};
use crate::problem::Problem;
use crate::state::Shared;

/// What the list is narrowed to. Holds no identifier, so it may stand in the address.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    from: String,
    to: String,
    organisation: String,
    own: String,
}

/// One look, in words.
#[derive(Serialize)]
struct Row {
    entry: u64,
    when: String,
    machine: String,
    heading: String,
    name: String,
    why: String,
    seen: String,
    printed: bool,
    reviewed: bool,
    own: bool,
}

fn row(look: &Look, names: bool) -> Row {
    let what = match look.kind {
        LookKind::Opened if look.own => "You looked at these pages",
        LookKind::Opened => "Opened your record",
        LookKind::Found => "Found your name, did not open your record",
        LookKind::Refused => "Tried to open your record and could not",
        LookKind::System => "A computer system took a copy",
        LookKind::Given => "Information about you was given to them",
        LookKind::NotOpened => "Your record was not opened at this visit",
    };
    let seen = match look.kind {
        LookKind::Opened | LookKind::System if !look.own => look.seen.join(", "),
        _ => String::new(),
    };
    Row {
        entry: look.entry,
        when: moment(look.at),
        machine: When::moment(look.at).machine,
        heading: format!("{}, {}: {what}", look.job, look.place),
        name: if names {
            look.name.clone()
        } else {
            String::new()
        },
        why: look.why.clone(),
        seen,
        printed: look.printed,
        reviewed: look.reviewed,
        own: look.own,
    }
}

/// The first moment of a day in London.
fn start_of(date: Date) -> Option<Timestamp> {
    let start = date.to_zoned(jiff::tz::get!("Europe/London")).ok()?;
    Some(start.timestamp())
}

/// `GET /me/who-looked`.
pub(super) async fn list(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Query(mut filter): Query<Filter>,
) -> Result<Response, Problem> {
    let now = state.clock.now();
    let today = care_core::sections::local(now).date();
    let ordinary = today.checked_sub(3.months()).unwrap_or(today);
    let read = |text: &str, otherwise: Date| match text {
        "" => Some(otherwise),
        text => text.parse::<Date>().ok(),
    };
    let (from, to) = (read(&filter.from, ordinary), read(&filter.to, today));
    let error = (from.is_none() || to.is_none())
        .then_some("Enter both days as year-month-day, for example 2026-10-02");
    let (from, to) = (from.unwrap_or(ordinary), to.unwrap_or(today));
    let since = start_of(from).unwrap_or(Timestamp::MIN);
    let end = to
        .tomorrow()
        .ok()
        .and_then(start_of)
        .unwrap_or(Timestamp::MAX);
    let record = own_record(&state, &session, "who-looked").await?;
    let caller = session.caller();
    let looks = ask(&state, move |door| door.who_looked(&caller, since)).await?;
    let within: Vec<&Look> = looks.iter().filter(|look| look.at < end).collect();
    let mut places: Vec<(&str, &str)> = within
        .iter()
        .filter(|look| !look.own)
        .map(|look| (look.organisation.as_str(), look.place.as_str()))
        .collect();
    places.sort_unstable();
    places.dedup();
    let own = filter.own == "1";
    let chosen: Vec<&Look> = within
        .iter()
        .copied()
        .filter(|look| own || !look.own)
        .filter(|look| filter.organisation.is_empty() || look.organisation == filter.organisation)
        .collect();
    let opened = chosen
        .iter()
        .filter(|look| !look.own && look.kind == LookKind::Opened)
        .count();
    let names = state.content.policy.show_staff_names;
    let rows: Vec<Row> = chosen.iter().map(|look| row(look, names)).collect();
    let all = within.iter().filter(|look| own || !look.own).count();
    (filter.from, filter.to) = (from.to_string(), to.to_string());
    let between = (start_of(from).map(day), start_of(to).map(day));
    let head = Head::new("Who has looked at your record", "me-looked").with_error(error.is_some());
    let shown =
        shown! { rows, filter, places, opened, all, between, error, names, own_shown => own };
    draw(&state, &session, &record, "me-looked.html", &head, shown)
}

/// `GET /me/who-looked/{entry}`: the form "I do not recognise this".
pub(super) async fn not_recognised(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(entry): Path<u64>,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "not recognised").await?;
    let head = Head::new("I do not recognise this", "me-looked");
    let shown = shown! { entry, reference => "" };
    draw(&state, &session, &record, "me-case.html", &head, shown)
}

/// What was sent.
#[derive(Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    said: String,
}

/// `POST /me/who-looked/{entry}`.
pub(super) async fn report(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(entry): Path<u64>,
    Form(report): Form<Report>,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "not recognised").await?;
    let caller = session.caller();
    let said: String = report.said.trim().chars().take(2000).collect();
    let case = OwnCase::NotRecognised(entry);
    let reference = ask(&state, move |door| door.own_case(&caller, case, &said)).await?;
    let head = Head::new("We will look into it", "me-looked");
    let shown = shown! { entry, reference => reference.as_str() };
    draw(&state, &session, &record, "me-case.html", &head, shown)
}
