//! Limits of the machine and of the pure rules, measured in the same run as what they limit.

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use care_core::hl7v2;
use care_core::labelling::{CodeLists, Labelled, label_all};
use care_core::mapping::{Mapped, V2Context, map_v2};
use care_core::vocabulary::{OdsCode, OrganisationKind};

use crate::mllp::Kind;

#[derive(clap::Args)]
pub struct Arguments {
    /// Where to write: the disk the record would be on.
    #[arg(long, default_value = "target/bench")]
    pub directory: PathBuf,
    /// Seconds for each measurement.
    #[arg(long, default_value_t = 3)]
    pub seconds: u64,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let seconds = Duration::from_secs(arguments.seconds);
    println!(
        "fsync, 4 KiB appended each: {:.0}/s",
        fsync_rate(&arguments.directory, seconds)?
    );
    for kind in [Kind::Adt, Kind::Oru] {
        let messages = kind.messages(200, 1);
        let bytes: usize = messages.iter().map(Vec::len).sum();
        println!(
            "{} of {} bytes, one thread: parse {:.0}/s, parse and map {:.0}/s, \
             parse, map and label {:.0}/s",
            kind.name(),
            bytes / messages.len().max(1),
            rate(&messages, seconds, |message| drop(black_box(hl7v2::parse(
                message
            )))),
            rate(&messages, seconds, |message| drop(black_box(mapped(
                message
            )))),
            rate(&messages, seconds, |message| drop(black_box(labelled(
                message
            )))),
        );
    }
    Ok(())
}

/// Appends 4 KiB and waits until the disk has it, again and again.
pub fn fsync_rate(directory: &Path, seconds: Duration) -> anyhow::Result<f64> {
    let path = directory.join("fsync-probe");
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&path)?;
    let block = [7u8; 4096];
    let begun = Instant::now();
    let mut count = 0u32;
    while begun.elapsed() < seconds {
        file.write_all(&block)?;
        file.sync_data().context("fsync")?;
        count += 1;
    }
    std::fs::remove_file(path)?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

fn rate(messages: &[Vec<u8>], seconds: Duration, work: impl Fn(&[u8])) -> f64 {
    let begun = Instant::now();
    let mut count = 0u32;
    while begun.elapsed() < seconds {
        for message in messages {
            work(message);
            count += 1;
        }
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn mapped(message: &[u8]) -> Option<Mapped> {
    let (message, _) = hl7v2::parse(message).ok()?;
    let context = V2Context {
        source: OdsCode::parse(care_synthetic::TRUST.ods).ok()?,
        received_at: jiff::Timestamp::now(),
        numbers_are_traced: true,
        organisations: &[],
        facility_codes: &[],
    };
    map_v2(&message, &context).ok()
}

fn labelled(message: &[u8]) -> Option<Vec<Labelled>> {
    let drafts = mapped(message)?.drafts;
    let lists = CodeLists::shipped();
    Some(label_all(drafts, OrganisationKind::Trust, lists))
}
