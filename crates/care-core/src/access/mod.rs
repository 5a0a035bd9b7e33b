//! Who may see what, and why: facts in, a decision with its trace out. Never sees FHIR.
//!
//! Source: the access decision model (docs/access.md).

mod decision;

pub use decision::{Decision, Reason, Trace, View};
