//! What a source does with its own things beyond plain reads and writes: deleted people, labels, validation of
//! what is held, granular scopes, hierarchies and search parameters of the deployment's own.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::Demo;

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    json: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.json["issue"][0]["code"].as_str().unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    fn total(&self) -> u64 {
        self.json["total"].as_u64().unwrap_or_default()
    }
}

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

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_with(method, path, body, &[]).await
    }

    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let method: Method = method.parse().expect("a method");
        let kind = match method {
            Method::PATCH => "application/json-patch+json",
            _ => "application/fhir+json",
        };
        let address = format!("{}/fhir/R4/{path}", self.demo.base);
        let mut request = self.http.request(method, address).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", kind).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("a body");
        Answer {
            status,
            headers,
            json: serde_json::from_str(&text).unwrap_or_default(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    async fn put(&self, body: &Value) -> Answer {
        let (kind, id) = (&body["resourceType"], &body["id"]);
        let path = format!(
            "{}/{}",
            kind.as_str().expect("a type"),
            id.as_str().expect("an id")
        );
        self.ask("PUT", &path, Some(body.clone())).await
    }

    /// Puts it, and gives the id it is read by.
    async fn kept(&self, body: &Value) -> String {
        let answer = self.put(body).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.json);
        answer.json["id"].as_str().expect("an id").to_owned()
    }
}

fn patient(id: &str, number: &str, born: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "gender": "male", "birthDate": born,
        "identifier": [{
            "extension": [{
                "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
                "valueCodeableConcept": { "coding": [{ "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus", "code": "01" }] },
            }],
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number,
        }],
        "name": [{ "use": "official", "family": "Marlow", "given": ["George"] }],
    })
}

fn condition(id: &str, patient: &str, clinical: &str, coding: Value) -> Value {
    json!({
        "resourceType": "Condition", "id": id, "subject": { "reference": format!("Patient/{patient}") },
        "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": clinical }] },
        "code": { "coding": [coding], "text": "a problem" },
    })
}

fn observation(id: &str, patient: &str, category: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "718-7" }], "text": "Haemoglobin" },
        "subject": { "reference": format!("Patient/{patient}") },
        "effectiveDateTime": "2026-02-01",
        "valueQuantity": { "value": 140, "unit": "g/L" },
    })
}

fn meta(meta: Value) -> Option<Value> {
    Some(
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": meta }] }),
    )
}

#[tokio::test]
async fn a_deleted_patient_is_gone_for_its_source_as_everything_else_is() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let person = api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    assert_eq!(
        api.ask("DELETE", &format!("Patient/{person}"), None)
            .await
            .status,
        204
    );
    for path in [
        format!("Patient/{person}"),
        "Patient/w-77".to_owned(),
        format!("Patient/{person}/$meta"),
        format!("Patient/{person}/$validate"),
    ] {
        let gone = api.get(&path).await;
        assert_eq!(
            (gone.status, gone.code()),
            (410, "deleted"),
            "{path}: {}",
            gone.json
        );
    }
    let history = api.get(&format!("Patient/{person}/_history")).await;
    assert_eq!(
        (history.status, history.total().max(2)),
        (200, 2),
        "{}",
        history.json
    );
    // What was never there, and what another sent, reads as before
    assert_eq!(api.get("Patient/0000000000000").await.status, 404);
    let other = Api::new(&demo, &["--as", "feed-gp"]);
    assert_eq!(other.get(&format!("Patient/{person}")).await.status, 404);
    // And it comes back
    assert_eq!(
        api.kept(&patient("w-77", "9990000077", "1974-03-02")).await,
        person
    );
    assert_eq!(api.get(&format!("Patient/{person}")).await.status, 200);
}

