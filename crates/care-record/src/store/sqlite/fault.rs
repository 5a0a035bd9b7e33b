//! What an engine's error means to us: full, not durable, damaged, or something else.
//!
//! Texts of the engine name tables and columns, never values.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// How a statement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Full,
    NotDurable,
    Corrupt,
    Other,
}

/// Sorts an error of the engine. Writing errors of the device count as not durable.
pub(super) fn fault(error: &rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fault::Full,
        Some(ErrorCode::SystemIoFailure) => Fault::NotDurable,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Corrupt,
        _ => Fault::Other,
    }
}

impl Fault {
    /// The error to hand out; `text` is the engine's own.
    pub fn error(self, text: &str) -> StoreError {
        match self {
            Self::Full => StoreError::DiskFull(text.into()),
            Self::NotDurable => StoreError::NotDurable(text.into()),
            Self::Corrupt => StoreError::Corrupt,
            Self::Other => StoreError::Engine(text.into()),
        }
    }

    /// Whether the whole batch is lost, not one commit of it.
    pub fn ends_the_batch(self) -> bool {
        self != Self::Other
    }
}

/// The error of a failed read.
pub(super) fn reading(error: rusqlite::Error) -> StoreError {
    match fault(&error) {
        Fault::Corrupt => StoreError::Corrupt,
        _ => StoreError::Engine(Box::new(error)),
    }
}
