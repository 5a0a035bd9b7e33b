//! A case: its tasks with their statuses, history, papers, letters, and what may be done with it.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use care_core::sections::When;
use care_core::vocabulary::Role;
use care_record::{CaseChange, CaseStep, Choice, ChoiceStatus, ConnectCareChoice};
use serde::Serialize;

use super::super::{age, allowed, draw, state_title};
use super::person::rows;
use super::tasks::{Fields, answers, unkept};
use super::work::{Worked, keep, keep_change, open};
use crate::choice_work::{SecondCheck, Stage};
use crate::components::{see_other, shown};
use crate::letters::{self, Letter};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// One step of the task list.
#[derive(Serialize)]
struct Task {
    title: &'static str,
    address: Option<String>,
    status: &'static str,
    done: bool,
}

fn tasks(worked: &Worked) -> Vec<Task> {
    let (work, number) = (&worked.work, worked.case.number);
    let changeable = work.done.is_none() && !worked.case.is_closed();
    let task = |title, page: &str, done: bool, status| Task {
        title,
        address: changeable.then(|| format!("/ig/choices/{number}/{page}")),
        status,
        done,
    };
    let said = |done: bool| if done { "Completed" } else { "To do" };
    let known = !work.person.is_empty() || work.awaited.is_some();
    let identity = match work.identity.result.as_str() {
        "passed" => "Completed",
        "failed" => "Failed",
        "more" => "More needed",
        _ => "To do",
    };
    let explained = work.explained.effects && work.explained.options;
    let stage = worked.stage();
    let last = match stage {
        Stage::Tasks => "Cannot start yet",
        Stage::SecondCheck => "Second check needed",
        Stage::ToConfirm => "Ready to confirm",
        Stage::Waiting | Stage::Letter | Stage::Done => "Completed",
    };
    let mut all = vec![
        task(
            "1. How did it reach us?",
            "step/received",
            !work.channel.is_empty(),
            said(!work.channel.is_empty()),
        ),
        task("2. Who is it about?", "step/person", known, said(known)),
        task(
            "3. Identity check",
            "step/identity",
            identity == "Completed",
            identity,
        ),
        task(
            "4. Acting for someone?",
            "step/acting",
            work.acting_is_settled(),
            said(work.acting_is_settled()),
        ),
        task(
            "5. The choice",
            "step/choice",
            work.choice_is_said(),
            said(work.choice_is_said()),
        ),
        task("6. Explained", "step/explained", explained, said(explained)),
        task("7. Check and confirm", "confirm", last == "Completed", last),
    ];
    if stage == Stage::Tasks
        && let Some(confirm) = all.last_mut()
    {
        confirm.address = None;
    }
    let sent = !work.letters.is_empty();
    all.push(Task {
        title: "8. Letter",
        address: work.done.is_some().then(|| "#letters".to_owned()),
        status: match (work.done, sent) {
            (None, _) => "Cannot start yet",
            (Some(_), false) => "To send",
            (Some(_), true) => "Completed",
        },
        done: sent,
    });
    all
}

/// One event of the history.
#[derive(Serialize)]
struct Event {
    when: When,
    who: String,
    state: String,
    owner: String,
    note: String,
}

/// One letter that can be made.
#[derive(Serialize)]
struct Offered {
    code: &'static str,
    words: &'static str,
    usual: bool,
}

/// `GET /ig/choices/{case}`.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let work = &worked.work;
    let stage = worked.stage();
    let now = state.clock.now();
    let events: Vec<Event> = worked
        .events
        .iter()
        .rev()
        .map(|event| Event {
            when: When::moment(event.at),
            who: event.who.clone(),
            state: state_title(&event.state),
            owner: event.owner.clone(),
            note: event.note.clone(),
        })
        .collect();
    let holds = worked.person.as_ref().and_then(|one| one.choice.as_ref());
    let facts = holds.map(|choice| letters::facts(choice, &state.directory));
    let unreadable = worked
        .person
        .as_ref()
        .is_some_and(|one| one.choice_unreadable);
    let objects = holds.is_some_and(|one| one.connect_care != ConnectCareChoice::None);
    let usual = usual_letter(&worked, holds);
    let offered: Vec<Offered> = Letter::ALL
        .into_iter()
        .map(|one| Offered {
            code: one.code(),
            words: one.words(),
            usual: Some(one) == usual,
        })
        .collect();
    let second_is_me = !work.hands.contains(&session.user.id);
    let due = worked.case.due_at.map(When::day);
    let overdue = worked.case.due_at.is_some_and(|at| at < now) && !worked.case.is_closed();
    let papers: Vec<(String, String, String, String)> = work
        .papers
        .iter()
        .map(|one| {
            let size = format!("{} KB", one.bytes.div_ceil(1024));
            (
                one.id.clone(),
                one.title.clone(),
                one.kind.to_uppercase(),
                size,
            )
        })
        .collect();
    let sent: Vec<(String, String, When, String)> = work
        .letters
        .iter()
        .map(|one| {
            let words = Letter::from_code(&one.kind).map_or("Letter", Letter::words);
            (
                words.to_owned(),
                one.format.clone(),
                When::moment(one.at),
                one.by.clone(),
            )
        })
        .collect();
    draw(
        &session,
        "ig-choice.html",
        "Choice",
        "ig-choices",
        shown! {
            number => worked.case.number, reference => worked.case.reference,
            name => worked.name(), person => worked.person.as_ref().map(rows),
            stage => stage.words(), state => state_title(&worked.case.state),
            closed => worked.case.is_closed(), owner => worked.case.owner,
            opened => When::moment(worked.case.opened_at), age => age(worked.case.opened_at, now),
            due, overdue, tasks => tasks(&worked), answers => answers(&state, &worked),
            events, facts, unreadable, papers, sent, offered,
            done => work.done.map(letters::moment), done_at => work.done.is_some(),
            waiting => stage == Stage::Waiting,
            to_check => work.arrived == "to-check",
            asks_second => stage == Stage::SecondCheck, second_is_me, second => work.second,
            may_decide => objects && session.user.role == Role::CaldicottGuardian,
            said => work.said, reason => work.reason, missing => work.missing,
            may_close => stage == Stage::Done,
        },
    )
}

