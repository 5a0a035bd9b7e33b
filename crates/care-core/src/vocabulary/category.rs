//! The kinds of information a record is divided into, aligned with the PRSB Core Information
//! Standard. Source: the access model, section 8.2; the order there is the order here.

use std::fmt;

macro_rules! categories {
    ($($name:ident $code:literal $doc:literal),+ $(,)?) => {
        /// One kind of information. The order is the order of every output.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Category { $(#[doc = $doc] $name),+ }

        impl Category {
            /// Every category in output order.
            pub const ALL: &'static [Category] = &[$(Category::$name),+];

            /// The code used on wires and in the audit log.
            pub fn code(self) -> &'static str {
                match self { $(Category::$name => $code),+ }
            }

            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Category::$name),)+ _ => None }
            }
        }
    };
}

categories! {
    Demographics "demographics" "Name, birth date, gender, NHS number.",
    Location "location" "Addresses, phones: where the person can be found.",
    AboutMe "about_me" "What matters to the person.",
    Alerts "alerts" "Flags and alerts.",
    Allergies "allergies" "Allergies and adverse reactions.",
    Medications "medications" "Medicines and devices.",
    Problems "problems" "Problems, diagnoses and procedures.",
    Vaccinations "vaccinations" "Immunisations.",
    Results "results" "Investigation results and observations.",
    Encounters "encounters" "Admissions, attendances, appointments, referrals.",
    Documents "documents" "Letters and reports.",
    GpConsultations "gp_consultations" "Consultations in general practice.",
    MentalHealth "mental_health" "Mental health care.",
    SocialCare "social_care" "Adult and children's social care.",
    CarePlans "care_plans" "Care and support plans, goals, decisions.",
    Safeguarding "safeguarding" "Safeguarding concerns and plans.",
    Legal "legal" "Consent, capacity, attorneys, legal status.",
    Contacts "contacts" "Professional and personal contacts.",
    AccessLog "access_log" "Who looked at the record.",
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A set of categories, as bits in the order of [`Category`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CategorySet(u32);

impl CategorySet {
    /// No category.
    pub const EMPTY: Self = Self(0);

    /// The eighteen categories of a record; without the access log.
    pub fn whole_record() -> Self {
        Category::ALL
            .iter()
            .copied()
            .filter(|c| *c != Category::AccessLog)
            .collect()
    }

    /// Whether the category is in the set.
    pub fn contains(self, category: Category) -> bool {
        self.0 & (1 << category as u32) != 0
    }

    /// The set with the category in it.
    #[must_use]
    pub fn with(self, category: Category) -> Self {
        Self(self.0 | 1 << category as u32)
    }

    /// The set without the category.
    #[must_use]
    pub fn without(self, category: Category) -> Self {
        Self(self.0 & !(1 << category as u32))
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The categories in output order.
    pub fn iter(self) -> impl Iterator<Item = Category> {
        Category::ALL
            .iter()
            .copied()
            .filter(move |category| self.contains(*category))
    }

    /// The bits, for a query that filters on them.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromIterator<Category> for CategorySet {
    fn from_iter<I: IntoIterator<Item = Category>>(categories: I) -> Self {
        categories.into_iter().fold(Self::EMPTY, Self::with)
    }
}
