//! What a source reads back: exactly what it sent itself, of everybody, and nothing of any other source.
//!
//! Each page's entries are durable before it leaves: one for each person on it, so that the person sees
//! it, and one for things about nobody. Source: docs/adr/0018-a-source-reads-back-what-it-sent.md.

mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use care_core::access::{Supplier, View, supplier_view};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{ItemId, PersonId, SourceCode};

use crate::disclosure::{Disclosed, DisclosureError, FhirError, FhirResource, searched_page};
use crate::record::Inner;
use crate::search::{Held, Reader, Scope, SearchAsk, SearchPage, parse_id, search};
use crate::store::{Commit, Store, StoreError};

/// The purpose of every entry of a source's reads.
pub(crate) const PURPOSE: &str = "supply";

/// A source whose key was checked: one request's authority, as [`crate::Caller`] is a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplyCaller {
    /// The client's id in the configuration, for the audit.
    pub client: String,
    /// The organisation the configuration says it sends for.
    pub source: SourceCode,
    /// The reference of the request, for the log; empty where there is none.
    pub request: String,
}

impl SupplyCaller {
    /// What the source may read.
    ///
    /// Errors: [`DisclosureError::NotThere`] for a client without an id.
    pub(crate) fn view(&self) -> Result<View, DisclosureError> {
        Supplier::configured(&self.client, &self.source)
            .map(|supplier| supplier_view(&supplier))
            .ok_or(DisclosureError::NotThere)
    }
}

/// The door for sources. Cheap to clone; every call blocks until its entries are durable.
#[derive(Clone)]
pub struct Supply {
    inner: Arc<Inner>,
}

impl Supply {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// `GET {type}/{id}`: the current version of one thing the source sent, by our id or by its own key.
    ///
    /// Errors: [`FhirError::Gone`] for what it deleted; not there for what it never sent.
    pub fn read(
        &self,
        caller: &SupplyCaller,
        kind: ResourceType,
        id: &str,
    ) -> Result<Disclosed<FhirResource>, FhirError> {
        let (entries, shown) = self.looked_up(caller, kind, id)?;
        let written = self.hand_over(entries, ())?;
        Ok(Disclosed::after(written.entry(), shown?))
    }

    /// The same for a task, which need not hold a thread while the entry becomes durable. Only where
    /// [`Supply::is_quick`] says so.
    pub async fn read_soon(
        &self,
        caller: &SupplyCaller,
        kind: ResourceType,
        id: &str,
    ) -> Result<Disclosed<FhirResource>, FhirError> {
        let (entries, shown) = self.looked_up(caller, kind, id)?;
        let committed = self.inner.store.submit(commit_of(entries)?).await?;
        Ok(Disclosed::after(committed.entry, shown?))
    }

    /// Whether reading one thing takes about as long as a system call.
    pub fn is_quick(&self) -> bool {
        self.inner.store.is_quick()
    }

    /// What is to be written down of a read, and what it gives.
    fn looked_up(
        &self,
        caller: &SupplyCaller,
        kind: ResourceType,
        id: &str,
    ) -> Result<(Vec<Entry>, Result<FhirResource, FhirError>), FhirError> {
        let view = caller.view()?;
        let scope = Scope::new(&*self.inner.store, &view, Reader::Source);
        let page = format!("GET {kind}");
        let found = match self.by_our_id(&scope, kind, id)? {
            Some(found) => Some(found),
            None => self.by_own_key(caller, &scope, kind, id)?,
        };
        let nothing = |person: Option<PersonId>, detail: &str| {
            let mut entry = self.entry(caller, &page, person);
            entry.detail = detail.to_owned();
            vec![entry]
        };
        Ok(match found {
            Some(held) if held.header.as_ref().is_some_and(|one| one.deleted) => {
                (nothing(held.owner, "deleted"), Err(FhirError::Gone))
            }
            Some(held) => {
                let entries = self.entries(caller, &page, std::iter::once(&held));
                (entries, Ok(held.into_resource()))
            }
            None => (nothing(None, "none found"), Err(FhirError::not_there())),
        })
    }

    fn by_our_id(
        &self,
        scope: &Scope<'_>,
        kind: ResourceType,
        id: &str,
    ) -> Result<Option<Held>, FhirError> {
        if kind == ResourceType::PATIENT
            && let Ok(person) = PersonId::parse(id)
        {
            return match scope.own_patient(person)? {
                Some(found) => Ok(Some(found)),
                None => self.deleted_patient(scope, person),
            };
        }
        match parse_id(id) {
            Some((owner, item)) => self.current(scope, owner, (kind, item)),
            None => Ok(None),
        }
    }

    /// The tombstone of the source's own Patient of a person: the newest.
    fn deleted_patient(
        &self,
        scope: &Scope<'_>,
        person: PersonId,
    ) -> Result<Option<Held>, FhirError> {
        match newest_patient(&*self.inner.store, person, scope.view)? {
            Some(item) => self.current(scope, Some(person), (ResourceType::PATIENT, item)),
            None => Ok(None),
        }
    }

