//! Something that is held, on its way through a search: its bytes, and what is read out of them once
//! and only where a criterion needs it.

use std::cell::OnceCell;

use care_core::fhir::search::{IndexValue, Parameters, extract_some};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;

use super::Key;
use crate::disclosure::FhirResource;
use crate::store::StoredBody;

/// One resource.
#[derive(Clone)]
pub(crate) struct Held {
    pub kind: ResourceType,
    /// Whose part it lies in; none for things about nobody.
    pub owner: Option<PersonId>,
    pub item: ItemId,
    /// The id by which the world knows it.
    pub id: String,
    pub version: u32,
    pub updated_at: Option<Timestamp>,
    /// Where it is stored, its header; none for what is put together on the way out.
    pub header: Option<Header>,
    pub body: Vec<u8>,
    /// Its place in the index, where it was found there.
    pub spot: Option<i64>,
    json: OnceCell<Json>,
}

impl Held {
    /// What is stored, under the id by which the world knows it.
    pub fn stored(stored: StoredBody, owner: Option<PersonId>) -> Self {
        let header = stored.header;
        Self {
            kind: header.resource_type,
            owner,
            item: header.item,
            id: crate::intake::logical_id(owner, header.item),
            version: header.version,
            updated_at: Some(header.received_at),
            header: Some(header),
            body: stored.body,
            spot: None,
            json: OnceCell::new(),
        }
    }

    /// What is put together on the way out.
    pub fn composed(resource: FhirResource, owner: PersonId, item: ItemId) -> Self {
        Self {
            kind: resource.resource_type,
            owner: Some(owner),
            item,
            id: resource.id,
            version: resource.version,
            updated_at: resource.updated_at,
            header: None,
            body: resource.body,
            spot: None,
            json: OnceCell::new(),
        }
    }

    /// The same with another body.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self.json = OnceCell::new();
        self
    }

    /// Whose it is, its type and its item.
    pub fn key(&self) -> Key {
        (self.owner, self.kind, self.item)
    }

    /// Its tree; `Null` for bytes that are no JSON, which then meet nothing.
    pub fn json(&self) -> &Json {
        self.json
            .get_or_init(|| Json::parse(&self.body, Limits::default()).unwrap_or_default())
    }

    /// Its values under the parameters with these keys.
    pub fn values(&self, parameters: &Parameters, keys: &[u32]) -> Vec<(u32, IndexValue)> {
        extract_some(self.json(), parameters, |one| keys.contains(&one.key()))
    }

    /// Its name in the log: type, item and version.
    pub fn item_name(&self) -> String {
        match &self.header {
            Some(header) => crate::disclosure::item_name(header),
            None if self.kind == ResourceType::PATIENT => format!("{}/{}", self.kind, self.id),
            None => format!("{}/{}/{}", self.kind, self.item, self.version),
        }
    }

    /// As it leaves.
    pub fn into_resource(self) -> FhirResource {
        FhirResource {
            resource_type: self.kind,
            id: self.id,
            version: self.version,
            updated_at: self.updated_at,
            body: self.body,
        }
    }
}
