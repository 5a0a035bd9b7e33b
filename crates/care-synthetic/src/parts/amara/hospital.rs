//! What the hospital sends of Amara Osei: ten years of results, five stays, clinics, letters, and its
//! own list of medicines on discharge.

use crate::calendar::When;
use crate::clinical::Allergy;
use crate::clinicians::{
    ACUTE, CARDIOLOGIST, EMERGENCY, EYES, GERIATRICIAN, GP, ORTHOPAEDIC, RENAL, SECOND_GP,
};
use crate::dice::Dice;
use crate::fhir::{FhirSender, SNOMED, coded, concept};
use crate::investigations::{Bedside, laboratory_report, panel};
use crate::medicines::{Listed, medicine};
use crate::organisations::{COMMUNITY, PHARMACY, TRUST};
use crate::outgoing::Outgoing;
use crate::pdf::pdf;
use crate::person::Person;
use crate::story::Telling;
use crate::v2::{Letter, Referral, Slot, V2Allergy, V2Sender, Visit};

use super::course;

pub(super) fn hospital(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut sender = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
    let today = telling.now.day;
    sender.allergies = vec![V2Allergy {
        kind: "DA",
        code: "91936005",
        text: "Allergy to penicillin",
        severity: "SV",
        reaction: "Swelling of the face and difficulty breathing",
        noted: today.back(14 * 365),
    }];
    sender.person("A28", today.back(3650).at(9, 5));
    results(telling, person, &mut sender);
    cataract(telling, &mut sender);
    hip(telling, &mut sender);
    fall(telling, &mut sender);
    pneumonia(telling, &mut sender);
    heart_failure(telling, &mut sender);
    appointments(telling, &mut sender);
    let mut out = std::mem::take(&mut sender.out);
    out.extend(discharge_medicines(telling, person));
    out
}

/// Ten years of blood tests: every four months, more around the admissions.
fn results(telling: &Telling, person: &Person, sender: &mut V2Sender<'_>) {
    let course = course(telling, person);
    let mut dice = Dice::new(telling.seed, "amara results");
    for quarter in (0..28).rev() {
        let days_ago = 20 + quarter * 130 + dice.between(-12, 12);
        let day = telling.now.day.back(days_ago).working();
        let years_ago = f64::from(days_ago) / 365.25;
        let mut keys = vec!["renal", "fbc"];
        if quarter % 2 == 0 {
            keys.extend(["hba1c", "liver"]);
        }
        if quarter % 4 == 0 {
            keys.extend(["lipids", "thyroid", "bone", "acr"]);
        }
        if quarter % 5 == 0 || quarter < 4 {
            keys.extend(["bnp", "haematinics"]);
        }
        let requester = if quarter % 3 == 0 { SECOND_GP } else { GP };
        let reports: Vec<_> = keys
            .iter()
            .zip(1..)
            .filter_map(|(key, place)| {
                let panel = panel(key)?;
                let number = format!("W{:02}{:05}{place}", quarter, person.lane);
                Some(laboratory_report(
                    panel, number, requester, &course, years_ago, &mut dice,
                ))
            })
            .collect();
        let taken = day.at(8, dice.between(10, 55) as u16);
        sender.reports(taken.plus(330), taken, &reports, None);
    }
}

fn cataract(telling: &Telling, sender: &mut V2Sender<'_>) {
    let day = telling.now.day.back(9 * 365 - 40).working();
    let visit = Visit {
        number: "V1700412".to_owned(),
        class: "I",
        location: format!("Day Surgery^Chair 4^^{}", TRUST.ods),
        specialty: "Ophthalmology",
        consultant: EYES,
        reason: "Cataract, right eye".to_owned(),
        starts: day.at(7, 45),
        ends: Some(day.at(14, 10)),
        discharge: "19",
    };
    sender.visit("A05", day.back(21).at(10, 0), &visit);
    sender.visit("A01", visit.starts, &visit);
    sender.visit("A03", day.at(14, 10), &visit);
    sender.letter(
        day.at(16, 30),
        &Letter {
            number: "L1700412".to_owned(),
            kind: "OP^Operation note".to_owned(),
            title: "Operation note, right cataract".to_owned(),
            author: EYES,
            text: "Right phacoemulsification and lens implant under local anaesthetic. No complications.\n\
                   Drops as on the leaflet for four weeks. Follow up with the optician in five weeks."
                .to_owned(),
            pdf: None,
        },
        Some(&visit),
    );
}

