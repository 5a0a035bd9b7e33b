//! One resource on its way out: what the allow-list names, with codes for words, pseudonyms for
//! people and items, and dates by the release's rule. Anything else stays at home.

use std::borrow::Cow;

use crate::fhir::Json;
use crate::vocabulary::NhsNumber;

use super::dates::{DateRule, released_date};
use super::elements::{Allowed, Leaves, Level, level_of};
use super::generalise::Generalised;
use super::identifiers::Identifying;
use super::keys::ProjectKey;

/// How the resources of a release leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What becomes of dates.
    pub dates: DateRule,
    /// Words beside codes leave too: identifiable releases that ask for it.
    pub words: bool,
    /// People can be told apart by name and number: identifiable releases.
    pub identifiable: bool,
}

/// One person as they leave.
#[derive(Debug, Clone)]
pub struct PersonInRelease<'a> {
    /// The pseudonym.
    pub pseudonym: &'a str,
    /// By how many days dates move.
    pub shift_days: i32,
    /// How they are told.
    pub told: &'a Generalised,
    /// What names them.
    pub identifying: &'a Identifying,
}

struct Work<'a> {
    rules: Rules,
    person: &'a PersonInRelease<'a>,
    key: &'a ProjectKey,
    removed: u64,
}

/// What may leave of a resource, and how many values were taken out because they named the person.
/// `None` where nothing of its type may leave.
pub fn deidentify(
    resource: &Json,
    rules: Rules,
    person: &PersonInRelease<'_>,
    key: &ProjectKey,
) -> Option<(Json, u64)> {
    let name = resource.text_at(&["resourceType"])?;
    let level = level_of(name)?;
    let mut work = Work {
        rules,
        person,
        key,
        removed: 0,
    };
    let mut members = vec![(Cow::Borrowed("resourceType"), Json::text(name))];
    if let Some(id) = resource.text_at(&["id"]) {
        members.push((Cow::Borrowed("id"), Json::text(key.item(name, id))));
    }
    members.extend(work.members(resource, level));
    Some((Json::Object(members), work.removed))
}

/// The address of our own extension for an age in bands.
const AGE_BAND: &str = "urn:connect-care:age-band";

/// The person as a Patient: pseudonym, and how they are told. An identifiable release has the number,
/// name and birth date of `known` instead.
pub fn patient(person: &PersonInRelease<'_>, rules: Rules, known: Option<&Known<'_>>) -> Json {
    let told = person.told;
    let some = |text: &str| {
        if text.is_empty() {
            Json::Null
        } else {
            Json::text(text)
        }
    };
    let known = known.filter(|_| rules.identifiable);
    let band = if told.age_band.is_empty() {
        Json::Null
    } else {
        Json::Array(vec![Json::object([
            ("url", Json::text(AGE_BAND)),
            ("valueString", Json::text(told.age_band.clone())),
        ])])
    };
    let district = if told.area.is_empty() {
        Json::Null
    } else {
        Json::Array(vec![Json::object([(
            "district",
            Json::text(told.area.clone()),
        )])])
    };
    Json::object([
        ("resourceType", Json::text("Patient")),
        ("id", Json::text(person.pseudonym)),
        ("extension", band),
        (
            "identifier",
            known.and_then(|it| it.number).map_or(Json::Null, |number| {
                Json::Array(vec![Json::object([
                    ("system", Json::text(crate::fhir::NHS_NUMBER_SYSTEM)),
                    ("value", Json::text(number.digits())),
                ])])
            }),
        ),
        (
            "name",
            known.map_or(Json::Null, |it| {
                Json::Array(vec![Json::object([
                    ("family", some(it.family)),
                    ("given", Json::Array(vec![some(it.given)])),
                ])])
            }),
        ),
        ("gender", some(&told.gender)),
        (
            "birthDate",
            known.map_or(Json::Null, |it| some(it.birth_date)),
        ),
        ("address", district),
    ])
}

/// What an identifiable release says of a person.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The NHS number.
    pub number: Option<NhsNumber>,
    /// Family name.
    pub family: &'a str,
    /// Given names.
    pub given: &'a str,
    /// Birth date.
    pub birth_date: &'a str,
}

