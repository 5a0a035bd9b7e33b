//! Everything a source brought, each thing once and as it stood at a moment, newest first, page by
//! page: what export and views are made from.

use std::collections::HashSet;

use care_core::access::View;
use care_core::fhir::ResourceType;
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use crate::store::{ChangePlace, ChangesAsked, Store, StoreError, StoredBody};

/// Versions read in one go.
const PAGE: u32 = 500;

/// A walk under way.
pub(super) struct Walk<'s> {
    store: &'s dyn Store,
    view: &'s View,
    asked: ChangesAsked,
    /// The moment whose record is walked.
    moment: Option<u64>,
    /// Only what came after this moment.
    newer_than: Option<u64>,
    /// Things with several versions, and people whose Patient was given: none is given twice.
    met: HashSet<(u64, u16, u64)>,
    is_done: bool,
}

impl<'s> Walk<'s> {
    /// Of everybody and everything; `moment`: as it stood then.
    pub fn new(store: &'s dyn Store, view: &'s View, moment: Option<u64>) -> Self {
        Self {
            store,
            view,
            asked: ChangesAsked {
                before: moment.map(ChangePlace::from),
                limit: PAGE,
                ..ChangesAsked::default()
            },
            moment,
            newer_than: None,
            met: HashSet::new(),
            is_done: false,
        }
    }

    /// Of one type.
    #[must_use]
    pub fn of_type(mut self, kind: Option<ResourceType>) -> Self {
        self.asked.kind = kind;
        self
    }

    /// Of one person.
    #[must_use]
    pub fn of_person(mut self, person: Option<PersonId>) -> Self {
        self.asked.person = person;
        self
    }

    /// Only what was received at this time or later.
    #[must_use]
    pub fn since(mut self, since: Option<Timestamp>) -> Self {
        self.asked.since = since;
        self
    }

    /// Only what came after this moment.
    #[must_use]
    pub fn newer_than(mut self, moment: Option<u64>) -> Self {
        self.newer_than = moment;
        self
    }

    /// The next things, tombstones among them; none at the end. A page may be empty.
    pub fn next_page(&mut self) -> Result<Option<Vec<StoredBody>>, StoreError> {
        if self.is_done {
            return Ok(None);
        }
        let page = self.store.changes(self.view, &self.asked)?;
        self.is_done = page.len() < PAGE as usize;
        if let Some(last) = page.last() {
            self.asked.before = Some(last.place());
        }
        let mut found = Vec::with_capacity(page.len());
        for version in page {
            if self
                .newer_than
                .is_some_and(|than| version.header.moment <= than)
            {
                self.is_done = true;
                break;
            }
            if let Some(one) = self.as_it_stood(version)? {
                found.push(one);
            }
        }
        Ok(Some(found))
    }

    /// The version of a thing that held at the moment, when the thing is met for the first time.
    fn as_it_stood(&mut self, version: StoredBody) -> Result<Option<StoredBody>, StoreError> {
        let header = &version.header;
        let (kind, item) = (header.resource_type, header.item);
        let (owner, part) = (version.owner(), version.person.0);
        let key = (part, kind.number(), item.0);
        let held = if header.version == 1 {
            // Nothing newer of it was met, so it is the only version; there is no need to remember it.
            (!self.met.contains(&key)).then_some(version)
        } else if !self.met.insert(key) {
            None
        } else if let Some(moment) = self.moment {
            // A version that came late may be older than the one that held.
            self.store
                .version_at(owner, self.view, (kind, item), moment)?
        } else {
            self.store
                .version_of(owner, self.view, (kind, item), None)?
        };
        // Of several Patients of one person the newest stands for the person.
        let person = (part, kind.number(), 0);
        let is_again = |one: &StoredBody| {
            kind == ResourceType::PATIENT && owner.is_some() && !one.header.deleted
        };
        match held {
            Some(one) if is_again(&one) && !self.met.insert(person) => Ok(None),
            held => Ok(held),
        }
    }
}
