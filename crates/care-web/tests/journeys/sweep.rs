//! The CapabilityStatement says only what runs: every interaction, search parameter and include it lists is
//! exercised on every type, on samples made from the definitions, and what it does not list is refused.
//!
//! What went wrong is printed line by line; a line is the type, what was asked, and what came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use care_core::fhir::search::{IndexValue, ParameterKind, Parameters, extract};
use care_core::fhir::{Json, Limits, ResourceType};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::rig::Demo;
use crate::sample::{any_value, asked, own_id, samples};

/// Types that are swept by a test of their own.
const ELSEWHERE: [&str; 2] = ["AuditEvent", "Subscription"];
const AT_ONCE: usize = 6;

/// What goes over the wire.
struct Wire {
    base: String,
    token: String,
    http: reqwest::Client,
    wrong: Mutex<Vec<String>>,
    asked: Mutex<BTreeMap<&'static str, usize>>,
}

/// What came back.
struct Came {
    status: u16,
    etag: Option<String>,
    body: Value,
}

impl Wire {
    fn wrong(&self, words: String) {
        self.wrong.lock().expect("a lock").push(words);
    }

    fn count(&self, what: &'static str) {
        *self.asked.lock().expect("a lock").entry(what).or_default() += 1;
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, String)>,
    ) -> Came {
        let method: Method = method.parse().expect("a method");
        let address = format!("{}/fhir/R4/{path}", self.base);
        let mut request = self.http.request(method, address).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        read(request.send().await.expect("an answer")).await
    }

    async fn get(&self, path: &str) -> Came {
        self.send("GET", path, &[], None).await
    }

    async fn put(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Came {
        let body = Some(("application/fhir+json", body.to_string()));
        self.send("PUT", path, headers, body).await
    }
}

async fn read(answer: Response) -> Came {
    let status = answer.status().as_u16();
    let etag = answer
        .headers()
        .get("etag")
        .and_then(|value| value.to_str().ok());
    let etag = etag.map(str::to_owned);
    let text = answer.text().await.unwrap_or_default();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Came { status, etag, body }
}

impl Came {
    fn ids(&self) -> Vec<&str> {
        let entries = self.body["entry"].as_array();
        let ids = entries.into_iter().flatten();
        ids.filter_map(|one| one["resource"]["id"].as_str())
            .collect()
    }

    /// What an OperationOutcome says.
    fn words(&self) -> String {
        let text = &self.body["issue"][0];
        format!("{} {}", text["details"]["text"], text["diagnostics"])
    }
}

