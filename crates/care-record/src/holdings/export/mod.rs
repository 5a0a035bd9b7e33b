//! Bulk export for a source, of what it sent: asked for, made in the background, fetched file by file,
//! gone after a day.
//!
//! A job is kept with its client, so another client's reads as not there. One runs at a time for a
//! client; what runs when the record closes is taken up again when it opens. Everybody in an export has
//! their entry in the log before its first file can be fetched. Source: HL7 Bulk Data Access 2.0.0.

mod files;
mod job;
mod produce;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use care_core::audit::Entry;
use care_core::fhir::{Json, Limits, ResourceType};
use care_core::vocabulary::{ItemId, PersonId};
use jiff::{SignedDuration, Timestamp};

use self::files::DIRECTORY;
use self::job::{Job, Span, Stage};
use super::{Holdings, read_entry};
use crate::disclosure::DisclosureError;
use crate::intake::item_id;
use crate::picked::{Picked, PickedError, PickedWords};
use crate::store::{Change, Commit, Store, StoreError};
use crate::supply::SupplyCaller;

pub use self::files::ExportFile;
pub(crate) use self::job::Bulk;
use self::job::sweep;
pub use self::job::{ExportManifest, ExportOutput};

/// People one group or one request may name.
const MOST_PEOPLE: usize = 50_000;
/// Jobs of one client that are looked at.
const MOST_JOBS: u32 = 1_000;
/// A job that does not end is forgotten after this long.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Whose data is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportOf {
    /// Everything, things about nobody among it.
    System,
    /// Items about people; of these people only, by our id or the source's key, or of everybody.
    Patients(Vec<String>),
    /// Items about the members of a Group that the source sent.
    Group {
        /// The Group's id, ours or the source's.
        id: String,
        /// Of its members only these; none: all of them.
        only: Vec<String>,
    },
}

/// What an export is asked for.
#[derive(Debug, Clone)]
pub struct ExportAsk {
    /// Whose data.
    pub of: ExportOf,
    /// Which types, and which of each.
    pub words: PickedWords,
    /// The FHIR base, for reading queries.
    pub base: String,
    /// Only what came after this time; what was deleted since is listed.
    pub since: Option<Timestamp>,
    /// Only these elements of each resource; none: all.
    pub elements: Vec<String>,
    /// The request's address, repeated in the manifest.
    pub request: String,
    /// Parameters that were passed over: the manifest's errors say so.
    pub passed_over: Vec<String>,
}

/// How an export stands.
#[derive(Debug, Clone, PartialEq)]
pub enum ExportState {
    /// Being made.
    Running {
        /// Resources written so far.
        resources: u64,
    },
    /// Ready.
    Complete(ExportManifest),
    /// It could not be made.
    Failed {
        /// Why, and how to mend it.
        why: String,
    },
}

