//! Sums, products and quotients, and dates plus a while.
//!
//! Source: FHIRPath N1 sections 6.6 and 6.7. What overflows is empty, as the specification says.

use jiff::Span;
use rust_decimal::prelude::ToPrimitive;

use super::ast::Operator;
use super::compare::{as_decimal, as_quantity};
use super::moment::{Moment, MomentKind, Precision};
use super::number;
use super::quantity::{CalendarUnit, Quantity, Unit};
use super::value::Value;

/// Why there is no answer.
pub(super) enum Trouble {
    /// The specification makes it empty: overflow, division by nothing.
    Empty,
    /// The two kinds do not go together.
    Kinds,
    /// A year or month of UCUM has a fixed length, so it does not add to a date.
    FixedLength,
}

type Answer<'a> = Result<Value<'a>, Trouble>;

/// One value and another.
pub(super) fn compute<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Answer<'a> {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => of_integers(operator, *left, *right),
        (Value::Text(left), Value::Text(right)) if operator == Operator::Add => {
            Ok(Value::text(format!("{left}{right}")))
        }
        (Value::Moment(moment), Value::Quantity(quantity)) => match operator {
            Operator::Add => add_time(*moment, quantity, false).map(Value::Moment),
            Operator::Subtract => add_time(*moment, quantity, true).map(Value::Moment),
            _ => Err(Trouble::Kinds),
        },
        (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
            let (left, right) = (as_quantity(left), as_quantity(right));
            match (left, right) {
                (Some(left), Some(right)) => of_quantities(operator, &left, &right),
                _ => Err(Trouble::Kinds),
            }
        }
        _ => match (as_decimal(left), as_decimal(right)) {
            (Some(left), Some(right)) => of_decimals(operator, left, right),
            _ => Err(Trouble::Kinds),
        },
    }
}

fn of_integers<'a>(operator: Operator, left: i32, right: i32) -> Answer<'a> {
    let answer = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        _ => return of_decimals(operator, left.into(), right.into()),
    };
    answer.map(Value::Integer).ok_or(Trouble::Empty)
}

fn of_decimals<'a>(
    operator: Operator,
    left: rust_decimal::Decimal,
    right: rust_decimal::Decimal,
) -> Answer<'a> {
    let answer = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        Operator::Div => {
            let whole = left
                .checked_div(right)
                .and_then(|quotient| number::to_integer(quotient.trunc()));
            return whole.map(Value::Integer).ok_or(Trouble::Empty);
        }
        _ => return Err(Trouble::Kinds),
    };
    answer.map(Value::Decimal).ok_or(Trouble::Empty)
}

fn of_quantities<'a>(operator: Operator, left: &Quantity<'a>, right: &Quantity<'a>) -> Answer<'a> {
    let answer = match operator {
        Operator::Add => left.add(right, false),
        Operator::Subtract => left.add(right, true),
        Operator::Multiply => left.multiply(right, false),
        Operator::Divide => left.multiply(right, true),
        _ => return Err(Trouble::Kinds),
    };
    answer.map(Value::Quantity).ok_or(Trouble::Empty)
}

/// A moment and a while, no more precise than the moment was.
fn add_time(moment: Moment, quantity: &Quantity<'_>, minus: bool) -> Result<Moment, Trouble> {
    let Some(unit) = quantity.calendar() else {
        let is_fixed = matches!(&quantity.unit, Unit::Ucum(code) if code == "a" || code == "mo");
        return Err(if is_fixed {
            Trouble::FixedLength
        } else {
            Trouble::Kinds
        });
    };
    // Part units are cut off: the suite has 7.7 days as 7, and 0.1 seconds as none.
    let amount = quantity.value.trunc().to_i64().ok_or(Trouble::Empty)?;
    let amount = if minus {
        amount.checked_neg().ok_or(Trouble::Empty)?
    } else {
        amount
    };
    moved(moment, amount, unit).ok_or(Trouble::Empty)
}

fn moved(mut moment: Moment, amount: i64, unit: CalendarUnit) -> Option<Moment> {
    if moment.kind == MomentKind::Time {
        return moved_clock(moment, amount, unit);
    }
    let (amount, unit) = at_precision(moment.precision, amount, unit)?;
    let span = Span::new();
    let span = match unit {
        CalendarUnit::Year => span.try_years(amount),
        CalendarUnit::Month => span.try_months(amount),
        CalendarUnit::Week => span.try_weeks(amount),
        CalendarUnit::Day => span.try_days(amount),
        CalendarUnit::Hour => span.try_hours(amount),
        CalendarUnit::Minute => span.try_minutes(amount),
        CalendarUnit::Second => span.try_seconds(amount),
        CalendarUnit::Millisecond => span.try_milliseconds(amount),
    };
    let fields = moment.fields()?.checked_add(span.ok()?).ok()?;
    if !(0..=9999).contains(&fields.year()) {
        return None;
    }
    moment.take_fields(fields);
    Some(moment)
}

/// A time of day goes round the clock.
fn moved_clock(mut moment: Moment, amount: i64, unit: CalendarUnit) -> Option<Moment> {
    let seconds = match unit {
        CalendarUnit::Hour => 3600,
        CalendarUnit::Minute => 60,
        CalendarUnit::Second => 1,
        CalendarUnit::Millisecond => {
            let day = 86_400_000;
            let span = Span::new().try_milliseconds(amount.rem_euclid(day)).ok()?;
            moment.take_fields(moment.fields()?.checked_add(span).ok()?);
            return Some(moment);
        }
        _ => return None,
    };
    let seconds = i64::try_from((i128::from(amount) * seconds).rem_euclid(86_400)).ok()?;
    let span = Span::new().try_seconds(seconds).ok()?;
    moment.take_fields(moment.fields()?.checked_add(span).ok()?);
    Some(moment)
}

/// The amount in the finest unit the moment was written with, where the unit is finer than that.
fn at_precision(
    precision: Precision,
    amount: i64,
    unit: CalendarUnit,
) -> Option<(i64, CalendarUnit)> {
    let (per_day, days) = match unit {
        CalendarUnit::Millisecond => (86_400_000, 1),
        CalendarUnit::Second => (86_400, 1),
        CalendarUnit::Minute => (1440, 1),
        CalendarUnit::Hour => (24, 1),
        CalendarUnit::Day => (1, 1),
        CalendarUnit::Week => (1, 7),
        CalendarUnit::Month if precision == Precision::Year => {
            return Some((amount / 12, CalendarUnit::Year));
        }
        CalendarUnit::Month | CalendarUnit::Year => return Some((amount, unit)),
    };
    let whole_days = (amount / per_day).checked_mul(days)?;
    Some(match precision {
        Precision::Year => (whole_days / 365, CalendarUnit::Year),
        Precision::Month => (whole_days / 30, CalendarUnit::Month),
        Precision::Day => (whole_days, CalendarUnit::Day),
        _ => (amount, unit),
    })
}
