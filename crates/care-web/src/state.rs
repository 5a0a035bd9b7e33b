//! What the faces share: handles of the record, the clock, and who may sign in.
//!
//! A face is given this and nothing else. A right is an object you were given.

use std::sync::Arc;

use care_record::{Clock, Directory, Sessions};

use crate::config::Config;
use crate::signin::SignIn;

/// Everything a handler may use.
pub struct AppState {
    /// The configuration.
    pub config: Config,
    /// The only clock.
    pub clock: Arc<dyn Clock>,
    /// The organisations that take part.
    pub directory: Arc<Directory>,
    /// Sign-in sessions, as kept.
    pub sessions: Sessions,
    /// Who is signed in, and how people sign in.
    pub signin: SignIn,
}

/// How handlers hold it: `State<Shared>`.
pub type Shared = Arc<AppState>;
