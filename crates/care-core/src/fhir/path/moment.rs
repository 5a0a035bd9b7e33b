//! Dates, times and both together, each as precise as it was written.
//!
//! Source: FHIRPath N1 sections 5.5 (comparison by precision) and 6.7 (date and time arithmetic).
//! Two moments of which only one has an offset compare only where no offset could change the answer.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil::DateTime;

/// Which of the three types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MomentKind {
    /// A date without a time.
    Date,
    /// A date that may have a time and an offset.
    DateTime,
    /// A time of day.
    Time,
}

/// The smallest unit that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// Years.
    Year = 1,
    /// Months.
    Month,
    /// Days.
    Day,
    /// Hours.
    Hour,
    /// Minutes.
    Minute,
    /// Seconds.
    Second,
    /// A fraction of a second.
    Fraction,
}

/// A date, a dateTime or a time. Fields finer than its precision are the least there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    pub(super) kind: MomentKind,
    pub(super) precision: Precision,
    pub(super) year: i16,
    pub(super) month: i8,
    pub(super) day: i8,
    pub(super) hour: i8,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) nanos: i32,
    /// Digits of the fraction of a second.
    pub(super) digits: u8,
    /// Minutes east of UTC.
    pub(super) offset: Option<i16>,
}

const MINUTE: i64 = 60_000_000_000;
/// Offsets go from 12 hours west to 14 hours east.
const OFFSETS: (i64, i64) = (-12 * 60, 14 * 60);

impl Moment {
    const LEAST: Self = Self {
        kind: MomentKind::Time,
        precision: Precision::Year,
        year: 1970,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        digits: 0,
        offset: None,
    };

    /// Which of the three types it has.
    pub fn kind(&self) -> MomentKind {
        self.kind
    }

    /// The smallest unit it was written with.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `2026`, `2026-11`, `2026-11-23`.
    pub fn parse_date(text: &str) -> Option<Self> {
        let mut moment = Self {
            kind: MomentKind::Date,
            ..Self::LEAST
        };
        let mut parts = text.split('-');
        moment.year = digits(parts.next()?, 4)? as i16;
        if let Some(month) = parts.next() {
            moment.month = digits(month, 2)? as i8;
            moment.precision = Precision::Month;
        }
        if let Some(day) = parts.next() {
            moment.day = digits(day, 2)? as i8;
            moment.precision = Precision::Day;
        }
        let is_sound = parts.next().is_none()
            && jiff::civil::Date::new(moment.year, moment.month, moment.day).is_ok();
        is_sound.then_some(moment)
    }

    /// A date, or `2026-11-23T10`, `…T10:00`, `…T10:00:00.123` with `Z` or `+01:00` or neither.
    pub fn parse_date_time(text: &str) -> Option<Self> {
        let (date, rest) = match text.split_once('T') {
            None => (text, ""),
            Some((date, rest)) => (date, rest),
        };
        let mut moment = Self::parse_date(date)?;
        moment.kind = MomentKind::DateTime;
        if rest.is_empty() {
            return Some(moment);
        }
        if moment.precision != Precision::Day {
            return None;
        }
        let (clock, offset) = split_offset(rest)?;
        moment.offset = offset;
        moment.read_clock(clock)?;
        Some(moment)
    }

    /// `10`, `10:00`, `10:00:00`, `10:00:00.123`, with or without a leading `T`.
    pub fn parse_time(text: &str) -> Option<Self> {
        let mut moment = Self::LEAST;
        moment.read_clock(text.strip_prefix('T').unwrap_or(text))?;
        Some(moment)
    }

    /// The moment of a timestamp, in UTC, to the millisecond.
    pub fn from_timestamp(now: jiff::Timestamp) -> Self {
        let zoned = jiff::tz::Offset::UTC.to_datetime(now);
        let mut moment = Self {
            kind: MomentKind::DateTime,
            precision: Precision::Fraction,
            digits: 3,
            offset: Some(0),
            ..Self::LEAST
        };
        moment.take_fields(zoned);
        moment.nanos -= moment.nanos % 1_000_000;
        moment
    }

