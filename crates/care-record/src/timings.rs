//! How long the two things take that every read pays for: the decision, and the entry made durable.
//!
//! Counted in buckets for the operator (`/metrics`) and for `care-bench cost`. Decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Upper bounds of the buckets, in microseconds.
pub const BOUNDS_MICROS: [u64; 18] = [
    10, 20, 50, 100, 150, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000,
    50_000, 250_000,
];

/// Counts of times by their bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_MICROS) {
            if micros <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Prometheus text under this name: seconds, cumulative buckets.
    pub fn text(&self, name: &str) -> String {
        let mut text = format!("# TYPE {name} histogram\n");
        let count = self.count.load(Ordering::Relaxed);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_MICROS) {
            let bound = bound as f64 / 1e6;
            let held = bucket.load(Ordering::Relaxed);
            text.push_str(&format!("{name}_bucket{{le=\"{bound}\"}} {held}\n"));
        }
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        text.push_str(&format!(
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {seconds}\n{name}_count {count}\n"
        ));
        text
    }
}

/// What is measured of each read.
#[derive(Debug, Default)]
pub struct Timings {
    /// The rules alone, on facts that were gathered.
    pub decision: Histogram,
    /// Gathering the facts and deciding.
    pub facts_and_decision: Histogram,
    /// Writing the entry until it is durable.
    pub entry: Histogram,
}

/// A moment to measure from.
#[allow(clippy::disallowed_methods, reason = "measuring, not deciding")]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}