fn hip(telling: &Telling, sender: &mut V2Sender<'_>) {
    let day = telling.now.day.back(4 * 365 + 70);
    let mut visit = Visit {
        number: "V2204187".to_owned(),
        class: "E",
        location: format!("Emergency Department^Majors 7^^{}", TRUST.ods),
        specialty: "Emergency medicine",
        consultant: EMERGENCY,
        reason: "Fall at home, pain in the left hip".to_owned(),
        starts: day.at(6, 50),
        ends: None,
        discharge: "19",
    };
    sender.visit("A04", visit.starts, &visit);
    visit.class = "I";
    visit.location = format!("Teal Ward^Bay 3^Bed 2^{}", TRUST.ods);
    visit.specialty = "Trauma and orthopaedics";
    visit.consultant = ORTHOPAEDIC;
    visit.starts = day.at(11, 25);
    sender.visit("A01", visit.starts, &visit);
    visit.location = format!("Heron Ward^Bay 1^Bed 5^{}", TRUST.ods);
    visit.consultant = GERIATRICIAN;
    sender.visit("A02", day.on(4).at(15, 0), &visit);
    visit.ends = Some(day.on(13).at(13, 40));
    sender.visit("A03", day.on(13).at(13, 40), &visit);
    sender.letter(
        day.on(13).at(14, 5),
        &Letter {
            number: "L2204187".to_owned(),
            kind: "DS^Discharge summary".to_owned(),
            title: "Discharge summary, trauma and orthopaedics".to_owned(),
            author: ORTHOPAEDIC,
            text: "Diagnosis: displaced fracture of the neck of the left femur after a fall from standing height.\n\
                   Treatment: cemented hemiarthroplasty on the second day. Walked with a frame from the third day.\n\
                   Bone health: alendronic acid, calcium and vitamin D started. Please continue.\n\
                   Home with reablement for six weeks. Falls clinic to follow."
                .to_owned(),
            pdf: None,
        },
        Some(&visit),
    );
}

fn fall(telling: &Telling, sender: &mut V2Sender<'_>) {
    let day = telling.now.day.back(2 * 365 + 15);
    let mut visit = Visit {
        number: "V2409933".to_owned(),
        class: "E",
        location: format!("Emergency Department^Majors 2^^{}", TRUST.ods),
        specialty: "Emergency medicine",
        consultant: EMERGENCY,
        reason: "Fall, wound to the forehead, takes an anticoagulant".to_owned(),
        starts: day.at(19, 12),
        ends: None,
        discharge: "19",
    };
    sender.visit("A04", visit.starts, &visit);
    visit.ends = Some(day.at(23, 30));
    sender.visit("A03", day.at(23, 30), &visit);
    sender.letter(
        day.at(23, 45),
        &Letter {
            number: "L2409933".to_owned(),
            kind: "ED^Emergency department summary".to_owned(),
            title: "Emergency department summary".to_owned(),
            author: EMERGENCY,
            text: "Tripped on a rug. Laceration of the forehead closed with adhesive strips. Takes apixaban:\n\
                   CT of the head showed no bleeding. Neurologically normal. Lying and standing blood pressure\n\
                   142/78 and 118/70. Please review blood pressure treatment and refer to falls service."
                .to_owned(),
            pdf: None,
        },
        Some(&visit),
    );
}

