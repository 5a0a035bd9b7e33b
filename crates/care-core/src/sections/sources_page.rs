//! Sources: can I trust that nothing is missing? Source: the screen design, C19.

use serde::Serialize;

use super::input::Input;
use super::source::Reliability;
use super::when::{When, duration};
use super::words::phone;

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceRow {
    /// Its full name.
    pub name: String,
    /// Its short name.
    pub short_name: String,
    /// What it shares.
    pub shares: Vec<String>,
    /// What it leaves out.
    pub leaves_out: Vec<String>,
    /// Its state.
    pub state: Reliability,
    /// The state's words.
    pub state_words: &'static str,
    /// When it last sent anything.
    pub last: Option<When>,
    /// Its newest item for this person.
    pub newest: Option<When>,
    /// How many of its items are here.
    pub items: u64,
    /// The agreed longest silence.
    pub delay: String,
    /// Whom to call.
    pub phone: String,
}

/// The sources page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourcesView {
    /// Connected sources.
    pub rows: Vec<SourceRow>,
    /// Sources that are not connected yet.
    pub not_connected: Vec<SourceRow>,
}

/// Every connected source that may be shown.
pub(super) fn rows(input: &Input) -> Vec<SourceRow> {
    all(input)
        .into_iter()
        .filter(|row| row.state != Reliability::NotConnected)
        .collect()
}

fn all(input: &Input) -> Vec<SourceRow> {
    input
        .shown_sources()
        .iter()
        .map(|source| {
            let state = source.reliability(input.now);
            SourceRow {
                name: source.name.clone(),
                short_name: source.short_name.clone(),
                shares: source.shares.clone(),
                leaves_out: source.leaves_out.clone(),
                state,
                state_words: state.words(),
                last: source.last_received.map(When::moment),
                newest: source.newest_item.map(When::day),
                items: source.items,
                delay: duration(i64::from(source.agreed_interval_minutes)),
                phone: phone(&source.phone),
            }
        })
        .collect()
}

/// Arranges the page.
pub(super) fn arrange(input: &Input) -> SourcesView {
    let (not_connected, rows) = all(input)
        .into_iter()
        .partition(|row| row.state == Reliability::NotConnected);
    SourcesView {
        rows,
        not_connected,
    }
}
