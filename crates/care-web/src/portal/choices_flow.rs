//! The questions of a choice, in their order, and what the answers come to.

use care_core::vocabulary::OdsCode;
use care_record::{Choice, ChoiceStatus, ConnectCareChoice, OwnRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::drafts::Draft;

/// From this age on the young person is asked whether they agree.
const ASK_THE_YOUNG_FROM_YEARS: u32 = 13;
/// From this age on a young person is presumed to decide alone.
const DECIDES_FROM_YEARS: u32 = 16;

/// A question with answers to choose from.
#[derive(Serialize)]
pub(super) struct Question {
    pub step: &'static str,
    pub title: &'static str,
    pub hint: &'static str,
    pub options: &'static [(&'static str, &'static str)],
    pub error: &'static str,
    pub back: &'static str,
}

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        step: "who",
        title: "Who is this choice for?",
        hint: "",
        options: &[
            ("me", "Me"),
            ("child", "My child"),
            ("act-for", "Someone I act for"),
        ],
        error: "Say who this choice is for",
        back: "/choices/connect-care",
    },
    Question {
        step: "young",
        title: "Does the young person agree?",
        hint: "From 13 we ask young people themselves, because it is their record.",
        options: &[
            ("yes", "Yes, they agree"),
            ("no", "No, or I have not asked"),
        ],
        error: "Say if the young person agrees",
        back: "/me/choices/who",
    },
    Question {
        step: "what",
        title: "What do you want to choose?",
        hint: "You can change your mind at any time.",
        options: &[
            ("share", "Share my record with staff who care for me"),
            ("not-share", "Do not share my record"),
            ("private", "Keep some of my record private"),
        ],
        error: "Say what you want to choose",
        back: "/me/choices/who",
    },
    Question {
        step: "talk",
        title: "Do you want to talk to someone first?",
        hint: "You do not have to. You do not need to give a reason.",
        options: &[("no", "No"), ("yes", "Yes, call me")],
        error: "Say if you want to talk to someone first",
        back: "/me/choices/what",
    },
];

pub(super) const CONFIRM: &[(&str, &str)] = &[
    ("letter", "Letter"),
    ("email", "Email"),
    ("text", "Text message"),
];
pub(super) const FORMATS: &[(&str, &str)] = &[
    ("standard", "Standard"),
    ("large-print", "Large print"),
    ("easy-read", "Easy Read"),
    ("braille", "Braille"),
    ("audio", "Audio"),
    ("bsl", "British Sign Language (BSL) video"),
];

/// The words of an option.
pub(super) fn words(options: &[(&'static str, &'static str)], code: &str) -> Option<&'static str> {
    options
        .iter()
        .find(|(option, _)| *option == code)
        .map(|(_, words)| *words)
}

/// What a question was answered with.
pub(super) fn answered<'d>(draft: &'d Draft, step: &str) -> &'d str {
    match step {
        "who" => &draft.who,
        "young" => &draft.young,
        "what" => &draft.what,
        _ => &draft.talk,
    }
}

/// Whether the young person is asked.
pub(super) fn asks_the_young(record: &OwnRecord) -> bool {
    record.acting_for
        && record
            .age_years
            .is_some_and(|age| (ASK_THE_YOUNG_FROM_YEARS..DECIDES_FROM_YEARS).contains(&age))
}

/// Where somebody with these answers goes next.
pub(super) fn next(draft: &Draft, record: &OwnRecord) -> &'static str {
    let for_this_record = match draft.who.as_str() {
        "" => return "/me/choices/who",
        "me" => !record.acting_for,
        // Whose record it is was said, and shown to be right, on logging in.
        "child" | "act-for" => record.acting_for && record.rights.change_choices,
        _ => false,
    };
    let young = asks_the_young(record);
    match () {
        () if !for_this_record => "/me/choices/call",
        () if young && draft.young.is_empty() => "/me/choices/young",
        () if young && draft.young != "yes" => "/me/choices/call",
        () if draft.what.is_empty() => "/me/choices/what",
        () if draft.what == "private" && !draft.keeps_something() => "/me/choices/private",
        () if draft.talk.is_empty() => "/me/choices/talk",
        () if draft.talk == "yes" => "/me/choices/call",
        () if draft.confirm.is_empty() => "/me/choices/confirm",
        () => "/me/choices/check",
    }
}

/// What a page of the flow was answered with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub answer: String,
    pub confirm: String,
    pub format: String,
    pub language: String,
    pub emergency: String,
    /// Codes of organisations, each with what is asked of it: see [`codes`].
    #[serde(skip)]
    pub named: Vec<(String, String)>,
}

