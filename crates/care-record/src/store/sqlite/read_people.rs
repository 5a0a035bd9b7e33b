//! Reads of people: who they are, who may be the same, what they chose.

use care_core::vocabulary::{Involvement, InvolvementKind, OdsCode, PersonId};
use rusqlite::{Connection, params};

use super::fault::reading;
use super::prepare::part;
use super::read_items::{collect, optional, parts, source};
use super::row::moment;
use crate::store::{DetailsQuery, DetailsRow, IdentifierRow, PersonRow, StoreError};

/// Identifiers, flags and involvements of joined people count as the person's own; choices are kept
/// apart, because only the rules may weigh one against another.
pub(super) fn person(
    connection: &Connection,
    person: PersonId,
) -> Result<Option<PersonRow>, StoreError> {
    let Ok(key) = part(person) else {
        return Ok(None);
    };
    // One state of the record for all of it; each statement alone would look for changes first.
    let _snapshot = connection.unchecked_transaction().map_err(reading)?;
    let held = connection
        .prepare_cached("SELECT joined_into FROM person WHERE person = ?1")
        .and_then(|mut statement| statement.query_row([key], |row| row.get::<_, Option<i64>>(0)));
    let Some(joined_into) = optional(held)? else {
        return Ok(None);
    };
    let joined: Vec<i64> = collect(
        connection,
        concat!(parts!(), "SELECT person FROM part WHERE person <> ?1"),
        [key],
        |row| row.get(0).map_err(reading),
    )?;
    let mut joined_choices = Vec::new();
    for other in &joined {
        joined_choices.extend(choice(connection, *other)?);
    }
    Ok(Some(PersonRow {
        joined_into: joined_into.map(|into| PersonId(into as u64)),
        joined: joined.iter().map(|key| PersonId(*key as u64)).collect(),
        identifiers: identifiers(connection, key)?,
        flags: flags(connection, key)?,
        choice: choice(connection, key)?,
        joined_choices,
        involvements: involvements(connection, key)?,
        details: details(connection, key)?,
    }))
}

fn identifiers(
    connection: &Connection,
    person: i64,
) -> Result<Vec<(String, String, OdsCode)>, StoreError> {
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT i.system, i.value, i.source FROM part \
             CROSS JOIN identifier AS i ON i.person = part.person ORDER BY 1, 2, 3"
        ),
        [person],
        |row| {
            Ok((
                row.get(0).map_err(reading)?,
                row.get(1).map_err(reading)?,
                source(row, 2)?,
            ))
        },
    )
}

fn flags(connection: &Connection, person: i64) -> Result<Vec<(String, String)>, StoreError> {
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT DISTINCT f.flag, f.value FROM part \
             CROSS JOIN person_flag AS f ON f.person = part.person ORDER BY 1, 2"
        ),
        [person],
        |row| Ok((row.get(0).map_err(reading)?, row.get(1).map_err(reading)?)),
    )
}

fn choice(connection: &Connection, person: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let newest = connection
        .prepare_cached("SELECT choice FROM choice WHERE person = ?1 ORDER BY number DESC LIMIT 1")
        .and_then(|mut statement| statement.query_row([person], |row| row.get(0)));
    optional(newest)
}

/// Every choice of a person and of those joined into them, newest first within each.
pub(super) fn choices(
    connection: &Connection,
    person: PersonId,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let Ok(key) = part(person) else {
        return Ok(Vec::new());
    };
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT c.choice FROM part CROSS JOIN choice AS c ON c.person = part.person \
             ORDER BY c.person, c.number DESC"
        ),
        [key],
        |row| row.get(0).map_err(reading),
    )
}

