//! Who would see what under a choice, before it is made. Every answer is [`decide`]'s own: this file
//! only says which questions are put, and tells the answers in words.
//!
//! Source: screens, section 10 (check your answers); issue "Opt-out simulator". That each question is
//! the one a real view puts is tested for every role, purpose and choice in tests/rules/simulator.rs,
//! and against the record itself in care-record.

use crate::codes::coded;
use crate::vocabulary::{Category, CategorySet, OrganisationKind, Purpose, Role, SensitivitySet};

use super::decide;
use super::decision::{Decision, Outcome, Reason};
use super::explain::in_plain_words;
use super::facts::{
    BreakGlass, Choice, Facts, Justification, OrganisationCode, Origin, Patient, Permission,
    Relationship, User, Warrant,
};
use super::settings::Settings;

coded! {
    /// The ways in which somebody may come to look.
    Situation {
        Asked "asked" "They look after you, they asked you, and you said yes.",
        Planning "planning" "They look after you and prepare or follow up without you there.",
        CannotSay "cannot_say" "They look after you in an emergency, and you cannot say yes or no.",
        Stranger "stranger" "An emergency, you cannot say, and they have had no part in your care.",
        YouInsist "you_insist" "You ask them to look, there and then, in spite of your choice.",
        Claimed "claimed" "They say they look after you, and no system shows it.",
        Office "office" "Office staff, for your appointments.",
        Safeguarding "safeguarding" "A safeguarding lead, to keep somebody safe, with a case number.",
        Law "law" "A Caldicott Guardian, because a law or a court says so.",
        PublicInterest "public_interest" "A Caldicott Guardian, for an agreed public interest.",
        Audit "audit" "A privacy officer, who checks who looked.",
        Oneself "oneself" "You, when you log in.",
        Acting "acting" "Somebody who acts for you, when they log in.",
        Else "else" "Anybody, for anything else: research, insurance, an employer.",
    }
}

impl Situation {
    /// The purpose that is asked for; `None` is one that is not on the list.
    pub fn purpose(self) -> Option<Purpose> {
        match self {
            Self::Asked
            | Self::Planning
            | Self::CannotSay
            | Self::Stranger
            | Self::YouInsist
            | Self::Claimed => Some(Purpose::DirectCare),
            Self::Office => Some(Purpose::CareAdmin),
            Self::Safeguarding => Some(Purpose::SafeguardingInvestigation),
            Self::Law => Some(Purpose::LegalRequirement),
            Self::PublicInterest => Some(Purpose::PublicInterest),
            Self::Audit => Some(Purpose::AuditReview),
            Self::Oneself => Some(Purpose::SelfView),
            Self::Acting => Some(Purpose::ProxyView),
            Self::Else => None,
        }
    }
}

/// Who would look: a role in an organisation, with the tie it has to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The role.
    pub role: Role,
    /// The organisation.
    pub organisation: OrganisationCode,
    /// What ties it to the person, where the situation does not say otherwise.
    pub relationship: Relationship,
}

/// Whose record, under which choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What is known of the person.
    pub patient: Patient,
    /// The choice that would hold.
    pub choice: Choice,
    /// The protection levels among what is held; empty where whoever reads the answer may not know.
    pub sensitivity_present: SensitivitySet,
}

/// The facts of a view in this situation.
pub fn facts(viewer: &Viewer, situation: Situation, subject: &Subject) -> Facts {
    let purpose = situation.purpose();
    let oneself = situation == Situation::Oneself;
    Facts {
        user: User {
            role: Some(viewer.role),
            organisation: viewer.organisation.clone(),
            authenticated: true,
            organisation_participating: true,
            is_the_patient: oneself,
            declared_family: false,
            can_break_seal: false,
            origin: Origin::Local,
        },
        patient: Patient {
            // Nobody acts for a person who did not agree, or is too young to.
            proxy_agreed: subject.patient.proxy_agreed || situation == Situation::Acting,
            ..subject.patient.clone()
        },
        relationship: match situation {
            Situation::Stranger => Relationship::None,
            Situation::Claimed => Relationship::SelfClaimed,
            Situation::Oneself => Relationship::Oneself,
            Situation::Acting => Relationship::ParentalResponsibility,
            _ => viewer.relationship,
        },
        purpose,
        permission: permission(situation),
        emergency: matches!(situation, Situation::CannotSay | Situation::Stranger),
        choice: subject.choice.clone(),
        sensitivity_present: subject.sensitivity_present,
        break_glass: break_glass(situation, subject.patient.pds_restricted),
        warrant: Warrant {
            case_reference: matches!(
                situation,
                Situation::Safeguarding | Situation::Law | Situation::PublicInterest
            ),
            legal_instrument: situation == Situation::Law,
            public_interest_approved: situation == Situation::PublicInterest,
            scope: CategorySet::whole_record(),
        },
    }
}

