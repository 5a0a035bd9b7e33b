//! M3 who has looked, and "I do not recognise this".

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_record::{Look, LookKind, OwnCase};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::told::{Row, row};
use super::{Oneself, ask, day, draw, own_record, requests};
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

/// The first moment of a day in London.
pub(super) fn start_of(date: Date) -> Option<Timestamp> {
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
    let usual = from == ordinary && to == today;
    let names = state.content.policy.show_staff_names;
    let letters = requests::letters(&state, &session).await?;
    let asked = requests::requests(&letters);
    let with_case = |look: &&Look| {
        let mut row = row(look, names);
        let case = asked.iter().find(|one| one.entry == Some(row.entry));
        row.asked = case.map(|one| (one.reference.clone(), one.state.clone()));
        row
    };
    let rows: Vec<Row> = chosen.iter().map(with_case).collect();
    let all = within.iter().filter(|look| own || !look.own).count();
    (filter.from, filter.to) = (from.to_string(), to.to_string());
    let between = (start_of(from).map(day), start_of(to).map(day));
    let head = Head::new("Who has looked at your record", "me-looked").with_error(error.is_some());
    let shown = shown! { rows, filter, places, opened, all, between, error, names, usual, own_shown => own };
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
    let shown = shown! { entry, reference => "", due => "" };
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
    let letters = requests::letters(&state, &session).await?;
    let due = letters
        .requests
        .iter()
        .find(|one| one.reference == *reference)
        .and_then(|one| one.due_at)
        .map(day);
    let head = Head::new("We will look into it", "me-looked");
    let shown = shown! { entry, reference => reference.as_str(), due };
    draw(&state, &session, &record, "me-case.html", &head, shown)
}
