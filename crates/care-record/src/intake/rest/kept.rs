//! The answer as it is kept with its delivery, for when the same request comes again. It holds no
//! resource: what is read again is the version it names.

use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RestRefusal, Written};

/// What became of one write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptWrite {
    pub status: u16,
    #[serde(rename = "type")]
    pub type_name: String,
    pub person: Option<u64>,
    pub item: Option<u64>,
    pub version: Option<u32>,
    pub at: Option<Timestamp>,
    pub outcome: String,
}

#[derive(Serialize, Deserialize)]
enum KeptAnswer {
    Done(Vec<KeptWrite>),
    Refused {
        status: u16,
        entry: Option<usize>,
        outcome: String,
    },
}

impl KeptWrite {
    pub fn resource_type(&self) -> Option<ResourceType> {
        ResourceType::from_name(&self.type_name)
    }

    pub fn whole(&self) -> Option<(Option<PersonId>, ResourceType, ItemId)> {
        let resource_type = self.resource_type()?;
        Some((self.person.map(PersonId), resource_type, ItemId(self.item?)))
    }

    /// As it is answered, with the body where there is one.
    pub fn written(&self, id: Option<String>, body: Option<Vec<u8>>) -> Option<Written> {
        Some(Written {
            status: self.status,
            resource_type: self.resource_type()?,
            id,
            version: self.version,
            updated_at: self.at,
            outcome: read(&self.outcome),
            body,
        })
    }
}

pub(super) fn done(writes: Vec<KeptWrite>) -> Vec<u8> {
    // Plain values always serialise; were it not so, a repeat is told to try again.
    serde_json::to_vec(&KeptAnswer::Done(writes)).unwrap_or_default()
}

pub(super) fn refused(refusal: &RestRefusal) -> Vec<u8> {
    let kept = KeptAnswer::Refused {
        status: refusal.status,
        entry: refusal.entry,
        outcome: refusal.outcome.to_string(),
    };
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// Reads a kept answer; none where it is not one of these.
pub(super) fn stored(answer: &[u8]) -> Option<Result<Vec<KeptWrite>, RestRefusal>> {
    Some(match serde_json::from_slice(answer).ok()? {
        KeptAnswer::Done(writes) => Ok(writes),
        KeptAnswer::Refused {
            status,
            entry,
            outcome,
        } => Err(RestRefusal {
            status,
            entry,
            outcome: read(&outcome),
            keeps: None,
            issues: Vec::new(),
        }),
    })
}

fn read(text: &str) -> Json {
    Json::parse(text.as_bytes(), Limits::default()).unwrap_or_default()
}
