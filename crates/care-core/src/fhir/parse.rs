//! Bytes to [`Json`]: strict RFC 8259, number text kept, every member name once.
//!
//! Never recurses deeper than its limit, never panics, and no error carries what was sent (only
//! where it went wrong and how to mend it). Source: RFC 8259; FHIR R4 section 2.6.2 (JSON).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use super::json::Json;
use super::names::known_name;

/// How much a text may ask of us before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many lists and objects may stand inside one another.
    pub depth: usize,
    /// How many bytes the whole text may have.
    pub bytes: usize,
    /// How many values (of every kind) it may hold: small values cost more memory than bytes.
    pub values: usize,
}

impl Default for Limits {
    /// 100 levels (issue 2), 64 MiB, four million values.
    fn default() -> Self {
        Self {
            depth: 100,
            bytes: 64 << 20,
            values: 4_000_000,
        }
    }
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Nothing but white space.
    Empty,
    /// The text stops inside a value.
    Truncated,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// More lists and objects inside one another than allowed.
    TooDeep,
    /// More bytes than allowed.
    TooLong,
    /// More values than allowed.
    TooMany,
    /// A character where no value can begin.
    NoValue,
    /// A member name was expected.
    NoName,
    /// A colon was expected after a member name.
    NoColon,
    /// A comma or the closing bracket was expected.
    NoComma,
    /// A comma before a closing bracket.
    TrailingComma,
    /// A number in a form JSON does not have, such as `01`, `.5`, `+1` or `1.`.
    Number,
    /// A control character inside a text.
    ControlCharacter,
    /// An escape JSON does not have.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// The same member name twice in one object.
    DuplicateName,
    /// Something after the value.
    TrailingContent,
}

impl JsonFault {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Empty => ("there is no content", "send one JSON value"),
            Self::Truncated => (
                "the text stops inside a value",
                "check that the whole body was sent and that every bracket and quote is closed",
            ),
            Self::NotUtf8 => (
                "these bytes are not UTF-8",
                "write the text in UTF-8, the only encoding of FHIR JSON",
            ),
            Self::TooDeep => (
                "lists and objects stand deeper inside one another than this server allows",
                "no FHIR resource needs such depth; send the resources separately",
            ),
            Self::TooLong => (
                "the text is longer than this server allows",
                "send the resources in smaller bundles",
            ),
            Self::TooMany => (
                "the text holds more values than this server allows",
                "send the resources in smaller bundles",
            ),
            Self::NoValue => (
                "no value can begin with this character",
                "write an object, list, text in double quotes, number, true, false or null",
            ),
            Self::NoName => (
                "a member name in double quotes was expected",
                "write \"name\": value",
            ),
            Self::NoColon => (
                "a colon was expected after the member name",
                "write \"name\": value",
            ),
            Self::NoComma => (
                "a comma or the closing bracket was expected",
                "put a comma between values and close the bracket",
            ),
            Self::TrailingComma => (
                "a comma stands before the closing bracket",
                "take the last comma away",
            ),
            Self::Number => (
                "this is no JSON number",
                "write digits with an optional sign, fraction and exponent: 0.5, not .5, +1 or 01",
            ),
            Self::ControlCharacter => (
                "a control character stands inside a text",
                "write it as an escape: \\n, \\t or \\u followed by four hexadecimal digits",
            ),
            Self::Escape => (
                "JSON has no such escape",
                "use \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u with four hexadecimal digits",
            ),
            Self::Surrogate => (
                "half of a surrogate pair stands alone",
                "write both halves, or the character itself in UTF-8",
            ),
            Self::DuplicateName => (
                "the same member name stands twice in one object",
                "keep one of the two; repeated elements belong in a list",
            ),
            Self::TrailingContent => (
                "something follows after the value",
                "send one value; for many resources use a Bundle or NDJSON",
            ),
        }
    }
}

/// Why a text is not JSON, and where. Never carries the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// The byte it was noticed at, from 0.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its place in that line in bytes, from 1.
    pub column: usize,
    /// The element it is in, such as `entry[2].resource.name`; empty at the top.
    pub path: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, how) = self.fault.words();
        write!(
            f,
            "not JSON at byte {} (line {}, column {}",
            self.offset, self.line, self.column
        )?;
        if !self.path.is_empty() {
            write!(f, ", in {}", self.path)?;
        }
        write!(f, "): {why}; {how}")
    }
}

