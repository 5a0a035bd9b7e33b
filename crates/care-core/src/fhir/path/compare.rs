//! When two values are equal, equivalent, or in order; and a set that keeps each value once.
//!
//! Source: FHIRPath N1 sections 6.1 and 6.2. An answer of `None` is FHIRPath's empty: nobody knows.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use rust_decimal::Decimal;

use super::number;
use super::quantity::Quantity;
use super::value::Value;
use crate::fhir::Json;

/// Deeper JSON than any parser of ours lets in counts as different.
const DEEPEST: usize = 200;

/// How many comparisons are left; every look at a value takes one.
pub(super) struct Budget {
    pub(super) left: u64,
}

impl Budget {
    pub(super) fn take(&mut self, steps: u64) -> bool {
        let enough = self.left >= steps;
        self.left = self.left.saturating_sub(steps);
        enough
    }
}

pub(super) fn as_decimal(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Integer(whole) => Some(Decimal::from(*whole)),
        Value::Decimal(number) => Some(*number),
        _ => None,
    }
}

/// As a quantity: a number counts as one without a unit.
pub(super) fn as_quantity<'a>(value: &Value<'a>) -> Option<Quantity<'a>> {
    match value {
        Value::Quantity(quantity) => Some(quantity.clone()),
        other => as_decimal(other).map(Quantity::plain_number),
    }
}

/// Whether two collections are equal, item by item; none where either is empty or nobody knows.
pub(super) fn equal(left: &[Value<'_>], right: &[Value<'_>], budget: &mut Budget) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut is_known = true;
    for (one, other) in left.iter().zip(right) {
        match items_equal(one, other, budget) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => is_known = false,
        }
    }
    is_known.then_some(true)
}

/// Whether two items are equal.
pub(super) fn items_equal(
    left: &Value<'_>,
    right: &Value<'_>,
    budget: &mut Budget,
) -> Option<bool> {
    if !budget.take(1) {
        return None;
    }
    match (left.plain(), right.plain()) {
        (Some(left), Some(right)) => plain_equal(&left, &right),
        (None, None) => match (left, right) {
            (Value::Element(left), Value::Element(right)) => {
                Some(same_json(left.json(), right.json(), DEEPEST, budget))
            }
            (Value::Type(left), Value::Type(right)) => {
                Some(left.namespace() == right.namespace() && left.name() == right.name())
            }
            _ => Some(false),
        },
        _ => Some(false),
    }
}

fn plain_equal(left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => Some(left == right),
        (Value::Text(left), Value::Text(right)) => Some(left == right),
        (Value::Moment(left), Value::Moment(right)) if left.is_like(right) => {
            left.compare(right).map(|order| order == Ordering::Equal)
        }
        (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
            let (Some(left), Some(right)) = (as_quantity(left), as_quantity(right)) else {
                return Some(false);
            };
            left.compare(&right).map(|order| order == Ordering::Equal)
        }
        _ => Some(match (as_decimal(left), as_decimal(right)) {
            (Some(left), Some(right)) => left == right,
            _ => false,
        }),
    }
}

fn same_json(left: &Json, right: &Json, depth: usize, budget: &mut Budget) -> bool {
    if depth == 0 || !budget.take(1) {
        return false;
    }
    if std::ptr::eq(left, right) {
        return true;
    }
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left == right
                || matches!((number::parse(left), number::parse(right)),
                    (Some(left), Some(right)) if left == right)
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same_json(left, right, depth - 1, budget))
        }
        (Json::Object(members), Json::Object(others)) => {
            members.len() == others.len()
                && members.iter().all(|(name, left)| {
                    right
                        .get(name)
                        .is_some_and(|right| same_json(left, right, depth - 1, budget))
                })
        }
        _ => left == right,
    }
}

/// Whether two collections are equivalent, in any order.
pub(super) fn equivalent(left: &[Value<'_>], right: &[Value<'_>], budget: &mut Budget) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut open: Vec<&Value<'_>> = right.iter().collect();
    for one in left {
        let Some(place) = open
            .iter()
            .position(|other| items_equivalent(one, other, budget))
        else {
            return false;
        };
        open.swap_remove(place);
    }
    true
}

fn items_equivalent(left: &Value<'_>, right: &Value<'_>, budget: &mut Budget) -> bool {
    if !budget.take(1) {
        return false;
    }
    match (left.plain(), right.plain()) {
        (Some(left), Some(right)) => plain_equivalent(&left, &right),
        (None, None) => match (left, right) {
            (Value::Element(left), Value::Element(right)) => {
                alike_json(left.json(), right.json(), DEEPEST, budget)
            }
            _ => items_equal(left, right, budget) == Some(true),
        },
        _ => false,
    }
}

fn plain_equivalent(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => alike_text(left, right),
        (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
            match (as_quantity(left), as_quantity(right)) {
                (Some(left), Some(right)) => left.is_equivalent(&right),
                _ => false,
            }
        }
        _ => match (as_decimal(left), as_decimal(right)) {
            (Some(left), Some(right)) => number::equivalent(left, right),
            _ => plain_equal(left, right) == Some(true),
        },
    }
}

/// One text in small letters with every run of white space as one space.
fn alike_text(left: &str, right: &str) -> bool {
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_lowercase).collect() };
    words(left) == words(right)
}

