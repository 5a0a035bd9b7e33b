//! Who a specification asks for, what the rules make of them, and who may leave. Looks at who people
//! are and at which codes they have; reads nothing clinical.

use std::collections::{BTreeMap, BTreeSet};

use care_core::release::{Described, Specification, Subject};
use care_core::secondary_use::{
    self, CheckedCohort, CohortMember, Decision, Disclosure, LegalBasis, Person, PersonNumber,
    Settings,
};
use care_core::vocabulary::{
    Gender, InvolvementKind, NhsNumber, PartialDate, PersonId, SourceCode,
};
use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest as _, Sha256};

use super::checks::Checked;
use super::error::Answer;
use super::extract::Counts;
use crate::choices::{Choice, ChoiceStatus, ConnectCareChoice};
use crate::identity::{self, NHS_NUMBER, UNVERIFIED_NUMBER};
use crate::store::{PersonRow, Store, StoreError};

/// "Dissent from secondary use of general practitioner patient identifiable data", and its withdrawal.
/// Source: SNOMED CT UK edition; the Type 1 opt-out as practices record it.
const TYPE_1: &str = "http://snomed.info/sct|827241000000103";
const TYPE_1_WITHDRAWN: &str = "http://snomed.info/sct|827261000000102";

/// People are read in batches of this many.
const BATCH: u32 = 1000;

/// One person whom the specification asks for.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub person: PersonId,
    /// Every verified number they ever had.
    pub numbers: Vec<NhsNumber>,
    pub described: Described,
    pub objected: bool,
    pub type_1: bool,
    /// Items of practices stay, because the person dissents from sharing them at all.
    pub gp_dissent: bool,
    pub withheld: Vec<SourceCode>,
    pub practice: String,
    /// Of everything about the person that the release rests on.
    pub fingerprint: [u8; 16],
}

impl Candidate {
    /// Whom a pseudonym stands for.
    pub fn subject(&self) -> Subject {
        match self.numbers.first() {
            Some(number) => Subject::Number(*number),
            None => Subject::Person(self.person),
        }
    }
}

/// What the rules made of everybody asked for.
pub(super) struct Decided {
    pub candidates: Vec<Candidate>,
    pub decision: Decision,
    /// For each candidate: its places in the decision's cohort; none for those who objected.
    places: Vec<Vec<usize>>,
    checked: Option<Checked>,
    pub counts: Counts,
}

/// A person who may leave, with the proof.
pub(super) struct Leaving<'a> {
    pub candidate: &'a Candidate,
    pub member: CohortMember,
}

/// The key a code is found by, as intake makes it.
pub(super) fn code_key(code: &str) -> u64 {
    let digest = Sha256::digest(code.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |key, byte| key << 8 | u64::from(*byte))
}

/// Everybody a specification asks for.
pub(super) fn select(
    store: &dyn Store,
    specification: &Specification,
    today: Date,
) -> Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let batch = store.people_after(after, BATCH)?;
        let Some(last) = batch.last() else {
            return Ok(found);
        };
        after = Some(*last);
        for person in batch {
            found.extend(candidate(store, specification, person, today)?);
        }
    }
}

/// The person, if the specification asks for them.
pub(super) fn candidate(
    store: &dyn Store,
    specification: &Specification,
    person: PersonId,
    today: Date,
) -> Result<Option<Candidate>, StoreError> {
    let Some(answering) = identity::answering(store, person)? else {
        return Ok(None);
    };
    if answering.person != person {
        return Ok(None);
    }
    let row = answering.row;
    let cohort = &specification.cohort;
    let numbers = numbers(&row);
    let described = described(&row, today);
    let practice = practice(&row);
    let named = cohort.named.is_empty()
        || numbers.iter().any(|number| {
            let is = |text: &String| NhsNumber::parse(text).is_ok_and(|named| named == *number);
            cohort.named.iter().any(is)
        });
    let fits = named
        && in_organisations(&row, &cohort.organisations)
        && cohort
            .youngest
            .is_none_or(|first| described.age_years.is_some_and(|age| age >= first))
        && cohort
            .oldest
            .is_none_or(|last| described.age_years.is_some_and(|age| age <= last))
        && cohort
            .gender
            .as_deref()
            .is_none_or(|wanted| described.gender == gender(wanted));
    if !fits || row.involvements.is_empty() && row.details.is_empty() {
        return Ok(None);
    }
    let wanted: Vec<u64> = cohort.codes.iter().map(|code| code_key(code)).collect();
    let asked: Vec<u64> = wanted
        .iter()
        .copied()
        .chain([code_key(TYPE_1), code_key(TYPE_1_WITHDRAWN)])
        .collect();
    let held = store.codes_held(person, &asked)?;
    let has = |code: u64| held.iter().any(|(one, _)| *one == code);
    if !wanted.is_empty() && !wanted.iter().any(|code| has(*code)) {
        return Ok(None);
    }
    let choice = row.choice.as_deref().map(Choice::from_bytes);
    let objected = match &choice {
        None => false,
        // A choice that cannot be read counts as the strictest.
        Some(Err(_)) => true,
        Some(Ok(choice)) => {
            choice.connect_care != ConnectCareChoice::None
                && choice.status != ChoiceStatus::NotUpheld
        }
    };
    let choice = choice.and_then(Result::ok);
    Ok(Some(Candidate {
        person,
        fingerprint: fingerprint(&row),
        numbers,
        described,
        objected,
        type_1: dissents(&held),
        gp_dissent: choice.as_ref().is_some_and(|it| it.dissents()),
        withheld: choice.map(|it| it.withheld()).unwrap_or_default(),
        practice,
    }))
}

