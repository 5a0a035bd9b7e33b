//! A job as it is kept, and the jobs that run in this process.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use care_core::vocabulary::{PersonId, SourceCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::files;
use super::produce::Maker;
use crate::picked::PickedWords;
use crate::store::{Change, Store, StoreError};
use crate::supply::SupplyCaller;

/// Where jobs are kept.
const SPACE: &str = "export";
/// Where the moment of each export's transaction time is kept.
const MOMENTS: &str = "export-moment";
/// A transaction time is known for so long.
const MOMENT_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Jobs that are looked at when directories are swept.
const MOST_SWEPT: u32 = 100_000;

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportOutput {
    /// The resource type of its lines.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How many lines it has.
    pub count: u64,
}

/// What a complete export consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportManifest {
    /// The record is given as it was at this time.
    pub transaction_time: Timestamp,
    /// The address it was asked for with.
    pub request: String,
    /// Files of resources.
    pub output: Vec<ExportOutput>,
    /// Files of Bundles that name what was deleted.
    #[serde(default)]
    pub deleted: Vec<ExportOutput>,
    /// Files of OperationOutcomes.
    #[serde(default)]
    pub error: Vec<ExportOutput>,
    /// When the files are taken away.
    pub expires_at: Timestamp,
}

/// Whose items are in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Span {
    /// Everybody's and things about nobody.
    Everything,
    /// Everybody's.
    AllPeople,
    /// Theirs.
    People(#[serde(with = "people")] Vec<PersonId>),
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    Running,
    Complete(ExportManifest),
    Failed { why: String },
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(super) client: String,
    #[serde(with = "code")]
    pub(super) source: SourceCode,
    pub(super) asked_at: Timestamp,
    pub(super) request: String,
    pub(super) base: String,
    pub(super) span: Span,
    pub(super) words: PickedWords,
    pub(super) since: Option<Timestamp>,
    pub(super) newer_than: Option<u64>,
    pub(super) elements: Vec<String>,
    pub(super) passed_over: Vec<String>,
    pub(super) stage: Stage,
}

fn key(client: &str, id: &str) -> String {
    format!("{client}|{id}")
}

fn unreadable(cause: serde_json::Error) -> StoreError {
    StoreError::Engine(Box::new(cause))
}

impl Job {
    /// The change that keeps it.
    pub(super) fn keep(&self, id: &str, until: Timestamp) -> Result<Change, StoreError> {
        Ok(Change::Keep {
            space: SPACE,
            key: key(&self.client, id),
            value: Some(serde_json::to_vec(self).map_err(unreadable)?),
            expires_ms: until.as_millisecond(),
        })
    }

    /// The change that forgets it.
    pub(super) fn forget(&self, id: &str) -> Change {
        Change::Keep {
            space: SPACE,
            key: key(&self.client, id),
            value: None,
            expires_ms: 0,
        }
    }

    /// The client's job of this id.
    pub(super) fn kept(
        store: &dyn Store,
        caller: &SupplyCaller,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let bytes = store.keep_get(SPACE, &key(&caller.client, id), now.as_millisecond())?;
        let job: Option<Self> = bytes
            .map(|bytes| serde_json::from_slice(&bytes).map_err(unreadable))
            .transpose()?;
        Ok(job.filter(|job| job.source == caller.source))
    }

    /// The jobs of a client with their ids; of everybody for an empty name.
    pub(super) fn of_client(
        store: &dyn Store,
        client: &str,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, Self)>, StoreError> {
        let prefix = match client {
            "" => String::new(),
            client => key(client, ""),
        };
        let kept = store.keep_list(SPACE, &prefix, now.as_millisecond(), limit)?;
        let mut jobs = Vec::with_capacity(kept.len());
        for (key, bytes) in kept {
            let id = key.rsplit('|').next().unwrap_or_default().to_owned();
            jobs.push((id, serde_json::from_slice(&bytes).map_err(unreadable)?));
        }
        Ok(jobs)
    }
}

/// The change that remembers which moment a transaction time stands for.
pub(super) fn remember(client: &str, time: Timestamp, moment: u64, now: Timestamp) -> Change {
    Change::Keep {
        space: MOMENTS,
        key: key(client, &time.as_millisecond().to_string()),
        value: Some(moment.to_string().into_bytes()),
        expires_ms: (now + MOMENT_KEPT).as_millisecond(),
    }
}

