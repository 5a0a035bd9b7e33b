//! The record from outside: upkeep, faults, and what must not compile.

mod fault;
mod refused;
mod store;
