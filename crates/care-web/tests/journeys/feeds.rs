//! Feeds by their real sockets: what is taken, what is refused and how, and that the feed flows on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{Browser, Demo};

pub async fn connect(demo: &Demo) -> TcpStream {
    TcpStream::connect(&demo.mllp)
        .await
        .expect("the listener answers")
}

fn framed(message: &[u8]) -> Vec<u8> {
    [b"\x0b".as_slice(), message, b"\x1c\r"].concat()
}

async fn read_answer(stream: &mut TcpStream) -> String {
    String::from_utf8_lossy(&read_bytes(stream).await).into_owned()
}

async fn read_bytes(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0u8; 4096];
    while !all.ends_with(b"\x1c\r") {
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer)).await;
        match read.expect("an answer in time") {
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
    }
    all
}

pub async fn ask(stream: &mut TcpStream, message: &[u8]) -> String {
    stream.write_all(&framed(message)).await.expect("written");
    read_answer(stream).await
}

fn admission(control_id: &str, ward: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|WHARFPAS|X9T01|CC|CC|20261001101500||ADT^A01^ADT_A01|{control_id}|P|2.4\r\
         EVN|A01|20261001101500\r\
         PID|1||9990000018^^^NHS^NH~W1234^^^X9T01^MR||Osei^Amara^^^Mrs||19450714|F|||1 Test Street^^London^^SE99 1AA\r\
         PV1|1|I|{ward}^^^X9T01||||C1234^Doctor^A|||||||||||V9001|||||||||||||||||||||||||20261001100000\r"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_hostile_message_is_answered_or_closed_and_the_next_one_is_taken() {
    let demo = Demo::start().await;
    let long = vec![b'x'; 40_000_000];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("no header", b"PID|1||x\r".to_vec()),
        ("binary", vec![0, 159, 146, 150, 0, 0]),
        (
            "FHIR on the wrong port",
            b"{\"resourceType\":\"Patient\"}".to_vec(),
        ),
        (
            "a version nobody knows",
            b"MSH|^~\\&|WHARFPAS|X9T01|C|C|20261001||ADT^A01|h1|P|9.9\r".to_vec(),
        ),
        (
            "an unknown sender",
            b"MSH|^~\\&|NOBODY|NOWHERE|C|C|20261001||ADT^A01|h2|P|2.4\rPID|1||1\r".to_vec(),
        ),
        (
            "a type nobody sends",
            b"MSH|^~\\&|WHARFPAS|X9T01|C|C|20261001||ZZZ^Z99|h3|P|2.4\r".to_vec(),
        ),
        (
            "too long",
            [
                b"MSH|^~\\&|WHARFPAS|X9T01|C|C|20261001||ADT^A01|h4|P|2.4\r".as_slice(),
                &long,
            ]
            .concat(),
        ),
    ];
    let mut stream = connect(&demo).await;
    for (what, message) in cases {
        let answer = ask(&mut stream, &message).await;
        assert!(
            answer.contains("MSA|AR") || answer.contains("MSA|AE"),
            "{what}: {answer:?}"
        );
        assert!(
            answer.contains("ERR|"),
            "{what}: says what, why and how to mend: {answer:?}"
        );
    }
    // Half a message, and then nothing more
    let mut broken = connect(&demo).await;
    broken
        .write_all(b"\x0bMSH|^~\\&|WHARFPAS|X9T01|C|C|2026")
        .await
        .expect("written");
    drop(broken);
    // Noise before a frame
    stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("written");
    assert!(
        ask(&mut stream, &admission("after", "KESTREL"))
            .await
            .contains("MSA|"),
        "the feed flows on"
    );
    assert!(!demo.log().contains("panicked"), "{}", demo.log());
}

#[tokio::test]
async fn the_same_message_gets_the_same_answer_and_another_body_under_its_id_is_refused() {
    let demo = Demo::start().await;
    let mut stream = connect(&demo).await;
    let first = ask(&mut stream, &admission("same-1", "KESTREL")).await;
    assert!(first.contains("MSA|AA|same-1"), "{first}");
    let mut other = connect(&demo).await;
    assert_eq!(
        ask(&mut other, &admission("same-1", "KESTREL")).await,
        first
    );
    let changed = ask(&mut other, &admission("same-1", "HERON")).await;
    assert!(
        changed.contains("MSA|AE|same-1") && changed.contains("205"),
        "{changed}"
    );
}

