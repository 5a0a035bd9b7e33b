//! Every look that must be looked at again opens its case in the commit that records the look.
//!
//! The flags of the decision say so (`care_core::review`); here they become a case with a due date.
//! One case a visit and kind, however many pages follow; outside a visit, one an hour.

use care_core::audit::{Act, Entry};
use care_core::review::{Kind, kind_of_flags};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::who_looked::FACTS;
use super::{Answer, Disclosure};
use crate::casework::{self, NewCase};
use crate::store::Change;

/// Keeps from opening a case twice for one visit.
pub(crate) const SPACE: &str = "reviewed";
/// Longer than any visit lasts.
pub(crate) const REMEMBERED: SignedDuration = SignedDuration::from_hours(48);

impl Disclosure {
    /// The changes that open a review of what this entry records; none where none is asked for, or
    /// where it is open already.
    pub(super) fn review(&self, entry: &Entry) -> Answer<Vec<Change>> {
        let Some(kind) = kind_of_flags(&entry.flags) else {
            return Ok(Vec::new());
        };
        // An ordinary page of a watched record belongs to its visit, whose opening was flagged.
        if kind == Kind::Watched && entry.act != Act::OpenVisit {
            return Ok(Vec::new());
        }
        let key = key(entry, kind);
        let now_ms = entry.at.as_millisecond();
        if self.inner.store.keep_get(SPACE, &key, now_ms)?.is_some() {
            return Ok(Vec::new());
        }
        let new = NewCase {
            kind: kind.code().to_owned(),
            person: entry.person,
            about: entry.who.clone(),
            due_at: Some(entry.at + SignedDuration::from_hours(24 * kind.due_days())),
            detail: detail(entry, &[kind.code()], &explanation(entry, kind)),
            ..NewCase::default()
        };
        let (open, _) = casework::opening(entry.at, "system", new)?;
        let remember = Change::Keep {
            space: SPACE,
            key,
            value: Some(Vec::new()),
            expires_ms: now_ms + REMEMBERED.as_millis() as i64,
        };
        Ok(vec![open, remember])
    }
}

fn key(entry: &Entry, kind: Kind) -> String {
    let code = kind.code();
    if entry.visit.is_empty() {
        let hour = entry.at.as_second().div_euclid(3600);
        let person = entry.person.map(|id| id.to_string()).unwrap_or_default();
        return format!("{}|{person}|{code}|{hour}", entry.who);
    }
    format!("{}|{code}", entry.visit)
}

fn explanation(entry: &Entry, kind: Kind) -> String {
    match kind {
        Kind::SelfReported => "The user reported that the wrong record was opened.".to_owned(),
        Kind::RefusedAttempt => format!("The try was refused: {}.", entry.reason),
        other => other.why().to_owned(),
    }
}

/// What the user said; a system states it among the facts of its decision.
fn reason_given(entry: &Entry) -> String {
    if entry.act == Act::Disclose {
        let given: Option<Value> = serde_json::from_str(&entry.detail).ok();
        let why = given.as_ref().and_then(|given| given["why"].as_str());
        return why.unwrap_or_default().to_owned();
    }
    if !entry.detail.is_empty() {
        return entry.detail.clone();
    }
    let facts = entry.trace.iter().find_map(|line| line.strip_prefix(FACTS));
    let facts: Option<Value> = facts.and_then(|facts| serde_json::from_str(facts).ok());
    let said = facts
        .as_ref()
        .and_then(|facts| facts.pointer("/break_glass/reason"));
    said.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a case of review holds of the look it is about. No clinical content: an entry has none.
pub(crate) fn detail(entry: &Entry, rules: &[&str], why: &str) -> Value {
    json!({
        "who": entry.who, "name": entry.who_name, "role": entry.role,
        "organisation": entry.organisation, "visit": entry.visit, "at": entry.at.to_string(),
        "purpose": entry.purpose, "flags": entry.flags, "reason given": reason_given(entry),
        "rules": rules, "why": why,
    })
}
