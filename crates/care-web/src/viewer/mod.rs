//! The clinical viewer: finding a person, saying why, and the record. One file a group of pages.
//!
//! Never reads the store and never decides: a page is drawn from what `Disclosure` disclosed. No
//! identifier, name or search word stands in an address or a title.

mod account;
mod confirm;
mod emergency;
mod find;
mod print;
pub(crate) mod record;
mod refusal;
mod sealed;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use care_record::{Disclosure, DisclosureError};
use serde::Serialize;

use crate::components::{asset, see_other};
use crate::problem::Problem;
use crate::state::Shared;

#[cfg(test)]
pub(crate) use record::template;

/// The addresses of the viewer, and of the styles and scripts every page uses.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/assets/{name}", get(asset))
        .route("/staff/find", get(find::form).post(find::find))
        .route("/staff/find/{search}", get(find::results))
        .route(
            "/staff/confirm/{choice}",
            get(confirm::show).post(confirm::open),
        )
        .route(
            "/staff/emergency/{choice}",
            get(emergency::show).post(emergency::open),
        )
        .route("/staff/recent", get(account::recent))
        .route(
            "/staff/my-access",
            get(account::my_access).post(account::report_mistake),
        )
        .route("/staff/my-access.csv", get(account::my_access_file))
        .route("/staff/help", get(account::help))
        .route("/staff/record/{visit}/", get(record::first))
        .route(
            "/staff/record/{visit}/search",
            get(record::search_form).post(record::search),
        )
        .route("/staff/record/{visit}/results/{test}", get(record::test))
        .route(
            "/staff/record/{visit}/documents/{document}",
            get(record::document),
        )
        .route(
            "/staff/record/{visit}/documents/{document}/file/{place}",
            get(record::file),
        )
        .route("/staff/record/{visit}/item/{item}", get(record::item))
        .route(
            "/staff/record/{visit}/sealed",
            get(sealed::show).post(sealed::open),
        )
        .route(
            "/staff/record/{visit}/print",
            get(print::form).post(print::prepare),
        )
        .route("/staff/record/{visit}/close", post(record::close))
        .route(
            "/staff/record/{visit}/wrong-person",
            get(record::wrong_person).post(record::report_wrong_person),
        )
        .route("/staff/record/{visit}/{section}", get(record::section))
}

/// Runs a call of the door on a blocking thread.
async fn ask<T: Send + 'static>(
    state: &Shared,
    call: impl FnOnce(Disclosure) -> Result<T, DisclosureError> + Send + 'static,
) -> Result<Result<T, DisclosureError>, Problem> {
    let disclosure = state.record.disclosure();
    crate::blocking(move || call(disclosure)).await
}

/// What a call that gave nothing looks like, where the page has no words of its own for it.
fn failed(why: DisclosureError) -> Result<Response, Problem> {
    match why {
        DisclosureError::VisitEnded => Ok(see_other("/staff/find?notice=ended")),
        DisclosureError::NotThere => Err(not_there()),
        DisclosureError::TooManyTries { minutes } => Err(Problem::too_many(
            format!(
                "You tried many NHS numbers in the last hour. Try again in {minutes} minutes, or \
                 search by name and date of birth. Your privacy officer can see this."
            ),
            minutes,
        )),
        DisclosureError::Unclear(words) => Err(Problem::invalid("This cannot be done", words)),
        DisclosureError::Refused(_) => Err(Problem::forbidden(
            "Not available through Connect Care",
            "Your role does not include this.",
        )),
        other => Err(Problem::unavailable(other)),
    }
}

fn not_there() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "Page not found",
        "Nothing is here for you under this address. Find the person again.",
    )
}

/// One message of an error summary, with the field it links to.
#[derive(Debug, Clone, Serialize)]
struct FieldError {
    field: &'static str,
    words: &'static str,
}
