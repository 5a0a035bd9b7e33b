//! What an answer needs of a message's header, even of a message that cannot be read.

use super::{Message, Separators};

/// The character sets that are read (MSH-18, HL7 table 0211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `UNICODE UTF-8`, or `UNICODE` alone as UK senders write it.
    Utf8,
    /// `8859/1`.
    Latin1,
    /// `ASCII`.
    Ascii,
    /// MSH-18 is empty.
    Undeclared,
    /// MSH-18 names something else.
    Unknown,
}

impl Charset {
    /// Reads MSH-18 from the bytes of a header.
    pub fn declared(header: &[u8], field_separator: u8) -> Self {
        let line = first_line(header);
        let field = line.split(|byte| *byte == field_separator).nth(17);
        Self::from_code(field.unwrap_or(b""))
    }

    fn from_code(field: &[u8]) -> Self {
        let first = field.split(|byte| *byte == b'~').next().unwrap_or(b"");
        match first.trim_ascii().to_ascii_uppercase().as_slice() {
            b"" | b"\"\"" => Self::Undeclared,
            b"ASCII" => Self::Ascii,
            b"UNICODE UTF-8" | b"UNICODE" | b"UTF-8" | b"UTF8" => Self::Utf8,
            b"8859/1" | b"ISO-8859-1" | b"ISO 8859-1" | b"8859-1" => Self::Latin1,
            _ => Self::Unknown,
        }
    }
}

/// The header fields that an answer repeats, as they were sent (escape sequences and all).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The separators; the usual ones where the message's own cannot be read.
    pub separators: Separators,
    /// MSH-3.
    pub sending_application: String,
    /// MSH-4.
    pub sending_facility: String,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
    /// MSH-9.1, such as `ADT`.
    pub code: String,
    /// MSH-9.2, such as `A01`.
    pub trigger: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-11.
    pub processing_id: String,
    /// MSH-12.1.
    pub version: String,
    /// MSH-15: when the sender wants a commit answer.
    pub accept_acknowledgement: String,
    /// MSH-16: when the sender wants an application answer.
    pub application_acknowledgement: String,
    /// MSH-18 as sent.
    pub character_set: String,
}

impl Header {
    /// The header of a message.
    pub fn of(message: &Message<'_>) -> Self {
        let header = message.segment("MSH");
        let raw = header.map_or("", |segment| segment.raw());
        Self::from_line(raw, message.separators())
    }

    /// What can be read of the header in bytes that are no message: the first line that begins with
    /// MSH in the first 64 KiB, else nothing but the usual separators.
    pub fn salvage(bytes: &[u8]) -> Self {
        let front = &bytes[..bytes.len().min(64 << 10)];
        let start = front.windows(3).position(|three| three == b"MSH");
        let line = start.map_or(&b""[..], |place| first_line(&front[place..]));
        let line = &line[..line.len().min(2048)];
        let text = String::from_utf8_lossy(line).replace(|c: char| c.is_control(), " ");
        match Separators::read(text.as_bytes()) {
            Some(separators) => Self::from_line(&text, separators),
            None => Self::from_line("", Separators::STANDARD),
        }
    }

    fn from_line(line: &str, separators: Separators) -> Self {
        let fields: Vec<&str> = line.split(char::from(separators.field)).collect();
        let field = |number: usize| {
            let raw = fields.get(number - 1).copied().unwrap_or("").trim();
            if raw == "\"\"" { "" } else { raw }
        };
        let component = |number: usize, place: usize| {
            let mut parts = field(number).split(char::from(separators.component));
            parts.nth(place - 1).unwrap_or("").to_owned()
        };
        Self {
            separators,
            sending_application: field(3).to_owned(),
            sending_facility: field(4).to_owned(),
            receiving_application: field(5).to_owned(),
            receiving_facility: field(6).to_owned(),
            code: component(9, 1),
            trigger: component(9, 2),
            control_id: field(10).to_owned(),
            processing_id: field(11).to_owned(),
            version: component(12, 1),
            accept_acknowledgement: field(15).to_owned(),
            application_acknowledgement: field(16).to_owned(),
            character_set: field(18).to_owned(),
        }
    }

    /// Whether the sender asks for the two answers of enhanced mode. Our one answer is the
    /// application's, given after the message is kept, and stands for both (see [`super::ack`]).
    pub fn asks_for_enhanced_mode(&self) -> bool {
        !self.accept_acknowledgement.is_empty() || !self.application_acknowledgement.is_empty()
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(bytes.len());
    &bytes[..end]
}
