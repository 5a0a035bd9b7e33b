//! Where a search reads: one person's record under a decision's view, or what one source sent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use care_core::access::View;
use care_core::fhir::search::Parameters;
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::sections::Header;
use care_core::vocabulary::{ItemId, PersonId};

use super::{Held, Key, SearchError};
use crate::disclosure::redact;
use crate::store::{Store, StoreError, StoredBody};

/// Bodies read in one go.
const AT_ONCE: usize = 128;

/// Whose things a search may read.
pub(crate) enum Reader {
    /// One person's, and things about nobody that theirs point at.
    Person {
        /// The person who answers.
        person: PersonId,
        /// The person and everybody joined into them.
        parts: Vec<PersonId>,
        /// What is put together on the way out: the Patient, the choice.
        composed: Vec<Held>,
    },
    /// Those of the view's one source, of everybody and about nobody.
    Source,
}

/// What was looked for by type and id, and what of it is there.
type Seen = HashMap<(ResourceType, String), Option<Rc<Held>>>;

/// Where a search reads, and through which view.
pub(crate) struct Scope<'a> {
    pub store: &'a dyn Store,
    pub view: &'a View,
    pub reader: Reader,
    /// The search parameters there are.
    pub parameters: Arc<Parameters>,
    seen: RefCell<Seen>,
}

/// An item of a person's range: its header, and its bytes where they are not the current version's.
pub(crate) struct Candidate {
    pub kind: ResourceType,
    pub item: ItemId,
    pub header: Option<Header>,
    pub held: Option<Held>,
}

impl Candidate {
    fn of(held: Held) -> Self {
        Self {
            kind: held.kind,
            item: held.item,
            header: held.header.clone(),
            held: Some(held),
        }
    }
}

impl<'a> Scope<'a> {
    /// A scope that has read nothing yet.
    pub fn new(store: &'a dyn Store, view: &'a View, reader: Reader) -> Self {
        Self {
            store,
            view,
            reader,
            parameters: store.parameters(),
            seen: RefCell::default(),
        }
    }

    /// The one person whose record this is.
    pub fn person(&self) -> Option<PersonId> {
        match &self.reader {
            Reader::Person { person, .. } => Some(*person),
            Reader::Source => None,
        }
    }

    /// The person, and who was joined into them, where `person` is one of them.
    pub fn parts_of(&self, person: PersonId) -> Vec<PersonId> {
        match &self.reader {
            Reader::Person { parts, .. } if parts.contains(&person) => parts.clone(),
            _ => vec![person],
        }
    }

    /// A person's things of these types (none: of every type), as they were at a moment, in the order
    /// of type and item. Also the moment: without one, that of the newest of them.
    pub fn range(
        &self,
        person: PersonId,
        kinds: &[ResourceType],
        moment: Option<u64>,
    ) -> Result<(Vec<Candidate>, u64), StoreError> {
        let headers = match (moment, kinds) {
            (Some(_), _) => self.store.headers_ever(person, self.view)?,
            (None, [one]) => self.store.headers_of(person, self.view, *one)?,
            (None, _) => self.store.headers(person, self.view)?,
        };
        let newest = headers.iter().map(|header| header.moment).max();
        let at = moment.unwrap_or(newest.unwrap_or(0));
        let wants = |kind: ResourceType| kinds.is_empty() || kinds.contains(&kind);
        let mut found = Vec::with_capacity(headers.len());
        for header in headers {
            let (kind, item) = (header.resource_type, header.item);
            if !wants(kind) || (kind == ResourceType::PATIENT && self.person().is_some()) {
                continue;
            }
            if moment.is_none() || header.moment <= at {
                if !header.deleted {
                    found.push(Candidate {
                        kind,
                        item,
                        header: Some(header),
                        held: None,
                    });
                }
                continue;
            }
            let was = self
                .store
                .version_at(Some(person), self.view, (kind, item), at)?;
            if let Some(was) = was.filter(|was| !was.header.deleted) {
                found.push(Candidate::of(self.held(was)?));
            }
        }
        self.put_in_order(&mut found, wants);
        Ok((found, at))
    }

