//! Orders of leaflets and forms on paper, in braille, as audio or as a sign language video, from anybody:
//! each is a case of the kind `paper-copies`. Nothing here is about a person's record.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use jiff::ToSpan;

use crate::casework::{self, NewCase};
use crate::clock::Clock;
use crate::store::{CaseOrder, CaseQuery, Commit, Store, StoreError};

/// The kind of these cases.
pub const PAPER_COPIES: &str = "paper-copies";
/// Orders taken in one hour: more is a machine, not people.
const IN_AN_HOUR: u64 = 60;

/// Takes orders.
#[derive(Clone)]
pub struct Orders {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// What somebody asks us to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What: leaflet or form.
    pub what: String,
    /// In which format.
    pub format: String,
    /// In which language.
    pub language: String,
    /// How many.
    pub copies: u32,
    /// To whom.
    pub name: String,
    /// Where to.
    pub address: String,
    /// Until when it is sent, in days.
    pub within_days: u16,
}

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Too many in the last hour.
    #[error("more than {IN_AN_HOUR} orders came in the last hour; phone us, or try again later")]
    TooMany,
    /// The store did not write or answer.
    #[error("the order was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for OrderError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl Orders {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Keeps an order; gives its reference.
    pub fn ask(&self, order: &Order) -> Result<String, OrderError> {
        let now = self.clock.now();
        let lately = CaseQuery {
            kinds: vec![PAPER_COPIES.to_owned()],
            opened_from: now.checked_sub(1.hour()).ok(),
            order: CaseOrder::Oldest,
            ..CaseQuery::default()
        };
        let tallied = self.store.case_tally(&lately)?;
        if tallied.iter().map(|one| one.count).sum::<u64>() >= IN_AN_HOUR {
            return Err(OrderError::TooMany);
        }
        let within = jiff::SignedDuration::from_hours(24 * i64::from(order.within_days));
        let new = NewCase {
            kind: PAPER_COPIES.to_owned(),
            due_at: now.checked_add(within).ok(),
            detail: serde_json::json!({
                "what": order.what, "format": order.format, "language": order.language,
                "copies": order.copies, "name": order.name, "address": order.address,
            }),
            note: "Asked for on the website".to_owned(),
            ..NewCase::default()
        };
        let (change, reference) = casework::opening(now, "public-site", new)
            .map_err(|cause| OrderError::Store(Box::new(cause)))?;
        let mut entry = Entry::new(now, Act::Worklist, Outcome::Success, "public-site");
        entry.detail = format!("{PAPER_COPIES} case {reference} opened");
        self.store.commit(Commit {
            changes: vec![change],
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(reference)
    }
}
