//! Bad input over HTTP, by a source's token and by a person's: every row is refused with an
//! OperationOutcome that says where and how to mend it, in bounded time and memory, and nothing of it is
//! kept. Prints what each cost.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rows::Engine;
use super::world::{Ground, Server};

/// Most time and memory one row may cost. Debug builds on a busy machine stay far below.
const MOST_SECONDS: u64 = 60;
const MOST_MEGABYTES: u64 = 700;

#[derive(Clone, Copy, PartialEq)]
enum By {
    Source,
    Person,
    Both,
}

/// What is expected.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// 4xx, with the place.
    RefusedWithPlace,
    /// 4xx.
    Refused,
    /// Either all of it is done or nothing.
    WholeOrNothing,
    /// An answer.
    Answered,
}

struct Row {
    name: &'static str,
    by: By,
    method: &'static str,
    path: String,
    kind: &'static str,
    body: Vec<u8>,
    then: Then,
}

fn get(name: &'static str, path: impl Into<String>) -> Row {
    Row {
        name,
        by: By::Both,
        method: "GET",
        path: path.into(),
        kind: "",
        body: Vec::new(),
        then: Then::RefusedWithPlace,
    }
}

fn send(name: &'static str, method: &'static str, path: &str, body: impl Into<Vec<u8>>) -> Row {
    Row {
        name,
        by: By::Source,
        method,
        path: path.into(),
        kind: "application/fhir+json",
        body: body.into(),
        then: Then::Refused,
    }
}

impl Row {
    fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    fn xml(mut self) -> Self {
        self.kind = "application/fhir+xml";
        self
    }

    fn by(mut self, by: By) -> Self {
        self.by = by;
        self
    }
}

fn basic(key: &str, text: &str) -> Value {
    json!({"resourceType": "Basic", "id": key, "code": {"text": text}, "subject": {"reference": "Patient/ring"}})
}

fn bundle(kind: &str, entries: usize) -> Vec<u8> {
    let all: Vec<Value> = (0..entries)
        .map(|number| {
            let key = format!("many-{number}");
            json!({"resource": basic(&key, "one of many"), "request": {"method": "PUT", "url": format!("Basic/{key}")}})
        })
        .collect();
    json!({"resourceType": "Bundle", "type": kind, "entry": all})
        .to_string()
        .into_bytes()
}

const PERSON: &str = "patient=0000000000000";

