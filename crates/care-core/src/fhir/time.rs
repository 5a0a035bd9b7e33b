//! FHIR's date, dateTime and instant, with the precision and offset that were sent.
//!
//! Source: FHIR R4 section 2.24.0.1 (primitive types).

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::Offset;

use crate::vocabulary::PartialDate;

/// A moment or a stretch of time as FHIR writes it; prints exactly as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FhirTime {
    text: Box<str>,
    date: PartialDate,
    clock: Option<(Time, Offset)>,
}

impl FhirTime {
    /// Reads a date, dateTime or instant: `2026`, `2026-11`, `2026-11-23`,
    /// `2026-11-23T10:00:00Z`, `2026-11-23T10:00:00.123+01:00`. Anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, clock) = match text.split_once('T') {
            None => (PartialDate::parse_fhir(text)?, None),
            Some((day, rest)) => {
                let date = PartialDate::parse_fhir(day)?;
                date.day?;
                (date, Some(parse_clock(rest)?))
            }
        };
        Some(Self {
            text: text.into(),
            date,
            clock,
        })
    }

    /// An instant, written with `Z`.
    pub fn from_timestamp(moment: Timestamp) -> Self {
        let zoned = Offset::UTC.to_datetime(moment);
        Self {
            text: moment.to_string().into(),
            date: PartialDate::from_date(zoned.date()),
            clock: Some((zoned.time(), Offset::UTC)),
        }
    }

    /// As it was sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The date part, in the offset that was sent.
    pub fn date(&self) -> PartialDate {
        self.date
    }

    /// The time of day, where one was sent, in the offset that was sent.
    pub fn time(&self) -> Option<Time> {
        self.clock.map(|(time, _)| time)
    }

    /// Whether a time of day was sent.
    pub fn has_time(&self) -> bool {
        self.clock.is_some()
    }

    /// The first moment it can mean; a date begins at midnight UTC. For sorting and windows.
    pub fn earliest(&self) -> Timestamp {
        let day = self.date.first_day();
        let (time, offset) = self.clock.unwrap_or((Time::midnight(), Offset::UTC));
        offset
            .to_timestamp(day.to_datetime(time))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The last moment it can mean: the end of the day, month or year; itself where a time was sent.
    pub fn latest(&self) -> Timestamp {
        if self.clock.is_some() {
            return self.earliest();
        }
        let first = self.date.first_day();
        let last = match (self.date.month, self.date.day) {
            (Some(_), Some(_)) => first,
            (Some(_), None) => first.last_of_month(),
            _ => first.last_of_year(),
        };
        Offset::UTC
            .to_timestamp(last.to_datetime(Time::midnight()))
            .ok()
            .and_then(|day| {
                day.checked_add(jiff::SignedDuration::from_secs(86_399))
                    .ok()
            })
            .unwrap_or_else(|| self.earliest())
    }
}

impl fmt::Display for FhirTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for FhirTime {
    /// By the first moment each can mean; the less precise first where those are one.
    fn cmp(&self, other: &Self) -> Ordering {
        self.earliest()
            .cmp(&other.earliest())
            .then_with(|| self.text.len().cmp(&other.text.len()))
            .then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for FhirTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether the text is a FHIR `time`: hours, minutes, seconds and perhaps a fraction.
pub(super) fn is_time_of_day(text: &str) -> bool {
    parse_time(text).is_some()
}

fn parse_clock(text: &str) -> Option<(Time, Offset)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((parse_time(time)?, Offset::UTC));
    }
    let sign_at = text.rfind(['+', '-'])?;
    let (time, offset) = (text.get(..sign_at)?, text.get(sign_at..)?);
    let hours = two_digits(offset.get(1..3)?)?;
    let minutes = two_digits(offset.get(4..)?)?;
    if offset.get(3..4)? != ":" || minutes > 59 || i32::from(hours) * 60 + i32::from(minutes) > 840
    {
        return None;
    }
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    let seconds = if offset.starts_with('-') {
        -seconds
    } else {
        seconds
    };
    Some((parse_time(time)?, Offset::from_seconds(seconds).ok()?))
}

/// `HH:MM:SS` with an optional fraction; a leap second counts as the second before it.
fn parse_time(text: &str) -> Option<Time> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    if whole.len() != 8 || whole.get(2..3)? != ":" || whole.get(5..6)? != ":" {
        return None;
    }
    let hour = two_digits(whole.get(..2)?)?;
    let minute = two_digits(whole.get(3..5)?)?;
    let second = two_digits(whole.get(6..)?)?;
    let nanos = match fraction {
        None => 0,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let mut nine: String = digits.chars().take(9).collect();
            while nine.len() < 9 {
                nine.push('0');
            }
            nine.parse().ok()?
        }
        Some(_) => return None,
    };
    if second > 60 {
        return None;
    }
    Time::new(hour, minute, second.min(59), nanos).ok()
}

fn two_digits(text: &str) -> Option<i8> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_printed_unchanged() {
        for text in [
            "2026",
            "2026-11",
            "2026-11-23",
            "2026-11-23T10:00:00Z",
            "2026-11-23T10:00:00.1234567890123+01:00",
            "2026-06-30T23:59:60Z",
            "0001-01-01T00:00:00-14:00",
        ] {
            assert_eq!(FhirTime::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_fhir_does_not_allow_is_refused() {
        for text in [
            "",
            "26",
            "2026-13",
            "2026-02-29",
            "2026-11-23T",
            "2026-11-23T10:00Z",
            "2026-11-23T10:00:00",
            "2026-11-23T24:00:00Z",
            "2026-11-23T10:00:00+15:00",
            "2026-11-23T10:00:00+0100",
            "2026-11T10:00:00Z",
            "2026-11-23 10:00:00Z",
            "2026-11-23T10:00:00.Z",
            "2026-11-23T10:00:00é",
            "2026-11-23T1é:00:00Z",
        ] {
            assert_eq!(FhirTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_by_moment_whatever_the_offset() {
        let mut times: Vec<FhirTime> = [
            "2026-11-23T10:00:00Z",
            "2026-11-23T10:30:00+01:00",
            "2026-11-23",
            "2026",
            "2026-11-23T00:00:00Z",
        ]
        .iter()
        .filter_map(|text| FhirTime::parse(text))
        .collect();
        times.sort();
        let texts: Vec<&str> = times.iter().map(FhirTime::as_str).collect();
        assert_eq!(
            texts,
            [
                "2026",
                "2026-11-23",
                "2026-11-23T00:00:00Z",
                "2026-11-23T10:30:00+01:00",
                "2026-11-23T10:00:00Z"
            ]
        );
    }
}
