//! Reading a case of a choice, and keeping what was answered.

use care_core::vocabulary::PersonId;
use care_record::{Case, CaseChange, CaseEvent, CasePerson, CaseworkError, DisclosureError};

use super::super::failed;
use crate::choice_work::{Age, KIND, Stage, Work};
use crate::problem::Problem;
use crate::signin::Session;
use crate::state::Shared;

/// Kinds of cases that are worked on here.
pub const KINDS: &[&str] = &[KIND, "choice-confirmation", "call-about-choice"];

/// A case as it is worked on.
pub struct Worked {
    pub case: Case,
    pub events: Vec<CaseEvent>,
    pub work: Work,
    /// Whom it is about, where they are known.
    pub person: Option<CasePerson>,
}

impl Worked {
    /// The person's age.
    pub fn age(&self) -> Age {
        Age(self.person.as_ref().and_then(|one| one.age_years))
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        if self.case.is_closed() {
            return Stage::Done;
        }
        self.work.stage(self.age())
    }

    /// The person's key.
    pub fn person_id(&self) -> Option<PersonId> {
        self.person.as_ref().map(|one| one.person)
    }

    /// "Jane Smith", or who they said they are.
    pub fn name(&self) -> String {
        if let Some(name) = self.person.as_ref().and_then(|one| one.known.names.first()) {
            let given = name.given.first().map_or("", String::as_str);
            return format!("{given} {}", name.family).trim().to_owned();
        }
        self.work
            .awaited
            .as_ref()
            .map(|one| format!("{} {}", one.given, one.family).trim().to_owned())
            .unwrap_or_default()
    }
}

/// Opens a case of this room with the person it is about.
pub async fn open(state: &Shared, session: &Session, number: &str) -> Result<Worked, Problem> {
    let number: u64 = number.parse().map_err(|_| Problem::not_found())?;
    let (caller, record) = (session.caller(), state.record.clone());
    crate::blocking(move || {
        let (case, events) = record.casework().get(&caller, number).map_err(failed)?;
        if !KINDS.contains(&case.kind.as_str()) {
            return Err(Problem::not_found());
        }
        let mut work = Work::of(&case.detail);
        let known = case.person.map(|person| person.to_string());
        if let (true, Some(known)) = (work.person.is_empty(), known) {
            work.person = known;
        }
        let person = match PersonId::parse(&work.person) {
            Err(_) => None,
            Ok(person) => match record.disclosure().case_person(&caller, person) {
                Ok(found) => Some(found.into_inner()),
                // Somebody whose identity is in doubt is shown to nobody; the case goes on.
                Err(DisclosureError::NotThere) => None,
                Err(other) => return Err(Problem::unavailable(other)),
            },
        };
        Ok(Worked {
            case,
            events,
            work,
            person,
        })
    })
    .await?
}

/// Keeps what was answered, from the version that was read.
pub async fn keep(
    state: &Shared,
    session: &Session,
    worked: &Worked,
    mut work: Work,
    mut change: CaseChange,
) -> Result<Case, Problem> {
    work.touched_by(&session.user.id);
    change.detail = Some(work.detail());
    keep_change(state, session, worked, change).await
}

/// Keeps a change that does not touch the answers.
pub async fn keep_change(
    state: &Shared,
    session: &Session,
    worked: &Worked,
    change: CaseChange,
) -> Result<Case, Problem> {
    let (caller, record) = (session.caller(), state.record.clone());
    let (number, version) = (worked.case.number, worked.case.version);
    crate::blocking(move || {
        record
            .casework()
            .change(&caller, number, version, change)
            .map_err(failed)
    })
    .await?
}

/// Somebody else changed the case meanwhile.
pub fn stale() -> Problem {
    failed(CaseworkError::Stale)
}
