//! Subscriptions of sources to their own items: what changed is queued durably, in order, and told at
//! least once.
//!
//! The queue is made of the moments of commits: a subscription remembers up to which change it looked, and
//! each look keeps what it found together with how far it came, in one commit. So a restart loses nothing.
//! What is told is read at the time of telling, under the source's view, after an entry for each person it
//! is about. Knows no HTTP: the face delivers and says how it went.
//! Source: HL7 Subscriptions R5 Backport 1.1 for R4; docs/adr/0018-a-source-reads-back-what-it-sent.md.

mod filter;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use care_core::access::{Supplier, View, supplier_view};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::ResourceType;
use care_core::vocabulary::{ItemId, PersonId, SourceCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use filter::{Filter, FilterError};

use crate::clock::Clock;
use crate::store::{
    Change, ChangePlace, ChangesAsked, Commit, NewWorklist, Store, StoreError, StoredBody,
};
use crate::worklists::WorklistKind;

const SPACE: &str = "subscription";
const EVENTS: &str = "subscription-event";
/// Subscriptions at most, of everybody.
const MOST: u32 = 1_000;
/// Changes looked at in one page, and matches queued in one commit.
const PAGE: u32 = 200;
const MOST_QUEUED: usize = 200;
/// How long a told event can be asked for again.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Tries that failed before the integration engineer is told and the status is `error`, and before the
/// subscription is switched off.
const TRIES_BEFORE_ERROR: u32 = 5;
const TRIES_BEFORE_OFF: u32 = 60;

/// How a subscription does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionStatus {
    /// Its handshake is still to come.
    Requested,
    /// It is told what changes.
    Active,
    /// Telling failed and is tried again.
    Error,
    /// Nothing is told any more.
    Off,
}

impl SubscriptionStatus {
    /// FHIR's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Active => "active",
            Self::Error => "error",
            Self::Off => "off",
        }
    }
}

/// A subscription as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// The client that made it.
    pub client: String,
    /// The source whose items it is about.
    pub source: String,
    /// The resource as it was sent: JSON.
    pub body: String,
    /// What it looks for, such as `Observation?status=final`.
    pub criteria: String,
    /// Counts the versions sent.
    pub version: u32,
    /// When it was sent last.
    pub changed_at: Timestamp,
    /// How it does.
    pub status: SubscriptionStatus,
    /// Why telling failed; empty where it did not.
    pub error: String,
    /// Tries that failed one after another.
    pub tries: u32,
    /// Nothing is tried before this.
    pub not_before: Timestamp,
    /// When something was last told.
    pub told_at: Timestamp,
    /// Events found so far: the number of the newest.
    pub queued: u64,
    /// Events told: the number of the newest.
    pub told: u64,
    /// Up to where was looked: the moment, and the place within its commit.
    looked: (u64, (u64, u16, u64, u32)),
}

impl Subscription {
    fn key(&self) -> String {
        key(&self.client, &self.id)
    }

    fn place(&self) -> ChangePlace {
        ChangePlace {
            moment: self.looked.0,
            within: self.looked.1,
        }
    }

    /// Whether something waits to be told.
    pub fn waits(&self) -> bool {
        self.queued > self.told
    }
}

fn key(client: &str, id: &str) -> String {
    format!("{client}/{id}")
}

/// A change that was found, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Queued {
    kind: u16,
    person: Option<u64>,
    item: u64,
    version: u32,
    deleted: bool,
    at: Timestamp,
}

/// One event on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number: 1 is the subscription's first.
    pub number: u64,
    /// When the record took it.
    pub at: Timestamp,
    /// The type.
    pub kind: ResourceType,
    /// The logical id.
    pub id: String,
    /// The version.
    pub version: u32,
    /// The source took it away.
    pub deleted: bool,
    /// The resource, where it was asked for and is there: JSON.
    pub body: Option<Vec<u8>>,
}

/// Why a subscription could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// There is none, or it is another client's.
    #[error("there is no subscription of this id")]
    NotThere,
    /// There are as many as there can be.
    #[error("there are {MOST} subscriptions; take one away first")]
    TooMany,
    /// The store did not write or answer.
    #[error("the subscription was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for SubscriptionError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

type Answer<T> = Result<T, SubscriptionError>;

/// Keeps subscriptions, queues what they look for, and says what to tell.
#[derive(Clone)]
pub struct Subscriptions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Up to where was looked without finding anything, since this process began: spares looking again.
    looked: Arc<Mutex<HashMap<String, ChangePlace>>>,
    /// One change of a subscription at a time.
    one_at_a_time: Arc<Mutex<()>>,
}

