//! The nouns every room of the house shares: identifiers, people, roles, purposes, categories.
//!
//! Values are checked once, here, and the type is the proof. Nothing in this module knows FHIR,
//! HL7 v2, SQL or HTTP.

mod category;
mod demographics;
mod identifiers;
mod involvement;
mod organisation;
mod purpose;
mod role;
mod sensitivity;

pub use category::{Category, CategorySet};
pub use demographics::{
    Address, ContactPoint, ContactSystem, Demographics, Gender, NumberStatus, PartialDate,
    PersonName,
};
pub use identifiers::{
    IdError, ItemId, NhsNumber, NhsNumberError, OdsCode, OdsCodeError, PersonId, SourceCode,
    base32_decode, base32_encode,
};
pub use involvement::{Involvement, InvolvementKind};
pub use organisation::{Organisation, OrganisationKind};
pub use purpose::Purpose;
pub use role::Role;
pub use sensitivity::{Sensitivity, SensitivitySet};
