//! One medicine as its source sent it, and the line that shows it.
//!
//! Source: NHS Common User Interface, medication line (MEDi): drug, brand, strength, form, DOSE, rate,
//! duration, route, frequency; parts joined by an em dash. Free text is shown word for word.

use serde::Serialize;

use super::item::Item;
use super::read::{self, Quantity};
use super::when::When;
use crate::fhir::{Json, ResourceType};

/// One part of the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `DOSE`, where the part has a label.
    pub label: Option<&'static str>,
    /// The words.
    pub text: String,
    /// Drug and dose are bold.
    pub strong: bool,
}

/// What one source says of one medicine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Medicine {
    /// The name as sent.
    pub name: String,
    /// The name up to the strength, in lower case: what groups entries of one substance.
    pub substance: String,
    /// Strength and form as they stand in the name, in lower case and without spaces.
    pub product: String,
    pub coded: bool,
    pub dose: Option<Quantity>,
    pub dose_text: Option<String>,
    pub route: Option<String>,
    pub frequency: Option<String>,
    /// Times in a day, where timing is structured.
    pub per_day: Option<f64>,
    pub status: String,
    pub started: Option<When>,
    pub ended: Option<When>,
    pub reason: Option<String>,
    pub as_needed: bool,
}

/// The name of a medicine, as the resource or what it points to says.
pub(super) fn medicine_name(body: &Json, referred: Option<&Json>) -> Option<String> {
    if let Some(name) = read::concept_at(body, "medicationCodeableConcept")
        .or_else(|| read::concept_at(body, "vaccineCode"))
    {
        return Some(name);
    }
    let reference = body.get("medicationReference")?;
    read::contained(body, reference)
        .or(referred)
        .and_then(|medicine| read::concept_at(medicine, "code"))
        .or_else(|| read::reference_words(reference))
}

pub(super) fn read_medicine(item: &Item, referred: Option<&Json>) -> Option<Medicine> {
    let body = &item.body;
    let name = medicine_name(body, referred)?;
    let (substance, product) = split_name(&name);
    let dosage = body
        .path(&["dosageInstruction"])
        .or_else(|| body.path(&["dosage"]))
        .unwrap_or(&Json::Null);
    let coded = body
        .get("medicationCodeableConcept")
        .is_some_and(read::is_coded)
        || body
            .get("medicationReference")
            .and_then(|reference| read::contained(body, reference).or(referred))
            .and_then(|medicine| medicine.get("code"))
            .is_some_and(read::is_coded);
    Some(Medicine {
        substance,
        product,
        coded,
        dose: dosage
            .path(&["doseAndRate", "doseQuantity"])
            .or_else(|| dosage.path(&["dose"]))
            .or_else(|| dosage.path(&["doseQuantity"]))
            .and_then(Quantity::read),
        dose_text: dosage
            .text_at(&["text"])
            .or_else(|| dosage.text_at(&["patientInstruction"]))
            .or_else(|| body.as_text())
            .map(str::to_owned),
        route: read::concept_at(dosage, "route"),
        frequency: frequency(dosage),
        per_day: per_day(dosage),
        status: status_words(item),
        started: started(body),
        ended: ended(body),
        reason: read::concept_at(body, "statusReason")
            .or_else(|| read::concept_at(body, "reasonCode")),
        as_needed: dosage.get("asNeededBoolean").and_then(Json::as_bool) == Some(true)
            || dosage.get("asNeededCodeableConcept").is_some(),
        name,
    })
}

fn started(body: &Json) -> Option<When> {
    read::when_at(body, &["effectivePeriod", "effectiveDateTime"])
        .or_else(|| {
            body.get("dispenseRequest")
                .and_then(|d| read::when_at(d, &["validityPeriod"]))
        })
        .or_else(|| read::when_at(body, &["authoredOn", "dateAsserted", "whenHandedOver"]))
        .map(When::date_only)
}

fn ended(body: &Json) -> Option<When> {
    read::end_at(body, "effectivePeriod")
        .or_else(|| {
            body.get("dispenseRequest")
                .and_then(|d| read::end_at(d, "validityPeriod"))
        })
        .map(When::date_only)
}

/// Status in at most two words, from the status as sent.
fn status_words(item: &Item) -> String {
    let sent = item.body.text_at(&["status"]).unwrap_or_default();
    let words = match sent {
        "active" => "Current",
        "on-hold" => "Suspended",
        "draft" | "intended" | "not-taken" => "Not started",
        "stopped" => "Stopped",
        "completed" => "Completed",
        "cancelled" => "Cancelled",
        "entered-in-error" => "In error",
        _ if item.header.withdrawn => "Withdrawn",
        _ if item.header.current => "Current",
        _ => "Unknown",
    };
    words.to_owned()
}

