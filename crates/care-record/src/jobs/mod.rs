//! Work that nobody waits for: signing the log's state, training dictionaries, taking away values
//! that have ended. One thread; it ends when the record closes.

mod dictionaries;
mod indexing;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use self::dictionaries::train;
pub(crate) use self::indexing::Indexing;
use crate::Clock;
use crate::ledger::Log;
use crate::store::{StoreError, Upkeep};

/// The log's state is signed at least every minute; half of that leaves room for a slow disk.
const ROUND: Duration = Duration::from_secs(30);
/// Rounds between looking for dictionaries to train: five minutes.
const TRAINING_ROUNDS: u32 = 10;
/// Bodies of a kind that make a dictionary worth training.
pub(crate) const WORTH_TRAINING: u32 = 1_000;

/// The thread that does the rounds.
pub(crate) struct Rounds {
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Rounds {
    /// Starts the rounds of a record.
    pub fn start(
        engine: Arc<dyn Upkeep>,
        log: Arc<Log>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("record-rounds".into())
            .spawn(move || {
                let mut round = 0_u32;
                while stopped.recv_timeout(ROUND) == Err(RecvTimeoutError::Timeout) {
                    round = round.wrapping_add(1);
                    report("signing the audit log", log.checkpoint());
                    report(
                        "taking away ended values",
                        engine.purge(clock.now().as_millisecond()),
                    );
                    if round % TRAINING_ROUNDS == 1 {
                        report("training dictionaries", train(&*engine, WORTH_TRAINING));
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the rounds and waits for the one under way.
    pub fn stop(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A thread that has ended needs no telling.
            let _ = self.stop.send(());
            let _ = thread.join();
        }
    }
}

fn report<T>(job: &str, done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::warn!(job, %error, "a job failed; it is tried again with the next round");
    }
}
