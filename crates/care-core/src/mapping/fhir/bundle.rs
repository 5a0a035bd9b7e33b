//! A delivery's entries: which there are, by which key the source knows each, and whom each is
//! about.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::patient::{demographics_of, demographics_of_number};
use super::{Refusal, Whose, pointed_at};
use crate::fhir::{self, FhirTime, Json, ReferenceTarget, ResourceType, ValidationIssue};
use crate::mapping::{MapIssue, Subject};

/// One resource of a delivery.
pub(super) struct Entry<'a> {
    /// Where it stands: `Bundle.entry[2].resource`, or its type where it came alone.
    pub(super) place: String,
    pub(super) resource: &'a Json,
    pub(super) resource_type: ResourceType,
    /// The source's key of the thing.
    pub(super) key: String,
    /// Its place among the entries.
    number: usize,
    /// For a Patient, who it says somebody is; read once.
    subject: OnceCell<Subject>,
}

/// The resources of a delivery and how they are found.
pub(super) struct Delivery<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    /// Entries that cannot be kept.
    pub(super) issues: Vec<MapIssue>,
    /// A transaction: one bad entry refuses all.
    pub(super) all_or_nothing: bool,
    /// A message or document: everything in it belongs together.
    about_one: bool,
    /// When the bundle says it was made.
    pub(super) made_at: Option<FhirTime>,
    by_url: HashMap<&'a str, usize>,
    by_type_and_id: HashMap<(ResourceType, &'a str), usize>,
    /// Entries by the value of each of their identifiers.
    by_identifier: HashMap<&'a str, Vec<usize>>,
    /// The addresses before `Type/id` that entries of this delivery have.
    bases: HashSet<&'a str>,
    /// For a Binary, the document whose attachment it is.
    document_of: HashMap<usize, usize>,
}

impl<'a> Delivery<'a> {
    /// Reads the delivery: a resource alone or a Bundle.
    pub(super) fn read(resource: &'a Json) -> Result<Self, Refusal> {
        if let Some(because) = fhir::recognise_stu3(resource) {
            return Err(Refusal::Stu3 { because });
        }
        let resource_type = checked_type(resource)?;
        let mut delivery = Self {
            entries: Vec::new(),
            issues: Vec::new(),
            all_or_nothing: false,
            about_one: false,
            made_at: None,
            by_url: HashMap::new(),
            by_type_and_id: HashMap::new(),
            by_identifier: HashMap::new(),
            bases: HashSet::new(),
            document_of: HashMap::new(),
        };
        if resource_type != ResourceType::BUNDLE {
            if let Some(why) = no_record(resource_type.name()) {
                return Err(Refusal::NotARecord {
                    resource_type: resource_type.name(),
                    why,
                });
            }
            refuse_broken(fhir::validate_structure(resource))?;
            delivery.add(
                resource_type.name().to_owned(),
                None,
                resource,
                resource_type,
            );
            return Ok(delivery);
        }
        let kind = resource.text_at(&["type"]).unwrap_or_default();
        delivery.all_or_nothing = kind == "transaction";
        delivery.about_one = matches!(kind, "message" | "document");
        delivery.made_at = resource.text_at(&["timestamp"]).and_then(FhirTime::parse);
        let broken = delivery.broken_entries(resource)?;
        for (number, entry) in resource.elements("entry").iter().enumerate() {
            if !broken.contains(&number) {
                delivery.add_entry(number, entry);
            }
        }
        delivery.find_documents();
        Ok(delivery)
    }

    fn find_documents(&mut self) {
        let mut found = Vec::new();
        for document in &self.entries {
            if document.resource_type != ResourceType::DOCUMENT_REFERENCE {
                continue;
            }
            for content in document.resource.elements("content") {
                let binary = content
                    .text_at(&["attachment", "url"])
                    .and_then(fhir::read_reference)
                    .and_then(|target| self.find(&target));
                found.extend(binary.map(|binary| (binary.number, document.number)));
            }
        }
        self.document_of.extend(found);
    }

