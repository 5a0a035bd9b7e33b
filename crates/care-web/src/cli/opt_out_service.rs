//! `opt-out-service …`: the national data opt-out as a service of its own.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use care_record::SystemClock;
use clap::{Args, Subcommand};

use super::{TEMPLATE, Usage, print, runtime};
use crate::config::{Log, LogFormat};
use crate::opt_out_service::config::ServiceConfig;
use crate::opt_out_service::register::Registered;
use crate::opt_out_service::{self, passphrase_kept};
use crate::serve::Stop;
use crate::telemetry;

/// The national data opt-out as a service of its own
#[derive(Args)]
#[command(help_template = TEMPLATE, args_conflicts_with_subcommands = true, before_help = "Examples:\n  connect-care opt-out-service --config opt-out-service.toml\n  connect-care opt-out-service register --config opt-out-service.toml people.json\n  connect-care opt-out-service passphrase < passphrase.txt\n")]
pub struct OptOutServiceArgs {
    #[command(subcommand)]
    command: Option<OptOutServiceCommand>,
    /// Its configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum OptOutServiceCommand {
    /// Put people on its register
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out-service register --config opt-out-service.toml people.json\n")]
    Register(RegisterArgs),
    /// What the configuration keeps of an operator's passphrase
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out-service passphrase < passphrase.txt\n")]
    Passphrase,
    /// Check that its log is unbroken
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out-service verify --config opt-out-service.toml\n")]
    Verify(VerifyArgs),
}

#[derive(Args)]
struct RegisterArgs {
    /// A JSON list of people: nhs_number, family, given, birth_date, postcode, address, mobile, email
    #[arg(value_name = "FILE")]
    people: PathBuf,
    /// Its configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct VerifyArgs {
    /// Its configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Does it.
pub fn run(args: OptOutServiceArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => serve(args.config),
        Some(OptOutServiceCommand::Register(args)) => register(&args),
        Some(OptOutServiceCommand::Passphrase) => passphrase(),
        Some(OptOutServiceCommand::Verify(args)) => verify(&args),
    }
}

fn serve(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let file = config.ok_or_else(|| Usage("name the configuration with --config".to_owned()))?;
    let config = ServiceConfig::read(&file)?;
    telemetry::begin(&Log {
        format: LogFormat::Json,
        level: "info".to_owned(),
    });
    runtime()?.block_on(async {
        let stop = Stop::on_signal()?;
        let bound = opt_out_service::bind(config, Arc::new(SystemClock)).await?;
        eprintln!("The opt-out service listens on {}.", bound.address()?);
        bound.serve(stop).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn register(args: &RegisterArgs) -> anyhow::Result<ExitCode> {
    let config = ServiceConfig::read(&args.config)?;
    let bytes = std::fs::read(&args.people)
        .with_context(|| format!("{} cannot be read", args.people.display()))?;
    let people: Vec<Registered> = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is no list of people", args.people.display()))?;
    let taken = opt_out_service::register_people(&config, &people)?;
    print(&format!(
        "{taken} people are on the register; {} had no valid NHS number.",
        people.len() - taken
    ));
    Ok(ExitCode::SUCCESS)
}

fn passphrase() -> anyhow::Result<ExitCode> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("standard input ended early")?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.chars().count() < 12 {
        return Err(Usage(
            "a passphrase has at least 12 characters; give it on standard input".to_owned(),
        )
        .into());
    }
    print(&passphrase_kept(text).context("the machine gave no random numbers")?);
    Ok(ExitCode::SUCCESS)
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let config = ServiceConfig::read(&args.config)?;
    let (whole, acts) = opt_out_service::verify(&config)?;
    if whole {
        print(&format!("The log is unbroken: {acts} acts."));
        Ok(ExitCode::SUCCESS)
    } else {
        print(&format!("The log is broken after {acts} acts."));
        Ok(ExitCode::FAILURE)
    }
}
