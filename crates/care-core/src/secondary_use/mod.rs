//! Whether data may leave for a use beyond care, without whom, and on what conditions: the national
//! data opt-out and the Type 1 opt-out.
//!
//! Never stores or shows anybody's national choice: the status is read from a check, used, and
//! forgotten. Source: the access model, 8.5 and 8.9; in our words in docs/secondary-use.md.

pub mod check;
mod choice;
mod decision;
mod facts;
pub mod json;
mod rules;

pub use choice::{
    Channel, ChoiceAnswer, ChoiceObligation, ChoiceReason, ChoiceRequest, Setter, accept_choice,
};
pub use decision::{CheckedCohort, CohortMember, Decision, Obligation, Reason};
pub use facts::{
    CheckStatus, DataForm, Disclosure, LegalBasis, OptOutCheck, Origin, Person, PersonNumber,
    Purpose, Settings, UnsafeSettings,
};
pub use rules::decide;
