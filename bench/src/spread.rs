//! Percentiles of measured times.

use std::time::Duration;

/// The spread of a set of times.
pub struct Spread {
    sorted: Vec<Duration>,
}

impl Spread {
    /// Of these times, in any order.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { sorted: times }
    }

    /// The time that this share of the others do not pass, in milliseconds; 0 of nothing.
    pub fn at(&self, share: f64) -> f64 {
        let last = self.sorted.len().saturating_sub(1);
        let place = (last as f64 * share).round() as usize;
        self.sorted
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (middle, high, most) = (self.at(0.5), self.at(0.99), self.at(1.0));
        write!(
            f,
            "p50 {middle:.2} ms  p99 {high:.2} ms  max {most:.2} ms  n {}",
            self.sorted.len()
        )
    }
}
