//! Medicines as British systems write them, with the usual directions.
//!
//! A dm+d code stands only where it was checked against published examples; other lines carry the
//! text and the sending system's own code, as happens in practice.

use serde_json::{Value, json};

use crate::calendar::Day;
use crate::clinicians::Clinician;
use crate::fhir::clinician_reference;
use crate::fhir::{FhirSender, SNOMED, UCUM, organisation_reference};

/// A medicine with its usual dose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medicine {
    pub key: &'static str,
    /// Product as written: name, strength, form.
    pub product: &'static str,
    /// dm+d code of the product, or empty.
    pub code: &'static str,
    pub dose: f64,
    pub unit: &'static str,
    /// Times in a period.
    pub times: u32,
    /// `d`, `wk`, `mo`; empty for when required.
    pub period: &'static str,
    pub route: Route,
    /// Directions in words, complete.
    pub directions: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Oral,
    Inhaled,
    Skin,
    Subcutaneous,
    Intramuscular,
    Nasal,
    Eye,
}

impl Route {
    fn concept(self) -> Value {
        let (code, display) = match self {
            Self::Oral => ("26643006", "Oral"),
            Self::Inhaled => ("447694001", "Respiratory tract route"),
            Self::Skin => ("6064005", "Topical route"),
            Self::Subcutaneous => ("34206005", "Subcutaneous route"),
            Self::Intramuscular => ("78421000", "Intramuscular route"),
            Self::Nasal => ("46713006", "Nasal route"),
            Self::Eye => ("54485002", "Ophthalmic route"),
        };
        let words = match self {
            Self::Oral => "Oral",
            Self::Inhaled => "Inhalation",
            Self::Skin => "On the skin",
            Self::Subcutaneous => "Under the skin",
            Self::Intramuscular => "Into a muscle",
            Self::Nasal => "In the nose",
            Self::Eye => "In the eye",
        };
        json!({"coding": [{"system": SNOMED, "code": code, "display": display}], "text": words})
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "a row of the table below reads as one line"
)]
const fn m(
    key: &'static str,
    product: &'static str,
    code: &'static str,
    dose: f64,
    unit: &'static str,
    times: u32,
    period: &'static str,
    route: Route,
    directions: &'static str,
) -> Medicine {
    Medicine {
        key,
        product,
        code,
        dose,
        unit,
        times,
        period,
        route,
        directions,
    }
}

