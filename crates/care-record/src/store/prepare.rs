//! A commit made ready on the caller's thread: compressed, digested, serialised. The writer only
//! writes.

use std::sync::{Arc, OnceLock};

use care_core::audit::{Entry, leaf_hash};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{Involvement, ItemId, PersonId, SourceCode};
use sha2::{Digest as _, Sha256};

use super::index::Indexer;
use super::row::{CURRENT, DELETED, GP_SOURCED, ItemRow, NO_MOMENT, WITHDRAWN};
use crate::decisions::{self, NAME_KEY, NAME_SPACE, ToDecide};
use crate::store::body::{Codec, DELIVERY_KIND, ENTRY_KIND, Packed, digest};
use crate::store::{
    CHOICE_MADE, Change, ChangeCase, Commit, Expect, NewDelivery, NewWorklist, OpenCase, PutItem,
    PutOrder, StoreError, choice_mark,
};

pub(super) struct Prepared {
    pub changes: Vec<PreparedChange>,
    pub entries: Vec<PreparedEntry>,
    /// Nothing but entries, kept values and cases for review: what reading a record writes. May use the reserve.
    pub only_audit: bool,
    /// What of it goes into the journal of decisions first; `None`: nothing.
    pub decided: Option<ToDecide>,
}

impl Prepared {
    /// Keeps the name of the journal of decisions with this commit.
    pub fn name_journal(&mut self, name: &str) {
        self.changes.push(PreparedChange::Keep {
            space: NAME_SPACE,
            key: NAME_KEY.to_owned(),
            value: Some(name.as_bytes().to_vec()),
            expires_ms: i64::MAX,
        });
    }
}

pub(super) enum PreparedChange {
    Delivery(PreparedDelivery),
    Item(PreparedItem),
    NewPerson {
        person: i64,
    },
    Identifier {
        person: i64,
        system: String,
        value: String,
        source: SourceCode,
        unique: bool,
    },
    Details(Details),
    Involvement {
        event_at: i64,
        person: i64,
        source: SourceCode,
        involvement: Involvement,
    },
    PersonFlag {
        person: i64,
        flag: String,
        value: Option<String>,
    },
    Choice {
        person: i64,
        choice: Vec<u8>,
    },
    Join {
        from: i64,
        into: Option<i64>,
    },
    Worklist(NewWorklist),
    OpenCase(Box<OpenCase>),
    ChangeCase(Box<ChangeCase>),
    WorklistState {
        row: i64,
        state: String,
        note: String,
    },
    KeepOnce {
        space: &'static str,
        key: String,
        value: Vec<u8>,
        expires_ms: i64,
    },
    Keep {
        space: &'static str,
        key: String,
        value: Option<Vec<u8>>,
        expires_ms: i64,
    },
}

pub(super) struct PreparedDelivery {
    pub delivery: NewDelivery,
    pub packed: Packed,
}

pub(super) struct PreparedItem {
    /// Version 1 and no moment; the writer gives the right ones.
    pub row: ItemRow,
    pub body: Vec<u8>,
    pub order: PutOrder,
    pub expect: Expect,
    /// What it is kept under in the index; nothing for a tombstone.
    pub words: Option<Arc<str>>,
}

impl PreparedItem {
    /// The row as it is put beside what is held, the version apart.
    pub fn beside(&self, held: Option<&ItemRow>, moment: i64) -> ItemRow {
        let mut row = self.row.clone();
        row.moment = moment;
        let before = held.map(|held| held.event_at);
        match self.order {
            PutOrder::ByEvent => {}
            PutOrder::ByArrival => {
                row.event_at = before.map_or(row.received_at, |before| before.max(row.received_at));
            }
            PutOrder::AsHeld => row.event_at = before.unwrap_or(row.event_at),
        }
        row
    }

    /// Whether what is held is what the put expects.
    pub fn as_expected(&self, held: Option<&ItemRow>) -> Result<(), StoreError> {
        let met = match (self.expect, held) {
            (Expect::Any, _) | (Expect::Absent, None) => true,
            (Expect::Absent, Some(held)) => held.flags & DELETED != 0,
            (Expect::Version(_), None) => false,
            (Expect::Version(version), Some(held)) => held.version == i64::from(version),
        };
        met.then_some(()).ok_or(StoreError::VersionConflict)
    }
}

pub(super) struct Details {
    pub event_at: i64,
    pub person: i64,
    pub source: SourceCode,
    pub family: String,
    pub given: String,
    pub birth_date: String,
    pub gender: String,
    pub postcode: String,
    pub phonetic_family: String,
}

