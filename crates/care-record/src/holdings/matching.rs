//! `Patient/$match` for a source: among the Patients it sent itself.

use care_core::fhir::{Json, Limits};
use care_core::mapping::fhir::patient_demographics;
use care_core::patient_index::{compare, details};
use care_core::vocabulary::PersonId;

use super::{Answer, Holdings, outgoing, read_entry};
use crate::disclosure::matching::best;
use crate::disclosure::{DisclosureError, MatchAsk, Matched, item_name};
use crate::identity::{NHS_NUMBER, UNVERIFIED_NUMBER};
use crate::store::DetailsQuery;
use crate::supply::SupplyCaller;

/// People compared at most.
const MOST_COMPARED: u32 = 200;

impl Holdings {
    /// The source's own Patients who may be the one described, the surest first.
    ///
    /// Errors: nothing to look by.
    pub fn matching(&self, caller: &SupplyCaller, wanted: &MatchAsk) -> Answer<Vec<Matched>> {
        let view = caller.view()?;
        let mut found = Vec::new();
        for person in self.who_may_be_meant(wanted)? {
            let Some(own) = self.own_patient(person, &view)? else {
                continue;
            };
            let Ok(json) = Json::parse(&own.body, Limits::default()) else {
                continue;
            };
            let known = patient_demographics(&json).0;
            found.push((compare(&wanted.known, &known), own));
        }
        let found = best(found, wanted.only_certain, wanted.count);
        let mut first = read_entry(caller, self.now(), "POST Patient/$match");
        first.detail = format!("{} found", found.len());
        let about = found.iter().map(|(_, own)| {
            let mut entry = first.clone();
            entry.person = own.owner();
            entry.items = vec![item_name(&own.header)];
            entry
        });
        let mut entries: Vec<_> = about.collect();
        entries.insert(0, first);
        self.write(entries)?;
        let matched = found.into_iter().map(|(score, own)| Matched {
            resource: outgoing(own),
            score,
        });
        Ok(matched.collect())
    }

    fn who_may_be_meant(&self, wanted: &MatchAsk) -> Answer<Vec<PersonId>> {
        let store = &self.inner.store;
        let mut people = Vec::new();
        if let Some(number) = wanted.known.nhs_number {
            for system in [NHS_NUMBER, UNVERIFIED_NUMBER] {
                let holders = store.persons_by_identifier(system, &number.digits())?;
                people.extend(holders.into_iter().map(|one| one.person));
            }
        }
        let asked = details(&wanted.known);
        let by_details = !asked.family.is_empty() && asked.birth_date.len() == 10;
        if wanted.known.nhs_number.is_none() && !by_details {
            return Err(DisclosureError::Unclear(
                "give an NHS number, or a family name with a whole birth date",
            ));
        }
        if by_details {
            let query = DetailsQuery {
                family: asked.family,
                phonetic_family: asked.phonetic_family,
                given: asked.given,
                birth_date: asked.birth_date,
                gender: asked.gender,
                postcode: asked.postcode,
                similar: true,
            };
            people.extend(store.persons_by_details(&query, MOST_COMPARED)?);
        }
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }
}
