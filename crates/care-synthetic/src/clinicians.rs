//! Invented professionals, by organisation. Their ids resemble no register's.

use crate::dice::Dice;
use crate::organisations::{COMMUNITY, COUNCIL, MENTAL_HEALTH, PRACTICE, SECOND_PRACTICE, TRUST};

/// A professional who signs, books or visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clinician {
    pub id: &'static str,
    pub title: &'static str,
    pub given: &'static str,
    pub family: &'static str,
    pub job: &'static str,
    pub organisation: &'static str,
}

const fn clinician(
    id: &'static str,
    title: &'static str,
    given: &'static str,
    family: &'static str,
    job: &'static str,
    organisation: &'static str,
) -> Clinician {
    Clinician {
        id,
        title,
        given,
        family,
        job,
        organisation,
    }
}

pub(crate) const GP: Clinician = clinician(
    "X9D101",
    "Dr",
    "Ruth",
    "Sandover",
    "General practitioner",
    PRACTICE.ods,
);
pub(crate) const SECOND_GP: Clinician = clinician(
    "X9D102",
    "Dr",
    "Amit",
    "Bhandari",
    "General practitioner",
    PRACTICE.ods,
);
pub(crate) const THIRD_GP: Clinician = clinician(
    "X9D103",
    "Dr",
    "Fiona",
    "Castellane",
    "General practitioner",
    PRACTICE.ods,
);
pub(crate) const PRACTICE_NURSE: Clinician = clinician(
    "X9D104",
    "Sr",
    "Janet",
    "Plumley",
    "Practice nurse",
    PRACTICE.ods,
);
pub(crate) const PRACTICE_PHARMACIST: Clinician = clinician(
    "X9D105",
    "Ms",
    "Oluchi",
    "Nwosu",
    "Clinical pharmacist",
    PRACTICE.ods,
);
pub(crate) const OTHER_GP: Clinician = clinician(
    "X9D120",
    "Dr",
    "Stephen",
    "Marchmont",
    "General practitioner",
    SECOND_PRACTICE.ods,
);

pub(crate) const CARDIOLOGIST: Clinician = clinician(
    "X9D201",
    "Dr",
    "Nadine",
    "Faraday",
    "Consultant cardiologist",
    TRUST.ods,
);
pub(crate) const GERIATRICIAN: Clinician = clinician(
    "X9D202",
    "Dr",
    "Peter",
    "Lindqvist",
    "Consultant, medicine for older people",
    TRUST.ods,
);
pub(crate) const EMERGENCY: Clinician = clinician(
    "X9D203",
    "Dr",
    "Leila",
    "Farahani",
    "Consultant, emergency medicine",
    TRUST.ods,
);
pub(crate) const ACUTE: Clinician = clinician(
    "X9D204",
    "Dr",
    "Tomasz",
    "Zielinski",
    "Registrar, acute medicine",
    TRUST.ods,
);
pub(crate) const ORTHOPAEDIC: Clinician = clinician(
    "X9D205",
    "Mr",
    "Gareth",
    "Pryce",
    "Consultant orthopaedic surgeon",
    TRUST.ods,
);
pub(crate) const RENAL: Clinician = clinician(
    "X9D206",
    "Dr",
    "Sunita",
    "Rao",
    "Consultant nephrologist",
    TRUST.ods,
);
pub(crate) const DIABETES: Clinician = clinician(
    "X9D207",
    "Dr",
    "Emeka",
    "Obi",
    "Consultant, diabetes and endocrinology",
    TRUST.ods,
);
pub(crate) const EYES: Clinician = clinician(
    "X9D208",
    "Ms",
    "Claire",
    "Tennant",
    "Consultant ophthalmologist",
    TRUST.ods,
);
pub(crate) const RESPIRATORY: Clinician = clinician(
    "X9D209",
    "Dr",
    "Colm",
    "Hanrahan",
    "Consultant, respiratory medicine",
    TRUST.ods,
);
pub(crate) const GYNAECOLOGY: Clinician = clinician(
    "X9D210",
    "Miss",
    "Anjali",
    "Deshpande",
    "Consultant gynaecologist",
    TRUST.ods,
);
pub(crate) const PAEDIATRICS: Clinician = clinician(
    "X9D211",
    "Dr",
    "Hannah",
    "Weiss",
    "Consultant paediatrician",
    TRUST.ods,
);
pub(crate) const SURGEON: Clinician = clinician(
    "X9D212",
    "Mr",
    "David",
    "Achebe",
    "Consultant general surgeon",
    TRUST.ods,
);

