//! The pool of reading connections: as many reads at once as there are connections.
//!
//! A connection for records keeps what it saw for as long as nothing but audit entries was written
//! since: to begin anew for each read would empty its page cache and its mapping, which was a fifth of
//! the cost of a read, since every read writes an entry. A reader that keeps its place keeps the
//! write-ahead log from beginning anew, so the writer asks for it back around each checkpoint.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// Counts what was written besides audit entries and what reading leaves behind.
    content: AtomicU64,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Reader>,
    lent: usize,
    closed: bool,
}

/// A connection, and the count of the content it sees where it keeps its place.
struct Reader {
    connection: Connection,
    sees: Option<u64>,
}

impl Reader {
    /// Sees what is there now. Where nothing was written since, it stays where it is.
    fn look(&mut self, content: u64) -> rusqlite::Result<()> {
        if self.sees == Some(content) {
            return Ok(());
        }
        self.let_go()?;
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        self.sees = Some(content);
        Ok(())
    }

    /// Gives its place up.
    fn let_go(&mut self) -> rusqlite::Result<()> {
        if self.sees.take().is_some() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }
}

impl Readers {
    /// A pool that opens at most this many connections, when they are first needed.
    pub fn new(path: PathBuf, most: usize, reads: Reads) -> Self {
        Self {
            path,
            reads,
            most: most.max(1),
            content: AtomicU64::new(0),
            pool: Mutex::new(Pool::default()),
            returned: Condvar::new(),
        }
    }

    /// Runs a read on a connection of its own.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut lent = Lent {
            reader: Some(self.lend()?),
            readers: self,
        };
        let Some(reader) = &mut lent.reader else {
            return Err(StoreError::Closed);
        };
        if self.reads == Reads::Records {
            reader
                .look(self.content.load(Ordering::SeqCst))
                .map_err(reading)?;
        }
        let found = work(&reader.connection);
        if found.is_err() {
            // A read that failed may have ended its transaction; the next begins its own.
            lent.reader = None;
        }
        found
    }

    /// Something was written, or may have been. Said after a commit and before it is answered, so who was
    /// answered reads what was written.
    pub fn changed(&self) {
        self.content.fetch_add(1, Ordering::SeqCst);
    }

    /// Idle connections give their places up, so that the write-ahead log can begin anew.
    pub fn let_go(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.idle.retain_mut(|reader| reader.let_go().is_ok());
    }

    fn lend(&self) -> Result<Reader, StoreError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if pool.closed {
                return Err(StoreError::Closed);
            }
            if let Some(reader) = pool.idle.pop() {
                pool.lent += 1;
                return Ok(reader);
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
        let opened = connection::reading(&self.path, self.reads).map_err(|error| {
            self.give_back(None);
            reading(error)
        });
        Ok(Reader {
            connection: opened?,
            sees: None,
        })
    }

    fn give_back(&self, reader: Option<Reader>) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.lent -= 1;
        if !pool.closed {
            pool.idle.extend(reader);
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
    reader: Option<Reader>,
    readers: &'a Readers,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.give_back(self.reader.take());
    }
}