impl std::error::Error for JsonError {}

impl Json {
    /// Reads one JSON value; a byte order mark before it is passed over.
    ///
    /// Errors: where the text stops being JSON or passes a limit; see [`JsonFault`].
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<Self, JsonError> {
        if bytes.len() > limits.bytes {
            return Err(error_at(
                bytes,
                JsonFault::TooLong,
                limits.bytes,
                String::new(),
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            error_at(
                bytes,
                JsonFault::NotUtf8,
                error.valid_up_to(),
                String::new(),
            )
        })?;
        let mut parser = Parser {
            text,
            at: if text.starts_with('\u{feff}') { 3 } else { 0 },
            values_left: limits.values,
        };
        parser
            .document(limits.depth)
            .map_err(|stop| error_at(bytes, stop.fault, stop.offset, stop.path()))
    }
}

/// A fault on its way out; each level adds its step, innermost first.
struct Stop {
    fault: JsonFault,
    offset: usize,
    steps: Vec<Step>,
}

enum Step {
    Name(String),
    Place(usize),
}

impl Stop {
    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Place(place) => path.push_str(&format!("[{place}]")),
                Step::Name(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(showable(name));
                }
            }
        }
        path
    }

    fn within(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.steps.push(step);
        self
    }
}

/// A member name that is an element name; anything else might be somebody's data.
pub(super) fn showable(name: &str) -> &str {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphabetic() || b == b'_' || b.is_ascii_digit());
    if plain && (1..=64).contains(&name.len()) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name
    } else {
        "?"
    }
}

fn error_at(bytes: &[u8], fault: JsonFault, offset: usize, path: String) -> JsonError {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |place| place + 1);
    JsonError {
        fault,
        offset,
        line: 1 + before.iter().filter(|b| **b == b'\n').count(),
        column: 1 + before.len() - line_start,
        path,
    }
}

type Parsed<T> = Result<T, Box<Stop>>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    values_left: usize,
}

impl<'a> Parser<'a> {
    fn stop<T>(&self, fault: JsonFault) -> Parsed<T> {
        self.stop_at(fault, self.at)
    }

