//! Makes a prepared commit's texts fit PostgreSQL, on the caller's thread. See [`super::row::text`].

use std::borrow::Cow;

use super::row::text;
use crate::store::prepare::{Prepared, PreparedChange};

/// Replaces characters that PostgreSQL's texts cannot hold.
pub(super) fn clean(prepared: &mut Prepared) {
    for entry in &mut prepared.entries {
        fit([&mut entry.who]);
    }
    for change in &mut prepared.changes {
        clean_change(change);
    }
}

fn fit<'a>(texts: impl IntoIterator<Item = &'a mut String>) {
    for given in texts {
        if let Cow::Owned(fitting) = text(given) {
            *given = fitting;
        }
    }
}

fn clean_change(change: &mut PreparedChange) {
    match change {
        PreparedChange::Delivery(prepared) => {
            let new = &mut prepared.delivery;
            fit([
                &mut new.feed,
                &mut new.sender,
                &mut new.control_id,
                &mut new.kind,
                &mut new.status,
                &mut new.issues,
            ]);
        }
        PreparedChange::Identifier { system, value, .. } => fit([system, value]),
        PreparedChange::Details(details) => fit([
            &mut details.family,
            &mut details.given,
            &mut details.birth_date,
            &mut details.gender,
            &mut details.postcode,
            &mut details.phonetic_family,
        ]),
        PreparedChange::Involvement { involvement, .. } => fit([&mut involvement.source_key]),
        PreparedChange::PersonFlag { flag, value, .. } => {
            fit([flag]);
            fit(value);
        }
        PreparedChange::Worklist(row) => fit([&mut row.kind, &mut row.feed]),
        PreparedChange::WorklistState { state, note, .. } => fit([state, note]),
        PreparedChange::OpenCase(case) => fit([
            &mut case.kind,
            &mut case.reference,
            &mut case.about,
            &mut case.owner,
            &mut case.who,
            &mut case.note,
        ]),
        PreparedChange::ChangeCase(change) => {
            fit([&mut change.who, &mut change.note]);
            fit(&mut change.state);
            fit(&mut change.owner);
        }
        PreparedChange::KeepOnce { key, .. } | PreparedChange::Keep { key, .. } => fit([key]),
        PreparedChange::Item(_)
        | PreparedChange::NewPerson { .. }
        | PreparedChange::Choice { .. }
        | PreparedChange::Join { .. } => {}
    }
}
