//! OBX: one Observation, its value exactly as sent.
//!
//! Numbers keep their text and their comparator, units are never converted (hazards H11, H12).
//! A value that is not what OBX-2 says is kept as text, with an issue, so that nothing is lost.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::fhir::Json;
use crate::hl7v2::{DateTime, Field, Segment};

use super::codes::{INTERPRETATIONS, VITAL_SIGNS, words};
use super::fields;
use super::patient::Person;
use super::work::{Work, place};

/// What an observation belongs to.
pub(super) struct Scope<'s> {
    /// Whose it is.
    pub person: &'s Person,
    /// The visit, or `Null`.
    pub encounter: Json,
    /// The key of the order, visit or person; observations' keys begin with it.
    pub key: String,
    /// The status where OBX-11 says nothing.
    pub default_status: &'static str,
    /// When it was taken, where OBX-14 says nothing.
    pub default_time: Option<Timestamp>,
    /// When the result was issued.
    pub issued: Option<String>,
    /// What kind of investigation it belongs to, where its code does not say.
    pub kind: Kind,
}

/// The kinds of observation (FHIR observation-category).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Laboratory,
    Imaging,
    Exam,
    VitalSigns,
}

impl Kind {
    /// From OBR-24, the part of the service that made it (HL7 table 0074).
    pub fn of_service(code: &str) -> Self {
        match code {
            "NRS" | "PHY" | "ICU" => Self::VitalSigns,
            "RAD" | "RUS" | "RX" | "CT" | "CTH" | "MRI" | "NMR" | "NMS" | "US" | "OUS" | "VUS"
            | "XRC" | "CUS" | "IMG" => Self::Imaging,
            _ => Self::Laboratory,
        }
    }

    fn coding(self) -> (&'static str, &'static str) {
        match self {
            Self::Laboratory => ("laboratory", "Laboratory"),
            Self::Imaging => ("imaging", "Imaging"),
            Self::Exam => ("exam", "Exam"),
            Self::VitalSigns => ("vital-signs", "Vital Signs"),
        }
    }
}

/// How often each key occurred in one message, so that a second one alike gets a key of its own.
pub(super) type Seen = HashMap<String, u32>;

/// The key of an observation: its scope, OBX-3 and OBX-4; `#2` for a second one alike.
pub(super) fn key(scope: &str, obx: Segment<'_>, seen: &mut Seen) -> String {
    let code = obx.field(3).value().unwrap_or_default();
    let name = obx.field(3).component(2).value().unwrap_or_default();
    let code = if code.is_empty() { name } else { code };
    let part = obx.field(4).value().unwrap_or_default();
    let base = format!("{scope}/{code}/{part}");
    let count = seen.entry(base.clone()).or_default();
    *count += 1;
    if *count == 1 {
        base
    } else {
        format!("{base}#{count}")
    }
}

/// HL7 table 0085 to FHIR; whether the source took it away.
pub(super) fn status(code: &str, otherwise: &'static str) -> (&'static str, bool) {
    match code {
        "F" | "U" => ("final", false),
        "P" => ("preliminary", false),
        "C" => ("corrected", false),
        "A" => ("amended", false),
        "W" | "D" => ("entered-in-error", true),
        "X" => ("cancelled", false),
        "I" | "R" | "S" | "O" | "N" => ("registered", false),
        _ => (otherwise, false),
    }
}

