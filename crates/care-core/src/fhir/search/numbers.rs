//! Numbers and times with the stretch their precision leaves open.

use jiff::Timestamp;

use super::value::Span;
use crate::fhir::FhirTime;

/// The beginning of time, for an open start; and its end.
pub(super) const EVER: Span<i64> = Span {
    low: i64::MIN,
    high: i64::MAX,
};

/// A decimal as a point and as the stretch its digits leave open: `5.40` is from 5.395 to 5.405.
pub(super) fn number(text: &str) -> Option<(f64, Span<f64>)> {
    let text = text.trim();
    let is_number = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let value: f64 = text.parse().ok().filter(|_| is_number)?;
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let decimals = digits.split_once('.').map_or(0, |(_, after)| after.len());
    let half = 0.5 * 10_f64.powi(exponent - i32::try_from(decimals).ok()?);
    let span = Span {
        low: value - half,
        high: value + half,
    };
    (value.is_finite() && half.is_finite()).then_some((value, span))
}

/// A date, dateTime or instant as the stretch it can mean, in microseconds; a date is a day of UTC.
/// Searches may also leave out seconds: `2026-11-23T10:00`.
pub(super) fn moment(text: &str) -> Option<Span<i64>> {
    if let Some(span) = FhirTime::parse(text).map(|time| span_of(&time)) {
        return Some(span);
    }
    // A dateTime without seconds or without an offset (then UTC), as requests may write it.
    let (day, rest) = text.split_once('T')?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = (rest.get(..zone_at)?, rest.get(zone_at..)?);
    let zone = if zone.is_empty() { "Z" } else { zone };
    let (clock, is_minute) = match clock.len() {
        5 => (format!("{clock}:00"), true),
        _ => (clock.to_owned(), false),
    };
    let span = span_of(&FhirTime::parse(&format!("{day}T{clock}{zone}"))?);
    Some(if is_minute {
        Span {
            low: span.low,
            high: span.low + 60_000_000,
        }
    } else {
        span
    })
}

/// The stretch a FHIR time can mean.
pub(super) fn span_of(time: &FhirTime) -> Span<i64> {
    let low = time.earliest().as_microsecond();
    let high = if time.has_time() {
        low + width(time.as_str())
    } else {
        time.latest().as_microsecond() + 1_000_000
    };
    Span { low, high }
}

/// How long a time of day with this many digits after the second lasts.
fn width(text: &str) -> i64 {
    let digits = text.split_once('.').map_or(0, |(_, after)| {
        after.bytes().take_while(u8::is_ascii_digit).count()
    });
    match digits {
        0 => 1_000_000,
        1..=3 => 1_000,
        _ => 1,
    }
}

/// A tenth of the distance from now: how near `ap` is, at least the stretch itself.
pub(super) fn near(span: Span<i64>, now: Timestamp) -> Span<i64> {
    let now = now.as_microsecond();
    let middle = span.low / 2 + span.high / 2;
    let distance = (now.saturating_sub(middle) / 10).saturating_abs();
    Span {
        low: span.low.saturating_sub(distance),
        high: span.high.saturating_add(distance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_leave_open_what_their_digits_leave_open() {
        for (text, low, high) in [
            ("100", 99.5, 100.5),
            ("100.00", 99.995, 100.005),
            ("1e2", 50.0, 150.0),
            ("-5.4", -5.45, -5.35),
        ] {
            let (_, span) = number(text).expect(text);
            assert!(
                (span.low - low).abs() < 1e-9 && (span.high - high).abs() < 1e-9,
                "{text}"
            );
        }
        for text in ["", "a", "1,5", "inf", "nan", "1e999"] {
            assert!(number(text).is_none(), "{text}");
        }
    }

    #[test]
    fn times_leave_open_what_their_precision_leaves_open() {
        for (text, seconds) in [
            ("2026", 365 * 86_400),
            ("2024-02", 29 * 86_400),
            ("2026-11-23", 86_400),
            ("2026-11-23T10:00", 60),
            ("2026-11-23T10:00Z", 60),
            ("2026-11-23T10:00:00+01:00", 1),
            ("2026-11-23T10:00:00", 1),
        ] {
            let span = moment(text).expect(text);
            assert_eq!(span.high - span.low, seconds * 1_000_000, "{text}");
        }
        for text in [
            "",
            "23-11-2026",
            "2026-13",
            "2026-11-23T25:00",
            "2026-02-30",
            "2026-11-23T",
        ] {
            assert!(moment(text).is_none(), "{text}");
        }
    }
}
