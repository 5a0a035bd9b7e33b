//! The rest of the cast: an ordinary life each, and what their part adds.

use serde_json::json;

use crate::cast;
use crate::clinical::{Document, Problem, sealed, sealed_locked, very_restricted};
use crate::clinicians::{
    DISTRICT_NURSE, EMERGENCY, GP, GYNAECOLOGY, PAEDIATRICS, PSYCHIATRIC_NURSE, SECOND_GP,
    SOCIAL_WORKER,
};
use crate::fhir::{FhirSender, coded, concept};
use crate::life::{self, HospitalUse, KnownAllergy, Life};
use crate::medicines::{Listed, medicine};
use crate::organisations::{COMMUNITY, COUNCIL, MENTAL_HEALTH, PRACTICE, TRUST};
use crate::outgoing::Outgoing;
use crate::person::Person;
use crate::story::Telling;
use crate::v2::{Referral, V2Sender, Visit};

pub(crate) fn messages(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    match person.died {
        None => living(telling, person),
        Some(died) => {
            // What was sent in life knows nothing of the death.
            let alive = Person {
                died: None,
                ..person.clone()
            };
            let until_then = Telling {
                now: died.back(1).at(9, 0),
                ..*telling
            };
            let mut out = living(&until_then, &alive);
            out.extend(ines_dies(telling, person));
            out
        }
    }
}

fn living(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let life = life_of(telling, person);
    let mut out = match person.nhs_number.as_str() {
        cast::NIAMH => niamh(telling, person, &life),
        _ => life::hospital(telling, person, &life),
    };
    let mut practice = life::record(telling, person, &life);
    add_part(telling, person, &mut practice);
    if !practice.is_empty() {
        practice.send(telling.now.day.back(6).at(18, 20));
    }
    out.extend(practice.out);
    out.extend(life::community(telling, person, &life));
    out.extend(life::mental_health(telling, person, &life));
    out.extend(life::council(telling, person, &life));
    out.extend(beyond_the_practice(telling, person));
    out
}

/// What each has, and who is looking after them now.
fn life_of(telling: &Telling, person: &Person) -> Life {
    let given = |keys: &[&str]| Life::with(telling, person, keys);
    let uses = |blood_tests, admissions, attendances| HospitalUse {
        blood_tests,
        admissions,
        attendances,
        inpatient: false,
        recent_attendance: Some(6),
        coming_appointment: true,
    };
    let mut life = match person.nhs_number.as_str() {
        cast::BERNARD => Life {
            hospital: uses(5, 1, 1),
            district_nursing: true,
            ..given(&["hypertension", "copd", "fibrillation"])
        },
        cast::CHLOE => Life {
            hospital: uses(3, 0, 1),
            ..given(&["asthma", "migraine", "contraception"])
        },
        cast::DILYS => Life {
            hospital: uses(4, 0, 2),
            mental_health_team: true,
            ..given(&["depression", "anxiety", "reflux"])
        },
        cast::ELIF => Life {
            hospital: uses(1, 1, 2),
            ..given(&["asthma", "eczema"])
        },
        cast::FATIMA => Life {
            hospital: uses(3, 0, 1),
            mental_health_team: true,
            ..given(&["anxiety", "depression", "migraine"])
        },
        cast::GEORGE => Life {
            hospital: uses(6, 1, 1),
            ..given(&["hypertension", "diabetes", "cholesterol"])
        },
        cast::HENRY => Life {
            hospital: uses(4, 0, 1),
            ..given(&["epilepsy", "gout"])
        },
        cast::INES => Life {
            hospital: uses(7, 3, 2),
            district_nursing: true,
            social_care: true,
            ..given(&["heartfailure", "kidney", "dementia", "arthritis"])
        },
        cast::JACOB => Life {
            hospital: uses(3, 0, 1),
            ..given(&["asthma", "reflux"])
        },
        cast::KWAME => Life {
            hospital: HospitalUse {
                inpatient: true,
                ..uses(6, 1, 1)
            },
            district_nursing: true,
            ..given(&["hypertension", "diabetes", "kidney"])
        },
        cast::LUCY => Life {
            hospital: HospitalUse {
                inpatient: true,
                ..uses(5, 1, 1)
            },
            ..given(&["hypertension", "rheumatoid", "thyroid"])
        },
        cast::MAYA => Life {
            hospital: uses(3, 0, 1),
            ..given(&["migraine", "anaemia", "contraception"])
        },
        _ => Life {
            hospital: uses(5, 1, 1),
            social_care: true,
            district_nursing: true,
            ..given(&["hypertension", "stroke", "depression"])
        },
    };
    match person.nhs_number.as_str() {
        // Nobody recorded anything about allergies of his, nor that there are none.
        cast::KWAME => {}
        cast::LUCY => life.states_no_allergies = true,
        cast::ELIF => {
            life.allergy = Some(KnownAllergy {
                snomed: "91935009",
                text: "Allergy to peanut",
                category: "food",
                reaction: ("39579001", "Anaphylaxis"),
                severity: "severe",
                years_ago: 4,
            });
        }
        cast::GEORGE => {
            life.allergy = Some(KnownAllergy {
                snomed: "91936005",
                text: "Allergy to penicillin",
                category: "medication",
                reaction: ("126485001", "Urticaria"),
                severity: "moderate",
                years_ago: 21,
            });
        }
        _ => life.states_no_allergies = true,
    }
    if person.nhs_number == cast::INES {
        life.hospital.recent_attendance = None;
        life.hospital.coming_appointment = false;
    }
    life
}

