//! What is known of the mailbox, and when somebody must be told. Mail that nobody collects leaves the
//! inbox after five days; a mailbox that nobody looks at is silent long before.
//!
//! Source: the MESH service's own rules (poll at least daily, uncollected mail removed after 5 days);
//! promise R20.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{ListState, NAME_DAYS, OptOutCheckError, OptOutChecks, WATCH, keep, millis};

/// No contact for this long is an alarm.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);
/// A message this old in the inbox is an alarm: two days before it is lost.
const OLD: SignedDuration = SignedDuration::from_hours(72);

/// Contact is noted this often where nothing else changed.
const NOTED: SignedDuration = SignedDuration::from_mins(15);

const STATE: &str = "mailbox";

/// The mailbox as the MESH job last saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mailbox {
    since: Option<Timestamp>,
    handshake: Option<Timestamp>,
    contact: Option<Timestamp>,
    trouble: Option<String>,
    /// Messages that are still in the inbox, and since when.
    inbox: BTreeMap<String, Timestamp>,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The inbox was not read for 24 hours.
    Silence,
    /// A list was sent and nothing came for 24 hours.
    NoReply,
    /// A message has been in the inbox for 72 hours.
    MessageAge,
    /// A list could not be sent.
    NotSent,
}

impl AlarmKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Silence,
        Self::NoReply,
        Self::MessageAge,
        Self::NotSent,
    ];

    /// The code in the figures.
    pub fn code(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::NoReply => "no-reply",
            Self::MessageAge => "message-age",
            Self::NotSent => "not-sent",
        }
    }
}

/// Something somebody must see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What about.
    pub kind: AlarmKind,
    /// Since when the cause exists.
    pub since: Timestamp,
    /// What happened and what to do.
    pub words: String,
}

/// How the mailbox does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeshHealth {
    /// A mailbox is configured.
    pub configured: bool,
    /// When the inbox was last read.
    pub contact: Option<Timestamp>,
    /// When the mailbox was last validated.
    pub handshake: Option<Timestamp>,
    /// What went wrong last.
    pub trouble: Option<String>,
    /// Messages left in the inbox after the last round, and since when the oldest.
    pub in_inbox: usize,
    /// Since when the oldest of them is there.
    pub oldest: Option<Timestamp>,
    /// Lists that wait to be sent.
    pub lists_waiting: usize,
    /// Lists that were sent and not answered.
    pub lists_unanswered: usize,
    /// What somebody must see to.
    pub alarms: Vec<Alarm>,
}

impl OptOutChecks {
    /// Notes that the inbox was read, and what is left in it: message ids, and since when each has been
    /// there where the exchange says so.
    pub fn contact(&self, left: &[(String, Option<Timestamp>)]) -> Result<(), OptOutCheckError> {
        let now = self.clock.now();
        self.change_mailbox(|mailbox| {
            let seen = std::mem::take(&mut mailbox.inbox);
            let since = |id: &String, said: Option<Timestamp>| {
                let first = seen.get(id).copied().unwrap_or(now);
                said.map_or(first, |said| said.min(first))
            };
            mailbox.inbox = left
                .iter()
                .map(|(id, said)| (id.clone(), since(id, *said)))
                .collect();
            mailbox.contact = Some(now);
            mailbox.trouble = None;
        })
    }

    /// Notes that the mailbox was validated.
    pub fn handshaken(&self) -> Result<(), OptOutCheckError> {
        let now = self.clock.now();
        self.change_mailbox(|mailbox| mailbox.handshake = Some(now))
    }

    /// Whether the mailbox must be validated again: once a day.
    pub fn handshake_due(&self) -> Result<bool, OptOutCheckError> {
        let last = self.mailbox()?.handshake;
        let day = SignedDuration::from_hours(23);
        Ok(last.is_none_or(|last| self.clock.now().duration_since(last) > day))
    }

    /// Notes that the exchange could not be reached, and why.
    pub fn no_contact(&self, why: &str) -> Result<(), OptOutCheckError> {
        self.change_mailbox(|mailbox| mailbox.trouble = Some(why.to_owned()))
    }

