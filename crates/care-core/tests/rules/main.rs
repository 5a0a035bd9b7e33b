//! Tests of the rules that hold across modules: tables, properties and pairs of files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: a panic is how a test fails"
)]

mod access_documents;
mod access_examples;
mod access_facts;
mod access_matrix;
mod access_properties;
mod access_reference;
mod audit_event;
mod fhir_json;
mod fhir_mapping;
mod fhir_samples;
mod fhir_search;
mod fhir_validation;
mod fhirpath_definitions;
mod fhirpath_random;
mod fhirpath_rules;
mod fhirpath_suite;
mod hl7v2;
mod imports;
mod labelling;
mod mapping_v2;
mod opt_out_check;
mod printed;
mod release_tables;
mod samples;
mod search_plan;
mod secondary_use;
mod sections;
mod simulator;
mod sql_on_fhir;
