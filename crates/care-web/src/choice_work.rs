//! What is known of a case about a choice: kept as the case's detail, step by step, so that another
//! caseworker can go on. The portal opens such a case with most of it answered; the console fills in
//! the rest. Holds no clinical content.

use care_core::sections::local;
use care_record::{Awaited, Choice, ConnectCareChoice};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// The kind of these cases.
pub const KIND: &str = "choice";
/// Under this age somebody else usually decides, and a second person always looks.
pub const ADULT_FROM_YEARS: u32 = 16;

/// Everything known of the case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// How it reached us, by code.
    pub channel: String,
    /// The day it reached us, `YYYY-MM-DD`.
    pub received: String,
    /// Whom it is about, by our opaque key.
    pub person: String,
    /// Whom it waits for, where nobody of these details is known.
    pub awaited: Option<Awaited>,
    /// `sure` or `to-check`, once the awaited person arrived.
    pub arrived: String,
    /// The identity check.
    pub identity: IdentityCheck,
    /// Who acts for whom.
    pub acting: Acting,
    /// The choice.
    pub chosen: Chosen,
    /// What was explained.
    pub explained: Explained,
    /// The second person's check.
    pub second: Option<SecondCheck>,
    /// When the choice was recorded.
    pub done: Option<Timestamp>,
    /// Letters that were made.
    pub letters: Vec<SentLetter>,
    /// Papers that were kept.
    pub papers: Vec<Paper>,
    /// User ids of everybody who worked on it.
    pub hands: Vec<String>,
    /// What the person wrote when they asked for a call.
    pub said: String,
    /// An earlier case about the same.
    pub earlier: String,
    /// For a letter: why it cannot be acted on.
    pub reason: String,
    /// For a letter: what must be sent, a thing a line.
    pub missing: String,
}

/// How it was made sure that this is the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdentityCheck {
    /// `script`, `call-back` or `paper`; `signed-in` online.
    pub method: String,
    /// Codes of the facts that matched.
    pub matched: Vec<String>,
    /// `passed`, `failed`, `more`.
    pub result: String,
}

/// Who acts for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acting {
    /// A code of `SetBy`.
    pub set_by: String,
    /// Who acts.
    pub name: String,
    /// Their address, a part a line.
    pub address: String,
    /// The evidence that was seen, in words.
    pub evidence: String,
    /// `has`, `lacks` or empty.
    pub capacity: String,
    /// `yes` where the young person agrees.
    pub young_agrees: String,
}

/// The choice as it was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    /// `share`, `not-share`, `private`.
    pub what: String,
    /// Staff may look in an emergency.
    pub emergency: bool,
    /// Organisations that may not look.
    pub blocked: Vec<String>,
    /// Sources that are not shown elsewhere.
    pub withheld: Vec<String>,
    /// The caller's own words.
    pub words: String,
}

/// What was explained, and what the person needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explained {
    /// The effects.
    pub effects: bool,
    /// The other options.
    pub options: bool,
    /// An interpreter was used: who, or empty.
    pub interpreter: String,
    /// The format of the letter, by code.
    pub format: String,
    /// How it is confirmed, by code.
    pub confirm: String,
    /// The language, if not English.
    pub language: String,
}

/// What the second person said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecondCheck {
    /// Their user id.
    pub by: String,
    /// Their name.
    pub name: String,
    /// They agree.
    pub agreed: bool,
    /// What they noted.
    pub note: String,
    /// When.
    pub at: Timestamp,
}

/// A letter that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentLetter {
    /// Which, by code.
    pub kind: String,
    /// `standard` or `large-print`.
    pub format: String,
    /// When it was sent.
    pub at: Timestamp,
    /// By whom: the name.
    pub by: String,
}

/// A paper that was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paper {
    /// Its id within the case.
    pub id: String,
    /// What it is, in the caseworker's words.
    pub title: String,
    /// `pdf`, `jpg`, `png`.
    pub kind: String,
    /// Its size.
    pub bytes: usize,
    /// When it was kept.
    pub at: Timestamp,
}

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The task list is not filled in.
    Tasks,
    /// A second person must look.
    SecondCheck,
    /// It can be confirmed.
    ToConfirm,
    /// It is kept, and the person is not known yet.
    Waiting,
    /// The choice holds; the letter was not sent.
    Letter,
    /// Everything is done.
    Done,
}