/// The key and the Observation of one OBX; `None`, with an issue, where it says nothing.
pub(super) fn read<'m>(
    work: &mut Work<'m>,
    scope: &Scope<'_>,
    obx: Segment<'m>,
    sequence: usize,
    notes: &[String],
    seen: &mut Seen,
) -> Option<(String, Json)> {
    let code = fields::concept(obx.field(3));
    if code == Json::Null {
        work.issue(
            place("OBX", sequence, 3),
            "the observation has no identifier, so it was not kept; send OBX-3",
        );
        return None;
    }
    let (status, _) = status(
        obx.field(11).value().unwrap_or_default().as_ref(),
        scope.default_status,
    );
    let taken = work.time(obx.field(14), &place("OBX", sequence, 14));
    let effective = taken.map(DateTime::to_fhir_datetime).or_else(|| {
        scope
            .default_time
            .map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    });
    let mut body = Json::object([
        ("resourceType", "Observation".into()),
        ("status", status.into()),
        ("category", category(obx, scope.kind)),
        ("code", code),
        ("subject", scope.person.reference()),
        ("encounter", scope.encounter.clone()),
        ("effectiveDateTime", effective.into()),
        ("issued", scope.issued.clone().into()),
        ("performer", performers(work, obx)),
    ]);
    put_value(work, obx, sequence, &mut body);
    body.set("interpretation", interpretations(obx.field(8)));
    body.set("note", note(notes));
    body.set("method", fields::concept(obx.field(17)));
    body.set("referenceRange", ranges(obx.field(7), &body));
    Some((key(&scope.key, obx, seen), body))
}

fn category(obx: Segment<'_>, kind: Kind) -> Json {
    let vital = [1, 4]
        .into_iter()
        .filter_map(|part| obx.field(3).component(part).value())
        .any(|code| VITAL_SIGNS.contains(&code.as_ref()));
    let (code, display) = if vital { Kind::VitalSigns } else { kind }.coding();
    let system = "http://terminology.hl7.org/CodeSystem/observation-category";
    Json::Array(vec![fields::coded(system, code, display)])
}

fn performers(work: &Work<'_>, obx: Segment<'_>) -> Json {
    let laboratory = fields::words(obx.field(23)).or_else(|| fields::words(obx.field(15)));
    let mut organisation = work.source_organisation();
    if let Some(name) = laboratory {
        organisation.set("display", name.into());
    }
    let mut made = vec![organisation];
    let observer = fields::practitioner(obx.field(16));
    if observer != Json::Null {
        made.push(observer);
    }
    Json::Array(made)
}

/// Puts OBX-5 where its kind belongs.
fn put_value<'m>(work: &mut Work<'m>, obx: Segment<'m>, sequence: usize, body: &mut Json) {
    let field = obx.field(5);
    if !field.is_valued() {
        if field.is_null() || field.is_empty() {
            body.set(
                "dataAbsentReason",
                fields::coded(
                    "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                    "unknown",
                    "Unknown",
                ),
            );
        }
        return;
    }
    let kind = obx.field(2).value().unwrap_or_default();
    let made = match kind.as_ref() {
        "NM" => number(&fields::lines(field), obx.field(6)).map(|q| ("valueQuantity", q)),
        "SN" => structured(field, obx.field(6)),
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => {
            Some(("valueCodeableConcept", fields::concept(field)))
        }
        "DT" | "TS" | "DTM" => work
            .time(field, &place("OBX", sequence, 5))
            .map(|time| ("valueDateTime", time.to_fhir_datetime().into())),
        "TM" => None,
        _ => Some(("valueString", fields::lines(field).into())),
    };
    match made.filter(|(_, value)| *value != Json::Null) {
        Some((name, value)) => body.set(name, value),
        None => {
            if kind != "TM" {
                work.issue(
                    place("OBX", sequence, 5),
                    "the value is not of the kind OBX-2 says; it was kept as text, word for word; \
                     send the kind that fits",
                );
            }
            body.set(
                "valueString",
                with_unit(&fields::lines(field), obx.field(6)).into(),
            );
        }
    }
}

/// Text that stands for a value keeps its unit beside it.
fn with_unit(text: &str, unit: Field<'_>) -> String {
    match fields::words(unit) {
        Some(unit) => format!("{text} {unit}"),
        None => text.to_owned(),
    }
}

/// A number with its comparator and unit, digits as sent; `None` where it is no number.
fn number(sent: &str, unit: Field<'_>) -> Option<Json> {
    let sent = sent.trim();
    let (comparator, digits) = ["<=", ">=", "<", ">"]
        .into_iter()
        .find_map(|sign| {
            sent.strip_prefix(sign)
                .map(|rest| (Some(sign), rest.trim_start()))
        })
        .unwrap_or((None, sent));
    quantity(comparator, digits, unit)
}

