//! The information governance console: who looked and why, cases, choices, disclosures, extracts.
//!
//! For privacy officers and the Caldicott Guardian; each page says which roles may use it. Shows no
//! clinical content. Every view is itself recorded. Source: the screen design, section 11.

mod audit;
pub mod choices;
mod disclosures;
pub mod extracts;
mod guard;
mod home;
mod list;
pub mod opt_out;
mod orders;
mod pack;
mod people;
mod replay;
mod reports;
mod review;
mod seals;
mod settings;
mod staff_user;
mod words;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use care_record::CaseworkError;
use minijinja::{Value, context};
use serde::Serialize;

pub use guard::{allowed, home_of};
#[allow(unused_imports)] // Rooms of the console take what they need.
pub use list::{Asked, Cell, Column, FILE, FilterField, List, PAGE, age, day_in_address};
pub use settings::ReviewSettings;
#[allow(unused_imports)] // Rooms of the console take what they need.
pub use words::{kind_title, state_title};

use crate::components::{Frame, Head, page, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// The addresses of the console.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/ig", get(home::home))
        .route("/ig/review", get(review::queue))
        .route("/ig/review.csv", get(review::file))
        .route("/ig/review/close", post(review::close))
        .route("/ig/review/{number}", get(review::one).post(review::decide))
        .route("/ig/audit", get(audit::search).post(audit::about))
        .route("/ig/audit.csv", get(audit::file))
        .route("/ig/audit.pdf", get(audit::document))
        .route("/ig/people/{id}/access-report", get(audit::report))
        .route(
            "/ig/staff/{id}",
            get(staff_user::show).post(staff_user::access),
        )
        .route("/ig/seals", get(seals::show))
        .route("/ig/seals.csv", get(seals::file))
        .route("/ig/reports", get(reports::show))
        .route("/ig/reports/{table}", get(reports::file))
        .route("/ig/disclosures", get(disclosures::list))
        .route("/ig/disclosures.csv", get(disclosures::file))
        .route(
            "/ig/disclosures/new",
            get(disclosures::form).post(disclosures::open),
        )
        .route(
            "/ig/disclosures/{number}",
            get(disclosures::one).post(disclosures::step),
        )
        .route(
            "/staff/questions",
            get(review::questions).post(review::answer),
        )
        .merge(choices::router())
        .merge(orders::router())
        .merge(extracts::router())
        .merge(opt_out::router())
        .merge(replay::router())
        .merge(people::router())
}

/// One entry of the console's navigation.
#[derive(Serialize)]
struct Place {
    code: &'static str,
    title: &'static str,
    address: &'static str,
}

/// The console's pages, in the order of its navigation: code, title, address, who may go there.
const PLACES: &[(&str, &str, &str, guard::Roles)] = &[
    ("ig-home", "Home", "/ig", guard::CASES),
    ("ig-review", "Access review", "/ig/review", guard::CASES),
    ("ig-audit", "Audit search", "/ig/audit", guard::CASES),
    ("ig-choices", "Choices", "/ig/choices", choices::ROLES),
    (
        "ig-disclosures",
        "Disclosures",
        "/ig/disclosures",
        guard::DISCLOSURES,
    ),
    (
        "ig-people",
        "People’s own pages",
        "/ig/people",
        guard::CASES,
    ),
    ("ig-extracts", "Extracts", "/ig/extracts", extracts::ROLES),
    ("ig-planning", "Planning", "/planning", extracts::ROLES),
    (
        "ig-opt-out",
        "Opt-out checks",
        "/ig/opt-out-checks",
        opt_out::ROLES,
    ),
    ("ig-replay", "Past pages", "/ig/replay", guard::CASES),
    ("ig-seals", "Seals", "/ig/seals", guard::CASES),
    ("ig-orders", "Leaflet orders", "/ig/orders", guard::CASES),
    ("ig-reports", "Reports", "/ig/reports", guard::CASES),
];

fn places(session: &Session) -> Vec<Place> {
    PLACES
        .iter()
        .filter(|(.., roles)| roles.contains(&session.user.role))
        .map(|(code, title, address, _)| Place {
            code,
            title,
            address,
        })
        .collect()
}

/// Draws a page of the console; `here` is the code of its place in the navigation.
pub fn draw(
    session: &Session,
    template: &str,
    title: &str,
    here: &'static str,
    with: Value,
) -> Result<Response, Problem> {
    draw_form(session, template, title, here, false, with)
}

/// The same for a form that may have errors.
pub fn draw_form(
    session: &Session,
    template: &str,
    title: &str,
    here: &'static str,
    error: bool,
    with: Value,
) -> Result<Response, Problem> {
    let head = Head::new(title, "governance").with_error(error);
    let places = places(session);
    page(
        template,
        &head,
        Some(&Frame::of(session)),
        context! { ..with, ..shown! { places, here } },
    )
}

/// Runs work of the record on a blocking thread.
pub async fn ask<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(care_record::Record) -> Result<T, CaseworkError> + Send + 'static,
) -> Result<T, Problem> {
    let record = state.record.clone();
    crate::blocking(move || call(record)).await?.map_err(failed)
}

/// What a case that was not opened, read or changed looks like.
pub fn failed(why: CaseworkError) -> Problem {
    match why {
        CaseworkError::NoCase => Problem::not_found(),
        CaseworkError::Stale => Problem::new(
            axum::http::StatusCode::CONFLICT,
            "conflict",
            "This case has changed",
            "Somebody else changed it after you opened it. Nothing of yours was kept. Go back, \
             load the page again, and look at what changed.",
        ),
        CaseworkError::Store(_) => Problem::unavailable(why),
    }
}