#[tokio::test]
async fn a_source_adds_and_takes_away_labels_but_never_those_of_the_record() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    // HIV: the record itself labels it
    let hiv = json!({ "system": "http://snomed.info/sct", "code": "86406008", "display": "Human immunodeficiency virus infection" });
    let id = api.kept(&condition("c-1", "w-77", "active", hiv)).await;
    let held = api.get(&format!("Condition/{id}/$meta")).await;
    let labels = held.json["parameter"][0]["valueMeta"]["security"].clone();
    assert!(labels.to_string().contains("\"R\""), "{labels}");
    let version = held.json["parameter"][0]["valueMeta"]["versionId"].clone();
    assert_eq!(version, "1");
    // Add: a new version with the tag; again: nothing changes
    let tag = json!({ "tag": [{ "system": "http://x.example.org", "code": "checked" }], "profile": ["http://x.example.org/p"] });
    for _ in 0..2 {
        let added = api
            .ask(
                "POST",
                &format!("Condition/{id}/$meta-add"),
                meta(tag.clone()),
            )
            .await;
        assert_eq!(
            (added.status, added.header("etag")),
            (200, "W/\"2\""),
            "{}",
            added.json
        );
        let now = &added.json["parameter"][0]["valueMeta"];
        assert_eq!(now["tag"][0]["code"], "checked");
        assert_eq!(now["profile"][0], "http://x.example.org/p");
    }
    assert_eq!(
        api.get("Condition?_tag=checked&_total=accurate")
            .await
            .total(),
        1
    );
    // Of a type and of everything: each once
    for path in ["Condition/$meta", "$meta"] {
        let all = api.get(path).await;
        let all = &all.json["parameter"][0]["valueMeta"];
        assert_eq!(
            all["tag"].as_array().map(Vec::len),
            Some(1),
            "{path}: {all}"
        );
        assert!(all["security"].to_string().contains("\"R\""), "{all}");
    }
    assert_eq!(
        api.get("Observation/$meta").await.json["parameter"][0]["valueMeta"],
        json!({})
    );
    // Delete: the tag goes, the record's labels stay however they are named
    let mut all = json!({ "security": labels });
    all["tag"] = tag["tag"].clone();
    let deleted = api
        .ask("POST", &format!("Condition/{id}/$meta-delete"), meta(all))
        .await;
    let now = &deleted.json["parameter"][0]["valueMeta"];
    assert_eq!(
        (deleted.status, &now["tag"]),
        (200, &Value::Null),
        "{}",
        deleted.json
    );
    assert!(now["security"].to_string().contains("\"R\""), "{now}");
    assert_eq!(now["security"], labels, "the record's own stay");
    assert_eq!(
        api.get(&format!("Condition/{id}/_history/1/$meta"))
            .await
            .json["parameter"][0]["valueMeta"]["tag"],
        Value::Null
    );
    // A version somebody expects, and everything that is wrong, is said
    let stale = api
        .ask_with(
            "POST",
            &format!("Condition/{id}/$meta-add"),
            meta(tag.clone()),
            &[("if-match", "W/\"1\"")],
        )
        .await;
    assert_eq!(stale.status, 412, "{}", stale.json);
    for (body, status) in [
        (None, 415),
        (Some(json!({ "resourceType": "Patient" })), 400),
        (Some(json!({ "resourceType": "Parameters" })), 400),
        (meta(json!({})), 400),
        (meta(json!({ "tag": [{ "display": "no code" }] })), 400),
    ] {
        let answer = api
            .ask("POST", &format!("Condition/{id}/$meta-add"), body.clone())
            .await;
        assert_eq!(answer.status, status, "{body:?}: {}", answer.json);
        assert_eq!(answer.json["resourceType"], "OperationOutcome");
    }
    let other = Api::new(&demo, &["--as", "feed-gp"]);
    assert_eq!(
        other
            .ask(
                "POST",
                &format!("Condition/{id}/$meta-add"),
                meta(tag.clone())
            )
            .await
            .status,
        404
    );
    let reader = Api::new(&demo, &["--as", "feed-hospital", "--scope", "system/*.rs"]);
    assert_eq!(
        reader
            .ask("POST", &format!("Condition/{id}/$meta-delete"), meta(tag))
            .await
            .status,
        403
    );
    let nurse = Api::new(&demo, &["--as", "district-nurse", "--permission", "given"]);
    let refused = nurse.get("$meta").await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "forbidden"),
        "{}",
        refused.json
    );
}

