//! Pages at a fixed arrival rate: each request is due at its own moment, and its time counts from
//! that moment, so a slow answer is not hidden by the requests that waited behind it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use care_synthetic::{Outgoing, Payload};

use crate::mllp::{Kind, Sender, is_accepted};
use crate::server::{Server, free_port, run_directory};
use crate::spread::Spread;

#[derive(clap::Args)]
pub struct Arguments {
    /// The product's release binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Items of the person.
    #[arg(long, value_delimiter = ',', default_values_t = [200u32, 2_000, 20_000])]
    items: Vec<u32>,
    /// Requests a second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// The page.
    #[arg(long, default_value = "summary")]
    page: String,
}

#[derive(clap::Args)]
pub struct StartArguments {
    /// The product's release binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Items in the store.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Starts after kill -9.
    #[arg(long, default_value_t = 10)]
    starts: u32,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    for items in &arguments.items {
        let data = run_directory(&arguments.directory, "pages")?;
        let record = care_synthetic::person_with_items(*items, 1, 1, jiff::Timestamp::now());
        load_fhir(&arguments.binary, &data, &record.messages)?;
        let server = Server::start(&arguments.binary, &data, (free_port()?, free_port()?))?;
        send_v2(server.mllp_port, &record.messages)?;
        let held = held_items(&data)?;
        let measured = runtime.block_on(measure(arguments, &server, &record.nhs_number))?;
        println!(
            "{} with {held} items at {}/s, from the due moment: {}",
            arguments.page, arguments.rate, measured.at_the_client
        );
        println!(
            "  at the server: {}; CPU {:.2} ms a request; page of {} bytes",
            measured.at_the_server,
            measured.cpu_each.as_secs_f64() * 1000.0,
            measured.bytes
        );
        server.kill()?;
        std::fs::remove_dir_all(&data)?;
    }
    Ok(())
}

#[derive(clap::Args)]
pub struct CostArguments {
    /// The product's release binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Items of the person.
    #[arg(long, default_value_t = 2_000)]
    items: u32,
    /// Pages read for each figure.
    #[arg(long, default_value_t = 2_000)]
    pages: u32,
    /// Readers at once, under load.
    #[arg(long, default_value_t = 8)]
    readers: u32,
}

/// What decision and audit cost a read: one reader alone, then many at once, by the server's own
/// figures. The page itself is read and drawn besides.
pub fn cost(arguments: &CostArguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let data = run_directory(&arguments.directory, "cost")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let record = care_synthetic::person_with_items(arguments.items, 1, 1, jiff::Timestamp::now());
    load_fhir(&arguments.binary, &data, &record.messages)?;
    let server = Server::start(&arguments.binary, &data, (free_port()?, free_port()?))?;
    send_v2(server.mllp_port, &record.messages)?;
    let figures = runtime.block_on(async {
        let client = reqwest::Client::builder().cookie_store(true).build()?;
        let record = open_record(&client, server.port, "gp", &record.nhs_number).await?;
        let address: Arc<str> = format!("{record}/allergies").into();
        let mut figures = Vec::new();
        for readers in [1, arguments.readers] {
            let before = Costs::read(&client, server.port).await?;
            let each = arguments.pages / readers;
            let mut waiting = Vec::new();
            for _ in 0..readers {
                let (client, address) = (client.clone(), Arc::clone(&address));
                waiting.push(tokio::spawn(async move {
                    for _ in 0..each {
                        let answer = client.get(&*address).send().await?.error_for_status()?;
                        answer.bytes().await?;
                    }
                    anyhow::Ok(())
                }));
            }
            for one in waiting {
                one.await??;
            }
            figures.push((
                readers,
                Costs::read(&client, server.port).await?.since(&before),
            ));
        }
        anyhow::Ok(figures)
    })?;
    for (readers, costs) in figures {
        println!("{readers} reader(s) at once:");
        for (name, words) in COSTS {
            println!("  {words:34} {}", costs.of(name));
        }
    }
    server.kill()?;
    std::fs::remove_dir_all(&data)?;
    Ok(())
}

