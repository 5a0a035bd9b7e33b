//! `demo`: everything on this machine, with invented people whose messages arrive through the real
//! feeds over loopback sockets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use care_core::vocabulary::{NhsNumber, OdsCode, PersonId};
use care_record::{
    Clock, DisclosureError, Holder, IdentityError, NewGrant, ProxyRelationship, ProxyRights,
    SystemClock, WorklistKind,
};
use care_synthetic::{Outgoing, Payload, Story};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::feed_client::{FhirClient, MllpClient, ack_code};
use super::progress::Progress;
use super::{TEMPLATE, demo_config, print, runtime};
use crate::config::Config;
use crate::opt_out_service;
use crate::opt_out_service::register::Registered;
use crate::serve::{Sockets, Stop};
use crate::signin::keys::SigningKey;
use crate::{app, serve, telemetry};

/// The port of HTTP unless another is given.
pub const DEFAULT_PORT: u16 = 8080;
/// The port of MLLP unless another is given.
pub const DEFAULT_MLLP_PORT: u16 = 2575;

/// How many lanes each feed sends in. Messages about one person stay in one lane, in order.
const LANES: u32 = 4;

/// Start everything on this machine with invented people. The first start makes the people and sends
/// their messages through the feeds; later starts use what is there.
#[derive(Args)]
#[command(help_template = TEMPLATE, before_help = "Examples:\n  connect-care demo\n  connect-care demo --people 2000 --data /tmp/care\n  connect-care demo --port 8081 --mllp-port 2576\n")]
pub struct DemoArgs {
    /// How many people the first start makes (0: none, else at least the 14 with a part to play)
    #[arg(long, value_name = "N", default_value_t = 500)]
    people: u32,
    /// What the invention starts from: the same seed makes the same people
    #[arg(long, value_name = "N", default_value_t = 2015)]
    seed: u64,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    data: PathBuf,
    /// Port of the pages and the FHIR API
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Port of the HL7 v2 listener
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_MLLP_PORT)]
    mllp_port: u16,
    /// Port of the national opt-out service [default: ten above --port, or a free one]
    #[arg(long, value_name = "PORT")]
    opt_out_port: Option<u16>,
    /// Keep the record in this PostgreSQL database, which must be empty at the first start
    #[arg(long, value_name = "CONNECTION")]
    postgres: Option<String>,
    /// Do not stop those who guess: for load tests, and to see the tests of the throttles fail
    #[arg(long, hide = true)]
    unthrottled: bool,
}

/// What the first start told, kept so that an interrupted start tells the same again.
#[derive(Serialize, Deserialize)]
struct Told {
    seed: u64,
    people: u32,
    now: Timestamp,
    complete: bool,
}

/// Does it.
pub fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.data).with_context(|| {
        format!(
            "{} cannot be made; choose another with --data",
            args.data.display()
        )
    })?;
    let mut config = demo_config::of(&args.data, args.port, args.mllp_port)?;
    config.record.postgres.clone_from(&args.postgres);
    let opt_out_port = opt_out_port(&args)?;
    demo_config::with_opt_out_service(&mut config, &args.data, opt_out_port);
    config.unthrottled = args.unthrottled;
    telemetry::begin(&config.log);
    runtime()?.block_on(start(args, config, opt_out_port))
}

/// The port that was given, or ten above that of the pages, or else any that is free.
fn opt_out_port(args: &DemoArgs) -> anyhow::Result<u16> {
    let free = |port| std::net::TcpListener::bind(("127.0.0.1", port));
    let listener = match args.opt_out_port {
        Some(port) => return Ok(port),
        None => free(args.port.saturating_add(10)).or_else(|_| free(0)),
    };
    Ok(listener.context("no port is free")?.local_addr()?.port())
}

async fn start(args: DemoArgs, config: Config, opt_out_port: u16) -> anyhow::Result<ExitCode> {
    let keys = demo_config::keys(&args.data)?;
    let stop = Stop::on_signal()?;
    let identity = demo_config::identity(&config, keys.identity);
    let state = app::open(config, Some(identity))?;
    let sockets = Sockets::bind(&state).await?;
    demo_config::fill_directory(&state.record)?;
    demo_config::note_ports(&args.data, &state.config, args.mllp_port, opt_out_port)?;
    let opt_out = start_opt_out_service(&args, opt_out_port, stop.clone()).await?;
    let server = tokio::spawn(serve::run(state.clone(), sockets, stop.clone()));
    let mut told = stop.clone();
    let people = tell_story(&args, &state.config, keys.feeds);
    tokio::select! {
        done = people => {
            if done? {
                decide_joins(&state).await?;
            }
            set_hints(&state).await?;
            grant_proxies(&state).await?;
            first_release(&state).await?;
            greet(&args, opt_out_port);
        }
        () = told.wait() => eprintln!("stopped before every message was sent; the next start sends them again"),
    }
    server.await.context("the server ended")??;
    opt_out.await.context("the opt-out service ended")??;
    Ok(ExitCode::SUCCESS)
}

