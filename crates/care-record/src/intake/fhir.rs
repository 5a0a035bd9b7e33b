//! A FHIR request on Walk 1, to its answer.

use std::cell::RefCell;
use std::collections::HashMap;

use care_core::access::{Supplier, supplier_view};
use care_core::fhir::{self, IssueSeverity, Json, Limits, OutcomeIssue, ResourceType};
use care_core::mapping::fhir::{FhirContext, Refusal, map_fhir};
use care_core::mapping::{MapIssue, Mapped};
use care_core::vocabulary::{ItemId, NumberStatus, OrganisationKind, PersonId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::filing::{Filed, FiledItem, Filing, NotFiled};
use super::item::logical_id;
use super::keep::{Received, Seen, digest, seen, short};
use super::rest::{self, Book};
use super::v2::{ATTEMPTS, kept};
use super::validation::beside;
use super::{
    BaseAnswer, DeliveryOutcome, FhirAnswer, FhirDelivery, FhirFormat, FhirMethod, Parts,
    json_bytes, reason,
};
use crate::identity::Sender;
use crate::store::{Change, DeliveryRow, Put, StoreError, StoredBody};
use crate::worklists::WorklistKind;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    status: u16,
    location: Option<String>,
    body: String,
}

/// On whose word the request stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// A client's: it must be configured for the source, and its address must fit the body.
    Client,
    /// The operator's, who gave a file and said whose it is; or a request that was checked before.
    Operator,
}

pub(super) fn receive(parts: &Parts, delivery: &FhirDelivery<'_>) -> FhirAnswer {
    take_once(Taking::new(parts, delivery, Word::Client))
}

/// What is posted to the base: the feeds' road, or its entries as requests.
pub(super) fn receive_base(parts: &Parts, delivery: &FhirDelivery<'_>) -> BaseAnswer {
    let taking = Taking::new(parts, delivery, Word::Client);
    if let Ok(resource) = taking.read() {
        if !rest::takes_the_feeds_road(&*parts.store, delivery, &resource) {
            return BaseAnswer::Requests(resource);
        }
        taking.parsed.replace(Some(resource));
    }
    BaseAnswer::Answered(take_once(taking))
}

/// A resource or Bundle out of a file.
pub(super) fn receive_file(parts: &Parts, delivery: &FhirDelivery<'_>) -> FhirAnswer {
    take_once(Taking::new(parts, delivery, Word::Operator))
}

fn take_once(taking: Taking<'_>) -> FhirAnswer {
    match seen(&*taking.parts.store, &taking.received) {
        Err(cause) => transient(&taking.received, &cause),
        Ok(Seen::Again(held)) => taking.again(&held),
        Ok(Seen::Other { aside }) => taking.used_twice(aside),
        Ok(Seen::New) => taking.take(),
    }
}

/// Takes a delivery again that was kept before, under its replay's id. One that cannot be used still
/// leaves no second copy.
pub(super) fn take_again(
    parts: &Parts,
    delivery: &FhirDelivery<'_>,
    control_id: String,
) -> FhirAnswer {
    let mut taking = Taking::new(parts, delivery, Word::Operator);
    taking.received.control_id = control_id;
    taking.keeps_refusals = false;
    taking.take()
}

/// Why a request was not used.
struct NotUsed {
    status: u16,
    outcome: DeliveryOutcome,
    list: WorklistKind,
    issues: Vec<OutcomeIssue>,
}

impl NotUsed {
    fn one(
        status: u16,
        outcome: DeliveryOutcome,
        code: &'static str,
        what: &str,
        how: &str,
    ) -> Self {
        Self {
            status,
            outcome,
            list: WorklistKind::ParkedDelivery,
            issues: vec![OutcomeIssue {
                severity: IssueSeverity::Error,
                code,
                details: what.to_owned(),
                diagnostics: how.to_owned(),
                expression: None,
            }],
        }
    }
}

enum Failure {
    NotUsed(NotUsed),
    Repeated,
    Store(StoreError),
}

