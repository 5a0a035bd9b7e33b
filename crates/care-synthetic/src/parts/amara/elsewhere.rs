//! What district nurses, the memory service and the council send of Amara Osei.

use serde_json::json;

use crate::clinical::{Allergy, Document, Problem};
use crate::clinicians::{
    DISTRICT_NURSE, GP, MEMORY_DOCTOR, MEMORY_NURSE, PHYSIOTHERAPIST, PRACTICE_NURSE,
    SECOND_DISTRICT_NURSE, SOCIAL_WORKER, THERAPIST,
};
use crate::dice::Dice;
use crate::fhir::{FhirSender, coded, concept};
use crate::medicines::{Listed, medicine};
use crate::organisations::{COMMUNITY, COUNCIL, MENTAL_HEALTH};
use crate::outgoing::Outgoing;
use crate::person::Person;
use crate::story::Telling;
use crate::v2::{Referral, Slot, V2Sender};

pub(super) fn community(telling: &Telling, person: &Person) -> Vec<Outgoing> {
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

pub(super) fn mental_health(telling: &Telling, person: &Person) -> Vec<Outgoing> {
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

pub(super) fn council(telling: &Telling, person: &Person) -> Vec<Outgoing> {
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