/// A type as the statement lists it.
struct Listed {
    kind: ResourceType,
    interactions: Vec<String>,
    parameters: Vec<(String, String)>,
    includes: Vec<String>,
    reverse: Vec<String>,
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

fn listed(statement: &Value) -> Vec<Listed> {
    let all = statement["rest"][0]["resource"]
        .as_array()
        .expect("resources");
    all.iter()
        .map(|one| Listed {
            kind: ResourceType::from_name(one["type"].as_str().expect("a type")).expect("a type"),
            interactions: one["interaction"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one["code"].as_str().map(str::to_owned))
                .collect(),
            parameters: one["searchParam"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| {
                    let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                    (text("name"), text("type"))
                })
                .collect(),
            includes: texts(&one["searchInclude"]),
            reverse: texts(&one["searchRevInclude"]),
        })
        .collect()
}

/// A sample that is on the server: its id there, and the values it is found by.
struct Seeded {
    id: String,
    sample: Value,
    values: Vec<(u32, IndexValue)>,
}

async fn seed(wire: &Wire, kind: ResourceType) -> Vec<Seeded> {
    let mut seeded = Vec::new();
    for sample in samples(kind) {
        let own = sample["id"].as_str().expect("an id").to_owned();
        let came = wire.put(&format!("{kind}/{own}"), &sample, &[]).await;
        if came.status != 201 {
            let words = came.words();
            wire.wrong(format!(
                "{kind} update-as-create {own}: {} {words}",
                came.status
            ));
            continue;
        }
        let back = wire.get(&format!("{kind}/{own}")).await;
        let Some(id) = back.body["id"].as_str().map(str::to_owned) else {
            wire.wrong(format!(
                "{kind} read {own}: {} {}",
                back.status,
                back.words()
            ));
            continue;
        };
        let text = back.body.to_string();
        let json = Json::parse(text.as_bytes(), Limits::default()).expect("JSON");
        let values = extract(&json, Parameters::r4());
        seeded.push(Seeded { id, sample, values });
    }
    seeded
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Searches, and says what was wrong. `expected` says whether this id must be among what is found.
async fn search(
    wire: &Wire,
    kind: ResourceType,
    pairs: &[(&str, &str)],
    expected: Option<(&str, bool)>,
) {
    wire.count("searches");
    let mut pairs = pairs.to_vec();
    if let Some((id, true)) = expected
        && kind == ResourceType::PROVENANCE
        && !pairs.iter().any(|(name, _)| *name == "_id")
    {
        // There is one for everything that was written, more than a page holds.
        pairs.push(("_id", id));
    }
    let query = encoded(&[pairs.as_slice(), &[("_count", "500")]].concat());
    let came = wire.get(&format!("{kind}?{query}")).await;
    let is_bundle = came.body["resourceType"] == "Bundle" && came.body["type"] == "searchset";
    if came.status != 200 || !is_bundle {
        wire.wrong(format!("{kind}?{query}: {} {}", came.status, came.words()));
        return;
    }
    if let Some((id, should)) = expected
        && came.ids().contains(&id) != should
    {
        let word = if should { "is not found" } else { "is found" };
        wire.wrong(format!(
            "{kind}?{query}: {id} {word} among {}",
            came.ids().len()
        ));
    }
}

async fn parameters(wire: &Wire, one: &Listed, seeded: &[Seeded]) {
    let Some(first) = seeded.first() else { return };
    for (name, kind) in &one.parameters {
        wire.count("parameters");
        let Some(parameter) = Parameters::r4().find(Some(one.kind), name) else {
            // The parameters that look at text as a whole.
            search(wire, one.kind, &[(name, "zzyzx")], Some((&first.id, false))).await;
            continue;
        };
        assert_eq!(parameter.kind.code(), kind, "{}.{name}", one.kind);
        let found = seeded
            .iter()
            .find_map(|one| Some((one, asked(parameter, &one.values)?)));
        match &found {
            Some((holder, value)) => {
                search(wire, one.kind, &[(name, value)], Some((&holder.id, true))).await;
                let missing = format!("{name}:missing");
                if parameter.kind != ParameterKind::Special {
                    search(
                        wire,
                        one.kind,
                        &[(&missing, "true")],
                        Some((&holder.id, false)),
                    )
                    .await;
                    search(
                        wire,
                        one.kind,
                        &[(&missing, "false")],
                        Some((&holder.id, true)),
                    )
                    .await;
                }
                let (modifier, value) = match parameter.kind {
                    ParameterKind::String => (":exact", value.as_str()),
                    ParameterKind::Token => (":not", value.as_str()),
                    ParameterKind::Uri => (":below", value.as_str()),
                    _ => continue,
                };
                let named = format!("{name}{modifier}");
                let should = parameter.kind != ParameterKind::Token;
                search(
                    wire,
                    one.kind,
                    &[(&named, value)],
                    Some((&holder.id, should)),
                )
                .await;
            }
            None => {
                let value = match name.as_str() {
                    "code-value-date" => "zzyzx$1901-02-03",
                    _ => any_value(parameter.kind),
                };
                search(wire, one.kind, &[(name, value)], Some((&first.id, false))).await;
            }
        }
    }
    search(
        wire,
        one.kind,
        &[("_sort", "-_lastUpdated")],
        Some((&first.id, true)),
    )
    .await;
    let unknown = wire.get(&format!("{}?colour=red", one.kind)).await;
    if unknown.status != 400 || unknown.body["resourceType"] != "OperationOutcome" {
        wire.wrong(format!("{}?colour=red: {}", one.kind, unknown.status));
    }
}

async fn includes(wire: &Wire, one: &Listed, seeded: &[Seeded]) {
    let Some(first) = seeded.first() else { return };
    let of_all = one.includes.iter().map(|name| ("_include", name));
    let of_all = of_all.chain(one.reverse.iter().map(|name| ("_revinclude", name)));
    for (which, name) in of_all {
        wire.count("includes");
        let pairs = [("_id", first.id.as_str()), (which, name)];
        search(wire, one.kind, &pairs, Some((&first.id, true))).await;
    }
}

/// Every interaction that is listed, one after another, on a resource of its own.
async fn interactions(wire: &Wire, one: &Listed, seeded: &[Seeded]) {
    let (Some(first), kind) = (seeded.first(), one.kind) else {
        return;
    };
    let has = |code: &str| one.interactions.iter().any(|listed| listed == code);
    let expect = |what: &str, came: &Came, expected: &[u16]| {
        wire.count("interactions");
        if !expected.contains(&came.status) {
            wire.wrong(format!("{kind} {what}: {} {}", came.status, came.words()));
        }
    };
    let here = format!("{kind}/{}", first.id);
    if has("read") {
        let came = wire.get(&here).await;
        expect("read", &came, &[200]);
        let etag = came.etag.unwrap_or_default();
        let again = wire
            .send("GET", &here, &[("if-none-match", &etag)], None)
            .await;
        expect("conditional read", &again, &[304]);
        expect(
            "read of nothing",
            &wire.get(&format!("{kind}/nothing-here")).await,
            &[404],
        );
    }
    if has("vread") {
        expect(
            "vread",
            &wire.get(&format!("{here}/_history/1")).await,
            &[200],
        );
    }
    for (code, path) in [
        ("history-instance", format!("{here}/_history")),
        ("history-type", format!("{kind}/_history")),
    ] {
        if has(code) {
            let came = wire.get(&path).await;
            expect(code, &came, &[200]);
            if came.status == 200 && came.body["type"] != "history" {
                wire.wrong(format!(
                    "{kind} {code}: a Bundle of type {}",
                    came.body["type"]
                ));
            }
        }
    }
    if has("search-type") {
        let form = Some((
            "application/x-www-form-urlencoded",
            encoded(&[("_id", &first.id)]),
        ));
        let came = wire
            .send("POST", &format!("{kind}/_search"), &[], form)
            .await;
        expect("search by POST", &came, &[200]);
        if !came.ids().contains(&first.id.as_str()) {
            wire.wrong(format!("{kind} search by POST: not found"));
        }
    }
    writes(wire, one, first, &expect).await;
}

async fn writes(wire: &Wire, one: &Listed, first: &Seeded, expect: &impl Fn(&str, &Came, &[u16])) {
    let kind = one.kind;
    let has = |code: &str| one.interactions.iter().any(|listed| listed == code);
    let patch = json!([{ "op": "add", "path": "/language", "value": "en-GB" }]);
    let patch = || Some(("application/json-patch+json", patch.to_string()));
    let own = own_id(kind.name(), 99);
    let place = format!("{kind}/{own}");
    let mut body = first.sample.clone();
    body["id"] = own.as_str().into();
    if kind == ResourceType::PATIENT {
        // Another number: the person is somebody else.
        body["identifier"][0]["value"] = "9990000077".into();
    }
    if has("update") {
        let came = wire.put(&place, &body, &[]).await;
        expect("update as create", &came, &[201]);
        body["language"] = "cy".into();
        let etag = wire.get(&place).await.etag.unwrap_or_default();
        expect(
            "update",
            &wire.put(&place, &body, &[("if-match", &etag)]).await,
            &[200],
        );
        let late = wire.put(&place, &body, &[("if-match", &etag)]).await;
        expect("update of another version", &late, &[412]);
    }
    if has("patch") {
        expect(
            "patch",
            &wire.send("PATCH", &place, &[], patch()).await,
            &[200],
        );
        let back = wire.get(&place).await;
        if back.body["language"] != "en-GB" {
            wire.wrong(format!("{kind} patch: changed nothing"));
        }
    }
    let query = format!(
        "{kind}?_id={}",
        wire.get(&place).await.body["id"].as_str().unwrap_or("none")
    );
    if has("update") {
        let mut whole = wire.get(&place).await.body;
        whole["language"] = "fr".into();
        expect(
            "conditional update",
            &wire.put(&query, &whole, &[]).await,
            &[200],
        );
    }
    if has("patch") {
        expect(
            "conditional patch",
            &wire.send("PATCH", &query, &[], patch()).await,
            &[200],
        );
    }
    if has("create") {
        let mut fresh = body.clone();
        fresh.as_object_mut().expect("members").remove("id");
        let json = || Some(("application/fhir+json", fresh.to_string()));
        let condition = query.split_once('?').map_or("", |(_, query)| query);
        let came = wire
            .send("POST", kind.name(), &[("if-none-exist", condition)], json())
            .await;
        expect("conditional create", &came, &[200]);
        if kind != ResourceType::PATIENT {
            expect(
                "create",
                &wire.send("POST", kind.name(), &[], json()).await,
                &[201],
            );
        }
    }
    if has("delete") {
        expect(
            "delete",
            &wire.send("DELETE", &place, &[], None).await,
            &[200, 204],
        );
        expect("read of what was deleted", &wire.get(&place).await, &[410]);
        expect(
            "delete again",
            &wire.send("DELETE", &place, &[], None).await,
            &[200, 204],
        );
        let nothing = format!("{kind}?_id=nothing-here");
        expect(
            "conditional delete",
            &wire.send("DELETE", &nothing, &[], None).await,
            &[200, 204, 404],
        );
    }
}

/// What a type does not list is refused.
async fn refused(wire: &Wire, one: &Listed) {
    let kind = one.kind;
    let has = |code: &str| one.interactions.iter().any(|listed| listed == code);
    let body = || {
        Some((
            "application/fhir+json",
            json!({ "resourceType": kind.name() }).to_string(),
        ))
    };
    for (code, method, path) in [
        ("create", "POST", kind.name().to_owned()),
        ("update", "PUT", format!("{kind}/x-1")),
        ("delete", "DELETE", format!("{kind}/x-1")),
        ("patch", "PATCH", format!("{kind}/x-1")),
    ] {
        if has(code) {
            continue;
        }
        wire.count("refusals");
        let came = wire.send(method, &path, &[], body()).await;
        if came.status < 400 || came.body["resourceType"] != "OperationOutcome" {
            wire.wrong(format!(
                "{kind} {code} is not listed and answers {}",
                came.status
            ));
        }
    }
}

async fn sweep(wire: &Wire, all: Vec<Listed>) {
    // People first, so that whatever is about one finds them.
    let mut seeded = BTreeMap::new();
    seeded.insert("Patient", seed(wire, ResourceType::PATIENT).await);
    for one in &all {
        let name = one.kind.name();
        if name != "Patient" && !ELSEWHERE.contains(&name) {
            seeded.insert(name, seed(wire, one.kind).await);
        }
    }
    let none = Vec::new();
    for round in all.chunks(AT_ONCE) {
        let each = round.iter().map(|one| async {
            let seeded = seeded.get(one.kind.name()).unwrap_or(&none);
            refused(wire, one).await;
            parameters(wire, one, seeded).await;
            includes(wire, one, seeded).await;
            interactions(wire, one, seeded).await;
        });
        let mut tasks: Vec<_> = each.map(Box::pin).collect();
        join(&mut tasks).await;
    }
}

/// Runs them side by side to their end.
async fn join<F: Future<Output = ()>>(tasks: &mut [std::pin::Pin<Box<F>>]) {
    use std::task::Poll;
    let mut done = vec![false; tasks.len()];
    std::future::poll_fn(|context| {
        for (task, done) in tasks.iter_mut().zip(&mut done) {
            if !*done {
                *done = task.as_mut().poll(context).is_ready();
            }
        }
        if done.iter().all(|one| *one) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn system(wire: &Wire, statement: &Value) {
    let all = statement["rest"][0]["interaction"]
        .as_array()
        .expect("interactions");
    for one in all {
        let code = one["code"].as_str().expect("a code");
        wire.count("interactions");
        let bundle = |kind: &str| {
            let body = json!({ "resourceType": "Bundle", "type": kind, "entry": [{
                "resource": { "resourceType": "Basic", "id": "sweep-in-a-bundle", "code": { "text": "b" },
                    "subject": { "reference": format!("Patient/{}", own_id("Patient", 0)) } },
                "request": { "method": "PUT", "url": "Basic/sweep-in-a-bundle" },
            }]});
            Some(("application/fhir+json", body.to_string()))
        };
        let (came, expected) = match code {
            "transaction" => (
                wire.send("POST", "", &[], bundle("transaction")).await,
                "transaction-response",
            ),
            "batch" => (
                wire.send("POST", "", &[], bundle("batch")).await,
                "batch-response",
            ),
            "search-system" => (wire.get("?_type=Patient,Basic&_count=5").await, "searchset"),
            "history-system" => (wire.get("_history?_count=5").await, "history"),
            other => panic!("the sweep does not know {other}"),
        };
        if came.status != 200 || came.body["type"] != expected {
            wire.wrong(format!("system {code}: {} {}", came.status, came.words()));
        }
    }
    for (path, what) in [
        ("Nothing?_id=1", "a type R4 has not"),
        ("Patient/$invented", "an operation nobody has"),
    ] {
        wire.count("refusals");
        let came = wire.get(path).await;
        if came.status < 400 {
            wire.wrong(format!("{what} answers {}", came.status));
        }
    }
}

#[tokio::test]
async fn everything_the_capability_statement_lists_runs_and_nothing_else_does() {
    let demo = Demo::start().await;
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .expect("a client");
    let wire = Arc::new(Wire {
        base: demo.base.clone(),
        token: demo.token(&["--as", "feed-hospital"]),
        http,
        wrong: Mutex::default(),
        asked: Mutex::default(),
    });
    let began = std::time::Instant::now();
    let statement = wire.get("metadata").await.body;
    let all = listed(&statement);
    assert!(all.len() > 100, "{}", all.len());
    sweep(&wire, all).await;
    system(&wire, &statement).await;
    let asked = wire.asked.lock().expect("a lock").clone();
    let wrong = wire.wrong.lock().expect("a lock").clone();
    println!(
        "sweep: {asked:?} in {:.1} s; {} wrong",
        began.elapsed().as_secs_f64(),
        wrong.len()
    );
    for line in &wrong {
        println!("sweep: {line}");
    }
    assert!(!demo.log().contains("panicked"), "{}", demo.log());
    assert!(wrong.is_empty(), "{} wrong", wrong.len());
}
