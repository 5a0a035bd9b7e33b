//! The record of one data directory: opened once, it hands out the handles; closed, it leaves
//! everything durable.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use care_core::access::Settings;
use care_core::labelling::CodeLists;
use rusqlite::Connection;

use crate::decisions::{self, JournalError, KeptAgain, LaterDecisions};
use crate::jobs::{Indexing, Rounds};
use crate::ledger::{self, Around, Ledger, Log, Publication, SigningKey};
use crate::operations::Operations;
use crate::reviews::watch::Watch;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::connection::ConnectError;
use crate::store::sqlite::connection::{self, FileHeader};
use crate::store::sqlite::{FILE, SqliteStore, Tuning};
use crate::store::{Store, StoreError, Upkeep};
use crate::{Clock, Directory, SystemClock};

/// The lock's name in the data directory: one process writes at a time.
const LOCK: &str = "lock";
/// The journal of decisions in the data directory, where no other place is given.
const DECISIONS: &str = "decisions";

/// Which database holds the record.
#[derive(Clone, Default)]
pub enum Engine {
    /// One file in the data directory: nothing to install or to run.
    #[default]
    Sqlite,
    /// A PostgreSQL database. The data directory then holds the keys alone.
    Postgres {
        /// `host=/run/postgresql user=care dbname=care` or `postgresql://user@localhost/name`: a socket or
        /// this machine; another machine with `sslmode=verify-full` and `sslrootcert`.
        address: String,
        /// The user's password, where the server asks for one.
        password: Option<String>,
    },
}

/// What a record needs to open.
#[derive(Clone)]
pub struct Options {
    /// Which database holds the record.
    pub engine: Engine,
    /// The data directory; made when absent.
    pub directory: PathBuf,
    /// Who tells the time.
    pub clock: Arc<dyn Clock>,
    /// The organisations that take part.
    pub registry: Directory,
    /// Which codes and words make an item sensitive.
    pub code_lists: CodeLists,
    /// By which rules FHIR is validated, and with what consequence for each source.
    pub validation: crate::FeedValidation,
    /// Where the journal of decisions is kept, best on another disk; `None`: in the data directory.
    pub decisions: Option<PathBuf>,
    /// What happens with decisions that are later than the record, after a restore.
    pub later_decisions: LaterDecisions,
    /// Where signed checkpoints are copied, outside the data directory.
    pub witness: Option<PathBuf>,
    /// Where else the audit log is published, and who signs it too.
    pub publication: Publication,
    /// The settings of the access rules.
    pub settings: Settings,
    /// What the deployment decided about parents and young people.
    pub proxies: crate::ProxyPolicy,
    /// The key that signs the audit log's checkpoints; `None`: the data directory's own.
    pub signing_key: Option<SigningKey>,
    /// Which group of the staff directory stands for which role.
    pub group_roles: Vec<(String, crate::StaffRole)>,
    /// What the deployment decided about the check for national data opt-outs.
    pub opt_out: crate::OptOutSettings,
    /// Stop users who try NHS numbers one after another. Off for measuring only.
    pub throttle: bool,
    /// Follow the log and open cases for looks that a rule of review speaks of. Off for measuring only.
    pub watch: bool,
    /// The settings of the rules that say which looks are looked at again.
    pub review: care_core::review::Settings,
    /// The secret that pseudonyms and certificates follow from; `None`: the data directory's own.
    pub release_secret: Option<[u8; 32]>,
    /// Bytes held back for the audit entries of reads when the disk is full. 0: none.
    pub reserve_bytes: u64,
}

