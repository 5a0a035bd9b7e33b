//! What a data-quality steward does: decide a doubt, join two records, undo a join. Each is an act
//! with its entry.

use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::vocabulary::{PersonId, SourceCode};
use jiff::Timestamp;
use serde::Deserialize;

use super::standing::standing_changes;
use super::{Answering, IDENTITY_DOUBT, NHS_NUMBER, PROVISIONAL, answering};
use crate::choices::{self, arrivals};
use crate::clock::Clock;
use crate::store::{Change, Commit, Store, StoreError, WorklistRow};
use crate::worklists::{WorklistError, WorklistKind, find};

/// Decides about people's records.
#[derive(Clone)]
pub struct Identity {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// What a steward found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityDecision {
    /// What waits is about this person.
    SamePerson(PersonId),
    /// It is about somebody not known before.
    NewPerson,
}

/// Why a steward's act was not done. Holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No such person.
    #[error("there is nobody with this id; open the worklist again")]
    NobodyThere,
    /// The two are one already, or the person answers for themselves.
    #[error("nothing to do: these records are already as asked")]
    AlreadySo,
    /// A row of another kind, or closed.
    #[error("this worklist row holds no doubt about a person; open the list again")]
    NotADoubt,
    /// Another person holds the number by now.
    #[error(
        "another person holds this number by now; decide that it is the same person, or ask the source"
    )]
    NumberTaken,
    /// The store did not write or answer.
    #[error("nothing was changed; try again in a moment")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for IdentityError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::IdentifierTaken => Self::NumberTaken,
            other => Self::Store(Box::new(other)),
        }
    }
}

impl From<WorklistError> for IdentityError {
    fn from(cause: WorklistError) -> Self {
        match cause {
            WorklistError::NotOpen => Self::NotADoubt,
            WorklistError::Store(cause) => Self::Store(cause),
        }
    }
}

/// So many open doubts are looked through before a notice is taken away; with more, it stays.
const MOST_DOUBTS: u32 = 10_000;

/// What a doubt's row holds for the one who decides.
#[derive(Deserialize)]
struct Doubtful {
    source: String,
    local_ids: Vec<(String, String)>,
    nhs_number: Option<String>,
    number_verified: bool,
    family: String,
    given: String,
    birth_date: String,
    gender: String,
    postcode: String,
    phonetic_family: String,
    event_at: Timestamp,
    candidates: Vec<String>,
}

impl Identity {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Joins two records: `from` answers as `into` from now on. Reversible by
    /// [`Identity::undo_join`]. Choices stay with each; the stricter holds.
    pub fn join(
        &self,
        from: PersonId,
        into: PersonId,
        by: &str,
        why: &str,
    ) -> Result<(), IdentityError> {
        let from = self.answering(from)?.person;
        let into = self.answering(into)?.person;
        if from == into {
            return Err(IdentityError::AlreadySo);
        }
        let change = Change::Join {
            from,
            into: Some(into),
        };
        self.commit(
            vec![change],
            into,
            by,
            format!("joined {from} into {into}: {why}"),
        )
    }

    /// Undoes a join: `from` answers for itself again, with everything that was filed under it before
    /// and since.
    pub fn undo_join(&self, from: PersonId, by: &str, why: &str) -> Result<(), IdentityError> {
        let row = self.store.person(from)?.ok_or(IdentityError::NobodyThere)?;
        let into = row.joined_into.ok_or(IdentityError::AlreadySo)?;
        let change = Change::Join { from, into: None };
        self.commit(
            vec![change],
            into,
            by,
            format!("undid the join of {from} into {into}: {why}"),
        )?;
        // Flags that followed from both together follow from each alone again.
        for person in [from, into] {
            self.stand_alone(person, by)?;
        }
        Ok(())
    }

    /// Decides a doubt. What was filed under the provisional person is shown from now on: with the
    /// person it belongs to, or under its own name.
    pub fn decide(
        &self,
        row: u64,
        decision: IdentityDecision,
        by: &str,
    ) -> Result<(), IdentityError> {
        let row = find(&*self.store, row)?;
        let provisional = match row.person {
            Some(person) if row.kind == WorklistKind::IdentityDoubt.code() => person,
            _ => return Err(IdentityError::NotADoubt),
        };
        let doubtful: Doubtful =
            serde_json::from_slice(&row.detail).map_err(|_| IdentityError::NotADoubt)?;
        let mut changes = vec![clear(provisional, PROVISIONAL)];
        let mut more_entries = Vec::new();
        changes.extend(self.no_longer_doubtful(&row, &doubtful)?);
        let words = match decision {
            IdentityDecision::SamePerson(person) => {
                let into = self.answering(person)?.person;
                changes.push(Change::Join {
                    from: provisional,
                    into: Some(into),
                });
                format!("decided: {provisional} is {into}")
            }
            IdentityDecision::NewPerson => {
                let new = doubtful.into_new_person(&*self.store, provisional)?;
                for arrival in arrivals(&*self.store, &new, self.clock.now())? {
                    changes.extend(choices::put(arrival.person, &arrival.choice));
                    changes.extend(arrival.changes);
                    more_entries.push(arrival.entry);
                }
                changes.extend(new);
                format!("decided: {provisional} is a person of their own")
            }
        };
        changes.push(closed(&row, "decided"));
        self.commit_with(changes, provisional, by, words, more_entries)
    }

