//! A delivery's entries: which there are, by which key the source knows each, and whom each is
//! about.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::patient::{demographics_of, demographics_of_number};
use super::{FhirContext, Refusal, Whose, pointed_at};
use crate::fhir::{self, FhirTime, Json, ReferenceTarget, ResourceType};
use crate::mapping::{MapIssue, Subject};

/// One resource of a delivery.
pub(super) struct Entry<'a> {
    /// Where it stands: `Bundle.entry[2].resource`, or its type where it came alone.
    pub(super) place: String,
    pub(super) resource: &'a Json,
    pub(super) resource_type: ResourceType,
    /// The source's key of the thing.
    pub(super) key: String,
}

/// The resources of a delivery and how they are found.
pub(super) struct Delivery<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    /// Entries that cannot be kept.
    pub(super) issues: Vec<MapIssue>,
    /// A transaction: one bad entry refuses all.
    pub(super) all_or_nothing: bool,
    /// When the bundle says it was made.
    pub(super) made_at: Option<FhirTime>,
    by_url: HashMap<&'a str, usize>,
    by_type_and_id: HashMap<(ResourceType, &'a str), usize>,
    /// The addresses before `Type/id` that entries of this delivery have.
    bases: Vec<&'a str>,
}

impl<'a> Delivery<'a> {
    /// Reads the delivery: a resource alone or a Bundle.
    pub(super) fn read(resource: &'a Json, _context: &FhirContext<'_>) -> Result<Self, Refusal> {
        let resource_type = checked_type(resource)?;
        let mut delivery = Self {
            entries: Vec::new(),
            issues: Vec::new(),
            all_or_nothing: false,
            made_at: None,
            by_url: HashMap::new(),
            by_type_and_id: HashMap::new(),
            bases: Vec::new(),
        };
        if resource_type != ResourceType::BUNDLE {
            if let Some(why) = no_record(resource_type.name()) {
                return Err(Refusal::NotARecord {
                    resource_type: resource_type.name(),
                    why,
                });
            }
            delivery.add(
                resource_type.name().to_owned(),
                None,
                resource,
                resource_type,
            );
            return Ok(delivery);
        }
        delivery.all_or_nothing = resource.text_at(&["type"]) == Some("transaction");
        delivery.made_at = resource.text_at(&["timestamp"]).and_then(FhirTime::parse);
        for (number, entry) in resource.elements("entry").iter().enumerate() {
            delivery.add_entry(number, entry);
        }
        Ok(delivery)
    }

    fn add_entry(&mut self, number: usize, entry: &'a Json) {
        let place = format!("Bundle.entry[{number}].resource");
        if entry.text_at(&["request", "method"]) == Some("DELETE") {
            self.refuse(
                format!("Bundle.entry[{number}].request.method"),
                "nothing is deleted here; send the resource with a status that takes it back, such as entered-in-error",
            );
            return;
        }
        if entry.text_at(&["search", "mode"]) == Some("outcome") {
            return;
        }
        let Some(resource) = entry.get("resource") else {
            self.refuse(
                place,
                "the entry has no resource; put one in, or leave the entry out",
            );
            return;
        };
        match checked_type(resource) {
            Err(refusal) => self.refuse(place, &refusal.to_string()),
            Ok(resource_type) if is_envelope(resource_type.name()) => {}
            Ok(ResourceType::BUNDLE) => self.refuse(
                place,
                "a Bundle inside a Bundle; send the inner Bundle on its own",
            ),
            Ok(resource_type) => match no_record(resource_type.name()) {
                Some(why) => {
                    let refusal = Refusal::NotARecord {
                        resource_type: resource_type.name(),
                        why,
                    };
                    self.refuse(place, &refusal.to_string());
                }
                None => self.add(place, entry.text_at(&["fullUrl"]), resource, resource_type),
            },
        }
    }

    fn refuse(&mut self, place: String, text: &str) {
        self.issues.push(MapIssue {
            place,
            text: text.to_owned(),
            fatal: true,
        });
    }

    fn add(
        &mut self,
        place: String,
        full_url: Option<&'a str>,
        resource: &'a Json,
        resource_type: ResourceType,
    ) {
        let number = self.entries.len();
        let mut id = resource.text_at(&["id"]);
        if let Some(url) = full_url {
            self.by_url.entry(url).or_insert(number);
            if let Some(ReferenceTarget::Absolute(_, Some((url_type, url_id)))) =
                fhir::read_reference(url)
                && url_type == resource_type
            {
                id = id.or(Some(url_id));
                let tail = url_type.name().len() + url_id.len() + 1;
                if let Some(base) = url.get(..url.len().saturating_sub(tail)) {
                    self.bases.push(base);
                }
            }
        }
        if let Some(id) = id {
            self.by_type_and_id
                .entry((resource_type, id))
                .or_insert(number);
        }
        self.entries.push(Entry {
            place,
            resource,
            resource_type,
            key: id.map_or_else(|| key_without_id(resource), str::to_owned),
        });
    }

