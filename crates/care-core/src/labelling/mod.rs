//! The category and the sensitivity of each draft, decided at the way in, and again when a list
//! changes. The only home of what makes an item sensitive; says nothing of who may see it.
//!
//! Sources: the access model, 8.1 and 8.2 (docs/access.md); the lists in `data/labelling`, each
//! topic with its own source and date (docs/labelling.md).

mod category;
mod lists;
mod phrases;
mod sensitivity;
mod together;

pub use lists::{CodeListError, CodeLists};

use crate::fhir::{Json, ResourceType};
use crate::mapping::Draft;
use crate::vocabulary::{Category, OrganisationKind, Sensitivity};

/// What labelling says of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Its category.
    pub category: Category,
    /// Its sensitivity.
    pub sensitivity: Sensitivity,
}

/// A draft with its labels. Only labelling makes one, and the store takes nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    draft: Draft,
    labels: Labels,
}

impl Labelled {
    /// The draft.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Its category.
    pub fn category(&self) -> Category {
        self.labels.category
    }

    /// Its sensitivity.
    pub fn sensitivity(&self) -> Sensitivity {
        self.labels.sensitivity
    }

    /// The draft, to be changed and labelled again.
    pub fn into_draft(self) -> Draft {
        self.draft
    }
}

/// Labels a draft that came from an organisation of this kind.
pub fn label(draft: Draft, source_kind: OrganisationKind, lists: &CodeLists) -> Labelled {
    let labels = labels_of(draft.resource_type, &draft.body, source_kind, lists);
    Labelled { draft, labels }
}

/// Labels the drafts of one delivery, in their order. Beside what each calls for by itself, a report
/// and its results protect one another, and an encounter protects what happened in it.
pub fn label_all(
    drafts: Vec<Draft>,
    source_kind: OrganisationKind,
    lists: &CodeLists,
) -> Vec<Labelled> {
    let labels: Vec<Labels> = drafts
        .iter()
        .map(|draft| labels_of(draft.resource_type, &draft.body, source_kind, lists))
        .collect();
    let mut levels: Vec<Sensitivity> = labels.iter().map(|labels| labels.sensitivity).collect();
    together::raise_together(&drafts, &mut levels);
    drafts
        .into_iter()
        .zip(labels)
        .zip(levels)
        .map(|((draft, labels), sensitivity)| Labelled {
            draft,
            labels: Labels {
                sensitivity,
                ..labels
            },
        })
        .collect()
}

/// The labels of a resource. Relabelling what is held asks this with the new lists.
///
/// Sensitivity is the highest that any code, text or security label anywhere inside calls for; in
/// doubt the higher one. Errors: none; what no list names has normal sensitivity.
pub fn labels_of(
    resource_type: ResourceType,
    body: &Json,
    source_kind: OrganisationKind,
    lists: &CodeLists,
) -> Labels {
    Labels {
        category: category::category_of(resource_type, body, source_kind, lists),
        sensitivity: sensitivity::sensitivity_of(resource_type, body, lists),
    }
}