#[tokio::test]
async fn what_is_held_is_validated_where_no_resource_is_sent() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let person = api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    let id = api.kept(&observation("o-1", "w-77", "laboratory")).await;
    let codes = |answer: &Answer| -> Vec<String> {
        let issues = answer.json["issue"].as_array().cloned().unwrap_or_default();
        issues
            .iter()
            .filter(|one| one["severity"] == "error")
            .map(|one| one["code"].as_str().expect("a code").to_owned())
            .collect()
    };
    let mode = |mode: &str| {
        Some(
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "mode", "valueCode": mode }] }),
        )
    };
    let unknown = "http://x.example.org/unknown";
    for (method, path, body, status, expected) in [
        (
            "GET",
            format!("Observation/{id}/$validate"),
            None,
            200,
            vec![],
        ),
        (
            "POST",
            format!("Observation/{id}/$validate"),
            None,
            200,
            vec![],
        ),
        (
            "GET",
            format!("Observation/{id}/$validate?mode=update"),
            None,
            200,
            vec![],
        ),
        (
            "GET",
            format!("Observation/{id}/$validate?mode=create"),
            None,
            200,
            vec!["duplicate"],
        ),
        (
            "GET",
            format!("Observation/{id}/$validate?mode=delete"),
            None,
            200,
            vec![],
        ),
        (
            "POST",
            format!("Observation/{id}/$validate"),
            mode("delete"),
            200,
            vec![],
        ),
        (
            "GET",
            format!("Patient/{person}/$validate?mode=delete"),
            None,
            200,
            vec!["conflict"],
        ),
        (
            "GET",
            format!("Observation/{id}/$validate?profile={unknown}"),
            None,
            200,
            vec!["not-found"],
        ),
        // A profile of blood pressures asks for other codes than this one has
        (
            "GET",
            format!(
                "Observation/{id}/$validate?profile=http://hl7.org/fhir/StructureDefinition/bp&mode=profile"
            ),
            None,
            200,
            vec!["*"],
        ),
        (
            "GET",
            format!("Observation/{id}/$validate?mode=guess"),
            None,
            200,
            vec!["code-invalid"],
        ),
        (
            "GET",
            format!("Observation/{id}/$validate?nonsense=1"),
            None,
            400,
            vec!["not-supported"],
        ),
        (
            "GET",
            "Observation/0000000000000-0000000000000/$validate".to_owned(),
            None,
            404,
            vec!["not-found"],
        ),
        (
            "POST",
            "Observation/$validate".to_owned(),
            None,
            200,
            vec!["required"],
        ),
        (
            "POST",
            "Observation/$validate?mode=create".to_owned(),
            Some(observation("x", "w-77", "laboratory")),
            200,
            vec![],
        ),
        (
            "POST",
            "Nonsense/$validate".to_owned(),
            Some(observation("x", "w-77", "laboratory")),
            404,
            vec!["not-supported"],
        ),
    ] {
        let answer = api.ask(method, &path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.json);
        let found = codes(&answer);
        match expected.as_slice() {
            ["*"] => assert!(!found.is_empty(), "{path}: {}", answer.json),
            expected => assert_eq!(found, expected, "{method} {path}: {}", answer.json),
        }
    }
    // Nobody validates what they may not read
    let other = Api::new(&demo, &["--as", "feed-gp"]);
    assert_eq!(
        other
            .get(&format!("Observation/{id}/$validate"))
            .await
            .status,
        404
    );
    let narrow = Api::new(
        &demo,
        &["--as", "feed-hospital", "--scope", "system/Patient.rs"],
    );
    assert_eq!(
        narrow
            .get(&format!("Observation/{id}/$validate"))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_correction_that_may_be_of_somebody_else_is_asked_of_a_person() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let person = api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    for _ in 0..2 {
        let asked = api.put(&patient("w-77", "9990000077", "1947-02-03")).await;
        assert_eq!(
            (asked.status, asked.code()),
            (409, "conflict"),
            "{}",
            asked.json
        );
        let words = asked.json["issue"][0].to_string();
        assert!(words.contains("data quality officer"), "{words}");
    }
    let held = api.get(&format!("Patient/{person}")).await;
    assert_eq!(held.json["birthDate"], "1974-03-02");
    let by_key = api.get("Patient/w-77").await;
    assert_eq!(by_key.json["id"], person.as_str());
}

