//! M5 people who act for you: who, on what ground, what they may do, since and until when, on what
//! proof; adding somebody by a code, taking one up, and removing.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use care_record::{
    ActingFor, Holder, INVITATION_DAYS, NewGrant, OwnCase, Proxies, ProxyError, ProxyRelationship,
    ProxyRights,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::whose::Proved;
use super::{Oneself, ask, day, draw, draw_before, own_record};
use crate::components::{Head, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// One line of the page.
#[derive(Serialize)]
struct Line {
    grant: String,
    who: String,
    relationship: &'static str,
    may: String,
    since: String,
    until: String,
    evidence: String,
    ended: String,
}

fn line(one: &ActingFor, now: Timestamp) -> Line {
    let ended = match (&one.ended, one.until) {
        (Some((at, _)), _) => day(*at),
        (None, Some(until)) if until <= now => day(until),
        _ => String::new(),
    };
    Line {
        grant: one.grant.clone(),
        who: one.who.clone(),
        relationship: one.relationship.words(),
        may: one.rights.words().join(", "),
        since: day(one.since),
        until: one
            .until
            .map_or_else(|| "Until it is ended".to_owned(), day),
        evidence: one.evidence.clone(),
        ended,
    }
}

/// Runs a call of the proxies on a blocking thread.
async fn of<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(Proxies) -> Result<T, ProxyError> + Send + 'static,
) -> Result<Result<T, ProxyError>, Problem> {
    let proxies = state.record.proxies();
    crate::blocking(move || call(proxies)).await
}

/// `GET /me/acting-for`.
pub(super) async fn list(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "acting for").await?;
    let person = record.person;
    let all = of(&state, move |proxies| proxies.of(person)).await?;
    let all = all.map_err(Problem::unavailable)?;
    let now = state.clock.now();
    let lines = all.iter().map(|one| line(one, now));
    let (now_acting, before): (Vec<Line>, Vec<Line>) = lines.partition(|one| one.ended.is_empty());
    let head = Head::new("People who act for you", "me-acting");
    let may_change = !record.acting_for;
    let shown = shown! { now_acting, before, may_change };
    draw(&state, &session, &record, "me-acting.html", &head, shown)
}

/// What "Add someone" is answered with.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Added {
    name: String,
    look: String,
    choices: String,
    copy: String,
    months: String,
}

/// `GET /me/acting-for/add`.
pub(super) async fn add(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    show_add(&state, &session, &Added::default(), "").await
}

async fn show_add(
    state: &Shared,
    session: &Session,
    added: &Added,
    error: &str,
) -> Result<Response, Problem> {
    let record = own_record(state, session, "acting for").await?;
    only_oneself(record.acting_for)?;
    let head = Head::new("Add someone to act for you", "me-acting").with_error(!error.is_empty());
    let shown = shown! { added, error, code => "", days => INVITATION_DAYS };
    draw(state, session, &record, "me-acting-add.html", &head, shown)
}

/// Only the person lets somebody act for them, or ends it.
fn only_oneself(acting_for: bool) -> Result<(), Problem> {
    if acting_for {
        return Err(Problem::forbidden(
            "Only the person can change this here",
            "You act for somebody. Call us if they cannot change this on their own.",
        ));
    }
    Ok(())
}

/// `POST /me/acting-for/add`: gives a code.
pub(super) async fn added(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Form(added): Form<Added>,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "acting for").await?;
    only_oneself(record.acting_for)?;
    let until = match added.months.as_str() {
        "" => None,
        months => match months.parse::<i32>() {
            Ok(months @ 1..=120) => {
                let today = care_core::sections::local(state.clock.now());
                today
                    .checked_add(jiff::Span::new().months(months))
                    .ok()
                    .and_then(|end| end.to_zoned(jiff::tz::get!("Europe/London")).ok())
                    .map(|end| end.timestamp())
            }
            _ => {
                let error = "Enter a number of months from 1 to 120, or leave it empty";
                return show_add(&state, &session, &added, error).await;
            }
        },
    };
    let grant = NewGrant {
        // Whoever takes the code up becomes the holder.
        holder: Holder::user("nobody yet"),
        who: added.name.trim().chars().take(100).collect(),
        relationship: ProxyRelationship::Chosen,
        rights: ProxyRights {
            see_who_looked: !added.look.is_empty(),
            change_choices: !added.choices.is_empty(),
            get_a_copy: !added.copy.is_empty(),
        },
        until,
        evidence: "The person added them here, logged in with proof of who they are".to_owned(),
    };
    let (person, by) = (record.person, session.user.id.clone());
    let code = of(&state, move |proxies| proxies.invite(person, &grant, &by)).await?;
    let code = match code {
        Ok(code) => code,
        Err(ProxyError::Unclear(error)) => {
            return show_add(&state, &session, &added, error).await;
        }
        Err(other) => return Err(Problem::unavailable(other)),
    };
    let head = Head::new("Give them this code", "me-acting");
    let shown = shown! { added, error => "", code, days => INVITATION_DAYS };
    draw(
        &state,
        &session,
        &record,
        "me-acting-add.html",
        &head,
        shown,
    )
}

