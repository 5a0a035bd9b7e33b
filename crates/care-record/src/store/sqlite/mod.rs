//! The SQLite engine: one writer with group commit, a pool of readers, everything in one file.

mod apply;
mod cases;
pub(crate) mod connection;
mod fault;
mod find;
#[cfg(test)]
mod measure;
mod read_cohorts;
mod read_items;
mod read_log;
mod read_people;
mod read_supply;
mod readers;
mod reindex;
mod reserve;
mod row;
pub(crate) mod scrub;
#[cfg(test)]
mod tests;
mod tidy;
mod upkeep;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::fhir::search::{Parameters, Wanted};
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId, SensitivitySet};
use jiff::Timestamp;
use rusqlite::Connection;

use self::connection::Reads;
use self::fault::reading;
use self::readers::Readers;
use self::reserve::Reserve;
use self::writer::Writer;
use super::Pending;
use super::body::Codec;
use super::filter::Filter;
use super::index::Indexer;
use super::prepare;
use super::{
    CaseEventRow, CaseQuery, CaseRow, CaseTally, ChangesAsked, Commit, Committed, DeliveryRow,
    DetailsQuery, Followed, Found, IdentifierRow, PersonRow, SealedRow, SourceActivity, Spot,
    SpotOrder, Store, StoreError, StoreHealth, StoredBody, WorklistRow,
};

/// The database's name in the data directory.
pub(crate) const FILE: &str = "record.sqlite";
/// The reserve's name in the data directory.
const RESERVE: &str = "reserve";

/// What an engine needs to open.
pub(crate) struct Tuning {
    /// Bytes held back for the audit entries of reads on a full disk.
    pub reserve_bytes: u64,
    /// Reads at once.
    pub readers: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            reserve_bytes: 16 << 20,
            readers: 8,
        }
    }
}

/// The engine.
pub(crate) struct SqliteStore {
    path: PathBuf,
    codec: Arc<Codec>,
    indexer: Arc<Indexer>,
    writer: Writer,
    /// For a person's items.
    records: Arc<Readers>,
    /// For everything else.
    rows: Readers,
}

impl SqliteStore {
    /// Opens the database of a data directory whose schema is up to date; `connection` is the one to
    /// write on.
    pub fn open(
        directory: &Path,
        connection: Connection,
        tuning: &Tuning,
    ) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let codec = Arc::new(Codec::default());
        load_dictionaries(&connection, &codec)?;
        let indexer = Arc::new(Indexer::default());
        indexer.take(&reindex::own_parameters(&connection)?);
        let reserve = Reserve::new(directory.join(RESERVE), tuning.reserve_bytes);
        let records = Readers::new(path.clone(), tuning.readers, Reads::Records);
        let records = Arc::new(records);
        Ok(Self {
            writer: Writer::start(path.clone(), connection, reserve, records.clone())?,
            records,
            rows: Readers::new(path.clone(), tuning.readers, Reads::Rows),
            path,
            codec,
            indexer,
        })
    }

    /// Writes what waits, empties the write-ahead log and closes every connection.
    pub fn close(&self) {
        self.records.close();
        self.rows.close();
        self.writer.close();
    }

    /// Runs work on the writing connection, between batches.
    pub fn on_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work)
    }

    /// Runs a read on a connection of its own.
    pub fn on_reader<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.rows.read(work)
    }

    /// The same for a person's items.
    fn on_records<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.records.read(work)
    }
}

