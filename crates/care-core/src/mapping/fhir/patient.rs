//! A FHIR Patient in our own nouns.
//!
//! Sources: UK Core Patient (NHS number with its verification status); PDS FHIR (a Patient whose
//! `meta.security` is `R` has a restricted address).

use super::bundle::{Delivery, Entry};
use super::involvement::ods_of;
use crate::fhir::{self, Json};
use crate::mapping::MapIssue;
use crate::vocabulary::{
    Address, ContactPoint, ContactSystem, Demographics, Gender, NhsNumber, NumberStatus, OdsCode,
    PartialDate, PersonName,
};

const VERIFICATION_URL: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";

/// Who a Patient resource says a person is, and what in it was not understood.
pub fn patient_demographics(patient: &Json) -> (Demographics, Vec<MapIssue>) {
    let mut issues = Vec::new();
    let mut found = Demographics::default();
    read_identifiers(patient, &mut found, &mut issues);
    found.names = names(patient);
    found.birth_date = birth_date(patient, &mut issues);
    found.gender = gender(patient, &mut issues);
    found.addresses = addresses(patient);
    found.contacts = contacts(patient);
    found.practice = patient
        .elements("generalPractitioner")
        .iter()
        .find_map(|reference| ods_of(reference, patient, None));
    found.died = died(patient, &mut issues);
    found.restricted = is_restricted(patient);
    (found, issues)
}

/// The same, with the practice found in the rest of the delivery.
pub(super) fn demographics_of(
    entry: &Entry<'_>,
    delivery: &Delivery<'_>,
) -> (Demographics, Vec<MapIssue>) {
    let (mut demographics, issues) = patient_demographics(entry.resource);
    demographics.practice = demographics
        .practice
        .or_else(|| registered_practice(entry.resource, delivery));
    (demographics, issues)
}

/// The practice a Patient is registered with, looked for in the whole delivery.
pub(super) fn registered_practice(patient: &Json, delivery: &Delivery<'_>) -> Option<OdsCode> {
    patient
        .elements("generalPractitioner")
        .iter()
        .find_map(|reference| ods_of(reference, patient, Some(delivery)))
}

/// Somebody of whom only a number is known.
pub(super) fn demographics_of_number(system: &str, value: &str) -> Demographics {
    let mut found = Demographics::default();
    read_identifier(system, value, NumberStatus::Unverified, None, &mut found);
    found
}

fn is_nhs_number_system(system: &str) -> bool {
    matches!(
        system,
        fhir::NHS_NUMBER_SYSTEM
            | "http://fhir.nhs.net/Id/nhs-number"
            | "http://fhir.nhs.uk/Id/nhs-number"
            | "https://fhir.nhs.uk/Id/nhsNumber"
            | "urn:oid:2.16.840.1.113883.2.1.4.1"
    )
}

fn read_identifiers(patient: &Json, found: &mut Demographics, issues: &mut Vec<MapIssue>) {
    for (number, identifier) in patient.elements("identifier").iter().enumerate() {
        if identifier.text_at(&["use"]) == Some("old") {
            continue;
        }
        let Some(value) = identifier.text_at(&["value"]) else {
            continue;
        };
        let system = identifier.text_at(&["system"]).unwrap_or_default();
        let assigner = identifier
            .text_at(&["assigner", "identifier", "value"])
            .or_else(|| identifier.text_at(&["assigner", "display"]));
        let usable = read_identifier(system, value, number_status(identifier), assigner, found);
        if !usable {
            issues.push(MapIssue {
                place: format!("Patient.identifier[{number}].value"),
                text: "the NHS number's check digit does not fit (modulus 11); it was kept as unusable and nothing is linked on it; correct it and send again".to_owned(),
                fatal: false,
            });
        }
    }
}

/// Puts an identifier where it belongs; false where it is an NHS number that cannot be one.
fn read_identifier(
    system: &str,
    value: &str,
    status: NumberStatus,
    assigner: Option<&str>,
    found: &mut Demographics,
) -> bool {
    if !is_nhs_number_system(system) {
        let assigner = assigner.unwrap_or(system);
        found
            .local_ids
            .push((value.to_owned(), assigner.to_owned()));
        return true;
    }
    match NhsNumber::parse(value) {
        Ok(number) => {
            if found.nhs_number.is_none() {
                found.nhs_number = Some(number);
                found.number_status = Some(status);
            }
            true
        }
        Err(_) => {
            found.unusable_number = Some(value.to_owned());
            if found.nhs_number.is_none() {
                found.number_status = Some(NumberStatus::Unverified);
            }
            false
        }
    }
}

/// `01` and its word forms say present and verified; anything else, and silence, does not.
fn number_status(identifier: &Json) -> NumberStatus {
    let verified = identifier
        .elements("extension")
        .iter()
        .filter(|extension| {
            extension.text_at(&["url"]).is_some_and(|url| {
                url == VERIFICATION_URL || url.ends_with("NHSNumberVerificationStatus")
            })
        })
        .flat_map(|extension| extension.elements("valueCodeableConcept"))
        .flat_map(|concept| concept.elements("coding"))
        .any(|coding| {
            matches!(
                coding.text_at(&["code"]),
                Some("01" | "number-present-and-verified")
            )
        });
    if verified {
        NumberStatus::Verified
    } else {
        NumberStatus::Unverified
    }
}

