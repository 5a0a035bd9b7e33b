//! What somebody needs who makes a choice, or takes one down for another: who the person is, what
//! holds now, and who would see what. Nothing clinical is in it.
//!
//! Source: screens, section 10. The table is `access::simulator`'s, on facts of this record.

use care_core::access::simulator::{self, Line, Subject};
use care_core::access::{self, Patient};
use care_core::audit::{Act, Outcome};
use care_core::vocabulary::{
    Demographics, NhsNumber, OrganisationKind, PersonId, Sensitivity, SensitivitySet,
};

use super::gather::{self, has_flag};
use super::{Answer, Disclosed, Disclosure, DisclosureError, Refusal, entry};
use crate::caller::Caller;
use crate::choices::Choice;
use crate::disclosure::find::Details;
use crate::identity::{PROVISIONAL, RESTRICTED};

/// Who would see what, now and under a choice that was not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// The organisations that take part, by full name and kind, in the order of the lines.
    pub organisations: Vec<(String, OrganisationKind)>,
    /// Who, and what they see.
    pub lines: Vec<Line>,
    /// What the access codes of sources are called.
    pub names: Vec<(String, String)>,
}

impl Simulation {
    /// What a source of the lines is called.
    pub fn name(&self, code: &str) -> String {
        let found = self.names.iter().find(|(one, _)| one == code);
        found.map_or_else(|| code.to_owned(), |(_, name)| name.clone())
    }
}

/// A person a case is about, as far as a caseworker may know.
#[derive(Debug, Clone, PartialEq)]
pub struct CasePerson {
    /// Who, by our opaque key.
    pub person: PersonId,
    /// Who they are; without address and phone where those are protected.
    pub known: Demographics,
    /// Age in whole years, where the birth date is known.
    pub age_years: Option<u32>,
    /// They were judged able to decide though under 16.
    pub decides_alone: bool,
    /// The practice they are registered with.
    pub practice: Option<String>,
    /// The choice that holds.
    pub choice: Option<Choice>,
    /// A choice is kept and cannot be read.
    pub choice_unreadable: bool,
}

impl Disclosure {
    /// Who would see what if the person, or whoever acts for them, made this choice.
    pub fn own_simulation(
        &self,
        caller: &Caller,
        proposed: &Choice,
    ) -> Answer<Disclosed<Simulation>> {
        let (gathered, entry) = self.own_person(caller, "choose")?;
        let oneself = gathered.facts.user.is_the_patient;
        // Whoever acts for a person does not learn here that something of theirs is sealed.
        let present = if oneself {
            gathered.facts.sensitivity_present
        } else {
            ordinary()
        };
        let told = self.simulation(
            &gathered.facts.patient,
            present,
            gathered.row.choice.as_deref(),
            proposed,
        );
        self.disclose(Vec::new(), entry, told)
    }

    /// The same for a caseworker, who learns nothing of what is held.
    pub fn case_simulation(
        &self,
        caller: &Caller,
        person: PersonId,
        proposed: &Choice,
    ) -> Answer<Disclosed<Simulation>> {
        self.may_work_on_cases(caller)?;
        let (person, row) = self.answering(person)?;
        let known = self.known_for_cases(caller, person)?;
        let patient = gather::patient_facts(&row, &known, self.now());
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.person = Some(person);
        entry.page = "case simulation".to_owned();
        let told = self.simulation(&patient, ordinary(), row.choice.as_deref(), proposed);
        self.disclose(Vec::new(), entry, told)
    }

    /// The same for somebody who is not known yet.
    pub fn simulation_for_anybody(&self, proposed: &Choice) -> Simulation {
        self.simulation(&Patient::default(), ordinary(), None, proposed)
    }

