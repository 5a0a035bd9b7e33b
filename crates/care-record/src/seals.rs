//! What is sealed, by whom and since when: for those who keep an eye on seals. No content, and no word
//! to anybody else: what is sealed and locked leaves no sign in a record.
//!
//! Source: the screen design, G7.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{Category, Demographics, PersonId, Sensitivity, SourceCode};
use jiff::{SignedDuration, Timestamp};

use crate::caller::Caller;
use crate::record::Inner;
use crate::reviews::{Reviews, ReviewsError};
use crate::store::Commit;

/// A seal is looked at again after a year.
const REVIEW_AFTER: SignedDuration = SignedDuration::from_hours(24 * 365);

/// The door to the list of seals. Cheap to clone.
#[derive(Clone)]
pub struct Seals {
    inner: Arc<Inner>,
}

/// One sealed item.
#[derive(Debug, Clone)]
pub struct Seal {
    /// Whose.
    pub person: PersonId,
    /// Who that is; never where they are.
    pub who: Option<Demographics>,
    /// What kind of information.
    pub category: Category,
    /// How it is sealed.
    pub sensitivity: Sensitivity,
    /// The organisation that sealed it.
    pub source: SourceCode,
    /// Since when we hold it sealed.
    pub since: Timestamp,
    /// When it is to be looked at again.
    pub review_at: Timestamp,
}

impl Seals {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Sealed items, newest first, after so many; how many there are in all, and since when the oldest
    /// is sealed. The look is an entry.
    pub fn list(
        &self,
        caller: &Caller,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Seal>, u64, Option<Timestamp>), ReviewsError> {
        let (total, oldest) = self.inner.store.sealed_tally()?;
        let reviews = Reviews::new(self.inner.clone());
        let mut found = Vec::new();
        // Seals are few; the newest up to this page are read, and the pages before it passed over.
        let upto = offset.saturating_add(limit);
        let rows = self.inner.store.sealed(upto)?;
        for row in rows.into_iter().skip(offset as usize) {
            let since = row.header.received_at;
            found.push(Seal {
                person: row.person,
                who: reviews.who_is(row.person)?,
                category: row.header.category,
                sensitivity: row.sensitivity,
                source: row.header.source,
                since,
                review_at: since.checked_add(REVIEW_AFTER).unwrap_or(since),
            });
        }
        let now = self.inner.clock.now();
        let mut entry = Entry::new(now, Act::Worklist, Outcome::Success, &caller.user.id);
        entry.who_name.clone_from(&caller.user.name);
        entry.role = caller.user.role.code().to_owned();
        entry.organisation = caller.user.organisation.as_str().to_owned();
        entry.page = "seals".to_owned();
        entry.detail = format!("{} sealed items listed", found.len());
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        })?;
        Ok((found, total, oldest))
    }
}
