//! Organisations and their kinds.

use super::OdsCode;

macro_rules! kinds {
    ($($name:ident $prefix:literal $title:literal),+ $(,)?) => {
        /// What kind of organisation this is. The prefix begins its code in the access model (8.8).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OrganisationKind { $(#[doc = $title] $name),+ }

        impl OrganisationKind {
            /// Every kind.
            pub const ALL: &'static [OrganisationKind] = &[$(OrganisationKind::$name),+];

            /// The prefix of access codes, without the dash.
            pub fn prefix(self) -> &'static str {
                match self { $(OrganisationKind::$name => $prefix),+ }
            }

            /// What a person calls this kind.
            pub fn title(self) -> &'static str {
                match self { $(OrganisationKind::$name => $title),+ }
            }

            /// Reads a prefix.
            pub fn from_prefix(prefix: &str) -> Option<Self> {
                match prefix { $($prefix => Some(OrganisationKind::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    Practice "practice" "GP practice",
    Trust "trust" "Hospital trust",
    Community "community" "Community health provider",
    MentalHealth "mh" "Mental health trust",
    Council "council" "Council",
    CareHome "carehome" "Care home",
    Pharmacy "pharmacy" "Pharmacy",
    Ambulance "ambulance" "Ambulance service",
    Programme "programme" "Connect Care programme",
}

/// An organisation that takes part: a source of items, an employer of users, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its ODS code.
    pub ods: OdsCode,
    /// Its kind.
    pub kind: OrganisationKind,
    /// Its full name, as people know it.
    pub name: String,
    /// The short name that stands beside every item.
    pub short_name: String,
    /// The phone number to call when a feed or an item is in doubt.
    pub phone: String,
}

impl Organisation {
    /// The code the access rules know this organisation by: its kind, a dash, its ODS code in
    /// small letters.
    pub fn access_code(&self) -> String {
        format!(
            "{}-{}",
            self.kind.prefix(),
            self.ods.as_str().to_ascii_lowercase()
        )
    }
}
