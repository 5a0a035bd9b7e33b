//! From entries of the log to alerts, and from alerts to cases. The rules are `care_core::review`;
//! here their facts are gathered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::patient_index;
use care_core::review::{
    Alert, Budget, History, Kind, Look, LookFacts, Patterns, Settings, Spent, near, of_one_look,
};
use care_core::vocabulary::{PersonId, Role};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::address;
use super::staff::{self, StaffMember};
use crate::casework::{self, CaseChange, NewCase};
use crate::clock::Clock;
use crate::disclosure::gather::WATCHED;
use crate::disclosure::review::{REMEMBERED, SPACE, detail};
use crate::identity::{self, Answering};
use crate::store::{Change, Commit, Store, StoreError};

/// Entries read at a time.
const AT_ONCE: u32 = 2_000;
/// The place in the log is kept under this.
pub(super) const PLACE: &str = "watch";
/// Staff are read again after so long.
const STAFF_FOR: SignedDuration = SignedDuration::from_mins(2);

/// Where the watch stands, as kept: the entry at which the present day began, and the days before.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Place {
    pub cursor: u64,
    pub day: Option<Date>,
    pub history: History,
}

/// A rule's alerts over the day's budget: the case that counts them.
struct Over {
    number: u64,
    version: u32,
    visits: Vec<String>,
}

/// Follows the log.
pub(crate) struct Follower {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    place: Option<Place>,
    cursor: u64,
    patterns: Patterns,
    budget: Budget,
    over: HashMap<(Kind, Date), Over>,
    /// Ids of the clients that send for sources: what they do is no look of staff's.
    systems: Vec<String>,
    staff: HashMap<String, StaffMember>,
    staff_at: Option<Timestamp>,
    /// Readings by systems in one hour are one look.
    hourly: HashSet<(String, PersonId, i64)>,
}

