//! What every act leaves behind: the shape of an entry, the Merkle log over entries, and the
//! offline verifier. Never writes anything itself.

mod entry;

pub use entry::{Act, Entry, Outcome};
