//! Which looks at a record somebody should look at again, and why, in words.
//!
//! Plain functions: flags of a decision, and facts about looks, go in; kinds of review with their
//! explanation come out. Deciding whether a look was right is for a person.
//! Source: the screen design, G2; promise S14. Each rule with its reason: docs/reviews.md.

mod budget;
mod evidence;
mod kind;
mod look;
mod patterns;
mod settings;

pub use budget::{Budget, Spent};
pub use evidence::{Near, near, supports};
pub use kind::{Kind, kind_of_flags};
pub use look::{Alert, LookFacts, of_one_look};
pub use patterns::{History, Look, Patterns};
pub use settings::{Settings, UnsafeSettings};
