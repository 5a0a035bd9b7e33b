//! Why a call of the release room did nothing. Holds no personal data.

use care_core::release::Unsound;

use crate::CaseworkError;
use crate::store::StoreError;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The role may not do this.
    #[error("your role may not do this with an extract")]
    NotForRole,
    /// The specification cannot be.
    #[error("the request cannot be taken as it is; mend what is named")]
    Unsound(Vec<Unsound>),
    /// The extract is at another step.
    #[error("this extract is at another step ({0}); open it again")]
    OtherStep(String),
    /// Approvals need other people.
    #[error("{0}")]
    NotThisPerson(&'static str),
    /// The specification is not the one that was looked at.
    #[error("the request was changed since you read it; read it again and decide again")]
    Changed,
    /// Nothing may leave.
    #[error("nothing was released: {0}")]
    Blocked(String),
    /// No such extract, or not for this user.
    #[error("there is no such extract for you")]
    NotThere,
    /// Somebody else was faster.
    #[error("somebody else changed this extract meanwhile; open it again")]
    Stale,
    /// A file could not be written or read.
    #[error(
        "the release's files could not be written or read; look at the disk, then run it again"
    )]
    Files(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The record did not answer.
    #[error("the record cannot answer now; nothing was released")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ReleaseError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::Stale => Self::Stale,
            StoreError::NoSuchRow => Self::NotThere,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<CaseworkError> for ReleaseError {
    fn from(cause: CaseworkError) -> Self {
        match cause {
            CaseworkError::Stale => Self::Stale,
            CaseworkError::NoCase => Self::NotThere,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<std::io::Error> for ReleaseError {
    fn from(cause: std::io::Error) -> Self {
        Self::Files(Box::new(cause))
    }
}

impl From<parquet::errors::ParquetError> for ReleaseError {
    fn from(cause: parquet::errors::ParquetError) -> Self {
        Self::Files(Box::new(cause))
    }
}

impl From<serde_json::Error> for ReleaseError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

pub(super) type Answer<T> = Result<T, ReleaseError>;