pub async fn feed(demo: &Demo, name: &str) -> String {
    let pem = std::fs::read(demo.data.path().join(format!("demo-keys/{name}.pem")))
        .expect("the feed's key");
    let key = jsonwebtoken::EncodingKey::from_ec_pem(&pem).expect("a key");
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES384);
    let address = format!("{}/oauth/token", demo.base);
    let now = jiff::Timestamp::now();
    let claims = json!({"iss": name, "sub": name, "aud": address, "exp": now.as_second() + 200, "jti": now.as_nanosecond().to_string()});
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        ),
        (
            "client_assertion",
            jsonwebtoken::encode(&header, &claims, &key).expect("signed"),
        ),
    ];
    let answer = reqwest::Client::new()
        .post(&address)
        .form(&form)
        .send()
        .await
        .expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token: {body}"))
        .to_owned()
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "w-77",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000077" }],
        "name": [{ "use": "official", "family": "Marlow", "given": ["George"] }],
        "gender": "male", "birthDate": "1974-03-02",
    })
}

#[tokio::test]
async fn a_source_puts_a_resource_and_bad_bodies_say_how_to_mend_them() {
    let demo = Demo::start().await;
    let token = feed(&demo, "feed-hospital").await;
    let http = reqwest::Client::new();
    let send = async |method: reqwest::Method, path: &str, kind: &str, body: String| {
        let request = http
            .request(method, format!("{}{path}", demo.base))
            .bearer_auth(&token)
            .header("content-type", kind);
        let answer = request.body(body).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let (status, body) = send(
        reqwest::Method::PUT,
        "/fhir/R4/Patient/w-77",
        "application/fhir+json",
        patient().to_string(),
    )
    .await;
    assert!(status == 200 || status == 201, "{status} {body}");
    let deep = format!(
        "{}{}",
        "{\"a\":".repeat(200),
        "1".to_owned() + &"}".repeat(200)
    );
    for (what, method, path, kind, body, expected) in [
        (
            "not JSON",
            reqwest::Method::POST,
            "/fhir/R4/Patient",
            "application/fhir+json",
            "MSH|^~\\&|".to_owned(),
            400..=422,
        ),
        (
            "not FHIR",
            reqwest::Method::POST,
            "/fhir/R4",
            "application/fhir+json",
            "{\"a\":1}".to_owned(),
            400..=422,
        ),
        (
            "too deep",
            reqwest::Method::POST,
            "/fhir/R4",
            "application/fhir+json",
            deep,
            400..=422,
        ),
        (
            "another type",
            reqwest::Method::PUT,
            "/fhir/R4/Observation/w-77",
            "application/fhir+json",
            patient().to_string(),
            400..=422,
        ),
        (
            "another media type",
            reqwest::Method::POST,
            "/fhir/R4",
            "text/plain",
            "hello".to_owned(),
            415..=415,
        ),
    ] {
        let (status, body) = send(method, path, kind, body).await;
        assert!(expected.contains(&status), "{what}: {status} {body}");
        assert!(body.contains("OperationOutcome"), "{what}: {body}");
    }
    // The server answers as soon as it knows the length, and may close before a client that does not
    // look has written it all.
    let long = http
        .post(format!("{}/fhir/R4", demo.base))
        .bearer_auth(&token);
    let long = long
        .header("content-type", "application/fhir+json")
        .body(" ".repeat(34 << 20));
    match long.send().await {
        Ok(answer) => assert_eq!(answer.status(), 413),
        Err(error) => assert!(error.is_request(), "{error}"),
    }
}

#[tokio::test]
async fn figures_and_readiness_follow_what_the_feeds_did() {
    let demo = Demo::start().await;
    let mut stream = connect(&demo).await;
    ask(&mut stream, b"nonsense").await;
    let mut browser = Browser::new(&demo);
    let figures = browser.get("/metrics").await.text;
    assert!(
        figures.contains("connect_care_mllp_messages_total{code=\"AR\"} 1"),
        "{figures}"
    );
    let ready = browser.get("/health/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
}