    fn by_own_key(
        &self,
        caller: &SupplyCaller,
        scope: &Scope<'_>,
        kind: ResourceType,
        key: &str,
    ) -> Result<Option<Held>, FhirError> {
        let item = crate::intake::item_id(&caller.source, kind, key);
        let store = &*self.inner.store;
        let owner = match store.owner_of(scope.view, (kind, item))? {
            Some(owner) => Some(owner),
            None => crate::intake::owner_of_deleted(store, &caller.source, (kind, item))?,
        };
        match owner {
            Some(owner) => self.current(scope, owner, (kind, item)),
            None => Ok(None),
        }
    }

    /// The current version, a tombstone too.
    fn current(
        &self,
        scope: &Scope<'_>,
        owner: Option<PersonId>,
        whole: (ResourceType, ItemId),
    ) -> Result<Option<Held>, FhirError> {
        let stored = self
            .inner
            .store
            .version_of(owner, scope.view, whole, None)?;
        Ok(stored.map(|stored| scope.held(stored)).transpose()?)
    }

    /// A search over what the source sent.
    pub fn search(
        &self,
        caller: &SupplyCaller,
        ask: &SearchAsk,
    ) -> Result<Disclosed<SearchPage>, FhirError> {
        let (entries, page) = self.searched(caller, ask)?;
        self.hand_over(entries, page)
    }

    /// The same in two parts: what was found leaves when its entries are durable, and no thread is held
    /// until they are.
    pub fn search_soon(
        &self,
        caller: &SupplyCaller,
        ask: &SearchAsk,
    ) -> Result<impl Future<Output = Result<Disclosed<SearchPage>, FhirError>> + use<>, FhirError>
    {
        let (entries, page) = self.searched(caller, ask)?;
        let written = self.inner.store.submit(commit_of(entries)?);
        Ok(async move {
            let committed = written.await?;
            Ok(Disclosed::after(committed.entry, page))
        })
    }

    /// What is to be written down of a search, and what it found.
    fn searched(
        &self,
        caller: &SupplyCaller,
        ask: &SearchAsk,
    ) -> Result<(Vec<Entry>, SearchPage), FhirError> {
        let view = caller.view()?;
        let scope = Scope::new(&*self.inner.store, &view, Reader::Source);
        let found = search(&scope, ask, self.inner.clock.now())?;
        let shown = found.matches.iter().chain(&found.included);
        let mut entries = self.entries(caller, &ask.page, shown);
        if entries.is_empty() {
            let mut entry = self.entry(caller, &ask.page, None);
            entry.detail = "none found".to_owned();
            entries.push(entry);
        }
        Ok((entries, searched_page(found)))
    }

    /// One entry for each person on a page, in the order of their keys, and one for things about nobody.
    fn entries<'h>(
        &self,
        caller: &SupplyCaller,
        page: &str,
        shown: impl Iterator<Item = &'h Held>,
    ) -> Vec<Entry> {
        let mut by_person: BTreeMap<Option<PersonId>, Vec<&Held>> = BTreeMap::new();
        for held in shown {
            by_person.entry(held.owner).or_default().push(held);
        }
        by_person
            .into_iter()
            .map(|(person, all)| {
                let mut entry = self.entry(caller, page, person);
                entry.items = all.iter().map(|held| held.item_name()).collect();
                let mut categories: Vec<String> = all
                    .iter()
                    .filter_map(|held| held.header.as_ref())
                    .map(|header| header.category.code().to_owned())
                    .collect();
                categories.sort_unstable();
                categories.dedup();
                entry.categories = categories;
                entry
            })
            .collect()
    }

    pub(crate) fn entry(
        &self,
        caller: &SupplyCaller,
        page: &str,
        person: Option<PersonId>,
    ) -> Entry {
        let now = self.inner.clock.now();
        let mut entry = Entry::new(now, Act::ApiRead, Outcome::Success, caller.client.clone());
        entry.organisation = caller.source.as_str().to_owned();
        entry.request.clone_from(&caller.request);
        entry.purpose = PURPOSE.to_owned();
        entry.page = page.to_owned();
        entry.person = person;
        entry
    }

    /// Makes the entries durable, all in one commit, and then hands the value out.
    ///
    /// Errors: there are no entries, and so nothing may leave.
    pub(crate) fn hand_over<T>(
        &self,
        entries: Vec<Entry>,
        value: T,
    ) -> Result<Disclosed<T>, FhirError> {
        let committed = self.inner.store.commit(commit_of(entries)?)?;
        Ok(Disclosed::after(committed.entry, value))
    }
}

/// The source's own Patient of a person, the newest, whether deleted or not.
pub(crate) fn newest_patient(
    store: &dyn Store,
    person: PersonId,
    view: &View,
) -> Result<Option<ItemId>, StoreError> {
    let headers = store.headers_ever(person, view)?;
    let newest = headers
        .iter()
        .filter(|header| header.resource_type == ResourceType::PATIENT)
        .max_by_key(|header| (!header.deleted, header.moment, header.received_at));
    Ok(newest.map(|header| header.item))
}

/// One commit of all these entries.
///
/// Errors: there are none, and so nothing may leave.
fn commit_of(entries: Vec<Entry>) -> Result<Commit, FhirError> {
    let mut entries = entries.into_iter();
    let entry = entries
        .next()
        .ok_or_else(|| FhirError::from(StoreError::Closed))?;
    Ok(Commit {
        changes: Vec::new(),
        entry,
        more_entries: entries.collect(),
    })
}