/// Splits `Furosemide 40mg tablets` into `furosemide` and `40mgtablets`.
fn split_name(name: &str) -> (String, String) {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let strength = words
        .iter()
        .position(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(words.len());
    let substance = words[..strength].join(" ");
    let forms = [
        "tablets",
        "tablet",
        "capsules",
        "capsule",
        "inhaler",
        "injection",
        "cream",
        "liquid",
    ];
    let substance = forms
        .iter()
        .find_map(|form| substance.strip_suffix(form).map(str::trim_end))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(&substance)
        .to_owned();
    let product = lower.strip_prefix(&substance).unwrap_or_default();
    (
        substance,
        product.chars().filter(|c| !c.is_whitespace()).collect(),
    )
}

fn frequency(dosage: &Json) -> Option<String> {
    let timing = dosage.get("timing").map(Json::first)?;
    read::concept_at(timing, "code").or_else(|| repeat_words(timing.get("repeat")?))
}

fn repeat_words(repeat: &Json) -> Option<String> {
    let part = |name: &str| repeat.get(name).and_then(Json::as_number);
    let times = match part("frequency") {
        Some("1") | None => "once".to_owned(),
        Some("2") => "twice".to_owned(),
        Some("3") => "three times".to_owned(),
        Some("4") => "four times".to_owned(),
        Some(other) => format!("{other} times"),
    };
    let unit = match repeat.text_at(&["periodUnit"])? {
        "h" => "hour",
        "d" => "day",
        "wk" => "week",
        "mo" => "month",
        "a" => "year",
        "min" => "minute",
        "s" => "second",
        _ => return None,
    };
    match part("period") {
        Some("1") | None if unit == "hour" => Some(format!("{times} every hour")),
        Some("1") | None => Some(format!("{times} a {unit}")),
        Some(period) => Some(format!("{times} every {period} {unit}s")),
    }
}

fn per_day(dosage: &Json) -> Option<f64> {
    let repeat = dosage.path(&["timing", "repeat"])?;
    let number = |name: &str| {
        repeat
            .get(name)
            .and_then(Json::as_number)?
            .parse::<f64>()
            .ok()
    };
    let days = match repeat.text_at(&["periodUnit"])? {
        "h" => 1.0 / 24.0,
        "d" => 1.0,
        "wk" => 7.0,
        _ => return None,
    };
    Some(number("frequency").unwrap_or(1.0) / (number("period").unwrap_or(1.0) * days))
}

impl Medicine {
    /// The line, part by part. Where the dose is free text it stands last, word for word.
    pub(super) fn line(&self) -> Vec<Part> {
        let plain = |text: String| Part {
            label: None,
            text,
            strong: false,
        };
        let mut parts = vec![Part {
            label: None,
            text: shown_name(&self.name),
            strong: true,
        }];
        if let Some(dose) = &self.dose {
            parts.push(Part {
                label: Some("DOSE"),
                text: dose.words(),
                strong: true,
            });
            parts.extend(self.route.clone().map(|route| plain(route.to_lowercase())));
            parts.extend(self.frequency.clone().map(plain));
            if self.as_needed {
                parts.push(plain("when required".to_owned()));
            }
        }
        parts
    }

    /// The dose instruction where it is only free text.
    pub(super) fn free_text(&self) -> Option<String> {
        self.dose
            .is_none()
            .then(|| self.dose_text.clone())
            .flatten()
    }

    /// Dose, route and frequency as one text to compare; `None` where nothing was sent.
    pub(super) fn dose_key(&self) -> Option<String> {
        let squeeze = |text: &str| {
            text.to_lowercase()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        match &self.dose {
            Some(dose) => Some(squeeze(&format!(
                "{} {} {}",
                dose.words(),
                self.frequency.as_deref().unwrap_or_default(),
                self.as_needed
            ))),
            None => self.dose_text.as_deref().map(squeeze),
        }
    }

    /// The amount in a day, where dose and timing are structured: only to tell "form differs" from
    /// "dose differs"; never shown.
    pub(super) fn daily(&self) -> Option<(f64, &str)> {
        let dose = self.dose.as_ref()?;
        Some((dose.place()? * self.per_day?, dose.unit.as_str()))
    }
}

/// A name that begins with one ordinary capital is written small; capitals that carry meaning stay.
fn shown_name(name: &str) -> String {
    let mut letters = name.chars();
    let (Some(first), second) = (letters.next(), letters.next()) else {
        return name.to_owned();
    };
    if first.is_uppercase() && second.is_some_and(char::is_lowercase) {
        first.to_lowercase().chain(name.chars().skip(1)).collect()
    } else {
        name.to_owned()
    }
}

/// Whether an item is a medicine on somebody's list, not a dose that was given or handed over.
pub(super) fn is_listed(item: &Item) -> bool {
    matches!(
        item.header.resource_type,
        ResourceType::MEDICATION_REQUEST | ResourceType::MEDICATION_STATEMENT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_splits_into_substance_and_product() {
        let table = [
            ("Furosemide 40mg tablets", "furosemide", "40mgtablets"),
            ("Furosemide tablets 40 mg", "furosemide", "tablets40mg"),
            (
                "Co-codamol 8mg/500mg tablets",
                "co-codamol",
                "8mg/500mgtablets",
            ),
            (
                "Insulin glargine 100units/ml",
                "insulin glargine",
                "100units/ml",
            ),
            ("Aspirin", "aspirin", ""),
        ];
        for (name, substance, product) in table {
            assert_eq!(
                split_name(name),
                (substance.to_owned(), product.to_owned()),
                "{name}"
            );
        }
    }

    #[test]
    fn generic_names_are_small_and_capitals_with_meaning_stay() {
        assert_eq!(
            shown_name("Furosemide 40mg tablets"),
            "furosemide 40mg tablets"
        );
        assert_eq!(shown_name("ADCAL-D3"), "ADCAL-D3");
        assert_eq!(shown_name("Amphotericin B"), "amphotericin B");
    }
}
