//! How the service did: when it started, stopped, had a problem and was mended. For the public status
//! page; holds nothing about anybody. Each change of state is an act with its entry.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::store::{Change, Commit, Store, StoreError};

const SPACE: &str = "service-state";
/// How long the history reaches back.
const KEPT_DAYS: i64 = 400;

/// What state the service came into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// It began to serve.
    Started,
    /// It was stopped in order.
    Stopped,
    /// Everything works.
    Working,
    /// Records can be read; new information is not taken in.
    ReadOnly,
    /// Records cannot be read.
    Problem,
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceChange {
    /// When.
    pub at: Timestamp,
    /// Into which state.
    pub state: ServiceState,
}

/// Notes and tells states.
#[derive(Clone)]
pub struct ServiceLog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// Why the state was not noted or read.
#[derive(Debug, thiserror::Error)]
#[error("the state of the service was not noted or read; the disk or the database does not answer")]
pub struct ServiceLogError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl From<StoreError> for ServiceLogError {
    fn from(cause: StoreError) -> Self {
        Self(Box::new(cause))
    }
}

impl ServiceLog {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Notes that the service is in this state from now on.
    pub fn note(&self, state: ServiceState) -> Result<(), ServiceLogError> {
        let now = self.clock.now();
        let change = ServiceChange { at: now, state };
        let value =
            serde_json::to_vec(&change).map_err(|cause| ServiceLogError(Box::new(cause)))?;
        let mut entry = Entry::new(now, Act::Admin, Outcome::Success, "system");
        entry.detail = format!(
            "service {}",
            serde_json::to_string(&state)
                .unwrap_or_default()
                .trim_matches('"')
        );
        self.store.commit(Commit {
            changes: vec![Change::Keep {
                space: SPACE,
                key: format!("{:015}", now.as_millisecond()),
                value: Some(value),
                expires_ms: now.as_millisecond() + KEPT_DAYS * 86_400_000,
            }],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    /// The latest changes, newest first, at most `limit`.
    pub fn latest(&self, limit: u32) -> Result<Vec<ServiceChange>, ServiceLogError> {
        let now = self.clock.now().as_millisecond();
        let kept = self.store.keep_list(SPACE, "", now, limit)?;
        let mut all: Vec<ServiceChange> = kept
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice(value).ok())
            .collect();
        all.sort_by_key(|change| std::cmp::Reverse(change.at));
        Ok(all)
    }
}