#[rustfmt::skip]
const MEDICINES: &[Medicine] = &[
    m("amlodipine5", "Amlodipine 5mg tablets", "", 5.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("amlodipine10", "Amlodipine 10mg tablets", "", 10.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("ramipril2", "Ramipril 2.5mg capsules", "", 2.5, "mg", 1, "d", Route::Oral, "Take one capsule once a day"),
    m("ramipril5", "Ramipril 5mg capsules", "", 5.0, "mg", 1, "d", Route::Oral, "Take one capsule once a day"),
    m("ramipril10", "Ramipril 10mg capsules", "", 10.0, "mg", 1, "d", Route::Oral, "Take one capsule once a day"),
    m("losartan", "Losartan 50mg tablets", "", 50.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("indapamide", "Indapamide 2.5mg tablets", "", 2.5, "mg", 1, "d", Route::Oral, "Take one tablet in the morning"),
    m("doxazosin", "Doxazosin 4mg tablets", "318783003", 4.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("bisoprolol2", "Bisoprolol 2.5mg tablets", "", 2.5, "mg", 1, "d", Route::Oral, "Take one tablet in the morning"),
    m("bisoprolol5", "Bisoprolol 5mg tablets", "", 5.0, "mg", 1, "d", Route::Oral, "Take one tablet in the morning"),
    m("atorvastatin20", "Atorvastatin 20mg tablets", "", 20.0, "mg", 1, "d", Route::Oral, "Take one tablet at night"),
    m("atorvastatin80", "Atorvastatin 80mg tablets", "", 80.0, "mg", 1, "d", Route::Oral, "Take one tablet at night"),
    m("aspirin", "Aspirin 75mg dispersible tablets", "319773006", 75.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day, dispersed in water"),
    m("clopidogrel", "Clopidogrel 75mg tablets", "", 75.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("apixaban5", "Apixaban 5mg tablets", "", 5.0, "mg", 2, "d", Route::Oral, "Take one tablet twice a day"),
    m("apixaban2", "Apixaban 2.5mg tablets", "", 2.5, "mg", 2, "d", Route::Oral, "Take one tablet twice a day"),
    m("warfarin", "Warfarin 1mg tablets", "", 3.0, "mg", 1, "d", Route::Oral, "Take as directed by the anticoagulant clinic, at 6pm"),
    m("furosemide40", "Furosemide 40mg tablets", "", 40.0, "mg", 1, "d", Route::Oral, "Take one tablet in the morning"),
    m("furosemide80", "Furosemide 40mg tablets", "", 80.0, "mg", 1, "d", Route::Oral, "Take two tablets in the morning"),
    m("spironolactone", "Spironolactone 25mg tablets", "", 25.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("digoxin", "Digoxin 125microgram tablets", "", 125.0, "microgram", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("gtn", "Glyceryl trinitrate 400micrograms/dose pump sublingual spray", "", 400.0, "microgram", 0, "", Route::Oral, "One or two sprays under the tongue when required for chest pain"),
    m("metformin500", "Metformin 500mg tablets", "", 500.0, "mg", 2, "d", Route::Oral, "Take one tablet twice a day with meals"),
    m("metformin1000", "Metformin 500mg tablets", "", 1000.0, "mg", 2, "d", Route::Oral, "Take two tablets twice a day with meals"),
    m("gliclazide", "Gliclazide 80mg tablets", "", 80.0, "mg", 1, "d", Route::Oral, "Take one tablet with breakfast"),
    m("empagliflozin", "Empagliflozin 10mg tablets", "", 10.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("insulin", "Insulin glargine 100units/ml solution for injection 3ml pre-filled pens", "", 14.0, "unit", 1, "d", Route::Subcutaneous, "Inject 14 units under the skin at night"),
    m("levothyroxine50", "Levothyroxine 50microgram tablets", "", 50.0, "microgram", 1, "d", Route::Oral, "Take one tablet in the morning, before food"),
    m("levothyroxine75", "Levothyroxine 25microgram tablets", "", 75.0, "microgram", 1, "d", Route::Oral, "Take three tablets in the morning, before food"),
    m("omeprazole", "Omeprazole 20mg gastro-resistant capsules", "317291008", 20.0, "mg", 1, "d", Route::Oral, "Take one capsule in the morning"),
    m("lansoprazole", "Lansoprazole 15mg gastro-resistant capsules", "", 15.0, "mg", 1, "d", Route::Oral, "Take one capsule in the morning"),
    m("salbutamol", "Salbutamol 100micrograms/dose inhaler", "35936511000001108", 200.0, "microgram", 0, "", Route::Inhaled, "Inhale two puffs when required for breathlessness or wheeze"),
    m("beclometasone", "Beclometasone 100micrograms/dose inhaler", "", 200.0, "microgram", 2, "d", Route::Inhaled, "Inhale two puffs twice a day"),
    m("trimbow", "Beclometasone 87micrograms/dose / Formoterol 5micrograms/dose / Glycopyrronium bromide 9micrograms/dose inhaler", "", 2.0, "puff", 2, "d", Route::Inhaled, "Inhale two puffs twice a day"),
    m("tiotropium", "Tiotropium bromide 2.5micrograms/dose solution for inhalation cartridge", "", 5.0, "microgram", 1, "d", Route::Inhaled, "Inhale two puffs once a day"),
    m("prednisolone", "Prednisolone 5mg tablets", "", 30.0, "mg", 1, "d", Route::Oral, "Take six tablets in the morning for 5 days"),
    m("amoxicillin", "Amoxicillin 500mg capsules", "39732411000001106", 500.0, "mg", 3, "d", Route::Oral, "Take one capsule three times a day for 5 days"),
    m("nitrofurantoin", "Nitrofurantoin 100mg modified-release capsules", "", 100.0, "mg", 2, "d", Route::Oral, "Take one capsule twice a day for 3 days"),
    m("doxycycline", "Doxycycline 100mg capsules", "41948311000001104", 100.0, "mg", 1, "d", Route::Oral, "Take two on the first day then one a day for 4 days"),
    m("trimethoprim", "Trimethoprim 200mg tablets", "", 200.0, "mg", 2, "d", Route::Oral, "Take one tablet twice a day for 3 days"),
    m("sertraline50", "Sertraline 50mg tablets", "", 50.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("citalopram", "Citalopram 20mg tablets", "", 20.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("mirtazapine", "Mirtazapine 15mg tablets", "", 15.0, "mg", 1, "d", Route::Oral, "Take one tablet at night"),
    m("donepezil5", "Donepezil 5mg tablets", "", 5.0, "mg", 1, "d", Route::Oral, "Take one tablet at night"),
    m("donepezil10", "Donepezil 10mg tablets", "", 10.0, "mg", 1, "d", Route::Oral, "Take one tablet at night"),
    m("memantine", "Memantine 10mg tablets", "", 10.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("olanzapine", "Olanzapine 10mg tablets", "", 10.0, "mg", 1, "d", Route::Oral, "Take one tablet at night"),
    m("lithium", "Lithium carbonate 400mg modified-release tablets", "", 800.0, "mg", 1, "d", Route::Oral, "Take two tablets at night"),
    m("aripiprazole", "Aripiprazole 400mg powder and solvent for prolonged-release suspension for injection", "", 400.0, "mg", 1, "mo", Route::Intramuscular, "Given by the clinic once a month"),
    m("alendronic", "Alendronic acid 70mg tablets", "", 70.0, "mg", 1, "wk", Route::Oral, "Take one tablet once a week, 30 minutes before food, sitting upright"),
    m("calcium", "Calcium carbonate 1.5g / Colecalciferol 400unit chewable tablets", "", 2.0, "tablet", 1, "d", Route::Oral, "Chew two tablets once a day"),
    m("colecalciferol", "Colecalciferol 800unit capsules", "", 800.0, "unit", 1, "d", Route::Oral, "Take one capsule once a day"),
    m("allopurinol", "Allopurinol 100mg tablets", "", 200.0, "mg", 1, "d", Route::Oral, "Take two tablets once a day"),
    m("paracetamol", "Paracetamol 500mg tablets", "322236009", 1000.0, "mg", 4, "d", Route::Oral, "Take two tablets up to four times a day"),
    m("cocodamol", "Co-codamol 30mg/500mg tablets", "322341003", 2.0, "tablet", 4, "d", Route::Oral, "Take two tablets up to four times a day when paracetamol alone is not enough"),
    m("naproxen", "Naproxen 500mg tablets", "", 500.0, "mg", 2, "d", Route::Oral, "Take one tablet twice a day with food"),
    m("methotrexate", "Methotrexate 2.5mg tablets", "", 15.0, "mg", 1, "wk", Route::Oral, "Take six tablets once a WEEK, on Mondays"),
    m("folicacid", "Folic acid 5mg tablets", "", 5.0, "mg", 1, "wk", Route::Oral, "Take one tablet once a week, not on the methotrexate day"),
    m("ferrous", "Ferrous fumarate 210mg tablets", "", 210.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("tamsulosin", "Tamsulosin 400microgram modified-release capsules", "", 400.0, "microgram", 1, "d", Route::Oral, "Take one capsule after breakfast"),
    m("cobeneldopa", "Co-beneldopa 25mg/100mg capsules", "", 1.0, "capsule", 3, "d", Route::Oral, "Take one capsule at 8am, 1pm and 6pm"),
    m("levetiracetam", "Levetiracetam 500mg tablets", "", 500.0, "mg", 2, "d", Route::Oral, "Take one tablet twice a day"),
    m("sumatriptan", "Sumatriptan 50mg tablets", "", 50.0, "mg", 0, "", Route::Oral, "Take one tablet when a migraine starts; may be repeated once after 2 hours"),
    m("pill", "Desogestrel 75microgram tablets", "", 75.0, "microgram", 1, "d", Route::Oral, "Take one tablet at the same time each day"),
    m("emollient", "White soft paraffin 15% / Liquid paraffin light 6% cream", "", 1.0, "application", 3, "d", Route::Skin, "Apply to dry skin three times a day"),
    m("hydrocortisone", "Hydrocortisone 1% cream", "", 1.0, "application", 2, "d", Route::Skin, "Apply thinly to red areas twice a day for 7 days"),
    m("cetirizine", "Cetirizine 10mg tablets", "", 10.0, "mg", 1, "d", Route::Oral, "Take one tablet once a day"),
    m("latanoprost", "Latanoprost 50micrograms/ml eye drops", "", 1.0, "drop", 1, "d", Route::Eye, "One drop in both eyes at night"),
    m("hydroxycarbamide", "Hydroxycarbamide 500mg capsules", "", 1000.0, "mg", 1, "d", Route::Oral, "Take two capsules once a day"),
    m("penicillinv", "Phenoxymethylpenicillin 250mg tablets", "", 250.0, "mg", 2, "d", Route::Oral, "Take one tablet twice a day"),
    m("senna", "Senna 7.5mg tablets", "", 15.0, "mg", 1, "d", Route::Oral, "Take two tablets at night when required"),
    m("melatonin", "Melatonin 2mg modified-release tablets", "", 2.0, "mg", 1, "d", Route::Oral, "Take one tablet 1 to 2 hours before bed"),
    m("estradiol", "Estradiol 50micrograms/24hours transdermal patches", "", 1.0, "patch", 2, "wk", Route::Skin, "Apply one patch twice a week"),
    m("adrenaline", "Adrenaline (base) 150micrograms/0.15ml solution for injection auto-injectors", "", 150.0, "microgram", 0, "", Route::Intramuscular, "Inject into the outer thigh for a severe allergic reaction, then call 999"),
    m("fluticasone", "Fluticasone 50micrograms/dose nasal spray", "", 100.0, "microgram", 1, "d", Route::Nasal, "Two sprays in each nostril once a day"),
];

/// The medicine with this key.
pub(crate) fn medicine(key: &str) -> Option<&'static Medicine> {
    MEDICINES.iter().find(|medicine| medicine.key == key)
}

/// One line of a medicines list.
#[derive(Debug, Clone)]
pub(crate) struct Listed<'a> {
    /// Key within the source and person.
    pub id: &'a str,
    pub medicine: &'static Medicine,
    pub started: Day,
    pub stopped: Option<(Day, &'a str)>,
    /// Day of the last issue, where the source issues.
    pub last_issued: Option<Day>,
    pub prescriber: Clinician,
    pub reason: &'a str,
}

impl FhirSender<'_> {
    /// A line of the source's medicines list, as a MedicationStatement.
    pub fn listed_medicine(&mut self, listed: &Listed<'_>) {
        let medicine = listed.medicine;
        let mut body = json!({
            "status": if listed.stopped.is_some() { "stopped" } else { "active" },
            "medicationCodeableConcept": self.product(medicine),
            "effectivePeriod": {"start": listed.started.iso()},
            "dateAsserted": listed.last_issued.unwrap_or(listed.started).iso(),
            "informationSource": clinician_reference(&listed.prescriber),
            "dosage": [dosage(medicine)],
        });
        if let Some(fields) = body.as_object_mut() {
            if !listed.reason.is_empty() {
                fields.insert("reasonCode".into(), json!([{"text": listed.reason}]));
            }
            if let Some((day, reason)) = listed.stopped {
                fields.insert(
                    "effectivePeriod".into(),
                    json!({"start": listed.started.iso(), "end": day.iso()}),
                );
                fields.insert("statusReason".into(), json!([{"text": reason}]));
            }
            if let Some(issued) = listed.last_issued {
                fields.insert("extension".into(), json!([{
                    "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationStatementLastIssueDate",
                    "valueDateTime": issued.iso(),
                }]));
            }
        }
        self.add("MedicationStatement", listed.id, body);
    }

    /// A prescription, as a MedicationRequest.
    pub fn prescription(&mut self, listed: &Listed<'_>, repeat: bool, quantity: &str) {
        let course = if repeat {
            ("continuous", "Continuous long term therapy")
        } else {
            ("acute", "Short course (acute) therapy")
        };
        let mut body = json!({
            "status": if listed.stopped.is_some() { "completed" } else { "active" },
            "intent": "order",
            "medicationCodeableConcept": self.product(listed.medicine),
            "authoredOn": listed.last_issued.unwrap_or(listed.started).iso(),
            "requester": clinician_reference(&listed.prescriber),
            "courseOfTherapyType": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/medicationrequest-course-of-therapy", "code": course.0, "display": course.1,
            }]},
            "dosageInstruction": [dosage(listed.medicine)],
            "dispenseRequest": {"quantity": {"unit": quantity}, "validityPeriod": {"start": listed.started.iso()}},
        });
        if let Some(fields) = body.as_object_mut().filter(|_| !listed.reason.is_empty()) {
            fields.insert("reasonCode".into(), json!([{"text": listed.reason}]));
        }
        self.add("MedicationRequest", listed.id, body);
    }

    fn product(&self, medicine: &Medicine) -> Value {
        let local = format!(
            "https://{}.example/CodeSystem/drug",
            self.organisation.sending_application().to_lowercase()
        );
        let mut codings = Vec::new();
        if !medicine.code.is_empty() {
            codings.push(
                json!({"system": SNOMED, "code": medicine.code, "display": medicine.product}),
            );
        }
        codings.push(json!({"system": local, "code": medicine.key, "display": medicine.product}));
        json!({"coding": codings, "text": medicine.product})
    }

    /// Says who keeps the record of an item: used by types that carry a custodian or a performer.
    pub fn own_organisation(&self) -> Value {
        organisation_reference(self.organisation.ods)
    }
}

fn dosage(medicine: &Medicine) -> Value {
    let amount = if medicine.dose.fract() == 0.0 {
        json!(medicine.dose as i64)
    } else {
        json!(medicine.dose)
    };
    let mut quantity = json!({"value": amount, "unit": medicine.unit});
    let ucum = match medicine.unit {
        "mg" => Some("mg"),
        "microgram" => Some("ug"),
        "unit" => Some("[iU]"),
        _ => None,
    };
    if let (Some(ucum), Some(fields)) = (ucum, quantity.as_object_mut()) {
        fields.insert("system".into(), json!(UCUM));
        fields.insert("code".into(), json!(ucum));
    }
    let mut dosage = json!({
        "text": medicine.directions,
        "route": medicine.route.concept(),
        "doseAndRate": [{"doseQuantity": quantity}],
    });
    if let Some(fields) = dosage.as_object_mut() {
        if medicine.times > 0 {
            fields.insert("timing".into(), json!({"repeat": {"frequency": medicine.times, "period": 1, "periodUnit": medicine.period}}));
        } else {
            fields.insert("asNeededBoolean".into(), json!(true));
        }
    }
    dosage
}
