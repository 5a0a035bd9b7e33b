//! Letters of a case: looked at as PDF before they go, and noted when they went.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use care_record::{CaseChange, SetBy};
use serde::Deserialize;

use super::super::allowed;
use super::tasks::Fields;
use super::work::{Worked, keep, open};
use crate::choice_work::SentLetter;
use crate::components::see_other;
use crate::letters::{self, Letter, Told};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

#[derive(Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    form: String,
}

/// `GET /ig/choices/{case}/letter/{letter}?form=large-print`.
pub(super) async fn preview(
    State(state): State<Shared>,
    session: Session,
    Path((number, letter)): Path<(String, String)>,
    Query(form): Query<Form>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let letter = Letter::from_code(&letter).ok_or_else(Problem::not_found)?;
    let worked = open(&state, &session, &number).await?;
    let told = told(
        &state,
        &session,
        &worked,
        letter,
        form.form == "large-print",
    )?;
    let bytes = crate::blocking(move || {
        letters::pdf(letter, &told, &state.content, &state.directory).map_err(letters::unmade)
    })
    .await??;
    let name = format!("letter-{}.pdf", worked.case.reference);
    Ok(letters::served(bytes, &name))
}

fn told(
    state: &Shared,
    session: &Session,
    worked: &Worked,
    letter: Letter,
    large_print: bool,
) -> Result<Told, Problem> {
    let work = &worked.work;
    let acts = SetBy::from_code(&work.acting.set_by).filter(|by| by.is_for_another());
    let person = worked.name();
    if person.is_empty() && acts.is_none() {
        return Err(Problem::invalid(
            "This letter has nobody to go to",
            "Say first who the case is about, in step 2.",
        ));
    }
    let (name, address): (String, Vec<String>) = match acts {
        Some(_) => {
            let lines = work
                .acting
                .address
                .lines()
                .map(|line| line.trim().to_owned());
            (work.acting.name.clone(), lines.collect())
        }
        None => (person.clone(), own_address(worked)),
    };
    let mut recipient = vec![name.clone()];
    recipient.extend(address.into_iter().filter(|line| !line.is_empty()));
    let holds = worked.person.as_ref().and_then(|one| one.choice.clone());
    let choice = match letter {
        Letter::Made | Letter::Back => holds.filter(|_| work.done.is_some()).or_else(|| {
            Some(work.choice(
                &worked.case.reference,
                work.done.unwrap_or(state.clock.now()),
            ))
        }),
        _ => None,
    };
    let mut missing: Vec<String> = work
        .missing
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    if missing.is_empty() {
        missing = acts
            .map(|by| vec![by.evidence_needed().to_owned()])
            .unwrap_or_else(|| {
                vec!["A copy of a document that shows your name and address".to_owned()]
            });
    }
    Ok(Told {
        recipient,
        name,
        subject: acts.map(|_| person),
        reference: worked.case.reference.clone(),
        date: state.clock.now(),
        choice,
        missing,
        reason: match work.reason.as_str() {
            "" => "Please phone us and we will explain.".to_owned(),
            reason => reason.to_owned(),
        },
        signed: session.user.name.clone(),
        large_print,
    })
}

/// The address we hold; where it is protected the letter goes by the GP practice, and names none.
fn own_address(worked: &Worked) -> Vec<String> {
    let Some(person) = &worked.person else {
        return Vec::new();
    };
    let usual = person.known.addresses.iter().find(|one| !one.temporary);
    let mut lines = usual.map_or_else(Vec::new, |one| one.lines.clone());
    lines.extend(usual.and_then(|one| one.postcode.clone()));
    lines
}

/// `POST /ig/choices/{case}/sent`: the letter went.
pub(super) async fn sent(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let fields = Fields::of(&body);
    let letter = Letter::from_code(&fields.one("letter"))
        .ok_or_else(|| Problem::invalid("Say which letter", "Choose the letter that was sent."))?;
    let format = match fields.one("format").as_str() {
        "large-print" => "large-print",
        _ => "standard",
    };
    let mut work = worked.work.clone();
    work.letters.push(SentLetter {
        kind: letter.code().to_owned(),
        format: format.to_owned(),
        at: state.clock.now(),
        by: session.user.name.clone(),
    });
    let change = CaseChange {
        note: format!("Letter sent: {}, {format}.", letter.words()),
        ..CaseChange::default()
    };
    keep(&state, &session, &worked, work, change).await?;
    Ok(see_other(&format!("/ig/choices/{number}")))
}
