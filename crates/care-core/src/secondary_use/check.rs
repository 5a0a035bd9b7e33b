//! The check for national data opt-outs, as files: which numbers may be asked about, in how many
//! lists, what a reply is, and who is missing from it. Sends nothing and keeps nothing.
//!
//! Source: the "Check for National Data Opt-outs" service as described in docs/how-to/national-data-opt-out.md:
//! ten digits, a comma and a line feed a line; one invalid number spoils the whole file; the reply
//! holds the numbers without an opt-out and nothing says who was taken out.

use std::collections::BTreeSet;
use std::fmt;

use crate::codes::coded;
use crate::vocabulary::{NhsNumber, NhsNumberError};

/// The one line that comes back for a list with an invalid number in it.
pub const INVALID_NUMBERS: &str = "The file contains one or more invalid NHS Numbers.";

/// NHS numbers in order, each once. `Debug` tells how many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Numbers(Vec<NhsNumber>);

impl Numbers {
    /// Puts them in order, each once.
    pub fn new(mut numbers: Vec<NhsNumber>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        Self(numbers)
    }

    /// In order.
    pub fn as_slice(&self) -> &[NhsNumber] {
        &self.0
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    pub fn contains(&self, number: NhsNumber) -> bool {
        self.0.binary_search(&number).is_ok()
    }

    /// Whether every one of these is among the others: one walk along both.
    pub fn is_within(&self, others: &Self) -> bool {
        let mut rest = others.0.iter();
        self.0
            .iter()
            .all(|number| rest.any(|other| other == number))
    }

    /// Those of these that are not among the others: one walk along both.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let mut rest = others.0.iter().peekable();
        let missing = self.0.iter().copied().filter(|number| {
            while rest.next_if(|other| *other < number).is_some() {}
            rest.next_if(|other| *other == number).is_none()
        });
        Self(missing.collect())
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend_from_slice(&others.0);
        Self::new(self.0)
    }

    /// As a set, for the disclosure rules.
    pub fn to_set(&self) -> BTreeSet<NhsNumber> {
        self.0.iter().copied().collect()
    }

    /// In lists of at most this many. A limit of 0 means 1.
    pub fn lists(&self, limit: usize) -> impl Iterator<Item = &[NhsNumber]> {
        self.0.chunks(limit.max(1))
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Numbers({} hidden)", self.0.len())
    }
}

/// What a list of texts holds: the numbers that may be asked about, and what was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// May be asked about.
    pub numbers: Numbers,
    /// How many lines were the same number again.
    pub duplicates: usize,
    /// Lines that are no NHS number, by their place (from 1). They are left out and reported.
    pub refused: Vec<(usize, NhsNumberError)>,
}

/// Reads a list: one number a line, with or without a comma behind it, CRLF or LF. Empty lines are
/// passed over. Nothing invalid gets in, because one invalid number spoils the whole file.
pub fn read_list(bytes: &[u8]) -> Prepared {
    let mut found = Vec::with_capacity(bytes.len() / 12 + 1);
    let mut refused = Vec::new();
    for (place, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match read_line(line) {
            None => {}
            Some(Ok(number)) => found.push(number),
            Some(Err(why)) => refused.push((place + 1, why)),
        }
    }
    let before = found.len();
    let numbers = Numbers::new(found);
    Prepared {
        duplicates: before - numbers.count(),
        numbers,
        refused,
    }
}

/// One line without its line feed; `None` for an empty one.
fn read_line(line: &[u8]) -> Option<Result<NhsNumber, NhsNumberError>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_suffix(b",").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(line).map_err(|_| NhsNumberError::NotTenDigits);
    Some(text.and_then(NhsNumber::parse))
}

coded! {
    /// How a line ends: integrators disagree, so a deployment may choose.
    LineEnd {
        Lf "lf" "A line feed, as the service's own description says.",
        CrLf "crlf" "Carriage return and line feed.",
    }
}

/// Writes a list as the service reads it: ten digits and a comma on each line, no header.
pub fn write_list(numbers: &[NhsNumber], line_end: LineEnd) -> Vec<u8> {
    let end: &[u8] = match line_end {
        LineEnd::Lf => b",\n",
        LineEnd::CrLf => b",\r\n",
    };
    let mut bytes = Vec::with_capacity(numbers.len() * (10 + end.len()));
    for number in numbers {
        let mut digits = [b'0'; 10];
        let mut rest = number.as_u64();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        bytes.extend_from_slice(&digits);
        bytes.extend_from_slice(end);
    }
    bytes
}

/// The name of a list, which is its local id and its subject as well: `MAILBOX-DDMMYY-NNNN`, the
/// sequence counted by month. No colon and nothing about a person: a name with either gets no reply.
/// `None` where the mailbox or the sequence does not fit.
pub fn list_name(mailbox: &str, day: i8, month: i8, year: i16, sequence: u32) -> Option<String> {
    let plain = !mailbox.is_empty() && mailbox.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let fits = plain && (1..=9999).contains(&sequence);
    let year = year.rem_euclid(100);
    fits.then(|| format!("{mailbox}-{day:02}{month:02}{year:02}-{sequence:04}"))
}

