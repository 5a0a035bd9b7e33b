//! HL7 v2 in its pipe form: bytes to a message and its issues, and the answer to send back.
//!
//! A message is one text and a table of offsets. A field, a component or a decoded value is a slice
//! made when it is asked for, so that parsing allocates three times however long the message is.
//! Bad input gives an issue and the rest of the message, or a [`ParseError`] that says what, why and
//! how to mend; it never panics.
//!
//! Written here and not taken from the crate `hl7-parser` (the structure is small, and that crate
//! leaves out what real feeds need: character sets, LF and mixed segment ends, text that runs over
//! lines, batch wrappers, issues beside the value). This module knows nothing of FHIR and imports
//! none of our modules. Source: HL7 v2.3 to v2.8.2 chapter 2 (Control).

mod ack;
mod error;
mod escape;
mod header;
mod message;
mod parse;
mod split;
mod time;

pub use ack::{AckCode, ack};
pub use error::{ErrorCode, Issue, Location, ParseError, Severity};
pub use header::{Charset, Header};
pub use message::{Field, Message, Segment, Separators};
pub use parse::{MAX_MESSAGE_BYTES, parse};
pub use split::split_messages;
pub use time::{DateTime, DateTimeError};
