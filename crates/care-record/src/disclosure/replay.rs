//! "What did she see?": a page that was shown, shown again from its entry: the same items at the same
//! versions, the decision made anew from the recorded facts, the recorded moment.
//!
//! For reviewers who hold the right and give a reason; itself an entry, which the person sees. What was
//! protected since then is left out: a past look is no way around a seal. A digest of the page stands
//! in its entry, so that the reviewer knows whether this is exactly what was shown (hazard H38).

use care_core::access::{self, View};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::mapping::fhir::patient_demographics;
use care_core::patient_index;
use care_core::sections::{self, Header, Item, SectionRequest};
use care_core::vocabulary::{Demographics, ItemId, PersonId, Purpose, Role};
use jiff::Timestamp;

use super::read::{Around, Held, Page, Scene};
use super::who_looked::facts_of;
use super::{Answer, Disclosed, Disclosure, DisclosureError, Refusal, entry, redact};
use crate::caller::Caller;

/// A reason shorter than this says nothing.
const SHORTEST_REASON: usize = 10;

/// A page shown again.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The page.
    pub page: Page,
    /// Which page was asked for.
    pub request: SectionRequest,
    /// The entry of the look.
    pub look: Entry,
    /// It is exactly what was shown: the digests are the same.
    pub exact: bool,
    /// The program that showed it.
    pub build: String,
}

impl Disclosure {
    /// Shows the page of an entry again. `has_right`: the caller was given the right to do so, besides
    /// the role of a reviewer.
    pub fn replay(
        &self,
        caller: &Caller,
        has_right: bool,
        number: u64,
        because: &str,
    ) -> Answer<Disclosed<Replayed>> {
        if because.trim().chars().count() < SHORTEST_REASON {
            return Err(DisclosureError::Unclear(
                "Say why this look must be seen again, in at least ten letters",
            ));
        }
        let mut reading = entry(self.now(), Act::View, Outcome::Success, caller);
        reading.page = "replay".to_owned();
        reading.purpose = Purpose::AuditReview.code().to_owned();
        reading.detail = format!("entry {number} shown again: {}", because.trim());
        let reviewer = access::may_review_log(caller.user.role, Some(Purpose::AuditReview));
        let look = self.recorded_entry(number)?;
        let own = look.as_ref().is_some_and(|look| look.who == caller.user.id);
        if !reviewer || !has_right || own {
            reading.outcome = Outcome::Denied;
            reading.reason = access::Reason::RoleNotPermitted.code().to_owned();
            self.disclose(Vec::new(), reading, ())?;
            let told = Refusal::of(access::Reason::RoleNotPermitted, self.settings(), false);
            return Err(DisclosureError::Refused(told));
        }
        reading.person = look.as_ref().and_then(|look| look.person);
        let replayed = match look {
            Some(look) => self.shown_again(look),
            None => Err(DisclosureError::NotThere),
        };
        match replayed {
            Ok(replayed) => {
                reading.items.clone_from(&replayed.look.items);
                reading.categories.clone_from(&replayed.look.categories);
                self.disclose(Vec::new(), reading, replayed)
            }
            Err(error) => {
                reading.outcome = Outcome::Failure;
                self.disclose(Vec::new(), reading, ())?;
                Err(error)
            }
        }
    }

    fn shown_again(&self, look: Entry) -> Answer<Replayed> {
        let is_page =
            matches!(look.act, Act::View | Act::Print) && look.outcome == Outcome::Success;
        let (Some(person), Some(shown), true) = (look.person, look.shown.as_ref(), is_page) else {
            return Err(DisclosureError::Unclear(
                "This entry is of no page that can be shown again: it is another act, a search whose \
                 words were not kept, or it was written by an earlier program",
            ));
        };
        let text = |name: &str| shown.get(name).and_then(|value| value.as_str());
        let request = text("asked").and_then(SectionRequest::from_recorded);
        let request = request.ok_or(DisclosureError::NotThere)?;
        let around = shown.get("around").cloned().unwrap_or_default();
        let around: Around = serde_json::from_value(around)?;
        let present = self.inner.store.sensitivities(person)?;
        let facts = facts_of(&look).ok_or(DisclosureError::NotThere)?;
        let (facts, decision) = access::json::decide_recorded(facts, present)
            .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
        let view = decision.view().ok_or(DisclosureError::NotThere)?;
        let held = self.held_at(person, view, &request, &around, look.at)?;
        let role = Role::from_code(&look.role).ok_or(DisclosureError::NotThere)?;
        let known = self.known_at(role, person, facts.patient.pds_restricted, look.at)?;
        let scene = Scene {
            facts: &facts,
            decision: &decision,
            known: &known,
            around: &around,
            now: look.at,
        };
        let page = self.arrange(&scene, &held, &request);
        let exact = page.digest().as_deref() == text("digest");
        let build = text("build").unwrap_or_default().to_owned();
        Ok(Replayed {
            page,
            request,
            look,
            exact,
            build,
        })
    }

