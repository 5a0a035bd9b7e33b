//! Tests.

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