/// What the practice adds for the part.
fn add_part(telling: &Telling, person: &Person, practice: &mut FhirSender<'_>) {
    let today = telling.now.day;
    match person.nhs_number.as_str() {
        cast::BERNARD => practice.objection(false, today.back(95)),
        cast::CHLOE => practice.objection(true, today.back(210)),
        cast::DILYS => dilys(telling, practice),
        cast::ELIF => elif(telling, person, practice),
        cast::FATIMA => fatima(telling, practice),
        cast::NIAMH => superseded(telling, practice),
        _ => {}
    }
}

/// Restricted: the label is on the Patient in everything FHIR sources send.
fn dilys(telling: &Telling, practice: &mut FhirSender<'_>) {
    practice.alert("flag-address", ("demographics", "Demographics"), concept("", "Address is restricted: do not disclose where she lives, and confirm identity by two details other than the address"), telling.now.day.back(300), &GP);
}

fn elif(telling: &Telling, person: &Person, practice: &mut FhirSender<'_>) {
    let phone = person
        .next_of_kin
        .as_ref()
        .map(|kin| kin.phone.clone())
        .unwrap_or_default();
    practice.relative(
        "mother",
        ("MTH", "Mother"),
        ("Mrs", "Selin", "Kaya"),
        &phone,
        "Holds parental responsibility",
    );
    if let Some(medicine) = medicine("adrenaline") {
        let today = telling.now.day;
        practice.prescription(
            &Listed {
                id: "pen",
                medicine,
                started: today.back(4 * 365),
                stopped: None,
                last_issued: Some(today.back(120)),
                prescriber: GP,
                reason: "Peanut allergy",
            },
            true,
            "2 auto-injectors",
        );
    }
}

/// Items of each sensitive topic, and items she asked to be sealed, or sealed and locked.
fn fatima(telling: &Telling, practice: &mut FhirSender<'_>) {
    let today = telling.now.day;
    for (id, snomed, text, days) in [
        (
            "topic-conception",
            "52637005",
            "In vitro fertilisation",
            500,
        ),
        (
            "topic-infection",
            "8098009",
            "Sexually transmitted infectious disease",
            900,
        ),
        (
            "topic-chlamydia",
            "240589008",
            "Chlamydia trachomatis infection",
            880,
        ),
        (
            "topic-termination",
            "57797005",
            "Termination of pregnancy",
            1300,
        ),
        ("topic-gender", "93461009", "Gender dysphoria", 1900),
    ] {
        let resolved = (snomed != "93461009").then(|| today.back(days - 30));
        practice.problem(&Problem {
            id,
            snomed,
            text,
            onset: today.back(days),
            resolved,
            by: SECOND_GP,
            note: "",
        });
    }
    practice.problem(&Problem {
        id: "sealed-1",
        snomed: "",
        text: "Domestic abuse disclosed",
        onset: today.back(160),
        resolved: None,
        by: GP,
        note: "",
    });
    practice.label_last(sealed());
    practice.consultation("sealed-2", today.back(160).working().at(15, 30), "Surgery consultation", &GP, "Personal matter", "Disclosed in confidence and asked for this entry to be sealed. Support offered, number of the helpline given.");
    practice.label_last(sealed());
    practice.problem(&Problem {
        id: "sealed-3",
        snomed: "",
        text: "Panic attacks after an assault",
        onset: today.back(150),
        resolved: None,
        by: GP,
        note: "",
    });
    practice.label_last(very_restricted());
    practice.document(&Document {
        id: "locked-1",
        kind: concept("", "Letter"),
        title: "Letter from a counselling service",
        text: "This letter was sealed and locked at the request of the person it is about.",
        pdf: None,
        written: today.back(140).working().at(10, 0),
        author: GP,
    });
    practice.label_last(sealed_locked());
    practice.finding(
        "locked-2",
        ("survey", "Survey"),
        concept("", "Risk assessment"),
        concept("", "Held by the practice only"),
        today.back(139).at(10, 0),
        &GP,
    );
    practice.label_last(sealed_locked());
}

