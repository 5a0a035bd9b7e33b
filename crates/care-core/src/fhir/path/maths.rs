//! Functions of numbers, boundaries and the parts of a moment.
//!
//! Source: FHIRPath N1 section 5.7; boundaries and precision as the 3.0 ballot and the official suite
//! have them.

use rust_decimal::Decimal;

use super::compare::{as_decimal, as_quantity};
use super::error::PathError;
use super::evaluate::{Answer, Items, boolean, one_integer, single};
use super::function::Function as F;
use super::moment::{Moment, MomentKind, Precision};
use super::number;
use super::quantity::Quantity;
use super::value::Value;

/// Applies a function of one item.
pub(super) fn apply<'a>(
    function: F,
    input: &[Value<'a>],
    arguments: &[Items<'a>],
    at: usize,
) -> Answer<'a> {
    let Some(item) = single(input, at)? else {
        return Ok(Vec::new());
    };
    let wrong = || {
        PathError::operand(
            at,
            format!(
                "{}() is asked of {}",
                function.name(),
                item.type_of().name()
            ),
            "ask it of the kind of value it is for",
        )
    };
    let plain = item.plain().ok_or_else(wrong)?;
    let argument = arguments.first().map_or(&[][..], Vec::as_slice);
    let answer = match function {
        F::LowBoundary | F::HighBoundary => {
            let digits = one_integer(argument, at)?;
            boundary(&plain, digits, function == F::HighBoundary)
        }
        F::Precision => precision(&plain).map(Value::Integer),
        F::Comparable => {
            let Some(other) = single(argument, at)?.and_then(Value::plain) else {
                return Ok(Vec::new());
            };
            let (Some(one), Some(other)) = (as_quantity(&plain), as_quantity(&other)) else {
                return Err(wrong());
            };
            return Ok(boolean(Some(one.is_comparable(&other))));
        }
        _ => match &plain {
            Value::Moment(moment) => part(function, *moment).ok_or_else(wrong)?,
            Value::Quantity(quantity) => of_quantity(function, quantity).ok_or_else(wrong)?,
            other => {
                let number = as_decimal(other).ok_or_else(wrong)?;
                return of_number(function, other, number, argument, at);
            }
        },
    };
    Ok(answer.into_iter().collect())
}

fn of_quantity<'a>(function: F, quantity: &Quantity<'a>) -> Option<Option<Value<'a>>> {
    let value = match function {
        F::Abs => quantity.value.abs(),
        F::Ceiling => quantity.value.ceil(),
        F::Floor => quantity.value.floor(),
        F::Truncate => quantity.value.trunc(),
        F::Round => number::round(quantity.value, 0),
        _ => return None,
    };
    Some(Some(Value::Quantity(Quantity {
        value,
        unit: quantity.unit.clone(),
    })))
}

fn of_number<'a>(
    function: F,
    item: &Value<'a>,
    value: Decimal,
    argument: &[Value<'a>],
    at: usize,
) -> Answer<'a> {
    let whole = |value: Decimal| number::to_integer(value).map(Value::Integer);
    let other = || -> Result<Option<Decimal>, PathError> {
        Ok(single(argument, at)?
            .and_then(Value::plain)
            .as_ref()
            .and_then(as_decimal))
    };
    let answer = match function {
        F::Abs => match item {
            Value::Integer(value) => value.checked_abs().map(Value::Integer),
            _ => Some(Value::Decimal(value.abs())),
        },
        F::Ceiling => whole(value.ceil()),
        F::Floor => whole(value.floor()),
        F::Truncate => whole(value.trunc()),
        F::Exp => number::by_float(value, f64::exp).map(Value::Decimal),
        F::Ln => number::by_float(value, f64::ln).map(Value::Decimal),
        F::Sqrt => number::by_float(value, f64::sqrt).map(Value::Decimal),
        F::Log => other()?.and_then(|base| {
            let base = rust_decimal::prelude::ToPrimitive::to_f64(&base)?;
            number::by_float(value, |value| value.log(base)).map(Value::Decimal)
        }),
        F::Power => other()?
            .and_then(|exponent| number::power(value, exponent))
            .and_then(|answer| match item {
                Value::Integer(_) => whole(answer).or(Some(Value::Decimal(answer))),
                _ => Some(Value::Decimal(answer)),
            }),
        F::Round => {
            let digits = one_integer(argument, at)?.unwrap_or(0);
            let digits = u32::try_from(digits).map_err(|_| {
                PathError::operand(at, "digits below 0 cannot be rounded to", "write 0 or more")
            })?;
            Some(Value::Decimal(number::round(value, digits.min(28))))
        }
        _ => {
            return Err(PathError::operand(
                at,
                format!("{}() is asked of a number", function.name()),
                "ask it of the kind of value it is for",
            ));
        }
    };
    Ok(answer.into_iter().collect())
}

