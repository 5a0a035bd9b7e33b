//! Dates and times as staff pages write them: `02-Oct-2026`, `14:05`, Europe/London, at the precision
//! recorded and no further.
//!
//! Source: NHS Common User Interface, ISB 1501 (time) and ISB 1503 (date). Never guesses a missing part.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::vocabulary::PartialDate;

/// The zone every time is shown in. Compiled in, so no file of the machine can change it.
pub fn london() -> TimeZone {
    jiff::tz::get!("Europe/London")
}

const MONTHS: [(&str, &str); 12] = [
    ("Jan", "January"),
    ("Feb", "February"),
    ("Mar", "March"),
    ("Apr", "April"),
    ("May", "May"),
    ("Jun", "June"),
    ("Jul", "July"),
    ("Aug", "August"),
    ("Sep", "September"),
    ("Oct", "October"),
    ("Nov", "November"),
    ("Dec", "December"),
];

fn month(number: i8) -> (&'static str, &'static str) {
    usize::try_from(number - 1)
        .ok()
        .and_then(|place| MONTHS.get(place).copied())
        .unwrap_or(("", ""))
}

/// A date or moment ready for a page: the short form people see, the long form screen readers say,
/// and the form of `<time datetime>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct When {
    /// `02-Oct-2026`, `02-Oct-2026 14:05`, `Oct-2026` or `2026`.
    pub short: String,
    /// `2 October 2026`, with the time where there is one.
    pub long: String,
    /// `2026-10-02`, `2026-10-02T13:05:00Z`, `2026-10` or `2026`.
    pub machine: String,
    /// For sorting: the first moment it can mean, in milliseconds of 1970.
    #[serde(skip)]
    pub sort_ms: i64,
}

impl When {
    /// A date known as far as the source said.
    pub fn partial(date: PartialDate) -> Self {
        Self {
            short: short_partial(date),
            long: long_partial(date),
            machine: date.to_string(),
            sort_ms: start_of(date.first_day()),
        }
    }

    /// A moment, with date and time.
    pub fn moment(at: Timestamp) -> Self {
        let local = local(at);
        Self {
            short: format!("{} {}", short_date(local.date()), clock(local.time())),
            long: format!("{} {}", long_date(local.date()), clock(local.time())),
            machine: at.round(Unit::Second).unwrap_or(at).to_string(),
            sort_ms: at.as_millisecond(),
        }
    }

    /// A moment of which only the day is shown.
    pub fn day(at: Timestamp) -> Self {
        let date = local(at).date();
        Self {
            short: short_date(date),
            long: long_date(date),
            machine: date.to_string(),
            sort_ms: at.as_millisecond(),
        }
    }

    /// A FHIR `date`, `dateTime` or `instant`; `None` when it is none of these.
    ///
    /// A date-only value stays date-only (hazard H13); midnight that was sent with an offset is a time.
    pub fn fhir(text: &str) -> Option<Self> {
        match text.find('T') {
            None => PartialDate::parse_fhir(text).map(Self::partial),
            Some(_) => text.parse::<Timestamp>().ok().map(Self::moment),
        }
    }

    /// The same without its time of day.
    #[must_use]
    pub fn date_only(self) -> Self {
        let cut = |text: String| match text.rsplit_once(' ') {
            Some((date, time)) if time.contains(':') => date.to_owned(),
            _ => text,
        };
        Self {
            short: cut(self.short),
            long: cut(self.long),
            machine: self.machine,
            sort_ms: self.sort_ms,
        }
    }
}

fn start_of(date: Date) -> i64 {
    date.to_zoned(london())
        .map_or(i64::MIN, |start| start.timestamp().as_millisecond())
}

/// The wall clock in London at a moment.
pub fn local(at: Timestamp) -> DateTime {
    at.to_zoned(london()).datetime()
}

/// `02-Oct-2026`.
pub fn short_date(date: Date) -> String {
    format!(
        "{:02}-{}-{:04}",
        date.day(),
        month(date.month()).0,
        date.year()
    )
}

/// `2 October 2026`.
pub fn long_date(date: Date) -> String {
    format!(
        "{} {} {:04}",
        date.day(),
        month(date.month()).1,
        date.year()
    )
}

/// `14:05`; midnight is `00:00`.
pub fn clock(time: Time) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// `02-Oct-2026`, `Oct-2026` or `2026`: what was recorded.
pub fn short_partial(date: PartialDate) -> String {
    match (date.month, date.to_date()) {
        (_, Some(day)) => short_date(day),
        (Some(number), None) => format!("{}-{:04}", month(number).0, date.year),
        (None, None) => format!("{:04}", date.year),
    }
}

/// `2 October 2026`, `October 2026` or `2026`.
pub fn long_partial(date: PartialDate) -> String {
    match (date.month, date.to_date()) {
        (_, Some(day)) => long_date(day),
        (Some(number), None) => format!("{} {:04}", month(number).1, date.year),
        (None, None) => format!("{:04}", date.year),
    }
}

/// `09:12 today` on the same London day, else `01-Oct-2026 09:12`: for "since …".
pub fn since(at: Timestamp, now: Timestamp) -> String {
    let then = local(at);
    if then.date() == local(now).date() {
        format!("{} today", clock(then.time()))
    } else {
        format!("{} {}", short_date(then.date()), clock(then.time()))
    }
}

/// When a person was born, as exactly as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// To the minute: only then are minutes and hours shown.
    Moment(Timestamp),
    /// To the day.
    Day(Date),
}

