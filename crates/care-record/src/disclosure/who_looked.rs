//! Who has looked at a person's record, for the person: one entry a visit, newest first, in plain
//! words. Read from the audit log itself; the reading is an entry like any other.
//!
//! Source: screens, section 9 (M3). How entries become looks stands in `looks`, which of them are
//! held back in `holds`, and attendances at which nobody looked in `not_opened`.

use care_core::access::json;
use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;
use jiff::{SignedDuration, Timestamp};

use super::gather::Gathered;
use super::{Answer, Disclosed, Disclosure, DisclosureError, looks};
use crate::caller::Caller;

/// The facts an entry's decision was made from, as recorded.
pub(super) fn facts_of(entry: &Entry) -> Option<&str> {
    entry.trace.iter().find_map(|line| line.strip_prefix(FACTS))
}

/// What begins the line of an entry's trace that holds the facts of its decision.
pub(super) const FACTS: &str = "facts ";
/// A visit that began before the first day asked for is told from its beginning.
const LONGEST_VISIT: SignedDuration = SignedDuration::from_hours(12);
/// Entries read at a time, and at most.
const AT_ONCE: u32 = 500;
const AT_MOST: usize = 50_000;

/// What kind of look it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookKind {
    /// The record was opened.
    Opened,
    /// Somebody found the person and did not open the record.
    Found,
    /// Somebody asked to open the record and was refused.
    Refused,
    /// A computer system took a copy.
    System,
    /// Information was given to somebody outside the person's care: a disclosure or an extract.
    Given,
    /// Nobody opened the record at an attendance that was not planned, though it held something.
    NotOpened,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The number of its first entry in the log; 0 where nobody looked.
    pub entry: u64,
    /// When it began.
    pub at: Timestamp,
    /// What kind.
    pub kind: LookKind,
    /// The organisation's code.
    pub organisation: String,
    /// The organisation's name.
    pub place: String,
    /// The team, where it is known; else empty.
    pub team: &'static str,
    /// The job.
    pub job: String,
    /// The name, as at the time.
    pub name: String,
    /// Why it was allowed, or was not, in short sentences.
    pub why: String,
    /// The reference of a disclosure or extract; else empty.
    pub reference: String,
    /// What was shown, in plain words.
    pub seen: Vec<&'static str>,
    /// Something was printed.
    pub printed: bool,
    /// By breaking the glass: it is reviewed.
    pub reviewed: bool,
    /// The person themselves, or somebody acting for them.
    pub own: bool,
}

/// A choice that was made, as the log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceTold {
    /// When.
    pub at: Timestamp,
    /// `shared`, `shared-in-emergency` or `not-shared`.
    pub said: &'static str,
    /// `self`, `parental_responsibility` …
    pub set_by: String,
    /// `online`, `telephone` …
    pub channel: String,
    /// The reference that was given, where there was one.
    pub reference: Option<String>,
}

impl Disclosure {
    /// Everybody who looked since then, newest first.
    pub fn who_looked(&self, caller: &Caller, since: Timestamp) -> Answer<Disclosed<Vec<Look>>> {
        let (gathered, entry) = self.own_person(caller, "who-looked")?;
        let looks = self.looks_of(&gathered, since)?;
        self.disclose(Vec::new(), entry, looks)
    }

    /// Every look since then that is not held back, newest first.
    pub(super) fn looks_of(&self, gathered: &Gathered, since: Timestamp) -> Answer<Vec<Look>> {
        let from = since
            .saturating_sub(LONGEST_VISIT)
            .unwrap_or(Timestamp::MIN);
        let groups = looks::group(self.entries_about(gathered, from)?);
        let mut told = self.not_opened(gathered, &groups)?;
        let held = self.held_marks(gathered)?;
        let shown = groups.iter().filter_map(|group| group.without(&held));
        told.extend(shown.map(|group| self.look(&group)));
        told.retain(|look| look.at >= since);
        told.sort_by_key(|look| std::cmp::Reverse((look.at, look.entry)));
        Ok(told)
    }

