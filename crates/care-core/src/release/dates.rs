//! Dates on the way out: moved by the person's own number of days, or coarsened to month or year.
//! The time of day always stays at home.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What becomes of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateRule {
    /// Moved by up to half a year, all dates of a person by the same days.
    Shifted,
    /// Year and month.
    Month,
    /// Year.
    Year,
    /// As recorded: identifiable releases only.
    Exact,
}

impl DateRule {
    /// Every rule, in the order of the form.
    pub const ALL: &'static [Self] = &[Self::Shifted, Self::Month, Self::Year, Self::Exact];

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Shifted => "shifted",
            Self::Month => "month",
            Self::Year => "year",
            Self::Exact => "exact",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Shifted => {
                "Moved by up to half a year, by the same days for all dates of a person"
            }
            Self::Month => "Month and year",
            Self::Year => "Year",
            Self::Exact => "As recorded (identifiable releases only)",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.code() == code)
    }
}

/// A FHIR date or time as it may leave; `None` for a text that is no date. What was recorded to the
/// month or year leaves no finer.
pub fn released_date(text: &str, rule: DateRule, shift_days: i32) -> Option<String> {
    let day = parsed(text)?;
    let precision = text.len().min(10);
    Some(match rule {
        DateRule::Exact => text.to_owned(),
        DateRule::Year => format!("{:04}", day.year()),
        DateRule::Month if precision >= 7 => format!("{:04}-{:02}", day.year(), day.month()),
        DateRule::Month => format!("{:04}", day.year()),
        DateRule::Shifted => {
            let moved = day.checked_add(shift_days.days()).ok()?;
            let whole = moved.to_string();
            whole.get(..precision)?.to_owned()
        }
    })
}

/// The day a text names; of a month or year, its middle. Only digits and dashes in front, and after
/// the day nothing or a time.
fn parsed(text: &str) -> Option<Date> {
    match text.len() {
        4 => format!("{text}-07-01").parse().ok(),
        7 => format!("{text}-15").parse().ok(),
        10 => text.parse().ok(),
        _ => {
            let (day, rest) = (text.get(..10)?, text.get(10..)?);
            let time = rest.strip_prefix('T')?;
            let is_time = time.len() <= 24
                && time.bytes().all(|it| {
                    it.is_ascii_digit() || matches!(it, b':' | b'.' | b'+' | b'-' | b'Z')
                });
            if is_time { day.parse().ok() } else { None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_or_coarsen_and_never_keep_the_time() {
        let table = [
            (
                "2026-10-02T14:05:00+01:00",
                DateRule::Shifted,
                -3,
                Some("2026-09-29"),
            ),
            ("2026-10-02", DateRule::Shifted, 120, Some("2027-01-30")),
            ("2026-10", DateRule::Shifted, 20, Some("2026-11")),
            ("2026", DateRule::Shifted, -182, Some("2025")),
            ("2026-10-02T14:05:00Z", DateRule::Month, 9, Some("2026-10")),
            ("2026", DateRule::Month, 9, Some("2026")),
            ("2026-10-02", DateRule::Year, 9, Some("2026")),
            ("2026-10-02", DateRule::Exact, 9, Some("2026-10-02")),
            ("2026-02-31", DateRule::Year, 0, None),
            ("2026-10-02 Jacob", DateRule::Exact, 0, None),
            ("2026-10-02Tea with Jacob", DateRule::Exact, 0, None),
            ("yesterday", DateRule::Shifted, 1, None),
            ("", DateRule::Exact, 1, None),
        ];
        for (text, rule, shift, expected) in table {
            assert_eq!(
                released_date(text, rule, shift).as_deref(),
                expected,
                "{text} {rule:?}"
            );
        }
    }
}
