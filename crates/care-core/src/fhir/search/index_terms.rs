//! The terms a resource is kept under.

use super::buckets::{Placed, When, Width, placed, places};
use super::parameters::key_of;
use super::scope::{NO_PARAMETER, Scope};
use super::text::folded;
use super::value::{CodeSystem, IndexValue, Span};
use super::words::words;
use crate::fhir::{Json, ResourceType};
use crate::vocabulary::SourceCode;

/// Words of one resource that are kept as terms; a resource with more is a candidate of every search by
/// words.
const MOST_WORDS: usize = 400;
/// Terms of one resource: what PostgreSQL holds in one row, and no sound resource comes near. What is beyond
/// is left out, as [`super::extract`] leaves out a parameter that has too many values.
const MOST_TERMS: usize = 60_000;

/// The parameters whose values have lists.
const LISTED: [u32; 4] = [
    key_of("code"),
    key_of("type"),
    key_of("category"),
    key_of("vaccine-code"),
];

/// How each sort of saying is marked in a term.
pub(super) mod sort {
    pub const HERE: &str = "here";
    pub const EXISTS: &str = "e";
    pub const CODE: &str = "c";
    pub const CODED: &str = "s";
    pub const IMPLIED: &str = "i";
    pub const OF_TYPE: &str = "o";
    pub const REFERENCE: &str = "r";
    pub const ADDRESS: &str = "u";
    pub const KNOWN_AS: &str = "k";
    pub const KNOWN_IN: &str = "ks";
    pub const FIRST: &str = "f";
    pub const WORD: &str = "w";
    pub const TOLD: &str = "t";
    pub const TOO_MUCH: &str = "x";
    pub const NUMBER: &str = "n";
    pub const CANONICAL: &str = "q";
}

/// The terms of a resource of a source with these values ([`super::extract`], and what its `meta` will
/// say: see [`arrived`]). Each once, in order. `resource` is asked for its words.
///
/// What [`super::plan`] makes of a criterion finds every resource that meets it among these. Names of
/// lists ([`super::names_list`]) come first: an engine that keeps none leaves them out.
pub fn terms(
    source: &SourceCode,
    resource_type: ResourceType,
    values: &[(u32, IndexValue)],
    resource: &Json,
) -> Vec<String> {
    let source = source.as_str();
    let mut found = vec![base(source, resource_type)];
    for (parameter, value) in values {
        let scope = Scope::new(source, resource_type, *parameter);
        if *parameter == key_of("_id") {
            ids(scope, value, &mut found);
            continue;
        }
        found.push(scope.term(sort::EXISTS, &[]));
        say(scope, value, &mut found);
        if let IndexValue::Token {
            code: Some(code), ..
        } = value
            && is_listed(*parameter)
        {
            found.push(scope.list(code));
        }
    }
    word_terms(
        Scope::new(source, resource_type, NO_PARAMETER),
        resource,
        &mut found,
    );
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST_TERMS);
    found
}

/// Whether all that have one value of a parameter stand on a list: codes that many resources share and few
/// of a page's neighbours have.
pub(super) fn is_listed(parameter: u32) -> bool {
    LISTED.contains(&parameter)
}

/// The term of every resource of a type of a source.
pub(super) fn base(source: &str, resource_type: ResourceType) -> String {
    Scope::new(source, resource_type, NO_PARAMETER).term(sort::HERE, &[])
}

/// The term of the id a source's key leads to, whatever the person: the last part of a logical id.
pub fn item_term(source: &SourceCode, resource_type: ResourceType, item: &str) -> String {
    id_term(
        Scope::new(source.as_str(), resource_type, key_of("_id")),
        item,
    )
}

pub(super) fn id_term(scope: Scope, part: &str) -> String {
    scope.term(sort::CODE, &[part])
}

/// `_lastUpdated` of a version that was received at this time (in microseconds): it is written into `meta`
/// when the version is read, to the millisecond.
pub fn arrived(received_at: i64) -> (u32, IndexValue) {
    let low = received_at.div_euclid(1_000) * 1_000;
    let span = Span {
        low,
        high: low.saturating_add(1_000),
    };
    (key_of("_lastUpdated"), IndexValue::Date(span))
}

/// An id is a person's key and an item's, or one of them: what comes last is the item's. A Patient is
/// known by its person's too.
fn ids(scope: Scope, value: &IndexValue, found: &mut Vec<String>) {
    let IndexValue::Token { code: Some(id), .. } = value else {
        return;
    };
    for part in id.split('-') {
        found.push(id_term(scope, part));
    }
}

