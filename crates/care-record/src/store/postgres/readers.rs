//! The pool of reading connections: as many reads at once as there are connections.

use std::sync::{Condvar, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio_postgres::Error;

use super::address::Address;
use super::fault::{Fault, fault, reading, words};
use super::link::{Link, Use};
use crate::store::StoreError;

/// Connections that cannot write, lent one at a time.
pub(super) struct Readers {
    runtime: Handle,
    address: Address,
    most: usize,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Link>,
    lent: usize,
    closed: bool,
}

impl Readers {
    /// A pool that opens at most this many connections, when they are first needed.
    pub fn new(runtime: Handle, address: Address, most: usize) -> Self {
        Self {
            runtime,
            address,
            most: most.max(1),
            pool: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// Runs a read. When the connection turns out to be lost it is run once more on a new one: a read
    /// changes nothing, so doing it twice is the same as once.
    pub fn read<T>(&self, work: impl Fn(&Link) -> Result<T, ReadError>) -> Result<T, StoreError> {
        match self.once(&work) {
            Err(ReadError::Server(error)) if fault(&error) == Fault::NotDurable => {
                tracing::info!(error = %words(&error), "a read is tried again on a new connection");
                self.forget_idle();
                self.once(&work).map_err(ReadError::into_store)
            }
            done => done.map_err(ReadError::into_store),
        }
    }

    fn once<T>(&self, work: &impl Fn(&Link) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let idle = self.lend()?;
        let mut lent = Lent {
            link: None,
            readers: self,
        };
        let link = match idle {
            Some(link) => lent.link.insert(link),
            None => lent
                .link
                .insert(Link::open(&self.runtime, &self.address, Use::Read)?),
        };
        work(link)
    }

    /// Waits for a place; gives an idle connection where there is one.
    fn lend(&self) -> Result<Option<Link>, ReadError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if pool.closed {
                return Err(StoreError::Closed.into());
            }
            if let Some(link) = pool.idle.pop() {
                pool.lent += 1;
                return Ok(Some(link));
            }
            if pool.lent < self.most {
                pool.lent += 1;
                return Ok(None);
            }
            pool = self
                .returned
                .wait(pool)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was prepared on the connections that are idle.
    #[cfg(test)]
    pub fn prepared(&self) -> Vec<&'static str> {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.idle.iter().flat_map(Link::prepared).collect()
    }

    fn give_back(&self, link: Option<Link>) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.lent = pool.lent.saturating_sub(1);
        if !pool.closed {
            pool.idle.extend(link.filter(|link| !link.is_closed()));
        }
        self.returned.notify_one();
    }

    fn forget_idle(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.idle.clear();
    }

    /// Closes the idle connections; lent ones close when they come back.
    pub fn close(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.closed = true;
        pool.idle.clear();
        self.returned.notify_all();
    }
}

/// Gives the place back even when the read panics.
struct Lent<'a> {
    link: Option<Link>,
    readers: &'a Readers,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.readers.give_back(self.link.take());
    }
}

/// Why a read failed: the server, or what it gave.
pub(super) enum ReadError {
    Server(Error),
    Store(StoreError),
}

impl ReadError {
    pub fn into_store(self) -> StoreError {
        match self {
            Self::Server(error) => reading(error),
            Self::Store(error) => error,
        }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for super::connection::ConnectError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Server(error) => error.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}
