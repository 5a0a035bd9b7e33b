//! Reads of items. Each names the person's part and filters inside the statement; none filters after.

use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId, Sensitivity, SensitivitySet, SourceCode};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::fault::reading;
use super::prepare::{part, shared_part};
use super::row::{ItemRow, item_columns, moment};
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::meta::with_version;
use crate::store::row::held_at;
use crate::store::{SourceActivity, StoreError, StoredBody};

/// The view as a condition on the table aliased by `$t`: ?2 categories, ?3 protection levels, ?4 hide
/// GP items, ?5 sources. See [`Filter`].
macro_rules! permitted {
    ($t:literal) => {
        concat!(
            "((?2 >> ",
            $t,
            ".category) & 1) = 1 AND ((?3 >> ",
            $t,
            ".sensitivity) & 1) = 1",
            " AND (?4 = 0 OR (",
            $t,
            ".flags & 4) = 0)",
            " AND (?5 = '' OR ?5 = '=' || ",
            $t,
            ".source OR (substr(?5, 1, 1) = ',' AND instr(?5, ',' || ",
            $t,
            ".source || ',') = 0))"
        )
    };
}

/// Not deleted.
macro_rules! alive {
    ($t:literal) => {
        concat!(" AND (", $t, ".flags & 8) = 0")
    };
}

/// The person's own part and the parts joined into it. Joins are flat, so this is one step; a
/// chain would be followed too, and `UNION` ends any ring.
macro_rules! parts {
    () => {
        "WITH RECURSIVE part (person) AS (VALUES (?1) UNION \
         SELECT p.person FROM person AS p JOIN part ON p.joined_into = part.person) "
    };
}
pub(super) use {alive, parts, permitted};

/// Rows of a statement, each read by `read`; the first damage ends the read.
pub(super) fn collect<T>(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let mut rows = statement.query(values).map_err(reading)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(reading)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A person's key, or `None` where there can be no such person: reads then find nothing.
fn readable(person: PersonId) -> Option<i64> {
    part(person).ok()
}

pub(super) fn headers(
    connection: &Connection,
    person: PersonId,
    filter: &Filter,
    with_deleted: bool,
) -> Result<Vec<Header>, StoreError> {
    let Some(person) = readable(person) else {
        return Ok(Vec::new());
    };
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT ",
            item_columns!(),
            " FROM part CROSS JOIN item AS i ON i.person = part.person WHERE ",
            permitted!("i"),
            " AND (?6 OR (i.flags & 8) = 0)"
        ),
        params![
            person,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources,
            with_deleted
        ],
        |row| ItemRow::read(row)?.header(),
    )
}

/// The headers of one type: a short range of the person's part.
pub(super) fn headers_of(
    connection: &Connection,
    person: PersonId,
    filter: &Filter,
    resource_type: ResourceType,
) -> Result<Vec<Header>, StoreError> {
    let Some(person) = readable(person) else {
        return Ok(Vec::new());
    };
    collect(
        connection,
        concat!(
            parts!(),
            "SELECT ",
            item_columns!(),
            " FROM part CROSS JOIN item AS i ON i.person = part.person AND i.kind = ?6 WHERE ",
            permitted!("i"),
            alive!("i")
        ),
        params![
            person,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources,
            resource_type.number()
        ],
        |row| ItemRow::read(row)?.header(),
    )
}

/// The bodies of one type, unless there are more than `most`.
pub(super) fn bodies_in(
    connection: &Connection,
    codec: &Codec,
    person: PersonId,
    filter: &Filter,
    (resource_type, most): (ResourceType, u32),
) -> Result<Option<Vec<StoredBody>>, StoreError> {
    let Some(person) = readable(person) else {
        return Ok(Some(Vec::new()));
    };
    let found = collect(
        connection,
        concat!(
            parts!(),
            "SELECT ",
            item_columns!(),
            ", i.body FROM part CROSS JOIN item AS i ON i.person = part.person AND i.kind = ?6 WHERE ",
            permitted!("i"),
            alive!("i"),
            " LIMIT ?7"
        ),
        params![
            person,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources,
            resource_type.number(),
            i64::from(most) + 1
        ],
        |row| stored_body(row, codec),
    )?;
    Ok((found.len() <= most as usize).then_some(found))
}

