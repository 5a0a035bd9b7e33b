//! The values of a parameter, read.

use super::criterion::{Comparison, Modifier, Term};
use super::numbers::{moment, number};
use super::parameters::{ParameterKind, SearchParameter};
use super::text::folded;
use super::value::Span;
use crate::fhir::path::canonical;
use crate::fhir::{ReferenceTarget, read_reference};

/// A value that cannot be read: what to write instead. Never repeats the value.
pub(super) type Unread = &'static str;

pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// Splits at a sign that has no backslash before it.
pub(super) fn split(text: &str, sign: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for letter in text.chars() {
        if letter == sign && !is_escaped {
            parts.push(String::new());
            continue;
        }
        is_escaped = letter == '\\' && !is_escaped;
        if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
    }
    parts
}

/// Takes the backslashes away.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next()),
            other => out.push(other),
        }
    }
    out
}

/// Reads one value of a parameter.
pub(super) fn read(
    parameter: &SearchParameter,
    modifier: Modifier,
    text: &str,
    base: &str,
) -> Result<Term, Unread> {
    if modifier == Modifier::Missing {
        return match text {
            "true" => Ok(Term::Missing(true)),
            "false" => Ok(Term::Missing(false)),
            _ => Err("write true or false"),
        };
    }
    if parameter.kind == ParameterKind::Composite {
        let parts = split(text, '$');
        if parts.len() != parameter.components.len() {
            return Err("write all its parts with a $ between them");
        }
        return parameter
            .components
            .iter()
            .zip(&parts)
            .map(|((kind, _), part)| read_kind(*kind, Modifier::None, part, base))
            .collect::<Result<_, _>>()
            .map(Term::Composite);
    }
    read_kind(parameter.kind, modifier, text, base)
}

fn read_kind(
    kind: ParameterKind,
    modifier: Modifier,
    text: &str,
    base: &str,
) -> Result<Term, Unread> {
    if text.is_empty() {
        return Err("write a value");
    }
    match (kind, modifier) {
        (ParameterKind::Reference, Modifier::Identifier) => token(text),
        (ParameterKind::Token, Modifier::OfType) => of_type(text),
        (_, Modifier::Text) => Ok(Term::Text(folded(&plain(text)))),
        (_, Modifier::In | Modifier::NotIn) => Ok(Term::Uri(plain(text))),
        (ParameterKind::Number, _) => {
            let (comparison, rest) = Comparison::read(text);
            let (value, span) = number(rest).ok_or("write a number such as 5.4")?;
            Ok(Term::Number {
                comparison,
                span,
                value,
            })
        }
        (ParameterKind::Date, _) => {
            let (comparison, rest) = Comparison::read(text);
            let span =
                moment(rest).ok_or("write a date such as 2026-11-23 or 2026-11-23T10:00:00Z")?;
            Ok(Term::Date { comparison, span })
        }
        (ParameterKind::String, Modifier::Exact) => Ok(Term::Text(plain(text))),
        (ParameterKind::String, _) => {
            let text = folded(&plain(text));
            if text.is_empty() {
                return Err("write at least one letter or digit");
            }
            Ok(Term::Text(text))
        }
        (ParameterKind::Token, _) => token(text),
        (ParameterKind::Reference, modifier) => reference(text, modifier, base),
        (ParameterKind::Quantity, _) => quantity(text),
        (ParameterKind::Uri, _) => Ok(Term::Uri(plain(text))),
        (ParameterKind::Special, _) => near(text),
        (ParameterKind::Composite, _) => Err("a composite has no composite in it"),
    }
}

fn token(text: &str) -> Result<Term, Unread> {
    let parts = split(text, '|');
    let filled = |part: &str| Some(plain(part)).filter(|part| !part.is_empty());
    match &parts[..] {
        [code] => Ok(Term::Token {
            system: None,
            code: filled(code),
        }),
        [system, code] if !system.is_empty() || !code.is_empty() => Ok(Term::Token {
            system: Some(plain(system)),
            code: filled(code),
        }),
        _ => Err("write code, system|code, |code or system|"),
    }
}

