//! MESH, the message exchange of the NHS, as a protocol: the client of its API, the token every
//! request carries, and a small exchange of our own for places and demonstrations without the
//! national one. Knows nothing of what the messages say, and is given no record.
//!
//! Source: the MESH API's specification (version 2 bodies), as told in docs/how-to/national-data-opt-out.md.

pub mod auth;
pub mod client;
pub mod exchange;
pub mod settings;
pub mod wire;

#[cfg(test)]
pub(crate) mod tests;

pub use client::{Client, Downloaded, MeshError, Outgoing};
pub use settings::MailboxSettings;
