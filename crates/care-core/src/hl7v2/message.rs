//! A message as one text with offsets, and the views on it. Nothing is copied until a value with
//! escape sequences is asked for.

use std::borrow::Cow;
use std::fmt;

use super::escape;

/// The characters of MSH-1 and MSH-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// Between fields.
    pub field: u8,
    /// Between components.
    pub component: u8,
    /// Between repetitions.
    pub repetition: u8,
    /// Around escape sequences.
    pub escape: u8,
    /// Between sub-components.
    pub subcomponent: u8,
    /// After a value that was cut short (2.7 and later).
    pub truncation: Option<u8>,
}

impl Separators {
    /// `|^~\&`.
    pub const STANDARD: Self = Self {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: b'\\',
        subcomponent: b'&',
        truncation: None,
    };

    /// Reads the first bytes of an MSH segment (`MSH|^~\&`). What is missing at the end of MSH-2 is
    /// as usual; characters that are equal, or letters and digits, are refused.
    pub fn read(header: &[u8]) -> Option<Self> {
        let field = *header.get(3)?;
        let encoding: Vec<u8> = header
            .get(4..)?
            .iter()
            .copied()
            .take_while(|byte| *byte != field && *byte > b' ')
            .take(6)
            .collect();
        if encoding.is_empty() || encoding.len() > 5 {
            return None;
        }
        let at = |place: usize, usual: u8| encoding.get(place).copied().unwrap_or(usual);
        let read = Self {
            field,
            component: at(0, b'^'),
            repetition: at(1, b'~'),
            escape: at(2, b'\\'),
            subcomponent: at(3, b'&'),
            truncation: encoding.get(4).copied(),
        };
        read.are_usable().then_some(read)
    }

    fn are_usable(self) -> bool {
        let all = [
            self.field,
            self.component,
            self.repetition,
            self.escape,
            self.subcomponent,
        ];
        let differ = (1..all.len()).all(|place| !all[..place].contains(&all[place]));
        differ && all.iter().all(|byte| byte.is_ascii_punctuation())
    }

    /// MSH-2 as these separators write it.
    pub fn encoding_characters(self) -> String {
        [
            Some(self.component),
            Some(self.repetition),
            Some(self.escape),
            Some(self.subcomponent),
            self.truncation,
        ]
        .into_iter()
        .flatten()
        .map(char::from)
        .collect()
    }
}

/// Where one segment lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub end: u32,
    /// The place of its first field in the table of field starts.
    pub first_field: u32,
    pub field_count: u32,
}

/// A parsed message. Its header has been checked: MSH-9, MSH-10 and MSH-12 are there.
#[derive(Clone, PartialEq, Eq)]
pub struct Message<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) separators: Separators,
    pub(super) spans: Vec<Span>,
    /// Where each field starts, segment after segment.
    pub(super) field_starts: Vec<u32>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} segments, hidden)", self.spans.len())
    }
}

impl<'a> Message<'a> {
    /// The segments in the order they were sent, the header first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        self.spans.iter().map(|span| Segment {
            text: &self.text,
            span: *span,
            field_starts: &self.field_starts,
            separators: self.separators,
        })
    }

    /// The first segment of this name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// A field of the first segment of this name; empty where there is none.
    pub fn field(&self, segment: &str, number: usize) -> Field<'_> {
        self.segment(segment)
            .map_or(Field::empty(self.separators), |found| found.field(number))
    }

    /// The separators the message declares.
    pub fn separators(&self) -> Separators {
        self.separators
    }

    /// MSH-9.1, such as `ADT`.
    pub fn code(&self) -> &str {
        self.field("MSH", 9).component(1).raw()
    }

    /// MSH-9.2, such as `A01`; from EVN-1 where MSH-9 has none.
    pub fn trigger(&self) -> &str {
        let trigger = self.field("MSH", 9).component(2).raw();
        if trigger.is_empty() {
            self.field("EVN", 1).raw()
        } else {
            trigger
        }
    }

    /// The message as text with CR after each segment.
    pub fn print(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        for segment in self.segments() {
            out.push_str(segment.raw());
            out.push('\r');
        }
        out
    }
}

/// One segment.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    text: &'m str,
    span: Span,
    field_starts: &'m [u32],
    separators: Separators,
}

