//! Which page of the record is asked for. The order of sections is the order of the record menu, the
//! same for everyone, every time.

use serde::Serialize;

use crate::fhir::ResourceType;
use crate::vocabulary::{Category, CategorySet, ItemId, SourceCode};

/// A section of the record, in menu order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// What to know now.
    Summary,
    /// Everything by time.
    Timeline,
    /// Problems, procedures, immunisations, family history.
    Problems,
    /// Medicines, reconciled between lists.
    Medicines,
    /// Allergies and reactions.
    Allergies,
    /// Results and observations.
    Results,
    /// Appointments and visits.
    Encounters,
    /// Letters and reports.
    Documents,
    /// Care plans and decisions.
    CarePlans,
    /// Social care and safeguarding.
    SocialCare,
    /// Who cares for the person.
    Team,
    /// Search this record.
    Search,
    /// Whether anything is missing.
    Sources,
}

impl Section {
    /// Every section in menu order.
    pub const ALL: [Self; 13] = [
        Self::Summary,
        Self::Timeline,
        Self::Problems,
        Self::Medicines,
        Self::Allergies,
        Self::Results,
        Self::Encounters,
        Self::Documents,
        Self::CarePlans,
        Self::SocialCare,
        Self::Team,
        Self::Search,
        Self::Sources,
    ];

    /// The last part of its address, and its code in the audit log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Timeline => "timeline",
            Self::Problems => "problems",
            Self::Medicines => "medicines",
            Self::Allergies => "allergies",
            Self::Results => "results",
            Self::Encounters => "encounters",
            Self::Documents => "documents",
            Self::CarePlans => "care-plans",
            Self::SocialCare => "social-care",
            Self::Team => "team",
            Self::Search => "search",
            Self::Sources => "sources",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.code() == code)
    }

    /// What the menu and the heading call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Summary => "Summary",
            Self::Timeline => "Timeline",
            Self::Problems => "Problems",
            Self::Medicines => "Medicines",
            Self::Allergies => "Allergies",
            Self::Results => "Results",
            Self::Encounters => "Appointments and visits",
            Self::Documents => "Documents",
            Self::CarePlans => "Care plans",
            Self::SocialCare => "Social care and safeguarding",
            Self::Team => "Team and contacts",
            Self::Search => "Search this record",
            Self::Sources => "Sources",
        }
    }

    /// The categories it shows: a role that has none of them does not have the section.
    pub fn categories(self) -> CategorySet {
        use Category::*;
        let some = |categories: &[Category]| categories.iter().copied().collect();
        match self {
            Self::Summary | Self::Timeline | Self::Search | Self::Sources => {
                CategorySet::whole_record()
            }
            Self::Problems => some(&[Problems, Vaccinations]),
            Self::Medicines => some(&[Medications]),
            Self::Allergies => some(&[Allergies]),
            Self::Results => some(&[Results]),
            Self::Encounters => some(&[Encounters]),
            Self::Documents => some(&[Documents]),
            Self::CarePlans => some(&[CarePlans, AboutMe, Legal]),
            Self::SocialCare => some(&[SocialCare, Safeguarding]),
            Self::Team => some(&[Contacts]),
        }
    }

    /// Whether an item of this type and category is shown in it.
    pub fn shows(self, resource_type: ResourceType, category: Category) -> bool {
        use ResourceType as T;
        let of = |types: &[ResourceType]| types.contains(&resource_type);
        match self {
            Self::Summary | Self::Timeline | Self::Search | Self::Sources => true,
            Self::Problems => of(&[
                T::CONDITION,
                T::PROCEDURE,
                T::FAMILY_MEMBER_HISTORY,
                T::IMMUNIZATION,
            ]),
            Self::Medicines => of(&[
                T::MEDICATION_REQUEST,
                T::MEDICATION_STATEMENT,
                T::MEDICATION_ADMINISTRATION,
                T::MEDICATION_DISPENSE,
            ]),
            Self::Allergies => of(&[T::ALLERGY_INTOLERANCE]),
            Self::Results => of(&[T::OBSERVATION, T::DIAGNOSTIC_REPORT]),
            Self::Encounters => of(&[T::ENCOUNTER, T::APPOINTMENT, T::SERVICE_REQUEST]),
            Self::Documents => of(&[T::DOCUMENT_REFERENCE, T::COMPOSITION]),
            Self::CarePlans => {
                of(&[T::CARE_PLAN, T::GOAL, T::CONSENT, T::QUESTIONNAIRE_RESPONSE])
                    && !matches!(category, Category::SocialCare | Category::Safeguarding)
            }
            Self::SocialCare => matches!(category, Category::SocialCare | Category::Safeguarding),
            Self::Team => {
                of(&[T::CARE_TEAM, T::RELATED_PERSON, T::EPISODE_OF_CARE])
                    || (category == Category::Contacts && resource_type != T::PATIENT)
            }
        }
    }
}

