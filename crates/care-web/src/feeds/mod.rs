//! Sockets in: HL7 v2 over MLLP, and FHIR from systems: given the intake and nothing else. And mail:
//! given the opt-out checks and nothing else.

pub mod frame;
pub mod mesh;
pub mod mllp;
mod receive;