/// Current names first: official, usual, unsaid, then temporary; old names last. A nickname, or a
/// usual name that differs from the official one only in what it is called by, is what the person
/// likes to be called.
fn names(patient: &Json) -> Vec<PersonName> {
    let rank = |name: &Json| match name.text_at(&["use"]) {
        Some("official") => 0,
        Some("usual") => 1,
        Some("temp") => 3,
        Some("anonymous") => 4,
        Some("maiden" | "old") => 5,
        _ => 2,
    };
    let sent = patient.elements("name");
    let mut ordered: Vec<&Json> = sent.iter().collect();
    ordered.sort_by_key(|name| rank(name));
    let mut made: Vec<PersonName> = Vec::with_capacity(ordered.len());
    let mut preferred = None;
    for name in ordered {
        let read = fhir::person_name(name);
        let called = read.given.first().unwrap_or(&read.family).clone();
        let is_nickname = name.text_at(&["use"]) == Some("nickname");
        let is_other_call = name.text_at(&["use"]) == Some("usual")
            && made
                .first()
                .is_some_and(|official| official.family == read.family);
        if (is_nickname && sent.len() > 1) || is_other_call {
            preferred = preferred.or(Some(called));
        } else if !read.family.is_empty() || !read.given.is_empty() {
            made.push(read);
        }
    }
    if let (Some(first), Some(preferred)) = (made.first_mut(), preferred)
        && first.given.first() != Some(&preferred)
        && !preferred.is_empty()
    {
        first.preferred = Some(preferred);
    }
    made
}

fn birth_date(patient: &Json, issues: &mut Vec<MapIssue>) -> Option<PartialDate> {
    let text = patient.text_at(&["birthDate"])?;
    let date = PartialDate::parse_fhir(text);
    if date.is_none() {
        issues.push(MapIssue {
            place: "Patient.birthDate".to_owned(),
            text: "this is no date of the calendar; write YYYY, YYYY-MM or YYYY-MM-DD".to_owned(),
            fatal: false,
        });
    }
    date
}

fn gender(patient: &Json, issues: &mut Vec<MapIssue>) -> Option<Gender> {
    match patient.text_at(&["gender"])? {
        "male" => Some(Gender::Male),
        "female" => Some(Gender::Female),
        "other" => Some(Gender::Other),
        "unknown" => Some(Gender::Unknown),
        _ => {
            issues.push(MapIssue {
                place: "Patient.gender".to_owned(),
                text: "no such code; write male, female, other or unknown".to_owned(),
                fatal: false,
            });
            None
        }
    }
}

/// Home first, then the others as sent, temporary ones last; old addresses are left out.
fn addresses(patient: &Json) -> Vec<Address> {
    let mut made: Vec<(u8, Address)> = patient
        .elements("address")
        .iter()
        .filter(|address| address.text_at(&["use"]) != Some("old"))
        .map(|address| {
            let order = match address.text_at(&["use"]) {
                Some("home") => 0,
                Some("temp") => 2,
                _ => 1,
            };
            (order, one_address(address))
        })
        .filter(|(_, address)| !address.lines.is_empty() || address.postcode.is_some())
        .collect();
    made.sort_by_key(|(order, _)| *order);
    made.into_iter().map(|(_, address)| address).collect()
}

fn one_address(address: &Json) -> Address {
    let mut lines: Vec<String> = address
        .elements("line")
        .iter()
        .chain(address.get("city"))
        .chain(address.get("district"))
        .filter_map(Json::as_text)
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    if lines.is_empty() {
        lines.extend(address.text_at(&["text"]).map(str::to_owned));
    }
    Address {
        lines,
        postcode: address.text_at(&["postalCode"]).map(str::to_owned),
        temporary: address.text_at(&["use"]) == Some("temp"),
    }
}

fn contacts(patient: &Json) -> Vec<ContactPoint> {
    let mut made: Vec<(u8, ContactPoint)> = patient
        .elements("telecom")
        .iter()
        .filter(|telecom| telecom.text_at(&["use"]) != Some("old"))
        .filter_map(|telecom| {
            let value = telecom.text_at(&["value"])?.to_owned();
            let (order, system) = match (telecom.text_at(&["system"])?, telecom.text_at(&["use"])) {
                ("email", _) => (3, ContactSystem::Email),
                ("sms", _) | ("phone", Some("mobile")) => (2, ContactSystem::Mobile),
                ("phone", Some("work")) => (1, ContactSystem::WorkPhone),
                ("phone", _) => (0, ContactSystem::HomePhone),
                _ => return None,
            };
            Some((order, ContactPoint { system, value }))
        })
        .collect();
    made.sort_by_key(|(order, _)| *order);
    made.into_iter().map(|(_, contact)| contact).collect()
}

fn died(patient: &Json, issues: &mut Vec<MapIssue>) -> Option<Option<PartialDate>> {
    if let Some(text) = patient.text_at(&["deceasedDateTime"]) {
        let date = fhir::FhirTime::parse(text).map(|time| time.date());
        if date.is_none() {
            issues.push(MapIssue {
                place: "Patient.deceasedDateTime".to_owned(),
                text: "this is no date; the death was kept without one; write YYYY-MM-DD"
                    .to_owned(),
                fatal: false,
            });
        }
        return Some(date);
    }
    (patient.get("deceasedBoolean").and_then(Json::as_bool) == Some(true)).then_some(None)
}

/// `R`, and whatever is stricter, restricts the address. Source: PDS FHIR, restricted patients.
fn is_restricted(patient: &Json) -> bool {
    patient
        .get("meta")
        .map_or(&[][..], |meta| meta.elements("security"))
        .iter()
        .any(|label| {
            matches!(
                label.text_at(&["code"]),
                Some("R" | "V" | "restricted" | "REDACTED")
            )
        })
}
