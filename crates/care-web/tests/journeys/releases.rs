//! Jacob Stern says no by phone; a release is asked for, checked over MESH, approved and fetched in a real
//! browser; he is not in it and its certificate verifies; put back by hand, the verifier says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use care_core::release::{ReleaseSecret, Subject};
use care_core::vocabulary::NhsNumber;

use crate::opt_out::service_of;
use crate::rig::{Demo, run};

const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// Runs a script in the browser; every check must pass.
fn in_browser(script: &str, arguments: &[&str], fewest: usize) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut browser = Command::new("node");
    browser
        .arg(folder.join("tests/journeys/browser").join(script))
        .args(arguments)
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
        out.status.success() && failed.is_empty() && passed >= fewest,
        "{script}: {passed} checks passed, {} failed:\n{}\n{}",
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );
}

fn verify(release: &Path, key: &Path) -> (bool, String) {
    let (release, key) = (release.to_string_lossy(), key.to_string_lossy());
    let out = run(&["release", "verify", release.as_ref(), "--key", key.as_ref()]);
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    (out.status.success(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn jacob_is_absent_from_a_release_that_verifies_and_put_back_by_hand_he_is_found() {
    let Some(chromium) = CHROMIUM.iter().find(|path| PathBuf::from(path).exists()) else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    // Given: a demonstration, and Jacob's choice, set by an operator on the phone.
    let demo = Demo::with_people(60).await;
    in_browser(
        "opt-out.cjs",
        &[&service_of(&demo), &demo.base, chromium],
        60,
    );

    // When: an analyst asks, two others approve, and the files are fetched.
    let kept = tempfile::TempDir::new().expect("a folder");
    let folder = kept.path().to_string_lossy().into_owned();
    in_browser("releases.cjs", &[&demo.base, chromium, &folder], 40);

    // Then: the certificate verifies, and Jacob's pseudonym is in no file.
    let release = kept.path().join("release");
    let key = demo.data.path().join("record/release-key.public");
    let (holds, told) = verify(&release, &key);
    assert!(holds && told.contains("The release holds"), "{told}");
    let secret = std::fs::read_to_string(demo.data.path().join("record/release-secret"))
        .expect("the secret");
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(secret.trim())
        .expect("Base64");
    let secret = ReleaseSecret::new(bytes.try_into().expect("32 bytes"));
    let jacob = Subject::Number(NhsNumber::parse(care_synthetic::JACOB).expect("a number"));
    let pseudonym = secret.project("journey-1").pseudonym(jacob);
    for file in std::fs::read_dir(&release).expect("listed").flatten() {
        let text = String::from_utf8_lossy(&std::fs::read(file.path()).expect("read")).into_owned();
        assert!(!text.contains(&pseudonym), "{}", file.path().display());
    }

    // Put back by hand, the verifier says so and does not say who.
    let path = release.join("Patient.ndjson");
    let held = std::fs::read_to_string(&path).expect("read");
    std::fs::write(
        &path,
        format!("{held}{{\"resourceType\":\"Patient\",\"id\":\"{pseudonym}\"}}\n"),
    )
    .expect("written");
    let (holds, told) = verify(&release, &key);
    assert!(
        !holds
            && told.contains("not among those who may be in the release")
            && told.contains("changed after"),
        "{told}"
    );
    assert!(!told.contains(&pseudonym));
    demo.stop().await;
}
