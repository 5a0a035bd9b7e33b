//! The client of the MESH API: validate the mailbox, list, download, acknowledge, send, track.
//!
//! A message is given out whole or not at all: a chunk that is missing, damaged or of another message
//! is an error, and what is in error stays in the inbox. Nothing is acknowledged here unless asked.

use std::sync::Arc;
use std::time::Duration;

use care_record::Clock;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderMap};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::auth;
use super::settings::MailboxSettings;
use super::wire::{self, VERSION_2, WireError, header};
use crate::config::ConfigError;

/// Tries of a request that may be repeated.
const TRIES: u32 = 4;
/// The first wait between them; each next is twice as long.
const WAIT: Duration = Duration::from_millis(250);
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(120);

/// Why the exchange did not do it. Holds nothing of a message.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The configuration lacks something.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate or the authority cannot be used.
    #[error("the certificate {0} cannot be used; give a PEM file with the certificate and its key")]
    Certificate(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody answers.
    #[error("the MESH exchange did not answer; check the address, the network and the certificate")]
    Unreachable(#[source] reqwest::Error),
    /// It does not let us in.
    #[error(
        "the MESH exchange refused our token (403); check the mailbox, its password, the shared key \
         and this machine's clock"
    )]
    Refused,
    /// The message is gone.
    #[error("the message is not in the mailbox any more ({0})")]
    Gone(u16),
    /// It does not accept what we sent.
    #[error("the MESH exchange did not accept it ({status}: {said}); check recipient and workflow")]
    NotAccepted {
        /// HTTP.
        status: u16,
        /// Its code and event.
        said: String,
    },
    /// Another answer than we know.
    #[error("the MESH exchange answered in a way we do not know ({0})")]
    Unexpected(u16),
    /// What came over the wire is damaged.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl MeshError {
    /// Trying again soon may help: the network or the exchange, not what we asked.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Unexpected(425 | 429 | 500..=599)
        )
    }
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// The recipient's mailbox.
    pub to: &'a str,
    /// The workflow.
    pub workflow: &'a str,
    /// Our name for it; no personal data.
    pub local_id: &'a str,
    /// No personal data.
    pub subject: &'a str,
    /// The name of the file.
    pub file_name: &'a str,
    /// What it is: `text/csv`, `application/json`.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// A message from the inbox, whole.
#[derive(Clone)]
pub struct Downloaded {
    /// The exchange's id.
    pub message: String,
    /// `DATA` or `REPORT`.
    pub kind: String,
    /// The sender's mailbox.
    pub from: String,
    /// The workflow.
    pub workflow: String,
    /// The sender's name for it.
    pub local_id: String,
    /// The subject.
    pub subject: String,
    /// For a report: the message of ours it is about.
    pub linked: String,
    /// For a report: the code.
    pub status_code: String,
    /// When the exchange took it.
    pub since: Option<Timestamp>,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

/// What the exchange knows of a message we sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Tracking {
    /// `accepted`, `acknowledged` …
    #[serde(default)]
    pub status: Option<String>,
    /// Our name for it.
    #[serde(default)]
    pub local_id: Option<String>,
}

#[derive(Deserialize)]
struct Inbox {
    messages: Vec<String>,
    #[serde(default)]
    links: Links,
}

