//! Operators between two answers that need no budget: logic, order, arithmetic and signs.
//!
//! Source: FHIRPath N1 sections 6.2, 6.5 and 6.6.

use super::arithmetic::{Trouble, compute};
use super::ast::Operator;
use super::compare::{self, Order};
use super::error::PathError;
use super::evaluate::{Answer, Items, single};
use super::value::Value;

/// Three-valued logic: an unknown side may leave the answer unknown.
pub(super) fn logic(operator: Operator, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match operator {
        Operator::And if left == Some(false) || right == Some(false) => Some(false),
        Operator::And => Some(left? && right?),
        Operator::Or if left == Some(true) || right == Some(true) => Some(true),
        Operator::Or => Some(left? || right?),
        Operator::Xor => Some(left? != right?),
        _ if left == Some(false) || right == Some(true) => Some(true),
        _ => Some(!left? || right?),
    }
}

/// A number or quantity, perhaps with the other sign.
pub(super) fn signed<'a>(items: Items<'a>, negate: bool, at: usize) -> Answer<'a> {
    let Some(item) = single(&items, at)?.map(Value::plain) else {
        return Ok(Vec::new());
    };
    let answer = match item {
        Some(Value::Integer(value)) if negate => value.checked_neg().map(Value::Integer),
        Some(Value::Decimal(value)) if negate => Some(Value::Decimal(-value)),
        Some(Value::Quantity(mut quantity)) => {
            if negate {
                quantity.value = -quantity.value;
            }
            Some(Value::Quantity(quantity))
        }
        Some(number @ (Value::Integer(_) | Value::Decimal(_))) => Some(number),
        _ => {
            return Err(PathError::operand(
                at,
                "a sign stands before something that is no number",
                "put brackets around a negative number that a function is asked of: (-1).abs()",
            ));
        }
    };
    Ok(answer.into_iter().collect())
}

/// One value before or after another; empty where nobody knows.
pub(super) fn ordered<'a>(
    operator: Operator,
    left: &[Value<'a>],
    right: &[Value<'a>],
    at: usize,
) -> Answer<'a> {
    let (Some(left), Some(right)) = (single(left, at)?, single(right, at)?) else {
        return Ok(Vec::new());
    };
    let order = match compare::order(left, right) {
        Order::Known(order) => order,
        Order::Unknown => return Ok(Vec::new()),
        Order::None => {
            return Err(PathError::operand(
                at,
                format!(
                    "{} and {} have no order",
                    left.type_of().name(),
                    right.type_of().name()
                ),
                "compare numbers, texts, dates, times or quantities of one kind",
            ));
        }
    };
    Ok(vec![Value::Boolean(match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })])
}

/// A sum, product or quotient.
pub(super) fn calculated<'a>(
    operator: Operator,
    left: &[Value<'a>],
    right: &[Value<'a>],
    at: usize,
) -> Answer<'a> {
    let (Some(left), Some(right)) = (single(left, at)?, single(right, at)?) else {
        return Ok(Vec::new());
    };
    let kinds = || {
        let (left, right) = (left.type_of().name(), right.type_of().name());
        let what = format!("{left} and {right} do not go together in this sum");
        PathError::operand(
            at,
            what,
            "turn one into the kind of the other, such as with toDecimal()",
        )
    };
    let (Some(left), Some(right)) = (left.plain(), right.plain()) else {
        return Err(kinds());
    };
    match compute(operator, &left, &right) {
        Ok(value) => Ok(vec![value]),
        Err(Trouble::Empty) => Ok(Vec::new()),
        Err(Trouble::Kinds) => Err(kinds()),
        Err(Trouble::FixedLength) => Err(PathError::operand(
            at,
            "years and months of UCUM have a fixed length and do not add to a date",
            "write the word: 1 year, 1 month",
        )),
    }
}
