//! Kill the server at random moments while senders stream, and compare what was acknowledged with
//! what the store holds: nothing lost, nothing doubled.
//!
//! The sender's ledger is the client's own knowledge: it is written before the next message is sent.
//! An unacknowledged message is sent again, as an interface engine does.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::mllp::{Kind, Sender, is_accepted};
use crate::server::{Server, free_port, run_directory};

#[derive(clap::Args)]
pub struct Arguments {
    /// The product's binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Messages in all.
    #[arg(long, default_value_t = 20_000)]
    messages: u32,
    /// How often the server is killed.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Senders, each with its own connection.
    #[arg(long, default_value_t = 4)]
    senders: usize,
    /// Seed of the messages and of the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(clap::Args)]
pub struct ReconcileArguments {
    /// The data directory of the store, with no server running on it.
    data: PathBuf,
    /// The ledger: one acknowledged control id a line.
    ledger: PathBuf,
}

#[derive(clap::Args)]
pub struct StreamArguments {
    /// The listener's port on this machine.
    #[arg(long)]
    mllp_port: u16,
    /// Messages in all.
    #[arg(long)]
    messages: u32,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// One acknowledged control id a line, written before the next message is sent.
    #[arg(long)]
    ledger: PathBuf,
}

/// Streams without sending anything twice.
pub fn stream_to(arguments: &StreamArguments) -> anyhow::Result<()> {
    let messages = Kind::Oru.messages(arguments.messages, 3);
    let port = AtomicU16::new(arguments.mllp_port);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..arguments.connections)
            .map(|first| {
                let (messages, port) = (&messages, &port);
                let (connections, ledger) = (arguments.connections, &arguments.ledger);
                scope.spawn(move || stream(messages, first, connections, port, ledger))
            })
            .collect();
        for sender in senders {
            sender
                .join()
                .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        anyhow::Ok(())
    })
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let data = run_directory(&arguments.directory, "crash")?;
    let ledger = data.with_extension("ledger");
    let messages = Kind::Oru.messages(arguments.messages, arguments.seed);
    println!(
        "{} messages, {} senders, {} kills, seed {}",
        messages.len(),
        arguments.senders,
        arguments.kills,
        arguments.seed
    );
    let ports = (free_port()?, free_port()?);
    let mllp_port = AtomicU16::new(ports.1);
    let finished = AtomicBool::new(false);
    let begun = Instant::now();
    let (resent, killed) = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..arguments.senders)
            .map(|first| {
                let (messages, mllp_port) = (&messages, &mllp_port);
                let ledger = ledger.with_extension(format!("ledger-{first}"));
                scope.spawn(move || stream(messages, first, arguments.senders, mllp_port, &ledger))
            })
            .collect();
        let killer = scope.spawn(|| kill_and_restart(arguments, &data, ports, &finished));
        let mut resent = 0;
        for sender in senders {
            resent += sender
                .join()
                .map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        finished.store(true, Ordering::SeqCst);
        let killed = killer
            .join()
            .map_err(|_| anyhow::anyhow!("the killer panicked"))??;
        anyhow::Ok((resent, killed))
    })?;
    let mut all = File::create(&ledger)?;
    for first in 0..arguments.senders {
        let part = ledger.with_extension(format!("ledger-{first}"));
        std::io::copy(&mut File::open(&part)?, &mut all)?;
        std::fs::remove_file(part)?;
    }
    println!(
        "{killed} kills in {:.1} s; {resent} messages were sent again",
        begun.elapsed().as_secs_f64()
    );
    compare(&data, &ledger, Some(&messages))
}