    /// The entry a reference points at, where it is in this delivery.
    pub(super) fn find(&self, target: &ReferenceTarget<'_>) -> Option<&Entry<'a>> {
        let number = match target {
            ReferenceTarget::Urn(urn) => self.by_url.get(urn).copied()?,
            ReferenceTarget::Relative(resource_type, id) => {
                *self.by_type_and_id.get(&(*resource_type, *id))?
            }
            ReferenceTarget::Absolute(url, parts) => match self.by_url.get(url) {
                Some(number) => *number,
                None => {
                    let (resource_type, id) = (*parts)?;
                    self.is_own_address(url, resource_type)
                        .then(|| self.by_type_and_id.get(&(resource_type, id)).copied())??
                }
            },
            ReferenceTarget::Conditional(resource_type, key) => {
                let (system, value) = key.split_once('|').unwrap_or(("", key));
                self.position_by_identifier(Some(*resource_type), system, value)?
            }
            ReferenceTarget::Logical(system, value) => {
                self.position_by_identifier(None, system, value)?
            }
            ReferenceTarget::Contained(_) => return None,
        };
        self.entries.get(number)
    }

    /// Whether an address is on the server this delivery's own entries are on.
    pub(super) fn is_own_address(&self, url: &str, resource_type: ResourceType) -> bool {
        self.bases.iter().any(|base| {
            url.strip_prefix(base)
                .is_some_and(|rest| rest.starts_with(resource_type.name()))
        })
    }

    fn position_by_identifier(
        &self,
        resource_type: Option<ResourceType>,
        system: &str,
        value: &str,
    ) -> Option<usize> {
        self.entries.iter().position(|entry| {
            resource_type.is_none_or(|wanted| wanted == entry.resource_type)
                && entry
                    .resource
                    .elements("identifier")
                    .iter()
                    .any(|identifier| {
                        identifier.text_at(&["value"]) == Some(value)
                            && (system.is_empty()
                                || identifier.text_at(&["system"]) == Some(system))
                    })
        })
    }

    /// Whom an entry is about.
    pub(super) fn whose(&self, entry: &Entry<'_>) -> Whose {
        if entry.resource_type == ResourceType::PATIENT {
            return Whose::Person(self.subject(entry));
        }
        let mut missing = None;
        for (path, reference) in fhir::references_to_patient(entry.resource) {
            match self.person_at(entry, reference) {
                Some(subject) => return Whose::Person(subject),
                None => missing = missing.or(Some(path)),
            }
        }
        if let Some(subject) = self.person_by_way_of(entry) {
            return Whose::Person(subject);
        }
        match missing {
            None if fhir::may_be_about_nobody(entry.resource_type) => Whose::Nobody,
            None => Whose::Unclear(self.unclear(
                entry,
                "",
                "the resource names no person; say whom it is about",
            )),
            Some(path) => Whose::Unclear(self.unclear(
                entry,
                &path,
                "this points at no person we can find; send the Patient with it, or a reference with the NHS number as identifier",
            )),
        }
    }

    fn unclear(&self, entry: &Entry<'_>, path: &str, text: &str) -> MapIssue {
        let place = if path.is_empty() {
            entry.place.clone()
        } else {
            format!("{}.{path}", entry.place)
        };
        MapIssue {
            place,
            text: text.to_owned(),
            fatal: true,
        }
    }

    fn subject(&self, entry: &Entry<'_>) -> Subject {
        let (demographics, _) = demographics_of(entry, self);
        pointed_at(entry.key.clone(), demographics)
    }

    /// The person a reference points at. A reference to another thing than a Patient is none.
    fn person_at(&self, entry: &Entry<'_>, reference: &Json) -> Option<Subject> {
        let target = fhir::reference_target(reference)?;
        if let Some(found) = self.find(&target) {
            return (found.resource_type == ResourceType::PATIENT).then(|| self.subject(found));
        }
        let by_identifier = || {
            let system = reference.text_at(&["identifier", "system"])?;
            let value = reference.text_at(&["identifier", "value"])?;
            Some(pointed_at(
                format!("{system}|{value}"),
                demographics_of_number(system, value),
            ))
        };
        match target {
            ReferenceTarget::Contained(id) => {
                let inner = fhir::contained(entry.resource, id)?;
                if fhir::resource_type(inner) != Some(ResourceType::PATIENT) {
                    return None;
                }
                let (demographics, _) = super::patient_demographics(inner);
                Some(pointed_at(key_without_id(inner), demographics))
            }
            ReferenceTarget::Relative(ResourceType::PATIENT, id) => Some(pointed_at(
                id.to_owned(),
                by_identifier().map(|s| s.demographics).unwrap_or_default(),
            )),
            ReferenceTarget::Absolute(url, Some((ResourceType::PATIENT, id))) => {
                if self.is_own_address(url, ResourceType::PATIENT) {
                    return Some(pointed_at(id.to_owned(), Default::default()));
                }
                by_identifier().or_else(|| {
                    is_demographics_service(url).then(|| {
                        pointed_at(
                            format!("{}|{id}", fhir::NHS_NUMBER_SYSTEM),
                            demographics_of_number(fhir::NHS_NUMBER_SYSTEM, id),
                        )
                    })
                })
            }
            ReferenceTarget::Conditional(ResourceType::PATIENT, key) => {
                let (system, value) = key.split_once('|')?;
                Some(pointed_at(
                    key.to_owned(),
                    demographics_of_number(system, value),
                ))
            }
            ReferenceTarget::Logical(system, value) => {
                let said = reference.text_at(&["type"]);
                (said.is_none_or(|said| said == "Patient")).then(|| {
                    pointed_at(
                        format!("{system}|{value}"),
                        demographics_of_number(system, value),
                    )
                })
            }
            _ => by_identifier().filter(|_| reference.text_at(&["type"]) == Some("Patient")),
        }
    }

    /// A Provenance is about whom its targets are about, a Binary about whom the document is about.
    fn person_by_way_of(&self, entry: &Entry<'_>) -> Option<Subject> {
        let direct = |other: &Entry<'_>| {
            if other.resource_type == ResourceType::PATIENT {
                return Some(self.subject(other));
            }
            fhir::references_to_patient(other.resource)
                .into_iter()
                .find_map(|(_, reference)| self.person_at(other, reference))
        };
        match entry.resource_type {
            ResourceType::PROVENANCE => {
                entry.resource.elements("target").iter().find_map(|target| {
                    let target = fhir::reference_target(target)?;
                    direct(self.find(&target)?)
                })
            }
            ResourceType::BINARY => self
                .entries
                .iter()
                .filter(|other| other.resource_type == ResourceType::DOCUMENT_REFERENCE)
                .find(|other| {
                    other.resource.elements("content").iter().any(|content| {
                        content
                            .text_at(&["attachment", "url"])
                            .and_then(fhir::read_reference)
                            .and_then(|target| self.find(&target))
                            .is_some_and(|found| found.place == entry.place)
                    })
                })
                .and_then(direct),
            _ => None,
        }
    }
}

