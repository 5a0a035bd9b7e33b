//! `store migrate · check · backup · restore · replay · reindex · distribute`: the upkeep of a record that is not running.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use care_record::{KeptAgain, LaterDecisions, OpenError, Record, operations};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Place, TEMPLATE, print};
use crate::app;
use crate::config::Config;

/// The store's upkeep. Stop the service first: one process at a time has the record.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Bring the record up to this program's schema
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store migrate --config /etc/connect-care.toml\n")]
    Migrate(PlainArgs),
    /// Read everything and compare it with its digests
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store check\n  connect-care store check --config /etc/connect-care.toml --json\n")]
    Check(PlainArgs),
    /// Copy the record to an empty directory, and check the copy
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store backup /mnt/backup/monday --config /etc/connect-care.toml\n")]
    Backup(CopyArgs),
    /// Put a backup into an empty data directory, once it passed its checks
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store restore /mnt/backup/monday --config /etc/connect-care.toml\n")]
    Restore(RestoreArgs),
    /// Keep again what was decided after the copy that was restored: choices, labels, joins
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store replay --config /etc/connect-care.toml\n")]
    Replay(ReplayArgs),
    /// Make the search index anew; it goes on by itself if it is stopped
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store reindex --config /etc/connect-care.toml\n")]
    Reindex(PlainArgs),
    /// Spread PostgreSQL's tables over the machines of a Citus cluster
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care store distribute --dry-run --config /etc/connect-care.toml\n")]
    Distribute(PlainArgs),
}

/// Which record.
#[derive(Args)]
pub struct PlainArgs {
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which record, and the directory of the copy.
#[derive(Args)]
pub struct CopyArgs {
    /// The directory of the backup
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    plain: PlainArgs,
}

/// Which backup, and what happens with what was decided after it.
#[derive(Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    copy: CopyArgs,
    #[command(flatten)]
    later: LaterArgs,
}

/// Which record, and what happens with what was decided after it.
#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    plain: PlainArgs,
    #[command(flatten)]
    later: LaterArgs,
}

/// What happens with decisions that are later than the record.
#[derive(Args)]
pub struct LaterArgs {
    /// Open without the choices and labels that came after the backup; the audit log says so. People who
    /// objected since are shown again: only where the journal is lost
    #[arg(long)]
    without_later_choices: bool,
}

impl LaterArgs {
    fn decided(&self) -> LaterDecisions {
        if self.without_later_choices {
            LaterDecisions::LeaveOut
        } else {
            LaterDecisions::Replay
        }
    }
}

/// Does it.
pub fn run(command: StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Migrate(args) => migrate(&args),
        StoreCommand::Check(args) => check(&args),
        StoreCommand::Backup(args) => backup(&args),
        StoreCommand::Restore(args) => restore(&args.copy, &args.later),
        StoreCommand::Replay(args) => replay(&args.plain, &args.later),
        StoreCommand::Reindex(args) => reindex(&args),
        StoreCommand::Distribute(args) => distribute(&args),
    }
}

fn say(json: bool, words: &str, value: &serde_json::Value) -> anyhow::Result<()> {
    print(&if json {
        serde_json::to_string_pretty(value)?
    } else {
        words.to_owned()
    });
    Ok(())
}

