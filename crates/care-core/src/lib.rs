//! The rules of Connect Care: plain functions on plain values.
//!
//! Nothing here reads a disk, a socket, a clock, a random source or the environment. Time and
//! configuration arrive as arguments, so any moment can be replayed. The way of a datum, and which
//! module may import which, is in ARCHITECTURE.md; a test reads the `use` lines and compares.

pub mod access;
pub mod audit;
pub mod audit_event;
mod codes;
pub mod fhir;
pub mod hl7v2;
pub mod labelling;
pub mod mapping;
pub mod patient_index;
mod reading;
pub mod release;
pub mod review;
pub mod secondary_use;
pub mod sections;
pub mod terminology;
pub mod vocabulary;
