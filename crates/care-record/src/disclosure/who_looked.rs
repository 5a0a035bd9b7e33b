//! Who has looked at a person's record, for the person: one entry a visit, newest first, in plain
//! words. Read from the audit log itself; the reading is an entry like any other.
//!
//! Source: screens, section 9 (M3). The sentence is `access::explain_to_the_person`, made from the
//! facts the decision was made from, which the entry holds.

use std::collections::HashMap;

use care_core::access::{self, json};
use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{Category, CategorySet, OdsCode, PersonId, Role};
use jiff::Timestamp;

use super::gather::Gathered;
use super::{Answer, Disclosed, Disclosure, DisclosureError};
use crate::caller::Caller;

/// What begins the line of an entry's trace that holds the facts of its decision.
const FACTS: &str = "facts ";
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
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The number of its first entry in the log.
    pub entry: u64,
    /// When it began.
    pub at: Timestamp,
    /// What kind.
    pub kind: LookKind,
    /// The organisation's code.
    pub organisation: String,
    /// The organisation's name.
    pub place: String,
    /// The job.
    pub job: String,
    /// The name, as at the time.
    pub name: String,
    /// Why it was allowed, or was not, in a sentence.
    pub why: String,
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
        let entries = self.entries_about(&gathered, since)?;
        let looks = group(entries)
            .iter()
            .map(|group| self.look(group))
            .collect();
        self.disclose(Vec::new(), entry, looks)
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
        match entry.person {
            Some(person) if everybody(gathered).any(|one| one == person) => Ok(entry),
            _ => Err(DisclosureError::NotThere),
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

    fn look(&self, group: &[(u64, Entry)]) -> Look {
        let seen = group
            .iter()
            .filter(|(_, entry)| entry.outcome == Outcome::Success)
            .fold(CategorySet::EMPTY, |sum, (_, entry)| {
                shown(entry).iter().fold(sum, CategorySet::with)
            });
        let mut look = Look {
            entry: 0,
            at: Timestamp::MAX,
            kind: kind(group),
            organisation: String::new(),
            place: String::new(),
            job: String::new(),
            name: String::new(),
            why: String::new(),
            seen: seen.iter().map(access::in_plain_words).collect(),
            printed: group.iter().any(|(_, entry)| entry.act == Act::Print),
            reviewed: group
                .iter()
                .any(|(_, entry)| entry.flags.iter().any(|flag| flag == "review-required")),
            own: false,
        };
        // Newest first: the last is the first that happened.
        if let Some((number, first)) = group.last() {
            let role = Role::from_code(&first.role);
            look.entry = *number;
            look.at = first.at;
            look.organisation.clone_from(&first.organisation);
            look.place = self.place(&first.organisation);
            look.job = role.map_or("A system", Role::title).to_owned();
            look.name.clone_from(&first.who_name);
            look.own = matches!(role, Some(Role::Patient | Role::Proxy));
            look.why = why(first, look.kind, &viewer(role), &look.place, seen);
        }
        look
    }

    fn place(&self, code: &str) -> String {
        OdsCode::parse(code)
            .ok()
            .and_then(|ods| self.inner.directory.organisation(&ods))
            .map_or_else(|| code.to_owned(), |found| found.name.clone())
    }
}

fn everybody(gathered: &Gathered) -> impl Iterator<Item = PersonId> {
    std::iter::once(gathered.person).chain(gathered.row.joined.iter().copied())
}

/// Entries of one visit stand together; so do those of one system or one finder in one hour.
fn group(entries: Vec<(u64, Entry)>) -> Vec<Vec<(u64, Entry)>> {
    let mut groups: Vec<Vec<(u64, Entry)>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, entry) in entries {
        let Some(key) = key(number, &entry) else {
            continue;
        };
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.get_mut(place) {
            group.push((number, entry));
        }
    }
    groups
}

/// Whether an entry stands in the person's list of who looked.
pub(super) fn shows_somebody(number: u64, entry: &Entry) -> bool {
    key(number, entry).is_some()
}

/// What an entry belongs to; `None` for an act that shows nobody anything.
fn key(number: u64, entry: &Entry) -> Option<String> {
    let hour = entry.at.as_second().div_euclid(3600);
    match entry.act {
        Act::OpenVisit | Act::View | Act::Search | Act::Print | Act::CloseVisit
            if !entry.visit.is_empty() =>
        {
            Some(format!("visit|{}", entry.visit))
        }
        Act::OpenVisit => Some(format!("alone|{number}")),
        Act::View | Act::Print | Act::Search | Act::ApiRead | Act::Find => {
            let own = entry.role == "patient" || entry.role == "proxy";
            let kind = if own { "own" } else { act_name(entry.act) };
            Some(format!("{kind}|{}|{hour}|{:?}", entry.who, entry.outcome))
        }
        _ => None,
    }
}

