//! Starts the product as its own process on free ports, and stops it by its id.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A running server.
pub struct Server {
    child: Child,
    /// Its HTTP port.
    pub port: u16,
    /// Its MLLP port.
    pub mllp_port: u16,
    /// How long it took until ready.
    pub ready_after: Duration,
}

/// A port nobody listens on now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Server {
    /// Starts `connect-care demo` without invented people and waits until it is ready.
    pub fn start(binary: &Path, data: &Path, ports: (u16, u16)) -> anyhow::Result<Self> {
        Self::start_with(binary, data, ports, &[])
    }

    /// The same with more arguments.
    pub fn start_with(
        binary: &Path,
        data: &Path,
        ports: (u16, u16),
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.with_extension("log"))
            .context("the log beside the data directory")?;
        let begun = Instant::now();
        let child = Command::new(binary)
            .args(["demo", "--people", "0", "--data"])
            .arg(data)
            .args([
                "--port",
                &ports.0.to_string(),
                "--mllp-port",
                &ports.1.to_string(),
            ])
            .args(more)
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let mut server = Self {
            child,
            port: ports.0,
            mllp_port: ports.1,
            ready_after: Duration::ZERO,
        };
        while !is_ready(server.port) {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status} before it was ready; see its log");
            }
            if begun.elapsed() > Duration::from_secs(120) {
                bail!("the server was not ready after 120 s; see its log");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server.ready_after = begun.elapsed();
        Ok(server)
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The processor time it has used so far. Linux counts it in hundredths of a second.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in brackets may hold blanks; user and system time are the 14th and 15th fields.
        let after_name = text.rsplit(')').next().unwrap_or_default();
        let ticks = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already dead is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(
            b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = [0u8; 16];
        stream.read_exact(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// A new directory for one run, under the given one.
pub fn run_directory(under: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = under.join(format!("{name}-{}", std::process::id()));
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