impl From<NotUsed> for Failure {
    fn from(not_used: NotUsed) -> Self {
        Self::NotUsed(not_used)
    }
}

impl From<NotFiled> for Failure {
    fn from(cause: NotFiled) -> Self {
        match cause {
            NotFiled::Store(cause) => Self::Store(cause),
            NotFiled::UnknownPerson => Self::NotUsed(NotUsed::one(
                422,
                DeliveryOutcome::Parked,
                "not-found",
                "It is about a Patient that was never sent.",
                "Send the Patient before it, or in the same Bundle, or point at the person by an NHS \
                 number you have sent before.",
            )),
        }
    }
}

struct Taking<'a> {
    parts: &'a Parts,
    delivery: &'a FhirDelivery<'a>,
    received: Received<'a>,
    word: Word,
    keeps_refusals: bool,
    /// The body as it was read already, for whoever reads it next.
    parsed: RefCell<Option<Json>>,
}

impl<'a> Taking<'a> {
    fn new(parts: &'a Parts, delivery: &'a FhirDelivery<'a>, word: Word) -> Self {
        let control_id = match delivery.request_id {
            Some(id) if !id.is_empty() && id.len() <= 200 => id.to_owned(),
            _ => {
                let mut whole =
                    format!("{} {}\n", method(delivery.method), delivery.path).into_bytes();
                whole.extend_from_slice(delivery.body);
                format!("sha256:{}", short(&digest(&whole)))
            }
        };
        Self {
            parts,
            delivery,
            word,
            keeps_refusals: true,
            parsed: RefCell::new(None),
            received: Received {
                feed: delivery.client,
                source: Some(delivery.source),
                sender: delivery.client.to_owned(),
                control_id,
                digest: digest(delivery.body),
                received_at: parts.clock.now(),
                kind: format!("{} {}", method(delivery.method), target(delivery)),
                body: delivery.body,
                was_used_before: false,
            },
        }
    }

    /// The same again. Without an id of the client's own, an undated state sent again may be a
    /// return to it, so it is taken anew; items that are as they were stay untouched.
    fn again(mut self, held: &DeliveryRow) -> FhirAnswer {
        let is_ours = self.received.control_id.starts_with("sha256:");
        let was_used = held.status.starts_with(DeliveryOutcome::Processed.code());
        if is_ours && was_used && self.is_undated() {
            let at = self.received.received_at.as_microsecond();
            self.received.control_id = format!("{}@{at}", self.received.control_id);
            self.received.was_used_before = true;
            return self.take();
        }
        self.stored_with_versions(held)
    }

    /// A stored answer, with the versions its entries became: each is the newest that had come by then.
    fn stored_with_versions(&self, held: &DeliveryRow) -> FhirAnswer {
        let Some(mut answer) = stored(&held.answer) else {
            return transient(&self.received, &StoreError::Corrupt);
        };
        let Ok(mut body) = Json::parse(&answer.body, Limits::default()) else {
            return answer;
        };
        if answer.status != 200 || body.text_at(&["resourceType"]) != Some("Bundle") {
            return answer;
        }
        let mut versions = HashMap::new();
        for entry in body.elements("entry") {
            let Some(location) = entry.text_at(&["response", "location"]) else {
                continue;
            };
            match self.version_by(location, held.received_at) {
                Ok(Some(version)) => drop(versions.insert(location.to_owned(), version)),
                Ok(None) => {}
                Err(cause) => return transient(&self.received, &cause),
            }
        }
        add_versions(&mut body, &versions);
        answer.body = json_bytes(&body);
        answer
    }

