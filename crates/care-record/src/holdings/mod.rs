//! Operations for a source, over what it sent itself and nothing else: everything of one person, the
//! newest results, who may be meant, rows of a view, bulk export.
//!
//! Every person whose items leave gets an entry in the log before they do. Source:
//! docs/adr/0018-a-source-reads-back-what-it-sent.md.

mod everything;
pub(crate) mod export;
mod labels;
mod matching;
mod rows;
mod walk;

use std::sync::Arc;

use care_core::access::View;
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{ItemId, PersonId};

use crate::disclosure::{DisclosureError, FhirResource};
use crate::identity;
use crate::record::Inner;
use crate::store::{Commit, StoredBody};
use crate::supply::{PURPOSE, SupplyCaller};

pub use export::{
    Export, ExportAsk, ExportError, ExportFile, ExportManifest, ExportOf, ExportOutput,
    ExportState, Exports,
};
pub use rows::{RowsAsk, RowsError, RowsFile, RowsForm, RowsOf};

/// What a source holds here. Cheap to clone; calls block until their entries are durable.
#[derive(Clone)]
pub struct Holdings {
    inner: Arc<Inner>,
}

type Answer<T> = Result<T, DisclosureError>;

impl Holdings {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    fn now(&self) -> jiff::Timestamp {
        self.inner.clock.now()
    }

    /// The person a source means by an id: ours, or its own key of them.
    fn person(&self, caller: &SupplyCaller, id: &str) -> Answer<PersonId> {
        if let Ok(person) = PersonId::parse(id) {
            return Ok(person);
        }
        let system = identity::key_system(&caller.source);
        let holders = self.inner.store.persons_by_identifier(&system, id)?;
        let holder = holders.first().ok_or(DisclosureError::NotThere)?;
        Ok(holder.person)
    }

    /// The source's own Patient of a person: the newest it sent, under the person's id.
    fn own_patient(&self, person: PersonId, view: &View) -> Answer<Option<StoredBody>> {
        let store = &self.inner.store;
        let headers = store.headers_of(person, view, ResourceType::PATIENT)?;
        let Some(newest) = headers
            .iter()
            .max_by_key(|one| (one.moment, one.received_at))
        else {
            return Ok(None);
        };
        let key = [(ResourceType::PATIENT, newest.item)];
        Ok(store.bodies(person, view, &key)?.into_iter().next())
    }

    /// Makes entries durable: the first is the request's, the others of the people it is about.
    fn write(&self, mut entries: Vec<Entry>) -> Answer<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let entry = entries.remove(0);
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: entries,
        })?;
        Ok(())
    }
}

/// An entry about what a source read.
fn read_entry(caller: &SupplyCaller, at: jiff::Timestamp, page: &str) -> Entry {
    let mut entry = Entry::new(at, Act::ApiRead, Outcome::Success, caller.client.clone());
    entry.organisation = caller.source.as_str().to_owned();
    entry.purpose = PURPOSE.to_owned();
    entry.request.clone_from(&caller.request);
    entry.page = page.to_owned();
    entry
}

/// A stored item as its source reads it: under our id, its Patient under the person's.
fn outgoing(stored: StoredBody) -> FhirResource {
    let header = &stored.header;
    let (resource_type, version) = (header.resource_type, header.version);
    let updated_at = Some(header.received_at);
    let id = match stored.owner() {
        Some(person) if resource_type == ResourceType::PATIENT => person.to_string(),
        Some(person) => format!("{person}-{}", header.item),
        None => header.item.to_string(),
    };
    let body = match stored.owner() {
        Some(person) if resource_type == ResourceType::PATIENT => {
            under_the_person(stored.body, person, header.item)
        }
        _ => stored.body,
    };
    FhirResource {
        resource_type,
        id,
        version,
        updated_at,
        body,
    }
}

/// A Patient's bytes with the person's id instead of the item's. Bodies begin with type and id, as
/// intake writes them.
fn under_the_person(body: Vec<u8>, person: PersonId, item: ItemId) -> Vec<u8> {
    let own = format!("\"id\":\"{person}-{item}\"");
    let Some(at) = body
        .windows(own.len())
        .take(64)
        .position(|part| part == own.as_bytes())
    else {
        return body;
    };
    let mut out = Vec::with_capacity(body.len());
    out.extend_from_slice(&body[..at]);
    out.extend_from_slice(format!("\"id\":\"{person}\"").as_bytes());
    out.extend_from_slice(&body[at + own.len()..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_goes_out_under_the_persons_id_and_nothing_else_changes() {
        let (person, item) = (PersonId(5), ItemId(7));
        let body =
            format!(r#"{{"resourceType":"Patient","id":"{person}-{item}","x":"{person}-{item}"}}"#);
        let out = under_the_person(body.into_bytes(), person, item);
        let expected =
            format!(r#"{{"resourceType":"Patient","id":"{person}","x":"{person}-{item}"}}"#);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
