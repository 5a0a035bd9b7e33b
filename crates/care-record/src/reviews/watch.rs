//! The watch: follows the audit log and opens a case for every look that a rule of review speaks of,
//! within seconds; later looks whether care was recorded that supports an override.
//!
//! One thread. It keeps its place in the log; starting again from an earlier place opens nothing
//! twice, because what was opened is remembered by visit and rule.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use care_core::review::Settings;

use super::follow::Follower;
use super::reconcile;
use crate::Clock;
use crate::store::Store;

/// Between two looks at the log.
const ROUND: Duration = Duration::from_secs(5);
/// Rounds between looking for care that supports an override.
const RECONCILE_ROUNDS: u32 = 12;

/// The thread.
pub(crate) struct Watch {
    stop: Sender<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    /// Starts the watch of a record. `systems` are the clients that send for sources.
    pub fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        systems: Vec<String>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("record-watch".into())
            .spawn(move || {
                let mut follower =
                    Follower::new(store.clone(), clock.clone(), settings.clone(), systems);
                let mut round = 0_u32;
                while stopped.recv_timeout(ROUND) == Err(RecvTimeoutError::Timeout) {
                    if let Err(error) = follower.round() {
                        tracing::warn!(%error, "following the log failed; tried again in seconds");
                    }
                    if round.is_multiple_of(RECONCILE_ROUNDS)
                        && let Err(error) = reconcile::round(&*store, clock.now(), &settings)
                    {
                        tracing::warn!(%error, "overrides were not reconciled; tried again soon");
                    }
                    round = round.wrapping_add(1);
                }
            })?;
        Ok(Self {
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the watch and waits for the round under way.
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
