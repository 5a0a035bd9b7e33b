//! What the hospital sends of an ordinary person: registration, blood tests over ten years,
//! attendances, admissions, appointments, referrals and letters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::calendar::{Day, When};
use crate::clinicians::{
    ACUTE, CARDIOLOGIST, Clinician, DERMATOLOGIST, DIABETES, EMERGENCY, GERIATRICIAN,
    HAEMATOLOGIST, PAEDIATRICS, RESPIRATORY, SURGEON,
};
use crate::dice::Dice;
use crate::investigations::{Bedside, laboratory_report, panel};
use crate::organisations::TRUST;
use crate::outgoing::Outgoing;
use crate::pdf::pdf;
use crate::person::Person;
use crate::story::Telling;
use crate::v2::{Letter, Line, Referral, Report, Slot, V2Allergy, V2Sender, Visit};

use super::Life;

/// Nothing where the hospital never met the person.
pub(crate) fn hospital(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    let uses = life.hospital;
    let never = uses.blood_tests == 0
        && uses.admissions == 0
        && uses.attendances == 0
        && !uses.inpatient
        && uses.recent_attendance.is_none()
        && !uses.coming_appointment;
    if never {
        return Vec::new();
    }
    let mut dice = Dice::new(telling.seed ^ (u64::from(person.lane) << 24), "hospital");
    let mut sender = sender(telling, person, life);
    let age_days = telling.now.day.0 - person.birth.0;
    sender.person(
        "A28",
        telling.now.day.back((age_days - 1).clamp(1, 3660)).at(9, 0),
    );
    let mut told = Told {
        telling,
        life,
        sender,
        dice: &mut dice,
        number: 0,
    };
    told.blood_tests();
    told.urine();
    told.attendances();
    told.admissions();
    told.clinics();
    told.recent();
    told.sender.out
}

/// The hospital's own sender for this person, with the allergy it knows.
pub(crate) fn sender<'a>(telling: &Telling, person: &'a Person, life: &Life) -> V2Sender<'a> {
    let mut sender = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
    if let Some(known) = life.allergy.filter(|known| !known.snomed.is_empty()) {
        sender.allergies.push(V2Allergy {
            kind: match known.category {
                "food" => "FA",
                "environment" => "EA",
                _ => "DA",
            },
            code: known.snomed,
            text: known.text,
            severity: match known.severity {
                "severe" => "SV",
                "moderate" => "MO",
                _ => "MI",
            },
            reaction: known.reaction.1,
            noted: telling.now.day.back(known.years_ago * 365 + 40),
        });
    }
    sender
}

struct Told<'a, 'p> {
    telling: &'a Telling,
    life: &'a Life,
    sender: V2Sender<'p>,
    dice: &'a mut Dice,
    number: u32,
}