#[tokio::test]
async fn a_feeds_answer_says_which_version_each_entry_became() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let bundle = |value: u32| {
        let mut result = observation("o-1", "w-77", "laboratory");
        result["valueQuantity"]["value"] = json!(value);
        let entries: Vec<Value> = [patient("w-77", "9990000077", "1974-03-02"), result]
            .into_iter()
            .map(|one| {
                let url = format!("{}/{}", one["resourceType"].as_str().expect("a type"), one["id"].as_str().expect("an id"));
                json!({ "fullUrl": format!("http://source.example.org/{url}"), "resource": one, "request": { "method": "PUT", "url": url } })
            })
            .collect();
        Some(json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
    };
    let mut times = Vec::new();
    for (value, patient_is, result_is) in [(140, "W/\"1\"", "W/\"1\""), (141, "W/\"1\"", "W/\"2\"")]
    {
        let answer = api.ask("POST", "", bundle(value)).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        for (place, etag) in [(0, patient_is), (1, result_is)] {
            let response = &answer.json["entry"][place]["response"];
            assert_eq!(response["etag"], etag, "{}", answer.json);
            // As a read of it says
            let location = response["location"].as_str().expect("a location");
            let read = api.get(location).await;
            assert_eq!(read.header("etag"), etag);
            assert_eq!(
                read.json["meta"]["lastUpdated"], response["lastModified"],
                "{location}"
            );
            times.push(response["lastModified"].clone());
        }
    }
    assert_eq!(times[0], times[2], "what stays as it was keeps its time");
    assert_ne!(times[1], times[3]);
}

