//! Looks and choices in the words of the pages: the same for the list (M3), the copy (M6) and home.

use care_core::sections::When;
use care_record::{ChoiceTold, Look, LookKind, OwnRecord};
use serde::Serialize;

use super::moment;

/// One look, in words.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// The entry it began with; 0 where nobody looked.
    pub entry: u64,
    pub when: String,
    pub machine: String,
    /// "Hospital nurse"
    pub job: String,
    /// "City Hospital"
    pub place: String,
    /// "Emergency department", or nothing.
    pub team: &'static str,
    /// "Opened your record"
    pub what: &'static str,
    pub name: String,
    pub why: String,
    /// "Medicines", "allergies" …
    pub seen: Vec<String>,
    pub printed: bool,
    pub reviewed: bool,
    pub own: bool,
    /// The person can say that they do not recognise it.
    pub can_ask: bool,
    /// The reference of a disclosure or extract.
    pub given: String,
    /// What became of asking about it: reference and state.
    pub asked: Option<(String, String)>,
}

/// A look as it stands on a page; names of staff only where the deployment shows them.
pub(super) fn row(look: &Look, names: bool) -> Row {
    let what = match look.kind {
        LookKind::Opened if look.own => "You looked at these pages",
        LookKind::Opened => "Opened your record",
        LookKind::Found => "Found your name",
        LookKind::Refused => "Tried to open your record",
        LookKind::System => "A computer system took a copy",
        LookKind::Given => "Was given information about you",
        LookKind::NotOpened => "Your record was not opened at this visit",
    };
    let seen = match look.kind {
        LookKind::Opened | LookKind::System | LookKind::Given if !look.own => {
            look.seen.iter().map(|words| plain(words)).collect()
        }
        _ => Vec::new(),
    };
    Row {
        entry: look.entry,
        when: moment(look.at),
        machine: When::moment(look.at).machine,
        job: match look.kind {
            LookKind::Given if look.job == "extract" => "Set of data".to_owned(),
            LookKind::Given => "Disclosure".to_owned(),
            LookKind::System => format!("Computer system, for: {}", look.job),
            _ => look.job.clone(),
        },
        place: look.place.clone(),
        team: look.team,
        what,
        name: if names {
            look.name.clone()
        } else {
            String::new()
        },
        why: look.why.clone(),
        seen,
        printed: look.printed,
        reviewed: look.reviewed,
        own: look.own,
        can_ask: !look.own && look.kind != LookKind::NotOpened,
        given: look.reference.clone(),
        asked: None,
    }
}

/// "your medicines" in a list under "They looked at": "medicines".
fn plain(words: &str) -> String {
    words.strip_prefix("your ").unwrap_or(words).to_owned()
}

/// One choice, as page M4 tells it: when, what, who, how, reference.
pub(super) fn choice_row(one: &ChoiceTold) -> [String; 5] {
    let said = match one.said {
        "shared" => "Share",
        "shared-in-emergency" => "Share in an emergency only",
        _ => "Do not share",
    };
    let by = match one.set_by.as_str() {
        "self" => "You",
        "parental_responsibility" => "Your parent",
        _ => "Somebody who acts for you",
    };
    let how = match one.channel.as_str() {
        "online" => "Online",
        "telephone" => "By phone",
        "paper" => "On paper",
        "gp_practice" => "Through the GP practice",
        _ => "From another system",
    };
    [
        moment(one.at),
        said.into(),
        by.into(),
        how.into(),
        one.reference.clone().unwrap_or_default(),
    ]
}

/// What is shared, an organisation a line: name, what, what not, how often, when last.
pub(super) fn shared_rows(record: &OwnRecord) -> Vec<[String; 5]> {
    let none = |list: &[String], words: &str| {
        if list.is_empty() {
            words.to_owned()
        } else {
            list.join("; ")
        }
    };
    record
        .sources
        .iter()
        .filter(|source| source.connected)
        .map(|source| {
            [
                source.name.clone(),
                none(&source.shares, "We do not know"),
                none(&source.leaves_out, "We know of nothing that is left out"),
                often(source.agreed_interval_minutes),
                source
                    .last_received
                    .map_or_else(|| "We do not have a date".to_owned(), moment),
            ]
        })
        .collect()
}

/// How often a source sends, in words.
pub(super) fn often(minutes: u32) -> String {
    match minutes {
        0..=60 => "at least every hour".to_owned(),
        61..=1439 => format!("at least every {} hours", minutes.div_ceil(60)),
        1440..=2879 => "at least every day".to_owned(),
        _ => format!("at least every {} days", minutes.div_ceil(1440)),
    }
}
