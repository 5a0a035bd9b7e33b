//! Reads of cases.

use care_core::vocabulary::PersonId;
use tokio_postgres::Row;

use super::link::Link;
use super::readers::ReadError;
use super::row::{get, text};
use super::sql;
use crate::store::row::moment;
use crate::store::{CaseEventRow, CaseQuery, CaseRow, CaseTally, StoreError};

type Read<T> = Result<T, ReadError>;

/// Reads the columns of `case_columns!` from the front of a row.
pub(super) fn case_row(row: &Row) -> Result<CaseRow, StoreError> {
    Ok(CaseRow {
        number: get::<i64>(row, 0)? as u64,
        reference: get(row, 1)?,
        kind: get(row, 2)?,
        person: get::<Option<i64>>(row, 3)?.map(|person| PersonId(person as u64)),
        about: get(row, 4)?,
        opened_at: moment(get(row, 5)?)?,
        due_at: get::<Option<i64>>(row, 6)?.map(moment).transpose()?,
        changed_at: moment(get(row, 7)?)?,
        owner: get(row, 8)?,
        state: get(row, 9)?,
        version: version(row, 10)?,
        detail: get(row, 11)?,
    })
}

fn version(row: &Row, column: usize) -> Result<u32, StoreError> {
    u32::try_from(get::<i64>(row, column)?).map_err(|_| StoreError::Corrupt)
}

pub(super) fn one(link: &Link, number: u64) -> Read<Option<CaseRow>> {
    let rows = link.query(sql::CASE, &[&(number as i64)])?;
    Ok(rows.first().map(case_row).transpose()?)
}

pub(super) fn by_reference(link: &Link, reference: &str) -> Read<Option<CaseRow>> {
    let rows = link.query(sql::CASE_BY_REFERENCE, &[&text(reference)])?;
    Ok(rows.first().map(case_row).transpose()?)
}

/// The rows of a statement whose first nine values say which cases.
fn chosen(
    link: &Link,
    sql: &'static str,
    parts: Option<&[i64]>,
    query: &CaseQuery,
    more: Option<(&str, i64)>,
) -> Read<Vec<Row>> {
    let some = |codes: &[String]| (!codes.is_empty()).then(|| codes.to_vec());
    let (kinds, states) = (some(&query.kinds), some(&query.states));
    let (owner, about) = (
        query.owner.as_deref().map(text),
        query.about.as_deref().map(text),
    );
    let micros = |at: Option<jiff::Timestamp>| at.map(|at| at.as_microsecond());
    let (due, from, until) = (
        micros(query.due_before),
        micros(query.opened_from),
        micros(query.opened_until),
    );
    let mut values: Vec<super::link::Value<'_>> = vec![
        &parts,
        &kinds,
        &states,
        &query.open,
        &owner,
        &about,
        &due,
        &from,
        &until,
    ];
    if let Some((order, limit)) = &more {
        values.push(order);
        values.push(limit);
    }
    Ok(link.query_planned(sql, &values)?)
}

pub(super) fn list(link: &Link, parts: Option<&[i64]>, query: &CaseQuery) -> Read<Vec<CaseRow>> {
    let most = i64::from(query.offset) + i64::from(query.limit);
    let more = Some((query.order.code(), most));
    let rows = chosen(link, sql::CASES, parts, query, more)?;
    let rows = rows.iter().skip(query.offset as usize).map(case_row);
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

pub(super) fn tally(link: &Link, parts: Option<&[i64]>, query: &CaseQuery) -> Read<Vec<CaseTally>> {
    let rows = chosen(link, sql::CASE_TALLY, parts, query, None)?;
    let rows = rows.iter().map(|row| {
        Ok(CaseTally {
            kind: get(row, 0)?,
            state: get(row, 1)?,
            count: get::<i64>(row, 2)?.unsigned_abs(),
            oldest: moment(get(row, 3)?)?,
        })
    });
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

pub(super) fn events(link: &Link, number: u64) -> Read<Vec<CaseEventRow>> {
    let rows = link.query(sql::CASE_EVENTS, &[&(number as i64)])?;
    let rows = rows.iter().map(|row| {
        Ok(CaseEventRow {
            version: version(row, 0)?,
            at: moment(get(row, 1)?)?,
            who: get(row, 2)?,
            owner: get(row, 3)?,
            state: get(row, 4)?,
            due_at: get::<Option<i64>>(row, 5)?.map(moment).transpose()?,
            note: get(row, 6)?,
            detail: get(row, 7)?,
        })
    });
    Ok(rows.collect::<Result<_, StoreError>>()?)
}
