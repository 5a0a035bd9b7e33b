//! Kill the server at random moments while readers read, and look for every answer whose first byte
//! came and whose entry is not in the audit log: there must be none.
//!
//! Each answer carries the reference of its request (`X-Request-Id`), and so does its entry. The
//! readers' ledger is the client's own knowledge; the log is written out after the last kill.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::pages::{load_fhir, send_v2};
use crate::server::{Server, free_port, run_directory};
use crate::spread::Spread;

#[derive(clap::Args)]
pub struct Arguments {
    /// The product's binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Reads in all.
    #[arg(long, default_value_t = 50_000)]
    reads: u64,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    kills: u64,
    /// Readers, each with its own connection.
    #[arg(long, default_value_t = 8)]
    readers: usize,
    /// Seed of the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What was seen of one answer.
struct Seen {
    kind: &'static str,
    status: u16,
    /// Empty where the answer was cut off before it.
    request: String,
}

/// One kind of read.
struct Ask {
    kind: &'static str,
    method: &'static str,
    path: String,
    token: String,
}

/// Prints figures; gives an error where an answer has no entry.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let data = run_directory(&arguments.directory, "reads")?;
    let ports = (free_port()?, free_port()?);
    let record = care_synthetic::person_with_items(60, 1, 1, jiff::Timestamp::now());
    load_fhir(&arguments.binary, &data, &record.messages)?;
    let server = Server::start(&arguments.binary, &data, ports)?;
    send_v2(server.mllp_port, &record.messages)?;
    let asks = asks(arguments, &data, ports.0, &record.nhs_number)?;
    let seen = Mutex::new(Vec::new());
    let times = Mutex::new(Vec::new());
    let mut state = arguments.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut running = Some(server);
    for round in 0..arguments.kills {
        let server = match running.take() {
            Some(server) => server,
            None => Server::start(&arguments.binary, &data, ports)?,
        };
        let left = arguments.reads.saturating_sub(count(&seen));
        let share = left / (arguments.kills - round).max(1);
        // The moment of the kill: somewhere around the share of this round, in the middle of an answer.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let wanted = share / 2 + state % share.max(1);
        let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for reader in 0..arguments.readers {
                let (asks, seen, times, done, stop) = (&asks, &seen, &times, &done, &stop);
                scope.spawn(move || read_on(reader, ports.0, asks, (seen, times), (done, stop)));
            }
            let begun = Instant::now();
            while done.load(Ordering::Relaxed) < wanted && begun.elapsed() < Duration::from_secs(60)
            {
                std::thread::sleep(Duration::from_micros(300));
            }
            let killed = server.kill();
            stop.store(true, Ordering::Relaxed);
            killed
        })?;
    }
    let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
    let entries = requests_in_log(&arguments.binary, &data)?;
    let missing: Vec<&Seen> = seen
        .iter()
        .filter(|one| !one.request.is_empty() && !entries.contains(&one.request))
        .collect();
    let cut = seen.iter().filter(|one| one.request.is_empty()).count();
    let mut kinds: BTreeMap<(&str, u16), u64> = BTreeMap::new();
    for one in &seen {
        *kinds.entry((one.kind, one.status)).or_default() += 1;
    }
    println!(
        "seed {}, {} kills, {} answers whose first byte came",
        arguments.seed,
        arguments.kills,
        seen.len()
    );
    for ((kind, status), count) in kinds {
        println!("  {kind:24} {status} {count:>7}");
    }
    println!(
        "  cut off before their reference: {cut}; entries in the log with a reference: {}",
        entries.len()
    );
    println!("answer: {}", Spread::of(times));
    println!("answers without a durable entry: {}", missing.len());
    std::fs::remove_dir_all(&data)?;
    if let Some(first) = missing.first() {
        bail!("for example a {} with status {}", first.kind, first.status);
    }
    Ok(())
}

fn count(seen: &Mutex<Vec<Seen>>) -> u64 {
    seen.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
}

