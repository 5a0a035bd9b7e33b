//! Walk 3: data that leaves for planning, research or the law. The only maker of files that leave.
//!
//! A request is checked, previewed as counts, approved by two people who did not make it, run, sealed
//! with a certificate, listed in the register and destroyed by its day. What leaves is what a
//! [`CheckedCohort`](care_core::secondary_use::CheckedCohort) permits: there is no other way to a file.
//! Every step is a change of one case (kind `extract`) with its audit entry; files come to be in a
//! directory of their own that counts only once the case says `sealed` and names its certificate.
//!
//! Source: the access model 8.5; screens G6.

mod checks;
mod cohort;
mod error;
mod extract;
mod files;
mod memory;
mod offline;
mod parquet_file;
mod produce;
mod run;
mod secret;
mod spool;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use care_core::release::{ReleaseSecret, SMALLEST_GROUP, Specification, Unsound, Verifier};
use care_core::secondary_use::{Obligation, Reason, Settings};
use care_core::vocabulary::Role;
use jiff::Timestamp;
use jiff::civil::Date;

pub use checks::{Checked, OptOutAnswers};
pub use error::ReleaseError;
pub use extract::{Approval, Counts, EXTRACT, Extract, Findings, Sealed, SealedFile, Step};
pub use offline::{Verified, VerifyFinding, VerifyRelease, verify};
pub(crate) use parquet_file::ParquetFile;
pub(crate) use secret::copy as copy_secret;

use crate::caller::Caller;
use crate::casework::{CaseChange, CaseEvent, CaseFilter, Casework, NewCase, changing};
use crate::record::Inner;
use crate::store::Commit;
use cohort::Decided;
use error::Answer;

/// Where releases lie in the data directory.
const DIRECTORY: &str = "releases";
/// Roles that ask.
const ASKS: &[Role] = &[Role::Analyst, Role::PrivacyOfficer, Role::CaldicottGuardian];
/// Roles that decide.
const DECIDES: &[Role] = &[Role::PrivacyOfficer, Role::CaldicottGuardian];

/// The release room. Cheap to clone.
#[derive(Clone)]
pub struct Releases {
    inner: Arc<Inner>,
    answers: Arc<dyn OptOutAnswers>,
    settings: Settings,
}

/// Makes or reads the secret when the record opens.
pub(crate) fn load_secret(
    directory: &Path,
    configured: Option<[u8; 32]>,
) -> std::io::Result<ReleaseSecret> {
    secret::load_or_make(directory, configured)
}

