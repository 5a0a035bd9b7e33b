//! Operations on one person's record: everything page by page, the patient summary, the newest results
//! of each test. The same decision, view and entry as every other read.

use std::collections::HashSet;

use care_core::audit::Act;
use care_core::fhir::ips::{self, Recorded, SummaryInput};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::Header;
use care_core::vocabulary::ItemId;

use super::{FhirAsk, FhirResource, item_name};
use crate::caller::Caller;
use crate::disclosure::gather::Gathered;
use crate::disclosure::{Answer, Disclosed, Disclosure, DisclosureError, FhirError, decided_entry};
use crate::paged::{self, EverythingAsk, Place};
use crate::picked::Picked;
use crate::search::parse_id;
use crate::uuid::fresh_uuid;

/// A page of what an operation gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationPage {
    /// The resources.
    pub resources: Vec<FhirResource>,
    /// How many there are in all; none where that is not known.
    pub total: Option<usize>,
    /// The token of the next page.
    pub next: Option<String>,
}

/// What `$lastn` is asked for.
#[derive(Debug, Clone, Default)]
pub struct LastAsk {
    /// Which Observations.
    pub picked: Picked,
    /// How many of each test.
    pub max: usize,
    /// How many in all, at most.
    pub most: usize,
}

/// A version of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionAsk {
    /// Its type.
    pub kind: ResourceType,
    /// Its id.
    pub id: String,
    /// Which version; none: the current one.
    pub version: Option<u32>,
}

/// Who makes a summary, and where.
#[derive(Debug, Clone)]
pub struct SummaryAsk {
    /// Which types the token may read.
    pub picked: Picked,
    /// The FHIR base.
    pub base: String,
    /// The name of who runs the record.
    pub author: String,
}

/// Bodies looked into in one go.
const AT_ONCE: usize = 256;

