//! Looks that are held back from the person for a set time, because telling could cause harm. Held
//! ones leave no gap: no line, no count, no number, no "was not opened". When the time ends they are
//! told. Only an IG lead or Caldicott Guardian holds, never a look of their own; each is an act.
//!
//! Source: screens, section 9 (M3).

use std::collections::HashSet;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{PersonId, Role};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::gather::Gathered;
use super::who_looked::everybody;
use super::{Answer, Disclosed, Disclosure, DisclosureError, Refusal, entry};
use crate::caller::Caller;
use crate::store::Change;

/// Where held looks are kept.
pub(crate) const HELD_LOOKS: &str = "held-look";
const SPACE: &str = HELD_LOOKS;
/// Nothing is held longer than this without being looked at again.
const LONGEST: SignedDuration = SignedDuration::from_hours(365 * 24);
const AT_MOST: u32 = 1_000;

/// A look that is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLook {
    /// The number of the entry that was named.
    pub entry: u64,
    /// Until when.
    pub until: Timestamp,
    /// By whom: a user id.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Why, for reviewers.
    pub reason: String,
}

/// What is held back of one person's log.
#[derive(Debug, Default)]
pub(super) struct Marks(HashSet<String>);

impl Marks {
    /// Whether this entry is held back.
    pub fn holds(&self, number: u64, entry: &Entry) -> bool {
        !self.0.is_empty() && self.0.contains(&mark(number, entry))
    }

    /// Whether a visit is held back, by the name it has in the log.
    pub fn holds_visit(&self, visit: &str) -> bool {
        self.0.contains(&format!("visit|{visit}"))
    }
}

/// A visit is held whole, anything else by its entry.
fn mark(number: u64, entry: &Entry) -> String {
    if entry.visit.is_empty() {
        format!("entry|{number}")
    } else {
        format!("visit|{}", entry.visit)
    }
}

impl Disclosure {
    /// Holds a look back until a moment, at most a year away. The entry is any of the look's.
    pub fn hold_look(
        &self,
        caller: &Caller,
        number: u64,
        until: Timestamp,
        reason: &str,
    ) -> Answer<Disclosed<()>> {
        let now = self.now();
        self.may_hold(caller)?;
        let (held, person) = self.entry_to_hold(number)?;
        if reason.trim().is_empty() {
            return Err(DisclosureError::Unclear("Say why telling could cause harm"));
        }
        if until <= now || until > now.saturating_add(LONGEST).unwrap_or(until) {
            return Err(DisclosureError::Unclear(
                "Choose a day after today and within a year",
            ));
        }
        if held.who == caller.user.id || held.person == self.own_key(caller)? {
            return Err(DisclosureError::Unclear(
                "Somebody else must hold back a look of your own, or at your own record",
            ));
        }
        let kept = HeldLook {
            entry: number,
            until,
            by: caller.user.id.clone(),
            since: now,
            reason: reason.trim().to_owned(),
        };
        let change = keep(person, &mark(number, &held), &kept)?;
        let mut told = entry(now, Act::Admin, Outcome::Success, caller);
        told.person = Some(person);
        told.page = "hold".to_owned();
        told.detail = format!("entry {number} is held back until {until}");
        self.disclose(vec![change], told, ())
    }

    /// Tells a look that was held back, from now on.
    pub fn release_look(&self, caller: &Caller, number: u64) -> Answer<Disclosed<()>> {
        self.may_hold(caller)?;
        let (held, person) = self.entry_to_hold(number)?;
        let key = format!("{person}|{}", mark(number, &held));
        let now_ms = self.now().as_millisecond();
        if self.inner.store.keep_get(SPACE, &key, now_ms)?.is_none() {
            return Err(DisclosureError::NotThere);
        }
        let change = Change::Keep {
            space: SPACE,
            key,
            value: None,
            expires_ms: 0,
        };
        let mut told = entry(self.now(), Act::Admin, Outcome::Success, caller);
        told.person = Some(person);
        told.page = "hold".to_owned();
        told.detail = format!("entry {number} is told again");
        self.disclose(vec![change], told, ())
    }