/// Streams every n-th message; after a broken connection the unacknowledged one again.
fn stream(
    messages: &[Vec<u8>],
    first: usize,
    senders: usize,
    port: &AtomicU16,
    ledger: &Path,
) -> anyhow::Result<u32> {
    let mut ledger = OpenOptions::new().create(true).append(true).open(ledger)?;
    let mut connection = None;
    let mut again = 0;
    for message in messages.iter().skip(first).step_by(senders) {
        let begun = Instant::now();
        loop {
            if begun.elapsed() > Duration::from_secs(120) {
                bail!("no acknowledgement in 120 s");
            }
            let mut sender = match connection.take() {
                Some(sender) => sender,
                None => match Sender::connect(port.load(Ordering::SeqCst)) {
                    Ok(sender) => sender,
                    Err(_down) => {
                        std::thread::sleep(Duration::from_millis(10));
                        continue;
                    }
                },
            };
            match sender.send(message) {
                Ok(ack) if is_accepted(&ack) => {
                    // One write, so that lines of several senders do not mix.
                    ledger.write_all(format!("{}\n", control_id(message)?).as_bytes())?;
                    connection = Some(sender);
                    break;
                }
                Ok(ack) => bail!("refused: {}", String::from_utf8_lossy(&ack)),
                Err(_broken) => again += 1,
            }
        }
    }
    Ok(again)
}

/// Kills at random moments and starts again on the same data until the senders are done.
fn kill_and_restart(
    arguments: &Arguments,
    data: &Path,
    ports: (u16, u16),
    finished: &AtomicBool,
) -> anyhow::Result<u32> {
    let mut random = arguments.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut killed = 0;
    loop {
        let server = Server::start(&arguments.binary, data, ports)?;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let until = Instant::now() + Duration::from_millis(20 + random % 180);
        let last = killed >= arguments.kills;
        while !finished.load(Ordering::SeqCst) && (last || Instant::now() < until) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let done = finished.load(Ordering::SeqCst);
        server.kill()?;
        if done {
            return Ok(killed);
        }
        killed += 1;
    }
}

pub fn reconcile(arguments: &ReconcileArguments) -> anyhow::Result<()> {
    compare(&arguments.data, &arguments.ledger, None)
}

/// Compares acknowledged control ids with kept deliveries; with the messages at hand also the items
/// they must have made.
fn compare(data: &Path, ledger: &Path, messages: Option<&[Vec<u8>]>) -> anyhow::Result<()> {
    let acknowledged: HashSet<String> = BufReader::new(File::open(ledger)?)
        .lines()
        .collect::<Result<_, _>>()?;
    let store = rusqlite::Connection::open(data.join("record/record.sqlite"))
        .context("record/record.sqlite in the demonstration's data directory")?;
    let integrity: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let mut kept: HashMap<String, u32> = HashMap::new();
    let mut statement = store.prepare("SELECT control_id FROM delivery")?;
    for id in statement.query_map([], |row| row.get::<_, String>(0))? {
        *kept.entry(id?).or_default() += 1;
    }
    let lost = acknowledged
        .iter()
        .filter(|id| !kept.contains_key(*id))
        .count();
    let doubled = kept.values().filter(|count| **count > 1).count();
    println!(
        "acknowledged {}  kept {}  lost {lost}  doubled {doubled}  integrity {integrity}",
        acknowledged.len(),
        kept.len()
    );
    let mut wrong_items = 0;
    if let Some(messages) = messages {
        let expected: usize = messages.iter().map(|message| observations(message)).sum();
        let observation = care_core::fhir::ResourceType::OBSERVATION.number();
        let held: i64 = store.query_row(
            "SELECT count(*) FROM item WHERE kind = ?1",
            [observation],
            |row| row.get(0),
        )?;
        let versions: i64 = store.query_row(
            "SELECT count(*) FROM item_history WHERE kind = ?1",
            [observation],
            |row| row.get(0),
        )?;
        println!("observations expected {expected}  held {held}  older versions {versions}");
        wrong_items = (held - expected as i64).unsigned_abs() + versions.unsigned_abs();
    }
    if lost > 0 || doubled > 0 || integrity != "ok" || wrong_items > 0 {
        bail!("the promise is broken");
    }
    println!("kept: 0 acknowledged lost, 0 doubled");
    Ok(())
}

fn observations(message: &[u8]) -> usize {
    message
        .split(|byte| *byte == b'\r')
        .filter(|segment| segment.starts_with(b"OBX|"))
        .count()
}

fn control_id(message: &[u8]) -> anyhow::Result<String> {
    let header = message
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let field = header
        .split(|byte| *byte == b'|')
        .nth(9)
        .context("MSH-10")?;
    Ok(String::from_utf8(field.to_vec())?)
}
