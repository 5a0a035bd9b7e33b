//! The upkeep of the PostgreSQL engine.

use std::sync::Arc;

use care_core::audit::Hash;
use tokio_postgres::Row;

use super::link::{Link, Value};
use super::readers::ReadError;
use super::row::{get, int};
use super::{PostgresStore, find, read_log, reindex, sql};
use crate::decisions::Journal;
use crate::store::body::Codec;
use crate::store::row::ItemRow;
use crate::store::{
    CheckReport, DELIVERY_KIND, ENTRY_KIND, IndexWork, KeptCheckpoint, OwnParameter, Samples,
    StoreError, Upkeep,
};

/// Rows read at once by a scrub.
const PAGE: i64 = 2_000;
/// Bodies asked for at once to learn from.
const TAUGHT: i64 = 20_000;

impl PostgresStore {
    /// Indexes and answers by the parameters that there are now.
    fn take_parameters(&self) -> Result<(), StoreError> {
        self.indexer.take(&self.own_parameters()?);
        Ok(())
    }
}

impl Upkeep for PostgresStore {
    fn keep_decisions(&self, journal: Arc<Journal>) {
        self.writer.signals.foresight.keep(journal);
    }

    fn close(&self) {
        PostgresStore::close(self);
    }

    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<(u64, Hash)>, StoreError> {
        self.read(|link| {
            let rows = link.query(sql::LEAVES, &[&(from as i64), &i64::from(limit)])?;
            let leaves = rows.iter().map(|row| {
                let leaf = get::<&[u8]>(row, 1)?.try_into();
                Ok((
                    get::<i64>(row, 0)? as u64,
                    leaf.map_err(|_| StoreError::Corrupt)?,
                ))
            });
            Ok(leaves.collect::<Result<_, StoreError>>()?)
        })
    }

    fn newest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError> {
        self.read(|link| {
            let rows = link.query(sql::NEWEST_CHECKPOINT, &[])?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            Ok(Some(KeptCheckpoint {
                size: get::<i64>(row, 0)? as u64,
                note: get(row, 1)?,
                frontier: get(row, 2)?,
            }))
        })
    }

    fn checkpoints_after(&self, size: u64) -> Result<Vec<(u64, String)>, StoreError> {
        self.read(|link| {
            let rows = link.query(sql::CHECKPOINTS_AFTER, &[&(size as i64)])?;
            let notes = rows
                .iter()
                .map(|row| Ok((get::<i64>(row, 0)? as u64, get(row, 1)?)));
            Ok(notes.collect::<Result<_, StoreError>>()?)
        })
    }

    fn keep_checkpoint(&self, checkpoint: KeptCheckpoint) -> Result<(), StoreError> {
        self.writer.run(move |link| {
            let KeptCheckpoint {
                size,
                note,
                frontier,
            } = &checkpoint;
            link.execute(sql::PUT_CHECKPOINT, &[&(*size as i64), note, frontier])?;
            Ok(())
        })
    }

    fn keep_cosignature(&self, size: u64, witness: &str, line: &str) -> Result<(), StoreError> {
        let (witness, line) = (witness.to_owned(), line.to_owned());
        self.writer.run(move |link| {
            link.execute(sql::PUT_COSIGNATURE, &[&(size as i64), &witness, &line])?;
            Ok(())
        })
    }

