//! The steps: importing, asking in a closed loop, exporting, and what the server holds.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::multiply::{Bundle, Stock};
use super::wire::{Connection, Target};
use crate::spread::Spread;

/// One measured figure, with the times it came from where there are any.
pub struct Figure {
    /// In the unit its step names.
    pub value: f64,
    spread: Option<Spread>,
    note: String,
}

impl Figure {
    /// A figure without times.
    pub fn plain(value: f64) -> Self {
        Self {
            value,
            spread: None,
            note: String::new(),
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>8.0}", self.value)?;
        if let Some(spread) = &self.spread {
            write!(
                f,
                " (p50 {:.2}, p99 {:.2} ms)",
                spread.at(0.5),
                spread.at(0.99)
            )?;
        }
        f.write_str(&self.note)
    }
}

/// Posts Bundles with this many clients until about so many resources are held. Gives the rate and
/// how many were taken.
pub fn import(
    target: &Target,
    stock: &mut Stock,
    resources: usize,
    clients: usize,
) -> anyhow::Result<(Figure, usize)> {
    let mut bundles = Vec::new();
    let mut planned = 0;
    while planned < resources {
        let bundle = stock.next()?;
        planned += bundle.entries;
        bundles.push(bundle);
    }
    let next = AtomicUsize::new(0);
    let taken = AtomicUsize::new(0);
    let times: Mutex<Vec<Duration>> = Mutex::default();
    let refused: Mutex<Option<String>> = Mutex::default();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let send = || -> anyhow::Result<()> {
                    let mut connection = Connection::open(target)?;
                    while let Some(bundle) = bundles.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let started = Instant::now();
                        send_one(&mut connection, target, bundle)?;
                        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                        times.push(started.elapsed());
                        taken.fetch_add(bundle.entries, Ordering::Relaxed);
                    }
                    Ok(())
                };
                if let Err(cause) = send() {
                    *refused.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(cause.to_string());
                }
            });
        }
    });
    let elapsed = begun.elapsed();
    if let Some(cause) = refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
        bail!("import: {cause}");
    }
    let taken = taken.into_inner();
    let times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
    let figure = Figure {
        value: taken as f64 / elapsed.as_secs_f64(),
        spread: Some(Spread::of(times)),
        note: " a Bundle".to_owned(),
    };
    Ok((figure, taken))
}

fn send_one(
    connection: &mut Connection<'_>,
    target: &Target,
    bundle: &Bundle,
) -> anyhow::Result<()> {
    let root = if target.root.is_empty() {
        "/"
    } else {
        &target.root
    };
    let answer = connection.ask("POST", root, &[], Some(&bundle.body))?;
    if answer.status != 200 {
        let said = String::from_utf8_lossy(&answer.body);
        bail!("a Bundle was answered {}: {:.300}", answer.status, said);
    }
    Ok(())
}

/// Asks these addresses in turn over so many connections; none where the server does not answer 200.
pub fn closed_loop(
    target: &Target,
    paths: &[String],
    connections: usize,
    seconds: Duration,
) -> Option<Figure> {
    let first = paths.first()?;
    let mut connection = Connection::open(target).ok()?;
    let probe = connection.get(&format!("{}{first}", target.root)).ok()?;
    if probe.status != 200 {
        return None;
    }
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let (times, wrong) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let bytes = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut own = Vec::new();
                if let Ok(mut connection) = Connection::open(target) {
                    while !stop.load(Ordering::Relaxed) {
                        let place = next.fetch_add(1, Ordering::Relaxed) % paths.len();
                        let started = Instant::now();
                        let asked = connection.get(&format!("{}{}", target.root, paths[place]));
                        match asked {
                            Ok(answer) if answer.status == 200 => {
                                own.push(started.elapsed());
                                bytes.fetch_add(answer.body.len(), Ordering::Relaxed);
                            }
                            _ => {
                                wrong.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                times.append(&mut own);
            });
        }
        std::thread::sleep(seconds);
        stop.store(true, Ordering::Relaxed);
    });
    let elapsed = begun.elapsed();
    let times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
    let wrong = wrong.into_inner();
    let each = bytes.into_inner() as f64 / 1e3 / times.len().max(1) as f64;
    Some(Figure {
        value: times.len() as f64 / elapsed.as_secs_f64(),
        spread: Some(Spread::of(times)),
        note: if wrong == 0 {
            format!(" {each:.1} kB each")
        } else {
            format!(" {each:.1} kB each, {wrong} FAILED")
        },
    })
}

/// Exports everything and reads every file; the rate of resources, or none where it is not offered.
pub fn export(target: &Target) -> Option<Figure> {
    let begun = Instant::now();
    let mut connection = Connection::open(target).ok()?;
    let kick = connection
        .ask(
            "GET",
            &format!("{}/$export", target.root),
            &[("Prefer", "respond-async")],
            None,
        )
        .ok()?;
    if kick.status != 202 {
        return None;
    }
    let status = kick.content_location?;
    let manifest = loop {
        let answer = connection.get(&status).ok()?;
        match answer.status {
            200 => break serde_json::from_slice::<Value>(&answer.body).ok()?,
            202 => std::thread::sleep(Duration::from_millis(100)),
            _ => return None,
        }
    };
    let (mut resources, mut bytes) = (0_usize, 0_usize);
    for file in manifest["output"].as_array()? {
        let answer = connection.get(file["url"].as_str()?).ok()?;
        resources += answer.body.iter().filter(|byte| **byte == b'\n').count();
        bytes += answer.body.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    Some(Figure {
        value: resources as f64 / seconds,
        spread: None,
        note: format!(" ({:.0} MB/s)", bytes as f64 / 1e6 / seconds),
    })
}

/// The bytes of every file under a directory.
pub fn bytes_of(directory: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            bytes_of(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}

/// What a process holds in memory of its own, in MiB: a file mapped by several readers is not theirs.
pub fn memory(process: u32) -> Option<Figure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(Figure::plain(kib / 1024.0))
}
