//! The MESH job: sends the lists of opt-out checks, and takes the replies in. Given the checks and a
//! mailbox, and nothing else of the record.
//!
//! The order is fixed: download whole, keep durably, and only then acknowledge. Whatever stops it
//! between two of these steps, the message is still in the inbox or already kept, and a message that is
//! kept is not taken in twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use care_record::{Clock, Mail, MailKind, OptOutCheckError, OptOutChecks, Received};
use jiff::Timestamp;

use crate::mesh::{Client, Downloaded, MailboxSettings, MeshError, Outgoing};
use crate::serve::Stop;
use crate::state::Shared;

/// Between two steps of taking a message in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was downloaded and is not kept.
    Downloaded,
    /// It is kept and not acknowledged.
    Kept,
    /// It is acknowledged.
    Acknowledged,
}

impl Step {
    /// Reads `downloaded`, `kept` or `acknowledged`.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "downloaded" => Some(Self::Downloaded),
            "kept" => Some(Self::Kept),
            "acknowledged" => Some(Self::Acknowledged),
            _ => None,
        }
    }
}

/// Ends the process at a step, as a power cut would: for the promise script R20.
pub struct Halt {
    step: Step,
    left: AtomicU32,
}

impl Halt {
    /// At the `count`th time of this step.
    pub fn at(step: Step, count: u32) -> Self {
        Self {
            step,
            left: AtomicU32::new(count),
        }
    }

    fn reached(&self, step: Step) {
        if step == self.step && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    }
}

/// What a round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Lists sent.
    pub sent: u32,
    /// Messages taken in: what each was.
    pub taken: Vec<&'static str>,
    /// Messages that stay in the inbox.
    pub left: u32,
    /// Why it ended early.
    pub trouble: Option<String>,
}

/// Why a message was not taken in.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    Store(#[from] OptOutCheckError),
    #[error("the work was interrupted")]
    Interrupted,
}

/// Walks between the mailbox and the checks.
pub struct Courier {
    client: Client,
    checks: OptOutChecks,
    halt: Option<Halt>,
}

