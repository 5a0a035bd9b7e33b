//! From a source's message or resource to drafts with UK Core shape. The only module that knows
//! both HL7 v2 and FHIR; one file a message type.

mod draft;
pub mod fhir;
mod v2;

pub use draft::{Draft, MapIssue, Mapped, SOURCE_REFERENCE, Subject, source_reference};
pub use v2::{MapRefusal, V2Context, map_v2};
