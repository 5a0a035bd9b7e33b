//! The audit log's signed states: made at least every minute while the log grows, kept in the
//! database, copied to a witness directory outside it, and signed by witnesses elsewhere.
//!
//! It never writes an entry: entries are written by the commit they belong to. It opens no socket:
//! the faces carry what `Ledger::submission` gives to a witness, and bring back its signature.

mod book;
mod key;
mod offline;
mod proof;
#[cfg(test)]
mod tests;
mod tiles;
mod witness;
mod witnesses;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use care_core::audit::{CosignVerifier, Frontier, LogSigner, Submission};
use jiff::tz::TimeZone;

pub use self::book::WitnessBook;
pub use self::key::SigningKey;
pub use self::offline::{Exported, LedgerError, VerifyReport, export, prove, verify};
pub use self::proof::Proof;
use self::tiles::Tiles;
use self::witnesses::Remote;
pub use self::witnesses::WitnessStatus;
use crate::Clock;
use crate::store::{KeptCheckpoint, StoreError, Upkeep};

/// Leaves read at once.
const PAGE: u32 = 20_000;
/// The directory of hash tiles in the data directory: proofs are made from them.
pub(crate) const TILES: &str = "tiles";

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
    /// Why tiles could not be written, if they could not: an alarm.
    pub tiles_alarm: Option<String>,
    /// Every witness that signs too.
    pub witnesses: Vec<WitnessStatus>,
}

/// Where the log is published besides the database, and who signs it too.
#[derive(Clone, Default)]
pub struct Publication {
    /// A directory for the whole log in tiles, entries included; the operator's own.
    pub whole: Option<PathBuf>,
    /// Witnesses that sign every checkpoint.
    pub witnesses: Vec<CosignVerifier>,
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

    /// What this witness must be handed, if it did not sign the newest checkpoint yet. `signed_last` is
    /// what the witness itself said it signed last, where it said so.
    pub fn submission(
        &self,
        witness: &CosignVerifier,
        signed_last: Option<u64>,
    ) -> Result<Option<Submission>, LedgerError> {
        self.log.submission(witness, signed_last)
    }

    /// Keeps what a witness answered to a submission, once its signature was checked.
    pub fn cosigned(
        &self,
        witness: &CosignVerifier,
        submission: &Submission,
        answer: &str,
    ) -> Result<(), LedgerError> {
        self.log.cosigned(witness, submission, answer)
    }

    /// Notes why a witness did not sign: an alarm until it does.
    pub fn not_cosigned(&self, witness: &CosignVerifier, why: &str) {
        self.log.not_cosigned(witness, why);
    }

    /// Proves that an entry is in the log, under the newest checkpoint that every witness signed, or
    /// under the newest where they did not sign one that covers it.
    pub fn prove(&self, number: u64) -> Result<Proof, LedgerError> {
        self.log.prove(number)
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
    published: Mutex<Published>,
}

#[derive(Default)]
struct State {
    frontier: Frontier,
    signed: u64,
    witnessed: u64,
    alarm: Option<String>,
    tiles_alarm: Option<String>,
    remotes: Vec<Remote>,
}

/// The directories of tiles.
struct Published {
    own: Tiles,
    others: Vec<Tiles>,
}

/// What a log needs besides its engine.
pub(crate) struct Around {
    /// The data directory.
    pub directory: PathBuf,
    /// Who tells the time.
    pub clock: Arc<dyn Clock>,
    /// The directory checkpoints are copied to.
    pub witness: Option<PathBuf>,
    /// Where else it is published.
    pub publication: Publication,
}

impl Log {
    /// Takes up the log where its last checkpoint left it.
    pub fn open(
        engine: Arc<dyn Upkeep>,
        key: &SigningKey,
        around: Around,
    ) -> Result<Self, StoreError> {
        let signer = key.signer();
        let verifier = signer.verifier();
        let mut state = State {
            remotes: witnesses::known(&*engine, &around.publication.witnesses)?,
            ..State::default()
        };
        let of_witness = around
            .witness
            .iter()
            .map(|at| Tiles::for_witness(at, &verifier));
        let whole = around
            .publication
            .whole
            .iter()
            .map(|at| Tiles::whole(at, &verifier));
        let published = Published {
            own: Tiles::own(&around.directory.join(TILES), &verifier),
            others: of_witness.chain(whole).collect(),
        };
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
            clock: around.clock,
            signer,
            witness: around.witness,
            state: Mutex::new(state),
            published: Mutex::new(published),
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

    /// Signs what is new, copies what the witness lacks, and writes the tiles.
    pub fn checkpoint(&self) -> Result<u64, StoreError> {
        let signed = self.sign_and_copy()?;
        self.publish();
        Ok(signed)
    }

    fn sign_and_copy(&self) -> Result<u64, StoreError> {
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
        let now = self.clock.now();
        for remote in &mut state.remotes {
            remote.expect(size, now);
        }
        self.copy_to_witness(&mut state);
        Ok(state.signed)
    }

    /// Writes the newest signed state as tiles. A failure is an alarm, tried again with the next
    /// checkpoint; the record goes on.
    fn publish(&self) {
        let mut alarm = None;
        {
            let mut all = self
                .published
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let Published { own, others } = &mut *all;
            let newest = match self.engine.newest_checkpoint() {
                Ok(Some(newest)) => newest,
                Ok(None) | Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the tiles of the audit log wait for the next round");
                    return;
                }
            };
            for tiles in std::iter::once(own).chain(others) {
                if let Err(error) = tiles.publish(&*self.engine, newest.size, &newest.note) {
                    tracing::error!(%error, "the tiles of the audit log were not written");
                    alarm = Some(error.to_string());
                }
            }
        }
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tiles_alarm = alarm;
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
            tiles_alarm: state.tiles_alarm.clone(),
            witnesses: state.remotes.iter().map(Remote::status).collect(),
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
