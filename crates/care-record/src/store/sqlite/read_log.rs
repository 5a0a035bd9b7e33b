//! Reads of deliveries, worklists, kept values and the audit log.

use care_core::audit::leaf_hash;
use care_core::vocabulary::PersonId;
use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};

use super::fault::reading;
use super::prepare::part;
use super::read_items::{collect, optional, parts};
use super::row::moment;
use crate::store::body::Codec;
use crate::store::{DeliveryRow, Followed, StoreError, WorklistRow};

macro_rules! delivery_columns {
    () => {
        "d.delivery, d.feed, d.sender, d.control_id, d.digest, d.received_at, d.kind, d.status, \
         d.answer, d.person, d.issues"
    };
}

fn delivery_row(row: &Row<'_>) -> Result<DeliveryRow, StoreError> {
    let digest = row
        .get_ref(4)
        .ok()
        .and_then(|digest| digest.as_blob().ok())
        .and_then(|digest| digest.try_into().ok())
        .ok_or(StoreError::Corrupt)?;
    Ok(DeliveryRow {
        delivery: row.get::<_, i64>(0).map_err(reading)? as u64,
        feed: row.get(1).map_err(reading)?,
        sender: row.get(2).map_err(reading)?,
        control_id: row.get(3).map_err(reading)?,
        digest,
        received_at: moment(row.get(5).map_err(reading)?)?,
        kind: row.get(6).map_err(reading)?,
        status: row.get(7).map_err(reading)?,
        answer: row.get(8).map_err(reading)?,
        person: row
            .get::<_, Option<i64>>(9)
            .map_err(reading)?
            .map(|person| PersonId(person as u64)),
        issues: row.get(10).map_err(reading)?,
    })
}

pub(super) fn delivery(
    connection: &Connection,
    sender: &str,
    control_id: &str,
) -> Result<Option<DeliveryRow>, StoreError> {
    let found = collect(
        connection,
        concat!(
            "SELECT ",
            delivery_columns!(),
            " FROM delivery AS d WHERE d.sender = ?1 AND d.control_id = ?2"
        ),
        [sender, control_id],
        delivery_row,
    )?;
    Ok(found.into_iter().next())
}

pub(super) fn delivery_body(
    connection: &Connection,
    codec: &Codec,
    delivery: u64,
) -> Result<Option<(DeliveryRow, Vec<u8>)>, StoreError> {
    let found = collect(
        connection,
        concat!(
            "SELECT ",
            delivery_columns!(),
            ", b.form, b.bytes, b.body FROM delivery AS d \
             JOIN delivery_body AS b ON b.delivery = d.delivery WHERE d.delivery = ?1"
        ),
        [delivery as i64],
        |row| {
            let packed: Vec<u8> = row.get(13).map_err(reading)?;
            let form = row.get(11).map_err(reading)?;
            let bytes = row.get(12).map_err(reading)?;
            Ok((delivery_row(row)?, codec.unpack(form, bytes, &packed)?))
        },
    )?;
    match found.into_iter().next() {
        Some((row, body)) if Sha256::digest(&body).as_slice() != row.digest => {
            Err(StoreError::Corrupt)
        }
        found => Ok(found),
    }
}

/// Checks a row of delivery, digest, form, bytes, body.
pub(super) fn check_delivery(row: &Row<'_>, codec: &Codec) -> Result<(), StoreError> {
    let damaged = |_| StoreError::Corrupt;
    let body = row.get_ref(4).map_err(damaged)?;
    let digest = row.get_ref(1).map_err(damaged)?;
    let (Ok(body), Ok(digest)) = (body.as_blob(), digest.as_blob()) else {
        return Err(StoreError::Corrupt);
    };
    let (form, bytes) = (row.get(2).map_err(damaged)?, row.get(3).map_err(damaged)?);
    let plain = codec.unpack(form, bytes, body)?;
    if Sha256::digest(&plain).as_slice() == digest {
        Ok(())
    } else {
        Err(StoreError::Corrupt)
    }
}

pub(super) fn deliveries(
    connection: &Connection,
    feed: Option<&str>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let before = before.map_or(i64::MAX, |number| number as i64);
    match feed {
        Some(feed) => collect(
            connection,
            concat!(
                "SELECT ",
                delivery_columns!(),
                " FROM delivery AS d WHERE d.feed = ?1 AND d.delivery < ?2 \
                 ORDER BY d.delivery DESC LIMIT ?3"
            ),
            params![feed, before, limit],
            delivery_row,
        ),
        None => collect(
            connection,
            concat!(
                "SELECT ",
                delivery_columns!(),
                " FROM delivery AS d WHERE d.delivery < ?1 ORDER BY d.delivery DESC LIMIT ?2"
            ),
            params![before, limit],
            delivery_row,
        ),
    }
}