    /// Every choice that was recorded, newest first.
    pub fn choices_made(&self, caller: &Caller) -> Answer<Disclosed<Vec<ChoiceTold>>> {
        let (gathered, entry) = self.own_person(caller, "choices")?;
        let entries = self.entries_about(&gathered, Timestamp::MIN)?;
        let told = entries
            .iter()
            .filter(|(_, entry)| entry.act == Act::Choice && entry.outcome == Outcome::Success)
            .filter_map(|(_, entry)| choice_told(entry))
            .collect();
        self.disclose(Vec::new(), entry, told)
    }

    /// The facts of a decision as a line of its trace. Which protected kinds of information exist is
    /// left out: it changes no sentence, and the log holds nothing clinical.
    pub(super) fn recorded(&self, gathered: &Gathered) -> String {
        let mut facts = gathered.facts.clone();
        facts.sensitivity_present = Default::default();
        format!("{FACTS}{}", json::record(&facts, self.settings()))
    }

    /// The entry of this number, if it is about this person.
    pub(super) fn entry_about(&self, gathered: &Gathered, number: u64) -> Answer<Entry> {
        let found = self.inner.store.entries(number, 1)?;
        let (_, bytes) = found
            .iter()
            .find(|(found, _)| *found == number)
            .ok_or(DisclosureError::NotThere)?;
        let entry: Entry = serde_json::from_slice(bytes)?;
        let theirs = entry
            .person
            .is_some_and(|person| everybody(gathered).any(|one| one == person));
        // What is held back reads like what is not there.
        if theirs && !self.held_marks(gathered)?.holds(number, &entry) {
            Ok(entry)
        } else {
            Err(DisclosureError::NotThere)
        }
    }

    /// Entries about the person, and about whoever was joined into them, newest first.
    fn entries_about(&self, gathered: &Gathered, since: Timestamp) -> Answer<Vec<(u64, Entry)>> {
        let mut all = Vec::new();
        for person in everybody(gathered) {
            self.entries_of(person, since, &mut all)?;
        }
        all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(all)
    }

    fn entries_of(
        &self,
        person: PersonId,
        since: Timestamp,
        all: &mut Vec<(u64, Entry)>,
    ) -> Answer<()> {
        let mut before = None;
        loop {
            let page = self
                .inner
                .store
                .entries_about(Some(person), None, before, AT_ONCE)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            before = Some(*last);
            for (number, bytes) in page {
                let entry: Entry = serde_json::from_slice(&bytes)?;
                if entry.at < since {
                    return Ok(());
                }
                all.push((number, entry));
            }
            if all.len() > AT_MOST {
                return Err(DisclosureError::Unclear(
                    "This is too long a list to show at once. Choose a later first day.",
                ));
            }
        }
    }
}

/// The person, and whoever was joined into them.
pub(super) fn everybody(gathered: &Gathered) -> impl Iterator<Item = PersonId> {
    std::iter::once(gathered.person).chain(gathered.row.joined.iter().copied())
}

/// Reads the summary a choice's entry holds: see `Choice::summary`.
/// What an entry tells of a choice.
pub(crate) fn choice_told(entry: &Entry) -> Option<ChoiceTold> {
    let said = match entry.detail.split([',', ';']).next()? {
        "no objection" => "shared",
        "objected except in an emergency" => "shared-in-emergency",
        "objected" => "not-shared",
        _ => return None,
    };
    let after = |mark: &str| {
        let (_, rest) = entry.detail.split_once(mark)?;
        rest.split([' ', ';']).next().map(str::to_owned)
    };
    Some(ChoiceTold {
        at: entry.at,
        said,
        set_by: after("set by ").unwrap_or_default(),
        channel: after(" through ").unwrap_or_default(),
        reference: after("reference "),
    })
}
