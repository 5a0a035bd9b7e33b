//! The public HL7 v2 samples over the real socket, twice; and what was refused waits on a worklist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use care_core::hl7v2::split_messages;

use serde_json::json;

use crate::feeds::{ask, connect, feed};
use crate::rig::Demo;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/hl7v2");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no shared sample data beside the repository");
    None
}

/// Every message of the samples with the name of its file, in order.
fn messages(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "hl7" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy();
        let bytes = std::fs::read(&file).expect("read");
        let split = split_messages(&bytes);
        all.extend(
            split
                .into_iter()
                .map(|one| (name.clone().into_owned(), one.to_vec())),
        );
    }
    all
}

/// Rows of the tables that a message can change.
pub fn rows(demo: &Demo) -> BTreeMap<&'static str, i64> {
    let path = demo.data.path().join("record/record.sqlite");
    let open = rusqlite::Connection::open(path).expect("the database opens");
    let count = |table: &str| {
        let question = format!("SELECT count(*) FROM {table}");
        open.query_row(&question, [], |row| row.get(0))
            .expect("a count")
    };
    let tables = [
        "item",
        "item_history",
        "person",
        "identifier",
        "involvement",
        "delivery",
        "worklist",
    ];
    tables
        .into_iter()
        .map(|table| (table, count(table)))
        .collect()
}

/// `AA`, or the code with the place and number of the first error: `AE MSH-10 205`.
fn word(answer: &str) -> String {
    let code = answer
        .split("\rMSA|")
        .nth(1)
        .and_then(|rest| rest.get(..2))
        .unwrap_or("none");
    if code == "AA" {
        return code.to_owned();
    }
    let place = answer
        .split("\rMSA|")
        .nth(1)
        .and_then(|rest| rest.split('|').nth(2));
    let place = place
        .and_then(|text| text.split(':').next())
        .unwrap_or("nowhere");
    let error = answer.split("\rERR|").nth(1).unwrap_or_default();
    let numbers = ["200", "201", "204", "205"];
    let number = numbers
        .iter()
        .find(|number| error.contains(**number))
        .unwrap_or(&"none");
    format!("{code} {place} {number}")
}

#[tokio::test]
async fn every_sample_is_acknowledged_and_sent_again_changes_nothing() {
    let Some(folder) = folder() else { return };
    let demo = Demo::start().await;
    let messages = messages(&folder);
    let mut stream = connect(&demo).await;
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    let mut first = Vec::new();
    for (name, message) in &messages {
        let answer = ask(&mut stream, message).await;
        let word = word(&answer);
        assert!(
            word == "AA" || answer.contains("; "),
            "{name}: {word} says how to mend it: {answer}"
        );
        *tally.entry(word).or_default() += 1;
        first.push(answer);
    }
    let tally: Vec<String> = tally
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    // docs/samples.md says why each of these is as it is.
    assert_eq!(
        tally,
        [
            "614 AA",
            "31 AE MSH-10 205",
            "4 AR MSH-4 204",
            "8 AR MSH-9 200",
            "2 AR MSH-9 201"
        ],
        "of {}",
        messages.len()
    );
    let before = rows(&demo);
    let mut other = connect(&demo).await;
    for ((name, message), answer) in messages.iter().zip(&first) {
        assert_eq!(&ask(&mut other, message).await, answer, "{name}");
    }
    assert_eq!(rows(&demo), before, "nothing changed");
    assert!(!demo.log().contains("panicked"), "{}", demo.log());
}

