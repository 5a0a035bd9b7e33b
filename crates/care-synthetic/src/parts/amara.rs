//! Amara Osei, 81: heart failure, atrial fibrillation, diabetes, failing kidneys, a leg ulcer and a
//! memory that worsens. Known to all five sources, which agree on most things and differ on some.

use serde_json::json;

use crate::calendar::When;
use crate::clinical::{Allergy, Document, Problem};
use crate::clinicians::{
    ACUTE, CARDIOLOGIST, DISTRICT_NURSE, EMERGENCY, EYES, GERIATRICIAN, GP, MEMORY_DOCTOR,
    MEMORY_NURSE, ORTHOPAEDIC, PHYSIOTHERAPIST, PRACTICE_NURSE, PRACTICE_PHARMACIST, RENAL,
    SECOND_DISTRICT_NURSE, SECOND_GP, SOCIAL_WORKER, THERAPIST,
};
use crate::dice::Dice;
use crate::fhir::{FhirSender, coded, concept};
use crate::investigations::{Bedside, Course, laboratory_report, panel, panel_results};
use crate::medicines::{Listed, medicine};
use crate::organisations::{COMMUNITY, COUNCIL, MENTAL_HEALTH, PHARMACY, PRACTICE, TRUST};
use crate::outgoing::Outgoing;
use crate::pdf::pdf;
use crate::person::Person;
use crate::story::Telling;
use crate::v2::{Letter, Referral, Slot, V2Allergy, V2Sender, Visit};

pub(crate) fn messages(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut out = hospital(telling, person);
    out.extend(practice(telling, person));
    out.extend(community(telling, person));
    out.extend(mental_health(telling, person));
    out.extend(council(telling, person));
    out
}

fn course(telling: &Telling, person: &Person) -> Course {
    let mut course = Course::new(telling.seed, person.lane);
    for (test, today, a_year) in [
        ("CREA", 50.0, 4.6),
        ("UREA", 5.2, 0.45),
        ("K", 0.4, 0.03),
        ("NA", -3.0, -0.2),
        ("HB", -27.0, -2.2),
        ("MCV", -5.0, -0.4),
        ("HBA1C", 25.0, 1.1),
        ("CHOL", -1.0, 0.0),
        ("LDL", -0.9, 0.0),
        ("BNP", 2650.0, 210.0),
        ("ACR", 7.5, 0.7),
        ("ALB", -4.0, -0.3),
        ("FERR", -70.0, -4.0),
        ("VITD", -22.0, 0.0),
    ] {
        course.shift(test, today, a_year);
    }
    course
}

