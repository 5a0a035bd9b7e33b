//! Every invented person with a part plays it in the running demonstration: told by messages through
//! the real feeds, seen through the FHIR API and the pages.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::{Browser, Demo, everything};

const EMERGENCY: [&str; 6] = [
    "--permission",
    "unable",
    "--break-glass",
    "best_interest",
    "--because",
    "unconscious",
];
const ASKED: [&str; 2] = ["--permission", "given"];

/// What a user reads of a person with these words, or the refusal's status.
async fn ask(demo: &Demo, user: &str, number: &str, words: &[&str]) -> Result<Vec<Value>, u16> {
    let token = demo.token(&[&["--as", user, "--person", number], words].concat());
    everything(demo, &token, number).await
}

async fn read(demo: &Demo, user: &str, number: &str) -> Vec<Value> {
    let read = ask(demo, user, number, &ASKED).await;
    read.unwrap_or_else(|status| panic!("{user} was answered {status} about {number}"))
}

fn of<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter()
        .filter(|one| one["resourceType"] == kind)
        .collect()
}

fn sources<'a>(all: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    all.into_iter()
        .filter_map(|one| one["meta"]["source"].as_str())
        .map(|source| source.rsplit(':').next().unwrap_or_default().to_owned())
        .collect()
}

fn text(all: &[Value]) -> String {
    Value::from(all.to_vec()).to_string()
}

async fn page(browser: &mut Browser, number: &str, section: &str) -> String {
    let record = browser.open(number, "not-present").await;
    let record = record.unwrap_or_else(|refused| panic!("{}", refused.text));
    browser.get(&format!("{record}/{section}")).await.text
}

#[tokio::test]
async fn every_person_with_a_part_plays_it() {
    let mut demo = Demo::with_people(14).await;
    amara_has_every_section_from_five_sources(&demo).await;
    bernard_is_refused_and_chloe_opens_in_an_emergency_only(&demo).await;
    dilys_has_no_address(&demo).await;
    elif_has_a_mother_and_maya_has_herself(&demo).await;
    fatima_keeps_what_she_sealed(&demo).await;
    the_twins_stay_two(&demo).await;
    kwame_and_lucy_show_what_is_not_known(&demo).await;
    ines_jacob_and_niamh(&demo).await;
    demo.halt().await;
    relationships_are_what_the_feeds_said(&demo);
    what_was_done_is_in_the_log(&demo);
}

async fn amara_has_every_section_from_five_sources(demo: &Demo) {
    let all = read(demo, "district-nurse", "9990000018").await;
    let five = ["X9C01", "X9L01", "X9M01", "X9P01", "X9T01"].map(str::to_owned);
    assert_eq!(sources(&all), BTreeSet::from(five));
    for (kind, least) in [
        ("AllergyIntolerance", 3),
        ("MedicationStatement", 4),
        ("Observation", 4),
        ("Condition", 3),
        ("DocumentReference", 3),
        ("Encounter", 4),
        ("CarePlan", 4),
    ] {
        let of_kind = sources(of(&all, kind));
        assert!(of_kind.len() >= least, "{kind} is from {of_kind:?}");
    }
    let years: BTreeSet<&str> = of(&all, "Observation")
        .iter()
        .filter_map(|one| one["effectiveDateTime"].as_str()?.get(..4))
        .collect();
    assert!(years.len() >= 10, "ten years of results: {years:?}");
}

async fn bernard_is_refused_and_chloe_opens_in_an_emergency_only(demo: &Demo) {
    let (bernard, chloe) = ("9990000026", "9990000034");
    for user in ["gp", "district-nurse", "ed-doctor"] {
        for words in [ASKED.as_slice(), &EMERGENCY] {
            let refused = ask(demo, user, bernard, words).await;
            assert_eq!(refused.err(), Some(403), "{user} about Bernard");
        }
    }
    for user in ["gp", "ed-doctor"] {
        assert_eq!(
            ask(demo, user, chloe, &ASKED).await.err(),
            Some(403),
            "{user}"
        );
    }
    let opened = ask(demo, "ed-doctor", chloe, &EMERGENCY).await;
    assert!(opened.is_ok_and(|all| all.len() > 20));
    let mut gp = Browser::new(demo);
    gp.sign_in("gp").await;
    let refused = gp
        .open(bernard, "permission-today")
        .await
        .err()
        .expect("a refusal");
    assert!(refused.text.contains("Not available through Connect Care"));
    assert!(
        !refused.text.contains("ypertension"),
        "nothing of the record is told"
    );
}

async fn dilys_has_no_address(demo: &Demo) {
    let dilys = "9990000042";
    assert_eq!(ask(demo, "gp", dilys, &ASKED).await.err(), Some(403));
    let opened = ask(demo, "gp", dilys, &EMERGENCY).await.expect("opened");
    let patient = of(&opened, "Patient")[0].clone();
    assert!(
        patient["address"].is_null() && patient["telecom"].is_null(),
        "{patient}"
    );
    for word in ["line\"", "postalCode", "SE99"] {
        assert!(!text(&opened).contains(word), "{word} is told");
    }
    let mut gp = Browser::new(demo);
    gp.sign_in("gp").await;
    let (_, asked) = gp.find(dilys).await;
    assert!(!asked.text.contains("SE99"), "{}", asked.text);
}

