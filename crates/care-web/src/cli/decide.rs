//! `access evaluate`, `access explain`, `secondary-use evaluate`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use care_core::vocabulary::{NhsNumber, OdsCode, Role};
use care_record::{Caller, Stated, User};
use clap::{Args, Subcommand};

use super::token::Asking;
use super::{Place, TEMPLATE, Usage, print};

/// Decisions about who may see what
#[derive(Subcommand)]
pub enum AccessCommand {
    /// Decide the facts given in a file
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care access evaluate facts.json\n  connect-care access evaluate - < facts.json\n")]
    Evaluate(EvaluateArgs),
    /// Decide for a user and a person of the demonstration, with every rule looked at
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care access explain --as district-nurse --person 9990000018 --permission given\n")]
    Explain(ExplainArgs),
}

/// Who asks about whom.
#[derive(Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    who: Asking,
    #[command(flatten)]
    place: Place,
    /// Write the decision as JSON
    #[arg(long)]
    json: bool,
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let claims = args.who.claims()?;
    let number = claims
        .patient
        .as_deref()
        .and_then(|text| NhsNumber::parse(text).ok());
    let number = number.ok_or_else(|| Usage("name the person with --person".to_owned()))?;
    let user = User {
        id: args.who.user_id().to_owned(),
        name: claims.name.clone(),
        role: Role::from_code(&claims.role).context("the role is not known")?,
        organisation: OdsCode::parse(&claims.organisation)?,
        can_break_seal: claims.can_break_seal,
        own_number: claims
            .own_number
            .as_deref()
            .and_then(|text| NhsNumber::parse(text).ok()),
        family_numbers: claims
            .family_numbers
            .iter()
            .filter_map(|text| NhsNumber::parse(text).ok())
            .collect(),
    };
    let caller = Caller {
        user,
        session: "command line".to_owned(),
    };
    let stated = Stated {
        purpose: claims.purpose,
        permission: Some(claims.permission),
        break_glass: claims.break_glass,
        case: None,
    };
    let record = crate::app::open_record(&args.place.configuration()?)?;
    let explained = record.disclosure().explain(&caller, &stated, number);
    record.close();
    let told = explained?.into_inner();
    if args.json {
        print(&serde_json::to_string_pretty(&serde_json::json!({
            "allowed": told.allowed, "reason": told.reason, "audit_flags": told.flags,
            "visible_categories": told.categories, "trace": told.trace,
        }))?);
    } else {
        print(&told.words);
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
