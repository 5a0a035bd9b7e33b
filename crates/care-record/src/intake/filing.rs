//! What a delivery says, once mapped, as changes: labelled, identified, ready to commit.

use std::collections::HashSet;

use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::ResourceType;
use care_core::labelling::{CodeLists, label_all};
use care_core::mapping::{Draft, MapIssue, Mapped, Subject};
use care_core::vocabulary::{Demographics, ItemId, OrganisationKind, PersonId};
use jiff::Timestamp;

use super::choice::hear;
use super::future::{has_happened, is_future};
use super::item::{Whose, put_item};
use super::references::Resolver;
use super::rest::Book;
use crate::choices::{Arrival, arrivals};
use crate::identity::{Authority, Identified, Sender, identify, merge};
use crate::store::{Change, NewWorklist, PutItem, Store, StoreError};

/// Everything filing needs to know of a delivery.
pub(super) struct Filing<'a> {
    pub store: &'a dyn Store,
    pub lists: &'a CodeLists,
    pub sender: Sender<'a>,
    pub received_at: Timestamp,
    /// A Patient resource that was sent leaves out what is no longer so.
    pub patients_replace: bool,
    /// Items that keys do not lead to; empty for the feeds.
    pub book: &'a Book,
}

/// An item that was filed, by the source's own key.
pub(super) struct FiledItem {
    pub resource_type: ResourceType,
    pub source_key: String,
    /// The id the world knows it by.
    pub id: String,
    /// Whether it was held before.
    pub was_held: bool,
}

/// The changes of one delivery.
#[derive(Default)]
pub(super) struct Filed {
    pub changes: Vec<Change>,
    pub worklist: Vec<NewWorklist>,
    pub entries: Vec<Entry>,
    /// The person, where it is about one.
    pub person: Option<PersonId>,
    pub items: Vec<FiledItem>,
    pub issues: Vec<MapIssue>,
    /// Places of dates that cannot be.
    pub future: Vec<String>,
    /// What spoke for the links.
    pub evidence: Vec<&'static str>,
    pub changes_standing: bool,
    /// The source is a GP practice.
    pub gp_sourced: bool,
}

/// Why nothing could be filed.
pub(super) enum NotFiled {
    /// The content names a person of whom nothing is known.
    UnknownPerson,
    /// The store did not answer.
    Store(StoreError),
}

impl From<StoreError> for NotFiled {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

impl Filing<'_> {
    /// Files everything; the order of people is kept, things about nobody first, because others
    /// point at them.
    pub fn file(&self, all: Vec<Mapped>) -> Result<Filed, NotFiled> {
        let mut filed = Filed {
            gp_sourced: self.sender.kind == OrganisationKind::Practice,
            ..Filed::default()
        };
        let shared: HashSet<(ResourceType, ItemId)> = all
            .iter()
            .filter(|mapped| mapped.subject.is_none())
            .flat_map(|mapped| mapped.drafts.iter())
            .map(|draft| self.key(draft))
            .collect();
        let several = all.iter().filter(|mapped| mapped.subject.is_some()).count() > 1;
        for mapped in all {
            match mapped.subject.clone() {
                Some(subject) => self.file_person(mapped, &subject, &shared, &mut filed)?,
                None => self.file_shared(mapped, &shared, &mut filed)?,
            }
        }
        if several {
            filed.person = None;
        }
        Ok(filed)
    }

    fn key(&self, draft: &Draft) -> (ResourceType, ItemId) {
        let kind = draft.resource_type;
        (
            kind,
            self.book.item(self.sender.source, kind, &draft.source_key),
        )
    }

    fn file_shared(
        &self,
        mapped: Mapped,
        shared: &HashSet<(ResourceType, ItemId)>,
        filed: &mut Filed,
    ) -> Result<(), NotFiled> {
        let mut resolver = self.resolver(None, "", HashSet::new(), shared);
        self.put_all(mapped.drafts, None, &mut resolver, filed)?;
        filed.issues.extend(mapped.issues);
        filed.issues.extend(resolver.issues);
        Ok(())
    }

    fn file_person(
        &self,
        mut mapped: Mapped,
        subject: &Subject,
        shared: &HashSet<(ResourceType, ItemId)>,
        filed: &mut Filed,
    ) -> Result<(), NotFiled> {
        let (authority, event_at) = self.authority(&mapped);
        let identified = identify(
            self.store,
            self.sender,
            subject,
            authority,
            event_at,
            self.received_at,
        )?;
        if identified.is_new && says_nothing(&subject.demographics) {
            return Err(NotFiled::UnknownPerson);
        }
        if !identified.keeps_patient {
            mapped
                .drafts
                .retain(|draft| draft.resource_type != ResourceType::PATIENT);
        }
        let person = identified.person;
        let merged = match &mapped.merge {
            Some(prior) => Some(merge(
                self.store,
                self.sender,
                &identified,
                prior,
                self.received_at,
            )?),
            None => None,
        };
        self.note_identity(&identified, filed);
        let waited = arrivals(self.store, &identified.changes, self.received_at)?;
        filed.changes.extend(identified.changes);
        filed.worklist.extend(identified.worklist);
        filed.changes_standing |= identified.changes_standing;
        let own = mapped.drafts.iter().map(|draft| self.key(draft)).collect();
        let mut resolver = self.resolver(Some(person), &subject.source_key, own, shared);
        self.add_choices(&mapped.drafts, person, waited, filed)?;
        let involvement_at = mapped
            .drafts
            .iter()
            .map(|draft| draft.event_at)
            .max()
            .unwrap_or(self.received_at);
        self.put_all(mapped.drafts, Some(person), &mut resolver, filed)?;
        for involvement in mapped.involvements {
            filed.changes.push(Change::Involvement {
                event_at: involvement_at,
                person,
                source: self.sender.source.clone(),
                involvement,
            });
        }
        if let Some(merged) = merged {
            if let Some((from, into)) = merged.joined {
                let words =
                    format!("the source says {from} and {into} are one; joined, can be undone");
                filed.entries.push(self.identity_entry(into, words));
            }
            filed.changes.extend(merged.changes);
            filed.worklist.extend(merged.worklist);
        }
        filed.issues.extend(mapped.issues);
        filed.issues.extend(resolver.issues);
        filed.person = Some(person);
        Ok(())
    }

