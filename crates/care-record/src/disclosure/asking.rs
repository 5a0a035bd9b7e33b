//! Why somebody asks, in the words of the pages, and the facts those words stand for.
//!
//! The only home of the step from a radio button (screens C5 and C6) or a token's claims to
//! purpose, permission and break-glass of the access model (8.1).

use care_core::access::{BreakGlass, Justification, Permission, Relationship, Warrant};
use care_core::vocabulary::{CategorySet, Purpose, Role};
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
    BestInterests {
        /// The answer.
        stopped: Stopped,
    },
    /// "Direct care without the person present".
    NotPresent,
    /// "Safeguarding", with a case reference.
    Safeguarding {
        /// The reference of the case.
        case: String,
    },
    /// "Something else", in the user's words: a claim that nobody has verified.
    SomethingElse {
        /// The words.
        text: String,
    },
    /// Page C6: protected information is opened on a ground.
    Emergency {
        /// The ground.
        ground: Ground,
        /// "What is happening?"
        text: String,
        /// What is opened: sealed items, or a record the user has no known part in.
        seal: bool,
    },
    /// A token of the FHIR API states the facts itself.
    Stated(Stated),
}

/// Facts stated by a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Purpose code; a text that is none of the permitted purposes is refused by rule 3.
    pub purpose: String,
    /// Permission code; `None` says that nobody asked.
    pub permission: Option<String>,
    /// Justification code of break-glass, with the reason given.
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
    pub const ALL: [Self; 4] = [
        Self::TooIll,
        Self::LacksCapacity,
        Self::CannotReach,
        Self::CannotCommunicate,
    ];

    /// The code in forms.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooIll => "too-ill",
            Self::LacksCapacity => "lacks-capacity",
            Self::CannotReach => "cannot-reach",
            Self::CannotCommunicate => "cannot-communicate",
        }
    }

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
    pub const ALL: [Self; 4] = [
        Self::RiskToLife,
        Self::PersonAsked,
        Self::SafeguardingDuty,
        Self::LegalDuty,
    ];

    /// The code in forms.
    pub fn code(self) -> &'static str {
        match self {
            Self::RiskToLife => "risk-to-life",
            Self::PersonAsked => "person-asked",
            Self::SafeguardingDuty => "safeguarding-duty",
            Self::LegalDuty => "legal-duty",
        }
    }

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
    pub warrant: Warrant,
    /// Where no system knows of a relationship, the user claims one.
    pub claims_relationship: bool,
}

impl Asked {
    /// What the rules are told about a relationship, given the one the feeds show.
    pub(super) fn relationship(&self, verified: Relationship) -> Relationship {
        match verified {
            Relationship::None if self.claims_relationship => Relationship::SelfClaimed,
            other => other,
        }
    }
}

impl Asked {
    /// The same, resting on a relationship that the user claimed earlier in these words.
    pub(super) fn with_claim(mut self, words: &str) -> Self {
        self.claims_relationship = true;
        self.break_glass = self
            .break_glass
            .or_else(|| broken(Justification::SelfClaim, words, false));
        self
    }
}

impl Why {
    /// The words that stand for this reason in the banner's menu, the log and the person's list.
    pub fn words(&self) -> String {
        match self {
            Self::PermissionToday => "The person has given permission".into(),
            Self::PermissionEarlier => "The person gave permission earlier for this care".into(),
            Self::BestInterests { stopped } => {
                format!("In their best interests. {}", stopped.words())
            }
            Self::NotPresent => "Direct care without the person present".into(),
            Self::Safeguarding { .. } => "Safeguarding".into(),
            Self::SomethingElse { .. } => "Something else".into(),
            Self::Emergency { ground, .. } => ground.words().into(),
            Self::Stated(stated) => format!("Stated by a system: {}", stated.purpose),
        }
    }

    /// The facts these words stand for. An administrator's direct care is administration of care.
    pub(super) fn asked(&self, role: Role) -> Asked {
        let mut asked = Asked {
            purpose: Some(match role {
                Role::AdminClerical => Purpose::CareAdmin,
                Role::Patient => Purpose::SelfView,
                Role::Proxy => Purpose::ProxyView,
                _ => Purpose::DirectCare,
            }),
            permission: Permission::NotAsked,
            emergency: false,
            break_glass: None,
            warrant: Warrant::default(),
            claims_relationship: false,
        };
        match self {
            Self::PermissionToday => asked.permission = Permission::Given,
            Self::PermissionEarlier => asked.permission = Permission::Standing,
            Self::NotPresent => asked.permission = Permission::NotPresent,
            Self::BestInterests { stopped } => {
                asked.permission = Permission::Unable;
                asked.break_glass = broken(Justification::BestInterest, stopped.words(), false);
            }
            Self::Safeguarding { case } => {
                asked.purpose = Some(Purpose::SafeguardingInvestigation);
                asked.permission = Permission::NotApplicable;
                asked.warrant.case_reference = !case.trim().is_empty();
            }
            Self::SomethingElse { text } => {
                asked.permission = Permission::NotPresent;
                asked.break_glass = broken(Justification::SelfClaim, text, false);
                asked.claims_relationship = true;
            }
            Self::Emergency { ground, text, seal } => emergency(&mut asked, *ground, text, *seal),
            Self::Stated(stated) => stated.facts(&mut asked),
        }
        asked
    }
}

/// Page C6 in the rules' words. A risk to life is rule 7's emergency, unless sealed items are asked
/// for, whose ground is then a vital interest (rule 11).
fn emergency(asked: &mut Asked, ground: Ground, text: &str, seal: bool) {
    let justification = match ground {
        Ground::RiskToLife if seal => Justification::VitalInterests,
        Ground::RiskToLife => Justification::BestInterest,
        Ground::PersonAsked => Justification::ExplicitConsent,
        Ground::SafeguardingDuty => Justification::OverridingPublicInterest,
        Ground::LegalDuty => Justification::LegalRequirement,
    };
    asked.break_glass = broken(justification, text, seal);
    asked.emergency = ground == Ground::RiskToLife && !seal;
    asked.claims_relationship = ground != Ground::RiskToLife;
    asked.permission = match ground {
        Ground::RiskToLife if !seal => Permission::Unable,
        Ground::PersonAsked => Permission::Given,
        _ => Permission::NotPresent,
    };
}

fn broken(justification: Justification, reason: &str, opens_seal: bool) -> Option<BreakGlass> {
    Some(BreakGlass {
        justification: Some(justification),
        reason: reason.to_owned(),
        opens_seal,
    })
}

impl Stated {
    fn facts(&self, asked: &mut Asked) {
        asked.purpose = Purpose::from_code(&self.purpose);
        asked.permission = self
            .permission
            .as_deref()
            .map_or(Permission::NotAsked, |code| {
                Permission::from_code(code).unwrap_or(Permission::NotAsked)
            });
        asked.warrant = Warrant {
            case_reference: self
                .case
                .as_deref()
                .is_some_and(|case| !case.trim().is_empty()),
            scope: CategorySet::EMPTY,
            ..Warrant::default()
        };
        if let Some((code, reason)) = &self.break_glass {
            let justification = Justification::from_code(code);
            asked.break_glass = Some(BreakGlass {
                justification,
                reason: reason.clone(),
                opens_seal: false,
            });
            asked.emergency = justification == Some(Justification::BestInterest)
                && asked.permission == Permission::Unable;
            asked.claims_relationship = justification == Some(Justification::SelfClaim);
        }
    }
}
