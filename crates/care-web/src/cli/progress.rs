//! Progress on standard error, for anything over two seconds. Plain lines, so that it reads the
//! same in a terminal and in a file.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts towards an end.
pub struct Progress {
    what: &'static str,
    began: Instant,
    said: AtomicU64,
    done: AtomicU64,
    in_place: bool,
}

impl Progress {
    /// Counts things of this name.
    pub fn new(what: &'static str) -> Self {
        let in_place = std::io::stderr().is_terminal();
        Self {
            what,
            began: crate::telemetry::stopwatch(),
            said: AtomicU64::new(0),
            done: AtomicU64::new(0),
            in_place,
        }
    }

    /// One more is done; `beside` adds words.
    pub fn one(&self, beside: impl FnOnce() -> String) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let elapsed = self.began.elapsed();
        let every = if self.in_place { 250 } else { 5000 };
        let tick = elapsed.as_millis() as u64 / every;
        if elapsed > Duration::from_secs(2) && self.said.swap(tick, Ordering::Relaxed) != tick {
            let rate = done as f64 / elapsed.as_secs_f64();
            let (begin, end) = if self.in_place {
                ("\r", "\u{1b}[K")
            } else {
                ("", "\n")
            };
            eprint!(
                "{begin}{done} {} ({rate:.0} a second){}{end}",
                self.what,
                beside()
            );
        }
    }

    /// Ends the line.
    pub fn end(&self) {
        if self.in_place && self.said.load(Ordering::Relaxed) > 0 {
            eprintln!();
        }
    }

    /// How many were done, and in how long.
    pub fn total(&self) -> (u64, Duration) {
        (self.done.load(Ordering::Relaxed), self.began.elapsed())
    }
}