pub(super) struct PreparedEntry {
    pub at: i64,
    pub person: Option<i64>,
    pub who: String,
    pub leaf: [u8; 32],
    pub packed: Packed,
}

/// The key of a person's part. Ids with the high bit are kept for things about nobody.
pub(super) fn part(person: PersonId) -> Result<i64, StoreError> {
    match i64::try_from(person.0) {
        Ok(part) if part > 0 => Ok(part),
        _ => Err(StoreError::Engine(
            "a person's id must be between 1 and 2^63-1; make ids of 63 random bits".into(),
        )),
    }
}

/// The key of the part that holds a thing about nobody: from type and id, with the high bit set.
pub(super) fn shared_part(resource_type: ResourceType, item: ItemId) -> i64 {
    let mut hash = Sha256::new();
    hash.update(resource_type.number().to_le_bytes());
    hash.update(item.0.to_le_bytes());
    let whole = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&whole[..8]);
    i64::from_le_bytes(first) | i64::MIN
}

/// A choice leaves a mark on its person, kept apart from it: so that one which is lost or is not the one
/// that was kept is known to be missing, and does not read as "never chose".
fn marked(change: Change) -> impl Iterator<Item = Change> {
    let mark = match &change {
        Change::Choice { person, choice } => Some(Change::PersonFlag {
            person: *person,
            flag: CHOICE_MADE.to_owned(),
            value: Some(choice_mark(choice)),
        }),
        _ => None,
    };
    mark.into_iter().chain(std::iter::once(change))
}

/// Does the work of a commit that needs no database.
pub(super) fn prepare(
    commit: Commit,
    codec: &Codec,
    indexer: &Indexer,
) -> Result<Prepared, StoreError> {
    let only_audit = commit.changes.iter().all(|change| {
        matches!(
            change,
            Change::Keep { .. } | Change::KeepOnce { .. } | Change::OpenCase(_)
        )
    });
    let about = decisions::among(&commit.changes);
    let (at, who) = (commit.entry.at.as_microsecond(), commit.entry.who.clone());
    let mut items = prepare_items(&commit.changes, codec, indexer)?.into_iter();
    let mut changes = Vec::with_capacity(commit.changes.len());
    for change in commit.changes.into_iter().flat_map(marked) {
        changes.push(match change {
            Change::Item(put) => PreparedChange::Item(match items.next() {
                Some(ready) => ready,
                None => prepare_item(&put, codec, indexer)?,
            }),
            other => prepare_change(other, codec)?,
        });
    }
    let entries = std::iter::once(&commit.entry)
        .chain(&commit.more_entries)
        .map(|entry| prepare_entry(entry, codec))
        .collect::<Result<Vec<_>, _>>()?;
    let leaf = entries.first().map(|entry| entry.leaf);
    let decided = leaf.filter(|_| !about.is_empty()).map(|leaf| ToDecide {
        leaf,
        at,
        who,
        about,
        n: None,
    });
    Ok(Prepared {
        changes,
        entries,
        only_audit,
        decided,
    })
}

/// From this many on, items are made ready on several threads: a Bundle of hundreds would keep its one
/// client waiting for one core.
const WORTH_SHARING: usize = 64;
/// Threads at most.
const THREADS: usize = 4;

/// How many threads may run at once. The system is asked once: it reads three files to say it, which was a
/// sixth of the cost of a read when every entry asked.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The items of a commit in order, made ready.
fn prepare_items(
    changes: &[Change],
    codec: &Codec,
    indexer: &Indexer,
) -> Result<Vec<PreparedItem>, StoreError> {
    let puts = changes.iter().filter_map(|change| match change {
        Change::Item(put) => Some(put),
        _ => None,
    });
    let puts: Vec<&PutItem> = puts.collect();
    let each = |puts: &[&PutItem]| -> Result<Vec<PreparedItem>, StoreError> {
        puts.iter()
            .map(|put| prepare_item(put, codec, indexer))
            .collect()
    };
    if puts.len() < WORTH_SHARING || cores() == 1 {
        return each(&puts);
    }
    let threads = cores().min(THREADS);
    let mut parts = puts.chunks(puts.len().div_ceil(threads));
    let own = parts.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || each(part))).collect();
        let mut ready = each(own)?;
        for other in others {
            let part = other.join();
            ready.extend(part.map_err(|_| StoreError::Engine("a thread ended early".into()))??);
        }
        Ok(ready)
    })
}

