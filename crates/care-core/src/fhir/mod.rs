//! FHIR R4: JSON values with thin typed views. Knows nothing of HL7 v2.

mod json;
mod names;
mod parse;
mod resource_type;

pub use json::Json;
pub use parse::{JsonError, JsonFault, Limits};
pub use resource_type::ResourceType;
