//! Operations on one person for a source: everything, summary, newest results, one version.

use std::collections::HashSet;

use care_core::access::View;
use care_core::fhir::ips::{self, Recorded, SummaryInput};
use care_core::fhir::{Json, ResourceType};
use care_core::vocabulary::{ItemId, NhsNumber, PersonId};

use super::{Answer, Holdings, outgoing, read_entry};
use crate::disclosure::operations::{Lasts, newest_first, page_place, parsed};
use crate::disclosure::{
    DisclosureError, FhirError, FhirResource, LastAsk, OperationPage, SummaryAsk, VersionAsk,
    item_name,
};
use crate::identity::{NHS_NUMBER, UNVERIFIED_NUMBER};
use crate::intake::item_id;
use crate::paged::{self, EverythingAsk};
use crate::search::parse_id;
use crate::supply::{SupplyCaller, newest_patient};
use crate::uuid::fresh_uuid;

/// Bodies looked into in one go.
const AT_ONCE: usize = 256;

impl Holdings {
    /// Everything the source sent of one person: its Patient first, then the items in the order of type
    /// and item.
    pub fn everything(
        &self,
        caller: &SupplyCaller,
        id: &str,
        wanted: &EverythingAsk,
    ) -> Answer<OperationPage> {
        let view = caller.view()?;
        let person = self.person(caller, id)?;
        let after = page_place(wanted.after.as_deref())?;
        let (now, patient) = (self.now(), self.own_patient(person, &view)?);
        let patient = patient.ok_or(DisclosureError::NotThere)?;
        let mut entry = read_entry(caller, now, "GET Patient/$everything");
        entry.person = Some(person);
        let mut resources = Vec::new();
        let is_asked = wanted
            .picked
            .fits(ResourceType::PATIENT, &patient.body, now);
        if after.is_none() && is_asked {
            entry.items.push(item_name(&patient.header));
            resources.push(outgoing(patient));
        }
        let in_front = resources.len();
        let room = wanted.count.saturating_sub(in_front);
        let store = &*self.inner.store;
        let page = paged::page(store, person, &view, wanted, (after, room), now)?;
        entry
            .items
            .extend(page.bodies.iter().map(|body| item_name(&body.header)));
        resources.extend(page.bodies.into_iter().map(outgoing));
        self.write(vec![entry])?;
        Ok(OperationPage {
            resources,
            total: page.total.map(|total| total + usize::from(is_asked)),
            next: page.next,
        })
    }

    /// One version of a thing the source sent, by our id or by its own key; the current one where none is
    /// named.
    pub fn version(
        &self,
        caller: &SupplyCaller,
        wanted: &VersionAsk,
    ) -> Result<FhirResource, FhirError> {
        let view = caller.view()?;
        let key = self.key_of(caller, &view, wanted)?;
        let (owner, item) = key.ok_or_else(FhirError::not_there)?;
        let store = &self.inner.store;
        let found = store.version_of(owner, &view, (wanted.kind, item), wanted.version)?;
        let found = found.ok_or_else(FhirError::not_there)?;
        let mut entry = read_entry(caller, self.now(), &format!("GET {} version", wanted.kind));
        entry.person = found.owner();
        entry.items = vec![item_name(&found.header)];
        self.write(vec![entry])?;
        if found.header.deleted {
            return Err(FhirError::Gone);
        }
        Ok(outgoing(found))
    }

    /// Whose a thing is and its key: by the person's id, by our id, or by the source's own key.
    fn key_of(
        &self,
        caller: &SupplyCaller,
        view: &View,
        wanted: &VersionAsk,
    ) -> Answer<Option<(Option<PersonId>, ItemId)>> {
        if wanted.kind == ResourceType::PATIENT
            && let Ok(person) = PersonId::parse(&wanted.id)
        {
            let newest = newest_patient(&*self.inner.store, person, view)?;
            return Ok(newest.map(|item| (Some(person), item)));
        }
        let store = &self.inner.store;
        if let Some((owner, item)) = parse_id(&wanted.id)
            && store
                .version_of(owner, view, (wanted.kind, item), None)?
                .is_some()
        {
            return Ok(Some((owner, item)));
        }
        let item = item_id(&caller.source, wanted.kind, &wanted.id);
        let owner = store.owner_of(view, (wanted.kind, item))?;
        Ok(owner.map(|owner| (owner, item)))
    }

    /// The person who holds this NHS number and of whom the source sent a Patient.
    pub fn holder(&self, caller: &SupplyCaller, number: NhsNumber) -> Answer<Option<String>> {
        let view = caller.view()?;
        let mut found = None;
        for system in [NHS_NUMBER, UNVERIFIED_NUMBER] {
            let store = &self.inner.store;
            for holder in store.persons_by_identifier(system, &number.digits())? {
                if found.is_none() && self.own_patient(holder.person, &view)?.is_some() {
                    found = Some(holder.person);
                }
            }
        }
        let mut entry = read_entry(caller, self.now(), "POST Patient/$summary");
        entry.person = found;
        self.write(vec![entry])?;
        Ok(found.map(|person| person.to_string()))
    }

