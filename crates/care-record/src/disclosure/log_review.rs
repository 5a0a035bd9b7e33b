//! The log for its reviewers: privacy officers and Caldicott Guardians, for the purpose `audit_review`.
//!
//! They read who did what, and nothing of what the record says. Each reading is an entry too, so that
//! reviewers are reviewed.

use care_core::access;
use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{PersonId, Purpose};
use jiff::{Span, Timestamp};

use super::asking::Why;
use super::gather::Gathered;
use super::{
    Answer, Disclosed, Disclosure, DisclosureError, FhirAsk, Refusal, decided_entry, entry,
};
use crate::caller::Caller;

/// Entries read from the log at a time.
const AT_ONCE: u32 = 500;
/// Entries looked through for one page; what is left follows on the next.
const MOST_LOOKED_AT: usize = 20_000;

/// What a reviewer looks for. Everything given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogAsk {
    /// The person it is about, by our key.
    pub person: Option<PersonId>,
    /// The user who acted.
    pub who: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Any of these acts; empty: all.
    pub acts: Vec<Act>,
    /// In this role, by its code.
    pub role: Option<String>,
    /// Of this organisation, by its code.
    pub organisation: Option<String>,
    /// For this purpose, by its code.
    pub purpose: Option<String>,
    /// Of this page or section.
    pub section: Option<String>,
    /// One of the actions of a FHIR AuditEvent: `R`, `E`, `C`, `U`.
    pub action: Option<String>,
    /// One of its outcomes: `0`, `4`, `8`.
    pub outcome: Option<String>,
    /// Only entries before this number: the next page.
    pub before: Option<u64>,
    /// At most so many.
    pub count: usize,
}

impl LogAsk {
    fn fits(&self, entry: &Entry) -> bool {
        let action = care_core::audit_event::action(entry);
        let outcome = care_core::audit_event::outcome(entry);
        let is = |asked: &Option<String>, held: &str| asked.as_deref().is_none_or(|it| it == held);
        (self.acts.is_empty() || self.acts.contains(&entry.act))
            && is(&self.role, &entry.role)
            && is(&self.organisation, &entry.organisation)
            && is(&self.purpose, &entry.purpose)
            && is(&self.section, &entry.page)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.until.is_none_or(|until| entry.at < until)
            && self.action.as_deref().is_none_or(|asked| asked == action)
            && self.outcome.as_deref().is_none_or(|asked| asked == outcome)
    }

    /// Clocks may be put back a little; entries a day older than asked for are the end of the search.
    fn is_past(&self, entry: &Entry) -> bool {
        let end = self
            .from
            .and_then(|from| from.checked_sub(Span::new().hours(24)).ok());
        end.is_some_and(|end| entry.at < end)
    }

    /// What was asked, for the log: our keys and codes, never a name.
    fn words(&self) -> String {
        let mut words = String::from("GET AuditEvent?");
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.push_str(&format!("{name}={value}&"));
            }
        };
        add("agent", self.who.clone());
        add("role", self.role.clone());
        add("organisation", self.organisation.clone());
        add("purpose", self.purpose.clone());
        add("section", self.section.clone());
        add("from", self.from.map(|at| at.to_string()));
        add("until", self.until.map(|at| at.to_string()));
        add("action", self.action.clone());
        add("outcome", self.outcome.clone());
        words.pop();
        words
    }
}

/// An entry with its number.
pub type RecordedEntry = (u64, Entry);

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// The entries.
    pub entries: Vec<RecordedEntry>,
    /// Where the next page begins.
    pub next: Option<u64>,
}

impl Disclosure {
    /// Entries that fit, newest first.
    pub fn review_log(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        wanted: &LogAsk,
    ) -> Answer<Disclosed<LogPage>> {
        let mut reading = self.reviewer(caller, ask, wanted.person, &wanted.words())?;
        let page = self.looked_through(wanted)?;
        reading.detail = match (page.entries.first(), page.entries.last()) {
            (Some((newest, _)), Some((oldest, _))) => {
                format!("{} entries, {oldest} to {newest}", page.entries.len())
            }
            _ => "none found".to_owned(),
        };
        self.disclose(Vec::new(), reading, page)
    }

