//! What leaves an invented system: one delivery, as bytes.

use jiff::Timestamp;

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The system that sends it: one of `feed-gp`, `feed-hospital`, `feed-community`,
    /// `feed-mental-health`, `feed-council`.
    pub feed: &'static str,
    /// When the system sent it; never later than the story's `now`.
    pub at: Timestamp,
    /// What it sends.
    pub payload: Payload,
}

/// The bytes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// One HL7 v2 message: UTF-8, segments end in CR, no MLLP framing.
    V2(Vec<u8>),
    /// One FHIR R4 transaction bundle, as JSON.
    Fhir(Vec<u8>),
}

impl Payload {
    /// The bytes, whatever they are.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::V2(bytes) | Self::Fhir(bytes) => bytes,
        }
    }
}