    /// The date alone; none of a time of day.
    pub(super) fn to_date(self) -> Option<Self> {
        (self.kind != MomentKind::Time).then_some(Self {
            kind: MomentKind::Date,
            precision: self.precision.min(Precision::Day),
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            digits: 0,
            offset: None,
            ..self
        })
    }

    /// The time of day alone, where one was written.
    pub(super) fn to_time(self) -> Option<Self> {
        (self.precision >= Precision::Hour).then_some(Self {
            kind: MomentKind::Time,
            year: Self::LEAST.year,
            month: 1,
            day: 1,
            offset: None,
            ..self
        })
    }

    fn read_clock(&mut self, text: &str) -> Option<()> {
        let (clock, fraction) = match text.split_once('.') {
            None => (text, None),
            Some((clock, fraction)) => (clock, Some(fraction)),
        };
        let mut parts = clock.split(':');
        self.hour = digits(parts.next()?, 2)? as i8;
        self.precision = Precision::Hour;
        if let Some(minute) = parts.next() {
            self.minute = digits(minute, 2)? as i8;
            self.precision = Precision::Minute;
        }
        if let Some(second) = parts.next() {
            // A leap second counts as the second before it.
            self.second = (digits(second, 2)?).min(60) as i8;
            self.second -= i8::from(self.second == 60);
            self.precision = Precision::Second;
        }
        if let Some(fraction) = fraction {
            if self.precision != Precision::Second || fraction.is_empty() {
                return None;
            }
            let kept = fraction.get(..fraction.len().min(9))?;
            let value = digits(kept, kept.len())?;
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            self.digits = kept.len() as u8;
            self.nanos = value * 10_i32.pow(9 - u32::from(self.digits));
            self.precision = Precision::Fraction;
        }
        let is_sound = parts.next().is_none() && self.hour < 24 && self.minute < 60;
        is_sound.then_some(())
    }

    pub(super) fn fields(&self) -> Option<DateTime> {
        DateTime::new(
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.nanos,
        )
        .ok()
    }

    pub(super) fn take_fields(&mut self, fields: DateTime) {
        self.year = fields.year();
        self.month = fields.month();
        self.day = fields.day();
        self.hour = fields.hour();
        self.minute = fields.minute();
        self.second = fields.second();
        self.nanos = fields.subsec_nanosecond();
    }

    /// How many of year, month, day, hour, minute and second are known.
    fn levels(&self) -> usize {
        (self.precision as usize).min(6)
    }

    fn values(&self) -> [i64; 6] {
        [
            self.year.into(),
            self.month.into(),
            self.day.into(),
            self.hour.into(),
            self.minute.into(),
            i64::from(self.second) * 1_000_000_000 + i64::from(self.nanos),
        ]
    }

    /// The same moment in UTC, where it has an offset.
    fn in_utc(&self) -> Option<Self> {
        let span = jiff::Span::new()
            .try_minutes(i64::from(self.offset?))
            .ok()?;
        let mut moment = *self;
        moment.take_fields(self.fields()?.checked_sub(span).ok()?);
        moment.offset = Some(0);
        Some(moment)
    }

    /// Nanoseconds since 1970 of the first and last moment this can mean, wherever on earth.
    fn extent(&self) -> Option<(i128, i128)> {
        let nanos = |moment: &Self| -> Option<i128> {
            let zoned = moment.fields()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(zoned.timestamp().as_nanosecond())
        };
        let last = self.filled_up();
        let (west, east) = match self.offset {
            Some(minutes) => (i64::from(minutes), i64::from(minutes)),
            None => OFFSETS,
        };
        Some((
            nanos(self)? - i128::from(east * MINUTE),
            nanos(&last)? - i128::from(west * MINUTE),
        ))
    }

