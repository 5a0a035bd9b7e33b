//! What the practice sends of Amara Osei.

use crate::clinical::{Allergy, Document, Problem};
use crate::clinicians::{GP, PRACTICE_NURSE, PRACTICE_PHARMACIST, SECOND_GP};
use crate::dice::Dice;
use crate::fhir::{FhirSender, concept};
use crate::investigations::{panel, panel_results};
use crate::medicines::{Listed, medicine};
use crate::organisations::PRACTICE;
use crate::outgoing::Outgoing;
use crate::pdf::pdf;
use crate::person::Person;
use crate::story::Telling;

use super::course;

pub(super) fn practice(telling: &Telling, person: &Person) -> Vec<Outgoing> {
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
