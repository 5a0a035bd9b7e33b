//! Whether the values of a resource meet a criterion.
//!
//! Source: FHIR R4 sections 3.1.1.4 (parameter types) and 3.1.1.5 (modifiers).

use jiff::Timestamp;

use super::criterion::{Comparison, Criterion, Modifier, Question, Term};
use super::held_codes;
use super::numbers::near;
use super::parameters::{ParameterKind, SearchParameter};
use super::text::folded;
use super::value::{CodeSystem, IndexValue, Span};
use crate::fhir::ResourceType;

/// What a criterion asks beyond the resource at hand. Whoever answers sees only what may be seen.
pub trait Reach {
    /// Whether a resource this reference points at is of one of these types and meets that type's criterion.
    fn target_meets(&self, reference: &IndexValue, then: &[(ResourceType, Criterion)]) -> bool;

    /// Whether some resource of this type points at the resource at hand and meets the criterion.
    fn source_meets(
        &self,
        resource_type: ResourceType,
        parameter: &SearchParameter,
        then: &Criterion,
    ) -> bool;

    /// Whether a code is in a value set; none where that cannot be said.
    fn in_value_set(&self, value_set: &str, system: Option<&str>, code: &str) -> Option<bool> {
        held_codes::is_in(value_set, system, code)
    }

    /// Whether the first code is the second or above it.
    fn subsumes(&self, system: &str, above: &str, below: &str) -> bool {
        held_codes::subsumes(system, above, below)
    }

    /// Whether the first resource (its type and id) is the second, or above it by what [`parent_of`] names.
    fn holds(&self, above: (ResourceType, &str), below: (ResourceType, &str)) -> bool {
        above == below
    }

    /// Whether the list names the resource at hand.
    fn in_list(&self, list: &str) -> bool;

    /// Whether the resource at hand (its narrative alone, or all of it) has all of these folded words.
    fn has_words(&self, narrative: bool, words: &[String]) -> bool;
}

/// Nothing beyond the resource at hand: for criteria that need no more.
pub struct Alone;

impl Reach for Alone {
    fn target_meets(&self, _: &IndexValue, _: &[(ResourceType, Criterion)]) -> bool {
        false
    }

    fn source_meets(&self, _: ResourceType, _: &SearchParameter, _: &Criterion) -> bool {
        false
    }

    fn in_list(&self, _: &str) -> bool {
        false
    }

    fn has_words(&self, _: bool, _: &[String]) -> bool {
        false
    }
}

impl Criterion {
    /// Whether the resource at hand is enough to say: then [`Alone`] is all it needs.
    pub fn looks_at_one(&self) -> bool {
        match &self.question {
            Question::Parameter {
                parameter,
                modifier,
                ..
            } => {
                parameter.kind != ParameterKind::Reference
                    || !matches!(modifier, Modifier::Above | Modifier::Below)
            }
            Question::Chain { .. }
            | Question::Has { .. }
            | Question::Words { .. }
            | Question::InList(_) => false,
        }
    }

    /// Whether a resource with these values ([`super::extract`]) meets the criterion. `now` is what
    /// `ap` measures a date's distance from.
    pub fn matches(&self, values: &[(u32, IndexValue)], reach: &dyn Reach, now: Timestamp) -> bool {
        match &self.question {
            Question::Parameter {
                parameter,
                modifier,
                terms,
            } => parameter_matches(parameter, *modifier, terms, values, reach, now),
            Question::Chain {
                parameter, then, ..
            } => of(parameter, values).any(|reference| reach.target_meets(reference, then)),
            Question::Has {
                resource_type,
                parameter,
                then,
            } => reach.source_meets(*resource_type, parameter, then),
            Question::Words { narrative, any } => {
                any.iter().any(|words| reach.has_words(*narrative, words))
            }
            Question::InList(list) => reach.in_list(list),
        }
    }
}

fn of<'v>(
    parameter: &SearchParameter,
    values: &'v [(u32, IndexValue)],
) -> impl Iterator<Item = &'v IndexValue> {
    let key = parameter.key();
    values
        .iter()
        .filter(move |(found, _)| *found == key)
        .map(|(_, value)| value)
}

fn parameter_matches(
    parameter: &SearchParameter,
    modifier: Modifier,
    terms: &[Term],
    values: &[(u32, IndexValue)],
    reach: &dyn Reach,
    now: Timestamp,
) -> bool {
    let some = |modifier: Modifier| {
        terms
            .iter()
            .any(|term| of(parameter, values).any(|value| meets(value, term, modifier, reach, now)))
    };
    match modifier {
        Modifier::Missing => {
            let is_missing = of(parameter, values).next().is_none();
            terms.contains(&Term::Missing(is_missing))
        }
        Modifier::Not => !some(Modifier::None),
        Modifier::NotIn => !some(Modifier::In),
        _ => {
            // `ne` says of each value that it is another; with several values one other is enough.
            some(modifier)
        }
    }
}

