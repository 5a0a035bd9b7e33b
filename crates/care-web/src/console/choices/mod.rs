//! G4 Choices: phone and paper, identity checks, letters. Source: the screen design, section 10.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use care_core::vocabulary::Role;
use care_record::CaseFilter;

use super::home::CHOICE_KINDS;
use super::{Asked, Cell, Column, List, PAGE, age, allowed, ask, draw, guard, kind_title};
use crate::components::shown;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Who processes choices.
pub const ROLES: guard::Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian];

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new().route("/ig/choices", get(list))
}

/// `GET /ig/choices`: what waits.
async fn list(
    State(state): State<Shared>,
    session: Session,
    axum::extract::Query(asked): axum::extract::Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, ROLES)?;
    let (caller, now) = (session.caller(), state.clock.now());
    let filter = CaseFilter {
        offset: asked.offset(),
        ..CaseFilter::open_of(CHOICE_KINDS, PAGE)
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
                Cell::text(kind_title(&case.kind)),
                Cell::moment(case.opened_at),
                Cell::text(age(case.opened_at, now)),
                Cell::day(case.due_at, "No due date"),
                Cell::text(if case.owner.is_empty() {
                    "Nobody yet"
                } else {
                    &case.owner
                }),
            ]
        })
        .collect();
    let columns = ["Reference", "Kind", "Received", "Age", "Due", "Owner"].map(Column::text);
    let list = List::new("Choices to process", "/ig/choices", &columns)
        .rows(rows, (total, oldest), asked.page(), now)
        .nothing("No choice waits.");
    draw(
        &session,
        "ig-plain-list.html",
        "Choices",
        "ig-choices",
        shown! { list },
    )
}
