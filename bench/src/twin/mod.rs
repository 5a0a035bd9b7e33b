//! Promise S1: nothing hidden influences anything shown.
//!
//! Two worlds: a record in which much is hidden from somebody, and its copy from which all that was
//! erased, row by row, by the rules themselves. Random requests over every feature of search go to both;
//! whatever tells the answers apart is a leak. `bench/promises/S1.sh` runs it with 100,000 requests.

mod bad_input;
mod canary;
#[path = "../../../crates/care-record/src/store/postgres/cluster.rs"]
#[allow(
    dead_code,
    reason = "the store's own tests use more of it; it has one home"
)]
mod cluster;
mod compare;
mod coverage;
mod dice;
mod grammar;
mod rows;
mod tales;
mod world;
mod writes;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use care_core::access::{self, Supplier, View};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::{Category, ItemId, PersonId, SensitivitySet, SourceCode};
use care_synthetic::{InventedUser, cast, users};
use jiff::Timestamp;
use serde_json::{Value, json};

use canary::{Pool, Sample};
use compare::{Both, Side, Worlds};
use coverage::Coverage;
use dice::Dice;
use grammar::{Grammar, Request};
use rows::{Engine, Row};
use world::{Ground, Server, World};

const FEEDS: [(&str, &str); 5] = [
    ("feed-gp", "X9P01"),
    ("feed-hospital", "X9T01"),
    ("feed-community", "X9C01"),
    ("feed-mental-health", "X9M01"),
    ("feed-council", "X9L01"),
];

/// The people that are asked about.
const PEOPLE: [&str; 11] = [
    "9990000018",
    "9990000026",
    "9990000042",
    "9990000050",
    "9990000069",
    "9990000077",
    "9990000085",
    "9990000115",
    "9990000123",
    "9990000131",
    "9990000158",
];

/// Amara Osei keeps the council's items from others; George Marlow dissents from sharing the practice's.
const WITHHELD: (&str, &str) = ("9990000018", "X9L01");
const DISSENTS: &str = "9990000077";

/// Who asks.
#[derive(Clone, Copy)]
enum Who {
    Source(&'static str, &'static str),
    Person(&'static InventedUser),
}

impl Who {
    fn of(name: &str) -> Self {
        let source = FEEDS.iter().find(|(feed, _)| *feed == name);
        let user = users().iter().find(|user| user.id == name);
        match (source, user) {
            (Some((feed, ods)), _) => Self::Source(feed, ods),
            (_, Some(user)) => Self::Person(user),
            _ => panic!("nobody is called {name}"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Source(feed, _) => feed,
            Self::Person(user) => user.id,
        }
    }

    fn token(self, server: &Server) -> String {
        match self {
            Self::Source(feed, _) => server.token(&["--as", feed]),
            Self::Person(user) => {
                let permission = match user.role {
                    "patient" | "proxy" | "admin_clerical" => "not_applicable",
                    _ => "given",
                };
                server.token(&["--as", user.id, "--permission", permission])
            }
        }
    }
}

#[derive(clap::Args)]
pub struct Arguments {
    /// The product's binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Another build of it, to be judged in a world that the first one made: the negative control.
    #[arg(long)]
    judged: Option<PathBuf>,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Requests to each of the two worlds, of all askers.
    #[arg(long, default_value_t = 100_000)]
    requests: usize,
    /// Seed of the requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the record is kept: `sqlite` or `postgres`.
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    engine: Engine,
    /// Invented people.
    #[arg(long, default_value_t = 30)]
    people: u32,
    /// Who asks, each for an equal share.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "feed-council,feed-hospital,feed-gp,district-nurse,social-worker,pharmacist,student-nurse,practice-receptionist,hospital-doctor,patient"
    )]
    askers: Vec<String>,
}

/// Prints figures; gives an error where anything tells the worlds apart.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = Plan {
        requests: arguments.requests,
        seed: arguments.seed,
        people: arguments.people,
        engine: arguments.engine,
        binary: arguments.binary.clone(),
        judged: arguments
            .judged
            .as_ref()
            .unwrap_or(&arguments.binary)
            .clone(),
        directory: arguments.directory.clone(),
        askers: arguments.askers.iter().map(|name| Who::of(name)).collect(),
    };
    let differences = tokio::runtime::Runtime::new()?.block_on(judge(plan));
    anyhow::ensure!(differences == 0, "{differences} differences");
    Ok(())
}

#[derive(clap::Args)]
pub struct BadInputArguments {
    /// The product's binary.
    #[arg(long, default_value = "target/release/connect-care")]
    binary: PathBuf,
    /// Where to put the data.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
}