    /// What the delivery's word on the person is worth, and from when it is. The mapping dates the
    /// Patient of a message that only mentions the person at the beginning of 1970.
    fn authority(&self, mapped: &Mapped) -> (Authority, Timestamp) {
        let patient = mapped
            .drafts
            .iter()
            .find(|draft| draft.resource_type == ResourceType::PATIENT);
        match patient {
            None => (Authority::Mentions, Timestamp::UNIX_EPOCH),
            Some(draft) if draft.event_at <= Timestamp::UNIX_EPOCH => {
                (Authority::Mentions, Timestamp::UNIX_EPOCH)
            }
            Some(draft) if self.patients_replace => (Authority::Replaces, draft.event_at),
            Some(draft) => (Authority::Registers, draft.event_at),
        }
    }

    fn note_identity(&self, identified: &Identified, filed: &mut Filed) {
        filed
            .evidence
            .extend(identified.evidence.iter().map(|one| one.text()));
        let person = identified.person;
        match (identified.is_new, identified.doubt) {
            (true, Some(doubt)) => {
                let words = format!("kept apart until a person decides: {}", doubt.code());
                filed.entries.push(self.identity_entry(person, words));
            }
            (true, None) => {
                let words = "a new person: nobody known fits".to_owned();
                filed.entries.push(self.identity_entry(person, words));
            }
            (false, _) => {}
        }
    }

    fn identity_entry(&self, person: PersonId, words: String) -> Entry {
        let mut entry = Entry::new(
            self.received_at,
            Act::Identity,
            Outcome::Success,
            self.sender.feed,
        );
        entry.person = Some(person);
        entry.organisation = self.sender.source.to_string();
        entry.detail = words;
        entry
    }

    /// What the delivery says about sharing, on top of the choice that waited for this person.
    fn add_choices(
        &self,
        drafts: &[Draft],
        person: PersonId,
        waited: Vec<Arrival>,
        filed: &mut Filed,
    ) -> Result<(), StoreError> {
        let waited = waited.into_iter().next();
        let (sender, at) = (self.sender, self.received_at);
        let heard = hear(self.store, person, drafts, sender, at, waited)?;
        filed.changes.extend(heard.changes);
        filed.entries.extend(heard.entries);
        Ok(())
    }

    fn put_all(
        &self,
        drafts: Vec<Draft>,
        person: Option<PersonId>,
        resolver: &mut Resolver<'_>,
        filed: &mut Filed,
    ) -> Result<(), StoreError> {
        let whose = Whose {
            person,
            source: self.sender.source,
            gp_sourced: self.sender.kind == OrganisationKind::Practice,
            received_at: self.received_at,
        };
        // Together, because a report and its results protect one another.
        for labelled in label_all(drafts, self.sender.kind, self.lists) {
            let draft = labelled.draft();
            let source_key = draft.source_key.clone();
            let tells_of_the_past =
                has_happened(draft.resource_type, draft.body.text_at(&["status"]));
            let put = put_item(labelled, whose, resolver)?;
            if tells_of_the_past {
                self.note_future(&put, filed);
            }
            filed.items.push(FiledItem {
                resource_type: put.resource_type,
                source_key,
                id: super::item::logical_id(person, put.item),
                was_held: self.patients_replace
                    && self.store.holds(person, (put.resource_type, put.item))?,
            });
            filed.changes.push(Change::Item(put));
        }
        Ok(())
    }

    fn note_future(&self, put: &PutItem, filed: &mut Filed) {
        let future = put
            .clinical_at
            .is_some_and(|at| is_future(at, self.received_at));
        if future {
            let place = put.resource_type.name().to_owned();
            filed.issues.push(MapIssue {
                place: place.clone(),
                text: "it is dated more than 24 hours after it was received, yet tells of something \
                       that happened; it is shown with its date; check the date and the sender's clock"
                    .to_owned(),
                fatal: false,
            });
            filed.future.push(place);
        }
    }

    fn resolver<'a>(
        &'a self,
        person: Option<PersonId>,
        person_key: &'a str,
        own: HashSet<(ResourceType, ItemId)>,
        shared: &'a HashSet<(ResourceType, ItemId)>,
    ) -> Resolver<'a> {
        Resolver {
            store: self.store,
            source: self.sender.source,
            book: self.book,
            person,
            person_key,
            own,
            shared,
            issues: Vec::new(),
        }
    }
}

/// Nothing by which anybody could be told from anybody else.
fn says_nothing(said: &Demographics) -> bool {
    said.nhs_number.is_none()
        && said.unusable_number.is_none()
        && said.local_ids.is_empty()
        && said.names.is_empty()
        && said.birth_date.is_none()
}
