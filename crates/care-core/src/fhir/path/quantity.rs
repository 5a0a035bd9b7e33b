//! Numbers with a unit: UCUM units convert exactly, calendar words (`month`) are no UCUM units.
//!
//! Source: FHIRPath N1 section 5.4 (Quantity); UCUM 2.2 by way of `octofhir-ucum`. A FHIR Quantity
//! with a comparator (`<5 mg`) has no exact value, so it is none here.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use octofhir_ucum::{EvalResult, Number};
use rust_decimal::Decimal;

use super::number;
use crate::fhir::Json;

const UCUM: &str = "http://unitsofmeasure.org";
/// No clinical unit is longer; longer ones are not looked at.
const LONGEST_UNIT: usize = 120;

/// A unit of time as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalendarUnit {
    /// `year`.
    Year,
    /// `month`.
    Month,
    /// `week`.
    Week,
    /// `day`.
    Day,
    /// `hour`.
    Hour,
    /// `minute`.
    Minute,
    /// `second`.
    Second,
    /// `millisecond`.
    Millisecond,
}

impl CalendarUnit {
    const TABLE: [(&'static str, Self, &'static str); 8] = [
        ("year", Self::Year, "a"),
        ("month", Self::Month, "mo"),
        ("week", Self::Week, "wk"),
        ("day", Self::Day, "d"),
        ("hour", Self::Hour, "h"),
        ("minute", Self::Minute, "min"),
        ("second", Self::Second, "s"),
        ("millisecond", Self::Millisecond, "ms"),
    ];

    /// `day` or `days`.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let one = word.strip_suffix('s').unwrap_or(word);
        let found = Self::TABLE.iter().find(|(name, _, _)| *name == one);
        found.map(|(_, unit, _)| *unit)
    }

    /// The calendar unit of the same length as a UCUM unit; years and months of UCUM have a fixed
    /// length, so they are none.
    pub(super) fn from_ucum(code: &str) -> Option<Self> {
        let found = Self::TABLE.iter().find(|(_, _, ucum)| *ucum == code);
        found
            .map(|(_, unit, _)| *unit)
            .filter(|unit| *unit > Self::Month)
    }

    fn ucum(self) -> &'static str {
        let found = Self::TABLE.iter().find(|(_, unit, _)| *unit == self);
        found.map_or("1", |(_, _, ucum)| ucum)
    }

    /// Months, for the two units whose length in days varies.
    fn months(self) -> Option<Decimal> {
        match self {
            Self::Year => Some(Decimal::from(12)),
            Self::Month => Some(Decimal::ONE),
            _ => None,
        }
    }
}

