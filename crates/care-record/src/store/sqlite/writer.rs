//! The one writer: gathers what is waiting, commits it with one fsync, answers all.
//!
//! It says yes only after the fsync. When the disk is full it keeps refusing what is not an audit
//! entry, spends the reserve on entries, and goes back to work by itself once there is space. After
//! a failed fsync it takes a fresh connection and claims nothing about what was in flight.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::apply::{Progress, Refusal, apply, settle};
use super::connection;
use super::fault::{Fault, fault};
use super::prepare::Prepared;
use super::readers::Readers;
use super::reserve::Reserve;
use super::tidy::Tidy;
use crate::store::foresight::Foresight;
use crate::store::pending::{Pending, Reply, pending};
use crate::store::settled::Settled;
use crate::store::{Committed, StoreError};

/// Commits that share one fsync at most.
const BATCH: usize = 256;
/// How long the writer waits before it looks after itself.
const IDLE: Duration = Duration::from_millis(500);
/// How often a full disk is tried again.
const PROBE: Duration = Duration::from_secs(2);
/// Pages in the write-ahead log that are worth a checkpoint: 64 MB. The more, the fewer times a page
/// that changes often is written; the less, the shorter the start after a crash.
const CHECKPOINT_PAGES: i64 = 8192;

pub(super) type Answer<T> = Result<T, StoreError>;

pub(super) enum Message {
    Commit(Box<Prepared>, Reply),
    /// Work on the writing connection, outside any batch.
    Task(Box<dyn FnOnce(&mut Connection) + Send>),
    Close,
}

/// Why a transaction could not be, and the engine's words for it.
type Failed = (Fault, String);

struct Job {
    prepared: Box<Prepared>,
    reply: Reply,
}

/// What others may know of the writer.
#[derive(Default)]
pub(super) struct Signals {
    state: AtomicU8,
    /// Entries are being written on what the reserve set free.
    pub on_reserve: AtomicBool,
    /// Where decisions are written ahead.
    pub foresight: Foresight,
    pub settled: Settled,
    /// A test makes the next commit fail as a failed fsync would.
    #[cfg(test)]
    pub fail_next_sync: AtomicBool,
}

const WORKING: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;

impl Signals {
    pub fn writable(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WORKING
    }

    pub fn full(&self) -> bool {
        self.state.load(Ordering::SeqCst) == FULL
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }
}

/// The handle of the writing thread.
pub(super) struct Writer {
    sender: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    records: Arc<Readers>,
    pub signals: Arc<Signals>,
}

impl Writer {
    /// Starts the thread on an open connection.
    pub fn start(
        path: PathBuf,
        connection: Connection,
        reserve: Reserve,
        records: Arc<Readers>,
    ) -> Answer<Self> {
        let (sender, receiver) = sync_channel(4 * BATCH);
        let signals = Arc::new(Signals::default());
        let (next_entry, next_spot) = numbers(&connection).map_err(super::fault::reading)?;
        signals.settled.ends(Some(next_entry - 1));
        let mut room = Room {
            path,
            connection,
            reserve,
            records: records.clone(),
            signals: signals.clone(),
            progress: Progress {
                next_entry,
                next_spot,
                ..Progress::default()
            },
            probed: None,
            tidy: Tidy::default(),
        };
        if room.reserve.hold().is_err() {
            room.signals.set(FULL);
        }
        let thread = std::thread::Builder::new()
            .name("record-writer".into())
            .spawn(move || room.work(&receiver))
            .map_err(|error| StoreError::Engine(Box::new(error)))?;
        Ok(Self {
            sender,
            thread: Mutex::new(Some(thread)),
            records,
            signals,
        })
    }

    /// Hands in a commit.
    pub fn submit(&self, prepared: Prepared) -> Pending {
        let (reply, pending) = pending();
        // A message that cannot be sent drops its reply, which answers that the store is closed.
        let _ = self.sender.send(Message::Commit(Box::new(prepared), reply));
        pending
    }

