//! HL7 v2 from bytes to the record.

use super::*;

const HOUR: &str = "20261123";

/// A message of the hospital: type, control id, time of day (`HHMM`), and what follows MSH and EVN.
fn message(kind: &str, id: &str, time: &str, rest: &str) -> Vec<u8> {
    let event = kind.split('^').nth(1).unwrap_or_default();
    let events = if kind.starts_with("ADT") {
        format!("EVN|{event}|{HOUR}{time}\r")
    } else {
        String::new()
    };
    format!("MSH|^~\\&|PAS|RJ1|CC|QKK|{HOUR}{time}||{kind}|{id}|P|2.4\r{events}{rest}").into_bytes()
}

fn pid(local: &str, number: &str, family: &str) -> String {
    format!(
        "PID|1||{local}^^^RJ1^MR~{number}^^^NHS^NH||{family}^Amara||19450302|F|||1 High St^^London^^SE1 1AA\r"
    )
}

fn accepted(world: &World, bytes: &[u8]) -> V2Answer {
    let answer = world.v2(bytes);
    let text = String::from_utf8_lossy(&answer.acknowledgement).into_owned();
    assert!(text.contains("\rMSA|AA|"), "{text}");
    answer
}

#[test]
fn an_admission_and_its_results_become_one_person_s_record() {
    let world = World::new();
    let pid = pid("555", AMARA, "Osei");
    accepted(
        &world,
        &message("ADT^A28", "1", "0800", &format!("{pid}PV1|1|N\r")),
    );
    accepted(
        &world,
        &message(
            "ADT^A01",
            "2",
            "0830",
            &format!(
                "{pid}PV1|1|I|W1^B1^01^RJ1||||||||||||||||V9|||||||||||||||||||||||||202611230825\r"
            ),
        ),
    );
    let results = format!(
        "{pid}PV1|1|I||||||||||||||||||V9\rOBR|1||L1|FBC^Full blood count^L|||202611230700|||||||||||||||202611230900||HM|F\rOBX|1|NM|HB^Haemoglobin^L||131.0|g/L|120-150|N|||F\rOBX|2|NM|WCC^White cells^L||<5|10*9/L|4-11|N|||F\r"
    );
    accepted(&world, &message("ORU^R01", "3", "0905", &results));
    assert_eq!(world.store().health().expect("health").people, 1);
    let person = world.by_number(AMARA).expect("known");
    let read = world.read(person).join("\n");
    for part in [
        "\"resourceType\":\"Patient\"",
        "\"resourceType\":\"Encounter\"",
        "131.0",
        "\"comparator\":\"<\"",
        "SE1 1AA",
    ] {
        assert!(read.contains(part), "{part}: {read}");
    }
    assert!(
        !read.contains("urn:connect-care:source:Patient"),
        "references are resolved: {read}"
    );
    let row = world.person(person);
    assert!(
        row.involvements.iter().any(|(_, part)| part.ends.is_none()),
        "admitted"
    );
}

#[test]
fn the_same_message_changes_nothing_and_gets_the_same_answer() {
    let world = World::new();
    let bytes = message(
        "ADT^A28",
        "1",
        "0800",
        &format!("{}PV1|1|N\r", pid("555", AMARA, "Osei")),
    );
    let first = accepted(&world, &bytes);
    let before = world.store().health().expect("health");
    world.clock.set(at(90));
    let again = world.v2(&bytes);
    assert_eq!(again.outcome, DeliveryOutcome::Repeated);
    assert_eq!(first.acknowledgement, again.acknowledgement);
    let after = world.store().health().expect("health");
    assert_eq!((before.items, before.entries), (after.items, after.entries));
}

#[test]
fn an_admission_that_arrives_after_its_discharge_does_not_open_the_visit_again() {
    let pid = pid("555", AMARA, "Osei");
    let visit = "PV1|1|I|W1^B1^01^RJ1||||||||||||||||V9|||||||||||||||||||||||||202611230800";
    let admitted = message("ADT^A01", "1", "0800", &format!("{pid}{visit}\r"));
    let discharged = message(
        "ADT^A03",
        "2",
        "0900",
        &format!("{pid}{visit}|202611230900\r"),
    );
    let picture = |order: [&[u8]; 2]| {
        let world = World::new();
        for bytes in order {
            accepted(&world, bytes);
        }
        let row = world.person(world.by_number(AMARA).expect("known"));
        let mut parts: Vec<_> = row
            .involvements
            .into_iter()
            .map(|(_, part)| (part.kind, part.ends))
            .collect();
        parts.sort();
        parts
    };
    let ordered = picture([&admitted, &discharged]);
    assert!(
        ordered.iter().all(|(_, ends)| ends.is_some()),
        "{ordered:?}"
    );
    assert_eq!(ordered, picture([&discharged, &admitted]));
}

