//! `$meta` of a type or of everything: which profiles, labels and tags a source's things have.

use std::collections::BTreeSet;

use care_core::fhir::{Json, Limits, ResourceType};

use super::walk::Walk;
use super::{Answer, Holdings, read_entry};
use crate::picked::Picked;
use crate::store::StoreError;
use crate::supply::SupplyCaller;

/// Things looked at for one answer.
const MOST_LOOKED_AT: usize = 250_000;

/// The profiles, labels and tags of many things, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    profiles: BTreeSet<String>,
    security: BTreeSet<(String, String)>,
    tags: BTreeSet<(String, String)>,
}

impl Labels {
    fn add(&mut self, resource: &Json) {
        let Some(meta) = resource.get("meta") else {
            return;
        };
        let profiles = meta.elements("profile").iter().filter_map(Json::as_text);
        self.profiles.extend(profiles.map(str::to_owned));
        self.security.extend(codings(meta, "security"));
        self.tags.extend(codings(meta, "tag"));
    }

    /// As a Meta.
    pub fn meta(&self) -> Json {
        let codings = |all: &BTreeSet<(String, String)>| {
            let filled = |text: &str| match text {
                "" => Json::Null,
                text => Json::text(text),
            };
            let one = |(system, code): &(String, String)| {
                Json::object([("system", filled(system)), ("code", filled(code))])
            };
            Json::list(all.iter().map(one).collect())
        };
        let profiles = self.profiles.iter().map(|one| Json::text(one.as_str()));
        Json::object([
            ("profile", Json::list(profiles.collect())),
            ("security", codings(&self.security)),
            ("tag", codings(&self.tags)),
        ])
    }
}

fn codings(meta: &Json, name: &str) -> Vec<(String, String)> {
    let text = |one: &Json, name: &str| one.text_at(&[name]).unwrap_or_default().to_owned();
    meta.elements(name)
        .iter()
        .map(|one| (text(one, "system"), text(one, "code")))
        .collect()
}

impl Holdings {
    /// The labels of what the source sent, of one type or of every type, as far as it was picked; `None`
    /// where that is more than is looked at for one answer. Nothing of a person leaves.
    pub fn labels(
        &self,
        caller: &SupplyCaller,
        kind: Option<ResourceType>,
        picked: &Picked,
    ) -> Answer<Option<Labels>> {
        let view = caller.view()?;
        let now = self.now();
        let mut walk = Walk::new(&*self.inner.store, &view, None).of_type(kind);
        let (mut labels, mut looked_at) = (Labels::default(), 0);
        while let Some(page) = walk.next_page()? {
            looked_at += page.len();
            if looked_at > MOST_LOOKED_AT {
                return Ok(None);
            }
            for one in page {
                let kind = one.header.resource_type;
                if one.header.deleted || !picked.fits(kind, &one.body, now) {
                    continue;
                }
                let resource =
                    Json::parse(&one.body, Limits::default()).map_err(|_| StoreError::Corrupt)?;
                labels.add(&resource);
            }
        }
        let page = kind.map_or_else(
            || "GET $meta".to_owned(),
            |kind| format!("GET {kind}/$meta"),
        );
        let mut entry = read_entry(caller, now, &page);
        entry.detail = format!("the labels of {looked_at} things");
        self.write(vec![entry])?;
        Ok(Some(labels))
    }

    /// How many other things the source sent about a person whose Patient it means to delete: while there
    /// are any, it may not.
    pub fn others_of(&self, caller: &SupplyCaller, patient: &str) -> Answer<usize> {
        let view = caller.view()?;
        let person = self.person(caller, patient)?;
        let headers = self.inner.store.headers(person, &view)?;
        let stands_alone =
            |kind: ResourceType| matches!(kind, ResourceType::PATIENT | ResourceType::PROVENANCE);
        Ok(headers
            .iter()
            .filter(|header| !stands_alone(header.resource_type))
            .count())
    }
}
