//! What an engine does besides keeping and reading the record: the log's signed states, dictionaries,
//! and what the operator asks for. For the ledger, the jobs and the operations room only.

use std::collections::BTreeMap;
use std::sync::Arc;

use care_core::audit::Hash;

use super::body::Codec;
use super::{IndexWork, OwnParameter, Store, StoreError};
use crate::decisions::Journal;

/// An engine with its upkeep.
pub(crate) trait Upkeep: Store {
    /// From now on every decision is in this journal before it is in the record.
    fn keep_decisions(&self, journal: Arc<Journal>);

    /// Writes what waits and closes every connection; a second time does nothing.
    fn close(&self);

    /// Leaves of the audit log by number, from `from`, at most `limit`.
    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<(u64, Hash)>, StoreError>;

    /// The newest signed state of the log.
    fn newest_checkpoint(&self) -> Result<Option<KeptCheckpoint>, StoreError>;

    /// Signed states greater than this, smallest first: size and note.
    fn checkpoints_after(&self, size: u64) -> Result<Vec<(u64, String)>, StoreError>;

    /// Keeps a signed state.
    fn keep_checkpoint(&self, checkpoint: KeptCheckpoint) -> Result<(), StoreError>;

    /// Keeps what a witness signed over the checkpoint of this size.
    fn keep_cosignature(&self, size: u64, witness: &str, line: &str) -> Result<(), StoreError>;

    /// What witnesses signed over the checkpoint of this size: witness and line, in order.
    fn cosignatures(&self, size: u64) -> Result<Vec<(String, String)>, StoreError>;

    /// The greatest size each witness signed.
    fn cosigned_sizes(&self) -> Result<Vec<(String, u64)>, StoreError>;

    /// Takes away kept values that have ended; they were invisible already.
    fn purge(&self, now_ms: i64) -> Result<usize, StoreError>;

    /// Offers plain bodies of every kind to `samples`.
    fn sample(&self, samples: &mut Samples) -> Result<(), StoreError>;

    /// Keeps a dictionary and uses it from now on.
    fn keep_dictionary(&self, kind: u16, trained_on: i64, content: &[u8])
    -> Result<(), StoreError>;

    /// Work on the index that is not done, oldest first.
    fn index_work(&self) -> Result<Vec<IndexWork>, StoreError>;

    /// Does the next `most` items of a piece of work, and takes it off the list with the last. Says how many
    /// were done; 0 means that it is done.
    fn work_on_index(&self, work: &IndexWork, most: u32) -> Result<u64, StoreError>;

    /// Puts all items on the list to be indexed again; what is left in the index of versions that passed
    /// goes with it.
    fn index_again(&self) -> Result<(), StoreError>;

    /// Keeps a search parameter of the deployment's own, and puts the items of its types on the list.
    fn add_parameter(&self, url: &str, definition: &[u8], kinds: &[u16]) -> Result<(), StoreError>;

    /// Takes one away. Says whether it was there.
    fn remove_parameter(&self, url: &str) -> Result<bool, StoreError>;

    /// The deployment's own, by address.
    fn own_parameters(&self) -> Result<Vec<OwnParameter>, StoreError>;

    /// Reads everything there is and compares it with its digests.
    fn check(&self) -> Result<CheckReport, StoreError>;

    /// Share of the database that is empty, in per cent.
    fn empty_percent(&self) -> Result<u64, StoreError>;

    /// Gives empty space back. Nothing is written meanwhile.
    fn compact(&self) -> Result<(), StoreError>;
}

/// A signed state of the log, with what is needed to go on from it.
pub(crate) struct KeptCheckpoint {
    pub size: u64,
    pub note: String,
    pub frontier: Vec<u8>,
}

/// Plain bodies by kind, to learn dictionaries from.
#[derive(Default)]
pub(crate) struct Samples(pub BTreeMap<u16, Vec<Vec<u8>>>);

impl Samples {
    /// Bodies a dictionary learns from.
    pub const EACH: usize = 2_000;
    /// Bodies longer than this teach nothing about the short ones.
    pub const LONGEST: i64 = 8 << 10;
    /// Items looked at in one round; a kind that is rarer than this shows is not worth a dictionary.
    pub const ITEMS_LOOKED_AT: i64 = 100_000;

    /// Takes a packed body of a kind that has no dictionary yet, until there are enough.
    pub fn take(
        &mut self,
        codec: &Codec,
        kind: u16,
        (form, bytes, body): (i64, i64, &[u8]),
    ) -> Result<(), StoreError> {
        if codec.has_dictionary(kind) {
            return Ok(());
        }
        let samples = self.0.entry(kind).or_default();
        if samples.len() < Self::EACH {
            samples.push(codec.unpack(form, bytes, body)?);
        }
        Ok(())
    }
}

/// What a scrub saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Current items.
    pub items: u64,
    /// Versions in history.
    pub past_versions: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// People.
    pub people: u64,
    /// Audit entries.
    pub entries: u64,
    /// What is damaged, by table and key; at most a hundred. Empty when nothing is.
    pub damage: Vec<String>,
}

impl CheckReport {
    /// Damage beyond this is counted no further.
    const ENOUGH: usize = 100;

    pub(super) fn damaged(&mut self, what: String) {
        if self.damage.len() < Self::ENOUGH {
            self.damage.push(what);
        }
    }
}
