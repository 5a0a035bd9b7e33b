//! When two records are one person: the only home of that rule.
//!
//! Pure: candidates and what was sent arrive as values, a [`Link`] with its evidence goes out. It
//! never links by score ([`compare`] is for lists a person chooses from); it links on an exact, verified number with an agreeing birth
//! date, or on a number the same source used before, and asks a person about everything else
//! (hazards H01, H02).

mod compare;
mod golden;
mod link;
mod normalise;

pub use compare::{MatchGrade, MatchScore, compare};
pub use golden::{SourceView, death_unconfirmed, golden};
pub use link::{Basis, Candidate, Doubt, Evidence, Link, MergeDoubt, link, merge_doubts};
pub use normalise::{Details, birth_date_text, details, fold, phonetic, postcode};
