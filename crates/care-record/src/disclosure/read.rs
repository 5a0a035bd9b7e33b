//! One page of a record: the visit, the decision, the items, the arrangement, the entry.

use care_core::access::{Decision, Facts, View};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::{
    self, Alerts, Banner, Header, Input, Item, MenuEntry, SectionRequest, SectionView, SourceState,
    ViewFacts,
};
use care_core::vocabulary::{Category, Demographics, ItemId, Organisation, PersonId, SourceCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::fhir::item_name;
use super::gather::{Gathered, flag};
use super::marks::unavailable_flag;
use super::visits::{KeptVisit, forget};
use super::{Answer, Disclosed, Disclosure, DisclosureError, decided_entry, handles, redact};
use crate::caller::Caller;
use crate::store::StoreError;

/// Everything a record page draws.
#[derive(Debug, Clone)]
pub struct Page {
    /// The patient banner.
    pub banner: Banner,
    /// The alert strip.
    pub alerts: Alerts,
    /// The record menu.
    pub menu: Vec<MenuEntry>,
    /// The section.
    pub section: SectionView,
    /// What the decision says about this view.
    pub facts: ViewFacts,
    /// The visit.
    pub visit: VisitFacts,
}

/// What a page says of its visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitFacts {
    /// Why the record was opened, in the words of screen C5.
    pub why: String,
    /// When.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// Emergency access.
    pub emergency: bool,
}

/// What was read for a page, before it is arranged.
pub(super) struct Held {
    pub headers: Vec<Header>,
    pub items: Vec<Item>,
    pub broken: Vec<(ResourceType, ItemId)>,
    pub history: Vec<Header>,
    pub sources: Vec<SourceState>,
}

impl Disclosure {
    /// One page of the record of a visit. The rules are asked again: a choice made since the visit
    /// began ends it.
    pub fn section(
        &self,
        caller: &Caller,
        visit: &str,
        request: &SectionRequest,
    ) -> Answer<Disclosed<Page>> {
        self.page(caller, visit, request, Act::View)
    }

    /// The same for printing, recorded as such.
    pub fn print(
        &self,
        caller: &Caller,
        visit: &str,
        request: &SectionRequest,
    ) -> Answer<Disclosed<Page>> {
        self.page(caller, visit, request, Act::Print)
    }

    fn page(
        &self,
        caller: &Caller,
        visit: &str,
        request: &SectionRequest,
        act: Act,
    ) -> Answer<Disclosed<Page>> {
        let now = self.now();
        let (kept, person) = self.visit(caller, visit)?;
        let gathered = self.gather(caller, person, &kept.asked(caller.user.role))?;
        let mut entry = decided_entry(now, act, caller, &gathered);
        entry.visit = handles::digest(visit);
        entry.page = page_name(request);
        let Some(view) = gathered.decision.view() else {
            self.end_visit(caller, visit, entry)?;
            return Err(DisclosureError::VisitEnded);
        };
        entry.trace.push(self.recorded(&gathered));
        let around = self.around(caller, &gathered, &kept)?;
        let opened = self.opened_in(caller, &kept, &gathered)?;
        let held = self.read(&gathered, view, request, &around, (now, opened))?;
        if not_there(request, &held) {
            entry.detail = "none found".to_owned();
            self.disclose(Vec::new(), entry, ())?;
            return Err(DisclosureError::NotThere);
        }
        entry.items = held
            .items
            .iter()
            .map(|item| item_name(&item.header))
            .collect();
        let scene = Scene {
            facts: &gathered.facts,
            decision: &gathered.decision,
            known: &gathered.known,
            around: &around,
            now,
        };
        let page = self.arrange(&scene, &held, request);
        entry.shown = shown(request, &around, &page);
        self.disclose(Vec::new(), entry, page)
    }

    /// The rules say no to a visit that was open: it ends, and the entry says why.
    pub(super) fn end_visit(&self, caller: &Caller, visit: &str, mut entry: Entry) -> Answer<()> {
        entry.outcome = Outcome::Denied;
        self.disclose(forget(caller, visit).into(), entry, ())?;
        Ok(())
    }

