//! Everything a page is arranged from. It holds only what the view permits: what was left out never
//! comes here, so counts and order cannot speak of it.

use jiff::Timestamp;
use serde::Serialize;

use super::item::{Header, Item};
use super::request::Section;
use super::source::{Freshness, SourceState};
use super::when::When;
use crate::fhir::ResourceType;
use crate::vocabulary::{
    CategorySet, Demographics, ItemId, Organisation, OrganisationKind, SourceCode,
};

/// What the decision says about this view, beyond which items it permits.
#[derive(Debug, Clone, Default)]
pub struct ViewFacts {
    /// The categories the reader sees.
    pub categories: CategorySet,
    /// Sources none of whose items are shown.
    pub hidden_sources: Vec<SourceCode>,
    /// Items from GP practices are not shown.
    pub hide_gp_sourced: bool,
    /// Policy says that something is held back, so the page says so (N5).
    pub withheld_notice: bool,
    /// The reader's role may open what is sealed, by C6.
    pub may_break_seal: bool,
    /// Address, phone and location are taken out everywhere (S15).
    pub location_removed: bool,
    /// Until when an emergency visit lasts.
    pub emergency_until: Option<Timestamp>,
    /// Records that may belong to somebody else and are not shown: source and number (S12).
    pub identity_doubt: Vec<(SourceCode, u32)>,
    /// How many records the reader has open, this one included (S24).
    pub records_open: u32,
}

/// What a page is arranged from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Headers of everything the view permits.
    pub headers: &'a [Header],
    /// The bodies that [`super::wanted`] and [`super::follow`] asked for.
    pub items: &'a [Item],
    /// Items that were asked for and could not be read: counted on the page, never left out in silence
    /// (S8).
    pub broken: &'a [(ResourceType, ItemId)],
    /// The versions of the one item asked for, newest first; empty for other pages.
    pub history: &'a [Header],
    /// Every source of the deployment.
    pub sources: &'a [SourceState],
    /// What the decision says.
    pub facts: &'a ViewFacts,
    /// Who the person is.
    pub demographics: &'a Demographics,
    /// The practice the person is registered with.
    pub practice: Option<&'a Organisation>,
    /// When this reader last looked at this person, before this visit.
    pub last_looked: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

impl<'a> Input<'a> {
    /// Whether the reader's role has the section.
    pub fn for_role(&self, section: Section) -> bool {
        !self
            .facts
            .categories
            .intersection(section.categories())
            .is_empty()
    }

    /// The sources whose items may be shown; a hidden source is not counted among those that answered.
    pub fn shown_sources(&self) -> Vec<SourceState> {
        self.sources
            .iter()
            .filter(|source| !self.hides(source))
            .cloned()
            .collect()
    }

    fn hides(&self, source: &SourceState) -> bool {
        self.facts.hidden_sources.contains(&source.source)
            || (self.facts.hide_gp_sourced && source.kind == OrganisationKind::Practice)
    }

    /// The headers a section shows, withdrawn ones included.
    pub fn headers_of(&self, section: Section) -> impl Iterator<Item = &'a Header> {
        self.headers
            .iter()
            .filter(move |header| section.shows(header.resource_type, header.category))
    }

    /// How many items of a type were asked for and could not be read.
    pub(super) fn broken_of(&self, resource_type: ResourceType) -> usize {
        self.broken
            .iter()
            .filter(|(broken, _)| *broken == resource_type)
            .count()
    }

    /// The freshness of a section.
    pub fn freshness(&self, section: Section) -> Freshness {
        let newest = self
            .headers_of(section)
            .filter(|header| header.resource_type != ResourceType::PATIENT)
            .filter_map(|header| header.clinical_at)
            .filter(|at| *at <= self.now)
            .max();
        Freshness::of(
            section.categories().intersection(self.facts.categories),
            &self.shown_sources(),
            newest,
            self.now,
        )
    }

    /// The loaded items of a section.
    pub fn items_of(&self, section: Section) -> impl Iterator<Item = &'a Item> {
        self.items
            .iter()
            .filter(move |item| section.shows(item.header.resource_type, item.header.category))
    }

    /// The loaded items of one type.
    pub fn of_type(&self, resource_type: ResourceType) -> impl Iterator<Item = &'a Item> {
        self.items
            .iter()
            .filter(move |item| item.header.resource_type == resource_type)
    }

    /// How many items of a type the view permits, withdrawn ones left out.
    pub(super) fn headers_of_type(&self, resource_type: ResourceType) -> usize {
        self.headers
            .iter()
            .filter(|h| h.resource_type == resource_type && !h.withdrawn)
            .count()
    }

    /// One loaded item.
    pub fn item(&self, resource_type: ResourceType, id: ItemId) -> Option<&'a Item> {
        self.items
            .iter()
            .find(|item| item.header.resource_type == resource_type && item.header.item == id)
    }

    /// The short name of a source; its code where the directory does not know it.
    pub fn short_name(&self, source: &SourceCode) -> String {
        self.source(source)
            .map_or_else(|| source.to_string(), |known| known.short_name.clone())
    }

    /// The state of a source.
    pub fn source(&self, source: &SourceCode) -> Option<&'a SourceState> {
        self.sources.iter().find(|known| known.source == *source)
    }

    /// Whether the item came after the reader last looked. Nothing is new to somebody who never has.
    pub fn is_new(&self, header: &Header) -> bool {
        self.last_looked
            .is_some_and(|looked| header.received_at > looked)
    }

    /// Where an item came from and when: on every row.
    pub fn seen(&self, header: &Header) -> Seen {
        Seen {
            item: header.item.to_string(),
            source: self.short_name(&header.source),
            date: header.clinical_at.map(When::day),
            received: When::moment(header.received_at),
            new: self.is_new(header),
            withdrawn: header.withdrawn,
            sort_ms: header
                .clinical_at
                .unwrap_or(header.received_at)
                .as_millisecond(),
        }
    }
}

/// Where a row came from and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The item's id: the last part of its page's address.
    pub item: String,
    /// The short name of its source.
    pub source: String,
    /// When it happened; `None` when the source did not say.
    pub date: Option<When>,
    /// When Connect Care received it.
    pub received: When,
    /// Whether it came after the reader last looked.
    pub new: bool,
    /// Whether its source took it away.
    pub withdrawn: bool,
    #[serde(skip)]
    pub(super) sort_ms: i64,
}
