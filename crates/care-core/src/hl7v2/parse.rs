//! From bytes to a message. Source: HL7 v2.8.2 sections 2.5 to 2.7 and 2.14.9 (MSH).

use std::borrow::Cow;

use super::header::Charset;
use super::message::Span;
use super::{ErrorCode, Issue, Message, ParseError, Separators};

/// The longest message that is looked at: 32 MiB, room for a scanned document of about 24 MB.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;
const MAX_FIELDS: usize = 1_000_000;
const VERSIONS: &[&str] = &[
    "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1",
    "2.8.2",
];

/// Reads one message.
///
/// Segments end in CR, LF or CRLF, and a line that does not begin with a segment's name is more of
/// the line before. Blanks, a byte order mark and frame bytes around the message, and the wrapper of
/// a batch of one, are left out. The character set is the one MSH-18 names; where it names none or
/// is wrong, UTF-8 if the bytes are that, else ISO 8859-1 with an issue (its upper control range is
/// read as Windows 1252, which is what senders mean by it).
///
/// Errors: see [`ParseError`]; [`super::Header::salvage`] gives what an answer needs even then.
pub fn parse(bytes: &[u8]) -> Result<(Message<'_>, Vec<Issue>), ParseError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(ParseError::TooLarge {
            limit: MAX_MESSAGE_BYTES,
        });
    }
    let bytes = unframed(bytes);
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    if bytes.contains(&0) {
        return Err(ParseError::Binary);
    }
    let bytes = without_wrapper(bytes)?;
    let separators = Separators::read(bytes).ok_or(ParseError::Separators)?;
    let mut issues = Vec::new();
    let text = decoded(bytes, separators, &mut issues);
    let spans = segment_spans(&text, separators, &mut issues)?;
    let message = with_fields(text, separators, spans)?;
    check_header(&message)?;
    Ok((message, issues))
}

/// The bytes without what stands around a message: blanks, byte order mark, MLLP's 0x0B and 0x1C.
fn unframed(bytes: &[u8]) -> &[u8] {
    let around = |byte: &u8| byte.is_ascii_whitespace() || matches!(*byte, 0x0b | 0x1c);
    let bytes = &bytes[bytes.iter().position(|b| !around(b)).unwrap_or(bytes.len())..];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.iter().position(|b| !around(b)).unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|b| !around(b))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// The bytes from the first MSH on, where only FHS and BHS come before it.
fn without_wrapper(bytes: &[u8]) -> Result<&[u8], ParseError> {
    let mut rest = bytes;
    while rest.starts_with(b"FHS") || rest.starts_with(b"BHS") {
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .ok_or(ParseError::NoHeader)?;
        rest = rest[end..].trim_ascii_start();
    }
    if rest.starts_with(b"MSH") {
        Ok(rest)
    } else {
        Err(ParseError::NoHeader)
    }
}

/// The text in the character set that MSH-18 names.
fn decoded<'a>(bytes: &'a [u8], separators: Separators, issues: &mut Vec<Issue>) -> Cow<'a, str> {
    let declared = Charset::declared(bytes, separators.field);
    let latin = || {
        encoding_rs::WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
    };
    if declared == Charset::Latin1 {
        return latin();
    }
    let mut warn = |text: &'static str| {
        issues.push(Issue::warning(
            "MSH-18",
            ErrorCode::TableValueNotFound,
            text,
        ));
    };
    match (std::str::from_utf8(bytes), declared) {
        (Ok(text), Charset::Ascii) if !text.is_ascii() => {
            warn(
                "MSH-18 says ASCII, but the message is UTF-8; read as UTF-8; send UNICODE UTF-8 in MSH-18",
            );
            Cow::Borrowed(text)
        }
        (Ok(text), Charset::Unknown) => {
            warn(
                "MSH-18 names a character set that is not known here; read as UTF-8; send UNICODE UTF-8, 8859/1 or ASCII",
            );
            Cow::Borrowed(text)
        }
        (Ok(text), _) => Cow::Borrowed(text),
        (Err(_), _) => {
            warn(
                "the bytes are not what MSH-18 says, nor UTF-8; read as ISO 8859-1; send 8859/1 in MSH-18, or convert to UTF-8",
            );
            latin()
        }
    }
}

/// Whether a line begins with a segment's name.
fn is_segment(line: &[u8], separators: Separators) -> bool {
    match line {
        [a, b, c, rest @ ..] => {
            a.is_ascii_uppercase()
                && [b, c]
                    .iter()
                    .all(|x| x.is_ascii_uppercase() || x.is_ascii_digit())
                && rest.first().is_none_or(|next| *next == separators.field)
        }
        _ => false,
    }
}

fn segment_spans(
    text: &str,
    separators: Separators,
    issues: &mut Vec<Issue>,
) -> Result<Vec<Span>, ParseError> {
    let bytes = text.as_bytes();
    let mut spans: Vec<Span> = Vec::with_capacity(32);
    let mut start = 0;
    let mut runs_over = false;
    while start < bytes.len() {
        let end = bytes[start..]
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .map_or(bytes.len(), |place| start + place);
        let line = &bytes[start..end];
        let begin = start + (line.len() - line.trim_ascii_start().len());
        let line = line.trim_ascii_start();
        if is_segment(line, separators) {
            match &line[..3] {
                b"MSH" if !spans.is_empty() => return Err(ParseError::SeveralMessages),
                b"BTS" | b"FTS" => {}
                _ => spans.push(Span {
                    start: begin as u32,
                    end: end as u32,
                    first_field: 0,
                    field_count: 0,
                }),
            }
        } else if !line.is_empty()
            && let Some(last) = spans.last_mut()
        {
            last.end = end as u32;
            runs_over = true;
        }
        start = end + 1;
    }
    if runs_over {
        issues.push(Issue::warning(
            "MSH",
            ErrorCode::SegmentSequence,
            "a line does not begin with a segment name; it was read as more of the line before; send line ends in text as \\.br\\",
        ));
    }
    Ok(spans)
}

fn with_fields(
    text: Cow<'_, str>,
    separators: Separators,
    mut spans: Vec<Span>,
) -> Result<Message<'_>, ParseError> {
    let bytes = text.as_bytes();
    let mut field_starts = Vec::with_capacity(spans.len() * 16);
    for span in &mut spans {
        span.first_field = field_starts.len() as u32;
        let (start, end) = (span.start as usize, span.end as usize);
        for (place, byte) in bytes[start..end].iter().enumerate() {
            if *byte == separators.field {
                field_starts.push((start + place + 1) as u32);
            }
        }
        span.field_count = field_starts.len() as u32 - span.first_field;
        if field_starts.len() > MAX_FIELDS {
            return Err(ParseError::TooLarge {
                limit: MAX_MESSAGE_BYTES,
            });
        }
    }
    Ok(Message {
        text,
        separators,
        spans,
        field_starts,
    })
}

fn check_header(message: &Message<'_>) -> Result<(), ParseError> {
    for (number, field) in [(9, "MSH-9"), (10, "MSH-10"), (12, "MSH-12")] {
        if !message.field("MSH", number).is_valued() {
            return Err(ParseError::HeaderTooShort { field });
        }
    }
    let version = message.field("MSH", 12).component(1).raw().trim_ascii();
    if VERSIONS.contains(&version) {
        Ok(())
    } else {
        Err(ParseError::Version)
    }
}
