//! The FHIR RESTful API: what the same person may see as on the pages, and what systems may send.

mod metadata;

use axum::Router;
use axum::routing::get;

use crate::state::Shared;

/// The addresses of this face.
pub fn router(_max_body_bytes: usize) -> Router<Shared> {
    Router::new().route("/fhir/R4/metadata", get(metadata::show))
}
