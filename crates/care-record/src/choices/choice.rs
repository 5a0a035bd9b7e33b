//! One choice, and the form in which it is kept.

use care_core::vocabulary::OdsCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the person said to Connect Care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectCareChoice {
    /// Nothing against it.
    None,
    /// Objected, but not in an emergency.
    ObjectedExceptEmergency,
    /// Objected.
    Objected,
}

/// How far the objection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceStatus {
    /// It holds.
    Decided,
    /// It waits for the controller's answer.
    Pending,
    /// The controller did not uphold it.
    NotUpheld,
}

/// A person's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What they said.
    pub connect_care: ConnectCareChoice,
    /// How far it has come.
    pub status: ChoiceStatus,
    /// Organisations that may not look.
    pub blocked_organisations: Vec<OdsCode>,
    /// Sources whose items are not shown elsewhere.
    pub withheld_sources: Vec<OdsCode>,
    /// They dissent from sharing what the practice holds.
    pub gp_dissent: bool,
    /// Who decided: `self`, `parental_responsibility`, `lpa_health_welfare`, `court_deputy` …
    pub set_by: String,
    /// How it reached us: `online`, `telephone`, `paper`, `gp_practice`, or a feed's id.
    pub channel: String,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// The kept choice has a form this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kept choice cannot be read, so it counts as unknown; record the choice again")]
pub struct UnreadableChoice;

/// The kept form. Version 1; a later form gets another number and this one stays readable.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u8,
    connect_care: ConnectCareChoice,
    status: ChoiceStatus,
    #[serde(default)]
    blocked_orgs: Vec<String>,
    #[serde(default)]
    withheld_sources: Vec<String>,
    #[serde(default)]
    gp_dissent: bool,
    #[serde(default)]
    set_by: String,
    #[serde(default)]
    channel: String,
    decided_at: Timestamp,
}

const VERSION: u8 = 1;

impl Choice {
    /// The bytes that are kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let texts = |codes: &[OdsCode]| codes.iter().map(ToString::to_string).collect();
        let kept = Kept {
            version: VERSION,
            connect_care: self.connect_care,
            status: self.status,
            blocked_orgs: texts(&self.blocked_organisations),
            withheld_sources: texts(&self.withheld_sources),
            gp_dissent: self.gp_dissent,
            set_by: self.set_by.clone(),
            channel: self.channel.clone(),
            decided_at: self.decided_at,
        };
        // A struct of plain values always serialises; were it not so, the empty bytes read back as
        // unreadable, which refuses access.
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// Reads what was kept. A code that is not understood makes the whole choice unreadable, because
    /// leaving out a blocked organisation would let it in.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnreadableChoice> {
        let kept: Kept = serde_json::from_slice(bytes).map_err(|_| UnreadableChoice)?;
        if kept.version != VERSION {
            return Err(UnreadableChoice);
        }
        let codes = |texts: &[String]| {
            texts
                .iter()
                .map(|text| OdsCode::parse(text).map_err(|_| UnreadableChoice))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            connect_care: kept.connect_care,
            status: kept.status,
            blocked_organisations: codes(&kept.blocked_orgs)?,
            withheld_sources: codes(&kept.withheld_sources)?,
            gp_dissent: kept.gp_dissent,
            set_by: kept.set_by,
            channel: kept.channel,
            decided_at: kept.decided_at,
        })
    }

    /// In words for the audit entry; what was decided, not about what.
    pub fn summary(&self) -> String {
        let said = match self.connect_care {
            ConnectCareChoice::None => "no objection",
            ConnectCareChoice::ObjectedExceptEmergency => "objected except in an emergency",
            ConnectCareChoice::Objected => "objected",
        };
        let status = match self.status {
            ChoiceStatus::Decided => "decided",
            ChoiceStatus::Pending => "pending",
            ChoiceStatus::NotUpheld => "not upheld",
        };
        format!(
            "{said}, {status}; {} organisations blocked, {} sources withheld; set by {} through {}",
            self.blocked_organisations.len(),
            self.withheld_sources.len(),
            self.set_by,
            self.channel
        )
    }

    /// Both choices at once: whatever either forbids.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let weight = |choice: &Self| match choice.status {
            ChoiceStatus::NotUpheld => ConnectCareChoice::None,
            ChoiceStatus::Decided | ChoiceStatus::Pending => choice.connect_care,
        };
        let (first, second) = if weight(&other) > weight(&self) {
            (other, self)
        } else {
            (self, other)
        };
        Self {
            blocked_organisations: union(first.blocked_organisations, second.blocked_organisations),
            withheld_sources: union(first.withheld_sources, second.withheld_sources),
            gp_dissent: first.gp_dissent || second.gp_dissent,
            decided_at: first.decided_at.max(second.decided_at),
            ..first
        }
    }

    /// Whether two choices forbid the same.
    pub fn forbids_as(&self, other: &Self) -> bool {
        let sorted = |codes: &[OdsCode]| {
            let mut codes = codes.to_vec();
            codes.sort();
            codes
        };
        self.connect_care == other.connect_care
            && self.status == other.status
            && self.gp_dissent == other.gp_dissent
            && sorted(&self.blocked_organisations) == sorted(&other.blocked_organisations)
            && sorted(&self.withheld_sources) == sorted(&other.withheld_sources)
    }
}

