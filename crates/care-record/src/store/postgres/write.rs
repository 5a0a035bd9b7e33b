//! Writes what a batch came to, in bulk: one statement a table, all sent together.

use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

use super::decide::{Changes, Key, Passing};
use super::link::{Link, Pipeline};
use super::sql;
use crate::store::index::parted;
use crate::store::is_closed;
use crate::store::row::ItemRow;

/// Boxes values of different types for one statement.
macro_rules! values {
    ($($value:expr),+ $(,)?) => {
        vec![$(Box::new($value) as Box<dyn tokio_postgres::types::ToSql + Sync + '_>),+]
    };
}
pub(super) use values;

/// Makes a batch's changes durable in one transaction.
pub(super) fn write(link: &Link, changes: &Changes<'_>) -> Result<(), Error> {
    let mut pipeline = link.pipeline();
    items(&mut pipeline, changes)?;
    people(&mut pipeline, changes)?;
    deliveries(&mut pipeline, changes)?;
    rest(&mut pipeline, changes)?;
    entries(&mut pipeline, changes)?;
    pipeline.commit()
}

/// Rows of `item` or `item_history`, column by column.
#[derive(Default)]
struct Rows<'a> {
    person: Vec<i64>,
    kind: Vec<i32>,
    item: Vec<i64>,
    version: Vec<i32>,
    category: Vec<i16>,
    sensitivity: Vec<i16>,
    flags: Vec<i16>,
    source: Vec<&'a str>,
    code_key: Vec<i64>,
    clinical_at: Vec<Option<i64>>,
    event_at: Vec<i64>,
    received_at: Vec<i64>,
    form: Vec<i32>,
    bytes: Vec<i32>,
    digest: Vec<&'a [u8]>,
    seal: Vec<i64>,
    body: Vec<&'a [u8]>,
    moment: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, row: &'a ItemRow, body: &'a [u8]) {
        self.person.push(row.person);
        self.kind.push(row.kind as i32);
        self.item.push(row.item);
        self.version.push(row.version as i32);
        self.category.push(row.category as i16);
        self.sensitivity.push(row.sensitivity as i16);
        self.flags.push(row.flags as i16);
        self.source.push(&row.source);
        self.code_key.push(row.code_key);
        self.clinical_at.push(row.clinical_at);
        self.event_at.push(row.event_at);
        self.received_at.push(row.received_at);
        self.form.push(row.form as i32);
        self.bytes.push(row.bytes as i32);
        self.digest.push(&row.digest);
        self.seal.push(row.seal());
        self.body.push(body);
        self.moment.push(row.moment);
    }

    fn values(self) -> Vec<Box<dyn ToSql + Sync + 'a>> {
        values![
            self.person,
            self.kind,
            self.item,
            self.version,
            self.category,
            self.sensitivity,
            self.flags,
            self.source,
            self.code_key,
            self.clinical_at,
            self.event_at,
            self.received_at,
            self.form,
            self.bytes,
            self.digest,
            self.seal,
            self.body,
            self.moment,
        ]
    }
}

/// History first: the row that passes is copied before it is overwritten.
fn items<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    let mut passed = Rows::default();
    for passing in &changes.history {
        match passing {
            Passing::Held(row) => pipeline.add(
                sql::CURRENT_TO_HISTORY,
                values![
                    row.person,
                    row.kind as i32,
                    row.item,
                    row.event_at,
                    row.seal()
                ],
            )?,
            Passing::New(row, body) => passed.push(row, body),
        }
    }
    if !passed.person.is_empty() {
        pipeline.add(sql::PUT_HISTORY, passed.values())?;
    }
    let mut put = Rows::default();
    let mut versions = Vec::new();
    for standing in changes.items.values() {
        let row = &standing.row;
        match standing.body {
            Some(body) => {
                put.push(row, body);
                versions.push(standing.versions as i32);
            }
            None => pipeline.add(
                sql::TOUCH_ITEM,
                values![
                    row.person,
                    row.kind as i32,
                    row.item,
                    row.event_at,
                    row.seal(),
                    standing.versions as i32,
                ],
            )?,
        }
    }
    if !versions.is_empty() {
        let mut values = put.values();
        values.push(Box::new(versions));
        pipeline.add(sql::PUT_ITEMS, values)?;
    }
    words(pipeline, changes)
}

