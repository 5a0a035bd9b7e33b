//! A national list through the check for opt-outs: read and validated, split and written, the replies
//! read and compared. Beside it, a plain read of the same bytes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use care_core::secondary_use::check::{LineEnd, Numbers, Reply, read_list, read_reply, write_list};
use care_core::vocabulary::NhsNumber;
use clap::Args;

/// How large.
#[derive(Args)]
pub struct Arguments {
    /// How many people.
    #[arg(long, default_value_t = 1_000_000)]
    people: usize,
    /// The most numbers in one list.
    #[arg(long, default_value_t = 100_000)]
    list_limit: usize,
    /// How often; the middle one counts.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// Where the list is written.
    #[arg(long, default_value = "target/bench")]
    directory: std::path::PathBuf,
}

/// Times of one run.
struct Run {
    validated: Duration,
    split: Duration,
    compared: Duration,
    plain: Duration,
}

impl Run {
    fn whole(&self) -> Duration {
        self.validated + self.split + self.compared
    }
}

/// Does it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.directory)?;
    let file = arguments.directory.join("opt-out-list.txt");
    let numbers = invented(arguments.people)?;
    std::fs::write(&file, write_list(&numbers, LineEnd::Lf))?;
    let mut runs = Vec::new();
    for _ in 0..arguments.times.max(1) {
        runs.push(once(arguments, &file)?);
    }
    runs.sort_by_key(Run::whole);
    let middle = &runs[runs.len() / 2];
    let seconds = |took: Duration| took.as_secs_f64();
    println!(
        "opt-out check of {} people in lists of {}",
        arguments.people, arguments.list_limit
    );
    println!("  validated   {:.3} s", seconds(middle.validated));
    println!("  split       {:.3} s", seconds(middle.split));
    println!("  compared    {:.3} s", seconds(middle.compared));
    println!("  whole       {:.3} s (limit 2 s)", seconds(middle.whole()));
    println!(
        "  plain read of the same bytes {:.3} s: {:.0} times that",
        seconds(middle.plain),
        seconds(middle.whole()) / seconds(middle.plain)
    );
    std::fs::remove_file(&file)?;
    ensure!(middle.whole() < Duration::from_secs(2), "slower than 2 s");
    Ok(())
}

fn once(arguments: &Arguments, file: &std::path::Path) -> anyhow::Result<Run> {
    let began = Instant::now();
    let bytes = std::fs::read(file)?;
    let sum = bytes
        .iter()
        .fold(0_u64, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    let plain = began.elapsed();
    std::hint::black_box(sum);

    let began = Instant::now();
    let bytes = std::fs::read(file)?;
    let list = read_list(&bytes);
    let validated = began.elapsed();
    ensure!(
        list.refused.is_empty() && list.numbers.count() == arguments.people,
        "the list was read whole"
    );

    let began = Instant::now();
    let lists: Vec<(Numbers, Vec<u8>)> = list
        .numbers
        .lists(arguments.list_limit)
        .map(|list| (Numbers::new(list.to_vec()), write_list(list, LineEnd::Lf)))
        .collect();
    let split = began.elapsed();

    // What the service would send back: one in twenty has opted out.
    let replies: Vec<Vec<u8>> = lists
        .iter()
        .map(|(_, body)| {
            body.chunks(12)
                .enumerate()
                .filter(|(place, _)| place % 20 != 0)
                .flat_map(|(_, line)| line.to_vec())
                .collect()
        })
        .collect();
    let began = Instant::now();
    let mut out = 0;
    for ((sent, _), reply) in lists.iter().zip(&replies) {
        match read_reply(reply, sent) {
            Ok(Reply::Result(stayed)) => out += sent.without(&stayed).count(),
            other => anyhow::bail!("a good reply was not taken: {other:?}"),
        }
    }
    let compared = began.elapsed();
    let expected: usize = lists
        .iter()
        .map(|(sent, _)| sent.count().div_ceil(20))
        .sum();
    ensure!(out == expected, "{out} opted out, {expected} expected");
    Ok(Run {
        validated,
        split,
        compared,
        plain,
    })
}

/// Numbers of the ranges that are never issued, in an order that is not sorted.
fn invented(count: usize) -> anyhow::Result<Vec<NhsNumber>> {
    let with_last =
        |nine: u64| (0..10).find_map(|last| NhsNumber::parse(&format!("{nine}{last}")).ok());
    let mut numbers: Vec<NhsNumber> = (997_000_000..1_000_000_000_u64)
        .rev()
        .filter_map(with_last)
        .take(count)
        .collect();
    ensure!(numbers.len() == count, "at most {} people", numbers.len());
    let half = numbers.len() / 2;
    numbers.rotate_left(half);
    numbers.first().context("at least one")?;
    Ok(numbers)
}
