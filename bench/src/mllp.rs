//! Senders over MLLP: as a hospital's interface engine would, one message at a time per connection,
//! the next only after the acknowledgement.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::limits;
use crate::server::{Server, free_port, run_directory};
use crate::spread::Spread;

#[derive(clap::Args)]
pub struct Arguments {
    /// The product's release binary.
    #[arg(long, default_value = "target/release/connect-care")]
    pub binary: PathBuf,
    /// Where to put the data: the disk to measure.
    #[arg(long, default_value = "target/bench")]
    pub directory: PathBuf,
    /// Messages for each measurement.
    #[arg(long, default_value_t = 20_000)]
    pub messages: u32,
}

/// Which messages are sent.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Patient administration.
    Adt,
    /// Laboratory results of seven or eight observations.
    Oru,
}

/// Messages are about this many people, so that one person's follow one another now and then.
const PEOPLE: u32 = 2_000;

impl Kind {
    /// The name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adt => "ADT",
            Self::Oru => "ORU",
        }
    }

    /// So many messages, all different, the same for the same seed.
    pub fn messages(self, count: u32, seed: u64) -> Vec<Vec<u8>> {
        let now = jiff::Timestamp::now();
        let bytes = |outgoing: care_synthetic::Outgoing| outgoing.payload.bytes().to_vec();
        match self {
            Self::Adt => care_synthetic::bulk_adt(count, PEOPLE, seed, now)
                .map(bytes)
                .collect(),
            Self::Oru => care_synthetic::bulk_oru(count, PEOPLE, seed, now)
                .map(bytes)
                .collect(),
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let fsyncs = limits::fsync_rate(&arguments.directory, Duration::from_secs(2))?;
    println!("fsync rate of this disk: {fsyncs:.0}/s");
    let cores = std::thread::available_parallelism()?.get() as f64;
    let mut seed = 100;
    for (kind, connections) in [
        (Kind::Adt, 1),
        (Kind::Adt, 8),
        (Kind::Oru, 1),
        (Kind::Oru, 8),
        (Kind::Oru, 64),
    ] {
        seed += 1;
        let data = run_directory(&arguments.directory, "ingest")?;
        let server = Server::start(&arguments.binary, &data, (free_port()?, free_port()?))?;
        let wanted = if connections == 1 {
            arguments.messages / 4
        } else {
            arguments.messages
        };
        let messages = kind.messages(wanted, seed);
        let before = server.cpu()?;
        let (rate, spread) = stream(server.mllp_port, &messages, connections)?;
        let each = (server.cpu()? - before).as_secs_f64() / messages.len() as f64;
        println!(
            "{} {connections} connection(s): {rate:.0} acknowledged/s  {spread}",
            kind.name(),
        );
        println!(
            "  {:.2} messages in the time of one fsync; server CPU {:.0} µs a message, so all {cores} \
             cores would do {:.0}/s",
            rate / fsyncs,
            each * 1e6,
            cores / each
        );
        server.kill()?;
        std::fs::remove_dir_all(&data)?;
    }
    Ok(())
}

/// Sends every message over this many connections; the rate, and the times to acknowledge.
pub fn stream(
    port: u16,
    messages: &[Vec<u8>],
    connections: usize,
) -> anyhow::Result<(f64, Spread)> {
    let begun = Instant::now();
    let times = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..connections)
            .map(|first| {
                scope.spawn(move || -> anyhow::Result<Vec<Duration>> {
                    let mut sender = Sender::connect(port)?;
                    let mut times = Vec::new();
                    for message in messages.iter().skip(first).step_by(connections) {
                        let sent = Instant::now();
                        let ack = sender.send(message)?;
                        if !is_accepted(&ack) {
                            bail!("not accepted: {}", String::from_utf8_lossy(&ack));
                        }
                        times.push(sent.elapsed());
                    }
                    Ok(times)
                })
            })
            .collect();
        let mut times = Vec::new();
        for sender in senders {
            times.extend(
                sender
                    .join()
                    .map_err(|_| anyhow::anyhow!("a sender panicked"))??,
            );
        }
        anyhow::Ok(times)
    })?;
    Ok((
        messages.len() as f64 / begun.elapsed().as_secs_f64(),
        Spread::of(times),
    ))
}

/// One MLLP connection.
pub struct Sender {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Sender {
    /// Connects to a listener on this machine.
    pub fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends one message and waits for its acknowledgement.
    pub fn send(&mut self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut frame = Vec::with_capacity(message.len() + 3);
        frame.push(0x0b);
        frame.extend_from_slice(message);
        frame.extend_from_slice(&[0x1c, 0x0d]);
        self.stream.write_all(&frame)?;
        let mut piece = [0u8; 4096];
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == [0x1c, 0x0d]) {
                let ack = self.buffer[1..end].to_vec();
                self.buffer.drain(..end + 2);
                return Ok(ack);
            }
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                bail!("the connection closed before the acknowledgement");
            }
            self.buffer.extend_from_slice(&piece[..count]);
        }
    }
}

/// Whether an acknowledgement says AA.
pub fn is_accepted(ack: &[u8]) -> bool {
    ack.windows(7).any(|bytes| bytes == b"MSA|AA|")
}
