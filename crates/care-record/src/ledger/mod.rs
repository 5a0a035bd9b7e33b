//! The audit log's signed states: made at least every minute while the log grows, kept in the
//! database, and copied to a witness directory outside it.
//!
//! It never writes an entry: entries are written by the commit they belong to.

mod key;
mod offline;
#[cfg(test)]
mod tests;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use care_core::audit::{Frontier, LogSigner};
use jiff::tz::TimeZone;

pub use self::key::SigningKey;
pub use self::offline::{LedgerError, Proof, VerifyReport, prove, verify};
use crate::Clock;
use crate::store::{KeptCheckpoint, StoreError, Upkeep};

/// Leaves read at once.
const PAGE: u32 = 20_000;

/// How far the log is signed and witnessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Entries in the log.
    pub entries: u64,
    /// Entries under the newest checkpoint.
    pub signed: u64,
    /// Entries under the newest checkpoint copied to the witness; `None` without a witness.
    pub witnessed: Option<u64>,
    /// Why the last copy to the witness failed, if it did: an alarm.
    pub witness_alarm: Option<String>,
}

/// The handle for faces and the command line.
#[derive(Clone)]
pub struct Ledger {
    log: Arc<Log>,
}

impl Ledger {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { log }
    }

    /// Signs the state of the log now, if it grew, and copies what the witness lacks. Gives the size
    /// that is signed.
    pub fn checkpoint(&self) -> Result<u64, LedgerError> {
        self.log.checkpoint().map_err(LedgerError::from)
    }

    /// The key that checks this log's checkpoints, in the form of C2SP signed notes.
    pub fn verifier_key(&self) -> String {
        self.log.signer.verifier().to_string()
    }

    /// How far the log is signed and witnessed.
    pub fn status(&self) -> Result<LedgerStatus, LedgerError> {
        self.log.status().map_err(LedgerError::from)
    }
}

/// Signs and witnesses one open record's log.
pub(crate) struct Log {
    engine: Arc<dyn Upkeep>,
    clock: Arc<dyn Clock>,
    signer: LogSigner,
    witness: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frontier: Frontier,
    signed: u64,
    witnessed: u64,
    alarm: Option<String>,
}

impl Log {
    /// Takes up the log where its last checkpoint left it.
    pub fn open(
        engine: Arc<dyn Upkeep>,
        clock: Arc<dyn Clock>,
        key: &SigningKey,
        witness: Option<PathBuf>,
    ) -> Result<Self, StoreError> {
        let signer = key.signer();
        let mut state = State::default();
        if let Some(last) = engine.newest_checkpoint()? {
            let KeptCheckpoint {
                size,
                note,
                frontier,
            } = last;
            let frontier = Frontier::from_bytes(size, &frontier);
            let signed = signer.verifier().open(&note).ok();
            // A frontier that does not fit its own signature is not gone on from: the log is read again.
            if let (Some(frontier), Some(signed)) = (frontier, signed)
                && frontier.root() == signed.root
                && frontier.size() == signed.size
            {
                state.signed = signed.size;
                state.frontier = frontier;
            }
        }
        let this = Self {
            engine,
            clock,
            signer,
            witness,
            state: Mutex::new(state),
        };
        this.greet_witness()?;
        Ok(this)
    }

    /// Leaves the key with the witness and looks whether the witness knows more than the database.
    fn greet_witness(&self) -> Result<(), StoreError> {
        let Some(directory) = &self.witness else {
            return Ok(());
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match witness::greet(directory, &self.signer.verifier()) {
            Ok(newest) => {
                let entries = self.engine.health()?.entries;
                state.witnessed = newest;
                if newest > entries {
                    state.alarm = Some(format!(
                        "the witness has seen {newest} entries and the record holds {entries}: \
                         an older copy stands in its place; run `connect-care audit verify`"
                    ));
                }
            }
            Err(error) => state.alarm = Some(error.to_string()),
        }
        if let Some(alarm) = &state.alarm {
            tracing::error!(%alarm, "the witness of the audit log");
        }
        Ok(())
    }

    /// Signs what is new and copies what the witness lacks.
    pub fn checkpoint(&self) -> Result<u64, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_new_leaves(&mut state.frontier)?;
        let size = state.frontier.size();
        if size > state.signed {
            let note = self.signer.sign(size, &state.frontier.root());
            let frontier = state.frontier.to_bytes();
            self.engine.keep_checkpoint(KeptCheckpoint {
                size,
                note,
                frontier,
            })?;
            state.signed = size;
        }
        self.copy_to_witness(&mut state);
        Ok(state.signed)
    }

    fn read_new_leaves(&self, frontier: &mut Frontier) -> Result<(), StoreError> {
        loop {
            let leaves = self.engine.leaves(frontier.size(), PAGE)?;
            for (number, leaf) in &leaves {
                if *number != frontier.size() {
                    return Err(StoreError::Corrupt);
                }
                frontier.push(*leaf);
            }
            if leaves.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Copies every checkpoint the witness lacks, oldest first. A failure is an alarm, tried again
    /// with the next checkpoint; the record goes on.
    fn copy_to_witness(&self, state: &mut State) {
        let Some(directory) = &self.witness else {
            return;
        };
        let lacking = self.engine.checkpoints_after(state.witnessed);
        let month = self
            .clock
            .now()
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m")
            .to_string();
        let copied = lacking
            .map_err(|error| error.to_string())
            .and_then(|lacking| {
                for (size, note) in lacking {
                    witness::copy(directory, &month, size, &note)
                        .map_err(|error| error.to_string())?;
                    state.witnessed = size;
                }
                Ok(())
            });
        match copied {
            // An alarm about an older copy of the record stays until somebody has looked.
            Ok(()) if state.witnessed <= state.signed => state.alarm = None,
            Ok(()) => {}
            Err(alarm) => {
                tracing::error!(%alarm, "a checkpoint was not copied to the witness");
                state.alarm = Some(alarm);
            }
        }
    }

    /// How far the log is signed and witnessed.
    pub fn status(&self) -> Result<LedgerStatus, StoreError> {
        let entries = self.engine.health()?.entries;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(LedgerStatus {
            entries,
            signed: state.signed,
            witnessed: self.witness.as_ref().map(|_| state.witnessed),
            witness_alarm: state.alarm.clone(),
        })
    }
}

/// The signing key of a data directory: the one given, else its own, made the first time. Leaves the
/// public half beside it.
pub(crate) fn signing_key(
    directory: &Path,
    given: Option<SigningKey>,
) -> std::io::Result<SigningKey> {
    let key = match given {
        Some(key) => key,
        None => key::load_or_make(directory)?,
    };
    key::publish(directory, &key)?;
    Ok(key)
}

/// Copies the keys of a data directory to a backup of it.
pub(crate) fn copy_keys(from: &Path, to: &Path) -> std::io::Result<()> {
    key::copy(from, to)
}
