//! C6 within a record: sealed items are opened one by one, each on a recorded ground.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::Response;
use care_core::vocabulary::ItemId;
use care_record::{DisclosureError, Ground, SealedItem};
use serde::{Deserialize, Serialize};

use super::confirm::Choice;
use super::record::safe;
use super::{FieldError, ask, failed};
use crate::components::{Frame, Head, page, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// What was sent.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    item: String,
    ground: String,
    text: String,
}

/// One sealed item on the page: of what kind and from whom, not what it says.
#[derive(Serialize)]
struct Line {
    id: String,
    words: String,
    opened: bool,
}

/// `GET /staff/record/{visit}/sealed`.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
) -> Result<Response, Problem> {
    draw(&state, &session, visit, Sent::default(), &[]).await
}

async fn draw(
    state: &Shared,
    session: &Session,
    visit: String,
    sent: Sent,
    errors: &[FieldError],
) -> Result<Response, Problem> {
    let (caller, id) = (session.caller(), safe(&visit)?.to_owned());
    let items = match ask(state, move |door| door.sealed(&caller, &id)).await? {
        Ok(items) => items.into_inner(),
        Err(why) => return failed(why),
    };
    let line = |(place, item): (usize, &SealedItem)| Line {
        id: item.item.to_string(),
        words: format!(
            "Item {}: {}, from {}",
            place + 1,
            item.category.code().replace("gp_", "GP ").replace('_', " "),
            item.source
        ),
        opened: item.opened,
    };
    let lines: Vec<Line> = items.iter().enumerate().map(line).collect();
    let head = Head::new("You are about to open sealed information", "find")
        .with_error(!errors.is_empty());
    let shown = shown! {
        errors,
        base => format!("/staff/record/{visit}/"),
        form => sent.clone(),
        some_shut => lines.iter().any(|one| !one.opened),
        lines,
        grounds => Ground::ALL.map(|ground| Choice { code: ground.code(), words: ground.words() }),
    };
    page("sealed.html", &head, Some(&Frame::of(session)), shown)
}

/// `POST /staff/record/{visit}/sealed`: opens one item.
pub(super) async fn open(
    State(state): State<Shared>,
    session: Session,
    Path(visit): Path<String>,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    let text = sent.text.trim().to_owned();
    let ground = Ground::ALL
        .into_iter()
        .find(|ground| ground.code() == sent.ground);
    let item = ItemId::parse(&sent.item).ok();
    let mut errors = Vec::new();
    if item.is_none() {
        errors.push(FieldError {
            field: "items",
            words: "Choose the item to open",
        });
    }
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
    let (true, Some(ground), Some(item)) = (errors.is_empty(), ground, item) else {
        return draw(&state, &session, visit, sent, &errors).await;
    };
    let (caller, id) = (session.caller(), safe(&visit)?.to_owned());
    let call =
        move |door: care_record::Disclosure| door.open_sealed(&caller, &id, item, ground, &text);
    match ask(&state, call).await? {
        Ok(_) => Ok(see_other(&format!("/staff/record/{visit}/item/{item}"))),
        Err(DisclosureError::NotThere) => Ok(see_other(&format!("/staff/record/{visit}/sealed"))),
        Err(why) => failed(why),
    }
}
