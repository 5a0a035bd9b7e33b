//! The PostgreSQL engine: one writer that decides in memory and writes in bulk, a pool of readers.
//!
//! It says the same to the same as the SQLite engine: one test suite is run on both. A table about a
//! person begins its key with the person, so that the database may be spread over machines by person.

mod address;
mod clean;
#[cfg(test)]
pub(crate) mod cluster;
pub(crate) mod connection;
mod decide;
pub(crate) mod distribute;
mod fault;
mod find;
mod joins;
mod link;
mod load;
#[cfg(test)]
mod measure;
mod read_cases;
mod read_cohorts;
mod read_items;
mod read_log;
mod read_people;
mod read_supply;
mod readers;
mod reindex;
mod row;
mod sql;
#[cfg(test)]
mod tests;
mod upkeep;
mod write;
mod writer;

use std::sync::{Arc, PoisonError, RwLock};

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::fhir::search::{Parameters, Wanted};
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId, SensitivitySet};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use self::address::Address;
use self::connection::ConnectError;
use self::joins::Joins;
use self::link::Link;
use self::readers::{ReadError, Readers};
use self::row::get;
use self::writer::Writer;
use super::body::Codec;
use super::filter::Filter;
use super::index::Indexer;
use super::prepare::{part, prepare, shared_part};
use super::{
    CaseEventRow, CaseQuery, CaseRow, CaseTally, ChangesAsked, Commit, Committed, DeliveryRow,
    DetailsQuery, Followed, Found, IdentifierRow, PersonRow, SealedRow, SourceActivity, Spot,
    SpotOrder, Store, StoreError, StoreHealth, StoredBody, WorklistRow,
};

/// Threads that carry bytes between the connections and the server.
const CARRIERS: usize = 2;

/// The engine.
pub(crate) struct PostgresStore {
    codec: Codec,
    indexer: Indexer,
    joins: Arc<RwLock<Joins>>,
    writer: Writer,
    readers: Readers,
    /// Declared last, so that the connections end before what carries them.
    runtime: Option<Runtime>,
}

impl PostgresStore {
    /// Opens the database at this address (`postgresql://user@host/name` or `host=… dbname=…`), making
    /// or migrating its tables where needed.
    pub fn open(
        address: &str,
        password: Option<&str>,
        readers: usize,
    ) -> Result<Self, ConnectError> {
        let mut address = Address::read(address)?;
        connection::refuse_unprotected(&address)?;
        if let Some(password) = password {
            address.config.password(password);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CARRIERS)
            .thread_name("record-carrier")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Engine(Box::new(error)))?;
        let handle = runtime.handle().clone();
        let (link, _) = connection::writing(&handle, &address)?;
        connection::warn_when_unsafe(&link)?;
        let codec = Codec::default();
        connection::load_dictionaries(&link, &codec)?;
        let joins = Arc::new(RwLock::new(connection::load_joins(&link)?));
        let indexer = Indexer::default();
        indexer.take(&reindex::own_parameters(&link)?);
        Ok(Self {
            codec,
            indexer,
            writer: Writer::start(handle.clone(), address.clone(), link, joins.clone())?,
            readers: Readers::new(handle, address, readers),
            joins,
            runtime: Some(runtime),
        })
    }

    /// Writes what waits and closes every connection.
    pub fn close(&self) {
        self.readers.close();
        self.writer.close();
    }

    /// The person's own part and the parts joined into it; none where there can be no such person.
    fn parts(&self, person: PersonId) -> Vec<i64> {
        let Ok(person) = part(person) else {
            return Vec::new();
        };
        let joins = self.joins.read().unwrap_or_else(PoisonError::into_inner);
        joins.parts(person)
    }

    /// The parts where an item of a person, or of nobody, may lie.
    fn parts_for(&self, owner: Option<PersonId>, item: (ResourceType, ItemId)) -> Vec<i64> {
        match owner {
            Some(person) => self.parts(person),
            None => vec![shared_part(item.0, item.1)],
        }
    }

    fn read<T>(&self, work: impl Fn(&Link) -> Result<T, ReadError>) -> Result<T, StoreError> {
        self.readers.read(work)
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            // May run on a thread of another runtime, where waiting for this one is not allowed.
            runtime.shutdown_background();
        }
    }
}

