//! Overrides are reconciled with what the sources recorded later: care near the time supports them.
//! What stays without support is escalated, and escalated again.

use care_core::audit::{Act, Entry, Outcome};
use care_core::review::{Kind, Settings, supports};
use jiff::{SignedDuration, Timestamp};

use crate::casework::{self, Case, CaseChange, CaseFilter};
use crate::identity;
use crate::store::{Commit, Store, StoreError};

/// Cases looked at in one round.
const AT_ONCE: u32 = 2_000;
/// What waits for care to be recorded.
const KINDS: [Kind; 4] = [
    Kind::EmergencyAccess,
    Kind::BestInterests,
    Kind::SelfClaimed,
    Kind::NoEncounter,
];
/// The state of a case that is supported and can be closed.
pub(crate) const RECONCILED: &str = "reconciled";

/// Looks once at every open override; gives how many changed.
pub(crate) fn round(
    store: &dyn Store,
    now: Timestamp,
    settings: &Settings,
) -> Result<usize, StoreError> {
    let kinds = KINDS.map(Kind::code);
    let open = store.cases(&CaseFilter::open_of(&kinds, AT_ONCE).query())?;
    let mut changed = 0;
    for case in open.into_iter().map(casework::case) {
        if case.state == RECONCILED {
            continue;
        }
        let Some(change) = looked_at(store, &case, now, settings)? else {
            continue;
        };
        let mut told = Entry::new(now, Act::Worklist, Outcome::Success, "system");
        told.person = case.person;
        told.detail = format!("{} case {}: {}", case.kind, case.reference, change.note);
        let done = store.commit(Commit {
            changes: vec![casework::changing(
                now,
                "system",
                (case.number, case.version),
                change,
            )],
            entry: told,
            more_entries: Vec::new(),
        });
        match done {
            Ok(_) => changed += 1,
            // Somebody works on it now: the next round looks again.
            Err(StoreError::Stale) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(changed)
}

fn looked_at(
    store: &dyn Store,
    case: &Case,
    now: Timestamp,
    settings: &Settings,
) -> Result<Option<CaseChange>, StoreError> {
    let at = case.text("at").parse().unwrap_or(case.opened_at);
    if let Some(person) = case.person
        && let Some(known) = identity::answering(store, person)?
    {
        let parts = known.row.involvements.iter().map(|(_, part)| part);
        let found = supports(parts, case.text("organisation"), at, settings.near_days);
        if let Some(part) = found {
            return Ok(Some(supported(case, part)));
        }
    }
    Ok(escalated(case, now, settings))
}

fn supported(case: &Case, part: &care_core::vocabulary::Involvement) -> CaseChange {
    let mut detail = case.detail.clone();
    let words = format!("supported by {} of {}", part.kind.code(), part.organisation);
    detail["reconciled"] = words.clone().into();
    CaseChange {
        state: Some(RECONCILED.to_owned()),
        detail: Some(detail),
        note: words,
        ..CaseChange::default()
    }
}

fn escalated(case: &Case, now: Timestamp, settings: &Settings) -> Option<CaseChange> {
    let hours = now.duration_since(case.opened_at).as_hours();
    let done = case.detail["escalated"].as_u64().unwrap_or_default();
    let level = settings
        .escalate_hours
        .iter()
        .filter(|limit| hours >= **limit)
        .count() as u64;
    if level <= done {
        return None;
    }
    let mut detail = case.detail.clone();
    detail["escalated"] = level.into();
    let second = level > 1 && !settings.escalate_to.is_empty();
    Some(CaseChange {
        detail: Some(detail),
        owner: second.then(|| settings.escalate_to.clone()),
        due_at: Some(Some(now + SignedDuration::from_hours(24))),
        note: format!("no care is recorded near the time after {hours} hours: escalated"),
        ..CaseChange::default()
    })
}
