//! Reads of items. Each names the person's parts and filters inside the statement; none filters after.

use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, Sensitivity, SensitivitySet};

use super::link::Link;
use super::readers::ReadError;
use super::row::{get, source, stored_body};
use super::sql;
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::prepare::shared_part;
use crate::store::row::{ItemRow, held_at, moment};
use crate::store::{SourceActivity, StoreError, StoredBody};

type Read<T> = Result<T, ReadError>;

pub(super) fn headers(
    link: &Link,
    parts: &[i64],
    filter: &Filter,
    with_deleted: bool,
) -> Read<Vec<Header>> {
    let rows = link.query(
        sql::HEADERS,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &with_deleted,
        ],
    )?;
    let mut headers = rows
        .iter()
        .map(|row| ItemRow::of(row)?.header())
        .collect::<Result<Vec<_>, StoreError>>()?;
    // As they lie in the other engine.
    headers.sort_by_key(|header| (header.resource_type.number(), header.item.0 as i64));
    Ok(headers)
}

pub(super) fn headers_of(
    link: &Link,
    parts: &[i64],
    filter: &Filter,
    resource_type: ResourceType,
) -> Read<Vec<Header>> {
    let each = [parts.to_vec()];
    let mut all = headers_of_each(link, &each, filter, resource_type)?;
    Ok(all.pop().unwrap_or_default())
}

/// The headers of one type of several people, each of whom has parts, in one statement.
pub(super) fn headers_of_each(
    link: &Link,
    each: &[Vec<i64>],
    filter: &Filter,
    resource_type: ResourceType,
) -> Read<Vec<Vec<Header>>> {
    let parts = each.concat();
    let rows = link.query(
        sql::HEADERS_OF,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &i32::from(resource_type.number()),
        ],
    )?;
    let mut all: Vec<Vec<Header>> = each.iter().map(|_| Vec::new()).collect();
    for row in &rows {
        let row = ItemRow::of(row)?;
        let (part, header) = (row.person, row.header()?);
        for (parts, headers) in each.iter().zip(&mut all) {
            if parts.contains(&part) {
                headers.push(header.clone());
            }
        }
    }
    for headers in &mut all {
        headers.sort_by_key(|header| header.item.0 as i64);
    }
    Ok(all)
}

/// The bodies of one type, unless there are more than `most`.
pub(super) fn bodies_in(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
    (resource_type, most): (ResourceType, u32),
) -> Read<Option<Vec<StoredBody>>> {
    let rows = link.query(
        sql::BODIES_IN,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &i32::from(resource_type.number()),
            &(i64::from(most) + 1),
        ],
    )?;
    if rows.len() > most as usize {
        return Ok(None);
    }
    let found = rows.iter().map(|row| stored_body(row, codec));
    Ok(Some(found.collect::<Result<_, StoreError>>()?))
}

pub(super) fn bodies(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
    wanted: &[(ResourceType, ItemId)],
) -> Read<Vec<StoredBody>> {
    let mut found = current(link, codec, parts, filter, wanted)?;
    found.retain(|body| !body.header.deleted);
    Ok(found)
}