#[tokio::test]
async fn each_letter_of_a_scope_allows_its_own_and_a_query_narrows_what_is_read() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let person = api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    let id = api.kept(&observation("o-1", "w-77", "laboratory")).await;
    let vital = api.kept(&observation("o-2", "w-77", "vital-signs")).await;
    let mut body = observation(&id, &person, "laboratory");
    body["status"] = json!("amended");
    let patch = json!([{ "op": "replace", "path": "/status", "value": "corrected" }]);
    let one = format!("Observation/{id}");
    // What each letter does; DELETE last, as nothing is left after it
    let asked: Vec<(char, &str, String, Option<Value>)> = vec![
        (
            'c',
            "POST",
            "Observation".to_owned(),
            Some(observation("x", "w-77", "laboratory")),
        ),
        ('r', "GET", one.clone(), None),
        ('r', "GET", format!("{one}/_history/1"), None),
        ('r', "GET", format!("{one}/_history"), None),
        ('u', "PUT", one.clone(), Some(body)),
        ('u', "PATCH", one.clone(), Some(patch)),
        (
            'u',
            "POST",
            format!("{one}/$meta-add"),
            meta(json!({ "tag": [{ "code": "a" }] })),
        ),
        ('s', "GET", format!("Observation?_id={id}"), None),
        ('s', "GET", "Observation?code=718-7".to_owned(), None),
        ('d', "DELETE", one.clone(), None),
    ];
    for letter in ['c', 'r', 'u', 's', 'd'] {
        let scope = format!("system/Observation.{letter}");
        let only = Api::new(&demo, &["--as", "feed-hospital", "--scope", &scope]);
        let elsewhere = format!("system/Condition.{letter}");
        let elsewhere = Api::new(&demo, &["--as", "feed-hospital", "--scope", &elsewhere]);
        for (of, method, path, body) in &asked {
            let own = *of == letter;
            let answer = only.ask(method, path, body.clone()).await;
            if own {
                assert!(
                    answer.status < 300,
                    "{letter} {method} {path}: {} {}",
                    answer.status,
                    answer.json
                );
            } else {
                assert_eq!(
                    answer.status, 403,
                    "{letter} {method} {path}: {}",
                    answer.json
                );
                assert_eq!(answer.code(), "forbidden");
            }
            let answer = elsewhere.ask(method, path, body.clone()).await;
            assert_eq!(
                answer.status, 403,
                "{letter} of another type, {method} {path}: {}",
                answer.json
            );
        }
    }
    // A query narrows reading and searching; what does not fit is not there
    let scope = "system/Observation.rs?category=http%3A%2F%2Fterminology.hl7.org%2FCodeSystem%2Fobservation-category%7Cvital-signs";
    let vitals = Api::new(&demo, &["--as", "feed-hospital", "--scope", scope]);
    let laboratory = api.kept(&observation("o-3", "w-77", "laboratory")).await;
    assert_eq!(
        vitals.get(&format!("Observation/{vital}")).await.status,
        200
    );
    assert_eq!(
        vitals
            .get(&format!("Observation/{laboratory}"))
            .await
            .status,
        404
    );
    assert_eq!(
        vitals
            .get(&format!("Observation/{laboratory}/$meta"))
            .await
            .status,
        404
    );
    let found = vitals.get("Observation?_total=accurate").await;
    assert_eq!(found.total(), 1, "{}", found.json);
    assert_eq!(
        vitals
            .get("Observation?category=laboratory&_total=accurate")
            .await
            .total(),
        0
    );
    // So does writing: what is there and what becomes of it must both meet the query
    let scope = scope.replace(".rs?", ".cruds?");
    let writes = Api::new(&demo, &["--as", "feed-hospital", "--scope", &scope]);
    let of = |key: &str, category: &str| Some(observation(key, "w-77", category));
    let patch = |category: &str| {
        Some(json!([{ "op": "replace", "path": "/category/0/coding/0/code", "value": category }]))
    };
    let (lab_path, vital_path) = (
        format!("Observation/{laboratory}"),
        format!("Observation/{vital}"),
    );
    let transaction = |category: &str| {
        let entry = |key: &str, category: &str| {
            let request = json!({ "method": "PUT", "url": format!("Observation/{key}") });
            json!({ "resource": observation(key, "w-77", category), "request": request })
        };
        let entries = [entry("o-8", "vital-signs"), entry("o-9", category)];
        Some(json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
    };
    let before = api.get("Observation?_total=accurate").await.total();
    for (method, path, body, status) in [
        ("POST", "Observation", of("o-4", "laboratory"), 403),
        ("PUT", "Observation/o-5", of("o-5", "laboratory"), 403),
        ("PUT", &lab_path, of(&laboratory, "vital-signs"), 403),
        ("PUT", &vital_path, of(&vital, "laboratory"), 403),
        ("PATCH", &lab_path, patch("vital-signs"), 403),
        ("PATCH", &vital_path, patch("laboratory"), 403),
        ("DELETE", &lab_path, None, 403),
        (
            "DELETE",
            "Observation?category=laboratory&_count=10",
            None,
            403,
        ),
        ("POST", "", transaction("laboratory"), 403),
    ] {
        let answer = writes.ask(method, path, body).await;
        let told = answer.json.to_string();
        assert_eq!(answer.status, status, "{method} {path}: {told}");
        assert_eq!(answer.code(), "forbidden", "{method} {path}: {told}");
        assert!(
            told.contains("narrow this type by a query"),
            "{method} {path}: {told}"
        );
    }
    let after = api.get("Observation?_total=accurate").await.total();
    assert_eq!(after, before, "nothing of it was written");
    for (method, path, body, status) in [
        ("POST", "Observation", of("o-4", "vital-signs"), 201),
        ("PUT", "Observation/o-5", of("o-5", "vital-signs"), 201),
        ("PUT", &vital_path, of(&vital, "vital-signs"), 200),
        ("POST", "", transaction("vital-signs"), 200),
        ("DELETE", &vital_path, None, 204),
    ] {
        let answer = writes.ask(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.json);
    }
    // A query that the type does not have allows nothing
    let scope = "system/Observation.c?nonsense=1";
    let broken = Api::new(&demo, &["--as", "feed-hospital", "--scope", scope]);
    let answer = broken
        .ask("POST", "Observation", of("o-6", "vital-signs"))
        .await;
    assert_eq!(answer.status, 403, "{}", answer.json);
}

