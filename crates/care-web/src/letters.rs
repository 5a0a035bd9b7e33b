//! Letters about choices: wording from the content file, facts from the record, set as PDF in standard
//! and large print. Knows no store: what a letter says is handed in.
//!
//! Source: screens, section 10 (letters: phone, post and BSL relay on each; large print 16 point or more).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use care_core::sections::{local, long_date};
use care_core::vocabulary::OdsCode;
use care_record::{Channel, Choice, ChoiceStatus, ConnectCareChoice, Directory, SetBy};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::documents::{self, DocumentError};
use crate::problem::Problem;
use crate::public::Content;

/// The file the program carries.
const SHIPPED: &str = include_str!("../content/letters.toml");

/// Which letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// A choice was made.
    Made,
    /// It was changed back.
    Back,
    /// We cannot tell whose record it is.
    CannotIdentify,
    /// We need to see more.
    MoreEvidence,
    /// We cannot act on it.
    CannotAct,
}

impl Letter {
    /// Every letter, in the order of the case page.
    pub const ALL: [Self; 5] = [
        Self::Made,
        Self::Back,
        Self::CannotIdentify,
        Self::MoreEvidence,
        Self::CannotAct,
    ];

    /// The code in addresses and in the content file.
    pub fn code(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Back => "back",
            Self::CannotIdentify => "cannot-identify",
            Self::MoreEvidence => "more-evidence",
            Self::CannotAct => "cannot-act",
        }
    }

    /// What staff call it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Made => "Choice made",
            Self::Back => "Choice changed back",
            Self::CannotIdentify => "Cannot identify you",
            Self::MoreEvidence => "More evidence needed",
            Self::CannotAct => "Cannot act on this",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }

    /// The letter that confirms a choice.
    pub fn confirming(choice: &Choice) -> Self {
        if choice.restricts() {
            Self::Made
        } else {
            Self::Back
        }
    }
}

/// What a letter says of this case.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The lines of the address, name first.
    pub recipient: Vec<String>,
    /// Whom it is addressed to: "Jane Smith".
    pub name: String,
    /// Whom it is about, where somebody acts for them.
    pub subject: Option<String>,
    /// The reference.
    pub reference: String,
    /// The day it is written.
    pub date: Timestamp,
    /// The choice it confirms.
    pub choice: Option<Choice>,
    /// What must be sent.
    pub missing: Vec<String>,
    /// Why it cannot be acted on.
    pub reason: String,
    /// Who signs.
    pub signed: String,
    /// 18 point.
    pub large_print: bool,
}

#[derive(Deserialize)]
struct Wording {
    title: String,
    body: Vec<toml::Value>,
}

static WORDING: LazyLock<BTreeMap<String, Wording>> =
    LazyLock::new(|| toml::from_str(SHIPPED).unwrap_or_default());

/// A moment as the public reads it: `2 October 2026 at 2:05pm`.
pub fn moment(at: Timestamp) -> String {
    let time = local(at).time();
    let half = if time.hour() < 12 { "am" } else { "pm" };
    let hour = match time.hour() % 12 {
        0 => 12,
        other => other,
    };
    let day = long_date(local(at).date());
    format!("{day} at {hour}:{:02}{half}", time.minute())
}

/// The choice in the words of the pages, with how far it has come.
pub fn in_words(choice: &Choice) -> String {
    let kept_back = !choice.blocked_organisations.is_empty()
        || !choice.withheld_sources.is_empty()
        || choice.gp_dissent;
    let mut words = match choice.connect_care {
        ConnectCareChoice::Objected => "Do not share my record",
        ConnectCareChoice::ObjectedExceptEmergency => {
            "Do not share my record, except in an emergency"
        }
        ConnectCareChoice::None if kept_back => "Keep some of my record private",
        ConnectCareChoice::None => "Share my record with staff who care for me",
    }
    .to_owned();
    if choice.connect_care != ConnectCareChoice::None {
        match (choice.status, &choice.not_upheld) {
            (ChoiceStatus::Pending, _) => {
                words.push_str(". We are still looking at it, and until then it holds");
            }
            (ChoiceStatus::NotUpheld, Some(why)) => {
                words.push_str(&format!(
                    ". We could not agree to this ({}): {}",
                    why.by, why.reason
                ));
            }
            (ChoiceStatus::NotUpheld, None) => words.push_str(". We could not agree to this"),
            (ChoiceStatus::Decided, _) => {}
        }
    }
    words
}

