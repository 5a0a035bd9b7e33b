//! Reads what a batch names: one round trip, a second one where versions may have come out of order.

use std::collections::HashMap;

use super::decide::{Key, Known, Named, Past};
use super::link::Link;
use super::read_cases::case_row;
use super::readers::ReadError;
use super::row::{get, int};
use super::sql;
use crate::store::StoreError;
use crate::store::prepare::{Prepared, PreparedChange};
use crate::store::row::ItemRow;

/// What the database holds of everything these commits name.
pub(super) fn load(link: &Link, batch: &[&Prepared]) -> Result<Known, ReadError> {
    let named = Named::of(batch.iter().copied());
    let mut known = Known::default();
    let keys = Keys::of(named.items.iter());
    let people: Vec<i64> = named.people.iter().copied().collect();
    let (values, systems): (Vec<_>, Vec<_>) = named.identifiers.iter().copied().unzip();
    let (control_ids, senders): (Vec<_>, Vec<_>) = named.deliveries.iter().copied().unzip();
    let (spaces, kept): (Vec<_>, Vec<_>) = named.kept.iter().copied().unzip();
    let worklist: Vec<i64> = named.worklist.iter().copied().collect();
    let cases: Vec<i64> = named.cases.iter().copied().collect();
    let choices: Vec<i64> = named.choices.iter().copied().collect();

    // Only what is named is asked for; what is asked for goes on the wire together.
    let mut asked: Vec<(&'static str, Vec<super::link::Value<'_>>)> = Vec::new();
    let mut ask = |any: bool, sql, values| {
        if any {
            asked.push((sql, values));
        }
    };
    ask(
        !keys.persons.is_empty(),
        link.whole_or_spread(sql::LOAD_ITEMS, sql::LOAD_ITEMS_SPREAD),
        vec![&keys.persons, &keys.kinds, &keys.items],
    );
    ask(!people.is_empty(), sql::LOAD_PEOPLE, vec![&people]);
    ask(
        !values.is_empty(),
        sql::LOAD_HOLDERS,
        vec![&values, &systems],
    );
    ask(
        !control_ids.is_empty(),
        sql::LOAD_DELIVERIES,
        vec![&control_ids, &senders],
    );
    ask(!kept.is_empty(), sql::LOAD_KEPT, vec![&spaces, &kept]);
    ask(!worklist.is_empty(), sql::LOAD_WORKLIST, vec![&worklist]);
    ask(!cases.is_empty(), sql::LOAD_CASES, vec![&cases]);
    ask(!choices.is_empty(), sql::LOAD_CHOICES, vec![&choices]);
    for (sql, rows) in link.query_list(&asked)? {
        for row in rows {
            known.take(sql, &row)?;
        }
    }

    let unordered = may_be_unordered(&known, batch);
    if !unordered.persons.is_empty() {
        let Keys {
            persons,
            kinds,
            items,
        } = &unordered;
        let past = link.whole_or_spread(sql::LOAD_PAST, sql::LOAD_PAST_SPREAD);
        for row in link.query(past, &[persons, kinds, items])? {
            let key = (get(&row, 0)?, int(&row, 1)?, get(&row, 2)?);
            known.past.entry(key).or_default().push(Past {
                version: int(&row, 3)?,
                digest: get::<&[u8]>(&row, 4)?.try_into().unwrap_or_default(),
                event_at: get(&row, 5)?,
                sensitivity: get::<i16>(&row, 6)?.into(),
                category: get::<i16>(&row, 7)?.into(),
            });
        }
    }
    Ok(known)
}

impl Known {
    fn take(&mut self, sql: &'static str, row: &tokio_postgres::Row) -> Result<(), StoreError> {
        match sql {
            sql::LOAD_ITEMS | sql::LOAD_ITEMS_SPREAD => {
                let key: Key = (get(row, 0)?, int(row, 1)?, get(row, 2)?);
                let versions = int(row, 17)?;
                // A damaged row is the affair of the commit that names it, not of the batch.
                let held = ItemRow::of(row).ok().map(|held| (held, versions));
                self.items.insert(key, held);
            }
            sql::LOAD_PEOPLE => {
                self.people.insert(get(row, 0)?);
            }
            sql::LOAD_HOLDERS => {
                let identifier = (get(row, 0)?, get(row, 1)?);
                self.holders
                    .entry(identifier)
                    .or_default()
                    .push(get(row, 2)?);
            }
            sql::LOAD_DELIVERIES => {
                self.deliveries.insert((get(row, 0)?, get(row, 1)?));
            }
            sql::LOAD_KEPT => {
                self.kept.insert((get(row, 0)?, get(row, 1)?));
            }
            sql::LOAD_WORKLIST => {
                self.worklist.insert(get(row, 0)?);
            }
            sql::LOAD_CASES => {
                self.cases.insert(get(row, 0)?, case_row(row)?);
            }
            _ => {
                self.choices.insert(get(row, 0)?, get(row, 1)?);
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Keys {
    persons: Vec<i64>,
    kinds: Vec<i32>,
    items: Vec<i64>,
}

impl Keys {
    fn of<'a>(keys: impl Iterator<Item = &'a Key>) -> Self {
        let mut this = Self::default();
        for (person, kind, item) in keys {
            this.persons.push(*person);
            this.kinds.push(*kind as i32);
            this.items.push(*item);
        }
        this
    }
}

/// Items of which some version in the batch may be older than another: their history must be known.
fn may_be_unordered(known: &Known, batch: &[&Prepared]) -> Keys {
    let mut spans: HashMap<Key, (i64, i64)> = HashMap::new();
    let changes = batch.iter().flat_map(|prepared| &prepared.changes);
    for change in changes {
        let PreparedChange::Item(put) = change else {
            continue;
        };
        let key = (put.row.person, put.row.kind, put.row.item);
        let Some(Some((held, _))) = known.items.get(&key) else {
            continue;
        };
        let (oldest, newest) = spans.entry(key).or_insert((i64::MAX, held.event_at));
        *oldest = (*oldest).min(put.row.event_at);
        *newest = (*newest).max(put.row.event_at);
    }
    let unordered = spans.iter().filter(|(_, (oldest, newest))| oldest < newest);
    Keys::of(unordered.map(|(key, _)| key))
}
