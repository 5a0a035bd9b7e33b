//! Tests.

mod access_examples;
mod fhir_samples;
mod samples;