#[tokio::test]
async fn what_was_received_and_not_used_waits_on_a_worklist() {
    let demo = Demo::start().await;
    let mut stream = connect(&demo).await;
    let header = |kind: &str, id: &str, sender: &str| {
        format!("MSH|^~\\&|WHARFPAS|{sender}|CC|CC|20261001101500||{kind}|{id}|P|2.4\r")
    };
    let person = "PID|1||W77^^^X9T01^MR||Test^Person||19800101|F\r";
    let future = format!(
        "{}EVN|A01|29991231\r{person}PV1|1|I|KESTREL^^^X9T01||||||||||||||||V77|||||||||||||||||||||||||29991231101500\r",
        header("ADT^A01^ADT_A01", "f1", "X9T01")
    );
    // What is sent, what the answer says, and how many rows it leaves
    let cases: [(&str, String, &str, i64); 7] = [
        ("no header", "PID|1\r".to_owned(), "MSA|AR", 1),
        ("binary", "MSH|^~\\&|\0\0".to_owned(), "MSA|AR", 1),
        (
            "an unknown sender",
            format!("{}{person}", header("ADT^A01", "u1", "NOWHERE")),
            "MSA|AR",
            1,
        ),
        (
            "an unknown type",
            format!("{}{person}", header("ZZZ^Z99", "z1", "X9T01")),
            "MSA|AR",
            1,
        ),
        (
            "nobody",
            format!("{}PID|1\r", header("ADT^A01^ADT_A01", "n1", "X9T01")),
            "MSA|AE",
            1,
        ),
        (
            "the same id, another body",
            format!("{}PID|1||2\r", header("ADT^A01^ADT_A01", "n1", "X9T01")),
            "205",
            1,
        ),
        ("a visit that begins in 2999", future, "f1", 1),
    ];
    for (what, message, says, more) in cases {
        let before = rows(&demo)["worklist"];
        let answer = ask(&mut stream, message.as_bytes()).await;
        assert!(answer.contains(says), "{what}: {answer}");
        assert!(
            answer.contains("ERR|"),
            "{what}: what, why, how to mend: {answer}"
        );
        assert_eq!(rows(&demo)["worklist"] - before, more, "{what}: {answer}");
    }
    let good = format!("{}{person}", header("ADT^A28^ADT_A05", "g1", "X9T01"));
    assert!(
        ask(&mut stream, good.as_bytes())
            .await
            .contains("MSA|AA|g1"),
        "the feed flows on"
    );
}

#[tokio::test]
async fn fhir_that_cannot_be_used_waits_on_a_worklist_and_says_how_to_mend_it() {
    let demo = Demo::start().await;
    let token = feed(&demo, "feed-gp").await;
    let http = reqwest::Client::new();
    let about = |person: &str, when: &str| {
        json!({
            "resourceType": "Observation", "id": "o1", "status": "final", "code": { "text": "Pulse" },
            "subject": { "reference": person }, "effectiveDateTime": when,
        })
        .to_string()
    };
    let person = json!({
        "resourceType": "Patient", "id": "p1", "birthDate": "1980-01-01",
        "name": [{ "family": "Test", "given": ["Person"] }],
    });
    let stu3 = json!({ "resourceType": "ProcedureRequest", "id": "s1" });
    // Where, what, the status, words of the answer, and how many rows it leaves
    let cases = [
        (
            "Observation/o1",
            about("Patient/nobody", "2026-01-01"),
            422,
            "never sent",
            1,
        ),
        // R4 has no such type, so nothing can be written to its address.
        (
            "ProcedureRequest/s1",
            stu3.to_string(),
            404,
            "no resource of this type",
            0,
        ),
        ("Patient/p1", person.to_string(), 201, "", 0),
        (
            "Observation/o1",
            about("Patient/p1", "2999-01-01"),
            201,
            "",
            1,
        ),
        (
            "Patient/p1",
            person.to_string().replace("1980-01-01", "the year 1980"),
            422,
            "YYYY",
            1,
        ),
    ];
    for (path, body, status, words, more) in cases {
        let before = rows(&demo)["worklist"];
        let request = http.put(format!("{}/fhir/R4/{path}", demo.base));
        let request = request
            .bearer_auth(&token)
            .header("content-type", "application/fhir+json");
        let answer = request.body(body.clone()).send().await.expect("an answer");
        let got = answer.status().as_u16();
        let said = answer.text().await.expect("a body");
        assert!(
            got == status && said.contains(words),
            "{body}: {got} {said}"
        );
        assert_eq!(rows(&demo)["worklist"] - before, more, "{body}: {said}");
    }
}
