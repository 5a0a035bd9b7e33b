//! HTTP/1.1 over a plain socket: small enough that the driver costs little beside the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};

/// A server's address and what every request to it says.
#[derive(Debug, Clone)]
pub struct Target {
    host: String,
    port: u16,
    /// The path of the base, without a slash at its end.
    pub root: String,
    token: Option<String>,
}

impl Target {
    /// `http://127.0.0.1:8080/fhir/R4`. Only this machine, so that nobody else's server is loaded.
    pub fn parse(url: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("{url}: an address begins with http://"))?;
        let (place, root) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = place.split_once(':').unwrap_or((place, "80"));
        if !matches!(host, "127.0.0.1" | "localhost") {
            bail!("{url}: only servers on this machine are measured");
        }
        let root = root.trim_end_matches('/');
        Ok(Self {
            host: host.to_owned(),
            port: port.parse()?,
            root: if root.is_empty() {
                String::new()
            } else {
                format!("/{root}")
            },
            token: token.map(str::to_owned),
        })
    }
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// `Content-Location`, where it has one.
    pub content_location: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// One connection.
pub struct Connection<'t> {
    target: &'t Target,
    stream: BufReader<TcpStream>,
}

impl<'t> Connection<'t> {
    /// Connects.
    pub fn open(target: &'t Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((target.host.as_str(), target.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(600)))?;
        Ok(Self {
            target,
            stream: BufReader::with_capacity(256 << 10, stream),
        })
    }

    /// `GET` of a path from the root of the server, or of an address.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.ask("GET", path, &[], None)
    }

    /// Sends and waits for the answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> anyhow::Result<Answer> {
        let path = match path.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
            None => path,
        };
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nAccept: application/fhir+json\r\n",
            self.target.port
        );
        if let Some(token) = &self.target.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!(
                "Content-Type: application/fhir+json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        if let Some(body) = body {
            stream.write_all(body)?;
        }
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
            .context("the server closed the connection")?;
        let (mut length, mut chunked, mut content_location) = (0_usize, false, None);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
                "content-location" => content_location = Some(value.to_owned()),
                _ => {}
            }
        }
        let body = if chunked {
            self.chunks()?
        } else {
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body)?;
            body
        };
        Ok(Answer {
            status,
            content_location,
            body,
        })
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim().split(';').next().unwrap_or("0"), 16)?;
            let from = body.len();
            body.resize(from + length, 0);
            self.stream.read_exact(&mut body[from..])?;
            line.clear();
            self.stream.read_line(&mut line)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}
