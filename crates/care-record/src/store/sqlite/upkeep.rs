//! The upkeep of the SQLite engine.

use std::sync::Arc;

use care_core::audit::Hash;
use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::fault::reading;
use super::read_items::{collect, optional};
use super::scrub::scrub;
use super::{SqliteStore, find, reindex};
use crate::decisions::Journal;
use crate::store::{
    CheckReport, DELIVERY_KIND, ENTRY_KIND, IndexWork, KeptCheckpoint, OwnParameter, Samples,
    StoreError, Upkeep,
};

const DELIVERIES: &str =
    "SELECT form, bytes, body FROM delivery_body WHERE bytes <= ?1 ORDER BY delivery DESC LIMIT ?2";
const ENTRIES: &str =
    "SELECT form, bytes, entry FROM entry WHERE bytes <= ?1 ORDER BY number DESC LIMIT ?2";

impl SqliteStore {
    /// Indexes and answers by the parameters that there are now.
    fn take_parameters(&self) -> Result<(), StoreError> {
        self.indexer.take(&self.own_parameters()?);
        Ok(())
    }
}

impl Upkeep for SqliteStore {
    fn keep_decisions(&self, journal: Arc<Journal>) {
        self.writer.signals.foresight.keep(journal);
    }

    fn close(&self) {
        SqliteStore::close(self);
    }

    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<(u64, Hash)>, StoreError> {
        self.on_reader(|c| {
            collect(
                c,
                "SELECT number, leaf FROM entry WHERE number >= ?1 ORDER BY number LIMIT ?2",
                params![from as i64, limit],
                |row| {
                    let number: i64 = row.get(0).map_err(reading)?;
                    Ok((number as u64, row.get(1).map_err(reading)?))
                },
            )
        })
    }

