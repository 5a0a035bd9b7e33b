//! From one kind of value to another, and whether that can be done.
//!
//! Source: FHIRPath N1 section 5.5. What cannot be converted is empty, never an error.

use rust_decimal::Decimal;

use super::compare::as_decimal;
use super::error::PathError;
use super::evaluate::{Answer, Items, boolean, single};
use super::function::Function as F;
use super::moment::{Moment, MomentKind};
use super::number;
use super::quantity::Quantity;
use super::types::SystemType as T;
use super::value::Value;

/// The type a function converts to, and whether it only asks; none of other functions.
pub(super) fn conversion(function: F) -> Option<(T, bool)> {
    Some(match function {
        F::ToBoolean => (T::Boolean, false),
        F::ConvertsToBoolean => (T::Boolean, true),
        F::ToInteger => (T::Integer, false),
        F::ConvertsToInteger => (T::Integer, true),
        F::ToDecimal => (T::Decimal, false),
        F::ConvertsToDecimal => (T::Decimal, true),
        F::ToDate => (T::Date, false),
        F::ConvertsToDate => (T::Date, true),
        F::ToDateTime => (T::DateTime, false),
        F::ConvertsToDateTime => (T::DateTime, true),
        F::ToTime => (T::Time, false),
        F::ConvertsToTime => (T::Time, true),
        F::ToQuantity => (T::Quantity, false),
        F::ConvertsToQuantity => (T::Quantity, true),
        F::ToString => (T::String, false),
        F::ConvertsToString => (T::String, true),
        _ => return None,
    })
}

/// Converts, or says whether it could.
pub(super) fn convert<'a>(
    target: T,
    asks: bool,
    input: &[Value<'a>],
    arguments: &[Items<'a>],
    at: usize,
) -> Answer<'a> {
    let Some(item) = single(input, at)? else {
        return Ok(Vec::new());
    };
    let unit = match arguments.first().map(Vec::as_slice) {
        None | Some([]) => None,
        Some(unit) => match single(unit, at)?.and_then(Value::plain) {
            Some(Value::Text(unit)) => Some(unit),
            _ => {
                return Err(PathError::operand(
                    at,
                    "a unit is a text",
                    "write it as 'mg'",
                ));
            }
        },
    };
    let mut answer = item.plain().and_then(|plain| converted(target, &plain));
    if let (Some(unit), Some(Value::Quantity(quantity))) = (unit, &answer) {
        answer = quantity.to_unit(&unit).map(Value::Quantity);
    }
    if asks {
        return Ok(boolean(Some(answer.is_some())));
    }
    Ok(answer.into_iter().collect())
}

fn converted<'a>(target: T, value: &Value<'a>) -> Option<Value<'a>> {
    match target {
        T::Boolean => to_boolean(value).map(Value::Boolean),
        T::Integer => to_integer(value).map(Value::Integer),
        T::Decimal => to_decimal(value).map(Value::Decimal),
        T::Date => match value {
            Value::Text(text) => Moment::parse_date(text).map(Value::Moment),
            Value::Moment(moment) => moment.to_date().map(Value::Moment),
            _ => None,
        },
        T::DateTime => match value {
            Value::Text(text) => Moment::parse_date_time(text).map(Value::Moment),
            Value::Moment(moment) if moment.kind() != MomentKind::Time => {
                Some(Value::Moment(Moment {
                    kind: MomentKind::DateTime,
                    ..*moment
                }))
            }
            _ => None,
        },
        T::Time => match value {
            Value::Text(text) => Moment::parse_time(text).map(Value::Moment),
            Value::Moment(moment) => moment.to_time().map(Value::Moment),
            _ => None,
        },
        T::Quantity => to_quantity(value).map(Value::Quantity),
        T::String => match value {
            Value::Text(text) => Some(Value::Text(text.clone())),
            other => Some(Value::text(other.to_string())),
        },
        T::Any => None,
    }
}

fn to_boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        other => match as_decimal(other)? {
            number if number == Decimal::ONE => Some(true),
            number if number.is_zero() => Some(false),
            _ => None,
        },
    }
}

fn to_integer(value: &Value<'_>) -> Option<i32> {
    match value {
        Value::Integer(value) => Some(*value),
        Value::Boolean(value) => Some((*value).into()),
        Value::Text(text) => text.parse().ok(),
        // A decimal is no integer even where it is whole; truncate() makes it one.
        _ => None,
    }
}

fn to_decimal(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Boolean(value) => Some(i32::from(*value).into()),
        Value::Text(text) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let is_sound = digits.starts_with(|letter: char| letter.is_ascii_digit())
                && digits.ends_with(|letter: char| letter.is_ascii_digit())
                && digits
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.');
            number::parse(text).filter(|_| is_sound)
        }
        other => as_decimal(other),
    }
}

fn to_quantity<'a>(value: &Value<'a>) -> Option<Quantity<'a>> {
    match value {
        Value::Quantity(quantity) => Some(quantity.clone()),
        Value::Boolean(value) => {
            let tenths = if *value { 10 } else { 0 };
            let number = Decimal::try_from_i128_with_scale(tenths, 1).ok()?;
            Some(Quantity::plain_number(number))
        }
        Value::Text(text) => Quantity::parse(text),
        other => as_decimal(other).map(Quantity::plain_number),
    }
}