fn words<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    let mut kept = Vec::with_capacity(changes.words.len());
    for (key, words) in &changes.words {
        let of = || values![key.0, key.1 as i32, key.2];
        if words.is_none() {
            pipeline.add(sql::CLEAR_TERMS, of())?;
        }
        let version = changes.items.get(key).map(|one| one.row.version);
        // Only what was there before stands on lists.
        if version != Some(1) {
            pipeline.add(sql::CLEAR_LISTS, of())?;
        }
        if let Some((spot, words)) = words {
            kept.push(Kept::of(*key, *spot, version.unwrap_or_default(), words));
        }
    }
    if kept.is_empty() {
        return Ok(());
    }
    kept.sort_unstable_by_key(|one| one.spot);
    pipeline.add(sql::PUT_TERMS, terms(&kept))?;
    pipeline.add(sql::PUT_LISTS, lists(&kept))
}

/// What an item is kept under.
pub(super) struct Kept<'a> {
    pub key: Key,
    pub spot: i64,
    pub version: i64,
    lists: Vec<&'a str>,
    words: &'a str,
}

impl<'a> Kept<'a> {
    pub fn of(key: Key, spot: i64, version: i64, words: &'a str) -> Self {
        let (lists, words) = parted(words);
        Self {
            key,
            spot,
            version,
            lists: lists.collect(),
            words,
        }
    }
}

type Values<'a> = Vec<Box<dyn ToSql + Sync + 'a>>;

/// Words in the columns of [`sql::PUT_TERMS`] and [`sql::REINDEX`].
pub(super) fn terms<'a>(kept: &[Kept<'a>]) -> Values<'a> {
    let rows = kept.iter();
    values![
        rows.clone().map(|one| one.key.0).collect::<Vec<_>>(),
        rows.clone().map(|one| one.key.2).collect::<Vec<_>>(),
        rows.clone().map(|one| one.spot).collect::<Vec<_>>(),
        rows.clone().map(|one| one.key.1 as i32).collect::<Vec<_>>(),
        rows.clone().map(|one| one.words).collect::<Vec<_>>(),
        rows.map(|one| one.version as i32).collect::<Vec<_>>(),
    ]
}

/// Lists in the columns of [`sql::PUT_LISTS`].
pub(super) fn lists<'a>(kept: &[Kept<'a>]) -> Values<'a> {
    let each = || {
        let each = kept.iter();
        each.flat_map(|one| one.lists.iter().map(move |list| (one, *list)))
    };
    values![
        each().map(|(one, _)| one.key.0).collect::<Vec<_>>(),
        each().map(|(one, _)| one.key.2).collect::<Vec<_>>(),
        each().map(|(one, _)| one.spot).collect::<Vec<_>>(),
        each().map(|(one, _)| one.key.1 as i32).collect::<Vec<_>>(),
        each().map(|(_, list)| list).collect::<Vec<_>>(),
        each()
            .map(|(one, _)| one.version as i32)
            .collect::<Vec<_>>(),
    ]
}

fn people<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    if !changes.people.is_empty() {
        let (people, created): (Vec<i64>, Vec<i64>) = changes.people.iter().unzip();
        pipeline.add(sql::PUT_PEOPLE, values![people, created])?;
    }
    for (from, into) in &changes.joins {
        pipeline.add(sql::PUT_JOIN, values![*from, *into])?;
    }
    for (person, number, choice) in &changes.choices {
        pipeline.add(sql::PUT_CHOICE, values![*person, *number, *choice])?;
    }
    for ((person, flag), value) in &changes.flags {
        match value {
            Some(value) => pipeline.add(sql::PUT_FLAG, values![*person, *flag, *value])?,
            None => pipeline.add(sql::CLEAR_FLAG, values![*person, *flag])?,
        }
    }
    identifiers(pipeline, changes)?;
    details(pipeline, changes)?;
    involvements(pipeline, changes)
}

