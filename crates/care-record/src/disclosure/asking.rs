//! Why somebody asks, in the words of the pages, and the facts those words stand for.
//!
//! The only home of the step from a radio button (screens C5 and C6) or a token's claims to
//! purpose, permission and break-glass of the access model (8.1).

use care_core::access::{BreakGlass, Justification, Permission};
use care_core::vocabulary::Purpose;
use serde::{Deserialize, Serialize};

/// The reasons page C5 offers, and the grounds of page C6.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// "The person has given permission".
    PermissionToday,
    /// "The person gave permission earlier for this care"; only where one is on file.
    PermissionEarlier,
    /// "I cannot ask, and it is in their best interests", with what stopped them asking.
    BestInterests(Stopped),
    /// "Direct care without the person present".
    NotPresent,
    /// "Safeguarding", with a case reference.
    Safeguarding {
        /// The reference of the case.
        case: String,
    },
    /// "Something else", in the user's words.
    SomethingElse {
        /// The words.
        text: String,
    },
    /// Page C6: protected information is opened on a ground, with what is happening.
    Emergency {
        /// The ground.
        ground: Ground,
        /// "What is happening?"
        text: String,
    },
    /// The FHIR API: the token states the facts themselves.
    Stated(Box<Stated>),
}

/// Facts stated by a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Purpose code.
    pub purpose: String,
    /// Permission code.
    pub permission: String,
    /// Justification of break-glass, with the reason given.
    pub break_glass: Option<(String, String)>,
    /// Case reference.
    pub case: Option<String>,
}

/// "What stopped you asking?"
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stopped {
    /// They are unconscious or too ill.
    TooIll,
    /// They lack capacity for this decision.
    LacksCapacity,
    /// They cannot be reached and waiting would harm them.
    CannotReach,
    /// We could not understand each other in time.
    CannotCommunicate,
}

impl Stopped {
    /// Every answer, in the order of the page.
    pub const ALL: [Self; 4] =
        [Self::TooIll, Self::LacksCapacity, Self::CannotReach, Self::CannotCommunicate];

    /// The words on the page.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooIll => "They are unconscious or too ill",
            Self::LacksCapacity => "They lack capacity to decide this",
            Self::CannotReach => "They cannot be reached and waiting would harm them",
            Self::CannotCommunicate => "We could not understand each other in time",
        }
    }
}

/// The grounds of page C6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// "Risk to life or serious harm".
    RiskToLife,
    /// "The person asked me to".
    PersonAsked,
    /// "Safeguarding duty".
    SafeguardingDuty,
    /// "Court order or legal duty".
    LegalDuty,
}

impl Ground {
    /// Every ground, in the order of the page.
    pub const ALL: [Self; 4] =
        [Self::RiskToLife, Self::PersonAsked, Self::SafeguardingDuty, Self::LegalDuty];

    /// The words on the page.
    pub fn words(self) -> &'static str {
        match self {
            Self::RiskToLife => "Risk to life or serious harm",
            Self::PersonAsked => "The person asked me to",
            Self::SafeguardingDuty => "Safeguarding duty",
            Self::LegalDuty => "Court order or legal duty",
        }
    }
}

/// What the rules are asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub purpose: Option<Purpose>,
    pub permission: Permission,
    pub emergency: bool,
    pub break_glass: Option<BreakGlass>,
    pub case_ref: Option<String>,
}
