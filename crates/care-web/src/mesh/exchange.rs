//! A message exchange of our own, behind the same API: for demonstrations, and for places without the
//! national one whose services still talk by MESH. Its messages lie in a file of their own.
//!
//! It holds what it was given until the recipient says that it is kept there. Mail that nobody collects
//! for five days goes back as a report; mail of thirty days is deleted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as At, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header as http};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use care_record::Clock;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Deserialize;
use serde_json::json;

use super::auth::Gate;
use super::wire::{self, VERSION_2, header};

/// The most messages on one page of an inbox.
const PAGE: u32 = 500;
/// The largest request.
const MOST_BYTES: usize = 100 << 20;
const UNCOLLECTED: SignedDuration = SignedDuration::from_hours(5 * 24);
const DELETED: SignedDuration = SignedDuration::from_hours(30 * 24);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS message (
  number     INTEGER PRIMARY KEY,
  id         TEXT    NOT NULL UNIQUE,
  kind       TEXT    NOT NULL,
  sender     TEXT    NOT NULL,
  recipient  TEXT    NOT NULL,
  workflow   TEXT    NOT NULL,
  headers    TEXT    NOT NULL,
  chunks     INTEGER NOT NULL,
  state      TEXT    NOT NULL,
  taken_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS inbox ON message (recipient, number) WHERE state = 'accepted';
CREATE TABLE IF NOT EXISTS chunk (
  message INTEGER NOT NULL REFERENCES message (number) ON DELETE CASCADE,
  place   INTEGER NOT NULL,
  packed  INTEGER NOT NULL,
  body    BLOB    NOT NULL,
  PRIMARY KEY (message, place)
) STRICT, WITHOUT ROWID;
";

/// Headers that travel with a message from its sender to its recipient.
const CARRIED: [&str; 5] = [
    header::SUBJECT,
    header::LOCAL_ID,
    header::FILE_NAME,
    header::CHECKSUM,
    header::CONTENT_TYPE,
];

/// Why an exchange did not open.
#[derive(Debug, thiserror::Error)]
#[error("the message exchange did not open; check that its directory can be written")]
pub struct NotOpen(#[source] rusqlite::Error);

/// The exchange.
pub struct Exchange {
    store: Mutex<Connection>,
    gate: Gate,
    /// Mailboxes with their passwords.
    mailboxes: BTreeMap<String, String>,
    shared_key: String,
    clock: Arc<dyn Clock>,
}

impl Exchange {
    /// Opens the exchange of this file, for these mailboxes (id and password).
    pub fn open(
        file: &Path,
        mailboxes: BTreeMap<String, String>,
        shared_key: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NotOpen> {
        let connection = Connection::open(file).map_err(NotOpen)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(NotOpen)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(NotOpen)?;
        connection
            .pragma_update(None, "foreign_keys", true)
            .map_err(NotOpen)?;
        connection.execute_batch(SCHEMA).map_err(NotOpen)?;
        Ok(Self {
            store: Mutex::new(connection),
            gate: Gate::default(),
            mailboxes,
            shared_key,
            clock,
        })
    }

    /// Runs blocking work on the store.
    async fn on_store<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Connection, Timestamp) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let this = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let now = this.clock.now();
            let mut store = this.store.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut store, now)
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                tracing::error!(%error, "the message exchange's store");
                Err(Refusal::of(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "",
                    "try again",
                ))
            }
            Err(_) => Err(Refusal::of(
                StatusCode::SERVICE_UNAVAILABLE,
                "",
                "try again",
            )),
        }
    }
}

/// An answer that is not the one wanted.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    said: &'static str,
}

impl Refusal {
    fn of(status: StatusCode, code: &'static str, said: &'static str) -> Self {
        Self { status, code, said }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "detail": [{ "event": "SEND", "code": self.code, "msg": self.said }] });
        (
            self.status,
            [(http::CONTENT_TYPE, VERSION_2)],
            body.to_string(),
        )
            .into_response()
    }
}

