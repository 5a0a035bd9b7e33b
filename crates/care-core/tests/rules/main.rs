//! Tests.

mod access_examples;
mod fhir_json;
mod fhir_samples;
mod golden;
mod samples;
