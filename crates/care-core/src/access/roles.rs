//! Which categories each role may see. Source: the access model, 8.2.
//!
//! A role's categories are the most any decision for it can show: no rule adds to them.

use crate::vocabulary::Category::{self, *};
use crate::vocabulary::{CategorySet, Role};

/// The categories a role may see when it cares for, or acts for, a person.
///
/// Roles that only ever look at the access log, and roles that look at nothing, get nothing here.
pub fn categories_of(role: Role) -> CategorySet {
    let whole = CategorySet::whole_record();
    match role {
        Role::Gp
        | Role::HospitalDoctor
        | Role::HospitalNurse
        | Role::DistrictNurse
        | Role::MentalHealthPractitioner
        | Role::AmbulanceClinician
        | Role::SafeguardingLead => whole,
        Role::OccupationalTherapist => whole.without(GpConsultations),
        Role::SocialWorker => set(SOCIAL_WORKER),
        Role::Amhp => set(SOCIAL_WORKER).with(Documents).with(MentalHealth),
        Role::Pharmacist => set(PHARMACIST),
        Role::CareHomeStaff => set(CARE_HOME),
        Role::HealthcareAssistant => set(HEALTHCARE_ASSISTANT),
        Role::AdminClerical => set(ADMIN),
        Role::StudentClinician => set(STUDENT),
        Role::Patient => whole.with(AccessLog),
        Role::Proxy => whole.without(Safeguarding).with(AccessLog),
        Role::PrivacyOfficer | Role::CaldicottGuardian | Role::SystemAdmin | Role::Analyst => {
            CategorySet::EMPTY
        }
    }
}

/// The thirteen roles that give care.
pub const CARE_ROLES: &[Role] = &[
    Role::Gp,
    Role::HospitalDoctor,
    Role::MentalHealthPractitioner,
    Role::HospitalNurse,
    Role::DistrictNurse,
    Role::AmbulanceClinician,
    Role::OccupationalTherapist,
    Role::Pharmacist,
    Role::StudentClinician,
    Role::HealthcareAssistant,
    Role::SocialWorker,
    Role::Amhp,
    Role::CareHomeStaff,
];

/// Whether the role may act in a person's best interest when the person cannot say.
pub fn has_emergency_right(role: Role) -> bool {
    CARE_ROLES.contains(&role)
        && !matches!(
            role,
            Role::CareHomeStaff | Role::HealthcareAssistant | Role::StudentClinician
        )
}

/// GP Connect's restricted view, and a social worker's own domain.
const SOCIAL_WORKER: &[Category] = &[
    Demographics,
    Location,
    AboutMe,
    Alerts,
    Allergies,
    Medications,
    Problems,
    Vaccinations,
    Encounters,
    SocialCare,
    CarePlans,
    Safeguarding,
    Legal,
    Contacts,
];

const PHARMACIST: &[Category] = &[
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
];

/// PRSB's care home view.
const CARE_HOME: &[Category] = &[
    Demographics,
    Location,
    AboutMe,
    Alerts,
    Allergies,
    Medications,
    Results,
    Encounters,
    Documents,
    SocialCare,
    CarePlans,
    Safeguarding,
    Legal,
    Contacts,
];

const HEALTHCARE_ASSISTANT: &[Category] = &[
    Demographics,
    Location,
    AboutMe,
    Alerts,
    Allergies,
    Encounters,
    CarePlans,
    Contacts,
];

const ADMIN: &[Category] = &[Demographics, Location, Encounters, Contacts];

const STUDENT: &[Category] = &[
    Demographics,
    Alerts,
    Allergies,
    Medications,
    Problems,
    Vaccinations,
    Results,
    Encounters,
];

fn set(categories: &[Category]) -> CategorySet {
    categories.iter().copied().collect()
}
