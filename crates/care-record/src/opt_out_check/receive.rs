//! Mail taken in: judged, and made durable with what it changes in one commit. The caller
//! acknowledges a message after this has returned, and never before.

use std::collections::BTreeMap;

use care_core::audit::{Act, Entry, Outcome};
use care_core::secondary_use::check::{LineEnd, Reply, ReplyFault, read_reply, write_list};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    ASIDE, ASIDE_DAYS, CheckRow, ListState, MAIL, NAME_DAYS, NAMES, NUMBERS_DAYS, OptOutCheckError,
    OptOutChecks, RETURNED, SENT, days_on, is_taken, keep, key, millis, named,
};
use crate::store::{Change, NewWorklist};
use crate::worklists::WorklistKind;

/// How the entry of a message begins.
const MAIL_ENTRY: &str = "MESH message ";

/// What kind of message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailKind {
    /// Somebody sent it.
    Data,
    /// The exchange reports that a message of ours was not delivered.
    Report {
        /// The message of ours.
        about: String,
        /// The exchange's code.
        code: String,
    },
}

/// A message from the inbox, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The exchange's id.
    pub message: String,
    /// What kind.
    pub kind: MailKind,
    /// The mailbox it came from.
    pub from: String,
    /// Its workflow.
    pub workflow: String,
    /// Its local id.
    pub local_id: String,
    /// Its body, decompressed.
    pub body: Vec<u8>,
}

/// What became of a message. In each case it is durable and may be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A list is answered.
    Answered {
        /// The check.
        check: String,
        /// Every list of it is answered.
        complete: bool,
    },
    /// The job was created; the result follows.
    JobCreated,
    /// A list could not be delivered, was refused whole, or its job failed. The check must be asked again.
    Failed,
    /// The same result once more; nothing changed.
    Repeated,
    /// This message was taken in before; nothing changed.
    Again,
    /// It was refused and kept aside, and a worklist row says why.
    Refused(ReplyFault),
}

/// What a message does: the row it changes, the numbers it brings.
struct Effect {
    received: Received,
    row: Option<(String, CheckRow)>,
    returned: Option<(String, Vec<u8>, Timestamp)>,
}

impl Effect {
    fn refused(fault: ReplyFault) -> Self {
        Self {
            received: Received::Refused(fault),
            row: None,
            returned: None,
        }
    }
}

impl OptOutChecks {
    /// Takes a message in. When this returns well, it and what it means are durable: acknowledge it
    /// then. An error means nothing was kept: leave it in the inbox.
    pub fn receive(&self, mail: &Mail) -> Result<Received, OptOutCheckError> {
        let _writing = self.lock();
        let now = self.clock.now();
        if self
            .store
            .keep_get(MAIL, &mail.message, millis(now))?
            .is_some()
        {
            return Ok(Received::Again);
        }
        let effect = self.judge(mail, now)?;
        let received = effect.received.clone();
        match self.keep_effect(mail, effect, now) {
            Ok(()) => Ok(received),
            Err(OptOutCheckError::Store(cause)) if is_taken(&*cause) => Ok(Received::Again),
            Err(error) => Err(error),
        }
    }

    /// How often each message was taken in, by the audit log: once each.
    pub fn taken(&self) -> Result<BTreeMap<String, u32>, OptOutCheckError> {
        const PAGE: u32 = 1000;
        let mut taken = BTreeMap::new();
        let mut from = 0;
        loop {
            let page = self.store.entries(from, PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(taken);
            };
            from = last + 1;
            for (_, bytes) in page {
                let entry: Entry =
                    serde_json::from_slice(&bytes).map_err(|_| OptOutCheckError::Unreadable)?;
                let message = entry.detail.strip_prefix(MAIL_ENTRY);
                if let Some((message, _)) = message.and_then(|rest| rest.split_once(": ")) {
                    *taken.entry(message.to_owned()).or_default() += 1;
                }
            }
        }
    }

    /// What a message means; changes nothing.
    fn judge(&self, mail: &Mail, now: Timestamp) -> Result<Effect, OptOutCheckError> {
        if let MailKind::Report { about, code } = &mail.kind {
            return self.judge_report(about, code);
        }
        if !mail
            .from
            .eq_ignore_ascii_case(&self.settings.service_mailbox)
        {
            return Ok(Effect::refused(ReplyFault::ForgedSender));
        }
        if mail.workflow != self.settings.workflow {
            return Ok(Effect::refused(ReplyFault::WrongWorkflow));
        }
        let kept = self.store.keep_get(NAMES, &mail.local_id, millis(now))?;
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((id, place, asked)) = kept.as_deref().and_then(named) else {
            return Ok(Effect::refused(ReplyFault::UnknownRequest));
        };
        self.judge_reply(mail, (id, place, asked), now)
    }

