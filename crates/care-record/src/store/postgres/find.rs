//! Finds items by the index.

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::fhir::search::{Wanted, every};

use super::link::{Link, Value};
use super::readers::ReadError;
use super::row::{get, int, stored_body};
use super::sql;
use super::writer::IndexKnown;
use crate::store::body::Codec;
use crate::store::filter::Filter;
use crate::store::index::{Found, Language, Said, Spot, SpotOrder, say};
use crate::store::{IndexWork, StoreError, StoredBody};

type Read<T> = Result<T, ReadError>;

/// The language of `tsquery`; terms are letters and digits, so they are lexemes as they stand.
struct Query;

impl Language for Query {
    const AND: &'static str = " & ";
    const OR: &'static str = " | ";

    fn term(&self, term: &str) -> String {
        format!("'{term}'")
    }

    fn prefix(&self, term: &str) -> String {
        format!("'{term}':*")
    }

    fn but_not(&self, wanted: &str, unwanted: &str) -> String {
        format!("({wanted} & !{unwanted})")
    }
}

/// What is asked of the index, where the view is of one source.
fn asked(view: &View, kind: ResourceType, wanted: &Wanted) -> Option<String> {
    let every = every(view.only_source()?, kind);
    match say(wanted, &every, &Query) {
        Said::Nothing => None,
        Said::Query(query) => Some(query),
    }
}

/// Finds items, with their bodies.
pub(super) fn find(
    link: &Link,
    (codec, index): (&Codec, &IndexKnown),
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    (order, after): (SpotOrder, Option<Spot>),
    limit: u32,
) -> Read<Vec<(Found, Option<StoredBody>)>> {
    must_be_made(link, index)?;
    let Some(query) = asked(view, kind, wanted) else {
        return Ok(Vec::new());
    };
    let filter = Filter::from(view);
    let (sql, from) = match (order, filter.sees_its_source_whole()) {
        (SpotOrder::NewestFirst, true) => (sql::FIND_NEWEST, i64::MAX),
        (SpotOrder::NewestFirst, false) => (sql::FIND_NEWEST_PERMITTED, i64::MAX),
        (SpotOrder::OldestFirst, true) => (sql::FIND_OLDEST, -1),
        (SpotOrder::OldestFirst, false) => (sql::FIND_OLDEST_PERMITTED, -1),
    };
    let rows = link.query(
        sql,
        &[
            &None::<Vec<i64>>,
            &filter.categories,
            &filter.sensitivities,
            &filter.hide_gp_sourced,
            &filter.sources,
            &query,
            &after.map_or(from, |after| after.0),
            &i32::from(kind.number()),
            &i64::from(limit),
        ],
    )?;
    let found = rows.iter().map(|row| {
        let columns = (get(row, 18)?, get(row, 0)?, get(row, 2)?, get(row, 16)?);
        Ok((Found::of(columns), Some(stored_body(row, codec)?)))
    });
    Ok(found.collect::<Result<_, StoreError>>()?)
}

/// Every term is of one source, so the index alone counts what a view of that source sees whole.
pub(super) fn tally(
    link: &Link,
    index: &IndexKnown,
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    most: u64,
) -> Read<u64> {
    must_be_made(link, index)?;
    let Some(query) = asked(view, kind, wanted) else {
        return Ok(0);
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let filter = Filter::from(view);
    let kind = i32::from(kind.number());
    let whole: [Value<'_>; 3] = [&query, &kind, &most];
    let permitted: [Value<'_>; 8] = [
        &None::<Vec<i64>>,
        &filter.categories,
        &filter.sensitivities,
        &filter.hide_gp_sourced,
        &filter.sources,
        &query,
        &kind,
        &most,
    ];
    let rows = if filter.sees_its_source_whole() {
        link.query(sql::TALLY_WHOLE, &whole)?
    } else {
        link.query(sql::TALLY_PERMITTED, &permitted)?
    };
    let counted = rows.first().map_or(Ok(0), |row| get::<i64>(row, 0))?;
    Ok(counted.unsigned_abs())
}

/// Nothing is found by half an index. Once it is whole it stays so, until this program empties it.
fn must_be_made(link: &Link, index: &IndexKnown) -> Read<()> {
    let Err(known) = index.is_whole() else {
        return Ok(());
    };
    let rows = link.query(sql::INDEX_LEFT, &[])?;
    let Some(row) = rows.first() else {
        index.was_whole(known);
        return Ok(());
    };
    Err(ReadError::Store(StoreError::Indexing {
        done: get::<i64>(row, 0)?.unsigned_abs(),
        total: get::<i64>(row, 1)?.unsigned_abs(),
    }))
}

/// Work that is not done, oldest first.
pub(super) fn index_work(link: &Link) -> Read<Vec<IndexWork>> {
    let rows = link.query(sql::INDEX_WORK, &[])?;
    let work = rows.iter().map(|row| {
        Ok(IndexWork {
            number: get(row, 0)?,
            about: get(row, 1)?,
            kinds: get(row, 2)?,
            after: (get(row, 3)?, int(row, 4)?, get(row, 5)?),
            done: get::<i64>(row, 6)?.unsigned_abs(),
            total: get::<i64>(row, 7)?.unsigned_abs(),
        })
    });
    Ok(work.collect::<Result<_, StoreError>>()?)
}
