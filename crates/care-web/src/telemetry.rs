//! What is written while running: log lines and figures. Never an address with an identifier in
//! it, never a name, an NHS number or a body: routes are named by their pattern.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::config::{Log, LogFormat};

tokio::task_local! {
    static CURRENT: PageContext;
}

/// What every page and every problem may need to know of its request.
#[derive(Debug, Clone, Default)]
pub struct PageContext {
    /// Names the request in the log and on a problem page.
    pub request_id: String,
    /// The nonce of the content security policy.
    pub nonce: String,
    /// The number people phone for help; empty where none is configured.
    pub help_phone: String,
    /// The reader is on the pages of patients and carers, `/me`.
    pub for_patients: bool,
}

impl PageContext {
    /// The context of the request that is being answered.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// A context of its own for a request.
    pub fn fresh() -> Self {
        Self {
            request_id: random_letters(8),
            nonce: random_letters(22),
            ..Self::default()
        }
    }

    /// The same for a request to this path, where help is given under this number.
    #[must_use]
    pub fn at(mut self, path: &str, help_phone: &str) -> Self {
        self.for_patients = path == "/me" || path.starts_with("/me/");
        self.help_phone = help_phone.to_owned();
        self
    }

    /// Runs a request within its context.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

impl<S: Sync> FromRequestParts<S> for PageContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::current())
    }
}

/// The reference a reader may quote; the same stands in the log.
pub fn reference() -> String {
    let id = PageContext::current().request_id;
    if id.is_empty() { random_letters(8) } else { id }
}

/// Letters and digits that are not mistaken for one another; empty if the machine gives no randomness.
fn random_letters(count: usize) -> String {
    const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut bytes = vec![0u8; count];
    if getrandom::fill(&mut bytes).is_err() {
        return String::new();
    }
    bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte & 31)]))
        .collect()
}

/// Log lines go to standard error from here on. Called once, by `main`.
pub fn begin(settings: &Log) {
    let level = tracing_subscriber::EnvFilter::try_new(format!(
        "{},hyper=warn,reqwest=warn",
        settings.level
    ))
    .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second call keeps the first: nothing is lost by it.
    let _ = match settings.format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Plain => lines.without_time().with_ansi(false).try_init(),
    };
}

/// A moment to measure from. The only use of the machine's stopwatch in the faces.
#[allow(clippy::disallowed_methods, reason = "measuring, not deciding")]
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// Figures for the operator, written as Prometheus text.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), Figures>>,
    counts: Mutex<BTreeMap<(&'static str, String), u64>>,
    levels: Mutex<BTreeMap<&'static str, i64>>,
}

#[derive(Default)]
struct Figures {
    count: u64,
    seconds: f64,
    buckets: [u64; BUCKETS.len()],
}

const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0, 10.0,
];

impl Metrics {
    /// One answered request, under its route pattern.
    pub fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let one = all
            .entry((route.to_owned(), method.to_owned(), status))
            .or_default();
        one.count += 1;
        one.seconds += took.as_secs_f64();
        for (bucket, bound) in one.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(took.as_secs_f64() <= bound);
        }
    }

    /// One more of a thing: `mllp_messages_total` with `code="AA"`. `label` is `name="value"` or empty.
    pub fn count(&self, name: &'static str, label: impl Into<String>) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry((name, label.into())).or_default() += 1;
    }

    /// So many more, or fewer, of a thing now.
    pub fn level(&self, name: &'static str, change: i64) {
        let mut all = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(name).or_default() += change;
    }

    /// Prometheus text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let head = |out: &mut String, name: &str, kind: &str| {
            let _ = writeln!(out, "# TYPE connect_care_{name} {kind}");
        };
        head(&mut out, "http_request_seconds", "histogram");
        for ((route, method, status), one) in self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            for (bound, count) in BUCKETS.iter().zip(one.buckets) {
                let _ = writeln!(
                    out,
                    "connect_care_http_request_seconds_bucket{{{labels},le=\"{bound}\"}} {count}"
                );
            }
            let _ = writeln!(
                out,
                "connect_care_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {}",
                one.count
            );
            let _ = writeln!(
                out,
                "connect_care_http_request_seconds_sum{{{labels}}} {}",
                one.seconds
            );
            let _ = writeln!(
                out,
                "connect_care_http_request_seconds_count{{{labels}}} {}",
                one.count
            );
        }
        let mut last = "";
        for ((name, label), count) in self
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            if *name != last {
                head(&mut out, name, "counter");
                last = name;
            }
            let _ = writeln!(out, "connect_care_{name}{{{label}}} {count}");
        }
        for (name, level) in self
            .levels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            head(&mut out, name, "gauge");
            let _ = writeln!(out, "connect_care_{name} {level}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_prometheus_text_under_the_route_pattern() {
        let metrics = Metrics::default();
        metrics.request(
            "/staff/record/{visit}/summary",
            "GET",
            200,
            Duration::from_millis(4),
        );
        metrics.count("mllp_messages_total", "code=\"AA\"");
        metrics.level("mllp_connections", 2);
        let text = metrics.text();
        assert!(text.contains("route=\"/staff/record/{visit}/summary\",method=\"GET\",status=\"200\",le=\"0.005\"} 1"), "{text}");
        assert!(
            text.contains("connect_care_mllp_messages_total{code=\"AA\"} 1"),
            "{text}"
        );
        assert!(text.contains("connect_care_mllp_connections 2"), "{text}");
    }
}
