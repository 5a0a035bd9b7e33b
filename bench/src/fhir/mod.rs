//! The FHIR API under load: import, reads, searches, export, disk and memory; ours and, where their
//! addresses are given, other servers'. Same data, same driver, same run.

mod drive;
mod multiply;
mod pages;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::server::{Server, free_port, run_directory};
use drive::Figure;
use wire::Target;

/// What to measure with.
#[derive(clap::Args)]
pub struct Arguments {
    /// The product's binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Transaction Bundles to multiply, each about one person.
    #[arg(long, default_value = "../shared/data/synthea")]
    bundles: PathBuf,
    /// Resources to import before reading, about.
    #[arg(long, default_value_t = 60_000)]
    resources: usize,
    /// Then import on to so many, ask everything once more and print what each request costs beside what
    /// it did cost; 0: do not.
    #[arg(long, default_value_t = 0)]
    then: usize,
    /// Seconds of each closed-loop step.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Seconds to wait between that import and asking: an index may be put in order when it is quiet.
    #[arg(long, default_value_t = 45)]
    settle: u64,
    /// Another server to measure the same way: name=base address. Give it more than once for several.
    #[arg(long = "peer", value_name = "NAME=URL")]
    peers: Vec<String>,
    /// Process of a peer, for its memory: name=process id.
    #[arg(long = "peer-process", value_name = "NAME=PID")]
    processes: Vec<String>,
    /// Keep our own store in this PostgreSQL database instead of the embedded engine.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Seed of the fresh ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Makes Bundles with fresh ids out of a few.
#[derive(clap::Args)]
pub struct MultiplyArguments {
    /// Transaction Bundles, each about one person.
    #[arg(long, default_value = "../shared/data/synthea")]
    from: PathBuf,
    /// Where the new ones go: `00000.json` and, with the number of its entries, `00000.n`.
    #[arg(long)]
    to: PathBuf,
    /// How many resources, about.
    #[arg(long, default_value_t = 60_000)]
    resources: usize,
    /// Seed of the fresh ids.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Writes the Bundles and says how many.
pub fn multiply(arguments: &MultiplyArguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.to)?;
    let mut stock = multiply::Stock::read(&arguments.from, arguments.seed)?;
    let (mut number, mut resources) = (0_usize, 0_usize);
    while resources < arguments.resources {
        let bundle = stock.next()?;
        std::fs::write(arguments.to.join(format!("{number:05}.json")), &bundle.body)?;
        std::fs::write(
            arguments.to.join(format!("{number:05}.n")),
            bundle.entries.to_string(),
        )?;
        number += 1;
        resources += bundle.entries;
    }
    println!(
        "{number} Bundles with {resources} resources in {}",
        arguments.to.display()
    );
    Ok(())
}

/// One server's figures by the name of the step, in the order they were measured.
type Figures = Vec<(&'static str, Option<Figure>)>;

/// Prints the figures of every server beside one another.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = run_directory(&arguments.directory, "fhir")?;
    let mut measured: BTreeMap<String, Figures> = BTreeMap::new();
    let mut order = vec!["Connect Care".to_owned()];
    measured.insert(order[0].clone(), ours(arguments, &directory)?);
    for peer in &arguments.peers {
        let (name, url) = peer
            .split_once('=')
            .with_context(|| format!("--peer {peer}: write name=address"))?;
        let process = arguments
            .processes
            .iter()
            .filter_map(|one| one.split_once('='))
            .find(|(of, _)| *of == name)
            .and_then(|(_, id)| id.parse().ok());
        let target = Target::parse(url, None)?;
        order.push(name.to_owned());
        measured.insert(
            name.to_owned(),
            steps(arguments, &target, process, None, None)?,
        );
    }
    print(&order, &measured);
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn ours(arguments: &Arguments, directory: &Path) -> anyhow::Result<Figures> {
    let data = directory.join("data");
    std::fs::create_dir_all(&data)?;
    let ports = (free_port()?, free_port()?);
    let server = match &arguments.postgres {
        None => Server::start(&arguments.binary, &data, ports)?,
        Some(url) => Server::start_with(
            &arguments.binary,
            &data,
            ports,
            &["--postgres", url.as_str()],
        )?,
    };
    let token = Command::new(&arguments.binary)
        .args(["token", "--as", "feed-hospital", "--data"])
        .arg(&data)
        .output()?;
    if !token.status.success() {
        bail!("no token: {}", String::from_utf8_lossy(&token.stderr));
    }
    let token = String::from_utf8(token.stdout)?.trim().to_owned();
    let base = format!("http://127.0.0.1:{}/fhir/R4", server.port);
    let target = Target::parse(&base, Some(&token))?;
    let constant = format!("http://127.0.0.1:{}/health/live", server.port);
    let constant = Target::parse(&constant, None)?;
    let disk = match arguments.postgres {
        None => Some(data.as_path()),
        Some(_) => None,
    };
    steps(
        arguments,
        &target,
        Some(server.process()),
        disk,
        Some(&constant),
    )
}

/// Every step against one server. A step that a server does not offer has no figure.
fn steps(
    arguments: &Arguments,
    target: &Target,
    process: Option<u32>,
    disk: Option<&Path>,
    constant: Option<&Target>,
) -> anyhow::Result<Figures> {
    let mut stock = multiply::Stock::read(&arguments.bundles, arguments.seed)?;
    let half = arguments.resources / 2;
    let mut figures: Figures = Vec::new();
    let before = disk.map(drive::bytes_of).transpose()?;
    let (one, loaded) = drive::import(target, &mut stock, half, 1)?;
    figures.push(("import, 1 client (resources/s)", Some(one)));
    let (four, more) = drive::import(target, &mut stock, half, 4)?;
    figures.push(("import, 4 clients (resources/s)", Some(four)));
    // Before anything is read: the log of reads grows with them and not with the resources.
    if let (Some(disk), Some(before)) = (disk, before) {
        let bytes = drive::bytes_of(disk)?.saturating_sub(before);
        let each = bytes as f64 / (loaded + more).max(1) as f64;
        figures.push(("disk (bytes/resource)", Some(Figure::plain(each))));
    }
    if let Some(process) = process {
        figures.push(("memory after import (MiB)", drive::memory(process)));
    }
    let sample = pages::sample(target, 200, 40)?;
    figures.extend(asked(arguments, target, &sample));
    if let Some(constant) = constant {
        let path = vec![String::new()];
        let seconds = Duration::from_secs(arguments.seconds);
        for (name, connections) in [
            ("a constant body, 8 connections (/s)", 8),
            ("a constant body, 64 connections (/s)", 64),
        ] {
            figures.push((
                name,
                drive::closed_loop(constant, &path, connections, seconds),
            ));
        }
    }
    figures.push(("$export (resources/s)", drive::export(target)));
    if let Some(process) = process {
        figures.push(("memory after everything (MiB)", drive::memory(process)));
    }
    if arguments.then > loaded + more {
        println!("at {} resources, and then:", loaded + more);
        let (rate, rest) = drive::import(target, &mut stock, arguments.then - loaded - more, 4)?;
        println!("import, 4 clients (resources/s): {rate}");
        if let Some(disk) = disk {
            let bytes = drive::bytes_of(disk)? as f64 / (loaded + more + rest) as f64;
            println!("disk, all of it with the log of reads (bytes/resource): {bytes:.0}");
        }
        std::thread::sleep(Duration::from_secs(arguments.settle));
        // The same codes, of which each page is full at either size.
        let later = pages::Sample {
            population: sample.population,
            ..pages::sample(target, 200, 40)?
        };
        let later = asked(arguments, target, &later);
        print_cost(loaded + more, loaded + more + rest, &figures, &later);
        if let Some(Figure { value, .. }) = process.and_then(drive::memory) {
            println!("memory (MiB): {value:.0}");
        }
    }
    Ok(figures)
}

/// Asks every read and search in a closed loop.
fn asked(arguments: &Arguments, target: &Target, sample: &pages::Sample) -> Figures {
    let mut figures = Figures::new();
    let seconds = Duration::from_secs(arguments.seconds);
    for (name, paths, connections) in [
        ("read by id, 8 connections (/s)", &sample.reads, 8),
        ("read by id, 64 connections (/s)", &sample.reads, 64),
        ("Observation?patient&code, 8 (/s)", &sample.codes, 8),
        ("Condition?patient, 8 (/s)", &sample.conditions, 8),
        (
            "Patient?identifier, 8 connections (/s)",
            &sample.identifiers,
            8,
        ),
        (
            "Patient?identifier, 64 connections (/s)",
            &sample.identifiers,
            64,
        ),
        ("Patient?family, 8 (/s)", &sample.families, 8),
        ("Encounter?patient&_include, 8 (/s)", &sample.includes, 8),
        (
            "Observation?code&_sort=-date&_count=50, 8 (/s)",
            &sample.population,
            8,
        ),
        ("$everything, 1 connection (/s)", &sample.everything, 1),
    ] {
        figures.push((
            name,
            drive::closed_loop(target, paths, connections, seconds),
        ));
    }
    figures
}

/// What a request costs at one size of the store beside another: the rates' ratio, in a closed loop.
fn print_cost(first: usize, then: usize, before: &Figures, after: &Figures) {
    println!("cost of a request at {then} resources beside {first}:");
    for (step, later) in after {
        let earlier = before.iter().find(|(one, _)| one == step);
        if let (Some((_, Some(earlier))), Some(later)) = (earlier, later) {
            println!(
                "{step:<48}  {earlier}  then {later}  (costs {:.2} times)",
                earlier.value / later.value
            );
        }
    }
}

fn print(order: &[String], measured: &BTreeMap<String, Figures>) {
    let Some(own) = order.first().and_then(|name| measured.get(name)) else {
        return;
    };
    for (step, figure) in own {
        let mut line = format!("{step:<48}");
        for name in order {
            let other = measured
                .get(name)
                .and_then(|figures| figures.iter().find(|(one, _)| one == step))
                .and_then(|(_, figure)| figure.as_ref());
            match other {
                Some(one) => line.push_str(&format!("  {name}: {one}")),
                None => line.push_str(&format!("  {name}: not offered")),
            }
            let ratio = figure
                .as_ref()
                .zip(other)
                .filter(|_| Some(name) != order.first());
            if let Some((ours, theirs)) = ratio {
                line.push_str(&format!(
                    " (ours is {:.1} times)",
                    ours.value / theirs.value
                ));
            }
        }
        println!("{line}");
    }
}
