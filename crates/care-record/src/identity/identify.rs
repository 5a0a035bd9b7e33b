//! From what a source says of a person to the changes that file it under somebody.

use care_core::fhir::ResourceType;
use care_core::mapping::Subject;
use care_core::patient_index::{Doubt, Evidence, Link, details, link};
use care_core::vocabulary::{NumberStatus, OrganisationKind, PersonId, SourceCode};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::candidates::{Found, candidates, own_identifiers};
use super::standing::{Said, standing_changes};
use super::{
    IDENTITY_DOUBT, NHS_NUMBER, PROVISIONAL, UNUSABLE_NUMBER, UNVERIFIED_NUMBER, answering,
    doubt_system, new_person_id,
};
use crate::store::{Change, NewWorklist, PersonRow, Store, StoreError};
use crate::worklists::WorklistKind;

/// Who sends.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// The source.
    pub source: &'a SourceCode,
    /// What kind of organisation it is.
    pub kind: OrganisationKind,
    /// The feed it came by.
    pub feed: &'a str,
}

/// What a delivery's word on a person's details is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// A whole statement (a FHIR Patient): what it leaves out is no longer so.
    Replaces,
    /// A registration message: what it says is so; what it leaves out is unchanged.
    Registers,
    /// Names the person in passing (a result, a letter): its details count only while the source has
    /// not given any.
    Mentions,
}

/// Whom a delivery is about.
pub(crate) struct Identified {
    /// Under whose key its items are filed.
    pub person: PersonId,
    /// What must be written for it.
    pub changes: Vec<Change>,
    /// What a steward must look at.
    pub worklist: Vec<NewWorklist>,
    /// What spoke for the link; empty for a new person.
    pub evidence: Vec<Evidence>,
    /// The person is provisional: nothing is shown.
    pub doubt: Option<Doubt>,
    /// Whether the source's own Patient resource is to be written: not when a result merely mentions
    /// somebody whom the source has registered.
    pub keeps_patient: bool,
    /// Nobody of this key was there before.
    pub is_new: bool,
    /// Flags of the person as a whole change, so that no other delivery may change them meanwhile.
    pub changes_standing: bool,
}

/// Decides whom a delivery is about, and what that changes.
pub(crate) fn identify(
    store: &dyn Store,
    sender: Sender<'_>,
    subject: &Subject,
    authority: Authority,
    event_at: Timestamp,
    now: Timestamp,
) -> Result<Identified, StoreError> {
    let found = candidates(store, sender.source, subject)?;
    let compared: Vec<_> = found.iter().map(|one| one.candidate.clone()).collect();
    let filing = Filing {
        sender,
        subject,
        authority,
        event_at,
        now,
    };
    match link(&subject.demographics, &compared) {
        Link::Existing { person, evidence } => {
            let row = found
                .into_iter()
                .find(|one| one.candidate.person == person)
                .map(|one| one.row)
                .unwrap_or_default();
            Ok(filing.existing(person, &row, evidence))
        }
        Link::New { possible } => filing.new_person(possible),
        Link::AskAPerson { why, candidates } => filing.doubtful(store, why, &candidates, &found),
    }
}

struct Filing<'a> {
    sender: Sender<'a>,
    subject: &'a Subject,
    authority: Authority,
    event_at: Timestamp,
    now: Timestamp,
}