/// The type, where this is an R4 resource.
fn checked_type(resource: &Json) -> Result<ResourceType, Refusal> {
    let name = resource
        .get("resourceType")
        .and_then(Json::as_text)
        .ok_or(Refusal::NotFhir)?;
    ResourceType::from_name(name).ok_or(Refusal::UnknownType)
}

/// Addresses of the national demographics service end in the NHS number.
fn is_demographics_service(url: &str) -> bool {
    url.contains("demographics.spineservices.nhs.uk")
        || url.contains("/personal-demographics/FHIR/R4/")
}

/// The source's key of a thing it gave no id: its first business identifier, an NHS number first;
/// else a digest of the content.
fn key_without_id(resource: &Json) -> String {
    if let Some(number) = fhir::identifier_value(resource, fhir::NHS_NUMBER_SYSTEM) {
        return format!("{}|{number}", fhir::NHS_NUMBER_SYSTEM);
    }
    let named = resource
        .elements("identifier")
        .iter()
        .find_map(|identifier| {
            let value = identifier.text_at(&["value"])?;
            let system = identifier.text_at(&["system"]).unwrap_or_default();
            Some(format!("{system}|{value}"))
        });
    named.unwrap_or_else(|| {
        let digest = Sha256::digest(resource.to_string().as_bytes());
        let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        format!("content:{hex}")
    })
}

/// What carries a delivery and is not kept itself.
fn is_envelope(resource_type: &str) -> bool {
    matches!(resource_type, "MessageHeader" | "OperationOutcome")
}

/// Why a type is no part of a care record; `None` where it is.
fn no_record(resource_type: &str) -> Option<&'static str> {
    Some(match resource_type {
        "ActivityDefinition"
        | "CapabilityStatement"
        | "ChargeItemDefinition"
        | "CodeSystem"
        | "CompartmentDefinition"
        | "ConceptMap"
        | "EffectEvidenceSynthesis"
        | "EventDefinition"
        | "Evidence"
        | "EvidenceVariable"
        | "ExampleScenario"
        | "GraphDefinition"
        | "ImplementationGuide"
        | "Library"
        | "Measure"
        | "MessageDefinition"
        | "NamingSystem"
        | "OperationDefinition"
        | "PlanDefinition"
        | "Questionnaire"
        | "ResearchDefinition"
        | "ResearchElementDefinition"
        | "RiskEvidenceSynthesis"
        | "SearchParameter"
        | "StructureDefinition"
        | "StructureMap"
        | "TerminologyCapabilities"
        | "TestReport"
        | "TestScript"
        | "ValueSet" => "it defines how records are written",
        "OperationOutcome" | "Parameters" | "Subscription" | "SubscriptionStatus"
        | "MessageHeader" => "it belongs to the exchange of messages",
        "AuditEvent" => "it is a log entry; each system keeps its own log",
        "MeasureReport" => "it reports on many people at once",
        _ => return None,
    })
}
