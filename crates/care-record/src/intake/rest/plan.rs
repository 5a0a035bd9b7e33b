//! What each write of a request means for what is held now: which item, which version of it, and
//! whether its preconditions hold.

use std::collections::HashSet;

use care_core::fhir::{Json, Limits, ResourceType, patch};
use care_core::vocabulary::{ItemId, PersonId};
use jiff::Timestamp;

use super::book::{Book, Placeholders};
use super::find::{Finder, Held};
use super::refused::{RestRefusal, Stop};
use super::{RestMethod, RestRequest, RestWrite};
use crate::intake::item::CATEGORY_SYSTEM;

/// The most things one conditional delete takes away, whatever its `_count`.
pub(super) const MOST_DELETED: usize = 1_000;

/// What one write comes to.
pub(super) enum Aim {
    /// A conditional create found what it would have made: nothing is written.
    Found(Held),
    /// A version is put.
    Put(Box<Put>),
    /// These are taken away; none where nothing is there.
    Delete(Vec<Held>),
}

/// A version to put.
pub(super) struct Put {
    /// The source's key of it.
    pub key: String,
    /// What is held under it now, or was.
    pub held: Option<Held>,
    /// The address was one of our ids, so the thing stays with its person.
    pub by_our_id: bool,
    /// The id it has while it is mapped.
    pub placeholder: String,
    /// The id it was sent with.
    pub sent_id: Option<String>,
    /// What it becomes, under its placeholder.
    pub resource: Json,
}

impl Put {
    pub fn is_new(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.deleted)
    }
}

/// What a whole request comes to.
pub(super) struct Plan {
    /// One for each write, in their order.
    pub aims: Vec<Aim>,
    pub book: Book,
    pub placeholders: Placeholders,
    /// What this request takes away.
    pub deleted: HashSet<(Option<PersonId>, ResourceType, ItemId)>,
}

/// For a create, by its place among the writes: the key it files under.
pub(super) type Keys<'a> = &'a dyn Fn(usize) -> String;

