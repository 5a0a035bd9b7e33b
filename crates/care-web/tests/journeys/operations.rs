//! Operations of the FHIR API over HTTP: for a source over what it sent, for a person under the rules.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Demo, everything};

const JSON: &str = "application/fhir+json";

/// What came back.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> String {
        let value = self.headers.get(name);
        value.map_or_else(String::new, |value| {
            value.to_str().expect("text").to_owned()
        })
    }
}

/// A client of the API with one token.
struct Api<'d> {
    demo: &'d Demo,
    token: String,
    http: reqwest::Client,
}

impl<'d> Api<'d> {
    fn new(demo: &'d Demo, arguments: &[&str]) -> Self {
        Self {
            demo,
            token: demo.token(arguments),
            http: reqwest::Client::new(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let address = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("{}/fhir/R4/{path}", self.demo.base),
        };
        let mut request = self.http.request(method, address).bearer_auth(&self.token);
        if path.contains("$export") {
            request = request.header("prefer", "respond-async");
        }
        if let Some(body) = body {
            request = request.header("content-type", JSON).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.expect("a body"),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Waits until an export is complete; gives the manifest.
    async fn complete(&self, place: &str) -> Value {
        for _ in 0..200 {
            let answer = self.get(place).await;
            match answer.status {
                202 => tokio::time::sleep(Duration::from_millis(100)).await,
                200 => return answer.json(),
                other => panic!("{other}: {}", answer.text),
            }
        }
        panic!("the export did not end in twenty seconds");
    }

    /// The lines of every file of a manifest's list.
    async fn lines(&self, outputs: &Value) -> Vec<Value> {
        let mut lines = Vec::new();
        for one in outputs.as_array().expect("a list") {
            let answer = self.get(one["url"].as_str().expect("an address")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.header("content-type"), "application/fhir+ndjson");
            let before = lines.len();
            lines.extend(
                answer
                    .text
                    .lines()
                    .map(|line| serde_json::from_str::<Value>(line).expect("JSON")),
            );
            assert_eq!(one["count"], lines.len() - before);
        }
        lines
    }
}

fn patient(id: &str, number: &str, family: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id,
        "identifier": [{
            "extension": [{
                "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
                "valueCodeableConcept": { "coding": [{ "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus", "code": "01" }] },
            }],
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number,
        }],
        "name": [{ "use": "official", "family": family, "given": ["George"] }],
        "gender": "male", "birthDate": "1974-03-02",
    })
}

fn observation(id: &str, patient: &str, code: &str, date: &str, value: f64) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory" }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": code }], "text": format!("Test {code}") },
        "subject": { "reference": format!("Patient/{patient}") },
        "effectiveDateTime": date,
        "valueQuantity": { "value": value, "unit": "mmol/L" },
    })
}

