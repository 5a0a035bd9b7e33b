//! The client against two exchanges: the sandbox that the maker of the API publishes, and our own. What
//! holds at one holds at the other. Where the sandbox is not installed, its half says that it is skipped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use care_record::SystemClock;

use super::exchange::{Exchange, router};
use super::wire::WireError;
use super::*;

const KEY: &str = "TestKey";
const WORKFLOW: &str = "TEST_WORKFLOW";

/// A running exchange with the mailboxes X26ABC1, X26ABC2 and X26ABC3, password `password`.
pub struct Place {
    pub endpoint: String,
    folder: tempfile::TempDir,
    sandbox: Option<Child>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(child) = &mut self.sandbox {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A change to an answer on its way to the client.
type Spoil = fn(&str, &mut Vec<u8>, &mut StatusCode);

async fn own(spoil: Option<Spoil>) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let mailboxes =
        ["X26ABC1", "X26ABC2", "X26ABC3"].map(|id| (id.to_owned(), "password".to_owned()));
    let file = folder.path().join("exchange.db");
    let exchange = Exchange::open(
        &file,
        BTreeMap::from(mailboxes),
        KEY.into(),
        Arc::new(SystemClock),
    );
    let mut app = router(Arc::new(exchange.expect("opens")));
    if let Some(spoil) = spoil {
        app = app.layer(axum::middleware::from_fn(
            move |request: Request, next: Next| async move {
                let path = request.uri().path().to_owned();
                let (mut parts, body) = next.run(request).await.into_parts();
                if !path.contains("/inbox/") {
                    return Response::from_parts(parts, body);
                }
                let mut bytes = axum::body::to_bytes(body, usize::MAX)
                    .await
                    .expect("a body")
                    .to_vec();
                spoil(&path, &mut bytes, &mut parts.status);
                parts.headers.remove("content-length");
                Response::from_parts(parts, Body::from(bytes)).into_response()
            },
        ));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Place {
        endpoint: format!("http://{address}"),
        folder,
        sandbox: None,
    }
}

/// The sandbox, or `None` with a word where it is not installed.
pub async fn sandbox() -> Option<Place> {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/mesh-sandbox/.venv/bin/uvicorn");
    if !program.exists() {
        eprintln!("skipped: the MESH sandbox is not installed; `make test` installs it");
        return None;
    }
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("an address").port()
    };
    let child = Command::new(program)
        .args([
            "mesh_sandbox.api:app",
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ])
        .envs([
            ("SHARED_KEY", KEY),
            ("STORE_MODE", "memory"),
            ("AUTH_MODE", "full"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let place = Place {
        endpoint: format!("http://127.0.0.1:{port}"),
        folder: tempfile::tempdir().expect("a folder"),
        sandbox: Some(child),
    };
    for _ in 0..600 {
        if reqwest::get(format!("{}/health", place.endpoint))
            .await
            .is_ok()
        {
            return Some(place);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the sandbox did not start in a minute");
}

/// Both exchanges, or ours alone.
async fn places() -> Vec<Place> {
    let mut places = vec![own(None).await];
    places.extend(sandbox().await);
    places
}

impl Place {
    fn secret(&self, name: &str, text: &str) -> Option<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        Some(path)
    }

    fn client(&self, mailbox: &str, password: &str, chunk_bytes: usize) -> Client {
        let settings = self.settings(mailbox, password, chunk_bytes);
        Client::open(&settings, Arc::new(SystemClock)).expect("opens")
    }

    /// How a mailbox here is opened.
    pub fn settings(&self, mailbox: &str, password: &str, chunk_bytes: usize) -> MailboxSettings {
        MailboxSettings {
            endpoint: self.endpoint.clone(),
            mailbox: mailbox.to_owned(),
            password_file: self.secret(&format!("{mailbox}-{password}"), password),
            password_variable: None,
            shared_key_file: self.secret("key", KEY),
            shared_key_variable: None,
            client_certificate_file: None,
            authority_file: None,
            poll_seconds: 1,
            chunk_bytes,
            max_message_bytes: 1 << 20,
        }
    }
}

fn outgoing<'a>(local_id: &'a str, body: &'a [u8]) -> Outgoing<'a> {
    Outgoing {
        to: "X26ABC2",
        workflow: WORKFLOW,
        local_id,
        subject: local_id,
        file_name: "list.dat",
        content_type: "text/plain",
        body,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_out_in_chunks_comes_in_whole_and_stays_until_it_is_acknowledged() {
    for place in places().await {
        let sender = place.client("x26abc1", "password", 1000);
        let reader = place.client("X26ABC2", "password", 1000);
        sender.ping().await.expect("it answers");
        sender.handshake().await.expect("it lets us in");
        let body = b"9990000107,\n".repeat(500);
        let message = sender
            .send(&outgoing("X26ABC1-031126-0001", &body))
            .await
            .expect("sent");
        for _ in 0..2 {
            assert_eq!(
                reader.inbox().await.expect("a list"),
                std::slice::from_ref(&message)
            );
        }
        let taken = reader.download(&message).await.expect("whole");
        assert_eq!(taken.body, body, "six chunks, each compressed by itself");
        assert_eq!(
            (taken.from.as_str(), taken.kind.as_str()),
            ("X26ABC1", "DATA")
        );
        assert_eq!(
            (taken.workflow.as_str(), taken.local_id.as_str()),
            (WORKFLOW, "X26ABC1-031126-0001")
        );
        assert!(taken.since.is_some(), "since when it is there");
        let tracked = sender.track(&message).await.expect("known");
        assert_eq!(
            tracked.status.as_deref().map(str::to_lowercase).as_deref(),
            Some("accepted")
        );
        assert_eq!(tracked.local_id.as_deref(), Some("X26ABC1-031126-0001"));
        reader.acknowledge(&message).await.expect("acknowledged");
        reader.acknowledge(&message).await.expect("twice is well");
        assert!(reader.inbox().await.expect("a list").is_empty());
        let tracked = sender.track(&message).await.expect("known");
        assert_eq!(
            tracked.status.as_deref().map(str::to_lowercase).as_deref(),
            Some("acknowledged")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_exchange_does_not_accept_is_said_in_words() {
    for place in places().await {
        let stranger = place.client("X26ABC1", "wrong", 1000);
        assert!(matches!(
            stranger.handshake().await,
            Err(MeshError::Refused)
        ));
        let client = place.client("X26ABC1", "password", 1000);
        let nobody = Outgoing {
            to: "X26NOBODY",
            ..outgoing("id", b"body")
        };
        let refused = client.send(&nobody).await;
        assert!(
            matches!(refused, Err(MeshError::NotAccepted { status: 417, .. })),
            "{refused:?}"
        );
        let empty = client.send(&outgoing("id", b"")).await;
        assert!(
            matches!(empty, Err(MeshError::NotAccepted { .. })),
            "{empty:?}"
        );
        assert!(matches!(
            client.download("NOSUCHMESSAGE").await,
            Err(MeshError::Gone(404))
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_of_more_than_one_page_is_read_to_its_end() {
    let place = own(None).await;
    let sender = place.client("X26ABC1", "password", 1000);
    let reader = place.client("X26ABC2", "password", 1000);
    for number in 0..510 {
        sender
            .send(&outgoing(&format!("id{number}"), b"body"))
            .await
            .expect("sent");
    }
    let first = reader.inbox().await.expect("a list");
    assert_eq!(first.len(), 500);
    let rest = reader.inbox_after(&first).await.expect("the next page");
    assert_eq!(
        rest.len(),
        10,
        "those that could not be taken do not hide the others"
    );
}

/// Each way a download can go wrong, and what it is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_whole_is_never_given_out() {
    let cases: Vec<(&str, Spoil)> = vec![
        ("a damaged chunk", |path, bytes, _| {
            if path.ends_with("/2") {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
            }
        }),
        ("a chunk cut short", |path, bytes, _| {
            if path.ends_with("/3") {
                bytes.truncate(bytes.len() - 5);
            }
        }),
        (
            "said to be whole before its last chunk",
            |path, _, status| {
                if path.ends_with("/2") {
                    *status = StatusCode::OK;
                }
            },
        ),
        ("never said to be whole", |path, _, status| {
            if path.ends_with("/4") {
                *status = StatusCode::PARTIAL_CONTENT;
            }
        }),
        ("another body under the same checksum", |path, bytes, _| {
            if path.ends_with("/4") {
                *bytes = wire::gzip(b"9990000018,\n");
            }
        }),
        ("a missing chunk", |path, _, status| {
            if path.ends_with("/3") {
                *status = StatusCode::NOT_FOUND;
            }
        }),
        ("a bomb", |path, bytes, _| {
            if path.ends_with("/2") {
                *bytes = wire::gzip(&vec![b' '; 4 << 20]);
            }
        }),
    ];
    for (what, spoil) in cases {
        let place = own(Some(spoil)).await;
        let sender = place.client("X26ABC1", "password", 1000);
        let reader = place.client("X26ABC2", "password", 1000);
        let body: Vec<u8> = (0..3500_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let message = sender.send(&outgoing("id", &body)).await.expect("sent");
        let taken = reader.download(&message).await;
        assert!(taken.is_err(), "{what}");
        let inbox = reader.inbox().await.expect("a list");
        assert_eq!(inbox, [message], "{what}: it stays");
    }
    assert_eq!(
        WireError::Gzip.to_string(),
        "a chunk is damaged: it does not decompress"
    );
}
