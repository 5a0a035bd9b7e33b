//! C3 Find a person and C4 the people found. A search is sent by `POST` and kept under an opaque id.

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_core::sections::{Identity, identity};
use care_record::{Details, NumberProblem};
use serde::{Deserialize, Serialize};

use super::{FieldError, ask, failed};
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

#[derive(Deserialize)]
pub(super) struct Reached {
    notice: Option<String>,
}

/// What was typed, to fill the form again.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    by: String,
    #[serde(rename(deserialize = "nhs-number"))]
    number: String,
    family: String,
    given: String,
    #[serde(rename(deserialize = "birth-day"))]
    day: String,
    #[serde(rename(deserialize = "birth-month"))]
    month: String,
    #[serde(rename(deserialize = "birth-year"))]
    year: String,
    gender: String,
    postcode: String,
    similar: String,
}

/// `GET /staff/find`.
pub(super) async fn form(
    session: Session,
    Query(reached): Query<Reached>,
) -> Result<Response, Problem> {
    let notice = match reached.notice.as_deref() {
        Some("ended") => "Your time in this record has ended. Open it again if you still need it.",
        Some("closed") => "The record is closed.",
        Some("reported") => {
            "The record is closed and the mistake is reported. Thank you for telling us."
        }
        _ => "",
    };
    draw(&session, &Typed::default(), &[], notice)
}

fn draw(
    session: &Session,
    typed: &Typed,
    errors: &[FieldError],
    notice: &str,
) -> Result<Response, Problem> {
    let has = |field: &str| errors.iter().any(|error| error.field == field);
    let head = Head::new("Find a person", "find").with_error(!errors.is_empty());
    let shown = shown! {
        form => typed,
        errors,
        notice,
        number_error => has("nhs-number"),
        birth_error => has("birth-day"),
    };
    page("find.html", &head, Some(&Frame::of(session)), shown)
}

/// `POST /staff/find`.
pub(super) async fn find(
    State(state): State<Shared>,
    session: Session,
    Form(typed): Form<Typed>,
) -> Result<Response, Problem> {
    if typed.by == "details" {
        by_details(&state, &session, typed).await
    } else {
        by_number(&state, &session, typed).await
    }
}

async fn by_number(state: &Shared, session: &Session, typed: Typed) -> Result<Response, Problem> {
    let (caller, text) = (session.caller(), typed.number.clone());
    let found = match ask(state, move |door| door.find_by_number(&caller, &text)).await? {
        Ok(found) => found,
        Err(why) => return failed(why),
    };
    let words = match found {
        Ok(handle) => match handle.into_inner() {
            Some(choice) => return Ok(see_other(&format!("/staff/confirm/{choice}"))),
            None => "No one found with this NHS number. Check it, or search by details",
        },
        Err(NumberProblem::NotTenDigits) => "Enter an NHS number that has 10 digits",
        Err(NumberProblem::CheckDigit) => "Check the NHS number. The digits do not fit together",
    };
    draw(
        session,
        &typed,
        &[FieldError {
            field: "nhs-number",
            words,
        }],
        "",
    )
}

async fn by_details(state: &Shared, session: &Session, typed: Typed) -> Result<Response, Problem> {
    let birth_date = birth_date(&typed);
    let mut errors = Vec::new();
    if typed.family.trim().is_empty() {
        errors.push(FieldError {
            field: "family",
            words: "Enter a family name",
        });
    }
    if birth_date.is_none() {
        let blank = [&typed.day, &typed.month, &typed.year]
            .iter()
            .all(|part| part.trim().is_empty());
        let words = if blank {
            "Enter a date of birth"
        } else {
            "Date of birth must be a real date"
        };
        errors.push(FieldError {
            field: "birth-day",
            words,
        });
    }
    let (true, Some(birth_date)) = (errors.is_empty(), birth_date) else {
        return draw(session, &typed, &errors, "");
    };
    let details = Details {
        family: typed.family.trim().to_owned(),
        given: typed.given.trim().to_owned(),
        birth_date,
        gender: typed.gender.clone(),
        postcode: typed.postcode.trim().to_owned(),
        similar: !typed.similar.is_empty(),
    };
    let caller = session.caller();
    match ask(state, move |door| door.find_by_details(&caller, &details)).await? {
        Ok(search) => Ok(see_other(&format!("/staff/find/{}", *search))),
        Err(why) => failed(why),
    }
}

/// The typed day as `YYYY-MM-DD`; `None` when it is not in the calendar.
fn birth_date(typed: &Typed) -> Option<String> {
    let part = |text: &str| text.trim().parse::<i16>().ok();
    let (day, month) = (
        i8::try_from(part(&typed.day)?).ok()?,
        i8::try_from(part(&typed.month)?).ok()?,
    );
    let year = part(&typed.year).filter(|year| *year > 1800)?;
    jiff::civil::Date::new(year, month, day)
        .ok()
        .map(|date| date.to_string())
}

/// One row of C4.
#[derive(Serialize)]
struct Row {
    who: Identity,
    choice: String,
    practice: Option<String>,
    alike: bool,
}

/// `GET /staff/find/{search}`.
pub(super) async fn results(
    State(state): State<Shared>,
    session: Session,
    Path(search): Path<String>,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let found = match ask(&state, move |door| door.search_results(&caller, &search)).await? {
        Ok(found) => found,
        Err(why) => return failed(why),
    };
    let now = state.clock.now();
    let people: Vec<Row> = found
        .people
        .iter()
        .map(|person| Row {
            who: identity(&person.known, now),
            choice: person.choice.clone(),
            practice: person.practice.clone(),
            alike: person.alike,
        })
        .collect();
    let title = match (found.too_many, people.len()) {
        (true, _) => "More than 50 people found".to_owned(),
        (_, 0) => "No one found".to_owned(),
        (_, 1) => "1 person found".to_owned(),
        (_, number) => format!("{number} people found"),
    };
    let shown = shown! { people, too_many => found.too_many };
    page(
        "found.html",
        &Head::new(title, "find"),
        Some(&Frame::of(&session)),
        shown,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_day_must_be_in_the_calendar() {
        let typed = |day: &str, month: &str, year: &str| Typed {
            day: day.into(),
            month: month.into(),
            year: year.into(),
            ..Typed::default()
        };
        assert_eq!(
            birth_date(&typed("14", "7", "1945")).as_deref(),
            Some("1945-07-14")
        );
        assert_eq!(birth_date(&typed("30", "2", "1945")), None);
        assert_eq!(birth_date(&typed("14", "7", "45")), None);
        assert_eq!(birth_date(&typed("", "", "")), None);
    }
}