impl Options {
    /// The data directory with the machine's clock, nobody taking part, no witness and a reserve of
    /// 16 MB.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            engine: Engine::default(),
            directory: directory.into(),
            clock: Arc::new(SystemClock),
            registry: Directory::default(),
            validation: crate::FeedValidation::off(),
            code_lists: CodeLists::shipped().clone(),
            decisions: None,
            later_decisions: LaterDecisions::default(),
            witness: None,
            publication: Publication::default(),
            settings: Settings::default(),
            proxies: crate::ProxyPolicy::default(),
            signing_key: None,
            throttle: true,
            watch: true,
            review: care_core::review::Settings::default(),
            group_roles: Vec::new(),
            opt_out: crate::OptOutSettings::default(),
            release_secret: None,
            reserve_bytes: Tuning::default().reserve_bytes,
        }
    }
}

/// Why a record did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made or used.
    #[error(
        "the data directory {directory} cannot be used; check that it exists and may be written"
    )]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Another process has it open.
    #[error("the data directory {0} is in use by another connect-care; stop that one first")]
    InUse(PathBuf),
    /// The file belongs to something else.
    #[error("{0} is not a Connect Care record; give another data directory")]
    Foreign(PathBuf),
    /// The file was written by a newer program.
    #[error(
        "this record has schema {found} and this connect-care knows {known}; \
         use a connect-care at least as new as the one that wrote it"
    )]
    NewerSchema {
        /// In the file.
        found: u32,
        /// In this program.
        known: u32,
    },
    /// The address of the PostgreSQL database is none.
    #[error(
        "the address of the PostgreSQL database cannot be read; write it as \
         host=/run/postgresql user=care dbname=care"
    )]
    Address,
    /// TLS to the PostgreSQL database cannot be set up.
    #[error("TLS to the PostgreSQL database cannot be set up: {said}")]
    Tls {
        /// What is wrong, and what to write.
        said: String,
    },
    /// The tables are to be spread, and nothing is there to spread them.
    #[error(
        "this PostgreSQL database has no Citus extension; install it on every machine and run \
         CREATE EXTENSION citus, or leave the tables where they are"
    )]
    NoCitus,
    /// The PostgreSQL database is on another machine, and the address asks for no TLS.
    #[error(
        "the PostgreSQL database is on another machine, where records would cross the network \
         unprotected; add sslmode=verify-full and sslrootcert=FILE to its address"
    )]
    Unprotected,
    /// The PostgreSQL server does not answer or does not let us in.
    #[error(
        "the PostgreSQL database did not answer ({said}); check its address, that it runs, and that \
         this user may connect and make tables"
    )]
    Unreachable {
        /// What it or the network said; no values.
        said: String,
    },
    /// Another process writes to the PostgreSQL database.
    #[error("this PostgreSQL database is in use by another connect-care; stop that one first")]
    DatabaseInUse,
    /// The PostgreSQL database holds something else.
    #[error("this PostgreSQL database holds another program's tables; give an empty one")]
    ForeignDatabase,
    /// The record is older than the decisions in its journal.
    #[error(
        "this record is older than its journal of decisions in {place}: {count} choices, labels and other \
         decisions came after it, and nobody may look before they hold again; run `connect-care store replay`"
    )]
    LaterDecisions {
        /// The journal's directory.
        place: PathBuf,
        /// How many.
        count: u64,
    },
    /// The record has a journal of decisions, and it is not there.
    #[error(
        "the journal of decisions of this record is not in {0}, so nobody knows which choices and labels \
         are missing; bring it back, or say `connect-care store replay --without-later-choices`"
    )]
    NoDecisions(PathBuf),
    /// The journal of another record.
    #[error(
        "the journal of decisions in {0} belongs to another record; give this record's own directory"
    )]
    OtherDecisions(PathBuf),
    /// The journal of decisions cannot be used.
    #[error(
        "the journal of decisions cannot be used; check who may read and write it, that no other \
         connect-care has it, and the space"
    )]
    Decisions(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine did not open it.
    #[error("the record did not open; run `connect-care store check`, or restore a backup")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ConnectError> for OpenError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::NewerSchema { found, known } => Self::NewerSchema { found, known },
            ConnectError::InUse => Self::DatabaseInUse,
            ConnectError::Foreign => Self::ForeignDatabase,
            ConnectError::Address => Self::Address,
            ConnectError::Unprotected => Self::Unprotected,
            ConnectError::Tls(said) => Self::Tls { said },
            ConnectError::NoCitus => Self::NoCitus,
            ConnectError::Unreachable(said) => Self::Unreachable { said },
            ConnectError::Schema(cause) => Self::Engine(cause),
            ConnectError::Store(error) => error.into(),
        }
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        Self::Decisions(Box::new(error))
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// What the rooms share.
pub(crate) struct Inner {
    /// The store, by its trait.
    pub store: Arc<dyn Store>,
    /// The only clock.
    pub clock: Arc<dyn Clock>,
    /// Who takes part.
    pub directory: Directory,
    /// The one intake: its lanes are shared by every clone.
    pub intake: crate::Intake,
    /// The one maker of opt-out checks: its rows are changed by one at a time.
    pub opt_out: crate::OptOutChecks,
    /// What pseudonyms and certificates of releases follow from.
    pub release_secret: care_core::release::ReleaseSecret,
    /// The settings of the access rules.
    pub settings: Settings,
    /// Who may sign in, in which roles.
    pub staff: crate::Staff,
    /// What the deployment decided about parents and young people.
    pub proxies: crate::ProxyPolicy,
    /// The settings of the review rules.
    pub review: care_core::review::Settings,
    /// Users who try NHS numbers one after another are stopped.
    pub throttle: bool,
    /// NHS numbers that users tried.
    pub tries: crate::disclosure::tries::Tries,
    /// The engine itself, for upkeep.
    pub engine: Arc<dyn Upkeep>,
    /// The audit log's signed states.
    pub log: Arc<Log>,
    /// What each read pays for.
    pub timings: crate::timings::Timings,
    /// Exports that are being made.
    pub bulk: Arc<crate::holdings::export::Bulk>,
    /// Where it all lies.
    pub data_directory: PathBuf,
    /// What became of decisions that were later than the record.
    pub replayed: KeptAgain,
    rounds: Rounds,
    indexing: Indexing,
    watch: Option<Watch>,
    /// Held as long as anything of the record is.
    _lock: File,
}

