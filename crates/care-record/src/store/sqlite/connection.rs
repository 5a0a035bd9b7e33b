//! Opening connections: the settings every one of them has, the schema and its version.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Marks the file as ours: "CCre" in ASCII.
const APPLICATION: i32 = 0x4343_7265;
/// Statements kept ready per connection.
const STATEMENTS: usize = 96;

/// FULL: a commit is on the disk before it is answered.
#[cfg(not(feature = "negative-control"))]
const SYNCHRONOUS: &str = "FULL";
/// Broken on purpose, to see the power-cut test fail; `connect-care --version` says so.
#[cfg(feature = "negative-control")]
const SYNCHRONOUS: &str = "NORMAL";

/// The newest schema this program knows.
pub(crate) fn known_schema() -> u32 {
    migrations::migrations::runner()
        .get_migrations()
        .iter()
        .filter_map(|migration| u32::try_from(migration.version()).ok())
        .max()
        .unwrap_or(0)
}

/// What the file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileHeader {
    /// A new, empty file.
    Empty,
    /// Ours, with this schema.
    Ours { schema: u32 },
    /// Another program's database.
    Foreign,
}

/// Reads the header: application id and schema version.
pub(crate) fn file_header(connection: &Connection) -> rusqlite::Result<FileHeader> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match number("PRAGMA application_id")? {
        APPLICATION => FileHeader::Ours {
            schema: u32::try_from(number("PRAGMA user_version")?).unwrap_or(u32::MAX),
        },
        0 if tables == 0 => FileHeader::Empty,
        _ => FileHeader::Foreign,
    })
}

/// Pages that the writer keeps: the upper levels of its trees, and what a large commit changes.
const WRITER_CACHE_KIB: u32 = 16_384;
/// Pages that a reader keeps. Those of records come by the mapping, of which the system keeps one copy for
/// all; only what is still in the write-ahead log is copied.
const READER_CACHE_KIB: u32 = 2_048;
/// How much of the file is mapped. What lies behind is read.
const MAPPED_BYTES: u64 = 64 << 30;

/// The writing connection. Not for anybody but the writer and for upkeep of a closed store.
pub(crate) fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = 8192;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = {SYNCHRONOUS};
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{WRITER_CACHE_KIB};
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA busy_timeout = 5000;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;"
    ))?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// Statements are planned once: without this the engine plans some of them again whenever another
/// value is bound, which was a twentieth of the cost of a message.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// What a reading connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// A person's items: the file is mapped into memory, so that a whole record is read without copying.
    Records,
    /// A row here and there while deliveries stream in. Not mapped: after every checkpoint the mapping
    /// would be made anew.
    Rows,
}

/// A reading connection: it cannot write.
pub(crate) fn reading(path: &Path, reads: Reads) -> rusqlite::Result<Connection> {
    // Read-write at the level of files, because the shared memory of the write-ahead log needs it;
    // `query_only` keeps statements from writing.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // A page of a mapped file is looked at anew each time it is come by, so to check its cells every
    // time was two fifths of the cost of a search among a million. The writer checks them, and `scrub`.
    let (mapped_bytes, checks) = match reads {
        Reads::Records => (MAPPED_BYTES, "OFF"),
        Reads::Rows => (0, "ON"),
    };
    connection.execute_batch(&format!(
        "PRAGMA query_only = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{READER_CACHE_KIB};
         PRAGMA mmap_size = {mapped_bytes};
         PRAGMA busy_timeout = 5000;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = {checks};"
    ))?;
    keep_plans(&connection)?;
    Ok(connection)
}

/// Brings the schema up to what this program knows and stamps the file. Says how many migrations
/// were applied.
pub(crate) fn migrate(connection: &mut Connection) -> Result<usize, StoreError> {
    let report = migrations::migrations::runner()
        .run(connection)
        .map_err(|error| StoreError::Engine(Box::new(error)))?;
    let stamp = format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {};",
        known_schema()
    );
    connection
        .execute_batch(&stamp)
        .map_err(super::fault::reading)?;
    Ok(report.applied_migrations().len())
}
