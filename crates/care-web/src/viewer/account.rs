//! C23 Recent, C24 My access and C26 Help.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::sections::{Identity, Section, When, identity};
use care_record::{MyAccess, MyAccessAsk, MyVisit};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{ask, failed};
use crate::components::{Frame, Head, page, quoted, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// One row of C23.
#[derive(Serialize)]
struct Row {
    who: Identity,
    choice: String,
    when: When,
    why: String,
}

/// `GET /staff/recent`.
pub(super) async fn recent(
    State(state): State<Shared>,
    session: Session,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let recent = match ask(&state, move |door| door.recent(&caller)).await? {
        Ok(recent) => recent,
        Err(why) => return failed(why),
    };
    let now = state.clock.now();
    let people: Vec<Row> = recent
        .iter()
        .map(|person| Row {
            who: identity(&person.known, now),
            choice: person.choice.clone(),
            when: When::moment(person.opened_at),
            why: person.why.clone(),
        })
        .collect();
    page(
        "recent.html",
        &Head::new("Recent people", "recent"),
        Some(&Frame::of(&session)),
        shown! { people },
    )
}

/// Visits on one page of C24.
const VISITS: usize = 50;
/// Visits in one file.
const VISITS_IN_A_FILE: usize = 5_000;

/// The filter of C24: days and an entry's number, never anything about a person.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Span {
    from: String,
    to: String,
    before: String,
    reported: String,
}

impl Span {
    fn ask(&self, limit: usize) -> MyAccessAsk {
        MyAccessAsk {
            before: self.before.parse().ok(),
            from: day(&self.from).and_then(midnight),
            until: day(&self.to)
                .and_then(|last| last.tomorrow().ok())
                .and_then(midnight),
            limit,
        }
    }

    /// The days, as they stand in an address; nothing that was not a day is repeated.
    fn days(&self) -> (String, String) {
        let text = |typed: &str| {
            day(typed).map_or_else(String::new, |day| day.strftime("%d-%b-%Y").to_string())
        };
        (text(&self.from), text(&self.to))
    }
}

/// `02-Oct-2026`, as every page writes it; a day as the standards write it is taken too.
fn day(typed: &str) -> Option<Date> {
    let typed = typed.trim();
    Date::strptime("%d-%b-%Y", typed)
        .or_else(|_| typed.parse())
        .ok()
}

fn midnight(day: Date) -> Option<Timestamp> {
    static LONDON: TimeZone = jiff::tz::get!("Europe/London");
    Some(day.to_zoned(LONDON.clone()).ok()?.timestamp())
}

/// One row of C24.
#[derive(Serialize)]
struct Mine {
    entry: u64,
    when: When,
    who: Option<Identity>,
    why: String,
    sections: String,
    printed: bool,
    emergency: bool,
    mistaken: bool,
}

fn mine(visit: &MyVisit, now: Timestamp) -> Mine {
    let title = |code: &String| {
        Section::from_code(code).map_or_else(|| "One item".to_owned(), |one| one.title().to_owned())
    };
    Mine {
        entry: visit.entry,
        when: When::moment(visit.at),
        who: visit.known.as_ref().map(|known| identity(known, now)),
        why: visit.why.clone(),
        sections: visit
            .sections
            .iter()
            .map(title)
            .collect::<Vec<_>>()
            .join(", "),
        printed: visit.printed,
        emergency: visit.emergency,
        mistaken: visit.mistaken,
    }
}

/// The visits asked for, or the answer that stands in their place.
async fn visits(
    state: &Shared,
    session: &Session,
    ask_for: MyAccessAsk,
) -> Result<Result<MyAccess, Response>, Problem> {
    let caller = session.caller();
    match ask(state, move |door| door.my_access(&caller, &ask_for)).await? {
        Ok(told) => Ok(Ok(told.into_inner())),
        Err(why) => failed(why).map(Err),
    }
}

/// `GET /staff/my-access`.
pub(super) async fn my_access(
    State(state): State<Shared>,
    session: Session,
    Query(span): Query<Span>,
) -> Result<Response, Problem> {
    let told = match visits(&state, &session, span.ask(VISITS)).await? {
        Ok(told) => told,
        Err(answer) => return Ok(answer),
    };
    let now = state.clock.now();
    let rows: Vec<Mine> = told.visits.iter().map(|visit| mine(visit, now)).collect();
    let older = told
        .visits
        .last()
        .filter(|_| told.more)
        .map(|visit| visit.entry);
    let (from, to) = span.days();
    let shown = shown! { rows, older, from, to, reported => !span.reported.is_empty() };
    let head = Head::new("My access", "access");
    page("my-access.html", &head, Some(&Frame::of(&session)), shown)
}

/// `GET /staff/my-access.csv`: the same as a file.
pub(super) async fn my_access_file(
    State(state): State<Shared>,
    session: Session,
    Query(span): Query<Span>,
) -> Result<Response, Problem> {
    let told = match visits(&state, &session, span.ask(VISITS_IN_A_FILE)).await? {
        Ok(told) => told,
        Err(answer) => return Ok(answer),
    };
    let now = state.clock.now();
    let mut file = String::from(
        "Date and time,Name,NHS number,Reason,Sections,Printed,Emergency,Reported as a mistake\r\n",
    );
    for visit in &told.visits {
        let row = mine(visit, now);
        let (name, number) = row
            .who
            .map_or_else(Default::default, |who| (who.name, who.nhs_number));
        let yes = |truth: bool| if truth { "Yes" } else { "No" }.to_owned();
        let cells = [
            row.when.short,
            name,
            number,
            row.why,
            row.sections,
            yes(row.printed),
            yes(row.emergency),
            yes(row.mistaken),
        ];
        file.push_str(&cells.map(|cell| quoted(&cell)).join(","));
        file.push_str("\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"my-access.csv\"",
        ),
    ];
    Ok((headers, file).into_response())
}

/// Which visit was a mistake.
#[derive(Deserialize)]
pub(super) struct Mistake {
    entry: u64,
}

/// `POST /staff/my-access`: "I opened the wrong record".
pub(super) async fn report_mistake(
    State(state): State<Shared>,
    session: Session,
    Form(Mistake { entry }): Form<Mistake>,
) -> Result<Response, Problem> {
    let caller = session.caller();
    match ask(&state, move |door| door.report_mistake(&caller, entry)).await? {
        Ok(_) => Ok(see_other("/staff/my-access?reported=yes")),
        Err(why) => failed(why),
    }
}

/// `GET /staff/help`.
pub(super) async fn help(session: Session) -> Result<Response, Problem> {
    page(
        "help.html",
        &Head::new("Help", "help"),
        Some(&Frame::of(&session)),
        shown! {},
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_takes_whole_days_and_nothing_that_is_not_a_day() {
        let span = Span {
            from: "2026-07-01".into(),
            to: "01-Jul-2026".into(),
            ..Span::default()
        };
        let ask = span.ask(50);
        assert_eq!(ask.from, "2026-06-30T23:00:00Z".parse().ok());
        assert_eq!(ask.until, "2026-07-01T23:00:00Z".parse().ok());
        assert_eq!(span.days(), ("01-Jul-2026".into(), "01-Jul-2026".into()));
        let odd = Span {
            from: "<b>".into(),
            ..Span::default()
        };
        assert_eq!(odd.ask(50).from, None);
        assert_eq!(odd.days(), (String::new(), String::new()));
    }
}