/// Takes an answer; false when it is none of those offered.
pub(super) fn take(draft: &mut Draft, step: &str, answer: &Answer, known: &[OdsCode]) -> bool {
    if step == "confirm" {
        let known =
            words(CONFIRM, &answer.confirm).is_some() && words(FORMATS, &answer.format).is_some();
        if known {
            draft.confirm.clone_from(&answer.confirm);
            draft.format.clone_from(&answer.format);
            draft.language = answer.language.trim().chars().take(60).collect();
        }
        return known;
    }
    if step == "private" {
        return take_private(draft, answer, known);
    }
    let offered = QUESTIONS
        .iter()
        .find(|one| one.step == step)
        .is_some_and(|one| words(one.options, &answer.answer).is_some());
    if offered {
        let field = match step {
            "who" => &mut draft.who,
            "young" => &mut draft.young,
            "what" => &mut draft.what,
            _ => &mut draft.talk,
        };
        field.clone_from(&answer.answer);
        if step == "what" && answer.answer != "private" {
            draft.emergency = false;
            draft.blocked.clear();
            draft.withheld.clear();
        }
    }
    offered
}

/// What is kept private. An organisation that does not take part is none of those offered.
fn take_private(draft: &mut Draft, answer: &Answer, known: &[OdsCode]) -> bool {
    let codes = |name: &str| -> Option<Vec<String>> {
        answer
            .named
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, code)| {
                let found = known.iter().find(|one| one.as_str() == code)?;
                Some(found.to_string())
            })
            .collect()
    };
    let (Some(blocked), Some(withheld)) = (codes("blocked"), codes("withheld")) else {
        return false;
    };
    draft.emergency = answer.emergency == "yes";
    draft.blocked = blocked;
    draft.withheld = withheld;
    draft.keeps_something()
}

/// "Letter, large print, in Turkish".
pub(super) fn confirmation(draft: &Draft) -> String {
    let by = words(CONFIRM, &draft.confirm).unwrap_or_default();
    let format = words(FORMATS, &draft.format)
        .unwrap_or_default()
        .to_lowercase();
    match draft.language.as_str() {
        "" => format!("{by}, {format}"),
        language => format!("{by}, {format}, in {language}"),
    }
}

/// The choice as it will be kept. Sharing again takes back everything the person kept private;
/// what practices and councils were told stays until it is taken back there.
pub(super) fn decided(draft: &Draft, set_by: &str, evidence: &str, now: Timestamp) -> Choice {
    let codes = |all: &[String]| {
        all.iter()
            .filter_map(|code| OdsCode::parse(code).ok())
            .collect()
    };
    Choice {
        connect_care: match draft.what.as_str() {
            "share" => ConnectCareChoice::None,
            "private" if draft.emergency => ConnectCareChoice::ObjectedExceptEmergency,
            "private" => ConnectCareChoice::None,
            _ => ConnectCareChoice::Objected,
        },
        status: ChoiceStatus::Decided,
        blocked_organisations: codes(&draft.blocked),
        withheld_sources: codes(&draft.withheld),
        set_by: set_by.to_owned(),
        evidence: evidence.to_owned(),
        channel: "online".to_owned(),
        decided_at: now,
        ..Choice::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(what: &str) -> Draft {
        Draft {
            what: what.to_owned(),
            ..Draft::default()
        }
    }

    #[test]
    fn the_answers_come_to_the_choice_that_was_meant() {
        let mut private = draft("private");
        private.blocked = vec!["X9T01".to_owned()];
        let mut urgent = draft("private");
        urgent.emergency = true;
        use ConnectCareChoice::{None, Objected, ObjectedExceptEmergency};
        for (answers, connect_care, blocked) in [
            (draft("share"), None, 0),
            (draft("not-share"), Objected, 0),
            (private, None, 1),
            (urgent, ObjectedExceptEmergency, 0),
        ] {
            let choice = decided(&answers, "self", "", Timestamp::UNIX_EPOCH);
            assert_eq!(choice.connect_care, connect_care);
            assert_eq!(choice.blocked_organisations.len(), blocked);
        }
    }

    #[test]
    fn an_organisation_that_is_not_offered_is_no_answer() {
        let known = [OdsCode::parse("X9T01").expect("a code")];
        for (code, fine) in [("X9T01", true), ("X9Q99", false), ("", false)] {
            let answer = Answer {
                named: vec![("blocked".to_owned(), code.to_owned())],
                ..Answer::default()
            };
            let mut one = draft("private");
            assert_eq!(take(&mut one, "private", &answer, &known), fine, "{code}");
            assert_eq!(one.keeps_something(), fine);
        }
        let nothing = Answer::default();
        assert!(!take(&mut draft("private"), "private", &nothing, &known));
    }
}
