//! How the world is made: who sends what about whom, and what is known of it afterwards.

use super::*;

/// Makes the world, and stops it.
pub async fn prepare(ground: &Ground, plan: &Plan) -> (World, Known) {
    let world = ground.empty("a");
    let server = world.serve(plan.people);
    let people = tell(&server).await;
    server.stop();
    choose(&world, &people);
    let server = world.serve(0);
    let mut samples = Vec::new();
    let wanted: HashSet<String> = people.values().map(ToString::to_string).collect();
    for (feed, ods) in FEEDS {
        let token = server.token(&["--as", feed]);
        let source = SourceCode::parse(ods).expect("a source");
        for kind in kinds_of(&world, &source) {
            let all = every(&server, &token, kind).await;
            let theirs = all.into_iter().filter_map(|body| {
                let body = Json::parse(body.to_string().as_bytes(), Limits::default()).ok()?;
                let sample = Sample::new(source.clone(), kind, body);
                sample
                    .person()
                    .is_none_or(|person| wanted.contains(person))
                    .then_some(sample)
            });
            samples.extend(theirs.take(60));
        }
    }
    let mut open = HashMap::new();
    for who in &plan.askers {
        if let Who::Person(user) = who {
            let token = who.token(&server);
            let mut theirs = HashSet::new();
            for person in people.values() {
                if get(&server, &token, &format!("Patient/{person}")).await.0 == 200 {
                    theirs.insert(*person);
                }
            }
            open.insert(user.id, theirs);
        }
    }
    server.stop();
    let known = Known {
        samples,
        people,
        open,
    };
    (world, known)
}

fn kinds_of(world: &World, source: &SourceCode) -> Vec<ResourceType> {
    world
        .query(&format!(
            "SELECT DISTINCT kind FROM item WHERE source = '{source}' ORDER BY kind"
        ))
        .iter()
        .filter_map(|row| ResourceType::from_number(row[0].parse().ok()?))
        .collect()
}

async fn get(server: &Server, token: &str, path: &str) -> (u16, Value) {
    let address = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}/fhir/R4/{path}", server.base)
    };
    let answer = reqwest::Client::new()
        .get(address)
        .bearer_auth(token)
        .send()
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Every resource of a type that a token may search for.
async fn every(server: &Server, token: &str, kind: ResourceType) -> Vec<Value> {
    let mut next = Some(format!("{kind}?_count=200"));
    let mut all = Vec::new();
    while let Some(address) = next {
        let (status, page) = get(server, token, &address).await;
        assert_eq!(status, 200, "{kind}: {page}");
        let entries = page["entry"].as_array().cloned().unwrap_or_default();
        all.extend(
            entries
                .into_iter()
                .map(|mut entry| entry["resource"].take()),
        );
        let links = page["link"].as_array().cloned().unwrap_or_default();
        next = links
            .iter()
            .find(|link| link["relation"] == "next")
            .and_then(|link| link["url"].as_str().map(str::to_owned))
            .filter(|_| all.len() < 1500);
    }
    all
}

