//! Functions of collections: existence, subsets, combining, the tree.
//!
//! Source: FHIRPath N1 sections 5.1, 5.3, 5.4 and 5.8.

use std::cmp::Ordering;

use super::compare::{self, Distinct, Order};
use super::error::PathError;
use super::evaluate::{Answer, Evaluator, Items, boolean, one_integer, single, truth};
use super::function::Function as F;
use super::moment::Moment;
use super::value::Value;

impl<'a> Evaluator<'a> {
    pub(super) fn collection(
        &mut self,
        function: F,
        input: Items<'a>,
        arguments: &[Items<'a>],
        at: usize,
    ) -> Answer<'a> {
        let other = arguments.first().map_or(&[][..], Vec::as_slice);
        match function {
            F::Empty => Ok(boolean(Some(input.is_empty()))),
            F::Exists => Ok(boolean(Some(!input.is_empty()))),
            F::AllTrue => Ok(boolean(Some(truths(&input, at)?.all(|one| one)))),
            F::AnyTrue => Ok(boolean(Some(truths(&input, at)?.any(|one| one)))),
            F::AllFalse => Ok(boolean(Some(truths(&input, at)?.all(|one| !one)))),
            F::AnyFalse => Ok(boolean(Some(truths(&input, at)?.any(|one| !one)))),
            F::SubsetOf => self.is_subset(&input, other, at),
            F::SupersetOf => self.is_subset(other, &input, at),
            F::Count => Ok(i32::try_from(input.len())
                .ok()
                .map(Value::Integer)
                .into_iter()
                .collect()),
            F::Distinct => self.union(input, Vec::new(), at),
            F::IsDistinct => {
                let all = input.len();
                let once = self.union(input, Vec::new(), at)?.len();
                Ok(boolean(Some(all == once)))
            }
            F::Single => Ok(single(&input, at)?.cloned().into_iter().collect()),
            F::First => Ok(input.into_iter().take(1).collect()),
            F::Last => Ok(input.into_iter().next_back().into_iter().collect()),
            F::Tail => Ok(input.into_iter().skip(1).collect()),
            F::Skip | F::Take => cut(function, input, other, at),
            F::Intersect => self.shared(input, other, at),
            F::Exclude => self.without(input, other, at),
            F::Union => self.union(input, other.to_vec(), at),
            F::Combine => Ok(input.into_iter().chain(other.iter().cloned()).collect()),
            F::Children => Ok(children(&input)),
            F::Descendants => self.descendants(&input, at),
            F::Not => Ok(boolean(truth(&input, at)?.map(|value| !value))),
            _ => Ok(input
                .iter()
                .map(|item| Value::Type(item.type_of()))
                .collect()),
        }
    }