impl Courier {
    /// Opens the mailbox; nothing is sent yet.
    pub fn open(
        settings: &MailboxSettings,
        checks: OptOutChecks,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, MeshError> {
        Ok(Self {
            client: Client::open(settings, clock)?,
            checks,
            halt: None,
        })
    }

    /// The same, ending the process at a step.
    #[must_use]
    pub fn halting(mut self, halt: Option<Halt>) -> Self {
        self.halt = halt;
        self
    }

    /// One round: validates the mailbox when due, sends what waits, empties the inbox.
    pub async fn round(&self) -> Round {
        let mut round = Round::default();
        if let Err(error) = self.work(&mut round).await {
            let why = error.to_string();
            let checks = self.checks.clone();
            let noted = why.clone();
            // A store that does not take this note either has said so in its own alarms.
            let _ = crate::blocking(move || checks.no_contact(&noted)).await;
            round.trouble = Some(why);
        }
        round
    }

    async fn work(&self, round: &mut Round) -> Result<(), NotTaken> {
        if self.with_checks(|checks| checks.handshake_due()).await? {
            self.client.handshake().await?;
            self.with_checks(|checks| checks.handshaken()).await?;
        }
        self.send(round).await?;
        self.collect(round).await
    }

    /// Runs blocking work of the checks away from the sockets.
    async fn with_checks<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OptOutChecks) -> Result<T, OptOutCheckError> + Send + 'static,
    ) -> Result<T, NotTaken> {
        let checks = self.checks.clone();
        let done = crate::blocking(move || work(&checks)).await;
        Ok(done.map_err(|_| NotTaken::Interrupted)??)
    }

    async fn send(&self, round: &mut Round) -> Result<(), NotTaken> {
        while let Some(list) = self.with_checks(OptOutChecks::next_to_send).await? {
            let outgoing = Outgoing {
                to: &list.to,
                workflow: &list.workflow,
                local_id: &list.name,
                subject: &list.name,
                file_name: &list.file_name(),
                content_type: "text/plain",
                body: &list.body,
            };
            match self.client.send(&outgoing).await {
                Ok(message) => {
                    self.with_checks(move |checks| checks.sent(&list, &message))
                        .await?;
                    round.sent += 1;
                }
                Err(error) => {
                    let why = error.to_string();
                    self.with_checks(move |checks| checks.not_sent(&list, &why))
                        .await?;
                    if matches!(error, MeshError::NotAccepted { .. }) {
                        // The inbox can still be read.
                        return Ok(());
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Takes what is in the inbox until nothing new is; what could not be taken stays there.
    async fn collect(&self, round: &mut Round) -> Result<(), NotTaken> {
        let mut left: Vec<(String, Option<Timestamp>)> = Vec::new();
        let mut trouble = None;
        'inbox: loop {
            let known: Vec<String> = left.iter().map(|(id, _)| id.clone()).collect();
            let messages = self.client.inbox_after(&known).await?;
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let mut since = None;
                match self.take(&message, &mut since).await {
                    Ok(what) => round.taken.push(what),
                    // Taken by another reader of this mailbox, or undelivered meanwhile.
                    Err(NotTaken::Mesh(MeshError::Gone(_))) => {}
                    Err(error) => {
                        tracing::warn!(message, %error, "a MESH message stays in the inbox");
                        left.push((message, since));
                        let stops = match &error {
                            NotTaken::Mesh(error) => {
                                error.may_pass() || matches!(error, MeshError::Refused)
                            }
                            NotTaken::Store(_) | NotTaken::Interrupted => true,
                        };
                        if stops {
                            trouble = Some(error);
                            break 'inbox;
                        }
                    }
                }
            }
        }
        round.left = u32::try_from(left.len()).unwrap_or(u32::MAX);
        self.with_checks(move |checks| checks.contact(&left))
            .await?;
        trouble.map_or(Ok(()), Err)
    }

    /// Download, keep, acknowledge: in this order.
    async fn take(
        &self,
        message: &str,
        since: &mut Option<Timestamp>,
    ) -> Result<&'static str, NotTaken> {
        let downloaded = self.client.download(message).await?;
        *since = downloaded.since;
        self.reached(Step::Downloaded);
        let mail = mail_of(downloaded);
        let received = self
            .with_checks(move |checks| checks.receive(&mail))
            .await?;
        self.reached(Step::Kept);
        self.client.acknowledge(message).await?;
        self.reached(Step::Acknowledged);
        Ok(code_of(&received))
    }

    fn reached(&self, step: Step) {
        if let Some(halt) = &self.halt {
            halt.reached(step);
        }
    }
}

fn mail_of(downloaded: Downloaded) -> Mail {
    let kind = if downloaded.kind == "REPORT" {
        MailKind::Report {
            about: downloaded.linked,
            code: downloaded.status_code,
        }
    } else {
        MailKind::Data
    };
    Mail {
        message: downloaded.message,
        kind,
        from: downloaded.from,
        workflow: downloaded.workflow,
        local_id: downloaded.local_id,
        body: downloaded.body,
    }
}

/// What a message was, for the figures.
fn code_of(received: &Received) -> &'static str {
    match received {
        Received::Answered { .. } => "answered",
        Received::JobCreated => "job-created",
        Received::Failed => "failed",
        Received::Repeated => "repeated",
        Received::Again => "again",
        Received::Refused(fault) => fault.code(),
    }
}

