//! The facts of one decision, from what the record holds: role, relationship, permission, choice,
//! flags, protection levels. What cannot be read counts in the most cautious way.

use care_core::access::{
    self, Choice, ChoiceState, ChoiceStatus, Decision, Facts, Life, OrganisationCode, Origin,
    Patient, Relationship, View,
};
use care_core::fhir::{self, Json};
use care_core::mapping::fhir::patient_demographics;
use care_core::patient_index;
use care_core::vocabulary::{
    Demographics, Involvement, NhsNumber, OdsCode, OrganisationKind, PartialDate, PersonId, Role,
    SourceCode,
};
use jiff::Timestamp;

use super::asking::Asked;
use super::{Answer, Disclosure, DisclosureError};
use crate::caller::Caller;
use crate::choices;
use crate::identity::{self, DECEASED, RESTRICTED};
use crate::proxies::{self, Standing};
use crate::store::PersonRow;

/// A watched record: somebody in the news, or at risk from staff who know them.
pub(crate) const WATCHED: &str = "watched";

/// What was gathered about one person for one caller, and what the rules made of it.
pub(super) struct Gathered {
    /// The person who answers, joins followed.
    pub person: PersonId,
    /// What the record knows of them besides items.
    pub row: PersonRow,
    /// Who they are, as far as a finder may know.
    pub known: Demographics,
    /// The facts.
    pub facts: Facts,
    /// What shows the relationship.
    pub evidence: Option<Involvement>,
    /// What a proxy is to the person; nothing for everybody else.
    pub proxy: Standing,
    /// The answer.
    pub decision: Decision,
}

impl Gathered {
    /// The person's number, for showing.
    pub fn number(&self) -> Option<NhsNumber> {
        self.known.nhs_number
    }
}

impl Disclosure {
    /// The person who answers, joins followed, with everything known of all who were joined.
    pub(crate) fn answering(&self, person: PersonId) -> Answer<(PersonId, PersonRow)> {
        let found = identity::answering(&*self.inner.store, person)?;
        found
            .map(|one| (one.person, one.row))
            .ok_or(DisclosureError::NotThere)
    }

    /// Gathers the facts and asks the rules.
    pub(super) fn gather(
        &self,
        caller: &Caller,
        person: PersonId,
        asked: &Asked,
    ) -> Answer<Gathered> {
        let begun = crate::timings::stopwatch();
        let now = self.now();
        let (person, row) = self.answering(person)?;
        let known = self.known(caller, person, &row)?;
        let (relationship, evidence) = self.relationship(caller, &row, now);
        let mut patient = patient_facts(&row, &known, now);
        patient.gillick_competent =
            proxies::competent(&row, patient.age_years, &self.inner.proxies);
        let proxy = self.proxy(caller, person, &row, &known, patient.age_years)?;
        patient.proxy_agreed = proxy.agreed;
        let facts = Facts {
            user: self.user_facts(caller, &known),
            patient,
            relationship: own_relationship(
                caller,
                &known,
                &proxy,
                asked.relationship(relationship),
            ),
            purpose: asked.purpose,
            permission: asked.permission,
            emergency: asked.emergency,
            choice: choice_facts(self, row.choice.as_deref()),
            sensitivity_present: self.inner.store.sensitivities(person)?,
            break_glass: asked.break_glass.clone(),
            warrant: asked.warrant.clone(),
        };
        let gathered = crate::timings::stopwatch();
        let decision = access::decide(&facts, self.settings());
        self.inner.timings.decision.add(gathered.elapsed());
        self.inner.timings.facts_and_decision.add(begun.elapsed());
        Ok(Gathered {
            person,
            row,
            known,
            facts,
            evidence,
            proxy,
            decision,
        })
    }

    /// Who the person is, as far as somebody looking for them may know; nothing at all where the
    /// role may not look for people.
    pub(super) fn known(
        &self,
        caller: &Caller,
        person: PersonId,
        row: &PersonRow,
    ) -> Answer<Demographics> {
        let restricted = has_flag(row, RESTRICTED);
        match access::finding(caller.user.role, restricted) {
            Some(view) => self.known_under(&view, person, row),
            None => Ok(Demographics::default()),
        }
    }

