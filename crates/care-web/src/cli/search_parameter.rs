//! `search-parameter add · list · remove`: a deployment's own search parameters from the command line,
//! whether the service runs or not.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{Place, TEMPLATE, print};
use crate::admin::{self, Request};

/// The deployment's own search parameters, beside those of FHIR R4
#[derive(Subcommand)]
pub enum SearchParameterCommand {
    /// Add one, or another version of one; it may be asked for once every item is kept under it
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care search-parameter add note-text.json --config /etc/connect-care.toml\n\nThe file holds one SearchParameter resource as JSON: url, code, type, base, expression.\n")]
    Add(AddArgs),
    /// All of them, and how far each is worked in
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care search-parameter list --json\n")]
    List(ListArgs),
    /// Take one away
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care search-parameter remove http://example.org/note-text\n")]
    Remove(RemoveArgs),
}

/// Which file.
#[derive(Args)]
pub struct AddArgs {
    /// A SearchParameter resource as JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Of which record.
#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

/// Which one.
#[derive(Args)]
pub struct RemoveArgs {
    /// Its canonical address
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    place: Place,
}

/// Does it.
pub fn run(command: SearchParameterCommand) -> anyhow::Result<ExitCode> {
    let (place, request, json) = match command {
        SearchParameterCommand::Add(args) => {
            let definition = std::fs::read_to_string(&args.file).with_context(|| {
                format!(
                    "{} cannot be read as UTF-8 text; check the path",
                    args.file.display()
                )
            })?;
            (
                args.place,
                Request::AddSearchParameter { definition },
                false,
            )
        }
        SearchParameterCommand::List(args) => (args.place, Request::SearchParameters, args.json),
        SearchParameterCommand::Remove(args) => (
            args.place,
            Request::RemoveSearchParameter { url: args.url },
            false,
        ),
    };
    let answer = admin::ask(&place.configuration()?, &request)?;
    if json {
        print(&serde_json::to_string_pretty(&answer.value)?);
    } else {
        print(&answer.words);
    }
    Ok(if answer.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
