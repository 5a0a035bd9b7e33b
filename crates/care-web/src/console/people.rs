//! What the information governance team does for people's own pages: holding back a look where telling
//! could cause harm, and keeping who acts for whom on the proof that was seen.
//!
//! NHS numbers stand in forms only, never in an address. Shows no clinical content.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::Response;
use axum::routing::{get, post};
use care_core::vocabulary::NhsNumber;
use care_record::{
    ActingFor, DisclosureError, Holder, NewGrant, ProxyError, ProxyRelationship, ProxyRights,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{allowed, draw_form, guard};
use crate::components::shown;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// The addresses of this room.
pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/ig/people", get(page))
        .route("/ig/people/hold", post(hold))
        .route("/ig/people/release", post(release))
        .route("/ig/people/find", post(find))
        .route("/ig/people/grant", post(grant))
        .route("/ig/people/change", post(change))
}

/// What the page says besides its forms.
#[derive(Default, Serialize)]
struct Says {
    done: &'static str,
    error: String,
    /// The number that was looked for, to go with the next form.
    number: String,
    found: bool,
    lines: Vec<Line>,
}

/// One grant.
#[derive(Serialize)]
struct Line {
    grant: String,
    who: String,
    relationship: &'static str,
    may: String,
    since: String,
    until: String,
    evidence: String,
    reviewed: String,
    ended: String,
}

fn line(one: &ActingFor) -> Line {
    let day = |at: Timestamp| care_core::sections::When::moment(at).short;
    Line {
        grant: one.grant.clone(),
        who: one.who.clone(),
        relationship: one.relationship.words(),
        may: one.rights.words().join(", "),
        since: day(one.since),
        until: one.until.map_or_else(|| "Not set".to_owned(), day),
        evidence: one.evidence.clone(),
        reviewed: one.reviewed_at.map_or_else(|| "Never".to_owned(), day),
        ended: one
            .ended
            .as_ref()
            .map_or_else(String::new, |(at, _)| day(*at)),
    }
}

fn draw(session: &Session, says: &Says) -> Result<Response, Problem> {
    let grounds: Vec<(&str, &str)> = ProxyRelationship::ALL
        .iter()
        .map(|one| (one.code(), one.words()))
        .collect();
    draw_form(
        session,
        "ig-people.html",
        "People’s own pages",
        "ig-people",
        !says.error.is_empty(),
        shown! { says, grounds },
    )
}

async fn page(session: Session) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    draw(&session, &Says::default())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Held {
    entry: String,
    days: String,
    reason: String,
}

async fn hold(
    State(state): State<Shared>,
    session: Session,
    Form(held): Form<Held>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let (Ok(entry), Ok(days)) = (
        held.entry.trim().parse::<u64>(),
        held.days.trim().parse::<i64>(),
    ) else {
        return said(
            &session,
            "Enter the number of the entry, and for how many days",
        );
    };
    if !(1..=365).contains(&days) {
        return said(&session, "Enter a number of days from 1 to 365");
    }
    let now = state.clock.now();
    let until = now
        .saturating_add(SignedDuration::from_hours(24 * days))
        .unwrap_or(now);
    let (door, caller) = (state.record.disclosure(), session.caller());
    let reason: String = held.reason.chars().take(500).collect();
    let done = crate::blocking(move || door.hold_look(&caller, entry, until, &reason));
    told(&session, done.await?.map(|_| "The look is held back.")).await
}

async fn release(
    State(state): State<Shared>,
    session: Session,
    Form(held): Form<Held>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let Ok(entry) = held.entry.trim().parse::<u64>() else {
        return said(&session, "Enter the number of the entry");
    };
    let (door, caller) = (state.record.disclosure(), session.caller());
    let done = crate::blocking(move || door.release_look(&caller, entry));
    told(&session, done.await?.map(|_| "The look is told again.")).await
}

fn said(session: &Session, error: &str) -> Result<Response, Problem> {
    draw(
        session,
        &Says {
            error: error.to_owned(),
            ..Says::default()
        },
    )
}

