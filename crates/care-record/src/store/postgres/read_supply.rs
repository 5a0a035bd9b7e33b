//! Reads for a source of what it sent: items of many people by name, and what came in the order it came.

use care_core::fhir::ResourceType;
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;

use super::link::{Link, Value};
use super::readers::ReadError;
use super::row::{get, stored_body};
use super::sql;
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::prepare::{part, shared_part};
use crate::store::{ChangePlace, ChangesAsked, StoreError, StoredBody, earliest_moment};

type Read<T> = Result<T, ReadError>;

/// The bodies of items of anybody, in the order asked; those that are not there, deleted or not
/// permitted are left out.
pub(super) fn bodies_of(
    link: &Link,
    codec: &Codec,
    filter: &Filter,
    wanted: &[(Option<PersonId>, ResourceType, ItemId)],
) -> Read<Vec<StoredBody>> {
    let (mut parts, mut kinds, mut items) = (Vec::new(), Vec::new(), Vec::new());
    for (owner, resource_type, item) in wanted {
        let part = match owner {
            Some(person) => part(*person),
            None => Ok(shared_part(*resource_type, *item)),
        };
        let Ok(part) = part else { continue };
        parts.push(part);
        kinds.push(i32::from(resource_type.number()));
        items.push(item.0 as i64);
    }
    let rows = link.query(
        link.whole_or_spread(sql::BODIES_OF, sql::BODIES_OF_SPREAD),
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
    let bodies = rows.iter().map(|row| stored_body(row, codec));
    Ok(bodies.collect::<Result<_, StoreError>>()?)
}

pub(super) fn changes(
    link: &Link,
    codec: &Codec,
    parts: Option<&[i64]>,
    filter: &Filter,
    asked: &ChangesAsked,
) -> Read<Vec<StoredBody>> {
    let Some(source) = filter.only_source() else {
        return Ok(Vec::new());
    };
    let before = asked.before.unwrap_or(ChangePlace::from(i64::MAX as u64));
    let (part, kind, item, version) = before.within;
    let mut first = match asked.since {
        Some(since) => moment_of(link, since)?,
        None => -1,
    };
    if let Some(after) = asked.after {
        first = first.max(after as i64 + 1);
    }
    let of_kind = asked.kind.map(|kind| i32::from(kind.number()));
    let since = asked.since.map_or(i64::MIN, Timestamp::as_microsecond);
    let (moment, part, item) = (before.moment as i64, part as i64, item as i64);
    let (kind, version) = (i32::from(kind), version.min(i32::MAX as u32) as i32);
    let limit = i64::from(asked.limit);
    let values: [Value<'_>; 15] = [
        &parts,
        &filter.categories,
        &filter.sensitivities,
        &filter.hide_gp_sourced,
        &filter.sources,
        &source,
        &moment,
        &part,
        &kind,
        &item,
        &version,
        &of_kind,
        &first,
        &since,
        &limit,
    ];
    let (now, past) = match parts {
        None => (sql::CHANGES, sql::CHANGES_PAST),
        Some(_) => (sql::CHANGES_OF_ONE, sql::CHANGES_OF_ONE_PAST),
    };
    let tables = link.query_all([(now, &values), (past, &values)])?;
    let rows = tables.iter().flatten();
    let found = rows.map(|row| stored_body(row, codec));
    Ok(asked.newest_first(found.collect::<Result<_, StoreError>>()?))
}

/// The number of the first entry that may be of this time or later.
fn moment_of(link: &Link, since: Timestamp) -> Read<i64> {
    let rows = link.query(sql::ENTRIES_HELD, &[])?;
    let entries = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    let at = |number: i64| {
        let rows = link.query(sql::ENTRY_AT, &[&number]);
        let rows = rows.map_err(|error| ReadError::Server(error).into_store())?;
        rows.first().map(|row| get(row, 0)).transpose()
    };
    Ok(earliest_moment(entries, since, at)?)
}