fn union(mut first: Vec<OdsCode>, second: Vec<OdsCode>) -> Vec<OdsCode> {
    for code in second {
        if !first.contains(&code) {
            first.push(code);
        }
    }
    first
}

/// The strictest of kept choices, as kept bytes. One that cannot be read wins: it is handed on as it
/// is, so that the reader finds it unreadable and refuses.
pub(crate) fn strictest(kept: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    if kept.len() < 2 {
        return kept.into_iter().next();
    }
    let unreadable = kept.iter().find(|bytes| Choice::from_bytes(bytes).is_err());
    if let Some(bytes) = unreadable {
        return Some(bytes.clone());
    }
    kept.iter()
        .filter_map(|bytes| Choice::from_bytes(bytes).ok())
        .reduce(Choice::stricter)
        .map(|choice| choice.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(connect_care: ConnectCareChoice, status: ChoiceStatus, blocked: &[&str]) -> Choice {
        Choice {
            connect_care,
            status,
            blocked_organisations: blocked
                .iter()
                .map(|code| OdsCode::parse(code).expect("a code"))
                .collect(),
            withheld_sources: Vec::new(),
            gp_dissent: false,
            set_by: "self".to_owned(),
            channel: "paper".to_owned(),
            decided_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_choice_reads_back_as_kept_and_other_forms_are_unreadable() {
        let one = choice(ConnectCareChoice::Objected, ChoiceStatus::Pending, &["RJ1"]);
        assert_eq!(Choice::from_bytes(&one.to_bytes()), Ok(one.clone()));
        for bad in ["", "{}", "{\"version\":2}", "null"] {
            assert_eq!(
                Choice::from_bytes(bad.as_bytes()),
                Err(UnreadableChoice),
                "{bad}"
            );
        }
        let later = String::from_utf8(one.to_bytes())
            .expect("text")
            .replace("\"version\":1", "\"version\":2");
        assert!(Choice::from_bytes(later.as_bytes()).is_err());
        let strange = String::from_utf8(one.to_bytes())
            .expect("text")
            .replace("RJ1", "?");
        assert!(Choice::from_bytes(strange.as_bytes()).is_err());
    }

    #[test]
    fn the_stricter_of_two_choices_forbids_whatever_either_forbids() {
        use ChoiceStatus::{Decided, NotUpheld};
        use ConnectCareChoice::{None, Objected, ObjectedExceptEmergency};
        let rows = [
            (
                choice(None, Decided, &["RJ1"]),
                choice(Objected, Decided, &["RJ2"]),
                Objected,
            ),
            (
                choice(Objected, NotUpheld, &[]),
                choice(ObjectedExceptEmergency, Decided, &[]),
                ObjectedExceptEmergency,
            ),
            (
                choice(Objected, Decided, &[]),
                choice(ObjectedExceptEmergency, Decided, &[]),
                Objected,
            ),
        ];
        for (one, other, expected) in rows {
            for (left, right) in [(one.clone(), other.clone()), (other.clone(), one.clone())] {
                let both = left.clone().stricter(right.clone());
                assert_eq!(both.connect_care, expected);
                assert_eq!(
                    both.blocked_organisations.len(),
                    left.blocked_organisations.len() + right.blocked_organisations.len()
                );
            }
        }
    }

    #[test]
    fn an_unreadable_choice_is_never_outvoted() {
        let fine = choice(ConnectCareChoice::None, ChoiceStatus::Decided, &[]).to_bytes();
        assert_eq!(
            strictest(vec![fine.clone(), b"?".to_vec()]),
            Some(b"?".to_vec())
        );
        assert_eq!(strictest(vec![fine.clone()]), Some(fine));
        assert_eq!(strictest(Vec::new()), None);
    }
}