/// What an organisation is called.
pub fn name_of(directory: &Directory, code: &OdsCode) -> String {
    directory
        .organisation(code)
        .map_or_else(|| code.to_string(), |found| found.name.clone())
}

/// What was chosen, as rows of label and words.
pub fn facts(choice: &Choice, directory: &Directory) -> Vec<(&'static str, String)> {
    let names = |codes: &[OdsCode]| {
        let names: Vec<String> = codes.iter().map(|code| name_of(directory, code)).collect();
        names.join("; ")
    };
    let mut rows = vec![
        ("Choice", in_words(choice)),
        ("From", moment(choice.decided_at)),
    ];
    if let Some(by) = SetBy::from_code(&choice.set_by).filter(|by| by.is_for_another()) {
        rows.push(("Who chose", by.words().to_owned()));
    }
    if let Some(channel) = Channel::from_code(&choice.channel) {
        rows.push(("How it reached us", channel.words().to_owned()));
    }
    if !choice.blocked_organisations.is_empty() {
        rows.push(("May not look", names(&choice.blocked_organisations)));
    }
    if !choice.withheld_sources.is_empty() {
        rows.push(("Not shown elsewhere", names(&choice.withheld_sources)));
    }
    if choice.gp_dissent {
        rows.push((
            "Not shown elsewhere",
            "What your GP practice holds".to_owned(),
        ));
    }
    rows
}

/// The letter as PDF.
pub fn pdf(
    letter: Letter,
    told: &Told,
    content: &Content,
    directory: &Directory,
) -> Result<Vec<u8>, DocumentError> {
    documents::pdf("letter.typ", &data(letter, told, content, directory))
}

