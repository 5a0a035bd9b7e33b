//! What the practice holds of an ordinary person: one upload of the whole record, and an update
//! after the last consultation.

use crate::calendar::Day;
use crate::clinical::{Allergy, Document, Problem};
use crate::clinicians::PRACTICE_NURSE;
use crate::dice::Dice;
use crate::fhir::{FhirSender, concept};
use crate::medicines::{Listed, medicine};
use crate::organisations::PRACTICE;
use crate::outgoing::Outgoing;
use crate::pdf::pdf;
use crate::person::Person;
use crate::story::Telling;

use super::Life;

/// Nothing where the person is registered with a practice that does not send.
pub(crate) fn practice(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    let mut sender = record(telling, person, life);
    sender.out.split_off(0)
}

/// The same, but the sender is handed back with nothing unsent, so that more can be added.
pub(crate) fn record<'a>(telling: &Telling, person: &'a Person, life: &Life) -> FhirSender<'a> {
    let mut sender = FhirSender::new(&PRACTICE, person, person.practice_id());
    if person.practice != PRACTICE.ods {
        return sender;
    }
    let mut dice = Dice::new(telling.seed ^ (u64::from(person.lane) << 24), "practice");
    let dice = &mut dice;
    let uploaded = telling.now.day.back(dice.between(12, 60));
    problems(telling, life, &mut sender);
    medicines(life, uploaded, &mut sender);
    allergies(telling, life, &mut sender);
    measurements(telling, person, life, dice, &mut sender);
    vaccinations(telling, person, life, dice, &mut sender);
    let last = consultations(telling, person, life, dice, &mut sender, uploaded);
    letter(telling, person, life, dice, &mut sender);
    sender.send(uploaded.at(2, dice.between(0, 59) as u16));
    if last {
        let day = telling.now.day.back(dice.between(0, 11)).working();
        let (reason, written) = reason(dice, life);
        sender.consultation(
            "consult-last",
            day.at(10, dice.between(0, 50) as u16),
            "Surgery consultation",
            &life.gp,
            reason,
            &written,
        );
        sender.send(day.at(18, 30));
    }
    sender
}

fn problems(telling: &Telling, life: &Life, sender: &mut FhirSender<'_>) {
    for (having, place) in life.conditions.iter().zip(1..) {
        sender.problem(&Problem {
            id: &format!("problem-{place}"),
            snomed: having.condition.snomed,
            text: having.condition.text,
            onset: having.onset,
            resolved: None,
            by: life.gp,
            note: "",
        });
    }
    if life.gp.id.ends_with('2') {
        sender.problem(&Problem {
            id: "problem-past",
            snomed: "85189001",
            text: "Acute appendicitis",
            onset: telling.now.day.back(20 * 365),
            resolved: Some(telling.now.day.back(20 * 365 - 30)),
            by: life.gp,
            note: "Appendicectomy",
        });
    }
}

fn medicines(life: &Life, uploaded: Day, sender: &mut FhirSender<'_>) {
    for (taking, place) in life.taking.iter().zip(1..) {
        let issued = taking
            .stopped
            .map_or(uploaded.back(10 + place), |(day, _)| day.back(15));
        sender.listed_medicine(&Listed {
            id: &format!("med-{place}"),
            medicine: taking.medicine,
            started: taking.since,
            stopped: taking.stopped,
            last_issued: Some(Day(issued.0.max(taking.since.0))),
            prescriber: life.gp,
            reason: taking.reason,
        });
    }
}

fn allergies(telling: &Telling, life: &Life, sender: &mut FhirSender<'_>) {
    let today = telling.now.day;
    if let Some(known) = life.allergy {
        let noted = today.back(known.years_ago * 365 + 40);
        sender.allergy(&Allergy {
            id: "allergy-1",
            snomed: known.snomed,
            text: known.text,
            kind: if known.text == "Codeine" {
                "intolerance"
            } else {
                "allergy"
            },
            category: known.category,
            criticality: if known.severity == "severe" {
                "high"
            } else {
                "low"
            },
            reaction: known.reaction,
            severity: known.severity,
            noted,
            recorded: noted.on(4),
            by: life.gp,
        });
    } else if life.states_no_allergies {
        sender.no_known_allergies(today.back(700), &life.gp);
    }
}

