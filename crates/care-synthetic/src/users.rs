//! The people who sign in to the demonstration. Invented, like everyone here.

use crate::cast;
use crate::organisations::{
    AMBULANCE, CARE_HOME, COMMUNITY, COUNCIL, MENTAL_HEALTH, PHARMACY, PRACTICE, PROGRAMME, TRUST,
};

/// A user of the demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InventedUser {
    /// The user id: what `--as` takes and what the sign-in page lists.
    pub id: &'static str,
    /// Full name.
    pub name: &'static str,
    /// The role's code in the access model (8.1).
    pub role: &'static str,
    /// The job in words.
    pub job: &'static str,
    /// The code of the employing organisation; for a patient or proxy the programme's.
    pub organisation: &'static str,
    /// Whether this user holds the right to open sealed items.
    pub can_break_seal: bool,
    /// For a patient: their own NHS number. For a proxy: the number of the person they act for.
    pub person: Option<&'static str>,
}

const fn staff(
    id: &'static str,
    name: &'static str,
    role: &'static str,
    job: &'static str,
    organisation: &'static str,
) -> InventedUser {
    InventedUser {
        id,
        name,
        role,
        job,
        organisation,
        can_break_seal: false,
        person: None,
    }
}

const fn with_seal_right(user: InventedUser) -> InventedUser {
    InventedUser {
        can_break_seal: true,
        ..user
    }
}

const fn about(user: InventedUser, person: &'static str) -> InventedUser {
    InventedUser {
        person: Some(person),
        ..user
    }
}

/// Every user, in the order of the sign-in page.
pub fn users() -> &'static [InventedUser] {
    const ALL: [InventedUser; 22] = [
        with_seal_right(staff(
            "gp",
            "Dr Ruth Sandover",
            "gp",
            "GP partner",
            PRACTICE.ods,
        )),
        staff(
            "practice-receptionist",
            "Colin Pettifer",
            "admin_clerical",
            "Receptionist",
            PRACTICE.ods,
        ),
        with_seal_right(staff(
            "hospital-doctor",
            "Dr Tomasz Zielinski",
            "hospital_doctor",
            "Registrar, acute medicine",
            TRUST.ods,
        )),
        staff(
            "hospital-nurse",
            "Grace Amponsah",
            "hospital_nurse",
            "Ward sister, Kestrel Ward",
            TRUST.ods,
        ),
        with_seal_right(staff(
            "ed-doctor",
            "Dr Leila Farahani",
            "hospital_doctor",
            "Consultant, emergency medicine",
            TRUST.ods,
        )),
        staff(
            "district-nurse",
            "Maureen Oduya",
            "district_nurse",
            "District nurse, Ladywell Vale North",
            COMMUNITY.ods,
        ),
        staff(
            "occupational-therapist",
            "Callum Ferris",
            "occupational_therapist",
            "Occupational therapist, rehabilitation at home",
            COMMUNITY.ods,
        ),
        staff(
            "social-worker",
            "Denise Hallworth",
            "social_worker",
            "Social worker, adults",
            COUNCIL.ods,
        ),
        with_seal_right(staff(
            "mental-health-practitioner",
            "Joel Baptiste",
            "mental_health_practitioner",
            "Community psychiatric nurse",
            MENTAL_HEALTH.ods,
        )),
        staff(
            "pharmacist",
            "Hina Qureshi",
            "pharmacist",
            "Community pharmacist",
            PHARMACY.ods,
        ),
        staff(
            "ambulance-clinician",
            "Steve Orchard",
            "ambulance_clinician",
            "Paramedic",
            AMBULANCE.ods,
        ),
        staff(
            "care-home-staff",
            "Blessing Eze",
            "care_home_staff",
            "Senior carer",
            CARE_HOME.ods,
        ),
        staff(
            "student-nurse",
            "Ellie Marchbanks",
            "student_clinician",
            "Student nurse, year 2",
            TRUST.ods,
        ),
        staff(
            "safeguarding-lead",
            "Yvonne Castell",
            "safeguarding_lead",
            "Named nurse for safeguarding",
            TRUST.ods,
        ),
        staff(
            "privacy-officer",
            "Martin Oyelaran",
            "privacy_officer",
            "Privacy officer",
            PROGRAMME.ods,
        ),
        staff(
            "caldicott-guardian",
            "Dr Helena Voss",
            "caldicott_guardian",
            "Caldicott Guardian",
            TRUST.ods,
        ),
        staff(
            "ig-officer",
            "Sunil Ramdin",
            "privacy_officer",
            "Information governance officer",
            PROGRAMME.ods,
        ),
        staff(
            "integration-engineer",
            "Katie Brandt",
            "system_admin",
            "Integration engineer",
            PROGRAMME.ods,
        ),
        staff(
            "operator",
            "Owen Trask",
            "system_admin",
            "Service operator",
            PROGRAMME.ods,
        ),
        staff(
            "analyst",
            "Farid Nazari",
            "analyst",
            "Population health analyst",
            PROGRAMME.ods,
        ),
        about(
            staff("patient", "Maya Patel", "patient", "Patient", PROGRAMME.ods),
            cast::MAYA,
        ),
        about(
            staff(
                "proxy",
                "Selin Kaya",
                "proxy",
                "Mother of Elif Kaya",
                PROGRAMME.ods,
            ),
            cast::ELIF,
        ),
    ];
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organisations::organisation;

    #[test]
    fn every_user_of_the_contract_is_here_and_works_somewhere() {
        let ids: Vec<_> = users().iter().map(|user| user.id).collect();
        assert_eq!(
            ids,
            "gp practice-receptionist hospital-doctor hospital-nurse ed-doctor district-nurse \
             occupational-therapist social-worker mental-health-practitioner pharmacist \
             ambulance-clinician care-home-staff student-nurse safeguarding-lead privacy-officer \
             caldicott-guardian ig-officer integration-engineer operator analyst patient proxy"
                .split_whitespace()
                .collect::<Vec<_>>()
        );
        assert!(
            users()
                .iter()
                .all(|user| organisation(user.organisation).is_some())
        );
    }
}
