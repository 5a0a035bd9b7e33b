//! `load`: files through the same intake as the feeds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use care_core::vocabulary::OdsCode;
use care_record::{DeliveryOutcome as Outcome, FileDelivery, Senders};
use clap::Args;
use serde::Serialize;

use super::files::{self, Kind};
use super::progress::Progress;
use super::{Place, TEMPLATE, Usage, print};
use crate::app;

/// The feed files are noted under.
const FEED: &str = "load";

/// Take in FHIR JSON, NDJSON or XML (resources, Bundles) and HL7 v2 files through the same intake as
/// the feeds. Ends with counts, and a file of reasons. Works on a record that is not running; a
/// running one takes messages by its feeds.
#[derive(Args)]
#[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care load letters/ results.hl7\n  connect-care load export.ndjson --source X9T01\n  connect-care load messages/ --config /etc/connect-care.toml --source X9T01 --json\n")]
pub struct LoadArgs {
    /// Files, or directories to walk
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The organisation whose data this is, where a message does not say
    #[arg(long, value_name = "ODS")]
    source: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Where the reasons are written
    #[arg(long, value_name = "FILE", default_value = "load-reasons.tsv")]
    reasons: PathBuf,
    /// Write the counts as JSON
    #[arg(long)]
    json: bool,
    /// Say what kind each file is, and take in nothing
    #[arg(long)]
    dry_run: bool,
}

/// What came of everything.
#[derive(Debug, Default, Serialize)]
struct Counts {
    files: u64,
    received: u64,
    stored: u64,
    unchanged: u64,
    parked: u64,
    refused: u64,
    not_kept: u64,
    skipped_files: u64,
    by_kind: BTreeMap<&'static str, u64>,
}

/// Does it. Fails when anything was refused or not kept.
pub fn run(args: LoadArgs) -> anyhow::Result<ExitCode> {
    let files = files::walk(&args.paths)?;
    let config = args.place.configuration()?;
    let source = source(&args, &config)?;
    let mut reasons = Reasons::create(&args.reasons)?;
    let mut counts = Counts::default();
    let progress = Progress::new("files read");
    let record = if args.dry_run {
        None
    } else {
        Some(app::open_record(&config)?)
    };
    for path in &files {
        let bytes = files::read(path)?;
        let kind = files::kind_of(path, &bytes);
        counts.files += 1;
        *counts.by_kind.entry(name_of(kind)).or_default() += 1;
        match (&record, kind) {
            (_, Kind::Other(why)) => {
                counts.skipped_files += 1;
                reasons.write(&path.display().to_string(), "skipped", &[why.to_owned()])?;
            }
            (Some(record), _) => take_in(record, &source, path, &bytes, &mut counts, &mut reasons)?,
            (None, _) => {}
        }
        progress.one(|| format!(", {} received", counts.received));
    }
    progress.end();
    if let Some(record) = record {
        record.close();
    }
    reasons.end()?;
    report(&args, &counts)?;
    let sound = counts.refused == 0 && counts.not_kept == 0;
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whose files these are: the one named, or the first source of the configuration that sends.
fn source(args: &LoadArgs, config: &crate::config::Config) -> anyhow::Result<OdsCode> {
    let directory = config.directory();
    let Some(text) = &args.source else {
        let first = directory
            .sources()
            .first()
            .map(|source| source.organisation.ods.clone());
        return first.context("no source takes part here; name one with --source");
    };
    let code = OdsCode::parse(text).map_err(|error| Usage(format!("--source: {error}")))?;
    if directory.organisation(&code).is_none() {
        return Err(Usage(format!(
            "--source: {code} does not take part; add it to the configuration"
        ))
        .into());
    }
    Ok(code)
}

fn take_in(
    record: &care_record::Record,
    source: &OdsCode,
    path: &Path,
    bytes: &[u8],
    counts: &mut Counts,
    reasons: &mut Reasons,
) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let senders = Senders {
        names: Vec::new(),
        assumed: Some(source.clone()),
    };
    let delivery = FileDelivery {
        feed: FEED,
        source,
        name: &name,
        bytes,
        senders: &senders,
    };
    for result in record.intake().receive_file(&delivery) {
        counts.received += 1;
        let count = match result.outcome {
            Outcome::Processed | Outcome::ProcessedWithWarnings => &mut counts.stored,
            Outcome::Repeated => &mut counts.unchanged,
            Outcome::Parked => &mut counts.parked,
            Outcome::Refused => &mut counts.refused,
            Outcome::Transient => &mut counts.not_kept,
        };
        *count += 1;
        if !result.reasons.is_empty() || !result.outcome.is_stored() {
            reasons.write(&result.place, result.outcome.code(), &result.reasons)?;
        }
    }
    Ok(())
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::HL7v2 => "HL7 v2",
        Kind::Json => "FHIR JSON",
        Kind::NdJson => "NDJSON",
        Kind::Xml => "FHIR XML",
        Kind::Other(_) => "other",
    }
}

fn report(args: &LoadArgs, counts: &Counts) -> anyhow::Result<()> {
    if args.json {
        print(&serde_json::to_string_pretty(counts)?);
        return Ok(());
    }
    let lines = [
        ("files", counts.files),
        ("skipped files", counts.skipped_files),
        ("received", counts.received),
        ("stored", counts.stored),
        ("unchanged", counts.unchanged),
        ("parked", counts.parked),
        ("refused", counts.refused),
        ("not kept", counts.not_kept),
    ];
    for (name, count) in lines {
        print(&format!("{name:14} {count:>9}"));
    }
    eprintln!("Reasons: {}", args.reasons.display());
    Ok(())
}

/// The file of reasons: place, outcome, and what a sender can mend; no patient data.
struct Reasons {
    path: PathBuf,
    file: std::io::BufWriter<std::fs::File>,
}

impl Reasons {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::create(path).with_context(|| {
            format!(
                "{} cannot be written; name another file with --reasons",
                path.display()
            )
        })?;
        let mut file = std::io::BufWriter::new(file);
        writeln!(file, "place\toutcome\treason")?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    fn write(&mut self, place: &str, outcome: &str, reasons: &[String]) -> anyhow::Result<()> {
        let reason = reasons.join("; ").replace(['\t', '\n', '\r'], " ");
        writeln!(self.file, "{place}\t{outcome}\t{reason}")
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.file
            .flush()
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
