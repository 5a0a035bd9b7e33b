//! What the community provider, the mental health trust and the council send of an ordinary person
//! on their lists. Those who are on no list are not sent.

use serde_json::json;

use crate::clinical::{Document, Problem};
use crate::clinicians::{
    Clinician, DISTRICT_NURSE, MEMORY_DOCTOR, MEMORY_NURSE, PHYSIOTHERAPIST, PSYCHIATRIC_NURSE,
    PSYCHIATRIST, SECOND_DISTRICT_NURSE, SECOND_SOCIAL_WORKER, SOCIAL_WORKER,
};
use crate::dice::Dice;
use crate::fhir::{FhirSender, SNOMED, coded, concept};
use crate::medicines::Listed;
use crate::organisations::{CARE_HOME, COMMUNITY, COUNCIL, MENTAL_HEALTH};
use crate::outgoing::Outgoing;
use crate::person::Person;
use crate::story::Telling;
use crate::v2::{Referral, Slot, V2Sender};

use super::Life;

pub(crate) fn community(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    if !life.district_nursing {
        return Vec::new();
    }
    let mut dice = Dice::new(telling.seed ^ (u64::from(person.lane) << 24), "community");
    let dice = &mut dice;
    let today = telling.now.day;
    let since = today.back(dice.between(30, 400));
    let (task, plan, detail) = *dice.pick(&NURSING).unwrap_or(&("", "", ""));
    let mut pas = V2Sender::new(
        &COMMUNITY,
        person,
        person.community_number(),
        &telling.run(),
    );
    pas.person("A28", since.at(9, 10));
    pas.referral(
        since.at(9, 20),
        &Referral {
            number: format!("VR{:06}", person.lane),
            to: &COMMUNITY,
            service: "District nursing",
            reason: task.to_owned(),
            from: life.gp,
            status: "A",
            priority: "R",
            ends: None,
        },
    );
    pas.slot(
        "S12",
        today.back(1).at(16, 10),
        &Slot {
            number: format!("VS{:06}", person.lane),
            starts: today.on(dice.between(1, 6)).at(9, 30),
            minutes: 30,
            service: "District nursing",
            place: "At home",
            with: DISTRICT_NURSE,
            reason: task.to_owned(),
            status: "Booked",
        },
    );
    let mut sender = FhirSender::new(&COMMUNITY, person, person.community_number());
    let team = if person.lane.is_multiple_of(2) {
        "District nurses, Ladywell Vale North"
    } else {
        "District nurses, Ladywell Vale South"
    };
    sender.caseload(
        "nursing",
        team,
        "District nursing caseload",
        since,
        None,
        &DISTRICT_NURSE,
    );
    for visit in 0..dice.between(4, 9) {
        let with = if dice.chance(400) {
            SECOND_DISTRICT_NURSE
        } else {
            DISTRICT_NURSE
        };
        let when = today.back(2 + visit * 4).at(9, dice.between(0, 59) as u16);
        if when.day > since {
            sender.contact(
                &format!("visit-{visit}"),
                when,
                30,
                "District nurse visit",
                &with,
                task,
            );
        }
    }
    if dice.chance(300) {
        sender.contact(
            "physio",
            today.back(9).at(14, 0),
            45,
            "Physiotherapy visit",
            &PHYSIOTHERAPIST,
            "Strength and balance",
        );
    }
    sender.plan(
        "plan",
        care_plan(),
        plan,
        detail,
        since,
        Some(today.on(dice.between(-20, 90))),
        &DISTRICT_NURSE,
        &[
            ("Visits", task),
            (
                "When to call",
                "Call the district nurse desk the same day if anything changes: 020 7946 0120",
            ),
        ],
    );
    sender.measurement(
        "weight",
        "27113001",
        "Body weight",
        &dice.between(48, 88).to_string(),
        "kg",
        "kg",
        today.back(4).at(9, 30),
        &DISTRICT_NURSE,
    );
    sender.answers(
        "waterlow",
        "waterlow",
        "Waterlow pressure ulcer risk",
        since.at(11, 0),
        &DISTRICT_NURSE,
        &[
            ("Total", dice.word_static(&["11", "14", "16", "19"])),
            ("Skin", "Dry, intact"),
        ],
    );
    sender.send(today.back(2).at(19, 0));
    let mut out = pas.out;
    out.extend(sender.out);
    out
}