/// A unit.
#[derive(Debug, Clone)]
pub enum Unit<'a> {
    /// A UCUM code.
    Ucum(Cow<'a, str>),
    /// A calendar word, as it was written.
    Calendar(CalendarUnit, Cow<'a, str>),
    /// A unit of another system; it compares with itself alone.
    Other(Cow<'a, str>),
}

/// A number with a unit.
#[derive(Debug, Clone)]
pub struct Quantity<'a> {
    /// The number.
    pub value: Decimal,
    /// The unit.
    pub unit: Unit<'a>,
}

impl<'a> Quantity<'a> {
    pub(super) fn plain_number(value: Decimal) -> Self {
        Self {
            value,
            unit: Unit::Ucum(Cow::Borrowed("1")),
        }
    }

    /// A FHIR Quantity or Money; none without a number, or with a comparator.
    pub(super) fn from_fhir(json: &'a Json) -> Option<Self> {
        if json.get("comparator").is_some() {
            return None;
        }
        let value = number::parse(json.get("value")?.as_number()?)?;
        let text = |name: &str| json.get(name).and_then(Json::as_text);
        let unit = match (text("system"), text("code")) {
            (Some(UCUM), Some(code)) => Unit::Ucum(Cow::Borrowed(code)),
            (None, None) => match text("unit").or_else(|| text("currency")) {
                Some(unit) => Unit::Other(Cow::Borrowed(unit)),
                None => Unit::Ucum(Cow::Borrowed("1")),
            },
            (_, code) => Unit::Other(Cow::Borrowed(code.or_else(|| text("unit")).unwrap_or(""))),
        };
        Some(Self { value, unit })
    }

    /// `5`, `5 'mg'`, `5 days`: a number and perhaps a unit. A bare UCUM code is none.
    pub(super) fn parse(text: &str) -> Option<Quantity<'static>> {
        let text = text.trim();
        let digits = text
            .bytes()
            .position(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+')))
            .unwrap_or(text.len());
        let (value, unit) = (text.get(..digits)?, text.get(digits..)?.trim());
        let is_sound = value.ends_with(|letter: char| letter.is_ascii_digit())
            && value.starts_with(|letter: char| letter != '.');
        let value = number::parse(value).filter(|_| is_sound)?;
        if unit.is_empty() {
            return Some(Quantity::plain_number(value));
        }
        let quoted = unit
            .strip_prefix('\'')
            .and_then(|unit| unit.strip_suffix('\''));
        let unit = match (quoted, CalendarUnit::from_word(unit)) {
            (Some(code), _) => {
                evaluate(code)?;
                Unit::Ucum(Cow::Owned(code.to_owned()))
            }
            (None, Some(word)) => Unit::Calendar(word, Cow::Owned(unit.to_owned())),
            (None, None) => return None,
        };
        Some(Quantity { value, unit })
    }

    fn code(&self) -> Option<&str> {
        match &self.unit {
            Unit::Ucum(code) => Some(code),
            Unit::Calendar(unit, _) => Some(unit.ucum()),
            Unit::Other(_) => None,
        }
    }

    /// The calendar unit to add to a date: a calendar word, or a UCUM unit of the same length.
    pub(super) fn calendar(&self) -> Option<CalendarUnit> {
        match &self.unit {
            Unit::Calendar(unit, _) => Some(*unit),
            Unit::Ucum(code) => {
                CalendarUnit::from_ucum(code).or_else(|| CalendarUnit::from_word(code))
            }
            Unit::Other(_) => None,
        }
    }

    /// This number in the other's unit. `strict` keeps calendar years and months apart from
    /// everything of fixed length.
    fn value_in(&self, other: &Self, strict: bool) -> Option<Decimal> {
        if let (Unit::Other(mine), Unit::Other(theirs)) = (&self.unit, &other.unit) {
            return (mine == theirs).then_some(self.value);
        }
        if strict {
            let months = |quantity: &Self| match &quantity.unit {
                Unit::Calendar(unit, _) => unit.months(),
                _ => None,
            };
            match (months(self), months(other)) {
                (Some(mine), Some(theirs)) => {
                    return self.value.checked_mul(mine)?.checked_div(theirs);
                }
                (None, None) => {}
                _ => return None,
            }
        }
        convert(self.value, self.code()?, other.code()?)
    }

    /// Which is more; none where the units do not compare.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(self.value.cmp(&other.value_in(self, true)?))
    }

    /// Whether the units measure the same kind of thing.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        self.value_in(other, false).is_some()
    }

    /// Whether the two are one at the precision of the less precise.
    pub(super) fn is_equivalent(&self, other: &Self) -> bool {
        let step = |quantity: &Self| -> Option<Decimal> {
            let scale = quantity.value.normalize().scale();
            let one = Self {
                value: Decimal::try_from_i128_with_scale(1, scale).ok()?,
                unit: quantity.unit.clone(),
            };
            one.value_in(self, false)
        };
        let (Some(mine), Some(theirs)) = (step(self), step(other)) else {
            return false;
        };
        let (coarse, fine) = if mine >= theirs {
            (self, other)
        } else {
            (other, self)
        };
        let digits = coarse.value.normalize().scale();
        fine.value_in(coarse, false).is_some_and(|value| {
            number::round(value, digits) == number::round(coarse.value, digits)
        })
    }

    /// The sum or difference in the first unit; none where the units do not compare.
    pub(super) fn add(&self, other: &Self, minus: bool) -> Option<Quantity<'a>> {
        let other = other.value_in(self, true)?;
        let value = if minus {
            self.value.checked_sub(other)?
        } else {
            self.value.checked_add(other)?
        };
        Some(Quantity {
            value,
            unit: self.unit.clone(),
        })
    }

    /// The product or quotient, with the product or quotient of the units.
    pub(super) fn multiply(&self, other: &Self, divide: bool) -> Option<Quantity<'a>> {
        let (mine, theirs) = (self.code()?, other.code()?);
        if mine.len() + theirs.len() > LONGEST_UNIT {
            return None;
        }
        let (value, unit) = if divide {
            let value = self.value.checked_div(other.value)?;
            (value, octofhir_ucum::unit_divide(mine, theirs).ok()?)
        } else {
            let value = self.value.checked_mul(other.value)?;
            (value, octofhir_ucum::unit_multiply(mine, theirs).ok()?)
        };
        let unit = if unit.expression.is_empty() {
            "1".to_owned()
        } else {
            unit.expression
        };
        Some(Quantity {
            value,
            unit: Unit::Ucum(Cow::Owned(unit)),
        })
    }

    /// Converts to another UCUM unit.
    pub(super) fn to_unit(&self, unit: &str) -> Option<Quantity<'static>> {
        let wanted = Quantity::parse(&format!("1 '{unit}'"))?;
        Some(Quantity {
            value: self.value_in(&wanted, false)?,
            unit: wanted.unit,
        })
    }

    /// The unit as its code or word.
    pub fn unit_text(&self) -> &str {
        match &self.unit {
            Unit::Ucum(text) | Unit::Calendar(_, text) | Unit::Other(text) => text,
        }
    }

    pub(super) fn to_json(&self) -> Json {
        let value = Json::Number(self.value.to_string().into());
        let unit = Json::text(self.unit_text());
        match self.code() {
            Some(code) => Json::object([
                ("value", value),
                ("unit", unit),
                ("system", Json::text(UCUM)),
                ("code", Json::text(code)),
            ]),
            None => Json::object([("value", value), ("unit", unit)]),
        }
    }
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Unit::Calendar(_, word) => write!(f, "{} {word}", self.value),
            Unit::Ucum(code) | Unit::Other(code) => write!(f, "{} '{code}'", self.value),
        }
    }
}