/// The national opt-out service, with the people of the story on its register. It shares this process
/// and nothing else: its store, its keys and its sign-in are its own.
async fn start_opt_out_service(
    args: &DemoArgs,
    port: u16,
    stop: Stop,
) -> anyhow::Result<tokio::task::JoinHandle<anyhow::Result<()>>> {
    let config = demo_config::opt_out_service(&args.data, args.port, port)?;
    let told = std::fs::read(args.data.join("people.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Told>(&bytes).ok());
    let story = told.map_or_else(
        || Story::new(args.seed, args.people, SystemClock.now()),
        |told| Story::new(told.seed, told.people, told.now),
    );
    let people: Vec<Registered> = story
        .register()
        .map(|one| Registered {
            nhs_number: one.nhs_number,
            family: one.family,
            given: one.given,
            birth_date: one.birth_date,
            postcode: one.postcode,
            address: one.address,
            mobile: one.mobile,
            email: String::new(),
        })
        .collect();
    let bound = opt_out_service::bind(config, Arc::new(SystemClock)).await?;
    bound.register(&people)?;
    Ok(tokio::spawn(bound.serve(stop)))
}

/// Sends the story, unless it was sent; whether it was now.
async fn tell_story(
    args: &DemoArgs,
    config: &Config,
    keys: BTreeMap<&'static str, SigningKey>,
) -> anyhow::Result<bool> {
    let file = args.data.join("people.json");
    let before = std::fs::read(&file)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Told>(&bytes).ok());
    if args.people == 0 || before.as_ref().is_some_and(|told| told.complete) {
        return Ok(false);
    }
    let now = SystemClock.now();
    let mut told = before.unwrap_or(Told {
        seed: args.seed,
        people: args.people,
        now,
        complete: false,
    });
    note(&file, &told)?;
    eprintln!(
        "Making {} people and sending their messages through the feeds. This happens once.",
        told.people
    );
    let story = Story::new(told.seed, told.people, told.now);
    let feeds = Feeds::new(config, keys)?;
    let tally = Arc::new(Tally {
        sent: Progress::new("messages sent"),
        refused: Mutex::default(),
    });
    feeds.send(&story, told.now, &tally).await?;
    tally.sent.end();
    for ((feed, answer, why), count) in tally
        .refused
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
    {
        eprintln!(
            "{count} messages of {feed} were answered {answer} and wait on a worklist: {why}"
        );
    }
    let (count, took) = tally.sent.total();
    eprintln!(
        "{count} messages were sent and acknowledged in {:.0} s.",
        took.as_secs_f64()
    );
    told.complete = true;
    note(&file, &told)?;
    Ok(true)
}

fn note(file: &Path, told: &Told) -> anyhow::Result<()> {
    std::fs::write(file, serde_json::to_vec(told)?)
        .with_context(|| format!("{} cannot be written; check the directory", file.display()))
}

/// The systems that send.
struct Feeds {
    base_url: String,
    mllp: String,
    keys: BTreeMap<&'static str, Arc<SigningKey>>,
}

impl Feeds {
    fn new(config: &Config, keys: BTreeMap<&'static str, SigningKey>) -> anyhow::Result<Self> {
        let mllp = config
            .mllp
            .as_ref()
            .context("the demonstration has an MLLP listener")?;
        Ok(Self {
            base_url: config.server.base_url.clone(),
            mllp: mllp.listen.to_string(),
            keys: keys
                .into_iter()
                .map(|(id, key)| (id, Arc::new(key)))
                .collect(),
        })
    }

    /// Sends everything. The past goes in several lanes a feed, one person always in the same lane;
    /// the last days, in which people alternate, go in one lane a feed after it.
    async fn send(&self, story: &Story, now: Timestamp, tally: &Arc<Tally>) -> anyhow::Result<()> {
        let recent = now
            .saturating_sub(SignedDuration::from_hours(48))
            .unwrap_or(now);
        let mut lanes = Lanes::new(self, tally.clone());
        let mut in_the_past = true;
        let mut messages = story.messages();
        while let Some(outgoing) = messages.next() {
            if in_the_past && outgoing.at >= recent {
                in_the_past = false;
                lanes.finish().await?;
            }
            let lane = if in_the_past {
                messages.people_told() % LANES
            } else {
                0
            };
            if !lanes.put(lane, outgoing).await {
                return lanes.finish().await;
            }
        }
        lanes.finish().await
    }
}

/// What was sent, and what was answered with a reason instead of being taken.
struct Tally {
    sent: Progress,
    refused: Mutex<BTreeMap<(&'static str, String, String), u64>>,
}

impl Tally {
    fn refuse(&self, feed: &'static str, answer: &str, why: &str) {
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let why = why.chars().take(300).collect();
        *all.entry((feed, answer.to_owned(), why)).or_default() += 1;
    }
}

struct Lanes<'f> {
    feeds: &'f Feeds,
    tally: Arc<Tally>,
    open: BTreeMap<(&'static str, u32), mpsc::Sender<Outgoing>>,
    work: tokio::task::JoinSet<anyhow::Result<()>>,
}

impl<'f> Lanes<'f> {
    fn new(feeds: &'f Feeds, tally: Arc<Tally>) -> Self {
        Self {
            feeds,
            tally,
            open: BTreeMap::new(),
            work: tokio::task::JoinSet::new(),
        }
    }

    /// False when a lane has failed; [`Lanes::finish`] says why.
    async fn put(&mut self, lane: u32, outgoing: Outgoing) -> bool {
        let key = (outgoing.feed, lane);
        if !self.open.contains_key(&key) {
            let (sender, receiver) = mpsc::channel(64);
            let Some(signing) = self.feeds.keys.get(outgoing.feed).cloned() else {
                return false;
            };
            let (base, mllp) = (self.feeds.base_url.clone(), self.feeds.mllp.clone());
            self.work.spawn(lane_work(
                base,
                mllp,
                outgoing.feed,
                signing,
                receiver,
                self.tally.clone(),
            ));
            self.open.insert(key, sender);
        }
        match self.open.get(&key) {
            Some(sender) => sender.send(outgoing).await.is_ok(),
            None => false,
        }
    }

    /// Waits until everything put was acknowledged.
    async fn finish(&mut self) -> anyhow::Result<()> {
        self.open.clear();
        while let Some(done) = self.work.join_next().await {
            done.context("a lane ended")??;
        }
        Ok(())
    }
}

async fn lane_work(
    base_url: String,
    mllp: String,
    feed: &'static str,
    key: Arc<SigningKey>,
    mut messages: mpsc::Receiver<Outgoing>,
    tally: Arc<Tally>,
) -> anyhow::Result<()> {
    let mut fhir = FhirClient::new(&base_url, feed, key)?;
    let mut v2: Option<MllpClient> = None;
    while let Some(outgoing) = messages.recv().await {
        match outgoing.payload {
            Payload::V2(bytes) => {
                let mut client = match v2.take() {
                    Some(client) => client,
                    None => MllpClient::connect(&mllp, Duration::from_secs(60)).await?,
                };
                let answer = client.send(&bytes).await?;
                let code = ack_code(&answer);
                if code != "AA" {
                    tally.refuse(feed, &code, &words_of(&answer));
                }
                v2 = Some(client);
            }
            Payload::Fhir(bundle) => {
                let (status, body) = fhir.transaction(bundle, SystemClock.now()).await?;
                if status == 401 || status == 503 {
                    bail!("{feed} was answered {status}; stop, and start again");
                }
                if status >= 300 {
                    tally.refuse(feed, &status.to_string(), &body);
                }
            }
        }
        tally.sent.one(String::new);
    }
    Ok(())
}

/// The ERR segment of an answer: it never holds a value from the message.
fn words_of(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.split('\r')
        .find(|segment| segment.starts_with("ERR"))
        .unwrap_or_default()
        .to_owned()
}

/// What a steward would decide: the hospital says that two records with different NHS numbers are one
/// person, which no machine decides alone. In the story it is so, and nobody is there to say it.
async fn decide_joins(state: &crate::state::Shared) -> anyhow::Result<()> {
    let (worklists, identity) = (state.record.worklists(), state.record.identity());
    let decided = crate::blocking(move || -> anyhow::Result<()> {
        for row in worklists.list(Some(WorklistKind::MergeReview), None, MOST_JOINS)? {
            let detail = worklists.open(row.row, "demo")?.detail;
            if let Some((from, into)) = two_records(&detail) {
                match identity.join(from, into, "demo", "the hospital says they are one person") {
                    Ok(()) | Err(IdentityError::AlreadySo) => {}
                    Err(error) => return Err(error.into()),
                }
                worklists.close(row.row, "done", "joined", "demo")?;
            }
        }
        Ok(())
    });
    decided
        .await
        .map_err(|_| anyhow::anyhow!("the record did not answer"))?
}

const MOST_JOINS: u32 = 1000;

/// The record that gives way and the one that stays, from the detail of a row.
fn two_records(detail: &str) -> Option<(PersonId, PersonId)> {
    let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
    let person = |name: &str| PersonId::parse(detail.get(name)?.as_str()?).ok();
    Some((person("other")?, person("survivor")?))
}

/// Marks that no message carries: the watched records, and the source that never answers for one of
/// the cast.
async fn set_hints(state: &crate::state::Shared) -> anyhow::Result<()> {
    let disclosure = state.record.disclosure();
    let marked = crate::blocking(move || {
        for number in care_synthetic::watched()
            .iter()
            .filter_map(|text| NhsNumber::parse(text).ok())
        {
            match disclosure.watch(number, "demo") {
                Ok(_) | Err(DisclosureError::NotThere) => {}
                Err(error) => return Err(error),
            }
        }
        let hours_ago = SystemClock.now() - SignedDuration::from_hours(3);
        for member in care_synthetic::cast() {
            let silent = care_synthetic::unavailable_source_for(member.nhs_number)
                .and_then(|code| OdsCode::parse(code).ok());
            let (Some(source), Ok(number)) = (silent, NhsNumber::parse(member.nhs_number)) else {
                continue;
            };
            match disclosure.source_unavailable(number, &source, Some(hours_ago), "demo") {
                Ok(_) | Err(DisclosureError::NotThere) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    marked
        .await
        .map_err(|_| anyhow::anyhow!("the record did not answer"))??;
    Ok(())
}

/// Who acts for whom in the story: a mother for her child, on proof that somebody saw. Made once, so
/// that ending it lasts.
async fn grant_proxies(state: &crate::state::Shared) -> anyhow::Result<()> {
    let proxies = state.record.proxies();
    let granted = crate::blocking(move || -> anyhow::Result<()> {
        for user in care_synthetic::users()
            .iter()
            .filter(|one| one.role == "proxy")
        {
            let number = user.person.and_then(|text| NhsNumber::parse(text).ok());
            let Some(number) = number else { continue };
            let grant = NewGrant {
                holder: Holder::user(user.id),
                who: user.name.to_owned(),
                relationship: ProxyRelationship::Parent,
                rights: ProxyRights::ALL,
                until: None,
                evidence: "Birth certificate, seen at the GP practice".to_owned(),
            };
            proxies.grant_first(number, &grant, "demo")?;
        }
        Ok(())
    });
    granted
        .await
        .map_err(|_| anyhow::anyhow!("the record did not answer"))?
}

/// Counts for the planning pages, once. A start that cannot make them goes on without.
async fn first_release(state: &crate::state::Shared) -> anyhow::Result<()> {
    let record = state.record.clone();
    let today = care_core::sections::local(state.clock.now()).date();
    let made = crate::blocking(move || super::demo_release::make(&record, today));
    if let Err(error) = made
        .await
        .map_err(|_| anyhow::anyhow!("the record did not answer"))?
    {
        tracing::warn!(%error, "the planning counts were not made");
    }
    Ok(())
}

fn greet(args: &DemoArgs, opt_out_port: u16) {
    let base = format!("http://localhost:{}", args.port);
    let width = demo_config::user_rows()
        .map(|(id, ..)| id.len())
        .max()
        .unwrap_or(0);
    let rows: String = demo_config::user_rows()
        .map(|(id, name, job, organisation)| {
            format!("  {id:width$}  {name}, {job}, {organisation}\n")
        })
        .collect();
    print(&format!(
        "Connect Care is running. Everybody in it is invented.\n\n\
         Pages        {base}/staff/login\n\
         FHIR API     {base}/fhir/R4/metadata\n\
         HL7 v2       localhost:{} (MLLP)\n\
         Opt-out      http://localhost:{opt_out_port} (the national choice, a service of its own)\n\
         Ready        {base}/health/ready\n\
         Launch       {base}/demo-host (another system that opens Connect Care)\n\n\
         Who can sign in (no password):\n{rows}\n\
         A person to look for: Amara Osei, NHS number 999 000 0018.\n\
         A token for the FHIR API:\n  connect-care token --as district-nurse --person 9990000018 --permission given --data {}\n\n\
         Ctrl-C stops it.",
        args.mllp_port,
        args.data.display(),
    ));
}
