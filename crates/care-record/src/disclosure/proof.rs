//! The proof that one look at a person's record stands in the log, for that person to keep.
//!
//! Only entries the person is shown have one: what is held back from their list is held back here.

use super::looks::shows_somebody;
use super::{Answer, Disclosed, Disclosure, DisclosureError};
use crate::Ledger;
use crate::caller::Caller;
use crate::ledger::LedgerError;

/// A proof, ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnProof {
    /// The file's text: JSON that `verify.py --proof` reads.
    File(String),
    /// The entry is younger than the newest signed state; in a minute there is one.
    NotYet,
}

impl Disclosure {
    /// The proof of an entry about the person who is signed in. Where staff names are not shown to
    /// people, the entry itself, which holds one, is left out and its hash stands there instead.
    pub fn own_proof(
        &self,
        caller: &Caller,
        number: u64,
        with_names: bool,
    ) -> Answer<Disclosed<OwnProof>> {
        let (gathered, mut entry) = self.own_person(caller, "proof")?;
        let about = self.entry_about(&gathered, number)?;
        if !shows_somebody(number, &about) {
            return Err(DisclosureError::NotThere);
        }
        let proof = match Ledger::new(self.inner.log.clone()).prove(number) {
            Ok(proof) if with_names => OwnProof::File(proof.to_file()),
            Ok(proof) => OwnProof::File(proof.to_file_without_entry()),
            Err(LedgerError::NotSigned(_)) => OwnProof::NotYet,
            Err(other) => return Err(DisclosureError::Unavailable(Box::new(other))),
        };
        entry.detail = format!("proof of entry {number}");
        self.disclose(Vec::new(), entry, proof)
    }
}
