//! The writes: one prepared commit into the open transaction. Runs on the writer's thread only.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::{Fault, fault};
use super::prepare::{
    Details, Prepared, PreparedChange, PreparedDelivery, PreparedEntry, PreparedItem,
};
use super::row::{ItemRow, item_columns};
use crate::store::index::{number_of, parted, spot, spot_seconds};
use crate::store::{Committed, Expect, Put, StoreError, is_closed};

use super::cases;

/// Why one commit could not be applied.
pub(super) enum Refusal {
    /// This commit alone is undone.
    Only(StoreError),
    /// The transaction as a whole cannot go on.
    Batch(Fault, String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        let fault = fault(&error);
        if fault.ends_the_batch() {
            Self::Batch(fault, error.to_string())
        } else {
            Self::Only(StoreError::Engine(Box::new(error)))
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Only(error)
    }
}

/// What the batch has done so far, kept in memory until it is committed.
#[derive(Default, Clone)]
pub(super) struct Progress {
    /// The number the next entry gets.
    pub next_entry: i64,
    pub items: i64,
    pub people: i64,
    /// The number the next spot gets.
    pub next_spot: i64,
    /// The newest `received_at` per source.
    pub seen: HashMap<String, i64>,
    /// What goes into the index at the end of the batch, by spot: the index takes rows in their order
    /// cheaply, and in any other dearly.
    pub words: BTreeMap<i64, Arc<str>>,
}

/// Applies all changes, then the entries.
pub(super) fn apply(
    connection: &Connection,
    prepared: &Prepared,
    progress: &mut Progress,
) -> Result<Committed, Refusal> {
    let entry = progress.next_entry;
    let mut done = Committed {
        delivery: None,
        items: Vec::new(),
        worklist: Vec::new(),
        cases: Vec::new(),
        entry: entry as u64,
    };
    for change in &prepared.changes {
        apply_change(connection, change, progress, &mut done)?;
    }
    for one in &prepared.entries {
        put_entry(connection, one, progress.next_entry)?;
        progress.next_entry += 1;
    }
    Ok(done)
}

fn apply_change(
    connection: &Connection,
    change: &PreparedChange,
    progress: &mut Progress,
    done: &mut Committed,
) -> Result<(), Refusal> {
    match change {
        PreparedChange::Delivery(delivery) => {
            done.delivery = Some(put_delivery(connection, delivery)?);
        }
        PreparedChange::Item(item) => {
            let put = put_item(connection, item, done.entry as i64, progress)?;
            if matches!(put, Put::Created { .. }) {
                progress.items += 1;
            }
            let seen = progress.seen.entry(item.row.source.clone()).or_insert(0);
            *seen = (*seen).max(item.row.received_at);
            done.items.push(put);
        }
        PreparedChange::NewPerson { person } => {
            new_person(connection, *person, progress.next_entry)?;
            progress.people += 1;
        }
        PreparedChange::Identifier {
            person,
            system,
            value,
            source,
            unique,
        } => put_identifier(
            connection,
            *person,
            (system, value),
            source.as_str(),
            *unique,
        )?,
        PreparedChange::Details(details) => put_details(connection, details)?,
        PreparedChange::Involvement {
            event_at,
            person,
            source,
            involvement,
        } => {
            cached(
                connection,
                "INSERT INTO involvement \
                 (person, source, kind, source_key, event_at, organisation, starts, ends, cancelled) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                 ON CONFLICT (person, source, kind, source_key) DO UPDATE SET \
                 event_at = excluded.event_at, organisation = excluded.organisation, \
                 starts = excluded.starts, ends = excluded.ends, cancelled = excluded.cancelled \
                 WHERE excluded.event_at >= event_at",
                params![
                    person,
                    source.as_str(),
                    involvement.kind.code(),
                    involvement.source_key,
                    event_at,
                    involvement.organisation.as_str(),
                    involvement.starts.map(|at| at.as_microsecond()),
                    involvement.ends.map(|at| at.as_microsecond()),
                    involvement.cancelled,
                ],
            )?;
        }
        PreparedChange::PersonFlag {
            person,
            flag,
            value,
        } => put_flag(connection, *person, flag, value.as_deref())?,
        PreparedChange::Choice { person, choice } => {
            cached(
                connection,
                "INSERT INTO choice (person, number, choice) VALUES (?1, \
                 (SELECT coalesce(max(number), 0) + 1 FROM choice WHERE person = ?1), ?2)",
                params![person, choice],
            )?;
        }
        PreparedChange::Join { from, into } => join(connection, *from, *into)?,
        PreparedChange::Worklist(row) => {
            cached(
                connection,
                "INSERT INTO worklist \
                 (kind, feed, delivery, person, opened_at, state, closed, note, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 'open', 0, '', ?6)",
                params![
                    row.kind,
                    row.feed,
                    row.delivery
                        .map(|number| number as i64)
                        .or(done.delivery.map(|number| number as i64)),
                    row.person.map(|person| person.0 as i64),
                    row.opened_at.as_microsecond(),
                    row.detail,
                ],
            )?;
            done.worklist.push(connection.last_insert_rowid() as u64);
        }
        PreparedChange::WorklistState { row, state, note } => {
            let changed = cached(
                connection,
                "UPDATE worklist SET state = ?2, note = ?3, closed = ?4 WHERE number = ?1",
                params![row, state, note, is_closed(state)],
            )?;
            if changed == 0 {
                return Err(StoreError::NoSuchRow.into());
            }
        }
        PreparedChange::OpenCase(case) => done.cases.push(cases::open(connection, case)?),
        PreparedChange::ChangeCase(change) => cases::change(connection, change)?,
        PreparedChange::KeepOnce {
            space,
            key,
            value,
            expires_ms,
        } => {
            let written = cached(
                connection,
                "INSERT INTO keep (space, key, value, expires_ms, kept) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (space, key) DO NOTHING",
                params![space, key, value, expires_ms, progress.next_entry],
            )?;
            if written == 0 {
                return Err(StoreError::AlreadyKept.into());
            }
        }
        PreparedChange::Keep {
            space,
            key,
            value,
            expires_ms,
        } => keep(
            connection,
            (space, key),
            value.as_deref(),
            *expires_ms,
            progress.next_entry,
        )?,
    }
    Ok(())
}

pub(super) fn cached(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}

fn put_entry(connection: &Connection, entry: &PreparedEntry, number: i64) -> rusqlite::Result<()> {
    cached(
        connection,
        "INSERT INTO entry (number, at, person, who, leaf, form, bytes, entry) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            number,
            entry.at,
            entry.person,
            entry.who,
            entry.leaf,
            entry.packed.form,
            entry.packed.bytes,
            entry.packed.body,
        ],
    )
    .map(drop)
}