fn identifiers<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    if changes.identifiers.is_empty() {
        return Ok(());
    }
    for sql in [sql::PUT_IDENTIFIERS, sql::PUT_HOLDERS] {
        let keys = changes.identifiers.keys();
        pipeline.add(
            sql,
            values![
                keys.clone().map(|key| key.2).collect::<Vec<_>>(),
                keys.clone().map(|key| key.0).collect::<Vec<_>>(),
                keys.clone().map(|key| key.1).collect::<Vec<_>>(),
                keys.map(|key| key.3).collect::<Vec<_>>(),
                changes.identifiers.values().copied().collect::<Vec<_>>(),
            ],
        )?;
    }
    Ok(())
}

fn details<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    if changes.details.is_empty() {
        return Ok(());
    }
    let rows = changes.details.values();
    let texts = |of: fn(&crate::store::prepare::Details) -> &str| -> Vec<&'a str> {
        rows.clone().map(|row| of(row)).collect()
    };
    pipeline.add(
        sql::PUT_DETAILS,
        values![
            rows.clone().map(|row| row.person).collect::<Vec<_>>(),
            rows.clone().map(|row| row.event_at).collect::<Vec<_>>(),
            texts(|row| row.source.as_str()),
            texts(|row| &row.family),
            texts(|row| &row.given),
            texts(|row| &row.birth_date),
            texts(|row| &row.gender),
            texts(|row| &row.postcode),
            texts(|row| &row.phonetic_family),
        ],
    )
}

fn involvements<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    if changes.involvements.is_empty() {
        return Ok(());
    }
    let (keys, rows) = (changes.involvements.keys(), changes.involvements.values());
    pipeline.add(
        sql::PUT_INVOLVEMENTS,
        values![
            keys.clone().map(|key| key.0).collect::<Vec<_>>(),
            rows.clone().map(|row| row.0).collect::<Vec<_>>(),
            rows.clone()
                .map(|row| row.1.starts.map(|at| at.as_microsecond()))
                .collect::<Vec<_>>(),
            rows.clone()
                .map(|row| row.1.ends.map(|at| at.as_microsecond()))
                .collect::<Vec<_>>(),
            keys.clone().map(|key| key.1).collect::<Vec<_>>(),
            keys.clone().map(|key| key.2).collect::<Vec<_>>(),
            keys.map(|key| key.3).collect::<Vec<_>>(),
            rows.clone()
                .map(|row| row.1.organisation.as_str())
                .collect::<Vec<_>>(),
            rows.map(|row| row.1.cancelled).collect::<Vec<_>>(),
        ],
    )
}

fn deliveries<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    if changes.deliveries.is_empty() {
        return Ok(());
    }
    let rows = changes.deliveries.iter();
    let numbers: Vec<i64> = rows.clone().map(|(number, _)| *number).collect();
    let texts = |of: fn(&crate::store::NewDelivery) -> &str| -> Vec<&'a str> {
        rows.clone().map(|(_, row)| of(&row.delivery)).collect()
    };
    pipeline.add(
        sql::PUT_DELIVERIES_ONCE,
        values![
            texts(|row| &row.control_id),
            texts(|row| &row.sender),
            numbers.clone()
        ],
    )?;
    let received_at = rows
        .clone()
        .map(|(_, row)| row.delivery.received_at.as_microsecond());
    let person = rows
        .clone()
        .map(|(_, row)| row.delivery.person.map(|person| person.0 as i64));
    pipeline.add(
        sql::PUT_DELIVERIES,
        values![
            numbers.clone(),
            received_at.collect::<Vec<_>>(),
            person.collect::<Vec<_>>(),
            texts(|row| &row.feed),
            texts(|row| &row.sender),
            texts(|row| &row.control_id),
            texts(|row| &row.kind),
            texts(|row| &row.status),
            texts(|row| &row.issues),
            rows.clone()
                .map(|(_, row)| row.delivery.digest.as_slice())
                .collect::<Vec<_>>(),
            rows.clone()
                .map(|(_, row)| row.delivery.answer.as_slice())
                .collect::<Vec<_>>(),
        ],
    )?;
    let packed = rows.map(|(_, row)| &row.packed);
    pipeline.add(
        sql::PUT_DELIVERY_BODIES,
        values![
            numbers,
            packed
                .clone()
                .map(|row| row.form as i32)
                .collect::<Vec<_>>(),
            packed
                .clone()
                .map(|row| row.bytes as i32)
                .collect::<Vec<_>>(),
            packed.map(|row| row.body.as_slice()).collect::<Vec<_>>(),
        ],
    )
}