    fn cosignatures(&self, size: u64) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|link| {
            let rows = link.query(sql::COSIGNATURES, &[&(size as i64)])?;
            let lines = rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
            Ok(lines.collect::<Result<_, StoreError>>()?)
        })
    }

    fn cosigned_sizes(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(|link| {
            let rows = link.query(sql::COSIGNED_SIZES, &[])?;
            let sizes = rows
                .iter()
                .map(|row| Ok((get(row, 0)?, get::<i64>(row, 1)? as u64)));
            Ok(sizes.collect::<Result<_, StoreError>>()?)
        })
    }

    fn purge(&self, now_ms: i64) -> Result<usize, StoreError> {
        self.writer
            .run(move |link| Ok(link.execute(sql::PURGE, &[&now_ms])? as usize))
    }

    fn sample(&self, samples: &mut Samples) -> Result<(), StoreError> {
        let rows = self.read(|link| {
            let longest = i32::try_from(Samples::LONGEST).unwrap_or(i32::MAX);
            let asked: [(&'static str, &[Value<'_>]); 3] = [
                (
                    sql::SAMPLE_ITEMS,
                    &[&longest, &Samples::ITEMS_LOOKED_AT, &TAUGHT],
                ),
                (sql::SAMPLE_DELIVERIES, &[&longest, &(Samples::EACH as i64)]),
                (sql::SAMPLE_ENTRIES, &[&longest, &(Samples::EACH as i64)]),
            ];
            Ok(link.query_all(asked)?)
        })?;
        let [items, deliveries, entries] = rows;
        for row in &items {
            let kind = u16::try_from(int(row, 3)?).map_err(|_| StoreError::Corrupt)?;
            samples.take(&self.codec, kind, packed(row)?)?;
        }
        for (kind, rows) in [(DELIVERY_KIND, deliveries), (ENTRY_KIND, entries)] {
            for row in &rows {
                samples.take(&self.codec, kind, packed(row)?)?;
            }
        }
        Ok(())
    }

    fn keep_dictionary(
        &self,
        kind: u16,
        trained_on: i64,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let kept = content.to_vec();
        let number = self.writer.run(move |link| {
            let rows = link.query(sql::NEXT_DICTIONARY, &[])?;
            let number: i64 = get(rows.first().ok_or(StoreError::Corrupt)?, 0)?;
            let values: [Value<'_>; 4] = [&number, &i32::from(kind), &trained_on, &kept];
            link.execute(sql::PUT_DICTIONARY, &values)?;
            Ok(number)
        })?;
        self.codec.add(number, kind, content);
        Ok(())
    }

    fn check(&self) -> Result<CheckReport, StoreError> {
        self.read(|link| scrub(link, &self.codec))
    }

    fn index_work(&self) -> Result<Vec<IndexWork>, StoreError> {
        self.read(find::index_work)
    }

    fn work_on_index(&self, work: &IndexWork, most: u32) -> Result<u64, StoreError> {
        let items = self.read(|link| reindex::reread(link, &self.codec, work, most))?;
        let done = items.len() as u64;
        let items = self.indexer.all_again(&items)?;
        let (piece, is_last) = (work.clone(), done < u64::from(most));
        self.writer
            .run(move |link| reindex::put(link, &piece, &items, is_last))?;
        if is_last && !work.about.is_empty() {
            self.take_parameters()?;
        }
        Ok(if is_last { 0 } else { done })
    }

    fn index_again(&self) -> Result<(), StoreError> {
        self.writer.run(reindex::again)?;
        self.take_parameters()
    }

    fn add_parameter(&self, url: &str, definition: &[u8], kinds: &[u16]) -> Result<(), StoreError> {
        let (address, definition) = (url.to_owned(), definition.to_vec());
        let kinds = IndexWork::kinds_text(kinds);
        self.writer
            .run(move |link| reindex::add_parameter(link, &address, &definition, &kinds))?;
        self.take_parameters()
    }

    fn remove_parameter(&self, url: &str) -> Result<bool, StoreError> {
        let address = url.to_owned();
        let removed = self
            .writer
            .run(move |link| reindex::remove_parameter(link, &address))?;
        self.take_parameters()?;
        Ok(removed)
    }

    fn own_parameters(&self) -> Result<Vec<OwnParameter>, StoreError> {
        self.read(reindex::own_parameters)
    }

    /// What PostgreSQL's own vacuum has not yet made usable again.
    fn empty_percent(&self) -> Result<u64, StoreError> {
        self.read(|link| {
            let rows = link.query(sql::DEAD_ROWS, &[])?;
            let row = rows.first().ok_or(StoreError::Corrupt)?;
            Ok(get::<i64>(row, 0)?.unsigned_abs())
        })
    }

    fn compact(&self) -> Result<(), StoreError> {
        self.writer.run(|link| Ok(link.batch("VACUUM (ANALYZE)")?))
    }
}