    /// With every field that was not written as late as it can be.
    pub(super) fn filled_up(&self) -> Self {
        let mut last = *self;
        if self.precision < Precision::Month {
            last.month = 12;
        }
        if self.precision < Precision::Day {
            last.day = jiff::civil::Date::new(last.year, last.month, 1)
                .map_or(28, |date| date.days_in_month());
        }
        if self.precision < Precision::Hour {
            last.hour = 23;
        }
        if self.precision < Precision::Minute {
            last.minute = 59;
        }
        if self.precision < Precision::Second {
            last.second = 59;
        }
        if self.precision < Precision::Fraction {
            last.nanos = 999_000_000;
        }
        last
    }

    /// The same for moments that are equal.
    pub(super) fn key(&self) -> (usize, [i64; 6]) {
        let values = self.in_utc().unwrap_or(*self).values();
        (self.levels(), values)
    }

    /// Whether the two can be compared at all: a time of day and a date cannot.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.kind == MomentKind::Time) == (other.kind == MomentKind::Time)
    }

    /// Which is earlier; none where their precision or offset does not say.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.kind != MomentKind::Time && self.offset.is_some() != other.offset.is_some() {
            let ((first, last), (other_first, other_last)) = (self.extent()?, other.extent()?);
            return if last < other_first {
                Some(Ordering::Less)
            } else if first > other_last {
                Some(Ordering::Greater)
            } else {
                None
            };
        }
        let (left, right) = match (self.in_utc(), other.in_utc()) {
            (Some(left), Some(right)) => (left.values(), right.values()),
            _ => (self.values(), other.values()),
        };
        let (mine, others) = (self.levels(), other.levels());
        let known = mine.min(others);
        let order = left.iter().take(known).cmp(right.iter().take(known));
        (order != Ordering::Equal || mine == others).then_some(order)
    }
}

fn digits(text: &str, count: usize) -> Option<i32> {
    let sound = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

/// A clock text and its offset in minutes.
fn split_offset(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(0)));
    }
    let Some(sign_at) = text.rfind(['+', '-']) else {
        return Some((text, None));
    };
    let (clock, offset) = (text.get(..sign_at)?, text.get(sign_at + 1..)?);
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let total = hours * 60 + minutes;
    if minutes > 59 || total > 14 * 60 {
        return None;
    }
    let sign = if text.get(sign_at..)?.starts_with('-') {
        -1
    } else {
        1
    };
    Some((clock, Some((sign * total) as i16)))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != MomentKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.precision == Precision::Fraction {
            let nanos = format!("{:09}", self.nanos);
            let kept = nanos.get(..usize::from(self.digits)).unwrap_or(&nanos);
            write!(f, ".{kept}")?;
        }
        match self.offset {
            Some(0) => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_printed_again() {
        for text in [
            "2015",
            "2015-02",
            "2015-02-04",
            "2015-02-04T14",
            "2015-02-04T14:34",
            "2015-02-04T14:34:28",
            "2015-02-04T14:34:28.1",
            "2015-02-04T14:34:28.123456+10:00",
            "2015-02-04T14:34Z",
        ] {
            let moment = Moment::parse_date_time(text).expect(text);
            assert_eq!(moment.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "15",
            "2015-13",
            "2015-02-30",
            "2015T14",
            "2015-02-04T25",
            "2015-02-04T14:34:28.",
            "2015-02-04T14.5",
            "2015-02-04T14:34:28+15:00",
            "2015-02-04T14:34:28+1:00",
            "é015",
        ] {
            assert!(Moment::parse_date_time(text).is_none(), "{text}");
        }
    }

    #[test]
    fn only_one_offset_compares_where_no_offset_could_change_it() {
        let moment = |text| Moment::parse_date_time(text).expect("a moment");
        let near = moment("2012-04-15T15:00:00Z").compare(&moment("2012-04-15T10:00:00"));
        assert_eq!(near, None);
        let far = moment("2012-04-15T15:00:00Z").compare(&moment("2012-04-18"));
        assert_eq!(far, Some(Ordering::Less));
    }
}