/// Recorded, and not withdrawn later. Without dates the dissent holds.
fn dissents(held: &[(u64, Option<Timestamp>)]) -> bool {
    let of = |code: &str| {
        held.iter()
            .find(|(one, _)| *one == code_key(code))
            .map(|(_, at)| *at)
    };
    match (of(TYPE_1), of(TYPE_1_WITHDRAWN)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(said), Some(withdrawn)) => withdrawn <= said,
    }
}

/// Every verified number. An unverified one beside them is asked about too; alone it proves nothing.
fn numbers(row: &PersonRow) -> Vec<NhsNumber> {
    let of = |wanted: &str| -> BTreeSet<NhsNumber> {
        row.identifiers
            .iter()
            .filter(|(system, _, _)| system == wanted)
            .filter_map(|(_, value, _)| NhsNumber::parse(value).ok())
            .collect()
    };
    let verified = of(NHS_NUMBER);
    if verified.is_empty() {
        return Vec::new();
    }
    let unverified = of(UNVERIFIED_NUMBER);
    let more = unverified.difference(&verified).copied();
    verified.iter().copied().chain(more).collect()
}

fn described(row: &PersonRow, today: Date) -> Described {
    let newest = |text: fn(&crate::store::DetailsRow) -> &str| {
        let told = row.details.iter().filter(|one| !text(one).is_empty());
        told.max_by_key(|one| one.event_at)
            .map(text)
            .unwrap_or_default()
            .to_owned()
    };
    let born = PartialDate::parse_fhir(&newest(|one| &one.birth_date));
    Described {
        age_years: born.map(|born| whole_years(born, today)),
        gender: gender(&newest(|one| &one.gender)),
        postcode: newest(|one| &one.postcode),
    }
}

fn whole_years(born: PartialDate, today: Date) -> u32 {
    let first = born.first_day();
    let had_birthday = (today.month(), today.day()) >= (first.month(), first.day());
    let years = i32::from(today.year()) - i32::from(first.year()) - i32::from(!had_birthday);
    years.max(0).unsigned_abs()
}

fn gender(code: &str) -> Option<Gender> {
    Some(match code {
        "male" => Gender::Male,
        "female" => Gender::Female,
        "other" => Gender::Other,
        "unknown" => Gender::Unknown,
        _ => return None,
    })
}

fn practice(row: &PersonRow) -> String {
    let registered = row
        .involvements
        .iter()
        .map(|(_, part)| part)
        .filter(|part| {
            part.kind == InvolvementKind::RegisteredGp && !part.cancelled && part.ends.is_none()
        });
    registered
        .max_by_key(|part| part.starts)
        .map(|part| part.organisation.to_string())
        .unwrap_or_default()
}

fn in_organisations(row: &PersonRow, wanted: &[String]) -> bool {
    wanted.is_empty()
        || row.involvements.iter().any(|(_, part)| {
            !part.cancelled
                && wanted
                    .iter()
                    .any(|code| part.organisation.as_str() == code.trim().to_ascii_uppercase())
        })
}