fn permission(situation: Situation) -> Permission {
    match situation {
        Situation::Asked | Situation::YouInsist => Permission::Given,
        Situation::Planning | Situation::Claimed => Permission::NotPresent,
        Situation::CannotSay | Situation::Stranger => Permission::Unable,
        _ => Permission::NotApplicable,
    }
}

/// What is said to look in spite of what would stop it. Where the address is protected, whoever looks
/// for care gives a reason.
fn break_glass(situation: Situation, restricted: bool) -> Option<BreakGlass> {
    let justification = match situation {
        Situation::CannotSay | Situation::Stranger => Justification::BestInterest,
        Situation::YouInsist => Justification::ExplicitConsent,
        Situation::Claimed => Justification::SelfClaim,
        Situation::Asked | Situation::Planning | Situation::Office if restricted => {
            Justification::RestrictedRecord
        }
        _ => return None,
    };
    Some(BreakGlass {
        justification: Some(justification),
        reason: "what they would write down".to_owned(),
        opens_seal: false,
    })
}

/// The decision on such a view.
pub fn simulate(
    viewer: &Viewer,
    situation: Situation,
    subject: &Subject,
    settings: &Settings,
) -> Decision {
    decide(&facts(viewer, situation, subject), settings)
}

/// The roles that organisations of a kind give to those who look after people, in the order of a page,
/// and the tie such an organisation has.
pub fn carers_of(kind: OrganisationKind) -> (Relationship, &'static [Role]) {
    use OrganisationKind as Kind;
    match kind {
        Kind::Practice => (Relationship::RegisteredGp, &[Role::Gp, Role::AdminClerical]),
        Kind::Trust => (
            Relationship::Inpatient,
            &[
                Role::HospitalDoctor,
                Role::HospitalNurse,
                Role::OccupationalTherapist,
                Role::HealthcareAssistant,
                Role::StudentClinician,
                Role::AdminClerical,
            ],
        ),
        Kind::Community => (
            Relationship::Caseload,
            &[Role::DistrictNurse, Role::OccupationalTherapist],
        ),
        Kind::MentalHealth => (Relationship::Caseload, &[Role::MentalHealthPractitioner]),
        Kind::Council => (
            Relationship::Caseload,
            &[Role::SocialWorker, Role::Amhp, Role::OccupationalTherapist],
        ),
        Kind::CareHome => (Relationship::CareHomeResident, &[Role::CareHomeStaff]),
        Kind::Pharmacy => (Relationship::OpenReferral, &[Role::Pharmacist]),
        Kind::Ambulance => (Relationship::AmbulanceIncident, &[Role::AmbulanceClinician]),
        Kind::Programme => (Relationship::None, &[]),
    }
}

/// What an answer lets somebody see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Yes, yes with somebody checking it, or no.
    pub outcome: Outcome,
    /// Why not.
    pub reason: Reason,
    /// The kinds of information.
    pub categories: CategorySet,
    /// Sources that are left out: `gp`, or codes.
    pub left_out: Vec<String>,
}

impl Seen {
    /// Of a decision.
    pub fn of(decision: &Decision) -> Self {
        Self {
            outcome: decision.outcome(),
            reason: decision.reason(),
            categories: decision.visible_categories(),
            left_out: decision.hidden_sources().to_vec(),
        }
    }