fn put_delivery(connection: &Connection, prepared: &PreparedDelivery) -> Result<u64, Refusal> {
    let delivery = &prepared.delivery;
    let written = cached(
        connection,
        "INSERT INTO delivery (feed, sender, control_id, digest, received_at, kind, status, \
         answer, person, issues) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (sender, control_id) DO NOTHING",
        params![
            delivery.feed,
            delivery.sender,
            delivery.control_id,
            delivery.digest,
            delivery.received_at.as_microsecond(),
            delivery.kind,
            delivery.status,
            delivery.answer,
            delivery.person.map(|person| person.0 as i64),
            delivery.issues,
        ],
    )?;
    if written == 0 {
        return Err(StoreError::DeliveryExists.into());
    }
    let number = connection.last_insert_rowid();
    cached(
        connection,
        "INSERT INTO delivery_body (delivery, form, bytes, body) VALUES (?1, ?2, ?3, ?4)",
        params![
            number,
            prepared.packed.form,
            prepared.packed.bytes,
            prepared.packed.body
        ],
    )?;
    Ok(number as u64)
}

const INSERT_ITEM: &str = "INSERT INTO item \
    (person, kind, item, version, category, sensitivity, flags, source, code_key, clinical_at, \
     event_at, received_at, form, bytes, digest, seal, body, moment, \
     versions, spot) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?4, \
     ?19) \
    ON CONFLICT (person, kind, item) DO NOTHING";

