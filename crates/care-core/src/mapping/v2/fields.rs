//! One HL7 v2 data type to one FHIR shape. Texts are kept as sent.

use crate::fhir::Json;
use crate::hl7v2::Field;

use super::codes;

/// The first component's decoded text, trimmed; `Null` where nothing was sent.
pub(super) fn text(field: Field<'_>) -> Json {
    Json::from(field.value().map(|value| value.into_owned()))
}

/// CE, CWE, CNE or CF as a CodeableConcept: the code, the other code beside it, and the words. The
/// words are the original text where one was sent. `Null` where nothing was sent.
pub(super) fn concept(field: Field<'_>) -> Json {
    let part = |number| {
        field
            .component(number)
            .value()
            .map(|value| value.into_owned())
    };
    let mut codings = Vec::new();
    for first in [1, 4] {
        if let Some(coding) = coding(part(first), part(first + 1), part(first + 2)) {
            codings.push(coding);
        }
    }
    let words = part(9)
        .or_else(|| part(2))
        .or_else(|| part(5))
        .or_else(|| part(1));
    if words.is_none() && codings.is_empty() {
        return Json::Null;
    }
    Json::object([("coding", Json::list(codings)), ("text", words.into())])
}

/// A code needs something that says whose code it is, or words; a bare code of nobody's stays text.
fn coding(code: Option<String>, display: Option<String>, system: Option<String>) -> Option<Json> {
    let code = code?;
    let address = system
        .as_deref()
        .map(|name| codes::system_of(name, &code).unwrap_or_else(|| local_system(name)));
    if address.is_none() && display.is_none() {
        return None;
    }
    Some(Json::object([
        ("system", address.into()),
        ("code", code.into()),
        ("display", display.into()),
    ]))
}

/// A code system that only the sender knows, as a name that is no web address.
fn local_system(name: &str) -> String {
    if name.contains("://") || name.starts_with("urn:") {
        return name.to_owned();
    }
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-._".contains(c) {
            c
        } else {
            '-'
        }
    };
    format!(
        "urn:connect-care:local-codes:{}",
        name.chars().map(plain).collect::<String>()
    )
}

/// The words of a concept: its text, display or code.
pub(super) fn words(field: Field<'_>) -> Option<String> {
    [2, 5, 1]
        .into_iter()
        .find_map(|part| field.component(part).value())
        .map(|value| value.into_owned())
}

/// A concept of one coding with known words.
pub(super) fn coded(system: &str, code: &str, display: &str) -> Json {
    Json::object([(
        "coding",
        Json::Array(vec![one_coding(system, code, display)]),
    )])
}

/// One coding.
pub(super) fn one_coding(system: &str, code: &str, display: &str) -> Json {
    Json::object([
        ("system", system.into()),
        ("code", code.into()),
        ("display", display.into()),
    ])
}

/// A concept of words only; `Null` where there are none.
pub(super) fn concept_text(words: Option<String>) -> Json {
    words.map_or(Json::Null, |words| Json::object([("text", words.into())]))
}

/// XPN as a HumanName: family, given, middle, suffix, prefix, kind.
pub(super) fn name(field: Field<'_>) -> Json {
    let part = |number| {
        field
            .component(number)
            .value()
            .map(|value| value.into_owned())
    };
    let given: Vec<Json> = [2, 3]
        .into_iter()
        .filter_map(part)
        .flat_map(|names| names.split_whitespace().map(Json::from).collect::<Vec<_>>())
        .collect();
    let usage = match part(7).as_deref() {
        Some("A" | "N" | "P") => "nickname",
        Some("M") => "maiden",
        Some("BAD" | "NOUSE") => "old",
        Some("D") => "usual",
        _ => "official",
    };
    let family = part(1);
    if family.is_none() && given.is_empty() {
        return Json::Null;
    }
    Json::object([
        ("use", usage.into()),
        ("family", family.into()),
        ("given", Json::list(given)),
        (
            "prefix",
            Json::list(
                part(5)
                    .map(|title| Json::text(proper(&title)))
                    .into_iter()
                    .collect(),
            ),
        ),
        (
            "suffix",
            Json::list(part(4).map(Json::text).into_iter().collect()),
        ),
    ])
}

