//! Dates and times to any precision, as sent: `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ]`.
//!
//! What was not sent is not made up. A time without a zone is a time in Europe/London. Source: HL7
//! v2.8.2 section 2A.2.22 (DTM).

use std::fmt;

use jiff::civil;
use jiff::tz::{self, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A moment or a day as the sender wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime<'m> {
    /// The year, 1 to 9999.
    pub year: i16,
    /// The month, if sent.
    pub month: Option<i8>,
    /// The day, if sent.
    pub day: Option<i8>,
    /// The hour, 0 to 23, if sent.
    pub hour: Option<i8>,
    /// The minute, if sent.
    pub minute: Option<i8>,
    /// The second, if sent.
    pub second: Option<i8>,
    /// The digits after the second's point, as sent.
    pub fraction: Option<&'m str>,
    /// The zone sent, in minutes east of UTC.
    pub offset_minutes: Option<i16>,
}

/// Why a text is no time. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DateTimeError {
    /// Not the digits of a date.
    #[error(
        "this is no date; send YYYYMMDD or YYYYMMDDHHMM, digits only, and a zone such as +0100"
    )]
    Form,
    /// Digits that are no day in the calendar.
    #[error(
        "there is no such day in the calendar; send the year, month and day that are known, and leave off what is not"
    )]
    NoSuchDay,
    /// Digits that are no time of day.
    #[error(
        "there is no such time of day; hours go from 00 to 23 (midnight is 0000 of the next day), minutes and seconds from 00 to 59"
    )]
    NoSuchTime,
    /// A zone out of range.
    #[error("there is no such time zone; send + or - and hours and minutes, such as +0100")]
    NoSuchZone,
}

impl<'m> DateTime<'m> {
    /// Reads a date or a time.
    pub fn parse(text: &'m str) -> Result<Self, DateTimeError> {
        let text = text.trim_ascii();
        let (moment, zone) = match text.find(['+', '-']) {
            Some(place) => (&text[..place], Some(&text[place..])),
            None => match text.strip_suffix('Z') {
                Some(moment) => (moment, Some("+0000")),
                None => (text, None),
            },
        };
        let (digits, fraction) = match moment.split_once('.') {
            Some((digits, fraction)) => (digits, Some(fraction)),
            None => (moment, None),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(digits)
            || !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14)
            || fraction.is_some_and(|f| f.is_empty() || f.len() > 9 || !all_digits(f))
            || (fraction.is_some() && digits.len() != 14)
        {
            return Err(DateTimeError::Form);
        }
        let part = |start: usize| {
            digits
                .get(start..start + 2)
                .and_then(|two| two.parse().ok())
        };
        let read = Self {
            year: digits[..4].parse().map_err(|_| DateTimeError::Form)?,
            month: part(4),
            day: part(6),
            hour: part(8),
            minute: part(10),
            second: part(12),
            fraction,
            offset_minutes: zone.map(read_zone).transpose()?,
        };
        read.checked()
    }

