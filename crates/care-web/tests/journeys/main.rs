//! Journeys: the whole product as its own process, by its real sockets and its command line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::err_expect,
    reason = "a test that fails says so by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a journey looks from outside: it measures time and is told where to put pictures"
)]

mod api;
mod apps;
mod cast;
mod choices;
mod claims;
mod cli;
mod console;
mod directory;
mod external;
mod feeds;
mod launch;
mod lies;
mod newcomer;
mod operations;
mod opt_out;
mod own_things;
mod pages;
mod portal;
mod portal_own;
mod releases;
mod replay;
mod rig;
mod sample;
mod samples;
mod searches;
mod served;
mod signin;
mod subscriptions;
mod sweep;