fn hospital(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut sender = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
    let today = telling.now.day;
    sender.allergies = vec![V2Allergy {
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
    sender.send(left.at(16, 15));
    sender.out
}

fn practice(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut sender = FhirSender::new(&PRACTICE, person, person.practice_id());
    let today = telling.now.day;
    practice_problems(telling, &mut sender);
    practice_medicines(telling, &mut sender);
    practice_allergies(telling, &mut sender);
    practice_measurements(telling, person, &mut sender);
    practice_vaccinations(telling, &mut sender);
    sender.send(today.back(40).at(2, 15));
    practice_consultations(telling, &mut sender);
    practice_letters(telling, person, &mut sender);
    sender.send(today.back(1).at(18, 40));
    sender.out
}

fn practice_problems(telling: &Telling, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    let years = |years: i32, days: i32| today.back(years * 365 + years / 4 + days);
    for (id, snomed, text, onset, resolved, note) in [
        (
            "problem-1",
            "38341003",
            "Hypertension",
            years(24, 30),
            None,
            "",
        ),
        (
            "problem-2",
            "44054006",
            "Type 2 diabetes mellitus",
            years(17, 200),
            None,
            "Diet, then metformin from 2015",
        ),
        (
            "problem-3",
            "49436004",
            "Atrial fibrillation",
            years(9, 80),
            None,
            "Permanent since 2021. CHA2DS2-VASc 6",
        ),
        (
            "problem-4",
            "84114007",
            "Heart failure",
            years(3, 90),
            None,
            "Ejection fraction 38 %",
        ),
        (
            "problem-5",
            "433144002",
            "Chronic kidney disease stage 3",
            years(6, 10),
            None,
            "Now 3b",
        ),
        (
            "problem-6",
            "26929004",
            "Alzheimer's disease",
            years(0, 240),
            None,
            "Memory service diagnosis",
        ),
        (
            "problem-7",
            "239873007",
            "Osteoarthritis of knee",
            years(13, 0),
            None,
            "Both knees",
        ),
        (
            "problem-8",
            "64859006",
            "Osteoporosis",
            years(4, 20),
            None,
            "After hip fracture",
        ),
        (
            "problem-9",
            "87522002",
            "Iron deficiency anaemia",
            years(1, 60),
            None,
            "Declined colonoscopy",
        ),
        (
            "problem-10",
            "",
            "Venous leg ulcer, left",
            years(0, 150),
            None,
            "Dressed by district nurses",
        ),
        (
            "problem-11",
            "5913000",
            "Fracture of neck of femur",
            years(4, 70),
            Some(years(3, 250)),
            "Left hemiarthroplasty",
        ),
        (
            "problem-12",
            "193570009",
            "Cataract",
            years(10, 0),
            Some(years(8, 320)),
            "Right lens implant",
        ),
        (
            "problem-13",
            "233604007",
            "Pneumonia",
            years(1, 59),
            Some(years(1, 20)),
            "",
        ),
        (
            "problem-14",
            "",
            "Hard of hearing, wears two hearing aids",
            years(7, 0),
            None,
            "",
        ),
    ] {
        sender.problem(&Problem {
            id,
            snomed,
            text,
            onset,
            resolved,
            by: GP,
            note,
        });
    }
}

fn practice_medicines(telling: &Telling, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    let issued = today.back(45);
    for (id, key, years, stopped, reason) in [
        ("med-1", "furosemide40", 3, None, "Heart failure"),
        ("med-2", "bisoprolol2", 3, None, "Atrial fibrillation"),
        ("med-3", "apixaban5", 5, None, "Atrial fibrillation"),
        ("med-4", "ramipril5", 6, None, "Heart failure"),
        ("med-5", "metformin500", 11, None, "Diabetes"),
        ("med-6", "atorvastatin20", 8, None, ""),
        ("med-7", "paracetamol", 4, None, "Osteoarthritis"),
        ("med-8", "omeprazole", 5, None, ""),
        ("med-9", "alendronic", 4, None, "Osteoporosis"),
        ("med-10", "calcium", 4, None, "Osteoporosis"),
        ("med-11", "ferrous", 1, None, "Iron deficiency"),
        (
            "med-12",
            "amlodipine5",
            12,
            Some((today.back(3 * 365), "Swollen ankles")),
            "Hypertension",
        ),
        (
            "med-13",
            "naproxen",
            7,
            Some((today.back(6 * 365), "Kidney function")),
            "Osteoarthritis",
        ),
        (
            "med-14",
            "warfarin",
            8,
            Some((today.back(5 * 365), "Changed to apixaban")),
            "Atrial fibrillation",
        ),
    ] {
        let Some(medicine) = medicine(key) else {
            continue;
        };
        let listed = Listed {
            id,
            medicine,
            started: today.back(years * 365 + 40),
            stopped,
            last_issued: Some(stopped.map_or(issued, |(day, _)| day.back(20))),
            prescriber: GP,
            reason,
        };
        sender.listed_medicine(&listed);
        if stopped.is_none() {
            sender.prescription(&listed, true, "56 days");
        }
    }
    if let Some(medicine) = medicine("doxycycline") {
        let started = today.back(430);
        sender.prescription(
            &Listed {
                id: "acute-1",
                medicine,
                started,
                stopped: Some((started.on(7), "Course finished")),
                last_issued: Some(started),
                prescriber: SECOND_GP,
                reason: "Chest infection",
            },
            false,
            "8 capsules",
        );
    }
}

fn practice_allergies(telling: &Telling, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    sender.allergy(&Allergy {
        id: "allergy-1",
        snomed: "91936005",
        text: "Allergy to penicillin",
        kind: "allergy",
        category: "medication",
        criticality: "high",
        reaction: ("271807003", "Eruption of skin"),
        severity: "moderate",
        noted: today.back(14 * 365),
        recorded: today.back(14 * 365 - 3),
        by: GP,
    });
    sender.allergy(&Allergy {
        id: "allergy-2",
        snomed: "",
        text: "Codeine",
        kind: "intolerance",
        category: "medication",
        criticality: "low",
        reaction: ("422400008", "Vomiting"),
        severity: "mild",
        noted: today.back(4 * 365),
        recorded: today.back(4 * 365 - 20),
        by: SECOND_GP,
    });
    sender.allergy(&Allergy {
        id: "allergy-3",
        snomed: "",
        text: "Adhesive dressings (acrylic)",
        kind: "allergy",
        category: "environment",
        criticality: "low",
        reaction: ("", "Blistering under the dressing"),
        severity: "moderate",
        noted: today.back(140),
        recorded: today.back(139),
        by: PRACTICE_NURSE,
    });
}

fn practice_measurements(telling: &Telling, person: &Person, sender: &mut FhirSender<'_>) {
    let mut dice = Dice::new(telling.seed, "amara measurements");
    let today = telling.now.day;
    for visit in 0..20 {
        let day = today
            .back(44 + visit * 182 + dice.between(-10, 10))
            .working();
        let when = day.at(9, dice.between(0, 55) as u16);
        let systolic = dice.between(128, 152) - if visit == 0 { 12 } else { 0 };
        sender.blood_pressure(
            &format!("bp-{visit}"),
            systolic,
            dice.between(66, 82),
            when,
            &PRACTICE_NURSE,
        );
        let weight = 71.0 - f64::from(20 - visit) * 0.42 + dice.wobble();
        sender.measurement(
            &format!("weight-{visit}"),
            "27113001",
            "Body weight",
            &format!("{weight:.1}"),
            "kg",
            "kg",
            when.plus(4),
            &PRACTICE_NURSE,
        );
        if visit % 2 == 0 {
            let pulse = dice.between(68, 92).to_string();
            sender.measurement(
                &format!("pulse-{visit}"),
                "78564009",
                "Pulse rate",
                &pulse,
                "/min",
                "/min",
                when.plus(5),
                &PRACTICE_NURSE,
            );
        }
    }
    sender.measurement(
        "height",
        "50373000",
        "Body height",
        "158",
        "cm",
        "cm",
        today.back(1500).at(9, 0),
        &PRACTICE_NURSE,
    );
    sender.finding(
        "smoking",
        ("social-history", "Social History"),
        concept("", "Smoking status"),
        concept("266919005", "Never smoked tobacco"),
        today.back(400).at(9, 0),
        &PRACTICE_NURSE,
    );
    sender.finding(
        "frailty",
        ("survey", "Survey"),
        concept("", "Rockwood clinical frailty scale"),
        concept("", "6: moderately frail"),
        today.back(90).at(11, 0),
        &GP,
    );
    // The practice's own copy of two results that came back to it, beside the laboratory's.
    let course = course(telling, person);
    if let Some(panel) = panel("hba1c") {
        for (test, value) in panel_results(panel, &course, 0.2, &mut dice) {
            sender.laboratory(
                "lab-hba1c",
                test,
                &value,
                today.back(70).working().at(8, 30),
            );
        }
    }
}

fn practice_vaccinations(telling: &Telling, sender: &mut FhirSender<'_>) {
    let (year, _, _) = telling.now.day.parts();
    for back in 0..7 {
        let day = crate::calendar::Day::of(year - back, 10, 4 + back as u32);
        if day < telling.now.day {
            sender.vaccination(
                &format!("flu-{back}"),
                "86198006",
                "Influenza vaccination",
                day,
                &format!("FL{back}71A"),
                &PRACTICE_NURSE,
            );
        }
    }
    let today = telling.now.day;
    sender.vaccination(
        "pneumo",
        "",
        "Pneumococcal polysaccharide vaccination (23-valent)",
        today.back(15 * 365),
        "PN0412",
        &PRACTICE_NURSE,
    );
    sender.vaccination(
        "shingles",
        "",
        "Shingles vaccination, second dose",
        today.back(3 * 365),
        "SH2201",
        &PRACTICE_NURSE,
    );
    sender.vaccination(
        "covid",
        "",
        "COVID-19 vaccination, booster",
        today.back(210),
        "CV2604",
        &PRACTICE_NURSE,
    );
    sender.vaccination(
        "rsv",
        "",
        "Respiratory syncytial virus vaccination",
        today.back(2 * 365 - 60),
        "RS2409",
        &PRACTICE_NURSE,
    );
}

fn practice_consultations(telling: &Telling, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    for (id, days, mode, with, reason, written) in [
        (
            "consult-1",
            1,
            "Telephone consultation",
            GP,
            "Review after discharge",
            "Spoke to daughter. Breathing better, sleeping flat with two pillows. Weight steady with district nurses. Blood test for kidneys booked on Thursday before any thought of ramipril. List of medicines to be brought in line with the hospital's once the result is back.",
        ),
        (
            "consult-2",
            9,
            "Home visit",
            GP,
            "Frailty review",
            "At home with daughter. Legs less swollen. Ulcer clean, 3 cm. Memory: lost track of tablets, dosette box suggested. Wants to stay at home. ReSPECT form seen in the kitchen drawer.",
        ),
        (
            "consult-3",
            48,
            "Telephone consultation",
            SECOND_GP,
            "Swollen legs",
            "Two weeks of swelling to the knees, more breathless on the stairs. Advised to be seen, appointment made.",
        ),
        (
            "consult-4",
            46,
            "Surgery consultation",
            GP,
            "Swollen legs",
            "Oedema to the knees, crackles at both bases. Furosemide 40 mg continued, bloods taken, heart failure nurse informed.",
        ),
        (
            "consult-5",
            92,
            "Surgery consultation",
            PRACTICE_PHARMACIST,
            "Medicines review",
            "All medicines reviewed with daughter. Naproxen not to be used. No change today.",
        ),
        (
            "consult-6",
            139,
            "Surgery consultation",
            PRACTICE_NURSE,
            "Leg ulcer",
            "Ulcer above the left ankle, 4 cm, shallow. Reacted to acrylic dressing. Referred to district nurses.",
        ),
        (
            "consult-7",
            250,
            "Surgery consultation",
            GP,
            "Memory",
            "Letter from memory service. Diagnosis explained again with daughter. Lasting power of attorney for health is registered to daughter.",
        ),
        (
            "consult-8",
            300,
            "Surgery consultation",
            PRACTICE_NURSE,
            "Diabetes review",
            "Feet: pulses present, monofilament felt 8 of 10. Eyes screened in spring.",
        ),
    ] {
        sender.consultation(
            id,
            today.back(days).working().at(11, 10),
            mode,
            &with,
            reason,
            written,
        );
    }
}

fn practice_letters(telling: &Telling, person: &Person, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    let text = format!(
        "To the renal clinic, Wharfside Hospital\n\nRe: {}, born {}\n\nThank you for seeing this lady with diabetes whose eGFR has fallen from 72 to 41 in ten years.\nShe takes ramipril and metformin. I would value your view on whether anything is reversible.\n\nDr Ruth Sandover, Quaggy Lane Surgery",
        person.spoken_name(),
        person.birth.words(),
    );
    sender.document(&Document {
        id: "letter-1",
        kind: concept("", "Referral letter"),
        title: "Referral to renal medicine",
        text: &text,
        pdf: Some(pdf("Referral to renal medicine", &text)),
        written: today.back(118).at(12, 0),
        author: GP,
    });
    sender.alert(
        "flag-hearing",
        ("reasonable-adjustment", "Reasonable adjustment"),
        concept(
            "",
            "Hard of hearing: face her and speak clearly, have hearing aids in",
        ),
        today.back(7 * 365),
        &GP,
    );
}

fn community(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let today = telling.now.day;
    let run = telling.run();
    let mut pas = V2Sender::new(&COMMUNITY, person, person.community_number(), &run);
    pas.person("A28", today.back(139).at(12, 0));
    pas.referral(
        today.back(139).at(12, 30),
        &Referral {
            number: "VR260622".to_owned(),
            to: &COMMUNITY,
            service: "District nursing",
            reason: "Venous leg ulcer, left; needs dressing twice a week".to_owned(),
            from: PRACTICE_NURSE,
            status: "A",
            priority: "R",
            ends: None,
        },
    );
    pas.slot(
        "S12",
        today.back(2).at(15, 0),
        &Slot {
            number: "VS261101".to_owned(),
            starts: today.on(1).at(9, 30),
            minutes: 40,
            service: "District nursing",
            place: "At home",
            with: DISTRICT_NURSE,
            reason: "Dressing and weight".to_owned(),
            status: "Booked",
        },
    );
    let mut sender = FhirSender::new(&COMMUNITY, person, person.community_number());
    sender.caseload(
        "nursing",
        "District nurses, Ladywell Vale North",
        "District nursing caseload",
        today.back(137),
        None,
        &DISTRICT_NURSE,
    );
    sender.caseload(
        "therapy",
        "Rehabilitation at home",
        "Occupational therapy caseload",
        today.back(12),
        None,
        &THERAPIST,
    );
    visits(telling, &mut sender);
    community_plans(telling, &mut sender);
    sender.send(today.back(3).at(19, 0));
    today_visit(telling, &mut sender);
    let mut out = pas.out;
    out.extend(sender.out);
    out
}

fn visits(telling: &Telling, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    let mut dice = Dice::new(telling.seed, "amara visits");
    for visit in 0..24 {
        let days = 136 - visit * 5;
        if (14..=22).contains(&days) {
            continue;
        }
        let with = if visit % 3 == 0 {
            SECOND_DISTRICT_NURSE
        } else {
            DISTRICT_NURSE
        };
        let when = today.back(days).at(9, 20 + dice.between(0, 30) as u16);
        sender.contact(
            &format!("visit-{visit}"),
            when,
            35,
            "District nurse visit",
            &with,
            "Compression bandage and dressing, left leg",
        );
        if visit % 4 == 0 {
            let width = 4.2 - f64::from(visit) * 0.05;
            sender.measurement(
                &format!("wound-{visit}"),
                "",
                "Greatest width of leg ulcer",
                &format!("{width:.1}"),
                "cm",
                "cm",
                when.plus(15),
                &with,
            );
        }
    }
    for (place, days, weight) in [
        (1, 12, "61.4"),
        (2, 10, "61.0"),
        (3, 6, "61.3"),
        (4, 3, "61.9"),
    ] {
        sender.measurement(
            &format!("weight-{place}"),
            "27113001",
            "Body weight",
            weight,
            "kg",
            "kg",
            today.back(days).at(9, 40),
            &DISTRICT_NURSE,
        );
    }
    for (id, key, reason) in [
        ("med-1", "emollient", "Dry skin below the bandage"),
        ("med-2", "furosemide80", "As on the hospital discharge list"),
        ("med-3", "paracetamol", ""),
    ] {
        let Some(medicine) = medicine(key) else {
            continue;
        };
        sender.listed_medicine(&Listed {
            id,
            medicine,
            started: today.back(13),
            stopped: None,
            last_issued: None,
            prescriber: DISTRICT_NURSE,
            reason,
        });
    }
    sender.contact(
        "therapy-1",
        today.back(11).at(13, 30),
        60,
        "Occupational therapy visit",
        &THERAPIST,
        "Assessment after hospital: stairs, bath, kitchen",
    );
    sender.contact(
        "physio-1",
        today.back(8).at(14, 0),
        45,
        "Physiotherapy visit",
        &PHYSIOTHERAPIST,
        "Strength and balance",
    );
    sender.problem(&Problem {
        id: "problem-1",
        snomed: "",
        text: "Venous leg ulcer, left",
        onset: today.back(139),
        resolved: None,
        by: DISTRICT_NURSE,
        note: "",
    });
    sender.allergy(&Allergy {
        id: "allergy-1",
        snomed: "",
        text: "Adhesive dressings (acrylic)",
        kind: "allergy",
        category: "environment",
        criticality: "",
        reaction: ("", "Blistering"),
        severity: "moderate",
        noted: today.back(140),
        recorded: today.back(137),
        by: DISTRICT_NURSE,
    });
}

fn community_plans(telling: &Telling, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    sender.plan("plan-wound", coded("http://snomed.info/sct", "734163000", "Care plan"), "Leg ulcer care plan",
        "Compression bandaging twice a week until healed", today.back(136), Some(today.on(30)), &DISTRICT_NURSE,
        &[("Dressing", "Non-adhesive dressing under two-layer compression, Mondays and Thursdays. No acrylic adhesive."),
          ("Goal", "Ulcer healed by January; measured every four weeks"),
          ("When to call", "New pain, smell or redness: call the district nurse desk the same day")]);
    sender.plan(
        "plan-weight",
        coded("http://snomed.info/sct", "734163000", "Care plan"),
        "Heart failure weight watch",
        "Weigh twice a week; tell the heart failure nurses of a gain of 2 kg in 3 days",
        today.back(13),
        Some(today.on(45)),
        &DISTRICT_NURSE,
        &[
            (
                "Weighing",
                "On her own scales, before breakfast, same clothes",
            ),
            ("Target", "61 to 62 kg"),
        ],
    );
    sender.answers("aboutme", "about-me", "About me", today.back(11).at(14, 0), &THERAPIST, &[
        ("What is most important to me", "My garden, my church on Sundays, and staying in my own house."),
        ("People who are important to me", "My daughter Abena, who has lunch with me every day, and my neighbour Mr Fisk."),
        ("How I communicate and how to communicate with me", "I am hard of hearing. Face me, speak slowly, and check my hearing aids are in. I speak English and Twi."),
        ("My wellness", "On a good day I walk to the gate and back. On a bad day I stay upstairs."),
        ("Please do and please do not", "Please call me Ama. Please do not talk to my daughter as though I were not there."),
        ("How and when to support me", "I need help with the bath and with my tablets. I can dress myself if you give me time."),
    ]);
    sender.alert(
        "flag-dog",
        ("staff-safety", "Risk to staff"),
        concept(
            "",
            "Neighbour's dog loose in the shared path: use the front gate",
        ),
        today.back(130),
        &DISTRICT_NURSE,
    );
    sender.answers(
        "mobility",
        "barthel",
        "Barthel index",
        today.back(11).at(14, 30),
        &THERAPIST,
        &[
            ("Total", "13 of 20"),
            ("Stairs", "Needs help"),
            ("Bathing", "Dependent"),
            ("Transfers", "Minor help"),
        ],
    );
}

fn today_visit(telling: &Telling, sender: &mut FhirSender<'_>) {
    let yesterday = telling.now.day.back(1);
    sender.contact(
        "visit-last",
        yesterday.at(9, 25),
        40,
        "District nurse visit",
        &DISTRICT_NURSE,
        "Dressing and weight",
    );
    sender.measurement(
        "weight-last",
        "27113001",
        "Body weight",
        "62.0",
        "kg",
        "kg",
        yesterday.at(9, 40),
        &DISTRICT_NURSE,
    );
    sender.blood_pressure("bp-last", 122, 68, yesterday.at(9, 45), &DISTRICT_NURSE);
    sender.send(yesterday.at(12, 30));
}

fn mental_health(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let today = telling.now.day;
    let mut pas = V2Sender::new(
        &MENTAL_HEALTH,
        person,
        person.mental_health_number(),
        &telling.run(),
    );
    pas.person("A28", today.back(400).at(10, 0));
    pas.referral(
        today.back(400).at(10, 10),
        &Referral {
            number: "BR251008".to_owned(),
            to: &MENTAL_HEALTH,
            service: "Memory service",
            reason: "A year of forgetfulness; delirium in hospital".to_owned(),
            from: GP,
            status: "A",
            priority: "R",
            ends: None,
        },
    );
    pas.slot(
        "S12",
        today.back(20).at(10, 0),
        &Slot {
            number: "BS261203".to_owned(),
            starts: today.on(12).working().at(14, 0),
            minutes: 45,
            service: "Memory service",
            place: "Silverbirch House",
            with: MEMORY_NURSE,
            reason: "Six-month review of donepezil".to_owned(),
            status: "Booked",
        },
    );
    let mut sender = FhirSender::new(&MENTAL_HEALTH, person, person.mental_health_number());
    sender.caseload(
        "memory",
        "Memory service, older adults",
        "Memory service caseload",
        today.back(390),
        None,
        &MEMORY_NURSE,
    );
    sender.problem(&Problem {
        id: "problem-1",
        snomed: "26929004",
        text: "Alzheimer's disease",
        onset: today.back(245),
        resolved: None,
        by: MEMORY_DOCTOR,
        note: "Mild to moderate, late onset",
    });
    if let (Some(five), Some(ten)) = (medicine("donepezil5"), medicine("donepezil10")) {
        sender.listed_medicine(&Listed {
            id: "med-1",
            medicine: five,
            started: today.back(240),
            stopped: Some((today.back(205), "Increased to 10 mg")),
            last_issued: None,
            prescriber: MEMORY_DOCTOR,
            reason: "Alzheimer's disease",
        });
        sender.listed_medicine(&Listed {
            id: "med-2",
            medicine: ten,
            started: today.back(205),
            stopped: None,
            last_issued: Some(today.back(40)),
            prescriber: MEMORY_DOCTOR,
            reason: "Alzheimer's disease",
        });
    }
    for (place, days, score) in [(1, 380, "79"), (2, 246, "74"), (3, 60, "71")] {
        sender.measurement(
            &format!("ace-{place}"),
            "",
            "Addenbrooke's cognitive examination III",
            score,
            "/100",
            "{score}",
            today.back(days).working().at(11, 0),
            &MEMORY_NURSE,
        );
    }
    sender.contact(
        "contact-1",
        today.back(246).working().at(11, 0),
        60,
        "Memory clinic",
        &MEMORY_DOCTOR,
        "Diagnosis shared with Mrs Osei and her daughter",
    );
    sender.contact(
        "contact-2",
        today.back(60).working().at(11, 0),
        45,
        "Memory clinic",
        &MEMORY_NURSE,
        "Review of donepezil",
    );
    sender.plan("plan-memory", coded("http://snomed.info/sct", "734163000", "Care plan"), "Memory service care plan",
        "Live well at home with support; review every six months", today.back(60), Some(today.on(120)), &MEMORY_NURSE,
        &[("Medicine", "Donepezil 10 mg at night. Watch for a slow pulse with bisoprolol: pulse at each visit."),
          ("Safety", "Gas isolator fitted. Wears a pendant alarm. Has not left the house alone since summer."),
          ("Carer", "Abena offered the carers' course and a break every second Saturday"),
          ("If things change suddenly", "Think of infection or constipation first. Call the memory service desk in working hours, NHS 111 otherwise.")]);
    sender.document(&Document {
        id: "letter-1", kind: concept("", "Clinic letter"), title: "Memory clinic letter",
        text: "Dear Dr Sandover,\n\nI met Mrs Osei and her daughter. The history, the cognitive examination (74 of 100) and the\nscan fit Alzheimer's disease, mild to moderate. Mrs Osei understood the diagnosis and asked that\nher daughter be told everything.\n\nI have started donepezil 5 mg at night, to increase after four weeks if it suits. The trust will\nprescribe until the dose is settled.\n\nDr Oliver Penhaligon",
        pdf: None, written: today.back(243).working().at(16, 0), author: MEMORY_DOCTOR,
    });
    sender.send(today.back(5).at(8, 0));
    let mut out = pas.out;
    out.extend(sender.out);
    out
}

fn council(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let today = telling.now.day;
    let mut sender = FhirSender::new(&COUNCIL, person, person.council_id());
    sender.caseload(
        "social",
        "Adult social care, east",
        "Adult social care caseload",
        today.back(11),
        None,
        &SOCIAL_WORKER,
    );
    let phone = person
        .next_of_kin
        .as_ref()
        .map(|kin| kin.phone.clone())
        .unwrap_or_default();
    sender.relative(
        "daughter",
        ("DAU", "Natural daughter"),
        ("Ms", "Abena", "Osei-Clarke"),
        &phone,
        "Next of kin, main carer, and attorney for health and welfare",
    );
    sender.relative(
        "neighbour",
        ("NBOR", "Neighbour"),
        ("Mr", "Walter", "Fisk"),
        "020 7946 0871",
        "Holds a key; may be told of an emergency",
    );
    sender.plan("package", coded("http://snomed.info/sct", "734163000", "Care plan"), "Adult social care support plan",
        "Two visits a day, seven days a week, and a weekly day centre", today.back(11), Some(today.on(31)), &SOCIAL_WORKER,
        &[("Morning visit, 45 minutes, every day", "Help with washing and with tablets from the dosette box. Provider: Bluegate Home Care, 020 7946 0862"),
          ("Evening visit, 30 minutes, every day", "Supper, tablets, to bed"),
          ("Day centre, Wednesdays", "Quaggy Side Day Centre, transport at 09:30"),
          ("Equipment", "Bath board, second stair rail, raised toilet seat, pendant alarm")]);
    sender.answers(
        "assessment",
        "care-act-assessment",
        "Care Act assessment",
        today.back(12).at(10, 0),
        &SOCIAL_WORKER,
        &[
            (
                "Outcomes she wants",
                "To stay in her own home and to go to church",
            ),
            (
                "Eligible needs",
                "Washing; keeping the home; managing medicines; going out",
            ),
            (
                "Mental capacity for this decision",
                "Has capacity to decide on her support",
            ),
            (
                "Main risk",
                "Missing tablets, and falls on the stairs at night",
            ),
            (
                "Carer's assessment",
                "Offered to Ms Osei-Clarke, accepted, booked",
            ),
        ],
    );
    sender.answers(
        "respect",
        "respect",
        "ReSPECT summary",
        today.back(15).at(15, 0),
        &CARDIOLOGIST,
        &[
            (
                "Summary of health",
                "Heart failure, kidney disease, early Alzheimer's disease",
            ),
            (
                "What matters most",
                "Comfort, and being at home with family",
            ),
            (
                "Clinical recommendation",
                "For treatment of reversible illness in hospital; not for intensive care",
            ),
            ("Attempted cardiopulmonary resuscitation", "Not recommended"),
            (
                "Where the original form is",
                "With Mrs Osei, in the kitchen drawer",
            ),
        ],
    );
    sender.add(
        "Task",
        "review",
        json!({
            "status": "requested", "intent": "plan", "priority": "routine",
            "code": {"text": "Six-week review of the support plan"},
            "description": "Review the support plan with Mrs Osei and her daughter",
            "authoredOn": today.back(11).at(15, 0).fhir(),
            "restriction": {"period": {"end": today.on(31).iso()}},
            "requester": sender.own_organisation(),
        }),
    );
    sender.alert(
        "flag-attorney",
        ("legal", "Legal"),
        concept(
            "",
            "Lasting power of attorney for health and welfare: Ms Abena Osei-Clarke, registered",
        ),
        today.back(260),
        &SOCIAL_WORKER,
    );
    sender.send(today.back(2).at(3, 30));
    sender.out
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
