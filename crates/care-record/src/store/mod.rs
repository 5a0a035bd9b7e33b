//! The store: append-only versions, and a transaction that ends in an audit entry.
//!
//! Private to the crate. One trait, two engines (SQLite and PostgreSQL), one test suite.
//! It knows no HTTP, no HL7 and no rules: it takes a [`Commit`] of plain changes and makes all of
//! them durable together with their entries, or none. Every read of a person's items takes the
//! decision's `View`, which becomes part of the query.

mod body;
mod cases;
mod filter;
mod foresight;
mod index;
#[cfg(test)]
mod load;
mod meta;
mod model;
mod pending;
pub(crate) mod postgres;
mod prepare;
mod row;
mod settled;
pub(crate) mod sqlite;
#[cfg(test)]
mod suite;
mod upkeep;

pub(crate) use body::{Codec, DELIVERY_KIND, ENTRY_KIND};
pub(crate) use cases::*;
pub(crate) use index::{Found, IndexWork, OwnParameter, Spot, SpotOrder};
pub(crate) use meta::with_version;
pub(crate) use model::*;
pub(crate) use pending::Pending;
pub use upkeep::CheckReport;
pub(crate) use upkeep::{KeptCheckpoint, Samples, Upkeep};

use care_core::access::View;
use std::sync::Arc;

use care_core::fhir::ResourceType;
use care_core::fhir::search::{Parameters, Wanted, item_term};
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId, SensitivitySet};
use jiff::Timestamp;

/// An entry of the log by its number; without its bytes where it was passed over.
pub(crate) type Followed = (u64, Option<Vec<u8>>);

/// What an engine does. Calls block; callers on an async runtime use a blocking thread.
pub(crate) trait Store: Send + Sync {
    /// Makes the changes and the entries durable in one transaction and returns after the fsync
    /// that holds them. Waiting commits of other threads share that fsync (group commit). When a
    /// precondition of one commit fails, that commit alone is undone.
    fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// Hands a commit in and gives what to wait for. An engine whose commits wait on a connection makes
    /// it here and now.
    fn submit(&self, commit: Commit) -> Pending {
        Pending::ready(self.commit(commit))
    }

    /// Whether a read of one item takes about as long as a system call, so that a task may do it itself,
    /// and [`Store::submit`] returns at once.
    fn is_quick(&self) -> bool {
        false
    }

    /// Headers of what the view permits, for one person: one range read.
    fn headers(&self, person: PersonId, view: &View) -> Result<Vec<Header>, StoreError>;

    /// The same with deleted items, whose headers say so: for seeing the record as it was.
    fn headers_ever(&self, person: PersonId, view: &View) -> Result<Vec<Header>, StoreError>;

    /// The headers of one resource type only.
    fn headers_of(
        &self,
        person: PersonId,
        view: &View,
        resource_type: ResourceType,
    ) -> Result<Vec<Header>, StoreError> {
        let mut headers = self.headers(person, view)?;
        headers.retain(|header| header.resource_type == resource_type);
        Ok(headers)
    }

    /// The same of several people, one after another as they were asked.
    fn headers_of_each(
        &self,
        people: &[PersonId],
        view: &View,
        resource_type: ResourceType,
    ) -> Result<Vec<Vec<Header>>, StoreError> {
        let each = people.iter();
        each.map(|person| self.headers_of(*person, view, resource_type))
            .collect()
    }

