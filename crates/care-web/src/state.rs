//! What the faces share: handles of the record, the clock, and who may sign in.
//!
//! A face is given this and nothing else. A right is an object you were given.

use std::sync::Arc;

use care_record::{Clock, Directory, Record, Sessions};

use crate::config::Config;
use crate::fhir_api::Channels;
use crate::portal::Drafts;
use crate::public::{Content, Leaflets};
use crate::signin::SignIn;
use crate::telemetry::Metrics;

/// Everything a handler may use.
pub struct AppState {
    /// The configuration.
    pub config: Config,
    /// What the public pages say of this deployment.
    pub content: Content,
    /// Numbers of how the record is used, counted so far.
    pub figures: care_record::Figures,
    /// The leaflet in every language.
    pub leaflets: Leaflets,
    /// Choices that people are making and have not confirmed.
    pub drafts: Drafts,
    /// The only clock.
    pub clock: Arc<dyn Clock>,
    /// The organisations that take part.
    pub directory: Arc<Directory>,
    /// The record: hands out each face's handle.
    pub record: Record,
    /// Sign-in sessions, as kept.
    pub sessions: Sessions,
    /// Who is signed in, and how people sign in.
    pub signin: SignIn,
    /// What sources are told of changes.
    pub channels: Channels,
    /// Figures for the operator.
    pub metrics: Metrics,
}

/// How handlers hold it: `State<Shared>`.
pub type Shared = Arc<AppState>;
