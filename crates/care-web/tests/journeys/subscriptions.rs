//! Sources are told what changed of their own items: by rest-hook and by websocket, in order, at least once,
//! and nobody else is called.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::Demo;

const EXTENSION: &str =
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-";

/// What a hook heard, and what it answers.
#[derive(Default)]
struct Heard {
    bodies: Mutex<Vec<Value>>,
    secrets: Mutex<Vec<String>>,
    refuse: Mutex<bool>,
}

async fn hear(State(heard): State<Arc<Heard>>, headers: HeaderMap, body: String) -> StatusCode {
    if *heard.refuse.lock().expect("a lock") {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let secret = headers
        .get("x-secret")
        .and_then(|value| value.to_str().ok());
    let mut secrets = heard.secrets.lock().expect("a lock");
    secrets.push(secret.unwrap_or_default().to_owned());
    let body = serde_json::from_str(&body).expect("JSON");
    heard.bodies.lock().expect("a lock").push(body);
    StatusCode::OK
}

/// A hook on this machine, with its address.
async fn hook() -> (Arc<Heard>, String) {
    let heard = Arc::new(Heard::default());
    let app = Router::new()
        .route("/told", post(hear))
        .with_state(heard.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
    (heard, format!("http://localhost:{port}/told"))
}

fn subscription(demo: &Demo, filter: &str, content: &str, channel: Value) -> Value {
    let mut channel = channel;
    channel["payload"] = "application/fhir+json".into();
    channel["_payload"] = json!({ "extension": [{ "url": format!("{EXTENSION}payload-content"), "valueCode": content }] });
    json!({
        "resourceType": "Subscription", "status": "requested", "reason": "to keep a list up to date",
        "criteria": format!("{}/fhir/R4/SubscriptionTopic/changed", demo.base),
        "_criteria": { "extension": [{ "url": format!("{EXTENSION}filter-criteria"), "valueString": filter }] },
        "channel": channel,
    })
}

struct Source<'d> {
    demo: &'d Demo,
    token: String,
    http: reqwest::Client,
}

impl<'d> Source<'d> {
    fn new(demo: &'d Demo, feed: &str) -> Self {
        Self {
            demo,
            token: demo.token(&["--as", feed]),
            http: reqwest::Client::new(),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let address = format!("{}/fhir/R4/{path}", self.demo.base);
        let mut request = self.http.request(method, address).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/fhir+json")
                .body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Sends a patient with this phone number: a new version each time.
    async fn send(&self, id: &str, number: &str, gender: &str, phone: u32) {
        let body = json!({
            "resourceType": "Patient", "id": id, "gender": gender, "birthDate": "1974-03-02",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number }],
            "name": [{ "use": "official", "family": "Marlow", "given": ["George"] }],
            "telecom": [{ "system": "phone", "value": phone.to_string() }],
        });
        let (status, answer) = self.ask("PUT", &format!("Patient/{id}"), Some(&body)).await;
        assert!(status == 200 || status == 201, "{status} {answer}");
    }
}

/// The part of a status by this name.
fn part<'v>(bundle: &'v Value, name: &str) -> &'v Value {
    let parameters = &bundle["entry"][0]["resource"]["parameter"];
    let found = parameters
        .as_array()
        .and_then(|all| all.iter().find(|one| one["name"] == name));
    found.unwrap_or(&Value::Null)
}

fn events(bodies: &[Value]) -> Vec<String> {
    let mut numbers = Vec::new();
    for body in bodies {
        let all = body["entry"][0]["resource"]["parameter"]
            .as_array()
            .expect("parameters");
        for one in all.iter().filter(|one| one["name"] == "notification-event") {
            numbers.push(
                one["part"][0]["valueString"]
                    .as_str()
                    .expect("a number")
                    .to_owned(),
            );
        }
    }
    numbers
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within twenty seconds: {what}");
}

