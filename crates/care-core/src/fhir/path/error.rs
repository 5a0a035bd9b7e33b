//! What can go wrong with an expression: where in it, what, and how to mend it.
//!
//! Never carries anything of the resource it was asked of; only the expression's own words.

use std::fmt;

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// The text is no FHIRPath.
    Syntax,
    /// A function, type, element or variable nobody knows.
    Unknown,
    /// Values of a kind or number the operation does not take.
    Operand,
    /// FHIRPath has it, this engine (or the place it runs in) does not.
    Unsupported,
    /// More depth, steps or output than is allowed.
    Limit,
}

/// Why an expression has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// The kind.
    pub fault: PathFault,
    /// The byte of the expression it was noticed at, from 0.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl PathError {
    pub(super) fn new(
        fault: PathFault,
        offset: usize,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            fault,
            offset,
            what: what.into(),
            mend: mend.into(),
        }
    }

    pub(super) fn syntax(offset: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(PathFault::Syntax, offset, what, mend)
    }

    pub(super) fn operand(offset: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(PathFault::Operand, offset, what, mend)
    }

    pub(super) fn limit(offset: usize, what: impl Into<String>) -> Self {
        Self::new(
            PathFault::Limit,
            offset,
            what,
            "ask a narrower question, or raise the limit where this is a trusted expression",
        )
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "FHIRPath, byte {}: {}; {}",
            self.offset, self.what, self.mend
        )
    }
}

impl std::error::Error for PathError {}
