//! FHIR R4 in the shape of UK Core, as a source's own system sends it: one transaction bundle with
//! the source's ids, each entry a PUT, so that sending it again changes nothing.
//!
//! References inside a bundle are relative to the source's base address; organisations and
//! professionals are named by logical identifier or by name, so that nothing points at nothing.

use serde_json::{Map, Value, json};

use crate::calendar::When;
use crate::clinicians::Clinician;
use crate::names::Sex;
use crate::organisations::{InventedOrganisation, organisation};
use crate::outgoing::{Outgoing, Payload};
use crate::person::Person;

pub(crate) const SNOMED: &str = "http://snomed.info/sct";
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";
const UK_CORE: &str = "https://fhir.hl7.org.uk";

/// The system of the codes that mark an item sealed, or sealed and locked.
pub const SENSITIVITY_SYSTEM: &str = "https://connect-care.example/CodeSystem/sensitivity";
/// Gathers what one source says of one person, and sends it as bundles.
pub(crate) struct FhirSender<'a> {
    pub organisation: &'static InventedOrganisation,
    pub person: &'a Person,
    /// The source's own id of the person.
    pub patient_id: String,
    /// Other numbers the source has for the person: (system, value).
    entries: Vec<Value>,
    pub out: Vec<Outgoing>,
}

impl<'a> FhirSender<'a> {
    pub fn new(
        organisation: &'static InventedOrganisation,
        person: &'a Person,
        patient_id: String,
    ) -> Self {
        Self {
            organisation,
            person,
            patient_id,
            entries: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Adds a resource of the person. Type, id, identifier and the link to the person are put in.
    pub fn add(&mut self, resource_type: &str, key: &str, body: Value) {
        let id = format!("{}-{key}", self.patient_id);
        let mut resource = Map::new();
        resource.insert("resourceType".into(), json!(resource_type));
        let identifier = json!({"system": format!("{}/Id/{}", self.base(), resource_type.to_lowercase()), "value": id});
        let single = resource_type == "QuestionnaireResponse";
        resource.insert(
            "identifier".into(),
            if single {
                identifier
            } else {
                json!([identifier])
            },
        );
        if let Some(link) = link_element(resource_type) {
            resource.insert(link.into(), self.patient());
        }
        if let Value::Object(fields) = body {
            resource.extend(fields);
        }
        resource.insert("id".into(), json!(id));
        self.put(resource_type, &id, Value::Object(resource));
    }

    /// A reference to the person.
    pub fn patient(&self) -> Value {
        json!({"reference": format!("Patient/{}", self.patient_id)})
    }

    /// A reference to another resource of the person in this source.
    pub fn reference(&self, resource_type: &str, key: &str) -> Value {
        json!({"reference": format!("{resource_type}/{}-{key}", self.patient_id)})
    }

    /// Whether nothing was added since the last bundle.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets an element of what was added last.
    pub fn change_last(&mut self, element: &str, value: Value) {
        let last = self
            .entries
            .last_mut()
            .and_then(|entry| entry.get_mut("resource"))
            .and_then(Value::as_object_mut);
        if let Some(fields) = last {
            fields.insert(element.to_owned(), value);
        }
    }

    /// Sends what was added, with the person first.
    pub fn send(&mut self, when: When) {
        let Some(feed) = self.organisation.feed else {
            return;
        };
        let added = std::mem::take(&mut self.entries);
        let person = patient_resource(
            self.person,
            self.organisation,
            &self.patient_id,
            &self.base(),
        );
        let patient_id = self.patient_id.clone();
        self.put("Patient", &patient_id, person);
        self.entries.extend(added);
        let bundle = json!({
            "resourceType": "Bundle",
            "type": "transaction",
            "timestamp": when.fhir(),
            "entry": std::mem::take(&mut self.entries),
        });
        self.out.push(Outgoing {
            feed: feed.id,
            at: when.timestamp(),
            payload: Payload::Fhir(bundle.to_string().into_bytes()),
        });
    }

    fn put(&mut self, resource_type: &str, id: &str, resource: Value) {
        self.entries.push(json!({
            "fullUrl": format!("{}/fhir/R4/{resource_type}/{id}", self.base()),
            "resource": resource,
            "request": {"method": "PUT", "url": format!("{resource_type}/{id}")},
        }));
    }

    fn base(&self) -> String {
        format!(
            "https://{}.example",
            self.organisation.sending_application().to_lowercase()
        )
    }
}

fn link_element(resource_type: &str) -> Option<&'static str> {
    match resource_type {
        "AllergyIntolerance" | "Immunization" | "EpisodeOfCare" | "RelatedPerson" | "Consent" => {
            Some("patient")
        }
        "Task" => Some("for"),
        "Appointment" => None,
        _ => Some("subject"),
    }
}

fn patient_resource(person: &Person, source: &InventedOrganisation, id: &str, base: &str) -> Value {
    let mut name = json!({
        "use": "official",
        "family": person.family,
        "given": std::iter::once(person.given.clone()).chain(person.middle.clone()).collect::<Vec<_>>(),
        "prefix": [person.title],
        "text": person.spoken_name(),
    });
    if person.title.is_empty()
        && let Some(name) = name.as_object_mut()
    {
        name.remove("prefix");
    }
    let mut names = vec![name];
    if let Some(preferred) = &person.preferred {
        names.push(json!({"use": "usual", "given": [preferred], "family": person.family}));
    }
    let mut patient = json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": [
            {
                "system": NHS_NUMBER,
                "value": person.nhs_number,
                "extension": [{
                    "url": format!("{UK_CORE}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"),
                    "valueCodeableConcept": {"coding": [{
                        "system": format!("{UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"),
                        "code": "01",
                        "display": "Number present and verified",
                    }]},
                }],
            },
            {"system": format!("{base}/Id/patient"), "value": id, "assigner": {"identifier": {"system": ODS, "value": source.ods}}},
        ],
        "active": true,
        "name": names,
        "gender": if person.sex == Sex::Female { "female" } else { "male" },
        "birthDate": person.birth.iso(),
        "address": [{
            "use": "home",
            "line": [person.address.line, person.address.district],
            "city": person.address.town,
            "postalCode": person.address.postcode,
        }],
        "generalPractitioner": [organisation_reference(person.practice)],
        "communication": [{
            "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": person.language.0, "display": person.language.1}]},
            "preferred": true,
        }],
        "extension": [{
            "url": format!("{UK_CORE}/StructureDefinition/Extension-UKCore-EthnicCategory"),
            "valueCodeableConcept": {"coding": [{
                "system": format!("{UK_CORE}/CodeSystem/UKCore-EthnicCategoryEngland"),
                "code": person.ethnicity.0,
                "display": person.ethnicity.1,
            }]},
        }],
    });
    if let Some(fields) = patient.as_object_mut() {
        if person.interpreter
            && let Some(Value::Array(extensions)) = fields.get_mut("extension")
        {
            extensions.push(json!({
                "url": format!("{UK_CORE}/StructureDefinition/Extension-UKCore-InterpreterRequired"),
                "valueBoolean": true,
            }));
        }
        let phones = telecom(person);
        if !phones.is_empty() {
            fields.insert("telecom".into(), json!(phones));
        }
        if let Some(died) = person.died {
            fields.insert("deceasedDateTime".into(), json!(died.iso()));
        }
        if person.restricted {
            fields.insert("meta".into(), json!({"security": [confidentiality("R")]}));
        }
        if let Some(kin) = &person.next_of_kin {
            fields.insert(
                "contact".into(),
                json!([{
                    "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N", "display": "Next-of-Kin"}], "text": kin.relation}],
                    "name": {"family": kin.family, "given": [kin.given], "prefix": [kin.title]},
                    "telecom": [{"system": "phone", "value": kin.phone, "use": "mobile"}],
                }]),
            );
        }
    }
    patient
}

