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

/// The way to what is wanted.
enum Way<'w> {
    /// By its words.
    Words,
    /// Along a list, on which nothing else is asked.
    List(&'w String),
    /// By its words, or along a list where many have them.
    Among(&'w String),
}

impl<'w> Way<'w> {
    fn of(wanted: &'w Wanted) -> Self {
        let list = |one: &'w Wanted| match one {
            Wanted::Listed { list, .. } => Some(list),
            _ => None,
        };
        match wanted {
            Wanted::Listed { list, .. } => Self::List(list),
            Wanted::All(all) => all.iter().find_map(list).map_or(Self::Words, Self::Among),
            _ => Self::Words,
        }
    }

    fn list(&self) -> Option<&'w String> {
        match self {
            Self::Words => None,
            Self::List(list) | Self::Among(list) => Some(list),
        }
    }

    fn statement(&self, order: SpotOrder, is_whole: bool) -> &'static str {
        use SpotOrder::{NewestFirst, OldestFirst};
        match (self, order, is_whole) {
            (Self::Words, NewestFirst, true) => sql::FIND_NEWEST,
            (Self::Words, NewestFirst, false) => sql::FIND_NEWEST_PERMITTED,
            (Self::Words, OldestFirst, true) => sql::FIND_OLDEST,
            (Self::Words, OldestFirst, false) => sql::FIND_OLDEST_PERMITTED,
            (Self::List(_), NewestFirst, true) => sql::FIND_LISTED_NEWEST,
            (Self::List(_), NewestFirst, false) => sql::FIND_LISTED_NEWEST_PERMITTED,
            (Self::List(_), OldestFirst, true) => sql::FIND_LISTED_OLDEST,
            (Self::List(_), OldestFirst, false) => sql::FIND_LISTED_OLDEST_PERMITTED,
            (Self::Among(_), NewestFirst, true) => sql::FIND_AMONG_NEWEST,
            (Self::Among(_), NewestFirst, false) => sql::FIND_AMONG_NEWEST_PERMITTED,
            (Self::Among(_), OldestFirst, true) => sql::FIND_AMONG_OLDEST,
            (Self::Among(_), OldestFirst, false) => sql::FIND_AMONG_OLDEST_PERMITTED,
        }
    }
}

fn kind_number(kind: ResourceType) -> i32 {
    i32::from(kind.number())
}

/// Counting so many goes along a list; counting more is quicker in the index of words, where order is of no
/// use.
const COUNTED_ALONG: u64 = 2_000;

/// Finds items, with their bodies.
pub(super) fn find(
    link: &Link,
    (codec, index): (&Codec, &IndexKnown),
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    (order, after): (SpotOrder, Option<Spot>),
    limit: u32,
) -> Read<Vec<(Found, StoredBody)>> {
    must_be_made(link, index)?;
    let Some(query) = asked(view, kind, wanted) else {
        return Ok(Vec::new());
    };
    let filter = Filter::from(view);
    let way = Way::of(wanted);
    let (from, limit) = match order {
        SpotOrder::NewestFirst => (i64::MAX, i64::from(limit)),
        SpotOrder::OldestFirst => (-1, i64::from(limit)),
    };
    let (from, kind) = (after.map_or(from, |after| after.0), kind_number(kind));
    let mut values: Vec<Value<'_>> = vec![
        &None::<Vec<i64>>,
        &filter.categories,
        &filter.sensitivities,
        &filter.hide_gp_sourced,
        &filter.sources,
        &query,
        &from,
        &kind,
        &limit,
    ];
    if let Some(list) = way.list() {
        values.push(list);
    }
    let rows = link.query(
        way.statement(order, filter.sees_its_source_whole()),
        &values,
    )?;
    let found = rows.iter().map(|row| {
        let columns = (get(row, 18)?, get(row, 0)?, get(row, 2)?, get(row, 16)?);
        Ok((Found::of(columns), stored_body(row, codec)?))
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
    let filter = Filter::from(view);
    let kind = kind_number(kind);
    let along = match Way::of(wanted) {
        Way::List(list) if most <= COUNTED_ALONG => Some(list),
        _ => None,
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
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
    let rows = match along {
        _ if !filter.sees_its_source_whole() => link.query(sql::TALLY_PERMITTED, &permitted)?,
        Some(list) => link.query(sql::TALLY_LISTED, &[&query, &kind, &most, list])?,
        None => link.query(sql::TALLY_WHOLE, &whole)?,
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