/// Looks into the mailbox at every interval, until told to stop.
pub async fn run(settings: MailboxSettings, state: Shared, mut stop: Stop) {
    let checks = state.record.opt_out_check();
    let courier = match Courier::open(&settings, checks, state.clock.clone()) {
        Ok(courier) => courier,
        Err(error) => {
            tracing::error!(%error, "the MESH mailbox cannot be used; no opt-out check is made");
            return;
        }
    };
    loop {
        let round = courier.round().await;
        for what in &round.taken {
            state
                .metrics
                .count("mesh_messages_total", format!("result=\"{what}\""));
        }
        for _ in 0..round.sent {
            state.metrics.count("mesh_lists_sent_total", "");
        }
        if let Some(why) = &round.trouble {
            state.metrics.count("mesh_rounds_failed_total", "");
            tracing::warn!(why, "the MESH round ended early; it is tried again");
        }
        let pause = Duration::from_secs(settings.poll_seconds);
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use care_core::secondary_use::CheckStatus;
    use care_core::secondary_use::check::read_list;
    use care_core::vocabulary::NhsNumber;
    use care_record::{OptOutSettings, Options, Record, SystemClock};

    use super::*;
    use crate::mesh::tests::sandbox;
    use crate::opt_out_service::tests::Rig;

    /// The whole way with nothing of ours between the two: the choice by phone, the question and the answer
    /// through the sandbox that the maker of the MESH API publishes.
    #[tokio::test(flavor = "multi_thread")]
    async fn who_said_no_by_phone_does_not_come_back_through_the_makers_own_exchange() {
        let Some(exchange) = sandbox().await else {
            return;
        };
        let service = Rig::start_at(Some(&exchange.endpoint)).await;
        service.jacob_says_no_by_phone().await;
        let folder = tempfile::tempdir().expect("a folder");
        let record = Record::open(Options {
            opt_out: OptOutSettings {
                mailbox: "X26ABC1".to_owned(),
                service_mailbox: "X26ABC2".to_owned(),
                list_limit: 2,
                ..OptOutSettings::default()
            },
            ..Options::new(folder.path())
        });
        let record = record.expect("opens");
        let checks = record.opt_out_check();
        let settings = exchange.settings("X26ABC1", "password", 1000);
        let courier =
            Courier::open(&settings, checks.clone(), Arc::new(SystemClock)).expect("opens");
        let cohort = read_list(b"9990000018\n9990000050\n9990000107\n").numbers;
        let id = checks.request(&cohort, "release R1", "u1").expect("asked");
        let mut taken = Vec::new();
        for _ in 0..100 {
            let round = courier.round().await;
            assert_eq!(round.trouble, None);
            taken.extend(round.taken);
            if taken.len() == 4 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        taken.sort_unstable();
        assert_eq!(
            taken,
            ["answered", "answered", "job-created", "job-created"]
        );
        let result = checks.result(&id).expect("a row").expect("a result");
        let jacob = NhsNumber::parse("9990000107").expect("a number");
        assert_eq!(result.opted_out(jacob), Some(true));
        assert_eq!((result.sent.count(), result.returned.count()), (3, 2));
        assert_eq!(checks.facts(&id).expect("facts").status, CheckStatus::Ok);
        assert!(
            checks
                .taken()
                .expect("entries")
                .values()
                .all(|count| *count == 1)
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_exchange_that_does_not_answer_is_noted_and_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let opt_out = OptOutSettings {
            mailbox: "X26ABC1".to_owned(),
            service_mailbox: "X26ABC2".to_owned(),
            ..OptOutSettings::default()
        };
        let options = Options {
            opt_out,
            ..Options::new(folder.path())
        };
        let record = Record::open(options).expect("opens");
        let checks = record.opt_out_check();
        for name in ["password", "key"] {
            std::fs::write(folder.path().join(name), "secret").expect("written");
        }
        let settings = MailboxSettings {
            // A port of this machine where nobody listens.
            endpoint: "http://127.0.0.1:9".to_owned(),
            mailbox: "X26ABC1".to_owned(),
            password_file: Some(folder.path().join("password")),
            password_variable: None,
            shared_key_file: Some(folder.path().join("key")),
            shared_key_variable: None,
            client_certificate_file: None,
            authority_file: None,
            poll_seconds: 1,
            chunk_bytes: 1000,
            max_message_bytes: 1 << 20,
        };
        let courier =
            Courier::open(&settings, checks.clone(), Arc::new(SystemClock)).expect("opens");
        let cohort = read_list(b"9990000018\n").numbers;
        checks.request(&cohort, "release R1", "u1").expect("asked");
        let round = courier.round().await;
        assert!(
            round
                .trouble
                .is_some_and(|why| why.contains("did not answer"))
        );
        let health = checks.health().expect("health");
        assert_eq!(health.lists_waiting, 1);
        assert!(
            health
                .trouble
                .is_some_and(|why| why.contains("did not answer"))
        );
    }
}