    fn held_at(
        &self,
        person: PersonId,
        view: &View,
        request: &SectionRequest,
        around: &Around,
        at: Timestamp,
    ) -> Answer<Held> {
        let mut headers = self.headers_at(person, view, at)?;
        headers.retain(|header| header.resource_type != ResourceType::PROVENANCE);
        let mut items = Vec::new();
        let mut broken = Vec::new();
        let wanted = sections::wanted(request, &headers);
        self.load_at(person, view, &headers, &wanted, &mut items, &mut broken)?;
        let more = sections::follow(request, &items);
        self.load_at(person, view, &headers, &more, &mut items, &mut broken)?;
        broken.sort_unstable();
        broken.dedup();
        let of_item = match request {
            SectionRequest::Item { item } | SectionRequest::Document { item } => {
                headers.iter().find(|header| header.item == *item)
            }
            _ => None,
        };
        let mut history = match of_item {
            Some(header) => {
                let key = (header.resource_type, header.item);
                self.inner.store.history(person, view, key)?
            }
            None => Vec::new(),
        };
        history.retain(|version| version.received_at <= at);
        let sources = self.sources(around, &headers, at);
        Ok(Held {
            headers,
            items,
            broken,
            history,
            sources,
        })
    }

    /// The versions that held at a moment, as far as the view permits them today.
    fn headers_at(&self, person: PersonId, view: &View, at: Timestamp) -> Answer<Vec<Header>> {
        let mut then = Vec::new();
        for header in self.inner.store.headers_ever(person, view)? {
            if header.received_at <= at {
                then.extend((!header.deleted).then_some(header));
                continue;
            }
            let key = (header.resource_type, header.item);
            let versions = self.inner.store.history(person, view, key)?;
            then.extend(
                versions
                    .into_iter()
                    .find(|version| version.received_at <= at)
                    .filter(|version| !version.deleted),
            );
        }
        Ok(then)
    }

    fn load_at(
        &self,
        person: PersonId,
        view: &View,
        headers: &[Header],
        wanted: &[(ResourceType, ItemId)],
        items: &mut Vec<Item>,
        broken: &mut Vec<(ResourceType, ItemId)>,
    ) -> Answer<()> {
        for key in wanted {
            let header = headers
                .iter()
                .find(|header| (header.resource_type, header.item) == *key);
            let Some(header) = header else { continue };
            let version = Some(header.version);
            let Some(stored) = self.inner.store.version(person, view, *key, version)? else {
                continue;
            };
            let Ok(mut body) = Json::parse(&stored.body, Limits::default()) else {
                broken.push(*key);
                continue;
            };
            redact::resource(&mut body, view);
            items.push(Item {
                header: stored.header,
                body,
            });
        }
        Ok(())
    }

    /// Who the person was known to be at a moment, for a role that may look for people.
    fn known_at(
        &self,
        role: Role,
        person: PersonId,
        restricted: bool,
        at: Timestamp,
    ) -> Answer<Demographics> {
        let Some(view) = access::finding(role, restricted) else {
            return Ok(Demographics::default());
        };
        let mut said = Vec::new();
        for header in self.headers_at(person, &view, at)? {
            if header.resource_type != ResourceType::PATIENT {
                continue;
            }
            let key = (header.resource_type, header.item);
            let version = Some(header.version);
            let Some(body) = self.inner.store.version(person, &view, key, version)? else {
                continue;
            };
            let json = Json::parse(&body.body, Limits::default())
                .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
            let kind = self.kind_of(&body.header.source);
            said.push((kind, patient_demographics(&json).0, body.header.received_at));
        }
        let mut known = patient_index::golden(&said);
        known.restricted |= restricted;
        if known.restricted {
            redact::demographics(&mut known);
        }
        Ok(known)
    }
}
