//! What every delivery leaves behind, whatever became of it: the delivery itself, its rows and its
//! entry.

use care_core::audit::{Act, Entry, Outcome as AuditOutcome};
use care_core::vocabulary::{OdsCode, PersonId};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::DeliveryOutcome;
use crate::store::{Change, Commit, DeliveryRow, NewDelivery, NewWorklist, Store, StoreError};
use crate::worklists::WorklistKind;

/// A delivery as far as it is known before it is read.
#[derive(Clone)]
pub(super) struct Received<'a> {
    pub feed: &'a str,
    pub source: Option<&'a OdsCode>,
    pub sender: String,
    pub control_id: String,
    pub digest: [u8; 32],
    pub received_at: Timestamp,
    pub kind: String,
    pub body: &'a [u8],
    /// The same body was used before: its Provenance names this one's items already.
    pub was_used_before: bool,
}

/// SHA-256 of a body.
pub(super) fn digest(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// The first 16 bytes of a digest, in hexadecimal.
pub(super) fn short(digest: &[u8; 32]) -> String {
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Our own control id of an answer: the same delivery received at the same moment has the same.
pub(super) fn answer_id(received: &Received<'_>) -> String {
    format!(
        "{}{}",
        &short(&received.digest)[..8],
        received.received_at.as_millisecond()
    )
}

impl Received<'_> {
    /// The change that keeps it.
    pub fn keep(
        &self,
        outcome: DeliveryOutcome,
        answer: Vec<u8>,
        person: Option<PersonId>,
        issues: &[(String, String)],
    ) -> Change {
        let issues: Vec<_> = issues
            .iter()
            .map(|(place, text)| json!({ "place": place, "text": text }))
            .collect();
        Change::Delivery(NewDelivery {
            feed: self.feed.to_owned(),
            sender: self.sender.clone(),
            control_id: self.control_id.clone(),
            digest: self.digest,
            received_at: self.received_at,
            kind: self.kind.clone(),
            status: outcome.code().to_owned(),
            answer,
            body: self.body.to_vec(),
            person,
            issues: serde_json::Value::from(issues).to_string(),
        })
    }

    /// Its entry.
    pub fn entry(&self, act: Act, outcome: AuditOutcome, reason: &str) -> Entry {
        let mut entry = Entry::new(self.received_at, act, outcome, self.feed);
        entry.organisation = self.source.map(ToString::to_string).unwrap_or_default();
        entry.page.clone_from(&self.kind);
        entry.reason = reason.to_owned();
        entry.detail = format!("delivery {} of {}", self.control_id, self.sender);
        entry
    }

    /// A row about it. The detail names places and texts, never values.
    pub fn row(
        &self,
        kind: WorklistKind,
        person: Option<PersonId>,
        issues: &[(String, String)],
    ) -> NewWorklist {
        let issues: Vec<_> = issues
            .iter()
            .map(|(place, text)| json!({ "place": place, "text": text }))
            .collect();
        NewWorklist {
            kind: kind.code().to_owned(),
            feed: self.feed.to_owned(),
            delivery: None,
            person,
            opened_at: self.received_at,
            detail: json!({ "sender": self.sender, "control_id": self.control_id,
                            "kind": self.kind, "issues": issues })
            .to_string()
            .into_bytes(),
        }
    }

    /// The commit of a delivery that is not used: kept whole, on a worklist, with its entry.
    pub fn refusal(
        &self,
        outcome: DeliveryOutcome,
        list: WorklistKind,
        answer: Vec<u8>,
        issues: &[(String, String)],
    ) -> Commit {
        Commit {
            changes: vec![
                self.keep(outcome, answer, None, issues),
                Change::Worklist(self.row(list, None, issues)),
            ],
            entry: self.entry(Act::Refuse, AuditOutcome::Denied, list.code()),
            more_entries: Vec::new(),
        }
    }
}

/// Whether a delivery was here before.
pub(super) enum Seen {
    /// Never.
    New,
    /// The same, with what was answered.
    Again(Box<DeliveryRow>),
    /// Another body under the same control id; the id under which this one is kept aside.
    Other { aside: String },
}

/// What a replayed delivery is kept under.
pub(super) fn replayed(control_id: &str) -> String {
    format!("{control_id}#replayed")
}

/// Looks a delivery up by sender and control id, and compares the digest.
pub(super) fn seen(store: &dyn Store, received: &Received<'_>) -> Result<Seen, StoreError> {
    let sender = &received.sender;
    let Some(held) = store.delivery(sender, &received.control_id)? else {
        return Ok(Seen::New);
    };
    if held.digest == received.digest {
        let used_later = match held.status.as_str() {
            "parked" | "refused" => store.delivery(sender, &replayed(&received.control_id))?,
            _ => None,
        };
        return Ok(Seen::Again(Box::new(used_later.unwrap_or(held))));
    }
    let aside = format!("{}#{}", received.control_id, short(&received.digest));
    Ok(match store.delivery(sender, &aside)? {
        Some(held) => Seen::Again(Box::new(held)),
        None => Seen::Other { aside },
    })
}
