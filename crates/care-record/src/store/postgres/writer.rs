//! The one writer: gathers what is waiting, decides it in memory, writes it in one transaction,
//! answers all.
//!
//! It says yes only after the server confirmed the commit (`synchronous_commit = on`). When the
//! connection is lost while a commit is on its way, it looks in the log whether that commit is there
//! before it says anything or tries again: nothing is written twice and nothing is claimed in vain.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;

use super::address::Address;
use super::connection::{self, ConnectError};
use super::decide::{Batch, Changes, Known, Numbers};
use super::fault::{Fault, fault, words};
use super::joins::Joins;
use super::link::Link;
use super::load::load;
use super::readers::ReadError;
use super::row::get;
use super::sql;
use super::write::write;
use crate::store::foresight::Foresight;
use crate::store::prepare::{Prepared, PreparedChange};
use crate::store::settled::Settled;
use crate::store::{Committed, StoreError};

/// Commits that share one transaction at most.
const BATCH: usize = 256;
/// How long the writer waits before it looks after itself.
const IDLE: Duration = Duration::from_millis(500);
/// Batches without new words after which those that came before are sorted into the index.
const QUIET: u32 = 64;
/// Tries of a batch that met another transaction, or lost its connection.
const TRIES: u32 = 4;
/// Between them, when the connection was lost.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) type Answer<T> = Result<T, StoreError>;

type Task = Box<dyn FnOnce(Option<&Link>) + Send>;

enum Message {
    Commit(Box<Prepared>, SyncSender<Answer<Committed>>),
    /// Work on the writing connection, outside any batch; no connection, no work.
    Task(Task),
    Close,
}

struct Job {
    prepared: Box<Prepared>,
    reply: SyncSender<Answer<Committed>>,
}

const WORKING: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;

/// Whether the search index is known to hold every item: a number that goes up whenever that may have
/// changed, with a last bit that says so.
#[derive(Default)]
pub(super) struct IndexKnown(AtomicU64);

impl IndexKnown {
    /// `Ok` where it holds every item; else the number to say so with, once it was looked.
    pub fn is_whole(&self) -> Result<(), u64> {
        let known = self.0.load(Ordering::SeqCst);
        if known & 1 == 1 { Ok(()) } else { Err(known) }
    }

    /// It was looked after `known` was read, and it was whole: it still is, where nothing happened since.
    pub fn was_whole(&self, known: u64) {
        // Otherwise the next one looks again.
        let _ = self
            .0
            .compare_exchange(known, known | 1, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn may_change(&self) {
        let known = self.0.load(Ordering::SeqCst);
        self.0.store((known | 1) + 1, Ordering::SeqCst);
    }
}

/// What others may know of the writer.
#[derive(Default)]
pub(super) struct Signals {
    state: AtomicU8,
    /// Where decisions are written ahead.
    pub foresight: Foresight,
    pub index: IndexKnown,
    pub settled: Settled,
}

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
    pub signals: Arc<Signals>,
}

impl Writer {
    /// Starts the thread on a claimed connection.
    pub fn start(
        runtime: Handle,
        address: Address,
        link: Link,
        joins: Arc<RwLock<Joins>>,
    ) -> Result<Self, ConnectError> {
        let (sender, receiver) = sync_channel(4 * BATCH);
        let signals = Arc::new(Signals::default());
        let numbers = numbers(&link)?;
        signals.settled.ends(Some(numbers.entry - 1));
        let mut room = Room {
            runtime,
            address,
            numbers,
            link: Some(link),
            joins,
            signals: signals.clone(),
            unsorted_since: None,
        };
        let thread = std::thread::Builder::new()
            .name("record-writer".into())
            .spawn(move || room.work(&receiver))
            .map_err(|error| StoreError::Engine(Box::new(error)))?;
        Ok(Self {
            sender,
            thread: Mutex::new(Some(thread)),
            signals,
        })
    }

