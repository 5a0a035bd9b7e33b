//! Since which moment nothing that is held has changed: kept in mind by the one writer of a store, so that
//! a page read between two changes needs to be read but once.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the writer says of its changes. Entries of the audit log change nothing that is held.
#[derive(Default)]
pub(super) struct Settled {
    /// Changes begun, and come to their end.
    begun: AtomicU64,
    ended: AtomicU64,
    /// The moment of the newest of those; some later moment, where that is not known.
    moment: AtomicU64,
}

impl Settled {
    /// The moment of the newest change, where none is under way. See [`crate::store::Store::settled`].
    pub fn at(&self) -> Option<u64> {
        let ended = self.ended.load(Ordering::SeqCst);
        let moment = self.moment.load(Ordering::SeqCst);
        (ended == self.begun.load(Ordering::SeqCst)).then_some(moment)
    }

    /// Said before anybody can see the change.
    pub fn begins(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// A change has come to its end, and whoever reads from now on sees it: at this moment, or (none) it
    /// did not take place.
    pub fn ends(&self, moment: Option<i64>) {
        if let Some(moment) = moment {
            self.moment
                .store(moment.max(0).unsigned_abs(), Ordering::SeqCst);
        }
        let begun = self.begun.load(Ordering::SeqCst);
        self.ended.store(begun, Ordering::SeqCst);
    }
}
