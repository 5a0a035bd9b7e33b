//! Earlier versions of one item, for a reader of the FHIR API: what the decision of now lets them see of
//! each. A label that was added later covers the past, so what is hidden now was never there.

use care_core::audit::Act;
use care_core::fhir::ResourceType;
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;

use super::fhir::{item_name, parse_id};
use super::{
    Disclosed, Disclosure, DisclosureError, FhirAsk, FhirError, FhirResource, decided_entry,
};
use crate::Caller;
use crate::choices::CHOICE_ITEM;
use crate::store::{StoreError, StoredBody};

/// What is asked of a history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryAsk {
    /// Only versions that came at this time or later.
    pub since: Option<Timestamp>,
    /// Only versions that held at some time from the first of these to the second.
    pub at: Option<(Timestamp, Timestamp)>,
    /// How many on a page.
    pub count: usize,
    /// The last of the page before.
    pub after: Option<HistoryPlace>,
}

/// Where a page of a history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryPlace {
    /// In one thing's: a version.
    Version(u32),
    /// In a type's or a source's: the moment, and what tells apart the versions of one commit.
    Change((u64, u64, u16, u64, u32)),
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// It says that the thing was deleted.
    pub deleted: bool,
    /// The version; of a delete only its id, number and time count.
    pub resource: FhirResource,
}

/// A page of a history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryPage {
    /// The versions.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page goes on.
    pub next: Option<HistoryPlace>,
}

impl HistoryAsk {
    /// Whether a version that came and ended then is asked for.
    pub(crate) fn wants(&self, came: Timestamp, ended: Option<Timestamp>) -> bool {
        let since = self.since.is_none_or(|since| came >= since);
        let at = self
            .at
            .is_none_or(|(from, until)| came <= until && ended.is_none_or(|ended| ended > from));
        since && at
    }

    /// The versions of one thing that are asked for, and where the next page goes on. `read` gives those
    /// before a version, newest first.
    pub(crate) fn of_one(
        &self,
        read: impl Fn(Option<u32>) -> Result<Vec<StoredBody>, StoreError>,
    ) -> Result<(Vec<StoredBody>, Option<HistoryPlace>), StoreError> {
        let mut before = match self.after {
            Some(HistoryPlace::Version(version)) => Some(version),
            _ => None,
        };
        let mut ended = match before {
            Some(version) => read(version.checked_add(1))?
                .first()
                .map(|stored| stored.header.received_at),
            None => None,
        };
        let mut found = Vec::new();
        loop {
            let rows = read(before)?;
            if rows.is_empty() {
                return Ok((found, None));
            }
            for row in rows {
                let (came, version) = (row.header.received_at, row.header.version);
                if found.len() == self.count {
                    return Ok((found, before.map(HistoryPlace::Version)));
                }
                if self.wants(came, ended) {
                    found.push(row);
                }
                ended = Some(came);
                before = Some(version);
            }
        }
    }
}

impl Disclosure {
    /// `GET {type}/{id}/_history/{version}`.
    ///
    /// Errors: as [`Self::fhir_read`]; [`FhirError::Gone`] for a version that says it was deleted.
    pub fn fhir_vread(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        kind: ResourceType,
        id: &str,
        version: u32,
    ) -> Result<Disclosed<FhirResource>, FhirError> {
        let Some((person, item)) = stored_item(kind, id) else {
            // Put together on the way out, or about nobody: only the version of now is there.
            let now = self.fhir_read(caller, ask, kind, id)?;
            return match now.version == version {
                true => Ok(now),
                false => Err(FhirError::not_there()),
            };
        };
        let page = format!("GET {kind}/_history/version");
        let gathered = self.asked(caller, ask, &person.to_string(), &page)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let found = self
            .inner
            .store
            .version(gathered.person, view, (kind, item), Some(version))?;
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = page;
        let Some(stored) = found else {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(FhirError::not_there());
        };
        if stored.header.deleted {
            entry.detail = "deleted".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(FhirError::Gone);
        }
        entry.items = vec![item_name(&stored.header)];
        let resource = self.outgoing(&gathered, stored)?;
        Ok(self.disclose(Vec::new(), entry, resource)?)
    }

    /// `GET {type}/{id}/_history`.
    ///
    /// Errors: as [`Self::fhir_read`].
    pub fn fhir_history(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        kind: ResourceType,
        id: &str,
        wanted: &HistoryAsk,
    ) -> Result<Disclosed<HistoryPage>, FhirError> {
        let Some((person, item)) = stored_item(kind, id) else {
            let now = self.fhir_read(caller, ask, kind, id)?;
            let number = now.entry();
            let only = HistoryEntry {
                deleted: false,
                resource: now.into_inner(),
            };
            let page = HistoryPage {
                entries: vec![only],
                next: None,
            };
            return Ok(Disclosed::after(number, page));
        };
        let page = format!("GET {kind}/_history");
        let gathered = self.asked(caller, ask, &person.to_string(), &page)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let store = &*self.inner.store;
        let owner = Some(gathered.person);
        let read = |before: Option<u32>| store.versions(owner, view, (kind, item), before, 100);
        let is_there = !read(None)?.is_empty();
        let (found, next) = wanted.of_one(read)?;
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = page;
        entry.items = found
            .iter()
            .map(|stored| item_name(&stored.header))
            .collect();
        if !is_there {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(FhirError::not_there());
        }
        let mut entries = Vec::with_capacity(found.len());
        for stored in found {
            let deleted = stored.header.deleted;
            let resource = self.outgoing(&gathered, stored)?;
            entries.push(HistoryEntry { deleted, resource });
        }
        Ok(self.disclose(Vec::new(), entry, HistoryPage { entries, next })?)
    }
}

/// A person's item that is stored under this id; none for what is put together or about nobody.
fn stored_item(kind: ResourceType, id: &str) -> Option<(PersonId, ItemId)> {
    let (person, item) = parse_id(id).ok()?;
    let is_choice = (kind, item) == (ResourceType::CONSENT, CHOICE_ITEM);
    (!is_choice).then_some((person, item))
}