fn read_on(
    reader: usize,
    port: u16,
    asks: &[Ask],
    (seen, times): (&Mutex<Vec<Seen>>, &Mutex<Vec<Duration>>),
    (done, stop): (&AtomicU64, &AtomicBool),
) {
    let mut turn = reader;
    while !stop.load(Ordering::Relaxed) {
        let Some(ask) = asks.get(turn % asks.len()) else {
            return;
        };
        turn += 1;
        let begun = Instant::now();
        match answer(port, ask) {
            Ok(Some(one)) => {
                let took = begun.elapsed();
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(one);
                times
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(took);
                done.fetch_add(1, Ordering::Relaxed);
            }
            // Not one byte came: nothing was shown. The server may be gone.
            Ok(None) | Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Sends one request on its own connection; nothing where not one byte came back.
fn answer(port: u16, ask: &Ask) -> std::io::Result<Option<Seen>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        ask.method, ask.path, ask.token
    );
    stream.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    // A connection that breaks off leaves what came before.
    let _ = stream.read_to_end(&mut bytes);
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let reference = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-request-id")
            .then(|| value.trim().to_owned())
    });
    Ok(Some(Seen {
        kind: ask.kind,
        status: status.unwrap_or(0),
        request: reference.unwrap_or_default(),
    }))
}

/// Allowed, denied, not found, with and without a body, one item, a search, everything.
fn asks(arguments: &Arguments, data: &Path, port: u16, number: &str) -> anyhow::Result<Vec<Ask>> {
    let token = |words: &[&str]| -> anyhow::Result<String> {
        let out = Command::new(&arguments.binary)
            .args(["token", "--person", number, "--data"])
            .arg(data)
            .args(words)
            .output()?;
        if !out.status.success() {
            bail!("token: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    };
    let gp = token(&["--as", "gp", "--permission", "given"])?;
    let stranger = token(&["--as", "social-worker", "--permission", "given"])?;
    let person = person_id(port, &gp, number)?;
    let ask = |kind, method, path: String, token: &str| Ask {
        kind,
        method,
        path: format!("/fhir/R4/{path}"),
        token: token.to_owned(),
    };
    Ok(vec![
        ask("one item", "GET", format!("Patient/{person}"), &gp),
        ask(
            "a search",
            "GET",
            format!("Observation?patient={person}&_count=5"),
            &gp,
        ),
        ask(
            "denied",
            "GET",
            format!("Observation?patient={person}"),
            &stranger,
        ),
        ask("HEAD", "HEAD", format!("Patient/{person}"), &gp),
        ask(
            "not found",
            "GET",
            format!("Observation/{person}-0000000000001"),
            &gp,
        ),
        ask(
            "everything",
            "GET",
            format!("Patient/{person}/$everything?_count=20"),
            &gp,
        ),
        ask(
            "HEAD of what is denied",
            "HEAD",
            format!("Patient/{person}"),
            &stranger,
        ),
    ])
}

fn person_id(port: u16, token: &str, number: &str) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let address = format!("http://localhost:{port}/fhir/R4/Patient/_search");
    let text = runtime.block_on(async {
        let client = reqwest::Client::new();
        let sent = client
            .post(address)
            .bearer_auth(token)
            .form(&[("identifier", number)]);
        sent.send().await?.error_for_status()?.text().await
    })?;
    let bundle: serde_json::Value = serde_json::from_str(&text)?;
    let id = bundle
        .pointer("/entry/0/resource/id")
        .and_then(|id| id.as_str());
    id.map(str::to_owned).context("the person was not found")
}

/// The references in the audit log, as another reader of its files finds them.
fn requests_in_log(binary: &Path, data: &Path) -> anyhow::Result<HashSet<String>> {
    let log = data.join("written-out");
    let out = Command::new(binary)
        .args(["audit", "export", "--to"])
        .arg(&log)
        .arg("--data")
        .arg(data)
        .output()?;
    if !out.status.success() {
        bail!("audit export: {}", String::from_utf8_lossy(&out.stderr));
    }
    let mut found = HashSet::new();
    let mut open = vec![log.join("tile/entries")];
    while let Some(place) = open.pop() {
        if place.is_dir() {
            for file in std::fs::read_dir(place)? {
                open.push(file?.path());
            }
            continue;
        }
        let bytes = std::fs::read(&place)?;
        let mut rest = bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after
                .split_at_checked(u16::from_be_bytes(*length).into())
                .context("a bundle is cut off")?;
            let entry: serde_json::Value = serde_json::from_slice(entry)
                .context("the log holds an entry that cannot be read; look with audit verify")?;
            if let Some(request) = entry.get("request").and_then(|request| request.as_str()) {
                found.insert(request.to_owned());
            }
            rest = after;
        }
    }
    Ok(found)
}
