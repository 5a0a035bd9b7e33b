//! P1: whatever happens, nobody who opted out is in a release that the opt-out reaches.
//!
//! Random timelines: people join, opt out and back in, object, are merged; replies are late, partial,
//! forged, doubled or missing; clocks move; runs are killed. An independent look at the files, which
//! knows the truth, counts violations. With `RELEASE_NEGATIVE_CONTROL` set, one who opted out is put
//! back into a file, and the count must not be nought.

use care_core::release::Subject;
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::super::run::Moment;
use super::*;

/// Read from the environment: how many timelines, from which seed, and whether to break the promise.
#[allow(clippy::disallowed_methods)]
pub(super) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[derive(Default, Debug)]
struct Tally {
    timelines: u64,
    sealed: u64,
    refused: u64,
    killed: u64,
    bad_replies: u64,
    violations: u64,
    /// Releases that came to be without an answered, fitting check of at most 7 days.
    open_failures: u64,
    unverified: u64,
}

struct Truth {
    opted_out: BTreeSet<NhsNumber>,
    /// What was true when the lists were answered.
    answered: BTreeSet<NhsNumber>,
    answered_at: Option<Timestamp>,
    joined: Vec<(u64, u64)>,
    objected: BTreeSet<u64>,
}

fn timeline(seed: u64, tally: &mut Tally) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut dice = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut rig = Rig::new();
    let size = dice.random_range(9..20_u64);
    let people: Vec<Somebody> = (0..size)
        .map(|nth| Somebody {
            numbered: dice.random_ratio(9, 10),
            ..Somebody::of(nth)
        })
        .collect();
    rig.people(&people);
    // Nobody can opt out by a number that nobody has.
    let numbered: Vec<u64> = people
        .iter()
        .filter(|one| one.numbered)
        .map(|one| one.nth)
        .collect();
    let mut truth = Truth {
        opted_out: numbered
            .iter()
            .filter(|_| dice.random_ratio(1, 6))
            .map(|nth| number(*nth))
            .collect(),
        answered: BTreeSet::new(),
        answered_at: None,
        joined: Vec::new(),
        objected: BTreeSet::new(),
    };
    let asked = rig.releases.request(&analyst(), planning()).expect("asked");
    let mut extract = asked;
    for _ in 0..dice.random_range(6..16_u32) {
        match dice.random_range(0..9_u32) {
            0 => {
                let nth = numbered[dice.random_range(0..numbered.len())];
                flip(&mut truth.opted_out, number(nth));
            }
            1 => merge(
                &mut rig,
                &mut truth,
                dice.random_range(0..size),
                dice.random_range(0..size),
            ),
            2 => {
                let nth = dice.random_range(0..size);
                rig.object(nth);
                truth.objected.insert(nth);
            }
            3 => rig.later(dice.random_range(1..120)),
            4 | 5 => {
                if let Ok(next) = rig
                    .releases
                    .check(&analyst(), extract.number, extract.version)
                {
                    extract = next;
                }
            }
            6 => reply(&mut rig, &mut truth, &mut dice, tally, false),
            7 => approve(&rig, &mut extract),
            _ => run(&mut rig, &mut extract, &mut truth, &mut dice, tally),
        }
        if extract.step == Step::Sealed {
            break;
        }
    }
    // The usual end: checked, answered, approved and run, whatever came before.
    for _ in 0..4 {
        if extract.step == Step::Sealed {
            break;
        }
        if let Ok(next) = rig
            .releases
            .check(&analyst(), extract.number, extract.version)
        {
            extract = next;
        }
        reply(&mut rig, &mut truth, &mut dice, tally, true);
        if let Ok(next) = rig
            .releases
            .check(&analyst(), extract.number, extract.version)
        {
            extract = next;
        }
        approve(&rig, &mut extract);
        run(&mut rig, &mut extract, &mut truth, &mut dice, tally);
    }
    tally.timelines += 1;
    if extract.step == Step::Sealed {
        tally.sealed += 1;
        judge(&rig, &extract, &truth, tally);
    } else {
        tally.refused += 1;
    }
}