/// Why somebody comes in: reason, specialty, consultant, what the letter says of the treatment.
type Illness = (&'static str, &'static str, Clinician, &'static str);

impl Told<'_, '_> {
    fn today(&self) -> Day {
        self.telling.now.day
    }

    fn next_number(&mut self, letter: char) -> String {
        self.number += 1;
        format!("{letter}{:06}{:03}", self.sender.person.lane, self.number)
    }

    /// A day in the last years, not before birth.
    fn day_within(&mut self, least: i32, most: i32) -> Day {
        let age_days = self.today().0 - self.sender.person.birth.0;
        let most = most.min(age_days - 1).max(least);
        self.today().back(self.dice.between(least, most))
    }

    fn blood_tests(&mut self) {
        let mut keys: Vec<&str> = self
            .life
            .conditions
            .iter()
            .flat_map(|having| having.condition.panels.iter().copied())
            .collect();
        keys.extend(["renal", "fbc"]);
        keys.sort_unstable();
        keys.dedup();
        if self
            .life
            .taking
            .iter()
            .any(|taking| taking.medicine.key == "warfarin" && taking.stopped.is_none())
        {
            keys.push("inr");
        }
        let count = self.life.hospital.blood_tests;
        for test in 0..count {
            let gap = 3650 / count.max(1);
            let most = (self.today().0 - self.sender.person.birth.0 - 2).max(3);
            let days_ago = (15 + test * gap + self.dice.between(0, gap / 2)).min(most);
            let taken = self
                .today()
                .back(days_ago)
                .working()
                .at(8, self.dice.between(5, 55) as u16);
            let mut chosen: Vec<&str> = keys
                .iter()
                .copied()
                .filter(|_| self.dice.chance(620))
                .collect();
            chosen.truncate(3);
            if chosen.is_empty() {
                chosen.push("fbc");
            }
            let reports: Vec<Report> = chosen
                .into_iter()
                .filter_map(panel)
                .map(|panel| {
                    let number = self.next_number('W');
                    laboratory_report(
                        panel,
                        number,
                        self.life.gp,
                        &self.life.course,
                        f64::from(days_ago) / 365.25,
                        self.dice,
                    )
                })
                .collect();
            self.sender.reports(taken.plus(300), taken, &reports, None);
        }
    }

    /// A urine culture for some: words, not numbers.
    fn urine(&mut self) {
        let age = self.sender.person.age_on(self.today());
        if age < 16
            || !self.dice.chance(if self.sender.person.is_woman() {
                260
            } else {
                80
            })
        {
            return;
        }
        let taken = self.day_within(20, 900).at(11, 10);
        let grew = self.dice.chance(600);
        let line = |code: &str, value: &str, flag| Line {
            kind: "ST",
            code: format!("{code}^WHARFMIC"),
            value: value.to_owned(),
            unit: "",
            range: String::new(),
            flag,
        };
        let lines = if grew {
            vec![
                line(
                    "UCUL^Urine culture",
                    "Escherichia coli over 100,000 per mL",
                    "A",
                ),
                line("NITRO^Nitrofurantoin", "Sensitive", "S"),
                line(
                    "TRIM^Trimethoprim",
                    if self.dice.chance(350) {
                        "Resistant"
                    } else {
                        "Sensitive"
                    },
                    "R",
                ),
                line("AMOX^Amoxicillin", "Resistant", "R"),
            ]
        } else {
            vec![line("UCUL^Urine culture", "No significant growth", "")]
        };
        let report = Report {
            number: self.next_number('M'),
            code: "UMC^Urine microscopy and culture^WHARFMIC".to_owned(),
            section: "MB",
            requester: self.life.gp,
            status: "F",
            lines,
            note: Some("Mid-stream sample. Interpret with symptoms.".to_owned()),
        };
        self.sender
            .reports(taken.plus(2 * 1440), taken, &[report], None);
    }

    fn attendances(&mut self) {
        for _ in 0..self.life.hospital.attendances {
            let day = self.day_within(70, 2600);
            self.attendance(day);
        }
    }

    fn attendance(&mut self, day: Day) {
        let (reason, found) = *self.dice.pick(&MINOR).unwrap_or(&("", ""));
        let starts = day.at(
            self.dice.between(8, 20) as u16,
            self.dice.between(0, 59) as u16,
        );
        let mut visit = self.emergency(starts, reason);
        self.sender.visit("A04", starts, &visit);
        let ends = starts.plus(self.dice.between(70, 260));
        visit.ends = Some(ends);
        self.sender.visit("A03", ends, &visit);
        if self.dice.chance(500) {
            let text = format!(
                "Came with: {reason}.\n{found}\nDischarged home. Please see the practice if it does not settle."
            );
            self.letter(
                ends.plus(20),
                "ED^Emergency department summary",
                "Emergency department summary",
                EMERGENCY,
                text,
                &visit,
            );
        }
    }

    fn emergency(&mut self, starts: When, reason: &str) -> Visit {
        Visit {
            number: self.next_number('V'),
            class: "E",
            location: format!(
                "Emergency Department^Majors {}^^{}",
                self.dice.between(1, 12),
                TRUST.ods
            ),
            specialty: "Emergency medicine",
            consultant: EMERGENCY,
            reason: reason.to_owned(),
            starts,
            ends: None,
            discharge: "19",
        }
    }

    fn admissions(&mut self) {
        for _ in 0..self.life.hospital.admissions {
            let day = self.day_within(60, 3300);
            let illness = self.illness();
            let starts = day.at(
                self.dice.between(9, 22) as u16,
                self.dice.between(0, 59) as u16,
            );
            if self.dice.chance(120) {
                self.planned(day, illness);
                continue;
            }
            let mut visit = self.admit(starts, illness);
            let stay = self.dice.between(1, 9);
            if self.dice.chance(400) {
                self.observe(starts.plus(30), 2, &visit);
            }
            if stay > 5 {
                visit.location = bed(self.dice, "Heron Ward");
                self.sender.visit("A02", day.on(3).at(16, 0), &visit);
            }
            if self.dice.chance(200) {
                self.sender.visit("A08", day.on(1).at(9, 15), &visit);
            }
            let ends = day.on(stay).at(14, self.dice.between(0, 59) as u16);
            visit.ends = Some(ends);
            self.sender.visit("A03", ends, &visit);
            if self.dice.chance(12) {
                self.sender.visit("A13", ends.plus(25), &visit);
                visit.ends = Some(ends.plus(1440));
                self.sender.visit("A03", ends.plus(1440), &visit);
            }
            let sent = visit.ends.unwrap_or(ends).plus(30);
            let text = self.discharge_text(illness, starts, stay);
            self.letter(
                sent,
                "DS^Discharge summary",
                "Discharge summary",
                illness.2,
                text,
                &visit,
            );
        }
        if self.dice.chance(20) {
            // Admitted under the wrong name and taken back within the hour.
            let day = self.day_within(100, 2000);
            let illness = self.illness();
            let visit = self.admit(day.at(12, 5), illness);
            self.sender.visit("A11", day.at(12, 50), &visit);
        }
    }

    /// A day case: pre-admitted, admitted, home the same day.
    fn planned(&mut self, day: Day, illness: Illness) {
        let mut visit = self.bed_for(day.working().at(7, 40), illness);
        visit.reason = self
            .dice
            .word_static(&[
                "Colonoscopy",
                "Cataract, left eye",
                "Joint injection",
                "Cystoscopy",
            ])
            .to_owned();
        visit.location = format!(
            "Day Surgery^Chair {}^^{}",
            self.dice.between(1, 8),
            TRUST.ods
        );
        self.sender
            .visit("A05", visit.starts.plus(-9 * 1440), &visit);
        self.sender.visit("A01", visit.starts, &visit);
        visit.ends = Some(visit.starts.plus(390));
        self.sender.visit("A03", visit.starts.plus(390), &visit);
    }

    fn admit(&mut self, starts: When, illness: Illness) -> Visit {
        let visit = self.bed_for(starts, illness);
        self.sender.visit("A01", starts, &visit);
        visit
    }

    fn bed_for(&mut self, starts: When, illness: Illness) -> Visit {
        Visit {
            number: self.next_number('V'),
            class: "I",
            location: bed(self.dice, "Kestrel Ward"),
            specialty: illness.1,
            consultant: illness.2,
            reason: illness.0.to_owned(),
            starts,
            ends: None,
            discharge: "19",
        }
    }

    fn observe(&mut self, when: When, illness: i32, visit: &Visit) {
        let number = self.next_number('N');
        let report = Bedside::roll(self.dice, illness).report(number, ACUTE);
        self.sender
            .reports(when.plus(4), when, &[report], Some(visit));
    }

    fn illness(&mut self) -> Illness {
        let age = self.sender.person.age_on(self.today());
        let life = self.life;
        let likely: Vec<Illness> = [
            (
                "heartfailure",
                (
                    "Decompensated heart failure",
                    "Cardiology",
                    CARDIOLOGIST,
                    "Diuretics by vein for three days, then tablets. Weight fell by 4 kg.",
                ),
            ),
            (
                "copd",
                (
                    "Exacerbation of chronic obstructive pulmonary disease",
                    "Respiratory medicine",
                    RESPIRATORY,
                    "Nebulisers, prednisolone for five days, doxycycline.",
                ),
            ),
            (
                "asthma",
                (
                    "Acute asthma",
                    "Respiratory medicine",
                    RESPIRATORY,
                    "Nebulisers and prednisolone. Inhaler technique corrected.",
                ),
            ),
            (
                "heartdisease",
                (
                    "Chest pain",
                    "Cardiology",
                    CARDIOLOGIST,
                    "Troponin not raised twice. Angiogram as an outpatient.",
                ),
            ),
            (
                "gallstones",
                (
                    "Acute cholecystitis",
                    "General surgery",
                    SURGEON,
                    "Antibiotics. Listed for removal of the gallbladder.",
                ),
            ),
            (
                "sicklecell",
                (
                    "Painful crisis of sickle cell disease",
                    "Haematology",
                    HAEMATOLOGIST,
                    "Fluids and morphine. No chest signs. No transfusion needed.",
                ),
            ),
            (
                "diabetes",
                (
                    "Infected foot ulcer",
                    "Diabetes and endocrinology",
                    DIABETES,
                    "Antibiotics. X-ray without bone infection. Foot clinic weekly.",
                ),
            ),
        ]
        .into_iter()
        .filter(|(key, _)| life.has(key))
        .map(|(_, illness)| illness)
        .collect();
        let general: &[Illness] = match age {
            ..16 => &[
                (
                    "Bronchiolitis",
                    "Paediatrics",
                    PAEDIATRICS,
                    "Oxygen for one night, feeding support.",
                ),
                (
                    "Viral wheeze",
                    "Paediatrics",
                    PAEDIATRICS,
                    "Salbutamol by spacer, weaned over a day.",
                ),
            ],
            16..70 => &[
                (
                    "Acute appendicitis",
                    "General surgery",
                    SURGEON,
                    "Laparoscopic appendicectomy without complication.",
                ),
                (
                    "Cellulitis of the leg",
                    "Acute medicine",
                    ACUTE,
                    "Antibiotics by vein for two days, then by mouth.",
                ),
                (
                    "Pyelonephritis",
                    "Acute medicine",
                    ACUTE,
                    "Antibiotics by vein for two days, then by mouth.",
                ),
            ],
            _ => &[
                (
                    "Community-acquired pneumonia",
                    "Medicine for older people",
                    GERIATRICIAN,
                    "Antibiotics for seven days. Chest X-ray to be repeated in six weeks.",
                ),
                (
                    "Fall and long lie",
                    "Medicine for older people",
                    GERIATRICIAN,
                    "No fracture. Physiotherapy. Lying and standing blood pressure dropped by 24.",
                ),
                (
                    "Urinary tract infection with delirium",
                    "Medicine for older people",
                    GERIATRICIAN,
                    "Antibiotics. Delirium settled by the fourth day.",
                ),
            ],
        };
        let from = if !likely.is_empty() && self.dice.chance(600) {
            likely.as_slice()
        } else {
            general
        };
        self.dice.pick(from).copied().unwrap_or((
            "Observation",
            "Acute medicine",
            ACUTE,
            "None needed.",
        ))
    }

    fn discharge_text(&self, illness: Illness, starts: When, stay: i32) -> String {
        let person = self.sender.person;
        let medicines: Vec<&str> = self
            .life
            .taking
            .iter()
            .filter(|t| t.stopped.is_none())
            .map(|t| t.medicine.product)
            .collect();
        let list = if medicines.is_empty() {
            "None".to_owned()
        } else {
            medicines.join("\n")
        };
        format!(
            "{}, born {}\nAdmitted {}, in hospital for {stay} days.\n\nDiagnosis: {}.\nTreatment: {}\n\nMedicines on discharge:\n{list}\n\nTo the practice: no changes other than above unless stated. {} has a copy of this letter.",
            person.spoken_name(),
            person.birth.words(),
            starts.day.words(),
            illness.0,
            illness.3,
            if person.is_woman() { "She" } else { "He" },
        )
    }

    fn letter(
        &mut self,
        when: When,
        kind: &str,
        title: &str,
        author: Clinician,
        text: String,
        visit: &Visit,
    ) {
        let with_pdf = self.dice.chance(200);
        let letter = Letter {
            number: self.next_number('L'),
            kind: kind.to_owned(),
            title: format!("{title}, {}", visit.specialty.to_lowercase()),
            author,
            pdf: with_pdf.then(|| STANDARD.encode(pdf(title, &text))),
            text,
        };
        self.sender.letter(when, &letter, Some(visit));
    }

    fn clinics(&mut self) {
        let clinic = self.life.conditions.iter().find_map(|having| {
            having
                .condition
                .clinic
                .map(|clinic| (clinic, having.condition.text))
        });
        let (service, with, reason) = match clinic {
            Some((clinic, reason)) => (clinic.service, clinic.with, reason),
            None if self.life.hospital.coming_appointment => {
                ("Dermatology", DERMATOLOGIST, "Changing mole")
            }
            None => return,
        };
        let today = self.today();
        if self.life.hospital.coming_appointment {
            let booked = today.back(self.dice.between(3, 60));
            let mut slot = Slot {
                number: self.next_number('S'),
                starts: today
                    .on(self.dice.between(2, 70))
                    .working()
                    .on(0)
                    .at(self.dice.between(9, 15) as u16, 20),
                minutes: 20,
                service,
                place: "Outpatients 3",
                with,
                reason: reason.to_owned(),
                status: "Booked",
            };
            if slot.starts.day <= today {
                slot.starts = today.on(3).at(10, 20);
            }
            self.sender.slot("S12", booked.at(13, 5), &slot);
            if self.dice.chance(150) {
                slot.starts = slot.starts.plus(7 * 1440);
                self.sender.slot("S13", booked.on(1).at(9, 40), &slot);
            } else if self.dice.chance(80) {
                slot.status = "Cancelled";
                self.sender.slot("S15", booked.on(2).at(9, 40), &slot);
            }
        }
        if self.dice.chance(450) {
            let referral = Referral {
                number: self.next_number('R'),
                to: &TRUST,
                service,
                reason: reason.to_owned(),
                from: self.life.gp,
                status: "A",
                priority: "R",
                ends: None,
            };
            let when = today.back(self.dice.between(20, 200)).working().at(12, 45);
            self.sender.referral(when, &referral);
        }
        if self.dice.chance(500) {
            let day = self.day_within(60, 800).working();
            let person = self.sender.person;
            let text = format!(
                "Dear {},\n\nI reviewed {} in clinic today with {}. {} feels much the same as last time.\nExamination showed nothing new. I have made no change to treatment and will see {} in a year.\n\n{}",
                self.life.gp.spoken(),
                person.spoken_name(),
                reason.to_lowercase(),
                if person.is_woman() { "She" } else { "He" },
                if person.is_woman() { "her" } else { "him" },
                with.spoken(),
            );
            let letter = Letter {
                number: self.next_number('L'),
                kind: "OP^Outpatient letter".to_owned(),
                title: format!("Clinic letter, {}", service.to_lowercase()),
                author: with,
                text,
                pdf: None,
            };
            self.sender.letter(day.at(17, 10), &letter, None);
        }
    }

    /// Registered twice on one day, and joined the next.
    fn joined(&mut self) {
        let day = self.day_within(30, 1500);
        let second = format!("48{:05}", self.sender.person.lane % 100_000);
        let first = std::mem::replace(&mut self.sender.local_number, second.clone());
        self.sender.person("A28", day.at(23, 40));
        self.sender.local_number = first;
        self.sender.merge(
            "A40",
            day.on(1).at(9, 5),
            &format!("{second}^^^{}^MR", TRUST.ods),
        );
    }

    /// What is going on now: a recent attendance, a bed.
    fn recent(&mut self) {
        if self.dice.chance(160) {
            let day = self.day_within(1, 300);
            self.sender
                .person("A31", day.at(10, self.dice.between(0, 59) as u16));
        }
        if self.dice.chance(15) {
            self.joined();
        }
        if let Some(days) = self.life.hospital.recent_attendance {
            self.attendance(self.today().back(days));
        }
        if self.life.hospital.inpatient {
            let illness = self.illness();
            let day = self.today().back(self.dice.between(1, 4));
            let visit = self.admit(day.at(19, 20), illness);
            self.observe(day.at(20, 0), 2, &visit);
            self.observe(self.telling.now.plus(-190), 1, &visit);
        }
    }
}

fn bed(dice: &mut Dice, ward: &str) -> String {
    format!(
        "{ward}^Bay {}^Bed {}^{}",
        dice.between(1, 6),
        dice.between(1, 6),
        TRUST.ods
    )
}

const MINOR: [(&str, &str); 8] = [
    (
        "Sprained ankle",
        "No bony tenderness, no X-ray needed. Advice and support bandage.",
    ),
    (
        "Cut finger",
        "Cleaned and closed with three stitches. Tetanus cover complete.",
    ),
    (
        "Chest pain",
        "ECG normal, troponin not raised twice. Likely muscular.",
    ),
    (
        "Abdominal pain",
        "Soft abdomen, bloods normal. Settled with simple pain relief.",
    ),
    (
        "Shortness of breath",
        "Chest clear, D-dimer negative. Home with advice.",
    ),
    (
        "Head injury",
        "No loss of consciousness, no vomiting. Head injury advice given to companion.",
    ),
    ("Nosebleed", "Settled with pressure and cautery."),
    (
        "Palpitations",
        "Sinus rhythm throughout. Bloods normal. Diary advised.",
    ),
];