fn prepare_entry(entry: &Entry, codec: &Codec) -> Result<PreparedEntry, StoreError> {
    let bytes = serde_json::to_vec(entry).map_err(|error| StoreError::Engine(Box::new(error)))?;
    Ok(PreparedEntry {
        at: entry.at.as_microsecond(),
        person: entry.person.map(part).transpose()?,
        who: entry.who.clone(),
        leaf: leaf_hash(&bytes),
        packed: codec.pack(ENTRY_KIND, &bytes),
    })
}

/// Every change but an item's, which is made ready by itself.
fn prepare_change(change: Change, codec: &Codec) -> Result<PreparedChange, StoreError> {
    Ok(match change {
        Change::Delivery(delivery) => PreparedChange::Delivery(prepare_delivery(delivery, codec)),
        Change::Item(_) => {
            return Err(StoreError::Engine("an item is made ready by itself".into()));
        }
        Change::NewPerson { person } => PreparedChange::NewPerson {
            person: part(person)?,
        },
        Change::Identifier {
            person,
            system,
            value,
            source,
            unique,
        } => PreparedChange::Identifier {
            person: part(person)?,
            system,
            value,
            source,
            unique,
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
        } => PreparedChange::Details(Details {
            event_at: event_at.as_microsecond(),
            person: part(person)?,
            source,
            family,
            given,
            birth_date,
            gender,
            postcode,
            phonetic_family,
        }),
        Change::Involvement {
            event_at,
            person,
            source,
            involvement,
        } => PreparedChange::Involvement {
            event_at: event_at.as_microsecond(),
            person: part(person)?,
            source,
            involvement,
        },
        Change::PersonFlag {
            person,
            flag,
            value,
        } => PreparedChange::PersonFlag {
            person: part(person)?,
            flag,
            value,
        },
        Change::Choice { person, choice } => PreparedChange::Choice {
            person: part(person)?,
            choice,
        },
        Change::Join { from, into } => PreparedChange::Join {
            from: part(from)?,
            into: into.map(part).transpose()?,
        },
        Change::Worklist(row) => PreparedChange::Worklist(row),
        Change::OpenCase(case) => {
            case.person.map(part).transpose()?;
            PreparedChange::OpenCase(case)
        }
        Change::ChangeCase(change) => {
            i64::try_from(change.number).map_err(|_| StoreError::NoSuchRow)?;
            PreparedChange::ChangeCase(change)
        }
        Change::WorklistState { row, state, note } => PreparedChange::WorklistState {
            row: i64::try_from(row).map_err(|_| StoreError::NoSuchRow)?,
            state,
            note,
        },
        Change::KeepOnce {
            space,
            key,
            value,
            expires_ms,
        } => PreparedChange::KeepOnce {
            space,
            key,
            value,
            expires_ms,
        },
        Change::Keep {
            space,
            key,
            value,
            expires_ms,
        } => PreparedChange::Keep {
            space,
            key,
            value,
            expires_ms,
        },
    })
}

fn prepare_delivery(mut delivery: NewDelivery, codec: &Codec) -> PreparedDelivery {
    let body = std::mem::take(&mut delivery.body);
    PreparedDelivery {
        packed: codec.pack(DELIVERY_KIND, &body),
        delivery,
    }
}

fn prepare_item(
    put: &PutItem,
    codec: &Codec,
    indexer: &Indexer,
) -> Result<PreparedItem, StoreError> {
    let packed = codec.pack(put.resource_type.number(), &put.body);
    let flag = |on: bool, bit: i64| if on { bit } else { 0 };
    let row = ItemRow {
        person: match put.person {
            Some(person) => part(person)?,
            None => shared_part(put.resource_type, put.item),
        },
        kind: i64::from(put.resource_type.number()),
        item: put.item.0 as i64,
        version: 1,
        category: put.category as i64,
        sensitivity: put.sensitivity as i64,
        flags: flag(put.current, CURRENT)
            | flag(put.withdrawn, WITHDRAWN)
            | flag(put.gp_sourced, GP_SOURCED)
            | flag(put.deleted, DELETED),
        source: put.source.as_str().to_owned(),
        code_key: put.code_key as i64,
        clinical_at: put.clinical_at.map(|at| at.as_microsecond()),
        event_at: put.event_at.as_microsecond(),
        received_at: put.received_at.as_microsecond(),
        form: packed.form,
        bytes: packed.bytes,
        digest: digest(&put.body),
        moment: NO_MOMENT,
    };
    Ok(PreparedItem {
        row,
        body: packed.body,
        order: put.order,
        expect: put.expect,
        words: indexer.words(put),
    })
}
