//! Trying NHS numbers one after another is stopped, and somebody is told. Source: promise S16.
//!
//! Counted in memory, by user, over an hour. A restart begins anew; the log keeps every try.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use care_core::audit::Entry;
use care_core::review::Kind;
use jiff::{SignedDuration, Timestamp};

use super::{Answer, Disclosure, DisclosureError, review};
use crate::caller::Caller;
use crate::casework::{self, NewCase};
use crate::store::Change;

/// Numbers one user may try in an hour, found or not.
const MOST_TRIES: usize = 100;
/// Of these, so many may be nobody's.
const MOST_MISSES: usize = 50;
/// At so many of nobody's numbers a privacy officer is told.
const TOLD_AT: usize = 20;
const SPAN: SignedDuration = SignedDuration::from_hours(1);

/// What users tried in the last hour.
#[derive(Default)]
pub(crate) struct Tries(Mutex<HashMap<String, Tried>>);

#[derive(Default)]
struct Tried {
    /// When, and whether somebody was found.
    tries: VecDeque<(Timestamp, bool)>,
    told_at: Option<Timestamp>,
}

impl Tried {
    fn forget(&mut self, now: Timestamp) {
        while self.tries.front().is_some_and(|(at, _)| *at + SPAN <= now) {
            self.tries.pop_front();
        }
    }

    fn misses(&self) -> usize {
        self.tries.iter().filter(|(_, found)| !found).count()
    }
}

impl Tries {
    /// Whether one more may be tried; else the minutes to wait.
    fn may(&self, who: &str, now: Timestamp) -> Result<(), u32> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, tried| {
            tried.forget(now);
            !tried.tries.is_empty()
        });
        let Some(tried) = all.get(who) else {
            return Ok(());
        };
        if tried.tries.len() < MOST_TRIES && tried.misses() < MOST_MISSES {
            return Ok(());
        }
        let oldest = tried.tries.front().map_or(now, |(at, _)| *at);
        let wait = (oldest + SPAN).duration_since(now).as_mins().max(0) + 1;
        Err(u32::try_from(wait).unwrap_or(60))
    }

    /// Notes a try; says how many were nobody's when somebody must be told, once an hour.
    fn note(&self, who: &str, now: Timestamp, found: bool) -> Option<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = all.entry(who.to_owned()).or_default();
        tried.tries.push_back((now, found));
        let misses = tried.misses();
        let told = tried.told_at.is_some_and(|at| at + SPAN > now);
        if misses < TOLD_AT || told {
            return None;
        }
        tried.told_at = Some(now);
        Some(misses)
    }
}

impl Disclosure {
    /// Refuses a user who tried too many numbers.
    pub(super) fn may_try(&self, caller: &Caller) -> Answer<()> {
        if !self.inner.throttle {
            return Ok(());
        }
        let tries = &self.inner.tries;
        tries
            .may(&caller.user.id, self.now())
            .map_err(|minutes| DisclosureError::TooManyTries { minutes })
    }

    /// Notes a try that this entry records; the change, if any, tells a privacy officer.
    pub(super) fn tried(&self, caller: &Caller, entry: &Entry, found: bool) -> Answer<Vec<Change>> {
        let told = self.inner.tries.note(&caller.user.id, entry.at, found);
        let Some(misses) = told.filter(|_| self.inner.throttle) else {
            return Ok(Vec::new());
        };
        let kind = Kind::Guessing;
        let why =
            format!("The user tried {misses} NHS numbers within an hour that are nobody\u{2019}s.");
        let new = NewCase {
            kind: kind.code().to_owned(),
            about: caller.user.id.clone(),
            due_at: Some(entry.at + SignedDuration::from_hours(24 * kind.due_days())),
            detail: review::detail(entry, &[kind.code()], &why),
            note: why,
            ..NewCase::default()
        };
        Ok(vec![casework::opening(entry.at, "system", new)?.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_told_once_and_stopped_and_an_hour_later_forgotten() {
        let start: Timestamp = "2026-10-02T10:00:00Z".parse().expect("a moment");
        let tries = Tries::default();
        let mut told = 0;
        let mut allowed = 0;
        for second in 0..200 {
            let now = start + SignedDuration::from_secs(second);
            if tries.may("clerk", now).is_ok() {
                allowed += 1;
                told += usize::from(tries.note("clerk", now, second % 10 == 0).is_some());
            }
        }
        assert_eq!((allowed, told), (56, 1), "50 of nobody, 6 found between");
        assert_eq!(tries.may("another", start), Ok(()));
        let later = start + SignedDuration::from_mins(62);
        assert_eq!(tries.may("clerk", later), Ok(()));
    }

    #[test]
    fn one_who_finds_people_may_look_for_a_hundred_an_hour() {
        let start: Timestamp = "2026-10-02T10:00:00Z".parse().expect("a moment");
        let tries = Tries::default();
        for _ in 0..100 {
            assert_eq!(tries.may("clerk", start), Ok(()));
            assert_eq!(tries.note("clerk", start, true), None);
        }
        assert_eq!(tries.may("clerk", start), Err(61));
    }
}
