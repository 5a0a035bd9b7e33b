//! A source's REST writes: create, update, patch, delete, one by one or as a transaction.
//!
//! They take the intake's road (mapping, labelling, identity, filing, one commit with its entry), with
//! three differences: they hold in the order the server took them and not by the date of their event;
//! what they expect of an item (a version, that it is not there) is looked at inside the store's
//! transaction, so no update is lost; and a delete leaves a tombstone. A source changes only what it
//! sent itself: what another sent reads as not there. Source: FHIR R4 section 3.1.0 (RESTful API);
//! docs/adr/0018-a-source-reads-back-what-it-sent.md.

mod book;
mod bundle;
mod find;
mod kept;
mod link;
mod plan;
#[cfg(test)]
mod promise;
mod refused;
mod take;
#[cfg(test)]
mod tests;

use care_core::fhir::{Json, ResourceType};
use care_core::vocabulary::OdsCode;
use jiff::Timestamp;

pub(super) use book::Book;
pub use bundle::{BundleEntry, BundleKind, EntryMethod, RestBundle, read_bundle};
pub(crate) use find::owner_of_deleted;
pub use refused::RestRefusal;
pub(super) use take::{receive, takes_the_feeds_road};

use super::DeliveryOutcome;
use crate::picked::Picked;

/// What becomes of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestMethod {
    /// It is taken away.
    Delete,
    /// A new one is made.
    Create,
    /// It becomes what is sent.
    Update,
    /// It is changed in part.
    Patch,
}

/// One write, as it was asked.
#[derive(Debug, Clone)]
pub struct RestWrite {
    /// What becomes of it.
    pub method: RestMethod,
    /// The type in the address.
    pub resource_type: ResourceType,
    /// The id in the address: ours, or the source's own key.
    pub id: Option<String>,
    /// The search criteria of a conditional write, as in an address: `identifier=a|b`.
    pub criteria: Option<String>,
    /// `If-Match`, as it was sent.
    pub if_match: Option<String>,
    /// `If-None-Match`, as it was sent; only `*` means anything for a write.
    pub if_none_match: Option<String>,
    /// `If-None-Exist`: the criteria of a conditional create.
    pub if_none_exist: Option<String>,
    /// The resource, or for a patch the patch.
    pub body: Option<Json>,
    /// In a transaction, by which address other entries point at it.
    pub full_url: Option<String>,
    /// In a Bundle, its place among the entries.
    pub entry: Option<usize>,
    /// What the token's scopes narrow the write to: what is there and what becomes of it must both be
    /// among it. None: whatever the source sent itself.
    pub within: Option<Picked>,
}

/// One request: a write, or the writes of a transaction.
#[derive(Debug, Clone)]
pub struct RestRequest<'a> {
    /// The client's id, which is the feed's id.
    pub client: &'a str,
    /// The source the client is configured for.
    pub source: &'a OdsCode,
    /// The address of our API, without a slash at its end: references to it are ours.
    pub base: &'a str,
    /// The client's own id of this request: sent again, it gets the same answer.
    pub request_id: Option<&'a str>,
    /// What the writes came in: `PUT Patient`, `POST Bundle`. No ids.
    pub kind: &'a str,
    /// What tells this request from another with the same id: method, address, conditions.
    pub asked: &'a str,
    /// The body as it came, to be kept.
    pub bytes: &'a [u8],
    /// The writes.
    pub writes: Vec<RestWrite>,
}

/// What became of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// 200, 201 or 204.
    pub status: u16,
    /// The type.
    pub resource_type: ResourceType,
    /// The id the thing is read by; none where nothing was there to delete.
    pub id: Option<String>,
    /// The version that holds now; none after a delete of what was not there.
    pub version: Option<u32>,
    /// When that version came.
    pub updated_at: Option<Timestamp>,
    /// An OperationOutcome.
    pub outcome: Json,
    /// The resource as it is read now; none after a delete.
    pub body: Option<Vec<u8>>,
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestAnswer {
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// One for each write in the order they were asked, or why nothing was written.
    pub result: Result<Vec<Written>, RestRefusal>,
}