fn say(scope: Scope, value: &IndexValue, found: &mut Vec<String>) {
    match value {
        IndexValue::Number(span) => numbers(scope, sort::NUMBER, "", *span, found),
        IndexValue::Date(span) => dates(scope, *span, found),
        IndexValue::Text(text) => found.push(scope.text(&folded(text)).0),
        IndexValue::Token {
            system,
            code: Some(code),
            of_type,
            ..
        } => {
            found.push(scope.term(sort::CODE, &[code]));
            match system {
                CodeSystem::None => {}
                CodeSystem::Is(system) => found.push(scope.term(sort::CODED, &[system, code])),
                CodeSystem::Implied => found.push(scope.term(sort::IMPLIED, &[code])),
            }
            if let Some((system, of)) = of_type {
                found.push(scope.term(sort::OF_TYPE, &[system, of, code]));
            }
        }
        IndexValue::Reference {
            resource_type,
            id,
            url,
            identifier,
            ..
        } => {
            if let Some(id) = id {
                let of = resource_type.as_deref().unwrap_or_default();
                found.push(scope.term(sort::REFERENCE, &[of, id]));
            }
            if let Some(url) = url {
                found.push(scope.term(sort::ADDRESS, &[url]));
            }
            if let Some((system, value)) = identifier {
                found.push(scope.term(sort::KNOWN_AS, &[value]));
                found.push(scope.term(sort::KNOWN_IN, &[system, value]));
            }
        }
        IndexValue::Quantity {
            value, canonical, ..
        } => {
            numbers(scope, sort::NUMBER, "", *value, found);
            if let Some((value, units)) = canonical {
                numbers(scope, sort::CANONICAL, units, *value, found);
            }
        }
        IndexValue::Uri(uri) => found.push(scope.term(sort::ADDRESS, &[uri])),
        IndexValue::Composite(parts) => first_of(scope, parts, found),
        IndexValue::Token { code: None, .. } | IndexValue::Position { .. } => {}
    }
}

/// A composite is found by its first part, where that is a code or a reference.
fn first_of(scope: Scope, parts: &[Vec<IndexValue>], found: &mut Vec<String>) {
    for value in parts.first().into_iter().flatten() {
        match value {
            IndexValue::Token {
                code: Some(code), ..
            } => found.push(scope.term(sort::FIRST, &[code])),
            IndexValue::Reference { id: Some(id), .. } => {
                found.push(scope.term(sort::FIRST, &[id]));
            }
            _ => {}
        }
    }
}

/// The term of a place in time: of a stretch that lies within it, or of one that begins (`<`) or ends
/// (`>`) there.
pub(super) fn when(scope: Scope, side: &str, place: When) -> String {
    let width = match place.width {
        Width::Year => "y",
        Width::Month => "m",
        Width::Day => "d",
    };
    scope.bucket(side, width, place.number)
}

fn dates(scope: Scope, span: Span<i64>, found: &mut Vec<String>) {
    let Placed { within, low, high } = placed(span);
    for (side, places) in [("=", within), ("<", low), (">", high)] {
        found.extend(places.into_iter().map(|place| when(scope, side, place)));
    }
}

/// The term of a place among numbers: of a number that lies in it (`=`), or of a stretch that begins or
/// ends there.
pub(super) fn among(
    scope: Scope,
    sort: &str,
    units: &str,
    (side, is_fine): (&str, bool),
    place: i64,
) -> String {
    let width = if is_fine { "f" } else { "c" };
    scope.bucket(&format!("{sort}{side}{width}"), units, place)
}

fn numbers(scope: Scope, sort: &str, units: &str, span: Span<f64>, found: &mut Vec<String>) {
    let (low, high) = (places(span.low), places(span.high));
    let mut add = |side, (coarse, fine): (i64, i64)| {
        found.push(among(scope, sort, units, (side, false), coarse));
        found.push(among(scope, sort, units, (side, true), fine));
    };
    if low == high {
        return add("=", low);
    }
    add("<", low);
    add(">", high);
}

fn word_terms(scope: Scope, resource: &Json, found: &mut Vec<String>) {
    for (narrative, sort) in [(true, sort::TOLD), (false, sort::WORD)] {
        let words = words(resource, narrative);
        if words.len() > MOST_WORDS {
            found.push(scope.term(sort::TOO_MUCH, &[sort]));
            continue;
        }
        found.extend(words.iter().map(|word| scope.term(sort, &[word])));
    }
}
