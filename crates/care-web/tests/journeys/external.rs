//! Sign-in with a provider that is not ours, by configuration alone: npm `oidc-provider`, claims shaped
//! as NHS CIS2 gives them, a real Chromium.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::pages::CHROMIUM;
use crate::rig::Demo;
use crate::served::{SECRET, Served, free_port};

struct Provider(Child);

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/journeys/browser")
}

fn modules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../node_modules")
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_sign_in_through_a_provider_that_is_not_ours() {
    let Some(chromium) = CHROMIUM.iter().find(|path| PathBuf::from(path).exists()) else {
        eprintln!("skipped: no Chromium on this machine; `make test` installs it");
        return;
    };
    if !modules().join("oidc-provider").exists() {
        eprintln!("skipped: npm oidc-provider is not installed; `npm ci` installs it");
        return;
    }
    let mut demo = Demo::with_people(4).await;
    demo.halt().await;
    let data = std::mem::replace(&mut demo.data, tempfile::tempdir().expect("a directory"));
    let port = free_port();
    let issuer = format!("http://127.0.0.1:{port}");
    let signin = "accepted_acr = [\"AAL3_ANY\"]\nminimum_identity_level = 3\nminimum_authentication_level = 3\n\
                  [signin.step_up]\nminutes = 0\n";
    let served = Served::start(data, &issuer, signin, "").await;
    let mut child = Command::new("node")
        .arg(folder().join("provider.mjs"))
        .args([
            &port.to_string(),
            SECRET,
            &format!("{}/staff/login/callback", served.base),
        ])
        .env("NODE_PATH", modules())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("node runs");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut first = String::new();
    output.read_line(&mut first).expect("a line");
    // Read to its end: a provider that cannot write what it has to say would stop.
    std::thread::spawn(move || output.lines().for_each(drop));
    let _provider = Provider(child);
    assert_eq!(first.trim(), "ready");
    let mut journey = Command::new("node");
    journey
        .arg(folder().join("external.cjs"))
        .args([&served.base, *chromium])
        .env("NODE_PATH", modules());
    if let Ok(shots) = std::env::var("SCREENSHOTS") {
        journey.arg(shots);
    }
    let out = journey.output().expect("node runs");
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
        out.status.success() && failed.is_empty() && passed > 15,
        "{passed} checks passed, {} failed:\n{}\n{}\n{}",
        failed.len(),
        failed.join("\n"),
        String::from_utf8_lossy(&out.stderr),
        served.log()
    );
    let checked = served.command(&["config", "check"]);
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}