    /// Runs work on the writing connection, between batches, and waits for its result.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = sync_channel(1);
        let (records, signals) = (self.records.clone(), self.signals.clone());
        let task = Box::new(move |connection: &mut Connection| {
            records.let_go();
            signals.settled.begins();
            let done = work(connection);
            records.changed();
            // Where the newest moment cannot be read, the next commit says it.
            if let Ok((next_entry, _)) = numbers(connection) {
                signals.settled.ends(Some(next_entry - 1));
            }
            // Nobody waiting any more is no error.
            let _ = reply.send(done);
        });
        self.sender
            .send(Message::Task(task))
            .map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Writes what waits, empties the write-ahead log and ends the thread.
    pub fn close(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A thread that has already ended needs no telling.
            let _ = self.sender.send(Message::Close);
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// The numbers of the next entry and the next spot.
fn numbers(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    connection.query_row(
        "SELECT (SELECT coalesce(max(number), -1) + 1 FROM entry), \
         (SELECT count + 1 FROM tally WHERE name = 'spots')",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What the thread owns.
struct Room {
    path: PathBuf,
    connection: Connection,
    reserve: Reserve,
    /// Who keeps a place in what was written.
    records: Arc<Readers>,
    signals: Arc<Signals>,
    progress: Progress,
    probed: Option<Instant>,
    tidy: Tidy,
}

impl Room {
    fn work(&mut self, receiver: &Receiver<Message>) {
        let mut open = true;
        while open {
            let mut batch = Vec::new();
            let mut task = None;
            let mut next = match receiver.recv_timeout(self.tidy.longest_sleep(IDLE)) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => {
                    self.recover();
                    self.tidy_when_quiet();
                    self.checkpoint_when_worth_it();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            while let Some(message) = next {
                match message {
                    Message::Commit(prepared, reply) => batch.push(Job { prepared, reply }),
                    Message::Task(work) => task = Some(work),
                    Message::Close => open = false,
                }
                let more = open && task.is_none() && batch.len() < BATCH;
                next = if more { receiver.try_recv().ok() } else { None };
            }
            self.write(batch);
            if let Some(work) = task {
                work(&mut self.connection);
                self.count_again();
            }
            self.tidy_when_quiet();
            self.checkpoint_when_worth_it();
        }
        // Whoever sent after the close gets `Closed` when the channel goes.
        let _ = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    fn write(&mut self, batch: Vec<Job>) {
        if batch.is_empty() {
            return;
        }
        self.recover();
        let batch = if self.signals.full() {
            let (audit, rest): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|job| job.prepared.only_audit);
            refuse(&rest, Fault::Full, "the disk was full a moment ago");
            audit
        } else {
            batch
        };
        let batch = self.foreseen(batch);
        let Err((fault, text)) = self.attempt(&batch) else {
            return;
        };
        match fault {
            Fault::Full => self.spend_reserve(batch, &text),
            _ => {
                self.signals.set(BROKEN);
                self.reopen();
                self.refuse_foreseen(&batch, fault, &text);
            }
        }
    }

    /// Writes decisions into their journal; where that cannot be, what holds any is refused.
    fn foreseen(&self, mut batch: Vec<Job>) -> Vec<Job> {
        let commits = batch.iter_mut().map(|job| &mut *job.prepared);
        let Err(error) = self.signals.foresight.ahead(commits) else {
            return batch;
        };
        let fault = match error {
            StoreError::DiskFull(_) => Fault::Full,
            _ => Fault::NotDurable,
        };
        let (decide, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|job| job.prepared.decided.is_some());
        refuse(&decide, fault, "the journal of decisions cannot be written");
        rest
    }

    /// One transaction for all; answers every job when it is durable.
    fn attempt(&mut self, batch: &[Job]) -> Result<(), (Fault, String)> {
        if batch.is_empty() {
            return Ok(());
        }
        let before = self.progress.clone();
        let changes = batch.iter().any(|job| !job.prepared.only_audit);
        if changes {
            self.signals.settled.begins();
        }
        match self.transaction(batch) {
            Ok(answers) => {
                if !self.signals.full() {
                    self.signals.set(WORKING);
                }
                if changes {
                    self.tidy.changed(now());
                    self.records.changed();
                    self.signals
                        .settled
                        .ends(Some(self.progress.next_entry - 1));
                }
                for (job, answer) in batch.iter().zip(answers) {
                    self.signals.foresight.settle(&job.prepared, &answer);
                    job.reply.send(answer);
                }
                Ok(())
            }
            Err(failed) => {
                // What failed to be confirmed may yet be there.
                self.records.changed();
                self.progress = before;
                if !self.connection.is_autocommit() {
                    // A failed rollback is followed by a new connection in `reopen`.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                Err(failed)
            }
        }
    }

    /// Nearly always nothing is refused, so all are applied without a way back for each alone, which
    /// costs a copy of every page a commit touches. Where one is refused, everything is undone and
    /// done again with a way back for each.
    fn transaction(&mut self, batch: &[Job]) -> Result<Vec<Answer<Committed>>, Failed> {
        let mut progress = self.progress.clone();
        let mut answers = Vec::with_capacity(batch.len());
        self.run("BEGIN IMMEDIATE")?;
        for job in batch {
            match apply(&self.connection, &job.prepared, &mut progress) {
                Ok(done) => answers.push(Ok(done)),
                Err(Refusal::Batch(fault, text)) => return Err((fault, text)),
                Err(Refusal::Only(_)) => {
                    self.must_be_open()?;
                    self.run("ROLLBACK")?;
                    return self.one_by_one(batch);
                }
            }
        }
        self.finish(batch, progress, answers)
    }

    /// One transaction for all in which each can be undone alone.
    fn one_by_one(&mut self, batch: &[Job]) -> Result<Vec<Answer<Committed>>, Failed> {
        let mut progress = self.progress.clone();
        let mut answers = Vec::with_capacity(batch.len());
        self.run("BEGIN IMMEDIATE")?;
        for job in batch {
            self.run("SAVEPOINT one")?;
            let so_far = progress.clone();
            match apply(&self.connection, &job.prepared, &mut progress) {
                Ok(done) => {
                    self.run("RELEASE one")?;
                    answers.push(Ok(done));
                }
                Err(Refusal::Batch(fault, text)) => return Err((fault, text)),
                Err(Refusal::Only(error)) => {
                    self.must_be_open()?;
                    self.run("ROLLBACK TO one")?;
                    self.run("RELEASE one")?;
                    progress = so_far;
                    answers.push(Err(error));
                }
            }
        }
        self.finish(batch, progress, answers)
    }

    #[cfg_attr(not(feature = "negative-control"), allow(unused_mut, unused_variables))]
    fn finish(
        &mut self,
        batch: &[Job],
        progress: Progress,
        mut answers: Vec<Answer<Committed>>,
    ) -> Result<Vec<Answer<Committed>>, Failed> {
        settle(&self.connection, &self.progress, &progress).map_err(failed)?;
        #[cfg(test)]
        if self.signals.fail_next_sync.swap(false, Ordering::SeqCst) {
            return Err((Fault::NotDurable, "a test stopped the disk".into()));
        }
        // Broken on purpose, to see the power-cut test fail: answered before anything is durable.
        #[cfg(feature = "negative-control")]
        for (job, answer) in batch.iter().zip(answers.drain(..)) {
            job.reply.send(answer);
        }
        // Long enough for a kill to fall between the answer and what should have come before it.
        #[cfg(feature = "negative-control")]
        std::thread::sleep(Duration::from_millis(5));
        self.run("COMMIT")?;
        self.progress = progress;
        self.progress.words.clear();
        Ok(answers)
    }

    fn run(&self, sql: &str) -> Result<(), Failed> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(drop)
            .map_err(failed)
    }

    fn must_be_open(&self) -> Result<(), Failed> {
        if self.connection.is_autocommit() {
            return Err((Fault::Other, "the engine ended the transaction".into()));
        }
        Ok(())
    }

    /// Refuses what may stand in the journal of decisions already.
    fn refuse_foreseen(&self, jobs: &[Job], fault: Fault, text: &str) {
        for job in jobs {
            let answer = Err(fault.error(text));
            self.signals.foresight.settle(&job.prepared, &answer);
        }
        refuse(jobs, fault, text);
    }

    /// The disk is full: entries of reads are written on the reserve, the rest is refused.
    fn spend_reserve(&mut self, batch: Vec<Job>, text: &str) {
        self.signals.set(FULL);
        self.probed = Some(now());
        let (audit, rest): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|job| job.prepared.only_audit);
        self.refuse_foreseen(&rest, Fault::Full, text);
        if self.reserve.release() {
            self.signals.on_reserve.store(true, Ordering::SeqCst);
            tracing::error!(
                "the disk is full: writing is refused, and entries of reads go on the reserve; \
                 free space, writing goes on by itself"
            );
        }
        if let Err((fault, text)) = self.attempt(&audit) {
            if fault != Fault::Full {
                self.reopen();
            }
            self.refuse_foreseen(&audit, fault, &text);
        }
    }

    /// Tries to go back to work: after a full disk when the reserve can be held again, after any
    /// other failure on a new connection.
    fn recover(&mut self) {
        if self.signals.writable() {
            return;
        }
        if self.signals.full() {
            if self
                .probed
                .is_some_and(|at| now().duration_since(at) < PROBE)
            {
                return;
            }
            self.probed = Some(now());
            // What a checkpoint moves out of the write-ahead log may be the space that is missing.
            let _ = self
                .connection
                .execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
            if self.reserve.hold().is_ok() {
                self.signals.on_reserve.store(false, Ordering::SeqCst);
                self.signals.set(WORKING);
                tracing::info!("there is space again: writing goes on");
            }
        } else {
            self.reopen();
        }
    }

    /// Work on the index gives numbers too.
    fn count_again(&mut self) {
        match numbers(&self.connection) {
            Ok((_, next_spot)) => self.progress.next_spot = next_spot,
            Err(error) => {
                tracing::warn!(%error, "the writer takes a new connection");
                self.signals.set(BROKEN);
                self.reopen();
            }
        }
    }

    fn reopen(&mut self) {
        match connection::writing(&self.path) {
            Ok(fresh) => match numbers(&fresh) {
                Ok((next_entry, next_spot)) => {
                    self.connection = fresh;
                    self.progress.next_entry = next_entry;
                    self.progress.next_spot = next_spot;
                    self.signals.set(WORKING);
                }
                Err(error) => tracing::error!(%error, "the store was reopened but does not answer"),
            },
            Err(error) => tracing::error!(%error, "the store cannot be reopened for writing"),
        }
    }

    /// A step towards an index of one part. What is found stays the same, so no reader need look anew.
    fn tidy_when_quiet(&mut self) {
        if self.signals.state.load(Ordering::SeqCst) != WORKING {
            return;
        }
        let places = self.progress.next_spot;
        if let Err(error) = self.tidy.step(&self.connection, places, now()) {
            tracing::warn!(%error, "the search index stays in several parts for now");
        }
    }

    fn checkpoint_when_worth_it(&mut self) {
        let pages = self
            .connection
            .query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| {
                Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
            });
        if pages.is_ok_and(|pages| pages >= CHECKPOINT_PAGES) {
            // Before, so that everything can be moved; after, so that the log can begin anew.
            self.records.let_go();
            // A checkpoint that fails is tried again after the next batch; nothing is lost meanwhile.
            let _ = self
                .connection
                .execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
            self.records.let_go();
        }
    }
}

fn failed(error: rusqlite::Error) -> Failed {
    (fault(&error), error.to_string())
}

fn refuse(jobs: &[Job], fault: Fault, text: &str) {
    for job in jobs {
        job.reply.send(Err(fault.error(text)));
    }
}

/// For spacing out probes of the disk; no rule reads it.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
