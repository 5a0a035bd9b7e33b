//! Numbers with their precision: `1.50` is not `1.5` until somebody rounds it.
//!
//! Every operation is checked; what does not fit is `None`, as FHIRPath has it (an empty answer).

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

/// Most digits after the point a number can have here.
pub(super) const MOST_DIGITS: u32 = 28;

/// Reads a JSON or FHIRPath number; none where it does not fit 28 digits.
pub(super) fn parse(text: &str) -> Option<Decimal> {
    text.parse()
        .ok()
        .or_else(|| Decimal::from_scientific(text).ok())
}

/// Rounds halves away from zero and keeps exactly so many digits.
pub(super) fn round(number: Decimal, digits: u32) -> Decimal {
    number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

/// The same number with exactly so many digits after the point, where they fit.
pub(super) fn with_digits(mut number: Decimal, digits: u32) -> Option<Decimal> {
    number.rescale(digits);
    (number.scale() == digits).then_some(number)
}

/// Cuts off everything beyond so many digits.
pub(super) fn truncate(number: Decimal, digits: u32) -> Decimal {
    number.round_dp_with_strategy(digits, RoundingStrategy::ToZero)
}

/// Whether the two are one at the precision of the less precise.
pub(super) fn equivalent(left: Decimal, right: Decimal) -> bool {
    let digits = left.normalize().scale().min(right.normalize().scale());
    round(left, digits) == round(right, digits)
}

/// A number with a fraction computed in floating point, rounded to what that can hold.
pub(super) fn by_float(number: Decimal, compute: impl Fn(f64) -> f64) -> Option<Decimal> {
    let answer = compute(number.to_f64()?);
    answer
        .is_finite()
        .then(|| Decimal::from_f64(answer))
        .flatten()
}

/// To a power: exactly for whole ones that fit, else in floating point.
pub(super) fn power(base: Decimal, exponent: Decimal) -> Option<Decimal> {
    match exponent.to_u32() {
        Some(times) if exponent.fract().is_zero() && times <= 1000 => {
            let mut answer = Decimal::ONE;
            for _ in 0..times {
                answer = answer.checked_mul(base)?;
            }
            Some(answer)
        }
        _ => {
            let exponent = exponent.to_f64()?;
            by_float(base, |base| base.powf(exponent))
        }
    }
}

/// The whole number, where it is one of 32 bits.
pub(super) fn to_integer(number: Decimal) -> Option<i32> {
    number.fract().is_zero().then(|| number.to_i32()).flatten()
}

/// How many digits were written after the point.
pub(super) fn precision(number: Decimal) -> i32 {
    number.scale() as i32
}

/// The least (`is_high` false) or greatest number that would have been written so.
///
/// The end away from zero is rounded, the end towards zero is cut off, as the official suite has it.
pub(super) fn boundary(number: Decimal, digits: Option<i32>, is_high: bool) -> Option<Decimal> {
    let digits = u32::try_from(digits.unwrap_or(8)).ok()?;
    if digits > MOST_DIGITS {
        return None;
    }
    let half = Decimal::try_from_i128_with_scale(5, number.scale().checked_add(1)?).ok()?;
    let edge = if is_high {
        number.checked_add(half)?
    } else {
        number.checked_sub(half)?
    };
    let is_away = is_high != number.is_sign_negative();
    let cut = if is_away {
        round(edge, digits)
    } else {
        truncate(edge, digits)
    };
    with_digits(cut, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_kept_and_equivalence_ignores_it() {
        assert_eq!(
            parse("1.50").map(|n| n.to_string()).as_deref(),
            Some("1.50")
        );
        assert_eq!(
            parse("1e-3").map(|n| n.to_string()).as_deref(),
            Some("0.001")
        );
        let (left, right) = (parse("0.6666667"), parse("0.67"));
        assert!(equivalent(left.expect("number"), right.expect("number")));
        assert_eq!(parse("1e400"), None);
    }
}