impl Releases {
    pub(crate) fn new(
        inner: Arc<Inner>,
        answers: Arc<dyn OptOutAnswers>,
        settings: Settings,
    ) -> Self {
        Self {
            inner,
            answers,
            settings,
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn today(&self) -> Date {
        self.now().to_zoned(jiff::tz::get!("Europe/London")).date()
    }

    fn casework(&self) -> Casework {
        Casework::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    fn directory(&self) -> PathBuf {
        self.inner.data_directory.join(DIRECTORY)
    }

    /// The public half of the key that signs certificates: `name+id+key`.
    pub fn verifier_key(&self) -> String {
        Verifier::of(secret::SIGNER, &self.inner.release_secret.signing_seed()).to_string()
    }

    /// What about a specification cannot be, its tables' views included.
    pub fn unsound(&self, specification: &Specification) -> Vec<Unsound> {
        let mut found = specification.unsound(self.today());
        for form in &specification.forms {
            if let care_core::release::Form::Table(wanted) = form
                && let Err(why) = produce::read_view(wanted)
            {
                found.push(Unsound {
                    field: "forms",
                    why,
                });
            }
        }
        found
    }

    /// Asks for an extract.
    pub fn request(&self, caller: &Caller, specification: Specification) -> Answer<Extract> {
        allowed(caller, ASKS)?;
        let wrong = self.unsound(&specification);
        if !wrong.is_empty() {
            return Err(ReleaseError::Unsound(wrong));
        }
        let title = specification.title.clone();
        let detail = extract::Detail {
            requester: caller.user.id.clone(),
            requester_name: caller.user.name.clone(),
            specification,
            approvals: Vec::new(),
            findings: None,
            sealed: None,
            destroyed_at: None,
        };
        let case = self.casework().open(
            caller,
            NewCase {
                kind: EXTRACT.to_owned(),
                about: caller.user.id.clone(),
                detail: serde_json::to_value(&detail)?,
                note: format!("asked for: {title}"),
                ..NewCase::default()
            },
        )?;
        Extract::of(case)
    }

    /// One extract with what happened to it.
    pub fn get(&self, caller: &Caller, number: u64) -> Answer<(Extract, Vec<CaseEvent>)> {
        allowed(caller, ASKS)?;
        let (case, events) = self.casework().get(caller, number)?;
        let extract = Extract::of(case)?;
        if caller.user.role == Role::Analyst && extract.requester != caller.user.id {
            return Err(ReleaseError::NotThere);
        }
        Ok((extract, events))
    }

    /// Extracts, newest first; an analyst's own.
    pub fn list(&self, caller: &Caller, filter: CaseFilter) -> Answer<Vec<Extract>> {
        allowed(caller, ASKS)?;
        let mut filter = CaseFilter {
            kinds: vec![EXTRACT.to_owned()],
            ..filter
        };
        if caller.user.role == Role::Analyst {
            filter.about = Some(caller.user.id.clone());
        }
        let cases = self.casework().list(caller, &filter)?;
        cases.into_iter().map(Extract::of).collect()
    }

    /// Every extract that was released, newest first: what is published. Says nothing of anybody, so it
    /// leaves no entry.
    pub fn register(&self) -> Answer<Vec<Extract>> {
        let states = [Step::Sealed, Step::Destroyed].map(|step| step.code().to_owned());
        let filter = CaseFilter {
            kinds: vec![EXTRACT.to_owned()],
            states: states.into(),
            sort: crate::casework::Sort::Newest,
            limit: 1000,
            ..CaseFilter::default()
        };
        let cases = self.casework().matching(&filter)?;
        cases.into_iter().map(Extract::of).collect()
    }

    /// Changes what is asked for. Approvals and findings were for something else and end.
    pub fn amend(
        &self,
        caller: &Caller,
        number: u64,
        version: u32,
        specification: Specification,
    ) -> Answer<Extract> {
        let mut extract = self.at(caller, number, version)?;
        if extract.requester != caller.user.id {
            return Err(ReleaseError::NotThisPerson(
                "only whoever asked changes the request",
            ));
        }
        if !extract.step.can_be_changed() {
            return Err(other_step(&extract));
        }
        let wrong = self.unsound(&specification);
        if !wrong.is_empty() {
            return Err(ReleaseError::Unsound(wrong));
        }
        let had = extract.approvals.len();
        extract.specification = specification;
        extract.findings = None;
        extract.approvals.clear();
        let note = match had {
            0 => "the request was changed".to_owned(),
            _ => "the request was changed; its approvals ended".to_owned(),
        };
        self.change(caller, &extract, Step::Requested, None, note, Act::Worklist)
    }

    /// Makes the automatic checks and the preview of counts. Where the national data opt-out applies and
    /// no answered check is young enough, one is asked for; look again when it is answered. Approvals of
    /// the same specification stay.
    pub fn check(&self, caller: &Caller, number: u64, version: u32) -> Answer<Extract> {
        let mut extract = self.at(caller, number, version)?;
        if !extract.step.can_be_changed() {
            return Err(other_step(&extract));
        }
        let pending = extract
            .findings
            .as_ref()
            .map(|it| it.check.clone())
            .filter(|id| !id.is_empty());
        let decided = self.decide(&extract.specification)?;
        let mut findings = self.findings(&extract, &decided)?;
        let mut step = match findings.released && findings.stopped.is_empty() {
            true => step_of(&extract),
            false => Step::Blocked,
        };
        if decided
            .decision
            .obligations()
            .any(|it| it == Obligation::RecheckRequired)
            && findings.stopped.is_empty()
        {
            step = Step::Checking;
            self.ask_for_check(
                caller,
                &extract,
                &decided,
                pending,
                &mut findings,
                &mut step,
            );
        }
        let note = format!("checked: {}", findings.reason);
        extract.findings = Some(findings);
        self.change(caller, &extract, step, None, note, Act::Worklist)
    }

    fn ask_for_check(
        &self,
        caller: &Caller,
        extract: &Extract,
        decided: &Decided,
        pending: Option<String>,
        findings: &mut Findings,
        step: &mut Step,
    ) {
        if let Some(id) = pending.filter(|id| self.answers.is_pending(id)) {
            findings.check = id;
            return;
        }
        let numbers = cohort::numbers_to_check(&extract.specification, &decided.candidates);
        match self
            .answers
            .ask(&numbers, &extract.reference, &caller.user.id)
        {
            Ok(id) => findings.check = id,
            Err(why) => {
                findings.stopped.push(why);
                *step = Step::Blocked;
            }
        }
    }

    /// Selects the cohort and asks the rules, with the newest check that can be read.
    fn decide(&self, specification: &Specification) -> Answer<Decided> {
        let candidates = cohort::select(&*self.inner.store, specification, self.today())?;
        let now = self.now();
        let without = cohort::decide(specification, candidates, None, self.settings, now);
        let needed = without
            .decision
            .obligations()
            .any(|it| it == Obligation::RecheckRequired);
        if !needed {
            return Ok(without);
        }
        let numbers = cohort::numbers_to_check(specification, &without.candidates);
        let checked = self.answers.newest(&numbers);
        Ok(cohort::decide(
            specification,
            without.candidates,
            checked,
            self.settings,
            now,
        ))
    }

    fn findings(&self, extract: &Extract, decided: &Decided) -> Answer<Findings> {
        let specification = &extract.specification;
        let mut stopped = too_few(specification, decided);
        let kept = self.remembered(extract, decided);
        let counts = specification
            .forms
            .iter()
            .any(|it| matches!(it, care_core::release::Form::Counts { .. }));
        let earlier = memory::earlier(&self.directory(), &extract.reference)?;
        if !specification.is_identifiable()
            && earlier.iter().any(|one| one.is_too_close(&kept, counts))
        {
            stopped.push(
                "it asks for the same people as an earlier release but for one to seven of them, so that \
                 those could be told by comparing; ask for the same people, or for others by more than seven"
                    .to_owned(),
            );
        }
        let decision = &decided.decision;
        if !decision.is_released()
            && stopped.is_empty()
            && decision.reason() != Reason::CheckMissing
            && decision.reason() != Reason::CheckStale
        {
            stopped.push(why_blocked(decision.reason()).to_owned());
        }
        let checked = decided.checked();
        Ok(Findings {
            at: self.now(),
            digest: extract.digest.clone(),
            reason: decision.reason().code().to_owned(),
            released: decision.is_released(),
            opt_out_applied: decision.opt_out_applies(),
            obligations: decision
                .obligations()
                .map(|it| it.code().to_owned())
                .collect(),
            check: checked.map(|it| it.id.clone()).unwrap_or_default(),
            check_method: checked.map(|it| it.method.clone()).unwrap_or_default(),
            checked_at: checked.map(|it| it.asked_at),
            counts: decided.counts,
            stopped,
        })
    }

    fn remembered(&self, extract: &Extract, decided: &Decided) -> memory::Kept {
        let mut asked_for: Vec<u64> = decided
            .candidates
            .iter()
            .map(|it| self.inner.release_secret.membership(it.person))
            .collect();
        asked_for.sort_unstable();
        memory::Kept {
            project: extract.specification.project.clone(),
            criteria: memory::criteria(&extract.specification.cohort),
            asked_for,
            shown: care_core::release::Family::default(),
        }
    }

    /// Approves the specification of this digest. Two different people approve, neither the one who
    /// asked; where people can be told from the data or choices are set aside, one of them is the
    /// Caldicott Guardian.
    pub fn approve(
        &self,
        caller: &Caller,
        number: u64,
        version: u32,
        digest: &str,
        note: &str,
    ) -> Answer<Extract> {
        allowed(caller, DECIDES)?;
        let mut extract = self.at(caller, number, version)?;
        if extract.digest != digest {
            return Err(ReleaseError::Changed);
        }
        if !matches!(
            extract.step,
            Step::AwaitingApproval | Step::AwaitingSecondApproval
        ) {
            return Err(other_step(&extract));
        }
        if extract.requester == caller.user.id {
            return Err(ReleaseError::NotThisPerson(
                "whoever asked for an extract does not approve it",
            ));
        }
        if extract
            .standing_approvals()
            .any(|one| one.by == caller.user.id)
        {
            return Err(ReleaseError::NotThisPerson(
                "you approved this already; the second approval is another person's",
            ));
        }
        let first_was_guardian = extract
            .standing_approvals()
            .any(|one| one.role == Role::CaldicottGuardian.code());
        let second = extract.standing_approvals().count() == 1;
        if second
            && needs_guardian(&extract.specification)
            && !first_was_guardian
            && caller.user.role != Role::CaldicottGuardian
        {
            return Err(ReleaseError::NotThisPerson(
                "the second approval of this extract is the Caldicott Guardian's",
            ));
        }
        extract.approvals.retain(|one| one.digest == extract.digest);
        extract.approvals.push(Approval {
            by: caller.user.id.clone(),
            name: caller.user.name.clone(),
            role: caller.user.role.code().to_owned(),
            at: self.now(),
            digest: digest.to_owned(),
            note: note.to_owned(),
        });
        let step = step_of(&extract);
        self.change(
            caller,
            &extract,
            step,
            None,
            format!("approved. {note}"),
            Act::Worklist,
        )
    }

    /// Refuses it, or takes it back where the caller is the one who asked.
    pub fn end(&self, caller: &Caller, number: u64, version: u32, why: &str) -> Answer<Extract> {
        let extract = self.at(caller, number, version)?;
        if !extract.step.can_be_changed() {
            return Err(other_step(&extract));
        }
        let step = if extract.requester == caller.user.id {
            Step::Withdrawn
        } else {
            allowed(caller, DECIDES)?;
            Step::Refused
        };
        self.change(caller, &extract, step, None, why.to_owned(), Act::Worklist)
    }

    /// One extract as it stands at this version.
    fn at(&self, caller: &Caller, number: u64, version: u32) -> Answer<Extract> {
        allowed(caller, ASKS)?;
        let extract = Extract::of(self.casework().held(number)?)?;
        if caller.user.role == Role::Analyst && extract.requester != caller.user.id {
            return Err(ReleaseError::NotThere);
        }
        if extract.version == version {
            Ok(extract)
        } else {
            Err(ReleaseError::Stale)
        }
    }

    /// Writes the extract's new state with its entry, and reads it back.
    fn change(
        &self,
        caller: &Caller,
        extract: &Extract,
        step: Step,
        due_at: Option<Timestamp>,
        note: String,
        act: Act,
    ) -> Answer<Extract> {
        self.change_with(caller, extract, step, due_at, note, act, Vec::new())
    }

    /// The same, with entries about the people whose data leaves.
    #[allow(clippy::too_many_arguments)] // One change, its words, and what goes with it.
    fn change_with(
        &self,
        caller: &Caller,
        extract: &Extract,
        step: Step,
        due_at: Option<Timestamp>,
        note: String,
        act: Act,
        more_entries: Vec<Entry>,
    ) -> Answer<Extract> {
        let now = self.now();
        let mut entry = release_entry(now, act, caller, &extract.specification);
        entry.detail = format!("extract {} is now {}", extract.reference, step.code());
        let change = CaseChange {
            state: Some(step.code().to_owned()),
            due_at: due_at.map(Some),
            detail: Some(serde_json::to_value(extract.detail())?),
            note,
            ..CaseChange::default()
        };
        self.inner.store.commit(Commit {
            changes: vec![changing(
                now,
                &caller.user.id,
                (extract.number, extract.version),
                change,
            )],
            entry,
            more_entries,
        })?;
        Extract::of(self.casework().held(extract.number)?)
    }
}

/// An entry about an extract, without anybody's name.
fn release_entry(
    now: Timestamp,
    act: Act,
    caller: &Caller,
    specification: &Specification,
) -> Entry {
    let mut entry = Entry::new(now, act, Outcome::Success, &caller.user.id);
    entry.who_name.clone_from(&caller.user.name);
    entry.role = caller.user.role.code().to_owned();
    entry.organisation = caller.user.organisation.as_str().to_owned();
    entry.purpose.clone_from(&specification.purpose);
    entry.page = "extract".to_owned();
    entry
}

fn allowed(caller: &Caller, roles: &[Role]) -> Answer<()> {
    if roles.contains(&caller.user.role) {
        Ok(())
    } else {
        Err(ReleaseError::NotForRole)
    }
}

fn other_step(extract: &Extract) -> ReleaseError {
    ReleaseError::OtherStep(extract.step.title().to_owned())
}

/// Where people can be told from it, or choices are set aside.
fn needs_guardian(specification: &Specification) -> bool {
    specification.is_identifiable() || specification.exceptional_kind().is_some()
}

/// The step that standing approvals lead to, once the checks passed.
fn step_of(extract: &Extract) -> Step {
    match extract.standing_approvals().count() {
        0 => Step::AwaitingApproval,
        1 => Step::AwaitingSecondApproval,
        _ => Step::Approved,
    }
}

/// A cohort that is too small to hide anybody in. Named people are a disclosure case.
fn too_few(specification: &Specification, decided: &Decided) -> Vec<String> {
    let smallest = u64::from(specification.smallest_group.max(SMALLEST_GROUP));
    let asked = decided.counts.asked_for;
    let leaving = decided.counts.released;
    if asked == 1 {
        return vec![
            "it asks for one person; a disclosure about a named person is a disclosure case"
                .to_owned(),
        ];
    }
    if asked < smallest {
        return vec![format!(
            "it asks for fewer than {smallest} people; ask for more, or open a disclosure case"
        )];
    }
    if decided.decision.is_released() && leaving < smallest {
        return vec![format!(
            "fewer than {smallest} people may leave; ask for more"
        )];
    }
    Vec::new()
}

/// A reason to say no, in words, and what to do.
fn why_blocked(reason: Reason) -> &'static str {
    match reason {
        Reason::NoValidBasis => "nothing allows it: name a legal basis and hold its document",
        Reason::NoNhsNumber => "nobody in the cohort has an NHS number that could be checked",
        Reason::CheckMissing => "the opt-out check was not answered",
        Reason::CheckStale => "the opt-out check is too old; check again",
        Reason::CheckInconsistent => {
            "the answer of the opt-out check does not fit what was sent; check again"
        }
        Reason::StatusUseNotPermitted => "the opt-out itself is not for showing or sharing",
        _ => "the rules say no",
    }
}
