//! Reads everything there is and compares it with its digests: what a read would refuse, found early.

use rusqlite::{Connection, Row};

use super::fault::reading;
use super::row::{ItemRow, item_columns};
use crate::store::{CheckReport, Codec, StoreError};

/// Checks every page, every seal, every digest and the counts.
pub(crate) fn scrub(connection: &Connection, codec: &Codec) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    pages(connection, &mut report)?;
    report.items = each(connection, CURRENT, &mut report, "item", |row| {
        item(row, codec)
    })?;
    report.past_versions = each(connection, PAST, &mut report, "version", |row| {
        item(row, codec)
    })?;
    report.deliveries = each(connection, DELIVERIES, &mut report, "delivery", |row| {
        super::read_log::check_delivery(row, codec)
    })?;
    report.entries = each(connection, ENTRIES, &mut report, "entry", |row| {
        super::read_log::entry_row(row, codec).map(drop)
    })?;
    counts(connection, &mut report)?;
    Ok(report)
}

const CURRENT: &str = concat!("SELECT ", item_columns!(), ", i.body FROM item AS i");
const PAST: &str = concat!(
    "SELECT ",
    item_columns!(),
    ", i.body FROM item_history AS i"
);
const DELIVERIES: &str = "SELECT d.delivery, d.digest, b.form, b.bytes, b.body \
    FROM delivery AS d LEFT JOIN delivery_body AS b ON b.delivery = d.delivery";
const ENTRIES: &str = "SELECT number, leaf, form, bytes, entry FROM entry ORDER BY number";

fn pages(connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    // The index keeps its outline in memory and looks whether that still holds when it is asked
    // something, but not when it is checked: so it is asked first, of the same state of the file.
    let state = connection.unchecked_transaction().map_err(reading)?;
    state
        .prepare_cached("SELECT rowid FROM term WHERE term MATCH '\"nothing\"' LIMIT 1")
        .and_then(|mut statement| statement.exists([]))
        .map_err(reading)?;
    let connection = &*state;
    let mut statement = connection
        .prepare("PRAGMA integrity_check(100)")
        .map_err(reading)?;
    let mut rows = statement.query([]).map_err(reading)?;
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                let text: String = row.get(0).map_err(reading)?;
                if text != "ok" {
                    report.damaged(format!("pages: {text}"));
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                report.damaged(format!("pages: {error}"));
                return Ok(());
            }
        }
    }
}

/// Looks at each row; damage to the file itself ends the table, not the scrub.
fn each(
    connection: &Connection,
    sql: &str,
    report: &mut CheckReport,
    table: &str,
    look: impl Fn(&Row<'_>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([]).map_err(reading)?;
    let mut seen = 0;
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                if look(row).is_err() {
                    report.damaged(format!("{table} {}", key(row, table)));
                }
                seen += 1;
            }
            Ok(None) => return Ok(seen),
            Err(error) => {
                report.damaged(format!("{table} table after {seen} rows: {error}"));
                return Ok(seen);
            }
        }
    }
}

/// The key of a row: numbers of ours, never what it holds.
fn key(row: &Row<'_>, table: &str) -> String {
    let columns = if table == "item" || table == "version" {
        4
    } else {
        1
    };
    let numbers: Vec<String> = (0..columns)
        .map(|column| {
            row.get::<_, i64>(column)
                .map_or_else(|_| "?".into(), |n| n.to_string())
        })
        .collect();
    numbers.join("/")
}

fn item(row: &Row<'_>, codec: &Codec) -> Result<(), StoreError> {
    let columns = ItemRow::read(row)?;
    columns.header()?;
    columns.protection()?;
    let body = row.get_ref(17).ok().and_then(|body| body.as_blob().ok());
    let body = body.ok_or(StoreError::Corrupt)?;
    codec
        .checked(columns.form, columns.bytes, body, &columns.digest)
        .map(drop)
}

fn counts(connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let number = |sql: &str| -> Result<i64, StoreError> {
        connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(reading)
    };
    report.people = number("SELECT count(*) FROM person")?.unsigned_abs();
    let told = [
        (
            "items",
            number("SELECT count FROM tally WHERE name = 'items'")?,
            report.items,
        ),
        (
            "people",
            number("SELECT count FROM tally WHERE name = 'people'")?,
            report.people,
        ),
        (
            "entries",
            number("SELECT coalesce(max(number), -1) + 1 FROM entry")?,
            report.entries,
        ),
    ];
    for (name, told, held) in told {
        if told.unsigned_abs() != held {
            report.damaged(format!("{name}: {held} are held, {told} should be"));
        }
    }
    Ok(())
}