impl Plan {
    /// Looks at what is held, in FHIR's order: deletes, creates, then updates and patches.
    pub fn make(
        finder: &Finder<'_>,
        request: &RestRequest<'_>,
        keys: Keys<'_>,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        let mut plan = Self {
            aims: Vec::new(),
            book: Book::default(),
            placeholders: Placeholders::default(),
            deleted: HashSet::new(),
        };
        let mut order: Vec<usize> = (0..request.writes.len()).collect();
        order.sort_by_key(|place| request.writes[*place].method.min(RestMethod::Update));
        let mut aims: Vec<Option<Aim>> = order.iter().map(|_| None).collect();
        let mut taken = HashSet::new();
        for place in order {
            let write = &request.writes[place];
            let aim = plan
                .aim(finder, write, &|| keys(place), now)
                .map_err(|stop| about(stop, write.entry))?;
            check_within(write, &aim, now).map_err(|refusal| refusal.about(write.entry))?;
            plan.claim(finder, write, &aim, &mut taken)
                .map_err(|stop| about(stop, write.entry))?;
            aims[place] = Some(aim);
        }
        plan.aims = aims.into_iter().flatten().collect();
        Ok(plan)
    }

    /// No thing is written twice by one request.
    fn claim(
        &mut self,
        finder: &Finder<'_>,
        write: &RestWrite,
        aim: &Aim,
        taken: &mut HashSet<(ResourceType, ItemId)>,
    ) -> Result<(), Stop> {
        let kind = write.resource_type;
        let items: Vec<ItemId> = match aim {
            Aim::Found(_) => Vec::new(),
            Aim::Put(put) => vec![self.book.item(finder.source, kind, &put.key)],
            Aim::Delete(all) => {
                self.deleted
                    .extend(all.iter().map(|held| (held.owner, kind, held.item)));
                all.iter().map(|held| held.item).collect()
            }
        };
        if items.into_iter().all(|item| taken.insert((kind, item))) {
            return Ok(());
        }
        Err(RestRefusal::invalid(
            "Two entries write the same resource.",
            "Write each resource once in a transaction, or send a batch.",
        )
        .into())
    }

    fn aim(
        &mut self,
        finder: &Finder<'_>,
        write: &RestWrite,
        key: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<Aim, Stop> {
        match write.method {
            RestMethod::Delete => self.delete(finder, write, now),
            RestMethod::Create => self.create(finder, write, key, now),
            RestMethod::Update => self.update(finder, write, key, now),
            RestMethod::Patch => self.patch(finder, write, now),
        }
    }

    fn delete(&self, finder: &Finder<'_>, write: &RestWrite, now: Timestamp) -> Result<Aim, Stop> {
        let Some(criteria) = &write.criteria else {
            let held = self.addressed(finder, write)?.filter(|held| !held.deleted);
            check_match(write, held.as_ref())?;
            return Ok(Aim::Delete(held.into_iter().collect()));
        };
        let (criteria, most) = most_of(criteria)?;
        let found = finder.matching(write.resource_type, &criteria, now)?;
        if found.len() > most {
            return Err(RestRefusal::one(
                412,
                "multiple-matches",
                "The criteria match several resources, so nothing was deleted.",
                "Narrow them to one, or say with _count how many may go.",
            )
            .into());
        }
        check_match(write, found.first())?;
        Ok(Aim::Delete(found))
    }

    fn create(
        &mut self,
        finder: &Finder<'_>,
        write: &RestWrite,
        key: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<Aim, Stop> {
        let resource = resource(write)?;
        if let Some(criteria) = &write.if_none_exist {
            let mut found = finder.matching(write.resource_type, criteria, now)?;
            found.retain(|held| !self.is_deleted(held));
            if found.len() > 1 {
                return Err(several("create").into());
            }
            if let Some(held) = found.pop() {
                return Ok(Aim::Found(held));
            }
        }
        self.put(finder, resource, write, key(), None, false)
    }

    fn update(
        &mut self,
        finder: &Finder<'_>,
        write: &RestWrite,
        key: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<Aim, Stop> {
        let resource = resource(write)?;
        let sent_id = resource.text_at(&["id"]);
        if let Some(criteria) = &write.criteria {
            return self.update_where(finder, write, resource, criteria, key, now);
        }
        let id = write.id.as_deref().unwrap_or_default();
        let Some(sent_id) = sent_id else {
            return Err(RestRefusal::invalid(
                "The resource has no id.",
                "Write the id of the address into the resource.",
            )
            .into());
        };
        let ours = finder.by_our_id(write.resource_type, id)?;
        let by_our_id = ours.is_some();
        let held = match ours {
            Some(held) => Some(held),
            None => finder.by_key(write.resource_type, id)?,
        };
        if sent_id != id && held.as_ref().is_none_or(|held| held.id() != sent_id) {
            return Err(other_id().into());
        }
        check_match(write, held.as_ref().filter(|held| !held.deleted))?;
        self.put(finder, resource, write, id.to_owned(), held, by_our_id)
    }

    fn update_where(
        &mut self,
        finder: &Finder<'_>,
        write: &RestWrite,
        resource: &Json,
        criteria: &str,
        key: &dyn Fn() -> String,
        now: Timestamp,
    ) -> Result<Aim, Stop> {
        let kind = write.resource_type;
        let mut found = finder.matching(kind, criteria, now)?;
        if found.len() > 1 {
            return Err(several("update").into());
        }
        let sent_id = resource.text_at(&["id"]);
        let held = found.pop();
        check_match(write, held.as_ref())?;
        match (held, sent_id) {
            (Some(held), None) => {
                let id = held.id();
                self.put(finder, resource, write, id, Some(held), true)
            }
            (Some(held), Some(sent_id)) => {
                let named = finder.at(kind, sent_id)?;
                if named.is_none_or(|named| named.whole() != held.whole()) {
                    return Err(other_id().into());
                }
                let id = held.id();
                self.put(finder, resource, write, id, Some(held), true)
            }
            (None, None) => self.put(finder, resource, write, key(), None, false),
            (None, Some(sent_id)) => {
                let named = finder.at(kind, sent_id)?;
                if named.as_ref().is_some_and(|named| !named.deleted) {
                    return Err(RestRefusal::one(
                        409,
                        "conflict",
                        "The resource of this id is there and does not meet the criteria.",
                        "PUT it to its id, or correct the criteria or the id.",
                    )
                    .into());
                }
                self.put(finder, resource, write, sent_id.to_owned(), named, false)
            }
        }
    }

    fn patch(
        &mut self,
        finder: &Finder<'_>,
        write: &RestWrite,
        now: Timestamp,
    ) -> Result<Aim, Stop> {
        let held = match &write.criteria {
            None => self.addressed(finder, write)?,
            Some(criteria) => {
                let mut found = finder.matching(write.resource_type, criteria, now)?;
                if found.len() > 1 {
                    return Err(several("patch").into());
                }
                found.pop()
            }
        };
        let held = held.ok_or_else(RestRefusal::not_there)?;
        if held.deleted {
            return Err(RestRefusal::gone().into());
        }
        check_match(write, Some(&held))?;
        let patch = write.body.as_ref().ok_or_else(no_body)?;
        let id = held.id();
        let mut before = Json::parse(&held.body, Limits::default())
            .map_err(|_| crate::store::StoreError::Corrupt)?;
        before.set("id", Json::text(id.as_str()));
        let after = patch::apply(&before, patch, now).map_err(RestRefusal::from)?;
        self.put(finder, &after, write, id, Some(held), true)
    }

    fn addressed(&self, finder: &Finder<'_>, write: &RestWrite) -> Result<Option<Held>, Stop> {
        let id = write.id.as_deref().unwrap_or_default();
        Ok(finder.at(write.resource_type, id)?)
    }

    fn is_deleted(&self, held: &Held) -> bool {
        self.deleted
            .contains(&(held.owner, held.resource_type, held.item))
    }

    /// Puts a resource under a key; what is held may be known to the source by another.
    fn put(
        &mut self,
        finder: &Finder<'_>,
        resource: &Json,
        write: &RestWrite,
        key: String,
        held: Option<Held>,
        by_our_id: bool,
    ) -> Result<Aim, Stop> {
        let kind = write.resource_type;
        let key = match &held {
            Some(held) => self.key_for(finder, held, key)?,
            None => key,
        };
        let placeholder = self.placeholders.of(kind, &key);
        Ok(Aim::Put(Box::new(Put {
            resource: cleaned(resource, &placeholder),
            sent_id: resource.text_at(&["id"]).map(str::to_owned),
            key,
            held,
            by_our_id,
            placeholder,
        })))
    }

    /// The key something held is filed under again: the source's own where it can be told; otherwise the
    /// id, and the book says which item it means.
    fn key_for(
        &mut self,
        finder: &Finder<'_>,
        held: &Held,
        otherwise: String,
    ) -> Result<String, Stop> {
        let key = finder.key_of(held)?.unwrap_or(otherwise);
        let plain = Book::default().item(finder.source, held.resource_type, &key);
        if plain != held.item {
            self.book
                .note(held.resource_type, &key, (held.owner, held.item));
        }
        Ok(key)
    }

    /// How something held is written in a reference while it is mapped.
    pub fn reference_to(&mut self, finder: &Finder<'_>, held: &Held) -> Result<String, Stop> {
        let kind = held.resource_type;
        if kind == ResourceType::PATIENT {
            let key = self.key_for(finder, held, held.id())?;
            return Ok(format!("{kind}/{}", self.placeholders.of(kind, &key)));
        }
        let id = held.id();
        self.book.note(kind, &id, (held.owner, held.item));
        Ok(format!("{kind}/{id}"))
    }
}

fn about(stop: Stop, entry: Option<usize>) -> Stop {
    match stop {
        Stop::Refused(refusal) => Stop::from(refusal.about(entry)),
        other => other,
    }
}

fn several(what: &str) -> RestRefusal {
    RestRefusal::one(
        412,
        "multiple-matches",
        format!("The criteria match several resources, so this {what} was not done."),
        "Narrow the criteria to one.",
    )
}

fn other_id() -> RestRefusal {
    RestRefusal::invalid(
        "The id in the resource is not the id in the address.",
        "Write the same id in both.",
    )
}

fn no_body() -> RestRefusal {
    RestRefusal::invalid("There is no body.", "Send the resource.")
}

/// The resource of a write, of the type its address names.
fn resource(write: &RestWrite) -> Result<&Json, Stop> {
    let resource = write.body.as_ref().ok_or_else(no_body)?;
    if resource.text_at(&["resourceType"]) == Some(write.resource_type.name()) {
        return Ok(resource);
    }
    Err(RestRefusal::invalid(
        "The resource's type is not the type in the address.",
        "POST a resource to its own type, or PUT it to its type and id.",
    )
    .into())
}

/// `If-Match` and `If-None-Match` against what is held.
fn check_match(write: &RestWrite, held: Option<&Held>) -> Result<(), Stop> {
    if write.if_none_match.as_deref().map(str::trim) == Some("*") && held.is_some() {
        return Err(RestRefusal::one(
            412,
            "conflict",
            "It is there already, so nothing was written.",
            "Leave out If-None-Match to write over it.",
        )
        .into());
    }
    let Some(tags) = &write.if_match else {
        return Ok(());
    };
    let fits = held.is_some_and(|held| {
        tags.split(',').map(str::trim).any(|tag| {
            let plain = tag.trim_start_matches("W/").trim_matches('"');
            plain == "*" || plain.parse() == Ok(held.version)
        })
    });
    if fits {
        return Ok(());
    }
    Err(RestRefusal::other_version().into())
}

/// What is there, and what becomes of it, against the query of a granular scope. A scope for vital signs
/// makes no laboratory result, turns none into one, and takes none away.
fn check_within(write: &RestWrite, aim: &Aim, now: Timestamp) -> Result<(), RestRefusal> {
    let Some(within) = &write.within else {
        return Ok(());
    };
    let kind = write.resource_type;
    let fits = |held: &Held| held.deleted || within.fits(kind, &held.body, now);
    let all_fit = match aim {
        Aim::Found(held) => fits(held),
        Aim::Delete(all) => all.iter().all(fits),
        Aim::Put(put) => {
            let sent = write.body.as_ref();
            let becomes = sent.filter(|_| write.method != RestMethod::Patch);
            put.held.as_ref().is_none_or(fits)
                && within.fits_read(kind, becomes.unwrap_or(&put.resource), now)
        }
    };
    if all_fit {
        return Ok(());
    }
    Err(RestRefusal::one(
        403,
        "forbidden",
        "The token's scopes narrow this type by a query, and what is there or what was sent does not meet it. Nothing was written.",
        "Send what meets the query, or ask for a token whose scope has another or none.",
    ))
}

/// How many a conditional delete may take, and its criteria without that.
fn most_of(criteria: &str) -> Result<(String, usize), Stop> {
    let mut most = 1;
    let mut rest = Vec::new();
    for part in criteria.trim_start_matches('?').split('&') {
        match part.strip_prefix("_count=") {
            None => rest.push(part),
            Some(count) => {
                most = count
                    .parse()
                    .ok()
                    .filter(|count| (1..=MOST_DELETED).contains(count))
                    .ok_or_else(|| {
                        RestRefusal::invalid(
                            "_count is no number a conditional delete takes.",
                            format!("Write a whole number from 1 to {MOST_DELETED}."),
                        )
                    })?;
            }
        }
    }
    Ok((rest.join("&"), most))
}

/// A resource as it is mapped: under its placeholder, without what we ourselves write into `meta`.
fn cleaned(resource: &Json, placeholder: &str) -> Json {
    let mut resource = resource.clone();
    if let Json::Object(members) = &mut resource {
        members.retain(|(name, _)| name != "id");
    }
    resource.set("id", Json::text(placeholder));
    let Some(meta) = resource.get_mut("meta") else {
        return resource;
    };
    if let Some(Json::Array(labels)) = meta.get_mut("security") {
        labels.retain(|label| label.text_at(&["system"]) != Some(CATEGORY_SYSTEM));
    }
    if let Json::Object(members) = meta {
        members.retain(|(name, value)| {
            !matches!(name.as_ref(), "versionId" | "lastUpdated" | "source")
                && *value != Json::Array(Vec::new())
        });
        if members.is_empty() {
            resource.set("meta", Json::Null);
        }
    }
    resource
}