/// A join, another number, another choice: any of them makes another fingerprint.
fn fingerprint(row: &PersonRow) -> [u8; 16] {
    let mut hash = Sha256::new();
    let mut joined: Vec<u64> = row.joined.iter().map(|person| person.0).collect();
    joined.sort_unstable();
    for person in joined {
        hash.update(person.to_be_bytes());
    }
    hash.update(b"numbers");
    for (system, value, _) in &row.identifiers {
        if system == NHS_NUMBER || system == UNVERIFIED_NUMBER {
            hash.update(value.as_bytes());
            hash.update(b",");
        }
    }
    hash.update(b"choice");
    hash.update(row.choice.as_deref().unwrap_or_default());
    let digest = hash.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// The disclosure as the rules know it.
pub(super) fn disclosure(specification: &Specification) -> Disclosure {
    let exceptional = specification.exceptional_kind();
    let answers = &specification.exceptional.answers;
    let answered =
        exceptional.is_some_and(|kind| care_core::release::unanswered(kind, answers).is_empty());
    Disclosure {
        purpose: specification.purpose(),
        data_form: specification.data_form(),
        legal_basis: specification.legal_basis(),
        exemption_claimed: specification.exemption_claimed,
        evidence_held: specification.evidence_held,
        instrument_named: answered,
        public_interest_test_positive: answered,
        origin: specification.origin(),
        // Any source may have sent what a practice holds.
        holds_gp_items: true,
    }
}

/// Whether this basis sets objections, dissent and what a person holds back aside.
pub(super) fn sets_choices_aside(specification: &Specification) -> bool {
    specification.exceptional_kind().is_some()
        || specification.legal_basis() == LegalBasis::Regulation3
}

/// Asks the rules. Each number of a person is asked about; one that is out keeps the person out.
pub(super) fn decide(
    specification: &Specification,
    candidates: Vec<Candidate>,
    checked: Option<Checked>,
    settings: Settings,
    now: Timestamp,
) -> Decided {
    let aside = sets_choices_aside(specification);
    let mut cohort: Vec<Person> = Vec::with_capacity(candidates.len());
    let mut places = Vec::with_capacity(candidates.len());
    for candidate in &candidates {
        let first = cohort.len();
        if !candidate.objected || aside {
            cohort.extend(people_of(candidate, checked.as_ref()));
        }
        places.push((first..cohort.len()).collect());
    }
    let check = checked.as_ref().map(|it| it.facts(now));
    let decision = secondary_use::decide(
        &disclosure(specification),
        &cohort,
        check.as_ref(),
        settings,
    );
    let mut decided = Decided {
        candidates,
        decision,
        places,
        checked,
        counts: Counts::default(),
    };
    decided.counts = decided.count();
    decided
}

fn people_of(candidate: &Candidate, checked: Option<&Checked>) -> Vec<Person> {
    let person = |number: PersonNumber, national_opt_out| Person {
        number,
        national_opt_out,
        type_1_opt_out: candidate.type_1,
        consented: false,
    };
    if candidate.numbers.is_empty() {
        return vec![person(PersonNumber::Missing, None)];
    }
    candidate
        .numbers
        .iter()
        .map(|number| {
            let said = checked.and_then(|it| it.opted_out(*number));
            person(PersonNumber::Usable(*number), said)
        })
        .collect()
}

impl Decided {
    /// The check the decision used.
    pub fn checked(&self) -> Option<&Checked> {
        self.checked
            .as_ref()
            .filter(|_| self.decision.opt_out_applies())
    }

    /// Those who may leave, with their proofs; none where nothing may. A person leaves only where every
    /// one of their numbers may.
    pub fn leaving(&self) -> Vec<Leaving<'_>> {
        let Some(cohort) = self.decision.cohort() else {
            return Vec::new();
        };
        let members: BTreeMap<usize, CohortMember> = members(&cohort);
        let one = |(candidate, places): (&'_ Candidate, &Vec<usize>)| {
            let found: Option<Vec<CohortMember>> = places
                .iter()
                .map(|place| members.get(place).copied())
                .collect();
            found
                .filter(|all| !all.is_empty())
                .map(|all| (all.iter().find(|it| it.without_gp_items()).copied(), all))
                .and_then(|(strict, all)| strict.or_else(|| all.first().copied()))
                .map(|member| (candidate.person, member))
        };
        let allowed: BTreeMap<PersonId, CohortMember> = self
            .candidates
            .iter()
            .zip(&self.places)
            .filter_map(one)
            .collect();
        self.candidates
            .iter()
            .filter_map(|candidate| {
                let member = *allowed.get(&candidate.person)?;
                Some(Leaving { candidate, member })
            })
            .collect()
    }

    fn count(&self) -> Counts {
        let leaving: BTreeSet<PersonId> = self
            .leaving()
            .iter()
            .map(|one| one.candidate.person)
            .collect();
        let mut counts = Counts {
            asked_for: self.candidates.len() as u64,
            released: leaving.len() as u64,
            ..Counts::default()
        };
        for (candidate, places) in self.candidates.iter().zip(&self.places) {
            if leaving.contains(&candidate.person) {
                continue;
            }
            if places.is_empty() {
                counts.objected += 1;
            } else if candidate.numbers.is_empty() {
                counts.not_checkable += 1;
            } else if self.decision.opt_out_applies() {
                counts.opted_out += 1;
            } else {
                counts.not_consenting += 1;
            }
        }
        counts.without_gp_items = self
            .leaving()
            .iter()
            .filter(|one| one.member.without_gp_items())
            .count() as u64;
        counts
    }
}

fn members(cohort: &CheckedCohort) -> BTreeMap<usize, CohortMember> {
    cohort
        .members()
        .iter()
        .map(|member| (member.place(), *member))
        .collect()
}

/// Every number the check must answer for.
pub(super) fn numbers_to_check(
    specification: &Specification,
    candidates: &[Candidate],
) -> BTreeSet<NhsNumber> {
    let aside = sets_choices_aside(specification);
    candidates
        .iter()
        .filter(|one| !one.objected || aside)
        .flat_map(|one| one.numbers.iter().copied())
        .collect()
}

/// Whether a person is as they were when they were selected.
pub(super) fn is_unchanged(store: &dyn Store, candidate: &Candidate) -> Answer<bool> {
    let found = identity::answering(store, candidate.person)?;
    Ok(found.is_some_and(|it| {
        it.person == candidate.person && fingerprint(&it.row) == candidate.fingerprint
    }))
}