async fn told(
    session: &Session,
    done: Result<&'static str, DisclosureError>,
) -> Result<Response, Problem> {
    match done {
        Ok(done) => draw(
            session,
            &Says {
                done,
                ..Says::default()
            },
        ),
        Err(DisclosureError::Unclear(words)) => said(session, words),
        Err(DisclosureError::NotThere) => said(
            session,
            "No entry of this number is about a person, or it is not held back",
        ),
        Err(other) => Err(Problem::unavailable(other)),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    number: String,
    grant: String,
    act: String,
    holder: String,
    who: String,
    relationship: String,
    look: String,
    choices: String,
    copy: String,
    evidence: String,
}

async fn find(
    State(state): State<Shared>,
    session: Session,
    Form(about): Form<About>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    show(&state, &session, &about.number, "", String::new()).await
}

/// The grants of whoever holds this number.
async fn show(
    state: &Shared,
    session: &Session,
    number: &str,
    done: &'static str,
    error: String,
) -> Result<Response, Problem> {
    let Ok(parsed) = NhsNumber::parse(number) else {
        return said(session, "Enter an NHS number that has 10 digits");
    };
    let (proxies, caller) = (state.record.proxies(), session.caller());
    let found = crate::blocking(move || proxies.of_number(parsed, &caller)).await?;
    let Some((_, all)) = found.map_err(Problem::unavailable)? else {
        return said(session, "Nobody is known by this NHS number");
    };
    draw(
        session,
        &Says {
            done,
            error,
            number: parsed.digits(),
            found: true,
            lines: all.iter().map(line).collect(),
        },
    )
}

async fn grant(
    State(state): State<Shared>,
    session: Session,
    Form(about): Form<About>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let holder = match NhsNumber::parse(&about.holder) {
        Ok(number) => Holder::number(number),
        Err(_) => Holder::user(about.holder.trim()),
    };
    let ground = ProxyRelationship::from_code(&about.relationship);
    let number = NhsNumber::parse(&about.number).ok();
    let (Some(relationship), Some(number), false) =
        (ground, number, about.holder.trim().is_empty())
    else {
        let error = "Say who it is, by their NHS number or user id, and on what ground";
        return show(&state, &session, &about.number, "", error.to_owned()).await;
    };
    let new = NewGrant {
        holder,
        who: about.who.chars().take(100).collect(),
        relationship,
        rights: ProxyRights {
            see_who_looked: !about.look.is_empty(),
            change_choices: !about.choices.is_empty(),
            get_a_copy: !about.copy.is_empty(),
        },
        until: None,
        evidence: about.evidence.chars().take(300).collect(),
    };
    let (proxies, caller) = (state.record.proxies(), session.caller());
    let done = crate::blocking(move || {
        let found = proxies.of_number(number, &caller)?;
        let (person, _) = found.ok_or(ProxyError::NobodyThere)?;
        proxies.grant(person, &new, &caller.user.id)
    });
    let done = done.await?.map(|_| "They may act for this person now.");
    after(&state, &session, &about.number, done).await
}

async fn change(
    State(state): State<Shared>,
    session: Session,
    Form(about): Form<About>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let Ok(number) = NhsNumber::parse(&about.number) else {
        return said(&session, "Enter an NHS number that has 10 digits");
    };
    let (proxies, caller) = (state.record.proxies(), session.caller());
    let done = crate::blocking(move || {
        let found = proxies.of_number(number, &caller)?;
        let (person, _) = found.ok_or(ProxyError::NobodyThere)?;
        let by = &caller.user.id;
        match about.act.as_str() {
            "end" => proxies
                .revoke(person, &about.grant, by)
                .map(|()| "It has ended. It is refused from the next request on."),
            "reviewed" => proxies
                .reviewed(person, &about.grant, by)
                .map(|()| "The review is written down."),
            "competent" => proxies
                .set_competent(person, true, by)
                .map(|()| "The young person decides for themselves from now on."),
            "not-competent" => proxies
                .set_competent(person, false, by)
                .map(|()| "A parent may decide again, as far as age and review allow."),
            _ => Err(ProxyError::Unclear("Choose what to change")),
        }
    });
    let done = done.await?;
    after(&state, &session, &number.digits(), done).await
}

async fn after(
    state: &Shared,
    session: &Session,
    number: &str,
    done: Result<&'static str, ProxyError>,
) -> Result<Response, Problem> {
    match done {
        Ok(done) => show(state, session, number, done, String::new()).await,
        Err(error @ (ProxyError::Unclear(_) | ProxyError::NoGrant | ProxyError::NobodyThere)) => {
            show(state, session, number, "", error.to_string()).await
        }
        Err(other) => Err(Problem::unavailable(other)),
    }
}