#[tokio::test]
async fn codes_and_places_are_found_above_and_below_where_a_hierarchy_is_held() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let person = api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    let icd = |code: &str| json!({ "system": "http://hl7.org/fhir/sid/icd-10", "code": code });
    for (id, clinical, code) in [
        ("c-1", "active", "E11.9"),
        ("c-2", "relapse", "E11.5"),
        ("c-3", "resolved", "E10.9"),
    ] {
        api.kept(&condition(id, "w-77", clinical, icd(code))).await;
    }
    let mut places = Vec::new();
    for (id, above) in [
        ("hospital", None),
        ("wing", Some("hospital")),
        ("ward", Some("wing")),
        ("other", None),
    ] {
        let mut place = json!({ "resourceType": "Location", "id": id, "name": id });
        if let Some(above) = above {
            place["partOf"] = json!({ "reference": format!("Location/{above}") });
        }
        places.push(api.kept(&place).await);
    }
    for (id, place) in [("e-1", "ward"), ("e-2", "wing"), ("e-3", "other")] {
        let encounter = json!({
            "resourceType": "Encounter", "id": id, "status": "finished", "subject": { "reference": "Patient/w-77" },
            "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP" },
            "period": { "start": "2026-01-01", "end": "2026-01-03" },
            "location": [{ "location": { "reference": format!("Location/{place}") } }],
        });
        api.kept(&encounter).await;
    }
    let [hospital, wing, ward, _] = places.as_slice() else {
        panic!("four places")
    };
    const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical%7C";
    const ICD: &str = "http://hl7.org/fhir/sid/icd-10%7C";
    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode%7C";
    for (path, expected) in [
        (
            format!("Condition?clinical-status:below={CLINICAL}active"),
            2,
        ),
        ("Condition?clinical-status:below=active".to_owned(), 2),
        (
            format!("Condition?clinical-status:above={CLINICAL}relapse"),
            2,
        ),
        (
            format!("Condition?clinical-status:above={CLINICAL}active"),
            1,
        ),
        (format!("Condition?code:below={ICD}E11"), 2),
        (format!("Condition?code:below={ICD}E11,{ICD}E10.9"), 3),
        (format!("Condition?code:above={ICD}E11.5"), 1),
        (format!("Encounter?class:below={ACT}_ActEncounterCode"), 3),
        (
            "Condition?clinical-status:in=http://hl7.org/fhir/ValueSet/condition-clinical"
                .to_owned(),
            3,
        ),
        (format!("Encounter?location:below={hospital}"), 2),
        (format!("Encounter?location:below=Location/{wing}"), 2),
        (format!("Encounter?location:below=Location/{ward}"), 1),
        (format!("Encounter?location:above=Location/{ward}"), 2),
        (
            format!("Encounter?patient={person}&location:below=Location/{hospital}"),
            2,
        ),
        (
            format!("Patient?_has:Encounter:patient:location:below=Location/{hospital}"),
            1,
        ),
    ] {
        let found = api.get(&format!("{path}&_total=accurate")).await;
        assert_eq!(
            (found.status, found.total()),
            (200, expected),
            "{path}: {}",
            found.json
        );
    }
    // What is not held is said, strict or lenient, and nothing is found silently
    for path in [
        "Condition?code:below=http://snomed.info/sct%7C73211009",
        "Condition?code:above=73211009",
        "Condition?code:below=http://hl7.org/fhir/sid/icd-10%7C",
        "Condition?code:in=http://x.example.org/none",
        "Condition?subject:below=Patient/1",
        "Encounter?location:below=http://elsewhere.example.org/Location/1",
    ] {
        let refused = api.get(path).await;
        assert_eq!(
            (refused.status, &refused.json["resourceType"]),
            (400, &json!("OperationOutcome")),
            "{path}: {}",
            refused.json
        );
        assert!(
            refused.json["issue"][0]["diagnostics"]
                .as_str()
                .is_some_and(|mend| mend.len() > 5),
            "{}",
            refused.json
        );
    }
    let lenient = [("prefer", "handling=lenient")];
    let path = "Condition?code:below=http://snomed.info/sct%7C73211009";
    assert_eq!(api.ask_with("GET", path, None, &lenient).await.status, 400);
}