/// What somebody sends to be kept.
#[derive(Debug, Clone)]
pub struct NewSubscription<'a> {
    /// The client.
    pub client: &'a str,
    /// Its source.
    pub source: &'a SourceCode,
    /// Its id: a new one, or that of a subscription it changes.
    pub id: &'a str,
    /// The resource: JSON.
    pub body: String,
    /// What it looks for.
    pub criteria: String,
    /// It is not to be told anything for now.
    pub off: bool,
}

fn view_of(subscription: &Subscription) -> Option<View> {
    let source = SourceCode::parse(&subscription.source).ok()?;
    Supplier::configured(&subscription.client, &source).map(|one| supplier_view(&one))
}

impl Subscriptions {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            looked: Arc::default(),
            one_at_a_time: Arc::default(),
        }
    }

    /// Every subscription.
    pub fn all(&self) -> Answer<Vec<Subscription>> {
        self.with_prefix("")
    }

    /// Those of a client.
    pub fn of(&self, client: &str) -> Answer<Vec<Subscription>> {
        self.with_prefix(&format!("{client}/"))
    }

    fn with_prefix(&self, prefix: &str) -> Answer<Vec<Subscription>> {
        let now = self.clock.now().as_millisecond();
        let kept = self.store.keep_list(SPACE, prefix, now, MOST)?;
        let read = |(_, bytes): (String, Vec<u8>)| serde_json::from_slice(&bytes).ok();
        Ok(kept.into_iter().filter_map(read).collect())
    }

    /// One of a client's.
    pub fn get(&self, client: &str, id: &str) -> Answer<Subscription> {
        let now = self.clock.now().as_millisecond();
        let kept = self.store.keep_get(SPACE, &key(client, id), now)?;
        kept.and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or(SubscriptionError::NotThere)
    }

    /// Keeps a new subscription, or a new version of one. What changed before it was first sent is not told;
    /// a new version goes on where the last one was.
    pub fn put(&self, new: &NewSubscription<'_>) -> Answer<Subscription> {
        let _alone = self.alone();
        let now = self.clock.now();
        let held = match self.get(new.client, new.id) {
            Ok(held) => Some(held),
            Err(SubscriptionError::NotThere) => None,
            Err(other) => return Err(other),
        };
        if held.is_none() && self.all()?.len() >= MOST as usize {
            return Err(SubscriptionError::TooMany);
        }
        let mut kept = held.unwrap_or(Subscription {
            id: new.id.to_owned(),
            client: new.client.to_owned(),
            source: new.source.to_string(),
            body: String::new(),
            criteria: String::new(),
            version: 0,
            changed_at: now,
            status: SubscriptionStatus::Requested,
            error: String::new(),
            tries: 0,
            not_before: now,
            told_at: now,
            queued: 0,
            told: 0,
            looked: (0, (0, 0, 0, 0)),
        });
        if kept.version == 0 {
            let place = self.newest(&kept)?;
            kept.looked = (place.moment, place.within);
        }
        kept.body.clone_from(&new.body);
        kept.criteria.clone_from(&new.criteria);
        kept.version += 1;
        kept.changed_at = now;
        kept.status = if new.off {
            SubscriptionStatus::Off
        } else {
            SubscriptionStatus::Requested
        };
        kept.error.clear();
        kept.tries = 0;
        kept.not_before = now;
        self.keep_alone(&kept, Vec::new(), "a subscription was set")?;
        Ok(kept)
    }

    /// Takes a subscription away, with what waits to be told.
    pub fn delete(&self, client: &str, id: &str) -> Answer<()> {
        let _alone = self.alone();
        self.get(client, id)?;
        let change = Change::Keep {
            space: SPACE,
            key: key(client, id),
            value: None,
            expires_ms: 0,
        };
        self.commit(client, vec![change], "a subscription was taken away")
    }

    /// The newest change of the source as it stands.
    fn newest(&self, subscription: &Subscription) -> Answer<ChangePlace> {
        let nothing = ChangePlace {
            moment: 0,
            within: (0, 0, 0, 0),
        };
        let Some(view) = view_of(subscription) else {
            return Ok(nothing);
        };
        let asked = ChangesAsked {
            limit: 1,
            ..ChangesAsked::default()
        };
        let newest = self.store.changes(&view, &asked)?;
        Ok(newest.first().map_or(nothing, StoredBody::place))
    }

    /// Looks for what changed since the last look, and queues what fits, oldest first. True while there may
    /// be more.
    pub fn look(&self, subscription: &mut Subscription, filter: &Filter) -> Answer<bool> {
        let Some(view) = view_of(subscription) else {
            return Ok(false);
        };
        let from = self.looked_until(subscription);
        let Some((newest, mut found)) = self.since(&view, filter, from)? else {
            return Ok(false);
        };
        // Oldest first; what is too much for one commit is found again.
        found.reverse();
        let more = found.len() > MOST_QUEUED;
        let until = match found.get(MOST_QUEUED - 1) {
            Some((place, _)) if more => *place,
            _ => newest,
        };
        found.truncate(MOST_QUEUED);
        if found.is_empty() {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            looked.insert(subscription.key(), until);
            return Ok(false);
        }
        let mut next = subscription.clone();
        next.looked = (until.moment, until.within);
        let expires = self.after(KEPT);
        let mut changes = Vec::new();
        for (_, queued) in found {
            next.queued += 1;
            changes.push(Change::Keep {
                space: EVENTS,
                key: event_key(&next, next.queued),
                value: Some(json(&queued)?),
                expires_ms: expires.as_millisecond(),
            });
        }
        self.keep(&next, changes, "changes were queued for a subscription")?;
        *subscription = next;
        Ok(more)
    }

    fn looked_until(&self, subscription: &Subscription) -> ChangePlace {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let here = looked.get(&subscription.key()).copied();
        let kept = subscription.place();
        here.filter(|here| order(*here) > order(kept))
            .unwrap_or(kept)
    }

    /// What fits of the changes after this place, newest first, and the newest place; `None` where nothing
    /// changed.
    #[allow(clippy::type_complexity, reason = "a list and where it begins")]
    fn since(
        &self,
        view: &View,
        filter: &Filter,
        from: ChangePlace,
    ) -> Answer<Option<(ChangePlace, Vec<(ChangePlace, Queued)>)>> {
        let now = self.clock.now();
        let mut newest = None;
        let mut found = Vec::new();
        let mut before = None;
        loop {
            let asked = ChangesAsked {
                kind: Some(filter.kind()),
                before,
                limit: PAGE,
                ..ChangesAsked::default()
            };
            let page = self.store.changes(view, &asked)?;
            let full = page.len() == PAGE as usize;
            for body in page {
                let place = body.place();
                if order(place) <= order(from) {
                    return Ok(newest.map(|newest| (newest, found)));
                }
                newest.get_or_insert(place);
                before = Some(place);
                if body.header.deleted || filter.fits(&body.body, now) {
                    found.push((place, queued(&body)));
                }
            }
            if !full {
                return Ok(newest.map(|newest| (newest, found)));
            }
        }
    }

    /// The events from `first` to `last`, each read now under the source's view. An entry for each person
    /// they are about is durable before they are given. Events that are too old are left out.
    pub fn events(
        &self,
        subscription: &Subscription,
        (first, last): (u64, u64),
        with_bodies: bool,
    ) -> Answer<Vec<Event>> {
        let Some(view) = view_of(subscription) else {
            return Ok(Vec::new());
        };
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut shown: Vec<(Option<PersonId>, Vec<String>)> = Vec::new();
        for number in first..=last.min(subscription.queued) {
            let key = event_key(subscription, number);
            let kept = self.store.keep_get(EVENTS, &key, now.as_millisecond())?;
            let Some(queued) = kept.and_then(|bytes| serde_json::from_slice::<Queued>(&bytes).ok())
            else {
                continue;
            };
            let Some(kind) = ResourceType::from_number(queued.kind) else {
                continue;
            };
            let (owner, item) = (queued.person.map(PersonId), ItemId(queued.item));
            let version = Some(queued.version);
            let held = self.store.version_of(owner, &view, (kind, item), version)?;
            // What the source may not read any more is not told.
            let Some(held) = held else { continue };
            let name = format!("{kind}/{item}/{}", queued.version);
            match shown.iter_mut().find(|(person, _)| *person == owner) {
                Some((_, names)) => names.push(name),
                None => shown.push((owner, vec![name])),
            }
            events.push(Event {
                number,
                at: queued.at,
                kind,
                id: logical_id(kind, owner, item),
                version: queued.version,
                deleted: queued.deleted,
                body: (with_bodies && !queued.deleted).then_some(held.body),
            });
        }
        self.written_down(subscription, shown)?;
        Ok(events)
    }

    /// One entry for each person.
    fn written_down(
        &self,
        subscription: &Subscription,
        shown: Vec<(Option<PersonId>, Vec<String>)>,
    ) -> Answer<()> {
        let mut entries = shown.into_iter().map(|(person, items)| {
            let mut entry = self.entry(&subscription.client, Act::ApiRead);
            entry.organisation.clone_from(&subscription.source);
            entry.person = person;
            entry.items = items;
            entry.page = "Subscription notification".to_owned();
            entry
        });
        let Some(entry) = entries.next() else {
            return Ok(());
        };
        self.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: entries.collect(),
        })?;
        Ok(())
    }

    /// Everything up to this event was told.
    pub fn told(&self, subscription: &mut Subscription, number: u64) -> Answer<()> {
        let mut next = subscription.clone();
        next.told = next.told.max(number);
        next.told_at = self.clock.now();
        next.status = SubscriptionStatus::Active;
        next.error.clear();
        next.tries = 0;
        self.keep(&next, Vec::new(), "a subscription was told")?;
        *subscription = next;
        Ok(())
    }

    /// Telling failed: it is tried again later and later; the integration engineer learns of it; in the end
    /// the subscription is switched off. `why` holds nothing about a person.
    pub fn failed(&self, subscription: &mut Subscription, why: &str) -> Answer<()> {
        let mut next = subscription.clone();
        next.tries += 1;
        next.error = why.to_owned();
        let seconds = 1_i64 << next.tries.min(11);
        next.not_before = self.after(SignedDuration::from_secs(seconds));
        let mut changes = Vec::new();
        if next.tries == TRIES_BEFORE_ERROR {
            next.status = SubscriptionStatus::Error;
            let detail =
                serde_json::json!({ "subscription": next.id, "client": next.client, "why": why });
            changes.push(Change::Worklist(NewWorklist {
                kind: WorklistKind::SubscriptionFailed.code().to_owned(),
                feed: next.client.clone(),
                delivery: None,
                person: None,
                opened_at: self.clock.now(),
                detail: json(&detail)?,
            }));
        }
        if next.tries >= TRIES_BEFORE_OFF {
            next.status = SubscriptionStatus::Off;
        }
        self.keep(&next, changes, "telling a subscription failed")?;
        *subscription = next;
        Ok(())
    }

    fn after(&self, span: SignedDuration) -> Timestamp {
        let now = self.clock.now();
        now.saturating_add(span).unwrap_or(now)
    }

    fn alone(&self) -> std::sync::MutexGuard<'_, ()> {
        self.one_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a subscription as it now is, unless it was taken away or changed in the meantime.
    fn keep(&self, next: &Subscription, changes: Vec<Change>, detail: &str) -> Answer<()> {
        let _alone = self.alone();
        if self.get(&next.client, &next.id)?.version != next.version {
            return Err(SubscriptionError::NotThere);
        }
        self.keep_alone(next, changes, detail)
    }

    fn keep_alone(
        &self,
        next: &Subscription,
        mut changes: Vec<Change>,
        detail: &str,
    ) -> Answer<()> {
        changes.push(Change::Keep {
            space: SPACE,
            key: next.key(),
            value: Some(json(next)?),
            expires_ms: i64::MAX / 1_000_000,
        });
        self.commit(&next.client, changes, detail)
    }

    fn entry(&self, client: &str, act: Act) -> Entry {
        Entry::new(self.clock.now(), act, Outcome::Success, client)
    }

    fn commit(&self, client: &str, changes: Vec<Change>, detail: &str) -> Answer<()> {
        let mut entry = self.entry(client, Act::Admin);
        entry.detail = detail.to_owned();
        self.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

/// The store's own order of changes.
fn order(place: ChangePlace) -> (u64, i64, u16, i64, u32) {
    let (part, kind, item, version) = place.within;
    (place.moment, part as i64, kind, item as i64, version)
}

fn event_key(subscription: &Subscription, number: u64) -> String {
    format!("{}/{number:016}", subscription.key())
}

fn json<T: Serialize>(value: &T) -> Answer<Vec<u8>> {
    serde_json::to_vec(value).map_err(|cause| SubscriptionError::Store(Box::new(cause)))
}

fn queued(body: &StoredBody) -> Queued {
    let header = &body.header;
    Queued {
        kind: header.resource_type.number(),
        person: body.owner().map(|person| person.0),
        item: header.item.0,
        version: header.version,
        deleted: header.deleted,
        at: header.received_at,
    }
}

/// A Patient is its person, things about nobody are their item, everything else is both.
fn logical_id(kind: ResourceType, owner: Option<PersonId>, item: ItemId) -> String {
    match owner {
        Some(person) if kind == ResourceType::PATIENT => person.to_string(),
        Some(person) => format!("{person}-{item}"),
        None => item.to_string(),
    }
}