    /// The newest version of what was answered with this address that had come by then.
    fn version_by(&self, location: &str, by: Timestamp) -> Result<Option<Version>, StoreError> {
        let supplier = Supplier::configured(self.delivery.client, self.delivery.source);
        let named = location.split_once('/').and_then(|(kind, id)| {
            let (owner, item) = crate::search::parse_id(id)?;
            Some((owner, (ResourceType::from_name(kind)?, item)))
        });
        let (Some(supplier), Some((owner, whole))) = (supplier, named) else {
            return Ok(None);
        };
        let view = supplier_view(&supplier);
        let mut before = None;
        loop {
            let some = self.parts.store.versions(owner, &view, whole, before, 20)?;
            let by = by.as_millisecond();
            let came = |one: &&StoredBody| one.header.received_at.as_millisecond() <= by;
            let found = some.iter().find(came);
            if let Some(one) = found {
                return Ok(Some((one.header.version, Some(one.header.received_at))));
            }
            match some.last() {
                Some(last) if some.len() == 20 => before = Some(last.header.version),
                _ => return Ok(None),
            }
        }
    }

    /// Whether any state in it has no date of the source's own, and so holds from its receipt.
    fn is_undated(&self) -> bool {
        let Ok(resource) = self.read() else {
            return false;
        };
        let Ok(mapped) = map_fhir(&resource, &self.context(OrganisationKind::Programme)) else {
            return false;
        };
        let mut drafts = mapped.iter().flat_map(|mapped| mapped.drafts.iter());
        drafts.any(|draft| draft.event_at == self.received.received_at)
    }

    fn used_twice(mut self, aside: String) -> FhirAnswer {
        self.received.control_id = aside;
        let not_used = NotUsed {
            list: WorklistKind::DuplicateControlId,
            ..NotUsed::one(
                409,
                DeliveryOutcome::Refused,
                "duplicate",
                "This request id was used before for another request, so this one was kept aside and \
                 not used.",
                "Give every request an id of its own and send it again.",
            )
        };
        self.refuse(not_used)
    }

    fn take(&self) -> FhirAnswer {
        match self.used() {
            Ok(answer) => answer,
            Err(Failure::NotUsed(not_used)) => self.refuse(not_used),
            Err(Failure::Repeated) => self.stored_answer(),
            Err(Failure::Store(cause)) => transient(&self.received, &cause),
        }
    }

    fn refuse(&self, not_used: NotUsed) -> FhirAnswer {
        let body = json_bytes(&fhir::outcome(&not_used.issues));
        let answer = FhirAnswer {
            status: not_used.status,
            location: None,
            body,
            outcome: not_used.outcome,
            reasons: reasons(&not_used.issues),
        };
        if !self.keeps_refusals {
            return answer;
        }
        let told = told(&not_used.issues);
        let commit =
            self.received
                .refusal(not_used.outcome, not_used.list, keep_answer(&answer), &told);
        match self.parts.store.commit(commit) {
            Ok(_) => answer,
            Err(StoreError::DeliveryExists) => self.stored_answer(),
            Err(cause) => transient(&self.received, &cause),
        }
    }

    fn stored_answer(&self) -> FhirAnswer {
        match seen(&*self.parts.store, &self.received) {
            Ok(Seen::Again(held)) => self.stored_with_versions(&held),
            Ok(_) => transient(&self.received, &StoreError::DeliveryExists),
            Err(cause) => transient(&self.received, &cause),
        }
    }

