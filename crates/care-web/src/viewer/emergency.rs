//! C6 Emergency access: a page that stops the reader before something risky.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use care_record::{DisclosureError, Ground, Why};
use serde::{Deserialize, Serialize};

use super::confirm::Choice;
use super::{FieldError, ask, failed, refusal};
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// What was sent.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    ground: String,
    text: String,
}

/// `GET /staff/emergency/{choice}`.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(choice): Path<String>,
) -> Result<Response, Problem> {
    draw(&state, &session, choice, Sent::default(), &[]).await
}

async fn draw(
    state: &Shared,
    session: &Session,
    choice: String,
    sent: Sent,
    errors: &[FieldError],
) -> Result<Response, Problem> {
    let (caller, handle) = (session.caller(), choice.clone());
    let confirm = match ask(state, move |door| door.confirm(&caller, &handle)).await? {
        Ok(confirm) => confirm,
        Err(why) => return failed(why),
    };
    let what = if confirm.state.protected {
        "This record has extra protection, because telling where the person is could put them in danger."
    } else {
        "This record is not open to you in the ordinary way. In an emergency it opens if the sharing rules and the person’s own choice allow it."
    };
    let head = Head::new("You are about to open protected information", "find")
        .with_error(!errors.is_empty());
    let shown = shown! {
        choice, what, errors,
        form => sent.clone(),
        minutes => state.record.disclosure().emergency_minutes(),
        grounds => Ground::ALL.map(|ground| Choice { code: ground.code(), words: ground.words() }),
    };
    page("emergency.html", &head, Some(&Frame::of(session)), shown)
}

/// `POST /staff/emergency/{choice}`.
pub(super) async fn open(
    State(state): State<Shared>,
    session: Session,
    Path(choice): Path<String>,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    let text = sent.text.trim().to_owned();
    let ground = Ground::ALL
        .into_iter()
        .find(|ground| ground.code() == sent.ground);
    let mut errors = Vec::new();
    if ground.is_none() {
        errors.push(FieldError {
            field: "ground-risk-to-life",
            words: "Say why you need to open it",
        });
    }
    if !(10..=500).contains(&text.chars().count()) {
        errors.push(FieldError {
            field: "text",
            words: "Say what is happening, in 10 to 500 characters",
        });
    }
    let (true, Some(ground)) = (errors.is_empty(), ground) else {
        return draw(&state, &session, choice, sent, &errors).await;
    };
    let why = Why::Emergency {
        ground,
        text,
        // What is sealed is opened item by item, within the record.
        seal: false,
    };
    let (caller, handle) = (session.caller(), choice.clone());
    match ask(&state, move |door| door.open(&caller, &handle, &why)).await? {
        Ok(opened) => Ok(see_other(&format!(
            "/staff/record/{}/summary",
            opened.visit
        ))),
        Err(DisclosureError::Refused(why)) => refusal::refused(&state, &session, &choice, why),
        Err(why) => failed(why),
    }
}
