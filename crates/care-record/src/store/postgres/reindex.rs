//! Works items into the index that are not in it, or not under every term.

use tokio_postgres::Row;

use super::link::{Link, Value};
use super::readers::ReadError;
use super::row::get;
use super::sql;
use super::write::{Kept, lists, terms, values};
use crate::store::body::Codec;
use crate::store::index::{Reindexed, Reread, spot};
use crate::store::row::ItemRow;
use crate::store::{IndexWork, OwnParameter, StoreError};

type Read<T> = Result<T, ReadError>;

/// The next items of a piece of work.
pub(super) fn reread(link: &Link, codec: &Codec, work: &IndexWork, most: u32) -> Read<Vec<Reread>> {
    let (person, kind, item) = work.after;
    let rows = link.query(
        sql::REREAD,
        &[
            &person,
            &(kind as i32),
            &item,
            &work.kinds,
            &i64::from(most),
        ],
    )?;
    let items = rows.iter().map(|row| {
        let columns = ItemRow::of(row)?;
        let body = get(row, 17)?;
        let body = codec.checked(columns.form, columns.bytes, body, &columns.digest)?;
        Ok(Reread { row: columns, body })
    });
    Ok(items.collect::<Result<_, StoreError>>()?)
}

/// Gives items new spots under their words. An item that has another version by now is passed over: that
/// version brought its own words.
pub(super) fn put(link: &Link, work: &IndexWork, items: &[Reindexed], is_last: bool) -> Read<()> {
    let spots = link.query(sql::SPOTS, &[])?;
    let held: i64 = spots.first().map_or(Ok(0), |row| get(row, 0))?;
    let kept: Vec<Kept<'_>> = (held + 1..)
        .zip(items)
        .filter_map(|(number, item)| {
            let words = item.words.as_deref()?;
            let spot = spot(item.spot_seconds, number);
            Some(Kept::of(item.key, spot, item.version, words))
        })
        .collect();
    let mut pipeline = link.pipeline();
    pipeline.add(sql::PUT_TALLY, values!["spots", items.len() as i64])?;
    pipeline.add(sql::REINDEX, terms(&kept))?;
    pipeline.add(sql::RELIST, lists(&kept))?;
    let (person, kind, item) = items.last().map_or(work.after, |item| item.key);
    let done = items.len() as i64;
    pipeline.add(
        sql::INDEX_WORKED,
        values![work.number, person, kind as i32, item, done],
    )?;
    if is_last {
        pipeline.add(sql::INDEX_DONE, values![work.number])?;
    }
    Ok(pipeline.commit()?)
}

/// Empties the index and puts everything on the list.
pub(super) fn again(link: &Link) -> Read<()> {
    let mut pipeline = link.pipeline();
    pipeline.add(sql::INDEX_CLEAR, values![i64::MIN])?;
    pipeline.add(sql::INDEX_CLEAR_LISTS, values![i64::MIN])?;
    pipeline.add(sql::INDEX_CLEAR_WORK, Vec::new())?;
    pipeline.add(sql::INDEX_ALL, Vec::new())?;
    Ok(pipeline.commit()?)
}

pub(super) fn add_parameter(link: &Link, url: &str, definition: &[u8], kinds: &str) -> Read<()> {
    // Numbers are read first: an INSERT that looks into other tables is refused by a spread database.
    let number = |sql, values: &[Value<'_>]| -> Read<i64> {
        let rows = link.query(sql, values)?;
        Ok(rows.first().map_or(Ok(0), |row| get(row, 0))?)
    };
    let next = number(sql::INDEX_NEXT, &[])?;
    let total = number(sql::INDEX_COUNT, &[&kinds])?;
    let mut pipeline = link.pipeline();
    pipeline.add(sql::PUT_PARAMETER, values![url, definition])?;
    pipeline.add(sql::INDEX_DROP_ABOUT, values![url])?;
    pipeline.add(sql::INDEX_ADD, values![next, url, kinds, total])?;
    Ok(pipeline.commit()?)
}

pub(super) fn remove_parameter(link: &Link, url: &str) -> Read<bool> {
    let removed = link.execute(sql::DROP_PARAMETER, &[&url])?;
    link.execute(sql::INDEX_DROP_ABOUT, &[&url])?;
    Ok(removed > 0)
}

pub(super) fn own_parameters(link: &Link) -> Read<Vec<OwnParameter>> {
    // In this order: one that is added between the two reads is not in the list yet.
    let rows = link.query(sql::OWN_PARAMETERS, &[])?;
    let work = link.query(sql::INDEX_ABOUT, &[])?;
    let own = rows.iter().map(|row| {
        let url: String = get(row, 0)?;
        let is_about = |work: &Row| get::<&str>(work, 0).is_ok_and(|about| about == url);
        Ok(OwnParameter {
            definition: get(row, 1)?,
            ready: !work.iter().any(is_about),
            url,
        })
    });
    Ok(own.collect::<Result<_, StoreError>>()?)
}
