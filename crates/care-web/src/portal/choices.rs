//! M4 and the digital flow of a choice: one question a page, the same number of pages either way.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use care_core::vocabulary::OdsCode;
use care_record::{NewCase, OwnCase, OwnRecord, SourceWord};
use serde::Serialize;

use super::choices_flow::{
    Answer, CONFIRM, FORMATS, QUESTIONS, answered, asks_the_young, confirmation, decided, next,
    take, words,
};
use super::drafts::{Draft, Saved};
use super::own::choice_sentence;
use super::{Oneself, ask, draw, moment, own_record, public_name, time_of_day};
use crate::choice_work::{self, Acting, Chosen, Explained, IdentityCheck, Work};
use crate::components::{Head, see_other, shown};
use crate::letters::{self, Letter, Told};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;
use crate::who_sees;

/// `GET /me/choices`: the choice that holds and every one before it.
pub(super) async fn history(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "choices").await?;
    let caller = session.caller();
    let made = ask(&state, move |door| door.choices_made(&caller)).await?;
    let rows: Vec<[String; 5]> = made
        .iter()
        .map(|one| {
            let said = match one.said {
                "shared" => "Share",
                "shared-in-emergency" => "Share in an emergency only",
                _ => "Do not share",
            };
            let by = match one.set_by.as_str() {
                "self" => "You",
                "parental_responsibility" => "Your parent",
                "" => "An organisation that shares",
                _ => "Somebody who acts for you",
            };
            let how = match one.channel.as_str() {
                "online" => "Online",
                "telephone" => "By phone",
                "paper" => "On paper",
                "email" => "By email",
                "in_person" => "In person",
                "gp_practice" => "Through the GP practice",
                _ => "From another system",
            };
            let reference = one.reference.clone().unwrap_or_default();
            [
                moment(one.at),
                said.into(),
                by.into(),
                how.into(),
                reference,
            ]
        })
        .collect();
    let choice = choice_sentence(&record);
    let facts = record
        .choice
        .as_ref()
        .map(|choice| letters::facts(choice, &state.directory));
    let elsewhere = told_elsewhere(&state, &record);
    let head = Head::new("Your choices", "me-choices");
    draw(
        &state,
        &session,
        &record,
        "me-choices.html",
        &head,
        shown! { choice, rows, facts, elsewhere },
    )
}

/// What practices and councils were told, in sentences.
fn told_elsewhere(state: &Shared, record: &OwnRecord) -> Vec<String> {
    let said = record.choice.iter().flat_map(|one| &one.said_by_sources);
    said.filter(|said| said.refused)
        .map(|said| {
            let name = OdsCode::parse(&said.source)
                .map_or_else(|_| said.source.clone(), |code| letters::name_of(&state.directory, &code));
            let at = moment(said.at);
            match said.word {
                SourceWord::GpDissent => format!(
                    "{name} holds a note of {at} that you do not want your GP record shared. To change that, ask the practice."
                ),
                SourceWord::Contact => format!(
                    "On {at} you told {name} not to share what it holds. To change that, tell them at your next contact."
                ),
            }
        })
        .collect()
}

/// `POST /me/choices/again`: begins anew, with nothing answered.
pub(super) async fn again(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    state.drafts.put(&session.digest, Draft::default());
    Ok(see_other("/me/choices/who"))
}

/// `GET /me/choices/{step}`.
pub(super) async fn question(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(step): Path<String>,
) -> Result<Response, Problem> {
    let draft = state.drafts.get(&session.digest);
    show(&state, &session, &step, &draft, false).await
}

/// An organisation to tick.
#[derive(Serialize)]
struct Place {
    code: String,
    name: String,
    blocked: bool,
    withheld: bool,
    is_source: bool,
}

