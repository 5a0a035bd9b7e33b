//! Tests.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets what it did not expect should stop and say so"
)]

mod access_documents;
mod access_examples;
mod access_facts;
mod access_matrix;
mod access_properties;
mod access_reference;
mod fhir_json;
mod fhir_mapping;
mod fhir_samples;
mod labelling;
mod printed;
mod samples;
mod secondary_use;
