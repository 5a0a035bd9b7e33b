//! The two worlds: a record with hidden things, its copy without them, and a server for each.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::Cluster;
use super::rows::Engine;

/// Where worlds are kept, and in which engine.
pub struct Ground {
    place: tempfile::TempDir,
    cluster: Option<Cluster>,
    binary: PathBuf,
    /// What copies are served by.
    judged: PathBuf,
}

/// The data of one world.
#[derive(Clone)]
pub struct World {
    pub data: PathBuf,
    /// The connection of its database, in PostgreSQL.
    pub postgres: Option<String>,
    binary: PathBuf,
}

/// A served world.
pub struct Server {
    child: Child,
    pub base: String,
    world: World,
}

impl Ground {
    /// None, with a printed word, where this machine has no PostgreSQL.
    pub fn new(engine: Engine, (binary, judged): (&Path, &Path), under: &Path) -> Option<Self> {
        let cluster = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Cluster::start_with(&[
                "-c",
                "fsync=off",
                "-c",
                "full_page_writes=off",
                "-c",
                "autovacuum=off",
            ])?),
        };
        Some(Self {
            place: tempfile::tempdir_in(under).expect("a directory"),
            cluster,
            binary: binary.to_owned(),
            judged: judged.to_owned(),
        })
    }

    /// A world of nothing.
    pub fn empty(&self, name: &str) -> World {
        if let Some(cluster) = &self.cluster {
            cluster.run(&format!("CREATE DATABASE {name}"));
        }
        self.named(name)
    }

    /// A byte copy of a world that nobody serves.
    pub fn copy(&self, from: &World, of: &str, name: &str) -> World {
        let mut world = self.named(name);
        world.binary.clone_from(&self.judged);
        copy(&from.data, &world.data);
        if let Some(cluster) = &self.cluster {
            cluster.run(&format!("CREATE DATABASE {name} TEMPLATE {of}"));
        }
        world
    }

    /// Takes a world away.
    pub fn remove(&self, world: &World, name: &str) {
        std::fs::remove_dir_all(&world.data).expect("removed");
        if let Some(cluster) = &self.cluster {
            cluster.run(&format!("DROP DATABASE {name}"));
        }
    }

    fn named(&self, name: &str) -> World {
        let data = self.place.path().join(name);
        std::fs::create_dir_all(&data).expect("a directory");
        let postgres = self.cluster.as_ref().map(|cluster| {
            cluster
                .address()
                .replace("dbname=postgres", &format!("dbname={name}"))
        });
        World {
            data,
            postgres,
            binary: self.binary.clone(),
        }
    }
}

fn free_port() -> u16 {
    crate::server::free_port().expect("a free port")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("its kind");
        let to = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

impl World {
    /// Serves it; with so many invented people, where it has none yet. Returns when all were sent.
    pub fn serve(&self, people: u32) -> Server {
        let (port, mllp, opt_out) = (free_port(), free_port(), free_port());
        let log = File::create(self.data.with_extension("log")).expect("a log");
        let mut command = Command::new(&self.binary);
        command
            .args(["demo", "--unthrottled", "--people", &people.to_string()])
            .args(["--port", &port.to_string()])
            .args(["--mllp-port", &mllp.to_string()])
            .args(["--opt-out-port", &opt_out.to_string(), "--data"])
            .arg(&self.data)
            .stdout(log.try_clone().expect("a log"))
            .stderr(Stdio::from(log));
        if let Some(address) = &self.postgres {
            command.args(["--postgres", address]);
        }
        let child = command.spawn().expect("it starts");
        let mut server = Server {
            child,
            base: format!("http://localhost:{port}"),
            world: self.clone(),
        };
        for _ in 0..6000 {
            if server.log().contains("Ctrl-C stops it.") {
                return server;
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("it ended with {status}: {}", server.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not ready in ten minutes: {}", server.log());
    }

    /// Runs a statement; gives the rows as lines, columns divided by `|`.
    pub fn psql(&self, statements: &str) -> String {
        let address = self.postgres.as_deref().expect("a database");
        let mut child = Command::new(psql())
            .args(["-q", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let mut input = child.stdin.take().expect("its input");
        let text = statements.to_owned();
        let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let done = child.wait_with_output().expect("psql ends");
        writing.join().expect("a writer").expect("written");
        assert!(
            done.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).expect("text")
    }
}

fn psql() -> PathBuf {
    let packaged = std::fs::read_dir("/usr/lib/postgresql");
    packaged
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin/psql"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| "psql".into())
}

impl Server {
    fn log(&self) -> String {
        std::fs::read_to_string(self.world.data.with_extension("log")).unwrap_or_default()
    }

    /// A figure of its memory, as Linux counts it.
    pub fn memory_kb(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let text = text.unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    }

    /// Its greatest memory is counted from now.
    pub fn forget_peak(&self) {
        // Where it may not be, the peak is that of the whole run.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    /// A token of the FHIR API.
    pub fn token(&self, arguments: &[&str]) -> String {
        let out = Command::new(&self.world.binary)
            .arg("token")
            .args(arguments)
            .arg("--data")
            .arg(&self.world.data)
            .output()
            .expect("it runs");
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let text = String::from_utf8(out.stdout).expect("text");
        text.trim().to_owned()
    }

    /// Stops it; everything is on the disk.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.expect("kill runs").success());
        for _ in 0..600 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it did not stop in thirty seconds");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