/// Her older number stays in the practice's record, marked as no longer used.
fn superseded(telling: &Telling, practice: &mut FhirSender<'_>) {
    let day = telling.now.day.back(84);
    practice.add(
        "Observation",
        "number-note",
        json!({
            "status": "final",
            "category": [crate::investigations::category("survey", "Survey")],
            "code": concept("", "Administrative note"),
            "valueString": "NHS number changed by the national register; two records were joined",
            "effectiveDateTime": day.iso(),
        }),
    );
}

/// What sources other than the practice add for the part.
fn beyond_the_practice(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    match person.nhs_number.as_str() {
        cast::DILYS => dilys_council(telling, person),
        cast::ELIF => elif_clinic(telling, person),
        cast::FATIMA => fatima_hospital(telling, person),
        cast::LUCY => lucy_hospital(telling, person),
        _ => Vec::new(),
    }
}

fn dilys_council(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let today = telling.now.day;
    let mut sender = FhirSender::new(&COUNCIL, person, person.council_id());
    sender.caseload(
        "social",
        "Adult social care, east",
        "Adult social care caseload",
        today.back(80),
        None,
        &SOCIAL_WORKER,
    );
    sender.alert(
        "flag-safeguarding",
        ("safeguarding", "Safeguarding"),
        concept(
            "",
            "Adult safeguarding enquiry open. Daytime 020 7946 0141, out of hours 020 7946 0142",
        ),
        today.back(80),
        &SOCIAL_WORKER,
    );
    sender.send(today.back(4).at(3, 30));
    let mut crisis = FhirSender::new(&MENTAL_HEALTH, person, person.mental_health_number());
    crisis.plan(
        "plan-crisis",
        coded(
            "http://snomed.info/sct",
            "736253002",
            "Mental health crisis plan",
        ),
        "Crisis and safety plan",
        "Made with Ms Fenwick",
        today.back(70),
        Some(today.on(110)),
        &PSYCHIATRIC_NURSE,
        &[(
            "In a crisis",
            "Call the crisis line on 020 7946 0131; do not leave messages on the home phone",
        )],
    );
    crisis.send(today.back(3).at(8, 0));
    sender.out.extend(crisis.out);
    sender.out
}

fn elif_clinic(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut sender = FhirSender::new(&TRUST, person, person.hospital_number());
    sender.plan("plan-allergy", coded("http://snomed.info/sct", "734163000", "Care plan"), "Allergy action plan", "For school and home", telling.now.day.back(130), Some(telling.now.day.on(235)), &PAEDIATRICS,
        &[("Mild reaction", "Cetirizine, stay with her"), ("Severe reaction", "Adrenaline pen into the outer thigh, call 999, second pen after 5 minutes if no better")]);
    sender.send(telling.now.day.back(130).at(16, 0));
    sender.out
}

fn fatima_hospital(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let mut sender = FhirSender::new(&TRUST, person, person.hospital_number());
    sender.problem(&Problem {
        id: "topic-conception",
        snomed: "52637005",
        text: "In vitro fertilisation",
        onset: telling.now.day.back(498),
        resolved: None,
        by: GYNAECOLOGY,
        note: "",
    });
    sender.problem(&Problem {
        id: "sealed-1",
        snomed: "",
        text: "Injury of the wrist, cause disclosed in confidence",
        onset: telling.now.day.back(161),
        resolved: None,
        by: EMERGENCY,
        note: "",
    });
    sender.label_last(sealed());
    sender.send(telling.now.day.back(150).at(12, 0));
    sender.out
}

/// Died in Larch House after a long illness; every source learnt of it within a week.
fn ines_dies(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let today = telling.now.day;
    let mut pas = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
    pas.count = 900;
    pas.person("A31", today.back(8).at(10, 0));
    let mut practice = FhirSender::new(&PRACTICE, person, person.practice_id());
    practice.consultation("consult-death", today.back(9).at(9, 15), "Administrative entry", &GP, "Died at Larch House", "Expected death at Larch House, verified by the community nurse. Son present. Certificate completed.");
    practice.send(today.back(9).at(18, 30));
    let mut nursing = FhirSender::new(&COMMUNITY, person, person.community_number());
    nursing.caseload(
        "nursing",
        "District nurses, Ladywell Vale North",
        "District nursing caseload",
        today.back(300),
        Some(today.back(9)),
        &DISTRICT_NURSE,
    );
    nursing.send(today.back(9).at(19, 0));
    let mut council = FhirSender::new(&COUNCIL, person, person.council_id());
    council.caseload(
        "social",
        "Adult social care, east",
        "Adult social care caseload",
        today.back(700),
        Some(today.back(7)),
        &SOCIAL_WORKER,
    );
    council.answers(
        "end-of-life",
        "end-of-life",
        "End of life wishes",
        today.back(60).at(11, 0),
        &SOCIAL_WORKER,
        &[
            ("Preferred place of care", "Larch House"),
            ("Preferred place of death", "Larch House"),
            (
                "Who to call day and night",
                "District nurses, 020 7946 0120",
            ),
        ],
    );
    council.send(today.back(7).at(3, 30));
    let mut out = pas.out;
    for sender in [practice, nursing, council] {
        out.extend(sender.out);
    }
    out
}

