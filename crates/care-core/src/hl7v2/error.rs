//! What can be wrong with a message, in words and in the codes that an acknowledgement carries.
//! No text here ever holds a value from the message.

use std::borrow::Cow;
use std::fmt;

/// Where in a message: segment, which one of that name, field, component.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The segment's name, such as `PID`.
    pub segment: String,
    /// Which segment of that name, from 1.
    pub sequence: usize,
    /// The field, from 1; 0 for the whole segment.
    pub field: usize,
    /// The component, from 1; 0 for the whole field.
    pub component: usize,
}

impl Location {
    /// A field of the first segment of this name.
    pub fn field(segment: &str, field: usize) -> Self {
        Self {
            segment: segment.to_owned(),
            sequence: 1,
            field,
            component: 0,
        }
    }

    /// Reads `PID-7`, `OBX[3]-5` or `PID-3.1`; a text of another form becomes a segment name of at
    /// most three letters, or `MSH`.
    pub fn parse(place: &str) -> Self {
        let (head, tail) = place.split_once('-').unwrap_or((place, ""));
        let (name, sequence) = match head.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse().unwrap_or(1)),
            None => (head, 1),
        };
        let (field, component) = tail.split_once('.').unwrap_or((tail, ""));
        let is_name = name.len() == 3 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Self {
            segment: if is_name { name } else { "MSH" }.to_owned(),
            sequence,
            field: field.parse().unwrap_or(0),
            component: component.parse().unwrap_or(0),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segment)?;
        if self.sequence > 1 {
            write!(f, "[{}]", self.sequence)?;
        }
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
        }
        if self.component > 0 {
            write!(f, ".{}", self.component)?;
        }
        Ok(())
    }
}

/// The codes of HL7 table 0357 (message error condition codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 100.
    SegmentSequence,
    /// 101.
    RequiredFieldMissing,
    /// 102.
    DataType,
    /// 103.
    TableValueNotFound,
    /// 200.
    UnsupportedMessageType,
    /// 201.
    UnsupportedEventCode,
    /// 202.
    UnsupportedProcessingId,
    /// 203.
    UnsupportedVersion,
    /// 204.
    UnknownKey,
    /// 205.
    DuplicateKey,
    /// 207.
    Internal,
}

impl ErrorCode {
    /// The code and its words in table 0357.
    pub fn code_and_title(self) -> (&'static str, &'static str) {
        match self {
            Self::SegmentSequence => ("100", "Segment sequence error"),
            Self::RequiredFieldMissing => ("101", "Required field missing"),
            Self::DataType => ("102", "Data type error"),
            Self::TableValueNotFound => ("103", "Table value not found"),
            Self::UnsupportedMessageType => ("200", "Unsupported message type"),
            Self::UnsupportedEventCode => ("201", "Unsupported event code"),
            Self::UnsupportedProcessingId => ("202", "Unsupported processing id"),
            Self::UnsupportedVersion => ("203", "Unsupported version id"),
            Self::UnknownKey => ("204", "Unknown key identifier"),
            Self::DuplicateKey => ("205", "Duplicate key identifier"),
            Self::Internal => ("207", "Application internal error"),
        }
    }
}

/// How bad an issue is (HL7 table 0516).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Information,
    /// The message was used; this part of it was not, or not as meant.
    Warning,
    /// The message could not be used.
    Error,
}

impl Severity {
    /// The code of table 0516.
    pub fn code(self) -> &'static str {
        match self {
            Self::Information => "I",
            Self::Warning => "W",
            Self::Error => "E",
        }
    }
}

/// Something in a message that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Where.
    pub location: Location,
    /// Which kind, as acknowledgements say it.
    pub code: ErrorCode,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, why, and how the sender mends it; never a value from the message.
    pub text: Cow<'static, str>,
}

impl Issue {
    /// An issue that leaves the message usable.
    pub fn warning(place: &str, code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            location: Location::parse(place),
            code,
            severity: Severity::Warning,
            text: text.into(),
        }
    }

    /// An issue for which the message cannot be used.
    pub fn error(place: &str, code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            severity: Severity::Error,
            ..Self::warning(place, code, text)
        }
    }
}

/// Why bytes are no message that can be used. Each is answered with AR: sending the same bytes again
/// cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but blanks.
    #[error("the message is empty; send an MSH segment and what follows it")]
    Empty,
    /// More bytes than are looked at.
    #[error(
        "the message has more than {limit} bytes or too many fields; send large documents as links or in parts"
    )]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Not text.
    #[error(
        "the message is not text (it holds zero bytes); send HL7 v2 pipe-delimited text in UTF-8, ISO 8859-1 or ASCII"
    )]
    Binary,
    /// Text, but no message.
    #[error(
        "the text does not begin with an MSH segment; check the framing, and that FHIR or XML is not sent to this port"
    )]
    NoHeader,
    /// A wrapper with more than one message.
    #[error(
        "there is more than one MSH segment; send each message in a frame of its own, or the batch as a file"
    )]
    SeveralMessages,
    /// MSH-1 and MSH-2 do not say how to read the rest.
    #[error(
        "MSH-1 and MSH-2 do not give five different encoding characters; the usual ones are | and ^~\\&"
    )]
    Separators,
    /// The header ends before what is needed.
    #[error(
        "MSH is too short: {field} is empty; send at least MSH-9 (type), MSH-10 (control id) and MSH-12 (version)"
    )]
    HeaderTooShort {
        /// The first field that is missing.
        field: &'static str,
    },
    /// A version that is not read.
    #[error(
        "MSH-12 names a version that is not read here; send HL7 2.1 to 2.8.2 and say so in MSH-12"
    )]
    Version,
}

impl ParseError {
    /// The same as an issue, for an acknowledgement.
    pub fn issue(&self) -> Issue {
        let (place, code) = match self {
            Self::Empty | Self::Binary | Self::NoHeader | Self::SeveralMessages => {
                ("MSH", ErrorCode::SegmentSequence)
            }
            Self::TooLarge { .. } => ("MSH", ErrorCode::Internal),
            Self::Separators => ("MSH-2", ErrorCode::RequiredFieldMissing),
            Self::HeaderTooShort { field } => (*field, ErrorCode::RequiredFieldMissing),
            Self::Version => ("MSH-12", ErrorCode::UnsupportedVersion),
        };
        Issue::error(place, code, self.to_string())
    }
}
