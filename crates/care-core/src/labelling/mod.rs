//! The category and the sensitivity of each draft, decided at the way in.

use crate::mapping::Draft;
use crate::vocabulary::{Category, Sensitivity};

/// A draft with its labels. Only labelling makes one, and the store takes nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    draft: Draft,
    category: Category,
    sensitivity: Sensitivity,
}

impl Labelled {
    /// The draft.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Its category.
    pub fn category(&self) -> Category {
        self.category
    }

    /// Its sensitivity.
    pub fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }
}
