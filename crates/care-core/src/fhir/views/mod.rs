//! Tables out of resources: SQL on FHIR v2 ViewDefinitions.
//!
//! A definition is read once and checked as a whole: names, columns, constants and expressions. Then
//! each resource gives its rows. Rows are plain cells; writing them as NDJSON, CSV or Parquet is the
//! caller's. Nothing here reads a store: it sees the resource it is handed and no other.
//!
//! Source: SQL on FHIR v2.0.0, ViewDefinition and its processing algorithm. What passes of the
//! official tests: docs/standards.md.

mod cell;
mod definition;
mod rows;

pub use cell::{Cell, ColumnKind};
pub use definition::{Column, View, ViewError};
