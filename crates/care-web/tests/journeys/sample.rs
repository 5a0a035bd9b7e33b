//! Resources made from the definitions: every element filled, so that every search parameter finds something.

use care_core::fhir::search::{IndexValue, ParameterKind, Parameters, SearchParameter, extract};
use care_core::fhir::{
    Definitions, ElementDefinition, Json, Limits, ResourceType, TypeDefinition, TypeKind,
};
use serde_json::{Map, Value, json};

/// How deep parts of a resource are filled.
const DEPTH: usize = 5;
/// Variants tried for a type: each takes another type of every choice and another target of every reference.
const VARIANTS: usize = 14;

/// A system of codes of our own.
const SYSTEM: &str = "http://example.org/sweep";

/// The key under which a source sends a sample.
pub fn own_id(kind: &str, variant: usize) -> String {
    format!("sweep-{}-{variant}", kind.to_lowercase())
}

/// As few variants of a type as find something under every parameter that can find anything.
pub fn samples(kind: ResourceType) -> Vec<Value> {
    let mut kept = Vec::new();
    let mut found: Vec<u32> = Vec::new();
    for variant in 0..VARIANTS {
        let Some(sample) = make(kind, variant) else {
            return Vec::new();
        };
        let keys = keys(&sample);
        let new = keys.iter().any(|key| !found.contains(key));
        if new || kept.is_empty() {
            found.extend(keys);
            let mut sample = sample;
            sample["id"] = own_id(kind.name(), kept.len()).into();
            kept.push(sample);
        }
    }
    kept
}

fn keys(sample: &Value) -> Vec<u32> {
    let json = Json::parse(sample.to_string().as_bytes(), Limits::default()).expect("JSON");
    extract(&json, Parameters::r4())
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

fn make(kind: ResourceType, variant: usize) -> Option<Value> {
    let definition = Definitions::r4().get(kind.name())?;
    let mut maker = Maker {
        variant,
        about: kind.name(),
    };
    let mut made = maker.object(definition, 0);
    let members = made.as_object_mut()?;
    members.insert("resourceType".to_owned(), kind.name().into());
    members.insert(
        "meta".to_owned(),
        json!({
            "source": "http://example.org/sweep/source",
            "profile": [format!("http://example.org/sweep/{kind}")],
            "tag": [{ "system": SYSTEM, "code": "tagged" }],
            "security": [{ "system": SYSTEM, "code": "labelled" }],
        }),
    );
    tidy(kind.name(), variant, members);
    Some(made)
}

/// What the definitions' structure does not say, and a source must.
fn tidy(kind: &str, variant: usize, members: &mut Map<String, Value>) {
    if kind == "Patient" {
        // Each variant is a person of its own, with a number that was never given out.
        let number = ["9990000018", "9990000026", "9990000034", "9990000042"][variant % 4];
        members.insert(
            "identifier".to_owned(),
            json!([{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number }]),
        );
        members.insert(
            "birthDate".to_owned(),
            format!("19{}0-01-02", 4 + variant % 4).into(),
        );
        members.insert("link".to_owned(), Value::Null);
        members.retain(|_, value| !value.is_null());
    }
    // Whoever else they name, they name a person too.
    let person = json!({ "reference": format!("Patient/{}", own_id("Patient", 0)) });
    let more = match kind {
        "Appointment" => Some((
            "participant",
            json!({ "actor": person, "status": "accepted" }),
        )),
        "Person" => Some(("link", json!({ "target": person }))),
        _ => None,
    };
    if let Some((name, more)) = more
        && let Some(all) = members.get_mut(name).and_then(Value::as_array_mut)
    {
        all.push(more);
    }
    if kind == "Bundle" {
        members.insert("type".to_owned(), "collection".into());
        members.remove("entry");
    }
}

struct Maker<'d> {
    variant: usize,
    about: &'d str,
}

