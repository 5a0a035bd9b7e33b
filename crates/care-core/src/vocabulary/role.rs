//! What a user is, as far as access is concerned. Source: the access model, section 8.1, with the
//! national RBAC role codes named there.

macro_rules! roles {
    ($($name:ident $code:literal $title:literal),+ $(,)?) => {
        /// A role. The role matrix and every rule name roles by these.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Role { $(#[doc = $title] $name),+ }

        impl Role {
            /// Every role, in the order of the access model.
            pub const ALL: &'static [Role] = &[$(Role::$name),+];

            /// The code used on wires and in the audit log.
            pub fn code(self) -> &'static str {
                match self { $(Role::$name => $code),+ }
            }

            /// What a person calls the job.
            pub fn title(self) -> &'static str {
                match self { $(Role::$name => $title),+ }
            }

            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Role::$name),)+ _ => None }
            }
        }
    };
}

roles! {
    Gp "gp" "GP",
    HospitalDoctor "hospital_doctor" "Hospital doctor",
    HospitalNurse "hospital_nurse" "Hospital nurse",
    DistrictNurse "district_nurse" "District nurse",
    MentalHealthPractitioner "mental_health_practitioner" "Mental health practitioner",
    AmbulanceClinician "ambulance_clinician" "Ambulance clinician",
    OccupationalTherapist "occupational_therapist" "Occupational therapist",
    Pharmacist "pharmacist" "Pharmacist",
    StudentClinician "student_clinician" "Student clinician",
    HealthcareAssistant "healthcare_assistant" "Healthcare assistant",
    SocialWorker "social_worker" "Social worker",
    Amhp "amhp" "Approved mental health professional",
    CareHomeStaff "care_home_staff" "Care home staff",
    AdminClerical "admin_clerical" "Administrative staff",
    SafeguardingLead "safeguarding_lead" "Safeguarding lead",
    PrivacyOfficer "privacy_officer" "Privacy officer",
    CaldicottGuardian "caldicott_guardian" "Caldicott Guardian",
    SystemAdmin "system_admin" "System administrator",
    Analyst "analyst" "Analyst",
    Patient "patient" "Patient",
    Proxy "proxy" "Person acting for a patient",
}