fn act_name(act: Act) -> &'static str {
    match act {
        Act::ApiRead => "api",
        Act::Find => "find",
        _ => "view",
    }
}

fn kind(group: &[(u64, Entry)]) -> LookKind {
    let any = |act| group.iter().any(|(_, entry)| entry.act == act);
    let shown = group
        .iter()
        .any(|(_, entry)| entry.outcome == Outcome::Success);
    match () {
        () if !shown => LookKind::Refused,
        () if any(Act::ApiRead) => LookKind::System,
        () if group.iter().all(|(_, entry)| entry.act == Act::Find) => LookKind::Found,
        () => LookKind::Opened,
    }
}

/// What an entry says was shown: the page's own kind, those of its items, and who the person is; never
/// more than the decision allowed.
fn shown(entry: &Entry) -> CategorySet {
    if entry.act == Act::OpenVisit || entry.act == Act::CloseVisit {
        return CategorySet::EMPTY;
    }
    let who = CategorySet::EMPTY.with(Category::Demographics);
    if entry.act == Act::Find {
        return who;
    }
    if entry.page.starts_with("own ") {
        return CategorySet::EMPTY.with(Category::AccessLog);
    }
    let allowed: CategorySet = entry
        .categories
        .iter()
        .filter_map(|code| Category::from_code(code))
        .collect();
    let of_items = entry
        .items
        .iter()
        .filter_map(|item| item.split('/').next())
        .filter_map(category_of_type);
    let all: CategorySet = of_items.chain(category_of_page(&entry.page)).collect();
    all.with(Category::Demographics).intersection(allowed)
}

fn category_of_page(page: &str) -> Option<Category> {
    match page {
        "problems" => Some(Category::Problems),
        "medicines" => Some(Category::Medications),
        "allergies" => Some(Category::Allergies),
        "results" | "test" => Some(Category::Results),
        "encounters" => Some(Category::Encounters),
        "documents" | "document" => Some(Category::Documents),
        "care-plans" => Some(Category::CarePlans),
        "social-care" => Some(Category::SocialCare),
        "team" => Some(Category::Contacts),
        _ => None,
    }
}

fn category_of_type(name: &str) -> Option<Category> {
    match name {
        "Patient" => Some(Category::Demographics),
        "AllergyIntolerance" => Some(Category::Allergies),
        "MedicationRequest"
        | "MedicationStatement"
        | "MedicationDispense"
        | "MedicationAdministration" => Some(Category::Medications),
        "Condition" | "Procedure" => Some(Category::Problems),
        "Immunization" => Some(Category::Vaccinations),
        "Observation" | "DiagnosticReport" => Some(Category::Results),
        "Encounter" | "Appointment" | "ServiceRequest" | "ReferralRequest" => {
            Some(Category::Encounters)
        }
        "DocumentReference" | "Composition" => Some(Category::Documents),
        "CarePlan" | "Goal" => Some(Category::CarePlans),
        "Flag" => Some(Category::Alerts),
        "RelatedPerson" | "CareTeam" => Some(Category::Contacts),
        _ => None,
    }
}

/// "A hospital nurse", "An ambulance clinician", "A GP".
fn viewer(role: Option<Role>) -> String {
    let Some(role) = role else {
        return "A computer system".to_owned();
    };
    let title = role.title();
    let acronym = title.chars().take(2).all(char::is_uppercase);
    let mut letters = title.chars();
    let word = match letters.next() {
        Some(first) if !acronym && role != Role::CaldicottGuardian => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => title.to_owned(),
    };
    match role {
        Role::AdminClerical | Role::CareHomeStaff => format!("Somebody of the {word}"),
        Role::AmbulanceClinician | Role::OccupationalTherapist | Role::Amhp | Role::Analyst => {
            format!("An {word}")
        }
        _ => format!("A {word}"),
    }
}

fn why(first: &Entry, kind: LookKind, viewer: &str, place: &str, seen: CategorySet) -> String {
    if kind == LookKind::Found {
        return format!("{viewer} at {place} found your name and did not open your record.");
    }
    if first.page.starts_with("own ") {
        return "You, or somebody who acts for you, looked at these pages.".to_owned();
    }
    let facts = first.trace.iter().find_map(|line| line.strip_prefix(FACTS));
    let told = facts.and_then(|facts| json::explain_recorded(facts, viewer, place, seen).ok());
    // An entry of an earlier program holds no facts; it still says who and where.
    told.unwrap_or_else(|| {
        format!(
            "{viewer} at {place} used your record for {}.",
            first.purpose
        )
    })
}

/// Reads the summary a choice's entry holds: see `Choice::summary`.
fn choice_told(entry: &Entry) -> Option<ChoiceTold> {
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