fn packed(row: &Row) -> Result<(i64, i64, &[u8]), StoreError> {
    Ok((int(row, 0)?, int(row, 1)?, get(row, 2)?))
}

/// Checks every seal, every digest and the counts; pages and indexes are for `pg_amcheck`.
fn scrub(link: &Link, codec: &Codec) -> Result<CheckReport, ReadError> {
    let mut report = CheckReport::default();
    report.items = items(link, codec, &mut report, sql::SCRUB_ITEMS, "item")?;
    report.past_versions = items(link, codec, &mut report, sql::SCRUB_PAST, "version")?;
    let each = |sql, table, report: &mut CheckReport, look: &dyn Fn(&Row) -> _| {
        numbered(link, sql, table, report, look)
    };
    report.deliveries = each(sql::SCRUB_DELIVERIES, "delivery", &mut report, &|row| {
        read_log::check_delivery(row, codec)
    })?;
    report.entries = each(sql::ENTRIES, "entry", &mut report, &|row| {
        read_log::entry_row(row, codec).map(drop)
    })?;
    let people = link.query(sql::SCRUB_PEOPLE, &[])?;
    report.people = people
        .first()
        .map_or(Ok(0), |row| get::<i64>(row, 0))?
        .unsigned_abs();
    let rows = link.query(sql::SCRUB_COUNTS, &[])?;
    let row = rows.first().ok_or(StoreError::Corrupt)?;
    for (name, told, held) in [
        ("items", 0, report.items),
        ("people", 1, report.people),
        ("entries", 2, report.entries),
    ] {
        let told = get::<i64>(row, told)?.unsigned_abs();
        if told != held {
            report.damaged(format!("{name}: {held} are held, {told} should be"));
        }
    }
    Ok(report)
}

/// Looks at each version of a table, page by page in the order of its key.
fn items(
    link: &Link,
    codec: &Codec,
    report: &mut CheckReport,
    sql: &'static str,
    table: &str,
) -> Result<u64, ReadError> {
    let mut after = (i64::MIN, i32::MIN, i64::MIN, i32::MIN);
    let mut seen = 0;
    loop {
        let rows = link.query(sql, &[&after.0, &after.1, &after.2, &after.3, &PAGE])?;
        for row in &rows {
            after = (get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?);
            let looked = || -> Result<(), StoreError> {
                let columns = ItemRow::of(row)?;
                columns.header()?;
                columns.protection()?;
                let body = get(row, 17)?;
                codec
                    .checked(columns.form, columns.bytes, body, &columns.digest)
                    .map(drop)
            };
            if looked().is_err() {
                let (person, kind, item, version) = after;
                report.damaged(format!("{table} {person}/{kind}/{item}/{version}"));
            }
            seen += 1;
        }
        if rows.len() < PAGE as usize {
            return Ok(seen);
        }
    }
}

/// Looks at each row of a table whose key is a number.
fn numbered(
    link: &Link,
    sql: &'static str,
    table: &str,
    report: &mut CheckReport,
    look: &dyn Fn(&Row) -> Result<(), StoreError>,
) -> Result<u64, ReadError> {
    let (mut from, mut seen) = (0_i64, 0);
    loop {
        let rows = link.query(sql, &[&from, &PAGE])?;
        for row in &rows {
            let number: i64 = get(row, 0)?;
            from = number + 1;
            if look(row).is_err() {
                report.damaged(format!("{table} {number}"));
            }
            seen += 1;
        }
        if rows.len() < PAGE as usize {
            return Ok(seen);
        }
    }
}