    fn stop_at<T>(&self, fault: JsonFault, offset: usize) -> Parsed<T> {
        let fault = if offset >= self.text.len() && fault != JsonFault::Empty {
            JsonFault::Truncated
        } else {
            fault
        };
        Err(Box::new(Stop {
            fault,
            offset,
            steps: Vec::new(),
        }))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn skip_white(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn document(&mut self, depth: usize) -> Parsed<Json> {
        self.skip_white();
        if self.at == self.text.len() {
            return self.stop(JsonFault::Empty);
        }
        let value = self.value(depth)?;
        self.skip_white();
        if self.at < self.text.len() {
            return self.stop(JsonFault::TrailingContent);
        }
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Parsed<Json> {
        match self.values_left.checked_sub(1) {
            Some(left) => self.values_left = left,
            None => return self.stop(JsonFault::TooMany),
        }
        match self.peek() {
            Some(b'"') => Ok(Json::Text(self.text_value()?.into_owned())),
            Some(b'{') if depth > 0 => self.object(depth - 1),
            Some(b'[') if depth > 0 => self.array(depth - 1),
            Some(b'{' | b'[') => self.stop(JsonFault::TooDeep),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.stop(JsonFault::NoValue),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Parsed<Json> {
        let rest = self.slice(self.at, self.text.len());
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else if word.starts_with(rest) {
            self.stop_at(JsonFault::Truncated, self.text.len())
        } else {
            self.stop(JsonFault::NoValue)
        }
    }

    fn number(&mut self) -> Parsed<Json> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.peek();
        if self.digits() == 0 {
            return self.stop(JsonFault::Number);
        }
        if first == Some(b'0') && self.slice(start, self.at).trim_start_matches('-').len() > 1 {
            return self.stop_at(JsonFault::Number, start);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.stop(JsonFault::Number);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.stop(JsonFault::Number);
            }
        }
        Ok(Json::Number(self.slice(start, self.at).into()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn array(&mut self, depth: usize) -> Parsed<Json> {
        self.at += 1;
        let mut values = Vec::new();
        self.skip_white();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(values));
        }
        loop {
            self.skip_white();
            if !values.is_empty() && self.peek() == Some(b']') {
                return self.stop(JsonFault::TrailingComma);
            }
            let value = self
                .value(depth)
                .map_err(|stop| stop.within(Step::Place(values.len())))?;
            values.push(value);
            self.skip_white();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(values));
                }
                _ => return self.stop(JsonFault::NoComma),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Parsed<Json> {
        self.at += 1;
        let mut members = Members::default();
        self.skip_white();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members.list));
        }
        loop {
            self.skip_white();
            let name_at = self.at;
            match self.peek() {
                Some(b'"') => {}
                Some(b'}') => return self.stop(JsonFault::TrailingComma),
                _ => return self.stop(JsonFault::NoName),
            }
            let name = self.name()?;
            if members.has(&name) {
                let step = Step::Name(name.into_owned());
                return self
                    .stop_at(JsonFault::DuplicateName, name_at)
                    .map_err(|stop| stop.within(step));
            }
            self.skip_white();
            if self.peek() != Some(b':') {
                return self.stop(JsonFault::NoColon);
            }
            self.at += 1;
            self.skip_white();
            match self.value(depth) {
                Ok(value) => members.list.push((name, value)),
                Err(stop) => return Err(stop.within(Step::Name(name.into_owned()))),
            }
            self.skip_white();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(members.list));
                }
                _ => return self.stop(JsonFault::NoComma),
            }
        }
    }

    fn name(&mut self) -> Parsed<Cow<'static, str>> {
        let name = self.text_value()?;
        Ok(match known_name(&name) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(name.into_owned()),
        })
    }

    /// The text that begins at the quote here; borrowed where it has no escapes.
    fn text_value(&mut self) -> Parsed<Cow<'a, str>> {
        let start = self.at + 1;
        self.at = plain_until(self.text.as_bytes(), start);
        if self.peek() == Some(b'"') {
            let plain = self.slice(start, self.at);
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        self.escaped_text(start).map(Cow::Owned)
    }

    fn escaped_text(&mut self, start: usize) -> Parsed<String> {
        let mut out = String::from(self.slice(start, self.at));
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return self.stop(JsonFault::ControlCharacter),
                None => return self.stop(JsonFault::Truncated),
            }
            let from = self.at;
            self.at = plain_until(self.text.as_bytes(), from);
            out.push_str(self.slice(from, self.at));
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let escape_at = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(escape_at),
            _ => return self.stop(JsonFault::Escape),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self, escape_at: usize) -> Parsed<char> {
        self.at += 1;
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.slice(self.at, self.at + 2) != "\\u" {
                    return self.stop_at(JsonFault::Surrogate, escape_at);
                }
                self.at += 2;
                match self.hex4()? {
                    second @ 0xdc00..=0xdfff => {
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    _ => return self.stop_at(JsonFault::Surrogate, escape_at),
                }
            }
            other => other,
        };
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.stop_at(JsonFault::Surrogate, escape_at),
        }
    }

    fn hex4(&mut self) -> Parsed<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            match digit {
                Some(digit) => value = value << 4 | digit,
                None => return self.stop(JsonFault::Escape),
            }
            self.at += 1;
        }
        Ok(value)
    }
}