const UPDATE_ITEM: &str = "UPDATE item SET version = ?4, category = ?5, sensitivity = ?6, \
    flags = ?7, source = ?8, code_key = ?9, clinical_at = ?10, event_at = ?11, \
    received_at = ?12, form = ?13, bytes = ?14, digest = ?15, seal = ?16, body = ?17, \
    moment = ?18, versions = ?4, spot = ?19 WHERE person = ?1 AND kind = ?2 AND item = ?3";

const INSERT_HISTORY: &str = "INSERT INTO item_history \
    (person, kind, item, version, category, sensitivity, flags, source, code_key, clinical_at, \
     event_at, received_at, form, bytes, digest, seal, body, moment) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

const CURRENT_TO_HISTORY: &str = "INSERT INTO item_history \
    (person, kind, item, version, category, sensitivity, flags, source, code_key, clinical_at, \
     event_at, received_at, form, bytes, digest, seal, body, moment) \
    SELECT person, kind, item, version, category, sensitivity, flags, source, code_key, \
     clinical_at, event_at, received_at, form, bytes, digest, seal, body, moment \
    FROM item WHERE person = ?1 AND kind = ?2 AND item = ?3";

const CURRENT_ITEM: &str = concat!(
    "SELECT ",
    item_columns!(),
    ", i.versions, i.spot FROM item AS i WHERE i.person = ?1 AND i.kind = ?2 AND i.item = ?3"
);

fn write_past(connection: &Connection, row: &ItemRow, body: &[u8]) -> rusqlite::Result<usize> {
    cached(
        connection,
        INSERT_HISTORY,
        params![
            row.person,
            row.kind,
            row.item,
            row.version,
            row.category,
            row.sensitivity,
            row.flags,
            row.source,
            row.code_key,
            row.clinical_at,
            row.event_at,
            row.received_at,
            row.form,
            row.bytes,
            row.digest,
            row.seal(),
            body,
            row.moment,
        ],
    )
}

fn write_item(
    connection: &Connection,
    sql: &str,
    row: &ItemRow,
    body: &[u8],
    spot: i64,
) -> rusqlite::Result<usize> {
    cached(
        connection,
        sql,
        params![
            row.person,
            row.kind,
            row.item,
            row.version,
            row.category,
            row.sensitivity,
            row.flags,
            row.source,
            row.code_key,
            row.clinical_at,
            row.event_at,
            row.received_at,
            row.form,
            row.bytes,
            row.digest,
            row.seal(),
            body,
            row.moment,
            spot,
        ],
    )
}

/// The spot that a version gets: 0 for a tombstone, which is in no index.
fn next_spot(put: &PreparedItem, row: &ItemRow, progress: &Progress) -> i64 {
    match put.words {
        Some(_) => spot(spot_seconds(row), progress.next_spot),
        None => 0,
    }
}

/// Puts a current version into the index under its spot.
fn take_spot(
    connection: &Connection,
    put: &PreparedItem,
    spot: i64,
    progress: &mut Progress,
) -> rusqlite::Result<()> {
    let Some(words) = &put.words else {
        return Ok(());
    };
    cached(
        connection,
        "INSERT INTO spot (number, person, kind, item) VALUES (?1, ?2, ?3, ?4)",
        params![number_of(spot), put.row.person, put.row.kind, put.row.item],
    )?;
    progress.next_spot += 1;
    progress.words.insert(spot, words.clone());
    Ok(())
}

/// What stands in the index under a spot stands for nothing any more.
fn leave_spot(
    connection: &Connection,
    row: &ItemRow,
    spot: i64,
    progress: &mut Progress,
) -> rusqlite::Result<()> {
    progress.words.remove(&spot);
    cached(
        connection,
        "DELETE FROM spot WHERE number = ?1 AND person = ?2 AND kind = ?3 AND item = ?4",
        params![number_of(spot), row.person, row.kind, row.item],
    )
    .map(drop)
}