fn quantity(comparator: Option<&str>, digits: &str, unit: Field<'_>) -> Option<Json> {
    if !is_json_number(digits) {
        return None;
    }
    let code = unit.component(1).value().map(|code| code.into_owned());
    let words = unit.component(2).value().map(|words| words.into_owned());
    let is_ucum = unit.component(3).value().as_deref() == Some("UCUM");
    Some(Json::object([
        ("value", Json::Number(digits.into())),
        ("comparator", comparator.into()),
        ("unit", code.clone().or(words).into()),
        (
            "system",
            is_ucum.then_some("http://unitsofmeasure.org").into(),
        ),
        ("code", code.filter(|_| is_ucum).into()),
    ]))
}

/// Whether the digits can stand in JSON unchanged: an optional minus, no leading zeros or plus.
fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = rest
        .split_once('.')
        .map_or((rest, None), |(w, f)| (w, Some(f)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits)
}

/// SN: comparator, number, separator, number.
fn structured(field: Field<'_>, unit: Field<'_>) -> Option<(&'static str, Json)> {
    let part = |number| {
        field
            .component(number)
            .value()
            .map(|value| value.into_owned())
    };
    let (comparator, first, separator, second) = (part(1), part(2), part(3), part(4));
    match (first, separator.as_deref(), second) {
        (Some(low), Some("-"), Some(high)) => {
            let range = Json::object([
                ("low", quantity(None, &low, unit)?),
                ("high", quantity(None, &high, unit)?),
            ]);
            Some(("valueRange", range))
        }
        (Some(first), None, None) => {
            let sign = comparator.filter(|sign| ["<", "<=", ">", ">="].contains(&sign.as_str()));
            quantity(sign.as_deref(), &first, unit).map(|value| ("valueQuantity", value))
        }
        (Some(first), Some(separator), Some(second)) => {
            let sign = comparator.unwrap_or_default();
            Some((
                "valueString",
                format!("{sign}{first}{separator}{second}").into(),
            ))
        }
        _ => None,
    }
}

/// OBX-8, coded as HL7 codes it, with the words the sender used where there are any.
fn interpretations(field: Field<'_>) -> Json {
    let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    let made = field.repetitions().filter_map(|one| {
        let code = one.value()?;
        let sent_words = one.component(2).value().map(|words| words.into_owned());
        let mut concept = match words(INTERPRETATIONS, &code) {
            Some(display) => fields::coded(system, &code, display),
            None => fields::concept_text(Some(code.into_owned())),
        };
        if let Some(sent) = sent_words {
            concept.set("text", sent.into());
        }
        Some(concept)
    });
    Json::list(made.collect())
}

fn note(notes: &[String]) -> Json {
    let made = notes
        .iter()
        .filter(|text| !text.trim().is_empty())
        .map(|text| Json::object([("text", text.as_str().into())]))
        .collect();
    Json::list(made)
}

/// OBX-7 as sent; also as numbers where it is plainly two of them or one bound.
fn ranges(field: Field<'_>, body: &Json) -> Json {
    let sent = field.text().trim().to_owned();
    if sent.is_empty() || field.is_null() {
        return Json::Null;
    }
    let unit = body.text_at(&["valueQuantity", "unit"]);
    let bound = |digits: &str| {
        let digits = digits.trim();
        is_json_number(digits).then(|| {
            Json::object([
                ("value", Json::Number(digits.into())),
                ("unit", unit.into()),
            ])
        })
    };
    let (low, high) = match sent.split_once('-') {
        Some((low, high)) => match (bound(low), bound(high)) {
            (Some(low), Some(high)) => (Some(low), Some(high)),
            _ => (None, None),
        },
        None if sent.starts_with('<') => (None, bound(sent.trim_start_matches(['<', '=']))),
        None if sent.starts_with('>') => (bound(sent.trim_start_matches(['>', '='])), None),
        None => (None, None),
    };
    Json::Array(vec![Json::object([
        ("low", low.unwrap_or_default()),
        ("high", high.unwrap_or_default()),
        ("text", sent.into()),
    ])])
}
