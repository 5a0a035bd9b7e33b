//! A disclosure pack as a document: each item in one line of words, or as a FHIR bundle.

use care_core::sections::{When, identity};
use care_core::vocabulary::Category;
use care_record::{Case, Pack, PackItem};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::disclosures::category_title;
use crate::documents::{DocumentError, pdf};

/// The pack as a PDF.
pub(super) fn as_pdf(
    case: &Case,
    pack: &Pack,
    about: &[(&str, String)],
    now: Timestamp,
) -> Result<Vec<u8>, DocumentError> {
    let who = identity(&pack.known, now);
    let born = who
        .born
        .as_ref()
        .map_or("not recorded", |born| born.short.as_str());
    let mut lines = vec![
        ("Person", who.name.clone()),
        ("Born", born.to_owned()),
        ("NHS number", who.nhs_number.clone()),
    ];
    lines.extend(about.iter().cloned());
    let sections: Vec<Value> = Category::ALL
        .iter()
        .map(|category| (category, of(pack, *category)))
        .filter(|(_, items)| !items.is_empty())
        .map(|(category, items)| {
            let rows: Vec<[String; 3]> = items.iter().map(|item| row(item)).collect();
            json!({ "title": category_title(*category), "rows": rows })
        })
        .collect();
    let notice = if pack.withheld {
        "Some information is protected and is not part of this disclosure."
    } else {
        ""
    };
    pdf(
        "report.typ",
        &json!({
            "title": "Disclosure from Connect Care", "reference": case.reference,
            "date": When::moment(now).short, "about": lines, "notice": notice,
            "sections": sections,
        }),
    )
}

fn of(pack: &Pack, category: Category) -> Vec<&PackItem> {
    let items = pack.items.iter();
    items
        .filter(|item| item.category == category.code())
        .collect()
}

fn row(item: &PackItem) -> [String; 3] {
    let when = item.clinical_at.map_or_else(
        || "Date not recorded".to_owned(),
        |at| When::moment(at).short,
    );
    let json: Value = serde_json::from_slice(&item.body).unwrap_or_default();
    [when, item.source.clone(), words(&json)]
}

/// The pack as a FHIR bundle of type collection.
pub(super) fn as_fhir(pack: &Pack, now: Timestamp) -> Vec<u8> {
    let entries: Vec<Value> = pack
        .items
        .iter()
        .filter_map(|item| serde_json::from_slice::<Value>(&item.body).ok())
        .map(|resource| json!({ "resource": resource }))
        .collect();
    let bundle = json!({
        "resourceType": "Bundle", "type": "collection",
        "timestamp": now.to_string(), "entry": entries,
    });
    bundle.to_string().into_bytes()
}

/// A resource in a line: what it is, and its value, as the source said them.
fn words(json: &Value) -> String {
    let concept = |value: &Value| -> Option<String> {
        let text = value["text"].as_str();
        let coded = value["coding"][0]["display"]
            .as_str()
            .or_else(|| value["coding"][0]["code"].as_str());
        text.or(coded).map(str::to_owned)
    };
    let names = [
        "code",
        "medicationCodeableConcept",
        "vaccineCode",
        "type",
        "class",
        "category",
        "serviceType",
    ];
    let name = names.iter().find_map(|name| {
        let value = &json[*name];
        let first = if value.is_array() { &value[0] } else { value };
        concept(first).or_else(|| first["display"].as_str().map(str::to_owned))
    });
    let name = name
        .or_else(|| json["description"].as_str().map(str::to_owned))
        .or_else(|| json["title"].as_str().map(str::to_owned))
        .unwrap_or_else(|| json["resourceType"].as_str().unwrap_or("Item").to_owned());
    let quantity = &json["valueQuantity"];
    let value = match &quantity["value"] {
        Value::Number(number) => {
            let comparator = quantity["comparator"].as_str().unwrap_or_default();
            let unit = quantity["unit"].as_str().unwrap_or_default();
            Some(format!("{comparator}{number} {unit}").trim().to_owned())
        }
        _ => json["valueString"]
            .as_str()
            .map(str::to_owned)
            .or_else(|| concept(&json["valueCodeableConcept"]))
            .or_else(|| {
                json["dosageInstruction"][0]["text"]
                    .as_str()
                    .map(str::to_owned)
            }),
    };
    let status = json["status"].as_str().map(|status| format!(" ({status})"));
    let value = value.map(|value| format!(": {value}")).unwrap_or_default();
    format!("{name}{value}{}", status.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_told_in_the_words_and_figures_of_its_source() {
        let table = [
            (
                json!({"resourceType": "Observation", "status": "final",
                    "code": {"text": "Haemoglobin"},
                    "valueQuantity": {"value": 101, "unit": "g/L", "comparator": "<"}}),
                "Haemoglobin: <101 g/L (final)",
            ),
            (
                json!({"resourceType": "MedicationRequest",
                    "medicationCodeableConcept": {"coding": [{"display": "Furosemide"}]},
                    "dosageInstruction": [{"text": "once a day"}]}),
                "Furosemide: once a day",
            ),
            (json!({"resourceType": "Flag"}), "Flag"),
        ];
        for (resource, expected) in table {
            assert_eq!(words(&resource), expected);
        }
    }

    #[test]
    fn a_pack_becomes_a_document_and_a_bundle() {
        let now: Timestamp = "2026-10-02T10:00:00Z".parse().expect("a moment");
        let item = |category: &'static str, text: &str| PackItem {
            category,
            source: "City Hospital".into(),
            clinical_at: Some(now),
            body: json!({"resourceType": "Observation", "code": {"text": text}})
                .to_string()
                .into_bytes(),
        };
        let pack = Pack {
            known: Default::default(),
            items: vec![item("results", "Haemoglobin"), item("problems", "Asthma")],
            withheld: true,
        };
        let case = Case {
            number: 1,
            reference: "CC-7F3K-9Q2X".into(),
            kind: "disclosure".into(),
            person: None,
            about: String::new(),
            opened_at: now,
            due_at: None,
            changed_at: now,
            owner: String::new(),
            state: "approved".into(),
            version: 1,
            detail: Value::Null,
        };
        let document = as_pdf(&case, &pack, &[("Asked by", "Police".into())], now).expect("a PDF");
        assert!(document.starts_with(b"%PDF-"));
        let bundle: Value = serde_json::from_slice(&as_fhir(&pack, now)).expect("JSON");
        assert_eq!(bundle["entry"].as_array().map(Vec::len), Some(2));
    }
}
