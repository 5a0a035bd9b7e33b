//! Sockets in: HL7 v2 over MLLP, and FHIR from systems. Given the intake and nothing else.

pub mod fhir;
pub mod frame;
pub mod mllp;
mod receive;