/// A job as its client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// How it stands.
    pub state: ExportState,
    /// The scopes' words at the time it was asked for.
    pub words: PickedWords,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such job, file or group for this client.
    #[error("nothing is there under this address for this client")]
    NotThere,
    /// Another export of the client is being made.
    #[error("an export of this client is being made; wait for it or cancel it")]
    AlreadyRunning,
    /// The request cannot be read.
    #[error(transparent)]
    Unclear(#[from] PickedError),
    /// Too many people are named.
    #[error("too many people are named; export all of them and choose on your side")]
    TooManyPeople,
    /// The disk is too full for another export.
    #[error("there is no room for another export now; cancel an old one or wait until it expires")]
    NoRoom,
    /// The record cannot answer now.
    #[error("the record cannot answer now; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ExportError {
    fn from(cause: StoreError) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

impl From<std::io::Error> for ExportError {
    fn from(cause: std::io::Error) -> Self {
        Self::Unavailable(Box::new(cause))
    }
}

impl From<DisclosureError> for ExportError {
    fn from(cause: DisclosureError) -> Self {
        match cause {
            DisclosureError::NotThere => Self::NotThere,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// Exports of sources. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    holdings: Holdings,
}

impl Exports {
    pub(crate) fn new(holdings: Holdings) -> Self {
        Self { holdings }
    }

    fn store(&self) -> &Arc<dyn Store> {
        &self.holdings.inner.store
    }

    fn bulk(&self) -> &Arc<Bulk> {
        &self.holdings.inner.bulk
    }

    fn directory(&self) -> PathBuf {
        self.holdings.inner.data_directory.join(DIRECTORY)
    }

    /// Begins an export; gives the job's id.
    pub fn begin(&self, caller: &SupplyCaller, ask: &ExportAsk) -> Result<String, ExportError> {
        Picked::read(&ask.words, &ask.base, &self.store().parameters())?;
        let span = self.span(caller, &ask.of)?;
        let now = self.holdings.now();
        let begun = self.bulk().begin_one();
        sweep(&**self.store(), &self.directory(), now)?;
        for (_, job) in self.jobs(caller, now)? {
            if matches!(job.stage, Stage::Running) {
                return Err(ExportError::AlreadyRunning);
            }
        }
        if files::bytes_under(&self.directory())? > self.bulk().limits.most_bytes {
            return Err(ExportError::NoRoom);
        }
        let id =
            crate::uuid::fresh_uuid().map_err(|cause| ExportError::Unavailable(Box::new(cause)))?;
        let job = Job {
            client: caller.client.clone(),
            source: caller.source.clone(),
            asked_at: now,
            request: ask.request.clone(),
            base: ask.base.clone(),
            span,
            words: ask.words.clone(),
            since: ask.since,
            newer_than: self.moment_of(caller, ask.since, now)?,
            elements: ask.elements.clone(),
            passed_over: ask.passed_over.clone(),
            stage: Stage::Running,
        };
        let change = job.keep(&id, now + LONGEST_RUN)?;
        let committed = self.commit(vec![change], asked_entry(caller, now, &id))?;
        self.run(id.clone(), job, (committed, now))?;
        drop(begun);
        Ok(id)
    }

    /// Takes up again what ran when the record was closed, and takes away what no job owns any more.
    pub fn resume(&self) -> Result<(), ExportError> {
        let now = self.holdings.now();
        let begun = self.bulk().begin_one();
        sweep(&**self.store(), &self.directory(), now)?;
        for (id, job) in Job::of_client(&**self.store(), "", now, MOST_JOBS)? {
            if !matches!(job.stage, Stage::Running) || self.bulk().is_running(&id) {
                continue;
            }
            let caller = SupplyCaller {
                client: job.client.clone(),
                source: job.source.clone(),
                request: String::new(),
            };
            let mut entry = asked_entry(&caller, now, &id);
            entry.detail.push_str("; taken up again");
            let moment = self.commit(Vec::new(), entry)?;
            self.run(id, job, (moment, now))?;
        }
        drop(begun);
        Ok(())
    }

    /// Takes away the files of jobs that have expired.
    pub fn sweep(&self) -> Result<(), ExportError> {
        let begun = self.bulk().begin_one();
        sweep(&**self.store(), &self.directory(), self.holdings.now())?;
        drop(begun);
        Ok(())
    }

    fn run(&self, id: String, job: Job, at: (u64, Timestamp)) -> Result<(), ExportError> {
        let maker = produce::Maker {
            store: self.store().clone(),
            clock: self.holdings.inner.clock.clone(),
            directory: self.directory(),
            bulk: Arc::downgrade(self.bulk()),
            id,
            job,
        };
        Ok(self.bulk().run(maker, at)?)
    }

    /// How a job stands.
    pub fn state(&self, caller: &SupplyCaller, id: &str) -> Result<Export, ExportError> {
        let job = self.job(caller, id)?;
        let state = match job.stage {
            Stage::Running => ExportState::Running {
                resources: self.bulk().resources(id),
            },
            Stage::Complete(manifest) => ExportState::Complete(manifest),
            Stage::Failed { why } => ExportState::Failed { why },
        };
        Ok(Export {
            state,
            words: job.words,
        })
    }

    /// Ends a job and takes its files away.
    pub fn cancel(&self, caller: &SupplyCaller, id: &str) -> Result<(), ExportError> {
        let job = self.job(caller, id)?;
        self.bulk().cancel(id);
        let mut entry = asked_entry(caller, self.holdings.now(), id);
        entry.page = "DELETE $export".to_owned();
        self.commit(vec![job.forget(id)], entry)?;
        files::remove(&self.directory().join(id))?;
        Ok(())
    }

    /// One file of a complete job, and the type its lines are of.
    pub fn file(
        &self,
        caller: &SupplyCaller,
        id: &str,
        name: &str,
    ) -> Result<(ExportOutput, ExportFile), ExportError> {
        let Stage::Complete(manifest) = self.job(caller, id)?.stage else {
            return Err(ExportError::NotThere);
        };
        let mut outputs = manifest
            .output
            .into_iter()
            .chain(manifest.deleted)
            .chain(manifest.error);
        let output = outputs.find(|one| one.name == name);
        let output = output.ok_or(ExportError::NotThere)?;
        let mut entry = asked_entry(caller, self.holdings.now(), id);
        entry.page = "GET $export file".to_owned();
        entry.detail = format!(
            "{}; {} lines of {}",
            entry.detail, output.count, output.kind
        );
        self.commit(Vec::new(), entry)?;
        let file = ExportFile::open(&self.directory().join(id), name)?;
        Ok((output, file))
    }

    fn commit(&self, changes: Vec<Change>, entry: Entry) -> Result<u64, ExportError> {
        let committed = self.store().commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(committed.entry)
    }

    fn job(&self, caller: &SupplyCaller, id: &str) -> Result<Job, ExportError> {
        Job::kept(&**self.store(), caller, id, self.holdings.now())?.ok_or(ExportError::NotThere)
    }

    fn jobs(
        &self,
        caller: &SupplyCaller,
        now: Timestamp,
    ) -> Result<Vec<(String, Job)>, ExportError> {
        Ok(Job::of_client(
            &**self.store(),
            &caller.client,
            now,
            MOST_JOBS,
        )?)
    }

    /// The moment of the client's earlier export whose transaction time `since` is: then nothing is
    /// given twice and nothing is missed, whatever the clocks said.
    fn moment_of(
        &self,
        caller: &SupplyCaller,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<u64>, ExportError> {
        match since {
            Some(since) => Ok(job::moment_at(&**self.store(), &caller.client, since, now)?),
            None => Ok(None),
        }
    }

    fn span(&self, caller: &SupplyCaller, of: &ExportOf) -> Result<Span, ExportError> {
        match of {
            ExportOf::System => Ok(Span::Everything),
            ExportOf::Patients(ids) if ids.is_empty() => Ok(Span::AllPeople),
            ExportOf::Patients(ids) => self.people(caller, ids).map(Span::People),
            ExportOf::Group { id, only } => {
                let members = self.members(caller, id)?;
                if only.is_empty() {
                    return Ok(Span::People(members));
                }
                let mut wanted = self.people(caller, only)?;
                wanted.retain(|person| members.contains(person));
                Ok(Span::People(wanted))
            }
        }
    }

    fn people(&self, caller: &SupplyCaller, ids: &[String]) -> Result<Vec<PersonId>, ExportError> {
        if ids.len() > MOST_PEOPLE {
            return Err(ExportError::TooManyPeople);
        }
        let mut people = Vec::with_capacity(ids.len());
        for id in ids {
            let id = id.strip_prefix("Patient/").unwrap_or(id);
            people.push(self.holdings.person(caller, id)?);
        }
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }

    /// The members of a Group that the source sent, by our ids.
    pub fn group_members(
        &self,
        caller: &SupplyCaller,
        id: &str,
    ) -> Result<Vec<String>, ExportError> {
        let members = self.members(caller, id)?;
        Ok(members.iter().map(ToString::to_string).collect())
    }

    /// The people a Group names that the source sent.
    fn members(&self, caller: &SupplyCaller, id: &str) -> Result<Vec<PersonId>, ExportError> {
        let view = caller.view()?;
        let kind = ResourceType::from_name("Group").ok_or(ExportError::NotThere)?;
        let own_key = item_id(&caller.source, kind, id);
        let given = ItemId::parse(id).ok();
        let mut found = None;
        for item in given.into_iter().chain([own_key]) {
            let held = self.store().version_of(None, &view, (kind, item), None)?;
            found = found.or(held.filter(|one| !one.header.deleted));
        }
        let group = found.ok_or(ExportError::NotThere)?;
        let group = Json::parse(&group.body, Limits::default())
            .map_err(|cause| ExportError::Unavailable(Box::new(cause)))?;
        let mut people = Vec::new();
        for member in group.elements("member") {
            let is_over = member.get("inactive").and_then(Json::as_bool) == Some(true);
            let reference = member.text_at(&["entity", "reference"]);
            // A Group is about nobody, so its Patients are kept by the keys the source gave them.
            let key = member.text_at(&["entity", "identifier", "value"]);
            let id = reference
                .and_then(|text| text.strip_prefix("Patient/"))
                .or(key);
            let Some(id) = id.filter(|_| !is_over) else {
                continue;
            };
            // A member who was never sent has nothing to export.
            people.extend(self.holdings.person(caller, id).ok());
        }
        if people.len() > MOST_PEOPLE {
            return Err(ExportError::TooManyPeople);
        }
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }
}

/// An entry about a job: its id stands in it, shortened, so that entries of one job are known.
fn asked_entry(caller: &SupplyCaller, at: Timestamp, id: &str) -> Entry {
    let mut entry = read_entry(caller, at, "GET $export");
    entry.detail = job_words(id);
    entry
}

fn job_words(id: &str) -> String {
    format!("export {}", id.get(..8).unwrap_or(id))
}