    fn set_of(&mut self, items: &[Value<'a>], at: usize) -> Result<Distinct<'a>, PathError> {
        let mut set = Distinct::default();
        for item in items {
            set.add(item.clone(), &mut self.budget);
            self.check_budget(at)?;
        }
        Ok(set)
    }

    fn is_subset(&mut self, part: &[Value<'a>], whole: &[Value<'a>], at: usize) -> Answer<'a> {
        let whole = self.set_of(whole, at)?;
        let budget = &mut self.budget;
        let answer = part.iter().all(|item| whole.contains(item, budget));
        self.check_budget(at)?;
        Ok(boolean(Some(answer)))
    }

    fn shared(&mut self, input: Items<'a>, other: &[Value<'a>], at: usize) -> Answer<'a> {
        let other = self.set_of(other, at)?;
        let mut both = Distinct::default();
        for item in input {
            if other.contains(&item, &mut self.budget) {
                both.add(item, &mut self.budget);
            }
            self.check_budget(at)?;
        }
        Ok(both.into_items())
    }

    fn without(&mut self, input: Items<'a>, other: &[Value<'a>], at: usize) -> Answer<'a> {
        let other = self.set_of(other, at)?;
        let budget = &mut self.budget;
        let kept = input
            .into_iter()
            .filter(|item| !other.contains(item, budget))
            .collect();
        self.check_budget(at)?;
        Ok(kept)
    }

    /// Everything below, level by level.
    fn descendants(&mut self, input: &[Value<'a>], at: usize) -> Answer<'a> {
        let mut found = children(input);
        let mut next = 0;
        while next < found.len() {
            self.charge(1, at)?;
            self.room(found.len(), at)?;
            if let Some(Value::Element(element)) = found.get(next) {
                let element = *element;
                element.children(&mut found);
            }
            next += 1;
        }
        Ok(found)
    }

    pub(super) fn time_now(&self, function: F) -> Items<'a> {
        let now = Moment::from_timestamp(self.context.now);
        let moment = match function {
            F::Today => now.to_date(),
            F::TimeOfDay => now.to_time(),
            _ => Some(now),
        };
        moment.map(Value::Moment).into_iter().collect()
    }

    /// Sum, least, greatest or mean of numbers or quantities; empty of nothing.
    pub(super) fn summary(&mut self, function: F, input: &[Value<'a>], at: usize) -> Answer<'a> {
        use super::ast::Operator;
        let mut items = input.iter().map(Value::plain);
        let wrong = || {
            PathError::operand(
                at,
                "these values cannot be summed up",
                "choose numbers or quantities of one kind",
            )
        };
        let Some(first) = items.next() else {
            return Ok(Vec::new());
        };
        let mut total = first.ok_or_else(wrong)?;
        for item in items {
            self.charge(1, at)?;
            let item = item.ok_or_else(wrong)?;
            total = match function {
                F::Sum | F::Average => {
                    match super::arithmetic::compute(Operator::Add, &total, &item) {
                        Ok(sum) => sum,
                        Err(super::arithmetic::Trouble::Empty) => return Ok(Vec::new()),
                        Err(_) => return Err(wrong()),
                    }
                }
                _ => match compare::order(&item, &total) {
                    Order::Known(order) if (function == F::Min) == order.is_lt() => item,
                    Order::Known(_) => total,
                    Order::Unknown => return Ok(Vec::new()),
                    Order::None => return Err(wrong()),
                },
            };
        }
        if function == F::Average {
            let count = Value::Integer(i32::try_from(input.len()).unwrap_or(i32::MAX));
            let mean = super::arithmetic::compute(Operator::Divide, &total, &count);
            return Ok(mean.ok().into_iter().collect());
        }
        Ok(vec![total])
    }
}

fn truths<'v>(
    input: &'v [Value<'_>],
    at: usize,
) -> Result<impl Iterator<Item = bool> + 'v, PathError> {
    if input.iter().any(|item| item.as_bool().is_none()) {
        return Err(PathError::operand(
            at,
            "an item is neither true nor false",
            "choose truth values, or ask each item with all() or exists()",
        ));
    }
    Ok(input.iter().filter_map(Value::as_bool))
}

fn cut<'a>(function: F, input: Items<'a>, count: &[Value<'a>], at: usize) -> Answer<'a> {
    let count = one_integer(count, at)?;
    let Some(count) = count else {
        return Ok(Vec::new());
    };
    let count = usize::try_from(count).unwrap_or(0);
    Ok(match function {
        F::Skip => input.into_iter().skip(count).collect(),
        _ => input.into_iter().take(count).collect(),
    })
}

fn children<'a>(input: &[Value<'a>]) -> Items<'a> {
    let mut found = Vec::new();
    for item in input {
        if let Value::Element(element) = item {
            element.children(&mut found);
        }
    }
    found
}

/// The order of two keys of `sort`; no key comes first, as the least of all.
pub(super) fn key_order(
    left: &Option<Value<'_>>,
    right: &Option<Value<'_>>,
    down: bool,
) -> Ordering {
    let order = match (left, right) {
        (Some(left), Some(right)) => match compare::order(left, right) {
            Order::Known(order) => order,
            // Truth values and kinds without an order keep their places.
            Order::Unknown | Order::None => Ordering::Equal,
        },
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    if down { order.reverse() } else { order }
}

/// Sorted, equal ones in their old order. The library's sort may panic where an order has gaps, as
/// that of dates of different precision has; this one does not.
pub(super) fn sorted<T>(mut items: Vec<T>, order: &impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let mut merged = Vec::with_capacity(items.len());
    let right = items.split_off(items.len() / 2);
    let mut left = sorted(items, order).into_iter().peekable();
    let mut right = sorted(right, order).into_iter().peekable();
    loop {
        let takes_right = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) => order(other, one).is_lt(),
            (one, other) => {
                if one.is_none() && other.is_none() {
                    return merged;
                }
                one.is_none()
            }
        };
        merged.extend(if takes_right {
            right.next()
        } else {
            left.next()
        });
    }
}
