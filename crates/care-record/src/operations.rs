//! The store's upkeep, for the operator: health, scrub, backup, restore, migration, compaction.
//!
//! The commands that work on a closed record take its lock first, so they never meet a running one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use care_core::audit::{Act, Entry, Outcome};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::decisions::KeptAgain;
use crate::jobs;
use crate::ledger::{self, LedgerError, LedgerStatus, VerifyReport};
use crate::record::{self, Inner, OpenError};
use crate::store::postgres;
use crate::store::sqlite::connection::Reads;
use crate::store::sqlite::scrub::scrub;
use crate::store::sqlite::{FILE, connection, load_dictionaries};
use crate::store::{Codec, Commit, StoreError, StoreHealth};

pub use crate::store::CheckReport;

/// How the record does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The engine's name.
    pub engine: &'static str,
    /// Deliveries can be kept.
    pub writable: bool,
    /// The disk is full: an alarm.
    pub disk_full: bool,
    /// Only the entries of reads are written, on the reserve: it will not last.
    pub on_reserve: bool,
    /// Bytes that are still free where the data directory lies; `None` where that cannot be known.
    pub free_bytes: Option<u64>,
    /// Little is free: an alarm before the disk is full.
    pub disk_low: bool,
    /// Bytes of the database.
    pub database_bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
    /// Current items.
    pub items: u64,
    /// People.
    pub people: u64,
    /// How far the audit log is signed and witnessed.
    pub ledger: LedgerStatus,
    /// Share of the database's pages that are empty, in per cent; from 25 a compaction pays.
    pub empty_percent: u64,
    /// Work on the search index that is not done.
    pub indexing: Vec<Indexing>,
}

/// A piece of work on the search index: items from before the index, or a search parameter that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexing {
    /// The address of the search parameter; empty: the index as a whole, and searches across people wait
    /// for it.
    pub about: String,
    /// Items done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Why upkeep could not be done.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The record cannot be opened or is in use.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store did not do it.
    #[error("the store did not do it; nothing was changed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file cannot be used.
    #[error("{place} cannot be used; check the path, who may write there, and the space")]
    File {
        /// Which.
        place: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The record lies in PostgreSQL, which has its own tools for this.
    #[error(
        "this record lies in PostgreSQL: back it up with pg_dump or pgBackRest, and copy the keys of \
         the data directory beside it"
    )]
    ServersOwn,
    /// One of PostgreSQL's own programs did not do it.
    #[error(
        "{name} did not do it ({said}); install PostgreSQL's client programs of the server's version, \
             and give an empty database to restore into"
    )]
    ServersProgram {
        /// Which.
        name: &'static str,
        /// What it said first.
        said: String,
    },
    /// The target holds a record already.
    #[error("{0} already holds a record; give an empty directory")]
    Occupied(PathBuf),
    /// What was copied is not what was there.
    #[error("the copy in {place} does not pass its check ({finding}); keep the original")]
    BadCopy {
        /// Where.
        place: PathBuf,
        /// The first finding.
        finding: String,
    },
    /// The audit log could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<StoreError> for UpkeepError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<rusqlite::Error> for UpkeepError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

/// Upkeep of an open record.
#[derive(Clone)]
pub struct Operations {
    inner: Arc<Inner>,
}

impl Operations {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// How the record does.
    pub fn health(&self) -> Result<Health, UpkeepError> {
        let held: StoreHealth = self.inner.store.health()?;
        let (free_bytes, disk_low) = room(&self.inner.data_directory);
        Ok(Health {
            free_bytes,
            disk_low,
            engine: held.engine,
            writable: held.writable,
            disk_full: held.disk_full,
            on_reserve: held.on_reserve,
            database_bytes: held.database_bytes,
            log_bytes: held.log_bytes,
            items: held.items,
            people: held.people,
            ledger: self.inner.log.status()?,
            empty_percent: self.inner.engine.empty_percent()?,
            indexing: self.indexing()?,
        })
    }

    fn indexing(&self) -> Result<Vec<Indexing>, StoreError> {
        let work = self.inner.engine.index_work()?.into_iter();
        let work = work.map(|work| Indexing {
            about: work.about,
            done: work.done,
            total: work.total,
        });
        Ok(work.collect())
    }