    fn simulation(
        &self,
        patient: &Patient,
        sensitivity_present: SensitivitySet,
        kept: Option<&[u8]>,
        proposed: &Choice,
    ) -> Simulation {
        let subject = |kept: Option<&[u8]>| Subject {
            patient: patient.clone(),
            choice: gather::choice_facts(self, kept),
            sensitivity_present,
        };
        let mut all: Vec<_> = self.inner.directory.organisations().collect();
        all.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        let asked: Vec<_> = all
            .iter()
            .map(|one| (one.kind, access::OrganisationCode::of(one)))
            .collect();
        let proposed = proposed.to_bytes();
        let names = all
            .iter()
            .map(|one| (one.access_code(), one.name.clone()))
            .collect();
        Simulation {
            organisations: all.iter().map(|one| (one.name.clone(), one.kind)).collect(),
            lines: simulator::lines(
                &asked,
                &subject(kept),
                &subject(Some(&proposed)),
                self.settings(),
            ),
            names,
        }
    }

    /// People whom a case may be about: by NHS number, or by details where none is given.
    pub fn case_find(
        &self,
        caller: &Caller,
        number: Option<NhsNumber>,
        details: &Details,
    ) -> Answer<Disclosed<Vec<CasePerson>>> {
        self.may_work_on_cases(caller)?;
        let found: Vec<PersonId> = match number {
            Some(number) => self.holder(number)?.into_iter().collect(),
            None => self.people_like(details)?,
        };
        let mut people = Vec::with_capacity(found.len());
        for person in &found {
            people.push(self.case_person_of(caller, *person)?);
        }
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.page = "case find".to_owned();
        entry.detail = format!("{} found", people.len());
        if let [only] = found.as_slice() {
            entry.person = Some(*only);
        }
        entry.items = found.iter().map(ToString::to_string).collect();
        self.disclose(Vec::new(), entry, people)
    }

    /// The person a case is about.
    pub fn case_person(&self, caller: &Caller, person: PersonId) -> Answer<Disclosed<CasePerson>> {
        self.may_work_on_cases(caller)?;
        let found = self.case_person_of(caller, person)?;
        let mut entry = entry(self.now(), Act::Find, Outcome::Success, caller);
        entry.person = Some(found.person);
        entry.page = "case person".to_owned();
        self.disclose(Vec::new(), entry, found)
    }

    fn case_person_of(&self, caller: &Caller, person: PersonId) -> Answer<CasePerson> {
        let (person, row) = self.answering(person)?;
        if has_flag(&row, PROVISIONAL) {
            return Err(DisclosureError::NotThere);
        }
        let known = self.known_for_cases(caller, person)?;
        let age_years = gather::patient_facts(&row, &known, self.now()).age_years;
        let kept = row.choice.as_deref().map(Choice::from_bytes);
        Ok(CasePerson {
            person,
            age_years,
            decides_alone: crate::proxies::competent(&row, age_years, &self.inner.proxies),
            practice: self.practice_name(&known),
            choice_unreadable: matches!(kept, Some(Err(_))),
            choice: kept.and_then(Result::ok),
            known,
        })
    }

    fn known_for_cases(&self, caller: &Caller, person: PersonId) -> Answer<Demographics> {
        let (person, row) = self.answering(person)?;
        let restricted = has_flag(&row, RESTRICTED);
        match access::finding_for_cases(caller.user.role, restricted) {
            Some(view) => self.known_under(&view, person, &row),
            None => Ok(Demographics::default()),
        }
    }

    /// Refuses, with an entry, a role that does not work on cases.
    fn may_work_on_cases(&self, caller: &Caller) -> Answer<()> {
        if access::finding_for_cases(caller.user.role, false).is_some() {
            return Ok(());
        }
        let mut entry = entry(self.now(), Act::Find, Outcome::Denied, caller);
        entry.reason = "role-not-permitted-for-purpose".to_owned();
        self.disclose(Vec::new(), entry, ())?;
        Err(DisclosureError::Refused(Refusal::NotForYourRole))
    }
}

fn ordinary() -> SensitivitySet {
    SensitivitySet::EMPTY.with(Sensitivity::Normal)
}