fn precision(value: &Value<'_>) -> Option<i32> {
    match value {
        Value::Moment(moment) => {
            let digits = match moment.precision() {
                Precision::Year => 4,
                Precision::Month => 6,
                Precision::Day => 8,
                Precision::Hour => 10,
                Precision::Minute => 12,
                Precision::Second => 14,
                Precision::Fraction => 14 + i32::from(moment.digits),
            };
            let before = if moment.kind() == MomentKind::Time {
                8
            } else {
                0
            };
            Some(digits - before)
        }
        other => as_decimal(other).map(number::precision),
    }
}

fn boundary<'a>(value: &Value<'a>, digits: Option<i32>, is_high: bool) -> Option<Value<'a>> {
    match value {
        Value::Moment(moment) => moment_boundary(*moment, digits, is_high).map(Value::Moment),
        Value::Quantity(quantity) => Some(Value::Quantity(Quantity {
            value: number::boundary(quantity.value, digits, is_high)?,
            unit: quantity.unit.clone(),
        })),
        other => number::boundary(as_decimal(other)?, digits, is_high).map(Value::Decimal),
    }
}

fn moment_boundary(moment: Moment, digits: Option<i32>, is_high: bool) -> Option<Moment> {
    let wanted = match (moment.kind(), digits) {
        (MomentKind::Date, None) => Precision::Day,
        (_, None) => Precision::Fraction,
        (MomentKind::Time, Some(digits)) => precision_of(digits.checked_add(8)?, 10)?,
        (_, Some(digits)) => precision_of(digits, 4)?,
    };
    if moment.kind() == MomentKind::Date && wanted > Precision::Day {
        return None;
    }
    let mut edge = if is_high { moment.filled_up() } else { moment };
    // A dateTime of hours alone is read as its first minute, as the official suite has it; FHIR
    // itself has no such dateTime.
    if is_high && moment.kind() == MomentKind::DateTime && moment.precision() == Precision::Hour {
        edge.minute = 0;
    }
    if wanted >= Precision::Hour && edge.offset.is_none() && moment.kind() == MomentKind::DateTime {
        edge.offset = Some(if is_high { -12 * 60 } else { 14 * 60 });
    }
    if wanted == Precision::Fraction {
        edge.digits = edge.digits.max(3);
    }
    if wanted < Precision::Hour {
        edge.offset = None;
    }
    edge.precision = wanted;
    Some(edge)
}

fn precision_of(digits: i32, least: i32) -> Option<Precision> {
    if digits < least {
        return None;
    }
    Some(match digits {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 => Precision::Hour,
        12 => Precision::Minute,
        14 => Precision::Second,
        17 => Precision::Fraction,
        _ => return None,
    })
}

/// A part of a moment: outer none where the function is not one of moments.
fn part<'a>(function: F, moment: Moment) -> Option<Option<Value<'a>>> {
    let at_least = |precision: Precision, value: i32| {
        (moment.precision() >= precision).then_some(Value::Integer(value))
    };
    let is_date = moment.kind() != MomentKind::Time;
    Some(match function {
        F::YearOf if is_date => at_least(Precision::Year, moment.year.into()),
        F::MonthOf if is_date => at_least(Precision::Month, moment.month.into()),
        F::DayOf if is_date => at_least(Precision::Day, moment.day.into()),
        F::HourOf => at_least(Precision::Hour, moment.hour.into()),
        F::MinuteOf => at_least(Precision::Minute, moment.minute.into()),
        F::SecondOf => at_least(Precision::Second, moment.second.into()),
        F::MillisecondOf => at_least(Precision::Fraction, moment.nanos / 1_000_000),
        F::OffsetOf => moment.offset.map(|minutes| {
            let tenths = Decimal::from(minutes).checked_div(Decimal::from(60));
            Value::Decimal(tenths.unwrap_or_default())
        }),
        F::DateOf => moment.to_date().map(Value::Moment),
        F::TimeOf => moment.to_time().map(Value::Moment),
        _ => return None,
    })
}