/// A title as people write it: `MRS` becomes `Mrs`. Titles of several capitals in mixed case stay.
fn proper(title: &str) -> String {
    if title.len() < 2 || title.chars().any(char::is_lowercase) {
        return title.to_owned();
    }
    let mut letters = title.chars();
    let first: String = letters.next().into_iter().collect();
    first + &letters.as_str().to_lowercase()
}

/// The words of a name, for a display: title, given, family.
pub(super) fn display_name(field: Field<'_>, first: usize) -> Option<String> {
    let part = |number| {
        field
            .component(first + number)
            .value()
            .map(|value| value.into_owned())
    };
    let words: Vec<String> = [part(4), part(1), part(0)].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// XAD as an Address, lines as sent.
pub(super) fn address(field: Field<'_>) -> Json {
    let part = |number| {
        field
            .component(number)
            .value()
            .map(|value| value.into_owned())
    };
    let lines: Vec<Json> = [1, 2]
        .into_iter()
        .filter_map(part)
        .map(Json::text)
        .collect();
    let usage = match part(7).as_deref() {
        Some("C" | "TM") => "temp",
        Some("B" | "O") => "work",
        Some("BA") => "old",
        _ => "home",
    };
    let (city, district, postcode) = (part(3), part(4), part(5));
    if lines.is_empty() && city.is_none() && postcode.is_none() {
        return Json::Null;
    }
    Json::object([
        ("use", usage.into()),
        ("line", Json::list(lines)),
        ("city", city.into()),
        ("district", district.into()),
        ("postalCode", postcode.into()),
        ("country", part(6).into()),
    ])
}

/// XTN as a ContactPoint; `usual` says which kind the field is for.
pub(super) fn telecom(field: Field<'_>, usual: &'static str) -> Json {
    let part = |number| {
        field
            .component(number)
            .value()
            .map(|value| value.into_owned())
    };
    let equipment = part(3).unwrap_or_default();
    let email = part(4).filter(|text| text.contains('@'));
    let number = part(1).or_else(|| part(12)).or_else(|| part(7));
    let by_mail = equipment == "Internet" || equipment == "X.400";
    let Some(value) = (if by_mail {
        email.or(number)
    } else {
        number.or(email)
    }) else {
        return Json::Null;
    };
    let is_email = value.contains('@');
    let place = match (equipment.as_str(), part(2).as_deref()) {
        _ if is_email => None,
        ("CP", _) | (_, Some("PRS")) => Some("mobile"),
        (_, Some("WPN")) => Some("work"),
        (_, Some("PRN")) => Some("home"),
        _ => Some(usual),
    };
    Json::object([
        ("system", if is_email { "email" } else { "phone" }.into()),
        ("value", value.into()),
        ("use", place.into()),
    ])
}

/// XCN as a reference to a practitioner by number and name: nothing is held of practitioners
/// themselves.
pub(super) fn practitioner(field: Field<'_>) -> Json {
    let number = field.component(1).value().map(|value| value.into_owned());
    // XCN counts from the number: family 2, given 3, prefix 6.
    let display = display_name(field, 2);
    let assigner = field
        .component(9)
        .value()
        .or_else(|| field.component(13).value());
    let system = match assigner.as_deref() {
        Some("GMC") => Some("https://fhir.hl7.org.uk/Id/gmc-number"),
        Some("GMP") => Some("https://fhir.hl7.org.uk/Id/gmp-number"),
        Some("NMC") => Some("https://fhir.hl7.org.uk/Id/nmc-number"),
        Some("HCPC") => Some("https://fhir.hl7.org.uk/Id/hcpc-number"),
        Some("SDS") => Some("https://fhir.nhs.uk/Id/sds-user-id"),
        _ => None,
    };
    if number.is_none() && display.is_none() {
        return Json::Null;
    }
    let identifier = number.map_or(Json::Null, |number| {
        Json::object([("system", system.into()), ("value", number.into())])
    });
    Json::object([
        ("type", "Practitioner".into()),
        ("identifier", identifier),
        ("display", display.into()),
    ])
}

/// The texts of every repetition, one line each.
pub(super) fn lines(field: Field<'_>) -> String {
    field
        .repetitions()
        .map(|one| one.text().trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
