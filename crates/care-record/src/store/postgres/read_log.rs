//! Reads of deliveries, worklists, kept values and the audit log.

use care_core::audit::leaf_hash;
use care_core::vocabulary::PersonId;
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use super::link::Link;
use super::readers::ReadError;
use super::row::{get, int, text};
use super::sql;
use crate::store::body::Codec;
use crate::store::row::moment;
use crate::store::{DeliveryRow, Followed, StoreError, WorklistRow};

type Read<T> = Result<T, ReadError>;

fn person(row: &Row, column: usize) -> Result<Option<PersonId>, StoreError> {
    let key: Option<i64> = get(row, column)?;
    Ok(key.map(|key| PersonId(key as u64)))
}

fn delivery_row(row: &Row) -> Result<DeliveryRow, StoreError> {
    Ok(DeliveryRow {
        delivery: get::<i64>(row, 0)? as u64,
        feed: get(row, 1)?,
        sender: get(row, 2)?,
        control_id: get(row, 3)?,
        digest: get::<&[u8]>(row, 4)?
            .try_into()
            .map_err(|_| StoreError::Corrupt)?,
        received_at: moment(get(row, 5)?)?,
        kind: get(row, 6)?,
        status: get(row, 7)?,
        answer: get(row, 8)?,
        person: person(row, 9)?,
        issues: get(row, 10)?,
    })
}

pub(super) fn delivery(link: &Link, sender: &str, control_id: &str) -> Read<Option<DeliveryRow>> {
    let once = link.query(sql::DELIVERY_ONCE, &[&text(control_id), &text(sender)])?;
    let Some(once) = once.first() else {
        return Ok(None);
    };
    let rows = link.query(sql::DELIVERY, &[&get::<i64>(once, 0)?])?;
    Ok(rows.first().map(delivery_row).transpose()?)
}

pub(super) fn delivery_body(
    link: &Link,
    codec: &Codec,
    delivery: u64,
) -> Read<Option<(DeliveryRow, Vec<u8>)>> {
    let rows = link.query(sql::DELIVERY_WITH_BODY, &[&(delivery as i64)])?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let body = codec.unpack(int(row, 11)?, int(row, 12)?, get(row, 13)?)?;
    let row = delivery_row(row)?;
    if Sha256::digest(&body).as_slice() != row.digest {
        return Err(StoreError::Corrupt.into());
    }
    Ok(Some((row, body)))
}

/// Checks a row of delivery, digest, form, bytes, body.
pub(super) fn check_delivery(row: &Row, codec: &Codec) -> Result<(), StoreError> {
    let plain = codec.unpack(int(row, 2)?, int(row, 3)?, get(row, 4)?)?;
    if Sha256::digest(&plain).as_slice() == get::<&[u8]>(row, 1)? {
        Ok(())
    } else {
        Err(StoreError::Corrupt)
    }
}

pub(super) fn deliveries(
    link: &Link,
    feed: Option<&str>,
    before: Option<u64>,
    limit: u32,
) -> Read<Vec<DeliveryRow>> {
    let before = before.map_or(i64::MAX, |number| number as i64);
    let limit = i64::from(limit);
    let rows = match feed {
        Some(feed) => link.query(sql::DELIVERIES_OF_FEED, &[&before, &limit, &text(feed)])?,
        None => link.query(sql::DELIVERIES, &[&before, &limit])?,
    };
    Ok(rows.iter().map(delivery_row).collect::<Result<_, _>>()?)
}

pub(super) fn worklist(
    link: &Link,
    kind: Option<&str>,
    after: Option<u64>,
    limit: u32,
) -> Read<Vec<WorklistRow>> {
    let after = after.map_or(0, |number| number as i64);
    let rows = link.query(sql::WORKLIST, &[&kind.map(text), &after, &i64::from(limit)])?;
    let rows = rows.iter().map(|row| {
        Ok(WorklistRow {
            row: get::<i64>(row, 0)? as u64,
            kind: get(row, 1)?,
            feed: get(row, 2)?,
            delivery: get::<Option<i64>>(row, 3)?.map(|number| number as u64),
            person: person(row, 4)?,
            opened_at: moment(get(row, 5)?)?,
            state: get(row, 6)?,
            note: get(row, 7)?,
            detail: get(row, 8)?,
        })
    });
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

pub(super) fn keep_get(link: &Link, space: &str, key: &str, now_ms: i64) -> Read<Option<Vec<u8>>> {
    let rows = link.query(sql::KEPT, &[&space, &text(key), &now_ms])?;
    Ok(rows.first().map(|row| get(row, 0)).transpose()?)
}

pub(super) fn keep_list(
    link: &Link,
    space: &str,
    prefix: &str,
    now_ms: i64,
    limit: u32,
) -> Read<Vec<(String, Vec<u8>)>> {
    let prefix = text(prefix);
    let end = format!("{prefix}\u{10ffff}");
    let rows = link.query(
        sql::KEPT_LIST,
        &[&space, &prefix, &now_ms, &i64::from(limit), &end],
    )?;
    let rows = rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

pub(super) fn entry_row(row: &Row, codec: &Codec) -> Result<(u64, Vec<u8>), StoreError> {
    let bytes = codec.unpack(int(row, 2)?, int(row, 3)?, get(row, 4)?)?;
    if leaf_hash(&bytes).as_slice() == get::<&[u8]>(row, 1)? {
        Ok((get::<i64>(row, 0)? as u64, bytes))
    } else {
        Err(StoreError::Corrupt)
    }
}

pub(super) fn entries(
    link: &Link,
    codec: &Codec,
    from: u64,
    limit: u32,
) -> Read<Vec<(u64, Vec<u8>)>> {
    let rows = link.query(sql::ENTRIES, &[&(from as i64), &i64::from(limit)])?;
    let entries = rows.iter().map(|row| entry_row(row, codec));
    Ok(entries.collect::<Result<_, _>>()?)
}

/// Those by one of these as numbers only: their bytes do not leave the database.
pub(super) fn entries_but(
    link: &Link,
    codec: &Codec,
    from: u64,
    limit: u32,
    passed_over: &[String],
) -> Read<Vec<Followed>> {
    let passed_over: Vec<_> = passed_over.iter().map(|one| text(one)).collect();
    let rows = link.query(
        sql::ENTRIES_BUT,
        &[&(from as i64), &i64::from(limit), &passed_over],
    )?;
    let entries = rows.iter().map(|row| {
        if get::<Option<&[u8]>>(row, 4)?.is_none() {
            return Ok((get::<i64>(row, 0)? as u64, None));
        }
        let (number, bytes) = entry_row(row, codec)?;
        Ok((number, Some(bytes)))
    });
    Ok(entries.collect::<Result<_, StoreError>>()?)
}

pub(super) fn entries_about(
    link: &Link,
    codec: &Codec,
    parts: Option<&[i64]>,
    who: Option<&str>,
    before: Option<u64>,
    limit: u32,
) -> Read<Vec<(u64, Vec<u8>)>> {
    let before = before.map_or(i64::MAX, |number| number as i64);
    let (who, limit) = (who.map(text), i64::from(limit));
    let rows = match (parts, &who) {
        (Some(parts), _) => link.query(sql::ENTRIES_ABOUT, &[&before, &limit, &parts, &who])?,
        (None, Some(who)) => link.query(sql::ENTRIES_BY, &[&before, &limit, who])?,
        (None, None) => link.query(sql::ENTRIES_NEWEST, &[&before, &limit])?,
    };
    let entries = rows.iter().map(|row| entry_row(row, codec));
    Ok(entries.collect::<Result<_, _>>()?)
}