    /// In words for the person: "Everything", "Everything except your letters", "Only …", "Nothing".
    /// `name` says what a source is called.
    pub fn words(&self, name: impl Fn(&str) -> String) -> String {
        if self.outcome == Outcome::Deny {
            return "Nothing".to_owned();
        }
        let whole = CategorySet::whole_record();
        let missing: CategorySet = whole
            .iter()
            .filter(|one| !self.categories.contains(*one))
            .collect();
        let log_only = CategorySet::EMPTY.with(Category::AccessLog);
        let mut words = match missing.iter().count() {
            _ if self.categories == log_only => "Only who has looked".to_owned(),
            0 => "Everything".to_owned(),
            1..=6 => format!("Everything except {}", list(missing)),
            _ => format!("Only {}", list(self.categories)),
        };
        let names: Vec<String> = self
            .left_out
            .iter()
            .map(|code| match code.as_str() {
                "gp" => "your GP practice".to_owned(),
                code => name(code),
            })
            .collect();
        if !names.is_empty() {
            words.push_str("; nothing from ");
            words.push_str(&names.join(" or "));
        }
        if self.outcome == Outcome::BreakGlass {
            words.push_str(". We check every such look");
        }
        words
    }
}

fn list(categories: CategorySet) -> String {
    let names: Vec<_> = categories.iter().map(in_plain_words).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// One line of the page: who, in which situation, sees what now and what then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which of the organisations given; `None` for lines that are the same everywhere.
    pub organisation: Option<usize>,
    /// The role.
    pub role: Role,
    /// The situation.
    pub situation: Situation,
    /// Under the choice that holds.
    pub now: Seen,
    /// Under the choice that would hold.
    pub then: Seen,
}

impl Line {
    /// Whether the choice changes anything here.
    pub fn changes(&self) -> bool {
        self.now != self.then
    }
}

/// Every line of the page for these organisations: each carer of each, when the person was asked and
/// said yes; then the special situations, once.
pub fn lines(
    organisations: &[(OrganisationKind, OrganisationCode)],
    now: &Subject,
    then: &Subject,
    settings: &Settings,
) -> Vec<Line> {
    let line = |organisation, viewer: &Viewer, situation| Line {
        organisation,
        role: viewer.role,
        situation,
        now: Seen::of(&simulate(viewer, situation, now, settings)),
        then: Seen::of(&simulate(viewer, situation, then, settings)),
    };
    let mut all = Vec::new();
    for (place, (kind, code)) in organisations.iter().enumerate() {
        let (relationship, roles) = carers_of(*kind);
        for role in roles {
            let viewer = Viewer {
                role: *role,
                organisation: code.clone(),
                relationship,
            };
            let situation = match role {
                Role::AdminClerical => Situation::Office,
                _ => Situation::Asked,
            };
            all.push(line(Some(place), &viewer, situation));
        }
    }
    for (role, kind, situation) in SPECIAL {
        let found = organisations.iter().find(|(one, _)| one == kind);
        let Some((_, code)) = found else { continue };
        let viewer = Viewer {
            role: *role,
            organisation: code.clone(),
            relationship: carers_of(*kind).0,
        };
        all.push(line(None, &viewer, *situation));
    }
    all
}

/// Who stands for each special situation.
const SPECIAL: &[(Role, OrganisationKind, Situation)] = &[
    (
        Role::HospitalDoctor,
        OrganisationKind::Trust,
        Situation::CannotSay,
    ),
    (
        Role::AmbulanceClinician,
        OrganisationKind::Ambulance,
        Situation::Stranger,
    ),
    (
        Role::HospitalDoctor,
        OrganisationKind::Trust,
        Situation::YouInsist,
    ),
    (
        Role::SafeguardingLead,
        OrganisationKind::Trust,
        Situation::Safeguarding,
    ),
    (
        Role::CaldicottGuardian,
        OrganisationKind::Trust,
        Situation::Law,
    ),
    (
        Role::CaldicottGuardian,
        OrganisationKind::Trust,
        Situation::PublicInterest,
    ),
    (
        Role::PrivacyOfficer,
        OrganisationKind::Programme,
        Situation::Audit,
    ),
    (
        Role::Patient,
        OrganisationKind::Programme,
        Situation::Oneself,
    ),
    (Role::Analyst, OrganisationKind::Programme, Situation::Else),
];
