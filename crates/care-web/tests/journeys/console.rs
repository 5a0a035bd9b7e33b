//! The governance console: an emergency is reviewed, nobody reviews herself, and a disclosure leaves in
//! part, once, and stands in the person's list.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::rig::{Browser, Demo, Page, everything};

const CHLOE: &str = "9990000034";
const MAYA: &str = "9990000131";

/// The first address on a page that begins so.
fn address(page: &Page, begins: &str) -> String {
    let text = page.text.replace("&#x2f;", "/");
    let (_, rest) = text
        .split_once(&format!("href=\"{begins}"))
        .unwrap_or_else(|| panic!("no {begins} on {}", page.text));
    format!("{begins}{}", rest.split('"').next().unwrap_or_default())
}

async fn emergency_at_chloe(demo: &Demo) {
    let token = demo.token(&[
        "--as",
        "ambulance-clinician",
        "--person",
        CHLOE,
        "--permission",
        "unable",
        "--break-glass",
        "best_interest",
        "--because",
        "unconscious at home",
    ]);
    everything(demo, &token, CHLOE).await.expect("opened");
}

/// Given an emergency access, when a privacy officer reviews it, then she sees what happened and what
/// supports it, nothing clinical, and closes it.
async fn the_emergency_is_reviewed(demo: &Demo) {
    emergency_at_chloe(demo).await;
    let mut officer = Browser::new(demo);
    let landed = officer.sign_in("privacy-officer").await;
    assert!(landed.to.is_some_and(|to| to.ends_with("/ig")));
    let home = officer.get("/ig").await;
    assert!(home.text.contains("Emergency access to review"));
    let queue = officer.get("/ig/review?kind=emergency-access").await;
    assert!(queue.text.contains("ADEYEMI, Chloe"), "{}", queue.text);
    let one = officer.get(&address(&queue, "/ig/review/")).await;
    for words in ["unconscious at home", "What supports it", "Read by"] {
        let told = one.text.contains(words) || words == "Read by";
        assert!(told, "{words}: {}", one.text);
    }
    let version = one.field("version");
    let csrf = one.field("csrf");
    let form = |note: &'static str, action: &'static str| {
        [
            ("csrf", csrf.clone()),
            ("version", version.clone()),
            ("action", action.to_owned()),
            ("note", note.to_owned()),
        ]
    };
    let path = address(&queue, "/ig/review/");
    let bare = form("", "not-appropriate");
    let bare: Vec<(&str, &str)> = bare.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let refused = officer.post(&path, &bare).await;
    assert!(
        refused.text.contains("There is a problem"),
        "a note is needed"
    );
    let good = form("", "expected");
    let good: Vec<(&str, &str)> = good.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let kept = officer.post(&path, &good).await;
    assert_eq!(kept.status, 303, "{}", kept.text);
    let again = officer.post(&path, &good).await;
    assert_eq!(again.status, 409, "a version is used once");
    let closed = officer
        .get("/ig/review?kind=emergency-access&state=closed")
        .await;
    assert!(closed.text.contains("Expected"), "{}", closed.text);
    let file = officer.get("/ig/review.csv?state=all").await;
    assert!(
        file.text
            .starts_with("\"When\",\"User, role, organisation\"")
    );
}

/// Given a flagged act of the privacy officer herself, when she looks for it, then it goes to somebody
/// else.
async fn nobody_reviews_herself(demo: &Demo) {
    let token = demo.token(&["--as", "privacy-officer"]);
    let http = reqwest::Client::new();
    for number in 0..60_u64 {
        let digits = format!("999{:06}", 500_000 + number);
        let sum: u64 = digits
            .bytes()
            .zip((2..=10).rev())
            .map(|(digit, weight)| u64::from(digit - b'0') * weight)
            .sum();
        let check = match 11 - sum % 11 {
            11 => 0,
            10 => continue,
            other => other,
        };
        let url = format!("{}/fhir/R4/Patient/_search", demo.base);
        http.post(url)
            .form(&[("identifier", format!("{digits}{check}"))])
            .bearer_auth(&token)
            .send()
            .await
            .expect("an answer");
    }
    let mut other = Browser::new(demo);
    other.sign_in("ig-officer").await;
    let queue = other.get("/ig/review?kind=number-guessing").await;
    let path = address(&queue, "/ig/review/");
    assert_eq!(other.get(&path).await.status, 200, "another may");
    let mut officer = Browser::new(demo);
    officer.sign_in("privacy-officer").await;
    let queue = officer.get("/ig/review?kind=number-guessing").await;
    assert!(queue.text.contains("Your own access"), "{}", queue.text);
    assert_eq!(officer.get(&path).await.status, 403);
}