fn places(state: &Shared, draft: &Draft) -> Vec<Place> {
    let mut all: Vec<Place> = state
        .directory
        .organisations()
        .filter(|one| one.kind != care_core::vocabulary::OrganisationKind::Programme)
        .map(|one| {
            let code = one.ods.to_string();
            Place {
                blocked: draft.blocked.contains(&code),
                withheld: draft.withheld.contains(&code),
                is_source: state.directory.source(&one.ods).is_some(),
                name: one.name.clone(),
                code,
            }
        })
        .collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

async fn show(
    state: &Shared,
    session: &Session,
    step: &str,
    draft: &Draft,
    missing: bool,
) -> Result<Response, Problem> {
    let record = own_record(state, session, "choose").await?;
    let (current, since) = (
        choice_sentence(&record),
        record
            .choice
            .as_ref()
            .map(|choice| moment(choice.decided_at)),
    );
    if step == "confirm" {
        let head = Head::new("How should we confirm?", "me-choices").with_error(missing);
        let shown = shown! { confirm => CONFIRM, formats => FORMATS, draft, missing };
        return draw(state, session, &record, "me-confirm.html", &head, shown);
    }
    if step == "private" {
        let head = Head::new("What do you want to keep private?", "me-choices").with_error(missing);
        let shown = shown! { places => places(state, draft), draft, missing };
        return draw(state, session, &record, "me-private.html", &head, shown);
    }
    let Some(question) = QUESTIONS.iter().find(|one| one.step == step) else {
        return Err(Problem::not_found());
    };
    if step == "young" && !asks_the_young(&record) {
        return Ok(see_other("/me/choices/what"));
    }
    let chosen = answered(draft, step);
    let back = match step {
        "what" if asks_the_young(&record) => "/me/choices/young",
        "talk" if draft.what == "private" => "/me/choices/private",
        _ => question.back,
    };
    let head = Head::new(question.title, "me-choices").with_error(missing);
    let shown = shown! { question, chosen, missing, current, since, back };
    draw(state, session, &record, "me-question.html", &head, shown)
}

/// `POST /me/choices/{step}`.
pub(super) async fn answer(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(step): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut draft = state.drafts.get(&session.digest);
    draft.saved = None;
    let known: Vec<OdsCode> = state
        .directory
        .organisations()
        .map(|one| one.ods.clone())
        .collect();
    if !take(&mut draft, &step, &read(&body), &known) {
        return show(&state, &session, &step, &draft, true).await;
    }
    let record = own_record(&state, &session, "choose").await?;
    // One who changes what was chosen looks at what is private again.
    let to = match (step.as_str(), draft.what.as_str()) {
        ("what", "private") if next(&draft, &record) != "/me/choices/call" => "/me/choices/private",
        _ => next(&draft, &record),
    };
    state.drafts.put(&session.digest, draft);
    Ok(see_other(to))
}

fn read(body: &[u8]) -> Answer {
    let mut answer = Answer::default();
    for (name, value) in form_urlencoded::parse(body) {
        let value = value.into_owned();
        match name.as_ref() {
            "answer" => answer.answer = value,
            "confirm" => answer.confirm = value,
            "format" => answer.format = value,
            "language" => answer.language = value,
            "emergency" => answer.emergency = value,
            "blocked" | "withheld" => answer.named.push((name.into_owned(), value)),
            _ => {}
        }
    }
    answer
}

/// `GET /me/choices/check`: what was answered, and who would see what.
pub(super) async fn check(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let draft = state.drafts.get(&session.digest);
    let record = own_record(&state, &session, "choose").await?;
    let to = next(&draft, &record);
    if to != "/me/choices/check" {
        return Ok(see_other(to));
    }
    let answers = answers(&state, &draft, &record);
    let (caller, proposed) = (
        session.caller(),
        decided(&draft, "self", "", state.clock.now()),
    );
    let told = ask(&state, move |door| door.own_simulation(&caller, &proposed)).await?;
    let tables = who_sees::tables(&told);
    let changes = told.lines.iter().filter(|line| line.changes()).count();
    let share = draft.what == "share";
    let private = draft.what == "private";
    let head = Head::new("Check your answers", "me-choices");
    draw(
        &state,
        &session,
        &record,
        "me-check.html",
        &head,
        shown! { answers, share, private, tables, changes, still => who_sees::STILL },
    )
}

/// Title, answer and the page that changes it.
fn answers(state: &Shared, draft: &Draft, record: &OwnRecord) -> Vec<(String, String, String)> {
    let mut answers: Vec<(String, String, String)> = Vec::new();
    for one in QUESTIONS {
        if one.step == "young" && !asks_the_young(record) {
            continue;
        }
        let said = words(one.options, answered(draft, one.step)).unwrap_or_default();
        let address = format!("/me/choices/{}", one.step);
        answers.push((one.title.to_owned(), said.to_owned(), address));
        if one.step == "what" && draft.what == "private" {
            let names = |codes: &[String]| {
                let named = codes.iter().filter_map(|code| OdsCode::parse(code).ok());
                named
                    .map(|code| letters::name_of(&state.directory, &code))
                    .collect::<Vec<_>>()
                    .join("; ")
            };
            let mut parts = Vec::new();
            if draft.emergency {
                parts.push("Nobody looks, except in an emergency".to_owned());
            }
            if !draft.blocked.is_empty() {
                parts.push(format!("May not look: {}", names(&draft.blocked)));
            }
            if !draft.withheld.is_empty() {
                parts.push(format!("Not shown elsewhere: {}", names(&draft.withheld)));
            }
            let address = "/me/choices/private".to_owned();
            answers.push(("What is kept private".to_owned(), parts.join(". "), address));
        }
    }
    answers.push((
        "How should we confirm?".to_owned(),
        confirmation(draft),
        "/me/choices/confirm".to_owned(),
    ));
    answers
}

/// `POST /me/choices/check`: records the choice. It holds before the answer leaves.
pub(super) async fn save(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let mut draft = state.drafts.get(&session.digest);
    let record = own_record(&state, &session, "choose").await?;
    let to = next(&draft, &record);
    if draft.saved.is_some() {
        return Ok(see_other("/me/choices/done"));
    }
    // A choice that cannot be read may block organisations: writing over it could let them in.
    if to != "/me/choices/check" || record.choice_unreadable {
        let elsewhere = if record.choice_unreadable {
            "/me/choices/call"
        } else {
            to
        };
        return Ok(see_other(elsewhere));
    }
    let (caller, record_handle) = (session.caller(), state.record.clone());
    let (person, now, answers) = (record.person, state.clock.now(), draft.clone());
    let days = state.content.contact.reply_days;
    let (kept, holds) = crate::blocking(move || {
        let door = record_handle.disclosure();
        let reference = door.fresh_reference().map_err(Problem::unavailable)?;
        let acting = record_handle
            .proxies()
            .acting_for(&caller.user)
            .map_err(Problem::unavailable)?;
        let grant = acting.iter().find(|one| one.person == person);
        let (set_by, evidence) = match (record.acting_for, grant) {
            (false, _) => ("self", String::new()),
            (true, Some(grant)) => (grant.relationship.set_by(), grant.evidence.clone()),
            (true, None) => return Err(Problem::forbidden(
                "You cannot choose for this person",
                "We do not have the proof that you may act for this person. Call us and we will help.",
            )),
        };
        let mut choice = decided(&answers, set_by, &evidence, now);
        choice.reference = Some(reference.clone());
        let case = NewCase {
            kind: choice_work::KIND.to_owned(),
            reference: Some(reference),
            person: Some(person),
            about: "online".to_owned(),
            due_at: choice_work::due(choice_work::today(now), days),
            detail: online(&answers, &choice, &caller.user.name, person, now).detail(),
            note: "The choice was made online and holds.".to_owned(),
            ..NewCase::default()
        };
        let choices = record_handle.choices();
        let kept = choices
            .record_online(person, &choice, &caller, &case)
            .map_err(Problem::unavailable)?;
        let current = choices.current(person).map_err(Problem::unavailable)?;
        let holds = current.is_some_and(|now| now.forbids_as(&kept));
        Ok::<_, Problem>((kept, holds))
    })
    .await??;
    draft.saved = Some(Saved {
        reference: kept.reference.clone().unwrap_or_default(),
        at: kept.decided_at,
        choice: kept,
        holds,
    });
    state.drafts.put(&session.digest, draft);
    Ok(see_other("/me/choices/done"))
}

/// What the case of an online choice knows from the start.
fn online(
    draft: &Draft,
    choice: &care_record::Choice,
    who: &str,
    person: care_core::vocabulary::PersonId,
    now: jiff::Timestamp,
) -> Work {
    let acts = choice.set_by != "self";
    Work {
        channel: "online".to_owned(),
        received: choice_work::today(now).to_string(),
        person: person.to_string(),
        identity: IdentityCheck {
            method: "signed-in".to_owned(),
            matched: Vec::new(),
            result: "passed".to_owned(),
        },
        acting: Acting {
            set_by: choice.set_by.clone(),
            name: if acts { who.to_owned() } else { String::new() },
            evidence: choice.evidence.clone(),
            young_agrees: draft.young.clone(),
            ..Acting::default()
        },
        chosen: Chosen {
            what: draft.what.clone(),
            emergency: draft.emergency,
            blocked: draft.blocked.clone(),
            withheld: draft.withheld.clone(),
            words: String::new(),
        },
        explained: Explained {
            effects: true,
            options: true,
            interpreter: String::new(),
            format: draft.format.clone(),
            confirm: draft.confirm.clone(),
            language: draft.language.clone(),
        },
        done: Some(now),
        ..Work::default()
    }
}

/// `GET /me/choices/done`.
pub(super) async fn done(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let draft = state.drafts.get(&session.digest);
    let Some(saved) = &draft.saved else {
        return Ok(see_other("/me/choices"));
    };
    let record = own_record(&state, &session, "choices").await?;
    let head = Head::new("Your choice has been saved", "me-choices");
    let shares = !saved.choice.restricts();
    let private = draft.what == "private";
    let large = draft.format == "large-print";
    let shown = shown! {
        reference => saved.reference, shares, private, holds => saved.holds, large,
        time => time_of_day(saved.at), by => confirmation(&draft),
    };
    draw(&state, &session, &record, "me-done.html", &head, shown)
}

/// `GET /me/choices/letter/{form}`: the letter that confirms the choice that holds, as PDF.
pub(super) async fn letter(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(form): Path<String>,
) -> Result<Response, Problem> {
    let large_print = match form.as_str() {
        "standard" => false,
        "large-print" => true,
        _ => return Err(Problem::not_found()),
    };
    let record = own_record(&state, &session, "choices").await?;
    let Some(choice) = record.choice.clone() else {
        return Ok(see_other("/me/choices"));
    };
    let kind = Letter::confirming(&choice);
    let person = public_name(&record.known);
    let name = if record.acting_for {
        session.user.name.clone()
    } else {
        person.clone()
    };
    let address = record.known.addresses.iter().find(|one| !one.temporary);
    let mut recipient = vec![name.clone()];
    if let (false, Some(address)) = (record.acting_for, address) {
        recipient.extend(address.lines.iter().cloned());
        recipient.extend(address.postcode.clone());
    }
    let told = Told {
        recipient,
        name,
        subject: record.acting_for.then_some(person),
        reference: choice
            .reference
            .clone()
            .unwrap_or_else(|| "none".to_owned()),
        date: state.clock.now(),
        choice: Some(choice),
        large_print,
        ..Told::default()
    };
    let bytes = crate::blocking(move || {
        letters::pdf(kind, &told, &state.content, &state.directory).map_err(letters::unmade)
    })
    .await??;
    Ok(letters::served(bytes, "connect-care-choice.pdf"))
}

/// `GET /me/choices/call`: this choice needs a talk first.
pub(super) async fn call(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "choose").await?;
    let draft = state.drafts.get(&session.digest);
    let head = Head::new("Talk to us first", "me-choices");
    let shown = shown! { reference => "", why => why(&draft, &record) };
    draw(&state, &session, &record, "me-call.html", &head, shown)
}

/// Why we talk first.
fn why(draft: &Draft, record: &OwnRecord) -> &'static str {
    match draft.who.as_str() {
        "child" | "act-for" if !record.acting_for => "somebody-else",
        "me" if record.acting_for => "log-in-as-yourself",
        _ if asks_the_young(record) && draft.young == "no" => "young",
        _ => "asked",
    }
}

/// `POST /me/choices/call`.
pub(super) async fn ask_for_call(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "choose").await?;
    let draft = state.drafts.get(&session.digest);
    let caller = session.caller();
    let said = format!("for {}; wants {}", draft.who, draft.what);
    let case = OwnCase::CallAboutChoice;
    let reference = ask(&state, move |door| door.own_case(&caller, case, &said)).await?;
    let head = Head::new("We will call you", "me-choices");
    let shown = shown! { reference => reference.as_str(), why => "" };
    draw(&state, &session, &record, "me-call.html", &head, shown)
}
