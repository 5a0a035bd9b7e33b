//! `opt-out …`: the check for national data opt-outs, for operators.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use care_core::secondary_use::check::{
    LineEnd, Prepared, Reply, ReplyFault, read_list, read_reply, write_list,
};
use care_record::{CheckRow, Clock, FEWEST_ASKED_BY_HAND, FixedClock, Record, SystemClock};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::{Place, TEMPLATE, Usage, print, runtime};
use crate::app;
use crate::feeds::mesh::{Courier, Halt, Round, Step};
use crate::mesh::Client;

/// The check for national data opt-outs
#[derive(Subcommand)]
pub enum OptOutCommand {
    /// Ask about a list of NHS numbers
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out check cohort.txt --for \"release 12\" --config connect-care.toml\n  connect-care opt-out check - --dry-run < cohort.txt\n")]
    Check(CheckArgs),
    /// Send what waits and take in what came
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out collect --config connect-care.toml\n")]
    Collect(CollectArgs),
    /// How far each check got: counts and times
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out list --config connect-care.toml --json\n")]
    List(ListArgs),
    /// Whether the exchange lets our mailbox in, and what somebody must see to
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out mailbox --config connect-care.toml\n")]
    Mailbox(ListArgs),
    /// What somebody must see to: silence, old mail, lists that were not sent or not answered
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out alarms --config connect-care.toml\n  connect-care opt-out alarms --at 2026-11-30T09:00:00Z --config connect-care.toml --json\n")]
    Alarms(AlarmsArgs),
    /// How often each message was taken in, by the audit log: once
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out taken --config connect-care.toml --json\n")]
    Taken(ListArgs),
    /// Compare a reply with what was sent, without a mailbox: for files moved by hand
    #[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care opt-out compare --sent sent.dat --reply reply.dat\n")]
    Compare(CompareArgs),
}