impl Maker<'_> {
    fn object(&mut self, of: &TypeDefinition, depth: usize) -> Value {
        let mut members = Map::new();
        for element in &of.elements {
            if SKIPPED.contains(&element.name) || (depth == 0 && element.name == "id") {
                continue;
            }
            if let Some((name, value)) = self.member(element, depth) {
                let value = if element.is_list {
                    json!([value])
                } else {
                    value
                };
                members.insert(name, value);
            }
        }
        Value::Object(members)
    }

    fn member(&mut self, element: &ElementDefinition, depth: usize) -> Option<(String, Value)> {
        let place = if element.is_choice {
            self.variant % element.types.len()
        } else {
            0
        };
        let of_type = &element.types[place];
        let mut name = element.name.to_owned();
        if element.is_choice {
            let mut letters = of_type.name.chars();
            name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(letters.as_str());
        }
        let value = match of_type.name {
            "Reference" => self.reference(element.name, &of_type.targets),
            kind => self.value(kind, element, depth)?,
        };
        Some((name, value))
    }

    /// A reference: to the person where that is meant and allowed, else to another sample.
    fn reference(&self, name: &str, targets: &[&str]) -> Value {
        let people = [
            "subject",
            "patient",
            "for",
            "beneficiary",
            "individual",
            "individuals",
        ];
        let is_answer = self.about == "AppointmentResponse" && name == "actor";
        let is_about = people.contains(&name) || is_answer || self.variant == 0;
        let target = if targets.is_empty() || (is_about && targets.contains(&"Patient")) {
            "Patient"
        } else {
            targets[self.variant % targets.len()]
        };
        json!({ "reference": format!("{target}/{}", own_id(target, 0)), "display": "somebody" })
    }

    fn value(&mut self, kind: &str, element: &ElementDefinition, depth: usize) -> Option<Value> {
        let coded = |element: &ElementDefinition| {
            let set = Definitions::r4()
                .required_set(element)
                .filter(|set| set.is_finite())?;
            let (system, codes) = set.systems.first()?;
            Some((
                (*system).to_owned(),
                codes[self.variant % codes.len()].to_owned(),
            ))
        };
        let coding = || match coded(element) {
            Some((system, code)) => json!({ "system": system, "code": code }),
            None => {
                json!({ "system": SYSTEM, "code": format!("a-{}", element.name), "display": "a code" })
            }
        };
        Some(match kind {
            "code" => coded(element).map_or_else(|| "en".into(), |(_, code)| code.into()),
            "Coding" => coding(),
            "CodeableConcept" => json!({ "coding": [coding()], "text": "in words" }),
            "Identifier" => {
                json!({ "system": "http://example.org/ids", "value": format!("n-{}-{}", self.about.to_lowercase(), self.variant) })
            }
            "Quantity" | "Count" | "Distance" | "SimpleQuantity" => quantity("mg", "4.5"),
            "Age" | "Duration" => quantity("a", "4.5"),
            "Period" => json!({ "start": "2026-03-04T05:06:07Z", "end": "2026-03-05T05:06:07Z" }),
            "Range" => json!({ "low": quantity("mg", "4.5"), "high": quantity("mg", "5.5") }),
            "Ratio" => {
                json!({ "numerator": quantity("mg", "4.5"), "denominator": quantity("mL", "1") })
            }
            "HumanName" => {
                json!({ "use": "official", "text": "Ada Example", "family": "Example", "given": ["Ada"], "prefix": ["Mrs"], "suffix": ["Jr"] })
            }
            "Address" => {
                json!({ "use": "home", "text": "1 High Street", "line": ["1 High Street"], "city": "Deptford", "district": "Lewisham", "state": "London", "postalCode": "SE8 4AA", "country": "GB" })
            }
            "ContactPoint" if self.variant % 2 == 1 => {
                json!({ "system": "email", "value": "ada@example.org" })
            }
            "ContactPoint" => json!({ "system": "phone", "value": "02079460123", "use": "home" }),
            "Annotation" => json!({ "text": "a note" }),
            "Attachment" => {
                json!({ "contentType": "text/plain", "language": "en", "url": "http://example.org/a.txt", "title": "a title", "creation": "2026-03-04" })
            }
            "Timing" => json!({ "event": ["2026-03-04T05:06:07Z"], "code": { "text": "once" } }),
            "Money" => json!({ "value": decimal("4.5"), "currency": "GBP" }),
            "Signature" => {
                json!({ "type": [{ "system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1" }], "when": "2026-03-04T05:06:07Z", "who": { "display": "somebody" } })
            }
            "SampledData" => {
                json!({ "origin": quantity("mg", "0"), "period": 1, "dimensions": 1, "data": "1 2" })
            }
            "UsageContext" if self.variant % 2 == 1 => {
                json!({ "code": { "system": SYSTEM, "code": "a-use" }, "valueQuantity": quantity("a", "4.5") })
            }
            "UsageContext" => {
                json!({ "code": { "system": SYSTEM, "code": "a-use" }, "valueCodeableConcept": { "coding": [{ "system": SYSTEM, "code": "a-value" }] } })
            }
            "Narrative" | "Extension" | "Resource" | "Meta" => return None,
            "ElementDefinition" | "DataRequirement" | "TriggerDefinition" if element.min == 0 => {
                return None;
            }
            kind => match primitive(kind) {
                Some(value) => value,
                None => self.part(kind, element, depth)?,
            },
        })
    }

    fn part(&mut self, kind: &str, element: &ElementDefinition, depth: usize) -> Option<Value> {
        if depth >= DEPTH && element.min == 0 {
            return None;
        }
        let definition = Definitions::r4().get(kind)?;
        if definition.kind == TypeKind::Resource || depth > DEPTH + 3 {
            return None;
        }
        let made = self.object(definition, depth + 1);
        made.as_object()
            .is_some_and(|members| !members.is_empty())
            .then_some(made)
    }
}

/// Elements that say how a resource is carried, or that our own samples leave out.
const SKIPPED: [&str; 5] = [
    "meta",
    "implicitRules",
    "contained",
    "extension",
    "modifierExtension",
];