/// Whether one value meets one term.
fn meets(
    value: &IndexValue,
    term: &Term,
    modifier: Modifier,
    reach: &dyn Reach,
    now: Timestamp,
) -> bool {
    match (value, term) {
        (
            IndexValue::Number(found),
            Term::Number {
                comparison,
                span,
                value,
            },
        ) => compares(*found, *comparison, *span, *value),
        (IndexValue::Date(found), Term::Date { comparison, span }) => {
            date_compares(*found, *comparison, *span, now)
        }
        (IndexValue::Text(found), Term::Text(text)) => text_meets(found, text, modifier),
        (
            IndexValue::Token {
                text: Some(words), ..
            },
            Term::Text(text),
        ) => folded(words).contains(text.as_str()),
        (
            IndexValue::Token {
                system,
                code: Some(found),
                ..
            },
            Term::Uri(set),
        ) => {
            let system = match system {
                CodeSystem::Is(system) => Some(&**system),
                CodeSystem::None | CodeSystem::Implied => None,
            };
            reach.in_value_set(set, system, found) == Some(true)
        }
        (
            IndexValue::Token {
                of_type: Some(found),
                code: Some(id),
                ..
            },
            Term::OfType {
                system,
                code,
                value,
            },
        ) => *found.0 == **system && *found.1 == **code && **id == **value,
        (
            IndexValue::Token {
                system,
                code: found,
                ..
            },
            Term::Token {
                system: wanted,
                code,
            },
        ) => token_meets(
            system,
            found.as_deref(),
            wanted.as_deref(),
            code.as_deref(),
            modifier,
            reach,
        ),
        (
            IndexValue::Reference {
                identifier: Some((system, found)),
                ..
            },
            Term::Token {
                system: wanted,
                code,
            },
        ) => {
            wanted.as_deref().is_none_or(|wanted| wanted == &**system)
                && code.as_deref().is_none_or(|code| code == &**found)
        }
        (IndexValue::Reference { .. }, Term::Reference { .. })
            if matches!(modifier, Modifier::Above | Modifier::Below) =>
        {
            reference_is_along(value, term, modifier, reach)
        }
        (IndexValue::Reference { .. }, Term::Reference { .. }) => reference_meets(value, term),
        (IndexValue::Quantity { .. }, Term::Quantity { .. }) => quantity_meets(value, term),
        (IndexValue::Uri(found), Term::Uri(wanted)) => uri_meets(found, wanted, modifier),
        (IndexValue::Composite(parts), Term::Composite(terms)) => {
            parts.len() == terms.len()
                && parts.iter().zip(terms).all(|(part, term)| {
                    part.iter()
                        .any(|one| meets(one, term, Modifier::None, reach, now))
                })
        }
        (
            IndexValue::Position {
                latitude,
                longitude,
            },
            Term::Near {
                latitude: north,
                longitude: east,
                distance,
            },
        ) => metres((*latitude, *longitude), (*north, *east)) <= *distance,
        _ => false,
    }
}

fn text_meets(found: &str, wanted: &str, modifier: Modifier) -> bool {
    match modifier {
        Modifier::Exact => found == wanted,
        Modifier::Contains => folded(found).contains(wanted),
        _ => folded(found).starts_with(wanted),
    }
}

fn uri_meets(found: &str, wanted: &str, modifier: Modifier) -> bool {
    let beneath = |whole: &str, head: &str| {
        whole == head
            || (whole.starts_with(head)
                && (head.ends_with('/') || whole[head.len()..].starts_with('/')))
    };
    match modifier {
        Modifier::Below => beneath(found, wanted),
        Modifier::Above => beneath(wanted, found),
        _ => found == wanted,
    }
}

fn token_meets(
    system: &CodeSystem,
    found: Option<&str>,
    wanted_system: Option<&str>,
    wanted: Option<&str>,
    modifier: Modifier,
    reach: &dyn Reach,
) -> bool {
    let system_fits = match (wanted_system, system) {
        (None, _) => true,
        (Some(""), CodeSystem::None | CodeSystem::Implied) => true,
        (Some(wanted), CodeSystem::Is(found)) => wanted == &**found,
        // Only the bound value set gives a system here; a code that fits was meant.
        (Some(wanted), CodeSystem::Implied) => !wanted.is_empty(),
        (Some(_), CodeSystem::None) => false,
    };
    let code_fits = match (wanted, found) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(found)) => {
            let system = wanted_system.map_or_else(|| system.to_string(), str::to_owned);
            match modifier {
                Modifier::Above => reach.subsumes(&system, found, wanted),
                Modifier::Below => reach.subsumes(&system, wanted, found),
                _ => wanted == found,
            }
        }
    };
    system_fits && code_fits
}

/// The parameter by which a resource of this type names the one it is part of, where FHIR makes that a
/// hierarchy of one type. Source: FHIR R4 section 3.1.1.5.8 and the types' own `partOf` and `parent`.
pub fn parent_of(resource_type: ResourceType) -> Option<&'static str> {
    Some(match resource_type.name() {
        "Location" | "Organization" | "ResearchStudy" => "partof",
        "CarePlan" | "Encounter" | "Procedure" | "Task" => "part-of",
        "DeviceDefinition" | "Specimen" => "parent",
        _ => return None,
    })
}

