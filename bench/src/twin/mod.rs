//! Promise S1: nothing hidden influences anything shown.
//!
//! Two worlds: a record in which much is hidden from somebody, and its copy from which all that was
//! erased, row by row, by the rules themselves. Random requests over every feature of search go to both;
//! whatever tells the answers apart is a leak. `bench/promises/S1.sh` runs it with 100,000 requests.

mod bad_input;
mod canary;
mod case;
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
mod making;
mod rows;
mod tales;
mod tally;
mod views;
mod world;
mod writes;

use canary::{Pool, Sample};
use care_core::access::{self, Supplier, View};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::{Category, ItemId, PersonId, SensitivitySet, SourceCode};
use care_synthetic::{InventedUser, cast, users};
use case::Case;
use compare::{Both, Side, Worlds};
use coverage::Coverage;
use dice::Dice;
use grammar::{Grammar, Request};
use jiff::Timestamp;
use making::prepare;
use rows::{Engine, Row};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tally::Tally;
use views::Views;
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
