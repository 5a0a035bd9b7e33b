//! What the rules are told: plain values, gathered by the caller. Source: the access model, 8.1.
//!
//! Nothing here is looked up or guessed. What a caller does not know it says in the most cautious
//! way: choice unknown, permission not asked, relationship none.

use std::fmt;

use crate::vocabulary::{
    CategorySet, OdsCode, Organisation, OrganisationKind, Purpose, Role, SensitivitySet, SourceCode,
};

use crate::codes::coded;

/// Everything one decision is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who asks.
    pub user: User,
    /// Whose record it is.
    pub patient: Patient,
    /// What ties the user's organisation to the person.
    pub relationship: Relationship,
    /// Why the user asks; `None` when the purpose asked for is not one of the permitted list.
    pub purpose: Option<Purpose>,
    /// What the person said when asked.
    pub permission: Permission,
    /// The user says this is an emergency.
    pub emergency: bool,
    /// What the person chose about Connect Care.
    pub choice: Choice,
    /// The protection levels that occur among the items held.
    pub sensitivity_present: SensitivitySet,
    /// The break-glass request, if one was made.
    pub break_glass: Option<BreakGlass>,
    /// What a safeguarding, legal or public-interest request rests on.
    pub warrant: Warrant,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The role; `None` when the role named is not one of the list.
    pub role: Option<Role>,
    /// The organisation the user works for.
    pub organisation: OrganisationCode,
    /// Signed in by a means the deployment trusts.
    pub authenticated: bool,
    /// The organisation has signed the sharing agreement and meets the security standard (DSPT).
    pub organisation_participating: bool,
    /// The user and the person are one.
    pub is_the_patient: bool,
    /// The user has declared to be family of the person.
    pub declared_family: bool,
    /// The user's role profile holds the right to open seals.
    pub can_break_seal: bool,
    /// Where the request comes from.
    pub origin: Origin,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This deployment.
    Local,
    /// A partner record, which must assert who asks and why.
    Federated {
        /// The names of the parts its assertion lacks.
        assertion_missing: Vec<String>,
    },
}

/// Whose record it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patient {
    /// Age in whole years; unknown counts as grown up.
    pub age_years: Option<u32>,
    /// Judged able to decide for themselves though under 16.
    pub gillick_competent: bool,
    /// Has agreed that the proxy may look.
    pub proxy_agreed: bool,
    /// Mental capacity, where recorded. Carried for the record; no rule reads it.
    pub capacity: Option<Capacity>,
    /// Living, or dead and for how long.
    pub life: Life,
    /// The address is protected (PDS "R").
    pub pds_restricted: bool,
    /// The record is watched.
    pub heightened_monitoring: bool,
}

impl Patient {
    /// Whether somebody with parental responsibility decides: under 16 and not Gillick-competent.
    pub fn parent_decides(&self) -> bool {
        self.age_years.is_some_and(|age| age < 16) && !self.gillick_competent
    }
}

/// Whether a person lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Life {
    /// Living.
    #[default]
    Living,
    /// Dead.
    Deceased {
        /// Whole days since the death, where known.
        days_since: Option<u32>,
    },
}

/// What ties the user's organisation to the person. The first eight are verified by a system:
/// a claim nobody could verify is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relationship {
    /// The person is registered with the practice.
    RegisteredGp,
    /// Is admitted.
    Inpatient,
    /// Attends an emergency department.
    EdAttendance,
    /// Has an appointment.
    Appointment {
        /// Whole days until it; negative when past. Unknown is outside every window.
        days_from_now: Option<i64>,
    },
    /// Was referred.
    OpenReferral,
    /// Is on the list of a team.
    Caseload,
    /// Lives in the care home.
    CareHomeResident,
    /// Is attended by an ambulance crew.
    AmbulanceIncident,
    /// The user says so, and nothing else does.
    SelfClaimed,
    /// The user is the person.
    Oneself,
    /// The user has parental responsibility.
    ParentalResponsibility,
    /// None.
    None,
}

impl Relationship {
    /// The code used on wires and in the audit log.
    pub fn code(self) -> &'static str {
        match self {
            Self::RegisteredGp => "registered_gp",
            Self::Inpatient => "inpatient",
            Self::EdAttendance => "ed_attendance",
            Self::Appointment { .. } => "appointment",
            Self::OpenReferral => "open_referral",
            Self::Caseload => "caseload",
            Self::CareHomeResident => "care_home_resident",
            Self::AmbulanceIncident => "ambulance_incident",
            Self::SelfClaimed => "self_claimed",
            Self::Oneself => "self",
            Self::ParentalResponsibility => "parental_responsibility",
            Self::None => "none",
        }
    }

    /// Whether a system verified that the organisation cares for the person.
    pub fn is_verified(self) -> bool {
        !matches!(
            self,
            Self::SelfClaimed | Self::Oneself | Self::ParentalResponsibility | Self::None
        )
    }
}