impl Inner {
    /// Closing a second time does nothing.
    fn close(&self) {
        if let Some(watch) = &self.watch {
            watch.stop();
        }
        self.bulk.stop();
        self.rounds.stop();
        self.indexing.stop();
        match self.log.checkpoint() {
            Ok(_) | Err(StoreError::Closed) => {}
            Err(error) => tracing::error!(%error, "the audit log was not signed at the close"),
        }
        self.engine.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// An open record. Cheap to clone; the last clone to go closes it.
#[derive(Clone)]
pub struct Record {
    inner: Arc<Inner>,
}

impl Record {
    /// Opens the record of a data directory, making or migrating it where needed.
    ///
    /// Errors: see [`OpenError`]; nothing is changed when it refuses.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let unusable = |cause| OpenError::Directory {
            directory: options.directory.clone(),
            cause,
        };
        fs::create_dir_all(&options.directory).map_err(unusable)?;
        let lock = lock(&options.directory)?;
        let key = ledger::signing_key(&options.directory, options.signing_key.clone());
        let key = key.map_err(unusable)?;
        let release_secret =
            crate::release::load_secret(&options.directory, options.release_secret);
        let release_secret = release_secret.map_err(unusable)?;
        let engine = open_engine(&options)?;
        let journal = options.decisions.clone();
        let journal = journal.unwrap_or_else(|| options.directory.join(DECISIONS));
        let later = options.later_decisions;
        let replayed = decisions::take_up(&engine, &journal, later, &*options.clock)?;
        let intake = crate::Intake::new(
            engine.clone(),
            options.clock.clone(),
            options.registry.clone(),
            options.code_lists,
            options.validation,
        );
        let around = Around {
            directory: options.directory.clone(),
            clock: options.clock.clone(),
            witness: options.witness,
            publication: options.publication,
        };
        let log = Log::open(engine.clone(), &key, around)?;
        let log = Arc::new(log);
        let opt_out =
            crate::OptOutChecks::new(engine.clone(), options.clock.clone(), options.opt_out);
        let staff =
            crate::Staff::open(engine.clone(), options.clock.clone(), &options.group_roles)?;
        let rounds = Rounds::start(engine.clone(), log.clone(), options.clock.clone());
        let rounds = rounds.map_err(|error| OpenError::Engine(Box::new(error)))?;
        let indexing = Indexing::start(engine.clone());
        let indexing = indexing.map_err(|error| OpenError::Engine(Box::new(error)))?;
        let watch = if options.watch {
            let (store, clock) = (engine.clone(), options.clock.clone());
            let sources = options.registry.sources().iter();
            let systems = sources.flat_map(|source| source.feeds.clone()).collect();
            let watch = Watch::start(store, clock, options.review.clone(), systems);
            Some(watch.map_err(|error| OpenError::Engine(Box::new(error)))?)
        } else {
            None
        };
        Ok(Self {
            inner: Arc::new(Inner {
                intake,
                opt_out,
                store: engine.clone(),
                clock: options.clock,
                directory: options.registry,
                settings: options.settings,
                review: options.review,
                throttle: options.throttle,
                tries: Default::default(),
                release_secret,
                staff,
                proxies: options.proxies,
                engine,
                log,
                timings: crate::timings::Timings::default(),
                bulk: Arc::default(),
                data_directory: options.directory,
                replayed,
                rounds,
                indexing,
                watch,
                _lock: lock,
            }),
        })
    }