    /// The International Patient Summary of what the source sent of one person.
    pub fn summary(
        &self,
        caller: &SupplyCaller,
        id: &str,
        wanted: &SummaryAsk,
    ) -> Answer<FhirResource> {
        let view = caller.view()?;
        let (person, now) = (self.person(caller, id)?, self.now());
        let patient = self.own_patient(person, &view)?;
        let patient = parsed(&outgoing(patient.ok_or(DisclosureError::NotThere)?).body)?;
        let store = &self.inner.store;
        let mut headers = store.headers(person, &view)?;
        headers.retain(|one| {
            let kind = one.resource_type;
            kind != ResourceType::PATIENT
                && !one.withdrawn
                && wanted.picked.has(kind)
                && ips::may_stand_in(kind.name())
        });
        newest_first(&mut headers);
        let keys: Vec<_> = headers
            .iter()
            .map(|one| (one.resource_type, one.item))
            .collect();
        let organisation = self.inner.directory.organisation(&caller.source);
        let source = organisation.map_or_else(|| caller.source.to_string(), |one| one.name.clone());
        let mut items = Vec::with_capacity(keys.len());
        for body in store.bodies(person, &view, &keys)? {
            if wanted
                .picked
                .fits(body.header.resource_type, &body.body, now)
            {
                items.push(Recorded {
                    resource: parsed(&body.body)?,
                    source: source.clone(),
                });
            }
        }
        let (document, author) = (fresh_uuid()?, fresh_uuid()?);
        let input = SummaryInput {
            base: &wanted.base,
            document: &document,
            author: &author,
            author_name: &wanted.author,
            patient: &patient,
            items: &items,
            now,
        };
        let mut shared = |kind: ResourceType, id: &str| {
            let key = (None, kind, ItemId::parse(id).ok()?);
            let found = store.bodies_of(&view, &[key]).ok()?.pop()?;
            parsed(&found.body).ok().filter(|_| wanted.picked.has(kind))
        };
        let summary = ips::patient_summary(&input, &mut shared);
        let given = items_in(&summary);
        let mut entry = read_entry(caller, now, "GET Patient/$summary");
        entry.person = Some(person);
        entry.items = headers
            .iter()
            .filter(|one| given.contains(&one.item.to_string()))
            .map(item_name)
            .collect();
        self.write(vec![entry])?;
        Ok(FhirResource {
            resource_type: ResourceType::BUNDLE,
            id: document,
            version: 1,
            updated_at: None,
            body: summary.to_string().into_bytes(),
        })
    }

    /// The newest results of each test that the source sent of one person.
    pub fn last(&self, caller: &SupplyCaller, id: &str, wanted: &LastAsk) -> Answer<OperationPage> {
        let view = caller.view()?;
        let (person, now) = (self.person(caller, id)?, self.now());
        let store = &self.inner.store;
        let mut headers = store.headers_of(person, &view, ResourceType::OBSERVATION)?;
        headers.retain(|one| !one.withdrawn);
        newest_first(&mut headers);
        let (mut last, mut chosen) = (Lasts::new(wanted.max), Vec::new());
        for some in headers.chunks(AT_ONCE) {
            let keys: Vec<_> = some
                .iter()
                .map(|one| (one.resource_type, one.item))
                .collect();
            for body in store.bodies(person, &view, &keys)? {
                if !wanted
                    .picked
                    .fits(ResourceType::OBSERVATION, &body.body, now)
                {
                    continue;
                }
                if let Some(group) = last.takes(&parsed(&body.body)?) {
                    chosen.push((group, body));
                }
            }
        }
        chosen.sort_by_key(|(group, _)| *group);
        chosen.truncate(wanted.most);
        let mut entry = read_entry(caller, now, "GET Observation/$lastn");
        entry.person = Some(person);
        entry.items = chosen
            .iter()
            .map(|(_, body)| item_name(&body.header))
            .collect();
        self.write(vec![entry])?;
        Ok(OperationPage {
            total: Some(chosen.len()),
            resources: chosen.into_iter().map(|(_, body)| outgoing(body)).collect(),
            next: None,
        })
    }
}

/// The item's part of every id in a Bundle.
fn items_in(bundle: &Json) -> HashSet<String> {
    bundle
        .elements("entry")
        .iter()
        .filter_map(|entry| entry.text_at(&["resource", "id"]))
        .map(|id| id.rsplit('-').next().unwrap_or(id).to_owned())
        .collect()
}