impl Follower {
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        systems: Vec<String>,
    ) -> Self {
        Self {
            systems,
            store,
            clock,
            settings,
            place: None,
            cursor: 0,
            patterns: Patterns::default(),
            budget: Budget::default(),
            over: HashMap::new(),
            staff: HashMap::new(),
            staff_at: None,
            hourly: HashSet::new(),
        }
    }

    /// Reads what is new in the log, to its end; gives how many cases were opened.
    pub fn round(&mut self) -> Result<usize, StoreError> {
        self.take_place()?;
        self.read_staff()?;
        // A client whose id a member of staff has as well is not passed over; of somebody new that is
        // known within minutes, and what they did is in the log all the same.
        let systems: Vec<String> = self
            .systems
            .iter()
            .filter(|id| !self.staff.contains_key(*id))
            .cloned()
            .collect();
        let mut opened = 0;
        loop {
            let page = self.store.entries_but(self.cursor, AT_ONCE, &systems)?;
            let Some((last, _)) = page.last() else {
                return Ok(opened);
            };
            let next = last + 1;
            for (number, bytes) in &page {
                let Some(bytes) = bytes else { continue };
                // An entry of a later program that cannot be read is passed over: it is no look.
                if let Ok(entry) = serde_json::from_slice::<Entry>(bytes) {
                    self.turn_day(&entry, *number)?;
                    opened += self.entry(&entry)?;
                }
            }
            self.cursor = next;
        }
    }

    /// The first time, goes on from where the present day began.
    fn take_place(&mut self) -> Result<(), StoreError> {
        if self.place.is_some() {
            return Ok(());
        }
        let now = self.clock.now().as_millisecond();
        let kept = self.store.keep_get(PLACE, PLACE, now)?;
        let place: Place = kept
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        self.cursor = place.cursor;
        self.patterns = Patterns::remembering(place.history.clone());
        self.place = Some(place);
        Ok(())
    }

    /// On a new day, what the days before came to is kept, with the place in the log.
    fn turn_day(&mut self, entry: &Entry, number: u64) -> Result<(), StoreError> {
        let day = care_core::sections::local(entry.at).date();
        let place = self.place.get_or_insert_default();
        if place.day.is_some_and(|known| known >= day) {
            return Ok(());
        }
        let first = place.day.is_none();
        place.day = Some(day);
        self.hourly.clear();
        if first {
            return Ok(());
        }
        self.over.retain(|(_, of), _| *of >= day);
        place.cursor = number;
        place.history = self.patterns.history();
        let value = serde_json::to_vec(&place).unwrap_or_default();
        let mut entry = Entry::new(self.clock.now(), Act::Admin, Outcome::Success, "system");
        entry.detail = "the watch turned to a new day".to_owned();
        self.store.commit(Commit {
            changes: vec![Change::Keep {
                space: PLACE,
                key: PLACE.to_owned(),
                value: Some(value),
                expires_ms: i64::MAX,
            }],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<usize, StoreError> {
        let (Some(person), true) = (entry.person, is_staff(entry)) else {
            return Ok(0);
        };
        if entry.outcome != Outcome::Success {
            return Ok(0);
        }
        match entry.act {
            Act::OpenVisit => self.look(entry, person),
            Act::View | Act::Print | Act::Search => {
                self.patterns.read_on(&entry.who, person);
                Ok(0)
            }
            Act::ApiRead => {
                let hour = entry.at.as_second().div_euclid(3600);
                if self.hourly.insert((entry.who.clone(), person, hour)) {
                    return self.look(entry, person);
                }
                self.patterns.read_on(&entry.who, person);
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    fn look(&mut self, entry: &Entry, person: PersonId) -> Result<usize, StoreError> {
        let Some(known) = identity::answering(&*self.store, person)? else {
            return Ok(0);
        };
        self.read_staff()?;
        let facts = self.facts(entry, &known)?;
        let mut alerts = of_one_look(&facts);
        let look = Look {
            at: entry.at,
            who: entry.who.clone(),
            person: known.person,
            watched: known.row.flags.iter().any(|(flag, _)| flag == WATCHED),
        };
        alerts.extend(self.patterns.see(&look, &self.settings));
        let mut opened = 0;
        for alert in alerts {
            opened += usize::from(self.alert(entry, known.person, &alert)?);
        }
        Ok(opened)
    }

    fn facts(&self, entry: &Entry, known: &Answering) -> Result<LookFacts, StoreError> {
        let family = |name: &str| {
            let last = name.split_whitespace().last().unwrap_or_default();
            patient_index::fold(last)
        };
        let user = self.staff.get(&entry.who);
        let own = user.and_then(StaffMember::own_record);
        let care = matches!(entry.purpose.as_str(), "direct_care" | "care_admin");
        let parts = known.row.involvements.iter().map(|(_, part)| part);
        let theirs = parts.filter(|part| part.organisation.as_str() == entry.organisation);
        let near_by = !near(theirs, entry.at, self.settings.near_days).is_empty();
        // An override has its review already, where the same evidence is looked for.
        let overridden = entry.flags.iter().any(|flag| flag == "review-required");
        let works_for = |one: &&StaffMember| one.own_record() == Some(known.person);
        Ok(LookFacts {
            user_family: family(&entry.who_name),
            person_families: known
                .row
                .details
                .iter()
                .map(|details| details.family.clone())
                .collect(),
            same_address: match own {
                Some(own) => self.same_address(own, known)?,
                None => false,
            },
            own_record: own == Some(known.person),
            user_organisation: entry.organisation.clone(),
            person_works_for: self
                .staff
                .values()
                .find(works_for)
                .map(|one| one.organisation.clone()),
            care_near: (care && !overridden).then_some(near_by),
        })
    }

    /// The same postcode, and the same first line where both say one.
    fn same_address(&self, own: PersonId, known: &Answering) -> Result<bool, StoreError> {
        let Some(user) = identity::answering(&*self.store, own)? else {
            return Ok(false);
        };
        let of = |one: &Answering| -> HashSet<String> {
            let codes = one.row.details.iter().map(|said| said.postcode.clone());
            codes.filter(|code| !code.is_empty()).collect()
        };
        let near = own != known.person && !of(&user).is_disjoint(&of(known));
        Ok(near && address::shared(&*self.store, user.person, known.person)?)
    }

    fn read_staff(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let fresh = |at: Timestamp| now.duration_since(at).abs() < STAFF_FOR;
        if !self.staff_at.is_some_and(fresh) {
            let all = staff::all(&*self.store, now)?;
            self.staff = all.into_iter().map(|one| (one.id.clone(), one)).collect();
            self.staff_at = Some(now);
        }
        Ok(())
    }

    /// Opens a case for an alert, or counts it; `false` where it was opened before.
    fn alert(
        &mut self,
        entry: &Entry,
        person: PersonId,
        alert: &Alert,
    ) -> Result<bool, StoreError> {
        let kind = alert.kind;
        let now = self.clock.now();
        let day = care_core::sections::local(entry.at).date();
        let key = match kind {
            Kind::WatchedBurst => {
                format!("{person}|{}|{}", kind.code(), entry.at.as_second() / 1800)
            }
            Kind::Volume | Kind::Night | Kind::Sequential => {
                format!("{}|{}|{day}", entry.who, kind.code())
            }
            _ if entry.visit.is_empty() => format!(
                "{}|{person}|{}|{}",
                entry.who,
                kind.code(),
                entry.at.as_second().div_euclid(3600)
            ),
            _ => format!("{}|{}", entry.visit, kind.code()),
        };
        if self.store.keep_get(SPACE, &key, i64::MIN)?.is_some() {
            return Ok(false);
        }
        let remember = Change::Keep {
            space: SPACE,
            key,
            value: Some(Vec::new()),
            expires_ms: now.as_millisecond() + REMEMBERED.as_millis() as i64,
        };
        match self.budget.spend(kind, day, self.settings.alerts_a_day) {
            Spent::Case => self.open(entry, person, alert, remember)?,
            Spent::Counted { over } => self.count(entry, (kind, day), over, remember)?,
        }
        Ok(true)
    }

    fn open(
        &self,
        entry: &Entry,
        person: PersonId,
        alert: &Alert,
        remember: Change,
    ) -> Result<(), StoreError> {
        let (now, kind) = (self.clock.now(), alert.kind);
        let new = NewCase {
            kind: kind.code().to_owned(),
            person: Some(person),
            about: entry.who.clone(),
            due_at: Some(now + SignedDuration::from_hours(24 * kind.due_days())),
            detail: detail(entry, &[kind.code()], &alert.why),
            note: alert.why.clone(),
            ..NewCase::default()
        };
        self.commit_opening(new, remember, Some(person))?;
        Ok(())
    }

    /// Counts an alert over the day's budget in one case of the rule and day.
    fn count(
        &mut self,
        entry: &Entry,
        of: (Kind, Date),
        over: u32,
        remember: Change,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (kind, day) = of;
        let what = format!("{} by {}, {}", entry.visit, entry.who, entry.at);
        let detail = |visits: &[String]| {
            json!({
                "rules": [kind.code()], "over budget": over, "visits": visits,
                "why": format!(
                    "On {day} this rule spoke {over} times more often than it may open cases. The \
                     looks are counted and listed here."
                ),
            })
        };
        if let Some(held) = self.over.get_mut(&of) {
            held.visits.push(what);
            let change = CaseChange {
                detail: Some(detail(&held.visits)),
                ..CaseChange::default()
            };
            let change = casework::changing(now, "system", (held.number, held.version), change);
            let mut told = Entry::new(now, Act::Worklist, Outcome::Success, "system");
            told.detail = format!("{} looks over the budget: {over}", kind.code());
            let done = self.store.commit(Commit {
                changes: vec![change, remember],
                entry: told,
                more_entries: Vec::new(),
            });
            match done {
                Ok(_) => {
                    held.version += 1;
                    return Ok(());
                }
                // Somebody worked on the case meanwhile: the next look opens another.
                Err(StoreError::Stale) => {
                    self.over.remove(&of);
                    return Ok(());
                }
                Err(other) => return Err(other),
            }
        }
        let visits = vec![what];
        let new = NewCase {
            kind: kind.code().to_owned(),
            due_at: Some(now + SignedDuration::from_hours(24 * kind.due_days())),
            detail: detail(&visits),
            ..NewCase::default()
        };
        let number = self.commit_opening(new, remember, None)?;
        self.over.insert(
            of,
            Over {
                number,
                version: 1,
                visits,
            },
        );
        Ok(())
    }

    fn commit_opening(
        &self,
        new: NewCase,
        remember: Change,
        person: Option<PersonId>,
    ) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let kind = new.kind.clone();
        let (change, reference) = casework::opening(now, "system", new)
            .map_err(|error| StoreError::Engine(Box::new(error)))?;
        let mut told = Entry::new(now, Act::Worklist, Outcome::Success, "system");
        told.person = person;
        told.detail = format!("{kind} case {reference} opened");
        let done = self.store.commit(Commit {
            changes: vec![change, remember],
            entry: told,
            more_entries: Vec::new(),
        })?;
        Ok(done.cases.first().copied().unwrap_or_default())
    }
}

/// Somebody who signed in as staff; not a system, and not the person themselves.
fn is_staff(entry: &Entry) -> bool {
    !matches!(
        Role::from_code(&entry.role),
        None | Some(Role::Patient | Role::Proxy)
    )
}
