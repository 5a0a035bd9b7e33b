//! What every act leaves behind: the shape of an entry, the Merkle log over entries, and the
//! offline verifier. Never writes anything itself.

mod entry;
mod tree;

pub use entry::{Act, Entry, Outcome};
pub use tree::{
    Frontier, Hash, consistency_proof, inclusion_proof, leaf_hash, node_hash, root,
    verify_consistency, verify_inclusion,
};
