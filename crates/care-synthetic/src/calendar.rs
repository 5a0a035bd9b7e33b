//! Days and moments as people and systems write them: civil days, London wall-clock time.
//!
//! Never asks what time it is. The day arithmetic is the usual proleptic Gregorian one; British
//! Summer Time runs from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of
//! October (Summer Time Order 2002).

use jiff::Timestamp;

/// A civil day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// A minute of London wall-clock time on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct When {
    /// The day.
    pub day: Day,
    /// Minutes since midnight.
    pub minute: u16,
}

impl Day {
    /// The day of a year, month and day of the month. Days past the month's end run on into the next.
    pub fn of(year: i32, month: u32, day: u32) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_index = (month as i32 + 9) % 12;
        let day_of_year = (153 * month_index + 2) / 5 + day as i32 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    /// Year, month and day of the month.
    pub fn parts(self) -> (i32, u32, u32) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 {
            month_index + 3
        } else {
            month_index - 9
        };
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year, month as u32, day as u32)
    }

    /// This many days earlier.
    pub fn back(self, days: i32) -> Self {
        Self(self.0 - days)
    }

    /// This many days later.
    pub fn on(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// The nearest working day at or before this one (Monday to Friday; holidays are not known).
    pub fn working(self) -> Self {
        match self.weekday() {
            6 => self.back(1),
            7 => self.back(2),
            _ => self,
        }
    }

    /// Monday is 1, Sunday is 7.
    pub fn weekday(self) -> i32 {
        (self.0 + 3).rem_euclid(7) + 1
    }

    /// A time of this day.
    pub fn at(self, hour: u16, minute: u16) -> When {
        When {
            day: self,
            minute: hour * 60 + minute,
        }
    }

    /// `2026-09-14`.
    pub fn iso(self) -> String {
        let (year, month, day) = self.parts();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `20260914`.
    pub fn compact(self) -> String {
        let (year, month, day) = self.parts();
        format!("{year:04}{month:02}{day:02}")
    }

    /// `14 September 2026`.
    pub fn words(self) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let (year, month, day) = self.parts();
        let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
        format!("{day} {month} {year}")
    }

    /// Full years from a birthday to this day.
    pub fn years_since(self, birth: Day) -> i32 {
        let (year, month, day) = self.parts();
        let (birth_year, birth_month, birth_day) = birth.parts();
        year - birth_year - i32::from((month, day) < (birth_month, birth_day))
    }
}

impl When {
    /// The London wall-clock minute of a moment.
    pub fn of(moment: Timestamp) -> Self {
        let seconds = moment.as_second();
        let utc = Self::from_utc_seconds(seconds);
        if utc.is_summer_utc() {
            Self::from_utc_seconds(seconds + 3600)
        } else {
            utc
        }
    }

    fn from_utc_seconds(seconds: i64) -> Self {
        Self {
            day: Day(seconds.div_euclid(86_400) as i32),
            minute: (seconds.rem_euclid(86_400) / 60) as u16,
        }
    }

    /// This many minutes later.
    pub fn plus(self, minutes: i32) -> Self {
        let total = i32::from(self.minute) + minutes;
        Self {
            day: Day(self.day.0 + total.div_euclid(1440)),
            minute: total.rem_euclid(1440) as u16,
        }
    }

    /// The moment.
    pub fn timestamp(self) -> Timestamp {
        let local = i64::from(self.day.0) * 86_400 + i64::from(self.minute) * 60;
        let seconds = if self.is_summer() {
            local - 3600
        } else {
            local
        };
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// `2026-09-14T10:30:00+01:00`.
    pub fn fhir(self) -> String {
        let offset = if self.is_summer() { "+01:00" } else { "+00:00" };
        format!(
            "{}T{:02}:{:02}:00{offset}",
            self.day.iso(),
            self.minute / 60,
            self.minute % 60
        )
    }

    /// `202609141030`, local time without an offset, as British v2 systems send it.
    pub fn v2(self) -> String {
        format!(
            "{}{:02}{:02}",
            self.day.compact(),
            self.minute / 60,
            self.minute % 60
        )
    }

    fn is_summer(self) -> bool {
        self.plus(-60).is_summer_utc()
    }

    fn is_summer_utc(self) -> bool {
        let (year, _, _) = self.day.parts();
        let starts = last_sunday(year, 3).at(1, 0);
        let ends = last_sunday(year, 10).at(1, 0);
        starts <= self && self < ends
    }
}

fn last_sunday(year: i32, month: u32) -> Day {
    let last = Day::of(year, month, 31);
    last.back(last.weekday() % 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_read_back_as_written_for_two_centuries() {
        for count in -30_000..40_000 {
            let (year, month, day) = Day(count).parts();
            assert_eq!(Day::of(year, month, day), Day(count));
        }
        assert_eq!(Day::of(2026, 9, 14).iso(), "2026-09-14");
        assert_eq!(Day::of(2026, 9, 14).weekday(), 1, "a Monday");
    }

    #[test]
    fn london_is_an_hour_ahead_in_summer_only() {
        assert_eq!(
            Day::of(2026, 7, 1).at(9, 0).fhir(),
            "2026-07-01T09:00:00+01:00"
        );
        assert_eq!(
            Day::of(2026, 1, 1).at(9, 0).fhir(),
            "2026-01-01T09:00:00+00:00"
        );
        assert_eq!(
            Day::of(2026, 3, 29).at(9, 0).timestamp().to_string(),
            "2026-03-29T08:00:00Z"
        );
        assert_eq!(
            Day::of(2026, 10, 25).at(9, 0).timestamp().to_string(),
            "2026-10-25T09:00:00Z"
        );
        for minute in [0, 400, 900] {
            let when = Day::of(2026, 6, 3).at(0, 0).plus(minute);
            assert_eq!(When::of(when.timestamp()), when);
        }
    }

    #[test]
    fn an_age_counts_full_years() {
        let birth = Day::of(1945, 7, 14);
        assert_eq!(Day::of(2026, 7, 13).years_since(birth), 80);
        assert_eq!(Day::of(2026, 7, 14).years_since(birth), 81);
    }
}
