//! M7 requests with their state, and how a person wants to hear from us.

use axum::Form;
use axum::extract::{Query, State};
use axum::response::Response;
use care_record::{MessageState, OwnLetters, OwnSettings};
use serde::{Deserialize, Serialize};

use super::{Oneself, ask, day, draw, moment, own_record};
use crate::components::{Head, see_other, shown};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Formats of letters: code and words.
pub(super) const FORMATS: &[(&str, &str)] = &[
    ("standard", "Standard"),
    ("large-print", "Large print"),
    ("easy-read", "Easy Read"),
    ("braille", "Braille"),
    ("audio", "Audio"),
    ("bsl", "British Sign Language (BSL) video"),
];
const CONTACTS: &[(&str, &str)] = &[
    ("letter", "Letter"),
    ("email", "Email"),
    ("text", "Text message"),
];

/// A request, in words.
#[derive(Serialize)]
pub(super) struct Request {
    pub reference: String,
    pub about: &'static str,
    pub asked: String,
    pub state: String,
    pub open: bool,
    pub entry: Option<u64>,
}

/// A message, in words.
#[derive(Serialize)]
pub(super) struct Told {
    when: String,
    text: String,
    sent: &'static str,
}

/// What the person asked and was told.
pub(super) async fn letters(state: &Shared, session: &Session) -> Result<OwnLetters, Problem> {
    let caller = session.caller();
    Ok(ask(state, move |door| door.own_letters(&caller))
        .await?
        .into_inner())
}

pub(super) fn requests(letters: &OwnLetters) -> Vec<Request> {
    let words = |one: &care_record::OwnRequest| match (one.closed_at, one.due_at) {
        (Some(at), _) => format!("Closed on {}", day(at)),
        (None, due) => {
            let hand = if one.in_hand {
                "Somebody is working on it"
            } else {
                "We have it"
            };
            due.map_or_else(
                || format!("{hand}."),
                |due| format!("{hand}. We answer by {}.", day(due)),
            )
        }
    };
    letters
        .requests
        .iter()
        .map(|one| Request {
            reference: one.reference.clone(),
            about: one.about,
            asked: day(one.asked_at),
            state: words(one),
            open: one.closed_at.is_none(),
            entry: one.entry,
        })
        .collect()
}

pub(super) fn messages(letters: &OwnLetters) -> Vec<Told> {
    letters
        .messages
        .iter()
        .map(|one| Told {
            when: moment(one.at),
            text: one.text.clone(),
            sent: match one.state {
                MessageState::Shown => "",
                MessageState::Waiting => "It is being sent to you.",
                MessageState::Sent => "It was sent to you.",
                MessageState::GivenUp => "We could not send it to you. Check your settings.",
            },
        })
        .collect()
}

/// `GET /me/requests`.
pub(super) async fn list(
    State(state): State<Shared>,
    Oneself(session): Oneself,
) -> Result<Response, Problem> {
    let record = own_record(&state, &session, "requests").await?;
    let letters = letters(&state, &session).await?;
    let (requests, messages) = (requests(&letters), messages(&letters));
    let head = Head::new("Requests and settings", "me-requests");
    let shown = shown! {
        requests, messages, settings => in_words(&letters.settings),
    };
    draw(&state, &session, &record, "me-requests.html", &head, shown)
}

fn words(list: &[(&'static str, &'static str)], code: &str) -> &'static str {
    list.iter()
        .find(|(one, _)| *one == code)
        .map_or("", |(_, words)| words)
}