impl Disclosure {
    /// `Patient/{id}/$everything`: the person first, then their items in the order of type and item.
    pub fn fhir_everything(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        person: &str,
        wanted: &EverythingAsk,
    ) -> Answer<Disclosed<OperationPage>> {
        let name = "GET Patient/$everything";
        let gathered = self.asked(caller, ask, person, name)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let after = page_place(wanted.after.as_deref())?;
        let now = self.now();
        let mut resources = Vec::new();
        if after.is_none() {
            let fits = |one: &FhirResource| wanted.picked.fits(one.resource_type, &one.body, now);
            let patient = self.patient_resource(&gathered);
            let choice = self.choice_resource(&gathered);
            resources.extend(Some(patient).into_iter().chain(choice).filter(fits));
        }
        let in_front = resources.len();
        let room = wanted.count.saturating_sub(in_front);
        let store = &*self.inner.store;
        let page = paged::page(store, gathered.person, view, wanted, (after, room), now)?;
        let mut entry = decided_entry(now, Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = name.to_owned();
        let shown = page.bodies.iter();
        entry.items = shown.map(|body| item_name(&body.header)).collect();
        for body in page.bodies {
            resources.push(self.outgoing(&gathered, body)?);
        }
        let page = OperationPage {
            resources,
            total: page.total.map(|total| total + in_front),
            next: page.next,
        };
        self.disclose(Vec::new(), entry, page)
    }

    /// `Patient/{id}/$summary`: the International Patient Summary of what the view permits.
    pub fn fhir_summary(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        person: &str,
        wanted: &SummaryAsk,
    ) -> Answer<Disclosed<FhirResource>> {
        let name = "GET Patient/$summary";
        let gathered = self.asked(caller, ask, person, name)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let mut headers = self.inner.store.headers(gathered.person, view)?;
        headers.retain(|one| {
            one.resource_type != ResourceType::PATIENT
                && !one.withdrawn
                && wanted.picked.has(one.resource_type)
                && ips::may_stand_in(one.resource_type.name())
        });
        headers.sort_by_key(|one| std::cmp::Reverse((one.clinical_at, one.received_at)));
        let items = self.recorded_of(&gathered, &headers, &wanted.picked)?;
        let patient = parsed(&self.patient_resource(&gathered).body)?;
        let (document, author) = (fresh_uuid()?, fresh_uuid()?);
        let input = SummaryInput {
            base: &wanted.base,
            document: &document,
            author: &author,
            author_name: &wanted.author,
            patient: &patient,
            items: &items,
            now: self.now(),
        };
        let mut shared = |kind: ResourceType, id: &str| self.about_nobody(kind, id, &wanted.picked);
        let summary = ips::patient_summary(&input, &mut shared);
        let given = ids_of(&summary);
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = name.to_owned();
        entry.items = headers
            .iter()
            .filter(|one| given.contains(&one.item.to_string()))
            .map(item_name)
            .collect();
        let resource = FhirResource {
            resource_type: ResourceType::BUNDLE,
            id: document,
            version: 1,
            updated_at: None,
            body: summary.to_string().into_bytes(),
        };
        self.disclose(Vec::new(), entry, resource)
    }

    /// `Observation/$lastn`: the newest results of each test, newest test first.
    pub fn fhir_last(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        person: &str,
        wanted: &LastAsk,
    ) -> Answer<Disclosed<OperationPage>> {
        let name = "GET Observation/$lastn";
        let gathered = self.asked(caller, ask, person, name)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let store = &self.inner.store;
        let mut headers = store.headers_of(gathered.person, view, ResourceType::OBSERVATION)?;
        headers.retain(|one| !one.withdrawn);
        newest_first(&mut headers);
        let mut last = Lasts::new(wanted.max);
        let mut chosen = Vec::new();
        for some in headers.chunks(AT_ONCE) {
            let keys: Vec<_> = some
                .iter()
                .map(|one| (one.resource_type, one.item))
                .collect();
            for body in store.bodies(gathered.person, view, &keys)? {
                let now = self.now();
                let kind = body.header.resource_type;
                if !wanted.picked.fits(kind, &body.body, now) {
                    continue;
                }
                if let Some(group) = last.takes(&parsed(&body.body)?) {
                    chosen.push((group, body));
                }
            }
        }
        // Within a test the order they came in is newest first.
        chosen.sort_by_key(|(group, _)| *group);
        chosen.truncate(wanted.most);
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = name.to_owned();
        entry.items = chosen
            .iter()
            .map(|(_, body)| item_name(&body.header))
            .collect();
        let mut page = OperationPage {
            total: Some(chosen.len()),
            ..OperationPage::default()
        };
        for (_, body) in chosen {
            page.resources.push(self.outgoing(&gathered, body)?);
        }
        self.disclose(Vec::new(), entry, page)
    }

    /// One version of a person's item, or of a thing about nobody; the current one where none is named.
    pub fn fhir_version(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        wanted: &VersionAsk,
    ) -> Result<Disclosed<FhirResource>, FhirError> {
        let Some(version) = wanted.version else {
            return self.fhir_read(caller, ask, wanted.kind, &wanted.id);
        };
        let (Some(person), item) = parse_id(&wanted.id).ok_or_else(FhirError::not_there)? else {
            return Err(FhirError::not_there());
        };
        let name = format!("GET {} version", wanted.kind);
        let gathered = self.asked(caller, ask, &person.to_string(), &name)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let key = (wanted.kind, item);
        let store = &self.inner.store;
        let found = store.version(gathered.person, view, key, Some(version))?;
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = name;
        let Some(body) = found.filter(|body| !body.header.deleted) else {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(FhirError::not_there());
        };
        entry.items = vec![item_name(&body.header)];
        let resource = self.outgoing(&gathered, body)?;
        Ok(self.disclose(Vec::new(), entry, resource)?)
    }

    /// The items with who recorded them. One that cannot be read is left out.
    fn recorded_of(
        &self,
        gathered: &Gathered,
        headers: &[Header],
        picked: &Picked,
    ) -> Answer<Vec<Recorded>> {
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let keys: Vec<(ResourceType, ItemId)> = headers
            .iter()
            .map(|one| (one.resource_type, one.item))
            .collect();
        let mut found = Vec::with_capacity(keys.len());
        for body in self.inner.store.bodies(gathered.person, view, &keys)? {
            let (kind, source) = (body.header.resource_type, body.header.source.clone());
            if !picked.fits(kind, &body.body, self.now()) {
                continue;
            }
            let organisation = self.inner.directory.organisation(&source);
            found.push(Recorded {
                resource: parsed(&self.outgoing(gathered, body)?.body)?,
                source: organisation.map_or_else(|| source.to_string(), |one| one.name.clone()),
            });
        }
        Ok(found)
    }

    /// A thing about nobody that a person's item refers to; nothing where it is not held.
    fn about_nobody(&self, kind: ResourceType, id: &str, picked: &Picked) -> Option<Json> {
        let item = ItemId::parse(id).ok()?;
        if !picked.has(kind) {
            return None;
        }
        let stored = self.inner.store.shared_item((kind, item)).ok()??;
        parsed(&stored.body).ok()
    }
}

/// Newest first; what has no time comes last.
pub(crate) fn newest_first(headers: &mut [Header]) {
    headers.sort_by_key(|one| std::cmp::Reverse((one.clinical_at, one.received_at, one.item.0)));
}

pub(crate) fn parsed(body: &[u8]) -> Answer<Json> {
    Json::parse(body, Limits::default())
        .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))
}