impl Store for PostgresStore {
    fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let mut prepared = prepare(commit, &self.codec, &self.indexer)?;
        clean::clean(&mut prepared);
        self.writer.commit(prepared)
    }

    fn headers(&self, person: PersonId, view: &View) -> Result<Vec<Header>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::of_lists(view));
        self.read(|link| read_items::headers(link, &parts, &filter, false))
    }

    fn headers_ever(&self, person: PersonId, view: &View) -> Result<Vec<Header>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::of_lists(view));
        self.read(|link| read_items::headers(link, &parts, &filter, true))
    }

    fn bodies_of(
        &self,
        view: &View,
        wanted: &[(Option<PersonId>, ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        let filter = Filter::from(view);
        self.read(|link| read_supply::bodies_of(link, &self.codec, &filter, wanted))
    }

    fn version_at(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        moment: u64,
    ) -> Result<Option<StoredBody>, StoreError> {
        let (parts, filter) = (self.parts_for(owner, item), Filter::from(view));
        self.read(|link| read_items::version_at(link, &self.codec, &parts, &filter, item, moment))
    }

    fn versions(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<StoredBody>, StoreError> {
        let (parts, filter) = (self.parts_for(owner, item), Filter::from(view));
        let page = (before, limit);
        self.read(|link| read_items::versions(link, &self.codec, &parts, &filter, item, page))
    }

    fn changes(&self, view: &View, asked: &ChangesAsked) -> Result<Vec<StoredBody>, StoreError> {
        let parts = match asked.person.map(part) {
            None => None,
            Some(Ok(part)) => Some(vec![part]),
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let filter = Filter::from(view);
        self.read(|link| read_supply::changes(link, &self.codec, parts.as_deref(), &filter, asked))
    }

    fn headers_of(
        &self,
        person: PersonId,
        view: &View,
        resource_type: ResourceType,
    ) -> Result<Vec<Header>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::of_lists(view));
        self.read(|link| read_items::headers_of(link, &parts, &filter, resource_type))
    }

    fn headers_of_each(
        &self,
        people: &[PersonId],
        view: &View,
        resource_type: ResourceType,
    ) -> Result<Vec<Vec<Header>>, StoreError> {
        let each: Vec<Vec<i64>> = people.iter().map(|person| self.parts(*person)).collect();
        let filter = Filter::of_lists(view);
        self.read(|link| read_items::headers_of_each(link, &each, &filter, resource_type))
    }

    fn bodies_in(
        &self,
        person: PersonId,
        view: &View,
        resource_type: ResourceType,
        most: u32,
    ) -> Result<Option<Vec<StoredBody>>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::from(view));
        let asked = (resource_type, most);
        self.read(|link| read_items::bodies_in(link, &self.codec, &parts, &filter, asked))
    }

    fn bodies(
        &self,
        person: PersonId,
        view: &View,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::from(view));
        self.read(|link| read_items::bodies(link, &self.codec, &parts, &filter, wanted))
    }

    fn version_of(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Result<Option<StoredBody>, StoreError> {
        let (parts, filter) = (self.parts_for(owner, item), Filter::from(view));
        self.read(|link| read_items::version(link, &self.codec, &parts, &filter, item, version))
    }

    fn history(
        &self,
        person: PersonId,
        view: &View,
        item: (ResourceType, ItemId),
    ) -> Result<Vec<Header>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::from(view));
        self.read(|link| read_items::history(link, &parts, &filter, item))
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
        let with = (&self.codec, &self.writer.signals.index);
        self.read(|link| find::find(link, with, view, kind, wanted, (order, after), limit))
    }

    fn tally(
        &self,
        view: &View,
        kind: ResourceType,
        wanted: &Wanted,
        most: u64,
    ) -> Result<u64, StoreError> {
        let index = &self.writer.signals.index;
        self.read(|link| find::tally(link, index, view, kind, wanted, most))
    }

    fn settled(&self) -> Option<u64> {
        self.writer.signals.settled.at()
    }

    fn parameters(&self) -> Arc<Parameters> {
        self.indexer.ready()
    }

    fn shared_item(&self, item: (ResourceType, ItemId)) -> Result<Option<StoredBody>, StoreError> {
        self.read(|link| read_items::shared_item(link, &self.codec, item))
    }

    fn sensitivities(&self, person: PersonId) -> Result<SensitivitySet, StoreError> {
        let parts = self.parts(person);
        self.read(|link| read_items::sensitivities(link, &parts))
    }

    fn holds(
        &self,
        person: Option<PersonId>,
        item: (ResourceType, ItemId),
    ) -> Result<bool, StoreError> {
        let parts = self.parts_for(person, item);
        self.read(|link| read_items::holds(link, &parts, item))
    }

    fn delivery(&self, sender: &str, control_id: &str) -> Result<Option<DeliveryRow>, StoreError> {
        self.read(|link| read_log::delivery(link, sender, control_id))
    }

    fn delivery_body(&self, delivery: u64) -> Result<Option<(DeliveryRow, Vec<u8>)>, StoreError> {
        self.read(|link| read_log::delivery_body(link, &self.codec, delivery))
    }

    fn deliveries(
        &self,
        feed: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        self.read(|link| read_log::deliveries(link, feed, before, limit))
    }

    fn person(&self, person: PersonId) -> Result<Option<PersonRow>, StoreError> {
        let parts = self.parts(person);
        self.read(|link| read_people::person(link, &parts))
    }

    fn choices(&self, person: PersonId) -> Result<Vec<Vec<u8>>, StoreError> {
        let parts = self.parts(person);
        self.read(|link| read_people::choices(link, &parts))
    }

    fn people_after(
        &self,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<PersonId>, StoreError> {
        self.read(|link| read_cohorts::people_after(link, after, limit))
    }

    fn codes_held(
        &self,
        person: PersonId,
        codes: &[u64],
    ) -> Result<Vec<(u64, Option<Timestamp>)>, StoreError> {
        let parts = self.parts(person);
        self.read(|link| read_cohorts::codes_held(link, &parts, codes))
    }

    fn sealed(&self, limit: u32) -> Result<Vec<SealedRow>, StoreError> {
        self.read(|link| read_cohorts::sealed(link, limit))
    }

    fn sealed_tally(&self) -> Result<(u64, Option<Timestamp>), StoreError> {
        self.read(read_cohorts::sealed_tally)
    }

    fn whole(&self, person: PersonId, view: &View) -> Result<Vec<StoredBody>, StoreError> {
        let (parts, filter) = (self.parts(person), Filter::from(view));
        self.read(|link| read_cohorts::whole(link, &self.codec, &parts, &filter))
    }

    fn persons_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<IdentifierRow>, StoreError> {
        self.read(|link| read_people::persons_by_identifier(link, system, value))
    }

    fn persons_by_details(
        &self,
        query: &DetailsQuery,
        limit: u32,
    ) -> Result<Vec<PersonId>, StoreError> {
        self.read(|link| read_people::persons_by_details(link, query, limit))
    }

    fn source_activity(
        &self,
        person: Option<(PersonId, &View)>,
    ) -> Result<Vec<SourceActivity>, StoreError> {
        let person = person.map(|(person, view)| (self.parts(person), Filter::from(view)));
        self.read(|link| {
            let person = person
                .as_ref()
                .map(|(parts, filter)| (parts.as_slice(), filter));
            read_items::source_activity(link, person)
        })
    }

    fn worklist(
        &self,
        kind: Option<&str>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<WorklistRow>, StoreError> {
        self.read(|link| read_log::worklist(link, kind, after, limit))
    }

    fn case(&self, number: u64) -> Result<Option<CaseRow>, StoreError> {
        self.read(|link| read_cases::one(link, number))
    }

    fn case_by_reference(&self, reference: &str) -> Result<Option<CaseRow>, StoreError> {
        self.read(|link| read_cases::by_reference(link, reference))
    }

    fn cases(&self, query: &CaseQuery) -> Result<Vec<CaseRow>, StoreError> {
        let parts = query.person.map(|person| self.parts(person));
        self.read(|link| read_cases::list(link, parts.as_deref(), query))
    }

    fn case_tally(&self, query: &CaseQuery) -> Result<Vec<CaseTally>, StoreError> {
        let parts = query.person.map(|person| self.parts(person));
        self.read(|link| read_cases::tally(link, parts.as_deref(), query))
    }

    fn case_events(&self, number: u64) -> Result<Vec<CaseEventRow>, StoreError> {
        self.read(|link| read_cases::events(link, number))
    }

    fn keep_get(&self, space: &str, key: &str, now_ms: i64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|link| read_log::keep_get(link, space, key, now_ms))
    }

    fn keep_list(
        &self,
        space: &str,
        prefix: &str,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|link| read_log::keep_list(link, space, prefix, now_ms, limit))
    }

    fn entries(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|link| read_log::entries(link, &self.codec, from, limit))
    }

    fn entries_but(
        &self,
        from: u64,
        limit: u32,
        passed_over: &[String],
    ) -> Result<Vec<Followed>, StoreError> {
        self.read(|link| read_log::entries_but(link, &self.codec, from, limit, passed_over))
    }

    fn entries_about(
        &self,
        person: Option<PersonId>,
        who: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let parts = person.map(|person| self.parts(person));
        self.read(|link| {
            read_log::entries_about(link, &self.codec, parts.as_deref(), who, before, limit)
        })
    }

    fn health(&self) -> Result<StoreHealth, StoreError> {
        let counts: [i64; 4] = self.read(|link| {
            let rows = link.query(sql::COUNTS, &[])?;
            let row = rows.first().ok_or(StoreError::Corrupt)?;
            Ok([get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?])
        })?;
        let [items, people, entries, database_bytes] = counts.map(i64::unsigned_abs);
        Ok(StoreHealth {
            engine: "postgresql",
            writable: self.writer.signals.writable(),
            disk_full: self.writer.signals.full(),
            on_reserve: false,
            database_bytes,
            log_bytes: 0,
            items,
            people,
            entries,
        })
    }
}
