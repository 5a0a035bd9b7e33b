//! Witnesses elsewhere, that sign every checkpoint too: what each signed last, what it must be handed
//! next, and the alarm where it lags.

use std::sync::PoisonError;

use care_core::audit::{CosignVerifier, Hash, Submission, consistency_proof};
use jiff::Timestamp;

use super::offline::LedgerError;
use super::{Log, State, tiles};
use crate::store::{StoreError, Upkeep};

/// How a witness does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStatus {
    /// Its name.
    pub name: String,
    /// Entries under the newest checkpoint it signed.
    pub cosigned: u64,
    /// Since when there is a checkpoint it did not sign.
    pub behind_since: Option<Timestamp>,
    /// Why it did not sign, if it did not: an alarm.
    pub alarm: Option<String>,
}

/// One witness.
pub(super) struct Remote {
    key: CosignVerifier,
    cosigned: u64,
    behind_since: Option<Timestamp>,
    alarm: Option<String>,
}

impl Remote {
    /// There is a checkpoint of this size, which it should sign.
    pub fn expect(&mut self, size: u64, now: Timestamp) {
        if self.cosigned < size && self.behind_since.is_none() {
            self.behind_since = Some(now);
        }
    }

    pub fn status(&self) -> WitnessStatus {
        WitnessStatus {
            name: self.key.name().to_owned(),
            cosigned: self.cosigned,
            behind_since: self.behind_since,
            alarm: self.alarm.clone(),
        }
    }
}

/// The configured witnesses, with what each signed so far.
pub(super) fn known(
    engine: &dyn Upkeep,
    keys: &[CosignVerifier],
) -> Result<Vec<Remote>, StoreError> {
    let sizes = engine.cosigned_sizes()?;
    let remote = |key: &CosignVerifier| Remote {
        key: key.clone(),
        cosigned: sizes
            .iter()
            .find(|(witness, _)| *witness == key.to_string())
            .map_or(0, |(_, size)| *size),
        behind_since: None,
        alarm: None,
    };
    Ok(keys.iter().map(remote).collect())
}

fn remote<'a>(state: &'a mut State, witness: &CosignVerifier) -> Option<&'a mut Remote> {
    state.remotes.iter_mut().find(|one| one.key == *witness)
}

impl Log {
    /// See `Ledger::submission`.
    pub fn submission(
        &self,
        witness: &CosignVerifier,
        signed_last: Option<u64>,
    ) -> Result<Option<Submission>, LedgerError> {
        let Some(newest) = self.engine.newest_checkpoint()? else {
            return Ok(None);
        };
        let cosigned = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            remote(&mut state, witness).map_or(0, |remote| remote.cosigned)
        };
        if signed_last.is_none() && cosigned == newest.size {
            return Ok(None);
        }
        let old = signed_last.unwrap_or(cosigned);
        if old > newest.size {
            return Err(LedgerError::WitnessKnowsMore {
                seen: old,
                signed: newest.size,
            });
        }
        let proof = if old == 0 || old == newest.size {
            Vec::new()
        } else {
            self.growth(old, newest.size)?
        };
        Ok(Some(Submission {
            old,
            proof,
            note: newest.note,
        }))
    }

    /// The proof that the log of size `old` is the beginning of the one of size `size`.
    fn growth(&self, old: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        if let Some(proof) = tiles::reader(&self.tiles_directory(), size).consistency(old) {
            return Ok(proof);
        }
        let leaves = self.first_leaves(size)?;
        consistency_proof(&leaves, old).ok_or_else(|| StoreError::Corrupt.into())
    }

    /// See `Ledger::cosigned`.
    pub fn cosigned(
        &self,
        witness: &CosignVerifier,
        submission: &Submission,
        answer: &str,
    ) -> Result<(), LedgerError> {
        let (line, _) = witness
            .find(&submission.note, answer)
            .ok_or(LedgerError::NotCosigned)?;
        let opened = self.signer.verifier().open(&submission.note);
        let size = opened.map_err(|_| LedgerError::NotCosigned)?.size;
        self.engine
            .keep_cosignature(size, &witness.to_string(), &line)?;
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = state.signed;
        if let Some(remote) = remote(&mut state, witness) {
            remote.cosigned = remote.cosigned.max(size);
            remote.alarm = None;
            remote.behind_since = (remote.cosigned < signed).then_some(now);
        }
        Ok(())
    }

    /// See `Ledger::not_cosigned`.
    pub fn not_cosigned(&self, witness: &CosignVerifier, why: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = remote(&mut state, witness) {
            if remote.alarm.as_deref() != Some(why) {
                tracing::error!(witness = witness.name(), why, "a witness did not sign");
            }
            remote.alarm = Some(why.to_owned());
        }
    }
}
