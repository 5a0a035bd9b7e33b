//! Sends the messages that wait: one at a time, by the way the deployment configured. What could not
//! be sent stays in the record's queue and is tried again; a message is sent at least once, and its key
//! lets the receiver drop one that comes twice.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use care_record::Message;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::portal::Notices;
use crate::serve::Stop;
use crate::state::Shared;

/// How long the queue is left alone between looks.
const ROUND: Duration = Duration::from_secs(2);
const AT_ONCE: u32 = 20;
/// How long one message may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Why a message did not go. Holds nothing of it.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    #[error("the program of portal.notices.command did not start or did not read")]
    Program(#[source] std::io::Error),
    #[error("the program of portal.notices.command ended with {0}")]
    Refused(std::process::ExitStatus),
    #[error("the folder of portal.notices.folder cannot be written")]
    Folder(#[source] std::io::Error),
    #[error("the address of portal.notices.webhook did not answer")]
    Address(#[source] reqwest::Error),
    #[error("the address of portal.notices.webhook answered {0}")]
    Status(u16),
    #[error("it took longer than 20 seconds")]
    TooLong,
}

const STEP: Duration = Duration::from_millis(50);

/// A message as it leaves: to whom and what, and a key that is the same whenever it is tried again.
#[derive(Serialize)]
struct Outgoing<'a> {
    key: String,
    by: &'a str,
    to: &'a str,
    subject: &'a str,
    text: &'a str,
}

/// Looks at the queue until told to stop. Does nothing where no way is configured.
pub async fn send(state: Shared, mut stop: Stop) {
    if !state.config.portal.notices.any() {
        return;
    }
    let client = reqwest::Client::builder().timeout(LONGEST).build();
    let Ok(client) = client else {
        tracing::error!("messages to people are not sent: no HTTPS client");
        return;
    };
    loop {
        if let Err(error) = round(&state, &client).await {
            tracing::warn!(%error, "the queue of messages to people could not be read or written");
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = stop.wait() => return,
        }
    }
}

async fn round(state: &Shared, client: &reqwest::Client) -> anyhow::Result<()> {
    let queue = state.record.messages();
    let due = {
        let queue = queue.clone();
        tokio::task::spawn_blocking(move || queue.due(AT_ONCE)).await??
    };
    for message in due {
        let sending = one(&state.config.portal.notices, client, &message);
        let sent = tokio::time::timeout(LONGEST, sending)
            .await
            .unwrap_or(Err(NotSent::TooLong));
        let (queue, key) = (queue.clone(), message.key.clone());
        match sent {
            Ok(()) => tokio::task::spawn_blocking(move || queue.sent(&key)).await??,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "a message to a person was not sent; it is tried again");
                tokio::task::spawn_blocking(move || queue.failed(&key)).await??;
            }
        }
    }
    Ok(())
}

async fn one(
    notices: &Notices,
    client: &reqwest::Client,
    message: &Message,
) -> Result<(), NotSent> {
    let outgoing = Outgoing {
        // The queue's own key holds the person's; what leaves must not.
        key: digest(&message.key),
        by: &message.by,
        to: &message.to,
        subject: "A message about your Connect Care record",
        text: &message.text,
    };
    let body = serde_json::json!(outgoing).to_string();
    if let Some(folder) = &notices.folder {
        return file(folder, &outgoing.key, &body).await;
    }
    if let Some(address) = &notices.webhook {
        let answer = client
            .post(address)
            .header("content-type", "application/json")
            .header("idempotency-key", &outgoing.key)
            .body(body)
            .send()
            .await
            .map_err(|error| NotSent::Address(error.without_url()))?;
        return if answer.status().is_success() {
            Ok(())
        } else {
            Err(NotSent::Status(answer.status().as_u16()))
        };
    }
    command(&notices.command, &body).await
}

fn digest(key: &str) -> String {
    Sha256::digest(key.as_bytes())[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A file appears whole or not at all.
async fn file(folder: &Path, key: &str, body: &str) -> Result<(), NotSent> {
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(NotSent::Folder)?;
    let making = folder.join(format!(".{key}.making"));
    tokio::fs::write(&making, body)
        .await
        .map_err(NotSent::Folder)?;
    tokio::fs::rename(&making, folder.join(format!("{key}.json")))
        .await
        .map_err(NotSent::Folder)
}

async fn command(command: &[String], body: &str) -> Result<(), NotSent> {
    let (command, body) = (command.to_vec(), body.to_owned());
    let run = tokio::task::spawn_blocking(move || run(&command, &body));
    run.await.unwrap_or(Err(NotSent::TooLong))
}

/// Runs the program to its end, and ends it where it takes too long.
fn run(command: &[String], body: &str) -> Result<(), NotSent> {
    let Some((program, arguments)) = command.split_first() else {
        return Ok(());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(NotSent::Program)?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read says by its exit code whether it took the message.
        let _ = input.write_all(body.as_bytes());
    }
    let steps = LONGEST.as_millis() / STEP.as_millis();
    for _ in 0..steps {
        match child.try_wait().map_err(NotSent::Program)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(NotSent::Refused(status)),
            None => std::thread::sleep(STEP),
        }
    }
    // It may have ended just now; either way it is gone.
    let _ = child.kill();
    let _ = child.wait();
    Err(NotSent::TooLong)
}
