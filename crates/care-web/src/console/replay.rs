//! "What did she see?": a page that was shown, shown again for a reviewer with the right to it.
//!
//! The one page of the console with clinical content, so it asks for a reason each time, needs a right
//! of its own (`[audit] replay` names who holds it), and stands in the person's list of who looked.

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Form, Router};
use care_record::DisclosureError;
use serde::Deserialize;

use super::{allowed, draw_form, guard};
use crate::components::{Frame, Head, page, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;
use crate::viewer::record::again;

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new().route("/ig/replay", get(form).post(show))
}

const TITLE: &str = "Show a past page again";

/// What was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    entry: String,
    because: String,
}

/// `GET /ig/replay`.
async fn form(session: Session) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    ask_again(&session, &Asked::default(), None)
}

fn ask_again(
    session: &Session,
    asked: &Asked,
    error: Option<(&str, &str)>,
) -> Result<Response, Problem> {
    let errors: Vec<_> = error
        .into_iter()
        .map(|(field, words)| serde_json::json!({ "field": field, "words": words }))
        .collect();
    let (entry, because) = (&asked.entry, &asked.because);
    let failed = error.is_some();
    let with = shown! { errors, entry, because };
    draw_form(session, "ig-replay.html", TITLE, "ig-replay", failed, with)
}

/// `POST /ig/replay`: never a GET, because it discloses.
async fn show(
    State(state): State<Shared>,
    session: Session,
    Form(asked): Form<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let Ok(number) = asked.entry.trim().parse::<u64>() else {
        let words = "Enter the number of the entry, for example 1042";
        return ask_again(&session, &asked, Some(("entry", words)));
    };
    let (caller, because) = (session.caller(), asked.because.clone());
    let has_right = state.config.audit.replay.contains(&session.user.id);
    let door = state.record.disclosure();
    let done = crate::blocking(move || door.replay(&caller, has_right, number, &because)).await?;
    match done {
        Ok(replayed) => drawn(&state, &session, number, &replayed.into_inner()),
        Err(DisclosureError::Unclear(words)) => {
            let field = if words.starts_with("Say why") {
                "because"
            } else {
                "entry"
            };
            ask_again(&session, &asked, Some((field, words)))
        }
        Err(DisclosureError::NotThere) => {
            let words = "There is no such entry, or its page cannot be put together any more";
            ask_again(&session, &asked, Some(("entry", words)))
        }
        Err(DisclosureError::Refused(_)) => Err(Problem::forbidden(
            "You may not show past pages",
            "This needs a right of its own besides your role, and nobody shows their own looks again. \
             The attempt is in the log. Ask the Caldicott Guardian.",
        )),
        Err(other) => Err(Problem::unavailable(other)),
    }
}

fn drawn(
    state: &Shared,
    session: &Session,
    number: u64,
    replayed: &care_record::Replayed,
) -> Result<Response, Problem> {
    let (template, with) = again(state, &replayed.request, &replayed.page, "#");
    let look = &replayed.look;
    let when = care_core::sections::When::moment(look.at);
    let same_build = replayed.build == env!("CARGO_PKG_VERSION");
    let replay = shown! {
        number, when, exact => replayed.exact, same_build, build => replayed.build,
        who => look.who_name, role => look.role, organisation => look.organisation,
    };
    let parent = "ig-replay-page.html";
    let head = Head::new("A page as it was shown", "governance");
    let with = minijinja::context! { ..with, ..minijinja::context! { parent, replay } };
    page(template, &head, Some(&Frame::of(session)), with)
}
