//! Step 2: whom it is about. Shows who people are and nothing else; somebody nobody has told us of is
//! kept by what they said.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use care_core::vocabulary::{NhsNumber, PersonId};
use care_record::{Awaited, CaseChange, CasePerson, Details, DisclosureError};
use serde::{Deserialize, Serialize};

use super::super::{allowed, draw_form};
use super::work::{Worked, keep, open};
use crate::components::{see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// What was typed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    #[serde(rename = "nhs-number")]
    number: String,
    family: String,
    given: String,
    #[serde(rename = "birth-day")]
    day: String,
    #[serde(rename = "birth-month")]
    month: String,
    #[serde(rename = "birth-year")]
    year: String,
    postcode: String,
    similar: String,
    person: String,
}

impl Typed {
    fn birth_date(&self) -> Option<String> {
        let part = |text: &str| text.trim().parse::<i16>().ok();
        let day = jiff::civil::Date::new(
            part(&self.year)?,
            i8::try_from(part(&self.month)?).ok()?,
            i8::try_from(part(&self.day)?).ok()?,
        );
        day.ok().map(|day| day.to_string())
    }
}

/// Something wrong with the form.
#[derive(Debug, Serialize)]
struct Wrong {
    field: &'static str,
    words: &'static str,
}

/// One who was found, for the page.
#[derive(Serialize)]
pub(super) struct Shown {
    pub key: String,
    pub rows: Vec<(&'static str, String)>,
}

/// Who a person is, as rows.
pub(super) fn rows(person: &CasePerson) -> Shown {
    let known = &person.known;
    let name = known.names.first().map_or_else(
        || "Not known".to_owned(),
        |name| {
            let given = name.given.join(" ");
            format!("{}, {given}", name.family.to_uppercase())
        },
    );
    let born = known.birth_date.map_or_else(
        || "Not known".to_owned(),
        |date| care_core::sections::When::partial(date).short,
    );
    let age = person
        .age_years
        .map_or_else(String::new, |age| format!(" ({age}y)"));
    let number = known
        .nhs_number
        .map_or_else(|| "Not known".to_owned(), |number| number.to_string());
    let mut rows = vec![
        ("Name", name),
        ("Born", format!("{born}{age}")),
        ("NHS number", number),
    ];
    if known.restricted {
        rows.push(("Address", "Protected: not shown".to_owned()));
    } else if let Some(address) = known.addresses.iter().find(|one| !one.temporary) {
        let mut parts = address.lines.clone();
        parts.extend(address.postcode.clone());
        rows.push(("Address", parts.join(", ")));
        let phones: Vec<String> = known.contacts.iter().map(|one| one.value.clone()).collect();
        if !phones.is_empty() {
            rows.push(("Phone and email", phones.join(", ")));
        }
    }
    let practice = person.practice.clone();
    rows.push((
        "GP practice",
        practice.unwrap_or_else(|| "Not known".to_owned()),
    ));
    Shown {
        key: person.person.to_string(),
        rows,
    }
}

/// `GET /ig/choices/{case}/step/person`.
pub(super) async fn page(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    drawn(&session, &worked, &Typed::default(), None, Vec::new())
}

fn drawn(
    session: &Session,
    worked: &Worked,
    form: &Typed,
    found: Option<Vec<CasePerson>>,
    errors: Vec<Wrong>,
) -> Result<Response, Problem> {
    let now = worked.person.as_ref().map(rows);
    let searched = found.is_some();
    let people: Vec<Shown> = found.unwrap_or_default().iter().map(rows).collect();
    let birth_error = errors.iter().any(|one| one.field == "birth-day");
    let number_error = errors.iter().any(|one| one.field == "nhs-number");
    draw_form(
        session,
        "ig-choice-person.html",
        "Who is it about?",
        "ig-choices",
        !errors.is_empty(),
        shown! {
            number => worked.case.number, reference => worked.case.reference, form, people,
            searched, now, errors, birth_error, number_error,
        },
    )
}

/// `POST /ig/choices/{case}/step/person`: looks.
pub(super) async fn search(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let typed = form.number.trim();
    let nhs = match (typed.is_empty(), NhsNumber::parse(typed)) {
        (true, _) => None,
        (false, Ok(number)) => Some(number),
        (false, Err(_)) => {
            let words = "Check the NHS number. It has 10 digits that fit together";
            let wrong = Wrong {
                field: "nhs-number",
                words,
            };
            return drawn(&session, &worked, &form, None, vec![wrong]);
        }
    };
    let birth_date = form.birth_date().unwrap_or_default();
    if nhs.is_none() {
        let mut errors = Vec::new();
        if form.family.trim().is_empty() {
            errors.push(Wrong {
                field: "family",
                words: "Enter an NHS number, or a family name",
            });
        }
        if birth_date.is_empty() {
            errors.push(Wrong {
                field: "birth-day",
                words: "Enter a date of birth",
            });
        }
        if !errors.is_empty() {
            return drawn(&session, &worked, &form, None, errors);
        }
    }
    let details = Details {
        family: form.family.clone(),
        given: form.given.clone(),
        birth_date,
        gender: String::new(),
        postcode: form.postcode.clone(),
        similar: form.similar == "yes",
    };
    let (caller, door) = (session.caller(), state.record.disclosure());
    let found = crate::blocking(move || door.case_find(&caller, nhs, &details)).await?;
    let found = found.map_err(unfound)?.into_inner();
    drawn(&session, &worked, &form, Some(found), Vec::new())
}

fn unfound(why: DisclosureError) -> Problem {
    match why {
        DisclosureError::Unclear(words) => Problem::invalid("This cannot be looked for", words),
        DisclosureError::NotThere => Problem::not_found(),
        DisclosureError::Refused(_) => Problem::forbidden(
            "Your role may not look for people here",
            "Ask your information governance lead.",
        ),
        other => Problem::unavailable(other),
    }
}

/// `POST /ig/choices/{case}/person`: this is the one.
pub(super) async fn choose(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let person = PersonId::parse(&form.person).map_err(|_| Problem::not_found())?;
    let (caller, door) = (session.caller(), state.record.disclosure());
    let found = crate::blocking(move || door.case_person(&caller, person)).await?;
    let found = found.map_err(unfound)?;
    let mut work = worked.work.clone();
    if work.done.is_some() {
        return Err(done_already());
    }
    work.person = found.person.to_string();
    work.awaited = None;
    // Whoever was checked before was somebody else.
    if worked.person_id() != Some(found.person) {
        work.identity = Default::default();
        work.second = None;
    }
    let change = CaseChange {
        note: "The person was chosen.".to_owned(),
        ..CaseChange::default()
    };
    keep(&state, &session, &worked, work, change).await?;
    Ok(see_other(&format!("/ig/choices/{number}")))
}

/// The choice holds already: who it is about is not changed any more.
pub(super) fn done_already() -> Problem {
    Problem::invalid(
        "This choice is recorded already",
        "To change it, record another choice.",
    )
}

/// `POST /ig/choices/{case}/awaited`: nobody of these details is known yet.
pub(super) async fn await_them(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let mut work = worked.work.clone();
    if work.done.is_some() {
        return Err(done_already());
    }
    let nhs_number = NhsNumber::parse(&form.number).ok();
    let awaited = Awaited {
        nhs_number: nhs_number.map(|number| number.digits()),
        family: form.family.trim().to_owned(),
        given: form.given.trim().to_owned(),
        birth_date: form.birth_date().unwrap_or_default(),
        postcode: form.postcode.trim().to_owned(),
    };
    let named = !awaited.family.is_empty() && !awaited.birth_date.is_empty();
    let found_again =
        awaited.nhs_number.is_some() || (!awaited.given.is_empty() && !awaited.postcode.is_empty());
    if !named || !found_again {
        let wrong = Wrong {
            field: "family",
            words: "To keep a choice for somebody who is not known yet, enter the name, the date of birth, and the NHS number or the postcode",
        };
        return drawn(&session, &worked, &form, Some(Vec::new()), vec![wrong]);
    }
    work.awaited = Some(awaited);
    work.person = String::new();
    let change = CaseChange {
        note: "Nobody of these details is known yet. The choice is kept until they are.".to_owned(),
        ..CaseChange::default()
    };
    keep(&state, &session, &worked, work, change).await?;
    Ok(see_other(&format!("/ig/choices/{number}")))
}