#[derive(Deserialize, Default)]
struct Links {
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Sent {
    #[serde(alias = "messageID")]
    message_id: String,
}

/// A mailbox we hold the keys of. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    settings: Arc<MailboxSettings>,
    password: Arc<str>,
    shared_key: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// Opens a mailbox; nothing is sent yet.
    pub fn open(settings: &MailboxSettings, clock: Arc<dyn Clock>) -> Result<Self, MeshError> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let read = |path: &std::path::Path| {
            let name = path.display().to_string();
            std::fs::read(path).map_err(|cause| MeshError::Certificate(name, cause.into()))
        };
        if let Some(path) = &settings.client_certificate_file {
            let identity = reqwest::Identity::from_pem(&read(path)?).map_err(|cause| {
                MeshError::Certificate(path.display().to_string(), cause.into())
            })?;
            http = http.identity(identity).https_only(true);
        }
        if let Some(path) = &settings.authority_file {
            let authority = reqwest::Certificate::from_pem(&read(path)?).map_err(|cause| {
                MeshError::Certificate(path.display().to_string(), cause.into())
            })?;
            http = http.add_root_certificate(authority);
        }
        Ok(Self {
            http: http.build().map_err(MeshError::Unreachable)?,
            password: settings.password()?.into(),
            shared_key: settings.shared_key()?.into(),
            settings: Arc::new(settings.clone()),
            clock,
        })
    }

    /// Our mailbox.
    pub fn mailbox(&self) -> String {
        self.settings.mailbox.to_ascii_uppercase()
    }

    fn address(&self, rest: &str) -> String {
        format!(
            "{}/messageexchange/{}{rest}",
            self.settings.endpoint,
            self.mailbox()
        )
    }

    /// A request with a token of its own.
    fn request(&self, method: Method, address: &str) -> RequestBuilder {
        let token = auth::token(
            &self.settings.mailbox,
            &self.password,
            &self.shared_key,
            &auth::nonce(),
            0,
            self.clock.now(),
        );
        self.http
            .request(method, address)
            .header(AUTHORIZATION, token)
            .header(ACCEPT, VERSION_2)
    }

    /// Sends a request that may be repeated, anew with each try: a token is good for one.
    async fn repeat(&self, make: impl Fn(&Self) -> RequestBuilder) -> Result<Response, MeshError> {
        let mut wait = WAIT;
        for again in (0..TRIES).rev() {
            let answer = make(self).send().await;
            let passing = match &answer {
                Ok(answer) => matches!(answer.status().as_u16(), 425 | 429 | 502 | 503 | 504),
                Err(_) => true,
            };
            if !passing || again == 0 {
                return answer.map_err(MeshError::Unreachable);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(MeshError::Unexpected(0))
    }

    /// Whether the exchange answers at all.
    pub async fn ping(&self) -> Result<(), MeshError> {
        let address = format!("{}/messageexchange/_ping", self.settings.endpoint);
        let answer = self.repeat(|client| client.http.get(&address)).await?;
        expect(&answer, &[StatusCode::OK])
    }

    /// Validates the mailbox: at least once a day.
    pub async fn handshake(&self) -> Result<(), MeshError> {
        let address = self.address("");
        let answer = self
            .repeat(|client| {
                client
                    .request(Method::POST, &address)
                    .header(
                        header::CLIENT_VERSION,
                        concat!("connect-care==", env!("CARGO_PKG_VERSION")),
                    )
                    .header(header::OS_NAME, std::env::consts::OS)
                    .header(header::OS_VERSION, std::env::consts::ARCH)
            })
            .await?;
        expect(&answer, &[StatusCode::OK])
    }

    /// The messages in the inbox, oldest first. One page of at most 500: take them and ask again.
    pub async fn inbox(&self) -> Result<Vec<String>, MeshError> {
        self.inbox_after(&[]).await
    }

    /// The same, and further pages as long as nothing but these stands on them.
    pub async fn inbox_after(&self, known: &[String]) -> Result<Vec<String>, MeshError> {
        let mut address = self.address("/inbox");
        loop {
            let answer = self
                .repeat(|client| client.request(Method::GET, &address))
                .await?;
            expect(&answer, &[StatusCode::OK])?;
            let page: Inbox = answer.json().await.map_err(MeshError::Unreachable)?;
            let fresh: Vec<String> = page
                .messages
                .into_iter()
                .filter(|id| !known.contains(id))
                .collect();
            match page.links.next {
                Some(next) if fresh.is_empty() => address = self.next_page(&next)?,
                _ => return Ok(fresh),
            }
        }
    }

    /// The address of the next page, which must be at the same exchange.
    fn next_page(&self, link: &str) -> Result<String, MeshError> {
        let path = link.strip_prefix(&self.settings.endpoint).unwrap_or(link);
        if path.starts_with("/messageexchange/") {
            Ok(format!("{}{path}", self.settings.endpoint))
        } else {
            Err(MeshError::Unexpected(200))
        }
    }

    /// A message, whole; `Gone` where somebody took it meanwhile.
    pub async fn download(&self, message: &str) -> Result<Downloaded, MeshError> {
        let limit = self.settings.max_message_bytes;
        let (first, headers, part) = self.chunk(message, 1, limit).await?;
        let text = |name: &str| text_of(&headers, name);
        if !text(header::MESSAGE_ID).is_empty()
            && !text(header::MESSAGE_ID).eq_ignore_ascii_case(message)
        {
            return Err(WireError::Chunks.into());
        }
        let mut body = part;
        let (_, total) = wire::chunk_range(Some(&text(header::CHUNK_RANGE)))?;
        let mut last = first;
        for place in 2..=total {
            let left = limit.saturating_sub(body.len());
            let (status, headers, part) = self.chunk(message, place, left).await?;
            let range = wire::chunk_range(Some(&text_of(&headers, header::CHUNK_RANGE)))?;
            if range != (place, total) || last != StatusCode::PARTIAL_CONTENT {
                return Err(WireError::Chunks.into());
            }
            body.extend_from_slice(&part);
            last = status;
        }
        if last != StatusCode::OK {
            return Err(WireError::Chunks.into());
        }
        wire::check(&body, Some(&text(header::CHECKSUM)))?;
        Ok(Downloaded {
            message: message.to_owned(),
            kind: text(header::MESSAGE_TYPE).to_ascii_uppercase(),
            from: text(header::FROM),
            workflow: text(header::WORKFLOW),
            local_id: text(header::LOCAL_ID),
            subject: text(header::SUBJECT),
            linked: text(header::LINKED_MESSAGE),
            status_code: text(header::STATUS_CODE),
            since: compact_time(&text(header::STATUS_TIMESTAMP)),
            body,
        })
    }

    async fn chunk(
        &self,
        message: &str,
        place: u32,
        limit: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), MeshError> {
        let address = match place {
            1 => self.address(&format!("/inbox/{message}")),
            _ => self.address(&format!("/inbox/{message}/{place}")),
        };
        let answer = self
            .repeat(|client| {
                client
                    .request(Method::GET, &address)
                    .header(ACCEPT_ENCODING, "gzip")
            })
            .await?;
        expect(&answer, &[StatusCode::OK, StatusCode::PARTIAL_CONTENT])?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = whole(answer, limit).await?;
        let packed = text_of(&headers, CONTENT_ENCODING.as_str()).eq_ignore_ascii_case("gzip");
        let part = if packed {
            wire::gunzip(&bytes, limit)?
        } else {
            bytes
        };
        Ok((status, headers, part))
    }

    /// Tells the exchange that the message is kept here: it leaves the inbox. Saying it twice is well.
    pub async fn acknowledge(&self, message: &str) -> Result<(), MeshError> {
        let address = self.address(&format!("/inbox/{message}/status/acknowledged"));
        let answer = self
            .repeat(|client| client.request(Method::PUT, &address))
            .await?;
        expect(&answer, &[StatusCode::OK])
    }

    /// Sends a message; gives the id the exchange gave it. The first chunk is never sent twice: that
    /// would be a second message.
    pub async fn send(&self, outgoing: &Outgoing<'_>) -> Result<String, MeshError> {
        let size = self.settings.chunk_bytes.max(1);
        let chunks: Vec<&[u8]> = outgoing.body.chunks(size).collect();
        let total = chunks.len();
        let Some((first, rest)) = chunks.split_first() else {
            return Err(MeshError::NotAccepted {
                status: 417,
                said: "an empty message is not sent".to_owned(),
            });
        };
        let answer = self
            .request(Method::POST, &self.address("/outbox"))
            .header(header::TO, outgoing.to)
            .header(header::WORKFLOW, outgoing.workflow)
            .header(header::LOCAL_ID, outgoing.local_id)
            .header(header::SUBJECT, outgoing.subject)
            .header(header::FILE_NAME, outgoing.file_name)
            .header(header::CONTENT_TYPE, outgoing.content_type)
            .header(header::CHECKSUM, wire::checksum(outgoing.body))
            .header(header::CHUNK_RANGE, format!("1:{total}"))
            .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_ENCODING, "gzip")
            .body(wire::gzip(first))
            .send()
            .await
            .map_err(MeshError::Unreachable)?;
        let answer = accepted(answer).await?;
        let message = answer
            .json::<Sent>()
            .await
            .map_err(MeshError::Unreachable)?
            .message_id;
        for (place, chunk) in rest.iter().enumerate() {
            let place = place + 2;
            let address = self.address(&format!("/outbox/{message}/{place}"));
            let answer = self
                .repeat(|client| {
                    client
                        .request(Method::POST, &address)
                        .header(header::CHUNK_RANGE, format!("{place}:{total}"))
                        .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
                        .header(CONTENT_ENCODING, "gzip")
                        .body(wire::gzip(chunk))
                })
                .await?;
            accepted(answer).await?;
        }
        Ok(message)
    }

    /// What became of a message we sent.
    pub async fn track(&self, message: &str) -> Result<Tracking, MeshError> {
        let address = self.address(&format!("/outbox/tracking?messageID={message}"));
        let answer = self
            .repeat(|client| client.request(Method::GET, &address))
            .await?;
        expect(&answer, &[StatusCode::OK])?;
        answer.json().await.map_err(MeshError::Unreachable)
    }
}

