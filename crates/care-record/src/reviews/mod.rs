//! Looks at records that somebody looks at again: the queue, one case with its evidence, and what a
//! reviewer may do. No clinical content: entries of the log hold none, and nothing else is read.
//!
//! Nobody reviews a look of their own. Source: the screen design, G2; promise S14.

mod address;
mod figures;
mod follow;
#[cfg(test)]
mod planted;
pub(crate) mod reconcile;
pub(crate) mod staff;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::review::{Kind, near};
use care_core::vocabulary::{Demographics, NhsNumber, OdsCode, PersonId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub use figures::LookFigures;
pub use staff::StaffMember;

use crate::caller::Caller;
use crate::casework::{
    Case, CaseChange, CaseEvent, CaseFilter, Casework, CaseworkError, NewCase, opening,
};
use crate::disclosure::{Disclosure, DisclosureError};
use crate::record::Inner;
use crate::store::{Commit, StoreError};

/// Entries of one visit that are shown.
const MINUTES: usize = 500;
/// Entries of a user that are looked through for them.
const LOOKED_THROUGH: u32 = 5_000;
/// Other flagged looks that are shown.
const OTHERS: u32 = 20;
/// The user, the organisation and the person answer within this time.
const ANSWER_DAYS: i64 = 5;

/// The door of the reviewers. Cheap to clone.
#[derive(Clone)]
pub struct Reviews {
    inner: Arc<Inner>,
}

/// Why a reviewer got nothing. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub enum ReviewsError {
    /// The look is the reviewer's own.
    #[error("this is your own access; somebody else reviews it")]
    OwnAccess,
    /// What was asked needs a note.
    #[error("say why: a note is needed")]
    NoteNeeded,
    /// This kind is never closed several at once.
    #[error("emergency access and reports of patients are reviewed one by one")]
    OneByOne,
    /// The case is not there, or somebody changed it.
    #[error(transparent)]
    Case(#[from] CaseworkError),
    /// The record did not answer.
    #[error("the record cannot answer now; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ReviewsError {
    fn from(cause: StoreError) -> Self {
        Self::Case(cause.into())
    }
}

impl From<DisclosureError> for ReviewsError {
    fn from(cause: DisclosureError) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

impl From<serde_json::Error> for ReviewsError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

impl From<getrandom::Error> for ReviewsError {
    fn from(cause: getrandom::Error) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

type Answer<T> = Result<T, ReviewsError>;

/// One row of the queue.
#[derive(Debug, Clone)]
pub struct ReviewRow {
    /// The case.
    pub case: Case,
    /// Whom the look was at; never where they are. `None`: nobody in particular.
    pub person: Option<Demographics>,
    /// The look is the reader's own: somebody else reviews it.
    pub own: bool,
}

/// One thing done in a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// When.
    pub at: Timestamp,
    /// What kind of act.
    pub act: Act,
    /// It was refused.
    pub refused: bool,
    /// The page or section.
    pub page: String,
    /// What was said or searched.
    pub detail: String,
}

/// A part in the person's care near the look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Its kind's code: `inpatient`, `appointment` …
    pub kind: &'static str,
    /// The organisation's name.
    pub organisation: String,
    /// It is the user's own organisation.
    pub of_user: bool,
    /// From when.
    pub starts: Option<Timestamp>,
    /// Until when.
    pub ends: Option<Timestamp>,
    /// It holds at the time of the look.
    pub at_the_time: bool,
}

/// Whether a source could be asked for evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The source's name.
    pub source: String,
    /// When it last sent anything.
    pub last_received: Option<Timestamp>,
    /// It sends as agreed and answers for this person; otherwise its silence proves nothing.
    pub answers: bool,
}

/// Everything a reviewer sees of one case.
#[derive(Debug, Clone)]
pub struct ReviewPage {
    /// The row.
    pub row: ReviewRow,
    /// What happened to the case.
    pub events: Vec<CaseEvent>,
    /// The visit, minute by minute, oldest first.
    pub minutes: Vec<Minute>,
    /// There were more than are shown.
    pub more_minutes: bool,
    /// What supports the look.
    pub evidence: Vec<Evidence>,
    /// Which sources could be asked.
    pub asked: Vec<Asked>,
    /// The user's other flagged looks, newest first.
    pub others: Vec<Case>,
    /// The user, as at their last sign-in.
    pub user: Option<StaffMember>,
    /// The name of the user's organisation.
    pub organisation: String,
}

