//! One page of a record: the visit, the decision, the items, the arrangement, the entry.

use care_core::access::View;
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::{
    self, Alerts, Banner, Header, Input, Item, MenuEntry, SectionRequest, SectionView, SourceState,
    ViewFacts,
};
use care_core::vocabulary::{Category, Demographics, ItemId, Organisation, PersonId, SourceCode};
use jiff::Timestamp;

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
struct Held {
    headers: Vec<Header>,
    items: Vec<Item>,
    broken: Vec<(ResourceType, ItemId)>,
    history: Vec<Header>,
    sources: Vec<SourceState>,
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
        let gathered = self.gather(caller, person, &kept.why.asked(caller.user.role))?;
        let mut entry = decided_entry(now, act, caller, &gathered);
        entry.visit = handles::digest(visit);
        entry.page = page_name(request);
        let Some(view) = gathered.decision.view() else {
            self.end_visit(caller, visit, entry)?;
            return Err(DisclosureError::VisitEnded);
        };
        let held = self.read(&gathered, view, request)?;
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
        let page = self.arrange(caller, &gathered, &kept, &held, request)?;
        self.disclose(Vec::new(), entry, page)
    }

    /// The rules say no to a visit that was open: it ends, and the entry says why.
    fn end_visit(&self, caller: &Caller, visit: &str, mut entry: Entry) -> Answer<()> {
        entry.outcome = Outcome::Denied;
        self.disclose(forget(caller, visit).into(), entry, ())?;
        Ok(())
    }

    fn read(&self, gathered: &Gathered, view: &View, request: &SectionRequest) -> Answer<Held> {
        let mut headers = self.inner.store.headers(gathered.person, view)?;
        // How an item came is told on the item; it is no item of its own on a page.
        headers.retain(|header| header.resource_type != ResourceType::PROVENANCE);
        let mut items = Vec::new();
        let mut broken = Vec::new();
        let wanted = sections::wanted(request, &headers);
        self.load(gathered.person, view, &wanted, &mut items, &mut broken)?;
        let more = sections::follow(request, &items);
        self.load(gathered.person, view, &more, &mut items, &mut broken)?;
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
        let sources = self.sources(gathered, &headers)?;
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
    fn sources(&self, gathered: &Gathered, headers: &[Header]) -> Answer<Vec<SourceState>> {
        let activity = self.inner.store.source_activity(None)?;
        let now = self.now();
        let state = |source: &crate::directory::Source| {
            let organisation = &source.organisation;
            let seen = activity.iter().find(|one| one.source == organisation.ods);
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
                last_received: seen.and_then(|one| one.last_received),
                agreed_interval_minutes: source.agreed_interval_minutes,
                failed_since: unavailable_since(gathered, &organisation.ods),
                newest_item: past.max(),
                items: own.count() as u64,
            }
        };
        Ok(self.inner.directory.sources().iter().map(state).collect())
    }

    fn arrange(
        &self,
        caller: &Caller,
        gathered: &Gathered,
        visit: &KeptVisit,
        held: &Held,
        request: &SectionRequest,
    ) -> Answer<Page> {
        let facts = self.view_facts(caller, gathered, visit)?;
        let demographics = shown_demographics(gathered, &facts);
        let input = Input {
            headers: &held.headers,
            items: &held.items,
            broken: &held.broken,
            history: &held.history,
            sources: &held.sources,
            facts: &facts,
            demographics: &demographics,
            practice: self.practice(&demographics),
            last_looked: visit
                .looked_before_ms
                .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
            now: self.now(),
        };
        Ok(Page {
            banner: sections::banner(&input),
            alerts: sections::alerts(&input),
            menu: sections::menu(&input),
            section: sections::arrange(request, &input),
            visit: visit_facts(visit),
            facts: facts.clone(),
        })
    }

    fn practice(&self, known: &Demographics) -> Option<&Organisation> {
        self.inner.directory.organisation(known.practice.as_ref()?)
    }

    fn view_facts(
        &self,
        caller: &Caller,
        gathered: &Gathered,
        visit: &KeptVisit,
    ) -> Answer<ViewFacts> {
        let decision = &gathered.decision;
        let view = decision.view();
        let categories = decision.visible_categories();
        let seal_asked = gathered
            .facts
            .break_glass
            .as_ref()
            .is_some_and(|glass| glass.opens_seal);
        Ok(ViewFacts {
            categories,
            hidden_sources: view
                .map(|view| view.hidden_sources().to_vec())
                .unwrap_or_default(),
            hide_gp_sourced: view.is_some_and(View::hide_gp_sourced),
            withheld_notice: decision.withheld_notice(),
            may_break_seal: caller.user.can_break_seal && !seal_asked,
            location_removed: !categories.contains(Category::Location),
            emergency_until: visit
                .emergency
                .then(|| Timestamp::from_millisecond(visit.ends_ms).ok())
                .flatten(),
            identity_doubt: self.doubtful_records(gathered)?,
            records_open: self.records_open(caller)?,
        })
    }

    /// How many records this session has open.
    fn records_open(&self, caller: &Caller) -> Answer<u32> {
        let now = self.now().as_millisecond();
        let prefix = format!("{}|", caller.session);
        let open = self.inner.store.keep_list("open-visit", &prefix, now, 50)?;
        Ok(u32::try_from(open.len()).unwrap_or(u32::MAX))
    }
}

fn visit_facts(visit: &KeptVisit) -> VisitFacts {
    let moment = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN);
    VisitFacts {
        why: visit.why.words(),
        opened_at: moment(visit.opened_ms),
        ends_at: moment(visit.ends_ms),
        emergency: visit.emergency,
    }
}

/// Demographics as this view shows them: what may be found before opening is never widened.
fn shown_demographics(gathered: &Gathered, facts: &ViewFacts) -> Demographics {
    let mut known = gathered.known.clone();
    if facts.location_removed {
        redact::demographics(&mut known);
    }
    known
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
