//! M4 and the digital flow of a choice: one question a page, the same number of pages either way.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use care_record::{Choice, ChoiceStatus, ConnectCareChoice, NewCase, OwnCase, OwnRecord};
use serde::{Deserialize, Serialize};

use super::drafts::{Draft, Saved};
use super::own::choice_sentence;
use super::{Oneself, ask, draw, moment, own_record, time_of_day};
use crate::components::{Head, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// From this age on the young person is asked, so the choice is not made for them here.
const ASK_THE_YOUNG_FROM_YEARS: u32 = 13;

/// A question with answers to choose from.
#[derive(Serialize)]
struct Question {
    step: &'static str,
    title: &'static str,
    hint: &'static str,
    options: &'static [(&'static str, &'static str)],
    error: &'static str,
    back: &'static str,
}

const QUESTIONS: &[Question] = &[
    Question {
        step: "who",
        title: "Who is this choice for?",
        hint: "",
        options: &[
            ("me", "Me"),
            ("child", "My child"),
            ("act-for", "Someone I act for"),
        ],
        error: "Say who this choice is for",
        back: "/choices/connect-care",
    },
    Question {
        step: "what",
        title: "What do you want to choose?",
        hint: "You can change your mind at any time.",
        options: &[
            ("share", "Share my record with staff who care for me"),
            ("not-share", "Do not share my record"),
            ("private", "Keep some of my record private"),
        ],
        error: "Say what you want to choose",
        back: "/me/choices/who",
    },
    Question {
        step: "talk",
        title: "Do you want to talk to someone first?",
        hint: "You do not have to. You do not need to give a reason.",
        options: &[("no", "No"), ("yes", "Yes, call me")],
        error: "Say if you want to talk to someone first",
        back: "/me/choices/what",
    },
];

const CONFIRM: &[(&str, &str)] = &[
    ("letter", "Letter"),
    ("email", "Email"),
    ("text", "Text message"),
];
const FORMATS: &[(&str, &str)] = &[
    ("standard", "Standard"),
    ("large-print", "Large print"),
    ("easy-read", "Easy Read"),
    ("braille", "Braille"),
    ("audio", "Audio"),
    ("bsl", "British Sign Language (BSL) video"),
];

fn words(options: &[(&'static str, &'static str)], code: &str) -> Option<&'static str> {
    options
        .iter()
        .find(|(option, _)| *option == code)
        .map(|(_, words)| *words)
}

/// Where somebody with these answers goes next.
fn next(draft: &Draft, record: &OwnRecord) -> &'static str {
    let young = record
        .age_years
        .is_none_or(|age| age >= ASK_THE_YOUNG_FROM_YEARS);
    let for_this_record = match draft.who.as_str() {
        "" => return "/me/choices/who",
        "me" => !record.acting_for,
        "child" => record.acting_for && !young,
        // The evidence is looked at by a person.
        _ => false,
    };
    match () {
        () if !for_this_record => "/me/choices/call",
        () if draft.what.is_empty() => "/me/choices/what",
        () if draft.what == "private" => "/me/choices/call",
        () if draft.talk.is_empty() => "/me/choices/talk",
        () if draft.talk == "yes" => "/me/choices/call",
        () if draft.confirm.is_empty() => "/me/choices/confirm",
        () => "/me/choices/check",
    }
}

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
                _ => "Somebody who acts for you",
            };
            let how = match one.channel.as_str() {
                "online" => "Online",
                "telephone" => "By phone",
                "paper" => "On paper",
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
    let head = Head::new("Your choices", "me-choices");
    draw(
        &state,
        &session,
        &record,
        "me-choices.html",
        &head,
        shown! { choice, rows },
    )
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
    let Some(question) = QUESTIONS.iter().find(|one| one.step == step) else {
        return Err(Problem::not_found());
    };
    let chosen = match step {
        "who" => &draft.who,
        "what" => &draft.what,
        _ => &draft.talk,
    };
    let head = Head::new(question.title, "me-choices").with_error(missing);
    let shown = shown! { question, chosen, missing, current, since };
    draw(state, session, &record, "me-question.html", &head, shown)
}

/// What a question was answered with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    answer: String,
    confirm: String,
    format: String,
    language: String,
}

/// `POST /me/choices/{step}`.
pub(super) async fn answer(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(step): Path<String>,
    Form(answer): Form<Answer>,
) -> Result<Response, Problem> {
    let mut draft = state.drafts.get(&session.digest);
    draft.saved = None;
    if !take(&mut draft, &step, &answer) {
        return show(&state, &session, &step, &draft, true).await;
    }
    let record = own_record(&state, &session, "choose").await?;
    let to = next(&draft, &record);
    state.drafts.put(&session.digest, draft);
    Ok(see_other(to))
}