/// Reads the token of a page.
pub(crate) fn page_place(text: Option<&str>) -> Answer<Option<Place>> {
    let unclear =
        DisclosureError::Unclear("this page link is none of ours; ask again from the start");
    match text {
        None => Ok(None),
        Some(text) => Place::read(text).map(Some).ok_or(unclear),
    }
}

/// The item's part of every id in a Bundle.
fn ids_of(bundle: &Json) -> HashSet<String> {
    bundle
        .elements("entry")
        .iter()
        .filter_map(|entry| entry.text_at(&["resource", "id"]))
        .map(|id| id.rsplit('-').next().unwrap_or(id).to_owned())
        .collect()
}

/// Counts the results of each test: codes that share a coding are one test.
///
/// Source: FHIR R4, Observation $lastn (grouping by code).
pub(crate) struct Lasts {
    max: usize,
    tests: Vec<(HashSet<String>, usize)>,
}

impl Lasts {
    pub fn new(max: usize) -> Self {
        Self {
            max,
            tests: Vec::new(),
        }
    }

    /// The number of the test this is a result of, where one more of it is wanted. Results are to
    /// be handed over newest first.
    pub fn takes(&mut self, observation: &Json) -> Option<usize> {
        let keys = test_keys(observation);
        let held = self
            .tests
            .iter()
            .position(|(known, _)| keys.iter().any(|key| known.contains(key)));
        let place = held.unwrap_or_else(|| {
            self.tests.push((HashSet::new(), 0));
            self.tests.len() - 1
        });
        let (known, count) = self.tests.get_mut(place)?;
        known.extend(keys);
        *count += 1;
        (*count <= self.max).then_some(place)
    }
}

/// What a result is of: each coding, or the words where there is none.
fn test_keys(observation: &Json) -> Vec<String> {
    let Some(code) = observation.get("code") else {
        return vec!["none".to_owned()];
    };
    let text = |value: &Json, name: &str| value.text_at(&[name]).unwrap_or_default().to_owned();
    let codings: Vec<String> = code
        .elements("coding")
        .iter()
        .filter(|coding| coding.get("code").is_some())
        .map(|coding| format!("{}|{}", text(coding, "system"), text(coding, "code")))
        .collect();
    if codings.is_empty() {
        return vec![format!("text {}", text(code, "text").trim().to_lowercase())];
    }
    codings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_whose_codes_share_a_coding_are_of_one_test() {
        let result = |codes: &[&str]| {
            let codings: Vec<String> = codes
                .iter()
                .map(|code| format!(r#"{{"system":"s","code":"{code}"}}"#))
                .collect();
            let text = format!(r#"{{"code":{{"coding":[{}]}}}}"#, codings.join(","));
            Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
        };
        let mut lasts = Lasts::new(2);
        let taken: Vec<_> = [&["a"][..], &["b"], &["a", "c"], &["c"], &["b"], &["d"]]
            .iter()
            .map(|codes| lasts.takes(&result(codes)))
            .collect();
        assert_eq!(taken, [Some(0), Some(1), Some(0), None, Some(1), Some(2)]);
    }
}
