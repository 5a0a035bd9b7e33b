//! Tests.

mod access_examples;
