//! `access evaluate`, `access explain`, `secondary-use evaluate`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::token::Asking;
use super::{Place, TEMPLATE, print};
use crate::admin::{self, Request};

/// Decisions about who may see what
#[derive(Subcommand)]
pub enum AccessCommand {
    /// Decide the facts given in a file
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care access evaluate facts.json\n  connect-care access evaluate - < facts.json\n")]
    Evaluate(EvaluateArgs),
    /// Decide for a user and a person, with every rule looked at; also while the service runs
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care access explain --as district-nurse --person 9990000018 --permission given\n")]
    Explain(ExplainArgs),
}

/// Who asks about whom.
#[derive(Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    who: Asking,
    /// Which of the user's roles, as ROLE@ORGANISATION
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Write the decision as JSON
    #[arg(long)]
    json: bool,
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    let asked = args.who.explain(args.role.clone(), config.demo)?;
    let answer = admin::ask(&config, &Request::Explain(Box::new(asked)))?;
    if args.json {
        print(&serde_json::to_string_pretty(&answer.value)?);
    } else {
        print(&answer.words);
    }
    Ok(ExitCode::SUCCESS)
}

/// Decisions about disclosures beyond care
#[derive(Subcommand)]
pub enum SecondaryUseCommand {
    /// Decide the disclosure given in a file
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care secondary-use evaluate disclosure.json\n  connect-care secondary-use evaluate - < disclosure.json\n")]
    Evaluate(EvaluateArgs),
}

/// Which file.
#[derive(Args)]
pub struct EvaluateArgs {
    /// JSON: one object or an array; `-` reads standard input
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    /// Answers are always JSON; accepted so that every read command takes it
    #[arg(long, hide = true)]
    json: bool,
}

/// Does it.
pub fn access(command: AccessCommand) -> anyhow::Result<ExitCode> {
    match command {
        AccessCommand::Evaluate(args) => {
            print(&care_core::access::json::evaluate(&text(&args.file)?)?)
        }
        AccessCommand::Explain(args) => return explain(&args),
    }
    Ok(ExitCode::SUCCESS)
}

/// Does it.
pub fn secondary_use(command: SecondaryUseCommand) -> anyhow::Result<ExitCode> {
    match command {
        SecondaryUseCommand::Evaluate(args) => print(&care_core::secondary_use::json::evaluate(
            &text(&args.file)?,
        )?),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(file: &Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input is not UTF-8 text")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| {
        format!(
            "{} cannot be read as UTF-8 text; check the path",
            file.display()
        )
    })
}
