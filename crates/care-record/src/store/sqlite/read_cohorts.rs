//! Reads across people: who there is, which codes are held, one person's permitted items whole, and seals.

use care_core::vocabulary::PersonId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::fault::reading;
use super::prepare::part;
use super::read_items::{alive, collect, parts, permitted, stored_body};
use super::row::{ItemRow, item_columns, moment};
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::{SealedRow, StoreError, StoredBody};

pub(super) fn people_after(
    connection: &Connection,
    after: Option<PersonId>,
    limit: u32,
) -> Result<Vec<PersonId>, StoreError> {
    let after = after.map_or(-1, |person| person.0 as i64);
    collect(
        connection,
        "SELECT person FROM person WHERE person > ?1 AND joined_into IS NULL ORDER BY person LIMIT ?2",
        params![after, limit],
        |row| Ok(PersonId(row.get::<_, i64>(0).map_err(reading)? as u64)),
    )
}

/// The codes as `,1,2,`: numbers hold no commas.
pub(super) fn codes_held(
    connection: &Connection,
    person: PersonId,
    codes: &[u64],
) -> Result<Vec<(u64, Option<Timestamp>)>, StoreError> {
    let Ok(person) = part(person) else {
        return Ok(Vec::new());
    };
    let mut wanted = String::from(",");
    for code in codes {
        wanted.push_str(&format!("{},", *code as i64));
    }
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT i.code_key, max(i.clinical_at) \
             FROM part CROSS JOIN item AS i ON i.person = part.person \
             WHERE i.sensitivity = 0 AND (i.flags & 10) = 0 \
             AND instr(?2, ',' || i.code_key || ',') > 0 GROUP BY i.code_key"
        ),
        params![person, wanted],
        |row| {
            let code: i64 = row.get(0).map_err(reading)?;
            let last: Option<i64> = row.get(1).map_err(reading)?;
            Ok((code as u64, last.map(moment).transpose()?))
        },
    )
}

pub(super) fn whole(
    connection: &Connection,
    codec: &Codec,
    person: PersonId,
    filter: &Filter,
) -> Result<Vec<StoredBody>, StoreError> {
    let Ok(person) = part(person) else {
        return Ok(Vec::new());
    };
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT ",
            item_columns!(),
            ", i.body FROM part CROSS JOIN item AS i ON i.person = part.person WHERE ",
            permitted!("i"),
            alive!("i")
        ),
        params![
            person,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources
        ],
        |row| stored_body(row, codec),
    )
}

pub(super) fn sealed(connection: &Connection, limit: u32) -> Result<Vec<SealedRow>, StoreError> {
    collect(
        connection,
        concat!(
            "SELECT ",
            item_columns!(),
            " FROM item AS i WHERE i.sensitivity IN (2, 3) AND (i.flags & 8) = 0 \
             ORDER BY i.received_at DESC, i.person, i.kind, i.item LIMIT ?1"
        ),
        params![limit],
        |row| {
            let columns = ItemRow::read(row)?;
            Ok(SealedRow {
                person: columns.person(),
                sensitivity: columns.protection()?,
                header: columns.header()?,
            })
        },
    )
}

pub(super) fn sealed_tally(
    connection: &Connection,
) -> Result<(u64, Option<Timestamp>), StoreError> {
    let found = collect(
        connection,
        "SELECT count(*), min(received_at) FROM item \
         WHERE sensitivity IN (2, 3) AND (flags & 8) = 0",
        params![],
        |row| {
            let count: i64 = row.get(0).map_err(reading)?;
            let oldest: Option<i64> = row.get(1).map_err(reading)?;
            Ok((count as u64, oldest.map(moment).transpose()?))
        },
    )?;
    Ok(found.into_iter().next().unwrap_or_default())
}
