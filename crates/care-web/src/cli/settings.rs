//! `config check` and `config example`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{TEMPLATE, print};
use crate::config::Config;

/// The configuration
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with a configuration and how to mend it
    Check(CheckArgs),
    /// Print a configuration to start from
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care config example > connect-care.toml\n")]
    Example,
}

/// Which file.
#[derive(Args)]
#[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care config check --config connect-care.toml\n  connect-care config check --config connect-care.toml --json\n")]
pub struct CheckArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the faults as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Example => print(Config::example()),
        ConfigCommand::Check(args) => return check(&args),
    }
    Ok(ExitCode::SUCCESS)
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let faults = Config::read(&args.config)?.faults();
    if args.json {
        print(&serde_json::to_string_pretty(
            &serde_json::json!({ "ok": faults.is_empty(), "faults": faults }),
        )?);
    } else if faults.is_empty() {
        print("The configuration can be used.");
    } else {
        for fault in &faults {
            print(&fault.to_string());
        }
    }
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