impl Stage {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tasks => "To fill in",
            Self::SecondCheck => "Second check",
            Self::ToConfirm => "To confirm",
            Self::Waiting => "Waits for the person",
            Self::Letter => "Letter to send",
            Self::Done => "Done",
        }
    }

    /// The code in addresses.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::SecondCheck => "second",
            Self::ToConfirm => "confirm",
            Self::Waiting => "waiting",
            Self::Letter => "letter",
            Self::Done => "done",
        }
    }

    /// Every stage, in order.
    pub const ALL: [Self; 6] = [
        Self::Tasks,
        Self::SecondCheck,
        Self::ToConfirm,
        Self::Waiting,
        Self::Letter,
        Self::Done,
    ];
}

/// What the person must be known by to be told an adult: asked of the record where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub Option<u32>);

impl Age {
    /// Under 16.
    pub fn is_young(self) -> bool {
        self.0.is_some_and(|years| years < ADULT_FROM_YEARS)
    }
}

impl Work {
    /// Reads a case's detail; one that another program wrote reads as far as it goes.
    pub fn of(detail: &serde_json::Value) -> Self {
        serde_json::from_value(detail.clone()).unwrap_or_default()
    }

    /// As the case's detail.
    pub fn detail(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Whether steps 1 to 6 are answered.
    pub fn is_filled_in(&self) -> bool {
        let known = !self.person.is_empty() || self.awaited.is_some();
        !self.channel.is_empty()
            && known
            && self.identity.result == "passed"
            && self.acting_is_settled()
            && self.choice_is_said()
            && self.explained.effects
            && self.explained.options
            && !self.explained.confirm.is_empty()
    }

    /// Step 4: whose choice, on what evidence.
    pub fn acting_is_settled(&self) -> bool {
        use care_record::SetBy;
        let Some(by) = SetBy::from_code(&self.acting.set_by) else {
            return false;
        };
        if !by.is_for_another() {
            return true;
        }
        let capacity = !by.needs_lack_of_capacity() || self.acting.capacity == "lacks";
        !self.acting.name.is_empty() && !self.acting.evidence.is_empty() && capacity
    }

    /// Step 5.
    pub fn choice_is_said(&self) -> bool {
        match self.chosen.what.as_str() {
            "share" | "not-share" => true,
            "private" => {
                self.chosen.emergency
                    || !self.chosen.blocked.is_empty()
                    || !self.chosen.withheld.is_empty()
            }
            _ => false,
        }
    }

    /// Whether a second person must look: somebody acts for the person, something is sealed away, or
    /// the person is young. Source: screens, section 10, step 7.
    pub fn needs_second(&self, age: Age) -> bool {
        let acts = care_record::SetBy::from_code(&self.acting.set_by)
            .is_some_and(care_record::SetBy::is_for_another);
        acts || self.chosen.what == "private" || age.is_young()
    }

    /// How far it has come.
    pub fn stage(&self, age: Age) -> Stage {
        let agreed = self.second.as_ref().is_some_and(|second| second.agreed);
        let waits = self.awaited.is_some() && self.person.is_empty();
        match self.done {
            Some(_) if waits => Stage::Waiting,
            Some(_) if self.arrived == "to-check" => Stage::ToConfirm,
            Some(_) if self.letters.is_empty() => Stage::Letter,
            Some(_) => Stage::Done,
            None if !self.is_filled_in() => Stage::Tasks,
            None if self.needs_second(age) && !agreed => Stage::SecondCheck,
            None => Stage::ToConfirm,
        }
    }

    /// The choice as it will be kept.
    pub fn choice(&self, reference: &str, now: Timestamp) -> Choice {
        let codes = |all: &[String]| {
            all.iter()
                .filter_map(|code| care_core::vocabulary::OdsCode::parse(code).ok())
                .collect()
        };
        let private = self.chosen.what == "private";
        let evidence = match self.acting.evidence.as_str() {
            "" => String::new(),
            seen => format!("{}: {seen}", self.acting.name),
        };
        Choice {
            connect_care: match self.chosen.what.as_str() {
                "share" => ConnectCareChoice::None,
                "private" if self.chosen.emergency => ConnectCareChoice::ObjectedExceptEmergency,
                "private" => ConnectCareChoice::None,
                _ => ConnectCareChoice::Objected,
            },
            blocked_organisations: if private {
                codes(&self.chosen.blocked)
            } else {
                Vec::new()
            },
            withheld_sources: if private {
                codes(&self.chosen.withheld)
            } else {
                Vec::new()
            },
            set_by: self.acting.set_by.clone(),
            channel: self.channel.clone(),
            evidence,
            reference: Some(reference.to_owned()),
            decided_at: now,
            ..Choice::default()
        }
    }

    /// Notes who worked on it.
    pub fn touched_by(&mut self, user: &str) {
        if !self.hands.iter().any(|one| one == user) {
            self.hands.push(user.to_owned());
        }
    }
}

/// The end of the day so many working days after a day.
pub fn due(received: Date, working_days: u16) -> Option<Timestamp> {
    let mut day = received;
    let mut left = working_days;
    while left > 0 {
        day = day.checked_add(1.day()).ok()?;
        if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            left -= 1;
        }
    }
    static LONDON: TimeZone = jiff::tz::get!("Europe/London");
    let end = day.at(17, 0, 0, 0).to_zoned(LONDON.clone()).ok()?;
    Some(end.timestamp())
}

