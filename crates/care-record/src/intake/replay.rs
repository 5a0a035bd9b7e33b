//! A kept delivery is tried again, after the fault was mended on our side: a sender was configured, a
//! message type was taken on, a mapping was corrected.

use care_core::audit::{Act, Entry, Outcome as AuditOutcome};

use super::keep::replayed;
use super::{DeliveryOutcome, FhirDelivery, FhirFormat, FhirMethod, Parts, Senders, V2Delivery};
use crate::store::{Change, Commit, DeliveryRow, StoreError};
use crate::worklists::{WorklistError, WorklistKind, find};

/// Why a delivery was not tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No open row of this number, or one without a delivery that waits.
    #[error("this row holds no delivery that waits; open the worklist again")]
    NothingToReplay,
    /// It was tried, and was used already.
    #[error("this delivery was replayed before; close the row")]
    AlreadyUsed,
    /// It cannot be used still.
    #[error("the delivery cannot be used still: {}", .0.join("; "))]
    StillRefused(Vec<String>),
    /// The store did not write or answer.
    #[error("nothing was changed; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ReplayError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl From<WorklistError> for ReplayError {
    fn from(cause: WorklistError) -> Self {
        match cause {
            WorklistError::NotOpen => Self::NothingToReplay,
            WorklistError::Store(cause) => Self::Store(cause),
        }
    }
}

pub(super) fn replay(
    parts: &Parts,
    row: u64,
    senders: &Senders,
    by: &str,
) -> Result<DeliveryOutcome, ReplayError> {
    let row = find(&*parts.store, row)?;
    let number = match row.delivery {
        Some(number) if row.kind == WorklistKind::ParkedDelivery.code() => number,
        _ => return Err(ReplayError::NothingToReplay),
    };
    let (held, body) = parts
        .store
        .delivery_body(number)?
        .ok_or(ReplayError::NothingToReplay)?;
    let control_id = replayed(&held.control_id);
    if parts.store.delivery(&held.sender, &control_id)?.is_some() {
        return Err(ReplayError::AlreadyUsed);
    }
    let (outcome, reasons) = try_again(parts, &held, &body, &control_id, senders)?;
    let mut entry = Entry::new(parts.clock.now(), Act::Worklist, AuditOutcome::Success, by);
    entry.detail = format!("replayed worklist row {}: {}", row.row, outcome.code());
    let mut changes = Vec::new();
    if outcome.is_stored() {
        changes.push(Change::WorklistState {
            row: row.row,
            state: "closed-replayed".to_owned(),
            note: format!("replayed: {}", outcome.code()),
        });
    } else {
        entry.outcome = AuditOutcome::Failure;
    }
    parts.store.commit(Commit {
        changes,
        entry,
        more_entries: Vec::new(),
    })?;
    if outcome.is_stored() {
        Ok(outcome)
    } else {
        Err(ReplayError::StillRefused(reasons))
    }
}

fn try_again(
    parts: &Parts,
    held: &DeliveryRow,
    body: &[u8],
    control_id: &str,
    senders: &Senders,
) -> Result<(DeliveryOutcome, Vec<String>), ReplayError> {
    let Some((method, _)) = held.kind.split_once(' ') else {
        let delivery = V2Delivery {
            feed: &held.feed,
            peer: None,
            bytes: body,
            senders,
        };
        let answer = super::v2::take_again(parts, &delivery, control_id.to_owned());
        return Ok((answer.outcome, answer.reasons));
    };
    let source = parts
        .directory
        .sources()
        .iter()
        .find(|source| source.feeds.contains(&held.feed))
        .map(|source| source.organisation.ods.clone())
        .or_else(|| senders.assumed.clone())
        .ok_or(ReplayError::NothingToReplay)?;
    let is_xml = body.trim_ascii_start().first() == Some(&b'<');
    let delivery = FhirDelivery {
        client: &held.feed,
        source: &source,
        method: if method == "PUT" {
            FhirMethod::Put
        } else {
            FhirMethod::Post
        },
        path: "",
        body,
        format: if is_xml {
            FhirFormat::Xml
        } else {
            FhirFormat::Json
        },
        request_id: None,
    };
    let answer = super::fhir::take_again(parts, &delivery, control_id.to_owned());
    Ok((answer.outcome, answer.reasons))
}
