//! Reads of people: who they are, who may be the same, what they chose.

use care_core::vocabulary::{Involvement, InvolvementKind, PersonId};

use super::link::Link;
use super::readers::ReadError;
use super::row::{get, source, text};
use super::sql;
use crate::store::row::moment;
use crate::store::{DetailsQuery, DetailsRow, IdentifierRow, PersonRow, StoreError};

type Read<T> = Result<T, ReadError>;

/// Every choice of a person and of those joined into them, newest first within each.
pub(super) fn choices(link: &Link, parts: &[i64]) -> Read<Vec<Vec<u8>>> {
    let rows = link.query(sql::ALL_CHOICES, &[&parts])?;
    rows.iter().map(|row| Ok(get(row, 0)?)).collect()
}

/// Identifiers, flags and involvements of joined people count as the person's own; choices are kept
/// apart, because only the rules may weigh one against another. `parts` begins with the person.
pub(super) fn person(link: &Link, parts: &[i64]) -> Read<Option<PersonRow>> {
    let Some((key, joined)) = parts.split_first() else {
        return Ok(None);
    };
    let [held, identifiers, flags, choices, involvements, details] = link.query_all([
        (sql::PERSON, &[key]),
        (sql::IDENTIFIERS, &[&parts]),
        (sql::FLAGS, &[&parts]),
        (sql::CHOICES, &[&parts]),
        (sql::INVOLVEMENTS, &[&parts]),
        (sql::DETAILS, &[&parts]),
    ])?;
    let Some(held) = held.first() else {
        return Ok(None);
    };
    let mut row = PersonRow {
        joined_into: get::<Option<i64>>(held, 0)?.map(|into| PersonId(into as u64)),
        joined: joined.iter().map(|part| PersonId(*part as u64)).collect(),
        ..PersonRow::default()
    };
    for one in &identifiers {
        row.identifiers
            .push((get(one, 0)?, get(one, 1)?, source(one, 2)?));
    }
    for one in &flags {
        row.flags.push((get(one, 0)?, get(one, 1)?));
    }
    for one in &choices {
        let of: i64 = get(one, 0)?;
        if of == *key {
            row.choice = Some(get(one, 1)?);
        } else {
            row.joined_choices.push(get(one, 1)?);
        }
    }
    for one in &involvements {
        let kind = InvolvementKind::from_code(get(one, 1)?).ok_or(StoreError::Corrupt)?;
        let involvement = Involvement {
            kind,
            organisation: source(one, 2)?,
            source_key: get(one, 3)?,
            starts: get::<Option<i64>>(one, 4)?.map(moment).transpose()?,
            ends: get::<Option<i64>>(one, 5)?.map(moment).transpose()?,
            cancelled: get(one, 6)?,
        };
        row.involvements.push((source(one, 0)?, involvement));
    }
    for one in &details {
        row.details.push(DetailsRow {
            source: source(one, 0)?,
            event_at: moment(get(one, 1)?)?,
            family: get(one, 2)?,
            given: get(one, 3)?,
            birth_date: get(one, 4)?,
            gender: get(one, 5)?,
            postcode: get(one, 6)?,
            phonetic_family: get(one, 7)?,
        });
    }
    Ok(Some(row))
}

pub(super) fn persons_by_identifier(
    link: &Link,
    system: &str,
    value: &str,
) -> Read<Vec<IdentifierRow>> {
    let rows = link.query(sql::HOLDERS, &[&text(value), &text(system)])?;
    let holders = rows.iter().map(|row| {
        Ok(IdentifierRow {
            person: PersonId(get::<i64>(row, 0)? as u64),
            source: source(row, 1)?,
            unique: get(row, 2)?,
        })
    });
    Ok(holders.collect::<Result<_, StoreError>>()?)
}

/// The steps from sure to similar; each adds people the steps before did not find. Within a step
/// those who agree in more of given name, postcode and gender come first.
pub(super) fn persons_by_details(
    link: &Link,
    query: &DetailsQuery,
    limit: u32,
) -> Read<Vec<PersonId>> {
    let mut steps = vec![(sql::BY_FAMILY, &query.family, query.birth_date.clone())];
    if query.similar {
        let sound = &query.phonetic_family;
        steps.push((sql::BY_SOUND, sound, query.birth_date.clone()));
        if let Some(swapped) = query.day_and_month_swapped() {
            steps.push((sql::BY_FAMILY, &query.family, swapped.clone()));
            steps.push((sql::BY_SOUND, sound, swapped));
        }
    }
    let (given, postcode, gender) = (
        text(&query.given),
        text(&query.postcode),
        text(&query.gender),
    );
    let mut found: Vec<PersonId> = Vec::new();
    for (sql, family, birth_date) in steps {
        if family.is_empty() || birth_date.is_empty() {
            continue;
        }
        let rows = link.query(
            sql,
            &[
                &text(family),
                &text(&birth_date),
                &given,
                &postcode,
                &gender,
                &i64::from(limit),
            ],
        )?;
        for row in rows {
            let person = PersonId(get::<i64>(&row, 0)? as u64);
            if !found.contains(&person) {
                found.push(person);
            }
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}
