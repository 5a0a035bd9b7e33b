//! Finds items by the index.

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::fhir::search::{Wanted, every};
use rusqlite::{Connection, params};

use super::fault::reading;
use super::read_items::{alive, collect, optional, permitted, stored_body};
use super::row::item_columns;
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::index::{Found, Language, Said, Spot, SpotOrder, say};
use crate::store::{IndexWork, StoreError, StoredBody};

/// FTS5's query language.
struct Fts;

impl Language for Fts {
    const AND: &'static str = " AND ";
    const OR: &'static str = " OR ";

    fn term(&self, term: &str) -> String {
        format!("\"{term}\"")
    }

    fn prefix(&self, term: &str) -> String {
        format!("\"{term}\" *")
    }

    fn but_not(&self, wanted: &str, unwanted: &str) -> String {
        format!("({wanted} NOT {unwanted})")
    }
}

/// What is asked of the index, where the view is of one source.
fn asked(view: &View, kind: ResourceType, wanted: &Wanted) -> Option<String> {
    let every = every(view.only_source()?, kind);
    match say(wanted, &every, &Fts) {
        Said::Nothing => None,
        Said::Query(query) => Some(query),
    }
}

/// The number in a spot, ?7 the spot after which, ?8 the type, ?9 how many.
macro_rules! found {
    ($than:literal, $order:literal) => {
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body, t.rowid FROM term AS t CROSS JOIN spot AS s ON s.number = (t.rowid & 1073741823) \
             CROSS JOIN item AS i ON i.person = s.person AND i.kind = s.kind AND i.item = s.item \
             WHERE t.term MATCH ?6 AND t.rowid ",
            $than,
            " ?7 AND s.kind = ?8 AND i.spot = t.rowid AND ",
            permitted!("i"),
            alive!("i"),
            " ORDER BY t.rowid ",
            $order,
            " LIMIT ?9"
        )
    };
}
const NEWEST: &str = found!("<", "DESC");
const OLDEST: &str = found!(">", "ASC");

/// Finds items, with their bodies.
pub(super) fn find(
    connection: &Connection,
    codec: &Codec,
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    (order, after): (SpotOrder, Option<Spot>),
    limit: u32,
) -> Result<Vec<(Found, StoredBody)>, StoreError> {
    must_be_made(connection)?;
    let Some(query) = asked(view, kind, wanted) else {
        return Ok(Vec::new());
    };
    let filter = Filter::from(view);
    let (sql, from) = match order {
        SpotOrder::NewestFirst => (NEWEST, i64::MAX),
        SpotOrder::OldestFirst => (OLDEST, -1),
    };
    collect(
        connection,
        sql,
        params![
            rusqlite::types::Null,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources,
            query,
            after.map_or(from, |after| after.0),
            kind.number(),
            limit
        ],
        |row| {
            let column = |column| row.get::<_, i64>(column).map_err(reading);
            let found = Found::of((column(18)?, column(0)?, column(2)?, column(16)?));
            Ok((found, stored_body(row, codec)?))
        },
    )
}

/// Every term is of one source, so the index alone counts what a view of that source sees whole.
const TALLY: &str = "SELECT count(*) FROM (SELECT 1 FROM term AS t \
    CROSS JOIN spot AS s ON s.number = (t.rowid & 1073741823) \
    WHERE t.term MATCH ?1 AND s.kind = ?2 LIMIT ?3)";
const TALLY_PERMITTED: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 FROM term AS t \
     CROSS JOIN spot AS s ON s.number = (t.rowid & 1073741823) \
     CROSS JOIN item AS i ON i.person = s.person AND i.kind = s.kind AND i.item = s.item \
     WHERE t.term MATCH ?6 AND s.kind = ?7 AND i.spot = t.rowid AND ",
    permitted!("i"),
    alive!("i"),
    " LIMIT ?8)"
);

pub(super) fn tally(
    connection: &Connection,
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    most: u64,
) -> Result<u64, StoreError> {
    must_be_made(connection)?;
    let Some(query) = asked(view, kind, wanted) else {
        return Ok(0);
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let filter = Filter::from(view);
    let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map_err(reading);
    let counts = if filter.sees_its_source_whole() {
        collect(
            connection,
            TALLY,
            params![query, kind.number(), most],
            count,
        )
    } else {
        collect(
            connection,
            TALLY_PERMITTED,
            params![
                rusqlite::types::Null,
                filter.categories,
                filter.sensitivities,
                filter.hide_gp_sourced,
                filter.sources,
                query,
                kind.number(),
                most
            ],
            count,
        )
    };
    Ok(counts?.first().map_or(0, |count| count.unsigned_abs()))
}

/// Nothing is found by half an index.
fn must_be_made(connection: &Connection) -> Result<(), StoreError> {
    let left = optional(
        connection
            .prepare_cached("SELECT done, total FROM index_work WHERE about = '' LIMIT 1")
            .and_then(|mut statement| {
                statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            }),
    )?;
    match left {
        None => Ok(()),
        Some((done, total)) => Err(StoreError::Indexing {
            done: done.unsigned_abs(),
            total: total.unsigned_abs(),
        }),
    }
}

/// Work that is not done, oldest first.
pub(super) fn index_work(connection: &Connection) -> Result<Vec<IndexWork>, StoreError> {
    collect(
        connection,
        "SELECT number, about, kinds, person, kind, item, done, total FROM index_work \
         ORDER BY number",
        [],
        |row| {
            let read = || -> rusqlite::Result<IndexWork> {
                Ok(IndexWork {
                    number: row.get(0)?,
                    about: row.get(1)?,
                    kinds: row.get(2)?,
                    after: (row.get(3)?, row.get(4)?, row.get(5)?),
                    done: row.get::<_, i64>(6)?.unsigned_abs(),
                    total: row.get::<_, i64>(7)?.unsigned_abs(),
                })
            };
            read().map_err(reading)
        },
    )
}
