//! Fixed values, patterns and ranges: whether a value is what a profile says it is.

use rust_decimal::Decimal;

use crate::fhir::Json;

/// Whether two values are the same; the order of members counts for nothing, numbers count by value.
pub(super) fn is_same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|found| is_same(value, found)))
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Json::Number(one), Json::Number(other)) => one == other || decimal(left) == decimal(right),
        _ => left == right,
    }
}

/// Whether a value has everything a pattern has; it may have more.
pub(super) fn has_pattern(value: &Json, pattern: &Json) -> bool {
    match (value, pattern) {
        (Json::Object(_), Json::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            value
                .get(name)
                .is_some_and(|found| has_pattern(found, wanted))
        }),
        (Json::Array(values), Json::Array(wanted)) => wanted
            .iter()
            .all(|wanted| values.iter().any(|value| has_pattern(value, wanted))),
        _ => is_same(value, pattern),
    }
}

/// Whether a value is below (`is_least`) or above a bound; false where the two cannot be compared.
pub(super) fn is_beyond(value: &Json, bound: &Json, is_least: bool) -> bool {
    let order = match (value, bound) {
        (Json::Number(_), Json::Number(_)) => {
            decimal(value).zip(decimal(bound)).map(|(v, b)| v.cmp(&b))
        }
        // Dates of one precision and offset order as their texts do.
        (Json::Text(value), Json::Text(bound)) if value.len() == bound.len() => {
            Some(value.as_str().cmp(bound.as_str()))
        }
        _ => None,
    };
    match order {
        Some(order) if is_least => order.is_lt(),
        Some(order) => order.is_gt(),
        None => false,
    }
}

fn decimal(json: &Json) -> Option<Decimal> {
    json.as_number()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Limits;

    #[test]
    fn a_value_is_compared_with_what_a_profile_fixes() {
        let json = |text: &str| Json::parse(text.as_bytes(), Limits::default()).expect(text);
        for (value, wanted, same, fits) in [
            (r#"{"a":1,"b":"x"}"#, r#"{"b":"x","a":1.0}"#, true, true),
            (r#"{"a":1,"b":"x"}"#, r#"{"a":1}"#, false, true),
            (r#"[{"a":1},{"b":2}]"#, r#"[{"b":2}]"#, false, true),
            (r#""x""#, r#""y""#, false, false),
        ] {
            let (value, wanted) = (json(value), json(wanted));
            assert_eq!(is_same(&value, &wanted), same, "{value}");
            assert_eq!(has_pattern(&value, &wanted), fits, "{value}");
        }
        assert!(is_beyond(&json("3"), &json("3.5"), true));
        assert!(!is_beyond(&json("3"), &json("\"3\""), true));
    }
}