/// The server's histograms that are read, and their words.
const COSTS: [(&str, &str); 3] = [
    ("connect_care_access_decision_seconds", "the rules"),
    (
        "connect_care_access_facts_and_decision_seconds",
        "gathering the facts, and the rules",
    ),
    (
        "connect_care_audit_entry_seconds",
        "the entry until it is durable",
    ),
];

/// Cumulative counts by histogram and upper bound in microseconds.
#[derive(Default)]
struct Costs(BTreeMap<(String, u64), u64>);

impl Costs {
    async fn read(client: &reqwest::Client, port: u16) -> anyhow::Result<Self> {
        let address = format!("http://localhost:{port}/metrics");
        let text = client.get(address).send().await?.text().await?;
        let mut held = BTreeMap::new();
        for line in text.lines() {
            let Some((name, rest)) = line.split_once("_bucket{le=\"") else {
                continue;
            };
            let Some((bound, count)) = rest.split_once("\"} ") else {
                continue;
            };
            let micros = bound
                .parse::<f64>()
                .map_or(u64::MAX, |bound| (bound * 1e6).round() as u64);
            held.insert((name.to_owned(), micros), count.parse()?);
        }
        Ok(Self(held))
    }

    fn since(mut self, before: &Self) -> Self {
        for (key, count) in &mut self.0 {
            *count -= before.0.get(key).copied().unwrap_or(0);
        }
        self
    }

    /// `p50 <= 0.15 ms, p99 <= 0.40 ms, n 2000`.
    fn of(&self, name: &str) -> String {
        let held: Vec<(u64, u64)> = self
            .0
            .iter()
            .filter(|((histogram, _), _)| histogram == name)
            .map(|((_, bound), count)| (*bound, *count))
            .collect();
        let all = held.last().map_or(0, |(_, count)| *count);
        let at = |share: f64| {
            let wanted = (all as f64 * share).ceil() as u64;
            let bound = held.iter().find(|(_, count)| *count >= wanted);
            match bound {
                Some((u64::MAX, _)) | None => "over 250 ms".to_owned(),
                Some((bound, _)) => format!("<= {:.2} ms", *bound as f64 / 1000.0),
            }
        };
        format!("p50 {}, p99 {}, n {all}", at(0.5), at(0.99))
    }
}

pub fn start(arguments: &StartArguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let data = run_directory(&arguments.directory, "start")?;
    let ports = (free_port()?, free_port()?);
    let server = Server::start(&arguments.binary, &data, ports)?;
    let messages = Kind::Oru.messages(arguments.items / 9, 7);
    crate::mllp::stream(ports.1, &messages, 8)?;
    server.kill()?;
    let held = held_items(&data)?;
    let mut times = Vec::new();
    for _ in 0..arguments.starts {
        let server = Server::start(&arguments.binary, &data, ports)?;
        times.push(server.ready_after);
        server.kill()?;
    }
    println!("ready after kill -9, {held} items: {}", Spread::of(times));
    std::fs::remove_dir_all(&data)?;
    Ok(())
}

/// How many items the store holds.
fn held_items(data: &Path) -> anyhow::Result<u64> {
    let store = rusqlite::Connection::open(data.join("record/record.sqlite"))?;
    let count = store.query_row("SELECT count(*) FROM item", [], |row| row.get::<_, i64>(0))?;
    Ok(count.unsigned_abs())
}

/// Takes the FHIR bundles in by the `load` command, before the server runs.
pub fn load_fhir(binary: &Path, data: &Path, messages: &[Outgoing]) -> anyhow::Result<()> {
    let files = data.join("bundles");
    std::fs::create_dir_all(&files)?;
    for (place, outgoing) in messages.iter().enumerate() {
        if let Payload::Fhir(bundle) = &outgoing.payload {
            std::fs::write(files.join(format!("{place:06}.json")), bundle)?;
        }
    }
    let loaded = Command::new(binary)
        .args(["load", "--source", care_synthetic::PRACTICE.ods, "--data"])
        .arg(data)
        .arg("--reasons")
        .arg(data.join("reasons.tsv"))
        .arg(&files)
        .output()?;
    if !loaded.status.success() {
        let said = String::from_utf8_lossy(&loaded.stdout);
        bail!("load refused something:\n{said}");
    }
    Ok(())
}

