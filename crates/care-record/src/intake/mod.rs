//! Walk 1: a delivery becomes part of the record, or is kept and refused with a reason its sender can
//! act on.
//!
//! parse → map → label → identify → one commit (delivery, items, identifiers, details, involvements,
//! flags, choice, worklist rows, entries) → only then the answer. Whatever was received ends as
//! exactly one of [`DeliveryOutcome`]'s states, and the feed flows on. No text here and no log line holds
//! patient data.
//!
//! Order: one lane for each (source, patient), strictly in order; lanes side by side; an older event
//! never overwrites a newer one, whatever the order of arrival.
//! Idempotency: (sender, control id) and a digest of the body. The same again gets the stored answer
//! byte for byte; another body under a used id is refused (205) and kept aside.

mod choice;
mod current;
mod fhir;
mod file;
mod filing;
mod future;
mod item;
mod keep;
mod lanes;
mod provenance;
mod references;
mod replay;
mod rest;
#[cfg(test)]
mod tests;
mod v2;
mod validation;

pub(crate) use item::{item_id, logical_id};
pub(crate) use rest::owner_of_deleted;
use std::sync::Arc;

use care_core::fhir::Json;
use care_core::labelling::CodeLists;
use care_core::vocabulary::OdsCode;

pub use file::{FileDelivery, FileResult};
pub use replay::ReplayError;
pub use rest::{
    BundleEntry, BundleKind, EntryMethod, RestAnswer, RestBundle, RestMethod, RestRefusal,
    RestRequest, RestWrite, Written, read_bundle,
};
pub use validation::{FeedValidation, Validate};

use crate::clock::Clock;
use crate::directory::Directory;
use crate::store::Store;

/// Takes deliveries in. Cheap to clone; clones share their lanes.
#[derive(Clone)]
pub struct Intake {
    parts: Arc<Parts>,
}

struct Parts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    directory: Directory,
    organisations: Vec<care_core::vocabulary::Organisation>,
    lists: CodeLists,
    validation: FeedValidation,
    lanes: lanes::Lanes,
    /// One at a time for each address that is written to; always entered before the lanes.
    addresses: lanes::Lanes,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeliveryOutcome {
    /// Kept and understood.
    Processed,
    /// Kept and understood but for some fields, which the answer names.
    ProcessedWithWarnings,
    /// The same delivery as before: nothing changed, the same answer.
    Repeated,
    /// Kept whole on a worklist: something in it must be mended. Can be replayed.
    Parked,
    /// Kept whole on a worklist: it cannot be used here (not a message, unknown sender, unknown type).
    Refused,
    /// Not kept: the store did not confirm. Never answered as accepted; the sender sends again.
    Transient,
}

impl DeliveryOutcome {
    /// The status of the kept delivery.
    pub fn code(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::ProcessedWithWarnings => "processed-with-warnings",
            Self::Repeated => "repeated",
            Self::Parked => "parked",
            Self::Refused => "refused",
            Self::Transient => "transient",
        }
    }

    /// Whether what was sent is in the record now.
    pub fn is_stored(self) -> bool {
        matches!(
            self,
            Self::Processed | Self::ProcessedWithWarnings | Self::Repeated
        )
    }
}

/// Which organisations may send by a feed, and what they call themselves.
#[derive(Debug, Clone, Default)]
pub struct Senders {
    /// What senders write in MSH-4 (and in other fields that name an organisation), and whom they
    /// mean. Every ODS code of a source that has this feed is allowed without being listed.
    pub names: Vec<(String, OdsCode)>,
    /// Who sends when MSH-4 says nothing known: for files whose source the operator names. `None` on
    /// a feed from outside.
    pub assumed: Option<OdsCode>,
}

/// An HL7 v2 message as it came.
#[derive(Debug, Clone, Copy)]
pub struct V2Delivery<'a> {
    /// The feed's id.
    pub feed: &'a str,
    /// Who the transport proved the sender to be, where it proves anything (a client certificate).
    pub peer: Option<&'a OdsCode>,
    /// The message without its frame.
    pub bytes: &'a [u8],
    /// Who may send here.
    pub senders: &'a Senders,
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2Answer {
    /// The acknowledgement, without its frame. For [`DeliveryOutcome::Transient`] it is an AR that says so;
    /// a feed may close the connection instead, but never answers with anything better.
    pub acknowledgement: Vec<u8>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// What was wrong, for a report: place and text of each issue, no patient data.
    pub reasons: Vec<String>,
}