    fn newest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        self.on_reader(|c| {
            optional(c.query_row(
                "SELECT size, note, frontier FROM checkpoint ORDER BY size DESC LIMIT 1",
                [],
                |row| {
                    Ok(KeptCheckpoint {
                        size: row.get::<_, i64>(0)? as u64,
                        note: row.get(1)?,
                        frontier: row.get(2)?,
                    })
                },
            ))
        })
    }

    fn checkpoints_after(&self, size: u64) -> Result<Vec<(u64, String)>, StoreError> {
        self.on_reader(|c| {
            collect(
                c,
                "SELECT size, note FROM checkpoint WHERE size > ?1 ORDER BY size",
                [size as i64],
                |row| {
                    let size: i64 = row.get(0).map_err(reading)?;
                    Ok((size as u64, row.get(1).map_err(reading)?))
                },
            )
        })
    }

    fn keep_checkpoint(&self, checkpoint: KeptCheckpoint) -> Result<(), StoreError> {
        self.on_writer(move |c| {
            c.execute(
                "INSERT OR REPLACE INTO checkpoint (size, note, frontier) VALUES (?1, ?2, ?3)",
                params![checkpoint.size as i64, checkpoint.note, checkpoint.frontier],
            )
            .map(drop)
            .map_err(reading)
        })
    }

    fn keep_cosignature(&self, size: u64, witness: &str, line: &str) -> Result<(), StoreError> {
        let (witness, line) = (witness.to_owned(), line.to_owned());
        self.on_writer(move |c| {
            c.execute(
                "INSERT OR REPLACE INTO cosignature (size, witness, line) VALUES (?1, ?2, ?3)",
                params![size as i64, witness, line],
            )
            .map(drop)
            .map_err(reading)
        })
    }

    fn cosignatures(&self, size: u64) -> Result<Vec<(String, String)>, StoreError> {
        self.on_reader(|c| {
            collect(
                c,
                "SELECT witness, line FROM cosignature WHERE size = ?1 ORDER BY witness",
                [size as i64],
                |row| Ok((row.get(0).map_err(reading)?, row.get(1).map_err(reading)?)),
            )
        })
    }

    fn cosigned_sizes(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.on_reader(|c| {
            collect(
                c,
                "SELECT witness, max(size) FROM cosignature GROUP BY witness ORDER BY witness",
                [],
                |row| {
                    let size: i64 = row.get(1).map_err(reading)?;
                    Ok((row.get(0).map_err(reading)?, size as u64))
                },
            )
        })
    }

    fn purge(&self, now_ms: i64) -> Result<usize, StoreError> {
        self.on_writer(move |c| {
            c.execute("DELETE FROM keep WHERE expires_ms <= ?1", [now_ms])
                .map_err(reading)
        })
    }

    fn sample(&self, samples: &mut Samples) -> Result<(), StoreError> {
        self.on_reader(|c| {
            offer(
                c,
                "SELECT form, bytes, body, kind FROM item WHERE bytes <= ?1 LIMIT ?2",
                Samples::ITEMS_LOOKED_AT,
                |row| {
                    let kind = row.get(3).map_err(reading)?;
                    samples.take(&self.codec, kind, packed(row)?)
                },
            )?;
            for (kind, sql) in [(DELIVERY_KIND, DELIVERIES), (ENTRY_KIND, ENTRIES)] {
                offer(c, sql, Samples::EACH as i64, |row| {
                    samples.take(&self.codec, kind, packed(row)?)
                })?;
            }
            Ok(())
        })
    }

    fn keep_dictionary(
        &self,
        kind: u16,
        trained_on: i64,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let kept = content.to_vec();
        // Numbers 0 and 1 mean plain and no dictionary.
        // In a transaction of its own: outside of one, `RETURNING` gives the number before the commit,
        // and a commit that then fails on a full disk is told to nobody. Bodies packed with a
        // dictionary that was not kept could never be read again.
        let number = self.on_writer(move |c| {
            let transaction = c
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(reading)?;
            let number = transaction
                .query_row(
                    "INSERT INTO dictionary (dictionary, kind, trained_on, content) VALUES \
                     ((SELECT coalesce(max(dictionary), 1) + 1 FROM dictionary), ?1, ?2, ?3) \
                     RETURNING dictionary",
                    params![kind, trained_on, kept],
                    |row| row.get::<_, i64>(0),
                )
                .map_err(reading)?;
            transaction.commit().map_err(reading)?;
            Ok(number)
        })?;
        self.codec.add(number, kind, content);
        Ok(())
    }

    fn check(&self) -> Result<CheckReport, StoreError> {
        self.on_reader(|c| scrub(c, &self.codec))
    }

    fn index_work(&self) -> Result<Vec<IndexWork>, StoreError> {
        self.on_reader(find::index_work)
    }

    fn work_on_index(&self, work: &IndexWork, most: u32) -> Result<u64, StoreError> {
        let items = self.on_reader(|c| reindex::reread(c, &self.codec, work, most))?;
        let done = items.len() as u64;
        let items = self.indexer.all_again(&items)?;
        let (piece, is_last) = (work.clone(), done < u64::from(most));
        self.on_writer(move |c| reindex::put(c, &piece, &items, is_last))?;
        if is_last && !work.about.is_empty() {
            self.take_parameters()?;
        }
        Ok(if is_last { 0 } else { done })
    }

    fn index_again(&self) -> Result<(), StoreError> {
        self.on_writer(reindex::again)?;
        self.take_parameters()
    }

    fn add_parameter(&self, url: &str, definition: &[u8], kinds: &[u16]) -> Result<(), StoreError> {
        let (address, definition) = (url.to_owned(), definition.to_vec());
        let kinds = IndexWork::kinds_text(kinds);
        self.on_writer(move |c| reindex::add_parameter(c, &address, &definition, &kinds))?;
        self.take_parameters()
    }

    fn remove_parameter(&self, url: &str) -> Result<bool, StoreError> {
        let address = url.to_owned();
        let removed = self.on_writer(move |c| reindex::remove_parameter(c, &address))?;
        self.take_parameters()?;
        Ok(removed)
    }

    fn own_parameters(&self) -> Result<Vec<OwnParameter>, StoreError> {
        self.on_reader(reindex::own_parameters)
    }

    fn empty_percent(&self) -> Result<u64, StoreError> {
        let percent: i64 = self.on_reader(|c| {
            c.query_row(
                "SELECT 100 * freelist_count / max(page_count, 1) \
                 FROM pragma_freelist_count(), pragma_page_count()",
                [],
                |row| row.get(0),
            )
            .map_err(reading)
        })?;
        Ok(percent.unsigned_abs())
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.on_writer(|c| {
            c.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
                .map_err(reading)
        })
    }
}

/// Form, length and bytes from the front of a row.
fn packed<'a>(row: &'a Row<'_>) -> Result<(i64, i64, &'a [u8]), StoreError> {
    let body = row.get_ref(2).map_err(reading)?;
    let body = body.as_blob().map_err(|_| StoreError::Corrupt)?;
    Ok((
        row.get(0).map_err(reading)?,
        row.get(1).map_err(reading)?,
        body,
    ))
}

/// Shows rows of bodies that are short enough, one after another.
fn offer(
    connection: &Connection,
    sql: &str,
    most: i64,
    mut look: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([Samples::LONGEST, most]).map_err(reading)?;
    while let Some(row) = rows.next().map_err(reading)? {
        look(row)?;
    }
    Ok(())
}
