//! `Patient/$match`: who somebody may be, for those who may look for people. Shows who people are and
//! nothing clinical, as finding does; each person shown reads of it in their own log.

use care_core::audit::{Act, Outcome};
use care_core::fhir::ResourceType;
use care_core::patient_index::{self, MatchGrade, MatchScore, compare};
use care_core::vocabulary::{Demographics, PersonId, Role};

use super::{FhirAsk, FhirResource};
use crate::caller::Caller;
use crate::disclosure::find::Details;
use crate::disclosure::{Answer, Disclosed, Disclosure, DisclosureError, Refusal, entry, patient};
use crate::store::Commit;

/// Who is looked for.
#[derive(Debug, Clone, Default)]
pub struct MatchAsk {
    /// What is known of them.
    pub known: Demographics,
    /// Only one person of whom it is certain.
    pub only_certain: bool,
    /// The most people given.
    pub count: usize,
}

/// One person who may be meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// The Patient.
    pub resource: FhirResource,
    /// How surely.
    pub score: MatchScore,
}

/// Keeps the people worth showing, the surest first. Of several certain ones none is certain.
pub(crate) fn best<T>(
    mut found: Vec<(MatchScore, T)>,
    only_certain: bool,
    count: usize,
) -> Vec<(MatchScore, T)> {
    found.retain(|(score, _)| score.grade() != MatchGrade::CertainlyNot);
    found.sort_by(|(left, _), (right, _)| right.bits().total_cmp(&left.bits()));
    if only_certain {
        found.retain(|(score, _)| score.grade() == MatchGrade::Certain);
        if found.len() > 1 {
            found.clear();
        }
    }
    found.truncate(count);
    found
}

impl Disclosure {
    /// People who may be the one described, the surest first.
    ///
    /// Errors: refused for a role that may not look for people; too many tries; nothing to look by.
    pub fn fhir_match(
        &self,
        caller: &Caller,
        ask: &FhirAsk,
        wanted: &MatchAsk,
    ) -> Answer<Disclosed<Vec<Matched>>> {
        if matches!(caller.user.role, Role::Patient | Role::Proxy) {
            return Err(DisclosureError::Refused(Refusal::NotForYourRole));
        }
        self.may_find(caller)?;
        self.may_try(caller)?;
        let details = searchable(&wanted.known);
        if wanted.known.nhs_number.is_none() && details.is_none() {
            return Err(DisclosureError::Unclear(
                "give an NHS number, or a family name with a whole birth date",
            ));
        }
        let mut people: Vec<PersonId> = Vec::new();
        if let Some(number) = wanted.known.nhs_number {
            people.extend(self.holder(number)?);
        }
        let by_number = !people.is_empty();
        if let Some(details) = details {
            people.extend(self.people_like(&details)?);
        }
        let mut found = Vec::new();
        for person in people {
            let (person, row) = self.answering(person)?;
            let known = self.known(caller, person, &row)?;
            let is_other = ask
                .only_person
                .is_some_and(|only| known.nhs_number != Some(only));
            if is_other || found.iter().any(|(_, (held, _))| *held == person) {
                continue;
            }
            found.push((compare(&wanted.known, &known), (person, known)));
        }
        let found = best(found, wanted.only_certain, wanted.count);
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.page = "POST Patient/$match".to_owned();
        entry.detail = format!("{} found", found.len());
        let mut changes = Vec::new();
        if wanted.known.nhs_number.is_some() {
            changes = self.tried(caller, &entry, by_number)?;
        }
        let told = found.iter().map(|(_, (person, _))| {
            let mut one = entry.clone();
            one.person = Some(*person);
            one
        });
        let more_entries = told.collect();
        entry.items = found
            .iter()
            .map(|(_, (person, _))| format!("Patient/{person}"))
            .collect();
        let committed = self.inner.store.commit(Commit {
            changes,
            entry,
            more_entries,
        })?;
        let matched = found
            .into_iter()
            .map(|(score, (person, known))| Matched {
                resource: FhirResource {
                    resource_type: ResourceType::PATIENT,
                    id: person.to_string(),
                    version: 1,
                    updated_at: None,
                    body: patient::resource(person, &known).to_string().into_bytes(),
                },
                score,
            })
            .collect();
        Ok(Disclosed::after(committed.entry, matched))
    }
}

/// What a search by details needs, where it is there.
fn searchable(known: &Demographics) -> Option<Details> {
    let folded = patient_index::details(known);
    let name = known.names.first()?;
    let birth_date = known.birth_date.filter(|date| date.to_date().is_some())?;
    (!name.family.trim().is_empty()).then(|| Details {
        family: name.family.clone(),
        given: name.given.first().cloned().unwrap_or_default(),
        birth_date: birth_date.to_string(),
        // Any gender: what differs lowers the score.
        gender: String::new(),
        postcode: folded.postcode,
        similar: true,
    })
}