fn telecom(person: &Person) -> Vec<Value> {
    let home = person
        .home_phone
        .as_ref()
        .map(|phone| json!({"system": "phone", "value": phone, "use": "home"}));
    let mobile = person
        .mobile
        .as_ref()
        .map(|phone| json!({"system": "phone", "value": phone, "use": "mobile"}));
    [home, mobile].into_iter().flatten().collect()
}

/// A coding of v3 Confidentiality: `R` restricted, `V` very restricted.
pub(crate) fn confidentiality(code: &str) -> Value {
    let display = if code == "V" {
        "very restricted"
    } else {
        "restricted"
    };
    json!({"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": code, "display": display})
}

/// An organisation named by its code.
pub(crate) fn organisation_reference(ods: &str) -> Value {
    json!({
        "type": "Organization",
        "identifier": {"system": ODS, "value": ods},
        "display": organisation(ods).map(|organisation| organisation.name).unwrap_or_default(),
    })
}

/// A professional, named with their job.
pub(crate) fn clinician_reference(clinician: &Clinician) -> Value {
    json!({"type": "Practitioner", "display": format!("{}, {}", clinician.spoken(), clinician.job)})
}

/// A SNOMED CT concept; an empty code leaves the text alone.
pub(crate) fn concept(code: &str, text: &str) -> Value {
    if code.is_empty() {
        return json!({"text": text});
    }
    json!({"coding": [{"system": SNOMED, "code": code, "display": text}], "text": text})
}

/// A concept of any system.
pub(crate) fn coded(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}], "text": display})
}

/// A quantity with a UCUM code; the number is written as the text says.
pub(crate) fn quantity(value: &str, unit: &str, ucum: &str) -> Value {
    let number: Value = serde_json::from_str(value).unwrap_or(Value::Null);
    json!({"value": number, "unit": unit, "system": UCUM, "code": ucum})
}
