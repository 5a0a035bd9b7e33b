//! Leaflet orders: what people asked us to send, and that it was sent.

use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use care_record::{Case, CaseChange, CaseFilter, PAPER_COPIES};
use serde::{Deserialize, Serialize};

use super::{Asked, PAGE, age, allowed, ask, draw, guard};
use crate::components::{see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new().route("/ig/orders", get(list).post(sent))
}

/// One order as the page shows it.
#[derive(Serialize)]
struct Row<'a> {
    number: u64,
    version: u32,
    reference: &'a str,
    what: String,
    name: &'a str,
    address: Vec<&'a str>,
    waits: String,
    late: bool,
}

fn row(case: &Case, now: jiff::Timestamp) -> Row<'_> {
    let copies = case
        .detail
        .get("copies")
        .and_then(serde_json::Value::as_u64);
    Row {
        number: case.number,
        version: case.version,
        reference: &case.reference,
        what: format!(
            "{} × {}, {}, {}",
            copies.unwrap_or(1),
            case.text("what"),
            case.text("format"),
            case.text("language")
        ),
        name: case.text("name"),
        address: case.text("address").lines().collect(),
        waits: age(case.opened_at, now),
        late: case.due_at.is_some_and(|due| due < now),
    }
}

/// `GET /ig/orders`: what waits to be sent, oldest first.
async fn list(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let (caller, now) = (session.caller(), state.clock.now());
    let filter = CaseFilter {
        offset: asked.offset(),
        ..CaseFilter::open_of(&[PAPER_COPIES], PAGE)
    };
    let (cases, counts) = ask(&state, move |record| {
        let cases = record.casework();
        Ok((cases.list(&caller, &filter)?, cases.counts(&filter)?))
    })
    .await?;
    let total: u64 = counts.iter().map(|one| one.count).sum();
    let rows: Vec<Row> = cases.iter().map(|case| row(case, now)).collect();
    let csrf = session.csrf.clone();
    let page = asked.page();
    let more = total > u64::from(page) * u64::from(PAGE);
    let done = asked.done == "sent";
    draw(
        &session,
        "ig-orders.html",
        "Leaflet orders",
        "ig-orders",
        shown! { rows, total, csrf, page, more, done },
    )
}

/// Which order was sent.
#[derive(Deserialize)]
struct Sent {
    number: u64,
    version: u32,
}

/// `POST /ig/orders`: this one was sent.
async fn sent(
    State(state): State<Shared>,
    session: Session,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let caller = session.caller();
    ask(&state, move |record| {
        let cases = record.casework();
        let (case, _) = cases.get(&caller, sent.number)?;
        if case.kind != PAPER_COPIES {
            return Err(care_record::CaseworkError::NoCase);
        }
        // The address was needed until now and is not needed any more.
        let mut detail = case.detail.clone();
        if let Some(members) = detail.as_object_mut() {
            members.remove("name");
            members.remove("address");
        }
        let change = CaseChange {
            state: Some("closed-sent".to_owned()),
            detail: Some(detail),
            note: "Sent".to_owned(),
            ..CaseChange::default()
        };
        cases.change(&caller, sent.number, sent.version, change)
    })
    .await?;
    Ok(see_other("/ig/orders?done=sent"))
}