fn flip(set: &mut BTreeSet<NhsNumber>, number: NhsNumber) {
    if !set.remove(&number) {
        set.insert(number);
    }
}

fn merge(rig: &mut Rig, truth: &mut Truth, from: u64, into: u64) {
    let taken = truth
        .joined
        .iter()
        .any(|(one, other)| *one == from || *other == from || *one == into);
    if from != into && !taken {
        rig.join(from, into);
        truth.joined.push((from, into));
    }
}

/// A reply to every list that waits: true, or false in one of many ways.
fn reply(rig: &mut Rig, truth: &mut Truth, dice: &mut TestRng, tally: &mut Tally, honest: bool) {
    for list in rig.sent_lists() {
        let right = write_list(back_of(&list, &truth.opted_out).as_slice(), LineEnd::Lf);
        let asked = care_core::secondary_use::check::read_list(&list.body).numbers;
        let everybody = write_list(asked.as_slice(), LineEnd::Lf);
        let mut stranger = right.clone();
        stranger.extend_from_slice(format!("{},\n", number(400).digits()).as_bytes());
        let bad = match dice.random_range(if honest { 9..10_u32 } else { 0..10 }) {
            0 => Some(("X26OTHER", list.name.clone(), everybody)),
            1 => Some((SERVICE, format!("{}X", list.name), everybody)),
            2 => Some((SERVICE, list.name.clone(), stranger)),
            3 => Some((
                SERVICE,
                list.name.clone(),
                right[..right.len() / 2].to_vec(),
            )),
            4 => Some((
                SERVICE,
                list.name.clone(),
                b"<html>try again</html>".to_vec(),
            )),
            _ => None,
        };
        let cut_between_lines = |body: &[u8]| body.ends_with(b"\n");
        if let Some((from, name, body)) = bad {
            tally.bad_replies += 1;
            let honest_part = from == SERVICE && name == list.name && cut_between_lines(&body);
            rig.mail(from, &name, &body);
            if dice.random_ratio(1, 2) {
                // The true one never comes. One cut between two lines reads as fewer people, which
                // leaves more out and nobody in.
                if honest_part {
                    note_answer(rig, truth);
                }
                continue;
            }
        }
        rig.mail(SERVICE, &list.name, &right);
        if dice.random_ratio(1, 4) {
            rig.mail(SERVICE, &list.name, &right);
        }
        note_answer(rig, truth);
    }
}

fn note_answer(rig: &Rig, truth: &mut Truth) {
    truth.answered.clone_from(&truth.opted_out);
    truth.answered_at = Some(rig.clock.now());
}

fn approve(rig: &Rig, extract: &mut Extract) {
    for who in [officer(), guardian()] {
        let next = rig
            .releases
            .approve(&who, extract.number, extract.version, &extract.digest, "");
        if let Ok(next) = next {
            *extract = next;
        }
    }
}

fn run(
    rig: &mut Rig,
    extract: &mut Extract,
    truth: &mut Truth,
    dice: &mut TestRng,
    tally: &mut Tally,
) {
    let killed_at = [
        None,
        None,
        Some(Moment::Begun),
        Some(Moment::Written),
        Some(Moment::Certified),
        Some(Moment::Named),
    ][dice.random_range(0..6_usize)];
    let merging = dice
        .random_ratio(1, 6)
        .then(|| (dice.random_range(0..4_u64), dice.random_range(4..6_u64)));
    let done = std::cell::Cell::new(false);
    let asked = rig
        .releases
        .run_until(&officer(), extract.number, extract.version, &|moment| {
            if let (Some((from, into)), Moment::Begun, false) = (merging, moment, done.get()) {
                let taken = truth
                    .joined
                    .iter()
                    .any(|(one, other)| *one == from || *other == from || *one == into);
                if !taken {
                    rig.join(from, into);
                    done.set(true);
                }
            }
            if killed_at == Some(moment) {
                Err(ReleaseError::Files("killed".into()))
            } else {
                Ok(())
            }
        });
    if done.get() {
        truth.joined.extend(merging);
    }
    if let (Err(ReleaseError::Files(_)), Some(_)) = (&asked, killed_at) {
        tally.killed += 1;
        rig.reopen();
    }
    if let Ok((held, _)) = rig.releases.get(&officer(), extract.number) {
        *extract = held;
    }
}

