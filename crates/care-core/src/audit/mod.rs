//! What every act leaves behind: the shape of an entry, the Merkle log over entries, and the
//! offline verifier. Never writes anything itself.

mod entry;
mod note;
mod tree;
mod verify;

pub use entry::{Act, Entry, Outcome};
pub use note::{Checkpoint, LogSigner, LogVerifier, NoteError, check_proof, write_proof};
pub use tree::{
    Frontier, Hash, consistency_proof, inclusion_proof, leaf_hash, node_hash, root,
    verify_consistency, verify_inclusion,
};
pub use verify::{Finding, HeldEntry, Verified, verify};
