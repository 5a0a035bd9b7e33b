//! From a listener to the intake, and its answer back.

use std::sync::Arc;

use super::mllp::{Receive, Reply};
use crate::state::Shared;

/// What the MLLP listener does with a message.
pub fn v2(_state: &Shared) -> Receive {
    // Until the intake stands, nothing is kept, and so nothing is acknowledged.
    Arc::new(|_| Reply::Fault)
}
