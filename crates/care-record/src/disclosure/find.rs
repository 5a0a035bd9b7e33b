//! Finding a person: by NHS number or by details. Shows who people are, nothing clinical, and
//! nothing about choices. Searches are kept under a handle; words never stand in an address.

use care_core::access;
use care_core::audit::{Act, Outcome};
use care_core::patient_index;
use care_core::vocabulary::{Demographics, NhsNumber, NhsNumberError, PartialDate, PersonId};
use serde::{Deserialize, Serialize};

use super::gather::has_flag;
use super::{Answer, Disclosed, Disclosure, DisclosureError, Refusal, entry, handles};
use crate::caller::Caller;
use crate::identity::{NHS_NUMBER, PROVISIONAL, RESTRICTED};
use crate::store::{Change, Commit, DetailsQuery};

const SEARCH_MINUTES: i64 = 30;
/// More matches than this are too many to choose from safely (screen C4).
const MOST_MATCHES: usize = 50;

/// What was typed into form B of screen C3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Family name.
    pub family: String,
    /// Given name, or empty.
    pub given: String,
    /// Birth date, `YYYY-MM-DD`.
    pub birth_date: String,
    /// Gender code of FHIR, or empty for any.
    pub gender: String,
    /// Postcode, or empty.
    pub postcode: String,
    /// "Include similar names".
    pub similar: bool,
}

/// Why a typed number cannot be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberProblem {
    /// "Enter an NHS number that has 10 digits".
    NotTenDigits,
    /// "Check the NHS number. The digits do not fit together".
    CheckDigit,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The people, best match first, at most 50.
    pub people: Vec<FoundPerson>,
    /// More than 50 match.
    pub too_many: bool,
    /// What was looked for, to fill the form again.
    pub details: Option<Details>,
}

/// One person who was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPerson {
    /// The handle that opens screen C5.
    pub choice: String,
    /// Who they are; without address and phone where those are protected.
    pub known: Demographics,
    /// The name of the practice they are registered with.
    pub practice: Option<String>,
    /// Another person found has the same or a very similar name and the same birth date.
    pub alike: bool,
}

#[derive(Serialize, Deserialize)]
struct KeptSearch {
    session: String,
    details: Option<Details>,
    people: Vec<String>,
    too_many: bool,
}

/// What a choice handle stands for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptChoice {
    pub session: String,
    pub person: String,
    /// What was typed, to show a mismatch beside the field.
    pub details: Option<Details>,
    /// The number that was typed, where it is not the person's present one.
    pub typed_number: Option<String>,
}