fn in_words(settings: &OwnSettings) -> Vec<(&'static str, String)> {
    let language = if settings.language.is_empty() {
        "English"
    } else {
        &settings.language
    };
    let contact = words(CONTACTS, &settings.contact);
    let contact = match settings.address.as_str() {
        "" => contact.to_owned(),
        address => format!("{contact}, {address}"),
    };
    let notices = if settings.emergency_notices {
        "Tell me each time"
    } else {
        "Only on this site"
    };
    vec![
        ("Format", words(FORMATS, &settings.format).to_owned()),
        ("Language", language.to_owned()),
        ("How we contact you", contact),
        ("When someone uses emergency access", notices.to_owned()),
    ]
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Reached {
    saved: String,
}

/// `GET /me/settings`.
pub(super) async fn settings(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Query(reached): Query<Reached>,
) -> Result<Response, Problem> {
    let letters = letters(&state, &session).await?;
    let saved = !reached.saved.is_empty();
    show(&state, &session, &letters.settings, "", saved).await
}

async fn show(
    state: &Shared,
    session: &Session,
    settings: &OwnSettings,
    error: &str,
    saved: bool,
) -> Result<Response, Problem> {
    let record = own_record(state, session, "settings").await?;
    let head = Head::new("Your settings", "me-requests").with_error(!error.is_empty());
    let shown = shown! {
        settings, error, saved, formats => FORMATS, contacts => CONTACTS,
        sends => state.config.portal.notices.any(),
    };
    draw(state, session, &record, "me-settings.html", &head, shown)
}

/// What was sent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    format: String,
    language: String,
    contact: String,
    address: String,
    notices: String,
}

/// `POST /me/settings`.
pub(super) async fn keep(
    State(state): State<Shared>,
    Oneself(session): Oneself,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    let settings = OwnSettings {
        format: sent.format,
        language: sent.language.trim().chars().take(60).collect(),
        contact: sent.contact,
        address: sent.address.trim().chars().take(200).collect(),
        emergency_notices: !sent.notices.is_empty(),
    };
    if let Some(error) = fault(&settings) {
        return show(&state, &session, &settings, error, false).await;
    }
    let caller = session.caller();
    ask(&state, move |door| {
        door.set_own_settings(&caller, &settings)
    })
    .await?;
    Ok(see_other("/me/settings?saved=1"))
}

/// What is wrong with settings, in words.
fn fault(settings: &OwnSettings) -> Option<&'static str> {
    let digits = settings
        .address
        .chars()
        .filter(char::is_ascii_digit)
        .count();
    let plain = !settings.address.chars().any(char::is_control);
    match settings.contact.as_str() {
        _ if words(FORMATS, &settings.format).is_empty() => Some("Choose a format"),
        _ if !plain => Some("Enter the address on one line"),
        "email" if !is_email(&settings.address) => {
            Some("Enter an email address, like name@example.com")
        }
        "text" if !(10..=13).contains(&digits) => {
            Some("Enter a UK mobile phone number, like 07700 900 982")
        }
        "letter" if settings.emergency_notices => {
            Some("To be told each time, choose email or text message")
        }
        "letter" | "email" | "text" => None,
        _ => Some("Choose how we contact you"),
    }
}

fn is_email(text: &str) -> bool {
    let mut parts = text.split('@');
    let (name, host, rest) = (parts.next(), parts.next(), parts.next());
    let fine = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && !part.contains(char::is_whitespace))
    };
    fine(name) && fine(host) && host.is_some_and(|host| host.contains('.')) && rest.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_reach_nobody_are_refused() {
        let settings = |contact: &str, address: &str, notices| OwnSettings {
            contact: contact.to_owned(),
            address: address.to_owned(),
            emergency_notices: notices,
            ..OwnSettings::default()
        };
        for (contact, address, notices, fine) in [
            ("letter", "", false, true),
            ("letter", "", true, false),
            ("email", "maya@example.org", true, true),
            ("email", "maya", true, false),
            ("email", "a@b@c.org", true, false),
            ("email", "maya@example.org\nBcc: x@example.org", true, false),
            ("text", "07700 900 982", true, true),
            ("text", "123", true, false),
            ("pigeon", "", false, false),
        ] {
            let answer = fault(&settings(contact, address, notices));
            assert_eq!(answer.is_none(), fine, "{contact} {address}: {answer:?}");
        }
    }
}
