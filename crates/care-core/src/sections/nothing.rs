//! The five kinds of "nothing". They are five values of one enum, never five meanings of an empty list.
//!
//! Source: the screen design, section 3; hazards H06, H07 and H08. The rule: while any source of a
//! section is late or not available, that is said first, and nothing is called "not recorded".

use serde::Serialize;

use super::source::{Freshness, Gap, Reliability};
use super::words::count;

/// Why a place is empty, or not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub enum Nothing {
    /// N1: a source recorded, in code, that there are none.
    #[serde(rename = "n1")]
    StatedNone {
        /// "No known allergies. Recorded by Riverside GP, 12-Mar-2026."
        words: String,
    },
    /// N2: every source answered and holds nothing.
    #[serde(rename = "n2")]
    NothingRecorded {
        /// "Allergies not recorded in any of 5 sources."
        words: String,
    },
    /// N3: a source that normally supplies this is late or not available.
    #[serde(rename = "n3")]
    NotAvailable {
        /// "Allergies unavailable from City Hospital since 09:12 today. …"
        words: String,
        /// Whom to call, one for each source.
        call: Vec<String>,
    },
    /// N4: the reader's role may not see this. No counts, no hint.
    #[serde(rename = "n4")]
    NotForRole {
        /// "Your role does not include this section."
        words: String,
    },
    /// N5: held back at the person's request.
    #[serde(rename = "n5")]
    HeldBack {
        /// "Some information is sealed at the person's request."
        words: String,
        /// Whether this reader has a route to open it.
        route: bool,
    },
}

impl Nothing {
    /// N4.
    pub fn not_for_role() -> Self {
        Self::NotForRole {
            words: "Your role does not include this section.".to_owned(),
        }
    }

    /// N5.
    pub fn held_back(route: bool) -> Self {
        Self::HeldBack {
            words: "Some information is sealed at the person's request.".to_owned(),
            route,
        }
    }

    /// The words, whichever kind it is.
    pub fn words(&self) -> &str {
        match self {
            Self::StatedNone { words }
            | Self::NothingRecorded { words }
            | Self::NotAvailable { words, .. }
            | Self::NotForRole { words }
            | Self::HeldBack { words, .. } => words,
        }
    }

    /// The code of the kind, `N1` to `N5`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StatedNone { .. } => "N1",
            Self::NothingRecorded { .. } => "N2",
            Self::NotAvailable { .. } => "N3",
            Self::NotForRole { .. } => "N4",
            Self::HeldBack { .. } => "N5",
        }
    }
}

/// What a section holds, as far as its emptiness is concerned.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Items shown.
    pub items: usize,
    /// What sources stated in code: "No known allergies. Recorded by Riverside GP, 12-Mar-2026."
    pub stated_none: Vec<String>,
    /// Something was held back and the policy says so.
    pub held_back: bool,
    /// The reader has a route to open it.
    pub route: bool,
}

/// What a section says about its emptiness, in the order it is said. `what` is plural and begins
/// with a capital: "Allergies".
///
/// A section with items and complete sources says nothing.
pub fn say(what: &str, held: &Held, freshness: &Freshness) -> Vec<Nothing> {
    let mut said = Vec::new();
    let empty = held.items == 0;
    if !freshness.gaps.is_empty() {
        said.push(not_available(
            what,
            empty && held.stated_none.is_empty(),
            freshness,
        ));
    } else if freshness.of == 0 {
        said.push(Nothing::NotAvailable {
            words: format!("{what} unavailable: no source is connected."),
            call: Vec::new(),
        });
    }
    if empty {
        said.extend(held.stated_none.iter().map(|words| Nothing::StatedNone {
            words: words.clone(),
        }));
        if held.stated_none.is_empty() && freshness.complete() {
            said.push(Nothing::NothingRecorded {
                words: format!(
                    "{what} not recorded in any of {}.",
                    count(freshness.of, "source", "sources")
                ),
            });
        }
    }
    if held.held_back {
        said.push(Nothing::held_back(held.route));
    }
    said
}

fn not_available(what: &str, none_elsewhere: bool, freshness: &Freshness) -> Nothing {
    let mut words = freshness
        .gaps
        .iter()
        .map(|gap| gap_sentence(what, gap))
        .collect::<Vec<_>>()
        .join(" ");
    if none_elsewhere && freshness.answered > 0 {
        let verb = if freshness.answered == 1 {
            "has"
        } else {
            "have"
        };
        words.push_str(&format!(
            " {} {verb} none recorded.",
            count(freshness.answered, "other source", "other sources")
        ));
    }
    let call = freshness
        .gaps
        .iter()
        .filter(|gap| !gap.phone.is_empty())
        .map(|gap| format!("{}: {}", gap.source, gap.phone))
        .collect();
    Nothing::NotAvailable { words, call }
}

fn gap_sentence(what: &str, gap: &Gap) -> String {
    match (&gap.since, gap.state) {
        (None, _) => format!(
            "{what} unavailable from {}: nothing has been received.",
            gap.source
        ),
        (Some(since), Reliability::NotAvailable) => {
            format!("{what} unavailable from {} since {since}.", gap.source)
        }
        (Some(since), state) => format!(
            "{what} from {} may be out of date: {}, last received {since}.",
            gap.source,
            state.words().to_lowercase()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::source;
    use super::*;
    use crate::vocabulary::CategorySet;
    use jiff::Timestamp;

    fn now() -> Timestamp {
        "2026-10-02T12:00:00Z".parse().expect("a time")
    }

    fn words(items: usize, stated: bool, failed: bool, held_back: bool) -> Vec<String> {
        let mut sources: Vec<_> = (0..5)
            .map(|n| source(&format!("SRC{n}"), &format!("Source {n}")))
            .collect();
        if failed {
            sources[4].short_name = "City Hospital".into();
            sources[4].failed_since = Some("2026-10-02T08:12:00Z".parse().expect("a time"));
        }
        let freshness = Freshness::of(CategorySet::whole_record(), &sources, None, now());
        let held = Held {
            items,
            stated_none: stated
                .then(|| "No known allergies. Recorded by Riverside GP, 12-Mar-2026.".to_owned())
                .into_iter()
                .collect(),
            held_back,
            route: false,
        };
        say("Allergies", &held, &freshness)
            .iter()
            .map(|nothing| format!("{} {}", nothing.code(), nothing.words()))
            .collect()
    }

    #[test]
    fn each_kind_of_nothing_has_its_own_words() {
        let unavailable = "N3 Allergies unavailable from City Hospital since 09:12 today.";
        let stated = "N1 No known allergies. Recorded by Riverside GP, 12-Mar-2026.";
        let sealed = "N5 Some information is sealed at the person's request.";
        assert_eq!(
            words(0, false, false, false),
            ["N2 Allergies not recorded in any of 5 sources."]
        );
        assert_eq!(words(0, true, false, false), [stated]);
        assert_eq!(
            words(0, false, true, false),
            [format!("{unavailable} 4 other sources have none recorded.")]
        );
        assert_eq!(words(0, true, true, false), [unavailable, stated]);
        assert_eq!(words(2, false, true, true), [unavailable, sealed]);
        assert_eq!(words(2, false, false, false), Vec::<String>::new());
        assert_eq!(
            Nothing::not_for_role().words(),
            "Your role does not include this section."
        );
    }
}
