//! The faces of Connect Care: every socket and every page, and the command line.
//!
//! Faces never import one another, and see only what was disclosed.

// Items of one face stand ready before the command that uses them.
#![allow(dead_code)]

mod admin;
mod app;
mod choice_work;
mod cli;
mod components;
mod config;

mod console;
mod cors;
mod definitions;
mod documents;
mod feeds;
mod fhir_api;
mod health;
mod letters;
mod mesh;
mod opt_out_service;
mod portal;
mod problem;
mod public;
mod scim;
mod serve;
mod signin;
mod state;
mod telemetry;
mod viewer;
mod who_sees;
mod witness;

/// Intake and pages allocate many small values on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs blocking work of the record away from the threads that serve sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, problem::Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(problem::Problem::unavailable)
}

/// No huge pages: of 2 MiB for each size that a thread once needed most stays empty. With them the process
/// held 200 MiB after an hour's load, without them 90, and answered as fast.
fn keep_memory_small() {
    #[cfg(target_os = "linux")]
    // Where the system refuses, it runs with more memory.
    rustix::thread::disable_transparent_huge_pages(true).ok();
}

fn main() -> std::process::ExitCode {
    keep_memory_small();
    cli::run()
}
