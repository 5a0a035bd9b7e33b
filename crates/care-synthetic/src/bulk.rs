//! Messages by the thousand, for benchmarks and crash tests, and one person with as many items as
//! wanted, for page benchmarks. These people are in no story: their numbers are taken from the
//! other end of the range.

use jiff::Timestamp;

use crate::calendar::When;
use crate::clinical::Problem;
use crate::clinicians::{ACUTE, GERIATRICIAN, GP};
use crate::conditions::CONDITIONS;
use crate::dice::Dice;
use crate::fhir::FhirSender;
use crate::investigations::{Course, laboratory_report, panel};
use crate::medicines::Listed;
use crate::nhs_number::{MOST_PEOPLE, ordinary_number};
use crate::organisations::{PRACTICE, TRUST};
use crate::outgoing::Outgoing;
use crate::person::{Person, ordinary_person};
use crate::story::Telling;
use crate::v2::{Letter, V2Sender, Visit};

/// `count` laboratory messages (ORU^R01 with 7 or 8 OBX) about `people` people in turn, the last
/// sent at `now`. Control ids differ from one another and from those of any story with this seed.
pub fn bulk_oru(
    count: u32,
    people: u32,
    seed: u64,
    now: Timestamp,
) -> impl Iterator<Item = Outgoing> {
    bulk(count, people, seed, now, 500_000, result)
}

/// `count` patient administration messages about `people` people in turn: A28, then stays of A01,
/// A08, A02 and A03, each person's in order; the last sent at `now`.
pub fn bulk_adt(
    count: u32,
    people: u32,
    seed: u64,
    now: Timestamp,
) -> impl Iterator<Item = Outgoing> {
    bulk(
        count,
        people,
        seed,
        now,
        500_000 + MOST_PEOPLE / 4,
        administration,
    )
}

