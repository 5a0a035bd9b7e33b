//! FHIR searches over HTTP, with the token of a person and of a source: what is found, how it is paged,
//! and what is refused with a way to mend it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::rig::Demo;

struct Api<'d> {
    demo: &'d Demo,
    http: reqwest::Client,
    token: String,
}

impl<'d> Api<'d> {
    fn new(demo: &'d Demo, arguments: &[&str]) -> Self {
        Self {
            demo,
            http: reqwest::Client::new(),
            token: demo.token(arguments),
        }
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/fhir/R4/{path}", self.demo.base)
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.bearer_auth(&self.token).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, json)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.answer(self.http.get(self.address(path))).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.answer(self.http.post(self.address(path)).form(form))
            .await
    }

    async fn send(&self, bundle: &Value) {
        let request = self.http.post(self.address("")).json(bundle);
        let request = request.header("content-type", "application/fhir+json");
        let (status, said) = self.answer(request).await;
        assert_eq!(status, 200, "{said}");
    }

    /// The ids of the matches of every page.
    async fn walk(&self, path: &str) -> Vec<String> {
        let mut next = Some(self.address(path));
        let mut all = Vec::new();
        while let Some(address) = next {
            let (status, page) = self.get(&address).await;
            assert_eq!(status, 200, "{path}: {page}");
            all.extend(ids(&page, "match"));
            next = link(&page, "next");
        }
        all
    }
}

fn ids(page: &Value, mode: &str) -> Vec<String> {
    let entries = page["entry"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .filter(|entry| entry["search"]["mode"] == mode)
        .map(|entry| {
            let resource = &entry["resource"];
            let text = |name: &str| resource[name].as_str().expect(name).to_owned();
            format!("{}/{}", text("resourceType"), text("id"))
        })
        .collect()
}

fn link(page: &Value, relation: &str) -> Option<String> {
    let links = page["link"].as_array()?;
    let found = links.iter().find(|link| link["relation"] == relation)?;
    found["url"].as_str().map(str::to_owned)
}

/// A person with a doctor, visits and results, as one source sends them.
fn bundle() -> Value {
    let mut entries = Vec::new();
    let mut add = |resource: Value| {
        let (kind, id) = (resource["resourceType"].clone(), resource["id"].clone());
        let url = format!(
            "{}/{}",
            kind.as_str().expect("a type"),
            id.as_str().expect("an id")
        );
        entries.push(json!({
            "fullUrl": format!("http://source.example/{url}"),
            "resource": resource,
            "request": { "method": "PUT", "url": url },
        }));
    };
    add(json!({ "resourceType": "Organization", "id": "org", "name": "Riverside Practice" }));
    add(json!({ "resourceType": "Practitioner", "id": "doc", "name": [{ "family": "Khan" }] }));
    for (key, family, number) in [
        ("p1", "Zebedee", "9990900018"),
        ("p2", "Zorro", "9990900026"),
    ] {
        add(json!({
            "resourceType": "Patient", "id": key, "name": [{ "family": family, "given": ["Ada"] }],
            "birthDate": "1950-05-05", "gender": "female",
            "identifier": [{ "system": "http://hospital.example/number", "value": number }],
            "generalPractitioner": [{ "reference": "Practitioner/doc" }],
        }));
        add(json!({
            "resourceType": "Encounter", "id": format!("e-{key}"), "status": "finished",
            "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" },
            "subject": { "reference": format!("Patient/{key}") },
            "serviceProvider": { "reference": "Organization/org" },
            "period": { "start": "2026-10-01T09:00:00Z" },
        }));
        for number in 1..=7 {
            add(json!({
                "resourceType": "Observation", "id": format!("o{number}-{key}"), "status": "final",
                "subject": { "reference": format!("Patient/{key}") },
                "encounter": { "reference": format!("Encounter/e-{key}") },
                "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4", "display": "Heart rate" }] },
                "effectiveDateTime": format!("2026-10-{number:02}"),
                "valueQuantity": { "value": 60 + number, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min" },
            }));
        }
    }
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

