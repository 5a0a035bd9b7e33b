//! `audit verify`, `prove` and `export`: the log, checked offline. None needs the record to stop.
//! `audit witness` signs the logs of others.

use std::path::PathBuf;
use std::process::ExitCode;

use care_record::ledger;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Place, TEMPLATE, print};

/// The audit log, checked offline
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Compare the whole log with the checkpoints of the witness
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care audit verify\n  connect-care audit verify --witness /mnt/witness --config /etc/connect-care.toml --json\n")]
    Verify(VerifyArgs),
    /// Prove that one entry is in the log
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care audit prove 1042\n")]
    Prove(ProveArgs),
    /// Write the log out for another verifier, such as docs/audit/verify.py
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care audit export --to ./log\n  python3 docs/audit/verify.py --log ./log --witness ./demo-data/witness\n")]
    Export(ExportArgs),
    /// Sign the checkpoints of other logs, as long as each only grows
    #[command(
        before_help = "Examples:\n  connect-care audit witness --data /var/lib/witness --name witness.example.org --log /etc/witness/hospital.key\n"
    )]
    Witness(super::witness::WitnessArgs),
}

/// Where to.
#[derive(Args)]
pub struct ExportArgs {
    /// An empty directory; entries name staff, so keep it as safe as the record
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Which log, against which witness.
#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    place: Place,
    /// The directory of the witness; unless given, the one the configuration names
    #[arg(long, value_name = "DIR")]
    witness: Option<PathBuf>,
    /// Write what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Which entry.
#[derive(Args)]
pub struct ProveArgs {
    /// The number of the entry
    #[arg(value_name = "ENTRY")]
    entry: u64,
    #[command(flatten)]
    place: Place,
    /// Write the proof as JSON
    #[arg(long)]
    json: bool,
}

/// Does it. Verifying fails when anything is not as it was written.
pub fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify(args) => verify(&args),
        AuditCommand::Prove(args) => prove(&args),
        AuditCommand::Export(args) => export(&args),
        AuditCommand::Witness(args) => super::witness::run(&args),
    }
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    super::store::refuse_postgres(&config)?;
    let witness = args.witness.as_ref().unwrap_or(&config.record.witness);
    let report = ledger::verify(&config.record.data, Some(witness))?;
    // Entries that were compared with nothing were not checked against anybody who rewrites the log.
    let compared = report.checkpoints_checked > 0 || report.entries == 0;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    if args.json {
        print(&serde_json::to_string_pretty(&json!({
            "ok": findings.is_empty() && compared, "entries": report.entries, "checkpoints_checked": report.checkpoints_checked,
            "uncovered": report.uncovered, "denials": report.denials, "by_act": report.by_act, "findings": findings,
        }))?);
    } else {
        print(&format!("entries              {:>9}", report.entries));
        print(&format!("denials              {:>9}", report.denials));
        print(&format!(
            "checkpoints compared {:>9}",
            report.checkpoints_checked
        ));
        print(&format!("not yet signed       {:>9}", report.uncovered));
        for (act, count) in &report.by_act {
            print(&format!("  {act:18} {count:>9}"));
        }
        for finding in &findings {
            print(&format!("FOUND: {finding}"));
        }
        if findings.is_empty() && compared {
            print("Nothing was edited, deleted, inserted, swapped or cut off.");
        }
    }
    if !compared {
        eprintln!(
            "connect-care: no checkpoint was there to compare with: give --witness, or let the record run for a minute"
        );
    }
    Ok(if findings.is_empty() && compared {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    super::store::refuse_postgres(&config)?;
    let written = ledger::export(&config.record.data, &args.to)?;
    print(&format!(
        "{} entries written to {}",
        written.entries,
        args.to.display()
    ));
    if written.unreadable > 0 {
        print(&format!(
            "{} are missing or cannot be read; a verifier will say where",
            written.unreadable
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn prove(args: &ProveArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    super::store::refuse_postgres(&config)?;
    let proof = ledger::prove(&config.record.data, args.entry)?;
    let entry = String::from_utf8_lossy(&proof.entry);
    if args.json {
        print(&serde_json::to_string_pretty(
            &json!({ "entry": entry, "proof": proof.text, "verifier_key": proof.verifier_key }),
        )?);
    } else {
        print(&format!(
            "{entry}\n\n{}\n\nkey {}",
            proof.text.trim_end(),
            proof.verifier_key
        ));
    }
    Ok(ExitCode::SUCCESS)
}