pub(crate) const DERMATOLOGIST: Clinician = clinician(
    "X9D213",
    "Dr",
    "Rosalind",
    "Teague",
    "Consultant dermatologist",
    TRUST.ods,
);
pub(crate) const HAEMATOLOGIST: Clinician = clinician(
    "X9D214",
    "Dr",
    "Ayo",
    "Bankole",
    "Consultant haematologist",
    TRUST.ods,
);

pub(crate) const DISTRICT_NURSE: Clinician = clinician(
    "X9D301",
    "Ms",
    "Maureen",
    "Oduya",
    "District nurse",
    COMMUNITY.ods,
);
pub(crate) const SECOND_DISTRICT_NURSE: Clinician = clinician(
    "X9D302",
    "Mr",
    "Liam",
    "Cotterill",
    "Community staff nurse",
    COMMUNITY.ods,
);
pub(crate) const THERAPIST: Clinician = clinician(
    "X9D303",
    "Mr",
    "Callum",
    "Ferris",
    "Occupational therapist",
    COMMUNITY.ods,
);
pub(crate) const PHYSIOTHERAPIST: Clinician = clinician(
    "X9D304",
    "Ms",
    "Ana",
    "Ribeiro",
    "Physiotherapist",
    COMMUNITY.ods,
);

pub(crate) const MEMORY_DOCTOR: Clinician = clinician(
    "X9D401",
    "Dr",
    "Oliver",
    "Penhaligon",
    "Consultant, psychiatry of old age",
    MENTAL_HEALTH.ods,
);
pub(crate) const MEMORY_NURSE: Clinician = clinician(
    "X9D402",
    "Ms",
    "Sarah",
    "Whitcombe",
    "Memory service nurse",
    MENTAL_HEALTH.ods,
);
pub(crate) const PSYCHIATRIC_NURSE: Clinician = clinician(
    "X9D403",
    "Mr",
    "Joel",
    "Baptiste",
    "Community psychiatric nurse",
    MENTAL_HEALTH.ods,
);
pub(crate) const PSYCHIATRIST: Clinician = clinician(
    "X9D404",
    "Dr",
    "Meera",
    "Iyengar",
    "Consultant psychiatrist",
    MENTAL_HEALTH.ods,
);

pub(crate) const SOCIAL_WORKER: Clinician = clinician(
    "X9D501",
    "Ms",
    "Denise",
    "Hallworth",
    "Social worker",
    COUNCIL.ods,
);
pub(crate) const SECOND_SOCIAL_WORKER: Clinician = clinician(
    "X9D502",
    "Mr",
    "Kevin",
    "Adjei",
    "Social worker",
    COUNCIL.ods,
);

impl Clinician {
    /// `Dr Ruth Sandover`.
    pub fn spoken(&self) -> String {
        format!("{} {} {}", self.title, self.given, self.family)
    }

    /// An XCN: id, family, given, title, authority.
    pub fn v2(&self) -> String {
        format!(
            "{}^{}^{}^^^{}^^^{}",
            self.id, self.family, self.given, self.title, self.organisation
        )
    }

    /// An XPN.
    pub fn v2_name(&self) -> String {
        format!("{}^{}^^^{}", self.family, self.given, self.title)
    }
}

/// A GP of the person's practice.
pub(crate) fn gp_of(practice: &str, dice: &mut Dice) -> Clinician {
    if practice == PRACTICE.ods {
        dice.pick(&[GP, SECOND_GP, THIRD_GP]).copied().unwrap_or(GP)
    } else {
        OTHER_GP
    }
}
