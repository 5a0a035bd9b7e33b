//! The record: the disk, and the only door to it.
//!
//! Faces open a [`Record`] and are handed the part they need: [`Intake`], [`Disclosure`], … A right
//! is an object you were given. `store` is private: nothing outside this crate reads or writes
//! without a decision and an audit entry.

mod caller;
mod clock;
mod directory;
mod record;
mod sessions;
mod store;

pub use caller::{Caller, User};
pub use clock::{Clock, FixedClock, SystemClock};
pub use directory::{Directory, Source};
pub use record::{OpenError, Options, Record};
pub use sessions::{SessionError, SessionRecord, Sessions};