fn pneumonia(telling: &Telling, sender: &mut V2Sender<'_>) {
    let day = telling.now.day.back(424);
    let mut dice = Dice::new(telling.seed, "amara pneumonia");
    let mut visit = Visit {
        number: "V2509120".to_owned(),
        class: "I",
        location: format!("Kestrel Ward^Bay 4^Bed 1^{}", TRUST.ods),
        specialty: "Acute medicine",
        consultant: GERIATRICIAN,
        reason: "Community-acquired pneumonia".to_owned(),
        starts: day.at(2, 40),
        ends: None,
        discharge: "19",
    };
    sender.visit("A01", visit.starts, &visit);
    for evening in 0..4 {
        let illness = if evening < 2 { 2 } else { 1 };
        let taken = day.on(evening).at(18, 5);
        let report = Bedside::roll(&mut dice, illness).report(format!("N25{evening:03}"), ACUTE);
        sender.reports(taken.plus(4), taken, &[report], Some(&visit));
    }
    visit.ends = Some(day.on(6).at(12, 15));
    sender.visit("A03", day.on(6).at(12, 15), &visit);
    let text = "Diagnosis: community-acquired pneumonia, right lower lobe. CURB-65 score 3 on arrival.\n\
                Penicillin allergy confirmed with the daughter: swelling of the face after amoxicillin.\n\
                Treated with doxycycline for 7 days. Short oxygen requirement, off oxygen for 48 hours.\n\
                Chest X-ray in 6 weeks, please arrange.\n\n\
                Confused on the first two nights, settled. Family report a year of forgetfulness.\n\
                We suggest referral to the memory service."
        .to_owned();
    sender.letter(
        day.on(6).at(13, 0),
        &Letter {
            number: "L2509120".to_owned(),
            kind: "DS^Discharge summary".to_owned(),
            title: "Discharge summary, acute medicine".to_owned(),
            author: GERIATRICIAN,
            pdf: Some(base64_of(&pdf("Discharge summary, acute medicine", &text))),
            text,
        },
        Some(&visit),
    );
}