fn alike_json(left: &Json, right: &Json, depth: usize, budget: &mut Budget) -> bool {
    if depth == 0 || !budget.take(1) {
        return false;
    }
    match (left, right) {
        (Json::Text(left), Json::Text(right)) => alike_text(left, right),
        (Json::Number(left), Json::Number(right)) => {
            matches!((number::parse(left), number::parse(right)),
                (Some(left), Some(right)) if number::equivalent(left, right))
        }
        (Json::Array(left), Json::Array(right)) => {
            let mut open: Vec<&Json> = right.iter().collect();
            left.len() == right.len()
                && left.iter().all(|one| {
                    let place = open
                        .iter()
                        .position(|other| alike_json(one, other, depth - 1, budget));
                    place.map(|place| open.swap_remove(place)).is_some()
                })
        }
        (Json::Object(members), Json::Object(others)) => {
            members.len() == others.len()
                && members.iter().all(|(name, left)| {
                    right
                        .get(name)
                        .is_some_and(|right| alike_json(left, right, depth - 1, budget))
                })
        }
        _ => left == right,
    }
}

/// Whether two kinds of value have an order at all.
pub(super) enum Order {
    /// They have, and this is it.
    Known(Ordering),
    /// They have, but precision or unit does not say.
    Unknown,
    /// They have none.
    None,
}

/// Which of two items comes first.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Order {
    let known = |order: Option<Ordering>| order.map_or(Order::Unknown, Order::Known);
    let (Some(left), Some(right)) = (left.plain(), right.plain()) else {
        return Order::None;
    };
    match (&left, &right) {
        (Value::Text(left), Value::Text(right)) => Order::Known(left.cmp(right)),
        (Value::Moment(left), Value::Moment(right)) if left.is_like(right) => {
            known(left.compare(right))
        }
        (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
            match (as_quantity(&left), as_quantity(&right)) {
                (Some(left), Some(right)) => known(left.compare(&right)),
                _ => Order::None,
            }
        }
        _ => match (as_decimal(&left), as_decimal(&right)) {
            (Some(left), Some(right)) => Order::Known(left.cmp(&right)),
            _ => Order::None,
        },
    }
}

/// Values, each once, in the order they first came. Linear, not quadratic.
#[derive(Default)]
pub(super) struct Distinct<'a> {
    items: Vec<Value<'a>>,
    /// The last item of each hash.
    places: HashMap<u64, usize>,
    /// For each item the one before it with the same hash.
    before: Vec<Option<usize>>,
}

impl<'a> Distinct<'a> {
    /// Adds a value unless an equal one is there; says whether it was added.
    pub(super) fn add(&mut self, value: Value<'a>, budget: &mut Budget) -> bool {
        let key = hash(&value, budget);
        if self.holds(&value, key, budget) {
            return false;
        }
        self.before.push(self.places.insert(key, self.items.len()));
        self.items.push(value);
        true
    }

    /// Whether an equal value is there.
    pub(super) fn contains(&self, value: &Value<'a>, budget: &mut Budget) -> bool {
        let key = hash(value, budget);
        self.holds(value, key, budget)
    }

    fn holds(&self, value: &Value<'a>, key: u64, budget: &mut Budget) -> bool {
        let mut place = self.places.get(&key).copied();
        while let Some(current) = place {
            let item = self.items.get(current);
            if item.is_some_and(|item| items_equal(item, value, budget) == Some(true)) {
                return true;
            }
            place = self.before.get(current).copied().flatten();
        }
        false
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn into_items(self) -> Vec<Value<'a>> {
        self.items
    }
}

/// A number that is the same for equal values.
fn hash(value: &Value<'_>, budget: &mut Budget) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value.plain() {
        Some(Value::Boolean(value)) => value.hash(&mut hasher),
        Some(Value::Text(text)) => text.hash(&mut hasher),
        Some(Value::Moment(moment)) => moment.key().hash(&mut hasher),
        Some(Value::Quantity(_)) => "quantity".hash(&mut hasher),
        Some(other) => as_decimal(&other).map(|n| n.normalize()).hash(&mut hasher),
        None => match value {
            Value::Element(element) => hash_json(element.json(), DEEPEST, &mut hasher, budget),
            other => other.to_string().hash(&mut hasher),
        },
    }
    hasher.finish()
}

fn hash_json(json: &Json, depth: usize, hasher: &mut DefaultHasher, budget: &mut Budget) {
    if depth == 0 || !budget.take(1) {
        return;
    }
    match json {
        Json::Null => {}
        Json::Bool(value) => value.hash(hasher),
        Json::Number(text) => match number::parse(text) {
            Some(number) => number.normalize().hash(hasher),
            None => text.hash(hasher),
        },
        Json::Text(text) => text.hash(hasher),
        Json::Array(values) => {
            for value in values {
                hash_json(value, depth - 1, hasher, budget);
            }
        }
        Json::Object(members) => {
            // Members in any order are one object, so their hashes are added up.
            let mut sum = 0u64;
            for (name, value) in members {
                let mut one = DefaultHasher::new();
                let name: &Cow<'static, str> = name;
                name.hash(&mut one);
                hash_json(value, depth - 1, &mut one, budget);
                sum = sum.wrapping_add(one.finish());
            }
            sum.hash(hasher);
        }
    }
}
