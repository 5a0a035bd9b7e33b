//! The search index, against the meaning of every criterion.

use super::*;

/// An observation or a patient, with something for every kind of search parameter.
fn searched(number: u64, kind: ResourceType) -> PutItem {
    let person = 1 + number % 9;
    let mut item = put(person, 1000 + number, 0, "");
    let code = 1 + number * 7 % 5;
    let day = 1 + number % 28;
    let family = ["Osei", "O'Brien", "Núñez", "Smith-Jones", "Zhou"][(number % 5) as usize];
    item.resource_type = kind;
    item.received_at = at(number as i64);
    item.event_at = item.received_at;
    item.clinical_at = (!number.is_multiple_of(6))
        .then(|| {
            format!(
                "20{:02}-{:02}-{day:02}T00:00:00Z",
                10 + number % 15,
                1 + number % 12
            )
        })
        .map(|text| text.parse().expect("a time"));
    let id = format!("{}-{}", PersonId(person), item.item);
    item.body = if kind == ResourceType::PATIENT {
        format!(
            "{{\"resourceType\":\"Patient\",\"id\":\"{id}\",\"active\":{},\"gender\":\"{}\",\
             \"birthDate\":\"19{:02}-05-{day:02}\",\"name\":[{{\"family\":\"{family}\",\"given\":[\"Amara\"]}}],\
             \"identifier\":[{{\"system\":\"https://fhir.nhs.uk/Id/nhs-number\",\"value\":\"999{number:07}\"}}]}}",
            number.is_multiple_of(2), ["male", "female"][(number % 2) as usize], 40 + number % 50
        )
    } else {
        format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"status\":\"{}\",\"code\":{{\"coding\":\
             [{{\"system\":\"http://snomed.info/sct\",\"code\":\"{code}\",\"display\":\"Serum value {code}\"}}]}},\
             \"subject\":{{\"reference\":\"Patient/{}\"}},\"effectiveDateTime\":\"20{:02}-{:02}-{day:02}\",\
             \"valueQuantity\":{{\"value\":{}.{},\"unit\":\"mmol/L\",\"system\":\"http://unitsofmeasure.org\",\
             \"code\":\"mmol/L\"}}{}}}",
            ["final", "amended"][(number % 2) as usize],
            PersonId(person),
            10 + number % 15,
            1 + number % 12,
            number % 40,
            number % 10,
            if number.is_multiple_of(3) { ",\"note\":[{\"text\":\"taken at home\"}]" } else { "" }
        )
    }
    .into_bytes();
    item
}

/// What a criterion asks beyond the resource at hand: nothing here but its words.
struct Alone(Json);

impl Reach for Alone {
    fn target_meets(&self, _: &IndexValue, _: &[(ResourceType, Criterion)]) -> bool {
        false
    }
    fn source_meets(&self, _: ResourceType, _: &SearchParameter, _: &Criterion) -> bool {
        false
    }
    fn in_value_set(&self, _: &str, _: Option<&str>, _: &str) -> Option<bool> {
        None
    }
    fn in_list(&self, _: &str) -> bool {
        false
    }
    fn has_words(&self, narrative: bool, wanted: &[String]) -> bool {
        let held = words(&self.0, narrative);
        wanted.iter().all(|word| held.contains(word))
    }
}

/// The queries of the test below: every kind of parameter with many values, alone and in pairs.
fn queries() -> Vec<(ResourceType, String)> {
    let mut observations: Vec<String> = Vec::new();
    let mut patients: Vec<String> = Vec::new();
    for number in 0..4 {
        observations.push(format!("code={number}"));
        observations.push(format!("code=http://snomed.info/sct|{number}"));
        observations.push(format!("code:not={number},1"));
        observations.push(format!("subject=Patient/{}", PersonId(number)));
        observations.push(format!("patient={}", PersonId(number)));
        observations.push(format!("code-value-quantity={number}$gt10"));
        let signs = [
            ["", "ge", "lt"],
            ["gt", "sa", ""],
            ["le", "eb", "ne"],
            ["ap", "", "ge"],
        ];
        for sign in signs[number as usize] {
            observations.push(format!("date={sign}201{number}-0{}", 1 + number));
            observations.push(format!("value-quantity={sign}{number}.{number}"));
            patients.push(format!("birthdate={sign}195{number}"));
        }
        patients.push(format!(
            "identifier=https://fhir.nhs.uk/Id/nhs-number|999000000{number}"
        ));
        patients.push(format!("identifier=999000001{number}"));
        patients.push(format!("_id={}", ItemId(1000 + number)));
    }
    for plain in [
        "status=final",
        "status:not=final",
        "_content=home",
        "_content=serum,nothing",
        "note:missing=true",
        "_lastUpdated=ge2026-11-23",
        "_lastUpdated=lt2026-11-23",
        "value-quantity=5||mmol/L",
        "code:text=serum",
        "code:missing=false",
        "subject:missing=true",
    ] {
        observations.push(plain.to_owned());
    }
    for plain in [
        "name=os",
        "family=o",
        "name:exact=Osei",
        "family:contains=ne",
        "given=AMARA",
        "active=true",
        "gender=female",
        "name=smith-jones",
        "family=zhou",
        "death-date:missing=true",
    ] {
        patients.push(plain.to_owned());
    }
    let pairs = |list: &[String]| -> Vec<String> {
        let next = list.iter().cycle().skip(7);
        list.iter()
            .zip(next)
            .map(|(one, other)| format!("{one}&{other}"))
            .collect()
    };
    let (more, many) = (pairs(&observations), pairs(&patients));
    let of = |kind, list: Vec<String>| {
        list.into_iter()
            .map(move |one| (kind, one))
            .collect::<Vec<_>>()
    };
    let mut all = of(OBSERVATION, observations);
    all.extend(of(OBSERVATION, more));
    all.extend(of(ResourceType::PATIENT, patients));
    all.extend(of(ResourceType::PATIENT, many));
    all
}