impl Work<'_> {
    fn members(&mut self, value: &Json, level: &'static Level) -> Vec<(Cow<'static, str>, Json)> {
        let mut out = Vec::new();
        for (name, leaves) in &level.members {
            let Some(held) = value.get(name) else {
                continue;
            };
            let released = self.value(held, leaves);
            if released != Json::Null {
                out.push((Cow::Borrowed(*name), released));
            }
        }
        out
    }

    /// Lists stay lists; what nothing is left of goes.
    fn value(&mut self, value: &Json, leaves: &'static Leaves) -> Json {
        if let Json::Array(values) = value {
            let kept = values.iter().map(|one| self.one(one, leaves));
            return Json::list(kept.filter(|one| *one != Json::Null).collect());
        }
        self.one(value, leaves)
    }

    fn one(&mut self, value: &Json, leaves: &'static Leaves) -> Json {
        match leaves {
            Leaves::As(allowed) => self.leaf(value, *allowed),
            Leaves::Inside(level) => object(self.members(value, level)),
        }
    }

    fn leaf(&mut self, value: &Json, allowed: Allowed) -> Json {
        match allowed {
            Allowed::Code => self.code(value),
            Allowed::Concept => self.concept(value),
            Allowed::Coding => self.coding(value),
            Allowed::Quantity => self.quantity(value),
            Allowed::Number => self.number(value),
            Allowed::Boolean => value.as_bool().map_or(Json::Null, Json::Bool),
            Allowed::Date => self.date(value),
            Allowed::Period => {
                let ends = ["start", "end"].map(|end| {
                    (
                        Cow::Borrowed(end),
                        value.get(end).map_or(Json::Null, |it| self.date(it)),
                    )
                });
                object(
                    ends.into_iter()
                        .filter(|(_, it)| *it != Json::Null)
                        .collect(),
                )
            }
            Allowed::Person => self.person_reference(value),
            Allowed::Item => self.item_reference(value),
            Allowed::Organisation => self.organisation(value),
        }
    }

    /// A text that may leave as it is, unless it names the person.
    fn unless_naming(&mut self, text: &str) -> Json {
        if self.person.identifying.named_in(text) && !self.rules.identifiable {
            self.removed += 1;
            return Json::Null;
        }
        Json::text(text)
    }

    fn code(&mut self, value: &Json) -> Json {
        match value.as_text() {
            Some(code) if is_fhir_code(code) => self.unless_naming(code),
            _ => Json::Null,
        }
    }

    fn concept(&mut self, concept: &Json) -> Json {
        let codings: Vec<Json> = concept
            .elements("coding")
            .iter()
            .map(|it| self.coding(it))
            .filter(|it| *it != Json::Null)
            .collect();
        let mut members = Vec::new();
        if !codings.is_empty() {
            members.push((Cow::Borrowed("coding"), Json::Array(codings)));
        }
        if self.rules.words
            && let Some(text) = concept.text_at(&["text"])
        {
            members.push((Cow::Borrowed("text"), Json::text(text)));
        }
        object(members)
    }

    fn coding(&mut self, coding: &Json) -> Json {
        let (Some(system), Some(code)) = (coding.text_at(&["system"]), coding.text_at(&["code"]))
        else {
            return Json::Null;
        };
        if !(is_system(system) && is_code_of(system, code)) {
            return Json::Null;
        }
        let (system, code) = (self.unless_naming(system), self.unless_naming(code));
        if system == Json::Null || code == Json::Null {
            return Json::Null;
        }
        let display = if self.rules.words {
            coding.get("display").cloned().unwrap_or_default()
        } else {
            Json::Null
        };
        Json::object([("system", system), ("code", code), ("display", display)])
    }

    fn quantity(&mut self, value: &Json) -> Json {
        let number = value.get("value").map_or(Json::Null, |it| self.number(it));
        if number == Json::Null {
            return Json::Null;
        }
        let mut short = |name: &str| match value.text_at(&[name]) {
            Some(text) if is_unit(text) => self.unless_naming(text),
            _ => Json::Null,
        };
        let (comparator, unit, code) = (short("comparator"), short("unit"), short("code"));
        let system = match value.text_at(&["system"]) {
            Some("http://unitsofmeasure.org") => Json::text("http://unitsofmeasure.org"),
            _ => Json::Null,
        };
        Json::object([
            ("value", number),
            ("comparator", comparator),
            ("unit", unit),
            ("system", system),
            ("code", code),
        ])
    }

    /// A number of at most eight digits: longer ones are identifiers more often than measurements.
    fn number(&mut self, value: &Json) -> Json {
        let Some(text) = value.as_number() else {
            return Json::Null;
        };
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits > 8 && !self.rules.identifiable {
            self.removed += 1;
            return Json::Null;
        }
        match self.unless_naming(text) {
            Json::Null => Json::Null,
            _ => value.clone(),
        }
    }

    fn date(&mut self, value: &Json) -> Json {
        let text = value.as_text().unwrap_or_default();
        released_date(text, self.rules.dates, self.person.shift_days).map_or(Json::Null, Json::Text)
    }

    /// Only a reference to a patient is one to this person; a participant may be a professional.
    fn person_reference(&self, value: &Json) -> Json {
        let target = value.text_at(&["reference"]).unwrap_or_default();
        if !(target.starts_with("Patient/")
            || target.contains("/Patient/")
            || target.starts_with("urn:uuid:"))
        {
            return Json::Null;
        }
        Json::object([(
            "reference",
            Json::text(format!("Patient/{}", self.person.pseudonym)),
        )])
    }

    fn item_reference(&self, value: &Json) -> Json {
        let target = value.text_at(&["reference"]).unwrap_or_default();
        let mut parts = target.rsplit('/');
        let (Some(id), Some(name)) = (parts.next(), parts.next()) else {
            return Json::Null;
        };
        if level_of(name).is_none() {
            return Json::Null;
        }
        Json::object([(
            "reference",
            Json::text(format!("{name}/{}", self.key.item(name, id))),
        )])
    }

    fn organisation(&mut self, value: &Json) -> Json {
        let code = value.text_at(&["identifier", "value"]).unwrap_or_default();
        let fits = (3..=12).contains(&code.len())
            && code
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-');
        match fits.then(|| self.unless_naming(code)) {
            Some(code) if code != Json::Null => {
                Json::object([("identifier", Json::object([("value", code)]))])
            }
            _ => Json::Null,
        }
    }
}

