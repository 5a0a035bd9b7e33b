//! The organisations that take part, and what each shares as a source: configuration, given once at
//! opening.

use std::collections::HashMap;

use care_core::vocabulary::{
    Category, CategorySet, OdsCode, Organisation, OrganisationKind, SourceCode,
};

/// A source: an organisation whose systems send items.
#[derive(Debug, Clone)]
pub struct Source {
    /// The organisation.
    pub organisation: Organisation,
    /// The feeds it sends through (`feed-gp` …).
    pub feeds: Vec<String>,
    /// The agreed longest silence, in minutes; past it the source is late, past three times it or 24
    /// hours very late.
    pub agreed_interval_minutes: u32,
    /// What it shares, in plain words.
    pub shares: Vec<String>,
    /// What it leaves out, in plain words.
    pub leaves_out: Vec<String>,
    /// Which categories it normally supplies: a section that misses it says so.
    pub supplies: CategorySet,
    /// Its NHS numbers are traced against the national register, so a number without a stated status
    /// counts as verified.
    pub numbers_are_traced: bool,
    /// False while the source is not connected yet.
    pub connected: bool,
}

impl Source {
    /// What a source of this kind usually supplies, where the configuration does not say.
    pub fn usually_supplies(kind: OrganisationKind) -> CategorySet {
        use Category::*;
        let kinds: &[Category] = match kind {
            OrganisationKind::Practice => &[
                Demographics,
                Location,
                Alerts,
                Allergies,
                Medications,
                Problems,
                Vaccinations,
                Results,
                Encounters,
                Documents,
                GpConsultations,
                CarePlans,
                Contacts,
            ],
            OrganisationKind::Trust => &[
                Demographics,
                Location,
                Alerts,
                Allergies,
                Medications,
                Problems,
                Results,
                Encounters,
                Documents,
                Contacts,
            ],
            OrganisationKind::Community => &[
                Demographics,
                Location,
                Alerts,
                Encounters,
                Documents,
                CarePlans,
                Contacts,
            ],
            OrganisationKind::MentalHealth => &[
                Demographics,
                Location,
                Alerts,
                Medications,
                Encounters,
                Documents,
                MentalHealth,
                CarePlans,
                Legal,
                Contacts,
            ],
            OrganisationKind::Council => &[
                Demographics,
                Location,
                AboutMe,
                Alerts,
                SocialCare,
                CarePlans,
                Safeguarding,
                Legal,
                Contacts,
            ],
            OrganisationKind::CareHome => &[Demographics, AboutMe, CarePlans, Contacts],
            OrganisationKind::Pharmacy => &[Demographics, Medications, Vaccinations],
            OrganisationKind::Ambulance => &[Demographics, Encounters, Documents],
            OrganisationKind::Programme => &[],
        };
        kinds.iter().copied().collect()
    }
}

/// Everybody who takes part.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    organisations: HashMap<OdsCode, Organisation>,
    sources: Vec<Source>,
}

impl Directory {
    /// A directory of these organisations and sources; a source's organisation need not be repeated.
    pub fn new(organisations: Vec<Organisation>, sources: Vec<Source>) -> Self {
        let mut all: HashMap<OdsCode, Organisation> = organisations
            .into_iter()
            .map(|one| (one.ods.clone(), one))
            .collect();
        for source in &sources {
            all.entry(source.organisation.ods.clone())
                .or_insert_with(|| source.organisation.clone());
        }
        Self {
            organisations: all,
            sources,
        }
    }

    /// Everybody who takes part, in no order.
    pub fn organisations(&self) -> impl Iterator<Item = &Organisation> {
        self.organisations.values()
    }

    /// The organisation of this code.
    pub fn organisation(&self, ods: &OdsCode) -> Option<&Organisation> {
        self.organisations.get(ods)
    }

    /// Every source, in the order of the configuration: the order on every page.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The source of this code.
    pub fn source(&self, code: &SourceCode) -> Option<&Source> {
        self.sources
            .iter()
            .find(|source| source.organisation.ods == *code)
    }
}
