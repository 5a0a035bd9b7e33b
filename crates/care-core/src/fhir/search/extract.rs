//! What a resource can be found by.

use jiff::Timestamp;

use super::numbers::{EVER, moment, number, span_of};
use super::parameters::{ParameterKind, Parameters, SearchParameter};
use super::terms::UCUM;
use super::value::{CodeSystem, IndexValue, Span};
use crate::fhir::path::{Context, Element, PathLimits, Value, canonical};
use crate::fhir::{FhirTime, Json, ReferenceTarget, read_reference, resource_type};

/// What one parameter may cost: no sound resource needs more.
const LIMITS: PathLimits = PathLimits {
    steps: 200_000,
    items: 50_000,
    text_bytes: 1 << 16,
};

/// Every value of a resource under every parameter of its type, with the parameter's key. What a
/// parameter cannot be asked of is left out: a search must not fail for one odd resource.
pub fn extract(resource: &Json, parameters: &Parameters) -> Vec<(u32, IndexValue)> {
    extract_some(resource, parameters, |_| true)
}

/// The same under those parameters that are wanted: a query looks at a few of many.
pub fn extract_some(
    resource: &Json,
    parameters: &Parameters,
    wanted: impl Fn(&SearchParameter) -> bool,
) -> Vec<(u32, IndexValue)> {
    let Some(resource_type) = resource_type(resource) else {
        return Vec::new();
    };
    let context = Context::new(Timestamp::UNIX_EPOCH).limits(LIMITS);
    let root = Value::Element(Element::root(resource));
    let mut found = Vec::new();
    for parameter in parameters.of(resource_type).filter(|one| wanted(one)) {
        let Ok(answer) = parameter.path.evaluate_value(root.clone(), &context) else {
            continue;
        };
        for value in &answer {
            let before = found.len();
            each(parameter, value, &context, &mut |index| {
                found.push((parameter.key(), index));
            });
            debug_assert!(found.len() >= before);
        }
    }
    found
}

fn each<'a>(
    parameter: &'a SearchParameter,
    value: &Value<'a>,
    context: &'a Context<'a>,
    out: &mut dyn FnMut(IndexValue),
) {
    if parameter.kind != ParameterKind::Composite {
        return values(parameter.kind, value, out);
    }
    let mut parts = Vec::with_capacity(parameter.components.len());
    for (kind, path) in &parameter.components {
        let Ok(answer) = path.evaluate_value(value.clone(), context) else {
            return;
        };
        let mut part = Vec::new();
        for one in &answer {
            values(*kind, one, &mut |index| part.push(index));
        }
        if part.is_empty() {
            return;
        }
        parts.push(part);
    }
    out(IndexValue::Composite(parts));
}

fn values(kind: ParameterKind, value: &Value<'_>, out: &mut dyn FnMut(IndexValue)) {
    let json = value.to_json();
    let json = json.as_ref();
    let type_name = value.type_of();
    let type_name = type_name.name();
    match kind {
        ParameterKind::Number => {
            if let Some(span) = numeric(json) {
                out(IndexValue::Number(span));
            }
        }
        ParameterKind::Date => dates(json, type_name, out),
        ParameterKind::String => texts(json, type_name, out),
        ParameterKind::Token => tokens(json, type_name, out),
        ParameterKind::Reference => references(json, type_name, out),
        ParameterKind::Quantity => quantities(json, type_name, out),
        ParameterKind::Uri => {
            if let Some(text) = json.as_text() {
                out(IndexValue::Uri(text.into()));
            }
        }
        ParameterKind::Special => {
            let degrees = |name: &str| json.get(name)?.as_number()?.parse().ok();
            if let (Some(latitude), Some(longitude)) = (degrees("latitude"), degrees("longitude")) {
                out(IndexValue::Position {
                    latitude,
                    longitude,
                });
            }
        }
        ParameterKind::Composite => {}
    }
}

fn text<'j>(json: &'j Json, name: &str) -> Option<&'j str> {
    json.get(name).and_then(Json::as_text)
}

/// A number, or a Range's two.
fn numeric(json: &Json) -> Option<Span<f64>> {
    if let Some(text) = json.as_number() {
        return number(text).map(|(value, _)| Span::point(value));
    }
    range(json)
}