/// What a reviewer does with a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The look was as it should be.
    Expected,
    /// Ask the user; wait for the answer.
    AskUser,
    /// Ask the organisation; wait for the answer.
    AskOrganisation,
    /// It was not: an incident begins. With `true`, the person is told.
    NotAppropriate {
        /// Tell the person.
        tell: bool,
    },
    /// Take it in hand.
    Take,
    /// A note, and nothing else.
    Note,
}

/// What became of closing several cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bulk {
    /// Closed.
    pub closed: usize,
    /// Left: of another kind, the reviewer's own, or changed meanwhile.
    pub left: usize,
}

impl Reviews {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    fn cases(&self) -> Casework {
        Casework::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn door(&self) -> Disclosure {
        Disclosure::new(self.inner.clone())
    }

    /// Cases of the queue with whom they are about. The reading is one entry.
    pub fn list(&self, caller: &Caller, filter: &CaseFilter) -> Answer<Vec<ReviewRow>> {
        let cases = self.cases().list(caller, filter)?;
        cases
            .into_iter()
            .map(|case| self.row(caller, case))
            .collect()
    }

    fn row(&self, caller: &Caller, case: Case) -> Answer<ReviewRow> {
        let person = match case.person {
            Some(person) => self.named(person)?,
            None => None,
        };
        Ok(ReviewRow {
            own: is_own(caller, &case),
            person,
            case,
        })
    }

