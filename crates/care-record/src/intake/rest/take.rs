//! A REST request on its way: plan, map, file, one commit, the answer.

use std::collections::{HashMap, HashSet};

use care_core::access::{Supplier, View, supplier_view};
use care_core::fhir::{self, IssueSeverity, Json, Limits, OutcomeIssue, ResourceType};
use care_core::mapping::fhir::{FhirContext, Refusal, map_fhir};
use care_core::mapping::{MapIssue, Mapped};
use care_core::vocabulary::{ItemId, OrganisationKind, PersonId};

use super::bundle::{MOST_ENTRIES, is_plain};
use super::find::{Finder, Held, note_deleted, read_id};
use super::kept::{self, KeptWrite};
use super::link::link;
use super::plan::{Aim, Plan, Put};
use super::refused::{RestRefusal, Stop};
use super::{RestAnswer, RestMethod, RestRequest, Written};
use crate::identity::{IDENTITY_DOUBT, PROVISIONAL, Sender};
use crate::intake::fhir::count_as_traced;
use crate::intake::filing::{Filed, FiledItem, Filing};
use crate::intake::item::{body, logical_id};
use crate::intake::keep::{Received, Seen, digest, seen, short};
use crate::intake::v2::kept;
use crate::intake::{DeliveryOutcome, FhirDelivery, Parts};
use crate::store::{self, Change, DeliveryRow, Expect, PutItem, PutOrder, Store, StoreError};
use crate::worklists::WorklistKind;

/// How often a request is tried again that others came before.
const ATTEMPTS: usize = 32;

type Whole = (Option<PersonId>, ResourceType, ItemId);

pub(in crate::intake) fn receive(parts: &Parts, request: &RestRequest<'_>) -> RestAnswer {
    let taking = match Taking::new(parts, request) {
        Ok(taking) => taking,
        Err(Stop::Refused(refusal)) => return refused(*refusal, DeliveryOutcome::Refused),
        Err(Stop::Store(cause)) => return transient(request.client, &cause),
    };
    let outcome = match taking.was_here() {
        Err(cause) => Err(Stop::Store(cause)),
        Ok(Seen::Again(held)) => return taking.again(&held),
        Ok(Seen::Other { .. }) => Err(RestRefusal::one(
            409,
            "duplicate",
            "This request id was used before for another request, so this one was not used.",
            "Give every request an id of its own and send it again.",
        )
        .into()),
        Ok(Seen::New) => taking.take(),
    };
    match outcome {
        Ok(answer) => answer,
        Err(Stop::Refused(refusal)) => taking.refuse(*refusal),
        Err(Stop::Store(StoreError::DeliveryExists)) => match taking.was_here() {
            Ok(Seen::Again(held)) => taking.again(&held),
            _ => transient(request.client, &StoreError::DeliveryExists),
        },
        Err(Stop::Store(cause)) => transient(request.client, &cause),
    }
}

/// Whether what was posted to the base is taken in as a feed's delivery.
pub(in crate::intake) fn takes_the_feeds_road(
    store: &dyn Store,
    delivery: &FhirDelivery<'_>,
    resource: &Json,
) -> bool {
    if resource.elements("entry").len() > MOST_ENTRIES {
        return false;
    }
    let Some(supplier) = Supplier::configured(delivery.client, delivery.source) else {
        return true;
    };
    let view = supplier_view(&supplier);
    let finder = Finder {
        store,
        view: &view,
        source: delivery.source,
        base: "",
    };
    let mut known = HashMap::new();
    is_plain(resource, &mut |kind, id| {
        // Our ids have 13 characters, or twice that and a dash.
        if !matches!(id.len(), 13 | 27) {
            return false;
        }
        *known
            .entry((kind, id.to_owned()))
            .or_insert_with(|| matches!(finder.by_our_id(kind, id), Ok(Some(_))))
    })
}

fn refused(refusal: RestRefusal, outcome: DeliveryOutcome) -> RestAnswer {
    RestAnswer {
        outcome,
        result: Err(refusal),
    }
}

/// Not kept, so never answered as accepted.
fn transient(client: &str, cause: &StoreError) -> RestAnswer {
    tracing::warn!(feed = client, %cause, "a write was not kept; the sender will send it again");
    refused(
        RestRefusal::one(
            503,
            "transient",
            "It was not kept, because the record could not be written.",
            "Nothing is wrong with it. Send it again in a moment.",
        ),
        DeliveryOutcome::Transient,
    )
}

