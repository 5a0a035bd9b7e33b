//! Reads across people: who there is, which codes are held, one person's permitted items whole, and seals.

use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::link::Link;
use super::readers::ReadError;
use super::row::{get, stored_body};
use super::sql;
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::row::{ItemRow, moment};
use crate::store::{SealedRow, StoreError, StoredBody};

type Read<T> = Result<T, ReadError>;

pub(super) fn people_after(
    link: &Link,
    after: Option<PersonId>,
    limit: u32,
) -> Read<Vec<PersonId>> {
    let after = after.map_or(-1, |person| person.0 as i64);
    let rows = link.query(sql::PEOPLE_AFTER, &[&after, &i64::from(limit)])?;
    let people = rows
        .iter()
        .map(|row| Ok(PersonId(get::<i64>(row, 0)? as u64)));
    Ok(people.collect::<Result<_, StoreError>>()?)
}

pub(super) fn codes_held(
    link: &Link,
    parts: &[i64],
    codes: &[u64],
) -> Read<Vec<(u64, Option<Timestamp>)>> {
    let codes: Vec<i64> = codes.iter().map(|code| *code as i64).collect();
    let rows = link.query(sql::CODES_HELD, &[&parts, &codes])?;
    let held = rows.iter().map(|row| {
        let last = get::<Option<i64>>(row, 1)?.map(moment).transpose()?;
        Ok((get::<i64>(row, 0)? as u64, last))
    });
    Ok(held.collect::<Result<_, StoreError>>()?)
}

pub(super) fn whole(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
) -> Read<Vec<StoredBody>> {
    let rows = link.query(
        sql::WHOLE,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
        ],
    )?;
    let bodies = rows.iter().map(|row| stored_body(row, codec));
    let mut bodies = bodies.collect::<Result<Vec<_>, StoreError>>()?;
    // As they lie in the other engine.
    bodies.sort_by_key(|one| (one.header.resource_type.number(), one.header.item.0 as i64));
    Ok(bodies)
}

pub(super) fn sealed(link: &Link, limit: u32) -> Read<Vec<SealedRow>> {
    let rows = link.query(sql::SEALED, &[&i64::from(limit)])?;
    let sealed = rows.iter().map(|row| {
        let columns = ItemRow::of(row)?;
        Ok(SealedRow {
            person: columns.person(),
            sensitivity: columns.protection()?,
            header: columns.header()?,
        })
    });
    Ok(sealed.collect::<Result<_, StoreError>>()?)
}

pub(super) fn sealed_tally(link: &Link) -> Read<(u64, Option<Timestamp>)> {
    let rows = link.query(sql::SEALED_TALLY, &[])?;
    let Some(row) = rows.first() else {
        return Ok((0, None));
    };
    let oldest = get::<Option<i64>>(row, 1)?.map(moment).transpose()?;
    Ok((get::<i64>(row, 0)? as u64, oldest))
}
