//! Whether each source can be relied on at this moment, and the freshness line under every heading.
//!
//! Source: the screen design, sections 3 and 4. States are words first; colour never stands alone.

use jiff::Timestamp;
use serde::Serialize;

use super::when::{When, clock, local, since};
use super::words::count;
use crate::vocabulary::{Category, CategorySet, OrganisationKind, SourceCode};

/// What is known of one source, for one person, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceState {
    /// Its code.
    pub source: SourceCode,
    /// What kind of organisation it is.
    pub kind: OrganisationKind,
    /// Its full name.
    pub name: String,
    /// The short name that stands beside every item.
    pub short_name: String,
    /// Whom to call about it.
    pub phone: String,
    /// What it shares, in plain words.
    pub shares: Vec<String>,
    /// What it leaves out, in plain words.
    pub leaves_out: Vec<String>,
    /// The categories it normally supplies; a gap in it is said in these sections.
    pub supplies: CategorySet,
    /// False while it is not connected yet: then it is listed on Sources and counted nowhere.
    pub connected: bool,
    /// When it last sent anything about anybody.
    pub last_received: Option<Timestamp>,
    /// The agreed longest silence, in minutes.
    pub agreed_interval_minutes: u32,
    /// Since when the last attempt to reach it has failed; `None` when it has not.
    pub failed_since: Option<Timestamp>,
    /// The clinical time of its newest item for this person under the view.
    pub newest_item: Option<Timestamp>,
    /// How many of its items the view shows for this person.
    pub items: u64,
}

/// The state of a source, in the words of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reliability {
    /// Heard from within the agreed interval.
    UpToDate,
    /// Past the agreed interval.
    Late,
    /// Over three times the interval, or over 24 hours.
    VeryLate,
    /// The last attempt failed, or nothing ever came.
    NotAvailable,
    /// Not connected.
    NotConnected,
}

impl Reliability {
    /// The words on screen.
    pub fn words(self) -> &'static str {
        match self {
            Self::UpToDate => "Up to date",
            Self::Late => "Late",
            Self::VeryLate => "Very late",
            Self::NotAvailable => "Not available",
            Self::NotConnected => "Not connected",
        }
    }
}

impl SourceState {
    /// Its state at a moment.
    pub fn reliability(&self, now: Timestamp) -> Reliability {
        if !self.connected {
            return Reliability::NotConnected;
        }
        let Some(last) = self.last_received.filter(|_| self.failed_since.is_none()) else {
            return Reliability::NotAvailable;
        };
        let silence_minutes = (now.as_second() - last.as_second()) / 60;
        let agreed = i64::from(self.agreed_interval_minutes);
        if silence_minutes <= agreed {
            Reliability::UpToDate
        } else if silence_minutes > 3 * agreed || silence_minutes > 24 * 60 {
            Reliability::VeryLate
        } else {
            Reliability::Late
        }
    }

    /// Whether a section of these categories counts this source among those it draws on.
    pub fn counts_for(&self, categories: CategorySet) -> bool {
        self.connected && !self.supplies.intersection(categories).is_empty()
    }

    /// Whether it is one whose medicines list should hold every current medicine.
    pub fn should_list_medicines(&self) -> bool {
        matches!(self.kind, OrganisationKind::Practice)
            && self.supplies.contains(Category::Medications)
    }

    fn gap(&self, now: Timestamp) -> Option<Gap> {
        let since_at = self.failed_since.or(self.last_received);
        let state = self.reliability(now);
        matches!(
            state,
            Reliability::Late | Reliability::VeryLate | Reliability::NotAvailable
        )
        .then(|| Gap {
            source: self.short_name.clone(),
            phone: super::words::phone(&self.phone),
            state,
            since: since_at.map(|at| since(at, now)),
            since_short: since_at.map(|at| short_since(at, now)),
        })
    }
}

fn short_since(at: Timestamp, now: Timestamp) -> String {
    let then = local(at);
    if then.date() == local(now).date() {
        clock(then.time())
    } else {
        since(at, now)
    }
}

/// A source that cannot be relied on at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Its short name.
    pub source: String,
    /// Whom to call.
    pub phone: String,
    /// Late, very late or not available.
    pub state: Reliability,
    /// `09:12 today`; `None` when nothing ever came.
    pub since: Option<String>,
    /// `09:12` on the same day.
    pub since_short: Option<String>,
}