/// The letter that this case most likely needs.
fn usual_letter(worked: &Worked, holds: Option<&Choice>) -> Option<Letter> {
    let work = &worked.work;
    match (work.done, work.identity.result.as_str()) {
        (Some(_), _) => holds.map(Letter::confirming).or(Some(Letter::Made)),
        (None, "failed") => Some(Letter::CannotIdentify),
        (None, "more") => Some(Letter::MoreEvidence),
        (None, _) => None,
    }
}

fn back(worked: &Worked) -> Response {
    see_other(&format!("/ig/choices/{}", worked.case.number))
}

/// `POST /ig/choices/{case}/note`: a note, or the words a letter needs.
pub(super) async fn note(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let fields = Fields::of(&body);
    let mut work = worked.work.clone();
    let note = match fields.one("about").as_str() {
        "letter" => {
            work.reason = fields.one("reason");
            work.missing = fields.one("missing");
            "The words for a letter were written.".to_owned()
        }
        _ => fields.one("note"),
    };
    if note.is_empty() {
        return Err(Problem::invalid(
            "The note is empty",
            "Write what you want to note.",
        ));
    }
    let change = CaseChange {
        note,
        ..CaseChange::default()
    };
    keep(&state, &session, &worked, work, change).await?;
    Ok(back(&worked))
}

/// `POST /ig/choices/{case}/transfer`: to somebody else, or to nobody.
pub(super) async fn transfer(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let fields = Fields::of(&body);
    let owner = match fields.one("to").as_str() {
        "me" => session.user.id.clone(),
        "nobody" => String::new(),
        _ => fields.one("owner"),
    };
    let plain = owner.len() <= 80
        && owner
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-._@".contains(letter));
    if !plain {
        return Err(Problem::invalid(
            "This is no user id",
            "Enter the id the colleague logs in with.",
        ));
    }
    let change = CaseChange {
        owner: Some(owner),
        note: match fields.one("note") {
            note if note.is_empty() => "Transferred.".to_owned(),
            note => note,
        },
        ..CaseChange::default()
    };
    keep_change(&state, &session, &worked, change).await?;
    Ok(back(&worked))
}

/// `POST /ig/choices/{case}/reopen`.
pub(super) async fn reopen(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let note = Fields::of(&body).one("note");
    if note.is_empty() {
        return Err(Problem::invalid(
            "Say why",
            "Write why this case is opened again.",
        ));
    }
    let change = CaseChange {
        state: Some("open".to_owned()),
        owner: Some(session.user.id.clone()),
        note,
        ..CaseChange::default()
    };
    keep_change(&state, &session, &worked, change).await?;
    Ok(back(&worked))
}

/// `POST /ig/choices/{case}/close`. A choice that holds stays open until its letter is sent.
pub(super) async fn close(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let fields = Fields::of(&body);
    let how = fields.one("how");
    let ended = match how.as_str() {
        "done" if worked.stage() == Stage::Done => "closed-done",
        "done" => {
            return Err(Problem::invalid(
                "This case cannot be closed yet",
                "It stays open until the choice holds and the letter is sent.",
            ));
        }
        "cannot-identify" => "closed-cannot-identify",
        "cannot-act" => "closed-cannot-act",
        "withdrawn" => "closed-withdrawn",
        _ => {
            return Err(Problem::invalid(
                "Say how it ends",
                "Choose one of the ways.",
            ));
        }
    };
    if how != "done" && fields.one("note").is_empty() {
        return Err(Problem::invalid(
            "Say why",
            "Write why this case ends without a choice.",
        ));
    }
    let change = CaseChange {
        state: Some(ended.to_owned()),
        note: fields.one("note"),
        ..CaseChange::default()
    };
    // A choice that waits for somebody must not come true after its case was given up.
    let gives_up = how != "done" && worked.work.done.is_some() && worked.person.is_none();
    if let (true, Some(awaited)) = (gives_up, worked.work.awaited.clone()) {
        let (caller, choices) = (session.caller(), state.record.choices());
        crate::blocking(move || choices.stop_waiting(&awaited, &caller))
            .await?
            .map_err(unkept)?;
    }
    keep_change(&state, &session, &worked, change).await?;
    Ok(see_other("/ig/choices?done=closed"))
}

