//! Who may see what, and why: facts in, a decision with its trace out.
//!
//! [`decide`] is the only way to a [`Decision`], and so to a [`View`] for a reader; the release room
//! reads with a [`release_view`], made from a member of a checked cohort, and a source reads back what it
//! sent with a [`supplier_view`]. It reads no clock and no store, never sees FHIR, and gives the same answer to the same facts and settings for ever.
//! Source: the access decision model; in our words, with an example for every rule, in
//! docs/access.md. Every right is printed in tests/rules/access-matrix.txt.

mod decision;
mod draft;
mod explain;
mod facts;
mod finding;
mod involvements;
pub mod json;
mod roles;
mod rules;
mod settings;
pub mod simulator;
mod told;

pub use decision::{
    Decision, Flag, Outcome, POLICY_VERSION, Reason, Step, Supplier, Trace, View, release_view,
    supplier_view,
};
pub use explain::{denial_wording, explain_to_staff, explain_to_the_person, in_plain_words};
pub use facts::{
    BreakGlass, Capacity, Choice, ChoiceState, ChoiceStatus, Facts, Justification, Life,
    OrganisationCode, Origin, Patient, Permission, Relationship, User, Warrant,
};
pub use finding::{finding, finding_for_cases, naming};
pub use involvements::relationship_from;
pub use roles::{CARE_ROLES, categories_of, has_emergency_right};
pub use rules::may_review_log;
pub use settings::{DenialWording, EmergencyOverride, PermissionModel, Settings, UnsafeSettings};
pub use told::told_to_the_person;

use draft::{Draft, Ruling};

/// Decides. The rules are looked at in order; the first that denies gives the reason.
///
/// Errors: none; facts that say too little lead to a denial.
/// Source: the access model, 8.3.
pub fn decide(facts: &Facts, settings: &Settings) -> Decision {
    let mut draft = Draft::new();
    for rule in &rules::RULES {
        let ruling = (rule.look)(facts, settings, &mut draft);
        draft.close_step(rule, ruling);
        match ruling {
            Ruling::Pass => {}
            Ruling::Settled => break,
            Ruling::Deny(reason) => return draft.deny(settings, reason),
        }
    }
    draft.allow(facts, settings)
}
