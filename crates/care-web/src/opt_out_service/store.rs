//! The service's own store: one SQLite file. Choices are appended and never changed; each act stands in
//! a log whose lines are chained by digest.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use care_core::vocabulary::NhsNumber;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::register::{Registered, plain};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS person (
  nhs_number TEXT PRIMARY KEY, birth_date TEXT NOT NULL, family TEXT NOT NULL, given TEXT NOT NULL,
  postcode TEXT NOT NULL, facts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_details ON person (birth_date, family);
-- The national choice, once for both purposes; the last row of a number holds.
CREATE TABLE IF NOT EXISTS choice (
  number INTEGER PRIMARY KEY, nhs_number TEXT NOT NULL, opted_out INTEGER NOT NULL,
  at INTEGER NOT NULL, reference TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, setter TEXT NOT NULL,
  taken_by TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS choice_of ON choice (nhs_number, number);
-- Small values that end: people on their way, operators signed in, counts of tries.
CREATE TABLE IF NOT EXISTS keep (
  space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tries (key TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS tries_of ON tries (key, at);
-- What goes out: codes and confirmations by phone or email, letters by post.
CREATE TABLE IF NOT EXISTS message (
  number INTEGER PRIMARY KEY, at INTEGER NOT NULL, way TEXT NOT NULL, address TEXT NOT NULL,
  body TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS work (
  reference TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, opened INTEGER NOT NULL,
  version INTEGER NOT NULL, detail TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Questions by MESH that were answered, by message.
CREATE TABLE IF NOT EXISTS question (
  message TEXT PRIMARY KEY, at INTEGER NOT NULL, asker TEXT NOT NULL, name TEXT NOT NULL,
  asked INTEGER NOT NULL, stayed INTEGER NOT NULL, report TEXT NOT NULL, answer BLOB, job_sent INTEGER NOT NULL,
  answer_sent INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS act (
  number INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
  chain BLOB NOT NULL
) STRICT;
";

/// The store did not do it.
#[derive(Debug, thiserror::Error)]
#[error("the opt-out service's store did not answer; nothing was changed; try again in a moment")]
pub struct StoreError(#[from] rusqlite::Error);

/// A choice as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Both purposes are declined.
    pub opted_out: bool,
    /// When it was made, and from when it holds.
    pub at: Timestamp,
    /// What the person may quote.
    pub reference: String,
    /// `online`, `telephone`, `paper`.
    pub channel: String,
    /// `self`, `parental_responsibility` …
    pub setter: String,
}

/// A choice to write down.
pub struct NewChoice<'a> {
    pub nhs_number: NhsNumber,
    pub opted_out: bool,
    pub reference: &'a str,
    pub channel: &'a str,
    pub setter: &'a str,
    /// The operator's id, or `online`.
    pub taken_by: &'a str,
}

/// Something that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub number: i64,
    pub at: Timestamp,
    /// `text`, `email` or `letter`.
    pub way: String,
    pub address: String,
    /// The words, or a letter's data as JSON.
    pub body: String,
    pub done: bool,
}

/// A piece of work: a call or a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub reference: String,
    pub kind: String,
    pub state: String,
    pub opened: Timestamp,
    pub version: i64,
    pub detail: String,
}

/// A question by MESH, and how far its answer got.
#[derive(Debug, Clone)]
pub struct Question {
    pub message: String,
    pub asker: String,
    pub name: String,
    pub asked: u32,
    pub stayed: u32,
    /// The report of the job.
    pub report: String,
    /// The answer; taken away once it was sent.
    pub answer: Option<Vec<u8>>,
    pub job_sent: bool,
    pub answer_sent: bool,
}

/// The store.
pub struct Store(Mutex<Connection>);

/// Work within one transaction.
pub struct Change<'a>(Transaction<'a>);

impl Store {
    /// Opens the file, making it where needed.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(connection)))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes changes durable together with the act that made them, or none.
    pub fn change<T>(
        &self,
        now: Timestamp,
        who: &str,
        what: &str,
        work: impl FnOnce(&Change<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let change = Change(connection.transaction()?);
        let done = work(&change)?;
        change.act(now, who, what)?;
        change.0.commit()?;
        Ok(done)
    }

    /// Puts people on the register, replacing what it says of each. Numbers that are none are refused.
    pub fn register(&self, people: &[Registered]) -> Result<usize, StoreError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        let mut taken = 0;
        for person in people {
            let Ok(number) = NhsNumber::parse(&person.nhs_number) else {
                continue;
            };
            let facts = serde_json::to_string(person).unwrap_or_default();
            change
                .prepare_cached("INSERT OR REPLACE INTO person VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    number.digits(),
                    person.birth_date,
                    plain(&person.family),
                    plain(&person.given),
                    plain(&person.postcode),
                    facts
                ])?;
            taken += 1;
        }
        change.commit()?;
        Ok(taken)
    }

    /// The person of this number.
    pub fn person(&self, number: NhsNumber) -> Result<Option<Registered>, StoreError> {
        let facts = self.lock().query_row(
            "SELECT facts FROM person WHERE nhs_number = ?1",
            [number.digits()],
            |row| row.get::<_, String>(0),
        );
        Ok(facts
            .optional()?
            .and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The one person with this date of birth and family name, at this postcode.
    pub fn person_by_details(
        &self,
        birth_date: &str,
        family: &str,
        postcode: &str,
    ) -> Result<Vec<Registered>, StoreError> {
        let connection = self.lock();
        let mut find = connection.prepare_cached(
            "SELECT facts FROM person WHERE birth_date = ?1 AND family = ?2 AND postcode = ?3 LIMIT 3",
        )?;
        let rows = find.query_map(params![birth_date, plain(family), plain(postcode)], |row| {
            row.get::<_, String>(0)
        })?;
        let texts = rows.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok(texts
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect())
    }

    /// Every choice of a number, newest first.
    pub fn choices(&self, number: NhsNumber) -> Result<Vec<Choice>, StoreError> {
        let connection = self.lock();
        let mut list = connection.prepare_cached(
            "SELECT opted_out, at, reference, channel, setter FROM choice WHERE nhs_number = ?1 ORDER BY number DESC",
        )?;
        let rows = list.query_map([number.digits()], |row| {
            Ok(Choice {
                opted_out: row.get(0)?,
                at: time(row.get(1)?),
                reference: row.get(2)?,
                channel: row.get(3)?,
                setter: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Those of these who have opted out.
    pub fn opted_out(&self, asked: &[NhsNumber]) -> Result<Vec<NhsNumber>, StoreError> {
        let connection = self.lock();
        let mut last = connection.prepare_cached(
            "SELECT opted_out FROM choice WHERE nhs_number = ?1 ORDER BY number DESC LIMIT 1",
        )?;
        let mut out = Vec::new();
        for number in asked {
            let says = last
                .query_row([number.digits()], |row| row.get::<_, bool>(0))
                .optional()?;
            if says == Some(true) {
                out.push(*number);
            }
        }
        Ok(out)
    }

    /// A kept value that has not ended.
    pub fn kept(
        &self,
        space: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let value = self.lock().query_row(
            "SELECT value FROM keep WHERE space = ?1 AND key = ?2 AND until > ?3",
            params![space, key, now.as_millisecond()],
            |row| row.get(0),
        );
        Ok(value.optional()?)
    }

    /// Keeps a value until then; no act is written of it. What has ended goes.
    pub fn keep(
        &self,
        space: &str,
        key: &str,
        value: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let connection = self.lock();
        connection.execute("DELETE FROM keep WHERE until <= ?1", [now.as_millisecond()])?;
        connection.execute(
            "INSERT OR REPLACE INTO keep VALUES (?1, ?2, ?3, ?4)",
            params![space, key, value, until.as_millisecond()],
        )?;
        Ok(())
    }

    /// Takes a value away.
    pub fn drop_kept(&self, space: &str, key: &str) -> Result<(), StoreError> {
        self.lock().execute(
            "DELETE FROM keep WHERE space = ?1 AND key = ?2",
            [space, key],
        )?;
        Ok(())
    }

    /// Counts a try under this key, and says how many there were since `from`, this one among them.
    pub fn count_try(&self, key: &str, from: Timestamp, now: Timestamp) -> Result<u32, StoreError> {
        let connection = self.lock();
        connection.execute("DELETE FROM tries WHERE at < ?1", [from.as_millisecond()])?;
        connection.execute(
            "INSERT INTO tries VALUES (?1, ?2)",
            params![key, now.as_millisecond()],
        )?;
        let count = connection.query_row(
            "SELECT count(*) FROM tries WHERE key = ?1 AND at >= ?2",
            params![key, from.as_millisecond()],
            |row| row.get(0),
        )?;
        Ok(count)
    }

    /// What went out or waits to, newest first; `way` narrows it.
    pub fn messages(&self, way: Option<&str>, limit: u32) -> Result<Vec<Message>, StoreError> {
        let connection = self.lock();
        let mut list = connection.prepare_cached(
            "SELECT number, at, way, address, body, done FROM message WHERE ?1 IS NULL OR way = ?1 \
             ORDER BY number DESC LIMIT ?2",
        )?;
        let rows = list.query_map(params![way, limit], message)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One message.
    pub fn message(&self, number: i64) -> Result<Option<Message>, StoreError> {
        let found = self.lock().query_row(
            "SELECT number, at, way, address, body, done FROM message WHERE number = ?1",
            [number],
            message,
        );
        Ok(found.optional()?)
    }

    /// A piece of work.
    pub fn work(&self, reference: &str) -> Result<Option<Work>, StoreError> {
        let found = self.lock().query_row(
            "SELECT reference, kind, state, opened, version, detail FROM work WHERE reference = ?1",
            [reference],
            work,
        );
        Ok(found.optional()?)
    }

    /// Work that is open, oldest first.
    pub fn open_work(&self, limit: u32) -> Result<Vec<Work>, StoreError> {
        let connection = self.lock();
        let mut list = connection.prepare_cached(
            "SELECT reference, kind, state, opened, version, detail FROM work \
             WHERE state NOT LIKE 'closed%' ORDER BY opened LIMIT ?1",
        )?;
        let rows = list.query_map([limit], work)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// A question by MESH.
    pub fn question(&self, message: &str) -> Result<Option<Question>, StoreError> {
        let found = self.lock().query_row(
            "SELECT message, asker, name, asked, stayed, report, answer, job_sent, answer_sent FROM question WHERE message = ?1",
            [message],
            |row| {
                Ok(Question {
                    message: row.get(0)?,
                    asker: row.get(1)?,
                    name: row.get(2)?,
                    asked: row.get(3)?,
                    stayed: row.get(4)?,
                    report: row.get(5)?,
                    answer: row.get(6)?,
                    job_sent: row.get(7)?,
                    answer_sent: row.get(8)?,
                })
            },
        );
        Ok(found.optional()?)
    }

    /// Whether the log is unbroken, and how many acts it holds.
    pub fn verify(&self) -> Result<(bool, u64), StoreError> {
        let connection = self.lock();
        let mut list =
            connection.prepare("SELECT at, who, what, chain FROM act ORDER BY number")?;
        let mut rows = list.query([])?;
        let (mut before, mut count) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let (at, who, what): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let chain: Vec<u8> = row.get(3)?;
            if chain != link(&before, at, &who, &what) {
                return Ok((false, count));
            }
            (before, count) = (chain, count + 1);
        }
        Ok((true, count))
    }
}

impl Change<'_> {
    fn act(&self, now: Timestamp, who: &str, what: &str) -> Result<(), StoreError> {
        let before: Option<Vec<u8>> = self
            .0
            .query_row(
                "SELECT chain FROM act ORDER BY number DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let at = now.as_millisecond();
        let chain = link(&before.unwrap_or_default(), at, who, what);
        self.0.execute(
            "INSERT INTO act (at, who, what, chain) VALUES (?1, ?2, ?3, ?4)",
            params![at, who, what, chain],
        )?;
        Ok(())
    }

    /// Appends a choice: it holds from now.
    pub fn choose(&self, choice: &NewChoice<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(
            "INSERT INTO choice (nhs_number, opted_out, at, reference, channel, setter, taken_by) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                choice.nhs_number.digits(),
                choice.opted_out,
                now.as_millisecond(),
                choice.reference,
                choice.channel,
                choice.setter,
                choice.taken_by,
            ],
        )?;
        Ok(())
    }

    /// Puts a message where it goes out from; gives its number.
    pub fn post(
        &self,
        way: &str,
        address: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.0.execute(
            "INSERT INTO message (at, way, address, body) VALUES (?1, ?2, ?3, ?4)",
            params![now.as_millisecond(), way, address, body],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// A letter was posted.
    pub fn posted(&self, number: i64) -> Result<(), StoreError> {
        self.0
            .execute("UPDATE message SET done = 1 WHERE number = ?1", [number])?;
        Ok(())
    }

    /// Writes a piece of work; false when somebody else changed it meanwhile.
    pub fn put_work(&self, it: &Work) -> Result<bool, StoreError> {
        let changed = self.0.execute(
            "INSERT INTO work (reference, kind, state, opened, version, detail) VALUES (?1, ?2, ?3, ?4, ?5 + 1, ?6) \
             ON CONFLICT (reference) DO UPDATE SET state = excluded.state, version = excluded.version, \
             detail = excluded.detail WHERE work.version = ?5",
            params![it.reference, it.kind, it.state, it.opened.as_millisecond(), it.version, it.detail],
        )?;
        Ok(changed == 1)
    }

    /// Writes a question with its answer, or how far it got.
    pub fn put_question(&self, it: &Question, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(
            "INSERT OR REPLACE INTO question VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                it.message,
                now.as_millisecond(),
                it.asker,
                it.name,
                it.asked,
                it.stayed,
                it.report,
                it.answer,
                it.job_sent,
                it.answer_sent,
            ],
        )?;
        Ok(())
    }
}

fn message(row: &rusqlite::Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        number: row.get(0)?,
        at: time(row.get(1)?),
        way: row.get(2)?,
        address: row.get(3)?,
        body: row.get(4)?,
        done: row.get(5)?,
    })
}

fn work(row: &rusqlite::Row<'_>) -> rusqlite::Result<Work> {
    Ok(Work {
        reference: row.get(0)?,
        kind: row.get(1)?,
        state: row.get(2)?,
        opened: time(row.get(3)?),
        version: row.get(4)?,
        detail: row.get(5)?,
    })
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

fn link(before: &[u8], at: i64, who: &str, what: &str) -> Vec<u8> {
    Sha256::new()
        .chain_update(before)
        .chain_update(format!("{at}\n{who}\n{what}\n"))
        .finalize()
        .to_vec()
}