    /// Who somebody is; `None` where they can be found no longer.
    fn named(&self, person: PersonId) -> Answer<Option<Demographics>> {
        match self.door().named(person) {
            Ok(known) => Ok(Some(known)),
            Err(DisclosureError::NotThere) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// One case with all that helps to judge it. The reading is an entry.
    pub fn open(&self, caller: &Caller, number: u64) -> Answer<ReviewPage> {
        let (case, events) = self.cases().get(caller, number)?;
        if is_own(caller, &case) {
            return Err(ReviewsError::OwnAccess);
        }
        let (minutes, more_minutes) = self.minutes(&case)?;
        let others = CaseFilter {
            about: Some(case.about.clone()),
            sort: crate::Sort::Newest,
            limit: OTHERS,
            ..CaseFilter::default()
        };
        let mut others = match case.about.as_str() {
            "" => Vec::new(),
            _ => self.cases().matching(&others)?,
        };
        others
            .retain(|other| other.number != case.number && Kind::from_code(&other.kind).is_some());
        Ok(ReviewPage {
            events,
            minutes,
            more_minutes,
            evidence: self.evidence(&case)?,
            asked: self.asked(&case)?,
            others,
            user: staff::one(&*self.inner.store, &case.about, self.now())?,
            organisation: self.name_of(case.text("organisation")),
            row: self.row(caller, case)?,
        })
    }

    /// What the user did in the visit; without one, what they did with this person in the hours around.
    fn minutes(&self, case: &Case) -> Answer<(Vec<Minute>, bool)> {
        let Some(person) = case.person else {
            return Ok((Vec::new(), false));
        };
        let (who, visit) = (case.text("who"), case.text("visit"));
        let at: Timestamp = case.text("at").parse().unwrap_or(case.opened_at);
        let (from, until) = (
            at - SignedDuration::from_hours(12),
            at + SignedDuration::from_hours(12),
        );
        let who = (!who.is_empty()).then_some(who);
        let found = self
            .inner
            .store
            .entries_about(Some(person), who, None, LOOKED_THROUGH)?;
        let mut minutes = Vec::new();
        for (_, bytes) in found {
            let entry: Entry = serde_json::from_slice(&bytes)?;
            let belongs = if visit.is_empty() {
                entry.at >= from && entry.at <= until
            } else {
                entry.visit == visit
            };
            if belongs && entry.act != Act::Worklist {
                minutes.push(minute(entry));
            }
        }
        minutes.reverse();
        let more = minutes.len() > MINUTES;
        minutes.truncate(MINUTES);
        Ok((minutes, more))
    }

    fn evidence(&self, case: &Case) -> Answer<Vec<Evidence>> {
        let Some(person) = case.person else {
            return Ok(Vec::new());
        };
        let at: Timestamp = case.text("at").parse().unwrap_or(case.opened_at);
        let row = match self.door().answering(person) {
            Ok((_, row)) => row,
            Err(DisclosureError::NotThere) => return Ok(Vec::new()),
            Err(other) => return Err(other.into()),
        };
        let parts = row.involvements.iter().map(|(_, part)| part);
        let found = near(parts, at, self.inner.review.near_days);
        let evidence = found.iter().map(|near| Evidence {
            kind: near.part.kind.code(),
            organisation: self.name_of(near.part.organisation.as_str()),
            of_user: near.part.organisation.as_str() == case.text("organisation"),
            starts: near.part.starts,
            ends: near.part.ends,
            at_the_time: near.at_the_time,
        });
        Ok(evidence.collect())
    }

    /// Each connected source, with when it last sent and whether its silence means anything.
    fn asked(&self, case: &Case) -> Answer<Vec<Asked>> {
        let activity = self.inner.store.source_activity(None)?;
        let flags = match case.person {
            Some(person) => self.door().answering(person).map_or_else(
                // Who can be found no longer has no flags.
                |_| Vec::new(),
                |(_, row)| row.flags,
            ),
            None => Vec::new(),
        };
        let now = self.now();
        let sources = self.inner.directory.sources().iter();
        let asked = sources.filter(|source| source.connected).map(|source| {
            let ods = &source.organisation.ods;
            let seen = activity.iter().find(|one| one.source == *ods);
            let last_received = seen.and_then(|one| one.last_received);
            let silent = SignedDuration::from_mins(3 * i64::from(source.agreed_interval_minutes));
            let lately = last_received.is_some_and(|at| now.duration_since(at) <= silent);
            let down = flags
                .iter()
                .any(|(flag, _)| *flag == format!("unavailable:{ods}"));
            Asked {
                source: source.organisation.name.clone(),
                last_received,
                answers: lately && !down,
            }
        });
        Ok(asked.collect())
    }

    fn name_of(&self, code: &str) -> String {
        OdsCode::parse(code)
            .ok()
            .and_then(|ods| self.inner.directory.organisation(&ods))
            .map_or_else(|| code.to_owned(), |found| found.name.clone())
    }

    /// Does something with a case that was read as `version`.
    pub fn act(
        &self,
        caller: &Caller,
        number: u64,
        version: u32,
        action: Action,
        note: &str,
    ) -> Answer<Case> {
        let case = self.cases().held(number)?;
        if is_own(caller, &case) {
            return Err(ReviewsError::OwnAccess);
        }
        let note = note.trim();
        let needs_note = !matches!(action, Action::Expected | Action::Take);
        if needs_note && note.is_empty() {
            return Err(ReviewsError::NoteNeeded);
        }
        let now = self.now();
        let waits = Some(Some(now + SignedDuration::from_hours(24 * ANSWER_DAYS)));
        let mut change = CaseChange {
            note: note.to_owned(),
            owner: Some(caller.user.id.clone()),
            ..CaseChange::default()
        };
        let mut more = Vec::new();
        match action {
            Action::Expected => change.state = Some("closed-expected".to_owned()),
            Action::AskUser => {
                change.state = Some("asked-user".to_owned());
                change.due_at = waits;
            }
            Action::AskOrganisation => {
                change.state = Some("asked-organisation".to_owned());
                change.due_at = waits;
            }
            Action::NotAppropriate { tell } => {
                let (incident, reference) =
                    opening(now, &caller.user.id, incident(&case, tell, note, now))?;
                let mut detail = case.detail.clone();
                detail["incident"] = reference.into();
                change.detail = Some(detail);
                change.state = Some("closed-not-appropriate".to_owned());
                more.push(incident);
            }
            Action::Take => change.note = String::new(),
            Action::Note => change.owner = None,
        }
        Ok(self
            .cases()
            .change_with(caller, number, version, change, more)?)
    }

    /// Closes these cases of one kind as expected, with one note. Refuses kinds that are looked at one
    /// by one; cases of other kinds, and the reviewer's own, are left.
    pub fn close_as_expected(
        &self,
        caller: &Caller,
        kind: Kind,
        numbers: &[u64],
        note: &str,
    ) -> Answer<Bulk> {
        if !kind.may_close_in_bulk() {
            return Err(ReviewsError::OneByOne);
        }
        if note.trim().is_empty() {
            return Err(ReviewsError::NoteNeeded);
        }
        let mut bulk = Bulk::default();
        for number in numbers {
            let case = self.cases().held(*number)?;
            let mine = is_own(caller, &case);
            if case.kind != kind.code() || mine || case.is_closed() {
                bulk.left += 1;
                continue;
            }
            match self.act(caller, *number, case.version, Action::Expected, note) {
                Ok(_) => bulk.closed += 1,
                Err(ReviewsError::Case(CaseworkError::Stale)) => bulk.left += 1,
                Err(other) => return Err(other),
            }
        }
        Ok(bulk)
    }

    /// The person with this NHS number, for a search in the log. The look-up is an entry.
    pub fn person(&self, caller: &Caller, number: NhsNumber) -> Answer<Option<PersonId>> {
        let found = self.door().person_of_case(number)?;
        let mut told = Entry::new(self.now(), Act::Worklist, Outcome::Success, &caller.user.id);
        told.who_name.clone_from(&caller.user.name);
        told.role = caller.user.role.code().to_owned();
        told.organisation = caller.user.organisation.as_str().to_owned();
        told.page = "audit search".to_owned();
        told.person = found;
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry: told,
            more_entries: Vec::new(),
        })?;
        Ok(found)
    }