    /// The entry of this number.
    pub fn review_entry(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        number: u64,
    ) -> Answer<Disclosed<RecordedEntry>> {
        let mut reading = self.reviewer(caller, ask, None, "GET AuditEvent")?;
        reading.detail = format!("entry {number}");
        let found = self.recorded_entry(number)?;
        reading.person = found.as_ref().and_then(|entry| entry.person);
        let disclosed = self.disclose(Vec::new(), reading, found)?;
        let entry = disclosed.entry();
        let found = disclosed.into_inner().ok_or(DisclosureError::NotThere)?;
        Ok(Disclosed::after(entry, (number, found)))
    }

    /// The entry of this number, if there is one.
    pub(super) fn recorded_entry(&self, number: u64) -> Answer<Option<Entry>> {
        let found = self.inner.store.entries(number, 1)?;
        let found = found.into_iter().find(|(held, _)| *held == number);
        Ok(found
            .map(|(_, bytes)| serde_json::from_slice(&bytes))
            .transpose()?)
    }

    /// Asks the rules whether this is a reviewer; gives the entry of the reading. With a person, the
    /// whole decision about them is made and recorded.
    pub(super) fn reviewer(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        person: Option<PersonId>,
        page: &str,
    ) -> Answer<Entry> {
        let asked = Why::Stated(ask.stated.clone()).asked(caller.user.role);
        let mut reading = match person {
            Some(person) => {
                let gathered = self.gather(caller, person, &asked)?;
                let mut reading = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
                reading.trace.push(self.recorded(&gathered));
                reading.page = page.to_owned();
                if gathered.decision.view().is_none() || is_self(&gathered) {
                    reading.outcome = Outcome::Denied;
                    return Err(self.refuse(&gathered, reading));
                }
                reading
            }
            None => entry(self.now(), Act::ApiRead, Outcome::Success, caller),
        };
        reading.page = page.to_owned();
        reading.purpose = asked
            .purpose
            .map_or("not-permitted", Purpose::code)
            .to_owned();
        let may = access::may_review_log(caller.user.role, asked.purpose);
        if !may || ask.only_person.is_some() && person.is_none() {
            reading.outcome = Outcome::Denied;
            reading.reason = "role-not-permitted-for-purpose".to_owned();
            self.disclose(Vec::new(), reading, ())?;
            let reason = access::Reason::RoleNotPermitted;
            let told = Refusal::of(reason, self.settings(), false);
            return Err(DisclosureError::Refused(told));
        }
        Ok(reading)
    }

    fn looked_through(&self, wanted: &LogAsk) -> Answer<LogPage> {
        let mut page = LogPage::default();
        let (mut before, mut looked_at) = (wanted.before, 0);
        loop {
            let store = &self.inner.store;
            let found =
                store.entries_about(wanted.person, wanted.who.as_deref(), before, AT_ONCE)?;
            let last_of_all = found.len() < AT_ONCE as usize;
            for (number, bytes) in found {
                let entry: Entry = serde_json::from_slice(&bytes)?;
                if wanted.is_past(&entry) {
                    return Ok(page);
                }
                if page.entries.len() >= wanted.count || looked_at >= MOST_LOOKED_AT {
                    page.next = before;
                    return Ok(page);
                }
                (before, looked_at) = (Some(number), looked_at + 1);
                if wanted.fits(&entry) {
                    page.entries.push((number, entry));
                }
            }
            if last_of_all {
                return Ok(page);
            }
        }
    }
}

/// A reviewer does not review who looked at the reviewer's own record: somebody else does.
fn is_self(gathered: &Gathered) -> bool {
    gathered.facts.user.is_the_patient
}