    /// Who the person is, for somebody who works on a case about them: never where they are.
    pub(crate) fn named(&self, person: PersonId) -> Answer<Demographics> {
        let (person, row) = self.answering(person)?;
        let mut known = self.known_under(&access::naming(), person, &row)?;
        super::redact::demographics(&mut known);
        Ok(known)
    }

    /// Who the person is, under a view of who people are.
    pub(super) fn known_under(
        &self,
        view: &View,
        person: PersonId,
        row: &PersonRow,
    ) -> Answer<Demographics> {
        let restricted = has_flag(row, RESTRICTED);
        let wanted: Vec<_> = self
            .inner
            .store
            .headers_of(person, view, fhir::ResourceType::PATIENT)?
            .iter()
            .map(|header| (header.resource_type, header.item))
            .collect();
        let bodies = self.inner.store.bodies(person, view, &wanted)?;
        let mut said = Vec::with_capacity(bodies.len());
        for body in bodies {
            let json = Json::parse(&body.body, fhir::Limits::default())
                .map_err(|cause| DisclosureError::Unavailable(Box::new(cause)))?;
            let kind = self.kind_of(&body.header.source);
            said.push((kind, patient_demographics(&json).0, body.header.received_at));
        }
        let mut known = patient_index::golden(&said);
        known.restricted |= restricted;
        if known.restricted {
            super::redact::demographics(&mut known);
        }
        Ok(known)
    }

    /// The kind of a source; an unknown one counts as the programme's own.
    pub(super) fn kind_of(&self, source: &SourceCode) -> OrganisationKind {
        self.inner
            .directory
            .organisation(source)
            .map_or(OrganisationKind::Programme, |o| o.kind)
    }

    /// The code the rules know an organisation by; one that takes no part has only its own.
    fn access_code(&self, ods: &OdsCode) -> OrganisationCode {
        self.inner
            .directory
            .organisation(ods)
            .map_or_else(|| OrganisationCode::new(ods.as_str()), OrganisationCode::of)
    }

    fn relationship(
        &self,
        caller: &Caller,
        row: &PersonRow,
        now: Timestamp,
    ) -> (Relationship, Option<Involvement>) {
        let organisation = &caller.user.organisation;
        let kind = self.kind_of(organisation);
        let parts: Vec<Involvement> = row
            .involvements
            .iter()
            .map(|(_, part)| part.clone())
            .collect();
        let (relationship, evidence) =
            access::relationship_from(&parts, organisation, kind, now, self.settings());
        (relationship, evidence.cloned())
    }

    /// What a proxy is to the person, from the grants that hold at this moment.
    fn proxy(
        &self,
        caller: &Caller,
        person: PersonId,
        row: &PersonRow,
        known: &Demographics,
        age_years: Option<u32>,
    ) -> Answer<Standing> {
        if caller.user.role != Role::Proxy {
            return Ok(Standing::NONE);
        }
        Ok(proxies::standing(
            &*self.inner.store,
            &caller.user,
            (person, row),
            (is_family(caller, known), age_years),
            (&self.inner.proxies, self.now()),
        )?)
    }

    fn user_facts(&self, caller: &Caller, known: &Demographics) -> access::User {
        let organisation = self.inner.directory.organisation(&caller.user.organisation);
        access::User {
            role: Some(caller.user.role),
            organisation: self.access_code(&caller.user.organisation),
            authenticated: true,
            organisation_participating: organisation.is_some(),
            is_the_patient: is_self(caller, known),
            declared_family: is_family(caller, known),
            can_break_seal: caller.user.can_break_seal,
            origin: Origin::Local,
        }
    }
}