    fn context(&self, source_kind: OrganisationKind) -> FhirContext<'_> {
        FhirContext {
            source: self.delivery.source,
            source_kind,
            received_at: self.received.received_at,
        }
    }

    fn read(&self) -> Result<Json, NotUsed> {
        if let Some(resource) = self.parsed.take() {
            return Ok(resource);
        }
        let refused = |what: String, how: &str| {
            NotUsed::one(400, DeliveryOutcome::Refused, "structure", &what, how)
        };
        match self.delivery.format {
            FhirFormat::Json => Json::parse(self.delivery.body, Limits::default())
                .map_err(|error| refused(error.to_string(), "Send FHIR R4 as JSON in UTF-8.")),
            FhirFormat::Xml => fhir::xml::parse(self.delivery.body, Limits::default())
                .map_err(|error| refused(error.to_string(), "Send FHIR R4 as XML in UTF-8.")),
        }
    }

    fn used(&self) -> Result<FhirAnswer, Failure> {
        let kind = self.source_kind()?;
        let resource = self.read()?;
        if self.word == Word::Client {
            self.check_target(&resource)?;
        }
        let filing = Filing {
            store: &*self.parts.store,
            lists: &self.parts.lists,
            sender: Sender {
                source: self.delivery.source,
                kind,
                feed: self.delivery.client,
            },
            received_at: self.received.received_at,
            patients_replace: true,
            book: &Book::default(),
        };
        let mut first = Some(self.map(&resource, kind)?);
        let advice = self.validated(&resource)?;
        let people = first
            .iter()
            .flatten()
            .filter_map(|mapped| mapped.subject.as_ref());
        let _lanes = self.parts.lanes.enter(
            self.delivery.source.as_str(),
            people.map(|subject| subject.source_key.as_str()),
        );
        let mut held_standing = None;
        for _ in 0..ATTEMPTS {
            let mapped = match first.take() {
                Some(mapped) => mapped,
                None => self.map(&resource, kind)?,
            };
            let filed = filing.file(mapped)?;
            if filed.changes_standing && held_standing.is_none() {
                held_standing = Some(self.parts.lanes.standing());
                continue;
            }
            match self.commit(&resource, filed, &advice) {
                Err(
                    StoreError::PersonExists
                    | StoreError::IdentifierTaken
                    | StoreError::AlreadyKept
                    | StoreError::Stale,
                ) => {}
                Err(StoreError::DeliveryExists) => return Err(Failure::Repeated),
                Err(cause) => return Err(Failure::Store(cause)),
                Ok(answer) => return Ok(answer),
            }
        }
        Err(Failure::Store(StoreError::IdentifierTaken))
    }

    /// What validation says of it; the whole is refused where the source's broken FHIR is.
    fn validated(&self, resource: &Json) -> Result<Vec<OutcomeIssue>, NotUsed> {
        let validation = &self.parts.validation;
        let looked = validation.look(self.delivery.source, resource, self.received.received_at);
        looked.map_err(|issues| NotUsed {
            status: 422,
            outcome: DeliveryOutcome::Parked,
            list: WorklistKind::ParkedDelivery,
            issues,
        })
    }

    fn source_kind(&self) -> Result<OrganisationKind, NotUsed> {
        if self.word == Word::Operator {
            let known = self.parts.directory.organisation(self.delivery.source);
            return Ok(known.map_or(OrganisationKind::Programme, |one| one.kind));
        }
        let source = self.parts.directory.source(self.delivery.source);
        let allowed =
            source.filter(|source| source.feeds.iter().any(|feed| feed == self.delivery.client));
        allowed
            .map(|source| source.organisation.kind)
            .ok_or_else(|| {
                NotUsed::one(
                    403,
                    DeliveryOutcome::Refused,
                    "forbidden",
                    "This client is not configured to send for this source.",
                    "Ask the Connect Care programme to add the client to the source's feeds.",
                )
            })
    }

    /// The address must fit what is in the body.
    fn check_target(&self, resource: &Json) -> Result<(), NotUsed> {
        let said = resource.text_at(&["resourceType"]);
        let mut parts = self
            .delivery
            .path
            .split('/')
            .filter(|part| !part.is_empty());
        let (resource_type, id) = (parts.next(), parts.next());
        let fits = match (self.delivery.method, resource_type, id, parts.next()) {
            (_, _, _, Some(_)) => Err("The address has more parts than a resource's address."),
            (FhirMethod::Post, None, _, _) if said == Some("Bundle") => Ok(()),
            (FhirMethod::Post, None, _, _) => {
                Err("Only a Bundle can be posted to the base address.")
            }
            (FhirMethod::Post, Some(_), Some(_), _) => {
                Err("A POST goes to a type, not to a resource.")
            }
            (FhirMethod::Put, _, None, _) => Err("A PUT goes to one resource: its type and id."),
            (FhirMethod::Put, Some(_), Some(id), _) if resource.text_at(&["id"]) != Some(id) => {
                Err("The id in the body is not the id in the address.")
            }
            (_, Some(named), _, _) if said.is_some() && said != Some(named) => {
                Err("The resource's type is not the type in the address.")
            }
            _ => Ok(()),
        };
        fits.map_err(|what| {
            NotUsed::one(
                400,
                DeliveryOutcome::Refused,
                "invalid",
                what,
                "POST a Bundle to the base, POST a resource to its type, or PUT it to its type and id.",
            )
        })
    }

    fn map(&self, resource: &Json, kind: OrganisationKind) -> Result<Vec<Mapped>, NotUsed> {
        let mut all =
            map_fhir(resource, &self.context(kind)).map_err(|refusal| refused(&refusal))?;
        let traced = self
            .parts
            .directory
            .source(self.delivery.source)
            .is_some_and(|source| source.numbers_are_traced);
        if traced {
            all.iter_mut().for_each(count_as_traced);
        }
        Ok(all)
    }

    fn commit(
        &self,
        resource: &Json,
        filed: Filed,
        advice: &[OutcomeIssue],
    ) -> Result<FhirAnswer, StoreError> {
        let mut warnings: Vec<OutcomeIssue> = filed.issues.iter().map(as_warning).collect();
        let more = beside(&warnings, advice);
        warnings.extend(more);
        let outcome = if warnings.is_empty() {
            DeliveryOutcome::Processed
        } else {
            DeliveryOutcome::ProcessedWithWarnings
        };
        let bundle = resource.text_at(&["resourceType"]) == Some("Bundle");
        let mut answered = bundle.then(|| bundle_body(resource, &filed.items, &warnings));
        let mut answer = match &answered {
            Some(body) => FhirAnswer {
                status: 200,
                location: None,
                body: json_bytes(body),
                outcome,
                reasons: reasons(&warnings),
            },
            None => resource_answer(&filed.items, &warnings, outcome),
        };
        let told = told(&warnings);
        let commit = kept(&self.received, outcome, keep_answer(&answer), &told, filed);
        let places: Vec<_> = commit.changes.iter().filter_map(place_of).collect();
        let done = self.parts.store.commit(commit)?;
        if let Some(body) = &mut answered {
            let versions = places.into_iter().zip(done.items);
            add_versions(body, &self.versions(versions)?);
            answer.body = json_bytes(body);
        }
        Ok(answer)
    }

    /// Which version each put became, or stayed, and when that one came; by the address it is answered
    /// with.
    fn versions(
        &self,
        done: impl Iterator<Item = (Place, Put)>,
    ) -> Result<HashMap<String, Version>, StoreError> {
        let supplier = Supplier::configured(self.delivery.client, self.delivery.source);
        let view = supplier.map(|supplier| supplier_view(&supplier));
        let mut versions = HashMap::new();
        for ((owner, kind, item), put) in done {
            let at = match (put, &view) {
                (Put::Unchanged { version }, Some(view)) => {
                    let whole = (kind, item);
                    let held = self
                        .parts
                        .store
                        .version_of(owner, view, whole, Some(version))?;
                    held.map(|held| held.header.received_at)
                }
                (Put::Unchanged { .. }, None) => None,
                _ => Some(self.received.received_at),
            };
            let address = format!("{kind}/{}", logical_id(owner, item));
            versions.insert(address, (put.version(), at));
        }
        Ok(versions)
    }
}