coded! {
    /// What the person said about this view, or who said it for them.
    Permission {
        Given "given" "The person gave it.",
        Standing "standing" "The person gave it for this and later views.",
        GivenByAttorney "given_by_attorney" "An attorney or deputy gave it.",
        GivenByParent "given_by_parent" "Somebody with parental responsibility gave it.",
        Refused "refused" "The person said no.",
        NotAsked "not_asked" "Nobody asked.",
        Unable "unable" "The person cannot say.",
        NotPresent "not_present" "The person is not there, as when preparing or following up.",
        NotApplicable "not_applicable" "The purpose does not ask for it.",
    }
}

coded! {
    /// What the person chose about Connect Care.
    ChoiceState {
        None "none" "No objection.",
        Objected "objected" "Objected.",
        ObjectedExceptEmergency "objected_except_emergency" "Objected, save in an emergency.",
        Unknown "unknown" "Could not be found out.",
    }
}

coded! {
    /// How far an objection has come.
    ChoiceStatus {
        Decided "decided" "It stands.",
        Pending "pending" "It waits for a decision.",
        NotUpheld "not_upheld" "It was weighed and not upheld.",
    }
}

coded! {
    /// Whether a person has the capacity to decide.
    Capacity {
        Has "has" "Has capacity.",
        Lacks "lacks" "Lacks capacity.",
    }
}

coded! {
    /// Why the glass is broken.
    Justification {
        ExplicitConsent "explicit_consent" "The person asks for it.",
        BestInterest "best_interest" "It is in the person's best interest.",
        LegalRequirement "legal_requirement" "The law requires it.",
        OverridingPublicInterest "overriding_public_interest" "The public interest overrides.",
        VitalInterests "vital_interests" "Somebody's life is at stake.",
        SelfClaim "self_claim" "The user claims a relationship.",
        RestrictedRecord "restricted_record" "The record is restricted.",
        Safeguarding "safeguarding" "Somebody must be protected.",
    }
}

/// What the person chose about Connect Care. The national data opt-out is not here: it never
/// affects care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The choice.
    pub connect_care: ChoiceState,
    /// How far an objection has come.
    pub status: ChoiceStatus,
    /// Organisations the person does not want to look.
    pub blocked_organisations: Vec<OrganisationCode>,
    /// Sources the person does not want shown elsewhere.
    pub withheld_sources: Vec<OrganisationCode>,
    /// The GP record carries a dissent flag.
    pub gp_dissent: bool,
}

/// A request to look in spite of what would stop it.
#[derive(Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// Why; `None` for a text that is not on the list.
    pub justification: Option<Justification>,
    /// In the user's own words.
    pub reason: String,
    /// The request is to open sealed items.
    pub opens_seal: bool,
}

impl BreakGlass {
    /// Whether the user said something; blanks are nothing.
    pub fn has_reason(&self) -> bool {
        !self.reason.trim().is_empty()
    }
}

impl fmt::Debug for BreakGlass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakGlass")
            .field("justification", &self.justification)
            .field("reason", &"(hidden)")
            .field("opens_seal", &self.opens_seal)
            .finish()
    }
}

/// What a safeguarding, legal or public-interest request rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warrant {
    /// A case reference was given.
    pub case_reference: bool,
    /// A legal instrument was named.
    pub legal_instrument: bool,
    /// A public interest test was approved.
    pub public_interest_approved: bool,
    /// The categories asked for; nothing else is shown.
    pub scope: CategorySet,
}

impl Facts {
    /// Whether the glass is broken with a reason in words.
    pub fn is_reasoned(&self) -> bool {
        self.break_glass
            .as_ref()
            .is_some_and(BreakGlass::has_reason)
    }

    /// Whether the glass is broken with this justification and a reason in words.
    pub fn is_reasoned_with(&self, justification: Justification) -> bool {
        self.break_glass
            .as_ref()
            .is_some_and(|glass| glass.justification == Some(justification) && glass.has_reason())
    }

    /// Whether the user works at the practice the person is registered with.
    pub fn viewer_is_registered_practice(&self) -> bool {
        self.user.organisation.kind() == Some(OrganisationKind::Practice)
            && self.relationship == Relationship::RegisteredGp
    }
}

/// The code the rules know an organisation by: its kind, a dash, its own code (8.8). Capitals and
/// small letters are the same.
#[derive(Debug, Clone, Eq)]
pub struct OrganisationCode(String);

impl PartialEq for OrganisationCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl OrganisationCode {
    /// The code of an organisation that takes part.
    pub fn of(organisation: &Organisation) -> Self {
        Self(organisation.access_code())
    }

    /// A code as somebody wrote it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The code as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind its prefix names, if that is one of ours.
    pub fn kind(&self) -> Option<OrganisationKind> {
        let prefix = self.0.split('-').next().unwrap_or_default();
        OrganisationKind::from_prefix(&prefix.to_ascii_lowercase())
    }

    /// The source whose items carry this organisation's name. `None` means that no source can
    /// have this code, so nothing held can come from it.
    pub fn source(&self) -> Option<SourceCode> {
        let own = match (self.kind(), self.0.split_once('-')) {
            (Some(_), Some((_, rest))) => rest,
            _ => &self.0,
        };
        OdsCode::parse(own).ok()
    }
}