    /// Hands in a commit and waits for its answer.
    pub fn commit(&self, prepared: Prepared) -> Answer<Committed> {
        let (reply, answer) = sync_channel(1);
        self.sender
            .send(Message::Commit(Box::new(prepared), reply))
            .map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Runs work on the writing connection, between batches, and waits for its result.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Link) -> Result<T, ReadError> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = sync_channel(1);
        let task = Box::new(move |link: Option<&Link>| {
            let done = match link {
                Some(link) => work(link).map_err(ReadError::into_store),
                None => Err(StoreError::NotDurable("there is no connection".into())),
            };
            // Nobody waiting any more is no error.
            let _ = reply.send(done);
        });
        self.sender
            .send(Message::Task(task))
            .map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    /// Writes what waits, and ends the thread and its session.
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

/// The numbers that come next.
fn numbers(link: &Link) -> Result<Numbers, ReadError> {
    let rows = link.query(sql::NUMBERS, &[])?;
    let row = rows.first().ok_or(StoreError::Corrupt)?;
    Ok(Numbers {
        entry: get(row, 0)?,
        delivery: get(row, 1)?,
        worklist: get(row, 2)?,
        case: get(row, 3)?,
        spot: get(row, 4)?,
    })
}

/// What the thread owns.
struct Room {
    runtime: Handle,
    address: Address,
    link: Option<Link>,
    numbers: Numbers,
    joins: Arc<RwLock<Joins>>,
    signals: Arc<Signals>,
    /// Words were written that the index still keeps unsorted: how many batches ago.
    unsorted_since: Option<u32>,
}

impl Room {
    fn work(&mut self, receiver: &Receiver<Message>) {
        let mut open = true;
        while open {
            let mut batch = Vec::new();
            let mut task = None;
            let mut next = match receiver.recv_timeout(IDLE) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => {
                    self.look_after();
                    self.sort_words();
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
            let batch = self.foreseen(batch);
            self.write(&batch);
            self.count_quiet(&batch);
            if let Some(work) = task {
                self.reconnect();
                self.signals.index.may_change();
                work(self.link.as_ref());
                self.signals.index.may_change();
                self.count_again();
            }
        }
    }

    /// Writes decisions into their journal; where that cannot be, what holds any is refused.
    fn foreseen(&self, mut batch: Vec<Job>) -> Vec<Job> {
        let commits = batch.iter_mut().map(|job| &mut *job.prepared);
        let Err(error) = self.signals.foresight.ahead(commits) else {
            return batch;
        };
        let full = matches!(error, StoreError::DiskFull(_));
        let fault = if full { Fault::Full } else { Fault::NotDurable };
        let (decide, rest): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|job| job.prepared.decided.is_some());
        for job in decide {
            let refused = fault.error("the journal of decisions cannot be written");
            let _ = job.reply.send(Err(refused));
        }
        rest
    }

    /// One transaction for all; where a commit's values make the server refuse the whole, each by
    /// itself, so that only that one is refused.
    fn write(&mut self, batch: &[Job]) {
        if batch.is_empty() {
            return;
        }
        let prepared: Vec<&Prepared> = batch.iter().map(|job| &*job.prepared).collect();
        match self.insist(&prepared) {
            Ok(answers) => {
                for (job, answer) in batch.iter().zip(answers) {
                    self.signals.foresight.settle(&job.prepared, &answer);
                    // A caller that went away has its work done all the same.
                    let _ = job.reply.send(answer);
                }
            }
            Err((Fault::Other, _)) if batch.len() > 1 => {
                for job in batch {
                    self.write(std::slice::from_ref(job));
                }
            }
            Err((fault, text)) => {
                for job in batch {
                    let answer = Err(fault.error(&text));
                    self.signals.foresight.settle(&job.prepared, &answer);
                    let _ = job.reply.send(answer);
                }
            }
        }
    }

    /// Tries a batch, again where another transaction was in the way or the connection was lost.
    fn insist(&mut self, batch: &[&Prepared]) -> Result<Vec<Answer<Committed>>, (Fault, String)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.attempt(batch) {
                Ok(answers) => {
                    self.signals.set(WORKING);
                    return Ok(answers);
                }
                Err(failed) => failed,
            };
            match failed.0 {
                Fault::Again if tries < TRIES => {}
                Fault::NotDurable if tries < TRIES => {
                    self.link = None;
                    std::thread::sleep(PAUSE);
                }
                Fault::Full => {
                    self.signals.set(FULL);
                    return Err(failed);
                }
                Fault::NotDurable => {
                    self.link = None;
                    self.signals.set(BROKEN);
                    return Err(failed);
                }
                _ => return Err(failed),
            }
        }
    }

