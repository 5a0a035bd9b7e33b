//! Numbers about how the record is used, counted from the audit log: looks by organisation and job,
//! emergencies, choices set aside, choices made. Numbers of nobody: small ones are hidden where they
//! are shown (`care_core::release::shown`).
//!
//! Each entry is read once: what was counted is held, and the next call goes on from there. Nothing is
//! written, and nothing about a person is held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::Role;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::disclosure::choice_told;
use crate::store::{Store, StoreError};

/// Entries read at a time.
const AT_ONCE: u32 = 2_000;
/// Entries read in one call at most; what is missing then comes with the next.
const AT_MOST: u64 = 400_000;

/// What happened in one month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Month {
    /// Records opened by staff: organisation, role.
    pub looks: BTreeMap<(String, Role), u64>,
    /// Records opened because the person could not be asked, by organisation.
    pub emergencies: BTreeMap<String, u64>,
    /// Reads by other computer systems, by organisation.
    pub systems: BTreeMap<String, u64>,
    /// Records opened although a choice or a lack of permission stood against it, by why.
    pub set_aside: BTreeMap<SetAside, u64>,
    /// Attempts that were refused because of the person's choice.
    pub refused: u64,
    /// Choices that people made: what, and through which channel.
    pub choices: BTreeMap<(String, String), u64>,
    /// Times that people looked at who had looked.
    pub own_looks: u64,
}

/// Why a choice was set aside. Source: rule 5 of the access model, and seals of rule 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetAside {
    /// A law or a court order.
    LegalDuty,
    /// An overriding public interest.
    PublicInterest,
    /// A safeguarding case.
    Safeguarding,
    /// A seal was opened.
    Seal,
}

impl SetAside {
    /// All, in the order of the page.
    pub const ALL: [Self; 4] = [
        Self::LegalDuty,
        Self::PublicInterest,
        Self::Safeguarding,
        Self::Seal,
    ];

    fn of(flag: &str) -> Option<Self> {
        match flag {
            "legal-disclosure" => Some(Self::LegalDuty),
            "public-interest-disclosure" => Some(Self::PublicInterest),
            "safeguarding-override" => Some(Self::Safeguarding),
            "seal-broken" => Some(Self::Seal),
            _ => None,
        }
    }
}

/// What was counted so far.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// By month: its first day in London.
    pub months: BTreeMap<Date, Month>,
    /// The moment of the last entry that was counted.
    pub until: Option<Timestamp>,
    /// Nothing up to the asked moment is missing.
    pub complete: bool,
    next: u64,
}

/// Counts. Keep one: it remembers what it counted.
#[derive(Clone)]
pub struct Figures {
    store: Arc<dyn Store>,
    counted: Arc<Mutex<Counted>>,
}

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// The log did not answer.
    #[error("the numbers cannot be counted now; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A count was broken off.
    #[error("the numbers cannot be counted; start Connect Care again")]
    BrokenOff,
}

impl From<StoreError> for FiguresError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl Figures {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            counted: Arc::default(),
        }
    }

    /// Everything that happened before this moment. An entry that cannot be read counts for nothing:
    /// `audit verify` reports it.
    pub fn until(&self, moment: Timestamp) -> Result<Counted, FiguresError> {
        let mut counted = self.counted.lock().map_err(|_| FiguresError::BrokenOff)?;
        let stop = counted.next.saturating_add(AT_MOST);
        counted.complete = false;
        while counted.next < stop {
            let found = self.store.entries(counted.next, AT_ONCE)?;
            if found.is_empty() {
                counted.complete = true;
                break;
            }
            for (number, bytes) in found {
                if let Ok(entry) = serde_json::from_slice::<Entry>(&bytes) {
                    if entry.at >= moment {
                        counted.complete = true;
                        return Ok(counted.clone());
                    }
                    counted.add(&entry);
                }
                counted.next = number + 1;
            }
        }
        Ok(counted.clone())
    }
}

impl Counted {
    fn add(&mut self, entry: &Entry) {
        self.until = Some(entry.at);
        let first = care_core::sections::local(entry.at).date().first_of_month();
        self.months.entry(first).or_default().add(entry);
    }

    /// All months from this one on, as one.
    pub fn since(&self, first: Date) -> Month {
        let mut sum = Month::default();
        for month in self.months.range(first..).map(|(_, month)| month) {
            sum.include(month);
        }
        sum
    }

    /// All months of a calendar year, as one.
    pub fn year(&self, year: i16) -> Month {
        let mut sum = Month::default();
        let months = self.months.iter().filter(|(first, _)| first.year() == year);
        for (_, month) in months {
            sum.include(month);
        }
        sum
    }
}

