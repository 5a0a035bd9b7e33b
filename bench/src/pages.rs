//! Pages at a fixed arrival rate: each request is due at its own moment, and its time counts from
//! that moment, so a slow answer is not hidden by the requests that waited behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

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
        let server = Server::start(&arguments.binary, &data, (free_port()?, free_port()?))?;
        let number = fill(server.mllp_port, *items)?;
        let spread = runtime.block_on(measure(arguments, server.port, &number))?;
        println!(
            "{} with {items} items at {}/s: {spread}",
            arguments.page, arguments.rate
        );
        server.kill()?;
        std::fs::remove_dir_all(&data)?;
    }
    Ok(())
}

pub fn start(arguments: &StartArguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let data = run_directory(&arguments.directory, "start")?;
    let ports = (free_port()?, free_port()?);
    let server = Server::start(&arguments.binary, &data, ports)?;
    let mut sender = Sender::connect(ports.1)?;
    let mut sent = 0;
    for message in Kind::Oru.messages(arguments.items / 9, 7) {
        sender.send(&message)?;
        sent += 1;
    }
    server.kill()?;
    let mut times = Vec::new();
    for _ in 0..arguments.starts {
        let server = Server::start(&arguments.binary, &data, ports)?;
        times.push(server.ready_after);
        server.kill()?;
    }
    println!(
        "ready after kill -9, about {} items: {}",
        sent * 9,
        Spread::of(times)
    );
    std::fs::remove_dir_all(&data)?;
    Ok(())
}

/// Sends one person with about so many items; their NHS number.
fn fill(port: u16, items: u32) -> anyhow::Result<String> {
    let mut sender = Sender::connect(port)?;
    let record = care_synthetic::person_with_items(items, 1, 1, jiff::Timestamp::now());
    for outgoing in &record.messages {
        if let care_synthetic::Payload::V2(message) = &outgoing.payload {
            let ack = sender.send(message)?;
            if !is_accepted(&ack) {
                bail!("not accepted: {}", String::from_utf8_lossy(&ack));
            }
        }
    }
    Ok(record.nhs_number)
}

async fn measure(arguments: &Arguments, port: u16, number: &str) -> anyhow::Result<Spread> {
    let client = reqwest::Client::builder().cookie_store(true).build()?;
    let record = open_record(&client, port, "district-nurse", number).await?;
    let address: Arc<str> = format!("{record}/{}", arguments.page).into();
    for _ in 0..20 {
        client
            .get(&*address)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
    }
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
    Ok(Spread::of(times))
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
        .get(format!("{base}/staff/login"))
        .send()
        .await?
        .text()
        .await?;
    let page = submit(client, &base, &page, "Continue", &[]).await?;
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
    let page = submit(client, &base, &page, "Find", &[("nhs_number", number)]).await?;
    let (_, address) = submit_for_address(
        client,
        &base,
        &page,
        "Open record",
        &[("why", "not-present")],
    )
    .await?;
    let record = address
        .rsplit_once('/')
        .map(|(record, _)| record.to_owned());
    record
        .filter(|record| record.contains("/staff/record/"))
        .context("the record did not open")
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
    let action = attribute(form, "action")
        .context("the form's action")?
        .replace("&amp;", "&");
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
    Some(rest.split('"').next()?.to_owned())
}