/// What a query finds, page by page; and what the plan says.
fn pages(
    engine: &dyn Engine,
    view: &View,
    kind: ResourceType,
    wanted: &Wanted,
    order: SpotOrder,
) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    loop {
        let after = all.last().map(|found| found.spot);
        let page = engine
            .find(view, kind, wanted, order, after, 25)
            .expect("found");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

pub(in crate::store) fn the_index_finds_what_the_criteria_mean(engine: &dyn Engine) {
    let mut changes = Vec::new();
    for number in 0..90 {
        for kind in [OBSERVATION, ResourceType::PATIENT] {
            let mut item = searched(number, kind);
            if number % 5 == 4 {
                item.source = source("E09");
            }
            if number % 11 == 0 {
                item.person = None;
            }
            if number % 13 == 0 {
                item.sensitivity = Sensitivity::SealedLocked;
            }
            changes.push(Change::Item(item));
        }
        if changes.len() > 30 {
            engine
                .commit(commit_of(std::mem::take(&mut changes)))
                .expect("committed");
        }
    }
    engine.commit(commit_of(changes)).expect("committed");
    // Some are changed and some deleted: neither what they were nor that they were may be found.
    for number in [1_u64, 2, 3, 23, 26] {
        let mut item = searched(number, OBSERVATION);
        item.event_at = at(500);
        item.deleted = number % 2 == 0;
        if !item.deleted {
            let other = searched(number + 31, OBSERVATION);
            let id = |of: &PutItem| format!("{}-{}", of.person.expect("whose"), of.item);
            let body = String::from_utf8_lossy(&other.body);
            item.body = body.replace(&id(&other), &id(&item)).into_bytes();
            item.clinical_at = other.clinical_at;
        }
        put_one(engine, item);
    }
    let parameters = engine.parameters();
    let now = at(1000);
    let (mut asked, mut exact, mut matched) = (0, 0, 0);
    for code in ["RJ1", "E09"] {
        let view = supplier(code);
        type Held = (Found, Json, Vec<(u32, IndexValue)>);
        let all = |kind| -> Vec<Held> {
            let found = pages(
                engine,
                &view,
                kind,
                &Wanted::Everything,
                SpotOrder::NewestFirst,
            );
            let keys: Vec<_> = found
                .iter()
                .map(|one| (one.person, kind, one.item))
                .collect();
            let bodies = engine.bodies_of(&view, &keys).expect("read");
            assert_eq!(bodies.len(), found.len(), "what is found can be read");
            let read = |(found, body): (Found, StoredBody)| {
                assert_eq!(body.header.source.as_str(), code, "of its own source alone");
                assert_eq!(body.header.moment, found.moment);
                let json = Json::parse(&body.body, Limits::default()).expect("JSON");
                let values = extract(&json, &parameters);
                (found, json, values)
            };
            found.into_iter().zip(bodies).map(read).collect()
        };
        let held = [
            (OBSERVATION, all(OBSERVATION)),
            (ResourceType::PATIENT, all(ResourceType::PATIENT)),
        ];
        assert_eq!(
            held[0].1.len() + held[1].1.len(),
            if code == "RJ1" { 72 * 2 - 2 } else { 18 * 2 }
        );
        for (kind, text) in queries() {
            let pairs = text
                .split('&')
                .map(|pair| pair.split_once('=').expect("a pair"));
            let Ok(query) = Query::read(
                Some(kind),
                pairs,
                &parameters,
                "http://here/fhir/R4",
                Handling::Strict,
            ) else {
                continue;
            };
            let planned = plan(&source(code), kind, &query.criteria);
            let of_kind = &held.iter().find(|(of, _)| *of == kind).expect("a type").1;
            let meant: Vec<Found> = of_kind
                .iter()
                .filter(|(_, json, values)| {
                    let alone = Alone(json.clone());
                    query
                        .criteria
                        .iter()
                        .all(|one| one.matches(values, &alone, now))
                })
                .map(|(found, ..)| *found)
                .collect();
            let found = pages(engine, &view, kind, &planned.wanted, SpotOrder::NewestFirst);
            let mut turned = pages(engine, &view, kind, &planned.wanted, SpotOrder::OldestFirst);
            turned.reverse();
            assert_eq!(found, turned, "{text}: both ways");
            assert!(
                found.is_sorted_by(|one, next| one.spot > next.spot),
                "{text}: in order"
            );
            assert!(
                meant.iter().all(|one| found.contains(one)),
                "{text}: all that is meant"
            );
            assert!(!planned.exact || found == meant, "{text}: nothing else");
            let tally = engine
                .tally(&view, kind, &planned.wanted, 1_000)
                .expect("counted");
            assert_eq!(tally as usize, found.len(), "{text}: counted");
            let some = engine
                .tally(&view, kind, &planned.wanted, 3)
                .expect("counted");
            assert_eq!(some as usize, found.len().min(3), "{text}: counted up to");
            asked += 1;
            exact += usize::from(planned.exact);
            matched += meant.len();
        }
    }
    assert!(
        asked > 200 && exact > 80 && matched > 1_000,
        "{asked} {exact} {matched}"
    );
    let view = supplier("RJ1");
    let owner = |number: u64, kind| {
        engine
            .owner_of(&view, (kind, ItemId(1000 + number)))
            .expect("read")
    };
    assert_eq!(owner(1, OBSERVATION), Some(Some(PersonId(2))));
    assert_eq!(owner(11, OBSERVATION), Some(None), "about nobody");
    assert_eq!(owner(2, OBSERVATION), None, "deleted");
    assert_eq!(owner(4, OBSERVATION), None, "another's");
    let nobody = everything_of_nobody();
    assert!(
        pages(
            engine,
            &nobody,
            OBSERVATION,
            &Wanted::Everything,
            SpotOrder::NewestFirst
        )
        .is_empty()
    );
}

/// A view that is not of one source: the index is not for it.
fn everything_of_nobody() -> View {
    care_core::access::naming()
}

pub(in crate::store) fn the_index_is_made_anew_and_takes_own_parameters(engine: &dyn Engine) {
    for number in 0..25 {
        put_one(engine, searched(number, OBSERVATION));
        put_one(engine, searched(number, ResourceType::PATIENT));
    }
    put_one(engine, {
        let mut gone = searched(3, OBSERVATION);
        gone.deleted = true;
        gone.event_at = at(900);
        gone
    });
    let view = supplier("RJ1");
    let all = |wanted: &Wanted| pages(engine, &view, OBSERVATION, wanted, SpotOrder::NewestFirst);
    let items = |found: Vec<Found>| {
        found
            .into_iter()
            .map(|one| one.item.0)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = items(all(&Wanted::Everything));
    assert_eq!(before.len(), 24);
    engine.index_again().expect("cleared");
    let early = engine.find(
        &view,
        OBSERVATION,
        &Wanted::Everything,
        SpotOrder::NewestFirst,
        None,
        9,
    );
    assert!(matches!(
        early,
        Err(StoreError::Indexing { done: 0, total: 50 })
    ));
    // What is put meanwhile is in it too, once.
    put_one(engine, searched(40, OBSERVATION));
    let finish = || {
        let mut batches = 0;
        while let Some(work) = engine.index_work().expect("read").first() {
            engine.work_on_index(work, 4).expect("worked");
            batches += 1;
            assert!(batches < 99, "it ends");
        }
        batches
    };
    assert!(finish() > 5);
    let mut after = before.clone();
    after.insert(1040);
    assert_eq!(items(all(&Wanted::Everything)), after);
    assert_eq!(
        engine.check().expect("checked").damage,
        Vec::<String>::new()
    );

    let own = br#"{"resourceType":"SearchParameter","url":"http://example.org/note","code":"note-text","type":"string",
        "base":["Observation"],"expression":"Observation.note.text"}"#;
    engine
        .add_parameter("http://example.org/note", own, &[OBSERVATION.number()])
        .expect("added");
    assert!(
        engine
            .parameters()
            .find(Some(OBSERVATION), "note-text")
            .is_none(),
        "not before it is worked in"
    );
    assert!(!engine.own_parameters().expect("read")[0].ready);
    assert_eq!(
        all(&Wanted::Everything).len(),
        25,
        "others are found meanwhile"
    );
    finish();
    assert!(engine.own_parameters().expect("read")[0].ready);
    let parameters = engine.parameters();
    let query = Query::read(
        Some(OBSERVATION),
        [("note-text", "taken at")],
        &parameters,
        "http://here",
        Handling::Strict,
    );
    let wanted = plan(
        &source("RJ1"),
        OBSERVATION,
        &query.expect("it may be asked for").criteria,
    );
    let expected = after
        .iter()
        .filter(|item| (**item - 1000) % 3 == 0)
        .copied()
        .collect();
    assert!(wanted.exact);
    assert_eq!(items(all(&wanted.wanted)), expected);
    assert!(
        engine
            .remove_parameter("http://example.org/note")
            .expect("removed")
    );
    assert!(
        engine
            .parameters()
            .find(Some(OBSERVATION), "note-text")
            .is_none()
    );
}