/// `POST /ig/choices/{case}/second`: a second person, who did not work on it, agrees or does not.
pub(super) async fn second(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    if worked.work.hands.contains(&session.user.id) {
        return Err(Problem::forbidden(
            "A second person must check this",
            "You worked on this case yourself. Ask a colleague to open it and check it.",
        ));
    }
    if worked.stage() != Stage::SecondCheck {
        return Ok(back(&worked));
    }
    let fields = Fields::of(&body);
    let agreed = match fields.one("agreed").as_str() {
        "yes" => true,
        "no" => false,
        _ => return Err(Problem::invalid("Say if you agree", "Choose Yes or No.")),
    };
    let note = fields.one("note");
    if !agreed && note.is_empty() {
        return Err(Problem::invalid(
            "Say why not",
            "Write what must be looked at again.",
        ));
    }
    let mut work = worked.work.clone();
    work.second = Some(SecondCheck {
        by: session.user.id.clone(),
        name: session.user.name.clone(),
        agreed,
        note: note.clone(),
        at: state.clock.now(),
    });
    let words = if agreed {
        "Second check: agreed."
    } else {
        "Second check: not agreed."
    };
    // The one who checks has not worked on it by checking: so no `keep`, which would say so.
    let change = CaseChange {
        detail: Some(work.detail()),
        note: format!("{words} {note}").trim().to_owned(),
        ..CaseChange::default()
    };
    keep_change(&state, &session, &worked, change).await?;
    Ok(back(&worked))
}

/// `POST /ig/choices/{case}/decide`: the Caldicott Guardian decides an objection.
pub(super) async fn decide(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, &[Role::CaldicottGuardian])?;
    let worked = open(&state, &session, &number).await?;
    let Some(person) = worked.person_id() else {
        return Err(Problem::not_found());
    };
    let fields = Fields::of(&body);
    let reason = match fields.one("upheld").as_str() {
        "yes" => None,
        "no" => Some(fields.one("reason")),
        _ => return Err(Problem::invalid("Say what you decide", "Choose one.")),
    };
    let (caller, choices) = (session.caller(), state.record.choices());
    let words = reason.clone();
    crate::blocking(move || choices.decide(person, &caller, words.as_deref()))
        .await?
        .map_err(unkept)?;
    let note = match reason {
        None => "The objection is upheld.".to_owned(),
        Some(reason) => format!("The objection is not upheld: {reason}"),
    };
    let change = CaseChange {
        note,
        ..CaseChange::default()
    };
    keep_change(&state, &session, &worked, change).await?;
    Ok(back(&worked))
}

/// `POST /ig/choices/{case}/theirs`: whether somebody who arrived is the one the choice waited for.
pub(super) async fn theirs(
    State(state): State<Shared>,
    session: Session,
    Path(number): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    allowed(&session, super::ROLES)?;
    let worked = open(&state, &session, &number).await?;
    let (Some(person), "to-check") = (worked.person_id(), worked.work.arrived.as_str()) else {
        return Ok(back(&worked));
    };
    let now = state.clock.now();
    let mut work = worked.work.clone();
    work.touched_by(&session.user.id);
    let is_theirs = match Fields::of(&body).one("theirs").as_str() {
        "yes" => true,
        "no" => false,
        _ => return Err(Problem::invalid("Say if it is theirs", "Choose Yes or No.")),
    };
    let note = if is_theirs {
        work.arrived = "sure".to_owned();
        "It is the person. The choice holds."
    } else {
        work.arrived = String::new();
        work.person = String::new();
        work.done = None;
        "It is somebody else. Their record is shared again, and this case looks for its person."
    };
    let step = CaseStep {
        number: worked.case.number,
        expected_version: worked.case.version,
        change: CaseChange {
            detail: Some(work.detail()),
            note: note.to_owned(),
            ..CaseChange::default()
        },
    };
    let (caller, choices) = (session.caller(), state.record.choices());
    crate::blocking(move || {
        choices.change(person, &caller, Some(&step), |held| Choice {
            status: ChoiceStatus::Decided,
            connect_care: if is_theirs {
                held.connect_care
            } else {
                ConnectCareChoice::None
            },
            decided_at: now,
            ..held
        })
    })
    .await?
    .map_err(unkept)?;
    Ok(back(&worked))
}
