//! What a user did themselves: page C24, read from the log. Only their own entries, and reading them
//! is an act with its entry.

use std::collections::{BTreeMap, BTreeSet};

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{Demographics, PersonId};
use jiff::Timestamp;

use super::{Answer, Disclosed, Disclosure, DisclosureError, entry};
use crate::caller::Caller;
use crate::store::Change;

/// Entries read at a time.
const BATCH: u32 = 500;
/// Entries looked at for one page; older ones are said to be there and are not shown.
const AT_MOST: usize = 20_000;

/// Which part of a user's own visits is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MyAccessAsk {
    /// Only visits whose entry is older than this one: the next page.
    pub before: Option<u64>,
    /// Only visits opened at this moment or later.
    pub from: Option<Timestamp>,
    /// Only visits opened before this moment.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

/// A user's own visits, newest first (page C24).
#[derive(Debug, Clone, PartialEq)]
pub struct MyAccess {
    /// The visits.
    pub visits: Vec<MyVisit>,
    /// There are older ones: ask again with `before`.
    pub more: bool,
}

/// One visit this user made.
#[derive(Debug, Clone, PartialEq)]
pub struct MyVisit {
    /// The number of the entry that opened it.
    pub entry: u64,
    /// When it was opened.
    pub at: Timestamp,
    /// Who the person is, as far as finding shows; `None` where they can be found no longer.
    pub known: Option<Demographics>,
    /// The reason, as stated.
    pub why: String,
    /// Codes of the sections that were shown, sorted.
    pub sections: Vec<String>,
    /// Something was printed.
    pub printed: bool,
    /// It was opened as an emergency, or a seal was opened.
    pub emergency: bool,
    /// The user said that it was opened by mistake.
    pub mistaken: bool,
}

/// What the other entries of a visit add to it.
#[derive(Default)]
struct During {
    sections: BTreeSet<String>,
    printed: bool,
    mistaken: bool,
}

/// A visit of the user's own: the number of its first entry, that entry, and what followed.
type OwnVisit = (u64, Entry, During);

impl Disclosure {
    /// The visits of this user, newest first.
    pub fn my_access(&self, caller: &Caller, ask: &MyAccessAsk) -> Answer<Disclosed<MyAccess>> {
        let (opened, more) = self.my_visits(caller, ask)?;
        let mut told = entry(self.now(), Act::Find, Outcome::Success, caller);
        told.page = "my-access".to_owned();
        let mut visits = Vec::new();
        for (number, open, during) in opened {
            if let Some(person) = open.person {
                told.items.push(person.to_string());
            }
            let known = match open.person {
                Some(person) => self.still_known(caller, person)?,
                None => None,
            };
            let is = |flag: &str| open.flags.iter().any(|one| one == flag);
            visits.push(MyVisit {
                entry: number,
                at: open.at,
                known,
                emergency: is("break-glass-emergency") || is("best-interest") || is("seal-broken"),
                why: open.detail,
                sections: during.sections.into_iter().collect(),
                printed: during.printed,
                mistaken: during.mistaken,
            });
        }
        told.items.sort();
        told.items.dedup();
        self.disclose(Vec::new(), told, MyAccess { visits, more })
    }

    /// The entries that opened visits, with what was done in each, newest first.
    fn my_visits(&self, caller: &Caller, ask: &MyAccessAsk) -> Answer<(Vec<OwnVisit>, bool)> {
        let mut during: BTreeMap<String, During> = BTreeMap::new();
        let mut opened = Vec::new();
        let (mut before, mut read) = (None, 0);
        while read < AT_MOST {
            let who = Some(caller.user.id.as_str());
            let batch = self.inner.store.entries_about(None, who, before, BATCH)?;
            let Some((oldest, _)) = batch.last() else {
                return Ok((opened, false));
            };
            before = Some(*oldest);
            read += batch.len();
            for (number, bytes) in batch {
                let one: Entry = serde_json::from_slice(&bytes)?;
                if one.outcome != Outcome::Success || one.visit.is_empty() {
                    continue;
                }
                if one.act != Act::OpenVisit {
                    note(during.entry(one.visit.clone()).or_default(), one);
                    continue;
                }
                let done = during.remove(&one.visit).unwrap_or_default();
                if ask.from.is_some_and(|from| one.at < from) {
                    return Ok((opened, false));
                }
                let wanted = ask.before.is_none_or(|before| number < before)
                    && ask.until.is_none_or(|until| one.at < until);
                if !wanted {
                    continue;
                }
                if opened.len() == ask.limit {
                    return Ok((opened, true));
                }
                opened.push((number, one, done));
            }
        }
        Ok((opened, true))
    }

    fn still_known(&self, caller: &Caller, person: PersonId) -> Answer<Option<Demographics>> {
        match self.answering(person) {
            Ok((person, row)) => self.known(caller, person, &row).map(Some),
            Err(DisclosureError::NotThere) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Says that one of the user's own visits was opened by mistake: an entry for review, as page C22
    /// makes one, and the end of the visit where it still lasts.
    pub fn report_mistake(&self, caller: &Caller, number: u64) -> Answer<Disclosed<()>> {
        let found = self.inner.store.entries(number, 1)?;
        let opened = match found.into_iter().next() {
            Some((at, bytes)) if at == number => serde_json::from_slice::<Entry>(&bytes)?,
            _ => return Err(DisclosureError::NotThere),
        };
        if opened.who != caller.user.id || opened.act != Act::OpenVisit {
            return Err(DisclosureError::NotThere);
        }
        let mut told = entry(self.now(), Act::CloseVisit, Outcome::Success, caller);
        told.person = opened.person;
        told.visit.clone_from(&opened.visit);
        told.detail = MISTAKE.to_owned();
        told.flags = vec!["review-required".to_owned(), "self-reported".to_owned()];
        let gone = |space, key| Change::Keep {
            space,
            key,
            value: None,
            expires_ms: 0,
        };
        let open = format!("{}|{}", caller.session, opened.visit);
        let ended = vec![gone("visit", opened.visit), gone("open-visit", open)];
        self.disclose(ended, told, ())
    }

    /// How long emergency access lasts, in minutes (page C6).
    pub fn emergency_minutes(&self) -> u32 {
        self.settings().emergency_minutes
    }
}

/// How a visit that was opened by mistake is written down (pages C22 and C24).
pub(super) const MISTAKE: &str = "opened by mistake, reported by the user";

fn note(during: &mut During, one: Entry) {
    match one.act {
        Act::View | Act::Search => {
            during.sections.insert(one.page);
        }
        Act::Print => {
            during.printed = true;
            during.sections.insert(one.page);
        }
        Act::CloseVisit => during.mistaken |= one.detail == MISTAKE,
        _ => {}
    }
}
