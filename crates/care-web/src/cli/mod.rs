//! The command line: `connect-care <noun> <verb>`. Results on standard output, everything else on
//! standard error; 0 for success, 1 for failure, 2 for wrong use. Source: screens 13, contract.

mod audit;
mod content;
mod decide;
pub mod demo;
pub mod demo_config;
mod demo_release;
mod directory;
mod feed_client;
mod files;
mod load;
mod opt_out;
mod opt_out_service;
mod progress;
mod release;
mod search_parameter;
mod send;
mod serve;
mod settings;
mod store;
mod token;
pub mod validate;
pub(crate) mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

const TEMPLATE: &str =
    "{before-help}{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}{after-help}";

#[cfg(not(feature = "negative-control"))]
const VERSION: &str = env!("CARGO_PKG_VERSION");
#[cfg(feature = "negative-control")]
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " NEGATIVE CONTROL: loses acknowledged messages on purpose; for tests only"
);

/// A read-only shared care record.
#[derive(Parser)]
#[command(
    name = "connect-care",
    version = VERSION,
    help_template = TEMPLATE,
    disable_help_subcommand = true,
    before_help = "Examples:\n  connect-care demo\n  connect-care serve --config /etc/connect-care.toml\n  connect-care load letters/ results.hl7\n  connect-care token --as district-nurse --person 9990000018 --permission given\n"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything on this machine with invented people
    Demo(demo::DemoArgs),
    /// Start for production
    Serve(serve::ServeArgs),
    /// Take in files through the same intake as the feeds
    Load(load::LoadArgs),
    /// Send HL7 v2 files to an MLLP listener and wait for each answer
    Send(send::SendArgs),
    /// A bearer token for the FHIR API; demonstration only
    Token(token::TokenArgs),
    /// Decisions about who may see what
    #[command(subcommand)]
    Access(decide::AccessCommand),
    /// Decisions about disclosures beyond care
    #[command(subcommand)]
    SecondaryUse(decide::SecondaryUseCommand),
    /// The staff directory: who may sign in, in which roles
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// The check for national data opt-outs
    #[command(subcommand)]
    OptOut(opt_out::OptOutCommand),
    /// The national data opt-out as a service of its own
    OptOutService(opt_out_service::OptOutServiceArgs),
    /// The audit log, checked offline
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Releases for planning and research, checked offline
    #[command(subcommand)]
    Release(release::ReleaseCommand),
    /// The store's upkeep
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// The deployment's own search parameters
    #[command(subcommand)]
    SearchParameter(search_parameter::SearchParameterCommand),
    /// FHIR files
    #[command(subcommand)]
    Fhir(validate::FhirCommand),
    /// The configuration
    #[command(subcommand)]
    Config(settings::ConfigCommand),
    /// The words of the public site and the leaflet
    #[command(subcommand)]
    Content(content::ContentCommand),
}

/// Which record a command works on.
#[derive(Args, Clone)]
pub struct Place {
    /// The data directory of a demonstration
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    data: PathBuf,
    /// The configuration of a production record, instead of --data
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The configuration that names the record.
    fn configuration(&self) -> anyhow::Result<crate::config::Config> {
        match &self.config {
            Some(file) => Ok(crate::config::Config::read(file)?),
            None => demo_config::existing(&self.data, demo::DEFAULT_PORT, demo::DEFAULT_MLLP_PORT),
        }
    }
}

/// The run was wrong use, though the words were right: exit 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Load(args) => load::run(args),
        Command::Send(args) => send::run(args),
        Command::Token(args) => token::run(args),
        Command::Access(command) => decide::access(command),
        Command::SecondaryUse(command) => decide::secondary_use(command),
        Command::Directory(command) => directory::run(command),
        Command::OptOut(command) => opt_out::run(command),
        Command::OptOutService(args) => opt_out_service::run(args),
        Command::Audit(command) => audit::run(command),
        Command::Release(command) => release::run(command),
        Command::Store(command) => store::run(command),
        Command::SearchParameter(command) => search_parameter::run(command),
        Command::Fhir(command) => validate::run(command),
        Command::Config(command) => settings::run(command),
        Command::Content(command) => content::run(&command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("connect-care: {}", chain(&error));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// An error with its causes, each once.
fn chain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join("\n  because: ")
}

/// Writes a result; a reader that went away is no failure.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
}

/// Threads that work on the record at once. A read has one for about a millisecond, and each keeps some
/// memory of its own, so more would hold much and hasten nothing.
const WORKERS: usize = 16;

/// Runs the parts that wait on sockets.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(WORKERS)
        .build()
        .context("the machine gave no threads")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_is_sound_and_leads_with_examples() {
        Cli::command().debug_assert();
        fn walk(command: &clap::Command, name: &str) {
            if !command.has_subcommands() {
                let help = command
                    .get_before_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.starts_with("Examples:"), "{name} has no examples");
            }
            for sub in command.get_subcommands() {
                walk(sub, &format!("{name} {}", sub.get_name()));
            }
        }
        walk(&Cli::command(), "connect-care");
    }
}