pub(super) fn bodies(
    connection: &Connection,
    codec: &Codec,
    person: PersonId,
    filter: &Filter,
    wanted: &[(ResourceType, ItemId)],
) -> Result<Vec<StoredBody>, StoreError> {
    let mut found = Vec::with_capacity(wanted.len());
    let parts = parts_of(connection, person)?;
    for (resource_type, item) in wanted {
        for part in &parts {
            let body = current(connection, codec, *part, filter, (*resource_type, *item))?;
            found.extend(body.filter(|body| !body.header.deleted));
        }
    }
    Ok(found)
}

fn parts_of(connection: &Connection, person: PersonId) -> Result<Vec<i64>, StoreError> {
    let Some(person) = readable(person) else {
        return Ok(Vec::new());
    };
    collect(
        connection,
        concat!(parts!(), "SELECT person FROM part"),
        [person],
        |row| row.get(0).map_err(reading),
    )
}

fn current(
    connection: &Connection,
    codec: &Codec,
    part: i64,
    filter: &Filter,
    (resource_type, item): (ResourceType, ItemId),
) -> Result<Option<StoredBody>, StoreError> {
    one(
        connection,
        codec,
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body FROM item AS i WHERE i.person = ?1 AND i.kind = ?6 AND i.item = ?7 AND ",
            permitted!("i")
        ),
        params![
            part,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources,
            resource_type.number(),
            item.0 as i64
        ],
    )
}

fn one(
    connection: &Connection,
    codec: &Codec,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<Option<StoredBody>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let mut rows = statement.query(values).map_err(reading)?;
    match rows.next().map_err(reading)? {
        Some(row) => stored_body(row, codec).map(Some),
        None => Ok(None),
    }
}

/// Reads the columns and the body after them, checks both, and writes the version into the body.
pub(super) fn stored_body(row: &Row<'_>, codec: &Codec) -> Result<StoredBody, StoreError> {
    let columns = ItemRow::read(row)?;
    let header = columns.header()?;
    let body = row
        .get_ref(17)
        .ok()
        .and_then(|body| body.as_blob().ok())
        .ok_or(StoreError::Corrupt)?;
    let plain = codec.checked(columns.form, columns.bytes, body, &columns.digest)?;
    Ok(StoredBody {
        sensitivity: columns.protection()?,
        person: columns.person(),
        body: with_version(&plain, header.version, header.received_at),
        header,
    })
}

/// A version is shown only where the view permits that version *and* the current one: a label that
/// was raised later also covers what was stored before.
macro_rules! past_versions {
    () => {
        concat!(
            " FROM item_history AS i WHERE i.person = ?1 AND i.kind = ?6 AND i.item = ?7 AND ",
            permitted!("i"),
            " AND EXISTS (SELECT 1 FROM item AS c WHERE c.person = i.person \
             AND c.kind = i.kind AND c.item = i.item AND ",
            permitted!("c"),
            ")"
        )
    };
}

/// The parts where an item of a person, or of nobody, may lie.
fn parts_for(
    connection: &Connection,
    owner: Option<PersonId>,
    item: (ResourceType, ItemId),
) -> Result<Vec<i64>, StoreError> {
    match owner {
        Some(person) => parts_of(connection, person),
        None => Ok(vec![shared_part(item.0, item.1)]),
    }
}

