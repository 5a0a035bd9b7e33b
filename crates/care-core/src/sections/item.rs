//! What the store hands to a section: headers of everything the view permits, bodies of what a
//! page needs.

use jiff::Timestamp;

use crate::fhir::{Json, ResourceType};
use crate::vocabulary::{Category, ItemId, SourceCode};

/// One item without its body. Reading headers is cheap, so counts and choices are made on these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The resource type.
    pub resource_type: ResourceType,
    /// The item's key within the person.
    pub item: ItemId,
    /// Its version, from 1.
    pub version: u32,
    /// Its category.
    pub category: Category,
    /// The organisation it came from.
    pub source: SourceCode,
    /// What groups items of one meaning (the same test, the same substance): a digest of the first
    /// system and code, or of the text where there is no code; 0 where there is neither.
    pub code_key: u64,
    /// Whether its status says it holds now: an active problem, a current medicine, an open visit.
    pub current: bool,
    /// Whether it was taken away by its source: cancelled, entered in error, withdrawn.
    pub withdrawn: bool,
    /// Whether this version says that its source deleted the thing: no page shows it.
    pub deleted: bool,
    /// When it happened, as the source says; the first moment its precision allows.
    pub clinical_at: Option<Timestamp>,
    /// When Connect Care received this version.
    pub received_at: Timestamp,
    /// The number of the first audit entry of the commit that brought this version: the record at a
    /// moment is what had come by then. 0 for versions that came before moments were kept.
    pub moment: u64,
}

/// One item with its body.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The header.
    pub header: Header,
    /// The resource, with `id` and `meta`.
    pub body: Json,
}