fn rest<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    for (number, delivery, row) in &changes.worklist {
        pipeline.add(
            sql::PUT_WORKLIST,
            values![
                *number,
                *delivery,
                row.person.map(|person| person.0 as i64),
                row.opened_at.as_microsecond(),
                row.kind.as_str(),
                row.feed.as_str(),
                row.detail.as_slice(),
            ],
        )?;
    }
    for (number, (state, note)) in &changes.worklist_states {
        let closed = is_closed(state);
        pipeline.add(
            sql::PUT_WORKLIST_STATE,
            values![*number, *state, *note, closed],
        )?;
    }
    cases(pipeline, changes)?;
    let mut kept = Vec::new();
    for ((space, key), value) in &changes.kept {
        match value {
            Some(value) => kept.push((*space, *key, *value)),
            None => pipeline.add(sql::CLEAR_KEPT, values![*space, *key])?,
        }
    }
    if !kept.is_empty() {
        let rows = kept.iter();
        pipeline.add(
            sql::PUT_KEPT,
            values![
                rows.clone().map(|row| row.0).collect::<Vec<_>>(),
                rows.clone().map(|row| row.1).collect::<Vec<_>>(),
                rows.clone().map(|row| row.2.0).collect::<Vec<_>>(),
                rows.clone().map(|row| row.2.1).collect::<Vec<_>>(),
                rows.map(|row| row.2.2).collect::<Vec<_>>(),
            ],
        )?;
    }
    if !changes.seen.is_empty() {
        let (sources, received): (Vec<&str>, Vec<i64>) = changes.seen.iter().unzip();
        pipeline.add(sql::PUT_SEEN, values![sources, received])?;
    }
    for (name, more) in [
        ("items", changes.more_items),
        ("people", changes.more_people),
        ("spots", changes.more_spots),
    ] {
        if more != 0 {
            pipeline.add(sql::PUT_TALLY, values![name, more])?;
        }
    }
    Ok(())
}

fn cases<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    let micros = |at: Option<jiff::Timestamp>| at.map(|at| at.as_microsecond());
    for (number, case) in &changes.cases {
        pipeline.add(
            sql::PUT_CASE,
            values![
                *number,
                case.reference.as_str(),
                case.kind.as_str(),
                case.person.map(|person| person.0 as i64),
                case.about.as_str(),
                case.opened_at.as_microsecond(),
                micros(case.due_at),
                case.changed_at.as_microsecond(),
                case.owner.as_str(),
                case.state.as_str(),
                i64::from(case.version),
                case.detail.as_slice(),
                is_closed(&case.state),
            ],
        )?;
    }
    for (number, event) in &changes.case_events {
        pipeline.add(
            sql::PUT_CASE_EVENT,
            values![
                *number,
                i64::from(event.version),
                event.at.as_microsecond(),
                micros(event.due_at),
                event.who.as_str(),
                event.owner.as_str(),
                event.state.as_str(),
                event.note.as_str(),
                event.detail.as_deref(),
            ],
        )?;
    }
    Ok(())
}

fn entries<'a>(pipeline: &mut Pipeline<'a>, changes: &'a Changes<'_>) -> Result<(), Error> {
    let rows = changes.entries.iter();
    if rows.len() == 0 {
        return Ok(());
    }
    let entries = rows.clone().map(|(_, entry)| entry);
    pipeline.add(
        sql::PUT_ENTRIES,
        values![
            rows.map(|(number, _)| *number).collect::<Vec<_>>(),
            entries.clone().map(|row| row.at).collect::<Vec<_>>(),
            entries.clone().map(|row| row.person).collect::<Vec<_>>(),
            entries
                .clone()
                .map(|row| row.packed.form as i32)
                .collect::<Vec<_>>(),
            entries
                .clone()
                .map(|row| row.packed.bytes as i32)
                .collect::<Vec<_>>(),
            entries
                .clone()
                .map(|row| row.who.as_str())
                .collect::<Vec<_>>(),
            entries
                .clone()
                .map(|row| row.leaf.as_slice())
                .collect::<Vec<_>>(),
            entries
                .map(|row| row.packed.body.as_slice())
                .collect::<Vec<_>>(),
        ],
    )
}