async fn elif_has_a_mother_and_maya_has_herself(demo: &Demo) {
    let (elif, maya) = ("9990000050", "9990000131");
    let parent = ask(demo, "proxy", elif, &[])
        .await
        .expect("her parent reads");
    assert!(of(&parent, "Immunization").len() > 1);
    assert!(ask(demo, "patient", maya, &[]).await.is_ok());
    assert!(ask(demo, "patient", elif, &[]).await.is_err());
    assert!(ask(demo, "proxy", maya, &[]).await.is_err());
}

async fn fatima_keeps_what_she_sealed(demo: &Demo) {
    let secrets = [
        "Domestic abuse",
        "Disclosed in confidence",
        "assault",
        "counselling service",
        "Held by the practice",
        "fertilisation",
        "Sexually",
        "hlamydia",
        "Termination",
        "dysphoria",
    ];
    for user in [
        "hospital-doctor",
        "student-nurse",
        "mental-health-practitioner",
    ] {
        let told = text(&read(demo, user, "9990000069").await);
        assert!(
            told.contains("Migraine") || told.contains("allerg"),
            "{user} reads the rest"
        );
        for secret in secrets {
            assert!(!told.contains(secret), "{user} reads {secret}");
        }
    }
    let mut doctor = Browser::new(demo);
    doctor.sign_in("hospital-doctor").await;
    let problems = page(&mut doctor, "9990000069", "problems").await;
    assert!(
        problems.contains("Some information is sealed"),
        "{problems}"
    );
    // Her own GP may open what is sealed, on a ground, and not what is locked or shut out by law
    let mut gp = Browser::new(demo);
    gp.sign_in("gp").await;
    let shut = page(&mut gp, "9990000069", "problems").await;
    assert!(!shut.contains("Domestic abuse"), "{shut}");
    let record = gp.open("9990000069", "not-present").await;
    let record = record.unwrap_or_else(|refused| panic!("{}", refused.text));
    let problems = gp.get(&format!("{record}/problems")).await.text;
    assert!(problems.contains("Open a sealed item"), "{problems}");
    let list = gp.get(&format!("{record}/sealed")).await;
    assert!(
        list.text.contains("Item 1: ") && !list.text.contains("Domestic abuse"),
        "{}",
        list.text
    );
    let items: Vec<String> = list
        .text
        .split("name=\"item\"")
        .skip(1)
        .filter_map(|rest| {
            rest.split("value=\"")
                .nth(1)?
                .split('"')
                .next()
                .map(str::to_owned)
        })
        .collect();
    let csrf = list.field("csrf");
    let mut seen = String::new();
    for (at, item) in items.iter().enumerate() {
        let form = [
            ("csrf", csrf.as_str()),
            ("item", item),
            ("ground", "person-asked"),
            ("text", "She asked me to read it with her"),
        ];
        // Without a ground nothing opens
        let without = gp.post(&format!("{record}/sealed"), &form[..2]).await;
        assert!(
            without.text.contains("Say why you need to open it"),
            "{}",
            without.text
        );
        let opened = gp.post(&format!("{record}/sealed"), &form).await;
        let to = opened.to.unwrap_or_else(|| panic!("{}", opened.text));
        assert_eq!(to, format!("{record}/item/{item}"));
        seen += &gp.get(&to).await.text;
        let left = gp.get(&format!("{record}/sealed")).await.text;
        assert_eq!(
            left.matches("name=\"item\"").count(),
            items.len() - at - 1,
            "one opens, no other"
        );
    }
    assert!(items.len() > 1 && seen.contains("Domestic abuse"), "{seen}");
    let open = gp.get(&format!("{record}/problems")).await.text;
    assert!(open.contains("Domestic abuse"), "{open}");
    // In another visit all is shut again, and a doctor without the relationship opens nothing
    let again = page(&mut gp, "9990000069", "problems").await;
    assert!(!again.contains("Domestic abuse"), "{again}");
    for secret in ["hlamydia", "dysphoria", "Termination"] {
        assert!(!open.contains(secret), "a seal does not open {secret}");
    }
}

async fn the_twins_stay_two(demo: &Demo) {
    let george = read(demo, "gp", "9990000077").await;
    let henry = read(demo, "gp", "9990000085").await;
    let (one, other) = (of(&george, "Patient")[0], of(&henry, "Patient")[0]);
    assert_ne!(one["id"], other["id"]);
    assert_eq!(one["address"], other["address"]);
    assert_eq!(
        (&one["name"][0]["given"][0], &other["name"][0]["given"][0]),
        (&"George".into(), &"Henry".into())
    );
    assert!(text(&george).contains("iabetes") && !text(&henry).contains("iabetes"));
    assert!(text(&henry).contains("pilepsy") && !text(&george).contains("pilepsy"));
}

