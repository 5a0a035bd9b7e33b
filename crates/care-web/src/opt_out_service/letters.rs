//! The letters of the service, as data of the letter template: the choice was set or changed, we could
//! not identify you, we cannot act on this.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::config::ServiceConfig;
use super::register::Registered;

/// The two purposes, as the leaflet names them.
pub const PURPOSES: [&str; 2] = [
    "providing local services and running the NHS and social care",
    "supporting research and improving treatment and care",
];

/// The time zone people live in.
pub fn london() -> TimeZone {
    TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC)
}

/// "3 November 2026".
pub fn day_in_words(at: Timestamp) -> String {
    at.to_zoned(london()).strftime("%-d %B %Y").to_string()
}

fn letter(
    config: &ServiceConfig,
    title: &str,
    to: (&str, Vec<String>),
    reference: &str,
    at: Timestamp,
    large_print: bool,
    body: Value,
) -> Value {
    json!({
        "title": title, "language": "en", "large_print": large_print,
        "sender": { "name": config.name, "address": config.address, "phone": config.phone, "hours": config.hours },
        "recipient": to.1, "reference": reference, "date": day_in_words(at),
        "greeting": format!("Dear {}", to.0), "body": body,
        "closing": "Yours sincerely", "signed": [config.name],
    })
}

/// The choice was set or changed.
pub fn confirmation(
    config: &ServiceConfig,
    person: &Registered,
    opted_out: bool,
    reference: &str,
    at: Timestamp,
    large_print: bool,
) -> Value {
    let said = if opted_out {
        "You have chosen that confidential information about you is not used for:"
    } else {
        "You have chosen that confidential information about you may be used for:"
    };
    let follows = if opted_out {
        "It holds from the date of this letter for everything that is sent out from now on. Organisations must apply it within 21 days. What was sent out before is not called back."
    } else {
        "It holds from the date of this letter. You can opt out again at any time."
    };
    letter(
        config,
        "Your national data opt-out choice",
        (&person.name(), person.lines()),
        reference,
        at,
        large_print,
        json!([
            said,
            { "list": PURPOSES },
            "This is one choice for both.",
            follows,
            { "heading": "What does not change" },
            "Your own care does not change. Staff who care for you can see what they could see before. This is not the choice about Connect Care: if you do not want staff to see your joined-up record there, you must tell Connect Care.",
            "The choice does not apply where the law says that information must be given, or where there is an overriding public interest, such as a dangerous infectious disease.",
            { "heading": "If this is not what you chose" },
            format!("Phone us on {} and give the reference above. You can change your mind at any time.", config.phone),
        ]),
    )
}

/// We could not identify the caller or the writer: nothing about the register is said.
pub fn not_identified(
    config: &ServiceConfig,
    to: Vec<String>,
    reference: &str,
    at: Timestamp,
) -> Value {
    letter(
        config,
        "We could not act on your request",
        ("Sir or Madam", to),
        reference,
        at,
        false,
        json!([
            "You asked us to set a national data opt-out choice. What you told us was not enough for us to be sure who you are, so nothing was changed.",
            format!(
                "Phone us on {}, {}, and give the reference above.",
                config.phone, config.hours
            ),
        ]),
    )
}

/// The choice cannot be set in this way, and why.
pub fn cannot_act(
    config: &ServiceConfig,
    person: &Registered,
    why: &str,
    reference: &str,
    at: Timestamp,
) -> Value {
    letter(
        config,
        "We could not act on a request about you",
        (&person.name(), person.lines()),
        reference,
        at,
        false,
        json!([
            "We were asked to set a national data opt-out choice for you. Nothing was changed.",
            why,
            format!(
                "If you want to talk about it, phone us on {}, {}, and give the reference above.",
                config.phone, config.hours
            ),
        ]),
    )
}
