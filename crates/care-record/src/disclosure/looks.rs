//! From entries of the log to looks, as the person reads them: one for each visit, system, finder and
//! hour; what was shown, and why.
//!
//! Finding somebody and opening their record is one look: a find in the hour before the same user
//! opened the record, or asked to, is part of that.

use std::collections::HashMap;

use care_core::access::{self, json};
use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{Category, CategorySet, OdsCode, PersonId, Role};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Disclosure;
use super::holds::Marks;
use super::who_looked::{FACTS, Look, LookKind};

/// A find this long before an opening belongs to it, in seconds.
const FOUND_BEFORE_SECONDS: i64 = 3600;

/// Entries that are one look, oldest first. Never empty.
pub(super) struct Group {
    pub entries: Vec<(u64, Entry)>,
}

impl Group {
    /// The entry it began with.
    pub fn first(&self) -> Option<&(u64, Entry)> {
        self.entries.first()
    }

    /// The look without what is held back; `None` where nothing is left. A visit is held whole.
    pub fn without(&self, held: &Marks) -> Option<Self> {
        let is_held = |(number, entry): &(u64, Entry)| held.holds(*number, entry);
        let visit = self
            .entries
            .iter()
            .any(|(_, entry)| !entry.visit.is_empty());
        if visit && self.entries.iter().any(is_held) {
            return None;
        }
        let entries: Vec<_> = self
            .entries
            .iter()
            .filter(|one| !is_held(one))
            .cloned()
            .collect();
        (!entries.is_empty()).then_some(Self { entries })
    }

    /// What kind of look it was.
    pub fn kind(&self) -> LookKind {
        let any = |act| self.entries.iter().any(|(_, entry)| entry.act == act);
        let shown = self
            .entries
            .iter()
            .any(|(_, entry)| entry.outcome == Outcome::Success);
        match () {
            () if !shown => LookKind::Refused,
            () if any(Act::Disclose) => LookKind::Given,
            () if any(Act::ApiRead) => LookKind::System,
            () if any(Act::Find) => LookKind::Found,
            () => LookKind::Opened,
        }
    }
}

/// Groups the entries about one person. Entries that show nobody anything are in none.
pub(super) fn group(mut entries: Vec<(u64, Entry)>) -> Vec<Group> {
    entries.sort_by_key(|(number, _)| *number);
    let mut opened: HashMap<String, Vec<Timestamp>> = HashMap::new();
    for (_, entry) in &entries {
        if entry.act == Act::OpenVisit {
            opened.entry(entry.who.clone()).or_default().push(entry.at);
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, entry) in entries {
        if entry.act == Act::Find && led_to_opening(&entry, &opened) {
            continue;
        }
        let Some(key) = key(number, &entry) else {
            continue;
        };
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.entries.push((number, entry)),
            None => groups.push(Group {
                entries: vec![(number, entry)],
            }),
        }
    }
    groups
}

fn led_to_opening(find: &Entry, opened: &HashMap<String, Vec<Timestamp>>) -> bool {
    opened.get(&find.who).is_some_and(|times| {
        times.iter().any(|at| {
            let after = at.as_second() - find.at.as_second();
            (0..=FOUND_BEFORE_SECONDS).contains(&after) && *at >= find.at
        })
    })
}

/// Whether an entry stands in the person's list of who looked, unless it is held back.
pub(super) fn shows_somebody(number: u64, entry: &Entry) -> bool {
    key(number, entry).is_some()
}

/// What an entry belongs to; `None` for an act that shows nobody anything.
fn key(number: u64, entry: &Entry) -> Option<String> {
    let hour = entry.at.as_second().div_euclid(3600);
    let together = |kind: &str| {
        let (who, place) = (&entry.who, &entry.organisation);
        Some(format!("{kind}|{who}|{place}|{hour}|{:?}", entry.outcome))
    };
    match entry.act {
        Act::OpenVisit | Act::View | Act::Search | Act::Print | Act::CloseVisit
            if !entry.visit.is_empty() =>
        {
            Some(format!("visit|{}", entry.visit))
        }
        Act::OpenVisit | Act::Disclose => Some(format!("alone|{number}")),
        Act::View | Act::Print | Act::Search | Act::ApiRead | Act::Find if is_own(entry) => {
            together("own")
        }
        Act::View | Act::Print | Act::Search => together("view"),
        Act::ApiRead => together("system"),
        Act::Find => together("found"),
        _ => None,
    }
}

fn is_own(entry: &Entry) -> bool {
    entry.role == "patient" || entry.role == "proxy"
}

impl Disclosure {
    /// A look, told.
    pub(super) fn look(&self, group: &Group) -> Look {
        let successful = group
            .entries
            .iter()
            .filter(|(_, entry)| entry.outcome == Outcome::Success);
        let seen = successful.fold(CategorySet::EMPTY, |sum, (_, entry)| {
            shown(entry).iter().fold(sum, CategorySet::with)
        });
        let any = |of: &dyn Fn(&Entry) -> bool| group.entries.iter().any(|(_, entry)| of(entry));
        let mut look = Look {
            entry: 0,
            at: Timestamp::MAX,
            kind: group.kind(),
            organisation: String::new(),
            place: String::new(),
            team: "",
            job: String::new(),
            name: String::new(),
            why: String::new(),
            reference: String::new(),
            seen: seen.iter().map(access::in_plain_words).collect(),
            printed: any(&|entry| entry.act == Act::Print),
            reviewed: any(&|entry| entry.flags.iter().any(|flag| flag == "review-required")),
            own: false,
        };
        let Some((number, first)) = group.first() else {
            return look;
        };
        let role = Role::from_code(&first.role);
        look.entry = *number;
        look.at = first.at;
        look.organisation.clone_from(&first.organisation);
        look.place = self.place(&first.organisation);
        look.team = team(first);
        look.job = role.map_or("A computer system", Role::title).to_owned();
        look.name.clone_from(&first.who_name);
        look.own = is_own(first);
        if look.kind == LookKind::Given {
            let given = Given::read(first);
            look.place = given.to;
            look.reference = given.reference;
            look.job = first.page.clone();
        }
        look.why = why(group, look.kind);
        look
    }

