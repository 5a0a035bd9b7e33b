//! Whose record a session is about: a proxy picks before anything is shown, and their word stands at
//! the top of every page. And the page for those who have not proved who they are yet.

use axum::Form;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use care_core::vocabulary::Role;
use care_record::{OwnPerson, Place, ProxyError, ProxyStop};
use serde::{Deserialize, Serialize};

use super::{ask, name_of};
use crate::components::{Head, see_other, shown};
use crate::problem::Problem;
use crate::signin::{Session, is_own_path};
use crate::state::Shared;

/// Somebody signed in who is not staff, proved or not.
pub(super) struct SomeoneSignedIn(pub Session);

impl FromRequestParts<Shared> for SomeoneSignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Response> {
        let session = state
            .session(&parts.headers)
            .await
            .map_err(IntoResponse::into_response)?;
        match session {
            None => {
                let path = parts.uri.path();
                let next = if is_own_path(path) { path } else { "/me" };
                Err(Redirect::to(&format!("/me/login?next={next}")).into_response())
            }
            Some(session) if matches!(session.user.role, Role::Patient | Role::Proxy) => {
                Ok(Self(session))
            }
            Some(_) => Err(Problem::forbidden(
                "This page is for patients",
                "You are logged in as staff. Staff cannot look at their own record here: log out, \
                 then log in as a patient.",
            )
            .page()),
        }
    }
}

/// Somebody who has proved who they are, before it is settled whose record they look at.
pub(super) struct Proved(pub Session);

impl FromRequestParts<Shared> for Proved {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Response> {
        let SomeoneSignedIn(session) = SomeoneSignedIn::from_request_parts(parts, state).await?;
        if session.is_proved() {
            Ok(Self(session))
        } else {
            Err(see_other("/me/prove"))
        }
    }
}

/// The session as the one it stands for: settled anew at every request, so that a grant that ended
/// a moment ago opens nothing.
pub(super) async fn settled(state: &Shared, mut session: Session) -> Result<Session, Response> {
    let (proxies, caller) = (state.record.proxies(), session.caller());
    let stood = crate::blocking(move || {
        let place = proxies.place(&caller)?;
        let stood = proxies.stand_in(&caller, &place)?;
        Ok::<_, ProxyError>((place, stood))
    });
    let (place, stood) = stood
        .await
        .and_then(|done| done.map_err(Problem::unavailable))
        .map_err(Problem::page)?;
    match place {
        Place::Own | Place::For(_) => {
            session.user = stood.user;
            Ok(session)
        }
        Place::Pick { ended: true } => Err(see_other("/me/whose?ended=1")),
        Place::Pick { ended: false } | Place::Nobody => Err(see_other("/me/whose")),
    }
}

#[derive(Serialize)]
struct Choice {
    code: String,
    words: String,
    hint: String,
    /// Why it cannot be picked; empty where it can.
    stopped: &'static str,
}

fn choice(one: &OwnPerson) -> Choice {
    Choice {
        code: one.acting.grant.clone(),
        words: one
            .name
            .as_ref()
            .map_or_else(|| "Somebody whose name we do not have".to_owned(), name_of),
        hint: format!(
            "{}. You may {}.",
            one.acting.relationship.words(),
            one.acting.rights.words().join(", ")
        ),
        stopped: one.stopped.map_or("", stopped),
    }
}

fn stopped(why: ProxyStop) -> &'static str {
    match why {
        ProxyStop::ReviewDue => {
            "From the age of 11 we review if a parent should still see the record. We have not done \
             this yet. Call us and we will."
        }
        ProxyStop::DecidesAlone => {
            "This person decides alone now. They can let you act for them on their own pages."
        }
        ProxyStop::Ended => {
            "You may not act for this person at the moment. Call us to find out why."
        }
    }
}

#[derive(Deserialize, Default)]
pub(super) struct Reached {
    #[serde(default)]
    ended: String,
}

/// `GET /me/whose`.
pub(super) async fn choose(
    State(state): State<Shared>,
    Proved(session): Proved,
    axum::extract::Query(reached): axum::extract::Query<Reached>,
) -> Result<Response, Problem> {
    show(&state, &session, !reached.ended.is_empty(), false).await
}

async fn show(
    state: &Shared,
    session: &Session,
    ended: bool,
    missing: bool,
) -> Result<Response, Problem> {
    let caller = session.caller();
    let people = ask(state, move |door| door.own_people(&caller)).await?;
    let mut choices = Vec::new();
    if session.user.role == Role::Patient {
        choices.push(Choice {
            code: "own".to_owned(),
            words: format!("My own record ({})", session.user.name),
            hint: String::new(),
            stopped: "",
        });
    }
    choices.extend(people.iter().map(choice));
    let (open, closed): (Vec<Choice>, Vec<Choice>) =
        choices.into_iter().partition(|one| one.stopped.is_empty());
    let head = Head::new("Whose record do you want to look at?", "").with_error(missing);
    let shown = shown! { open, closed, ended, missing };
    super::draw_before(state, session, "me-whose.html", &head, shown)
}

#[derive(Deserialize, Default)]
pub(super) struct Picked {
    #[serde(default)]
    whose: String,
}

/// `POST /me/whose`.
pub(super) async fn picked(
    State(state): State<Shared>,
    Proved(session): Proved,
    Form(picked): Form<Picked>,
) -> Result<Response, Problem> {
    let (proxies, caller) = (state.record.proxies(), session.caller());
    let done = crate::blocking(move || {
        if picked.whose == "own" {
            return proxies.pick(&caller, None);
        }
        let all = proxies.acting_for(&caller.user)?;
        let one = all.iter().find(|one| one.grant == picked.whose);
        let one = one.ok_or(ProxyError::NoGrant)?;
        proxies.pick(&caller, Some(one.person))
    });
    match done.await? {
        Ok(()) => Ok(see_other("/me")),
        Err(ProxyError::NoGrant) => show(&state, &session, false, true).await,
        Err(other) => Err(Problem::unavailable(other)),
    }
}

/// `GET /me/prove`: for those who have not proved who they are.
pub(super) async fn prove(
    State(state): State<Shared>,
    SomeoneSignedIn(session): SomeoneSignedIn,
) -> Result<Response, Problem> {
    if session.is_proved() {
        return Ok(see_other("/me"));
    }
    let head = Head::new("Prove who you are", "");
    super::draw_before(&state, &session, "me-prove.html", &head, shown! {})
}