/// Prints what each bad input cost; gives an error where one is not refused as it must be.
pub fn run_bad_input(arguments: &BadInputArguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let judged = bad_input::judge(&arguments.binary, &arguments.directory);
    let wrong = tokio::runtime::Runtime::new()?.block_on(judged);
    anyhow::ensure!(wrong == 0, "{wrong} are not refused as they must be");
    Ok(())
}

struct Plan {
    requests: usize,
    seed: u64,
    people: u32,
    engine: Engine,
    binary: PathBuf,
    judged: PathBuf,
    directory: PathBuf,
    askers: Vec<Who>,
}

/// What is known of the world before it is copied.
struct Known {
    samples: Vec<Sample>,
    /// NHS number to the person who answers.
    people: HashMap<String, PersonId>,
    /// For each asker, whose records are open to them.
    open: HashMap<&'static str, HashSet<PersonId>>,
}

/// How many answers differ.
async fn judge(plan: Plan) -> usize {
    println!(
        "seed {}, {} requests to each of two worlds, {:?}",
        plan.seed, plan.requests, plan.engine
    );
    std::fs::create_dir_all(&plan.directory).expect("a directory");
    let Some(ground) = Ground::new(plan.engine, (&plan.binary, &plan.judged), &plan.directory)
    else {
        return 0;
    };
    let begun = Instant::now();
    let (world, known) = prepare(&ground, &plan).await;
    let rows = world.rows();
    println!(
        "the world: {} versions of {} items in {} s",
        rows.len(),
        rows.iter().filter(|row| row.is_current).count(),
        begun.elapsed().as_secs()
    );
    let mut tally = Tally::default();
    // A page that would be followed after the last request is not, so a few more are asked.
    let share = plan.requests / plan.askers.len() + 20;
    for (place, who) in plan.askers.iter().enumerate() {
        let views = Views::of(&world, &known, *who);
        let hidden = rows::hidden(&rows, |row| views.of_row(row), |row| views.always(row));
        let case = Case {
            who: *who,
            known: &known,
            hidden: &hidden,
            without_places: views.without_places(),
            seed: plan.seed.wrapping_add(place as u64),
        };
        case.run(&ground, &world, share, &mut tally).await;
    }
    tally.print();
    let with_sources = plan.askers.iter().any(|who| matches!(who, Who::Source(..)));
    let missing = tally.coverage.print(with_sources);
    if missing.is_empty() {
        println!("every feature was asked for");
    } else {
        println!("never asked for: {}", missing.join(", "));
    }
    tally.differences.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product beside this test, as a build of the workspace leaves it.
    fn product() -> Option<PathBuf> {
        let here = std::env::current_exe().expect("this program");
        let place = here.parent()?.parent()?.join("connect-care");
        if !place.is_file() {
            println!(
                "skipped: {} is not built; build the workspace",
                place.display()
            );
            return None;
        }
        Some(place)
    }

    fn check(engine: Engine, requests: usize, askers: &[&str]) {
        let Some(binary) = product() else { return };
        let plan = Plan {
            requests,
            seed: 20_261_123,
            people: 14,
            engine,
            judged: binary.clone(),
            binary,
            directory: std::env::temp_dir(),
            askers: askers.iter().map(|name| Who::of(name)).collect(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        assert_eq!(
            runtime.block_on(judge(plan)),
            0,
            "see the differences above"
        );
    }

    #[test]
    fn nothing_hidden_influences_an_answer_on_sqlite() {
        check(
            Engine::Sqlite,
            1_200,
            &["feed-council", "district-nurse", "student-nurse"],
        );
    }

    #[test]
    fn bad_input_is_refused_in_words_and_in_bounds_and_nothing_of_it_is_kept() {
        let Some(binary) = product() else { return };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let wrong = runtime.block_on(bad_input::judge(&binary, &std::env::temp_dir()));
        assert_eq!(wrong, 0, "see the table above");
    }

    #[test]
    fn nothing_hidden_influences_an_answer_on_postgresql() {
        check(Engine::Postgres, 800, &["feed-hospital", "social-worker"]);
    }
}

/// Makes the world, and stops it.
async fn prepare(ground: &Ground, plan: &Plan) -> (World, Known) {
    let world = ground.empty("a");
    let server = world.serve(plan.people);
    let people = tell(&server).await;
    server.stop();
    choose(&world, &people);
    let server = world.serve(0);
    let mut samples = Vec::new();
    let wanted: HashSet<String> = people.values().map(ToString::to_string).collect();
    for (feed, ods) in FEEDS {
        let token = server.token(&["--as", feed]);
        let source = SourceCode::parse(ods).expect("a source");
        for kind in kinds_of(&world, &source) {
            let all = every(&server, &token, kind).await;
            let theirs = all.into_iter().filter_map(|body| {
                let body = Json::parse(body.to_string().as_bytes(), Limits::default()).ok()?;
                let sample = Sample::new(source.clone(), kind, body);
                sample
                    .person()
                    .is_none_or(|person| wanted.contains(person))
                    .then_some(sample)
            });
            samples.extend(theirs.take(60));
        }
    }
    let mut open = HashMap::new();
    for who in &plan.askers {
        if let Who::Person(user) = who {
            let token = who.token(&server);
            let mut theirs = HashSet::new();
            for person in people.values() {
                if get(&server, &token, &format!("Patient/{person}")).await.0 == 200 {
                    theirs.insert(*person);
                }
            }
            open.insert(user.id, theirs);
        }
    }
    server.stop();
    let known = Known {
        samples,
        people,
        open,
    };
    (world, known)
}

fn kinds_of(world: &World, source: &SourceCode) -> Vec<ResourceType> {
    world
        .query(&format!(
            "SELECT DISTINCT kind FROM item WHERE source = '{source}' ORDER BY kind"
        ))
        .iter()
        .filter_map(|row| ResourceType::from_number(row[0].parse().ok()?))
        .collect()
}

async fn get(server: &Server, token: &str, path: &str) -> (u16, Value) {
    let address = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}/fhir/R4/{path}", server.base)
    };
    let answer = reqwest::Client::new()
        .get(address)
        .bearer_auth(token)
        .send()
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Every resource of a type that a token may search for.
async fn every(server: &Server, token: &str, kind: ResourceType) -> Vec<Value> {
    let mut next = Some(format!("{kind}?_count=200"));
    let mut all = Vec::new();
    while let Some(address) = next {
        let (status, page) = get(server, token, &address).await;
        assert_eq!(status, 200, "{kind}: {page}");
        let entries = page["entry"].as_array().cloned().unwrap_or_default();
        all.extend(
            entries
                .into_iter()
                .map(|mut entry| entry["resource"].take()),
        );
        let links = page["link"].as_array().cloned().unwrap_or_default();
        next = links
            .iter()
            .find(|link| link["relation"] == "next")
            .and_then(|link| link["url"].as_str().map(str::to_owned))
            .filter(|_| all.len() < 1500);
    }
    all
}

/// The feeds send more about the people; then each points at what another sent, changes some of what it
/// sent and takes some away.
async fn tell(server: &Server) -> HashMap<String, PersonId> {
    let http = reqwest::Client::new();
    let send = async |method: &str, token: &str, path: &str, body: String| {
        let answer = http
            .request(
                method.parse().expect("a method"),
                format!("{}/fhir/R4{path}", server.base),
            )
            .bearer_auth(token)
            .header("content-type", "application/fhir+json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a body"))
    };
    let tokens: Vec<String> = FEEDS
        .iter()
        .map(|(feed, _)| server.token(&["--as", feed]))
        .collect();
    let patients = every(server, &tokens[0], ResourceType::PATIENT).await;
    let mut people = HashMap::new();
    let mut numbered = Vec::new();
    for number in PEOPLE {
        let is_theirs = |one: &&Value| one["identifier"].to_string().contains(number);
        let Some(patient) = patients.iter().find(is_theirs) else {
            panic!("the practice sent nobody with number {number}");
        };
        let id = patient["id"].as_str().expect("an id");
        people.insert(number.to_owned(), PersonId::parse(id).expect("a person"));
        numbered.push(patient.clone());
    }
    for ((feed, _), token) in FEEDS.iter().zip(&tokens) {
        for (number, patient) in numbered.iter().enumerate() {
            let bundle = tales::bundle(feed, number, patient).to_string();
            let (status, said) = send("POST", token, "", bundle).await;
            assert!(status < 300, "{feed} was answered {status}: {said}");
        }
    }
    let mut of_each: Vec<Vec<Value>> = Vec::new();
    for token in &tokens {
        let mut theirs = Vec::new();
        for kind in [
            "Encounter",
            "Condition",
            "Observation",
            "Procedure",
            "Specimen",
            "Device",
            "Practitioner",
            "ServiceRequest",
        ] {
            let kind = ResourceType::from_name(kind).expect("a type");
            let all = every(server, token, kind).await;
            let told = |one: &Value| one["text"]["div"].to_string().contains("kanari");
            theirs.extend(all.into_iter().filter(told));
        }
        of_each.push(theirs);
    }
    let mut ended = BTreeMap::new();
    for (place, ((feed, _), token)) in FEEDS.iter().zip(&tokens).enumerate() {
        let others = &of_each[(place + 1) % FEEDS.len()];
        for number in 0..numbered.len() {
            let at: Vec<String> = others
                .iter()
                .skip(number)
                .step_by(numbered.len())
                .map(|one| {
                    format!(
                        "{}/{}",
                        one["resourceType"].as_str().unwrap_or_default(),
                        one["id"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            let bundle = tales::pointing(feed, number, &server.base, &at).to_string();
            let (status, said) = send("POST", token, "", bundle).await;
            assert!(status < 300, "{feed} was answered {status}: {said}");
        }
        for (at, one) in of_each[place].iter().enumerate() {
            let address = format!(
                "/{}/{}",
                one["resourceType"].as_str().unwrap_or_default(),
                one["id"].as_str().unwrap_or_default()
            );
            let (method, body) = match at % 9 {
                2 | 3 => {
                    let mut body = one.clone();
                    body["language"] = json!("cy");
                    if at % 2 == 0 {
                        // Sealed from now on: what was shown before is hidden too.
                        body["meta"] = json!({"security": [{"system": "https://connect-care.example/CodeSystem/sensitivity", "code": "sealed"}]});
                    }
                    ("PUT", body.to_string())
                }
                7 => ("DELETE", String::new()),
                _ => continue,
            };
            let (status, _) = send(method, token, &address, body).await;
            *ended.entry((method, status)).or_insert(0) += 1;
        }
    }
    println!("changed and taken away: {ended:?}");
    people
}

/// Two people choose. Written beside the running service, as the choices themselves are kept.
fn choose(world: &World, people: &HashMap<String, PersonId>) {
    use sha2::{Digest as _, Sha256};
    for (number, withheld, dissents) in [
        (WITHHELD.0, format!("\"{}\"", WITHHELD.1), false),
        (DISSENTS, String::new(), true),
    ] {
        let person = people[number].0 as i64;
        let choice = format!(
            "{{\"version\":2,\"connect_care\":\"none\",\"status\":\"decided\",\"withheld_sources\":[{withheld}],\"gp_dissent\":{dissents},\"decided_at\":\"2026-01-01T00:00:00Z\",\"number\":1}}"
        );
        let mark: String = Sha256::digest(choice.as_bytes())[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let bytes = if world.postgres.is_some() {
            format!("convert_to('{choice}', 'UTF8')")
        } else {
            format!("CAST('{choice}' AS BLOB)")
        };
        world.execute(&format!(
            "INSERT INTO choice (person, number, choice) VALUES ({person}, (SELECT coalesce(max(number), 0) + 1 FROM choice WHERE person = {person}), {bytes}); \
             DELETE FROM person_flag WHERE person = {person} AND flag = 'choice-made'; \
             INSERT INTO person_flag (person, flag, value) VALUES ({person}, 'choice-made', '{mark}');"
        ));
    }
}

/// What somebody may read of each person, by the rules.
struct Views {
    who: Who,
    views: HashMap<PersonId, View>,
    joined: HashMap<i64, i64>,
}

impl Views {
    fn of(world: &World, known: &Known, who: Who) -> Self {
        let mut views = HashMap::new();
        let restricted: HashSet<PersonId> = world
            .query("SELECT person FROM person_flag WHERE flag = 'restricted'")
            .iter()
            .map(|row| PersonId(row[0].parse().expect("a person")))
            .collect();
        if let Who::Person(user) = who {
            for (number, person) in &known.people {
                if known.open[user.id].contains(person) {
                    let is_restricted = restricted.contains(person);
                    views.insert(*person, view(user, number, is_restricted));
                }
            }
        }
        let joined = world
            .query("SELECT person, joined_into FROM person WHERE joined_into IS NOT NULL")
            .iter()
            .map(|row| {
                (
                    row[0].parse().expect("a person"),
                    row[1].parse().expect("a person"),
                )
            })
            .collect();
        Self { who, views, joined }
    }

    /// Whose record is read without what says where they are.
    fn without_places(&self) -> HashSet<String> {
        let all = self.views.iter();
        all.filter(|(_, view)| !view.categories().contains(Category::Location))
            .map(|(person, _)| person.to_string())
            .collect()
    }

    fn of_row(&self, row: &Row) -> Option<View> {
        match self.who {
            Who::Source(feed, ods) => {
                let source = SourceCode::parse(ods).expect("a source");
                let supplier = Supplier::configured(feed, &source).expect("a supplier");
                Some(access::supplier_view(&supplier))
            }
            Who::Person(_) => {
                let mut person = row.person;
                while let Some(into) = self.joined.get(&person) {
                    person = *into;
                }
                self.views.get(&PersonId(person as u64)).cloned()
            }
        }
    }

    /// Things about nobody are no person's; and who people are is known to whoever may look for them.
    fn always(&self, row: &Row) -> bool {
        matches!(self.who, Who::Person(_))
            && (row.person < 0
                || (row.kind == ResourceType::PATIENT.number() && self.of_row(row).is_none()))
    }
}

/// The view of the rules for a user whose relationship and permission are beyond doubt.
fn view(user: &InventedUser, number: &str, is_restricted: bool) -> View {
    let organisation = care_synthetic::organisation(user.organisation).expect("an organisation");
    let purpose = match user.role {
        "patient" => "self_view",
        "proxy" => "proxy_view",
        "admin_clerical" => "care_admin",
        _ => "direct_care",
    };
    let relationship = match (user.role, organisation.kind) {
        ("patient", _) => "self",
        ("proxy", _) => "parental_responsibility",
        (_, "practice") => "registered_gp",
        _ => "open_referral",
    };
    let age = cast()
        .iter()
        .find(|one| one.nhs_number == number)
        .map_or(50, |one| one.age_years);
    let withheld: &[&str] = if number == WITHHELD.0 {
        &["council-x9l01"]
    } else {
        &[]
    };
    // A ground is given where a reason is needed; the place is held back all the same.
    let flags: &[&str] = if is_restricted {
        &["pds_restricted"]
    } else {
        &[]
    };
    let facts = json!({
        "user": {"role": user.role, "org": format!("{}-{}", organisation.kind, organisation.ods.to_lowercase()),
                 "authenticated": true, "org_participating": true, "is_the_patient": user.role == "patient",
                 "can_break_seal": user.can_break_seal, "request_origin": "local"},
        "patient": {"age": age, "deceased": false, "flags": flags},
        "relationship": {"type": relationship, "verified": true},
        "purpose": purpose, "permission": "given", "emergency": false,
        "choice": {"connect_care": "none", "status": "decided", "withheld_sources": withheld, "gp_dissent": number == DISSENTS},
        "break_glass": {"requested": false},
    });
    let (_, decision) =
        access::json::decide_recorded(&facts.to_string(), SensitivitySet::from_bits(0b1_1111))
            .expect("facts");
    let view = decision.view().cloned();
    view.unwrap_or_else(|| {
        panic!(
            "{} is let in to {number} and the rules say {}",
            user.id,
            decision.reason().code()
        )
    })
}

/// One asker.
struct Case<'c> {
    who: Who,
    known: &'c Known,
    hidden: &'c [&'c Row],
    /// People whose address must not be told to the asker.
    without_places: HashSet<String>,
    seed: u64,
}

/// Figures of all askers.
#[derive(Default)]
struct Tally {
    asked: usize,
    writes: usize,
    statuses: BTreeMap<u16, usize>,
    /// Answers that hold a resource.
    with_something: usize,
    differences: Vec<String>,
    took: BTreeMap<&'static str, Vec<(Duration, Duration)>>,
    coverage: Coverage,
    lasted: Duration,
}

/// A writing share of a source's requests: one in so many.
const WRITES: usize = 20;
/// An exporting one: one in so many. Each is a dozen requests.
const EXPORTS: usize = 400;
const MOST_TOLD: usize = 12;

impl Case<'_> {
    async fn run(&self, ground: &Ground, world: &World, requests: usize, tally: &mut Tally) {
        let with = ground.copy(world, "a", "with_it");
        let without = ground.copy(world, "a", "without_it");
        without.erase(self.hidden);
        with.compact();
        without.compact();
        let (first, second) = (with.serve(0), without.serve(0));
        let side = |server: &Server| Side {
            base: server.base.clone(),
            token: self.who.token(server),
        };
        let worlds = Worlds {
            http: reqwest::Client::new(),
            with: side(&first),
            without: side(&second),
            parted_at: Timestamp::now(),
            written: AtomicU64::new(0),
        };
        let pools = self.pools();
        let (hidden, visible) = pools.values().fold((0, 0), |(hidden, visible), pool| {
            let (more, others) = pool.counts();
            (hidden + more, visible + others)
        });
        println!(
            "{}: {} versions hidden; values of {hidden} hidden and {visible} visible things",
            self.who.name(),
            self.hidden.len()
        );
        let begun = Instant::now();
        let is_source = matches!(self.who, Who::Source(..));
        let writes = if is_source { requests / WRITES } else { 0 };
        let exports = if is_source { 4 + requests / EXPORTS } else { 0 };
        let reads = requests.saturating_sub(writes + exports);
        let before = reads * 3 / 4;
        self.move_houses(&worlds, (&first, &second)).await;
        self.reads(&worlds, &pools, 0..before, tally).await;
        self.exports(&worlds, &pools, 0..exports / 2, tally).await;
        let told = self.subscribed(&worlds, is_source).await;
        self.writes(&worlds, &pools, writes, tally).await;
        self.told(&worlds, told, tally).await;
        self.exports(&worlds, &pools, exports / 2..exports, tally)
            .await;
        self.reads(&worlds, &pools, before..reads, tally).await;
        tally.lasted += begun.elapsed();
        first.stop();
        second.stop();
        ground.remove(&with, "with_it");
        ground.remove(&without, "without_it");
    }

    /// What to draw from: for a source everything, for a person's token one person's things.
    fn pools(&self) -> BTreeMap<String, Pool<'_>> {
        match self.who {
            Who::Source(_, ods) => {
                let all = self
                    .known
                    .samples
                    .iter()
                    .map(|one| (one, one.source.as_str() != ods));
                BTreeMap::from([(String::new(), Pool::new(all))])
            }
            Who::Person(_) => {
                let hidden: HashSet<String> = self.hidden.iter().map(named).collect();
                self.known
                    .people
                    .values()
                    .map(|person| {
                        let person = person.to_string();
                        let theirs = self
                            .known
                            .samples
                            .iter()
                            .filter(|one| one.person().is_none_or(|of| of == person))
                            .map(|one| (one, hidden.contains(&one.address())));
                        (person.clone(), Pool::new(theirs))
                    })
                    .collect()
            }
        }
    }

    fn request(&self, pools: &BTreeMap<String, Pool<'_>>, number: usize) -> Request {
        let mut dice = Dice::of(self.seed, number as u64);
        let people: Vec<&String> = pools.keys().collect();
        let person = match self.who {
            Who::Source(..) => people[0].clone(),
            Who::Person(user) => {
                let open: Vec<String> = self.known.open[user.id]
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                let mut open: Vec<&String> = people
                    .iter()
                    .copied()
                    .filter(|one| open.contains(one))
                    .collect();
                open.sort();
                if open.is_empty() || dice.chance(12) {
                    (*dice.pick(&people)).clone()
                } else {
                    (*dice.pick(&open)).clone()
                }
            }
        };
        let own = [person.clone()];
        let grammar = Grammar {
            pool: &pools[&person],
            people: matches!(self.who, Who::Person(_)).then_some(own.as_slice()),
            // Its entries are about the asking itself.
            without: &["AuditEvent"],
            // Who looks for somebody is told where they live, to know them by; unless it is restricted.
            may_match: self.without_places.is_empty(),
        };
        grammar.request(&mut dice)
    }

    async fn reads(
        &self,
        worlds: &Worlds,
        pools: &BTreeMap<String, Pool<'_>>,
        numbers: std::ops::Range<usize>,
        tally: &mut Tally,
    ) {
        let next = AtomicUsize::new(numbers.start);
        let shared = Mutex::new(tally);
        let worker = async || {
            loop {
                // A page that is followed counts as a request, so its number is taken.
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return;
                }
                let request = self.request(pools, number);
                let mut both = worlds.ask(&request).await;
                self.judge(worlds, &request, &both, number, &shared).await;
                let mut page = 0;
                while let Some(to) = both.next.take().filter(|_| page < 3) {
                    if next.fetch_add(1, Ordering::Relaxed) >= numbers.end {
                        return;
                    }
                    page += 1;
                    both = worlds.follow(&request, &to).await;
                    let mut tally = shared.lock().expect("a tally");
                    tally.note_page(&request, &both);
                    if both.differ() {
                        let said = self.said(&request, number, &both);
                        tally.differences.push(format!("page {}: {said}", page + 1));
                    }
                }
            }
        };
        tokio::join!(worker(), worker(), worker(), worker(), worker(), worker());
    }

    async fn judge(
        &self,
        worlds: &Worlds,
        request: &Request,
        both: &Both,
        number: usize,
        tally: &Mutex<&mut Tally>,
    ) {
        let told = {
            let mut tally = tally.lock().expect("a tally");
            tally.note(request, both);
            tally.differences.len()
        };
        if !both.differ() {
            return;
        }
        let said = if told < MOST_TOLD {
            let (less, again) = shrunk(worlds, request).await;
            match again {
                Some(again) => self.said(&less, number, &again),
                None => format!("once, and not again: {}", self.said(request, number, both)),
            }
        } else {
            String::new()
        };
        tally.lock().expect("a tally").differences.push(said);
    }

    fn said(&self, request: &Request, number: usize, both: &Both) -> String {
        format!(
            "{} #{number} {}: {} /{} {}\n  headers {:?}\n  body {}\n  {}",
            self.who.name(),
            request.template,
            request.method,
            request.path,
            request.query(),
            request.headers,
            request.body.as_deref().unwrap_or_default(),
            compare::told(&both.with, &both.without)
        )
    }

    /// Bulk exports, one after the other: a client has one at a time.
    async fn exports(
        &self,
        worlds: &Worlds,
        pools: &BTreeMap<String, Pool<'_>>,
        numbers: std::ops::Range<usize>,
        tally: &mut Tally,
    ) {
        let Some(pool) = pools.values().next() else {
            return;
        };
        for number in numbers {
            let mut dice = Dice::of(self.seed.rotate_left(17), number as u64);
            let grammar = Grammar {
                pool,
                people: None,
                without: &["AuditEvent"],
                may_match: true,
            };
            let request = grammar.export(&mut dice);
            let both = worlds.export(&request).await;
            tally.note(&request, &both);
            if both.differ() {
                tally.differences.push(self.said(&request, number, &both));
            }
        }
    }

    /// In the world without, everybody whose address must not be told lives somewhere else. What says where
    /// they are is written again in both worlds, so that both have as many versions.
    async fn move_houses(&self, worlds: &Worlds, servers: (&Server, &Server)) {
        const TYPES: [&str; 4] = ["Patient", "RelatedPerson", "Encounter", "Appointment"];
        let mut moved = BTreeMap::new();
        let hidden: HashSet<String> = self.hidden.iter().map(named).collect();
        for (feed, ods) in FEEDS {
            let theirs: Vec<&Sample> = self
                .known
                .samples
                .iter()
                .filter(|one| one.source.as_str() == ods && TYPES.contains(&one.kind.name()))
                .filter(|one| {
                    one.person()
                        .is_some_and(|person| self.without_places.contains(person))
                })
                .filter(|one| self.is_whole(one, &hidden))
                .collect();
            if theirs.is_empty() {
                continue;
            }
            let as_feed = worlds.as_others((
                servers.0.token(&["--as", feed]),
                servers.1.token(&["--as", feed]),
            ));
            for sample in theirs {
                let statuses = as_feed.put_apart(sample.address(), elsewhere(sample)).await;
                *moved.entry((sample.kind.name(), statuses)).or_insert(0) += 1;
            }
        }
        if !moved.is_empty() {
            println!("said to be elsewhere: {moved:?}");
        }
    }

    /// Whether it is there in both worlds, with all that it points at.
    fn is_whole(&self, sample: &Sample, hidden: &HashSet<String>) -> bool {
        if sample.kind == ResourceType::PATIENT {
            let theirs = |row: &&&Row| {
                row.source == sample.source
                    && row.kind == sample.kind.number()
                    && row.person >= 0
                    && sample.person() == Some(&PersonId(row.person as u64).to_string())
            };
            return !self.hidden.iter().any(|row| theirs(&row));
        }
        let text = sample.body.to_string();
        let mut words = text.split('"');
        !hidden.contains(&sample.address()) && !words.any(|word| hidden.contains(word))
    }

    /// Subscribes a source to a type that others send too. Gives the subscription's id in each world.
    async fn subscribed(&self, worlds: &Worlds, is_source: bool) -> Option<(String, String)> {
        if !is_source {
            return None;
        }
        const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
        let criteria = json!([{ "url": format!("{BACKPORT}/backport-filter-criteria"), "valueString": "Condition?" }]);
        let content = json!([{ "url": format!("{BACKPORT}/backport-payload-content"), "valueCode": "full-resource" }]);
        let subscription = json!({
            "resourceType": "Subscription", "status": "requested", "reason": "twin worlds",
            "criteria": "BASE/SubscriptionTopic/changed",
            "_criteria": { "extension": criteria },
            "channel": { "type": "websocket", "payload": "application/fhir+json",
                         "_payload": { "extension": content } },
        });
        let (with, without) = worlds.subscribe(&subscription).await;
        with.zip(without)
    }

    /// What a subscription was told of the writes.
    async fn told(&self, worlds: &Worlds, told: Option<(String, String)>, tally: &mut Tally) {
        let Some((with, without)) = told else { return };
        // What was changed is looked for by a thread of its own.
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (template, operation) in [
            ("Subscription $status", "$status"),
            (
                "Subscription $events",
                "$events?eventsSinceNumber=1&content=full-resource",
            ),
        ] {
            let request = Request::get(template, format!("Subscription/ID/{operation}"));
            let both = worlds.ask_of(&request, (&with, &without)).await;
            println!(
                "{template}: {} and {} bytes",
                both.with.status,
                both.with.body.len()
            );
            tally.note(&request, &both);
            if both.differ() {
                tally.differences.push(self.said(&request, 0, &both));
            }
        }
    }

    /// One after the other, each in both worlds.
    async fn writes(
        &self,
        worlds: &Worlds,
        pools: &BTreeMap<String, Pool<'_>>,
        writes: usize,
        tally: &mut Tally,
    ) {
        let Some(pool) = pools.values().next() else {
            return;
        };
        for number in 0..writes {
            let mut dice = Dice::of(!self.seed, number as u64);
            let Some(request) = writes::request(pool, &mut dice) else {
                continue;
            };
            let both = worlds.ask(&request).await;
            tally.note(&request, &both);
            tally.writes += 1;
            if both.differ() {
                tally.differences.push(self.said(&request, number, &both));
            }
        }
    }
}

