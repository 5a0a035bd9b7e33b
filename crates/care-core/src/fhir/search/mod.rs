//! FHIR search: what a resource is found by, and what a query asks.
//!
//! [`Parameters`] knows every R4 search parameter (and a deployment's own). [`extract`] gives the
//! values of a resource that can be searched; a store keeps them as index rows. [`Query`] reads the
//! parameters of a request. [`Criterion::matches`] says whether values meet a criterion: the one home
//! of the meaning of every prefix and modifier, which a store's queries are tested against.
//!
//! An index keeps [`terms`] of a resource; [`plan`] says which of them a query wants, and finds never less
//! than [`Criterion::matches`] would.
//!
//! Nothing here reads a store: chains and `_has` are asked through [`Reach`].
//!
//! Source: FHIR R4 (4.0.1) section 3.1.1 and its SearchParameter definitions.

mod buckets;
mod compartment;
mod criterion;
mod defined;
mod extract;
mod held_codes;
mod index_terms;
mod matches;
mod numbers;
mod parameters;
mod plan;
mod query;
mod scope;
mod terms;
mod text;
mod value;
mod words;

pub use compartment::{COMPARTMENTS, compartment, types_in_compartment};
pub use criterion::{Comparison, Criterion, Modifier, Question, Term};
pub use defined::definition;
pub use extract::{extract, extract_some};
pub use index_terms::{arrived, item_term, terms};
pub use matches::{Alone, Reach, parent_of};
pub use parameters::{ParameterError, ParameterKind, Parameters, SearchParameter};
pub use plan::{Plan, Wanted, every, plan};
pub use query::{Handling, Include, Query, QueryError, SortKey, Summary, Total};
pub use scope::names_list;
pub use text::folded;
pub use value::{CodeSystem, IndexValue, Span};
pub use words::words;