    /// Candidates whom no other open doubt names are told of none any more.
    fn no_longer_doubtful(
        &self,
        decided: &WorklistRow,
        doubtful: &Doubtful,
    ) -> Result<Vec<Change>, IdentityError> {
        let kind = Some(WorklistKind::IdentityDoubt.code());
        let open = self.store.worklist(kind, None, MOST_DOUBTS)?;
        let named_elsewhere = |candidate: &str| {
            open.iter()
                .filter(|row| row.row != decided.row)
                .filter_map(|row| serde_json::from_slice::<Doubtful>(&row.detail).ok())
                .any(|other| other.candidates.iter().any(|one| one == candidate))
        };
        let mut changes = Vec::new();
        for candidate in &doubtful.candidates {
            let Ok(person) = PersonId::parse(candidate) else {
                continue;
            };
            if named_elsewhere(candidate) {
                continue;
            }
            let known = answering(&*self.store, person)?;
            changes.extend(known.map(|known| clear(known.person, IDENTITY_DOUBT)));
        }
        Ok(changes)
    }

    fn answering(&self, person: PersonId) -> Result<Answering, IdentityError> {
        answering(&*self.store, person)?.ok_or(IdentityError::NobodyThere)
    }

    fn stand_alone(&self, person: PersonId, by: &str) -> Result<(), IdentityError> {
        let row = self
            .store
            .person(person)?
            .ok_or(IdentityError::NobodyThere)?;
        let changes = standing_changes(person, &row.flags, None);
        if changes.is_empty() {
            return Ok(());
        }
        let words = format!("flags of {person} follow its own sources again");
        self.commit(changes, person, by, words)
    }

    fn commit(
        &self,
        changes: Vec<Change>,
        person: PersonId,
        by: &str,
        words: String,
    ) -> Result<(), IdentityError> {
        self.commit_with(changes, person, by, words, Vec::new())
    }

    fn commit_with(
        &self,
        changes: Vec<Change>,
        person: PersonId,
        by: &str,
        words: String,
        more_entries: Vec<Entry>,
    ) -> Result<(), IdentityError> {
        let mut entry = Entry::new(self.clock.now(), Act::Identity, Outcome::Success, by);
        entry.person = Some(person);
        entry.detail = words;
        self.store.commit(Commit {
            changes,
            entry,
            more_entries,
        })?;
        Ok(())
    }
}

fn clear(person: PersonId, flag: &str) -> Change {
    Change::PersonFlag {
        person,
        flag: flag.to_owned(),
        value: None,
    }
}

fn closed(row: &WorklistRow, note: &str) -> Change {
    Change::WorklistState {
        row: row.row,
        state: "closed".to_owned(),
        note: note.to_owned(),
    }
}

impl Doubtful {
    /// What makes the provisional person findable and linkable. A number that somebody else holds
    /// stays with them: the same words sent again still lead here.
    fn into_new_person(
        self,
        store: &dyn Store,
        person: PersonId,
    ) -> Result<Vec<Change>, IdentityError> {
        let source = SourceCode::parse(&self.source).map_err(|_| IdentityError::NotADoubt)?;
        let free = |system: &str, value: &str| -> Result<bool, StoreError> {
            let holders = store.persons_by_identifier(system, value)?;
            Ok(holders.iter().all(|holder| holder.person == person))
        };
        let mut changes = Vec::new();
        let verified = self.number_verified;
        let usable = match self.nhs_number {
            Some(number) if !verified || free(NHS_NUMBER, &number)? => Some(number),
            _ => None,
        };
        let system = if verified {
            NHS_NUMBER
        } else {
            super::UNVERIFIED_NUMBER
        };
        changes.extend(usable.map(|value| Change::Identifier {
            person,
            system: system.to_owned(),
            value,
            source: source.clone(),
            unique: verified,
        }));
        for (system, value) in self.local_ids {
            if !free(&system, &value)? {
                continue;
            }
            changes.push(Change::Identifier {
                person,
                system,
                value,
                source: source.clone(),
                unique: true,
            });
        }
        changes.push(Change::Details {
            event_at: self.event_at,
            person,
            source,
            family: self.family,
            given: self.given,
            birth_date: self.birth_date,
            gender: self.gender,
            postcode: self.postcode,
            phonetic_family: self.phonetic_family,
        });
        Ok(changes)
    }
}
