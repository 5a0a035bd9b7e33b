//! Journeys: the whole product as its own process, by its real sockets and its command line.

mod api;
mod cli;
mod feeds;
mod rig;
mod signin;
