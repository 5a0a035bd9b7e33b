//! Cases: the writes on the writer's thread, and the reads.

use care_core::vocabulary::PersonId;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::apply::{Refusal, cached};
use super::fault::reading;
use super::prepare::part;
use super::read_items::{collect, parts};
use super::row::moment;
use crate::store::{
    CaseEventRow, CaseQuery, CaseRow, CaseTally, ChangeCase, OpenCase, StoreError, is_closed,
};

macro_rules! case_columns {
    () => {
        "number, reference, kind, person, about, opened_at, due_at, changed_at, owner, state, \
         version, detail"
    };
}

const PUT_EVENT: &str = "INSERT INTO casework_event \
    (number, version, at, who, owner, state, due_at, note, detail) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) fn open(connection: &Connection, case: &OpenCase) -> Result<u64, Refusal> {
    let at = case.opened_at.as_microsecond();
    let due_at = case.due_at.map(|due| due.as_microsecond());
    cached(
        connection,
        "INSERT INTO casework (reference, kind, person, about, opened_at, due_at, changed_at, \
         owner, state, closed, version, detail) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5, ?7, 'open', 0, 1, ?8)",
        params![
            case.reference,
            case.kind,
            case.person.map(|person| person.0 as i64),
            case.about,
            at,
            due_at,
            case.owner,
            case.detail,
        ],
    )?;
    let number = connection.last_insert_rowid();
    cached(
        connection,
        PUT_EVENT,
        params![
            number,
            1,
            at,
            case.who,
            case.owner,
            "open",
            due_at,
            case.note,
            case.detail
        ],
    )?;
    Ok(number as u64)
}