impl Gap {
    /// `City Hospital not available since 09:12.`
    pub fn line(&self) -> String {
        match (&self.since_short, self.state) {
            (Some(at), Reliability::NotAvailable) => {
                format!("{} not available since {at}.", self.source)
            }
            (None, _) => format!("{} not available: nothing has been received.", self.source),
            (Some(at), state) => {
                format!(
                    "{} {}: last received {at}.",
                    self.source,
                    state.words().to_lowercase()
                )
            }
        }
    }
}

/// The freshness line: which sources a section draws on, and how far it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// How many sources answered in time.
    pub answered: usize,
    /// How many normally supply the section.
    pub of: usize,
    /// The newest item shown.
    pub newest: Option<When>,
    /// Sources that are late or not available.
    pub gaps: Vec<Gap>,
}

impl Freshness {
    /// Looks at the sources that supply these categories.
    pub fn of(
        categories: CategorySet,
        sources: &[SourceState],
        newest: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let counted: Vec<&SourceState> = sources
            .iter()
            .filter(|source| source.counts_for(categories))
            .collect();
        let gaps: Vec<Gap> = counted
            .iter()
            .filter_map(|source| source.gap(now))
            .collect();
        Self {
            answered: counted.len() - gaps.len(),
            of: counted.len(),
            newest: newest.map(When::day),
            gaps,
        }
    }

    /// "From 4 of 5 sources."
    pub fn from_words(&self) -> String {
        format!(
            "From {} of {}.",
            self.answered,
            count(self.of, "source", "sources")
        )
    }

    /// Whether every source answered in time: only then may a section say that nothing is recorded.
    pub fn complete(&self) -> bool {
        self.gaps.is_empty() && self.of > 0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn source(code: &str, short_name: &str) -> SourceState {
        SourceState {
            source: SourceCode::parse(code).expect("a code"),
            kind: OrganisationKind::Trust,
            name: format!("{short_name} (full name)"),
            short_name: short_name.to_owned(),
            phone: "020 7946 0100".to_owned(),
            shares: Vec::new(),
            leaves_out: Vec::new(),
            supplies: CategorySet::whole_record(),
            connected: true,
            last_received: Some("2026-10-02T11:55:00Z".parse().expect("a time")),
            agreed_interval_minutes: 60,
            failed_since: None,
            newest_item: None,
            items: 0,
        }
    }

    #[test]
    fn a_source_is_late_past_its_interval_and_very_late_past_three_or_a_day() {
        let now: Timestamp = "2026-10-02T12:00:00Z".parse().expect("a time");
        let state = |silence_minutes: i64, agreed: u32, failed: bool, connected: bool| {
            let mut source = source("RZZ", "City Hospital");
            source.last_received =
                Timestamp::from_second(now.as_second() - silence_minutes * 60).ok();
            source.agreed_interval_minutes = agreed;
            source.failed_since = failed.then_some(now);
            source.connected = connected;
            source.reliability(now).words()
        };
        assert_eq!(state(60, 60, false, true), "Up to date");
        assert_eq!(state(61, 60, false, true), "Late");
        assert_eq!(state(181, 60, false, true), "Very late");
        assert_eq!(state(24 * 60 + 1, 12 * 60, false, true), "Very late");
        assert_eq!(state(1, 60, true, true), "Not available");
        assert_eq!(state(1, 60, true, false), "Not connected");
    }

    #[test]
    fn the_freshness_line_counts_sources_and_names_the_missing_ones() {
        let now: Timestamp = "2026-10-02T12:00:00Z".parse().expect("a time");
        let mut hospital = source("RZZ", "City Hospital");
        hospital.failed_since = Some("2026-10-02T08:12:00Z".parse().expect("a time"));
        let sources = [source("G99", "Riverside GP"), hospital];
        let line = Freshness::of(CategorySet::whole_record(), &sources, Some(now), now);
        assert_eq!(line.from_words(), "From 1 of 2 sources.");
        assert_eq!(
            line.gaps[0].line(),
            "City Hospital not available since 09:12."
        );
        assert!(!line.complete());
    }
}