#[test]
fn a40_joins_and_can_be_undone() {
    let world = World::new();
    accepted(
        &world,
        &message(
            "ADT^A28",
            "1",
            "0800",
            &format!("{}PV1|1|N\r", pid("111", "", "Brennan")),
        ),
    );
    accepted(
        &world,
        &message(
            "ADT^A28",
            "2",
            "0810",
            &format!("{}PV1|1|N\r", pid("222", AMARA, "Daly")),
        ),
    );
    assert_eq!(world.store().health().expect("health").people, 2);
    let merged = format!("{}MRG|111^^^RJ1^MR\r", pid("222", AMARA, "Daly"));
    accepted(&world, &message("ADT^A40", "3", "0820", &merged));
    let survivor = world.by_number(AMARA).expect("known");
    let joined = world.person(survivor).joined;
    assert_eq!(joined.len(), 1, "{:?}", world.row_kinds());
    world
        .record
        .identity()
        .undo_join(joined[0], "steward", "mistaken")
        .expect("undone");
    assert!(world.person(survivor).joined.is_empty());
}

#[test]
fn a_number_failing_its_check_digit_is_accepted_told_and_never_linked_on() {
    let world = World::new();
    accepted(
        &world,
        &message(
            "ADT^A28",
            "1",
            "0800",
            &format!("{}PV1|1|N\r", pid("1", MISTYPED, "Osei")),
        ),
    );
    accepted(
        &world,
        &message(
            "ADT^A28",
            "2",
            "0801",
            &format!("{}PV1|1|N\r", pid("2", MISTYPED, "Mensah")),
        ),
    );
    assert_eq!(world.store().health().expect("health").people, 2);
    assert_eq!(
        world.row_kinds(),
        ["unverified-number", "unverified-number"]
    );
}

#[test]
fn eight_connections_of_one_hospital_keep_every_result_once() {
    let world = World::new();
    std::thread::scope(|scope| {
        for connection in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for number in 0..20 {
                    let id = format!("{connection}-{number}");
                    let local = format!("{}", number % 5);
                    let rest = format!("PID|1||{local}^^^RJ1^MR||Osei{local}^Amara||19450302|F\rOBR|1||L{id}|FBC^Full blood count^L|||202611230700|||||||||||||||202611230900||HM|F\rOBX|1|NM|HB^Haemoglobin^L||{number}.0|g/L|120-150|N|||F\r");
                    accepted(world, &message("ORU^R01", &id, "0905", &rest));
                }
            });
        }
    });
    assert_eq!(world.store().health().expect("health").people, 5);
    assert_eq!(world.deliveries().len(), 160);
    let observations: usize = (0..5)
        .map(|local| {
            let person = world
                .holder(
                    &crate::identity::local_system(&ods("RJ1"), "RJ1"),
                    &local.to_string(),
                )
                .expect("known");
            world
                .read(person)
                .iter()
                .filter(|body| body.contains("\"resourceType\":\"Observation\""))
                .count()
        })
        .sum();
    assert_eq!(observations, 160);
}

#[test]
fn a_report_is_held_back_with_the_sensitive_result_in_it() {
    let world = World::new();
    let rest = format!(
        "{}OBR|1||L7|SWAB^Swab^LOCAL|||20261122090000\r\
         OBX|1|ST|GRAM^Gram stain^LOCAL||Pus cells seen||||||F\r\
         OBX|2|ST|CT^Chlamydia trachomatis DNA^LOCAL||Detected||||||F\r",
        pid("555", AMARA, "Osei")
    );
    accepted(&world, &message("ORU^R01", "77", "0905", &rest));
    let person = world.by_number(AMARA).expect("known");
    let read = world.read(person).join("\n");
    for part in ["Detected", "Chlamydia", "DiagnosticReport"] {
        assert!(!read.contains(part), "{part} is shown");
    }
    assert!(read.contains("Pus cells"), "the other result is shown");
}