/// The hospital knows what the practice does not.
fn lucy_hospital(telling: &Telling, person: &Person) -> Vec<Outgoing> {
    let today = telling.now.day;
    let known = KnownAllergy {
        snomed: "91936005",
        text: "Allergy to penicillin",
        category: "medication",
        reaction: ("39579001", "Anaphylaxis"),
        severity: "severe",
        years_ago: 0,
    };
    let life = Life {
        allergy: Some(known),
        ..Life::with(telling, person, &[])
    };
    let mut pas = life::hospital_sender(telling, person, &life);
    pas.count = 900;
    let visit = Visit {
        number: format!("V{:06}900", person.lane),
        class: "E",
        location: format!("Emergency Department^Resus 2^^{}", TRUST.ods),
        specialty: "Emergency medicine",
        consultant: EMERGENCY,
        reason: "Swollen face after the first dose of flucloxacillin".to_owned(),
        starts: today.back(41).at(20, 15),
        ends: Some(today.back(40).at(7, 30)),
        discharge: "19",
    };
    pas.visit("A04", visit.starts, &visit);
    pas.visit("A03", today.back(40).at(7, 30), &visit);
    pas.person("A31", today.back(40).at(7, 40));
    pas.referral(
        today.back(39).at(9, 0),
        &Referral {
            number: format!("R{:06}900", person.lane),
            to: &TRUST,
            service: "Allergy clinic",
            reason: "Anaphylaxis, penicillin".to_owned(),
            from: EMERGENCY,
            status: "A",
            priority: "R",
            ends: None,
        },
    );
    let mut sender = FhirSender::new(&TRUST, person, person.hospital_number());
    sender.allergy(&crate::clinical::Allergy {
        id: "allergy-1",
        snomed: "91936005",
        text: "Allergy to penicillin",
        kind: "allergy",
        category: "medication",
        criticality: "high",
        reaction: ("39579001", "Anaphylaxis"),
        severity: "severe",
        noted: today.back(41),
        recorded: today.back(40),
        by: EMERGENCY,
    });
    sender.send(today.back(40).at(7, 45));
    pas.out.extend(sender.out);
    pas.out
}

/// Two hospital records: one under an older local number and an older NHS number, which gave way.
fn niamh(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    let today = telling.now.day;
    let mut before = person.clone();
    before.nhs_number = cast::NIAMH_SUPERSEDED.to_owned();
    before.family = "Gallagher".to_owned();
    before.title = "Miss";
    let older_number = "4900158".to_owned();
    let mut older = V2Sender::new(&TRUST, &before, older_number.clone(), &telling.run());
    older.count = 800;
    older.person("A28", today.back(3655).at(9, 30));
    let visit = Visit {
        number: format!("V{:06}800", person.lane),
        class: "E",
        location: format!("Emergency Department^Majors 5^^{}", TRUST.ods),
        specialty: "Emergency medicine",
        consultant: EMERGENCY,
        reason: "Fractured wrist".to_owned(),
        starts: today.back(3100).at(17, 5),
        ends: Some(today.back(3100).at(21, 0)),
        discharge: "19",
    };
    older.visit("A04", visit.starts, &visit);
    older.visit("A03", today.back(3100).at(21, 0), &visit);
    let mut out = older.out;
    out.extend(life::hospital(telling, person, life));
    let mut joined = V2Sender::new(&TRUST, person, person.hospital_number(), &telling.run());
    joined.count = 900;
    joined.merge(
        "A34",
        today.back(85).at(14, 10),
        &format!("{older_number}^^^{}^MR", TRUST.ods),
    );
    joined.merge(
        "A40",
        today.back(84).at(9, 15),
        &format!(
            "{}^^^NHS^NH~{older_number}^^^{}^MR",
            cast::NIAMH_SUPERSEDED,
            TRUST.ods
        ),
    );
    out.extend(joined.out);
    out
}
