//! What a token may read by the FHIR API: the same decision, the same view, the same entry as a page.

pub(crate) mod matching;
pub(crate) mod operations;

use care_core::audit::{Act, Outcome};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::Header;
use care_core::vocabulary::{Category, ItemId, NhsNumber, PersonId, Purpose};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::asking::{Stated, Why};
use super::gather::Gathered;
use super::{
    Answer, Disclosed, Disclosure, DisclosureError, FhirError, decided_entry, entry, patient,
    redact,
};
use crate::caller::Caller;
use crate::choices::{self, CHOICE_ITEM, Choice};
use crate::store::StoredBody;

/// What a token asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirAsk {
    /// The facts the token states.
    pub stated: Stated,
    /// The token is for this person only.
    pub only_person: Option<NhsNumber>,
}

/// One resource on its way out: JSON bytes with `id` and `meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirResource {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its logical id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// When this version came; none for what is put together on the way out.
    pub updated_at: Option<Timestamp>,
    /// The bytes.
    pub body: Vec<u8>,
}

/// A page of resources, in the order of type and item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FhirPage {
    /// The resources.
    pub resources: Vec<FhirResource>,
    /// How many match in all, under the view.
    pub total: usize,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl Disclosure {
    /// The id of the person who holds this NHS number, for a token that may know; `None` reads the
    /// same whether there is none or the token is for somebody else.
    pub fn fhir_find(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        number: NhsNumber,
    ) -> Answer<Disclosed<Option<FhirResource>>> {
        self.may_try(caller)?;
        let permitted = ask.only_person.is_none_or(|only| only == number);
        let holder = if permitted {
            self.holder(number)?
        } else {
            None
        };
        let Some(person) = holder else {
            let mut entry = entry(self.now(), Act::ApiRead, Outcome::Success, caller);
            entry.page = "GET Patient?identifier".to_owned();
            entry.detail = "none found".to_owned();
            // A system reads many people it knows; only numbers of nobody are counted.
            let changes = self.tried(caller, &entry, false)?;
            return self.disclose(changes, entry, None);
        };
        match self.fhir_patient(caller, ask, &person.to_string()) {
            Ok(found) => {
                let entry = found.entry();
                Ok(Disclosed::after(entry, Some(found.into_inner())))
            }
            Err(other) => Err(other),
        }
    }

    /// `GET Patient/{id}`: the person.
    pub fn fhir_patient(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        id: &str,
    ) -> Answer<Disclosed<FhirResource>> {
        let gathered = self.asked(caller, ask, id, "GET Patient")?;
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = "GET Patient".to_owned();
        entry.items = vec![format!("Patient/{}", gathered.person)];
        let resource = self.patient_resource(&gathered);
        self.disclose(Vec::new(), entry, resource)
    }

    /// `GET {type}/{id}`: the current version of one item.
    ///
    /// Errors: [`FhirError::Gone`] for what was deleted, where the view permits the labels it had.
    pub fn fhir_read(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        resource_type: ResourceType,
        id: &str,
    ) -> Result<Disclosed<FhirResource>, FhirError> {
        if resource_type == ResourceType::PATIENT && PersonId::parse(id).is_ok() {
            return Ok(self.fhir_patient(caller, ask, id)?);
        }
        if let Ok(item) = ItemId::parse(id) {
            return Ok(self.fhir_shared(caller, resource_type, item)?);
        }
        let (person, item) = parse_id(id)?;
        let page = format!("GET {resource_type}");
        let gathered = self.asked(caller, ask, &person.to_string(), &page)?;
        if (resource_type, item) == (ResourceType::CONSENT, CHOICE_ITEM) {
            return Ok(self.fhir_choice(caller, &gathered, page)?);
        }
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let found = self
            .inner
            .store
            .version(gathered.person, view, (resource_type, item), None)?;
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = page;
        let Some(body) = found else {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(FhirError::not_there());
        };
        if body.header.deleted {
            entry.detail = "deleted".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(FhirError::Gone);
        }
        entry.items = vec![item_name(&body.header)];
        let resource = self.outgoing(&gathered, body)?;
        Ok(self.disclose(Vec::new(), entry, resource)?)
    }

    /// `GET {type}?patient=`: the current items of a type; `types` empty gives every type, which
    /// with the Patient first is `$everything`.
    pub fn fhir_search(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        person: &str,
        types: &[ResourceType],
        count: usize,
        after: Option<&str>,
    ) -> Answer<Disclosed<FhirPage>> {
        let page_name = match types {
            [] => "GET Patient/$everything".to_owned(),
            [one, ..] => format!("GET {one}?patient"),
        };
        let gathered = self.asked(caller, ask, person, &page_name)?;
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let after = after.map(parse_cursor).transpose()?;
        let mut headers = self.inner.store.headers(gathered.person, view)?;
        headers.retain(|header| {
            header.resource_type != ResourceType::PATIENT
                && (types.is_empty() || types.contains(&header.resource_type))
        });
        headers.sort_by_key(key);
        let with_patient = types.is_empty() || types.contains(&ResourceType::PATIENT);
        let with_choice = types.is_empty() || types.contains(&ResourceType::CONSENT);
        let choice = with_choice
            .then(|| self.choice_resource(&gathered))
            .flatten();
        let total = headers.len() + usize::from(with_patient) + usize::from(choice.is_some());
        let mut page = FhirPage {
            total,
            ..FhirPage::default()
        };
        if with_patient && after.is_none() {
            page.resources.push(self.patient_resource(&gathered));
        }
        if after.is_none() {
            page.resources.extend(choice);
        }
        let room = count.saturating_sub(page.resources.len());
        let rest = headers
            .iter()
            .filter(|header| after.is_none_or(|last| key(header) > last));
        let chosen: Vec<&Header> = rest.clone().take(room).collect();
        if rest.count() > chosen.len() {
            page.next = chosen
                .last()
                .map(|last| cursor(last))
                .or(Some(START.to_owned()));
        }
        let wanted: Vec<_> = chosen
            .iter()
            .map(|one| (one.resource_type, one.item))
            .collect();
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = page_name;
        entry.items = chosen.iter().map(|header| item_name(header)).collect();
        for body in self.inner.store.bodies(gathered.person, view, &wanted)? {
            page.resources.push(self.outgoing(&gathered, body)?);
        }
        self.disclose(Vec::new(), entry, page)
    }

    /// Things about nobody (organisations, code systems): readable by whoever may look for people.
    fn fhir_shared(
        &self,
        caller: &Caller,
        resource_type: ResourceType,
        item: ItemId,
    ) -> Answer<Disclosed<FhirResource>> {
        self.may_find(caller)?;
        let found = self.inner.store.shared_item((resource_type, item))?;
        let mut entry = entry(self.now(), Act::ApiRead, Outcome::Success, caller);
        entry.page = format!("GET {resource_type}");
        let Some(stored) = found else {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(DisclosureError::NotThere);
        };
        entry.items = vec![item_name(&stored.header)];
        let resource = FhirResource {
            resource_type,
            id: item.to_string(),
            version: stored.header.version,
            updated_at: Some(stored.header.received_at),
            body: stored.body,
        };
        self.disclose(Vec::new(), entry, resource)
    }

    /// Asks the rules for a token; a no is written down.
    pub(super) fn asked(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        person: &str,
        page: &str,
    ) -> Answer<Gathered> {
        let person = PersonId::parse(person).map_err(|_| DisclosureError::NotThere)?;
        let why = Why::Stated(ask.stated.clone());
        let gathered = self.gather(caller, person, &why.asked(caller.user.role))?;
        let other_person = ask
            .only_person
            .is_some_and(|only| gathered.number() != Some(only));
        let provisional = super::gather::has_flag(&gathered.row, crate::identity::PROVISIONAL);
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        entry.page = page.to_owned();
        if other_person || provisional {
            entry.outcome = Outcome::Denied;
            entry.reason = "token-for-another-person".to_owned();
            entry.categories.clear();
            self.disclose(Vec::new(), entry, ())?;
            return Err(DisclosureError::NotThere);
        }
        if gathered.decision.view().is_none() {
            return Err(self.refuse(&gathered, entry));
        }
        Ok(gathered)
    }

    /// The person's choice about Connect Care, where the view shows legal information.
    pub(super) fn choice_resource(&self, gathered: &Gathered) -> Option<FhirResource> {
        let categories = gathered.decision.visible_categories();
        if !categories.contains(Category::Legal) {
            return None;
        }
        let kept = gathered.row.choice.as_deref()?;
        let choice = Choice::from_bytes(kept).ok()?;
        let purpose = gathered.facts.purpose;
        let whole = matches!(purpose, Some(Purpose::SelfView | Purpose::ProxyView));
        Some(FhirResource {
            resource_type: ResourceType::CONSENT,
            id: format!("{}-{CHOICE_ITEM}", gathered.person),
            version: choice.number.max(1),
            updated_at: None,
            body: choices::consent(gathered.person, &choice, whole)
                .to_string()
                .into_bytes(),
        })
    }

    fn fhir_choice(
        &self,
        caller: &Caller,
        gathered: &Gathered,
        page: String,
    ) -> Answer<Disclosed<FhirResource>> {
        let mut entry = decided_entry(self.now(), Act::ApiRead, caller, gathered);
        entry.trace.push(self.recorded(gathered));
        entry.page = page;
        let Some(resource) = self.choice_resource(gathered) else {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(DisclosureError::NotThere);
        };
        entry.items = vec![format!("Consent/{CHOICE_ITEM}/{}", resource.version)];
        self.disclose(Vec::new(), entry, resource)
    }

    /// The person as one Patient. It is put together on the way out, so its version is a digest of what
    /// it says.
    pub(super) fn patient_resource(&self, gathered: &Gathered) -> FhirResource {
        let mut known = gathered.known.clone();
        let view = gathered.decision.view();
        if !view.is_some_and(|view| view.categories().contains(Category::Location)) {
            redact::demographics(&mut known);
        }
        let body = patient::resource(gathered.person, &known).to_string();
        let digest = Sha256::digest(body.as_bytes());
        FhirResource {
            resource_type: ResourceType::PATIENT,
            id: gathered.person.to_string(),
            version: u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]),
            updated_at: None,
            body: body.into_bytes(),
        }
    }

    /// A stored body as it may leave: its own bytes, unless the view takes something out.
    pub(super) fn outgoing(&self, gathered: &Gathered, stored: StoredBody) -> Answer<FhirResource> {
        let resource_type = stored.header.resource_type;
        let id = format!("{}-{}", stored.person, stored.header.item);
        let (version, updated_at) = (stored.header.version, stored.header.received_at);
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let body = if redact::touches(resource_type, view) {
            let mut json = Json::parse(&stored.body, Limits::default())
                .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
            redact::resource(&mut json, view);
            json.to_string().into_bytes()
        } else {
            stored.body
        };
        Ok(FhirResource {
            resource_type,
            id,
            version,
            updated_at: Some(updated_at),
            body,
        })
    }
}