impl Month {
    fn add(&mut self, entry: &Entry) {
        let role = Role::from_code(&entry.role);
        match (entry.act, entry.outcome) {
            (Act::OpenVisit, Outcome::Success) => self.opened(entry, role),
            (Act::OpenVisit, Outcome::Denied) if by_choice(&entry.reason) => self.refused += 1,
            (Act::Print, Outcome::Success) if entry.page == "disclosure pack" => {
                self.set_aside(entry);
            }
            (Act::ApiRead, Outcome::Success) if entry.person.is_some() => {
                *self.systems.entry(entry.organisation.clone()).or_default() += 1;
            }
            (Act::Choice, Outcome::Success) => {
                if let Some(told) = choice_told(entry) {
                    let kind = (told.said.to_owned(), told.channel);
                    *self.choices.entry(kind).or_default() += 1;
                }
            }
            (Act::View, Outcome::Success) if entry.page == "who-looked" => self.own_looks += 1,
            _ => {}
        }
    }

    fn opened(&mut self, entry: &Entry, role: Option<Role>) {
        let flagged = |flag: &str| entry.flags.iter().any(|one| one == flag);
        self.set_aside(entry);
        if flagged("break-glass-emergency") || flagged("best-interest") {
            let at = entry.organisation.clone();
            *self.emergencies.entry(at).or_default() += 1;
        }
        if let Some(role) = role {
            let by = (entry.organisation.clone(), role);
            *self.looks.entry(by).or_default() += 1;
        }
    }

    fn set_aside(&mut self, entry: &Entry) {
        for why in entry.flags.iter().filter_map(|flag| SetAside::of(flag)) {
            *self.set_aside.entry(why).or_default() += 1;
        }
    }

    fn include(&mut self, other: &Self) {
        merge(&mut self.looks, &other.looks);
        merge(&mut self.emergencies, &other.emergencies);
        merge(&mut self.systems, &other.systems);
        merge(&mut self.set_aside, &other.set_aside);
        merge(&mut self.choices, &other.choices);
        self.refused += other.refused;
        self.own_looks += other.own_looks;
    }
}

fn merge<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

/// Refusals that a person's own choice brought about. Source: rule 8.
fn by_choice(reason: &str) -> bool {
    matches!(
        reason,
        "patient-objected" | "objection-pending" | "org-blocked-by-patient"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(act: Act, outcome: Outcome, role: Role, flags: &[&str]) -> Entry {
        let at = "2026-11-23T12:00:00Z".parse().expect("a moment");
        let mut entry = Entry::new(at, act, outcome, "user-1");
        entry.role = role.code().to_owned();
        entry.organisation = "X9T01".to_owned();
        entry.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        entry
    }

    #[test]
    fn each_act_is_counted_once_where_it_belongs() {
        let mut counted = Counted::default();
        let open = |flags: &[&str]| entry(Act::OpenVisit, Outcome::Success, Role::Gp, flags);
        counted.add(&open(&[]));
        counted.add(&open(&["best-interest", "break-glass-emergency"]));
        counted.add(&open(&["legal-disclosure"]));
        counted.add(&entry(Act::View, Outcome::Success, Role::Gp, &[]));
        let flags = ["public-interest-disclosure", "review-required"];
        let mut pack = entry(
            Act::Print,
            Outcome::Success,
            Role::CaldicottGuardian,
            &flags,
        );
        counted.add(&pack);
        pack.page = "disclosure pack".to_owned();
        counted.add(&pack);
        let mut refused = entry(Act::OpenVisit, Outcome::Denied, Role::Gp, &[]);
        refused.reason = "patient-objected".to_owned();
        counted.add(&refused);
        let mut chose = entry(Act::Choice, Outcome::Success, Role::Patient, &[]);
        chose.detail = "objected; set by self through online; reference CC-1".to_owned();
        counted.add(&chose);
        let all = counted.year(2026);
        assert_eq!(all.looks[&("X9T01".to_owned(), Role::Gp)], 3);
        assert_eq!(all.emergencies["X9T01"], 1);
        assert_eq!(all.set_aside[&SetAside::LegalDuty], 1);
        assert_eq!(all.set_aside[&SetAside::PublicInterest], 1);
        assert_eq!(all.refused, 1);
        let chosen = ("not-shared".to_owned(), "online".to_owned());
        assert_eq!(all.choices[&chosen], 1);
        assert_eq!(counted.year(2025), Month::default());
    }
}
