//! Which looks at a record somebody should look at again, and why, in words.
//!
//! Plain functions: flags of a decision, and facts about a look, go in; kinds of review come out.
//! Deciding whether a look was right is for a person.

mod kind;

pub use kind::{Kind, kind_of_flags};