    /// Reads what a page needs. `opened` are items whose seal was opened, with the view that reads them.
    fn read(
        &self,
        gathered: &Gathered,
        view: &View,
        request: &SectionRequest,
        around: &Around,
        (now, opened): (Timestamp, Option<(View, Vec<Header>)>),
    ) -> Answer<Held> {
        let mut headers = self.inner.store.headers(gathered.person, view)?;
        let (beyond, unsealed) = match opened {
            Some((beyond, headers)) => (Some(beyond), headers),
            None => (None, Vec::new()),
        };
        headers.extend(unsealed.iter().cloned());
        let is_unsealed = |key: &(ResourceType, ItemId)| {
            let mut keys = unsealed.iter();
            keys.any(|header| (header.resource_type, header.item) == *key)
        };
        // How an item came is told on the item; it is no item of its own on a page.
        headers.retain(|header| header.resource_type != ResourceType::PROVENANCE);
        let mut items = Vec::new();
        let mut broken = Vec::new();
        let mut load = |wanted: Vec<(ResourceType, ItemId)>, items: &mut Vec<Item>| {
            let (sealed, plain): (Vec<_>, Vec<_>) = wanted.into_iter().partition(is_unsealed);
            self.load(gathered.person, view, &plain, items, &mut broken)?;
            match &beyond {
                Some(beyond) => self.load(gathered.person, beyond, &sealed, items, &mut broken),
                None => Ok(()),
            }
        };
        load(sections::wanted(request, &headers), &mut items)?;
        load(sections::follow(request, &items), &mut items)?;
        broken.sort_unstable();
        broken.dedup();
        let history = match request {
            SectionRequest::Item { item } | SectionRequest::Document { item } => headers
                .iter()
                .find(|header| header.item == *item)
                .map(|header| (header.resource_type, header.item))
                .map(|key| self.inner.store.history(gathered.person, view, key))
                .transpose()?
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        let sources = self.sources(around, &headers, now);
        Ok(Held {
            headers,
            items,
            broken,
            history,
            sources,
        })
    }

    /// Reads bodies. One that cannot be read is left out and reported; the others are shown (S8).
    fn load(
        &self,
        person: PersonId,
        view: &View,
        wanted: &[(ResourceType, ItemId)],
        items: &mut Vec<Item>,
        broken: &mut Vec<(ResourceType, ItemId)>,
    ) -> Answer<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let bodies = match self.inner.store.bodies(person, view, wanted) {
            Ok(bodies) => bodies,
            Err(StoreError::Corrupt) => self.readable_ones(person, view, wanted, broken)?,
            Err(other) => return Err(other.into()),
        };
        for stored in bodies {
            let key = (stored.header.resource_type, stored.header.item);
            let Ok(mut body) = Json::parse(&stored.body, Limits::default()) else {
                broken.push(key);
                continue;
            };
            redact::resource(&mut body, view);
            items.push(Item {
                header: stored.header,
                body,
            });
        }
        if !broken.is_empty() {
            tracing::error!(
                count = broken.len(),
                "stored items could not be read; run `connect-care store check`"
            );
        }
        Ok(())
    }

    fn readable_ones(
        &self,
        person: PersonId,
        view: &View,
        wanted: &[(ResourceType, ItemId)],
        broken: &mut Vec<(ResourceType, ItemId)>,
    ) -> Answer<Vec<crate::store::StoredBody>> {
        let mut bodies = Vec::new();
        for key in wanted {
            match self.inner.store.bodies(person, view, &[*key]) {
                Ok(one) => bodies.extend(one),
                Err(StoreError::Corrupt) => broken.push(*key),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(bodies)
    }

    /// Every source with its state for this person, in the order of the configuration.
    pub(super) fn sources(
        &self,
        around: &Around,
        headers: &[Header],
        now: Timestamp,
    ) -> Vec<SourceState> {
        let state = |source: &crate::directory::Source| {
            let organisation = &source.organisation;
            let own = headers
                .iter()
                .filter(|header| header.source == organisation.ods);
            let own = own.filter(|header| header.resource_type != ResourceType::PATIENT);
            let past = own
                .clone()
                .filter_map(|header| header.clinical_at)
                .filter(|at| *at <= now);
            SourceState {
                source: organisation.ods.clone(),
                kind: organisation.kind,
                name: organisation.name.clone(),
                short_name: organisation.short_name.clone(),
                phone: organisation.phone.clone(),
                shares: source.shares.clone(),
                leaves_out: source.leaves_out.clone(),
                supplies: source.supplies,
                connected: source.connected,
                last_received: around.moment_of(&around.received, &organisation.ods),
                agreed_interval_minutes: source.agreed_interval_minutes,
                failed_since: around.moment_of(&around.failed, &organisation.ods),
                newest_item: past.max(),
                items: own.count() as u64,
            }
        };
        self.inner.directory.sources().iter().map(state).collect()
    }

    /// What a page is arranged from besides items and decision, as it is now.
    fn around(&self, caller: &Caller, gathered: &Gathered, visit: &KeptVisit) -> Answer<Around> {
        let activity = self.inner.store.source_activity(None)?;
        let received = activity
            .iter()
            .filter_map(|one| Some((one.source.to_string(), one.last_received?)));
        let sources = self.inner.directory.sources().iter();
        let failed = sources.filter_map(|source| {
            let code = &source.organisation.ods;
            Some((code.to_string(), unavailable_since(gathered, code)?))
        });
        let doubt = self.doubtful_records(gathered)?;
        Ok(Around {
            why: visit.why.words(),
            opened_ms: visit.opened_ms,
            ends_ms: visit.ends_ms,
            emergency: visit.emergency,
            looked_before_ms: visit.looked_before_ms,
            records_open: self.records_open(caller)?,
            doubt: doubt
                .into_iter()
                .map(|(code, count)| (code.to_string(), count))
                .collect(),
            received: received.collect(),
            failed: failed.collect(),
        })
    }

    /// Arranges a page: the same scene and the same items give the same page.
    pub(super) fn arrange(&self, scene: &Scene<'_>, held: &Held, request: &SectionRequest) -> Page {
        let facts = scene.view_facts();
        let mut demographics = scene.known.clone();
        if facts.location_removed {
            redact::demographics(&mut demographics);
        }
        let input = Input {
            headers: &held.headers,
            items: &held.items,
            broken: &held.broken,
            history: &held.history,
            sources: &held.sources,
            facts: &facts,
            demographics: &demographics,
            practice: self.practice(&demographics),
            last_looked: scene
                .around
                .looked_before_ms
                .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            now: scene.now,
        };
        Page {
            banner: sections::banner(&input),
            alerts: sections::alerts(&input),
            menu: sections::menu(&input),
            section: sections::arrange(request, &input),
            visit: scene.around.visit(),
            facts: facts.clone(),
        }
    }

    fn practice(&self, known: &Demographics) -> Option<&Organisation> {
        self.inner.directory.organisation(known.practice.as_ref()?)
    }

    /// How many records this session has open.
    fn records_open(&self, caller: &Caller) -> Answer<u32> {
        let now = self.now().as_millisecond();
        let prefix = format!("{}|", caller.session);
        let open = self.inner.store.keep_list("open-visit", &prefix, now, 50)?;
        Ok(u32::try_from(open.len()).unwrap_or(u32::MAX))
    }
}

/// What a page is arranged from besides items and decision. Stands in its entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Around {
    why: String,
    opened_ms: i64,
    ends_ms: i64,
    emergency: bool,
    looked_before_ms: Option<i64>,
    records_open: u32,
    doubt: Vec<(String, u32)>,
    received: Vec<(String, Timestamp)>,
    failed: Vec<(String, Timestamp)>,
}

impl Around {
    fn moment_of(&self, among: &[(String, Timestamp)], source: &SourceCode) -> Option<Timestamp> {
        let found = among.iter().find(|(code, _)| code == source.as_str());
        found.map(|(_, at)| *at)
    }

