//! The pages in a real browser: accessibility, 320 pixels, the keyboard, no JavaScript, addresses.

use std::path::PathBuf;
use std::process::Command;

use super::rig::Demo;

/// Where Chromium stands on the machines we know.
pub const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_connected_and_stopped_by_keyboard_on_a_phone_and_on_a_desk() {
    let Some(chromium) = CHROMIUM.iter().find(|path| PathBuf::from(path).exists()) else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let demo = Demo::with_people(1).await;
    let mut node = Command::new("node");
    node.arg(crate_folder.join("tests/journeys/browser/apps.cjs"))
        .args([&demo.base, *chromium])
        .args(std::env::var("CARE_SHOTS"))
        .env("NODE_PATH", crate_folder.join("../../node_modules"));
    let out = node.output().expect("node runs");
    let told = String::from_utf8_lossy(&out.stdout);
    let failed: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("\"ok\":false"))
        .collect();
    let passed = told.matches("\"ok\":true").count();
    assert!(
        out.status.success() && failed.is_empty() && passed > 100,
        "{passed} checks passed, {} failed:\n{}\n{}",
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_can_do_their_work_by_keyboard_on_a_phone_and_without_javascript() {
    let Some(chromium) = CHROMIUM.iter().find(|path| PathBuf::from(path).exists()) else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let demo = Demo::with_people(14).await;
    let out = Command::new("node")
        .arg(crate_folder.join("tests/journeys/browser/journey.cjs"))
        .args([&demo.base, *chromium])
        .env("NODE_PATH", crate_folder.join("../../node_modules"))
        .output()
        .expect("node runs");
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
        out.status.success() && failed.is_empty() && passed > 200,
        "{passed} checks passed, {} failed:\n{}\n{}",
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr)
    );
}