/// What came back for a list that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The job was taken on; the result follows under the same local id. This is not the result.
    JobCreated,
    /// The job was not taken on, or failed.
    JobFailed,
    /// The whole list came back refused, for an invalid number in it.
    InvalidNumbers,
    /// The numbers without an opt-out.
    Result(Numbers),
}

coded! {
    /// Why a reply is refused. In the order of looking.
    ReplyFault {
        ForgedSender "forged-sender" "It comes from another mailbox than the service's.",
        WrongWorkflow "wrong-workflow" "It belongs to another workflow.",
        UnknownRequest "unknown-request" "Nothing was asked under its local id.",
        Late "late" "The question is too old for its answer to be relied on.",
        AnsweredTwice "answered-twice" "A second result under one local id that says something else.",
        Empty "empty" "Nothing is in it.",
        NotAList "not-a-list" "It is neither a list nor a report of the job.",
        Truncated "truncated" "It ends within a line.",
        Duplicated "duplicated" "A number stands in it twice.",
        LargerThanRequest "larger-than-request" "More numbers came back than were sent.",
        UnknownNumbers "unknown-numbers" "A number came back that was not sent.",
    }
}

impl ReplyFault {
    /// What happened and what follows, for the one who looks at the worklist.
    pub fn advice(self) -> &'static str {
        match self {
            Self::ForgedSender => {
                "The reply did not come from the mailbox of the opt-out service. Nothing was taken from it. Check the mailbox in the configuration; if it is right, report the sender."
            }
            Self::WrongWorkflow => {
                "The message belongs to another workflow. Nothing was taken from it. Check the workflow in the configuration."
            }
            Self::UnknownRequest => {
                "We asked nothing under this local id. Nothing was taken from it. It may answer another system that shares this mailbox."
            }
            Self::Late => "The reply came too long after the question to be relied on. Ask again.",
            Self::AnsweredTwice => {
                "Two different results came for one list, so neither is relied on. Ask again, and tell the service."
            }
            Self::Empty => "The reply was empty. Ask again.",
            Self::NotAList => "The reply could not be read. Ask again, and tell the service.",
            Self::Truncated => "The reply ends within a line, so part of it is missing. Ask again.",
            Self::Duplicated => {
                "A number came back twice, so the reply is not what the service describes. Ask again, and tell the service."
            }
            Self::LargerThanRequest => {
                "More numbers came back than were sent. Ask again, and tell the service."
            }
            Self::UnknownNumbers => {
                "Numbers came back that were not sent. Ask again, and tell the service."
            }
        }
    }
}

/// Reads the body of a reply to a list that was sent.
///
/// Errors: the reply does not fit what was sent; nothing may be taken from it. A reply that was cut
/// between two lines cannot be told from one with more opt-outs: it leaves out more people, never
/// fewer.
pub fn read_reply(body: &[u8], sent: &Numbers) -> Result<Reply, ReplyFault> {
    let text = body.trim_ascii();
    match text.first() {
        None if body.contains(&b'\n') => return Ok(Reply::Result(Numbers::default())),
        None => return Err(ReplyFault::Empty),
        Some(b'{') => return job_report(text),
        Some(_) if text == INVALID_NUMBERS.as_bytes() => return Ok(Reply::InvalidNumbers),
        Some(_) => {}
    }
    if !body.ends_with(b"\n") {
        return Err(match body.last() {
            Some(b'0'..=b'9' | b',' | b'\r') => ReplyFault::Truncated,
            _ => ReplyFault::NotAList,
        });
    }
    let read = read_list(body);
    if !read.refused.is_empty() {
        return Err(ReplyFault::NotAList);
    }
    if read.duplicates > 0 {
        return Err(ReplyFault::Duplicated);
    }
    if read.numbers.count() > sent.count() {
        return Err(ReplyFault::LargerThanRequest);
    }
    if !read.numbers.is_within(sent) {
        return Err(ReplyFault::UnknownNumbers);
    }
    Ok(Reply::Result(read.numbers))
}

/// The report that a job was created: an object with a status, `pending` when all is well.
fn job_report(text: &[u8]) -> Result<Reply, ReplyFault> {
    let report: serde_json::Value =
        serde_json::from_slice(text).map_err(|_| ReplyFault::Truncated)?;
    match report.get("status").and_then(serde_json::Value::as_str) {
        Some("pending" | "created" | "success" | "complete") => Ok(Reply::JobCreated),
        Some(_) => Ok(Reply::JobFailed),
        None => Err(ReplyFault::NotAList),
    }
}