fn of_type(text: &str) -> Result<Term, Unread> {
    match &split(text, '|')[..] {
        [system, code, value] if !code.is_empty() && !value.is_empty() => Ok(Term::OfType {
            system: plain(system),
            code: plain(code),
            value: plain(value),
        }),
        _ => Err("write system|code|value, the first two of the identifier's type"),
    }
}

fn reference(text: &str, modifier: Modifier, base: &str) -> Result<Term, Unread> {
    let text = plain(text);
    // Our own addresses are the same as relative ones.
    let text = text
        .strip_prefix(base)
        .map_or(text.as_str(), |rest| rest.trim_start_matches('/'));
    let said = match modifier {
        Modifier::Type(resource_type) => Some(resource_type),
        _ => None,
    };
    match read_reference(text) {
        Some(ReferenceTarget::Relative(resource_type, id)) => {
            if said.is_some_and(|said| said != resource_type) {
                return Err("the type after the colon and the type of the reference differ");
            }
            Ok(Term::Reference {
                resource_type: Some(resource_type),
                id: id.to_owned(),
                url: None,
            })
        }
        Some(ReferenceTarget::Absolute(..) | ReferenceTarget::Urn(_))
            if matches!(modifier, Modifier::Above | Modifier::Below) =>
        {
            Err("write an id or Type/id of this server")
        }
        Some(ReferenceTarget::Absolute(url, _) | ReferenceTarget::Urn(url)) => {
            Ok(Term::Reference {
                resource_type: said,
                id: String::new(),
                url: Some(url.to_owned()),
            })
        }
        None if is_id(text) => Ok(Term::Reference {
            resource_type: said,
            id: text.to_owned(),
            url: None,
        }),
        _ => Err("write an id, Type/id or a whole address"),
    }
}

/// Whether the text may be a resource's id.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn quantity(text: &str) -> Result<Term, Unread> {
    let wrong = "write a number, or number|system|code";
    let parts = split(text, '|');
    let (comparison, rest) = Comparison::read(parts.first().map_or("", String::as_str));
    let (value, span) = number(rest).ok_or(wrong)?;
    let filled = |part: &String| Some(plain(part)).filter(|part| !part.is_empty());
    let (system, code) = match &parts[..] {
        [_] => (None, None),
        [_, code] => (None, filled(code)),
        [_, system, code] => (filled(system), filled(code)),
        _ => return Err(wrong),
    };
    let canonical = match (system.as_deref(), &code) {
        (Some(UCUM), Some(code)) => base_units(span, value, code),
        _ => None,
    };
    Ok(Term::Quantity {
        comparison,
        span,
        value,
        system,
        code,
        canonical,
    })
}

/// A stretch and a point in base units.
fn base_units(span: Span<f64>, value: f64, code: &str) -> Option<(Span<f64>, f64, String)> {
    let (low, units) = canonical(span.low, code)?;
    let (high, _) = canonical(span.high, code)?;
    let (value, _) = canonical(value, code)?;
    Some((Span { low, high }, value, units))
}

fn near(text: &str) -> Result<Term, Unread> {
    let wrong = "write latitude|longitude|distance|unit, the unit one of km, m and [mi_us]";
    let parts = split(text, '|');
    let at = |place: usize| parts.get(place).and_then(|part| part.parse::<f64>().ok());
    let (Some(latitude), Some(longitude)) = (at(0), at(1)) else {
        return Err(wrong);
    };
    let unit = match parts.get(3).map(String::as_str) {
        None | Some("" | "km") => 1_000.0,
        Some("m") => 1.0,
        Some("[mi_us]" | "mi") => 1_609.347,
        Some(_) => return Err(wrong),
    };
    let distance = match parts.get(2).map(String::as_str) {
        None | Some("") => 1.0,
        Some(text) => text.parse::<f64>().map_err(|_| wrong)?,
    };
    let is_sound = latitude.abs() <= 90.0
        && longitude.abs() <= 180.0
        && distance.is_finite()
        && distance >= 0.0
        && parts.len() <= 4;
    if is_sound {
        Ok(Term::Near {
            latitude,
            longitude,
            distance: distance * unit,
        })
    } else {
        Err(wrong)
    }
}
