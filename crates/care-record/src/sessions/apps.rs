//! What an app was allowed, and the codes and refresh tokens that lead to it: kept by digest, ended in one
//! act, and every step is an entry.
//!
//! Knows no OAuth: what the values mean stands in the face that made them.

use care_core::audit::{Act, Entry, Outcome};
use jiff::Timestamp;

use super::{SessionError, Sessions};
use crate::store::{Change, Commit, StoreError};

/// What of an app is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppKept {
    /// What somebody allowed an app.
    Grant,
    /// A code, by digest.
    Code,
    /// A refresh token, by digest.
    Refresh,
    /// The id of an access token that was taken back.
    TakenBack,
}

impl AppKept {
    fn space(self) -> &'static str {
        match self {
            Self::Grant => "app-grant",
            Self::Code => "app-code",
            Self::Refresh => "app-refresh",
            Self::TakenBack => "app-taken-back",
        }
    }
}

const USED: &str = "app-used";

/// A value to keep until a moment, or to take away (`None`).
#[derive(Debug, Clone)]
pub struct AppKeep {
    /// What it is.
    pub what: AppKept,
    /// Its key.
    pub key: String,
    /// JSON of the face.
    pub value: Option<Vec<u8>>,
    /// Until when.
    pub until: Timestamp,
}

impl AppKeep {
    fn change(self) -> Change {
        Change::Keep {
            space: self.what.space(),
            key: self.key,
            value: self.value,
            expires_ms: self.until.as_millisecond(),
        }
    }
}

/// What the entry of a step says. `detail` holds no personal data.
#[derive(Debug, Clone, Copy)]
pub struct AppStep<'a> {
    /// The user the app acts for.
    pub who: &'a str,
    /// What happened, with the app's id.
    pub detail: &'a str,
    /// Access ended; otherwise it was given.
    pub ends: bool,
}

impl AppStep<'_> {
    fn entry(self, now: Timestamp) -> Entry {
        let act = if self.ends { Act::SignOut } else { Act::SignIn };
        let mut entry = Entry::new(now, act, Outcome::Success, self.who);
        entry.detail = self.detail.to_owned();
        entry
    }
}

impl Sessions {
    /// A kept value, unless its time is over.
    pub fn app_kept(&self, what: AppKept, key: &str) -> Result<Option<Vec<u8>>, SessionError> {
        let now = self.clock.now().as_millisecond();
        Ok(self.store.keep_get(what.space(), key, now)?)
    }

    /// The kept values whose key begins so, newest first, with their keys; at most 100.
    pub fn apps_kept(
        &self,
        what: AppKept,
        prefix: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, SessionError> {
        let now = self.clock.now().as_millisecond();
        Ok(self.store.keep_list(what.space(), prefix, now, 100)?)
    }

    /// Keeps these, or takes them away, with one entry.
    pub fn keep_app(&self, keeps: Vec<AppKeep>, step: AppStep<'_>) -> Result<(), SessionError> {
        let changes = keeps.into_iter().map(AppKeep::change).collect();
        self.commit(changes, step.entry(self.clock.now()))
    }

    /// Uses a code or a refresh token up, and keeps what it gives, in one act: true the first time this
    /// digest is used before `until`, false for every later try, which keeps nothing.
    pub fn use_app_secret(
        &self,
        digest: &str,
        until: Timestamp,
        keeps: Vec<AppKeep>,
        step: AppStep<'_>,
    ) -> Result<bool, SessionError> {
        let once = Change::KeepOnce {
            space: USED,
            key: digest.to_owned(),
            value: Vec::new(),
            expires_ms: until.as_millisecond(),
        };
        let changes = std::iter::once(once).chain(keeps.into_iter().map(AppKeep::change));
        let kept = self.store.commit(Commit {
            changes: changes.collect(),
            entry: step.entry(self.clock.now()),
            more_entries: Vec::new(),
        });
        match kept {
            Err(StoreError::AlreadyKept) => Ok(false),
            kept => {
                drop(kept?);
                Ok(true)
            }
        }
    }
}