/// A transaction that puts these.
fn transaction(resources: &[Value]) -> Value {
    let entries: Vec<Value> = resources
        .iter()
        .map(|one| {
            let url = format!(
                "{}/{}",
                one["resourceType"].as_str().expect("a type"),
                one["id"].as_str().expect("an id")
            );
            json!({
                "fullUrl": format!("http://source.example.org/{url}"),
                "resource": one,
                "request": { "method": "PUT", "url": url },
            })
        })
        .collect();
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

/// One person with five results, a problem and an allergy; another with one result.
async fn sent(api: &Api<'_>) {
    let resources = [
        patient("w-77", "9990000077", "Marlow"),
        observation("o-1", "w-77", "2345-7", "2026-01-01", 5.0),
        observation("o-2", "w-77", "2345-7", "2026-02-01", 5.1),
        observation("o-3", "w-77", "2345-7", "2026-03-01", 5.2),
        observation("o-4", "w-77", "718-7", "2026-02-15", 140.0),
        observation("o-5", "w-77", "718-7", "2025-02-15", 141.0),
        json!({
            "resourceType": "Condition", "id": "c-1", "subject": { "reference": "Patient/w-77" },
            "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active" }] },
            "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "195967001", "display": "Asthma" }] },
        }),
        json!({
            "resourceType": "AllergyIntolerance", "id": "a-1", "patient": { "reference": "Patient/w-77" },
            "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active" }] },
            "code": { "text": "Penicillin" },
        }),
    ];
    let answer = api.post("", transaction(&resources)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut other = patient("w-85", "9990000085", "Harcourt");
    other["birthDate"] = json!("1931-05-06");
    let others = [
        other,
        observation("o-9", "w-85", "2345-7", "2026-01-05", 7.0),
    ];
    let answer = api.post("", transaction(&others)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn ids(bundle: &Value, kind: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .map(|entry| &entry["resource"])
        .filter(|one| one["resourceType"] == kind)
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[tokio::test]
async fn a_source_reads_everything_it_sent_of_a_person_page_by_page_as_it_was_at_the_first() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    sent(&api).await;
    // By its own key and by ours
    let whole = api.get("Patient/w-77/$everything").await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    let whole = whole.json();
    let person = whole["entry"][0]["resource"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(whole["entry"][0]["resource"]["resourceType"], "Patient");
    assert_eq!(ids(&whole, "Observation").len(), 5, "{whole}");
    assert_eq!(ids(&whole, "Condition").len(), 1);
    // In pages: what is sent meanwhile is on none of them
    let mut next = Some(format!(
        "Patient/{person}/$everything?_count=3&_type=Observation,Patient"
    ));
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(address) = next {
        let page = api.get(&address).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        assert_eq!(page["total"], 6, "{page}");
        seen.extend(ids(&page, "Observation"));
        pages += 1;
        if pages == 1 {
            let late = [
                patient("w-77", "9990000077", "Marlow"),
                observation("o-6", "w-77", "1-8", "2026-05-01", 1.0),
                observation("o-7", "w-77", "1-8", "2026-05-02", 1.0),
            ];
            assert_eq!(api.post("", transaction(&late)).await.status, 200);
        }
        let links = page["link"].as_array().expect("links");
        let link = links.iter().find(|link| link["relation"] == "next");
        next = link.and_then(|link| link["url"].as_str().map(str::to_owned));
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len(), pages), (5, 5, 2));
    // By clinical dates, and refused in words
    let of_2025 = api
        .get(&format!(
            "Patient/{person}/$everything?_type=Observation&end=2025"
        ))
        .await;
    assert_eq!(
        ids(&of_2025.json(), "Observation").len(),
        1,
        "{}",
        of_2025.text
    );
    for (path, status) in [
        ("Patient/$everything".to_owned(), 400),
        (format!("Patient/{person}/$everything?_count=-1"), 400),
        (format!("Patient/{person}/$everything?_page=nonsense"), 400),
        (format!("Patient/{person}/$everything?_type=Nonsense"), 400),
        (format!("Patient/{person}/$everything?nonsense=1"), 400),
        ("Patient/0000000000000/$everything".to_owned(), 404),
    ] {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.text.contains("OperationOutcome"), "{path}");
    }
    // And nothing of it by another source
    let other = Api::new(&demo, &["--as", "feed-gp"]);
    assert_eq!(
        other
            .get(&format!("Patient/{person}/$everything"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn newest_results_versions_and_matches_are_told() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    sent(&api).await;
    let last = api.get("Observation/$lastn?patient=w-77&max=2").await;
    let found = ids(&last.json(), "Observation");
    assert_eq!(found.len(), 4, "{}", last.text);
    let dates: Vec<String> = last.json()["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| {
            entry["resource"]["effectiveDateTime"]
                .as_str()
                .expect("a date")
                .to_owned()
        })
        .collect();
    assert_eq!(
        dates,
        ["2026-03-01", "2026-02-01", "2026-02-15", "2025-02-15"]
    );
    let one = api
        .get("Observation/$lastn?patient=w-77&code=http://loinc.org%7C718-7")
        .await;
    assert_eq!(ids(&one.json(), "Observation").len(), 1, "{}", one.text);
    assert_eq!(api.get("Observation/$lastn").await.status, 400);
    // A second version, and what changed
    let mut again = observation("o-1", "w-77", "2345-7", "2026-01-01", 5.5);
    again["note"] = json!([{ "text": "haemolysed" }]);
    let both = [patient("w-77", "9990000077", "Marlow"), again];
    assert_eq!(api.post("", transaction(&both)).await.status, 200);
    let whole = api
        .get("Patient/w-77/$everything?_type=Observation")
        .await
        .json();
    let entries = whole["entry"].as_array().expect("entries");
    let changed = entries
        .iter()
        .find(|entry| entry["resource"]["meta"]["versionId"] == "2");
    let id = changed.expect("a second version")["resource"]["id"]
        .as_str()
        .expect("an id");
    let diff = api.get(&format!("Observation/{id}/$diff")).await;
    assert_eq!(diff.status, 200, "{}", diff.text);
    let operations = diff.json()["parameter"]
        .as_array()
        .expect("operations")
        .len();
    assert_eq!(operations, 2, "{}", diff.text);
    assert!(diff.text.contains("Observation.value.value") && diff.text.contains("haemolysed"));
    let back = format!("$diff?from=Observation/{id}&to=Observation/{id}/_history/1");
    assert_eq!(
        api.get(&back).await.json()["parameter"]
            .as_array()
            .expect("operations")
            .len(),
        2
    );
    assert_eq!(
        api.get(&format!("Observation/{id}/_history/1/$diff"))
            .await
            .status,
        400
    );
    assert_eq!(
        api.get(&format!("Observation/{id}/_history/2/$diff"))
            .await
            .status,
        200
    );
    let meta = api.get(&format!("Observation/{id}/$meta")).await.json();
    assert_eq!(meta["parameter"][0]["valueMeta"]["versionId"], "2");
    // Who may be meant
    let asked = |patient: Value, certain: bool| {
        json!({ "resourceType": "Parameters", "parameter": [
            { "name": "resource", "resource": patient },
            { "name": "onlyCertainMatches", "valueBoolean": certain },
        ]})
    };
    let by_name = json!({
        "resourceType": "Patient", "birthDate": "1974-03-02", "gender": "male",
        "name": [{ "family": "Marlow", "given": ["George"] }],
    });
    let found = api
        .post("Patient/$match", asked(by_name.clone(), false))
        .await
        .json();
    let search = &found["entry"][0]["search"];
    assert_eq!(search["extension"][0]["valueCode"], "probable", "{found}");
    assert!(
        search["score"].as_f64().is_some_and(|score| score > 0.9),
        "{found}"
    );
    let certain = asked(patient("x", "9990000077", "Marlow"), true);
    let found = api.post("Patient/$match", certain).await.json();
    assert_eq!(
        (
            found["total"].as_i64(),
            &found["entry"][0]["search"]["extension"][0]["valueCode"]
        ),
        (Some(1), &json!("certain")),
        "{found}"
    );
    assert_eq!(
        api.post("Patient/$match", asked(by_name, true))
            .await
            .json()["total"],
        0
    );
    assert_eq!(
        api.post("Patient/$match", json!({"resourceType":"Basic"}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn an_export_is_made_fetched_cancelled_and_nobody_elses() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    sent(&api).await;
    // Given an export of everything
    let begun = api.get("$export").await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let place = begun.header("content-location");
    let manifest = api.complete(&place).await;
    assert_eq!(manifest["requiresAccessToken"], true);
    let lines = api.lines(&manifest["output"]).await;
    let count = |kind: &str| {
        lines
            .iter()
            .filter(|one| one["resourceType"] == kind)
            .count()
    };
    assert_eq!(
        (count("Patient"), count("Observation"), count("Condition")),
        (2, 6, 1),
        "{manifest}"
    );
    // Then only what came since, narrowed by a filter and cut to elements
    let time = manifest["transactionTime"]
        .as_str()
        .expect("a time")
        .to_owned();
    let late = [
        patient("w-77", "9990000077", "Marlow"),
        observation("o-6", "w-77", "1-8", "2026-05-01", 1.0),
        observation("o-7", "w-77", "2-8", "2026-05-02", 1.0),
    ];
    assert_eq!(api.post("", transaction(&late)).await.status, 200);
    let begun = api
        .get(&format!("Patient/$export?_since={time}&_type=Observation&_typeFilter=Observation%3Fcode%3D1-8&_elements=status"))
        .await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let since = api.complete(&begun.header("content-location")).await;
    let lines = api.lines(&since["output"]).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["valueQuantity"], Value::Null, "{lines:?}");
    assert!(
        lines[0]["meta"].to_string().contains("SUBSETTED"),
        "{lines:?}"
    );
    // And nobody else sees the job, a file asks for a token, and after DELETE nothing is there
    let other = Api::new(&demo, &["--as", "feed-gp"]);
    let file = manifest["output"][0]["url"]
        .as_str()
        .expect("an address")
        .to_owned();
    for address in [&place, &file] {
        assert_eq!(other.get(address).await.status, 404, "{address}");
        let bare = reqwest::get(address).await.expect("an answer");
        assert_eq!(bare.status(), 401, "{address}");
    }
    let narrow = Api::new(
        &demo,
        &["--as", "feed-hospital", "--scope", "system/Immunization.rs"],
    );
    assert_eq!(narrow.get(&file).await.status, 403);
    assert_eq!(other.call(Method::DELETE, &place, None).await.status, 404);
    assert_eq!(api.call(Method::DELETE, &place, None).await.status, 202);
    assert_eq!(api.get(&place).await.status, 404);
    assert_eq!(api.get(&file).await.status, 404);
    // Of the members of a Group only
    let group = json!({ "resourceType": "Group", "id": "g-1", "type": "person", "actual": true,
        "member": [{ "entity": { "reference": "Patient/w-85" } }] });
    let members = [patient("w-85", "9990000085", "Harcourt"), group];
    let kept = api.post("", transaction(&members)).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let begun = api.get("Group/g-1/$export?_type=Observation").await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let manifest = api.complete(&begun.header("content-location")).await;
    assert_eq!(api.lines(&manifest["output"]).await.len(), 1, "{manifest}");
    assert_eq!(api.get("Group/g-2/$export").await.status, 404);
    // Bad requests say how to mend them
    for path in [
        "$export?_outputFormat=text/csv",
        "$export?_type=Nonsense",
        "$export?_since=yesterday",
        "$export?_typeFilter=Observation",
        "$export?patient=w-77",
        "$export?nonsense=1",
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert!(answer.text.contains("OperationOutcome"), "{path}");
    }
    let nurse = Api::new(&demo, &["--as", "district-nurse", "--permission", "given"]);
    assert_eq!(nurse.get("$export").await.status, 403);
}

#[tokio::test]
async fn one_export_runs_at_a_time_says_how_far_it_is_and_ends_when_it_is_cancelled() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    sent(&api).await;
    for lot in 0..8 {
        let mut many = vec![patient("w-77", "9990000077", "Marlow")];
        many.extend((0..250).map(|number| {
            let id = format!("m-{lot}-{number}");
            observation(&id, "w-77", "2345-7", "2026-01-01", 5.0)
        }));
        assert_eq!(api.post("", transaction(&many)).await.status, 200);
    }
    // Given an export under way
    let begun = api.get("$export").await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let place = begun.header("content-location");
    let running = api.get(&place).await;
    assert_eq!(running.status, 202, "it should still run: {}", running.text);
    assert!(
        running
            .header("retry-after")
            .parse::<u32>()
            .is_ok_and(|seconds| seconds > 0)
    );
    assert!(!running.header("x-progress").is_empty());
    // Then another is refused, of any kind, but not another client's
    for path in ["$export", "Patient/$export?_type=Patient"] {
        let refused = api.get(path).await;
        assert_eq!(refused.status, 429, "{path}: {}", refused.text);
        assert!(
            refused.text.contains("OperationOutcome"),
            "{}",
            refused.text
        );
        assert!(!refused.header("retry-after").is_empty());
    }
    let other = Api::new(&demo, &["--as", "feed-gp"]);
    assert_eq!(other.get("$export").await.status, 202);
    // When it is cancelled, nothing of it is there and another may begin
    assert_eq!(api.call(Method::DELETE, &place, None).await.status, 202);
    assert_eq!(api.get(&place).await.status, 404);
    assert_eq!(api.call(Method::DELETE, &place, None).await.status, 404);
    let begun = api
        .get("Patient/$export?patient=Patient/w-85&_type=Observation,Patient")
        .await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let place = begun.header("content-location");
    let manifest = api.complete(&place).await;
    let lines = api.lines(&manifest["output"]).await;
    assert_eq!(lines.len(), 2, "one person and one result: {manifest}");
    let done = api.get(&place).await;
    assert!(!done.header("expires").is_empty(), "{:?}", done.headers);
    // A parameter nobody knows is refused, or passed over where the client prefers, and the manifest says so
    let refused = api.get("$export?_invented=1").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("_invented"), "{}", refused.text);
    let lenient = reqwest::Client::new()
        .get(format!(
            "{}/fhir/R4/$export?_invented=1&_type=Patient",
            demo.base
        ))
        .bearer_auth(&api.token)
        .header("prefer", "respond-async, handling=lenient")
        .send()
        .await
        .expect("an answer");
    assert_eq!(lenient.status(), 202);
    let place = lenient.headers()["content-location"]
        .to_str()
        .expect("text")
        .to_owned();
    let manifest = api.complete(&place).await;
    let told = api.lines(&manifest["error"]).await;
    assert_eq!(told[0]["resourceType"], "OperationOutcome", "{manifest}");
    // Without the preference it is not begun
    let plain = reqwest::Client::new()
        .get(format!("{}/fhir/R4/$export", demo.base))
        .bearer_auth(&api.token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(plain.status(), 400);
}

#[tokio::test]
async fn an_export_survives_a_restart() {
    let mut demo = Demo::start().await;
    let place = {
        let api = Api::new(&demo, &["--as", "feed-hospital"]);
        sent(&api).await;
        let begun = api.get("Patient/$export").await;
        assert_eq!(begun.status, 202, "{}", begun.text);
        begun.header("content-location")
    };
    // Killed at once: the job may be anywhere between its first and its last byte.
    demo.restart().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let manifest = api.complete(&place).await;
    let lines = api.lines(&manifest["output"]).await;
    assert_eq!(
        lines
            .iter()
            .filter(|one| one["resourceType"] == "Observation")
            .count(),
        6
    );
}

#[tokio::test]
async fn rows_of_a_view_come_in_four_formats() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    sent(&api).await;
    let view = json!({
        "resourceType": "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition",
        "name": "results", "status": "active", "resource": "Observation",
        "select": [{ "column": [
            { "name": "code", "path": "code.coding.first().code" },
            { "name": "value", "path": "value.ofType(Quantity).value", "type": "decimal" },
        ]}],
        "where": [{ "path": "code.coding.exists(code = '2345-7')" }],
    });
    let asked = |more: Value| {
        let mut parameters = vec![json!({ "name": "viewResource", "resource": view })];
        parameters.extend(more.as_array().expect("a list").iter().cloned());
        json!({ "resourceType": "Parameters", "parameter": parameters })
    };
    let run = async |more: Value| api.post("ViewDefinition/$run", asked(more)).await;
    let all = run(json!([])).await;
    assert_eq!(all.status, 200, "{}", all.text);
    assert_eq!(all.text.lines().count(), 4, "{}", all.text);
    let csv = run(json!([{ "name": "_format", "valueCode": "csv" }, { "name": "patient", "valueReference": { "reference": "Patient/w-77" } }])).await;
    assert!(
        csv.text.starts_with("code,value\r\n") && csv.text.lines().count() == 4,
        "{}",
        csv.text
    );
    let list = run(json!([{ "name": "_format", "valueCode": "json" }, { "name": "_limit", "valueInteger": 2 }])).await;
    assert_eq!(list.json().as_array().map(Vec::len), Some(2));
    let posted = run(json!([{ "name": "resource", "resource": observation("x", "y", "2345-7", "2026-01-01", 9.5) }])).await;
    assert_eq!(posted.text, "{\"code\":\"2345-7\",\"value\":9.5}\n");
    let parquet = run(json!([{ "name": "_format", "valueCode": "parquet" }])).await;
    assert_eq!(
        parquet.header("content-type"),
        "application/vnd.apache.parquet"
    );
    for (body, status) in [
        (json!({ "resourceType": "Parameters" }), 400),
        (
            asked(json!([{ "name": "_format", "valueCode": "xls" }])),
            400,
        ),
        (
            asked(json!([{ "name": "patient", "valueString": "nobody" }])),
            404,
        ),
        (
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "viewReference", "valueString": "ViewDefinition/none" }] }),
            404,
        ),
    ] {
        let answer = api.post("ViewDefinition/$run", body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_person_reads_a_summary_and_everything_under_the_rules() {
    let demo = Demo::with_people(14).await;
    let arguments = [
        "--as",
        "district-nurse",
        "--person",
        "9990000018",
        "--permission",
        "given",
    ];
    let nurse = Api::new(&demo, &arguments);
    let all = everything(&demo, &nurse.token, "9990000018")
        .await
        .expect("everything");
    assert!(all.len() > 20);
    let by_number = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "identifier", "valueIdentifier": { "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018" } },
    ]});
    let summary = nurse.post("Patient/$summary", by_number).await;
    assert_eq!(summary.status, 200, "{}", summary.text);
    let summary = summary.json();
    assert_eq!(
        (
            &summary["type"],
            &summary["entry"][0]["resource"]["resourceType"]
        ),
        (&json!("document"), &json!("Composition"))
    );
    let sections = summary["entry"][0]["resource"]["section"]
        .as_array()
        .expect("sections")
        .clone();
    let codes: Vec<&str> = sections
        .iter()
        .filter_map(|one| one["code"]["coding"][0]["code"].as_str())
        .collect();
    for required in ["11450-4", "48765-2", "10160-0"] {
        assert!(codes.contains(&required), "{codes:?}");
    }
    // Each entry is in the document, and was in what she may read
    let addresses: Vec<&str> = summary["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|one| one["fullUrl"].as_str())
        .collect();
    let readable: Vec<String> = all
        .iter()
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect();
    for reference in sections
        .iter()
        .flat_map(|one| one["entry"].as_array().cloned().unwrap_or_default())
    {
        let target = reference["reference"]
            .as_str()
            .expect("an address")
            .to_owned();
        assert!(addresses.contains(&target.as_str()), "{target}");
        let id = target.rsplit('/').next().expect("an id").to_owned();
        assert!(readable.contains(&id), "{id}");
    }
    // Somebody the rules refuse gets neither
    let person = all[0]["id"].as_str().expect("an id");
    let analyst = Api::new(&demo, &["--as", "analyst", "--permission", "given"]);
    for path in ["$summary", "$everything"] {
        let answer = analyst.get(&format!("Patient/{person}/{path}")).await;
        assert!(
            [403, 404].contains(&answer.status),
            "{path}: {}",
            answer.text
        );
    }
    assert_eq!(
        nurse
            .get("Patient/$summary?identifier=9990000018")
            .await
            .status,
        400
    );
    // Matching shows who people are and nothing clinical
    let asked = json!({ "resourceType": "Parameters", "parameter": [{ "name": "resource", "resource": patient("x", "9990000018", "Osei") }] });
    let free = Api::new(&demo, &["--as", "district-nurse", "--permission", "given"]);
    let found = free.post("Patient/$match", asked.clone()).await;
    assert_eq!(found.json()["total"], 1, "{}", found.text);
    let other = Api::new(
        &demo,
        &[
            "--as",
            "district-nurse",
            "--person",
            "9990000026",
            "--permission",
            "given",
        ],
    );
    assert_eq!(other.post("Patient/$match", asked).await.json()["total"], 0);
}
