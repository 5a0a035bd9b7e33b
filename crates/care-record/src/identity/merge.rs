//! A source says that two records are one person (A34, A40).
//!
//! A join changes who answers and nothing else: items, identifiers and choices stay where they are,
//! so undoing it leaves nothing behind (H03). What speaks against it goes to a steward.

use care_core::mapping::Subject;
use care_core::patient_index::{Basis, merge_doubts};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;
use serde_json::json;

use super::candidates::{by_local_id, candidate, own_identifiers};
use super::identify::{Identified, Sender};
use super::{Answering, answering, new_person_id};
use crate::choices::Choice;
use crate::store::{Change, NewWorklist, Store, StoreError};
use crate::worklists::WorklistKind;

/// What follows from the statement.
pub(crate) struct Merge {
    pub changes: Vec<Change>,
    pub worklist: Vec<NewWorklist>,
    /// Who was joined into whom, if anybody.
    pub joined: Option<(PersonId, PersonId)>,
}

/// The changes that join the record of `prior` to the one that was just identified.
pub(crate) fn merge(
    store: &dyn Store,
    sender: Sender<'_>,
    identified: &Identified,
    prior: &Subject,
    now: Timestamp,
) -> Result<Merge, StoreError> {
    let mut merge = Merge {
        changes: Vec::new(),
        worklist: Vec::new(),
        joined: None,
    };
    let review = |why: &[&str], other: Option<PersonId>| NewWorklist {
        kind: WorklistKind::MergeReview.code().to_owned(),
        feed: sender.feed.to_owned(),
        delivery: None,
        person: Some(identified.person),
        opened_at: now,
        detail: json!({ "why": why, "survivor": identified.person.to_string(),
                        "other": other.map(|other| other.to_string()) })
        .to_string()
        .into_bytes(),
    };
    let found = by_local_id(store, sender.source, prior)?;
    let mut roots: Vec<PersonId> = found.iter().map(|one| one.candidate.root).collect();
    roots.sort_unstable();
    roots.dedup();
    let survivor = answering(store, identified.person)?;
    let into = survivor
        .as_ref()
        .map_or(identified.person, |known| known.person);
    match (identified.doubt, roots.as_slice()) {
        (Some(_), _) => merge
            .worklist
            .push(review(&["survivor-is-doubtful"], roots.first().copied())),
        (None, []) => unknown_prior(sender, prior, into, &mut merge)?,
        (None, [one]) if *one == into => {}
        (None, [one]) => {
            let doubts = doubts(store, survivor.as_ref(), *one)?;
            if doubts.is_empty() {
                join(store, *one, into, survivor.as_ref(), &review, &mut merge)?;
            } else {
                merge.worklist.push(review(&doubts, Some(*one)));
            }
        }
        (None, many) => merge
            .worklist
            .push(review(&["several-records-fit"], many.first().copied())),
    }
    Ok(merge)
}

/// Nothing was ever sent under the number that gives way: it gets a record of its own, joined, so
/// that a message still on its way finds it and the join can be undone like any other.
fn unknown_prior(
    sender: Sender<'_>,
    prior: &Subject,
    into: PersonId,
    merge: &mut Merge,
) -> Result<(), StoreError> {
    let identifiers = own_identifiers(sender.source, prior);
    if identifiers.is_empty() {
        return Ok(());
    }
    let person = new_person_id()?;
    merge.changes.push(Change::NewPerson { person });
    for (system, value) in identifiers {
        merge.changes.push(Change::Identifier {
            person,
            system,
            value,
            source: sender.source.clone(),
            unique: true,
        });
    }
    merge.changes.push(Change::Join {
        from: person,
        into: Some(into),
    });
    merge.joined = Some((person, into));
    Ok(())
}

fn doubts(
    store: &dyn Store,
    survivor: Option<&Answering>,
    prior: PersonId,
) -> Result<Vec<&'static str>, StoreError> {
    let (Some(survivor), Some(prior)) = (survivor, answering(store, prior)?) else {
        return Ok(Vec::new());
    };
    let doubts = merge_doubts(
        &candidate(survivor.person, Basis::LocalId, survivor),
        &candidate(prior.person, Basis::LocalId, &prior),
    );
    Ok(doubts.into_iter().map(|doubt| doubt.code()).collect())
}

fn join(
    store: &dyn Store,
    from: PersonId,
    into: PersonId,
    survivor: Option<&Answering>,
    review: &dyn Fn(&[&str], Option<PersonId>) -> NewWorklist,
    merge: &mut Merge,
) -> Result<(), StoreError> {
    let theirs = answering(store, from)?.and_then(|known| known.row.choice);
    let ours = survivor.and_then(|known| known.row.choice.clone());
    if !same_choice(ours.as_deref(), theirs.as_deref()) {
        merge.worklist.push(review(&["choices-differ"], Some(from)));
    }
    merge.changes.push(Change::Join {
        from,
        into: Some(into),
    });
    merge.joined = Some((from, into));
    Ok(())
}

pub(super) fn same_choice(ours: Option<&[u8]>, theirs: Option<&[u8]>) -> bool {
    match (ours, theirs) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => {
            match (Choice::from_bytes(ours), Choice::from_bytes(theirs)) {
                (Ok(ours), Ok(theirs)) => ours.forbids_as(&theirs),
                _ => false,
            }
        }
        _ => false,
    }
}