/// Sends the HL7 v2 messages in order.
pub fn send_v2(port: u16, messages: &[Outgoing]) -> anyhow::Result<()> {
    let mut sender = Sender::connect(port)?;
    for outgoing in messages {
        if let Payload::V2(message) = &outgoing.payload {
            let ack = sender.send(message)?;
            if !is_accepted(&ack) {
                bail!("not accepted: {}", String::from_utf8_lossy(&ack));
            }
        }
    }
    Ok(())
}

/// What a run of page requests showed.
struct Measured {
    /// From the moment each request was due.
    at_the_client: Spread,
    /// By the server's own figures.
    at_the_server: Buckets,
    /// The server's CPU time for each request.
    cpu_each: Duration,
    bytes: usize,
}

async fn measure(arguments: &Arguments, server: &Server, number: &str) -> anyhow::Result<Measured> {
    let port = server.port;
    let client = reqwest::Client::builder().cookie_store(true).build()?;
    let record = open_record(&client, port, "gp", number).await?;
    let address: Arc<str> = format!("{record}/{}", arguments.page).into();
    let mut bytes = 0;
    for _ in 0..20 {
        let answer = client.get(&*address).send().await?.error_for_status()?;
        bytes = answer.bytes().await?.len();
    }
    let (before, cpu_before) = (Buckets::read(&client, port).await?, server.cpu()?);
    let gap = Duration::from_secs(1) / arguments.rate;
    let begun = Instant::now() + Duration::from_millis(50);
    let mut waiting = Vec::new();
    for place in 0..arguments.rate * arguments.seconds {
        let due = begun + gap * place;
        tokio::time::sleep_until(due.into()).await;
        let (client, address) = (client.clone(), Arc::clone(&address));
        waiting.push(tokio::spawn(async move {
            let answer = client.get(&*address).send().await?.error_for_status()?;
            answer.bytes().await?;
            anyhow::Ok(due.elapsed())
        }));
    }
    let mut times = Vec::new();
    for one in waiting {
        times.push(one.await??);
    }
    let cpu = server.cpu()?.saturating_sub(cpu_before);
    Ok(Measured {
        cpu_each: cpu / u32::try_from(times.len())?.max(1),
        at_the_server: Buckets::read(&client, port).await?.since(&before),
        at_the_client: Spread::of(times),
        bytes,
    })
}

/// What the server's own figures say of its section pages: how many took at most so long.
#[derive(Default)]
struct Buckets(BTreeMap<String, u64>);

impl Buckets {
    async fn read(client: &reqwest::Client, port: u16) -> anyhow::Result<Self> {
        let address = format!("http://localhost:{port}/metrics");
        let text = client.get(address).send().await?.text().await?;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("connect_care_http_request_seconds_bucket"))
            .filter(|line| line.contains("{section}") && line.contains("status=\"200\""));
        let read = |line: &str| {
            let bound = line.split("le=\"").nth(1)?.split('"').next()?;
            Some((bound.to_owned(), line.rsplit(' ').next()?.parse().ok()?))
        };
        Ok(Self(lines.filter_map(read).collect()))
    }

    fn since(&self, before: &Self) -> Self {
        let count = |(bound, count): (&String, &u64)| {
            let earlier = before.0.get(bound).copied().unwrap_or(0);
            (bound.clone(), count - earlier)
        };
        Self(self.0.iter().map(count).collect())
    }

    /// The bound, in milliseconds, that this share of the requests did not pass.
    fn at(&self, share: f64) -> f64 {
        let all = self.0.get("+Inf").copied().unwrap_or(0) as f64;
        self.0
            .iter()
            .filter(|(_, count)| **count as f64 >= all * share)
            .filter_map(|(bound, _)| bound.parse::<f64>().ok())
            .fold(f64::INFINITY, f64::min)
            * 1000.0
    }

    fn share_within(&self, bound: &str) -> f64 {
        let all = self.0.get("+Inf").copied().unwrap_or(0).max(1) as f64;
        self.0.get(bound).copied().unwrap_or(0) as f64 / all
    }
}