fn current(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
    wanted: &[(ResourceType, ItemId)],
) -> Read<Vec<StoredBody>> {
    let kinds: Vec<i32> = wanted
        .iter()
        .map(|(kind, _)| kind.number().into())
        .collect();
    let items: Vec<i64> = wanted.iter().map(|(_, item)| item.0 as i64).collect();
    let rows = link.query(
        sql::BODIES,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &kinds,
            &items,
        ],
    )?;
    // The place in the order asked comes back with each row; the person's own part goes first.
    let mut found = rows
        .iter()
        .map(|row| Ok((get::<i64>(row, 18)?, stored_body(row, codec)?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let own = |body: &StoredBody| parts.iter().position(|part| *part == body.person.0 as i64);
    found.sort_by_key(|(place, body)| (*place, own(body)));
    Ok(found.into_iter().map(|(_, body)| body).collect())
}

pub(super) fn version(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
    item: (ResourceType, ItemId),
    version: Option<u32>,
) -> Read<Option<StoredBody>> {
    let current = current(link, codec, parts, filter, &[item])?;
    let held = current
        .into_iter()
        .find(|held| version.is_none_or(|version| version == held.header.version));
    let (None, Some(version)) = (&held, version) else {
        return Ok(held);
    };
    let Ok(version) = i32::try_from(version) else {
        return Ok(None);
    };
    let rows = link.query(
        sql::PAST_VERSION,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &i32::from(item.0.number()),
            &(item.1.0 as i64),
            &version,
        ],
    )?;
    Ok(rows
        .first()
        .map(|row| stored_body(row, codec))
        .transpose()?)
}

fn history_rows(
    link: &Link,
    parts: &[i64],
    filter: &Filter,
    (resource_type, item): (ResourceType, ItemId),
) -> Read<Vec<ItemRow>> {
    let rows = link.query(
        sql::HISTORY,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &i32::from(resource_type.number()),
            &(item.0 as i64),
        ],
    )?;
    let rows = rows.iter().map(ItemRow::of);
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

pub(super) fn history(
    link: &Link,
    parts: &[i64],
    filter: &Filter,
    item: (ResourceType, ItemId),
) -> Read<Vec<Header>> {
    let rows = history_rows(link, parts, filter, item)?;
    let headers = rows.iter().map(ItemRow::header);
    Ok(headers.collect::<Result<_, StoreError>>()?)
}

/// The version that held at a moment: of those that had come by then, the one of the newest event.
pub(super) fn version_at(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
    item: (ResourceType, ItemId),
    moment: u64,
) -> Read<Option<StoredBody>> {
    for part in parts {
        let rows = history_rows(link, &[*part], filter, item)?;
        if let Some(held) = held_at(&rows, moment) {
            return version(link, codec, &[*part], filter, item, Some(held));
        }
    }
    Ok(None)
}

pub(super) fn versions(
    link: &Link,
    codec: &Codec,
    parts: &[i64],
    filter: &Filter,
    (resource_type, item): (ResourceType, ItemId),
    (before, limit): (Option<u32>, u32),
) -> Read<Vec<StoredBody>> {
    let newest = before.map_or(i64::from(u32::MAX), |before| i64::from(before) - 1);
    for part in parts {
        let rows = link.query(
            sql::VERSIONS,
            &[
                part,
                &filter.categories,
                &filter.sensitivities,
                &filter.hide_gp_sourced,
                &filter.sources,
                &i32::from(resource_type.number()),
                &(item.0 as i64),
                &newest,
                &i64::from(limit),
            ],
        )?;
        if !rows.is_empty() {
            let bodies = rows.iter().map(|row| stored_body(row, codec));
            return Ok(bodies.collect::<Result<_, StoreError>>()?);
        }
    }
    Ok(Vec::new())
}

pub(super) fn shared_item(
    link: &Link,
    codec: &Codec,
    (resource_type, item): (ResourceType, ItemId),
) -> Read<Option<StoredBody>> {
    let rows = link.query(
        sql::SHARED_ITEM,
        &[
            &shared_part(resource_type, item),
            &i32::from(resource_type.number()),
            &(item.0 as i64),
        ],
    )?;
    Ok(rows
        .first()
        .map(|row| stored_body(row, codec))
        .transpose()?)
}

pub(super) fn holds(
    link: &Link,
    parts: &[i64],
    (resource_type, item): (ResourceType, ItemId),
) -> Read<bool> {
    let rows = link.query(
        sql::HOLDS,
        &[&parts, &i32::from(resource_type.number()), &(item.0 as i64)],
    )?;
    Ok(!rows.is_empty())
}

pub(super) fn sensitivities(link: &Link, parts: &[i64]) -> Read<SensitivitySet> {
    let rows = link.query(sql::SENSITIVITIES, &[&parts])?;
    let levels = rows.iter().map(|row| {
        let level = usize::try_from(get::<i16>(row, 0)?).map_err(|_| StoreError::Corrupt)?;
        Sensitivity::ALL
            .get(level)
            .copied()
            .ok_or(StoreError::Corrupt)
    });
    let levels = levels.collect::<Result<Vec<_>, StoreError>>()?;
    Ok(levels.into_iter().collect())
}

pub(super) fn source_activity(
    link: &Link,
    person: Option<(&[i64], &Filter)>,
) -> Read<Vec<SourceActivity>> {
    let mut sources = Vec::new();
    for row in link.query(sql::SOURCES_SEEN, &[])? {
        sources.push(SourceActivity {
            source: source(&row, 0)?,
            last_received: Some(moment(get(&row, 1)?)?),
            newest_item: None,
            items: 0,
        });
    }
    let Some((parts, filter)) = person else {
        return Ok(sources);
    };
    let rows = link.query(
        sql::SOURCES_OF_PERSON,
        &[
            &parts,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
        ],
    )?;
    for row in rows {
        let source = source(&row, 0)?;
        let newest_item = get::<Option<i64>>(&row, 1)?.map(moment).transpose()?;
        let items = get::<i64>(&row, 2)?.unsigned_abs();
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