pub(super) fn worklist(
    connection: &Connection,
    kind: Option<&str>,
    after: Option<u64>,
    limit: u32,
) -> Result<Vec<WorklistRow>, StoreError> {
    collect(
        connection,
        "SELECT number, kind, feed, delivery, person, opened_at, state, note, detail \
         FROM worklist WHERE closed = 0 AND (?1 IS NULL OR kind = ?1) AND number > ?2 \
         ORDER BY number LIMIT ?3",
        params![kind, after.map_or(0, |number| number as i64), limit],
        |row| {
            let number = |column| -> Result<Option<u64>, StoreError> {
                let value: Option<i64> = row.get(column).map_err(reading)?;
                Ok(value.map(|value| value as u64))
            };
            Ok(WorklistRow {
                row: number(0)?.unwrap_or(0),
                kind: row.get(1).map_err(reading)?,
                feed: row.get(2).map_err(reading)?,
                delivery: number(3)?,
                person: number(4)?.map(PersonId),
                opened_at: moment(row.get(5).map_err(reading)?)?,
                state: row.get(6).map_err(reading)?,
                note: row.get(7).map_err(reading)?,
                detail: row.get(8).map_err(reading)?,
            })
        },
    )
}

pub(super) fn keep_get(
    connection: &Connection,
    space: &str,
    key: &str,
    now_ms: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let kept = connection
        .prepare_cached("SELECT value FROM keep WHERE space = ?1 AND key = ?2 AND expires_ms > ?3")
        .and_then(|mut statement| {
            statement.query_row(params![space, key, now_ms], |row| row.get(0))
        });
    optional(kept)
}

pub(super) fn keep_list(
    connection: &Connection,
    space: &str,
    prefix: &str,
    now_ms: i64,
    limit: u32,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    collect(
        connection,
        "SELECT key, value FROM keep WHERE space = ?1 AND key >= ?2 AND key < ?2 || ?5 \
         AND expires_ms > ?3 ORDER BY kept DESC, key LIMIT ?4",
        params![space, prefix, now_ms, limit, "\u{10ffff}"],
        |row| Ok((row.get(0).map_err(reading)?, row.get(1).map_err(reading)?)),
    )
}

pub(super) fn entry_row(row: &Row<'_>, codec: &Codec) -> Result<(u64, Vec<u8>), StoreError> {
    let number: i64 = row.get(0).map_err(reading)?;
    let leaf = row.get_ref(1).map_err(reading)?;
    let packed = row.get_ref(4).map_err(reading)?;
    let (Ok(leaf), Ok(packed)) = (leaf.as_blob(), packed.as_blob()) else {
        return Err(StoreError::Corrupt);
    };
    let bytes = codec.unpack(
        row.get(2).map_err(reading)?,
        row.get(3).map_err(reading)?,
        packed,
    )?;
    if leaf_hash(&bytes) == leaf {
        Ok((number as u64, bytes))
    } else {
        Err(StoreError::Corrupt)
    }
}

pub(super) fn entries(
    connection: &Connection,
    codec: &Codec,
    from: u64,
    limit: u32,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    collect(
        connection,
        "SELECT number, leaf, form, bytes, entry FROM entry WHERE number >= ?1 \
         ORDER BY number LIMIT ?2",
        params![from as i64, limit],
        |row| entry_row(row, codec),
    )
}

/// Those by one of these as numbers only: their bytes are not even unpacked.
pub(super) fn entries_but(
    connection: &Connection,
    codec: &Codec,
    from: u64,
    limit: u32,
    passed_over: &[String],
) -> Result<Vec<Followed>, StoreError> {
    collect(
        connection,
        "SELECT number, leaf, form, bytes, entry, who FROM entry WHERE number >= ?1 \
         ORDER BY number LIMIT ?2",
        params![from as i64, limit],
        |row| {
            let who = row.get_ref(5).map_err(reading)?;
            let who = who.as_str().map_err(|_| StoreError::Corrupt)?;
            if passed_over.iter().any(|one| one == who) {
                let number: i64 = row.get(0).map_err(reading)?;
                return Ok((number as u64, None));
            }
            let (number, bytes) = entry_row(row, codec)?;
            Ok((number, Some(bytes)))
        },
    )
}

pub(super) fn entries_about(
    connection: &Connection,
    codec: &Codec,
    person: Option<PersonId>,
    who: Option<&str>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let before = before.map_or(i64::MAX, |number| number as i64);
    let read = |row: &Row<'_>| entry_row(row, codec);
    match (person, who) {
        (Some(person), who) => {
            let Ok(person) = part(person) else {
                return Ok(Vec::new());
            };
            collect(
                connection,
                concat!(
                    parts!(),
                    "SELECT e.number, e.leaf, e.form, e.bytes, e.entry FROM part \
                     CROSS JOIN entry AS e ON e.person = part.person \
                     WHERE e.number < ?2 AND (?3 IS NULL OR e.who = ?3) \
                     ORDER BY e.number DESC LIMIT ?4"
                ),
                params![person, before, who, limit],
                read,
            )
        }
        (None, Some(who)) => collect(
            connection,
            "SELECT number, leaf, form, bytes, entry FROM entry \
             WHERE who = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
            params![who, before, limit],
            read,
        ),
        (None, None) => collect(
            connection,
            "SELECT number, leaf, form, bytes, entry FROM entry \
             WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
            params![before, limit],
            read,
        ),
    }
}
