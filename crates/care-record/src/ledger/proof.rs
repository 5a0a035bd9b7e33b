//! The proof that one entry is in the log, from the running record: no more is read than the tiles on
//! its way to the root.

use std::path::PathBuf;
use std::sync::PoisonError;

use care_core::audit::{Hash, check_proof, inclusion_proof, leaf_hash, write_proof};
use serde_json::json;

use super::offline::LedgerError;
use super::{Log, PAGE, tiles};
use crate::store::StoreError;

/// The proof that one entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Which entry.
    pub number: u64,
    /// The entry's exact bytes: JSON.
    pub entry: Vec<u8>,
    /// The proof as text, in the form of C2SP tlog-proof: index, path, signed checkpoint.
    pub text: String,
    /// The key that checks the log's signature.
    pub verifier_key: String,
    /// The keys of the witnesses whose signatures stand under the checkpoint.
    pub witness_keys: Vec<String>,
}

impl Proof {
    /// One file that holds everything needed to check it without us.
    pub fn to_file(&self) -> String {
        let entry = String::from_utf8_lossy(&self.entry);
        self.file("entry", &entry)
    }

    /// The same with the entry's hash in place of the entry: it proves that an entry with this hash
    /// stands in the log, and says nothing of anybody.
    pub fn to_file_without_entry(&self) -> String {
        let hash = leaf_hash(&self.entry)
            .map(|byte| format!("{byte:02x}"))
            .concat();
        self.file("entry_hash", &hash)
    }

    fn file(&self, name: &str, entry: &str) -> String {
        let how = "Save this file and run: python3 verify.py --proof FILE. The program verify.py and \
                   what it checks are at docs/audit/ of the source of Connect Care; it needs nothing \
                   but Python and does not ask us. Compare the keys below with those published by \
                   your care record service and by each witness.";
        let file = json!({
            "what": "Proof that one entry is in the audit log of Connect Care, unchanged",
            "how_to_check": how,
            name: entry,
            "proof": self.text,
            "log_key": self.verifier_key,
            "witness_keys": self.witness_keys,
        });
        format!("{file:#}\n")
    }
}

impl Log {
    /// Where the tiles for proofs stand.
    pub(super) fn tiles_directory(&self) -> PathBuf {
        let published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        published.own.directory().to_owned()
    }

    /// See `Ledger::prove`.
    pub fn prove(&self, number: u64) -> Result<Proof, LedgerError> {
        let (size, mut note) = self.checkpoint_over(number)?;
        let entries = self.engine.entries(number, 1)?;
        let entry = entries.into_iter().find(|(held, _)| *held == number);
        let (_, entry) = entry.ok_or(LedgerError::NotSigned(number))?;
        let mut witness_keys = Vec::new();
        for (witness, line) in self.engine.cosignatures(size)? {
            note.push_str(&line);
            witness_keys.push(witness);
        }
        let verifier = self.signer.verifier();
        let text = |path: &[Hash]| write_proof(number, path, &note);
        let holds = |text: &String| check_proof(text, &entry, &verifier) == Ok(number);
        let from_tiles = tiles::reader(&self.tiles_directory(), size).inclusion(number);
        let proven = from_tiles.map(|path| text(&path)).filter(&holds);
        let proven = match proven {
            Some(proven) => proven,
            // The tiles are behind or damaged: the database knows every leaf.
            None => {
                let leaves = self.first_leaves(size)?;
                let path = inclusion_proof(&leaves, number).ok_or(StoreError::Corrupt)?;
                Some(text(&path))
                    .filter(&holds)
                    .ok_or(StoreError::Corrupt)?
            }
        };
        Ok(Proof {
            number,
            entry,
            text: proven,
            verifier_key: verifier.to_string(),
            witness_keys,
        })
    }

    /// A signed state that covers this entry: the newest that every witness signed, else the newest.
    fn checkpoint_over(&self, number: u64) -> Result<(u64, String), LedgerError> {
        let witnessed = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let sizes = state.remotes.iter().map(|remote| remote.status().cosigned);
            sizes.min().filter(|size| *size > number)
        };
        if let Some(size) = witnessed {
            let notes = self.engine.checkpoints_after(size - 1)?;
            if let Some(found) = notes.into_iter().find(|(held, _)| *held == size) {
                return Ok(found);
            }
        }
        let newest = self.engine.newest_checkpoint()?;
        newest
            .filter(|newest| newest.size > number)
            .map(|newest| (newest.size, newest.note))
            .ok_or(LedgerError::NotSigned(number))
    }

    /// Every leaf of a tree of this size.
    pub(super) fn first_leaves(&self, size: u64) -> Result<Vec<Hash>, StoreError> {
        let mut all = Vec::new();
        while (all.len() as u64) < size {
            let leaves = self.engine.leaves(all.len() as u64, PAGE)?;
            if leaves.is_empty() {
                return Err(StoreError::Corrupt);
            }
            all.extend(leaves.into_iter().map(|(_, leaf)| leaf));
        }
        all.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(all)
    }
}
