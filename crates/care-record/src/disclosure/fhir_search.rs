//! A search by a person's token: the engine of `search` under the decision's view, one entry for the page.

use care_core::audit::Act;
use care_core::vocabulary::ItemId;

use super::fhir::FhirAsk;
use super::gather::Gathered;
use super::{Disclosed, Disclosure, DisclosureError, decided_entry};
use crate::caller::Caller;
use crate::choices::CHOICE_ITEM;
use crate::search::{
    Held, Reader, Scope, SearchAsk, SearchEntry, SearchError, SearchPage, Searched, named_person,
    search,
};
use crate::store::StoreError;

/// Why a read or search of the FHIR API gives nothing. Holds no patient data.
#[derive(Debug, thiserror::Error)]
pub enum FhirError {
    /// As for any other disclosure.
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    /// It was there, and whoever sent it took it away.
    #[error("it was deleted by whoever sent it")]
    Gone,
    /// What is held from before an upgrade is still being worked into the search index.
    #[error("the search index is being made; ask again in a while")]
    Indexing,
    /// The search cannot be answered as it is.
    #[error("{parameter}: {what}; {mend}")]
    Cannot {
        /// The parameter, never its value.
        parameter: String,
        /// What is wrong.
        what: &'static str,
        /// How to mend it.
        mend: &'static str,
    },
}

impl From<StoreError> for FhirError {
    fn from(cause: StoreError) -> Self {
        match cause {
            // How many items there are is nobody's to know who may not see them all.
            StoreError::Indexing { .. } => Self::Indexing,
            other => Self::Disclosure(other.into()),
        }
    }
}

impl From<SearchError> for FhirError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Store(cause) => cause.into(),
            SearchError::Cannot {
                parameter,
                what,
                mend,
            } => Self::Cannot {
                parameter,
                what,
                mend,
            },
        }
    }
}

impl Disclosure {
    /// A search in one person's record: the one that the search names.
    pub fn fhir_query(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        wanted: &SearchAsk,
    ) -> Result<Disclosed<SearchPage>, FhirError> {
        let Some(person) = named_person(wanted)? else {
            return Err(FhirError::Cannot {
                parameter: "patient".to_owned(),
                what: "the search names no person",
                mend: "a record is read for one person at a time: add patient=Patient/{id}; a Patient is found by \
                       NHS number with POST Patient/_search and identifier",
            });
        };
        let gathered = self.asked(caller, ask, &person.to_string(), &wanted.page)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let reader = self.reader(&gathered);
        let scope = Scope::new(&*self.inner.store, view, reader);
        let found = search(&scope, wanted, self.now())?;
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page.clone_from(&wanted.page);
        entry.items = found
            .matches
            .iter()
            .chain(&found.included)
            .map(Held::item_name)
            .collect();
        if entry.items.is_empty() {
            entry.detail = "none found".to_owned();
        }
        Ok(self.disclose(Vec::new(), entry, page(found))?)
    }

    /// What the engine reads for this decision: the person, those joined into them, and what is put
    /// together on the way out.
    fn reader(&self, gathered: &Gathered) -> Reader {
        let person = gathered.person;
        let mut parts = vec![person];
        parts.extend(gathered.row.joined.iter().copied());
        let patient = self.patient_resource(gathered);
        let mut composed = vec![Held::composed(patient, person, ItemId(0))];
        if let Some(choice) = self.choice_resource(gathered) {
            composed.push(Held::composed(choice, person, CHOICE_ITEM));
        }
        Reader::Person {
            person,
            parts,
            composed,
        }
    }
}

/// A page out of what the engine found.
pub(crate) fn page(found: Searched) -> SearchPage {
    let entry = |included: bool| {
        move |held: Held| SearchEntry {
            included,
            resource: held.into_resource(),
        }
    };
    let matches = found.matches.into_iter().map(entry(false));
    SearchPage {
        entries: matches
            .chain(found.included.into_iter().map(entry(true)))
            .collect(),
        total: found.total,
        here: Some(found.here),
        next: found.next,
        told: found.told,
    }
}

impl FhirError {
    /// Nothing is there, or nothing the caller may know of: the two read the same.
    pub fn not_there() -> Self {
        Self::Disclosure(DisclosureError::NotThere)
    }
}
