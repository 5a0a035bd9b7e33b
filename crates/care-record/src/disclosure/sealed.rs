//! Sealed items, opened one by one, each on a recorded ground (access model, rule 11).
//!
//! Opening one shows that one for the rest of the visit and no other. Each is an act of its own, goes to
//! review at once, and is asked of the rules again on every page.

use std::collections::BTreeSet;

use care_core::access::View;
use care_core::audit::{Act, Outcome};
use care_core::fhir::ResourceType;
use care_core::sections::Header;
use care_core::vocabulary::{Category, ItemId};
use serde::{Deserialize, Serialize};

use super::asking::{Ground, Why};
use super::fhir::item_name;
use super::gather::Gathered;
use super::visits::KeptVisit;
use super::{
    Answer, Disclosed, Disclosure, DisclosureError, Refusal, decided_entry, entry, handles,
};
use crate::caller::Caller;
use crate::store::Change;

/// A sealed item, as far as somebody who may open it is told beforehand: not what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedItem {
    /// Which.
    pub item: ItemId,
    /// The kind of information.
    pub category: Category,
    /// The short name of its source.
    pub source: String,
    /// It was opened in this visit.
    pub opened: bool,
}

/// An item whose seal was opened in a visit, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenedSeal {
    pub item: String,
    pub ground: Ground,
    pub text: String,
}

impl OpenedSeal {
    fn why(&self) -> Why {
        Why::Emergency {
            ground: self.ground,
            text: self.text.clone(),
            seal: true,
        }
    }
}

impl Disclosure {
    /// The sealed items of the record of a visit, for somebody who holds the right to open them.
    pub fn sealed(&self, caller: &Caller, visit: &str) -> Answer<Disclosed<Vec<SealedItem>>> {
        let (kept, gathered) = self.of_visit(caller, visit)?;
        let mut told = entry(self.now(), Act::View, Outcome::Success, caller);
        told.person = Some(gathered.person);
        told.visit = handles::digest(visit);
        told.page = "sealed".to_owned();
        // What may be opened is the same for every ground.
        let why = Why::Emergency {
            ground: Ground::SafeguardingDuty,
            text: "which items are sealed".to_owned(),
            seal: true,
        };
        let headers = match self.beyond_seal(caller, &gathered, &why)? {
            Some((_, headers)) => headers,
            None => {
                told.outcome = Outcome::Denied;
                self.disclose(Vec::new(), told, ())?;
                return Err(DisclosureError::Refused(Refusal::NotForYourRole));
            }
        };
        let items: Vec<SealedItem> = headers
            .iter()
            .map(|header| SealedItem {
                item: header.item,
                category: header.category,
                source: self
                    .inner
                    .directory
                    .organisation(&header.source)
                    .map_or_else(|| header.source.to_string(), |one| one.short_name.clone()),
                opened: kept
                    .seals
                    .iter()
                    .any(|one| one.item == header.item.to_string()),
            })
            .collect();
        told.detail = format!("{} sealed", items.len());
        self.disclose(Vec::new(), told, items)
    }

    /// Opens one sealed item on a ground, in the words of the user.
    pub fn open_sealed(
        &self,
        caller: &Caller,
        visit: &str,
        item: ItemId,
        ground: Ground,
        text: &str,
    ) -> Answer<Disclosed<()>> {
        let now = self.now();
        let (mut kept, gathered) = self.of_visit(caller, visit)?;
        let seal = OpenedSeal {
            item: item.to_string(),
            ground,
            text: text.to_owned(),
        };
        let why = seal.why();
        let asked = self.gather(caller, gathered.person, &why.asked(caller.user.role))?;
        let mut told = decided_entry(now, Act::View, caller, &asked);
        told.visit = handles::digest(visit);
        told.page = "sealed".to_owned();
        told.detail = format!("{}: {text}", ground.words());
        told.trace.push(self.recorded(&asked));
        let beyond = self.beyond_seal(caller, &gathered, &why)?;
        let Some((_, headers)) = beyond else {
            told.outcome = Outcome::Denied;
            self.disclose(Vec::new(), told, ())?;
            return Err(DisclosureError::Refused(Refusal::NotForYourRole));
        };
        let Some(header) = headers.iter().find(|header| header.item == item) else {
            told.outcome = Outcome::Failure;
            told.detail = "no sealed item of this id".to_owned();
            self.disclose(Vec::new(), told, ())?;
            return Err(DisclosureError::NotThere);
        };
        told.items = vec![item_name(header)];
        told.categories = vec![header.category.code().to_owned()];
        kept.seals.retain(|one| one.item != seal.item);
        kept.seals.push(seal);
        let change = Change::Keep {
            space: "visit",
            key: handles::digest(visit),
            value: Some(serde_json::to_vec(&kept)?),
            expires_ms: kept.ends_ms,
        };
        self.disclose(vec![change], told, ())
    }

    /// A visit with what the rules say of it now. A no ends it, as on any page.
    fn of_visit(&self, caller: &Caller, visit: &str) -> Answer<(KeptVisit, Gathered)> {
        let (kept, person) = self.visit(caller, visit)?;
        let gathered = self.gather(caller, person, &kept.asked(caller.user.role))?;
        if gathered.decision.view().is_some() {
            return Ok((kept, gathered));
        }
        let told = decided_entry(self.now(), Act::View, caller, &gathered);
        self.end_visit(caller, visit, told)?;
        Err(DisclosureError::VisitEnded)
    }

    /// The view that opens the seal for this reason, and the headers of what it shows beyond the view of
    /// the visit; `None` where the rules do not let this user open it, or no system knows of their part
    /// in the person's care.
    fn beyond_seal(
        &self,
        caller: &Caller,
        gathered: &Gathered,
        why: &Why,
    ) -> Answer<Option<(View, Vec<Header>)>> {
        if !caller.user.can_break_seal || !gathered.facts.relationship.is_verified() {
            return Ok(None);
        }
        let asked = self.gather(caller, gathered.person, &why.asked(caller.user.role))?;
        let (Some(open), Some(shut)) = (asked.decision.view(), gathered.decision.view()) else {
            return Ok(None);
        };
        let shown: BTreeSet<(ResourceType, ItemId)> = self
            .inner
            .store
            .headers(gathered.person, shut)?
            .iter()
            .map(|header| (header.resource_type, header.item))
            .collect();
        let mut headers = self.inner.store.headers(gathered.person, open)?;
        headers.retain(|header| {
            header.resource_type != ResourceType::PROVENANCE
                && !shown.contains(&(header.resource_type, header.item))
        });
        Ok(Some((open.clone(), headers)))
    }

    /// The headers of the items whose seal was opened in this visit, with the view that reads them, as
    /// the rules allow it now.
    pub(super) fn opened_in(
        &self,
        caller: &Caller,
        kept: &KeptVisit,
        gathered: &Gathered,
    ) -> Answer<Option<(View, Vec<Header>)>> {
        let Some(newest) = kept.seals.last() else {
            return Ok(None);
        };
        let beyond = self.beyond_seal(caller, gathered, &newest.why())?;
        Ok(beyond.map(|(view, mut headers)| {
            headers.retain(|header| {
                let item = header.item.to_string();
                kept.seals.iter().any(|one| one.item == item)
            });
            (view, headers)
        }))
    }
}
