//! What both writers do with the journal of decisions: write ahead of a transaction, and note what came of it.

use std::io;
use std::sync::{Arc, OnceLock};

use super::prepare::Prepared;
use super::{Committed, StoreError};
use crate::decisions::Journal;

/// The journal of a record, once it has one.
#[derive(Default)]
pub(super) struct Foresight(OnceLock<Arc<Journal>>);

impl Foresight {
    /// Gives the record its journal; the first stays.
    pub fn keep(&self, journal: Arc<Journal>) {
        let _ = self.0.set(journal);
    }

    /// Writes the decisions of these commits into the journal.
    ///
    /// Errors: none of those that hold decisions may be made.
    pub fn ahead<'a>(
        &self,
        commits: impl Iterator<Item = &'a mut Prepared>,
    ) -> Result<(), StoreError> {
        let Some(journal) = self.0.get() else {
            return Ok(());
        };
        let mut commits: Vec<_> = commits.filter(|one| one.decided.is_some()).collect();
        let decided = commits.iter_mut().filter_map(|one| one.decided.as_mut());
        let name = journal.ahead(decided).map_err(|error| {
            tracing::error!(%error, "the journal of decisions cannot be written; no decision is taken");
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    StoreError::DiskFull(Box::new(error))
                }
                _ => StoreError::NotDurable(Box::new(error)),
            }
        })?;
        if let (Some(name), Some(first)) = (name, commits.first_mut()) {
            first.name_journal(&name);
        }
        Ok(())
    }

    /// Notes what became of a commit. Where nobody can say, the next start looks into the log.
    pub fn settle(&self, commit: &Prepared, answer: &Result<Committed, StoreError>) {
        let n = commit.decided.as_ref().and_then(|decided| decided.n);
        let (Some(journal), Some(n)) = (self.0.get(), n) else {
            return;
        };
        match (answer, commit.entries.first()) {
            (Ok(done), Some(entry)) => journal.held(n, done.entry, &entry.leaf),
            (Err(StoreError::NotDurable(_)), _) | (Ok(_), None) => {}
            (Err(_), _) => journal.refused(n),
        }
    }
}
