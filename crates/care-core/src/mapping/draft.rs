//! What a message or a source's resource becomes before it is labelled, identified and stored.

use jiff::Timestamp;

use crate::fhir::{Json, ResourceType};
use crate::vocabulary::{Demographics, Involvement};

/// One resource as a source described it.
///
/// References to other things of the same source are written with [`source_reference`]; intake
/// turns them into ids once the person is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The resource's type.
    pub resource_type: ResourceType,
    /// The source's own key of this thing: the same thing sent again has the same key. Unique with
    /// the source and the type.
    pub source_key: String,
    /// UK Core-shaped JSON with `resourceType` first and without `id` and `meta` (but `meta.security`
    /// and `meta.profile`, where the source or the mapping states them).
    pub body: Json,
    /// When the source says this state held: an older event never overwrites a newer one.
    pub event_at: Timestamp,
    /// Whether the state takes the thing away (cancelled visit, entered in error). The item stays,
    /// with its status saying so; nothing is deleted.
    pub withdrawn: bool,
}

/// What one delivery says, once mapped.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// Who it is about; `None` for things about nobody, such as organisations.
    pub subject: Option<Subject>,
    /// The resources. For a delivery about a person the first is their `Patient` as this source
    /// knows them.
    pub drafts: Vec<Draft>,
    /// Which organisations it says are involved in the person's care.
    pub involvements: Vec<Involvement>,
    /// Two records that the source says are one person (A34, A40): the identifiers that give way.
    pub merge: Option<Subject>,
    /// What could not be understood, field by field; the rest was kept.
    pub issues: Vec<MapIssue>,
}

/// Who a delivery is about, as the source identifies them.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The source's own key of the person (its first local number, or its Patient id).
    pub source_key: String,
    /// What it says of them.
    pub demographics: Demographics,
}

/// A field that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapIssue {
    /// Where: `PID-7`, `Observation.valueQuantity.value`.
    pub place: String,
    /// What is wrong and how the sender mends it; never the value itself.
    pub text: String,
    /// Whether the delivery cannot be used without it.
    pub fatal: bool,
}

/// The scheme of a reference that is not yet resolved.
pub const SOURCE_REFERENCE: &str = "urn:connect-care:source:";

/// A reference to another thing of the same source: `urn:connect-care:source:{Type}/{key}`.
pub fn source_reference(resource_type: ResourceType, source_key: &str) -> String {
    format!("{SOURCE_REFERENCE}{resource_type}/{source_key}")
}
