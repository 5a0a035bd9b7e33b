//! The life of an ordinary person as their systems hold it: what they have, and who looks after them.

mod hospital;
mod others;
mod practice;

use crate::calendar::Day;
use crate::clinicians::{Clinician, gp_of};
use crate::conditions::{CONDITIONS, Condition, Who, condition};
use crate::dice::Dice;
use crate::investigations::Course;
use crate::medicines::{Medicine, medicine};
use crate::outgoing::Outgoing;
use crate::person::Person;
use crate::story::Telling;

pub(crate) use hospital::{hospital, sender as hospital_sender};
pub(crate) use others::{community, council, mental_health};
pub(crate) use practice::{practice, record};

/// What somebody has and who looks after them.
#[derive(Debug)]
pub(crate) struct Life {
    pub conditions: Vec<Having>,
    pub taking: Vec<Taking>,
    pub allergy: Option<KnownAllergy>,
    /// The practice stated in code that there are none; never together with an allergy.
    pub states_no_allergies: bool,
    pub course: Course,
    pub gp: Clinician,
    pub hospital: HospitalUse,
    pub district_nursing: bool,
    pub mental_health_team: bool,
    pub social_care: bool,
}

/// How much somebody is in hospital.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HospitalUse {
    pub blood_tests: i32,
    pub admissions: i32,
    pub attendances: i32,
    /// In a bed today.
    pub inpatient: bool,
    /// Attended the emergency department this many days ago.
    pub recent_attendance: Option<i32>,
    pub coming_appointment: bool,
}

#[derive(Debug)]
pub(crate) struct Having {
    pub condition: &'static Condition,
    pub onset: Day,
}

