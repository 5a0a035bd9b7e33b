//! A past page is shown again to a reviewer, byte for byte, and the proof of a look is checked by the
//! second verifier.

use std::process::Command;

use crate::rig::{Browser, Demo, Page};

const AMARA: &str = "9990000018";

/// What the record frame holds: banner, alerts, menu and section, without what belongs to a session.
fn content(page: &Page, base: &str) -> String {
    let text = &page.text;
    let start = text.find("<div class=\"cc-banner").expect("a banner");
    // The last line names who prints it: the one who looks now.
    let end = text.find("<p class=\"cc-printed\">").expect("an end");
    let escaped = base.replace('/', "&#x2f;");
    let mut inside = text[start..end].replace(base, "#").replace(&escaped, "#");
    while let Some(at) = inside.find("name=\"csrf\" value=\"") {
        let value = at + "name=\"csrf\" value=\"".len();
        let close = value + inside[value..].find('"').expect("its end");
        inside.replace_range(at..close + 1, "(token)");
    }
    inside
}

/// The newest entry of a user's views, from the log itself.
async fn newest_view(demo: &Demo, page: &str) -> u64 {
    let token = demo.token(&["--as", "caldicott-guardian", "--purpose", "audit_review"]);
    let address = format!("{}/fhir/R4/AuditEvent?action=R&_count=50", demo.base);
    let sent = reqwest::Client::new()
        .get(address)
        .bearer_auth(token)
        .send()
        .await;
    let bundle: serde_json::Value = sent.expect("an answer").json().await.expect("JSON");
    let entries = bundle["entry"].as_array().expect("entries");
    let of_page = |one: &&serde_json::Value| {
        let entities = one["resource"]["entity"].as_array();
        entities.is_some_and(|all| all.iter().any(|entity| entity["name"] == page))
    };
    let id = entries.iter().find(of_page).expect("a view")["resource"]["id"].as_str();
    id.expect("an id").parse().expect("a number")
}

#[tokio::test]
async fn a_reviewer_sees_what_she_saw_and_the_person_sees_the_reviewer_and_keeps_a_proof() {
    let demo = Demo::with_people(14).await;
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    let record = gp
        .open(AMARA, "permission-today")
        .await
        .map_err(|page| page.text);
    let record = record.expect("opened");
    let base = format!(
        "{}/",
        record.trim_end_matches("/summary").trim_end_matches('/')
    );
    let mut officer = Browser::new(&demo);
    officer.sign_in("privacy-officer").await;
    for section in [
        "summary",
        "allergies",
        "medicines",
        "results",
        "timeline",
        "documents",
        "sources",
    ] {
        let seen = gp.get(&format!("{base}{section}")).await;
        assert_eq!(seen.status, 200, "{section}");
        let entry = newest_view(&demo, section).await.to_string();
        let form = officer.get("/ig/replay").await;
        let csrf = form.field("csrf");
        let fields = [
            ("csrf", csrf.as_str()),
            ("entry", entry.as_str()),
            ("because", "complaint 12"),
        ];
        let again = officer.post("/ig/replay", &fields).await;
        assert_eq!(again.status, 200, "{section}: {}", again.text);
        assert!(again.text.contains("exactly what was shown"), "{section}");
        assert_eq!(content(&again, "#"), content(&seen, &base), "{section}");
    }
    let form = officer.get("/ig/replay").await;
    let csrf = form.field("csrf");
    let wrong = [("csrf", csrf.as_str()), ("entry", "many"), ("because", "x")];
    let refused = officer.post("/ig/replay", &wrong).await;
    assert!(refused.text.contains("Enter the number of the entry"));
    let mut nurse = Browser::new(&demo);
    nurse.sign_in("hospital-nurse").await;
    assert_eq!(nurse.get("/ig/replay").await.status, 403);
    in_a_browser(&demo, newest_view(&demo, "summary").await);
}

/// The same in a real browser, with the accessibility checker, where there is one.
fn in_a_browser(demo: &Demo, entry: u64) {
    let chromium = "/usr/bin/chromium";
    if !std::path::Path::new(chromium).exists() {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let shots = std::env::var("REPLAY_PICTURES").unwrap_or_default();
    let out = Command::new("node")
        .arg(folder.join("tests/journeys/browser/replay.cjs"))
        .args([&demo.base, chromium, &entry.to_string(), &shots])
        .env("NODE_PATH", folder.join("../../node_modules"))
        .output()
        .expect("node runs");
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[tokio::test]
async fn the_proof_of_a_look_is_downloaded_and_the_second_verifier_agrees() {
    let mut demo = Demo::with_people(14).await;
    let mut gp = Browser::new(&demo);
    gp.sign_in("gp").await;
    // Maya is `patient`; the GP finds her, which she may see.
    let maya = "9990000131";
    let _ = gp.open(maya, "permission-today").await;
    let mut patient = Browser::new(&demo);
    patient.sign_in("patient").await;
    let list = patient.get("/me/who-looked").await;
    let at = list.text.find("/proof\"").expect("a link to a proof");
    let from = list.text[..at]
        .rfind("/me/who-looked/")
        .expect("its beginning");
    let address = format!("{}/proof", &list.text[from..at]);
    let mut file = patient.get(&address).await;
    for _ in 0..80 {
        if file.status == 200 {
            break;
        }
        assert!(file.text.contains("not ready yet"), "{}", file.text);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        file = patient.get(&address).await;
    }
    assert_eq!(file.status, 200);
    let place = demo.data.path().join("proof.json");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit/verify.py");
    let check = |text: &str| {
        std::fs::write(&place, text).expect("written");
        let out = Command::new("python3")
            .arg(script)
            .arg("--proof")
            .arg(&place)
            .output();
        out.expect("python3 runs").status.code()
    };
    assert_eq!(check(&file.text), Some(0));
    let mut changed: serde_json::Value = serde_json::from_str(&file.text).expect("JSON");
    let name = if changed.get("entry").is_some() {
        "entry"
    } else {
        "entry_hash"
    };
    let text = changed[name]
        .as_str()
        .expect("text")
        .replacen(['1', '2', '3', 'a'], "0", 3);
    changed[name] = text.into();
    assert_eq!(check(&changed.to_string()), Some(1));
    // Another person's entry, or none, has no proof for this one.
    assert_eq!(patient.get("/me/who-looked/0/proof").await.status, 404);
    demo.halt().await;
}