struct Taking<'a> {
    parts: &'a Parts,
    request: &'a RestRequest<'a>,
    received: Received<'a>,
    kind: OrganisationKind,
    view: View,
    /// The keys of what is created: the same at every attempt.
    keys: Vec<String>,
    is_named: bool,
}

/// What an attempt came to.
enum Attempt {
    Done(RestAnswer),
    /// Others wrote meanwhile: look again.
    Again,
}

impl<'a> Taking<'a> {
    fn new(parts: &'a Parts, request: &'a RestRequest<'a>) -> Result<Self, Stop> {
        let forbidden = || {
            RestRefusal::one(
                403,
                "forbidden",
                "This client is not configured to send for this source.",
                "Ask the Connect Care programme to add the client to the source's feeds.",
            )
        };
        let source = parts
            .directory
            .source(request.source)
            .filter(|source| source.feeds.iter().any(|feed| feed == request.client))
            .ok_or_else(forbidden)?;
        let supplier =
            Supplier::configured(request.client, request.source).ok_or_else(forbidden)?;
        let named = request
            .request_id
            .filter(|id| !id.is_empty() && id.len() <= 200);
        let control_id = match named {
            Some(id) => id.to_owned(),
            None => format!("rest:{}", fresh()?),
        };
        let mut whole = format!("{}\n", request.asked).into_bytes();
        whole.extend_from_slice(request.bytes);
        let mut keys = Vec::with_capacity(request.writes.len());
        for place in 0..request.writes.len() {
            keys.push(match named {
                Some(id) => named_key(request.client, id, place),
                None => fresh()?,
            });
        }
        Ok(Self {
            parts,
            request,
            kind: source.organisation.kind,
            view: supplier_view(&supplier),
            keys,
            is_named: named.is_some(),
            received: Received {
                feed: request.client,
                source: Some(request.source),
                sender: request.client.to_owned(),
                control_id,
                digest: digest(&whole),
                received_at: parts.clock.now(),
                kind: request.kind.to_owned(),
                body: request.bytes,
                was_used_before: false,
            },
        })
    }