#[derive(Debug)]
pub(crate) struct Taking {
    pub medicine: &'static Medicine,
    pub since: Day,
    pub stopped: Option<(Day, &'static str)>,
    pub reason: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownAllergy {
    pub snomed: &'static str,
    pub text: &'static str,
    pub category: &'static str,
    pub reaction: (&'static str, &'static str),
    /// `mild`, `moderate`, `severe`.
    pub severity: &'static str,
    pub years_ago: i32,
}

const ALLERGIES: [KnownAllergy; 8] = [
    KnownAllergy {
        snomed: "91936005",
        text: "Allergy to penicillin",
        category: "medication",
        reaction: ("271807003", "Eruption of skin"),
        severity: "moderate",
        years_ago: 12,
    },
    KnownAllergy {
        snomed: "91936005",
        text: "Allergy to penicillin",
        category: "medication",
        reaction: ("39579001", "Anaphylaxis"),
        severity: "severe",
        years_ago: 8,
    },
    KnownAllergy {
        snomed: "91936005",
        text: "Allergy to penicillin",
        category: "medication",
        reaction: ("126485001", "Urticaria"),
        severity: "mild",
        years_ago: 20,
    },
    KnownAllergy {
        snomed: "293586001",
        text: "Allergy to aspirin",
        category: "medication",
        reaction: ("56018004", "Wheezing"),
        severity: "severe",
        years_ago: 9,
    },
    KnownAllergy {
        snomed: "91935009",
        text: "Allergy to peanut",
        category: "food",
        reaction: ("126485001", "Urticaria"),
        severity: "moderate",
        years_ago: 15,
    },
    KnownAllergy {
        snomed: "300916003",
        text: "Allergy to latex",
        category: "environment",
        reaction: ("271807003", "Eruption of skin"),
        severity: "mild",
        years_ago: 6,
    },
    KnownAllergy {
        snomed: "",
        text: "Trimethoprim",
        category: "medication",
        reaction: ("271807003", "Eruption of skin"),
        severity: "mild",
        years_ago: 5,
    },
    KnownAllergy {
        snomed: "",
        text: "Codeine",
        category: "medication",
        reaction: ("422400008", "Vomiting"),
        severity: "mild",
        years_ago: 4,
    },
];

impl Life {
    /// A life as often met at this age.
    pub fn roll(telling: &Telling, person: &Person) -> Self {
        let mut dice = Dice::new(telling.seed ^ (u64::from(person.lane) << 24), "life");
        let dice = &mut dice;
        let age = person.age_on(telling.now.day);
        let mut life = Self::with(telling, person, &[]);
        for row in CONDITIONS {
            if dice.chance(life.likelihood(row, person, age)) {
                life.add(telling, person, row, dice);
            }
        }
        let ill = life.conditions.len() as i32;
        life.allergy = dice
            .chance(240)
            .then(|| dice.pick(&ALLERGIES).copied())
            .flatten();
        life.states_no_allergies = life.allergy.is_none() && dice.chance(600);
        life.hospital = HospitalUse {
            blood_tests: if age < 16 {
                dice.between(0, 1)
            } else {
                (ill / 2 + age / 40 + dice.between(0, 1)).min(5)
            },
            admissions: (dice.between(0, 2) + (age - 55) / 20 + ill / 3 - 1).clamp(0, 4),
            attendances: dice.between(0, 2) + i32::from(age > 75),
            inpatient: dice.chance(if age > 70 { 45 } else { 12 }),
            recent_attendance: dice.chance(90).then(|| dice.between(1, 28)),
            coming_appointment: dice.chance(if ill > 1 { 420 } else { 120 }),
        };
        let frail = age >= 75 && dice.chance(if age >= 85 { 420 } else { 230 });
        life.district_nursing = frail || (age > 50 && ill > 3 && dice.chance(120));
        life.mental_health_team = life.has("psychosis")
            || life.has("bipolar")
            || (life.has("dementia") && dice.chance(700))
            || (life.has("depression") && dice.chance(180));
        life.social_care = (frail && dice.chance(600))
            || (life.has("dementia") && dice.chance(700))
            || person.lives_in_care_home()
            || dice.chance(8);
        life
    }

    /// A life with these conditions and nothing left to chance but the details.
    pub fn with(telling: &Telling, person: &Person, keys: &[&str]) -> Self {
        let mut dice = Dice::new(telling.seed ^ (u64::from(person.lane) << 24), "given life");
        let mut life = Self {
            conditions: Vec::new(),
            taking: Vec::new(),
            allergy: None,
            states_no_allergies: false,
            course: Course::new(telling.seed, person.lane),
            gp: gp_of(person.practice, &mut dice),
            hospital: HospitalUse::default(),
            district_nursing: false,
            mental_health_team: false,
            social_care: false,
        };
        for row in keys.iter().filter_map(|key| condition(key)) {
            life.add(telling, person, row, &mut dice);
        }
        life
    }

    pub fn has(&self, key: &str) -> bool {
        self.conditions
            .iter()
            .any(|having| having.condition.key == key)
    }

    fn likelihood(&self, row: &Condition, person: &Person, age: i32) -> u32 {
        let fits = match row.who {
            Who::Anyone => true,
            Who::Women => person.is_woman(),
            Who::Men => !person.is_woman(),
        };
        let band = match age {
            ..16 => 0,
            16..40 => 1,
            40..65 => 2,
            65..80 => 3,
            _ => 4,
        };
        let share = row.share.get(band).copied().unwrap_or_default();
        let times = row
            .after
            .iter()
            .filter(|(key, _)| self.has(key))
            .map(|(_, times)| *times)
            .max()
            .unwrap_or(1);
        if fits { (share * times).min(900) } else { 0 }
    }

    fn add(
        &mut self,
        telling: &Telling,
        person: &Person,
        row: &'static Condition,
        dice: &mut Dice,
    ) {
        let today = telling.now.day;
        let age = person.age_on(today);
        let most_years = (age - 1).clamp(1, 22);
        let onset = today.back(dice.between(120, most_years * 365));
        for group in row.medicines {
            let key = dice.word_static(group);
            let known = |taking: &Taking| taking.medicine.key == key;
            let Some(medicine) = medicine(key).filter(|_| !self.taking.iter().any(known)) else {
                continue;
            };
            let since = onset.on(dice.between(0, 60)).0.min(today.back(20).0);
            let stopped = dice.chance(110).then(|| {
                (
                    today.back(dice.between(10, 500)),
                    dice.word_static(&STOPPED_BECAUSE),
                )
            });
            let stopped = stopped.filter(|(day, _)| day.0 > since + 20);
            self.taking.push(Taking {
                medicine,
                since: Day(since),
                stopped,
                reason: row.text,
            });
        }
        for (test, today, a_year) in row.shifts {
            let scale = f64::from(dice.between(60, 130)) / 100.0;
            self.course.shift(test, today * scale, a_year * scale);
        }
        self.conditions.push(Having {
            condition: row,
            onset,
        });
    }
}

const STOPPED_BECAUSE: [&str; 5] = [
    "Side effects",
    "No longer needed",
    "Changed to another medicine",
    "At the person's request",
    "Kidney function",
];

/// Everything that systems sent about an ordinary person.
pub(crate) fn messages(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    told(telling, person, &Life::roll(telling, person))
}

/// What systems sent of this life.
pub(crate) fn told(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    let mut out = hospital(telling, person, life);
    out.extend(practice(telling, person, life));
    out.extend(community(telling, person, life));
    out.extend(mental_health(telling, person, life));
    out.extend(council(telling, person, life));
    out
}
