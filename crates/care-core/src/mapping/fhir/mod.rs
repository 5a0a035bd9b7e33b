//! From a source's FHIR R4 resource or bundle to drafts.
//!
//! One [`Mapped`] for each person the delivery is about, and one for things about nobody. What
//! cannot be kept is named with its path; nothing is guessed about whose record an item belongs to.

mod bundle;
mod involvement;
mod patient;
mod references;
mod refusal;

pub use bundle::is_kept;
pub use patient::patient_demographics;
pub use refusal::Refusal;

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Draft, MapIssue, Mapped, Subject};
use crate::fhir::{self, Json, ResourceType};
use crate::vocabulary::{Demographics, OdsCode, OrganisationKind};
use bundle::{Delivery, Entry};

/// What is known of a delivery besides its content.
#[derive(Debug, Clone, Copy)]
pub struct FhirContext<'a> {
    /// The organisation whose system sent it.
    pub source: &'a OdsCode,
    /// What kind of organisation that is.
    pub source_kind: OrganisationKind,
    /// When it came in.
    pub received_at: Timestamp,
}

/// Maps one resource, or the resources of a Bundle.
///
/// Errors: [`Refusal`] when nothing of it can be kept. Entries of a Bundle that cannot be kept
/// while others can are fatal issues of what is given back; for a transaction they refuse the whole.
pub fn map_fhir(resource: &Json, context: &FhirContext<'_>) -> Result<Vec<Mapped>, Refusal> {
    let delivery = Delivery::read(resource)?;
    let mut piles = Piles::default();
    for issue in &delivery.issues {
        piles.nobody().issues.push(issue.clone());
    }
    for entry in &delivery.entries {
        let mut issues = Vec::new();
        match delivery.whose(entry) {
            Whose::Person(subject, path) => {
                let about = path
                    .as_deref()
                    .map(|path| (path, subject.source_key.clone()));
                let mapped = piles.person(subject);
                draft_into(mapped, entry, &delivery, context, about, &mut issues);
                issues.extend(patient_issues(entry));
                mapped
                    .involvements
                    .extend(involvement::involvements(entry, &delivery, context));
                mapped.issues.append(&mut issues);
            }
            Whose::Nobody => {
                let mapped = piles.nobody();
                draft_into(mapped, entry, &delivery, context, None, &mut issues);
                mapped.issues.append(&mut issues);
            }
            Whose::Unclear(issue) => piles.nobody().issues.push(issue),
        }
    }
    let mapped = piles.finish();
    let nothing_kept = mapped.iter().all(|mapped| mapped.drafts.is_empty());
    if nothing_kept || delivery.all_or_nothing {
        let fatal: Vec<MapIssue> = mapped
            .iter()
            .flat_map(|mapped| mapped.issues.iter())
            .filter(|issue| issue.fatal)
            .cloned()
            .collect();
        if !fatal.is_empty() {
            return Err(Refusal::Entries(fatal));
        }
    }
    if nothing_kept {
        return Err(Refusal::Nothing);
    }
    Ok(mapped)
}

/// What in a Patient was not understood, with its place in the delivery.
fn patient_issues(entry: &Entry<'_>) -> Vec<MapIssue> {
    if entry.resource_type != ResourceType::PATIENT {
        return Vec::new();
    }
    let (_, issues) = patient_demographics(entry.resource);
    issues
        .into_iter()
        .map(|issue| MapIssue {
            place: issue.place.replacen("Patient", &entry.place, 1),
            ..issue
        })
        .collect()
}

/// Whom a resource is about.
enum Whose {
    /// A person, and the path of the reference that says so, where one does.
    Person(Subject, Option<String>),
    Nobody,
    Unclear(MapIssue),
}

/// One [`Mapped`] a person, in the order people first appear; nobody's things last.
#[derive(Default)]
struct Piles {
    people: Vec<Mapped>,
    places: HashMap<String, usize>,
    nobody: Option<Mapped>,
}

fn empty(subject: Option<Subject>) -> Mapped {
    Mapped {
        subject,
        drafts: Vec::new(),
        involvements: Vec::new(),
        merge: None,
        issues: Vec::new(),
    }
}

impl Piles {
    fn person(&mut self, subject: Subject) -> &mut Mapped {
        let next = self.people.len();
        let place = *self
            .places
            .entry(subject.source_key.clone())
            .or_insert(next);
        if place == next {
            self.people.push(empty(Some(subject)));
        }
        &mut self.people[place]
    }

    fn nobody(&mut self) -> &mut Mapped {
        self.nobody.get_or_insert_with(|| empty(None))
    }

    fn finish(mut self) -> Vec<Mapped> {
        for mapped in &mut self.people {
            // Stable: the Patient first, everything else as it was sent.
            mapped
                .drafts
                .sort_by_key(|draft| draft.resource_type != ResourceType::PATIENT);
        }
        self.people.extend(self.nobody);
        self.people
    }
}

fn draft_into(
    mapped: &mut Mapped,
    entry: &Entry<'_>,
    delivery: &Delivery<'_>,
    context: &FhirContext<'_>,
    about: Option<(&str, String)>,
    issues: &mut Vec<MapIssue>,
) {
    let mut body = references::body(entry, delivery, issues);
    if let Some((path, person_key)) = about {
        references::name_person(&mut body, path, &person_key);
    }
    mapped.drafts.push(Draft {
        resource_type: entry.resource_type,
        source_key: entry.key.clone(),
        body,
        event_at: event_at(entry.resource, delivery, context),
        withdrawn: is_withdrawn(entry.resource_type, entry.resource),
    });
}

/// When this state held: as the source says in `meta.lastUpdated`, else when the bundle was made,
/// else on arrival. Clinical dates are not used: they say when the thing happened, and a correction
/// of it must still count as newer. A date ahead of our clock counts as now, for otherwise it would
/// hold off every later change.
fn event_at(resource: &Json, delivery: &Delivery<'_>, context: &FhirContext<'_>) -> Timestamp {
    resource
        .text_at(&["meta", "lastUpdated"])
        .and_then(fhir::FhirTime::parse)
        .or_else(|| delivery.made_at.clone())
        .map_or(context.received_at, |time| {
            time.earliest().min(context.received_at)
        })
}

fn is_withdrawn(resource_type: ResourceType, resource: &Json) -> bool {
    let status = resource.text_at(&["status"]).unwrap_or_default();
    fhir::entered_in_error(resource)
        || matches!(
            (resource_type.name(), status),
            ("Encounter" | "Appointment" | "EpisodeOfCare", "cancelled")
                | ("ServiceRequest", "revoked")
        )
}

/// A person known to us only by what points at them.
fn pointed_at(source_key: String, demographics: Demographics) -> Subject {
    Subject {
        source_key,
        demographics,
    }
}