/// A PDF to look at or to keep. A sheet of its own: nothing in it may run or load anything.
pub fn served(bytes: Vec<u8>, name: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("inline; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'"
                .to_owned(),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// A letter that could not be made, as a page.
pub fn unmade(why: DocumentError) -> Problem {
    Problem::unavailable(why)
}

fn data(letter: Letter, told: &Told, content: &Content, directory: &Directory) -> Value {
    let contact = &content.contact;
    // The letter names the team above its address.
    let address: Vec<&String> = contact
        .address
        .iter()
        .filter(|line| **line != contact.team)
        .collect();
    let wording = WORDING.get(letter.code());
    let title = wording.map_or("", |one| one.title.as_str());
    let blocks = wording.map_or(&[][..], |one| one.body.as_slice());
    let fill = |text: &str| filled(text, told, content);
    let body: Vec<Value> = blocks
        .iter()
        .map(|block| self::block(block, told, directory, &fill))
        .collect();
    json!({
        "title": title,
        "large_print": told.large_print,
        "foot": format!("{}, reference {}", content.name, told.reference),
        "sender": {
            "name": contact.team,
            "address": address,
            "phone": contact.phone,
            "hours": contact.hours,
            "relay": contact.relay,
            "bsl": "Use a video relay service and ask for our phone number",
            "email": contact.email,
        },
        "recipient": told.recipient,
        "reference": told.reference,
        "date": long_date(local(told.date).date()),
        "greeting": format!("Dear {}", told.name),
        "body": body,
        "signed": if told.signed.is_empty() {
            vec![contact.team.clone()]
        } else {
            vec![told.signed.clone(), contact.team.clone()]
        },
    })
}

fn block(
    block: &toml::Value,
    told: &Told,
    directory: &Directory,
    fill: &impl Fn(&str) -> String,
) -> Value {
    match block {
        toml::Value::String(text) if text == "{facts}" => {
            let rows = told.choice.as_ref().map(|choice| facts(choice, directory));
            let mut rows = rows.unwrap_or_default();
            if let Some(subject) = &told.subject {
                rows.insert(0, ("About", subject.clone()));
            }
            json!({ "facts": rows })
        }
        toml::Value::String(text) if text == "{missing}" => json!({ "list": told.missing }),
        toml::Value::String(text) => json!(fill(text)),
        toml::Value::Table(table) => {
            let heading = table.get("heading").and_then(toml::Value::as_str);
            let list = table.get("list").and_then(toml::Value::as_array);
            match (heading, list) {
                (Some(heading), _) => json!({ "heading": fill(heading) }),
                (None, Some(list)) => {
                    let lines = list.iter().filter_map(toml::Value::as_str).map(fill);
                    json!({ "list": lines.collect::<Vec<_>>() })
                }
                (None, None) => json!(""),
            }
        }
        _ => json!(""),
    }
}

/// Puts what is known in place of the words in braces.
fn filled(text: &str, told: &Told, content: &Content) -> String {
    let days = content.contact.reply_days.to_string();
    let subject = told.subject.clone().unwrap_or_else(|| told.name.clone());
    let known = [
        ("{name}", told.name.as_str()),
        ("{subject}", &subject),
        ("{reference}", &told.reference),
        ("{reason}", &told.reason),
        ("{phone}", &content.contact.phone),
        ("{days}", &days),
        ("{regulator}", &content.regulator.name),
        ("{regulator_phone}", &content.regulator.phone),
    ];
    // One pass, so that nothing a person wrote is taken for a word in braces.
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match known.iter().find(|(mark, _)| from.starts_with(mark)) {
            Some((mark, value)) => {
                out.push_str(value);
                rest = from.strip_prefix(mark).unwrap_or_default();
            }
            None => {
                out.push('{');
                rest = from.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(large_print: bool) -> Told {
        Told {
            recipient: vec![
                "Maya Patel".into(),
                "1 Sample Street".into(),
                "SE99 2BB".into(),
            ],
            name: "Maya Patel".into(),
            subject: None,
            reference: "CC-7F3K-9Q2X".into(),
            date: "2026-11-23T14:05:00Z".parse().expect("a time"),
            choice: Some(Choice {
                connect_care: ConnectCareChoice::Objected,
                set_by: "self".into(),
                channel: "telephone".into(),
                decided_at: "2026-11-23T14:05:00Z".parse().expect("a time"),
                ..Choice::default()
            }),
            missing: vec!["A registered lasting power of attorney {reference}".into()],
            reason: "The person may decide alone, and does not agree.".into(),
            signed: "Sunil Ramdin".into(),
            large_print,
        }
    }

    #[test]
    fn the_content_file_holds_every_letter_and_every_letter_can_be_set() {
        let content = Content::open(None).expect("content");
        assert!(!WORDING.is_empty(), "letters.toml cannot be read");
        for letter in Letter::ALL {
            assert!(WORDING.contains_key(letter.code()), "{}", letter.code());
            for large_print in [false, true] {
                let told = told(large_print);
                let directory = Directory::default();
                let words = data(letter, &told, &content, &directory).to_string();
                assert!(words.contains("CC-7F3K-9Q2X") && words.contains("020 7946 0180"));
                let left: Vec<&str> = words.matches("{phone}").collect();
                assert!(left.is_empty(), "{words}");
                let bytes = pdf(letter, &told, &content, &directory).expect("a letter");
                crate::documents::tests::keep(
                    &format!("choice-{}-{large_print}", letter.code()),
                    &bytes,
                );
                assert!(bytes.starts_with(b"%PDF-1."));
            }
        }
    }

    #[test]
    fn what_a_person_wrote_is_never_filled_in_twice() {
        let content = Content::open(None).expect("content");
        let mut told = told(false);
        told.name = "{phone}".into();
        assert_eq!(filled("Dear {name} {x", &told, &content), "Dear {phone} {x");
    }

    #[test]
    fn a_choice_is_told_in_the_words_of_the_pages() {
        let of = |connect_care, status| Choice {
            connect_care,
            status,
            ..Choice::default()
        };
        use ChoiceStatus::{Decided, NotUpheld, Pending};
        use ConnectCareChoice::{None, Objected, ObjectedExceptEmergency};
        for (choice, words) in [
            (
                of(None, Decided),
                "Share my record with staff who care for me",
            ),
            (of(Objected, Decided), "Do not share my record"),
            (
                of(ObjectedExceptEmergency, Decided),
                "Do not share my record, except in an emergency",
            ),
            (
                of(Objected, Pending),
                "Do not share my record. We are still looking at it, and until then it holds",
            ),
            (
                of(Objected, NotUpheld),
                "Do not share my record. We could not agree to this",
            ),
        ] {
            assert_eq!(in_words(&choice), words);
            let letter = Letter::confirming(&choice);
            let restricts = choice.restricts();
            assert_eq!(letter == Letter::Made, restricts);
        }
    }
}