/// The name of an item in the log: type, item and version.
pub(crate) fn item_name(header: &Header) -> String {
    format!(
        "{}/{}/{}",
        header.resource_type, header.item, header.version
    )
}

/// Our ids are `{person}-{item}`; anything else is not there.
pub(super) fn parse_id(id: &str) -> Answer<(PersonId, ItemId)> {
    let (person, item) = id.split_once('-').ok_or(DisclosureError::NotThere)?;
    let person = PersonId::parse(person).map_err(|_| DisclosureError::NotThere)?;
    let item = ItemId::parse(item).map_err(|_| DisclosureError::NotThere)?;
    Ok((person, item))
}

const START: &str = "0-0000000000000";

fn key(header: &Header) -> (u16, u64) {
    (header.resource_type.number(), header.item.0)
}

fn cursor(header: &Header) -> String {
    format!("{}-{}", header.resource_type.number(), header.item)
}

fn parse_cursor(text: &str) -> Answer<(u16, u64)> {
    let unclear = DisclosureError::Unclear("this page link is none of ours; search again");
    let Some((number, item)) = text.split_once('-') else {
        return Err(unclear);
    };
    match (number.parse(), ItemId::parse(item)) {
        (Ok(number), Ok(item)) => Ok((number, item.0)),
        _ => Err(unclear),
    }
}