fn involvements(
    connection: &Connection,
    person: i64,
) -> Result<Vec<(OdsCode, Involvement)>, StoreError> {
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT v.source, v.kind, v.organisation, v.source_key, v.starts, v.ends, v.cancelled \
             FROM part CROSS JOIN involvement AS v ON v.person = part.person"
        ),
        [person],
        |row| {
            let kind: String = row.get(1).map_err(reading)?;
            let starts: Option<i64> = row.get(4).map_err(reading)?;
            let ends: Option<i64> = row.get(5).map_err(reading)?;
            let involvement = Involvement {
                kind: InvolvementKind::from_code(&kind).ok_or(StoreError::Corrupt)?,
                organisation: source(row, 2)?,
                source_key: row.get(3).map_err(reading)?,
                starts: starts.map(moment).transpose()?,
                ends: ends.map(moment).transpose()?,
                cancelled: row.get(6).map_err(reading)?,
            };
            Ok((source(row, 0)?, involvement))
        },
    )
}

fn details(connection: &Connection, person: i64) -> Result<Vec<DetailsRow>, StoreError> {
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT d.source, d.event_at, d.family, d.given, d.birth_date, d.gender, d.postcode, \
             d.phonetic_family FROM part CROSS JOIN details AS d ON d.person = part.person"
        ),
        [person],
        |row| {
            Ok(DetailsRow {
                source: source(row, 0)?,
                event_at: moment(row.get(1).map_err(reading)?)?,
                family: row.get(2).map_err(reading)?,
                given: row.get(3).map_err(reading)?,
                birth_date: row.get(4).map_err(reading)?,
                gender: row.get(5).map_err(reading)?,
                postcode: row.get(6).map_err(reading)?,
                phonetic_family: row.get(7).map_err(reading)?,
            })
        },
    )
}

pub(super) fn persons_by_identifier(
    connection: &Connection,
    system: &str,
    value: &str,
) -> Result<Vec<IdentifierRow>, StoreError> {
    collect(
        connection,
        "SELECT person, source, is_unique FROM identifier \
         WHERE system = ?1 AND value = ?2 ORDER BY person, source",
        params![system, value],
        |row| {
            Ok(IdentifierRow {
                person: PersonId(row.get::<_, i64>(0).map_err(reading)? as u64),
                source: source(row, 1)?,
                unique: row.get(2).map_err(reading)?,
            })
        },
    )
}

/// The steps from sure to similar; each adds people the steps before did not find. Within a step
/// those who agree in more of given name, postcode and gender come first.
const BY_FAMILY: &str = "SELECT person, max((given = ?3) + (postcode = ?4) + (gender = ?5)) \
    FROM details WHERE family = ?1 AND birth_date = ?2 \
    GROUP BY person ORDER BY 2 DESC, 1 LIMIT ?6";
const BY_SOUND: &str = "SELECT person, max((given = ?3) + (postcode = ?4) + (gender = ?5)) \
    FROM details WHERE phonetic_family = ?1 AND birth_date = ?2 \
    GROUP BY person ORDER BY 2 DESC, 1 LIMIT ?6";

pub(super) fn persons_by_details(
    connection: &Connection,
    query: &DetailsQuery,
    limit: u32,
) -> Result<Vec<PersonId>, StoreError> {
    let mut steps = vec![(BY_FAMILY, &query.family, query.birth_date.clone())];
    if query.similar {
        steps.push((BY_SOUND, &query.phonetic_family, query.birth_date.clone()));
        if let Some(swapped) = query.day_and_month_swapped() {
            steps.push((BY_FAMILY, &query.family, swapped.clone()));
            steps.push((BY_SOUND, &query.phonetic_family, swapped));
        }
    }
    let mut found: Vec<PersonId> = Vec::new();
    for (sql, family, birth_date) in steps {
        if family.is_empty() || birth_date.is_empty() {
            continue;
        }
        let values = params![
            family,
            birth_date,
            query.given,
            query.postcode,
            query.gender,
            limit
        ];
        let people = collect(connection, sql, values, |row| {
            Ok(PersonId(row.get::<_, i64>(0).map_err(reading)? as u64))
        })?;
        for person in people {
            if !found.contains(&person) {
                found.push(person);
            }
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}
