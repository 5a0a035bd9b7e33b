//! One choice, and the form in which it is kept.

use care_core::vocabulary::OdsCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the person said to Connect Care.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectCareChoice {
    /// Nothing against it.
    #[default]
    None,
    /// Objected, but not in an emergency.
    ObjectedExceptEmergency,
    /// Objected.
    Objected,
}

/// How far the objection has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceStatus {
    /// It holds.
    #[default]
    Decided,
    /// It waits for the controller's answer.
    Pending,
    /// The controller did not uphold it.
    NotUpheld,
}

/// Why an objection was not upheld: without this nothing is overruled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUpheld {
    /// The clinician who decided: name and role.
    pub by: String,
    /// The reason they recorded, in words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What kind of word a source sent on the person's behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceWord {
    /// The practice's own dissent code: what came from a GP is not shown elsewhere.
    GpDissent,
    /// What was answered at a contact with a council: social care stays inside it.
    Contact,
}

/// What one source last said about sharing what it holds. A later word of the same kind from the
/// same source takes its place; an older one never does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidBySource {
    /// Its code.
    pub source: String,
    /// What kind of word.
    pub word: SourceWord,
    /// The person does not want it shared.
    pub refused: bool,
    /// When the person said so, by the source.
    pub at: Timestamp,
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
    /// Sources whose items are not shown elsewhere, because the person told us so. What the sources
    /// themselves were told comes on top: see [`Choice::withheld`].
    pub withheld_sources: Vec<OdsCode>,
    /// They told us that they dissent from sharing what the practice holds: see [`Choice::dissents`].
    pub gp_dissent: bool,
    /// Who decided, a code of [`crate::SetBy`].
    pub set_by: String,
    /// How it reached us: a code of [`crate::Channel`], or a feed's id.
    pub channel: String,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// The reference the person was given.
    pub reference: Option<String>,
    /// What was seen that lets somebody choose for another, in words; empty for one's own choice.
    pub evidence: String,
    /// Why the objection was not upheld; with [`ChoiceStatus::NotUpheld`] only.
    pub not_upheld: Option<NotUpheld>,
    /// What the sources said for the person.
    pub said_by_sources: Vec<SaidBySource>,
    /// Counts the person's choices, from 1: of two writers at once, one must look again.
    pub number: u32,
}

impl Default for Choice {
    /// Nobody ever chose: shared with those who care.
    fn default() -> Self {
        Self {
            connect_care: ConnectCareChoice::None,
            status: ChoiceStatus::Decided,
            blocked_organisations: Vec::new(),
            withheld_sources: Vec::new(),
            gp_dissent: false,
            set_by: String::new(),
            channel: String::new(),
            decided_at: Timestamp::UNIX_EPOCH,
            reference: None,
            evidence: String::new(),
            not_upheld: None,
            said_by_sources: Vec::new(),
            number: 0,
        }
    }
}

/// The kept choice has a form this program does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kept choice cannot be read, so it counts as unknown; record the choice again")]
pub struct UnreadableChoice;

/// The kept form. Version 1 had the members up to `decided_at`; both are read, version 2 is written.
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
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    evidence: String,
    #[serde(default)]
    not_upheld: Option<NotUpheld>,
    #[serde(default)]
    said_by_sources: Vec<SaidBySource>,
    #[serde(default)]
    number: u32,
}

const VERSIONS: std::ops::RangeInclusive<u8> = 1..=2;

