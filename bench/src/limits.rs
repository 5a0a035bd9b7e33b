//! Limits of the machine and of the pure rules, measured in the same run as what they limit.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

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
        println!(
            "parse {}, one thread: {:.0}/s",
            kind.name(),
            parse_rate(&messages, seconds)
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

fn parse_rate(messages: &[Vec<u8>], seconds: Duration) -> f64 {
    let begun = Instant::now();
    let mut count = 0u32;
    while begun.elapsed() < seconds {
        for message in messages {
            let _kept = std::hint::black_box(care_core::hl7v2::parse(message));
            count += 1;
        }
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}
