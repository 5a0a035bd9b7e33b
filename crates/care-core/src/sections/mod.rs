//! Arranges what is held for the reader: source, date, grouping, reconciliation, the five kinds
//! of nothing. Never decides for the clinician, and never sees what the view left out.
//!
//! The reader's request goes in twice: [`wanted`] says which bodies the page needs, [`arrange`] makes
//! the page of them. [`banner`], [`alerts`] and [`menu`] stand on every page about one person.

mod allergies;
mod arrange;
mod banner;
mod chart;
mod documents;
mod encounters;
mod input;
mod item;
mod listed;
mod medicine_line;
mod medicines;
mod nothing;
mod one_item;
mod problems;
mod read;
mod recorded;
mod request;
mod results;
mod source;
mod sources_page;
mod summary;
mod wanted;
mod when;
mod words;

pub use allergies::{AllergiesView, AllergyLabel, AllergyRow, NO_KNOWN_ALLERGY_CODES};
pub use arrange::{Content, SectionView, arrange};
pub use banner::{
    Alert, AlertKind, Alerts, Banner, Died, Identity, MenuEntry, alerts, banner, identity, menu,
    one_line,
};
pub use chart::{Chart, Spark};
pub use documents::{DocumentPage, DocumentsView, File};
pub use encounters::{EncountersView, VisitRow};
pub use input::{Input, Seen, ViewFacts};
pub use item::{Header, Item};
pub use listed::{Line, Lines, SearchView, TimelineView};
pub use medicines::{Mark, MedicineRow, MedicinesView};
pub use nothing::{Held, Nothing, say};
pub use one_item::ItemPage;
pub use problems::{ProblemRow, ProblemsView};
pub use request::{Filter, MedicinesList, ResultsView, Section, SectionRequest};
pub use results::{ResultsPage, TestPage};
pub use source::{Freshness, Gap, Reliability, SourceState};
pub use sources_page::{SourceRow, SourcesView};
pub use summary::SummaryView;
pub use wanted::{follow, wanted};
pub use when::{Birth, When, age, age_of, clock, duration, local, long_date, short_date, since};
pub use words::{address_line, count, number, phone, staff_name};
