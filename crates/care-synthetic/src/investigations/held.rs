//! Results and measurements that a practice or a community team holds, as FHIR Observations.

use serde_json::{Value, json};

use crate::calendar::When;
use crate::clinicians::Clinician;
use crate::fhir::{FhirSender, clinician_reference, concept, quantity};

use super::{Test, bound, flag, plain_unit, range};

impl FhirSender<'_> {
    /// A laboratory result the source holds, as an Observation.
    pub fn laboratory(&mut self, key: &str, test: &Test, value: &str, taken: When) {
        let mut reference_range = json!({"text": range(test)});
        if let Some(fields) = reference_range.as_object_mut() {
            for (end, bound_value) in [("low", test.low), ("high", test.high)] {
                if let Some(number) = bound_value {
                    fields.insert(
                        end.into(),
                        quantity(&bound(test, number), plain_unit(test), test.ucum),
                    );
                }
            }
        }
        let mut body = json!({
            "status": "final",
            "category": [category("laboratory", "Laboratory")],
            "code": concept(test.snomed, test.name),
            "effectiveDateTime": taken.fhir(),
            "performer": [self.own_organisation()],
            "valueQuantity": quantity(value, plain_unit(test), test.ucum),
            "referenceRange": [reference_range],
        });
        let mark = flag(test, value);
        if let Some(fields) = body.as_object_mut().filter(|_| !mark.is_empty()) {
            fields.insert(
                "interpretation".into(),
                json!([{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
                    "code": mark, "display": if mark == "H" { "High" } else { "Low" },
                }]}]),
            );
        }
        self.add("Observation", key, body);
    }

    /// A measurement made in the consulting room or at home.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different element of one Observation"
    )]
    pub fn measurement(
        &mut self,
        key: &str,
        snomed: &str,
        name: &str,
        value: &str,
        unit: &str,
        ucum: &str,
        taken: When,
        by: &Clinician,
    ) {
        self.add(
            "Observation",
            key,
            json!({
                "status": "final",
                "category": [category("vital-signs", "Vital Signs")],
                "code": concept(snomed, name),
                "effectiveDateTime": taken.fhir(),
                "performer": [clinician_reference(by)],
                "valueQuantity": quantity(value, unit, ucum),
            }),
        );
    }

    /// A blood pressure, both numbers in one Observation.
    pub fn blood_pressure(
        &mut self,
        key: &str,
        systolic: i32,
        diastolic: i32,
        taken: When,
        by: &Clinician,
    ) {
        let part = |code: &str, name: &str, value: i32| json!({"code": concept(code, name), "valueQuantity": quantity(&value.to_string(), "mmHg", "mm[Hg]")});
        self.add(
            "Observation",
            key,
            json!({
                "status": "final",
                "category": [category("vital-signs", "Vital Signs")],
                "code": concept("75367002", "Blood pressure"),
                "effectiveDateTime": taken.fhir(),
                "performer": [clinician_reference(by)],
                "component": [
                    part("72313002", "Systolic arterial pressure", systolic),
                    part("1091811000000102", "Diastolic arterial pressure", diastolic),
                ],
            }),
        );
    }

    /// Something observed that is said in words or by a code.
    pub fn finding(
        &mut self,
        key: &str,
        kind: (&str, &str),
        code: Value,
        value: Value,
        taken: When,
        by: &Clinician,
    ) {
        self.add(
            "Observation",
            key,
            json!({
                "status": "final",
                "category": [category(kind.0, kind.1)],
                "code": code,
                "effectiveDateTime": taken.fhir(),
                "performer": [clinician_reference(by)],
                "valueCodeableConcept": value,
            }),
        );
    }
}

pub(crate) fn category(code: &str, display: &str) -> Value {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": code, "display": display}]})
}