/// One message: the sender, the person's lane, which of the person's messages, when.
type Writes = fn(&mut V2Sender<'_>, &mut Dice, u32, When);

fn bulk(
    count: u32,
    people: u32,
    seed: u64,
    now: Timestamp,
    first_lane: u32,
    writes: Writes,
) -> impl Iterator<Item = Outgoing> {
    let people = people.clamp(1, MOST_PEOPLE / 4);
    let telling = Telling {
        seed,
        now: When::of(now),
    };
    let everyone: Vec<Person> = (0..people.min(count))
        .map(|index| bulk_person(&telling, first_lane + index))
        .collect();
    (0..count).filter_map(move |place| {
        let person = everyone.get((place % people) as usize)?;
        let nth = place / people;
        let mut dice = Dice::new(seed ^ u64::from(place) << 16, "bulk");
        let mut sender = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
        sender.count = nth;
        let minutes_ago = i32::try_from((count - 1 - place) / 60).unwrap_or(i32::MAX);
        writes(&mut sender, &mut dice, nth, telling.now.plus(-minutes_ago));
        sender.out.pop()
    })
}

/// Lanes from 500,000 belong to bulk people.
fn bulk_person(telling: &Telling, lane: u32) -> Person {
    let index = MOST_PEOPLE - 1 - (lane - 500_000) % (MOST_PEOPLE / 2);
    let mut person = ordinary_person(telling.seed, index, telling.now.day);
    person.lane = lane;
    person.nhs_number = ordinary_number(telling.seed, index);
    person.practice = PRACTICE.ods;
    person
}

fn result(sender: &mut V2Sender<'_>, dice: &mut Dice, nth: u32, when: When) {
    let course = Course::new(u64::from(nth), sender.person.lane);
    let keys: &[&str] = if dice.chance(500) {
        &["fbc"]
    } else {
        &["renal", "crp", "inr"]
    };
    let reports: Vec<_> = keys
        .iter()
        .zip(1..)
        .filter_map(|(key, place)| {
            let number = format!("W{:06}{nth:05}{place}", sender.person.lane);
            Some(laboratory_report(
                panel(key)?,
                number,
                GP,
                &course,
                0.0,
                dice,
            ))
        })
        .collect();
    sender.reports(when, when.plus(-240), &reports, None);
}

fn administration(sender: &mut V2Sender<'_>, dice: &mut Dice, nth: u32, when: When) {
    if nth == 0 {
        sender.person("A28", when);
        return;
    }
    let stay = (nth - 1) / 4;
    let mut visit = Visit {
        number: format!("V{:06}{stay:05}", sender.person.lane),
        class: "I",
        location: format!(
            "Kestrel Ward^Bay {}^Bed {}^{}",
            dice.between(1, 6),
            dice.between(1, 6),
            TRUST.ods
        ),
        specialty: "Acute medicine",
        consultant: ACUTE,
        reason: "Chest infection".to_owned(),
        starts: when.plus(-1440),
        ends: None,
        discharge: "19",
    };
    let event = match (nth - 1) % 4 {
        0 => "A01",
        1 => "A08",
        2 => "A02",
        _ => "A03",
    };
    if event == "A03" {
        visit.ends = Some(when);
    }
    sender.visit(event, when, &visit);
}

/// One invented person with about as many items as were asked for.
#[derive(Debug, Clone)]
pub struct FullRecord {
    /// The person's NHS number, ten digits.
    pub nhs_number: String,
    /// The person's birth date, `1945-07-14`.
    pub birth_date: String,
    /// What the practice and the hospital send, oldest first.
    pub messages: Vec<Outgoing>,
}

/// About eight in ten items are results over ten years; the rest are consultations, letters,
/// problems and medicines. `which` tells several such people apart (below 1,000).
pub fn person_with_items(items: u32, which: u32, seed: u64, now: Timestamp) -> FullRecord {
    let telling = Telling {
        seed,
        now: When::of(now),
    };
    let person = bulk_person(&telling, 500_000 + MOST_PEOPLE / 2 - 1 - which % 1000);
    let mut dice = Dice::new(seed ^ u64::from(which), "full record");
    let mut messages = practice_part(&telling, &person, items, &mut dice);
    messages.extend(hospital_part(&telling, &person, items, &mut dice));
    messages.sort_by_key(|outgoing| outgoing.at);
    FullRecord {
        nhs_number: person.nhs_number.clone(),
        birth_date: person.birth.iso(),
        messages,
    }
}

fn hospital_part(telling: &Telling, person: &Person, items: u32, dice: &mut Dice) -> Vec<Outgoing> {
    let mut sender = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
    sender.person("A28", telling.now.plus(-3650 * 1440));
    // A blood count is eight observations and a report.
    let reports = items * 8 / 10 / 9;
    for nth in 0..reports {
        let minutes_ago =
            i64::from(3640 * 1440) * i64::from(reports - nth) / i64::from(reports.max(1));
        let when = telling.now.plus(-(minutes_ago as i32));
        let course = Course::new(telling.seed, person.lane);
        if let Some(panel) = panel("fbc") {
            let number = format!("W{:06}{nth:05}", person.lane);
            let report = laboratory_report(
                panel,
                number,
                GP,
                &course,
                minutes_ago as f64 / 525_960.0,
                dice,
            );
            sender.reports(when, when.plus(-200), &[report], None);
        }
        if nth % 30 == 29 {
            let letter = Letter {
                number: format!("L{:06}{nth:05}", person.lane),
                kind: "OP^Outpatient letter".to_owned(),
                title: "Clinic letter, medicine for older people".to_owned(),
                author: GERIATRICIAN,
                text: format!(
                    "Dear Dr Sandover,\n\nI reviewed {} today. No change.\n\nDr Peter Lindqvist",
                    person.spoken_name()
                ),
                pdf: None,
            };
            sender.letter(when.plus(60), &letter, None);
        }
    }
    sender.out
}

fn practice_part(telling: &Telling, person: &Person, items: u32, dice: &mut Dice) -> Vec<Outgoing> {
    let today = telling.now.day;
    let mut sender = FhirSender::new(&PRACTICE, person, person.practice_id());
    let problems = (items / 50).clamp(4, CONDITIONS.len() as u32) as usize;
    for (row, place) in CONDITIONS.iter().take(problems).zip(1..) {
        let onset = today.back(dice.between(100, 6000));
        sender.problem(&Problem {
            id: &format!("problem-{place}"),
            snomed: row.snomed,
            text: row.text,
            onset,
            resolved: None,
            by: GP,
            note: "",
        });
    }
    let listed = CONDITIONS
        .iter()
        .flat_map(|row| row.medicines.iter().copied().flatten())
        .filter_map(|key| crate::medicines::medicine(key));
    for (medicine, place) in listed.take(problems.min(16)).zip(1..) {
        let started = today.back(dice.between(100, 3000));
        sender.listed_medicine(&Listed {
            id: &format!("med-{place}"),
            medicine,
            started,
            stopped: None,
            last_issued: Some(today.back(20)),
            prescriber: GP,
            reason: "",
        });
    }
    let consultations = items * 17 / 100;
    for place in 0..consultations {
        let day = today.back(3 + (place * 3600 / consultations.max(1)) as i32);
        sender.consultation(
            &format!("consult-{place}"),
            day.at(9 + (place % 8) as u16, 10),
            "Surgery consultation",
            &GP,
            "Review",
            "Stable. Same treatment.",
        );
        if place % 200 == 199 {
            sender.send(today.back(2).at(2, (place / 200 % 60) as u16));
        }
    }
    if !sender.is_empty() {
        sender.send(today.back(2).at(3, 0));
    }
    sender.out
}