    fn finder(&self) -> Finder<'_> {
        Finder {
            store: &*self.parts.store,
            view: &self.view,
            source: self.request.source,
            base: self.request.base,
        }
    }

    fn was_here(&self) -> Result<Seen, StoreError> {
        if self.is_named {
            seen(&*self.parts.store, &self.received)
        } else {
            Ok(Seen::New)
        }
    }

    /// The same again gets the same answer.
    fn again(&self, held: &DeliveryRow) -> RestAnswer {
        let answer = match kept::stored(&held.answer) {
            None => return transient(self.request.client, &StoreError::Corrupt),
            Some(Err(refusal)) => return refused(refusal, DeliveryOutcome::Repeated),
            Some(Ok(writes)) => writes,
        };
        match self.written(&answer) {
            Ok(written) => RestAnswer {
                outcome: DeliveryOutcome::Repeated,
                result: Ok(written),
            },
            Err(cause) => transient(self.request.client, &cause),
        }
    }

    /// What cannot be kept for its content lies on a worklist, whole; a failed precondition leaves
    /// nothing, because the sender knows and nobody else can mend it.
    fn refuse(&self, refusal: RestRefusal) -> RestAnswer {
        let Some(outcome) = refusal.keeps else {
            return refused(refusal, DeliveryOutcome::Refused);
        };
        let commit = self.received.refusal(
            outcome,
            WorklistKind::ParkedDelivery,
            kept::refused(&refusal),
            &refusal.issues,
        );
        match self.parts.store.commit(commit) {
            Ok(_) => refused(refusal, outcome),
            Err(cause) => transient(self.request.client, &cause),
        }
    }

    fn take(&self) -> Result<RestAnswer, Stop> {
        // One at a time for each address; whatever comes by another is seen by what the store expects.
        let names: Vec<String> = self.request.writes.iter().map(address).collect();
        let _addresses = is_guarded().then(|| {
            self.parts.addresses.enter(
                self.request.source.as_str(),
                names.iter().map(String::as_str),
            )
        });
        let mut reused = HashMap::new();
        let mut standing = None;
        for _ in 0..ATTEMPTS {
            match self.attempt(&mut reused, &mut standing)? {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Again => {}
            }
        }
        Err(Stop::Store(StoreError::VersionConflict))
    }

    fn attempt<'l>(
        &'l self,
        reused: &mut HashMap<usize, String>,
        standing: &mut Option<std::sync::MutexGuard<'l, ()>>,
    ) -> Result<Attempt, Stop> {
        let finder = self.finder();
        let now = self.received.received_at;
        let keys = |place: usize| {
            let again = reused.get(&place).cloned();
            again.unwrap_or_else(|| self.keys.get(place).cloned().unwrap_or_default())
        };
        let mut plan = Plan::make(&finder, self.request, &keys, now)?;
        link(&mut plan, &finder, self.request, now)?;
        let mapped = self.map(&plan)?;
        let advice = self.validated(&plan)?;
        let _lanes = self.parts.lanes.enter(
            self.request.source.as_str(),
            mapped
                .iter()
                .filter_map(|mapped| mapped.subject.as_ref())
                .map(|subject| subject.source_key.as_str()),
        );
        let filing = Filing {
            store: &*self.parts.store,
            lists: &self.parts.lists,
            sender: Sender {
                source: self.request.source,
                kind: self.kind,
                feed: self.request.client,
            },
            received_at: now,
            patients_replace: true,
            book: &plan.book,
        };
        let mut filed = filing.file(mapped)?;
        if filed.changes_standing && standing.is_none() {
            *standing = Some(self.parts.lanes.standing());
            return Ok(Attempt::Again);
        }
        if let Some((entry, person)) = self.doubted(&plan, &filed)? {
            return self.ask_a_person(filed, entry, person);
        }
        if !self.fit(&plan, &finder, &mut filed, reused)? {
            return Ok(Attempt::Again);
        }
        self.take_away(&plan, &finder, &mut filed)?;
        filed.issues.extend(advice);
        self.commit(&plan, &finder, filed)
    }

    /// What validation says beyond R4's structure; the whole is refused where the source's broken FHIR is.
    fn validated(&self, plan: &Plan) -> Result<Vec<MapIssue>, Stop> {
        let mut advice = Vec::new();
        for (place, put) in self.puts(plan) {
            let write = &self.request.writes[place];
            let resource = write
                .body
                .as_ref()
                .filter(|_| write.method != RestMethod::Patch);
            let resource = resource.unwrap_or(&put.resource);
            let at = |text: String| match write.entry {
                None => text,
                Some(entry) => {
                    let rest = text.split_once('.').map_or("", |(_, rest)| rest);
                    format!("Bundle.entry[{entry}].resource.{rest}")
                }
            };
            let now = self.received.received_at;
            let looked = self
                .parts
                .validation
                .look(self.request.source, resource, now);
            match looked {
                Ok(issues) => advice.extend(issues.into_iter().map(|issue| MapIssue {
                    place: at(issue.expression.unwrap_or_default()),
                    text: format!("{} {}", issue.details, issue.diagnostics),
                    fatal: false,
                })),
                Err(issues) => {
                    let issues = issues
                        .into_iter()
                        .map(|issue| OutcomeIssue {
                            expression: issue.expression.map(at),
                            ..issue
                        })
                        .collect();
                    return Err(RestRefusal::of(422, issues)
                        .kept(DeliveryOutcome::Parked)
                        .about(write.entry)
                        .into());
                }
            }
        }
        Ok(advice)
    }

    /// The resources that are put, as one delivery through the mapping.
    fn map(&self, plan: &Plan) -> Result<Vec<Mapped>, Stop> {
        let puts = self.puts(plan);
        if puts.is_empty() {
            return Ok(Vec::new());
        }
        let entries = puts
            .iter()
            .map(|(_, put)| Json::object([("resource", put.resource.clone())]))
            .collect();
        let bundle = Json::object([
            ("resourceType", "Bundle".into()),
            ("type", "transaction".into()),
            ("entry", Json::Array(entries)),
        ]);
        let context = FhirContext {
            source: self.request.source,
            source_kind: self.kind,
            received_at: self.received.received_at,
        };
        let places: Vec<usize> = puts.iter().map(|(place, _)| *place).collect();
        let mut all = map_fhir(&bundle, &context).map_err(|refusal| {
            if refusal == Refusal::Nothing {
                return self.no_record(puts.first().map(|(place, _)| *place));
            }
            let mut refusal = RestRefusal::from(&refusal);
            refusal.put_places(|text| self.place(text, &places));
            refusal
        })?;
        plan.placeholders.settle(&mut all);
        let drafts: HashSet<(ResourceType, &str)> = all
            .iter()
            .flat_map(|mapped| &mapped.drafts)
            .map(|draft| (draft.resource_type, draft.source_key.as_str()))
            .collect();
        let left_out = puts.iter().find(|(place, put)| {
            let kind = self.request.writes[*place].resource_type;
            !drafts.contains(&(kind, put.key.as_str()))
        });
        if let Some((place, _)) = left_out {
            return Err(self.no_record(Some(*place)).into());
        }
        let traced = self
            .parts
            .directory
            .source(self.request.source)
            .is_some_and(|source| source.numbers_are_traced);
        for mapped in &mut all {
            if traced {
                count_as_traced(mapped);
            }
            for issue in &mut mapped.issues {
                issue.place = self.place(&issue.place, &places);
            }
        }
        Ok(all)
    }

    /// A feed's Bundle is kept without such an entry; a write of it alone has nothing to keep.
    fn no_record(&self, place: Option<usize>) -> RestRefusal {
        let write = place.and_then(|place| self.request.writes.get(place));
        let kind = write.map_or("resource", |write| write.resource_type.name());
        RestRefusal::one(
            422,
            "not-supported",
            format!("{kind} is no part of a care record, so nothing was written."),
            "Send the resources about people, or leave this one out.",
        )
        .kept(DeliveryOutcome::Refused)
        .about(write.and_then(|write| write.entry))
    }

    fn puts<'p>(&self, plan: &'p Plan) -> Vec<(usize, &'p Put)> {
        let puts = plan.aims.iter().enumerate();
        puts.filter_map(|(place, aim)| match aim {
            Aim::Put(put) => Some((place, &**put)),
            _ => None,
        })
        .collect()
    }

    /// A place in what was mapped as a place in what was sent.
    fn place(&self, text: &str, places: &[usize]) -> String {
        let inner = || {
            let (number, rest) = text.strip_prefix("Bundle.entry[")?.split_once(']')?;
            let place = *places.get(number.parse::<usize>().ok()?)?;
            Some((self.request.writes.get(place)?, rest))
        };
        match inner() {
            None => text.to_owned(),
            Some((write, rest)) => match write.entry {
                Some(entry) => format!("Bundle.entry[{entry}]{rest}"),
                None => {
                    let rest = rest.strip_prefix(".resource").unwrap_or(rest);
                    format!("{}{rest}", write.resource_type)
                }
            },
        }
    }

    /// Says of each put what it expects, and that it holds from its arrival. False where a create turned
    /// out to bring back a deleted Patient, whose key it then takes.
    fn fit(
        &self,
        plan: &Plan,
        finder: &Finder<'_>,
        filed: &mut Filed,
        reused: &mut HashMap<usize, String>,
    ) -> Result<bool, Stop> {
        let mut more = Vec::new();
        for (place, put) in self.puts(plan) {
            let write = &self.request.writes[place];
            let item = plan
                .book
                .item(self.request.source, write.resource_type, &put.key);
            let found = filed.changes.iter_mut().find_map(|change| match change {
                Change::Item(one)
                    if one.item == item && one.resource_type == write.resource_type =>
                {
                    Some(one)
                }
                _ => None,
            });
            let Some(one) = found else { continue };
            one.order = PutOrder::ByArrival;
            one.event_at = self.received.received_at;
            one.expect = match &put.held {
                Some(held) if !held.deleted && held.owner == one.person => expected(held.version),
                _ => Expect::Absent,
            };
            match &put.held {
                Some(held) if held.owner != one.person => {
                    more.extend(
                        self.moved(put, held)
                            .map_err(|refusal| refusal.about(write.entry))?,
                    );
                }
                Some(_) => {}
                None if one.resource_type == ResourceType::PATIENT => {
                    if let Some(person) = one.person
                        && let Some(other) = finder.patient_of(person)?
                        && other.item != one.item
                    {
                        if !other.deleted {
                            return Err(already_there(&other).about(write.entry).into());
                        }
                        if let Some(key) = finder.key_of(&other)?
                            && reused.insert(place, key).is_none()
                        {
                            return Ok(false);
                        }
                    }
                }
                None => {}
            }
        }
        filed.changes.extend(more);
        Ok(true)
    }

    /// A Patient whose new details may be of somebody else: its entry, and the provisional person under
    /// whom identity would file them.
    fn doubted(
        &self,
        plan: &Plan,
        filed: &Filed,
    ) -> Result<Option<(Option<usize>, PersonId)>, StoreError> {
        for (place, put) in self.puts(plan) {
            let Some(held) = &put.held else { continue };
            if held.resource_type != ResourceType::PATIENT {
                continue;
            }
            let item = plan
                .book
                .item(self.request.source, ResourceType::PATIENT, &put.key);
            let person = filed.changes.iter().find_map(|change| match change {
                Change::Item(one)
                    if one.item == item && one.resource_type == ResourceType::PATIENT =>
                {
                    one.person
                }
                _ => None,
            });
            let Some(person) = person.filter(|person| Some(*person) != held.owner) else {
                continue;
            };
            let is_new = filed.changes.iter().any(
                |change| matches!(change, Change::PersonFlag { person: of, flag, .. } if *of == person && flag == PROVISIONAL),
            );
            let row = self.parts.store.person(person)?.unwrap_or_default();
            if is_new || row.flags.iter().any(|(flag, _)| flag == PROVISIONAL) {
                return Ok(Some((self.request.writes[place].entry, person)));
            }
        }
        Ok(None)
    }

    /// Nothing is written but the question: whether the details are of the Patient at the address is
    /// decided by a data quality officer, as for a feed. Asked once, however often it is sent.
    fn ask_a_person(
        &self,
        mut filed: Filed,
        entry: Option<usize>,
        person: PersonId,
    ) -> Result<Attempt, Stop> {
        let refusal = RestRefusal::one(
            409,
            "conflict",
            "These details may be of somebody else than the Patient at this address, so nothing was \
             written. A data quality officer is asked.",
            "Send it again when the officer has decided that it is one person; it then goes through. If \
             it is somebody else, send a Patient of its own.",
        )
        .kept(DeliveryOutcome::Parked)
        .about(entry);
        filed.worklist.retain(|row| row.person == Some(person));
        let answer = RestAnswer {
            outcome: DeliveryOutcome::Parked,
            result: Err(refusal.clone()),
        };
        if filed.worklist.is_empty() {
            return Ok(Attempt::Done(answer));
        }
        filed.changes.retain(|change| match change {
            Change::NewPerson { person: of } | Change::Identifier { person: of, .. } => {
                *of == person
            }
            Change::PersonFlag {
                person: of, flag, ..
            } => *of == person || flag == IDENTITY_DOUBT,
            _ => false,
        });
        filed.entries.retain(|one| one.person == Some(person));
        filed.items.clear();
        filed.future.clear();
        filed.person = Some(person);
        let commit = kept(
            &self.received,
            DeliveryOutcome::Parked,
            kept::refused(&refusal),
            &refusal.issues,
            filed,
        );
        match self.parts.store.commit(commit) {
            Ok(_) => Ok(Attempt::Done(answer)),
            Err(
                StoreError::VersionConflict
                | StoreError::PersonExists
                | StoreError::IdentifierTaken
                | StoreError::AlreadyKept
                | StoreError::Stale,
            ) => Ok(Attempt::Again),
            Err(cause) => Err(cause.into()),
        }
    }

    /// A thing that is now about somebody else leaves the record it was in.
    fn moved(&self, put: &Put, held: &Held) -> Result<Option<Change>, RestRefusal> {
        if held.resource_type == ResourceType::PATIENT {
            return Err(RestRefusal::one(
                409,
                "conflict",
                "These details are of somebody else than the Patient at this address.",
                "Send them as a Patient of its own; whether two are one person is decided by a data quality officer.",
            ));
        }
        if put.by_our_id {
            return Err(RestRefusal::one(
                422,
                "business-rule",
                "This would be about another person than before, and its address names the person.",
                "Delete it, and create it again under the right person.",
            ));
        }
        Ok((!held.deleted).then(|| Change::Item(self.tombstone(held))))
    }

    fn tombstone(&self, held: &Held) -> PutItem {
        let labels = (held.category, held.sensitivity);
        let id = logical_id(held.owner, held.item);
        PutItem {
            person: held.owner,
            resource_type: held.resource_type,
            item: held.item,
            category: held.category,
            sensitivity: held.sensitivity,
            source: self.request.source.clone(),
            gp_sourced: self.kind == OrganisationKind::Practice,
            code_key: 0,
            current: false,
            withdrawn: false,
            deleted: true,
            clinical_at: held.clinical_at,
            event_at: self.received.received_at,
            order: PutOrder::ByArrival,
            expect: expected(held.version),
            received_at: self.received.received_at,
            body: body(
                held.resource_type,
                &id,
                Json::Object(Vec::new()),
                self.request.source,
                labels,
            ),
        }
    }

    /// The tombstones, and the ends of the involvements that stood on what is deleted.
    fn take_away(&self, plan: &Plan, finder: &Finder<'_>, filed: &mut Filed) -> Result<(), Stop> {
        for (aim, write) in plan.aims.iter().zip(&self.request.writes) {
            let Aim::Delete(all) = aim else { continue };
            for held in all {
                if let (ResourceType::PATIENT, Some(person)) = (held.resource_type, held.owner) {
                    let left = finder.other_items(person)?;
                    let left = left
                        .iter()
                        .filter(|(kind, item)| {
                            !plan.deleted.contains(&(Some(person), *kind, *item))
                        })
                        .count();
                    if left > 0 {
                        return Err(still_referred_to(left).about(write.entry).into());
                    }
                }
                filed.changes.push(Change::Item(self.tombstone(held)));
                filed.changes.push(note_deleted(self.request.source, held));
                filed.changes.extend(self.ended(held)?);
                filed.items.push(FiledItem {
                    resource_type: held.resource_type,
                    source_key: String::new(),
                    id: logical_id(held.owner, held.item),
                    was_held: true,
                });
                if filed.person.is_none() && self.request.writes.len() == 1 {
                    filed.person = held.owner;
                }
            }
        }
        Ok(())
    }

    fn ended(&self, held: &Held) -> Result<Vec<Change>, StoreError> {
        let Some(person) = held.owner else {
            return Ok(Vec::new());
        };
        let row = self.parts.store.person(person)?.unwrap_or_default();
        let own = row.involvements.into_iter().filter(|(source, one)| {
            source == self.request.source
                && one.source_key.split_once('/').is_some_and(|(name, key)| {
                    name == held.resource_type.name()
                        && crate::intake::item::item_id(source, held.resource_type, key)
                            == held.item
                })
        });
        Ok(own
            .map(|(source, mut involvement)| {
                involvement.cancelled = true;
                Change::Involvement {
                    event_at: self.received.received_at,
                    person,
                    source,
                    involvement,
                }
            })
            .collect())
    }

    fn commit(&self, plan: &Plan, finder: &Finder<'_>, filed: Filed) -> Result<Attempt, Stop> {
        let warnings = filed.issues.clone();
        let mut writes = self.foreseen(plan, finder, &filed, &warnings)?;
        let is_nothing = filed.changes.is_empty();
        if is_nothing && !self.is_named && plan.aims.iter().all(|aim| matches!(aim, Aim::Delete(_)))
        {
            return Ok(Attempt::Done(self.done(&writes, &warnings)?));
        }
        let outcome = outcome_of(&warnings);
        let told: Vec<(String, String)> = warnings
            .iter()
            .map(|issue| (issue.place.clone(), issue.text.clone()))
            .collect();
        let mut received = self.received.clone();
        // What stays as it was needs no second note of where it came from.
        received.was_used_before = writes.iter().all(|write| write.unchanged);
        let kept_writes = writes.iter().map(|one| one.kept.clone()).collect();
        let commit = kept(&received, outcome, kept::done(kept_writes), &told, filed);
        let order: Vec<Whole> = commit
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Item(put) => Some((put.person, put.resource_type, put.item)),
                _ => None,
            })
            .collect();
        match self.parts.store.commit(commit) {
            Ok(done) => {
                for (whole, put) in order.iter().zip(&done.items) {
                    for write in writes
                        .iter_mut()
                        .filter(|write| write.whole == Some(*whole))
                    {
                        write.kept.version = Some(put.version());
                    }
                }
                Ok(Attempt::Done(self.done(&writes, &warnings)?))
            }
            Err(
                StoreError::VersionConflict
                | StoreError::PersonExists
                | StoreError::IdentifierTaken
                | StoreError::AlreadyKept
                | StoreError::Stale,
            ) => Ok(Attempt::Again),
            Err(cause) => Err(cause.into()),
        }
    }

    fn done(&self, writes: &[Foreseen], warnings: &[MapIssue]) -> Result<RestAnswer, StoreError> {
        let kept: Vec<KeptWrite> = writes.iter().map(|one| one.kept.clone()).collect();
        Ok(RestAnswer {
            outcome: outcome_of(warnings),
            result: Ok(self.written(&kept)?),
        })
    }

    /// What will be answered if the commit goes through. The store gives the version; here it is
    /// foreseen, because the answer is kept in the same commit.
    fn foreseen(
        &self,
        plan: &Plan,
        finder: &Finder<'_>,
        filed: &Filed,
        warnings: &[MapIssue],
    ) -> Result<Vec<Foreseen>, Stop> {
        let mut all = Vec::with_capacity(plan.aims.len());
        for (place, (aim, write)) in plan.aims.iter().zip(&self.request.writes).enumerate() {
            let told = warnings
                .iter()
                .filter(|issue| self.is_about(issue, place))
                .map(as_warning)
                .collect::<Vec<_>>();
            let mut kept = KeptWrite {
                status: 204,
                type_name: write.resource_type.name().to_owned(),
                person: None,
                item: None,
                version: None,
                at: None,
                outcome: fhir::outcome(&told).to_string(),
            };
            let mut whole = None;
            let mut unchanged = true;
            match aim {
                Aim::Found(held) => {
                    kept.status = 200;
                    note(&mut kept, held, held.version);
                    kept.at = Some(held.received_at);
                }
                Aim::Delete(held) => {
                    if let Some(held) = held.first() {
                        let version = finder.next_version(held)?;
                        note(&mut kept, held, version);
                        kept.at = Some(self.received.received_at);
                        whole = Some((held.owner, held.resource_type, held.item));
                        unchanged = false;
                    }
                }
                Aim::Put(put) => {
                    let item = plan
                        .book
                        .item(self.request.source, write.resource_type, &put.key);
                    let found = filed.changes.iter().find_map(|change| match change {
                        Change::Item(one)
                            if one.item == item
                                && one.resource_type == write.resource_type
                                && !one.deleted =>
                        {
                            Some(one)
                        }
                        _ => None,
                    });
                    let Some(one) = found else {
                        all.push(Foreseen {
                            kept,
                            whole,
                            unchanged,
                        });
                        continue;
                    };
                    let held = put.held.as_ref().filter(|held| held.owner == one.person);
                    let is_new = put.is_new() || held.is_none();
                    let is_created = is_new && write.method != RestMethod::Patch;
                    kept.status = if is_created { 201 } else { 200 };
                    kept.person = one.person.map(|person| person.0);
                    kept.item = Some(one.item.0);
                    whole = Some((one.person, one.resource_type, one.item));
                    let same = held.filter(|held| !held.deleted && is_same(held, one));
                    unchanged = same.is_some();
                    (kept.version, kept.at) = match (same, held) {
                        (Some(held), _) => (Some(held.version), Some(held.received_at)),
                        (None, Some(held)) => (
                            Some(finder.next_version(held)?),
                            Some(self.received.received_at),
                        ),
                        (None, None) => (Some(1), Some(self.received.received_at)),
                    };
                }
            }
            all.push(Foreseen {
                kept,
                whole,
                unchanged,
            });
        }
        Ok(all)
    }

    /// Whether a warning belongs to a write: by the entry it names, else to the first.
    fn is_about(&self, issue: &MapIssue, place: usize) -> bool {
        let entry = issue
            .place
            .strip_prefix("Bundle.entry[")
            .and_then(|rest| rest.split_once(']'))
            .and_then(|(number, _)| number.parse::<usize>().ok());
        match entry {
            Some(entry) => self.request.writes[place].entry == Some(entry),
            None => place == 0,
        }
    }

    /// Answers with the bodies as they are read now.
    fn written(&self, writes: &[KeptWrite]) -> Result<Vec<Written>, StoreError> {
        let mut all = Vec::with_capacity(writes.len());
        for write in writes {
            let mut id = None;
            let mut read = None;
            if let Some((owner, kind, item)) = write.whole() {
                let given = read_id(kind, owner, item);
                if write.status != 204 {
                    let stored = self.parts.store.version_of(
                        owner,
                        &self.view,
                        (kind, item),
                        write.version,
                    )?;
                    read = stored.map(|stored| as_read(stored.body, kind, &given));
                }
                id = Some(given);
            }
            all.extend(write.written(id, read));
        }
        Ok(all)
    }
}

