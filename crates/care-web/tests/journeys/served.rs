//! The product as an operator starts it, `serve` with a configuration, for trying on this machine.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::rig::binary;

/// A running service.
pub struct Served {
    child: Child,
    pub base: String,
    pub data: tempfile::TempDir,
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

pub const SECRET: &str = "the-secret-we-share-with-the-provider";

/// A configuration that trusts this issuer. `place` already holds what `more` names.
fn configuration(
    place: &std::path::Path,
    port: u16,
    issuer: &str,
    signin: &str,
    more: &str,
) -> String {
    let place = place.display();
    let organisations: String = care_synthetic::organisations()
        .iter()
        .map(|one| {
            format!(
                "[[organisations]]\nods = {:?}\nkind = {:?}\nname = {:?}\nshort_name = {:?}\nphone = {:?}\n",
                one.ods, one.kind, one.name, one.short_name, one.phone
            )
        })
        .collect();
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nbase_url = \"http://localhost:{port}\"\ntrial = true\n\
         [record]\ndata = \"{place}/record\"\nwitness = \"{place}/witness\"\n\
         [signin]\nissuer = \"{issuer}\"\nclient_id = \"connect-care\"\nclient_secret_file = \"{place}/secret\"\n{signin}\n\
         [log]\nformat = \"plain\"\nlevel = \"warn\"\n{more}\n{organisations}"
    )
}

impl Served {
    /// Starts one that trusts `issuer`, over the data of `data`, and waits until it answers.
    pub async fn start(data: tempfile::TempDir, issuer: &str, signin: &str, more: &str) -> Self {
        let port = free_port();
        let place = data.path().to_owned();
        std::fs::write(place.join("secret"), SECRET).expect("written");
        let file = place.join("connect-care.toml");
        std::fs::write(&file, configuration(&place, port, issuer, signin, more)).expect("written");
        let log = std::fs::File::create(place.join("served.log")).expect("a log");
        let child = Command::new(binary())
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(log.try_clone().expect("a log"))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("it starts");
        let mut served = Self {
            child,
            base: format!("http://localhost:{port}"),
            data,
        };
        for _ in 0..300 {
            if reqwest::get(format!("{}/health/live", served.base))
                .await
                .is_ok()
            {
                return served;
            }
            assert!(
                served.child.try_wait().expect("its state").is_none(),
                "it did not start: {}",
                served.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not ready in thirty seconds: {}", served.log());
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("served.log")).unwrap_or_default()
    }

    /// Runs a command of the executable on this service's configuration.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(binary())
            .args(arguments)
            .arg("--config")
            .arg(self.data.path().join("connect-care.toml"))
            .output()
            .expect("it runs")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
