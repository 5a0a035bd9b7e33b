//! Long-term conditions: how often they are met at each age, what goes with them, how they are
//! treated, what they do to blood tests.
//!
//! The shares are rounded from what national statistics of England say of an inner-city
//! population (Quality and Outcomes Framework prevalences and the Health Survey for England). They
//! are there to look right, not to be counted. SNOMED CT codes are those in everyday use; where we
//! were not sure of one, the text stands alone.

use crate::clinicians::{
    CARDIOLOGIST, Clinician, DIABETES, EYES, GERIATRICIAN, GYNAECOLOGY, ORTHOPAEDIC, RENAL,
    RESPIRATORY, SURGEON,
};

/// A condition of the table.
#[derive(Debug)]
pub(crate) struct Condition {
    pub key: &'static str,
    pub snomed: &'static str,
    pub text: &'static str,
    /// In a thousand people aged under 16, 16 to 39, 40 to 64, 65 to 79, 80 and over.
    pub share: [u32; 5],
    pub who: Who,
    /// Each group is one choice: one of its medicines is taken.
    pub medicines: &'static [&'static [&'static str]],
    pub panels: &'static [&'static str],
    /// (test, shift today, shift added in each year).
    pub shifts: &'static [(&'static str, f64, f64)],
    pub clinic: Option<Clinic>,
    /// Conditions that make this one likelier, with how many times likelier.
    pub after: &'static [(&'static str, u32)],
}

/// Whom a condition can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Anyone,
    Women,
    Men,
}

/// Where a condition is followed up in hospital.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clinic {
    pub service: &'static str,
    pub with: Clinician,
}

const fn clinic(service: &'static str, with: Clinician) -> Option<Clinic> {
    Some(Clinic { service, with })
}

const NONE: Condition = Condition {
    key: "",
    snomed: "",
    text: "",
    share: [0; 5],
    who: Who::Anyone,
    medicines: &[],
    panels: &[],
    shifts: &[],
    clinic: None,
    after: &[],
};

const HEART: Option<Clinic> = clinic("Cardiology", CARDIOLOGIST);
const CHEST: Option<Clinic> = clinic("Respiratory medicine", RESPIRATORY);
const BONES: Option<Clinic> = clinic("Trauma and orthopaedics", ORTHOPAEDIC);
const OLDER: Option<Clinic> = clinic("Medicine for older people", GERIATRICIAN);