/// Reads every dictionary of the file into a codec.
pub(crate) fn load_dictionaries(connection: &Connection, codec: &Codec) -> Result<(), StoreError> {
    let held = read_items::collect(
        connection,
        "SELECT dictionary, kind, content FROM dictionary ORDER BY dictionary",
        [],
        |row| {
            Ok((
                row.get::<_, i64>(0).map_err(reading)?,
                row.get::<_, u16>(1).map_err(reading)?,
                row.get::<_, Vec<u8>>(2).map_err(reading)?,
            ))
        },
    )?;
    for (number, kind, content) in held {
        codec.add(number, kind, &content);
    }
    Ok(())
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.submit(commit).wait()
    }

    fn submit(&self, commit: Commit) -> Pending {
        match prepare::prepare(commit, &self.codec, &self.indexer) {
            Ok(prepared) => self.writer.submit(prepared),
            Err(cause) => Pending::ready(Err(cause)),
        }
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn headers(&self, person: PersonId, view: &View) -> Result<Vec<Header>, StoreError> {
        self.on_records(|c| read_items::headers(c, person, &Filter::of_lists(view), false))
    }

    fn headers_ever(&self, person: PersonId, view: &View) -> Result<Vec<Header>, StoreError> {
        self.on_records(|c| read_items::headers(c, person, &Filter::of_lists(view), true))
    }

    fn bodies_of(
        &self,
        view: &View,
        wanted: &[(Option<PersonId>, ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        self.on_records(|c| read_supply::bodies_of(c, &self.codec, &Filter::from(view), wanted))
    }

    fn version_at(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        moment: u64,
    ) -> Result<Option<StoredBody>, StoreError> {
        self.on_records(|c| {
            read_items::version_at(c, &self.codec, owner, &Filter::from(view), item, moment)
        })
    }

    fn versions(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<StoredBody>, StoreError> {
        let page = (before, limit);
        self.on_records(|c| {
            read_items::versions(c, &self.codec, owner, &Filter::from(view), item, page)
        })
    }

    fn changes(&self, view: &View, asked: &ChangesAsked) -> Result<Vec<StoredBody>, StoreError> {
        self.on_records(|c| read_supply::changes(c, &self.codec, &Filter::from(view), asked))
    }

    fn headers_of(
        &self,
        person: PersonId,
        view: &View,
        resource_type: ResourceType,
    ) -> Result<Vec<Header>, StoreError> {
        self.on_records(|c| {
            read_items::headers_of(c, person, &Filter::of_lists(view), resource_type)
        })
    }

    fn bodies_in(
        &self,
        person: PersonId,
        view: &View,
        resource_type: ResourceType,
        most: u32,
    ) -> Result<Option<Vec<StoredBody>>, StoreError> {
        let filter = Filter::from(view);
        self.on_records(|c| {
            read_items::bodies_in(c, &self.codec, person, &filter, (resource_type, most))
        })
    }

    fn bodies(
        &self,
        person: PersonId,
        view: &View,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        self.on_records(|c| read_items::bodies(c, &self.codec, person, &Filter::from(view), wanted))
    }

    fn version_of(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Result<Option<StoredBody>, StoreError> {
        self.on_records(|c| {
            read_items::version_of(c, &self.codec, owner, &Filter::from(view), item, version)
        })
    }

    fn history(
        &self,
        person: PersonId,
        view: &View,
        item: (ResourceType, ItemId),
    ) -> Result<Vec<Header>, StoreError> {
        self.on_records(|c| read_items::history(c, person, &Filter::from(view), item))
    }

    fn find_bodies(
        &self,
        view: &View,
        kind: ResourceType,
        wanted: &Wanted,
        order: SpotOrder,
        after: Option<Spot>,
        limit: u32,
    ) -> Result<Vec<(Found, StoredBody)>, StoreError> {
        self.on_records(|c| find::find(c, &self.codec, view, kind, wanted, (order, after), limit))
    }

    fn settled(&self) -> Option<u64> {
        self.writer.signals.settled.at()
    }

    fn tally(
        &self,
        view: &View,
        kind: ResourceType,
        wanted: &Wanted,
        most: u64,
    ) -> Result<u64, StoreError> {
        self.on_records(|c| find::tally(c, view, kind, wanted, most))
    }

    fn parameters(&self) -> Arc<Parameters> {
        self.indexer.ready()
    }

    fn shared_item(&self, item: (ResourceType, ItemId)) -> Result<Option<StoredBody>, StoreError> {
        self.on_records(|c| read_items::shared_item(c, &self.codec, item))
    }

    fn sensitivities(&self, person: PersonId) -> Result<SensitivitySet, StoreError> {
        self.on_records(|c| read_items::sensitivities(c, person))
    }

    fn holds(
        &self,
        person: Option<PersonId>,
        item: (ResourceType, ItemId),
    ) -> Result<bool, StoreError> {
        self.on_reader(|c| read_items::holds(c, person, item))
    }

    fn delivery(&self, sender: &str, control_id: &str) -> Result<Option<DeliveryRow>, StoreError> {
        self.on_reader(|c| read_log::delivery(c, sender, control_id))
    }

    fn delivery_body(&self, delivery: u64) -> Result<Option<(DeliveryRow, Vec<u8>)>, StoreError> {
        self.on_reader(|c| read_log::delivery_body(c, &self.codec, delivery))
    }

    fn deliveries(
        &self,
        feed: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        self.on_reader(|c| read_log::deliveries(c, feed, before, limit))
    }

    fn person(&self, person: PersonId) -> Result<Option<PersonRow>, StoreError> {
        self.on_reader(|c| read_people::person(c, person))
    }

    fn choices(&self, person: PersonId) -> Result<Vec<Vec<u8>>, StoreError> {
        self.on_reader(|c| read_people::choices(c, person))
    }

    fn people_after(
        &self,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<PersonId>, StoreError> {
        self.on_reader(|c| read_cohorts::people_after(c, after, limit))
    }

    fn codes_held(
        &self,
        person: PersonId,
        codes: &[u64],
    ) -> Result<Vec<(u64, Option<Timestamp>)>, StoreError> {
        self.on_records(|c| read_cohorts::codes_held(c, person, codes))
    }

    fn sealed(&self, limit: u32) -> Result<Vec<SealedRow>, StoreError> {
        self.on_records(|c| read_cohorts::sealed(c, limit))
    }

    fn sealed_tally(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.on_records(read_cohorts::sealed_tally)
    }

    fn whole(&self, person: PersonId, view: &View) -> Result<Vec<StoredBody>, StoreError> {
        self.on_records(|c| read_cohorts::whole(c, &self.codec, person, &Filter::from(view)))
    }

    fn persons_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<IdentifierRow>, StoreError> {
        self.on_reader(|c| read_people::persons_by_identifier(c, system, value))
    }

    fn persons_by_details(
        &self,
        query: &DetailsQuery,
        limit: u32,
    ) -> Result<Vec<PersonId>, StoreError> {
        self.on_reader(|c| read_people::persons_by_details(c, query, limit))
    }

    fn source_activity(
        &self,
        person: Option<(PersonId, &View)>,
    ) -> Result<Vec<SourceActivity>, StoreError> {
        let filter = person.map(|(person, view)| (person, Filter::from(view)));
        self.on_records(|c| {
            let person = filter.as_ref().map(|(person, filter)| (*person, filter));
            read_items::source_activity(c, person)
        })
    }

    fn worklist(
        &self,
        kind: Option<&str>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<WorklistRow>, StoreError> {
        self.on_reader(|c| read_log::worklist(c, kind, after, limit))
    }

    fn case(&self, number: u64) -> Result<Option<CaseRow>, StoreError> {
        self.on_reader(|c| cases::one(c, number))
    }

    fn case_by_reference(&self, reference: &str) -> Result<Option<CaseRow>, StoreError> {
        self.on_reader(|c| cases::by_reference(c, reference))
    }

    fn cases(&self, query: &CaseQuery) -> Result<Vec<CaseRow>, StoreError> {
        self.on_reader(|c| cases::list(c, query))
    }

    fn case_tally(&self, query: &CaseQuery) -> Result<Vec<CaseTally>, StoreError> {
        self.on_reader(|c| cases::tally(c, query))
    }

    fn case_events(&self, number: u64) -> Result<Vec<CaseEventRow>, StoreError> {
        self.on_reader(|c| cases::events(c, number))
    }

    fn keep_get(&self, space: &str, key: &str, now_ms: i64) -> Result<Option<Vec<u8>>, StoreError> {
        self.on_reader(|c| read_log::keep_get(c, space, key, now_ms))
    }

    fn keep_list(
        &self,
        space: &str,
        prefix: &str,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.on_reader(|c| read_log::keep_list(c, space, prefix, now_ms, limit))
    }

    fn entries(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.on_reader(|c| read_log::entries(c, &self.codec, from, limit))
    }

    fn entries_but(
        &self,
        from: u64,
        limit: u32,
        passed_over: &[String],
    ) -> Result<Vec<Followed>, StoreError> {
        self.on_reader(|c| read_log::entries_but(c, &self.codec, from, limit, passed_over))
    }

    fn entries_about(
        &self,
        person: Option<PersonId>,
        who: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.on_reader(|c| read_log::entries_about(c, &self.codec, person, who, before, limit))
    }

    fn health(&self) -> Result<StoreHealth, StoreError> {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let (items, people, entries) = self.on_reader(|c| {
            c.query_row(
                "SELECT (SELECT count FROM tally WHERE name = 'items'), \
                 (SELECT count FROM tally WHERE name = 'people'), \
                 (SELECT coalesce(max(number), -1) + 1 FROM entry)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .map_err(reading)
        })?;
        let count = |number: i64| number.unsigned_abs();
        Ok(StoreHealth {
            engine: "sqlite",
            writable: self.writer.signals.writable(),
            disk_full: self.writer.signals.full(),
            on_reserve: self.writer.signals.on_reserve.load(Ordering::SeqCst),
            database_bytes: bytes(&self.path),
            log_bytes: bytes(&self.path.with_extension("sqlite-wal")),
            items: count(items),
            people: count(people),
            entries: count(entries),
        })
    }
}