    fn checked(self) -> Result<Self, DateTimeError> {
        civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1))
            .ok()
            .filter(|date| date.year() > 0)
            .ok_or(DateTimeError::NoSuchDay)?;
        let in_range = self.hour.unwrap_or(0) < 24
            && self.minute.unwrap_or(0) < 60
            && self.second.unwrap_or(0) < 60;
        if in_range {
            Ok(self)
        } else {
            Err(DateTimeError::NoSuchTime)
        }
    }

    /// The earliest moment it can mean: what was not sent counts as its first value, and no zone as
    /// Europe/London.
    pub fn to_timestamp(self) -> Option<Timestamp> {
        let moment = self.civil()?;
        match self.offset_minutes {
            Some(minutes) => TimeZone::UTC
                .to_timestamp(moment)
                .ok()?
                .checked_sub(SignedDuration::from_mins(minutes.into()))
                .ok(),
            None => london().to_timestamp(moment).ok(),
        }
    }

    /// The day as FHIR's `date`, no more precise than sent.
    pub fn to_fhir_date(self) -> String {
        match (self.month, self.day) {
            (Some(month), Some(day)) => format!("{:04}-{month:02}-{day:02}", self.year),
            (Some(month), None) => format!("{:04}-{month:02}", self.year),
            _ => format!("{:04}", self.year),
        }
    }

    /// FHIR's `dateTime`, no more precise than sent: the day where no minutes were sent (FHIR has no
    /// hours alone), else with zone. FHIR demands seconds beside minutes; seconds that were not sent
    /// are written 00, which FHIR R4 says to ignore.
    pub fn to_fhir_datetime(self) -> String {
        let (Some(hour), Some(minute), Some(offset)) = (self.hour, self.minute, self.offset())
        else {
            return self.to_fhir_date();
        };
        let mut out = self.to_fhir_date();
        let second = self.second.unwrap_or(0);
        push(&mut out, format_args!("T{hour:02}:{minute:02}:{second:02}"));
        if let Some(fraction) = self.fraction {
            push(&mut out, format_args!(".{fraction}"));
        }
        let sign = if offset < 0 { '-' } else { '+' };
        let minutes = offset.unsigned_abs();
        push(
            &mut out,
            format_args!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
        );
        out
    }

    /// FHIR's `instant`: [`Self::to_fhir_datetime`] where the minute is known, else `None`.
    pub fn to_fhir_instant(self) -> Option<String> {
        self.minute?;
        Some(self.to_fhir_datetime())
    }

    /// The time of day as FHIR's `time`, where minutes were sent.
    pub fn to_fhir_time(self) -> Option<String> {
        let (hour, minute, second) = (self.hour?, self.minute?, self.second.unwrap_or(0));
        Some(format!("{hour:02}:{minute:02}:{second:02}"))
    }

    fn civil(self) -> Option<civil::DateTime> {
        civil::DateTime::new(
            self.year,
            self.month.unwrap_or(1),
            self.day.unwrap_or(1),
            self.hour.unwrap_or(0),
            self.minute.unwrap_or(0),
            self.second.unwrap_or(0),
            self.nanoseconds(),
        )
        .ok()
    }

    fn nanoseconds(self) -> i32 {
        let Some(fraction) = self.fraction else {
            return 0;
        };
        let value: i32 = fraction.parse().unwrap_or(0);
        value * 10_i32.pow(9_u32.saturating_sub(fraction.len() as u32))
    }

    /// Minutes east of UTC at that moment.
    fn offset(self) -> Option<i16> {
        if self.offset_minutes.is_some() {
            return self.offset_minutes;
        }
        let offset = london().to_zoned(self.civil()?).ok()?.offset();
        i16::try_from(offset.seconds() / 60).ok()
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

fn london() -> &'static TimeZone {
    static LONDON: TimeZone = tz::get!("Europe/London");
    &LONDON
}

fn read_zone(text: &str) -> Result<i16, DateTimeError> {
    let (sign, digits) = match text.as_bytes() {
        [b'+', ..] => (1, &text[1..]),
        _ => (-1, text.get(1..).unwrap_or("")),
    };
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DateTimeError::NoSuchZone);
    }
    let hours: i16 = digits[..2].parse().map_err(|_| DateTimeError::NoSuchZone)?;
    let minutes: i16 = digits[2..].parse().map_err(|_| DateTimeError::NoSuchZone)?;
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return Err(DateTimeError::NoSuchZone);
    }
    Ok(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_the_precision_it_was_sent_with() {
        for (sent, date_time, moment) in [
            ("1950", "1950", "1950-01-01T00:00:00Z"),
            ("195006", "1950-06", "1950-05-31T23:00:00Z"),
            ("19500615", "1950-06-15", "1950-06-14T23:00:00Z"),
            ("2010101014", "2010-10-10", "2010-10-10T13:00:00Z"),
            (
                "201010101418",
                "2010-10-10T14:18:00+01:00",
                "2010-10-10T13:18:00Z",
            ),
            (
                "20101210141801.25",
                "2010-12-10T14:18:01.25+00:00",
                "2010-12-10T14:18:01.25Z",
            ),
            (
                "20190514102527+0200",
                "2019-05-14T10:25:27+02:00",
                "2019-05-14T08:25:27Z",
            ),
            (
                "201203141259-0215",
                "2012-03-14T12:59:00-02:15",
                "2012-03-14T15:14:00Z",
            ),
            (
                "201903140000",
                "2019-03-14T00:00:00+00:00",
                "2019-03-14T00:00:00Z",
            ),
        ] {
            let read = DateTime::parse(sent).expect(sent);
            assert_eq!(read.to_fhir_datetime(), date_time, "{sent}");
            assert_eq!(
                read.to_timestamp().map(|t| t.to_string()).as_deref(),
                Some(moment),
                "{sent}"
            );
        }
    }

    #[test]
    fn a_text_that_is_no_time_is_refused_with_its_reason() {
        for (sent, error) in [
            ("", DateTimeError::Form),
            ("195", DateTimeError::Form),
            ("1950-06-15", DateTimeError::NoSuchZone),
            ("yesterday", DateTimeError::Form),
            ("20190229", DateTimeError::NoSuchDay),
            ("00000000", DateTimeError::NoSuchDay),
            ("201903142400", DateTimeError::NoSuchTime),
            ("201903141260", DateTimeError::NoSuchTime),
            ("20190314120000+9900", DateTimeError::NoSuchZone),
            ("２０１９", DateTimeError::Form),
        ] {
            assert_eq!(DateTime::parse(sent), Err(error), "{sent}");
        }
    }
}
