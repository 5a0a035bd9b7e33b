//! Search parameters that a deployment adds to R4's while it runs.
//!
//! One that is added is worked into the index as a job that `health` tells of; until every item of its types
//! is kept under it, it cannot be asked for.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::search::Parameters;
use care_core::fhir::{Json, Limits, ResourceType};

use crate::record::Inner;
use crate::store::{Commit, StoreError};

/// Why a search parameter was not added or taken away.
#[derive(Debug, thiserror::Error)]
pub enum SearchParameterError {
    /// It cannot be used.
    #[error("{what}; {mend}")]
    Unusable {
        /// What is wrong.
        what: String,
        /// How to mend it.
        mend: &'static str,
    },
    /// The store did not do it.
    #[error("the store did not do it; nothing was changed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for SearchParameterError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// A search parameter of the deployment's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSearchParameter {
    /// Its canonical address.
    pub url: String,
    /// The SearchParameter resource, as JSON.
    pub definition: Vec<u8>,
    /// Whether it may be asked for.
    pub ready: bool,
    /// While it may not: items worked in, and of how many.
    pub progress: Option<(u64, u64)>,
}

/// Adds search parameters and takes them away.
#[derive(Clone)]
pub struct SearchParameters {
    inner: Arc<Inner>,
}

impl SearchParameters {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Those that may be asked for: R4's, and the deployment's own that are worked in.
    pub fn all(&self) -> Arc<Parameters> {
        self.inner.store.parameters()
    }

    /// The deployment's own, by address.
    pub fn own(&self) -> Result<Vec<OwnSearchParameter>, SearchParameterError> {
        let work = self.inner.engine.index_work()?;
        let own = self.inner.engine.own_parameters()?.into_iter().map(|one| {
            let progress = work.iter().find(|work| work.about == one.url);
            OwnSearchParameter {
                progress: progress.map(|work| (work.done, work.total)),
                url: one.url,
                definition: one.definition,
                ready: one.ready,
            }
        });
        Ok(own.collect())
    }

    /// Adds a SearchParameter resource, or another version of one under the same address. Recorded as an
    /// act of `who`. Gives the types it is for.
    pub fn add(
        &self,
        definition: &[u8],
        who: &str,
    ) -> Result<Vec<ResourceType>, SearchParameterError> {
        let unusable = |what: String, mend| SearchParameterError::Unusable { what, mend };
        let json = Json::parse(definition, Limits::default())
            .map_err(|error| unusable(error.to_string(), "send one resource as JSON"))?;
        if json.text_at(&["resourceType"]) != Some("SearchParameter") {
            let what = "it is no SearchParameter".to_owned();
            return Err(unusable(what, "send a resource of that type"));
        }
        let url = json.text_at(&["url"]).filter(|url| {
            (1..=500).contains(&url.len()) && !url.contains(|letter: char| letter.is_whitespace())
        });
        let url = url.ok_or_else(|| {
            let what = "it has no address".to_owned();
            unusable(what, "give it a url that no other search parameter has")
        })?;
        let mut beside = Parameters::r4().clone();
        for other in self.inner.engine.own_parameters()? {
            if other.url != url
                && let Ok(other) = Json::parse(&other.definition, Limits::default())
            {
                // One that is left out of the index is in nobody's way.
                let _ = beside.add_own(&other);
            }
        }
        let types = beside
            .add_own(&json)
            .map_err(|error| unusable(error.what, error.mend))?;
        let kinds: Vec<u16> = types.iter().map(|of| of.number()).collect();
        self.record("search parameter added", who)?;
        self.inner.engine.add_parameter(url, definition, &kinds)?;
        Ok(types)
    }

    /// Takes one away; says whether it was there. Recorded as an act of `who`.
    pub fn remove(&self, url: &str, who: &str) -> Result<bool, SearchParameterError> {
        self.record("search parameter taken away", who)?;
        Ok(self.inner.engine.remove_parameter(url)?)
    }

    fn record(&self, detail: &str, who: &str) -> Result<(), StoreError> {
        let mut entry = Entry::new(self.inner.clock.now(), Act::Admin, Outcome::Success, who);
        entry.detail = detail.to_owned();
        let commit = Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        };
        self.inner.store.commit(commit).map(drop)
    }
}