fn reference_is_along(
    value: &IndexValue,
    term: &Term,
    modifier: Modifier,
    reach: &dyn Reach,
) -> bool {
    let (
        IndexValue::Reference {
            resource_type: Some(found_type),
            id: Some(found),
            ..
        },
        Term::Reference {
            resource_type: wanted_type,
            id: wanted,
            url: None,
        },
    ) = (value, term)
    else {
        return false;
    };
    let Some(found_type) = ResourceType::from_name(found_type) else {
        return false;
    };
    let wanted = (wanted_type.unwrap_or(found_type), wanted.as_str());
    match modifier {
        Modifier::Below => reach.holds(wanted, (found_type, found)),
        _ => reach.holds((found_type, found), wanted),
    }
}

fn reference_meets(value: &IndexValue, term: &Term) -> bool {
    let (
        IndexValue::Reference {
            resource_type,
            id,
            url,
            version,
            ..
        },
        Term::Reference {
            resource_type: wanted_type,
            id: wanted_id,
            url: wanted_url,
        },
    ) = (value, term)
    else {
        return false;
    };
    let type_fits =
        wanted_type.is_none_or(|wanted| resource_type.as_deref() == Some(wanted.name()));
    if let Some(wanted) = wanted_url {
        let (wanted, wanted_version) = match wanted.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (wanted.as_str(), None),
        };
        return type_fits
            && url.as_deref() == Some(wanted)
            && wanted_version.is_none_or(|wanted| version.as_deref() == Some(wanted));
    }
    type_fits && id.as_deref() == Some(wanted_id.as_str())
}

fn quantity_meets(value: &IndexValue, term: &Term) -> bool {
    let (
        IndexValue::Quantity {
            value: found,
            system,
            code,
            unit,
            canonical,
        },
        Term::Quantity {
            comparison,
            span,
            value: wanted,
            system: wanted_system,
            code: wanted_code,
            canonical: wanted_canonical,
        },
    ) = (value, term)
    else {
        return false;
    };
    if let (Some((found, units)), Some((span, wanted, wanted_units))) =
        (canonical, wanted_canonical)
    {
        return **units == **wanted_units && compares(*found, *comparison, *span, *wanted);
    }
    let system_fits = wanted_system
        .as_deref()
        .is_none_or(|wanted| system.as_deref() == Some(wanted));
    let code_fits = wanted_code.as_deref().is_none_or(|wanted| {
        code.as_deref() == Some(wanted)
            || (wanted_system.is_none() && unit.as_deref() == Some(wanted))
    });
    system_fits && code_fits && compares(*found, *comparison, *span, *wanted)
}

/// A hair: conversions between units leave differences in the last digits.
fn hair(value: f64) -> f64 {
    value.abs() * 1e-12
}

fn compares(found: Span<f64>, comparison: Comparison, asked: Span<f64>, value: f64) -> bool {
    let within = |found: Span<f64>, asked: Span<f64>| {
        Span {
            low: asked.low - hair(asked.low),
            high: asked.high + hair(asked.high),
        }
        .holds(found)
            && (found.low < asked.high + hair(asked.high) || found.low == found.high)
    };
    let above = found.high > value + hair(value);
    let below = found.low < value - hair(value);
    let is_value = found.low <= value + hair(value) && found.high >= value - hair(value);
    match comparison {
        Comparison::Equal => within(found, asked),
        Comparison::NotEqual => !within(found, asked),
        Comparison::Greater => above,
        Comparison::GreaterOrEqual => above || is_value,
        Comparison::Less => below,
        Comparison::LessOrEqual => below || is_value,
        Comparison::StartsAfter => found.low > value + hair(value),
        Comparison::EndsBefore => found.high < value - hair(value),
        Comparison::Approximately => {
            let tenth = (value.abs() / 10.0).max(asked.high - value);
            found.overlaps(Span {
                low: value - tenth,
                high: value + tenth,
            })
        }
    }
}

fn date_compares(
    found: Span<i64>,
    comparison: Comparison,
    asked: Span<i64>,
    now: Timestamp,
) -> bool {
    match comparison {
        Comparison::Equal => asked.holds(found),
        Comparison::NotEqual => !asked.holds(found),
        Comparison::Greater => found.high > asked.high,
        Comparison::GreaterOrEqual => found.high > asked.high || asked.holds(found),
        Comparison::Less => found.low < asked.low,
        Comparison::LessOrEqual => found.low < asked.low || asked.holds(found),
        Comparison::StartsAfter => found.low >= asked.high,
        Comparison::EndsBefore => found.high <= asked.low,
        Comparison::Approximately => found.overlaps(near(asked, now)),
    }
}

/// The way between two places along the Earth, in metres (haversine, mean radius).
fn metres(from: (f64, f64), to: (f64, f64)) -> f64 {
    const RADIUS: f64 = 6_371_008.8;
    let (north, other) = (from.0.to_radians(), to.0.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let chord = half(to.0 - from.0) + north.cos() * other.cos() * half(to.1 - from.1);
    2.0 * RADIUS * chord.sqrt().min(1.0).asin()
}
