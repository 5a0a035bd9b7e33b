//! Benchmarks and fault drivers: what `make bench` and the fault scripts run. Prints figures beside a
//! limit of the machine measured in the same run; asserts nothing about time.

#![recursion_limit = "512"]
#![allow(
    clippy::disallowed_methods,
    reason = "measuring time is what this program is for"
)]

mod crash;
mod fhir;
mod limits;
mod mllp;
mod opt_out;
mod pages;
mod reads;
mod server;
mod spread;
mod twin;

use clap::{Parser, Subcommand};

/// Measure Connect Care, or break it on purpose.
///
/// Examples:
///   care-bench limits --directory /tmp
///   care-bench ingest --binary target/release/connect-care
///   care-bench pages --binary target/release/connect-care --items 2000 --rate 50
///   care-bench crash --binary target/release/connect-care --kills 50 --messages 20000
#[derive(Parser)]
#[command(verbatim_doc_comment)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the machine can do: fsyncs a second, and our parser and mapper alone.
    Limits(limits::Arguments),
    /// A national list through the check for opt-outs.
    OptOut(opt_out::Arguments),
    /// Messages acknowledged a second, over MLLP, durable.
    Ingest(mllp::Arguments),
    /// Time of the Summary page at a fixed arrival rate.
    Pages(pages::Arguments),
    /// Time until ready, with items in the store.
    Start(pages::StartArguments),
    /// The FHIR API: import, reads, searches, export, disk and memory; beside other servers.
    Fhir(fhir::Arguments),
    /// Transaction Bundles with fresh ids, made out of a few.
    Multiply(fhir::MultiplyArguments),
    /// Kill the server at random moments while senders stream; nothing acknowledged may be lost or doubled.
    Crash(crash::Arguments),
    /// Kill the server while readers read; every answer that began must have its audit entry.
    Reads(reads::Arguments),
    /// Random requests to a record with hidden things and to its copy without them: nothing may differ.
    Twin(twin::Arguments),
    /// Bad input by both kinds of token: what is said of it, and what it costs.
    BadInput(twin::BadInputArguments),
    /// What decision and audit cost a read, alone and under load.
    Cost(pages::CostArguments),
    /// Send results to a running listener until killed, and write each acknowledged one to a ledger.
    Stream(crash::StreamArguments),
    /// Compare a ledger of acknowledgements with a store: the check of the power-cut recipe.
    Reconcile(crash::ReconcileArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Limits(arguments) => limits::run(&arguments),
        Command::OptOut(arguments) => opt_out::run(&arguments),
        Command::Ingest(arguments) => mllp::run(&arguments),
        Command::Pages(arguments) => pages::run(&arguments),
        Command::Start(arguments) => pages::start(&arguments),
        Command::Fhir(arguments) => fhir::run(&arguments),
        Command::Multiply(arguments) => fhir::multiply(&arguments),
        Command::Crash(arguments) => crash::run(&arguments),
        Command::Reads(arguments) => reads::run(&arguments),
        Command::Twin(arguments) => twin::run(&arguments),
        Command::BadInput(arguments) => twin::run_bad_input(&arguments),
        Command::Cost(arguments) => pages::cost(&arguments),
        Command::Stream(arguments) => crash::stream_to(&arguments),
        Command::Reconcile(arguments) => crash::reconcile(&arguments),
    }
}
