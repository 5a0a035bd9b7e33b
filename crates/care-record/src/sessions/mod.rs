//! Sign-in sessions, and assertions that may be used once. Both are kept by digest: what a browser
//! or a client holds is never on the disk.
//!
//! Knows no HTTP and no OpenID Connect. Every sign-in, sign-out and refused sign-in is an act with
//! its entry, in the same transaction as what it changes.

mod apps;

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use apps::{AppKeep, AppKept, AppStep};

use crate::caller::User;
use crate::clock::Clock;
use crate::reviews::staff;
use crate::store::{Change, Commit, Store, StoreError};

const SESSIONS: &str = "session";
const ASSERTIONS: &str = "assertion";

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Who, in the role they chose; JSON of the face that made it.
    pub user: String,
    /// The secret every form of this session carries.
    pub csrf: String,
    /// When they signed in.
    pub since: Timestamp,
    /// When it ends whatever happens.
    pub until: Timestamp,
}

/// Why a session could not be kept or read. Holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store did not write or answer.
    #[error("the session was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read is no session.
    #[error("a kept session cannot be read; sign in again")]
    Unreadable,
}

impl From<StoreError> for SessionError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

/// Keeps sessions.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Sessions {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Keeps a session under the digest of its cookie and records the sign-in. `how` says by which
    /// authority and strength (issuer, acr), without personal data.
    pub fn sign_in(
        &self,
        digest: &str,
        user: &User,
        session: &SessionRecord,
        how: &str,
    ) -> Result<(), SessionError> {
        let value = serde_json::to_vec(session).map_err(|_| SessionError::Unreadable)?;
        let keep = Change::Keep {
            space: SESSIONS,
            key: digest.to_owned(),
            value: Some(value),
            expires_ms: session.until.as_millisecond(),
        };
        let known = staff::remember(&*self.store, user, self.clock.now())?;
        self.commit(
            std::iter::once(keep).chain(known).collect(),
            self.entry(Act::SignIn, Outcome::Success, user, how),
        )
    }

    /// Puts a session under another digest, in one act: the old one is worth nothing from then on. `how`
    /// says by which authority the user was confirmed.
    pub fn renew(
        &self,
        old: &str,
        new: &str,
        user: &User,
        session: &SessionRecord,
        how: &str,
    ) -> Result<(), SessionError> {
        let value = serde_json::to_vec(session).map_err(|_| SessionError::Unreadable)?;
        let keep = |key: &str, value, expires_ms| Change::Keep {
            space: SESSIONS,
            key: key.to_owned(),
            value,
            expires_ms,
        };
        let changes = vec![
            keep(old, None, 0),
            keep(new, Some(value), session.until.as_millisecond()),
        ];
        self.commit(
            changes,
            self.entry(Act::SignIn, Outcome::Success, user, how),
        )
    }

    /// The session of this digest, unless it has ended.
    pub fn get(&self, digest: &str) -> Result<Option<SessionRecord>, SessionError> {
        let now = self.clock.now().as_millisecond();
        self.store
            .keep_get(SESSIONS, digest, now)?
            .map(|bytes| serde_json::from_slice(&bytes).map_err(|_| SessionError::Unreadable))
            .transpose()
    }

    /// Takes the session away and records that it ended; `how` is `log out`, `idle` …
    pub fn sign_out(&self, digest: &str, user: &User, how: &str) -> Result<(), SessionError> {
        let keep = Change::Keep {
            space: SESSIONS,
            key: digest.to_owned(),
            value: None,
            expires_ms: 0,
        };
        self.commit(
            vec![keep],
            self.entry(Act::SignOut, Outcome::Success, user, how),
        )
    }

    /// Records a sign-in that was refused. `who` is the user or client id where one was claimed and
    /// proved, else `unknown`.
    pub fn refused(&self, who: &str, why: &str) -> Result<(), SessionError> {
        let mut entry = Entry::new(self.clock.now(), Act::SignIn, Outcome::Denied, who);
        entry.detail = why.to_owned();
        self.commit(Vec::new(), entry)
    }

    /// Lets a client in once by an assertion: true the first time this digest is seen before
    /// `until`, false afterwards. The sign-in is recorded either way.
    pub fn use_assertion(
        &self,
        client: &str,
        digest: &str,
        until: Timestamp,
    ) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let keep = Change::KeepOnce {
            space: ASSERTIONS,
            key: digest.to_owned(),
            value: Vec::new(),
            expires_ms: until.as_millisecond(),
        };
        let mut entry = Entry::new(now, Act::SignIn, Outcome::Success, client);
        entry.detail = "private_key_jwt".to_owned();
        let kept = self.store.commit(Commit {
            changes: vec![keep],
            entry,
            more_entries: Vec::new(),
        });
        match kept {
            Err(StoreError::AlreadyKept) => {
                self.refused(client, "this assertion was used before")?;
                return Ok(false);
            }
            kept => drop(kept?),
        }
        Ok(true)
    }

    fn entry(&self, act: Act, outcome: Outcome, user: &User, detail: &str) -> Entry {
        let mut entry = Entry::new(self.clock.now(), act, outcome, user.id.clone());
        entry.who_name.clone_from(&user.name);
        entry.role = user.role.code().to_owned();
        entry.organisation = user.organisation.to_string();
        entry.detail = detail.to_owned();
        entry
    }

    fn commit(&self, changes: Vec<Change>, entry: Entry) -> Result<(), SessionError> {
        self.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}