/// Most puts are first versions, so the insert is tried before anything is read.
fn put_item(
    connection: &Connection,
    put: &PreparedItem,
    moment: i64,
    progress: &mut Progress,
) -> Result<Put, Refusal> {
    if matches!(put.expect, Expect::Any | Expect::Absent) {
        let first = put.beside(None, moment);
        let spot = next_spot(put, &first, progress);
        if write_item(connection, INSERT_ITEM, &first, &put.body, spot)? == 1 {
            take_spot(connection, put, spot, progress)?;
            return Ok(Put::Created { version: 1 });
        }
    }
    let key = params![put.row.person, put.row.kind, put.row.item];
    let held = connection
        .prepare_cached(CURRENT_ITEM)?
        .query_row(key, |row| {
            let numbers = (row.get::<_, i64>(17)?, row.get::<_, i64>(18)?);
            Ok((ItemRow::read(row), numbers))
        })
        .optional()?;
    let Some((held, (versions, held_spot))) = held else {
        put.as_expected(None)?;
        return Err(StoreError::VersionConflict.into());
    };
    let held = held?;
    put.as_expected(Some(&held))?;
    let next = ItemRow {
        version: versions + 1,
        ..put.beside(Some(&held), moment)
    };
    let older = next.event_at < held.event_at;
    if next.says_the_same(&held) {
        if !older && next.event_at != held.event_at {
            confirm(connection, &held, next.event_at)?;
        }
        return Ok(Put::Unchanged {
            version: held.version as u32,
        });
    }
    let version = next.version as u32;
    if older {
        if let Some(version) = same_in_history(connection, &next)? {
            return Ok(Put::Unchanged { version });
        }
        write_past(connection, &next, &put.body)?;
        cached(
            connection,
            "UPDATE item SET versions = ?4 WHERE person = ?1 AND kind = ?2 AND item = ?3",
            params![next.person, next.kind, next.item, next.version],
        )?;
        return Ok(Put::KeptInHistory { version });
    }
    connection
        .prepare_cached(CURRENT_TO_HISTORY)?
        .execute(key)?;
    leave_spot(connection, &held, held_spot, progress)?;
    let spot = next_spot(put, &next, progress);
    write_item(connection, UPDATE_ITEM, &next, &put.body, spot)?;
    take_spot(connection, put, spot, progress)?;
    Ok(Put::Updated { version })
}

/// The same content was confirmed by a later event: an event between the two must not overwrite it.
fn confirm(connection: &Connection, held: &ItemRow, event_at: i64) -> rusqlite::Result<()> {
    let confirmed = ItemRow {
        event_at,
        ..held.clone()
    };
    cached(
        connection,
        "UPDATE item SET event_at = ?4, seal = ?5 WHERE person = ?1 AND kind = ?2 AND item = ?3",
        params![
            held.person,
            held.kind,
            held.item,
            event_at,
            confirmed.seal()
        ],
    )
    .map(drop)
}

fn same_in_history(connection: &Connection, row: &ItemRow) -> rusqlite::Result<Option<u32>> {
    connection
        .prepare_cached(
            "SELECT version FROM item_history WHERE person = ?1 AND kind = ?2 AND item = ?3 \
             AND digest = ?4 AND event_at = ?5 AND sensitivity = ?6 AND category = ?7",
        )?
        .query_row(
            params![
                row.person,
                row.kind,
                row.item,
                row.digest,
                row.event_at,
                row.sensitivity,
                row.category
            ],
            |row| row.get(0),
        )
        .optional()
}

fn new_person(connection: &Connection, person: i64, entry: i64) -> Result<(), Refusal> {
    let written = cached(
        connection,
        "INSERT INTO person (person, created) VALUES (?1, ?2) ON CONFLICT (person) DO NOTHING",
        params![person, entry],
    )?;
    if written == 0 {
        return Err(StoreError::PersonExists.into());
    }
    Ok(())
}

/// Who answers in the end for a person; joins are followed a bounded way.
fn survivor(connection: &Connection, person: i64) -> rusqlite::Result<i64> {
    let mut person = person;
    for _ in 0..16 {
        let into: Option<i64> = connection
            .prepare_cached("SELECT joined_into FROM person WHERE person = ?1")?
            .query_row([person], |row| row.get(0))
            .optional()?
            .flatten();
        match into {
            Some(into) => person = into,
            None => break,
        }
    }
    Ok(person)
}