    /// A person's things of one type with their bytes, in one read; none where there are more than `most`.
    pub fn short_range(
        &self,
        person: PersonId,
        kind: ResourceType,
        most: usize,
    ) -> Result<Option<(Vec<Candidate>, u64)>, StoreError> {
        if kind == ResourceType::PATIENT && self.person().is_some() {
            return self.range(person, &[kind], None).map(Some);
        }
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let Some(bodies) = self.store.bodies_in(person, self.view, kind, most)? else {
            return Ok(None);
        };
        let moment = bodies.iter().map(|one| one.header.moment).max();
        let mut found = Vec::with_capacity(bodies.len() + 1);
        for stored in bodies {
            found.push(Candidate::of(self.held(stored)?));
        }
        self.put_in_order(&mut found, |one| one == kind);
        Ok(Some((found, moment.unwrap_or(0))))
    }

    /// Adds what is put together on the way out, and puts a range in order.
    fn put_in_order(&self, found: &mut Vec<Candidate>, wants: impl Fn(ResourceType) -> bool) {
        match &self.reader {
            Reader::Person { composed, .. } => {
                let composed = composed.iter().filter(|one| wants(one.kind)).cloned();
                found.extend(composed.map(Candidate::of));
            }
            Reader::Source => self.only_newest_patient(found),
        }
        // What is put together stands first of its type.
        found.sort_by_key(|one| (one.kind.number(), one.header.is_some(), one.item.0));
    }

    /// For each of these people, their newest Patient of the source as it was at a moment.
    pub fn newest_patients(
        &self,
        people: &[PersonId],
        moment: Option<u64>,
    ) -> Result<Vec<Option<ItemId>>, StoreError> {
        let kind = ResourceType::PATIENT;
        if moment.is_none() && !people.is_empty() {
            let each = self.store.headers_of_each(people, self.view, kind)?;
            let alive = |headers: &[Header]| newest(headers.iter().filter(|one| !one.deleted));
            return Ok(each.iter().map(|headers| alive(headers)).collect());
        }
        let each = people.iter().map(|person| {
            let (found, _) = self.range(*person, &[kind], moment)?;
            Ok(found.first().map(|one| one.item))
        });
        each.collect()
    }

    /// A source may have sent several Patients that are one person: the newest is the person's.
    fn only_newest_patient(&self, found: &mut Vec<Candidate>) {
        let patients = found
            .iter()
            .filter(|one| one.kind == ResourceType::PATIENT)
            .filter_map(|one| one.header.as_ref());
        let newest = newest(patients);
        found.retain(|one| one.kind != ResourceType::PATIENT || Some(one.item) == newest);
    }