/// What a UCUM code means; none where it is no UCUM code.
fn evaluate(code: &str) -> Option<EvalResult> {
    if code.len() > LONGEST_UNIT {
        return None;
    }
    octofhir_ucum::evaluate(&octofhir_ucum::parse_expression(code).ok()?).ok()
}

/// A number of a UCUM unit in base units, and the text of those: what quantities of one kind are
/// compared by. None of special units (such as `Cel`) and of what is no UCUM code.
pub(in crate::fhir) fn canonical(value: f64, code: &str) -> Option<(f64, String)> {
    use std::fmt::Write;
    let found = evaluate(code).filter(|found| found.special.is_none())?;
    let (digits, exponent) = found.factor.to_integer_and_exponent();
    let mut units = String::new();
    for (unit, power) in octofhir_ucum::Dimension::BASE_UNITS.iter().zip(found.dim.0) {
        if power != 0 {
            let _ = write!(units, "{unit}{power}.");
        }
    }
    for (unit, power) in &found.arbitrary {
        let _ = write!(units, "{unit}{power}.");
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "fifteen digits are enough to compare by"
    )]
    let factor = digits as f64 * 10_f64.powi(exponent);
    Some((value * factor, units))
}

/// Converts between UCUM units: exactly, save for special units (such as `Cel`).
fn convert(value: Decimal, from: &str, to: &str) -> Option<Decimal> {
    if from == to {
        return Some(value);
    }
    let (source, target) = (evaluate(from)?, evaluate(to)?);
    if !source.is_commensurable(&target) {
        return None;
    }
    if source.special.is_some() || target.special.is_some() {
        let converted = |value: f64| octofhir_ucum::convert(value, from, to).unwrap_or(f64::NAN);
        return number::by_float(value, converted);
    }
    let exact = Number::parse(&value.to_string())?
        .checked_mul(source.factor)?
        .checked_div(target.factor)?;
    let (digits, exponent) = exact.to_integer_and_exponent();
    decimal(digits, exponent)
}

fn decimal(digits: i128, exponent: i32) -> Option<Decimal> {
    if exponent > 0 {
        let power = 10_i128.checked_pow(u32::try_from(exponent).ok()?)?;
        return Decimal::try_from_i128_with_scale(digits.checked_mul(power)?, 0).ok();
    }
    let scale = exponent.unsigned_abs();
    if scale <= number::MOST_DIGITS {
        return Decimal::try_from_i128_with_scale(digits, scale).ok();
    }
    // More digits after the point than fit: the rest is cut off.
    let lost = 10_i128.checked_pow(scale - number::MOST_DIGITS);
    let kept = lost.map_or(0, |lost| digits / lost);
    Decimal::try_from_i128_with_scale(kept, number::MOST_DIGITS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity<'static> {
        Quantity::parse(text).expect(text)
    }

    #[test]
    fn units_convert_exactly_and_calendar_months_stay_apart() {
        for (left, right, expected) in [
            ("4.0000 'g'", "4000.0 'mg'", Some(Ordering::Equal)),
            ("7 days", "1 'wk'", Some(Ordering::Equal)),
            ("1 year", "12 months", Some(Ordering::Equal)),
            ("1 month", "1 'mo'", None),
            ("1 month", "30 days", None),
            ("37.0 'Cel'", "98.6 '[degF]'", Some(Ordering::Equal)),
            ("1 'cm'", "1 's'", None),
            ("5.5 'mmol/L'", "5.5 'mg'", None),
        ] {
            assert_eq!(
                quantity(left).compare(&quantity(right)),
                expected,
                "{left} {right}"
            );
        }
    }

    #[test]
    fn a_quantity_with_a_comparator_has_no_exact_value() {
        let json = Json::parse(
            br#"{"value":5,"comparator":"<","system":"http://unitsofmeasure.org","code":"mg"}"#,
            crate::fhir::Limits::default(),
        )
        .expect("JSON");
        assert!(Quantity::from_fhir(&json).is_none());
    }
}
