//! What ids in a REST write mean: our own ids name items we hold, and placeholders stand for keys while
//! the mapping works, because a source's key may have any letters.

use std::collections::HashMap;

use care_core::fhir::{Json, ResourceType};
use care_core::mapping::{Mapped, SOURCE_REFERENCE};
use care_core::vocabulary::{ItemId, PersonId, SourceCode};

use super::super::item::item_id;

/// Items that a source's keys do not lead to: things addressed by our own ids.
#[derive(Debug, Default)]
pub(in crate::intake) struct Book {
    items: HashMap<(ResourceType, String), (Option<PersonId>, ItemId)>,
}

impl Book {
    pub fn note(
        &mut self,
        resource_type: ResourceType,
        key: &str,
        whole: (Option<PersonId>, ItemId),
    ) {
        self.items.insert((resource_type, key.to_owned()), whole);
    }

    /// The item a key means, where it was noted.
    pub fn get(
        &self,
        resource_type: ResourceType,
        key: &str,
    ) -> Option<(Option<PersonId>, ItemId)> {
        if self.items.is_empty() {
            return None;
        }
        self.items.get(&(resource_type, key.to_owned())).copied()
    }

    /// The item of a key: as noted, else from the key itself.
    pub fn item(&self, source: &SourceCode, resource_type: ResourceType, key: &str) -> ItemId {
        self.get(resource_type, key)
            .map_or_else(|| item_id(source, resource_type, key), |(_, item)| item)
    }
}

/// Placeholders and the keys they stand for. One key has one placeholder.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    keys: Vec<(ResourceType, String)>,
}

const PREFIX: &str = "cc-placeholder-";

impl Placeholders {
    /// The placeholder of a key: an id that the mapping takes.
    pub fn of(&mut self, resource_type: ResourceType, key: &str) -> String {
        let held = self
            .keys
            .iter()
            .rposition(|(of, held)| *of == resource_type && held == key);
        let place = held.unwrap_or_else(|| {
            self.keys.push((resource_type, key.to_owned()));
            self.keys.len() - 1
        });
        format!("{PREFIX}{place}")
    }

    fn key(&self, text: &str) -> Option<&str> {
        let place: usize = text.strip_prefix(PREFIX)?.parse().ok()?;
        self.keys.get(place).map(|(_, key)| key.as_str())
    }

    /// Writes the keys back into what was mapped.
    pub fn settle(&self, all: &mut [Mapped]) {
        for mapped in all {
            if let Some(subject) = &mut mapped.subject {
                self.settle_text(&mut subject.source_key);
            }
            for draft in &mut mapped.drafts {
                self.settle_text(&mut draft.source_key);
                self.settle_references(&mut draft.body);
            }
            for involvement in &mut mapped.involvements {
                if let Some((head, tail)) = involvement.source_key.split_once('/')
                    && let Some(key) = self.key(tail)
                {
                    involvement.source_key = format!("{head}/{key}");
                }
            }
        }
    }

    fn settle_text(&self, text: &mut String) {
        if let Some(key) = self.key(text) {
            *text = key.to_owned();
        }
    }

    fn settle_references(&self, value: &mut Json) {
        match value {
            Json::Text(text) => {
                let settled = text
                    .strip_prefix(SOURCE_REFERENCE)
                    .and_then(|target| target.split_once('/'))
                    .and_then(|(name, tail)| Some((name, self.key(tail)?)));
                if let Some((name, key)) = settled {
                    *text = format!("{SOURCE_REFERENCE}{name}/{key}");
                }
            }
            Json::Array(values) => values
                .iter_mut()
                .for_each(|one| self.settle_references(one)),
            Json::Object(members) => members
                .iter_mut()
                .for_each(|(_, one)| self.settle_references(one)),
            _ => {}
        }
    }
}