const NURSING: [(&str, &str, &str); 5] = [
    (
        "Leg ulcer dressing",
        "Leg ulcer care plan",
        "Compression bandage twice a week until healed",
    ),
    (
        "Insulin injection once a day",
        "Insulin plan",
        "Insulin given by the nurse each morning; blood glucose before each dose",
    ),
    (
        "Catheter care",
        "Catheter plan",
        "Change every 10 weeks; passport kept at home",
    ),
    (
        "Pressure area care",
        "Pressure ulcer plan",
        "Category 2 on the sacrum; mattress and cushion delivered",
    ),
    (
        "Blood test at home",
        "Housebound monitoring plan",
        "Blood tests at home as the practice asks",
    ),
];

pub(crate) fn mental_health(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    if !life.mental_health_team {
        return Vec::new();
    }
    let mut dice = Dice::new(
        telling.seed ^ (u64::from(person.lane) << 24),
        "mental health",
    );
    let dice = &mut dice;
    let today = telling.now.day;
    let older = life.has("dementia");
    let (team, service, doctor, nurse): (&str, &'static str, Clinician, Clinician) = if older {
        (
            "Memory service, older adults",
            "Memory service",
            MEMORY_DOCTOR,
            MEMORY_NURSE,
        )
    } else {
        (
            "Community mental health team, east",
            "Community mental health",
            PSYCHIATRIST,
            PSYCHIATRIC_NURSE,
        )
    };
    let since = today.back(dice.between(60, 700));
    let reason = life
        .conditions
        .iter()
        .find(|having| {
            ["dementia", "psychosis", "bipolar", "depression", "anxiety"]
                .contains(&having.condition.key)
        })
        .map_or(("", "Assessment"), |having| {
            (having.condition.snomed, having.condition.text)
        });
    let mut pas = V2Sender::new(
        &MENTAL_HEALTH,
        person,
        person.mental_health_number(),
        &telling.run(),
    );
    pas.person("A28", since.at(10, 0));
    pas.referral(
        since.at(10, 5),
        &Referral {
            number: format!("BR{:06}", person.lane),
            to: &MENTAL_HEALTH,
            service,
            reason: reason.1.to_owned(),
            from: life.gp,
            status: "A",
            priority: "R",
            ends: None,
        },
    );
    let mut sender = FhirSender::new(&MENTAL_HEALTH, person, person.mental_health_number());
    sender.caseload(
        "team",
        team,
        &format!("{service} caseload"),
        since,
        None,
        &nurse,
    );
    sender.problem(&Problem {
        id: "problem-1",
        snomed: reason.0,
        text: reason.1,
        onset: since,
        resolved: None,
        by: doctor,
        note: "",
    });
    for contact in 0..dice.between(2, 4) {
        let day = today.back(12 + contact * 40).working();
        if day > since {
            sender.contact(
                &format!("contact-{contact}"),
                day.at(14, dice.between(0, 50) as u16),
                45,
                "Appointment with care coordinator",
                &nurse,
                "Review",
            );
        }
    }
    let ours = [
        "olanzapine",
        "aripiprazole",
        "lithium",
        "donepezil10",
        "memantine",
    ];
    for (taking, place) in life
        .taking
        .iter()
        .filter(|taking| ours.contains(&taking.medicine.key))
        .zip(1..)
    {
        sender.listed_medicine(&Listed {
            id: &format!("med-{place}"),
            medicine: taking.medicine,
            started: taking.since,
            stopped: taking.stopped,
            last_issued: Some(today.back(25)),
            prescriber: doctor,
            reason: reason.1,
        });
    }
    let parts: &[(&str, &str)] = if older {
        &[
            ("Medicine", "As prescribed; review every six months"),
            (
                "If things change suddenly",
                "Think of infection or pain first; call the service desk in working hours",
            ),
        ]
    } else {
        &[
            (
                "Early signs",
                "Sleeping under four hours, not answering the phone, stopping tablets",
            ),
            (
                "What helps",
                "A walk, music, a call from a brother or sister, a quiet room",
            ),
            (
                "In a crisis",
                "Call the crisis line on 020 7946 0131, day or night",
            ),
        ]
    };
    let kind = if older {
        care_plan()
    } else {
        coded(SNOMED, "736253002", "Mental health crisis plan")
    };
    sender.plan(
        "plan",
        kind,
        if older {
            "Memory service care plan"
        } else {
            "Crisis and safety plan"
        },
        "Made together with the person",
        since.on(20),
        Some(today.on(100)),
        &nurse,
        parts,
    );
    let text = format!(
        "Dear {},\n\n{} was seen by the team and is doing as before. No change of medicine. The next review is in six months.\n\n{}",
        life.gp.spoken(),
        person.spoken_name(),
        doctor.spoken(),
    );
    sender.document(&Document {
        id: "letter-1",
        kind: concept("", "Clinic letter"),
        title: "Clinic letter",
        text: &text,
        pdf: None,
        written: today.back(30).working().at(16, 0),
        author: doctor,
    });
    sender.send(today.back(dice.between(1, 9)).at(7, 40));
    let mut out = pas.out;
    out.extend(sender.out);
    out
}

