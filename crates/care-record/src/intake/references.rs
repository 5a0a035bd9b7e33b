//! A source's references become ours, once the person is known.
//!
//! Our ids are computed from the source's own keys, so a reference needs no look-up to be written;
//! but it is written only where the thing is held, or arrives in the same delivery. A reference to
//! nothing keeps what it said as a logical reference (identifier, type and display), with an issue.

use std::collections::HashSet;

use care_core::fhir::{Json, ResourceType};
use care_core::mapping::{MapIssue, SOURCE_REFERENCE};
use care_core::vocabulary::{ItemId, PersonId, SourceCode};

use super::item::{item_id, logical_id};
use super::rest::Book;
use crate::store::{Store, StoreError};

/// Resolves the references of one delivery's drafts about one person.
pub(super) struct Resolver<'a> {
    pub store: &'a dyn Store,
    pub source: &'a SourceCode,
    /// Items that keys do not lead to.
    pub book: &'a Book,
    pub person: Option<PersonId>,
    /// The source's key of the person: references to that Patient are to the person as a whole.
    pub person_key: &'a str,
    /// What this delivery brings about the person.
    pub own: HashSet<(ResourceType, ItemId)>,
    /// What this delivery brings about nobody.
    pub shared: &'a HashSet<(ResourceType, ItemId)>,
    /// References to nothing.
    pub issues: Vec<MapIssue>,
}

impl Resolver<'_> {
    /// Rewrites every reference in a resource.
    pub fn rewrite(&mut self, value: &mut Json) -> Result<(), StoreError> {
        match value {
            Json::Array(values) => {
                for value in values {
                    self.rewrite(value)?;
                }
            }
            Json::Object(members) => {
                let mut unknown = None;
                for (name, value) in members.iter_mut() {
                    match value {
                        Json::Text(text) => {
                            let Some(target) = text.strip_prefix(SOURCE_REFERENCE) else {
                                continue;
                            };
                            match self.resolve(target)? {
                                Some(ours) => *text = ours,
                                None if name == "reference" => unknown = Some(target.to_owned()),
                                None => {}
                            }
                        }
                        other => self.rewrite(other)?,
                    }
                }
                if let Some(target) = unknown {
                    self.make_logical(value, &target);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resolve(&self, target: &str) -> Result<Option<String>, StoreError> {
        let Some((name, key)) = target.split_once('/') else {
            return Ok(None);
        };
        let Some(resource_type) = ResourceType::from_name(name) else {
            return Ok(None);
        };
        if let (ResourceType::PATIENT, Some(person)) = (resource_type, self.person)
            && key == self.person_key
        {
            return Ok(Some(format!("Patient/{person}")));
        }
        if let Some((owner, item)) = self.book.get(resource_type, key) {
            // Known by our id: of this person, or about nobody.
            let is_in_reach = owner.is_none() || owner == self.person;
            return Ok(is_in_reach.then(|| format!("{name}/{}", logical_id(owner, item))));
        }
        let item = item_id(self.source, resource_type, key);
        let whole = (resource_type, item);
        let own = self.person.is_some()
            && (self.own.contains(&whole) || self.store.holds(self.person, whole)?);
        let owner = match own {
            true => self.person,
            false if self.shared.contains(&whole) || self.store.holds(None, whole)? => None,
            false => return Ok(None),
        };
        Ok(Some(format!("{name}/{}", logical_id(owner, item))))
    }

    fn make_logical(&mut self, reference: &mut Json, target: &str) {
        let (name, key) = target.split_once('/').unwrap_or(("", target));
        let system = format!("urn:connect-care:source:{}:{name}", self.source);
        reference.set("reference", Json::Null);
        if reference.get("type").is_none() {
            let is_type = ResourceType::from_name(name).is_some();
            reference.set(
                "type",
                if is_type {
                    Json::text(name)
                } else {
                    Json::Null
                },
            );
        }
        if reference.get("identifier").is_none() {
            let identifier =
                Json::object([("system", Json::text(system)), ("value", Json::text(key))]);
            reference.set("identifier", identifier);
        }
        let kind = if name.is_empty() { "something" } else { name };
        self.issues.push(MapIssue {
            place: format!("reference to {kind}"),
            text: format!(
                "the {kind} it refers to was never sent, so it is kept by its identifier; \
                 send the {kind} before or with what refers to it"
            ),
            fatal: false,
        });
    }
}