fn object(members: Vec<(Cow<'static, str>, Json)>) -> Json {
    if members.is_empty() {
        Json::Null
    } else {
        Json::Object(members)
    }
}

/// `final`, `entered-in-error`, `AMB`.
fn is_fhir_code(code: &str) -> bool {
    (1..=32).contains(&code.len())
        && code
            .bytes()
            .all(|it| it.is_ascii_alphabetic() || it == b'-')
}

/// The address of a code system: no spaces, and no run of digits that could be a number of somebody.
fn is_system(system: &str) -> bool {
    let form = system.len() <= 120
        && (system.starts_with("http://")
            || system.starts_with("https://")
            || system.starts_with("urn:"))
        && system
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-._:/#".contains(&it));
    form && (system.starts_with("urn:oid:") || longest_run(system) < 6)
}

/// A code fits its system: SNOMED CT by its check digit, others by being short and without long
/// numbers.
fn is_code_of(system: &str, code: &str) -> bool {
    if system == SNOMED {
        return is_snomed(code);
    }
    let form = (1..=24).contains(&code.len())
        && code
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-._/^+".contains(&it));
    form && longest_run(code) < 7
}

const SNOMED: &str = "http://snomed.info/sct";

fn longest_run(text: &str) -> usize {
    text.split(|it: char| !it.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0)
}

fn is_unit(text: &str) -> bool {
    text.len() <= 24 && longest_run(text) < 5
}

/// 6 to 18 digits, a concept identifier by its partition, with the Verhoeff check digit that fits.
/// Source: SNOMED CT Release File Specifications, 6 (SCTID).
fn is_snomed(code: &str) -> bool {
    const TIMES: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const TURNED: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let digits = (6..=18).contains(&code.len()) && code.bytes().all(|it| it.is_ascii_digit());
    let partition = code.get(code.len().saturating_sub(3)..code.len().saturating_sub(1));
    if !digits || !matches!(partition, Some("00" | "10")) {
        return false;
    }
    let check = code
        .bytes()
        .rev()
        .enumerate()
        .fold(0_u8, |sum, (place, digit)| {
            let turned = TURNED[place % 8][usize::from(digit - b'0')];
            TIMES[usize::from(sum)][usize::from(turned)]
        });
    check == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::Limits;
    use crate::release::{ReleaseSecret, Subject};

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), Limits::default()).expect("JSON")
    }

    #[test]
    fn a_resource_leaves_with_codes_and_pseudonyms_alone() {
        let key = ReleaseSecret::new([7; 32]).project("frailty");
        let number = Subject::Number(NhsNumber::parse("9990000107").expect("a number"));
        let mut identifying = Identifying::default();
        for text in ["9990000107", "Stern", "Jacob"] {
            identifying.add(text);
        }
        let told = Generalised {
            age_band: "40-44".into(),
            gender: "male".into(),
            area: "SE99".into(),
        };
        let pseudonym = key.pseudonym(number);
        let person = PersonInRelease {
            pseudonym: &pseudonym,
            shift_days: -3,
            told: &told,
            identifying: &identifying,
        };
        let rules = Rules {
            dates: DateRule::Shifted,
            words: false,
            identifiable: false,
        };
        let resource = json(
            r#"{"resourceType":"Condition","id":"prac-9990000107-1","text":{"div":"Jacob Stern"},
            "identifier":[{"value":"9990000107"}],"note":[{"text":"Jacob says"}],
            "clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},
            "code":{"coding":[{"system":"http://snomed.info/sct","code":"73211009","display":"Jacob's diabetes"},
              {"system":"http://snomed.info/sct","code":"9990000107"},
              {"system":"urn:local","code":"STERN-1"},{"system":"urn:local:9990000107","code":"A"}],"text":"Jacob's diabetes"},
            "subject":{"reference":"Patient/prac-9990000107","display":"Jacob Stern"},
            "encounter":{"reference":"Encounter/e1"},"asserter":{"display":"Dr Sandover"},
            "onsetDateTime":"2020-01-02T09:10:00Z","onsetString":"when Jacob was small"}"#,
        );
        let (out, removed) = deidentify(&resource, rules, &person, &key).expect("conditions leave");
        let expected = format!(
            r#"{{"resourceType":"Condition","id":"{}","clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}}]}},"code":{{"coding":[{{"system":"http://snomed.info/sct","code":"73211009"}}]}},"subject":{{"reference":"Patient/{pseudonym}"}},"encounter":{{"reference":"Encounter/{}"}},"onsetDateTime":"2019-12-30"}}"#,
            key.item("Condition", "prac-9990000107-1"),
            key.item("Encounter", "e1")
        );
        assert_eq!(out.to_string(), expected);
        assert_eq!(removed, 1);
        let observation = json(
            r#"{"resourceType":"Observation","status":"Stern","valueQuantity":{"value":9990000107,"unit":"mg"},
            "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"valueQuantity":{"value":1.50,"unit":"g/dL","code":"g/dL","system":"http://unitsofmeasure.org"}},{"valueString":"Jacob"}]}"#,
        );
        let (out, removed) =
            deidentify(&observation, rules, &person, &key).expect("observations leave");
        assert_eq!(
            out.to_string(),
            r#"{"resourceType":"Observation","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"valueQuantity":{"value":1.50,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}}]}"#
        );
        assert_eq!(removed, 2);
        assert!(
            deidentify(
                &json(r#"{"resourceType":"DocumentReference"}"#),
                rules,
                &person,
                &key
            )
            .is_none()
        );
        let patient = patient(&person, rules, None).to_string();
        assert_eq!(
            patient,
            format!(
                r#"{{"resourceType":"Patient","id":"{pseudonym}","extension":[{{"url":"urn:connect-care:age-band","valueString":"40-44"}}],"gender":"male","address":[{{"district":"SE99"}}]}}"#
            )
        );
    }

    #[test]
    fn a_number_that_only_looks_like_a_concept_is_none() {
        for (code, is) in [
            ("73211009", true),
            ("38341003", true),
            ("827241000000103", true),
            ("9990000107", false),
            ("73211008", false),
            ("12345", false),
            ("", false),
        ] {
            assert_eq!(is_snomed(code), is, "{code}");
        }
    }
}