pub(crate) fn council(telling: &Telling, person: &Person, life: &Life) -> Vec<Outgoing> {
    if !life.social_care {
        return Vec::new();
    }
    let mut dice = Dice::new(telling.seed ^ (u64::from(person.lane) << 24), "council");
    let dice = &mut dice;
    let today = telling.now.day;
    let since = today.back(dice.between(40, 900));
    let worker = if dice.chance(600) {
        SOCIAL_WORKER
    } else {
        SECOND_SOCIAL_WORKER
    };
    let mut sender = FhirSender::new(&COUNCIL, person, person.council_id());
    sender.caseload(
        "social",
        "Adult social care, east",
        "Adult social care caseload",
        since,
        None,
        &worker,
    );
    if let Some(kin) = &person.next_of_kin {
        let code = match kin.relation {
            "Daughter" => "DAU",
            "Son" => "SON",
            "Wife" => "WIFE",
            "Husband" => "HUSB",
            "Mother" => "MTH",
            "Father" => "FTH",
            "Sister" => "SIS",
            _ => "BRO",
        };
        sender.relative(
            "kin",
            (code, kin.relation),
            (kin.title, &kin.given, &kin.family),
            &kin.phone,
            if kin.is_main_carer {
                "Next of kin and main carer"
            } else {
                "Next of kin"
            },
        );
    }
    if person.lives_in_care_home() {
        sender.resident(&CARE_HOME, since);
        sender.plan(
            "package",
            care_plan(),
            "Residential care placement",
            "Lives at Larch House, long term",
            since,
            Some(today.on(200)),
            &worker,
            &[(
                "Placement",
                "Residential care, single room, fees reviewed each April",
            )],
        );
    } else {
        let visits = dice.word_static(&[
            "One visit a day, 45 minutes, help with washing",
            "Two visits a day, washing and tablets",
            "Three visits a day and help at night",
            "Meals delivered and a weekly day centre",
        ]);
        sender.plan(
            "package",
            care_plan(),
            "Adult social care support plan",
            visits,
            since,
            Some(today.on(dice.between(-30, 180))),
            &worker,
            &[
                ("Package", visits),
                (
                    "Equipment",
                    dice.word_static(&[
                        "Pendant alarm",
                        "Bath board and stair rail",
                        "Hoist and profiling bed",
                        "Key safe",
                    ]),
                ),
            ],
        );
    }
    sender.answers(
        "assessment",
        "care-act-assessment",
        "Care Act assessment",
        since.at(10, 0),
        &worker,
        &[
            (
                "Outcomes wanted",
                dice.word_static(&[
                    "To stay at home",
                    "To see friends again",
                    "To be safe at night",
                    "To go out once a week",
                ]),
            ),
            ("Eligible needs", "Washing; keeping the home; going out"),
            (
                "Main risk",
                dice.word_static(&["Falls", "Missing tablets", "Being alone", "Carer is tired"]),
            ),
        ],
    );
    sender.add(
        "Task",
        "review",
        json!({
            "status": "requested",
            "intent": "plan",
            "priority": "routine",
            "code": {"text": "Yearly review of the support plan"},
            "authoredOn": since.at(15, 0).fhir(),
            "requester": sender.own_organisation(),
        }),
    );
    sender.send(today.back(dice.between(1, 6)).at(3, 30));
    sender.out
}

fn care_plan() -> serde_json::Value {
    coded(SNOMED, "734163000", "Care plan")
}
