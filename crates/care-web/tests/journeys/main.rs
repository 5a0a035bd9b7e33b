//! Journeys: the whole product as its own process, by its real sockets and its command line.

mod api;
mod cli;
mod rig;
mod signin;
