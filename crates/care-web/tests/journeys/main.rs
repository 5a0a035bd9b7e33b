//! Journeys: the whole product as its own process, by its real sockets and its command line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking"
)]

mod api;
mod cast;
mod cli;
mod feeds;
mod pages;
mod portal;
mod rig;
mod samples;
mod signin;
