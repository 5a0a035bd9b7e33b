//! The order of matches: by the values of the sort's parameters, what has none last.

use std::cmp::Ordering;

use care_core::fhir::search::{CodeSystem, IndexValue, SortKey, folded};

use super::{Held, Looking};

/// What a resource is put in order by, for each key of the sort.
pub(super) type Place = Vec<Option<Value>>;

/// One value to compare by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Moment(i64),
    Text(String),
}

/// The place of a resource in the order.
pub(super) fn place_of(looking: &Looking<'_>, held: &Held, sort: &[SortKey]) -> Place {
    let keys: Vec<u32> = sort.iter().map(|one| one.parameter.key()).collect();
    let values = looking.values(held, &keys);
    sort.iter()
        .zip(&keys)
        .map(|(one, key)| {
            let of_key = values.iter().filter(|(found, _)| found == key);
            let all = of_key.filter_map(|(_, value)| comparable(value, one.downwards));
            // Upwards the least value counts, downwards the greatest.
            if one.downwards {
                all.max_by(compare_values)
            } else {
                all.min_by(compare_values)
            }
        })
        .collect()
}

/// Compares two places.
pub(super) fn compare(left: &Place, right: &Place, sort: &[SortKey]) -> Ordering {
    for ((left, right), key) in left.iter().zip(right).zip(sort) {
        let order = match (left, right) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(left), Some(right)) if key.downwards => compare_values(right, left),
            (Some(left), Some(right)) => compare_values(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.total_cmp(right),
        (Value::Moment(left), Value::Moment(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        // One parameter gives values of one kind; a mixture is put apart by kind.
        (left, right) => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Moment(_) => 0,
        Value::Number(_) => 1,
        Value::Text(_) => 2,
    }
}

fn comparable(value: &IndexValue, downwards: bool) -> Option<Value> {
    Some(match value {
        IndexValue::Number(span) => Value::Number(if downwards { span.high } else { span.low }),
        IndexValue::Date(span) => Value::Moment(if downwards { span.high } else { span.low }),
        IndexValue::Text(text) => Value::Text(folded(text)),
        IndexValue::Token {
            system, code, text, ..
        } => {
            let code = code.as_deref().or(text.as_deref())?;
            Value::Text(match system {
                CodeSystem::Is(system) => format!("{code}|{system}"),
                CodeSystem::None | CodeSystem::Implied => code.to_owned(),
            })
        }
        IndexValue::Reference {
            resource_type,
            id,
            url,
            identifier,
            ..
        } => {
            let kind = resource_type.as_deref().unwrap_or_default();
            let whole = match (id, url, identifier) {
                (Some(id), _, _) => format!("{kind}/{id}"),
                (None, Some(url), _) => url.to_string(),
                (None, None, Some((system, value))) => format!("{system}|{value}"),
                (None, None, None) => return None,
            };
            Value::Text(whole)
        }
        IndexValue::Quantity {
            value, canonical, ..
        } => {
            let span = canonical.as_ref().map_or(value, |(span, _)| span);
            Value::Number(if downwards { span.high } else { span.low })
        }
        IndexValue::Uri(text) => Value::Text(text.to_string()),
        IndexValue::Composite(_) | IndexValue::Position { .. } => return None,
    })
}