fn range(json: &Json) -> Option<Span<f64>> {
    let end = |name: &str| {
        let text = json.get(name)?.get("value")?.as_number()?;
        number(text).map(|(value, _)| value)
    };
    match (end("low"), end("high")) {
        (None, None) => None,
        (low, high) => Some(Span {
            low: low.unwrap_or(f64::NEG_INFINITY),
            high: high.unwrap_or(f64::INFINITY),
        }),
    }
}

fn dates(json: &Json, type_name: &str, out: &mut dyn FnMut(IndexValue)) {
    if let Some(text) = json.as_text() {
        if let Some(span) = moment(text) {
            out(IndexValue::Date(span));
        }
        return;
    }
    match type_name {
        "Period" => {
            if let Some(span) = period(json) {
                out(IndexValue::Date(span));
            }
        }
        "Timing" => {
            for event in json.elements("event") {
                if let Some(span) = event.as_text().and_then(moment) {
                    out(IndexValue::Date(span));
                }
            }
            if let Some(span) = json.path(&["repeat", "boundsPeriod"]).and_then(period) {
                out(IndexValue::Date(span));
            }
        }
        _ => {}
    }
}

/// A Period; open where an end was not sent.
fn period(json: &Json) -> Option<Span<i64>> {
    let end = |name: &str| FhirTime::parse(text(json, name)?).map(|time| span_of(&time));
    match (end("start"), end("end")) {
        (None, None) => None,
        (start, finish) => Some(Span {
            low: start.map_or(EVER.low, |span| span.low),
            high: finish.map_or(EVER.high, |span| span.high),
        }),
    }
}

fn texts(json: &Json, type_name: &str, out: &mut dyn FnMut(IndexValue)) {
    let mut say = |text: &str| out(IndexValue::Text(text.into()));
    if let Some(text) = json.as_text() {
        return say(text);
    }
    let members: &[&str] = match type_name {
        "HumanName" => &["family", "given", "prefix", "suffix", "text"],
        "Address" => &[
            "line",
            "city",
            "district",
            "state",
            "country",
            "postalCode",
            "text",
        ],
        "CodeableConcept" => &["text"],
        "Coding" => &["display"],
        "Annotation" => &["text"],
        _ => &[],
    };
    for member in members {
        for one in json.elements(member) {
            if let Some(text) = one.as_text() {
                say(text);
            }
        }
    }
    if type_name == "CodeableConcept" {
        for coding in json.elements("coding") {
            if let Some(display) = text(coding, "display") {
                say(display);
            }
        }
    }
}

fn token(system: CodeSystem, code: Option<&str>, words: Option<&str>) -> IndexValue {
    IndexValue::Token {
        system,
        code: code.map(Into::into),
        text: words.map(Into::into),
        of_type: None,
    }
}

fn system_of(json: &Json) -> CodeSystem {
    text(json, "system").map_or(CodeSystem::None, |system| CodeSystem::Is(system.into()))
}

fn tokens(json: &Json, type_name: &str, out: &mut dyn FnMut(IndexValue)) {
    match json {
        Json::Bool(value) => {
            let code = if *value { "true" } else { "false" };
            return out(token(CodeSystem::None, Some(code), None));
        }
        Json::Text(code) => {
            let system = if type_name == "code" {
                CodeSystem::Implied
            } else {
                CodeSystem::None
            };
            return out(token(system, Some(code), None));
        }
        Json::Number(code) => return out(token(CodeSystem::None, Some(code), None)),
        _ => {}
    }
    let mut coding = |one: &Json, words: Option<&str>| {
        if text(one, "code").is_some() || text(one, "display").is_some() {
            out(token(
                system_of(one),
                text(one, "code"),
                text(one, "display").or(words),
            ));
        }
    };
    match type_name {
        "Coding" => coding(json, None),
        "CodeableConcept" => {
            let words = text(json, "text");
            for one in json.elements("coding") {
                coding(one, words);
            }
            if let Some(words) = words {
                out(token(CodeSystem::None, None, Some(words)));
            }
        }
        "Identifier" => identifier(json, out),
        "ContactPoint" => {
            if let Some(value) = text(json, "value") {
                out(token(CodeSystem::None, Some(value), None));
            }
        }
        _ => {}
    }
}

