//! G7 Seals: what is sealed, by whom, how, and when that is looked at again. No content.

use axum::extract::{Query, State};
use axum::response::Response;
use care_core::access::in_plain_words;
use care_core::sections::identity;
use care_core::vocabulary::Sensitivity;
use care_record::Seal;

use super::list::{Asked, Cell, Column, FILE, List, PAGE};
use super::{allowed, draw_form, guard};
use crate::components::shown;
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

const ADDRESS: &str = "/ig/seals";
const COLUMNS: [Column; 6] = [
    Column::text("Person"),
    Column::text("What"),
    Column::text("How"),
    Column::text("Sealed by"),
    Column::text("Since"),
    Column::text("Look again by"),
];

/// `GET /ig/seals`.
pub(super) async fn show(
    State(state): State<Shared>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    let list = listed(&state, &session, asked.page(), (asked.offset(), PAGE)).await?;
    draw_form(
        &session,
        "ig-seals.html",
        "Seals",
        "ig-seals",
        false,
        shown! { list },
    )
}

/// `GET /ig/seals.csv`.
pub(super) async fn file(
    State(state): State<Shared>,
    session: Session,
) -> Result<Response, Problem> {
    allowed(&session, guard::CASES)?;
    Ok(listed(&state, &session, 1, (0, FILE)).await?.file("seals"))
}

async fn listed(
    state: &Shared,
    session: &Session,
    page: u32,
    (offset, limit): (u32, u32),
) -> Result<List, Problem> {
    let (caller, now) = (session.caller(), state.clock.now());
    let seals = state.record.seals();
    let found = crate::blocking(move || seals.list(&caller, offset, limit)).await?;
    let (items, total, oldest) = found.map_err(Problem::unavailable)?;
    let rows = items.iter().map(|item| row(state, item, now)).collect();
    Ok(List::new("Sealed information", ADDRESS, &COLUMNS)
        .rows(rows, (total, oldest), page, now)
        .nothing("Nothing is sealed."))
}

fn row(state: &Shared, item: &Seal, now: jiff::Timestamp) -> Vec<Cell> {
    let who = item.who.as_ref().map_or_else(
        || "Not known by name".to_owned(),
        |known| {
            let who = identity(known, now);
            format!("{}\n{}", who.name, who.nhs_number)
        },
    );
    let how = match item.sensitivity {
        Sensitivity::SealedLocked => "Sealed and locked",
        _ => "Sealed",
    };
    let source = state.directory.source(&item.source).map_or_else(
        || item.source.to_string(),
        |found| found.organisation.name.clone(),
    );
    vec![
        Cell::link(who, format!("/ig/people/{}/access-report", item.person)),
        // The words are those told to the person; staff read them without "your".
        Cell::text(in_plain_words(item.category).trim_start_matches("your ")),
        Cell::text(how),
        Cell::text(source),
        Cell::day(Some(item.since), ""),
        Cell::day(Some(item.review_at), ""),
    ]
}
