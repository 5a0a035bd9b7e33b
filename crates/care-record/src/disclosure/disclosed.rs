//! The proof that a value may leave: made only after its audit entry is durable.

use std::ops::Deref;

/// A value whose disclosure was decided and is written down. Only `disclosure`, and `supply` for
/// what a source sent itself, make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Disclosed<T> {
    value: T,
    entry: u64,
}

impl<T> Disclosed<T> {
    /// The value, with the number of the durable entry that records it.
    pub(crate) fn after(entry: u64, value: T) -> Self {
        Self { value, entry }
    }

    /// The number of the audit entry.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Gives the value away.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Disclosed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