fn decimal(text: &str) -> Value {
    serde_json::from_str(text).expect("a number")
}

fn quantity(unit: &str, number: &str) -> Value {
    json!({ "value": decimal(number), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit })
}

fn primitive(kind: &str) -> Option<Value> {
    Some(match kind {
        "string" | "markdown" => "some words".into(),
        "id" => "an-id".into(),
        "uri" | "url" => "http://example.org/sweep/uri".into(),
        "canonical" => "http://example.org/sweep/canonical".into(),
        "oid" => "urn:oid:1.2.3".into(),
        "uuid" => "urn:uuid:c757873d-ec9a-4326-a141-556f43239520".into(),
        "boolean" => true.into(),
        "integer" | "positiveInt" | "unsignedInt" => 4.into(),
        "decimal" => decimal("4.5"),
        "date" => "2026-03-04".into(),
        "dateTime" => "2026-03-04T05:06:07Z".into(),
        "instant" => "2026-03-04T05:06:07.000Z".into(),
        "time" => "05:06:07".into(),
        "base64Binary" => "YWJj".into(),
        "xhtml" => return None,
        _ => return None,
    })
}

/// A value that finds a resource by this parameter, and the modifier it is asked with; `None` where the
/// resource has no value under it that can be asked for.
pub fn asked(parameter: &SearchParameter, values: &[(u32, IndexValue)]) -> Option<String> {
    let mut own = values.iter().filter(|(key, _)| *key == parameter.key());
    own.find_map(|(_, value)| word(value))
}

fn middle(low: f64, high: f64) -> String {
    let number = (low + high) / 2.0;
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if ['\\', ',', '|', '$'].contains(&letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn word(value: &IndexValue) -> Option<String> {
    Some(match value {
        IndexValue::Number(span) => middle(span.low, span.high),
        IndexValue::Date(span) => {
            // The year it begins in holds every sample whole.
            let begin = jiff::Timestamp::from_microsecond(span.low).ok()?;
            begin.to_string().get(..4)?.to_owned()
        }
        IndexValue::Text(text) => escaped(text),
        IndexValue::Token { system, code, .. } => {
            let (system, code) = (system.to_string(), code.as_deref()?);
            match system.as_str() {
                "" => escaped(code),
                system => format!("{}|{}", escaped(system), escaped(code)),
            }
        }
        IndexValue::Reference {
            resource_type,
            id,
            url,
            ..
        } => match (resource_type, id, url) {
            (Some(kind), Some(id), _) => format!("{kind}/{id}"),
            (_, _, Some(url)) => escaped(url),
            _ => return None,
        },
        IndexValue::Quantity {
            value,
            system,
            code,
            ..
        } => {
            let number = middle(value.low, value.high);
            match (system, code) {
                (Some(system), Some(code)) => format!("{number}|{system}|{code}"),
                _ => number,
            }
        }
        IndexValue::Uri(address) => escaped(address),
        IndexValue::Composite(parts) => {
            let words: Option<Vec<String>> = parts
                .iter()
                .map(|values| values.iter().find_map(word))
                .collect();
            words?.join("$")
        }
        IndexValue::Position {
            latitude,
            longitude,
        } => format!("{latitude}|{longitude}|10|km"),
    })
}

/// A value of the right form that finds nothing of ours.
pub fn any_value(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Number => "12345",
        ParameterKind::Date => "1901-02-03",
        ParameterKind::String => "zzyzx",
        ParameterKind::Token => "zzyzx",
        ParameterKind::Reference => "Patient/zzyzx",
        ParameterKind::Composite => "zzyzx$zzyzx",
        ParameterKind::Quantity => "12345",
        ParameterKind::Uri => "http://example.org/zzyzx",
        ParameterKind::Special => "1|1|1|km",
    }
}

#[test]
fn every_parameter_that_can_find_anything_finds_a_sample() {
    let (mut all, mut seeded, mut number) = (0, 0, 0);
    let mut without = Vec::new();
    for kind in ResourceType::all() {
        let samples = samples(kind);
        number += samples.len();
        let values: Vec<_> = samples
            .iter()
            .map(|sample| {
                let text = sample.to_string();
                let json = Json::parse(text.as_bytes(), Limits::default()).expect("JSON");
                let faults = care_core::fhir::validate_structure(&json);
                for fault in &faults {
                    without.push(format!("{kind} {}: {}", fault.place, fault.what));
                }
                extract(&json, Parameters::r4())
            })
            .collect();
        for parameter in Parameters::r4().of(kind).filter(|_| !samples.is_empty()) {
            // The server says when it took a resource.
            if &*parameter.code == "_lastUpdated" {
                continue;
            }
            all += 1;
            if values
                .iter()
                .any(|values| asked(parameter, values).is_some())
            {
                seeded += 1;
            } else {
                without.push(format!("{kind}.{}", parameter.code));
            }
        }
    }
    println!("{number} samples; {seeded} of {all} parameters find one; without: {without:?}");
    assert!(seeded * 100 > all * 95, "{seeded} of {all}");
}