#[tokio::test]
async fn a_rest_hook_is_told_what_its_source_changed_in_order_and_after_an_outage() {
    let demo = Demo::start().await;
    let (heard, address) = hook().await;
    let (hospital, practice) = (
        Source::new(&demo, "feed-hospital"),
        Source::new(&demo, "feed-gp"),
    );
    let count = || heard.bodies.lock().expect("a lock").len();
    let numbers = || events(&heard.bodies.lock().expect("a lock"));
    let before = hospital.send("h-1", "9990000077", "male", 1).await;
    let () = before;
    let channel =
        json!({ "type": "rest-hook", "endpoint": address, "header": ["X-Secret: only-mine"] });
    let wanted = subscription(&demo, "Patient?gender=male", "full-resource", channel);
    let (status, made) = hospital.ask("POST", "Subscription", Some(&wanted)).await;
    assert_eq!(
        (status, &made["status"]),
        (201, &json!("requested")),
        "{made}"
    );
    let id = made["id"].as_str().expect("an id").to_owned();
    until("the handshake", || count() == 1).await;
    {
        let bodies = heard.bodies.lock().expect("a lock");
        assert_eq!(part(&bodies[0], "type")["valueCode"], "handshake");
        assert_eq!(heard.secrets.lock().expect("a lock")[0], "only-mine");
    }
    // What fits is told, in order; what does not fit, and what another source sends, is not
    hospital.send("h-1", "9990000077", "male", 2).await;
    hospital.send("h-2", "9990000093", "female", 3).await;
    practice.send("g-1", "9990000085", "male", 4).await;
    hospital.send("h-1", "9990000077", "male", 5).await;
    until("two events", || numbers().len() >= 2).await;
    // An outage loses nothing
    *heard.refuse.lock().expect("a lock") = true;
    hospital.send("h-1", "9990000077", "male", 6).await;
    hospital.send("h-1", "9990000077", "male", 7).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(numbers(), ["1", "2"]);
    *heard.refuse.lock().expect("a lock") = false;
    until("all four", || numbers().len() >= 4).await;
    assert_eq!(numbers(), ["1", "2", "3", "4"]);
    let phones: Vec<String> = heard
        .bodies
        .lock()
        .expect("a lock")
        .iter()
        .flat_map(|body| body["entry"].as_array().expect("entries").clone())
        .filter_map(|entry| {
            Some(
                entry["resource"]["telecom"][0]["value"]
                    .as_str()?
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(phones, ["2", "5", "6", "7"]);
    // How it does, and the events once more
    let (_, how) = hospital
        .ask("GET", &format!("Subscription/{id}/$status"), None)
        .await;
    assert_eq!(part(&how, "status")["valueCode"], "active", "{how}");
    assert_eq!(
        part(&how, "events-since-subscription-start")["valueString"],
        "4"
    );
    let path = format!(
        "Subscription/{id}/$events?eventsSinceNumber=2&eventsUntilNumber=3&content=id-only"
    );
    let (_, again) = hospital.ask("GET", &path, None).await;
    assert_eq!(events(std::slice::from_ref(&again)), ["2", "3"], "{again}");
    assert!(!again.to_string().contains("telecom"), "{again}");
    // Nobody else reads or stops it
    for method in ["GET", "DELETE"] {
        let (status, _) = practice
            .ask(method, &format!("Subscription/{id}"), None)
            .await;
        assert_eq!(status, 404, "{method}");
    }
    let (status, _) = hospital
        .ask("DELETE", &format!("Subscription/{id}"), None)
        .await;
    assert_eq!(status, 204);
    hospital.send("h-1", "9990000077", "male", 8).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(
        numbers().len(),
        4,
        "nothing is told after it was taken away"
    );
    let log = demo.log();
    assert!(!log.contains("only-mine") && !log.contains("9990000077"));
}

#[tokio::test]
async fn nobody_is_called_whom_the_configuration_does_not_name_and_odd_subscriptions_say_how_to_mend_them()
 {
    let demo = Demo::start().await;
    let hospital = Source::new(&demo, "feed-hospital");
    let hook = |address: &str| json!({ "type": "rest-hook", "endpoint": address });
    let good = |channel: Value| subscription(&demo, "Patient", "id-only", channel);
    let mut cases: Vec<(String, Value)> = [
        "https://evil.example.org/told",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "http://localhost.evil.example.org/",
        "http://user:secret@localhost/",
        "https://2130706434/",
        "ftp://localhost/",
        "file:///etc/passwd",
        "//localhost/",
        "",
    ]
    .map(|address| (address.to_owned(), good(hook(address))))
    .to_vec();
    let local = || hook("http://localhost:9/told");
    let mut spoil = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut body = good(local());
        change(&mut body);
        cases.push((name.to_owned(), body));
    };
    spoil("another topic", &|s| {
        s["criteria"] = "https://other.example.org/topic".into()
    });
    spoil("R4's own criteria", &|s| {
        s["criteria"] = "Observation?code=1".into()
    });
    spoil("no filter", &|s| s["_criteria"] = Value::Null);
    spoil("a filter of no type", &|s| {
        s["_criteria"]["extension"][0]["valueString"] = "Nothing?x=1".into()
    });
    spoil("a filter of no parameter", &|s| {
        s["_criteria"]["extension"][0]["valueString"] = "Patient?colour=red".into()
    });
    spoil("a chain", &|s| {
        s["_criteria"]["extension"][0]["valueString"] = "Observation?subject.name=x".into()
    });
    spoil("no content", &|s| s["channel"]["_payload"] = Value::Null);
    spoil("by e-mail", &|s| s["channel"]["type"] = "email".into());
    spoil("as XML", &|s| {
        s["channel"]["payload"] = "application/fhir+xml".into()
    });
    spoil("a header that carries", &|s| {
        s["channel"]["header"] = json!(["Host: elsewhere"])
    });
    spoil("a header with a line", &|s| {
        s["channel"]["header"] = json!(["X-A: b\r\nX-C: d"])
    });
    spoil("no status", &|s| s["status"] = Value::Null);
    spoil("no Subscription", &|s| s["resourceType"] = "Patient".into());
    for (name, body) in &cases {
        let (status, answer) = hospital.ask("POST", "Subscription", Some(body)).await;
        println!(
            "subscription: {name:44} {status} {}",
            answer["issue"][0]["details"]["text"]
        );
        assert_eq!(
            (status, &answer["resourceType"]),
            (422, &json!("OperationOutcome")),
            "{name}: {answer}"
        );
    }
    let (_, none) = hospital.ask("GET", "Subscription", None).await;
    assert_eq!(none["total"], 0);
    // A person's token gets none
    let nurse = demo.token(&["--as", "district-nurse"]);
    let answer = reqwest::Client::new()
        .post(format!("{}/fhir/R4/Subscription", demo.base))
        .bearer_auth(nurse)
        .header("content-type", "application/fhir+json")
        .body(good(local()).to_string())
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 403);
    // A hook that does not answer is an error that the status says
    let (_, made) = hospital
        .ask("POST", "Subscription", Some(&good(local())))
        .await;
    let id = made["id"].as_str().expect("an id").to_owned();
    for _ in 0..100 {
        let (_, now) = hospital
            .ask("GET", &format!("Subscription/{id}"), None)
            .await;
        if now["error"].is_string() {
            assert_eq!(now["error"], "it cannot be reached");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no error was said");
}

#[tokio::test]
async fn what_was_queued_is_told_at_least_once_though_the_server_is_killed_again_and_again() {
    let mut demo = Demo::start().await;
    let (heard, address) = hook().await;
    let numbers = || events(&heard.bodies.lock().expect("a lock"));
    let channel = json!({ "type": "rest-hook", "endpoint": address });
    let wanted = subscription(&demo, "Patient", "id-only", channel);
    {
        let hospital = Source::new(&demo, "feed-hospital");
        let (status, made) = hospital.ask("POST", "Subscription", Some(&wanted)).await;
        assert_eq!(status, 201, "{made}");
        until("the handshake", || {
            !heard.bodies.lock().expect("a lock").is_empty()
        })
        .await;
    }
    // Changes that were acknowledged, with a kill right after each few: some while the hook is down
    let mut sent = 0;
    for round in 0..4_u32 {
        *heard.refuse.lock().expect("a lock") = round % 2 == 1;
        let hospital = Source::new(&demo, "feed-hospital");
        for number in 0..3 {
            hospital
                .send("h-1", "9990000077", "male", 100 * round + number)
                .await;
            sent += 1;
        }
        drop(hospital);
        demo.restart().await;
    }
    *heard.refuse.lock().expect("a lock") = false;
    let wanted: Vec<String> = (1..=sent).map(|number: u32| number.to_string()).collect();
    let all = || {
        let mut told = numbers();
        told.sort_by_key(|number| number.parse::<u32>().expect("a number"));
        told.dedup();
        told
    };
    until("every event", || all().len() >= wanted.len()).await;
    assert_eq!(all(), wanted, "none is lost and none is invented");
    // In order, but for repeats
    let mut newest = 0;
    for number in numbers() {
        let number: u32 = number.parse().expect("a number");
        assert!(number <= newest + 1, "{number} after {newest}");
        newest = newest.max(number);
    }
}

#[tokio::test]
async fn a_hook_that_sends_elsewhere_leads_nowhere() {
    let demo = Demo::start().await;
    let (heard, inner) = hook().await;
    let app = Router::new().route(
        "/told",
        post(move || {
            let inner = inner.clone();
            async move { axum::response::Redirect::temporary(&inner) }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
    let hospital = Source::new(&demo, "feed-hospital");
    let address = format!("http://localhost:{port}/told");
    let channel = json!({ "type": "rest-hook", "endpoint": address });
    let wanted = subscription(&demo, "Patient", "id-only", channel);
    let (status, made) = hospital.ask("POST", "Subscription", Some(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    for round in 0.. {
        let (_, now) = hospital
            .ask("GET", &format!("Subscription/{id}"), None)
            .await;
        if now["error"].is_string() {
            assert_eq!(now["error"], "it answered 307");
            break;
        }
        assert!(round < 100, "no error was said: {now}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        heard.bodies.lock().expect("a lock").len(),
        0,
        "nobody was sent on to"
    );
}

/// A websocket, as little of one as is needed.
struct Socket(TcpStream);

impl Socket {
    async fn open(address: &str) -> Self {
        let rest = address.strip_prefix("ws://").expect("ws");
        let (host, path) = rest.split_once('/').expect("a path");
        let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1"))
            .await
            .expect("connected");
        let key = STANDARD.encode([7; 16]);
        let ask = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.expect("written");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a byte"));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        Self(stream)
    }

    async fn send(&mut self, text: &str) {
        let mut frame = vec![
            0x81,
            0x80 | u8::try_from(text.len()).expect("short"),
            0,
            0,
            0,
            0,
        ];
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await.expect("written");
    }

    /// The next text; pings are passed over.
    async fn text(&mut self) -> String {
        loop {
            let first = self.0.read_u8().await.expect("a byte");
            let length = match self.0.read_u8().await.expect("a byte") {
                126 => u64::from(self.0.read_u16().await.expect("a length")),
                127 => self.0.read_u64().await.expect("a length"),
                short => u64::from(short),
            };
            let mut body = vec![0; usize::try_from(length).expect("a length")];
            self.0.read_exact(&mut body).await.expect("a body");
            if first & 0x0f == 1 {
                return String::from_utf8(body).expect("text");
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_hears_what_waited_and_what_comes() {
    let demo = Demo::start().await;
    let hospital = Source::new(&demo, "feed-hospital");
    let wanted = subscription(&demo, "Patient", "id-only", json!({ "type": "websocket" }));
    let (status, made) = hospital.ask("POST", "Subscription", Some(&wanted)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    // Something changes while nobody listens
    hospital.send("h-1", "9990000077", "male", 1).await;
    let bind = async || {
        let path = format!("Subscription/{id}/$get-ws-binding-token");
        let (status, token) = hospital.ask("GET", &path, None).await;
        assert_eq!(status, 200, "{token}");
        let value = |name: &str, kind: &str| {
            let all = token["parameter"].as_array().expect("parameters");
            let one = all.iter().find(|one| one["name"] == name).expect("a part");
            one[kind].as_str().expect("text").to_owned()
        };
        (
            value("token", "valueString"),
            value("websocket-url", "valueUrl"),
        )
    };
    let (token, address) = bind().await;
    let mut socket = Socket::open(&address).await;
    socket.send(&format!("bind-with-token {token}")).await;
    let next = async |socket: &mut Socket| {
        let text = tokio::time::timeout(Duration::from_secs(15), socket.text()).await;
        serde_json::from_str::<Value>(&text.expect("in time")).expect("JSON")
    };
    let hello = next(&mut socket).await;
    assert_eq!(part(&hello, "type")["valueCode"], "handshake", "{hello}");
    let first = next(&mut socket).await;
    assert_eq!(events(std::slice::from_ref(&first)), ["1"], "{first}");
    hospital.send("h-1", "9990000077", "male", 2).await;
    let second = next(&mut socket).await;
    assert_eq!(events(std::slice::from_ref(&second)), ["2"], "{second}");
    // The token was used up
    let mut again = Socket::open(&address).await;
    again.send(&format!("bind-with-token {token}")).await;
    assert!(again.text().await.contains("This token is unknown"));
}