/// One write's answer before it is certain.
struct Foreseen {
    kept: KeptWrite,
    whole: Option<Whole>,
    unchanged: bool,
}

fn note(kept: &mut KeptWrite, held: &Held, version: u32) {
    kept.person = held.owner.map(|person| person.0);
    kept.item = Some(held.item.0);
    kept.version = Some(version);
}

fn expected(version: u32) -> Expect {
    if is_guarded() {
        Expect::Version(version)
    } else {
        Expect::Any
    }
}

/// Always, but in the negative control of promise R24: there the version is looked at before the
/// transaction and not inside it.
fn is_guarded() -> bool {
    #[cfg(test)]
    if super::promise::looks_outside() {
        return false;
    }
    true
}

/// Whether a put would change nothing.
fn is_same(held: &Held, put: &PutItem) -> bool {
    store::with_version(&put.body, held.version, held.received_at) == held.body
        && (held.category, held.sensitivity) == (put.category, put.sensitivity)
}

/// A stored body as its source reads it: its own Patient of a person has the person's id.
fn as_read(stored: Vec<u8>, kind: ResourceType, id: &str) -> Vec<u8> {
    if kind != ResourceType::PATIENT {
        return stored;
    }
    match Json::parse(&stored, Limits::default()) {
        Ok(mut resource) => {
            resource.set("id", Json::text(id));
            resource.to_string().into_bytes()
        }
        Err(_) => stored,
    }
}

