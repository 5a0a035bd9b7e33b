//! Works items into the index that are not in it, or not under every term.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior, params};

use super::apply::index;
use super::fault::reading;
use super::read_items::collect;
use super::row::{ItemRow, item_columns};
use crate::store::body::Codec;
use crate::store::index::{Reindexed, Reread, number_of, spot};
use crate::store::{IndexWork, OwnParameter, StoreError};

/// The next items of a piece of work.
pub(super) fn reread(
    connection: &Connection,
    codec: &Codec,
    work: &IndexWork,
    most: u32,
) -> Result<Vec<Reread>, StoreError> {
    let (person, kind, item) = work.after;
    collect(
        connection,
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body FROM item AS i WHERE (i.person, i.kind, i.item) > (?1, ?2, ?3) \
             AND (?4 = '' OR instr(?4, ',' || i.kind || ',') > 0) \
             ORDER BY i.person, i.kind, i.item LIMIT ?5"
        ),
        params![person, kind, item, work.kinds, most],
        |row| {
            let columns = ItemRow::read(row)?;
            let body = row.get_ref(17).map_err(reading)?;
            let body = body.as_blob().map_err(|_| StoreError::Corrupt)?;
            let body = codec.checked(columns.form, columns.bytes, body, &columns.digest)?;
            Ok(Reread { row: columns, body })
        },
    )
}

/// Gives items new spots under their words. An item that has another version by now is passed over: that
/// version brought its own words.
pub(super) fn put(
    connection: &mut Connection,
    work: &IndexWork,
    items: &[Reindexed],
    is_last: bool,
) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(reading)?;
    let put = || -> rusqlite::Result<()> {
        let first: i64 = transaction.query_row(
            "UPDATE tally SET count = count + ?1 WHERE name = 'spots' RETURNING count - ?1 + 1",
            [items.len() as i64],
            |row| row.get(0),
        )?;
        let mut words: BTreeMap<i64, Arc<str>> = BTreeMap::new();
        for (number, item) in (first..).zip(items) {
            let (person, kind, key) = item.key;
            let held = transaction
                .prepare_cached(
                    "SELECT spot FROM item WHERE person = ?1 AND kind = ?2 AND item = ?3 \
                     AND version = ?4",
                )?
                .query_map(params![person, kind, key, item.version], |row| row.get(0))?
                .next();
            let (Some(held), Some(new)) = (held, &item.words) else {
                continue;
            };
            let held: i64 = held?;
            let spot = spot(item.spot_seconds, number);
            transaction.execute(
                "DELETE FROM spot WHERE number = ?1 AND person = ?2 AND kind = ?3 AND item = ?4",
                params![number_of(held), person, kind, key],
            )?;
            transaction.execute(
                "INSERT INTO spot (number, person, kind, item) VALUES (?1, ?2, ?3, ?4)",
                params![number, person, kind, key],
            )?;
            transaction.execute(
                "UPDATE item SET spot = ?4 WHERE person = ?1 AND kind = ?2 AND item = ?3",
                params![person, kind, key, spot],
            )?;
            words.insert(spot, new.clone());
        }
        index(&transaction, &words)?;
        let (person, kind, key) = items.last().map_or(work.after, |item| item.key);
        transaction.execute(
            "UPDATE index_work SET person = ?2, kind = ?3, item = ?4, done = done + ?5 \
             WHERE number = ?1",
            params![work.number, person, kind, key, items.len() as i64],
        )?;
        if is_last {
            transaction.execute("DELETE FROM index_work WHERE number = ?1", [work.number])?;
        }
        Ok(())
    };
    put().map_err(reading)?;
    transaction.commit().map_err(reading)
}

/// Empties the index and puts everything on the list.
pub(super) fn again(connection: &mut Connection) -> Result<(), StoreError> {
    let all = "BEGIN IMMEDIATE;
        INSERT INTO term (term) VALUES ('delete-all');
        DELETE FROM spot;
        UPDATE tally SET count = 0 WHERE name = 'spots';
        DELETE FROM index_work;
        INSERT INTO index_work (number, about, kinds, person, kind, item, done, total)
          SELECT 1, '', '', -9223372036854775808, 0, 0, 0, count FROM tally WHERE name = 'items';
        COMMIT;";
    let done = connection.execute_batch(all);
    if !connection.is_autocommit() {
        // What could not be done is undone; the error below says why.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done.map_err(reading)
}

pub(super) fn add_parameter(
    connection: &mut Connection,
    url: &str,
    definition: &[u8],
    kinds: &str,
) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(reading)?;
    transaction
        .execute(
            "INSERT OR REPLACE INTO own_parameter (url, definition) VALUES (?1, ?2)",
            params![url, definition],
        )
        .and_then(|_| transaction.execute("DELETE FROM index_work WHERE about = ?1", [url]))
        .and_then(|_| {
            transaction.execute(
                "INSERT INTO index_work (number, about, kinds, person, kind, item, done, total) \
                 SELECT (SELECT coalesce(max(number), 0) + 1 FROM index_work), ?1, ?2, \
                 -9223372036854775808, 0, 0, 0, \
                 (SELECT count(*) FROM item WHERE instr(?2, ',' || kind || ',') > 0)",
                params![url, kinds],
            )
        })
        .map_err(reading)?;
    transaction.commit().map_err(reading)
}

pub(super) fn remove_parameter(connection: &mut Connection, url: &str) -> Result<bool, StoreError> {
    let removed = connection
        .execute("DELETE FROM own_parameter WHERE url = ?1", [url])
        .map_err(reading)?;
    connection
        .execute("DELETE FROM index_work WHERE about = ?1", [url])
        .map_err(reading)?;
    Ok(removed > 0)
}

pub(super) fn own_parameters(connection: &Connection) -> Result<Vec<OwnParameter>, StoreError> {
    collect(
        connection,
        "SELECT url, definition, NOT EXISTS (SELECT 1 FROM index_work WHERE about = url) \
         FROM own_parameter ORDER BY url",
        [],
        |row| {
            let read = || -> rusqlite::Result<OwnParameter> {
                Ok(OwnParameter {
                    url: row.get(0)?,
                    definition: row.get(1)?,
                    ready: row.get(2)?,
                })
            };
            read().map_err(reading)
        },
    )
}