/// The age at a moment, by the CUI table; `None` before birth.
///
/// Source: ISB 1505 banner table 7: `90min`, `26hr`, `3d`, `4w 1d`, `13m 8d`, `4y 1m`, `81y`.
pub fn age(birth: Birth, at: Timestamp) -> Option<String> {
    let today = local(at).date();
    let born = match birth {
        Birth::Day(day) => day,
        Birth::Moment(moment) => {
            let minutes = (at.as_second() - moment.as_second()).div_euclid(60);
            if minutes < 0 {
                return None;
            }
            if minutes < 120 {
                return Some(format!("{minutes}min"));
            }
            if minutes < 48 * 60 {
                return Some(format!("{}hr", minutes / 60));
            }
            local(moment).date()
        }
    };
    age_by_days(born, today)
}

fn age_by_days(born: Date, today: Date) -> Option<String> {
    let days = born.until((Unit::Day, today)).ok()?.get_days();
    if days < 0 {
        return None;
    }
    let span = born.until((Unit::Year, today)).ok()?;
    let months = i32::from(span.get_years()) * 12 + span.get_months();
    Some(match (days, i32::from(span.get_years())) {
        (0..28, _) => format!("{days}d"),
        (_, 0) => pair(days / 7, "w", days % 7, "d"),
        (_, 1) => pair(months, "m", span.get_days(), "d"),
        (_, years @ 2..18) => pair(years, "y", span.get_months(), "m"),
        (_, years) => format!("{years}y"),
    })
}

fn pair(large: i32, large_unit: &str, small: i32, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit} {small}{small_unit}")
    }
}

/// The age of somebody whose birth date may be partial; `None` where the precision does not allow it.
pub fn age_of(birth: Option<PartialDate>, at: Timestamp) -> Option<String> {
    age(Birth::Day(birth?.to_date()?), at)
}

/// A length of time: `2hr 10min`, `3d`; units of nought are left out. Minutes are the smallest.
pub fn duration(minutes: i64) -> String {
    let units = [
        (minutes / 1440, "d"),
        (minutes / 60 % 24, "hr"),
        (minutes % 60, "min"),
    ];
    let words: Vec<String> = units
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if words.is_empty() {
        "0min".to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn dates_and_times_are_written_as_the_common_user_interface_says() {
        let table = [
            ("2026-10-02", "02-Oct-2026", "2 October 2026"),
            ("2026-10", "Oct-2026", "October 2026"),
            ("2026", "2026", "2026"),
            (
                "2026-10-02T13:05:00Z",
                "02-Oct-2026 14:05",
                "2 October 2026 14:05",
            ),
            (
                "2026-12-02T00:00:00Z",
                "02-Dec-2026 00:00",
                "2 December 2026 00:00",
            ),
            (
                "2026-10-02T14:05:00+01:00",
                "02-Oct-2026 14:05",
                "2 October 2026 14:05",
            ),
        ];
        for (sent, short, long) in table {
            let when = When::fhir(sent).expect(sent);
            assert_eq!(
                (when.short.as_str(), when.long.as_str()),
                (short, long),
                "{sent}"
            );
        }
        assert_eq!(When::fhir("soon"), None);
        assert_eq!(When::fhir("2026-02-30"), None);
    }

    #[test]
    fn the_hour_that_comes_twice_in_october_is_shown_as_londons_clock_showed_it() {
        assert_eq!(
            When::moment(at("2026-10-25T00:30:00Z")).short,
            "25-Oct-2026 01:30"
        );
        assert_eq!(
            When::moment(at("2026-10-25T01:30:00Z")).short,
            "25-Oct-2026 01:30"
        );
        assert_eq!(
            When::moment(at("2026-03-29T01:00:00Z")).short,
            "29-Mar-2026 02:00"
        );
    }

    #[test]
    fn ages_follow_the_table_of_the_banner_standard() {
        let now = at("2026-10-02T12:00:00Z");
        let born = |text: &str| Birth::Moment(at(text));
        let day = |text: &str| Birth::Day(text.parse().expect("a date"));
        let table = [
            (born("2026-10-02T10:30:00Z"), "90min"),
            (born("2026-10-01T10:00:00Z"), "26hr"),
            (born("2026-09-29T11:00:00Z"), "3d"),
            (day("2026-10-02"), "0d"),
            (day("2026-09-05"), "27d"),
            (day("2026-09-04"), "4w"),
            (day("2026-09-03"), "4w 1d"),
            (day("2025-08-25"), "13m 7d"),
            (day("2025-10-02"), "12m"),
            (day("2022-09-01"), "4y 1m"),
            (day("2008-10-03"), "17y 11m"),
            (day("2008-10-02"), "18y"),
            (day("1945-07-14"), "81y"),
        ];
        for (birth, expected) in table {
            assert_eq!(age(birth, now).as_deref(), Some(expected), "{birth:?}");
        }
        assert_eq!(age(day("2027-01-01"), now), None);
        assert_eq!(age_of(PartialDate::parse_fhir("1945-07"), now), None);
    }

    #[test]
    fn durations_leave_out_units_of_nought() {
        assert_eq!(duration(130), "2hr 10min");
        assert_eq!(duration(3 * 1440), "3d");
        assert_eq!(duration(0), "0min");
    }

    #[test]
    fn since_says_today_only_on_the_same_london_day() {
        let now = at("2026-10-02T12:00:00Z");
        assert_eq!(since(at("2026-10-02T08:12:00Z"), now), "09:12 today");
        assert_eq!(since(at("2026-10-01T08:12:00Z"), now), "01-Oct-2026 09:12");
    }
}