/// The moment a transaction time of the client stands for.
pub(super) fn moment_at(
    store: &dyn Store,
    client: &str,
    time: Timestamp,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let key = key(client, &time.as_millisecond().to_string());
    let bytes = store.keep_get(MOMENTS, &key, now.as_millisecond())?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()))
}

/// Takes away directories that belong to no job any more.
pub(crate) fn sweep(store: &dyn Store, directory: &Path, now: Timestamp) -> Result<(), StoreError> {
    let engine = |cause: std::io::Error| StoreError::Engine(Box::new(cause));
    let found = files::directories(directory).map_err(engine)?;
    if found.is_empty() {
        return Ok(());
    }
    let jobs = Job::of_client(store, "", now, MOST_SWEPT)?;
    for name in found {
        if !jobs.iter().any(|(id, _)| *id == name) {
            files::remove(&directory.join(name)).map_err(engine)?;
        }
    }
    Ok(())
}

/// How much exports may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExportLimits {
    /// Bytes of all exports on the disk, compressed.
    pub most_bytes: u64,
    /// How long files are kept.
    pub kept: SignedDuration,
}

impl Default for ExportLimits {
    fn default() -> Self {
        Self {
            most_bytes: 16 << 30,
            kept: SignedDuration::from_hours(24),
        }
    }
}

/// A job that is being made here.
#[derive(Default)]
pub(super) struct Run {
    pub resources: AtomicU64,
    pub is_cancelled: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The jobs that run in this process.
#[derive(Default)]
pub(crate) struct Bulk {
    pub limits: ExportLimits,
    runs: Mutex<HashMap<String, Arc<Run>>>,
    beginning: Mutex<()>,
    is_stopped: AtomicBool,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bulk {
    /// Held while a job is begun: of two at once the second sees the first.
    pub(super) fn begin_one(&self) -> MutexGuard<'_, ()> {
        held(&self.beginning)
    }

    /// Whether a job must stop now; it is taken up again when the record opens.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Resources written so far.
    pub(super) fn resources(&self, id: &str) -> u64 {
        held(&self.runs)
            .get(id)
            .map_or(0, |run| run.resources.load(Ordering::Relaxed))
    }

    /// Whether a job is being made here.
    pub(super) fn is_running(&self, id: &str) -> bool {
        held(&self.runs).contains_key(id)
    }

    /// Makes a job in a thread of its own, as the record was at a moment.
    pub(super) fn run(&self, maker: Maker, at: (u64, Timestamp)) -> std::io::Result<()> {
        let run = Arc::new(Run::default());
        let (id, own) = (maker.id.clone(), run.clone());
        let mut runs = held(&self.runs);
        let thread = std::thread::Builder::new()
            .name("export".into())
            .spawn(move || maker.make(&own, at))?;
        *held(&run.thread) = Some(thread);
        runs.insert(id, run);
        Ok(())
    }

    /// Ends a job and waits for its thread.
    pub(super) fn cancel(&self, id: &str) {
        let run = held(&self.runs).remove(id);
        if let Some(run) = run {
            run.is_cancelled.store(true, Ordering::Relaxed);
            join(&run);
        }
    }

    /// A job came to its end.
    pub(super) fn ended(&self, id: &str) {
        held(&self.runs).remove(id);
    }

    /// Stops every job and waits for the threads.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let runs: Vec<Arc<Run>> = held(&self.runs).drain().map(|(_, run)| run).collect();
        runs.iter().for_each(|run| join(run));
    }
}

fn join(run: &Run) {
    let thread = held(&run.thread).take();
    // A thread that panicked has ended as well; its job stays and is made again.
    let _ = thread.map(JoinHandle::join);
}

mod code {
    use care_core::vocabulary::SourceCode;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(code: &SourceCode, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(code.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SourceCode, D::Error> {
        SourceCode::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

mod people {
    use care_core::vocabulary::PersonId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(people: &[PersonId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(people.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PersonId>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let read = texts.iter().map(|text| PersonId::parse(text));
        read.collect::<Result<_, _>>()
            .map_err(serde::de::Error::custom)
    }
}
