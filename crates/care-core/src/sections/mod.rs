//! Arranges what is held for the reader: source, date, grouping, reconciliation, the five kinds
//! of nothing. Never decides for the clinician, and never sees what the view left out.

mod item;

pub use item::{Header, Item};