    fn judge_reply(
        &self,
        mail: &Mail,
        (id, place, asked): (&str, usize, Timestamp),
        now: Timestamp,
    ) -> Result<Effect, OptOutCheckError> {
        let mut row = match self.check(id) {
            Ok(row) => row,
            Err(OptOutCheckError::NoSuchCheck) => {
                return Ok(Effect::refused(ReplyFault::UnknownRequest));
            }
            Err(error) => return Err(error),
        };
        let (Some(list), Some(sent)) = (row.lists.get_mut(place), self.numbers(SENT, id, place)?)
        else {
            return Ok(Effect::refused(ReplyFault::Late));
        };
        let reply = match read_reply(&mail.body, &sent) {
            Ok(reply) => reply,
            Err(fault) => return Ok(Effect::refused(fault)),
        };
        let too_old = SignedDuration::from_hours(24 * i64::from(self.settings.max_age_days));
        let digest = digest_of(&reply);
        let received = match reply {
            Reply::JobCreated => {
                list.job_at.get_or_insert(now);
                Received::JobCreated
            }
            _ if list.state == ListState::Answered => {
                if list.digest == digest {
                    Received::Repeated
                } else {
                    row.spoiled = Some(ReplyFault::AnsweredTwice.code().to_owned());
                    Received::Refused(ReplyFault::AnsweredTwice)
                }
            }
            _ if now.duration_since(asked) > too_old => {
                return Ok(Effect::refused(ReplyFault::Late));
            }
            Reply::JobFailed => {
                list.state = ListState::Failed;
                list.trouble = Some("the job failed".to_owned());
                Received::Failed
            }
            Reply::InvalidNumbers => {
                list.state = ListState::Rejected;
                list.trouble = Some("refused for an invalid NHS number".to_owned());
                Received::Failed
            }
            Reply::Result(returned) => {
                list.state = ListState::Answered;
                list.sent_at = Some(asked);
                list.answered_at = Some(now);
                list.returned = Some(returned.count() as u64);
                list.digest = digest;
                list.trouble = None;
                let body = write_list(returned.as_slice(), LineEnd::Lf);
                return Ok(answered(id, row, place, body, asked));
            }
        };
        Ok(Effect {
            received,
            row: Some((id.to_owned(), row)),
            returned: None,
        })
    }

    /// A message of ours was not delivered: the list it carried is not answered.
    fn judge_report(&self, about: &str, code: &str) -> Result<Effect, OptOutCheckError> {
        for (id, mut row) in self.rows()? {
            let sent = row
                .lists
                .iter_mut()
                .find(|list| list.message.as_deref() == Some(about));
            let Some(list) = sent else { continue };
            if list.state != ListState::Answered {
                list.state = ListState::Failed;
                list.trouble = Some(format!("not delivered: the exchange's code is {code}"));
            }
            return Ok(Effect {
                received: Received::Failed,
                row: Some((id, row)),
                returned: None,
            });
        }
        Ok(Effect::refused(ReplyFault::UnknownRequest))
    }

    /// The message's id, its effect, and its entry: all or nothing.
    fn keep_effect(
        &self,
        mail: &Mail,
        effect: Effect,
        now: Timestamp,
    ) -> Result<(), OptOutCheckError> {
        let mut changes = vec![Change::KeepOnce {
            space: MAIL,
            key: mail.message.clone(),
            value: now.to_string().into_bytes(),
            expires_ms: days_on(now, NAME_DAYS),
        }];
        if let Some((id, row)) = &effect.row {
            changes.push(self.row_change(id, row)?);
        }
        if let Some((key, body, asked)) = effect.returned {
            changes.push(keep(RETURNED, key, body, asked, NUMBERS_DAYS));
        }
        let mut entry = Entry::new(now, Act::Receive, Outcome::Success, "mesh");
        entry.detail = format!("{MAIL_ENTRY}{}: {}", mail.message, words(&effect.received));
        match &effect.received {
            Received::Refused(fault) => {
                entry.act = Act::Refuse;
                entry.outcome = Outcome::Denied;
                entry.reason = fault.code().to_owned();
                changes.push(keep(
                    ASIDE,
                    mail.message.clone(),
                    mail.body.clone(),
                    now,
                    ASIDE_DAYS,
                ));
                changes.push(attention(mail, fault.code(), fault.advice(), now));
            }
            Received::Failed => {
                entry.outcome = Outcome::Failure;
                let advice = "The check is not answered. Ask again.";
                changes.push(attention(mail, "not-answered", advice, now));
            }
            _ => {}
        }
        self.commit(changes, entry)
    }
}

/// The list is answered; perhaps the whole check.
fn answered(id: &str, row: CheckRow, place: usize, body: Vec<u8>, asked: Timestamp) -> Effect {
    let complete = row
        .lists
        .iter()
        .all(|list| list.state == ListState::Answered);
    Effect {
        received: Received::Answered {
            check: id.to_owned(),
            complete,
        },
        row: Some((id.to_owned(), row)),
        returned: Some((key(id, place), body, asked)),
    }
}

/// The same numbers in another order are the same result.
fn digest_of(reply: &Reply) -> Option<String> {
    let Reply::Result(numbers) = reply else {
        return None;
    };
    let digest = Sha256::digest(write_list(numbers.as_slice(), LineEnd::Lf));
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn words(received: &Received) -> String {
    match received {
        Received::Answered { check, complete } => {
            let whole = if *complete {
                "; the check is complete"
            } else {
                ""
            };
            format!("opt-out check {check}: a list is answered{whole}")
        }
        Received::JobCreated => "the job was created".to_owned(),
        Received::Failed => "a list is not answered".to_owned(),
        Received::Repeated => "the same result once more".to_owned(),
        Received::Again => "taken in before".to_owned(),
        Received::Refused(fault) => format!("refused: {}", fault.code()),
    }
}

/// Somebody must look: the row names the message and the reason, and holds no number.
fn attention(mail: &Mail, code: &str, advice: &str, now: Timestamp) -> Change {
    let detail = json!({
        "message": mail.message, "local id": mail.local_id, "from": mail.from,
        "reason": code, "what to do": advice, "bytes": mail.body.len(),
    });
    Change::Worklist(NewWorklist {
        kind: WorklistKind::OptOutReply.code().to_owned(),
        feed: "mesh".to_owned(),
        delivery: None,
        person: None,
        opened_at: now,
        detail: detail.to_string().into_bytes(),
    })
}
