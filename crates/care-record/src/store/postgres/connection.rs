//! Opening a database: the schema and its version, and the one writer's claim on it.

use std::net::IpAddr;
use std::time::Duration;

use futures_executor::block_on;
use tokio::runtime::Handle;
use tokio_postgres::Error;
use tokio_postgres::config::Host;

use super::address::Address;
use super::fault::{is_missing, words};
use super::link::{Link, Use};
use super::row::{get, int};
use super::sql;
use crate::store::body::Codec;
use crate::store::{StoreError, postgres::joins::Joins};

mod migrations {
    refinery::embed_migrations!("migrations/postgres");
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the address of the PostgreSQL database cannot be read")]
    Address,
    #[error("TLS to the PostgreSQL database cannot be set up: {0}")]
    Tls(String),
    #[error("the Citus extension is not in this database")]
    NoCitus,
    #[error("the PostgreSQL database is on another machine")]
    Unprotected,
    #[error("the PostgreSQL database did not answer: {0}")]
    Unreachable(String),
    #[error("another connect-care writes to this database")]
    InUse,
    #[error("this database holds tables of another program")]
    Foreign,
    #[error("the database has schema {found}, this program knows {known}")]
    NewerSchema { found: u32, known: u32 },
    #[error("the database did not take the schema")]
    Schema(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::Unreachable(words(&error))
    }
}

/// Times the claim is asked for, and the pause between: a session that has just died may hold it still.
const CLAIMS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// The newest schema this program knows.
pub(crate) fn known_schema() -> u32 {
    migrations::migrations::runner()
        .get_migrations()
        .iter()
        .filter_map(|migration| u32::try_from(migration.version()).ok())
        .max()
        .unwrap_or(0)
}

/// Records cross no network unprotected: without TLS, a socket or this machine only.
pub(super) fn refuse_unprotected(address: &Address) -> Result<(), ConnectError> {
    if address.tls.is_some() {
        return Ok(());
    }
    let config = &address.config;
    let here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    };
    let near = config.get_hosts().iter().all(here)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    near.then_some(()).ok_or(ConnectError::Unprotected)
}

/// The writing connection: claimed, with the schema up to date. Also gives how many migrations were
/// applied.
pub(super) fn writing(runtime: &Handle, address: &Address) -> Result<(Link, usize), ConnectError> {
    let mut link = Link::open(runtime, address, Use::Write)?;
    claim(&link)?;
    refuse_foreign(&link)?;
    let report = block_on(migrations::migrations::runner().run_async(link.client()))
        .map_err(|error| ConnectError::Schema(Box::new(error)))?;
    Ok((link, report.applied_migrations().len()))
}

/// Takes the place of the one writer, or says that another has it. The server frees it when the
/// session ends, so a transaction of a lost session is decided before the place can be had.
pub(super) fn claim(link: &Link) -> Result<(), ConnectError> {
    for attempt in 0..CLAIMS {
        let rows = link.query(sql::CLAIM, &[])?;
        if rows.first().is_some_and(|row| row.get::<_, bool>(0)) {
            return Ok(());
        }
        if attempt + 1 < CLAIMS {
            std::thread::sleep(PAUSE);
        }
    }
    Err(ConnectError::InUse)
}

/// Looks before anything is made: a foreign or newer database stays as it is.
fn refuse_foreign(link: &Link) -> Result<(), ConnectError> {
    let newest = link.query(
        "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
        &[],
    );
    match newest {
        Ok(rows) => {
            let found = rows.first().map_or(Ok(0), |row| int(row, 0))?;
            let (found, known) = (u32::try_from(found).unwrap_or(u32::MAX), known_schema());
            if found > known {
                return Err(ConnectError::NewerSchema { found, known });
            }
        }
        Err(error) if is_missing(&error) => {
            let tables = link.query(
                "SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
                 AND relkind IN ('r', 'p', 'v', 'm') LIMIT 1",
                &[],
            )?;
            if !tables.is_empty() {
                return Err(ConnectError::Foreign);
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Every join that holds.
pub(super) fn load_joins(link: &Link) -> Result<Joins, ConnectError> {
    let mut joins = Joins::default();
    for row in link.query(sql::JOINS, &[])? {
        joins.set(get(&row, 0)?, get(&row, 1)?);
    }
    Ok(joins)
}

/// Every dictionary into a codec.
pub(super) fn load_dictionaries(link: &Link, codec: &Codec) -> Result<(), ConnectError> {
    for row in link.query(sql::DICTIONARIES, &[])? {
        let kind = u16::try_from(int(&row, 1)?).map_err(|_| StoreError::Corrupt)?;
        codec.add(get(&row, 0)?, kind, get(&row, 2)?);
    }
    Ok(())
}

/// Says so, once, when the server was told not to keep what it confirms.
pub(super) fn warn_when_unsafe(link: &Link) -> Result<(), ConnectError> {
    let unsafe_settings = link.query(
        "SELECT name FROM pg_settings \
         WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'",
        &[],
    )?;
    for row in unsafe_settings {
        let name: &str = get(&row, 0)?;
        tracing::warn!(
            setting = name,
            "PostgreSQL runs with this setting off: a power cut can lose what was acknowledged; \
             turn it on"
        );
    }
    Ok(())
}
