//! Everybody whom a delivery may be about, fetched for the linking rule.

use care_core::mapping::Subject;
use care_core::patient_index::{Basis, Candidate, Details, details};
use care_core::vocabulary::{Demographics, NhsNumber, NumberStatus, PersonId, SourceCode};

use super::{Answering, NHS_NUMBER, UNVERIFIED_NUMBER, answering, key_system, local_system};
use crate::store::{DetailsQuery, DetailsRow, PersonRow, Store, StoreError};

/// A candidate with the row it was made from.
pub(super) struct Found {
    pub candidate: Candidate,
    pub row: PersonRow,
}

/// A namesake search reads at most this many people.
const NAMESAKES: u32 = 8;

/// The identifiers by which a source itself knows the person.
pub(super) fn own_identifiers(source: &SourceCode, subject: &Subject) -> Vec<(String, String)> {
    let mut all = Vec::with_capacity(1 + subject.demographics.local_ids.len());
    if !subject.source_key.is_empty() {
        all.push((key_system(source), subject.source_key.clone()));
    }
    for (value, assigner) in &subject.demographics.local_ids {
        all.push((local_system(source, assigner), value.clone()));
    }
    all
}

/// Candidates by local number, then by NHS number, then, only where neither found anybody, by
/// exact details.
pub(super) fn candidates(
    store: &dyn Store,
    source: &SourceCode,
    subject: &Subject,
) -> Result<Vec<Found>, StoreError> {
    let mut found = by_local_id(store, source, subject)?;
    if let Some(number) = subject.demographics.nhs_number {
        let verified = subject.demographics.number_status == Some(NumberStatus::Verified);
        let points_only =
            subject.demographics.names.is_empty() && subject.demographics.birth_date.is_none();
        let own = (verified || points_only).then_some(source);
        by_number(store, own, number, verified, &mut found)?;
    }
    if !found
        .iter()
        .any(|one| one.candidate.basis <= Basis::VerifiedNumber)
    {
        by_details(store, &subject.demographics, &mut found)?;
    }
    Ok(found)
}

/// Candidates by the source's own numbers alone.
pub(super) fn by_local_id(
    store: &dyn Store,
    source: &SourceCode,
    subject: &Subject,
) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    for (system, value) in own_identifiers(source, subject) {
        if is_held(&found, &system, &value) {
            continue;
        }
        for holder in store.persons_by_identifier(&system, &value)? {
            add(store, holder.person, Basis::LocalId, &mut found)?;
        }
    }
    Ok(found)
}

/// A number that the `own` source verified for somebody before is as good as its own local number:
/// what refers to that person by the number alone needs no birth date beside it.
fn by_number(
    store: &dyn Store,
    own: Option<&SourceCode>,
    number: NhsNumber,
    verified: bool,
    found: &mut Vec<Found>,
) -> Result<(), StoreError> {
    let digits = number.digits();
    let basis = if verified {
        Basis::VerifiedNumber
    } else {
        Basis::UnverifiedNumber
    };
    if is_held(found, NHS_NUMBER, &digits) {
        return Ok(());
    }
    for holder in store.persons_by_identifier(NHS_NUMBER, &digits)? {
        let basis = if own == Some(&holder.source) {
            Basis::LocalId
        } else {
            basis
        };
        add(store, holder.person, basis, found)?;
    }
    for holder in store.persons_by_identifier(UNVERIFIED_NUMBER, &digits)? {
        add(store, holder.person, Basis::UnverifiedNumber, found)?;
    }
    Ok(())
}

/// Whether a person who was found already holds an identifier that only one person can hold: then
/// nobody else has to be looked for. The usual message costs one look-up and one person.
fn is_held(found: &[Found], system: &str, value: &str) -> bool {
    found.iter().any(|one| {
        let mut held = one.row.identifiers.iter();
        held.any(|(held_system, held_value, _)| held_system == system && held_value == value)
    })
}

fn by_details(
    store: &dyn Store,
    sent: &Demographics,
    found: &mut Vec<Found>,
) -> Result<(), StoreError> {
    let sent = details(sent);
    if sent.family.is_empty() || sent.given.is_empty() || sent.birth_date.is_empty() {
        return Ok(());
    }
    let query = DetailsQuery {
        family: sent.family.clone(),
        given: sent.given.clone(),
        birth_date: sent.birth_date.clone(),
        ..DetailsQuery::default()
    };
    for person in store.persons_by_details(&query, NAMESAKES)? {
        let mut namesake = Vec::new();
        add(store, person, Basis::Details, &mut namesake)?;
        let same = |one: &Found| {
            one.candidate.details.iter().any(|known| {
                known.family == sent.family
                    && known.given == sent.given
                    && known.birth_date == sent.birth_date
            })
        };
        for one in namesake.into_iter().filter(same) {
            if !found
                .iter()
                .any(|held| held.candidate.root == one.candidate.root)
            {
                found.push(one);
            }
        }
    }
    Ok(())
}

fn add(
    store: &dyn Store,
    person: PersonId,
    basis: Basis,
    found: &mut Vec<Found>,
) -> Result<(), StoreError> {
    if found.iter().any(|one| one.candidate.person == person) {
        return Ok(());
    }
    if let Some(known) = answering(store, person)? {
        let candidate = candidate(person, basis, &known);
        found.push(Found {
            candidate,
            row: known.row,
        });
    }
    Ok(())
}

/// A person as the rule compares them.
pub(super) fn candidate(person: PersonId, basis: Basis, known: &Answering) -> Candidate {
    Candidate {
        person,
        root: known.person,
        basis,
        numbers: numbers(&known.row),
        details: known.row.details.iter().map(from_row).collect(),
    }
}

/// The verified numbers of a person and of everybody joined with them.
pub(super) fn numbers(row: &PersonRow) -> Vec<NhsNumber> {
    row.identifiers
        .iter()
        .filter(|(system, _, _)| system == NHS_NUMBER)
        .filter_map(|(_, value, _)| NhsNumber::parse(value).ok())
        .collect()
}

fn from_row(row: &DetailsRow) -> Details {
    Details {
        family: row.family.clone(),
        given: row.given.clone(),
        birth_date: row.birth_date.clone(),
        gender: row.gender.clone(),
        postcode: row.postcode.clone(),
        phonetic_family: row.phonetic_family.clone(),
    }
}
