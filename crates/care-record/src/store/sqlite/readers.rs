//! The pool of reading connections: as many reads at once as there are connections.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use super::connection::{self, Reads};
use super::fault::reading;
use crate::store::StoreError;

/// Connections that cannot write, lent one at a time.
pub(super) struct Readers {
    path: PathBuf,
    reads: Reads,
    most: usize,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    lent: usize,
    closed: bool,
}

impl Readers {
    /// A pool that opens at most this many connections, when they are first needed.
    pub fn new(path: PathBuf, most: usize, reads: Reads) -> Self {
        Self {
            path,
            reads,
            most: most.max(1),
            pool: Mutex::new(Pool::default()),
            returned: Condvar::new(),
        }
    }

    /// Runs a read on a connection of its own.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let lent = Lent {
            connection: Some(self.lend()?),
            readers: self,
        };
        match &lent.connection {
            Some(connection) => work(connection),
            None => Err(StoreError::Closed),
        }
    }

    fn lend(&self) -> Result<Connection, StoreError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if pool.closed {
                return Err(StoreError::Closed);
            }
            if let Some(connection) = pool.idle.pop() {
                pool.lent += 1;
                return Ok(connection);
            }
            if pool.lent < self.most {
                pool.lent += 1;
                break;
            }
            pool = self
                .returned
                .wait(pool)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(pool);
        connection::reading(&self.path, self.reads).map_err(|error| {
            self.give_back(None);
            reading(error)
        })
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.lent -= 1;
        if !pool.closed {
            pool.idle.extend(connection);
        }
        self.returned.notify_one();
    }

    /// Closes the idle connections; lent ones close when they come back.
    pub fn close(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.closed = true;
        pool.idle.clear();
        self.returned.notify_all();
    }
}

/// Gives the connection back even when the read panics.
struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.give_back(self.connection.take());
    }
}
