//! The other side of a feed: what a sending system does. Used by the demonstration and by `send`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::feeds::frame::{Deframer, Frame, framed};
use crate::signin::keys::SigningKey;

/// A connection to an MLLP listener.
pub struct MllpClient {
    stream: TcpStream,
    deframer: Deframer,
    timeout: Duration,
}

impl MllpClient {
    /// Connects.
    pub async fn connect(to: &str, timeout: Duration) -> anyhow::Result<Self> {
        let stream = tokio::time::timeout(timeout, TcpStream::connect(to))
            .await
            .ok()
            .and_then(Result::ok)
            .with_context(|| {
                format!("nobody answers at {to}; check the address and that the listener runs")
            })?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            deframer: Deframer::new(16 << 20),
            timeout,
        })
    }

    /// Sends a message and gives its answer.
    pub async fn send(&mut self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream
            .write_all(&framed(message))
            .await
            .context("the listener closed the connection")?;
        let mut buffer = vec![0u8; 16 << 10];
        loop {
            let read = tokio::time::timeout(self.timeout, self.stream.read(&mut buffer)).await;
            let count = read
                .context("no answer in time")?
                .context("the connection broke")?;
            if count == 0 {
                bail!("the listener closed the connection without an answer");
            }
            if let Some(Frame::Message(answer)) =
                self.deframer.take(&buffer[..count]).into_iter().next()
            {
                return Ok(answer);
            }
        }
    }
}

/// The acknowledgement code of an answer (MSA-1), or `none`.
pub fn ack_code(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.split(['\r', '\n'])
        .find_map(|segment| segment.strip_prefix("MSA"))
        .and_then(|rest| rest.get(1..))
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .filter(|code| !code.is_empty())
        .unwrap_or("none")
        .to_owned()
}

/// A system that sends FHIR, signed in by SMART Backend Services.
pub struct FhirClient {
    http: reqwest::Client,
    base_url: String,
    client: String,
    key: Arc<SigningKey>,
    token: Option<(String, Timestamp)>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: String,
    exp: i64,
    jti: String,
}

impl FhirClient {
    /// Not signed in yet.
    pub fn new(base_url: &str, client: &str, key: Arc<SigningKey>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self {
            http,
            base_url: base_url.to_owned(),
            client: client.to_owned(),
            key,
            token: None,
        })
    }

    async fn token(&mut self, now: Timestamp) -> anyhow::Result<String> {
        if let Some((token, until)) = &self.token
            && now < *until
        {
            return Ok(token.clone());
        }
        let aud = format!("{}/oauth/token", self.base_url);
        let jti = crate::signin::random_text()
            .map_err(|_| anyhow::anyhow!("the machine gave no random numbers"))?;
        let claims = Assertion {
            iss: &self.client,
            sub: &self.client,
            aud: aud.clone(),
            exp: now.as_second() + 240,
            jti,
        };
        let assertion = self.key.sign("JWT", &claims)?;
        let form = [
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", &assertion),
            ("scope", "system/*.cu"),
        ];
        let answer = self.http.post(aud).form(&form).send().await?;
        let status = answer.status();
        let body: serde_json::Value = answer.json().await?;
        let Some(token) = body.get("access_token").and_then(|token| token.as_str()) else {
            bail!(
                "no token for {}: {status} {}",
                self.client,
                body.get("error_description")
                    .and_then(|why| why.as_str())
                    .unwrap_or_default()
            );
        };
        let lives = body
            .get("expires_in")
            .and_then(serde_json::Value::as_i64)
            .unwrap_or(60);
        let until = Timestamp::from_second(now.as_second() + lives - 20).unwrap_or(now);
        self.token = Some((token.to_owned(), until));
        Ok(token.to_owned())
    }

    /// Sends a transaction; gives the status and the body of the answer.
    pub async fn transaction(
        &mut self,
        bundle: Vec<u8>,
        now: Timestamp,
    ) -> anyhow::Result<(u16, String)> {
        let token = self.token(now).await?;
        let answer = self
            .http
            .post(format!("{}/fhir/R4", self.base_url))
            .header("content-type", "application/fhir+json")
            .bearer_auth(token)
            .body(bundle)
            .send()
            .await?;
        let status = answer.status().as_u16();
        if status == 401 {
            self.token = None;
        }
        Ok((status, answer.text().await?))
    }
}