    /// What is held back about a person now, newest first.
    pub fn held_looks(
        &self,
        caller: &Caller,
        person: PersonId,
    ) -> Answer<Disclosed<Vec<HeldLook>>> {
        self.may_hold(caller)?;
        let (person, row) = self.answering(person)?;
        let mut all = Vec::new();
        for one in std::iter::once(person).chain(row.joined) {
            all.extend(self.held(one)?.into_iter().map(|(_, held)| held));
        }
        all.sort_by_key(|held| std::cmp::Reverse(held.since));
        let mut told = entry(self.now(), Act::Admin, Outcome::Success, caller);
        told.person = Some(person);
        told.page = "holds".to_owned();
        self.disclose(Vec::new(), told, all)
    }

    /// The change that holds back, in the commit that makes it, an act known by this visit name: a
    /// disclosure gives its entry a name of its own there.
    pub(crate) fn hold_change(
        &self,
        person: PersonId,
        visit: &str,
        (until, by, reason): (Timestamp, &str, &str),
    ) -> Answer<Change> {
        let kept = HeldLook {
            entry: 0,
            until,
            by: by.to_owned(),
            since: self.now(),
            reason: reason.to_owned(),
        };
        keep(person, &format!("visit|{visit}"), &kept)
    }

    /// What is held back of this person's log, and of those joined into them.
    pub(super) fn held_marks(&self, gathered: &Gathered) -> Answer<Marks> {
        let mut marks = Marks::default();
        for person in everybody(gathered) {
            marks
                .0
                .extend(self.held(person)?.into_iter().map(|(mark, _)| mark));
        }
        Ok(marks)
    }

    fn held(&self, person: PersonId) -> Answer<Vec<(String, HeldLook)>> {
        let prefix = format!("{person}|");
        let now_ms = self.now().as_millisecond();
        let kept = self
            .inner
            .store
            .keep_list(SPACE, &prefix, now_ms, AT_MOST)?;
        kept.into_iter()
            .map(|(key, bytes)| {
                let mark = key.strip_prefix(&prefix).unwrap_or_default().to_owned();
                Ok((mark, serde_json::from_slice(&bytes)?))
            })
            .collect()
    }

    fn may_hold(&self, caller: &Caller) -> Answer<()> {
        if matches!(
            caller.user.role,
            Role::PrivacyOfficer | Role::CaldicottGuardian
        ) {
            return Ok(());
        }
        let mut told = entry(self.now(), Act::Admin, Outcome::Denied, caller);
        told.page = "hold".to_owned();
        told.reason = "role-not-permitted-for-purpose".to_owned();
        self.disclose(Vec::new(), told, ())?;
        Err(DisclosureError::Refused(Refusal::NotForYourRole))
    }

    fn entry_to_hold(&self, number: u64) -> Answer<(Entry, PersonId)> {
        let found = self.inner.store.entries(number, 1)?;
        let Some((found, bytes)) = found.into_iter().next() else {
            return Err(DisclosureError::NotThere);
        };
        let entry: Entry = serde_json::from_slice(&bytes)?;
        match entry.person {
            Some(person) if found == number => Ok((entry, person)),
            _ => Err(DisclosureError::NotThere),
        }
    }

    /// The record of the user's own, where one is known.
    fn own_key(&self, caller: &Caller) -> Answer<Option<PersonId>> {
        match caller.user.own_number {
            Some(number) => self.holder(number),
            None => Ok(None),
        }
    }
}

fn keep(person: PersonId, mark: &str, held: &HeldLook) -> Answer<Change> {
    Ok(Change::Keep {
        space: SPACE,
        key: format!("{person}|{mark}"),
        value: Some(serde_json::to_vec(held)?),
        expires_ms: held.until.as_millisecond(),
    })
}