#[tokio::test]
async fn a_search_parameter_of_the_deployment_narrows_scopes_exports_and_subscriptions() {
    let demo = Demo::start().await;
    let api = Api::new(&demo, &["--as", "feed-hospital"]);
    let person = api.kept(&patient("w-77", "9990000077", "1974-03-02")).await;
    let mut noted = observation("o-1", "w-77", "laboratory");
    noted["note"] = json!([{ "text": "haemolysed" }]);
    let noted = api.kept(&noted).await;
    let plain = api.kept(&observation("o-2", "w-77", "laboratory")).await;
    let scope = [
        "--as",
        "feed-hospital",
        "--scope",
        "system/Observation.rs?note-text=haemolysed",
    ];
    // Not yet known: the token is told so
    let narrow = Api::new(&demo, &scope);
    assert_eq!(narrow.get("Observation").await.status, 403);
    let own = json!({
        "resourceType": "SearchParameter", "url": "http://x.example.org/note-text", "name": "NoteText", "status": "active",
        "description": "The words of a note", "code": "note-text", "type": "string", "base": ["Observation"],
        "expression": "Observation.note.text",
    });
    let file = demo.data.path().join("note-text.json");
    std::fs::write(&file, own.to_string()).expect("written");
    let added = demo.command(&["search-parameter", "add", file.to_str().expect("a path")]);
    assert!(
        added.status.success(),
        "{}",
        String::from_utf8_lossy(&added.stderr)
    );
    for round in 0.. {
        let found = api
            .get("Observation?note-text=haemolysed&_total=accurate")
            .await;
        if found.status == 200 {
            assert_eq!(found.total(), 1, "{}", found.json);
            break;
        }
        assert!(
            round < 200,
            "not worked in within twenty seconds: {}",
            found.json
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // A granular scope
    for (path, status) in [
        (format!("Observation/{noted}"), 200),
        (format!("Observation/{plain}"), 404),
        (format!("Observation/{plain}/$meta"), 404),
        (format!("Observation/{noted}/$meta"), 200),
    ] {
        let answer = narrow.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.json);
    }
    assert_eq!(narrow.get("Observation?_total=accurate").await.total(), 1);
    // Within one person
    let one = api
        .get(&format!(
            "Observation?patient={person}&note-text=haemolysed"
        ))
        .await;
    assert_eq!(one.total(), 1, "{}", one.json);
    let statement = api.get("metadata").await;
    assert!(statement.json.to_string().contains("note-text"));
    // An export's filter
    let begun = api
        .ask_with(
            "GET",
            "$export?_type=Observation&_typeFilter=Observation%3Fnote-text%3Dhaemolysed",
            None,
            &[("prefer", "respond-async")],
        )
        .await;
    assert_eq!(begun.status, 202, "{}", begun.json);
    let place = begun.header("content-location").to_owned();
    let job = place.rsplit('/').next().expect("a job").to_owned();
    for round in 0.. {
        let state = api.get(&format!("$export-status/{job}")).await;
        if state.status == 200 {
            assert_eq!(state.json["output"][0]["count"], 1, "{}", state.json);
            break;
        }
        assert!(
            state.status == 202 && round < 200,
            "{} {}",
            state.status,
            state.json
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // A subscription's filter
    let extension = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-";
    let subscription = json!({
        "resourceType": "Subscription", "status": "requested", "reason": "to be told",
        "criteria": format!("{}/fhir/R4/SubscriptionTopic/changed", demo.base),
        "_criteria": { "extension": [{ "url": format!("{extension}filter-criteria"), "valueString": "Observation?note-text=haemolysed" }] },
        "channel": { "type": "websocket", "payload": "application/fhir+json",
            "_payload": { "extension": [{ "url": format!("{extension}payload-content"), "valueCode": "id-only" }] } },
    });
    let made = api.ask("POST", "Subscription", Some(subscription)).await;
    assert_eq!(made.status, 201, "{}", made.json);
    let id = made.json["id"].as_str().expect("an id").to_owned();
    for (key, words) in [("o-3", "haemolysed"), ("o-4", "clear")] {
        let mut result = observation(key, "w-77", "laboratory");
        result["note"] = json!([{ "text": words }]);
        api.kept(&result).await;
    }
    for round in 0.. {
        let events = api.get(&format!("Subscription/{id}/$events")).await;
        let told = events.json["entry"][0]["resource"]["parameter"]
            .as_array()
            .map_or(0, |all| {
                all.iter()
                    .filter(|one| one["name"] == "notification-event")
                    .count()
            });
        assert!(told < 2, "{}", events.json);
        if told == 1 {
            break;
        }
        assert!(
            round < 200,
            "not told within twenty seconds: {}",
            events.json
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
