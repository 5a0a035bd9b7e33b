//! The patient portal: what is shared about me, who has looked, my choices. For patients, and people
//! who act for them; every task works without a script.
//!
//! Never decides and never reads the store: pages are drawn from what `Disclosure` disclosed.

mod acting;
mod choices;
mod choices_flow;
mod copy;
mod copy_files;
mod drafts;
mod looked;
mod notices;
mod own;
mod proof;
mod requests;
mod told;
mod whose;

use axum::Router;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use care_core::sections::{local, long_date};
use care_core::vocabulary::{Demographics, PersonName};
use care_record::{Disclosure, DisclosureError, OwnRecord};
use jiff::Timestamp;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

pub use drafts::Drafts;
pub use notices::send as send_notices;

use crate::components::{Head, page, shown};
use crate::problem::Problem;
use crate::public;
use crate::signin::{Session, is_own_path};
use crate::state::Shared;

/// The addresses of the portal.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/me/login", get(login))
        .route("/me", get(own::home))
        .route("/me/whose", get(whose::choose).post(whose::picked))
        .route("/me/prove", get(whose::prove))
        .route("/me/shared", get(own::shared))
        .route("/me/acting-for", get(acting::list))
        .route("/me/acting-for/add", get(acting::add).post(acting::added))
        .route(
            "/me/acting-for/remove/{grant}",
            get(acting::remove).post(acting::removed),
        )
        .route(
            "/me/acting-for/code",
            get(acting::code).post(acting::take_up),
        )
        .route(
            "/me/acting-for/ask",
            get(acting::ask_form).post(acting::asked),
        )
        .route("/me/download", get(copy::form).post(copy::make))
        .route("/me/requests", get(requests::list))
        .route("/me/settings", get(requests::settings).post(requests::keep))
        .route("/me/who-looked", get(looked::list))
        .route(
            "/me/who-looked/{entry}",
            get(looked::not_recognised).post(looked::report),
        )
        .route("/me/who-looked/{entry}/proof", get(proof::download))
        .route("/me/choices", get(choices::history))
        .route(
            "/me/choices/call",
            get(choices::call).post(choices::ask_for_call),
        )
        .route("/me/choices/check", get(choices::check).post(choices::save))
        .route("/me/choices/done", get(choices::done))
        .route("/me/choices/again", post(choices::again))
        .route("/me/choices/letter/{form}", get(choices::letter))
        .route(
            "/me/choices/{step}",
            get(choices::question).post(choices::answer),
        )
}

/// Somebody who has proved who they are, as the person whose record they look at or as one who acts
/// for that person: settled at every request.
pub struct Oneself(pub Session);

impl FromRequestParts<Shared> for Oneself {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Response> {
        let whose::Proved(session) = whose::Proved::from_request_parts(parts, state).await?;
        whose::settled(state, session).await.map(Self)
    }
}

#[derive(Deserialize)]
struct Reached {
    next: Option<String>,
}

/// `GET /me/login`.
async fn login(
    State(state): State<Shared>,
    Query(reached): Query<Reached>,
) -> Result<Response, Problem> {
    let next = reached
        .next
        .filter(|path| is_own_path(path))
        .unwrap_or_else(|| "/me".to_owned());
    public::draw(&state, "me-login.html", "Log in", "", shown! { next })
}

/// Who looks, for the frame.
#[derive(Serialize)]
struct OwnFrame {
    user: String,
    csrf: String,
    person: String,
    acting_for: bool,
    /// It is settled whose record the pages are about.
    settled: bool,
}

/// Draws a page about this record.
fn draw(
    state: &Shared,
    session: &Session,
    record: &OwnRecord,
    template: &str,
    head: &Head,
    with: Value,
) -> Result<Response, Problem> {
    let own = OwnFrame {
        user: session.user.name.clone(),
        csrf: session.csrf.clone(),
        person: public_name(&record.known),
        acting_for: record.acting_for,
        settled: true,
    };
    let content = &state.content;
    page(
        template,
        head,
        None,
        context! { ..with, ..shown! { content, own } },
    )
}

/// Draws a page before it is settled whose record the pages are about.
fn draw_before(
    state: &Shared,
    session: &Session,
    template: &str,
    head: &Head,
    with: Value,
) -> Result<Response, Problem> {
    let own = OwnFrame {
        user: session.user.name.clone(),
        csrf: session.csrf.clone(),
        person: String::new(),
        acting_for: false,
        settled: false,
    };
    let content = &state.content;
    page(
        template,
        head,
        None,
        context! { ..with, ..shown! { content, own } },
    )
}

/// Runs a call of the door on a blocking thread.
async fn ask<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(Disclosure) -> Result<T, DisclosureError> + Send + 'static,
) -> Result<T, Problem> {
    let disclosure = state.record.disclosure();
    crate::blocking(move || call(disclosure))
        .await?
        .map_err(failed)
}

/// The record of whoever is signed in.
async fn own_record(
    state: &Shared,
    session: &Session,
    page: &'static str,
) -> Result<OwnRecord, Problem> {
    let caller = session.caller();
    let record = ask(state, move |door| door.own(&caller, page)).await?;
    // The number and the birth date must be one person's.
    let born = record.known.birth_date.map(|date| date.to_string());
    if let (false, Some(claimed), Some(born)) = (record.acting_for, session.birth_date(), born)
        && born.len() == claimed.len()
        && born != claimed
    {
        return Err(failed(DisclosureError::NotThere));
    }
    Ok(record.into_inner())
}

fn failed(why: DisclosureError) -> Problem {
    match why {
        DisclosureError::NotThere => Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            "not-found",
            "We could not find this",
            "We could not find your record with these details, or this page is not about you. \
             Call us and we will help. Nothing was saved.",
        ),
        DisclosureError::Refused(_) => Problem::forbidden(
            "You cannot see this record here",
            "We do not have the proof that you may act for this person. Call us and we will help.",
        ),
        DisclosureError::Unclear(words) => Problem::invalid("This cannot be done", words),
        other => Problem::unavailable(other),
    }
}

/// `Jane Smith`.
fn public_name(known: &Demographics) -> String {
    known.names.first().map_or_else(String::new, name_of)
}

fn name_of(name: &PersonName) -> String {
    let given = name.given.first().map_or("", String::as_str);
    format!("{given} {}", name.family).trim().to_owned()
}

/// `2 October 2026 at 2:05pm`.
pub fn moment(at: Timestamp) -> String {
    format!("{} at {}", day(at), time_of_day(at))
}

/// `2 October 2026`.
fn day(at: Timestamp) -> String {
    long_date(local(at).date())
}

/// `2:05pm`.
fn time_of_day(at: Timestamp) -> String {
    let time = local(at).time();
    let half = if time.hour() < 12 { "am" } else { "pm" };
    let hour = match time.hour() % 12 {
        0 => 12,
        other => other,
    };
    format!("{hour}:{:02}{half}", time.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_written_as_the_public_reads_them() {
        for (at, words) in [
            ("2026-10-02T13:05:00Z", "2 October 2026 at 2:05pm"),
            ("2026-01-02T00:00:00Z", "2 January 2026 at 12:00am"),
            ("2026-01-02T12:30:00Z", "2 January 2026 at 12:30pm"),
        ] {
            assert_eq!(moment(at.parse().expect("a time")), words);
        }
    }
}