    /// Signs the log, writes what waits, empties the write-ahead log and closes. Handles that are still
    /// held answer with an error from now on.
    pub fn close(&self) {
        self.inner.close();
    }

    /// The audit log's checkpoints.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(self.inner.log.clone())
    }

    /// The store's upkeep.
    pub fn operations(&self) -> Operations {
        Operations::new(self.inner.clone())
    }

    /// Sign-in sessions.
    pub fn sessions(&self) -> crate::Sessions {
        crate::Sessions::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// Subscriptions of sources. Made once for a process: its changes wait for one another.
    pub fn subscriptions(&self) -> crate::Subscriptions {
        crate::Subscriptions::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// The staff directory.
    pub fn staff(&self) -> crate::Staff {
        self.inner.staff.clone()
    }

    /// Takes deliveries in.
    pub fn intake(&self) -> crate::Intake {
        self.inner.intake.clone()
    }

    /// The door to what is held.
    pub fn disclosure(&self) -> crate::Disclosure {
        crate::Disclosure::new(self.inner.clone())
    }

    /// What a source reads back.
    pub fn supply(&self) -> crate::Supply {
        crate::Supply::new(self.inner.clone())
    }

    /// What a source holds here, for its own operations.
    pub fn holdings(&self) -> crate::Holdings {
        crate::Holdings::new(self.inner.clone())
    }

    /// Bulk exports of sources.
    pub fn exports(&self) -> crate::Exports {
        crate::Exports::new(self.holdings())
    }

    /// Decides whose records are one person's.
    pub fn identity(&self) -> crate::Identity {
        crate::Identity::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// Records what people decided about sharing.
    pub fn choices(&self) -> crate::Choices {
        crate::Choices::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// Numbers about how the record is used.
    pub fn figures(&self) -> crate::Figures {
        crate::Figures::new(self.inner.store.clone())
    }

    /// What is sealed, for those who keep an eye on seals.
    pub fn seals(&self) -> crate::Seals {
        crate::Seals::new(self.inner.clone())
    }

    /// Orders of leaflets and forms.
    pub fn orders(&self) -> crate::Orders {
        crate::Orders::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// How the service did.
    pub fn service_log(&self) -> crate::ServiceLog {
        crate::ServiceLog::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// Search parameters of the deployment's own.
    pub fn search_parameters(&self) -> crate::SearchParameters {
        crate::SearchParameters::new(self.inner.clone())
    }

    /// Cases that people work on.
    pub fn casework(&self) -> crate::Casework {
        crate::Casework::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// Messages to people, and how they want them.
    pub fn messages(&self) -> crate::Messages {
        crate::Messages::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// Who acts for whom.
    pub fn proxies(&self) -> crate::Proxies {
        crate::Proxies::new(self.inner.clone())
    }

    /// The check for national data opt-outs.
    pub fn opt_out_check(&self) -> crate::OptOutChecks {
        self.inner.opt_out.clone()
    }

    /// Disclosures in exceptional circumstances.
    pub fn exceptional(&self) -> crate::Exceptional {
        crate::Exceptional::new(self.inner.clone())
    }

    /// Looks at records that somebody looks at again.
    pub fn reviews(&self) -> crate::Reviews {
        crate::Reviews::new(self.inner.clone())
    }

    /// Data that leaves for planning, research or the law.
    pub fn releases(&self) -> crate::Releases {
        self.releases_with(Arc::new(self.opt_out_check()))
    }

    /// The same, with opt-out checks from elsewhere.
    pub fn releases_with(&self, answers: Arc<dyn crate::OptOutAnswers>) -> crate::Releases {
        let settings = care_core::secondary_use::Settings {
            check_max_age_days: self.inner.opt_out.settings().max_age_days,
        };
        crate::Releases::new(self.inner.clone(), answers, settings)
    }

    /// What a person must look at.
    pub fn worklists(&self) -> crate::Worklists {
        crate::Worklists::new(self.inner.store.clone(), self.inner.clock.clone())
    }

    /// What the rooms share.
    #[allow(dead_code)] // Each room's accessor uses it.
    pub(crate) fn inner(&self) -> Arc<Inner> {
        self.inner.clone()
    }
}

/// Takes the lock of a data directory.
pub(crate) fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK);
    let unusable = |cause| OpenError::Directory {
        directory: directory.to_owned(),
        cause,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

/// Opens the engine that the options name, with its schema up to date.
fn open_engine(options: &Options) -> Result<Arc<dyn Upkeep>, OpenError> {
    let tuning = Tuning {
        reserve_bytes: options.reserve_bytes,
        ..Tuning::default()
    };
    if let Engine::Postgres { address, password } = &options.engine {
        let store = PostgresStore::open(address, password.as_deref(), tuning.readers)?;
        return Ok(Arc::new(store));
    }
    let (connection, _) = open_database(&options.directory.join(FILE))?;
    let store = SqliteStore::open(&options.directory, connection, &tuning)?;
    Ok(Arc::new(store))
}

/// Opens the database for writing with its schema up to date, or refuses. Also gives how many
/// migrations were applied.
pub(crate) fn open_database(path: &Path) -> Result<(Connection, usize), OpenError> {
    let engine = |error: rusqlite::Error| OpenError::Engine(Box::new(error));
    // The header is read before anything is set, so that a foreign or newer file stays as it is.
    let look = Connection::open(path).map_err(engine)?;
    match connection::file_header(&look).map_err(engine)? {
        FileHeader::Foreign => return Err(OpenError::Foreign(path.to_owned())),
        FileHeader::Ours { schema } if schema > connection::known_schema() => {
            return Err(OpenError::NewerSchema {
                found: schema,
                known: connection::known_schema(),
            });
        }
        FileHeader::Empty | FileHeader::Ours { .. } => drop(look),
    }
    let mut connection = connection::writing(path).map_err(engine)?;
    let applied = connection::migrate(&mut connection)?;
    Ok((connection, applied))
}