/// What a FHIR client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FhirMethod {
    /// `PUT {type}/{id}`.
    Put,
    /// `POST {type}`, or `POST` to the base with a Bundle.
    Post,
}

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FhirFormat {
    /// `application/fhir+json`.
    Json,
    /// `application/fhir+xml`.
    Xml,
}

/// A FHIR request as it came from a client that signed in.
#[derive(Debug, Clone, Copy)]
pub struct FhirDelivery<'a> {
    /// The client's id, which is the feed's id.
    pub client: &'a str,
    /// The source the client is configured for.
    pub source: &'a OdsCode,
    /// The method.
    pub method: FhirMethod,
    /// The path below the base, without slashes at either end: ``, `Patient`, `Patient/1`.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// How it is written.
    pub format: FhirFormat,
    /// The client's own id of this request, where it sends one (`X-Request-ID`): sent again, it gets
    /// the same answer.
    pub request_id: Option<&'a str>,
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Location`, relative to the base.
    pub location: Option<String>,
    /// JSON: an OperationOutcome, or a Bundle of type transaction-response or batch-response.
    pub body: Vec<u8>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// What was wrong, for a report: place and text of each issue, no patient data.
    pub reasons: Vec<String>,
}

/// What became of what was posted to the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseAnswer {
    /// It was taken in as a feed's delivery.
    Answered(FhirAnswer),
    /// A transaction or batch of requests ([`read_bundle`]), of which nothing was done yet.
    Requests(Json),
}

impl Intake {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        directory: Directory,
        lists: CodeLists,
        validation: FeedValidation,
    ) -> Self {
        let organisations = directory.organisations().cloned().collect();
        Self {
            parts: Arc::new(Parts {
                store,
                clock,
                directory,
                organisations,
                lists,
                validation,
                lanes: lanes::Lanes::new(),
                addresses: lanes::Lanes::new(),
            }),
        }
    }

    /// The rules FHIR is validated by.
    pub fn rulebook(&self) -> &care_core::fhir::Rulebook {
        self.parts.validation.book()
    }

    /// Takes an HL7 v2 message in. Blocks until it is durable; call from a blocking thread.
    pub fn receive_v2(&self, delivery: &V2Delivery<'_>) -> V2Answer {
        v2::receive(&self.parts, delivery)
    }

    /// Takes a FHIR request in. Blocks until it is durable; call from a blocking thread.
    pub fn receive_fhir(&self, delivery: &FhirDelivery<'_>) -> FhirAnswer {
        fhir::receive(&self.parts, delivery)
    }

    /// Takes in what was posted to the base: a Bundle of plain resources as [`Self::receive_fhir`] does,
    /// in the order of their events; one with more in it is given back to be taken entry by entry or
    /// as a transaction ([`Self::receive_rest`]). Blocks; call from a blocking thread.
    pub fn receive_base(&self, delivery: &FhirDelivery<'_>) -> BaseAnswer {
        fhir::receive_base(&self.parts, delivery)
    }

    /// Writes as a source asked by the REST API: all of the request or nothing. Blocks until it is
    /// durable; call from a blocking thread.
    pub fn receive_rest(&self, request: &RestRequest<'_>) -> RestAnswer {
        rest::receive(&self.parts, request)
    }

    /// Takes a file in: HL7 v2 messages, a FHIR resource or Bundle in JSON or XML, or NDJSON. One
    /// result for each message, resource or line.
    pub fn receive_file(&self, file: &FileDelivery<'_>) -> Vec<FileResult> {
        file::receive(self, file)
    }

    /// Tries a parked or refused delivery again, after the fault was mended on our side; `by` is the
    /// user's id. When it succeeds the worklist row is closed.
    ///
    /// Errors: see [`ReplayError`]; the delivery stays where it is.
    pub fn replay(
        &self,
        row: u64,
        senders: &Senders,
        by: &str,
    ) -> Result<DeliveryOutcome, ReplayError> {
        replay::replay(&self.parts, row, senders, by)
    }
}

/// An issue's place and text in one line.
fn reason(place: &str, text: &str) -> String {
    format!("{place}: {text}")
}

fn json_bytes(json: &Json) -> Vec<u8> {
    json.to_string().into_bytes()
}
