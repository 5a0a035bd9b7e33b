//! The journal of decisions: what people and sources decided about who may see what, kept in a file
//! beside the record, so that a record which is restored from a backup does not forget it.
//!
//! A decision is in the journal before it is in the record, and in both before it is answered. A record
//! that is older than its journal does not open until what it lacks is kept again ([`replay`]), or
//! somebody says, and it is written down, that it is left out.
//!
//! What counts as a decision is said here and nowhere else: choices, flags, joins, labels that protect, who
//! acts for whom, who may sign in, and what an app was allowed; with whatever says whose they are, so that a
//! person who comes again is the same person. Bodies are never in the journal.
//! Source: hazard H34 (docs/safety/hazard-log.md); docs/how-to/run-it.md.

mod journal;
mod replay;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use care_core::vocabulary::Sensitivity;
use serde::{Deserialize, Serialize};

pub(crate) use self::journal::{Journal, JournalError, NAME_KEY, NAME_SPACE, ToDecide};
pub(crate) use self::replay::take_up;
use crate::store::{Change, PutItem};

/// What happens with decisions that are later than the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LaterDecisions {
    /// The record does not open.
    #[default]
    Refuse,
    /// They are kept again before it opens.
    Replay,
    /// They are left out, and that is written into the audit log.
    LeaveOut,
}

/// What became of decisions that were later than the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeptAgain {
    /// Decisions that hold again.
    pub kept: u64,
    /// Decisions with nothing to hold on: labels of items that came after the backup, and come again with
    /// their labels.
    pub without_effect: u64,
    /// Decisions that were left out on purpose.
    pub left_out: u64,
}

/// Kept values that are decisions; every other kept value is work, or ends by itself.
const SPACES: &[&str] = &[
    // Who acts for whom, and invitations that were used.
    "proxy",
    "proxy-holder",
    "proxy-invitation-used",
    // Who may sign in, in which roles.
    "staff-user",
    "staff-group",
    // What apps were allowed, and tokens that were taken back.
    "app-grant",
    "app-taken-back",
    "app-used",
    // How a person wants to be told, and looks that are kept from them.
    "own-settings",
    "held-look",
    // Choices of people who are not here yet, and the numbers of choices.
    "choice-waiting",
    "choice-number",
    // Whose a deleted thing was.
    "rest-deleted",
];

/// One decision, or what says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Decision {
    Person {
        person: u64,
    },
    Identifier {
        person: u64,
        system: String,
        value: String,
        source: String,
        unique: bool,
    },
    Details(Box<Details>),
    Flag {
        person: u64,
        flag: String,
        value: Option<String>,
    },
    Choice {
        person: u64,
        /// Base64 of its bytes.
        choice: String,
    },
    Join {
        from: u64,
        into: Option<u64>,
    },
    Kept {
        space: String,
        key: String,
        /// Base64 of its bytes.
        value: Option<String>,
        expires_ms: i64,
        once: bool,
    },
    Label(Label),
}

/// A person's details as one source sent them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    person: u64,
    source: String,
    event_at: i64,
    family: String,
    given: String,
    birth_date: String,
    gender: String,
    postcode: String,
    phonetic_family: String,
}

/// The labels of an item that is protected, withdrawn or deleted; never its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    /// `None` for a thing about nobody.
    person: Option<u64>,
    kind: u16,
    item: u64,
    source: String,
    category: String,
    sensitivity: String,
    gp_sourced: bool,
    withdrawn: bool,
    deleted: bool,
}

impl Decision {
    /// Whether it protects by itself. The others only say whose a decision is: they may follow to the disk
    /// with the next that does.
    fn protects(&self) -> bool {
        !matches!(
            self,
            Self::Person { .. } | Self::Identifier { .. } | Self::Details(_)
        )
    }

    /// Whom it is about.
    fn person(&self) -> Option<u64> {
        match self {
            Self::Person { person }
            | Self::Identifier { person, .. }
            | Self::Flag { person, .. }
            | Self::Choice { person, .. } => Some(*person),
            Self::Details(details) => Some(details.person),
            Self::Join { from, into } => Some(into.unwrap_or(*from)),
            Self::Label(label) => label.person,
            Self::Kept { .. } => None,
        }
    }
}

/// What of these changes is a decision.
pub(crate) fn among(changes: &[Change]) -> Vec<Decision> {
    changes.iter().filter_map(decision).collect()
}

fn decision(change: &Change) -> Option<Decision> {
    Some(match change {
        Change::NewPerson { person } => Decision::Person { person: person.0 },
        Change::Identifier {
            person,
            system,
            value,
            source,
            unique,
        } => Decision::Identifier {
            person: person.0,
            system: system.clone(),
            value: value.clone(),
            source: source.to_string(),
            unique: *unique,
        },
        Change::Details {
            event_at,
            person,
            source,
            family,
            given,
            birth_date,
            gender,
            postcode,
            phonetic_family,
        } => Decision::Details(Box::new(Details {
            person: person.0,
            source: source.to_string(),
            event_at: event_at.as_microsecond(),
            family: family.clone(),
            given: given.clone(),
            birth_date: birth_date.clone(),
            gender: gender.clone(),
            postcode: postcode.clone(),
            phonetic_family: phonetic_family.clone(),
        })),
        Change::PersonFlag {
            person,
            flag,
            value,
        } => Decision::Flag {
            person: person.0,
            flag: flag.clone(),
            value: value.clone(),
        },
        Change::Choice { person, choice } => Decision::Choice {
            person: person.0,
            choice: STANDARD.encode(choice),
        },
        Change::Join { from, into } => Decision::Join {
            from: from.0,
            into: into.map(|into| into.0),
        },
        Change::Keep {
            space,
            key,
            value,
            expires_ms,
        } => kept(space, key, value.as_deref(), *expires_ms, false)?,
        Change::KeepOnce {
            space,
            key,
            value,
            expires_ms,
        } => kept(space, key, Some(value), *expires_ms, true)?,
        Change::Item(put) => label(put)?,
        Change::Delivery(_)
        | Change::Involvement { .. }
        | Change::Worklist(_)
        | Change::WorklistState { .. }
        | Change::OpenCase(_)
        | Change::ChangeCase(_) => return None,
    })
}

fn kept(
    space: &str,
    key: &str,
    value: Option<&[u8]>,
    expires_ms: i64,
    once: bool,
) -> Option<Decision> {
    SPACES.contains(&space).then(|| Decision::Kept {
        space: space.to_owned(),
        key: key.to_owned(),
        value: value.map(|value| STANDARD.encode(value)),
        expires_ms,
        once,
    })
}

fn label(put: &PutItem) -> Option<Decision> {
    let protects = put.sensitivity != Sensitivity::Normal || put.withdrawn || put.deleted;
    protects.then(|| {
        Decision::Label(Label {
            person: put.person.map(|person| person.0),
            kind: put.resource_type.number(),
            item: put.item.0,
            source: put.source.to_string(),
            category: put.category.code().to_owned(),
            sensitivity: put.sensitivity.code().to_owned(),
            gp_sourced: put.gp_sourced,
            withdrawn: put.withdrawn,
            deleted: put.deleted,
        })
    })
}