fn expect(answer: &Response, good: &[StatusCode]) -> Result<(), MeshError> {
    let status = answer.status();
    if good.contains(&status) {
        return Ok(());
    }
    Err(match status.as_u16() {
        401 | 403 => MeshError::Refused,
        gone @ (404 | 410) => MeshError::Gone(gone),
        other => MeshError::Unexpected(other),
    })
}

/// 202, or why the exchange does not want it.
async fn accepted(answer: Response) -> Result<Response, MeshError> {
    let status = answer.status();
    if status == StatusCode::ACCEPTED {
        return Ok(answer);
    }
    if matches!(status.as_u16(), 400 | 413 | 417 | 422) {
        let said = answer.text().await.unwrap_or_default();
        let said = said.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(MeshError::NotAccepted {
            status: status.as_u16(),
            said,
        });
    }
    Err(expect(&answer, &[])
        .err()
        .unwrap_or(MeshError::Unexpected(status.as_u16())))
}

/// The body to its end, in memory up to the limit; one that ends early is an error of the network.
async fn whole(mut answer: Response, limit: usize) -> Result<Vec<u8>, MeshError> {
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(MeshError::Unreachable)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > limit.saturating_add(1024) {
            return Err(WireError::TooLarge.into());
        }
    }
    Ok(bytes)
}

fn text_of(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// `20261103091500` in UTC.
fn compact_time(text: &str) -> Option<Timestamp> {
    let at = DateTime::strptime("%Y%m%d%H%M%S", text.get(..14)?).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