fn measurements(
    telling: &Telling,
    person: &Person,
    life: &Life,
    dice: &mut Dice,
    sender: &mut FhirSender<'_>,
) {
    let today = telling.now.day;
    let age = person.age_on(today);
    if age < 16 {
        let weight = 3.4 + f64::from(age) * 3.1 + dice.wobble();
        sender.measurement(
            "weight-0",
            "27113001",
            "Body weight",
            &format!("{weight:.1}"),
            "kg",
            "kg",
            today.back(200).at(10, 0),
            &PRACTICE_NURSE,
        );
        return;
    }
    let raised = if life.has("hypertension") { 14 } else { 0 };
    let base_weight = dice.between(56, 82) + if life.has("obesity") { 24 } else { 0 };
    let height = if person.is_woman() {
        dice.between(152, 172)
    } else {
        dice.between(164, 188)
    };
    let times = if age > 60 || raised > 0 {
        7
    } else {
        dice.between(1, 3)
    };
    for place in 0..times {
        let day = today
            .back(70 + place * 330 + dice.between(-30, 30))
            .working();
        let when = day.at(9, dice.between(0, 59) as u16);
        sender.blood_pressure(
            &format!("bp-{place}"),
            dice.between(112, 134) + raised,
            dice.between(66, 84) + raised / 3,
            when,
            &PRACTICE_NURSE,
        );
        if place % 2 == 0 {
            let weight = f64::from(base_weight) + dice.wobble() * 3.0;
            sender.measurement(
                &format!("weight-{place}"),
                "27113001",
                "Body weight",
                &format!("{weight:.1}"),
                "kg",
                "kg",
                when.plus(3),
                &PRACTICE_NURSE,
            );
        }
    }
    sender.measurement(
        "height",
        "50373000",
        "Body height",
        &height.to_string(),
        "cm",
        "cm",
        today.back(900).at(9, 30),
        &PRACTICE_NURSE,
    );
    let smoking = *dice
        .pick(&[
            ("266919005", "Never smoked tobacco"),
            ("266919005", "Never smoked tobacco"),
            ("8517006", "Ex-smoker"),
            ("77176002", "Smoker"),
        ])
        .unwrap_or(&("", ""));
    sender.finding(
        "smoking",
        ("social-history", "Social History"),
        concept("", "Smoking status"),
        concept(smoking.0, smoking.1),
        today.back(300).at(9, 30),
        &PRACTICE_NURSE,
    );
    if age >= 75 {
        let band = dice.word_static(&[
            "4: living with very mild frailty",
            "5: living with mild frailty",
            "6: living with moderate frailty",
            "3: managing well",
        ]);
        sender.finding(
            "frailty",
            ("survey", "Survey"),
            concept("", "Rockwood clinical frailty scale"),
            concept("", band),
            today.back(250).at(11, 0),
            &life.gp,
        );
    }
}

fn vaccinations(
    telling: &Telling,
    person: &Person,
    life: &Life,
    dice: &mut Dice,
    sender: &mut FhirSender<'_>,
) {
    let today = telling.now.day;
    let (year, _, _) = today.parts();
    let age = person.age_on(today);
    if age < 16 {
        for (id, text, months) in [
            ("six-in-one", "Six-in-one vaccination, third dose", 4),
            ("men-b", "Meningococcal B vaccination, booster", 12),
            (
                "mmr-1",
                "Measles, mumps and rubella vaccination, first dose",
                12,
            ),
            (
                "mmr-2",
                "Measles, mumps and rubella vaccination, second dose",
                40,
            ),
            ("pre-school", "Four-in-one pre-school booster", 41),
        ] {
            let day = person.birth.on(months * 30 + dice.between(2, 20));
            if day < today && dice.chance(930) {
                sender.vaccination(
                    id,
                    "",
                    text,
                    day,
                    &format!("C{}", dice.between(1000, 9999)),
                    &PRACTICE_NURSE,
                );
            }
        }
        return;
    }
    let invited = age >= 65
        || ["asthma", "diabetes", "copd", "heartdisease", "kidney"]
            .iter()
            .any(|key| life.has(key));
    for back in 0..3 {
        let day = Day::of(year - back, 10, 1).on(dice.between(0, 40));
        if invited && day < today && dice.chance(780) {
            sender.vaccination(
                &format!("flu-{back}"),
                "86198006",
                "Influenza vaccination",
                day,
                &format!("FL{}", dice.between(1000, 9999)),
                &PRACTICE_NURSE,
            );
        }
    }
    if dice.chance(820) {
        sender.vaccination(
            "covid",
            "",
            "COVID-19 vaccination, second dose",
            Day::of(2021, 5, 1).on(dice.between(0, 80)),
            &format!("CV{}", dice.between(1000, 9999)),
            &PRACTICE_NURSE,
        );
    }
    if age >= 70 && dice.chance(650) {
        sender.vaccination(
            "shingles",
            "",
            "Shingles vaccination",
            today.back(dice.between(100, 1500)),
            &format!("SH{}", dice.between(1000, 9999)),
            &PRACTICE_NURSE,
        );
    }
}