/// Where an item is: whose, its type and its key.
type Place = (Option<PersonId>, ResourceType, ItemId);
/// A version's number, and when it came.
type Version = (u32, Option<Timestamp>);

fn place_of(change: &Change) -> Option<Place> {
    match change {
        Change::Item(put) => Some((put.person, put.resource_type, put.item)),
        _ => None,
    }
}

fn method(method: FhirMethod) -> &'static str {
    match method {
        FhirMethod::Put => "PUT",
        FhirMethod::Post => "POST",
    }
}

/// What is written, without ids.
fn target(delivery: &FhirDelivery<'_>) -> String {
    let first = delivery.path.split('/').next().unwrap_or_default();
    ResourceType::from_name(first).map_or_else(|| "Bundle".to_owned(), |known| known.to_string())
}

/// A number of a source that traces its numbers counts as verified where the Patient says nothing of
/// its verification.
pub(super) fn count_as_traced(mapped: &mut Mapped) {
    let silent = mapped
        .drafts
        .iter()
        .filter(|draft| draft.resource_type == ResourceType::PATIENT)
        .flat_map(|draft| draft.body.elements("identifier"))
        .flat_map(|identifier| identifier.elements("extension"))
        .all(|extension| {
            let url = extension.text_at(&["url"]).unwrap_or_default();
            !url.ends_with("NHSNumberVerificationStatus")
        });
    if let Some(subject) = mapped.subject.as_mut().filter(|_| silent) {
        let said = &mut subject.demographics;
        if said.nhs_number.is_some() {
            said.number_status = Some(NumberStatus::Verified);
        }
    }
}