pub(super) fn version_of(
    connection: &Connection,
    codec: &Codec,
    owner: Option<PersonId>,
    filter: &Filter,
    item: (ResourceType, ItemId),
    version: Option<u32>,
) -> Result<Option<StoredBody>, StoreError> {
    let current = |part: i64| {
        let held = current(connection, codec, part, filter, item)?;
        let is_it = |held: &StoredBody| version.is_none_or(|one| one == held.header.version);
        Ok::<_, StoreError>(held.filter(is_it))
    };
    // A person's own part is the first of them, and nearly always the only one.
    let own = match owner {
        Some(person) => readable(person),
        None => Some(shared_part(item.0, item.1)),
    };
    let Some(own) = own else {
        return Ok(None);
    };
    if let Some(held) = current(own)? {
        return Ok(Some(held));
    }
    let parts = parts_for(connection, owner, item)?;
    for part in parts.iter().filter(|part| **part != own) {
        if let Some(held) = current(*part)? {
            return Ok(Some(held));
        }
    }
    let Some(version) = version else {
        return Ok(None);
    };
    for part in parts {
        let found = one(
            connection,
            codec,
            concat!(
                "SELECT ",
                item_columns!(),
                ", i.body",
                past_versions!(),
                " AND i.version = ?8"
            ),
            params![
                part,
                filter.categories,
                filter.sensitivities,
                filter.hide_gp_sourced,
                filter.sources,
                item.0.number(),
                item.1.0 as i64,
                version
            ],
        )?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Every permitted version, newest first, with its body: ?8 the greatest version number, ?9 how many.
const VERSIONS: &str = concat!(
    "SELECT ",
    item_columns!(),
    ", i.body FROM item AS i WHERE i.person = ?1 AND i.kind = ?6 AND i.item = ?7 \
     AND i.version <= ?8 AND ",
    permitted!("i"),
    " UNION ALL SELECT * FROM (SELECT ",
    item_columns!(),
    ", i.body",
    past_versions!(),
    // As many as are asked, and not the whole history put in order.
    " AND i.version <= ?8 ORDER BY i.version DESC LIMIT ?9) ORDER BY 4 DESC LIMIT ?9"
);

pub(super) fn versions(
    connection: &Connection,
    codec: &Codec,
    owner: Option<PersonId>,
    filter: &Filter,
    item: (ResourceType, ItemId),
    (before, limit): (Option<u32>, u32),
) -> Result<Vec<StoredBody>, StoreError> {
    let newest = before.map_or(i64::from(u32::MAX), |before| i64::from(before) - 1);
    for part in parts_for(connection, owner, item)? {
        let found = collect(
            connection,
            VERSIONS,
            params![
                part,
                filter.categories,
                filter.sensitivities,
                filter.hide_gp_sourced,
                filter.sources,
                item.0.number(),
                item.1.0 as i64,
                newest,
                limit
            ],
            |row| stored_body(row, codec),
        )?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// The permitted versions of one part, newest first, without bodies.
fn history_of_part(
    connection: &Connection,
    part: i64,
    filter: &Filter,
    (resource_type, item): (ResourceType, ItemId),
) -> Result<Vec<ItemRow>, StoreError> {
    collect(
        connection,
        concat!(
            "SELECT ",
            item_columns!(),
            " FROM item AS i WHERE i.person = ?1 AND i.kind = ?6 AND i.item = ?7 AND ",
            permitted!("i"),
            " UNION ALL SELECT ",
            item_columns!(),
            past_versions!(),
            " ORDER BY 4 DESC"
        ),
        params![
            part,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources,
            resource_type.number(),
            item.0 as i64
        ],
        ItemRow::read,
    )
}

pub(super) fn history(
    connection: &Connection,
    person: PersonId,
    filter: &Filter,
    item: (ResourceType, ItemId),
) -> Result<Vec<Header>, StoreError> {
    let mut found = Vec::new();
    for part in parts_of(connection, person)? {
        for row in history_of_part(connection, part, filter, item)? {
            found.push(row.header()?);
        }
    }
    found.sort_by_key(|header| std::cmp::Reverse(header.version));
    Ok(found)
}

/// The version that held at a moment: of those that had come by then, the one of the newest event.
pub(super) fn version_at(
    connection: &Connection,
    codec: &Codec,
    owner: Option<PersonId>,
    filter: &Filter,
    item: (ResourceType, ItemId),
    moment: u64,
) -> Result<Option<StoredBody>, StoreError> {
    for part in parts_for(connection, owner, item)? {
        let rows = history_of_part(connection, part, filter, item)?;
        if let Some(version) = held_at(&rows, moment) {
            return version_of(connection, codec, owner, filter, item, Some(version));
        }
    }
    Ok(None)
}

pub(super) fn shared_item(
    connection: &Connection,
    codec: &Codec,
    (resource_type, item): (ResourceType, ItemId),
) -> Result<Option<StoredBody>, StoreError> {
    one(
        connection,
        codec,
        concat!(
            "SELECT ",
            item_columns!(),
            ", i.body FROM item AS i WHERE i.person = ?1 AND i.kind = ?2 AND i.item = ?3",
            alive!("i")
        ),
        params![
            shared_part(resource_type, item),
            resource_type.number(),
            item.0 as i64
        ],
    )
}

pub(super) fn holds(
    connection: &Connection,
    person: Option<PersonId>,
    (resource_type, item): (ResourceType, ItemId),
) -> Result<bool, StoreError> {
    let parts = match person {
        Some(person) => parts_of(connection, person)?,
        None => vec![shared_part(resource_type, item)],
    };
    let mut statement = connection
        .prepare_cached(
            "SELECT 1 FROM item WHERE person = ?1 AND kind = ?2 AND item = ?3 AND (flags & 8) = 0",
        )
        .map_err(reading)?;
    for part in parts {
        let key = params![part, resource_type.number(), item.0 as i64];
        if statement.exists(key).map_err(reading)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn sensitivities(
    connection: &Connection,
    person: PersonId,
) -> Result<SensitivitySet, StoreError> {
    let Some(person) = readable(person) else {
        return Ok(SensitivitySet::EMPTY);
    };
    let levels = collect(
        connection,
        concat!(
            parts!(),
            "SELECT DISTINCT i.sensitivity FROM part CROSS JOIN item AS i ON i.person = part.person \
             WHERE (i.flags & 8) = 0"
        ),
        [person],
        |row| {
            let level: u8 = row.get(0).map_err(|_| StoreError::Corrupt)?;
            Sensitivity::ALL
                .get(usize::from(level))
                .copied()
                .ok_or(StoreError::Corrupt)
        },
    )?;
    Ok(levels.into_iter().collect())
}

pub(super) fn source_activity(
    connection: &Connection,
    person: Option<(PersonId, &Filter)>,
) -> Result<Vec<SourceActivity>, StoreError> {
    let mut sources = collect(
        connection,
        "SELECT source, last_received FROM source_seen ORDER BY source",
        [],
        |row| {
            Ok(SourceActivity {
                source: source(row, 0)?,
                last_received: Some(moment(row.get(1).map_err(reading)?)?),
                newest_item: None,
                items: 0,
            })
        },
    )?;
    let Some((person, filter)) = person else {
        return Ok(sources);
    };
    let Some(person) = readable(person) else {
        return Ok(sources);
    };
    let held = collect(
        connection,
        concat!(
            parts!(),
            "SELECT i.source, max(i.clinical_at), count(*) \
             FROM part CROSS JOIN item AS i ON i.person = part.person WHERE ",
            permitted!("i"),
            alive!("i"),
            " GROUP BY i.source"
        ),
        params![
            person,
            filter.categories,
            filter.sensitivities,
            filter.hide_gp_sourced,
            filter.sources
        ],
        |row| {
            let newest: Option<i64> = row.get(1).map_err(reading)?;
            let items: i64 = row.get(2).map_err(reading)?;
            Ok((source(row, 0)?, newest.map(moment).transpose()?, items))
        },
    )?;
    for (source, newest_item, items) in held {
        let items = items.unsigned_abs();
        match sources.iter_mut().find(|seen| seen.source == source) {
            Some(seen) => (seen.newest_item, seen.items) = (newest_item, items),
            None => sources.push(SourceActivity {
                source,
                last_received: None,
                newest_item,
                items,
            }),
        }
    }
    Ok(sources)
}

/// The source code in a column.
pub(super) fn source(row: &Row<'_>, column: usize) -> Result<SourceCode, StoreError> {
    let text: String = row.get(column).map_err(|_| StoreError::Corrupt)?;
    SourceCode::parse(&text).map_err(|_| StoreError::Corrupt)
}

/// One optional row.
pub(super) fn optional<T>(read: rusqlite::Result<T>) -> Result<Option<T>, StoreError> {
    read.optional().map_err(reading)
}
