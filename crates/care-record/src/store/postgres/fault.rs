//! What PostgreSQL's errors mean to us: full, not durable, damaged, worth another try, or another.
//!
//! Texts of the server can hold values (`Key (…)=(…)`), so only its code and its tables' names are
//! passed on.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// How a statement failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server's disk is full.
    Full,
    /// The disk, or the connection on the way to it, did not confirm.
    NotDurable,
    /// The server found damaged pages.
    Corrupt,
    /// Another transaction was in the way: the same again may work.
    Again,
    /// This statement with these values cannot be done.
    Other,
}

/// Sorts an error.
pub(super) fn fault(error: &Error) -> Fault {
    let Some(code) = error.code() else {
        // No answer of the server: the connection was lost, or a value could not be sent.
        return if error.is_closed() || is_io(error) {
            Fault::NotDurable
        } else {
            Fault::Other
        };
    };
    match code.code() {
        "53100" => Fault::Full,
        "58030" | "58P01" | "58P02" => Fault::NotDurable,
        "XX001" | "XX002" => Fault::Corrupt,
        "40001" | "40P01" | "55P03" | "57014" => Fault::Again,
        // Starting up, shutting down, no room for a connection, a standby that may not be written to.
        "57P01" | "57P02" | "57P03" | "53300" | "25006" => Fault::NotDurable,
        other if other.starts_with("08") => Fault::NotDurable,
        _ => Fault::Other,
    }
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

/// The error in words that hold no value.
pub(super) fn words(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => format!(
            "PostgreSQL refused with {} ({}{})",
            said.code().code(),
            said.table().unwrap_or("no table named"),
            said.constraint()
                .map(|name| format!(", {name}"))
                .unwrap_or_default(),
        ),
        None => error.to_string(),
    }
}

impl Fault {
    /// The error to hand out.
    pub fn error(self, text: &str) -> StoreError {
        match self {
            Self::Full => StoreError::DiskFull(text.into()),
            Self::NotDurable => StoreError::NotDurable(text.into()),
            Self::Corrupt => StoreError::Corrupt,
            Self::Again | Self::Other => StoreError::Engine(text.into()),
        }
    }
}

/// The error of a failed read.
pub(super) fn reading(error: Error) -> StoreError {
    match fault(&error) {
        Fault::Corrupt => StoreError::Corrupt,
        _ => StoreError::Engine(words(&error).into()),
    }
}

/// Whether the relation asked for is not there: a database without our schema.
pub(super) fn is_missing(error: &Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_TABLE)
}