async fn kwame_and_lucy_show_what_is_not_known(demo: &Demo) {
    let (kwame, lucy) = ("9990000115", "9990000123");
    assert!(of(&read(demo, "gp", kwame).await, "AllergyIntolerance").is_empty());
    let allergies = read(demo, "gp", lucy).await;
    assert_eq!(sources(of(&allergies, "AllergyIntolerance")).len(), 2);
    let mut gp = Browser::new(demo);
    gp.sign_in("gp").await;
    let shown = page(&mut gp, kwame, "allergies").await;
    assert!(shown.contains("Allergies not recorded"), "{shown}");
    assert!(
        shown.contains("Ladywell Vale Community not available since"),
        "{shown}"
    );
    assert!(
        !shown.contains("No known allergies"),
        "none recorded is not none known"
    );
    let shown = page(&mut gp, lucy, "allergies").await;
    assert!(shown.contains("Sources differ"), "{shown}");
}

async fn ines_jacob_and_niamh(demo: &Demo) {
    let ines = read(demo, "gp", "9990000093").await;
    let died = of(&ines, "Patient")[0]["deceasedDateTime"].to_string();
    let ten_days_ago = jiff::Zoned::now().date() - jiff::Span::new().days(10);
    assert!(died.contains(&ten_days_ago.to_string()), "{died}");
    assert!(
        read(demo, "gp", "9990000107").await.len() > 20,
        "a research opt-out changes nothing for care"
    );
    // The visit was sent under the older number, the rest under the newer one
    let niamh = read(demo, "gp", "9990000158").await;
    assert!(text(&niamh).contains("Fractured wrist"));
    let mut gp = Browser::new(demo);
    gp.sign_in("gp").await;
    let (_, found) = gp.find("999 000 0166").await;
    let replaced = "The NHS number you entered was replaced by";
    assert!(
        found.text.contains(replaced) && found.text.contains("999 000 0158"),
        "{}",
        found.text
    );
}

/// Who has a part in Amara's and Bernard's care, and what comes of it.
fn relationships_are_what_the_feeds_said(demo: &Demo) {
    let amara = [
        ("gp", "relationship=registered_gp", true),
        ("practice-receptionist", "relationship=registered_gp", true),
        ("hospital-doctor", "relationship=", true),
        ("hospital-nurse", "relationship=", true),
        ("ed-doctor", "relationship=", true),
        ("student-nurse", "relationship=", true),
        ("district-nurse", "relationship=", true),
        ("occupational-therapist", "relationship=", true),
        ("mental-health-practitioner", "relationship=", true),
        ("social-worker", "relationship=caseload", true),
        ("pharmacist", "relationship=open_referral", true),
        ("care-home-staff", "relationship=none", false),
        ("ambulance-clinician", "relationship=none", false),
    ];
    for (user, relationship, allowed) in amara {
        let told = explain(demo, user, "9990000018");
        assert_eq!(told["allowed"], allowed, "{user}: {told}");
        assert!(
            told["trace"].to_string().contains(relationship),
            "{user}: {told}"
        );
    }
    let dilys = explain(demo, "gp", "9990000042");
    assert!(
        dilys["trace"].to_string().contains("watched=yes"),
        "{dilys}"
    );
    assert_eq!(dilys["reason"], "break-glass-required");
    assert_eq!(
        explain(demo, "gp", "9990000026")["reason"],
        "patient-objected"
    );
}

fn explain(demo: &Demo, user: &str, number: &str) -> Value {
    let asked = [
        "access", "explain", "--as", user, "--person", number, "--json",
    ];
    let out = demo.command(&[asked.as_slice(), &ASKED].concat());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The views and refusals above are counted; then somebody edits the database.
fn what_was_done_is_in_the_log(demo: &Demo) {
    let verify = || {
        let out = demo.command(&["audit", "verify", "--json"]);
        let told: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        (out.status.code(), told)
    };
    let (code, told) = verify();
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told["denials"].as_u64().is_some_and(|count| count >= 10),
        "{told}"
    );
    for act in ["api-read", "sign-in", "receive", "open-visit"] {
        let counted = told["by_act"][act].as_u64();
        assert!(counted.is_some_and(|count| count > 0), "{act}: {told}");
    }
    let database = demo.data.path().join("record/record.sqlite");
    let open = rusqlite::Connection::open(database).expect("the database opens");
    let edited = open.execute(
        "DELETE FROM entry WHERE rowid = (SELECT max(rowid) - 5 FROM entry)",
        [],
    );
    assert_eq!(edited.expect("edited"), 1);
    drop(open);
    let (code, told) = verify();
    assert_eq!(code, Some(1), "a deleted entry is found: {told}");
    assert!(
        told["findings"]
            .as_array()
            .is_some_and(|found| !found.is_empty()),
        "{told}"
    );
}
