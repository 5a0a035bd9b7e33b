//! The answer of the rules. Makers are private to `access`, so no answer exists without its trace.

use crate::vocabulary::{CategorySet, SensitivitySet, SourceCode};

/// What a reader may see of one person: part of every query that reads for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub(super) categories: CategorySet,
    pub(super) sensitivities: SensitivitySet,
    pub(super) hide_gp_sourced: bool,
    pub(super) hidden_sources: Vec<SourceCode>,
}

impl View {
    /// Items of other categories are not read.
    pub fn categories(&self) -> CategorySet {
        self.categories
    }

    /// Items of other protection levels are not read.
    pub fn sensitivities(&self) -> SensitivitySet {
        self.sensitivities
    }

    /// Items whose source is a GP practice are not read.
    pub fn hide_gp_sourced(&self) -> bool {
        self.hide_gp_sourced
    }

    /// Items of these sources are not read.
    pub fn hidden_sources(&self) -> &[SourceCode] {
        &self.hidden_sources
    }
}

/// A reason code of the access model, 8.3. `Reason::Ok` is written `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub(super) &'static str);

impl Reason {
    /// The code as written in the access model.
    pub fn code(self) -> &'static str {
        self.0
    }
}

/// The rules looked at, in order, with the facts each used. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    pub(super) steps: Vec<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow {
        /// What may be seen.
        view: View,
        /// Why.
        trace: Trace,
    },
    /// Yes, by overriding; somebody reviews it.
    BreakGlass {
        /// What may be seen.
        view: View,
        /// Why.
        trace: Trace,
    },
    /// No.
    Deny {
        /// The code.
        reason: Reason,
        /// Why.
        trace: Trace,
    },
}