/// Which list of medicines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MedicinesList {
    /// Current, newest start first.
    #[default]
    Current,
    /// Past, newest end first.
    Past,
}

/// Which arrangement of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultsView {
    /// One row a test, time running to the right.
    #[default]
    ByTest,
    /// Every value, newest first.
    ByDate,
    /// Reports.
    Reports,
}

/// What narrows a list. Values are codes, never text about the person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Items of this source only.
    pub source: Option<SourceCode>,
    /// Items received since the reader last looked only.
    pub new_only: bool,
    /// Results outside their range only.
    pub out_of_range: bool,
    /// Items of the last so many months only.
    pub months: Option<u16>,
    /// Results of this group only.
    pub group: Option<String>,
    /// Medicines with this difference mark only.
    pub mark: Option<String>,
    /// The page, from 1.
    pub page: usize,
}

impl Filter {
    /// Whether it hides anything.
    pub fn is_on(&self) -> bool {
        self.source.is_some()
            || self.new_only
            || self.out_of_range
            || self.months.is_some()
            || self.group.is_some()
            || self.mark.is_some()
    }
}

/// A page of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionRequest {
    /// The summary.
    Summary,
    /// The timeline.
    Timeline {
        /// What narrows it.
        filter: Filter,
    },
    /// Problems.
    Problems,
    /// Medicines.
    Medicines {
        /// Current or past.
        list: MedicinesList,
        /// What narrows it.
        filter: Filter,
    },
    /// Allergies.
    Allergies,
    /// Results.
    Results {
        /// How they are arranged.
        view: ResultsView,
        /// What narrows them.
        filter: Filter,
    },
    /// One test over time.
    Test {
        /// The code key of the test.
        code_key: u64,
    },
    /// Appointments and visits.
    Encounters {
        /// What narrows them.
        filter: Filter,
    },
    /// Documents.
    Documents {
        /// What narrows them.
        filter: Filter,
    },
    /// One document.
    Document {
        /// Which.
        item: ItemId,
    },
    /// Care plans and decisions.
    CarePlans,
    /// Social care and safeguarding.
    SocialCare,
    /// Team and contacts.
    Team,
    /// A search for words; with none, the empty form.
    Search {
        /// The words, as typed.
        words: String,
    },
    /// Sources.
    Sources,
    /// One item.
    Item {
        /// Which.
        item: ItemId,
    },
}

impl SectionRequest {
    /// The section it belongs to, for the menu, the role and the audit entry. `None` for one item,
    /// whose section follows from its category.
    pub fn section(&self) -> Option<Section> {
        Some(match self {
            Self::Summary => Section::Summary,
            Self::Timeline { .. } => Section::Timeline,
            Self::Problems => Section::Problems,
            Self::Medicines { .. } => Section::Medicines,
            Self::Allergies => Section::Allergies,
            Self::Results { .. } | Self::Test { .. } => Section::Results,
            Self::Encounters { .. } => Section::Encounters,
            Self::Documents { .. } | Self::Document { .. } => Section::Documents,
            Self::CarePlans => Section::CarePlans,
            Self::SocialCare => Section::SocialCare,
            Self::Team => Section::Team,
            Self::Search { .. } => Section::Search,
            Self::Sources => Section::Sources,
            Self::Item { .. } => return None,
        })
    }
}