/// The last admission: it explains why lists of medicines differ today.
fn heart_failure(telling: &Telling, sender: &mut V2Sender<'_>) {
    let day = telling.now.day.back(22);
    let mut dice = Dice::new(telling.seed, "amara heart failure");
    let mut visit = Visit {
        number: "V2611307".to_owned(),
        class: "E",
        location: format!("Emergency Department^Resus 1^^{}", TRUST.ods),
        specialty: "Emergency medicine",
        consultant: EMERGENCY,
        reason: "Breathless at rest, swollen legs".to_owned(),
        starts: day.at(14, 20),
        ends: None,
        discharge: "19",
    };
    sender.visit("A04", visit.starts, &visit);
    let observed = |sender: &mut V2Sender<'_>,
                    dice: &mut Dice,
                    when: When,
                    illness,
                    number: String,
                    visit: &Visit| {
        let report = Bedside::roll(dice, illness).report(number, ACUTE);
        sender.reports(when.plus(3), when, &[report], Some(visit));
    };
    observed(
        sender,
        &mut dice,
        day.at(14, 30),
        2,
        "N26110A".to_owned(),
        &visit,
    );
    visit.class = "I";
    visit.location = format!("Kestrel Ward^Bay 2^Bed 3^{}", TRUST.ods);
    visit.specialty = "Cardiology";
    visit.consultant = CARDIOLOGIST;
    visit.starts = day.at(18, 45);
    sender.visit("A01", visit.starts, &visit);
    for (days, illness) in [(1, 2), (2, 1), (3, 1), (5, 0), (7, 0)] {
        observed(
            sender,
            &mut dice,
            day.on(days).at(18, 0),
            illness,
            format!("N2611{days}"),
            &visit,
        );
    }
    let course = {
        let mut course = course(telling, sender.person);
        course.shift("CREA", 45.0, 0.0);
        course.shift("K", 0.7, 0.0);
        course.shift("CRP", 16.0, 0.0);
        course.shift("BNP", 3900.0, 0.0);
        course
    };
    for (days, keys) in [
        (0, &["renal", "fbc", "crp", "bnp"][..]),
        (1, &["renal"]),
        (3, &["renal", "fbc"]),
        (6, &["renal"]),
    ] {
        let taken = day.on(days).at(15, 5);
        let reports: Vec<_> = keys
            .iter()
            .zip(1..)
            .filter_map(|(key, place)| {
                Some(laboratory_report(
                    panel(key)?,
                    format!("W26I{days}{place}"),
                    ACUTE,
                    &course,
                    0.0,
                    &mut dice,
                ))
            })
            .collect();
        sender.reports(taken.plus(80), taken, &reports, Some(&visit));
    }
    visit.ends = Some(day.on(8).at(15, 30));
    sender.visit("A08", day.on(7).at(9, 0), &visit);
    sender.visit("A03", day.on(8).at(15, 30), &visit);
    let text = "Diagnosis: decompensated heart failure, ejection fraction 38 %. Acute kidney injury stage 1 on\n\
                chronic kidney disease 3b. Permanent atrial fibrillation.\n\
                \n\
                Changes to medicines:\n\
                Furosemide INCREASED from 40 mg to 80 mg in the morning.\n\
                Ramipril STOPPED because of the kidney injury. Please recheck in 2 weeks before restarting.\n\
                Apixaban REDUCED to 2.5 mg twice a day (age over 80 and creatinine 133 or more).\n\
                \n\
                Weight on discharge 61.2 kg. District nurses to weigh twice a week; a gain of 2 kg in 3 days\n\
                should be reported to the heart failure nurses.\n\
                \n\
                ReSPECT conversation held with Mrs Osei and her daughter. Form given to Mrs Osei.\n\
                Cardiology clinic booked."
        .to_owned();
    sender.letter(
        day.on(8).at(16, 10),
        &Letter {
            number: "L2611307".to_owned(),
            kind: "DS^Discharge summary".to_owned(),
            title: "Discharge summary, cardiology".to_owned(),
            author: CARDIOLOGIST,
            text,
            pdf: None,
        },
        Some(&visit),
    );
    for (number, to, service, reason) in [
        (
            "R2611307A",
            &COMMUNITY,
            "District nursing",
            "Weigh twice a week and dress the left leg ulcer",
        ),
        (
            "R2611307B",
            &PHARMACY,
            "Discharge medicines service",
            "Three medicines changed in hospital",
        ),
    ] {
        sender.referral(
            day.on(8).at(16, 20),
            &Referral {
                number: number.to_owned(),
                to,
                service,
                reason: reason.to_owned(),
                from: CARDIOLOGIST,
                status: "A",
                priority: "R",
                ends: None,
            },
        );
    }
}

fn appointments(telling: &Telling, sender: &mut V2Sender<'_>) {
    let today = telling.now.day;
    let mut slot = Slot {
        number: "S2612001".to_owned(),
        starts: today.on(9).working().at(10, 40),
        minutes: 20,
        service: "Cardiology",
        place: "Outpatients 2",
        with: CARDIOLOGIST,
        reason: "Review after admission with heart failure".to_owned(),
        status: "Booked",
    };
    sender.slot("S12", today.back(13).at(11, 0), &slot);
    slot.starts = today.on(9).working().at(11, 20);
    sender.slot("S13", today.back(4).at(9, 30), &slot);
    let kidney = Slot {
        number: "S2609440".to_owned(),
        starts: today.back(62).working().at(9, 20),
        minutes: 20,
        service: "Renal medicine",
        place: "Outpatients 5",
        with: RENAL,
        reason: "Falling kidney function".to_owned(),
        status: "Complete",
    };
    sender.slot("S12", today.back(110).at(14, 0), &kidney);
    sender.letter(
        today.back(58).at(17, 0),
        &Letter {
            number: "L2609440".to_owned(),
            kind: "OP^Outpatient letter".to_owned(),
            title: "Clinic letter, renal medicine".to_owned(),
            author: RENAL,
            text: "Dear Dr Sandover,\n\
                   Thank you for referring this 81-year-old lady with diabetes and a slow fall in kidney function\n\
                   over ten years. There is no obstruction on ultrasound. I would treat this conservatively.\n\
                   Please keep blood pressure below 140/85 and avoid non-steroidal anti-inflammatories.\n\
                   I have not arranged a further appointment."
                .to_owned(),
            pdf: None,
        },
        None,
    );
    let cancelled = Slot {
        number: "S2608212".to_owned(),
        starts: today.back(80).working().at(13, 30),
        minutes: 30,
        service: "Falls clinic",
        place: "Outpatients 1",
        with: GERIATRICIAN,
        reason: "Two falls in two years".to_owned(),
        status: "Cancelled",
    };
    sender.slot("S12", today.back(130).at(9, 0), &cancelled);
    sender.slot("S15", today.back(83).at(16, 0), &cancelled);
}