    /// How the mailbox does, and what somebody must see to.
    pub fn health(&self) -> Result<MeshHealth, OptOutCheckError> {
        if self.settings.mailbox.is_empty() {
            return Ok(MeshHealth::default());
        }
        let (now, mailbox) = (self.clock.now(), self.mailbox()?);
        let mut health = MeshHealth {
            configured: true,
            contact: mailbox.contact,
            handshake: mailbox.handshake,
            in_inbox: mailbox.inbox.len(),
            oldest: mailbox.inbox.values().min().copied(),
            trouble: mailbox.trouble,
            ..MeshHealth::default()
        };
        let since = |at: Timestamp, limit| now.duration_since(at) >= limit;
        if let Some(last) = mailbox
            .contact
            .or(mailbox.since)
            .filter(|at| since(*at, SILENCE))
        {
            health.alarm(AlarmKind::Silence, last, "The MESH inbox has not been read for 24 hours. Check the connection, the certificate and the mailbox's password; mail is lost after five days.");
        }
        if let Some(oldest) = health.oldest.filter(|at| since(*at, OLD)) {
            health.alarm(AlarmKind::MessageAge, oldest, "A MESH message has been in the inbox for 72 hours and could not be taken in. See why below; it is lost after five days.");
        }
        for (_, row) in self.rows()? {
            for list in &row.lists {
                match list.state {
                    ListState::Waiting | ListState::Sending => {
                        health.lists_waiting += 1;
                        if list.trouble.is_some() {
                            health.alarm(AlarmKind::NotSent, row.asked_at, "An opt-out list could not be sent. It is tried again; if it stays, check the mailboxes and the workflow in the configuration.");
                        }
                    }
                    ListState::Sent => {
                        health.lists_unanswered += 1;
                        if let Some(sent) = list.sent_at.filter(|at| since(*at, SILENCE)) {
                            health.alarm(AlarmKind::NoReply, sent, "An opt-out list was sent 24 hours ago and nothing came back. Track the message, or ask again.");
                        }
                    }
                    ListState::Answered | ListState::Rejected | ListState::Failed => {}
                }
            }
        }
        health.alarms.sort_by_key(|alarm| (alarm.kind, alarm.since));
        health.alarms.dedup_by_key(|alarm| alarm.kind);
        Ok(health)
    }

    fn mailbox(&self) -> Result<Mailbox, OptOutCheckError> {
        let kept = self
            .store
            .keep_get(WATCH, STATE, millis(self.clock.now()))?;
        let Some(bytes) = kept else {
            return Ok(Mailbox::default());
        };
        serde_json::from_slice(&bytes).map_err(|_| OptOutCheckError::Unreadable)
    }

    /// Writes what changed, and otherwise that there was contact, at most every quarter of an hour: the
    /// log is not filled by a mailbox that is empty, nor by one that stays out of reach.
    fn change_mailbox(&self, change: impl FnOnce(&mut Mailbox)) -> Result<(), OptOutCheckError> {
        let _writing = self.lock();
        let now = self.clock.now();
        let before = self.mailbox()?;
        let mut after = before.clone();
        change(&mut after);
        after.since.get_or_insert(now);
        let same = Mailbox {
            contact: before.contact,
            ..after.clone()
        } == before;
        let contact_is_news = match (before.contact, after.contact) {
            (Some(before), Some(after)) => after.duration_since(before) >= NOTED,
            (before, after) => before != after,
        };
        if same && !contact_is_news {
            return Ok(());
        }
        let value = serde_json::to_vec(&after).map_err(|_| OptOutCheckError::Unreadable)?;
        let mut entry = self.entry(now);
        entry.detail = match &after.trouble {
            Some(why) => format!("MESH mailbox not reached: {why}"),
            None => format!(
                "MESH mailbox looked at; {} messages left in it",
                after.inbox.len()
            ),
        };
        self.commit(
            vec![keep(WATCH, STATE.to_owned(), value, now, NAME_DAYS)],
            entry,
        )
    }
}

impl MeshHealth {
    fn alarm(&mut self, kind: AlarmKind, since: Timestamp, words: &str) {
        self.alarms.push(Alarm {
            kind,
            since,
            words: words.to_owned(),
        });
    }
}
