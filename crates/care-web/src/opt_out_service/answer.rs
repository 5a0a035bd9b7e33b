//! The answering side of the check: lists come by MESH, and go back without the numbers of those who have
//! opted out. First a report that the job was created, then the result, both under the list's local id.
//!
//! A question and its answer are kept before anything is sent, and the question is acknowledged last: a
//! question is answered however often it has to be tried, and the same answer goes out each time.

use std::time::Duration;

use care_core::secondary_use::check::{INVALID_NUMBERS, LineEnd, read_list, write_list};
use serde_json::json;

use super::Shared;
use super::store::{Question, StoreError};
use crate::mesh::{Client, Downloaded, MailboxSettings, MeshError, Outgoing};
use crate::serve::Stop;

#[derive(Debug, thiserror::Error)]
enum NotAnswered {
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks into the mailbox at every interval, until told to stop.
pub async fn run(settings: MailboxSettings, service: Shared, mut stop: Stop) {
    let client = match Client::open(&settings, service.clock.clone()) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "the opt-out service's mailbox cannot be used; nobody is answered");
            return;
        }
    };
    loop {
        if let Err(error) = round(&client, &service).await {
            tracing::warn!(%error, "a round of answering ended early; it is tried again");
        }
        let pause = Duration::from_secs(settings.poll_seconds);
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn round(client: &Client, service: &Shared) -> Result<(), NotAnswered> {
    let mut left: Vec<String> = Vec::new();
    loop {
        let messages = client.inbox_after(&left).await?;
        if messages.is_empty() {
            return Ok(());
        }
        for message in messages {
            match answer(client, service, &message).await {
                Ok(()) | Err(NotAnswered::Mesh(MeshError::Gone(_))) => {}
                Err(error) => {
                    tracing::warn!(message, %error, "a question stays in the inbox");
                    left.push(message);
                }
            }
        }
    }
}

async fn answer(client: &Client, service: &Shared, message: &str) -> Result<(), NotAnswered> {
    let mut question = match service.store.question(message)? {
        Some(question) => question,
        None => {
            let mail = client.download(message).await?;
            match taken(service, &mail)? {
                Some(question) => question,
                // Nobody who may ask, or nothing that can be answered: as at the national service, silence.
                None => return Ok(client.acknowledge(message).await?),
            }
        }
    };
    if !question.job_sent {
        let report = question.report.clone();
        send(
            client,
            service,
            &question,
            "SUCCESS",
            "application/json",
            report.as_bytes(),
        )
        .await?;
        question.job_sent = true;
        note(service, &question)?;
    }
    if let Some(body) = question.answer.clone().filter(|_| !question.answer_sent) {
        let name = question.name.clone();
        send(client, service, &question, &name, "text/plain", &body).await?;
        question.answer_sent = true;
        question.answer = None;
        note(service, &question)?;
    }
    Ok(client.acknowledge(message).await?)
}

/// Keeps a question with its answer; `None` where it is not answered.
fn taken(service: &Shared, mail: &Downloaded) -> Result<Option<Question>, StoreError> {
    let now = service.clock.now();
    let may_ask = service
        .config
        .askers
        .iter()
        .any(|asker| asker.eq_ignore_ascii_case(&mail.from));
    let named = !mail.local_id.is_empty() && !mail.subject.is_empty();
    let odd = mail.local_id.contains(':') || mail.subject.contains(':');
    if mail.kind != "DATA" || !may_ask || !named || odd || mail.workflow != service.config.workflow
    {
        service.store.change(
            now,
            "mesh",
            &format!("message {} is not answered", mail.message),
            |_| Ok(()),
        )?;
        return Ok(None);
    }
    let list = read_list(&mail.body);
    let (stayed, body) = if list.refused.is_empty() {
        let asked = list.numbers.as_slice();
        let out = service.store.opted_out(asked)?;
        let stay: Vec<_> = asked
            .iter()
            .copied()
            .filter(|one| out.binary_search(one).is_err())
            .collect();
        let mut body = write_list(&stay, LineEnd::Lf);
        if body.is_empty() {
            // An empty message cannot be sent.
            body.push(b'\n');
        }
        (stay.len(), body)
    } else {
        (0, format!("{INVALID_NUMBERS}\n").into_bytes())
    };
    let question = Question {
        message: mail.message.clone(),
        asker: mail.from.clone(),
        name: mail.local_id.clone(),
        asked: counted(list.numbers.count()),
        stayed: counted(stayed),
        report: json!({
            "status": "pending",
            "stages": ["validate_non_empty_file", "validate_is_unique_upload", "validate_in_order"],
        })
        .to_string(),
        answer: Some(body),
        job_sent: false,
        answer_sent: false,
    };
    let act = format!(
        "message {} of {}: {} asked about",
        mail.message, mail.from, question.asked
    );
    service.store.change(now, "mesh", &act, |change| {
        change.put_question(&question, now)
    })?;
    Ok(Some(question))
}

fn counted(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

async fn send(
    client: &Client,
    service: &Shared,
    question: &Question,
    subject: &str,
    content_type: &str,
    body: &[u8],
) -> Result<(), NotAnswered> {
    let outgoing = Outgoing {
        to: &question.asker,
        workflow: &service.config.workflow,
        local_id: &question.name,
        subject,
        file_name: &format!("{}.dat", question.name),
        content_type,
        body,
    };
    client.send(&outgoing).await?;
    Ok(())
}

fn note(service: &Shared, question: &Question) -> Result<(), StoreError> {
    let now = service.clock.now();
    let far = if question.answer_sent {
        "answered"
    } else {
        "job reported"
    };
    let act = format!("message {}: {far}", question.message);
    service.store.change(now, "mesh", &act, |change| {
        change.put_question(question, now)
    })
}
