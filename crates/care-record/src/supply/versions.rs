//! Earlier versions of what a source sent: one of them, the history of one thing, of a type, of everything.
//!
//! Deletes are part of a history. Newest first; a page goes on after a place, so what comes meanwhile moves
//! nothing.

use care_core::fhir::ResourceType;
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::{Supply, SupplyCaller};
use crate::disclosure::{
    Disclosed, FhirError, HistoryAsk, HistoryEntry, HistoryPage, HistoryPlace,
};
use crate::search::{Held, Reader, Scope};
use crate::store::{ChangePlace, ChangesAsked, StoredBody};

/// Versions read in one go.
const AT_ONCE: u32 = 200;
/// Versions looked at for one page: what a page leaves is gone on with on the next.
const MOST_LOOKED_AT: usize = 5_000;

impl Supply {
    /// `GET {type}/{id}/_history/{version}`.
    ///
    /// Errors: [`FhirError::Gone`] for a version that says it was deleted.
    pub fn version(
        &self,
        caller: &SupplyCaller,
        kind: ResourceType,
        id: &str,
        version: u32,
    ) -> Result<Disclosed<crate::disclosure::FhirResource>, FhirError> {
        let view = caller.view()?;
        let scope = Scope::new(&*self.inner.store, &view, Reader::Source);
        let page = format!("GET {kind}/_history/version");
        let found = match self.thing(caller, &scope, kind, id)? {
            Some(held) => self.inner.store.version_of(
                held.owner,
                &view,
                (held.kind, held.item),
                Some(version),
            )?,
            None => None,
        };
        match found {
            None => {
                self.note(caller, &page, None, "none found")?;
                Err(FhirError::not_there())
            }
            Some(stored) if stored.header.deleted => {
                self.note(caller, &page, stored.owner(), "deleted")?;
                Err(FhirError::Gone)
            }
            Some(stored) => {
                let held = scope.held(stored)?;
                let entries = self.entries(caller, &page, std::iter::once(&held));
                self.hand_over(entries, held.into_resource())
            }
        }
    }

    /// `GET {type}/{id}/_history`.
    pub fn history(
        &self,
        caller: &SupplyCaller,
        kind: ResourceType,
        id: &str,
        ask: &HistoryAsk,
    ) -> Result<Disclosed<HistoryPage>, FhirError> {
        let view = caller.view()?;
        let scope = Scope::new(&*self.inner.store, &view, Reader::Source);
        let page = format!("GET {kind}/_history");
        let Some(thing) = self.thing(caller, &scope, kind, id)? else {
            self.note(caller, &page, None, "none found")?;
            return Err(FhirError::not_there());
        };
        let whole = (thing.kind, thing.item);
        let store = &*self.inner.store;
        let read = |before: Option<u32>| store.versions(thing.owner, &view, whole, before, AT_ONCE);
        let found = ask.of_one(read)?;
        self.page(caller, &scope, &page, found)
    }

    /// `GET {type}/_history` and `GET _history`.
    pub fn changes(
        &self,
        caller: &SupplyCaller,
        kind: Option<ResourceType>,
        ask: &HistoryAsk,
    ) -> Result<Disclosed<HistoryPage>, FhirError> {
        let view = caller.view()?;
        let scope = Scope::new(&*self.inner.store, &view, Reader::Source);
        let page = kind.map_or_else(
            || "GET _history".to_owned(),
            |kind| format!("GET {kind}/_history"),
        );
        let mut before = match ask.after {
            Some(HistoryPlace::Change(place)) => Some(ChangePlace {
                moment: place.0,
                within: (place.1, place.2, place.3, place.4),
            }),
            _ => None,
        };
        let mut found: Vec<(StoredBody, bool)> = Vec::new();
        let (mut looked_at, mut is_more) = (0, true);
        while found.len() < ask.count && looked_at < MOST_LOOKED_AT && is_more {
            let asked = ChangesAsked {
                kind,
                person: None,
                before,
                since: ask.since,
                after: None,
                limit: AT_ONCE,
            };
            let rows = self.inner.store.changes(&view, &asked)?;
            is_more = rows.len() as u32 == AT_ONCE;
            for row in rows {
                if found.len() == ask.count {
                    is_more = true;
                    break;
                }
                looked_at += 1;
                before = Some(row.place());
                let ended = match ask.at {
                    None => None,
                    Some(_) => self.ended_at(&scope, &row)?,
                };
                if ask.wants(row.header.received_at, ended) {
                    found.push((row, false));
                }
            }
        }
        let next = before.filter(|_| is_more).map(|place| {
            let (part, kind, item, version) = place.within;
            HistoryPlace::Change((place.moment, part, kind, item, version))
        });
        let found = found.into_iter().map(|(row, _)| row).collect();
        self.page(caller, &scope, &page, (found, next))
    }

    /// When the next version took this one's place.
    fn ended_at(
        &self,
        scope: &Scope<'_>,
        row: &StoredBody,
    ) -> Result<Option<Timestamp>, FhirError> {
        let whole = (row.header.resource_type, row.header.item);
        let next = row.header.version.checked_add(1);
        let after = self
            .inner
            .store
            .version_of(row.owner(), scope.view, whole, next)?;
        Ok(after.map(|after| after.header.received_at))
    }

    /// An entry that says that nothing was shown.
    fn note(
        &self,
        caller: &SupplyCaller,
        page: &str,
        person: Option<PersonId>,
        detail: &str,
    ) -> Result<(), FhirError> {
        let mut entry = self.entry(caller, page, person);
        entry.detail = detail.to_owned();
        self.hand_over(vec![entry], ()).map(|_| ())
    }

    fn thing(
        &self,
        caller: &SupplyCaller,
        scope: &Scope<'_>,
        kind: ResourceType,
        id: &str,
    ) -> Result<Option<Held>, FhirError> {
        match self.by_our_id(scope, kind, id)? {
            Some(found) => Ok(Some(found)),
            None => self.by_own_key(caller, scope, kind, id),
        }
    }

    fn page(
        &self,
        caller: &SupplyCaller,
        scope: &Scope<'_>,
        page: &str,
        (found, next): (Vec<StoredBody>, Option<HistoryPlace>),
    ) -> Result<Disclosed<HistoryPage>, FhirError> {
        let mut shown = Vec::with_capacity(found.len());
        for stored in found {
            shown.push(scope.held(stored)?);
        }
        let mut entries = self.entries(caller, page, shown.iter());
        if entries.is_empty() {
            let mut entry = self.entry(caller, page, None);
            entry.detail = "none found".to_owned();
            entries.push(entry);
        }
        let entries_of_page = shown
            .into_iter()
            .map(|held| HistoryEntry {
                deleted: held.header.as_ref().is_some_and(|header| header.deleted),
                resource: held.into_resource(),
            })
            .collect();
        self.hand_over(
            entries,
            HistoryPage {
                entries: entries_of_page,
                next,
            },
        )
    }
}
