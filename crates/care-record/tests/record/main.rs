//! The record from outside: upkeep, faults, and what must not compile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod closed;
mod fault;
mod refused;
mod store;