    /// The name of an organisation.
    pub(super) fn place(&self, code: &str) -> String {
        OdsCode::parse(code)
            .ok()
            .and_then(|ods| self.inner.directory.organisation(&ods))
            .map_or_else(|| code.to_owned(), |found| found.name.clone())
    }
}

/// The team, as far as the part that the organisation has in the person's care tells.
fn team(first: &Entry) -> &'static str {
    let shown = first
        .trace
        .iter()
        .find_map(|line| line.strip_prefix("relationship shown by "));
    match shown.and_then(|line| line.split(' ').next()) {
        Some("ed_attendance") => "Emergency department",
        Some("ambulance_incident") => "Ambulance crew",
        _ => "",
    }
}

/// What an entry says was shown: the page's own kind, those of its items, and who the person is; never
/// more than the decision allowed.
fn shown(entry: &Entry) -> CategorySet {
    let who = CategorySet::EMPTY.with(Category::Demographics);
    match entry.act {
        Act::OpenVisit | Act::CloseVisit => return CategorySet::EMPTY,
        Act::Find => return who,
        _ if entry.page.starts_with("own ") => {
            return CategorySet::EMPTY.with(Category::AccessLog);
        }
        _ => {}
    }
    let allowed: CategorySet = entry
        .categories
        .iter()
        .filter_map(|code| Category::from_code(code))
        .collect();
    if entry.act == Act::Disclose {
        return allowed;
    }
    let of_items = entry
        .items
        .iter()
        .filter_map(|item| item.split('/').next())
        .filter_map(category_of_type);
    let all: CategorySet = of_items.chain(category_of_page(&entry.page)).collect();
    all.with(Category::Demographics)
        .with(Category::AccessLog)
        .intersection(allowed)
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

/// Why, in short sentences. Facts that a decision was made from are told as the rules tell them.
fn why(group: &Group, kind: LookKind) -> String {
    let Some((_, first)) = group.first() else {
        return String::new();
    };
    match kind {
        LookKind::Found => {
            return "They saw your name. They did not open your record.".to_owned();
        }
        LookKind::Given if first.page == "extract" => {
            return "Your details were part of a set of data that was given to them.".to_owned();
        }
        LookKind::Given => return Given::read(first).why,
        _ if first.page.starts_with("own ") => {
            return "You, or somebody who acts for you, looked at these pages.".to_owned();
        }
        _ => {}
    }
    let facts = group
        .entries
        .iter()
        .flat_map(|(_, entry)| &entry.trace)
        .find_map(|line| line.strip_prefix(FACTS));
    let told = facts.and_then(|facts| json::told_recorded(facts).ok());
    told.unwrap_or_else(|| by_purpose(first).to_owned())
}

/// An entry of an earlier program holds no facts; it still says for what.
fn by_purpose(entry: &Entry) -> &'static str {
    if entry.outcome != Outcome::Success {
        return "They could not open it.";
    }
    match entry.purpose.as_str() {
        "direct_care" => "They were caring for you.",
        "care_admin" => "They help to arrange your care.",
        "safeguarding_investigation" => "Somebody had to be kept safe.",
        "legal_requirement" => "The law said that they must.",
        "public_interest" => "It was needed to keep others safe.",
        crate::supply::PURPOSE => "They read back what they themselves had put in your record.",
        "audit_review" => "They checked who had looked at your record.",
        _ => "We do not know why. You can ask us.",
    }
}

/// What an entry of [`Act::Disclose`] says besides the person and the categories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    /// To whom: the name of an organisation, never of a person.
    pub to: String,
    /// The reference of the case or extract.
    pub reference: String,
    /// Why, in a short sentence that the person can read: "A court asked for it."
    pub why: String,
}

impl Given {
    /// The entry for one person. `what` is `disclosure` or `extract`. A disclosure that must not be
    /// told yet is held back in the same commit: see `Disclosure::hold_change`.
    pub fn entry(
        &self,
        mut entry: Entry,
        what: &str,
        person: PersonId,
        categories: CategorySet,
    ) -> Entry {
        entry.act = Act::Disclose;
        entry.person = Some(person);
        entry.page = what.to_owned();
        entry.categories = categories.iter().map(|one| one.code().to_owned()).collect();
        entry.detail = serde_json::to_string(self).unwrap_or_default();
        entry
    }

    fn read(entry: &Entry) -> Self {
        serde_json::from_str(&entry.detail).unwrap_or_else(|_| Self {
            to: "Somebody outside your care".to_owned(),
            reference: String::new(),
            why: "It was given by a decision. You can ask us why.".to_owned(),
        })
    }
}