/// Whom to ask about.
#[derive(Args)]
pub struct CheckArgs {
    /// NHS numbers, one a line; - for standard input
    #[arg(value_name = "FILE")]
    numbers: PathBuf,
    /// What for: a reference without personal data
    #[arg(long = "for", value_name = "REFERENCE", default_value = "by hand")]
    reference: String,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// How long to collect.
#[derive(Args)]
pub struct CollectArgs {
    /// Go on until every check is answered, for so many seconds at most
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    /// End the process at a step, as a power cut would: `downloaded:3`, `kept:1`, `acknowledged:2`
    #[arg(long, value_name = "STEP:COUNT", hide = true)]
    halt_at: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Which record.
#[derive(Args)]
pub struct ListArgs {
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// At which moment.
#[derive(Args)]
pub struct AlarmsArgs {
    /// As if it were this moment, to see what would ring
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Which files.
#[derive(Args)]
pub struct CompareArgs {
    /// The list that was sent
    #[arg(long, value_name = "FILE")]
    sent: PathBuf,
    /// The reply
    #[arg(long, value_name = "FILE")]
    reply: PathBuf,
    /// Write the numbers that may stay to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Does it.
pub fn run(command: OptOutCommand) -> anyhow::Result<ExitCode> {
    match command {
        OptOutCommand::Check(args) => check(&args),
        OptOutCommand::Collect(args) => collect(&args),
        OptOutCommand::List(args) => list(&args),
        OptOutCommand::Mailbox(args) => mailbox(&args),
        OptOutCommand::Alarms(args) => alarms(&args),
        OptOutCommand::Taken(args) => taken(&args),
        OptOutCommand::Compare(args) => compare(&args),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input ended early")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn record(place: &Place) -> anyhow::Result<Record> {
    app::open_record(&place.configuration()?)
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let prepared = read_list(&read(&args.numbers)?);
    report_left_out(&prepared);
    if prepared.numbers.is_empty() {
        return Err(Usage("the list holds no valid NHS number".to_owned()).into());
    }
    if prepared.numbers.count() < FEWEST_ASKED_BY_HAND {
        let words = format!(
            "a list has at least {FEWEST_ASKED_BY_HAND} different numbers: the answer about a few would tell their choice"
        );
        return Err(Usage(words).into());
    }
    let config = args.place.configuration()?;
    let limit = config.opt_out_settings().list_limit;
    let (people, lists) = (
        prepared.numbers.count(),
        prepared.numbers.lists(limit).count(),
    );
    if args.dry_run {
        print(&format!(
            "{people} people would be asked about in {lists} lists. Nothing was sent."
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let record = app::open_record(&config)?;
    let id = record
        .opt_out_check()
        .request(&prepared.numbers, &args.reference, "operator")?;
    record.close();
    if args.json {
        let told = json!({ "check": id, "people": people, "lists": lists,
            "duplicates": prepared.duplicates, "refused": prepared.refused.len() });
        print(&told.to_string());
    } else {
        print(&format!(
            "Check {id} asks about {people} people in {lists} lists.\nIt is sent by `connect-care opt-out collect`, or by the running service within its interval."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines that cannot be asked about, by number: the numbers themselves are not repeated.
fn report_left_out(prepared: &Prepared) {
    const SHOWN: usize = 20;
    for (line, why) in prepared.refused.iter().take(SHOWN) {
        eprintln!("line {line} is left out: {why}");
    }
    if prepared.refused.len() > SHOWN {
        eprintln!("{} more lines are left out", prepared.refused.len() - SHOWN);
    }
    if prepared.duplicates > 0 {
        eprintln!(
            "{} lines repeat a number; each is asked about once",
            prepared.duplicates
        );
    }
}

fn collect(args: &CollectArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    let settings = config
        .mesh
        .as_ref()
        .context("no MESH mailbox is configured; give [mesh] in the configuration")?;
    let record = app::open_record(&config)?;
    let checks = record.opt_out_check();
    let courier = Courier::open(settings, checks.clone(), Arc::new(SystemClock))?
        .halting(args.halt_at.as_deref().map(halt_of).transpose()?);
    let mut whole = Round::default();
    let began = crate::telemetry::stopwatch();
    let runtime = runtime()?;
    loop {
        let round = runtime.block_on(courier.round());
        whole.sent += round.sent;
        whole.taken.extend(round.taken);
        (whole.left, whole.trouble) = (round.left, round.trouble);
        let open = checks.rows()?.iter().any(|(_, row)| is_open(row));
        if !open || began.elapsed().as_secs() >= args.wait {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    record.close();
    let mut counts = std::collections::BTreeMap::new();
    for what in &whole.taken {
        *counts.entry(*what).or_insert(0_u32) += 1;
    }
    if args.json {
        let told = json!({ "sent": whole.sent, "taken": counts, "left": whole.left, "trouble": whole.trouble });
        print(&told.to_string());
    } else {
        print(&format!(
            "{} lists sent, {} messages taken in, {} left in the inbox.",
            whole.sent,
            whole.taken.len(),
            whole.left
        ));
        for (what, count) in counts {
            print(&format!("  {what}: {count}"));
        }
    }
    match whole.trouble {
        Some(why) => {
            eprintln!("connect-care: the round ended early: {why}");
            Ok(ExitCode::FAILURE)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn is_open(row: &CheckRow) -> bool {
    use care_record::CheckState as State;
    matches!(row.state(), State::Waiting | State::UnderWay)
}

fn halt_of(text: &str) -> anyhow::Result<Halt> {
    let (step, count) = text.split_once(':').unwrap_or((text, "1"));
    let step = Step::from_code(step).with_context(|| format!("{step} is no step"))?;
    Ok(Halt::at(
        step,
        count.parse().context("the count is no number")?,
    ))
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let record = record(&args.place)?;
    let rows = record.opt_out_check().rows()?;
    record.close();
    if args.json {
        let told: Vec<_> = rows.iter().map(|(id, row)| told(id, row)).collect();
        print(&serde_json::to_string_pretty(&told)?);
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        print("No check was asked for.");
    }
    for (id, row) in &rows {
        print(&format!(
            "{id}  {}  {} people, {} lists, for {}: {}",
            row.asked_at,
            row.sent(),
            row.lists.len(),
            row.reference,
            row.state().words()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn told(id: &str, row: &CheckRow) -> serde_json::Value {
    json!({
        "check": id, "asked_at": row.asked_at, "asked_by": row.asked_by, "for": row.reference,
        "state": row.state().words(), "sent": row.sent(), "returned": row.returned(),
        "counted_from": row.counted_from(), "lists": row.lists,
    })
}

fn mailbox(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.configuration()?;
    let settings = config
        .mesh
        .as_ref()
        .context("no MESH mailbox is configured; give [mesh] in the configuration")?;
    let client = Client::open(settings, Arc::new(SystemClock))?;
    let waiting = runtime()?.block_on(async {
        client.ping().await?;
        client.handshake().await?;
        client.inbox().await
    })?;
    if args.json {
        print(
            &json!({ "mailbox": client.mailbox(), "lets_us_in": true, "in_inbox": waiting.len() })
                .to_string(),
        );
    } else {
        print(&format!(
            "The exchange lets {} in. {} messages are in the inbox.",
            client.mailbox(),
            waiting.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn alarms(args: &AlarmsArgs) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = match args.at {
        Some(at) => Arc::new(FixedClock::at(at)),
        None => Arc::new(SystemClock),
    };
    let record = app::open_record_at(&args.place.configuration()?, clock)?;
    let health = record.opt_out_check().health();
    drop(record);
    let health = health?;
    if args.json {
        let alarms: Vec<_> = health
            .alarms
            .iter()
            .map(|alarm| json!({ "kind": alarm.kind.code(), "since": alarm.since, "words": alarm.words }))
            .collect();
        let told = json!({
            "configured": health.configured, "contact": health.contact, "in_inbox": health.in_inbox,
            "oldest": health.oldest, "lists_waiting": health.lists_waiting,
            "lists_unanswered": health.lists_unanswered, "trouble": health.trouble, "alarms": alarms,
        });
        print(&told.to_string());
    } else if health.alarms.is_empty() {
        print("Nothing needs to be seen to.");
    }
    for alarm in health.alarms.iter().filter(|_| !args.json) {
        print(&format!(
            "{} since {}: {}",
            alarm.kind.code(),
            alarm.since,
            alarm.words
        ));
    }
    Ok(if health.alarms.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn taken(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let record = record(&args.place)?;
    let taken = record.opt_out_check().taken();
    record.close();
    let taken = taken?;
    if args.json {
        print(&json!(taken).to_string());
    } else {
        let twice = taken.values().filter(|count| **count > 1).count();
        print(&format!(
            "{} messages were taken in; {twice} of them more than once.",
            taken.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let sent = read_list(&read(&args.sent)?);
    report_left_out(&sent);
    let refused = |fault: ReplyFault| {
        anyhow::anyhow!(
            "the reply is refused ({}): {}",
            fault.code(),
            fault.advice()
        )
    };
    let reply = read_reply(&read(&args.reply)?, &sent.numbers).map_err(refused)?;
    let Reply::Result(stay) = reply else {
        anyhow::bail!(
            "this is a report of the job, not its result; the result follows under the same local id"
        );
    };
    let (asked, back) = (sent.numbers.count(), stay.count());
    print(&format!(
        "{asked} asked about, {back} came back: {} must be left out.",
        asked - back
    ));
    if let Some(path) = &args.write {
        std::fs::write(path, write_list(stay.as_slice(), LineEnd::Lf))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