/// A patient's tie to themselves comes from who signed in, a parent's to a child from a grant.
fn own_relationship(
    caller: &Caller,
    known: &Demographics,
    proxy: &Standing,
    otherwise: Relationship,
) -> Relationship {
    match caller.user.role {
        Role::Patient if is_self(caller, known) => Relationship::Oneself,
        Role::Proxy if proxy.parent => Relationship::ParentalResponsibility,
        Role::Patient | Role::Proxy => Relationship::None,
        _ => otherwise,
    }
}

fn is_self(caller: &Caller, known: &Demographics) -> bool {
    known.nhs_number.is_some() && caller.user.own_number == known.nhs_number
}

fn is_family(caller: &Caller, known: &Demographics) -> bool {
    known
        .nhs_number
        .is_some_and(|number| caller.user.family_numbers.contains(&number))
}

/// The value of a person's flag.
pub(super) fn flag<'a>(row: &'a PersonRow, wanted: &str) -> Option<&'a str> {
    row.flags
        .iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.as_str())
}

pub(super) fn has_flag(row: &PersonRow, wanted: &str) -> bool {
    flag(row, wanted).is_some()
}

pub(super) fn patient_facts(row: &PersonRow, known: &Demographics, now: Timestamp) -> Patient {
    let today = now.to_zoned(jiff::tz::get!("Europe/London")).date();
    let age_years = known.birth_date.map(|born| whole_years(born, today));
    let life = match (known.died, flag(row, DECEASED)) {
        (None, None) => Life::Living,
        (Some(Some(died)), _) => deceased_since(died, today),
        (_, Some(value)) => PartialDate::parse_fhir(value)
            .map_or(Life::Deceased { days_since: None }, |died| {
                deceased_since(died, today)
            }),
        (Some(None), None) => Life::Deceased { days_since: None },
    };
    Patient {
        age_years,
        life,
        pds_restricted: has_flag(row, RESTRICTED) || known.restricted,
        heightened_monitoring: has_flag(row, WATCHED),
        ..Patient::default()
    }
}

fn deceased_since(died: PartialDate, today: jiff::civil::Date) -> Life {
    let days = died
        .first_day()
        .until(today)
        .map(|span| span.get_days())
        .unwrap_or(0);
    Life::Deceased {
        days_since: Some(days.max(0).unsigned_abs()),
    }
}

fn whole_years(born: PartialDate, today: jiff::civil::Date) -> u32 {
    let first = born.first_day();
    let had_birthday = (today.month(), today.day()) >= (first.month(), first.day());
    let years = i32::from(today.year()) - i32::from(first.year()) - i32::from(!had_birthday);
    years.max(0).unsigned_abs()
}

/// A choice that cannot be read is unknown, and unknown is refused (rule 8).
pub(super) fn choice_facts(disclosure: &Disclosure, kept: Option<&[u8]>) -> Choice {
    let none = Choice {
        connect_care: ChoiceState::None,
        status: ChoiceStatus::Decided,
        blocked_organisations: Vec::new(),
        withheld_sources: Vec::new(),
        gp_dissent: false,
    };
    let Some(kept) = kept else { return none };
    let Ok(kept) = choices::Choice::from_bytes(kept) else {
        return Choice {
            connect_care: ChoiceState::Unknown,
            ..none
        };
    };
    let codes = |all: &[OdsCode]| all.iter().map(|ods| disclosure.access_code(ods)).collect();
    Choice {
        connect_care: match kept.connect_care {
            choices::ConnectCareChoice::None => ChoiceState::None,
            choices::ConnectCareChoice::Objected => ChoiceState::Objected,
            choices::ConnectCareChoice::ObjectedExceptEmergency => {
                ChoiceState::ObjectedExceptEmergency
            }
        },
        status: match kept.status {
            choices::ChoiceStatus::Decided => ChoiceStatus::Decided,
            choices::ChoiceStatus::Pending => ChoiceStatus::Pending,
            choices::ChoiceStatus::NotUpheld => ChoiceStatus::NotUpheld,
        },
        blocked_organisations: codes(&kept.blocked_organisations),
        withheld_sources: codes(&kept.withheld()),
        gp_dissent: kept.dissents(),
    }
}