fn put_identifier(
    connection: &Connection,
    person: i64,
    (system, value): (&str, &str),
    source: &str,
    unique: bool,
) -> Result<(), Refusal> {
    if unique {
        let holders: Vec<i64> = connection
            .prepare_cached(
                "SELECT DISTINCT person FROM identifier \
                 WHERE system = ?1 AND value = ?2 AND is_unique = 1 AND person <> ?3",
            )?
            .query_map(params![system, value, person], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if !holders.is_empty() {
            let answers = survivor(connection, person)?;
            for holder in holders {
                if survivor(connection, holder)? != answers {
                    return Err(StoreError::IdentifierTaken.into());
                }
            }
        }
    }
    cached(
        connection,
        "INSERT INTO identifier (system, value, person, source, is_unique) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (system, value, person, source) \
         DO UPDATE SET is_unique = max(is_unique, excluded.is_unique)",
        params![system, value, person, source, unique],
    )?;
    Ok(())
}

fn put_details(connection: &Connection, details: &Details) -> rusqlite::Result<()> {
    cached(
        connection,
        "INSERT INTO details (person, source, family, given, birth_date, gender, \
         postcode, phonetic_family, event_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (person, source) DO UPDATE SET family = excluded.family, \
         given = excluded.given, birth_date = excluded.birth_date, gender = excluded.gender, \
         postcode = excluded.postcode, phonetic_family = excluded.phonetic_family, \
         event_at = excluded.event_at WHERE excluded.event_at >= event_at",
        params![
            details.person,
            details.source.as_str(),
            details.family,
            details.given,
            details.birth_date,
            details.gender,
            details.postcode,
            details.phonetic_family,
            details.event_at,
        ],
    )
    .map(drop)
}

fn put_flag(
    connection: &Connection,
    person: i64,
    flag: &str,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => cached(
            connection,
            "INSERT OR REPLACE INTO person_flag (person, flag, value) VALUES (?1, ?2, ?3)",
            params![person, flag, value],
        ),
        None => cached(
            connection,
            "DELETE FROM person_flag WHERE person = ?1 AND flag = ?2",
            params![person, flag],
        ),
    }
    .map(drop)
}

fn join(connection: &Connection, from: i64, into: Option<i64>) -> Result<(), Refusal> {
    if let Some(into) = into
        && survivor(connection, into)? == from
    {
        return Err(StoreError::JoinLoop.into());
    }
    let changed = cached(
        connection,
        "UPDATE person SET joined_into = ?2 WHERE person = ?1",
        params![from, into],
    )?;
    if changed == 0 {
        return Err(StoreError::NoSuchRow.into());
    }
    Ok(())
}

fn keep(
    connection: &Connection,
    (space, key): (&str, &str),
    value: Option<&[u8]>,
    expires_ms: i64,
    kept: i64,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => cached(
            connection,
            "INSERT OR REPLACE INTO keep (space, key, value, expires_ms, kept) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![space, key, value, expires_ms, kept],
        ),
        None => cached(
            connection,
            "DELETE FROM keep WHERE space = ?1 AND key = ?2",
            params![space, key],
        ),
    }
    .map(drop)
}

/// Puts rows into the index, in the order of their spots. That order is the index's own for every word, so
/// it keeps no lists.
pub(super) fn index(
    connection: &Connection,
    words: &BTreeMap<i64, Arc<str>>,
) -> rusqlite::Result<()> {
    for (spot, words) in words {
        cached(
            connection,
            "INSERT INTO term (rowid, words) VALUES (?1, ?2)",
            params![spot, parted(words).1],
        )?;
    }
    Ok(())
}

/// Writes what the batch counted, once per batch.
pub(super) fn settle(
    connection: &Connection,
    before: &Progress,
    after: &Progress,
) -> rusqlite::Result<()> {
    for (name, more) in [
        ("items", after.items - before.items),
        ("people", after.people - before.people),
        ("spots", after.next_spot - before.next_spot),
    ] {
        if more != 0 {
            cached(
                connection,
                "UPDATE tally SET count = count + ?2 WHERE name = ?1",
                params![name, more],
            )?;
        }
    }
    index(connection, &after.words)?;
    for (source, received_at) in &after.seen {
        if before.seen.get(source) != Some(received_at) {
            cached(
                connection,
                "INSERT INTO source_seen (source, last_received) VALUES (?1, ?2) \
                 ON CONFLICT (source) DO UPDATE \
                 SET last_received = max(last_received, excluded.last_received)",
                params![source, received_at],
            )?;
        }
    }
    Ok(())
}