fn rows() -> Vec<Row> {
    let observation = |rest: &str| format!("Observation?{PERSON}&{rest}");
    let entities = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><Basic xmlns=\"http://hl7.org/fhir\"><id value=\"bomb\"/><code><text value=\"&c;\"/></code></Basic>";
    let outside = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><Basic xmlns=\"http://hl7.org/fhir\"><id value=\"bomb\"/><code><text value=\"&a;\"/></code></Basic>";
    let deep = |open: &str, close: &str, times: usize| {
        let mut text = String::from("{\"resourceType\":\"Basic\",\"id\":\"bomb\",\"extension\":");
        text.push_str(&open.repeat(times));
        text.push('1');
        text.push_str(&close.repeat(times));
        text.push('}');
        text.into_bytes()
    };
    let number = |text: &str| {
        format!("{{\"resourceType\":\"Observation\",\"id\":\"bomb\",\"status\":\"final\",\"code\":{{\"text\":\"x\"}},\"subject\":{{\"reference\":\"Patient/ring\"}},\"valueQuantity\":{{\"value\":{text}}}}}").into_bytes()
    };
    let many: String = (0..300).map(|number| format!("&code=a{number}")).collect();
    let values = "a,".repeat(5_000);
    vec![
        get("unknown parameter", observation("colour=red")),
        get("unknown modifier", observation("code:loudly=x")),
        get("malformed date", observation("date=2024-13-45")),
        get("malformed number", "RiskAssessment?patient=0000000000000&probability=many"),
        get("malformed quantity", observation("value-quantity=heavy")),
        get("chain that does not exist", observation("subject:Patient.shoe=9")),
        get("chain over no reference", observation("code.name=x")),
        get("chain that is too long", observation("encounter.part-of.part-of.part-of.part-of.status=x")),
        get("_has of nothing", format!("Encounter?{PERSON}&_has:Nothing:x:y=1")),
        get("_has that is cut", format!("Encounter?{PERSON}&_has:Observation=1")),
        get("include of nothing", observation("_include=Nothing:x")),
        get("include of no reference", observation("_include=Observation:code")),
        get("sort by nothing", observation("_sort=-nothing")),
        get("_count=-1", observation("_count=-1")),
        get("_count of letters", observation("_count=lots")),
        get("_count beyond numbers", observation("_count=99999999999999999999999")),
        get("_total of nothing", observation("_total=perhaps")),
        get("three hundred parameters", observation(&many)),
        get("five thousand values", observation(&format!("code={values}"))),
        get("page token of nobody", observation("_page=AAAA")),
        get("_since that is no time", "_history?_since=yesterday").by(By::Source),
        get("type of nothing", "Nothing?x=y").then(Then::Refused),
        get("id with path characters", "Basic/..%2F..%2Fetc%2Fpasswd").then(Then::Refused),
        get("id with percent escapes", "Basic/%25%32%65%00").then(Then::Refused),
        get("id with quotes", "Basic/a'%22%3B--").then(Then::Refused),
        get("id that is too long", format!("Basic/{}", "a".repeat(3_000))).then(Then::Refused),
        get("version of letters", "Basic/abc/_history/latest").then(Then::Refused),
        get("compartment of nothing", "Basic/abc/Observation").then(Then::Refused),
        send("put to an id with path characters", "PUT", "Basic/..%2Fbomb", basic("bomb", "x").to_string()),
        send("address and body disagree", "PUT", "Basic/bomb", basic("other", "x").to_string()),
        send("type and body disagree", "PUT", "Observation/bomb", basic("bomb", "x").to_string()),
        send("no JSON", "PUT", "Basic/bomb", "{\"resourceType\":\"Basic\",\"id\":\"bomb\""),
        send("no UTF-8", "PUT", "Basic/bomb", b"{\"resourceType\":\"Basic\",\"id\":\"bomb\",\"code\":{\"text\":\"\xff\xfe\"}}".to_vec()),
        send("resource of 20 MB", "PUT", "Basic/bomb", basic("bomb", &"x".repeat(20 << 20)).to_string()),
        send("JSON nested 100,000 deep", "PUT", "Basic/bomb", deep("[", "]", 100_000)),
        send("JSON objects nested 100,000 deep", "PUT", "Basic/bomb", deep("{\"a\":", "}", 100_000)),
        send("a number of a million digits", "PUT", "Observation/bomb", number(&"9".repeat(1_000_000))).then(Then::WholeOrNothing),
        send("a number with a huge exponent", "PUT", "Observation/bomb", number("1e999999999")).then(Then::WholeOrNothing),
        send("XML entities that expand", "PUT", "Basic/bomb", entities).xml(),
        send("XML entities from outside", "PUT", "Basic/bomb", outside).xml(),
        send("XML nested 100,000 deep", "PUT", "Basic/bomb", format!("<Basic xmlns=\"http://hl7.org/fhir\">{}{}</Basic>", "<extension>".repeat(100_000), "</extension>".repeat(100_000))).xml(),
        send("Bundle of 50,000 entries", "POST", "", bundle("transaction", 50_000)).then(Then::WholeOrNothing),
        send("batch of 50,000 entries", "POST", "", bundle("batch", 50_000)).then(Then::Answered),
        send("a person who writes", "PUT", "Basic/bomb", basic("bomb", "x").to_string()).by(By::Person),
        get("includes in a ring", "Observation?_id=RING&_include:iterate=Observation:has-member&_revinclude:iterate=Observation:has-member").by(By::Source).then(Then::Answered),
    ]
}