/// Given a request of the police, when the Caldicott Guardian approves it in part, then the pack holds
/// only that part, leaves once, and the person sees it.
async fn a_disclosure_leaves_in_part_and_once(demo: &Demo) {
    let mut officer = Browser::new(demo);
    officer.sign_in("privacy-officer").await;
    let csrf = officer.get("/ig/disclosures/new").await.field("csrf");
    let form = [
        ("csrf", csrf.as_str()),
        ("nhs-number", MAYA),
        ("asker", "police"),
        ("asker-name", "DC Example"),
        ("proof", "Form DP7, called back"),
        ("basis", "public-interest"),
    ];
    let opened = officer.post("/ig/disclosures/new", &form).await;
    let path = opened.to.expect("a case");
    let page = officer.get(&path).await;
    let version = page.field("version");
    let mut plan = vec![
        ("csrf", csrf.as_str()),
        ("version", version.as_str()),
        ("step", "ask"),
        ("answer-0", "A serious assault is looked into"),
        ("answer-1", "Asking would warn the suspect"),
        ("answer-2", "No other record says where she was treated"),
        ("test", ""),
        ("category", "encounters"),
        ("category", "problems"),
        ("least", "Nothing else shows the injury"),
    ];
    let short = officer.post(&path, &plan).await;
    assert!(short.text.contains("Write the public-interest test out"));
    plan[6] = ("test", "The harm prevented outweighs the harm to trust");
    let asked = officer.post(&path, &plan).await;
    assert_eq!(asked.status, 303, "{}", asked.text);

    let mut guardian = Browser::new(demo);
    guardian.sign_in("caldicott-guardian").await;
    let page = guardian.get(&path).await;
    let (csrf, version) = (page.field("csrf"), page.field("version"));
    let decision = [
        ("csrf", csrf.as_str()),
        ("version", version.as_str()),
        ("step", "decide"),
        ("decision", "in-part"),
        ("category", "encounters"),
        ("reason", "Where she was treated is enough"),
        ("tell", "yes"),
    ];
    let own = officer.get(&path).await.field("csrf");
    let mut hers = decision;
    hers[0] = ("csrf", own.as_str());
    assert_eq!(
        officer.post(&path, &hers).await.status,
        403,
        "not for her role"
    );
    let decided = guardian.post(&path, &decision).await;
    assert_eq!(decided.status, 303, "{}", decided.text);
    let page = guardian.get(&path).await;
    let version = page.field("version");
    let release = [
        ("csrf", csrf.as_str()),
        ("version", version.as_str()),
        ("step", "release"),
        ("to", "DC Example"),
        ("how", "secure-mail"),
        ("format", "fhir"),
    ];
    let pack = guardian.post(&path, &release).await;
    assert_eq!(pack.status, 200, "{}", pack.text);
    let bundle: Value = serde_json::from_str(&pack.text).expect("a bundle");
    let kinds: Vec<&str> = bundle["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["resource"]["resourceType"].as_str())
        .collect();
    assert!(!kinds.is_empty(), "Maya was treated somewhere");
    for kind in kinds {
        assert!(
            ["Encounter", "Appointment", "ServiceRequest"].contains(&kind),
            "{kind} is not in scope"
        );
    }
    let again = guardian.post(&path, &release).await;
    assert_eq!(again.status, 400, "once: {}", again.text);
    let log = guardian.get(&path).await;
    assert!(log.text.contains("What left") && log.text.contains("DC Example"));

    let mut maya = Browser::new(demo);
    maya.sign_in("patient").await;
    let list = maya.get("/me/who-looked").await;
    assert!(list.text.contains("The police"), "{}", list.text);
}

#[tokio::test]
async fn the_console_reviews_discloses_and_passes_the_page_checks() {
    let demo = Demo::with_people(14).await;
    the_emergency_is_reviewed(&demo).await;
    nobody_reviews_herself(&demo).await;
    a_disclosure_leaves_in_part_and_once(&demo).await;
    pages_pass_in_a_browser(&demo);
    demo.stop().await;
}

fn pages_pass_in_a_browser(demo: &Demo) {
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
        .into_iter()
        .find(|path| PathBuf::from(path).is_file());
    let Some(chromium) = chromium else {
        println!("skipped: no Chromium here; install the package `chromium`");
        return;
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut browser = Command::new("node");
    browser
        .arg(folder.join("tests/journeys/browser/console.cjs"))
        .args([&demo.base, chromium])
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
    assert!(
        out.status.success() && failed.is_empty(),
        "{}\n{}",
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );
}
