//! One lane for each (sending facility, patient): strictly in order inside, side by side otherwise.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two patients of one stripe wait for each other now and then; with this many it is seldom.
const STRIPES: usize = 512;

/// The lanes of one process.
pub(super) struct Lanes {
    stripes: Vec<Mutex<()>>,
    standing: Mutex<()>,
    hasher: RandomState,
}

impl Lanes {
    pub fn new() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            standing: Mutex::new(()),
            hasher: RandomState::new(),
        }
    }

    /// Waits for the lanes of these patients of one source. Always taken in one order, so that two
    /// deliveries about the same patients never wait for each other.
    pub fn enter<'p>(
        &self,
        source: &str,
        patients: impl Iterator<Item = &'p str>,
    ) -> Vec<MutexGuard<'_, ()>> {
        let mut stripes: Vec<usize> = patients
            .map(|patient| self.hasher.hash_one((source, patient)) as usize % STRIPES)
            .collect();
        stripes.sort_unstable();
        stripes.dedup();
        stripes
            .into_iter()
            .filter_map(|stripe| self.stripes.get(stripe))
            .map(wait)
            .collect()
    }

    /// Waits for the right to change flags that follow from several sources' words. Seldom needed,
    /// so one is enough.
    pub fn standing(&self) -> MutexGuard<'_, ()> {
        wait(&self.standing)
    }
}

/// A poisoned lane is an empty lane: nothing is guarded by it but order, and the store decides what
/// of a broken delivery was kept.
fn wait(lane: &Mutex<()>) -> MutexGuard<'_, ()> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}
