//! Trains a compression dictionary for each kind of body that has enough of them and none yet.
//!
//! New bodies use the newest dictionary of their kind; old ones keep theirs.

use crate::store::{Samples, StoreError, Upkeep};

/// The size of a dictionary. Larger ones gain little on bodies of a kilobyte.
const DICTIONARY_BYTES: usize = 16 << 10;

/// Trains what is worth it; gives how many dictionaries were made.
pub(crate) fn train(engine: &dyn Upkeep, enough: u32) -> Result<usize, StoreError> {
    let mut samples = Samples::default();
    engine.sample(&mut samples)?;
    let mut made = 0;
    for (kind, samples) in samples.0 {
        if samples.len() < enough as usize {
            continue;
        }
        // Samples that have nothing in common make no dictionary; that is no failure.
        if let Ok(content) = zstd::dict::from_samples(&samples, DICTIONARY_BYTES) {
            engine.keep_dictionary(kind, samples.len() as i64, &content)?;
            made += 1;
        }
    }
    Ok(made)
}
