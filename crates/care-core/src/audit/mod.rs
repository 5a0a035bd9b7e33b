//! What every act leaves behind: the shape of an entry, the Merkle log over entries, and the
//! offline verifier. Never writes anything itself.

mod cosign;
mod entry;
mod note;
mod tiles;
mod tree;
mod verify;

pub use cosign::{CosignVerifier, Cosigner, Submission, WitnessRefusal, consider};
pub use entry::{Act, Entry, Outcome};
pub use note::{Checkpoint, LogSigner, LogVerifier, NoteError, check_proof, write_proof};
pub use tiles::{TILE_WIDTH, Tile, TileReader, bundle_path, fold, new_tiles};
pub use tree::{
    Frontier, Hash, consistency_proof, inclusion_proof, leaf_hash, node_hash, root,
    verify_consistency, verify_inclusion,
};
pub use verify::{Finding, HeldEntry, Verified, verify, verify_beside};
