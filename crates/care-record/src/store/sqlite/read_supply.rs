//! Reads for a source of what it sent: items of many people by name, and what came in the order it came.

use care_core::fhir::ResourceType;
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::fault::reading;
use super::prepare::{part, shared_part};
use super::read_items::{alive, collect, optional, permitted, stored_body};
use super::row::item_columns;
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::{ChangePlace, ChangesAsked, StoreError, StoredBody, earliest_moment};

/// The bodies of items of anybody, in the order asked; those that are not there, deleted or not
/// permitted are left out.
pub(super) fn bodies_of(
    connection: &Connection,
    codec: &Codec,
    filter: &Filter,
    wanted: &[(Option<PersonId>, ResourceType, ItemId)],
) -> Result<Vec<StoredBody>, StoreError> {
    let mut found = Vec::with_capacity(wanted.len());
    for (owner, resource_type, item) in wanted {
        let part = match owner {
            Some(person) => match part(*person) {
                Ok(part) => part,
                Err(_) => continue,
            },
            None => shared_part(*resource_type, *item),
        };
        found.extend(collect(
            connection,
            concat!(
                "SELECT ",
                item_columns!(),
                ", i.body FROM item AS i WHERE i.person = ?1 AND i.kind = ?6 AND i.item = ?7 AND ",
                permitted!("i"),
                alive!("i")
            ),
            params![
                part,
                filter.categories,
                filter.sensitivities,
                filter.hide_gp_sourced,
                filter.sources,
                resource_type.number(),
                item.0 as i64
            ],
            |row| stored_body(row, codec),
        )?);
    }
    Ok(found)
}

/// What came of a source in one table: ?6 the source, ?7 to ?11 the place before it, ?12 the type, ?13 the
/// part, ?14 the first moment, ?15 the first arrival, ?16 how many.
macro_rules! changes_of {
    ($table:literal, $by:literal) => {
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body FROM ",
            $table,
            " AS i ",
            $by,
            " WHERE i.source = ?6 AND (i.moment, i.person, i.kind, i.item, i.version) \
             < (?7, ?8, ?9, ?10, ?11) AND (?12 IS NULL OR i.kind = ?12) \
             AND (?13 IS NULL OR i.person = ?13) AND i.moment >= ?14 AND i.received_at >= ?15 AND ",
            permitted!("i"),
            " ORDER BY i.moment DESC, i.person DESC, i.kind DESC, i.item DESC, i.version DESC \
             LIMIT ?16"
        )
    };
}
const NOW: &str = changes_of!("item", "INDEXED BY item_moment");
const PAST: &str = changes_of!("item_history", "INDEXED BY item_history_moment");
const NOW_OF_ONE: &str = changes_of!("item", "NOT INDEXED");
const PAST_OF_ONE: &str = changes_of!("item_history", "NOT INDEXED");

pub(super) fn changes(
    connection: &Connection,
    codec: &Codec,
    filter: &Filter,
    asked: &ChangesAsked,
) -> Result<Vec<StoredBody>, StoreError> {
    let Some(source) = filter.only_source() else {
        return Ok(Vec::new());
    };
    let part = match asked.person.map(part) {
        None => None,
        Some(Ok(part)) => Some(part),
        Some(Err(_)) => return Ok(Vec::new()),
    };
    let before = asked.before.unwrap_or(ChangePlace::from(i64::MAX as u64));
    let mut first = match asked.since {
        Some(since) => moment_of(connection, since)?,
        None => -1,
    };
    if let Some(after) = asked.after {
        first = first.max(after as i64 + 1);
    }
    let mut found = Vec::new();
    let tables = if part.is_some() {
        [NOW_OF_ONE, PAST_OF_ONE]
    } else {
        [NOW, PAST]
    };
    for sql in tables {
        found.extend(collect(
            connection,
            sql,
            params![
                rusqlite::types::Null,
                filter.categories,
                filter.sensitivities,
                filter.hide_gp_sourced,
                filter.sources,
                source,
                before.moment as i64,
                before.within.0 as i64,
                before.within.1,
                before.within.2 as i64,
                before.within.3,
                asked.kind.map(ResourceType::number),
                part,
                first,
                asked.since.map_or(i64::MIN, Timestamp::as_microsecond),
                asked.limit
            ],
            |row| stored_body(row, codec),
        )?);
    }
    Ok(asked.newest_first(found))
}

/// The number of the first entry that may be of this time or later.
fn moment_of(connection: &Connection, since: Timestamp) -> Result<i64, StoreError> {
    let entries: i64 = connection
        .prepare_cached("SELECT coalesce(max(number), -1) + 1 FROM entry")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(reading)?;
    earliest_moment(entries, since, |number| {
        optional(
            connection
                .prepare_cached("SELECT at FROM entry WHERE number = ?1")
                .and_then(|mut statement| statement.query_row([number], |row| row.get(0))),
        )
    })
}
