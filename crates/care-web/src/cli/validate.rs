//! `fhir validate`: structure of R4 resources in files.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use care_core::fhir::{Json, Limits, OutcomeIssue, outcome, recognise_stu3, validate_structure};
use clap::{Args, Subcommand};

use super::{TEMPLATE, print};

/// FHIR files
#[derive(Subcommand)]
pub enum FhirCommand {
    /// Check the structure of R4 resources; profiles are not looked at
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care fhir validate patient.json\n  connect-care fhir validate *.json *.xml\n")]
    Validate(ValidateArgs),
}

/// Which files.
#[derive(Args)]
pub struct ValidateArgs {
    /// FHIR JSON or XML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Answers are always JSON; accepted so that every read command takes it
    #[arg(long, hide = true)]
    json: bool,
}

/// Prints one OperationOutcome a file; fails when any has an error.
pub fn run(command: FhirCommand) -> anyhow::Result<ExitCode> {
    let FhirCommand::Validate(args) = command;
    let mut sound = true;
    for file in &args.files {
        let bytes = std::fs::read(file)
            .with_context(|| format!("{} cannot be read; check the path", file.display()))?;
        let issues = issues(&bytes);
        sound &= issues.is_empty();
        print(&outcome(&issues).to_string());
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn issues(bytes: &[u8]) -> Vec<OutcomeIssue> {
    let whole = |code, details: String, diagnostics: &str| {
        vec![OutcomeIssue {
            severity: care_core::fhir::IssueSeverity::Error,
            code,
            details,
            diagnostics: diagnostics.to_owned(),
            expression: None,
        }]
    };
    let parsed = if looks_like_xml(bytes) {
        care_core::fhir::xml::parse(bytes, Limits::default()).map_err(|error| error.to_string())
    } else {
        Json::parse(bytes, Limits::default()).map_err(|error| error.to_string())
    };
    match parsed {
        Err(error) => whole(
            "structure",
            error,
            "Send a FHIR R4 resource as JSON or XML.",
        ),
        Ok(resource) => match recognise_stu3(&resource) {
            Some(why) => whole(
                "not-supported",
                format!("this is FHIR STU3: {why}"),
                "Send R4.",
            ),
            None => validate_structure(&resource)
                .into_iter()
                .map(Into::into)
                .collect(),
        },
    }
}

/// Whether the first letter is one of XML.
pub fn looks_like_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}
