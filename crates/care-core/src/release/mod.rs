//! What makes data safe to leave for planning and research: pseudonyms, the elements that may leave,
//! groups of at least five, small numbers suppressed, and a certificate that can be checked offline.
//!
//! Whether data may leave, and without whom, is for `secondary_use`; reading and writing is for the
//! release room of the record. Source: the secondary-use part of the access model (8.5), screens G6.

mod certificate;
mod conditions;
mod csv;
mod dates;
mod deidentify;
mod elements;
mod exceptional;
mod generalise;
mod identifiers;
mod keys;
mod left_out;
mod rows;
mod specification;
mod tables;

pub use certificate::{
    Certificate, CertificateError, CertifiedApproval, CertifiedCheck, CertifiedCounts,
    CertifiedFile, SmallSafe, Verifier,
};
pub use conditions::{condition_name, conditions};
pub use csv::{csv_cell, csv_line};
pub use dates::{DateRule, released_date};
pub use deidentify::{Known, PersonInRelease, Rules, deidentify, patient};
pub use elements::{Allowed, may_leave};
pub use exceptional::{ExceptionalKind, Question, questions, unanswered};
pub use generalise::{AgeBand, Described, Generalised, area_of, generalise};
pub use identifiers::Identifying;
pub use keys::{ProjectKey, ReleaseSecret, Subject, TokenKey, is_pseudonym, pseudonyms_in};
pub use left_out::{LeftOut, LeftOutError, commitment};
pub use rows::Classes;
pub use specification::{
    Cohort, Counted, Exceptional, Form, Specification, SpecificationError, TableWanted, Unsound,
};
pub use tables::{Family, Protected, Shown, Table, differs_by_few, protect, shown};

/// The fewest people that may share what the declared columns say. Source: promise P4.
pub const SMALLEST_GROUP: u32 = 5;
/// The greatest count that is suppressed: 1 to 7. Source: the rule NHS England uses for hospital
/// statistics; issue "small numbers".
pub const GREATEST_SUPPRESSED: u64 = 7;
/// What shown counts are rounded to.
pub const ROUNDED_TO: u64 = 5;