impl std::fmt::Display for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 at most {} ms  p99 at most {} ms  {:.2} % within 15 ms",
            self.at(0.5),
            self.at(0.99),
            self.share_within("0.015") * 100.0
        )
    }
}

/// Signs in through the demo's identity provider and opens a record as a person at a browser would:
/// by following links and sending forms.
async fn open_record(
    client: &reqwest::Client,
    port: u16,
    user: &str,
    number: &str,
) -> anyhow::Result<String> {
    let base = format!("http://localhost:{port}");
    let page = client
        .get(format!("{base}/staff/login/start?next=/"))
        .send()
        .await?
        .text()
        .await?;
    let page = submit(client, &base, &page, user, &[]).await?;
    let page = if page.contains("Find a person") {
        page
    } else {
        client
            .get(format!("{base}/staff/find"))
            .send()
            .await?
            .text()
            .await?
    };
    let page = submit(client, &base, &page, "Find", &[("nhs-number", number)]).await?;
    let (_, address) = submit_for_address(
        client,
        &base,
        &page,
        "Open record",
        &[("reason", "permission-today")],
    )
    .await?;
    let record = address
        .rsplit_once('/')
        .map(|(record, _)| record.to_owned());
    record
        .filter(|record| record.contains("/staff/record/"))
        .with_context(|| format!("the record did not open: came to {address}"))
}

async fn submit(
    client: &reqwest::Client,
    base: &str,
    page: &str,
    button: &str,
    fields: &[(&str, &str)],
) -> anyhow::Result<String> {
    Ok(submit_for_address(client, base, page, button, fields)
        .await?
        .0)
}

/// Sends the form whose text holds this button, with its hidden fields and these.
async fn submit_for_address(
    client: &reqwest::Client,
    base: &str,
    page: &str,
    button: &str,
    fields: &[(&str, &str)],
) -> anyhow::Result<(String, String)> {
    let form = page
        .split("<form")
        .skip(1)
        .map(|rest| rest.split("</form>").next().unwrap_or(rest))
        .find(|form| form.contains(button))
        .with_context(|| format!("a form with {button}"))?;
    let action = attribute(form, "action").context("the form's action")?;
    let address = if action.starts_with("http") {
        action
    } else {
        format!("{base}{action}")
    };
    let mut values: Vec<(String, String)> = form
        .split("<input")
        .skip(1)
        .chain(
            form.split("<button")
                .skip(1)
                .filter(|one| one.contains(button)),
        )
        .map(|rest| rest.split('>').next().unwrap_or(rest))
        .filter(|tag| !tag.contains("type=\"radio\"") && !tag.contains("type=\"checkbox\""))
        .filter_map(|tag| {
            Some((
                attribute(tag, "name")?,
                attribute(tag, "value").unwrap_or_default(),
            ))
        })
        .filter(|(name, _)| !fields.iter().any(|(given, _)| given == name))
        .collect();
    values.extend(
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let request = if form
        .split('>')
        .next()
        .unwrap_or_default()
        .to_lowercase()
        .contains("post")
    {
        client.post(&address).header("Origin", base).form(&values)
    } else {
        client.get(&address).query(&values)
    };
    let answer = request.send().await?.error_for_status()?;
    let at = answer.url().to_string();
    Ok((answer.text().await?, at))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let begin = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let rest = tag.get(begin..)?;
    Some(plain(rest.split('"').next()?))
}

/// A value without its HTML escapes.
fn plain(text: &str) -> String {
    [
        ("&#x2f;", "/"),
        ("&#x27;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escape, letter)| {
        text.replace(escape, letter)
    })
}