/// The table. A condition stands after those that make it likelier.
#[rustfmt::skip]
pub(crate) const CONDITIONS: &[Condition] = &[
    Condition { key: "obesity", snomed: "414916001", text: "Obesity", share: [30, 110, 240, 230, 120], panels: &["hba1c", "lipids"], ..NONE },
    Condition { key: "hypertension", snomed: "38341003", text: "Hypertension", share: [0, 20, 230, 500, 620], medicines: &[&["amlodipine5", "ramipril5", "losartan", "amlodipine10"]], panels: &["renal", "lipids"], after: &[("obesity", 2)], ..NONE },
    Condition { key: "diabetes", snomed: "44054006", text: "Type 2 diabetes mellitus", share: [0, 12, 110, 210, 190], medicines: &[&["metformin500", "metformin1000"], &["gliclazide", "empagliflozin", ""]], panels: &["hba1c", "renal", "lipids", "acr"], shifts: &[("HBA1C", 22.0, 1.2)], clinic: clinic("Diabetes and endocrinology", DIABETES), after: &[("obesity", 3)], ..NONE },
    Condition { key: "cholesterol", snomed: "13644009", text: "Hypercholesterolaemia", share: [0, 15, 160, 240, 180], medicines: &[&["atorvastatin20"]], panels: &["lipids", "liver"], shifts: &[("CHOL", 0.9, -0.2), ("LDL", 0.8, -0.2)], ..NONE },
    Condition { key: "type1", snomed: "46635009", text: "Type 1 diabetes mellitus", share: [3, 6, 6, 4, 2], medicines: &[&["insulin"]], panels: &["hba1c", "renal"], shifts: &[("HBA1C", 28.0, 0.2)], clinic: clinic("Diabetes and endocrinology", DIABETES), ..NONE },
    Condition { key: "asthma", snomed: "195967001", text: "Asthma", share: [90, 85, 75, 70, 55], medicines: &[&["salbutamol"], &["beclometasone", "beclometasone", ""]], panels: &[], ..NONE },
    Condition { key: "eczema", snomed: "24079001", text: "Atopic eczema", share: [120, 40, 25, 25, 20], medicines: &[&["emollient"], &["hydrocortisone", ""]], after: &[("asthma", 2)], ..NONE },
    Condition { key: "hayfever", snomed: "21719001", text: "Hay fever", share: [80, 110, 70, 30, 10], medicines: &[&["cetirizine", "fluticasone"]], after: &[("asthma", 2)], ..NONE },
    Condition { key: "heartdisease", snomed: "414545008", text: "Ischaemic heart disease", share: [0, 1, 35, 130, 200], medicines: &[&["aspirin", "clopidogrel"], &["atorvastatin80"], &["bisoprolol2", "bisoprolol5"], &["gtn"]], panels: &["lipids", "renal", "liver"], clinic: HEART, after: &[("diabetes", 2), ("hypertension", 2)], ..NONE },
    Condition { key: "fibrillation", snomed: "49436004", text: "Atrial fibrillation", share: [0, 1, 15, 80, 190], medicines: &[&["apixaban5", "apixaban5", "warfarin"], &["bisoprolol2", "digoxin"]], panels: &["renal", "fbc", "thyroid"], clinic: HEART, after: &[("hypertension", 2)], ..NONE },
    Condition { key: "heartfailure", snomed: "84114007", text: "Heart failure", share: [0, 1, 8, 45, 110], medicines: &[&["furosemide40"], &["ramipril5", "ramipril2"], &["spironolactone", ""]], panels: &["renal", "bnp", "fbc"], shifts: &[("BNP", 1900.0, 180.0), ("NA", -2.0, -0.2)], clinic: HEART, after: &[("heartdisease", 4), ("fibrillation", 3)], ..NONE },
    Condition { key: "kidney", snomed: "433144002", text: "Chronic kidney disease stage 3", share: [0, 3, 28, 150, 320], panels: &["renal", "fbc", "bone", "acr"], shifts: &[("CREA", 44.0, 3.4), ("UREA", 3.6, 0.3), ("HB", -9.0, -0.8), ("ACR", 4.0, 0.4)], clinic: clinic("Renal medicine", RENAL), after: &[("diabetes", 2), ("hypertension", 2)], ..NONE },
    Condition { key: "stroke", snomed: "230690007", text: "Stroke", share: [0, 1, 14, 55, 110], medicines: &[&["clopidogrel"], &["atorvastatin80"]], panels: &["lipids"], clinic: OLDER, after: &[("fibrillation", 3), ("hypertension", 2)], ..NONE },
    Condition { key: "copd", snomed: "13645005", text: "Chronic obstructive pulmonary disease", share: [0, 1, 32, 85, 90], medicines: &[&["salbutamol"], &["tiotropium", "trimbow"]], panels: &["fbc"], clinic: CHEST, ..NONE },
    Condition { key: "thyroid", snomed: "40930008", text: "Hypothyroidism", share: [1, 14, 40, 75, 95], medicines: &[&["levothyroxine50", "levothyroxine75"]], panels: &["thyroid"], shifts: &[("TSH", 1.6, -0.5)], ..NONE },
    Condition { key: "depression", snomed: "35489007", text: "Depressive disorder", share: [8, 130, 150, 90, 80], medicines: &[&["sertraline50", "citalopram", "mirtazapine", ""]], ..NONE },
    Condition { key: "anxiety", snomed: "197480006", text: "Anxiety disorder", share: [15, 95, 80, 45, 40], medicines: &[&["", "", "sertraline50"]], after: &[("depression", 3)], ..NONE },
    Condition { key: "psychosis", snomed: "58214004", text: "Schizophrenia", share: [0, 7, 11, 8, 3], medicines: &[&["olanzapine", "aripiprazole"]], panels: &["hba1c", "lipids", "liver"], ..NONE },
    Condition { key: "bipolar", snomed: "13746004", text: "Bipolar disorder", share: [0, 8, 11, 7, 3], medicines: &[&["lithium", "olanzapine"]], panels: &["renal", "thyroid"], ..NONE },
    Condition { key: "dementia", snomed: "52448006", text: "Dementia", share: [0, 0, 2, 35, 170], medicines: &[&["donepezil10", "memantine", ""]], panels: &["haematinics", "thyroid"], ..NONE },
    Condition { key: "arthritis", snomed: "396275006", text: "Osteoarthritis", share: [0, 5, 110, 280, 400], medicines: &[&["paracetamol", "cocodamol", "naproxen"]], clinic: BONES, after: &[("obesity", 2)], ..NONE },
    Condition { key: "osteoporosis", snomed: "64859006", text: "Osteoporosis", share: [0, 0, 14, 60, 130], medicines: &[&["alendronic"], &["calcium", "colecalciferol"]], panels: &["bone"], shifts: &[("VITD", -15.0, 0.0)], ..NONE },
    Condition { key: "rheumatoid", snomed: "69896004", text: "Rheumatoid arthritis", share: [0, 3, 10, 14, 12], medicines: &[&["methotrexate"], &["folicacid"]], panels: &["fbc", "liver", "crp"], shifts: &[("CRP", 9.0, -0.3)], ..NONE },
    Condition { key: "gout", snomed: "90560007", text: "Gout", share: [0, 3, 30, 55, 55], medicines: &[&["allopurinol"]], panels: &["renal"], ..NONE },
    Condition { key: "reflux", snomed: "235595009", text: "Gastro-oesophageal reflux disease", share: [6, 40, 120, 150, 140], medicines: &[&["omeprazole", "lansoprazole"]], ..NONE },
    Condition { key: "migraine", snomed: "37796009", text: "Migraine", share: [20, 95, 80, 25, 8], medicines: &[&["sumatriptan", "paracetamol"]], ..NONE },
    Condition { key: "epilepsy", snomed: "84757009", text: "Epilepsy", share: [6, 8, 8, 10, 10], medicines: &[&["levetiracetam"]], panels: &["liver"], ..NONE },
    Condition { key: "parkinsons", snomed: "49049000", text: "Parkinson's disease", share: [0, 0, 2, 14, 26], medicines: &[&["cobeneldopa"]], clinic: OLDER, ..NONE },
    Condition { key: "prostate", snomed: "266569009", text: "Benign prostatic hyperplasia", share: [0, 0, 45, 170, 220], who: Who::Men, medicines: &[&["tamsulosin"]], panels: &["renal"], ..NONE },
    Condition { key: "periods", snomed: "386692008", text: "Menorrhagia", share: [2, 30, 40, 0, 0], who: Who::Women, panels: &["fbc"], shifts: &[("HB", -14.0, 0.0), ("FERR", -60.0, 0.0)], clinic: clinic("Gynaecology", GYNAECOLOGY), ..NONE },
    Condition { key: "anaemia", snomed: "87522002", text: "Iron deficiency anaemia", share: [5, 25, 25, 35, 70], medicines: &[&["ferrous"]], panels: &["fbc", "haematinics"], shifts: &[("HB", -25.0, 0.0), ("MCV", -9.0, 0.0), ("FERR", -80.0, 0.0)], after: &[("periods", 6)], ..NONE },
    Condition { key: "sicklecell", snomed: "417357006", text: "Sickle cell disease", share: [4, 4, 2, 1, 0], medicines: &[&["hydroxycarbamide"], &["penicillinv"]], panels: &["fbc", "renal", "liver"], shifts: &[("HB", -50.0, 0.0), ("BILI", 28.0, 0.0)], ..NONE },
    Condition { key: "glaucoma", snomed: "23986001", text: "Glaucoma", share: [0, 1, 12, 45, 80], medicines: &[&["latanoprost"]], clinic: clinic("Ophthalmology", EYES), ..NONE },
    Condition { key: "hernia", snomed: "396232000", text: "Inguinal hernia", share: [3, 6, 22, 40, 40], who: Who::Men, clinic: clinic("General surgery", SURGEON), ..NONE },
    Condition { key: "gallstones", snomed: "235919008", text: "Gallstones", share: [0, 10, 35, 60, 70], panels: &["liver"], clinic: clinic("General surgery", SURGEON), ..NONE },
    Condition { key: "contraception", snomed: "", text: "Contraception, progestogen-only pill", share: [2, 130, 30, 0, 0], who: Who::Women, medicines: &[&["pill"]], ..NONE },
];

/// The condition with this key.
pub(crate) fn condition(key: &str) -> Option<&'static Condition> {
    CONDITIONS.iter().find(|condition| condition.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigations::panel;
    use crate::medicines::medicine;

    #[test]
    fn every_medicine_panel_and_condition_named_exists_and_comes_in_order() {
        for (place, row) in CONDITIONS.iter().enumerate() {
            let named = row
                .medicines
                .iter()
                .copied()
                .flatten()
                .filter(|key| !key.is_empty());
            assert!(
                named.clone().all(|key| medicine(key).is_some()),
                "{}",
                row.key
            );
            assert!(
                row.panels.iter().all(|key| panel(key).is_some()),
                "{}",
                row.key
            );
            let earlier = |key: &str| CONDITIONS[..place].iter().any(|other| other.key == key);
            assert!(row.after.iter().all(|(key, _)| earlier(key)), "{}", row.key);
        }
    }
}
