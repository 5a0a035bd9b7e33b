//! Which of a source's own things an address means. What another source sent reads as not there.

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::fhir::search::{Handling, Query};
use care_core::vocabulary::{Category, ItemId, PersonId, Sensitivity, SourceCode};
use jiff::Timestamp;

use super::super::item::{item_id, logical_id};
use super::refused::{RestRefusal, Stop};
use crate::identity::key_system;
use crate::search::{Readable, Reader, Scope, SearchAsk, SearchError, search};
use crate::store::{Change, Store, StoreError, StoredBody};

/// Where it is kept whose a deleted thing was, so that its source's key still leads to it.
const DELETED: &str = "rest-deleted";

fn deleted_key(source: &SourceCode, (kind, item): (ResourceType, ItemId)) -> String {
    format!("{source}/{kind}/{item}")
}

/// Keeps whose a thing was that is now deleted.
pub(super) fn note_deleted(source: &SourceCode, held: &Held) -> Change {
    Change::Keep {
        space: DELETED,
        key: deleted_key(source, held.whole()),
        value: Some(
            held.owner
                .map_or_else(Vec::new, |person| person.0.to_be_bytes().to_vec()),
        ),
        expires_ms: i64::MAX,
    }
}

/// Whose a deleted thing was: no index has it. `None` where nothing is known of it.
pub(crate) fn owner_of_deleted(
    store: &dyn Store,
    source: &SourceCode,
    whole: (ResourceType, ItemId),
) -> Result<Option<Option<PersonId>>, StoreError> {
    let kept = store.keep_get(DELETED, &deleted_key(source, whole), 0)?;
    Ok(kept.map(|kept| {
        let bytes = kept.as_slice().try_into().ok()?;
        Some(PersonId(u64::from_be_bytes(bytes)))
    }))
}

/// Looks for a source's own things.
pub(super) struct Finder<'a> {
    pub store: &'a dyn Store,
    pub view: &'a View,
    pub source: &'a SourceCode,
    /// The address of our API: references to it are ours.
    pub base: &'a str,
}

/// A thing that is held, or was.
pub(super) struct Held {
    pub owner: Option<PersonId>,
    pub resource_type: ResourceType,
    pub item: ItemId,
    /// The current version.
    pub version: u32,
    pub deleted: bool,
    pub category: Category,
    pub sensitivity: Sensitivity,
    pub clinical_at: Option<Timestamp>,
    pub received_at: Timestamp,
    /// With `meta.versionId` and `meta.lastUpdated`.
    pub body: Vec<u8>,
}

impl Held {
    fn of(stored: StoredBody) -> Self {
        Self {
            owner: stored.owner(),
            resource_type: stored.header.resource_type,
            item: stored.header.item,
            version: stored.header.version,
            deleted: stored.header.deleted,
            category: stored.header.category,
            sensitivity: stored.sensitivity,
            clinical_at: stored.header.clinical_at,
            received_at: stored.header.received_at,
            body: stored.body,
        }
    }

    /// The id the source reads it by.
    pub fn id(&self) -> String {
        read_id(self.resource_type, self.owner, self.item)
    }

    pub fn whole(&self) -> (ResourceType, ItemId) {
        (self.resource_type, self.item)
    }
}

/// The id a source reads a thing by: its own Patient of a person is the person.
pub(super) fn read_id(
    resource_type: ResourceType,
    owner: Option<PersonId>,
    item: ItemId,
) -> String {
    match (resource_type, owner) {
        (ResourceType::PATIENT, Some(person)) => person.to_string(),
        _ => logical_id(owner, item),
    }
}