    fn attempt(&mut self, batch: &[&Prepared]) -> Result<Vec<Answer<Committed>>, (Fault, String)> {
        self.reconnect();
        let Some(link) = &self.link else {
            return Err((Fault::NotDurable, "PostgreSQL cannot be reached".into()));
        };
        let known = load(link, batch).map_err(|error| match error {
            ReadError::Server(error) => (fault(&error), words(&error)),
            ReadError::Store(error) => (Fault::Corrupt, error.to_string()),
        })?;
        let joins = self
            .joins
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (answers, changes, next) = decided(&known, &joins, self.numbers, batch);
        if changes.entries.is_empty() {
            return Ok(answers);
        }
        let is_change = changes.changes_what_is_held();
        if is_change {
            self.signals.settled.begins();
        }
        match write(link, &changes) {
            Ok(()) => self.numbers = next,
            Err(error) if fault(&error) == Fault::NotDurable => {
                // The commit may have arrived all the same: the log tells.
                self.link = None;
                self.reconnect();
                if !self.arrived(&changes) {
                    return Err((Fault::NotDurable, words(&error)));
                }
            }
            Err(error) => {
                self.signals.settled.ends(None);
                return Err((fault(&error), words(&error)));
            }
        }
        if is_change {
            self.signals.settled.ends(Some(self.numbers.entry - 1));
        }
        if !changes.joins.is_empty() {
            let mut joins = self.joins.write().unwrap_or_else(PoisonError::into_inner);
            for (from, into) in &changes.joins {
                joins.set(*from, *into);
            }
        }
        Ok(answers)
    }

    /// Whether the last entry of these changes stands in the log under its number.
    fn arrived(&self, changes: &Changes<'_>) -> bool {
        let (Some(link), Some((number, entry))) = (&self.link, changes.entries.last()) else {
            return false;
        };
        let rows = link.query(sql::LEAVES, &[number, &1_i64]);
        rows.is_ok_and(|rows| {
            rows.first().is_some_and(|row| {
                get::<i64>(row, 0).ok() == Some(*number)
                    && get::<&[u8]>(row, 1).is_ok_and(|leaf| leaf == entry.leaf)
            })
        })
    }

    /// Work on the index gives numbers too. Where they cannot be read, the next connection reads them.
    fn count_again(&mut self) {
        let Some(link) = &self.link else { return };
        match numbers(link) {
            Ok(numbers) => self.numbers.spot = numbers.spot,
            Err(_) => self.link = None,
        }
    }

    /// New words wait, unsorted, at the side of the index, and each search goes through them. While an
    /// import runs that is the cheaper way; after it they are sorted in at once, and not minutes later.
    fn count_quiet(&mut self, batch: &[Job]) {
        let has_words = |job: &Job| {
            let mut changes = job.prepared.changes.iter();
            changes.any(|change| matches!(change, PreparedChange::Item(_)))
        };
        if batch.iter().any(has_words) {
            self.unsorted_since = Some(0);
        } else if let Some(batches) = &mut self.unsorted_since {
            *batches += 1;
            if *batches >= QUIET {
                self.sort_words();
            }
        }
    }

    fn sort_words(&mut self) {
        if let (Some(_), Some(link)) = (self.unsorted_since.take(), &self.link)
            && let Err(error) = link.query(sql::SORT_WORDS, &[])
        {
            // PostgreSQL's own vacuum does it later.
            tracing::debug!(error = %words(&error), "new words are not sorted into the index yet");
        }
    }

    /// A lost connection is noticed while nobody waits for it.
    fn look_after(&mut self) {
        self.reconnect();
        if self.link.is_none() {
            self.signals.set(BROKEN);
        } else if !self.signals.full() {
            self.signals.set(WORKING);
        }
    }

    /// Takes a new connection when there is none: claims it, and reads the numbers and joins again,
    /// because another may have written meanwhile.
    fn reconnect(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.is_closed()) {
            return;
        }
        self.link = None;
        let opened = connection::writing(&self.runtime, &self.address).and_then(|(link, _)| {
            let joins = connection::load_joins(&link)?;
            Ok((numbers(&link)?, joins, link))
        });
        match opened {
            Ok((numbers, joins, link)) => {
                self.numbers = numbers;
                // Another may have written meanwhile, or begun the index anew.
                self.signals.index.may_change();
                self.signals.settled.ends(Some(numbers.entry - 1));
                *self.joins.write().unwrap_or_else(PoisonError::into_inner) = joins;
                self.link = Some(link);
            }
            Err(error) => tracing::error!(%error, "PostgreSQL cannot be reached for writing"),
        }
    }
}

/// Decides a batch; gives each commit's answer, what is to be written, and the numbers after it.
fn decided<'a>(
    known: &'a Known,
    joins: &'a Joins,
    numbers: Numbers,
    batch: &[&'a Prepared],
) -> (Vec<Answer<Committed>>, Changes<'a>, Numbers) {
    let mut deciding = Batch::new(known, joins, numbers);
    let answers = batch.iter().map(|one| deciding.apply(one)).collect();
    let (changes, next) = deciding.finish();
    (answers, changes, next)
}
