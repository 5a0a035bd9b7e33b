//! C23 Recent and C26 Help.

use axum::extract::State;
use axum::response::Response;
use care_core::sections::{Identity, When, identity};
use serde::Serialize;

use super::{ask, failed};
use crate::components::{Frame, Head, page, shown};
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

/// `GET /staff/help`.
pub(super) async fn help(session: Session) -> Result<Response, Problem> {
    page(
        "help.html",
        &Head::new("Help", "help"),
        Some(&Frame::of(&session)),
        shown! {},
    )
}