fn would(args: &PlainArgs, what: &str) -> anyhow::Result<ExitCode> {
    say(
        args.json,
        &format!("Would {what}."),
        &json!({ "dry_run": true, "would": what }),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Commands on a closed record work on its file.
pub(super) fn refuse_postgres(config: &Config) -> anyhow::Result<()> {
    anyhow::ensure!(
        config.record.postgres.is_none(),
        "this record lies in PostgreSQL and this command works on a file: the tables are brought up \
         to date when the record opens; back up and restore with pg_dump or pgBackRest"
    );
    Ok(())
}

fn migrate(args: &PlainArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    refuse_postgres(&config)?;
    let data = config.record.data;
    if args.dry_run {
        return would(
            args,
            &format!("bring {} up to this program's schema", data.display()),
        );
    }
    let applied = operations::migrate(&data)?;
    say(
        args.json,
        &format!("{applied} migrations were applied."),
        &json!({ "applied": applied }),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn check(args: &PlainArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    let report = if config.record.postgres.is_some() {
        let record = app::open_record(&config)?;
        let report = record.operations().check()?;
        record.close();
        report
    } else {
        operations::check(&config.record.data)?
    };
    let value = json!({
        "ok": report.damage.is_empty(), "items": report.items, "past_versions": report.past_versions,
        "deliveries": report.deliveries, "people": report.people, "entries": report.entries, "damage": report.damage,
    });
    let mut words = format!(
        "items          {:>9}\npast versions  {:>9}\ndeliveries     {:>9}\npeople         {:>9}\naudit entries  {:>9}\n",
        report.items, report.past_versions, report.deliveries, report.people, report.entries
    );
    for damage in &report.damage {
        words.push_str(&format!("DAMAGED: {damage}\n"));
    }
    if report.damage.is_empty() {
        words.push_str("Everything is as it was written.");
    }
    say(args.json, &words, &value)?;
    Ok(if report.damage.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn backup(args: &CopyArgs) -> anyhow::Result<ExitCode> {
    let config = args.plain.place.configuration()?;
    if args.plain.dry_run {
        return would(
            &args.plain,
            &format!(
                "copy {} to {}",
                config.record.data.display(),
                args.directory.display()
            ),
        );
    }
    if let Some(address) = &config.record.postgres {
        let password = config.postgres_password()?;
        let (data, to) = (&config.record.data, &args.directory);
        operations::dump(address, password.as_deref(), data, to)?;
        return done_by_server(&args.plain, "The backup was made");
    }
    let record = match app::open_record(&config) {
        Err(error) if matches!(error.downcast_ref(), Some(OpenError::InUse(_))) => {
            let report = operations::backup_beside(&config.record.data, &args.directory)?;
            let done = "The backup was made beside the running service, whose log does not name it";
            return copied(&args.plain, &report, done);
        }
        opened => opened?,
    };
    let report = record.operations().backup(&args.directory, "operator");
    record.close();
    copied(&args.plain, &report?, "The backup was made")
}

fn restore(args: &CopyArgs, later: &LaterArgs) -> anyhow::Result<ExitCode> {
    let config = args.plain.place.configuration()?;
    let data = config.record.data.clone();
    if args.plain.dry_run {
        return would(
            &args.plain,
            &format!("put {} into {}", args.directory.display(), data.display()),
        );
    }
    if let Some(address) = &config.record.postgres {
        let password = config.postgres_password()?;
        operations::restore_dump(&args.directory, address, password.as_deref(), &data)?;
        let (record, words) = open_again(&config, later)?;
        let report = record.operations().check();
        record.close();
        let damage = report?.damage;
        anyhow::ensure!(
            damage.is_empty(),
            "the restored record does not pass its check ({}); keep the original",
            damage[0]
        );
        eprintln!("{words}");
        return done_by_server(&args.plain, "The backup was restored, and passed its check");
    }
    let report = operations::restore(&args.directory, &data)?;
    let (record, words) = open_again(&config, later)?;
    record.close();
    eprintln!("{words}");
    copied(&args.plain, &report, "The backup was restored")
}

/// Opens a record that was restored, once what was decided later holds again; gives words for it.
fn open_again(config: &Config, later: &LaterArgs) -> anyhow::Result<(Record, String)> {
    let record = app::open_restored(config, later.decided()).context(
        "the copy is in place and nobody can look at it yet; mend this and run \
         `connect-care store replay`",
    )?;
    let words = told(record.operations().replayed());
    Ok((record, words))
}

fn told(replayed: KeptAgain) -> String {
    match replayed {
        KeptAgain { left_out, .. } if left_out > 0 => format!(
            "{left_out} later choices, labels and other decisions were left out; the audit log says so."
        ),
        KeptAgain {
            kept: 0,
            without_effect: 0,
            ..
        } => "Nothing was decided after this copy that the journal knows of.".to_owned(),
        KeptAgain {
            kept,
            without_effect,
            ..
        } => format!(
            "{kept} later choices, labels and other decisions hold again; {without_effect} have nothing to \
             hold on yet, or hold already."
        ),
    }
}

fn replay(args: &PlainArgs, later: &LaterArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    if args.dry_run {
        return would(
            args,
            "keep again what was decided after the copy that was restored",
        );
    }
    let record = app::open_restored(&config, later.decided())?;
    let replayed = record.operations().replayed();
    record.close();
    let value = json!({
        "ok": true, "kept": replayed.kept, "without_effect": replayed.without_effect,
        "left_out": replayed.left_out,
    });
    say(args.json, &told(replayed), &value)?;
    Ok(ExitCode::SUCCESS)
}

fn done_by_server(args: &PlainArgs, done: &str) -> anyhow::Result<ExitCode> {
    say(args.json, &format!("{done}."), &json!({ "ok": true }))?;
    Ok(ExitCode::SUCCESS)
}

fn reindex(args: &PlainArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    if args.dry_run {
        return would(args, "make the search index anew");
    }
    let record = app::open_record(&config)?;
    let mut told = 0;
    let done = record.operations().reindex("operator", |done, total| {
        let percent = (100 * done).checked_div(total).unwrap_or(100);
        if percent >= told + 5 {
            told = percent;
            eprintln!("{done} of {total} items ({percent} %)");
        }
    });
    record.close();
    let items = done?;
    say(
        args.json,
        &format!("The index is made anew; {items} items are in it."),
        &json!({ "items": items }),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn distribute(args: &PlainArgs) -> anyhow::Result<ExitCode> {
    let calls = operations::distribution();
    if args.dry_run {
        let value = json!({ "dry_run": true, "calls": calls });
        say(args.json, &format!("{};", calls.join(";\n")), &value)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.place.configuration()?;
    let address = config.record.postgres.as_ref().context(
        "this record lies in a file, which is not distributed; set record.postgres to the database of a \
         Citus coordinator",
    )?;
    let made = operations::distribute(address, config.postgres_password()?.as_deref())?;
    say(
        args.json,
        &format!(
            "{} of {} tables were distributed; the others were before.",
            made.len(),
            calls.len()
        ),
        &json!({ "made": made }),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn copied(
    args: &PlainArgs,
    report: &care_record::ledger::VerifyReport,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let value = json!({ "ok": report.findings.is_empty(), "entries": report.entries, "checkpoints_checked": report.checkpoints_checked });
    say(
        args.json,
        &format!(
            "{done}; its {} audit entries fit their checkpoints.",
            report.entries
        ),
        &value,
    )?;
    Ok(if report.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