    /// Makes the search index anew, and tells `progress` how many items of how many are in it. What is left in
    /// it of versions that passed goes. Recorded as an act of `who`. Gives the number of items.
    pub fn reindex(
        &self,
        who: &str,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<u64, UpkeepError> {
        let mut entry = Entry::new(self.inner.clock.now(), Act::Admin, Outcome::Success, who);
        entry.detail = "reindex".to_owned();
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        })?;
        self.inner.engine.index_again()?;
        // The record's own thread does it; here it is only watched.
        let mut items = 0;
        while let Some(work) = self.indexing()?.iter().find(|work| work.about.is_empty()) {
            items = work.total;
            progress(work.done, work.total);
            std::thread::sleep(WATCH);
        }
        Ok(items)
    }

    /// What became of decisions that were later than the record when it opened.
    pub fn replayed(&self) -> KeptAgain {
        self.inner.replayed
    }

    /// What reads pay for decision and entry, as Prometheus text.
    pub fn timings(&self) -> String {
        let timings = &self.inner.timings;
        [
            ("access_decision_seconds", &timings.decision),
            (
                "access_facts_and_decision_seconds",
                &timings.facts_and_decision,
            ),
            ("audit_entry_seconds", &timings.entry),
        ]
        .map(|(name, histogram)| histogram.text(&format!("connect_care_{name}")))
        .concat()
    }

    /// Reads everything and compares it with its digests. The record goes on meanwhile.
    pub fn check(&self) -> Result<CheckReport, UpkeepError> {
        Ok(self.inner.engine.check()?)
    }

    /// Copies the record to an empty directory while it runs, and checks the copy: the audit log of
    /// the copy fits its signed checkpoint. The signing key is copied too, so keep the backup as safe
    /// as the record. Recorded as an act of `who`.
    pub fn backup(&self, to: &Path, who: &str) -> Result<VerifyReport, UpkeepError> {
        if self.inner.store.health()?.engine != "sqlite" {
            return Err(UpkeepError::ServersOwn);
        }
        let mut entry = Entry::new(self.inner.clock.now(), Act::Admin, Outcome::Success, who);
        entry.detail = "backup".to_owned();
        self.inner.store.commit(Commit {
            changes: Vec::new(),
            entry,
            more_entries: Vec::new(),
        })?;
        self.inner.log.checkpoint()?;
        backup(&self.inner.data_directory, to)
    }

    /// Trains compression dictionaries for kinds that have at least `enough` bodies and none yet;
    /// gives how many were made. Runs by itself every five minutes with 1,000.
    pub fn train_dictionaries(&self, enough: u32) -> Result<usize, UpkeepError> {
        Ok(jobs::train(&*self.inner.engine, enough)?)
    }

    /// Gives empty pages back to the file system. Nothing is written meanwhile.
    pub fn compact(&self) -> Result<(), UpkeepError> {
        Ok(self.inner.engine.compact()?)
    }
}

/// Between two looks at a job that is watched.
const WATCH: std::time::Duration = std::time::Duration::from_millis(200);

/// Free bytes below which the operator is told, before anything is refused.
const LOW_BYTES: u64 = 1 << 30;
/// The same as a share of the disk, in per cent.
const LOW_PERCENT: u64 = 5;