impl Disclosure {
    /// Looks for an exact NHS number. One match gives the handle of screen C5; none is said as none.
    pub fn find_by_number(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Answer<Result<Disclosed<Option<String>>, NumberProblem>> {
        self.may_find(caller)?;
        self.may_try(caller)?;
        let number = match NhsNumber::parse(text) {
            Ok(number) => number,
            Err(NhsNumberError::NotTenDigits) => return Ok(Err(NumberProblem::NotTenDigits)),
            Err(NhsNumberError::CheckDigit) => return Ok(Err(NumberProblem::CheckDigit)),
        };
        let person = self.holder(number)?;
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.page = "find-by-number".to_owned();
        entry.person = person;
        entry.detail = if person.is_some() {
            "1 found"
        } else {
            "none found"
        }
        .to_owned();
        let mut changes = self.tried(caller, &entry, person.is_some())?;
        let Some(person) = person else {
            return self.disclose(changes, entry, None).map(Ok);
        };
        let choice = KeptChoice {
            session: caller.session.clone(),
            person: person.to_string(),
            details: None,
            typed_number: Some(number.digits()),
        };
        let (handle, change) = self.keep_choice(&choice)?;
        changes.push(change);
        self.disclose(changes, entry, Some(handle)).map(Ok)
    }

    /// Looks for details; the result is kept under the handle that comes back.
    pub fn find_by_details(&self, caller: &Caller, details: &Details) -> Answer<Disclosed<String>> {
        self.may_find(caller)?;
        let mut people = self.people_like(details)?;
        let too_many = people.len() > MOST_MATCHES;
        people.truncate(MOST_MATCHES);
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.page = "find-by-details".to_owned();
        entry.detail = format!("{} found", people.len());
        let kept = KeptSearch {
            session: caller.session.clone(),
            details: Some(details.clone()),
            people: people.iter().map(ToString::to_string).collect(),
            too_many,
        };
        let handle = handles::fresh()?;
        let change = self.keep("search", &handle, &kept, SEARCH_MINUTES)?;
        self.disclose(vec![change], entry, handle)
    }

    /// People who may have these details, one more than are shown at most.
    pub(super) fn people_like(&self, details: &Details) -> Answer<Vec<PersonId>> {
        if details.family.trim().is_empty() {
            return Err(DisclosureError::Unclear("Enter a family name"));
        }
        if PartialDate::parse_fhir(&details.birth_date)
            .and_then(PartialDate::to_date)
            .is_none()
        {
            return Err(DisclosureError::Unclear("Enter a date of birth"));
        }
        let family = patient_index::fold(&details.family);
        let query = DetailsQuery {
            phonetic_family: patient_index::phonetic(&family),
            family,
            given: patient_index::fold(&details.given),
            birth_date: details.birth_date.clone(),
            gender: details.gender.clone(),
            postcode: patient_index::postcode(&details.postcode),
            similar: details.similar,
        };
        let mut people = Vec::new();
        for person in self
            .inner
            .store
            .persons_by_details(&query, MOST_MATCHES as u32 + 1)?
        {
            if let Some(person) = self.findable(person, !query.postcode.is_empty())?
                && !people.contains(&person)
            {
                people.push(person);
            }
        }
        Ok(people)
    }

    /// The people of a kept search, each with a fresh handle for screen C5.
    pub fn search_results(&self, caller: &Caller, search: &str) -> Answer<Disclosed<Found>> {
        self.may_find(caller)?;
        let kept: KeptSearch = self.kept("search", search)?;
        if kept.session != caller.session {
            return Err(DisclosureError::NotThere);
        }
        let mut people = Vec::new();
        let mut changes = Vec::new();
        let mut shown = Vec::new();
        for text in &kept.people {
            let person = PersonId::parse(text).map_err(|_| DisclosureError::NotThere)?;
            let (person, row) = self.answering(person)?;
            let known = self.known(caller, person, &row)?;
            let choice = KeptChoice {
                session: caller.session.clone(),
                person: person.to_string(),
                details: kept.details.clone(),
                typed_number: None,
            };
            let (handle, change) = self.keep_choice(&choice)?;
            changes.push(change);
            shown.push(person.to_string());
            people.push(FoundPerson {
                choice: handle,
                practice: self.practice_name(&known),
                known,
                alike: false,
            });
        }
        mark_alike(&mut people);
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.page = "search-results".to_owned();
        // Each person whose name was shown reads of it in their own log.
        let told = |text: &String| {
            let mut one = entry.clone();
            one.person = PersonId::parse(text).ok();
            one
        };
        let more_entries = shown.iter().map(told).collect();
        entry.items.clone_from(&shown);
        let found = Found {
            people,
            too_many: kept.too_many,
            details: kept.details,
        };
        let committed = self.inner.store.commit(Commit {
            changes,
            entry,
            more_entries,
        })?;
        Ok(Disclosed::after(committed.entry, found))
    }

    /// Refuses, with an entry, a role that may not look for people.
    pub(super) fn may_find(&self, caller: &Caller) -> Answer<()> {
        if access::finding(caller.user.role, false).is_some() {
            return Ok(());
        }
        let mut entry = entry(self.now(), Act::Find, Outcome::Denied, caller);
        entry.reason = "role-not-permitted-for-purpose".to_owned();
        self.disclose(Vec::new(), entry, ())?;
        Err(DisclosureError::Refused(Refusal::NotForYourRole))
    }

    /// The findable person who holds this number.
    pub(crate) fn holder(&self, number: NhsNumber) -> Answer<Option<PersonId>> {
        let holders = self
            .inner
            .store
            .persons_by_identifier(NHS_NUMBER, &number.digits())?;
        for holder in holders.iter().filter(|holder| holder.unique) {
            if let Some(person) = self.findable(holder.person, false)? {
                return Ok(Some(person));
            }
        }
        Ok(None)
    }

    /// Follows joins, and leaves out who waits for an identity decision; and, in a search by where
    /// people live, who is protected.
    fn findable(&self, person: PersonId, by_place: bool) -> Answer<Option<PersonId>> {
        let (person, row) = self.answering(person)?;
        let hidden = has_flag(&row, PROVISIONAL) || (by_place && has_flag(&row, RESTRICTED));
        Ok((!hidden).then_some(person))
    }

    pub(super) fn practice_name(&self, known: &Demographics) -> Option<String> {
        let practice = known.practice.as_ref()?;
        let organisation = self.inner.directory.organisation(practice);
        Some(organisation.map_or_else(|| practice.to_string(), |found| found.name.clone()))
    }

    pub(super) fn keep_choice(&self, choice: &KeptChoice) -> Answer<(String, Change)> {
        let handle = handles::fresh()?;
        let change = self.keep("choice", &handle, choice, SEARCH_MINUTES)?;
        Ok((handle, change))
    }

    /// Reads a choice handle that belongs to this session.
    pub(super) fn choice(&self, caller: &Caller, handle: &str) -> Answer<(KeptChoice, PersonId)> {
        let kept: KeptChoice = self.kept("choice", handle)?;
        if kept.session != caller.session {
            return Err(DisclosureError::NotThere);
        }
        let person = PersonId::parse(&kept.person).map_err(|_| DisclosureError::NotThere)?;
        Ok((kept, person))
    }

    pub(super) fn keep<T: Serialize>(
        &self,
        space: &'static str,
        handle: &str,
        value: &T,
        minutes: i64,
    ) -> Answer<Change> {
        Ok(Change::Keep {
            space,
            key: handles::digest(handle),
            value: Some(serde_json::to_vec(value)?),
            expires_ms: self.now().as_millisecond() + minutes * 60_000,
        })
    }

    pub(super) fn kept<T: for<'de> Deserialize<'de>>(
        &self,
        space: &str,
        handle: &str,
    ) -> Answer<T> {
        let now_ms = self.now().as_millisecond();
        let bytes = self
            .inner
            .store
            .keep_get(space, &handles::digest(handle), now_ms)?;
        Ok(serde_json::from_slice(
            &bytes.ok_or(DisclosureError::NotThere)?,
        )?)
    }
}

/// Marks people whose family name sounds alike and whose birth date is the same.
fn mark_alike(people: &mut [FoundPerson]) {
    let keys: Vec<_> = people
        .iter()
        .map(|person| {
            let family = person.known.names.first().map(|name| name.family.as_str());
            let folded = patient_index::fold(family.unwrap_or_default());
            (patient_index::phonetic(&folded), person.known.birth_date)
        })
        .collect();
    for (place, person) in people.iter_mut().enumerate() {
        person.alike = keys
            .iter()
            .enumerate()
            .any(|(other, key)| other != place && *key == keys[place]);
    }
}
