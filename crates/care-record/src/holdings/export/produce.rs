//! Making an export: one walk over what the source sent, line by line into files; then the entries of
//! everybody in it; only then is it complete.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use care_core::access::{Supplier, supplier_view};
use care_core::audit::{Act, Entry, Outcome};
use care_core::fhir::{
    IssueSeverity, Json, Kept, Limits, OutcomeIssue, ResourceType, keep_only, outcome,
};
use care_core::vocabulary::PersonId;
use jiff::Timestamp;

use super::files::{self, Lines};
use super::job::{self, Bulk, ExportManifest, Job, Run, Span, Stage};
use super::job_words;
use crate::clock::Clock;
use crate::disclosure::FhirResource;
use crate::holdings::walk::Walk;
use crate::picked::Picked;
use crate::store::{Commit, Store, StoreError, StoredBody};
use crate::supply::PURPOSE;

/// Entries made durable in one go.
const ENTRIES: usize = 500;
/// Deletions named in one Bundle.
const DELETIONS: usize = 500;

/// What makes one job.
pub(crate) struct Maker {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub directory: PathBuf,
    pub bulk: Weak<Bulk>,
    pub id: String,
    pub job: Job,
}

/// Why a job did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// It was cancelled, or the record closes: nothing is written down.
    #[error("stopped")]
    Stopped,
    /// It takes more room than exports may.
    #[error("the export is too large; ask for fewer types with _type, or for less with _since")]
    TooLarge,
    #[error("the files could not be written")]
    Disk(#[from] std::io::Error),
    #[error("the record did not answer")]
    Store(#[from] StoreError),
    #[error("what was asked for cannot be read any more")]
    Unreadable,
}

impl Maker {
    /// Makes the job as the record was at a moment, and writes down how it ended.
    pub(super) fn make(self, run: &Run, (moment, at): (u64, Timestamp)) {
        let made = self.files(run, moment, at);
        let stage = match made {
            Ok(manifest) => Stage::Complete(manifest),
            Err(Ended::Stopped) => return,
            Err(ended) => {
                tracing::warn!(job = job_words(&self.id), error = %ended, "an export could not be made");
                // What is left of it takes no room; a directory that stays is swept later.
                let _ = files::remove(&self.directory.join(&self.id));
                Stage::Failed {
                    why: ended.to_string(),
                }
            }
        };
        if let Err(error) = self.finish(stage, moment, at) {
            tracing::warn!(job = job_words(&self.id), %error, "the end of an export was not kept; it is made again");
        }
        if let Some(bulk) = self.bulk.upgrade() {
            bulk.ended(&self.id);
        }
    }

    fn finish(&self, stage: Stage, moment: u64, at: Timestamp) -> Result<(), StoreError> {
        let now = self.clock.now();
        let until = match &stage {
            Stage::Complete(manifest) => manifest.expires_at,
            _ => now + job_limits(&self.bulk).kept,
        };
        let mut entry = self.entry(now);
        entry.outcome = match &stage {
            Stage::Failed { .. } => Outcome::Failure,
            _ => Outcome::Success,
        };
        let job = Job {
            stage,
            ..self.job.clone()
        };
        let changes = vec![
            job.keep(&self.id, until)?,
            job::remember(&job.client, at, moment, now),
        ];
        self.store.commit(Commit {
            changes,
            entry,
            more_entries: Vec::new(),
        })?;
        Ok(())
    }

    fn entry(&self, now: Timestamp) -> Entry {
        let mut entry = Entry::new(now, Act::ApiRead, Outcome::Success, self.job.client.clone());
        entry.organisation = self.job.source.as_str().to_owned();
        entry.purpose = PURPOSE.to_owned();
        entry.page = "GET $export".to_owned();
        entry.detail = job_words(&self.id);
        entry
    }

    fn files(&self, run: &Run, moment: u64, at: Timestamp) -> Result<ExportManifest, Ended> {
        let directory = self.directory.join(&self.id);
        files::fresh(&directory)?;
        let supplier = Supplier::configured(&self.job.client, &self.job.source);
        let view = supplier_view(&supplier.ok_or(Ended::Unreadable)?);
        let picked = Picked::read(&self.job.words, &self.job.base, &self.store.parameters());
        let mut lot = Lot {
            maker: self,
            run,
            directory: directory.clone(),
            picked: picked.map_err(|_| Ended::Unreadable)?,
            kept: (!self.job.elements.is_empty())
                .then(|| Kept::Elements(self.job.elements.clone())),
            lines: HashMap::new(),
            people: HashMap::new(),
            deleted: Vec::new(),
        };
        let people = match &self.job.span {
            Span::Everything | Span::AllPeople => vec![None],
            Span::People(people) => people.iter().copied().map(Some).collect(),
        };
        // The moment of an earlier export is exact; a time of the client's own is not.
        let since = self.job.since.filter(|_| self.job.newer_than.is_none());
        for person in people {
            let mut walk = Walk::new(&*self.store, &view, Some(moment))
                .of_person(person)
                .since(since)
                .newer_than(self.job.newer_than);
            while let Some(page) = walk.next_page()? {
                lot.go_on()?;
                for one in page {
                    lot.take(one)?;
                }
            }
        }
        lot.finish(at)
    }
}

fn job_limits(bulk: &Weak<Bulk>) -> super::job::ExportLimits {
    bulk.upgrade().map(|bulk| bulk.limits).unwrap_or_default()
}

/// What one job gathers.
struct Lot<'m> {
    maker: &'m Maker,
    run: &'m Run,
    directory: PathBuf,
    picked: Picked,
    kept: Option<Kept>,
    lines: HashMap<ResourceType, Lines>,
    /// How many items of each person are in it.
    people: HashMap<Option<PersonId>, u64>,
    /// Addresses of what was deleted.
    deleted: Vec<(Option<PersonId>, String)>,
}