/// What the hospital's own list says on discharge: sent as FHIR, as transfers of care are.
fn discharge_medicines(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut sender = FhirSender::new(&TRUST, person, person.hospital_number());
    let today = telling.now.day;
    let left = today.back(14);
    for (id, key, started, stopped) in [
        ("med-1", "furosemide80", today.back(20), None),
        ("med-2", "bisoprolol2", today.back(3 * 365), None),
        ("med-3", "apixaban2", today.back(16), None),
        (
            "med-4",
            "ramipril5",
            today.back(6 * 365),
            Some((
                today.back(19),
                "Acute kidney injury; recheck before restarting",
            )),
        ),
        ("med-5", "metformin500", today.back(11 * 365), None),
        ("med-6", "atorvastatin20", today.back(8 * 365), None),
        ("med-7", "paracetamol", today.back(4 * 365), None),
        ("med-8", "omeprazole", today.back(5 * 365), None),
    ] {
        let Some(medicine) = medicine(key) else {
            continue;
        };
        sender.listed_medicine(&Listed {
            id,
            medicine,
            started,
            stopped,
            last_issued: Some(left),
            prescriber: CARDIOLOGIST,
            reason: "",
        });
    }
    sender.allergy(&Allergy {
        id: "allergy-1",
        snomed: "91936005",
        text: "Allergy to penicillin",
        kind: "allergy",
        category: "medication",
        criticality: "high",
        reaction: ("41291007", "Angioedema"),
        severity: "severe",
        noted: today.back(14 * 365),
        recorded: today.back(424),
        by: GERIATRICIAN,
    });
    escalation(telling, &mut sender);
    sender.send(left.at(16, 15));
    sender.out
}

/// What was agreed should her heart stop or her illness worsen.
fn escalation(telling: &Telling, sender: &mut FhirSender<'_>) {
    let day = telling.now.day.back(15);
    sender.plan(
        "respect",
        coded(SNOMED, "1382601000000107", "ReSPECT form"),
        "ReSPECT form",
        "For treatment of reversible illness in hospital; not for intensive care; not for attempted cardiopulmonary resuscitation",
        day,
        Some(telling.now.day.on(350)),
        &CARDIOLOGIST,
        &[
            ("Summary of health", "Heart failure, kidney disease, early Alzheimer's disease"),
            ("What matters most", "Comfort, and being at home with family"),
            ("Clinical recommendation", "Treat reversible illness in hospital; no intensive care"),
            ("Cardiopulmonary resuscitation", "Not recommended; discussed with Mrs Osei and her daughter"),
            ("Where the original form is", "With Mrs Osei, in the kitchen drawer"),
        ],
    );
    sender.alert(
        "flag-respect",
        ("escalation", "Resuscitation and escalation"),
        concept("450476008", "Not for cardiopulmonary resuscitation"),
        day,
        &CARDIOLOGIST,
    );
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
