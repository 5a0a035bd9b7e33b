//! The story: everyone, one after another, and what systems sent about each.
//!
//! The order is that of a first load as programmes do it: sources send one person's history, oldest
//! first, then the next person's. What happened in the last two days comes at the end, in the order
//! it happened, as the live feeds would bring it. One person is in memory at a time, and of the
//! last two days only the messages.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::calendar::When;
use crate::cast::cast;
use crate::dice::mix;
use crate::life;
use crate::nhs_number::{MOST_PEOPLE, ordinary_number};
use crate::outgoing::Outgoing;
use crate::parts;
use crate::person::{cast_person, ordinary_person};

/// A story that can be told any number of times, always the same.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    pub(crate) seed: u64,
    people: u32,
    pub(crate) now: Timestamp,
}

/// What everything about one person is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    pub seed: u64,
    pub now: When,
}

impl Telling {
    /// The start of every control id of this story: four characters from the seed.
    pub fn run(&self) -> String {
        format!("{:04X}", mix(self.seed) & 0xffff)
    }
}

impl Story {
    /// A story of this many people in all, the cast included (so at least 14, and at most a
    /// quarter of [`MOST_PEOPLE`]), that ends at `now`.
    pub fn new(seed: u64, people: u32, now: Timestamp) -> Self {
        let cast = cast().len() as u32;
        Self {
            seed,
            people: people.clamp(cast, MOST_PEOPLE / 4),
            now,
        }
    }

    /// How many people the story is about, the cast included.
    pub fn people(&self) -> u32 {
        self.people
    }

    /// Everything every system sends, in order.
    ///
    /// Control ids and source ids come from the seed alone: the same story told at another `now` has
    /// other bytes under the same ids, so tell a story into a store once, or take another seed.
    pub fn messages(&self) -> Messages {
        Messages {
            telling: self.telling(),
            now: self.now,
            next_person: 0,
            people: self.people,
            waiting: VecDeque::new(),
            recent: Vec::new(),
            told: false,
        }
    }

    /// The NHS number of everybody in the story, the cast first.
    pub fn nhs_numbers(&self) -> impl Iterator<Item = String> {
        let (seed, cast_size) = (self.seed, cast().len() as u32);
        let ordinary =
            (cast_size..self.people).map(move |index| ordinary_number(seed, index - cast_size));
        cast()
            .iter()
            .map(|member| member.nhs_number.to_owned())
            .chain(ordinary)
    }

    pub(crate) fn telling(&self) -> Telling {
        Telling {
            seed: self.seed,
            now: When::of(self.now),
        }
    }
}

/// The messages of a story, made as they are asked for.
#[derive(Debug)]
pub struct Messages {
    telling: Telling,
    now: Timestamp,
    next_person: u32,
    people: u32,
    waiting: VecDeque<Outgoing>,
    recent: Vec<Outgoing>,
    told: bool,
}

const RECENT_SECONDS: i64 = 2 * 86_400;

impl Messages {
    /// How many people have been told of so far: for showing progress.
    pub fn people_told(&self) -> u32 {
        self.next_person
    }

    fn gather_next_person(&mut self) {
        let index = self.next_person;
        self.next_person += 1;
        let mut sent = messages_of(&self.telling, index);
        sent.retain(|outgoing| outgoing.at <= self.now);
        sent.sort_by_key(|outgoing| outgoing.at);
        let border = self.now.as_second() - RECENT_SECONDS;
        for outgoing in sent {
            if outgoing.at.as_second() < border {
                self.waiting.push_back(outgoing);
            } else {
                self.recent.push(outgoing);
            }
        }
    }
}

impl Iterator for Messages {
    type Item = Outgoing;

    fn next(&mut self) -> Option<Outgoing> {
        loop {
            if let Some(outgoing) = self.waiting.pop_front() {
                return Some(outgoing);
            }
            if self.next_person < self.people {
                self.gather_next_person();
            } else if self.told {
                return None;
            } else {
                self.told = true;
                self.recent.sort_by_key(|outgoing| outgoing.at);
                self.waiting.extend(self.recent.drain(..));
            }
        }
    }
}

fn messages_of(telling: &Telling, index: u32) -> Vec<Outgoing> {
    let today = telling.now.day;
    match cast().get(index as usize) {
        Some(member) => {
            let person = cast_person(member, index + 1, telling.seed, today);
            parts::messages(telling, &person)
        }
        None => {
            let person = ordinary_person(telling.seed, index - cast().len() as u32, today);
            life::messages(telling, &person)
        }
    }
}