fn identifier(json: &Json, out: &mut dyn FnMut(IndexValue)) {
    let Some(value) = text(json, "value") else {
        return;
    };
    let types: Vec<_> = json
        .get("type")
        .map_or(&[][..], |of_type| of_type.elements("coding"))
        .iter()
        .filter_map(|one| {
            let system = text(one, "system").unwrap_or_default();
            Some((system.into(), text(one, "code")?.into()))
        })
        .collect();
    let words = json.text_at(&["type", "text"]);
    let with = |of_type| IndexValue::Token {
        system: system_of(json),
        code: Some(value.into()),
        text: words.map(Into::into),
        of_type,
    };
    if types.is_empty() {
        out(with(None));
    }
    for of_type in types {
        out(with(Some(of_type)));
    }
}

fn references(json: &Json, type_name: &str, out: &mut dyn FnMut(IndexValue)) {
    if let Some(address) = json.as_text() {
        // A canonical address, or a uri that names a resource.
        let (url, version) = match address.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (address, None),
        };
        return out(reference(address, url, version, None));
    }
    if type_name == "Identifier" {
        return;
    }
    let identifier = json.text_at(&["identifier", "value"]).map(|value| {
        let system = json.text_at(&["identifier", "system"]).unwrap_or_default();
        (system.into(), value.into())
    });
    match text(json, "reference") {
        // What is contained is no resource of its own.
        Some(address) if address.starts_with('#') => {}
        Some(address) => out(reference(address, address, None, identifier)),
        None => {
            if identifier.is_some() {
                out(IndexValue::Reference {
                    resource_type: text(json, "type").map(Into::into),
                    id: None,
                    url: None,
                    version: None,
                    identifier,
                });
            }
        }
    }
}

fn reference(
    address: &str,
    url: &str,
    version: Option<&str>,
    identifier: Option<(Box<str>, Box<str>)>,
) -> IndexValue {
    match read_reference(address) {
        Some(ReferenceTarget::Relative(resource_type, id)) => IndexValue::Reference {
            resource_type: Some(resource_type.name().into()),
            id: Some(id.into()),
            url: None,
            version: None,
            identifier,
        },
        Some(ReferenceTarget::Absolute(_, Some((resource_type, _)))) => IndexValue::Reference {
            resource_type: Some(resource_type.name().into()),
            id: None,
            url: Some(url.into()),
            version: version.map(Into::into),
            identifier,
        },
        _ => IndexValue::Reference {
            resource_type: None,
            id: None,
            url: Some(url.into()),
            version: version.map(Into::into),
            identifier,
        },
    }
}

fn quantities(json: &Json, type_name: &str, out: &mut dyn FnMut(IndexValue)) {
    match type_name {
        "Range" => {
            let unit = json.get("low").or_else(|| json.get("high"));
            if let (Some(span), Some(unit)) = (range(json), unit) {
                out(quantity(span, unit));
            }
        }
        "SampledData" => {
            if let Some(origin) = json.get("origin")
                && let Some(value) = compared(origin)
            {
                out(quantity(value, origin));
            }
        }
        "Money" => {
            if let Some(value) = compared(json) {
                out(IndexValue::Quantity {
                    value,
                    system: Some("urn:iso:std:iso:4217".into()),
                    code: text(json, "currency").map(Into::into),
                    unit: None,
                    canonical: None,
                });
            }
        }
        _ => {
            if let Some(value) = compared(json) {
                out(quantity(value, json));
            }
        }
    }
}

/// The number of a Quantity; `<5` is anything below.
fn compared(json: &Json) -> Option<Span<f64>> {
    let (value, _) = number(json.get("value")?.as_number()?)?;
    Some(match text(json, "comparator") {
        Some("<" | "<=") => Span {
            low: f64::NEG_INFINITY,
            high: value,
        },
        Some(">" | ">=") => Span {
            low: value,
            high: f64::INFINITY,
        },
        _ => Span::point(value),
    })
}

fn quantity(value: Span<f64>, unit: &Json) -> IndexValue {
    let system = text(unit, "system");
    let code = text(unit, "code");
    let in_base_units = || {
        let code = code.filter(|_| system == Some(UCUM))?;
        let (low, units) = canonical(value.low, code)?;
        let (high, _) = canonical(value.high, code)?;
        Some((Span { low, high }, units.into()))
    };
    IndexValue::Quantity {
        value,
        system: system.map(Into::into),
        code: code.map(Into::into),
        unit: text(unit, "unit").map(Into::into),
        canonical: in_base_units(),
    }
}
