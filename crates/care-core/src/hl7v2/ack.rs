//! The answer to a message. Never holds anything of the message but its header.
//! Source: HL7 v2.8.2 sections 2.9 and 2.14 (MSA, ERR); ERR of 2.4 and before from chapter 2 there.

use jiff::Timestamp;

use super::header::Charset;
use super::{Header, Issue, escape};

/// What the answer says (MSA-1, HL7 table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// AA: kept and understood.
    Accept,
    /// AE: something in it must be mended before it can be used.
    Error,
    /// AR: cannot be used here, whatever is mended in its content; or we could not keep it.
    Reject,
    /// CA: commit accept.
    CommitAccept,
    /// CE: commit error.
    CommitError,
    /// CR: commit reject.
    CommitReject,
}

impl AckCode {
    /// The two letters.
    pub fn code(self) -> &'static str {
        match self {
            Self::Accept => "AA",
            Self::Error => "AE",
            Self::Reject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }
}

/// Builds the answer: MSH with sender and receiver swapped, MSA, and an ERR for each issue in the
/// shape of the version the sender declared (ERR-2 to ERR-8 from 2.5 on, ERR-1 before).
///
/// `control_id` is the answer's own (MSH-10), `now` its time, written to the second in UTC. Line ends
/// are CR. The bytes are in the character set that the sender declared. One answer is given, after
/// the message is durable; a sender in enhanced mode may be answered with the C codes instead.
pub fn ack(
    header: &Header,
    code: AckCode,
    issues: &[Issue],
    control_id: &str,
    now: Timestamp,
) -> Vec<u8> {
    let separators = header.separators;
    let bar = char::from(separators.field);
    let mut out = String::with_capacity(256 + issues.len() * 256);
    let escaped = |text: &str, out: &mut String| escape::encode(text, separators, out);
    let version = if header.version.is_empty() {
        "2.4"
    } else {
        &header.version
    };

    out.push_str("MSH");
    out.push(bar);
    out.push_str(&separators.encoding_characters());
    for field in [
        &header.receiving_application,
        &header.receiving_facility,
        &header.sending_application,
        &header.sending_facility,
    ] {
        out.push(bar);
        out.push_str(field);
    }
    out.push(bar);
    out.push_str(&now.strftime("%Y%m%d%H%M%S+0000").to_string());
    out.push(bar);
    out.push(bar);
    out.push_str(&message_type(header, version));
    out.push(bar);
    escaped(control_id, &mut out);
    out.push(bar);
    out.push_str(if header.processing_id.is_empty() {
        "P"
    } else {
        &header.processing_id
    });
    out.push(bar);
    out.push_str(version);
    if !header.character_set.is_empty() {
        (0..6).for_each(|_| out.push(bar));
        out.push_str(&header.character_set);
    }
    out.push_str("\rMSA");
    out.push(bar);
    out.push_str(code.code());
    out.push(bar);
    out.push_str(&header.control_id);
    let is_early = is_before_2_5(version);
    if let Some(first) = issues.first() {
        out.push(bar);
        escaped(&format!("{}: {}", first.location, first.text), &mut out);
    }
    out.push('\r');
    for issue in issues.iter().take(MAX_ERRORS) {
        if is_early {
            push_early_error(issue, header, &mut out);
        } else {
            push_error(issue, header, &mut out);
        }
    }
    if Charset::declared(out.as_bytes(), separators.field) == Charset::Latin1 {
        encoding_rs::WINDOWS_1252.encode(&out).0.into_owned()
    } else {
        out.into_bytes()
    }
}

/// An answer lists this many issues at most; the rest are on our worklist.
const MAX_ERRORS: usize = 20;

fn message_type(header: &Header, version: &str) -> String {
    let caret = char::from(header.separators.component);
    if header.trigger.is_empty() || version == "2.1" {
        "ACK".to_owned()
    } else if matches!(version, "2.2" | "2.3") {
        format!("ACK{caret}{}", header.trigger)
    } else {
        format!("ACK{caret}{}{caret}ACK", header.trigger)
    }
}

fn is_before_2_5(version: &str) -> bool {
    matches!(version, "2.1" | "2.2" | "2.3" | "2.3.1" | "2.4")
}

/// `ERR|PID^1^7^102&Data type error&HL70357`.
fn push_early_error(issue: &Issue, header: &Header, out: &mut String) {
    let separators = header.separators;
    let (bar, caret, and) = (
        char::from(separators.field),
        char::from(separators.component),
        char::from(separators.subcomponent),
    );
    let (code, title) = issue.code.code_and_title();
    let location = &issue.location;
    out.push_str(&format!(
        "ERR{bar}{}{caret}{}{caret}{}{caret}{code}{and}{title}{and}HL70357\r",
        location.segment, location.sequence, location.field
    ));
}

/// `ERR||PID^1^7|102^Data type error^HL70357|E|||what was wrong|what to do`.
fn push_error(issue: &Issue, header: &Header, out: &mut String) {
    let separators = header.separators;
    let (bar, caret) = (
        char::from(separators.field),
        char::from(separators.component),
    );
    let (code, title) = issue.code.code_and_title();
    let location = &issue.location;
    out.push_str(&format!(
        "ERR{bar}{bar}{}{caret}{}",
        location.segment, location.sequence
    ));
    if location.field > 0 {
        out.push_str(&format!("{caret}{}", location.field));
    }
    if location.component > 0 {
        out.push_str(&format!("{caret}1{caret}{}", location.component));
    }
    out.push_str(&format!(
        "{bar}{code}{caret}{title}{caret}HL70357{bar}{}{bar}{bar}{bar}",
        issue.severity.code()
    ));
    escape::encode(&issue.location.to_string(), separators, out);
    out.push(' ');
    escape::encode(title, separators, out);
    out.push(bar);
    escape::encode(&issue.text, separators, out);
    out.push('\r');
}
