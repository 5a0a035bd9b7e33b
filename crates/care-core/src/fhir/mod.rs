//! FHIR R4: JSON values with thin typed views. Knows nothing of HL7 v2.

mod choice;
pub mod compare;
mod definitions;
pub mod ips;
mod json;
mod names;
mod outcome;
mod parse;
pub mod patch;
pub mod path;
mod patient_reference;
mod primitive;
mod resource_type;
pub mod search;
mod source_word;
mod stu3;
mod subset;
mod time;
mod validate;
mod view;
pub mod views;
pub mod xml;
mod xml_write;

pub use choice::{
    CHOICE_CHANNEL, CHOICE_CODE, CHOICE_REFERENCE, CONSENT_SYSTEM, ChoiceCircumstances,
    ChoiceStatement, ChoiceStatus, add_circumstances, choice_consent, choice_consent_json,
};
pub use definitions::{
    Definitions, ElementDefinition, ElementType, RequiredSet, TypeDefinition, TypeKind,
};
pub use json::Json;
pub use outcome::{IssueSeverity, OutcomeIssue, outcome};
pub use parse::{JsonError, JsonFault, Limits};
pub use patient_reference::{may_be_about_nobody, reference_to_patient, references_to_patient};
pub use resource_type::ResourceType;
pub use source_word::{
    ASSENT_CODES, DISSENT_CODES, SourceStatement, contact_consent, sharing_code,
};
pub use stu3::recognise_stu3;
pub use subset::{Kept, keep_only};
pub use time::FhirTime;
pub use validate::{
    Rulebook, Validation, ValidationIssue, ValidationLimits, pack, validate_structure,
};
pub use view::{
    NHS_NUMBER_SYSTEM, ODS_SYSTEM, ReferenceTarget, clinical_time, concept_key, concept_text,
    contained, entered_in_error, identifier_value, person_name, primary_code, primary_concept,
    read_reference, reference_target, resource_type, status,
};