/// How much is free where a directory lies, and whether that is little.
fn room(directory: &Path) -> (Option<u64>, bool) {
    let Ok(disk) = rustix::fs::statvfs(directory) else {
        return (None, false);
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let whole = disk.f_blocks.saturating_mul(disk.f_frsize);
    // On a small disk a gibibyte would be an alarm for ever.
    let low = free < whole / 100 * LOW_PERCENT || free < LOW_BYTES.min(whole / 4);
    (Some(free), low)
}

/// Checks a record that is not running: pages, seals, digests, counts.
pub fn check(directory: &Path) -> Result<CheckReport, UpkeepError> {
    let (connection, codec) = open_to_read(directory)?;
    Ok(scrub(&connection, &codec)?)
}

/// Brings a record that is not running up to this program's schema; gives how many migrations were
/// applied.
pub fn migrate(directory: &Path) -> Result<usize, UpkeepError> {
    let _lock = record::lock(directory)?;
    let (_, applied) = record::open_database(&directory.join(FILE))?;
    Ok(applied)
}

/// The calls that spread the tables over the machines of a Citus cluster.
pub fn distribution() -> Vec<String> {
    let calls = postgres::distribute::calls();
    calls.into_iter().map(|(_, call)| call).collect()
}

/// Makes those calls that were not made yet, on a record that is not running; gives them.
pub fn distribute(address: &str, password: Option<&str>) -> Result<Vec<String>, UpkeepError> {
    postgres::distribute::distribute(address, password)
        .map_err(|error| UpkeepError::Open(error.into()))
}

/// The database's copy in a backup of a record in PostgreSQL.
const DUMP: &str = "record.dump";

/// Copies a record that lies in PostgreSQL with `pg_dump`, and its keys, into an empty directory.
///
/// Errors: no `pg_dump` here, or it failed; nothing is left then.
pub fn dump(
    address: &str,
    password: Option<&str>,
    directory: &Path,
    to: &Path,
) -> Result<(), UpkeepError> {
    let file = |place: &Path| {
        let place = place.to_owned();
        move |cause| UpkeepError::File { place, cause }
    };
    fs::create_dir_all(to).map_err(file(to))?;
    let target = to.join(DUMP);
    if target.exists() {
        return Err(UpkeepError::Occupied(to.to_owned()));
    }
    let half = to.join("record.dump.part");
    let mut dump = Command::new("pg_dump");
    dump.args(["--format=custom", "--no-owner", "--file"])
        .arg(&half);
    servers_program(dump, "pg_dump", address, password)?;
    // What can be listed is whole: the list stands at the end.
    let mut list = Command::new("pg_restore");
    list.arg("--list").arg(&half);
    servers_program(list, "pg_restore", "", None)?;
    File::open(&half)
        .and_then(|file| file.sync_all())
        .map_err(file(&half))?;
    fs::rename(&half, &target).map_err(file(&target))?;
    ledger::copy_keys(directory, to).map_err(file(to))?;
    crate::release::copy_secret(directory, to).map_err(file(to))?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(file(to))
}

/// Puts such a copy into an empty database, in one transaction, and its keys into the data directory.
pub fn restore_dump(
    backup_directory: &Path,
    address: &str,
    password: Option<&str>,
    directory: &Path,
) -> Result<(), UpkeepError> {
    let file = |place: &Path| {
        let place = place.to_owned();
        move |cause| UpkeepError::File { place, cause }
    };
    let dump = backup_directory.join(DUMP);
    fs::metadata(&dump).map_err(file(&dump))?;
    fs::create_dir_all(directory).map_err(file(directory))?;
    let _lock = record::lock(directory)?;
    // Keys first: where another record's stand in their place, the database is left alone.
    ledger::copy_keys(backup_directory, directory).map_err(file(directory))?;
    crate::release::copy_secret(backup_directory, directory).map_err(file(directory))?;
    let mut restore = Command::new("pg_restore");
    restore
        .args(["--single-transaction", "--exit-on-error", "--no-owner"])
        .arg(&dump);
    servers_program(restore, "pg_restore", address, password)
}

/// Runs one of PostgreSQL's own programs. What it says may hold values, so only its first words are told.
fn servers_program(
    mut program: Command,
    name: &'static str,
    address: &str,
    password: Option<&str>,
) -> Result<(), UpkeepError> {
    if !address.is_empty() {
        program.arg("--dbname").arg(address);
    }
    if let Some(password) = password {
        program.env("PGPASSWORD", password);
    }
    let failed = |said: String| UpkeepError::ServersProgram { name, said };
    let done = program
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.lines().next().unwrap_or_default();
    Err(failed(said.chars().take(200).collect()))
}

/// Copies a record to an empty directory beside the service that runs on it, as of one moment, and checks the
/// copy. Another process's log cannot be written to, so it does not name this copy.
pub fn backup_beside(directory: &Path, to: &Path) -> Result<VerifyReport, UpkeepError> {
    backup(directory, to)
}

/// Puts a backup, once it passed its checks, into an empty data directory.
pub fn restore(backup_directory: &Path, directory: &Path) -> Result<VerifyReport, UpkeepError> {
    refuse_damaged(backup_directory)?;
    backup(backup_directory, directory)
}

fn refuse_damaged(directory: &Path) -> Result<(), UpkeepError> {
    let report = check(directory)?;
    match report.damage.first() {
        None => Ok(()),
        Some(finding) => Err(UpkeepError::BadCopy {
            place: directory.to_owned(),
            finding: finding.clone(),
        }),
    }
}

fn open_to_read(directory: &Path) -> Result<(Connection, Codec), UpkeepError> {
    let path = directory.join(FILE);
    fs::metadata(&path).map_err(|cause| UpkeepError::File {
        place: path.clone(),
        cause,
    })?;
    let connection = connection::reading(&path, Reads::Records)?;
    let codec = Codec::default();
    load_dictionaries(&connection, &codec)?;
    Ok((connection, codec))
}

/// Copies the database in one read transaction, then the keys, then checks the copy's log.
fn backup(from: &Path, to: &Path) -> Result<VerifyReport, UpkeepError> {
    let file = |place: &Path| {
        let place = place.to_owned();
        move |cause| UpkeepError::File { place, cause }
    };
    fs::create_dir_all(to).map_err(file(to))?;
    let target = to.join(FILE);
    if target.exists() {
        return Err(UpkeepError::Occupied(to.to_owned()));
    }
    let source = connection::reading(&from.join(FILE), Reads::Records)?;
    {
        let mut copy = Connection::open(&target)?;
        Backup::new(&source, &mut copy)?.step(-1)?;
    }
    File::open(&target)
        .and_then(|file| file.sync_all())
        .map_err(file(&target))?;
    ledger::copy_keys(from, to).map_err(file(to))?;
    crate::release::copy_secret(from, to).map_err(file(to))?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(file(to))?;
    let report = ledger::verify(to, None)?;
    match report.findings.first() {
        None => Ok(report),
        Some(finding) => Err(UpkeepError::BadCopy {
            place: to.to_owned(),
            finding: finding.to_string(),
        }),
    }
}
