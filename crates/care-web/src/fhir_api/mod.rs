//! The FHIR RESTful API: what the same person may see as on the pages, and what systems may send.

pub mod answer;
pub mod asker;
mod audit;
mod metadata;
mod read;

use axum::Router;
use axum::routing::{get, post, put};

use crate::feeds;
use crate::state::Shared;

/// The addresses of this face.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/fhir/R4/metadata", get(metadata::show))
        .route("/fhir/R4", post(feeds::fhir::base))
        .route("/fhir/R4/", post(feeds::fhir::base))
        .route("/fhir/R4/Patient/_search", post(read::find))
        .route("/fhir/R4/Patient/{id}/$everything", get(read::everything))
        .route(
            "/fhir/R4/{type}",
            post(feeds::fhir::create).get(read::search),
        )
        .route(
            "/fhir/R4/{type}/{id}",
            put(feeds::fhir::update).get(read::read),
        )
}