/// How many rows do not hold.
pub async fn judge(binary: &Path, under: &Path) -> usize {
    let Some(ground) = Ground::new(Engine::Sqlite, (binary, binary), under) else {
        return 0;
    };
    let world = ground.empty("bad");
    let server = world.serve(0);
    let source = server.token(&["--as", "feed-hospital"]);
    let person = server.token(&["--as", "district-nurse", "--permission", "given"]);
    let http = reqwest::Client::new();
    let ring = ring(&http, &server, &source).await;
    let mut wrong = 0;
    println!(
        "{:36} {:>7} {:>6} {:>9} {:>9}  said",
        "input", "by", "status", "took", "memory"
    );
    for row in rows() {
        for (name, by, token) in [
            ("source", By::Source, &source),
            ("person", By::Person, &person),
        ] {
            if row.by != By::Both && row.by != by {
                continue;
            }
            server.forget_peak();
            let before = server.memory_kb("VmRSS");
            let begun = Instant::now();
            let path = row.path.replace("RING", &ring);
            let slash = if path.is_empty() { "" } else { "/" };
            let address = format!("{}/fhir/R4{slash}{path}", server.base);
            let mut asked = http
                .request(row.method.parse().expect("a method"), address)
                .bearer_auth(token)
                .timeout(Duration::from_secs(240));
            if !row.kind.is_empty() {
                asked = asked.header("content-type", row.kind);
            }
            let (status, text) = match asked.body(row.body.clone()).send().await {
                Ok(answer) => (
                    answer.status().as_u16(),
                    answer.text().await.unwrap_or_default(),
                ),
                Err(error) => (0, format!("no answer: {error}")),
            };
            let took = begun.elapsed();
            let more = server.memory_kb("VmHWM").saturating_sub(before) >> 10;
            let fault = fault(&row, status, &text, took, more);
            let said = fault.clone().unwrap_or_else(|| told(&text));
            println!(
                "{:36} {name:>7} {status:>6} {:>6} ms {more:>6} MB  {}{said}",
                row.name,
                took.as_millis(),
                if fault.is_some() { "WRONG: " } else { "" }
            );
            wrong += usize::from(fault.is_some());
        }
    }
    for key in ["bomb", "other"] {
        for kind in ["Basic", "Observation"] {
            let address = format!("{}/fhir/R4/{kind}/{key}", server.base);
            let answer = http
                .get(address)
                .bearer_auth(&source)
                .send()
                .await
                .expect("an answer");
            let is_kept = answer.status().is_success();
            // The one with a huge exponent may have been taken whole.
            if is_kept && kind == "Basic" {
                println!("WRONG: {kind}/{key} was kept");
                wrong += 1;
            }
        }
    }
    server.stop();
    wrong
}

/// Two Observations that name each other; the id of the first.
async fn ring(http: &reqwest::Client, server: &Server, token: &str) -> String {
    let one = |key: &str, other: &str| {
        json!({"resource": {"resourceType": "Observation", "id": key, "status": "final", "code": {"text": "ring"},
            "subject": {"reference": "Patient/ring"},
            "hasMember": [{"reference": format!("Observation/{other}")}]},
            "request": {"method": "PUT", "url": format!("Observation/{key}")}})
    };
    let patient = json!({"resource": {"resourceType": "Patient", "id": "ring",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"family": "Ring", "given": ["Round"]}], "birthDate": "1950-02-03", "gender": "female"},
        "request": {"method": "PUT", "url": "Patient/ring"}});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction",
        "entry": [patient, one("ring-one", "ring-two"), one("ring-two", "ring-one")]});
    let answer = http
        .post(format!("{}/fhir/R4", server.base))
        .bearer_auth(token)
        .header("content-type", "application/fhir+json")
        .body(bundle.to_string())
        .send()
        .await
        .expect("an answer");
    let said = answer.text().await.expect("a body");
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    let location = answer["entry"][1]["response"]["location"]
        .as_str()
        .unwrap_or_default();
    let id = location.split("Observation/").nth(1).unwrap_or_default();
    assert!(!id.is_empty(), "{said}");
    id.split('/').next().unwrap_or_default().to_owned()
}

/// What is not as it must be.
fn fault(row: &Row, status: u16, text: &str, took: Duration, more: u64) -> Option<String> {
    if took > Duration::from_secs(MOST_SECONDS) {
        return Some("it took too long".to_owned());
    }
    if more > MOST_MEGABYTES {
        return Some("it took too much memory".to_owned());
    }
    if status == 0 || status >= 500 {
        return Some(told(text));
    }
    let is_refused = (400..500).contains(&status);
    match row.then {
        Then::Answered if status == 200 => None,
        Then::WholeOrNothing if (200..300).contains(&status) => None,
        _ if !is_refused => Some(format!("it was answered {status}")),
        then => {
            let outcome: Value = serde_json::from_str(text).unwrap_or_default();
            let issue = &outcome["issue"][0];
            let is_outcome = outcome["resourceType"] == "OperationOutcome"
                && issue["severity"].is_string()
                && issue["code"].is_string();
            let has_words =
                issue["diagnostics"].is_string() || issue["details"]["text"].is_string();
            let has_place = issue["expression"].is_array() || issue["location"].is_array();
            if !is_outcome || !has_words {
                return Some(format!("no OperationOutcome in words: {}", cut(text)));
            }
            (then == Then::RefusedWithPlace && !has_place)
                .then(|| format!("no place: {}", cut(text)))
        }
    }
}

fn told(text: &str) -> String {
    let outcome: Value = serde_json::from_str(text).unwrap_or_default();
    let issue = &outcome["issue"][0];
    let words = [&issue["details"]["text"], &issue["diagnostics"]];
    let said: Vec<&str> = words.iter().filter_map(|one| one.as_str()).collect();
    if said.is_empty() {
        cut(text)
    } else {
        cut(&said.join(" | "))
    }
}

fn cut(text: &str) -> String {
    text.chars().take(140).collect()
}
