//! G6 Extracts: requests, approvals, releases and their register.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use care_core::vocabulary::Role;
use care_record::CaseFilter;

use super::{Asked, Cell, Column, List, PAGE, age, allowed, ask, draw, guard, state_title};
use crate::components::shown;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Who asks for extracts and approves them.
pub const ROLES: guard::Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian, Role::Analyst];

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new().route("/ig/extracts", get(list))
}

/// `GET /ig/extracts`: what waits.
async fn list(
    State(state): State<Shared>,
    session: Session,
    axum::extract::Query(asked): axum::extract::Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let (caller, now) = (session.caller(), state.clock.now());
    let filter = CaseFilter {
        offset: asked.offset(),
        ..CaseFilter::open_of(&["extract"], PAGE)
    };
    let (cases, counts) = ask(&state, move |record| {
        let cases = record.casework();
        Ok((cases.list(&caller, &filter)?, cases.counts(&filter)?))
    })
    .await?;
    let total = counts.iter().map(|one| one.count).sum();
    let oldest = counts.iter().map(|one| one.oldest).min();
    let rows = cases
        .iter()
        .map(|case| {
            vec![
                Cell::text(&case.reference),
                Cell::text(state_title(&case.state)),
                Cell::moment(case.opened_at),
                Cell::text(age(case.opened_at, now)),
                Cell::text(if case.owner.is_empty() {
                    "Nobody yet"
                } else {
                    &case.owner
                }),
            ]
        })
        .collect();
    let columns = ["Reference", "State", "Opened", "Age", "Owner"].map(Column::text);
    let list = List::new("Extracts", "/ig/extracts", &columns)
        .rows(rows, (total, oldest), asked.page(), now)
        .nothing("No extract waits.");
    draw(
        &session,
        "ig-plain-list.html",
        "Extracts",
        "ig-extracts",
        shown! { list },
    )
}