impl Lot<'_> {
    /// Errors: it was cancelled, the record closes, or it grew too large.
    fn go_on(&self) -> Result<(), Ended> {
        let bulk = self.maker.bulk.upgrade().ok_or(Ended::Stopped)?;
        if bulk.is_stopped() || self.run.is_cancelled.load(Ordering::Relaxed) {
            return Err(Ended::Stopped);
        }
        let bytes: u64 = self.lines.values().map(Lines::bytes).sum();
        if bytes > bulk.limits.most_bytes {
            return Err(Ended::TooLarge);
        }
        Ok(())
    }

    fn take(&mut self, one: StoredBody) -> Result<(), Ended> {
        let (kind, owner) = (one.header.resource_type, one.owner());
        let is_outside = owner.is_none() && self.maker.job.span != Span::Everything;
        if is_outside || !self.picked.has(kind) {
            return Ok(());
        }
        if one.header.deleted {
            if self.maker.job.since.is_some() {
                let resource = super::super::outgoing(one);
                self.deleted
                    .push((owner, format!("{kind}/{}", resource.id)));
            }
            return Ok(());
        }
        if !self.picked.fits(kind, &one.body, self.maker.clock.now()) {
            return Ok(());
        }
        let resource = super::super::outgoing(one);
        *self.people.entry(owner).or_default() += 1;
        let directory = &self.directory;
        let lines = self
            .lines
            .entry(kind)
            .or_insert_with(|| Lines::new(directory, kind.name(), kind.name()));
        match &self.kept {
            None => lines.push(&resource.body)?,
            Some(kept) => lines.push(&cut(&resource, kept)?)?,
        }
        self.run.resources.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn finish(mut self, at: Timestamp) -> Result<ExportManifest, Ended> {
        let mut output = Vec::new();
        let mut lines: Vec<_> = std::mem::take(&mut self.lines).into_iter().collect();
        lines.sort_by_key(|(kind, _)| kind.name());
        for (_, one) in lines {
            output.extend(one.finish()?);
        }
        let deleted = self.deletions()?;
        let error = self.errors()?;
        self.entries()?;
        self.go_on()?;
        let limits = job_limits(&self.maker.bulk);
        Ok(ExportManifest {
            transaction_time: at,
            request: self.maker.job.request.clone(),
            output,
            deleted,
            error,
            expires_at: self.maker.clock.now() + limits.kept,
        })
    }

    fn deletions(&mut self) -> Result<Vec<super::ExportOutput>, Ended> {
        let mut lines = Lines::new(&self.directory, "Bundle", "deleted");
        for some in self.deleted.chunks(DELETIONS) {
            let entries = some.iter().map(|(_, address)| {
                let request = Json::object([
                    ("method", "DELETE".into()),
                    ("url", address.as_str().into()),
                ]);
                Json::object([("request", request)])
            });
            let bundle = Json::object([
                ("resourceType", "Bundle".into()),
                ("type", "transaction".into()),
                ("entry", Json::Array(entries.collect())),
            ]);
            lines.push(bundle.to_string().as_bytes())?;
        }
        for (owner, _) in &self.deleted {
            self.people.entry(*owner).or_default();
        }
        Ok(lines.finish()?)
    }

    /// What was passed over, for the client to read.
    fn errors(&self) -> Result<Vec<super::ExportOutput>, Ended> {
        let mut lines = Lines::new(&self.directory, "OperationOutcome", "errors");
        for name in &self.maker.job.passed_over {
            let issue = OutcomeIssue {
                severity: IssueSeverity::Warning,
                code: "not-supported",
                details: format!("The parameter {name} was passed over."),
                diagnostics: "Leave it out, or send Prefer: handling=strict to be refused instead."
                    .to_owned(),
                expression: None,
            };
            lines.push(outcome(&[issue]).to_string().as_bytes())?;
        }
        Ok(lines.finish()?)
    }

    /// Everybody in the export reads of it in their own log; durable before a file can be fetched.
    fn entries(&self) -> Result<(), Ended> {
        let now = self.maker.clock.now();
        let mut people: Vec<_> = self.people.iter().collect();
        people.sort();
        for some in people.chunks(ENTRIES) {
            self.go_on()?;
            let mut entries = some.iter().map(|(person, count)| {
                let mut entry = self.maker.entry(now);
                entry.person = **person;
                entry.detail = format!("{}; {count} resources", entry.detail);
                entry
            });
            let Some(entry) = entries.next() else {
                continue;
            };
            self.maker.store.commit(Commit {
                changes: Vec::new(),
                entry,
                more_entries: entries.collect(),
            })?;
        }
        Ok(())
    }
}

/// Part of a resource, marked as a part. What cannot be read does not leave.
fn cut(resource: &FhirResource, kept: &Kept) -> Result<Vec<u8>, Ended> {
    let json = Json::parse(&resource.body, Limits::default());
    let mut json = json.map_err(|_| Ended::Unreadable)?;
    keep_only(&mut json, kept);
    Ok(json.to_string().into_bytes())
}
