//! Messages to people, kept until they are sent: that somebody used emergency access to open their
//! record. And how a person wants to hear from us.
//!
//! Every message stands on the person's own page. It is also sent where the person asked for it, by
//! whatever the deployment configured; this room keeps the queue and knows no way of sending. A
//! message is durable in the commit that made it necessary. Nothing clinical is in one.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::PersonId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::store::{Change, Commit, Store, StoreError};

/// Messages, by person and moment.
const MESSAGES: &str = "own-message";
/// Messages that wait to be sent: the same key.
const WAITING: &str = "own-message-waiting";
const SETTINGS: &str = "own-settings";
const FOR_EVER_MS: i64 = 4_102_444_800_000;
const AT_MOST: u32 = 200;
/// After so many tries a message is given up; the person still sees it on their page.
const MOST_TRIES: u32 = 12;

/// How a person wants to hear from us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnSettings {
    /// `standard`, `large-print`, `easy-read`, `braille`, `audio`, `bsl`.
    pub format: String,
    /// The language, in words; empty is English.
    pub language: String,
    /// `letter`, `email` or `text`.
    pub contact: String,
    /// The email address or phone number; empty for letters.
    pub address: String,
    /// A message is sent when somebody uses emergency access.
    pub emergency_notices: bool,
}

impl Default for OwnSettings {
    fn default() -> Self {
        Self {
            format: "standard".to_owned(),
            language: String::new(),
            contact: "letter".to_owned(),
            address: String::new(),
            emergency_notices: false,
        }
    }
}

impl OwnSettings {
    /// By which way and to where a message goes; `None` where the person wants none.
    fn way(&self) -> Option<(String, String)> {
        let by_wire = self.contact == "email" || self.contact == "text";
        (self.emergency_notices && by_wire && !self.address.is_empty())
            .then(|| (self.contact.clone(), self.address.clone()))
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    /// On the person's page only.
    Shown,
    /// Waits to be sent.
    Waiting,
    /// Was sent.
    Sent,
    /// Could not be sent.
    GivenUp,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its key; opaque.
    pub key: String,
    /// When it was made.
    pub at: Timestamp,
    /// What it is about: `emergency-access`.
    pub kind: String,
    /// What it says. No name, nothing clinical.
    pub text: String,
    /// The visit it tells of, by its name in the log; it is not told while that is held back.
    pub visit: String,
    /// `email` or `text`, where it is sent.
    pub by: String,
    /// To which address.
    pub to: String,
    /// How far it has come.
    pub state: MessageState,
    /// Tries so far.
    pub tries: u32,
    /// Not tried again before this moment.
    pub not_before: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// Why it could not be done. Holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// There is no such message, or it waits no longer.
    #[error("no message waits under this key; it may have been sent")]
    NotWaiting,
    /// The store did not write or answer.
    #[error("this was not kept; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for MessageError {
    fn from(cause: StoreError) -> Self {
        Self::Store(Box::new(cause))
    }
}

impl From<serde_json::Error> for MessageError {
    fn from(cause: serde_json::Error) -> Self {
        Self::Store(Box::new(cause))
    }
}

type Answer<T> = Result<T, MessageError>;

/// The queue of messages.
#[derive(Clone)]
pub struct Messages {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Messages {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// How a person wants to hear from us.
    pub fn settings(&self, person: PersonId) -> Answer<OwnSettings> {
        Ok(settings(&*self.store, person, self.clock.now())?)
    }

    /// Messages about a person, newest first.
    pub(crate) fn of(&self, person: PersonId) -> Answer<Vec<Message>> {
        let now_ms = self.clock.now().as_millisecond();
        let prefix = format!("{person}|");
        let kept = self.store.keep_list(MESSAGES, &prefix, now_ms, AT_MOST)?;
        let mut all = Vec::new();
        for (_, bytes) in kept {
            all.push(serde_json::from_slice::<Message>(&bytes)?);
        }
        all.sort_by_key(|one| std::cmp::Reverse(one.at));
        Ok(all)
    }

    /// Messages that may be tried now, oldest first, at most `limit`. One whose visit is held back
    /// waits.
    pub fn due(&self, limit: u32) -> Answer<Vec<Message>> {
        let now = self.clock.now();
        let waiting =
            self.store
                .keep_list(WAITING, "", now.as_millisecond(), AT_MOST.max(limit))?;
        let mut due = Vec::new();
        for (key, _) in waiting {
            let Some(message) = self.message(&key)? else {
                continue;
            };
            if message.not_before <= now && !self.is_held(&message)? {
                due.push(message);
            }
        }
        due.sort_by_key(|one| one.at);
        due.truncate(limit as usize);
        Ok(due)
    }

