//! Jacob Stern says no to research and planning by phone; the check over MESH finds him; the pages of the
//! opt-out service in a real browser.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{Browser, Demo, run};

const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// The address of the opt-out service of a demonstration.
pub fn service_of(demo: &Demo) -> String {
    let log = demo.log();
    let (_, rest) = log.split_once("Opt-out      ").expect("it says where");
    rest.split_whitespace()
        .next()
        .expect("an address")
        .to_owned()
}

fn figure(text: &str, name: &str) -> i64 {
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("connect_care_{name} ")));
    let value = line.and_then(|line| line.split(' ').next_back());
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn jacob_says_no_by_phone_and_the_check_over_mesh_finds_him_and_shows_nobody_who() {
    let mut demo = Demo::start().await;
    let service = service_of(&demo);

    // Given: an operator sets his choice, in the browser where there is one.
    let Some(chromium) = CHROMIUM.iter().find(|path| PathBuf::from(path).exists()) else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut browser = Command::new("node");
    browser
        .arg(folder.join("tests/journeys/browser/opt-out.cjs"))
        .args([&service, &demo.base, *chromium])
        .env("NODE_PATH", folder.join("../../node_modules"));
    if let Ok(shots) = std::env::var("CARE_SHOTS") {
        browser.arg(shots);
    }
    let out = browser.output().expect("node runs");
    let told = String::from_utf8_lossy(&out.stdout);
    let failed: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("\"ok\":false"))
        .collect();
    let passed = told
        .lines()
        .filter(|line| line.contains("\"ok\":true"))
        .count();
    assert!(
        out.status.success() && failed.is_empty() && passed > 60,
        "{passed} checks passed, {} failed:\n{}\n{}",
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );

    // When: the privacy officer asks about everybody with a part to play.
    let mut officer = Browser::new(&demo);
    officer.sign_in("privacy-officer").await;
    let page = officer.get("/ig/opt-out-checks").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let csrf = page.field("csrf");
    let cast: Vec<&str> = care_synthetic::cast()
        .iter()
        .map(|member| member.nhs_number)
        .collect();
    let one = officer
        .post(
            "/ig/opt-out-checks",
            &[("csrf", &csrf), ("reference", "R1"), ("numbers", cast[9])],
        )
        .await;
    assert!(one.text.contains("would tell their choice"), "{}", one.text);
    let form = [
        ("csrf", csrf.as_str()),
        ("reference", "Journey"),
        ("numbers", &cast.join("\n")),
    ];
    let asked = officer.post("/ig/opt-out-checks", &form).await;
    assert_eq!(
        asked.to.as_deref(),
        Some("/ig/opt-out-checks"),
        "{}",
        asked.text
    );

    // Then: it is answered, he is left out, and no page says that it is he.
    let mut text = String::new();
    for _ in 0..150 {
        text = officer.get("/ig/opt-out-checks").await.text;
        if text.contains("Fewer than 8") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(
        text.contains("Answered") && text.contains("Fewer than 8"),
        "{text}"
    );
    for word in ["9990000107", "999 000 0107", "Stern"] {
        assert!(!text.contains(word), "{word}");
    }
    let metrics = reqwest::get(format!("{}/metrics", demo.base))
        .await
        .expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert_eq!(figure(&metrics, "mesh_lists_unanswered"), 0);
    assert!(
        metrics.contains("connect_care_mesh_alarm{kind=\"silence\"} 0"),
        "{metrics}"
    );
    assert!(metrics.contains("result=\"answered\"} 1"), "{metrics}");
    let public = reqwest::get(format!("{}/choices/national-data-opt-out", demo.base)).await;
    let public = public.expect("an answer").text().await.expect("text");
    assert!(
        public.replace("&#x2f;", "/").contains(&service),
        "the public page leads there"
    );

    assert_eq!(demo.halt().await, Some(0));
    let listed = demo.command(&["opt-out", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(
        (&listed[0]["sent"], &listed[0]["returned"]),
        (&14.into(), &13.into()),
        "{listed}"
    );
    let taken = demo.command(&["opt-out", "taken"]);
    let taken = String::from_utf8_lossy(&taken.stdout).into_owned();
    assert!(
        taken.contains("2 messages were taken in; 0 of them more than once"),
        "{taken}"
    );
}

#[test]
fn files_moved_by_hand_are_compared_without_a_mailbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let sent = write("sent.dat", "9990000018,\n9990000026,\n9990000107,\n");
    let reply = write("reply.dat", "9990000018,\n9990000026,\n");
    let stay = folder.path().join("stay.dat").display().to_string();
    let out = run(&[
        "opt-out", "compare", "--sent", &sent, "--reply", &reply, "--write", &stay,
    ]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("1 must be left out"));
    assert_eq!(
        std::fs::read_to_string(&stay).expect("written"),
        "9990000018,\n9990000026,\n"
    );
    for (name, text, said) in [
        ("cut", "9990000018,\n99900000", "truncated"),
        ("more", "9990000018,\n9990000034,\n", "unknown-numbers"),
        ("job", "{\"status\":\"pending\"}", "report of the job"),
    ] {
        let reply = write(name, text);
        let out = run(&["opt-out", "compare", "--sent", &sent, "--reply", &reply]);
        assert_eq!(out.status.code(), Some(1));
        let words = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(
            words.contains(said) && !words.contains("9990000"),
            "{words}"
        );
    }
}