/// Whether there is one more after the upload.
fn consultations(
    telling: &Telling,
    person: &Person,
    life: &Life,
    dice: &mut Dice,
    sender: &mut FhirSender<'_>,
    uploaded: Day,
) -> bool {
    let age = person.age_on(telling.now.day);
    let count = 1 + life.conditions.len() as i32 / 2 + dice.between(0, 3) + age / 40;
    let mut day = uploaded.back(1);
    for place in 0..count {
        day = day.back(dice.between(15, 160)).working();
        let mode = dice.word_static(&[
            "Surgery consultation",
            "Telephone consultation",
            "Surgery consultation",
            "Online consultation",
        ]);
        let (reason, written) = reason(dice, life);
        sender.consultation(
            &format!("consult-{place}"),
            day.at(9 + (place % 8) as u16, dice.between(0, 50) as u16),
            mode,
            &life.gp,
            reason,
            &written,
        );
        let antibiotic = match reason {
            "Cough and temperature" => "amoxicillin",
            "Burning on passing urine" => "nitrofurantoin",
            _ => "",
        };
        let penicillin = life.allergy.is_some_and(|known| known.snomed == "91936005");
        let key = if antibiotic == "amoxicillin" && penicillin {
            "doxycycline"
        } else {
            antibiotic
        };
        if let Some(medicine) = medicine(key) {
            let listed = Listed {
                id: &format!("acute-{place}"),
                medicine,
                started: day,
                stopped: Some((day.on(7), "Course finished")),
                last_issued: Some(day),
                prescriber: life.gp,
                reason,
            };
            sender.prescription(&listed, false, "1 course");
        }
    }
    dice.chance(350)
}

const REASONS: [(&str, &str); 12] = [
    (
        "Cough and temperature",
        "Four days of cough with green sputum. Chest: crackles at the right base. Saturation 97 %. Antibiotic, come back if worse or no better in three days.",
    ),
    (
        "Burning on passing urine",
        "Two days of frequency and burning. No fever, no loin pain. Dip positive for nitrites. Short course, sample sent.",
    ),
    (
        "Low back pain",
        "Two weeks, after lifting. No red flags. Keep moving, paracetamol, physiotherapy leaflet.",
    ),
    (
        "Tired",
        "Three months of tiredness, sleeping poorly. Examination normal. Bloods requested.",
    ),
    (
        "Rash",
        "Itchy patches in the elbows. Emollient and mild steroid for a week.",
    ),
    (
        "Headache",
        "Weekly, one-sided, with nausea. Neurology normal. Diary for a month.",
    ),
    (
        "Low mood",
        "Low since the spring, sleeping five hours. No thoughts of self-harm. Talking therapies discussed, review in two weeks.",
    ),
    (
        "Knee pain",
        "Right knee, worse on stairs. Small effusion. Exercises, review in six weeks.",
    ),
    (
        "Ear pain",
        "Left ear, red drum. Watchful waiting, pain relief.",
    ),
    (
        "Dizziness",
        "On standing, mornings. Lying and standing blood pressure checked, fluids advised.",
    ),
    ("Form to fill in", "Travel insurance form completed."),
    (
        "Contraception check",
        "Blood pressure normal, no migraine with aura. Six months issued.",
    ),
];

fn reason(dice: &mut Dice, life: &Life) -> (&'static str, String) {
    if !life.conditions.is_empty() && dice.chance(550) {
        let having = dice.pick(&life.conditions);
        let name = having.map_or("", |having| having.condition.text);
        let outcome = dice.word_static(&[
            "Stable. Same treatment.",
            "Some symptoms. Bloods requested, review with results.",
            "Well controlled. Recall in a year.",
            "Not taking the tablets every day; talked about why.",
        ]);
        return (
            "Review of a long-term condition",
            format!("{name}. {outcome}"),
        );
    }
    let without_women = if life.has("contraception") { 12 } else { 11 };
    let (reason, written) = REASONS
        .get(dice.below(without_women) as usize)
        .copied()
        .unwrap_or_default();
    (reason, written.to_owned())
}

fn letter(
    telling: &Telling,
    person: &Person,
    life: &Life,
    dice: &mut Dice,
    sender: &mut FhirSender<'_>,
) {
    let clinic = life
        .conditions
        .iter()
        .find_map(|having| having.condition.clinic.map(|clinic| (having, clinic)));
    let Some((having, clinic)) = clinic.filter(|_| dice.chance(450)) else {
        return;
    };
    let title = format!("Referral to {}", clinic.service.to_lowercase());
    let text = format!(
        "To {}, Wharfside Hospital\n\nRe: {}, born {}\n\nI would be grateful for your opinion on this {}-year-old with {}, known since {}.\nA list of medicines and recent results is attached by the practice system.\n\n{}",
        clinic.service,
        person.spoken_name(),
        person.birth.words(),
        person.age_on(telling.now.day),
        having.condition.text.to_lowercase(),
        having.onset.words(),
        life.gp.spoken(),
    );
    let with_pdf = dice.chance(300);
    sender.document(&Document {
        id: "letter-1",
        kind: concept("", "Referral letter"),
        title: &title,
        pdf: with_pdf.then(|| pdf(&title, &text)),
        text: &text,
        written: telling
            .now
            .day
            .back(dice.between(40, 500))
            .working()
            .at(12, 30),
        author: life.gp,
    });
}