/// The members read so far. Few names are compared one by one, many by hash, so that an object
/// with a million names costs a million steps and not their square.
#[derive(Default)]
struct Members {
    list: Vec<(Cow<'static, str>, Json)>,
    seen: HashSet<String>,
}

const COMPARE_ONE_BY_ONE: usize = 32;

impl Members {
    /// Whether the name was seen before; remembers it.
    fn has(&mut self, name: &str) -> bool {
        if self.list.len() < COMPARE_ONE_BY_ONE {
            return self.list.iter().any(|(other, _)| other == name);
        }
        if self.seen.is_empty() {
            self.seen = self.list.iter().map(|(name, _)| name.to_string()).collect();
        }
        !self.seen.insert(name.to_owned())
    }
}

/// The place of the first quote, backslash or control character at or after `from`.
fn plain_until(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let zero_where = |other: u64| other.wrapping_sub(ONES) & !other;
        let quote = zero_where(word ^ (ONES * 0x22));
        let backslash = zero_where(word ^ (ONES * 0x5c));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & HIGHS;
        if found != 0 {
            // The lowest set bit is exact; only bits above it can be false.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> JsonFault {
        Json::parse(text.as_bytes(), Limits::default())
            .expect_err(text)
            .fault
    }

    #[test]
    fn each_fault_has_its_name() {
        use JsonFault::*;
        for (text, expected) in [
            ("", Empty),
            (" \n", Empty),
            ("{", Truncated),
            ("{\"a\":1", Truncated),
            ("\"abc", Truncated),
            ("tru", Truncated),
            ("trux", NoValue),
            ("{\"a\":1,}", TrailingComma),
            ("[1,]", TrailingComma),
            ("[,]", NoValue),
            ("[1 2]", NoComma),
            ("{\"a\" 1}", NoColon),
            ("{a:1}", NoName),
            ("01", Number),
            ("-x", Number),
            ("1.x", Number),
            ("1ex", Number),
            ("+1", NoValue),
            (".5", NoValue),
            ("NaN", NoValue),
            ("\"\n\"", ControlCharacter),
            ("\"\\x\"", Escape),
            ("\"\\u12g4\"", Escape),
            ("\"\\ud800\"", Surrogate),
            ("\"\\ud800\\u0041\"", Surrogate),
            ("\"\\udc00\"", Surrogate),
            ("{\"a\":1,\"a\":2}", DuplicateName),
            ("{\"a\":1,\"\\u0061\":2}", DuplicateName),
            ("1 2", TrailingContent),
            ("{}{}", TrailingContent),
        ] {
            assert_eq!(fault(text), expected, "{text}");
        }
        let not_utf8 = Json::parse(b"\"\xff\"", Limits::default()).expect_err("not UTF-8");
        assert_eq!((not_utf8.fault, not_utf8.offset), (NotUtf8, 1));
    }

    #[test]
    fn a_number_keeps_its_own_text() {
        for text in [
            "1.50",
            "0.1234567890123456789012345678",
            "-0",
            "1E+5",
            "12345678901234567890123456",
        ] {
            let value = Json::parse(text.as_bytes(), Limits::default()).expect("a number");
            assert_eq!(value.as_number(), Some(text));
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn an_error_says_where_and_holds_nothing_of_what_was_sent() {
        let text = "{\"entry\":[1,\n {\"resource\":{\"Mrs Secret\":{\"name\":[ tru3 ]}}}]}";
        let error = Json::parse(text.as_bytes(), Limits::default()).expect_err("broken");
        assert_eq!(error.path, "entry[1].resource.?.name[0]");
        assert_eq!((error.line, error.column), (2, 38));
        assert!(!error.to_string().contains("Secret"), "{error}");
        assert!(error.to_string().contains("write an object"), "{error}");
    }

    #[test]
    fn depth_is_bounded_and_a_hundred_thousand_brackets_are_harmless() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(nested(100).as_bytes(), Limits::default()).is_ok());
        assert_eq!(fault(&nested(101)), JsonFault::TooDeep);
        assert_eq!(fault(&"[".repeat(100_000)), JsonFault::TooDeep);
        assert_eq!(fault(&"{\"a\":".repeat(100_000)), JsonFault::TooDeep);
    }

    #[test]
    fn many_values_and_many_bytes_are_refused() {
        let limits = Limits {
            values: 10,
            ..Limits::default()
        };
        let error = Json::parse(b"[1,2,3,4,5,6,7,8,9,10]", limits).expect_err("too many");
        assert_eq!(error.fault, JsonFault::TooMany);
        let limits = Limits {
            bytes: 10,
            ..Limits::default()
        };
        let error = Json::parse(b"[1,2,3,4,5,6,7,8,9,10]", limits).expect_err("too long");
        assert_eq!(error.fault, JsonFault::TooLong);
    }

    #[test]
    fn a_wide_object_is_read_in_linear_time_and_still_refuses_a_name_twice() {
        let names: Vec<String> = (0..100_000).map(|n| format!("\"n{n}\":0")).collect();
        let wide = format!("{{{}}}", names.join(","));
        assert!(Json::parse(wide.as_bytes(), Limits::default()).is_ok());
        let twice = format!("{{{},\"n77777\":1}}", names.join(","));
        assert_eq!(fault(&twice), JsonFault::DuplicateName);
    }

    #[test]
    fn escapes_and_pairs_become_their_characters() {
        let text = r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 plain é 😀""#;
        let value = Json::parse(text.as_bytes(), Limits::default()).expect("a text");
        assert_eq!(value.as_text(), Some("\"\\/\u{8}\u{c}\n\r\té😀 plain é 😀"));
    }
}
