//! `release verify`: whether a release is what its certificate says, checked without the service.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use care_core::release::Verifier;
use care_record::verify_release;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{TEMPLATE, print};

/// Releases for planning and research, checked offline
#[derive(Subcommand)]
pub enum ReleaseCommand {
    /// Compare a release with its certificate: files, signature, opt-out check, and that nobody who was left out is in it
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care release verify ./CC-7F3K-9Q2X --key release-key.public\n  connect-care release verify ./CC-7F3K-9Q2X --key connect-care/releases+1a2b3c4d+AbC= --json\n")]
    Verify(VerifyArgs),
}

/// Which release, by which key.
#[derive(Args)]
pub struct VerifyArgs {
    /// The directory of the release, as it was delivered
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The public key of the deployment that released it: a file, or the key itself. It must come from
    /// the deployment, not with the files
    #[arg(long, value_name = "FILE|KEY")]
    key: String,
    /// Write what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Does it. Fails when anything is wrong with the release.
pub fn run(command: ReleaseCommand) -> anyhow::Result<ExitCode> {
    let ReleaseCommand::Verify(args) = command;
    let text = match std::fs::read_to_string(&args.key) {
        Ok(text) => text,
        Err(_) => args.key.clone(),
    };
    let key = Verifier::parse(&text).context("give the public key of the deployment with --key: release-key.public in its data directory")?;
    let verified = verify_release(&args.directory, &key)?;
    let findings: Vec<String> = verified.findings.iter().map(ToString::to_string).collect();
    let holds = findings.is_empty();
    if args.json {
        print(&serde_json::to_string_pretty(&json!({
            "holds": holds, "findings": findings, "files": verified.files, "people": verified.people,
            "certificate": verified.certificate,
        }))?);
    } else if let (true, Some(it)) = (holds, &verified.certificate) {
        print(&format!(
            "The release holds: {}, {}.\n{} files, {} people. {}\nLeft out: national data opt-out {}; not checkable {}; objected {}; other {}.\n\
             Approved by {}. Destroy by {}.",
            it.release,
            it.title,
            verified.files,
            verified.people,
            match &it.check {
                Some(check) => format!(
                    "Opt-out check {}, {} days old when it was made.",
                    check.id, check.age_days
                ),
                None => format!("The national data opt-out was not applied: {}.", it.reason),
            },
            it.counts.opted_out.text(),
            it.counts.not_checkable.text(),
            it.counts.objected.text(),
            it.counts.other.text(),
            it.approvals
                .iter()
                .map(|one| one.by.as_str())
                .collect::<Vec<_>>()
                .join(" and "),
            it.destroy_by,
        ));
    } else {
        print(&format!(
            "The release does not hold:\n{}",
            findings
                .iter()
                .map(|it| format!("  {it}"))
                .collect::<Vec<_>>()
                .join("\n")
        ));
    }
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