type Answer = Result<Response, Refusal>;
type Here = State<Arc<Exchange>>;

/// The addresses of the exchange.
pub fn router(exchange: Arc<Exchange>) -> Router {
    let guarded = Router::new()
        .route("/{mailbox}", get(handshake).post(handshake))
        .route("/{mailbox}/inbox", get(inbox))
        .route("/{mailbox}/inbox/{message}", get(download))
        .route("/{mailbox}/inbox/{message}/{place}", get(download_chunk))
        .route(
            "/{mailbox}/inbox/{message}/status/acknowledged",
            put(acknowledge),
        )
        .route("/{mailbox}/outbox", post(send))
        .route("/{mailbox}/outbox/tracking", get(track))
        .route("/{mailbox}/outbox/{message}/{place}", post(send_chunk))
        .layer(middleware::from_fn_with_state(exchange.clone(), guard))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(exchange);
    Router::new()
        .route(
            "/messageexchange/_ping",
            get(|| async { Json(json!({ "status": "running" })) }),
        )
        .nest("/messageexchange", guarded)
}

/// Lets a request in whose token is the mailbox's own and was not used before.
async fn guard(State(exchange): Here, request: Request, next: Next) -> Response {
    let mailbox = request
        .uri()
        .path()
        .trim_start_matches('/')
        .split('/')
        .next();
    let mailbox = mailbox.unwrap_or_default().to_ascii_uppercase();
    let token = request
        .headers()
        .get(http::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let admitted = match (exchange.mailboxes.get(&mailbox), token) {
        (Some(password), Some(token)) => {
            let now = exchange.clock.now();
            exchange
                .gate
                .admit(token, &mailbox, password, &exchange.shared_key, now)
                .is_ok()
        }
        _ => false,
    };
    if admitted {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

async fn handshake(State(exchange): Here, At(mailbox): At<String>) -> Answer {
    let mailbox = mailbox.to_ascii_uppercase();
    Ok(Json(json!({ "mailbox_id": mailbox, "known": exchange.mailboxes.len() })).into_response())
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    max_results: Option<u32>,
    #[serde(default)]
    continue_from: Option<i64>,
}

async fn inbox(State(exchange): Here, At(mailbox): At<String>, Query(page): Query<Page>) -> Answer {
    let mailbox = mailbox.to_ascii_uppercase();
    let (limit, after) = (
        page.max_results.unwrap_or(PAGE).clamp(1, 5000),
        page.continue_from,
    );
    let name = mailbox.clone();
    let found = exchange
        .on_store(move |store, now| {
            expire(store, now)?;
            let mut list = store.prepare_cached(
                "SELECT number, id FROM message WHERE recipient = ?1 AND state = 'accepted' \
                 AND number > ?2 ORDER BY number LIMIT ?3",
            )?;
            let rows = list.query_map(params![name, after.unwrap_or(0), limit + 1], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })
        .await?;
    let more = found.len() > limit as usize;
    let shown: Vec<&(i64, String)> = found.iter().take(limit as usize).collect();
    let mut links = json!({ "self": format!("/messageexchange/{mailbox}/inbox") });
    if let Some((last, _)) = shown.last().filter(|_| more) {
        let next =
            format!("/messageexchange/{mailbox}/inbox?max_results={limit}&continue_from={last}");
        links["next"] = json!(next);
    }
    let ids: Vec<&String> = shown.iter().map(|(_, id)| id).collect();
    let body = json!({ "messages": ids, "approx_inbox_count": found.len(), "links": links });
    Ok(([(http::CONTENT_TYPE, VERSION_2)], body.to_string()).into_response())
}

async fn download(exchange: Here, At((mailbox, message)): At<(String, String)>) -> Answer {
    give(exchange, &mailbox, message, 1).await
}

async fn download_chunk(
    exchange: Here,
    At((mailbox, message, place)): At<(String, String, u32)>,
) -> Answer {
    give(exchange, &mailbox, message, place).await
}

/// A message as its row says.
struct Row {
    number: i64,
    kind: String,
    sender: String,
    recipient: String,
    workflow: String,
    headers: BTreeMap<String, String>,
    chunks: u32,
    state: String,
    taken_at: Timestamp,
}

fn find(store: &Connection, message: &str) -> rusqlite::Result<Option<Row>> {
    store
        .query_row(
            "SELECT number, kind, sender, recipient, workflow, headers, chunks, state, taken_at \
             FROM message WHERE id = ?1",
            [message],
            |row| {
                let headers: String = row.get(5)?;
                Ok(Row {
                    number: row.get(0)?,
                    kind: row.get(1)?,
                    sender: row.get(2)?,
                    recipient: row.get(3)?,
                    workflow: row.get(4)?,
                    headers: serde_json::from_str(&headers).unwrap_or_default(),
                    chunks: row.get(6)?,
                    state: row.get(7)?,
                    taken_at: Timestamp::from_millisecond(row.get(8)?).unwrap_or_default(),
                })
            },
        )
        .optional()
}

const NO_MESSAGE: Refusal = Refusal {
    status: StatusCode::NOT_FOUND,
    code: "20",
    said: "Message does not exist",
};

async fn give(State(exchange): Here, mailbox: &str, message: String, place: u32) -> Answer {
    let id = message.clone();
    let (row, part) = exchange
        .on_store(move |store, _| {
            let Some(row) = find(store, &id)? else {
                return Ok(None);
            };
            let part = store
                .query_row(
                    "SELECT packed, body FROM chunk WHERE message = ?1 AND place = ?2",
                    params![row.number, place],
                    |chunk| Ok((chunk.get::<_, bool>(0)?, chunk.get::<_, Vec<u8>>(1)?)),
                )
                .optional()?;
            Ok(Some((row, part)))
        })
        .await?
        .ok_or(NO_MESSAGE)?;
    if !row.recipient.eq_ignore_ascii_case(mailbox) {
        return Err(Refusal::of(StatusCode::FORBIDDEN, "", "another mailbox's"));
    }
    if !matches!(row.state.as_str(), "accepted" | "acknowledged") {
        return Err(Refusal::of(
            StatusCode::GONE,
            "",
            "Message no longer available",
        ));
    }
    let report = row.kind == "REPORT";
    let (packed, body) = match part {
        Some(part) => part,
        None if report && place == 1 => (false, Vec::new()),
        None => return Err(NO_MESSAGE),
    };
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: &str| {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    for (name, value) in &row.headers {
        set(name, value);
    }
    let taken = row
        .taken_at
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d%H%M%S")
        .to_string();
    set(header::FROM, &row.sender);
    set(header::TO, &row.recipient);
    set(header::WORKFLOW, &row.workflow);
    set(header::MESSAGE_ID, &message);
    set(header::MESSAGE_TYPE, &row.kind);
    set(header::CHUNK_RANGE, &format!("{place}:{}", row.chunks));
    set(header::TOTAL_CHUNKS, &row.chunks.to_string());
    set(header::STATUS_TIMESTAMP, &taken);
    set(
        header::STATUS_SUCCESS,
        if report { "ERROR" } else { "SUCCESS" },
    );
    set(http::CONTENT_TYPE.as_str(), "application/octet-stream");
    if packed {
        set(http::CONTENT_ENCODING.as_str(), "gzip");
    }
    let status = if place < row.chunks {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    Ok((status, headers, body).into_response())
}

async fn acknowledge(
    State(exchange): Here,
    At((mailbox, message)): At<(String, String)>,
) -> Answer {
    let mailbox = mailbox.to_ascii_uppercase();
    let known = exchange
        .on_store(move |store, _| {
            let known = find(store, &message)?.is_some_and(|row| row.recipient == mailbox);
            store.execute(
                "UPDATE message SET state = 'acknowledged' \
                 WHERE id = ?1 AND recipient = ?2 AND state = 'accepted'",
                params![message, mailbox],
            )?;
            Ok(known)
        })
        .await?;
    if known {
        Ok(StatusCode::OK.into_response())
    } else {
        Err(NO_MESSAGE)
    }
}

async fn send(
    State(exchange): Here,
    At(mailbox): At<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let text = |name: &str| -> Result<String, Refusal> {
        let Some(value) = headers.get(name) else {
            return Ok(String::new());
        };
        let value = value.to_str().map_err(|_| malformed())?;
        if value.len() > 500 {
            Err(malformed())
        } else {
            Ok(value.trim().to_owned())
        }
    };
    let (sender, recipient) = (
        mailbox.to_ascii_uppercase(),
        text(header::TO)?.to_ascii_uppercase(),
    );
    let workflow = text(header::WORKFLOW)?;
    if recipient.is_empty() {
        return Err(Refusal::of(StatusCode::BAD_REQUEST, "08", "TO_DTS missing"));
    }
    if !exchange.mailboxes.contains_key(&recipient) {
        return Err(expectation("12", "Unregistered to address"));
    }
    if workflow.is_empty() {
        return Err(expectation("17", "Workflow ID not registered for mailbox"));
    }
    if body.is_empty() {
        return Err(expectation("02", "Data file is missing or inaccessible."));
    }
    let range = text(header::CHUNK_RANGE)?;
    let (place, total) = wire::chunk_range(Some(&range))
        .map_err(|_| expectation("InvalidHeaderChunks", "Invalid chunk values"))?;
    if place != 1 {
        return Err(expectation("InvalidHeaderChunks", "Invalid chunk values"));
    }
    let packed = is_gzip(&headers)?;
    let mut carried = BTreeMap::new();
    for name in CARRIED {
        let value = text(name)?;
        if !value.is_empty() {
            carried.insert(name.to_owned(), value);
        }
    }
    let id = fresh_id(exchange.clock.now()).ok_or(Refusal::of(
        StatusCode::SERVICE_UNAVAILABLE,
        "",
        "try again",
    ))?;
    let given = id.clone();
    exchange
        .on_store(move |store, now| {
            let state = if total == 1 { "accepted" } else { "uploading" };
            let headers = serde_json::to_string(&carried).unwrap_or_default();
            let change = store.transaction()?;
            change.execute(
                "INSERT INTO message (id, kind, sender, recipient, workflow, headers, chunks, state, taken_at) \
                 VALUES (?1, 'DATA', ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![given, sender, recipient, workflow, headers, total, state, now.as_millisecond()],
            )?;
            let number = change.last_insert_rowid();
            put_chunk(&change, number, 1, packed, &body)?;
            change.commit()
        })
        .await?;
    let body = json!({ "message_id": id }).to_string();
    Ok((
        StatusCode::ACCEPTED,
        [(http::CONTENT_TYPE, VERSION_2)],
        body,
    )
        .into_response())
}

fn put_chunk(
    store: &Connection,
    message: i64,
    place: u32,
    packed: bool,
    body: &[u8],
) -> rusqlite::Result<usize> {
    store.execute(
        "INSERT OR REPLACE INTO chunk (message, place, packed, body) VALUES (?1, ?2, ?3, ?4)",
        params![message, place, packed, body],
    )
}

async fn send_chunk(
    State(exchange): Here,
    At((mailbox, message, place)): At<(String, String, u32)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let range = headers
        .get(header::CHUNK_RANGE)
        .and_then(|value| value.to_str().ok());
    let wrong = || expectation("InvalidHeaderChunks", "Invalid chunk values");
    let (said, total) = wire::chunk_range(range).map_err(|_| wrong())?;
    if said != place || body.is_empty() {
        return Err(wrong());
    }
    let packed = is_gzip(&headers)?;
    let mailbox = mailbox.to_ascii_uppercase();
    let taken = exchange
        .on_store(move |store, _| {
            let Some(row) = find(store, &message)?.filter(|row| row.sender == mailbox) else {
                return Ok(None);
            };
            if row.chunks != total || !matches!(row.state.as_str(), "uploading" | "accepted") {
                return Ok(Some(false));
            }
            let change = store.transaction()?;
            put_chunk(&change, row.number, place, packed, &body)?;
            // The last to come makes it whole.
            change.execute(
                "UPDATE message SET state = 'accepted' WHERE number = ?1 AND state = 'uploading' \
                 AND chunks = (SELECT count(*) FROM chunk WHERE message = ?1)",
                [row.number],
            )?;
            change.commit()?;
            Ok(Some(true))
        })
        .await?;
    match taken {
        Some(true) => Ok(StatusCode::ACCEPTED.into_response()),
        Some(false) => Err(wrong()),
        None => Err(NO_MESSAGE),
    }
}

#[derive(Deserialize)]
struct Tracked {
    #[serde(rename = "messageID")]
    message: String,
}

async fn track(
    State(exchange): Here,
    At(mailbox): At<String>,
    Query(tracked): Query<Tracked>,
) -> Answer {
    let (mailbox, id) = (mailbox.to_ascii_uppercase(), tracked.message.clone());
    let row = exchange.on_store(move |store, _| find(store, &id)).await?;
    let row = row.filter(|row| row.sender == mailbox).ok_or(NO_MESSAGE)?;
    let body = json!({
        "message_id": tracked.message, "status": row.state, "recipient": row.recipient,
        "workflow_id": row.workflow, "local_id": row.headers.get(header::LOCAL_ID),
    });
    Ok(([(http::CONTENT_TYPE, VERSION_2)], body.to_string()).into_response())
}

/// Mail that nobody collected goes back as a report, and old mail goes.
fn expire(store: &mut Connection, now: Timestamp) -> rusqlite::Result<()> {
    let before = |age: SignedDuration| (now - age).as_millisecond();
    let change = store.transaction()?;
    let waiting: Vec<(i64, String, String, String)> = {
        let mut list = change.prepare_cached(
            "SELECT number, id, sender, workflow FROM message \
             WHERE state = 'accepted' AND kind = 'DATA' AND taken_at < ?1",
        )?;
        let rows = list.query_map([before(UNCOLLECTED)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for (number, id, sender, workflow) in waiting {
        let headers = BTreeMap::from([
            (header::LINKED_MESSAGE, id.as_str()),
            (header::STATUS_CODE, "14"),
            (header::SUBJECT, "NDR"),
        ]);
        let Some(report) = fresh_id(now) else { break };
        change.execute(
            "UPDATE message SET state = 'undelivered' WHERE number = ?1",
            [number],
        )?;
        change.execute(
            "INSERT INTO message (id, kind, sender, recipient, workflow, headers, chunks, state, taken_at) \
             VALUES (?1, 'REPORT', '', ?2, ?3, ?4, 1, 'accepted', ?5)",
            params![report, sender, workflow, serde_json::to_string(&headers).unwrap_or_default(), now.as_millisecond()],
        )?;
    }
    change.execute("DELETE FROM message WHERE taken_at < ?1", [before(DELETED)])?;
    change.commit()
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    match headers
        .get(http::CONTENT_ENCODING)
        .map(HeaderValue::as_bytes)
    {
        None | Some(b"") => Ok(false),
        Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => Ok(true),
        Some(_) => Err(Refusal::of(
            StatusCode::UNPROCESSABLE_ENTITY,
            "UnsupportedContentEncoding",
            "Unsupported content encoding",
        )),
    }
}

fn malformed() -> Refusal {
    Refusal::of(StatusCode::BAD_REQUEST, "06", "MalformedControlFile")
}

fn expectation(code: &'static str, said: &'static str) -> Refusal {
    Refusal::of(StatusCode::EXPECTATION_FAILED, code, said)
}

/// `20261103091500123_A1B2C3D4`.
fn fresh_id(now: Timestamp) -> Option<String> {
    let mut bytes = [0_u8; 6];
    getrandom::fill(&mut bytes).ok()?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let time = now
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d%H%M%S%3f")
        .to_string();
    Some(format!("{time}_{random}"))
}