/// The day it is.
pub fn today(now: Timestamp) -> Date {
    local(now).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Work {
        Work {
            channel: "telephone".into(),
            received: "2026-11-23".into(),
            person: "0000000000001".into(),
            identity: IdentityCheck {
                method: "script".into(),
                matched: vec!["name".into(), "born".into(), "postcode".into()],
                result: "passed".into(),
            },
            acting: Acting {
                set_by: "self".into(),
                ..Acting::default()
            },
            chosen: Chosen {
                what: "share".into(),
                ..Chosen::default()
            },
            explained: Explained {
                effects: true,
                options: true,
                confirm: "letter".into(),
                format: "standard".into(),
                ..Explained::default()
            },
            ..Work::default()
        }
    }

    #[test]
    fn a_case_goes_from_stage_to_stage_and_a_second_person_looks_where_one_must() {
        let adult = Age(Some(67));
        let mut work = filled();
        assert_eq!(work.stage(adult), Stage::ToConfirm);
        assert_eq!(work.stage(Age(Some(9))), Stage::SecondCheck);
        assert_eq!(work.stage(Age(None)), Stage::ToConfirm);
        work.chosen.what = "private".into();
        assert_eq!(work.stage(adult), Stage::Tasks, "nothing is named");
        work.chosen.blocked = vec!["X9T01".into()];
        assert_eq!(work.stage(adult), Stage::SecondCheck);
        work.chosen.what = "not-share".into();
        work.acting = Acting {
            set_by: "lpa_health_welfare".into(),
            name: "Rose Whitlock".into(),
            evidence: "registered power seen".into(),
            ..Acting::default()
        };
        assert_eq!(work.stage(adult), Stage::Tasks, "capacity is not said");
        work.acting.capacity = "lacks".into();
        assert_eq!(work.stage(adult), Stage::SecondCheck);
        work.second = Some(SecondCheck {
            agreed: true,
            ..SecondCheck::default()
        });
        assert_eq!(work.stage(adult), Stage::ToConfirm);
        work.done = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(work.stage(adult), Stage::Letter);
        work.letters.push(SentLetter::default());
        assert_eq!(work.stage(adult), Stage::Done);
        assert_eq!(Work::of(&work.detail()), work);
    }

    #[test]
    fn a_case_whose_identity_check_failed_cannot_be_confirmed() {
        for result in ["failed", "more", ""] {
            let mut work = filled();
            work.identity.result = result.into();
            assert_eq!(work.stage(Age(Some(40))), Stage::Tasks, "{result}");
        }
    }

    #[test]
    fn working_days_leave_out_weekends() {
        for (from, days, expected) in [
            ("2026-11-23", 10, "2026-12-07T17:00:00Z"),
            ("2026-11-27", 1, "2026-11-30T17:00:00Z"),
            ("2026-07-03", 1, "2026-07-06T16:00:00Z"),
        ] {
            let from: Date = from.parse().expect("a day");
            assert_eq!(due(from, days).expect("a time").to_string(), expected);
        }
    }
}
