//! The person as one FHIR Patient: the surviving demographics under our own id. Source: UK Core
//! Patient; the NHS number's verification status is the UKCore-NHSNumberVerificationStatus extension.

use care_core::fhir::Json;
use care_core::vocabulary::{
    Address, ContactPoint, ContactSystem, Demographics, Gender, NumberStatus, PersonId, PersonName,
};

use crate::identity::NHS_NUMBER;

const STATUS_EXTENSION: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
const STATUS_CODES: &str = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// The Patient resource of a person, as far as `known` goes.
pub(super) fn resource(person: PersonId, known: &Demographics) -> Json {
    let mut patient = Json::object([
        ("resourceType", "Patient".into()),
        ("id", person.to_string().into()),
        ("meta", restricted_meta(known)),
        (
            "identifier",
            Json::list(number(known).into_iter().collect()),
        ),
        ("name", Json::list(known.names.iter().map(name).collect())),
        (
            "telecom",
            Json::list(known.contacts.iter().map(telecom).collect()),
        ),
        ("gender", known.gender.map(gender).into()),
        (
            "birthDate",
            known.birth_date.map(|date| date.to_string()).into(),
        ),
    ]);
    match known.died {
        Some(Some(date)) => patient.set("deceasedDateTime", date.to_string().into()),
        Some(None) => patient.set("deceasedBoolean", true.into()),
        None => {}
    }
    patient.set(
        "address",
        Json::list(known.addresses.iter().map(address).collect()),
    );
    if let Some(practice) = &known.practice {
        let identifier =
            Json::object([("system", ODS.into()), ("value", practice.as_str().into())]);
        let reference = Json::object([("type", "Organization".into()), ("identifier", identifier)]);
        patient.set("generalPractitioner", Json::Array(vec![reference]));
    }
    patient
}

fn restricted_meta(known: &Demographics) -> Json {
    if !known.restricted {
        return Json::Null;
    }
    let label = Json::object([
        (
            "system",
            "http://terminology.hl7.org/CodeSystem/v3-Confidentiality".into(),
        ),
        ("code", "R".into()),
        ("display", "restricted".into()),
    ]);
    Json::object([("security", Json::Array(vec![label]))])
}

fn number(known: &Demographics) -> Option<Json> {
    let number = known.nhs_number?;
    let (code, display) = match known.number_status {
        Some(NumberStatus::Verified) => ("01", "Number present and verified"),
        _ => ("02", "Number present but not traced"),
    };
    let coding = Json::object([
        ("system", STATUS_CODES.into()),
        ("code", code.into()),
        ("display", display.into()),
    ]);
    let status = Json::object([
        ("url", STATUS_EXTENSION.into()),
        (
            "valueCodeableConcept",
            Json::object([("coding", Json::Array(vec![coding]))]),
        ),
    ]);
    Some(Json::object([
        ("extension", Json::Array(vec![status])),
        ("system", NHS_NUMBER.into()),
        ("value", number.digits().into()),
    ]))
}

fn name(name: &PersonName) -> Json {
    let texts =
        |parts: &[String]| Json::list(parts.iter().map(|part| part.as_str().into()).collect());
    Json::object([
        ("use", "official".into()),
        (
            "family",
            Some(name.family.as_str())
                .filter(|family| !family.is_empty())
                .into(),
        ),
        ("given", texts(&name.given)),
        ("prefix", texts(&name.prefix)),
    ])
}

fn telecom(contact: &ContactPoint) -> Json {
    let (system, place) = match contact.system {
        ContactSystem::HomePhone => ("phone", Some("home")),
        ContactSystem::WorkPhone => ("phone", Some("work")),
        ContactSystem::Mobile => ("phone", Some("mobile")),
        ContactSystem::Email => ("email", None),
    };
    Json::object([
        ("system", system.into()),
        ("value", contact.value.as_str().into()),
        ("use", place.into()),
    ])
}

fn gender(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "male",
        Gender::Female => "female",
        Gender::Other => "other",
        Gender::Unknown | Gender::NotSpecified => "unknown",
    }
}

fn address(address: &Address) -> Json {
    Json::object([
        (
            "use",
            if address.temporary { "temp" } else { "home" }.into(),
        ),
        (
            "line",
            Json::list(
                address
                    .lines
                    .iter()
                    .map(|line| line.as_str().into())
                    .collect(),
            ),
        ),
        ("postalCode", address.postcode.as_deref().into()),
    ])
}