impl<'m> Segment<'m> {
    /// Three letters or digits, such as `PID`.
    pub fn name(&self) -> &'m str {
        let start = self.span.start as usize;
        self.text.get(start..start + 3).unwrap_or("")
    }

    /// The segment as sent, without its end.
    pub fn raw(&self) -> &'m str {
        self.text
            .get(self.span.start as usize..self.span.end as usize)
            .unwrap_or("")
    }

    /// A field by its number in the standard, from 1; empty where the segment is shorter. For the
    /// header, MSH-1 and MSH-2 are the separators.
    pub fn field(&self, number: usize) -> Field<'m> {
        let is_header = self.name() == "MSH";
        let place = match (is_header, number) {
            (_, 0) => return Field::empty(self.separators),
            (true, 1) => return self.piece(self.span.start as usize + 3, 1),
            (true, number) => number - 2,
            (false, number) => number - 1,
        };
        let count = self.span.field_count as usize;
        if place >= count {
            return Field::empty(self.separators);
        }
        let table = self.span.first_field as usize + place;
        let start = self.field_starts.get(table).copied().unwrap_or(0) as usize;
        let end = if place + 1 < count {
            self.field_starts.get(table + 1).copied().unwrap_or(1) as usize - 1
        } else {
            self.span.end as usize
        };
        self.piece(start, end.saturating_sub(start))
    }

    /// How many fields were sent, counted by their number in the standard.
    pub fn field_count(&self) -> usize {
        let header = usize::from(self.name() == "MSH");
        self.span.field_count as usize + header
    }

    fn piece(&self, start: usize, bytes: usize) -> Field<'m> {
        Field {
            raw: self.text.get(start..start + bytes).unwrap_or(""),
            separators: self.separators,
        }
    }
}

/// A field, one repetition of it, a component or a sub-component: a slice that knows its separators.
#[derive(Clone, Copy)]
pub struct Field<'m> {
    raw: &'m str,
    separators: Separators,
}

impl<'m> Field<'m> {
    fn empty(separators: Separators) -> Self {
        Self {
            raw: "",
            separators,
        }
    }

    /// As sent, escape sequences and all.
    pub fn raw(self) -> &'m str {
        self.raw
    }

    /// Whether nothing was sent.
    pub fn is_empty(self) -> bool {
        self.raw.trim_ascii().is_empty()
    }

    /// Whether `""` was sent: the sender says there is no value (any more).
    pub fn is_null(self) -> bool {
        self.raw == "\"\""
    }

    /// Whether there is a value: neither empty nor `""`.
    pub fn is_valued(self) -> bool {
        !self.is_empty() && !self.is_null()
    }

    /// The repetitions that hold something.
    pub fn repetitions(self) -> impl Iterator<Item = Field<'m>> + Clone {
        self.raw
            .split(char::from(self.separators.repetition))
            .map(move |raw| Self { raw, ..self })
            .filter(|repetition| repetition.is_valued())
    }

    /// A component, from 1, of the first repetition; empty where there is none.
    pub fn component(self, number: usize) -> Self {
        let first = split_at(self.raw, self.separators.repetition, 0);
        Self {
            raw: split_at(first, self.separators.component, number.wrapping_sub(1)),
            ..self
        }
    }

    /// A sub-component, from 1, of a component; empty where there is none.
    pub fn subcomponent(self, number: usize) -> Self {
        Self {
            raw: split_at(
                self.raw,
                self.separators.subcomponent,
                number.wrapping_sub(1),
            ),
            ..self
        }
    }

    /// The components of this repetition.
    pub fn components(self) -> impl Iterator<Item = Field<'m>> + Clone {
        self.raw
            .split(char::from(self.separators.component))
            .map(move |raw| Self { raw, ..self })
    }

    /// The whole of this slice as text, separators that were not escaped left in place: for text
    /// fields, whose senders often forget to escape.
    pub fn text(self) -> Cow<'m, str> {
        escape::decode(self.raw, self.separators)
    }

    /// The value at the front (first component, first sub-component), trimmed; `None` where it is
    /// empty or `""`.
    pub fn value(self) -> Option<Cow<'m, str>> {
        let front = self.component(1).subcomponent(1);
        if !front.is_valued() {
            return None;
        }
        Some(match escape::decode(front.raw.trim(), self.separators) {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }
}

/// The `number`th piece, from 0.
fn split_at(raw: &str, separator: u8, number: usize) -> &str {
    let mut from = 0;
    let mut seen = 0;
    for (place, byte) in raw.bytes().enumerate() {
        if byte == separator {
            if seen == number {
                return &raw[from..place];
            }
            seen += 1;
            from = place + 1;
        }
    }
    if seen == number { &raw[from..] } else { "" }
}
