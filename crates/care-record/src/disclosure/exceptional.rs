//! What an exceptional-circumstance disclosure reads: the stated scope and nothing beside it, by rule 5
//! of the access model. ScopeCounts beforehand, the pack once.

use care_core::access::Permission;
use care_core::audit::{Act, Entry};
use care_core::fhir::{Json, Limits};
use care_core::sections::Header;
use care_core::vocabulary::{
    Category, CategorySet, Demographics, NhsNumber, PersonId, Purpose, Role,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::asking::Asked;
use super::fhir::item_name;
use super::gather::Gathered;
use super::looks::Given;
use super::{Answer, Disclosed, Disclosure, DisclosureError, decided_entry};
use crate::caller::Caller;
use crate::store::{Change, StoredBody};

/// What may leave: kinds of information and days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Category codes.
    pub categories: Vec<String>,
    /// Not before this moment; items without a date are then left out.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl Scope {
    fn set(&self) -> CategorySet {
        let codes = self.categories.iter();
        codes.filter_map(|code| Category::from_code(code)).collect()
    }

    fn holds(&self, header: &Header) -> bool {
        let Some(at) = header.clinical_at else {
            return self.from.is_none() && self.until.is_none();
        };
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}

/// On which ground: what the rules are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mandate {
    /// By law; else in the public interest.
    pub by_law: bool,
    /// A legal instrument is named.
    pub instrument: bool,
    /// The test was approved, or the decision that would approve it is looked at beforehand.
    pub approved: bool,
}

/// What a disclosure would hold, as counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeCounts {
    /// Category code and how many items, in the order of the record.
    pub items: Vec<(String, usize)>,
    /// Protected items are held and never part of a pack.
    pub withheld: bool,
    /// The person objected, and this sets it aside.
    pub objected: bool,
}

/// One item of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct PackItem {
    /// Its category.
    pub category: &'static str,
    /// Where it came from.
    pub source: String,
    /// When, as the source says.
    pub clinical_at: Option<Timestamp>,
    /// The resource.
    pub body: Vec<u8>,
}

/// What leaves, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// Whom it is about.
    pub known: Demographics,
    /// The items, in the order of the record.
    pub items: Vec<PackItem>,
    /// Protected items are held and are not here.
    pub withheld: bool,
}

impl Disclosure {
    /// The person with this number, for a case about them.
    pub(crate) fn person_of_case(&self, number: NhsNumber) -> Answer<Option<PersonId>> {
        self.holder(number)
    }

    /// How much a disclosure of this scope would hold. ScopeCounts only; decided as if its decision were
    /// made, so that the deciders see what they decide about.
    pub(crate) fn exceptional_counts(
        &self,
        caller: &Caller,
        person: PersonId,
        mandate: &Mandate,
        scope: &Scope,
    ) -> Answer<ScopeCounts> {
        let mut decider = caller.clone();
        decider.user.role = Role::CaldicottGuardian;
        let mandate = Mandate {
            instrument: true,
            approved: true,
            ..mandate.clone()
        };
        let gathered = self.mandated(&decider, person, &mandate, scope)?;
        let items = self.in_scope(&gathered, scope)?;
        let counts = scope.set().iter().map(|category| {
            let held = items.iter().filter(|header| header.category == category);
            (category.code().to_owned(), held.count())
        });
        let choice = &gathered.facts.choice;
        Ok(ScopeCounts {
            items: counts.collect(),
            withheld: gathered.decision.withheld_notice(),
            objected: choice.connect_care != care_core::access::ChoiceState::None,
        })
    }

    /// The pack, with the entry that says it left and the changes of its case, in one commit.
    #[allow(clippy::too_many_arguments)] // What leaves, why, and what is told are all one act.
    pub(crate) fn exceptional_pack(
        &self,
        caller: &Caller,
        person: PersonId,
        mandate: &Mandate,
        scope: &Scope,
        finish: impl FnOnce(&Entry, &Pack) -> Answer<Vec<Change>>,
        given: &Given,
        held_back: Option<(Timestamp, &str)>,
    ) -> Answer<Disclosed<Pack>> {
        let gathered = self.mandated(caller, person, mandate, scope)?;
        let mut entry = decided_entry(self.now(), Act::Disclose, caller, &gathered);
        entry.trace.push(self.recorded(&gathered));
        let categories = gathered.decision.visible_categories();
        entry = given.entry(entry, "disclosure", gathered.person, categories);
        entry.visit = format!("disclosure-{}", given.reference);
        let Some(view) = gathered.decision.view() else {
            return Err(self.refuse(&gathered, entry));
        };
        let headers = self.in_scope(&gathered, scope)?;
        let wanted: Vec<_> = headers
            .iter()
            .map(|header| (header.resource_type, header.item))
            .collect();
        let bodies = self.inner.store.bodies(gathered.person, view, &wanted)?;
        entry.items = bodies.iter().map(|body| item_name(&body.header)).collect();
        let mut items = Vec::with_capacity(bodies.len());
        for body in bodies {
            items.push(self.pack_item(&gathered, body)?);
        }
        let pack = Pack {
            known: self.named(gathered.person)?,
            withheld: gathered.decision.withheld_notice(),
            items,
        };
        let mut changes = finish(&entry, &pack)?;
        if let Some((until, reason)) = held_back {
            let by = caller.user.id.as_str();
            changes.push(self.hold_change(gathered.person, &entry.visit, (until, by, reason))?);
        }
        self.disclose(changes, entry, pack)
    }

    fn pack_item(&self, gathered: &Gathered, body: StoredBody) -> Answer<PackItem> {
        let view = gathered.decision.view().ok_or(DisclosureError::NotThere)?;
        let mut json = Json::parse(&body.body, Limits::default())
            .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
        super::redact::resource(&mut json, view);
        let source = self.inner.directory.organisation(&body.header.source);
        Ok(PackItem {
            category: body.header.category.code(),
            source: source.map_or_else(
                || body.header.source.as_str().to_owned(),
                |found| found.name.clone(),
            ),
            clinical_at: body.header.clinical_at,
            body: json.to_string().into_bytes(),
        })
    }

    fn mandated(
        &self,
        caller: &Caller,
        person: PersonId,
        mandate: &Mandate,
        scope: &Scope,
    ) -> Answer<Gathered> {
        let mut asked = Asked {
            purpose: Some(if mandate.by_law {
                Purpose::LegalRequirement
            } else {
                Purpose::PublicInterest
            }),
            permission: Permission::NotApplicable,
            emergency: false,
            break_glass: None,
            warrant: Default::default(),
            claims_relationship: false,
        };
        asked.warrant.case_reference = true;
        asked.warrant.legal_instrument = mandate.instrument;
        asked.warrant.public_interest_approved = mandate.approved;
        asked.warrant.scope = scope.set();
        self.gather(caller, person, &asked)
    }

    /// Headers of what the view permits and the days allow, in the order of the record.
    fn in_scope(&self, gathered: &Gathered, scope: &Scope) -> Answer<Vec<Header>> {
        let Some(view) = gathered.decision.view() else {
            return Ok(Vec::new());
        };
        let mut headers = self.inner.store.headers(gathered.person, view)?;
        headers.retain(|header| {
            header.resource_type != care_core::fhir::ResourceType::PROVENANCE
                && !header.withdrawn
                && scope.holds(header)
        });
        headers.sort_by_key(|header| (header.category, header.clinical_at));
        Ok(headers)
    }
}