    /// Writes down that a message was sent.
    pub fn sent(&self, key: &str) -> Answer<()> {
        let mut message = self.waiting(key)?;
        message.state = MessageState::Sent;
        message.tries += 1;
        message.sent_at = Some(self.clock.now());
        self.keep(&message, "a message to the person was sent")
    }

    /// Writes down that a try failed. It is tried again after 1, 2, 4 … minutes, and given up after
    /// twelve tries.
    pub fn failed(&self, key: &str) -> Answer<MessageState> {
        let mut message = self.waiting(key)?;
        message.tries += 1;
        let minutes = 1_i64 << message.tries.saturating_sub(1).min(10);
        let now = self.clock.now();
        message.not_before = now
            .saturating_add(SignedDuration::from_mins(minutes))
            .unwrap_or(now);
        if message.tries >= MOST_TRIES {
            message.state = MessageState::GivenUp;
        }
        let said = match message.state {
            MessageState::GivenUp => "a message to the person could not be sent and was given up",
            _ => "a message to the person could not be sent and is tried again",
        };
        self.keep(&message, said)?;
        Ok(message.state)
    }

    fn waiting(&self, key: &str) -> Answer<Message> {
        self.message(key)?
            .filter(|message| message.state == MessageState::Waiting)
            .ok_or(MessageError::NotWaiting)
    }

    fn message(&self, key: &str) -> Answer<Option<Message>> {
        let now_ms = self.clock.now().as_millisecond();
        let bytes = self.store.keep_get(MESSAGES, key, now_ms)?;
        Ok(bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()?)
    }

    fn is_held(&self, message: &Message) -> Answer<bool> {
        let person = message.key.split('|').next().unwrap_or_default();
        let key = format!("{person}|visit|{}", message.visit);
        let now_ms = self.clock.now().as_millisecond();
        let held = crate::disclosure::HELD_LOOKS;
        Ok(self.store.keep_get(held, &key, now_ms)?.is_some())
    }

    fn keep(&self, message: &Message, said: &str) -> Answer<()> {
        let person = message.key.split('|').next().unwrap_or_default();
        let mut entry = Entry::new(self.clock.now(), Act::Admin, Outcome::Success, "system");
        entry.person = PersonId::parse(person).ok();
        entry.page = "messages".to_owned();
        entry.detail = said.to_owned();
        self.store.commit(Commit {
            changes: changes(message)?,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }
}

/// How a person wants to hear from us.
pub(crate) fn settings(
    store: &dyn Store,
    person: PersonId,
    now: Timestamp,
) -> Result<OwnSettings, StoreError> {
    let kept = store.keep_get(SETTINGS, &person.to_string(), now.as_millisecond())?;
    kept.map(|bytes| {
        serde_json::from_slice(&bytes).map_err(|cause| StoreError::Engine(Box::new(cause)))
    })
    .transpose()
    .map(Option::unwrap_or_default)
}

/// The change that keeps settings.
pub(crate) fn settings_change(
    person: PersonId,
    settings: &OwnSettings,
) -> Result<Change, serde_json::Error> {
    Ok(Change::Keep {
        space: SETTINGS,
        key: person.to_string(),
        value: Some(serde_json::to_vec(settings)?),
        expires_ms: FOR_EVER_MS,
    })
}

/// The changes that make a message, for the commit that makes it necessary.
pub(crate) fn new_message(
    person: PersonId,
    settings: &OwnSettings,
    (kind, text, visit): (&str, String, &str),
    now: Timestamp,
) -> Result<Vec<Change>, serde_json::Error> {
    let way = settings.way();
    let state = if way.is_some() {
        MessageState::Waiting
    } else {
        MessageState::Shown
    };
    let (by, to) = way.unwrap_or_default();
    changes(&Message {
        key: format!("{person}|{:015}|{visit}", now.as_millisecond()),
        at: now,
        kind: kind.to_owned(),
        text,
        visit: visit.to_owned(),
        by,
        to,
        state,
        tries: 0,
        not_before: now,
        sent_at: None,
    })
}

fn changes(message: &Message) -> Result<Vec<Change>, serde_json::Error> {
    let waits = message.state == MessageState::Waiting;
    Ok(vec![
        Change::Keep {
            space: MESSAGES,
            key: message.key.clone(),
            value: Some(serde_json::to_vec(message)?),
            expires_ms: FOR_EVER_MS,
        },
        Change::Keep {
            space: WAITING,
            key: message.key.clone(),
            value: waits.then(Vec::new),
            expires_ms: FOR_EVER_MS,
        },
    ])
}