fn refused(refusal: &Refusal) -> NotUsed {
    let (status, outcome) = match refusal {
        Refusal::NotFhir | Refusal::UnknownType => (400, DeliveryOutcome::Refused),
        Refusal::Stu3 { .. } | Refusal::NotARecord { .. } | Refusal::Nothing => {
            (422, DeliveryOutcome::Refused)
        }
        Refusal::Structure(_) | Refusal::Entries(_) => (422, DeliveryOutcome::Parked),
    };
    NotUsed {
        status,
        outcome,
        list: WorklistKind::ParkedDelivery,
        issues: refusal.issues(),
    }
}

fn as_warning(issue: &MapIssue) -> OutcomeIssue {
    OutcomeIssue {
        severity: if issue.fatal {
            IssueSeverity::Error
        } else {
            IssueSeverity::Warning
        },
        code: "value",
        details: issue.text.clone(),
        diagnostics: String::new(),
        expression: Some(issue.place.clone()),
    }
}

fn resource_answer(
    items: &[FiledItem],
    warnings: &[OutcomeIssue],
    outcome: DeliveryOutcome,
) -> FhirAnswer {
    let item = items.first();
    FhirAnswer {
        status: item.map_or(200, status),
        location: item.map(location),
        body: json_bytes(&fhir::outcome(warnings)),
        outcome,
        reasons: reasons(warnings),
    }
}

fn status(item: &FiledItem) -> u16 {
    if item.was_held { 200 } else { 201 }
}

fn location(item: &FiledItem) -> String {
    format!("{}/{}", item.resource_type, item.id)
}

/// One response for each entry that was sent, in its order. An entry of which nothing was kept says
/// so; why is in the warnings, which name the entry.
fn bundle_body(bundle: &Json, items: &[FiledItem], warnings: &[OutcomeIssue]) -> Json {
    let mut left: Vec<&FiledItem> = items.iter().collect();
    let responses = bundle
        .elements("entry")
        .iter()
        .map(|entry| {
            let item = take_item(entry, &mut left);
            let response = match item {
                Some(item) => Json::object([
                    ("status", Json::from(status_line(status(item)))),
                    ("location", Json::text(location(item))),
                ]),
                None => Json::object([("status", Json::from("422 Unprocessable Content"))]),
            };
            Json::object([("response", response)])
        })
        .collect();
    let kind = match bundle.text_at(&["type"]) {
        Some("batch") => "batch-response",
        _ => "transaction-response",
    };
    let mut entries: Vec<Json> = responses;
    if let (Some(first), false) = (entries.first_mut(), warnings.is_empty()) {
        // A Bundle has no place for an outcome of its own: the first response carries it, and each
        // issue names its entry.
        if let Some(response) = first.get_mut("response") {
            response.set("outcome", fhir::outcome(warnings));
        }
    }
    Json::object([
        ("resourceType", Json::from("Bundle")),
        ("type", Json::from(kind)),
        ("entry", Json::list(entries)),
    ])
}