impl Filing<'_> {
    fn existing(&self, person: PersonId, row: &PersonRow, evidence: Vec<Evidence>) -> Identified {
        let mut identified = Identified {
            evidence,
            ..self.identified(person)
        };
        self.add_identifiers(row, &mut identified);
        self.add_details(row, &mut identified);
        identified
    }

    fn new_person(&self, possible: Vec<PersonId>) -> Result<Identified, StoreError> {
        let person = new_person_id()?;
        let mut identified = Identified {
            is_new: true,
            ..self.identified(person)
        };
        identified.changes.push(Change::NewPerson { person });
        let nothing = PersonRow::default();
        self.add_identifiers(&nothing, &mut identified);
        self.add_details(&nothing, &mut identified);
        for other in possible {
            let detail = json!({ "why": "possibly-the-same", "new": person.to_string(),
                                 "other": other.to_string() });
            let row = self.worklist(WorklistKind::MergeReview, Some(person), &detail);
            identified.worklist.push(row);
        }
        Ok(identified)
    }

    fn doubtful(
        &self,
        store: &dyn Store,
        why: Doubt,
        candidates: &[PersonId],
        found: &[Found],
    ) -> Result<Identified, StoreError> {
        let (system, value) = (doubt_system(self.sender.source), self.doubt_key());
        if let Some(holder) = store.persons_by_identifier(&system, &value)?.first() {
            let row = store.person(holder.person)?.unwrap_or_default();
            let undecided = row.flags.iter().any(|(flag, _)| flag == PROVISIONAL);
            if !undecided && let Some(decided) = self.decided(store, holder.person)? {
                return Ok(decided);
            }
            return Ok(Identified {
                doubt: undecided.then_some(why),
                ..self.identified(holder.person)
            });
        }
        let person = new_person_id()?;
        let mut identified = Identified {
            doubt: Some(why),
            is_new: true,
            ..self.identified(person)
        };
        identified.changes.push(Change::NewPerson { person });
        identified.changes.push(Change::Identifier {
            person,
            system,
            value,
            source: self.sender.source.clone(),
            unique: true,
        });
        identified
            .changes
            .push(flag(person, PROVISIONAL, why.code().to_owned()));
        for one in found
            .iter()
            .filter(|one| candidates.contains(&one.candidate.person))
        {
            let note = person.to_string();
            identified
                .changes
                .push(flag(one.candidate.root, IDENTITY_DOUBT, note));
        }
        let detail = self.doubt_detail(why, candidates);
        let row = self.worklist(WorklistKind::IdentityDoubt, Some(person), &detail);
        identified.worklist.push(row);
        Ok(identified)
    }

    /// The person it was decided to be, where nothing was kept under the provisional one: what a
    /// source's REST write asked waits nowhere, and goes to that person when it is sent again.
    fn decided(
        &self,
        store: &dyn Store,
        provisional: PersonId,
    ) -> Result<Option<Identified>, StoreError> {
        let kind = ResourceType::PATIENT;
        let item = crate::intake::item_id(self.sender.source, kind, &self.subject.source_key);
        if store.holds(Some(provisional), (kind, item))? {
            return Ok(None);
        }
        let known = answering(store, provisional)?.filter(|known| known.person != provisional);
        Ok(known.map(|known| {
            let mut identified = self.identified(known.person);
            self.add_details(&known.row, &mut identified);
            identified
        }))
    }

    fn identified(&self, person: PersonId) -> Identified {
        Identified {
            person,
            changes: Vec::with_capacity(8),
            worklist: Vec::new(),
            evidence: Vec::new(),
            doubt: None,
            keeps_patient: true,
            is_new: false,
            changes_standing: false,
        }
    }

    /// Whatever identifiers were sent and are not yet held by the person or anyone joined with them.
    fn add_identifiers(&self, row: &PersonRow, identified: &mut Identified) {
        let said = &self.subject.demographics;
        let person = identified.person;
        // Held by this source's word: a number another source sent is noted again for this one, so
        // that what later refers to the person by that number alone is understood.
        let held = |system: &str, value: &str| {
            row.identifiers
                .iter()
                .any(|(held_system, held_value, source)| {
                    held_system == system && held_value == value && source == self.sender.source
                })
        };
        let mut add = |system: String, value: String, unique: bool| {
            let missing = !held(&system, &value);
            if missing {
                identified.changes.push(Change::Identifier {
                    person,
                    system,
                    value,
                    source: self.sender.source.clone(),
                    unique,
                });
            }
            missing
        };
        for (system, value) in own_identifiers(self.sender.source, self.subject) {
            add(system, value, true);
        }
        match (said.nhs_number, said.number_status) {
            (Some(number), Some(NumberStatus::Verified)) => {
                add(NHS_NUMBER.to_owned(), number.digits(), true);
            }
            (Some(number), _) => {
                add(UNVERIFIED_NUMBER.to_owned(), number.digits(), false);
            }
            (None, _) => {}
        }
        let unusable = said.unusable_number.as_ref();
        if unusable.is_some_and(|text| add(UNUSABLE_NUMBER.to_owned(), text.clone(), false)) {
            let detail = json!({ "why": "check-digit", "number": said.unusable_number });
            let row = self.worklist(WorklistKind::UnverifiedNumber, Some(person), &detail);
            identified.worklist.push(row);
        }
    }

    fn add_details(&self, row: &PersonRow, identified: &mut Identified) {
        let held = row
            .details
            .iter()
            .filter(|held| held.source == *self.sender.source)
            .map(|held| held.event_at)
            .max();
        if self.authority == Authority::Mentions && held.is_some() {
            identified.keeps_patient = false;
            return;
        }
        let person = identified.person;
        identified.changes.push(details_change(
            person,
            self.sender.source,
            self.subject,
            self.event_at,
        ));
        if held.is_none_or(|held| held <= self.event_at) {
            let said = Said {
                sender: self.sender,
                restricted: self.subject.demographics.restricted,
                died: self.subject.demographics.died,
                replaces: self.authority == Authority::Replaces,
            };
            let changes = standing_changes(person, &row.flags, Some(&said));
            identified.changes_standing = !changes.is_empty();
            identified.changes.extend(changes);
        }
    }

    fn worklist(
        &self,
        kind: WorklistKind,
        person: Option<PersonId>,
        detail: &serde_json::Value,
    ) -> NewWorklist {
        NewWorklist {
            kind: kind.code().to_owned(),
            feed: self.sender.feed.to_owned(),
            delivery: None,
            person,
            opened_at: self.now,
            detail: detail.to_string().into_bytes(),
        }
    }

    /// The same doubtful words again lead to the same provisional person; other words are another
    /// question.
    fn doubt_key(&self) -> String {
        let said = &self.subject.demographics;
        let known = details(said);
        let number = said
            .nhs_number
            .map(|number| number.digits())
            .unwrap_or_default();
        let status = match said.number_status {
            Some(NumberStatus::Verified) => "verified",
            _ => "unverified",
        };
        let mut digest = Sha256::new();
        for part in [
            self.subject.source_key.as_str(),
            &number,
            status,
            &known.family,
            &known.given,
            &known.birth_date,
        ] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let digest: [u8; 32] = digest.finalize().into();
        digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn doubt_detail(&self, why: Doubt, candidates: &[PersonId]) -> serde_json::Value {
        let said = &self.subject.demographics;
        let known = details(said);
        json!({
            "why": why.code(),
            "text": why.text(),
            "source": self.sender.source.as_str(),
            "source_key": self.subject.source_key,
            "local_ids": own_identifiers(self.sender.source, self.subject),
            "nhs_number": said.nhs_number.map(|number| number.digits()),
            "number_verified": said.number_status == Some(NumberStatus::Verified),
            "family": known.family, "given": known.given, "birth_date": known.birth_date,
            "gender": known.gender, "postcode": known.postcode,
            "phonetic_family": known.phonetic_family,
            "event_at": self.event_at,
            "candidates": candidates.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

pub(super) fn flag(person: PersonId, name: &str, value: String) -> Change {
    Change::PersonFlag {
        person,
        flag: name.to_owned(),
        value: Some(value),
    }
}

fn details_change(
    person: PersonId,
    source: &SourceCode,
    subject: &Subject,
    event_at: Timestamp,
) -> Change {
    let known = details(&subject.demographics);
    Change::Details {
        event_at,
        person,
        source: source.clone(),
        family: known.family,
        given: known.given,
        birth_date: known.birth_date,
        gender: known.gender,
        postcode: known.postcode,
        phonetic_family: known.phonetic_family,
    }
}