    /// The entries that break R4's rules, each rule an issue. The whole is refused where the Bundle
    /// itself breaks one, where it stands or falls together, or where there are too many to name.
    fn broken_entries(&mut self, bundle: &Json) -> Result<Vec<usize>, Refusal> {
        let found = fhir::validate_structure(bundle);
        let together = matches!(
            bundle.text_at(&["type"]),
            Some("transaction" | "message" | "document")
        );
        let mut broken = Vec::new();
        for issue in &found {
            match entry_number(&issue.place) {
                Some(number) if !together && found.len() < 100 => broken.push(number),
                _ => return refuse_broken(found).map(|()| Vec::new()),
            }
        }
        self.issues.extend(found.into_iter().map(structure_issue));
        Ok(broken)
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
                    self.leave_out(place, &refusal.to_string());
                }
                None => self.add_checked(place, entry, resource, resource_type),
            },
        }
    }

    /// A PUT names its thing in the address; the resource must not say another id.
    fn add_checked(
        &mut self,
        place: String,
        entry: &'a Json,
        resource: &'a Json,
        resource_type: ResourceType,
    ) {
        let put = entry.text_at(&["request", "method"]) == Some("PUT");
        let named = entry
            .text_at(&["request", "url"])
            .filter(|_| put)
            .and_then(fhir::read_reference);
        let agrees = match (&named, resource.text_at(&["id"])) {
            (Some(ReferenceTarget::Relative(url_type, url_id)), id) => {
                *url_type == resource_type && id.is_none_or(|id| id == *url_id)
            }
            _ => true,
        };
        if agrees {
            self.add(place, entry.text_at(&["fullUrl"]), resource, resource_type);
        } else {
            self.refuse(
                place.replace(".resource", ".request.url"),
                "the address and the resource name different things; write the same type and id in both",
            );
        }
    }

    fn refuse(&mut self, place: String, text: &str) {
        self.issues.push(MapIssue {
            place,
            text: text.to_owned(),
            fatal: true,
        });
    }

    fn leave_out(&mut self, place: String, text: &str) {
        self.issues.push(MapIssue {
            place,
            text: text.to_owned(),
            fatal: false,
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
                self.bases.extend(base_of(url, url_type));
            }
        }
        if let Some(id) = id {
            self.by_type_and_id
                .entry((resource_type, id))
                .or_insert(number);
        }
        for identifier in resource.elements("identifier") {
            if let Some(value) = identifier.text_at(&["value"]) {
                self.by_identifier.entry(value).or_default().push(number);
            }
        }
        self.entries.push(Entry {
            place,
            resource,
            resource_type,
            key: id.map_or_else(|| key_without_id(resource), str::to_owned),
            number,
            subject: OnceCell::new(),
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
        base_of(url, resource_type).is_some_and(|base| self.bases.contains(base))
    }

    fn position_by_identifier(
        &self,
        resource_type: Option<ResourceType>,
        system: &str,
        value: &str,
    ) -> Option<usize> {
        let mut candidates = self.by_identifier.get(value)?.iter().copied();
        candidates.find(|number| {
            self.entries.get(*number).is_some_and(|entry| {
                resource_type.is_none_or(|wanted| wanted == entry.resource_type)
                    && (system.is_empty() || has_identifier(entry.resource, system, value))
            })
        })
    }

    /// Whom an entry is about.
    pub(super) fn whose(&self, entry: &Entry<'_>) -> Whose {
        if entry.resource_type == ResourceType::PATIENT {
            return Whose::Person(self.subject(entry), None);
        }
        let mut missing = None;
        for (path, reference) in fhir::references_to_patient(entry.resource) {
            match self.person_at(entry, reference) {
                Some(subject) => return Whose::Person(subject, Some(path)),
                None => missing = missing.or(Some(path)),
            }
        }
        if let Some(subject) = self.person_by_way_of(entry) {
            return Whose::Person(subject, None);
        }
        let stands_alone = fhir::may_be_about_nobody(entry.resource_type);
        if missing.is_none()
            && !stands_alone
            && let Some(subject) = self.only_person()
        {
            return Whose::Person(subject, None);
        }
        match missing {
            None if stands_alone => Whose::Nobody,
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

    /// The one Patient of a message or document, which is sent as a whole about one person.
    fn only_person(&self) -> Option<Subject> {
        let mut patients = self
            .entries
            .iter()
            .filter(|entry| entry.resource_type == ResourceType::PATIENT);
        let only = patients.next().filter(|_| self.about_one)?;
        patients.next().is_none().then(|| self.subject(only))
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
        entry
            .subject
            .get_or_init(|| {
                let (demographics, _) = demographics_of(entry, self);
                pointed_at(entry.key.clone(), demographics)
            })
            .clone()
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
                .document_of
                .get(&entry.number)
                .and_then(|document| self.entries.get(*document))
                .and_then(direct),
            _ => None,
        }
    }
}

fn refuse_broken(issues: Vec<ValidationIssue>) -> Result<(), Refusal> {
    if issues.is_empty() {
        return Ok(());
    }
    Err(Refusal::Structure(
        issues.into_iter().map(structure_issue).collect(),
    ))
}

fn structure_issue(issue: ValidationIssue) -> MapIssue {
    MapIssue {
        place: issue.place,
        text: format!("{}; {}", issue.what, issue.mend),
        fatal: true,
    }
}

/// `Bundle.entry[3].resource…` is about entry 3.
fn entry_number(place: &str) -> Option<usize> {
    let rest = place.strip_prefix("Bundle.entry[")?;
    let (number, rest) = rest.split_once(']')?;
    rest.starts_with(".resource").then(|| number.parse().ok())?
}

/// The address before `Type/id`.
fn base_of(url: &str, resource_type: ResourceType) -> Option<&str> {
    let (head, _) = url.rsplit_once('/')?;
    head.strip_suffix(resource_type.name())
}

/// The type, where this is an R4 resource.
fn checked_type(resource: &Json) -> Result<ResourceType, Refusal> {
    let name = resource
        .get("resourceType")
        .and_then(Json::as_text)
        .ok_or(Refusal::NotFhir)?;
    ResourceType::from_name(name).ok_or(Refusal::UnknownType)
}

fn has_identifier(resource: &Json, system: &str, value: &str) -> bool {
    resource.elements("identifier").iter().any(|identifier| {
        identifier.text_at(&["value"]) == Some(value)
            && identifier.text_at(&["system"]) == Some(system)
    })
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
    matches!(
        resource_type,
        "MessageHeader" | "OperationOutcome" | "Parameters" | "SubscriptionStatus"
    )
}

/// Whether a resource of this type can be kept: it is part of a care record, and it is a person, names
/// one, or may stand for itself.
pub fn is_kept(resource_type: ResourceType) -> bool {
    resource_type != ResourceType::BUNDLE && no_record(resource_type.name()).is_none()
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
        "MeasureReport" | "PaymentReconciliation" => "it reports on many people at once",
        "BiologicallyDerivedProduct"
        | "EnrollmentResponse"
        | "Linkage"
        | "PaymentNotice"
        | "VerificationResult" => "it has no place to name the person it is about",
        _ => return None,
    })
}
