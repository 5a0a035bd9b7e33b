//! Works items into the index that are not in it: those from before the index, and all of a type when a
//! search parameter of the deployment's own is added. A thread of its own, because it may take hours; it
//! goes on where it was when the record opens again.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::{StoreError, Upkeep};

/// Items done at once: a transaction short enough that nobody waits for it noticeably.
const BATCH: u32 = 200;
/// Between batches, so that readers and feeds come first.
const BREATH: Duration = Duration::from_millis(5);
/// Between looks whether there is work.
const LOOK: Duration = Duration::from_secs(1);
/// Batches between two words in the log.
const WORDS: u64 = 250;

/// The thread that works on the index.
pub(crate) struct Indexing {
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Indexing {
    /// Starts the thread of a record.
    pub fn start(engine: Arc<dyn Upkeep>) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("record-indexing".into())
            .spawn(move || {
                let mut batches = 0;
                let mut pause = BREATH;
                while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    pause = match next(&*engine, &mut batches) {
                        Ok(true) => BREATH,
                        Ok(false) | Err(StoreError::Closed) => LOOK,
                        Err(error) => {
                            tracing::warn!(%error, "the index was not worked on; it is tried again");
                            LOOK
                        }
                    };
                }
            })?;
        Ok(Self {
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread and waits for the batch under way.
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

/// Does one batch of the oldest piece of work. Says whether there was one.
fn next(engine: &dyn Upkeep, batches: &mut u64) -> Result<bool, StoreError> {
    let work = engine.index_work()?;
    let Some(work) = work.first() else {
        return Ok(false);
    };
    let done = engine.work_on_index(work, BATCH)?;
    if done == 0 {
        tracing::info!(
            about = work.about,
            items = work.total,
            "items are in the index"
        );
    } else if batches.is_multiple_of(WORDS) {
        tracing::info!(
            about = work.about,
            done = work.done,
            of = work.total,
            "items are being worked into the index"
        );
    }
    *batches += 1;
    Ok(true)
}