#[tokio::test]
async fn a_source_searches_what_it_sent_and_nothing_of_others() {
    let demo = Demo::start().await;
    let hospital = Api::new(&demo, &["--as", "feed-hospital"]);
    hospital.send(&bundle()).await;
    // Each search with how many it finds and how many go along.
    for (search, matches, included) in [
        ("Patient?family=zebedee", 1, 0),
        ("Patient?family:exact=zebedee", 0, 0),
        ("Patient?family:contains=ORR", 1, 0),
        (
            "Patient?identifier=http://hospital.example/number|9990900018",
            1,
            0,
        ),
        ("Patient?birthdate=1950&gender:not=male&_sort=-family", 2, 0),
        (
            "Patient?general-practitioner:Practitioner.family=khan",
            2,
            0,
        ),
        ("Patient?_has:Observation:patient:value-quantity=gt66", 2, 0),
        (
            "Observation?code=http://loinc.org|8867-4&_count=5&_total=accurate",
            5,
            0,
        ),
        ("Observation?subject:Patient.family=zorro", 7, 0),
        (
            "Observation?date=ge2026-10-06&_include=Observation:subject",
            4,
            2,
        ),
        (
            "Observation?date=2026-10-07&_include=Observation:encounter&_include:iterate=Encounter:service-provider",
            2,
            3,
        ),
        ("Encounter?_revinclude=Observation:encounter", 2, 14),
        (
            "Organization?name=river&_revinclude=Encounter:service-provider",
            1,
            2,
        ),
        (
            "Observation?value-quantity=61|http://unitsofmeasure.org|/min",
            2,
            0,
        ),
        ("Observation?code:text=heart&_count=100", 14, 0),
        ("Observation?_content=heart&_count=100", 14, 0),
        ("?_type=Patient,Organization", 3, 0),
        (
            "Observation?encounter.service-provider.name=riverside&_count=100",
            14,
            0,
        ),
    ] {
        let (status, page) = hospital.get(search).await;
        let found = (
            status,
            ids(&page, "match").len(),
            ids(&page, "include").len(),
        );
        assert_eq!(found, (200, matches, included), "{search}: {page}");
        // By POST the same.
        if let Some((kind, query)) = search.split_once('?').filter(|(kind, _)| !kind.is_empty()) {
            let form: Vec<(&str, &str)> = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .collect();
            let (_, posted) = hospital.post(&format!("{kind}/_search"), &form).await;
            assert_eq!(ids(&posted, "match"), ids(&page, "match"), "{search}");
        }
        // And another source finds nothing of it.
        let practice = Api::new(&demo, &["--as", "feed-gp"]);
        let (_, other) = practice.get(search).await;
        assert_eq!(ids(&other, "match").len(), 0, "{search}: {other}");
    }
    // By id, ours and its own; with its version, and 304 for who has it.
    let (_, page) = hospital.get("Patient?family=zebedee").await;
    let patient = page["entry"][0]["resource"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for id in [patient.as_str(), "p1"] {
        let address = hospital.address(&format!("Patient/{id}"));
        let read = hospital
            .http
            .get(&address)
            .bearer_auth(&hospital.token)
            .send()
            .await
            .expect("read");
        let tag = read.headers()["etag"].to_str().expect("text").to_owned();
        assert!(read.headers().contains_key("last-modified"), "{id}");
        assert_eq!(
            read.json::<Value>().await.expect("JSON")["id"],
            patient.as_str()
        );
        let again = hospital
            .http
            .get(&address)
            .bearer_auth(&hospital.token)
            .header("if-none-match", tag);
        assert_eq!(
            again.send().await.expect("an answer").status(),
            StatusCode::NOT_MODIFIED
        );
    }
    // Pages together are the whole, newest first; the address of a page names nobody.
    let whole = hospital.walk("Observation?code=8867-4&_count=100").await;
    let paged = hospital.walk("Observation?code=8867-4&_count=3").await;
    assert_eq!((paged.len(), &paged), (14, &whole));
    for sort in ["date", "-date", "value-quantity,_id", "-_lastUpdated"] {
        let sorted = hospital
            .walk(&format!("Observation?_sort={sort}&_count=4"))
            .await;
        assert_eq!(sorted.len(), 14, "{sort}");
    }
    let mut form = vec![("name", "ada"), ("_count", "1")];
    let (_, first) = hospital.post("Patient/_search", &form).await;
    let next = link(&first, "next").expect("a next page");
    assert!(!next.contains("ada") && next.contains("_page="), "{next}");
    let (status, second) = hospital.get(&next).await;
    assert_eq!((status, ids(&second, "match").len()), (200, 1), "{second}");
    assert!(
        link(&second, "previous").is_some() && link(&second, "first").is_some(),
        "{second}"
    );
    let (_, back) = hospital
        .get(&link(&second, "previous").expect("previous"))
        .await;
    assert_eq!(ids(&back, "match"), ids(&first, "match"));
    form.push(("birthdate", "ge1900"));
    let (_, more) = hospital.post("Patient/_search", &form).await;
    assert!(!more["link"].to_string().contains("1900"), "{more}");
    // Nobody else, and no other search, may use the link.
    let practice = Api::new(&demo, &["--as", "feed-gp"]);
    assert_eq!(practice.get(&next).await.0, 400);
    assert_eq!(
        hospital.get(&next.replace("_count=1", "_count=2")).await.0,
        400
    );
    // Compartments.
    let (_, mine) = hospital
        .get(&format!("Patient/{patient}/Observation?_count=100"))
        .await;
    assert_eq!(ids(&mine, "match").len(), 7, "{mine}");
    let (_, all) = hospital
        .get(&format!(
            "Patient/{patient}/*?_count=100&_type=Observation,Encounter,Patient"
        ))
        .await;
    assert_eq!(ids(&all, "match").len(), 9, "{all}");
    let encounter = all["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .find(|entry| entry["resource"]["resourceType"] == "Encounter")
        .expect("a visit")["resource"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (_, visit) = hospital
        .get(&format!("Encounter/{encounter}/Observation"))
        .await;
    assert_eq!(ids(&visit, "match").len(), 7, "{visit}");
    // Shapes.
    let (_, xml) = hospital.get("Patient?family=zorro&_format=xml").await;
    assert!(
        xml.as_str()
            .is_some_and(|text| text.contains("<Bundle xmlns=\"http://hl7.org/fhir\">")),
        "{xml}"
    );
    let (_, few) = hospital.get("Patient?family=zorro&_elements=gender").await;
    let kept = &few["entry"][0]["resource"];
    assert!(
        kept["gender"] == "female" && kept["name"].is_null(),
        "{kept}"
    );
    assert_eq!(kept["meta"]["tag"][0]["code"], "SUBSETTED");
    let (_, number) = hospital.get("Observation?_summary=count").await;
    assert_eq!(
        (number["total"].as_i64(), number["entry"].is_null()),
        (Some(14), true),
        "{number}"
    );
}

#[tokio::test]
async fn a_person_searches_in_one_record() {
    let demo = Demo::with_people(14).await;
    let nurse = Api::new(
        &demo,
        &[
            "--as",
            "district-nurse",
            "--person",
            "9990000018",
            "--permission",
            "given",
        ],
    );
    let (_, found) = nurse
        .post("Patient/_search", &[("identifier", "9990000018")])
        .await;
    let id = found["entry"][0]["resource"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let all = nurse
        .walk(&format!("Observation?patient={id}&_count=7"))
        .await;
    let whole = nurse
        .walk(&format!("Observation?subject=Patient/{id}&_count=1000"))
        .await;
    assert!(
        all.len() > 7 && all == whole,
        "{} {}",
        all.len(),
        whole.len()
    );
    let sorted = nurse
        .walk(&format!("Observation?patient={id}&_sort=-date&_count=5"))
        .await;
    assert_eq!(sorted.len(), all.len());
    let (_, page) = nurse
        .get(&format!(
            "Observation?patient={id}&_include=Observation:subject&_count=2"
        ))
        .await;
    assert_eq!(ids(&page, "include"), [format!("Patient/{id}")], "{page}");
    let (_, chained) = nurse
        .get(&format!(
            "Condition?patient={id}&patient.gender=female,male"
        ))
        .await;
    let (_, plain) = nurse.get(&format!("Condition?patient={id}")).await;
    assert_eq!(ids(&chained, "match"), ids(&plain, "match"), "{chained}");
    let (_, own) = nurse
        .get(&format!(
            "Patient?_id={id}&_revinclude=AllergyIntolerance:patient"
        ))
        .await;
    assert_eq!(ids(&own, "match"), [format!("Patient/{id}")], "{own}");
    assert!(!ids(&own, "include").is_empty(), "{own}");
    let (_, everything) = nurse.get(&format!("Patient/{id}/*?_count=1000")).await;
    assert!(ids(&everything, "match").len() > 20, "{everything}");
    for (refused, status) in [
        ("Observation?code=8867-4".to_owned(), 400),
        ("Patient?family=osei".to_owned(), 400),
        ("Patient?identifier=9990000018".to_owned(), 400),
        (
            format!("Observation?patient={id}&subject=Patient/0000000000001"),
            400,
        ),
        ("Observation?patient=0000000000001".to_owned(), 404),
    ] {
        let (found, outcome) = nurse.get(&refused).await;
        assert_eq!(found, status, "{refused}: {outcome}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_its_place_and_a_way_to_mend_it() {
    let demo = Demo::start().await;
    let hospital = Api::new(&demo, &["--as", "feed-hospital"]);
    let many = vec!["a"; 2_000].join(",");
    for (request, status, place) in [
        ("Patient?nonsense=1", 400, "http.nonsense"),
        ("Patient?family:nonsense=1", 400, "http.family:nonsense"),
        ("Patient?birthdate=yesterday", 400, "http.birthdate"),
        (
            "Observation?patient.nonsense=x",
            400,
            "http.patient.nonsense",
        ),
        ("Observation?code.name=x", 400, "http.code.name"),
        ("Patient?_count=-1", 400, "http._count"),
        ("Patient?_sort=nonsense", 400, "http._sort"),
        ("Patient?_include=Patient:nonsense", 400, "http._include"),
        ("Patient?_total=many", 400, "http._total"),
        ("Patient?_page=abc", 400, "http._page"),
        (
            "Patient?_summary=text&_include=Patient:organization",
            400,
            "http._summary",
        ),
        (
            "Observation?code:in=http://sets.example/unknown",
            400,
            "http.code:in",
        ),
        (&format!("Patient?family={many}"), 400, "http.family"),
        ("?name=x", 400, "http.name"),
        ("", 400, "http._type"),
        ("Patient/..%2F..%2Fetc", 400, "http.id"),
        ("Nonsense?name=x", 404, ""),
        ("Patient/0000000000001/Nonsense", 404, ""),
        ("Medication/0000000000001/Observation", 404, ""),
        ("Patient?_format=turtle", 406, ""),
    ] {
        let (found, outcome) = hospital.get(request).await;
        assert_eq!(found, status, "{request}: {outcome}");
        assert_eq!(
            outcome["resourceType"], "OperationOutcome",
            "{request}: {outcome}"
        );
        let issue = &outcome["issue"][0];
        assert!(
            issue["diagnostics"]
                .as_str()
                .is_some_and(|text| text.len() > 20),
            "{request}: {outcome}"
        );
        if !place.is_empty() {
            assert_eq!(issue["location"][0], place, "{request}: {outcome}");
        }
        assert!(!outcome.to_string().contains("yesterday"), "{outcome}");
    }
    // Lenient handling passes over what is unknown, and says so; what is malformed is refused all the same.
    let lenient = |path: &str| {
        let request = hospital.http.get(hospital.address(path));
        request.header("prefer", "handling=lenient")
    };
    let (status, page) = hospital.answer(lenient("Patient?nonsense=1")).await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.to_string().contains("nonsense was passed over"),
        "{page}"
    );
    assert_eq!(
        hospital
            .answer(lenient("Patient?birthdate=yesterday"))
            .await
            .0,
        400
    );
    // A refusal comes in the format that was asked for.
    let (_, xml) = hospital.get("Patient?nonsense=1&_format=xml").await;
    assert!(
        xml.as_str()
            .is_some_and(|text| text.contains("<OperationOutcome")),
        "{xml}"
    );
    // Circular includes end.
    hospital.send(&bundle()).await;
    let circle = "Observation?_include:iterate=Observation:has-member&_revinclude:iterate=Observation:has-member&_include:iterate=Observation:*";
    let (status, page) = hospital.get(circle).await;
    assert_eq!(status, 200, "{page}");
}
