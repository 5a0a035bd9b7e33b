//! The FHIR RESTful API: what the same person may see as on the pages, and what systems may send.

pub mod answer;
pub mod asker;
mod audit;
mod batch;
mod history;
mod metadata;
mod openapi;
pub mod operations;
mod page_token;
mod read;
mod search;
mod subscriptions;
mod table;
mod validate;
mod write;

pub use subscriptions::{Channels, run as tell_subscriptions};

use axum::Router;
use axum::routing::{get, post};

use crate::state::{AppState, Shared};

impl AppState {
    /// The address of the FHIR API, without a slash at its end.
    fn fhir_base(&self) -> String {
        crate::signin::tokens::audience(&self.config)
    }
}

/// The addresses of this face.
pub fn router() -> Router<Shared> {
    Router::new()
        .merge(subscriptions::router())
        .route("/openapi.json", get(openapi::show))
        .route("/fhir/R4/metadata", get(metadata::show))
        .route("/fhir/R4", get(search::of_system))
        .route("/fhir/R4/", get(search::of_system))
        .route("/fhir/R4/_search", post(search::of_system_posted))
        .route("/fhir/R4/{type}/_search", post(search::of_type_posted))
        .route("/fhir/R4/{type}/{id}/{inner}", get(search::of_compartment))
        .route(
            "/fhir/R4/{type}/{id}/{inner}/_search",
            post(search::of_compartment_posted),
        )
        .route("/fhir/R4/$validate", post(validate::of_any))
        .route("/fhir/R4/{type}/$validate", post(validate::of_type))
        .route(
            "/fhir/R4/{type}/{id}/$validate",
            get(validate::of_instance).post(validate::of_instance),
        )
        .route("/fhir/R4/{type}", get(search::of_type))
        .route("/fhir/R4/{type}/{id}", get(read::read))
        .merge(operations::router())
        .merge(write::router())
        .merge(history::router())
}