    /// Bodies of these items, where the view permits them; in the order asked, absent ones left out.
    fn bodies(
        &self,
        person: PersonId,
        view: &View,
        wanted: &[(ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError>;

    /// The bodies of a person's items of one type, where the view permits them, in one range read; `None`
    /// where there are more than `most`.
    fn bodies_in(
        &self,
        person: PersonId,
        view: &View,
        resource_type: ResourceType,
        most: u32,
    ) -> Result<Option<Vec<StoredBody>>, StoreError>;

    /// The bodies of items of anybody (`None`: of nobody), where the view permits them; in the order
    /// asked, absent and deleted ones left out. For the pages of a source.
    fn bodies_of(
        &self,
        view: &View,
        wanted: &[(Option<PersonId>, ResourceType, ItemId)],
    ) -> Result<Vec<StoredBody>, StoreError>;

    /// One version of an item (`None`: the current one), where the view permits that version. A
    /// tombstone is given too, and its header says so.
    fn version(
        &self,
        person: PersonId,
        view: &View,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Result<Option<StoredBody>, StoreError> {
        self.version_of(Some(person), view, item, version)
    }

    /// The same of an item of a person, or of one about nobody.
    fn version_of(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        version: Option<u32>,
    ) -> Result<Option<StoredBody>, StoreError>;

    /// The version that held at a moment, where the view permits it; a tombstone is given too.
    fn version_at(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        moment: u64,
    ) -> Result<Option<StoredBody>, StoreError>;

    /// The versions of an item that the view permits, newest first, with bodies and tombstones; of those
    /// with a smaller number than `before`, at most `limit`.
    fn versions(
        &self,
        owner: Option<PersonId>,
        view: &View,
        item: (ResourceType, ItemId),
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<StoredBody>, StoreError>;

    /// What the view's one source brought, every version with its body and every tombstone, newest
    /// moment first. A view that is not of one source gets nothing.
    fn changes(&self, view: &View, asked: &ChangesAsked) -> Result<Vec<StoredBody>, StoreError>;

    /// The versions of an item that the view permits, newest first, without bodies.
    fn history(
        &self,
        person: PersonId,
        view: &View,
        item: (ResourceType, ItemId),
    ) -> Result<Vec<Header>, StoreError>;

    /// Items of a type that the view's one source brought and that the index finds, in the order of their
    /// clinical time: from after `after`, at most `limit`. Deleted items are in no index. A view that is
    /// not of one source finds nothing.
    ///
    /// Errors: [`StoreError::Indexing`] while items from before the index are worked in.
    fn find(
        &self,
        view: &View,
        kind: ResourceType,
        wanted: &Wanted,
        order: SpotOrder,
        after: Option<Spot>,
        limit: u32,
    ) -> Result<Vec<Found>, StoreError> {
        let found = self.find_bodies(view, kind, wanted, order, after, limit)?;
        Ok(found.into_iter().map(|(found, _)| found).collect())
    }

    /// The same with their bodies.
    fn find_bodies(
        &self,
        view: &View,
        kind: ResourceType,
        wanted: &Wanted,
        order: SpotOrder,
        after: Option<Spot>,
        limit: u32,
    ) -> Result<Vec<(Found, StoredBody)>, StoreError>;

    /// A moment since which nothing that is held has changed, where none is changing just now. Read
    /// before and after something else, and the same both times: that is how things were at that moment.
    /// `None` also from an engine that does not keep it in mind.
    fn settled(&self) -> Option<u64> {
        None
    }

    /// How many of these there are, counted up to `most`.
    fn tally(
        &self,
        view: &View,
        kind: ResourceType,
        wanted: &Wanted,
        most: u64,
    ) -> Result<u64, StoreError>;

    /// Whose an item of the view's one source is, where only its own key is known: `None` where there is
    /// no such item, `Some(None)` for a thing about nobody.
    fn owner_of(
        &self,
        view: &View,
        (kind, item): (ResourceType, ItemId),
    ) -> Result<Option<Option<PersonId>>, StoreError> {
        let Some(source) = view.only_source() else {
            return Ok(None);
        };
        let wanted = Wanted::Term(item_term(source, kind, &item.to_string()));
        // One is enough but for two names with one term; asking for more would go through all the places
        // where the item was before each change.
        for many in [1, 16] {
            let found = self.find(view, kind, &wanted, SpotOrder::NewestFirst, None, many)?;
            let none = found.len() < many as usize;
            if let Some(found) = found.into_iter().find(|found| found.item == item) {
                return Ok(Some(found.person));
            }
            if none {
                break;
            }
        }
        Ok(None)
    }

    /// The search parameters that may be asked for: R4's, and the deployment's own that are worked in.
    fn parameters(&self) -> Arc<Parameters>;

    /// Things about nobody (organisations, code systems …): the current body.
    fn shared_item(&self, item: (ResourceType, ItemId)) -> Result<Option<StoredBody>, StoreError>;

    /// Which protection levels exist among a person's items: a fact the rules need (8.1). Counts
    /// only, never content.
    fn sensitivities(&self, person: PersonId) -> Result<SensitivitySet, StoreError>;

    /// Whether this item is held for this person (`None`: among things about nobody). Existence only,
    /// for resolving a source's references on the way in; never for readers.
    fn holds(
        &self,
        person: Option<PersonId>,
        item: (ResourceType, ItemId),
    ) -> Result<bool, StoreError>;

    /// The stored delivery of this sender and control id, if any: for idempotent intake.
    fn delivery(&self, sender: &str, control_id: &str) -> Result<Option<DeliveryRow>, StoreError>;

    /// A delivery with its raw bytes, by number.
    fn delivery_body(&self, delivery: u64) -> Result<Option<(DeliveryRow, Vec<u8>)>, StoreError>;

    /// The newest deliveries of a feed, newest first; `before` pages backwards.
    fn deliveries(
        &self,
        feed: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError>;

    /// Everything known of one person besides items: links, choice, flags, involvements.
    fn person(&self, person: PersonId) -> Result<Option<PersonRow>, StoreError>;

    /// Every choice kept for a person and for those joined into them, newest first within each.
    fn choices(&self, person: PersonId) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Persons with this identifier (`system|value` digest keys are the engine's affair).
    fn persons_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<IdentifierRow>, StoreError>;

    /// Persons who may match these details: exact normalised family name and birth date first,
    /// then, when `similar`, the same phonetic family name, or swapped day and month. At most `limit`.
    fn persons_by_details(
        &self,
        query: &DetailsQuery,
        limit: u32,
    ) -> Result<Vec<PersonId>, StoreError>;

    /// People who answer for themselves, by key, after this one: a cohort is selected from them.
    fn people_after(
        &self,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<PersonId>, StoreError>;

    /// Which of these codes (as `Header::code_key`) are among a person's items that are neither protected
    /// nor withdrawn, and the newest time of each: a fact the secondary-use rules need. Never content.
    fn codes_held(
        &self,
        person: PersonId,
        codes: &[u64],
    ) -> Result<Vec<(u64, Option<Timestamp>)>, StoreError>;

    /// The newest sealed items of everybody, newest first: what kind and from whom, never content.
    fn sealed(&self, limit: u32) -> Result<Vec<SealedRow>, StoreError>;

    /// How many sealed items there are, and when the oldest came.
    fn sealed_tally(&self) -> Result<(u64, Option<Timestamp>), StoreError>;

    /// Everything the view permits of one person, with bodies: one range read.
    fn whole(&self, person: PersonId, view: &View) -> Result<Vec<StoredBody>, StoreError>;

    /// When each source last sent anything, and its newest item for this person under the view.
    fn source_activity(
        &self,
        person: Option<(PersonId, &View)>,
    ) -> Result<Vec<SourceActivity>, StoreError>;

    /// Open worklist rows of a kind, oldest first; `None` for every kind.
    fn worklist(
        &self,
        kind: Option<&str>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<WorklistRow>, StoreError>;

    /// A case as it stands.
    fn case(&self, number: u64) -> Result<Option<CaseRow>, StoreError>;

    /// The case with this reference.
    fn case_by_reference(&self, reference: &str) -> Result<Option<CaseRow>, StoreError>;

    /// Cases, in the order asked for.
    fn cases(&self, query: &CaseQuery) -> Result<Vec<CaseRow>, StoreError>;

    /// How many cases there are by kind and state; order, offset and limit do not count.
    fn case_tally(&self, query: &CaseQuery) -> Result<Vec<CaseTally>, StoreError>;

    /// What happened to a case, oldest first.
    fn case_events(&self, number: u64) -> Result<Vec<CaseEventRow>, StoreError>;

    /// A small value kept under a key (sessions, visits, search handles, last looked …), unexpired at `now_ms`.
    fn keep_get(&self, space: &str, key: &str, now_ms: i64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Kept values of a space whose key begins with `prefix`, newest first, unexpired at `now_ms`.
    fn keep_list(
        &self,
        space: &str,
        prefix: &str,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    /// Audit entries by number, from `from`, at most `limit`: their exact bytes.
    fn entries(&self, from: u64, limit: u32) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// The same, of which those by one of these are numbers only. For who follows the log and looks past
    /// what systems did: most of it, and reading an entry whole is ten times the work of passing over it.
    fn entries_but(
        &self,
        from: u64,
        limit: u32,
        passed_over: &[String],
    ) -> Result<Vec<Followed>, StoreError>;

    #[allow(dead_code, reason = "the engine suite reads it; the consoles will")]
    /// Audit entries about one person or by one user, newest first, at most `limit`.
    fn entries_about(
        &self,
        person: Option<PersonId>,
        who: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Whether the engine answers and writes; sizes in bytes and counts for the operator.
    fn health(&self) -> Result<StoreHealth, StoreError>;
}