impl Finder<'_> {
    /// The thing at `type/id`: by our id, else by the source's own key. A deleted one is given too.
    pub fn at(&self, resource_type: ResourceType, id: &str) -> Result<Option<Held>, StoreError> {
        if let Some(held) = self.by_our_id(resource_type, id)? {
            return Ok(Some(held));
        }
        self.by_key(resource_type, id)
    }

    /// By an id of ours.
    pub fn by_our_id(
        &self,
        resource_type: ResourceType,
        id: &str,
    ) -> Result<Option<Held>, StoreError> {
        if let Some((person, item)) = id.split_once('-')
            && let (Ok(person), Ok(item)) = (PersonId::parse(person), ItemId::parse(item))
        {
            return self.current(Some(person), (resource_type, item));
        }
        if resource_type == ResourceType::PATIENT {
            return match PersonId::parse(id) {
                Ok(person) => self.patient_of(person),
                Err(_) => Ok(None),
            };
        }
        match ItemId::parse(id) {
            Ok(item) => self.current(None, (resource_type, item)),
            Err(_) => Ok(None),
        }
    }

    pub fn by_key(
        &self,
        resource_type: ResourceType,
        key: &str,
    ) -> Result<Option<Held>, StoreError> {
        let whole = (resource_type, item_id(self.source, resource_type, key));
        match self.store.owner_of(self.view, whole)? {
            Some(owner) => self.current(owner, whole),
            None => match owner_of_deleted(self.store, self.source, whole)? {
                Some(owner) => self.current(owner, whole),
                None => Ok(None),
            },
        }
    }

    /// The source's own Patient of a person: the newest that is not deleted, else the newest.
    pub fn patient_of(&self, person: PersonId) -> Result<Option<Held>, StoreError> {
        let mut patients = self.store.headers_ever(person, self.view)?;
        patients.retain(|header| header.resource_type == ResourceType::PATIENT);
        patients.sort_by_key(|header| (!header.deleted, header.moment, header.received_at));
        match patients.last() {
            Some(newest) => self.current(Some(person), (ResourceType::PATIENT, newest.item)),
            None => Ok(None),
        }
    }

    /// What meets the criteria of a conditional write, as a search of the source would find it.
    pub fn matching(
        &self,
        kind: ResourceType,
        criteria: &str,
        now: Timestamp,
    ) -> Result<Vec<Held>, Stop> {
        let pairs: Vec<_> =
            form_urlencoded::parse(criteria.trim_start_matches('?').as_bytes()).collect();
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()));
        let parameters = self.store.parameters();
        let query = Query::read(Some(kind), pairs, &parameters, self.base, Handling::Strict)
            .map_err(|error| {
                RestRefusal::one(400, error.code, error.what, error.mend)
                    .at(format!("{kind}?{}", error.parameter))
            })?;
        if query.criteria.is_empty() {
            return Err(RestRefusal::one(
                412,
                "required",
                "There are no criteria, and everything would match.",
                "Say what the resource is found by, such as identifier=system|value.",
            )
            .into());
        }
        let ask = SearchAsk {
            query,
            types: vec![kind],
            compartment: None,
            readable: Readable::everything(),
            count: super::plan::MOST_DELETED + 1,
            cursor: None,
            page: String::new(),
        };
        let scope = Scope::new(self.store, self.view, Reader::Source);
        let found = search(&scope, &ask, now).map_err(|error| match error {
            SearchError::Store(cause) => Stop::Store(cause),
            SearchError::Cannot {
                parameter,
                what,
                mend,
            } => RestRefusal::one(412, "invalid", what, mend)
                .at(format!("{kind}?{parameter}"))
                .into(),
        })?;
        let mut all = Vec::with_capacity(found.matches.len());
        for one in found.matches {
            all.extend(self.current(one.owner, (one.kind, one.item))?);
        }
        Ok(all)
    }

    pub fn current(
        &self,
        owner: Option<PersonId>,
        whole: (ResourceType, ItemId),
    ) -> Result<Option<Held>, StoreError> {
        let stored = self.store.version_of(owner, self.view, whole, None)?;
        Ok(stored.map(Held::of))
    }

    /// The number the next version of a thing gets.
    pub fn next_version(&self, held: &Held) -> Result<u32, StoreError> {
        let newest = self
            .store
            .versions(held.owner, self.view, held.whole(), None, 1)?;
        let newest = newest.first().map(|stored| stored.header.version);
        Ok(newest.unwrap_or(held.version).max(held.version) + 1)
    }

    /// The key by which the source itself knows a thing, where it can be told from what is kept.
    pub fn key_of(&self, held: &Held) -> Result<Option<String>, StoreError> {
        let Some(person) = held.owner else {
            return Ok(None);
        };
        let row = self.store.person(person)?.unwrap_or_default();
        if held.resource_type == ResourceType::PATIENT {
            let system = key_system(self.source);
            let mut own = row
                .identifiers
                .iter()
                .filter(|(name, _, source)| *name == system && source == self.source)
                .map(|(_, value, _)| value);
            let exact = own
                .clone()
                .find(|key| item_id(self.source, ResourceType::PATIENT, key) == held.item);
            return Ok(exact.or_else(|| own.next()).cloned());
        }
        let name = held.resource_type.name();
        let stated = row.involvements.iter().filter_map(|(source, involvement)| {
            let (of, key) = involvement.source_key.split_once('/')?;
            let is_it = source == self.source
                && of == name
                && item_id(self.source, held.resource_type, key) == held.item;
            is_it.then(|| key.to_owned())
        });
        Ok(stored_first(stated))
    }

    /// What else the source sent about a person, besides their Patient and our notes of origin.
    pub fn other_items(&self, person: PersonId) -> Result<Vec<(ResourceType, ItemId)>, StoreError> {
        let headers = self.store.headers(person, self.view)?;
        Ok(headers
            .into_iter()
            .filter(|header| {
                !matches!(
                    header.resource_type,
                    ResourceType::PATIENT | ResourceType::PROVENANCE
                )
            })
            .map(|header| (header.resource_type, header.item))
            .collect())
    }
}

fn stored_first(mut all: impl Iterator<Item = String>) -> Option<String> {
    all.next()
}