    /// Fills in the bytes of candidates of one person, in order.
    pub fn fill(
        &self,
        person: PersonId,
        candidates: impl Iterator<Item = Candidate>,
    ) -> Result<Vec<Held>, SearchError> {
        let mut candidates: Vec<Candidate> = candidates.collect();
        let wanted: Vec<_> = candidates
            .iter()
            .filter(|one| one.held.is_none())
            .map(|one| (one.kind, one.item))
            .collect();
        let mut read = HashMap::with_capacity(wanted.len());
        for some in wanted.chunks(AT_ONCE) {
            for stored in self.store.bodies(person, self.view, some)? {
                let key = (stored.header.resource_type, stored.header.item);
                read.insert(key, stored);
            }
        }
        let mut found = Vec::with_capacity(candidates.len());
        for one in &mut candidates {
            match one.held.take() {
                Some(held) => found.push(held),
                None => {
                    if let Some(stored) = read.remove(&(one.kind, one.item)) {
                        found.push(self.held(stored)?);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Reads things by whose they are, type and item; what is not there for this scope is left out.
    pub fn load(&self, wanted: &[Key]) -> Result<Vec<Held>, SearchError> {
        let mut found = Vec::with_capacity(wanted.len());
        match &self.reader {
            Reader::Source => {
                for some in wanted.chunks(AT_ONCE) {
                    for stored in self.store.bodies_of(self.view, some)? {
                        found.push(self.held(stored)?);
                    }
                }
            }
            Reader::Person { person, parts, .. } => {
                for (owner, kind, item) in wanted {
                    let stored = match owner {
                        None => self.store.shared_item((*kind, *item))?,
                        Some(owner) if parts.contains(owner) => self
                            .store
                            .bodies(*person, self.view, &[(*kind, *item)])?
                            .into_iter()
                            .find(|stored| stored.person == *owner),
                        Some(_) => None,
                    };
                    if let Some(stored) = stored {
                        found.push(self.held(stored)?);
                    }
                }
            }
        }
        Ok(found)
    }

    /// What a reference points at, where it is there for this scope. Read once.
    pub fn by_reference(
        &self,
        kind: ResourceType,
        id: &str,
    ) -> Result<Option<Rc<Held>>, SearchError> {
        let name = (kind, id.to_owned());
        if let Some(known) = self.seen.borrow().get(&name) {
            return Ok(known.clone());
        }
        let found = self.read_reference(kind, id)?.map(Rc::new);
        self.seen.borrow_mut().insert(name, found.clone());
        Ok(found)
    }

    fn read_reference(&self, kind: ResourceType, id: &str) -> Result<Option<Held>, SearchError> {
        if let Reader::Person {
            composed, parts, ..
        } = &self.reader
        {
            let is_own = PersonId::parse(id).is_ok_and(|person| parts.contains(&person));
            let found = composed.iter().find(|one| {
                one.kind == kind && (one.id == id || (kind == ResourceType::PATIENT && is_own))
            });
            if found.is_some() || kind == ResourceType::PATIENT {
                return Ok(found.cloned());
            }
        } else if kind == ResourceType::PATIENT {
            return match PersonId::parse(id) {
                Ok(person) => self.own_patient(person),
                Err(_) => Ok(None),
            };
        }
        match parse_id(id) {
            Some((owner, item)) => Ok(self.load(&[(owner, kind, item)])?.pop()),
            None => Ok(None),
        }
    }

    /// A source's own Patient of a person: the newest.
    pub fn own_patient(&self, person: PersonId) -> Result<Option<Held>, SearchError> {
        let kind = ResourceType::PATIENT;
        let (candidates, _) = match self.short_range(person, kind, AT_ONCE)? {
            Some(found) => found,
            None => self.range(person, &[kind], None)?,
        };
        Ok(self.fill(person, candidates.into_iter())?.pop())
    }

    /// Stored bytes as they may leave: without what the view takes out, and a source's Patient under the
    /// id of the person.
    pub fn held(&self, stored: StoredBody) -> Result<Held, StoreError> {
        let owner = stored.owner();
        let mut held = Held::stored(stored, owner);
        if redact::touches(held.kind, self.view) {
            let mut json =
                Json::parse(&held.body, Limits::default()).map_err(|_| StoreError::Corrupt)?;
            redact::resource(&mut json, self.view);
            held = held.with_body(json.to_string().into_bytes());
        }
        if let (ResourceType::PATIENT, Some(person)) = (held.kind, owner) {
            let id = person.to_string();
            let body = with_id(&held.body, &held.id, &id);
            held = held.with_body(body);
            held.id = id;
        }
        Ok(held)
    }
}

/// What of a person came last.
fn newest<'h>(headers: impl Iterator<Item = &'h Header>) -> Option<ItemId> {
    headers
        .max_by_key(|header| (header.moment, header.received_at, header.item.0))
        .map(|header| header.item)
}

/// A body under another id. Our bodies begin with type and id, so this is a splice.
fn with_id(body: &[u8], old: &str, new: &str) -> Vec<u8> {
    let needle = format!("\"id\":\"{old}\"");
    let head = &body[..body.len().min(256)];
    let Some(at) = head
        .windows(needle.len())
        .position(|window| window == needle.as_bytes())
    else {
        return body.to_vec();
    };
    let mut out = Vec::with_capacity(body.len());
    out.extend_from_slice(&body[..at]);
    out.extend_from_slice(format!("\"id\":\"{new}\"").as_bytes());
    out.extend_from_slice(&body[at + needle.len()..]);
    out
}

/// Our ids: `{person}-{item}`, or `{item}` for things about nobody.
pub(crate) fn parse_id(id: &str) -> Option<(Option<PersonId>, ItemId)> {
    match id.split_once('-') {
        Some((person, item)) => Some((
            Some(PersonId::parse(person).ok()?),
            ItemId::parse(item).ok()?,
        )),
        None => Some((None, ItemId::parse(id).ok()?)),
    }
}