/// The address of a row's item.
fn named(row: &&Row) -> String {
    let item = ItemId(row.item as u64);
    let kind = ResourceType::from_number(row.kind).expect("a type");
    if row.person < 0 {
        format!("{kind}/{item}")
    } else {
        format!("{kind}/{}-{item}", PersonId(row.person as u64))
    }
}

/// The resource as it is, in another language, and the same of somebody who is somewhere else.
fn elsewhere(sample: &Sample) -> (Json, Json) {
    let mut here = sample.body.clone();
    here.set("language", "cy".into());
    let mut there = here.clone();
    let place = |text: &str| Json::parse(text.as_bytes(), Limits::default()).expect("JSON");
    match sample.kind.name() {
        "Encounter" => {
            there.set("location", Json::Null);
            if let Some(stay) = there.get_mut("hospitalization") {
                stay.set("origin", Json::Null);
                stay.set("destination", Json::Null);
            }
        }
        "Appointment" => {
            if let Some(Json::Array(participants)) = there.get_mut("participant") {
                participants.retain(|one| {
                    let reference = one.text_at(&["actor", "reference"]).unwrap_or_default();
                    !reference.contains("Location")
                });
            }
        }
        _ => {
            there.set(
                "address",
                place(
                    r#"[{"line":["1 Elsewhere Lane"],"city":"Elsewhere","postalCode":"SE99 9ZZ"}]"#,
                ),
            );
            there.set(
                "telecom",
                place(r#"[{"system":"phone","value":"02079460999"}]"#),
            );
            there.set("contact", Json::Null);
        }
    }
    (here, there)
}

/// The request without whatever can be left out while the answers still differ; none where they no
/// longer do.
async fn shrunk(worlds: &Worlds, request: &Request) -> (Request, Option<Both>) {
    let mut request = request.clone();
    let mut found = None;
    let both = worlds.ask(&request).await;
    if both.differ() {
        found = Some(both);
    }
    let mut at = 0;
    while found.is_some() && at < request.parameters.len() + request.headers.len() {
        let mut less = request.clone();
        match at.checked_sub(less.parameters.len()) {
            None => drop(less.parameters.remove(at)),
            Some(at) => drop(less.headers.remove(at)),
        }
        let both = worlds.ask(&less).await;
        if both.differ() {
            (request, found) = (less, Some(both));
        } else {
            at += 1;
        }
    }
    (request, found)
}

impl Tally {
    fn note(&mut self, request: &Request, both: &Both) {
        let holds = self.count(request, both);
        self.coverage.note(request, both, holds);
    }

    fn note_page(&mut self, request: &Request, both: &Both) {
        let holds = self.count(request, both);
        self.coverage.note_page(holds);
    }

    /// Says whether the answer holds a resource, or rows of some.
    fn count(&mut self, request: &Request, both: &Both) -> bool {
        self.asked += 1;
        *self.statuses.entry(both.with.status).or_default() += 1;
        let text = &both.with.body;
        let holds = text.contains("\"versionId\"")
            || text.contains("<versionId")
            || (request.template == "$run" && both.with.status == 200 && text.len() > 2);
        self.with_something += usize::from(both.with.status == 200 && holds);
        self.took
            .entry(request.template)
            .or_default()
            .push(both.took);
        holds
    }

    fn print(&self) {
        for said in self.differences.iter().filter(|said| !said.is_empty()) {
            println!("DIFFERENCE {said}\n");
        }
        println!(
            "\n{:22} {:>8} {:>12} {:>12}",
            "template", "requests", "median with", "without"
        );
        for (template, took) in &self.took {
            let median = |of: fn(&(Duration, Duration)) -> Duration| {
                let mut all: Vec<Duration> = took.iter().map(of).collect();
                all.sort();
                all[all.len() / 2]
            };
            println!(
                "{template:22} {:>8} {:>9} us {:>9} us",
                took.len(),
                median(|both| both.0).as_micros(),
                median(|both| both.1).as_micros()
            );
        }
        println!(
            "{} requests to each world ({} writes, {} answers hold resources) in {} s, {:.0} a second in all; statuses {:?}; {} differences",
            self.asked,
            self.writes,
            self.with_something,
            self.lasted.as_secs(),
            2.0 * self.asked as f64 / self.lasted.as_secs_f64(),
            self.statuses,
            self.differences.len()
        );
    }
}