/// Takes an answer; false when it is none of those offered.
fn take(draft: &mut Draft, step: &str, answer: &Answer) -> bool {
    if step == "confirm" {
        let known =
            words(CONFIRM, &answer.confirm).is_some() && words(FORMATS, &answer.format).is_some();
        if known {
            draft.confirm.clone_from(&answer.confirm);
            draft.format.clone_from(&answer.format);
            draft.language = answer.language.trim().chars().take(60).collect();
        }
        return known;
    }
    let known = QUESTIONS
        .iter()
        .find(|one| one.step == step)
        .is_some_and(|one| words(one.options, &answer.answer).is_some());
    if known {
        let field = match step {
            "who" => &mut draft.who,
            "what" => &mut draft.what,
            _ => &mut draft.talk,
        };
        field.clone_from(&answer.answer);
    }
    known
}

/// `GET /me/choices/check`.
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
    let mut answers: Vec<(&str, String, String)> = QUESTIONS
        .iter()
        .map(|one| {
            let code = match one.step {
                "who" => &draft.who,
                "what" => &draft.what,
                _ => &draft.talk,
            };
            let said = words(one.options, code).unwrap_or_default().to_owned();
            (one.title, said, format!("/me/choices/{}", one.step))
        })
        .collect();
    answers.push((
        "How should we confirm?",
        confirmation(&draft),
        "/me/choices/confirm".into(),
    ));
    let share = draft.what == "share";
    let head = Head::new("Check your answers", "me-choices");
    draw(
        &state,
        &session,
        &record,
        "me-check.html",
        &head,
        shown! { answers, share },
    )
}

/// "Letter, large print, in Turkish".
fn confirmation(draft: &Draft) -> String {
    let by = words(CONFIRM, &draft.confirm).unwrap_or_default();
    let format = words(FORMATS, &draft.format)
        .unwrap_or_default()
        .to_lowercase();
    match draft.language.as_str() {
        "" => format!("{by}, {format}"),
        language => format!("{by}, {format}, in {language}"),
    }
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
    let shares = draft.what == "share";
    let choice = decided(&state, &record, shares);
    let (caller, door) = (session.caller(), state.record.disclosure());
    let (choices, person, by) = (state.record.choices(), record.person, confirmation(&draft));
    let made = choice.clone();
    let (reference, holds) = crate::blocking(move || {
        let reference = door.fresh_reference().map_err(Problem::unavailable)?;
        let made = Choice {
            reference: Some(reference.clone()),
            ..made
        };
        choices
            .record_online(
                person,
                &made,
                &caller,
                &NewCase {
                    kind: "choice-confirmation".to_owned(),
                    reference: Some(reference.clone()),
                    person: Some(person),
                    detail: serde_json::json!({ "reference": reference, "confirm by": by }),
                    ..NewCase::default()
                },
            )
            .map_err(Problem::unavailable)?;
        let current = choices.current(person).map_err(Problem::unavailable)?;
        Ok::<_, Problem>((reference, current.is_some_and(|now| now.forbids_as(&made))))
    })
    .await??;
    draft.saved = Some(Saved {
        reference,
        at: choice.decided_at,
        shares,
        holds,
    });
    state.drafts.put(&session.digest, draft);
    Ok(see_other("/me/choices/done"))
}

/// The choice as it will be kept: what was decided about organisations and sources stays.
fn decided(state: &Shared, record: &OwnRecord, shares: bool) -> Choice {
    let connect_care = if shares {
        ConnectCareChoice::None
    } else {
        ConnectCareChoice::Objected
    };
    let set_by = if record.acting_for {
        "parental_responsibility"
    } else {
        "self"
    };
    let before = record.choice.clone();
    Choice {
        connect_care,
        status: ChoiceStatus::Decided,
        blocked_organisations: before
            .as_ref()
            .map(|one| one.blocked_organisations.clone())
            .unwrap_or_default(),
        withheld_sources: before
            .as_ref()
            .map(|one| one.withheld_sources.clone())
            .unwrap_or_default(),
        gp_dissent: before.is_some_and(|one| one.gp_dissent),
        set_by: set_by.to_owned(),
        channel: "online".to_owned(),
        decided_at: state.clock.now(),
        ..Choice::default()
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
    let shown = shown! {
        reference => saved.reference, shares => saved.shares, holds => saved.holds,
        time => time_of_day(saved.at), by => confirmation(&draft),
    };
    draw(&state, &session, &record, "me-done.html", &head, shown)
}

/// `GET /me/choices/call`: this choice needs a talk first.
pub(super) async fn call(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "choose").await?;
    let head = Head::new("Talk to us first", "me-choices");
    draw(
        &state,
        &session,
        &record,
        "me-call.html",
        &head,
        shown! { reference => "" },
    )
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
    let shown = shown! { reference => reference.as_str() };
    draw(&state, &session, &record, "me-call.html", &head, shown)
}
