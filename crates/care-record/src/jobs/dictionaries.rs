//! Trains a compression dictionary for each kind of body that has enough of them and none yet.
//!
//! New bodies use the newest dictionary of their kind; old ones keep theirs.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use crate::store::sqlite::SqliteStore;
use crate::store::{Codec, DELIVERY_KIND, ENTRY_KIND, StoreError};

/// The size of a dictionary. Larger ones gain little on bodies of a kilobyte.
const DICTIONARY_BYTES: usize = 16 << 10;
/// Bodies a dictionary learns from.
const SAMPLES: usize = 2_000;
/// Bodies longer than this teach nothing about the short ones.
const LONGEST_SAMPLE: i64 = 8 << 10;

/// Items looked at in one round; a kind that is rarer than this shows is not worth a dictionary.
const ITEMS_LOOKED_AT: u32 = 100_000;

/// Trains what is worth it; gives how many dictionaries were made.
pub(crate) fn train(engine: &SqliteStore, enough: u32) -> Result<usize, StoreError> {
    let samples = engine.on_reader(|c| {
        let mut samples = Samples::default();
        samples.items(c, engine.codec())?;
        samples.others(c, engine.codec(), DELIVERY_KIND, DELIVERIES)?;
        samples.others(c, engine.codec(), ENTRY_KIND, ENTRIES)?;
        Ok(samples)
    })?;
    let mut made = 0;
    for (kind, samples) in samples.0 {
        if samples.len() < enough as usize {
            continue;
        }
        // Samples that have nothing in common make no dictionary; that is no failure.
        if let Ok(content) = zstd::dict::from_samples(&samples, DICTIONARY_BYTES) {
            keep(engine, kind, samples.len() as i64, content)?;
            made += 1;
        }
    }
    Ok(made)
}

fn keep(
    engine: &SqliteStore,
    kind: u16,
    trained_on: i64,
    content: Vec<u8>,
) -> Result<(), StoreError> {
    let kept = content.clone();
    // Numbers 0 and 1 mean plain and no dictionary.
    let number = engine.on_writer(move |c| {
        c.query_row(
            "INSERT INTO dictionary (dictionary, kind, trained_on, content) VALUES \
             ((SELECT coalesce(max(dictionary), 1) + 1 FROM dictionary), ?1, ?2, ?3) \
             RETURNING dictionary",
            params![kind, trained_on, kept],
            |row| row.get::<_, i64>(0),
        )
        .map_err(failed)
    })?;
    engine.codec().add(number, kind, &content);
    Ok(())
}

const DELIVERIES: &str =
    "SELECT form, bytes, body FROM delivery_body WHERE bytes <= ?1 ORDER BY delivery DESC LIMIT ?2";
const ENTRIES: &str =
    "SELECT form, bytes, entry FROM entry WHERE bytes <= ?1 ORDER BY number DESC LIMIT ?2";

/// Plain bodies of the kinds that have no dictionary yet.
#[derive(Default)]
struct Samples(BTreeMap<u16, Vec<Vec<u8>>>);

impl Samples {
    fn items(&mut self, connection: &Connection, codec: &Codec) -> Result<(), StoreError> {
        let mut statement = connection
            .prepare("SELECT form, bytes, body, kind FROM item WHERE bytes <= ?1 LIMIT ?2")
            .map_err(failed)?;
        let mut rows = statement
            .query([LONGEST_SAMPLE, i64::from(ITEMS_LOOKED_AT)])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let kind = row.get(3).map_err(failed)?;
            self.take(row, codec, kind)?;
        }
        Ok(())
    }

    fn others(
        &mut self,
        connection: &Connection,
        codec: &Codec,
        kind: u16,
        sql: &str,
    ) -> Result<(), StoreError> {
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let mut rows = statement
            .query([LONGEST_SAMPLE, SAMPLES as i64])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            self.take(row, codec, kind)?;
        }
        Ok(())
    }

    fn take(&mut self, row: &Row<'_>, codec: &Codec, kind: u16) -> Result<(), StoreError> {
        if codec.has_dictionary(kind) {
            return Ok(());
        }
        let samples = self.0.entry(kind).or_default();
        if samples.len() < SAMPLES {
            let body = row.get_ref(2).map_err(failed)?;
            let body = body.as_blob().map_err(|_| StoreError::Corrupt)?;
            let (form, bytes) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            samples.push(codec.unpack(form, bytes, body)?);
        }
        Ok(())
    }
}

fn failed(error: rusqlite::Error) -> StoreError {
    StoreError::Engine(Box::new(error))
}
