//! A throw-away PostgreSQL cluster for one test: made in a temporary directory, reached by a Unix
//! socket in it, stopped by its process when it goes. Durability is off: it tests what the engine
//! says, not the disk.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A running cluster.
pub(crate) struct Cluster {
    server: Child,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    directory: TempDir,
    port: u16,
}

/// The port that names the socket where nobody listens on the network.
const PORT: u16 = 5432;

impl Cluster {
    /// Starts one; `None`, with a printed word, where this machine has no PostgreSQL.
    pub fn start() -> Option<Self> {
        Self::start_with(&["-c", "fsync=off", "-c", "full_page_writes=off"])
    }

    /// Starts one that also listens on this machine's network and has this directory's `server.key` and
    /// `server.crt`.
    pub fn start_with_certificate(certificate: &Path) -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let port_setting = format!("port={port}");
        let settings = [
            "-c",
            "ssl=on",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            &port_setting,
        ];
        Self::start_as(&settings, port, Some(certificate))
    }

    /// Starts one with these settings of the server.
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        Self::start_as(settings, PORT, None)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn start_as(settings: &[&str], port: u16, certificate: Option<&Path>) -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: no PostgreSQL here; install the package `postgresql`");
            return None;
        };
        let directory = tempfile::Builder::new()
            .prefix("care-pg-")
            .tempdir()
            .expect("a directory");
        let user = unprivileged(directory.path());
        let data = directory.path().join("data");
        let done = command(&programs, "initdb", user, directory.path())
            .args(["--auth=trust", "--username=care", "--no-sync", "--locale=C"])
            .args(["--encoding=UTF8", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(
            done.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        for name in ["server.key", "server.crt"] {
            let Some(certificate) = certificate else {
                break;
            };
            let copy = data.join(name);
            fs::copy(certificate.join(name), &copy).expect("copied");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600))
                .expect("kept to its owner");
            if let Some((user, group)) = user {
                chown(&copy, Some(user), Some(group)).expect("given");
            }
        }
        let server = serve(&programs, user, directory.path(), settings);
        let this = Self {
            port,
            server,
            programs,
            user,
            directory,
        };
        this.wait();
        Some(this)
    }

    /// The address of its one database.
    pub fn address(&self) -> String {
        format!(
            "host={} user=care dbname=postgres",
            self.directory.path().display()
        )
    }

    /// Runs a statement as the database's owner, beside the engine; gives what was printed.
    pub fn run(&self, statement: &str) -> String {
        let done = command(&self.programs, "psql", None, self.directory.path())
            .args([
                "-q",
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-p",
                &self.port.to_string(),
                "-h",
            ])
            .arg(self.directory.path())
            .args(["-U", "care", "-d", "postgres", "-c", statement])
            .output()
            .expect("psql runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{statement}: {said}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn wait(&self) {
        for _ in 0..600 {
            let ready = command(&self.programs, "pg_isready", None, self.directory.path())
                .args(["-q", "-p", &self.port.to_string(), "-h"])
                .arg(self.directory.path())
                .status();
            if ready.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.directory.path().join("log"));
        panic!("the cluster did not start: {}", log.unwrap_or_default());
    }

    /// Stops the server at once, in the middle of what it does, and starts it again: it recovers from
    /// its log.
    pub fn crash_and_restart(&mut self) {
        self.stop();
        self.server = serve(&self.programs, self.user, self.directory.path(), &[]);
        self.wait();
    }

    /// SIGQUIT to this one process: it stops its own children at once.
    fn stop(&mut self) {
        let _ = Command::new("kill")
            .args(["-QUIT", &self.server.id().to_string()])
            .status();
        let _ = self.server.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(programs: &Path, user: Option<(u32, u32)>, at: &Path, settings: &[&str]) -> Child {
    let log = fs::File::create(at.join("log")).expect("a log");
    command(programs, "postgres", user, at)
        .arg("-D")
        .arg(at.join("data"))
        .arg("-k")
        .arg(at)
        .args(["-c", "listen_addresses=", "-c", "shared_buffers=64MB"])
        .args(["-c", "max_connections=60"])
        .args(settings)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("postgres starts")
}

fn command(programs: &Path, name: &str, user: Option<(u32, u32)>, at: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(at);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

/// The newest PostgreSQL of the system, else the one on the path.
fn programs() -> Option<PathBuf> {
    let complete = |directory: &PathBuf| {
        ["initdb", "postgres", "pg_isready", "psql"]
            .iter()
            .all(|name| directory.join(name).is_file())
    };
    let mut packaged: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(complete)
        .collect();
    packaged.sort_by_key(|place| {
        let version = place.parent().and_then(Path::file_name);
        version.and_then(|version| version.to_string_lossy().parse::<u32>().ok())
    });
    packaged.pop().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            // A link stands for the directory that it points into.
            .filter_map(|place| fs::canonicalize(place.join("initdb")).ok())
            .filter_map(|initdb| initdb.parent().map(Path::to_owned))
            .find(complete)
    })
}

/// PostgreSQL refuses to run as root: then the directory is given to a user without rights.
fn unprivileged(directory: &Path) -> Option<(u32, u32)> {
    let owner = fs::metadata(directory).expect("a directory").uid();
    if owner != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the list of users");
    let of = |name: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            found.then_some((user, group))
        })
    };
    let (user, group) = of("postgres").or_else(|| of("nobody")).expect("a user");
    chown(directory, Some(user), Some(group)).expect("given");
    Some((user, group))
}