fn address(write: &super::RestWrite) -> String {
    let of = write
        .id
        .as_deref()
        .or(write.criteria.as_deref())
        .or(write.if_none_exist.as_deref());
    format!("{}/{}", write.resource_type, of.unwrap_or_default())
}

fn outcome_of(warnings: &[MapIssue]) -> DeliveryOutcome {
    if warnings.is_empty() {
        DeliveryOutcome::Processed
    } else {
        DeliveryOutcome::ProcessedWithWarnings
    }
}

fn as_warning(issue: &MapIssue) -> OutcomeIssue {
    OutcomeIssue {
        severity: IssueSeverity::Warning,
        code: "value",
        details: issue.text.clone(),
        diagnostics: String::new(),
        expression: Some(issue.place.clone()),
    }
}

fn already_there(other: &Held) -> RestRefusal {
    RestRefusal::one(
        409,
        "duplicate",
        format!(
            "You have sent this person before: Patient/{}. Nothing was written.",
            other.id()
        ),
        "PUT the details there. If this is somebody else, check the NHS number.",
    )
}

fn still_referred_to(left: usize) -> RestRefusal {
    RestRefusal::one(
        409,
        "conflict",
        format!(
            "You have sent {left} other resources about this person, so the Patient was not deleted."
        ),
        "Delete those first, or all of them in one transaction.",
    )
}

/// 128 random bits in hexadecimal: the key of something its source gave no name.
fn fresh() -> Result<String, StoreError> {
    let (high, low) = (
        getrandom::u64().map_err(|error| StoreError::Engine(Box::new(error)))?,
        getrandom::u64().map_err(|error| StoreError::Engine(Box::new(error)))?,
    );
    Ok(format!("new-{high:016x}{low:016x}"))
}

/// The key of something its source gave no name, in a request that has one: the same request makes the
/// same thing, whenever and wherever it is tried again.
fn named_key(client: &str, request: &str, place: usize) -> String {
    let whole = format!("{client}\0{request}\0{place}");
    format!("new-{}", short(&digest(whole.as_bytes())))
}