/// `GET /me/acting-for/remove/{grant}`: are you sure?
pub(super) async fn remove(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(grant): Path<String>,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "acting for").await?;
    only_oneself(record.acting_for)?;
    let person = record.person;
    let all = of(&state, move |proxies| proxies.of(person)).await?;
    let all = all.map_err(Problem::unavailable)?;
    let found = all
        .iter()
        .find(|one| one.grant == grant && one.ended.is_none());
    let one = line(found.ok_or_else(Problem::not_found)?, state.clock.now());
    let head = Head::new("Remove somebody who acts for you", "me-acting");
    draw(
        &state,
        &session,
        &record,
        "me-acting-remove.html",
        &head,
        shown! { one },
    )
}

/// `POST /me/acting-for/remove/{grant}`: it ends now.
pub(super) async fn removed(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Path(grant): Path<String>,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "acting for").await?;
    only_oneself(record.acting_for)?;
    let (person, by) = (record.person, session.user.id.clone());
    let done = of(&state, move |proxies| proxies.revoke(person, &grant, &by)).await?;
    match done {
        Ok(()) => Ok(see_other("/me/acting-for")),
        Err(ProxyError::NoGrant) => Err(Problem::not_found()),
        Err(other) => Err(Problem::unavailable(other)),
    }
}

/// A code somebody was given.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TakenUp {
    code: String,
}

/// `GET /me/acting-for/code`.
pub(super) async fn code(
    State(state): State<Shared>,
    Proved(session): Proved,
) -> Result<Response, Problem> {
    let head = Head::new("Use a code to act for somebody", "me-acting");
    let shown = shown! { error => "" };
    draw_before(&state, &session, "me-acting-code.html", &head, shown)
}

/// `POST /me/acting-for/code`.
pub(super) async fn take_up(
    State(state): State<Shared>,
    Proved(session): Proved,
    Form(taken): Form<TakenUp>,
) -> Result<Response, Problem> {
    let user = session.user.clone();
    let done = of(&state, move |proxies| proxies.accept(&taken.code, &user)).await?;
    match done {
        Ok(_) => Ok(see_other("/me/whose")),
        Err(ProxyError::NoInvitation | ProxyError::NobodyThere) => {
            let error =
                "This code is unknown, was used, or is too old. Check it, or ask for a new one";
            let head = Head::new("Use a code to act for somebody", "me-acting").with_error(true);
            draw_before(
                &state,
                &session,
                "me-acting-code.html",
                &head,
                shown! { error },
            )
        }
        Err(other) => Err(Problem::unavailable(other)),
    }
}

/// What "Ask to act for somebody" is answered with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedTo {
    relationship: String,
    said: String,
}

/// `GET /me/acting-for/ask`.
pub(super) async fn ask_form(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    show_ask(&state, &session, "", "").await
}

async fn show_ask(
    state: &Shared,
    session: &Session,
    reference: &str,
    error: &str,
) -> Result<Response, Problem> {
    let record = own_record(state, session, "acting for").await?;
    let grounds: Vec<(&str, &str)> = ProxyRelationship::ALL
        .iter()
        .map(|one| (one.code(), one.words()))
        .collect();
    let head = Head::new("Ask to act for somebody", "me-acting").with_error(!error.is_empty());
    let shown = shown! { grounds, reference, error };
    draw(state, session, &record, "me-acting-ask.html", &head, shown)
}

/// `POST /me/acting-for/ask`: a case, because the proof is looked at by a person.
pub(super) async fn asked(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Form(asked): Form<AskedTo>,
) -> Result<Response, Problem> {
    let Some(ground) = ProxyRelationship::from_code(&asked.relationship) else {
        return show_ask(&state, &session, "", "Say what you are to the person").await;
    };
    let said: String = asked.said.trim().chars().take(2000).collect();
    if said.is_empty() {
        return show_ask(&state, &session, "", "Say for whom you want to act").await;
    }
    let caller = session.caller();
    let said = format!("wants to act for somebody as {}: {said}", ground.code());
    let reference = ask(&state, move |door| {
        door.own_case(&caller, OwnCase::Proxy, &said)
    })
    .await?;
    show_ask(&state, &session, reference.as_str(), "").await
}