    /// Who somebody is, for the head of a report; never where they are.
    pub fn who_is(&self, person: PersonId) -> Answer<Option<Demographics>> {
        self.named(person)
    }

    /// A staff user, as at their last sign-in.
    pub fn staff(&self, id: &str) -> Answer<Option<StaffMember>> {
        Ok(staff::one(&*self.inner.store, id, self.now())?)
    }

    /// What a reviewer asks this user and waits for.
    pub fn questions(&self, caller: &Caller) -> Answer<Vec<(Case, String)>> {
        let filter = CaseFilter {
            about: Some(caller.user.id.clone()),
            states: vec!["asked-user".to_owned()],
            limit: OTHERS,
            ..CaseFilter::default()
        };
        let cases = self.cases().list(caller, &filter)?;
        cases
            .into_iter()
            .map(|case| {
                let events = self.inner.store.case_events(case.number)?;
                let asked = events
                    .iter()
                    .rev()
                    .find(|event| event.state == "asked-user");
                let said = asked.map_or_else(String::new, |event| event.note.clone());
                Ok((case, said))
            })
            .collect()
    }

    /// The user's own answer to a reviewer's question.
    pub fn answer(&self, caller: &Caller, number: u64, said: &str) -> Answer<Case> {
        let case = self.cases().held(number)?;
        if case.about != caller.user.id || case.state != "asked-user" {
            return Err(CaseworkError::NoCase.into());
        }
        if said.trim().is_empty() {
            return Err(ReviewsError::NoteNeeded);
        }
        let change = CaseChange {
            state: Some("answered".to_owned()),
            due_at: Some(Some(self.now() + SignedDuration::from_hours(24))),
            note: said.trim().to_owned(),
            ..CaseChange::default()
        };
        Ok(self.cases().change(caller, number, case.version, change)?)
    }

    /// Opens a review case at once for a pattern that a face sees, such as guessing; once an hour for
    /// each user.
    pub fn alert(&self, caller: &Caller, kind: Kind, why: &str) -> Answer<()> {
        let now = self.now();
        let mut told = Entry::new(now, Act::Find, Outcome::Denied, &caller.user.id);
        told.who_name.clone_from(&caller.user.name);
        told.role = caller.user.role.code().to_owned();
        told.organisation = caller.user.organisation.as_str().to_owned();
        told.detail = why.to_owned();
        let new = NewCase {
            kind: kind.code().to_owned(),
            about: caller.user.id.clone(),
            due_at: Some(now + SignedDuration::from_hours(24 * kind.due_days())),
            detail: crate::disclosure::review::detail(&told, &[kind.code()], why),
            note: why.to_owned(),
            ..NewCase::default()
        };
        let (change, _) = opening(now, "system", new)?;
        self.inner.store.commit(Commit {
            changes: vec![change],
            entry: told,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

/// Whether a case is about a look of the reader's own.
fn is_own(caller: &Caller, case: &Case) -> bool {
    !case.about.is_empty() && case.about == caller.user.id
}

fn minute(entry: Entry) -> Minute {
    Minute {
        at: entry.at,
        act: entry.act,
        refused: entry.outcome != Outcome::Success,
        page: entry.page,
        detail: entry.detail,
    }
}

fn incident(case: &Case, tell: bool, note: &str, now: Timestamp) -> NewCase {
    NewCase {
        kind: "incident".to_owned(),
        person: case.person,
        about: case.about.clone(),
        due_at: Some(now + SignedDuration::from_hours(72)),
        detail: json!({
            "review": case.reference, "tell the person": tell, "who": case.text("who"),
            "name": case.text("name"), "role": case.text("role"),
            "organisation": case.text("organisation"), "at": case.text("at"), "why": note,
        }),
        note: note.to_owned(),
        ..NewCase::default()
    }
}