    fn visit(&self) -> VisitFacts {
        let moment = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN);
        VisitFacts {
            why: self.why.clone(),
            opened_at: moment(self.opened_ms),
            ends_at: moment(self.ends_ms),
            emergency: self.emergency,
        }
    }
}

/// One look: the facts, what the rules made of them, who the person is, and the moment.
pub(super) struct Scene<'a> {
    pub facts: &'a Facts,
    pub decision: &'a Decision,
    pub known: &'a Demographics,
    pub around: &'a Around,
    pub now: Timestamp,
}

impl Scene<'_> {
    fn view_facts(&self) -> ViewFacts {
        let view = self.decision.view();
        let categories = self.decision.visible_categories();
        let glass = self.facts.break_glass.as_ref();
        let seal_asked = glass.is_some_and(|glass| glass.opens_seal);
        let doubt = self.around.doubt.iter();
        ViewFacts {
            categories,
            hidden_sources: view
                .map(|view| view.hidden_sources().to_vec())
                .unwrap_or_default(),
            hide_gp_sourced: view.is_some_and(View::hide_gp_sourced),
            withheld_notice: self.decision.withheld_notice(),
            may_break_seal: self.facts.user.can_break_seal && !seal_asked,
            location_removed: !categories.contains(Category::Location),
            emergency_until: self
                .around
                .emergency
                .then(|| Timestamp::from_millisecond(self.around.ends_ms).ok())
                .flatten(),
            identity_doubt: doubt
                .filter_map(|(code, count)| Some((SourceCode::parse(code).ok()?, *count)))
                .collect(),
            records_open: self.around.records_open,
        }
    }
}

/// What an entry keeps of a page, so that it can be shown again; nothing for a search.
fn shown(request: &SectionRequest, around: &Around, page: &Page) -> Option<serde_json::Value> {
    Some(serde_json::json!({
        "asked": request.recorded()?,
        "build": env!("CARGO_PKG_VERSION"),
        "digest": page.digest()?,
        "around": serde_json::to_value(around).ok()?,
    }))
}

impl Page {
    /// A digest of everything a page draws: the same digest draws the same page.
    pub(super) fn digest(&self) -> Option<String> {
        let whole = (&self.banner, &self.alerts, &self.menu, &self.section);
        let bytes = serde_json::to_vec(&whole).ok()?;
        let digest = Sha256::digest(&bytes);
        Some(
            digest
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }
}

/// A source that is known not to answer for this person, and since when.
fn unavailable_since(gathered: &Gathered, source: &SourceCode) -> Option<Timestamp> {
    flag(&gathered.row, &unavailable_flag(source))?.parse().ok()
}

/// An item, document or test that is not among what the view permits is not there.
fn not_there(request: &SectionRequest, held: &Held) -> bool {
    match request {
        SectionRequest::Item { item } | SectionRequest::Document { item } => {
            !held.items.iter().any(|one| one.header.item == *item)
        }
        SectionRequest::Test { code_key } => !held
            .headers
            .iter()
            .any(|header| header.code_key == *code_key),
        _ => false,
    }
}

/// The name of a page in the log; never a search word.
fn page_name(request: &SectionRequest) -> String {
    request
        .section()
        .map_or_else(|| "item".to_owned(), |section| section.code().to_owned())
}