impl Choice {
    /// The bytes that are kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let texts = |codes: &[OdsCode]| codes.iter().map(ToString::to_string).collect();
        let kept = Kept {
            version: *VERSIONS.end(),
            connect_care: self.connect_care,
            status: self.status,
            blocked_orgs: texts(&self.blocked_organisations),
            withheld_sources: texts(&self.withheld_sources),
            gp_dissent: self.gp_dissent,
            set_by: self.set_by.clone(),
            channel: self.channel.clone(),
            decided_at: self.decided_at,
            reference: self.reference.clone(),
            evidence: self.evidence.clone(),
            not_upheld: self.not_upheld.clone(),
            said_by_sources: self.said_by_sources.clone(),
            number: self.number,
        };
        // A struct of plain values always serialises; were it not so, the empty bytes read back as
        // unreadable, which refuses access.
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// Reads what was kept. A code that is not understood makes the whole choice unreadable, because
    /// leaving out a blocked organisation would let it in.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnreadableChoice> {
        let kept: Kept = serde_json::from_slice(bytes).map_err(|_| UnreadableChoice)?;
        if !VERSIONS.contains(&kept.version) {
            return Err(UnreadableChoice);
        }
        let codes = |texts: &[String]| {
            texts
                .iter()
                .map(|text| OdsCode::parse(text).map_err(|_| UnreadableChoice))
                .collect::<Result<Vec<_>, _>>()
        };
        if kept
            .said_by_sources
            .iter()
            .any(|said| OdsCode::parse(&said.source).is_err())
        {
            return Err(UnreadableChoice);
        }
        Ok(Self {
            connect_care: kept.connect_care,
            status: kept.status,
            blocked_organisations: codes(&kept.blocked_orgs)?,
            withheld_sources: codes(&kept.withheld_sources)?,
            gp_dissent: kept.gp_dissent,
            set_by: kept.set_by,
            channel: kept.channel,
            decided_at: kept.decided_at,
            reference: kept.reference,
            evidence: kept.evidence,
            not_upheld: kept.not_upheld,
            said_by_sources: kept.said_by_sources,
            number: kept.number,
        })
    }

    /// Sources whose items are not shown elsewhere: those the person named to us, and those that were
    /// told so at a contact.
    pub fn withheld(&self) -> Vec<OdsCode> {
        let mut all = self.withheld_sources.clone();
        for said in &self.said_by_sources {
            let refused = said.word == SourceWord::Contact && said.refused;
            if let (true, Ok(code)) = (refused, OdsCode::parse(&said.source))
                && !all.contains(&code)
            {
                all.push(code);
            }
        }
        all
    }

    /// Whether what came from a GP is not shown elsewhere: the person told us, or a practice sent its
    /// dissent code.
    pub fn dissents(&self) -> bool {
        self.gp_dissent
            || self
                .said_by_sources
                .iter()
                .any(|said| said.word == SourceWord::GpDissent && said.refused)
    }

    /// Takes in what a source said; false where the same or a later word is held.
    pub fn hear(&mut self, said: SaidBySource) -> bool {
        let held = self
            .said_by_sources
            .iter_mut()
            .find(|held| held.source == said.source && held.word == said.word);
        match held {
            Some(held) if held.at > said.at || *held == said => false,
            // Of two words of one moment, the one that refuses stays.
            Some(held) if held.at == said.at && held.refused => false,
            Some(held) => {
                *held = said;
                true
            }
            None => {
                self.said_by_sources.push(said);
                true
            }
        }
    }

    /// Whether anything at all is held back from anybody.
    pub fn restricts(&self) -> bool {
        self.weight() != ConnectCareChoice::None
            || !self.blocked_organisations.is_empty()
            || !self.withheld().is_empty()
            || self.dissents()
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
        let mut words = format!(
            "{said}, {status}; {} organisations blocked, {} sources withheld; set by {} through {}",
            self.blocked_organisations.len(),
            self.withheld().len(),
            self.set_by,
            self.channel
        );
        if self.dissents() {
            words.push_str("; GP dissent");
        }
        if let Some(reference) = &self.reference {
            words.push_str("; reference ");
            words.push_str(reference);
        }
        words
    }

    fn weight(&self) -> ConnectCareChoice {
        match self.status {
            ChoiceStatus::NotUpheld => ConnectCareChoice::None,
            ChoiceStatus::Decided | ChoiceStatus::Pending => self.connect_care,
        }
    }

    /// Both choices at once: whatever either forbids. An objection that one person's choice has
    /// decided is not weakened by one that is still pending.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let objects = |choice: &Self| choice.weight() != ConnectCareChoice::None;
        let decided = [&self, &other]
            .into_iter()
            .any(|one| objects(one) && one.status == ChoiceStatus::Decided);
        let (mut first, second) = if other.weight() > self.weight() {
            (other, self)
        } else {
            (self, other)
        };
        if decided {
            first.status = ChoiceStatus::Decided;
        }
        let mut said_by_sources = first.said_by_sources;
        for said in second.said_by_sources {
            let same = said_by_sources
                .iter_mut()
                .find(|held| held.source == said.source && held.word == said.word);
            match same {
                Some(held) if said.refused && !held.refused => *held = said,
                Some(_) => {}
                None => said_by_sources.push(said),
            }
        }
        Self {
            blocked_organisations: union(first.blocked_organisations, second.blocked_organisations),
            withheld_sources: union(first.withheld_sources, second.withheld_sources),
            gp_dissent: first.gp_dissent || second.gp_dissent,
            decided_at: first.decided_at.max(second.decided_at),
            number: first.number.max(second.number),
            said_by_sources,
            ..first
        }
    }

    /// Whether two choices forbid the same.
    pub fn forbids_as(&self, other: &Self) -> bool {
        let sorted = |mut codes: Vec<OdsCode>| {
            codes.sort();
            codes
        };
        self.connect_care == other.connect_care
            && self.status == other.status
            && self.dissents() == other.dissents()
            && sorted(self.blocked_organisations.clone())
                == sorted(other.blocked_organisations.clone())
            && sorted(self.withheld()) == sorted(other.withheld())
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
            set_by: "self".to_owned(),
            channel: "paper".to_owned(),
            ..Choice::default()
        }
    }

    fn said(source: &str, word: SourceWord, refused: bool, second: i64) -> SaidBySource {
        SaidBySource {
            source: source.to_owned(),
            word,
            refused,
            at: Timestamp::from_second(second).expect("a time"),
        }
    }

    #[test]
    fn a_choice_reads_back_as_kept_and_other_forms_are_unreadable() {
        let mut one = choice(
            ConnectCareChoice::Objected,
            ChoiceStatus::NotUpheld,
            &["RJ1"],
        );
        one.reference = Some("7F3K-11QZ".to_owned());
        one.evidence = "attorney: registered power seen".to_owned();
        one.not_upheld = Some(NotUpheld {
            by: "Dr Helena Voss, Caldicott Guardian".to_owned(),
            reason: "needed for a child's safety".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        });
        one.said_by_sources = vec![said("X9L01", SourceWord::Contact, true, 5)];
        one.number = 3;
        assert_eq!(Choice::from_bytes(&one.to_bytes()), Ok(one.clone()));
        for bad in ["", "{}", "{\"version\":2}", "null"] {
            assert_eq!(
                Choice::from_bytes(bad.as_bytes()),
                Err(UnreadableChoice),
                "{bad}"
            );
        }
        let text = String::from_utf8(one.to_bytes()).expect("text");
        for (old, new) in [
            ("\"version\":2", "\"version\":3"),
            ("\"version\":2", "\"version\":0"),
            ("RJ1", "?"),
            ("X9L01", "?"),
            ("objected", "perhaps"),
        ] {
            let other = text.replace(old, new);
            assert_eq!(
                Choice::from_bytes(other.as_bytes()),
                Err(UnreadableChoice),
                "{new}"
            );
        }
    }

    #[test]
    fn a_choice_kept_by_an_earlier_program_still_reads() {
        let kept = r#"{"version":1,"connect_care":"objected_except_emergency","status":"decided",
            "blocked_orgs":["RJ1"],"withheld_sources":["X9L01"],"gp_dissent":true,"set_by":"self",
            "channel":"online","decided_at":"2026-11-23T10:00:00Z"}"#;
        let read = Choice::from_bytes(kept.as_bytes()).expect("it reads");
        assert_eq!(
            read.connect_care,
            ConnectCareChoice::ObjectedExceptEmergency
        );
        assert!(read.dissents() && read.withheld().len() == 1 && read.number == 0);
        assert_eq!(Choice::from_bytes(&read.to_bytes()), Ok(read));
    }

    #[test]
    fn the_stricter_of_two_choices_forbids_whatever_either_forbids() {
        use ChoiceStatus::{Decided, NotUpheld, Pending};
        use ConnectCareChoice::{None, Objected, ObjectedExceptEmergency};
        let rows = [
            (
                choice(None, Decided, &["RJ1"]),
                choice(Objected, Decided, &["RJ2"]),
                (Objected, Decided),
            ),
            (
                choice(Objected, NotUpheld, &[]),
                choice(ObjectedExceptEmergency, Decided, &[]),
                (ObjectedExceptEmergency, Decided),
            ),
            (
                choice(Objected, Pending, &[]),
                choice(ObjectedExceptEmergency, Decided, &[]),
                (Objected, Decided),
            ),
            (
                choice(Objected, Pending, &[]),
                choice(None, Decided, &[]),
                (Objected, Pending),
            ),
        ];
        for (one, other, expected) in rows {
            for (left, right) in [(one.clone(), other.clone()), (other.clone(), one.clone())] {
                let both = left.clone().stricter(right.clone());
                assert_eq!((both.connect_care, both.status), expected);
                assert_eq!(
                    both.blocked_organisations.len(),
                    left.blocked_organisations.len() + right.blocked_organisations.len()
                );
            }
        }
    }

    #[test]
    fn what_sources_say_is_heard_in_the_order_of_the_contacts_and_counts_beside_the_persons_word() {
        let mut one = Choice::default();
        assert!(!one.restricts());
        assert!(one.hear(said("X9L01", SourceWord::Contact, true, 20)));
        assert!(
            !one.hear(said("X9L01", SourceWord::Contact, false, 10)),
            "older"
        );
        assert!(
            !one.hear(said("X9L01", SourceWord::Contact, false, 20)),
            "same moment"
        );
        assert!(
            !one.hear(said("X9L01", SourceWord::Contact, true, 20)),
            "the same"
        );
        assert_eq!(one.withheld().len(), 1);
        assert!(one.restricts() && !one.dissents());
        assert!(one.hear(said("X9L01", SourceWord::Contact, false, 30)));
        assert!(one.withheld().is_empty(), "the later contact said yes");
        assert!(one.hear(said("X9P01", SourceWord::GpDissent, true, 1)));
        assert!(one.dissents() && one.withheld().is_empty());
        let other = Choice {
            said_by_sources: vec![said("X9L01", SourceWord::Contact, true, 1)],
            ..Choice::default()
        };
        for both in [one.clone().stricter(other.clone()), other.stricter(one)] {
            assert!(both.dissents() && both.withheld().len() == 1);
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
