//! G4 Choices: phone and paper, identity checks, second checks, letters. Source: the screen design,
//! section 10.
//!
//! A case is worked on as a task list of eight steps; each is saved when it is answered, so that
//! another caseworker can go on. Nothing clinical is shown.

mod case;
mod letter;
mod list;
mod papers;
mod person;
mod tasks;
mod work;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use care_core::vocabulary::Role;

use super::guard;
use crate::state::Shared;

/// Who processes choices.
pub const ROLES: guard::Roles = &[Role::PrivacyOfficer, Role::CaldicottGuardian];

/// The addresses of this room.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/ig/choices", get(list::list))
        .route("/ig/choices.csv", get(list::file))
        .route("/ig/choices/new", get(tasks::new).post(tasks::begin))
        .route("/ig/choices/{case}", get(case::show))
        .route("/ig/choices/{case}/note", post(case::note))
        .route("/ig/choices/{case}/transfer", post(case::transfer))
        .route("/ig/choices/{case}/reopen", post(case::reopen))
        .route("/ig/choices/{case}/close", post(case::close))
        .route("/ig/choices/{case}/second", post(case::second))
        .route("/ig/choices/{case}/decide", post(case::decide))
        .route("/ig/choices/{case}/theirs", post(case::theirs))
        .route(
            "/ig/choices/{case}/paper",
            post(papers::keep).layer(DefaultBodyLimit::max(papers::FORM_BYTES)),
        )
        .route("/ig/choices/{case}/paper/{paper}", get(papers::serve))
        .route("/ig/choices/{case}/letter/{letter}", get(letter::preview))
        .route("/ig/choices/{case}/sent", post(letter::sent))
        .route(
            "/ig/choices/{case}/step/person",
            get(person::page).post(person::search),
        )
        .route("/ig/choices/{case}/person", post(person::choose))
        .route("/ig/choices/{case}/awaited", post(person::await_them))
        .route(
            "/ig/choices/{case}/confirm",
            get(tasks::check).post(tasks::confirm),
        )
        .route(
            "/ig/choices/{case}/step/{step}",
            get(tasks::step).post(tasks::answer),
        )
}