pub(super) fn change(connection: &Connection, change: &ChangeCase) -> Result<(), Refusal> {
    let number = change.number as i64;
    let held: Option<(u32, String, String, Option<i64>)> = connection
        .prepare_cached("SELECT version, owner, state, due_at FROM casework WHERE number = ?1")?
        .query_row([number], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((version, owner, state, due_at)) = held else {
        return Err(StoreError::NoSuchRow.into());
    };
    if version != change.expected_version {
        return Err(StoreError::Stale.into());
    }
    let owner = change.owner.as_ref().unwrap_or(&owner);
    let state = change.state.as_ref().unwrap_or(&state);
    let due_at = match change.due_at {
        None => due_at,
        Some(due) => due.map(|due| due.as_microsecond()),
    };
    let at = change.at.as_microsecond();
    cached(
        connection,
        "UPDATE casework SET version = ?2, changed_at = ?3, owner = ?4, state = ?5, closed = ?6, \
         due_at = ?7, detail = coalesce(?8, detail) WHERE number = ?1",
        params![
            number,
            version + 1,
            at,
            owner,
            state,
            is_closed(state),
            due_at,
            change.detail
        ],
    )?;
    cached(
        connection,
        PUT_EVENT,
        params![
            number,
            version + 1,
            at,
            change.who,
            owner,
            state,
            due_at,
            change.note,
            change.detail
        ],
    )?;
    Ok(())
}

fn case_row(row: &Row<'_>) -> Result<CaseRow, StoreError> {
    let due: Option<i64> = row.get(6).map_err(reading)?;
    Ok(CaseRow {
        number: row.get::<_, i64>(0).map_err(reading)? as u64,
        reference: row.get(1).map_err(reading)?,
        kind: row.get(2).map_err(reading)?,
        person: row
            .get::<_, Option<i64>>(3)
            .map_err(reading)?
            .map(|person| PersonId(person as u64)),
        about: row.get(4).map_err(reading)?,
        opened_at: moment(row.get(5).map_err(reading)?)?,
        due_at: due.map(moment).transpose()?,
        changed_at: moment(row.get(7).map_err(reading)?)?,
        owner: row.get(8).map_err(reading)?,
        state: row.get(9).map_err(reading)?,
        version: row.get(10).map_err(reading)?,
        detail: row.get(11).map_err(reading)?,
    })
}

pub(super) fn one(connection: &Connection, number: u64) -> Result<Option<CaseRow>, StoreError> {
    let found = collect(
        connection,
        concat!(
            "SELECT ",
            case_columns!(),
            " FROM casework WHERE number = ?1"
        ),
        [number as i64],
        case_row,
    )?;
    Ok(found.into_iter().next())
}

pub(super) fn by_reference(
    connection: &Connection,
    reference: &str,
) -> Result<Option<CaseRow>, StoreError> {
    let found = collect(
        connection,
        concat!(
            "SELECT ",
            case_columns!(),
            " FROM casework WHERE reference = ?1"
        ),
        [reference],
        case_row,
    )?;
    Ok(found.into_iter().next())
}

/// ?1 the person, ?2 kinds and ?3 states between commas, ?4 open or closed, ?5 owner, ?6 about,
/// ?7 due before, ?8 opened from, ?9 opened until.
macro_rules! chosen {
    () => {
        " FROM casework WHERE (?1 IS NULL OR person IN (SELECT person FROM part)) \
         AND (?2 = '' OR instr(?2, ',' || kind || ',') > 0) \
         AND (?3 = '' OR instr(?3, ',' || state || ',') > 0) \
         AND (?4 IS NULL OR closed = 1 - ?4) AND (?5 IS NULL OR owner = ?5) \
         AND (?6 IS NULL OR about = ?6) AND (?7 IS NULL OR due_at < ?7) \
         AND (?8 IS NULL OR opened_at >= ?8) AND (?9 IS NULL OR opened_at < ?9)"
    };
}

/// A list between commas; nothing for an empty one.
fn between_commas(codes: &[String]) -> String {
    if codes.is_empty() {
        return String::new();
    }
    format!(",{},", codes.join(","))
}

pub(super) fn list(connection: &Connection, query: &CaseQuery) -> Result<Vec<CaseRow>, StoreError> {
    let person = query.person.map(part).transpose()?;
    let found = collect(
        connection,
        concat!(
            parts!(),
            "SELECT ",
            case_columns!(),
            chosen!(),
            " ORDER BY CASE ?10 WHEN 'newest' THEN -opened_at WHEN 'changed' THEN -changed_at \
             WHEN 'due' THEN coalesce(due_at, 9223372036854775807) ELSE opened_at END, number \
             LIMIT ?11"
        ),
        params![
            person,
            between_commas(&query.kinds),
            between_commas(&query.states),
            query.open,
            query.owner,
            query.about,
            query.due_before.map(|at| at.as_microsecond()),
            query.opened_from.map(|at| at.as_microsecond()),
            query.opened_until.map(|at| at.as_microsecond()),
            query.order.code(),
            query.offset.saturating_add(query.limit),
        ],
        case_row,
    )?;
    Ok(found.into_iter().skip(query.offset as usize).collect())
}

pub(super) fn tally(
    connection: &Connection,
    query: &CaseQuery,
) -> Result<Vec<CaseTally>, StoreError> {
    let person = query.person.map(part).transpose()?;
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT kind, state, count(*), min(opened_at)",
            chosen!(),
            " GROUP BY kind, state ORDER BY kind, state"
        ),
        params![
            person,
            between_commas(&query.kinds),
            between_commas(&query.states),
            query.open,
            query.owner,
            query.about,
            query.due_before.map(|at| at.as_microsecond()),
            query.opened_from.map(|at| at.as_microsecond()),
            query.opened_until.map(|at| at.as_microsecond()),
        ],
        |row| {
            Ok(CaseTally {
                kind: row.get(0).map_err(reading)?,
                state: row.get(1).map_err(reading)?,
                count: row.get::<_, i64>(2).map_err(reading)?.unsigned_abs(),
                oldest: moment(row.get(3).map_err(reading)?)?,
            })
        },
    )
}

pub(super) fn events(
    connection: &Connection,
    number: u64,
) -> Result<Vec<CaseEventRow>, StoreError> {
    collect(
        connection,
        "SELECT version, at, who, owner, state, due_at, note, detail FROM casework_event \
         WHERE number = ?1 ORDER BY version",
        [number as i64],
        |row| {
            let due: Option<i64> = row.get(5).map_err(reading)?;
            Ok(CaseEventRow {
                version: row.get(0).map_err(reading)?,
                at: moment(row.get(1).map_err(reading)?)?,
                who: row.get(2).map_err(reading)?,
                owner: row.get(3).map_err(reading)?,
                state: row.get(4).map_err(reading)?,
                due_at: due.map(moment).transpose()?,
                note: row.get(6).map_err(reading)?,
                detail: row.get(7).map_err(reading)?,
            })
        },
    )
}