/// Says of each entry which version it became. The answer is kept before that is known, so a repeat's
/// looks it up.
fn add_versions(body: &mut Json, versions: &HashMap<String, Version>) {
    let Some(Json::Array(entries)) = body.get_mut("entry") else {
        return;
    };
    for entry in entries {
        let Some(response) = entry.get_mut("response") else {
            continue;
        };
        let known = response
            .text_at(&["location"])
            .and_then(|location| versions.get(location));
        let Some((version, at)) = known else {
            continue;
        };
        // The outcome stands last, as FHIR orders them.
        let outcome = response.get("outcome").cloned().unwrap_or(Json::Null);
        response.set("outcome", Json::Null);
        response.set("etag", Json::text(format!("W/\"{version}\"")));
        let at = at.map_or(Json::Null, |at| Json::text(format!("{at:.3}")));
        response.set("lastModified", at);
        response.set("outcome", outcome);
    }
}

/// The entry's item: by type and id, else the next of its type that has no other entry.
fn take_item<'a>(entry: &Json, left: &mut Vec<&'a FiledItem>) -> Option<&'a FiledItem> {
    let resource = entry.get("resource")?;
    let resource_type = fhir::resource_type(resource)?;
    let id = resource.text_at(&["id"]);
    let exact = left.iter().position(|item| {
        item.resource_type == resource_type && Some(item.source_key.as_str()) == id
    });
    let next = || {
        left.iter()
            .position(|item| item.resource_type == resource_type)
    };
    let place = match id {
        Some(_) => exact,
        None => next(),
    }?;
    Some(left.remove(place))
}

fn status_line(status: u16) -> &'static str {
    match status {
        201 => "201 Created",
        _ => "200 OK",
    }
}

fn told(issues: &[OutcomeIssue]) -> Vec<(String, String)> {
    issues
        .iter()
        .map(|issue| {
            let text = sentences(&issue.details, &issue.diagnostics);
            (issue.expression.clone().unwrap_or_default(), text)
        })
        .collect()
}

/// What is wrong, then how it is mended.
fn sentences(what: &str, how: &str) -> String {
    let joint = match what.chars().last() {
        Some('.' | ';') | None => " ",
        Some(_) if how.is_empty() => "",
        Some(_) => "; ",
    };
    format!("{what}{joint}{how}").trim().to_owned()
}

fn reasons(issues: &[OutcomeIssue]) -> Vec<String> {
    told(issues)
        .iter()
        .map(|(place, text)| {
            if place.is_empty() {
                text.clone()
            } else {
                reason(place, text)
            }
        })
        .collect()
}

fn keep_answer(answer: &FhirAnswer) -> Vec<u8> {
    let kept = KeptAnswer {
        status: answer.status,
        location: answer.location.clone(),
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    };
    // A struct of plain values always serialises; were it not so, a repeat is told to try again.
    serde_json::to_vec(&kept).unwrap_or_default()
}

fn stored(answer: &[u8]) -> Option<FhirAnswer> {
    let kept: KeptAnswer = serde_json::from_slice(answer).ok()?;
    Some(FhirAnswer {
        status: kept.status,
        location: kept.location,
        body: kept.body.into_bytes(),
        outcome: DeliveryOutcome::Repeated,
        reasons: Vec::new(),
    })
}

/// Not kept, so never answered as accepted.
fn transient(received: &Received<'_>, cause: &StoreError) -> FhirAnswer {
    tracing::warn!(feed = received.feed, %cause, "a delivery was not kept; the sender will send it again");
    let issues = [OutcomeIssue {
        severity: IssueSeverity::Error,
        code: "transient",
        details: "It was not kept, because the record could not be written.".to_owned(),
        diagnostics: "Nothing is wrong with it. Send it again in a moment.".to_owned(),
        expression: None,
    }];
    FhirAnswer {
        status: 503,
        location: None,
        body: json_bytes(&fhir::outcome(&issues)),
        outcome: DeliveryOutcome::Transient,
        reasons: reasons(&issues),
    }
}
