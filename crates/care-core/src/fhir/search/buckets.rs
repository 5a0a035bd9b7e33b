//! Times and numbers as places in an order, coarse and fine, so that a stretch of the order is a short list
//! of places.

use super::value::Span;

const DAY: i64 = 86_400_000_000;
/// Years that have a place of their own; what is before or after shares one.
const YEARS: (i64, i64) = (1900, 2060);

/// How wide a place in time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Year,
    Month,
    Day,
}

/// A place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    pub width: Width,
    /// Years; months since year 0; days since 1970.
    pub number: i64,
}

/// A moment's year, month and day, of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

/// The date of a day number since 1970 (proleptic Gregorian; Hinnant's algorithm for civil dates).
fn civil(day: i64) -> Civil {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let turned = (5 * of_year + 2) / 153;
    let month = if turned < 10 { turned + 3 } else { turned - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day,
    }
}

/// The number of the first day of a month.
fn first_day(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let turned = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * turned + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn at(micros: i64) -> Civil {
    civil(micros.div_euclid(DAY))
}

impl Civil {
    fn is_placed(self) -> bool {
        (YEARS.0..=YEARS.1).contains(&self.year)
    }

    fn year_number(self) -> i64 {
        self.year.clamp(YEARS.0 - 1, YEARS.1 + 1)
    }

    fn month_number(self) -> i64 {
        self.year * 12 + self.month
    }

    /// The places that hold this moment, the widest first.
    fn places(self) -> Vec<When> {
        let mut places = vec![year(self.year_number())];
        if self.is_placed() {
            places.push(month(self.month_number()));
            places.push(day(self.day));
        }
        places
    }
}

fn year(number: i64) -> When {
    When {
        width: Width::Year,
        number,
    }
}

fn month(number: i64) -> When {
    When {
        width: Width::Month,
        number,
    }
}

fn day(number: i64) -> When {
    When {
        width: Width::Day,
        number,
    }
}

/// Where a stretch of time lies: the places that hold all of it, and where they do not say everything,
/// those of its beginning and of its end.
pub(super) struct Placed {
    pub within: Vec<When>,
    pub low: Vec<When>,
    pub high: Vec<When>,
}

/// The places of a stretch.
pub(super) fn placed(span: Span<i64>) -> Placed {
    let last = at(span.high.max(span.low.saturating_add(1)) - 1);
    let first = at(span.low);
    let (low, high) = (first.places(), last.places());
    let within: Vec<When> = low
        .iter()
        .filter(|place| high.contains(place))
        .copied()
        .collect();
    if within.len() == low.len() && within.len() == high.len() {
        return Placed {
            within,
            low: Vec::new(),
            high: Vec::new(),
        };
    }
    Placed { within, low, high }
}

/// Whether a moment is where a day begins, so that days alone say what is before and after it.
pub(super) fn is_midnight(micros: i64) -> bool {
    micros.rem_euclid(DAY) == 0
}

/// Whether years alone decide: the moment is beyond the years that have places.
pub(super) fn is_beyond(micros: i64) -> bool {
    !at(micros).is_placed()
}

/// The place that is exactly this stretch.
pub(super) fn exactly(span: Span<i64>) -> Option<When> {
    if !is_midnight(span.low) || !is_midnight(span.high) || span.high <= span.low {
        return None;
    }
    let (first, next) = (at(span.low), at(span.high));
    if !first.is_placed() {
        return None;
    }
    let is_first_of_month = first.day == first_day(first.year, first.month);
    if next.day == first.day + 1 {
        return Some(day(first.day));
    }
    if is_first_of_month && next.day == after(first) {
        return Some(month(first.month_number()));
    }
    let is_year = first.month == 1 && is_first_of_month;
    (is_year && next.day == first_day(first.year + 1, 1)).then(|| year(first.year))
}

/// The first day of the month after.
fn after(date: Civil) -> i64 {
    if date.month == 12 {
        first_day(date.year + 1, 1)
    } else {
        first_day(date.year, date.month + 1)
    }
}

/// The narrowest place that holds the whole stretch, where there is one.
pub(super) fn around(span: Span<i64>) -> Option<When> {
    placed(span).within.last().copied()
}

/// The places from the day of this moment on, to the end of time.
pub(super) fn from(micros: i64) -> Vec<When> {
    let date = at(micros);
    let mut places: Vec<When> = (date.year_number() + 1..=YEARS.1 + 1).map(year).collect();
    if !date.is_placed() {
        places.push(year(date.year_number()));
        return places;
    }
    places.extend((date.month + 1..=12).map(|one| month(date.year * 12 + one)));
    places.extend((date.day..after(date)).map(day));
    places
}

/// The places from the beginning of time up to the day of this moment.
pub(super) fn up_to(micros: i64) -> Vec<When> {
    let date = at(micros);
    let mut places: Vec<When> = (YEARS.0 - 1..date.year_number()).map(year).collect();
    if !date.is_placed() {
        places.push(year(date.year_number()));
        return places;
    }
    places.extend((1..date.month).map(|one| month(date.year * 12 + one)));
    places.extend((first_day(date.year, date.month)..=date.day).map(day));
    places
}

/// Numbers beyond these share a place, and those nearer to zero share zero's.
const GREATEST: f64 = 1_099_511_627_776.0;
const LEAST: f64 = 1.0 / 1_048_576.0;
/// How many places a stretch of numbers may be named by.
const MOST_FINE: i64 = 48;

/// A number's place in the order of numbers; `bits` of the mantissa (52 at most) are kept.
fn place(value: f64, bits: u32) -> i64 {
    let value = value.clamp(-GREATEST, GREATEST);
    if value.abs() < LEAST {
        return 0;
    }
    let size = (value.abs().to_bits() - LEAST.to_bits()) >> (52 - bits);
    let size = i64::try_from(size).unwrap_or(i64::MAX - 1) + 1;
    if value < 0.0 { -size } else { size }
}

/// A number's coarse place (it doubles from one to the next) and its fine one (a sixteenth of that).
pub(super) fn places(value: f64) -> (i64, i64) {
    (place(value, 0), place(value, 4))
}

/// The places of a stretch of numbers: whether they are fine ones, the first and the last.
pub(super) fn stretch(low: f64, high: f64) -> (bool, std::ops::RangeInclusive<i64>) {
    let (first, last) = (places(low), places(high));
    if last.1 - first.1 < MOST_FINE {
        return (true, first.1..=last.1);
    }
    (false, first.0..=last.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search::numbers::moment;

    #[test]
    fn a_date_that_was_asked_is_one_place_and_others_lie_before_or_after_it() {
        for (text, width) in [
            ("2024", Width::Year),
            ("2024-02", Width::Month),
            ("2024-12", Width::Month),
            ("2024-02-29", Width::Day),
            ("1900-01-01", Width::Day),
        ] {
            let span = moment(text).expect(text);
            assert_eq!(
                exactly(span).map(|place| place.width),
                Some(width),
                "{text}"
            );
            assert_eq!(around(span), exactly(span), "{text}");
        }
        let day = |text: &str| moment(text).expect(text).low;
        let on = placed(moment("2024-05-06T07:08:09Z").expect("a time")).within;
        for (edge, is_after, is_before) in [
            ("2024-05-06", true, true),
            ("2024-05-07", false, true),
            ("2024-05-05", true, false),
            ("2023-12-31", true, false),
            ("2025-01-01", false, true),
            ("1850-01-01", true, false),
            ("2300-01-01", false, true),
        ] {
            let has = |places: Vec<When>| places.iter().any(|place| on.contains(place));
            assert_eq!(has(from(day(edge))), is_after, "from {edge}");
            assert_eq!(has(up_to(day(edge))), is_before, "up to {edge}");
        }
    }

    #[test]
    fn places_of_numbers_keep_their_order() {
        let numbers = [
            f64::NEG_INFINITY,
            -1e15,
            -5.0,
            -0.1,
            -1e-9,
            0.0,
            1e-9,
            0.1,
            0.11,
            5.0,
            5.4,
            1e15,
            f64::INFINITY,
        ];
        for pair in numbers.windows(2) {
            assert!(places(pair[0]).0 <= places(pair[1]).0, "{pair:?}");
            assert!(places(pair[0]).1 <= places(pair[1]).1, "{pair:?}");
        }
        assert!(stretch(f64::NEG_INFINITY, f64::INFINITY).1.count() < 140);
        assert!(stretch(5.35, 5.45).0);
    }
}