/// Looks at the files with the truth in hand, and not with the release room's eyes.
fn judge(rig: &Rig, extract: &Extract, truth: &Truth, tally: &mut Tally) {
    let directory = rig.directory(extract);
    let project = rig.record.inner().release_secret.project("diabetes-2026");
    if setting("RELEASE_NEGATIVE_CONTROL", 0) == 1 {
        put_somebody_back(&directory, &project, truth);
    }
    if !rig.verify(&directory).is_empty() {
        tally.unverified += 1;
    }
    let mut all = String::new();
    for (name, bytes) in texts(&directory) {
        if name != "left_out.txt" {
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    // A person who has two numbers is out when either is.
    let pseudonym = |number: NhsNumber| project.pseudonym(Subject::Number(number));
    let mut out: BTreeSet<NhsNumber> = truth.answered.clone();
    out.extend(truth.objected.iter().map(|nth| number(*nth)));
    for (from, into) in &truth.joined {
        if out.contains(&number(*from)) || out.contains(&number(*into)) {
            out.extend([number(*from), number(*into)]);
        }
    }
    tally.violations += out
        .iter()
        .filter(|one| all.contains(&pseudonym(**one)))
        .count() as u64;
    let sealed = extract.sealed.as_ref().map(|it| it.at);
    let fresh = truth
        .answered_at
        .zip(sealed)
        .is_some_and(|(answered, at)| at.duration_since(answered).as_secs() <= 7 * 86_400);
    if !fresh {
        tally.open_failures += 1;
    }
}

fn put_somebody_back(directory: &Path, project: &care_core::release::ProjectKey, truth: &Truth) {
    if let Some(number) = truth.answered.first() {
        let path = directory.join("Patient.ndjson");
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        let back = project.pseudonym(Subject::Number(*number));
        std::fs::write(path, format!("{held}{{\"id\":\"{back}\"}}\n")).expect("written");
    }
}

#[test]
fn nobody_who_opted_out_is_in_a_release_on_any_timeline() {
    let (count, seed) = (
        setting("RELEASE_TIMELINES", 12),
        setting("RELEASE_SEED", 20_261_123),
    );
    let control = setting("RELEASE_NEGATIVE_CONTROL", 0) == 1;
    let threads: Vec<_> = (0..2)
        .map(|half| {
            std::thread::spawn(move || {
                let mut tally = Tally::default();
                for nth in (half..count).step_by(2) {
                    timeline(seed + nth, &mut tally);
                }
                tally
            })
        })
        .collect();
    let mut all = Tally::default();
    for thread in threads {
        let one = thread.join().expect("no panic");
        all.timelines += one.timelines;
        all.sealed += one.sealed;
        all.refused += one.refused;
        all.killed += one.killed;
        all.bad_replies += one.bad_replies;
        all.violations += one.violations;
        all.open_failures += one.open_failures;
        all.unverified += one.unverified;
    }
    println!("P1 seed {seed}: {all:?}");
    assert_eq!(all.timelines, count);
    assert!(
        all.sealed > count / 4,
        "most timelines end in a release: {all:?}"
    );
    if control {
        println!("P1 negative control: somebody was put back by hand");
    }
    assert_eq!(
        (all.violations, all.open_failures, all.unverified),
        (0, 0, 0),
        "seed {seed}: {all:?}"
    );
}