/// The feeds send more about the people; then each points at what another sent, changes some of what it
/// sent and takes some away.
async fn tell(server: &Server) -> HashMap<String, PersonId> {
    let http = reqwest::Client::new();
    let send = async |method: &str, token: &str, path: &str, body: String| {
        let answer = http
            .request(
                method.parse().expect("a method"),
                format!("{}/fhir/R4{path}", server.base),
            )
            .bearer_auth(token)
            .header("content-type", "application/fhir+json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a body"))
    };
    let tokens: Vec<String> = FEEDS
        .iter()
        .map(|(feed, _)| server.token(&["--as", feed]))
        .collect();
    let patients = every(server, &tokens[0], ResourceType::PATIENT).await;
    let mut people = HashMap::new();
    let mut numbered = Vec::new();
    for number in PEOPLE {
        let is_theirs = |one: &&Value| one["identifier"].to_string().contains(number);
        let Some(patient) = patients.iter().find(is_theirs) else {
            panic!("the practice sent nobody with number {number}");
        };
        let id = patient["id"].as_str().expect("an id");
        people.insert(number.to_owned(), PersonId::parse(id).expect("a person"));
        numbered.push(patient.clone());
    }
    for ((feed, _), token) in FEEDS.iter().zip(&tokens) {
        for (number, patient) in numbered.iter().enumerate() {
            let bundle = tales::bundle(feed, number, patient).to_string();
            let (status, said) = send("POST", token, "", bundle).await;
            assert!(status < 300, "{feed} was answered {status}: {said}");
        }
    }
    let mut of_each: Vec<Vec<Value>> = Vec::new();
    for token in &tokens {
        let mut theirs = Vec::new();
        for kind in [
            "Encounter",
            "Condition",
            "Observation",
            "Procedure",
            "Specimen",
            "Device",
            "Practitioner",
            "ServiceRequest",
        ] {
            let kind = ResourceType::from_name(kind).expect("a type");
            let all = every(server, token, kind).await;
            let told = |one: &Value| one["text"]["div"].to_string().contains("kanari");
            theirs.extend(all.into_iter().filter(told));
        }
        of_each.push(theirs);
    }
    let mut ended = BTreeMap::new();
    for (place, ((feed, _), token)) in FEEDS.iter().zip(&tokens).enumerate() {
        let others = &of_each[(place + 1) % FEEDS.len()];
        for number in 0..numbered.len() {
            let at: Vec<String> = others
                .iter()
                .skip(number)
                .step_by(numbered.len())
                .map(|one| {
                    format!(
                        "{}/{}",
                        one["resourceType"].as_str().unwrap_or_default(),
                        one["id"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            let bundle = tales::pointing(feed, number, &server.base, &at).to_string();
            let (status, said) = send("POST", token, "", bundle).await;
            assert!(status < 300, "{feed} was answered {status}: {said}");
        }
        for (at, one) in of_each[place].iter().enumerate() {
            let address = format!(
                "/{}/{}",
                one["resourceType"].as_str().unwrap_or_default(),
                one["id"].as_str().unwrap_or_default()
            );
            let (method, body) = match at % 9 {
                2 | 3 => {
                    let mut body = one.clone();
                    body["language"] = json!("cy");
                    if at % 2 == 0 {
                        // Sealed from now on: what was shown before is hidden too.
                        body["meta"] = json!({"security": [{"system": "https://connect-care.example/CodeSystem/sensitivity", "code": "sealed"}]});
                    }
                    ("PUT", body.to_string())
                }
                7 => ("DELETE", String::new()),
                _ => continue,
            };
            let (status, _) = send(method, token, &address, body).await;
            *ended.entry((method, status)).or_insert(0) += 1;
        }
    }
    println!("changed and taken away: {ended:?}");
    people
}

/// Two people choose. Written beside the running service, as the choices themselves are kept.
fn choose(world: &World, people: &HashMap<String, PersonId>) {
    use sha2::{Digest as _, Sha256};
    for (number, withheld, dissents) in [
        (WITHHELD.0, format!("\"{}\"", WITHHELD.1), false),
        (DISSENTS, String::new(), true),
    ] {
        let person = people[number].0 as i64;
        let choice = format!(
            "{{\"version\":2,\"connect_care\":\"none\",\"status\":\"decided\",\"withheld_sources\":[{withheld}],\"gp_dissent\":{dissents},\"decided_at\":\"2026-01-01T00:00:00Z\",\"number\":1}}"
        );
        let mark: String = Sha256::digest(choice.as_bytes())[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let bytes = if world.postgres.is_some() {
            format!("convert_to('{choice}', 'UTF8')")
        } else {
            format!("CAST('{choice}' AS BLOB)")
        };
        world.execute(&format!(
            "INSERT INTO choice (person, number, choice) VALUES ({person}, (SELECT coalesce(max(number), 0) + 1 FROM choice WHERE person = {person}), {bytes}); \
             DELETE FROM person_flag WHERE person = {person} AND flag = 'choice-made'; \
             INSERT INTO person_flag (person, flag, value) VALUES ({person}, 'choice-made', '{mark}');"
        ));
    }
}
